"Dropout, BatchNorm, LeakyReLU, residual blocks, packing, re-initialisation and checkpointing, in networks as strangers write them and of 64 pixels."
from copy import deepcopy
import pytest, torch
from torch import nn
from torch.nn import functional as F
from ganlab.nets import dcgan, resnet
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.engine.surgery import hosts
from ganlab.engine.change import Refused
from strangers import MAKERS, STRANGERS, conv_d, copies, go, groups_hold, in_turn, make_learner, net_state, one_sentence, unequal
from test_grafts import MORE, gap, learner, new_tensors, outputs

GROWS = ['dropout', 'batch_norm', 'leaky_relu', 'residual', 'packing']
KINDS = ['mlp', 'dcgan', 'resnet', *STRANGERS, *MORE]

def big(kind):
    "64 pixels, few channels"
    torch.manual_seed(1)
    G, D = dict(dcgan=lambda: dcgan(64, 3, 6, 2), resnet=lambda: resnet(64, 3, 6, 2))[kind]()
    if kind == 'dcgan': G = nn.Sequential(*[m for m in G if not isinstance(m, nn.BatchNorm2d)]); [nn.init.kaiming_normal_(m.weight) for m in [*G, *D] if hasattr(m, 'weight')]
    x = torch.rand(16, 3, 64, 64, generator=torch.Generator().manual_seed(0))*2 - 1
    return GANLearner(tensor_dls(x, 4), G, D, z_dim=6, lr_g=1e-3, lr_d=1e-3)

NOTHING_THERE = dict(batch_norm='has a BatchNorm behind each', leaky_relu='cannot be reached')    # the only reasons that end a test

def on(learn, name, **params):
    try: learn.tricks.on(name, **params)
    except Refused as e:
        if NOTHING_THERE.get(name, '?') not in one_sentence(e): raise
        pytest.skip(str(e))

@pytest.mark.parametrize('kind', ['dcgan', 'resnet'])
@pytest.mark.parametrize('name', GROWS)
@pytest.mark.part(6)
def test_64_pixels(name, kind):
    learn = big(kind); go(learn, 2)
    was = outputs(learn)
    on(learn, name, **(dict(net='G') if name == 'leaky_relu' else {}))
    assert gap(was, outputs(learn)) <= 1e-5 and max(o.std() for o in was) > 1e-3
    go(learn, 2); groups_hold(learn)
    learn.tricks.off(name, now=True); go(learn, 1); groups_hold(learn)

@pytest.mark.parametrize('name,kind', in_turn(['batch_norm', 'residual', 'packing'], KINDS, 3))
@pytest.mark.part(3)
def test_silent_then_alive(name, kind):
    "As before at the switch; 60 steps later each new tensor has moved, and changing it changes what comes out"
    learn = learner(kind, lr_g=1e-3, lr_d=1e-3)
    was = outputs(learn)
    on(learn, name, **(dict(width=4) if name == 'residual' else {}))
    assert gap(was, outputs(learn)) <= 1e-5
    before = {n: p.detach().clone() for n, p in new_tensors(learn).items()}
    go(learn, 60 if kind != 'resnet' else 25)
    groups_hold(learn)
    was = outputs(learn)
    for n, p in new_tensors(learn).items():
        assert not torch.equal(p, before[n]), f'{n} has not moved'
        own = p.detach().clone()
        with torch.no_grad(): p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(0))*.3)
        assert gap(was, outputs(learn)) > 1e-7, f'{n} does not matter'
        with torch.no_grad(): p.copy_(own)

@pytest.mark.parametrize('name,kind', in_turn(['residual', 'packing', 'dropout'], KINDS, 4))
@pytest.mark.part(3)
def test_gone_without_a_jump(name, kind):
    learn = learner(kind, lr_g=1e-3, lr_d=1e-3)
    clean = set(copies(learn))
    on(learn, name); go(learn, 5)
    for m in learn.tricks[name].parts(learn):
        if hasattr(m, 'gate'): m.gate.fill_(0.)
    was = outputs(learn)
    learn.tricks.off(name, now=True)
    assert gap(was, outputs(learn)) <= 1e-5 and set(copies(learn)) == clean
    for net in (learn.G, learn.D):
        for m in net.modules(): assert not m._forward_hooks and not m._forward_pre_hooks
    groups_hold(learn); go(learn, 1)

# Dropout

@pytest.mark.parametrize('kind', KINDS)
def test_dropout_is_seen_in_training_only(kind):
    learn = learner(kind); was = learn.score(learn.source.batch(0))
    on(learn, 'dropout', p=.5, ramp=0)
    assert torch.equal(was, learn.score(learn.source.batch(0)))
    D, x = deepcopy(learn.D).train(), learn.source.batch(0)
    draw = lambda seed: (torch.manual_seed(seed), D(x.clone()))[1]
    assert torch.equal(draw(0), draw(0)) and not torch.equal(draw(0), draw(1))

def test_dropout_beside_those_that_repeat_d():
    learn = make_learner('dcgan', tricks=['dropout', 'unrolled', 'gradient_penalty']); go(learn, 3)
    again = make_learner('dcgan', tricks=['dropout', 'unrolled', 'gradient_penalty']); go(again, 3)
    assert learn.state_hash() == again.state_hash()

# BatchNorm

@pytest.mark.parametrize('kind', ['mlp', 'skip', 'loop', 'tied', 'groups', 'tokens'])
def test_batch_norm_leaves_without_a_jump(kind):
    "Folded where that is right, else faded out; G keeps the names it had"
    learn = learner(kind, lr_g=1e-3); names = list(learn.G.state_dict())
    on(learn, 'batch_norm', leave_over=4); go(learn, 10)
    t, was = learn.tricks['batch_norm'], learn.sample(16)
    fits = [t.folds(learn, h, False) for h in hosts(learn.G, 'batch_norm')]
    assert gap([was], [learn.sample(16)]) == 0, 'trying a fold leaves nothing behind'
    learn.tricks.off('batch_norm')
    assert t.enabled == (not all(fits))
    if all(fits): assert gap([was], [learn.sample(16)]) <= 1e-4
    else: go(learn, 4)
    assert not t.enabled and list(learn.G.state_dict()) == names
    groups_hold(learn); go(learn, 1)

def test_batch_norm_with_spectral_norm_fades():
    learn = learner('mlp'); on(learn, 'batch_norm', leave_over=3); learn.tricks.on('spectral_norm', net='G', soft_start=5); go(learn, 2)
    learn.tricks.off('batch_norm'); assert learn.tricks['batch_norm'].enabled
    go(learn, 3); assert not learn.tricks['batch_norm'].enabled; groups_hold(learn)

class SumD(nn.Module):
    "BatchNorm behind a layer that is used elsewhere too, or behind a sum"
    def __init__(self, both): super().__init__(); self.a, self.bn, self.b, self.both = nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1), both
    def forward(self, x):
        h = self.a(x)
        return self.b(F.leaky_relu(self.bn(h), .2) + h) if self.both else self.b(F.leaky_relu(self.bn(h + 1), .2))

@pytest.mark.parametrize('both,says', [(True, 'elsewhere too'), (False, 'no linear or convolutional layer is directly before it')])
def test_batch_norm_that_cannot_be_folded(both, says):
    torch.manual_seed(0)
    learn = make_learner('mlp', D=SumD(both)); go(learn, 4)
    was = learn.state_hash()
    with pytest.raises(Refused) as e: learn.tricks.on('batch_norm', to_g=False, from_d=True)
    assert says in one_sentence(e.value) and learn.state_hash() == was
    groups_hold(learn); go(learn, 1)

def test_batch_norm_of_d_goes_and_comes():
    torch.manual_seed(0)
    D = nn.Sequential(nn.Conv2d(1, 6, 4, 2, 1), nn.LeakyReLU(.2), nn.Conv2d(6, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(.2), nn.Flatten(), nn.Linear(128, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    learn = make_learner('dropout', D=D, lr_d=1e-3); go(learn, 5)
    names, x = list(learn.D.state_dict()), learn.source.batch(0)
    was = learn.score(x)
    learn.tricks.on('batch_norm', to_g=False, from_d=True); assert gap([was], [learn.score(x)]) <= 1e-5
    learn.tricks.on('self_attention', net='D', layer='3'); go(learn, 3)           # on the place that it left
    snap, at = learn.snapshot(), learn.state_hash(); go(learn, 2); learn.restore(snap); assert learn.state_hash() == at
    groups_hold(learn); was = learn.score(x)
    learn.tricks.off('batch_norm'); assert gap([was], [learn.score(x)]) <= 1e-4 and hosts(learn.D, 'self_attention') == [learn.D[3]]
    learn.tricks.off('self_attention', now=True)
    assert list(learn.D.state_dict()) == names; groups_hold(learn); go(learn, 2)

def test_batch_norm_without_a_scale():
    learn = make_learner('mlp', D=nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8, affine=False), nn.ReLU(), nn.Linear(8, 1)))
    with pytest.raises(Refused, match='no scale and level'): learn.tricks.on('batch_norm', to_g=False, from_d=True)

# LeakyReLU

@pytest.mark.parametrize('kind', ['dropout', 'inplace', 'named', 'resnet', 'dcgan'])
@pytest.mark.part(3)
def test_leaky_relu_leaves_no_trace(kind):
    learn, calm = learner(kind), learner(kind)
    on(learn, 'leaky_relu', slope=.4, over=6); assert learn.G.state_dict().keys() == calm.G.state_dict().keys()
    go(learn, 3); learn.tricks.on('residual'); learn.tricks.on('self_attention'); go(learn, 2)
    for n in ('residual', 'self_attention', 'leaky_relu'): learn.tricks.off(n, now=True)
    for a, b in zip([*learn.G.modules(), *learn.D.modules()], [*calm.G.modules(), *calm.D.modules()]): assert type(a) is type(b) and vars(a).keys() == vars(b).keys() and repr(a) == repr(b)

def test_leaky_relu_with_a_penalty():
    learn = learner('inplace'); learn.tricks.on('gradient_penalty'); learn.tricks.on('leaky_relu', over=2); go(learn, 4)
    assert all(t.isfinite().all() for t in copies(learn).values() if t.is_floating_point())

# Packing

@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.part(2)
def test_packing_sees_the_pack(kind):
    learn = learner(kind, lr_d=1e-3)
    x = learn.source.batch(0); other = x.clone(); other[2:] = other[2:].flip(0)
    on(learn, 'packing')
    assert gap([learn.score(x)[:1]], [learn.score(other)[:1]]) <= 1e-6
    go(learn, 10)
    other[1] = -x[1]
    was, now = learn.score(x), learn.score(other)
    assert not torch.equal(was[0], now[0])

# Re-initialisation

@pytest.mark.parametrize('scheme,kind', in_turn(['normal', 'he_uniform', 'orthogonal'], KINDS, 4))
@pytest.mark.part(2)
def test_reinit_changes_what_it_is_told(kind, scheme):
    learn = learner(kind); g, d = net_state(learn.G), net_state(learn.D)
    learn.tricks.on('reinit', which='D', scheme=scheme)
    assert not unequal(g, net_state(learn.G)) and unequal(d, net_state(learn.D))
    now = net_state(learn.D); learn.tricks.on('reinit'); assert not unequal(now, net_state(learn.D)), 'asked again with the same values, it is left alone'
    groups_hold(learn); go(learn, 2); groups_hold(learn)

# Checkpointing

@pytest.mark.parametrize('net,kind', in_turn(['both', 'G', 'D'], KINDS, 4))
@pytest.mark.part(3)
def test_checkpointing_changes_no_bit(kind, net):
    learn, calm = learner(kind), learner(kind)
    learn.tricks.on('checkpointing', net=net); go(learn, 3); learn.tricks.off('checkpointing'); go(calm, 3)
    assert learn.state_hash() == calm.state_hash()
    go(learn, 1); go(calm, 1); assert learn.state_hash() == calm.state_hash()

@pytest.mark.parametrize('others,kind', in_turn([['gradient_penalty', 'spectral_norm'], ['style', 'virtual_batch_norm'], ['dropout', 'minibatch_stddev', 'packing'], ['path_length', 'feature_matching'], ['dual_discriminator', 'residual'], ['wgan_gp', 'self_attention'],
    ['progressive_growing', 'instance_noise'], ['relativistic_gp', 'leaky_relu']], ['dcgan', 'skip', 'resnet'], 1))
@pytest.mark.part(3)
def test_checkpointing_beside(kind, others):
    learn, calm = learner(kind), learner(kind)
    learn.tricks.on('checkpointing')
    for l in (learn, calm):
        for n in others:
            try: l.tricks.on(n)
            except Refused as e: one_sentence(e)
        go(l, 2)
    assert {t.name for t in learn.tricks.enabled} - {'checkpointing'} == {t.name for t in calm.tricks.enabled}
    assert not unequal(net_state(learn.G), net_state(calm.G)) and not unequal(net_state(learn.D), net_state(calm.D))

def test_unrolling_refuses_a_checkpointed_d():
    learn = make_learner('dcgan', tricks=['checkpointing'])
    with pytest.raises(Refused, match='checkpoint'): learn.tricks.on('unrolled')
    learn.tricks.off('checkpointing'); learn.tricks.on('checkpointing', net='G'); learn.tricks.on('unrolled'); go(learn, 1)

def test_a_copy_of_a_checkpointed_network_is_plain():
    for kind in ('dcgan', 'skip', 'named'):
        learn = learner(kind); learn.tricks.on('checkpointing'); go(learn, 1)
        G = deepcopy(learn.G)
        assert torch.equal(G.eval()(learn.some_z), learn.G.eval()(learn.some_z)) and not any(m._compiled_call_impl for m in G.modules())
        with torch.no_grad(): next(G.parameters()).add_(1.)
        assert not torch.equal(G(learn.some_z), learn.G(learn.some_z)); learn.G.train()
