"What a stranger found by trying to break the switches."
import pytest, torch
from torch import nn
from ganlab.data import tensor_dls
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from ganlab.losses import LSGAN
from ganlab.nets import dcgan
from ganlab.engine.change import Refused
from ganlab.trick import Trick
from strangers import conv_d, copies, data, go, groups_hold, make_learner, nets, one_sentence

def grower(**kw): return GANLearner(tensor_dls(data(32), 8), *dcgan(16, 1, 6, 4, bn_d=True), seed=0, **kw)

def test_a_longer_soft_start_goes_on_from_where_it_stands():
    "Spectral norm's value may be changed while it is on: D(x) does not jump"
    learn = make_learner(); learn.tricks.on('spectral_norm', scale=.3, soft_start=4); go(learn, 12)
    was = learn.score(data())
    for n in (2000, 3): learn.tricks.set('spectral_norm', soft_start=n); assert torch.allclose(was, learn.score(data()), atol=1e-6)

def test_moments_follow_the_weight_that_spectral_norm_leaves():
    learn = make_learner(); go(learn, 5); learn.tricks.on('spectral_norm', soft_start=0, scale=.5); go(learn, 20)
    m = next(m for m in learn.D.modules() if hasattr(m, 'parametrizations'))
    raw, mom = m.parametrizations.weight.original, None
    before, state = raw.detach().clone(), {k: v.clone() for k, v in learn.opt_d.state[raw].items()}
    learn.tricks.off('spectral_norm')
    c = (m.weight/before).flatten()[0].item()
    after = learn.opt_d.state[m.weight]
    assert abs(c - 1) > .05 and torch.allclose(after['exp_avg']*c, state['exp_avg'], rtol=1e-4, atol=1e-12) and torch.allclose(after['exp_avg_sq']*c*c, state['exp_avg_sq'], rtol=1e-4, atol=1e-20)

@pytest.mark.parametrize('name,params,kind', [('minibatch_stddev', dict(leave_over=20), 'dcgan'), ('virtual_batch_norm', dict(over=20), 'dcgan'), ('self_attention', dict(leave_over=20), 'dcgan')])
@pytest.mark.part(2)
def test_off_again_while_it_leaves(name, params, kind):
    "It does not begin anew, and is not logged twice"
    learn = make_learner(kind); learn.tricks.on(name, **params); go(learn, 25)
    for _ in range(5): learn.tricks.off(name); go(learn, 6)
    assert not learn.tricks[name].enabled and [c.kind for c in learn.tricks.log] == ['on', 'off']

def test_growth_that_leaves_keeps_leaving():
    learn = grower(); learn.tricks.on('progressive_growing', fade=10, hold=0); go(learn, 12)
    t = learn.tricks['progressive_growing']
    learn.tricks.off(t.name); go(learn, 7); at = t.alphas()
    learn.tricks.off(t.name); go(learn, 1)
    assert t.alphas()[0] < at[0]

@pytest.mark.parametrize('name,then,now', [('self_attention', dict(net='D', layer='0'), dict(net='D', layer='1')), ('style', dict(width=8), dict(width=16)), ('minibatch_stddev', dict(layer='0'), dict(layer='2')),
                                           ('virtual_batch_norm', dict(net='G'), dict(net='D'))])
@pytest.mark.part(2)
def test_a_snapshot_of_another_structure(name, then, now):
    "The networks are built anew, as they were; and back again"
    learn = GANLearner(tensor_dls(data(16), 8), *dcgan(16, 1, 6, 4, bn_d=True), seed=0); learn.tricks.on(name, **then); go(learn, 2)
    snap, at = learn.snapshot(), learn.state_hash()
    learn.tricks.off(name, now=True); learn.tricks.on(name, **now)
    other, was = learn.snapshot(), learn.state_hash()
    learn.restore(snap); assert learn.state_hash() == at and learn.tricks[name].params | then == learn.tricks[name].params
    go(learn, 2); end = learn.state_hash(); groups_hold(learn)
    learn.restore(other); assert learn.state_hash() == was
    learn.restore(snap); go(learn, 2); assert learn.state_hash() == end

def test_growth_and_a_reference_batch_in_d():
    "Refused both ways round"
    learn = grower(); learn.tricks.on('progressive_growing', fade=4, width=4)
    with pytest.raises(Refused, match='reference batch'): learn.tricks.on('virtual_batch_norm', net='D', n=8)
    go(learn, 1)
    learn = grower(); learn.tricks.on('virtual_batch_norm', net='D', n=8)
    with pytest.raises(Refused, match='reference batch'): learn.tricks.on('progressive_growing', fade=4, width=4)
    go(learn, 1)

class OldAdam(torch.optim.Optimizer):
    "Counts its steps in an int, as optimisers did"
    def __init__(self, ps, lr): super().__init__(ps, dict(lr=lr))
    def step(self):
        for g in self.param_groups:
            for p in g['params']:
                if p.grad is None: continue
                s = self.state[p]
                if not s: s['step'], s['m'] = 0, torch.zeros_like(p)
                s['step'] += 1
                s['m'].mul_(.9).add_(p.grad, alpha=.1)
                p.data.add_(s['m'], alpha=-g['lr']/(1 - .9**s['step']))

def test_an_optimiser_that_counts_in_ints(tmp_path):
    learn = make_learner(opt=lambda ps, lr: OldAdam(ps, lr), path=tmp_path); go(learn, 3)
    snap, at = learn.snapshot(), learn.state_hash(); learn.save('a'); go(learn, 3); end = learn.state_hash()
    learn.restore(snap); assert learn.state_hash() == at
    go(learn, 3); assert learn.state_hash() == end
    fresh = make_learner(opt=lambda ps, lr: OldAdam(ps, lr), path=tmp_path).load('a')
    assert all(s['step'] == 3 for s in fresh.opt_d.state.values()) and not set(copies(fresh)) ^ {n for n in snap.tensors if not n.startswith('trick/')}

def test_optimisers_that_do_not_go():
    for opt, word in ((lambda ps, lr: torch.optim.Adam([*ps, nn.Parameter(torch.ones(()))], lr=lr), 'not its network'), (lambda ps, lr: torch.optim.LBFGS(ps, lr=lr), 'LBFGS')):
        with pytest.raises(ValueError, match=word) as e: make_learner(opt=opt)
        one_sentence(e.value)

def test_networks_that_share_a_weight():
    G, D = nets('mlp')
    next(m for m in G if isinstance(m, nn.Linear) and m.weight.shape == (16, 16)).weight = next(m for m in D if isinstance(m, nn.Linear) and m.weight.shape == (16, 16)).weight
    with pytest.raises(ValueError, match='also a parameter of G') as e: make_learner(G=G, D=D, z_dim=3)
    one_sentence(e.value)

def test_spectral_norm_says_what_it_cannot_know():
    class Eq(nn.Module):
        def __init__(self, a, b): super().__init__(); self.weight = nn.Parameter(torch.randn(b, a))
        def forward(self, x): return x @ self.weight.T
    learn = make_learner(D=nn.Sequential(Eq(2, 16), nn.ReLU(), nn.Linear(16, 1)), z_dim=3)
    assert "D's Eq layers are of a kind of its own" in learn.tricks.on('spectral_norm').sentence

def test_one_sided_smoothing_leaves_the_other_side():
    learn = make_learner(loss=LSGAN(real=1., fake=-1., gen=0.)); learn.tricks.on('one_sided_label_smoothing')
    assert (learn.loss_now.real, learn.loss_now.fake) == (.9, -1.)
    learn.tricks.on('label_smoothing'); assert (learn.loss_now.real, learn.loss_now.fake) == (.9, -1.)

def test_level_after_a_critic():
    "A critic's scores may lie anywhere; a loss with targets begins with them around 0"
    learn = make_learner(loss='wasserstein'); go(learn, 2)
    with torch.no_grad(): learn.D[-2].bias.add_(30)
    go(learn, 1); learn.set_loss('hinge'); go(learn, 1)
    assert abs(learn.history[['d_real', 'd_fake']].iloc[-1].mean()) < 1

class Slotted(Trick):
    name, title, number = 'slotted', 'Slotted', 950

@pytest.mark.parametrize('slot,f,says', [('inputs', lambda self, x, ctx: x[:3], 'inputs gave'), ('inputs', lambda self, x, ctx: None, 'inputs gave None'), ('fakes', lambda self, x, ctx: None, 'fakes gave None'),
    ('scores', lambda self, l, ctx: None, 'scores gave None'), ('loss', lambda self, base: None, 'loss gave None'), ('factors', lambda self, step, base: dict(lr_D=2.), 'factors gave'),
    ('factors', lambda self, step, base: dict(lr_d=float('nan')), 'factors gave'), ('around_g', lambda self, update, ctx: None, 'around_g did not call'), ('around_d', lambda self, update, ctx: None, 'around_d did not call'),
    ('around_step', lambda self, updates, ctx: None, 'around_step gave None'), ('around_step', lambda self, updates, ctx: updates() and None, 'around_step gave None')])
def test_a_slot_that_gives_the_wrong_thing(slot, f, says):
    "The trick is named, and what it should have given"
    cls = type('Mine', (Slotted,), {slot: f})
    learn = make_learner(); learn.tricks.add(cls); go(learn, 1)
    with pytest.raises((StepError, Refused)) as e: learn.tricks.on('slotted'); go(learn, 1)
    assert says in one_sentence(e.value) and 'Slotted' in str(e.value)

def test_a_layer_that_did_not_run():
    class Sometimes(nn.Module):
        def __init__(self): super().__init__(); self.a, self.b, self.c = nn.Linear(2, 8), nn.Linear(8, 8), nn.Linear(8, 1)
        def forward(self, x): h = self.a(x).relu(); return self.c(h if self.training else self.b(h))
    learn = make_learner(D=Sometimes(), z_dim=3); learn.tricks.on('feature_matching', layer='b')
    with pytest.raises(StepError, match='did not run') as e: go(learn, 1)
    assert e.value.culprit == 'feature_matching'

def test_d_that_gives_several_things_in_training():
    class Two(nn.Module):
        def __init__(self): super().__init__(); self.net = nets('mlp')[1]
        def forward(self, x): return dict(features=x) if self.training else self.net(x)
    with pytest.raises(StepError, match='D gives a dict for 8 samples') as e: go(make_learner(D=Two(), z_dim=3), 1)
    one_sentence(e.value)

def test_validation_is_of_the_loss_in_force():
    learn = make_learner(tricks=[('wgan_gp', dict(n_critic=1))]); go(learn, 3)
    a = learn.validate(); learn.tricks.off('wgan_gp'); assert a != learn.validate() and abs(a) < .5 < learn.validate()

def test_the_log_is_that_of_the_snapshot():
    learn = make_learner(tricks=['ttur']); go(learn, 3)
    snap = learn.snapshot(); learn.tricks.set('ttur', lr_d=1e-3); learn.restore(snap)
    assert [c.kind for c in learn.tricks.log] == ['on'] and learn.tricks['ttur'].lr_d == 4e-4

def test_looking_moves_no_counter():
    class Counter(nn.Module):
        def __init__(self): super().__init__(); self.net = conv_d(); self.register_buffer('n', torch.zeros(()))
        def forward(self, x): self.n += 1; return self.net(x)
    learn = make_learner('dropout', D=Counter())
    was = learn.state_hash()
    learn.score(data(16)[:4]), learn.sample(4), learn.tricks.why_not('feature_matching'), learn.tricks.why_not('self_attention')
    assert learn.state_hash() == was and learn.D.n == 0

def test_an_edit_under_an_owner_says_so():
    learn = make_learner(tricks=['ttur']); go(learn, 1)
    learn.opt_d.param_groups[0]['lr'] = 5e-5; go(learn, 1)
    assert 'TTUR' in learn.tricks.log[-1].sentence
