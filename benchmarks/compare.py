"""Is a verdict of `ab` right? benchmarks/compare.py [--trials 100] [--changes 10] [--jobs 2] [--json FILE]

On rings of eight Gaussians, with fresh seeds. A change of nothing (weights jittered by a millionth, other latents, other batches and latents, four tricks at a strength that does nothing) has to be
called "within noise": first after three seeds, then by the rule "while undecided, more seeds, up to eight". R1 on a ring that has collapsed, and a tenfold rate of G on one that has all modes, have to be found by the same rule; the tenfold rate on a ring
that is still finding its modes, where it does harm in some runs and none in others, shows what is not found.
"""
import argparse, json, math, os, sys, time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch
from ganlab.compare import ab
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp

def ring(kind, seed, steps):
    "A small run: with momentum it collapses (see the tutorial); without, it finds modes, slowly; at a higher rate it has found all eight after a thousand steps"
    b, lr = dict(collapsing=(.86, 1e-3), slow=(.5, 1e-3), trained=(.5, 3e-3))[kind]
    G, D = mlp(dim=2, z_dim=2, width=32, depth=2, seed=seed)
    learn = GANLearner(ring_dls(n=10_000, bs=64, sigma=.05, seed=seed), G, D, lr_g=lr, lr_d=lr, betas_g=(b, .999), betas_d=(b, .999), seed=seed)
    learn.fit_steps(steps, progress=False)
    return learn

def jitter(fork):
    "weights jittered by 1e-6"
    g = torch.Generator().manual_seed(fork.streams.seed)
    with torch.no_grad():
        for p in fork.G.parameters(): p.add_(1e-6*torch.randn(p.shape, generator=g))

def latents(fork):
    "other latents"
    of = fork.latents
    fork.latents = lambda n, name='z', step=0, k=0: of(n, 'z of another stream' if name == 'z' else name, step, k)

def draws(fork):
    "other batches, latents and noise: an independent run"
    fork.streams.seed += 1

nothing = [dict(change=jitter), dict(change=latents), dict(change=draws), dict(on={'gradient_penalty': {'gamma': 1e-3}}),
           dict(on={'instance_noise': {'sigma': 1e-4}}), dict(on={'one_sided_label_smoothing': {'real': .9999}}), dict(change=None)]
def rate(fork):
    "lr_g times 1.001"
    fork.opt_g.param_groups[0]['lr'] *= 1.001
nothing[-1]['change'] = rate
def tenfold(fork):
    "tenfold lr_g"
    fork.opt_g.param_groups[0]['lr'] *= 10
something = dict(r1=('collapsing', dict(on={'gradient_penalty': {'gamma': 1}})), lr_g=('trained', dict(change=tenfold)),
                 lr_g_slow=('slow', dict(change=tenfold)))

def trial(learn, change, steps, **facts):
    "One comparison: what three seeds say, and what the rule says"
    before, t0 = learn.state_hash(), time.process_time()
    c = ab(learn, **change, steps=steps, progress=False)
    first, p = c.outcome, c.finding.p
    while c.outcome == 'undecided' and len(c.pairs) < 8: c.more(progress=False)
    assert learn.state_hash() == before
    l = c.finding
    return dict(**facts, change=c.what, step=learn.step, first=first, p=p, final=c.outcome, seeds=l.n, ratio=math.exp(l.mean), low=math.exp(l.low), high=math.exp(l.high),
                smallest=math.exp(l.smallest), verdict=c.verdict, cpu=time.process_time() - t0)

def placebos(job):
    "Ten comparisons on the way of one run"
    seed, first, n, steps = job
    torch.set_num_threads(1)
    kind = ('collapsing', 'slow')[seed % 2]
    learn, out = ring(kind, seed, 200), []
    for i in range(first, first + n):
        learn.fit_steps(60, progress=False)
        out.append(trial(learn, nothing[i % len(nothing)], steps, trial=i, ring=kind, seed=seed))
    return out

def changes(job):
    name, seed, steps = job
    torch.set_num_threads(1)
    kind, change = something[name]
    return [trial(ring(kind, seed, dict(collapsing=800, trained=1000, slow=1500)[kind]), change, steps, trial=seed, ring=kind, seed=seed, of=name)]

def tell(title, rows):
    "A line of figures"
    first, final = (Counter(r[k] for r in rows) for k in ('first', 'final'))
    seeds = Counter(r['seeds'] for r in rows)
    print(f"{title:42} three seeds: {dict(first)}   by the rule: {dict(final)}   seeds used: {dict(sorted(seeds.items()))}", flush=True)

def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--trials', type=int, default=100, help='comparisons of nothing with nothing')
    a.add_argument('--changes', type=int, default=10, help='comparisons of each real change')
    a.add_argument('--steps', type=int, default=120, help='of each arm, of nothing')
    a.add_argument('--window', type=int, default=500, help='steps of each arm, of the real changes')
    a.add_argument('--seed', type=int, default=300, help='the first seed of all; seeds below 300 and from 1000 on were used to choose the rule')
    a.add_argument('--only', choices=something, action='append', help='these changes; may be given more than once')
    a.add_argument('--jobs', type=int, default=2)
    a.add_argument('--json', metavar='FILE', help='write every comparison there')
    o = a.parse_args()
    with ProcessPoolExecutor(o.jobs, get_context('spawn')) as pool:
        real = [pool.submit(changes, (name, o.seed + 100 + i, o.window)) for name in o.only or something for i in range(o.changes)]
        null = [pool.submit(placebos, (o.seed + i//10, i, min(10, o.trials - i), o.steps)) for i in range(0, o.trials, 10)]
        done = []
        for f in real + null:
            rows = f.result()
            done += rows
            for r in rows: print(f"{r.get('of', 'nothing'):8} seed {r['seed']:4} {r['ring']:10} {r['change'][:44]:44} {r['first']:13} -> {r['final']:13} {r['seeds']} seeds  x{r['ratio']:.3g}  ({r['cpu']:.0f} s)", flush=True)
            if o.json: Path(o.json).write_text(json.dumps(done, indent=1))
    print()
    of = lambda name: [r for r in done if r.get('of') == name]
    for name in o.only or something: tell(f"{name} on a {something[name][0]} ring, {o.window} steps", of(name))
    if null_rows := of(None):
        tell(f'nothing, {o.steps} steps', null_rows)
        for what in dict.fromkeys(r['change'] for r in null_rows): tell(f'  {what}', [r for r in null_rows if r['change'] == what])
    print(f"{sum(r['cpu'] for r in done):.0f} s of CPU in comparisons")

if __name__ == '__main__': main()
