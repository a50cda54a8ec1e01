"Metrics against closed forms, SciPy and brute force; and the learner that is looked at does not change."
import math
import numpy as np, pytest, torch
from scipy.linalg import sqrtm
from scipy.stats import wasserstein_distance
from ganlab.data import TensorDL, digits_dls, grid_dls, ring_dls
from ganlab.learner import GANLearner
from ganlab.metrics import frechet_distance, kernel_distance, measures, mode_coverage, prdc, quality, real_samples, sliced_wasserstein
from ganlab.nets import dcgan, mlp
from strangers import STRANGERS, go, make_learner, one_sentence

def normal(n, d, seed=0, dtype=torch.float64): return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)

def test_mode_coverage_of_the_data():
    dls = ring_dls(n=20_000, sigma=.02)
    c = mode_coverage(dls.train.x, dls.train.centers, .02)
    assert c.modes == 8 and abs(c.hq - (1 - math.exp(-4.5))) < 2e-3 and c.reverse_kl < 1e-3      # Rayleigh: P(r > 3σ) = exp(-9/2)
    inside = 1 - 4.5*math.exp(-4.5)/(1 - math.exp(-4.5))                                          # E[r²/2σ² | r < 3σ]
    assert abs(c.spread - math.sqrt(inside)) < .01

def test_mode_coverage_by_hand():
    centers = grid_dls(n=1000).train.centers
    x = torch.cat([centers[:3], centers[:1] + torch.tensor([.9, 0.])])       # three exact, one that is near none
    c = mode_coverage(x, centers, .05)
    p = np.array([.5, .25, .25])
    assert c.modes == 3 and c.hq == .75 and c.spread == 0 and c.reverse_kl == pytest.approx((p*np.log(25*p)).sum())
    none = mode_coverage(x + 1, centers, .05)
    assert (none.modes, none.hq) == (0, 0) and math.isnan(none.spread)

def test_shares_near_a_mode_alone():
    "As PacGAN's code counts: a sample between two modes belongs to neither, and where none is near there is no number"
    centers = grid_dls(n=1000).train.centers
    x = torch.cat([centers[:2], centers[:1], centers[3:4] + .5, centers[3:4] - .5])
    p = np.array([2/3, 1/3])
    c, every = mode_coverage(x, centers, .05, shares='near'), mode_coverage(x, centers, .05)
    assert c.reverse_kl == pytest.approx((p*np.log(25*p)).sum()) and c._replace(reverse_kl=0) == every._replace(reverse_kl=0)
    assert every.reverse_kl == pytest.approx((np.array([.4, .2, .4])*np.log(25*np.array([.4, .2, .4]))).sum())
    assert mode_coverage(centers, centers, .05, shares='near').reverse_kl == 0
    assert math.isnan(mode_coverage(x + 1, centers, .05, shares='near').reverse_kl)
    with pytest.raises(ValueError, match="shares='pacgan'; need 'all', or 'near'"): mode_coverage(x, centers, .05, shares='pacgan')

METRICS = dict(mode_coverage=lambda a, b: mode_coverage(a, b, .1), frechet_distance=frechet_distance, kernel_distance=kernel_distance, prdc=lambda a, b: prdc(a, b, k=2), sliced_wasserstein=sliced_wasserstein)

@pytest.mark.parametrize('name', METRICS)
@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_features_that_are_not_finite(name, value):
    "One error, that names which of the two, how many and where"
    for i, said in ((0, 'x' if name == 'mode_coverage' else 'a'), (1, 'centers' if name == 'mode_coverage' else 'b')):
        pair = [normal(20, 3), normal(20, 3, 1)]
        pair[i][7, 1] = value; pair[i][9] = value
        for wrap in (lambda x: x, lambda x: x.float(), lambda x: x.numpy(), lambda x: x.numpy().tolist()):
            with pytest.raises(ValueError, match=f'^{said} has 2 of 20 samples that are not finite, the first at row 7') as e: METRICS[name](*map(wrap, pair))
            one_sentence(e.value)

@pytest.mark.parametrize('name', METRICS)
@pytest.mark.parametrize('wrong', [torch.zeros(5), torch.zeros(0, 3), torch.zeros(5, 0), 'abc', None, [['a', 'b']], np.array([[None, 1]], dtype=object)], ids=str)
def test_what_is_no_features(name, wrong):
    for pair in ((wrong, normal(20, 3)), (normal(20, 3), wrong)):
        with pytest.raises(ValueError, match='need (at least|samples|as many)') as e: METRICS[name](*pair)
        one_sentence(e.value)

@pytest.mark.parametrize('n, m, d', [(200, 300, 1), (200, 150, 6), (500, 500, 20)])
def test_frechet_as_scipy(n, m, d):
    a, b = normal(n, d), normal(m, d, 1) @ normal(d, d, 2) + .5
    sa, sb = (np.atleast_2d(np.cov(x.numpy(), rowvar=False)) for x in (a, b))
    want = float(((a.mean(0) - b.mean(0))**2).sum()) + np.trace(sa + sb - 2*np.real(sqrtm(sa @ sb)))
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(want, rel=1e-9)

def test_frechet_of_singular_covariances():
    "Fewer samples than features; a feature that is constant: finite, and as the closed form where both commute"
    a = torch.zeros(50, 30, dtype=torch.float64); a[:, :2] = normal(50, 2)
    b = a*torch.tensor([3., 2.] + [1.]*28)
    va = a[:, :2].T.cov()
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    scaled = a.clone()*2
    assert frechet_distance(a, scaled) == pytest.approx(float(va.trace() + a.mean(0).square().sum()), rel=1e-9)
    assert math.isfinite(frechet_distance(normal(5, 40), normal(6, 40, 1))) and frechet_distance(a, b) > 0

def test_frechet_of_one_dimension():
    a, b = torch.tensor([[0.], [2.]]), torch.tensor([[5.], [11.]])
    assert frechet_distance(a, b) == pytest.approx(7**2 + (math.sqrt(18) - math.sqrt(2))**2)

def test_kernel_distance_by_brute_force():
    a, b = normal(7, 3).numpy(), normal(9, 3, 1).numpy() + .3
    k = lambda x, y: (x @ y/3 + 1)**3
    mean = lambda pairs: np.mean([k(x, y) for x, y in pairs])
    want = mean([(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j]) + mean([(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j]) - 2*mean([(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(want, rel=1e-10)

def test_kernel_distance_has_no_bias():
    "Over all ways to split six points in two halves of one distribution, the mean is that of the population: exactly 0 for exchangeable halves, up to rounding"
    from itertools import combinations
    x = normal(6, 2).numpy()
    got = [kernel_distance(x[list(i)], x[[j for j in range(6) if j not in i]]) for i in combinations(range(6), 3)]
    assert abs(np.mean(got)) < 1e-10 and min(got) < 0

def test_prdc_by_brute_force():
    a, b, k = normal(40, 4), normal(30, 4, 1)*.8 + .4, 3
    d = lambda x, y: float((x - y).square().sum().sqrt())
    reach = lambda s: [sorted(d(x, y) for y in s)[k] for x in s]
    ra, rb = reach(a), reach(b)
    want = (np.mean([any(d(y, x) < r for x, r in zip(a, ra)) for y in b]), np.mean([any(d(x, y) < r for y, r in zip(b, rb)) for x in a]),
            np.mean([sum(d(y, x) < r for x, r in zip(a, ra)) for y in b])/k, np.mean([any(d(x, y) < r for y in b) for x, r in zip(a, ra)]))
    assert prdc(a, b, k) == pytest.approx(want, abs=1e-12)

def test_prdc_of_equal_distributions():
    p = prdc(normal(1000, 2), normal(1000, 2, 1))
    assert p.precision > .9 and p.recall > .9 and abs(p.density - 1) < .15 and p.coverage > .9     # 1 - 2^-5 = 0.97 expected of coverage

@pytest.mark.parametrize('n, m', [(50, 50), (50, 80), (7, 1), (64, 32)])
def test_sliced_wasserstein_of_one_dimension(n, m):
    "One direction: the square of W2, by quantile functions on a fine grid; W1 of scipy where one set is shifted"
    a, b = normal(n, 1), normal(m, 1, 1)
    t = (np.arange(n*m*4) + .5)/(n*m*4)
    q = lambda x: np.sort(x.numpy().ravel())[(t*len(x)).astype(int)]
    assert sliced_wasserstein(a, b, 3) == pytest.approx(math.sqrt(((q(a) - q(b))**2).mean()), rel=1e-9)
    assert sliced_wasserstein(a, a + 2.5, 1) == pytest.approx(wasserstein_distance(a.ravel(), a.ravel() + 2.5), rel=1e-9)

def test_sliced_wasserstein_of_normal_distributions():
    "N(0, I) and N(m, 4I) in d dimensions: along each direction (m·v)² + 1, and the mean of (m·v)² is |m|²/d"
    a, d = normal(20_000, 3), 3
    b = normal(20_000, 3, 1)*2 + torch.tensor([3., 0., 0.])
    assert sliced_wasserstein(a, b, 2000) == pytest.approx(math.sqrt(9/d + 1), rel=.03)

def test_sliced_wasserstein_is_fixed():
    a, b = normal(30, 4), normal(30, 4, 1)
    state = torch.get_rng_state()
    assert sliced_wasserstein(a, b) == sliced_wasserstein(a.flip(0), b) == sliced_wasserstein(b, a) == sliced_wasserstein(a.view(30, 1, 2, 2), b.view(30, 1, 2, 2))
    assert sliced_wasserstein(a, b, seed=1) != sliced_wasserstein(a, b)
    assert torch.equal(torch.get_rng_state(), state)

@pytest.mark.parametrize('f', [frechet_distance, kernel_distance, prdc, sliced_wasserstein])
def test_wrong_shapes(f):
    with pytest.raises(ValueError, match='need the same number in both'): f(normal(9, 2), normal(9, 3))
    with pytest.raises(ValueError, match='need at least'): f(torch.zeros(5), torch.zeros(5))

def untouched(learn, f):
    before, state, rows, snaps = learn.state_hash(), torch.get_rng_state(), len(learn.history), len(learn.run.snapshots)
    out = f()
    assert learn.state_hash() == before and torch.equal(torch.get_rng_state(), state) and (len(learn.history), len(learn.run.snapshots)) == (rows, snaps)
    return out

@pytest.mark.parametrize('kind', STRANGERS)
def test_quality_changes_nothing(kind):
    learn, twin = make_learner(kind, run=None), make_learner(kind, run=None)
    for l in (learn, twin): go(l, 3)
    q = untouched(learn, lambda: quality(learn, 64))
    assert q == quality(learn, 64) and set(q) == {'sliced_wasserstein'} and q['sliced_wasserstein'] > 0
    for l in (learn, twin): go(l, 3)
    assert learn.state_hash() == twin.state_hash()

def test_quality_of_points_and_images():
    learn = GANLearner(ring_dls(n=3000, bs=64), *mlp(width=16, depth=2, seed=0), seed=0)
    assert set(quality(learn)) == set(measures) and len(real_samples(learn, 10_000)) == 300
    images = GANLearner(digits_dls(bs=16, size=32), *dcgan(16, 1, 8, 4, seed=0), seed=0)           # data at twice the networks' size
    assert quality(images, 32)['sliced_wasserstein'] > 0 and real_samples(images, 9).shape == (9, 1, 16, 16)

def test_quality_without_anything_held_out():
    x = torch.rand(200, 2)
    learn = GANLearner(TensorDL(x, 16), *mlp(width=8, depth=1, seed=0))
    assert torch.equal(real_samples(learn, 50), x[:50])
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), 16, shuffle=True)
    learn, twin = (GANLearner(loader, *mlp(width=8, depth=1, seed=0)) for _ in range(2))
    assert len(real_samples(learn, 50)) == 50 and untouched(learn, lambda: quality(learn, 50)) == quality(twin, 50)

def test_quality_of_what_is_not_finite():
    learn = GANLearner(ring_dls(n=1000, bs=64), *mlp(width=8, depth=1, seed=0))
    with torch.no_grad(): next(learn.G.parameters()).fill_(math.nan)
    assert all(math.isnan(v) for v in quality(learn).values())
