import { paper } from './canvas.js';
import { pixel } from './theme.js';

function heatmap(x, l, n, w, h, raw, col) {
  const a = raw ? Math.min(...l) : 0;
  const b = raw ? Math.max(...l) : 1;
  const bg = pixel(col('--bg'));
  const d = pixel(col('--d'));
  const im = new ImageData(n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const v = l[i * n + j];
      const p = raw ? (v - a) / Math.max(b - a, 1e-9) : 1 / (1 + Math.exp(-v));
      const t = 0.04 + 0.58 * p;
      const k = 4 * ((n - 1 - j) * n + i);
      for (let c = 0; c < 3; c++) im.data[k + c] = bg[c] + (d[c] - bg[c]) * t;
      im.data[k + 3] = 255;
    }
  }
  const off = document.createElement('canvas');
  off.width = off.height = n;
  off.getContext('2d').putImageData(im, 0, 0);
  x.imageSmoothingEnabled = true;
  x.imageSmoothingQuality = 'high';
  x.drawImage(off, 0.5, 0.5, n - 1, n - 1, 0, 0, w, h);
  x.strokeStyle = col('--dt');
  x.lineWidth = 1.25;
  x.beginPath(); // D undecided: marching squares
  const g = (i, j) => l[i * n + j];
  const X = i => (i / (n - 1)) * w;
  const Y = j => h - (j / (n - 1)) * h;
  for (let i = 0; i < n - 1; i++) {
    for (let j = 0; j < n - 1; j++) {
      const q = [
        [i, j],
        [i + 1, j],
        [i + 1, j + 1],
        [i, j + 1],
      ];
      const pts = [];
      q.forEach(([a, b], e) => {
        const [c, d] = q[(e + 1) % 4];
        const u = g(a, b);
        const v = g(c, d);
        if (u * v < 0) {
          const t = u / (u - v);
          pts.push([X(a + t * (c - a)), Y(b + t * (d - b))]);
        }
      });
      for (let k = 0; k + 1 < pts.length; k += 2) {
        x.moveTo(...pts[k]);
        x.lineTo(...pts[k + 1]);
      }
    }
  }
  x.stroke();
}
// every fourth fake: where D's slope would move it
function arrows(x, f, a, X, Y, col) {
  const len = [];
  for (let i = 0; i < a.length; i += 2) len.push(Math.hypot(a[i], a[i + 1]));
  const big = [...len].sort((p, q) => p - q)[Math.floor(len.length * 0.9)] || 1;
  x.strokeStyle = x.fillStyle = col('--gt');
  x.lineWidth = 1.2;
  len.forEach((v, i) => {
    const s = Math.min(26, (22 * v) / big);
    if (!(s >= 5)) return;
    const ax = X(f[8 * i]);
    const ay = Y(f[8 * i + 1]);
    const an = Math.atan2(-a[2 * i + 1], a[2 * i]);
    const bx = ax + s * Math.cos(an);
    const by = ay + s * Math.sin(an);
    x.beginPath();
    x.moveTo(ax, ay);
    x.lineTo(bx, by);
    x.stroke();
    x.beginPath();
    x.moveTo(bx, by);
    for (const t of [-0.45, 0.45]) x.lineTo(bx - 5 * Math.cos(an + t), by - 5 * Math.sin(an + t));
    x.fill();
  });
}
function modes(x, m, X, Y, scale, w, h, col) {
  const each = 0.1 / m.centers.length;
  const R = Math.max(6, m.radius * scale);
  m.centers.forEach(([a, b], i) => {
    const ok = m.shares[i] >= each;
    x.lineWidth = 1.5;
    x.setLineDash(ok ? [] : [4, 3]);
    x.strokeStyle = col(ok ? '--ink' : '--warn');
    x.beginPath();
    x.arc(X(a), Y(b), R, 0, 7);
    x.stroke();
    x.setLineDash([]);
    const t = ok ? Math.round(100 * m.shares[i]) + ' %' : 'missed';
    const tx = X(a);
    const ty = Y(b) - (b > -1e-6 ? 1 : -1) * (R + 9);
    x.font = col.font(11, ok ? '' : 'bold');
    x.textAlign = 'center';
    x.textBaseline = 'middle';
    x.lineWidth = 3;
    x.strokeStyle = col('--bg');
    const cx = Math.max(22, Math.min(w - 22, tx));
    const cy = Math.max(8, Math.min(h - 8, ty));
    x.strokeText(t, cx, cy);
    x.fillStyle = col(ok ? '--ink' : '--warn');
    x.fillText(t, cx, cy);
  });
}
// o: {fake, real, heat, arrows, extent, modes, raw}
export function map(cv, o, col) {
  const w = cv.parentNode.clientWidth;
  const x = paper(cv, w, w, col);
  const s = w / (2 * o.extent);
  const X = a => w / 2 + a * s;
  const Y = b => w / 2 - b * s;
  if (o.heat.length) heatmap(x, o.heat, Math.round(Math.sqrt(o.heat.length)), w, w, o.raw, col);
  x.fillStyle = col('--real');
  for (let i = 0; i < o.real.length; i += 2) {
    x.beginPath();
    x.arc(X(o.real[i]), Y(o.real[i + 1]), 1.5, 0, 7);
    x.fill();
  }
  const plus = (c, lw, alpha) => {
    x.strokeStyle = col(c);
    x.lineWidth = lw;
    x.globalAlpha = alpha;
    x.beginPath();
    for (let i = 0; i < o.fake.length; i += 2) {
      const a = X(o.fake[i]);
      const b = Y(o.fake[i + 1]);
      x.moveTo(a - 3, b);
      x.lineTo(a + 3, b);
      x.moveTo(a, b - 3);
      x.lineTo(a, b + 3);
    }
    x.stroke();
    x.globalAlpha = 1;
  };
  plus('--bg', 3.4, 0.8);
  plus('--g', 1.7, 1);
  arrows(x, o.fake, o.arrows, X, Y, col);
  if (o.modes?.centers) modes(x, o.modes, X, Y, s, w, w, col);
  if (o.picked) trail(x, o.picked, X, Y, col);
}
// p: {xy, path}; where a sample is, and where it was
function trail(x, p, X, Y, col) {
  const way = [...p.path, p.xy].filter(q => q[0] != null && q[1] != null).map(([a, b]) => [X(a), Y(b)]);
  if (!way.length) return;
  const [ex, ey] = way[way.length - 1];
  const line = (c, w) => {
    x.strokeStyle = col(c);
    x.lineWidth = w;
    x.beginPath();
    way.forEach(q => x.lineTo(...q));
    x.stroke();
    x.beginPath();
    x.arc(ex, ey, 8, 0, 7);
    x.stroke();
  };
  x.lineJoin = 'round';
  line('--bg', 4);
  line('--gt', 1.5);
  way.slice(0, -1).forEach((q, i) => {
    x.beginPath();
    x.arc(...q, i ? 2 : 3, 0, 7);
    x.fillStyle = col(i ? '--gt' : '--bg');
    x.fill();
    if (!i) x.stroke();
  }); // hollow: where it began
}
