"Do generated samples serve a classifier? What is trained on what, and what is said of it."
import math
import pytest, torch
from torch import nn
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.study import Study, accuracy, augment_study, classifier, conditional_gan, few_of, fitted, labelled, mean_interval, shifted, stretched, tried
from ganlab.engine.rng import Streams
from ganlab.nets import mlp
from strangers import one_sentence

def blobs(n=120, d=2, seed=0, held=None):
    "Three classes of points around the corners of a triangle, and as many held out"
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(2*n) % 3
    at = torch.tensor([[0., 1.], [-.9, -.5], [.9, -.5]])
    x = at[y] + .25*torch.randn(2*n, 2, generator=g)
    return tensor_dls(x[:n], bs=16, y=y[:n], valid=x[n:][:held], valid_y=y[n:][:held])

class Heart(nn.Module):
    "A G that has learnt its samples by heart: it gives those that it was trained on, of the class that is asked for"
    def __init__(self, dls):
        super().__init__()
        self.x, self.y = dls.train.head(10_000), dls.train.head_y(10_000)
        self.noise = nn.Parameter(torch.tensor(1e-4))
    def forward(self, z, y):
        which = torch.stack([(self.y == c).nonzero().flatten()[int(abs(v)*1e4) % int((self.y == c).sum())] for c, v in zip(y.tolist(), z[:, 0].tolist())])
        return self.x[which] + self.noise*z

class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(2, 1)
    def forward(self, x): return self.f(x)

def by_heart(dls, seed): return GANLearner(dls, Heart(dls), Judge(), z_dim=2, lr_g=1e-9, seed=seed)

QUICK = dict(steps=3, updates=20, progress=False)

def test_a_few_of_each_class():
    data = labelled(blobs())
    few = few_of(data, 30, seed=1)
    assert few.y.bincount().tolist() == [10, 10, 10] and len(few.held_x) == 120
    rows = {tuple(r) for r in data.x.tolist()}
    assert {tuple(r) for r in few.x.tolist()} <= rows and len({tuple(r) for r in few.x.tolist()}) == 30
    assert not torch.equal(few.x, few_of(data, 30, seed=2).x) and torch.equal(few.x, few_of(data, 30, seed=1).x)

def test_labels_of_ones_own():
    "Given beside the data, they are what the data's own would be; without any, the study says what it needs"
    own, dls = labelled(blobs()), blobs()
    bare = tensor_dls(own.x, bs=16, valid=own.held_x)
    assert torch.equal(labelled(bare, (own.y, own.held_y)).y, own.y)
    with pytest.raises(ValueError, match='tensor_dls'): labelled(bare)
    with pytest.raises(ValueError, match='one class for each of 120 samples'): labelled(bare, (own.y[:5], own.held_y))
    with pytest.raises(ValueError, match='at least one sample'): augment_study(dls, n=[2], **QUICK)

@pytest.mark.parametrize('labels, said', [
    (torch.zeros(120), 'need two, of what is trained on and of what is held out'), ((torch.zeros(120), torch.zeros(120)), 'labels are float32'),
    ((torch.arange(120) % 3 - 1, torch.arange(120) % 3), 'a whole number from 0 on'), ((['a']*120, torch.arange(120) % 3), 'one class for each of 120 samples'), ((None, None), 'labelled data in memory')])
def test_labels_that_are_none(labels, said):
    with pytest.raises(ValueError, match=said) as e: labelled(blobs(), labels)
    one_sentence(e.value)

@pytest.mark.parametrize('how, said', [
    (dict(n=5000), 'n=5000; class 0 has 40 samples of 120'), (dict(n=[]), 'n is empty'), (dict(n=2), 'at least one sample for each of 3 classes'), (dict(updates=0), 'updates=0'), (dict(seeds=0), 'seeds=0'),
    (dict(dls=None), 'labelled data in memory'), (dict(dls=torch.utils.data.DataLoader(torch.zeros(8, 2))), 'labelled data in memory'),
    (dict(make=lambda dls, seed: 3), 'gave a int; need a GANLearner'), (dict(make=lambda dls, seed: GANLearner(dls, *mlp(seed=0), seed=0)), 'whose G takes no classes'),
    (dict(dls=blobs(120, held=30)), 'needs 40 held-out samples, and there are 30'), (dict(make=None), 'make=None; need a function')])
def test_what_cannot_be_done(how, said, monkeypatch):
    "One sentence, before any GAN is trained"
    monkeypatch.setattr(GANLearner, 'fit_steps', lambda *a, **k: pytest.fail('trained'))
    with pytest.raises(ValueError, match=said) as e: augment_study(**{**dict(dls=blobs(), n=[30], **QUICK), **how})
    one_sentence(e.value)

def test_as_many_as_are_asked_for():
    "Fifty of three classes are fifty"
    assert few_of(labelled(blobs()), 50, seed=0).y.bincount().tolist() == [17, 17, 16]

def test_ctrl_c_keeps_what_is_done(monkeypatch, capsys):
    done = []
    def one(data, n, seed, **how):
        if len(done) == 3: raise KeyboardInterrupt
        done.append((n, seed))
        return dict(real=.5, classic=.6, gan=.5, both=.5, copies=Copied)
    monkeypatch.setattr('ganlab.study.tried', one)
    study = augment_study(blobs(), n=[30, 60], seeds=2, **{**QUICK, 'progress': True})
    assert [len(study.found[n]) for n in (30, 60)] == [2, 1] and '3 of 4 are done' in capsys.readouterr().out and 'one seed: undecided' in study.verdict
    with pytest.raises(KeyboardInterrupt): augment_study(blobs(), n=[30], seeds=2, **QUICK)      # nothing is done yet: nothing to give

class Copied: memorised = False

def test_all_intervals_hold_together():
    "Nine questions, each at 1 - .05/9; one question of a study of one size at 1 - .05/3"
    rows = [dict(real=.5, classic=.5 + .01*i, gan=.5, both=.5, copies=Copied) for i in range(5)]
    one, three = Study({50: rows}), Study({n: rows for n in (50, 100, 500)})
    assert (one.level, three.level) == (1 - .05/3, 1 - .05/9)
    gains = [.01*i for i in range(5)]
    assert three.gain(50, 'classic') == pytest.approx(mean_interval(gains, 1 - .05/9)) and three.gain(50, 'classic')[2] > one.gain(50, 'classic')[2] > mean_interval(gains)[2]

def test_shifts():
    "Each image is a window of the same image with its edge repeated; the shift of nothing is among them"
    x = torch.arange(2*64.).reshape(2, 1, 8, 8)
    g, seen = Streams(0).generator('a'), set()
    for _ in range(60):
        out = shifted(x, g)
        assert out.shape == x.shape and {*out[0].flatten().tolist()} <= {*x[0].flatten().tolist()}
        seen.add(tuple(out[0, 0, 3:5, 3:5].flatten().tolist()))
    assert len(seen) == 9 and tuple(x[0, 0, 3:5, 3:5].flatten().tolist()) in seen      # by -1, 0 or 1 in both ways

def test_the_classifier():
    "It learns what can be learnt, the same for the same seed; first weights leave torch's own generator alone"
    data = labelled(blobs())
    before = torch.get_rng_state()
    a, b = (fitted(data.x, data.y, 3, seed=0, updates=60) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters())) and accuracy(a, data.held_x, data.held_y) > .85
    assert classifier((1, 12, 12), 10)(torch.zeros(2, 1, 12, 12)).shape == (2, 10)

def test_one_seed():
    "Arms differ only in what they are trained on; the GAN's classes are those of the samples"
    data = labelled(blobs())
    found = tried(data, 30, 0, conditional_gan, 3, 2, 20)
    few = few_of(data, 30, 0)
    assert found['real'] == accuracy(fitted(few.x, few.y, 3, 0, updates=20), data.held_x, data.held_y)
    made, y, _ = stretched(few, 0, conditional_gan, 3, 2)
    assert made.shape == (60, 2) and y.bincount().tolist() == [20, 20, 20]

def test_copies_are_found():
    "A G that has learnt its samples by heart is found out every time, a fresh one never"
    data = labelled(blobs(300))
    for seed in range(3):
        few = few_of(data, 90, seed)
        assert stretched(few, seed, by_heart, 1, 4)[2].memorised
        assert not stretched(few, seed, conditional_gan, 1, 4)[2].memorised

@pytest.mark.slow
def test_copies_are_found_twenty_times():
    data = labelled(blobs(300))
    for seed in range(20):
        few = few_of(data, 90, seed)
        assert stretched(few, seed, by_heart, 1, 4)[2].memorised and not stretched(few, seed, conditional_gan, 30, 4)[2].memorised

def test_the_whole():
    "Figures, verdict, plot"
    study = augment_study(blobs(), n=[15, 30], seeds=2, make=by_heart, **QUICK)
    t = study.table
    assert list(t.index.get_level_values('n').unique()) == [15, 30] and len(t) == 8
    assert t.loc[(30, 'real only'), 'accuracy'] == study.accuracies(30, 'real').mean()
    assert '15 samples: shifted ' in study.verdict and 'with GAN samples' in study.verdict and repr(study) == study.verdict
    assert study.plot().axes[0].get_ylabel() == 'accuracy, held out'

def test_what_is_said():
    "A gain whose interval leaves out 0 helps, a loss harms, the rest is undecided"
    class Copies:
        memorised = True
    found = [dict(real=.5 + .001*i, classic=.6 + .001*i, gan=.4 + .001*i, both=.5 + .1*(-1)**i, copies=Copies) for i in range(4)]
    said = Study({50: found}).verdict
    assert 'shifted +10.0 points (+10.0 to +10.0: helps)' in said and 'with GAN samples -10.0 points (-10.0 to -10.0: harms)' in said
    assert 'undecided' in said.split('with both')[1] and 'by heart in 4 of 4' in said

def test_intervals_cover():
    "Student's interval of five holds the mean in 95 % of draws, give or take what two hundred draws say"
    g = torch.Generator().manual_seed(0)
    hits = [low <= 0 <= high for _, low, high in (mean_interval(torch.randn(5, generator=g)) for _ in range(200))]
    assert .91 <= sum(hits)/200 <= .985 and math.isnan(mean_interval([.5])[1])
