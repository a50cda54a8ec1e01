"Tricks that make a network conditional which knows no labels: nothing moves at the switch, and each label is that of its sample."
import pytest, torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from ganlab.data import tensor_dls
from ganlab.engine.change import Refused
from ganlab.engine.conditional import Conditional
from ganlab.engine.lending import Labelled, lent
from ganlab.engine.sites import sites
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from games import labelled, labels, patch_d, play, rand
from strangers import go, groups_hold, net_state, one_sentence, unequal

SWITCHES = 'class_norm', 'projection', 'auxiliary_classifier'
NAMES = *SWITCHES, 'label_dropout'

def ready(name):
    "A learner in mid-training that the trick goes with"
    learn = play('by_switch')
    if name == 'label_dropout': learn.tricks.on('class_norm')
    go(learn, 2)
    return learn

@pytest.mark.parametrize('name', SWITCHES)
def test_no_bit_moves_at_the_switch(name):
    "Whatever the label, in eval mode; in training, what a batch gives"
    learn = ready(name)
    x, z = labelled()[:10], learn.fixed_z(10)
    def seen(y): return learn.generate(z, y).detach(), learn.judge(x.clone(), y).detach()
    was, g, d = seen(None), learn.sample(10), learn.score(x)
    learn.tricks.on(name)
    assert torch.equal(learn.sample(10), g) and torch.equal(learn.score(x), d)
    assert all(map(torch.equal, seen(labels(10)), was)) and all(map(torch.equal, seen(labels(10).flip(0)), was))

@pytest.mark.parametrize('name', NAMES)
def test_what_is_added_lives_and_leaves(name):
    "Each tensor moves in training and matters; faded out, the networks are those that they would be without"
    learn = ready(name)
    t, before = learn.tricks[name], net_state(learn.model).keys()
    learn.tricks.on(name)
    added = {n: v.clone() for n, v in net_state(learn.model).items() if n not in before and v.ndim}
    go(learn, 4)
    groups_hold(learn)
    assert bool(added) == (name in SWITCHES) and all(not torch.equal(v, net_state(learn.model)[n]) for n, v in added.items())
    for k, p in t.declared.items():
        values = {'choice': list(p.choices), 'text': [p.default]}.get(p.kind, [p.lo, p.hi, p.default])
        for v in values:
            try: learn.tricks.set(name, **{k: v})
            except ValueError as e: one_sentence(e)
    go(learn, 1)
    if 'leave_over' in t.params: learn.tricks.set(name, leave_over=2)
    learn.tricks.off(name)
    go(learn, 2)
    assert not t.enabled and net_state(learn.model).keys() == before
    groups_hold(learn)
    go(learn, 1)

def test_other_forms():
    learn = ready('auxiliary_classifier')
    learn.tricks.on('auxiliary_classifier', form='d2d', dim=3)
    go(learn, 2)
    assert learn.history[['d_loss/auxiliary_classifier', 'g_loss/auxiliary_classifier']].iloc[-1].gt(0).all()

# Each label is its sample's

class Says(Labelled):
    "In G: makes each sample say its label"
    def forward(self, x): return 0*x + self.rows(x)[:, None]

class Hears(Labelled):
    "In D: notes each sample with its label"
    heard = []
    def forward(self, x):
        if self.training: self.heard.append((x.detach()[:, 0].clone(), self.rows(x)))       # the picture shows D on a grid
        return x

class Spy(Conditional):
    "Notes which labels come with which samples."
    name, title, number, within, source, acts, changes = 'spy', 'Spy', 999, 'GD', 'none', 'all', 'reweights'
    def plan(self, learn):
        n = learn.n_classes
        return [(sites(learn, 'g')[-1], 'after', lambda: Says(n)), (sites(learn, 'd')[0], 'before', lambda: Hears(n))]

@pytest.mark.parametrize('name,params', [('batch_size', dict(bs=5)), ('grad_accumulation', {}), ('n_critic', dict(n_d=2)), ('replay_buffer', {}), ('gradient_penalty', {}),
                                         ('unrolled', dict(steps=2)), ('checkpointing', {}), ('ema', {}), ('extragradient', {}), ('feature_matching', {}), ('auxiliary_classifier', {})])
def test_each_label_is_its_samples(name, params):
    "Reals say theirs, fakes their batch's, those of the past their own: whatever D is given says the label that comes with it"
    y = torch.arange(60) % 7
    learn = GANLearner(tensor_dls(torch.stack([y, y], 1).float(), 8, y=y), *mlp(2, 3, 8, 1), z_dim=3, seed=0)
    learn.tricks.add(Spy)
    learn.tricks.on('spy')
    learn.tricks.on(name, **params)
    Hears.heard = []
    go(learn, 5)
    assert len(Hears.heard) >= 15 and {len(y) for _, y in Hears.heard} >= {params.get('bs', 8)}
    for x, y in Hears.heard: assert torch.equal(x.round().long(), y)
    assert len({tuple(y.tolist()) for _, y in Hears.heard}) > 4

def test_gone_labels_are_gone_for_both():
    "Real and fake of a batch have lost the same labels"
    y = torch.arange(60) % 7
    learn = GANLearner(tensor_dls(torch.stack([y, y], 1).float(), 8, y=y), *mlp(2, 3, 8, 1), z_dim=3, seed=0)
    learn.tricks.add(Spy)
    learn.tricks.on('spy'), learn.tricks.on('label_dropout', p=.5)
    Hears.heard = []
    go(learn, 4)
    (xr, yr), (xf, yf) = Hears.heard[:2]
    assert torch.equal(yr, yf) and (yr == 7).any() and (yr < 7).any()
    assert torch.equal(xf.round().long(), yf) and torch.equal(xr.round().long()[yr < 7], yr[yr < 7])

# Computed again in the backward pass

def test_checkpointing_sees_the_same_labels():
    "It leaves every bit as it is"
    def run(*more):
        learn = play('by_switch', tricks=[*NAMES, 'gradient_penalty', *more])
        go(learn, 3)
        return net_state(learn.model)
    assert not unequal(run(), run('checkpointing'))

def test_a_network_that_checkpoints_itself():
    "Nobody lends labels in the backward pass: it says so, and trains on without the trick"
    class G(nn.Module):
        def __init__(self): super().__init__(); self.f = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
        def forward(self, z): return checkpoint(self.f, z, use_reentrant=False)
    learn = GANLearner(tensor_dls(rand(40, 2), 8, y=labels(40)), G(), mlp(2, 3, 8, 1)[1], z_dim=3)
    learn.tricks.on('class_norm')
    with pytest.raises(RuntimeError, match='in place of torch.utils.checkpoint within it use the trick checkpointing'): go(learn, 1)
    assert learn.step == 0 and lent() is None
    learn.tricks.off('class_norm', now=True)
    go(learn, 1)

# What it is told

@pytest.mark.parametrize('name', NAMES)
def test_data_without_labels(name):
    for y, why in ((None, 'samples alone, with no labels'), (rand(40, 3), 'is no label, but float32 of shape'), (torch.zeros(40, dtype=torch.long), 'have the label 0')):
        learn = GANLearner(tensor_dls(rand(40, 1, 16, 16), 8, y=y), *dcgan(16, 1, 4, 4))
        with pytest.raises(Refused, match=why) as e: learn.tricks.on(name)
        one_sentence(e.value)
        assert 'tensor_dls(x, y=labels)' in str(e.value)

def test_where_it_does_not_go():
    def refused(learn, name, why, **params):
        with pytest.raises(Refused, match=why) as e: learn.tricks.on(name, **params)
        one_sentence(e.value)
    data = tensor_dls(labelled(), 6, y=labels(60))
    refused(GANLearner(data, dcgan(16, 1, 4, 4)[0], [patch_d(), patch_d()]), 'projection', 'answers with 2 scores')
    learn = play('by_switch')
    refused(learn, 'projection', 'which is no score', layer='D.0')
    refused(learn, 'class_norm', "has no layer 'x'", layer='x')
    refused(learn, 'label_dropout', 'turn class_norm or projection on first')
    refused(play('labels'), 'label_dropout', 'takes the label itself')
    learn.tricks.on('class_norm')
    refused(learn, 'virtual_batch_norm', 'G takes y, too')
    learn.tricks.on('projection')
    refused(learn, 'dual_discriminator', 'takes samples alone')

def test_projection_on_a_map():
    "Of a map of scores: the features' mean over the places, on every score"
    learn = GANLearner(tensor_dls(labelled(), 6, y=labels(60)), dcgan(16, 1, 4, 4)[0], patch_d())
    learn.tricks.on('projection')
    part, = learn.tricks['projection'].parts(learn)
    with torch.no_grad(): part.embed.weight.normal_(generator=torch.Generator().manual_seed(0))
    x, y = labelled()[:5], labels(5)
    with torch.no_grad():
        h = learn.D[:-1](x)
        bare = nn.functional.conv2d(h, learn.D[-1].weight, learn.D[-1].bias, 1, 1)
        by_hand = bare + (h.mean((2, 3))*part.embed.weight[y]).sum(1).view(-1, 1, 1, 1)
        assert torch.allclose(learn.judge(x, y), by_hand, atol=1e-6)

def test_samples_of_a_class():
    learn = play('by_switch')
    with pytest.raises(ValueError, match='turn class_norm on first') as e: learn.sample(4, y=1)
    one_sentence(e.value)
    with pytest.raises(ValueError, match='turn projection on first'): learn.score(labelled()[:4], y=1)
    learn.tricks.on('class_norm', leave_over=1), learn.tricks.on('projection')
    go(learn, 3)
    assert torch.equal(learn.sample(16)[8:], learn.sample(z=learn.fixed_z(16)[8:], y=1)) and not torch.equal(learn.sample(4, y=1), learn.sample(4, y=2))
    for bad in (5, -1, [0, 1, 2, 9]):
        with pytest.raises(ValueError, match='need labels from 0 to 4'): learn.sample(4, y=bad)
    with pytest.raises(ValueError, match='G takes y'): learn.generate(learn.fixed_z(4))
    with pytest.raises(RuntimeError, match='call learn.generate'): learn.G(learn.fixed_z(4))
    learn.tricks.on('label_dropout')
    assert learn.sample(4, y=-1).shape == (4, 1, 16, 16)
    learn.tricks.off('label_dropout'), learn.tricks.off('class_norm')
    go(learn, 1)
    with pytest.raises(ValueError, match='turn class_norm on first'): learn.sample(4, y=1)

def test_a_network_that_takes_labels_itself():
    "Takes both: its own argument, and what is lent"
    learn = play('labels')
    go(learn, 1)
    was = learn.sample(10), learn.score(labelled()[:10], y=labels(10))
    learn.tricks.on('class_norm'), learn.tricks.on('projection'), learn.tricks.on('auxiliary_classifier')
    assert torch.equal(learn.sample(10), was[0]) and torch.equal(learn.score(labelled()[:10], y=labels(10)), was[1])
    go(learn, 2)

@pytest.mark.parametrize('norm', [lambda: nn.GroupNorm(2, 4), lambda: nn.InstanceNorm2d(4), lambda: nn.LayerNorm([4, 8, 8]), lambda: nn.BatchNorm2d(4)])
def test_norms_of_all_kinds(norm):
    G = nn.Sequential(nn.Linear(4, 64), nn.Unflatten(1, (4, 4, 4)), nn.ConvTranspose2d(4, 4, 4, 2, 1), norm(), nn.ReLU(), nn.ConvTranspose2d(4, 1, 4, 2, 1), nn.Tanh())
    learn = GANLearner(tensor_dls(labelled(), 6, y=labels(60)), G, patch_d())
    was = learn.sample(6)
    learn.tricks.on('class_norm')
    part, = learn.tricks['class_norm'].parts(learn)
    assert part.gain.weight.shape == (6, 4) and not part.last and torch.equal(learn.sample(6), was)
