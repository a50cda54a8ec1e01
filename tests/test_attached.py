"A panel on a run that another process trains: what it shows, what it asks for, what it cannot do; no bit of the training moves, and nothing it writes ends one."
import json, os, signal, subprocess, sys, threading, time
import pytest, torch
from ganlab.attached import Attached
from ganlab.commands.jupyter import panel_on
from ganlab.data import digits_dls, ring_dls
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.panels.drawer import Drawer, told_by
from ganlab.run import Run
from ganlab.steer import window
from ganlab.steer.window import Glass, Shown, packed, unpacked

SCRIPT = '''
import sys, time, torch
torch.set_num_threads(1)
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
learn = GANLearner(ring_dls(n=2000, bs=32), *mlp(width=16, depth=2, seed=0), seed=0, run='a')
learn.fit_steps(10**6, gate=lambda learn: time.sleep(.005), progress=False)
learn.run.close()
'''

def until(get, what='it', seconds=60):
    end = time.monotonic() + seconds
    while not (found := get()):
        assert time.monotonic() < end, f'{what}: not in {seconds} s'
        time.sleep(.01)
    return found

@pytest.fixture
def trained(tmp_path):
    "A process that trains runs/a of the working folder; stopped at the end"
    proc = subprocess.Popen([sys.executable, '-c', SCRIPT], cwd=tmp_path)
    until(lambda: (tmp_path/'a'/'steer'/'alive.json').exists(), 'the training')
    yield proc
    proc.kill()
    proc.wait()

def row(lab, name): return next((r for s, r in zip(lab.tricks.spec, lab.tricks.rows) if s['name'] == name), dict(state=None))
def steps(lab, more=3):
    at = lab.transport.step
    return until(lambda: lab.transport.step >= at + more, 'steps')

def test_from_another_process(trained):
    "Seen, switched, held, half a step, undone, looked back and closer, stopped; and the run's own record replays to the same bits"
    with Lab('a') as lab:
        assert isinstance(lab, Attached) and lab.learn is None
        until(lambda: lab.state == 'running' and lab.samples.kind == 'points' and lab.curves.data, 'the panel')
        steps(lab)
        lab.tricks.ask(dict(do='on', name='instance_noise', params={}))
        until(lambda: row(lab, 'instance_noise')['state'] == 'on', 'the switch')
        until(lambda: [f[1:3] for f in lab.curves.flags] == [['on', 'Instance noise']], 'its flag')
        lab.tricks.ask(dict(do='set', name='instance_noise', params=dict(sigma=-1)))
        until(lambda: lab.announcement.say[0] == 'Not done:' and 'sigma=-1' in lab.announcement.say[1], 'the refusal')
        lab.transport.ask(dict(do='pause')); until(lambda: lab.state == 'paused', 'the pause')
        at = lab.transport.step
        lab.transport.ask(dict(do='step', n=1, phase='d')); until(lambda: lab.transport.step == at + 1, 'half a step')
        lab.timeline.ask(dict(do='undo')); until(lambda: lab.transport.step == at and lab.state == 'paused', 'the way back')
        lab.samples.z = 'fresh'; frame = lab.samples.frame; until(lambda: lab.samples.frame > frame, 'other latents')
        lab.timeline.at = 2; until(lambda: lab.samples.at == 2 == lab.curves.mark and row(lab, 'instance_noise')['state'] == 'off', 'the past')
        lab.samples.ask(dict(do='live')); until(lambda: lab.samples.at == -1, 'the present')
        lab.samples.pick = 3; until(lambda: lab.samples.card.get('index') == 3, 'one sample')
        lab.tricks.ask(dict(do='plan', name='ttur')); until(lambda: lab.tricks.plan.get('name') == 'ttur', 'the plan')
        lab.health.ask(dict(do='check')); until(lambda: lab.health.step == at, 'a checkup')
        lab.timeline.ask(dict(do='fork', step=at)); fork = until(lambda: lab.forks, 'a fork')[0]
        assert fork.step == at and [f[:3] for f in until(lambda: lab.timeline.forks, 'its branch')] == [[at, 'a-fork1', at]]
        recorded = fork.state_hash(); fork.fit_steps(5, progress=False); fork.run.close()
        lab.transport.ask(dict(do='start')); steps(lab)
        lab.transport.ask(dict(do='stop')); trained.wait(30)
        until(lambda: lab.transport.error.get('title') == 'a rests: nobody trains it.', 'the end')
    assert not os.path.exists('a/steer/watch') and not os.path.exists('a/steer/shown')
    run = Run.open('a')
    assert run.replay(ring_dls(n=2000, bs=32), *mlp(width=16, depth=2, seed=0)).state_hash() == run.hash_at(run.step)
    assert run.learner_at(ring_dls(n=2000, bs=32), *mlp(width=16, depth=2, seed=0), step=at).state_hash() == recorded

def test_a_dead_trainer(trained):
    "Said within five seconds, with the command that goes on; the record can be looked at, and a switch waits for whoever goes on"
    with Lab('a') as lab:
        until(lambda: lab.state == 'running' and lab.transport.step > 5, 'the panel')
        trained.send_signal(signal.SIGKILL)
        until(lambda: 'has ended without a word' in lab.transport.error.get('title', ''), 'the word', 5)
        assert 'ganlab train --run a --steps N' in lab.transport.error['text'] and lab.transport.error['word'] == 'Not running'
        lab.timeline.at = 1
        assert (lab.samples.step, lab.samples.at) == (1, 1)
        lab.tricks.ask(dict(do='on', name='ema', params={}))
        assert lab.announcement.say[0] == 'Asked'
    trained.wait(30)
    learn = GANLearner.resume('a', ring_dls(n=2000, bs=32), *mlp(width=16, depth=2, seed=0))
    learn.fit_steps(2, progress=False)
    assert learn.tricks['ema'].enabled
    learn.run.close()

def make(kind='ring', run=None):
    if kind == 'ring': return GANLearner(ring_dls(n=500, bs=32), *mlp(width=8, depth=1, seed=0), seed=0, run=run)
    return GANLearner(digits_dls(bs=16, size=16), *dcgan(16, 1, z_dim=8, width=4, seed=0), seed=0, run=run)

@pytest.fixture(autouse=True)
def patient(request, monkeypatch):
    "Where the trainer is this process, an onlooker counts however slow the machine is"
    if 'trained' not in request.fixturenames: monkeypatch.setattr(window, 'fresh', 1e6)

def watched(learn, wishes=None):
    glass = Glass(learn.run.folder)
    glass.look(wishes or {})
    return glass

@pytest.mark.parametrize('kind', ['ring', 'digits'])
def test_moves_no_bit(kind, monkeypatch):
    "Drawn as often as it can be, with every part looked at"
    monkeypatch.setattr(Shown, 'often', 0.)
    alone, seen = make(kind), make(kind, 'a')
    glass = watched(seen, dict(samples=dict(z='fresh', pick=1), asked=[[1, 'health', dict(do='check')], [2, 'tricks', dict(do='sight', names=['ema', 'style'])]]))
    for learn in (alone, seen):
        learn.fit_steps(15, progress=False); learn.tricks.on('spectral_norm'); learn.fit_steps(15, progress=False)
    shown = dict(glass.news())
    assert set(shown) == {'transport', 'tricks', 'samples', 'curves', 'timeline', 'health', 'announcement'} and shown['transport']['step'] > 0
    assert seen.state_hash() == alone.state_hash()
    seen.run.close()

def test_nobody_watches():
    "No folder, no file, no drawer; and what was made for somebody is let go of when nobody looks any more"
    learn = make(run='a')
    learn.fit_steps(5, progress=False)
    assert learn.run.mail.drawer is None and not (learn.run.folder/'steer'/'shown').exists()
    glass = watched(learn)
    learn.run.mail.window._next = 0
    learn.fit_steps(5, progress=False)
    assert isinstance(learn.run.mail.drawer, Drawer)
    glass.close()
    learn.run.mail.window._next = 0
    learn.fit_steps(5, progress=False)
    assert learn.run.mail.drawer is None
    learn.run.close()

@pytest.mark.parametrize('text', [b'', b'[1]', b'{"samples": {"z": "other", "pick": "x", "frame": 9}, "timeline": 3, "asked": [[1, "tricks", {"do": "on", "name": "ema"}], [2], "x", [3, "health", {}]]}',
                                  b'{"asked": [[4, "transport", {"do": "stop"}]], "tricks": {"pins": []}}', b'[' * 50_000, b'{"a": "' + b'x'*70_000 + b'"}'])
def test_wishes_that_are_none(text):
    "Whatever lies there: nothing is changed, nothing ends, and who wishes properly is heeded"
    learn = make(run='a')
    glass = watched(learn)
    (glass.watch/'99-00000000.json').write_bytes(text)
    learn.run.mail.window._next = 0
    learn.fit_steps(5, progress=False)
    glass.look(dict(samples=dict(z='fresh')))
    learn.run.mail.window._next = 0
    learn.fit_steps(5, progress=False)
    assert learn.step == 10 and not learn.tricks.log and learn.run.mail.drawer.parts.samples.z == 'fresh'
    learn.run.close()

def test_a_part_that_fails(monkeypatch):
    "Told once; the training goes on, and nobody is shown anything more"
    learn = make(run='a')
    glass = watched(learn)
    learn.run.mail.window._next = 0
    def broken(self, *a, **k): raise RuntimeError('no pen')
    monkeypatch.setattr('ganlab.panels.refresh.Screen.draw', broken)
    with pytest.warns(UserWarning, match=r'panels elsewhere see nothing more of this run \(RuntimeError: no pen\)') as said: learn.fit_steps(10, progress=False)
    assert sum('no pen' in str(w.message) for w in said) == 1 and learn.step == 10 and not list(glass.news())
    learn.run.close()

def test_two_onlookers():
    "Both see; who changed its mind last is followed"
    learn = make(run='a')
    one, two = watched(learn, dict(samples=dict(z='fixed'))), watched(learn, dict(samples=dict(z='fresh')))
    def on():
        learn.run.mail.window._next = 0
        learn.fit_steps(3, progress=False)
        return learn.run.mail.drawer.parts.samples.z
    on()
    two.look(dict(samples=dict(z='fixed'))); assert on() == 'fixed'
    one.look(dict(samples=dict(z='fresh'))); assert on() == 'fresh'
    one.close()
    assert on() == 'fixed', 'who stays is heeded when the other has gone'
    two.look(dict(samples=dict(z='fresh')))
    assert on() == 'fresh' and {k for k, _ in two.news()} >= {'samples', 'transport'}
    learn.run.close()

def test_idle_and_held():
    "A learner that nobody trains at the moment, in a process that has it open, is shown too"
    learn = make(run='a')
    learn.fit_steps(3, progress=False)
    with Lab('a') as lab:
        until(lambda: lab.transport.step == 3 and lab.state == 'idle' and lab.samples.kind == 'points', 'the panel')
        learn.tricks.on('ema')
        until(lambda: row(lab, 'ema')['state'] == 'on', 'what was switched meanwhile')
        lab.transport.ask(dict(do='start'))
        until(lambda: 'nothing trains' in lab.announcement.say[1], 'that it cannot be resumed from here')
    learn.run.close()

def test_a_run_that_rests():
    "From its record: the last pictures and curves, any step of the past, and the page and the script of it"
    learn = make('digits', 'a')
    learn.fit_steps(6, progress=False); learn.tricks.on('ema'); learn.set_loss('hinge'); learn.fit_steps(6, progress=False)
    learn.run.close()
    with Lab('a') as lab:
        assert (lab.state, lab.transport.step, lab.samples.kind, lab.samples.step, row(lab, 'ema')['state'], lab.tricks.loss) == ('error', 12, 'images', 12, 'on', 'hinge')
        lab.timeline.at = 3
        assert (lab.samples.at, row(lab, 'ema')['state'], lab.tricks.loss) == (3, 'off', 'non_saturating')
        for do, name in (('to-python', 'a-step-12.py'), ('to-html', 'a-step-12.html')):
            lab.announcement.ask(dict(do=do))
            until(lambda: lab.announcement.say == ('Saved', f'{name} in the folder of the notebook.'), name)
            assert os.path.getsize(name) > 500

def test_what_cannot_be_attached_to(tmp_path):
    for path, why in (('nowhere', 'there is no folder nowhere'), (tmp_path, 'holds no run')):
        with pytest.raises(ValueError, match=why): Lab(path)
    make(run='a').run.close()
    with pytest.raises(TypeError, match="takes nothing else .'panels'.: what draws is where it trains"): Lab('a', panels=[print])

def test_the_notebook_of_a_run(tmp_path):
    make(run='runs/a').run.close()
    path = panel_on('runs/a', '.')
    cell, = json.loads(path.read_text())['cells']
    assert path.name == 'a-panel.ipynb' and "Lab('runs/a')" in cell['source']
    path.write_text("mine: Lab('runs/a')")
    assert panel_on('runs/a', '.').read_text() == "mine: Lab('runs/a')"
    make(run='others/a').run.close()
    assert panel_on('others/a', '.').name == 'a-panel-2.ipynb' and "Lab('others/a')" in open('a-panel-2.ipynb').read()
    with pytest.raises(ValueError, match='there is no folder'): panel_on('runs/b', '.')

def test_what_is_shown_as_a_file():
    for v in (dict(), dict(a=[1, 2.5, None, 'x\n', b'\n\n'], b=dict(c=b'', d=[[b'1'], b'23'])), dict(n=float('inf'))): assert unpacked(packed(v)) == v
    for wrong in (b'', b'{', b'[]\n', b'{"a": {"$bytes": "x"}}\n'):
        with pytest.raises((ValueError, TypeError)): unpacked(wrong)
    assert not [k for part in Drawer(make(run='a'), Shown('a')).parts for k in told_by('', part) if k.startswith('_')]

def test_a_half_step_from_outside_is_nobodys_edit():
    "Held, half a step, a look into the mailbox, a rewind: the record holds what was asked for, and nothing that was 'set by hand'"
    learn = make(run='a')
    training = threading.Thread(target=learn.fit_steps, args=(10**6,), kwargs=dict(progress=False))
    training.start()
    with Lab('a') as lab:
        until(lambda: lab.state == 'running', 'the panel')
        lab.transport.ask(dict(do='pause')); until(lambda: lab.state == 'paused', 'the pause')
        at = learn.step
        for n, phase in enumerate('dg', 1):
            lab.transport.ask(dict(do='step', n=1, phase=phase))
            until(lambda: learn.step == at + n and lab.transport.step == at + n, 'half a step')
        assert [(c.kind, c.step) for c in learn.run.changes] == [('phase', at), ('phase', at + 1)]
        lab.timeline.ask(dict(do='undo')); until(lambda: learn.step == at + 1, 'the way back')
        assert [(c.kind, c.step) for c in learn.run.changes] == [('phase', at)]
        lab.transport.ask(dict(do='stop'))
    training.join(30)
    learn.run.close()

def test_back_to_the_present(trained):
    "After a rewind the panel shows where the run stands; one that is refused leaves it at the step that is looked at"
    with Lab('a') as lab:
        until(lambda: lab.state == 'running' and lab.transport.step > 8, 'some steps')
        lab.transport.ask(dict(do='pause')); until(lambda: lab.state == 'paused', 'the pause')
        lab.timeline.at = 5
        lab.timeline.ask(dict(do='rewind', step=10**6)); until(lambda: lab.announcement.say[0] == 'Not done:', 'the refusal')
        assert lab.timeline.at == 5
        lab.timeline.ask(dict(do='rewind', step=5)); until(lambda: lab.transport.step == 5 and lab.timeline.at == lab.samples.at == -1, 'the present')

def test_how_it_ended():
    "Of a run that a team trained, the card names what the record knows of its end, and the line that starts as many processes; whoever goes on takes the word away"
    learn = make(run='a')
    learn.fit_steps(3, progress=False)
    learn.run.store.note(ranks=2, ended='In step 4: rank 1 is gone.')
    fork = learn.fork()
    assert 'ended' not in fork.run.facts
    fork.run.close(), learn.run.close()
    with Attached('a') as lab:
        assert lab.transport.error['text'] == ('In step 4: rank 1 is gone. What is shown is how it was left. Go on with it, to a step N, by: '
                                               'torchrun --nproc-per-node 2 -m -- ganlab train --run a --steps N')
    again = GANLearner.resume('a', ring_dls(n=500, bs=32), *mlp(width=8, depth=1, seed=0), progress=False)
    again.fit_steps(1, progress=False)
    again.run.close()
    with Run.open('a') as run: assert run.facts['ended'] == ''

def test_a_run_that_rests_is_read_once(monkeypatch):
    "However long it is looked at; its files are let go of, and no folder stays"
    from ganlab.panels import life
    made = []
    class Counted(life.Resting):
        def __init__(self, folder): super().__init__(folder); made.append(self)
    monkeypatch.setattr(life, 'Resting', Counted)
    learn = make(run='a')
    learn.fit_steps(3, progress=False)
    learn.run.close()
    with Attached('a', every=.01) as lab:
        frame = lab.samples.frame
        for _ in range(20): lab.look()
        assert len(made) == 1 and lab.samples.frame == frame
        lab.ask('tricks', dict(do='plan', name='ttur')); assert lab.announcement.say[1].startswith('a rests')
        lab.ask('tricks', dict(do='on', name='nonsense', params={})); assert lab.announcement.say == ('Not done:', "there is no trick 'nonsense'")
    assert not made[0].run.store.is_open and not os.path.exists('a/steer')

def test_a_stopped_trainer(trained):
    "One that is silent is not said to be running; when it is heard again, all goes on"
    with Lab('a') as lab:
        until(lambda: lab.state == 'running' and lab.transport.step > 3, 'the panel')
        trained.send_signal(signal.SIGSTOP)
        until(lambda: 'no sign of life' in lab.transport.error.get('title', ''), 'the word', 30)
        trained.send_signal(signal.SIGCONT)
        until(lambda: lab.state == 'running' and not lab.transport.error, 'the panel again')
        steps(lab)

def test_wherever_the_notebook_goes(trained, tmp_path, monkeypatch):
    "Another working folder changes nothing, the first step can be gone back to, and what somebody took away is made anew"
    with Lab('a') as lab:
        until(lambda: lab.state == 'running' and lab.transport.step > 3, 'the panel')
        (tmp_path/'b').mkdir(); monkeypatch.chdir(tmp_path/'b')
        steps(lab)
        for f in (tmp_path/'a'/'steer'/'shown').iterdir(): f.unlink()
        (tmp_path/'a'/'steer'/'shown').rmdir()
        (tmp_path/'a'/'steer'/'watch'/'x.json').symlink_to('/nonexistent')
        steps(lab, 30)
        lab.transport.ask(dict(do='pause')); until(lambda: lab.state == 'paused', 'the pause')
        lab.timeline.ask(dict(do='rewind', step=0)); until(lambda: lab.transport.step == 0, 'the beginning')

@pytest.mark.parametrize('asked', [dict(do='sight'), dict(do='sight', names=3), dict(do='sight', names=[dict(a=1)]), dict(do='plan', name=['x'])])
def test_a_look_that_makes_no_sense(asked):
    learn = make(run='a')
    glass = watched(learn, dict(asked=[[1, 'tricks', asked], [2, 'tricks', dict(do='plan', name='ttur')]]))
    learn.run.mail.window._next = 0
    learn.fit_steps(5, progress=False)
    assert dict(glass.news())['tricks']['plan']['name'] == 'ttur'
    learn.run.close()

def done(lab):
    lab.aside.errands.thread.join(60)
    assert not lab.aside.errands.thread.is_alive() and not lab.aside.machine.busy

def click(lab, part, **msg):
    getattr(lab, part).ask(msg)
    done(lab)

def files(folder): return {p.relative_to(folder): p.read_bytes() for p in folder.rglob('*') if p.is_file() and 'steer' not in p.parts and p.suffix not in ('.sqlite-shm', '.sqlite-wal')}

@pytest.fixture
def rests():
    "runs/a of the working folder: 30 steps, a snapshot every 10, EMA from step 20 on; nobody trains it"
    learn = make(run='a')
    for _ in range(2): learn.fit_steps(10, progress=False); learn.pin()
    learn.tricks.on('ema'); learn.fit_steps(10, progress=False)
    learn.run.close()
    return learn

def parts(): return ring_dls(n=500, bs=32), *mlp(width=8, depth=1, seed=3)

def test_forks_from_afar(rests):
    "Made from a snapshot, or from a step that is looked at; each goes on as the run would have; not a byte of the run is another"
    before = files(rests.run.folder)
    with Lab('a') as lab:
        click(lab, 'timeline', do='fork', step=10)
        click(lab, 'timeline', do='fork', step=20)
        click(lab, 'timeline', do='fork')
        assert lab.announcement.say == ('Forked', 'at step 30, as a-fork3, in this notebook: Lab(lab.forks[2]) shows it and trains it. a is as it was.')
        ten, twenty, last = lab.forks
        run = Run.open('a')
        assert [f.state_hash() for f in lab.forks] == [run.hash_at(n) for n in (10, 20, 30)] and rests.state_hash() == last.state_hash()
        assert not twenty.tricks['ema'].enabled and last.tricks['ema'].enabled and last.run.facts['parent']['step'] == 30
        assert [f[:3] for f in lab.timeline.forks] == [[10, 'a-fork1', 10], [20, 'a-fork2', 20], [30, 'a-fork3', 30]]
        lab.timeline.at = 5
        assert len(lab.timeline.forks) == 3 and lab.timeline.busy == ''
        for f in lab.forks: f.fit_steps(3, progress=False); f.run.close()
        assert files(rests.run.folder) == before
        again = run.learner_at(*parts(), step=20)
        again.fit_steps(3, progress=False)
        assert twenty.state_hash() == again.state_hash()
    assert [f.step for f in lab.forks] == [13, 23, 33], 'they are the user\'s, and stay when the panel is closed'

def test_an_ab_from_afar(rests):
    "The same verdict as ab() from that snapshot; what it offers is asked of the trainer, or a fork that has it"
    from ganlab.compare import ab
    def diffs(rows): return [r['diffs'] for r in rows if not r['title'].startswith('Milliseconds')]
    before = files(rests.run.folder)
    with Lab('a') as lab:
        assert lab.tricks.compares and not lab.versus.held
        click(lab, 'tricks', do='ab', name='instance_noise')
        assert (lab.versus.phase, lab.versus.here) == ('asking', 'Turn Instance noise on in the run')
        lab.versus.steps, lab.versus.seeds = 4, 2
        click(lab, 'versus', do='ab-start')
        there = Run.open('a').learner_at(*parts())
        settings = there.tricks['instance_noise'].settings
        same = ab(there, on=dict(instance_noise=settings), steps=4, seeds=2, progress=False)
        assert lab.versus.phase == 'done' and lab.aside.comparing.known.verdict == same.verdict and diffs(lab.versus.rows) == diffs(same.rows)
        assert lab.announcement.say[0] == 'A/B finished' and lab.aside.learn.state_hash() == there.state_hash() == rests.state_hash()
        click(lab, 'versus', do='ab-fork')
        fork, = lab.forks
        assert fork.step == 30 and fork.tricks['instance_noise'].enabled and lab.versus.phase == 'closed'
        fork.run.close()
        click(lab, 'tricks', do='ab', name='ema')
        lab.versus.ask(dict(do='ab-apply'))
        assert lab.announcement.say[0] == 'Asked' and lab.versus.phase == 'closed'
        assert files(rests.run.folder) == before
    learn = GANLearner.resume('a', *parts())
    learn.fit_steps(1, progress=False)
    assert not learn.tricks['ema'].enabled and [(c.kind, c.name) for c in learn.tricks.log] == [('on', 'ema'), ('off', 'ema')]
    learn.run.close()

def own_nets():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)), torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))

def test_networks_of_ones_own():
    "One sentence says how they are given; given, they make forks, and are not trained themselves"
    learn = GANLearner(torch.utils.data.DataLoader(torch.randn(200, 2), 20), *own_nets(), seed=0, run='a', z_dim=2)
    learn.fit_steps(4, progress=False); learn.run.close()
    with Lab('a') as lab:
        for part, do in (('timeline', 'fork'), ('tricks', 'ab')):
            click(lab, part, do=do, name='ema')
            assert lab.announcement.say == ('Not done:', "the data and networks of a cannot be made again from what its folder says; give such as it began with: Lab('a', dls=..., G=..., D=...)")
        assert not lab.forks and not os.path.exists('a-fork1') and lab.versus.phase == 'closed'
    G, D = own_nets()
    was = [p.clone() for p in G.parameters()]
    with Lab('a', dls=learn.dls, G=G, D=D) as lab:
        click(lab, 'timeline', do='fork'); click(lab, 'timeline', do='fork')
        assert [f.state_hash() for f in lab.forks] == [learn.state_hash()]*2 and all(torch.equal(p, q) for p, q in zip(was, G.parameters()))
        for f in lab.forks: f.run.close()
    with Lab('a', dls=learn.dls, G=G) as lab:
        click(lab, 'timeline', do='fork'); assert lab.announcement.say == ('Not done:', 'give both G and D, or neither')

def advice(lab, **asks):
    "A finding on the card, as the trainer would draw it"
    asks = dict(name='instance_noise', params=dict(sigma=.05), before=None, back=None) | asks
    lab._take('health', lab.health, dict(finding=dict(cause='sick', title='', when='', said='', source='', at=1, of=1,
                                                      remedies=[dict(title='Noise', ways=['ab'], asks=asks), dict(title='Mend the code', ways=['ab'])])))
    return [r['ways'] for r in lab.health.finding['remedies']]

def test_remedies_from_afar(rests):
    "An A/B begins where the trouble did; what cannot be done from here has no button"
    with Lab('a') as lab:
        assert advice(lab) == [['ab'], []] and advice(lab, back=10, before=10) == [['rewind', 'ab'], []]
        click(lab, 'health', do='advice-try', cause='sick', remedy=0, way='ab')
        assert (lab.versus.phase, lab.versus.what, lab.aside.learn.state_hash()) == ('asking', 'Noise', Run.open('a').hash_at(10))
        lab.versus.steps, lab.versus.seeds = 2, 1
        click(lab, 'versus', do='ab-start'); click(lab, 'versus', do='ab-fork')
        fork, = lab.forks
        assert (fork.step, fork.tricks['instance_noise'].sigma) == (10, .05) and not fork.tricks['ema'].enabled
        fork.run.close()
        lab.health.ask(dict(do='advice-try', cause='gone', remedy=0, way='ab'))
        assert lab.announcement.say == ('Not done:', 'that advice does not stand any more; look at the card again')
        advice(lab, back=10)
        click(lab, 'health', do='advice-try', cause='sick', remedy=0, way='rewind')
        assert lab.announcement.say == ('Not done:', 'nobody trains a, so there is nobody to rewind it and to try')

def test_rewind_and_try(trained):
    "Two requests, each done once: the run goes back, and what is suggested is on from there"
    with Lab('a') as lab:
        until(lambda: lab.state == 'running' and lab.transport.step > 20, 'the panel')
        advice(lab, back=5)
        click(lab, 'health', do='advice-try', cause='sick', remedy=0, way='rewind')
        assert lab.announcement.say[0] == 'Rewound' and 'Went back to step 5.' in lab.announcement.say[1]
        lab.transport.ask(dict(do='stop')); trained.wait(30)
    run = Run.open('a')
    change, = run.changes
    assert (change.name, change.params, len(run.branches())) == ('instance_noise', dict(sigma=.05), 1) and change.step == 5
    assert run.replay(ring_dls(n=2000, bs=32), *mlp(width=16, depth=2, seed=0)).state_hash() == run.hash_at(run.step)

def test_one_errand_at_a_time(rests):
    with Lab('a') as lab:
        lab.aside.machine.take('Forking')
        lab.timeline.ask(dict(do='fork'))
        assert lab.announcement.say == ('Not done:', 'Forking: wait until that is done.') and not lab.forks
        lab.aside.machine.busy = ''

def test_a_trick_of_ones_own_rests():
    "A row with what the record knows; at any step, and whatever values it was given"
    from ganlab.engine.schedules import linear
    from ganlab.trick import Flag, Num, Text, Trick
    class Mine(Trick):
        "A term of the user's own."
        name, title, gain, much, word = 'mine', 'My term', Num(1., 0, 10), Flag(False), Text('x')
    learn = GANLearner(*parts(), seed=0, run='a')
    learn.tricks.add(Mine)
    learn.fit_steps(5, progress=False); learn.tricks.on('mine', gain=linear(2, 4, steps=10), much=True); learn.fit_steps(5, progress=False)
    learn.tricks.set('mine', gain=7., word='y'); learn.fit_steps(5, progress=False); learn.run.close()
    with Lab('a') as lab:
        spec = next(s for s in lab.tricks.spec if s['name'] == 'mine')
        assert spec['title'] == 'My term' and 'no code is stored' in spec['short'] and 'mine' in lab.tricks.pins
        assert row(lab, 'mine')['values'] == dict(gain=7., much=True, word='y') and row(lab, 'mine')['state'] == 'on'
        lab.timeline.at = 9; assert row(lab, 'mine')['values']['gain'] == pytest.approx(2.8) and row(lab, 'mine')['state'] == 'on'
        lab.timeline.at = 2; assert row(lab, 'mine')['state'] == 'off'
        lab.timeline.at = -1
        click(lab, 'timeline', do='fork'); assert lab.announcement.say[0] == 'Not done:' and 'tricks=' in lab.announcement.say[1]
    with Lab('a', tricks=[Mine]) as lab:
        click(lab, 'timeline', do='fork'); assert lab.forks[0].state_hash() == learn.state_hash()
        lab.forks[0].run.close()
