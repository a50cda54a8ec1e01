"""What a search is worth: `python benchmarks/sweep.py`, some minutes on two cores; `--trials`, `--steps`, `--storage` for more.

Thirty trials of the catalogue's own space on the ring, by two workers. One of them is killed (kill -9) after it has begun its third trial; the other takes its settings over and ends the search. Then the best, the learner as
it was, and every recipe that the space offers are trained again on five seeds that the search has not seen. A recipe is switched on the same small networks: what the papers' own networks do is another question.

The line: the mean of the best over the five seeds is no worse than that of the best recipe, or the table says so."""
import argparse, json, random, signal, statistics, subprocess, sys, time
from pathlib import Path
import torch
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.search.dials import switch_recipe
from ganlab.sweep import sweep

def make(run=None, seed=0):
    "A small learner on the ring, at the rates that ganlab's own tutorials have"
    return GANLearner(ring_dls(n=10_000, bs=64), *mlp(width=32, depth=2, seed=seed), lr_g=1e-3, lr_d=1e-3, seed=seed, run=run)

def search(o): return sweep(make, n_trials=o.trials, steps=o.steps, folder=o.folder, storage=o.storage, heartbeat=o.heartbeat)

def worker(o): # in a process of its own
    words = ['--folder', o.folder, '--trials', o.trials, '--steps', o.steps, '--heartbeat', o.heartbeat, *(['--storage', o.storage] if o.storage else []), '--worker']
    return subprocess.Popen([sys.executable, __file__, *map(str, words)])

def runs(o): return len(list(Path(o.folder).glob('trials/*'))) # trials that have begun

def by_two_workers(o):
    "The study after a search in which one of two workers is killed"
    one, other = worker(o), worker(o)
    while runs(o) < 7 and one.poll() is None: time.sleep(1)
    time.sleep(2)
    one.send_signal(signal.SIGKILL)
    print(f'killed a worker, {runs(o)} trials begun')
    other.wait()
    return search(o)      # nothing is left to do: the study is read

def interval(values, n=2000):
    "Mean, and the middle 95 % of the means of draws with replacement"
    g = random.Random(0)
    means = sorted(statistics.fmean(g.choices(values, k=len(values))) for _ in range(n))
    return statistics.fmean(values), means[int(.025*n)], means[int(.975*n)]

def scored(study, seeds):
    "name -> scores on fresh seeds"
    steps = study.task.score.steps
    turns = {f'the best, trial {study.best.number}': None, 'the learner as it was': lambda learn: None}
    turns |= {f'recipe {n}': (lambda learn, n=n: switch_recipe(learn, n, steps)) for n in study.task.space.recipes}
    return {name: study.anew(turn, seeds) for name, turn in turns.items()}

def main():
    p = argparse.ArgumentParser()
    for name, usual in dict(folder='sweeps/ring', trials=30, steps=300, heartbeat=10, seeds=5, storage=None, json=None).items():
        p.add_argument(f'--{name}', default=usual, type=str if usual is None else type(usual))
    p.add_argument('--worker', action='store_true')
    o = p.parse_args()
    torch.set_num_threads(1)
    if o.worker: return search(o)
    start = time.time()
    study = by_two_workers(o)
    print(study.table.state.value_counts().to_string(), study.best, sep='\n')
    found = scored(study, o.seeds)
    print(f'\n| setting | {study.task.score.title} at {o.steps} steps, mean of {o.seeds} fresh seeds | 95 % of it |\n|-|-|-|')
    for name, values in sorted(found.items(), key=lambda kv: statistics.fmean(kv[1])):
        mean, low, high = interval(values)
        print(f'| {name} | {mean:.3f} | {low:.3f} to {high:.3f} |')
    best, rest = statistics.fmean(next(iter(found.values()))), min(statistics.fmean(v) for n, v in found.items() if n.startswith('recipe'))
    print(f"\nThe best of the search is {'no worse' if best <= rest else 'WORSE'} than the best recipe: {best:.3f} against {rest:.3f} ({time.time() - start:.0f} s)")
    if o.json: Path(o.json).write_text(json.dumps(dict(found=found, best=dict(number=study.best.number, value=study.best.value, on=study.best.on), importances=study.importances, table=study.table.reset_index().to_dict('list'))))

if __name__ == '__main__': main()
