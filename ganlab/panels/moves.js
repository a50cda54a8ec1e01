import { stroke } from './canvas.js';
import { fmt, thou } from './kit.js';

export const LANE = 20; // pixels of each curve

// what a parameter on a schedule is at a step; null: it was on none there. m: {label, said, at, y}
export function valueAt(m, step) {
  const n = m.at.length;
  if (!n || step < m.at[0] || step > m.at[n - 1]) return null;
  const k = m.at.findIndex(s => s >= step);
  if (m.at[k] === step) return m.y[k];
  const share = (step - m.at[k - 1]) / (m.at[k] - m.at[k - 1]);
  return m.y[k - 1] + share * (m.y[k] - m.y[k - 1]);
}
export const moveSays = (m, step) => {
  const v = valueAt(m, step);
  return v === null ? '' : `${m.label} at step ${thou(step)}: ${fmt(v)}\n${m.said}`;
};
const heightOf = (m, top, i) => {
  const lo = Math.min(...m.y);
  const hi = Math.max(...m.y);
  return v => top + LANE * i + 4 + (hi > lo ? 1 - (v - lo) / (hi - lo) : 0.5) * (LANE - 8);
};
// a thin curve for each, one below the other from `top` on
export function moves(x, list, X, top, col) {
  x.strokeStyle = col('--ink2');
  x.lineWidth = 1.25;
  list.forEach((m, i) => {
    const Y = heightOf(m, top, i);
    stroke(x, ...m.at.map((s, k) => [X(s), Y(m.y[k])]));
  });
  x.lineWidth = 1;
}
// their names, and what they are at a step
export function movesAt(x, list, X, top, step, w, col) {
  list.forEach((m, i) => {
    const v = valueAt(m, step);
    if (v !== null) {
      x.fillStyle = col('--ink2');
      x.beginPath();
      x.arc(X(step), heightOf(m, top, i)(v), 2.5, 0, 7);
      x.fill();
    }
    named(x, m, X, top + LANE * i, v, w, col);
  });
  x.lineWidth = 1;
}
// beside the curve, by a short name where there is no room for the whole one; else on it
function named(x, m, X, y0, v, w, col) {
  const [a, b] = [X(m.at[0]), X(m.at[m.at.length - 1])];
  const beside = name => {
    const text = v === null ? name : `${name} ${fmt(v)}`;
    const wide = x.measureText(text).width;
    if (b + 8 + wide < w) return { text, wide, at: b + 8 };
    return { text, wide, at: a - 8 - wide > 0 ? a - 8 - wide : null };
  };
  const whole = beside(m.label);
  const { text, wide, at } = whole.at === null ? beside(m.short) : whole;
  const left = at ?? Math.max(2, Math.min((a + b - wide) / 2, w - wide - 2));
  x.fillStyle = col('--bg');
  if (at === null) x.fillRect(left - 4, y0 + 2, wide + 8, LANE - 4);
  x.textAlign = 'left';
  x.textBaseline = 'middle';
  x.fillStyle = col('--ink2');
  x.fillText(text, left, y0 + LANE / 2);
}
