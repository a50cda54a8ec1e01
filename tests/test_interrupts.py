"Ctrl-C, once or three times, at any place: a whole step or a whole change, in the learner and in the record."
import gc, importlib, importlib.util, inspect, os, re, shutil, signal, subprocess, sys, threading, time, warnings
from collections import defaultdict
from functools import wraps
import pytest, torch
from torch import nn
from fastai.callback.core import Callback
from ganlab.compare import ab
from ganlab.data import ring_dls
from ganlab.engine.recovery import StepError
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.record.run import Run
import ganlab.travel.lookback, ganlab.travel.fork
from apart import Process

def dls(): return ring_dls(n=2048, bs=16)
def nets(): return mlp(dim=2, z_dim=2, width=8, depth=1, seed=0)
def make(run=None, **kw):
    learn = GANLearner(dls(), *nets(), seed=0, run=run, **kw)
    learn.snap_every, learn.run.snap_every, learn.run.frame_every = 7, 10, 6
    return learn

@pytest.fixture(scope='module')
def undisturbed():
    "The hash of each step of a run that nobody touches"
    learn = make()
    hashes = [learn.state_hash()]
    learn.fit_steps(60, gate=lambda l: l.step == len(hashes) and hashes.append(l.state_hash()), progress=False)
    return hashes

# Where Ctrl-C comes

class Points:
    "Presses Ctrl-C before the given calls of ganlab's functions on the main thread, counted from 1"
    names = ('learner presets compare judge.sibling judge.wishes judge.arm judge.evidence data lab record.run record.lines record.taking record.writing record.reading record.store record.chunks record.database record.folder record.schema travel.resume travel.remade travel.again travel.compared travel.fork travel.lookback engine.fastai_loop engine.turnstile engine.recovery engine.boundary engine.in_force '
    'engine.asking engine.named_state engine.snapshots engine.switch engine.rollback engine.meters engine.surgery engine.still engine.sites engine.enrolment engine.level engine.rates engine.rng')
    modules = [f'ganlab.{name}' for name in names.split()]
    def __init__(self, monkeypatch):
        self.n, self.at = None, set()
        mods = [importlib.import_module(m) for m in self.modules if importlib.util.find_spec(m)]
        held = defaultdict(list)                              # a function -> the (module, name) under which it is called
        for mod in [m for k, m in list(sys.modules.items()) if m and k.startswith('ganlab.')]:
            for name, o in vars(mod).items():
                if inspect.isfunction(o): held[o].append((mod, name))
        for mod in mods:
            for name, o in list(vars(mod).items()):
                if inspect.isclass(o) and o.__module__ == mod.__name__:
                    for k, f in list(vars(o).items()): self.watch(monkeypatch, o, k, f)
                elif inspect.isfunction(o) and o.__module__ == mod.__name__:
                    w = self.watched(o)
                    for place in held[o]: monkeypatch.setattr(*place, w)

    def watch(self, monkeypatch, cls, name, f):
        if inspect.isfunction(f): monkeypatch.setattr(cls, name, self.watched(f))
        elif isinstance(f, classmethod): monkeypatch.setattr(cls, name, classmethod(self.watched(f.__func__)))

    def watched(self, f):
        @wraps(f)
        def g(*args, **kwargs):
            if self.n is not None and threading.current_thread() is threading.main_thread():
                self.n += 1
                if self.n in self.at: signal.raise_signal(signal.SIGINT)
            return f(*args, **kwargs)
        return g

    def run(self, f, *at):
        "Call `f()`, interrupted there: its result, or None where it was; and how many calls there were"
        self.n, self.at = 0, set(at)
        try: out = f()
        except KeyboardInterrupt: out = None
        finally: n, self.n = self.n, None
        return out, n

@pytest.fixture
def points(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield Points(monkeypatch)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)

def spread(n, k): return sorted({1 + i*(n - 1)//max(1, k - 1) for i in range(k)})
def presses(i, at): # one at every third place, two at the next, three at the next
    return [at, at + i % 7, at + 20 + i][:1 + i % 3]

# What must be so afterwards

def check(learn, folder, hashes=None):
    "The learner stands at a whole step, goes on from there, and its record says the same"
    assert len(learn.history) == learn.step and learn.history.step.tolist() == list(range(1, learn.step + 1))
    assert learn.turnstile.lock.acquire(timeout=1) and not learn.training_now
    learn.turnstile.lock.release()
    if hashes: assert learn.state_hash() == hashes[learn.step]
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='the training ended')      # what waits is for a later step
        learn.fit_steps(5, progress=False)
    if hashes: assert learn.state_hash() == hashes[learn.step]
    agrees(learn, folder)

def agrees(learn, folder):
    "What is on disk leads to where the learner is, by replay and by resume"
    learn.run.close()
    done, waits = [c.sentence for c in learn.tricks.log], [c.sentence for c in learn.tricks.pending]
    run = Run.open(folder)
    assert [c.sentence for c in run.changes] == done and [c.sentence for c in run.waiting] == waits
    if not any(c.kind == 'edited' for c in learn.tricks.log):
        again = run.replay(dls(), *nets(), progress=False)
        assert (again.step, again.state_hash()) == (learn.step, learn.state_hash())
    more = GANLearner.resume(folder, dls(), *nets(), progress=False)
    assert (more.step, more.state_hash(), [c.sentence for c in more.tricks.log]) == (learn.step, learn.state_hash(), done)
    assert [c.sentence for c in more.tricks.pending] == waits and more.history.g_loss.tolist() == learn.history.g_loss.tolist()
    more.run.close()

def stand(learn): return learn.step, learn.state_hash(), [c.sentence for c in learn.tricks.log], [c.sentence for c in learn.tricks.pending]

# The acts: what is prepared, and what is interrupted

def trained(folder):
    learn = make(folder)
    learn.fit_steps(20, progress=False)
    return learn

def switched(folder):
    learn = trained(folder)
    learn.tricks.on('spectral_norm')
    learn.fit_steps(5, progress=False)
    return learn

def forked(folder):
    learn = switched(folder)
    learn.at_18 = learn.fork(step=18, name=f'{folder.name}-other').snapshot()
    return learn

def saved(folder):
    learn = switched(folder)
    learn.path = folder.parent
    learn.save(f'{folder.name}-weights')
    learn.tricks.off('spectral_norm', now=True)
    learn.fit_steps(2, progress=False)
    return learn

def waiting(folder):
    learn = trained(folder)
    learn.waits = learn.tricks.on('ttur', at=40)
    return learn

def shown(folder):
    learn = trained(folder)
    learn.lab = Lab(learn)
    return learn

def fit(learn):
    learn.tricks.on('minibatch_stddev', at=24)
    learn.fit_steps(9, progress=False)

def later(learn):
    learn.tricks.on('minibatch_stddev', at=40)
    learn.tricks.on('ttur', at=50)

def cell(learn):
    "What a cell may do while the lab trains in its thread"
    lab = learn.lab
    lab.start()
    learn.tricks.on('spectral_norm').wait(60)
    learn.set_loss('hinge').wait(60)
    learn.pin()
    lab.pause()
    learn.rewind(13)
    lab.step(2)
    lab.wait(60)
    lab.stop()

def ended(learn):
    learn.lab.stop()
    learn.lab.close()

acts = dict(
    fit_steps=(trained, lambda learn: learn.fit_steps(9, progress=False)),
    fit_and_switch=(trained, fit),
    switch=(switched, lambda learn: learn.tricks.off('spectral_norm', now=True)),
    rewind=(trained, lambda learn: learn.rewind(13)),
    rewind_before_a_change=(switched, lambda learn: learn.rewind(13)),
    undo=(switched, lambda learn: learn.undo()),
    fork=(switched, lambda learn: learn.fork(step=22)),
    pin=(trained, lambda learn: learn.pin()),
    restore=(forked, lambda learn: learn.restore(learn.at_18)),
    ab=(trained, lambda learn: ab(learn, on='label_smoothing', steps=4, seeds=2, progress=False)),
    preset=(switched, lambda learn: learn.tricks.preset('ttur')),
    set=(switched, lambda learn: learn.tricks.set('spectral_norm', soft_start=9)),
    set_loss=(switched, lambda learn: learn.set_loss('hinge')),
    load=(saved, lambda learn: learn.load(f'{learn.run.folder.name}-weights')),
    lr_find=(trained, lambda learn: learn.lr_find(num_it=20, show_plot=False)),
    later=(trained, later),
    cancel=(waiting, lambda learn: learn.waits.cancel()),
    lab=(shown, cell))
undisturbed_by = {'fit_steps', 'rewind', 'pin', 'ab', 'lr_find'}      # each step has the bits of a run that nobody touches
at_once = set(acts) - {'fit_steps', 'fit_and_switch', 'later', 'lab', 'restore'}      # done whole, or not at all

def explore(act, points, undisturbed, tmp_path, k, only=None):
    "Ctrl-C at `k` places all over an act, or at some `only` of these"
    prepare, f = acts[act]
    dry = prepare(tmp_path/'dry')
    before = stand(dry)
    _, n = points.run(lambda: f(dry))
    after, idle = stand(dry), set(threading.enumerate()) - {threading.main_thread()}
    for i, at in enumerate(spread(n, k)):
        if only and i not in only: continue
        folder, keys = tmp_path/str(i), presses(i, at)
        learn = prepare(folder)
        points.run(lambda: f(learn), *keys)
        if act == 'lab': ended(learn)
        try:
            if act in at_once: assert stand(learn) in (before, after), 'half done'
            check(learn, folder, undisturbed if act in undisturbed_by else None)
            free(tmp_path, idle)
        except BaseException as e:
            e.add_note(f'{act}, Ctrl-C at {keys} of {n}')
            raise
        shutil.rmtree(folder)

def free(tmp_path, idle):
    "Nothing runs on, and no folder is held"
    gc.collect()
    assert threads() <= idle

@pytest.mark.parametrize('act', acts)
@pytest.mark.part(6)
def test_ctrl_c_at_any_place(act, points, undisturbed, tmp_path):
    "Two in a row after a third of every other act, three after two thirds of the rest; `-m slow` goes to 80 places of each"
    explore(act, points, undisturbed, tmp_path, 4, only=(1 + list(acts).index(act) % 2,))

@pytest.mark.slow
@pytest.mark.parametrize('act', acts)
def test_ctrl_c_at_many_places(act, points, undisturbed, tmp_path): explore(act, points, undisturbed, tmp_path, 80)

# While a learner is made, whom nobody gets

def kept(folder): trained(folder).run.close()

opened = dict(
    begin=(lambda folder: None, lambda folder, _: GANLearner(dls(), *nets(), seed=0, run=folder, tricks=['ema'])),
    resume=(kept, lambda folder, _: GANLearner.resume(folder, dls(), *nets(), progress=False)),
    resume_from=(kept, lambda folder, _: GANLearner.resume(folder, dls(), *nets(), step=13, progress=False)),
    fork=(trained, lambda folder, learn: learn.fork(name=f'{folder.name}-other')))

def let_in(act, points, tmp_path, k):
    "Ctrl-C while a run is begun, taken up or forked leaves no thread and no lock; the same can be asked again at once"
    prepare, f = opened[act]
    prepared = prepare(tmp_path/'dry')
    learn, n = points.run(lambda: f(tmp_path/'dry', prepared))
    right = stand(learn)
    learn.run.close()
    for i, at in enumerate(spread(n, k)):
        folder, keys = tmp_path/str(i), presses(i, at)
        prepared, before = prepare(folder), threads()
        gc.disable()
        try:
            out, _ = points.run(lambda: f(folder, prepared), *keys)
            if out is not None:      # a little less was done than in the first one: the last place lies behind the end
                assert at > .98*n
                out.run.close()
                continue
            assert threads() == before, 'a thread is left'
            learn = f(folder, prepared)
            assert stand(learn) == right
            learn.run.close()
            assert threads() == before
            agrees(learn, learn.run.folder)
        except BaseException as e:
            e.add_note(f'{act}, Ctrl-C at {keys} of {n}')
            raise
        finally: gc.enable()

def threads(): return {t for t in threading.enumerate() if t.name.startswith('ganlab')}

@pytest.mark.parametrize('act', opened)
@pytest.mark.part(2)
def test_ctrl_c_while_a_run_is_opened(act, points, tmp_path): let_in(act, points, tmp_path, 4)

@pytest.mark.slow
@pytest.mark.parametrize('act', opened)
def test_ctrl_c_at_many_places_while_a_run_is_opened(act, points, tmp_path): let_in(act, points, tmp_path, 40)

# An interrupt that a network raises by itself, while steps are computed again

class Presses:
    "A hook that raises at some calls while the network trains; `...` at the end: from then on"
    def __init__(self, *at, error=KeyboardInterrupt): self.n, self.at, self.error = 0, at, error
    def __call__(self, module, args):
        self.n += module.training
        if module.training and (self.n in self.at or self.at[-1] is ... and self.n >= self.at[-2]): raise self.error

def pressed(learn, *at, **kw): return learn.D.register_forward_pre_hook(Presses(*at, **kw))

@pytest.mark.parametrize('at', [(20,), (20, 21), (20, 27), (20, 24, 29), (4, 5, 6), (37, 38, 40)])
@pytest.mark.part(2)
def test_interrupts_while_steps_are_computed_again(at, undisturbed, tmp_path):
    "The second one comes while what the first one left is put right, and the third one, too"
    learn = trained(tmp_path/'a')
    hook = pressed(learn, *at)
    with pytest.raises(KeyboardInterrupt): learn.fit_steps(20, progress=False)
    hook.remove()
    assert learn.step == 20 + (at[0] - 1)//3, 'three calls of D a step: the steps before the interrupted one stand'
    check(learn, tmp_path/'a', undisturbed)

@pytest.mark.parametrize('error', [KeyboardInterrupt, MemoryError])
def test_steps_that_cannot_be_computed_again(error, undisturbed, tmp_path):
    "A network that fails from now on: the learner stands at the snapshot, and the record goes on from there on a line of its own"
    folder = tmp_path/'a'
    learn = trained(folder)
    hook = pressed(learn, 20, ..., error=error)
    with pytest.raises((error, StepError)) as e: learn.fit_steps(20, progress=False)
    hook.remove()
    assert learn.step == 21 and getattr(e.value, 'at', 21) == 21, 'the snapshot in memory; the failing step was 27'
    learn.run.flush(learn, wait=True)
    assert Run.open(folder).step == 21
    learn.tricks.on('label_smoothing')
    check(learn, folder)

def test_a_step_that_is_made_is_noted(tmp_path, monkeypatch):
    "Twice Ctrl-C, while the multiplier of its rates is written down: each step replays with the rates that it had"
    learn, stepped = make(tmp_path/'a'), Run.stepped
    learn.fit_steps(2, progress=False)
    def pressed_twice(run, learn):
        monkeypatch.setattr(Run, 'stepped', stepped)
        for _ in range(2): signal.raise_signal(signal.SIGINT)
        stepped(run, learn)
    monkeypatch.setattr(Run, 'stepped', pressed_twice)
    with pytest.raises(KeyboardInterrupt): learn.fit(1, lr=1e-3)
    learn.fit_steps(3, progress=False)
    learn.run.flush(learn, wait=True)
    assert learn.step == 6 and learn.run.mults(0) == {0: 1., 2: 5., 3: 1.}
    learn.run.close()

def test_an_interrupt_in_a_switch_and_after_it(undisturbed, tmp_path):
    "A trick that is being attached is not on; one that is on is logged"
    learn = trained(tmp_path/'a')
    def at_once(*_): raise KeyboardInterrupt
    hook = learn.D.register_forward_pre_hook(at_once)
    with pytest.raises(KeyboardInterrupt): learn.tricks.on('minibatch_stddev')      # it looks at D's layers
    hook.remove()
    assert not learn.tricks['minibatch_stddev'].enabled and learn.state_hash() == undisturbed[20]
    learn.tricks.on('minibatch_stddev', at=23)
    hook = pressed(learn, 3*3 + 5, 3*3 + 7, 3*3 + 8)
    with pytest.raises(KeyboardInterrupt): learn.fit_steps(9, progress=False)
    hook.remove()
    assert learn.tricks['minibatch_stddev'].enabled and learn.step == 24
    check(learn, tmp_path/'a')

def test_an_interrupt_on_the_way_back(tmp_path):
    "A rewind that cannot be finished leaves everything as it was"
    learn = switched(tmp_path/'a')
    before, log = learn.state_hash(), [c.sentence for c in learn.tricks.log]
    steps, one = [], learn.play
    def tired(*args):
        steps.append(learn.step)
        if len(steps) in (2, 3): raise KeyboardInterrupt
        return one(*args)
    learn.play = tired
    with pytest.raises(KeyboardInterrupt): learn.rewind(17)
    assert (learn.step, learn.state_hash(), [c.sentence for c in learn.tricks.log]) == (25, before, log)
    del learn.play
    check(learn, tmp_path/'a')

def test_back_to_a_snapshot_with_the_rates_of_its_time(tmp_path):
    "The multiplier of a schedule that is over is none of the steps after it"
    learn = make(tmp_path/'a')
    learn.fit_steps(8, progress=False)
    snap = learn.snapshot()
    def half(l): l.rates.mult = .5
    learn.fit_steps(3, gate=half, progress=False)
    learn.restore(snap)
    check(learn, tmp_path/'a')

def test_one_that_was_caught_and_the_next(points, tmp_path):
    "A gate or a callback that catches Ctrl-C goes on training, and the next Ctrl-C is heard, wherever it comes"
    def swallowing(where, upto=4):
        def f(*_):
            try:
                if learn.step < upto: signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt: caught.append(where)
        return f
    class Swallows(Callback): after_batch = swallowing('callback')
    for more, times in ((dict(gate=swallowing('gate')), 4), (dict(cbs=Swallows()), 3)):
        learn, caught = make(), []
        learn.fit_steps(8, progress=False, **more)
        assert len(caught) == times and learn.step == 8
    learn, caught = make(tmp_path/'a'), []
    catches = swallowing('gate', upto=1)
    def gate(l):
        catches()
        if l.step == 3: signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt): learn.fit_steps(8, gate=gate, progress=False)
    assert learn.step == 3 and caught == ['gate']
    check(learn, tmp_path/'a')

def test_the_end_of_a_record_is_deaf(tmp_path):
    "Ctrl-C while the last steps and samples are written: they are written, and then it is told"
    learn, pressed = make(tmp_path/'a'), []
    learn.fit_steps(30, progress=False)
    def press(*_):
        if not pressed: pressed.append(signal.raise_signal(signal.SIGINT))
    learn.G.register_forward_pre_hook(press)
    with pytest.raises(KeyboardInterrupt): learn.run.close()
    assert pressed and Run.open(tmp_path/'a').step == 30 and Run.open(tmp_path/'a').frame_steps()[-1] == 30

# The command, with real signals

imports = """
import os, signal, sys
class Presses:
    "Ctrl-C when a module is looked for"
    def find_spec(self, name, path=None, target=None):
        if name == {!r}: os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Presses())
from ganlab.__main__ import main
sys.exit(main())
"""

@pytest.mark.parametrize('module', ['ganlab.cli', 'torch', 'numpy._core.multiarray', 'torch._C', 'fastai.basics', 'ganlab.travel.fork'])
@pytest.mark.part(4)
def test_ctrl_c_while_the_command_is_loaded(module, tmp_path):
    "No traceback, and the exit status of what was stopped"
    done = subprocess.run([sys.executable, '-c', imports.format(module), 'train', '--run', str(tmp_path/'r'), '--data', 'ring', '--steps', '9'], capture_output=True, text=True, preexec_fn=deaf_no_more)
    assert (done.returncode, done.stdout, done.stderr) == (130, '', '') and not (tmp_path/'r').exists()

within_a_class = """
import signal
from ganlab.trick import Param, find_tricks
named, presses = Param.__set_name__, [3, 4, 40]
def press(self, owner, name):
    presses[:] = [n - 1 for n in presses]
    if 0 in presses: signal.raise_signal(signal.SIGINT)
    named(self, owner, name)
Param.__set_name__ = press
try: find_tricks()
except KeyboardInterrupt: print('stopped')
print(len(find_tricks()), all(n < 0 for n in presses))
"""

def test_ctrl_c_while_the_tricks_are_looked_for():
    "It comes when all of them are there, and as what it is"
    from ganlab.trick import find_tricks
    done = subprocess.run([sys.executable, '-c', within_a_class], capture_output=True, text=True, preexec_fn=deaf_no_more)
    assert done.stdout == f'stopped\n{len(find_tricks())} True\n', done.stderr

def deaf_no_more(): signal.signal(signal.SIGINT, signal.default_int_handler)      # whoever runs the tests may ignore Ctrl-C

def test_the_command_leaves_ctrl_c_alone_where_it_is_ignored(tmp_path):
    "As in the background of a shell: the command goes on"
    done = subprocess.run([sys.executable, '-c', imports.format('ganlab.cli'), 'show', 'nowhere'], capture_output=True, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert done.returncode == 2 and done.stderr.startswith('ganlab: nowhere holds no run')

def told_to(folder, steps)->int: # exit status
    "The command in this process; it says `go` when it begins"
    sys.argv = ['ganlab', 'train', '--run', str(folder), '--data', 'ring', '--bs', '16', '--width', '8', '--steps', str(steps)]
    import ganlab.__main__ as command
    load = command._command
    def begun(): print('go', flush=True); return load()      # from here on it is the command's own Ctrl-C
    command._command = begun
    try: status = command.main()
    except KeyboardInterrupt: sys.excepthook(*sys.exc_info())      # as at the end of a program
    ganlab.record.run._close_all()
    return status

@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs os.fork')
def test_ctrl_c_at_the_command_at_many_moments(tmp_path):
    "Two and three real signals: exit status 130, no traceback, and what is there goes on from the step that was named"
    torch.set_num_threads(1)
    moments = [.01*i for i in range(10)] + [.15*i for i in range(1, 15)]
    for i, delay in enumerate(moments):
        folder, presses = tmp_path/f'r{i}', 2 + i % 2
        child = Process(told_to, folder, 10**6)
        while 'go' not in child.said(): time.sleep(.001)
        time.sleep(delay)
        for k in range(presses):
            os.kill(child.pid, signal.SIGINT)
            time.sleep((0, .001, .01)[i % 3])
        status, text = child.ended(), child.said()
        assert status == 130 and 'Traceback' not in text and 'Exception ignored' not in text, (delay, text)
        step, named = stands(folder), re.search(r'stopped at step ([\d,]+)', text)
        if named: assert int(named[1].replace(',', '')) == step
        if not folder.exists() or not list(folder.iterdir()): continue
        learn = GANLearner.resume(folder, ring_dls(bs=16), *mlp(dim=2, width=8, seed=0), progress=False)
        assert learn.step == step
        if (recorded := learn.run.hash_at(step)): assert learn.state_hash() == recorded
        learn.fit_steps(2, progress=False)
        learn.run.close()

def stands(folder): # the last step that is recorded; 0 where there is no run yet
    try: return Run.open(folder).step
    except (ValueError, RuntimeError): return 0

@pytest.mark.parametrize('gaps', [(.003,), pytest.param((0, .003), marks=pytest.mark.slow)])
def test_ctrl_c_twice_at_the_command(gaps, tmp_path):
    "Whenever the two come: the step that is named is the one that a resume finds, and it is whole"
    folder, env = tmp_path/'r', {**os.environ, 'PYTHONUNBUFFERED': '1'}
    command = [sys.executable, '-m', 'ganlab', 'train', '--run', str(folder), '--data', 'ring', '--bs', '16', '--width', '8', '--steps', '1000000']
    for gap in gaps:
        before = stands(folder)
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, preexec_fn=deaf_no_more)
        try:
            while child.poll() is None and stands(folder) <= before: time.sleep(.05)
            child.send_signal(signal.SIGINT)
            time.sleep(gap)
            child.send_signal(signal.SIGINT)
            said, _ = child.communicate(timeout=300)
        finally: child.kill()
        assert child.returncode == 130, said
        named = int(re.search(r'stopped at step ([\d,]+)', said)[1].replace(',', ''))
        assert named == stands(folder) and 'Traceback' not in said
        run = Run.open(folder)
        learn = run.replay(ring_dls(bs=16), *mlp(dim=2, width=8, seed=0), progress=False)
        assert (learn.step, learn.state_hash()) == (named, run.hash_at(named))
        assert f'hash {learn.state_hash()[:16]}' in said
