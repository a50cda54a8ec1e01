"The reference networks: shapes, what they hold and what they do not, and that they learn."
import pytest, torch
from torch import nn
from ganlab.nets import dcgan, mlp, resnet
from ganlab.losses import losses

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
@pytest.mark.parametrize('bad', [dict(size=28), dict(size=8), dict(size=512), dict(size='32'), dict(size=32.5), dict(size=True), dict(channels=0), dict(z_dim=-1), dict(width=0), dict(z_dim=2.5)])
def test_bad_arguments(make, bad):
    (k, v), = bad.items()
    with pytest.raises(ValueError, match=f'{k}={v!r}; need'): make(**bad)

def test_bad_mlp():
    for bad in (dict(depth=0), dict(dim=0), dict(width=1.5), dict(z_dim=None)):
        with pytest.raises(ValueError, match='need a whole number'): mlp(**bad)
    with pytest.raises(ValueError, match="seed='x'"): mlp(seed='x')
