"Weights that stand still, and weights that fade: FreezeD and weight decay beside whatever else moves weights."
import pytest, torch
from ganlab.data import tensor_dls
from ganlab.engine.change import Refused
from ganlab.learner import GANLearner
from strangers import copies, data, go, groups_hold, make_learner, moved, net_state, nets, one_sentence, unequal

def trained(learn): return sorted(n for n, p in learn.D.named_parameters() if p.requires_grad)

@pytest.mark.parametrize('beside', ['spectral_norm', 'weight_clipping', 'extragradient', 'historical_averaging', 'weight_decay', 'optimizer', 'lazy_reg', 'gradient_penalty'])
def test_frozen_weights_stand_still(beside):
    "To the bit, whatever else is on, and so do their moments"
    learn = make_learner('mlp', loss='wasserstein' if beside == 'weight_clipping' else 'non_saturating'); go(learn, 2)
    learn.tricks.on('freeze_d'); learn.tricks.on(beside)
    held = {n: p for n, p in learn.D.named_parameters() if not p.requires_grad}
    was = {n: (p.clone(), {k: v.clone() for k, v in learn.opt_d.state[p].items()}) for n, p in held.items()}
    assert len(held) == 4
    go(learn, 3)
    for n, p in held.items():
        assert torch.equal(p, was[n][0]) and all(torch.equal(v, was[n][1][k]) for k, v in learn.opt_d.state[p].items()), n
    groups_hold(learn)
    learn.tricks.off('freeze_d'); before = {n: p.clone() for n, p in learn.D.named_parameters()}; go(learn, 1)
    assert set(held) <= {*moved(learn.D, before)}

def test_freeze_goes_with_snapshots():
    "What was frozen is frozen again, other layers than those that it was turned on with, too"
    learn = make_learner(); learn.tricks.on('freeze_d'); go(learn, 2)
    learn.tricks.set('freeze_d', layers=1); now, snap = trained(learn), learn.snapshot()
    go(learn, 2); end = learn.state_hash()
    learn.tricks.off('freeze_d'); go(learn, 1); assert len(trained(learn)) == len(now) + 2
    learn.restore(snap); assert trained(learn) == now
    go(learn, 2); assert learn.state_hash() == end
    learn.restore(snap); learn.tricks.off('freeze_d'); assert all(p.requires_grad for p in learn.D.parameters())

def test_freeze_stays_with_its_layers_while_d_grows():
    "The first layers of the D that was there; new ones before them learn; on disk and back"
    learn = GANLearner(tensor_dls(data(32), 8), *nets('dcgan'), z_dim=6)
    learn.tricks.on('freeze_d', layers=1); held = learn.tricks['freeze_d'].frozen
    learn.tricks.on('progressive_growing', fade=2); go(learn, 4)
    snap = learn.snapshot(); go(learn, 2); end = learn.state_hash()
    learn.restore(snap); go(learn, 2); assert learn.state_hash() == end
    assert learn.tricks['freeze_d'].frozen == held and len(trained(learn)) > 0
    groups_hold(learn)

@pytest.mark.parametrize('kind', ['paths', 'tied', 'equal', 'functional', 'mixed'])
def test_freeze_refuses_with_a_sentence(kind):
    "As many layers as there are, or more: the sentence names a number that does"
    learn = make_learner(kind); was = learn.state_hash()
    with pytest.raises(Refused) as e: learn.tricks.on('freeze_d', layers=64)
    said = one_sentence(e.value)
    assert learn.state_hash() == was and not learn.tricks['freeze_d'].enabled
    if 'or less' in said: learn.tricks.on('freeze_d', layers=int(said.split('set layers to ')[1].split()[0])); go(learn, 2)

def test_a_copy_of_a_frozen_d_learns():
    "A second D that is made while the first one's layers are held is not held, in whatever order the two come on, and a fork has it so"
    learn = make_learner('mlp')
    learn.tricks.on('freeze_d'), learn.tricks.on('dual_discriminator')
    go(learn, 1)
    second = learn.tricks['dual_discriminator'].others(learn)
    was = net_state(second)
    assert all(p.requires_grad for p in second.parameters()) and sum(not p.requires_grad for p in learn.D.parameters()) == 4
    other = learn.fork()
    go(learn, 1), go(other, 1)
    assert all(unequal({n: t}, {n: net_state(second)[n]}) for n, t in was.items() if n.endswith(('weight', 'bias'))) and learn.state_hash() == other.state_hash()
    learn.tricks.off('dual_discriminator'), learn.tricks.on('dual_discriminator'), learn.tricks.off('freeze_d')
    assert all(p.requires_grad for p in learn.D.parameters())

@pytest.mark.parametrize('beside', [None, 'extragradient', 'optimistic', 'grad_accumulation', 'ttur'])
def test_decay_is_adamw(beside):
    "With Adam it is what AdamW does, to rounding, whatever else is on"
    a, b = make_learner(lr_d=1e-2, lr_g=1e-2), make_learner(opt='adamw', lr_d=1e-2, lr_g=1e-2)
    a.tricks.on('weight_decay', decay_d=.5, decay_g=.5)
    for o in (b.opt_d, b.opt_g): o.param_groups[0]['weight_decay'] = .5
    for learn in (a, b):
        if beside: learn.tricks.on(beside, **dict(grad_accumulation=dict(n=2)).get(beside, {}))
        go(learn, 4)
    for p, q in zip(a.model.parameters(), b.model.parameters()): assert torch.allclose(p, q, rtol=1e-5, atol=1e-6)

def test_decay_of_each_network():
    "G's alone: D's first update is the one without it, to the bit; a group's own rate counts"
    a, b = make_learner(), make_learner()
    a.tricks.on('weight_decay', decay_d=0, decay_g=1); go(a, 1); go(b, 1)
    assert not unequal(net_state(a.D), net_state(b.D)) and unequal(net_state(a.G), net_state(b.G))
    ps = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    for p in ps: p.grad = torch.zeros(3)
    a.tricks['weight_decay'].shrink(torch.optim.SGD([dict(params=ps[:1]), dict(params=ps[1:], lr=.5)], lr=.1), 1.)
    assert torch.allclose(ps[0], torch.tensor(.9)) and torch.allclose(ps[1], torch.tensor(.5))

# What is said of those that stand beside each other

def test_spectral_norm_leaves_what_freeze_d_holds():
    "It says so at the switch; taken in when both are switched anew"
    learn = make_learner('mlp'); learn.tricks.on('freeze_d', layers=1); held = learn.tricks['freeze_d'].frozen
    c = learn.tricks.on('spectral_norm')
    assert 'FreezeD holds of D: ' in one_sentence(c.caution) and 'off and on again' in c.caution
    def normed(): return [n for n, m in learn.D.named_modules() if hasattr(m, 'parametrizations')]
    before = normed(); learn.tricks.off('freeze_d'); go(learn, 1); assert normed() == before and held[0].removesuffix('.weight') not in before
    learn.tricks.off('spectral_norm'); c = learn.tricks.on('spectral_norm'); assert len(normed()) == len(before) + 1 and 'FreezeD' not in (c.caution or '')

def test_freeze_d_while_spectral_norm_is_on_its_way():
    "What frozen layers compute moves with κ, and is still when it is there: both are said"
    learn = make_learner('mlp'); learn.tricks.on('spectral_norm', soft_start=3); go(learn, 1)
    c = learn.tricks.on('freeze_d', layers=1); assert 'Spectral norm is on its way' in one_sentence(c.caution)
    layer = next(m for m in learn.D.modules() if hasattr(m, 'parametrizations'))
    def computes(): return layer.weight.detach().clone()
    was = computes(); go(learn, 1); assert not torch.allclose(computes(), was, rtol=1e-4)
    go(learn, 3); was = computes(); go(learn, 2); assert torch.allclose(computes(), was, rtol=1e-4)
    learn.tricks.off('freeze_d'); assert 'Spectral' not in (learn.tricks.on('freeze_d').caution or '')

def test_spectral_norm_knows_weight_decay():
    "The trick's as well as the optimiser's, of the network that it acts on"
    for on, net, said in ((dict(decay_d=.01, decay_g=0), 'D', True), (dict(decay_d=0, decay_g=.01), 'D', False), (dict(decay_d=0, decay_g=.01), 'G', True)):
        learn = make_learner('mlp', tricks=[('weight_decay', on)])
        assert ("Weight decay shrinks " + net in (learn.tricks.on('spectral_norm', net=net).caution or '')) == said
