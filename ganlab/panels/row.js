import { button, icon, make } from './kit.js';
import { numberField, otherField } from './field.js';
import { trying } from './trying.js';

let serial = 0;
// effects: in words, and in a sentence
export function trickRow(t, ask, pin, effects) {
  const row = make('div', 'row off');
  const sw = make('input', 'sw');
  const nm = button('nm', t.title);
  const st = make('span', 'st');
  const pn = button('pin', '', icon('M4 1h4v1l-.5.5V5l2 2v1H6.5v3L6 12l-.5-1V8h-3V7l2-2V2.5L4 2z'));
  const ps = make('div', 'ps');
  const lv = make('div', 'lv', make('i'));
  const why = make('div', 'why');
  const wait = make('div', 'why wait');
  const about = make('div', 'about');
  const id = 'gl-' + ++serial;
  row.dataset.trick = t.name;
  sw.type = 'checkbox';
  sw.setAttribute('role', 'switch');
  sw.setAttribute('aria-label', t.title);
  st.id = id + 's';
  why.id = id + 'w';
  sw.setAttribute('aria-describedby', `${st.id} ${why.id}`);
  nm.className = 'nm';
  nm.title = [t.short, t.source].filter(Boolean).join('\n');
  nm.setAttribute('aria-expanded', false);
  pn.className = 'pin';
  about.append(t.short, t.source ? make('span', 'src', t.source) : '');
  const say = make('span');
  const shut = button('q small', 'Dismiss');
  shut.onclick = () => ask({ do: 'dismiss', name: t.name });
  why.append(say, shut);
  let wrong = '';
  const until = make('span');
  const not = button('q small', 'Cancel');
  not.setAttribute('aria-label', `Cancel: ${t.title}`);
  not.title = 'It will not be applied';
  not.onclick = () => ask({ do: 'cancel', name: t.name });
  wait.append(until, not);
  const fields = t.params.map(p => {
    const send = params => ask({ do: 'set', name: t.name, params });
    const f =
      p.kind === 'float' || p.kind === 'int'
        ? numberField(p, t.title, send, s => {
            wrong = s;
            words();
          })
        : otherField(p, t.title, send);
    f.param = p.name;
    ps.append(f);
    return f;
  });
  const ab = button('ab', 'A/B');
  ab.className = 'ab';
  ab.title = 'Does it help, or is it luck? Compare the run with and without this switch';
  ab.setAttribute('aria-label', `A/B: ${t.title}`);
  ab.onclick = () => ask({ do: 'ab', name: t.name });
  const trial = trying(t.title, (steps, on) => ask({ do: on ? 'off' : 'on', name: t.name, trial: steps }));
  row.append(sw, make('span', 'who', nm, pn, ab, trial.open), st, about, ps, lv, why, wait, trial.line);
  let r = null;
  let held = null;
  let open = false; // `held`: clicked here, and not yet heard of
  const words = () => {
    const s = wrong || (r && ['na', 'refused'].includes(r.state) ? r.why : '') || r?.bad || '';
    say.textContent = s;
    why.hidden = !s;
    shut.hidden = !!wrong || !(r?.state === 'refused' || r?.bad);
    why.classList.toggle('err', !!(wrong || r?.bad || r?.state === 'refused'));
  };
  // what a switch does, or since when it is on
  const tell = state => {
    const [short, long] = state === 'off' ? effects[r.effect] : ['', ''];
    const told = short && !r.text && (row.pinned || r.effect !== t.effect); // elsewhere the group says it
    st.textContent = held ? 'asked' : told ? short : r.text;
    st.classList.toggle('eff', !!told);
    st.classList.toggle('long', !!told && short.length > 16);
    st.title = told ? long : '';
    sw.title =
      {
        off: `Turn on: ${short}. ${long}`,
        on: 'On. Turn off',
        asked: 'Asked for; done between two steps',
        leaving: 'Leaving gently, step by step',
        refused: 'Refused',
      }[state] ?? r.why;
  };
  const look = () => {
    const state = held ? 'asked' : r.state;
    const on = held ? held.to : r.to > 0 && state !== 'leaving';
    row.className = `row ${state} ${state === 'asked' && !on ? 'to-off' : ''} ${state === 'refused' && r.to ? 'still-on' : ''}`;
    row.dataset.state = state;
    sw.checked = state === 'asked' ? on : state === 'on' || (state === 'refused' && r.to > 0);
    sw.setAttribute('aria-checked', sw.checked);
    if (state === 'na') sw.setAttribute('aria-disabled', true);
    else sw.removeAttribute('aria-disabled');
    tell(state);
    lv.hidden = state !== 'leaving';
    lv.title = r.text;
    lv.firstChild.style.width = 100 * r.to + '%';
    ps.hidden = !fields.length || !(open || (row.pinned && state !== 'na') || !['off', 'na'].includes(state));
    about.hidden = !open;
    nm.setAttribute('aria-expanded', open);
    words();
    until.textContent = r.waits || '';
    wait.hidden = !r.waits;
  };
  sw.onclick = e => {
    e.preventDefault();
    if (row.dataset.state === 'na') {
      open = true;
      setTimeout(look);
      return;
    }
    const is = row.dataset.state;
    const to = is === 'on' ? false : is === 'asked' ? !sw.defaultTo : is === 'refused' ? !r.to : true;
    sw.defaultTo = to;
    held = { to, was: JSON.stringify(r), at: Date.now() };
    ask({ do: to ? 'on' : 'off', name: t.name });
    setTimeout(look);
    setTimeout(() => {
      if (held && Date.now() - held.at > 2900) {
        held = null;
        look();
      }
    }, 3000);
  };
  nm.onclick = () => {
    open = !open;
    look();
  };
  pn.onclick = () => pin(t.name);
  row.sync = (now, pinned) => {
    if (held && JSON.stringify(now) !== held.was) held = null; // what we saw before the click says nothing about it
    r = now;
    row.pinned = pinned;
    if (now.state === 'asked') sw.defaultTo = now.to > 0;
    pn.setAttribute('aria-pressed', pinned);
    pn.title = pinned ? 'Unpin' : 'Pin to the top';
    pn.setAttribute('aria-label', `${pn.title}: ${t.title}`);
    trial.sync(now.on);
    fields.forEach(f => f.sync(now.values[f.param], now.follows?.[f.param]));
    look();
  };
  row.matches = q =>
    (t.name + ' ' + t.title + ' ' + t.short + ' ' + t.params.map(p => p.label).join(' ')).toLowerCase().includes(q);
  row.active = () => !['off', 'na'].includes(row.dataset.state);
  return row;
}
