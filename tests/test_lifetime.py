"A closed panel holds nothing, and a cell that is run again leaves nothing behind."
import gc, threading, weakref
import pytest, torch
from ipywidgets.widgets import widget
from ganlab.data import digits_dls, ring_dls
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.panels.control import trick_control
from ganlab.panels.steer import Steer
from ganlab.panels.tricks import TrickPanel

def ring(): return GANLearner(ring_dls(n=2000, bs=16), *mlp(width=8, depth=2, seed=0), seed=0)
def digits(): return GANLearner(digits_dls(bs=8, size=16), *dcgan(16, 1, 8, 4, seed=0), seed=0)

def trained(learn):
    lab = Lab(learn)
    lab.samples.pick = 3
    lab.start(20); lab.wait(60)
    learn.tricks.on('instance_noise'); lab.start(5); lab.wait(60); lab.start()      # closed while it trains
    return lab

def forked(learn):
    lab = trained(learn)
    lab.fork(10); lab.show_run(0); lab.timeline.at = 5
    return lab

def failed(learn):
    lab = trained(learn); lab.pause()
    def broken(x): raise RuntimeError('no such thing')
    learn.G.forward = broken
    lab.step(); lab.wait(60)
    assert lab.state == 'error' and lab.error
    return lab

def refused(learn):
    lab = Lab(learn)
    lab.tricks.heard(dict(do='loss', name='wasserstein')); lab.tricks.heard(dict(do='on', name='label_smoothing'))
    assert learn.tricks.refused
    return lab

def compared(learn):
    lab = Lab(learn)
    lab.comparing.ask('instance_noise'); lab.versus.put(steps=10, seeds=2); lab.comparing.run()
    assert lab.versus.phase == 'done', lab.versus.verdict
    return lab

def steered(learn):
    learn.tricks.on('style')
    return Steer(learn, n=4)

def control(learn):
    c = trick_control(learn, 'ttur')
    c.value = True
    return c

@pytest.mark.parametrize('panel', [trained, forked, failed, refused, compared, control, TrickPanel, steered], ids=lambda f: f.__name__)
@pytest.mark.part(4)
def test_closed(panel):
    "No learner, no widget, no thread is left; the closed panel may stay where it is, as in a notebook's `Out`"
    gc.collect()
    before, threads = set(widget._instances), set(threading.enumerate())
    learn = digits() if panel is steered else ring()
    kept = panel(learn)
    assert len(widget._instances) > len(before)
    runs = [weakref.ref(m.learn) for m in getattr(kept, 'family', ())] or [weakref.ref(learn)]
    del learn
    kept.close(); kept.close()
    gc.collect()
    assert [r() for r in runs] == [None]*len(runs)
    assert set(widget._instances) <= before and set(threading.enumerate()) <= threads
    repr(kept)

def test_closed_says_so():
    "Whatever a closed lab is asked for, one sentence; a control that is closed follows nobody"
    learn = ring(); learn.fit_steps(3, progress=False)
    lab, c = Lab(learn), trick_control(learn, 'ttur')
    lab.close(); c.close()
    for ask in (lab.start, lab.step, lab.pin, lab.undo, lab.fork, lambda: lab.rewind(1), lambda: lab.show_run(0)):
        with pytest.raises(RuntimeError, match='this lab is closed; make another'): ask()
    lab.pause(); lab.stop(); assert lab.wait(1) and lab.state == 'idle' and 'closed' in repr(lab)
    with Lab(learn) as other:
        learn.tricks.on('ttur'); other.screen.redraw()
        assert not c.value

# ---------------------------------------------------------------- in a real kernel

START = '''import gc, warnings, weakref, torch
warnings.simplefilter('ignore'); torch.set_num_threads(1)
from ganlab.all import *
from ganlab.panels.tricks import TrickPanel
from ipywidgets.widgets import widget
refs = []'''
LAB = '''learn = GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0); refs.append(weakref.ref(learn))
lab = Lab(learn); lab.start(); lab'''
CONTROLS = '''learn = GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0); refs.append(weakref.ref(learn))
panel = TrickPanel(learn); a, b = trick_control(learn, 'ttur'), trick_control(learn, 'ema'); a'''
COUNT = 'gc.collect(); print(sum(r() is not None for r in refs), len(widget._instances), len(get_ipython().kernel.comm_manager.comms))'

class Cells:
    "A kernel, and cells that it is told apart by"
    def __init__(self):
        from jupyter_client.manager import start_new_kernel
        self.manager, self.client = start_new_kernel(kernel_name='python3')
    def __call__(self, code, cell):
        "-> what it prints"
        content = dict(code=code, silent=False, store_history=True, user_expressions={}, allow_stdin=False, stop_on_error=True)
        sent, out = self.client.session.msg('execute_request', content, metadata=dict(cellId=cell)), ''
        self.client.shell_channel.send(sent)
        while True:
            got = self.client.get_iopub_msg(timeout=120)
            if got['parent_header'].get('msg_id') != sent['header']['msg_id']: continue
            if got['msg_type'] == 'stream' and got['content']['name'] == 'stdout': out += got['content']['text']
            assert got['msg_type'] != 'error', '\n'.join(got['content']['traceback'])
            if got['msg_type'] == 'status' and got['content']['execution_state'] == 'idle': return out.strip()

@pytest.fixture(scope='module')
def cells():
    cells = Cells()
    yield cells
    cells.client.stop_channels()
    cells.manager.shutdown_kernel(now=True)

@pytest.mark.parametrize('cell', [LAB, pytest.param(CONTROLS, marks=pytest.mark.slow)], ids=['lab', 'controls'])
def test_run_again(cells, cell):
    "Three runs of a cell leave one learner, and as many widgets and channels as one run does; what another cell made stays"
    cells(START, 'start')
    cells(CONTROLS.replace('refs.append(weakref.ref(learn))', ''), 'another')
    cells('learn = None', 'forget')
    counts = []
    for _ in range(3):
        cells(cell, 'again')
        counts.append(cells(COUNT, 'count'))
    assert counts[0].split()[0] == '1' and counts == counts[:1]*3
    assert cells("learn = a = b = panel = lab = None; print(len(widget._instances) > 0)", 'count') == 'True'
