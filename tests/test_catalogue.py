"The table of tricks agrees with what the switches do."
import pytest, torch
from ganlab.catalogue import exclusions
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan
from ganlab.engine.change import Refused

def small(): return GANLearner(tensor_dls(torch.rand(20, 1, 16, 16)*2 - 1, 4, y=torch.arange(20) % 2), *dcgan(size=16, channels=1, z_dim=4, width=2, bn_d=False, seed=0), seed=0)

def refused(learn, name):
    try: learn.tricks.on(name)
    except Refused: return True
    learn.tricks.off(name, now=True)
    return False

def as_tried(on):
    learn = small()
    learn.tricks.on(on)
    return [learn.tricks[n].title for n in exclusions() if n != on and refused(learn, n)]

@pytest.mark.parametrize('on', ['wgan_gp', 'label_smoothing'])
def test_not_with(on):
    "While a trick is on, the switch refuses those that its row names, and no other"
    assert exclusions()[on] and as_tried(on) == exclusions()[on]

@pytest.mark.slow
def test_not_with_of_all():
    for on, titles in exclusions().items(): assert as_tried(on) == titles, on
