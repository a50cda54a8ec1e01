import { button, make, panel } from './kit.js';
import { wordList } from './words.js';

function render({ model, el }) {
  const root = panel(el, 'status', 'What happened');
  const say = make('div', 'gl-say');
  const cost = make('span', 'mut gl-cost');
  say.setAttribute('role', 'status');
  say.setAttribute('aria-live', 'polite');
  const save = (label, what, title) => {
    const b = button('q small', label);
    b.title = title;
    b.onclick = () => model.send({ do: what });
    b.hidden = !model.get('saves');
    return b;
  };
  const words = wordList(() => model.send({ words: true }));
  cost.title = 'Share of the training time that the panel takes, measured';
  root.append(
    make(
      'div',
      'ft',
      say,
      cost,
      save(
        'Save as Python',
        'to-python',
        'A script that makes the same run, bit for bit, and the weights it begins with',
      ),
      save('Export .html', 'to-html', 'The run as one page that needs no kernel and no network'),
      words.open,
    ),
    words.box,
  );
  let was = null;
  const read = () => {
    const [who, rest] = model.get('say');
    const c = model.get('cost');
    if (who + rest !== was) {
      was = who + rest;
      say.replaceChildren(...(who ? [make('b', '', who), ' ' + rest] : [rest]));
    }
    const text = c == null ? '' : `panel ${c < 0.0995 ? (100 * c).toFixed(1) : Math.round(100 * c)} % of time`;
    if (cost.textContent !== text) cost.textContent = text;
  };
  const names = ['say', 'cost'];
  names.forEach(k => model.on('change:' + k, read));
  const heard = msg => msg.words && words.show(msg.words);
  model.on('msg:custom', heard);
  read();
  return () => {
    names.forEach(k => model.off('change:' + k, read));
    model.off('msg:custom', heard);
  };
}
export default { render };
