#!/usr/bin/env python
"""Does a run of a million steps stay as it began? Memory, the cost of a step, the size of the record, and how long it takes to open.

    python benchmarks/long.py [--steps 1000000] [--mark 10000] [--bs 64] [--json FILE]

ring-2D, recorded to a folder, panel closed. Memory is what the process holds (RSS) when `mark` steps are done and at the end. The cost of the first
and of the last `mark` steps is CPU time of the whole process beside that of a loop by hand, the two in turns, so that a machine whose speed drifts
moves both. An hour or so for a million steps of 64 points, two of 256: what is measured does not depend on it.
"""
import argparse, contextlib, io, json, statistics, tempfile, time
from pathlib import Path

import step as bench   # first: it sets one thread and the paths

MB = 2**20

def rss():
    import psutil
    return psutil.Process().memory_info().rss/MB

def cpu(f, n):
    "Milliseconds a step"
    t = time.process_time()
    f(n)
    return (time.process_time() - t)/n*1e3

def in_turns(learned, hand, steps, parts=10):
    "-> the median of the ratios, and of the milliseconds a step"
    n, rows = steps//parts, []
    for i in range(parts):
        sides = [learned, hand]
        t = {f: cpu(f, n) for f in (sides if i % 2 else sides[::-1])}
        rows.append((t[learned]/t[hand], t[learned]))
    return [statistics.median(c) for c in zip(*rows)]

def opened(folder):
    "Seconds to open a record, to read the six curves from afar, and to read every number"
    from ganlab.record.run import Run
    t0 = time.perf_counter()
    run = Run.open(folder)
    steps, t1 = run.step, time.perf_counter()
    run.curves('d_grad_norm', 'g_grad_norm', 'd_loss', 'g_loss', 'd_real', 'd_fake')
    t2 = time.perf_counter()
    rows = len(run.scalars())
    t3 = time.perf_counter()
    run.close()
    if rows != steps: raise SystemExit(f'{rows} rows of {steps} steps')
    return dict(open=t1 - t0, curves=t2 - t1, every_number=t3 - t2)

def trained(folder, steps, mark, bs):
    from ganlab.learner import GANLearner
    import torch
    torch.set_num_threads(1)
    p = bench.problem('ring', bs)
    hand, learn = bench.by_hand(p), GANLearner(p['dls'], *p['nets'], seed=0, run=folder)
    def learned(n):
        with contextlib.redirect_stdout(io.StringIO()): learn.fit_steps(n, progress=False)
    learned(200), hand(200)
    first = in_turns(learned, hand, mark)
    before = rss()
    learned(steps - 2*mark - 200)      # in one fit
    last = in_turns(learned, hand, mark)
    after, history = rss(), learn.history
    if list(history.step) != list(range(1, steps + 1)): raise SystemExit('a step is missing in learn.history')
    learn.run.close()
    return dict(steps=learn.step, mark=mark, bs=bs, memory=[before, after], first=first, last=last)

def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--steps', type=int, default=1_000_000)
    a.add_argument('--mark', type=int, default=10_000)
    a.add_argument('--bs', type=int, default=64, help='points in a batch')
    a.add_argument('--json', metavar='FILE')
    o = a.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        r = trained(f'{tmp}/run', o.steps, o.mark, o.bs)
        files = [f for f in Path(f'{tmp}/run').rglob('*') if f.is_file()]
        size = {k: sum(f.stat().st_size for f in files if (f.suffix == '.safetensors') == (k == 'snapshots'))/MB for k in ('snapshots', 'record')}
        r |= dict(size=size, seconds=opened(f'{tmp}/run'))
    (a, b), s = r['memory'], r['seconds']
    print(f"ring-2D, batch {o.bs}, {r['steps']:,} steps, recorded to a folder, panel closed")
    print(f"  memory: {a:.1f} MB after {o.mark:,} steps, {b:.1f} MB at the end: {b - a:+.1f} MB (budget: 30)")
    for k in ('first', 'last'): print(f"  the {k} {o.mark:,} steps: {r[k][1]:.3f} ms each, {r[k][0]:.3f} of a loop by hand")
    print(f"  on disk: record {size['record']:.1f} MB ({size['record']*MB/o.steps:.0f} bytes a step), snapshots {size['snapshots']:.1f} MB")
    print(f"  opened in {s['open']*1e3:.0f} ms, six curves from afar {s['curves']*1e3:.0f} ms, every number as a table {s['every_number']*1e3:.0f} ms")
    if o.json: Path(o.json).write_text(json.dumps(r, indent=1) + '\n')


if __name__ == '__main__': main()
