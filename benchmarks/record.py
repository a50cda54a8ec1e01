#!/usr/bin/env python
"""What the record of a run costs.

    python benchmarks/record.py [--part ring dcgan stall million kill] [--pairs 12] [--json FILE]

Parts: `ring` and `dcgan`, a step recorded to a folder beside one that is not recorded at all (CPU time of the whole process, the writer's thread
included, one torch thread, both sides in turns, the median of the ratios of neighbours); `stall`, how long a snapshot of DCGAN-64 holds up the
training, in steps (wall clock: the longest step around one, over the median step); `million`, opening a run of 1,000,000 steps and drawing its curves
(wall clock); `kill`, the test that kills a run 200 times.
"""
import argparse, contextlib, copy, json, os, statistics, subprocess, sys, tempfile, time
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import numpy as np, torch
from ganlab.data import digits_dls, photos_dls, ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.record.run import Run

torch.set_num_threads(1)
BUDGET = dict(ring=1.05, dcgan=1.01, stall=2, million=1)

def cpu(learn, n, asleep):
    t = time.process_time()
    with learn.run.asleep() if asleep else contextlib.nullcontext(): learn.fit_steps(n, progress=False)
    if not asleep: learn.run.sync()
    return (time.process_time() - t)/n*1e3

def cost(dls, nets, pairs, n, folder):
    "ms not recorded, ms recorded, their ratio"
    plain, kept = GANLearner(dls, *copy.deepcopy(nets), seed=0), GANLearner(dls, *copy.deepcopy(nets), seed=0, run=folder)
    rows = []
    for o, asleep in ((plain, True), (kept, False)): cpu(o, 2*n, asleep)
    for i in range(pairs):
        if i % 2: b, a = cpu(kept, n, False), cpu(plain, n, True)
        else: a, b = cpu(plain, n, True), cpu(kept, n, False)
        rows.append((a, b))
    kept.run.close()
    r = [b/a for a, b in rows]
    return dict(plain=statistics.median(a for a, _ in rows), recorded=statistics.median(b for _, b in rows), ratio=statistics.median(r), min=min(r), max=max(r))

def ring(pairs, tmp): return cost(ring_dls(bs=256), mlp(seed=0), pairs, 400, f'{tmp}/ring')
def dcgan32(pairs, tmp): return cost(digits_dls(bs=64, size=32), dcgan(32, 1, 64, 64, seed=0), max(4, pairs//2), 12, f'{tmp}/dcgan')

def stall(pairs, tmp):
    "Snapshots at every 8th step of DCGAN-64, a bound that no run would have"
    learn = GANLearner(photos_dls(bs=16, size=64, n=400), *dcgan(64, 3, 100, 64, seed=0), seed=0, run=f'{tmp}/stall')
    learn.run.snap_every, times = 8, []
    def gate(_): times.append(time.perf_counter())
    learn.fit_steps(50, gate=gate, progress=False)
    learn.run.close()
    d = np.diff(times)[10:]
    return dict(step=float(np.median(d)), longest=float(d.max()), ratio=float(d.max()/np.median(d)), bytes=max(f.stat().st_size for f in Path(f'{tmp}/stall/snapshots').glob('*.safetensors')))

def million(pairs, tmp):
    "A run of 1,000,000 steps, written with the record's own functions; opened, and its curves drawn by matplotlib"
    from ganlab.record.store import rows_in_chunk
    learn = GANLearner(ring_dls(n=2000, bs=64), *mlp(width=16, depth=2, seed=0), seed=0, run=f'{tmp}/million')
    learn.fit_steps(5, progress=False)
    learn.run.close()
    from ganlab.record.store import Store
    store, columns, g = Store.open(f'{tmp}/million', write=True), list(learn.record.columns), np.random.default_rng(0)
    for start in range(0, 1_000_000, 100*rows_in_chunk):
        with store.writing() as db:
            for s in range(start, min(start + 100*rows_in_chunk, 1_000_000), rows_in_chunk):
                n = min(rows_in_chunk, 1_000_000 - s)
                store.put_chunk(db, 0, '', s, columns, g.standard_normal((len(columns), n)))
    store.close()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    FigureCanvasAgg(Figure()).draw()                 # matplotlib's own first time is not the run's
    times = []
    for _ in range(3):
        t = time.perf_counter()
        run = Run.open(f'{tmp}/million')
        fig = Figure(figsize=(8, 5))
        groups = ('d_grad_norm', 'g_grad_norm'), ('d_real', 'd_fake'), ('d_loss', 'g_loss')
        steps, low = run.curves(*[n for names in groups for n in names])
        for ax, names in zip(fig.subplots(3, 1), groups):
            for name in names: ax.fill_between(steps, *low[name])
        FigureCanvasAgg(fig).draw()
        times.append(time.perf_counter() - t)
    return dict(seconds=min(times), ratio=min(times), points=len(steps), steps=int(steps[-1]))

def kill(pairs, tmp):
    done = subprocess.run([sys.executable, '-m', 'pytest', '-q', '-s', '-n', '0', '-m', 'slow', 'tests/test_kill.py'], cwd=ROOT)
    return dict(ratio=float(done.returncode))

def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--part', nargs='*', default=['ring', 'dcgan', 'stall', 'million'])
    a.add_argument('--pairs', type=int, default=12)
    a.add_argument('--json', metavar='FILE')
    o = a.parse_args()
    parts, result = dict(ring=ring, dcgan=dcgan32, stall=stall, million=million, kill=kill), {}
    for p in o.part:
        with tempfile.TemporaryDirectory() as tmp: r = result[p] = parts[p](o.pairs, tmp)
        told = ', '.join(f'{k} {v:,.4g}' for k, v in r.items())
        print(f"{p:8} {told}" + (f"   budget {BUDGET[p]}: {'within' if r['ratio'] <= BUDGET[p] else 'OVER'}" if p in BUDGET else ''), flush=True)
    if o.json: Path(o.json).write_text(json.dumps(result, indent=1))

if __name__ == '__main__': main()
