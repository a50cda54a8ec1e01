"Samples that D takes for data: distributed as the data where D is exact, always the same ones, and refused where a score is no logit."
import math
import pytest, torch
from torch import nn
from torch.distributions import MultivariateNormal
from ganlab.data import tensor_dls
from ganlab.judge.rejection import acceptance
from ganlab.learner import GANLearner
from games import play
from strangers import go, make_learner, one_sentence

def test_by_the_book():
    "Without γ the probability is the ratio over the largest one, for any logits; with it a share of each batch passes"
    l = torch.tensor([-40., -3., -.1, 0., 1.5, 2.])
    assert torch.allclose(acceptance(l, 2.), (l.double() - 2).exp(), rtol=1e-3) and acceptance(l, 2.).max() <= 1
    eps, d = 1e-6, l.double() - 3
    assert torch.allclose(acceptance(l, 3.), (d - torch.log(1 - torch.exp(d - eps))).sigmoid(), rtol=1e-9)
    many = torch.randn(1001, generator=torch.Generator().manual_seed(0))
    for p in (0, 50, 80, 100):
        passed = acceptance(many, many.max().item(), p)
        assert passed.sort().values.eq(passed[many.argsort()]).all() and (passed >= .5).double().mean().item() == pytest.approx(1 - p/100, abs=2e-3)

class Same(nn.Module):
    "G(z) = z"
    def __init__(self): super().__init__(); self.shift = nn.Parameter(torch.zeros(1))
    def forward(self, z): return z + self.shift

class Ratio(nn.Module):
    "What the best D gives: log of data over G's, N(mean, cov) over N(0, 1)"
    def __init__(self, mean, cov): super().__init__(); self.w = nn.Parameter(torch.ones(1)); self.of = MultivariateNormal(mean, cov), MultivariateNormal(0*mean, torch.eye(len(mean)))
    def forward(self, x): return self.w*(self.of[0].log_prob(x) - self.of[1].log_prob(x))

CASES = dict(line=([.5], [[.64]]), plane=([.4, -.3], [[.7, .3], [.3, .5]]))

def exact(case, **kw):
    mean, cov = map(torch.tensor, CASES[case])
    x = MultivariateNormal(mean, cov).sample((200,))
    return GANLearner(tensor_dls(x, 20), Same(), Ratio(mean, cov), z_dim=len(mean), seed=0, **kw), mean, cov

@pytest.mark.parametrize('case', CASES)
def test_an_exact_d_gives_the_data(case):
    "Means and covariances within four standard errors, the share 1/M within as many; and G's own are farther off than that"
    learn, mean, cov = exact(case)
    before, n = learn.state_hash(), 4000
    found = learn.accepted(n, percentile=None, burn_in=2000)
    error = 4*(cov.diag()/n).sqrt()
    assert (found.x.mean(0) - mean).abs().le(error).all() and mean.abs().gt(2*error).all()
    wide = 4*((cov.diag()[:, None]*cov.diag() + cov**2)/n).sqrt()
    assert (found.x.T.cov() - cov).reshape(cov.shape).abs().le(wide).all()
    eye = torch.eye(len(mean))
    peak = torch.linalg.solve(torch.linalg.inv(cov) - eye, torch.linalg.solve(cov, mean))      # where the ratio is largest
    top = learn.D(peak[None]).item()
    assert found.share == pytest.approx(math.exp(-top), abs=4*math.sqrt(.25*found.share/n))
    assert torch.equal(found.x, found.z) and found.x.shape == (n, len(mean)) and learn.state_hash() == before

def test_the_same_ones_again():
    "Whoever trains or looks beside it; another seed chooses others; fewer are the first of more"
    learn = exact('line')[0]
    a, b, c, few = (learn.accepted(n, seed=s, burn_in=300).x for n, s in ((40, 0), (40, 0), (40, 1), (10, 0)))
    assert torch.equal(a, b) and not torch.equal(a, c) and torch.equal(few, a[:10])

def test_of_the_weights_that_train():
    "D knows these, and not their average"
    learn = make_learner('mlp', tricks=[('ema', dict(rampup=0))])
    go(learn, 6)
    for ema in (False, True):
        found = learn.accepted(5, ema=ema, burn_in=50)
        assert torch.allclose(found.x, learn.sample(z=found.z, ema=ema), atol=1e-6) and not torch.allclose(found.x, learn.sample(z=found.z, ema=not ema), atol=1e-6)

class OddLoss:
    name, scores = 'odd', 'probabilities'
    def d_loss(self, r, f): return -(r.log() + (1 - f).log()).mean()
    def g_loss(self, f, r=None): return -f.log().mean()

def test_probabilities_are_turned_into_logits():
    mean, cov = map(torch.tensor, CASES['line'])
    class P(Ratio):
        def forward(self, x): return super().forward(x).sigmoid()
    x = MultivariateNormal(mean, cov).sample((200,))
    learn = GANLearner(tensor_dls(x, 20), Same(), P(mean, cov), z_dim=1, seed=0, loss=OddLoss())
    assert torch.equal(learn.accepted(50, percentile=None, burn_in=300).x, exact('line')[0].accepted(50, percentile=None, burn_in=300).x)

def test_a_level_of_all_scores_does_not_matter():
    "As under a relativistic loss, where D is the logarithm of the ratio and any constant"
    learn, mean, cov = exact('line')
    was = learn.accepted(50, burn_in=300)
    class Up(Ratio):
        def forward(self, x): return super().forward(x) + 8
    up = GANLearner(learn.dls, Same(), Up(mean, cov), z_dim=1, seed=0, loss='relativistic').accepted(50, burn_in=300)
    assert torch.equal(up.x, was.x) and up.share == was.share

@pytest.mark.parametrize('loss', ['hinge', 'wasserstein', 'lsgan'])
def test_scores_that_are_no_logits(loss):
    learn = make_learner('mlp', loss=loss)
    with pytest.raises(ValueError, match=r"no logits.*set_loss\('non_saturating'\)") as e: learn.accepted(4)
    one_sentence(e.value)
    learn.set_loss('relativistic')      # knows the ratio but for a factor, which is the same for all
    assert len(learn.accepted(4, burn_in=20).x) == 4

def test_classes():
    "Of one class, which is asked for"
    learn = play('labels')
    with pytest.raises(ValueError, match='give a label, such as y=3') as e: learn.accepted(4)
    one_sentence(e.value)
    found = learn.accepted(4, y=3, burn_in=20)
    for bad in ([1, 2, 3, 4], True, 'three'):
        with pytest.raises(ValueError, match='y='): learn.accepted(4, y=bad)
    assert torch.allclose(found.x, learn.sample(z=found.z, y=3), atol=1e-6)
    with pytest.raises(ValueError, match='one sample of each input') as e: play('upscaling').accepted(4)
    one_sentence(e.value)

def test_a_map_of_scores():
    "Their mean, and it is said"
    learn = play('patches')
    with pytest.warns(UserWarning, match='64 scores for a sample: their mean stands for its logit'): found = learn.accepted(4, burn_in=20)
    assert found.x.shape == (4, 1, 16, 16) and 0 < found.share <= 1

@pytest.mark.parametrize('how,word', [(dict(percentile=101), 'from 0 to 100'), (dict(n=0), 'n=0'), (dict(burn_in=0), 'burn_in=0'), (dict(n=300, most=256), 'of 256 samples that G proposed')])
def test_refused(how, word):
    with pytest.raises(ValueError, match=word) as e: make_learner('mlp').accepted(**dict(burn_in=20) | how)
    one_sentence(e.value)

def test_logits_that_are_not_quite_the_ratio():
    "Smoothed labels and a D that looks at several samples at once are named, once, and samples still come"
    learn = make_learner('mlp')
    learn.tricks.on('label_smoothing'), learn.tricks.on('minibatch_stddev')
    with pytest.warns(UserWarning) as told: learn.accepted(4, burn_in=256)
    said = ' '.join(str(w.message) for w in told)
    assert 'labels are smoothed' in said and 'Minibatch standard deviation is on: D\'s score' in said
