"Random changes, legal and illegal, over a whole run: nothing crashes, nothing is orphaned, a refusal leaves nothing behind, and the same changes at the same steps give the same bits."
import random
from collections import Counter
import pytest, torch
from ganlab.losses import losses
from ganlab.presets import presets
from ganlab.engine.recovery import StepError
from ganlab.engine.switch import Tricks
from strangers import copies, go, groups_hold, make_learner, one_sentence, unequal

def some_value(p, rng):
    "A legal value of a parameter, not far from its default: extremes may diverge, as they should"
    if p.kind == 'choice': return rng.choice(p.choices)
    if p.kind == 'bool': return rng.random() < .5
    if p.kind == 'text': return p.default
    v = min(p.hi, max(p.lo, p.default*rng.uniform(.5, 1.5)))
    return round(v) if p.kind == 'int' else v

def ask(learn, rng, most=None):
    "One random request, a fifth of them illegal; whether it was refused. With `most` tricks on, one goes before another comes"
    name, kind = rng.choice(list(learn.tricks)), rng.choice(['on', 'on', 'off', 'set', 'loss', 'illegal'])
    if most and kind == 'on' and len(learn.tricks.enabled) >= most: name, kind = rng.choice([t.name for t in learn.tricks.enabled]), 'off'
    t = learn.tricks[name]
    params = {k: some_value(p, rng) for k, p in t.declared.items() if rng.random() < .3}
    try:
        if kind == 'on': learn.tricks.on(name, **params)
        elif kind == 'off': learn.tricks.off(name, now=rng.random() < .5)
        elif kind == 'set': learn.tricks.set(name, **params)
        elif kind == 'loss': learn.set_loss(rng.choice(list(losses)))
        else: rng.choice([lambda: learn.tricks.on(name + 'x'), lambda: learn.tricks.set(name, no_such=1), lambda: learn.set_loss('no such'),
                          lambda: learn.tricks.on(name, **{k: 'x' for k in list(t.declared)[:1] if t.declared[k].kind != 'text'} or dict(no_such=1)), lambda: learn.half_step('x')])()
    except ValueError as e:
        one_sentence(e)
        return True
    assert kind != 'illegal', 'an illegal request went through'
    return False

def repeat(log, learn, steps):
    "The changes of a log, at their steps"
    todo = list(log)
    while True:
        while todo and todo[0].step == learn.step:
            c = todo.pop(0)
            if c.kind == 'loss': learn.set_loss(c.loss)
            elif c.kind == 'off': learn.tricks.off(c.name, now=c.now)
            else: getattr(learn.tricks, c.kind)(c.name, **c.params)
        if learn.step == steps: break
        go(learn, 1)
    assert not todo

def onward(learn, n)->int: # how often numbers grew without bound
    """Some steps. Random settings may diverge, as they should (plain gradient steps of D ahead, down a steep penalty): then all is turned off, and it trains on."""
    end = learn.step + n
    try: go(learn, n)
    except StepError as e:
        assert ' became ' in str(e) and all(torch.isfinite(t).all() for t in copies(learn).values() if t.is_floating_point())
        for t in list(learn.tricks.enabled): learn.tricks.off(t.name, now=True)
        go(learn, end - learn.step)
        return 1
    return 0

def soak(kind, changes, seed, most=None):
    learn, rng, refused, diverged = make_learner(kind), random.Random(seed), 0, 0
    go(learn, 2)
    for i in range(changes):
        refused += ask(learn, rng, most)
        if learn.tricks.log and learn.tricks.log[-1].kind == 'loss': learn.tricks.log[-1].loss = learn.loss_name
        groups_hold(learn)
        if i % 4 == 3: diverged += onward(learn, rng.choice([1, 1, 2]))
    diverged += onward(learn, 1)
    groups_hold(learn)
    assert diverged <= changes/200, 'now and then it may'
    applied = len(learn.tricks.log)
    assert applied > changes/4 and refused > changes/10 and applied + refused <= changes + 50*diverged
    again = make_learner(kind)
    repeat(learn.tricks.log, again, learn.step)
    assert again.state_hash() == learn.state_hash()

@pytest.mark.parametrize('kind, changes, most', [('mlp', 120, None), ('dcgan', 80, 6), ('skip', 80, 6)])
@pytest.mark.part(2)
def test_soak(kind, changes, most): soak(kind, changes, 1, most)

# Without a bound most of them come on and stay, and hardly one is ever the first or the last
@pytest.mark.slow
@pytest.mark.parametrize('kind, changes, most', [('mlp', 500, None), ('mlp', 2000, 3), ('dcgan', 2000, 6), ('dropout', 2000, 6), ('loop', 2000, 6)])
def test_soak_whole(kind, changes, most): soak(kind, changes, 2, most)

# A refusal leaves nothing behind: everything is looked at before each change, and after each that was refused

def who(o): return id(o), type(o)

def class_of(m): return sorted(vars(type(m))) if torch.nn.utils.parametrize.is_parametrized(m) else None

def hooks_of(m): return [[who(h) for h in v.values()] for k, v in vars(m).items() if 'hooks' in k and isinstance(v, dict)]

def net_now(net):
    "Its modules, what each of them holds, and whether it is trained: the objects, in their order"
    return [(n, who(m), class_of(m), m.training, hooks_of(m), sorted(vars(m)), [(k, id(p), p.requires_grad, p._version) for k, p in m._parameters.items() if p is not None],
             [(k, id(b)) for k, b in m._buffers.items()], sorted(m._non_persistent_buffers_set)) for n, m in net.named_modules()]

def opt_now(opt): return who(opt), [({k: v for k, v in g.items() if k != 'params'}, [id(p) for p in g['params']]) for g in opt.param_groups], [(id(p), list(s)) for p, s in opt.state.items()]

def trick_now(t): return t.enabled, t.since, t.leaving, dict(t.params), {k: repr(v) for k, v in t.state_dict().items() if not torch.is_tensor(v)}, sorted(vars(t))

def data_now(source):
    "The sources, from the outermost in"
    out = []
    while source is not None:
        out.append((who(source), source.bs, source.n_batches, tuple(source.shape), getattr(source, 'start', None), getattr(source, 'alphas', None)))
        source = getattr(source, 'source', None)
    return out

def everything(learn):
    "All that a refused change might have touched; tensors apart, as copies"
    tr = learn.tricks
    numbers = (learn.step, learn.n_batches, learn.n_d, learn.half, learn.bs, learn.n_d_now, learn.n_g_now, learn.update, learn.together, id(learn.base_loss), id(learn.some_x))
    known = ([who(r) + (list(r.columns), r.n) for r in (learn.record, *learn.layers.values())], {k: [id(p) for p in ps] for k, ps in learn.trained.items()}, sorted(map(str, learn.found)))
    tricks = {n: trick_now(t) for n, t in tr.items()}, [(s, [t.name for t in ts]) for s, ts in tr.slots.items()], list(tr.built), len(tr.log)
    whole = numbers, known, tricks, net_now(learn.model), opt_now(learn.opt_d), opt_now(learn.opt_g), learn.rates.state(), data_now(learn.source), [id(o) for o in learn.rates.opts.values()]
    return whole, copies(learn), learn.run.store.rows('select count(*), max(id) from changes')

def watched(monkeypatch, counts):
    "Whatever is refused, wherever that comes from, everything is as it was"
    apply, gone = Tricks.apply, Tricks.gone
    def looked(self, *changes):
        before = everything(self.learn)
        done = apply(self, *changes)
        counts['made' if done else 'refused'] += 1
        if not done: same(before, everything(self.learn), changes)
        return done
    def left(self, t, n):
        before = everything(self.learn)
        done = gone(self, t, n)
        counts['gone' if done else 'kept'] += 1
        if not done: same(before, everything(self.learn), t, leaving=t.name)
        return done
    monkeypatch.setattr(Tricks, 'apply', looked)
    monkeypatch.setattr(Tricks, 'gone', left)

def same(before, after, what, leaving=None):
    (a, ts, n), (b, us, m) = before, after
    assert not unequal(ts, us) and n == m, what
    for x, y in zip(a, b):
        if leaving and isinstance(x, tuple) and isinstance(x[0], dict) and leaving in x[0]:     # at its last step, and marked so
            for d in (x[0], y[0]): d[leaving] = d[leaving][0], d[leaving][3:5]
        assert x == y, what

def any_request(learn, rng):
    "A function that asks for something, legal or not, now or at a later step"
    tr, name, kind = learn.tricks, rng.choice(list(learn.tricks)), rng.random()
    at = learn.step + rng.randrange(1, 4) if rng.random() < .15 else None
    params = {k: some_value(p, rng) for k, p in tr[name].declared.items() if rng.random() < .3}
    if kind < .42: return lambda: tr.on(name, at=at, **params)
    if kind < .70: return lambda: tr.off(rng.choice([t.name for t in tr.enabled] or [name]), at=at, now=rng.random() < .6)
    if kind < .78: return lambda: tr.set(name, at=at, **params)
    if kind < .86: return lambda: learn.set_loss(rng.choice(list(losses)), at=at)
    if kind < .89: return lambda: learn.half_step(rng.choice('dg'), at=at)
    if kind < .93: return lambda: tr.preset(rng.choice(list(presets)))
    if kind < .95: return lambda: [c.cancel() for c in tr.pending[:1]]
    return rng.choice([lambda: tr.on(name + 'x'), lambda: tr.set(name, no_such=1), lambda: learn.set_loss('no such'), lambda: tr.preset('no such'), lambda: learn.half_step('x'), lambda: tr.off(name, at=-1)])

def too_many(learn, rng): return lambda: learn.tricks.off(rng.choice(learn.tricks.enabled).name, now=True)

def refusals(kind, n, seed, monkeypatch):
    "`n` requests, some while idle and some while it trains; what was counted"
    counts, rng, learn = Counter(), random.Random(seed), make_learner(kind)
    watched(monkeypatch, counts)
    go(learn, 2)
    def some(k):
        for _ in range(k):
            before = everything(learn)
            try: (too_many if len(learn.tricks.enabled) > 8 and rng.random() < .5 else any_request)(learn, rng)()
            except ValueError as e:
                one_sentence(e)
                counts['told'] += 1
                same(before, everything(learn), e)
            counts['asked'] += 1
    while counts['asked'] < n:
        some(6)
        learn.fit_steps(2, gate=lambda _: some(3), progress=False)
        groups_hold(learn)
    return counts

@pytest.mark.parametrize('kind, n', [('mlp', 400), pytest.param('dcgan', 120, marks=pytest.mark.slow)])
def test_refusals(kind, n, monkeypatch):
    counts = refusals(kind, n, 4, monkeypatch)
    assert counts['refused'] > n/20 and counts['told'] > n/20 and counts['made'] > n/3, counts

@pytest.mark.slow
@pytest.mark.parametrize('kind', ['mlp', 'dcgan'])
def test_refusals_whole(kind, monkeypatch): print(kind, refusals(kind, 10_000, 4, monkeypatch))
