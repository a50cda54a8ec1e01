import { paper, sheet } from './canvas.js';
import { make } from './kit.js';

// what classes are called: by the data, or by their numbers
export const classNames = (n, names) => Array.from({ length: n }, (_, i) => classTitle(names[i] ?? i));
export const classTitle = name => (/^\d+$/.test(name) ? `Class ${name}` : String(name));
// a class that is called by a colour has a patch of it
function rowName(name) {
  const colour = /^#[0-9a-f]{6}$/i.test(name);
  const e = make('span', colour ? 'swatch' : '', colour ? '' : name);
  if (colour) e.style.background = name;
  return e;
}
// the class of each row of a grid, at its left; `of`: how many classes there are
export function rowNames() {
  const el = make('div', 'row-names');
  el.tell = (rows, of = 0) => {
    const names = rows.map(String);
    const more = new Set(names).size < of ? `; ${of} classes there are, and the choice above shows any` : '';
    el.hidden = !names.length;
    el.parentNode.classList.toggle('named', names.length > 0);
    const grid = el.closest('.grid') ?? el.parentNode; // its columns make room for the names
    grid.style.setProperty('--names', `${Math.max(0, ...names.map(n => (n[0] === '#' ? 2 : n.length)))}ch`);
    el.replaceChildren(...names.map(n => make('span', '', rowName(n))));
    [...el.children].forEach((e, i) => {
      e.title = `Class of this row: ${names[i]}${more}`;
    });
  };
  return el;
}

// `want`: how many columns to show; `which`: the images, null: the first ones, at `most` so many
export function tiles(cv, im, cols, rows, want, col, most = cols * rows, which = null) {
  const w = cv.parentNode.clientWidth;
  const gap = 2;
  const side = (w - gap * (want - 1)) / want;
  const n = which ? which.length : Math.min(most, cols * rows);
  const lines = Math.ceil(n / want);
  const tall = (side * (im.height / rows)) / (im.width / cols);
  const x = paper(cv, w, tall * lines + gap * (lines - 1), col);
  sheet(x, im, { cols, rows, n, want, side, gap, which: which && (i => which[i]) }, col);
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
