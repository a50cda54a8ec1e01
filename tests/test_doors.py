"Something of one's own, from outside the package, by public names alone: what the tutorial writes is known in every place that it should be."
import re
import pytest
from ganlab.compare import ab
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.losses import add_loss, get_loss, losses
from project import NBS, code, read
from strangers import data, go, make_learner, nets
from ganlab.data import tensor_dls

def written(what):
    "The tutorial's class or function as a module of the user's own has it"
    src = next(s for s in code(read(NBS/'tutorials'/'add_your_own.ipynb')) if re.search(rf'^(class|def) {what}\b', s, re.M))
    assert len([l for l in src.splitlines() if l.strip()]) <= 25 and not re.search(r'\b_\w|\._(?!_)', src.replace('__init__', ''))
    mine = {}
    exec(f'from ganlab.all import *\nfrom torch.nn.functional import softplus\n{src}', mine)
    return mine[what]

@pytest.fixture
def alpha(): return written('AlphaLoss')

@pytest.fixture
def for_all(alpha):
    "In the table of all losses, until the end of the test"
    yield add_loss(alpha(4))
    del losses['alpha']

def menu(lab): return dict(lab.tricks.losses)

# A loss

def test_loss_by_name(alpha):
    "Known to one learner, from the line on that adds it, and a whole comparison may be about it"
    learn = make_learner()
    mine = learn.add_loss(alpha(4))
    learn.set_loss('alpha', at=2); go(learn, 3)
    assert learn.base_loss is mine and [c.step for c in learn.tricks.log] == [2]
    with pytest.raises(ValueError, match="loss='alpha'; need one of"): make_learner(loss='alpha')
    learn.set_loss('hinge')
    found = ab(learn, loss='alpha', steps=4, seeds=1, progress=False)
    assert found.what == 'Alpha loss' and len(found.pairs) == 1 and not found.identical
    with pytest.raises(ValueError, match='loss already'): ab(learn, loss='hinge', steps=4, progress=False)

def test_loss_in_the_panel(alpha):
    "In the menu at once, and a click goes over to it; its scores are drawn as probabilities, as it says"
    learn = make_learner(loss='wasserstein')
    lab = Lab(learn)
    try:
        learn.add_loss(alpha(4)); lab.screen.redraw()
        assert menu(lab)['alpha'] == 'Alpha'
        lab.tricks.request(dict(do='loss', name='alpha'))
        assert learn.loss_name == lab.tricks.loss == 'alpha' and not lab.tricks.told
    finally: lab.close()

def test_loss_of_every_learner(for_all):
    learn = make_learner(loss='alpha'); lab = Lab(make_learner())
    try: assert learn.base_loss is for_all and menu(lab)['alpha'] == 'Alpha'
    finally: lab.close()
    go(learn, 1)
    assert get_loss('alpha') is for_all

def test_loss_in_a_record(alpha, for_all, tmp_path):
    "Found by its key in the table of all losses, or given; a clear sentence where it is neither, or has another number"
    def again(**own): return GANLearner.resume(tmp_path/'a', tensor_dls(data(n=120), 8), *nets('mlp'), **own)
    learn = make_learner(loss='alpha', run=tmp_path/'a'); go(learn, 4)
    want = learn.state_hash(); learn.run.close()
    back = again(); assert back.base_loss is for_all and back.state_hash() == want; back.run.close()
    losses.pop('alpha')
    for own in ({}, dict(loss=alpha(3))):
        with pytest.raises(ValueError, match='the run began with a loss of your own, alpha, and no code is stored; give it: loss=') as e: again(**own)
    back = again(loss=alpha(4)); assert back.state_hash() == want; back.run.close()
    add_loss(alpha(4))

@pytest.mark.filterwarnings('ignore:the training ended')
def test_loss_gone_over_to(alpha, tmp_path):
    "The same for one that the run went over to, and for one that waits for its step"
    learn = make_learner(run=tmp_path/'a'); learn.add_loss(alpha())
    learn.set_loss('alpha'); learn.set_loss('hinge', at=3); learn.set_loss('alpha', at=50); go(learn, 4)
    want = learn.state_hash(); learn.run.close()
    def again(**own): return GANLearner.resume(tmp_path/'a', tensor_dls(data(n=120), 8), *nets('mlp'), **own)
    with pytest.raises(ValueError, match='a loss of your own, alpha, (waits for step 50, )?and no code is stored'): again()
    back = again(loss=alpha())
    assert back.state_hash() == want and [c.at for c in back.tricks.pending] == [50] and back.tricks.pending[0].loss.alpha == 2
    back.run.close()

def test_loss_names_do_not_clash(alpha, for_all):
    class Hinge(alpha): name = 'hinge'
    for add in (add_loss, make_learner().add_loss):
        with pytest.raises(ValueError, match="there is a loss called 'hinge' already; give yours another name: Hinge.name"): add(Hinge())
    with pytest.raises(ValueError, match="called 'alpha' already"): make_learner().add_loss(alpha(7))
    assert make_learner().add_loss(alpha(4)).alpha == 4 and add_loss(alpha(7)).alpha == 7      # the same, and one in its place

@pytest.mark.parametrize('level', [True, False])
def test_level_as_the_loss_says(alpha, level):
    "ADA counts reals by the sign of their scores: what a loss says of their level is believed"
    from ganlab.losses import sees_level
    mine = alpha(); mine.level = level
    assert sees_level(mine) is level and sees_level(alpha())
