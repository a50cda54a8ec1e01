import { button, icon, make, panel, thou } from './kit.js';
import { trickRow } from './row.js';
import { trying } from './trying.js';

function render({ model, el }) {
  const root = panel(el, 'tricks', 'Tricks');
  const ask = m => model.send(m);
  const count = make('span', 'mut count');
  const find = make('input', 'inp fnd');
  const loss = make('select', 'inp loss');
  find.type = 'search';
  find.placeholder = 'Find';
  find.setAttribute('aria-label', 'Find a trick');
  loss.setAttribute('aria-label', 'Loss');
  loss.title = 'The loss; changed between two steps, like a trick';
  loss.onchange = () => ask({ do: 'loss', name: loss.value });
  const recipe = make('select', 'inp pre');
  const card = make('div', 'plan');
  recipe.setAttribute('aria-label', 'Preset');
  recipe.title = 'A recipe of a paper, switched whole; first you see what it will switch';
  let wanted = null; // the recipe that was asked for, until its plan comes: those passed on the way are not shown
  recipe.onchange = () => {
    wanted = recipe.value;
    ask({ do: wanted ? 'plan' : 'unplan', name: wanted });
  };
  const denied = make('p', 'why err told');
  denied.setAttribute('role', 'status');
  root.append(
    make('div', 'hd', make('h3', '', 'Tricks'), count, find, make('span', 'two', loss, recipe)),
    denied,
    card,
  );
  const then = make('p', 'then');
  const lrs = make('p', 'mut lrs');
  const top = make('div', 'rows pinned');
  const none = make('p', 'mut none', 'No trick of that name.');
  root.append(then, lrs, top);
  const effects = model.get('effects');
  const words = Object.fromEntries(effects.map(([effect, ...w]) => [effect, w]));
  const groups = effects.map(([effect, title, sub]) => {
    const h = make(
      'button',
      'gh',
      icon('M4 2l5 4-5 4z'),
      make('b', '', title[0].toUpperCase() + title.slice(1)),
      make('span', 'n'),
      make('span', 'mut', sub),
    );
    const body = make('div', 'rows');
    h.type = 'button';
    h.dataset.group = effect;
    h.setAttribute('aria-expanded', false);
    h.onclick = () => {
      h.setAttribute('aria-expanded', h.getAttribute('aria-expanded') !== 'true');
      show();
    };
    h.title = 'Fold or unfold; what is on, asked for, leaving or refused is always shown';
    root.append(h, body);
    return { effect, h, body };
  });
  root.append(none);
  let rows = {};
  let specOf = null;
  let told = '';
  let soon = 0;
  const sight = new Set();
  const tell = () => {
    const names = specOf.map(t => t.name).filter(n => sight.has(n));
    const now = names.join();
    if (now !== told) {
      told = now;
      try {
        ask({ do: 'sight', names });
      } catch {
        // the kernel is gone
      }
    }
  }; // whose reasons are wanted
  const eye = new IntersectionObserver(es => {
    es.forEach(e => sight[e.isIntersecting ? 'add' : 'delete'](e.target.dataset.trick));
    clearTimeout(soon);
    soon = setTimeout(tell, 200);
  });
  const pin = name => {
    const p = model.get('pins');
    model.set('pins', p.includes(name) ? p.filter(n => n !== name) : [...p, name]);
    model.save_changes();
  };
  const planned = () => {
    const p = model.get('plan');
    const ls = model.get('recipes');
    if (wanted !== null && wanted !== (p.name || '')) return;
    wanted = null;
    const within = card.contains(card.getRootNode().activeElement); // a later plan keeps the focus of the one it replaces
    card.hidden = !p.name;
    card.replaceChildren();
    const names = JSON.stringify(ls);
    if (recipe.dataset.names !== names) {
      recipe.dataset.names = names;
      recipe.replaceChildren(new Option('Preset', ''), ...ls.map(([v, text]) => new Option(text, v)));
    }
    recipe.value = p.name || '';
    recipe.hidden = !ls.length;
    if (!p.name) return;
    const go = button('small pri', 'Switch');
    const not = button('small q', 'Cancel');
    const list = make('ul');
    go.disabled = !p.lines.length;
    not.onclick = () => {
      ask({ do: 'unplan' });
      recipe.focus();
    };
    const asked = more => {
      ask({ do: 'preset', name: p.name, ...more });
      recipe.focus();
    };
    const trial = trying(p.title, steps => asked({ trial: steps }));
    trial.whole();
    trial.open.className = 'b small';
    trial.open.disabled = go.disabled;
    go.onclick = () => asked({});
    p.lines.forEach(([what, title, values]) =>
      list.append(make('li', what, make('b', '', what), title, values ? make('span', 'mut', values) : '')),
    );
    card.append(
      make('h4', '', p.title),
      make('p', 'mut', p.short),
      make('p', 'mut src', p.source + (p.differs ? `. Here: ${p.differs}.` : '')),
      p.lines.length ? list : make('p', '', 'All of it is so already.'),
      make('div', 'acts', go, trial.open, not),
      trial.line,
    );
    if (within) go.focus();
  };
  const build = () => {
    if (specOf === model.get('spec')) return;
    specOf = model.get('spec');
    top.replaceChildren();
    groups.forEach(g => g.body.replaceChildren());
    rows = Object.fromEntries(specOf.map(t => [t.name, trickRow(t, ask, pin, words)]));
    eye.disconnect();
    sight.clear();
    Object.values(rows).forEach(r => eye.observe(r));
    put();
  };
  const put = () => {
    const pins = model.get('pins');
    const to = t => (pins.includes(t.name) ? top : groups.find(g => g.effect === t.effect).body);
    for (const where of [top, ...groups.map(g => g.body)]) {
      const want = specOf.filter(t => to(t) === where).map(t => rows[t.name]);
      if (want.some((r, i) => where.children[i] !== r) || where.children.length !== want.length) {
        where.replaceChildren(...want);
      }
    }
  };
  const show = () => {
    const q = find.value.trim().toLowerCase();
    let seen = 0;
    Object.values(rows).forEach(r => {
      const g = groups.find(o => o.body === r.parentNode);
      const open = !g || g.h.getAttribute('aria-expanded') === 'true';
      r.hidden = q ? !r.matches(q) : !(open || r.active());
      seen += !r.hidden;
    });
    groups.forEach(({ h, body }) => {
      const all = [...body.children];
      const off = all.filter(r => r.hidden).length;
      h.hidden = !all.length || !!q;
      h.querySelector('.n').textContent =
        h.getAttribute('aria-expanded') === 'true' ? all.length : off < all.length ? off + ' more' : all.length;
      body.classList.toggle('any', off < all.length);
    });
    none.hidden = !q || seen > 0;
  };
  const read = () => {
    build();
    put();
    denied.textContent = model.get('told');
    denied.hidden = !denied.textContent;
    const now = model.get('rows');
    const pins = model.get('pins');
    const at = model.get('at');
    then.hidden = at < 0;
    then.textContent = at < 0 ? '' : `As they were at step ${thou(at)}. To switch, go back to live.`;
    [top, ...groups.map(g => g.body), loss, recipe].forEach(e => {
      e.inert = at >= 0;
    });
    el.dataset.at = at;
    lrs.hidden = at >= 0 || !model.get('rates');
    lrs.textContent = `Learning rates now: ${model.get('rates')}`;
    specOf.forEach((t, i) => now[i] && rows[t.name].sync(now[i], pins.includes(t.name)));
    el.dataset.compares = model.get('compares');
    const on = now.filter(r => r.on).length;
    count.textContent = on + ' on';
    el.dataset.on = on;
    const ls = model.get('losses');
    if (loss.options.length !== ls.length) loss.replaceChildren(...ls.map(([v, text]) => new Option(text, v)));
    if (loss.getRootNode().activeElement !== loss || loss.value === el.dataset.loss) loss.value = model.get('loss');
    el.dataset.loss = model.get('loss');
    loss.hidden = !ls.length;
    show();
  };
  find.oninput = show;
  find.onkeydown = e => {
    if (e.key === 'Escape') {
      find.value = '';
      show();
    }
  };
  el.onkeydown = e => {
    if (!e.target.classList.contains('sw') || !['ArrowUp', 'ArrowDown'].includes(e.key)) return;
    e.preventDefault();
    const all = [...root.querySelectorAll('.sw')].filter(s => s.offsetParent);
    const i = all.indexOf(e.target) + (e.key === 'ArrowDown' ? 1 : -1);
    all[Math.max(0, Math.min(all.length - 1, i))].focus();
  };
  const names = ['spec', 'rows', 'pins', 'loss', 'losses', 'rates', 'told', 'at'];
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
  names.forEach(n => model.on('change:' + n, later));
  read();
  const offered = ['plan', 'recipes'];
  offered.forEach(n => model.on('change:' + n, planned));
  planned();
  return () => {
    names.forEach(n => model.off('change:' + n, later));
    offered.forEach(n => model.off('change:' + n, planned));
    eye.disconnect();
    clearTimeout(soon);
  };
}
export default { render };
