import { button, make, mode } from './kit.js';
import { asPlot } from './measures.js';
import { plot } from './plot.js';
import { bandSays } from './chips.js';
import { worstView } from './worst.js';

// What a chip is made of: its curve with the healthy band, thresholds, evidence, and the worst samples.
export function signalView(ask, close) {
  const title = make('h4');
  const says = make('span', 'mut says');
  const reset = button('q small as', 'As it was');
  const shut = button('q small', 'Close');
  const wrong = make('span', 'no');
  const cv = make('canvas');
  const about = make('p');
  const rows = make('dl');
  const worst = worstView();
  let c = null;
  const sides = ['low', 'high'].map(side => {
    const i = make('input', 'inp');
    i.inputMode = 'decimal';
    i.autocomplete = 'off';
    i.dataset.side = side;
    i.placeholder = 'none';
    i.onchange = () => {
      const band = { low: c.low, high: c.high, [side]: number(i.value) };
      const ok = !Number.isNaN(band[side]) && !(band.low != null && band.high != null && band.low > band.high);
      i.setAttribute('aria-invalid', !ok);
      wrong.textContent = ok ? '' : 'A number, or nothing; the lower one first.';
      if (ok) ask({ do: 'band', name: c.name, ...band });
    };
    return i;
  });
  reset.onclick = () => ask({ do: 'usual-band', name: c.name });
  shut.onclick = close;
  cv.setAttribute('role', 'img');
  const field = (text, i) => make('label', 'lab', text + ' ', i);
  const el = make(
    'div',
    'detail',
    make(
      'div',
      'hd',
      title,
      says,
      make('span', 'sp'),
      field('healthy from', sides[0]),
      field('to', sides[1]),
      reset,
      shut,
    ),
    wrong,
    make('div', 'cols', make('div', 'curve', cv), make('div', 'ev', about, rows), worst),
  );
  el.setAttribute('role', 'region');
  el.tell = chip => {
    el.hidden = !chip;
    if (!chip) return;
    const other = c?.name !== chip.name;
    c = chip;
    title.textContent = c.short;
    title.title = c.title;
    says.textContent = `${c.text}; ${bandSays(c)}`;
    el.setAttribute('aria-label', c.title);
    for (const i of sides) {
      i.setAttribute('aria-label', `${c.title}: ${i.dataset.side === 'low' ? 'lowest' : 'highest'} healthy value`);
      if (other || i.getRootNode().activeElement !== i) {
        i.value = c[i.dataset.side] == null ? '' : plainly(c[i.dataset.side]);
      }
      if (other) i.setAttribute('aria-invalid', false);
    }
    if (other) wrong.textContent = '';
    reset.hidden = !c.own;
    reset.title = `Judge it by the usual thresholds: ${bandSays({ low: c.usual[0], high: c.usual[1] })}`;
    about.textContent = c.about;
    rows.hidden = !c.rows.length;
    rows.replaceChildren(...c.rows.flatMap(evidence));
    cv.setAttribute('aria-label', `${c.title} at each checkup: ${c.text} at the last; ${bandSays(c)}`);
  };
  el.draw = async (flags, now, worstOf, root, col) => {
    if (el.hidden) return;
    await worst.draw(worstOf, col); // first: its column takes from the curve's
    const { p, line } = asPlot({ ...c, better: '', log: false, failed: '', data: c.curve });
    const how = { mode: mode(root), flags, at: null, keep: {}, ghost: null, prob: false, smooth: 0, col };
    p.h = { wide: 132, mid: 132, narrow: 120 };
    p.within = [...p.within, ...inSight(c)];
    p.band = [c.low, c.high];
    plot(cv, p, { all: [line], n: now, first: 0 }, how);
  };
  return el;
}
// What is to be seen of the axis for the sake of the band: its bounds, and somewhat beyond one that is alone.
export function inSight({ low, high, value }) {
  if (low == null && high == null) return [];
  if (low != null && high != null) return [low, high];
  const bound = low ?? high;
  const more = Math.max(Math.abs((value ?? bound) - bound), Math.abs(bound)) / 3;
  return [bound, low == null ? bound - more : bound + more];
}
const plainly = v => String(+v.toPrecision(4));
// '' is no bound: null; what is no number: NaN
export const number = text => {
  const t = text.trim().replace('−', '-').replace(',', '.');
  return t === '' || t === 'none' ? null : Number(t);
};
const evidence = ([name, value, share]) => {
  const bar = make('i');
  bar.style.width = 100 * share + '%';
  return [make('dt', '', name), make('dd', '', ...(share ? [make('span', 'bar', bar)] : []), make('span', '', value))];
};
