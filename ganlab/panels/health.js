import { button, make, mode, panel, thou } from './kit.js';
import { palette, watch } from './canvas.js';
import { adviceView } from './advice.js';
import { WORDS, chipView, firstFew } from './chips.js';
import { signalView } from './signal.js';

function render({ model, el }) {
  const root = panel(el, 'health', 'Health');
  const t = n => model.get(n);
  const ask = msg => model.send(msg);
  const open = name => {
    model.set('unfolded', t('unfolded') === name ? '' : name);
    model.save_changes();
  };
  const row = make('div', 'chips');
  const more = button('q small', '');
  const state = make('span', 'mut state');
  const check = button('q small', 'Check now');
  const back = button('q small', '');
  const advice = adviceView(ask);
  const detail = signalView(ask, () => open(''));
  let views = [];
  let all = false;
  row.setAttribute('role', 'group');
  row.setAttribute('aria-label', 'Signals');
  check.onclick = () => ask({ do: 'check' });
  back.onclick = () => ask({ do: 'advice-restore' });
  more.onclick = () => {
    all = !all;
    read();
  };
  const side = make('div', 'side', state, more, back, check);
  root.append(make('div', 'hl', row, side, advice), detail);
  const chips = () => {
    const now = t('chips');
    if (now.map(c => c.name).join() !== views.map(v => v.dataset.signal).join()) {
      views = now.map(c => chipView(c.name, open));
      row.replaceChildren(...views);
    }
    now.forEach((c, i) => views[i].tell(c, t('unfolded') === c.name));
  };
  // As many as fit into a row, or four in two rows, unless all are asked for.
  const fold = now => {
    const n = room(root.clientWidth - side.offsetWidth, mode(root));
    const kept = firstFew(now, all ? now.length : n);
    views.forEach((v, i) => {
      v.hidden = !kept[i];
    });
    more.hidden = now.length <= n;
    more.textContent = all ? 'Fewer' : `${now.length - n} more`;
    more.setAttribute('aria-expanded', all);
  };
  const read = () => {
    const bad = t('chips').filter(c => c.state in WORDS).length;
    chips();
    state.textContent = t('problem') || stands(t('step'), t('now'), bad, t('finding'), t('waiting'));
    state.classList.toggle('no', !!t('problem'));
    state.classList.toggle('fine', state.textContent.startsWith(FINE));
    check.disabled = t('waiting') || !!t('busy');
    back.hidden = !t('dismissed').length;
    back.textContent = `${t('dismissed').length} dismissed`;
    back.title = `Show again: ${t('dismissed').join(', ')}`;
    fold(t('chips'));
    advice.tell(t('finding'), !!t('busy'));
    detail.tell(t('chips').find(c => c.name === t('unfolded')));
    el.dataset.step = t('step');
    el.dataset.cause = t('finding').cause ?? '';
    el.dataset.bad = bad;
  };
  const worstOf = () => t('worst')[t('chips').find(c => c.name === t('unfolded'))?.way];
  const draw = async () => {
    read();
    const col = palette(root);
    await detail.draw(t('flags'), t('now'), worstOf(), root, col);
    col.done();
  };
  const names = ['frame', 'chips', 'step', 'now', 'finding', 'dismissed', 'problem', 'waiting', 'unfolded', 'busy'];
  const w = watch(root, model, names, draw, read);
  return () => w.stop();
}
// how many chips there is room for, beside what stands at their right
export const room = (width, how) => (how === 'narrow' ? 4 : Math.max(4, Math.floor((width - 44) / 130)));
const FINE = 'Nothing wrong';
// what the last checkup comes to, in a few words
export function stands(step, now, bad, finding, waiting) {
  if (waiting) return now > 0 ? 'Checking…' : 'Checked with the first step';
  if (step < 0) return 'Health is checked while it trains';
  const at = `step ${thou(step)}`;
  if (finding.cause) return `As of ${at}`;
  return bad ? `No cause found at ${at}` : `${FINE} at ${at}`;
}
export default { render };
