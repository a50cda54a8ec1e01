import { button, fmt, make } from './kit.js';

// a button per cell, over the grid
export function cells(open, close) {
  const el = make('div', 'cells');
  el.setAttribute('role', 'group');
  let here = 0;
  let cols = 1;
  const at = i => el.children[i];
  const move = i => {
    if (!at(i)) return;
    at(here).tabIndex = -1;
    here = i;
    at(i).tabIndex = 0;
    at(i).focus();
  };
  el.onclick = e => {
    const i = [...el.children].indexOf(e.target);
    if (i >= 0) {
      move(i);
      open(i);
    }
  };
  el.onkeydown = e => {
    const d = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: cols,
      ArrowUp: -cols,
      Home: -here % cols,
      End: cols - 1 - (here % cols),
    }[e.key];
    if (d !== undefined) {
      e.preventDefault();
      e.stopPropagation();
      move(here + d);
    } else if (e.key === 'Escape') {
      e.stopPropagation();
      close(false);
    }
  };
  el.back = i => {
    if (at(i)) move(i);
  };
  el.tell = (n, c, picked, each) => {
    cols = c;
    el.style.gridTemplateColumns = `repeat(${c},1fr)`;
    el.setAttribute('aria-label', `${n} samples: arrows move, Enter shows one closer`);
    while (el.children.length > n) el.lastChild.remove();
    while (el.children.length < n) {
      const b = make('button');
      b.type = 'button';
      b.tabIndex = el.children.length ? -1 : 0;
      el.append(b);
    }
    if (here >= n) {
      here = 0;
      at(0).tabIndex = 0;
    }
    [...el.children].forEach((b, i) => {
      const l = each?.[i];
      b.setAttribute('aria-label', `Sample ${i + 1} of ${n}` + (l == null ? '' : `, D's score ${fmt(l)}`));
      b.setAttribute('aria-expanded', i === picked);
    });
  };
  return el;
}
// one button over the map; `points`: {xy: [x, y, x, y, ...] in pixels of the map, step}
export function picker(points, open, close) {
  const el = button('pick', '');
  el.className = 'pick';
  let here = -1;
  const near = (x, y) => {
    const f = points();
    let best = 20 ** 2;
    let at = -1;
    for (let i = 0; i < f.length; i += 2) {
      const d = (f[i] - x) ** 2 + (f[i + 1] - y) ** 2;
      if (d < best) {
        best = d;
        at = i / 2;
      }
    }
    return at;
  };
  const next = (dx, dy) => {
    const f = points();
    const [x, y] = here < 0 ? [0, 0] : [f[2 * here], f[2 * here + 1]];
    let best = Infinity;
    let at = here; // the nearest in a quarter of the plane
    for (let i = 0; i < f.length; i += 2) {
      const a = (f[i] - x) * dx + (f[i + 1] - y) * dy;
      const b = Math.abs((f[i] - x) * dy + (f[i + 1] - y) * dx);
      if (a > 0.5 && b <= a && a * a + b * b < best) {
        best = a * a + b * b;
        at = i / 2;
      }
    }
    return at;
  };
  el.onclick = e => {
    const r = el.getBoundingClientRect();
    const i = e.detail
      ? near(e.clientX - r.left, e.clientY - r.top)
      : here < 0
        ? near(r.width / 2, r.height / 2)
        : here;
    if (i >= 0) open((here = i));
    else if (!e.detail) open((here = 0));
  };
  el.onkeydown = e => {
    const d = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[e.key];
    if (d) {
      e.preventDefault();
      e.stopPropagation();
      const i = next(...d);
      if (i >= 0 && i !== here) open((here = i), true);
    } else if (e.key === 'Escape') {
      e.stopPropagation();
      close(false);
    }
  };
  el.back = i => {
    here = i;
    el.focus();
  };
  el.tell = (n, picked, score) => {
    here = picked >= 0 ? picked : here;
    el.setAttribute(
      'aria-label',
      picked < 0
        ? `Map of ${n} samples: Enter shows one closer, arrows the next`
        : `Sample ${picked + 1} of ${n}` + (score == null ? '' : `, D's score ${fmt(score)}`),
    );
    el.setAttribute('aria-expanded', picked >= 0);
  };
  return el;
}
