import { stroke } from './canvas.js';
import { decade, nice, plain } from './axes.js';
import { thou } from './kit.js';
import { ML, MR, lastOf } from './series.js';

// Where things are in a plot `p` that is `w` wide, in pixels: `X` of a step, `Y` of a value, the lines between `top` and `H - bot`.
// `mode` is the panel's ('narrow', 'mid' or 'wide'); then the first and the last step; and what `range` gives.
export function frame(p, mode, w, [x0, x1], [lo, hi, ticks]) {
  const narrow = mode === 'narrow';
  const top = p.top ? (narrow ? 20 : 44) : 6;
  const steps = p.axis || (narrow && p.top); // are they written below it?
  const bot = steps ? 18 : 5;
  const H = p.h[mode] + bot - 5;
  const X = t => ML + ((t - x0) / (x1 - x0)) * (w - ML - MR);
  const Y = v => {
    const f = p.log ? Math.log(v / lo) / Math.log(hi / lo) : (v - lo) / (hi - lo);
    return top + (1 - Math.max(-0.02, Math.min(1.04, f))) * (H - top - bot);
  };
  return { w, H, top, bot, narrow, steps, x0, x1, lo, hi, ticks, X, Y };
}

// Ticks of the values and of the steps; a dashed line where D is undecided.
export function grid(x, p, at, prob, col) {
  const { w, H, X, Y } = at;
  x.textAlign = 'right';
  x.textBaseline = 'middle';
  at.ticks.forEach(t => {
    const y = Math.round(Y(t)) + 0.5;
    x.strokeStyle = col('--hair');
    stroke(x, [ML, y], [w - MR, y]);
    x.fillStyle = col('--ink2');
    x.fillText(p.log ? decade(t) : plain(t), ML - 6, y);
  });
  if (p.log) between(x, at, col);
  if (p.score) {
    x.setLineDash([2, 3]);
    x.strokeStyle = col('--edge');
    const y = Y(prob ? 0.5 : 0);
    stroke(x, [ML, y], [w - MR, y]);
    x.setLineDash([]);
  }
  if (at.steps) {
    x.textAlign = 'center';
    x.fillStyle = col('--ink2');
    const s = Math.max(1, nice(at.x1 - at.x0, (w - ML - MR) / 70));
    for (let t = Math.ceil(at.x0 / s) * s; t <= at.x1; t += s) x.fillText(thou(t), X(t), H - 6);
  }
}

// The band in which a value is healthy; null: there is no bound on that side.
export function healthy(x, [low, high], at, col) {
  if (low == null && high == null) return;
  const top = high == null ? at.top : at.Y(high);
  const end = low == null ? at.H - at.bot : at.Y(low);
  x.globalAlpha = 0.16;
  x.fillStyle = col('--ok');
  x.fillRect(ML, top, at.w - ML - MR, Math.max(1, end - top));
  x.globalAlpha = 1;
}

// 2 to 9 of each decade, as short marks.
function between(x, at, col) {
  x.strokeStyle = col('--hair');
  x.beginPath();
  for (let e = at.lo; e < at.hi * 0.99; e *= 10) {
    for (let m = 2; m < 10; m++) {
      const y = Math.round(at.Y(e * m)) + 0.5;
      x.moveTo(ML - 3, y);
      x.lineTo(ML, y);
    }
  }
  x.stroke();
}

// What stands in an empty plot.
export function words(x, at, text, col) {
  x.font = col.font(13);
  x.textAlign = 'center';
  x.fillStyle = col('--ink2');
  x.fillText(text, (ML + at.w - MR) / 2, (at.top + at.H - at.bot) / 2);
}

// A curve through `y`; where that is the least of each bucket, up to the greatest and on from there.
export function trace(x, s, y, at) {
  x.beginPath();
  let pen = false;
  s.x.forEach((t, i) => {
    if (Number.isNaN(y[i])) return;
    x[pen ? 'lineTo' : 'moveTo'](at.X(t), at.Y(y[i]));
    pen = true;
    if (y === s.lo && s.hi[i] !== y[i]) x.lineTo(at.X(t), at.Y(s.hi[i]));
  });
  x.stroke();
}

// Triangles at the edge where a line leaves the range, and what it reaches there.
export function beyond(x, p, lines, at, col) {
  p.lines.forEach(([, , c, ct], i) => {
    let end = -1e9;
    for (const [k, up] of peaks(lines[i].y, at.lo, at.hi)) {
      const px = at.X(lines[i].x[k]);
      const py = up ? at.top : at.H - at.bot;
      const d = up ? 1 : -1;
      if (px < end) continue;
      x.fillStyle = col(c);
      x.beginPath();
      x.moveTo(px, py);
      x.lineTo(px + 4, py + 7 * d);
      x.lineTo(px - 4, py + 7 * d);
      x.fill();
      const text = plain(+lines[i].y[k].toPrecision(2));
      x.textAlign = 'left';
      x.textBaseline = 'middle';
      x.fillStyle = col(ct);
      x.fillText(text, px + 7, py + 5 * d);
      end = px + 12 + x.measureText(text).width;
    }
  });
}

// [index, is it above?] of the farthest value of each stretch that lies outside of the range.
export function peaks(y, lo, hi) {
  const out = [];
  for (let k = 0; k < y.length; k++) {
    const up = y[k] > hi;
    if (!up && !(y[k] < lo)) continue;
    let best = k;
    while (k + 1 < y.length && (up ? y[k + 1] > hi : y[k + 1] < lo)) {
      k++;
      if (up ? y[k] > y[best] : y[k] < y[best]) best = k;
    }
    out.push([best, up]);
  }
  return out;
}

// The names of the lines at their ends; two that would overlap are moved apart.
export function labels(x, p, lines, at, col) {
  const last = lines.map(lastOf);
  const ys = apart(lines.map((s, i) => (last[i] < 0 ? NaN : at.Y(s.y[last[i]]))));
  x.textAlign = 'left';
  x.textBaseline = 'middle';
  x.font = col.font(11, 'bold');
  p.lines.forEach(([, label, , ct], i) => {
    if (last[i] < 0) return;
    x.fillStyle = col(ct);
    x.fillText(label, at.w - MR + 9, ys[i]);
  });
  x.font = col.font();
}

// Two heights, at least 13 pixels from each other.
export function apart([a, b]) {
  if (!(Math.abs(a - b) < 13)) return [a, b];
  const d = a < b ? -6.5 : 6.5;
  return [(a + b) / 2 + d, (a + b) / 2 - d];
}

// A network's mark, or that of reals and fakes: a square, a plus, a disc.
export function mark(x, label, c, ex, ey, r, col) {
  x.fillStyle = col(c);
  x.strokeStyle = col('--bg');
  x.lineWidth = 1.5;
  x.beginPath();
  if (label === 'G') x.rect(ex - r, ey - r, 2 * r, 2 * r);
  else if (label === 'fake') {
    x.strokeStyle = col(c);
    x.lineWidth = 2;
    x.moveTo(ex - 4, ey);
    x.lineTo(ex + 4, ey);
    x.moveTo(ex, ey - 4);
    x.lineTo(ex, ey + 4);
  } else x.arc(ex, ey, r + 0.5, 0, 7);
  x.fill();
  x.stroke();
  x.lineWidth = 1;
}
