"What strangers' networks do that ganlab's own do not: colour and `.view`, layers and weights of their own kinds, parts that are frozen."
import pytest, torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable
from ganlab.data import tensor_dls
from ganlab.fitting import StepError
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.surgery import insert, laid_like
from ganlab.switch import Refused
from ganlab.trick import Trick
from ganlab.tricks.diffaugment import augment
from strangers import go, make_learner, one_sentence

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
    batch = learn.source.batch
    learn.source.batch = lambda i: batch(i).to(memory_format=torch.channels_last)
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
