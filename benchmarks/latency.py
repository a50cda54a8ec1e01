"""From a click to what it does, and how fresh the panel is: benchmarks/latency.py [--clicks 30] [--only ring|digits|flips] [--json FILE]

A GAN trains in a real JupyterLab; a trick's switch is clicked in a real Chromium. Three times are counted from the browser's click event: until the trainer
applies the change (between two steps), until the announcement names its step, and until the flag is on the curves. One clock: browser and kernel share a machine.

`flips`: 30 different tricks are turned on and off again while DCGAN-32 (width 16) trains. Beside the time until the flag is seen, the age of what is shown: at
every twentieth of a second, how long ago the step ended whose samples, or curves, stand on the page. Then, with 16 tricks on, the panel's share of the CPU time.
"""
import argparse, bisect, json, os, statistics, sys
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

# ---------------------------------------------------------------- freshness over many flips

STEPS = """ended = {}
from fastai.callback.core import Callback
class Ends(Callback):
    def after_batch(self): ended[self.learn.step] = time.time()
learn.add_cb(Ends())
import warnings; warnings.simplefilter('ignore')"""
WATCH = """() => { const seen = window.__shown = {}, now = () => (performance.timeOrigin + performance.now()) / 1e3;
  for (const part of ['samples', 'curves']) { const el = document.querySelector('.gl-' + part), log = seen[part] = [[now(), +el.dataset.step]];
    new MutationObserver(() => { const s = +el.dataset.step; if (s !== log[log.length - 1][1]) log.push([now(), s]) }).observe(el, { attributes: true, attributeFilter: ['data-step'] }) } }"""
CAN = "print(json.dumps([n for n, t in learn.tricks.items() if t.why_not(learn) is None]))"
ON = """want = iter([t.name for t in learn.tricks.values()])
while len(learn.tricks.enabled) < 16:
    name = next(want)
    if learn.tricks[name].changes == 'grows' or name in ('unrolled', 'consensus', 'wgan_gp', 'relativistic_gp'): continue
    try: learn.tricks.on(name).wait(60)
    except ValueError: pass
print(len(learn.tricks), len(learn.tricks.enabled))"""
USED = """spent = sum(pace.spent for pace in lab.screen.paces)
cpu = time.clock_gettime(time.pthread_getcpuclockid(lab.trainer.thread.ident))     # of the training thread
print(json.dumps(dict(cpu=cpu, spent=spent, all=time.process_time(), wall=time.time(), said=lab.announcement.cost)))"""

def ages(shown, ended, since, until, every=.05):
    "How old what is shown is, at every moment from `since` to `until`; `shown`: (time, step), `ended`: step -> time"
    at, out, t = [a for a, _ in shown], [], since
    while t < until:
        step = shown[max(0, bisect.bisect_right(at, t) - 1)][1]
        if step in ended: out.append(t - ended[step])
        t += every
    return out

def flips(bench, n):
    "-> ms until the flag is seen, ages in seconds, and what the panel takes with 16 tricks on"
    with bench.open(['import json, time\nfrom ganlab.all import *', PROBLEMS['digits'] + '\n' + STEPS, 'lab = Lab(learn)\nlab']) as nb:
        nb.run_all()
        names = json.loads(nb.run_code(CAN)['text'])[:n]
        for group in ('now', 'reweights', 'grows'): nb.click(f'[data-group="{group}"]')
        nb.click('.gl-run')
        nb.until(nb.step, lambda s: s and s > 20, what='twenty steps')
        nb.page.evaluate(WATCH)
        rows, missed, began = [], [], None
        for i, name in enumerate(names):
            for to in ('on', 'off'):
                try: clicked, seen = nb.time_click(f'{nb.row(name)} .sw', timeout=30, flagged=('.gl-curves', f'"kind":"{to}"[^}}]*"name":"{name}"', 1))
                except TimeoutError:
                    missed.append((name, to, nb.text('.gl-say')))
                    break
                began = began or clicked
                rows.append(dict(name=name, to=to, clicked=clicked, **seen))
                nb.page.wait_for_timeout(1500 + 83*(i % 7))
        shown, end = nb.page.evaluate('window.__shown'), nb.page.evaluate('Date.now()')/1e3
        ended = {int(k): v for k, v in json.loads(nb.run_code('print(json.dumps(ended))')['text']).items()}
        known, on = map(int, nb.run_code(ON)['text'].split()[-2:])
        nb.page.wait_for_timeout(5000)
        then = json.loads(nb.run_code(USED)['text'])
        nb.page.wait_for_timeout(20000)
        now = json.loads(nb.run_code(USED)['text'])
        if nb.errors(): sys.exit(f'{nb.errors()}')
    d = {k: now[k] - then[k] for k in ('cpu', 'spent', 'all', 'wall')}
    return dict(rows=rows, missed=missed, tricks=len({r['name'] for r in rows}), ages={part: ages(log, ended, began, end) for part, log in shown.items()},
                known=known, on=on, share=d['spent']/d['cpu'], share_with_other_threads=(d['all'] - d['cpu'] + d['spent'])/d['all'], cores=d['all']/d['wall'], shown=now['said'])

def show_flips(f):
    print(f"DCGAN-32: digits, width 16, batch 64: {f['tricks']} tricks turned on and off\n  {'':32} {'p50':>7} {'p95':>7} {'max':>7}")
    print(f"  {'ms from the click until flagged':32} " + ' '.join(f'{v:7.0f}' for v in summary([r['flagged'] for r in f['rows']]).values()))
    for part, a in f['ages'].items(): print(f"  {'s, age of the ' + part:32} " + ' '.join(f'{v:7.2f}' for v in summary(a).values()))
    for m in f['missed']: print(f'  no flag of {m}')
    print(f"  the panel, {f['known']} tricks known, {f['on']} on: {100*f['share']:.1f} % of the training thread's CPU time (it says {100*(f['shown'] or 0):.1f} %);"
          f" with all other threads of the kernel {100*f['share_with_other_threads']:.1f} % of the process, which had {f['cores']:.2f} cores")

def summary(values):
    v = sorted(values)
    return dict(p50=statistics.median(v), p95=v[round(.95*(len(v) - 1))], max=v[-1])

def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--clicks', type=int, default=30)
    a.add_argument('--only', choices=[*PROBLEMS, 'flips'], action='append', help='may be given more than once')
    a.add_argument('--json', metavar='FILE', help='write every click there')
    o = a.parse_args()
    result = {}
    with chromium() as browser, Bench(browser) as bench:
        only = o.only or [*PROBLEMS, 'flips']
        for name in [n for n in only if n in PROBLEMS]:
            rows, ms = measure(bench, name, o.clicks)
            result[name] = dict(clicks=len(rows), ms_per_step=ms, rows=rows, **{k: summary([r[k] for r in rows]) for k in ('applied', 'announced', 'flagged')})
            print(f'{TITLE[name]}: {len(rows)} clicks, {ms:.1f} ms a step\n  {"ms from the click until":24} {"p50":>7} {"p95":>7} {"max":>7}')
            for k in ('applied', 'announced', 'flagged'): print(f'  {k:24} ' + ' '.join(f'{v:7.0f}' for v in result[name][k].values()))
        if 'flips' in only:
            result['flips'] = flips(bench, o.clicks)
            show_flips(result['flips'])
    if o.json: Path(o.json).write_text(json.dumps(result, indent=1))

if __name__ == '__main__': main()
