#!/usr/bin/env python
"""Does a long run stay bounded? Memory, and bytes sent to the panel at each refresh, early and late.

    python benchmarks/memory.py [--steps 50000] [--mark 5000] [--json FILE]

ring-2D trained by a lab with all its panels open; messages are packed as a kernel's session packs them, and dropped.
"""
import argparse, gc, json, time
from pathlib import Path

import step as bench   # first: it sets one thread and the paths


def watch(lab, learn, wire, every=.5):
    "-> rows (step, RSS in bytes, bytes sent, refreshes), until the run ends"
    import psutil
    me, rows = psutil.Process(), []
    while lab.state in ('running', 'paused'):
        rows.append((learn.step, me.memory_info().rss, wire.bytes, bench.frames(lab)[0]))
        time.sleep(every)
    rows.append((learn.step, me.memory_info().rss, wire.bytes, bench.frames(lab)[0]))
    return rows

def per_refresh(rows, lo, hi):
    "Bytes a refresh between two steps"
    w = [r for r in rows if lo <= r[0] <= hi]
    n = w[-1][3] - w[0][3] if w else 0
    return (w[-1][2] - w[0][2])/n if n else float('nan')

def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--steps', type=int, default=50_000)
    a.add_argument('--mark', type=int, help='the early point: 5000, or a tenth of the steps where those are fewer than 50,000')
    a.add_argument('--json', metavar='FILE')
    o = a.parse_args()
    mark, span = o.mark or min(5000, o.steps//10), max(1, o.steps//20)
    import torch
    torch.set_num_threads(1)
    wire = bench.Wire()
    lab = bench.panel_open(bench.problem('ring')).lab
    gc.collect()
    lab.start(steps=o.steps)
    rows = watch(lab, lab.learn, wire)
    lab.wait()
    if lab.state == 'error': raise SystemExit(f'the run stopped: {lab.error}')
    early = next(r for r in rows if r[0] >= mark)
    b0, b1 = per_refresh(rows, mark, mark+span), per_refresh(rows, rows[-1][0]-span, rows[-1][0])
    MB = 2**20
    print(f'ring-2D, panel open, {rows[-1][0]:,} steps, {rows[-1][3]:,} refreshes, {wire.bytes/MB:.1f} MB sent')
    print(f'  memory: {early[1]/MB:.1f} MB at step {early[0]:,}, {rows[-1][1]/MB:.1f} MB at step {rows[-1][0]:,}: grew by {(rows[-1][1]-early[1])/MB:+.1f} MB')
    print(f'  sent a refresh: {b0/1024:.1f} kB at step {mark:,}, {b1/1024:.1f} kB at the end')
    if o.json: Path(o.json).write_text(json.dumps(dict(rows=rows, early=early, bytes_early=b0, bytes_late=b1)))
    lab.close()


if __name__ == '__main__': main()
