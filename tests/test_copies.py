"Memorising: a planted memoriser is found every time, and who has learnt the data never."
import pytest, torch
from torch.nn.functional import avg_pool2d, interpolate
from ganlab.data import digits_dls, ring_dls, tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.quality.copies import copies_in, find_copies
from ganlab.quality.samples import About, Samples, Side
from strangers import one_sentence

def digits(seed):
    "1,200 digits to train on, 200 held out, and 397 that nobody has seen"
    dls = digits_dls(size=8)
    x = torch.cat([dls.train.x, dls.valid.x]).float()/127.5 - 1
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))].split([1200, 200, 397])

def cloud(seed):
    x = torch.randn(2600, 5, generator=torch.Generator().manual_seed(seed))
    return x.split([1500, 300, 800])

def few_digits(seed):
    "50 to train on, 500 held out, and all others"
    return torch.cat(digits(seed)).split([50, 500, 1247])

def few_points(seed):
    "50 to train on, 500 held out, and as many fakes as the metric draws"
    return torch.randn(2598, 5, generator=torch.Generator().manual_seed(seed)).split([50, 500, 2048])

def few_held(seed):
    "No more held out than the metric asks for"
    return torch.randn(1090, 5, generator=torch.Generator().manual_seed(seed)).split([50, 40, 1000])

def found(train, held, fakes): return copies_in(Samples(Side(fakes), Side(held), About('x', tuple(train.shape[1:]), held=True), train=lambda: train.split(700)))

def seeds(n): return dict(argnames='data, seeds', argvalues=[(d, n) for d in (digits, cloud, few_digits, few_points, few_held)])

def memoriser_and_honest(data, seeds):
    "Every time: copies with some noise, and copies among others; never: unseen samples, blurred ones, noisy ones, some that are too close to the middle"
    for seed in range(seeds):
        train, held, fresh = data(seed)
        g = torch.Generator().manual_seed(seed)
        some = train[torch.randint(len(train), (len(fresh),), generator=g)]
        noise = torch.randn(some.shape, generator=g)*train.std()
        half = len(some)//2
        assert found(train, held, some + .05*noise).memorised, seed
        assert found(train, held, torch.cat([some[:half], fresh[half:]])).memorised, seed
        assert not found(train, held, fresh).memorised, seed
        assert not found(train, held, .7*fresh).memorised and not found(train, held, fresh + .3*noise).memorised, seed
        if train.ndim == 4: assert not found(train, held, interpolate(avg_pool2d(fresh, 2), 8)).memorised, seed

@pytest.mark.parametrize(**seeds(2))
def test_memoriser_and_honest(data, seeds): memoriser_and_honest(data, seeds)

@pytest.mark.slow
@pytest.mark.parametrize(**seeds(20))
def test_memoriser_and_honest_twenty_times(data, seeds): memoriser_and_honest(data, seeds)

def test_more_fakes_are_no_more_copies():
    "The share of unseen samples is that of held-out reals, by the same count, however many fakes there are to a training sample"
    for seed in range(3):
        train, held, fresh = few_points(seed)
        few, many = found(train, held, fresh[:250]), found(train, held, fresh)
        assert abs(many.share - many.usual) < .1 and abs(few.share - many.share) < .1 and many.seen > 40, seed

def test_newcombe():
    "The interval of 56/70 - 48/80 after Newcombe 1998, table II (a), method 10: from .0524 to .3339"
    from ganlab.quality.intervals import surely_more
    assert surely_more((56/70, 70), (48/80, 80), .95) == pytest.approx(.0524, abs=5e-5)

def test_a_collapse_is_no_memorising():
    "One sample many times is one sample, be it a copy"
    train, held, fresh = digits(0)
    assert not found(train, held, train[:1].expand(400, -1, -1, -1)).memorised and not found(train, held, fresh[:1].expand(400, -1, -1, -1)).memorised
    c = found(train, held, train[:1].expand(400, -1, -1, -1))
    assert (c.share, c.seen) == (1, 1) and 'no sign of memorising: 100% of the fakes are copies' in repr(c) and 'told by 1 of the training samples' in repr(c)

def test_pairs_name_the_copies():
    train, held, fresh = digits(1)
    c = found(train, held, torch.cat([fresh[:100], train[7:10]]))
    assert {(100, 7), (101, 8), (102, 9)} <= {tuple(p) for p in c.pairs[:5].tolist()}

def test_of_a_learner():
    "A G that gives its training samples back; one sentence where nothing is held out"
    x = torch.randn(600, 3, generator=torch.Generator().manual_seed(0))
    class Thief(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.x, self.w = torch.nn.Parameter(x[:400].clone()), torch.nn.Linear(2, 1)
        def forward(self, z): return self.x[(z[:, 0]*1e4).long() % 400] + 0*self.w(z)
    D = mlp(dim=3, width=8, depth=1, seed=0)[1]
    learn = GANLearner(tensor_dls(x[:400], 16, valid=x[400:]), Thief(), D, z_dim=2, seed=0)
    before = learn.state_hash()
    c = find_copies(learn, 300)
    assert c.memorised and c.share > .95 and learn.state_hash() == before
    learn.add_metric('copies', every=2); learn.fit_steps(2, progress=False)
    assert learn.history.copies.iloc[-1] > .9
    bare = GANLearner(torch.utils.data.DataLoader(x[:64], 16), *mlp(dim=3, width=8, depth=1, seed=0), seed=0)      # a tenth would be held out of a tensor
    bare.source.let_go_of_held()
    with pytest.raises(ValueError, match='the metric copies does not fit: it compares with held-out samples, and none are held out') as e: bare.add_metric('copies')
    one_sentence(e.value)

@pytest.mark.slow
def test_healthy_trainings():
    for seed in range(20):
        learn = GANLearner(ring_dls(n=3000, bs=64, sigma=.05), *mlp(width=32, depth=2, seed=seed), lr_g=1e-3, lr_d=1e-3, seed=seed, tricks=['gradient_penalty'])
        learn.fit_steps(500, progress=False)
        assert not find_copies(learn).memorised, seed
