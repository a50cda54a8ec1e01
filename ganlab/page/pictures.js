import { enlarged } from './numbers.js';
import { levels, part, places, story } from './story.js';
import { sheet } from '../panels/canvas.js';

const decoded = new Map();
// the newest 48 stay decoded
export function image(p) {
  const key = p[0];
  let b = decoded.get(key);
  if (b) decoded.delete(key);
  else b = createImageBitmap(new Blob([part(p)], { type: 'image/jpeg' })).catch(() => null);
  decoded.set(key, b);
  if (decoded.size > 48) {
    const [old, was] = decoded.entries().next().value;
    decoded.delete(old);
    was.then(o => o?.close());
  }
  return b;
}
export const modesOf = f =>
  story.centers && f.shares ? { centers: story.centers, radius: story.radius, shares: f.shares, found: f.found } : {};
export const points = f =>
  (f.points ??= { fake: places(f.fake), heat: enlarged(levels(f.heat), 48), arrows: places(f.arrows) });
export const real = story.kind === 'points' ? places(story.real) : null;
// a small picture of a frame, or nothing yet
export function thumb(x, f, side, col) {
  x.fillStyle = col('--sunk');
  x.fillRect(0, 0, side, side);
  if (story.kind === 'images') {
    return (
      f.fake &&
      image(f.fake).then(b => {
        if (!b) return;
        const { cols, count } = story;
        const rows = Math.ceil(count / cols);
        const n = Math.min(cols, rows, 3);
        const gap = 1;
        sheet(
          x,
          b,
          {
            cols,
            rows,
            n: n * n,
            want: n,
            side: (side - gap * (n - 1)) / n,
            gap,
            which: i => Math.floor(i / n) * cols + (i % n),
          },
          col,
        );
      })
    );
  }
  if (story.kind !== 'points' || !f.fake) return;
  const s = side / (2 * f.extent);
  const X = a => side / 2 + a * s;
  const Y = b => side / 2 - b * s;
  const xs = points(f).fake;
  x.strokeStyle = col('--edge');
  x.lineWidth = 1;
  (story.centers || []).forEach(([a, b]) => {
    x.beginPath();
    x.arc(X(a), Y(b), Math.max(2.5, story.radius * s), 0, 7);
    x.stroke();
  });
  x.fillStyle = col('--g');
  for (let i = 0; i < xs.length; i += 4) x.fillRect(X(xs[i]) - 0.75, Y(xs[i + 1]) - 0.75, 1.5, 1.5);
}
