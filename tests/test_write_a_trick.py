"A new trick is one file: what the tutorial writes is found, drawn, checked and switched with nothing else touched."
import re
import pytest, torch
import ganlab.tricks
from ganlab.engine.recovery import StepError
from ganlab.panels.state import describe
from ganlab.trick import Trick, find_tricks
from project import NBS, code, read
from strangers import go, make_learner

@pytest.fixture
def installed(tmp_path, monkeypatch):
    "The tutorial's class in a module beside the package's own, and nothing else"
    src = next(s for s in code(read(NBS/'tutorials'/'write_a_trick.ipynb')) if 'class ScoreDrift' in s)
    (tmp_path/'score_drift.py').write_text(f'from ganlab.all import *\n{src}\n')
    monkeypatch.setattr(ganlab.tricks, '__path__', [*ganlab.tricks.__path__, str(tmp_path)])
    find_tricks.cache_clear()
    yield
    monkeypatch.undo()
    find_tricks.cache_clear()

def test_found_everywhere(installed):
    learn = make_learner(loss='wasserstein')
    assert 'score_drift' in learn.tricks and learn.tricks['score_drift'].title == 'Score drift'
    row = describe(learn.tricks['score_drift'])
    assert row['params'][0]['label'] == 'ε' and row['effect'] == 'now' and row['short'].endswith('.')

def test_switched(installed):
    learn, calm = make_learner(loss='wasserstein'), make_learner(loss='wasserstein')
    go(learn, 2); go(calm, 2)
    assert learn.state_hash() == calm.state_hash()
    learn.tricks.on('score_drift', weight=.5); go(learn, 2); go(calm, 2)
    assert learn.state_hash() != calm.state_hash()
    assert learn.history['d_loss/score_drift'].notna().tolist() == [False]*2 + [True]*2
    with pytest.raises(ValueError, match='score_drift: weight=3; need a number from 0 to 1'): learn.tricks.set('score_drift', weight=3)

def test_gone_again(): assert 'score_drift' not in make_learner().tricks

# A trick that wraps an update, from outside the package and by public names only

def sharpness():
    "The tutorial's class as a user's own module has it"
    src = next(s for s in code(read(NBS/'tutorials'/'write_a_trick.ipynb')) if 'class Sharpness' in s)
    assert len([l for l in src.splitlines() if l.strip()]) <= 25 and not re.search(r'\._(?!_)', src)
    mine = {}
    exec(f'from ganlab.all import *\nfrom ganlab.engine.still import held\n{src}', mine)
    return mine['Sharpness']

def test_wraps_an_update():
    "Every D update is made by it, twice as often as without; off again, the rest of the run is as if it had never been"
    learn, calm, calls = make_learner(), make_learner(), []
    for l in (learn, calm): l.D.register_forward_pre_hook(lambda *_, l=l: calls.append((l, l.step)))
    learn.tricks.add(sharpness())
    go(learn, 2); go(calm, 2)
    assert learn.state_hash() == calm.state_hash()
    learn.tricks.on('sharpness', rho=0); go(learn, 2); go(calm, 2)
    assert learn.state_hash() != calm.state_hash()          # the record knows it is on
    assert all(torch.equal(a, b) for a, b in zip(learn.model.parameters(), calm.model.parameters()))
    assert calls.count((learn, 3)) == calls.count((calm, 3)) + 2             # reals and fakes once more
    learn.tricks.off('sharpness'); go(learn, 2); go(calm, 2)
    assert learn.state_hash() == calm.state_hash()

def test_gradient_of_a_wrapped_update():
    "The gradient is taken up the hill, the weights stay where they are, and what it notes is the second look's"
    learn, seen = make_learner(opt=lambda ps, lr: torch.optim.SGD(ps, lr=lr), tricks=()), {}
    learn.tricks.add(sharpness())
    class Look(Trick):
        name = title = 'look'
        order = 10
        def around_d(self, update, ctx):
            before = [w.detach().clone() for w in ctx.weights]
            update()
            assert all(torch.equal(w, v) for w, v in zip(ctx.weights, before))
            seen['grad'] = torch.cat([w.grad.flatten() for w in ctx.weights])
    learn.tricks.add(Look); learn.tricks.on('look')
    snap = learn.snapshot()
    go(learn, 1); plain = seen['grad']
    learn.restore(snap)
    learn.tricks.on('sharpness', rho=.5); go(learn, 1)
    assert not torch.allclose(plain, seen['grad']) and seen['grad'].isfinite().all()

def test_forgotten_update_is_named():
    "A trick that never calls its update is told so, by its name"
    class Deaf(Trick):
        name = title = 'deaf'
        def around_g(self, update, ctx): pass
    learn = make_learner()
    learn.tricks.add(Deaf); learn.tricks.on('deaf')
    with pytest.raises(StepError, match='did not call the update'): go(learn, 1)

def test_the_inner_one_is_named():
    "Of two that wrap one another, the one that forgets is told so, and not the one around it"
    class Deaf(Trick):
        name = title = 'deaf'
        def around_d(self, update, ctx): pass
    class Around(Trick):
        name, title, order = 'around', 'around', 10
        def around_d(self, update, ctx): update()
    learn = make_learner()
    for t in (Deaf, Around):
        learn.tricks.add(t)
        learn.tricks.on(t.name)
    with pytest.raises(StepError, match='in deaf: around_d did not call') as e: go(learn, 1)
    assert e.value.culprit == 'deaf' and learn.step == 0

@pytest.mark.parametrize('column, culprit', [('noter/agree', 'noter'), ('noter_gap', 'noter'), ('gap', None), ('d_loss/noter', 'noter')])
def test_a_number_that_is_none(column, culprit):
    "A column of a trick's own that becomes NaN is called by its name, and its trick is named"
    class Noter(Trick):
        name = title = 'noter'
        def after_d(self, ctx): ctx.terms[column] = torch.tensor(float('nan') if ctx.step == 3 else 1.)
    learn = make_learner()
    learn.tricks.add(Noter); learn.tricks.on('noter')
    with pytest.raises(StepError) as e: go(learn, 5)
    assert (e.value.culprit, e.value.at, column in str(e.value) or 'loss' in str(e.value)) == (culprit, 3, True)
