"Something of one's own, from outside the package, by public names alone: what the tutorial writes is known in every place that it should be."
import re
import numpy as np, pytest, torch
from ganlab.compare import ab
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.losses import add_loss, get_loss, losses
from ganlab.record.run import Run
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

# A metric

@pytest.fixture
def coverage(): return written('coverage')

def drawn(lab, n=20):
    "The curves of the metrics as the panel gets them, after so many steps: name -> (steps, values)"
    lab.start(n)
    assert lab.wait(60)
    both = {m['name']: np.frombuffer(m['data'], np.float32) for m in lab.curves.measures}
    return {k: np.split(v, 2) for k, v in both.items()}

def test_metric_everywhere(coverage, tmp_path):
    "From the line that registers it: a curve in the panel, a column of the run's rows, a measure of `ab`, and what the best snapshot is best by"
    learn = make_learner(run=tmp_path/'a')
    m = learn.add_metric(coverage, title='Coverage', unit='share of reals', better='more', every=5)
    learn.run.snap_every = 10
    with Lab(learn) as lab:
        steps, values = drawn(lab)['coverage']
        assert steps.tolist() == [5, 10, 15, 20] and ((values >= 0) & (values <= 1)).all()
        assert lab.curves.measures[0]['title'] == 'Coverage, share of reals' and lab.curves.measures[0]['better'] == 'more'
    found = ab(learn, on='ema', metric='coverage', steps=6, seeds=1, progress=False)
    assert found.rows[0]['title'] == 'Coverage, share of reals' and found.rows[0]['decides'] and 0 <= found.rows[0]['a'] <= 1
    assert 'coverage' in [r['name'] for r in ab(learn, on='ema', steps=6, seeds=1, progress=False).rows]     # and where another decides
    learn.run.close()
    run = Run.open(tmp_path/'a')
    column = run.scalars()['coverage']
    assert column.dropna().to_numpy() == pytest.approx(values) and column.notna().sum() == 4
    scored = {s['step']: s['score'] for s in run.snapshots if s['score'] is not None}
    assert scored[20] == pytest.approx(values[-1]) and m is learn.run.metric

def test_metric_is_not_felt():
    "One that draws, trains for itself, goes backward and leaves the networks in another mode: the training has the bits of one without it"
    def rude(learn):
        x = torch.randn(4, *learn.z_shape); learn.model.train(False)
        learn.D(learn.G(x)).sum().backward(); torch.nn.functional.dropout(x)
        learn.model.train(True); learn.G(x); learn.G.eval()
        return x.mean()
    for kind in ('mlp', 'dcgan'):
        learn, calm = make_learner(kind), make_learner(kind)
        learn.add_metric(rude, every=1)
        go(learn, 4); go(calm, 4)
        assert learn.state_hash() == calm.state_hash() and learn.history.rude.notna().all(), kind
        assert all(m.training for m in learn.model.modules()) == all(m.training for m in calm.model.modules())

def test_metric_that_fails():
    "One sentence; the step stands, what was measured stays, the panel says why, and no snapshot is called the best by it any more"
    def fragile(learn): return 1/(learn.step - 6)
    learn = make_learner()
    learn.add_metric(fragile, every=2); learn.add_metric(lambda l: l.step, name='other', every=2, best=False)
    with pytest.warns(UserWarning, match='the metric fragile failed at step 6, and is not measured any more; no snapshot is called the best any more .ZeroDivisionError') as told: go(learn, 10)
    assert [str(w.message) for w in told if 'metric' in str(w.message)][1:] == [] and learn.step == 10 and learn.run.metric is None
    assert learn.history.fragile.notna().sum() == 2 and learn.history.other.notna().sum() == 5
    with Lab(learn) as lab: assert len(drawn(lab, 1)['fragile'][0]) == 2 and 'failed at step 6' in lab.curves.measures[0]['failed']
    learn.add_metric(fragile, every=2); go(learn, 1); assert learn.history.fragile.iloc[-1] > 0       # registered anew, it is measured again

@pytest.mark.parametrize('value', ['high', None, torch.zeros(2)])
def test_metric_that_is_no_number(value):
    learn = make_learner()
    learn.add_metric(lambda l: value, name='odd', every=1)
    with pytest.warns(UserWarning, match='odd failed .*need a number'): go(learn, 2)
    with pytest.raises(TypeError, match='the metric odd gives .*need a number'): ab(learn, on='ema', metric='odd', steps=4, progress=False)
    with pytest.warns(UserWarning, match='odd failed, and is left out of the comparison') as told: found = ab(learn, on='ema', steps=4, seeds=1, progress=False)
    assert len(told) == 1 and 'odd' not in [r['name'] for r in found.rows] and found.rows

def test_metric_as_often_as_it_may():
    "Without `every`, one that costs much is measured seldom"
    import time
    learn = make_learner()
    learn.add_metric(lambda l: time.sleep(.05) or 1., name='slow')
    learn.add_metric(lambda l: 1., name='quick')
    go(learn, 60)
    slow, quick = (learn.history[c].notna().sum() for c in ('slow', 'quick'))
    assert 1 <= slow <= 3 and slow <= quick <= 7

def test_metric_of_forks_and_taken_up_runs(coverage, tmp_path):
    "A fork has it; a run taken up has its column, its scores stay beside those of no other metric, and it goes on once it is added"
    learn = make_learner(run=tmp_path/'a'); learn.run.snap_every = 5
    how = dict(better='more', every=5)
    learn.add_metric(coverage, **how); go(learn, 12)
    fork = learn.fork()
    assert [*fork.measures] == ['coverage'] and fork.run.metric is fork.measures['coverage']
    assert [s['score'] for s in fork.run.snapshots if s['score'] is not None]
    fork.run.close(); learn.run.close()
    back = GANLearner.resume(tmp_path/'a', tensor_dls(data(n=120), 8), *nets('mlp')); back.run.snap_every = 5
    was = {s['step']: s['score'] for s in back.run.snapshots}
    go(back, 6); back.run.keep(back, wait=True)
    now = {s['step']: s['score'] for s in back.run.snapshots}
    assert now[18] is None and {t: now[t] for t in was if t in now}.items() <= was.items() and back.history.coverage.notna().sum() == 2
    back.add_metric(coverage, **how); go(back, 7); back.run.keep(back, wait=True)
    assert {s['step']: s['score'] for s in back.run.snapshots}[25] is not None and back.history.coverage.notna().sum() == 4
    back.run.close()

def test_scores_of_two_metrics():
    "Whoever judges by another metric forgets the scores by the one before"
    learn = make_learner(); learn.run.snap_every = 5
    go(learn, 10); learn.run.keep(learn, wait=True)
    assert any(s['score'] is not None for s in learn.run.snapshots)
    learn.add_metric(lambda l: l.step, name='late', better='more', every=5)
    assert all(s['score'] is None for s in learn.run.snapshots)
    go(learn, 10); learn.run.keep(learn, wait=True)
    assert max(s['score'] for s in learn.run.snapshots if s['score'] is not None) == 20

@pytest.mark.parametrize('how, sentence', [(dict(name='d_loss'), "a number called 'd_loss' already"), (dict(name='modes'), "called 'modes' already"), ({}, 'give it a word as its name'),
                                           (dict(name='a/b'), 'give it a word'), (dict(name='a', better='up'), "need 'less', 'more'"), (dict(name='a', every=0), 'every=0')])
def test_metric_wrongly_declared(how, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)): make_learner().add_metric(lambda l: 1., **how)
