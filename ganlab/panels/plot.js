import { paper } from './canvas.js';
import { ML, MR, lastOf } from './series.js';
import { beyond, decade, nice, plain, range } from './axes.js';
import { thou } from './kit.js';
import { flagsOf } from './flags.js';

// o: {mode, flags, at, keep, prob, smooth, col, root}
export function plot(cv, p, d, o) {
  const { col } = o;
  const narrow = o.mode === 'narrow';
  const top = p.top ? (narrow ? 20 : 44) : 6;
  const alone = p.axis || (narrow && p.top);
  const bot = alone ? 18 : 5;
  const H = p.h[o.mode] + bot - 5;
  const w = cv.parentNode.clientWidth;
  const x = paper(cv, w, H, col);
  const lines = p.lines.map(l => d.all[l[0]]);
  const x0 = d.first;
  const was = o.ghost ? p.lines.map(l => o.ghost.all[l[0]]) : [];
  const x1 = Math.max(d.n, o.ghost?.n ?? 0, x0 + 100);
  const X = t => ML + ((t - x0) / (x1 - x0)) * (w - ML - MR);
  const [lo, hi, ticks] = range(p, lines, o.keep, o.prob, was);
  const Y = v => {
    const f = p.log ? Math.log(v / lo) / Math.log(hi / lo) : (v - lo) / (hi - lo);
    return top + (1 - Math.max(-0.02, Math.min(1.04, f))) * (H - top - bot);
  };
  x.textAlign = 'right';
  x.textBaseline = 'middle';
  ticks.forEach(t => {
    const y = Math.round(Y(t)) + 0.5;
    x.strokeStyle = col('--hair');
    x.beginPath();
    x.moveTo(ML, y);
    x.lineTo(w - MR, y);
    x.stroke();
    x.fillStyle = col('--ink2');
    x.fillText(p.log ? decade(t) : plain(t), ML - 6, y);
  });
  if (p.log) {
    x.strokeStyle = col('--hair');
    x.beginPath();
    for (let e = lo; e < hi * 0.99; e *= 10) {
      for (let m = 2; m < 10; m++) {
        const y = Math.round(Y(e * m)) + 0.5;
        x.moveTo(ML - 3, y);
        x.lineTo(ML, y);
      }
    }
    x.stroke();
  }
  const ref = p.score ? (o.prob ? 0.5 : 0) : null;
  if (ref != null) {
    x.setLineDash([2, 3]);
    x.strokeStyle = col('--edge');
    x.beginPath();
    x.moveTo(ML, Y(ref));
    x.lineTo(w - MR, Y(ref));
    x.stroke();
    x.setLineDash([]);
  }
  if (alone) {
    x.textAlign = 'center';
    x.fillStyle = col('--ink2');
    const s = Math.max(1, nice(x1 - x0, (w - ML - MR) / 70));
    for (let t = Math.ceil(x0 / s) * s; t <= x1; t += s) x.fillText(thou(t), X(t), H - 6);
  }
  if (!d.n) {
    if (p.top) {
      x.font = col.font(13);
      x.textAlign = 'center';
      x.fillStyle = col('--ink2');
      x.fillText('Gradient norms appear after the first step.', (ML + w - MR) / 2, (top + H - bot) / 2);
    }
    return;
  }
  flagsOf(
    x,
    p,
    o.flags.filter(f => f[0] >= x0 && f[0] <= x1),
    X,
    w,
    H,
    top,
    bot,
    !narrow,
    col,
  );
  const trace = (a, b) => {
    x.beginPath();
    let pen = false;
    a.x.forEach((t, i) => {
      if (Number.isNaN(b[i])) return;
      x[pen ? 'lineTo' : 'moveTo'](X(t), Y(b[i]));
      pen = true;
      if (b === a.lo && a.hi[i] !== b[i]) x.lineTo(X(t), Y(a.hi[i]));
    });
    x.stroke();
  };
  x.save();
  x.beginPath();
  x.rect(ML, top - 6, w - ML - MR, H - top - bot + 8);
  x.clip();
  x.lineJoin = 'round';
  was.forEach((s, i) => {
    x.strokeStyle = col(p.lines[i][2]);
    x.lineWidth = p.top ? 1.6 : 1.2;
    x.globalAlpha = 0.35;
    trace(s, s.y);
    x.globalAlpha = 1;
  }); // what was left, or the parent: dimmed
  p.lines.forEach(([, , c], i) => {
    const s = lines[i];
    x.strokeStyle = col(c);
    x.lineWidth = 1;
    x.globalAlpha = o.smooth ? 0.22 : 0.8;
    trace(s, s.lo);
    x.globalAlpha = 1;
    if (o.smooth) {
      x.lineWidth = p.top ? 2.25 : 1.6;
      trace(s, s.y);
    }
  });
  x.restore();
  if (!p.log) beyond(x, p, lines, X, lo, hi, top, H - bot, col);
  ends(x, p, lines, X, Y, w, col);
  if (o.at != null) {
    const hx = Math.round(X(lines[0].x[o.at])) + 0.5;
    x.strokeStyle = col('--ink');
    x.lineWidth = 1;
    x.beginPath();
    x.moveTo(hx, p.top ? top - 8 : 0);
    x.lineTo(hx, H - bot);
    x.stroke();
    p.lines.forEach(([, , c], i) => {
      const v = lines[i].y[o.at];
      if (Number.isNaN(v)) return;
      x.fillStyle = col(c);
      x.strokeStyle = col('--bg');
      x.lineWidth = 2;
      x.beginPath();
      x.arc(hx, Y(v), 4, 0, 7);
      x.fill();
      x.stroke();
    });
  }
}
// the marks and labels on the lines' ends
function ends(x, p, lines, X, Y, w, col) {
  const at = lines.map(lastOf);
  const ys = lines.map((s, i) => (at[i] < 0 ? NaN : Y(s.y[at[i]])));
  const ly = [...ys];
  if (Math.abs(ys[0] - ys[1]) < 13) {
    const m = (ys[0] + ys[1]) / 2;
    const d = ys[0] < ys[1] ? -1 : 1;
    ly[0] = m + 6.5 * d;
    ly[1] = m - 6.5 * d;
  }
  p.lines.forEach(([, label, c, ct], i) => {
    if (at[i] < 0) return;
    const ex = X(lines[i].x[at[i]]);
    const ey = ys[i];
    x.font = col.font(11, 'bold');
    x.textAlign = 'left';
    x.textBaseline = 'middle';
    x.fillStyle = col(ct);
    x.fillText(label, w - MR + 9, ly[i]);
    x.font = col.font();
    x.fillStyle = col(c);
    x.strokeStyle = col('--bg');
    x.lineWidth = 1.5;
    x.beginPath();
    if (label === 'G') x.rect(ex - 3.5, ey - 3.5, 7, 7);
    else if (label === 'fake') {
      x.strokeStyle = col(c);
      x.lineWidth = 2;
      x.moveTo(ex - 4, ey);
      x.lineTo(ex + 4, ey);
      x.moveTo(ex, ey - 4);
      x.lineTo(ex, ey + 4);
    } else x.arc(ex, ey, 4, 0, 7);
    x.fill();
    x.stroke();
    x.lineWidth = 1;
  });
}
