"What else G and D are told: a weight that is measured, what is to stay as it is, features of all layers, a game that begins later, pixels of two batches in one."
import pytest, torch
import torch.nn.functional as F
from torch import nn
from ganlab.data import tensor_dls, unpaired_dls
from ganlab.engine.asking import still
from ganlab.engine.change import Refused
from ganlab.engine.schedules import stepwise
from ganlab.learner import GANLearner
from ganlab.losses import Hinge
from ganlab.trick import Ctx
from ganlab.tricks.feature_matching import beyond_the_first, feature_gap
from ganlab.tricks.unet_consistency import boxes
from games import GAMES, TwoScales, networks, plain_g, play, rand
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

# Feature matching in all layers, and in pairs

def translating(D, **tricks):
    "A game of pairs with another D, G learning by plain steps from the matched features alone"
    torch.manual_seed(0)
    learn = GANLearner(GAMES['upscaling'][0](), networks('upscaling')[0], D, z_dim=0, seed=0, opt='sgd', lr_g=1., lr_d=0.)
    learn.tricks.on('feature_matching', compare='pairs', **tricks)
    return learn

@pytest.mark.parametrize('wrap', [None, 'tuple', 'dict'])
def test_features_as_in_pix2pixhd(wrap):
    "A D that gives lists of its features: the loop of that code, over parts and layers"
    class Told(nn.Module):
        def __init__(self): super().__init__(); self.net = TwoScales()
        def forward(self, x):
            out = self.net(x)
            scores, feats = [o[-1] for o in out], [o[:-1] for o in out]
            return (scores, feats) if wrap == 'tuple' else dict(scores=scores, features=feats) if wrap else out
    learn = translating(Told(), layer='all', weight=40.)
    x, y = learn.next_pair()
    pred_fake, pred_real = learn.D.net(learn.G(y)), learn.D.net(x)
    loss, n_layers_D, num_D, lambda_feat = 0, 3, 2, 10.
    for i in range(num_D):
        for j in range(len(pred_fake[i]) - 1):
            loss = loss + 1/num_D*4/(n_layers_D + 1)*F.l1_loss(pred_fake[i][j], pred_real[i][j].detach())*lambda_feat
    want = gradients(loss, learn.G)
    for a, b in zip(moved(learn), want): assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)
    assert learn.history['g_loss/feature_matching'].iloc[-1] == pytest.approx(loss.item(), rel=1e-5)

@pytest.mark.parametrize('norm', ['L1', 'L2'])
def test_features_of_all_layers_in_pairs(norm):
    "A D that gives scores alone: what goes into its second and third layer, but not the samples that go into the first"
    learn = translating(networks('upscaling')[1], layer='all', weight=3., norm=norm)
    D, (x, y) = learn.D.body, learn.next_pair()
    def feats(x):
        h = torch.cat([x, F.interpolate(y, scale_factor=2)], 1)
        return D[:2](h), D[:4](h)
    def gap(a, b): return (a - b).abs().mean() if norm == 'L1' else (a - b).square().flatten(1).sum(1).mean()
    loss = 3*sum(gap(a.detach(), b) for a, b in zip(feats(x), feats(learn.G(y))))/2
    want = gradients(loss, learn.G)
    for a, b in zip(moved(learn), want): assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)

def test_all_layers_by_their_means():
    "Two networks: the first layer of each sees the samples; what is frozen counts, and D may be still"
    learn = play('ensemble', tricks=[('feature_matching', dict(layer='all', mode='add'))])
    first, second = learn.D
    weigh = [m for m in second.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    first[0].requires_grad_(False)
    learn.found = {}
    with still(list(learn.D.parameters())): assert beyond_the_first(learn) == [first[2], first[4], *weigh[1:]]
    assert not first[0].weight.requires_grad and first[2].weight.requires_grad
    c = Ctx(learn, 0, 0, 'g'); c.x, c.xf = rand(6, 1, 16, 16), rand(6, 1, 16, 16, seed=5)
    real, fake = (first[:2](x).flatten(1).mean(0) for x in (c.x, c.xf))
    t = learn.tricks['feature_matching']
    assert torch.allclose(feature_gap(*(t.felt(c, x, s)[0][0] for x, s in ((c.x, 'real'), (c.xf, 'fake')))), (real - fake).abs().mean())

def test_pairs_draw_alike():
    "Augmentation and dropout are the same for both of a pair: equal samples have equal features"
    D = nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.Dropout(.5), nn.Conv2d(4, 1, 3, 1, 1))
    learn = GANLearner(GAMES['upscaling'][0](), networks('upscaling')[0], D, z_dim=0, seed=0, tricks=[('feature_matching', dict(compare='pairs', layer='all')), 'diffaugment'])
    c = Ctx(learn, 0, 0, 'g')
    c.x = c.xf = rand(6, 1, 16, 16)
    assert learn.tricks['feature_matching'].g_term(c) == 0
    c.xf = c.x.flip(0)
    assert learn.tricks['feature_matching'].g_term(c) > 0

def test_pairs_and_layers_that_are_not_there():
    for game, why in dict(patches='of latents alone', unpaired='unpaired', labels='a label has many samples').items():
        refused(play(game), 'feature_matching', f'Feature matching compares.*{why}', compare='pairs')
    x = rand(40, 2)
    learn = GANLearner(tensor_dls(x, 8), nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 1)), z_dim=3)
    refused(learn, 'feature_matching', 'no layer that sees what another', layer='all')
    learn.tricks.on('feature_matching')
    with pytest.raises(Refused, match='of latents alone'): learn.tricks.set('feature_matching', compare='pairs')
    assert 'compare' not in learn.tricks['feature_matching'].recorded()      # as in records of old

# Consistency of a D that judges pixels

class UNet(nn.Module):
    "An image -> its score and a map of scores of its own size, or the map alone"
    def __init__(self, c=1, whole=True, last=False):
        super().__init__()
        self.fine, self.coarse, self.each, self.last = nn.Conv2d(c, 4, 3, 1, 1), nn.Conv2d(4, 4, 4, 2, 1), nn.Conv2d(8, 1, 3, 1, 1), last
        self.whole = nn.Linear(4, 1) if whole else None
    def forward(self, x, y=None):
        h = F.leaky_relu(self.fine(x), .2)
        low = F.leaky_relu(self.coarse(h), .2)
        pixels = self.each(torch.cat([h, F.interpolate(low, scale_factor=2)], 1))
        if self.last: pixels = pixels.permute(0, 2, 3, 1)
        return pixels if self.whole is None else [pixels, self.whole(low.mean((2, 3)))]

class LabelledUNet(UNet):
    def forward(self, x, y): return super().forward(x)

def pixels(D=None, **kw):
    torch.manual_seed(1)
    return GANLearner(tensor_dls(rand(60, 1, 16, 16), 6), plain_g(), D or UNet(), seed=0, **kw)

@pytest.mark.parametrize('beside', ['', 'instance_noise', 'diffaugment'])
@pytest.mark.parametrize('whole,last', [(True, False), (False, True)])
@pytest.mark.part(2)
def test_unet_consistency(whole, last, beside):
    "D's gradient is that of the code's losses, by hand, on what D sees: loss, consistency, CutMix's own"
    learn = pixels(UNet(whole=whole, last=last), opt='sgd', lr_g=0., lr_d=1.)
    if beside: learn.tricks.on(beside)
    learn.tricks.on('unet_consistency', weight=3., cutmix=.7)
    seen, D = [], learn.D
    handle = D.register_forward_pre_hook(lambda m, args: seen.append(args[0].detach().clone()) if m.training else None)
    was = weights(D)
    go(learn, 1)
    handle.remove()
    x, xf, mixed = seen[:3]
    got = [a - b for a, b in zip(was, weights(D))]
    for p, w in zip(D.parameters(), was): p.data = w
    mask = boxes(6, (16, 16), learn.streams.generator('unet_consistency/d', 0, 0, learn.device))
    assert torch.equal(mixed, mask*x + (1 - mask)*xf) and 0 < mask.mean() < 1
    def answers(x):
        out = [D(x)] if not whole else D(x)
        return out[0].reshape(6, 1, 16, 16), out[1] if whole else None
    (px, wx), (pf, wf), (pm, wm) = map(answers, (x, xf, mixed))
    bce = lambda l, target: F.binary_cross_entropy_with_logits(l, torch.full_like(l, target))
    own, cut = [bce(px, 1.) + bce(pf, 0.)], [bce(pm[mask == 1], 1.) + bce(pm[mask == 0], 0.)]
    if whole: own.append(bce(wx, 1.) + bce(wf, 0.)), cut.append(bce(wx, 1.) + bce(wm, 0.))
    loss = sum(own)/len(own) + 3*F.mse_loss(pm, mask*px + (1 - mask)*pf) + .7*sum(cut)/len(cut)
    for a, b in zip(got, gradients(loss, D)): assert torch.allclose(a, b, rtol=1e-3, atol=1e-5)

def test_unet_consistency_leaves_g_alone():
    "G's update is that of a learner with the same D; other terms that ask D do not take the place of what it saw"
    learn, calm = pixels(lr_d=0.), pixels(lr_d=0.)
    learn.tricks.on('unet_consistency')
    for l in (learn, calm): l.tricks.on('consistency', lambda_d=0., lambda_g=0.)
    go(learn, 2), go(calm, 2)
    assert all(map(torch.equal, weights(learn.G), weights(calm.G)))
    once = pixels(lr_d=0.)
    once.tricks.on('unet_consistency')
    go(once, 2)
    assert torch.equal(*(torch.tensor(l.history['d_loss/unet_consistency']) for l in (learn, once)))

def test_boxes_of_one_and_three_dimensions():
    for shape in ((32,), (4, 5, 6), (1, 9)):
        m = boxes(200, shape, torch.Generator().manual_seed(0))
        assert m.shape == (200, 1, *shape) and set(m.unique().tolist()) == {0., 1.}
        share = m.flatten(1).mean(1)
        assert share.min() > 0 and share.max() < 1 and .4 < share.mean() < .6

def test_series_with_a_score_each_moment():
    D = nn.Sequential(nn.Conv1d(2, 4, 5, 1, 2), nn.LeakyReLU(.2), nn.Conv1d(4, 1, 5, 1, 2))
    learn = GANLearner(GAMES['series'][0](), networks('series')[0], D, seed=0, tricks=['unet_consistency'])
    go(learn, 2)
    assert (learn.history['d_loss/unet_consistency'] > 0).all()

def test_unet_consistency_is_refused():
    for game in ('patches', 'scales', 'series', 'upscaling'): refused(play(game), 'unet_consistency', "no map of its samples' size")
    x = rand(40, 2)
    refused(GANLearner(tensor_dls(x, 8), nn.Linear(3, 2), nn.Linear(2, 1), z_dim=3), 'unet_consistency', '2 numbers, which are no pixels')
    learn = pixels(loss='relativistic')
    refused(learn, 'unet_consistency', 'the Relativistic loss pairs them')
    learn.tricks.on('unet_consistency', cutmix=0.)
    go(learn, 1)
    with pytest.raises(Refused, match='pairs them'): learn.tricks.set('unet_consistency', cutmix=1.)
    torch.manual_seed(0)
    learn = GANLearner(GAMES['labels'][0](), networks('labels')[0], LabelledUNet(), z_dim=4, tricks=['unet_consistency'])
    go(learn, 1)
    with pytest.raises(Refused, match='Experience replay may give one of another. Turn U-Net consistency off first'): learn.tricks.on('replay_buffer')

@pytest.mark.parametrize('others', [('unrolled', 'grad_accumulation'), ('consensus', 'gradient_penalty', 'lazy_reg'), ('extragradient', 'replay_buffer', 'spectral_norm'), ('packing', 'ada', 'lecam')])
def test_unet_consistency_beside_others(others):
    learn = pixels()
    for name in (*others, 'unet_consistency'): learn.tricks.on(name)
    go(learn, 3)
    assert (learn.history['d_loss/unet_consistency'] > 0).all() and not learn.tricks['unet_consistency'].seen

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
    adaptive_weight=('upscaling', ('reconstruction',), {}), identity=('unpaired', (), {}),
    feature_matching=('upscaling', (), dict(compare='pairs', layer='all', mode='add')), unet_consistency=('patches', (), {}))

@pytest.mark.parametrize('name', SUITS)
@pytest.mark.part(2)
def test_on_and_off_in_mid_training(name, tmp_path):
    "Nothing else moves at the switch; off again, it is as if it were not there; a fork and a resumed run reach the same bits"
    game, before, params = SUITS[name]
    def given():
        G, D = networks(game)
        torch.manual_seed(2)
        return GAMES[game][0](), G, UNet() if name == 'unet_consistency' else D
    learn, calm = (GANLearner(*given(), seed=0, run=run, **GAMES[game][2]) for run in (tmp_path/'a', None))
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
    more = GANLearner.resume(tmp_path/'a', *given(), progress=False)
    assert more.state_hash() == end
    more.run.close()

@pytest.mark.parametrize('name', ['adaptive_weight', 'adversarial_weight'])
def test_nothing_to_weigh(name):
    "Feature matching replaces the critic's word: said on either side"
    learn = play('upscaling')
    for o in ('reconstruction', 'feature_matching'): learn.tricks.on(o)
    assert 'no word of the critic' in learn.tricks[name].caution(learn)
    learn.tricks.on(name)
    assert 'has nothing to act on' in learn.tricks['feature_matching'].caution(learn)
    learn.tricks.set('feature_matching', mode='add')
    go(learn, 1)
    assert not learn.tricks[name].caution(learn)

def test_a_loss_sees_an_update_once():
    "However many tricks weigh it"
    seen = []
    class Seeing(Hinge):
        name, title = 'seeing', 'Seeing'
        def see(self, ctx): seen.append(ctx.phase)
    learn = play('upscaling', loss=Seeing())
    for name in ('reconstruction', 'adversarial_weight', 'adaptive_weight'): learn.tricks.on(name)
    go(learn, 3)
    assert seen.count('g') == seen.count('d') == 3
