#!/usr/bin/env python
"""Beliefs about GANs on trial: each is a comparison of two runs, over five seeds or more, on points and on small faces.

    python benchmarks/folklore.py [--only NAME ...] [--on ring avatars digits] [--seeds 5] [--first-seed 0] [--steps N] [--list] [--json FILE]

A is what the belief speaks against, B what it recommends; both begin from the same weights where they have the same networks, and see the same batches
and latents. Where B is a change of A, `ab` makes the two runs; where B has other networks, batches or another length, they are trained by the same
parts. Each seed has its own weights, data and latents. A row is written as soon as its two runs are done, and one that is there is not made again.
"""
import argparse, math, os, sys, tempfile, time, warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import numpy as np, torch
from torch import nn
from ganlab.compare import ab
from ganlab.data import avatars_dls, digits_dls, ring_dls, tensor_dls
from ganlab.judge.arm import Arm, Measure, Reader, compared, train_arm
from ganlab.judge.evidence import Evidence
from ganlab.learner import GANLearner
from ganlab.metrics import sliced_wasserstein
from ganlab.nets import dcgan, init_dcgan, mlp
from ganlab.trick import find_tricks
from rows import Rows, command

torch.set_num_threads(1)
HERE = Path(__file__).resolve().parent
KEYS = 'belief', 'seed', 'steps'
ENOUGH = 5       # seeds, for a verdict


# ---------------------------------------------------------------- the three benches

RATE = 1e-3      # of both networks: five times the usual 2e-4, since runs are short

def rates(lr_d, lr_g, b1=.5, b2=.999): return dict(lr_d=lr_d, lr_g=lr_g, betas_d=(b1, b2), betas_g=(b1, b2))

def ring(seed, bs=64, width=32, **kw):
    "Eight modes, two hidden layers"
    nets = mlp(z_dim=2, width=width, depth=2, seed=seed)
    return GANLearner(ring_dls(n=10_000, bs=bs, sigma=.05, seed=seed), *nets, seed=seed, **(rates(RATE, RATE) | kw))

def collapsing(seed, **kw):
    "The ring with a momentum at which it loses modes"
    return ring(seed, **(rates(RATE, RATE, .86) | kw))

def avatars(seed, bs=64, width=16, bn_d=False, **kw):
    "Faces of 16 pixels"
    nets = dcgan(16, 3, width=width, bn_d=bn_d, seed=seed)
    return GANLearner(avatars_dls(bs=bs, n=5000, seed=seed), *nets, seed=seed, **(rates(RATE, RATE) | kw))

def digits(seed, bs=64, width=16, bn_d=False, size=16, of=None, **kw):
    "The scanned digits"
    nets = dcgan(of or size, 1, width=width, bn_d=bn_d, seed=seed)
    return GANLearner(digits_dls(bs=bs, size=size, seed=seed), *nets, seed=seed, **(rates(RATE, RATE) | kw))

STEPS = dict(ring=500, avatars=200, digits=200)

def wgan_gp(lam=10, n_critic=1): return ('wgan_gp', dict(lam=lam, n_critic=n_critic)),

GP = rates(RATE, RATE, .5, .9)       # Adam as in Gulrajani's code


# ---------------------------------------------------------------- benches that are sick in one way

def r1(gamma): return ('gradient_penalty', dict(gamma=gamma)),

def few(seed, n=50, **kw):
    "A handful of faces, and 500 others held out"
    data = avatars_dls(bs=32, n=5000, seed=seed)
    dls = tensor_dls(data.train.head(n), bs=32, valid=data.valid.head(500), name='few avatars')
    return GANLearner(dls, *dcgan(16, 3, width=8, seed=seed), seed=seed, **(rates(RATE, RATE) | kw))

def unscaled(seed, **kw):
    "Faces in [0, 1] for a G that ends in a Tanh"
    data = avatars_dls(n=5000, seed=seed, range=(0, 1))
    dls = tensor_dls(data.train.head(4500), bs=64, valid=data.valid.head(500), name='avatars in [0, 1]')
    return GANLearner(dls, *dcgan(16, 3, width=8, seed=seed), seed=seed, **(rates(RATE, RATE) | kw))

def doubled(a, b, how):
    "Layers that make maps of `a` channels twice as large"
    if how == 'transposed 3': return [nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1)]
    if how == 'transposed 4': return [nn.ConvTranspose2d(a, b, 4, 2, 1)]
    return [nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, 1, 1)]

def upsampled(seed, how, bs=64, **kw):
    "Digits of 16 pixels by a G that doubles its maps in one of three ways"
    G, D = dcgan(16, 1, width=8, seed=seed)
    layers = [o for m in G for o in (doubled(m.in_channels, m.out_channels, how) if getattr(m, 'stride', 1) == (2, 2) else [m])]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        G = nn.Sequential(*layers).apply(init_dcgan)
    return GANLearner(digits_dls(bs=bs, size=16, seed=seed), G, D, z_dim=64, seed=seed, **(rates(RATE, RATE) | kw))

def forgetful_norms(seed, momentum=.001):
    "Digits with a BatchNorm in G that remembers the last 1/momentum batches"
    learn = digits(seed, width=8)
    for m in learn.G.modules():
        if isinstance(m, nn.BatchNorm2d): m.momentum = momentum
    return learn

def taken_up(seed, by='the same process', steps=250):
    "A ring with R1 after some steps: it goes on, or is resumed from its folder, or has the weights and not Adam's moments"
    held = tempfile.TemporaryDirectory()
    learn = ring(seed, tricks=r1(1), run=f'{held.name}/run')
    learn.fit_steps(steps, progress=False)
    if by == 'resume':
        learn.run.close()
        learn = GANLearner.resume(f'{held.name}/run', ring_dls(n=10_000, bs=64, sigma=.05, seed=seed), *mlp(z_dim=2, width=32, depth=2, seed=seed), progress=False)
    if by == 'weights': learn.opt_g.state.clear(), learn.opt_d.state.clear()
    learn.held = held       # the folder, as long as the learner
    return learn



# ---------------------------------------------------------------- what decides

class Movement:
    "How far the centre of the fakes moves from one check to the next, on the way of one run"
    better, heading = 'less', "movement of the fakes' centre"
    def __init__(self): self.learn, self.last = None, None
    def __call__(self, learn):
        center = learn.sample(z=learn.latents(512, 'movement')).flatten(1).mean(0)
        last = self.last if self.learn is learn else center
        self.learn, self.last = learn, center
        return float((center - last).norm())

class Unsteadiness:
    "The spread of G's gradient norm over the last 50 steps, by its mean"
    better, heading = 'less', "unsteadiness of G's gradient norm"
    def __call__(self, learn):
        y = learn.record.array('g_grad_norm')[-50:]
        return float(np.nanstd(y)/np.nanmean(y))

class Tint:
    "How far the mean colour of 512 samples lies from that of the data, over the channels"
    better, heading = 'less', 'distance of the mean colour'
    def __call__(self, learn):
        fake, real = learn.sample(z=learn.latents(512, 'tint')), learn.source.valid(500)
        return float((fake.mean((0, 2, 3)) - real.mean((0, 2, 3))).norm())

class Checkerboard:
    "How strongly an image alternates from pixel to pixel all over it (downwards, across, both), beside the reals"
    better, heading = 'less', 'checkerboard, beside the data'
    @staticmethod
    def alternates(x):
        a, b, c, d = (x[..., i::2, j::2] for i in (0, 1) for j in (0, 1))
        return float(sum(o.mean((1, 2, 3)).abs().mean() for o in (a - b + c - d, a + b - c - d, a - b - c + d)))
    def __call__(self, learn): return self.alternates(learn.sample(z=learn.latents(256, 'checkerboard')))/self.alternates(learn.source.valid(170))

class Fall:
    "How far above its best the distance stands, as the logarithm of a ratio"
    better, heading = 'less', 'log of the distance beside its best'
    def __init__(self): self.learn, self.best = None, math.inf
    def __call__(self, learn):
        if self.learn is not learn: self.learn, self.best = learn, math.inf
        now = sliced_wasserstein(learn.sample(z=learn.latents(1024, 'fall')), learn.source.valid(1024))
        self.best = min(self.best, now)
        return math.log(now/self.best)

class Relative:
    "The distance in deviations of the data, so that ranges can be compared"
    better, heading = 'less', "distance, in deviations of the data"
    def __call__(self, learn):
        real = learn.source.valid(500)
        return sliced_wasserstein(learn.sample(z=learn.latents(500, 'relative')), real)/float(real.std())

OWN = dict(movement=Movement, unsteadiness=Unsteadiness, tint=Tint, checkerboard=Checkerboard, fall=Fall, relative=Relative)

def measure(by)->Measure: # how it is called and compared
    return Measure(OWN[by].heading, OWN[by].better, False) if by in OWN else compared[by]


# ---------------------------------------------------------------- a belief

@dataclass(frozen=True)
class Belief:
    "One belief on one bench"
    name:str
    family:str                # the section of the page
    a:str                     # what A is, in words
    b:str
    make:Callable             # seed -> learner of A
    change:dict|None = None   # what `ab` takes; None: B is another learner
    other:Callable|None = None # seed -> learner of B
    by:str = 'sliced_wasserstein' # what decides
    claim:str = 'better'      # what the belief says of B: 'better' or 'worse'
    share:float = 1.          # of B's steps, beside A's
    share_a:float = 1.        # of A's steps, beside the bench's
    on:str = 'ring'           # the bench

    def steps(self, steps=None): # of A, of B
        a = max(2, round((steps or STEPS[self.on])*self.share_a))
        return a, max(2, round(a*self.share))

def beliefs():
    "All of them, the cheap ones first"
    b = [
        Belief('rates_ring', 'rates', 'D at 2e-3, G at 1e-3', 'D at 1e-3, G at 2e-3', partial(ring, lr_d=2e-3, lr_g=1e-3),
               dict(on=dict(ttur=dict(lr_d=1e-3, lr_g=2e-3)))),
        Belief('rates_equal_ring', 'rates', 'both at 1e-3', 'D at 1e-3, G at 2e-3', ring, dict(on=dict(ttur=dict(lr_d=1e-3, lr_g=2e-3)))),
        *[Belief(f'batch_{n}_ring', 'batch', f'batches of {n}, as many samples', 'batches of 64', partial(ring, bs=n), other=ring,
                 share_a=64/n, share=n/64) for n in (16, 128, 256)],
        Belief('steady_ring', 'steady', 'batches of 64', 'batches of 256, as many steps', ring, other=partial(ring, bs=256), by='unsteadiness'),
        Belief('sgd_ring', 'sgd', 'Adam at 1e-3', 'SGD at 0.1, no momentum', ring,
               other=partial(ring, opt='sgd', lr_d=.1, lr_g=.1), by='movement', claim='worse'),
        Belief('rmsprop_ring', 'rmsprop', 'WGAN-GP (λ 0.1, one update of D), Adam at 1e-3', 'the same with RMSProp at 1e-3',
               partial(ring, tricks=wgan_gp(.1), **GP), other=partial(ring, tricks=wgan_gp(.1), opt='rmsprop')),
        Belief('lambda_ring', 'lambda', 'WGAN-GP with λ 0.1', 'λ 10', partial(ring, tricks=wgan_gp(.1), **GP), dict(set=dict(wgan_gp=dict(lam=10)))),
        Belief('critic_steps_ring', 'critic', 'WGAN-GP (λ 0.1), one update of D', "five, as many steps of G",
               partial(ring, tricks=wgan_gp(.1), **GP), dict(set=dict(wgan_gp=dict(n_critic=5)))),
        Belief('critic_work_ring', 'critic', 'WGAN-GP (λ 0.1), one update of D', 'five, a third of the steps: the same work',
               partial(ring, tricks=wgan_gp(.1), **GP), other=partial(ring, tricks=wgan_gp(.1, 5), **GP), share=1/3),
        Belief('init_ring', 'init', 'weights by He', 'weights from N(0, 0.02)', partial(ring, tricks=(('reinit', dict(which='both', scheme='he_normal')),)),
               other=partial(ring, tricks=(('reinit', dict(which='both', scheme='normal')),))),
        Belief('dropout_ring', 'dropout', 'plain', 'dropout in D, p 0.3', ring, dict(on='dropout')),
        Belief('smoothing_ring', 'smoothing', 'a ring that loses modes', 'one-sided label smoothing, 0.9', collapsing,
               dict(on='one_sided_label_smoothing'), by='modes'),
        Belief('smoothing_two_ring', 'smoothing', 'a ring that loses modes', 'label smoothing, 0.9 and 0.1', collapsing,
               dict(on='label_smoothing'), by='modes'),
        Belief('both_bounds_ring', 'both_bounds', 'WGAN-GP (λ 10)', 'and spectral norm in D', partial(ring, tricks=wgan_gp(), **GP),
               dict(on=dict(spectral_norm=dict(soft_start=0)))),
        Belief('wider_ring', 'wider', '32 units a layer', '128 units a layer', ring, other=partial(ring, width=128)),
        Belief('four_points_ring', 'four_points', 'a ring that loses modes', 'the four points', collapsing,
               dict(on=dict(ttur=dict(lr_d=1e-3, lr_g=2e-3), wgan_gp=dict(lam=10, n_critic=1), spectral_norm=dict(soft_start=0))), by='modes'),
        Belief('historical_ring', 'historical', 'plain', 'historical averaging, λ 0.01', ring, dict(on='historical_averaging')),
        Belief('historical_moves_ring', 'historical', 'a ring that loses modes', 'historical averaging, λ 0.01', collapsing,
               dict(on='historical_averaging'), by='movement'),
    ]
    b += [sixteen(name, 'ring') for name in SIXTEEN_RING]
    b += [
        Belief('odd_batch_avatars', 'odd_batch', 'batches of 64', 'batches of 61', avatars, other=partial(avatars, bs=61), claim='worse', on='avatars'),
        Belief('odd_small_avatars', 'odd_batch', 'batches of 8', 'batches of 7', partial(avatars, bs=8), other=partial(avatars, bs=7), claim='worse',
               on='avatars', share_a=2),
        Belief('bn_d_avatars', 'bn_d', 'no norm in D', 'BatchNorm in D', avatars, other=partial(avatars, bn_d=True), on='avatars'),
        Belief('init_he_avatars', 'init', 'weights from N(0, 0.02)', 'weights by He', avatars,
               dict(on=dict(reinit=dict(which='both', scheme='he_normal'))), claim='worse', on='avatars'),
        Belief('init_xavier_avatars', 'init', 'weights from N(0, 0.02)', 'weights by Xavier', avatars,
               dict(on=dict(reinit=dict(which='both', scheme='xavier_normal'))), claim='worse', on='avatars'),
        Belief('rates_avatars', 'rates', 'D at 2e-3, G at 1e-3', 'D at 1e-3, G at 2e-3', partial(avatars, lr_d=2e-3, lr_g=1e-3),
               dict(on=dict(ttur=dict(lr_d=1e-3, lr_g=2e-3))), on='avatars'),
        Belief('wider_avatars', 'wider', '8 channels at the largest map', '24 channels', partial(avatars, width=8), other=partial(avatars, width=24), on='avatars'),
        Belief('dropout_avatars', 'dropout', 'plain', 'dropout in D, p 0.3', avatars, dict(on='dropout'), on='avatars'),
        Belief('lambda_avatars', 'lambda', 'WGAN-GP with λ 1', 'λ 10', partial(avatars, tricks=wgan_gp(1), **GP),
               dict(set=dict(wgan_gp=dict(lam=10))), on='avatars'),
        Belief('both_bounds_avatars', 'both_bounds', 'WGAN-GP (λ 10)', 'and spectral norm in D', partial(avatars, tricks=wgan_gp(), **GP),
               dict(on=dict(spectral_norm=dict(soft_start=0))), on='avatars'),
        Belief('rmsprop_avatars', 'rmsprop', 'WGAN-GP (λ 10, one update of D), Adam at 1e-3', 'the same with RMSProp at 1e-3',
               partial(avatars, tricks=wgan_gp(), **GP), other=partial(avatars, tricks=wgan_gp(), opt='rmsprop'), on='avatars'),
        Belief('critic_work_avatars', 'critic', 'WGAN-GP (λ 10), one update of D', 'five, a third of the steps: the same work',
               partial(avatars, tricks=wgan_gp(), **GP), other=partial(avatars, tricks=wgan_gp(10, 5), **GP), share=1/3, on='avatars'),
        *[Belief(f'batch_{n}_avatars', 'batch', f'batches of {n}, as many samples', 'batches of 64', partial(avatars, bs=n), other=avatars,
                 share_a=64/n, share=n/64, on='avatars') for n in (16, 128, 256)],
        Belief('historical_avatars', 'historical', 'plain', 'historical averaging, λ 0.01', avatars, dict(on='historical_averaging'), on='avatars'),
        Belief('bn_d_digits', 'bn_d', 'no norm in D', 'BatchNorm in D', digits, other=partial(digits, bn_d=True), on='digits'),
        Belief('growing_digits', 'growing', 'digits of 32 pixels from the start', 'networks that grow from 16 to 32 pixels', partial(digits, size=32, width=8),
               other=partial(digits, size=32, of=16, width=8, tricks=(('progressive_growing', dict(fade=80, hold=80, width=8)),)), on='digits'),
    ]
    b += [sixteen(name, 'avatars') for name in SIXTEEN]
    return {o.name: o for o in [*b, *remedies()]}

R1 = dict(gradient_penalty=dict(gamma=1))
STILL = dict(betas=dict(beta1_d=0, beta1_g=0, beta2_d=.99, beta2_g=.99))      # Adam without momentum
EQUAL = dict(ttur=dict(lr_d=RATE, lr_g=RATE))

def remedy(name, a, b, make, change=None, **kw):
    "What is advised against a symptom, on a bench that has it"
    return Belief(name, 'symptoms', a, b, make, change and dict(on=change), **(dict(share_a=.5) | kw))

def remedies_of_balance():
    slow, weak, mini = partial(ring, lr_g=1e-4), partial(ring, lr_d=1e-5), partial(ring, loss='minimax', lr_g=1e-4)
    strong, sure = partial(digits, width=8, lr_d=4e-3, lr_g=2e-4), 'D at twenty times the rate of G'
    late, faint = 'G at a tenth of the rate of D', 'D at a hundredth of the rate of G'
    return [
        remedy('strong_d_r1_digits', sure, 'R1, γ 1', strong, R1, on='digits'),
        remedy('strong_d_noise_digits', sure, 'instance noise, 0.1', strong, dict(instance_noise=dict(sigma=.1)), on='digits'),
        remedy('strong_d_rates_digits', sure, 'equal rates, 1e-3', strong, EQUAL, on='digits'),
        remedy('slow_g_rates_ring', late, 'equal rates, 1e-3', slow, EQUAL),
        remedy('slow_g_twice_ring', late, 'G twice a step', slow, dict(n_critic=dict(n_d=1, n_g=2))),
        remedy('saturating_ring', f'the minimax loss, {late}', 'the non-saturating loss', mini, other=slow),
        remedy('weak_d_rate_ring', faint, 'equal rates, 1e-3', weak, EQUAL),
        remedy('weak_d_steps_ring', faint, 'D five times a step', weak, dict(n_critic=dict(n_d=5)))]

def remedies_of_collapse():
    loses = 'a ring that loses modes'
    return [
        remedy('collapse_r1_ring', loses, 'R1, γ 1', collapsing, R1, by='modes'),
        remedy('collapse_packing_ring', loses, 'packing, two samples', collapsing, dict(packing={}), by='modes'),
        remedy('missing_packing_ring', 'plain', 'packing, two samples', ring, dict(packing={}), by='modes'),
        remedy('circling_momentum_ring', loses, 'β₁ 0 in place of 0.86', collapsing, STILL, by='movement')]

def remedies_of_course():
    free, burst = partial(ring, loss='wasserstein', lr_d=1e-2), partial(ring, loss='lsgan', opt='sgd', lr_d=1., lr_g=1.)
    kept, unbound, fall = 'a ring with R1 (γ 1) goes on at step 250', 'Wasserstein loss without a bound, D at 1e-2', dict(share_a=1.6, by='fall')
    return [
        remedy('exploding_clip_ring', unbound, 'gradients clipped at 1', free, dict(grad_clip={})),
        remedy('exploding_gp_ring', unbound, 'WGAN-GP (λ 0.1, one update of D)', free, dict(wgan_gp=dict(lam=.1, n_critic=1))),
        remedy('bursting_clip_ring', 'least squares by SGD at a rate of 1', 'gradients clipped at 1', burst, dict(grad_clip={})),
        remedy('fall_decay_ring', 'plain, 800 steps', 'rates that decay to 0', ring, dict(lr_decay=dict(shape='cosine', steps=800, end=0)), **fall),
        remedy('fall_r1_ring', 'plain, 800 steps', 'R1, γ 1', ring, R1, **fall),
        remedy('longer_ring', 'plain, 250 steps', 'three times as many steps', ring, other=ring, share=3),
        remedy('resume_ring', kept, 'a run that is resumed from its folder', taken_up, other=partial(taken_up, by='resume'), claim='worse'),
        remedy('resume_weights_ring', kept, "a run that goes on from its weights, without Adam's moments", taken_up, other=partial(taken_up, by='weights'), claim='worse'),
        remedy('scaled_rate_ring', 'batches of 128 (two devices of 64), rates as for 64', 'rates twice as high for twice the batch', partial(ring, bs=128),
               other=partial(ring, bs=128, lr_d=2*RATE, lr_g=2*RATE)),
        remedy('gamma_ring', 'R1 with γ 10', 'R1 with γ 0.1', partial(ring, tricks=r1(10)), other=partial(ring, tricks=r1(.1)))]

def remedies_of_images():
    small, faces, odd = partial(avatars, width=8), dict(on='avatars'), partial(upsampled, how='transposed 3')
    uneven, board, noisy = 'transposed convolution, kernel 3, stride 2', dict(by='checkerboard', on='digits'), dict(sigma=.5)
    return [
        remedy('norm_memory_digits', 'BatchNorm that remembers a thousand batches', 'BatchNorm that remembers ten batches, the default', forgetful_norms,
               other=partial(forgetful_norms, momentum=.1), on='digits'),
        remedy('checkerboard_resize_digits', uneven, 'nearest neighbour, then convolution', odd, other=partial(upsampled, how='resized'), **board),
        remedy('checkerboard_kernel_digits', uneven, 'kernel 4, stride 2', odd, other=partial(upsampled, how='transposed 4'), **board),
        remedy('few_diffaugment_avatars', '50 faces', 'DiffAugment', few, dict(diffaugment={}), share_a=1, **faces),
        remedy('tint_ema_avatars', 'plain', 'the average of G (EMA, 0.98)', small, dict(ema=dict(beta=.98)), by='tint', **faces),
        remedy('range_avatars', 'images in [0, 1], G ends in a Tanh', 'images in [-1, 1]', unscaled, other=small, by='relative', **faces),
        remedy('noise_fades_avatars', 'instance noise of 0.5 that stays', 'instance noise of 0.5 that fades within 50 steps', partial(small, tricks=(('instance_noise', noisy),)),
               other=partial(small, tricks=(('instance_noise', dict(noisy, schedule='linear', over=50)),)), **faces)]

def remedies(): return [*remedies_of_balance(), *remedies_of_collapse(), *remedies_of_course(), *remedies_of_images()]

SIXTEEN = ('label_smoothing', 'one_sided_label_smoothing', 'spectral_norm', 'instance_noise', 'relativistic_gp', 'path_length', 'gradient_penalty',
           'feature_matching', 'minibatch_stddev', 'unrolled', 'virtual_batch_norm', 'wgan_gp', 'dual_discriminator', 'progressive_growing',
           'self_attention', 'style')
SIXTEEN_RING = tuple(n for n in SIXTEEN if n not in ('virtual_batch_norm', 'progressive_growing', 'self_attention', 'style'))   # the others need images, or BatchNorm in G
VALUES = dict(progressive_growing=dict(mode='curriculum', fade=80, hold=40))     # else the defaults

TITLES = {t.name: t.title for t in find_tricks()}

def sixteen(name, on):
    "A trick beside the plain run"
    return Belief(f'{name}_{on}', 'sixteen', 'plain', TITLES[name], dict(ring=ring, avatars=avatars)[on], dict(on={name: VALUES.get(name, {})}), on=on)


# ---------------------------------------------------------------- running one

def pair(belief, seed, steps=None):
    "(arm of A, arm of B)"
    by, own = belief.by, belief.by in OWN
    n_a, n_b = belief.steps(steps)
    if belief.change is not None:
        metric = OWN[by]() if own else by
        return ab(belief.make(seed), **belief.change, steps=n_a, seeds=1, metric=metric, progress=False).pairs[0]
    arms = []
    for make, n in ((belief.make, n_a), (belief.other, n_b)):
        learn = make(seed)
        arms.append(train_arm(learn, n, Reader(learn, OWN[by]() if own else None)))
    return tuple(arms)

def number(belief, arm): return arm.values.get('metric' if belief.by in OWN else belief.by, math.nan)

SHOWN = 'sliced_wasserstein', 'modes', 'hq', 'ms'

def one_seed(belief, seed, steps=None):
    "A row"
    t = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        arms = pair(belief, seed, steps)
    n_a, n_b = belief.steps(steps)
    out = dict(belief=belief.name, seed=seed, steps=n_a, steps_b=n_b, by=belief.by)
    for k, arm in zip('ab', arms):
        out |= {k: number(belief, arm), f'{k}_failed': arm.failed, f'{k}_hash': arm.hash[:12],
                f'{k}_also': {m: round(arm.values[m], 4) for m in SHOWN if m in arm.values and m != belief.by}}
    return dict(out, command=command(only=belief.name, first_seed=seed, seeds=1, steps=steps), cpu=round(time.process_time() - t, 1))


# ---------------------------------------------------------------- the verdict

def evidence(belief, rows)->Evidence:
    "The rows of a belief, as `ab` would judge them"
    out = Evidence({belief.by: measure(belief.by)}, belief.by, rows[0]['steps'])
    for r in sorted(rows, key=lambda r: r['seed']):
        out.pairs.append(tuple(Arm({}, {belief.by: math.nan if r[k] is None else r[k]}, None, r[f'{k}_hash'], r[f'{k}_failed']) for k in 'ab'))
    out.judged.append(len(rows))
    return out

def gain(look, measure)->tuple: # (low, high) of what B gains, as a share or in the measure's units; nan: no interval
    sign = 1 if measure.better == 'more' else -1
    return tuple(sorted((sign*look.low, sign*look.high)))

def tenth(belief, rows): # the gain that would matter
    if measure(belief.by).log: return math.log(1.1)
    return .1*abs(float(np.mean([r['a'] for r in rows if r['a'] is not None])))

def verdict(belief, rows)->str:
    """'supported': B is found to be what the belief says. 'refuted': it is found to be the opposite, or whatever it gains is less than a tenth, or both
    runs are equal to the bit. 'undecided': all else, and fewer than five seeds."""
    if len(rows) < ENOUGH: return 'undecided'
    e = evidence(belief, rows)
    said = dict(better='better', holds='better', worse='worse', fails='worse').get(e.outcome)
    if said: return 'supported' if said == belief.claim else 'refuted'
    if e.outcome == 'same': return 'refuted'
    low, high = gain(e.finding, measure(belief.by))
    if belief.claim == 'worse': low, high = -high, -low
    return 'refuted' if math.isfinite(high) and high < tenth(belief, rows) else 'undecided'

def main(argv=None):
    every = beliefs()
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--only', nargs='*', choices=every, metavar='NAME')
    a.add_argument('--on', nargs='*', choices=STEPS, default=list(STEPS))
    a.add_argument('--seeds', type=int, default=5)
    a.add_argument('--first-seed', type=int, default=0)
    a.add_argument('--steps', type=int, help=f'of A; else {STEPS}, or what the belief asks for')
    a.add_argument('--list', action='store_true', help='what there is')
    a.add_argument('--json', metavar='FILE', default=str(HERE/'folklore.json'), help="where rows are kept; '': nowhere")
    o = a.parse_args(argv)
    chosen = [b for b in every.values() if b.on in o.on and (not o.only or b.name in o.only)]
    if o.list: return print(*(f'{b.name:32} {b.a}  ->  {b.b}' for b in chosen), sep='\n')
    rows = Rows(o.json, KEYS)
    for belief in chosen:
        try: tell(belief, try_belief(belief, rows, o))
        except Exception as e: print(f'{belief.name:32} {type(e).__name__}: {e}', flush=True)    # the others go on

def try_belief(belief, rows, o):
    "Its rows, those that were missing made now"
    steps = belief.steps(o.steps)[0]
    for seed in range(o.first_seed, o.first_seed + o.seeds):
        if not rows.has(belief=belief.name, seed=seed, steps=steps): rows.add(**one_seed(belief, seed, o.steps))
    return [r for r in rows if r['belief'] == belief.name and r['steps'] == steps]

def tell(belief, rows):
    "A line"
    l = evidence(belief, rows).finding
    print(f"{belief.name:32} {verdict(belief, rows):10} {len(rows)} seeds  {l.mean:+.3f} ({l.low:+.3f} to {l.high:+.3f}) p {l.p:.3g}  "
          f"{sum(r['cpu'] for r in rows):.0f} s", flush=True)

if __name__ == '__main__': main()
