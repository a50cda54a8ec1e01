import { marked, paper } from './canvas.js';
import { button, fmt, make, thou } from './kit.js';

// one sample through time, its steps below; `now`: the grid, and the square of it that it is; `part`: which image of
// each picture, and of how many
export function film(cv, im, past, now, step, col, [part, of] = [0, 1]) {
  const steps = past[past.length - 1] < step ? [...past, step] : past;
  const k = steps.length;
  const n = past.length;
  const w = cv.parentNode.clientWidth;
  const gap = 2;
  const s = Math.min(64, (w - gap * (k - 1)) / k);
  const a = im.width / n;
  const own = ([b, left, top, wide, high]) => [b, left + (part * wide) / of, top, wide / of, high];
  const tall = (s * im.height * of) / a;
  const x = paper(cv, w, tall + 16, col);
  let end = -9;
  x.fillStyle = col('--gap');
  x.fillRect(0, 0, k * (s + gap) - gap, tall);
  x.imageSmoothingEnabled = (s * devicePixelRatio * of) / a < 3;
  x.imageSmoothingQuality = 'high';
  x.textAlign = 'center';
  x.fillStyle = col('--ink2');
  const at = i =>
    Math.max(
      x.measureText(thou(steps[i])).width / 2,
      Math.min(w - x.measureText(thou(steps[i])).width / 2, i * (s + gap) + s / 2),
    );
  const last = k - 1;
  for (let i = 0; i < k; i++) {
    x.drawImage(...own(i < n ? [im, i * a, 0, a, im.height] : now), i * (s + gap), 0, s, tall);
    const half = x.measureText(thou(steps[i])).width / 2;
    const room = i === last || at(i) + half + 6 < at(last) - x.measureText(thou(steps[last])).width / 2; // a step that does not fit is left out
    if (at(i) - half > end && room) {
      x.fillText(thou(steps[i]), at(i), tall + 13);
      end = at(i) + half + 6;
    }
  }
}
// one cell of a grid, large
export function alone(cv, im, i, cols, rows, side, col) {
  const a = im.width / cols;
  const b = im.height / rows;
  cv.style.width = side + 'px';
  const x = paper(cv, side, (side * b) / a, col);
  x.imageSmoothingEnabled = (side * devicePixelRatio) / a < 3;
  x.imageSmoothingQuality = 'high';
  x.drawImage(im, (i % cols) * a, Math.floor(i / cols) * b, a, b, 0, 0, side, (side * b) / a);
}
// D's scores of the parts of an image, over it, itself in grey: blue where it looks real to D, orange where it looks fake.
// `at`: where the image begins in the canvas, and how wide and tall it is
export function heat(cv, m, at, col) {
  const [left, w, h] = at;
  const rows = m.rows;
  const cols = m.values.length / rows;
  const x = cv.getContext('2d');
  const { mean, most } = spreadOf(m);
  x.globalCompositeOperation = 'saturation';
  x.fillStyle = 'gray';
  x.fillRect(left, 0, w, h);
  x.globalCompositeOperation = 'source-over';
  m.values.forEach((v, i) => {
    if (v == null) return;
    x.globalAlpha = (0.75 * Math.abs(v - mean)) / most;
    x.fillStyle = col(v > mean ? '--d' : '--g');
    x.fillRect(left + ((i % cols) * w) / cols, (Math.floor(i / cols) * h) / rows, w / cols, h / rows);
  });
  x.globalAlpha = 1;
  cv.onpointermove = e => {
    const r = cv.getBoundingClientRect();
    const i = Math.floor(((e.clientX - r.left - left) / w) * cols);
    const j = Math.floor(((e.clientY - r.top) / h) * rows);
    const inside = i >= 0 && i < cols && j >= 0 && j < rows;
    cv.title = inside ? `D's score of this part: ${orDash(m.values[j * cols + i])}` : '';
  };
}
// how far scores lie from their mean; what is no number does not count
export function spreadOf(m) {
  const v = m.values.filter(v => v != null);
  const mean = v.reduce((p, q) => p + q, 0) / Math.max(1, v.length);
  return {
    mean,
    most: Math.max(1e-9, ...v.map(q => Math.abs(q - mean))),
    least: Math.min(...v),
    greatest: Math.max(...v),
  };
}
// what the colours of a map mean: the button that lays it over the sample, and a scale
function legendOf(over) {
  const lo = make('span', 'num lo');
  const hi = make('span', 'num hi');
  const el = make('div', 'scale', over, lo, make('i'), hi);
  el.tell = m => {
    el.hidden = !m;
    if (!m) return;
    const { mean, least, greatest } = spreadOf(m);
    lo.textContent = `fake ${orDash(least)}`;
    hi.textContent = `${orDash(greatest)} real`;
    el.title =
      `D's scores of ${m.rows} × ${m.values.length / m.rows} parts of the sample, whose mean is ${orDash(mean)}. ` +
      'Orange parts look more fake to D than the rest, blue ones more real.';
  };
  return el;
}
const whose = f =>
  ({
    training: thou(f.among) + ' reals',
    held: thou(f.among) + ' held-out reals',
    last: 'the last ' + thou(f.among) + ' reals',
  })[f.which];
const verdict = r =>
  r < 0.5 ? 'nearly a copy' : r <= 1.5 ? 'as near as they are to each other' : 'farther than they are from each other';
const orDash = v => (v == null ? '–' : fmt(v));
// what is known of the sample, where the numbers may be another's still, or of the present and not of the step shown
const knownOf = (c, o) => {
  const now = c.index === o.i ? c : {};
  if (o.at < 0) return now;
  const note = "D's score and the nearest real are known at the present step only.";
  return { index: now.index, steps: now.steps, step: o.at, note };
};
const placeOf = own => {
  if (own.xy) return `at (${own.xy.map(orDash).join(', ')})`;
  return own.step == null ? '' : 'step ' + thou(own.step);
};
const searching = own => (own.searched > 0 && own.searched < 1 ? `searching, ${Math.round(100 * own.searched)} %` : '');
// how far the nearest real is away
const farAs = (f, own, o) => {
  const far = !o.images || f.ratio == null ? 'away' : 'of the distance between two reals: ' + verdict(f.ratio);
  return far + (own.step > f.step ? ` (step ${thou(f.step)})` : '');
};
const noteOf = own => {
  if (own.trouble) return 'Not known: ' + own.trouble;
  if (own.note) return own.note;
  if (!own.path?.length) return '';
  const dots = own.steps.slice(1).map(thou).join(', ');
  return `Its path on the map: from step ${thou(own.steps[0])} (hollow), a dot at ${dots}.`;
};
const captionOf = names => (names?.length ? names.join(' \u2192 ') : 'fake');
const probabilityOf = score => `probability ${(1 / (1 + Math.exp(-score))).toFixed(2)}`;
// empty in place of what is not known
const filled = o => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, v ?? '']));
export function card(close, redraw = () => {}) {
  const cv = name => {
    const c = make('canvas', name);
    c.setAttribute('role', 'img');
    return c;
  };
  const big = cv('big');
  const real = cv('nearest');
  const past = cv('film');
  const title = make('h4');
  const when = make('span', 'mut');
  const x = button('small q shut', 'Close');
  x.onclick = () => close(true);
  const score = make('b');
  const prob = make('span', 'mut');
  const dist = make('b');
  const of = make('span', 'mut');
  const among = make('span');
  const over = button('small q', 'Score map');
  const scale = legendOf(over);
  over.title = "D's scores of the parts of the sample, over it";
  over.setAttribute('aria-pressed', true);
  const note = make('p', 'mut note');
  const fig = (c, cls, text) => make('div', 'fig', c, marked('cap', make('i', cls), text));
  const said = make('span');
  const one = fig(big, 'chipF', said);
  const two = fig(real, 'chipR', 'nearest real');
  const fact = (cls, name, ...kids) =>
    make('div', '', make('dt', 'cap', make('i', cls), name), make('dd', '', ...kids));
  const facts = make('dl', '', fact('chipD', "D's score", score, prob), fact('chipR', among, dist, of));
  const el = make(
    'div',
    'card',
    make('div', 'hd', title, when, make('span', 'sp'), x),
    make('div', 'pair', one, two, facts),
    scale,
    make('div', 'past', past),
    note,
  );
  el.setAttribute('role', 'region');
  el.onkeydown = e => {
    if (e.key === 'Escape') {
      e.stopPropagation();
      close(true);
    }
  };
  el.tell = (c, o) => {
    // c: the numbers, perhaps of another sample still; o: {i, n, raw, images, names}
    const own = knownOf(c, o);
    const f = own.found; // looking back, or not
    title.textContent = `Sample ${o.i + 1} of ${o.n}`;
    el.setAttribute('aria-label', title.textContent + ', closer');
    when.textContent = placeOf(own);
    score.textContent = orDash(own.score);
    prob.textContent = own.score == null || o.raw ? '' : probabilityOf(own.score);
    dist.textContent = f ? orDash(o.images ? f.ratio : f.distance) : '–';
    among.textContent = f ? 'Nearest of ' + whose(f) : 'Nearest real';
    of.textContent = f ? farAs(f, own, o) : searching(own);
    const scores = own.map?.values ?? [];
    tellMap(scores.length ? own.map : null);
    note.textContent = noteOf(own);
    note.hidden = !note.textContent;
    one.hidden = !o.images;
    said.textContent = captionOf(o.names);
    two.hidden = !o.images;
    real.parentNode.classList.toggle('none', !f);
    past.parentNode.hidden = !o.images || !own.steps?.length;
    Object.assign(el.dataset, {
      ...filled({ index: own.index, step: own.step, score: own.score }),
      steps: JSON.stringify(own.steps ?? []),
      ...filled({ among: f?.among, which: f?.which, real: f?.index, distance: f?.distance, ratio: f?.ratio }),
      path: own.path?.length ?? 0,
      map: scores.length,
    });
  };
  const tellMap = m => {
    scale.tell(m);
    el.map = m && over.getAttribute('aria-pressed') === 'true' ? m : null;
    if (el.map) return;
    big.title = '';
    big.onpointermove = null;
  };
  over.onclick = () => {
    over.setAttribute('aria-pressed', over.getAttribute('aria-pressed') !== 'true');
    redraw();
  };
  el.big = big;
  el.real = real;
  el.film = past;
  return el;
}
