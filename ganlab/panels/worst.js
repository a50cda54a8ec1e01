import { make } from './kit.js';
import { picture } from './verdict.js';

// The samples that are worst by a signal. o: {kind, said, data, count, cols, real, extent}, or nothing
export function worstView() {
  const cv = make('canvas');
  const said = make('p', 'mut');
  const el = make('div', 'worst', said, make('div', 'sq', cv));
  cv.setAttribute('role', 'img');
  el.hidden = true;
  el.draw = async (o, col) => {
    el.hidden = !o;
    if (!o) return;
    said.textContent = o.said;
    cv.setAttribute('aria-label', o.said);
    await picture(cv, o, o.data, col);
  };
  return el;
}
