"A lab that does not train shows what code does to its learner: rows, flags, the announcement; and nothing else is drawn for it"
import pytest
from ganlab.data import ring_dls
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import mlp

def new(): return GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0)

@pytest.fixture
def lab():
    learn = new()
    learn.fit_steps(5, progress=False)
    lab = Lab(learn)
    yield lab
    lab.close()

def row(lab, name): return next(r for r, s in zip(lab.tricks.rows, lab.tricks.spec) if s['name'] == name)
def flags(lab): return [f[:2] + [f[3]] for f in lab.curves.flags]

def test_switches(lab):
    learn = lab.learn
    learn.tricks.on('ema')
    assert row(lab, 'ema')['state'] == 'on' and flags(lab) == [[5, 'on', 'ema']] and 'EMA' in lab.screen.said[0]
    learn.tricks.off('ema', now=True)
    assert row(lab, 'ema')['state'] != 'on' and len(flags(lab)) == 2
    learn.set_loss('hinge')
    assert len(flags(lab)) == 3

def test_a_refusal(lab):
    lab.learn.tricks.on('wgan_gp')
    with pytest.raises(ValueError): lab.learn.set_loss('hinge')
    assert 'Loss not changed' in ' '.join(lab.screen.said)

def test_going_back(lab):
    learn = lab.learn
    learn.tricks.on('ema')
    learn.undo()
    assert flags(lab) == [] and row(lab, 'ema')['state'] != 'on'
    learn.rewind(2)
    assert lab.screen.before.step == 2

def test_which_learner(lab):
    "Of one that is shown no more nothing is shown, and a closed lab hears nothing"
    learn = lab.learn
    fork = lab.fork() or lab.learn
    assert fork is not learn
    learn.tricks.on('ema')
    assert flags(lab) == []
    fork.tricks.on('ttur')
    assert flags(lab) == [[5, 'on', 'ttur']]
    lab.close()
    fork.tricks.on('ema')
    assert fork.tricks['ema'].enabled

def test_what_cannot_be_shown_is_said(lab):
    def fails(*args, **how): raise OSError('no screen')
    lab.screen.redraw = fails
    with pytest.warns(UserWarning, match='could not be shown .OSError: no screen'): c = lab.learn.tricks.on('ema')
    assert c.step == 5 and lab.learn.tricks['ema'].enabled

def test_no_bit_moves(lab):
    alone = new()
    alone.fit_steps(5, progress=False)
    for l in (lab.learn, alone):
        l.tricks.on('spectral_norm')
        l.fit_steps(5, progress=False)
    assert lab.learn.state_hash() == alone.state_hash()
