// The step between ticks: 1, 2 or 5 of a decade, so that a span has at most so many.
export function nice(span, most) {
  const e = 10 ** Math.floor(Math.log10(span / most));
  return [1, 2, 5, 10].map(m => m * e).find(s => span / s <= most);
}
// [least, greatest] of what is usual, of the latest of our own values and of `keep`; of everything, where that is not much more
export function usual(own, others, keep) {
  const finite = s => [...s.y].filter(Number.isFinite);
  const parts = own.map(finite);
  const v = [...parts, ...others.map(finite)].flat().sort((a, b) => a - b);
  if (!v.length) return [Math.min(...keep), Math.max(...keep)];
  const at = q => {
    const i = q * (v.length - 1);
    const k = Math.floor(i);
    return v[k] + (i - k) * ((v[k + 1] ?? v[k]) - v[k]);
  };
  const low = at(0.25);
  const high = at(0.75);
  const far = 3 * (high - low);
  const near = v.filter(t => t >= low - far && t <= high + far);
  const kept = [
    near[0],
    near[near.length - 1],
    ...parts.filter(p => p.length).map(p => p[p.length - 1]),
    ...keep,
  ].filter(Number.isFinite);
  const whole = [Math.min(v[0], ...keep), Math.max(v[v.length - 1], ...keep)];
  const part = [Math.min(...kept), Math.max(...kept)];
  const span = part[1] - part[0];
  return span > 0 && whole[1] - whole[0] > 2.5 * span ? part : whole;
}
function decades(lines, keep) {
  let lo = keep.lo ?? 1e-2;
  let hi = keep.hi ?? 10;
  for (const v of lines.flatMap(s => [...s.y])) {
    if (!(v > 0 && Number.isFinite(v))) continue;
    while (lo > v * 0.9 && lo > 1e-12) lo /= 10;
    while (hi < v && hi < 1e12) hi *= 10;
  }
  keep.lo = lo;
  keep.hi = hi;
  const n = Math.round(Math.log10(hi / lo));
  const by = Math.ceil(n / 6);
  const ticks = [];
  for (let i = 0; i <= n; i += by) ticks.push(lo * 10 ** i);
  return [lo, hi, ticks];
}
// [lo, hi, ticks]; a log range grows by decades and never shrinks by itself; another shows what is usual
export function range(p, lines, keep, prob, others = []) {
  if (p.score && prob) return [0, 1, [0, 0.5, 1]];
  if (p.log) return decades([...lines, ...others], keep);
  let [lo, hi] = usual(lines, others, p.within ?? (p.score ? [0] : [0, 1]));
  const s = nice(Math.max(hi - lo, 1e-6), 3);
  const t = [];
  lo = Math.floor(lo / s + 1e-9) * s;
  hi = Math.ceil(hi / s - 1e-9) * s;
  for (let v = lo; v <= hi + s / 2; v += s) t.push(Math.abs(v) < s / 1e6 ? 0 : v);
  return [lo, hi, t];
}
export const decade = v => {
  const e = Math.round(Math.log10(v));
  return e >= -3 && e <= 3
    ? String(+(10 ** e).toPrecision(1))
    : '10' +
        String(e)
          .replace('-', '⁻')
          .replace(/\d/g, d => '⁰¹²³⁴⁵⁶⁷⁸⁹'[d]);
};
export const plain = v => {
  const a = Math.abs(v);
  return (a >= 1e4 ? v.toExponential(0).replace('e+', 'e') : String(+v.toPrecision(3))).replace('-', '−');
};
