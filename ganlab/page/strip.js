import { story } from './story.js';
import { paper } from '../panels/canvas.js';
import { nearest } from '../panels/series.js';
import { thumb } from './pictures.js';
import { thou } from '../panels/kit.js';
import { LANE, moves, movesAt } from '../panels/moves.js';
import { pennant } from '../panels/flags.js';
import { nice } from '../panels/axes.js';

// o: {mode, total, col}; returns where things are
export function timeline(cv, b, frames, o) {
  const { col } = o;
  const w = cv.parentNode.clientWidth;
  const n = Math.max(3, Math.min(16, Math.floor(w / (o.mode === 'narrow' ? 56 : 68))));
  const side = Math.min(56, Math.floor(w / n) - 6);
  const pics = frames.some(f => f.fake);
  const rows = Math.min(3, story.ghosts.length);
  const y = (pics ? side : 0) + 22;
  const low = y + 12 + rows * 14; // where curves of schedules begin
  const H = low + LANE * b.moves.length + 16;
  const x = paper(cv, w, H, col);
  const end = Math.max(o.total, 1);
  const x1 = Math.max(end, ...story.ghosts.map(g => g[1]));
  const pad = side / 2;
  const X = t => pad + (t / x1) * (w - 2 * pad);
  const jobs = [];
  if (pics) {
    for (let i = 0; i < n; i++) {
      const t = (x1 * i) / (n - 1);
      if (t > end) break;
      const f =
        frames[
          nearest(
            frames.map(f => f.step),
            t,
          )
        ];
      const c = document.createElement('canvas');
      const r = Math.max(1, devicePixelRatio || 1);
      c.width = c.height = Math.round(side * r);
      const q = c.getContext('2d');
      q.scale(r, r);
      jobs.push(Promise.resolve(thumb(q, f, side, col)).then(() => x.drawImage(c, X(t) - side / 2, 0, side, side)));
    }
  }
  x.strokeStyle = col('--ink');
  x.lineWidth = 2;
  x.beginPath();
  x.moveTo(X(0), y);
  x.lineTo(X(end), y);
  x.stroke();
  x.lineWidth = 1.25;
  story.ghosts.slice(-rows || story.ghosts.length).forEach(([from, to], i) => {
    const gy = y + 12 + 14 * i;
    const words = 'rewound at ' + thou(to);
    x.strokeStyle = col('--edge');
    x.setLineDash([3, 2]);
    x.beginPath();
    x.moveTo(X(from), y);
    x.quadraticCurveTo(X(from) + 3, gy, X(from) + 10, gy);
    x.lineTo(Math.max(X(from) + 10, X(to)), gy);
    x.stroke();
    x.setLineDash([]);
    x.textBaseline = 'middle';
    x.fillStyle = col('--ink2');
    const right = X(to) + 8 + x.measureText(words).width > w;
    x.textAlign = right ? 'right' : 'left';
    if (!right || X(from) > x.measureText(words).width + 12) {
      x.fillText(words, right ? X(from) - 6 : Math.max(X(from) + 10, X(to)) + 6, gy);
    }
  });
  story.snapshots.forEach(t => {
    x.fillStyle = col('--bg');
    x.strokeStyle = col('--ink');
    x.beginPath();
    x.arc(X(t), y, 3, 0, 7);
    x.fill();
    x.stroke();
  });
  b.flags.forEach(([t, kind]) => {
    const fx = X(t);
    x.strokeStyle = col('--ink');
    x.fillStyle = kind === 'off' ? col('--bg') : col('--ink');
    x.beginPath();
    x.moveTo(fx, y);
    x.lineTo(fx, y - 15);
    x.stroke();
    pennant(x, kind, fx, y - 11, 4.5);
    x.fill();
    x.stroke();
  });
  x.textBaseline = 'alphabetic';
  x.fillStyle = col('--ink2');
  const s = Math.max(1, nice(x1, (w - 2 * pad) / 70));
  for (let t = 0; t <= x1; t += s) {
    x.textAlign = 'center';
    x.fillText(thou(t), X(t), H - 3);
  }
  moves(x, b.moves, X, low, col);
  return { X, y, w, H, low, moves: b.moves, at: px => ((px - pad) / (w - 2 * pad)) * x1, done: Promise.all(jobs) };
}
export function caret(cv, place, step, col) {
  const { X, y, w, H } = place;
  const x = paper(cv, w, H, col);
  movesAt(x, place.moves, X, place.low, step, w, col);
  const cx = Math.round(X(step)) + 0.5;
  x.strokeStyle = col('--ink');
  x.lineWidth = 1;
  x.beginPath();
  x.moveTo(cx, 0);
  x.lineTo(cx, y);
  x.stroke();
  x.fillStyle = col('--ink');
  x.strokeStyle = col('--bg');
  x.lineWidth = 2;
  x.beginPath();
  x.roundRect(cx - 4.5, y - 9, 9, 18, 3);
  x.fill();
  x.stroke();
}
