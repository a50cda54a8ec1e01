import { button, fmt, icon, make, mode, panel, radios, thou } from './kit.js';
import { ML, MR, NAMES, PLOTS, curves, lastOf, nearest } from './series.js';
import { flagSays, marked, palette, watch } from './canvas.js';
import { measures } from './measures.js';
import { plot } from './plot.js';

function render({ model, el }) {
  const root = panel(el, 'curves', 'Curves');
  const keep = PLOTS.map(() => ({}));
  const out = {};
  const subs = [];
  let at = null;
  let d;
  let open = false;
  let far = 0;
  const set = (k, v) => {
    model.set(k, v);
    model.save_changes();
  };
  const smooth = radios(
    'Smoothing, steps',
    [
      [0, 'Raw'],
      [20, '20'],
      [100, '100'],
    ],
    () => model.get('smooth'),
    v => set('smooth', v),
  );
  const last = button('q small gl-last', 'Last 500');
  last.onclick = () => set('last', model.get('last') ? 0 : 500);
  root.append(
    make(
      'div',
      'hd',
      make('h3', '', 'Gradient norm'),
      make('span', 'mut wide', PLOTS[0].sub),
      make('span', 'sp'),
      make('span', 'lab wide', 'Smooth'),
      smooth,
      last,
    ),
  );
  const fold = button('fold', '', make('span', '', 'D score and losses'), icon('M3 1l6 5-6 5z'));
  fold.setAttribute('aria-expanded', false);
  fold.onclick = () => {
    open = !open;
    fold.setAttribute('aria-expanded', open);
    root.classList.toggle('open', open);
    w.ask();
  };
  const when = make('span', 'mut when');
  const listen = cv => {
    cv.onpointermove = e => {
      const b = cv.getBoundingClientRect();
      const s = d?.all[0];
      if (!s?.x.length) return;
      const f = (e.clientX - b.left - ML) / (b.width - ML - MR);
      const x0 = d.first;
      const span = Math.max(Math.max(d.n, far) - x0, 100);
      const t = x0 + f * span;
      cv.title = model
        .get('flags')
        .filter(q => q[0] >= x0 && (Math.abs(q[0] - t) / span) * (b.width - ML - MR) < 7)
        .map(flagSays)
        .join('\n');
      move(f < 0 || f > 1 ? null : nearest(s.x, t));
    };
    cv.onpointerleave = () => move(null);
    cv.onkeydown = e => {
      const n = d?.all[0].x.length;
      if (!n) return;
      const i = at ?? n - 1;
      const to = { ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: n - 1, PageUp: i - 20, PageDown: i + 20 }[e.key];
      if (e.key === 'Escape') move(null);
      else if (to != null) {
        e.preventDefault();
        move(Math.max(0, Math.min(n - 1, to)));
      }
    };
  };
  const canvases = PLOTS.map((p, i) => {
    const vals = make(
      'span',
      'vals',
      ...p.lines.map(([k, label, , , chip]) => {
        out[k] = make('b', '', '–');
        out[k].dataset.value = NAMES[k];
        return marked('val', make('i', chip), make('span', '', label), out[k]);
      }),
    );
    const cv = make('canvas');
    cv.tabIndex = 0;
    cv.setAttribute('role', 'img');
    subs[i] = make('span', 'mut wide', p.sub);
    const head = make('div', 'ph', ...(p.top ? [vals, when] : [make('h4', '', p.title), subs[i], vals]));
    if (i === 1) root.append(fold);
    root.append(make('div', 'pl ' + (p.top ? 'top' : 'sub'), head, cv));
    listen(cv);
    return cv;
  });
  const own = measures(root, listen);
  when.title =
    'Faint: every step. Bold: the mean of the last steps. Pale: what a rewind left, or the run that this one was forked from';
  const shown = () => {
    const xs = d.all[0].x;
    const m = model.get('mark');
    return at ?? (m >= 0 && xs.length && m >= xs[0] ? nearest(xs, m) : null);
  }; // under the pointer, or where the timeline looks
  const move = i => {
    if (i !== at) {
      at = i;
      w.ask();
    }
  };
  const read = () => {
    const prob = model.get('prob');
    d = curves(model.get('data'), model.get('smooth'), model.get('last'), prob);
    if (at != null && at >= d.all[0].x.length) at = null;
    const here = shown();
    const got = {};
    d.all.forEach((s, k) => {
      const i = here ?? lastOf(s);
      got[NAMES[k]] = here == null && !model.get('smooth') && s.newest?.length ? s.newest[0] : i < 0 ? NaN : s.y[i];
    });
    NAMES.forEach((n, k) => {
      out[k].textContent = d.n ? fmt(got[n]) : '–';
    });
    const mean = model.get('smooth') ? `mean of ${model.get('smooth')}` : '';
    when.textContent = !d.n
      ? ''
      : here == null
        ? mean || 'latest'
        : [`step ${thou(d.all[0].x[here])}`, mean].filter(Boolean).join(', ');
    subs[1].textContent = prob ? '0.5 is undecided' : 'raw scores of D';
    el.dataset.step = d.n;
    el.dataset.width = d.width;
    el.dataset.smooth = model.get('smooth');
    el.dataset.points = d.all[0].x.length;
    el.dataset.flags = JSON.stringify(
      model.get('flags').map(([step, kind, label, name]) => ({ step, kind, label, name })),
    );
    el.dataset.latest = JSON.stringify(got);
    smooth.sync();
    last.setAttribute('aria-pressed', !!model.get('last'));
  };
  const w = watch(
    root,
    model,
    ['frame', 'data', 'measures', 'flags', 'smooth', 'last', 'prob', 'mark', 'ghost'],
    () => {
      read();
      const col = palette(root);
      const m = mode(root);
      const flags = model.get('flags');
      const old = model.get('ghost');
      const ghost =
        old?.byteLength && !model.get('last') ? curves(old, model.get('smooth'), 0, model.get('prob')) : null;
      far = ghost?.n ?? 0;
      PLOTS.forEach((p, i) => {
        if (!canvases[i].offsetParent) return;
        plot(canvases[i], p, d, {
          mode: m,
          flags,
          at: shown(),
          ghost,
          keep: keep[i],
          prob: model.get('prob'),
          smooth: model.get('smooth'),
          col,
          root,
        });
        canvases[i].setAttribute(
          'aria-label',
          `${p.title} against step: ` + p.lines.map(([k, l]) => `${l} ${out[k].textContent}`).join(', '),
        );
      });
      const i = shown();
      const got = own.draw(
        model.get('measures'),
        { n: Math.max(d.n, far), first: d.first },
        i == null ? null : d.all[0].x[i],
        { mode: m, flags, prob: false, col, root },
      );
      el.dataset.measures = JSON.stringify(got);
      col.done();
    },
    read,
  );
  return () => w.stop();
}
export default { render };
