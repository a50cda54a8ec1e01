"Random changes, legal and illegal, over a whole run: nothing crashes, nothing is orphaned, and the same changes at the same steps give the same bits."
import random
import pytest
from ganlab.losses import losses
from ganlab.switch import Refused
from strangers import go, groups_hold, make_learner, one_sentence

def some_value(p, rng):
    "A legal value of a parameter, not far from its default: extremes may diverge, as they should"
    if p.kind == 'choice': return rng.choice(p.choices)
    if p.kind == 'bool': return rng.random() < .5
    if p.kind == 'text': return p.default
    v = min(p.hi, max(p.lo, p.default*rng.uniform(.5, 1.5)))
    return round(v) if p.kind == 'int' else v

def ask(learn, rng):
    "One random request, a fifth of them illegal; whether it was refused"
    name = rng.choice(list(learn.tricks))
    t, kind = learn.tricks[name], rng.choice(['on', 'on', 'off', 'set', 'loss', 'illegal'])
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

def soak(kind, changes, seed):
    learn, rng, refused = make_learner(kind), random.Random(seed), 0
    go(learn, 2)
    for i in range(changes):
        refused += ask(learn, rng)
        if learn.tricks.log and learn.tricks.log[-1].kind == 'loss': learn.tricks.log[-1].loss = learn.loss_name
        groups_hold(learn)
        if i % 4 == 3: go(learn, rng.choice([1, 1, 2]))
    go(learn, 1)
    groups_hold(learn)
    applied = len(learn.tricks.log)
    assert applied > changes/4 and refused > changes/10 and applied + refused <= changes
    again = make_learner(kind)
    repeat(learn.tricks.log, again, learn.step)
    assert again.state_hash() == learn.state_hash()

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'skip'])
def test_soak(kind): soak(kind, 120, 1)

@pytest.mark.slow
@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'dropout', 'loop'])
def test_soak_whole(kind): soak(kind, 2000, 2)
