"Recipes: each is switched whole, on networks of its own and on a stranger's, and what was found comes back."
import pytest
from ganlab.all import *
from ganlab.presets import presets
from ganlab.engine.change import Refused
from strangers import go, groups_hold, make_learner, one_sentence

SMALL = dict(dcgan=dict(width=4, z_dim=8), resnet=dict(width=2, z_dim=8), relu_mlp=dict(width=16), mlp=dict(width=16, depth=2))

def sizes(make): return SMALL[getattr(make, 'func', make).__name__]

@pytest.mark.parametrize('name', presets)
@pytest.mark.parametrize('kind', ['images', 'points'])
@pytest.mark.part(4)
def test_on_its_own_networks(name, kind):
    "All of it on from step 0, and it trains; where it has no such networks it says so"
    p, make = presets[name], getattr(presets[name], kind)
    dls = digits_dls(bs=4, size=32) if kind == 'images' else ring_dls(n=400, bs=8)
    if name == 'dcgan' and make: make = make.func; args = dict(width=4)
    else: args = sizes(make) if make else {}
    if make is None:
        with pytest.raises(ValueError, match='has networks for') as e: p.learner(dls)
        one_sentence(e.value)
        return
    learn = p.learner(dls, sizes=args)
    assert {t.name for t in learn.tricks.enabled} == set(p.names(learn)) and p.loss in (None, learn.loss_name) and not p.plan(learn)
    go(learn, 2); groups_hold(learn)
    assert learn.history[['d_loss', 'g_loss']].notna().all().all()

def test_what_nobody_sees_stays_on():
    "An average of G changes no bit of the training, and is no part of a recipe: what is else on goes, before the loss comes"
    learn = make_learner(tricks=['ema', 'wgan_gp']); go(learn, 1)
    assert [o[:2] for o in presets['sngan'].plan(learn)][:2] == [('off', 'wgan_gp'), ('loss', 'hinge')]
    learn.tricks.preset('sngan'); go(learn, 1)
    assert learn.tricks['ema'].enabled and not learn.tricks['wgan_gp'].enabled and learn.loss_name == 'hinge'

@pytest.mark.parametrize('name', presets)
@pytest.mark.parametrize('kind', ['dcgan', 'mlp'])
@pytest.mark.part(2)
def test_in_mid_training(kind, name):
    "On a learner with other tricks on: all of it at one step, and what it lacks goes off; or nothing, and the trick that does not go with these networks says so"
    learn = make_learner(kind, tricks=['label_smoothing', 'instance_noise', 'ema']); go(learn, 2)
    plan, before, was = presets[name].plan(learn), learn.state_hash(), [t.name for t in learn.tricks.enabled]
    try: changes = learn.tricks.preset(name)
    except Refused as e:
        assert one_sentence(e).startswith('Not turned on: ') and 'Nothing of what was asked together with it was changed' in str(e)
        assert learn.state_hash() == before and [t.name for t in learn.tricks.enabled] == was and presets[name].plan(learn) == plan and len(learn.tricks.refused) == 1
        assert not [c for c in learn.tricks.log if c.step == 2] and (name, kind) in REFUSED
        go(learn, 1); groups_hold(learn)
        return
    assert (name, kind) not in REFUSED and len(changes) == len(plan) and {c.step for c in changes} == {2}
    assert {t.name for t in learn.tricks.enabled} - {'ema'} == set(presets[name].names(learn)) - {'ema'}
    go(learn, 1); groups_hold(learn)
    assert not presets[name].plan(learn)

REFUSED = [('sagan', 'mlp')]      # needs feature maps

def test_refused_while_it_trains():
    "Asked for while it trains, a recipe that does not go with the networks is refused whole at the boundary, and says so to everyone who waits for a part of it"
    learn, asked = make_learner(tricks=['label_smoothing']), []
    def gate(learn):
        if learn.step == 2 and not asked: asked.extend(learn.tricks.preset('sagan'))
    learn.fit_steps(5, gate=gate, progress=False)
    assert len(asked) > 3 and all(c.error and c.step is None and not c.moot for c in asked) and list(learn.tricks.refused) == ['self_attention']
    for c in asked:
        with pytest.raises(Refused, match='no feature map'): c.wait(0)
        one_sentence(c.error)
    assert learn.loss_name == 'non_saturating' and [t.name for t in learn.tricks.enabled] == ['label_smoothing'] and [c.name for c in learn.run.changes] == ['label_smoothing']

def test_while_it_trains():
    "Asked from another thread, the whole recipe falls into one boundary"
    learn = make_learner(tricks=['label_smoothing'])
    with Lab(learn) as lab:
        lab.start(steps=400)
        changes = learn.tricks.preset('ttur')
        for c in changes: c.wait(30)
        assert lab.wait(60)
    assert len({c.step for c in changes}) == 1 and not learn.tricks['label_smoothing'].enabled

def test_back_again():
    "The rates, betas, loss and updates of D that were there are there again"
    learn = make_learner(); go(learn, 1)
    was = learn.loss_name, learn.n_d_now, [dict(g, params=0) for o in (learn.opt_d, learn.opt_g) for g in o.param_groups]
    learn.tricks.preset('asymmetric'); go(learn, 2)
    for t in learn.tricks.enabled: learn.tricks.off(t.name, now=True)
    go(learn, 1)
    assert (learn.loss_name, learn.n_d_now, [dict(g, params=0) for o in (learn.opt_d, learn.opt_g) for g in o.param_groups]) == was

def test_names():
    with pytest.raises(ValueError, match="Did you mean 'wgan_gp'") as e: make_learner().tricks.preset('wgan-gp')
    one_sentence(e.value)
    assert list(make_learner().tricks.presets) == ['dcgan', 'wgan', 'wgan_gp', 'wgan_gp_toy', 'wgan_gp_numpy_ml', 'asymmetric', 'ttur', 'sngan', 'sagan', 'stylegan2_lite', 'r3gan', 'progressive']

class OwnHinge:
    name = 'hinge'
    def d_loss(self, r, f): return (f - r).mean() + .01*(r**2 + f**2).mean()
    def g_loss(self, f, r=None): return -f.mean()

def test_a_loss_that_is_only_called_so():
    "A recipe's loss is the recipe's, not one of its name, nor one of other numbers"
    learn = make_learner(loss=OwnHinge())
    assert ('loss', 'hinge', {}) in presets['sngan'].plan(learn)
    learn.tricks.preset('sngan'); assert learn.base_loss is losses['hinge']
    assert not presets['sngan'].plan(learn)
