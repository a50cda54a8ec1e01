"What every trick must keep to, on ganlab's networks and on strangers': off is nothing, on keeps what was learnt, back again is back."
import pytest, torch
from ganlab.engine.change import Refused
from ganlab.trick import effects, find_tricks, slots
from strangers import EACH, MAKERS, OF_IMAGES, copies, data, go, groups_hold, in_turn, make_learner, net_state, one_sentence, some, unequal

TRICKS = [pytest.param(c, id=c.name) for c in find_tricks()]
each_trick = pytest.mark.parametrize('cls', TRICKS)
def suits(cls): return 'dcgan' if cls.name in OF_IMAGES else 'mlp'     # where there is something for it to do
each_trick_and_net = pytest.mark.parametrize('cls,kind', in_turn(find_tricks(), ['mlp', 'dcgan', 'resnet', *EACH], 1, suits), ids=lambda o: getattr(o, 'name', o))
both_nets = pytest.mark.parametrize('cls,kind', in_turn(find_tricks(), ['mlp', 'dcgan'], 0, suits), ids=lambda o: getattr(o, 'name', o))
WARM = 3    # steps before a switch, so that the optimisers have something to lose

def ready(cls, kind='mlp', **kwargs):
    "A warm learner that the trick goes with, or the test is over: it was refused with a sentence, and nothing had moved"
    for loss in ('non_saturating', 'wasserstein', 'hinge'):
        learn = make_learner(kind, loss=loss, **kwargs)
        go(learn, WARM)
        if learn.tricks[cls.name].why_not(learn) is None: return learn
    was = learn.state_hash()
    with pytest.raises(Refused) as e: learn.tricks.on(cls.name)
    assert learn.tricks[cls.name].why_not(learn) in one_sentence(e.value) and learn.state_hash() == was
    pytest.skip(str(e.value))

def outputs(learn, kind):
    "G(z) and D(x) in eval mode, and D(G(z))"
    g = learn.sample(16, ema=False)
    return g, learn.score(data(MAKERS[kind][1])[:16]), learn.score(g)

def assert_close(a, b, tol=1e-5):
    for x, y in zip(a, b): assert ((x - y).abs() <= tol*x.abs().clamp(min=1)).all()

def held(learn):
    "What each parameter is, holds and remembers, by its name"
    out = {}
    for key, net, opt in (('d', learn.D, learn.opt_d), ('g', learn.G, learn.opt_g)):
        for n, p in net.named_parameters(): out[id(p)] = (n, p, p.detach().clone(), {k: v.clone() for k, v in opt.state.get(p, {}).items() if torch.is_tensor(v)}, opt)
    return out

def assert_kept(before, learn, t=None, values=True):
    "Every parameter that was there is there: the same object, value and optimiser state, but for what trick `t` declares to rewrite"
    now, rewrites = held(learn), t.rewrites if t else ()
    for i, (n, p, value, state, opt) in before.items():
        assert i in now, f'{n} is gone'
        if values and 'weights' not in rewrites: assert torch.equal(p, value), n
        if 'moments' in rewrites: continue
        kept = {k: v for k, v in opt.state.get(p, {}).items() if torch.is_tensor(v)}
        assert kept.keys() == state.keys() and all(torch.equal(kept[k], state[k]) for k in state), n
    groups_hold(learn)

# What is declared

@each_trick
def test_declared(cls):
    t = cls()
    assert cls.name and cls.title and cls.short.endswith('.') and cls.source and cls.acts and 0 < cls.number < 1000
    assert set(t.slots) <= set(slots) and not t.enabled and t.since is None and t.leaving is None
    assert cls.__module__.startswith('ganlab.tricks.') and cls.__doc__
    for name, p in cls.declared.items():
        assert p.name == name and p.help and not p.help.endswith('.') and p.label and p.kind in ('float', 'int', 'choice', 'bool', 'text')
        assert p.check(p.default) == p.default and t.params[name] == p.default == getattr(t, name)
        assert 0 <= p.position(p.default) <= 1
        if p.kind in ('float', 'int'): assert p.lo < p.hi and p.position(p.lo) == 0 and p.position(p.hi) == 1
        if p.kind == 'choice': assert len(p.choices) > 1

def candidates(p):
    "Values at the ends of a parameter's range, and its default"
    return {'choice': list(p.choices), 'bool': [True, False], 'text': [p.default]}.get(p.kind, [p.lo, p.hi, p.default])

@each_trick
def test_effect_of_all_values(cls):
    t = cls()
    assert t.effect() in effects
    for name, p in cls.declared.items():
        for v in candidates(p): assert t.effect({**t.params, name: v}) in effects

@each_trick
def test_values_out_of_range(cls):
    "Refused in the caller, with the name, the value and what is allowed; nothing moves"
    learn = make_learner()
    was = learn.state_hash(), dict(learn.tricks[cls.name].params)
    for name, p in cls.declared.items():
        bad = [None, []] if p.kind == 'text' else ['of another world', None, []]
        if p.kind in ('float', 'int'): bad += [p.lo - 1, p.hi + 1, float('nan'), float('inf'), True, 'x']
        if p.kind == 'int': bad += [p.lo + .5]
        for v in bad:
            for ask in (learn.tricks.on, learn.tricks.set):
                with pytest.raises(ValueError) as e: ask(cls.name, **{name: v})
                said = one_sentence(e.value)
                assert name in said and repr(v) in said and 'need' in said and repr(p.default) in said
    with pytest.raises(ValueError, match='no parameter'): learn.tricks.set(cls.name, no_such=1)
    assert (learn.state_hash(), learn.tricks[cls.name].params) == was and not learn.tricks.log

@pytest.mark.parametrize('cls,kind', in_turn(find_tricks(), ['mlp', 'tied', 'dropout'], 1), ids=lambda o: getattr(o, 'name', o))
@pytest.mark.part(6)
def test_why_not(cls, kind):
    "None, or one sentence, for every loss; what it says is what happens"
    from ganlab.losses import losses
    learn = make_learner(kind)
    for loss in losses:
        learn.set_loss(loss)
        why, was = learn.tricks[cls.name].why_not(learn), learn.state_hash()
        if why is None: learn.tricks.on(cls.name); assert learn.tricks[cls.name].enabled; learn.tricks.off(cls.name, now=True)
        else:
            assert why.endswith('.') and '\n' not in why
            with pytest.raises(Refused) as e: learn.tricks.on(cls.name)
            assert why in str(e.value) and learn.state_hash() == was and not learn.tricks[cls.name].enabled

# U1: off is as never on

@both_nets
@pytest.mark.part(9)
def test_u1_on_and_off_between_two_steps(cls, kind):
    "Every bit is as it was, and so is the rest of the run, where the trick says that it leaves weights alone"
    learn, calm = ready(cls, kind), ready(cls, kind)
    was = copies(learn)
    before = held(learn)
    learn.tricks.on(cls.name); effect = learn.tricks[cls.name].effect(); learn.tricks.off(cls.name, now=True)
    assert_kept(before, learn, cls, values=effect == 'now')
    if effect != 'now' or cls.rewrites: return
    assert not unequal(was, copies(learn)) and learn.state_hash() == calm.state_hash()
    go(learn, 2); go(calm, 2)
    assert learn.state_hash() == calm.state_hash()

@each_trick
@pytest.mark.part(6)
def test_u1_off_again_draws_nothing(cls):
    "After a while on and off, two learners of equal state go on equally, whether or not the trick was ever on"
    learn = ready(cls); learn.tricks.on(cls.name); go(learn, 2); learn.tricks.off(cls.name, now=True)
    snap = learn.snapshot()
    calm = ready(cls); go(calm, 2)
    if {k: t.shape for k, t in snap.tensors.items()} != {k: t.shape for k, t in copies(calm).items()}: pytest.skip('it has left something behind')
    from ganlab.engine.snapshots import load_tensors
    load_tensors(calm, snap.tensors)
    calm.n_batches = learn.n_batches        # a trick may have taken more of them
    go(learn, 3); go(calm, 3)
    assert not unequal(net_state(learn.D), net_state(calm.D)) and not unequal(net_state(learn.G), net_state(calm.G))

# U2 to U4: the switch itself

@each_trick_and_net
@pytest.mark.part(9)
def test_switch_in_mid_training(cls, kind):
    "On, on again, off: functions as the effect says, parameters the same objects with their memory, all groups whole; what is frozen never moves"
    learn = ready(cls, kind)
    still = {n: (p, p.clone()) for n, p in learn.model.named_parameters() if not p.requires_grad}
    t, before, was = learn.tricks[cls.name], held(learn), outputs(learn, kind)
    effect = t.effect()                        # what is told before the click
    change = learn.tricks.on(cls.name)
    assert change.step == WARM and t.enabled and t.since == WARM and learn.tricks.log[-1] is change
    assert_kept(before, learn, t, values=effect == 'now')
    if effect in ('now', 'grows'): assert_close(was, outputs(learn, kind))
    rows = learn.record.n
    go(learn, 3)
    assert learn.record.n == rows + 3 and learn.history[['d_loss', 'g_loss']].notna().all().all()
    groups_hold(learn)
    before = held(learn)
    learn.tricks.on(cls.name); assert_kept(before, learn)
    was, before, effect = outputs(learn, kind), held(learn), t.effect()
    learn.tricks.off(cls.name, now=True)
    assert not t.enabled and t.since is None and t.leaving is None
    if effect == 'now': assert_close(was, outputs(learn, kind))
    for i in before.keys() & held(learn).keys(): assert 'moments' in t.rewrites or held(learn)[i][3].keys() == before[i][3].keys()
    groups_hold(learn)
    go(learn, 2)
    learn.tricks.on(cls.name); go(learn, 1); groups_hold(learn)
    learn.tricks.off(cls.name, now=True)
    now = dict(learn.model.named_parameters())
    for n, (p, value) in still.items(): assert now[n] is p and not p.requires_grad and torch.equal(p, value), n

@both_nets
@pytest.mark.part(9)
def test_every_value_in_mid_training(cls, kind):
    "Each parameter at both ends of its range: it trains, or is refused with a sentence"
    learn = ready(cls, kind)
    for name, p in cls.declared.items():
        learn.tricks.on(cls.name); go(learn, 1)
        for v in candidates(p):
            was = learn.state_hash()
            try: learn.tricks.set(cls.name, **{name: v})
            except ValueError as e: one_sentence(e); assert learn.state_hash() == was
            go(learn, 1)
        for v in candidates(p):                 # and turned on with it
            learn.tricks.off(cls.name, now=True)
            before, was = held(learn), outputs(learn, kind)
            try: learn.tricks.on(cls.name, **{name: v})
            except ValueError as e: one_sentence(e); continue
            t = learn.tricks[cls.name]
            if t.effect() in ('now', 'grows'): assert_close(was, outputs(learn, kind))
            assert_kept(before, learn, t, values=t.effect() == 'now')
            go(learn, 1)
        groups_hold(learn)
        learn.tricks.off(cls.name, now=True)
        learn.tricks.set(cls.name, **{name: p.default})

@each_trick
@pytest.mark.part(6)
def test_set_while_off(cls):
    "Only remembered"
    learn, calm = make_learner(), make_learner()
    for name, p in cls.declared.items():
        for v in candidates(p):
            try: learn.tricks.set(cls.name, **{name: v})
            except ValueError as e: one_sentence(e); continue
            assert learn.tricks[cls.name].params[name] == v
    go(learn, 2); go(calm, 2)
    assert learn.state_hash() == calm.state_hash()

# U5: from a snapshot, from a file

@both_nets
@pytest.mark.part(9)
def test_u5_snapshot(cls, kind):
    learn = ready(cls, kind); learn.tricks.on(cls.name); go(learn, 2)
    snap, at = learn.snapshot(), learn.state_hash()
    go(learn, 3); end = learn.state_hash()
    learn.restore(snap); assert learn.state_hash() == at
    go(learn, 3); assert learn.state_hash() == end
    again = ready(cls, kind); again.tricks.on(cls.name); go(again, 5)
    assert again.state_hash() == end

@both_nets
@pytest.mark.part(9)
def test_u5_file(cls, kind, tmp_path):
    "Weights, buffers and optimisers from a file, with the trick on"
    learn = ready(cls, kind, path=tmp_path); learn.tricks.on(cls.name); go(learn, 2)
    was = {n: t for n, t in copies(learn).items() if not n.startswith('trick/')}
    file = learn.save('a')
    assert file.suffix == '.safetensors'
    go(learn, 2); assert unequal(was, {n: t for n, t in copies(learn).items() if n in was})
    learn.load('a')
    assert not unequal(was, {n: t for n, t in copies(learn).items() if not n.startswith('trick/')})
    fresh = make_learner(kind, path=tmp_path, loss=learn.loss_name); fresh.tricks.on(cls.name); fresh.load('a')
    assert not unequal(was, {n: t for n, t in copies(fresh).items() if not n.startswith('trick/')})
    groups_hold(fresh)

SHOWS = dict(grad_clip=dict(c_d=.01, c_g=.01), lr_decay=dict(steps=20), lecam=dict(start=0), top_k=dict(gamma=0))    # values with which a trick that begins gently shows within twenty steps

BESIDE = dict(lazy_reg='gradient_penalty')    # one that acts on another's term shows beside that other

@each_trick
@pytest.mark.part(9)
def test_effect_on_training(cls):
    "On, it changes the run: an option that does nothing is a lie. One that declares to be a bystander changes no bit"
    learn, calm = ready(cls), ready(cls)
    if cls.name in BESIDE: learn.tricks.on(BESIDE[cls.name]); calm.tricks.on(BESIDE[cls.name])
    learn.tricks.on(cls.name, **SHOWS.get(cls.name, {}))
    for _ in range(4): go(learn, 5); go(calm, 5)
    if cls.bystander: assert not unequal(net_state(calm.G), net_state(learn.G)) and not unequal(net_state(calm.D), net_state(learn.D))
    else: assert unequal(net_state(calm.G), {n: t for n, t in net_state(learn.G).items()})

FRUGAL = dict(unrolled=dict(steps=1), n_critic=dict(n_d=2), wgan_gp=dict(n_critic=2), grad_accumulation=dict(n=2))    # their costs multiply

@pytest.mark.slow
@pytest.mark.parametrize('kind', ['mlp', 'dcgan', *EACH])
def test_all_together(kind):
    "All that go together at once, then off in another order"
    learn, each = make_learner(kind), 4      # a step after every fourth switch
    go(learn, 2)
    on, dear = [], lambda n: any(s.startswith('around') for s in learn.tricks[n].slots)
    for name in sorted(learn.tricks, key=dear):    # what multiplies the cost of a step comes last, and goes first
        before = held(learn)
        try: learn.tricks.on(name, **FRUGAL.get(name, {})); on.append(name)
        except Refused as e: one_sentence(e)
        assert_kept(before, learn, learn.tricks[name], values=learn.tricks[name].effect() != 'reweights')
        if len(on) % each == 0: go(learn, 1)
    assert len(on) >= 8
    for i, name in enumerate(sorted(on[::-2] + on[-2::-2], key=lambda n: not dear(n))):
        before = held(learn)
        learn.tricks.off(name, now=True)
        now = held(learn)
        if 'moments' not in learn.tricks[name].rewrites:
            for i in before.keys() & now.keys(): assert before[i][3].keys() == now[i][3].keys(), before[i][0]    # nobody lost its memory
        if i % each == 0: go(learn, 1)
        groups_hold(learn)
    assert not learn.tricks.enabled and learn.D.state_dict().keys() == make_learner(kind).D.state_dict().keys()

@pytest.mark.parametrize('head', ['zero', 'one'])
def test_spectral_norm_on_an_odd_head(head):
    "A head of zeros (a common initialisation), or of one number: unchanged functions and finite numbers, or a refusal with a sentence"
    from torch import nn
    D = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(.2), nn.Linear(8, 1), *([nn.Linear(1, 1)] if head == 'one' else []))
    if head == 'zero': nn.init.zeros_(D[2].weight); nn.init.zeros_(D[2].bias)
    learn = make_learner(D=D, z_dim=3)
    was = outputs(learn, 'mlp')
    try: learn.tricks.on('spectral_norm')
    except Refused as e: one_sentence(e); return
    assert_close(was, outputs(learn, 'mlp'))
    go(learn, 5)
    assert all(torch.isfinite(t).all() for t in copies(learn).values())

def test_cautions_of_spectral_norm():
    "What goes, but not as one may think, is said at the switch"
    from torch import nn
    one = make_learner(D=nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(.2), nn.Linear(8, 1), nn.Linear(1, 1)), z_dim=3)
    assert 'no gradient' in str(one.tricks.on('spectral_norm').sentence)
    decay = make_learner(opt=lambda ps, lr: torch.optim.AdamW(ps, lr=lr, weight_decay=.1))
    assert 'Weight decay' in decay.tricks.on('spectral_norm').sentence
    assert make_learner().tricks.on('spectral_norm').caution is None
