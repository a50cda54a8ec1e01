"The fast mode: rows that are read a step late, and steps that a tape replays, have every bit of the usual ones; there is no GPU to ask."
import json, subprocess, sys
import pytest, torch
from torch import nn
from fastai.callback.core import Callback
from ganlab.data import digits_dls, ring_dls, tensor_dls, unpaired_dls
from ganlab.engine.graphs import Tape
from ganlab.engine.late_rows import Fetched
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from ganlab.losses import get_loss
from ganlab.nets import dcgan, mlp
from ganlab.engine.change import Refused
from ganlab.record.run import Run
from ganlab.trick import Trick, find_tricks
from project import ROOT

torch.set_num_threads(1)

def dropped():
    G, D = mlp(width=16, depth=1, seed=0)
    D = nn.Sequential(D[0], nn.Dropout(.3), *D[1:]) if isinstance(D, nn.Sequential) else nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(.2), nn.Dropout(.3), nn.Linear(16, 1))
    return G, D

NETS = dict(mlp=lambda: mlp(width=16, depth=1, seed=0), dcgan=lambda: dcgan(size=16, channels=1, z_dim=8, width=4, seed=0), dropout=dropped)
def make(kind='mlp', fast=False, graph=Tape, **kw):
    torch.manual_seed(0)
    dls = digits_dls(bs=16, size=16) if kind == 'dcgan' else ring_dls(n=640, bs=32)
    learn = GANLearner(dls, *NETS[kind](), seed=0, device='cpu', **kw)
    if fast: learn.fast(graph=graph)
    return learn

def go(learn, n, **kw): learn.fit_steps(n, progress=False, **kw)

def both(kind, act, fast=None, **kw):
    "What `act` makes of a learner in the fast mode and of one in the usual: the same state, and the same record but for times"
    a, b = make(kind, True, **{**kw, **(fast or {})}), make(kind, **kw)
    for learn in (a, b): act(learn)
    assert (a.step, a.state_hash()) == (b.step, b.state_hash())
    rows = [l.history.drop(columns='ms') for l in (a, b)]
    assert sorted(rows[0].columns) == sorted(rows[1].columns)
    assert (rows[0].fillna(-1) == rows[1][rows[0].columns].fillna(-1)).all().all()
    for key in 'dg': assert [o.tolist() for o in a.layer_norms()[key][1][-3:]] == [o.tolist() for o in b.layer_norms()[key][1][-3:]]
    return a

# What is replayed is what would have been

@pytest.mark.parametrize('kind', NETS)
@pytest.mark.parametrize('kw', [{}, dict(n_d=2), dict(update='simultaneous'), dict(loss='wasserstein', opt='adamw'), dict(loss='relativistic', latent='uniform')], ids=str)
def test_twenty_steps(kind, kw):
    a = both(kind, lambda l: go(l, 20), **kw)
    assert a.fast_mode.steps.captures == 1 and a.fast_mode.steps.graph and not a.fast_mode.why_not

@pytest.mark.parametrize('kind', NETS)
def test_changes_between(kind):
    "Each has the step captured anew, wherever it falls"
    def act(learn):
        go(learn, 6)
        learn.tricks.on('label_smoothing', at=9); learn.tricks.set('label_smoothing', real=.8, at=13); learn.set_loss('hinge', at=17)
        go(learn, 15)
        learn.tricks.on('ttur', lr_d=4e-4)
        go(learn, 6)
        learn.tricks.off('label_smoothing')
        learn.tricks.on('n_critic', n_d=2)
        go(learn, 6)
        learn.tricks.on('batch_size', factor=.5) if 'factor' in learn.tricks['batch_size'].params else learn.tricks.on('batch_size', bs=8)
        go(learn, 5)
        learn.half_step('d'); go(learn, 2); learn.half_step('g'); go(learn, 5)
        learn.tricks.on('spectral_norm', soft_start=5)
        go(learn, 14)
    both(kind, act)

class Labelled(nn.Module):
    "Of a number and a label"
    def __init__(self, n, out, shape):
        super().__init__()
        self.of_y, self.of_x, self.shape = nn.Embedding(10, 8), nn.Sequential(nn.Linear(n + 8, 32), nn.LeakyReLU(.2), nn.Linear(32, out)), shape
    def made(self, x, y): return self.of_x(torch.cat([x.flatten(1), self.of_y(y)], 1)).view(-1, *self.shape)
class LabelledG(Labelled):
    z_dim = 8
    def forward(self, z, y): return self.made(z, y)
class LabelledD(Labelled):
    def forward(self, x, y): return self.made(x, y)

class Noise(torch.utils.data.Dataset):
    def __len__(self): return 200
    def __getitem__(self, i): return torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(i)).clamp(-1, 1)

def labelled():
    x = torch.stack([Noise()[i] for i in range(200)])
    return GANLearner(tensor_dls(x, y=torch.arange(200) % 10, bs=16), LabelledG(8, 256, (1, 16, 16)), LabelledD(256, 1, (1,)), seed=0, device='cpu')
def in_groups():
    learn = make()
    first, *others = learn.D.parameters()
    learn.between_steps(learn.use_opt, 'd', torch.optim.Adam([dict(params=[first], lr=1e-3), dict(params=others)], lr=2e-4, betas=(.5, .9), fused=True))
    return learn
def by_workers(bs=16, **kw): return GANLearner(torch.utils.data.DataLoader(Noise(), bs, shuffle=True, **kw), *NETS['dcgan'](), seed=0, device='cpu')

@pytest.mark.parametrize('kind', [labelled, in_groups, lambda: by_workers(num_workers=2), lambda: by_workers(48)], ids=['labels', 'groups', 'workers', 'short'])
def test_what_comes_otherwise(kind):
    "Labels with the samples, two groups of an optimiser, batches of a loader with workers, a last batch that is short"
    torch.manual_seed(0); fast = kind(); fast.fast(graph=Tape)
    torch.manual_seed(0); usual = kind()
    for learn in (fast, usual): go(learn, 14)
    assert fast.state_hash() == usual.state_hash() and fast.fast_mode.steps.captures == 1 and not fast.fast_mode.why_not

def test_rates_that_move_need_no_other_graph():
    a = both('mlp', lambda l: l.fit_one_cycle(2, 1e-3))
    assert a.fast_mode.steps.captures == 1 and a.step == 36

def test_numbers_written_by_hand():
    class Writes(Callback):
        def after_batch(self):
            if self.learn.step == 8: self.learn.opt_d.param_groups[0]['betas'] = (.3, .9)
            if self.learn.step == 12: self.learn.opt_g.param_groups[0]['lr'] = 1e-3
            if self.learn.step == 15: self.learn.opt_d.param_groups[0]['eps'] = 1e-4
    both('mlp', lambda l: go(l, 20, cbs=Writes()))

def test_back_and_forth(tmp_path):
    "Snapshots, rewinds and undone changes, with a record on disk"
    def act(learn):
        learn.run.snap_every = 10
        go(learn, 60)
        snap = learn.snapshot()
        go(learn, 7); learn.restore(snap); go(learn, 9)
        learn.rewind(60); go(learn, 9)
        learn.tricks.on('top_k'); go(learn, 4); learn.undo(); go(learn, 6)
        learn.save('w'); go(learn, 3); learn.load('w'); go(learn, 6)
    both('mlp', act, fast=dict(run=tmp_path/'a'))
    run = Run.open(tmp_path/'a')
    assert len(run.scalars()) and not run.scalars().d_loss.isna().any()

def test_fits_are_one():
    a, b = make('mlp', True), make()
    for n in (3, 1, 1, 9, 6): go(a, n)
    go(b, 20)
    assert a.state_hash() == b.state_hash() and a.record.n == b.record.n == 20

def test_off_again():
    a, b = make('mlp', True), make()
    go(a, 9); a.fast(False); go(a, 5); a.fast(graph=Tape); go(a, 6); go(b, 20)
    assert a.state_hash() == b.state_hash() and not {'updates', 'note_step', 'play'} & vars(make('mlp')).keys()

# One row late

class Breaks:
    "The usual loss, which is no number while it is told to"
    g_uses_real, usual = False, get_loss('non_saturating')
    def __init__(self): self.now = lambda: False
    def d_loss(self, l_real, l_fake): return self.usual.d_loss(l_real, l_fake)*(float('nan') if self.now() else 1)
    def g_loss(self, l_fake, l_real=None): return self.usual.g_loss(l_fake, l_real)

@pytest.mark.parametrize('step', [1, 2, 49, 50, 51, 67, 80])
@pytest.mark.parametrize('graph', [None, Tape], ids=['usual', 'tape'])
def test_not_finite(step, graph, tmp_path):
    "It is told with its own step, wherever it falls, and the learner stands before it: at the last step of a fit, and just before a change, too"
    loss = Breaks()
    calm, learn = make(loss=loss), make('mlp', True, graph, loss=loss, run=tmp_path/'r')
    if step > 1: go(calm, step - 1)
    learn.tricks.on('label_smoothing', at=step)
    # a captured step decided long ago that all is well: there a number of its own has to break
    if graph and step > 1: learn.add_cb(Spoils(step - 1))
    else: loss.now = lambda: learn.step == step - 1
    with pytest.raises(StepError, match=f"became NaN in step {step}\\.") as e: go(learn, 80)
    assert (e.value.step, e.value.at, learn.step, learn.record.n) == (step, step - 1, step - 1, step - 1)
    if step > 1: assert learn.state_hash() == calm.state_hash()
    assert not any(c.name == 'label_smoothing' for c in learn.tricks.log) and not learn.history.d_loss.isna().any()

class Spoils(Callback):
    "Writes into a place that a step reads, and nobody looks after: D's first weight, just before a step"
    def __init__(self, step): self.at = step
    def before_batch(self):
        if self.learn.step == self.at and not self.learn.ring.stale: next(iter(self.learn.D.parameters())).data.view(-1)[0] = float('nan')

def test_the_next_step_is_asked_for_first(monkeypatch):
    "The numbers of a step are read after the next one has been computed, but for those that somebody looks at"
    said, usual = [], Fetched.tolist
    monkeypatch.setattr(Fetched, 'tolist', lambda self: said.append('read') or usual(self))
    learn = make('mlp', True, None)
    steps = learn.updates
    learn.updates = lambda whole: said.append('step') or steps(whole)
    learn.put_in_force()
    with learn.run.asleep(): go(learn, 10)
    assert said == ['step', *['step', 'read']*9, 'read']

class Looks(Callback):
    "Has seen the row of each step"
    def before_fit(self): self.seen = []
    def after_batch(self): self.seen.append((self.learn.step, self.learn.record.n, self.learn.record.array('d_loss')[-1]))

def test_who_looks_sees_each_row():
    learn, cb = make('mlp', True), Looks()
    assert 'late' in repr(learn.fast_mode)
    go(learn, 8, cbs=cb)
    assert [s[:2] for s in cb.seen] == [(i, i) for i in range(1, 9)] and [s[2] for s in cb.seen] == learn.record.array('d_loss').tolist()
    learn.add_cb(cb)
    assert 'Looks may look at each step' in repr(learn.fast_mode)

def test_another_thread_sees_the_last_row():
    "What another thread asks for between two steps finds the row of the step before"
    from threading import Thread
    learn, seen = make('mlp', True), []
    def ask():
        for _ in range(20): seen.append(learn.between_steps(lambda: (learn.step, learn.record.n)))
    t = Thread(target=ask)
    class Starts(Callback):
        def before_batch(self):
            if self.learn.step == 5: t.start()
    go(learn, 200, cbs=Starts())
    t.join()
    assert seen and all(a == b for a, b in seen)

def test_interrupts(monkeypatch):
    "In a replay, in a capture: the step is undone, and the next ones are as they would have been"
    calm = make(); go(calm, 20)
    for name, at in (('replay', 8), ('capture', 2), ('warm', 1)):
        learn = make('mlp', True)
        usual = getattr(Tape, name)
        def stop(*args, usual=usual, at=at, learn=learn):
            if learn.step == at and not stop.done:
                stop.done = True
                raise KeyboardInterrupt
            return usual(*args)
        stop.done = False
        with monkeypatch.context() as m:
            m.setattr(Tape, name, staticmethod(stop) if name == 'warm' else stop)
            with pytest.raises(KeyboardInterrupt): go(learn, 20)
            assert stop.done and learn.step == at and learn.record.n == at
            go(learn, 20 - at)
        assert learn.state_hash() == calm.state_hash()

def test_terminate_on_nan(capsys):
    from fastai.callback.tracker import TerminateOnNaNCallback
    loss = Breaks()
    learn = make('mlp', True, None, loss=loss)
    loss.now = lambda: learn.step == 6
    go(learn, 20, cbs=TerminateOnNaNCallback())
    assert learn.step == 6 and 'ends at step 6' in capsys.readouterr().out

# What a graph cannot do

class Counts(Trick):
    "Decides in Python, at each step"
    name, title, acts, short, source = 'counts', 'Counts', "D's loss", 'Counts.', 'none'
    def d_term(self, ctx): return ctx.l_real.mean()*(ctx.step % 3)

class Asks(Trick):
    "Asks a tensor for its value"
    name, title, acts, short, source, captures = 'asks', 'Asks', "D's loss", 'Asks.', 'none', True
    def d_term(self, ctx): return ctx.l_real.mean()*ctx.l_fake.mean().item()

class Sometimes(Trick):
    "Draws at some steps only"
    name, title, acts, short, source, captures = 'sometimes', 'Sometimes', "D's loss", 'Draws.', 'none', True
    def d_term(self, ctx): return torch.rand((), generator=ctx.rng())*ctx.l_real.mean() if ctx.step % 2 else ctx.l_real.mean()*0

class Fails(Trick):
    "Raises while a step is captured, and only then"
    name, title, acts, short, source, captures = 'fails', 'Fails', "D's loss", 'Fails.', 'none', True
    def d_term(self, ctx):
        if ctx.learn.streams.__class__.__name__ == 'HeldStreams': raise OSError('no room')
        return ctx.l_real.mean()*0

def with_trick(cls):
    def act(learn):
        learn.tricks.add(cls); go(learn, 3); learn.tricks.on(cls.name); go(learn, 12)
    return act

def test_a_python_number_is_baked(monkeypatch):
    "What a trick decides in Python would be wrong in a replayed step: so it says nothing, and is done as usual"
    a = both('mlp', with_trick(Counts))
    assert a.fast_mode.why_not == ['Counts: what it does may be decided in Python at each step.'] and 'not captured' in repr(a.fast_mode)
    monkeypatch.setattr(Counts, 'captures', True)
    with pytest.raises(AssertionError): both('mlp', with_trick(Counts))

@pytest.mark.parametrize('cls,why', [(Asks, 'asks for a number in the middle of the step'), (Sometimes, 'draws from'), (Fails, 'no room')], ids=lambda o: getattr(o, 'name', ''))
def test_a_capture_that_fails(cls, why):
    "The step is done as usual, with the bits that it would have had, and the reason is told; it is not tried again until something changes"
    a = both('mlp', with_trick(cls))
    assert any(why in s for s in a.fast_mode.why_not) and a.fast_mode.steps.captures <= 1
    a.tricks.off(cls.name); go(a, 5)
    assert not a.fast_mode.why_not and a.fast_mode.steps.graph

def test_an_error_of_the_network_is_told_as_ever():
    class Bad(nn.Module):
        def __init__(self): super().__init__(); self.body, self.bad = nn.Linear(2, 1), False
        def forward(self, x):
            if self.bad: raise RuntimeError('no memory left')
            return self.body(x)
    learn = GANLearner(ring_dls(n=640, bs=32), mlp(width=16, depth=1, seed=0)[0], Bad(), seed=0, device='cpu')
    learn.fast(graph=Tape); go(learn, 2)
    learn.D.bad = True
    with pytest.raises(StepError, match='no memory left'): go(learn, 3)
    assert learn.step == 2
    learn.D.bad = False; go(learn, 5)
    assert learn.step == 7 and learn.fast_mode.steps.graph

def test_what_it_says():
    learn = make()
    assert 'no graphs on' in learn.fast().why_not[0] and learn.fast(False) is None
    learn = make(opt='rmsprop')
    said = learn.fast(graph=Tape).why_not
    assert len(said) == 2 and 'RMSprop' in said[0] and "opt='adam'" in said[0]
    go(learn, 5); b = make(opt='rmsprop'); go(b, 5)
    assert learn.state_hash() == b.state_hash()

def test_hooks_go_on():
    "A hook of somebody's own, on a layer or an optimiser, is called at every step: so the step is not captured"
    seen = []
    def hooked(learn):
        go(learn, 5)
        seen.clear()
        handle = learn.D.register_forward_hook(lambda m, x, y: seen.append('forward'))
        go(learn, 5)
        return handle, len(seen)
    learn = make('mlp', True)
    (_, usual), (handle, often) = hooked(make()), hooked(learn)
    assert often == usual >= 15 and learn.fast_mode.why_not == ['A hook of D, on the whole, would be called no more.']
    handle.remove()
    handle = learn.opt_g.register_step_post_hook(lambda *a: seen.append('step'))
    go(learn, 5)
    assert seen.count('step') == 5 and "G's optimiser is listened to" in learn.fast_mode.why_not[0]
    handle.remove()
    go(learn, 5)
    assert not learn.fast_mode.why_not and learn.fast_mode.steps.graph

# Where bits may be others, it goes with the record

def test_it_goes_with_the_record(tmp_path, monkeypatch):
    "That it was on is a fact of the run where bits may be others, and its script turns it on; on a CPU neither is needed"
    from ganlab.engine import fast
    for there, name in ((False, 'a'), (True, 'b')):
        monkeypatch.setattr(fast, 'may_differ', lambda learn: there)
        learn = make('mlp', True, run=tmp_path/name); go(learn, 3)
        assert bool(learn.run.facts.get('fast')) == there
        learn.run.to_python(tmp_path/f'{name}.py')
        assert ('\nlearn.fast()\n' in (tmp_path/f'{name}.py').read_text()) == there
        learn.run.close()

def test_channels_last(tmp_path):
    "Both networks and their images are laid out so, in a resumed run and its script, too; and a captured step has the bits of the usual one"
    a = both('dcgan', lambda l: go(l, 12), channels_last=True)
    last = dict(memory_format=torch.channels_last)
    for net in (a.G, a.D): assert any(p.is_contiguous(**last) and not p.is_contiguous() for p in net.parameters() if p.ndim == 4)
    learn = make('dcgan', channels_last=True, run=tmp_path/'r')
    seen = []
    learn.D.register_forward_pre_hook(lambda m, x: seen.append(x[0].is_contiguous(**last)))
    go(learn, 6)
    assert all(seen) and seen
    h = learn.state_hash()
    learn.run.to_python(tmp_path/'s.py'); learn.run.close()
    assert 'channels_last=True' in (tmp_path/'s.py').read_text()
    again = GANLearner.resume(tmp_path/'r', digits_dls(bs=16, size=16), *NETS['dcgan'](), progress=False, step=3)
    go(again, 3)
    assert again.state_hash() == h and again.made['channels_last']
    again.run.close()
    with pytest.raises(ValueError, match="channels_last='no'; need True or False"): make(channels_last='no')

# The script for a GPU

def test_the_script_for_a_gpu(tmp_path):
    "Its logic runs on a CPU, and there both ways reach the same weights; without a GPU it says so"
    def run(*args): return subprocess.run([sys.executable, ROOT/'benchmarks'/'gpu.py', *args], capture_output=True, text=True, cwd=tmp_path)
    done = run('--cpu', '--only', 'ring', '--only', 'resnet', '--json', 'gpu.json')
    assert done.returncode == 0, done.stderr
    for out in json.loads((tmp_path/'gpu.json').read_text())['table'].values():
        assert out['same'] and out['apart'] == 0 and out['captured'] and out['recapture_ms'] is not None
        assert set(out['sides']) == {'hand', 'usual', 'fast'} and all(s['samples'] > 0 and s['share'] > 0 for s in out['sides'].values())
    assert 'by hand' in done.stdout and 'within the bound' in done.stdout
    if torch.cuda.is_available(): return
    done = run()
    assert done.returncode == 1 and done.stderr.count('\n') == 1 and 'finds no CUDA device here' in done.stderr

# Each trick that says that it can be captured

X = torch.rand(80, 1, 16, 16, generator=torch.Generator().manual_seed(0))*2 - 1
def small(): return dcgan(size=16, channels=1, z_dim=4, width=4, bn_d=False, seed=0)
def turn():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.LeakyReLU(.2), nn.Conv2d(4, 1, 3, 1, 1))
GAMES = dict(
    points=lambda **kw: GANLearner(tensor_dls(X[:, 0, 0, :2].contiguous(), 4), *mlp(width=8, depth=3, seed=0), seed=0, device='cpu', **kw),
    images=lambda **kw: GANLearner(tensor_dls(X, 4), *small(), seed=0, device='cpu', **kw),
    inputs=lambda **kw: GANLearner(unpaired_dls(X, X[:40], 4), turn(), small()[1], z_dim=0, seed=0, device='cpu', **kw),
    pairs=lambda **kw: GANLearner(tensor_dls(X, 4, y=X), turn(), small()[1], z_dim=0, seed=0, device='cpu', **kw))

def settings(cls):
    "Each parameter at an end and between, the others at their defaults"
    yield {}
    for name, p in cls.declared.items():
        values = {'choice': p.choices if p.kind == 'choice' else (), 'bool': (True, False), 'text': ()}.get(p.kind)
        if values is None: values = (p.lo, 3) if p.kind == 'int' else (p.lo, p.hi, .7*p.default)      # the most of an int is dear
        yield from ({name: v} for v in values if v != p.default)

def with_setting(game, cls, params, fast):
    "Four steps without the trick, ten with it"
    learn = GAMES[game]()
    if fast: learn.fast(graph=Tape)
    go(learn, 4)
    try: learn.tricks.on(cls.name, **params)
    except (Refused, ValueError): return None      # out of range between the ends, or not for this game
    go(learn, 10)
    return learn

def shown(cls, game):
    "Settings with which a replayed step is the usual one, and how many of them were captured in the end"
    seen = captured = 0
    for params in settings(cls):
        usual = with_setting(game, cls, params, False)
        if usual is None: continue
        fast = with_setting(game, cls, params, True)
        assert fast.state_hash() == usual.state_hash(), params
        seen, captured = seen + 1, captured + bool(fast.fast_mode.steps.graph)
    return seen, captured

CAPTURED = [c for c in find_tricks() if c.captures]
@pytest.mark.parametrize('cls', CAPTURED, ids=lambda c: c.name)
@pytest.mark.part(4)
def test_each_that_says_it(cls):
    "With each of its settings a step has the bits of the usual one; and with some it is captured"
    game = next(g for g in ('images', 'points', 'inputs', 'pairs') if with_setting(g, cls, {}, False))
    seen, captured = shown(cls, game)
    assert seen and captured

BAKED = 'instance_noise', 'weight_clipping', 'path_length', 'replay_buffer', 'historical_averaging', 'extragradient', 'leaky_relu'
@pytest.mark.parametrize('name', BAKED)
@pytest.mark.part(3)
def test_others_would_be_wrong(name, monkeypatch):
    "So the list means something: these decide in Python, and replayed they would be other trainings"
    cls = next(c for c in find_tricks() if c.name == name)
    monkeypatch.setattr(cls, 'captures', True)
    params = dict(schedule='linear') if name == 'instance_noise' else {}
    usual, fast = (with_setting('points', cls, params, f) for f in (False, True))
    assert fast.fast_mode.steps.graph and fast.state_hash() != usual.state_hash()

# With a panel

def test_a_lab_draws_what_has_been_read():
    "Its curves have every row, a pause shows the last one, and a number that is not finite ends the training as ever"
    from ganlab.lab import Lab
    loss = Breaks()
    learn = make('mlp', True, None, loss=loss)
    lab, taken = Lab(learn), []
    draw = lab.screen._draw_due
    def seen(*args): draw(*args); taken.append((learn.step, learn.record.n))
    lab.screen._draw_due = seen
    lab.start(steps=60); lab.wait()
    lab.start(); lab.pause(); lab.wait(10)
    assert lab.state == 'paused' and learn.record.n == learn.step and taken and all(a == b for a, b in taken)
    at = learn.step + 5
    loss.now = lambda: learn.step == at
    lab.start(); lab.wait()
    assert lab.state == 'error' and f'step {at + 1}' in str(lab.error) and learn.step == learn.record.n == at
    lab.close()

# Whoever looks, or lays hands on it, in the midst of a fit

def replaced(learn):
    for p in learn.D.parameters(): p.data = p.data.clone()*.5

HANDS = dict(frozen=lambda l: l.D[0].requires_grad_(False), replaced=replaced, forgotten=lambda l: l.opt_d.state.clear(), eval=lambda l: l.G.eval(),
             loaded=lambda l: l.opt_d.load_state_dict(l.opt_d.state_dict()))

@pytest.mark.parametrize('hand', HANDS)
def test_what_a_callback_does_is_seen(hand):
    class Lays(Callback):
        def after_batch(self):
            if self.learn.step == 10: HANDS[hand](self.learn)
    a = both('dcgan' if hand in ('eval', 'frozen') else 'mlp', lambda l: go(l, 24, cbs=Lays()))
    assert a.fast_mode.steps.graph and a.fast_mode.steps.captures == (1 if hand == 'loaded' else 2)      # what is loaded is put into the tensors that are there

def test_a_gate_sees_the_last_row():
    def act(learn):
        at = []
        def gate(learn):
            if learn.step: at.append((learn.record.n, learn.history.g_loss.iloc[-1]))
        go(learn, 12, gate=gate)
        assert [n for n, _ in at] == list(range(1, 13))
    both('mlp', act)

def test_fastai_reads_the_same_means():
    seen = []
    def act(learn):
        with learn.no_bar(), learn.no_logging(): learn.fit(2)
        seen.append([list(v) for v in learn.recorder.values])
    both('mlp', act)
    assert seen[0] == seen[1]
