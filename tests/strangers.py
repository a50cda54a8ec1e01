"Networks as strangers write them, small data, and the questions that many tests ask of a learner."
import re
import pytest, torch
import torch.nn.functional as F
from torch import nn
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp, resnet
from ganlab.engine.named_state import named_state
from ganlab.trick import Num, Trick

# Networks

class SkipNet(nn.Module):
    "A functional forward, with sums over skips and a parameter that belongs to no layer"
    def __init__(self, a, b, w=16):
        super().__init__()
        self.first, self.mid, self.last, self.gain = nn.Linear(a, w), nn.Linear(w, w), nn.Linear(w, b), nn.Parameter(torch.ones(w))
    def forward(self, x):
        h = F.leaky_relu(self.first(x), .2)
        h = h + F.leaky_relu(self.mid(h), .2)*self.gain
        return self.last(h + self.mid(h))

class LoopNet(nn.Module):
    "Layers in a ModuleList, gone through in a loop, their outputs summed"
    def __init__(self, a, b, w=16, depth=3):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(a, w)] + [nn.Linear(w, w) for _ in range(depth-1)])
        self.heads = nn.ModuleList([nn.Linear(w, b) for _ in range(depth)])
    def forward(self, x):
        out = 0
        for layer, head in zip(self.layers, self.heads):
            x = F.leaky_relu(layer(x), .2)
            out = out + head(x)
        return out

class PathsNet(nn.Module):
    "What the two above do, in one: a loop over a ModuleList, outputs summed, a layer used twice, a parameter that belongs to no layer"
    def __init__(self, a, b, w=16):
        super().__init__()
        self.layers, self.heads = nn.ModuleList([nn.Linear(a, w), nn.Linear(w, w)]), nn.ModuleList([nn.Linear(w, b) for _ in range(2)])
        self.mid, self.gain = nn.Linear(w, w), nn.Parameter(torch.ones(w))
    def forward(self, x):
        out = 0
        for layer, head in zip(self.layers, self.heads):
            x = F.leaky_relu(layer(x), .2)
            x = x + F.leaky_relu(self.mid(x), .2)*self.gain
            out = out + head(x)
        return out

class TiedNet(nn.Module):
    "Two layers that share one weight, and a weight used both ways round"
    def __init__(self, a, b, w=16):
        super().__init__()
        self.up, self.one, self.two, self.last = nn.Linear(a, w), nn.Linear(w, w), nn.Linear(w, w), nn.Linear(w, b)
        self.two.weight = self.one.weight
    def forward(self, x):
        h = F.leaky_relu(self.two(F.leaky_relu(self.one(self.up(x)), .2)), .2)
        return self.last(h + F.linear(F.linear(h, self.up.weight.t()), self.up.weight))

def conv_d(inplace=False, dropout=0., w=8):
    "A convolutional D with a linear head; it may begin with an operation that works in place"
    return nn.Sequential(*([nn.LeakyReLU(.9, inplace=True)] if inplace else []), nn.Conv2d(1, w, 4, 2, 1), nn.LeakyReLU(.2, inplace=inplace), nn.Dropout2d(dropout),
        nn.Conv2d(w, w, 4, 2, 1), nn.LeakyReLU(.2), nn.Flatten(), nn.Dropout(dropout), nn.Linear(w*16, 1))

def bn_g(w=8):
    "A convolutional G with BatchNorm, its latents already maps of one pixel"
    return nn.Sequential(nn.ConvTranspose2d(6, w, 4), nn.BatchNorm2d(w), nn.ReLU(True), nn.Upsample(scale_factor=2), nn.Conv2d(w, w, 3, 1, 1),
        nn.BatchNorm2d(w), nn.ReLU(True), nn.ConvTranspose2d(w, 1, 4, 2, 1), nn.Tanh())

class Equal(nn.Module):
    "A layer as in ports of StyleGAN: of a class of its own, linear or a convolution, its weight scaled when it is used"
    def __init__(self, a, b, k=0, **how):
        super().__init__()
        self.weight, self.bias, self.how = nn.Parameter(torch.randn(b, a, *[k]*2 if k else [])), nn.Parameter(torch.zeros(b)), how
        self.scale = self.weight[0].numel()**-.5
    def forward(self, x): return (F.conv2d if self.weight.ndim == 4 else F.linear)(x, self.weight*self.scale, self.bias, **self.how)

class Normalising(Equal):
    "One that divides its weight by its length, so that the weight's size is of no matter"
    def forward(self, x): return F.conv2d(x, F.normalize(self.weight.flatten(1), dim=1).view_as(self.weight), self.bias, **self.how)

class EqualG(nn.Module):
    "Colour; the latent normalised, reshaped and permuted as einops does; pixels shuffled; a mean taken out; a tanh that is a function"
    def __init__(self, z=6, w=4):
        super().__init__()
        self.body, self.start, self.to_rgb = nn.ModuleDict(dict(one=Equal(w, 4*w, 3, padding=1), two=Normalising(w, w, 3, padding=1))), Equal(z, 16*w), Equal(w, 3, 1)
        self.norm = nn.InstanceNorm2d(w, affine=True)
    def forward(self, z):
        z = z*torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        h = self.start(z).reshape(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        h = self.norm(F.leaky_relu(F.pixel_shuffle(self.body['one'](h), 2), .2))
        return torch.tanh(self.to_rgb(F.interpolate(F.leaky_relu(self.body['two'](h), .2), scale_factor=2)))

class EqualD(nn.Module):
    "Colour; a first layer that is frozen, a statistic of the batch of its own, features flattened by `.view`"
    def __init__(self, w=4):
        super().__init__()
        self.first, self.second, self.third, self.head = nn.Conv2d(3, w, 3, 1, 1), Equal(w, w, 4, stride=2, padding=1), Equal(w + 1, w, 4, stride=2, padding=1), Equal(w*16, 1)
        self.first.requires_grad_(False)
    def forward(self, x):
        h = F.leaky_relu(self.second(self.first(x)), .2)
        std = (h.view(2, len(h)//2, *h.shape[1:]).var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3)).repeat(2) if len(h) % 2 == 0 else h.new_zeros(len(h))
        h = F.leaky_relu(self.third(torch.cat([h, std.view(-1, 1, 1, 1).expand(-1, 1, *h.shape[2:])], 1)), .2)
        return self.head(h.view(h.size(0), -1))

class Rescaled:
    "A hook that makes a layer's weight of another parameter just before the layer runs; until then there is none"
    def __init__(self, m): m.stored = nn.Parameter(m._parameters.pop('weight').data); m.register_forward_pre_hook(self)
    def __call__(self, m, args): m.weight = m.stored*m.stored[0].numel()**-.5

class Stages(nn.Module):
    "Grows by itself: of its stages one runs now, the next only later"
    def __init__(self, w):
        super().__init__()
        self.stages, self.at = nn.ModuleList([nn.Conv2d(w, w, 3, 1, 1) for _ in range(2)]), 0
        for m in self.stages: Rescaled(m)
    def forward(self, x): return self.stages[self.at](x)

def worn_g(w=4):
    "Latents of shape (6, 1, 1), a GroupNorm, weight norm of old, a layer that is frozen, and one of two stages"
    old, still = nn.utils.weight_norm(nn.ConvTranspose2d(6, w, 4, bias=False)), nn.ConvTranspose2d(w, w, 4, 2, 1).requires_grad_(False)
    return nn.Sequential(old, nn.GroupNorm(2, w), nn.ReLU(), still, Stages(w), nn.BatchNorm2d(w), nn.ReLU(),
        nn.ConvTranspose2d(w, 1, 4, 2, 1), nn.Tanh())

class FunctionalD(nn.Module):
    "Weights in a ParameterDict and of a layer that is never called; spectral norm, an attention and a LayerNorm of its own"
    def __init__(self, w=4):
        super().__init__()
        self.ws, self.lent = nn.ParameterDict(dict(a=.2*torch.randn(w, 1, 4, 4), b=.2*torch.randn(w, w, 4, 4))), nn.Conv2d(w, w, 1)
        self.norm, self.qk, self.head = nn.LayerNorm((w, 4, 4)), nn.utils.parametrizations.spectral_norm(nn.Conv1d(w, 2*w, 1)), nn.utils.spectral_norm(nn.Linear(w*16, 1))
        self.gamma = nn.Parameter(torch.zeros(1))
    def forward(self, x):
        h = F.leaky_relu(F.conv2d(x, self.ws['a'], stride=2, padding=1), .2)
        h = self.norm(F.conv2d(F.leaky_relu(F.conv2d(h, self.ws['b'], stride=2, padding=1), .2), self.lent.weight))
        q, k = self.qk(h.flatten(2)).chunk(2, 1)
        h = h + self.gamma*(h.flatten(2) @ torch.softmax(q.mT @ k, -1).mT).view_as(h)
        return self.head(h.view(len(h), -1))

class Named(nn.Sequential):
    "Layers that are called by keyword"
    def forward(self, x):
        for layer in self: x = layer(input=x)
        return x

MAKERS = dict(  # name -> (networks, side of the images or None for points)
    mlp=(lambda: mlp(2, 3, 16, 2), None), dcgan=(lambda: dcgan(16, 1, 6, 4), 16), resnet=(lambda: resnet(32, 1, 6, 2), 32),
    skip=(lambda: (SkipNet(3, 2), SkipNet(2, 1)), None), loop=(lambda: (LoopNet(3, 2), LoopNet(2, 1)), None), tied=(lambda: (TiedNet(3, 2), TiedNet(2, 1)), None),
    equal=(lambda: (EqualG(), EqualD()), (3, 16)), functional=(lambda: (worn_g(), FunctionalD()), 16),
    dropout=(lambda: (bn_g(), conv_d(dropout=.3)), 16), inplace=(lambda: (bn_g(), conv_d(inplace=True)), 16), named=(lambda: (Named(*bn_g()), Named(*conv_d())), 16),
    mixed=(lambda: (Named(*bn_g()), Named(*conv_d(inplace=True, dropout=.3))), 16), paths=(lambda: (PathsNet(3, 2), PathsNet(2, 1)), None))
Z_DIMS = dict(skip=3, loop=3, paths=3, tied=3, equal=6, functional=(6, 1, 1))
STRANGERS = ('skip', 'loop', 'tied', 'dropout', 'inplace', 'named')
OF_IMAGES = {'progressive_growing', 'blur', 'style', 'ada', 'diffaugment', 'self_attention', 'virtual_batch_norm', 'leaky_relu', 'reinit', 'dropout', 'residual', 'spectral_norm', 'consistency'}     # tricks that need images, or show more there
EACH = ('paths', 'tied', 'mixed', 'equal', 'functional')     # the habits of all strangers in fewer networks, for what is asked of every trick

def some(kinds, *kept):
    "Those kinds of networks, of which `make test` takes the ones that are `kept`, and `make test-all` each"
    assert set(kept) <= set(kinds)
    return [pytest.param(k, marks=() if k in kept else pytest.mark.slow) for k in kinds]

def in_turn(names, kinds, n=2, first=lambda name: None):
    """(name, kind) for each of both. `make test` takes `n` kinds a name, in turn, so that each kind is met by some, and the one that is `first(name)`;
    `make test-all` takes each."""
    out = []
    for i, name in enumerate(names):
        near = {kinds[(i*n + k) % len(kinds)] for k in range(n)} | {first(name)}
        out += [pytest.param(name, kind, marks=() if kind in near else pytest.mark.slow) for kind in kinds]
    return out

def nets(kind):
    "A fresh pair, always the same weights"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return MAKERS[kind][0]()

def data(side=None, n=120):
    "Points, grey images, or (channels, side) images, always the same"
    g = torch.Generator().manual_seed(2)
    c, side = side if isinstance(side, tuple) else (1, side)
    return torch.randn(n, 2, generator=g) if side is None else torch.rand(n, c, side, side, generator=g)*2 - 1

def make_learner(kind='mlp', bs=None, n=120, G=None, D=None, cls=GANLearner, **kwargs):
    "A learner on a fresh pair of networks"
    g, d = nets(kind)
    return cls(tensor_dls(data(MAKERS[kind][1], n), bs or (4 if kind == 'resnet' else 8)), g if G is None else G, d if D is None else D, **{'z_dim': Z_DIMS.get(kind), **kwargs})

def go(learn, n): learn.fit_steps(n, progress=False)

# Questions

def copies(learn): return {n: t.detach().clone() for n, t in named_state(learn).items()}

def net_state(net): return {n: t.detach().clone() for n, t in net.state_dict().items()}

def moved(net, before):
    "Names of the parameters that differ from `before`"
    return [n for n, p in net.named_parameters() if not torch.equal(p, before[n])]

def unequal(a, b):
    "Names under which two dicts of tensors differ, in any bit"
    return sorted(n for n in a.keys() | b.keys() if n not in a or n not in b or not same(a[n], b[n]))

def same(a, b): return a.shape == b.shape and (torch.equal(a, b) or torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(), b.nan_to_num()))

def one_sentence(e):
    "The words of an error: one short line of prose, that does not begin with an exception of Python's that speaks of a mistake in ganlab"
    s = str(e.args[0] if isinstance(e, KeyError) else e)
    assert not re.match(r'(Not turned on: )?(Attribute|Type|Key|Index|Name|UnboundLocal|Assertion)Error: ', s), s
    assert s and '\n' not in s.strip() and len(s) < 500, s
    return s

def groups_hold(learn):
    "Every parameter that is trained in exactly one group of its own network's optimiser, no others but the network's there, no state without a parameter"
    for net, opt in ((learn.D, learn.opt_d), (learn.G, learn.opt_g)):
        held = [id(p) for g in opt.param_groups for p in g['params']]
        assert len(held) == len(set(held)) and {id(p) for p in net.parameters() if p.requires_grad} <= set(held) <= set(map(id, net.parameters()))
        assert {id(p) for p in opt.state} <= set(held)

# Tricks for tests

class Faulty(Trick):
    "Raises in the slot and at the step that it is told"
    name, title, number = 'faulty', 'Faulty', 2000
    when, slot = 10**9, None
    def trip(self, slot, step, out=None):
        if slot == self.slot and step >= self.when: raise ZeroDivisionError('it was zero')
        return out
    def labels(self, y, ctx): return self.trip('labels', ctx.step, y)
    def inputs(self, x, ctx): return self.trip('inputs', ctx.step, x)
    def fakes(self, xf, ctx): return self.trip('fakes', ctx.step, xf)
    def scores(self, l, ctx): return self.trip('scores', ctx.step, l)
    def d_term(self, ctx): return self.trip('d_term', ctx.step, 0*ctx.l_real.mean())
    def g_term(self, ctx): return self.trip('g_term', ctx.step, 0*ctx.l_fake.mean())
    def around_d(self, update, ctx): update(); self.trip('around_d', ctx.step)
    def around_g(self, update, ctx): update(); self.trip('around_g', ctx.step)
    def around_step(self, updates, ctx): return self.trip('around_step', ctx.step, updates())
    def weigh(self, trick, ctx): return self.trip('weigh', ctx.step, 1.)
    def before_d(self, ctx): self.trip('before_d', ctx.step)
    def before_g(self, ctx): self.trip('before_g', ctx.step)
    def sets(self, step, base): return self.trip('sets', step, {})
    def after_d(self, ctx): self.trip('after_d', ctx.step)
    def after_g(self, ctx): self.trip('after_g', ctx.step)
    def loss(self, base): return self.trip('loss', self.learn.step if self.learn else -1, base)
    def factors(self, step, base): return self.trip('factors', step, {})
    learn = None
    def attach(self, learn, undo): self.learn = learn

class Drift(Trick):
    "Adds the mean square of the scores to each loss"
    name, title, number = 'drift', 'Drift', 2001
    weight = Num(0.1, 0, 1, 'weight of the terms')
    def d_term(self, ctx): return self.weight*ctx.l_real.square().mean()
    def g_term(self, ctx): return self.weight*ctx.l_fake.square().mean()
