"A run on disk holds its newest rows, and is the same to whoever asks as one that holds all."
import numpy as np, pytest
from ganlab.data import ring_dls
from ganlab.engine import scalars
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.panels.curves import Measured, Thinned
from ganlab.record import lines, writing
from ganlab.record.run import Run

SWITCH = 180      # step

def a_learner(run=None):
    learn = GANLearner(ring_dls(n=400, bs=8), *mlp(width=4, depth=1, seed=0), seed=0, run=run)
    learn.add_metric(lambda l: float(l.step), name='at', every=20)
    return learn

def trained(learn, to):
    "Up to a step; what is made is written before it goes on, so that older rows can go"
    while learn.step < to:
        learn.fit_steps(min(120, to - learn.step), progress=False)
        learn.run.sync()
    return learn

def same(a, b, gone=()):
    "All that is measured, but the time"
    a, b = [t.drop(columns=['ms', *gone], errors='ignore') for t in (a, b)]
    assert list(a.columns) == list(b.columns) and len(a) == len(b)
    np.testing.assert_array_equal(a.to_numpy(float), b.to_numpy(float))

@pytest.fixture
def few(monkeypatch):
    for module in (scalars, lines): monkeypatch.setattr(module, 'newest', 64)
    monkeypatch.setattr(writing, 'rows_in_chunk', 128)

@pytest.fixture
def two(few, tmp_path):
    "One that holds all, and one that holds the newest"
    both = [a_learner(), a_learner(tmp_path/'run')]
    for learn in both:
        trained(learn, SWITCH)
        learn.tricks.on('gradient_penalty', every=3)
        trained(learn, 650)
    whole, part = both
    assert whole.record.kept[0] == 0 and part.record.kept[0] >= 384 and part.layers['g'].kept[0] >= 384
    yield whole, part
    part.run.close()

def test_whoever_asks_sees_every_row(two):
    whole, part = two
    same(whole.history, part.history)
    same(whole.run.scalars(), part.run.scalars())
    for key, (names, y) in whole.layer_norms().items():
        theirs, z = part.layer_norms()[key]
        assert names == theirs
        np.testing.assert_array_equal(y, z)
    for what in (Thinned(whole.record), Thinned(part.record)), (Measured(whole.record, 'at'), Measured(part.record, 'at')):
        a, b = [w.take() for w in what]
        for name in ('x', 'y') if hasattr(a, 'x') else ('steps', 'values'): np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert whole.record.latest('d_loss/gradient_penalty') == part.record.latest('d_loss/gradient_penalty') and np.isnan(part.record.array('d_loss/gradient_penalty', 0, SWITCH)).all()

def test_a_rewind_to_before_the_rows_that_are_held(two):
    whole, part = two
    for learn in two:
        learn.undo()
        assert (learn.step, len(learn.history)) == (SWITCH, SWITCH)
        learn.rewind(75, progress=False)
        assert list(learn.history.step) == list(range(1, 76))
        trained(learn, 100)
    same(whole.history, part.history)
    assert whole.state_hash() == part.state_hash()

def test_a_fork_and_a_run_that_is_taken_up_again(two, tmp_path):
    whole, part = two
    a, b = [learn.fork(375, progress=False) for learn in two]
    same(a.history, b.history, ['at'])      # a metric of one's own is not carried to a fork
    for f in (a, b): trained(f, 400)
    same(a.history, b.history, ['at'])
    b.run.close(), part.run.close()
    same(whole.history, part.history)      # of a closed one, too
    again = GANLearner.resume(tmp_path/'run', ring_dls(n=400, bs=8), *mlp(width=4, depth=1), progress=False)
    assert again.record.kept[0] == 650 - 64
    same(whole.history, again.history)
    again.run.close()
    assert Run.open(tmp_path/'run').step == 650

def test_a_step_that_fails_leaves_the_rows_as_they_were(two):
    whole, part = two
    before = part.history
    with pytest.raises(Exception): part.rewind(651)
    with pytest.raises(RuntimeError):
        part.D.register_forward_hook(lambda *a: 1/0)
        part.fit_steps(1, progress=False)
    same(before, part.history)

def test_a_run_in_memory_holds_every_row(few, monkeypatch):
    "Also after forks, which have it written where it is"
    learn = a_learner()
    for _ in range(3):
        trained(learn, learn.step + 200)
        learn.fork()
    assert learn.record.kept[0] == 0 and list(learn.history.step) == list(range(1, 601))

def test_what_was_measured_stays_after_a_rewind(few, tmp_path):
    "Steps that are computed again have the rows that were recorded, whoever measures what by then"
    learn = a_learner(tmp_path/'run')
    trained(learn, 200)
    def seen(): return {int(s): v for s, v in zip(learn.history.step, learn.history['at']) if v == v and s <= 90}
    before = seen()
    learn.add_metric(lambda l: -1., name='more', every=7)
    learn.rewind(90, progress=False)
    assert seen() == before and len(before) == 4 and learn.history['more'].isna().all()
    trained(learn, 500)
    assert seen() == before and learn.record.kept[0] > 90
    learn.run.close()
