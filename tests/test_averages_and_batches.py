"Averages of G, mean gradients over several batches, batches of another size: what is heavy, or takes strangers' networks."
import math
import pytest, torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm as legacy_spectral_norm
from torch.utils.data import DataLoader, TensorDataset
from fastai.data.core import DataLoaders
from ganlab.data import Batch
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from ganlab.nets import dcgan
from ganlab.engine.named_state import named_params
from ganlab.engine.change import Refused
from ganlab.trick import Trick
from ganlab.data import tensor_dls
from strangers import MAKERS, STRANGERS, data, go, make_learner, net_state, nets, one_sentence, unequal

KINDS = ['mlp', 'dcgan', *STRANGERS]

# EMA

def weights(learn): return {n: p.detach().clone() for n, p in named_params(learn.G).items()}

@pytest.mark.parametrize('kind', KINDS)
def test_averages_in_closed_form(kind):
    "On any network, through snapshots and samples; inside `averaged` G computes with them, after it with its own"
    learn = make_learner(kind); go(learn, 2)
    learn.tricks.on('ema', beta=.8, rampup=0)
    mean = weights(learn)
    for i in range(6):
        go(learn, 1); learn.sample(4)
        mean = {n: .8*m + .2*w for (n, m), w in zip(mean.items(), weights(learn).values())}
        if i == 2: snap = learn.snapshot(); go(learn, 2); learn.restore(snap)
    t = learn.tricks['ema']
    assert all(torch.allclose(t.weights[n], m, atol=1e-6) for n, m in mean.items())
    was = net_state(learn.G)
    with t.averaged(learn): assert all(torch.equal(p, t.weights[n]) for n, p in named_params(learn.G).items())
    assert not unequal(was, net_state(learn.G))
    assert not torch.equal(learn.sample(4), learn.sample(4, ema=False)) and torch.equal(learn.sample(4), learn.sample(4, ema=True))

@pytest.mark.parametrize('other', ['style', 'self_attention', 'spectral_norm', 'progressive_growing'])
def test_averages_follow_surgery(other):
    "A parameter that is new begins where it is, one that is gone is dropped; the rest goes on"
    learn = make_learner('dcgan'); go(learn, 1); learn.tricks.on('ema', beta=.9, rampup=0); go(learn, 2)
    t, params = learn.tricks['ema'], dict(net='G') if other == 'spectral_norm' else {}
    before = dict(t.weights)
    learn.tricks.on(other, **params)
    assert torch.isfinite(learn.sample(4)).all()
    now = t.now(named_params(learn.G))
    assert all(torch.equal(now[n], w) for n, w in before.items() if n in now)
    go(learn, 3); assert t.weights.keys() == named_params(learn.G).keys()
    snap = learn.snapshot(); go(learn, 2); end = learn.state_hash(); learn.restore(snap); go(learn, 2); assert learn.state_hash() == end
    learn.tricks.off(other, now=True); learn.sample(4); go(learn, 2)
    assert t.weights.keys() == named_params(learn.G).keys()

def test_a_weight_that_is_written_between_two_steps_begins_anew():
    "Re-initialised, baked, loaded: an average of the old and the new would be neither"
    learn = make_learner(); learn.tricks.on('ema', rampup=0); go(learn, 5)
    with torch.no_grad(): learn.G[0].weight.normal_()
    t, old = learn.tricks['ema'], dict(learn.tricks['ema'].weights)
    with t.averaged(learn):
        assert torch.equal(learn.G[0].weight, learn.G.state_dict()['0.weight']) and torch.equal(learn.G[0].bias, old['0.bias'])
    w = learn.G[0].weight.detach().clone(); go(learn, 1)
    assert (t.weights['0.weight'] - w).abs().max() < 1e-4

def test_a_spectral_norm_that_is_baked_does_not_mix_scales():
    learn = make_learner(); go(learn, 2)
    learn.tricks.on('ema', beta=.99, rampup=0); learn.tricks.on('spectral_norm', net='G', soft_start=0); go(learn, 20)
    learn.tricks.off('spectral_norm'); go(learn, 3)
    assert (learn.sample(64) - learn.sample(64, ema=False)).abs().max() < .1

@pytest.mark.parametrize('norm', [parametrizations.spectral_norm, legacy_spectral_norm])
def test_spectral_norms_of_torch(norm):
    "σ̂ is that of the averages, and the network's own vectors stay"
    G = nn.Sequential(norm(nn.Linear(3, 16)), nn.ReLU(), nn.Linear(16, 2))
    learn = make_learner(G=G, z_dim=3, lr_g=.05); learn.tricks.on('ema', rampup=0); go(learn, 40)
    was = net_state(learn.G)
    with learn.tricks['ema'].averaged(learn), torch.no_grad():
        learn.G.eval(); learn.G(torch.randn(2, 3))
        assert torch.linalg.svdvals(learn.G[0].weight)[0].item() == pytest.approx(1, abs=1e-3)
        learn.G.train()
    if norm is parametrizations.spectral_norm: assert not unequal(was, net_state(learn.G))

def test_several_at_once(tmp_path):
    "Further averages are those that there would be alone: in half-lives, under surgery on G, resumed from disk"
    kw = dict(memory='half_life', half_life=1, rampup=0)
    dls = lambda: tensor_dls(data(None), 8)
    learn = GANLearner(dls(), *nets('mlp'), z_dim=3, run=tmp_path/'a'); alone = make_learner()
    learn.tricks.on('ema', also='0.05, 3', **kw); alone.tricks.on('ema', **{**kw, 'half_life': .05})
    for l in (learn, alone): go(l, 3); l.tricks.on('residual'); go(l, 3)
    assert list(learn.tricks['ema'].more) == [.05, 3] and not unequal(learn.tricks['ema'].more[.05], alone.tricks['ema'].weights)
    learn.tricks.set('ema', shown=1); assert torch.equal(learn.sample(8), alone.sample(8))
    end = learn.state_hash(); learn.run.close()
    more = GANLearner.resume(tmp_path/'a', dls(), *nets('mlp'), progress=False)
    assert more.state_hash() == end and torch.equal(more.sample(8), alone.sample(8))
    go(more, 2); go(alone, 2); assert not unequal(more.tricks['ema'].more[.05], alone.tricks['ema'].weights)

def test_images_are_counted_as_d_sees_them():
    learn = make_learner(bs=8, n_d=2); learn.tricks.on('ema'); go(learn, 3)
    assert learn.tricks['ema'].images == 48
    learn.tricks.on('grad_accumulation', n=3); go(learn, 1); assert learn.tricks['ema'].images == 96
    learn.half_step('d'); was = {n: w.clone() for n, w in learn.tricks['ema'].weights.items()}; go(learn, 1)
    assert learn.tricks['ema'].images == 120 and not unequal(was, learn.tricks['ema'].weights)

def test_averages_from_a_file(tmp_path):
    learn = make_learner('dcgan', path=tmp_path); learn.tricks.on('ema', rampup=0); go(learn, 4); learn.save('a')
    fresh = make_learner('dcgan', path=tmp_path); fresh.tricks.on('ema', rampup=0); fresh.load('a')
    assert torch.equal(fresh.sample(8), learn.sample(8)) and not unequal(fresh.tricks['ema'].weights, learn.tricks['ema'].weights)

# Gradient accumulation

class Catch(Trick):
    "Takes down gradients, terms, what reaches D, and random numbers"
    name, title, number = 'catch', 'Catch', 2020
    d = g = None
    def attach(self, learn, undo): self.drawn, self.seen = [], []
    def inputs(self, x, ctx):
        self.drawn.append((ctx.phase, ctx.side, torch.randn(1, generator=ctx.rng()).item())); self.seen.append((ctx.phase, ctx.side, x.detach().clone()))
        return x
    def before_d(self, ctx): self.d = [p.grad.clone() for p in ctx.learn.D.parameters()]
    def before_g(self, ctx): self.g = [None if p.grad is None else p.grad.clone() for p in ctx.learn.G.parameters()]

def caught(kind, n, **kwargs):
    learn = make_learner(kind, **kwargs); go(learn, 2)
    learn.tricks.add(Catch); learn.tricks.on('catch')
    if n: learn.tricks.on('grad_accumulation', n=n)
    return learn, learn.tricks['catch']

@pytest.mark.parametrize('update', ['alternating', 'simultaneous'])
@pytest.mark.parametrize('kind', ['mlp', 'skip', 'loop', 'tied'])
def test_accumulation_is_a_larger_batch(kind, update):
    "For D in any step; for G where D's weights are known: in a simultaneous one"
    n, bs = 3, 8
    learn, t = caught(kind, n, update=update)
    b, G, D, loss = learn.n_batches, learn.G, learn.D, learn.base_loss
    x, z = torch.cat([learn.source.batch(b + i) for i in range(n)]), torch.cat([learn.latents(bs, 'z', learn.step, i << 20) for i in range(n)])
    L_d = loss.d_loss(D(x).flatten(), D(G(z).detach()).flatten()); d = torch.autograd.grad(L_d, list(D.parameters()))
    L_g = loss.g_loss(D(G(z)).flatten()); g = torch.autograd.grad(L_g, list(G.parameters()), allow_unused=True)
    d_real = D(x).mean().item()
    go(learn, 1)
    assert learn.n_batches == b + n
    for a, e in zip(t.d, d): assert torch.allclose(a, e, atol=1e-6)
    if update == 'simultaneous':
        for a, e in zip(t.g, g): assert a is e is None or torch.allclose(a, e, atol=1e-6)
    row = learn.history.iloc[-1]
    assert row.d_loss == pytest.approx(L_d.item(), abs=1e-6) and row.d_real == pytest.approx(d_real, abs=1e-6)

def test_micro_batches_have_streams_of_their_own_and_the_same_fakes():
    learn, t = caught('mlp', 3); t.drawn, t.seen = [], []; go(learn, 1)
    d, g = ([(s, v) for p, s, v in t.drawn if p == q] for q in 'dg')
    assert len(d) == 6 and len(g) == 3 and len({v for _, v in d + g}) == 9
    fakes = {p: torch.cat([x for q, s, x in t.seen if (q, s) == (p, 'fake')]) for p in 'dg'}
    assert torch.allclose(fakes['d'], fakes['g'], atol=1e-6)            # of D's update and of G's: the same latents, in the same order

def test_accumulation_leaves_the_context_as_it_was():
    class After(Trick):
        "Looks at the context"
        name, title, number = 'after', 'After', 2021
        def after_d(self, ctx): self.at_d = ctx.k, ctx.x, ctx.z, ctx.xf, len(ctx.l_real)
        def after_g(self, ctx): self.at_g = ctx.k, ctx.x, ctx.z, ctx.xf, len(ctx.l_fake)
    learn = make_learner(n_d=2); learn.tricks.add(After); learn.tricks.on('after'); learn.tricks.on('grad_accumulation', n=2)
    z = learn.latents(8, 'z', 0, 1); go(learn, 1)
    t = learn.tricks['after']
    for k, x, zz, xf, n in (t.at_d, t.at_g): assert k == 1 and len(x) == len(xf) == 8 and torch.equal(zz, z) and n == 16
    assert learn.n_batches == 4 and learn.tricks['grad_accumulation'].reals is None

@pytest.mark.parametrize('first_order', [False, True])
def test_accumulation_of_unrolled_updates(first_order):
    "Each micro-batch looks ahead on its own; the mean of their gradients is taken"
    opts = dict(opt=lambda ps, lr: torch.optim.SGD(ps, lr), lr_d=.1, lr_g=.1)
    learn, t = caught('mlp', 2, **opts); learn.tricks.on('unrolled', steps=2, first_order=first_order)
    at = learn.snapshot(); go(learn, 1); both, d = t.g, [p.detach().clone() for p in learn.D.parameters()]
    one = []
    for i in range(2):                       # one micro-batch at a time, under the D that the step has
        alone, s = caught('mlp', 0, **opts); alone.tricks.on('unrolled', steps=2, first_order=first_order)
        with torch.no_grad():
            for p, w in zip(alone.D.parameters(), d): p.copy_(w)
            for p, n in zip(alone.G.parameters(), named_order(alone.G, at, 'g')): p.copy_(n)
        x, z = alone.source.batch(at.numbers['batches'] + i), alone.latents(8, 'z', at.step, i << 20)
        alone.source.pair, alone.latents = (lambda *a, x=x: Batch(x)), (lambda *a, z=z: z)
        alone.half_step('g'); go(alone, 1); one.append(s.g)
    for a, b, c in zip(both, *one): assert torch.allclose(a, (b + c)/2, atol=1e-6)

def named_order(net, snap, key): return [snap.tensors[f'{key}/{n}'] for n, _ in net.named_parameters()]

@pytest.mark.parametrize('with_it', ['wgan_gp', 'gradient_penalty', 'path_length', 'relativistic_gp', 'instance_noise', 'feature_matching', 'minibatch_stddev', 'top_k', 'lecam'])
def test_accumulation_beside_others(with_it):
    "They train together, repeat themselves from a snapshot, and say what is to be said"
    learn = make_learner('dcgan' if with_it == 'path_length' else 'mlp'); go(learn, 1)
    learn.tricks.on(with_it)
    caution = learn.tricks.on('grad_accumulation').caution
    if learn.tricks[with_it].couples: assert learn.tricks[with_it].title in caution
    go(learn, 2); snap = learn.snapshot(); go(learn, 2); end = learn.state_hash()
    learn.restore(snap); go(learn, 2); assert learn.state_hash() == end

def test_a_batchnorm_is_named():
    assert 'BatchNorm' in make_learner('dcgan').tricks.on('grad_accumulation').caution

def test_data_that_fails_within_a_micro_batch_is_named_as_data():
    "And not the trick; the batches of the step are read again"
    learn = make_learner(); learn.tricks.on('grad_accumulation', n=3); go(learn, 2)
    own, at = learn.source.pair, learn.n_batches
    def pair(i):
        if i == at + 1: raise OSError('disk')
        return own(i)
    learn.source.pair = pair
    with pytest.raises(StepError) as e: go(learn, 1)
    assert e.value.culprit is None and 'data' in one_sentence(e.value) and learn.n_batches == at
    learn.source.pair = own; go(learn, 1); assert learn.n_batches == at + 3

# Batch size

X = torch.arange(120.)[:, None].repeat(1, 2)/100

class Seen(Trick):
    "Which samples D has seen"
    name, title, number = 'seen', 'Seen', 2022
    def attach(self, learn, undo): self.rows = []
    def after_d(self, ctx): self.rows += ctx.x[:, 0].mul(100).round().int().tolist()

def sized(kind, **kwargs):
    dls = tensor_dls(X, 10, valid=X[:10]) if kind == 'tensor' else DataLoader(TensorDataset(X), 10, shuffle=True, drop_last=True)
    g, d = MAKERS['mlp'][0]()
    learn = GANLearner(dls, g, d, **kwargs); learn.tricks.add(Seen); learn.tricks.on('seen')
    return learn

@pytest.mark.parametrize('kind', ['tensor', 'loader'])
@pytest.mark.parametrize('n_d', [1, 2])
def test_order_of_the_data_under_changing_batches(kind, n_d):
    "Every sample once an epoch, whatever the sizes; a snapshot puts the place back too"
    learn, calm = sized(kind, n_d=n_d), sized(kind, n_d=n_d)
    go(calm, 60//n_d); order, t = calm.tricks['seen'].rows, learn.tricks['seen']
    assert sorted(order[:120]) == list(range(120))
    go(learn, 2); learn.tricks.on('batch_size', bs=3); go(learn, 3)
    learn.tricks.set('batch_size', bs=25); go(learn, 1)
    snap, at = learn.snapshot(), learn.state_hash()
    learn.tricks.set('batch_size', bs=40); go(learn, 2); end, rows = learn.state_hash(), len(t.rows)
    assert t.rows == order[:rows]
    learn.restore(snap); assert learn.state_hash() == at and learn.bs == 25
    learn.tricks.set('batch_size', bs=40); go(learn, 2); assert learn.state_hash() == end
    t.rows = t.rows[:rows]
    learn.tricks.off('batch_size'); go(learn, 1)
    left = -(-rows//10)*10
    assert t.rows[rows:] == order[left:left + 10*n_d] and learn.bs == 10

def test_a_loader_is_walked_once():
    "Batches larger than the loader's, looked at ahead of time and read again: the epoch is not begun anew"
    learn = sized('loader'); go(learn, 1); learn.tricks.on('batch_size', bs=35)
    inner, starts = learn.source.source, []
    own = inner.walk.start
    inner.walk.start = lambda *a: (starts.append(a), own(*a))
    for _ in range(3): learn.source.batch(learn.n_batches); go(learn, 1)
    assert len(starts) <= 2

def test_batches_and_growing_images():
    "Each of the two that change the source takes away only its own, whichever goes first"
    def make():
        g, d = MAKERS['dcgan'][0]()
        x = torch.rand(120, 1, 32, 32)*2 - 1
        with pytest.warns(UserWarning, match='averaged down'): return GANLearner(tensor_dls(x, 8, valid=x[:8]), g, d)
    for first, last in (('batch_size', 'progressive_growing'), ('progressive_growing', 'batch_size')):
        for off in ((first, last), (last, first)):
            learn = make(); own, params = learn.source, dict(batch_size=dict(bs=12), progressive_growing=dict(fade=2))
            for name in (first, last): learn.tricks.on(name, **params[name]); go(learn, 1)
            assert learn.source.batch(learn.n_batches).shape == (12, 1, 32, 32) == (learn.bs, *learn.source.shape)
            snap = learn.snapshot(); go(learn, 2); end = learn.state_hash(); learn.restore(snap); go(learn, 2); assert learn.state_hash() == end
            for name in off: learn.tricks.off(name, now=True); go(learn, 1)
            assert learn.source is own and not hasattr(own.source, 'source') and learn.bs == own.bs == 8
            assert learn.source.batch(learn.n_batches).shape == (8, 1, 16, 16) and learn.steps_per_epoch == 15

def test_a_size_that_somebody_needs_is_kept():
    "Refused whole: size, source, place and the trick are as they were"
    learn = make_learner(bs=7); go(learn, 1)
    with pytest.raises(Refused): learn.tricks.on('minibatch_stddev')
    learn.tricks.on('batch_size', bs=8); learn.tricks.on('minibatch_stddev'); go(learn, 1)
    was, source = learn.state_hash(), learn.source
    for now in (False, True):
        with pytest.raises(Refused) as e: learn.tricks.off('batch_size', now=now)
        assert 'divisor' in one_sentence(e.value) and learn.tricks['batch_size'].enabled and learn.source is source and learn.state_hash() == was
    go(learn, 1); learn.tricks.off('minibatch_stddev', now=True); learn.tricks.off('batch_size'); go(learn, 1); assert learn.bs == 7

def test_batch_size_from_a_file(tmp_path):
    "Weights of a run that is further on: data goes on from where this learner is"
    learn = sized('tensor', path=tmp_path); go(learn, 4); learn.tricks.on('batch_size', bs=4); go(learn, 3); learn.save('a')
    fresh = sized('tensor', path=tmp_path); fresh.tricks.on('batch_size', bs=4); fresh.load('a'); go(fresh, 5)
    assert len(set(fresh.tricks['seen'].rows)) == 20
    other = sized('tensor', path=tmp_path); other.tricks.on('batch_size', bs=6); other.load('a'); go(other, 2); assert other.bs == 6

def test_one_sample_and_a_batchnorm():
    learn = make_learner('dcgan')
    with pytest.raises(Refused, match='more than one sample'): learn.tricks.on('batch_size', bs=1)
    learn = make_learner('mlp'); learn.tricks.on('batch_size', bs=1); go(learn, 2)

# Orthogonal

@pytest.mark.parametrize('kind', KINDS + ['resnet'])
def test_orthogonal_on_any_network(kind):
    "The term is what it says, finite, and moves the rows; a D that is not asked for has no term"
    learn = make_learner(kind); go(learn, 1)
    t = learn.tricks['orthogonal']
    before = t.penalty(learn.G).item(); learn.tricks.on('orthogonal', strength=1); go(learn, 1)
    assert learn.history['g_loss/orthogonal'].iloc[-1] == pytest.approx(before, rel=1e-4) and 'd_loss/orthogonal' not in learn.history
    learn.tricks.set('orthogonal', net='both', form='full'); go(learn, 1)
    assert math.isfinite(learn.history['d_loss/orthogonal'].iloc[-1])

@pytest.mark.parametrize('tricks', [['batch_size'], [('batch_size', dict(bs=8)), 'progressive_growing']])
def test_samples_trained_on_are_found_behind_other_batches(tricks):
    "Measures that compare with what is trained on, and the nearest real: with batches of another size, and images of another, too"
    from ganlab.judge.nearest import Reals
    from ganlab.metrics import real_samples
    from ganlab.quality.samples import trained_on
    dls = DataLoaders(tensor_dls(torch.randn(96, 3, 32, 32).clamp(-1, 1), 16).train)      # nothing is held out
    learn = GANLearner(dls, *dcgan(16, 3, width=4, seed=0), seed=0, tricks=tricks)
    learn.fit_steps(1, progress=False)
    x = torch.cat(list(trained_on(learn)()))
    reals, where, view = Reals(learn).get()
    assert x.shape == (len(learn.dls.train_ds), *learn.source.shape) and where == 'training'
    assert view(reals[:4]).shape[1] == math.prod(learn.source.shape)
    assert real_samples(learn, 50).shape == (50, *learn.source.shape)
