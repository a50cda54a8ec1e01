import { button, icon, make, panel, thou } from './kit.js';
import { pulse } from './pulse.js';

const PLAY = 'M2 1l9 5-9 5z';
const PAUSE = 'M2 1h3v10H2zM7 1h3v10H7z';
const SQUARE = 'M1.5 1.5h9v9h-9z';
const WARNING = 'M8 1l7.5 14H.5zM7.2 6v4.5h1.6V6zm0 5.6v1.6h1.6v-1.6z';
const NAMES = { idle: 'Idle', running: 'Running', paused: 'Paused', error: 'Error' };
const clock = s => {
  s = Math.round(s);
  const h = Math.floor(s / 3600);
  const m = Math.floor(s / 60) % 60;
  const two = n => String(n).padStart(2, '0');
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
};
const rate = v => (v >= 100 ? Math.round(v) : v >= 10 ? v.toFixed(1) : v >= 1 ? v.toFixed(2) : v.toPrecision(2));
function render({ model, el }) {
  const root = panel(el, 'transport', 'Training');
  const t = n => model.get(n);
  const ask = (d, more = {}) => model.send({ do: d, ...more });
  const run = button('pri gl-run', '');
  const stop = button('gl-stop', 'Stop', icon(SQUARE));
  const n = make('input', 'inp gl-n');
  const pill = make('span', 'pill gl-state', make('i'), make('span'));
  run.onclick = () => ask(t('status') === 'running' ? 'pause' : 'start');
  stop.onclick = () => ask('stop');
  n.value = 1;
  n.inputMode = 'numeric';
  n.setAttribute('aria-label', 'Steps per click');
  n.autocomplete = 'off';
  const times = () => {
    const v = Number(n.value.trim());
    const ok = Number.isInteger(v) && v >= 1 && v <= 1e6;
    n.classList.toggle('bad', !ok);
    n.setAttribute('aria-invalid', !ok);
    n.title = ok ? '' : 'Steps per click: a whole number from 1 to 1 000 000';
    return ok ? v : 0;
  };
  n.onchange = times;
  const steps = [
    ['d', 'D', 'chipD', 'Train D once, G held still'],
    ['g', 'G', 'chipG', 'Train G once, D held still'],
    ['both', 'Both', '', 'One whole step'],
  ].map(([phase, label, chip, title]) => {
    const b = button('gl-step-' + phase, label, ...(chip ? [make('i', chip)] : []));
    b.title = title;
    b.onclick = () => {
      const k = times();
      if (k) ask('step', { n: k, phase });
    };
    return b;
  });
  const seg = make('span', 'seg', ...steps);
  seg.setAttribute('role', 'group');
  seg.setAttribute('aria-label', 'Step');
  const st = make('b', 'gl-step');
  const of = make('span', 'lab gl-of');
  const its = make('b', 'gl-rate');
  const left = make('b', 'gl-left');
  const lab = s => make('span', 'lab', s);
  const leftBox = make('div', 'left', left, lab('left'));
  const stats = make('div', 'stats', make('div', '', lab('step'), st, of), make('div', '', its, lab('it/s')), leftBox);
  const bar = make(
    'div',
    'tp',
    make('div', 'grp run', run, stop),
    make('div', 'grp steps', lab('Step'), seg, make('label', 'x lab', '× ', n)),
    stats,
    pill,
  );
  bar.setAttribute('role', 'toolbar');
  bar.setAttribute('aria-label', 'Training');
  const prog = make('div', 'prog', make('i'));
  const card = make('div', 'er gl-error');
  prog.setAttribute('role', 'progressbar');
  prog.setAttribute('aria-label', 'Steps done');
  card.setAttribute('role', 'alert');
  root.append(bar, prog, card);
  let was = null;
  let shown = null;
  let since = null; // since: when the kernel was heard last, where it is heard no more
  const error = e => {
    if (JSON.stringify(e) === shown) return;
    shown = JSON.stringify(e);
    card.replaceChildren();
    card.hidden = !e?.title;
    if (card.hidden) return;
    const pre = make('pre', '', e.trace || '');
    const more = make('details', '', make('summary', '', 'Traceback'), pre);
    more.hidden = !e.trace;
    const btns = make(
      'div',
      'btns',
      ...e.actions.map((a, i) => {
        const b = button(i ? '' : 'pri', a.label);
        b.onclick = () => ask('remedy', { action: a });
        return b;
      }),
    );
    card.append(
      icon(WARNING, 16),
      make('div', '', make('div', 'ti', e.title), ...(e.text ? [make('p', '', e.text)] : []), more),
      btns,
    );
  };
  const silence = () => ({
    title: `${t('apart') ? 'Nothing is seen' : 'Nothing runs'}: no word from the kernel since ${since.toLocaleTimeString()}.`,
    text:
      (t('apart') ? 'What another process trains goes on. ' : '') +
      'If it has died or was restarted, run the cell again. If only the connection was lost, the panel goes on by itself once it is back.',
    actions: [],
  });
  // how the pill looks, and what it says
  const now = status => {
    if (since) return ['error', t('apart') ? 'Not seen' : 'Not running'];
    if (t('busy')) return ['busy', t('busy') + (t('left') && ', ' + t('left'))];
    return [status, (status === 'error' && t('error').word) || NAMES[status]];
  };
  // why nothing can be started, or ''
  const heldBy = status => {
    if (since) return 'No word from the kernel';
    if (t('busy')) return `${t('busy')}: wait until that is done`;
    return status === 'error' ? 'Choose one of the answers below first' : '';
  };
  const progress = (step, total) => {
    prog.firstChild.style.width = total ? Math.min(100, (100 * step) / total) + '%' : '0';
    prog.setAttribute('aria-valuemin', 0);
    prog.setAttribute('aria-valuemax', total || step);
    prog.setAttribute('aria-valuenow', step);
  };
  const read = () => {
    const s = t('status');
    const going = s === 'running' && !since;
    const step = t('step');
    const total = t('total');
    const r = t('rate');
    if (going !== was) {
      was = going;
      run.replaceChildren(icon(going ? PAUSE : PLAY), going ? 'Pause' : 'Run');
    }
    el.dataset.status = s;
    const [look, word] = now(s);
    pill.className = 'pill gl-state ' + look;
    if (pill.lastChild.textContent !== word) pill.lastChild.textContent = word;
    const held = heldBy(s);
    run.disabled = !!held;
    run.title = held;
    stop.disabled = s === 'idle' || !!since;
    stop.title = since ? held : '';
    steps.forEach(b => (b.disabled = !!held));
    st.textContent = thou(step);
    of.textContent = total ? 'of ' + thou(total) : '';
    its.textContent = going && r ? rate(r) : '–';
    left.textContent = going && r && total ? clock((total - step) / r) : '–';
    leftBox.hidden = !total;
    progress(step, total);
    el.dataset.step = step;
    error(since ? silence() : s === 'error' ? t('error') : null);
  };
  const names = ['status', 'step', 'total', 'rate', 'error', 'busy', 'left'];
  let due = false;
  const later = () => {
    if (!due) {
      due = true;
      queueMicrotask(() => {
        due = false;
        read();
      });
    }
  };
  names.forEach(k => model.on('change:' + k, later));
  card.hidden = true;
  read();
  const stopPulse = pulse(
    model,
    () => t('status') === 'running' || !!t('busy'),
    when => {
      since = when;
      el.closest('.gl-lab')?.classList.toggle('gl-gone', !!when);
      read();
    },
  );
  return () => {
    stopPulse();
    names.forEach(k => model.off('change:' + k, later));
  };
}
export default { render };
