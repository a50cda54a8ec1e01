"Reals and fakes in one pass through D are what they are in two, where they may; and a step of Adam's kernel alone is a step of Adam"
import copy, warnings
import pytest, torch
from torch import nn
from ganlab.data import ring_dls, tensor_dls
from ganlab.engine.adam_step import take_step
from ganlab.engine.scores import why_two
from ganlab.engine.optimizers import make_optimizer
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp

def sgd(ps, lr): return torch.optim.SGD(ps, lr=lr)
def points(): return ring_dls(n=500, bs=32), *mlp(width=16, depth=2, seed=0)
def images(y=None):
    x = torch.rand(40, 1, 16, 16, generator=torch.Generator().manual_seed(0))*2 - 1
    return tensor_dls(x, 8, y=y), *dcgan(16, 1, z_dim=4, width=4, seed=0)

pytestmark = pytest.mark.filterwarnings('ignore:samples cannot be drawn')       # of networks in float64

def new(parts, fused, **kw):
    dls, G, D = parts
    for dl in dls.loaders: dl.x = dl.x.double()
    return GANLearner(dls, G.double(), D.double(), seed=0, opt=sgd, lr_g=.05, lr_d=.05, latent=lambda n, g: torch.randn(n, G.z_dim, generator=g, dtype=torch.double),
                      fused_d=fused, **kw)

def apart(a, b): return max((p - q).abs().max().item() for m, n in ((a.G, b.G), (a.D, b.D)) for p, q in zip(m.parameters(), n.parameters()))

@pytest.mark.parametrize('tricks', [(), ('label_smoothing', 'instance_noise', 'gradient_penalty'), ('lecam', 'label_flip', 'orthogonal'), ('replay_buffer', 'wgan_gp')], ids=str)
@pytest.mark.parametrize('parts', [points, images], ids=lambda f: f.__name__)
def test_the_same_as_two(parts, tricks):
    one, two = (new(parts(), fused) for fused in (True, False))
    for learn in (one, two):
        learn.fit_steps(4, progress=False)
        for t in tricks: learn.tricks.on(t)
        learn.fit_steps(8, progress=False)
    assert one.one_pass and not two.one_pass and apart(one, two) <= 1e-9
    for name in ('d_loss', 'd_real', 'd_fake'): assert one.record.array(name) == pytest.approx(two.record.array(name), rel=1e-4, abs=1e-6)

def test_with_spectral_norm():
    "One power iteration a pass, so that the estimates are a little apart"
    one, two = (new(points(), fused, tricks=[('spectral_norm', dict(soft_start=0))]) for fused in (True, False))
    for learn in (one, two): learn.fit_steps(8, progress=False)
    assert one.one_pass and 0 < apart(one, two) <= 1e-3

def test_with_labels():
    y = torch.arange(40) % 3
    one, two = (new(images(y), fused, tricks=['projection']) for fused in (True, False))
    for learn in (one, two): learn.fit_steps(8, progress=False)
    assert one.one_pass and apart(one, two) <= 1e-9

class Compares(nn.Module):
    def forward(self, x): return x - x.mean(0)

@pytest.mark.parametrize('why, D, tricks', [('BatchNorm', nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)), ()), ('Minibatch', mlp(width=8, depth=1, seed=0)[1], ['minibatch_stddev']),
                                            ('stands beside it', nn.Sequential(nn.Linear(2, 8), Compares(), nn.Linear(8, 1)), ())], ids=str)
def test_what_compares_goes_in_two(why, D, tricks):
    "To the bits of a learner without the option, and it is said"
    dls, G, _ = points()
    two = GANLearner(dls, copy.deepcopy(G), copy.deepcopy(D), seed=0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        one = GANLearner(dls, copy.deepcopy(G), copy.deepcopy(D), seed=0, fused_d=True)
        for learn in (one, two):
            for t in tricks: learn.tricks.on(t)
            learn.fit_steps(5, progress=False)
    told = [str(w.message) for w in said if 'fused_d' in str(w.message)]
    assert len(told) == 1 and why in told[0] and why in why_two(one) and not one.one_pass
    assert apart(one, two) == 0

def test_it_goes_with_the_record(tmp_path):
    learn = GANLearner(*points(), seed=0, fused_d=True, run=tmp_path/'a')
    learn.fit_steps(6, progress=False)
    h = learn.state_hash()
    learn.run.to_python(tmp_path/'a.py')
    learn.run.close()
    assert 'fused_d=True' in (tmp_path/'a.py').read_text()
    again = GANLearner.resume(tmp_path/'a', *points(), progress=False, step=3)
    again.fit_steps(3, progress=False)
    assert again.one_pass and again.state_hash() == h
    again.run.close()

# --- Adam's kernel

def net(): torch.manual_seed(0); return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
def adam(ps): return torch.optim.Adam(ps, lr=1e-2, betas=(.5, .9), fused=True)
def groups(ps):
    a, *rest = ps
    return torch.optim.Adam([dict(params=[a], lr=.5, weight_decay=.1), dict(params=rest)], lr=1e-2, fused=True)
WAYS = dict(plain=adam, groups=groups, amsgrad=lambda ps: torch.optim.Adam(ps, lr=1e-2, amsgrad=True, fused=True), slow=lambda ps: torch.optim.Adam(ps, lr=1e-2),
            adamw=lambda ps: torch.optim.AdamW(ps, lr=1e-2, fused=True), of_tensor=lambda ps: torch.optim.Adam(ps, lr=torch.tensor(1e-2), fused=True))

@pytest.mark.parametrize('way', WAYS)
def test_a_step_is_a_step(way):
    "Some gradients are missing now and then, and the optimiser is loaded in between"
    ends = []
    for step in (take_step, lambda opt: opt.step()):
        m = net()
        opt = WAYS[way](list(m.parameters()))
        for i in range(9):
            m(torch.randn(16, 2, generator=torch.Generator().manual_seed(i))).square().mean().backward()
            if i % 4 == 2: m[0].bias.grad = None
            step(opt)
            if i == 4: opt.load_state_dict(copy.deepcopy(opt.state_dict()))
            opt.zero_grad()
        ends.append((m.state_dict(), opt.state_dict()['state']))
    (w, s), (v, t) = ends
    assert all(w[k].equal(v[k]) for k in w) and all(s[i][k].equal(t[i][k]) for i in t for k in t[i]) and len(s) == len(t)

def test_whoever_listens_is_heard():
    m, heard = net(), []
    opt = make_optimizer('adam', m, 1e-2, (.5, .9))
    def go():
        m(torch.ones(1, 2)).sum().backward()
        take_step(opt)
    go()
    hook = opt.register_step_post_hook(lambda *_: heard.append('hook'))
    go()
    hook.remove()
    scheduler = torch.optim.lr_scheduler.StepLR(opt, 1, .5)
    go()
    with warnings.catch_warnings():
        warnings.simplefilter('error')       # PyTorch warns where it has seen no step
        scheduler.step()
    assert heard == ['hook'] and opt.param_groups[0]['lr'] == 5e-3
