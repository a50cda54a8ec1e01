"From one set of samples to another without pairs: a way back, patches that are known again, what is left alone."
import copy, re
import pytest, torch
from safetensors.torch import load_file
from torch import nn
from ganlab.data import tensor_dls, unpaired_dls
from ganlab.engine.change import Refused
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.record.run import Run
from ganlab.tricks.cycle import Cycle
from games import GAMES, networks, play, rand
from strangers import go, groups_hold, in_turn, one_sentence
from ganlab.trick import find_tricks

TIES = dict(cycle=('cycle', {}), one_sided=('cycle', dict(two_sided=False)), patches=('patch_contrast', dict(width=8, places=20)), samples=('identity', {}), sources=('identity', dict(of='sources')))

def others():
    "The same networks with other weights"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        return GAMES['unpaired'][1]()

@pytest.mark.parametrize('tie', TIES)
@pytest.mark.part(2)
def test_one_hash(tie, tmp_path):
    "Snapshot, rewind, fork, resume, replay and script meet, whatever weights fresh networks come with; off, nothing is left"
    name, params = TIES[tie]
    learn = play('unpaired', run=tmp_path/'a')
    names = set(learn.model.state_dict())
    go(learn, 2)
    learn.tricks.on(name, **params)
    learn.tricks.on('ema')
    go(learn, 2)
    mid, snap = learn.state_hash(), learn.snapshot()
    go(learn, 2)
    end = learn.state_hash()
    learn.restore(snap)
    assert learn.state_hash() == mid
    go(learn, 2)
    assert learn.state_hash() == end
    fork = learn.fork(4)
    go(fork, 2)
    assert fork.state_hash() == end
    fork.run.close(), learn.run.close()
    run = Run.open(tmp_path/'a')
    assert run.replay(GAMES['unpaired'][0](), *others()).state_hash() == end
    script = run.to_python(tmp_path/'again.py')
    src = script.read_text()
    for open_line, filled in (('dls = [.]{3}.*', 'dls = data'), ('from [.]{3} import [.]{3}.*', ''), ('G, D = [.]{3}.*', 'G, D = pair')): src = re.sub(open_line, filled, src)
    told = dict(__file__=str(script), data=GAMES['unpaired'][0](), pair=others())
    exec(compile(src, str(script), 'exec'), told)
    assert told['learn'].state_hash() == end
    more = GANLearner.resume(tmp_path/'a', GAMES['unpaired'][0](), *others(), progress=False)
    assert more.state_hash() == end
    more.rewind(4)
    assert more.state_hash() == mid
    go(more, 2)
    assert more.state_hash() == end
    G, _ = others()
    G.load_state_dict(load_file(more.export_G(tmp_path/'g.safetensors')))
    y = rand(4, 1, 16, 16)
    assert torch.equal(G.eval()(y), more.sample(z=more.fixed_z(4), y=y))
    more.tricks.off(name), more.tricks.off('ema')
    groups_hold(more)
    assert set(more.model.state_dict()) == names
    more.run.close()

def by_hand(n, x_of, y_of, loss):
    "A CycleGAN as its paper has it, with plain SGD: F and D_y begin as G and D were"
    G, D = networks('unpaired')
    F, Dy = copy.deepcopy(G), copy.deepcopy(D)
    g, d = ([p for net in nets for p in net.parameters()] for nets in ((G, F), (D, Dy)))
    def step(ps, l):
        with torch.no_grad():
            for p, w in zip(ps, torch.autograd.grad(l, ps)): p -= .05*w
    for i in range(n):
        x, y = x_of(i), y_of(i)
        step(d, loss.d_loss(D(x).flatten(), D(G(y).detach()).flatten()) + loss.d_loss(Dy(y).flatten(), Dy(F(x).detach()).flatten()))
        xf, yf = G(y), F(x)
        cycle = (F(xf) - y).abs().mean() + (G(yf) - x).abs().mean()
        step(g, loss.g_loss(D(xf).flatten(), D(x).detach().flatten()) + loss.g_loss(Dy(yf).flatten(), Dy(y).detach().flatten()) + 10*cycle)
    return [p for net in (G, D, F, Dy) for p in net.parameters()]

@pytest.mark.parametrize('loss', ['lsgan', 'relativistic'])
def test_a_cycle_gan_by_hand(loss):
    learn = play('unpaired', loss=loss, opt='sgd', lr_g=.05, lr_d=.05, tricks=['cycle'])
    plain = by_hand(3, learn.source.batch, learn.source.given, learn.base_loss)
    go(learn, 3)
    t = learn.tricks['cycle']
    F, Dy = t.way_back(learn), t.source_critic(learn)
    inside = {id(p) for net in (F, Dy) for p in net.parameters()}
    mine = [p for net in (learn.G, learn.D) for p in net.parameters() if id(p) not in inside] + [p for net in (F, Dy) for p in net.parameters()]
    assert len(mine) == len(plain) and all(torch.allclose(a, b, atol=1e-6) for a, b in zip(mine, plain))

@pytest.mark.parametrize('tie,name', in_turn(['cycle', 'patches'], [c.name for c in find_tricks()], 24))
@pytest.mark.part(6)
def test_beside_other_tricks(tie, name):
    "On and off in mid-training, before or after the other; a fork goes the same way"
    learn = play('unpaired')
    learn.tricks.on(TIES[tie][0], **TIES[tie][1])
    go(learn, 1)
    if name == TIES[tie][0]: return
    try: learn.tricks.on(name)
    except Refused as e:
        one_sentence(e)
        return
    go(learn, 1)
    fork = learn.fork()
    for l in (learn, fork): go(l, 1)
    assert fork.state_hash() == learn.state_hash()
    learn.tricks.off(TIES[tie][0]), go(learn, 1), learn.tricks.off(name, now=True)
    go(learn, 1)
    groups_hold(learn)

def test_networks_of_ones_own(tmp_path):
    "Sources of another shape: what leads back comes from outside, is copied, and comes again where a run is resumed"
    def nets(): return nn.Linear(3, 2), mlp(2, 2, 8, 1, seed=0)[1]
    def own():
        torch.manual_seed(3)
        return Cycle(back=nn.Linear(2, 3), critic=nn.Linear(3, 1))
    def data(): return unpaired_dls(rand(40, 2), rand(50, 3), 8)
    torch.manual_seed(2)
    learn = GANLearner(data(), *nets(), z_dim=0, seed=0, run=tmp_path/'a')
    with pytest.raises(Refused, match='bring your own') as e: learn.tricks.on('cycle')
    one_sentence(e.value)
    mine = own()
    was = mine.back.weight.clone()
    learn.tricks.add(mine)
    learn.tricks.on('cycle')
    go(learn, 4)
    assert torch.equal(mine.back.weight, was) and not torch.equal(learn.tricks['cycle'].way_back(learn).weight, was)
    fork = learn.fork(2)
    go(fork, 2)
    assert fork.state_hash() == learn.state_hash()
    fork.run.close(), learn.run.close()
    more = GANLearner.resume(tmp_path/'a', data(), *nets(), tricks=[own()], progress=False)
    assert more.state_hash() == learn.state_hash()
    more.run.close()
    with pytest.raises(TypeError, match='need an nn.Module'): Cycle(back=3)

def test_what_cannot_be_translated():
    for game in ('patches', 'labels', 'upscaling'):
        for tie in ('cycle', 'patches', 'samples'):
            with pytest.raises(Refused, match='latents alone|starts from (labels|what has)|bring your own|sees more than samples') as e: play(game).tricks.on(TIES[tie][0])
            one_sentence(e.value)

def test_a_switch_moves_nothing():
    for name, params in TIES.values():
        learn = play('unpaired')
        go(learn, 2)
        y = rand(8, 1, 16, 16)
        was = learn.sample(z=learn.fixed_z(8), y=y), learn.score(y)
        learn.tricks.on(name, **params)
        assert torch.equal(learn.sample(z=learn.fixed_z(8), y=y), was[0]) and torch.equal(learn.score(y), was[1])

def test_nothing_is_left_of_norms():
    "Passes of a trick's own advance no statistics but those of the second pass through G, which is part of the cycle"
    def nets():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 3, 1, 1)), networks('unpaired')[1]
    def counted(name, params):
        learn = GANLearner(GAMES['unpaired'][0](), *nets(), z_dim=0, seed=0)
        learn.tricks.on(name, **params)
        go(learn, 3)
        found = [b.item() for n, b in learn.G.named_buffers() if n.endswith('num_batches_tracked')]
        return found if name == 'cycle' else found[0]
    assert counted('patch_contrast', dict(identity=False, width=4)) == 3
    assert counted('identity', dict(of='sources')) == 3
    assert counted('cycle', {}) == [6, 6]

def test_the_way_back_has_its_critic_where_g_has_lost_its_own():
    "Feature matching replaces G's half of the loss, and not that of who leads back"
    learn = play('unpaired')
    learn.tricks.on('cycle', weight=0), learn.tricks.on('feature_matching')
    go(learn, 1)
    back = learn.tricks['cycle'].way_back(learn)
    was = [p.detach().clone() for p in back.parameters()]
    go(learn, 1)
    assert not all(map(torch.equal, was, back.parameters()))

def test_a_bound_on_d_is_none_on_the_critic_of_sources():
    "What wgan_gp needs is said; a clip holds both"
    learn = play('unpaired')
    learn.tricks.on('wgan_gp')
    cycle = learn.tricks['cycle']
    assert 'has no bound: WGAN-GP acts on D alone' in cycle.caution(learn)
    learn.tricks.off('wgan_gp'), learn.tricks.on('weight_clipping')
    assert cycle.caution(learn) is None
