"""From a click to what it does: benchmarks/latency.py [--clicks 30] [--json FILE]

A GAN trains in a real JupyterLab; a trick's switch is clicked in a real Chromium. Three times are counted from the browser's click event: until the trainer
applies the change (between two steps), until the announcement names its step, and until the flag is on the curves. One clock: browser and kernel share a machine.
"""
import argparse, json, os, statistics, sys
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/'tests'/'browser'))
from labdriver import Bench, chromium

# A trick that does nothing but note when it is switched: what remains is the way there.
CLOCK = '''import time
from ganlab.all import *
applied = []
class Clock(Trick):
    name, title, pinned = 'clock', 'Clock', True
    def attach(self, learn, undo): applied.append(time.time())
    def detach(self, learn): applied.append(time.time())'''
PROBLEMS = {'ring': 'learn = GANLearner(ring_dls(bs=256), *mlp(seed=0), seed=0)',
            'digits': 'learn = GANLearner(digits_dls(bs=64, size=32), *dcgan(size=32, width=16, seed=0), seed=0)'}
TITLE = {'ring': 'ring-2D: MLP 4x128, batch 256', 'digits': 'DCGAN-32: digits, width 16, batch 64'}

def measure(bench, problem, clicks):
    "-> rows of (applied, announced, flagged) ms, and the ms of a step"
    with bench.open([CLOCK, PROBLEMS[problem] + '\nlearn.tricks.add(Clock)', 'lab = Lab(learn)\nlab', 'lab.start()']) as nb:
        nb.run_all()
        nb.wait_text('.gl-state', 'Running')
        rows, clicked = [], []
        for i in range(clicks + 2):
            to = 'off' if i % 2 else 'on'
            t, seen = nb.time_click(f'{nb.row("clock")} .sw', announced=('.gl-say', f'Clock {to} at step'),
                                    flagged=('.gl-curves', '"kind":"o(n|ff)"[^}]*"name":"clock"', i + 1))
            clicked.append(t)
            rows.append(seen)
            nb.page.wait_for_timeout(150 + 37*(i % 7))       # not in step with any refresh
        applied = json.loads(nb.run_code('import json; print(json.dumps(applied))')['text'])
        ms = float(nb.run_code("print(learn.history['ms'].tail(200).median())")['text'])
        if nb.errors() or nb.complaints(): sys.exit(f'{nb.errors() + nb.complaints()}')
    return [dict(applied=(a - t)*1e3, **r) for a, t, r in zip(applied, clicked, rows)][2:], ms   # the first two warm up

def summary(values):
    v = sorted(values)
    return dict(p50=statistics.median(v), p95=v[round(.95*(len(v) - 1))], max=v[-1])

def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--clicks', type=int, default=30)
    a.add_argument('--only', choices=PROBLEMS, action='append', help='may be given more than once')
    a.add_argument('--json', metavar='FILE', help='write every click there')
    o = a.parse_args()
    result = {}
    with chromium() as browser, Bench(browser) as bench:
        for name in o.only or PROBLEMS:
            rows, ms = measure(bench, name, o.clicks)
            result[name] = dict(clicks=len(rows), ms_per_step=ms, rows=rows, **{k: summary([r[k] for r in rows]) for k in ('applied', 'announced', 'flagged')})
            print(f'{TITLE[name]}: {len(rows)} clicks, {ms:.1f} ms a step\n  {"ms from the click until":24} {"p50":>7} {"p95":>7} {"max":>7}')
            for k in ('applied', 'announced', 'flagged'): print(f'  {k:24} ' + ' '.join(f'{v:7.0f}' for v in result[name][k].values()))
    if o.json: Path(o.json).write_text(json.dumps(result, indent=1))

if __name__ == '__main__': main()
