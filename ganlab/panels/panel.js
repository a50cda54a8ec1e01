import { make } from './kit.js';
import { mount } from './mount.js';
import { themed } from './theme.js';

const ABOVE = ['transport', 'health', 'versus'];
const BODY = ['samples', 'curves', 'tricks', 'timeline'];
function render(context) {
  const { model, el, signal } = context;
  const place = ref => mount(context, ref, signal);
  const parts = names => names.filter(name => model.get(name)).map(name => place(model.get(name)));
  const own = model.get('own_views').map(place);
  el.classList.add('gl', 'gl-lab');
  el.append(...parts(ABOVE), make('div', 'gl-body', ...parts(BODY)));
  if (own.length) el.append(make('div', 'gl-own-parts', ...own));
  el.append(...parts(['announcement']));
  themed(el);
}
export default { render };
