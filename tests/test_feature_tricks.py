"Feature matching, unrolling, path length and virtual batch norm: what the theory of the Dirac-GAN says of them, and what strangers' networks do to them."
from copy import deepcopy
import numpy as np
import pytest, torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from ganlab.data import ring_dls, tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.engine.surgery import insert, remove
from ganlab.engine.sites import sites
from ganlab.engine.change import Refused
from strangers import TiedNet, bn_g, conv_d, data, go, groups_hold, make_learner, one_sentence

# Dirac-GAN: the data are zeros, G(z) = θ, D(x) = ψx

class Theta(nn.Module):
    "G is one number a feature"
    z_dim = 1
    def __init__(self, *at): super().__init__(); self.theta = nn.Parameter(torch.tensor(at))
    def forward(self, z): return self.theta.expand(len(z), -1)

def dirac(theta=1., psi=-1., h=.1, tricks=(), **kwargs):
    "The pair, with plain SGD of rate `h`; ψ = -1 is where the paper starts"
    D = nn.Linear(1, 1, bias=False)
    nn.init.constant_(D.weight, psi)
    return GANLearner(tensor_dls(torch.zeros(16, 1), bs=2), Theta(theta), D, opt=lambda ps, lr: torch.optim.SGD(ps, lr=lr), lr_g=h, lr_d=h, device='cpu', tricks=tricks, **kwargs)

def where(learn): return torch.stack([learn.G.theta.detach()[0], learn.D.weight.detach()[0, 0]]).double().numpy()
def radius(learn): return float(np.linalg.norm(where(learn)))

def one_step_map(s=1e-3, **kwargs):
    "What one step makes of a small (θ, ψ), as a matrix"
    columns = []
    for start in ((s, 0.), (0., s)):
        learn = dirac(*start, **kwargs); go(learn, 1)
        columns.append(where(learn)/s)
    return np.stack(columns, 1)

def unrolled(K, eta, h, **kwargs): return [('unrolled', dict(steps=K, rate=eta/h, **kwargs))]

@pytest.mark.parametrize('K, eta', [(1, .4), (5, .2), (5, 1.)])
@pytest.mark.parametrize('first_order', [False, True])
@pytest.mark.parametrize('loss', ['minimax', 'non_saturating', 'wasserstein'])
@pytest.mark.part(2)
def test_dirac_eigenvalues(loss, first_order, K, eta, h=.1):
    "λ = -Kη f'² ± sqrt((Kη f'²)² - f'²) with f' = ½ (cross-entropy) or 1 (Wasserstein); first order: half the damping"
    c = 1. if loss == 'wasserstein' else .5
    damping = K*eta*c*c*(.5 if first_order else 1)
    root = np.sqrt(complex(damping**2 - c*c))
    want = np.sort_complex([-damping + root, -damping - root])
    M = one_step_map(loss=loss, update='simultaneous', h=h, tricks=unrolled(K, eta, h, first_order=first_order))
    got = np.sort_complex((np.linalg.eigvals(M) - 1)/h)
    assert np.abs(got - want).max() < 2e-4, (got, want)

@pytest.mark.parametrize('loss', ['minimax', 'non_saturating', 'wasserstein'])
def test_dirac_without(loss):
    "Without it, or with K = 0, the eigenvalues are ±if': a centre"
    c = 1. if loss == 'wasserstein' else .5
    for tricks in ((), unrolled(0, .2, .1)):
        M = one_step_map(loss=loss, update='simultaneous', tricks=tricks)
        assert np.abs(np.sort_complex((np.linalg.eigvals(M) - 1)/.1) - np.array([-1j*c, 1j*c])).max() < 2e-4

@pytest.mark.parametrize('update', ['alternating', 'simultaneous'])
@pytest.mark.parametrize('loss', ['minimax', 'non_saturating', 'wasserstein'])
@pytest.mark.part(4)
def test_dirac_from_far(loss, update):
    "From (1, 1) it converges, K η = 1; without it nothing does within as many steps"
    calm, learn = dirac(h=.1, loss=loss, update=update), dirac(h=.1, loss=loss, update=update, tricks=unrolled(2, .5, .1))
    go(calm, 300); go(learn, 300)
    assert radius(calm) > .4 and radius(learn) < 2e-3      # NS alternating goes down as sqrt(8/(h k)) = .5 of itself

def test_dirac_rate():
    "Simultaneous, near 0: each step shrinks the distance by |1 + hλ| = sqrt(1 - hKη/2 + h²/4)"
    learn, h, kn = dirac(1e-2, -1e-2, h=.1, loss='minimax', update='simultaneous', tricks=unrolled(5, .2, .1)), .1, 1.
    rs = []
    for _ in range(40): go(learn, 5); rs.append(np.log(radius(learn)))
    assert abs(np.polyfit(np.arange(40)*5, rs, 1)[0] - .5*np.log(1 - h*kn/2 + h*h/4)) < 1e-3

# Unrolling through the learner

def points(theta, tricks, loss, **kwargs):
    "θ + randn against a ring of points and a small smooth D; G's rate is 1, so that a step of G is its gradient"
    torch.manual_seed(3)
    D = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    return GANLearner(tensor_dls(torch.randn(32, 2), bs=16), Theta(*theta), D, loss=loss, opt=lambda ps, lr: torch.optim.SGD(ps, lr=lr), lr_g=1., lr_d=.5, z_dim=1, device='cpu', tricks=tricks, **kwargs)

def g_step(theta, **kwargs):
    "G's loss at θ, and its gradient there"
    learn = points(theta, **kwargs)
    learn.half_step('g'); go(learn, 1)
    return float(learn.history['g_loss'].iloc[-1]), (torch.tensor(theta) - learn.G.theta.detach()).numpy()

@pytest.mark.parametrize('loss', ['minimax', 'relativistic', 'lsgan'])
@pytest.mark.parametrize('extra', [(), (('gradient_penalty', dict(gamma=2)),), (('instance_noise', dict(sigma=.5, share=1)),)], ids=['plain', 'penalty', 'noise'])
@pytest.mark.part(2)
def test_gradient_is_that_of_the_unrolled_objective(loss, extra, e=3e-3):
    "By finite differences of the recorded loss, other tricks' terms and what D keeps to itself included"
    kwargs = dict(loss=loss, tricks=[*extra, ('unrolled', dict(steps=3))])
    _, got = g_step((.7, -.4), **kwargs)
    want = [(g_step((.7 + e*a, -.4 + e*b), **kwargs)[0] - g_step((.7 - e*a, -.4 - e*b), **kwargs)[0])/(2*e) for a, b in ((1, 0), (0, 1))]
    _, half = g_step((.7, -.4), loss=loss, tricks=[*extra, ('unrolled', dict(steps=3, first_order=True))])
    assert np.abs(got - want).max() < 1e-3 < 5e-3 < np.abs(got - half).max(), (got, want, half)

@pytest.mark.parametrize('opt', ['sgd', 'adam', 'adamw', 'rmsprop'])
def test_ahead_is_where_d_goes(opt):
    "On one batch, D's unrolled weights are those that D's own optimiser reaches"
    learn = make_learner(opt=opt, lr_d=1e-2, n=8, bs=8); go(learn, 3)
    t = learn.tricks['unrolled']; t.params = t.checked(dict(steps=4))
    c = learn.open_update(0, 'd'); c.xf = learn.G(c.z).detach(); learn.n_batches -= 1
    ahead = {n: w.detach() for n, w in t.unroll(c).items()}
    for _ in range(4):
        learn.base_loss.d_loss(learn.D(c.x).flatten(), learn.D(c.xf).flatten()).backward()
        learn.opt_d.step(); learn.opt_d.zero_grad()
    for n, p in learn.D.named_parameters(): assert (p - ahead[n]).abs().max() < 1e-5, n

class RowsLSTM(nn.Module):
    "A recurrent D"
    def __init__(self): super().__init__(); self.net, self.last = nn.LSTM(2, 4, batch_first=True), nn.Linear(4, 1)
    def forward(self, x): return self.last(self.net(x[:, None])[0][:, 0])

class RowsAttention(nn.Module):
    "An attentive network, fused"
    def __init__(self, a, b):
        super().__init__()
        self.first, self.net, self.last = nn.Linear(a, 8), nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, b)
    def forward(self, x):
        h = self.first(x)[:, None].repeat(1, 3, 1)
        return self.last(self.net(h, h, h, need_weights=False)[0].mean(1))

def refuses(learn, name, **params):
    was = learn.state_hash()
    with pytest.raises(Refused) as e: learn.tricks.on(name, **params)
    assert learn.state_hash() == was
    return one_sentence(e.value)

def test_unrolled_on_odd_networks():
    learn = make_learner(D=RowsAttention(2, 1))
    assert 'first_order=True' in refuses(learn, 'unrolled')
    learn.tricks.on('unrolled', first_order=True); go(learn, 2)
    with pytest.raises(Refused): learn.tricks.set('unrolled', first_order=False)
    assert learn.tricks['unrolled'].first_order
    learn = make_learner(opt=torch.optim.Adagrad)
    assert 'Adagrad' in refuses(learn, 'unrolled')
    learn.tricks.on('unrolled', inner='sgd'); go(learn, 2)

class Cached(nn.Module):
    "A D that computes with a list of weights made once"
    def __init__(self): super().__init__(); self.net = nn.Linear(2, 1); self.kept = [self.net.weight, self.net.bias]
    def forward(self, x): return nn.functional.linear(x, *self.kept)

def test_unrolled_needs_weights_that_can_be_lent(): assert 'own D.net.' in refuses(make_learner(D=Cached()), 'unrolled')

class Checkpointed(nn.Module):
    "A D that forgets its activations, and computes them again on the way back"
    def __init__(self, reentrant): super().__init__(); self.net, self.reentrant = conv_d(), reentrant
    def forward(self, x): return checkpoint(self.net, x, use_reentrant=self.reentrant)

@pytest.mark.parametrize('first_order', [False, True])
@pytest.mark.parametrize('reentrant', [False, True])
def test_unrolled_refuses_checkpoints(reentrant, first_order):
    "By the time the activations are computed again, the lent weights are gone"
    assert 'checkpoint' in refuses(make_learner('dropout', D=Checkpointed(reentrant)), 'unrolled', first_order=first_order)

@pytest.mark.parametrize('kind', ['tied', 'lstm'])
def test_unrolled_lends_all_weights(kind):
    "Tied ones, and those of a recurrent layer, which keeps a list of its own: D goes where its optimiser would take it"
    learn = make_learner('tied', opt=lambda ps, lr: torch.optim.SGD(ps, lr=lr), lr_d=.1, D=RowsLSTM() if kind == 'lstm' else None)
    t = learn.tricks['unrolled']; t.params = t.checked(dict(steps=2))
    go(learn, 1)
    c = learn.open_update(0, 'd'); c.xf = learn.G(c.z).detach()
    ahead = t.unroll(c)
    for _ in range(2): learn.opt_d.zero_grad(); learn.base_loss.d_loss(learn.D(c.x).flatten(), learn.D(c.xf).flatten()).backward(); learn.opt_d.step()
    for n, p in learn.D.named_parameters(): assert torch.allclose(p, ahead[n], atol=1e-6), n

# Path length and feature matching

def test_path_length_on_odd_networks():
    assert 'does not allow it' in refuses(make_learner(G=RowsAttention(3, 2), z_dim=3), 'path_length')
    class Deaf(Theta):
        def forward(self, z): return self.theta.expand(len(z), 2)
    assert 'does not allow it' in refuses(make_learner(G=Deaf(1.), z_dim=1), 'path_length')

def test_path_length_from_an_inner_latent():
    "The output of a mapping network counts as latent, layer by layer where it has layers"
    class Mapped(nn.Module):
        z_dim = 3
        def __init__(self): super().__init__(); self.mapping, self.synthesis = nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(.2, inplace=True)), nn.Linear(8, 2)
        def forward(self, z):
            w = self.mapping(z)[:, None].repeat(1, 4, 1)
            return self.synthesis(w.mean(1))
    learn = make_learner(G=Mapped())
    learn.tricks.on('path_length', latent='mapping', every=1)
    lengths = learn.tricks['path_length'].lengths(learn, torch.randn(500, 3), torch.Generator().manual_seed(0)).detach()
    assert abs(float(lengths.square().mean()/learn.G.synthesis.weight.detach().square().sum()) - 1) < .2
    go(learn, 3); assert (learn.history['g_loss/path_length'] > 0).all()

def test_the_two_leave_no_trace_in_buffers():
    "BatchNorm's statistics are those of a run without the term, as long as G's weights are"
    for name, params in (('path_length', dict(every=1, weight=0)), ('path_length', dict(every=1)), ('feature_matching', dict(mode='add'))):
        calm, learn = (GANLearner(tensor_dls(data(16), bs=8), *dcgan(16, 1, 6, 4, bn_d=True, seed=1), device='cpu', tricks=tricks) for tricks in ((), [(name, params)]))
        go(calm, 1); go(learn, 1)
        for key in 'GD':
            a, b = getattr(calm, key), getattr(learn, key)
            assert all(torch.equal(p, q) for p, q in zip(a.buffers(), b.buffers())), (name, key)
        assert all(torch.equal(p, q) for p, q in zip(calm.D.parameters(), learn.D.parameters()))

def test_feature_matching_and_top_k_say_so():
    from ganlab.trick import Trick
    class Half(Trick):
        name, title = 'half', 'Half'
        def scores(self, l, ctx): return l[:4]
    learn = make_learner(); learn.tricks.add(Half); learn.tricks.on('half')
    assert 'Half has nothing to act on' in learn.tricks.on('feature_matching').sentence
    learn.tricks.on('label_smoothing'); go(learn, 1)          # targets are D's, and D's loss is as ever
    learn.tricks.off('label_smoothing'); learn.set_loss('relativistic'); go(learn, 1)

# Virtual batch norm

def vbn(net='G', **params):
    learn = GANLearner(tensor_dls(data(16), bs=8), *dcgan(16, 1, 6, 4, bn_d=net != 'G', seed=1), lr_g=2e-3, device='cpu')
    go(learn, 2)
    learn.tricks.on('virtual_batch_norm', net=net, **params)
    return learn

def test_vbn_gives_each_sample_its_own_slope():
    "With it, no sample of D's batch has a share in another's gradient; with BatchNorm, it has"
    def leak(D):
        x = data(16)[:6].requires_grad_()
        return float(torch.autograd.grad(D(x).flatten()[0], x)[0][1:].abs().max())
    learn = vbn('D', over=3)
    assert leak(learn.D) > 1e-6
    go(learn, 3)
    assert leak(learn.D) == 0

def test_vbn_is_seen_by_nobody_else():
    "The layers are found as before; a copy of the network is whole; what stands behind a BatchNorm stays"
    learn = vbn(over=0)
    calm = vbn(over=0); calm.tricks.off('virtual_batch_norm', now=True)
    assert [s.name for s in sites(learn, 'g')] == [s.name for s in sites(calm, 'g')]
    twin, z = deepcopy(learn.G).eval(), torch.randn(4, 6)
    learn.G.eval(); assert torch.equal(twin(z), learn.G(z))
    learn.G[1].weight.data.mul_(2.); assert not torch.equal(twin(z), learn.G(z))
    learn.G.train()
    learn.tricks.off('virtual_batch_norm', now=True)
    assert not learn.G._forward_hooks and not learn.G._forward_pre_hooks and not learn.G._forward_hooks_always_called

    class Twice(nn.Module):
        def __init__(self): super().__init__(); self.gate = nn.Parameter(torch.zeros(()))
        def forward(self, y): return 2*y
    insert(learn.G[2], 'twice', Twice(), 'after')
    learn.tricks.on('virtual_batch_norm', over=0)
    bn = learn.G[2]; seen = []
    h = bn.ganlab_virtual_batch_norm.register_forward_hook(lambda m, a, y: seen.append(y))
    outs = []; k = bn.register_forward_hook(lambda m, a, y: outs.append(y))
    with torch.no_grad(): learn.G(z)
    assert all(torch.equal(2*a, b) for a, b in zip(seen, outs)) and len(seen) == 2       # the reference batch, then z
    h.remove(); k.remove(); remove(bn, 'twice')

def test_vbn_is_alive_and_leaves():
    "γ and β, all along BatchNorm's own, are trained through it; leaving changes nothing at its end"
    learn = vbn(over=10); gs = {n: p.detach().clone() for n, p in learn.G.named_parameters()}
    go(learn, 60)
    assert all(not torch.equal(p, gs[n]) for n, p in learn.G.named_parameters())
    assert all(float(p.gate) == 1 for p in learn.tricks['virtual_batch_norm'].parts(learn))
    learn.tricks.off('virtual_batch_norm'); go(learn, 9)
    assert learn.tricks['virtual_batch_norm'].leaving == (9, 10)
    learn.tricks.on('virtual_batch_norm'); go(learn, 1); assert abs(float(learn.G[2].ganlab_virtual_batch_norm.gate) - .2) < 1e-5      # it turned round
    learn.tricks.off('virtual_batch_norm'); go(learn, 10)
    assert not learn.tricks['virtual_batch_norm'].enabled and not any('ganlab' in n for n in learn.G.state_dict()); groups_hold(learn)

def test_vbn_refuses():
    class Shared(nn.Module):
        def __init__(self): super().__init__(); self.a, self.bn, self.b = nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)
        def forward(self, z): return self.b(self.bn(self.bn(self.a(z)).relu()))
    assert 'G.bn is not used exactly once' in refuses(make_learner(G=Shared(), z_dim=3), 'virtual_batch_norm')
    assert 'D has none' in refuses(make_learner('dcgan'), 'virtual_batch_norm', net='both')

# All four

@pytest.mark.parametrize('amp', [None, 'bf16'])
def test_all_four_at_once(amp):
    "With BatchNorm and dropout about, in either precision; then off, one by one"
    D = nn.Sequential(*conv_d(dropout=.2)[:-4], nn.BatchNorm2d(8), *conv_d()[-4:])
    learn = GANLearner(tensor_dls(data(16), bs=8), bn_g(), D, device='cpu', amp=amp)
    names = ['virtual_batch_norm', 'feature_matching', 'path_length', 'unrolled']
    for name, params in zip(names, (dict(net='both', over=4), dict(mode='add'), dict(every=2), dict(steps=2))): learn.tricks.on(name, **params); go(learn, 2)
    go(learn, 3)
    for name in names: learn.tricks.off(name, now=True); go(learn, 1); groups_hold(learn)
    assert not learn.tricks.enabled and learn.history[['d_loss', 'g_loss']].notna().all().all()

class Bare(nn.Module):
    "Its weights are its own: there is no layer in it"
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(2, 1))
    def forward(self, x): return (x@self.w)[:, 0]

@pytest.mark.parametrize('make, named', [(Bare, False), (lambda: nn.Sequential(Bare(), nn.Identity()), True)])
def test_a_layer_to_name(make, named):
    "A refusal asks for the name of a layer only where there is one that can be named"
    learn = GANLearner(ring_dls(n=64, bs=16), mlp(width=8, depth=1, seed=0)[0], make(), seed=0)
    said = learn.tricks.why_not('feature_matching')
    assert 'no linear or convolutional layer that is used once' in said and ('name one of its layers' in said) == named
