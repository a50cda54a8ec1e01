import { button, make } from './kit.js';

const WAYS = {
  ab: ['Try as A/B', 'Train short runs with it and without it, several seeds each; the run itself stays as it is'],
  rewind: [
    'Rewind and try',
    'Hold the training, go back to the last snapshot before it began, and do this there; what came after stays as a dashed branch',
  ],
};

const IN_A_FORK = '; in a fork at the step at which it began';

// One finding: what is wrong, how sure that is, what to try. Nothing happens unless one of its buttons is clicked.
export function adviceView(ask) {
  const title = make('b');
  const when = make('span', 'when');
  const said = make('span');
  const list = make('ul');
  const others = button('q small', '');
  const next = button('q small', '');
  const shut = button('q small', 'Dismiss');
  const source = make('p', 'src');
  const text = make('p', '', title, ' ', when, ' ', said);
  let f = {};
  let all = false;
  text.setAttribute('role', 'status');
  next.title = 'Show the next finding';
  shut.title = 'Do not show this cause again';
  next.onclick = () => ask({ do: 'advice-next' });
  shut.onclick = () => ask({ do: 'advice-dismiss', cause: f.cause });
  others.onclick = () => {
    all = !all;
    fold();
  };
  const el = make('div', 'tip', text, make('div', 'btns', next, shut), make('div', 'ways', list, others), source);
  el.setAttribute('role', 'group');
  el.setAttribute('aria-label', 'Advice');
  const remedy = ({ title: what, ways }, i) => {
    const buttons = ways.map(way => {
      const [label, about] = WAYS[way];
      const b = button('small', label);
      b.title = way === 'ab' && ways.length > 1 ? about + IN_A_FORK : about;
      b.dataset.way = way;
      b.setAttribute('aria-label', `${label}: ${what}`);
      b.onclick = () => ask({ do: 'advice-try', cause: f.cause, remedy: i, way });
      return b;
    });
    return make('li', '', make('span', '', make('b', '', ways.length ? 'To try: ' : 'To do: '), what), ...buttons);
  };
  // the first remedy alone, or all of them with where that is known from
  const fold = () => {
    [...list.children].forEach((e, i) => {
      e.hidden = i > 0 && !all;
    });
    source.hidden = !all || !f.source;
    others.hidden = list.children.length < 2 && !f.source;
    others.textContent = all ? 'Less' : otherWays(list.children.length - 1);
    others.setAttribute('aria-expanded', all);
  };
  // finding: {cause, title, when, said, remedies, source, at, of}; busy: is something done that must be waited for?
  el.tell = (finding, busy) => {
    el.hidden = !finding.cause;
    if (JSON.stringify(finding) !== JSON.stringify(f)) {
      if (finding.cause !== f.cause) all = false;
      f = finding;
      if (f.cause) fill();
    }
    for (const b of list.querySelectorAll('button')) b.disabled = busy;
  };
  const fill = () => {
    el.dataset.cause = f.cause;
    title.textContent = f.title;
    when.textContent = `(${f.when}).`;
    said.textContent = f.said;
    source.textContent = f.source;
    list.replaceChildren(...f.remedies.map(remedy));
    next.hidden = f.of < 2;
    next.textContent = `${f.at} of ${f.of}, next`;
    fold();
  };
  return el;
}
const otherWays = n => (n < 1 ? 'More' : n === 1 ? '1 other way' : `${n} other ways`);
