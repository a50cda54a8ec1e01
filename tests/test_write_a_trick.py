"A new trick is one file: what the tutorial writes is found, drawn, checked and switched with nothing else touched."
import pytest
import ganlab.tricks
from ganlab.panels.state import describe
from ganlab.trick import find_tricks
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
