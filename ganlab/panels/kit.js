import { themed } from './theme.js';

export const make = (tag, cls, ...kids) => {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  e.append(...kids);
  return e;
};
export const thou = n => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
export const icon = (path, box = 12) => {
  const s = make('span');
  s.innerHTML = `<svg class="ic" viewBox="0 0 ${box} ${box}" aria-hidden="true"><path fill-rule="evenodd" d="${path}"/></svg>`;
  return s.firstChild;
};
export const button = (cls, label, ...kids) => {
  const b = make('button', 'b ' + cls, ...kids, label);
  b.type = 'button';
  return b;
};
export function fmt(v, n = 3) {
  if (v == null || Number.isNaN(v)) return '–';
  if (!Number.isFinite(v)) return v > 0 ? '∞' : '−∞';
  const a = Math.abs(v);
  const s = a >= 1e4 || (a && a < 1e-3) ? v.toExponential(1).replace('e+', 'e') : v.toPrecision(n);
  return (a >= 10 ** n && a < 1e4 ? String(Math.round(v)) : s).replace('-', '−');
}
// The root of what a view draws into `el`, which has colours of its own to stand on.
export function rooted(el, name) {
  el.classList.add('gl', 'gl-' + name);
  el.addEventListener('focusin', e => {
    e.target.dataset.lmSuppressShortcuts = 'true';
  }); // the keys here are the panel's: JupyterLab asks the focused element itself
  const root = make('div', 'gl-root');
  el.append(root);
  themed(el);
  return root;
}
export function panel(el, name, label) {
  el.classList.add('gl-part');
  const root = rooted(el, name);
  root.setAttribute('role', 'region');
  root.setAttribute('aria-label', label);
  return root;
}
// A switch that is on or off; `set` is called with what a hand makes of it.
export function toggle(set) {
  const sw = make('input', 'sw plain');
  sw.type = 'checkbox';
  sw.setAttribute('role', 'switch');
  sw.onchange = () => set(sw.checked);
  return sw;
}
export const mode = root => getComputedStyle(root).getPropertyValue('--mode').trim() || 'mid';
const bytes = v =>
  v && v.byteLength ? new Uint8Array(v.buffer.slice(v.byteOffset, v.byteOffset + v.byteLength)) : null; // a trait's bytes arrive as a view of a larger message
export const floats = v => {
  const b = bytes(v);
  return b ? new Float32Array(b.buffer) : new Float32Array(0);
};
export async function decode(v) {
  const b = bytes(v);
  return b ? createImageBitmap(new Blob([b], { type: 'image/jpeg' })) : null;
}
export function radios(label, options, get, set) {
  const seg = make('span', 'seg');
  seg.setAttribute('role', 'radiogroup');
  seg.setAttribute('aria-label', label);
  const bs = options.map(([v, text]) => {
    const b = button('small', text);
    b.setAttribute('role', 'radio');
    b.onclick = () => set(v);
    seg.append(b);
    return b;
  });
  seg.onkeydown = e => {
    const d = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
    if (!d) return;
    e.preventDefault();
    const i = (bs.indexOf(seg.getRootNode().activeElement) + d + bs.length) % bs.length;
    bs[i].focus();
    set(options[i][0]);
  };
  seg.sync = () =>
    bs.forEach((b, i) => {
      const on = options[i][0] === get();
      b.setAttribute('aria-checked', on);
      b.tabIndex = on ? 0 : -1;
    });
  seg.sync();
  return seg;
}
