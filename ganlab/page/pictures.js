import { enlarged } from './numbers.js';
import { levels, part, places, story } from './story.js';
import { inSquare } from '../panels/canvas.js';

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
// how the images of a frame lie: {cols, count, rows, names}
export const gridOf = f => story.grids[f.grid ?? 0] ?? { cols: 1, count: 0, rows: [], names: [] };
// the names of all classes that have a row in some frame
export const classes = [...new Set((story.grids ?? []).flatMap(g => g.rows))];
export const classShown = { name: null };
// which images of a frame are of the chosen class; null: all are shown
export function ofClass(f) {
  const { cols, count, rows } = gridOf(f);
  if (classShown.name === null || !rows.includes(classShown.name)) return null;
  return [...Array(count).keys()].filter(i => rows[Math.floor(i / cols)] === classShown.name);
}
// a small picture of a frame, or nothing yet
export function thumb(x, f, side, col) {
  x.fillStyle = col('--sunk');
  x.fillRect(0, 0, side, side);
  if (story.kind === 'images') {
    return (
      f.fake &&
      image(f.fake).then(b => {
        if (!b) return;
        const { cols, count } = gridOf(f);
        const rows = Math.ceil(count / cols);
        const some = ofClass(f)?.slice(0, 4);
        const wide = b.width / cols / (b.height / rows);
        const k = some ? 2 : Math.max(1, Math.min(cols, Math.round(3 / wide)));
        const lines = some ? Math.ceil(some.length / 2) : Math.max(1, Math.min(rows, Math.round(k * wide)));
        const which = i => (some ? some[i] : Math.floor(i / k) * cols + (i % k));
        inSquare(x, b, { cols, rows, k, lines, which, th: side }, col);
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
