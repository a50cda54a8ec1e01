#!/usr/bin/env python
"""What a step costs: ganlab, with its panel closed and open, and fastai's GANLearner, beside a hand-written loop of the same maths.

    python benchmarks/step.py [--quick] [--only ring|dcgan|imports] [--profile] [--json FILE]

Everything is CPU time of the whole process (`time.process_time`: all threads, so the panel's too), on one torch thread. Blocks of the two sides
take turns within one process and each ratio is that of two neighbours, so that a machine whose speed drifts, or that others use, moves both.
"""
import argparse, contextlib, copy, gc, io, json, os, platform, resource, statistics, subprocess, sys, time
from functools import partial
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT/'tests')]

BUDGET = {('ring', 'closed'): 1.05, ('ring', 'fused'): .97, ('ring', 'open'): 1.03, ('dcgan', 'closed'): .97, ('dcgan', 'last'): .97, ('dcgan', 'open'): 1.03,
          ('ring', 'open_asked'): 1.03, ('dcgan', 'open_asked'): 1.03}
TITLE = {'ring': 'ring-2D: MLP 4x128, batch 256', 'dcgan': 'DCGAN-32: digits, 1 channel, width 64, batch 64'}
SIDE = {'closed': 'ganlab, panel closed', 'fused': 'the same, with fused_d=True', 'last': 'the same, to_channelslast()', 'open': 'ganlab, panel open', 'open_asked': 'the same, as asked for above',
        'fastai': "fastai GANLearner, fastai's Adam",
        'fastai_fused': 'fastai GANLearner, fused Adam'}


# ---------------------------------------------------------------- the two problems

def problem(name, bs=None):
    "-> dict: networks, data as a learner takes it and as one float tensor, sizes"
    import torch
    from ganlab.data import digits_dls, ring_dls
    from ganlab.nets import dcgan, mlp
    torch.manual_seed(0)
    if name == 'ring': nets, dls, bs = mlp(dim=2, z_dim=2, width=128, depth=4), ring_dls(bs=bs or 256), bs or 256
    else: nets, dls, bs = dcgan(size=32, channels=1, z_dim=64, width=64), digits_dls(bs=bs or 64, size=32), bs or 64
    x = dls.train.x
    if x.dtype == torch.uint8: x = x.float()/127.5 - 1   # once and for all: the loop by hand does not pay for it at every batch
    return dict(name=name, nets=nets, dls=dls, x=x, bs=bs, z_dim=nets[0].z_dim)


# ---------------------------------------------------------------- the sides: each returns a function that trains n steps

def by_hand(p):
    from handwritten import NonSaturating, adam, hand_loop, latents, shuffled
    G, D = copy.deepcopy(p['nets'])
    a = G, D, shuffled(p['x'], p['bs']), latents(p['bs'], p['z_dim']), NonSaturating(), adam(G), adam(D)
    return lambda n: hand_loop(*a, steps=n)

def asked(p, last=False, **made):
    "A learner, with what a user may ask for"
    from ganlab.learner import GANLearner
    learn = GANLearner(p['dls'], *copy.deepcopy(p['nets']), seed=0, **made)
    return learn.to_channelslast() if last else learn

def panel_closed(p, **how):
    "Meters on, every step recorded, the progress bar as `fit_steps` shows it"
    learn = asked(p, **how)
    def run(n, gate=None):
        with contextlib.redirect_stdout(io.StringIO()): learn.fit_steps(n, gate=gate)
    run.learn = learn
    return run

def panel_open(p, wire, **how):
    """The same, trained by the lab's thread while all its panels are drawn. Timed from the first boundary between two steps to the last, on that
    thread: a draw falls within, but for the one that a lab makes when it stops, since a long run does not stop every few seconds."""
    from ganlab.lab import Lab
    learn = asked(p, **how)
    lab, marks, drawn = Lab(learn), [], [0.]
    gate, draw = lab.trainer.gate, lab.screen.draw
    def noting(learn):
        now = learn.step, time.process_time(), time.perf_counter(), drawn[0], *frames(lab)
        marks[:] = [marks[0] if marks else now, now]
        gate(learn)
    def drawing(*a, **k):
        t = time.process_time()
        draw(*a, **k)
        drawn[0] += time.process_time()-t
    lab.trainer.gate, lab.screen.draw = noting, drawing
    def run(n):
        marks.clear()
        lab.start(steps=n)
        lab.wait()
        if lab.state == 'error': raise lab.error
        took = [b-a for a, b in zip(*marks)]              # steps, CPU, wall clock, CPU of drawing, curves, samples
        run.seen.append(took)
        return took[1]*1e3/took[0]
    run.learn, run.lab, run.wire, run.seen = learn, lab, wire, []
    return run

def frames(lab):
    "How many times the lab has drawn its curves, and its samples, so far"
    return lab.curves.frame, lab.samples.frame

def fastai_gan(p, fused):
    "fastai's own GANLearner on the same networks and data: batches from one tensor, no bar, and modes left alone as in the other loops"
    import torch, torch.nn.functional as F
    from fastai.data.core import DataLoaders
    from fastai.optimizer import Adam, OptimWrapper
    from fastai.vision.gan import GANLearner
    from handwritten import latents, shuffled
    x, bs, z_dim = p['x'], p['bs'], p['z_dim']
    class Loader:
        n = 0
        def __init__(self): self.b = zip(latents(bs, z_dim), shuffled(x, bs))
        def __len__(self): return self.n
        def __iter__(self): return (next(self.b) for _ in range(self.n))
    dl = Loader()
    opt = partial(OptimWrapper, opt=torch.optim.Adam, betas=(.5, .999), fused=True) if fused else partial(Adam, mom=.5, sqr_mom=.999, wd=0., eps=1e-8)
    learn = GANLearner(DataLoaders(dl, dl, device=torch.device('cpu')), *copy.deepcopy(p['nets']), switch_eval=False, opt_func=opt, lr=2e-4,
        gen_loss_func=lambda l_fake, xf, x: F.softplus(-l_fake).mean(),
        crit_loss_func=lambda l_real, l_fake: F.softplus(-l_real).mean() + F.softplus(l_fake).mean())
    learn.validate = learn._do_epoch_validate = lambda *a, **k: None
    def run(n):
        dl.n = 2*n                                        # a fastai batch trains one of the two: a step is two of them
        with learn.no_bar(), learn.no_logging(): learn.fit(1)
    return run


class Wire:
    """What stands for kernel and browser: without them a widget's messages go nowhere, and a panel that hears of no frame drawn sends few. So each
    message is packed as a kernel's session packs it, and each new frame is answered at once, as by a browser that keeps up: the panel's dearest case."""
    def __init__(self):
        import comm
        from jupyter_client.session import Session
        self.session, self.n, self.bytes = Session(key=b'benchmark'), 0, 0
        def publish_msg(c, msg_type, data=None, metadata=None, buffers=None, **keys): self.send(c, msg_type, data or {}, metadata, buffers or [], keys)
        comm.DummyComm.publish_msg = publish_msg
    def send(self, c, msg_type, data, metadata, buffers, keys):
        msg = self.session.msg(msg_type, dict(data=data, comm_id=c.comm_id, **keys), metadata=metadata or {})
        parts = [*self.session.serialize(msg), *buffers]
        self.n, self.bytes = self.n + 1, self.bytes + sum(memoryview(b).nbytes for b in parts)
        frame = data.get('state', {}).get('frame')
        if msg_type == 'comm_msg' and frame: c.handle_msg(dict(content=dict(data=dict(method='custom', content=dict(seen=frame))), buffers=[]))


# ---------------------------------------------------------------- measuring

def cpu(run, n):
    "ms of CPU a step; of a side that times itself, what it says"
    gc.collect()
    t = time.process_time()
    own = run(n)
    return own if isinstance(own, float) else (time.process_time()-t)*1e3/n

def compare(hand, sides, pairs, n, m=None):
    "Blocks in turn, `m` steps by hand and `n` of a side, the order changing from pair to pair -> side -> rows of (hand ms, side ms, side's steps)"
    rows, m = {k: [] for k in sides}, m or n
    for run in (hand, *sides.values()): run(max(4, m//4))   # warm up: optimiser state, caches, first frames
    for i in range(pairs):
        for name, run in sides.items():
            if i % 2: b, a = cpu(run, n), cpu(hand, m)
            else: a, b = cpu(hand, m), cpu(run, n)
            rows[name].append((a, b, n))
        dot()
    return rows

def compare_within(hand, closed, pairs, n):
    "The same in one long fit, at its boundaries between two steps: turns of `n` steps, so short that both sides meet the same machine"
    hand(max(4, n))
    closed(max(4, n))
    rows, start = [], [None]
    def gate(learn):
        t = time.process_time()
        if start[0] is None: start[0] = learn.step, t
        elif learn.step - start[0][0] == n:
            b = (t-start[0][1])*1e3/n
            t = time.process_time()
            hand(n)
            a = (time.process_time()-t)*1e3/n
            rows.append((a, b, n))
            if len(rows) % 5 == 0: dot()
            start[0] = learn.step, time.process_time()
    closed(pairs*n, gate)
    return rows

def dot(): print('.', end='', file=sys.stderr, flush=True)

def summary(rows):
    r = [b/a for a, b, _ in rows]
    return dict(pairs=len(r), n=rows[0][2], hand_ms=statistics.median(a for a, *_ in rows), ms=statistics.median(b for _, b, _ in rows),
                ratio=statistics.median(r), min=min(r), max=max(r), total=sum(b for _, b, _ in rows)/sum(a for a, *_ in rows), rows=rows)

def bench_ganlab(name, pairs, n):
    import torch
    torch.set_num_threads(1)
    p = problem(name)
    hand, (key, how) = by_hand(p), ('fused', dict(fused_d=True)) if name == 'ring' else ('last', dict(last=True))   # what gives other last bits
    closed = {'closed': panel_closed(p), key: panel_closed(p, **how)}
    out = {k: summary(compare_within(hand, side, 5*pairs, max(1, n//10))) for k, side in closed.items()}
    return out | {k: bench_open(p, hand, pairs, n, **asked_for) for k, asked_for in (('open', {}), ('open_asked', how))}

def bench_open(p, hand, pairs, n, **how):
    wire = Wire()
    opened = panel_open(p, wire, **how)
    out = summary(compare(hand, {'open': opened}, max(3, pairs//2), 3*n, n)['open'])   # blocks long enough for the panel's own rhythm
    t = time.process_time()
    time.sleep(2)
    idle = (time.process_time()-t)/2
    opened.lab.close()
    _, cpu_s, wall, drawing, curves, samples = (sum(o) for o in zip(*opened.seen[1:]))
    return out | dict(curves_per_s=curves/wall, samples_per_s=samples/wall, drawing=drawing/cpu_s, idle_cpu_share=idle, messages=wire.n, bytes=wire.bytes)

def bench_fastai(name, pairs, n):
    "In a process of its own: `fastai.vision.gan` needs torchvision's names"
    import torch
    torch.set_num_threads(1)
    torchvision_in_name_only()
    p = problem(name)
    rows = compare(by_hand(p), {'fastai': fastai_gan(p, False), 'fastai_fused': fastai_gan(p, True)}, pairs, n)
    return {k: summary(v) for k, v in rows.items()}

def torchvision_in_name_only():
    "fastai.vision.gan imports `fastai.vision.all` and through it names of torchvision, of which its GAN code calls none: here are the names alone"
    import importlib.machinery, importlib.util, re, types
    names = 'torchvision', 'torchvision.models', 'torchvision.transforms', 'torchvision.transforms.functional'
    for n in names:
        m = sys.modules[n] = types.ModuleType(n)
        m.__spec__, m.__path__, m.__version__ = importlib.machinery.ModuleSpec(n, None, is_package=True), [], '0'
        if '.' in n: setattr(sys.modules[n.rpartition('.')[0]], n.rpartition('.')[2], m)
    sys.modules[names[-1]].pad = None
    learner = Path(importlib.util.find_spec('fastai').submodule_search_locations[0])/'vision'/'learner.py'
    for n in set(re.findall(r'\bmodels\.(\w+)', learner.read_text())) - {'xresnet', 'unet'}: setattr(sys.modules[names[1]], n, type(n, (), {}))


IMPORTS = {'torch': 'import torch', 'fastai.learner': 'import fastai.learner', 'ganlab.all': 'from ganlab.all import *'}

def bench_imports(rounds):
    "User + system CPU seconds of a fresh interpreter, in turns"
    def one(code):
        def used():
            r = resource.getrusage(resource.RUSAGE_CHILDREN)
            return r.ru_utime + r.ru_stime
        t = used()
        subprocess.run([sys.executable, '-c', code], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        return used()-t
    for c in IMPORTS.values(): one(c)                     # compiled files and the disk's cache
    rows = {k: [] for k in IMPORTS}
    for _ in range(rounds):
        for k, c in IMPORTS.items(): rows[k].append(one(c))
    check = "from ganlab.all import *; import sys; print(*sorted({m.partition('.')[0] for m in sys.modules} & {'torchvision', 'jupyterlab'}))"
    pulled = subprocess.run([sys.executable, '-c', check], check=True, cwd=ROOT, capture_output=True, text=True).stdout.split()
    return dict(rows=rows, pulled=pulled)


# ---------------------------------------------------------------- where a step's time goes

PARTS = {      # what it is for -> methods of a learner, and functions of modules, by the time that they take without the others
    'by hand, too: forward passes': 'generate raw_scores', 'by hand, too: losses': 'lost summed', 'by hand, too: backward passes': 'torch.autograd.backward',
    'by hand, too: data and latents': 'open_update', 'by hand, too: Adam': 'ganlab.learner.take_step', 'gradient norms': 'ganlab.learner.layer_norms',
    'scores and losses, read at once': 'scalars checked_row', 'a row of the record': 'write_row stepped', 'the boundary: orders, changes, rates': 'hear boundary',
    "fastai's events": '__call__', 'the step itself, undone if it fails': 'one_step attempt play note_step after_row updates d_update d_gradient g_update g_gradient d_scores optimizer_step'}

def profiled(name, steps):
    "{part: milliseconds of CPU a step}; a clock stands around each function, which takes time itself"
    import importlib, torch
    torch.set_num_threads(1)
    run, spent, open_ = panel_closed(problem(name)), dict.fromkeys(PARTS, 0.), []
    def around(owner, attr, part):
        f = getattr(owner, attr)
        def timed(*a, **k):
            t = time.thread_time()
            open_.append(0.)
            try: return f(*a, **k)
            finally:
                took, inner = time.thread_time()-t, open_.pop()
                spent[part] += took-inner
                if open_: open_[-1] += took
        setattr(owner, attr, timed)
    for part, names in PARTS.items():
        for n in names.split():
            module, _, attr = n.rpartition('.')
            if attr == 'stepped': around(type(run.learn.run), attr, part)
            else: around(importlib.import_module(module) if module else type(run.learn), attr, part)
    run(steps//10)
    run.learn.put_in_force()      # what it calls in a step is what stands there now
    for k in spent: spent[k] = 0.
    run(steps)
    return {k: v*1e3/steps for k, v in spent.items()}

def show_profile(name, spent):
    total = sum(spent.values())
    print(f'\n{TITLE[name]}: where the time of a step goes, panel closed; {total:.2f} ms with the clocks')
    for k, v in spent.items(): print(f'  {k:42} {v:7.3f} ms  {v/total:6.1%}')
    print(f"  {'ganlab alone':42} {sum(v for k, v in spent.items() if not k.startswith('by hand')):7.3f} ms")


# ---------------------------------------------------------------- the table

def show_steps(name, out):
    print(f'\n{TITLE[name]}')
    print(f'  {"":34} {"ms/step":>8} {"by hand":>8}   {"median":>6} {"min":>6} {"max":>6} {"sums":>6}  {"pairs":>5} {"steps":>5}  {"budget":>6}')
    for k in ('closed', 'fused', 'last', 'open', 'open_asked', 'fastai_fused', 'fastai'):
        if k not in out: continue
        s, b = out[k], BUDGET.get((name, k))
        verdict = '' if b is None else f'{b:6.2f}  {"within" if max(s["ratio"], s["total"]) <= b else "OVER"}'
        print(f'  {SIDE[k]:34} {s["ms"]:8.2f} {s["hand_ms"]:8.2f}   {s["ratio"]:6.3f} {s["min"]:6.3f} {s["max"]:6.3f} {s["total"]:6.3f}  {s["pairs"]:5} {s["n"]:5}  {verdict}')
    if 'open' in out:
        s = out['open']
        print(f'  panel open: {s["drawing"]:.1%} of the CPU time goes into drawing; {s["curves_per_s"]:.2f} refreshes of the curves a second of wall clock, '
              f'{s["samples_per_s"]:.2f} of the samples; a lab at rest: {s["idle_cpu_share"]:.1%} of a core')

def show_imports(out):
    med = {k: statistics.median(v) for k, v in out['rows'].items()}
    print(f'\nimports, CPU seconds of a fresh interpreter; {len(out["rows"]["torch"])} rounds in turn')
    print(f'  {"":34} {"median":>8} {"min":>6} {"max":>6}')
    for k, v in out['rows'].items(): print(f'  {IMPORTS[k]:34} {med[k]:8.2f} {min(v):6.2f} {max(v):6.2f}')
    print(f'  ganlab.all / fastai.learner {med["ganlab.all"]/med["fastai.learner"]:.2f}, / torch {med["ganlab.all"]/med["torch"]:.2f}; '
          f'pulls in {", ".join(out["pulled"]) or "neither torchvision nor jupyterlab"}')

NOTES = '''
By hand: plain PyTorch (tests/handwritten.py): n_d = 1, fresh z a step, D's fakes reused for G with their graph, D frozen in G's phase, gradients
set to None, fused Adam, batches indexed from one float tensor; it records nothing. ganlab: the same maths, plus gradient norms, scores, losses
and times of every step, in memory, and streams keyed by (seed, step). Panel open: every message is packed as a kernel's session packs it, every
frame acknowledged at once; the socket and the browser are not measured. fastai: its unmodified GAN code, with no bar, n_crit = n_gen = 1, batches
from the same tensor; a step is two of its batches, each with its own reals and z (so G runs once more); its pairs ran in a process of their own.
'median', 'min', 'max' are of the pairs' ratios; 'sums' is all the side's time over all the hand's, which holds what comes once in 50 steps (a
snapshot in memory, D's slope) and is missing from most pairs. 'steps' are those of a block of the side. Within budget: both median and sums.'''

def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--quick', action='store_true', help='a fifth of the pairs: a glance, not a verdict')
    a.add_argument('--steps', type=int, default=100, help='steps of ring-2D in a block; DCGAN-32, some 50 times as dear, takes a fiftieth (at least 3)')
    a.add_argument('--pairs', type=int, default=40)
    a.add_argument('--only', choices=('ring', 'dcgan', 'imports'), action='append', help='may be given more than once')
    a.add_argument('--no-fastai', action='store_true')
    a.add_argument('--profile', action='store_true', help='where the time of a step goes, in place of all else')
    a.add_argument('--json', metavar='FILE', help='write every pair there')
    a.add_argument('--child', nargs=2, help=argparse.SUPPRESS)
    o = a.parse_args()
    pairs, steps = (max(4, o.pairs//5) if o.quick else o.pairs), {'ring': o.steps, 'dcgan': max(3, o.steps//50)}
    if o.child:
        kind, name = o.child
        with contextlib.redirect_stdout(sys.stderr): out = (bench_ganlab if kind == 'ganlab' else bench_fastai)(name, pairs, steps[name])
        return print(json.dumps(out))
    only, result = o.only or ('ring', 'dcgan', 'imports'), {}
    if o.profile: return [show_profile(name, profiled(name, dict(ring=1000, dcgan=30)[name])) for name in ('ring', 'dcgan') if name in only]
    def child(*what):
        r = subprocess.run([sys.executable, __file__, '--child', *what, '--pairs', str(pairs), '--steps', str(o.steps)], stdout=subprocess.PIPE, text=True)
        if r.returncode: sys.exit(f'{" ".join(what)}: failed')
        return json.loads(r.stdout)
    print(f'CPU time a step, and its ratio to a hand-written loop; one thread; {platform.machine()}, Python {platform.python_version()}')
    for name in ('ring', 'dcgan'):
        if name not in only: continue
        result[name] = child('ganlab', name) | ({} if o.no_fastai else child('fastai', name))
        show_steps(name, result[name])
    if 'imports' in only:
        result['imports'] = bench_imports(3 if o.quick else 7)
        show_imports(result['imports'])
    print(NOTES)
    if o.json: Path(o.json).write_text(json.dumps(result, indent=1))


if __name__ == '__main__': main()
