"What D is given instead of the plain samples: augmentation, neighbours, fakes of the past, wrong labels; on images, on strangers' networks, and by the theory of the Dirac-GAN."
import numpy as np
import pytest, torch
from torch import nn
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.losses import losses
from ganlab.engine.change import Refused
from ganlab.trick import Ctx
from ganlab.tricks.diffaugment import augment, shifted
from ganlab.engine.game import over_parts
from ganlab.tricks.label_flip import lies
from games import play
from strangers import conv_d, copies, data, go, make_learner, net_state, unequal

IMAGES = ['dcgan', 'resnet', 'dropout', 'inplace', 'named']
KINDS = ['mlp', 'skip', 'loop', 'tied', *IMAGES]

def context(learn, phase='d', who='', step=0):
    "An update in which the scores are there"
    c = Ctx(learn, step, 0, phase)
    c.who, c.x, c.z = who, learn.source.batch(0), learn.latents(learn.bs)
    with torch.no_grad(): c.xf = learn.G(c.z)
    c.l_real, c.l_fake = c.score(c.x, 'real'), c.score(c.xf, 'fake')
    return c

# Augmentation

def reference(x, dy, dx):
    "A shift, image by image, pixel by pixel"
    out = torch.zeros_like(x)
    for b in range(len(x)):
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                if 0 <= i - dy[b] < x.shape[2] and 0 <= j - dx[b] < x.shape[3]: out[b, :, i, j] = x[b, :, i - dy[b], j - dx[b]]
    return out

@pytest.mark.parametrize('shape', [(1, 4, 4), (3, 5, 8), (2, 1, 7)])
def test_shifts(shape):
    x = torch.randn(30, *shape)
    dy, dx = torch.randint(-6, 7, (2, 30))
    assert torch.equal(shifted(x, dy, dx), reference(x, dy, dx))

@pytest.mark.parametrize('kind', IMAGES)
@pytest.mark.parametrize('name, params', [('diffaugment', {}), ('ada', dict(start=.7, cutout=True))])
@pytest.mark.part(3)
def test_augmentation_trains_on(kind, name, params):
    "It changes the run, the samples that one looks at are as G makes them, and G learns through it"
    learn, calm = make_learner(kind), make_learner(kind)
    learn.tricks.on(name, **params)
    assert torch.equal(learn.sample(4), calm.sample(4)) and torch.equal(learn.score(data(learn.source.shape[1])[:4]), calm.score(data(learn.source.shape[1])[:4]))
    go(learn, 2); go(calm, 2)
    assert unequal(net_state(learn.G), net_state(calm.G)) and unequal(net_state(learn.D), net_state(calm.D))
    assert all(torch.isfinite(t).all() for t in copies(learn).values())

@pytest.mark.parametrize('name, params', [('diffaugment', {}), ('ada', dict(start=.7))])
@pytest.mark.parametrize('other', ['gradient_penalty', 'wgan_gp', 'relativistic_gp', 'feature_matching', 'instance_noise', 'unrolled'])
@pytest.mark.part(2)
def test_augmentation_beside(name, params, other):
    "Penalties see what D sees, and their second derivative goes through it"
    learn = make_learner('dcgan')
    if name == 'ada' and other in ('wgan_gp', 'relativistic_gp'):
        learn.tricks.on(name, **params)
        with pytest.raises(Refused, match='does not see D.s level'): learn.tricks.on(other)
        params = dict(params, adapt=False)
    learn.tricks.on(name, **params); learn.tricks.on(other); go(learn, 3)
    assert learn.history[['d_loss', 'g_loss']].notna().all().all()

@pytest.mark.parametrize('name, params', [('diffaugment', dict(color=False)), ('ada', dict(start=.8, cutout=True, color=False))])
def test_a_penalty_sees_what_the_loss_has_seen(name, params):
    "The slope of D∘T, for the T of this update, with respect to the image before T"
    learn = make_learner('dcgan', bs=6)
    learn.tricks.on(name, **params)
    c, seen = context(learn), []
    hook = learn.D.register_forward_pre_hook(lambda m, args: seen.append(args[0].detach().clone()))
    x = c.x.clone().requires_grad_(True)
    for _ in range(2): g, = torch.autograd.grad(c.score(x, 'real').sum(), x)
    c.score(c.x, 'fake')
    hook.remove()
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2]) and not torch.equal(seen[0], c.x)
    assert ((g == 0).flatten(1).sum(1) > 0).any(), 'what was cut out or shifted away has no slope'

def test_augmentation_through_growing():
    "Whatever size the images have at the moment"
    from ganlab.nets import dcgan
    learn = make_learner(G=dcgan(16, 1, 6, 4, seed=0)[0], D=dcgan(16, 1, 6, 4, seed=0)[1], kind='resnet')
    for name in ('diffaugment', 'ada', 'consistency', 'replay_buffer'): learn.tricks.on(name)
    go(learn, 2)
    assert learn.tricks['replay_buffer'].past.shape[1:] == (1, 16, 16)
    learn.tricks.on('progressive_growing'); go(learn, 2)
    assert learn.tricks['replay_buffer'].past.shape[1:] == tuple(learn.source.shape)

def test_bf16():
    "Under autocast G's samples are of half the width, the reals are not"
    learn = make_learner('dcgan', amp='bf16')
    for name, params in (('diffaugment', {}), ('ada', dict(start=.5)), ('consistency', {}), ('replay_buffer', {}), ('label_flip', {})): learn.tricks.on(name, **params)
    go(learn, 4)
    assert learn.history[['d_loss', 'g_loss']].notna().all().all()

def test_noise_goes_on_to_fall():
    "From the step of its switch on, also after going back to a snapshot, and in a fork"
    learn = make_learner(); go(learn, 3)
    learn.tricks.on('instance_noise', schedule='linear', over=20)
    t = learn.tricks['instance_noise']
    assert t.sigma_at(13) == pytest.approx(t.sigma_at(3)/2) and t.sigma_at(3) == pytest.approx(t.sigma*t.std)
    go(learn, 2); snap, now = learn.snapshot(), t.sigma_at(5)
    fork = learn.fork(); assert fork.tricks['instance_noise'].sigma_at(5) == now
    t.start = 0; assert t.sigma_at(5) != now
    learn.restore(snap); assert t.sigma_at(5) == now

@pytest.mark.parametrize('n_d', [1, 3])
def test_ada_counts_images(n_d):
    "With a D that calls all reals real, p is the number of images D has had over `images`, however many updates a step has"
    D = conv_d()
    with torch.no_grad(): D[-1].bias.fill_(9.)
    learn = make_learner('dcgan', D=D, n_d=n_d, lr_d=0., lr_g=0.)
    learn.tricks.on('ada', images=1000, every=3)
    go(learn, 6)
    h = learn.history
    assert np.allclose(h.ada_p, [(n*n_d//3)*3*8/1000 for n in range(1, 7)]) and (h.ada_r.dropna() == 1).all()

# Consistency

@pytest.mark.parametrize('kind', KINDS)
def test_consistency_leaves_no_trace(kind):
    "Its extra passes advance no buffer of D or G and not PyTorch's generator; without T and δ its terms are 0, whatever the networks draw"
    learn = make_learner(kind)
    if kind in ('dcgan', 'resnet', 'dropout'): learn.tricks.on('spectral_norm', net='D')
    go(learn, 2)
    t = learn.tricks['consistency']
    t.params = t.checked(dict(shift=0, flip=False, jitter=0, sigma=0))
    c, g = context(learn, who=t.name), context(learn, 'g', t.name)
    was, rng = copies(learn), torch.get_rng_state()
    assert t.d_term(c) == 0 and t.g_term(g) == 0
    t.params = t.checked(dict(shift=.2, flip=True, jitter=.2, sigma=.5))
    assert t.d_term(c) > 0 and t.g_term(g) < 0
    assert not unequal(was, copies(learn)) and torch.equal(rng, torch.get_rng_state())

def test_consistency_pays_only_in_its_own_phase():
    "D's terms have no gradient in G, and G's none in D"
    learn = make_learner('dcgan')
    t = learn.tricks['consistency']
    t.d_term(context(learn, who=t.name)).backward()
    assert all(p.grad is None for p in learn.G.parameters()) and any(p.grad is not None for p in learn.D.parameters())
    learn.D.zero_grad()
    t.g_term(context(learn, 'g', t.name)).backward()
    assert all(p.grad is None for p in learn.D.parameters()) and all(p.grad is not None for p in learn.G.parameters())

# Experience replay, on the Dirac-GAN: the data are zeros, G(z) = θ, D(x) = ψx

class Theta(nn.Module):
    z_dim = 1
    def __init__(self, at): super().__init__(); self.theta = nn.Parameter(torch.tensor(at))
    def forward(self, z): return self.theta.expand(len(z), 1)

@pytest.mark.parametrize('f, size', [(.5, 160), (.25, 160)])
def test_dirac_replay(f, size, h=.05, bs=32):
    "The radius grows as the complex pair of λ³ + aλ² + (1 - f)λ + a says, a = f·B/(size·h): an answer to where G was is negative damping"
    D = nn.Linear(1, 1, bias=False); nn.init.constant_(D.weight, -1.)
    learn = GANLearner(tensor_dls(torch.zeros(64, 1), bs=bs), Theta(1.), D, loss='wasserstein', opt=lambda ps, lr: torch.optim.SGD(ps, lr=lr), lr_g=h, lr_d=h, device='cpu')
    learn.tricks.on('replay_buffer', size=size, fraction=f)
    a = f*bs/(size*h)
    rate = max(np.roots([1, a, 1 - f, a]).real)
    steps, radii = round(2/rate/h), []
    fill = round(6/h)
    for n in (fill, steps):
        go(learn, n)
        period = []                                       # the radius, over a turn
        for _ in range(round(2*np.pi/h/5)): go(learn, 5); period.append(learn.G.theta.item()**2 + learn.D.weight.item()**2)
        radii.append(np.mean(period))
    measured = .5*np.log(radii[1]/radii[0])/(h*(steps + 5*len(period)))
    assert rate > 0 and abs(measured - rate) < .1*rate, (measured, rate)

# Labels

@pytest.mark.parametrize('game', ['scales', 'ensemble', 'patches'])
def test_flipping_all_the_targets_of_many_scores(game):
    "A step with p = 1 is one with the targets exchanged, with a D of several parts; with p between, only some are"
    other = losses['non_saturating'].with_targets(real=0., fake=1.)
    flipped, exchanged, half = play(game, tricks=[('label_flip', dict(p=1))]), play(game, loss=other), play(game, tricks=[('label_flip', dict(p=.5))])
    for l in (flipped, exchanged, half): go(l, 1)
    for a, b in zip(flipped.D.parameters(), exchanged.D.parameters()): assert (a - b).abs().max() < 1e-5
    assert any((a - b).abs().max() > 1e-5 for a, b in zip(flipped.D.parameters(), half.D.parameters()))
    l_real, l_fake = torch.randn(3, 7), torch.randn(3, 7)
    flips = torch.rand(3, 7) < .5, torch.rand(3, 7) < .5
    parts, loss = (4, 3), losses['non_saturating']
    by_hand = sum((torch.nn.functional.binary_cross_entropy_with_logits(l[:, a], 1.*((t == 1) ^ f[:, a])) - torch.nn.functional.binary_cross_entropy_with_logits(l[:, a], torch.full_like(l[:, a], t)))/2
                  for a in (slice(4), slice(4, 7)) for l, f, t in ((l_real, flips[0], 1.), (l_fake, flips[1], 0.)))
    assert torch.allclose(over_parts(lambda *o: lies(loss, *o), parts, l_real, l_fake, *flips), by_hand, atol=1e-6)

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'tied'])
@pytest.mark.parametrize('loss', ['non_saturating', 'minimax', 'lsgan'])
def test_flipping_all_is_exchanging_the_targets(kind, loss):
    "A step with p = 1 is a step of the loss with its targets exchanged"
    other = losses[loss].with_targets(real=0., fake=1.)
    flipped, exchanged = make_learner(kind, loss=loss, tricks=[('label_flip', dict(p=1))]), make_learner(kind, loss=other)
    go(flipped, 1); go(exchanged, 1)
    for a, b in ((flipped.D, exchanged.D), (flipped.G, exchanged.G)):
        for p, q in zip(a.parameters(), b.parameters()): assert (p - q).abs().max() < 1e-5
