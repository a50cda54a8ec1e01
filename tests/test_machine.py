"The states of a lab: every transition of the table by what a user does, everything else refused, and nothing left hanging."
import threading
import pytest, torch
from ganlab.data import ring_dls
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.panels.machine import Machine, moves, states

def make(): return GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0)

def done(lab):
    "Wait for what is done meanwhile"
    lab.errands.thread.join(60)
    assert not lab.errands.thread.is_alive() and not lab.machine.busy

def broken(x): raise RuntimeError('no such thing')

def fail(lab):
    "Train until a step fails"
    lab.learn.G.forward = broken
    lab.step()
    assert lab.wait(60) and lab.state == 'error' and 'no such thing' in str(lab.error)
    del lab.learn.G.forward

def drawing_fails(lab):
    "In a pause, so that the thread ends"
    with pytest.MonkeyPatch.context() as mp:
        mp.setattr(lab.curves, 'refresh', lambda state: 1/0)
        mp.setattr(threading, 'excepthook', lambda args: None)
        thread, lab.screen.look_now = lab.trainer.thread, True
        thread.join(60)
        assert not thread.is_alive() and isinstance(lab.error, ZeroDivisionError)

def recording(seen, own=Machine.move):
    def move(self, event, error=None):
        before = self.state
        own(self, event, error)
        seen.append((event, before, self.state))
    return move

@pytest.fixture
def walked(monkeypatch):
    "(event, state before, state after) of all that happens"
    seen = []
    monkeypatch.setattr(Machine, 'move', recording(seen))
    return seen

def test_the_table_is_walked_through(walked):
    "What a user does leads along every way of the table, and nowhere else"
    with Lab(make()) as lab:
        lab.start(3); assert lab.wait(60) and lab.state == 'idle'            # begin, end
        lab.start(); lab.pause(); assert lab.state == 'paused'               # begin, hold
        lab.step(); lab.wait(60); assert lab.state == 'paused'               # go on, hold
        fail(lab)                                                            # go on, fail
        lab.step(); assert lab.wait(60) and lab.state == 'paused'            # begin out of an error
        drawing_fails(lab); assert lab.state == 'error'                      # fail, in a pause
        lab.stop(); assert lab.state == 'idle' and lab.error is None         # dismiss
        lab.fork(); lab.show_run(0); assert lab.state == 'idle'              # open, done
        lab.comparing.ask('instance_noise')
        lab.versus.put(steps=5, seeds=1)
        lab.requests(dict(do='ab-start')); done(lab)                         # compare, done
        assert lab.versus.phase == 'done', lab.versus.verdict
    assert lab.state == 'idle' and lab.machine.closed
    assert all(moves[event][before] == after for event, before, after in walked)
    ways = {(event, before, after) for event, to in moves.items() for before, after in to.items()}
    open_ways = {w for w in ways if 'closed' not in w and w[0] != 'close'}
    rare = {('end', 'paused', 'idle'), ('open', 'error', 'opening'), ('compare', 'error', 'comparing')}   # where a step fails just as it is stopped
    assert open_ways - set(walked) == rare
    assert {b for _, b, _ in ways} | {a for _, _, a in ways} == set(states)

def closed_from(lab, state):
    "Bring a lab to a state, and close it there"
    if state == 'running': lab.start()
    if state == 'paused': lab.start(); lab.pause()
    if state == 'error': fail(lab)
    if state in ('opening', 'comparing'):
        with lab.trainer.gone(lab.learn, dict(opening='open', comparing='compare')[state]): lab.close()
    lab.close()

@pytest.mark.parametrize('phase', 'dg')
def test_half_steps_of_the_panel(phase):
    "Of the network that was asked for, and the other stands still"
    learn = make()
    with Lab(learn) as lab:
        lab.step(); lab.wait(60)
        was = {k: [p.clone() for p in net.parameters()] for k, net in (('d', learn.D), ('g', learn.G))}
        lab.step(phase=phase); lab.wait(60)
        moved = {k for k, net in (('d', learn.D), ('g', learn.G)) if not all(map(torch.equal, was[k], net.parameters()))}
        assert (learn.step, moved, [c.name for c in learn.tricks.log]) == (2, {phase}, [phase])
        lab.step(3); lab.wait(60)
        assert learn.step == 5 and lab.state == 'paused'

@pytest.mark.parametrize('state', [s for s in states if s != 'closed'])
def test_closed_from_anywhere(state, walked):
    "From every state: closed stays closed, no thread is left, and a sentence says so"
    threads, lab = set(threading.enumerate()), Lab(make())
    closed_from(lab, state)
    assert ('close', state, 'closed') in walked and lab.machine.closed and lab.error is None and lab.wait(1)
    assert set(threading.enumerate()) <= threads
    with pytest.raises(RuntimeError, match='this lab is closed; make another'): lab.start()

@pytest.mark.parametrize('event, says', [('open', 'Opening'), ('compare', 'Comparing')])
def test_nothing_begins_meanwhile(event, says):
    "While another run comes into the panel, or an A/B is trained, every order is refused with a sentence"
    with Lab(make()) as lab:
        with lab.trainer.gone(lab.learn, event):
            for ask in (lab.start, lab.step, lambda: lab.order('pause'), lambda: lab.show_run(0)):
                with pytest.raises(RuntimeError, match=f'{says}: wait until that is done'): ask()
            assert lab.state == 'idle' and lab.trainer.thread is None
        lab.start(2); assert lab.wait(60) and lab.learn.step == 2

def test_one_errand_at_a_time():
    "A second one is refused while the first is under way, and so is to train"
    go = threading.Event()
    with Lab(make()) as lab:
        lab.errands.begin('Waiting', go.wait, 60)
        for ask in (lab.start, lab.step, lambda: lab.errands.begin('Rewinding', print), lambda: lab.comparing.ask('ema')):
            with pytest.raises(RuntimeError, match='Waiting: wait until that is done'): ask()
        go.set(); done(lab)
        assert lab.transport.busy == ''
