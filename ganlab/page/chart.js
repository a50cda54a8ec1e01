import { paper } from '../panels/canvas.js';
import { ML, MR, lastOf, nearest } from '../panels/series.js';
import { beyond, decade, nice, plain, range } from '../panels/axes.js';
import { thou } from '../panels/kit.js';
import { flagsOf } from '../panels/flags.js';

// o: {mode, flags, keep, prob, others, total, col}; returns where things are
export function chart(cv, p, d, o) {
  const { col } = o;
  const narrow = o.mode === 'narrow';
  const top = p.top ? (narrow ? 20 : 44) : 6;
  const alone = p.axis || (narrow && p.top);
  const bot = alone ? 18 : 5;
  const H = p.h[o.mode] + bot - 5;
  const w = cv.parentNode.clientWidth;
  const x = paper(cv, w, H, col);
  const of = b => p.lines.map(l => b.all[l[0]]);
  const lines = of(d);
  const x1 = Math.max(o.total, 1);
  const X = t => ML + (t / x1) * (w - ML - MR);
  const [lo, hi, ticks] = p.modes
    ? [0, p.modes, [0, p.modes / 2, p.modes]]
    : range(p, lines, o.keep, o.prob, o.others.flatMap(of));
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
  if (p.score) {
    x.setLineDash([2, 3]);
    x.strokeStyle = col('--edge');
    x.beginPath();
    x.moveTo(ML, Y(o.prob ? 0.5 : 0));
    x.lineTo(w - MR, Y(o.prob ? 0.5 : 0));
    x.stroke();
    x.setLineDash([]);
  }
  if (alone) {
    x.textAlign = 'center';
    x.fillStyle = col('--ink2');
    const s = Math.max(1, nice(x1, (w - ML - MR) / 70));
    for (let t = 0; t <= x1; t += s) x.fillText(thou(t), X(t), H - 6);
  }
  const place = { X, Y, top: p.top ? top - 8 : 0, low: H - bot, w, H, lines };
  if (!d.n && !p.modes) {
    if (p.top) {
      x.font = col.font(13);
      x.textAlign = 'center';
      x.fillStyle = col('--ink2');
      x.fillText('No steps were recorded.', (ML + w - MR) / 2, (top + H - bot) / 2);
    }
    return place;
  }
  flagsOf(x, p, o.flags, X, w, H, top, bot, !narrow, col);
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
  x.rect(ML, top - 6, w - ML - MR, H - top - bot + 12);
  x.clip();
  x.lineJoin = 'round';
  x.lineWidth = 1.25;
  x.globalAlpha = 0.3;
  o.others.forEach(b =>
    p.lines.forEach(([k, , c]) => {
      x.strokeStyle = col(c);
      trace(b.all[k], b.all[k].y);
    }),
  );
  p.lines.forEach(([, , c], i) => {
    const s = lines[i];
    x.strokeStyle = col(c);
    if (!p.modes) {
      x.lineWidth = 1;
      x.globalAlpha = 0.22;
      trace(s, s.lo);
    }
    x.globalAlpha = 1;
    x.lineWidth = p.top ? 2.25 : 1.6;
    trace(s, s.y);
  });
  x.restore();
  if (!p.log && !p.modes) beyond(x, p, lines, X, lo, hi, top, H - bot, col);
  if (p.lines.length > 1) ends(x, p, lines, X, Y, w, col);
  return place;
}
// labels on the lines' ends
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
  p.lines.forEach(([, label, , ct], i) => {
    if (at[i] < 0) return;
    x.font = col.font(11, 'bold');
    x.textAlign = 'left';
    x.textBaseline = 'middle';
    x.fillStyle = col(ct);
    x.fillText(label, w - MR + 9, ly[i]);
    x.font = col.font();
  });
}
// the line at the step shown, and what the curves are there
export function cursor(cv, p, place, step, col) {
  const { X, Y, top, low, w, H, lines } = place;
  const x = paper(cv, w, H, col);
  const cx = Math.round(X(step)) + 0.5;
  x.strokeStyle = col('--ink');
  x.beginPath();
  x.moveTo(cx, top);
  x.lineTo(cx, low);
  x.stroke();
  p.lines.forEach(([, label, c], i) => {
    const k = nearest(lines[i].x, step);
    const v = lines[i].y[k];
    if (k < 0 || Number.isNaN(v)) return;
    const ey = Y(v);
    const ex = cx;
    x.fillStyle = col(c);
    x.strokeStyle = col('--bg');
    x.lineWidth = 1.5;
    x.beginPath();
    if (label === 'G') x.rect(ex - 4, ey - 4, 8, 8);
    else if (label === 'fake') {
      x.strokeStyle = col(c);
      x.lineWidth = 2;
      x.moveTo(ex - 4, ey);
      x.lineTo(ex + 4, ey);
      x.moveTo(ex, ey - 4);
      x.lineTo(ex, ey + 4);
    } else x.arc(ex, ey, 4.5, 0, 7);
    x.fill();
    x.stroke();
  });
}
