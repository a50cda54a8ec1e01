import { floats } from './kit.js';

export const NAMES = ['g_grad_norm', 'd_grad_norm', 'd_real', 'd_fake', 'g_loss', 'd_loss'];
export const PLOTS = [
  {
    title: 'Gradient norm',
    sub: 'log, before clipping',
    h: { wide: 246, mid: 160, narrow: 176 },
    log: true,
    top: true,
    lines: [
      [0, 'G', '--g', '--gt', 'chipG'],
      [1, 'D', '--d', '--dt', 'chipD'],
    ],
  },
  {
    title: 'D score',
    sub: '0.5 is undecided',
    h: { wide: 104, mid: 82, narrow: 110 },
    score: true,
    lines: [
      [2, 'real', '--real', '--ink', 'chipR'],
      [3, 'fake', '--g', '--gt', 'chipF'],
    ],
  },
  {
    title: 'Loss',
    sub: '',
    h: { wide: 104, mid: 82, narrow: 110 },
    axis: true,
    lines: [
      [4, 'G', '--g', '--gt', 'chipG'],
      [5, 'D', '--d', '--dt', 'chipD'],
    ],
  },
];
export const ML = 38;
export const MR = 38;
const sigmoid = v => 1 / (1 + Math.exp(-v));
// the mean of the last w values, absent ones left out
export function trailing(v, w, log) {
  const out = new Float32Array(v.length);
  let s = 0;
  let n = 0;
  const q = [];
  for (let i = 0; i < v.length; i++) {
    const t = log ? Math.log(v[i]) : v[i];
    const ok = Number.isFinite(t);
    q.push(ok ? t : null);
    if (ok) {
      s += t;
      n++;
    }
    if (q.length > w) {
      const o = q.shift();
      if (o !== null) {
        s -= o;
        n--;
      }
    }
    out[i] = n ? (log ? Math.exp(s / n) : s / n) : NaN;
  }
  return out;
}
// one series: {x, lo, hi, y}
export function curves(view, smooth, last, prob) {
  const f = view?.byteLength ? floats(view) : new Float32Array(3);
  const [k, m, width] = f;
  const S = NAMES.length;
  const slot = smooth === 100 ? 3 : 2;
  const tail = i => f.subarray(3 + k + 4 * S * k + i * m, 3 + k + 4 * S * k + (i + 1) * m);
  const soft = (i, a) => (prob && (i === 2 || i === 3) ? a.map(sigmoid) : a);
  const steps = tail(0);
  const from = Math.max(0, m - last);
  const all = NAMES.map((name, i) => {
    const part = j => f.subarray(3 + k + (j * S + i) * k, 3 + k + (j * S + i + 1) * k);
    const raw = tail(i + 1);
    if (last) {
      const r = raw.subarray(from);
      return {
        x: steps.subarray(from),
        lo: soft(i, r),
        hi: soft(i, r),
        y: soft(i, smooth ? trailing(raw, smooth, i < 2).subarray(from) : r),
      };
    }
    const lo = part(0);
    const hi = part(1);
    const mid = lo.map((v, j) => (i < 2 ? Math.sqrt(v * hi[j]) : (v + hi[j]) / 2));
    return {
      x: f.subarray(3, 3 + k),
      lo: soft(i, lo),
      hi: soft(i, hi),
      y: soft(i, smooth ? part(slot) : mid),
      newest: soft(i, raw.slice(-1)),
    };
  });
  return { all, width: last ? 1 : width, n: m ? steps[m - 1] : 0, first: last && m ? steps[from] : 0 };
}
// The index of the value nearest to `t` in rising `xs`, -1 where there is none.
export function nearest(xs, t) {
  let a = 0;
  let b = xs.length - 1;
  while (b - a > 1) {
    const m = (a + b) >> 1;
    if (xs[m] < t) a = m;
    else b = m;
  }
  return b < 0 ? -1 : t - xs[a] < xs[b] - t ? a : b;
}
// The index of the last value of a series that is a number, -1 where there is none.
export function lastOf(s) {
  for (let i = s.y.length - 1; i >= 0; i--) if (!Number.isNaN(s.y[i])) return i;
  return -1;
}
