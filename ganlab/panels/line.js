import { pennant } from './flags.js';
import { star } from './film.js';
import { thou } from './kit.js';

function branch(x, X, y, y2, [a, b, name], dash, w, col) {
  x.strokeStyle = col('--ink2');
  x.lineWidth = 1.5;
  x.setLineDash(dash ? [3, 3] : []);
  x.beginPath();
  x.moveTo(X(a), y);
  const bx = Math.max(X(a) + 18, X(b));
  x.bezierCurveTo(X(a) + 8, y, X(a) + 4, y2, X(a) + 16, y2);
  x.lineTo(bx, y2);
  x.stroke();
  x.setLineDash([]);
  x.fillStyle = dash ? col('--bg') : col('--ink2');
  x.beginPath();
  x.arc(bx, y2, 3, 0, 7);
  x.fill();
  x.stroke();
  const room = w - bx - 10;
  const tw = x.measureText(name).width;
  x.fillStyle = col('--ink2');
  if (tw < room) {
    x.textAlign = 'left';
    x.fillText(name, bx + 8, y2);
  } else if (X(a) > tw + 14) {
    x.textAlign = 'right';
    x.fillText(name, X(a) - 2, y2);
  }
}
// the line itself, branches, flags, snapshots
export function line(x, o, X, y, w, L, col) {
  x.lineCap = 'round';
  x.textBaseline = 'middle';
  x.strokeStyle = col('--hair');
  x.lineWidth = 3;
  x.beginPath();
  x.moveTo(X(0), y);
  x.lineTo(w - L, y);
  x.stroke();
  x.strokeStyle = col('--ink');
  x.lineWidth = 2;
  x.beginPath();
  x.moveTo(X(0), y);
  x.lineTo(X(o.n), y);
  x.stroke();
  const twigs = [...o.ghosts.map(g => [g, true]), ...o.forks.map(([a, name, b]) => [[a, b, name], false])];
  const ends = [-1e9, -1e9];
  twigs.forEach(([g, dash]) => {
    const r = X(g[0]) > ends[0] ? 0 : X(g[0]) > ends[1] ? 1 : -1;
    if (r < 0) return;
    ends[r] = X(g[1]) + 16 + x.measureText(g[2]).width;
    branch(x, X, y, y + 20 + 16 * r, g, dash, w, col);
  });
  o.flags
    .filter(f => f[0] <= o.n)
    .forEach(([t, kind]) => {
      const fx = Math.min(X(t), X(o.n));
      x.strokeStyle = col('--ink');
      x.lineWidth = 1.25;
      x.beginPath();
      x.moveTo(fx, y);
      x.lineTo(fx, y - 12);
      x.stroke();
      x.fillStyle = kind === 'off' || kind === 'ask' ? col('--bg') : col('--ink');
      pennant(x, kind, fx, y - 10, 4);
      x.fill();
      x.stroke();
    });
  o.snaps.forEach(([t, kept]) => {
    x.fillStyle = kept === 'pinned' ? col('--ink') : col('--bg');
    x.strokeStyle = col('--ink');
    x.lineWidth = 1.5;
    x.beginPath();
    x.arc(X(t), y, 3.5, 0, 7);
    x.fill();
    x.stroke();
  });
  if (o.best >= 0) {
    star(x, X(o.best), y, 8);
    x.fillStyle = col('--ink');
    x.strokeStyle = col('--bg');
    x.lineWidth = 2;
    x.stroke();
    x.fill();
  }
}
export function axis(x, o, X, w, H, col) {
  const steps = [1, 2, 5].flatMap(v => [...Array(9).keys()].map(e => v * 10 ** e)).sort((a, b) => a - b);
  const by = steps.find(v => X(v) - X(0) > 56);
  const here = o.at >= 0 ? X(o.at) : -99;
  x.textAlign = 'center';
  x.fillStyle = col('--ink2');
  for (let t = 0; t <= o.far; t += by) if (Math.abs(X(t) - here) > 36) x.fillText(thou(t), Math.max(10, X(t)), H - 7);
}
export function knob(x, o, X, y, th, H, col) {
  const sx = X(o.at >= 0 ? o.at : o.n);
  x.strokeStyle = col('--ink');
  x.lineWidth = 1.5;
  x.beginPath();
  x.moveTo(sx, o.at >= 0 ? th + 2 : y - 8);
  x.lineTo(sx, y + 10);
  x.stroke();
  x.fillStyle = col('--ink');
  x.strokeStyle = col('--bg');
  x.lineWidth = 2;
  x.beginPath();
  x.roundRect(sx - 5, y - 8, 10, 16, 3);
  x.fill();
  x.stroke();
  if (o.at < 0) return;
  x.font = 'bold ' + x.font;
  const text = thou(o.at);
  const tw = x.measureText(text).width;
  const cx = Math.max(tw / 2 + 6, sx);
  x.textAlign = 'center';
  x.fillStyle = col('--ink');
  x.beginPath();
  x.roundRect(cx - tw / 2 - 6, H - 15, tw + 12, 15, 3);
  x.fill();
  x.fillStyle = col('--bg');
  x.fillText(text, cx, H - 7);
}
