import { button, icon, make, radios, thou } from '../panels/kit.js';
import { story } from './story.js';
import { flagSays, marked } from '../panels/canvas.js';
import { classTitle, rowNames } from '../panels/images.js';
import { classShown, classes } from './pictures.js';
import { LANE, moveSays } from '../panels/moves.js';
import { ML, MR, PLOTS } from '../panels/series.js';

export const PLAY = 'M2 1l9 5-9 5z';
export const PAUSE = 'M2 1h3v10H2zM7 1h3v10H7z';
const BACK = 'M8 1L3 6l5 5z';
const ON = 'M4 1l5 5-5 5z';
const HALF = 'M6 .5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11zM6 2a4 4 0 0 1 0 8z';
const GLYPH = { on: 'M3 2l7 4-7 4z', off: 'M3 2l7 4-7 4zM4.3 4.2v3.6L7.5 6z', set: 'M6 1.5L10.5 6 6 10.5 1.5 6z' };
const nudge = (title, path) => {
  const b = button('q small', '', icon(path));
  b.title = title;
  b.setAttribute('aria-label', title);
  return b;
};
export function toolbar(ui, act) {
  ui.play = button('pri play', '');
  ui.play.onclick = act.play;
  const back = nudge('One frame back', BACK);
  const on = nudge('One frame on', ON);
  back.onclick = () => act.move(-1);
  on.onclick = () => act.move(1);
  ui.speed = radios(
    'Speed',
    [
      [4, '1×'],
      [12, '3×'],
      [40, '10×'],
    ],
    () => act.speed,
    v => {
      act.speed = v;
      ui.speed.sync();
    },
  );
  ui.step = make('b', 'num');
  ui.of = make('span', 'lab');
  ui.theme = nudge('Light or dark', HALF);
  ui.theme.classList.add('theme');
  const bar = make(
    'div',
    'tp',
    make('div', 'grp', ui.play, make('span', 'pair', back, on)),
    make('div', 'grp', make('span', 'lab', 'Speed'), ui.speed),
    make('div', 'stats', make('span', 'lab', 'step'), ui.step, ui.of),
  );
  bar.setAttribute('role', 'toolbar');
  bar.setAttribute('aria-label', 'Playing');
  const title = make('h1', '', story.title);
  const about = make('p', 'mut', story.about);
  return make('header', '', make('div', 'title', title, about), bar, ui.theme);
}
// one row per trick; the step stays when one is flipped
export function switches(ui, act) {
  const rows = story.switches.map((s, i) => {
    const sw = make('input', 'sw');
    const row = make('div', 'row off');
    const st = make('span', 'st', s.values);
    const id = 'sw' + i;
    sw.type = 'checkbox';
    sw.id = id;
    sw.setAttribute('role', 'switch');
    const name = make('label', 'nm', s.title);
    name.htmlFor = id;
    name.title = s.short;
    st.id = id + 's';
    sw.setAttribute('aria-describedby', st.id);
    row.dataset.trick = s.name;
    sw.onclick = e => {
      e.preventDefault();
      act.flip(i);
    };
    row.append(sw, name, st);
    row.sync = on => {
      row.classList.toggle('on', on);
      row.classList.toggle('off', !on);
      setTimeout(() => {
        sw.checked = on;
      });
      sw.setAttribute('aria-checked', on);
    };
    return row;
  });
  ui.found = make('b', 'num');
  ui.rows = rows;
  const box = make(
    'section',
    'gl-tricks band',
    make('span', 'lab from', `From step ${thou(story.start)} on`),
    make('div', 'rows', ...rows),
    ...(story.centers
      ? [make('div', 'score', ui.found, make('span', 'lab', ` of ${story.centers.length} modes`))]
      : []),
  );
  box.setAttribute('aria-label', 'Switches');
  return box;
}
// which class is looked at, where there are classes
function choice(act) {
  if (!classes.length) return [];
  const only = make(
    'select',
    'inp only',
    new Option('All classes', ''),
    ...classes.map((n, i) => new Option(classTitle(n), i)),
  );
  only.setAttribute('aria-label', 'Class');
  only.onchange = () => {
    classShown.name = only.value === '' ? null : classes[only.value];
    act.draw();
  };
  return [only];
}
export function samples(ui, act) {
  const cv = name => {
    const c = make('canvas', name);
    c.setAttribute('role', 'img');
    return c;
  };
  const chip = (cls, ...text) => marked('cap', make('i', cls), ...text);
  const box = (...kids) => make('div', 'box', ...kids);
  const key = (cls, text) => make('span', 'cap', make('i', cls), text);
  ui.fake = cv('fake');
  ui.real = cv('real');
  ui.plane = cv('plane');
  ui.when = make('span', 'more');
  ui.missed = key('k-missed', 'mode missed');
  ui.rows_shown = rowNames();
  ui.caption = make('b', '', 'Fake');
  ui.none = make('p', 'mut none', 'Before this class has a row: G makes samples of no class.');
  ui.none.hidden = true;
  const body =
    story.kind === 'images'
      ? [
          make(
            'div',
            'grid' + (story.real ? '' : ' alone'),
            box(chip('chipF', ui.caption, ui.when), make('div', 'box over', ui.fake, ui.rows_shown), ui.none),
            box(chip('chipR', make('b', '', 'Real')), box(ui.real)),
          ),
        ]
      : story.kind === 'points'
        ? [
            make('div', 'square', ui.plane),
            make(
              'div',
              'legend',
              ...(story.real ? [chip('chipR', 'real')] : []),
              chip('chipF', "fake, with D's slope"),
              key('k-heat', 'D(x)'),
              key('k-line', 'D undecided'),
              ui.missed,
            ),
          ]
        : [make('p', 'mut note', story.note)];
  const s = make(
    'section',
    'gl-samples col',
    make(
      'div',
      'hd',
      make('h2', '', 'Samples'),
      ...(story.kind === 'points'
        ? [make('span', 'mut', 'z fixed'), ui.when]
        : story.kind === 'images'
          ? [make('span', 'mut', 'the same z at every step'), make('span', 'sp'), ...choice(act)]
          : []),
    ),
    ...body,
  );
  s.setAttribute('aria-label', 'Samples');
  return s;
}
const tip = (box, marks) =>
  box.addEventListener('pointermove', e => {
    const b = box.getBoundingClientRect();
    const mx = e.clientX - b.left;
    box.title = marks(mx, e.clientY - b.top)
      .filter(([px]) => Math.abs(px - mx) < 7)
      .map(m => m[1])
      .join('\n');
  }); // what stands under the pointer
export function plots(ui, act) {
  ui.out = {};
  let open = false;
  const fold = button('fold', '', make('span', '', 'D score and losses'), icon('M3 1l6 5-6 5z'));
  const s = make('section', 'gl-curves col');
  fold.setAttribute('aria-expanded', false);
  fold.onclick = () => {
    open = !open;
    fold.setAttribute('aria-expanded', open);
    s.classList.toggle('open', open);
    act.draw();
  };
  s.append(make('div', 'hd', make('h2', '', 'Gradient norm'), make('span', 'mut', 'log, before clipping')));
  ui.plots = PLOTS.map((p, i) => {
    const vals = make(
      'span',
      'vals',
      ...p.lines.map(([k, label, , , chip]) => {
        ui.out[k] = make('b', '', '–');
        return marked(
          'val',
          ...(chip ? [make('i', chip)] : []),
          ...(label ? [make('span', '', label)] : []),
          ui.out[k],
        );
      }),
    );
    const base = make('canvas');
    const over = make('canvas', 'over');
    const box = make('div', 'cv', base, over);
    base.setAttribute('role', 'img');
    over.setAttribute('aria-hidden', true);
    if (p.score) s.append(fold);
    const head = p.top
      ? make('div', 'ph', vals, (ui.at = make('span', 'mut when')))
      : make(
          'div',
          'ph',
          make('h3', '', p.title),
          make('span', 'mut wide', p.score && !story.prob ? 'raw scores of D' : p.sub),
          vals,
        );
    s.append(make('div', 'pl ' + (p.top ? 'top' : p.modes ? 'modes' : 'sub'), head, box));
    act.drag(box, e => {
      const g = ui.plots[i].place;
      return g && ((e.clientX - box.getBoundingClientRect().left - ML) / (g.w - ML - MR)) * act.total;
    });
    tip(box, () => {
      const g = ui.plots[i].place;
      return g ? act.flags().map(f => [g.X(f[0]), flagSays(f)]) : [];
    });
    return { p, base, over, keep: {}, vals };
  });
  s.setAttribute('aria-label', 'Curves');
  return s;
}
export function track(ui, act) {
  const base = make('canvas');
  const over = make('canvas', 'over');
  ui.track = make('div', 'track cv', base, over);
  ui.line = { base, over };
  base.setAttribute('aria-hidden', true);
  over.setAttribute('aria-hidden', true);
  const t = ui.track;
  t.tabIndex = 0;
  t.setAttribute('role', 'slider');
  t.setAttribute('aria-label', 'Step');
  t.setAttribute('aria-valuemin', 0);
  act.drag(t, e => ui.line.place?.at(e.clientX - t.getBoundingClientRect().left));
  tip(t, (mx, my) => {
    const g = ui.line.place;
    const move = g?.moves[Math.floor((my - g.low) / LANE)];
    if (move) return [[mx, moveSays(move, Math.round(g.at(mx)))]];
    return g
      ? [
          ...act.flags().map(f => [g.X(f[0]), flagSays(f)]),
          ...story.snapshots.map(s => [g.X(s), `Step ${thou(s)}: a snapshot`]),
          ...story.ghosts.map(([a, b]) => [
            g.X(b),
            `What a rewind to step ${thou(a)} left: it went up to step ${thou(b)}`,
          ]),
        ]
      : [];
  });
  const s = make('section', 'time col', t);
  s.setAttribute('aria-label', 'Timeline');
  return s;
}
export function log(ui, act) {
  ui.log = story.log.map(c => {
    const b = button(
      'entry',
      '',
      make('span', 'n', thou(c.step)),
      icon(GLYPH[c.kind] || GLYPH.set),
      make('span', 'say', make('b', '', c.who), ' ' + c.what + (c.values ? ': ' : ''), make('span', 'mut', c.values)),
    );
    b.onclick = () => act.go(c.step, true);
    b.onkeydown = e => {
      const d = { ArrowDown: 1, ArrowUp: -1 }[e.key];
      if (d) {
        e.preventDefault();
        ui.log[ui.log.indexOf(b) + d]?.focus();
      }
    };
    return b;
  });
  const s = make(
    'section',
    'log col',
    make(
      'div',
      'hd',
      make('h2', '', 'Changes'),
      make(
        'span',
        'mut',
        String(story.log.length) + (story.left_out ? `, the newest of ${story.log.length + story.left_out}` : ''),
      ),
    ),
    make('div', 'list', ...ui.log),
  );
  s.style.setProperty('--n', Math.max(2, ...story.log.map(c => thou(c.step).length)) + 'ch');
  s.setAttribute('aria-label', 'Changes');
  return s;
}
