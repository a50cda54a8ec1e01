import { plain } from './axes.js';
import { button, make } from './kit.js';

export const WORDS = { low: '▼ low', high: '▲ high' };

// Where a value and its healthy band lie on a track, as shares of its width: {from, to, at}; `at` is null where there is no
// value. A band has a third of the track on both sides of it; one that is open at one end ends in the middle. Over more
// than a decade distances are ratios.
export function place({ value, low, high }) {
  const log = low > 0 && high / low > 10 && !(value <= 0);
  const f = log ? Math.log : v => v;
  const a = low == null ? null : f(low);
  const b = high == null ? null : f(high);
  const [lo, hi] = ends(a, b);
  const share = v => Math.max(0.02, Math.min(0.98, (v - lo) / (hi - lo)));
  return {
    from: a == null ? 0 : share(a),
    to: b == null ? 1 : share(b),
    at: value == null ? null : a == null && b == null ? 0.5 : share(f(value)),
  };
}
// the values at the ends of the track
function ends(a, b) {
  if (a != null && b != null) return [a - (b - a || 1), b + (b - a || 1)];
  const bound = a ?? b ?? 0;
  const wide = Math.abs(bound) || 1;
  return [bound - wide, bound + wide];
}
// 'healthy from 0.2 to 0.8'
export function bandSays({ low, high }) {
  if (low == null && high == null) return 'no healthy band';
  if (low == null) return `healthy up to ${plain(high)}`;
  return high == null ? `healthy from ${plain(low)}` : `healthy from ${plain(low)} to ${plain(high)}`;
}
// Which chips are shown where there is room for `n`: first those outside of their band, last those of which nothing is known;
// all in their own order.
export function firstFew(chips, n) {
  const rank = c => (c.state in WORDS ? 0 : c.state === 'ok' ? 1 : 2);
  const kept = new Set(chips.toSorted((a, b) => rank(a) - rank(b)).slice(0, n));
  return chips.map(c => kept.has(c));
}

export function chipView(name, choose) {
  const el = button('chip', '');
  const title = make('span', 't');
  const word = make('span', 'w');
  const value = make('span', 'v');
  const band = make('u');
  const mark = make('i');
  const track = make('span', 'tr', band, mark);
  el.className = 'chip';
  el.dataset.signal = name;
  el.append(make('span', 'k', title, ' ', word), value, track);
  el.onclick = () => choose(name);
  el.tell = (c, open) => {
    const { from, to, at } = place(c);
    title.textContent = c.short;
    word.textContent = WORDS[c.state] ?? '';
    value.textContent = c.text;
    el.dataset.state = c.state;
    el.classList.toggle('bad', c.state in WORDS);
    band.hidden = c.low == null && c.high == null;
    band.style.left = 100 * from + '%';
    band.style.right = 100 * (1 - to) + '%';
    mark.hidden = at == null;
    mark.style.left = 100 * (at ?? 0) + '%';
    el.setAttribute('aria-expanded', open);
    el.title = [`${c.title}: ${c.text}; ${bandSays(c)}.`, c.about].filter(Boolean).join('\n');
  };
  return el;
}
