import { make, panel, thou } from './kit.js';
import { mount } from './mount.js';
import { watch } from './canvas.js';

function render(context) {
  const { model, el, signal } = context;
  const t = n => model.get(n);
  const root = panel(el, 'own', t('title'));
  el.classList.add('gl-card');
  el.classList.toggle('gl-wide', t('wide'));
  const at = make('span', 'mut');
  const problem = make('p', 'no');
  const view = make('div', 'view');
  const picture = make('img');
  let url = '';
  let png = null;
  problem.setAttribute('role', 'status');
  picture.alt = t('title');
  root.append(make('div', 'hd', make('h3', '', t('title')), make('span', 'sp'), at), problem, view);
  const shown = {
    text: () => make('p', '', t('text')),
    numbers: () => make('dl', '', ...t('rows').flatMap(([k, v]) => [make('dt', '', k), make('dd', '', v)])),
    picture: () => {
      if (png === t('picture')) return picture;
      png = t('picture');
      URL.revokeObjectURL(url);
      url = URL.createObjectURL(new Blob([png], { type: 'image/png' }));
      picture.src = url;
      return picture;
    },
  };
  const read = () => {
    const draw = shown[t('kind')];
    at.textContent = t('kind') ? 'step ' + thou(t('step')) : '';
    problem.textContent = t('problem');
    problem.title = t('trace');
    problem.hidden = !t('problem');
    root.classList.toggle('stale', !!t('problem'));
    view.hidden = !draw;
    if (draw) view.replaceChildren(draw());
  };
  let inside = new AbortController();
  let guest = '';
  // a widget of the user's own stands below
  const host = () => {
    if (guest === t('inner')) return;
    guest = t('inner');
    inside.abort();
    inside = new AbortController();
    el.replaceChildren(root, ...(guest ? [make('div', 'inner', mount(context, guest, inside.signal))] : []));
  };
  const seen = watch(root, model, ['frame', 'problem', 'kind', 'inner'], read, host);
  const end = () => inside.abort();
  signal?.addEventListener('abort', end);
  return () => {
    seen.stop();
    end();
    URL.revokeObjectURL(url);
  };
}
export default { render };
