import { decode, make, panel, thou, toggle } from './kit.js';
import { palette, watch } from './canvas.js';
import { tiles } from './images.js';

const put = (model, name, value) => {
  model.set(name, value);
  model.save_changes();
};
const told = v => String(v).replace('-', '−');
// a line with a slider; the kernel hears of its value when the hand lets go
// say: the value in words; usual: a value that is marked
function slider(model, name, label, title, { say = told, usual = null } = {}) {
  const input = make('input');
  const value = make('span', 'val');
  const line = make('label', 'line', make('span', 'lab', label), input, value);
  const [min, max, step] = model.get('ranges')[name];
  const tell = () => {
    value.textContent = say(+input.value);
    input.setAttribute('aria-valuetext', value.textContent);
  };
  Object.assign(input, {
    type: 'range',
    min,
    max,
    step,
    oninput: tell,
    onchange: () => put(model, name, +input.value),
  });
  input.setAttribute('aria-label', label);
  line.title = title;
  if (usual !== null) {
    line.classList.add('marked');
    line.style.setProperty('--usual', (usual - min) / (max - min));
  }
  line.sync = () => {
    input.value = model.get(name);
    tell();
  };
  return line;
}
// two choices of a place, of which the first is never after the last
function between(model) {
  const ends = ['First place', 'Last place'].map((label, i) => {
    const select = make('select', 'inp');
    select.setAttribute('aria-label', label);
    select.onchange = () => {
      const at = +select.value;
      const [first, last] = model.get('places');
      put(model, 'places', i ? [Math.min(first, at), at] : [at, Math.max(last, at)]);
    };
    return select;
  });
  const line = make('div', 'line', make('span', 'lab', 'At places'), make('span', 'ends', ends[0], 'to', ends[1]));
  line.title = 'Where the other style enters: early places change what is there, late ones how it looks';
  let was = '';
  line.sync = () => {
    const names = model.get('names');
    if (was !== names.join()) {
      was = names.join();
      ends.forEach(e => e.replaceChildren(...names.map((n, i) => new Option(n, i))));
    }
    ends.forEach((e, i) => (e.value = model.get('places')[i]));
  };
  return line;
}
function render({ model, el }) {
  const root = panel(el, 'steer', 'Steering');
  const t = n => model.get(n);
  const at = make('span', 'mut');
  const cv = make('canvas');
  const why = make('p', 'no');
  const sw = toggle(on => put(model, 'mixing', on));
  const mix = make('label', 'mix', sw, 'Mix in the style of another sample');
  const truncation = slider(
    model,
    'truncation',
    'Truncation ψ',
    '1: samples as they are; towards 0 all become the average image; beyond 1 they exaggerate',
    { say: v => told(v.toFixed(2)), usual: 1 },
  );
  const latents = slider(model, 'latents', 'Latents', 'Which latents the samples are made of, by their number');
  const other = slider(model, 'other', 'Other sample', 'The sample whose style is mixed in, by its number');
  const places = between(model);
  const mixed = make('fieldset', '', other, places);
  cv.setAttribute('role', 'img');
  why.setAttribute('role', 'status');
  mixed.setAttribute('aria-label', 'What is mixed in');
  mix.sync = () => {
    sw.checked = t('mixing');
    mixed.disabled = !t('mixing');
  };
  root.append(
    make('div', 'hd', make('h3', '', 'Steering'), make('span', 'sp'), at),
    make('div', 'both', make('div', 'picture', cv), make('div', 'hand', truncation, latents, mix, mixed, why)),
  );
  root.style.setProperty('--size', t('size') + 'px');
  const refused = () => {
    why.textContent = t('refusal');
    why.hidden = !t('refusal');
  };
  const heard = Object.entries({
    truncation: truncation.sync,
    latents: latents.sync,
    other: other.sync,
    mixing: mix.sync,
    places: places.sync,
    names: places.sync,
    refusal: refused,
  }).map(([name, f]) => ['change:' + name, f]);
  heard.forEach(([name, f]) => {
    model.on(name, f);
    if (name !== 'change:names') f();
  });
  let image = null;
  let bytes = null;
  const draw = async () => {
    const now = t('picture');
    if (bytes !== now) {
      bytes = now;
      const made = await decode(now);
      if (bytes !== now) return; // another one came meanwhile
      image = made;
    }
    at.textContent = `step ${thou(t('step'))}`;
    cv.setAttribute('aria-label', `${t('n')} samples`);
    if (!image) return;
    const col = palette(root);
    tiles(cv, image, t('cols'), Math.ceil(t('n') / t('cols')), t('cols'), col, t('n'));
    col.done();
  };
  const seen = watch(root, model, ['frame'], draw);
  return () => {
    seen.stop();
    heard.forEach(([name, f]) => model.off(name, f));
  };
}
export default { render };
