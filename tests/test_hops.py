"How far a reader has to go who follows a step or a change: limits that only ever become stricter (`python benchmarks/hops.py --all` lists what is counted)."
import json, sys
import pytest, torch
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from project import ROOT

sys.path.insert(0, str(ROOT/'benchmarks'))
import hops

@pytest.fixture(scope='module', autouse=True)
def once(): hops.make()      # what is imported or looked up once is not counted

def test_a_step(): assert len(hops.ways(hops.of_a_step())) <= 15

def test_a_change(): assert sum(hops.of_a_change().values()) <= 60

def test_the_step_is_on_one_screen():
    "From `one_step` to the optimiser's, decorators and docstrings counted"
    cells = [''.join(c['source']) for c in json.loads((ROOT/'nbs'/'learner.ipynb').read_text(encoding='utf-8'))['cells']]
    first, = (i for i, s in enumerate(cells) if 'def one_step(' in s)
    last, = (i for i, s in enumerate(cells) if 'def optimizer_step(' in s)
    lines = [l for s in cells[first:last + 1] if s.startswith('#| export') for l in s.splitlines()[1:] if l.strip()]
    assert 40 < len(lines) <= 60

def test_attributes_of_a_learner():
    "What it has beside those of a fastai learner that trained, too"
    from fastai.learner import Learner
    dls = ring_dls(n=64, bs=16)
    plain = Learner(dls, torch.nn.Linear(2, 1), loss_func=lambda out, *y: out.mean(), cbs=[])
    with plain.no_bar(), plain.no_logging(): plain.fit(1)
    learn = GANLearner(dls, *mlp(width=8, depth=1, seed=0), seed=0)
    learn.fit_steps(2, progress=False)
    assert len(vars(learn).keys() - vars(plain).keys()) <= 30
