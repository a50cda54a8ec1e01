"Weight clipping, historical averaging, optimism, extragradient, consensus: the Dirac GAN's numbers through the real learner, and what the tricks promise on networks."
import math
import pytest, torch
from torch import nn
from ganlab.learner import GANLearner
from ganlab.engine.named_state import named_params
from ganlab.engine.change import Refused
from ganlab.trick import Trick
from strangers import copies, data, go, make_learner, nets, one_sentence, unequal
from test_penalties import Attending, amplitude, dirac, orbit, radius

ALL = ['weight_clipping', 'historical_averaging', 'optimistic', 'extragradient', 'consensus']
CLIP = ('weight_clipping', dict(c=1, soft_start=0))

# The Dirac GAN

@pytest.mark.parametrize('update,h,known', [('alternating', .2, 1.), ('alternating', .05, 1.), ('simultaneous', .2, 1.17)])
@pytest.mark.part(3)
def test_wgan_clip_cycles(update, h, known):
    "It never arrives: theta swings by c, the same from near and far; a little more with large simultaneous steps"
    for theta in (1., 3.): assert amplitude(dirac(h, theta=theta, loss='wasserstein', update=update, tricks=[CLIP]), int(60/h), int(20/h)) == pytest.approx(known, abs=.05)

def test_clip_that_is_never_reached():
    "From nearer than c, taking turns, it circles where it began"
    assert amplitude(dirac(.02, theta=.5, psi=0., loss='wasserstein', update='alternating', tricks=[CLIP]), 700, 400) == pytest.approx(.5, abs=.02)

def test_clip_of_another_size():
    "The cycle is as large as c"
    assert amplitude(dirac(.05, theta=.5, psi=-.3, loss='wasserstein', update='alternating', tricks=[('weight_clipping', dict(c=.3, soft_start=50))]), 1200, 400) == pytest.approx(.3, abs=.03)

@pytest.mark.parametrize('name,limit', [('optimistic', 1/math.sqrt(3)), ('extragradient', 1.)])
def test_step_size_on_the_bilinear_game(name, limit):
    "It converges 3 % below the limit, and not 3 % above it"
    for h, grows in ((.97*limit, False), (1.03*limit, True)):
        learn = dirac(h, theta=1e-2, psi=-1e-2, loss='wasserstein', tricks=[name])
        r = radius(learn, 20)
        assert (radius(learn, 60) > r) is grows, h

@pytest.mark.parametrize('h', [.1, .5, .9, 1.1])
def test_extragradient_rate(h):
    assert radius(dirac(h, loss='wasserstein', tricks=['extragradient']), 30)/math.sqrt(2) == pytest.approx((1 - h**2 + h**4)**15, rel=1e-3)

def test_optimistic_rate():
    "The larger root of λ² - (1 + 2ih)λ + ih = 0"
    h, k = .3, 40
    a = 1 + 2j*h
    rate = max(abs((a + s*(a*a - 4j*h)**.5)/2) for s in (1, -1))
    learn = dirac(h, loss='wasserstein', tricks=['optimistic'])
    r = radius(learn, 60)
    assert radius(learn, k)/r == pytest.approx(rate**k, rel=2e-3)

@pytest.mark.parametrize('update,limit', [('simultaneous', 1/3), ('alternating', 1/2)])
def test_optimism_against_momentum(update, limit):
    "Momentum β lags by β/(1-β) steps, simultaneous steps by half a step more, and optimism leads by one: it damps on one side of the limit, which the switch names"
    for beta, grows in ((limit - .05, False), (limit + .05, True)):
        learn = dirac(.05*(1 - beta), loss='wasserstein', update=update)
        for opt in (learn.opt_d, learn.opt_g): opt.param_groups[0]['momentum'] = beta
        c = learn.tricks.on('optimistic')
        assert (c.caution is not None) is grows and (not grows or f'1/{round(1/limit)}' in c.caution)
        r = radius(learn, 50)
        assert (radius(learn, 300) > r) is grows

@pytest.mark.parametrize('name', ['optimistic', 'extragradient'])
def test_alternating(name):
    "Extragradient moves both at once, whatever the learner's order; optimism takes the order as it is, and converges there too"
    learn = dirac(.2, loss='wasserstein', update='alternating', tricks=[name])
    if name == 'extragradient': assert radius(learn, 30)/math.sqrt(2) == pytest.approx((1 - .04 + .0016)**15, rel=1e-3)
    else: assert radius(learn, 300) < .05

@pytest.mark.parametrize('gamma', [.5, 2., 6.])
def test_consensus_step_size(gamma):
    "|1 + hλ| a step with λ = -γ/4 ± i/2, so that it converges where h < 8γ/(γ² + 4)"
    limit = 8*gamma/(gamma**2 + 4)
    for h in (.2*limit, .95*limit, 1.05*limit):
        learn = dirac(h, theta=1e-4, psi=-1e-4, tricks=[('consensus', dict(gamma=gamma))])
        rate = abs(1 + h*complex(-gamma/4, .5))
        assert radius(learn, 20)/math.hypot(1e-4, 1e-4) == pytest.approx(rate**20, rel=1e-2)
        assert (rate < 1) is (h < limit)

@pytest.mark.parametrize('name,kw', [('optimistic', {}), ('extragradient', {}), ('consensus', dict(gamma=1)), ('historical_averaging', dict(lam=.2))])
@pytest.mark.part(2)
def test_toggle(name, kw):
    "Off, on, off: it grows, it dies out, and it grows again as before"
    learn = dirac(.2, theta=.5, psi=-.5)
    a = radius(learn); b = radius(learn, 50); assert b > a
    learn.tricks.on(name, **kw); c = radius(learn, 150); assert c < .6*b
    learn.tricks.off(name)
    assert radius(learn, 60)/c == pytest.approx(1.01**30, rel=.1)

# Weight clipping

def test_clip_refuses_another_bound():
    "Whichever comes first; also where a value makes a bound of what is on"
    bounds = [('spectral_norm', {}), ('wgan_gp', {}), ('gradient_penalty', dict(center=1)), ('relativistic_gp', dict(penalty='interp1'))]
    for name, kw in bounds:
        for order in ([('weight_clipping', {}), (name, kw)], [(name, kw), ('weight_clipping', {})]):
            learn = make_learner()
            learn.tricks.on(order[0][0], **order[0][1])
            was = learn.state_hash()
            with pytest.raises(Refused, match='each bounds') as e: learn.tricks.on(order[1][0], **order[1][1])
            one_sentence(e.value)
            assert learn.state_hash() == was
    for name, kw in [('spectral_norm', dict(net='G')), ('wgan_gp', dict(lam=0)), ('wgan_gp', dict(center=0)), ('gradient_penalty', {}), ('relativistic_gp', {})]:
        learn = make_learner(tricks=['weight_clipping', (name, kw)]); go(learn, 1)
    learn = make_learner(tricks=['weight_clipping', 'gradient_penalty'])
    with pytest.raises(Refused, match='each bounds'): learn.tricks.set('gradient_penalty', center=1)
    assert (learn.tricks['gradient_penalty'].center, learn.tricks['gradient_penalty'].asked) == ('auto', 0)

def test_clip_refuses_computed_weights():
    D = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.utils.parametrizations.weight_norm(nn.Linear(8, 1)))
    with pytest.raises(Refused, match='D.2 computes its weight'): make_learner(D=D, tricks=['weight_clipping'])

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'tied', 'inplace'])
def test_clip_bound(kind):
    "No weight outside after any update of D, on its way down or there; G's are left; biases only where asked"
    learn = make_learner(kind, loss='wasserstein', n_d=2, lr_d=1e-2); go(learn, 2)
    t = learn.tricks['weight_clipping']
    learn.tricks.on(t.name, c=.02, soft_start=8)
    for _ in range(6): go(learn, 1); assert max(p.abs().max() for p in learn.D.parameters()) <= t.bound()*(1 + 1e-6)
    assert t.bound() == .02 and max(p.abs().max() for p in learn.G.parameters()) > .02
    learn.tricks.set(t.name, biases=False, c=.01, soft_start=0)
    go(learn, 3)
    assert all(p.abs().max() <= .01*(1 + 1e-6) for p in learn.D.parameters() if p.ndim > 1) and any(p.abs().max() > .01 for p in learn.D.parameters() if p.ndim == 1)

def test_clip_at_once():
    "Without a soft start the weights are cut at the switch, and a switch that fails puts them back"
    learn = make_learner()
    learn.tricks.on('weight_clipping', soft_start=0)
    assert max(p.abs().max() for p in learn.D.parameters()) <= .01*(1 + 1e-6)
    class Against(Trick):
        name, title, number = 'against', 'Against', 2020
        def why_not(self, learn): return 'Not with clipped weights.' if learn.tricks['weight_clipping'].enabled else None
    learn = make_learner(tricks=[Against])
    was = learn.state_hash()
    with pytest.raises(Refused, match='Not with'): learn.tricks.on('weight_clipping', soft_start=0)
    assert learn.state_hash() == was

def test_clip_cautions():
    from ganlab.nets import dcgan
    G, D = dcgan(16, 1, 6, 4, bn_d=True)
    learn = make_learner('dcgan', G=G, D=D, loss='wasserstein')
    c = learn.tricks.on('weight_clipping'); assert 'biases=False' in c.caution and 'Wasserstein' not in c.caution
    assert 'Wasserstein' in make_learner().tricks.on('weight_clipping').caution
    assert make_learner(loss='wasserstein').tricks.on('weight_clipping').caution is None

# What is remembered of parameters that come and go

@pytest.mark.parametrize('name', ['historical_averaging', 'optimistic'])
@pytest.mark.parametrize('grown', ['minibatch_stddev', 'dual_discriminator', 'spectral_norm'])
def test_parameters_come_and_go(name, grown):
    learn = make_learner(tricks=[name]); go(learn, 3)
    t = learn.tricks[name]
    def known(): return {n for n, v in t.state_dict().items() if torch.is_tensor(v)}
    def there(): return {f'{k}/{n}' for k, net in (('d', learn.D), ('g', learn.G)) for n in named_params(net)}
    first = known(); assert first == there()
    learn.tricks.on(grown); go(learn, 2)
    assert known() == there() >= first
    if name == 'historical_averaging':
        assert all(t.counts[n] == 6 for n in first) and all(t.counts[n] == 3 for n in known() - first)
    snap, at = learn.snapshot(), learn.state_hash()
    go(learn, 2); end = learn.state_hash()
    learn.restore(snap); assert learn.state_hash() == at
    go(learn, 2); assert learn.state_hash() == end
    learn.tricks.off(grown, now=True); go(learn, 2)
    assert known() == there() == first

@pytest.mark.parametrize('kind', ['mlp', 'tied', 'dropout'])
@pytest.mark.parametrize('n_d', [1, 3])
def test_historical_mean(kind, n_d):
    "The mean of what D's weights were after each of its updates, and when it began"
    learn = make_learner(kind, n_d=n_d, lr_d=1e-2); go(learn, 2)
    t = learn.tricks['historical_averaging']
    kept = {n: [p.detach().clone()] for n, p in named_params(learn.D).items()}
    own = type(t).after_d
    t.after_d = lambda ctx: ([kept[n].append(p.detach().clone()) for n, p in named_params(learn.D).items()], own(t, ctx))
    learn.tricks.on(t.name); go(learn, 5)
    for n, ps in kept.items():
        assert len(ps) == 5*n_d + 1 and (t.means[f'd/{n}'] - torch.stack(ps).mean(0)).abs().max() < 1e-6

def test_historical_averaging_inside_an_unroll():
    "The weights that D is lent are drawn as well, and the means are not moved by looking ahead"
    learn = make_learner(tricks=[('historical_averaging', dict(lam=1)), ('unrolled', dict(steps=2))]); go(learn, 3)
    t = learn.tricks['historical_averaging']
    assert {n: c for n, c in t.counts.items()} == dict.fromkeys(t.means, 4)

# Extragradient on networks

@pytest.mark.parametrize('n_d', [1, 3])
def test_extragradient_is_a_step_from_one_step_ahead(n_d):
    "w + (Φ(ŵ) - ŵ), where ŵ = Φ(w) and Φ is a whole simultaneous step on the same batches, with plain SGD"
    make = lambda **kw: make_learner(opt='sgd', lr_g=.1, lr_d=.1, update='simultaneous', n_d=n_d, **kw)
    learn, plain = make(tricks=['extragradient']), make()
    go(learn, 1)
    weights = lambda: [p.detach().clone() for p in plain.model.parameters()]
    w = weights(); go(plain, 1); ahead = weights()
    plain.step, plain.n_batches = 0, 0
    go(plain, 1)
    for p, a, b, c in zip(learn.model.parameters(), w, ahead, weights()): assert (p - (a + c - b)).abs().max() < 1e-6

@pytest.mark.parametrize('kind', ['dropout', 'dcgan', 'inplace'])
def test_extragradient_counts_once(kind):
    "Buffers and the other tricks' counters go as far as without it; both halves have the same dropout masks"
    learn, calm = (make_learner(kind, n_d=2, tricks=['spectral_norm', 'historical_averaging']) for _ in range(2))
    learn.tricks.on('extragradient')
    masks = {}
    for n, m in learn.model.named_modules():
        if 'Dropout' in type(m).__name__ and m.p: m.register_forward_hook(lambda m, x, y, n=n: masks.setdefault(n, []).append(y != 0) if m.training else None)
    go(learn, 1); go(calm, 1)
    for ys in masks.values():
        half = len(ys)//2
        assert half and not ys[0].all() and all(torch.equal(a, b) for a, b in zip(ys[:half], ys[half:]))
    go(learn, 2); go(calm, 2)
    counts = lambda learn: ([b.item() for n, b in learn.model.named_buffers() if 'num_batches' in n], learn.tricks['spectral_norm'].done, learn.tricks['historical_averaging'].counts, learn.n_batches, learn.step)
    assert counts(learn) == counts(calm)

def test_extragradient_of_a_loader_that_cannot_go_back():
    "Both halves of a step see the same batches of an endless stream, none of which is lost"
    given = []
    class Endless(torch.utils.data.IterableDataset):
        def __iter__(self):
            i = 0
            while True: given.append(i); yield torch.full((2,), float(i)); i += 1
    G, D = nets('mlp')
    learn = GANLearner(torch.utils.data.DataLoader(Endless(), batch_size=4), G, D, n_d=2, tricks=['extragradient'])
    seen = []
    learn.D.register_forward_pre_hook(lambda m, x: seen.append(x[0][0, 0].item()) if m.training and x[0].eq(x[0].round()).all() and x[0].shape[0] == 4 else None)
    go(learn, 2)
    assert given == sorted(given) and len(set(given)) == len(given)
    assert seen == [a for pair in zip(seen[::2], seen[1::2]) for a in pair] and len(seen) >= 8 and len(set(seen)) == 4

@pytest.mark.parametrize('phase', 'dg')
def test_extragradient_in_a_half_step(phase):
    "Only that player moves"
    learn = make_learner(tricks=['extragradient']); go(learn, 2)
    was = copies(learn)
    learn.half_step(phase); go(learn, 1)
    moved = {n[0] for n in unequal(was, copies(learn)) if n[:2] in ('d/', 'g/')}
    assert moved == {phase}
    go(learn, 1)

def test_extragradient_then_nothing_is_left():
    learn = make_learner(tricks=['extragradient']); go(learn, 2)
    t = learn.tricks['extragradient']
    assert t.real is t.lead is None and 'batch' not in vars(learn.source) and not any(p.grad is not None for p in learn.model.parameters())

# Consensus on networks

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'dropout', 'inplace', 'tied'])
@pytest.mark.parametrize('loss', ['non_saturating', 'relativistic'])
@pytest.mark.part(2)
def test_consensus_sees_the_step(kind, loss):
    "The losses that it computes anew are those of the step: same masks, same noise, same batch statistics"
    learn = make_learner(kind, loss=loss, n_d=2, tricks=['instance_noise', ('consensus', dict(gamma=.1))])
    t, found = learn.tricks['consensus'], []
    own = type(t).losses
    t.losses = lambda ctx: found.append(own(t, ctx)) or found[-1]
    go(learn, 3)
    for (d, g), (_, row) in zip(found, learn.history.iterrows()):
        assert d.item() == pytest.approx(row.d_loss, rel=1e-4) and g.item() == pytest.approx(row.g_loss, rel=1e-4)

@pytest.mark.parametrize('kind', ['dropout', 'dcgan'])
def test_consensus_leaves_no_trace(kind):
    "But for what it adds to the gradients the run is that of a simultaneous learner without it"
    learn, calm = (make_learner(kind, update='simultaneous', tricks=['spectral_norm', 'instance_noise']) for _ in range(2))
    learn.tricks.on('consensus')
    t = learn.tricks['consensus']
    own = type(t).gradients
    def nothing(ctx):
        r, d, g = own(t, ctx)
        assert r > 0 and any(v is not None and v.any() for v in d) and any(v is not None and v.any() for v in g)
        return r, [None]*len(d), [None]*len(g)
    t.gradients = nothing
    go(learn, 3); go(calm, 3)
    assert not unequal(copies(learn), copies(calm))

@pytest.mark.parametrize('phase', 'dg')
def test_consensus_in_a_half_step(phase):
    "The player that has no step keeps its weights, and no gradient waits for its next one"
    learn = make_learner(tricks=['consensus']); go(learn, 2)
    was = copies(learn)
    learn.half_step(phase); go(learn, 1)
    assert {n[0] for n in unequal(was, copies(learn)) if n[:2] in ('d/', 'g/')} == {phase}
    assert not any(p.grad is not None for p in learn.model.parameters()) and all(p.requires_grad for p in learn.D.parameters())

def test_consensus_refuses():
    for D in (Attending(),):
        learn = make_learner(D=D); go(learn, 1)
        was = learn.state_hash()
        with pytest.raises(Refused) as e: learn.tricks.on('consensus')
        assert 'need_weights=True' in one_sentence(e.value) and learn.state_hash() == was
    learn = make_learner(D=Attending(fused=False), tricks=['consensus']); go(learn, 2)

def test_consensus_in_bfloat16():
    "Its own computation is in float32"
    a, b = (make_learner('dcgan', amp=amp, update='simultaneous', tricks=['consensus']) for amp in ('bf16', None))
    for learn in (a, b): go(learn, 1)
    assert a.history['g_loss/consensus'][0] == pytest.approx(b.history['g_loss/consensus'][0], rel=1e-5)

def test_consensus_caution():
    assert 'Gradient penalty' in make_learner(tricks=['gradient_penalty']).tricks.on('consensus').caution
    assert make_learner().tricks.on('consensus').caution is None

# Together

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'tied', 'dropout', 'inplace'])
@pytest.mark.part(2)
def test_all_five(kind):
    "All at once: bounded weights, finite numbers, and back to any step"
    learn = make_learner(kind, loss='wasserstein', tricks=['weight_clipping', 'historical_averaging', 'optimistic', 'extragradient', ('consensus', dict(gamma=.1))])
    go(learn, 3)
    snap, at = learn.snapshot(), learn.state_hash()
    go(learn, 2); end = learn.state_hash()
    learn.restore(snap); assert learn.state_hash() == at
    go(learn, 2); assert learn.state_hash() == end
    assert max(p.abs().max() for p in learn.D.parameters()) <= learn.tricks['weight_clipping'].bound()*(1 + 1e-6)
    for name in ALL: learn.tricks.off(name); go(learn, 1)

def test_optimistic_refuses():
    with pytest.raises(Refused, match="D's optimiser is Adagrad"): make_learner(opt=lambda ps, lr: torch.optim.Adagrad(ps, lr=lr), tricks=['optimistic'])

def test_consensus_beside_a_term_that_stands_in_for_the_loss():
    "G's loss is feature matching's term alone: what is left is D's gradient"
    learn = make_learner(tricks=['feature_matching', ('consensus', dict(gamma=1))]); go(learn, 3)
    assert (learn.history['g_loss/consensus'] > 0).all()
    learn.tricks.off('consensus')
    assert 'Feature matching' in learn.tricks.on('consensus').caution
