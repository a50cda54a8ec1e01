"Gradient penalties, WGAN-GP and the relativistic loss: the Dirac GAN's eigenvalues through the real learner, and what the switches promise."
import math
import pytest, torch
from torch import nn
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.losses import losses
from ganlab.engine.change import Refused
from ganlab.trick import Ctx
from strangers import MAKERS, copies, data, go, groups_hold, make_learner, one_sentence, unequal

# The Dirac GAN (Mescheder et al. 2018, section 2): reals at 0, G(z) = theta, D(x) = psi x. Paper sign: psi -> -psi.

class Point(nn.Module):
    "G puts all its samples on one number"
    def __init__(self, theta): super().__init__(); self.theta = nn.Parameter(torch.tensor([[float(theta)]]))
    def forward(self, z): return self.theta.expand(len(z), 1)

def dirac(h, theta=1., psi=-1., loss='minimax', update='simultaneous', n_d=1, **kwargs):
    "A learner on the Dirac GAN, plain gradient descent of step h"
    D = nn.Linear(1, 1, bias=False)
    nn.init.constant_(D.weight, psi)
    sgd = lambda ps, lr: torch.optim.SGD(ps, lr=lr)
    learn = GANLearner(tensor_dls(torch.zeros(8, 1), 2), Point(theta), D, loss=loss, opt=sgd, lr_g=h, lr_d=h, update=update, n_d=n_d, z_dim=1, device='cpu', **kwargs)
    learn.snap_every = learn.slope_every = 10**9
    return learn

def at(learn): return learn.G.theta.item(), learn.D.weight.item()

def orbit(learn, n):
    "theta and psi before each of n steps, and after the last: two lists"
    path = []
    learn.fit_steps(n, gate=lambda learn: path.append(at(learn)), progress=False)
    return [list(v) for v in zip(*path, at(learn))]

def radius(learn, n=0):
    "The distance from the equilibrium, n steps on"
    if n: go(learn, n)
    return math.hypot(*at(learn))

def amplitude(learn, n, last):
    "The largest |theta| of the last steps"
    return max(map(abs, orbit(learn, n)[0][-last:]))

R1 = 'gradient_penalty'

def test_without_a_penalty():
    "The numbers that the penalties are held against: minimax and Wasserstein grow, by the factors that are known"
    assert radius(dirac(.2), 500) == pytest.approx(3.097, abs=2e-3)
    assert radius(dirac(.1, loss='wasserstein'), 100) == pytest.approx(math.sqrt(2)*1.01**50, rel=1e-4)

def test_toggle():
    "Off, on, off: it grows, it dies out, and it grows again by 1 + h²/4 a step"
    learn = dirac(.2)
    assert radius(learn) == pytest.approx(math.sqrt(2))
    assert radius(learn, 250) == pytest.approx(2.648, abs=2e-3)
    learn.tricks.on(R1, gamma=.3); r = radius(learn, 500)
    assert r == pytest.approx(5.3e-6, rel=.05)
    learn.tricks.off(R1)
    assert radius(learn, 250)/r == pytest.approx(1.01**125, rel=1e-3)

def test_r1_alternating():
    "It converges at √(1 - hγ) a step"
    learn = dirac(.2, update='alternating', tricks=[(R1, dict(gamma=.3))])
    a = radius(learn, 200); b = radius(learn, 300)
    assert math.log(b/a)/300 == pytest.approx(math.log(1 - .2*.3)/2, rel=.02)
    assert b < 1e-6

@pytest.mark.parametrize('points', ['fake', 'interp', 'dragan'])
def test_r2_is_r1_here(points):
    "D is linear: its slope is the same everywhere"
    r1, other = (dirac(.2, update='alternating', tricks=[(R1, dict(gamma=.3, points=p, center=0))]) for p in ('real', points))
    for a, b in zip(orbit(r1, 60), orbit(other, 60)): assert a == pytest.approx(b, rel=1e-4, abs=1e-6)

def test_r1_and_r2_together():
    "Twice the weight, to rounding"
    both, one = (dirac(.2, tricks=[(R1, dict(gamma=g, points=p))]) for g, p in ((.2, 'both'), (.4, 'real')))
    assert orbit(both, 50)[0] == pytest.approx(orbit(one, 50)[0], rel=1e-4, abs=1e-6)

def test_r1_felt_by_steps():
    "The approximate one makes it converge, too: on a linear D it is R1 on average, whatever the size of the step"
    learn = dirac(.2, tricks=[('approximate_r1', dict(lam=.3/(2*.5**2), sigma=.5))])
    assert radius(learn, 250) < .05 and learn.tricks['approximate_r1'].std == 1      # data with no spread
    learn.tricks.off('approximate_r1')
    r = radius(learn); assert radius(learn, 250)/r == pytest.approx(1.01**125, rel=1e-3)

CLOSE = [  # update, loss, γ, the step size up to which it converges near the equilibrium
    ('simultaneous', 'minimax', .3, 1.2),                                        # h < 4γ
    ('simultaneous', 'minimax', 2., 2/(1 + math.sqrt(1 - 1/4))),                 # h < 2/|λ|, λ = -γ/2 - √(γ²/4 - 1/4)
    ('simultaneous', 'non_saturating', .3, 1.2),
    ('alternating', 'minimax', .3, (math.sqrt(.3**2 + 1) - .3)*4),               # h < (√(γ² + 1) - γ)/¼
    ('alternating', 'non_saturating', .3, (math.sqrt(.3**2 + 1) - .3)*4),
    ('simultaneous', 'wasserstein', .3, .3),                                     # h < γ
    ('alternating', 'wasserstein', .3, math.sqrt(.3**2 + 4) - .3)]               # h < √(γ² + 4) - γ

@pytest.mark.parametrize('update,loss,gamma,limit', CLOSE)
@pytest.mark.part(2)
def test_r1_step_size(update, loss, gamma, limit):
    "It converges 5 % below the limit, and not 5 % above it"
    first, then = (50, 100) if update == 'simultaneous' else (10, 15)           # until the fast direction has gone; a slow rotation against a flip
    for h, grows in ((.95*limit, False), (1.05*limit, True)):
        learn = dirac(h, theta=1e-5, psi=-1e-5, update=update, loss=loss, tricks=[(R1, dict(gamma=gamma))])
        r = radius(learn, first)
        assert (radius(learn, then) > r) is grows, h

@pytest.mark.parametrize('update', ['simultaneous', 'alternating'])
def test_relativistic_is_non_saturating_here(update):
    "D(0) = 0, so RpGAN with R1 + R2 takes the very path of the non-saturating GAN with 2γ, and converges"
    rp = dirac(.2, update=update, tricks=[('relativistic_gp', dict(gamma=.15))])
    ns = dirac(.2, update=update, loss='non_saturating', tricks=[(R1, dict(gamma=.3))])
    for a, b in zip(orbit(rp, 80), orbit(ns, 80)): assert a == pytest.approx(b, rel=1e-3, abs=1e-5)
    assert radius(rp, 420) < 1e-5

def test_relativistic_without_a_penalty():
    "It comes no nearer than √(2h) simultaneously, and only like √(8/hk) alternating"
    h, k, bare = .2, 400, [('relativistic_gp', dict(penalty='none'))]
    assert radius(dirac(h, tricks=bare), k) == pytest.approx(math.sqrt(2*h), rel=.1)
    assert radius(dirac(h, update='alternating', tricks=bare), k) == pytest.approx((1/2 + h*k/8)**-.5, rel=.1)

def test_wgan_with_r1():
    "From afar: |λ|² per step is 1 - hγ + h² simultaneously, 1 - hγ alternating"
    for update, rate in (('simultaneous', 1 - .1*.3 + .1**2), ('alternating', 1 - .1*.3)):
        learn = dirac(.1, loss='wasserstein', update=update, tricks=[(R1, dict(gamma=.3))])
        a = radius(learn, 100); b = radius(learn, 314)
        assert math.log(b/a)/314 == pytest.approx(math.log(rate)/2, rel=.03)

# WGAN-GP: μ/2 (|psi| - g)² is λ (|psi| - 1)² with λ = μ/2

def gp(n_critic=1, lam=.35, **kw): return [('wgan_gp', dict(lam=lam, n_critic=n_critic, **kw))]

def test_wgan_gp_cycles():
    "It never arrives: a limit cycle of a known amplitude, the same from inside and from outside"
    zeta = .35
    rho = math.exp(-math.pi*zeta/math.sqrt(1 - zeta**2))
    known = .7*(1 + rho)/(1 - rho)
    assert known == pytest.approx(1.3266, abs=1e-4)
    for theta in (.1, 3.): assert amplitude(dirac(.05, theta=theta, update='alternating', tricks=gp()), 500, 160) == pytest.approx(known, rel=.02)

@pytest.mark.parametrize('n_critic,known', [(1, 1.286), (5, .720)])
def test_wgan_gp_cycles_with_large_steps(n_critic, known):
    "Five updates of D for one of G make the cycle smaller, no equilibrium"
    assert amplitude(dirac(.2, update='alternating', tricks=gp(n_critic)), 120, 60) == pytest.approx(known, rel=.02)

@pytest.mark.parametrize('n_critic,steps', [(1, 700), (5, 120)])
def test_wgan_gp_false_equilibrium(n_critic, steps):
    "With λ = 10, its default, |psi| follows 1 - |theta|/20 while G runs away, at that speed: to |theta| = 20, where D is flat"
    learn = dirac(.08, theta=-1., update='alternating', tricks=gp(n_critic, lam=10))
    go(learn, steps)
    theta, psi = map(abs, at(learn))
    assert psi == pytest.approx(1 - theta/20, abs=.01)
    assert theta == pytest.approx(20 - 19*math.exp(-.08*steps/20), rel=.02)

def test_wgan_gp_centred_at_0_converges():
    "The same trick with center 0 is WGAN with R1, γ = 2λ"
    assert radius(dirac(.1, update='alternating', tricks=gp(lam=.25, center=0)), 400) < 1e-4

# On networks of all kinds

OWNERS = [('wgan_gp', {}), ('relativistic_gp', {})]
ALL = [(R1, {}), *OWNERS]
all_three = pytest.mark.parametrize('name,kw', ALL, ids=[n for n, _ in ALL])

def context(learn, name=R1):
    "A D update under way, on the learner's own data"
    c = Ctx(learn, learn.step, 0, 'd')
    c.who, c.x = name, learn.source.batch(0)
    with torch.no_grad(): c.xf = learn.G(learn.latents(len(c.x)))
    c.l_real = learn.D(c.x.clone()).flatten()
    return c

def term(learn, c, **kw):
    "The penalty's term with these values"
    t = learn.tricks[R1]
    t.params, t.since = t.checked(kw), 0
    return t.d_term(c)

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'resnet', 'skip', 'loop', 'tied', 'inplace'])
def test_per_sample(kind):
    "The mean over samples of each sample's own squared slope, asked one by one; every parameter that shapes the slope gets a finite gradient"
    learn = make_learner(kind)
    c = context(learn)
    own = []
    for x in c.x:
        x = x[None].requires_grad_(True)
        own.append(torch.autograd.grad(learn.D(x.clone()).sum(), x)[0].square().sum())
    loss = term(learn, c, gamma=2)
    assert loss.item() == pytest.approx(torch.stack(own).mean().item(), rel=1e-4)
    loss.backward()
    grads = [p.grad for p in learn.D.parameters() if p.grad is not None]
    assert grads and all(g.isfinite().all() for g in grads) and any(g.any() for g in grads)

@pytest.mark.parametrize('kw', [dict(), dict(center=1), dict(points='both'), dict(points='interp', center=1), dict(points='dragan', center=1)])
def test_gradient_by_finite_differences(kw):
    "The penalty's gradient in D's weights, of a smooth D in double precision"
    torch.manual_seed(0)
    D = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.Softplus(), nn.Linear(8, 1))
    learn = make_learner(D=D)
    D.double()
    c = Ctx(learn, 0, 0, 'd'); c.who, c.x, c.xf = R1, data()[:16].double(), data()[16:32].double() + 1
    c.l_real = D(c.x).flatten()
    learn.d_scores, score = lambda x, side, c, y=None: D(x).flatten(), learn.d_scores          # which rounds to float32
    grads = torch.autograd.grad(term(learn, c, **kw), list(D.parameters()), allow_unused=True)
    for p, g in zip(D.parameters(), grads):
        if g is None: continue
        v = torch.randn_like(p)
        def moved(s):
            with torch.no_grad(): p.add_(s*v)
            out = term(learn, c, **kw).item()
            with torch.no_grad(): p.sub_(s*v)
            return out
        assert (moved(1e-5) - moved(-1e-5))/2e-5 == pytest.approx((g*v).sum().item(), rel=1e-4, abs=1e-7)

def test_zero_slope():
    "A D that is flat costs (0 - 1)², with a gradient of 0 and not NaN"
    learn = make_learner()
    with torch.no_grad():
        for p in learn.D.parameters(): p.zero_()
    for kw in (dict(), dict(center=1)):
        loss = term(learn, context(learn), **kw)
        loss.backward()
        assert loss.item() == 10*kw.get('center', 0) and all(p.grad is None or not p.grad.isnan().any() for p in learn.D.parameters())

@pytest.mark.parametrize('kind', ['dropout', 'dcgan', 'mlp'])
def test_looking_is_not_training(kind):
    "But for its gradient the penalty leaves no trace: spectral norm's vectors, dropout's numbers and the other tricks' streams are as without it"
    learn, calm = (make_learner(kind, tricks=['spectral_norm', 'instance_noise']) for _ in range(2))
    learn.tricks.on(R1, points='both')
    t = learn.tricks[R1]
    t.d_term = lambda ctx: type(t).d_term(t, ctx).detach()*0
    go(learn, 4); go(calm, 4)
    assert not unequal(copies(learn), copies(calm))

def test_through_other_tricks():
    "D is differentiated as the game sees it: with the very noise of this update's scores"
    learn, plain = make_learner(tricks=[('instance_noise', dict(sigma=1, share=1))]), make_learner()
    c, p = context(learn), context(plain)
    noisy, clean = term(learn, c).item(), term(plain, p).item()
    assert noisy != clean and noisy == term(learn, c).item()
    c.who, c.side = 'instance_noise', 'real'
    p.x = learn.tricks['instance_noise'].inputs(c.x, c)
    assert term(plain, p).item() == pytest.approx(noisy, rel=1e-5)

@all_three
def test_in_bfloat16(name, kw):
    "Under amp the slope is in float32: the same term as without, to rounding of the fakes"
    a, b = (make_learner('dcgan', amp=amp, loss='wasserstein') for amp in ('bf16', None))
    for learn in (a, b): learn.tricks.on(name, **kw); go(learn, 1)
    col = f'd_loss/{name}'
    assert a.history[col][0] == pytest.approx(b.history[col][0], rel=2e-2)

class Attending(nn.Module):
    "A D with fused attention, whose gradient has no derivative on the CPU"
    def __init__(self, fused=True): super().__init__(); self.inp, self.at, self.out, self.fused = nn.Linear(2, 16), nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 1), fused
    def forward(self, x):
        h = self.inp(x).reshape(-1, 2, 8)
        return self.out(self.at(h, h, h, need_weights=not self.fused)[0].mean(1)).flatten()

@all_three
def test_fused_attention(name, kw):
    "Refused with what to do; with the weights asked for, it goes"
    learn = make_learner(D=Attending()); go(learn, 1)
    was = learn.state_hash()
    with pytest.raises(Refused) as e: learn.tricks.on(name)
    assert 'need_weights=True' in one_sentence(e.value) and learn.state_hash() == was
    learn = make_learner(D=Attending(fused=False))
    learn.tricks.on(name); go(learn, 2)

def test_attention_that_comes_later():
    "The answer is not kept for a D that has changed; a value that needs the penalty is refused while it is on"
    learn = make_learner(D=Attending())
    learn.tricks.on('relativistic_gp', penalty='none'); go(learn, 1)
    with pytest.raises(Refused, match='need_weights'): learn.tricks.set('relativistic_gp', penalty='r1r2')
    assert learn.tricks['relativistic_gp'].penalty == 'none'; go(learn, 1)
    learn = make_learner(D=nn.Sequential(nn.Linear(2, 2), Attending(fused=False)))
    learn.tricks.on(R1)
    learn.D[1] = Attending()
    assert 'need_weights' in learn.tricks[R1].why_not(learn)

@all_three
def test_caution(name, kw):
    "BatchNorm in D: a word of caution, no refusal"
    from ganlab.nets import dcgan
    torch.manual_seed(0); G, D = dcgan(16, 1, 6, 4, bn_d=True)
    learn = make_learner('dcgan', G=G, D=D)
    c = learn.tricks.on(name); go(learn, 2)
    assert 'BatchNorm' in c.caution and c.caution in c.sentence
    assert make_learner('dcgan').tricks.on(name).caution is None

def test_caution_of_center_1():
    assert 'center 1' in make_learner().tricks.on(R1, center=1).caution
    assert make_learner(loss='wasserstein').tricks.on(R1, center=1).caution is None

# The owners' leaving

@pytest.mark.parametrize('name,kw', OWNERS, ids=[n for n, _ in OWNERS])
@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'resnet', 'skip', 'dropout'])
@pytest.mark.part(2)
def test_leaving_takes_the_level_off(name, kw, kind):
    "D(x) moves by one constant, to where the last scores lie around 0; the bias keeps its identity and its moments; nothing else moves"
    learn = make_learner(kind)
    learn.tricks.on(name, **kw)
    last = [p for p in learn.D.parameters() if p.shape == (1,)][-1]
    with torch.no_grad(): last.add_(50)
    go(learn, 3)
    x, was, moments = data(MAKERS[kind][1])[:16], copies(learn), learn.opt_d.state[last]['exp_avg'].clone()
    before, level = learn.score(x), learn.history[['d_real', 'd_fake']].iloc[-1].mean()
    assert abs(level) > 10
    learn.tricks.off(name)
    assert ((before - learn.score(x)) - level).abs().max() < 1e-3
    moved = [n for n in unequal(was, copies(learn)) if not n.startswith('trick/')]
    assert len(moved) == 1 and moved[0].startswith('d/') and torch.equal(learn.opt_d.state[last]['exp_avg'], moments)
    groups_hold(learn); go(learn, 2)
    assert abs(learn.history[['d_real', 'd_fake']].iloc[-1].mean()) < 5

@pytest.mark.parametrize('name,kw', OWNERS, ids=[n for n, _ in OWNERS])
@pytest.mark.parametrize('loss', list(losses))
@pytest.mark.part(2)
def test_leaving_for_every_loss(name, kw, loss):
    "Recentred where the loss sees the level, and only there; never if it is told not to, or if there was no step"
    sees = loss not in ('wasserstein', 'relativistic')
    for recentre, steps in ((True, 2), (False, 2), (True, 0)):
        learn = make_learner(loss=loss); go(learn, 1)
        learn.tricks.on(name, recentre=recentre, **kw)
        assert learn.tricks[name].effect() == ('reweights' if recentre else 'now')
        if steps: go(learn, steps)
        was = copies(learn)
        learn.tricks.off(name)
        assert bool(unequal({n: t for n, t in was.items() if n.startswith('d/')}, {n: t for n, t in copies(learn).items() if n.startswith('d/')})) is (sees and recentre and steps > 0)
        assert learn.loss_name == loss and learn.loss_now is losses[loss]

def test_no_bias_to_recentre():
    D = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(.2), nn.Linear(8, 1, bias=False))
    assert 'no last bias' in make_learner(D=D).tricks.on('wgan_gp').caution
    assert make_learner(D=D).tricks.on('wgan_gp', recentre=False).caution is None

def test_n_critic():
    "So many batches a step, whatever n_d is and becomes; together with a half step; off gives n_d back"
    learn = make_learner(n_d=3, n=400)
    learn.tricks.on('wgan_gp', n_critic=4); go(learn, 2)
    assert (learn.n_batches, learn.n_d_now) == (8, 4)
    learn.n_d = 7; go(learn, 1); assert learn.n_batches == 12
    learn.half_step('d'); go(learn, 1); assert learn.n_batches == 13
    learn.tricks.set('wgan_gp', n_critic=1); go(learn, 1); assert learn.n_batches == 14
    learn.tricks.off('wgan_gp'); go(learn, 1); assert learn.n_batches == 21

def test_one_owner():
    for a, b in (('wgan_gp', 'relativistic_gp'), ('relativistic_gp', 'wgan_gp')):
        learn = make_learner(tricks=[a]); go(learn, 1)
        with pytest.raises(Refused, match='sets the loss'): learn.tricks.on(b)
        with pytest.raises(Refused, match='sets the loss'): learn.set_loss('lsgan')
        learn.tricks.off(a); learn.tricks.on(b); go(learn, 1)
    learn = make_learner(tricks=['label_smoothing'])
    for name, _ in OWNERS:
        with pytest.raises(Refused, match='[Ll]abel smoothing'): learn.tricks.on(name)

def test_ramp_in_a_snapshot():
    "The ramp goes on where it stood"
    learn = make_learner(tricks=[(R1, dict(ramp=10))]); go(learn, 4)
    snap = learn.snapshot(); go(learn, 4); end = learn.state_hash()
    learn.restore(snap); go(learn, 4)
    assert learn.state_hash() == end

@pytest.mark.parametrize('at', [1, 3])
@pytest.mark.parametrize('name,kw,term', [('gradient_penalty', {}, 'gradient_penalty'), ('wgan_gp', dict(n_critic=1), 'wgan_gp'), ('relativistic_gp', {}, 'relativistic_gp')])
def test_ramp(name, kw, term, at, n=4):
    "From the switch on, whenever that is, the term begins at a fraction 1/(n + 1) of its weight, and has all of it n steps later"
    a, b = make_learner(), make_learner()
    for learn, ramp in ((a, 0), (b, n)):
        go(learn, at); learn.tricks.on(name, **kw, ramp=ramp); go(learn, 1)
    first = [learn.history[f'd_loss/{term}'].iloc[-1] for learn in (a, b)]
    assert first[1] == pytest.approx(first[0]/(n + 1), rel=1e-5) and b.tricks[name].since == at
    assert [round(b.tricks[name].risen(at + s)*(n + 1)) for s in range(7)] == [1, 2, 3, 4, 5, 5, 5]
