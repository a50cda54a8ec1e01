"""Several processes that train together: `trained(n, cases)` starts them once and has them run many cases.

A case is a name and the keyword arguments of `run_case`, or of another function that is named by `do`; what each rank gives comes back by name."""
import json, os, socket, subprocess, sys
from pathlib import Path

HERE = Path(__file__).resolve()

def free_port():
    "A port that nobody listens at"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

def environment(rank, n, port):
    "What torchrun tells a process"
    env = {k: v for k, v in os.environ.items() if not k.startswith(('SLURM_', 'OMPI_', 'PMI_'))}
    return env | dict(RANK=str(rank), WORLD_SIZE=str(n), LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE=str(n), MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port),
                      OMP_NUM_THREADS='1', PYTHONPATH=f'{HERE.parent.parent}{os.pathsep}{HERE.parent}')

def started(n, code, *args, **kwargs):
    "n processes that run a text of Python, as torchrun starts them"
    port = free_port()
    return [subprocess.Popen([sys.executable, '-c', code, *map(str, args)], env=environment(r, n, port), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             **kwargs) for r in range(n)]

def ended(processes, timeout=120):
    "What they wrote, and how they ended: (code, stdout, stderr) of each"
    try: out = [p.communicate(timeout=timeout) for p in processes]
    finally:
        for p in processes: p.kill()
    return [(p.returncode, *o) for p, o in zip(processes, out)]

def trained(n, cases, where):
    "What each rank of a team of n gives for each case: a list of dicts; where: an empty folder to work in"
    (where/'cases.json').write_text(json.dumps(cases))
    done = ended(started(n, 'import teams; teams.child()', where, cwd=where), timeout=600)
    assert not any(code for code, *_ in done), '\n'.join(err[-3000:] for _, _, err in done)
    return [json.loads((where/f'{r}.json').read_text()) for r in range(n)]

def alike(ranks, name):
    "What all ranks give for a case, where they give the same"
    first, *others = (r[name] for r in ranks)
    assert all(o == first for o in others), (first, others)
    return first

# What a process does

def child():
    "Run all cases, and write what came of them"
    import torch, warnings
    warnings.simplefilter('ignore')
    torch.set_num_threads(1)
    tmp = Path(sys.argv[1])
    out = {name: done(case) for name, case in json.loads((tmp/'cases.json').read_text()).items()}
    (tmp/f"{os.environ['RANK']}.json").write_text(json.dumps(out))

def done(case):
    "What this process gives for a case"
    import torch
    dtype, case = torch.get_default_dtype(), dict(case)
    try: return globals()[case.pop('do', 'run_case')](**case)
    finally: torch.set_default_dtype(dtype)

def in_double(net):
    "A network in float64, whatever it is given"
    import torch
    from ganlab.engine.game import required
    if isinstance(net, list): return [in_double(n) for n in net]
    def double(t): return t.double() if t.is_floating_point() else t
    class Double(torch.nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net.double()
    class Alone(Double):
        def forward(self, x): return self.net(double(x))
    class Both(Double):
        def forward(self, x, y): return self.net(double(x), double(y))
    return (Both if len(required(net) or ()) > 1 else Alone)(net)

def parts(net, bs):
    "Data, networks, and what a learner is told beside them"
    import games
    from ganlab.data import digits_dls, ring_dls
    from ganlab.nets import dcgan, mlp
    if net == 'mlp': return ring_dls(n=1000, bs=bs), mlp(width=16, depth=2, seed=0), {}
    if net.startswith('dcgan'): return digits_dls(bs=bs, size=16), dcgan(16, 1, z_dim=8, width=4, seed=0, bn_d=net == 'dcgan_bn'), {}
    if net == 'pixels': return games.GAMES['patches'][0](), pixel_nets(), {}
    return games.GAMES[net][0](), games.networks(net), games.GAMES[net][2]

def pixel_nets():
    "A G, and a D with a score for each pixel"
    import games, torch
    from torch import nn
    torch.manual_seed(1)
    return games.plain_g(), nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.LeakyReLU(.2), nn.Conv2d(4, 1, 3, 1, 1))

def learner(net='mlp', bs=16, double=True, **kwargs):
    "A small GAN; double: in float64, with what tricks add and latents, too"
    import torch
    from ganlab.learner import GANLearner
    dls, nets, told = parts(net, bs)
    if double:
        torch.set_default_dtype(torch.float64)
        nets = map(in_double, nets)
    return GANLearner(dls, *nets, **dict(opt='sgd', lr_g=1e-2, lr_d=1e-2, seed=0) | told | kwargs)

def standing(learn):
    "Where a learner stands: its weights and buffers, and its hash"
    import torch
    state = [*learn.G.state_dict().values(), *learn.D.state_dict().values()]
    flat = torch.cat([t.detach().double().flatten() for t in state])
    return dict(weights=flat.tolist(), hash=learn.state_hash(), step=learn.step, d_loss=learn.history.d_loss.tolist(), g_norm=learn.history.g_grad_norm.tolist())

def drift(marks, nudge=False, **kwargs):
    "The weights after so many steps; nudge: one weight began by its last bit larger"
    import torch
    learn, out = learner(**kwargs), []
    if nudge:
        with torch.no_grad():
            w = next(learn.D.parameters()).view(-1)[:1]
            w.copy_(torch.nextafter(w, torch.full_like(w, torch.inf)))
        learn.touched()
    for step in marks:
        learn.fit_steps(step - learn.step, progress=False)
        out.append(standing(learn)['weights'])
    return out

def run_case(net='mlp', steps=50, trick=None, params=None, others=(), at=None, off=None, unproven=False, **kwargs):
    "Train, with a trick on from step `at` to step `off`; unproven: with tricks that a team refuses, too"
    from ganlab.trick import Trick
    try:
        if unproven: Trick.ranks = True
        learn = learner(net, tricks=[tuple(o) for o in others], **kwargs)
        change = learn.tricks.on(trick, at=at, **params or {}) if trick else None
        if off: learn.fit_steps(off, progress=False), learn.tricks.off(trick, now=True)
        learn.fit_steps(steps - learn.step, progress=False)
        learn.run.close()
        return standing(learn) | dict(log=[c.sentence for c in learn.tricks.log], refused=str(change.error) if change and change.error else '')
    except Exception as e: return dict(error=f'{type(e).__name__}: {e}')

SWITCHES = [('on', 'instance_noise'), ('on', 'label_smoothing'), ('off', 'label_smoothing'), ('on', 'gradient_penalty'), ('on', 'ema'), ('loss', 'hinge'),
            ('off', 'gradient_penalty'), ('on', 'spectral_norm'), ('loss', 'lsgan'), ('off', 'instance_noise')]

def ask(learn, kind, name):
    "Ask for a switch, and wait until it is made"
    change = learn.set_loss(name) if kind == 'loss' else getattr(learn.tricks, kind)(name)
    return change.wait(60)

def outside(learn, f):
    "Run `f()` in a thread of rank 0 while all ranks train, and end the training when it is done"
    import threading
    wrong = []
    def go():
        try: f()
        except Exception as e: wrong.append(f'{type(e).__name__}: {e}')
        finally: learn.turnstile.orders.give('stop')
    thread = threading.Thread(target=go)
    def begin(learn):
        if learn.team.first and not thread.is_alive() and thread.ident is None: thread.start()
    learn.fit_steps(None, gate=begin, progress=False)
    if thread.ident is not None: thread.join()
    assert not wrong, wrong

def folder(name): return Path.cwd()/name       # all ranks share the working folder

def live_switches(rounds=4, then=10):
    "Forty switches that rank 0 is asked for while all train; then a resumed run, a fork and a replay go on from there"
    from ganlab.learner import GANLearner
    from ganlab.record.run import Run
    learn = learner(double=False, opt='adam', run=folder('live'))
    def many():
        for _ in range(rounds):
            for kind, name in SWITCHES: ask(learn, kind, name)
    outside(learn, many)
    out = dict(step=learn.step, hash=learn.state_hash(), log=[(c.step, c.kind, c.name) for c in learn.tricks.log])
    fork = learn.fork(name='fork')
    fork.fit_steps(then, progress=False), learn.fit_steps(then, progress=False)
    out['went_on'], out['forked'] = learn.state_hash(), fork.state_hash()
    learn.run.close(), fork.run.close()
    dls, nets, _ = parts('mlp', 16)
    again = GANLearner.resume(folder('live'), dls, *nets, progress=False)
    out['resumed'] = again.state_hash()
    again.run.close()
    dls, nets, _ = parts('mlp', 16)
    out['rerun'] = Run.open(folder('live')).replay(dls, *nets, progress=False).state_hash()
    return out

def after_failure(learn, steps):
    "What is said of a failure, where the learner stands, and where it is some steps later"
    from ganlab.engine.recovery import StepError
    try: learn.fit_steps(steps, progress=False)
    except StepError as e: said = dict(said=str(e), step=e.step, at=e.at, term=e.term)
    else: said = dict(said='')
    out = said | dict(hash=learn.state_hash())
    learn.fit_steps(5, progress=False)
    return out | dict(later=learn.state_hash())

def raises(at=7, rank=1):
    "The networks of one rank fail once, in the middle of a step"
    import torch
    learn = learner(double=False)
    calls = []
    def fail(*_):
        calls.append(learn.step)
        if learn.team.rank == rank and learn.step == at and calls.count(at) == 2: raise ValueError('a bad row')
    hook = learn.D.register_forward_hook(fail)
    out = after_failure(learn, 20)
    hook.remove()
    return out

def nan(at=7, rank=1):
    "The rows of one rank hold a NaN, once"
    learn = learner(double=False)
    batch = learn.source.pair
    def pair(i):
        x, y = batch(i)
        if i == at and not learn.known.broke[1]:
            x = x.clone()
            x[rank*len(x)//learn.team.size] = float('nan')
        return type(batch(i))(x, y)
    learn.source.pair = pair
    return after_failure(learn, 20)

def callback_fails(at=7, rank=0):
    "A callback of one rank fails"
    from fastai.callback.core import Callback
    learn, failed = learner(double=False), []
    class Fails(Callback):
        def after_batch(self):
            if self.learn.team.rank == rank and self.learn.step == at and not failed:
                failed.append(at)
                raise ValueError('of a callback')
    learn.add_cb(Fails())
    return after_failure(learn, 20)

def paused(steps=5):
    "Rank 0 is paused, asked for a switch and for single steps, and goes on"
    import time
    learn = learner(double=False)
    orders = learn.turnstile.orders
    def held(step):
        while not (orders.resting and learn.step >= step): time.sleep(.01)
    def go():
        orders.give('pause')
        held(0)
        at = learn.step
        learn.tricks.on('label_smoothing')
        orders.give('pause', ['both', 'd'])
        held(at + 2)
        orders.give('run', until=at + 2 + steps)
        while learn.step < at + 2 + steps: time.sleep(.01)
    outside(learn, go)
    return dict(step=learn.step, hash=learn.state_hash(), log=[(c.step, c.kind, c.name) for c in learn.tricks.log])

def refused():
    "What a team does not do, in words"
    import torch
    from torch import nn
    from ganlab.learner import GANLearner
    from ganlab.tricks.ema import EMA
    learn, said = learner(double=False), {}
    class OfMyOwn(EMA): name, title = 'of_my_own', 'Of my own'
    class Draws(nn.Module):
        def forward(self, x): return x + .1*torch.randn_like(x)
    class Compares(nn.Module):
        def forward(self, x): return x - x.mean(0)
    dls, (G, D), _ = parts('mlp', 16)
    def with_part(part): return GANLearner(dls, G, nn.Sequential(part, D), seed=0).fit_steps(1, progress=False)
    learn.tricks.add(OfMyOwn)
    for name, f in dict(trial=lambda: learn.tricks.on('ema', trial=5), rewind=lambda: learn.rewind(0), divide=lambda: learner(bs=15, double=False), own=lambda: learn.tricks.on('of_my_own'),
                        batch_size=lambda: learn.tricks.on('batch_size', bs=15), draws=lambda: with_part(Draws()), compares=lambda: with_part(Compares())).items():
        try: f()
        except (ValueError, RuntimeError) as e: said[name] = str(e)
    if learn.team.rank == 1: learn.tricks.on('ema')
    try: learn.fit_steps(1, progress=False)
    except RuntimeError as e: said['alone'] = str(e)
    return said

def sent(steps=20, **kwargs):
    "Sums, bytes and milliseconds a step"
    import time
    learn = learner(**kwargs)
    learn.fit_steps(1, progress=False)
    sums, size, start = learn.team.sums, learn.team.bytes, time.monotonic()
    learn.fit_steps(steps, progress=False)
    return dict(sums=(learn.team.sums - sums)/steps, bytes=(learn.team.bytes - size)/steps, ms=1e3*(time.monotonic() - start)/steps)

def begun(run, steps):
    "A run of that many steps; or, where it is there, resumed up to that many"
    import warnings
    from ganlab.learner import GANLearner
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        if Path(run).exists():
            dls, nets, _ = parts('mlp', 16)
            learn = GANLearner.resume(run, dls, *nets, progress=False)
        else: learn = learner(double=False, run=run)
        learn.fit_steps(steps - learn.step, progress=False)
    learn.run.close()
    return standing(learn) | dict(said=[str(w.message) for w in said])

# Scenarios that end the processes

def dying(run, at=12):
    "Rank 1 is killed in the middle of step `at + 1`; rank 0 says what it sees"
    import signal
    learn = learner(double=False, run=run)
    calls = []
    def kill(*_):
        calls.append(learn.step)
        if learn.team.rank == 1 and learn.step == at and calls.count(at) == 2: os.kill(os.getpid(), signal.SIGKILL)
    learn.D.register_forward_hook(kill)
    print(json.dumps(after_death(learn)), flush=True)

def after_death(learn):
    import time
    from ganlab.engine.recovery import StepError
    start = time.monotonic()
    try: learn.fit_steps(100, progress=False)
    except StepError as e: return dict(said=str(e), step=e.step, took=time.monotonic() - start)

def interrupted(run):
    "Train until somebody ends it, and say where it stands"
    learn = learner(double=False, run=run)
    def tell(learn):
        if learn.step == 20: print('at 20', flush=True)
    try: learn.fit_steps(None, gate=tell, progress=False)
    except KeyboardInterrupt: how = 'interrupted'
    except SystemExit as e: how = f'ended {e.code}'
    out = dict(how=how, step=learn.step, hash=learn.state_hash())
    learn.run.close()
    print(json.dumps(out), flush=True)
