"Optimisers with several groups: a rate that is asked for is the main group's, the others keep their ratio, and new layers learn at the main rate."
import warnings
import pytest, torch
from torch import nn
from fastai.callback.core import Callback
from ganlab.learner import GANLearner
from ganlab.record.run import Run
import ganlab.travel.fork, ganlab.presets, ganlab.travel.resume
from ganlab.panels.tricks import TrickPanel
from strangers import copies, go, groups_hold, make_learner, nets, unequal

def slow_start(ps, lr):
    "The first two tensors a hundred times slower"
    ps = list(ps)
    return torch.optim.Adam([dict(params=ps[:2], lr=lr/100), dict(params=ps[2:])], lr=lr, betas=(.5, .999))

def three_speeds(ps, lr):
    "The main group stands in the middle, and is not the one with the most weights"
    ps = sorted(ps, key=lambda p: -p.numel())
    return torch.optim.AdamW([dict(params=ps[:1], lr=lr/4), dict(params=ps[1:-1], weight_decay=0.), dict(params=ps[-1:], lr=lr/2)], lr=lr, betas=(.5, .999))

def by_size(ps, lr):
    "One rate, but no decay on vectors: of equally fast groups the larger is the main one"
    ps = list(ps)
    return torch.optim.AdamW([dict(params=[p for p in ps if p.ndim < 2], weight_decay=0.), dict(params=[p for p in ps if p.ndim > 1])], lr=lr, betas=(.5, .999))

OPTS = dict(slow_start=(slow_start, 1, [.01, 1.]), three_speeds=(three_speeds, 1, [.25, 1., .5]), by_size=(by_size, 1, [1., 1.]))
all_opts = pytest.mark.parametrize('opt', OPTS)

def rates(learn, key='g'): return [g['lr'] for g in getattr(learn, f'opt_{key}').param_groups]

def at(learn, main, opt, key='g'): assert rates(learn, key) == pytest.approx([main*r for r in OPTS[opt][2]], rel=1e-9)

def made(opt, kind='dcgan', **kw): return make_learner(kind, opt=OPTS[opt][0], **kw)

class Seen(Callback):
    "Notes the rates of both networks after each step"
    def before_fit(self): self.seen = []
    def after_batch(self): self.seen.append((rates(self.learn), rates(self.learn, 'd')))

def trained(learn, fn):
    with learn.quiet(), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        fn()

@all_opts
def test_a_rate_that_is_asked_for(opt):
    "Is never exceeded, is reached by the main group, and keeps every ratio; afterwards all is as it was"
    learn, s = made(opt, lr_g=1e-4, lr_d=4e-4), Seen()
    trained(learn, lambda: learn.fit(1, 8e-4, cbs=s))
    for g, d in s.seen:
        assert g == pytest.approx([2e-4*r for r in OPTS[opt][2]], rel=1e-9) and d == pytest.approx([8e-4*r for r in OPTS[opt][2]], rel=1e-9)
    trained(learn, lambda: learn.fit_one_cycle(1, 8e-4, cbs=s))
    assert .9*8e-4 < max(max(d) for _, d in s.seen) <= 8e-4*(1 + 1e-9)
    for g, d in s.seen: assert [v/max(g) for v in g] == pytest.approx(OPTS[opt][2], rel=1e-6) and max(d)/max(g) == pytest.approx(4, rel=1e-6)
    at(learn, 1e-4, opt); at(learn, 4e-4, opt, 'd')
    assert learn.lr == 4e-4

@all_opts
def test_tricks_that_set_or_scale_rates(opt):
    learn = made(opt); go(learn, 1)
    learn.tricks.on('ttur', lr_g=1e-4, lr_d=5e-4); at(learn, 1e-4, opt); at(learn, 5e-4, opt, 'd')
    learn.tricks.on('lr_decay', shape='linear', end=0, steps=10); go(learn, 5); learn.tricks.set('lr_decay', nets='G')
    at(learn, .5e-4, opt); at(learn, 5e-4, opt, 'd')
    learn.tricks.off('lr_decay'); learn.tricks.off('ttur'); at(learn, 2e-4, opt)
    learn.tricks.on('batch_size', bs=16, rates='linear'); at(learn, 4e-4, opt)
    learn.tricks.off('batch_size'); at(learn, 2e-4, opt)
    learn.tricks.on('betas', beta1_g=.1)
    assert {g['betas'] for g in learn.opt_g.param_groups} == {(.1, .99)}

@all_opts
def test_a_preset(opt):
    learn = made(opt)
    learn.tricks.preset('sagan' if 'sagan' in learn.tricks.presets else 'dcgan')
    want = learn.tricks['ttur']
    at(learn, want.lr_g, opt); at(learn, want.lr_d, opt, 'd')

@all_opts
def test_another_optimiser_keeps_the_groups(opt):
    learn = made(opt); go(learn, 3)
    members = [[id(p) for p in g['params']] for g in learn.opt_g.param_groups]
    learn.tricks.on('optimizer', opt_g='rmsprop', opt_d='sgd'); go(learn, 2)
    assert [[id(p) for p in g['params']] for g in learn.opt_g.param_groups] == members
    at(learn, 2e-4, opt)
    d = rates(learn, 'd'); assert [v/max(d) for v in d] == pytest.approx(OPTS[opt][2], rel=1e-6)
    learn.tricks.on('residual', net='G') if 'net' in learn.tricks['residual'].declared else learn.tricks.on('residual')
    assert len(learn.opt_g.param_groups[1]['params']) > len(members[1]) and len(learn.opt_g.param_groups[0]['params']) == len(members[0])
    learn.tricks.off('residual', now=True); learn.tricks.off('optimizer')
    assert [[id(p) for p in g['params']] for g in learn.opt_g.param_groups] == members
    at(learn, 2e-4, opt); at(learn, 2e-4, opt, 'd'); groups_hold(learn)

@all_opts
@pytest.mark.parametrize('trick', ['self_attention', 'residual', 'minibatch_stddev', 'dual_discriminator', 'style'])
@pytest.mark.part(2)
def test_new_layers_join_the_main_group(opt, trick):
    learn = made(opt); go(learn, 2)
    before = {k: [len(g['params']) for g in getattr(learn, f'opt_{k}').param_groups] for k in 'gd'}
    main = OPTS[opt][1]
    learn.tricks.on(trick); go(learn, 1)
    after = {k: [len(g['params']) for g in getattr(learn, f'opt_{k}').param_groups] for k in 'gd'}
    for k in 'gd': assert [n for i, n in enumerate(after[k][:len(before[k])]) if i != main] == [n for i, n in enumerate(before[k]) if i != main]
    assert sum(after['g']) + sum(after['d']) > sum(before['g']) + sum(before['d'])
    if trick == 'style': assert rates(learn)[-1] == pytest.approx(2e-4*learn.tricks['style'].lr_mult)
    learn.tricks.off(trick, now=True); go(learn, 1)
    assert {k: [len(g['params']) for g in getattr(learn, f'opt_{k}').param_groups] for k in 'gd'} == before
    groups_hold(learn)

def test_parameters_that_go_and_come_back():
    "D's BatchNorms have a group of their own; taken out and put back, they stand in it again"
    def apart(ps, lr):
        ps = list(ps)
        return torch.optim.Adam([dict(params=[p for p in ps if p.ndim > 1]), dict(params=[p for p in ps if p.ndim < 2], lr=lr/10)], lr=lr)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        D = nn.Sequential(nn.Conv2d(1, 4, 4, 2, 1), nn.LeakyReLU(.2), nn.Conv2d(4, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(.2), nn.Flatten(), nn.Linear(128, 1, bias=False))
    learn = make_learner('dcgan', D=D, opt=apart); go(learn, 4)
    members = lambda: [{id(p) for p in g['params']} for g in learn.opt_d.param_groups]
    was = members()
    learn.tricks.on('batch_norm', to_g=False, from_d=True); go(learn, 2)
    assert not isinstance(D[3], nn.BatchNorm2d) and id(D[2].bias) in members()[0]      # the bias that takes its place learns as its layer does
    learn.tricks.off('batch_norm', now=True); go(learn, 2)
    assert isinstance(D[3], nn.BatchNorm2d) and members() == was
    groups_hold(learn)

@all_opts
@pytest.mark.part(2)
def test_recorded_resumed_and_gone_back(opt, tmp_path):
    learn = made(opt, run=tmp_path/'a')
    go(learn, 4); learn.tricks.on('ttur'); learn.tricks.on('self_attention'); go(learn, 3)
    learn.opt_g.param_groups[0]['lr'] *= 3
    trained(learn, lambda: learn.fit(1, 1e-3)); was, step = learn.state_hash(), learn.step
    learn.run.close()
    again = GANLearner.resume(tmp_path/'a', learn.dls, *nets('dcgan'), opt=OPTS[opt][0])
    assert again.step == step and again.state_hash() == was and rates(again) == pytest.approx(rates(learn))
    again.run.close()
    assert Run.open(tmp_path/'a').replay(learn.dls, *nets('dcgan'), opt=OPTS[opt][0]).state_hash() == was
    edited = [c for c in Run.open(tmp_path/'a').changes if c.kind == 'rates']
    assert [(c.params['net'], c.params['group'], c.params['key']) for c in edited] == [('g', 0, 'lr')]

@all_opts
def test_lr_find(opt):
    learn = made(opt); go(learn, 2); was = learn.state_hash()
    trained(learn, lambda: learn.lr_find(num_it=25, show_plot=False, suggest_funcs=None))
    assert learn.state_hash() == was
    at(learn, 2e-4, opt)

def test_the_panel_says_the_range():
    "One number where all layers of a network have the same"
    learn = made('slow_start'); panel = TrickPanel(learn)
    assert panel.rates == 'G 2e-06 to 0.0002, D 2e-06 to 0.0002'
    panel.heard(dict(do='on', name='ttur', params=dict(lr_d=4e-4, lr_g=1e-4)))
    assert panel.rates == 'G 1e-06 to 0.0001, D 4e-06 to 0.0004'
    assert TrickPanel(make_learner('dcgan')).rates == 'G 0.0002, D 0.0002' == TrickPanel(made('by_size')).rates

def test_a_rate_of_zero_in_the_first_group():
    "Layers that are held still stay so, and the others follow"
    def frozen(ps, lr):
        ps = list(ps)
        return torch.optim.SGD([dict(params=ps[:2], lr=0.), dict(params=ps[2:])], lr=lr)
    learn, s = make_learner('dcgan', opt=frozen), Seen(); was = copies(learn)
    trained(learn, lambda: learn.fit(1, 1e-3, cbs=s))
    assert s.seen[-1][0] == pytest.approx([0., 1e-3])
    learn.tricks.on('ttur', lr_g=1e-4, lr_d=1e-4); assert rates(learn) == pytest.approx([0., 1e-4])
    still = {n for n, p in learn.G.named_parameters() if any(p is o for o in learn.opt_g.param_groups[0]['params'])}
    assert not {n for n in unequal(was, copies(learn)) if n.removeprefix('g/') in still}
