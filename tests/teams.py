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

def outside(learn, f, stop=True):
    "Run `f()` in a thread of rank 0 while all ranks train, and end the training when it is done; or `f` does that"
    import threading
    wrong = []
    def go():
        try: f()
        except Exception as e: wrong.append(f'{type(e).__name__}: {e}')
        if stop or wrong: learn.turnstile.orders.give('stop')
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
    for name, f in dict(divide=lambda: learner(bs=15, double=False), own=lambda: learn.tricks.on('of_my_own'),
                        batch_size=lambda: learn.tricks.on('batch_size', bs=15), draws=lambda: with_part(Draws()), compares=lambda: with_part(Compares())).items():
        try: f()
        except (ValueError, RuntimeError) as e: said[name] = str(e)
    if learn.team.rank == 1: learn.tricks.on('ema')
    try: learn.fit_steps(1, progress=False)
    except RuntimeError as e: said['alone'] = str(e)
    return said

# Going back

def at_steps(learn, *steps):
    "Train on to each of these steps; where the learner stands there"
    out = []
    for s in steps:
        learn.fit_steps(s - learn.step, progress=False)
        out.append(standing(learn))
    return out

def seldom(learn, every=10):
    "Have snapshots so seldom that steps are computed again"
    if learn.team.first: learn.run.snap_every = every
    return learn

def travels(run, net='mlp', trick='gradient_penalty', **kwargs): # of `learner`
    "Back to a step between two snapshots and on; undone; a fork from before. Where it stood, and where it stands"
    learn = seldom(learner(net, run=folder(run), **kwargs))
    first = at_steps(learn, 13)
    learn.tricks.on(trick)
    learn.tricks.on('ema', at=16)
    then = at_steps(learn, 17, 30)
    learn.rewind(17)
    again = [standing(learn), *at_steps(learn, 30)]
    fork = learn.fork(step=17, name=f'{run}-fork')
    forked = [standing(fork), *at_steps(fork, 30)]
    fork.run.close()
    learn.undo()
    undone = [standing(learn), learn.tricks['ema'].enabled]
    learn.undo()
    undone += [standing(learn), [c.name for c in learn.tricks.log]]
    step, hash = learn.team.told(lambda: [learn.run.snapshots[-1][k] for k in ('step', 'hash')])
    learn.rewind(step)
    learn.run.close()
    return dict(first=first, then=then, again=again, forked=forked, undone=undone, recorded=[step, hash], kept=[learn.step, learn.state_hash()])

def rewound_by_mail(run):
    "While all train rank 0 is asked, by its mailbox, to pause, to go back and to go on for eight steps"
    from ganlab.steer.remote import Remote
    learn = seldom(learner(run=folder(run)))
    before = at_steps(learn, 12, 20)
    remote, said = Remote(folder(run)), []
    def asked(*posted): said.extend(p.wait(60)['said'] for p in posted)
    outside(learn, lambda: asked(remote.pause(), remote.rewind(12), remote.snapshot(), remote.resume(steps=8)), stop=False)
    out = dict(before=before, after=standing(learn), snapshots=[s['step'] for s in learn.run.snapshots if s['kept'] == 'pinned'] if learn.team.first else [12])
    learn.run.close()
    return out | (dict(said=said) if learn.team.first else {})

def rewound_by_thread(run):
    "While all train another thread of rank 0 goes back and undoes a switch"
    import time
    learn, said = seldom(learner(double=False, run=folder(run))), []
    def go():
        while learn.step < 15: time.sleep(.01)
        ask(learn, 'on', 'ema')
        learn.rewind(12)
        said.append([c.name for c in learn.tricks.log])
        ask(learn, 'on', 'ema')
        learn.undo()
        said.append([c.name for c in learn.tricks.log])
        said.append(wrong(learn.fork))
    outside(learn, go)
    out = dict(hash=learn.state_hash(), step=learn.step)
    plain = learner(double=False)
    plain.fit_steps(learn.step, progress=False)
    return dict(out, plain=plain.state_hash()) | (dict(said=said) if learn.team.first else {})

def tried(run):
    "Trials of a script: one that is taken back, one that stays, and one that fails"
    import math
    from ganlab.trick import Trick
    class Rots(Trick):
        name, title, number, ranks = 'rots', 'Rots', 999, True
        def d_term(self, c): return c.l_real.mean()*(math.nan if c.step >= self.since + 5 else 0)
    learn, out = seldom(learner(run=folder(run))), {}
    learn.tricks.add(Rots)
    before, = at_steps(learn, 12)
    bad = learn.tricks.on('ttur', lr_g=.01, trial=8)
    bad.trial.before = [0.]*21             # a yardstick that nothing meets
    learn.fit_steps(12, progress=False)
    out |= dict(before=before, back=standing(learn), bad=bad.trial.said, log=[c.name for c in learn.tricks.log])
    good = learn.tricks.on('lecam', trial=8)
    good.trial.before = [9.]*21            # whatever comes is better
    learn.fit_steps(9, progress=False)
    out |= dict(good=good.trial.said.split(':')[0], stays=standing(learn), on_trial=len(learn.tricks.on_trial))
    rots = learn.tricks.on('rots', trial=20)
    learn.fit_steps(8, progress=False)
    out |= dict(rots=rots.trial.said, healed=standing(learn), trials=[t['said'].split(':')[0] for t in learn.run.trials])
    return out

def tried_by_mail(run):
    "The same, asked of rank 0 while all train"
    import time
    from ganlab.steer.remote import Remote
    learn = seldom(learner(double=False, run=folder(run)))
    learn.fit_steps(5, progress=False)
    remote, said = Remote(folder(run)), []
    def judged(name, before, **values):
        posted = remote.on(name, trial=40, **values)
        while not learn.tricks.on_trial: time.sleep(.002)
        learn.tricks.on_trial[0].trial.before = before
        said.append(posted.wait(60, applied=True)['said'])
    outside(learn, lambda: (judged('ttur', [0.]*21, lr_g=.01), judged('ema', [9.]*21)))
    out = dict(hash=learn.state_hash(), log=[c.name for c in learn.tricks.log], on_trial=len(learn.tricks.on_trial), said=[c.trial.said for c in learn.tricks.log])
    learn.run.close()
    return out | (dict(answers=said) if learn.team.first else {})

def damage(learn, which):
    "On rank 0, spoil the files of snapshots"
    if not learn.team.first: return
    learn.run.sync()
    for s in which(learn.run.snapshots):
        stem, = learn.run.store.rows('select file from snapshots where id=?', s['id'])[0]
        f = learn.run.folder/'snapshots'/f'{stem}.safetensors'
        f.write_bytes(f.read_bytes()[:-8] + bytes(8))

def damaged(run):
    "A snapshot is damaged, then all are; and an exception on one rank while steps are computed again"
    import warnings
    learn, out = seldom(learner(double=False, run=folder(run))), {}
    states = at_steps(learn, 27, 35)
    damage(learn, lambda rows: [s for s in rows if 15 < s['step'] < 27])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        learn.rewind(27)
    out |= dict(told=learn.team.told(lambda: [str(w.message) for w in said]), was=states[0]['hash'], back=learn.state_hash(), later=at_steps(learn, 35)[0]['hash'], would=states[1]['hash'])
    calls = []
    def fail(*_):
        calls.append(learn.step)
        if learn.team.rank == 1 and learn.step == 33: raise ValueError('a bad row')
    hook = learn.D.register_forward_hook(fail)
    out |= dict(failed=wrong(lambda: learn.rewind(34)), stands=standing(learn))
    hook.remove()
    damage(learn, lambda rows: rows)
    out |= dict(none=wrong(lambda: learn.rewind(34)), still=standing(learn), nothing=wrong(learn.undo))
    if learn.team.first: learn.run.lock('not now')
    out |= dict(locked=wrong(lambda: learn.rewind(3)))
    return out | dict(on=at_steps(learn, 40)[0]['hash'])

def by_hand(run):
    "Weights were set by hand on all ranks. Rank 1 fails when all steps are done; and rank 0 cannot read what was kept: it fails between two steps, while rank 1 waits in one"
    import torch
    learn = seldom(learner(double=False, run=folder(run)))
    states = at_steps(learn, 14)
    with torch.no_grad():
        for p in learn.G.parameters(): p.mul_(1.01)
    states += at_steps(learn, 17, 30)
    learn.rewind(17)
    out = dict(was=[s['hash'] for s in states[1:]], now=[learn.state_hash(), at_steps(learn, 30)[0]['hash']])
    def fail(*_):
        del learn.same_again
        raise ValueError('after the last step')
    if learn.team.rank == 1: learn.same_again = fail
    out |= dict(late=wrong(lambda: learn.rewind(20)), stands=learn.state_hash())
    damage(learn, lambda rows: [s for s in rows if s['kept'] == 'edited' or s['step'] > 14])
    return out | dict(failed=wrong(lambda: learn.rewind(20)), still=learn.state_hash(), before=(learn.rewind(14), learn.state_hash())[1], first=states[0]['hash'])

def called_back(run):
    "A callback of all ranks goes back once, in the middle of a fit; and rank 0 is asked for what is refused"
    from fastai.callback.core import Callback
    from ganlab.steer.remote import Remote
    learn, seen, said = seldom(learner(double=False, run=folder(run))), [], []
    class Back(Callback):
        def after_batch(self):
            if self.learn.step == 20 and not seen: seen.extend([self.learn.step, self.learn.rewind(12).step])
    learn.fit_steps(30, cbs=Back(), progress=False)
    out = dict(seen=seen, step=learn.step, hash=learn.state_hash(), plain=at_steps(learner(double=False), learn.step)[0]['hash'])
    remote = Remote(folder(run))
    outside(learn, lambda: [said.append(wrong(f)) for f in (lambda: remote.undo().wait(60), lambda: remote.lock('not now').wait(60), lambda: remote.rewind(3).wait(60), lambda: remote.unlock().wait(60))])
    learn.rewind(22)
    return out | dict(again=learn.state_hash()) | (dict(said=said) if learn.team.first else {})

def wrong(f):
    "What an error says"
    try: f()
    except (ValueError, RuntimeError) as e: return str(e)

def resumed_before(run):
    "A run is resumed from an earlier step than the last, between two snapshots"
    from ganlab.learner import GANLearner
    learn = seldom(learner(double=False, run=folder(run)))
    states = at_steps(learn, 17, 30)
    learn.run.close()
    dls, nets, _ = parts('mlp', 16)
    again = GANLearner.resume(folder(run), dls, *nets, step=17, progress=False)
    return dict(was=[s['hash'] for s in states], now=[again.state_hash(), at_steps(again, 30)[0]['hash']])

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

def dying_on_the_way_back(run, at=12):
    "Rank 1 is killed while all compute steps again; rank 0 says what it sees, and where it stands then"
    import signal
    learn = seldom(learner(double=False, run=run))
    learn.fit_steps(30, progress=False)
    was, back = learn.state_hash(), []
    def kill(*_):
        if learn.team.rank == 1 and back and learn.step == at: os.kill(os.getpid(), signal.SIGKILL)
    learn.D.register_forward_hook(kill)
    back.append(True)
    print(json.dumps(after_death(learn, lambda: learn.rewind(15)) | dict(same=learn.state_hash() == was)), flush=True)

def after_death(learn, go=None):
    import time
    from ganlab.engine.recovery import StepError
    start = time.monotonic()
    try: go() if go else learn.fit_steps(100, progress=False)
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
