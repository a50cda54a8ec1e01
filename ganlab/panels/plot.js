import { range } from './axes.js';
import { paper, stroke } from './canvas.js';
import { flagsOf } from './flags.js';
import { beyond, frame, grid, healthy, labels, mark, trace, words } from './frame.js';
import { ML, MR, lastOf } from './series.js';

// One plot of the panel. o: {mode, flags, at, ghost, keep, prob, smooth, col}; `at` is the index of the step that is read off.
export function plot(cv, p, d, o) {
  const { col } = o;
  const w = cv.parentNode.clientWidth;
  const lines = p.lines.map(l => d.all[l[0]]);
  const was = o.ghost ? p.lines.map(l => o.ghost.all[l[0]]) : [];
  const steps = [d.first, Math.max(d.n, o.ghost?.n ?? 0, d.first + 100)];
  const at = frame(p, o.mode, w, steps, range(p, lines, o.keep, o.prob, was));
  const x = paper(cv, w, at.H, col);
  if (p.band) healthy(x, p.band, at, col);
  grid(x, p, at, o.prob, col);
  if (!d.n) {
    if (p.top) words(x, at, 'Gradient norms appear after the first step.', col);
    return;
  }
  const inside = o.flags.filter(f => f[0] >= at.x0 && f[0] <= at.x1);
  flagsOf(x, p, inside, at, col);
  traces(x, p, lines, was, at, o);
  if (!p.log) beyond(x, p, lines, at, col);
  labels(x, p, lines, at, col);
  p.lines.forEach(([, label, c], i) => {
    const k = lastOf(lines[i]);
    if (k >= 0) mark(x, label, c, at.X(lines[i].x[k]), at.Y(lines[i].y[k]), 3.5, col);
  });
  if (o.at != null) readOff(x, p, lines, at, o);
}

// Raw values faint, their mean on top; behind them what was left, or the parent, dimmed.
function traces(x, p, lines, was, at, { col, smooth }) {
  x.save();
  x.beginPath();
  x.rect(ML, at.top - 6, at.w - ML - MR, at.H - at.top - at.bot + 8);
  x.clip();
  x.lineJoin = 'round';
  x.globalAlpha = 0.35;
  x.lineWidth = p.top ? 1.6 : 1.2;
  was.forEach((s, i) => {
    x.strokeStyle = col(p.lines[i][2]);
    trace(x, s, s.y, at);
  });
  lines.forEach((s, i) => {
    x.strokeStyle = col(p.lines[i][2]);
    x.lineWidth = 1;
    x.globalAlpha = smooth ? 0.22 : 0.8;
    trace(x, s, s.lo, at);
    x.globalAlpha = 1;
    if (!smooth) return;
    x.lineWidth = p.top ? 2.25 : 1.6;
    trace(x, s, s.y, at);
  });
  x.restore();
}

// The step under the pointer, or the one that the timeline looks at.
function readOff(x, p, lines, at, o) {
  const hx = Math.round(at.X(lines[0].x[o.at])) + 0.5;
  x.strokeStyle = o.col('--ink');
  x.lineWidth = 1;
  stroke(x, [hx, p.top ? at.top - 8 : 0], [hx, at.H - at.bot]);
  p.lines.forEach(([, , c], i) => {
    const v = lines[i].y[o.at];
    if (Number.isNaN(v)) return;
    x.fillStyle = o.col(c);
    x.strokeStyle = o.col('--bg');
    x.lineWidth = 2;
    x.beginPath();
    x.arc(hx, at.Y(v), 4, 0, 7);
    x.fill();
    x.stroke();
  });
}
