"What networks draw by themselves comes from the run's streams, and the user's generators stay the user's."
import random, threading, warnings
import numpy as np, pytest, torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset
from ganlab.data import as_source, lent_rngs, ring_dls, tensor_dls
from ganlab.engine.draws import begin, current, end, may_draw
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.engine.rng import BorrowedRNG, Streams, borrowed_rng, stream_seed

def x(*shape): return torch.linspace(-1, 1, 360).reshape(*(shape or (6, 10, 6))).clone().requires_grad_()
def in_place(f): return lambda a: f(a.clone())

FUNCTIONS = dict(
    rand=lambda a: torch.rand(5), rand_large=lambda a: torch.rand(40, 3), randn=lambda a: torch.randn(5), randn_large=lambda a: torch.randn(7, 5), randint=lambda a: torch.randint(9, (20,)), randint_low=lambda a: torch.randint(-3, 9, (20,)),
    randperm=lambda a: torch.randperm(50), rand_like=lambda a: torch.rand_like(a), randn_like=lambda a: torch.randn_like(a), randint_like=lambda a: torch.randint_like(a, 7), double=lambda a: torch.randn(9, dtype=torch.double),
    normal=lambda a: torch.normal(a.detach(), .5), normal_of=lambda a: torch.normal(0., 1., (3, 4)), bernoulli=lambda a: torch.bernoulli(a.detach().abs()), bernoulli_p=lambda a: a.detach().bernoulli(.3), multinomial=lambda a: a.detach().abs().flatten(1).multinomial(3),
    poisson=lambda a: torch.poisson(a.detach().abs()*3), binomial=lambda a: torch.binomial(torch.full((5,), 9.), torch.full((5,), .4)),
    **{n: in_place(lambda a, n=n, v=v: getattr(a.detach(), n)(*v)) for n, v in dict(normal_=(), uniform_=(), bernoulli_=(.3,), exponential_=(), geometric_=(.3,), cauchy_=(), log_normal_=(), random_=()).items()},
    dropout=lambda a: F.dropout(a, .3), dropout_module=lambda a: nn.Dropout(.4)(a), dropout_inplace=in_place(lambda a: F.dropout(a, .3, inplace=True)), dropout_strided=lambda a: F.dropout(a.transpose(0, 2), .3), torch_dropout=lambda a: torch.dropout(a, .3, True),
    dropout_channels_last=lambda a: F.dropout(a.reshape(2, 3, 6, 10).to(memory_format=torch.channels_last), .3), dropout_bf16=lambda a: F.dropout(a.bfloat16(), .3), dropout_all=lambda a: F.dropout(a, 1.), dropout_none=lambda a: F.dropout(a, 0.) + torch.rand(()),
    dropout1d=lambda a: F.dropout1d(a), dropout2d=lambda a: F.dropout2d(a.reshape(2, 3, 6, 10)), dropout3d=lambda a: F.dropout3d(a.reshape(2, 3, 5, 3, 4)), alpha=lambda a: F.alpha_dropout(a, .3, True), feature_alpha=lambda a: F.feature_alpha_dropout(a, .3, True),
    rrelu=lambda a: F.rrelu(a, training=True), rrelu_module=lambda a: nn.RReLU()(a), gumbel=lambda a: F.gumbel_softmax(a), fractional=lambda a: F.fractional_max_pool2d(a.reshape(1, 6, 6, 10), 2, output_size=(3, 4)),
    attention=lambda a: F.scaled_dot_product_attention(a, a, a, dropout_p=.3), heads=lambda a: nn.MultiheadAttention(6, 2, dropout=.3)(a, a, a)[0], transformer=lambda a: nn.TransformerEncoderLayer(6, 2, 8, dropout=.2)(a),
    lstm=lambda a: nn.LSTM(6, 4, 2, dropout=.5)(a)[0], gru=lambda a: nn.GRU(6, 4, 2, dropout=.5)(a)[0], init=lambda a: nn.Linear(6, 4)(a), kaiming=lambda a: nn.init.kaiming_normal_(torch.empty(4, 4)), orthogonal=lambda a: nn.init.orthogonal_(torch.empty(4, 4)),
    distribution=lambda a: torch.distributions.Normal(a, 1.).rsample(), gamma=lambda a: torch.distributions.Gamma(a.detach().abs() + 1, 1.).sample(), dirichlet=lambda a: torch.distributions.Dirichlet(torch.ones(4)).sample(),
    spectral=lambda a: nn.utils.parametrizations.spectral_norm(nn.Linear(6, 3))(a), twice=lambda a: F.dropout(a, .2) + torch.randn_like(a))

@pytest.mark.parametrize('name', FUNCTIONS)
def test_the_very_numbers_of_the_default_generator(name):
    "Values and gradients, and how much was drawn"
    f, out = FUNCTIONS[name], []
    for given in (False, True):
        a, g = x(), torch.Generator().manual_seed(7)
        torch.manual_seed(99 if given else 7)
        before = torch.get_rng_state()
        mode = begin(g) if given else None
        y = f(a)
        after = torch.rand(3)
        if given: end(mode)
        if y.requires_grad: torch.autograd.backward(y.float().square().sum())
        assert torch.equal(torch.get_rng_state(), before) == given, 'the default generator is not touched'
        out.append((y.detach(), a.grad, after))
    (y, grad, after), (y2, grad2, after2) = out
    assert y.dtype == y2.dtype and y.stride() == y2.stride() and torch.equal(y, y2) and torch.equal(after, after2)
    assert grad is grad2 is None or torch.equal(grad, grad2)

def test_blocks_nest():
    s = Streams(3)
    with borrowed_rng(s, 'a'):
        one = torch.rand(2)
        with borrowed_rng(s, 'b'): inner = F.dropout(torch.ones(50), .5)
        two = torch.rand(2)
        assert current() is not torch.default_generator
    with borrowed_rng(s, 'a'): assert torch.equal(torch.rand(4)[2:], two) and torch.equal(one, one)
    with borrowed_rng(s, 'b'): assert torch.equal(F.dropout(torch.ones(50), .5), inner)
    assert current() is torch.default_generator

# In a training

class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.out = nn.MultiheadAttention(4, 2, dropout=.2, batch_first=True), nn.Linear(8, 1)
    def forward(self, x): return self.out(self.a(*[x.reshape(-1, 2, 1).expand(-1, -1, 4)]*3)[0].flatten(1))

def own_noise(x): return x + .1*torch.randn_like(x)
class Calls(nn.Module):
    "Draws in a function of its own, in place and out of it"
    def __init__(self): super().__init__(); self.l = nn.Linear(2, 2)
    def forward(self, x): return own_noise(self.l(x))*torch.empty(x.shape).uniform_(.5, 1.5)

class Recomputes(nn.Module):
    def __init__(self, reentrant): super().__init__(); self.a, self.b, self.how = nn.Sequential(nn.Linear(2, 8), nn.Dropout(.4), nn.ReLU()), nn.Linear(8, 1), reentrant
    def forward(self, x): return self.b(checkpoint(self.a, x.requires_grad_() if not x.requires_grad and self.how else x, use_reentrant=self.how))

def D_of(kind):
    torch.manual_seed(1)
    return dict(plain=lambda: mlp(width=8, depth=1, seed=0)[1], dropout=lambda: nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(.2), nn.Dropout(.3), nn.Linear(16, 1)), alpha=lambda: nn.Sequential(nn.Linear(2, 16), nn.SELU(), nn.AlphaDropout(.2), nn.Linear(16, 1)),
                attends=Attends, calls=lambda: nn.Sequential(Calls(), nn.Linear(2, 1)), recomputes=lambda: Recomputes(False), recomputes_reentrant=lambda: Recomputes(True),
                scripted=lambda: torch.jit.script(nn.Sequential(nn.Linear(2, 16), nn.Dropout(.3), nn.Linear(16, 1))))[kind]()

def make(D, **kw):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return GANLearner(ring_dls(n=2000, bs=16), mlp(width=8, depth=1, seed=0)[0], D, seed=0, **kw)

def train(learn, n=6):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        if not getattr(learn.D, 'how', False): learn.tricks.on('gradient_penalty', every=2)      # reentrant checkpoints have no second gradient
        learn.fit_steps(n, progress=False)
    return learn

@pytest.mark.parametrize('kind', ['dropout', 'alpha', 'attends', 'calls', 'recomputes', 'recomputes_reentrant'])
def test_the_same_bits_as_with_a_generator_that_is_lent(kind, monkeypatch):
    "As it was recorded when the default generator was seeded for each phase and put back after the step"
    new = train(make(D_of(kind)))
    monkeypatch.setattr('ganlab.engine.meeting.out_of_sight', lambda nets: True)
    old = train(make(D_of(kind)))
    assert old.streams.lends and new.draws and new.streams.lends == kind.startswith('recomputes')
    assert new.state_hash() == old.state_hash() and torch.equal(new.sample(8), old.sample(8))

def test_each_part_of_a_step_has_a_stream_of_its_own(monkeypatch):
    "Those that recorded runs were made with"
    learn, seen, seed = make(D_of('dropout'), n_d=2), [], BorrowedRNG.seed
    learn.fit_steps(1, progress=False)
    def noted(self, *address):
        if self is learn.rng: seen.append(address)
        seed(self, *address)
    monkeypatch.setattr(BorrowedRNG, 'seed', noted)
    learn.fit_steps(1, progress=False)
    assert seen == [('step', 1), ('d', 1, 0), ('d-scores', 1, 0), ('d', 1, 1), ('d-scores', 1, 1), ('g', 1, 1)]

class Meddles:
    "A hook in the middle of D: meanwhile another thread seeds the default generator and draws from it"
    def __init__(self): self.n, self.seen = 0, []
    def draw(self):
        torch.manual_seed(123)
        self.seen.append(torch.cat([torch.randn(3), F.dropout(torch.ones(20), .5), torch.rand(2)]))
    def __call__(self, module, args, y):
        self.n += 1
        t = threading.Thread(target=self.draw)
        t.start(); t.join()

@pytest.mark.parametrize('kind', ['plain', 'dropout', 'calls', 'attends'])
def test_another_thread_draws_in_the_middle_of_a_step(kind):
    "It gets the numbers that it gets without a training, its generator goes on from where it was, and the training has the same bits"
    calm, net, meddles = train(make(D_of(kind))), D_of(kind), Meddles()
    torch.manual_seed(123)
    want = torch.cat([torch.randn(3), F.dropout(torch.ones(20), .5), torch.rand(2)])
    state = torch.get_rng_state()
    list(net.modules())[1].register_forward_hook(meddles)
    learn = train(make(net))
    learn.sample(4)
    assert meddles.n > 6*3 and all(torch.equal(want, o) for o in meddles.seen)
    assert torch.equal(torch.get_rng_state(), state)
    assert learn.state_hash() == calm.state_hash()

@pytest.mark.parametrize('kind', ['plain', 'dropout'])
def test_a_cell_draws_while_a_lab_trains(kind):
    learn = make(D_of(kind))
    with Lab(learn) as lab:
        lab.start()
        def draws():
            torch.manual_seed(5)
            out = [torch.randn(1).item() for _ in range(200)]
            at = learn.step
            while learn.step < at + 3 and lab.state == 'running': pass      # steps are trained meanwhile
            return out + [torch.randn(1).item() for _ in range(200)]
        a = draws()
        lab.stop()
        assert lab.error is None
    torch.manual_seed(5)
    assert a == [torch.randn(1).item() for _ in range(400)]

@pytest.mark.parametrize('kind', ['scripted', 'recomputes'])
def test_a_generator_that_has_to_be_lent_is_told(kind):
    with pytest.warns(UserWarning, match='torch.Generator of its own'):
        learn = GANLearner(ring_dls(n=2000, bs=16), mlp(width=8, depth=1, seed=0)[0], D_of(kind), seed=0)
        learn.fit_steps(2, progress=False)
    assert learn.streams.lends and 'torch.Generator of its own' in learn.lent
    state = torch.get_rng_state()
    learn.fit_steps(2, progress=False)
    assert torch.equal(torch.get_rng_state(), state), 'it is put back after the step'
    with Lab(learn) as lab: assert 'torch.Generator of its own' in ' '.join(lab.screen.said)
    assert make(D_of('dropout')).lent == ''

def test_networks_that_draw_nothing_cost_nothing():
    "No call is looked at while they train"
    for nets in (mlp(), dcgan(16, 1, 8, width=8)): assert not may_draw(nets)
    seen = []
    learn = make(D_of('plain'))
    learn.D.register_forward_hook(lambda m, *_: seen.append(torch.overrides._get_current_function_mode_stack()) if m.training else None)
    learn.fit_steps(2, progress=False)
    assert seen and not any(seen) and not learn.draws

# Data

class Draws(Dataset):
    def __len__(self): return 24
    def __getitem__(self, i): return torch.cat([torch.full((1,), float(i)), torch.rand(1), torch.empty(1).normal_(), F.dropout(torch.ones(2), .5), torch.tensor([np.random.rand(), random.random()], dtype=torch.float)])

@pytest.mark.parametrize('workers', [0, 2])
def test_loaders_draw_what_they_drew(workers):
    "The batches of an epoch are those of a loop with seeded generators, and torch's own is not touched"
    dl, s = DataLoader(Draws(), 4, shuffle=True, num_workers=workers), Streams(0)
    state = torch.get_rng_state()
    got = [as_source(dl, s).batch(i) for i in range(1)] + [as_source(dl, s).batch(2)]
    assert torch.equal(torch.get_rng_state(), state)
    def lend(seed): torch.manual_seed(seed), np.random.seed(seed), random.seed(seed)
    lend(s.int('data', 0, 0))
    it = iter(dl)
    want = []
    for i in range(3):
        lend(s.int('data', 0, i + 1))
        want.append(next(it))
    assert torch.equal(got[0], want[0]) and torch.equal(got[1], want[2])

# What is drawn from generators that are not PyTorch's

class Flips(nn.Module):
    "Turns its samples around, or not, by a generator of the process's"
    def __init__(self, draw): super().__init__(); self.draw = draw
    def forward(self, x): return x.flip(-1) if self.training and self.draw() < .5 else x

@pytest.mark.parametrize('draw, which', [(lambda: random.random(), 'random'), (lambda: np.random.rand(), 'numpy.random')])
@pytest.mark.parametrize('net', 'GD')
def test_draws_from_the_process_are_said(draw, which, net):
    "At once, with what to write; nothing of the user's generators has moved"
    made = dict(zip('GD', mlp(dim=2, z_dim=2, width=8, depth=1, seed=0)))
    made[net] = nn.Sequential(Flips(draw), made[net])
    before = random.getstate(), np.random.get_state()[1].tolist()
    with pytest.warns(UserWarning, match=f'{net} draws from {which}, which is the process') as w: GANLearner(ring_dls(n=64, bs=8), made['G'], made['D'], z_dim=2, seed=0)
    assert len(w) == 1 and before == (random.getstate(), np.random.get_state()[1].tolist())

def test_draws_from_torch_are_nothing_to_speak_of():
    G, D = mlp(dim=2, z_dim=2, width=8, depth=1, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        GANLearner(ring_dls(n=64, bs=8), G, nn.Sequential(Flips(lambda: float(torch.rand(()))), nn.Dropout(.1), D), seed=0)
