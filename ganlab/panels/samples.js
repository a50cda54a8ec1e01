import { button, decode, floats, fmt, make, mode, panel, radios, thou } from './kit.js';
import { marked, palette, watch } from './canvas.js';
import { cells, picker } from './pick.js';
import { alone, card, film, heat } from './card.js';
import { classNames, rowNames, strip, tiles } from './images.js';
import { map } from './map.js';

function render({ model, el }) {
  const root = panel(el, 'samples', 'Samples');
  const body = make('div');
  const t = n => model.get(n);
  const z = radios(
    'Latents',
    [
      ['fixed', 'Fixed'],
      ['fresh', 'Fresh'],
    ],
    () => t('z'),
    v => {
      model.set('z', v);
      model.save_changes();
      model.send({ do: 'look' });
    },
  );
  const ema = button('small q ema', 'EMA');
  ema.title = "Samples of G's averaged weights, or of those that train";
  ema.onclick = () => {
    model.set('ema', !t('ema'));
    model.save_changes();
    model.send({ do: 'look' });
    read();
  };
  const only = make('select', 'only');
  only.setAttribute('aria-label', 'Class');
  only.title = 'All classes, a row each, or one of them: this changes only what is shown, here and on the timeline';
  only.onchange = () => {
    model.set('only', +only.value);
    model.save_changes();
    model.send({ do: 'look' });
  };
  const zlab = make('span', 'lab', 'z');
  root.append(make('div', 'hd', make('h3', '', 'Samples'), make('span', 'sp'), only, zlab, z, ema), body);
  const showing = make('span');
  const back = button('small', 'Back to live');
  const view = make('span', 'view', showing, back);
  back.onclick = () => model.send({ do: 'live' });
  root.querySelector('.hd').append(view);
  const past = () => {
    const at = t('at');
    const then = at >= 0;
    view.hidden = !then;
    showing.textContent = then ? `Showing step ${thou(t('step'))}` : '';
    root.querySelector('.hd').classList.toggle('past', then);
    el.dataset.at = at;
  };
  const cv = name => {
    const c = make('canvas', name);
    c.setAttribute('role', 'img');
    return c;
  };
  const chip = (cls, text, more = '') => marked('cap', make('i', cls), make('b', '', text), make('span', 'more', more));
  const fake = cv('fake');
  const real = cv('real');
  const hist = cv('hist');
  const plane = cv('plane');
  const fcap = chip('chipF', 'Fake', '');
  const rows = rowNames();
  const note = make('p', 'mut note');
  const box = (...kids) => make('div', 'box', ...kids);
  const open = (i, keep) => {
    model.set('pick', i === t('pick') && !keep ? -1 : i);
    model.save_changes();
    model.send({ do: 'look' });
  };
  const close = back => {
    const i = t('pick');
    if (i < 0) return;
    open(i);
    if (back) over().back(i);
  };
  const grid = cells(open, close);
  const spots = picker(() => dots, open, close);
  const over = () => (t('kind') === 'points' ? spots : grid);
  const more = card(close, () => w.ask());

  let dots = [];
  const images = make(
    'div',
    'grid',
    box(fcap, make('div', 'box over', fake, grid, rows)),
    box(chip('chipR', 'Real'), box(real)),
  );
  const hint = make('span', 'mut hint');
  const scores = make('div', 'strip', make('div', 'cap', make('b', '', "D's scores"), hint), hist);
  const key = (html, text) => {
    const i = make('i');
    i.style.cssText = html;
    return make('span', 'cap', i, text);
  };
  const legend = make(
    'div',
    'legend',
    marked('cap', make('i', 'chipR'), 'real'),
    marked('cap', make('i', 'chipF'), "fake, with D's slope"),
    key(
      'width:36px;height:9px;background:linear-gradient(90deg,var(--bg),var(--d));border:1px solid var(--hair)',
      'D(x)',
    ),
    key('width:14px;border-top:1.5px solid var(--dt)', 'D undecided'),
    key('width:11px;height:11px;border:1.5px dashed var(--warn);border-radius:50%', 'mode missed'),
  );
  let was = '';
  const im = {};
  const parts = () => t('names').length || 1; // images that make up one picture
  const fakeAt = () => Math.max(0, t('names').indexOf('fake')); // and which of them is the fake
  const layout = () => {
    const k = t('kind');
    if (k === was) return;
    was = k;
    body.replaceChildren(
      ...(k === 'images'
        ? [images, more, scores]
        : k === 'points'
          ? [make('div', 'square over', plane, spots), legend, more]
          : [note, scores]),
    );
  };
  const shown = () => {
    const i = t('pick');
    const c = t('card');
    const n = t('count');
    const images = t('kind') === 'images';
    more.hidden = i < 0 || i >= n || t('kind') === 'none';
    el.dataset.pick = more.hidden ? -1 : i;
    if (images) grid.tell(n, t('cols'), i, t('at') < 0 ? c.each : null);
    else spots.tell(n, i, c.index === i && t('at') < 0 ? c.score : null);
    if (!more.hidden) more.tell(c, { i, n, raw: t('raw'), images, at: t('at'), names: t('names') });
  };
  const read = () => {
    layout();
    shown();
    z.sync();
    const m = t('modes');
    el.dataset.step = t('step');
    el.dataset.kind = t('kind');
    el.dataset.z = t('z');
    el.dataset.frame = t('frame');
    if (m?.centers) {
      el.dataset.found = m.found;
      el.dataset.modes = m.centers.length;
    }
    zlab.hidden = z.hidden = !t('latents');
    el.dataset.latents = t('latents');
    const names = classNames(t('classes'), t('class_names'));
    only.hidden = !names.length;
    if ([...only.options].slice(1).some((o, i) => o.text !== names[i]) || only.length !== names.length + 1) {
      only.replaceChildren(new Option('All classes', -1), ...names.map((name, i) => new Option(name, i)));
    }
    only.value = t('only');
    el.dataset.rows = t('rows').join(' ');
    rows.tell(t('rows'), names.length);
    fcap.querySelector('b').textContent = parts() > 1 ? t('names').join(' \u2192 ') : 'Fake';
    ema.hidden = !t('averaged');
    ema.setAttribute('aria-pressed', t('ema'));
    el.dataset.ema = t('averaged') && t('ema');
    fcap.querySelector('.more').textContent =
      'step ' + thou(t('step')) + (t('averaged') && t('ema') ? ', averaged G' : '');
    note.textContent = t('note');
    hint.textContent = t('raw') ? 'last batch' : 'last batch, right of 0 looks real';
  };
  // decode only what is new
  const decodeNew = async () => {
    for (const n of ['fake', 'real', 'near', 'strip']) {
      const from = t(n);
      if (im[n]?.from === from) continue;
      const b = await decode(from);
      if (from === t(n)) {
        im[n]?.b?.close();
        im[n] = { from, b };
      } else b?.close(); // while it was decoded, a newer one has come
    }
  };
  const drawFilm = (c, rows, col) => {
    const s = t('card').steps;
    const f = im.fake.b;
    const a = f.width / c;
    const b = f.height / rows;
    const i = t('pick');
    film(more.film, im.strip.b, s, [f, (i % c) * a, Math.floor(i / c) * b, a, b], t('step'), col, [fakeAt(), parts()]);
    more.film.setAttribute('aria-label', `The sample at ${s.length} steps, from ${s[0]} to ${s[s.length - 1]}`);
  };
  const drawCard = (c, rows, side, col) => {
    const own = t('card').index === t('pick');
    if (im.fake?.b) {
      alone(more.big, im.fake.b, t('pick'), c, rows, side * parts(), col);
      if (more.map) heat(more.big, more.map, [fakeAt() * side, side, more.big.clientHeight], col);
    }
    more.big.setAttribute('aria-label', 'The sample, enlarged');
    if (own && t('at') < 0 && im.near?.b) alone(more.real, im.near.b, 0, 1, 1, side, col);
    more.real.setAttribute('aria-label', 'The real nearest to it');
    if (own && im.strip?.b && im.fake?.b) drawFilm(c, rows, col);
  };
  const drawImages = (narrow, col) => {
    const c = t('cols');
    const rows = Math.ceil(t('count') / c);
    const [reals, rc] = t('reals').length ? t('reals') : [16, 2];
    images.style.setProperty('--c', c * parts());
    images.style.setProperty('--rc', rc);
    if (im.fake?.b) tiles(fake, im.fake.b, c, rows, c, col, t('count'));
    images.classList.toggle('alone', !im.real?.b);
    const across = narrow ? 4 * rc : rc;
    const most = narrow ? Math.min(across, reals) : reals;
    if (im.real?.b) tiles(real, im.real.b, rc, Math.ceil(reals / rc), across, col, most);
    fake.setAttribute('aria-label', `${t('count')} samples of G at step ${t('step')}`);
    real.setAttribute('aria-label', 'Real images');
    const side = Math.min(narrow ? 96 : 112, Math.floor(body.clientWidth / parts()));
    if (!more.hidden) drawCard(c, rows, side, col);
  };
  // the point that is looked at closer, and its path up to here
  const picked = f => {
    const i = t('pick');
    const c = t('card');
    if (i < 0 || 2 * i >= f.length) return null;
    const path = c.index === i ? (c.path ?? []).filter((_, k) => c.steps[k] < t('step')) : [];
    return { xy: [f[2 * i], f[2 * i + 1]], path };
  };
  const drawPoints = col => {
    const m = t('modes');
    const f = floats(t('fake'));
    const side = plane.parentNode.clientWidth;
    const s = side / (2 * t('extent'));
    dots = Array.from(f, (v, k) => side / 2 + (k % 2 ? -v : v) * s);
    const [reals, heat, arrows] = ['real', 'heat', 'arrows'].map(n => floats(t(n)));
    map(
      plane,
      { fake: f, real: reals, heat, arrows, extent: t('extent'), modes: m, raw: t('raw'), picked: picked(f) },
      col,
    );
    plane.setAttribute(
      'aria-label',
      m?.centers
        ? `${m.centers.length} modes, of which G covers ${m.found}`
        : `${t('count')} samples of G among the data`,
    );
    legend.lastChild.hidden = !m?.centers || m.found === m.centers.length;
  };
  const drawScores = (narrow, col) => {
    const l = floats(t('scores'));
    const n = t('split');
    const mean = a => fmt(a.reduce((p, q) => p + q, 0) / a.length);
    strip(hist, l, n, t('raw'), col, narrow);
    hist.setAttribute(
      'aria-label',
      l.length
        ? `D's scores of the last batch: mean ${mean(l.subarray(0, n))} for reals, ${mean(l.subarray(n))} for fakes`
        : "D's scores, after the first step",
    );
  };
  const draw = async () => {
    read();
    const k = t('kind');
    const narrow = mode(root) === 'narrow';
    if (k === 'images') await decodeNew();
    const col = palette(root);
    if (k === 'images') drawImages(narrow, col);
    else if (k === 'points') drawPoints(col);
    if (k !== 'points' && hist.offsetParent) drawScores(narrow, col);
    col.done();
  };
  model.on('change:at', past);
  model.on('change:step', past);
  past();
  const w = watch(root, model, ['frame', 'z', 'kind', 'raw', 'pick', 'card', 'at'], draw, read);
  return () => w.stop();
}
export default { render };
