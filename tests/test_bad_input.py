"What cannot work is said before any training, in one sentence: what was given, what is allowed, what to do."
import re
import numpy as np, pytest, torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from ganlab.data import digits_dls, image_dls, tensor_dls
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from ganlab.losses import losses
from ganlab.nets import dcgan, mlp
from ganlab.engine.change import Refused
from ganlab.trick import Trick
from strangers import conv_d, bn_g, data, go, make_learner, nets, one_sentence

def refused(fn, *words, kind=ValueError):
    "`fn` raises one sentence with all of `words` in it"
    with pytest.raises(kind) as e: fn()
    said = one_sentence(e.value)
    for w in words: assert re.search(w, said), f'{w!r} is not in: {said}'
    return said

def build(D=None, G=None, dls=None, **kwargs):
    g, d = mlp(2, 3, 8, 1, seed=0)
    return GANLearner(tensor_dls(data(), 16) if dls is None else dls, g if G is None else G, d if D is None else D, **kwargs)

# A Sigmoid at D's end

class End(nn.Module):
    "A D that turns its score into a probability in some way"
    def __init__(self, end, flat=False): super().__init__(); self.body, self.end, self.flat = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(.2), nn.Linear(8, 1)), end, flat
    def forward(self, x): out = self.end(self.body(x)); return out.flatten() if self.flat else out

def wide_points():
    "Points on which sigmoids are not near one half"
    return tensor_dls(data()*3, 16)

@pytest.mark.parametrize('end', [torch.sigmoid, torch.Tensor.sigmoid, nn.functional.sigmoid, torch.special.expit, lambda l: l.clone().sigmoid_(), lambda l: 1/(1 + (-l).exp()), lambda l: l.tanh()/2 + .5, lambda l: torch.softmax(torch.cat([l, 0*l], 1), 1)[:, :1]])
@pytest.mark.parametrize('flat', [False, True])
def test_functional_sigmoid(end, flat):
    refused(lambda: build(End(end, flat), dls=wide_points()), 'Sigmoid', r'raw scores', 'forward')

@pytest.mark.parametrize('D,line', [
    (lambda: nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid()), r'D\[3\]'),
    (lambda: nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid(), nn.Flatten(0)), r'D\[3\]'),
    (lambda: nn.Sequential(nn.Linear(2, 8), nn.Sequential(nn.Linear(8, 1), nn.Sigmoid())), r'D\.1\.1|D\[1\]\[1\]')])
def test_module_sigmoid(D, line): refused(lambda: build(D()), 'Sigmoid', 'raw scores', 'remove', line)

def test_sigmoid_in_a_convolutional_d():
    D = nn.Sequential(conv_d(), nn.Sigmoid())
    refused(lambda: build(D, bn_g(), tensor_dls(data(16), 8)), 'Sigmoid', r'D\[1\]')

def test_sigmoid_inside_is_fine():
    "As a gate, as an activation, in SiLU"
    class Gated(nn.Module):
        def __init__(self): super().__init__(); self.a, self.b, self.c = nn.Linear(2, 8), nn.Linear(2, 8), nn.Linear(8, 1)
        def forward(self, x): return self.c(nn.functional.silu(self.a(x))*torch.sigmoid(self.b(x)))
    go(build(Gated()), 1)
    go(build(nn.Sequential(nn.Linear(2, 8), nn.Sigmoid(), nn.Linear(8, 1))), 1)

def test_bounded_d_is_no_sigmoid():
    "A D whose features saturate has bounded scores, wherever these happen to lie"
    for seed in range(30):
        torch.manual_seed(seed)
        D = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
        with torch.no_grad(): D[2].weight.mul_(.2); D[2].bias.fill_(.5)
        was = [p.clone() for p in D.parameters()]
        build(D)
        assert all(torch.equal(a, b) for a, b in zip(was, D.parameters()))

def test_construction_leaves_the_networks_alone():
    "Probing moves no weight, no buffer, no mode and no generator"
    for kind in ('dropout', 'inplace', 'dcgan'):
        G, D = nets(kind)
        was = {**{f'g{n}': t.clone() for n, t in G.state_dict().items()}, **{f'd{n}': t.clone() for n, t in D.state_dict().items()}}
        state, modes = torch.get_rng_state(), [m.training for o in (G, D) for m in o.modules()]
        make_learner(kind, G=G, D=D)
        now = {**{f'g{n}': t for n, t in G.state_dict().items()}, **{f'd{n}': t for n, t in D.state_dict().items()}}
        assert all(torch.equal(was[n], now[n]) for n in was) and torch.equal(state, torch.get_rng_state())
        assert modes == [m.training for o in (G, D) for m in o.modules()]

# Shapes

def test_shapes_that_do_not_meet():
    "All three shapes are there: G's, D's (by what it was given) and the data's"
    digits = tensor_dls(data(16), 8)
    G16, D16 = dcgan(16, 1, 6, 4); G32, D32 = dcgan(32, 1, 6, 4); G3, D3 = dcgan(16, 3, 6, 4)
    refused(lambda: build(D32, G32, digits), r'G .*\(1, 32, 32\)', r'data.*\(1, 16, 16\)', 'D', 'change')
    refused(lambda: build(D3, G3, digits), r'\(3, 16, 16\)', r'\(1, 16, 16\)', 'channels')
    refused(lambda: build(D32, G16, digits), r'D ', r'\(1, 16, 16\)', 'change')
    refused(lambda: build(D3, G16, digits), r'D ', r'\(1, 16, 16\)', 'change')
    refused(lambda: build(None, G16, digits), r'D ', r'\(1, 16, 16\)')
    refused(lambda: build(D16, None, digits), r'G .*\(2,\)', r'data.*\(1, 16, 16\)')
    refused(lambda: build(D16, G16), r'G .*\(1, 16, 16\)', r'data.*\(2,\)')

def test_scores():
    "One score a sample"
    refused(lambda: build(nn.Linear(2, 2)), r'\(8, 2\)', 'one score', r'\(2,\)', 'end D')
    patch = nn.Sequential(nn.Conv2d(1, 4, 4, 2, 1), nn.Conv2d(4, 2, 3, 1, 1))
    refused(lambda: build(patch, bn_g(), tensor_dls(data(16), 8)), r'\(8, 2, 8, 8\)', 'one score', r'\(1, 16, 16\)')
    go(build(nn.Sequential(nn.Linear(2, 1), nn.Unflatten(1, (1, 1, 1)))), 1)

def test_latents():
    G, D = mlp(2, 3, 8, 1)
    refused(lambda: build(G=G, z_dim=4), 'G does not run', r'\(8, 4\)', 'z_dim')
    refused(lambda: build(z_dim=0), 'z_dim=0', 'y', 'samples alone')
    for z in (-1, 2.5, (), (3, 0), 'x'): refused(lambda: build(z_dim=z), 'z_dim', re.escape(repr(z)), 'need')
    class Bare(nn.Module):
        def __init__(self): super().__init__(); self.w = nn.Parameter(torch.randn(5, 2))
        def forward(self, z): return z @ self.w
    refused(lambda: build(G=Bare()), 'z_dim', 'give')
    go(build(G=Bare(), z_dim=5), 1)
    go(build(conv_d(), bn_g(), tensor_dls(data(16), 8), z_dim=(6, 1, 1)), 1)

def test_networks():
    refused(lambda: build(G=lambda z: z), 'G', 'Module', kind=(TypeError, ValueError))
    refused(lambda: GANLearner(tensor_dls(data(), 16), mlp(2, 3, 8, 1)[0], 'D'), 'D', 'Module', kind=(TypeError, ValueError))
    refused(lambda: build(nn.Linear(2, 1).requires_grad_(False)), 'D', 'no parameter', r'requires_grad_\(True\)')
    G, D = mlp(2, 3, 8, 1)
    refused(lambda: GANLearner(tensor_dls(data(), 16), (G, D), D), 'G', 'Module', kind=(TypeError, ValueError))

# Data

def test_folders(tmp_path):
    refused(lambda: image_dls(tmp_path/'nowhere', 16), 'nowhere', 'not there', 'need')
    (tmp_path/'empty').mkdir(); refused(lambda: image_dls(tmp_path/'empty', 16), 'no images', 'empty', 'need')
    (tmp_path/'notes').mkdir(); (tmp_path/'notes'/'a.txt').write_text('a'); refused(lambda: image_dls(tmp_path/'notes', 16), 'no images', r'a\.txt', r'\.png')
    (tmp_path/'bad').mkdir()
    for i in range(4): (tmp_path/'bad'/f'{i}.png').write_bytes(b'this is no picture')
    for gb in (4., 0): refused(lambda: image_dls(tmp_path/'bad', 16, memory_gb=gb), '4 of 4', r'0\.png', 'repair or remove')
    refused(lambda: image_dls(tmp_path/'notes'/'a.txt', 16), 'a file', 'folder')

def test_a_batch_larger_than_the_data(tmp_path):
    refused(lambda: tensor_dls(data(n=50), 64), 'bs=64', '45', 'smaller batch')
    for i in range(5): Image.fromarray(np.full((16, 16), i, np.uint8)).save(tmp_path/f'{i}.png')
    refused(lambda: image_dls(tmp_path, 16, bs=64), 'bs=64', '5', 'smaller batch')
    refused(lambda: build(dls=DataLoader(TensorDataset(data(n=10)), batch_size=64)), '10 samples', '64', 'at most')
    refused(lambda: build(dls=DataLoader(TensorDataset(data(n=10)), batch_size=64, drop_last=True)), '64')
    refused(lambda: digits_dls(bs=10_000), 'bs=10000', 'smaller')

def test_values_that_are_not_finite():
    x = data(); x[7, 1] = float('nan'); x[9, 0] = float('nan')
    refused(lambda: tensor_dls(x, 16), '2 NaN', '2 of 120', '7', 'leave those')
    refused(lambda: build(dls=DataLoader(TensorDataset(x), batch_size=16)), 'NaN', 'leave those')
    x = data(16); x[3, 0, 0, 0] = float('inf')
    refused(lambda: tensor_dls(x, 16), 'infinite', '3')

def test_nan_late_in_a_loader():
    "A loader that gives NaN on its third batch stops the training at a whole step, in the data's own words"
    x = data(); x[40, 1] = float('nan')
    learn = build(dls=DataLoader(TensorDataset(x), batch_size=16))
    with pytest.raises(StepError) as e: go(learn, 9)
    assert 'NaN' in one_sentence(e.value) and e.value.culprit is None and learn.step == e.value.at == 2

def test_odd_data():
    G, D = mlp(2, 3, 8, 1)
    refused(lambda: GANLearner(data(), G, D), 'tensor_dls', kind=(ValueError, TypeError))
    refused(lambda: GANLearner([], G, D), 'dls', kind=(ValueError, TypeError))
    refused(lambda: GANLearner(None, G, D), 'DataLoader', kind=(ValueError, TypeError))
    refused(lambda: GANLearner('images/', G, D), 'image_dls', kind=(ValueError, TypeError))
    refused(lambda: tensor_dls(data(16)[:, 0], 8), r'\(120, 16, 16\)', r'x\[:, None\]')
    refused(lambda: tensor_dls((data(16)*100).long(), 8), 'int64', 'float')
    refused(lambda: tensor_dls((data(16)+1)*127.5, 8), '127.5', r'\[-1, 1\]')
    with pytest.warns(UserWarning, match=r'x\*2 - 1'): GANLearner(tensor_dls((data(16)+1)/2, 8), *nets('dcgan'))

# Names and numbers

@pytest.mark.parametrize('given,near', [('wassertein', 'wasserstein'), ('non-saturating', 'non_saturating'), ('Hinge', 'hinge'), ('relativistc', 'relativistic'), ('ls_gan', 'lsgan')])
def test_unknown_loss(given, near):
    refused(lambda: build(loss=given), re.escape(repr(given)), f"did you mean '{near}'", 'need one of')
    learn = build()
    refused(lambda: learn.set_loss(given), f"did you mean '{near}'")

def test_odd_loss():
    refused(lambda: build(loss='qqqqqq'), 'need one of', *losses)
    refused(lambda: build(loss=3), 'd_loss', 'g_loss')
    refused(lambda: build(loss=nn.BCELoss()), 'd_loss')
    refused(lambda: build(loss=type(losses['hinge'])), 'instance')

@pytest.mark.parametrize('given,near', [('spectral_nrom', 'spectral_norm'), ('label_smooting', 'label_smoothing'), ('instancenoise', 'instance_noise'), ('TTUR', 'ttur')])
def test_unknown_trick(given, near):
    learn = build()
    for ask in (learn.tricks.on, learn.tricks.off, learn.tricks.set): refused(lambda: ask(given), given, f"(?i)did you mean '{near}'")
    refused(lambda: learn.tricks[given], given, near, kind=KeyError)
    refused(lambda: build(tricks=[given]), given, near)
    refused(lambda: build(tricks=[(given, {})]), given, near)

def test_tricks_at_the_start():
    from ganlab.tricks.ttur import TTUR
    refused(lambda: build(tricks=[('ttur', dict(lr_d=5))]), 'ttur', 'lr_d=5', 'need a number from 1e-06 to 0.01')
    refused(lambda: build(tricks=[('ttur', dict(lrd=1e-4))]), 'lrd', "(?i)did you mean 'lr_d'")
    refused(lambda: build(loss='wasserstein', tricks=['label_smoothing']), 'targets', 'Wasserstein')
    refused(lambda: build(tricks='ttur'), 'ttur', r'\[')
    refused(lambda: build(tricks=[3]), '3', kind=(TypeError, ValueError))
    refused(lambda: build(tricks=[nn.Linear]), 'Linear', kind=(TypeError, ValueError))
    for t in ('ttur', ('ttur', dict(lr_d=1e-3)), TTUR, TTUR(lr_d=1e-3)):
        learn = build(tricks=[t])
        assert learn.tricks['ttur'].enabled and learn.tricks['ttur'].lr_d == (4e-4 if t in ('ttur', TTUR) else 1e-3)

def test_a_trick_that_does_not_go_with_the_loss():
    learn = build(loss='hinge')
    said = refused(lambda: learn.tricks.on('label_smoothing'), 'Label smoothing', 'targets', 'Hinge', kind=Refused)
    learn.set_loss('lsgan'); learn.tricks.on('label_smoothing')
    refused(lambda: learn.set_loss('wasserstein'), 'Label smoothing', 'Wasserstein', 'label smoothing off', kind=Refused)
    assert learn.loss_name == 'lsgan'

def test_a_layer_that_is_normed_already():
    D = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 8)), nn.ReLU(), nn.Linear(8, 1))
    learn = build(D)
    refused(lambda: learn.tricks.on('spectral_norm'), r'D\.0', 'already', kind=Refused)
    go(learn, 2)

@pytest.mark.parametrize('name,value', [('lr_g', -1), ('lr_d', 'fast'), ('lr_d', float('nan')), ('lr_g', True), ('n_d', 0), ('n_d', 1.5), ('n_d', True), ('update', 'both'), ('amp', 'fp16'), ('opt', 'adagrab'), ('seed', 1.5), ('seed', 'a'),
                                        ('betas_g', (.5,)), ('betas_d', (1.5, .9)), ('betas_g', .5), ('run', 3)])
def test_arguments(name, value): refused(lambda: build(**{name: value}), name.split('_')[0], re.escape(repr(value)), kind=(ValueError, TypeError))

def test_calls():
    learn = build()
    for v in (0, -1, 1.5, True, 'x'): refused(lambda: learn.fit_steps(v), f'n={v!r}', 'whole number')
    refused(lambda: learn.fit_steps(), 'n=None', 'whole number')
    refused(lambda: learn.fit(0), 'n_epoch=0')
    refused(lambda: learn.sample(0), 'n=0'); refused(lambda: learn.sample(z=torch.randn(4, 9)), r'\(4, 9\)', r'\(n, 3\)')
    refused(lambda: learn.half_step('x'), "'x'", "'d' or 'g'")
    refused(lambda: learn.plot('d_los'), 'd_los', 'd_loss')
    refused(lambda: learn.tricks.add(3), '3', 'Trick', kind=TypeError)
    refused(lambda: learn.tricks.add(type('Nameless', (Trick,), {})), 'name', kind=TypeError)
    refused(lambda: learn.score(torch.randn(4, 3)), r'\(4, 3\)', r'\(n, 2\)')
    assert learn.step == 0

def test_files(tmp_path):
    learn = build(path=tmp_path); was = learn.state_hash()
    refused(lambda: learn.load('nothing'), 'nothing.safetensors', 'save', kind=FileNotFoundError)
    (tmp_path/'models').mkdir(exist_ok=True); (tmp_path/'models'/'torn.safetensors').write_bytes(b'\x10\0\0\0\0\0\0\0{"a')
    refused(lambda: learn.load('torn'), 'torn.safetensors', 'save it again')
    other = GANLearner(tensor_dls(data(), 16), *mlp(2, 3, 16, 1), path=tmp_path); other.save('wide')
    refused(lambda: learn.load('wide'), 'wide', 'does not fit', '0.weight')
    assert learn.state_hash() == was

@pytest.mark.parametrize('which', ['G', 'D'])
def test_networks_that_return_several_things(which):
    "Samples beside something else are refused with what to return instead; beside its scores, D may give what it likes"
    class Two(nn.Module):
        def __init__(self, net): super().__init__(); self.net = net
        def forward(self, x): return self.net(x), x
    from strangers import make_learner, nets
    G, D = nets('mlp')
    if which == 'D': return go(make_learner(D=Two(D), z_dim=3), 2)
    with pytest.raises(ValueError, match='G returns a tuple; need one tensor') as e: make_learner(G=Two(G), z_dim=3)
    assert '\n' not in str(e.value)
