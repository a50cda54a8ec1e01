import { icon, make } from './kit.js';

const write = v => {
  if (v === 0) return '0';
  const a = Math.abs(v);
  if (a < 1e-3 || a >= 1e5) {
    return v
      .toExponential(3)
      .replace(/\.?0+e/, 'e')
      .replace('e+', 'e');
  }
  return String(+v.toPrecision(4));
};
const floorOf = p => p.lo || p.hi * 1e-6; // where a log scale begins
const place = (p, v) =>
  Math.max(
    0,
    Math.min(
      1,
      p.log ? Math.log(Math.max(v, floorOf(p)) / floorOf(p)) / Math.log(p.hi / floorOf(p)) : (v - p.lo) / (p.hi - p.lo),
    ),
  );
// the number, or a sentence
function parse(p, text) {
  const v = text.trim() === '' ? NaN : Number(text.trim().replace('−', '-').replace(',', '.'));
  const rule = `${p.label} needs ${p.kind === 'int' ? 'a whole number' : 'a number'} from ${write(p.lo)} to ${write(p.hi)}${p.unit ? ' ' + p.unit : ''}; ${text.trim() || 'nothing'} is not used.`;
  return !Number.isFinite(v) || v < p.lo || v > p.hi || (p.kind === 'int' && v !== Math.round(v)) ? rule : v;
}
// size: 'fine', 'step' or 'page'
function moved(p, v, by, size) {
  if (p.log) v = Math.max(v, floorOf(p)) * 10 ** (by * { fine: 0.01, step: 0.1, page: 1 }[size]);
  else {
    const s = 10 ** Math.round(Math.log10((p.hi - p.lo) / 100));
    v +=
      by *
      (p.kind === 'int'
        ? { fine: 1, step: Math.max(1, Math.min(s, p.hi - p.lo > 200 ? s : 1)), page: Math.max(10, 10 * s) }
        : { fine: s / 10, step: s, page: 10 * s })[size];
  }
  v = Math.max(p.lo, Math.min(p.hi, v));
  return p.kind === 'int' ? Math.round(v) : +v.toPrecision(3);
}
export function numberField(p, title, send, complain) {
  const f = make('div', 'nf');
  const name = make('span', '', p.label);
  const inp = make('input');
  const rs = make('button', 'rs');
  const rule = make('i');
  const mark = make('span', 'sc', icon('M1 2h2.4l5.6 7h2v1.2H8.6L3 3.2H1z')); // it follows a schedule
  f.append(name, mark, inp, rs, rule);
  mark.hidden = true;
  f.title = p.help + (p.unit ? ` (${p.unit})` : '');
  f.dataset.param = p.name;
  rule.title = `The place in the range from ${write(p.lo)} to ${write(p.hi)}${p.log ? ', logarithmic' : ''}; the notch is the default, ${write(p.default)}`;
  inp.inputMode = 'decimal';
  inp.autocomplete = 'off';
  inp.spellcheck = false;
  inp.setAttribute('aria-label', `${title}, ${p.label}`);
  rs.type = 'button';
  rs.title = `Reset to ${write(p.default)}`;
  rs.setAttribute('aria-label', `Reset ${p.label} to ${write(p.default)}`);
  rs.append(icon('M6 2a4 4 0 1 1-3.8 2.8l1.2.4A2.75 2.75 0 1 0 6 3.25V5L2.8 2.6 6 .3z'));
  rule.style.setProperty('--q', place(p, p.default));
  let now = p.default;
  let timer = 0;
  let sent = null;
  const look = v => {
    rule.style.setProperty('--p', place(p, v));
    f.classList.toggle('ch', v !== p.default);
    rs.disabled = v === p.default && mark.hidden && !f.classList.contains('bad');
  };
  const good = () => {
    f.classList.remove('bad');
    inp.removeAttribute('aria-invalid');
    complain('');
  };
  const give = v => {
    clearTimeout(timer);
    timer = 0;
    good();
    inp.value = write(v);
    look(v);
    if (v !== now || !mark.hidden) {
      sent = v;
      now = v;
      send({ [p.name]: v });
    }
  };
  const soon = v => {
    good();
    inp.value = write(v);
    look(v);
    clearTimeout(timer);
    timer = setTimeout(() => give(v), 200);
  };
  const current = () => {
    const v = parse(p, inp.value);
    return typeof v === 'number' ? v : now;
  };
  const commit = () => {
    clearTimeout(timer);
    timer = 0;
    if (inp.value === write(now)) {
      good();
      look(now);
      return;
    }
    const v = parse(p, inp.value);
    if (typeof v === 'number') give(v);
    else {
      f.classList.add('bad');
      inp.setAttribute('aria-invalid', true);
      rs.disabled = false;
      complain(v);
    }
  };
  inp.onchange = commit;
  inp.onkeydown = e => {
    const d = {
      ArrowUp: [1, e.shiftKey ? 'fine' : 'step'],
      ArrowDown: [-1, e.shiftKey ? 'fine' : 'step'],
      PageUp: [1, 'page'],
      PageDown: [-1, 'page'],
    }[e.key];
    if (d) {
      e.preventDefault();
      soon(moved(p, current(), ...d));
    } else if (e.key === 'Enter') commit();
    else if (e.key === 'Escape') {
      inp.value = write(now);
      good();
      look(now);
    }
  };
  rs.onclick = () => give(p.default);
  name.onpointerdown = e => {
    e.preventDefault();
    const x = e.clientX;
    const v = current();
    const n = k => Math.round((k.clientX - x) / 8);
    let was = 0;
    name.setPointerCapture(e.pointerId);
    name.onpointermove = k => {
      if (n(k) !== was) {
        was = n(k);
        soon(
          moved(p, v, 1, k.shiftKey ? 'fine' : 'step') === v
            ? v
            : [...Array(Math.abs(was))].reduce(u => moved(p, u, Math.sign(was), k.shiftKey ? 'fine' : 'step'), v),
        );
      }
    };
    name.onpointerup = name.onpointercancel = () => {
      name.onpointermove = null;
      inp.focus();
    };
  };
  f.sync = (v, schedule = '') => {
    mark.hidden = !schedule;
    mark.title = schedule;
    if (schedule) inp.setAttribute('aria-description', schedule);
    else inp.removeAttribute('aria-description');
    if (sent !== null && v !== sent && timer) return;
    sent = null;
    if (v === now && f.classList.contains('bad')) return;
    now = v;
    if (!timer && !(inp.getRootNode().activeElement === inp && inp.value !== inp.dataset.shown)) {
      if (!f.classList.contains('bad')) {
        inp.value = write(v);
        look(v);
      }
    }
    inp.dataset.shown = write(v);
  };
  return f;
}
// a choice, a text, or yes and no
export function otherField(p, title, send) {
  const f = make('label', 'nf ' + p.kind);
  const name = make('span', '', p.label);
  const c = make(p.kind === 'choice' ? 'select' : 'input');
  f.append(name, c);
  f.title = p.help;
  f.dataset.param = p.name;
  if (p.kind === 'choice' && p.label.length + Math.max(...p.choices.map(v => String(v).length)) > 11) {
    f.classList.add('long');
  }
  c.setAttribute('aria-label', `${title}, ${p.label}`);
  if (p.kind === 'choice') p.choices.forEach((v, i) => c.append(new Option(String(v), i)));
  else c.type = p.kind === 'text' ? 'text' : 'checkbox';
  if (p.kind === 'text') {
    f.classList.add('long');
    c.spellcheck = false;
    c.onkeydown = e => {
      if (e.key === 'Enter') c.blur();
      e.stopPropagation();
    };
  }
  c.onchange = () =>
    send({
      [p.name]: p.kind === 'choice' ? p.choices[+c.value] : p.kind === 'text' ? c.value.trim() || p.default : c.checked,
    });
  f.sync = v => {
    if (p.kind === 'choice') c.value = p.choices.indexOf(v);
    else if (p.kind === 'text') {
      if (c.getRootNode().activeElement !== c) c.value = v;
    } else c.checked = v;
    f.classList.toggle('ch', v !== p.default);
  };
  return f;
}
