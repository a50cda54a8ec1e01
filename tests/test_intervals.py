"Intervals of metrics hold the truth at their level, over 200 draws from known distributions; bad input gets its sentence."
import math
import numpy as np, pytest, torch
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.quality.intervals import Interval, interval_of, jackknife, met_above, metric_interval, wilson
from ganlab.quality.named import get_named
from ganlab.quality.samples import About, Samples, Side
from strangers import one_sentence

def gen(i): return torch.Generator().manual_seed(1000 + i)

def two(i, n, m, d, shift=0., scale=1.):
    "Normal fakes, shifted along the first axis and scaled, beside standard normal reals"
    a = torch.randn(n, d, generator=gen(i))*scale
    a[:, 0] += shift
    return Samples(Side(a), Side(torch.randn(m, d, generator=gen(10**6 + i))), About('x', (d,)))

CENTERS = ring_dls(n=2000).train.centers

def mixture(i, n, shares, sigma=.01):
    g = gen(i)
    x = CENTERS[torch.multinomial(torch.tensor(shares), n, True, generator=g)] + sigma*torch.randn(n, 2, generator=g)
    return Samples(Side(x), Side(torch.zeros(200, 2)), About('ring', (2,), CENTERS, .01))

def held(name, make, truth=None, draws=200, **options):
    "How often the interval at 95 % holds the truth; without one given, what so many samples give on average"
    found = [interval_of(get_named(name), make(i), **options) for i in range(draws)]
    if truth is None: truth = np.mean([o.measured for o in found])
    return np.mean([o.low - 1e-9 <= truth <= o.high + 1e-9 for o in found]), found

def fd_of(d, shift, scale): return shift**2 + d*(scale - 1)**2

@pytest.mark.parametrize('d, shift, scale', [(2, .3, 1.), pytest.param(2, 0., 1., marks=pytest.mark.slow), pytest.param(8, .5, .8, marks=pytest.mark.slow)])
def test_fd(d, shift, scale):
    "Of the distributions, and not of so many samples: the bias of 200 reals is taken out"
    share, found = held('fd', lambda i: two(i, 300, 200, d, shift, scale), fd_of(d, shift, scale))
    assert .91 <= share <= 1 and abs(np.mean([o.value for o in found]) - fd_of(d, shift, scale)) < abs(np.mean([o.measured for o in found]) - fd_of(d, shift, scale))

def test_shares():
    for sigma in (.01, .02): assert held('hq', lambda i: mixture(i, 500, [1.]*8, sigma), 1 - math.exp(-4.5*(.01/sigma)**2))[0] >= .91
    assert wilson(1., 100, .95)[1] == pytest.approx(.963, abs=1e-3) and wilson(0., 100, .95)[1] == pytest.approx(0, abs=1e-12)

@pytest.mark.slow
@pytest.mark.parametrize('d, n, m', [(2, 500, 300), (16, 500, 200), (64, 512, 180)])
@pytest.mark.parametrize('shift, scale', [(0., 1.), (.3, 1.), (1., .7), (0., .5)])
def test_fd_of_many_features(d, n, m, shift, scale): assert held('fd', lambda i: two(i, n, m, d, shift, scale), fd_of(d, shift, scale))[0] >= .91

@pytest.mark.slow
@pytest.mark.parametrize('shift, scale', [(0., 1.), (.3, 1.), (1., .7)])
def test_distances(shift, scale):
    from ganlab.quality.clouds import sliced_wasserstein
    kd = held('kd', lambda i: two(i, 300, 200, 8, shift, scale))[0]                  # without bias: its mean is the truth
    truth = sliced_wasserstein(two(10**7, 200_000, 200_000, 4, shift, scale)) if (shift, scale) != (0, 1) else 0.
    assert kd >= .91 and held('sliced_wasserstein', lambda i: two(i, 400, 300, 4, shift, scale), truth)[0] >= .91
    assert held('diversity', lambda i: two(i, 300, 250, 4, shift, scale), scale if not shift else None)[0] >= .91

@pytest.mark.slow
@pytest.mark.parametrize('shares', [[1.]*8, [1., 1, 1, 1, 2, 2, 4, 8], [1., 1, 1, 1, 0, 0, 0, 0]])
def test_of_points(shares):
    p = torch.tensor(shares).double()/sum(shares)
    assert held('reverse_kl', lambda i: mixture(i, 1000, shares), float(torch.xlogy(p, 8*p).sum()))[0] >= .91
    assert held('spread', lambda i: mixture(i, 1000, shares), math.sqrt((1 - 5.5*math.exp(-4.5))/(1 - math.exp(-4.5))))[0] >= .91
    assert held('modes', lambda i: mixture(i, 1000, shares), float((p > 0).sum()), 50)[0] >= .91

@pytest.mark.slow
@pytest.mark.parametrize('n, rare', [(300, .01), (300, .001), (2000, .0005)])
def test_of_rare_modes(n, rare):
    "Modes that get three samples on average, or less than one: the interval always has room for them"
    assert held('modes', lambda i: mixture(i, n, [rare]*4 + [.25 - rare]*4), 8.)[0] == 1

def test_modes_that_are_missed():
    "What was found is a lower bound, and the note says how rare the others are; one that gets more is missed in at most 5 % of 2,000 draws, of all modes at once"
    half = interval_of(get_named('modes'), mixture(0, 300, [0]*4 + [.25]*4))
    assert half[:3] == (4, 4, 8) and half.note == 'the others, if they are made at all, get at most 0.017 of the samples each' and half.note in repr(half)
    assert interval_of(get_named('modes'), mixture(0, 300, [1.]*8)).note == ''
    for n, modes in ((100, 8), (300, 8), (500, 25)):
        p = met_above(n, modes, .95)
        shares = np.array([p]*(modes - 1) + [1 - (modes - 1)*p])
        drawn = np.random.default_rng(0).multinomial(n, shares, 2000)
        assert .03 <= (drawn[:, :-1] == 0).any(1).mean() <= .056, (n, modes)
    assert met_above(300, 1, .95) == pytest.approx(3/300, rel=.01)      # the rule of three

@pytest.mark.slow
@pytest.mark.parametrize('name', ['precision', 'recall', 'density', 'coverage'])
@pytest.mark.parametrize('shift, scale', [(0., 1.), (1., .7)])
def test_of_neighbours(name, shift, scale): assert held(name, lambda i: two(i, 300, 250, 4, shift, scale))[0] >= .91

def test_of_a_learner():
    learn = GANLearner(ring_dls(n=2000, bs=16), *mlp(width=8, depth=1, seed=0), seed=0)
    before = learn.state_hash()
    a = metric_interval(learn, 'fd', n=100)
    assert isinstance(a, Interval) and 0 <= a.low <= a.value <= a.high and learn.state_hash() == before
    m = learn.add_metric('fd', n=100)
    assert metric_interval(learn, m) == a and metric_interval(learn, 'fd', n=100, level=.5).high < a.high

@pytest.mark.parametrize('how, sentence', [(dict(n=30), 'an interval needs 40 fakes and as many held-out samples, and there are 30'), (dict(n=100, level=95), 'level=95; need a number between 0 and 1'),
                                           (dict(metric=len), 'has no interval'), (dict(metric='fdd'), "Did you mean 'fd'"), (dict(metric='spread', n=60), 'the metric spread is nan here, and has no interval')])
def test_bad_input(how, sentence):
    learn = GANLearner(ring_dls(n=2000, bs=16), *mlp(width=8, depth=1, seed=0), seed=0)
    with torch.no_grad(): [p.zero_() for p in learn.G.parameters()]         # all samples at the middle of the ring
    with pytest.raises((ValueError, TypeError), match=sentence) as e: metric_interval(learn, **{'metric': 'fd', **how})
    one_sentence(e.value)

def test_jackknife_by_hand():
    "Of a mean it is Student's interval, and of a variance without the correction for its mean it takes out the bias"
    x = np.random.default_rng(0).standard_normal(20)
    def parts(f): return np.array([f(np.delete(x, g)) for g in range(20)])
    value, low, high = jackknife(x.mean(), parts(np.mean), .95, correct=False)
    assert value == x.mean() and (high - low)/2 == pytest.approx(2.093*x.std(ddof=1)/math.sqrt(20), rel=1e-3)
    assert jackknife(x.var(), parts(np.var), .95)[0] == pytest.approx(x.var(ddof=1))
