"""What population based training is worth: `python benchmarks/population.py`, a quarter of an hour of CPU time; `--seeds`, `--steps`, `--every` for more.

Eight members on the ring against a random search of equal steps: the same eight members, with the same settings, weights and draws at the beginning, of which none forks another and none explores. So both have trained
8 x `--steps` steps, and both choose the best of eight by the same number, read on held-out samples at the last step. What the chosen is worth is then measured anew, on 10,000 samples that neither has seen.

The line: the population's best is better than random search's in at least 7 of 10 seeds, or the table says that it is not.

`--kill` does one population more, in which one of two workers is killed (kill -9) after its first member's first round, and says whether it comes to the same bits."""
import argparse, os, signal, subprocess, sys, tempfile, threading, time
from pathlib import Path
import torch
from rows import Rows, command, plus_minus
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.metrics import mode_coverage, sliced_wasserstein
from ganlab.nets import mlp
from ganlab.pbt.kin import living
from ganlab.pbt.member import Breeding, Place, noted
from ganlab.pbt.rounds import a_ray
from ganlab.population import population
from ganlab.search.space import as_space

SPACE = {'gradient_penalty': {'gamma': (.01, 10.)}, 'instance_noise': {'sigma': (.01, 1.)}, 'rates': {'lr': (1/8, 8.), 'ratio': (1/4, 4.)}, 'beta1': (0., .5, .9)}
N = 8

def maker(seed):
    def make(run=None, seed=seed): return GANLearner(ring_dls(n=10_000, bs=64), *mlp(width=32, depth=2, seed=seed), lr_g=1e-3, lr_d=1e-3, seed=seed, run=run)
    return make

def by_population(o, seed, folder, workers=1):
    return population(maker(seed), SPACE, n=N, steps=o.steps, every=o.every, workers=workers, folder=folder, seed=seed, progress=False).best

def by_random_search(o, seed, folder):
    "The same members, and nothing else: looked at once, at the end"
    make = maker(seed)
    task = Breeding(make, as_space(SPACE, make, o.steps), 'sliced_wasserstein', None, o.steps, o.steps, Path(folder), seed)
    for i in range(N): task.train(Place(i), o.steps)
    return living(task)[0]

def worth(learn, n=10_000):
    "What it makes, on latents and reals that nobody has seen"
    g, source = torch.Generator().manual_seed(12345), learn.source
    centers = torch.as_tensor(source.centers)
    real = centers[torch.randint(len(centers), (n,), generator=g)] + source.sigma*torch.randn(n, 2, generator=g)
    x = learn.sample(n, z=torch.randn(n, 2, generator=g))
    found = mode_coverage(x, centers, source.sigma)
    return dict(worth=float(sliced_wasserstein(x, real)), modes=found.modes, hq=found.hq)

def row(o, how, seed):
    "One seed of one way"
    with tempfile.TemporaryDirectory() as tmp:
        start = time.time()
        best = (by_population if how == 'population' else by_random_search)(o, seed, tmp)
        seconds = time.time() - start
        return dict(how=how, seed=seed, steps=o.steps, every=o.every, chosen_by=best.value, **worth(best.learner), lineage=best.descent, on=best.on, seconds=round(seconds, 1))

def killed_at_first_sight(folder):
    "Kill the first process that records a member which has read a number"
    me = os.getpid()
    while True:
        time.sleep(.2)
        for p in Path('/proc').glob('[0-9]*/fd/*'):
            try: there = os.readlink(p)
            except OSError: continue
            pid = int(p.parts[2])
            if pid != me and f'{folder}/member-' in there and 'writer.lock' in there and any(noted(f) and noted(f)['reads'] for f in Path(folder).glob('member-*')):
                os.kill(pid, signal.SIGKILL)
                return print(f'killed worker {pid}')

def with_a_kill(o):
    "Two workers, one killed: the members' states are those of one worker that lives"
    def states(folder):
        task = Breeding(maker(0), as_space(SPACE, maker(0), o.steps), 'sliced_wasserstein', None, o.steps, o.every, Path(folder), 0)
        out = {}
        for m in living(task):
            with m.run as run: out[m.number] = run.hash_at(o.steps)
        return out
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        threading.Thread(target=killed_at_first_sight, args=(a,), daemon=True).start()
        best = by_population(o, 0, a, workers=2)
        print(best, 'came to its end')
        script = best.to_python(Path(b)/'best.py')
        with best.run as run: known = run.hash_at(o.steps)
        said = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.split()[-1]
        print('its script', 'makes its state again' if said == known else 'makes ANOTHER state')
        by_population(o, 0, Path(b)/'whole')
        print('all states are', 'those of one worker that lives' if states(a) == states(Path(b)/'whole') else 'OTHERS')

def table(rows, o):
    done = {(r['how'], r['seed']): r for r in rows if (r['steps'], r['every']) == (o.steps, o.every)}
    seeds = sorted({s for _, s in done if ('population', s) in done and ('random', s) in done})
    print(f'\n`{command(seeds=o.seeds, steps=o.steps, every=o.every)}`: the best of {N} at {o.steps} steps, on 10,000 fresh samples\n')
    print('| seed | population | random search | modes | lineage of the best |\n|-|-|-|-|-|')
    for s in seeds:
        a, b = done['population', s], done['random', s]
        print(f"| {s} | {a['worth']:.4f} | {b['worth']:.4f} | {a['modes']}, {b['modes']} | {a['lineage']} |")
    pairs = [(done['population', s]['worth'], done['random', s]['worth']) for s in seeds]
    print(f'| mean | {plus_minus([a for a, _ in pairs], 4)} | {plus_minus([b for _, b in pairs], 4)} | | |')
    won = sum(a < b for a, b in pairs)
    print(f"\nPopulation based training is better in {won} of {len(pairs)} seeds: {'the line holds' if won >= .7*len(pairs) else 'the line does NOT hold'} ({sum(done[k]['seconds'] for k in done):.0f} s)")

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in dict(seeds=10, steps=1000, every=100).items(): p.add_argument(f'--{name}', default=usual, type=int)
    p.add_argument('--json', help='rows, written as they come, and not done twice')
    p.add_argument('--kill', action='store_true')
    o = p.parse_args()
    torch.set_num_threads(1)
    with a_ray(N, 2 if o.kill else 1, {'cpu': 1}):
        if o.kill: return with_a_kill(o)
        rows = Rows(o.json, ('how', 'seed', 'steps', 'every'))
        for seed in range(o.seeds):
            for how in ('population', 'random'):
                if not rows.has(how=how, seed=seed, steps=o.steps, every=o.every): rows.add(**row(o, how, seed))
    table(rows, o)

if __name__ == '__main__': main()
