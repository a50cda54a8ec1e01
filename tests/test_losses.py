"Losses: values and gradients against closed forms, in double precision where that is the oracle."
import math
import pytest, torch
from torch.nn.functional import binary_cross_entropy_with_logits as torch_bce
from strangers import go, make_learner
from ganlab.losses import LSGAN, Minimax, NonSaturating, bce_fake, bce_real, entropy, get_loss, losses

NAMES = ['non_saturating', 'minimax', 'hinge', 'lsgan', 'wasserstein', 'relativistic']
each = pytest.mark.parametrize('loss', losses.values(), ids=list(losses))

def scores(n=64, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    return [3*torch.randn(n, generator=g, dtype=dtype) for _ in range(2)]

def grads(f, *args):
    args = [a.clone().requires_grad_() for a in args]
    return torch.autograd.grad(f(*args), args, allow_unused=True)

def test_names():
    assert list(losses) == NAMES
    assert all(get_loss(n) is losses[n] and losses[n].name == n and losses[n].title for n in NAMES)

@each
def test_is_a_scalar_with_a_gradient(loss):
    r, f = scores()
    for v in (loss.d_loss(r, f), loss.g_loss(f, r)): assert v.shape == () and v.dtype == torch.float64
    assert torch.autograd.gradcheck(loss.d_loss, [o[:5].clone().requires_grad_() for o in (r, f)])
    assert torch.autograd.gradcheck(lambda f, r: loss.g_loss(f, r).sum(), [o[:5].clone().requires_grad_() for o in (f, r)])

@each
def test_is_a_mean(loss):
    "Twice the same batch is the same loss, and half the gradient per sample"
    r, f = scores()
    for fn, a, b in ((loss.d_loss, r, f), (loss.g_loss, f, r)):
        torch.testing.assert_close(fn(torch.cat([a, a]), torch.cat([b, b])), fn(a, b))
        torch.testing.assert_close(grads(fn, torch.cat([a, a]), torch.cat([b, b]))[0][:len(a)], grads(fn, a, b)[0]/2)

@each
@pytest.mark.parametrize('l', [-100., 100.])
@pytest.mark.parametrize('m', [-100., 100.])
def test_stable_at_100(loss, l, m):
    "In single precision, value and gradient are those of the double"
    for fn in (loss.d_loss, loss.g_loss):
        a, b = torch.tensor([l]), torch.tensor([m])
        torch.testing.assert_close(fn(a, b).double(), fn(a.double(), b.double()), rtol=1e-6, atol=1e-30)
        for x, y in zip(grads(fn, a, b), grads(fn, a.double(), b.double())):
            if y is None: assert x is None; continue
            assert x.isfinite().all()
            torch.testing.assert_close(x.double(), y, rtol=1e-6, atol=1e-30)

@each
def test_d_wants_real_up_and_fake_down(loss):
    r, f = torch.full((4,), -.3, dtype=torch.float64), torch.full((4,), .3, dtype=torch.float64)
    gr, gf = grads(loss.d_loss, r, f)
    assert (gr < 0).all() and (gf > 0).all()
    assert (grads(loss.g_loss, f, r)[0] < 0).all()

def test_bce_is_torchs():
    r, f = scores()
    for a, b in ((1., 0.), (.9, .1), (.9, 0.), (.75, .3)):
        loss = NonSaturating().with_targets(real=a, fake=b)
        want = torch_bce(r, torch.full_like(r, a)) + torch_bce(f, torch.full_like(f, b))
        torch.testing.assert_close(loss.d_loss(r, f), want)
        torch.testing.assert_close(Minimax(a, b).d_loss(r, f), want)
        torch.testing.assert_close(loss.g_loss(f), torch_bce(f, torch.ones_like(f)))       # G's loss is not smoothed

@pytest.mark.parametrize('name, targets, fake', [('label_smoothing', dict(real=.8, fake=.3), .3), ('one_sided_label_smoothing', dict(real=.8), 0.)])
def test_smoothed_sides(name, targets, fake):
    "Reals get the target of reals, and fakes that of fakes: in the loss in force, and in the step that is trained"
    learn = make_learner(); learn.tricks.on(name, **targets)
    def want(r, f): return torch_bce(r, torch.full_like(r, .8)) + torch_bce(f, torch.full_like(f, fake))
    r, f = scores()
    torch.testing.assert_close(learn.loss_now.d_loss(r, f), want(r, f))
    go(learn, 2)
    c, _ = learn.row['d']
    torch.testing.assert_close(c.terms['d_loss'], want(c.l_real, c.l_fake).detach())

def test_smoothed_formula():
    r, f = scores()
    sp, a, b = torch.nn.functional.softplus, .9, .1
    loss = NonSaturating().with_targets(real=a, fake=b)
    torch.testing.assert_close(loss.d_loss(r, f), (sp(-r) + (1-a)*r).mean() + (sp(f) - b*f).mean())
    gr, gf = grads(loss.d_loss, r, f)
    torch.testing.assert_close(gr*len(r), torch.sigmoid(r) - a)
    torch.testing.assert_close(gf*len(f), torch.sigmoid(f) - b)
    at = grads(loss.d_loss, torch.tensor([math.log(9)], dtype=torch.float64), torch.tensor([-math.log(9)], dtype=torch.float64))
    assert all(abs(float(g)) < 1e-12 for g in at)                                          # logit(.9) = 2.197

@pytest.mark.parametrize('loss, best', [(NonSaturating(), None), (NonSaturating(.9, .1), 2.1972), (NonSaturating(.9, 0.), None), (LSGAN(), None), (LSGAN(-1., 1.), None)])
@pytest.mark.part(2)
def test_floor(loss, best):
    l = torch.linspace(-40, 40, 16001, dtype=torch.float64)
    least = min(loss.d_loss(o[None], l[:1]).item() for o in l) - loss.d_loss(l[:1], l[:1]).item() + min(loss.d_loss(l[:1], o[None]).item() for o in l)
    assert least == pytest.approx(loss.floor(), abs=1e-4)

def test_floors():
    assert NonSaturating(.9, .1).floor() == pytest.approx(.650, abs=5e-4)
    assert entropy(.9) == pytest.approx(.3251, abs=1e-4)
    assert entropy(1.) == entropy(0.) == 0
    assert [losses[n].floor() for n in NAMES] == [0, 0, 0, 0, None, 0]

def test_optimal_d_on_a_table():
    "D* = (a p_d + b p_g)/(p_d + p_g), for cross-entropy as a probability and for least squares as the score"
    p, q, a, b = torch.tensor([.1, .2, .7]).double(), torch.tensor([.5, .3, .2]).double(), .9, .1
    star = (a*p + b*q)/(p + q)
    l = torch.logit(star).requires_grad_()
    loss = NonSaturating(a, b)
    total = sum(p[i]*bce_real(l[i:i+1], loss.real) + q[i]*bce_fake(l[i:i+1], loss.fake) for i in range(3))
    assert torch.autograd.grad(total, l)[0].abs().max() < 1e-12
    l = star.clone().requires_grad_()
    total = sum(p[i]*(l[i]-a)**2/2 + q[i]*(l[i]-b)**2/2 for i in range(3))
    assert torch.autograd.grad(total, l)[0].abs().max() < 1e-12

def test_what_g_aims_at_is_its_own_target():
    "Whatever D's targets are"
    r, f = scores()
    loss = LSGAN().with_targets(real=.9, fake=.2)
    torch.testing.assert_close(loss.g_loss(f), (f - 1).square().mean()/2)
    torch.testing.assert_close(loss.d_loss(r, f), (r - .9).square().mean()/2 + (f - .2).square().mean()/2)
    assert loss.with_targets(gen=.4).g_loss(f) == ((f - .4)**2).mean()/2

def test_a_target_per_sample():
    r, f = scores(8)
    t = torch.linspace(.7, 1, 8, dtype=torch.float64)
    torch.testing.assert_close(NonSaturating().with_targets(real=t).d_loss(r, f), torch_bce(r, t) + torch_bce(f, torch.zeros_like(f)))
    assert LSGAN(real=t).floor() == pytest.approx(float(t.var(correction=0))/2)

def test_flipped_labels_are_smoothing_on_average():
    "Cross-entropy is linear in the target"
    r, f = scores(8)
    flips = [NonSaturating(*(1-k, k)).d_loss(r, f) for k in (0., 1.)]
    torch.testing.assert_close(.95*flips[0] + .05*flips[1], NonSaturating(.95, .05).d_loss(r, f))

def test_minimax_saturates():
    for l in (-10., 0., 4.):
        g = [float(grads(losses[n].g_loss, torch.tensor([l], dtype=torch.float64))[0]) for n in ('minimax', 'non_saturating')]
        s = 1/(1+math.exp(-l))
        assert g == pytest.approx([-s, -(1-s)])
        assert g[0]/g[1] == pytest.approx(math.exp(l))

def test_minimax_is_zero_sum():
    r, f = scores()
    torch.testing.assert_close(grads(losses['minimax'].g_loss, f)[0], -grads(losses['minimax'].d_loss, r, f)[1])

def test_hinge():
    h, w = losses['hinge'], losses['wasserstein']
    z = torch.zeros(3)
    assert h.d_loss(z, z) == 2
    right, wrong = torch.tensor([1.5, 7.]), torch.tensor([-.5, .9])
    assert all((g == 0).all() for g in grads(h.d_loss, right, -right))
    for a, b in zip(grads(h.d_loss, wrong, -wrong), grads(w.d_loss, wrong, -wrong)): assert torch.equal(a, b)

@pytest.mark.parametrize('given,meant', [('hing', 'hinge'), ('non-saturating', 'non_saturating'), ('Wasserstien', 'wasserstein'), ('ls_gan', 'lsgan'), ('Hinge loss', 'hinge')])
def test_a_misspelt_loss(given, meant):
    with pytest.raises(ValueError, match=f"did you mean '{meant}'"): get_loss(given)

@pytest.mark.parametrize('given', ['bce', 'mse', 'wgan', 'logistic', 'least_squares', 'vanilla', 'gan'])
def test_another_word_is_not_guessed_at(given):
    "All that is known is named; a name that is near to none of them is not turned into one"
    with pytest.raises(ValueError, match='need one of') as e: get_loss(given)
    assert 'did you mean' not in str(e.value)

def test_relativistic():
    r, f = scores(); loss = losses['relativistic']
    assert float(loss.d_loss(r, r)) == float(loss.g_loss(r, r)) == pytest.approx(math.log(2))
    torch.testing.assert_close(loss.d_loss(r + 7, f + 7), loss.d_loss(r, f))
    torch.testing.assert_close(loss.d_loss(r, f), loss.g_loss(r, f))                       # sides swapped
    with pytest.raises(ValueError, match='as many of one as of the other'): loss.d_loss(r[:, None], f)        # would broadcast to a square
    with pytest.raises(ValueError, match='both scores'): loss.g_loss(f)
    assert [n for n in NAMES if losses[n].g_uses_real] == ['relativistic']

def test_targets_only_where_there_are_any():
    assert [n for n in NAMES if hasattr(losses[n], 'with_targets')] == ['non_saturating', 'minimax', 'lsgan']
    for n in ('non_saturating', 'minimax'):
        new = losses[n].with_targets(real=.8)
        assert (type(new), new.real, new.fake, losses[n].real) == (type(losses[n]), .8, 0., 1.)
        for bad in (1.2, -.1, True, 'x', float('nan')):
            with pytest.raises(ValueError, match=r'real=.*target in \[0, 1\]'): losses[n].with_targets(real=bad)
    assert LSGAN().with_targets(real=0., fake=-1.).gen == 1.
    with pytest.raises(Exception): losses['lsgan'].real = 3.                                # frozen: the table is shared

def test_get_loss():
    class Own:
        def d_loss(self, l_real, l_fake): ...
        def g_loss(self, l_fake, l_real): ...
    own = Own()
    assert get_loss(own) is own
    for given, said in (('wgan', 'wasserstein'), ('Non-Saturating', "did you mean 'non_saturating'"), ('xyzzy', 'need one of'),
                        (None, 'no method d_loss and no g_loss'), (Own, 'is a class'), (3, 'loss=3')):
        with pytest.raises(ValueError, match=said): get_loss(given)
