"Minibatch standard deviation, self-attention and style in networks as strangers write them: silent at first, alive soon, gone without a jump."
import sqlite3
from copy import deepcopy
import pytest, torch
import torch.nn.functional as F
from torch import nn
from ganlab.engine.surgery import hosts
from ganlab.engine.change import Refused
from ganlab.record.packing import pack, unpack
from ganlab.record.run import Run
from strangers import MAKERS, conv_d, copies, data, go, groups_hold, make_learner, nets, one_sentence

class GroupG(nn.Module):
    "Grouped, depthwise and transposed convolutions, and dropout"
    def __init__(self):
        super().__init__()
        self.start, self.a, self.b = nn.Linear(6, 8*16), nn.Conv2d(8, 12, 3, padding=1, groups=4), nn.Conv2d(12, 12, 3, padding=1, groups=12, padding_mode='reflect')
        self.c, self.drop, self.last = nn.ConvTranspose2d(12, 6, 4, 2, 1, groups=2, bias=False), nn.Dropout(.3), nn.ConvTranspose2d(6, 1, 4, 2, 1)
    def forward(self, z):
        h = F.leaky_relu(self.a(self.start(z).view(-1, 8, 4, 4)), .2)
        return self.last(self.drop(F.leaky_relu(self.c(self.b(h)), .2))).tanh()

class TokenG(nn.Module):
    "Linear layers on 16 tokens a sample, once with the tokens folded into the batch"
    def __init__(self):
        super().__init__()
        self.start, self.a, self.b, self.last = nn.Linear(6, 16*8), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 16)
    def forward(self, z):
        h = self.a(F.leaky_relu(self.start(z), .2).view(len(z), 16, 8))
        h = h + self.b(F.leaky_relu(h, .2).view(-1, 8)).view_as(h)
        return self.last(h).tanh().view(len(z), 1, 16, 16)

class TokenD(nn.Module):
    "A linear layer that scores 16 tokens a sample, then their mean"
    def __init__(self): super().__init__(); self.first, self.last = nn.Linear(16, 12), nn.Linear(12, 1)
    def forward(self, x): return self.last(F.leaky_relu(self.first(x.flatten(1).unflatten(1, (16, 16))), .2)).mean((1, 2))

class PatchD(nn.Module):
    "Scores of patches by a convolution with stride and padding, then their mean"
    def __init__(self): super().__init__(); self.body, self.head = conv_d()[:2], nn.Conv2d(8, 1, 3, 2, 1, padding_mode='reflect')
    def forward(self, x): return self.head(self.body(x)).mean((1, 2, 3))

MORE = dict(groups=lambda: (GroupG(), PatchD()), tokens=lambda: (TokenG(), TokenD()))
VECTORS, IMAGES = ('mlp', 'skip', 'loop', 'tied'), ('dcgan', 'resnet', 'dropout', 'inplace')
PAIRS = [(t, k) for t in ('minibatch_stddev', 'style') for k in (*VECTORS, *IMAGES, *MORE)] + [('self_attention', k) for k in (*IMAGES, 'groups')]
KEPT = dict(minibatch_stddev=('loop', 'inplace', 'groups', 'tokens'), style=('tied', 'dcgan', 'dropout', 'tokens'), self_attention=('dcgan', 'dropout', 'groups'))     # `make test-all` takes each
each = pytest.mark.parametrize('name,kind', [pytest.param(t, k, marks=() if k in KEPT[t] else pytest.mark.slow) for t, k in PAIRS])

def learner(kind, warm=3, **kwargs):
    if kind in MORE:
        torch.manual_seed(1)
        G, D = MORE[kind]()
        learn = make_learner('dropout', G=G, D=D, z_dim=6, **kwargs)
    else: learn = make_learner(kind, **kwargs)
    go(learn, warm)
    return learn

def outputs(learn):
    x = learn.source.batch(0)
    return learn.sample(len(x)), learn.score(x)

def gap(a, b): return max((x - y).abs().max().item() for x, y in zip(a, b))

def new_tensors(learn): return {f'{k}.{n}': p for k, net in (('G', learn.G), ('D', learn.D)) for n, p in net.named_parameters() if 'ganlab_' in n}

@each
@pytest.mark.part(6)
def test_silent_then_alive(name, kind):
    "G(z) and D(x) as before at the switch; 100 steps later each new tensor has moved, and changing it changes what comes out"
    learn = learner(kind, lr_g=1e-3, lr_d=1e-3)
    was = outputs(learn)
    learn.tricks.on(name)
    assert gap(was, outputs(learn)) <= 1e-5
    before = {n: p.detach().clone() for n, p in new_tensors(learn).items()}
    assert before
    go(learn, 100 if kind != 'resnet' else 60)
    groups_hold(learn)
    was = outputs(learn)
    for n, p in new_tensors(learn).items():
        assert not torch.equal(p, before[n]), f'{n} has not moved'
        own = p.detach().clone()
        with torch.no_grad(): p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(0))*.3)
        assert gap(was, outputs(learn)) > 1e-7, f'{n} does not matter'
        with torch.no_grad(): p.copy_(own)
    assert gap(was, outputs(learn)) == 0

@each
@pytest.mark.part(2)
def test_gone_without_a_jump(name, kind):
    "With the gates closed, taking it out changes nothing, though everything has moved; and nothing is left of it"
    learn = learner(kind, lr_g=1e-3, lr_d=1e-3)
    clean = set(copies(learn))
    learn.tricks.on(name); go(learn, 10)
    for m in learn.tricks[name].parts(learn): m.gate.fill_(0.)
    was = outputs(learn)
    learn.tricks.off(name, now=True)
    assert gap(was, outputs(learn)) <= 1e-5
    assert set(copies(learn)) == clean and not any('ganlab_' in n for net in (learn.G, learn.D) for n, _ in net.named_modules())
    for net in (learn.G, learn.D):
        for m in net.modules(): assert not m._forward_hooks and not m._forward_pre_hooks and not m._forward_hooks_always_called
    groups_hold(learn); go(learn, 1)

@pytest.mark.parametrize('name', ['minibatch_stddev', 'self_attention', 'style'])
def test_leaves_over_some_steps(name):
    learn = learner('dcgan')
    learn.tricks.on(name, leave_over=4); go(learn, 5)
    learn.tricks.off(name)
    gates = []
    for _ in range(4):
        assert learn.tricks[name].enabled
        go(learn, 1); gates += [m.gate.item() for m in learn.tricks[name].parts(learn)][:1]
    assert gates == [.75, .5, .25] and not learn.tricks[name].enabled
    groups_hold(learn)

@each
@pytest.mark.part(2)
def test_a_copy_is_whole(name, kind):
    "A deepcopy of G and D carries what was added, and does not share it"
    learn = learner(kind); learn.tricks.on(name); go(learn, 5)
    twins = deepcopy(learn.G).eval(), deepcopy(learn.D).eval()
    G, D = learn.G.eval(), learn.D.eval()
    z, x = learn.some_z, learn.source.batch(0)
    def outs(G, D):
        torch.manual_seed(0)
        with torch.no_grad(): return G(z), D(x.clone())
    was = outs(G, D)
    assert gap(was, outs(*twins)) == 0
    with torch.no_grad():
        for p in new_tensors(learn).values(): p.add_(1.)
    assert gap(was, outs(*twins)) == 0 and gap(was, outs(G, D)) > 0

@pytest.mark.parametrize('kind', ['dropout', 'inplace', 'groups'])
@pytest.mark.parametrize('name', ['minibatch_stddev', 'self_attention'])
def test_second_derivative_of_d(name, kind):
    "A gradient penalty reaches each of D's new tensors"
    learn = learner(kind); learn.tricks.on(name); go(learn, 5)
    x = learn.source.batch(0).requires_grad_()
    g, = torch.autograd.grad(learn.D(x.clone()).sum(), x, create_graph=True)
    g.square().flatten(1).sum(1).mean().backward()
    for n, p in learn.D.named_parameters():
        if 'ganlab_' in n: assert p.grad.isfinite().all() and p.grad.any(), n

@pytest.mark.parametrize('name', ['minibatch_stddev', 'self_attention', 'style'])
def test_bf16(name):
    learn = learner('dcgan', amp='bf16'); learn.tricks.on(name); go(learn, 4)
    assert all(t.isfinite().all() for t in copies(learn).values() if t.is_floating_point())

# Minibatch standard deviation

def test_collapse_shows():
    "With the slice open, D tells a batch of one sample, repeated, from a batch of many"
    learn = learner('dcgan'); learn.tricks.on('minibatch_stddev')
    x = data(16)[:8]
    same = x[:1].expand_as(x)
    plain = learn.score(same) - learn.score(x)[0]
    with torch.no_grad(): learn.tricks['minibatch_stddev'].slice.extra.weight.fill_(10.)
    assert plain.abs().max() < 1e-5 and (learn.score(x)[0] - learn.score(same)[0]).abs() > .1

def test_group_is_restored():
    learn = learner('mlp'); learn.tricks.on('minibatch_stddev', group=2)
    snap = learn.snapshot()
    learn.tricks.set('minibatch_stddev', group=8); assert learn.tricks['minibatch_stddev'].slice.group == 8
    learn.restore(snap); assert learn.tricks['minibatch_stddev'].slice.group == 2

# Self-attention

class SmallG(nn.Module):
    "An image by a linear layer: no maps but the image"
    def __init__(self): super().__init__(); self.a, self.b = nn.Linear(6, 12), nn.Linear(12, 256)
    def forward(self, z): return self.b(self.a(z).relu()).view(-1, 1, 16, 16).tanh()

@pytest.mark.parametrize('params,says', [(dict(net='G'), 'G has no feature map of at least 4x4'), (dict(net='both', layer='D.auto, G.b'), 'is no map'), (dict(layer='D.0'), 'names none for G'), (dict(net='D', layer='7'), 'is no map')])
def test_attention_says_why_not(params, says):
    learn = make_learner('dropout', G=SmallG(), z_dim=6)
    with pytest.raises(Refused) as e: learn.tricks.on('self_attention', **params)
    assert says in one_sentence(e.value)

@pytest.mark.parametrize('kind', VECTORS)
def test_attention_needs_maps(kind):
    with pytest.raises(Refused) as e: make_learner(kind).tricks.on('self_attention')
    assert 'its layers give vectors' in one_sentence(e.value)

def test_attention_where_it_is_told():
    learn = learner('resnet'); learn.tricks.on('self_attention', layer='D.1, D.0.main.0, G.3')
    assert hosts(learn.D, 'self_attention') == [learn.D[0].main[0], learn.D[1]] and hosts(learn.G, 'self_attention') == [learn.G[3]]
    go(learn, 2)

# Style

def test_style_moves_moments_with_weights():
    "A weight that is multiplied by c has moments divided by c and c squared"
    learn = learner('groups', lr_g=1e-3); learn.tricks.on('style', mixing=0); go(learn, 10)
    W = learn.G.a.weight
    was, state = W.detach().clone(), {k: v.clone() for k, v in learn.opt_g.state[W].items()}
    learn.tricks.off('style', now=True)
    c, now = W/was, learn.opt_g.state[learn.G.a.weight]
    assert learn.G.a.weight is W and (c - 1).abs().max() > 1e-4
    torch.testing.assert_close(now['exp_avg'], state['exp_avg']/c, rtol=1e-4, atol=0); torch.testing.assert_close(now['exp_avg_sq'], state['exp_avg_sq']/c**2, rtol=1e-4, atol=0)

@pytest.mark.parametrize('kind', ['groups', 'dropout', 'skip'])
def test_style_shifts_nobodys_numbers(kind):
    "In training mode too, dropout's masks among it, G gives what it gave before"
    learn = learner(kind)
    z = learn.some_z
    def out():
        torch.manual_seed(3)
        with torch.no_grad(): return deepcopy(learn.G).train()(z)
    was = out()
    learn.tricks.on('style', noise=True, mixing=1)
    torch.testing.assert_close(out(), was, atol=1e-3 if kind == 'dropout' else 1e-5, rtol=0)   # BatchNorm divides by what little a batch varies

def test_noise_repeats_within_an_update_only():
    learn = learner('groups'); learn.tricks.on('style', mixing=0)
    for m in learn.tricks['style'].parts(learn)[1:]:
        if getattr(m, 'strength', None) is not None: m.strength.data.fill_(1.)
    G = learn.G.eval()
    def out(seed):
        torch.manual_seed(seed)
        with torch.no_grad(): return G(learn.some_z)
    assert torch.equal(out(1), out(1)) and not torch.equal(out(1), out(2)) and torch.equal(learn.sample(8), learn.sample(8))

@pytest.mark.parametrize('parts', [dict(mapping=False), dict(modulation=False, mixing=0), dict(demodulation=False), dict(noise=False), dict(modulation=False, demodulation=False, noise=False, mixing=0)])
def test_style_in_pieces(parts):
    learn = learner('groups')
    was = outputs(learn)
    learn.tricks.on('style', **parts)
    assert gap(was, outputs(learn)) <= 1e-5
    names = ' '.join(new_tensors(learn))
    assert ('layers' in names) == parts.get('mapping', True) and ('affine' in names) == parts.get('modulation', True) and ('strength' in names) == parts.get('noise', True)
    go(learn, 3); groups_hold(learn)

def test_style_samples_of_a_copy():
    learn = learner('dcgan', lr_g=1e-3); learn.tricks.on('style', noise=False); go(learn, 20)
    style, twin = learn.tricks['style'], deepcopy(learn.G)
    z, other = learn.fixed_z(300), learn.fixed_z(1)
    mixed = style.sample(learn, z=z, mix=other, truncation=.7)
    torch.testing.assert_close(style.sample(learn, z=z, mix=other, truncation=.7, net=twin), mixed, atol=1e-6, rtol=0)
    assert mixed.shape == (300, 1, 16, 16) and not torch.equal(mixed, learn.sample(z=z))
    one = style.sample(learn, z=z[-5:], mix=other, truncation=.7)
    torch.testing.assert_close(one, mixed[-5:], atol=1e-5, rtol=0)

@pytest.mark.parametrize('bad,says', [(dict(layers=[0, 'nope']), 'need numbers from 0'), (dict(layers=True), 'need numbers'), (dict(truncation=float('nan')), 'need a number'), (dict(z=torch.zeros(2, 9)), 'z has shape'), (dict(mix=torch.zeros(3, 6)), 'mix has shape')])
def test_style_sample_says_what_is_wrong(bad, says):
    learn = learner('dcgan'); learn.tricks.on('style')
    with pytest.raises(ValueError) as e: learn.tricks['style'].sample(learn, n=8, **bad)
    assert says in one_sentence(e.value)

def test_style_with_spectral_norm():
    "Either may be switched while the other is on; D and G stay as they were"
    learn = learner('groups'); learn.tricks.on('style', mixing=0); go(learn, 3)
    was = outputs(learn); learn.tricks.on('spectral_norm', net='G'); assert gap(was, outputs(learn)) <= 1e-5
    go(learn, 3)
    was = outputs(learn); learn.tricks.off('spectral_norm', now=True); assert gap(was, outputs(learn)) <= 1e-4

def test_a_pass_within_a_pass():
    "A forward pass of G that a hook of G makes first leaves the outer one its styles"
    learn = learner('groups'); learn.tricks.on('style', mixing=0); go(learn, 5)
    G, z = learn.G.eval(), learn.some_z
    with torch.no_grad():
        torch.manual_seed(0); was = G(z)
        busy = []
        def first(net, args):
            if not busy: busy.append(1); G(z[:4]*2); busy.clear()
        handle = G.register_forward_pre_hook(first)
        torch.manual_seed(0); now = G(z)
        handle.remove()
    assert torch.equal(was, now)
    assert all(m.s is None for m in learn.tricks['style'].parts(learn) if hasattr(m, 's'))

def test_mixing_is_restored():
    learn = learner('mlp'); learn.tricks.on('style', mixing=.5)
    snap = learn.snapshot()
    learn.tricks.set('style', mixing=.1); assert learn.tricks['style'].map.mixing == .1
    learn.restore(snap); assert learn.tricks['style'].map.mixing == .5

def test_sample_through_the_learner():
    "`learn.sample` hands what it does not know to the trick that steers; without it, it says which"
    learn = make_learner('dcgan'); go(learn, 2)
    with pytest.raises(ValueError, match='needs style'): learn.sample(4, truncation=.5)
    learn.tricks.on('style', noise=False); go(learn, 2)
    was = learn.state_hash()
    assert torch.equal(learn.sample(4, truncation=1.), learn.sample(4)) and torch.equal(*learn.sample(2, truncation=0.))
    assert learn.state_hash() == was

@pytest.mark.parametrize('name', ['minibatch_stddev', 'self_attention', 'style'])
def test_on_again_while_leaving(name):
    "What was fading out comes back to full strength, and a later fade starts from where it stands"
    learn = make_learner('dcgan'); t = learn.tricks[name]
    learn.tricks.on(name, leave_over=10); go(learn, 10); learn.tricks.off(name); go(learn, 7)
    gates = lambda: [m.gate.item() for m in t.parts(learn)]
    assert max(gates()) < .5 and learn.tricks.on(name).step == 17
    snap = learn.snapshot(); go(learn, 3)
    assert .5 < min(gates()) < 1
    learn.tricks.off(name); was = min(gates()); go(learn, 1)
    assert max(gates()) < was, 'a fade goes down from where it stands'
    learn.tricks.on(name); learn.restore(snap); go(learn, 12)
    assert gates() == [1.]*len(gates())

@pytest.mark.parametrize('name', ['minibatch_stddev', 'self_attention', 'leaky_relu', 'virtual_batch_norm', 'dropout'])
def test_it_leaves_within_as_many_steps_as_it_was_on(name):
    "Evenly, whatever it would take otherwise"
    learn = make_learner('dcgan'); t = learn.tricks[name]; learn.tricks.on(name); go(learn, 4)
    learn.tricks.off(name); assert t.leaving == (0, 4)
    was = {n: m.negative_slope for n, m in learn.G.named_modules() if name == 'leaky_relu' and hasattr(m, 'own')}
    go(learn, 3); assert t.leaving == (3, 4)
    for n, v in was.items():
        m = learn.G.get_submodule(n); assert m.negative_slope == pytest.approx(m.own[1] + (v - m.own[1])/4 if m.own[1] else v/4)
    go(learn, 1); assert not t.enabled
    learn.tricks.on(name); learn.tricks.off(name); assert not t.enabled, 'no step was made with it'

@pytest.mark.parametrize('name', ['minibatch_stddev', 'self_attention', 'style', 'residual'])
def test_on_again_after_a_short_stay(name):
    "It comes back at the pace at which it was leaving"
    learn = make_learner('dcgan'); t = learn.tricks[name]
    learn.tricks.on(name); go(learn, 4); learn.tricks.off(name); go(learn, 2)
    assert [m.gate.item() for m in t.parts(learn) if hasattr(m, 'gate')] and max(m.gate.item() for m in t.parts(learn) if hasattr(m, 'gate')) < .6
    learn.tricks.on(name); go(learn, 6)
    assert all(m.gate.item() == 1 for m in t.parts(learn) if hasattr(m, 'gate'))

def test_what_was_loaded_leaves_as_slowly_as_where_it_was_saved(tmp_path):
    "The networks have leaned on it for as long"
    learn = make_learner('dcgan', path=tmp_path); learn.tricks.on('self_attention'); go(learn, 6); learn.save('a')
    fresh = make_learner('dcgan', path=tmp_path); fresh.load('a'); fresh.tricks.off('self_attention')
    assert fresh.tricks['self_attention'].leaving == (0, 6)

def test_a_record_of_before_leaves_as_it_did(tmp_path):
    "There no change says over how many steps: as many as the trick asks for"
    learn = make_learner('dcgan', run=tmp_path/'r'); t = learn.tricks['minibatch_stddev']
    learn.tricks.on(t.name, leave_over=8); go(learn, 3); t.since = -9
    learn.tricks.off(t.name); go(learn, 4); assert t.leaving == (4, 8)
    learn.run.close()
    with sqlite3.connect(tmp_path/'r'/'run.sqlite') as db:
        for i, more in db.execute("select id, more from changes where kind='off'").fetchall():
            old = unpack(more); assert old.pop('over') == 8
            db.execute('update changes set more=? where id=?', (pack(old), i))
    again = Run.open(tmp_path/'r').replay(learn.dls, *nets('dcgan'), progress=False)
    assert again.state_hash() == learn.state_hash() and again.tricks[t.name].leaving == (4, 8)

def test_style_beside_spectral_norm_of_G():
    "Nothing of G moves at the switch, spectral norm's vectors included"
    learn = make_learner('dcgan', tricks=[('spectral_norm', dict(net='G'))]); go(learn, 3)
    was, out = copies(learn), learn.sample(8)
    learn.tricks.on('style')
    now = copies(learn)
    assert all(torch.equal(was[n], now[n]) for n in was) and (learn.sample(8) - out).abs().max() <= 1e-5

def test_sample_with_a_mistyped_name():
    learn = make_learner('dcgan', tricks=['style'])
    with pytest.raises(ValueError, match="Did you mean 'truncation'") as e: learn.sample(4, truncaton=.5)
    one_sentence(e.value)
