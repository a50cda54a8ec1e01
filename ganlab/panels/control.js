import { make, rooted, toggle } from './kit.js';

let serial = 0;
function render({ model, el }) {
  const root = rooted(el, 'control');
  const t = n => model.get(n);
  const sw = toggle(on => {
    model.set('value', on);
    model.save_changes();
  });
  const name = make('span', 'nm');
  const why = make('span', 'why');
  const label = make('label', '', sw, name);
  why.id = `gl-control-${++serial}`;
  why.setAttribute('role', 'status');
  sw.setAttribute('aria-describedby', why.id);
  root.append(label, ' ', why);
  const read = () => {
    sw.checked = t('value');
    sw.disabled = t('disabled');
    name.textContent = t('description');
    label.title = t('tooltip') ?? '';
    if (why.textContent !== t('refusal')) why.textContent = t('refusal');
    el.classList.toggle('gl-refused', !!t('refusal'));
  };
  const names = ['value', 'disabled', 'description', 'tooltip', 'refusal'];
  names.forEach(n => model.on('change:' + n, read));
  read();
  return () => names.forEach(n => model.off('change:' + n, read));
}
export default { render };
