"How each term of a loss pulls: its gradient's norm and its cosine with the adversarial one's, by layer; and nothing of it is left in the training."
import math
import pytest, torch
from ganlab.checkup.terms import Heard, heard, pulls
from ganlab.engine.change import Refused
from ganlab.trick import Trick, find_tricks
from games import GAMES, play
from strangers import go, make_learner

TERMED = [c for c in find_tricks() if {'d_term', 'g_term'} & {*c().slots}]
MORE = dict(lecam=dict(start=0))            # else it begins 1,000 steps later
REMEMBERS = {'historical_averaging', 'lecam', 'path_length', 'unet_consistency', 'gradient_penalty'}     # `make test-all` takes each
FIRST = dict(adaptive_weight='reconstruction', identity='cycle')     # what has to be on before

def whole(learn): return {(p.net, p.term): p for p in learn.terms() if not p.layer}

class Louder(Trick):
    "The adversarial loss once more, c times"
    name, title, c = 'louder', 'Louder', 3.
    def d_term(self, ctx): return self.c*ctx.learn.lost(ctx.learn.loss_now, ctx)
    g_term = d_term

class Across(Trick):
    "Straight across the adversarial gradient, in each layer"
    name, title = 'across', 'Across'
    def d_term(self, ctx):
        ps = ctx.weights
        gs = torch.autograd.grad(ctx.learn.lost(ctx.learn.loss_now, ctx), ps, retain_graph=True)
        vs = [torch.randn(p.shape, generator=torch.Generator().manual_seed(i)).double() for i, p in enumerate(ps)]
        vs = [v - (v*g).sum()/(g*g).sum()*g for v, g in zip(vs, (g.double() for g in gs))]
        return sum((v.float()*p).sum() for v, p in zip(vs, ps))
    g_term = d_term

@pytest.mark.parametrize('c', [3., -.01])
def test_a_multiple(c):
    "Of c times the adversarial loss: cosine 1 (-1 of a negative one) and c times the norm, in each layer"
    learn = make_learner(tricks=[type('Own', (Louder,), dict(c=c))])
    go(learn, 2)
    found = [p for p in learn.terms() if p.term == 'louder']
    assert {p.net for p in found} == {'D', 'G'} and len({p.layer for p in found}) > 3
    for p in found: assert p.cosine == pytest.approx(math.copysign(1, c), abs=1e-6) and p.beside == pytest.approx(abs(c), rel=1e-5), p

def test_weights_of_the_house():
    "A weight of 3 adds twice the adversarial loss, one of .5 takes half of it off"
    for weight, cosine, beside in ((3, 1, 2), (.5, -1, .5)):
        p = whole(make_learner(tricks=[('adversarial_weight', dict(weight=weight))]))['G', 'adversarial_weight']
        assert (p.cosine, p.beside) == (pytest.approx(cosine, abs=1e-6), pytest.approx(beside, rel=1e-5))

def test_across():
    learn = make_learner(tricks=[Across])
    go(learn, 2)
    for p in learn.terms(): assert p.cosine == pytest.approx(float(p.term == 'adversarial'), abs=1e-5) and p.norm > 0, p

def test_by_hand():
    "Two terms of two weights"
    w, b = torch.nn.Parameter(torch.tensor([1., 2.])), torch.nn.Parameter(torch.tensor([3.]))
    h = Heard({'0.weight': w, '0.bias': b, '1.weight': torch.nn.Parameter(torch.ones(1))})
    h.note((w*torch.tensor([3., 4.])).sum(), ''); h.note(5*w[0] + 12*b.sum(), 'own'); h.note(torch.zeros(()), 'resting')
    found = {(p.layer, p.term): p[3:] for p in pulls('D', h)}
    assert found['', 'adversarial'] == (5, 1, 1) and found['0', 'own'] == pytest.approx((13, 2.6, 15/65)) and found['', 'resting'][:2] == (0, 0)
    assert math.isnan(found['', 'resting'][2]) and math.isnan(found['1', 'own'][2]) and math.isnan(found['1', 'own'][1])

def test_the_sum_is_the_step():
    "What is told adds up to the gradients that the next step takes"
    taken = {}
    class Spy(Trick):
        name, title, order = 'spy', 'Spy', 10**6
        def before_d(self, ctx): taken[ctx.phase] = [p.grad.clone() for p in ctx.weights]
        before_g = before_d
    learn = make_learner(update='simultaneous', tricks=[Spy, ('gradient_penalty', dict(gamma=2.)), ('feature_matching', dict(mode='add')), 'orthogonal', ('grad_accumulation', dict(n=2))])
    go(learn, 3)
    found = heard(learn)
    go(learn, 1)
    for key in 'dg':
        assert len(found[key].found) >= 2
        for total, g in zip((sum(gs) for gs in zip(*found[key].found.values())), taken[key]): assert torch.allclose(total/2, g.double(), rtol=1e-4, atol=1e-7)     # a batch in two parts

def with_term(cls):
    "A learner on which the trick's term is on, of the first game that it goes with"
    makers = [make_learner, lambda: make_learner('dcgan'), *(lambda g=g: play(g) for g in GAMES)]
    if cls.name == 'unet_consistency': makers = [lambda: make_learner('dcgan', D=torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, 1, 1), torch.nn.ReLU(), torch.nn.Conv2d(4, 1, 3, 1, 1)))]
    for make in makers:
        learn = make()
        try:
            if cls.name in FIRST: learn.tricks.on(FIRST[cls.name])
            learn.tricks.on(cls.name, **MORE.get(cls.name, {}))
        except Refused: continue
        return learn
    raise AssertionError(f'{cls.name} goes with no game')

@pytest.mark.parametrize('cls', [pytest.param(c, id=c.name, marks=() if c.name in REMEMBERS else pytest.mark.slow) for c in TERMED])
def test_no_trace(cls):
    "Told of twice, and again, the same; and the training goes on as it would have"
    learn = with_term(cls)
    go(learn, 2)
    was, snap = learn.state_hash(), learn.snapshot()
    a, b = learn.terms(), learn.terms()
    assert repr(a) == repr(b) and learn.state_hash() == was and any(p.term == cls.name and p.norm > 0 for p in a), a
    go(learn, 2); then = learn.state_hash()
    learn.restore(snap); go(learn, 2)
    assert learn.state_hash() == then

def test_no_trace_with_all_that_remembers():
    "Noise, a buffer of fakes, running statistics, power iterations, averages, updates within updates; asked of while it trains"
    told, hashes = [], []
    for ask in (True, False):
        learn = make_learner('dropout')
        for name in ('replay_buffer', 'instance_noise', 'spectral_norm', 'ema', 'ada', 'lecam', 'gradient_penalty', 'grad_accumulation'): learn.tricks.on(name)
        learn.tricks.on('historical_averaging')
        for _ in range(3):
            go(learn, 2)
            if ask: told.append(learn.terms())
        hashes.append(learn.state_hash())
    assert hashes[0] == hashes[1] and ('D', 'gradient_penalty') in {p[:2] for p in told[-1]} and ('G', 'historical_averaging') in {p[:2] for p in told[-1]}

def test_a_lazy_one():
    "Looked at in the next step in which it acts"
    learn = make_learner(tricks=[('gradient_penalty', dict(every=16)), 'lazy_reg'])
    go(learn, 3)
    assert whole(learn)['D', 'gradient_penalty'].norm > 0 and learn.step == 3

def test_shown():
    "A table for each whole network, by layer on request, and a figure; one sentence where there is no term"
    learn = make_learner(tricks=['gradient_penalty'])
    t = learn.terms()
    assert list(t.frame().columns) == ['net', 'term', 'norm', 'beside', 'cosine'] and list(t.frame().term) == ['adversarial', 'gradient_penalty', 'adversarial']
    assert len(t.frame(layers=True)) == len(t) and 'gradient_penalty' in t._repr_html_() and t.plot().png().startswith(b'\x89PNG')
    with pytest.raises(ValueError, match=r"no trick adds a term to a loss; turn one on: learn.tricks.on\('gradient_penalty'\)"): make_learner().terms().plot()
