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
from ganlab.trick import Trick

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
    "Of itself it tells nothing: a gate at 0, and only while it trains"
    def __init__(self):
        super().__init__()
        self.g = nn.Parameter(torch.zeros(()))
    def forward(self, x): return x + self.g*(x - x.mean(0)) if self.training else x

class Functional(nn.Linear):
    def forward(self, x): return nn.functional.batch_norm(super().forward(x), None, None, training=True)

def hooked():
    D = mlp(width=8, depth=1, seed=0)[1]
    D.register_forward_hook(lambda m, x, y: y - y.mean())
    return D

D_WITH = dict(batch_norm=lambda: nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)), own=lambda: nn.Sequential(nn.Linear(2, 8), Compares(), nn.Linear(8, 1)),
              functional=lambda: nn.Sequential(Functional(2, 8), nn.Linear(8, 1)), packs=lambda: nn.Sequential(nn.Linear(2, 8), nn.Unflatten(0, (-1, 4)), nn.Flatten(0, 1), nn.Linear(8, 1)),
              hook=hooked, minibatch_stddev=lambda: mlp(width=8, depth=1, seed=0)[1], packing=lambda: mlp(width=8, depth=1, seed=0)[1])

@pytest.mark.parametrize('why', D_WITH)
def test_what_may_compare_goes_in_two(why):
    "To the bits of a learner without the option, whatever its weights are; and it is said once"
    dls, G, D = points()[0], points()[1], D_WITH[why]()
    tricks = [why] if why in ('minibatch_stddev', 'packing') else []
    two = GANLearner(dls, copy.deepcopy(G), copy.deepcopy(D), seed=0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        one = GANLearner(dls, copy.deepcopy(G), copy.deepcopy(D), seed=0, fused_d=True)
        for learn in (one, two):
            for t in tricks: learn.tricks.on(t)
            learn.fit_steps(5, progress=False)
    told = [str(w.message) for w in said if 'fused_d' in str(w.message)]
    assert len(told) == 1 and 'compare the samples of a batch' in told[0] and told[0].split(', so ')[0].endswith(why_two(one)) and not one.one_pass
    assert apart(one, two) == 0

def test_the_way_is_that_of_the_architecture():
    "A rewind, and a switch that touches nothing of D, leave it as it is"
    learn = GANLearner(*points(), seed=0, fused_d=True)
    learn.fit_steps(20, progress=False)
    h = learn.state_hash()
    learn.rewind(10)
    learn.fit_steps(10, progress=False)
    assert learn.one_pass and learn.state_hash() == h
    learn.tricks.on('minibatch_stddev'), learn.fit_steps(2, progress=False)
    assert not learn.one_pass
    learn.rewind(20)
    assert learn.one_pass and learn.state_hash() == h
    learn.tricks.on('feature_matching'), learn.tricks.on('lecam')
    assert learn.one_pass, 'terms leave D as it is'

class Cuts(Trick):
    name, title, number = 'cuts', 'Cuts', 900
    def inputs(self, x, ctx): return x[:, :1] if ctx.side == 'real' and ctx.step >= 3 else x

def test_a_trick_that_fails_is_named():
    learn = GANLearner(*points(), seed=0, fused_d=True, tricks=[Cuts])
    with pytest.raises(Exception, match='in Cuts: D does not take what Cuts makes of its samples'): learn.fit_steps(5, progress=False)

def test_sizes_that_differ_go_in_two():
    "A D that takes any size, and a trick that halves the reals"
    class Halves(Trick):
        name, title, number = 'halves', 'Halves', 900
        def inputs(self, x, ctx): return x[..., ::2, ::2] if ctx.side == 'real' else x
    D = nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.LeakyReLU(.2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))
    ends = []
    for fused in (True, False):
        dls, G, _ = images()
        learn = GANLearner(dls, G, copy.deepcopy(D), seed=0, fused_d=fused, tricks=[Halves])
        learn.fit_steps(3, progress=False)
        ends.append(learn)
    assert ends[0].one_pass and apart(*ends) == 0

def test_bad_value():
    with pytest.raises(ValueError, match="fused_d='no'; need True or False"): GANLearner(*points(), fused_d='no')

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
            if i == 6: m[0].weight.grad = None       # in one of the ways, all of a group
            step(opt)
            if i == 4: opt.load_state_dict(copy.deepcopy(opt.state_dict()))
            opt.zero_grad()
        ends.append((m.state_dict(), opt.state_dict()['state']))
    (w, s), (v, t) = ends
    assert all(w[k].equal(v[k]) for k in w) and all(s[i][k].equal(t[i][k]) for i in t for k in t[i]) and len(s) == len(t)

def test_a_group_without_gradients():
    "A layer that is held still from some step on, in a group of its own"
    dls, G, D = points()
    def per_layer(ps, lr): return torch.optim.Adam([dict(params=[p]) for p in ps], lr=lr, fused=True)
    learn = GANLearner(dls, G, D, seed=0, opt=per_layer)
    learn.fit_steps(3, progress=False)
    learn.tricks.on('freeze_d')
    learn.fit_steps(3, progress=False)
    assert learn.step == 6

def test_a_profiler_sees_it():
    m = net()
    opt = make_optimizer('adam', m, 1e-2, (.5, .9))
    for profiled in (False, True):
        m(torch.ones(1, 2)).sum().backward()
        if not profiled: take_step(opt)
    with torch.profiler.profile() as seen: take_step(opt)
    assert any('Optimizer.step#Adam.step' in e.key for e in seen.key_averages())

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

class Sloppy(torch.optim.Optimizer):
    "Writes into parameters as somebody does who knows that nothing is differentiated there; and remembers a number of its own"
    def __init__(self, ps, lr): super().__init__(ps, dict(lr=lr))
    def step(self):
        self.state['calls'] = self.state.get('calls', 0) + 1
        for g in self.param_groups:
            for p in g['params']: p.add_(p.grad, alpha=-g['lr'])

def test_an_optimiser_of_somebodys_own():
    learn = GANLearner(*points(), seed=0, opt=Sloppy)
    learn.fit_steps(3, progress=False)
    assert learn.step == learn.opt_d.state['calls'] == 3

def test_a_hook_may_write_into_the_weights():
    learn = GANLearner(*points(), seed=0)
    learn.opt_d.register_step_post_hook(lambda opt, *_: [p.clamp_(-.01, .01) for p in opt.param_groups[0]['params']])
    learn.fit_steps(3, progress=False)
    assert learn.step == 3 and max(p.abs().max() for p in learn.D.parameters()) <= .01
