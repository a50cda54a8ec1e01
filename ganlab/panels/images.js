import { paper, sheet } from './canvas.js';
import { make } from './kit.js';

// the class of each row of a grid, at its left
export function rowNames() {
  const el = make('div', 'rows');
  el.tell = names => {
    el.hidden = !names.length;
    el.parentNode.classList.toggle('named', names.length > 0);
    el.parentNode.classList.toggle(
      'in-words',
      names.some(n => String(n).length > 2),
    );
    el.replaceChildren(...names.map(n => Object.assign(make('span', '', String(n)), { title: `Class ${n}` })));
  };
  return el;
}

// `want`: how many columns to show
export function tiles(cv, im, cols, rows, want, col, most = cols * rows) {
  const w = cv.parentNode.clientWidth;
  const gap = 2;
  const side = (w - gap * (want - 1)) / want;
  const n = Math.min(most, cols * rows);
  const lines = Math.ceil(n / want);
  const tall = (side * (im.height / rows)) / (im.width / cols);
  const x = paper(cv, w, tall * lines + gap * (lines - 1), col);
  sheet(x, im, { cols, rows, n, want, side, gap }, col);
}
// D's scores of the last batch, as two histograms on one axis
export function strip(cv, l, split, raw, col, narrow) {
  const w = cv.parentNode.clientWidth;
  const H = l.length ? (narrow ? 112 : 130) : 60;
  const x = paper(cv, w, H, col);
  const L = 36;
  const R = 6;
  const y0 = H - 16;
  const top = Math.max(1, ...l.map(Math.abs).filter(Number.isFinite));
  const e = 10 ** Math.floor(Math.log10(top));
  const m = [1, 2, 3, 4, 6, 8, 10].map(k => k * e).find(v => v >= top);
  const X = v => L + ((v + m) / (2 * m)) * (w - L - R);
  x.fillStyle = col('--ink2');
  x.textAlign = 'center';
  for (let i = -2; i <= 2; i++) {
    x.fillText(String(+((i * m) / 2).toPrecision(3)).replace('-', '−'), Math.min(w - 10, X((i * m) / 2)), H - 3);
  }
  x.strokeStyle = col('--hair');
  x.beginPath();
  x.moveTo(L, y0 + 0.5);
  x.lineTo(w - R, y0 + 0.5);
  x.stroke();
  x.strokeStyle = col('--edge');
  x.setLineDash([2, 2]);
  x.beginPath();
  x.moveTo(X(0), 0);
  x.lineTo(X(0), y0);
  x.stroke();
  x.setLineDash([]);
  if (!l.length) {
    x.textAlign = 'left';
    x.fillText('After the first step.', L, 14);
    return;
  }
  const half = (y0 - 6) / 2;
  const bins = 48;
  const hist = (vs, base, c) => {
    const b = new Array(bins).fill(0);
    vs.forEach(v => {
      const k = Math.min(bins - 1, Math.floor(((v + m) / (2 * m)) * bins));
      if (k >= 0) b[k]++;
    });
    const most = Math.max(...b, 1);
    x.fillStyle = col(c);
    b.forEach((n, k) => {
      if (n) {
        x.fillRect(
          X(-m + (2 * m * k) / bins),
          base - (n / most) * (half - 2),
          (w - L - R) / bins - 1,
          (n / most) * (half - 2),
        );
      }
    });
  };
  hist(l.subarray(0, split), half, '--real');
  hist(l.subarray(split), y0, '--g');
  x.textAlign = 'right';
  x.fillStyle = col('--ink');
  x.fillText('real', L - 6, half - 2);
  x.fillStyle = col('--gt');
  x.fillText('fake', L - 6, y0 - 2);
}
