import { range } from '../panels/axes.js';
import { paper, stroke } from '../panels/canvas.js';
import { flagsOf } from '../panels/flags.js';
import { beyond, frame, grid, labels, mark, trace, words } from '../panels/frame.js';
import { ML, MR, nearest } from '../panels/series.js';

// One plot of the page. o: {mode, flags, keep, prob, others, total, col}; returns where things are.
export function chart(cv, p, d, o) {
  const { col } = o;
  const w = cv.parentNode.clientWidth;
  const of = b => p.lines.map(l => b.all[l[0]]);
  const lines = of(d);
  const values = p.modes
    ? [0, p.modes, [0, p.modes / 2, p.modes]]
    : range(p, lines, o.keep, o.prob, o.others.flatMap(of));
  const at = frame(p, o.mode, w, [0, Math.max(o.total, 1)], values);
  const place = { ...at, lines, low: at.H - at.bot, top: p.top ? at.top - 8 : 0 }; // of the cursor
  const x = paper(cv, w, at.H, col);
  grid(x, p, at, o.prob, col);
  if (!d.n && !p.modes) {
    if (p.top) words(x, at, 'No steps were recorded.', col);
    return place;
  }
  flagsOf(x, p, o.flags, at, col);
  traces(x, p, lines, o.others.map(of), at, col);
  if (!p.log && !p.modes) beyond(x, p, lines, at, col);
  if (p.lines.length > 1) labels(x, p, lines, at, col);
  return place;
}

// The branch that is shown, and behind it the others, dimmed.
function traces(x, p, lines, others, at, col) {
  x.save();
  x.beginPath();
  x.rect(ML, at.top - 6, at.w - ML - MR, at.H - at.top - at.bot + 12);
  x.clip();
  x.lineJoin = 'round';
  x.lineWidth = 1.25;
  x.globalAlpha = 0.3;
  others.flat().forEach((s, i) => {
    x.strokeStyle = col(p.lines[i % p.lines.length][2]);
    trace(x, s, s.y, at);
  });
  lines.forEach((s, i) => {
    x.strokeStyle = col(p.lines[i][2]);
    if (!p.modes) {
      x.lineWidth = 1;
      x.globalAlpha = 0.22;
      trace(x, s, s.lo, at);
    }
    x.globalAlpha = 1;
    x.lineWidth = p.top ? 2.25 : 1.6;
    trace(x, s, s.y, at);
  });
  x.restore();
}

// The line at the step shown, and what the curves are there.
export function cursor(cv, p, place, step, col) {
  const { X, Y, top, low, w, H, lines } = place;
  const x = paper(cv, w, H, col);
  const cx = Math.round(X(step)) + 0.5;
  x.strokeStyle = col('--ink');
  stroke(x, [cx, top], [cx, low]);
  p.lines.forEach(([, label, c], i) => {
    const k = nearest(lines[i].x, step);
    const v = lines[i].y[k];
    if (k >= 0 && !Number.isNaN(v)) mark(x, label, c, cx, Y(v), 4, col);
  });
}
