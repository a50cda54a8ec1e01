import { button, make } from './kit.js';

// A trial of a trick: a button beside its name, and the line below in which its length is given.
export function trying(t, ask) {
  const open = button('try', 'Try');
  open.className = 'try';
  open.setAttribute('aria-label', `Try: ${t.title}`);
  open.setAttribute('aria-expanded', false);
  const steps = make('input', 'inp');
  steps.type = 'number';
  steps.min = steps.step = 1;
  steps.max = 1e6;
  steps.required = true;
  steps.value = 500;
  steps.setAttribute('aria-label', `Steps of the trial: ${t.title}`);
  const go = button('small', 'Try');
  const not = button('small q', 'Cancel');
  const what = make('span');
  const then = make('span');
  const line = make('form', 'why trial', what, steps, then, go, not);
  go.type = 'submit';
  line.hidden = true;
  let on = false;
  const show = yes => {
    line.hidden = !yes;
    open.setAttribute('aria-expanded', yes);
    if (yes) steps.focus();
  };
  open.onclick = () => show(line.hidden);
  not.onclick = () => {
    show(false);
    open.focus();
  };
  steps.onkeydown = e => {
    if (e.key === 'Escape') not.onclick();
  };
  line.onsubmit = e => {
    e.preventDefault();
    ask({ do: on ? 'off' : 'on', name: t.name, trial: Number(steps.value) });
    not.onclick();
  };
  const sync = row => {
    on = row.on;
    what.textContent = on ? 'Without it for' : 'With it for';
    then.textContent = `steps; it stays ${on ? 'off' : 'on'} unless samples get worse`;
    open.title = `Turn it ${on ? 'off' : 'on'} on trial: after so many steps it stays, or is taken back, bit for bit, if the samples got worse`;
  };
  return { open, line, sync };
}
