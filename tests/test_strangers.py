"What strangers' networks do that ganlab's own do not: colour and `.view`, layers and weights of their own kinds, parts that are frozen."
import pytest, torch, warnings
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable
from ganlab.data import Batch, tensor_dls
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.engine.sites import at, instead, layers, sites
from ganlab.engine.surgery import insert, laid_like
from ganlab.engine.level import level_bias
from ganlab.engine.odd_layers import resting, unheard
from ganlab.engine.change import Refused
from ganlab.trick import Trick
from ganlab.tricks.diffaugment import augment
from strangers import Equal, FunctionalD, Normalising, conv_d, data, go, make_learner, moved, net_state, one_sentence

# What a trick makes lies in memory as what it stands for

class Views(nn.Module):
    "Flattens its features, and first of all its images, with `.view`"
    def __init__(self, c=3, w=4):
        super().__init__()
        self.body, self.head = nn.Sequential(nn.Conv2d(c, w, 4, 2, 1), nn.LeakyReLU(.2), nn.Conv2d(w, w, 4, 2, 1), nn.LeakyReLU(.2)), nn.Linear(w*16, 1)
    def forward(self, x):
        x.view(len(x), -1)
        h = self.body(x)
        return self.head(h.view(h.size(0), -1))

class Turned(nn.Module):
    "What it gives has the right shape, in another order in memory; it adds nothing"
    def __init__(self): super().__init__(); self.register_buffer('gate', torch.ones(()))
    def forward(self, y): return y.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)

class Mirror(Trick):
    "Turns all that D sees around, and leaves it in another order in memory"
    name, title, number = 'mirror', 'Mirror', 2002
    def inputs(self, x, ctx): return x.permute(0, 2, 3, 1).flip(2).contiguous().permute(0, 3, 1, 2)
    def fakes(self, xf, ctx): return xf.permute(0, 3, 2, 1).contiguous().permute(0, 3, 2, 1)

def colour(D=None, n=40, **kwargs):
    "Colour images of 16 pixels"
    x = torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(3))*2 - 1
    return GANLearner(tensor_dls(x, 8), dcgan(16, 3, 6, 4, seed=0)[0], Views() if D is None else D, **kwargs)

@pytest.mark.parametrize('name, params', [('diffaugment', {}), ('ada', dict(start=.7)), ('consistency', {}), ('mirror', {}), ('packing', {}), ('progressive_growing', dict(mode='curriculum')),
                                          ('instance_noise', {}), ('replay_buffer', {}), ('gradient_penalty', dict(points='interp')), ('dual_discriminator', {}), ('self_attention', {}), ('residual', {})])
def test_a_d_that_says_view(name, params):
    learn = colour(); learn.tricks.add(Mirror)
    learn.tricks.on(name, **params); go(learn, 2)
    assert learn.step == 2

def test_in_the_order_that_it_was_given():
    "Channels last stay last; what lies right is not copied; a graft gives its layer's order back"
    x = torch.randn(2, 3, 4, 4)
    last = x.to(memory_format=torch.channels_last)
    assert laid_like(last, x).is_contiguous() and laid_like(x, last).is_contiguous(memory_format=torch.channels_last)
    assert laid_like(x, x) is x and laid_like(last, last) is last
    seen = []
    class Looks(Views):
        def forward(self, x): seen.append(x.is_contiguous(memory_format=torch.channels_last)); return self.head(self.body(x).flatten(1))
    learn = colour(Looks())
    pair = learn.source.pair
    learn.source.pair = lambda i: Batch(pair(i).x.to(memory_format=torch.channels_last))
    learn.tricks.on('diffaugment'); seen.clear(); go(learn, 1)
    assert seen == [True, False, False]        # the reals as they come, the fakes as G makes them
    D = Views(); insert(D.body[2], 'turned', Turned(), 'after')
    assert D(x.repeat(1, 1, 4, 4)).shape == (2, 1)

def test_no_bit_moves_where_nothing_is_to_be_laid_out():
    "Grey images and points lie right already"
    class Same(Trick):
        name, title, number = 'same', 'Same', 2003
        def inputs(self, x, ctx): return x
    for kind in ('dcgan', 'mlp'):
        learn, calm = make_learner(kind), make_learner(kind)
        learn.tricks.add(Same); learn.tricks.on('same')
        go(learn, 3); go(calm, 3)
        assert all(torch.equal(a, b) for a, b in zip(learn.model.parameters(), calm.model.parameters()))

# Whose fault it is

class Cropped(Trick):
    "Gives D images that it has no layer for"
    name, title, number = 'cropped', 'Cropped', 2004
    slot = 'inputs'
    def inputs(self, x, ctx): return x[..., 1:] if self.slot == 'inputs' and ctx.step == 2 else x
    def fakes(self, xf, ctx): return xf[..., 1:] if self.slot == 'fakes' and ctx.step == 2 else xf

@pytest.mark.parametrize('slot', ['inputs', 'fakes'])
def test_what_d_chokes_on_has_a_name(slot):
    "The trick is named, and the training goes on without it"
    learn = colour(); learn.tricks.add(Cropped).slot = slot
    for name in ('instance_noise', 'cropped', 'replay_buffer'): learn.tricks.on(name)
    with pytest.raises(StepError, match='D does not take what Cropped makes of its samples') as e: go(learn, 4)
    assert e.value.culprit == 'cropped' and learn.step == 2 and one_sentence(e.value)
    learn.tricks.off('cropped'); go(learn, 2)
    assert learn.step == 4

def test_a_d_that_fails_by_itself_blames_nobody():
    class Tires(Views):
        n = 0
        def forward(self, x):
            if (n := self.__dict__['n'] + 1 if 'n' in self.__dict__ else 1) > 40: raise MemoryError('no memory left')
            self.__dict__['n'] = n
            return super().forward(x)
    learn = colour(Tires()); learn.tricks.on('diffaugment')
    with pytest.raises(StepError, match='in the networks or the loss: no memory left') as e: go(learn, 40)
    assert e.value.culprit is None

# Augmentation at any size

@pytest.mark.parametrize('size', [12, 16, 20, 27, 28, 44])
def test_shares_of_a_side_go_to_the_nearest_pixel(size):
    "As the authors': int(size·share + ½)"
    ones, g = torch.ones(4000, 1, size, 16), torch.Generator().manual_seed(0)
    moved = augment(ones, g, False, True, False)[:, 0]
    assert (moved == 0).all(2).sum(1).max() == int(size/8 + .5)
    assert (augment(ones, g, False, False, True)[:, 0] == 0).any(2).sum(1).max() == int(size/2 + .5)

# Gradients that cannot be differentiated

class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): ctx.save_for_backward(x); return x.clamp(min=0)
    @staticmethod
    @once_differentiable
    def backward(ctx, g): return g*(ctx.saved_tensors[0] > 0)

class Opaque(nn.Module):
    "A network with such an operation in its middle"
    def __init__(self, a, b): super().__init__(); self.first, self.last = nn.Linear(a, 8), nn.Linear(8, b)
    def forward(self, x): return self.last(Once.apply(self.first(x)))

@pytest.mark.parametrize('which, name, params', [('D', 'gradient_penalty', {}), ('D', 'gradient_penalty', dict(points='dragan')), ('D', 'wgan_gp', {}), ('D', 'relativistic_gp', {}), ('D', 'unrolled', {}),
                                                 ('D', 'consensus', {}), ('G', 'consensus', {}), ('G', 'path_length', {})])
def test_an_operation_without_a_second_derivative(which, name, params):
    "Refused before the switch, with what to do; nothing has moved, and gradients that somebody keeps are there"
    learn = make_learner(**{which: Opaque(*((2, 1) if which == 'D' else (3, 2)))}, z_dim=3); go(learn, 2)
    for p in learn.model.parameters(): p.grad = torch.ones_like(p)
    was = learn.state_hash()
    with pytest.raises(Refused, match='once_differentiable') as e: learn.tricks.on(name, **params)
    assert 'plain PyTorch' in one_sentence(e.value) and learn.state_hash() == was and all((p.grad == 1).all() for p in learn.model.parameters())
    go(learn, 1)

def test_what_needs_no_second_derivative_takes_it():
    learn = make_learner(D=Opaque(2, 1), z_dim=3)
    for name, params in (('unrolled', dict(first_order=True)), ('path_length', {})): learn.tricks.on(name, **params)
    go(learn, 2)

# Growing

def flat_nets(side=8):
    "Fully connected networks for small colour images, as in many a first GAN"
    n = 3*side*side
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, n), nn.Tanh(), nn.Unflatten(1, (3, side, side))), nn.Sequential(nn.Flatten(), nn.Linear(n, 16), nn.LeakyReLU(.2), nn.Linear(16, 1))

@pytest.mark.parametrize('which', ['flat', 'flat D', 'convolutional'])
def test_growth_is_promised_where_it_can_be_had(which):
    "What the constructor says, what the switch says, and what then grows"
    (G, D), (Gc, Dc) = flat_nets(), dcgan(16, 3, 6, 4, seed=0)
    G, D, side = dict(flat=(G, D, 8), convolutional=(Gc, Dc, 16)).get(which, (Gc, nn.Sequential(nn.Flatten(), nn.Linear(768, 1)), 16))
    with pytest.warns(UserWarning, match='averaged down') as w: learn = GANLearner(tensor_dls(torch.rand(20, 3, 2*side, 2*side)*2 - 1, 4), G, D)
    said, c = str(w[0].message), learn.tricks.on('progressive_growing')
    assert one_sentence(w[0].message)
    if which == 'convolutional':
        assert "up to the data's size" in said and learn.tricks['progressive_growing'].kind == 'resolution' and learn.sample(1).shape[-1] == 2*side
        return
    assert 'they stay so' in said and 'has no convolution' in said and "up to the data's size" not in said
    assert 'images keep their size' in c.caution and 'no larger images' not in c.caution and learn.sample(1).shape[-1] == side
    learn.tricks.off('progressive_growing', now=True)
    with pytest.raises(Refused, match='has no convolution'): learn.tricks.on('progressive_growing', mode='resolution')

# Layers of classes of their own

def test_whatever_owns_a_weight_is_a_layer():
    "Found by a pass, with their shapes; a name may begin with the network's letter, everywhere"
    learn = make_learner('equal')
    assert [(s.name, s.channels) for s in layers(learn, 'd')] == [('first', (3, 4)), ('second', (4, 4)), ('third', (5, 4)), ('head', (64, 1))]
    assert [s.name for s in layers(learn, 'g')] == ['start', 'body.one', 'body.two', 'to_rgb']        # the norm is none
    assert at(learn, 'd', 'D.third') is at(learn, 'd', 'third') and at(learn, 'g', 'G.body.one') is at(learn, 'g', 'body.one')
    for name, params in (('feature_matching', dict(layer='D.third')), ('minibatch_stddev', dict(layer='D.head')), ('dropout', dict(layer='D.second')), ('residual', dict(layer='D.second, G.body.one')),
                         ('self_attention', dict(layer='D.first, G.body.one')), ('path_length', dict(latent='G.start')), ('reinit', dict(which='D.second'))):
        learn.tricks.on(name, **params); go(learn, 1)

def test_what_there_is_instead():
    "Functional weights, layers that run twice, weights without a layer: a refusal names them"
    learn = make_learner('functional')
    said = instead(learn, 'd')
    assert '1 Conv2d are never called' in said and '1 ParameterDict compute with weights that no layer owns' in said
    class Bare(nn.Module):
        def __init__(self): super().__init__(); self.w, self.twice = nn.Parameter(torch.randn(1, 2)), nn.Linear(2, 2)
        def forward(self, x): return F.linear(self.twice(self.twice(x)), self.w)
    bare = make_learner(D=Bare(), z_dim=3)
    for name in ('feature_matching', 'minibatch_stddev', 'dropout', 'packing', 'progressive_growing'):
        why = bare.tricks.why_not(name)
        assert '1 Linear run more than once' in why and '1 Bare compute with weights' in why and why.endswith('.')
        with pytest.raises(Refused) as e: bare.tricks.on(name)
        assert one_sentence(e.value)

def test_spectral_norm_measures_what_it_cannot_derive():
    "A weight that is scaled when it is used: what D will give is tried out, and comes true. One that is normalised: nothing changes"
    learn = make_learner('equal', lr_d=0.)
    x = data((3, 16))
    was = learn.score(x)
    c = learn.tricks.on('spectral_norm', soft_start=0)
    said = float(c.caution.split('spread ')[1].split(' times')[0])
    own = learn.score(torch.cat([learn.some_x[:8], learn.sample(8, z=learn.some_z)])).std()
    learn.tricks.off('spectral_norm', now=True)
    fresh = make_learner('equal', lr_d=0.)
    before = fresh.score(torch.cat([fresh.some_x[:8], fresh.sample(8, z=fresh.some_z)])).std()
    assert said == pytest.approx((own/before).item(), rel=.1) and 'Equal' in c.caution and not torch.equal(was, fresh.score(x)*0)
    D = nn.Sequential(Normalising(1, 4, 4, stride=4), nn.LeakyReLU(.2), Normalising(4, 1, 4), nn.Flatten())
    learn = make_learner('dropout', D=D, z_dim=None)
    was = learn.score(data(16)); c = learn.tricks.on('spectral_norm', soft_start=0)
    assert 'bound their weights themselves' in c.caution and torch.allclose(was, learn.score(data(16)), atol=1e-5)
    assert unheard(learn, 'd') == []            # parametrised by now
    learn.tricks.off('spectral_norm', now=True); assert unheard(learn, 'd') == ['0', '2']
    with pytest.raises(Refused, match='makes no difference'): learn.tricks.on('weight_clipping')

def test_a_layer_of_an_unknown_class_is_drawn_as_it_was_made():
    learn = make_learner('equal', lr_d=.1); go(learn, 5)
    first = learn.pristine[1].second.weight
    learn.tricks.on('reinit', which='D.second', scheme='he_normal')
    assert learn.D.second.weight.std().item() == pytest.approx(first.std().item(), rel=.3) and not torch.equal(learn.D.second.weight, first)
    assert (learn.D.second.bias == 0).all()

# Layers that start at zero, and files

class Residual(nn.Module):
    "A branch whose last layer starts at zero"
    def __init__(self, n): super().__init__(); self.a, self.b = nn.Linear(n, n), nn.Linear(n, n); nn.init.zeros_(self.b.weight)
    def forward(self, x): return x + self.b(torch.relu(self.a(x)))

def residual_d():
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(2, 8), Residual(8), nn.Linear(8, 1))

def test_spectral_norm_where_a_layer_starts_at_zero():
    "It moves nothing at the switch, lets the layer grow, and holds it at the target; off leaves D as it is"
    learn = make_learner(D=residual_d(), lr_d=.02)
    was = learn.score(data()); c = learn.tricks.on('spectral_norm', soft_start=10)
    assert 'D.1.b is all zeros' in c.caution and torch.allclose(was, learn.score(data()), atol=1e-5)
    b = learn.D[1].b.parametrizations.weight
    go(learn, 1); assert b.original.any() and torch.equal(b[0].kappa, torch.ones(()))
    sizes = []
    for _ in range(40):
        go(learn, 5)
        learn.D.eval(); sizes.append(torch.linalg.matrix_norm(learn.D[1].b.weight, 2).item()); learn.D.train()
    assert 0 < sizes[0] < .9 and max(sizes) < 1.02 and sizes[-1] > .9
    was = learn.score(data()); learn.tricks.off('spectral_norm'); assert torch.allclose(was, learn.score(data()), atol=1e-5)

@pytest.mark.parametrize('name, params', [('spectral_norm', dict(soft_start=3)), ('minibatch_stddev', {}), ('style', dict(depth=1)), ('residual', dict(width=3)), ('progressive_growing', dict(stages=2, fade=1, hold=0, width=4)),
                                          ('self_attention', dict(divisor=2)), ('dual_discriminator', dict(alpha=.5)), ('virtual_batch_norm', dict(n=8))])
@pytest.mark.part(2)
def test_weights_of_a_trick_load_where_it_is_off(name, params, tmp_path):
    "It is turned on, with the values that it had; both learners then go on alike"
    kind = 'dropout' if name in ('self_attention', 'virtual_batch_norm') else 'mlp'
    make = lambda: make_learner(kind, **({} if kind == 'dropout' else dict(D=residual_d(), z_dim=3)), path=tmp_path)
    learn = make(); go(learn, 2); learn.tricks.on(name, **params); go(learn, 4); learn.save('w')
    fresh = make(); fresh.load('w')
    assert fresh.tricks[name].enabled and fresh.tricks[name].params == learn.tricks[name].params
    assert net_state(fresh.D).keys() == net_state(learn.D).keys() and not any(not torch.equal(v, net_state(learn.D)[k]) for k, v in net_state(fresh.D).items())
    fresh.step, fresh.n_batches, fresh.tricks[name].since = learn.step, learn.n_batches, learn.tricks[name].since
    go(learn, 2); go(fresh, 2)
    assert not moved(fresh.D, net_state(learn.D)) and not moved(fresh.G, net_state(learn.G))

def test_a_file_that_does_not_fit_changes_nothing(tmp_path):
    learn = make_learner(D=residual_d(), z_dim=3, path=tmp_path); learn.tricks.on('spectral_norm'); learn.save('w')
    other = make_learner(path=tmp_path); was = other.state_hash()
    with pytest.raises(ValueError, match='does not fit these networks') as e: other.load('w')
    assert 'turn on spectral_norm' in one_sentence(e.value) and other.state_hash() == was and not other.tricks.enabled and not other.tricks.log

# Frozen layers, beyond what the contract asks

def test_nothing_frozen_is_drawn_folded_or_recentred():
    learn = make_learner('dropout', D=conv_d())
    learn.D.requires_grad_(False); learn.D[-1].weight.requires_grad_(True)
    was = net_state(learn.D)
    with pytest.raises(Refused, match='stays as it is'): learn.tricks.on('reinit', which='D.0')
    for name in ('spectral_norm', 'wgan_gp', 'weight_clipping', 'reinit'):
        if learn.tricks.why_not(name): continue
        learn.tricks.on(name, **({'n_critic': 1} if name == 'wgan_gp' else {})); go(learn, 3); learn.tricks.off(name, now=True)
    assert moved(learn.D, was) == [n for n in was if n.endswith('8.weight') or n == f'{len(learn.D) - 1}.weight']

class OwnNorm(nn.Module):
    "A spectral norm as it was written in 2018: its vector is a frozen parameter that each forward overwrites"
    def __init__(self, a, b): super().__init__(); self.bar, self.u = nn.Parameter(torch.randn(b, a)), nn.Parameter(torch.randn(b), requires_grad=False)
    def forward(self, x):
        v = F.normalize(self.bar.t() @ self.u, dim=0).detach()
        self.u.data = F.normalize(self.bar @ v, dim=0).detach()
        return F.linear(x, self.bar/(self.u @ (self.bar @ v)))

def test_looking_moves_no_frozen_parameter_either():
    learn = make_learner(G=nn.Sequential(OwnNorm(3, 8), nn.ReLU(), nn.Linear(8, 2)), D=nn.Sequential(OwnNorm(2, 8), nn.ReLU(), nn.Linear(8, 1)), z_dim=3); go(learn, 2)
    was, u = learn.state_hash(), learn.D[0].u
    learn.sample(8); learn.score(data()[:8]); learn.tricks.why_not('feature_matching'); learn.tricks.why_not('gradient_penalty')
    assert learn.state_hash() == was and learn.D[0].u is u
    go(learn, 1); assert learn.state_hash() != was

class Nudged(OwnNorm):
    "One that writes into its vector instead of giving it another"
    def forward(self, x):
        with torch.no_grad(): self.u.data.copy_(F.normalize(self.bar @ F.normalize(self.bar.t() @ self.u, dim=0), dim=0))
        return F.linear(x, self.bar/self.u.norm())

@pytest.mark.parametrize('norm', [OwnNorm, Nudged])
def test_samples_of_an_average_write_nothing_into_it(norm, tmp_path):
    "G overwrites a frozen parameter whenever it runs: a run whose frames are of its average resumes with the same hash"
    def nets():
        torch.manual_seed(1)
        return nn.Sequential(norm(3, 8), nn.ReLU(), nn.Linear(8, 2)), nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    dls = tensor_dls(data(), 8)
    learn = GANLearner(dls, *nets(), z_dim=3, run=tmp_path/'r'); go(learn, 1)
    learn.tricks.on('ema', beta=.5, rampup=0); go(learn, 3)
    was = learn.state_hash(); learn.sample(8); assert learn.state_hash() == was
    learn.run.close()
    assert GANLearner.resume(tmp_path/'r', dls, *nets()).state_hash() == was

class Loose(nn.Module):
    "A spectral norm whose vector is a plain attribute, or a buffer as it should be"
    def __init__(self, a, b, buffer=False, inplace=False):
        super().__init__()
        self.bar, self.inplace = nn.Parameter(torch.randn(b, a)), inplace
        if buffer: self.register_buffer('u', torch.randn(b))
        else: self.u = torch.randn(b)
    def forward(self, x):
        v = F.normalize(self.bar.t() @ self.u, dim=0).detach()
        u = F.normalize(self.bar @ v, dim=0).detach()
        if self.inplace: self.u.copy_(u)
        else: self.u = u
        return F.linear(x, self.bar/(u @ (self.bar @ v)))

@pytest.mark.parametrize('inplace', [False, True])
def test_what_no_snapshot_holds_is_said(inplace):
    "A tensor outside of the buffers that the next pass depends on: one sentence, with what to write; nothing of it has moved"
    D = nn.Sequential(Loose(2, 8, inplace=inplace), nn.ReLU(), Loose(8, 4, inplace=inplace), nn.Linear(4, 1)); u = D[0].u
    with pytest.warns(UserWarning, match=r"D.0 keeps its tensor u \(and 1 more\) in a plain attribute") as w: make_learner(D=D, z_dim=3)
    assert len(w) == 1 and "register_buffer('u', ...)" in one_sentence(w[0].message) and (D[0].u is u or not inplace)

class Notes(nn.Module):
    "Plain tensors that no later pass depends on: a constant, and what the last pass saw"
    def __init__(self): super().__init__(); self.lin, self.half, self.seen = nn.Linear(2, 1), torch.tensor(.5), None
    def forward(self, x): self.seen = x*self.half; return self.lin(self.seen)

@pytest.mark.parametrize('D', [lambda: nn.Sequential(Loose(2, 8, buffer=True), nn.ReLU(), nn.Linear(8, 1)), Notes])
def test_plain_tensors_as_such_are_nothing_to_speak_of(D):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        learn = make_learner(D=D(), z_dim=3)
    go(learn, 2)

# Weights that are made of other parameters, or not heard

def test_a_stage_that_is_not_in_use_has_no_weight_yet():
    "What makes its weight as it runs is penalised while it runs, and nothing is said of it in Python's words"
    learn = make_learner('functional', loss='hinge'); now, later = learn.G[4].stages
    assert resting(learn, 'g') == [later] and resting(learn, 'd') == []
    stored = later.stored.clone()
    learn.tricks.on('orthogonal', strength=1.); go(learn, 2)
    assert torch.equal(later.stored, stored) and not learn.opt_g.state.get(later.stored)
    calm = make_learner('functional', loss='hinge'); go(calm, 2)
    assert not torch.equal(now.stored, calm.G[4].stages[0].stored)
    learn.G[4].at = 1; learn.found.clear()
    assert resting(learn, 'g') == [now]
    go(learn, 1); assert not torch.equal(later.stored, stored)

class Rebuilds(nn.Module):
    "Scores by how well it rebuilds a grey image, so that its last bias is the image's; with a head, the level is elsewhere"
    def __init__(self, head):
        super().__init__()
        self.level = nn.Linear(1, 1) if head else None
        self.rebuild = nn.Conv2d(1, 1, 3, 1, 1)
    def forward(self, x):
        level = 0. if self.level is None else self.level(x.mean((2, 3)))
        return level - (self.rebuild(x) - x).abs().mean((2, 3))

@pytest.mark.parametrize('head', [False, True])
def test_the_level_is_what_every_score_has_in_common(head):
    "Found by trying, not by the order of layers; a bias that is something else is never moved"
    learn = make_learner('dropout', D=Rebuilds(head), z_dim=None, loss='non_saturating'); go(learn, 1)
    bias = learn.D.level.bias if head else None
    assert level_bias(learn) is bias
    c = learn.tricks.on('wgan_gp', n_critic=1); go(learn, 2)
    assert ('cannot be recentred' in (c.caution or '')) is not head
    was, own = learn.D.rebuild.bias.clone(), bias.clone() if head else None
    learn.tricks.off('wgan_gp'); assert torch.equal(learn.D.rebuild.bias, was)
    if head: assert not torch.equal(bias, own)

def test_style_says_that_weights_are_not_heard():
    G = nn.Sequential(nn.ConvTranspose2d(6, 4, 4), nn.ReLU(), nn.Upsample(scale_factor=2), Normalising(4, 4, 3, padding=1),
        nn.ReLU(), nn.Upsample(scale_factor=2), Normalising(4, 1, 3, padding=1), nn.Tanh())
    learn = make_learner('dropout', G=G, z_dim=(6, 1, 1))
    with pytest.raises(Refused, match='G.3 and 1 more divide their weight by its size') as e: learn.tricks.on('style')
    assert 'mapping alone remains' in one_sentence(e.value)
    learn.tricks.on('style', modulation=False, demodulation=False, noise=False, mixing=0); go(learn, 1)

# Compiled and scripted networks

@pytest.mark.parametrize('how', ['script', 'trace', 'compile', 'compile itself'])
@pytest.mark.part(2)
def test_a_network_that_cannot_be_looked_into(how):
    "It trains; what reaches into it says why not, by its name, and the rest works"
    G, D = dcgan(16, 1, 6, 4, seed=0)
    if how == 'compile itself': D.compile(backend='eager')
    else: D = dict(script=torch.jit.script, trace=lambda net: torch.jit.trace(net, data(16)[:8]), compile=lambda net: torch.compile(net, backend='eager'))[how](D)
    learn = make_learner('dcgan', G=G, D=D); go(learn, 1)
    by = 'torch.compile' if 'compile' in how else 'torch.jit'
    for name in ('spectral_norm', 'feature_matching', 'minibatch_stddev', 'unrolled', 'dual_discriminator', 'dropout', 'packing', 'reinit', 'checkpointing', 'self_attention'):
        with pytest.raises(Refused, match=by) as e: learn.tricks.on(name)
        assert 'D is ' in one_sentence(e.value)
    for name in ('label_smoothing', 'instance_noise', 'diffaugment', 'ema', 'weight_clipping', 'style'): learn.tricks.on(name); go(learn, 1)

# Defaults

def test_dragan_asks_for_a_slope_of_one():
    learn = make_learner()
    for params, asked in ((dict(points='dragan'), 1), (dict(points='real'), 0), (dict(points='dragan', center=0), 0), (dict(points='interp', center=1), 1)):
        learn.tricks.on('gradient_penalty', **{'center': 'auto', **params}); t = learn.tricks['gradient_penalty']
        assert (t.asked, t.lipschitz) == (asked, asked == 1)
        go(learn, 1)

def test_the_mapping_matters_by_step_300():
    "A tenth of the latent, or so"
    learn = make_learner(); learn.tricks.on('style'); go(learn, 300)
    z, m = learn.fixed_z(64), learn.tricks['style'].map
    assert .02 < (m.w(z) - z).square().mean().sqrt() < .5

class WiredG(nn.Module):
    "A batch size of 8 written into the code, as tutorials do"
    def __init__(self): super().__init__(); self.a, self.b = nn.Linear(6, 64), nn.ConvTranspose2d(4, 3, 4, 4)
    def forward(self, z): return torch.tanh(self.b(F.relu(self.a(z)).view(8, 4, 4, 4)))

class WiredD(nn.Module):
    def __init__(self): super().__init__(); self.a, self.b = nn.Conv2d(3, 4, 4, 4), nn.Linear(64, 1)
    def forward(self, x): return self.b(F.leaky_relu(self.a(x), .2).view(8, 64)).view(8)

def wired(run=None):
    torch.manual_seed(1)
    x = torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(2))*2 - 1
    with pytest.warns(UserWarning, match='the code of G and D names a batch of 8'): return GANLearner(tensor_dls(x, 8), WiredG(), WiredD(), z_dim=6, run=run)

def test_a_batch_size_in_the_code(tmp_path):
    "Trains, is looked at in any number, is recorded, resumed and forked"
    learn = wired(tmp_path/'r'); go(learn, 3)
    z = learn.fixed_z(20)
    x = learn.sample(z=z)
    assert x.shape == (20, 3, 16, 16) and torch.allclose(x[:5], learn.sample(z=z[:5]), atol=1e-6)
    assert torch.allclose(learn.score(x)[16:], learn.score(x[16:]), atol=1e-6) and learn.validate() is not None
    fork = learn.fork(2); go(fork, 3); go(learn, 2); h = learn.state_hash(); learn.run.close()
    assert fork.step == 5 and fork.state_hash() == h
    torch.manual_seed(1)
    with pytest.warns(UserWarning, match='names a batch of 8'): again = GANLearner.resume(tmp_path/'r', learn.dls, WiredG(), WiredD())
    assert again.state_hash() == h

def test_every_trick_on_a_batch_size_in_the_code():
    "On, a step, off: or refused with a sentence, and nothing moved"
    on = 0
    for name in wired().tricks:
        learn = wired(); go(learn, 1); was = learn.state_hash()
        try: learn.tricks.on(name)
        except ValueError as e: one_sentence(e); assert learn.state_hash() == was; continue
        go(learn, 2); learn.tricks.off(name, now=True); go(learn, 1); on += 1
    assert on > 30

@pytest.mark.parametrize('name, params', [('spectral_norm', {}), ('self_attention', {})])
def test_a_load_that_fails_leaves_no_trace(tmp_path, name, params):
    "What was turned on for a file's weights is in no log and in no record where another optimiser refuses its state"
    kind = 'dropout' if name == 'self_attention' else 'mlp'
    learn = make_learner(kind, path=tmp_path); learn.tricks.on(name, **params); learn.save('w')
    other = make_learner(kind, path=tmp_path, opt='sgd', run=tmp_path/'r'); other.tricks.on('label_smoothing'); go(other, 1)
    was, log, rows = other.state_hash(), list(other.tricks.log), [c.id for c in other.run.changes]
    with pytest.raises(ValueError, match='with_opt=False') as e: other.load('w')
    one_sentence(e.value)
    assert (other.tricks.log, [c.id for c in other.run.changes], other.state_hash()) == (log, rows, was) and not other.tricks.refused and not other.tricks[name].enabled
    go(other, 1); other.load('w', with_opt=False)
    assert [(c.kind, c.name) for c in other.run.changes] == [('on', 'label_smoothing'), ('on', name), ('edited', 'state')] and [c.name for c in other.tricks.log] == ['label_smoothing', name, 'state']
    go(other, 1)

def test_plain_weights_for_a_learner_with_a_trick_on(tmp_path):
    "The sentence names the trick to turn off"
    learn = make_learner(path=tmp_path); learn.save('plain')
    learn.tricks.on('spectral_norm'); learn.tricks.on('ema'); was = learn.state_hash()
    with pytest.raises(ValueError, match='turn spectral_norm off first') as e: learn.load('plain')
    one_sentence(e.value); assert learn.state_hash() == was
    learn.tricks.off('spectral_norm', now=True); learn.load('plain')
