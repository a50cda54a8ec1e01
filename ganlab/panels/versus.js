import { button, fmt, make, panel } from './kit.js';
import { palette, watch } from './canvas.js';
import { rowNames } from './images.js';
import { dots, picture } from './verdict.js';

function render({ model, el }) {
  const root = panel(el, 'versus', 'A/B comparison');
  const t = n => model.get(n);
  const ask = (d, more = {}) => model.send({ do: d, ...more });
  const head = make('b');
  const note = make('span', 'mut');
  const verdict = make('p', 'verdict');
  const reason = make('p', 'reason');
  const cost = make('p', 'mut cost');
  const field = (label, name, lo, hi) => {
    const i = make('input', 'inp');
    i.inputMode = 'numeric';
    i.autocomplete = 'off';
    i.dataset.name = name;
    i.setAttribute('aria-label', label);
    i.onchange = () => {
      const v = Number(i.value.replace(/\s/g, ''));
      const ok = Number.isInteger(v) && v >= lo && v <= hi;
      i.setAttribute('aria-invalid', !ok);
      i.title = ok ? '' : `${label}: a whole number from ${lo} to ${hi}`;
      if (ok) {
        model.set(name, v);
        model.save_changes();
      } else i.value = t(name);
    };
    return make('label', 'lab', label + ' ', i);
  };
  const steps = field('Steps of each', 'steps', 2, 1000000);
  const seeds = field('Seeds', 'seeds', 1, 100);
  const about = make('span', 'mut');
  const bar = make('div', 'prog', make('i'));
  const left = make('span', 'mut');
  bar.setAttribute('role', 'progressbar');
  bar.setAttribute('aria-label', 'Comparison');
  bar.setAttribute('aria-valuemin', 0);
  bar.setAttribute('aria-valuemax', 100);
  verdict.setAttribute('role', 'status');
  const b = (cls, label, what) => {
    const e = button(cls, label);
    e.onclick = () => ask(what);
    return e;
  };
  const start = b('pri', 'Compare', 'ab-start');
  const cancel = b('', 'Cancel', 'ab-cancel');
  const apply = b('pri', '', 'ab-apply');
  const fork = b('', 'Open B as a fork', 'ab-fork');
  const more = b('', 'Run more seeds', 'ab-more');
  const shut = b('q', 'Close', 'ab-close');
  const form = make('div', 'row', steps, seeds, about);
  const run = make('div', 'run', bar, left);
  const acts = make('div', 'acts', start, apply, fork, more, cancel, shut);
  const changed = make('span');
  const bhead = make('th', '', 'B');
  bhead.scope = 'col';
  const ca = make('canvas');
  const cb = make('canvas');
  const table = make('table');
  const rows = [rowNames(), rowNames()];
  const parts = [make('span', 'mut'), make('span', 'mut')];
  const both = make(
    'div',
    'both',
    make('div', 'smp', make('div', 'cap', make('b', '', 'A'), ' as it was', parts[0]), make('div', 'sq', ca, rows[0])),
    make('div', 'smp', make('div', 'cap', make('b', '', 'B'), ' ', changed, parts[1]), make('div', 'sq', cb, rows[1])),
    make('div', 'tab', table),
  );
  root.append(make('div', 'top', head, note), verdict, reason, cost, form, run, both, acts);
  ca.setAttribute('role', 'img');
  cb.setAttribute('role', 'img');
  let made = null;
  let cells = [];
  let was = '';
  const build = () => {
    if (made === t('rows')) return;
    made = t('rows');
    cells = [];
    const th = (text, cls = '') => {
      const e = make('th', cls, text);
      e.scope = 'col';
      return e;
    };
    const body = make('tbody');
    made.forEach(r => {
      const cv = make('canvas');
      const td = (cls, ...kids) => make('td', cls, ...kids);
      cv.setAttribute('role', 'img');
      cv.title =
        'A dot for each seed, with a thin line from the least to the greatest; the grey bar is the interval of their mean; the upright line is 0, no difference';
      cv.setAttribute('aria-label', `${r.title}: B minus A for each seed: ${r.diffs.map(v => fmt(v)).join(', ')}`);
      cells.push([cv, r]);
      const tr = make(
        'tr',
        r.decides ? 'decides' : '',
        td('nm', r.title, ' ', make('span', 'mut', r.decides ? `${r.hint}${r.hint ? '; ' : ''}decides` : r.hint)),
        td('', r.a),
        td('', make('b', '', r.b)),
        td('dc', cv),
        td('wd', r.words),
      );
      body.append(tr);
    });
    table.replaceChildren(
      make(
        'thead',
        '',
        make('tr', '', th('measure'), th('A'), bhead, th('B − A of each seed, line at 0', 'dc'), th('', 'wd')),
      ),
      body,
    );
  };
  const read = () => {
    const p = t('phase');
    const going = p === 'running';
    const done = p === 'done';
    root.hidden = p === 'closed';
    el.dataset.phase = p;
    el.dataset.outcome = t('outcome');
    el.dataset.verdict = t('verdict');
    head.textContent = `A/B: ${t('what')}`;
    note.textContent = done ? t('note') : '';
    verdict.textContent = done || p === 'failed' ? t('verdict') : '';
    cost.textContent = done ? t('cost') : '';
    const cut = verdict.textContent.indexOf(': ');
    reason.textContent =
      cut > 0 && cut < 60
        ? verdict.textContent.slice(cut + 2, cut + 3).toUpperCase() + verdict.textContent.slice(cut + 3)
        : '';
    if (reason.textContent) verdict.textContent = verdict.textContent.slice(0, cut) + '.';
    form.hidden = p !== 'asking';
    steps.querySelector('input').value = t('steps');
    seeds.querySelector('input').value = t('seeds');
    about.textContent = meanwhile(2 * t('steps') * t('seeds') * t('each'), t('held'));
    run.hidden = !going;
    bar.firstChild.style.width = 100 * t('progress') + '%';
    bar.setAttribute('aria-valuenow', Math.round(100 * t('progress')));
    left.textContent = t('left');
    start.hidden = p !== 'asking';
    cancel.hidden = !going;
    shut.hidden = going;
    apply.hidden = fork.hidden = more.hidden = !done;
    apply.textContent = t('here');
    changed.textContent = bhead.title = t('changed') || 'changed';
    build();
    for (const [e, what] of [
      [apply, 'apply'],
      [more, 'more'],
      [shut, 'close'],
    ]) {
      const best = done && t('advice') === what;
      e.classList.toggle('pri', best);
      e.classList.toggle('q', e === shut && !best);
    }
    el.dataset.advice = t('advice');
    both.hidden = !done || (!made.length && t('kind') === 'none');
    for (const s of root.querySelectorAll('.smp')) s.hidden = t('kind') === 'none';
    if (p === 'asking' && was !== p) setTimeout(() => start.focus({ preventScroll: false }));
    if (done && was === 'running') setTimeout(() => shut.focus());
    was = p;
  };
  const draw = async () => {
    read();
    if (t('phase') !== 'done') return;
    const col = palette(root);
    const o = { kind: t('kind'), count: t('count'), cols: t('cols'), extent: t('extent'), real: t('real') };
    cells.forEach(([cv, r]) => {
      if (cv.offsetParent) dots(cv, r, col);
    });
    if (o.kind !== 'none') {
      rows[0].tell(t('a_rows'));
      rows[1].tell(t('b_rows'));
      for (const e of parts) e.textContent = t('names').length ? `: ${t('names').join(' \u2192 ')}` : '';
      await picture(ca, o, t('a'), col);
      await picture(cb, o, t('b'), col);
      ca.setAttribute('aria-label', 'Samples of A, as it was');
      cb.setAttribute('aria-label', `Samples of B, ${t('changed')}, from the same latents`);
    }
    col.done();
  };
  const names = ['phase', 'what', 'verdict', 'advice', 'rows', 'progress', 'left', 'each', 'steps', 'seeds'];
  const w = watch(el, model, ['frame', ...names], draw, read);
  return () => w.stop();
}
const time = s => (s < 90 ? `${Math.max(1, Math.round(s))} s` : `${Math.round(s / 60)} min`);

// what is said before it begins; seconds: 0 where nobody knows
function meanwhile(seconds, held) {
  const run = `the run ${held ? 'is held' : 'goes on'} meanwhile and stays as it is`;
  return seconds ? `about ${time(seconds)}; ${run}` : run;
}
export default { render };
