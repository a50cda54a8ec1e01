"Networks as strangers write them, small data, and the questions that many tests ask of a learner."
import os, sys, tempfile, traceback
import torch
import torch.nn.functional as F
from torch import nn
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp, resnet
from ganlab.snapshots import named_state
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

class Named(nn.Sequential):
    "Layers that are called by keyword"
    def forward(self, x):
        for layer in self: x = layer(input=x)
        return x

MAKERS = dict(  # name -> (networks, side of the images or None for points)
    mlp=(lambda: mlp(2, 3, 16, 2), None), dcgan=(lambda: dcgan(16, 1, 6, 4), 16), resnet=(lambda: resnet(32, 1, 6, 2), 32),
    skip=(lambda: (SkipNet(3, 2), SkipNet(2, 1)), None), loop=(lambda: (LoopNet(3, 2), LoopNet(2, 1)), None), tied=(lambda: (TiedNet(3, 2), TiedNet(2, 1)), None),
    dropout=(lambda: (bn_g(), conv_d(dropout=.3)), 16), inplace=(lambda: (bn_g(), conv_d(inplace=True)), 16), named=(lambda: (Named(*bn_g()), Named(*conv_d())), 16))
Z_DIMS = dict(skip=3, loop=3, tied=3)
STRANGERS = ('skip', 'loop', 'tied', 'dropout', 'inplace', 'named')

def nets(kind):
    "A fresh pair, always the same weights"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return MAKERS[kind][0]()

def data(side=None, n=120):
    "Points, or grey images, always the same"
    g = torch.Generator().manual_seed(2)
    return torch.randn(n, 2, generator=g) if side is None else torch.rand(n, 1, side, side, generator=g)*2 - 1

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

def in_a_child(f, *args)->tuple: # exit status, and what it said
    "`f(*args)` in a process of its own, which has all of ganlab already"
    sys.stdout.flush(); sys.stderr.flush()
    with tempfile.TemporaryFile('w+') as said:
        pid = os.fork()
        if pid:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            said.seek(0)
            return status, said.read()
        status = 1
        try:
            for fd in (1, 2): os.dup2(said.fileno(), fd)
            sys.stdout, sys.stderr = (open(fd, 'w', closefd=False, buffering=1) for fd in (1, 2))
            f(*args)
            status = 0
        except BaseException: traceback.print_exc()
        finally: os._exit(status)

def one_sentence(e):
    "The words of an error: one short line of prose"
    s = str(e.args[0] if isinstance(e, KeyError) else e)
    assert s and '\n' not in s.strip() and len(s) < 500, s
    return s

def groups_hold(learn):
    "Every parameter in exactly one group of its own network's optimiser, nothing else there, no state without a parameter"
    for net, opt in ((learn.D, learn.opt_d), (learn.G, learn.opt_g)):
        held = [id(p) for g in opt.param_groups for p in g['params']]
        assert sorted(held) == sorted(id(p) for p in net.parameters())
        assert {id(p) for p in opt.state} <= set(held)

# Tricks for tests

class Faulty(Trick):
    "Raises in the slot and at the step that it is told"
    name, title, number = 'faulty', 'Faulty', 2000
    when, slot = 10**9, None
    def trip(self, slot, step, out=None):
        if slot == self.slot and step >= self.when: raise ZeroDivisionError('it was zero')
        return out
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
