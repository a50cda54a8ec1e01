"What somebody brings along and does not bring back, or writes in another way than one would: said in one sentence, at the first moment, and nothing is lost."
import pytest, torch
from torch import nn
import ganlab.all
from ganlab.all import *
from ganlab.engine.change import Refused
from ganlab.engine.optimizers import add_optimizer, optimizers, SGDKind
from ganlab.presets import add_preset, presets
from ganlab.record.run import Run
from strangers import data, go, make_learner, nets, one_sentence
from ganlab.data import tensor_dls

def resume(folder, **kw): return GANLearner.resume(folder, tensor_dls(data(), 8), *nets('mlp'), progress=False, **kw)

# A trick that remembers

class Late(Trick):
    name, title = 'late', 'Late'
    def attach(self, learn, undo): self.n = 0
    def state_dict(self): return dict(n=self.n)

class Listed(Trick):
    name, title, kept = 'listed', 'Listed', None
    def attach(self, learn, undo): self.kept = [torch.zeros(2)]
    def state_dict(self): return dict(kept=self.kept)

class Counts(Trick):
    "Made by a function that gives it a state of its own, which its class knows nothing of"
    name, title, n = 'counts', 'Counts', 0
    slots = ('d_term',)
    def __init__(self, **kw):
        super().__init__(**kw)
        self.state_dict, self.load_state_dict = (lambda: dict(n=self.n)), (lambda state: setattr(self, 'n', state['n']))
    def d_term(self, ctx):
        self.n += 1
        return self.n*ctx.l_real.mean()

def test_a_state_of_the_instance():
    learn = make_learner()
    learn.tricks.add(Counts())
    learn.tricks.on('counts'); go(learn, 3)
    snap = learn.snapshot(); go(learn, 2)
    h = learn.state_hash()
    learn.restore(snap); go(learn, 2)
    assert learn.tricks['counts'].n == 5 and learn.state_hash() == h

def test_a_state_that_is_not_there_yet():
    "Asked for while it is off: said where it is added, and the learner trains on"
    learn = make_learner(); go(learn, 1)
    with pytest.raises(ValueError, match='late: its state_dict.. failed .*there from the beginning') as e: learn.tricks.add(Late)
    one_sentence(e.value)
    assert 'late' not in learn.tricks
    go(learn, 1)

def test_a_state_that_a_record_cannot_hold(tmp_path):
    "Refused at the switch, not at the next snapshot"
    learn = make_learner(run=tmp_path/'a'); go(learn, 1)
    learn.tricks.add(Listed)
    was = learn.state_hash()
    with pytest.raises(Refused, match="listed: .* a list called 'kept'; need tensors by name") as e: learn.tricks.on('listed')
    one_sentence(e.value)
    assert learn.state_hash() == was and not learn.tricks['listed'].enabled
    go(learn, 1); learn.run.close()
    assert resume(tmp_path/'a').step == 2

@pytest.mark.parametrize('called', ['a/b', 3, ''])
def test_a_name_that_is_none(called):
    with pytest.raises((TypeError, ValueError), match='name'): make_learner().tricks.add(type('T', (Trick,), dict(name=called, title='T')))

class Grows(Trick):
    name, title, changes = 'grows', 'Grows', 'grows'
    def attach(self, learn, undo): learn.D[0].more = nn.Linear(2, 2)
    def detach(self, learn): del learn.D[0].more

def test_a_structure_that_nobody_knows(tmp_path):
    "Resumed without the trick that had changed the networks"
    learn = make_learner(run=tmp_path/'a', tricks=[Grows]); go(learn, 2); learn.run.close()
    with pytest.raises(ValueError, match=r'grows.*learn.tricks.add') as e: resume(tmp_path/'a')
    one_sentence(e.value)

# An optimiser, a preset, a loss

class Own(torch.optim.SGD): pass
class OwnKind(SGDKind): name, cls = 'own_sgd', Own

def test_an_optimiser_that_nobody_knows(tmp_path):
    add_optimizer(OwnKind)
    try:
        learn = make_learner(run=tmp_path/'a'); go(learn, 1)
        learn.tricks.on('optimizer', opt_d='own_sgd'); go(learn, 2); learn.run.close()
    finally: optimizers.pop('own_sgd')
    with pytest.raises(ValueError, match='own_sgd') as e: resume(tmp_path/'a')
    one_sentence(e.value)

def test_a_preset_that_fails_leaves_no_folder(tmp_path):
    "The next try is not told that a run is there"
    recipe = add_preset(Preset('odd', 'Odd', 'A trick that only some have.', 'here', dict(nowhere={}), points=mlp))
    try:
        with pytest.raises(ValueError, match='nowhere'): recipe.learner(ring_dls(n=64, bs=8), run=tmp_path/'a')
    finally: presets.pop('odd')
    assert not (tmp_path/'a').exists()

class Gap(Loss):
    name, title = 'gap', 'Gap'
    def d_loss(self, l_real, l_fake): return (l_fake - l_real).mean()
    def g_loss(self, l_fake, l_real=None): return -l_fake.mean()

def test_a_script_stops_where_a_loss_has_to_be_filled_in(tmp_path):
    "It trains with no other instead"
    learn = GANLearner(ring_dls(n=64, bs=8), *mlp(width=4, depth=1, seed=0), loss=Gap(), seed=0, run=tmp_path/'a'); go(learn, 2); learn.run.close()
    with Run.open(tmp_path/'a') as run: text = run.to_python(tmp_path/'a.py').read_text()
    assert 'GANLearner(dls, G, D, loss=..., ' in text and '# loss, of your own: fill in' in text
    line = next(l for l in text.splitlines() if l.startswith('learn = GANLearner('))
    with pytest.raises(Exception, match='loss') as e: exec(line, dict(vars(ganlab.all), dls=ring_dls(n=64, bs=8), G=mlp()[0], D=mlp()[1]))
    one_sentence(e.value)
