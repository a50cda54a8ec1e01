"What avatars and glyphs show is counted exactly; noise shows nothing; labels that were asked for are checked."
import pytest, torch
from ganlab.data import avatars_dls, digits_dls, glyphs_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan
from ganlab.quality.attributes import attributes, consistency, residual
from ganlab.quality.samples import About, Samples, Side
from strangers import one_sentence

def of(dls, x, asked=None, n=30):
    t = dls.train
    return Samples(Side(x), Side(dls.valid.head(n)), About(t.name, t.shape, made=dls.made_by, range=t.range), asked)

def three(s): return consistency(s), attributes(s), residual(s)

@pytest.mark.parametrize('dls', [avatars_dls(n=300), avatars_dls(n=300, palette='night', range=(0, 1)), glyphs_dls(n=1000, size=16)], ids=['day', 'night', 'glyphs'])
def test_oracles(dls):
    "The data itself; one sample many times; noise, which shows nothing whatever its parts look like"
    x = dls.train.head(30)
    good, one, noise = (of(dls, o) for o in (x, x[:1].expand_as(x), torch.rand(x.shape, generator=torch.Generator().manual_seed(0))*1.))
    c, a, r = three(good)
    assert c == 1 and a > .4 and r < .5
    assert attributes(one) < .25 and consistency(one) == 1
    assert three(noise) == (0, 0, 25)
    assert attributes(Samples(good.real, good.real, good.about)) == 1

def test_exactly():
    "Faces without hats, beside all kinds: what is missing is the hats and their colours"
    dls = avatars_dls(n=2000)
    bare = avatars_dls(n=2000, only=dict(hat=False)).train.head(60)
    s = of(dls, bare, n=40)
    from ganlab.quality.attributes import reader_of, shown
    r = reader_of(s.about)
    there, here = (shown(side.known[('factors', r.names)]) for side in (s.real, s.fake)) if attributes(s) else None
    hats = {r.names.index('hat'), r.names.index('hat_color')}
    assert not {i for i, _ in here} & hats and {i for i, _ in there} >= hats
    assert attributes(s) == pytest.approx(len(there & here)/len(there))

@pytest.mark.parametrize('labels', ['hair', ['glasses', 'hat']])
def test_what_was_asked_for(labels):
    "The data's own labels fit, others do not; hair below a hat cannot be wrong"
    dls = avatars_dls(n=600, labels=labels)
    x, y = dls.train.head(25), dls.train.head_y(25)
    assert consistency(of(dls, x, y)) == 1
    assert consistency(of(dls, x, y.roll(1, 0))) == pytest.approx(float(((y == y.roll(1, 0)).flatten(1).all(1) if y.ndim > 1 else y == y.roll(1, 0)).float().mean()), abs=.35)
    wrong = (y + 1) % (y.max() + 1) if y.ndim == 1 else y.roll(1, 1)
    assert consistency(of(dls, x, wrong)) < .4

def test_on_a_learner():
    dls = avatars_dls(n=400, bs=16)
    learn = GANLearner(dls, *dcgan(16, 3, 8, width=4, seed=0), seed=0)
    for m in ('attributes', 'consistency', 'residual'): learn.add_metric(m, n=20, every=2)
    assert learn.add_metric('fd', n=20, every=2).heading == 'avatar-feature FD'
    learn.fit_steps(2, progress=False)
    row = learn.history.iloc[-1]
    assert row.attributes == row.consistency == 0 and row.residual == 25 and row.fd > 1
    other = GANLearner(digits_dls(bs=16, size=16), *dcgan(16, 1, 8, width=4, seed=0), seed=0)
    with pytest.raises(ValueError, match='the metric attributes does not fit: it reads what a sample is made of, which can be done with avatars_dls at 16 pixels and glyphs_dls, and the data is digits') as e: other.add_metric('attributes')
    one_sentence(e.value)
