import { fmt, floats, make } from './kit.js';
import { plot } from './plot.js';
import { lastOf, nearest } from './series.js';

const SIDES = { less: 'less is better', more: 'more is better' };

// A metric of the user's own as a plot, and its one line: {name, title, better, log, failed, data}; data: steps, then values.
export function asPlot(metric) {
  const f = floats(metric.data);
  const x = f.subarray(0, f.length / 2);
  const y = f.subarray(f.length / 2);
  const p = {
    title: metric.title,
    sub: metric.failed || SIDES[metric.better] || '',
    h: { wide: 104, mid: 82, narrow: 110 },
    axis: true,
    log: metric.log,
    within: y.length && Math.min(...y) === Math.max(...y) ? [y[0], y[0] + (Math.abs(y[0]) || 1)] : [],
    lines: [[0, '', '--real', '--ink', '']],
  };
  return { p, line: { x, lo: y, hi: y, y } };
}

// Plots of metrics below the others of the panel, one each; `listen` has a canvas tell which step is pointed at.
export function measures(root, listen) {
  let rows = [];
  const row = title => {
    const sub = make('span', 'mut wide');
    const out = make('b', '', '–');
    const cv = make('canvas');
    cv.tabIndex = 0;
    cv.setAttribute('role', 'img');
    listen(cv);
    const head = make('div', 'ph', make('h4', '', title), sub, make('span', 'vals', make('span', 'val', out)));
    const el = make('div', 'pl sub', head, cv);
    root.append(el);
    return { title, sub, out, cv, el, keep: {} };
  };
  return {
    // `step`: the one that is read off, or null; o: as `plot` takes it
    draw(metrics, d, step, o) {
      if (rows.map(r => r.title).join('\n') !== metrics.map(m => m.title).join('\n')) {
        rows.forEach(r => r.el.remove());
        rows = metrics.map(m => row(m.title));
      }
      const got = {};
      metrics.forEach((m, i) => {
        const r = rows[i];
        const { p, line } = asPlot(m);
        const here = step == null || !line.x.length ? null : nearest(line.x, step);
        const v = line.y[here ?? lastOf(line)];
        got[m.name] = v ?? NaN;
        r.out.textContent = fmt(v);
        r.sub.textContent = p.sub;
        const how = { ...o, at: here, keep: r.keep, ghost: null, smooth: 0 };
        if (r.cv.offsetParent) plot(r.cv, p, { ...d, all: [line] }, how);
        r.cv.setAttribute('aria-label', `${p.title} against step: ${r.out.textContent}`);
      });
      return got;
    },
  };
}
