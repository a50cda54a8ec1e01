// The colours that stand around a panel: Jupyter's by their names; elsewhere the page's text and paper are looked up.
const SIGNS = ['class', 'style', 'theme', 'data-theme', 'data-jp-theme-light', 'data-jp-theme-name'];
const parentOf = e => e.parentElement ?? e.getRootNode().host ?? null;
export const pixel = color => {
  const x = document.createElement('canvas').getContext('2d');
  x.fillStyle = color;
  x.fillRect(0, 0, 1, 1);
  return x.getImageData(0, 0, 1, 1).data;
};
const light = ([r, g, b]) => (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
function paperBehind(el) {
  for (let e = el; e; e = parentOf(e)) {
    const { backgroundColor } = getComputedStyle(e);
    if (pixel(backgroundColor)[3] > 127) return backgroundColor;
  }
  return '';
}
// notice(tell): called whenever the page may have changed its colours; gives what ends that
export function notice(tell) {
  const signs = new MutationObserver(tell);
  for (const e of [document.documentElement, document.body]) {
    signs.observe(e, { attributes: true, attributeFilter: SIGNS });
  }
  return () => signs.disconnect();
}
// Gives an element that stands for itself the colours around it, as --gl-page and --gl-text, and the class gl-dark.
export function themed(el) {
  const held = new WeakRef(el);
  const look = () => {
    const it = held.deref();
    if (!it) return deaf();
    const around = parentOf(it);
    if (!around || around.closest('.gl')) return;
    const jupyter = document.body.dataset.jpThemeLight;
    const text = getComputedStyle(around).color;
    const dark = jupyter ? jupyter === 'false' : light(pixel(text)) > 0.5;
    it.style.setProperty('--gl-text', text);
    it.style.setProperty('--gl-page', paperBehind(around) || (dark ? '#1e1e1e' : '#fff'));
    it.classList.toggle('gl-dark', dark);
  };
  const deaf = notice(look);
  new ResizeObserver(look).observe(el);
}
