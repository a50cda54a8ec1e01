import { button, decode, floats, fmt, make, mode, panel, thou } from './kit.js';
import { flagSays, palette, paper, watch } from './canvas.js';
import { strip } from './film.js';
import { axis, knob, line } from './line.js';
import { LANE, moveSays, moves, movesAt, valueAt } from './moves.js';

function render({ model, el }) {
  const root = panel(el, 'timeline', 'Timeline');
  const t = n => model.get(n);
  const ask = (d, more = {}) => model.send({ do: d, ...more });
  const live = button('q small gl-live', make('span', '', 'Live'), make('i'));
  const runs = make('select', 'inp gl-runs');
  const cv = make('canvas', 'gl-film');
  const note = make('span', 'mut gl-busy');
  const [undo, snap, rewind, fork] = [
    ['undo', 'Undo'],
    ['pin', 'Snapshot'],
    ['rewind', 'Rewind'],
    ['fork', 'Fork'],
  ].map(([what, label]) => {
    const b = button('gl-' + what, label);
    b.onclick = () => ask(what, what === 'rewind' || (what === 'fork' && t('at') >= 0) ? { step: t('at') } : {});
    return b;
  });
  runs.setAttribute('aria-label', 'Run');
  runs.title = 'The run that the panel shows';
  runs.onchange = () => ask('open', { index: runs.selectedIndex });
  live.onclick = () => go(-1);
  cv.tabIndex = 0;
  cv.setAttribute('role', 'slider');
  cv.setAttribute('aria-label', 'Step that is shown');
  snap.title = 'Keep a snapshot of this step for good';
  root.append(
    make(
      'div',
      'hd',
      make('h3', '', 'Timeline'),
      live,
      runs,
      note,
      make('span', 'sp'),
      make('span', 'acts', undo, snap, rewind, fork),
    ),
    make('div', 'film', cv),
  );
  let pictures = [];
  let from = null;
  let geo = null;
  let drag = false;
  const go = at => {
    if (at === t('at')) return;
    model.set('at', at);
    model.save_changes();
  };
  const nearest = (all, v) => all.reduce((a, b) => (Math.abs(b - v) < Math.abs(a - v) ? b : a), all[0] ?? 0);
  const to = e => {
    const b = cv.getBoundingClientRect();
    const s = (e.clientX - b.left - geo.L) / geo.per;
    const f = nearest(t('frames'), s);
    go(
      s > t('step') + 6 / geo.per
        ? -1
        : Math.abs(f - s) * geo.per < 12
          ? f
          : Math.max(0, Math.min(t('step'), Math.round(s))),
    );
  };
  const marks = () => [
    ...t('flags').map(f => [f[0], 10, flagSays(f)]),
    ...t('snaps').map(([s, kept]) => [
      s,
      0,
      `Step ${thou(s)}: a snapshot${{ pinned: ', kept for good', start: ', the beginning' }[kept] ?? ''}`,
    ]),
    ...(t('best') >= 0 ? [[t('best'), 0, `Step ${thou(t('best'))}: the best samples of all snapshots`]] : []),
    ...t('ghosts').map(([a, b]) => [b, -28, `What a rewind to step ${thou(a)} left: it went up to step ${thou(b)}`]),
    ...t('forks').map(([a, name, b]) => [b, -28, `${name}: forked at step ${thou(a)}, now at step ${thou(b)}`]),
  ];
  const under = e => {
    const b = cv.getBoundingClientRect();
    const mx = e.clientX - b.left;
    const my = e.clientY - b.top;
    const near = marks().filter(
      ([s, up]) =>
        Math.abs(geo.L + geo.per * s - mx) < 8 && (up < 0 ? my > geo.y + 10 : Math.abs(geo.y - up / 2 - my) < 14),
    );
    const move = t('moves')[Math.floor((my - geo.low) / LANE)];
    const step = Math.round((mx - geo.L) / geo.per);
    if (my > geo.low && move && moveSays(move, step)) return moveSays(move, step);
    const film = my < geo.th ? geo.drawn.find(([px]) => px <= mx && mx <= px + geo.th) : null;
    const n = t('step');
    const knob = Math.abs(geo.L + geo.per * (t('at') < 0 ? n : t('at')) - mx) < 8 && my > geo.th;
    return film
      ? `Samples of step ${thou(film[1])}`
      : [...near.map(m => m[2]), ...(knob ? ['The step that is shown: drag it to look back'] : [])].join('\n');
  };
  cv.onpointerdown = e => {
    if (!geo || !t('step')) return;
    drag = true;
    cv.setPointerCapture(e.pointerId);
    to(e);
  };
  cv.onpointermove = e => {
    if (drag) to(e);
    else if (geo) cv.title = under(e);
  };
  cv.onpointerup = cv.onpointercancel = () => {
    drag = false;
  };
  cv.onkeydown = e => {
    const n = t('step');
    const at = t('at') < 0 ? n : t('at');
    const next = (all, up) => (up ? (all.find(s => s > at) ?? -1) : ([...all].reverse().find(s => s < at) ?? 0));
    const up = e.key.endsWith('Right') || e.key.endsWith('Up');
    const snaps = t('snaps').map(s => s[0]);
    let to = null;
    if (e.key.startsWith('Arrow')) {
      to = e.shiftKey
        ? Math.max(0, Math.min(n, at + (up ? 1 : -1)))
        : next(
            t('frames').filter(s => s <= n),
            up,
          );
    } else if (e.key === 'PageUp' || e.key === 'PageDown') to = next(snaps, up);
    else if (e.key === 'Home') to = 0;
    else if (e.key === 'End' || e.key === 'Escape') to = -1;
    if (to != null) {
      e.preventDefault();
      go(to >= n && e.key !== 'Home' ? -1 : to);
    }
  };
  const movesNow = step =>
    t('moves')
      .filter(m => valueAt(m, step) !== null)
      .map(m => `${m.label} ${fmt(valueAt(m, step))}`);
  const read = () => {
    const at = t('at');
    const n = t('step');
    const then = at >= 0;
    const busy = !!t('busy');
    const names = t('runs');
    const going = t('status') === 'running';
    live.className = 'b q small gl-live ' + (then ? 'then' : going ? 'going' : 'still');
    live.lastChild.textContent = then || going ? 'Live' : 'Latest';
    live.setAttribute('aria-pressed', !then);
    live.title = then ? 'Back to the present' : 'The present is shown';
    rewind.lastChild.textContent = then ? `Rewind to ${thou(at)}` : 'Rewind';
    rewind.disabled = !then || busy;
    rewind.title = then
      ? 'Go back to this step, bit for bit; what came after it stays as a dashed branch'
      : 'Choose a step on the timeline first';
    fork.lastChild.textContent = then ? `Fork at ${thou(at)}` : 'Fork';
    fork.disabled = busy;
    fork.title = 'A second run that goes on from here; this one stays as it is';
    snap.disabled = busy || then;
    undo.disabled = busy || !t('undo');
    undo.title = t('undo') ? `Rewind to before the last change: ${t('undo')}` : 'No change to undo';
    note.textContent = t('busy');
    note.hidden = !busy;
    if (runs.options.length !== names.length) runs.replaceChildren(...names.map(s => new Option(s)));
    names.forEach((s, i) => {
      runs.options[i].text = s;
    });
    runs.selectedIndex = t('here');
    runs.hidden = names.length < 2;
    runs.disabled = busy;
    cv.setAttribute('aria-valuemin', 0);
    cv.setAttribute('aria-valuemax', n);
    cv.setAttribute('aria-valuenow', then ? at : n);
    const here = marks()
      .filter(m => m[0] === (then ? at : n) && m[1] >= 0)
      .map(m => m[2].slice(m[2].indexOf(':') + 2))
      .concat(movesNow(then ? at : n));
    cv.setAttribute('aria-valuetext', [then ? `step ${at}` : `step ${n}, the latest`, ...here].join(', '));
    Object.assign(el.dataset, {
      step: n,
      at,
      frames: t('frames').length,
      shown: t('film_steps').length,
      snaps: JSON.stringify(t('snaps')),
      ghosts: t('ghosts').length,
      busy: t('busy'),
      undo: t('undo'),
    });
  };
  const draw = async () => {
    if (from !== t('film')) {
      const now = t('film');
      const kind = t('kind');
      const got = await Promise.all(now.map(v => (kind === 'images' ? decode(v) : floats(v))));
      if (now === t('film')) {
        from = now;
        pictures = got;
      }
    }
    read();
    const col = palette(root);
    const m = mode(root);
    const some = t('kind') !== 'none' && pictures.length;
    const th = !some ? 0 : m === 'narrow' ? 44 : m === 'mid' ? 48 : 56;
    const n = t('step');
    const twigs = t('ghosts').length + t('forks').length;
    const two = twigs > 1;
    const w = cv.parentNode.clientWidth;
    const low = th + 36 + (twigs ? 18 : 0) + (two ? 16 : 0); // where curves of schedules begin
    const H = n ? low + 16 + LANE * t('moves').length : th + 42;
    const x = paper(cv, w, H, col);
    const L = (th || 20) / 2;
    const far = Math.max(n, 100, ...t('ghosts').map(g => g[1]), ...t('forks').map(f => f[2]));
    const per = (w - 2 * L) / far;
    const X = s => L + s * per;
    const y = th + 22;
    geo = { L, per, y, th, low };
    const at = t('at');
    const filmSteps = t('film_steps');
    const o = {
      n,
      at,
      kind: t('kind'),
      grids: t('grids'),
      extent: t('extent'),
      pictures,
      filmSteps,
      far,
      near: nearest(filmSteps, at),
      flags: t('flags'),
      snaps: t('snaps'),
      ghosts: t('ghosts'),
      forks: t('forks'),
      best: t('best'),
      drawn: [],
    };
    geo.drawn = o.drawn;
    if (some) strip(x, o, X, w, th, col);
    x.font = col.font();
    line(x, o, X, y, w, L, col);
    if (n) {
      moves(x, t('moves'), X, low, col);
      movesAt(x, t('moves'), X, low, at < 0 ? n : at, w, col);
    }
    if (n) axis(x, o, X, w, H, col);
    else {
      x.fillStyle = col('--ink2');
      x.textAlign = 'left';
      x.fillText('Step 0. Frames, flags and snapshots collect here.', X(0) + 10, y + 16);
    }
    knob(x, o, X, y, th, H, col);
    col.done();
  };
  const w = watch(root, model, ['frame', 'at', 'flags', 'runs', 'here', 'busy', 'status', 'step'], draw, read);
  return () => w.stop();
}
export default { render };
