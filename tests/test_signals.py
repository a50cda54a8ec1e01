"What else G and D are told: a weight that is measured, what is to stay as it is, features of all layers, a game that begins later, pixels of two batches in one."
import pytest, torch
import torch.nn.functional as F
from torch import nn
from ganlab.data import unpaired_dls
from ganlab.engine.change import Refused
from ganlab.engine.schedules import stepwise
from ganlab.learner import GANLearner
from games import GAMES, networks, play, rand
from strangers import go, groups_hold, one_sentence

def plain_steps(game, **tricks):
    "A learner of that game by plain steps of rate 1 of G, D still, with these tricks on"
    learn = play(game, opt='sgd', lr_g=1., lr_d=0.)
    for name, params in tricks.items(): learn.tricks.on(name, **params)
    return learn

def weights(net): return [p.detach().clone() for p in net.parameters()]

def moved(learn):
    "What one step subtracts from G's weights: its gradient"
    was = weights(learn.G)
    go(learn, 1)
    return [a - b for a, b in zip(was, weights(learn.G))]

def gradients(loss, net): return torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)

def refused(learn, name, why, **params):
    was = learn.state_hash()
    with pytest.raises(Refused, match=why) as e: learn.tricks.on(name, **params)
    one_sentence(e.value)
    assert learn.state_hash() == was

# Adaptive weight

def as_in_the_reference(rec, adv, last_layer):
    "calculate_adaptive_weight of CompVis/taming-transformers"
    a, b = (torch.autograd.grad(l, last_layer, retain_graph=True)[0] for l in (rec, adv))
    return torch.clamp(torch.norm(a)/(torch.norm(b) + 1e-4), 0., 1e4).detach()

@pytest.mark.parametrize('factor,told', [(1., None), (.8, .5)])
def test_adaptive_weight(factor, told):
    learn = plain_steps('upscaling', reconstruction=dict(weight=7.), adaptive_weight=dict(factor=factor), **{} if told is None else dict(adversarial_weight=dict(weight=told)))
    x, y = learn.next_pair()
    xf = learn.G(y)
    rec, adv = 7*(xf - x).abs().mean(), F.softplus(-learn.D(xf, y)).mean()
    by = factor*as_in_the_reference(rec, adv, learn.G.body[2].weight)
    want = gradients(rec + (told or 1.)*by*adv, learn.G)
    for a, b in zip(moved(learn), want): assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)
    assert learn.history.adaptive_weight_by.iloc[-1] == pytest.approx(by.item(), rel=1e-5) and by > 1

def test_adaptive_weight_at_its_limit():
    "A critic with no gradient at all is not made infinitely loud"
    learn = plain_steps('upscaling', reconstruction=dict(weight=1000.), adaptive_weight={})
    for p in learn.D.parameters(): p.data.zero_()
    go(learn, 1)
    assert learn.history.adaptive_weight_by.iloc[-1] == 1e4
    assert learn.history['g_loss/adaptive_weight'].iloc[-1] == pytest.approx((1e4 - 1)*torch.tensor(2.).log().item(), rel=1e-4)

def test_adaptive_weight_needs_a_reconstruction():
    refused(play('patches'), 'adaptive_weight', 'of latents alone')
    refused(play('unpaired'), 'adaptive_weight', 'unpaired')
    learn = play('upscaling')
    refused(learn, 'adaptive_weight', 'reconstruction has to be on')
    learn.tricks.on('reconstruction'), learn.tricks.on('adaptive_weight')
    with pytest.raises(Refused, match='Turn adaptive weight off first'): learn.tricks.off('reconstruction')
    learn.tricks.off('adaptive_weight'), learn.tricks.off('reconstruction')

@pytest.mark.parametrize('others', [('spectral_norm',), ('grad_accumulation', 'ema'), ('feature_matching',)])
def test_adaptive_weight_beside_others(others):
    learn = play('upscaling')
    for name in ('reconstruction', *others, 'adaptive_weight'): learn.tricks.on(name, **dict(net='both') if name == 'spectral_norm' else {})
    go(learn, 2)
    h = learn.history
    if 'feature_matching' in others: assert (h['g_loss/adaptive_weight'] == 0).all()      # it replaces the critic's word
    else: assert (h.adaptive_weight_by > 0).all()

# Identity

@pytest.mark.parametrize('distance', ['l1', 'l2'])
def test_identity(distance):
    "G's gradient is that of the critic's word plus the mean by hand; its norms do not see the reals"
    learn = plain_steps('unpaired', identity=dict(weight=4., distance=distance))
    x, y = learn.next_pair()
    far = learn.G(x) - x
    want = gradients(F.softplus(-learn.D(learn.G(y))).mean() + 4*(far.abs() if distance == 'l1' else far**2).mean(), learn.G)
    for a, b in zip(moved(learn), want): assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)

def normed_learner(*tricks):
    G = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(.5), nn.Linear(8, 2))
    return GANLearner(unpaired_dls(rand(40, 2), rand(40, 2, seed=3), 8), G, nn.Linear(2, 1), z_dim=0, opt='sgd', lr_g=0., lr_d=0., tricks=tricks)

def test_identity_leaves_no_trace():
    "A BatchNorm's statistics are those of G's own inputs, dropout's masks those of a run without it"
    torch.manual_seed(0)
    calm = normed_learner()
    learn = normed_learner(('identity', dict(weight=1.)))
    learn.model.load_state_dict(calm.model.state_dict())
    go(calm, 3), go(learn, 3)
    assert all(map(torch.equal, calm.G.buffers(), learn.G.buffers())) and (learn.history['g_loss/identity'] > 0).all()
    assert torch.equal(torch.tensor(calm.history.d_fake), torch.tensor(learn.history.d_fake))

def test_identity_where_input_and_sample_differ():
    refused(play('patches'), 'identity', 'starts from latents alone')
    refused(play('labels'), 'identity', 'starts from labels')
    refused(play('upscaling'), 'identity', r'starts from what has the shape \(1, 8, 8\), and makes what has the shape \(1, 16, 16\)')

# A game that begins at a given step

@pytest.mark.parametrize('how', ['schedule', 'at'])
def test_a_game_that_begins_later(how):
    "Until then D rests and G does as if there were no D, to the bit; then both play"
    learn, alone = plain_steps('upscaling', reconstruction={}), plain_steps('upscaling', reconstruction={}, adversarial_weight=dict(weight=0.))
    if how == 'schedule': learn.tricks.on('adversarial_weight', weight=stepwise(0, .1, steps=3, stairs=1))
    else: learn.tricks.on('adversarial_weight', weight=0.), learn.tricks.set('adversarial_weight', weight=.1, at=3)
    learn.opt_d.param_groups[0]['lr'] = 1e-3
    d = weights(learn.D)
    go(learn, 3), go(alone, 3)
    assert all(map(torch.equal, d, weights(learn.D))) and all(map(torch.equal, weights(learn.G), weights(alone.G)))
    go(learn, 1), go(alone, 1)
    assert not any(map(torch.equal, d, weights(learn.D))) and not any(map(torch.equal, weights(learn.G), weights(alone.G)))
    assert learn.history.d_loss.notna().tolist() == [False]*3 + [True] and learn.n_d_now == 1

# All of them, in a game that they suit

SUITS = dict(     # name -> (game, what has to be on before it, its values)
    adaptive_weight=('upscaling', ('reconstruction',), {}), identity=('unpaired', (), {}))

@pytest.mark.parametrize('name', SUITS)
def test_on_and_off_in_mid_training(name, tmp_path):
    "Nothing else moves at the switch; off again, it is as if it were not there; a fork and a resumed run reach the same bits"
    game, before, params = SUITS[name]
    learn, calm = play(game, run=tmp_path/'a'), play(game)
    for l in (learn, calm):
        for other in before: l.tricks.on(other)
        go(l, 2)
    learn.tricks.on(name, **params), learn.tricks.off(name, now=True)
    assert learn.state_hash() == calm.state_hash()
    learn.tricks.on(name, **params)
    go(learn, 2)
    on = learn.state_hash()
    go(calm, 2)
    assert on != calm.state_hash() and learn.history.g_loss.notna().all()
    groups_hold(learn)
    learn.tricks.off(name, now=True)
    go(learn, 1)
    end = learn.state_hash()
    fork = learn.fork(4)
    assert fork.state_hash() == on
    fork.tricks.off(name, now=True)
    go(fork, 1)
    assert fork.state_hash() == end
    fork.run.close(), learn.run.close()
    more = GANLearner.resume(tmp_path/'a', GAMES[game][0](), *networks(game), progress=False)
    assert more.state_hash() == end
    more.run.close()
