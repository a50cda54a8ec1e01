#!/usr/bin/env python
"""What a step costs: ganlab, with its panel closed and open, and fastai's GANLearner, beside a hand-written loop of the same maths.

    python benchmarks/step.py [--quick] [--only ring|dcgan|imports] [--profile] [--json FILE]

Everything is CPU time of the whole process (`time.process_time`: all threads, so the panel's too), on one torch thread. Blocks of the two sides
take turns within one process and each ratio is that of two neighbours, so that a machine whose speed drifts, or that others use, moves both.
"""
import argparse, contextlib, copy, io, itertools, json, os, platform, resource, statistics, subprocess, sys, time, types
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
        'fastai_fused': 'fastai GANLearner, fused Adam',
        'kernel': "by hand, Adam's kernel called as here", 'one_pass': 'by hand, D in one pass', 'one_pass_kernel': 'both', 'hand_last': 'by hand, channels_last',
        'compiled': 'by hand, compiled'}


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

def by_hand(p, last=False, kernel=False):
    import torch
    from handwritten import NonSaturating, hand_loop, latents, shuffled
    G, D = copy.deepcopy(p['nets'])
    if last: G, D = (m.to(memory_format=torch.channels_last) for m in (G, D))
    a = G, D, shuffled(p['x'], p['bs']), latents(p['bs'], p['z_dim']), NonSaturating(), optimiser(G, kernel), optimiser(D, kernel)
    return lambda n: hand_loop(*a, steps=n)

def optimiser(net, kernel):
    "Adam; `kernel`: stepped as a learner does it, without what `Optimizer.step` does around its kernel"
    from handwritten import adam
    from ganlab.engine.adam_step import take_step
    opt = adam(net)
    return types.SimpleNamespace(zero_grad=opt.zero_grad, step=partial(take_step, opt)) if kernel else opt

def by_hand_in_one_pass(p, kernel=False):
    "The same, but that D sees reals and fakes in one batch"
    import torch
    from handwritten import NonSaturating, g_phase, latents, shuffled
    (G, D), loss = copy.deepcopy(p['nets']), NonSaturating()
    opt_g, opt_d = optimiser(G, kernel), optimiser(D, kernel)
    d_params, batches = list(D.parameters()), zip(shuffled(p['x'], p['bs']), latents(p['bs'], p['z_dim']))
    def run(n):
        losses = []
        for x, z in itertools.islice(batches, n):
            xf = G(z)
            L = loss.d_loss(*D(torch.cat([x, xf.detach()])).flatten().chunk(2))
            opt_d.zero_grad(set_to_none=True)
            L.backward()
            opt_d.step()
            losses.append((L.detach(), g_phase(D, xf, x, loss, opt_g, d_params)))
        return losses
    return run

def compiled_by_hand(p):
    "The same, G and D by `torch.compile`"
    import torch
    from handwritten import NonSaturating, adam, hand_loop, latents, shuffled
    G, D = copy.deepcopy(p['nets'])
    opts = adam(G), adam(D)
    a = torch.compile(G), torch.compile(D), shuffled(p['x'], p['bs']), latents(p['bs'], p['z_dim']), NonSaturating(), *opts
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

def panel_open(p, **how):
    """The same, trained by the lab's thread while all its panels are drawn; the panel's clock stands still while the loop by hand has its turn.
    Timed at the boundaries between steps, on that thread, where the panel draws."""
    from ganlab.lab import Lab
    clock = Halting()
    lab = Lab(asked(p, **how), clock=clock)
    gate, draw, drawn = lab.trainer.gate, lab.screen.draw, [0.]
    def drawing(*a, **k):
        t = time.process_time()
        draw(*a, **k)
        drawn[0] += time.process_time()-t
    def run(n, own):
        def both(learn):
            own(learn)
            gate(learn)
        lab.trainer.gate, lab.screen.draw = both, drawing
        lab.start(steps=n)
        lab.wait()
        if lab.state == 'error': raise lab.error
    run.lab, run.clock, run.state = lab, clock, lambda: (clock.wall(), drawn[0], *frames(lab))
    return run

class Halting:
    "A clock as a panel takes it"
    def __init__(self): self.out = [0., 0.]
    def wall(self): return time.monotonic() - self.out[0]
    def cpu(self): return time.thread_time() - self.out[1]
    @contextlib.contextmanager
    def halted(self):
        w, c = time.monotonic(), time.thread_time()
        yield
        self.out = [self.out[0] + time.monotonic()-w, self.out[1] + time.thread_time()-c]

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
    "ms of CPU a step"
    t = time.process_time()
    run()
    return (time.process_time()-t)*1e3/n

def compare(hand, sides, pairs, n):
    "Blocks in turn, `n` steps by hand and `n` of a side, the order changing from pair to pair -> side -> rows of (hand ms, side ms, side's steps)"
    rows = {k: [] for k in sides}
    for run in (hand, *sides.values()): run(max(4, n//4))   # warm up: optimiser state, caches
    for i in range(pairs):
        for name, run in sides.items():
            if i % 2: b, a = (cpu(partial(f, n), n) for f in (run, hand))
            else: a, b = (cpu(partial(f, n), n) for f in (hand, run))
            rows[name].append((a, b, n))
        dot()
    return rows

class Turns:
    "In one long fit, between two steps: `n` steps of the side, `n` by hand, and so on, so short that both meet the same machine; a row of `turns` of them"
    def __init__(self, hand, n, turns=1, halted=contextlib.nullcontext):
        self.hand, self.n, self.turns, self.halted = hand, n, turns, halted
        self.rows, self.own, self.began = [], [], None
    def __call__(self, learn):
        t = time.process_time()
        if self.began and learn.step - self.began[0] < self.n: return
        if self.began:
            with self.halted(): self.own.append((cpu(partial(self.hand, self.n), self.n), (t-self.began[1])*1e3/self.n))
        if len(self.own) == self.turns:
            self.rows.append((*(sum(o)/self.turns for o in zip(*self.own)), self.n*self.turns))
            self.own = []
            if self.turns > 1 or len(self.rows) % 5 == 0: dot()
        self.began = learn.step, time.process_time()

def compare_within(hand, side, pairs, n, turns=1, **how):
    for f in (lambda: hand(max(4, n)), lambda: side(max(4, n), lambda learn: None)): f()      # warm up: optimiser state, caches, first frames
    t = Turns(hand, n, turns, **how)
    side(pairs*turns*n, t)
    return t.rows

def dot(): print('.', end='', file=sys.stderr, flush=True)

def summary(rows):
    r = [b/a for a, b, _ in rows]
    return dict(pairs=len(r), n=rows[0][2], hand_ms=statistics.median(a for a, *_ in rows), ms=statistics.median(b for _, b, _ in rows),
                ratio=statistics.median(r), min=min(r), max=max(r), total=sum(b for _, b, _ in rows)/sum(a for a, *_ in rows), rows=rows)

def bench_ganlab(name, pairs, n):
    import torch
    torch.set_num_threads(1)
    p, few = problem(name), max(1, n//10)
    hand, key, how = by_hand(p), *(('fused', dict(fused_d=True)) if name == 'ring' else ('last', dict(last=True)))   # what gives other last bits
    out = {k: summary(compare_within(hand, panel_closed(p, **h), 5*pairs, few)) for k, h in (('closed', {}), (key, how))}
    out |= {k: bench_open(p, hand, pairs, few, **h) for k, h in (('open', {}), ('open_asked', how))}
    floors = dict(hand_last=by_hand(p, last=True))
    if name == 'ring': floors = dict(kernel=by_hand(p, kernel=True), one_pass=by_hand_in_one_pass(p), one_pass_kernel=by_hand_in_one_pass(p, kernel=True))
    return out | {k: summary(v) for k, v in compare(hand, floors | dict(compiled=compiled_by_hand(p)), pairs if name == 'dcgan' else 5*pairs, few).items()}

def bench_open(p, hand, pairs, n, **how):
    wire, opened = Wire(), panel_open(p, **how)
    was = opened.state()
    out = summary(compare_within(hand, opened, max(3, pairs//5), n, turns=100 if n > 1 else 30, halted=opened.clock.halted))      # rows long enough for the panel's own rhythm
    wall, drawing, curves, samples = (b-a for a, b in zip(was, opened.state()))
    t = time.process_time()
    time.sleep(2)
    idle = (time.process_time()-t)/2
    opened.lab.close()
    spent = sum(b*k for _, b, k in out['rows'])/1e3
    return out | dict(curves_per_s=curves/wall, samples_per_s=samples/wall, drawing=drawing/spent, idle_cpu_share=idle, messages=wire.n, bytes=wire.bytes)

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
    import importlib.machinery, importlib.util, re
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
    'scores and losses, read at once': 'scalars checked_row', 'a row of the record': 'write_row', 'the boundary: orders, changes, rates': 'hear boundary',
    "fastai's events": '__call__', 'now and then: snapshots, pictures, slope': 'keep slope stepped', 'the step around it, undone if it fails': 'one_step attempt play note_step after_row updates d_update d_gradient g_update g_gradient d_scores optimizer_step'}

def profiled(name, _, block):
    "{part: milliseconds of CPU a step}; a clock stands around each function, which takes time itself"
    import importlib, torch
    torch.set_num_threads(1)
    steps = 30*block
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
    for k in ('closed', 'fused', 'last', 'open', 'open_asked', 'kernel', 'one_pass', 'one_pass_kernel', 'hand_last', 'compiled', 'fastai_fused', 'fastai'):
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
frame acknowledged at once; the socket and the browser are not measured; its clock stands still while the loop by hand has its turn. fastai: its unmodified GAN code, with no bar, n_crit = n_gen = 1, batches
from the same tensor; a step is two of its batches, each with its own reals and z (so G runs once more); its pairs ran in a process of their own.
'median', 'min', 'max' are of the pairs' ratios; 'sums' is all the side's time over all the hand's, which holds what comes once in 50 steps (a
snapshot in memory, D's slope) and is missing from most pairs. 'steps' are those of a pair; with the panel open they
come in many turns. Within budget: both median and sums.'''

def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--quick', action='store_true', help='a fifth of the pairs: a glance, not a verdict')
    a.add_argument('--steps', type=int, default=100, help='steps of ring-2D in a block; DCGAN-32, some 50 times as dear, takes a fiftieth (at least 3)')
    a.add_argument('--pairs', type=int, default=40)
    a.add_argument('--only', choices=('ring', 'dcgan', 'imports'), action='append', help='may be given more than once')
    a.add_argument('--no-fastai', action='store_true')
    a.add_argument('--profile', action='store_true', help='where the time of a step goes, in place of all else')
    a.add_argument('--json', metavar='FILE', help='write what was measured there')
    a.add_argument('--child', nargs=2, help=argparse.SUPPRESS)
    o = a.parse_args()
    pairs, steps = (max(4, o.pairs//5) if o.quick else o.pairs), {'ring': o.steps, 'dcgan': max(3, o.steps//50)}
    if o.child:
        kind, name = o.child
        with contextlib.redirect_stdout(sys.stderr): out = dict(ganlab=bench_ganlab, fastai=bench_fastai, profile=profiled)[kind](name, pairs, steps[name])
        return print(json.dumps(out))
    only, result = o.only or ('ring', 'dcgan', 'imports'), {}
    if o.profile: return [show_profile(name, profiled(name, pairs, steps[name])) for name in ('ring', 'dcgan') if name in only]
    def child(*what):
        r = subprocess.run([sys.executable, __file__, '--child', *what, '--pairs', str(pairs), '--steps', str(o.steps)], stdout=subprocess.PIPE, text=True)
        if r.returncode: sys.exit(f'{" ".join(what)}: failed')
        return json.loads(r.stdout)
    print(f'CPU time a step, and its ratio to a hand-written loop; one thread; {platform.machine()}, Python {platform.python_version()}')
    for name in ('ring', 'dcgan'):
        if name not in only: continue
        result[name] = child('ganlab', name) | ({} if o.no_fastai else child('fastai', name)) | dict(profile=child('profile', name))
        show_steps(name, result[name])
        show_profile(name, result[name]['profile'])
    if 'imports' in only:
        result['imports'] = bench_imports(3 if o.quick else 7)
        show_imports(result['imports'])
    print(NOTES)
    if o.json:
        for side in (s for name in ('ring', 'dcgan') for s in result.get(name, {}).values()): side.pop('rows', None)
        Path(o.json).write_text(json.dumps(result, indent=1))


if __name__ == '__main__': main()
