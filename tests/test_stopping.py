"The adviser on simulated curves: how often it sees a trend that is not there, and one that is; and on a learner."
import math
import numpy as np, pytest, torch
from ganlab.data import ring_dls
from ganlab.engine.measuring import Metric
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.stopping import advice, trend_of
from scipy.stats import theilslopes
from strangers import one_sentence

LESS = Metric(lambda learn: 0., name='fd', better='less', log=True)
MORE = Metric(lambda learn: 0., name='hq', better='more')

def noise(rng, n, alike):
    "Of standard deviation 1, with so much autocorrelation"
    e = rng.standard_normal(n + 30)
    for i in range(1, n + 30): e[i] = alike*e[i - 1] + math.sqrt(1 - alike**2)*e[i]
    return e[30:]

def alarms(n, alike, draws):
    "The share of curves without a trend that seem to have one"
    rng = np.random.default_rng(n)
    t = [trend_of(np.arange(n)*10., noise(rng, n, alike)) for _ in range(draws)]
    return np.mean([o.low > 0 or o.high < 0 for o in t])

@pytest.mark.parametrize('n, alike', [(15, 0.), (40, .6)])
def test_no_trend(n, alike): assert alarms(n, alike, 250) <= .08

@pytest.mark.slow
@pytest.mark.parametrize('n', [15, 40, 100])
@pytest.mark.parametrize('alike', [0., .3, .6, .9])
def test_no_trend_in_many(n, alike):
    "At 95 %, whatever neighbours have to do with each other: as the page says"
    assert alarms(n, alike, 2000) <= .06

@pytest.mark.parametrize('n', [15, 40])
def test_never_narrower_than_scipy(n):
    "Of independent measurements: the slope of scipy.stats.theilslopes, and its interval or a wider one"
    rng = np.random.default_rng(n)
    for _ in range(30):
        x, y = np.arange(n)*10., rng.standard_normal(n)
        ours, theirs = trend_of(x, y), theilslopes(y, x, .95)
        assert ours.slope == theirs.slope and ours.low <= theirs.low_slope and ours.high >= theirs.high_slope

@pytest.mark.parametrize('alike, least', [(0., .95), (.3, .6), (.6, .2)])
def test_a_trend_is_seen(alike, least):
    "Three standard deviations over forty measurements"
    rng = np.random.default_rng(1)
    seen = [trend_of(np.arange(40)*10., noise(rng, 40, alike) + np.linspace(0, 3, 40)) for _ in range(100)]
    assert np.mean([o.low > 0 for o in seen]) >= least

def test_slope_by_hand():
    "The median of all pairs; without noise the interval is the slope"
    t = trend_of(np.array([0., 1., 2., 4.]), np.array([0., 1., 2., 100.]))
    assert t.slope == np.median([1, 1, 25, 1, 99/3, 49]) and (t.low, t.high) == (1, 49)
    t = trend_of(np.arange(20.), 3*np.arange(20.))
    assert (t.slope, t.low, t.high) == pytest.approx((3, 3, 3))

def curve(f, n=60, amount=.008, seed=0):
    x = np.arange(n)*10
    return x, f(x/600)*np.exp(amount*np.random.default_rng(seed).standard_normal(n))

def test_states():
    "Falling, rising again, standing, and nothing to be said"
    better, worse, still = (advice(LESS, *curve(f, amount=.004), [0, 100, 300]) for f in (lambda t: np.exp(-2*t), lambda t: .2 + (t - .4)**2, lambda t: .1 + np.exp(-30*t)))
    assert [a.state for a in (better, worse, still)] == ['better', 'worse', 'still']
    assert worse.best.step in range(200, 290) and worse.best.snapshot == 100 and f'learn.rewind({worse.best.step})' in worse.said
    assert better.said.startswith('fd is still getting better (from -') and ': go on; best so far at step' in better.said and '%' in better.said
    unknown = advice(LESS, *curve(lambda t: 1 + 0*t, amount=.8))
    few = advice(LESS, *curve(lambda t: np.exp(-t), n=5))
    assert unknown.state == few.state == 'unknown' and few.trend is None and 'measured 5 times, and a trend needs 15' in few.said
    assert 'Theil–Sen slope of 20 measurements' in better.how and 'fewer than 15' in few.how
    for a in (better, worse, still, unknown, few): one_sentence(ValueError(a.said))

def test_more_is_better():
    x, y = curve(lambda t: t)
    assert advice(MORE, x, y).state == 'better' and advice(MORE, x, y[::-1]).state == 'worse' and advice(MORE, x, y).best.value == y.max()
    assert '%' not in advice(MORE, x, y).said

def test_flat_is_flat():
    "A curve without any noise, one that is all zeros"
    assert advice(MORE, np.arange(30), np.ones(30)).state == 'still' and advice(LESS, np.arange(30), np.zeros(30)).state == 'still'

def test_a_first_value_far_off():
    "What counts as standing still is beside what is measured now, not beside where the curve came from"
    y = np.r_[60., np.linspace(2, 1.4, 59)]
    plain = Metric(lambda learn: 0., name='loss', better='less')
    assert advice(plain, np.arange(60)*10, y).state == 'better'
    near = advice(plain, np.arange(60)*10, np.r_[60., np.full(59, 2.) + .001*np.random.default_rng(0).standard_normal(59)])
    assert near.state == 'still' and near.best.step > 0

def test_a_bent_curve():
    "One that halves again and again is getting better; its bend is no autocorrelation"
    x = np.arange(40)*10
    plain = Metric(lambda learn: 0., name='loss', better='less')
    for m in (plain, LESS):
        a = advice(m, x, 2.**(-x/139))
        assert a.state == 'better' and math.isfinite(a.trend.low), m.name

def test_what_is_no_number():
    "It is left out; where nothing else is there, one sentence. A log metric that has reached 0 is looked at as it is"
    x, y = np.arange(40)*10, np.linspace(2, 1, 40)
    y[[3, 39]] = math.nan, math.inf
    a = advice(LESS, x, y)
    assert a.state == 'better' and a.best.value == y[38]
    with pytest.raises(ValueError, match='fd has given no number yet') as e: advice(LESS, x, np.full(40, math.nan))
    one_sentence(e.value)
    falls = advice(LESS, x, np.linspace(.5, -1., 40))
    assert falls.state == 'better' and not falls.trend.log and '%' not in falls.said

def test_a_metric_that_failed_is_not_offered():
    learn = GANLearner(ring_dls(n=300, bs=16), *mlp(width=8, depth=1, seed=0), seed=0)
    def breaks(learn):
        if learn.step > 20: raise RuntimeError('gone')
        return float(learn.step)
    learn.add_metric(breaks, every=1, better='less'); learn.add_metric('sliced_wasserstein', n=32, every=1, best=False)
    with pytest.warns(UserWarning, match='is not measured any more'): learn.fit_steps(24, progress=False)
    assert learn.advise().metric == 'sliced_wasserstein' and learn.advise('breaks').metric == 'breaks'
    with pytest.raises(ValueError, match="need one of sliced_wasserstein: "): learn.advise('fd')

def test_of_a_learner():
    learn = GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0)
    with pytest.raises(ValueError, match='nothing is measured that one could go by') as e: learn.advise()
    one_sentence(e.value)
    learn.add_metric('spread', every=2); learn.add_metric('sliced_wasserstein', n=64, every=2); learn.add_metric('fd', n=64, every=4, best=False)
    with pytest.raises(ValueError, match='sliced_wasserstein was not measured yet'): learn.advise()
    learn.fit_steps(40, progress=False)
    before, a = learn.state_hash(), learn.advise()
    seen = learn.history.dropna(subset=['sliced_wasserstein'])
    assert a.metric == 'sliced_wasserstein' and a.trend.n == 15 and a.best.step == seen.step[seen.sliced_wasserstein.idxmin()] and learn.state_hash() == before
    assert learn.advise('fd').trend is None and learn.advise('fd').best.snapshot == 0
    with pytest.raises(ValueError, match="metric='spread' is not measured, or has no direction; need one of sliced_wasserstein, fd"): learn.advise('spread')
