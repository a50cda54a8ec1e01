"Further discriminators, and networks that grow: on networks that were never written for it, up and down again, with all that was learnt."
import copy, warnings
import pytest, torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from ganlab.data import blend, doubled, faded, halved, tensor_dls
from ganlab.learner import GANLearner
from ganlab.losses import get_loss
from ganlab.nets import dcgan, resnet
from ganlab.quality.samples import samples_of
from ganlab.engine.surgery import hosts
from ganlab.engine.change import Refused
from ganlab.tricks.dual_discriminator import D2GAN, DualDiscriminator, second_d_loss, second_g_loss
from ganlab.tricks.progressive_growing import ProgressiveGrowing, Door
from strangers import bn_g, conv_d, copies, data, go, groups_hold, make_learner, net_state, one_sentence, some, unequal

GROW, DUAL = 'progressive_growing', 'dual_discriminator'

class OwnG(nn.Module):
    "A functional forward: layers in a ModuleList, a functional tanh, a stretched range, a width that is not the height"
    def __init__(self, w=6):
        super().__init__()
        self.z_dim, self.start = 5, nn.Linear(5, w*2*4)
        self.convs = nn.ModuleList([nn.Conv2d(w, w, 3, padding=1) for _ in range(3)])
        self.out = nn.Conv2d(w, 2, 5, padding=2)
    def forward(self, z):
        h = self.start(z).view(len(z), -1, 2, 4)
        for c in self.convs: h = F.leaky_relu(c(F.interpolate(h, scale_factor=2)), .2)
        return torch.tanh(self.out(h))

class OwnD(nn.Module):
    "A skip from the image, a stride of 3 without padding, a mean over pixels at the end"
    def __init__(self, w=6):
        super().__init__()
        self.first, self.skip, self.mid, self.head = nn.Conv2d(2, w, 5, stride=3), nn.Conv2d(2, w, 1), nn.Conv2d(w, w, 3, padding=1), nn.Linear(w, 1)
    def forward(self, x):
        h = F.leaky_relu(self.first(x), .2)
        h = F.leaky_relu(self.mid(h), .2) + F.adaptive_avg_pool2d(self.skip(x), h.shape[2:])
        return self.head(h.mean((2, 3)))

PAIRS = dict(dcgan=(lambda: dcgan(16, 1, 6, 4), (1, 16, 16)), resnet=(lambda: resnet(16, 1, 6, 2), (1, 16, 16)), own=(lambda: (OwnG(), OwnD()), (2, 16, 32)),
    dropout=(lambda: (bn_g(), conv_d(dropout=.3)), (1, 16, 16)), inplace=(lambda: (bn_g(), conv_d(inplace=True)), (1, 16, 16)))
each_pair = pytest.mark.parametrize('kind', PAIRS)

def images(c, h, w, k, n=24):
    "Images `k` doublings larger than c x h x w"
    return torch.rand(n, c, h << k, w << k, generator=torch.Generator().manual_seed(3))*2 - 1

def small(kind='dcgan', k=1, bs=4, **kwargs):
    "A learner whose data is `k` doublings larger than its networks"
    make, shape = PAIRS[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        G, D = make()
    with pytest.warns(UserWarning, match='progressive_growing'): return GANLearner(tensor_dls(images(*shape, k), bs), G, D, **kwargs)

def grow(learn, **params): return learn.tricks.on(GROW, **{'fade': 8, 'hold': 2, 'width': 4} | params)
def still(learn):
    for o in (learn.opt_d, learn.opt_g):
        for g in o.param_groups: g['lr'] = 0.
def parts(learn): return [getattr(h, f'ganlab_{GROW}') for net in (learn.D, learn.G) for h in hosts(net, GROW)]
def doors(net): return [h for m in net.modules() for hooks in (m._forward_hooks, m._forward_pre_hooks) for h in hooks.values() if isinstance(h, Door)]

# Networks smaller than the data

def test_smaller_networks_are_met_with_a_word():
    x = images(1, 16, 16, 1)
    with pytest.warns(UserWarning) as w: learn = GANLearner(tensor_dls(x, 4), *dcgan(16, 1, 6, 4))
    said = [str(o.message) for o in w if GROW in str(o.message)]
    assert len(said) == 1 and '32x32' in said[0] and '16x16' in said[0]
    assert learn.source.shape == (1, 16, 16) and learn.source.valid(2).shape == (2, 1, 16, 16) and learn.source.bs == 4
    go(learn, 2); learn.validate(); learn.show_samples(4)
    learn.score(learn.sample(2))

def test_larger_networks_are_refused_as_before():
    with pytest.raises(ValueError, match='G makes samples'): GANLearner(tensor_dls(images(1, 8, 8, 0), 4), *dcgan(16, 1, 6, 4))
    (g, _), (_, d) = dcgan(16, 1, 6, 4), dcgan(32, 1, 6, 4)
    with pytest.raises(ValueError, match=r'\(1, 16, 16\).*\(1, 32, 32\)'): GANLearner(tensor_dls(images(1, 16, 16, 1), 4), g, d)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        GANLearner(tensor_dls(images(1, 16, 16, 0), 4), *dcgan(16, 1, 6, 4))

def test_a_foreign_loader_grows_too():
    dl = DataLoader(TensorDataset(images(1, 16, 16, 1), torch.arange(24)), batch_size=4, shuffle=True, drop_last=True)
    with pytest.warns(UserWarning, match=GROW): learn = GANLearner(dl, *dcgan(16, 1, 6, 4))
    go(learn, 2); grow(learn); go(learn, 3)
    assert learn.row['d'][0].x.shape == (4, 1, 32, 32) and learn.sample(2).shape == (2, 1, 32, 32)

# Resolution: the three identities, on and off

@each_pair
def test_the_switch_keeps_functions(kind):
    learn = small(kind); go(learn, 2)
    c, h, w = learn.source.shape
    x = images(c, h, w, 1)[:8]
    g, dx, old = learn.sample(8), learn.score(halved(x)), {id(p): (p, p.clone()) for net in (learn.D, learn.G) for p in net.parameters()}
    moments = {id(p): s['exp_avg'].clone() for o in (learn.opt_d, learn.opt_g) for p, s in o.state.items()}
    dg = learn.score(g)
    grow(learn)
    assert learn.source.shape == (c, 2*h, 2*w)
    assert torch.equal(learn.sample(8), doubled(g))
    assert torch.equal(learn.score(x), dx)
    assert torch.allclose(learn.score(learn.sample(8)), dg, atol=1e-6)
    assert torch.allclose(learn.source.batch(0), doubled(halved(learn.source.source.batch(0))))     # reals are faded the same way
    now = {id(p): p for net in (learn.D, learn.G) for p in net.parameters()}
    assert all(now[i] is p and torch.equal(p, v) for i, (p, v) in old.items()) and len(now) > len(old)
    assert all(torch.equal(s['exp_avg'], moments[id(p)]) for o in (learn.opt_d, learn.opt_g) for p, s in o.state.items())
    go(learn, 1); groups_hold(learn)

@each_pair
def test_off_with_no_step_between_is_off(kind):
    learn = small(kind); go(learn, 2)
    was, names = learn.state_hash(), set(learn.D.state_dict()) | set(learn.G.state_dict())
    grow(learn); learn.tricks.off(GROW)                                   # α is 0: nothing to fade
    assert not learn.tricks.enabled and learn.state_hash() == was and set(learn.D.state_dict()) | set(learn.G.state_dict()) == names
    assert not doors(learn.D) and not doors(learn.G) and len(learn.some_x[0, 0]) == learn.source.shape[1]
    go(learn, 2); groups_hold(learn)

@each_pair
@pytest.mark.part(2)
def test_up_and_down_again(kind):
    "With rates of 0 the whole way up and back ends at the very images and scores that it began with"
    learn = small(kind); go(learn, 2); still(learn)
    x = learn.source.batch(0).clone()
    if kind == 'own': was = learn.sample(8), learn.score(x)              # no BatchNorm, whose buffers move at any rate
    grow(learn, fade=5); go(learn, 4)
    learn.tricks.off(GROW)
    t = learn.tricks[GROW]
    assert t.enabled and t.leaving == (0, 4) and t.alphas() == [.8]
    seen = []
    for _ in range(3): go(learn, 1); seen += t.alphas()
    assert seen == pytest.approx([.6, .4, .2]) and learn.source.alphas == pytest.approx((.2,))
    go(learn, 1); groups_hold(learn)
    assert not t.enabled and learn.source.shape == PAIRS[kind][1] and not doors(learn.D) and not doors(learn.G)
    if kind == 'own': assert torch.equal(learn.sample(8), was[0]) and torch.equal(learn.score(x), was[1])
    go(learn, 2)

def test_leaving_over_a_measurement():
    "The step in which it goes is one in which D's slope is measured and a snapshot is due"
    learn = small(); learn.slope_every = learn.snap_every = 5
    grow(learn, fade=3); go(learn, 2); learn.tricks.off(GROW, at=2)
    learn.tricks.on(GROW, at=8); go(learn, 12); groups_hold(learn)
    assert learn.source.shape == (1, 32, 32)

@each_pair
@pytest.mark.part(4)
def test_what_is_new_comes_alive(kind):
    "Every new tensor has moved, and the outputs depend on it"
    learn = small(kind, lr_g=1e-3, lr_d=1e-3); grow(learn, fade=30)
    new = {n: p for net, key in ((learn.D, 'd'), (learn.G, 'g')) for n, p in ((f'{key}/{n}', p) for n, p in net.named_parameters()) if f'ganlab_{GROW}' in n}
    was = {n: p.detach().clone() for n, p in new.items()}
    go(learn, 60)
    assert new and all(not torch.equal(p, was[n]) for n, p in new.items())
    x, g = learn.source.batch(0), learn.sample(4)
    s = learn.score(x)
    for n, p in new.items():
        kept = p.detach().clone()
        differs = []
        for by in (.5, -.5):                                              # a ReLU may be shut on one side
            with torch.no_grad(): p.copy_(kept + by)
            differs.append(not torch.equal(learn.score(x), s) if n[0] == 'd' else not torch.equal(learn.sample(4), g))
        with torch.no_grad(): p.copy_(kept)
        assert any(differs), n

def test_alpha_one_is_the_new_network_alone():
    "What only the old ends see has no say any more"
    learn = small(); grow(learn, fade=2); go(learn, 3)
    assert learn.tricks[GROW].alphas() == [1.] and torch.equal(learn.source.batch(3), learn.source.source.batch(3))
    x, g = learn.source.batch(0), learn.sample(4)
    s = learn.score(x)
    with torch.no_grad(): learn.G[-2].weight.mul_(3); learn.D[0].weight.mul_(3)
    assert torch.equal(learn.sample(4), g) and torch.equal(learn.score(x), s)

def test_both_ends_of_the_stretch():
    a, b = torch.randn(2, 9)
    assert torch.equal(blend(a, b, 0.), a) and torch.equal(blend(a, b, torch.tensor(1.)), b)
    x = images(1, 4, 4, 1)
    for alphas in ((.3,), (1., .5)): assert torch.allclose(halved(faded(x, alphas)), faded(halved(x), alphas[:-1]), atol=1e-6)

# Several doublings

def test_the_schedule():
    "One after the other: fade, hold, and the next; in the log, and the same bits however the steps are cut"
    learn = small(k=2); grow(learn, stages=2, fade=4, hold=2)
    sizes = []
    for _ in range(12): go(learn, 1); sizes.append(learn.sample(1).shape[-1])
    assert sizes == [32]*5 + [64]*7
    assert [(c.kind, c.step) for c in learn.tricks.log] == [('on', 0), ('set', 6)]
    other = small(k=2); grow(other, stages=2, fade=4, hold=2); go(other, 12)
    assert other.state_hash() == learn.state_hash() and learn.tricks[GROW].alphas() == [1., 1.] and other.source.k == 0
    groups_hold(learn)
    with pytest.raises(ValueError, match='cannot be taken back|taken back'): learn.tricks.set(GROW, stages=1)
    with pytest.raises(ValueError, match='room for 2'): learn.tricks.set(GROW, stages=3)
    assert other.state_hash() == learn.state_hash()

@pytest.mark.parametrize('kind', ['dcgan', 'own'])
def test_the_second_doubling_keeps_functions(kind):
    learn = small(kind, k=2, bs=2); grow(learn, fade=2, hold=0); go(learn, 3)
    c, h, w = PAIRS[kind][1]
    x = images(c, h, w, 2)[:4]
    g, s = learn.sample(4), learn.score(halved(x))
    learn.tricks.set(GROW, stages=2)
    assert torch.equal(learn.sample(4), doubled(g)) and torch.equal(learn.score(x), s)
    go(learn, 1); groups_hold(learn)
    learn.tricks.off(GROW); go(learn, 2); assert not learn.tricks.enabled and learn.source.shape == (c, h, w)
    groups_hold(learn)

def test_by_hand_it_waits_for_the_fade():
    learn = small(k=2); grow(learn, fade=4, hold=0); go(learn, 2)
    learn.tricks.set(GROW, stages=2)
    assert learn.tricks[GROW].widths == [4]
    go(learn, 3); assert learn.tricks[GROW].widths == [4, 4]

def test_alpha_is_steady_where_values_change():
    learn = small(); t = learn.tricks[GROW]
    grow(learn, fade=10); go(learn, 6)
    learn.tricks.set(GROW, fade=100); assert t.alphas() == [.6]
    learn.tricks.off(GROW); go(learn, 3); assert t.alphas() == pytest.approx([.3])
    learn.tricks.on(GROW); assert t.alphas() == pytest.approx([.3]) and t.leaving is None
    go(learn, 10); assert t.alphas() == pytest.approx([.4]) and all(s.gate.item() == pytest.approx(.4) for p in parts(learn) for s in p.stages)
    was = learn.state_hash()
    with pytest.raises(ValueError, match='room'): learn.tricks.set(GROW, fade=7, stages=5)
    assert learn.state_hash() == was
    with pytest.raises(ValueError, match='mode cannot change'): learn.tricks.set(GROW, mode='curriculum')

@pytest.mark.filterwarnings('ignore:.*progressive_growing')
def test_metrics_compare_images_of_the_present_size():
    x = images(1, 16, 16, 1)
    learn = GANLearner(tensor_dls(x, 4, valid=x), *dcgan(16, 1, 6, 4, seed=0), seed=0)
    assert samples_of(learn, 16).real.x.shape[1:] == (1, 16, 16)
    grow(learn, fade=4)
    for done in range(5):
        s = samples_of(learn, 16)
        assert s.real.x.shape[1:] == s.fake.x.shape[1:] == (1, 32, 32) and torch.equal(s.real.x, learn.source.sized(x[:16]))
        go(learn, 1)
    assert samples_of(learn, 16).real is s.real, 'what was seen in the same reals is kept'

# Snapshots, files, copies, failures

@each_pair
@pytest.mark.part(2)
def test_snapshots(kind):
    learn = small(kind); go(learn, 1); grow(learn); go(learn, 2)
    snap, at = learn.snapshot(), learn.state_hash()
    go(learn, 3); end = learn.state_hash()
    learn.restore(snap); assert learn.state_hash() == at and learn.source.alphas == (.25,)
    go(learn, 3); assert learn.state_hash() == end

def test_a_snapshot_while_the_next_stage_is_due():
    learn = small(k=2); grow(learn, stages=2, fade=2, hold=1); go(learn, 2)
    snaps = {}
    def gate(learn): snaps[learn.step] = learn.snapshot(), learn.state_hash()
    learn.fit_steps(1, gate=gate); end = small(k=2); grow(end, stages=2, fade=2, hold=1); go(end, 6)
    snap, at = snaps[3]
    learn.restore(snap)
    assert learn.state_hash() == at
    go(learn, 3); assert learn.state_hash() == end.state_hash() and learn.source.k == 0

def test_a_snapshot_of_a_later_size():
    learn = small(k=2); grow(learn, fade=2, hold=0); go(learn, 3)
    early = learn.snapshot(), learn.state_hash()
    learn.tricks.set(GROW, stages=2); go(learn, 2)
    late = learn.snapshot(), learn.state_hash()
    try: learn.restore(early[0])
    except ValueError as e: one_sentence(e); assert learn.state_hash() == late[1]     # of other networks: said, and nothing moved
    else: assert learn.state_hash() == early[1] and learn.source.k == 1; go(learn, 1)
    other = small(k=2); grow(other, fade=2, hold=0); go(other, 1)
    other.restore(late[0])
    assert other.state_hash() == late[1] and other.source.k == 0
    go(other, 2); groups_hold(other)
    now = small(k=2); grow(now, fade=2, hold=0); go(now, 3); now.tricks.set(GROW, stages=2); go(now, 4)
    assert other.state_hash() == now.state_hash()

def test_files(tmp_path):
    learn = small(path=tmp_path); grow(learn); go(learn, 3); learn.save('a')
    fresh = small(path=tmp_path); grow(fresh); fresh.load('a')
    assert not unequal(copies(learn), copies(fresh)) and fresh.tricks[GROW].alphas() == learn.tricks[GROW].alphas()
    assert torch.equal(fresh.sample(4), learn.sample(4))
    plain = small(path=tmp_path).load('a')          # the growing is turned on as it was
    assert plain.tricks[GROW].enabled and torch.equal(plain.sample(4), learn.sample(4))

def test_copies_are_whole():
    learn = small(); grow(learn); go(learn, 3)
    G, D, z, x = copy.deepcopy(learn.G).eval(), copy.deepcopy(learn.D).eval(), learn.fixed_z(4), learn.source.batch(0)
    was = learn.sample(4), learn.score(x)
    go(learn, 2)
    with torch.no_grad(): assert torch.equal(G(z), was[0]) and torch.equal(D(x).flatten(), was[1])

def test_a_failure_half_way():
    "The next size is refused by another trick, or by something that raises: nothing has moved"
    learn = small(); learn.tricks.on(DUAL); go(learn, 1)
    was = learn.state_hash()
    with pytest.raises(Refused) as e: grow(learn)
    assert '32' in one_sentence(e.value) and learn.state_hash() == was and learn.source.shape == (1, 16, 16) and not doors(learn.D)
    go(learn, 1)
    learn = small(k=2); grow(learn, fade=2, hold=0); go(learn, 3); learn.tricks.on(DUAL); go(learn, 1)
    t = learn.tricks[GROW]
    learn.tricks.set(GROW, stages=2)                     # the copy of D has a part of its own, and grows along
    assert len(parts(learn)) == 3 and all(len(p.stages) == 2 for p in parts(learn))
    go(learn, 2); groups_hold(learn)
    learn.tricks.off(GROW, now=True); go(learn, 1)
    assert not parts(learn) and not doors(learn.D) and learn.source.shape == (1, 16, 16)

def test_what_is_refused():
    learn = make_learner('dcgan')
    with pytest.raises(Refused, match='the data has the size'): learn.tricks.on(GROW, mode='resolution')
    with pytest.raises(Refused, match='cannot be halved 5 times'): learn.tricks.on(GROW, mode='curriculum', stages=5)
    with pytest.raises(Refused, match='no images'): make_learner('mlp').tricks.on(GROW, mode='resolution')
    flat = nn.Sequential(nn.Flatten(), nn.Linear(256, 1))
    with pytest.warns(UserWarning): learn = GANLearner(tensor_dls(images(1, 16, 16, 1), 4), dcgan(16, 1, 6, 4)[0], flat)
    with pytest.raises(Refused, match='D has no convolution'): learn.tricks.on(GROW, mode='resolution')
    c = learn.tricks.on(GROW)
    assert learn.tricks[GROW].kind == 'capacity' and 'layers grow' in c.sentence

def test_no_step_differs_while_off():
    "The wrapped source changes nothing but the size: the same bits as data averaged down beforehand"
    x = images(1, 16, 16, 1, 40)
    def run(x, valid):
        torch.manual_seed(0)
        learn = GANLearner(tensor_dls(x, 4, valid), *dcgan(16, 1, 6, 4)); go(learn, 4)
        return learn.state_hash()
    with pytest.warns(UserWarning): a = run(x, x[:4])
    assert a == run(halved(x), halved(x[:4]))

# Capacity and curriculum

@pytest.mark.parametrize('kind', some(['mlp', 'dcgan', 'resnet', 'skip', 'loop', 'tied', 'dropout', 'inplace'], 'dcgan', 'skip', 'tied'))
def test_capacity(kind):
    learn = make_learner(kind, lr_g=1e-3, lr_d=1e-3); go(learn, 2)
    x = learn.source.batch(0)
    was = learn.sample(8), learn.score(x)
    learn.tricks.on(GROW, mode='capacity', stages=2, fade=2, hold=3, width=4)
    assert torch.allclose(learn.sample(8), was[0], atol=1e-6) and torch.allclose(learn.score(x), was[1], atol=1e-6)
    new = {n: p.detach().clone() for net in (learn.D, learn.G) for n, p in net.named_parameters() if GROW in n}
    go(learn, 3); was = learn.sample(8), learn.score(x)
    assert len(learn.tricks[GROW].widths) == 2 and [(c.kind, c.step) for c in learn.tricks.log][1:] == [('set', 5)]
    assert all(len(p.stages) == 2 for p in parts(learn)); groups_hold(learn)
    go(learn, 20)
    assert all(not torch.equal(p, new[n]) for net in (learn.D, learn.G) for n, p in net.named_parameters() if n in new and not (n.endswith('bias') and p.grad is None and torch.equal(p, new[n])))
    learn.tricks.off(GROW); go(learn, 2); assert not learn.tricks.enabled and not parts(learn)
    groups_hold(learn)

def test_curriculum():
    learn = make_learner('dcgan'); t = learn.tricks[GROW]
    learn.tricks.on(GROW, mode='curriculum', stages=2, fade=2, hold=1)
    assert t.effect() == 'now' and not parts(learn)
    lods = [t.lod()]
    for _ in range(7): go(learn, 1); lods.append(t.lod())
    assert lods == [2, 2, 1.5, 1, 1, .5, 0, 0]
    x = learn.source.batch(0)
    assert t.inputs(x, None) is x                                   # at the end it is not there
    t.done = [0]
    assert torch.allclose(t.inputs(x, None), doubled(doubled(halved(halved(x)))))
    fake = x.clone().requires_grad_(); t.inputs(fake, None).sum().backward(); assert fake.grad.abs().sum() > 0

# Dual discriminator

def others(learn): return learn.tricks[DUAL].others(learn)

def test_d2gan_is_the_formula():
    "The terms that are summed are the game's, on the very scores; D2 = -D at the switch"
    learn = make_learner('dropout'); go(learn, 2)
    x, g = data(16)[:8], learn.sample(8)
    learn.tricks.on(DUAL, alpha=.3, beta=.6)
    learn.D.eval(); d2 = others(learn)[0]
    with torch.no_grad(): assert torch.equal(d2(x), -learn.D(x).flatten())
    r, f = learn.score(x), learn.score(g)
    loss = D2GAN(.3).d_loss(r, f) + second_d_loss(-r, -f, .6, 'exp')
    by_hand = (.3*f.exp()).mean() - .3*(r.exp()*.3).log().mean() + (.6*(-r).exp()).mean() - .6*(.6*(-f).exp()).log().mean()
    assert torch.allclose(loss, by_hand, atol=1e-5)
    gen = D2GAN(.3).g_loss(f) + second_g_loss(-f, .6, 'exp')
    assert torch.allclose(gen, -(.3*f.exp()).mean() + .6*(.6*(-f).exp()).log().mean(), atol=1e-5)

@pytest.mark.parametrize('loss', ['non_saturating', 'hinge', 'relativistic'])
def test_multi_scale_is_the_mean(loss):
    "Recorded losses are the mean over the scales, of scores that all Ds gave; in G's phase no D moves"
    learn = make_learner('resnet', loss=loss); go(learn, 2)
    learn.tricks.on(DUAL, mode='multi_scale', n_scales=3)
    assert [n.sign for n in others(learn)] == [1, 1]
    before = net_state(learn.D)
    x, z = learn.source.batch(learn.n_batches), learn.latents(learn.bs, 'z', learn.step, 0)
    with torch.no_grad():
        xf = copy.deepcopy(learn.G)(z)
        ls = [get_loss(loss).d_loss(net(v(x)).flatten(), net(v(xf)).flatten()) for net, v in ((learn.D, lambda x: x), (others(learn)[0], halved), (others(learn)[1], lambda x: halved(halved(x))))]
    go(learn, 1)
    assert learn.history.d_loss.iloc[-1] == pytest.approx(torch.stack(ls).mean().item(), abs=1e-4)
    now = net_state(learn.D)
    assert all(not torch.equal(now[n], before[n]) for n in now if DUAL in n and n.endswith('weight'))
    learn.half_step('g'); go(learn, 1)
    assert not unequal(now, net_state(learn.D)); groups_hold(learn)

def test_a_d_for_one_size_alone():
    learn = make_learner('dcgan')
    with pytest.raises(Refused, match='needs a D for any size'): learn.tricks.on(DUAL, mode='multi_scale')
    with pytest.raises(Refused, match='cannot be halved|any size'): make_learner('resnet').tricks.on(DUAL, mode='multi_scale', n_scales=4)

def test_a_second_d_of_ones_own():
    "Trained by D's optimiser, seen by G's gradient, in snapshots; its weights stay its own when it leaves"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mine = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    learn = make_learner('skip')
    learn.tricks.add(DualDiscriminator(second=mine, view=lambda x: x.pow(2).sum(1, keepdim=True)))
    learn.tricks.on(DUAL); go(learn, 2); groups_hold(learn)
    assert {id(p) for p in mine.parameters()} <= {id(p) for p in learn.D.parameters()} and all(p in learn.opt_d.state for p in mine.parameters())
    snap, at = learn.snapshot(), learn.state_hash(); go(learn, 2); end = learn.state_hash()
    learn.restore(snap); assert learn.state_hash() == at; go(learn, 2); assert learn.state_hash() == end
    was = net_state(mine); learn.tricks.off(DUAL); go(learn, 2)
    assert not unequal(was, net_state(mine)) and not any(p in learn.opt_d.state for p in mine.parameters())
    learn.tricks.on(DUAL, mode='d2gan'); go(learn, 2); groups_hold(learn)

def test_a_second_d_that_does_not_fit():
    learn = make_learner('mlp')
    for second, view, word in ((nn.Linear(3, 1), None, 'does not take'), (nn.Linear(2, 2), None, 'it gives'), (nn.Linear(1, 1), lambda x: x[:, 5:6].sum(9), 'view fails')):
        learn.tricks.add(DualDiscriminator(second=second, view=view))
        was = learn.state_hash()
        with pytest.raises(Refused, match=word) as e: learn.tricks.on(DUAL)
        one_sentence(e.value); assert learn.state_hash() == was
    learn.tricks.add(DualDiscriminator(second=learn.D))
    with pytest.raises(Refused, match='shares weights'): learn.tricks.on(DUAL)
    with pytest.raises(TypeError): DualDiscriminator(second=lambda x: x)
    with pytest.raises(ValueError): DualDiscriminator(view=lambda x: x)

def test_it_sees_what_d_sees():
    "Another trick's noise reaches both, and the same one"
    learn = make_learner('mlp'); learn.run.frame_every = 0; go(learn, 1)
    learn.tricks.on(DUAL); learn.tricks.on('instance_noise', sigma=1, share=1)
    seen, t = [], learn.tricks[DUAL]
    judge, t.judge = t.judge, lambda learn, x: seen.append(x) or judge(learn, x)
    firsts = []
    learn.D[0].register_forward_pre_hook(lambda m, a: firsts.append(a[0].detach().clone()))
    go(learn, 1)
    assert len(seen) == 3 and all(torch.equal(a, b) for a, b in zip(seen, [f for f in firsts[:2]] + firsts[4:5] if len(firsts) > 3 else firsts))

def test_spectral_norm_and_back():
    "D's copy has what D has, and loses it with D"
    learn = make_learner('mlp'); learn.tricks.on('spectral_norm'); go(learn, 2)
    learn.tricks.on(DUAL); go(learn, 2); groups_hold(learn)
    learn.tricks.off('spectral_norm'); go(learn, 1)
    assert not any('parametrizations' in n for n in learn.D.state_dict()); groups_hold(learn)
    learn.tricks.off(DUAL); go(learn, 1); groups_hold(learn)
