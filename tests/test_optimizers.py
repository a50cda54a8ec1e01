"One table of what optimisers remember: PyTorch's go over into each other, and one from outside does all that they do."
import pytest, torch
from torch import nn
from ganlab.engine.optimizers import OptimizerKind, add_optimizer, akin, kind_of, make_optimizer, optimizers, scale_moments
from ganlab.engine.change import Refused
from strangers import go, groups_hold, make_learner

# From outside: Lion (Chen 2023, 2302.06675)

class Lion(torch.optim.Optimizer):
    def __init__(self, ps, lr=1e-4, betas=(.9, .99), weight_decay=0.): super().__init__(ps, dict(lr=lr, betas=betas, weight_decay=weight_decay))
    @torch.no_grad()
    def step(self, closure=None):
        for g in self.param_groups:
            for p in g['params']:
                if p.grad is None: continue
                w, self.state[p] = LionKind().update(p, p.grad, self.state[p], g)
                p.copy_(w)

class LionKind(OptimizerKind):
    name, cls, moments, decoupled = 'lion', Lion, dict(exp_avg=1), True
    def make(self, ps, lr, momentum, smoothing): return Lion(ps, lr, (momentum, smoothing))
    def update(self, w, g, s, o):
        m, (b1, b2) = s.get('exp_avg', torch.zeros_like(g)), o['betas']
        return w*(1 - o['lr']*o['weight_decay']) - o['lr']*(b1*m + (1 - b1)*g).sign(), dict(exp_avg=b2*m + (1 - b2)*g)
    def recall(self, o, s): return 0., s.get('exp_avg'), None
    def keep(self, o, t, m, v): return {} if m is None else dict(exp_avg=m.clone())

@pytest.fixture
def lion():
    add_optimizer(LionKind)
    yield optimizers['lion']
    del optimizers['lion']

def test_lion_from_outside(lion):
    "By name in a learner; taken over from Adam and given back; its memory in snapshots; unrolled, and refused where nothing is known"
    learn = make_learner(opt='lion', lr_d=1e-4, lr_g=1e-4); go(learn, 3)
    assert isinstance(learn.opt_d, Lion) and learn.opt_d.param_groups[0]['betas'] == (.5, .999)
    learn.tricks.on('unrolled', steps=2); go(learn, 2); learn.tricks.off('unrolled')
    with pytest.raises(Refused, match="D's optimiser is Lion"): learn.tricks.on('optimistic')
    snap, at = learn.snapshot(), learn.state_hash(); go(learn, 3)
    end = learn.state_hash(); learn.restore(snap)
    assert learn.state_hash() == at
    go(learn, 3); assert learn.state_hash() == end

def test_lion_takes_over(lion):
    learn = make_learner(); go(learn, 4)
    old, m = learn.opt_d, {p: s['exp_avg']/(1 - .5**4) for p, s in learn.opt_d.state.items()}
    assert 'lion' in learn.tricks['optimizer'].declared['opt_d'].allowed
    learn.tricks.on('optimizer', opt_d='lion', opt_g='keep', momentum=.9, decay=.1)
    assert isinstance(learn.opt_d, Lion) and learn.opt_d.param_groups[0]['weight_decay'] == .1
    for p, s in learn.opt_d.state.items(): torch.testing.assert_close(s['exp_avg'], m[p])
    go(learn, 3); groups_hold(learn)
    now = {p: s['exp_avg'] for p, s in learn.opt_d.state.items()}
    learn.tricks.set('optimizer', opt_d='rmsprop')         # it keeps no squares: those of the latest gradients stand in
    assert learn.opt_d.state.keys() == now.keys() and learn.opt_d.param_groups[0]['weight_decay'] == 0
    snap, at = learn.snapshot(), learn.state_hash()
    learn.tricks.set('optimizer', opt_d='lion'); go(learn, 1); learn.restore(snap); assert learn.state_hash() == at
    learn.tricks.off('optimizer'); assert learn.opt_d is old and old.param_groups[0]['weight_decay'] == 0
    go(learn, 2); groups_hold(learn)

@pytest.mark.parametrize('name', ['adam', 'adamw', 'rmsprop', 'sgd', 'lion'])
def test_update_is_the_step(name, lion):
    "What a kind says its update is, its optimiser does, from the start and later; where it went too"
    kind, w = optimizers[name], nn.Parameter(torch.randn(5, generator=torch.Generator().manual_seed(0)))
    opt = kind.make([w], .1, .5, .9)
    for g in torch.randn(4, 5, generator=torch.Generator().manual_seed(1)):
        was, s, o = w.detach().clone(), {k: v.clone() for k, v in opt.state[w].items()}, opt.param_groups[0]
        w.grad = g.clone(); opt.step()
        want, state = kind.update(was, g, s, o)
        torch.testing.assert_close(w.detach(), want)
        assert set(kind.moments) & set(state) == set(kind.moments) & set(opt.state[w])
        for k in set(kind.moments) & set(state): torch.testing.assert_close(opt.state[w][k], state[k])
        if kind.direction:
            bare = was*(1 - o['lr']*o['weight_decay']) if kind.decoupled else was
            torch.testing.assert_close(bare - o['lr']*kind.direction(g, opt.state[w], o), w.detach())

@pytest.mark.parametrize('name', ['adam', 'adamw', 'rmsprop', 'sgd', 'lion'])
def test_memory_follows_a_scaled_weight(name, lion):
    "A weight c times itself has gradients of 1/c times the size, and so is what is remembered: as if it had been so always"
    gs = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    def after(scale):
        w = nn.Parameter(torch.zeros(4)); opt = optimizers[name].make([w], .1, .5, .9)
        for g in gs: w.grad = g/scale; opt.step()
        return opt, w
    (opt, w), (want, v) = after(1.), after(4.)
    scale_moments(opt, w, torch.full((4,), 4.))
    for k, power in optimizers[name].moments.items():
        if k in opt.state[w]: torch.testing.assert_close(opt.state[w][k], want.state[v][k])
    assert 'step' not in opt.state[w] or opt.state[w]['step'] == want.state[v]['step']

def test_strangers_memory():
    "An optimiser of a class that nobody has described keeps it as the first kind does that uses its keys, or unknown to us"
    w = nn.Parameter(torch.ones(3)); opt = torch.optim.NAdam([w])
    w.grad = torch.ones(3); opt.step()
    assert kind_of(opt) is None and akin(opt, opt.state[w]) is optimizers['adam']
    ada = torch.optim.Adagrad([w]); ada.step()
    assert akin(ada, ada.state[w]).moments == {} and akin(ada, ada.state[w]).recall({}, ada.state[w])[1:] == (None, None)

def test_adamw_decays_beside():
    "Chosen in mid-training it decays weights beside the gradient, by `decay`; off, and on to another, leave no decay behind"
    learn = make_learner(); go(learn, 3); old = learn.opt_d
    learn.tricks.on('optimizer', opt_d='adamw', opt_g='keep', momentum=.5, smoothing=.999, decay=.2)
    assert type(learn.opt_d) is torch.optim.AdamW and learn.opt_d.param_groups[0]['weight_decay'] == .2
    twin = make_learner(); go(twin, 3); go(learn, 1); go(twin, 1)
    lr = learn.opt_d.param_groups[0]['lr']
    start = make_learner(); go(start, 3)
    for p, q, w in zip(learn.D.parameters(), twin.D.parameters(), start.D.parameters()): torch.testing.assert_close(p, q - lr*.2*w, rtol=1e-5, atol=1e-7)
    learn.tricks.set('optimizer', decay=.1); assert learn.opt_d.param_groups[0]['weight_decay'] == .1
    learn.tricks.set('optimizer', opt_d='sgd'); assert learn.opt_d.param_groups[0]['weight_decay'] == 0
    learn.tricks.set('optimizer', opt_d='adamw'); go(learn, 1); learn.tricks.off('optimizer')
    assert learn.opt_d is old and old.param_groups[0]['weight_decay'] == 0

def test_what_is_no_kind():
    for kind, error in ((object, TypeError), (OptimizerKind, ValueError), (type('A', (LionKind,), dict(name='adam')), ValueError), (type('K', (LionKind,), dict(name='keep')), ValueError)):
        before = dict(optimizers)
        with pytest.raises(error): add_optimizer(kind)
        assert optimizers == before
    with pytest.raises(ValueError, match="need one of 'adam', 'adamw', 'rmsprop', 'sgd', or a function"): make_optimizer('lion', nn.Linear(1, 1), .1, (.5, .9))
