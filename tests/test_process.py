"A run that is trained in a process of its own: the same bits, whatever becomes of the kernel; found again, told of when it dies, and gone when it is stopped."
import os, signal, subprocess, sys, time
import pytest, torch
from fastai.callback.core import Callback
from ganlab.attached import Attached
from ganlab.data import ring_dls
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.process import Process, _apart, begun
from ganlab.run import Run
from ganlab.steer.pulse import has_ended, heard

def parts(): return ring_dls(n=2000, bs=32), *mlp(width=16, depth=2, seed=0)
def make(run=None): return GANLearner(*parts(), seed=0, device='cpu', run=run)

KERNEL = '''
import sys, time, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from test_process import make
from ganlab.lab import Lab
lab = Lab(make('a'), process=True)
lab.start()
time.sleep(1000)
'''

def until(get, what='it', seconds=120):
    end = time.monotonic() + seconds
    while not (found := get()):
        assert time.monotonic() < end, f'{what}: not in {seconds} s'
        time.sleep(.01)
    return found

def step_of(folder): return (heard(folder/'steer') or dict(step=-1))['step']
def goes_on(folder, more=5):
    at = step_of(folder)
    return until(lambda: step_of(folder) >= at + more, 'steps')

@pytest.fixture
def folder(tmp_path):
    "runs/a of the working folder; whoever trains it at the end is ended"
    yield tmp_path/'a'
    where = heard(tmp_path/'a'/'steer')
    if where and where['pid'] != os.getpid():
        try: os.kill(where['pid'], signal.SIGKILL)
        except ProcessLookupError: pass

def test_the_same_bits(folder):
    "Steps here and steps there, held and switched between, end where a training ends that never left; then it goes on here, and nothing is left behind"
    here = make()
    here.fit_steps(30, progress=False); here.tricks.on('instance_noise'); here.fit_steps(30, progress=False)
    learn = make('a')
    learn.fit_steps(10, progress=False)
    with Lab(learn, process=True) as lab:
        assert isinstance(lab, Process) and (lab.state, lab.transport.step, lab.there) == ('idle', 10, None)
        with pytest.raises(Exception, match="another process trains .*a: Lab.* shows it; when it has ended, GANLearner.resume"): learn.fit_steps(1)
        lab.step(20); assert lab.transport.busy == 'Starting' and lab.wait(120)
        assert lab.there['state'] == 'held' and lab.there['pid'] == lab.proc.pid and step_of(folder) == 30
        who = lab.there
        lab.remote.on('instance_noise').wait(60)
        lab.start(30); assert lab.wait(120)
        assert (lab.state, lab.transport.step, lab.there, lab.transport.error, lab.transport.busy) == ('idle', 60, None, {}, '')
        assert has_ended(who) and not (folder/'steer'/'alive.json').exists()
    again = GANLearner.resume('a', *parts(), progress=False)
    assert again.state_hash() == here.state_hash()
    again.run.close()

def test_the_kernel_dies(folder, tmp_path):
    "Killed with all of its group, while it trains: it goes on, the same cell shows it, a second one begins no second training, and stop ends it"
    with open(tmp_path/'kernel.log', 'wb') as log:
        kernel = subprocess.Popen([sys.executable, '-c', KERNEL, os.path.dirname(__file__)], cwd=tmp_path, start_new_session=True, stdout=log, stderr=log)
    until(lambda: step_of(folder) > 5 or kernel.poll() is not None, 'the training')
    who = heard(folder/'steer')
    assert who['pid'] != kernel.pid, (tmp_path/'kernel.log').read_text()
    os.killpg(kernel.pid, signal.SIGKILL)
    kernel.wait(30)
    goes_on(folder)
    with Lab('a', process=True) as lab, Lab('a', process=True) as second, Lab('a') as window:
        for l in (lab, second, window): until(lambda l=l: l.state == 'running' and l.curves.data and l.samples.kind == 'points', 'the panel')
        at = lab.transport.step
        until(lambda: lab.transport.step > at + 3, 'steps that are seen')
        second.start(); second.transport.ask(dict(do='start')); window.start()
        assert (lab.proc, second.proc, lab.there['pid']) == (None, None, who['pid'])
        window.pause(); assert heard(folder/'steer')['state'] == 'held'
        second.stop()
        assert has_ended(who) and heard(folder/'steer') is None
        until(lambda: second.state == lab.state == 'idle' and window.state == 'error', 'the end')
        second.stop(); lab.pause(); window.stop()       # nobody is there
    learn = GANLearner.resume('a', *parts(), progress=False)
    assert Run.open('a').replay(*parts(), progress=False).state_hash() == learn.state_hash()
    learn.run.close()

def test_the_same_cell_in_the_same_kernel(folder):
    "A learner that was handed over names its run; the cell attaches to what it began before"
    learn = make('a')
    with Lab(learn, process=True) as first:
        first.step(1); assert first.wait(120)
        pid = first.there['pid']
    with Lab(learn, process=True) as lab:
        lab.transport.ask(dict(do='step', n=2, phase='d'))        # half a step at a time
        until(lambda: lab.announcement.say[0] == 'Not done:', 'the refusal')
        lab.transport.ask(dict(do='step', n=2, phase='both')); until(lambda: step_of(folder) == 3, 'the steps')
        assert (lab.there['pid'], lab.proc) == (pid, None)
        until(lambda: lab.state == 'paused', 'the hold')
        lab.stop()
        assert has_ended(dict(heard(folder/'steer') or lab.who)) and lab.state == 'idle'

def test_the_process_dies(folder):
    "Told within five seconds, with the command that goes on; the button begins another, from the last snapshot"
    with Lab(make('a'), process=True) as lab:
        lab.step(7); assert lab.wait(120)
        pid = lab.there['pid']
        os.kill(pid, signal.SIGKILL)
        until(lambda: 'has ended without a word' in lab.transport.error.get('title', ''), 'the word', 5)
        card = lab.transport.error
        assert 'ganlab train --run a --steps N' in card['text'] and [a['label'] for a in card['actions']] == ['Go on'] and lab.wait(5)
        lab.transport.ask(dict(do='remedy', action=card['actions'][0]))
        assert lab.transport.busy == 'Starting' and not lab.transport.error
        until(lambda: step_of(folder) > 7, 'the next one')
        assert lab.there['pid'] != pid
        lab.stop(); assert lab.there is None and lab.state == 'idle'

MINE = '''
import torch
class Mine(torch.nn.Sequential): pass
def make():
    torch.manual_seed(0)
    return Mine(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)), Mine(torch.nn.Linear(2, 1))
def broken(): raise RuntimeError('no such layer')
'''

def test_networks_of_a_file(folder, tmp_path, monkeypatch):
    "Asked for before anything is given up; made by the words of `ganlab train`; what fails there is told with its last line"
    (tmp_path/'mine_in_a_file.py').write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    from mine_in_a_file import make as nets
    learn = GANLearner(ring_dls(n=500, bs=32), *nets(), seed=0, device='cpu', run='a')
    with pytest.raises(ValueError, match="networks are not ganlab's own; name them: --nets MODULE:FUNCTION. A process .* put what makes it into a file"): Lab(learn, process=True)
    with pytest.raises(ValueError, match="need True, or words of `ganlab train`"): Lab(learn, process='--nett mine:make')
    learn.fit_steps(1, progress=False)
    learn.run.close()
    with Lab('a', process=True) as lab:
        with pytest.raises(ValueError, match='name them: --nets'): lab.start()
        lab.transport.ask(dict(do='start')); assert lab.announcement.say[0] == 'Not done:' and lab.proc is None
    with Lab('a', process='--nets mine_in_a_file:broken') as lab:
        lab.start(3); assert lab.wait(120)
        until(lambda: lab.transport.error.get('title', '').startswith('The process of a has ended: --nets mine_in_a_file:broken: broken() failed: RuntimeError: no such layer'), 'the card')
        assert lab.transport.error['text'] == 'All that it said stands in a/process.log.' and lab.state == 'error'
        lab.transport.ask(dict(do='stop')); assert (lab.state, lab.transport.error) == ('idle', {})
    with Lab('a', process='--nets mine_in_a_file:make') as lab:
        assert lab.card(dict(state='dead', pid=1, step=2))['text'].endswith('ganlab train --run a --steps N --nets mine_in_a_file:make')
        lab.start(3); assert lab.wait(120)
        assert lab.transport.step == 4 and 'a: 4 steps' in (folder/'process.log').read_text()

def test_stopped_before_it_began(folder):
    "One that still loads is ended, and says nothing; a run whose lock somebody holds is not begun twice"
    with Lab(make('a'), process=True) as lab:
        lab.start(); proc = lab.proc
        lab.stop()
        assert proc.poll() is not None and lab.wait(5)
        until(lambda: (lab.state, lab.transport.error, lab.transport.busy, lab.proc) == ('idle', {}, '', None), 'the end')
        learn = GANLearner.resume('a', *parts(), progress=False)
        second = begun('a')
        assert second.wait(120) == 2 and 'is being recorded by another learner or process' in (folder/'process.log').read_text()
        learn.run.close()

def test_what_is_not_handed_over(monkeypatch):
    "In memory, while it trains, with other arguments; callbacks that stay are named"
    with pytest.raises(ValueError, match='this run is in memory'): Lab(make(), process=True)
    with pytest.raises(TypeError, match='need True, or words'): Lab('a', process=3)
    with pytest.raises(TypeError, match='need a GANLearner, or a run'): Lab(3, process=True)
    learn = make('a')
    with pytest.raises(TypeError, match="takes nothing else .'refresh'."): Lab(learn, refresh=1, process=True)
    with learn.claim(), pytest.raises(RuntimeError, match='training already'): Lab(learn, process=True)
    class Mine(Callback): pass
    learn.add_cb(Mine())
    with pytest.warns(UserWarning, match='^Mine stay here'): Lab(learn, process=True).close()
    assert isinstance(Lab(learn.run.folder), Attached) and not learn.run.store.writes

def test_on_windows(monkeypatch):
    "The flags that part a process from its console and its group"
    monkeypatch.setattr(os, 'name', 'nt')
    monkeypatch.setattr(subprocess, 'CREATE_NEW_PROCESS_GROUP', 0x200, raising=False)
    monkeypatch.setattr(subprocess, 'DETACHED_PROCESS', 8, raising=False)
    flags = _apart()
    monkeypatch.undo()
    assert flags == dict(creationflags=0x208) and _apart() == dict(start_new_session=True)
