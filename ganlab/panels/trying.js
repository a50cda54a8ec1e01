import { button, make } from './kit.js';

// A trial of a trick, or of a preset: a button beside its name, and the line below in which its length is given.
// `go(steps, on)`: for how many steps; and is it on now, so that it is tried without it?
export function trying(title, go) {
  const open = button('try', 'Try');
  open.className = 'try';
  open.setAttribute('aria-label', `Try: ${title}`);
  open.setAttribute('aria-expanded', false);
  const steps = make('input', 'inp');
  steps.type = 'number';
  steps.min = steps.step = 1;
  steps.max = 1e6;
  steps.required = true;
  steps.value = 500;
  steps.setAttribute('aria-label', `Steps of the trial: ${title}`);
  const start = button('small', 'Try');
  const not = button('small q', 'Cancel');
  const what = make('span');
  const then = make('span');
  const line = make('form', 'why trial', what, steps, then, start, not);
  start.type = 'submit';
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
    not.onclick();
    go(Number(steps.value), on);
  };
  const back = 'after so many steps it stays, or is taken back, bit for bit, if the samples got worse';
  const sync = is => {
    on = is;
    what.textContent = on ? 'Without it for' : 'With it for';
    then.textContent = `steps; it stays ${on ? 'off' : 'on'} unless samples get worse`;
    open.title = `Turn it ${on ? 'off' : 'on'} on trial: ${back}`;
  };
  // of several changes at once
  const whole = () => {
    what.textContent = 'All of it for';
    then.textContent = 'steps; it stays unless samples get worse';
    open.title = `Switch all of it on trial: ${back}`;
  };
  return { open, line, sync, whole };
}
