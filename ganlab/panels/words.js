import { button, make } from './kit.js';

// The button "?", and what it opens: the words of the panel, each with what it means. `ask` has them sent; they come to `show`.
export function wordList(ask) {
  const open = button('q small gl-words', '?');
  const find = make('input', 'inp gl-find');
  const list = make('div', 'ws'); // no dl: JupyterLab gives that a style of its own
  const none = make('p', 'mut', 'No such word.');
  const box = make('section', 'wl', find, list, none);
  const rows = [];
  open.title = 'What the words on this panel mean';
  open.setAttribute('aria-label', open.title);
  box.setAttribute('aria-label', open.title);
  find.placeholder = 'A word of the panel';
  find.setAttribute('aria-label', 'Find a word');
  find.type = 'search';
  list.setAttribute('role', 'list');
  list.tabIndex = 0; // so that the arrow keys scroll it
  const sift = () => {
    const hits = matching(
      rows.map(r => r.of),
      find.value,
    );
    rows.forEach(r => (r.box.hidden = !hits.has(r.of)));
    none.hidden = hits.size > 0 || !rows.length;
  };
  const turn = on => {
    box.hidden = !on;
    open.setAttribute('aria-expanded', on);
    if (!on) return open.focus();
    if (!rows.length) ask();
    find.focus();
  };
  open.onclick = () => turn(box.hidden);
  find.oninput = sift;
  box.onkeydown = e => {
    if (e.key !== 'Escape') return;
    e.stopPropagation();
    turn(false);
  };
  box.hidden = none.hidden = true;
  open.setAttribute('aria-expanded', false);
  return {
    open,
    box,
    show(words) {
      rows.splice(0, rows.length, ...words.map(of => ({ of, box: row(of) })));
      list.replaceChildren(...rows.map(r => r.box));
      sift();
    },
  };
}
function row([term, where, text]) {
  const r = make('div', '', make('b', '', term), make('span', 'mut', where), make('div', '', text));
  r.setAttribute('role', 'listitem');
  return r;
}
// Those of the words that are looked for: by their name, and if none is called so, by their text.
export function matching(words, looked) {
  const s = looked.trim().toLowerCase();
  const named = words.filter(([term]) => term.toLowerCase().includes(s));
  return new Set(named.length ? named : words.filter(([, , text]) => text.toLowerCase().includes(s)));
}
