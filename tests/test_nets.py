"The reference networks: shapes, what they hold and what they do not, and that they learn."
import re
import pytest, torch
from torch import nn
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import LatentMap, dcgan, init_dcgan, mlp, resnet
from ganlab.losses import losses
from ganlab.engine.rng import Streams, borrowed_rng
from strangers import go, one_sentence

images = pytest.mark.parametrize('make', [dcgan, resnet])

@images
@pytest.mark.parametrize('size', [16, 32, 64, 128, 256])
@pytest.mark.parametrize('channels', [1, 3])
def test_shapes(make, size, channels):
    G, D = make(size=size, channels=channels, z_dim=5, width=2)
    x = G(torch.randn(3, 5))
    assert x.shape == (3, channels, size, size) and x.abs().max() <= 1
    assert D(x).shape == (3,)
    assert G.z_dim == 5
    assert G.made_by == D.made_by and G.made_by[0] == make.__name__

@pytest.mark.parametrize('size,first,doublings', [((48, 64), (3, 4), 4), ([64, 48], (4, 3), 4), ((28, 28), (7, 7), 2), (28, (7, 7), 2), ((32, 64), (4, 8), 3), ((12, 20), (3, 5), 2), ((256, 48), (16, 3), 4)])
def test_rectangles(size, first, doublings):
    "As many doublings as there can be, from a first map of at least three pixels a side"
    G, D = dcgan(size=size, channels=3, z_dim=5, width=2, seed=0)
    h, w = size if isinstance(size, (tuple, list)) else (size, size)
    x = G(torch.randn(3, 5))
    assert x.shape == (3, 3, h, w) and D(x).shape == (3,)
    assert G[1].kernel_size == first == D[-2].kernel_size and sum(isinstance(m, nn.ConvTranspose2d) for m in G) == doublings + 1
    assert G.made_by[1]['size'] == (h if h == w else (h, w))
    again = dcgan(**{**G.made_by[1], 'size': list(size) if isinstance(size, tuple) else size}, seed=0)      # as a record holds it
    assert all(torch.equal(a, b) for net, old in zip(again, (G, D)) for a, b in zip(net.parameters(), old.parameters()))

def test_a_square_is_what_it_was():
    "The same weights from the same seed, and the same output, as by hand with kernels of 4"
    G, D = dcgan(size=16, channels=1, z_dim=3, width=2, seed=7)
    with borrowed_rng(Streams(7), 'init'):
        g = nn.Sequential(LatentMap(), nn.ConvTranspose2d(3, 4, 4, 1, 0, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.ConvTranspose2d(4, 2, 4, 2, 1, bias=False), nn.BatchNorm2d(2), nn.ReLU(),
                          nn.ConvTranspose2d(2, 1, 4, 2, 1), nn.Tanh())
        d = nn.Sequential(nn.Conv2d(1, 2, 4, 2, 1), nn.LeakyReLU(.2), nn.Conv2d(2, 4, 4, 2, 1), nn.LeakyReLU(.2), nn.Conv2d(4, 1, 4, 1, 0), nn.Flatten(0))
        g.apply(init_dcgan)
        d.apply(init_dcgan)
    for new, old in ((G, g), (D, d)):
        assert [*new.state_dict()] == [*old.state_dict()] and all(torch.equal(a, b) for a, b in zip(new.state_dict().values(), old.state_dict().values()))
    z = torch.randn(4, 3)
    assert torch.equal(G(z), g(z)) and torch.equal(D(G(z)), d(g(z)))
    assert dcgan((32, 32))[0].made_by[1]['size'] == 32

@pytest.mark.parametrize('size,near', [((50, 64), (48, 64)), ((48, 66), (48, 64)), (100, (96, 96)), ((30, 40), (32, 40)), ((8, 8), (12, 12)), ((300, 300), (256, 256)), ((16, 256), (48, 256)), (0, (12, 12))])
def test_sizes_between(size, near):
    "One sentence names the nearest, which there is"
    with pytest.raises(ValueError, match=f'the nearest is {re.escape(str(near))}') as e: dcgan(size=size)
    one_sentence(e.value)
    G, _ = dcgan(size=near, width=1, z_dim=2)
    assert G(torch.randn(2, 2)).shape == (2, 1, *near)

@pytest.mark.parametrize('size', [(32,), (32, 32, 32), (32., 32), 'ab', None, (True, 32)])
def test_sizes_that_are_none(size):
    with pytest.raises(ValueError, match='size=.*need two sides') as e: dcgan(size=size)
    one_sentence(e.value)

def test_a_rectangle_trains_and_is_recorded(tmp_path):
    "On a folder's images of that size, with surgery; the record and its script make the networks again"
    import ganlab.travel.resume, ganlab.travel.script
    x = torch.randint(0, 256, (40, 3, 24, 40), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    dls, make = tensor_dls(x, 8), lambda: dcgan(size=(24, 40), channels=3, z_dim=4, width=4, seed=0)
    learn = GANLearner(dls, *make(), seed=0, run=tmp_path/'a')
    go(learn, 2)
    for name in ('spectral_norm', 'minibatch_stddev', 'diffaugment', 'self_attention'): learn.tricks.on(name)
    go(learn, 2)
    was = learn.state_hash()
    learn.run.to_python(tmp_path/'a.py')
    learn.run.close()
    assert re.search(r'size=[(\[]24, 40[)\]]', (tmp_path/'a.py').read_text())
    again = GANLearner.resume(tmp_path/'a', dls, *make())
    assert again.state_hash() == was
    with pytest.raises(ValueError, match='24'): GANLearner(dls, *dcgan(size=(40, 24), channels=3, z_dim=4, width=4), seed=0)

def test_mlp_shapes():
    G, D = mlp(dim=3, z_dim=7, width=8, depth=2)
    assert G(torch.randn(4, 7)).shape == (4, 3) and D(torch.randn(4, 3)).shape == (4,)
    assert sum(isinstance(m, nn.Linear) for m in G) == sum(isinstance(m, nn.Linear) for m in D) == 3
    assert D(torch.randn(1, 3)).shape == (1,)

PAIRS = [lambda **k: mlp(width=8, **k), lambda **k: dcgan(size=16, width=4, **k), lambda **k: resnet(size=32, width=4, **k)]
pairs = pytest.mark.parametrize('make', PAIRS, ids=['mlp', 'dcgan', 'resnet'])

@pairs
def test_no_norm_in_d_nothing_in_place_no_sigmoid(make):
    G, D = make()
    for m in [*G.modules(), *D.modules()]: assert not getattr(m, 'inplace', False) and not isinstance(m, nn.Sigmoid)
    assert not any(isinstance(m, nn.modules.batchnorm._NormBase) for m in D.modules())

@pairs
def test_seed(make):
    def same(a, b): return all(torch.equal(p, q) for x, y in zip(a, b) for p, q in zip(x.parameters(), y.parameters()))
    torch.manual_seed(0)
    before = torch.get_rng_state()
    a, b, c = make(seed=3), make(seed=3), make(seed=4)
    assert same(a, b) and not same(a, c)
    assert torch.equal(torch.get_rng_state(), before)           # a seed of its own leaves the default generator alone
    d = make(); torch.manual_seed(0)
    assert same(d, make())                                      # without one it is PyTorch's
    assert not same(d, make())

@pairs
def test_every_weight_matters(make):
    "A gradient of G's loss reaches each weight of G, one of D's each of D"
    G, D = make(seed=0)
    z = torch.randn(8, G.z_dim, generator=torch.Generator().manual_seed(0))
    x = G(z)
    losses['non_saturating'].g_loss(D(x)).backward()
    real = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    losses['non_saturating'].d_loss(D(real), D(x.detach())).backward()
    for m in (G, D):
        for n, p in m.named_parameters(): assert p.grad is not None and p.grad.isfinite().all() and p.grad.abs().sum() > 0, n

@pairs
def test_twice_differentiable(make):
    "A gradient penalty on D has a gradient"
    G, D = make(seed=0)
    x = G(torch.randn(4, G.z_dim)).detach().requires_grad_()
    g, = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    g.square().flatten(1).sum(1).mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in D.parameters())

@pairs
def test_d_judges_each_sample_by_itself(make):
    G, D = make(seed=0)
    x = G(torch.randn(6, G.z_dim)).detach()
    torch.testing.assert_close(D(x)[:2], D(x[:2]), rtol=1e-4, atol=1e-5)

def test_dcgan_init_and_norms():
    G, D = dcgan(size=32, channels=3, z_dim=64, width=32, bn_d=True, seed=0)
    for m in [*G, *D]:
        if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)):
            if m.weight.numel() > 3000: assert abs(m.weight.std() - .02) < .002
            if m.bias is not None: assert (m.bias == 0).all()
        if isinstance(m, nn.BatchNorm2d): assert abs(m.weight.mean() - 1) < .02
    assert isinstance(D[0], nn.Conv2d) and isinstance(D[1], nn.LeakyReLU) and D[1].negative_slope == .2
    assert any(isinstance(m, nn.BatchNorm2d) for m in D)
    assert dcgan(bn_d=True, width=4)[0].made_by[1]['bn_d'] is True

def test_latents_as_maps():
    G, _ = dcgan(size=16, z_dim=6, width=4)
    z = torch.randn(2, 6)
    assert torch.equal(G.eval()(z), G(z[:, :, None, None]))

def test_scores_start_near_zero():
    for make, kw in ((dcgan, {}), (resnet, {})):
        for size in (32, 128):
            _, D = make(size=size, channels=3, width=8, seed=0, **kw)
            x = torch.randn(8, 3, size, size, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
            assert D(x).abs().max() < 3

@images
@pytest.mark.parametrize('bad', [dict(size=29), dict(size=8), dict(size=512), dict(size='32'), dict(size=32.5), dict(size=True), dict(channels=0), dict(z_dim=-1), dict(width=0), dict(z_dim=2.5)])
def test_bad_arguments(make, bad):
    (k, v), = bad.items()
    with pytest.raises(ValueError, match=f'{k}={v!r}; need'): make(**bad)

def test_a_resnet_is_of_powers_of_two():
    for size in (28, 48):
        with pytest.raises(ValueError, match=f'size={size}; need a power of two'): resnet(size=size)

def test_bad_mlp():
    for bad in (dict(depth=0), dict(dim=0), dict(width=1.5), dict(z_dim=None)):
        with pytest.raises(ValueError, match='need a whole number'): mlp(**bad)
    with pytest.raises(ValueError, match="seed='x'"): mlp(seed='x')
