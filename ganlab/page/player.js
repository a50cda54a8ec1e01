import { part, story } from './story.js';
import { PLOTS, curves, nearest } from '../panels/series.js';
import { chart, cursor } from './chart.js';
import { fmt, icon, make, mode, thou } from '../panels/kit.js';
import { PAUSE, PLAY, log, plots, samples, switches, toolbar, track } from './parts.js';
import { palette } from '../panels/canvas.js';
import { caret, timeline } from './strip.js';
import { classShown, classes, gridOf, image, modesOf, ofClass, points, real } from './pictures.js';
import { tiles } from '../panels/images.js';
import { map } from '../panels/map.js';

if (story.centers) {
  PLOTS.splice(1, 0, {
    title: 'Modes found',
    sub: `of ${story.centers.length}`,
    h: { wide: 82, mid: 66, narrow: 74 },
    modes: story.centers.length,
    lines: [[6, '', '--g', '--gt', '']],
  });
}
const ui = {};
const drawn = {};
const frames = story.branches.map(b => [...story.past, ...b.frames]);
const data = [];
let turn = 0;
let at = 0;
let on = story.switches.map(() => false);
let playing = 0;
const which = () => story.branches.findIndex(b => b.on.every((v, i) => v === on[i]));
const now = () => frames[which()];
const act = {
  speed: 12,
  total: Math.max(...frames.flatMap(f => f.map(g => g.step)), ...story.branches.map(b => b.steps), 1),
};
const curvesOf = i =>
  (data[i] ??= (() => {
    const d = curves(part(story.branches[i].curves), 20, 0, story.prob);
    const f = frames[i].filter(g => g.found != null);
    d.all.push({ x: f.map(g => g.step), y: f.map(g => g.found) });
    return d;
  })());
act.drag = (box, where) => {
  let held = false;
  const go = e => {
    const t = where(e);
    if (t != null) act.go(t);
  };
  box.onpointerdown = e => {
    if (e.button) return;
    held = true;
    box.setPointerCapture?.(e.pointerId);
    go(e);
  };
  box.onpointermove = e => held && go(e);
  box.onpointerup = box.onpointercancel = () => {
    held = false;
  };
};
act.move = by => act.show(at + by, true);
act.flags = () => story.branches[which()].flags;
act.go = (step, up) => {
  const xs = now().map(f => f.step);
  const k = up ? xs.findIndex(s => s >= step) : nearest(xs, step);
  act.show(k < 0 ? xs.length - 1 : k, true);
};
act.show = (k, stop) => {
  if (stop) act.stop();
  k = Math.max(0, Math.min(now().length - 1, k));
  if (k !== at || !drawn.once) {
    at = k;
    look();
  }
};
act.stop = () => {
  clearTimeout(playing);
  playing = 0;
  playLook();
};
act.play = () => {
  if (playing) return act.stop();
  if (at >= now().length - 1) act.show(0);
  playing = 1;
  playLook();
  next();
};
const next = () => {
  playing = setTimeout(async () => {
    if (at >= now().length - 1) return act.stop();
    at++;
    await look();
    if (playing) next();
  }, 1000 / act.speed);
};
const playLook = () => {
  ui.play.replaceChildren(icon(playing ? PAUSE : PLAY), playing ? 'Pause' : 'Play');
  document.body.dataset.playing = !!playing;
};
act.flip = i => {
  const to = on.map((v, k) => (k === i ? !v : v));
  const k = story.branches.findIndex(b => b.on.every((v, j) => v === to[j]));
  const b = story.branches[k];
  if (b.why) {
    say(b.why);
    ui.rows.forEach((r, j) => r.sync(on[j]));
    return;
  }
  const step = now()[at].step;
  on = to;
  at = nearest(
    now().map(f => f.step),
    step,
  );
  document.body.dataset.branch = on.map(Number).join('');
  ui.rows.forEach((r, j) => r.sync(on[j]));
  act.draw();
  const s = story.switches[i];
  const f = now()[at];
  say(
    `${s.title} ${on[i] ? 'on' : 'off'}: ${f.found != null ? `${f.found} of ${story.centers.length} modes at` : 'the same latents at'} step ${thou(f.step)}.${b.error ? ' ' + b.error : ''}`,
  );
};
const say = text => {
  ui.said.textContent = text;
};
// what depends on the step
async function look() {
  const mine = ++turn;
  const f = now()[at];
  const i = which();
  const d = curvesOf(i);
  const col = palette(root);
  const t = ui.track;
  drawn.once = true;
  Object.assign(document.body.dataset, { step: f.step, at, frames: now().length, branch: on.map(Number).join('') });
  ui.step.textContent = thou(f.step);
  ui.of.textContent = 'of ' + thou(act.total);
  ui.at.textContent = `step ${thou(f.step)}, mean of 20`;
  if (ui.when) ui.when.textContent = 'step ' + thou(f.step);
  t.setAttribute('aria-valuemax', act.total);
  t.setAttribute('aria-valuenow', f.step);
  t.setAttribute('aria-valuetext', `step ${f.step}`);
  if (ui.found) {
    ui.found.textContent = f.found ?? '–';
    document.body.dataset.found = f.found ?? '';
  }
  let last = -1;
  story.log.forEach((c, k) => {
    const done = c.step <= f.step;
    ui.log[k].classList.toggle('later', !done);
    if (done) last = k;
    ui.log[k].removeAttribute('aria-current');
  });
  if (last >= 0) ui.log[last].setAttribute('aria-current', 'step');
  d.all.forEach((s, k) => {
    if (!ui.out[k]) return;
    const j = nearest(s.x, f.step);
    ui.out[k].textContent = j < 0 || (f.step === 0 && k < 6) ? '–' : k === 6 ? s.y[j] : fmt(s.y[j]);
  });
  ui.plots.forEach(g => {
    if (g.place && g.base.offsetParent) cursor(g.over, g.p, g.place, f.step, col);
  });
  if (ui.line.place) caret(ui.line.over, ui.line.place, f.step, col);
  const b = story.kind === 'images' && f.fake ? await image(f.fake) : null;
  if (mine === turn) picture(f, b, col);
  col.done();
  if (story.kind === 'images') {
    for (let k = at + 1; k < at + 4 && k < now().length; k++) if (now()[k].fake) image(now()[k].fake);
  }
}
function picture(f, b, col) {
  if (story.kind === 'images') {
    const g = gridOf(f);
    const some = ofClass(f);
    ui.caption.textContent = g.names.length ? g.names.join(' \u2192 ') : 'Fake';
    ui.rows_shown.tell(some ? [] : g.rows, classes.length);
    ui.none.hidden = classShown.name === null || !!some;
    const c = g.cols;
    const grid = ui.fake.closest('.grid');
    grid.style.setProperty('--c', c * Math.max(1, g.names.length));
    grid.style.setProperty('--rc', story.real?.[2] ?? 2);
    if (b) tiles(ui.fake, b, c, Math.ceil(g.count / c), some ? Math.ceil(c / 2) : c, col, g.count, some);
    const what = some ? `${some.length} samples of G of the class ${classShown.name}` : `${g.count} samples of G`;
    ui.fake.setAttribute('aria-label', `${what} at step ${f.step}`);
  } else if (story.kind === 'points' && f.fake) {
    const q = points(f);
    const m = modesOf(f);
    map(ui.plane, { ...q, real, extent: f.extent, modes: m, raw: f.raw }, col);
    ui.missed.hidden = !m.centers || m.found === m.centers.length;
    ui.plane.setAttribute(
      'aria-label',
      m.centers
        ? `Step ${f.step}: G covers ${m.found} of ${m.centers.length} modes`
        : `Samples of G among the data at step ${f.step}`,
    );
  }
}
act.draw = () => {
  cancelAnimationFrame(drawn.due);
  drawn.due = requestAnimationFrame(all);
};
// everything: at first, at a new size, in other colours, on another branch
async function all() {
  const col = palette(root);
  const m = mode(root);
  const i = which();
  const b = story.branches[i];
  const d = curvesOf(i);
  const others = story.branches
    .map((o, k) => k)
    .filter(k => k !== i && !story.branches[k].why)
    .map(curvesOf);
  ui.rows?.forEach((r, k) => r.sync(on[k]));
  ui.plots.forEach(g => {
    if (g.base.offsetParent) {
      g.place = chart(g.base, g.p, d, {
        mode: m,
        flags: b.flags,
        keep: g.keep,
        prob: story.prob,
        others,
        total: act.total,
        col,
      });
      g.base.setAttribute('aria-label', `${g.p.title} against step`);
    }
  });
  ui.line.place = timeline(ui.line.base, b, now(), { mode: m, total: act.total, col });
  if (story.kind === 'images' && story.real) {
    image(story.real).then(r => {
      if (!r) return;
      const rc = story.real[2];
      const rows = story.real[3];
      const n = m === 'narrow' ? 4 * rc : rc;
      const c = palette(root);
      tiles(ui.real, r, rc, rows, n, c, m === 'narrow' ? n : undefined);
      ui.real.setAttribute('aria-label', 'Real images');
      c.done();
    });
  }
  await look();
  await ui.line.place.done;
  col.done();
  document.body.dataset.ready = true;
}

const el = document.getElementById('player');
const root = make('div', 'gl-root');
el.append(root);
ui.said = make('div', 'said');
ui.said.setAttribute('role', 'status');
ui.said.setAttribute('aria-live', 'polite');
const body = make('main', 'body' + (story.log.length ? ' has-log' : ''));
body.append(samples(ui, act), track(ui, act), plots(ui, act), ...(story.log.length ? [log(ui, act)] : []));
root.append(
  toolbar(ui, act),
  ...(story.switches.length ? [switches(ui, act)] : []),
  body,
  make('footer', '', ui.said, make('span', 'mut keys', '← → a frame, Shift ten, Space plays')),
);
ui.log ??= [];
const dark = matchMedia('(prefers-color-scheme: dark)');
const theme = light => {
  document.documentElement.dataset.jpThemeLight = light;
  ui.theme.setAttribute('aria-pressed', !light);
  act.draw();
};
let chosen = false;
dark.onchange = () => {
  if (!chosen) theme(!dark.matches);
};
ui.theme.onclick = () => {
  chosen = true;
  theme(document.documentElement.dataset.jpThemeLight !== 'true');
};
addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
  const t = e.target;
  const slider = t === ui.track;
  const free = slider || t === document.body;
  const ten = e.shiftKey ? 10 : 1;
  if (t.getAttribute?.('role') === 'radio') return;
  const side =
    { ArrowLeft: -ten, ArrowRight: ten }[e.key] ??
    (slider ? { ArrowDown: -ten, ArrowUp: ten, PageDown: -10, PageUp: 10 }[e.key] : undefined);
  if (side) {
    e.preventDefault();
    act.move(side);
  } else if (e.key === 'Home') {
    e.preventDefault();
    act.show(0, true);
  } else if (e.key === 'End') {
    e.preventDefault();
    act.show(now().length - 1, true);
  } else if (free && e.key === ' ') {
    e.preventDefault();
    act.play();
  }
});
at = now().length - 1;
playLook();
theme(!dark.matches);
let width = 0;
new ResizeObserver(() => {
  if (root.clientWidth !== width) {
    width = root.clientWidth;
    act.draw();
  }
}).observe(root);
document.fonts?.ready.then(act.draw);
