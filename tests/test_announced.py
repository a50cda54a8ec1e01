"What the panel says: a preset by its own name, an A/B with the time that is left, and that somebody is there."
import threading
import pytest
from ganlab.data import ring_dls
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import mlp

@pytest.fixture
def lab():
    with Lab(GANLearner(ring_dls(n=2000, bs=16), *mlp(width=8, depth=2, seed=0), seed=0)) as lab: yield lab

def said(lab): return ' '.join(lab.announcement.say)

@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('clicked', [False, True])
def test_preset(lab, training, clicked):
    "Asked for and on: one sentence, in which the preset comes first; whoever asked, whether it trains or not"
    learn = lab.learn
    learn.tricks.on('label_smoothing')
    if training: lab.start(1); lab.wait(60); lab.step(1); lab.wait(60)      # held between two steps
    if clicked: lab.tricks.heard(dict(do='preset', name='ttur'))
    else: learn.tricks.preset('ttur'); lab.screen.redraw()
    if training:
        if clicked: assert said(lab) == f"TTUR asked at {learn.step}, on with the next step: WGAN-GP, TTUR, Adam's betas; off: Label smoothing."
        step = learn.step
        lab.step(1); lab.wait(60)
        lab.start(); lab.pause(); lab.stop()
        log = [c for c in learn.tricks.log if c.recipe]
    else: log, step = learn.tricks.log[-4:], learn.step
    assert len(log) == 4 and {c.step for c in log} == {step}
    assert [c.recipe for c in log] == ['TTUR']*4

def test_preset_at_once(lab):
    "Where nothing trains; and what comes after it is told by its own name"
    heard = []
    lab.announcement.observe(lambda c: heard.append(' '.join(c.new)), 'say')
    lab.learn.tricks.preset('r3gan')
    lab.screen.redraw()
    assert heard[-1].startswith('R3GAN on at step 0: Relativistic'), heard
    lab.learn.tricks.off('relativistic_gp', now=True); lab.learn.set_loss('hinge'); lab.screen.redraw()
    assert not said(lab).startswith('R3GAN')

def test_preset_refused(lab):
    "Nothing of it is on, and the sentence names it"
    odd = next(t for t in lab.learn.tricks.values() if t.name == 'betas')
    odd.why_not = lambda learn: "Adam's betas: there is no Adam here."
    lab.tricks.heard(dict(do='preset', name='ttur'))
    assert not lab.learn.tricks.enabled and said(lab).startswith('TTUR was not switched. Not turned on: ') and 'no Adam here' in said(lab), said(lab)

def test_comparing(lab):
    "The pill's words while two runs are compared: what is done, and how long it takes still; nothing of it afterwards"
    seen = []
    lab.transport.observe(lambda c: seen.append((lab.transport.busy, c.new)), 'left')
    lab.comparing.ask('instance_noise')
    lab.versus.put(steps=60, seeds=3)
    lab.requests(dict(do='ab-start'))
    assert lab.transport.busy == 'Comparing'
    lab.errands.thread.join(120)
    assert (lab.transport.busy, lab.transport.left, lab.versus.phase) == ('', '', 'done')
    assert seen and all(busy == 'Comparing' and (left == '' or left.endswith(' s left')) for busy, left in seen)

def test_somebody_is_there(lab, monkeypatch):
    "The view's question is answered where it is heard, also while a step takes long"
    told, held, go = [], threading.Event(), threading.Event()
    monkeypatch.setattr(lab.transport, 'send', told.append)
    lab.learn.tricks.on('instance_noise')
    own = lab.learn.one_step
    lab.learn.one_step = lambda: (held.set(), go.wait(60), own())
    lab.start(1)
    assert held.wait(60)
    lab.transport.heard(dict(ping=2))
    go.set()
    assert lab.wait(60) and told == [dict(pong=2)]
