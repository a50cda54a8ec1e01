#!/usr/bin/env python
"""Does ganlab come to the results that papers report on small problems? The Dirac GAN, the ring and the grid.

    python benchmarks/published.py [--part dirac recipe pacgan veegan unrolled d2gan] [--only METHOD ...] [--problem ring grid]
                                   [--seeds 5] [--first-seed 0] [--steps N] [--full] [--json FILE]

`dirac`: each method on the Dirac GAN of Mescheder et al. 2018, by the eigenvalues of its step and by letting it run. `recipe`: ring and grid by a
recipe of ganlab's own tricks. The others: the protocols of PacGAN, VEEGAN, unrolled GANs and D2GAN, with a part of their steps; `--full` takes all of
them. Nothing is tuned per seed. A row is written to the file as soon as it is done, and one that stands there is not done again.
"""
import argparse, cmath, math, os, sys, time
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import numpy as np, torch
from torch import nn
from ganlab.data import grid_dls, ring_dls, tensor_dls
from ganlab.engine.recovery import StepError
from ganlab.engine.rng import Streams, borrowed_rng
from ganlab.learner import GANLearner
from ganlab.metrics import mode_coverage
from ganlab.nets import mlp
from rows import Rows, command

torch.set_num_threads(1)
HERE = Path(__file__).resolve().parent
KEYS = 'part', 'problem', 'method', 'seed', 'steps'


# ---------------------------------------------------------------- the Dirac GAN

class Point(nn.Module):
    "A generator that makes one point, whatever its latent"
    def __init__(self, theta):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta))
    def forward(self, z): return self.theta.expand(len(z), 1)

def sgd(params, lr): return torch.optim.SGD(params, lr=lr)

def dirac(method, h, theta=1., psi=1., update='simultaneous', bs=2):
    "The data are at 0, D(x) = -psi x (the paper's sign is the other one), both by plain gradient descent of step h"
    D = nn.Linear(1, 1, bias=False)
    nn.init.constant_(D.weight, -psi)
    learn = GANLearner(tensor_dls(torch.zeros(4*bs, 1), bs), Point(theta), D, loss=method.loss, opt=sgd, lr_g=h, lr_d=h, update=update,
                       z_dim=1, device='cpu', tricks=method.tricks)
    learn.snap_every = learn.slope_every = 10**9
    if method.noisy: learn.tricks['instance_noise'].std = 1.     # a share of the data's own, which is 0 here
    return learn

def stands(learn): return np.array([learn.G.theta.item(), -learn.D.weight.item()])

@dataclass(frozen=True)
class Dirac:
    "A method on the Dirac GAN"
    title:str
    published:str        # does it converge, by the paper?
    source:str
    known:complex|None   # the eigenvalue in continuous time, the one with the larger imaginary part; None: there is none
    loss:str = 'minimax'
    tricks:tuple = ()
    noisy:bool = False   # its step is an average over noise

def root(b, c): return (-b + cmath.sqrt(b*b - 4*c))/2 # of λ² + bλ + c

GAMMA, SIGMA = .3, 1.
MESCHEDER = 'Mescheder 2018'
METHODS = dict(
    gan=Dirac('GAN, minimax', 'no', f'{MESCHEDER}, section 2', .5j),
    ns=Dirac('GAN, non-saturating', 'at best slowly', f'{MESCHEDER}, section 2', .5j, loss='non_saturating'),
    wgan=Dirac('WGAN', 'no', f'{MESCHEDER}, section 3', 1j, loss='wasserstein'),
    wgan_clip=Dirac('WGAN, weights clipped at 1', 'no', f'{MESCHEDER}, section 3', 1j, loss='wasserstein',
                    tricks=(('weight_clipping', dict(c=1., soft_start=0)),)),
    wgan_gp_5=Dirac('WGAN-GP, λ 0.35, five updates of D', 'no', f'{MESCHEDER}, section 3', None, loss='wasserstein',
                    tricks=(('wgan_gp', dict(lam=.35, n_critic=5, recentre=False)),)),
    wgan_gp=Dirac('WGAN-GP, λ 0.35', 'no', f'{MESCHEDER}, section 3', None, loss='wasserstein',
                  tricks=(('wgan_gp', dict(lam=.35, n_critic=1, recentre=False)),)),
    instance_noise=Dirac('GAN with instance noise, σ 1', 'yes', f'{MESCHEDER}, section 3', root(SIGMA**2/2, .25), noisy=True,
                         tricks=(('instance_noise', dict(sigma=SIGMA, share=1.)),)),
    r1=Dirac('GAN with R1, γ 0.3', 'yes', f'{MESCHEDER}, section 3', root(GAMMA, .25), tricks=(('gradient_penalty', dict(gamma=GAMMA)),)),
    r2=Dirac('GAN with R2, γ 0.3', 'yes', f'{MESCHEDER}, section 3', root(GAMMA, .25),
             tricks=(('gradient_penalty', dict(gamma=GAMMA, points='fake')),)),
    ns_r1=Dirac('Non-saturating with R1, γ 0.3', 'yes', f'{MESCHEDER}, section 4', root(GAMMA, .25), loss='non_saturating',
                tricks=(('gradient_penalty', dict(gamma=GAMMA)),)),
    wgan_r1=Dirac('WGAN with R1, γ 0.3', 'not in it', 'derived', root(GAMMA, 1), loss='wasserstein',
                  tricks=(('gradient_penalty', dict(gamma=GAMMA)),)),
    consensus=Dirac('Consensus optimisation, γ 1', 'yes', f'{MESCHEDER}, section 3; Mescheder 2017', root(.5, 1/16 + .25),
                    tricks=(('consensus', dict(gamma=1.)),)),
    rpgan_r1r2=Dirac('RpGAN with R1 and R2, γ 0.15 each', 'not in it', 'Huang 2024; derived', root(.3, .25),
                     tricks=(('relativistic_gp', dict(gamma=.15, recentre=False)),)))

def eigenvalue(method, h=.1, small=1e-2):
    "The eigenvalue of one simultaneous step at the equilibrium, by differences, as that of the flow: (μ - 1)/h"
    bs = 65_536 if method.noisy else 2
    columns = []
    for at in np.eye(2)*small:
        ends = []
        for side in (1, -1):
            learn = dirac(method, h, *(side*at).tolist(), bs=bs)
            learn.fit_steps(1, progress=False)
            ends.append(stands(learn))
        columns.append((ends[0] - ends[1])/(2*small))
    values = np.linalg.eigvals((np.array(columns).T - np.eye(2))/h)
    return complex(max(values, key=lambda v: (round(v.imag, 6), v.real)))

def radii(method, update, steps, h=.2):
    "The distance from the equilibrium half way, and at the end; nan where it went beyond all bounds"
    learn = dirac(method, h, update=update, bs=16_384 if method.noisy else 2)
    out = []
    for _ in range(2):
        try: learn.fit_steps(steps//2, progress=False)
        except StepError: return [math.nan, math.nan]
        out.append(float(np.hypot(*stands(learn))))
    return out

def said(half, end):
    "What a run did: the distance starts at 1.41"
    if not math.isfinite(end) or end > 2*math.sqrt(2): return 'runs away'
    if end < .01*math.sqrt(2): return 'arrives'
    return 'approaches' if end < .8*half else 'circles'

def dirac_rows(o, rows):
    steps = o.steps or 1000
    for name, m in METHODS.items():
        key = dict(part='dirac', problem='dirac', method=name, seed=0, steps=steps)
        if o.only and name not in o.only or rows.has(**key): continue
        t = time.process_time()
        lam = None if m.known is None else eigenvalue(m)
        ends = {u: radii(m, u, steps) for u in ('alternating', 'simultaneous')}
        rows.add(**key, title=m.title, measured=lam and [lam.real, lam.imag],
                 **{u: dict(half=r[0], end=r[1], said=said(*r)) for u, r in ends.items()},
                 command=command(part='dirac', only=name, steps=steps), cpu=time.process_time() - t)
        print(f"{m.title:36} λ {lam and f'{lam:.3f}'}   " + '   '.join(f'{u} {said(*r)} ({r[1]:.2g})' for u, r in ends.items()), flush=True)


# ---------------------------------------------------------------- ring and grid

def seeded(seed, make):
    "Networks whose initial weights are those of a seed"
    with borrowed_rng(Streams(seed), 'init'): return make()

def dense(sizes, act, init=None):
    "Layers with `act` between them"
    layers = [o for a, b in zip(sizes, sizes[1:]) for o in (nn.Linear(a, b), act())][:-1]
    for m in layers:
        if init and isinstance(m, nn.Linear): init(m)
    return layers

def normal(std):
    def init(m):
        nn.init.normal_(m.weight, 0, std)
        nn.init.zeros_(m.bias)
    return init

def orthogonal(m):
    nn.init.orthogonal_(m.weight, 1.4)
    nn.init.zeros_(m.bias)

class Maxout(nn.Module):
    "The largest of `pieces` linear maps"
    def __init__(self, a, b, pieces=5):
        super().__init__()
        self.linear, self.pieces = nn.Linear(a, b*pieces), pieces
    def forward(self, x): return self.linear(x).unflatten(1, (self.pieces, -1)).amax(1)

def pacgan_nets():
    g = [o for a in (2, 400, 400, 400) for o in (nn.Linear(a, 400), nn.BatchNorm1d(400, momentum=.05), nn.ReLU())]
    G, D = nn.Sequential(*g, nn.Linear(400, 2)), nn.Sequential(Maxout(2, 200), Maxout(200, 200), Maxout(200, 200), nn.Linear(200, 1), nn.Flatten(0))
    for m in (*G.modules(), *D.modules()):
        if isinstance(m, nn.Linear): normal(.02)(m)
    return G, D

def veegan_nets():
    return nn.Sequential(*dense([254, 128, 128, 2], nn.ReLU)), nn.Sequential(*dense([2, 128, 1], nn.ReLU), nn.Flatten(0))

def unrolled_nets():
    return (nn.Sequential(*dense([256, 128, 128, 2], nn.Tanh, orthogonal)),
            nn.Sequential(*dense([2, 128, 128, 1], nn.Tanh, orthogonal), nn.Flatten(0)))

def d2gan_nets():
    return (nn.Sequential(*dense([256, 128, 128, 2], nn.ReLU, normal(.01))),
            nn.Sequential(*dense([2, 128, 1], nn.ReLU, normal(.01)), nn.Flatten(0)))

N = 111_111     # points, of which 100,000 are trained on

def ring(bs, seed, **kw): return ring_dls(n=N, bs=bs, seed=seed, **kw)
def grid(bs, seed, **kw): return grid_dls(n=N, bs=bs, seed=seed, **kw)
PROBLEMS = dict(ring=ring, grid=grid)

@dataclass(frozen=True)
class Protocol:
    "How a paper trains on a ring and a grid, and what it reports"
    title:str
    source:str
    nets:object          # () -> (G, D)
    bs:int
    rates:dict           # for `GANLearner`
    methods:dict         # name -> (title, loss, tricks)
    full:int             # steps
    reduced:dict         # method -> steps that are affordable; '': of all others
    problems:tuple = ('ring', 'grid')
    data:dict = field(default_factory=dict)      # for the problem
    differs:str = ''     # from the paper, at any number of steps
    published:dict = field(default_factory=dict) # (problem, method) -> {modes, hq, reverse_kl}, in words; hq in %

def reported(ring, grid):
    "{(problem, method): row} of a table: method -> (modes, hq in %, reverse KL)"
    return {(p, k): dict(zip(('modes', 'hq', 'reverse_kl'), v)) for p, rows in (('ring', ring), ('grid', grid)) for k, v in rows.items()}

def adam(lr_g, lr_d, b1, b2=.999): return dict(lr_g=lr_g, lr_d=lr_d, betas_g=(b1, b2), betas_d=(b1, b2))

def packed(m): return f'PacGAN{m}', 'non_saturating', (('packing', dict(m=m)),)

PROTOCOLS = dict(
    pacgan=Protocol(
        'PacGAN', 'Lin, Khetan, Fanti and Oh 2018 (1712.04086), table 1, and its code', pacgan_nets, 100, adam(1e-4, 1e-4, .8),
        dict(gan=('GAN', 'non_saturating', ()), pacgan2=packed(2), pacgan3=packed(3), pacgan4=packed(4)), 400_000, {'': 1500},
        differs='a pack is a sample and its followers in the batch, so that m·B samples are not needed; the paper shuffles m batches',
        published=reported(dict(gan=('6.3 ± 0.5', '98.2 ± 0.2', '0.45 ± 0.09'), ali=('6.6 ± 0.3', '97.6 ± 0.4', '0.36 ± 0.04'),
                                pacgan2=('7.9 ± 0.1', '95.6 ± 2.0', '0.07 ± 0.03'), pacgan3=('7.8 ± 0.1', '97.7 ± 0.3', '0.10 ± 0.02'),
                                pacgan4=('7.8 ± 0.1', '95.9 ± 1.4', '0.07 ± 0.02')),
                           dict(gan=('17.3 ± 0.8', '94.8 ± 0.7', '0.70 ± 0.07'), ali=('24.1 ± 0.4', '95.7 ± 0.6', '0.14 ± 0.03'),
                                pacgan2=('23.8 ± 0.7', '91.3 ± 0.8', '0.13 ± 0.04'), pacgan3=('24.6 ± 0.4', '94.2 ± 0.4', '0.06 ± 0.02'),
                                pacgan4=('24.8 ± 0.2', '93.6 ± 0.6', '0.04 ± 0.01')))),
    veegan=Protocol(
        'VEEGAN', 'Srivastava et al. 2017 (1705.07761), table 1, and the notebook of its code', veegan_nets, 500, adam(1e-3, 1e-3, .5),
        dict(gan=('GAN', 'non_saturating', ()), unrolled=('Unrolled GAN, 5 steps', 'non_saturating', (('unrolled', dict(steps=5)),))),
        100_000, {'': 4000, 'unrolled': 1000},
        differs="the networks are those of VEEGAN's own notebook, without its encoder; those of the paper's baselines are not told",
        published=reported(dict(gan=('1', '99.3', '–'), ali=('2.8', '0.13', '–'), unrolled=('7.6', '35.6', '–'), veegan=('8', '52.9', '–')),
                           dict(gan=('3.3', '0.5', '–'), ali=('15.8', '1.6', '–'), unrolled=('23.6', '16', '–'), veegan=('24.6', '40', '–')))),
    unrolled=Protocol(
        'Unrolled GAN', "Metz et al. 2016 (1611.02163), the authors' demo", unrolled_nets, 512, adam(1e-3, 1e-4, .5),
        dict(gan=('GAN, minimax', 'minimax', ()), unrolled=('Unrolled GAN, 5 steps', 'minimax', (('unrolled', dict(steps=5)),))),
        25_000, {'': 5000, 'unrolled': 1500}, ('ring',),
        differs="eight modes of equal weight; the demo's ring counts its first mode twice, and has seven. "
                'The paper shows pictures of the ring and no table'),
    d2gan=Protocol(
        'D2GAN', "Nguyen et al. 2017 (1709.03831), the authors' code", d2gan_nets, 512, adam(2e-4, 2e-4, .5),
        dict(gan=('GAN', 'non_saturating', ()),
             d2gan=('D2GAN', 'non_saturating', (('dual_discriminator', dict(mode='d2gan', link='softplus')),))),
        25_000, {'': 5000}, ('ring',), data=dict(radius=2., sigma=.02**.5),
        differs="the second critic begins as a copy of the first, its sign turned; a step trains both critics and G on one batch of latents. "
                'The paper shows curves and no table'))

def learner(protocol, problem, method, seed):
    "A run of a protocol, before its first step"
    p = PROTOCOLS[protocol]
    _, loss, tricks = p.methods[method]
    dls = PROBLEMS[problem](p.bs, seed, **p.data)
    return GANLearner(dls, *seeded(seed, p.nets), loss=loss, seed=seed, tricks=tricks, **p.rates)


# ---------------------------------------------------------------- a recipe of ganlab's own

RECIPE = dict(ring=3000, grid=4500)      # steps; found with seed 100, of which no row is kept

def recipe(problem, seed, steps):
    "RpGAN with R1 and R2, Adam with beta (0, 0.99), and an average of G; the same for both problems, but for the scale of the picture"
    data = {} if problem == 'ring' else dict(scale=.25)
    dls = PROBLEMS[problem](256, seed, **data)
    return GANLearner(dls, *mlp(z_dim=16, width=128, depth=3, seed=seed), seed=seed, tricks=(('relativistic_gp', dict(gamma=.1)), ('ema', dict(beta=.999))),
                      **adam(1e-3, 1e-3, 0., .99))

def found(learn, ema=None, n=2500):
    "What 2,500 samples show: modes with a sample within 3 sigma, the share of such samples, the reverse KL of theirs, the spread round the modes"
    source = learn.source
    x = learn.sample(z=learn.latents(n, 'published'), ema=ema)
    if not x.isfinite().all(): return dict(modes=0, hq=0., reverse_kl=math.nan, spread=math.nan)
    return mode_coverage(x, source.centers, source.sigma, shares='near')._asdict()

def run(rows, key, learn, title, again):
    "Train, measure, and write the row"
    t = time.process_time()
    learn.fit_steps(key['steps'], progress=False)
    rows.add(**key, title=title, **found(learn), command=command(**again), cpu=round(time.process_time() - t, 1))
    r = rows[-1]
    print(f"{key['part']:9} {key['problem']:5} {title:24} seed {key['seed']}, {key['steps']} steps: {r['modes']} modes, {r['hq']:.1%} within 3σ, "
          f"reverse KL {r['reverse_kl']}  ({r['cpu']:.0f} s)", flush=True)

def jobs(o):
    "(key, function that makes the learner, title, options of the command)"
    for seed in range(o.first_seed, o.first_seed + o.seeds):
        for part in o.part:
            for problem in ('ring', 'grid'):
                if o.problem and problem not in o.problem or part == 'dirac': continue
                if part == 'recipe':
                    steps = o.steps or RECIPE[problem]
                    yield dict(part=part, problem=problem, method='recipe', seed=seed, steps=steps), recipe, "ganlab's recipe"
                    continue
                p = PROTOCOLS[part]
                if problem not in p.problems: continue
                for name, (title, *_) in p.methods.items():
                    steps = o.steps or (p.full if o.full else p.reduced.get(name, p.reduced['']))
                    yield dict(part=part, problem=problem, method=name, seed=seed, steps=steps), None, title

def main(argv=None):
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parts = ['dirac', 'recipe', *PROTOCOLS]
    a.add_argument('--part', nargs='*', choices=parts, default=parts)
    a.add_argument('--only', nargs='*', metavar='METHOD')
    a.add_argument('--problem', nargs='*', choices=PROBLEMS)
    a.add_argument('--seeds', type=int, default=5)
    a.add_argument('--first-seed', type=int, default=0)
    a.add_argument('--steps', type=int, help='of each run; else what the protocol has')
    a.add_argument('--full', action='store_true', help="the papers' numbers of steps: days of CPU time")
    a.add_argument('--json', metavar='FILE', default=str(HERE/'published.json'), help="where rows are kept; '': nowhere")
    o = a.parse_args(argv)
    rows = Rows(o.json, KEYS)
    if 'dirac' in o.part: dirac_rows(o, rows)
    for key, make, title in jobs(o):
        if o.only and key['method'] not in o.only or rows.has(**key): continue
        learn = make(key['problem'], key['seed'], key['steps']) if make else learner(key['part'], key['problem'], key['method'], key['seed'])
        again = dict(part=key['part'], only=key['method'], problem=key['problem'], first_seed=key['seed'], seeds=1, steps=key['steps'])
        run(rows, key, learn, title, again)

if __name__ == '__main__': main()
