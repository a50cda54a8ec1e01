import { inSquare } from './canvas.js';

export const star = (x, sx, sy, R) => {
  x.beginPath();
  for (let i = 0; i < 10; i++) {
    const a = -Math.PI / 2 + (i * Math.PI) / 5;
    const q = i % 2 ? R * 0.45 : R;
    x.lineTo(sx + q * Math.cos(a), sy + q * Math.sin(a));
  }
  x.closePath();
};
// one picture of the strip
function frame(x, o, i, px, th, col) {
  if (o.kind === 'images') {
    const b = o.pictures[i];
    if (!b) return;
    const [k, lines] = o.grids[i] ?? [1, 1];
    inSquare(x, b, { cols: k, rows: lines, k, lines, left: px, th }, col);
    return;
  }
  const f = o.pictures[i];
  const s = th / (2 * o.extent);
  x.fillStyle = col('--sunk');
  x.fillRect(px, 0, th, th);
  if (!f) return;
  x.save();
  x.beginPath();
  x.rect(px, 0, th, th);
  x.clip();
  x.fillStyle = col('--g');
  for (let k = 0; k + 1 < f.length; k += 2) {
    x.fillRect(px + th / 2 + f[k] * s - 0.8, th / 2 - f[k + 1] * s - 0.8, 1.6, 1.6);
  }
  x.restore();
}
// as many pictures as fit, each above its place
export function strip(x, o, X, w, th, col) {
  const n = Math.max(1, Math.floor((X(o.n) - X(0) + th + 8) / (th + 8)));
  const steps = o.filmSteps;
  const span = Math.max(o.n, 1);
  let end = -1e9;
  for (let k = 0; k < n; k++) {
    const t = (k / Math.max(1, n - 1)) * span;
    let i = 0;
    steps.forEach((s, j) => {
      if (Math.abs(s - t) < Math.abs(steps[i] - t)) i = j;
    });
    const px = Math.max(0, Math.min(w - th, X(steps[i]) - th / 2));
    if (px < end + 4) continue;
    end = px + th;
    o.drawn.push([px, steps[i]]);
    frame(x, o, i, px, th, col);
    if (o.at >= 0 && steps[i] === o.near) {
      x.strokeStyle = col('--bg');
      x.lineWidth = 4;
      x.strokeRect(px + 1, 1, th - 2, th - 2);
      x.strokeStyle = col('--ink');
      x.lineWidth = 2;
      x.strokeRect(px + 1, 1, th - 2, th - 2);
      x.lineWidth = 1;
    }
  }
}
