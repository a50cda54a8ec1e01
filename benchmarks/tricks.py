#!/usr/bin/env python
"""What each trick adds to a step, and how that compares with the same trick written by hand.

    python benchmarks/tricks.py [--width 64] [--pairs 7] [--only NAME ...] [--part table|twins|off|lazy|numpy_ml ...] [--json FILE] [--markdown FILE]

Parts: `table`, every trick on DCGAN-32 beside the plain step (those that need labels, pairs, inputs or scores of pixels: beside a plain step that has them); `twins`, seven of them beside a loop in which the trick is written by hand;
`off`, a learner that knows all tricks (all off) beside one that knows none; `lazy`, R1 with lazy regularisation beside the plain step;
`numpy_ml`, ganlab's WGAN-GP preset beside numpy-ml's `WGAN_GP`, samples a second on one core.

All times are CPU time of the process on one torch thread, both sides in turns, every ratio between neighbours, the median over the pairs.
"""
import argparse, collections, collections.abc, contextlib, copy, gc, io, json, math, os, statistics, sys, time
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
for v in ('OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'): os.environ.setdefault(v, '1')
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT/'tests')]

import numpy as np, torch, torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from ganlab.catalogue import needs
from ganlab.data import digits_dls, ring_dls, tensor_dls, unpaired_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.trick import find_tricks
from handwritten import NonSaturating, adam, d_phase, g_phase, latents, shuffled

torch.set_num_threads(1)
BS, Z = 64, 64

def problem(width):
    dls = digits_dls(bs=BS, size=32)
    return dls, dcgan(32, 1, Z, width, seed=0), dls.train.x.float()/127.5 - 1

def games(width):
    "What a trick needs -> (data, networks, options) that have it, as the catalogue finds out; '' and images: DCGAN-32"
    from sklearn.datasets import load_digits
    dls, nets, _ = problem(width)
    raw, w = load_digits(), width//2
    x = F.interpolate(torch.from_numpy(raw.images).float()[:, None]/8 - 1, (32, 32), mode='bilinear', antialias=True).clamp(-1, 1)
    def conv(a, b): return nn.Conv2d(a, b, 3, 1, 1), nn.LeakyReLU(.2)
    torch.manual_seed(0)
    turn = nn.Sequential(*conv(1, w), *conv(w, w), nn.Conv2d(w, 1, 3, 1, 1), nn.Tanh()), nets[1]
    pixels = nets[0], nn.Sequential(*conv(1, w), *conv(w, w), nn.Conv2d(w, 1, 1))
    plain = dls, nets, {}
    return {'': plain, 'images': plain, 'labels': (tensor_dls(x, BS, y=torch.from_numpy(raw.target)), nets, {}), 'pixels': (dls, pixels, {}),
            'pairs': (tensor_dls(x, BS, y=F.avg_pool2d(x, 3, 1, 1)), turn, dict(z_dim=0)), 'inputs': (unpaired_dls(x, -x, BS), turn, dict(z_dim=0))}

def steps_of(learn):
    def run(n):
        with contextlib.redirect_stdout(io.StringIO()): learn.fit_steps(n, progress=False)
    return run

def cpu(run, n):
    gc.collect()
    t = time.process_time()
    run(n)
    return (time.process_time() - t)*1e3/n

def compare(a, b, pairs, n, warm=2):
    "ms of a, ms of b, and b/a: medians over the pairs, in turns"
    a(warm)
    b(warm)
    rows = []
    for i in range(pairs):
        if i % 2: tb, ta = cpu(b, n), cpu(a, n)
        else: ta, tb = cpu(a, n), cpu(b, n)
        rows.append((ta, tb))
        print('.', end='', file=sys.stderr, flush=True)
    r = [tb/ta for ta, tb in rows]
    return dict(a=statistics.median(t for t, _ in rows), b=statistics.median(t for _, t in rows), ratio=statistics.median(r), min=min(r), max=max(r))


# ---------------------------------------------------------------- every trick beside the plain step

NEEDS = dict(weight_clipping=dict(loss='wasserstein'))                  # what a trick asks of the learner
BESIDE = dict(label_dropout=['class_norm'], adaptive_weight=['reconstruction'], adversarial_weight=['ttur'])   # on in both, so that it means anything
BARE = ('batch_norm',)       # asks for a G without BatchNorm
GIVEN = dict(lazy_reg=['gradient_penalty'], ada=[], dual_discriminator=[])   # on with it

def table(width, pairs, only):
    known, need, out = games(width), needs(), {}
    for cls in find_tricks():
        if only and cls.name not in only: continue
        dls, nets, more = known[need[cls.name]]
        if cls.name in BARE: nets = nn.Sequential(*(m for m in nets[0] if not isinstance(m, nn.BatchNorm2d))), nets[1]
        make = lambda: GANLearner(dls, *copy.deepcopy(nets), seed=0, **more, **NEEDS.get(cls.name, {}))
        plain, learn = make(), make()
        for o in (plain, learn): o.fit_steps(1, progress=False)
        try:
            for o in (plain, learn):
                for name in BESIDE.get(cls.name, []): o.tricks.on(name)
            for name in GIVEN.get(cls.name, []): learn.tricks.on(name)
            learn.tricks.on(cls.name)
        except ValueError as e:
            out[cls.name] = dict(title=cls.title, why=str(e))
            continue
        r = compare(steps_of(plain), steps_of(learn), pairs, 2)
        out[cls.name] = dict(title=cls.title, ms=(r['ratio'] - 1)*r['a'], **r)
        print(f"\r  {cls.title:32} {out[cls.name]['ms']:+8.1f} ms   {r['ratio']:6.3f}  ({r['min']:.3f} to {r['max']:.3f})")
        del plain, learn
    for name, r in out.items():
        if 'why' in r: print(f"  {r['title']:32} {r['why']}")
    return out


# ---------------------------------------------------------------- by hand

class Hand:
    "The plain loop, with places for a trick"
    n_d = 1
    def __init__(self, nets, x):
        self.G, self.D = copy.deepcopy(nets)
        self.prepare()
        self.opt_g, self.opt_d, self.batches, self.zs = adam(self.G), adam(self.D), shuffled(x, BS), latents(BS, Z)
        self.d_params = list(self.D.parameters())
    def prepare(self): pass
    def see(self, x): return x
    def d_loss(self, l_real, l_fake): return F.softplus(-l_real).mean() + F.softplus(l_fake).mean()
    def g_loss(self, l_fake): return F.softplus(-l_fake).mean()
    def penalty(self, x, xf): return 0.
    def after(self): pass
    def update_d(self, x, keep):
        with torch.set_grad_enabled(keep): xf = self.G(next(self.zs))
        L = self.d_loss(self.D(self.see(x)).flatten(), self.D(self.see(xf.detach())).flatten()) + self.penalty(x, xf.detach())
        self.opt_d.zero_grad(set_to_none=True)
        L.backward()
        self.opt_d.step()
        return xf
    def update_g(self, xf, x):
        for p in self.d_params: p.requires_grad_(False)
        L = self.g_loss(self.D(self.see(xf)).flatten())
        self.opt_g.zero_grad(set_to_none=True)
        L.backward()
        self.opt_g.step()
        for p in self.d_params: p.requires_grad_(True)
    def __call__(self, n):
        for _ in range(n):
            for k in range(self.n_d):
                x = next(self.batches)
                xf = self.update_d(x, k == self.n_d - 1)
            self.update_g(xf, x)
            self.after()

def squared_slope(D, x):
    x = x.detach().requires_grad_()
    g, = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return g

class R1(Hand):
    "As in GAN_stability and StyleGAN2: gamma/2 times the squared slope at reals, a pass of its own as in StyleGAN2-ADA"
    def penalty(self, x, xf): return 5*squared_slope(self.D, x).square().sum((1, 2, 3)).mean()

class WGANGP(Hand):
    n_d = 5
    def d_loss(self, l_real, l_fake): return l_fake.mean() - l_real.mean()
    def g_loss(self, l_fake): return -l_fake.mean()
    def penalty(self, x, xf):
        e = torch.rand(len(x), 1, 1, 1)
        return 10*(squared_slope(self.D, e*x + (1 - e)*xf).flatten(1).norm(dim=1) - 1).square().mean()

class DiffAugment(Hand):
    "The functions of the authors' repository (mit-han-lab/data-efficient-gans), colour, translation and cutout"
    def see(self, x):
        x = x + (torch.rand(x.size(0), 1, 1, 1) - .5)
        m = x.mean(dim=1, keepdim=True)
        x = (x - m)*(torch.rand(x.size(0), 1, 1, 1)*2) + m
        m = x.mean(dim=[1, 2, 3], keepdim=True)
        x = (x - m)*(torch.rand(x.size(0), 1, 1, 1) + .5) + m
        n, _, h, w = x.shape
        sx, sy = int(w*.125 + .5), int(h*.125 + .5)
        tx, ty = torch.randint(-sx, sx + 1, (n, 1, 1)), torch.randint(-sy, sy + 1, (n, 1, 1))
        gb, gx, gy = torch.meshgrid(torch.arange(n), torch.arange(h), torch.arange(w), indexing='ij')
        gx, gy = (gx + tx + 1).clamp(0, h + 1), (gy + ty + 1).clamp(0, w + 1)
        x = F.pad(x, [1, 1, 1, 1]).permute(0, 2, 3, 1).contiguous()[gb, gx, gy].permute(0, 3, 1, 2)
        cx, cy = int(h*.5 + .5), int(w*.5 + .5)
        ox, oy = torch.randint(0, h + (1 - cx % 2), (n, 1, 1)), torch.randint(0, w + (1 - cy % 2), (n, 1, 1))
        gb, gx, gy = torch.meshgrid(torch.arange(n), torch.arange(cx), torch.arange(cy), indexing='ij')
        gx, gy = (gx + ox - cx//2).clamp(0, h - 1), (gy + oy - cy//2).clamp(0, w - 1)
        mask = torch.ones(n, h, w)
        mask[gb, gx, gy] = 0
        return x*mask.unsqueeze(1)

class SpectralNorm(Hand):
    "PyTorch's own, on every layer of D"
    def prepare(self):
        for m in self.D.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)): nn.utils.parametrizations.spectral_norm(m)

class EMA(Hand):
    def prepare(self): self.avg = [p.detach().clone() for p in self.G.parameters()]
    @torch.no_grad()
    def after(self):
        for a, p in zip(self.avg, self.G.parameters()): a.lerp_(p, .001)

class Attention(nn.Module):
    "SAGAN's block as its released code has it: keys and values pooled, values at C/2, spectral norm on all four"
    def __init__(self, c):
        super().__init__()
        sn = nn.utils.parametrizations.spectral_norm
        self.q, self.k, self.v, self.o = (sn(nn.Conv2d(a, b, 1, bias=False)) for a, b in ((c, c//8), (c, c//8), (c, c//2), (c//2, c)))
        self.gamma = nn.Parameter(torch.zeros(()))
    def forward(self, x):
        n, c, h, w = x.shape
        q = self.q(x).flatten(2)
        k, v = (F.max_pool2d(f(x), 2).flatten(2) for f in (self.k, self.v))
        a = (q.transpose(1, 2) @ k).softmax(-1)
        return x + self.gamma*self.o((v @ a.transpose(1, 2)).view(n, c//2, h, w))

class SelfAttention(Hand):
    def prepare(self):
        places = TRICK_PLACES
        for net, name, c in ((self.G, places['g'], places['cg']), (self.D, places['d'], places['cd'])): net[int(name)] = nn.Sequential(net[int(name)], Attention(c))

class Unrolled(Hand):
    "Five updates of D by its own Adam, differentiated through (Metz et al.)"
    def update_g(self, xf, x):
        ps = dict(self.D.named_parameters())
        ws = {n: p.detach().requires_grad_() for n, p in ps.items()}
        st = {n: (self.opt_d.state[p]['exp_avg'], self.opt_d.state[p]['exp_avg_sq'], float(self.opt_d.state[p]['step'])) for n, p in ps.items()}
        D = lambda w, x: functional_call(self.D, w, (x,)).flatten()
        for i in range(5):
            L = self.d_loss(D(ws, x), D(ws, xf))
            for (n, w), g in zip(list(ws.items()), torch.autograd.grad(L, list(ws.values()), create_graph=True)):
                m, v, t = st[n]
                m, v, t = .5*m + .5*g, .999*v + .001*g*g, t + 1
                st[n] = m, v, t
                ws[n] = w - 2e-4*(m/(1 - .5**t))/((v/(1 - .999**t)).clamp(min=1e-30).sqrt() + 1e-8)
        self.opt_g.zero_grad(set_to_none=True)
        L = self.g_loss(D(ws, xf))
        for p, g in zip(self.G.parameters(), torch.autograd.grad(L, list(self.G.parameters()))): p.grad = g
        self.opt_g.step()

TWINS = dict(gradient_penalty=(R1, {}), wgan_gp=(WGANGP, {}), diffaugment=(DiffAugment, {}), spectral_norm=(SpectralNorm, dict(soft_start=0)), ema=(EMA, {}),
             self_attention=(SelfAttention, {}), unrolled=(Unrolled, {}))
TRICK_PLACES = {}

def twins(width, pairs, only):
    dls, nets, x = problem(width)
    out = {}
    for name, (Twin, params) in TWINS.items():
        if only and name not in only: continue
        learn = GANLearner(dls, *copy.deepcopy(nets), seed=0)
        learn.fit_steps(1, progress=False)
        learn.tricks.on(name, **{k: v for k, v in params.items() if k in learn.tricks[name].declared})
        if name == 'self_attention':
            for key, net in (('g', learn.G), ('d', learn.D)):
                host = next(n for n, m in net.named_modules() if 'ganlab_self_attention' in m._modules)
                TRICK_PLACES[key], TRICK_PLACES['c' + key] = host, net.get_submodule(host).ganlab_self_attention.out.weight.shape[0]
        hand = Twin(nets, x)
        r = compare(hand, steps_of(learn), pairs, 1 if name in ('unrolled', 'wgan_gp') else 2)
        out[name] = r
        print(f"\r  {learn.tricks[name].title:24} by hand {r['a']:8.1f} ms   ganlab {r['b']:8.1f} ms   {r['ratio']:6.3f}  ({r['min']:.3f} to {r['max']:.3f})  {'within' if r['ratio'] <= 1.10 else 'OVER'} 1.10")
    return out

def off(pairs):
    "ring-2D, where a step is shortest: all tricks known and off, beside none known"
    nets, dls = mlp(seed=0), ring_dls(bs=256)
    knows, bare = (GANLearner(dls, *copy.deepcopy(nets), seed=0) for _ in range(2))
    bare.tricks._tricks = {}
    bare.tricks.refresh()
    r = compare(steps_of(bare), steps_of(knows), 4*pairs, 60)
    print(f"\r  no trick known {r['a']:.3f} ms, {len(knows.tricks)} known and off {r['b']:.3f} ms: {r['ratio']:.4f}  ({r['min']:.3f} to {r['max']:.3f})")
    return r

def lazy(width, pairs):
    dls, nets, _ = problem(width)
    out = {}
    for title, on in (('R1 at every step', ['gradient_penalty']), ('R1, lazy at 16', ['gradient_penalty', 'lazy_reg'])):
        plain, learn = (GANLearner(dls, *copy.deepcopy(nets), seed=0) for _ in range(2))
        for name in on: learn.tricks.on(name)
        out[title] = r = compare(steps_of(plain), steps_of(learn), max(3, pairs//2), 16, 1)
        print(f"\r  {title:20} {r['ratio']:6.3f}  ({r['min']:.3f} to {r['max']:.3f})")
    return out

def numpy_ml(pairs):
    "The same networks (three hidden layers of 512, ReLU), data (ring), batch (128), RMSProp 1e-4, five critic updates per step, lambda 10"
    for n in ('Hashable', 'Iterable', 'Mapping', 'Callable'): setattr(collections, n, getattr(collections.abc, n))   # it was written for Python 3.9 and older
    for n, t in (('float', float), ('int', int), ('bool', bool), ('object', object)):
        if n not in np.__dict__: setattr(np, n, t)
    try: from numpy_ml.neural_nets.models.wgan_gp import WGAN_GP
    except ImportError as e: return print(f'  numpy-ml is not here ({e}); pip install --no-deps numpy-ml')
    dls = ring_dls(bs=128)
    x = dls.train.x.double().numpy()
    theirs = WGAN_GP(g_hidden=512, init='he_uniform', optimizer='RMSProp(lr=0.0001)')
    def them(n):
        with contextlib.redirect_stdout(io.StringIO()): theirs.fit(x, 10, n_steps=n, batchsize=128, c_updates_per_epoch=5, verbose=False)
    from ganlab.presets import presets
    ours = presets['wgan_gp_numpy_ml'].learner(dls)
    r = compare(them, steps_of(ours), pairs, 2)
    per_s = lambda ms: 5*128/ms*1e3
    print(f"\r  numpy-ml {per_s(r['a']):,.0f} samples a second, ganlab {per_s(r['b']):,.0f}: {1/r['ratio']:.2f} times  ({1/r['max']:.2f} to {1/r['min']:.2f})")
    return dict(r, times=1/r['ratio'])

def markdown(result, width):
    rows = result['table']
    head = f'| trick | ms a step | plain step = 1 |\n|---|---|---|'
    body = [f"| {r['title']} | {r['ms']:+.1f} | {r['ratio']:.2f} |" for r in rows.values() if 'ms' in r]
    return '\n'.join([head, *body]) + '\n'

def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--width', type=int, default=64)
    a.add_argument('--pairs', type=int, default=7)
    a.add_argument('--only', nargs='*')
    a.add_argument('--part', nargs='*', default=['table', 'twins', 'off', 'lazy', 'numpy_ml'])
    a.add_argument('--json', metavar='FILE')
    a.add_argument('--markdown', metavar='FILE', help='write the table there')
    o = a.parse_args()
    todo = dict(table=(f'what each adds to a step of DCGAN-32 (width {o.width}, batch {BS})', lambda: table(o.width, o.pairs, o.only)),
                twins=(f'beside the same trick written by hand (width {o.width})', lambda: twins(o.width, o.pairs, o.only)),
                off=('all tricks off', lambda: off(o.pairs)), lazy=('lazy regularisation', lambda: lazy(o.width, o.pairs)), numpy_ml=('numpy-ml', lambda: numpy_ml(o.pairs)))
    result = {}
    for p in o.part:
        print(f'\n{todo[p][0]}')
        result[p] = todo[p][1]()
    if o.json:
        there = json.loads(Path(o.json).read_text()) if Path(o.json).exists() else {}
        for p, rows in result.items(): there[p] = {**there[p], **rows} if o.only and p in there else rows     # the others stand
        Path(o.json).write_text(json.dumps(there, indent=1))
    if o.markdown and 'table' in result: Path(o.markdown).write_text(markdown(result, o.width))

if __name__ == '__main__': main()
