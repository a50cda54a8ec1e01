"Labels, pairs, score maps, series, volumes: every trick works or says why not, and there is a way back in each game."
import re
import pytest, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from ganlab.data import tensor_dls
from ganlab.engine.change import Refused
from ganlab.engine.game import as_scores, over_parts, per_sample
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.record.run import Run
from ganlab.trick import find_tricks
from games import GAMES, LabelD, LabelG, networks, patch_d, plain_g, play, rand
from strangers import go, groups_hold, in_turn, one_sentence

TRICKS = [c.name for c in find_tricks()]

@pytest.mark.parametrize('name,game', in_turn(TRICKS, list(GAMES), 1))
@pytest.mark.part(3)
def test_every_trick(name, game):
    "On and off in mid-training, or a sentence; afterwards it trains on"
    learn = play(game)
    go(learn, 2)
    was = learn.state_hash()
    try: learn.tricks.on(name)
    except Refused as e:
        one_sentence(e)
        assert learn.state_hash() == was
        go(learn, 1)
        return
    go(learn, 2)
    assert learn.sample(8).isfinite().all()
    learn.tricks.off(name, now=True)
    go(learn, 1)
    groups_hold(learn)
    assert learn.step == 5

@pytest.mark.parametrize('game', ['scales', 'ensemble'])
def test_attention_within_a_d_that_gives_a_list(game):
    "Which block it goes behind is found without one tensor that D would give"
    learn = play(game)
    learn.tricks.on('self_attention', net='D')
    go(learn, 2)
    assert any('attention' in n for n, _ in learn.D.named_modules())

def some_tricks(learn):
    "Of those that act at different places, all that go with the game"
    by_switch = ('class_norm', 'projection', 'auxiliary_classifier', 'label_dropout') if learn.n_classes and not learn.takes_y('d') else ()
    for name in (*by_switch, 'replay_buffer', 'grad_accumulation', 'gradient_penalty', 'lecam', 'ema', 'top_k', 'spectral_norm'):
        try: learn.tricks.on(name)
        except Refused as e: one_sentence(e)
        go(learn, 1)
        yield learn.step, learn.state_hash()

def told(game, folder):
    "A recorded story, and the states on its way"
    learn = play(game, run=folder)
    learn.run.snap_every = 4
    go(learn, 2)
    hashes = dict(some_tricks(learn))
    assert len(learn.tricks.enabled) >= 4
    go(learn, 2)
    return learn, {**hashes, learn.step: learn.state_hash()}

@pytest.mark.parametrize('game', GAMES)
@pytest.mark.part(6)
def test_there_and_back(game, tmp_path):
    "Rewound and gone on, forked, resumed"
    learn, hashes = told(game, tmp_path/'a')
    step = learn.step
    fork = learn.fork(6)
    assert fork.state_hash() == hashes[6]
    fork.run.close()
    learn.run.close()
    more = GANLearner.resume(tmp_path/'a', GAMES[game][0](), *networks(game), progress=False)
    assert (more.step, more.state_hash()) == (step, hashes[step])
    more.rewind(6)
    assert more.state_hash() == hashes[6]
    go(more, 2)
    more.run.close()
    again = GANLearner.resume(tmp_path/'a', GAMES[game][0](), *networks(game), progress=False)
    assert again.state_hash() == more.state_hash()
    again.run.close()

@pytest.mark.parametrize('game', GAMES)
@pytest.mark.part(6)
def test_again(game, tmp_path):
    "From the seed and the changes alone: in this process, and by the script"
    learn, hashes = told(game, tmp_path/'a')
    end = hashes[learn.step]
    learn.run.close()
    run = Run.open(tmp_path/'a')
    assert run.replay(GAMES[game][0](), *networks(game)).state_hash() == end
    script = run.to_python(tmp_path/'again.py')
    src = script.read_text()
    for open_line, filled in (('dls = [.]{3}.*', 'dls = data'), ('from [.]{3} import [.]{3}.*', ''), ('G, D = [.]{3}.*', 'G, D = pair')):
        src, n = re.subn(open_line, filled, src)
        assert n == 1, src
    names = dict(__file__=str(script), data=GAMES[game][0](), pair=networks(game))
    exec(compile(src, str(script), 'exec'), names)
    assert names['learn'].state_hash() == end

# Labels stay with their samples

@pytest.mark.parametrize('loader', ['memory', 'workers', 'dict', 'swapped'])
def test_labels_are_their_samples(loader):
    x, y = torch.arange(60.)[:, None].expand(60, 2)/60, torch.arange(60) % 7
    class Dicts(torch.utils.data.Dataset):
        def __len__(self): return 60
        def __getitem__(self, i): return dict(image=x[i], label=int(y[i]))
    how = dict(memory=lambda: (tensor_dls(x, 8, y=y), {}), workers=lambda: (DataLoader(TensorDataset(x, y), 8, shuffle=True, num_workers=2), {}),
               dict=lambda: (DataLoader(Dicts(), 8, shuffle=True), dict(x='image')), swapped=lambda: (DataLoader(TensorDataset(y, x), 8, shuffle=True), dict(x=1)))
    dls, kw = how[loader]()
    seen = []
    class Look(nn.Module):
        def __init__(self, body): super().__init__(); self.body = body
        def forward(self, x, y): seen.append((x.detach().clone(), y.clone())); return self.body(x)
    learn = GANLearner(dls, mlp(2, 3, 8, 1)[0], Look(mlp(2, 3, 8, 1)[1]), z_dim=3, **kw)
    assert learn.takes == dict(g='z', d='xy')
    for name, params in dict(batch_size=dict(bs=5), grad_accumulation={}, n_critic=dict(n_d=2)).items():
        learn.tricks.on(name, **params)
        seen.clear()
        go(learn, 4)
        reals = [(a, b) for a, b in seen if ((a*60 - (a*60).round()).abs() < 1e-4).all()]
        assert len(reals) >= 4
        for a, b in reals: assert torch.equal((a[:, 0]*60).round().long() % 7, b)

def test_replayed_fakes_keep_their_labels():
    class G(nn.Module):
        "Says which label it was given"
        def __init__(self): super().__init__(); self.w = nn.Parameter(torch.ones(1))
        def forward(self, z, y): return torch.stack([y.float(), y.float()], 1)*self.w/self.w.detach() + 0*z.sum()
    seen = []
    class D(nn.Module):
        def __init__(self): super().__init__(); self.f = nn.Linear(2, 1)
        def forward(self, x, y):
            if self.training and len(x) == 8: seen.append((x.detach().clone(), y.clone()))
            return self.f(x)
    learn = GANLearner(tensor_dls(torch.rand(60, 2) + 100, 8, y=torch.arange(60) % 7), G(), D(), z_dim=3, lr_g=0.)
    learn.tricks.on('replay_buffer')
    seen.clear()
    go(learn, 12)
    fakes = [(x, y) for x, y in seen if x.max() < 50]
    assert len(fakes) >= 24 and all(torch.equal(x[:, 0].round().long(), y) for x, y in fakes)
    assert len(learn.tricks['replay_buffer'].past_y) == len(learn.tricks['replay_buffer'].past) == 96

# Many scores

@pytest.mark.parametrize('loss', ['non_saturating', 'hinge', 'wasserstein', 'lsgan', 'relativistic'])
def test_two_equal_maps_are_one(loss):
    class Twice(nn.Module):
        def __init__(self, net): super().__init__(); self.net = net
        def forward(self, x):
            l = self.net(x)
            return [l, l]
    def run(wrap):
        torch.manual_seed(0)
        learn = GANLearner(tensor_dls(rand(40, 1, 16, 16), 8), plain_g(), wrap(patch_d()), loss=loss, opt='sgd', lr_g=.01, lr_d=.01)
        learn.tricks.on('gradient_penalty'), learn.tricks.on('lecam', start=0)
        go(learn, 4)
        return learn.history[['d_loss', 'g_loss', 'd_real', 'd_grad_norm']].to_numpy()
    one, two = run(lambda net: net), run(Twice)
    assert abs(one - two).max() < 1e-4*abs(one).max()

def test_r1_of_the_mean_and_of_the_sum():
    "Of a map of P scores: R1 of the sum is P² times R1 of the mean"
    D, x = patch_d(), rand(5, 1, 16, 16).requires_grad_()
    l, parts = as_scores(D(x), 5)
    mean, = torch.autograd.grad(per_sample(l, parts).sum(), x, retain_graph=True)
    whole, = torch.autograd.grad(l.sum(), x)
    assert torch.allclose(mean.square().sum()*parts[0]**2, whole.square().sum(), rtol=1e-4)
    learn = GANLearner(tensor_dls(x.detach().repeat(4, 1, 1, 1), 5), plain_g(), D, lr_d=0., lr_g=0.)
    learn.tricks.on('gradient_penalty', gamma=2.)
    go(learn, 1)
    batch = learn.source.batch(0).requires_grad_()
    slope, = torch.autograd.grad(D(batch).mean((1, 2, 3)).sum(), batch)
    assert learn.history['d_loss/gradient_penalty'].iloc[-1] == pytest.approx(slope.square().flatten(1).sum(1).mean().item(), rel=1e-4)

def test_a_part_is_not_outvoted():
    l = torch.tensor([[1., 1., 1., 5.]])
    assert per_sample(l, (3, 1)).item() == 3. and over_parts(lambda s: s.mean(), (3, 1), l).item() == 3.

# What it is told

def test_what_is_lacking():
    x = rand(40, 1, 16, 16)
    with pytest.raises(ValueError, match='G and D take y, which comes with each sample') as e: GANLearner(tensor_dls(x, 8), LabelG(), LabelD(), z_dim=4)
    one_sentence(e.value)
    learn = play('labels')
    with pytest.raises(ValueError, match='D takes y'): learn.judge(x[:4])
    with pytest.raises(ValueError, match='3 entries for 4 samples'): learn.sample(4, y=[0, 1, 2])
    with pytest.raises(ValueError, match="for 'g' one of"): GANLearner(tensor_dls(x, 8), plain_g(), patch_d(), takes=dict(g='q'))
    with pytest.raises(ValueError, match='need one score per sample'): GANLearner(tensor_dls(x, 8), plain_g(), nn.Sequential(nn.Flatten(), nn.Linear(256, 3)))
    class Three(nn.Module):
        def forward(self, x, y, mask): return x
    with pytest.raises(ValueError, match='give mask a default'): GANLearner(tensor_dls(x, 8), plain_g(), Three())

def test_samples_of_a_class():
    learn = play('labels')
    go(learn, 3)
    assert learn.n_classes == 5 and learn.fixed_y(24).tolist() == [0]*8 + [1]*8 + [2]*8
    assert torch.equal(learn.sample(16)[8:], learn.sample(z=learn.fixed_z(16)[8:], y=1))
    assert not torch.equal(learn.sample(4, y=1), learn.sample(4, y=2))

# A loss that sees more than scores, and other latents

class Nearby:
    "The hinge loss, and G pays for its distance from the reals of its batch: by what it sees, and not by a trick"
    name, g_uses_real = 'nearby', False
    def see(self, ctx): self.ctx = ctx
    def d_loss(self, l_real, l_fake): return (1 - l_real).relu().mean() + (1 + l_fake).relu().mean()
    def g_loss(self, l_fake, l_real=None): return -l_fake.mean() + 3*(self.ctx.xf - self.ctx.x).abs().mean()

def test_a_loss_that_sees():
    "The same as the trick does with another loss: one hash of all weights"
    def run(loss, *tricks):
        learn = GANLearner(GAMES['upscaling'][0](), *networks('upscaling'), z_dim=0, loss=loss, opt='sgd', lr_g=.01, lr_d=.01)
        for name, params in tricks: learn.tricks.on(name, **params)
        go(learn, 5)
        return torch.cat([p.detach().flatten() for p in learn.model.parameters()]), learn
    a, seen = run(Nearby())
    b, _ = run('hinge', ('reconstruction', dict(weight=3.)))
    assert torch.allclose(a, b, atol=1e-6) and seen.loss_name == 'nearby'

def test_latents_of_another_kind(tmp_path):
    z = play('patches', latent='uniform').fixed_z(4096)
    assert -1 <= z.min() < -.99 and .99 < z.max() <= 1 and abs(z.var() - 1/3) < .01
    def pairs(n, g): return torch.randint(0, 2, (n, 4), generator=g).float()
    learn = play('patches', latent=pairs, run=tmp_path/'a')
    go(learn, 4)
    end = learn.state_hash()
    assert set(learn.fixed_z(64).unique().tolist()) == {0., 1.}
    learn.run.close()
    with pytest.raises(ValueError, match='latents were drawn by a function of your own.*latent=') as e: GANLearner.resume(tmp_path/'a', GAMES['patches'][0](), *networks('patches'))
    one_sentence(e.value)
    more = GANLearner.resume(tmp_path/'a', GAMES['patches'][0](), *networks('patches'), latent=pairs, progress=False)
    assert more.state_hash() == end
    more.run.close()
    with pytest.raises(ValueError, match="latent='normale'; need 'normal'"): play('patches', latent='normale')

def test_the_game_may_wait():
    "With weight 0, D rests; the trick's own record says so, and it goes on from there"
    learn = play('upscaling')
    learn.tricks.on('reconstruction', weight=1.), learn.tricks.on('adversarial_weight', weight=0.)
    d = [p.detach().clone() for p in learn.D.parameters()]
    go(learn, 3)
    assert all(torch.equal(a, b) for a, b in zip(d, learn.D.parameters())) and learn.history.d_loss.isna().all()
    learn.tricks.set('adversarial_weight', weight=.5)
    go(learn, 1)
    assert not all(torch.equal(a, b) for a, b in zip(d, learn.D.parameters()))

def test_reconstruction_where_there_is_no_right_answer():
    for game, why in dict(patches='of latents alone', unpaired='unpaired', labels='a label has many samples').items():
        with pytest.raises(Refused, match=why) as e: play(game).tricks.on('reconstruction')
        one_sentence(e.value)
    learn = play('unpaired')
    learn.tricks.on('batch_size', bs=5)      # which puts a source of its own before the data's
    with pytest.raises(Refused, match='unpaired'): learn.tricks.on('reconstruction')

def test_classes_are_counted_wherever_labels_stand():
    "Also those that no batch has shown yet"
    x, y = rand(60, 1, 16, 16), torch.arange(60) // 6      # ten classes, of which few are in a batch
    for data, kw in ((tensor_dls(x, 4, y=y), {}), (DataLoader(TensorDataset(x, y), 4), {}), (DataLoader(TensorDataset(y, x), 4, shuffle=True), dict(x=1))):
        n = GANLearner(data, plain_g(), patch_d(), **kw).n_classes
        assert n == 10 if not kw else n > 1      # of a loader that has them first, those of a batch

@pytest.mark.parametrize('game', ['upscaling', 'unpaired'])
@pytest.mark.parametrize('name', ['style', 'path_length'])
def test_what_needs_latents(name, game):
    "A G that makes one thing of another has none"
    with pytest.raises(Refused, match='this G takes no') as e: play(game).tricks.on(name)
    one_sentence(e.value)

# What is said

def test_no_steps_of_a_latent_that_is_not_there():
    "Consistency between neighbouring latents needs latents; the rest of it does not"
    learn = play('unpaired')
    with pytest.raises(Refused, match='set lambda_d and lambda_g to 0') as e: learn.tricks.on('consistency')
    one_sentence(e.value)
    learn.tricks.on('consistency', lambda_d=0, lambda_g=0)
    go(learn, 1)
    with pytest.raises(Exception, match='set lambda_d and lambda_g to 0'): learn.tricks.set('consistency', lambda_d=1)
    go(learn, 1)
