import { make, thou } from './kit.js';
import { notice } from './theme.js';

export function palette(root) {
  const probe = make('span');
  const got = {};
  probe.style.display = 'none';
  root.append(probe);
  const col = name => {
    if (!got[name]) {
      probe.style.color = `var(${name})`;
      got[name] = getComputedStyle(probe).color;
    }
    return got[name];
  };
  col.done = () => probe.remove();
  col.font = (px = 11, weight = '') => `${weight} ${px}px ${getComputedStyle(root).fontFamily}`;
  return col;
}
const MARKS = {
  chipG: 'G, the generator: orange, a square',
  chipD: 'D, the discriminator: blue, a disc',
  chipR: 'Real: the data, in the colour of the text, a dot',
  chipF: 'Fake: made by G, orange, a plus',
};
export const marked = (cls, ...kids) => {
  const e = make('span', cls, ...kids);
  const i = e.querySelector('i');
  if (i && MARKS[i.className]) e.title = MARKS[i.className];
  return e;
};
export const flagSays = ([t, kind, name]) =>
  `Step ${thou(t)}: ${name}${{ on: ' on', off: ' off', ask: ' asked for' }[kind] ?? ''}`;
// images out of one picture, apart. o: {cols, rows, n, want, side, gap, left, top}; `want`: how many in a row
export function sheet(x, im, o, col) {
  const { cols, rows, n, want, side, gap, left = 0, top = 0 } = o;
  const a = im.width / cols;
  const b = im.height / rows;
  const tall = (side * b) / a;
  x.imageSmoothingEnabled = (side * devicePixelRatio) / a < 3;
  x.imageSmoothingQuality = 'high';
  x.fillStyle = col('--gap');
  const at = i => [left + (i % want) * (side + gap), top + Math.floor(i / want) * (tall + gap)];
  for (let i = 0; i < n; i++) {
    const [px, py] = at(i);
    x.fillRect(
      px - (i % want ? gap : 0),
      py - (i >= want ? gap : 0),
      side + (i % want ? gap : 0),
      tall + (i >= want ? gap : 0),
    );
  }
  for (let i = 0; i < n; i++) {
    const k = o.which ? o.which(i) : i;
    x.drawImage(im, (k % cols) * a, Math.floor(k / cols) * b, a, b, ...at(i), side, tall);
  }
}
// some of them in a square. o: {cols, rows, k, lines, which, left, th}; `k`: how many in a row, of so many `lines`
export function inSquare(x, im, o, col) {
  const { cols, rows, k, lines, which, left = 0, th } = o;
  const gap = 1;
  const shape = im.height / rows / (im.width / cols); // of one image: its height by its width
  const side = Math.min((th - gap * (k - 1)) / k, (th - gap * (lines - 1)) / lines / shape);
  const indent = (th - k * side - gap * (k - 1)) / 2;
  const top = (th - lines * side * shape - gap * (lines - 1)) / 2;
  sheet(x, im, { cols, rows, n: k * lines, want: k, side, gap, which, left: left + indent, top }, col);
}
export function paper(cv, w, h, col) {
  const r = Math.max(1, devicePixelRatio || 1);
  cv.style.height = h + 'px';
  cv.width = Math.round(w * r);
  cv.height = Math.round(h * r);
  const x = cv.getContext('2d');
  x.scale(r, r);
  x.font = col.font();
  return x;
}
export function watch(root, model, names, draw, note = () => {}) {
  let asked = 0;
  let width = 0;
  let gone = false;
  let shown = false;
  const go = () => {
    asked = 0;
    if (gone || !shown || !root.clientWidth) return;
    width = root.clientWidth;
    draw();
    if (names.includes('frame')) {
      try {
        model.send({ seen: model.get('frame') });
      } catch {
        // a kernel that is gone hears nothing
      }
    }
  };
  const ask = () => {
    if (!asked && !gone) asked = requestAnimationFrame(go);
  };
  const news = () => {
    note();
    ask();
  };
  const size = new ResizeObserver(() => {
    if (root.clientWidth !== width) ask();
  });
  size.observe(root);
  const view = new IntersectionObserver(es => {
    shown = es[es.length - 1].isIntersecting;
    if (shown) ask();
  });
  view.observe(root);
  const deaf = notice(() => {
    ask();
    setTimeout(ask, 600); // the theme's style sheet may come later than its name
  });
  names.forEach(n => model.on('change:' + n, news));
  document.fonts?.ready.then(ask);
  note();
  return {
    ask,
    stop() {
      gone = true;
      size.disconnect();
      view.disconnect();
      deaf();
      names.forEach(n => model.off('change:' + n, news));
    },
  };
}
// A line through points, in the pen's present colour.
export function stroke(x, ...points) {
  x.beginPath();
  points.forEach(q => x.lineTo(...q));
  x.stroke();
}
