"The adviser on simulated curves: how often it sees a trend that is not there, and one that is; and on a learner."
import math
import numpy as np, pytest, torch
from ganlab.data import ring_dls
from ganlab.engine.measuring import Metric
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.stopping import advice, trend_of
from strangers import one_sentence

LESS = Metric(lambda learn: 0., name='fd', better='less', log=True)
MORE = Metric(lambda learn: 0., name='hq', better='more')

def noise(rng, n, alike):
    "Of standard deviation 1, with so much autocorrelation"
    e = rng.standard_normal(n + 30)
    for i in range(1, n + 30): e[i] = alike*e[i - 1] + math.sqrt(1 - alike**2)*e[i]
    return e[30:]

@pytest.mark.parametrize('n', [15, 40, 100])
@pytest.mark.parametrize('alike', [0., .3, .6])
def test_no_trend(n, alike):
    "At 95 %, at most 8 of 100 curves without a trend seem to have one, whatever their neighbours have to do with each other"
    rng, draws = np.random.default_rng(n), 250
    t = [trend_of(np.arange(n)*10., noise(rng, n, alike)) for _ in range(draws)]
    assert np.mean([o.low > 0 or o.high < 0 for o in t]) <= .08

@pytest.mark.parametrize('alike, least', [(0., .95), (.3, .85), (.6, .6)])
def test_a_trend_is_seen(alike, least):
    "Three standard deviations over forty measurements"
    rng = np.random.default_rng(1)
    seen = [trend_of(np.arange(40)*10., noise(rng, 40, alike) + np.linspace(0, 3, 40)) for _ in range(100)]
    assert np.mean([o.low > 0 for o in seen]) >= least

def test_slope_by_hand():
    "The median of all pairs; without noise the interval is the slope"
    t = trend_of(np.array([0., 1., 2., 4.]), np.array([0., 1., 2., 100.]))
    assert t.slope == np.median([1, 1, 25, 1, 99/3, 49]) and t.low == -math.inf
    t = trend_of(np.arange(20.), 3*np.arange(20.))
    assert (t.slope, t.low, t.high) == pytest.approx((3, 3, 3))

def curve(f, n=60, amount=.008, seed=0):
    x = np.arange(n)*10
    return x, f(x/600)*np.exp(amount*np.random.default_rng(seed).standard_normal(n))

def test_states():
    "Falling, rising again, standing, and nothing to be said"
    better, worse, still = (advice(LESS, *curve(f), [0, 100, 300]) for f in (lambda t: np.exp(-2*t), lambda t: .2 + (t - .4)**2, lambda t: .1 + np.exp(-30*t)))
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
