import { decode, floats } from './kit.js';
import { tiles } from './images.js';
import { paper } from './canvas.js';

export async function picture(cv, o, data, col) {
  if (o.kind === 'images') {
    const im = await decode(data);
    tiles(cv, im, o.cols, Math.ceil(o.count / o.cols), o.cols, col, o.count);
    im.close();
    return;
  }
  const w = cv.parentNode.clientWidth;
  const x = paper(cv, w, w, col);
  const s = w / (2 * o.extent);
  const X = a => w / 2 + a * s;
  const Y = b => w / 2 - b * s;
  const r = floats(o.real);
  const f = floats(data);
  x.fillStyle = col('--bg');
  x.fillRect(0, 0, w, w);
  x.fillStyle = col('--real');
  x.globalAlpha = 0.5;
  for (let i = 0; i < r.length; i += 2) {
    x.beginPath();
    x.arc(X(r[i]), Y(r[i + 1]), 1.2, 0, 7);
    x.fill();
  }
  x.globalAlpha = 1;
  x.strokeStyle = col('--g');
  x.lineWidth = 1.2;
  x.beginPath();
  for (let i = 0; i < f.length; i += 2) {
    const a = X(f[i]);
    const b = Y(f[i + 1]);
    x.moveTo(a - 2.5, b);
    x.lineTo(a + 2.5, b);
    x.moveTo(a, b - 2.5);
    x.lineTo(a, b + 2.5);
  }
  x.stroke();
}
// one dot per seed, a line at 0, each row on its own scale
export function dots(cv, r, col) {
  const w = cv.parentNode.clientWidth;
  const x = paper(cv, w, 28, col);
  const m = Math.max(...r.diffs.map(Math.abs), 1e-12) * 1.15;
  const X = v => w / 2 + Math.max(-1, Math.min(1, v / m)) * (w / 2 - 8);
  x.strokeStyle = col('--edge');
  x.beginPath();
  x.moveTo(Math.round(w / 2) + 0.5, 2);
  x.lineTo(Math.round(w / 2) + 0.5, 26);
  x.stroke();
  if (r.low != null && r.high != null && r.diffs.length > 2) {
    x.strokeStyle = col('--hair');
    x.lineWidth = 7;
    x.beginPath();
    x.moveTo(X(r.low), 14);
    x.lineTo(X(r.high), 14);
    x.stroke();
  }
  x.strokeStyle = col('--ink2');
  x.lineWidth = 2;
  x.beginPath();
  x.moveTo(X(Math.min(...r.diffs)), 14);
  x.lineTo(X(Math.max(...r.diffs)), 14);
  x.stroke();
  r.diffs.forEach(v => {
    x.fillStyle = col('--ink');
    x.strokeStyle = col('--sunk');
    x.lineWidth = 1.5;
    x.beginPath();
    x.arc(X(v), 14, 4.5, 0, 7);
    x.fill();
    x.stroke();
  });
}
