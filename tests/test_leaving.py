"G leaves with its weights, as a module, as a program; a walk through its latents; and the training does not notice."
import importlib.util, threading
import numpy as np, pytest, torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from ganlab.data import avatars_dls
from ganlab.engine.inside import forward_hooks
from ganlab.learner import GANLearner
from ganlab.nets import dcgan
from ganlab.travel.formats import need_packages, write_torchscript
from ganlab.sources.ranges import as_float
from ganlab.travel.walk import forms, slerp, strip, walk
from ganlab.trick import find_tricks
from ganlab.engine.lending import lent
from games import LabelG, labels, networks, play
from strangers import MAKERS, go, make_learner, nets, one_sentence

# Weights

@pytest.mark.parametrize('kind', MAKERS)
@pytest.mark.part(2)
def test_a_fresh_network_takes_the_weights(kind, tmp_path):
    "The keys are its own, the samples the learner's to the bit; the weights that train are others"
    learn = make_learner(kind, tricks=[('ema', dict(rampup=0))])
    go(learn, 2)
    before, z = learn.state_hash(), learn.fixed_z(16)
    state, raw = (load_file(learn.export_G(tmp_path/f'{ema}.safetensors', ema=ema)) for ema in (True, False))
    fresh = nets(kind)[0].eval()
    assert state.keys() == fresh.state_dict().keys()
    with torch.no_grad():
        fresh.load_state_dict(state)
        averaged = fresh(z)
        fresh.load_state_dict(raw)
        assert torch.equal(averaged, learn.sample(z=z, ema=True)) and torch.equal(fresh(z), learn.sample(z=z, ema=False))
    assert not torch.equal(averaged, fresh(z)) and torch.equal(learn.plain_G()(z), averaged) and learn.state_hash() == before

def is_plain(net): # has it nothing of ganlab's?
    return not any(forward_hooks(m) or type(m).__module__.startswith('ganlab.tricks') or hasattr(m, 'parametrizations') for m in net.modules())

def in_g(t): return 'G' in t.whose and not t.plain
INSIDE = [t for t in find_tricks() if in_g(t()) or t.within == 'net' and in_g(t(net='G'))]

@pytest.mark.parametrize('cls', INSIDE, ids=lambda t: t.name)
@pytest.mark.part(2)
def test_with_each_trick_that_acts_in_g(cls, tmp_path):
    "Its weights are written where they make the same samples; else it is said why, there is no file, and the module makes them"
    kind = {'leaky_relu': 'mixed', 'virtual_batch_norm': 'mixed', 'batch_norm': 'mlp'}.get(cls.name, 'dcgan')
    learn = make_learner(kind, tricks=["ema"], n=64)
    on = dict(net='both') if 'net' in cls.declared else dict(over=1) if cls.name == 'leaky_relu' else {}
    if cls.name == 'leaky_relu': on = dict(over=1)
    if cls.name == 'virtual_batch_norm': on = dict(net='G') if 'net' in cls.declared else {}
    if why := cls(**on).why_not(learn): pytest.skip(why)
    learn.tricks.on(cls.name, **on)
    go(learn, 2)
    alive(learn)
    before, z, path = learn.state_hash(), learn.fixed_z(16), tmp_path/'g.safetensors'
    want, G = learn.sample(z=z), learn.plain_G()
    assert torch.equal(learn.look(G, z), want) or cls.name == 'batch_norm' and torch.allclose(G(z), want, atol=1e-4)      # style draws
    try: state = load_file(learn.export_G(path))
    except ValueError as e:
        assert cls.title.lower() in one_sentence(e).lower() and not list(tmp_path.iterdir()) and cls.name in GROWN | {'leaky_relu'}
    else:
        fresh = nets(kind)[0].eval()
        fresh.load_state_dict(state)
        with torch.no_grad(): assert torch.equal(fresh(z), G(z)) and is_plain(G) and cls.name not in GROWN
    assert learn.state_hash() == before
    if cls.name not in GROWN: assert is_plain(G)

GROWN = {'residual', 'self_attention', 'style', 'virtual_batch_norm', 'progressive_growing'}

def alive(learn):
    "Parts that begin as nothing are something: every parameter that a trick put in has a value"
    with torch.no_grad():
        for n, p in learn.G.named_parameters():
            if 'ganlab_' in n: p.add_(.1)
    learn.tricks['ema'].load_state_dict(learn.tricks['ema'].state_dict())

def test_a_batch_norm_that_cannot_be_folded(tmp_path):
    "A layer without a bias does not take its level in: it stays where it is, and the weights alone are refused"
    learn = make_learner('mlp', G=nn.Sequential(nn.Linear(3, 8, bias=False), nn.ReLU(), nn.Linear(8, 2)))
    learn.tricks.on('batch_norm')
    go(learn, 3)
    z = learn.fixed_z(16)
    with pytest.raises(ValueError, match='BatchNorm') as e: learn.export_G(tmp_path/'g.safetensors')
    one_sentence(e.value)
    assert torch.equal(learn.plain_G()(z), learn.sample(z=z)) and not list(tmp_path.iterdir())

class Loud(nn.Sequential):
    "What it makes depends on a plain attribute"
    gain = 1.
    def forward(self, x): return self.gain*super().forward(x)

def test_what_no_state_dict_holds(tmp_path):
    learn = make_learner('mlp', G=Loud(*nets('mlp')[0]))
    learn.G.gain = 2.
    with pytest.raises(ValueError, match='plain attribute') as e: learn.export_G(tmp_path/'g.safetensors')
    one_sentence(e.value)
    z = learn.fixed_z(4)
    assert not list(tmp_path.iterdir()) and torch.equal(learn.plain_G()(z), learn.sample(z=z))

class Locked(nn.Sequential):
    "It holds what cannot be copied"
    def __init__(self, *layers):
        super().__init__(*layers)
        self.lock = threading.Lock()

def test_a_network_that_cannot_be_copied(tmp_path):
    "A fresh one is asked for, and filled"
    def fresh(): return Locked(*nets('mlp')[0])
    learn = make_learner('mlp', G=fresh())
    go(learn, 1)
    mine, z = fresh(), learn.fixed_z(4)
    assert learn.pristine is None and learn.plain_G(G=mine) is mine and torch.equal(mine(z), learn.sample(z=z))
    assert load_file(learn.export_G(tmp_path/'g.safetensors', G=fresh())).keys() == mine.state_dict().keys()
    with pytest.raises(ValueError, match='give a fresh one') as e: learn.plain_G()
    one_sentence(e.value)
    learn.tricks.on('spectral_norm', net='G')
    with pytest.raises(ValueError, match='no copy of G') as e: learn.export_G(tmp_path/'h.safetensors', G=fresh())
    one_sentence(e.value)
    assert [p.name for p in tmp_path.iterdir()] == ['g.safetensors']

def test_nothing_is_lost(tmp_path):
    "A file that is there, a run, a name that says nothing, an average that is not there"
    learn = make_learner('mlp', run=tmp_path/'a')
    (mine := tmp_path/'g.safetensors').write_text('mine')
    for path, how, word in ((mine, {}, 'force=True'), (tmp_path/'a'/'g.pt', {}, "a run's folder"), (tmp_path/'g.bin', {}, '.safetensors'),
                            (tmp_path/'h.pt', dict(ema=True), "on('ema')")):
        with pytest.raises((ValueError, FileExistsError), match=word.replace('(', r'\(').replace(')', r'\)')) as e: learn.export_G(path, **how)
        one_sentence(e.value)
    assert mine.read_text() == 'mine' and {p.name for p in tmp_path.iterdir()} == {'a', 'g.safetensors'}
    assert load_file(learn.export_G(mine, force=True))
    learn.run.close()

def test_the_module_is_by_itself():
    "On the CPU, in eval mode, and nothing that is done to it reaches the training"
    learn = make_learner('dcgan', tricks=[('spectral_norm', dict(net='both'))])
    go(learn, 2)
    before, G = learn.state_hash(), learn.plain_G()
    assert is_plain(G) and not any(m.training for m in G.modules())
    with torch.no_grad():
        for t in (*G.parameters(), *G.buffers()): t.zero_()
    G(learn.fixed_z(4).requires_grad_()).sum().backward()
    assert learn.state_hash() == before

# While it trains

def test_the_training_does_not_notice(tmp_path):
    "Another thread takes G out and walks through its latents: the same bits as without"
    tricks = ['ema', ('spectral_norm', dict(net='both'))]
    alone, learn = make_learner('dcgan', tricks=tricks), make_learner('dcgan', tricks=tricks)
    go(alone, 25)
    done, failed = threading.Event(), []
    def take():
        try:
            for i in range(50):
                learn.export_G(tmp_path/f'{i}.safetensors'), learn.plain_G(ema=False), learn.interpolate(2, 4)
                if done.is_set(): break
        except Exception as e: failed.append(e)
    t = threading.Thread(target=take)
    t.start()
    go(learn, 25)
    done.set()
    t.join()
    assert not failed and list(tmp_path.iterdir()) and learn.state_hash() == alone.state_hash()

# Programs

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'resnet'])
def test_torchscript(kind, tmp_path):
    "Of the reference nets, for any number of latents"
    learn = make_learner(kind)
    program = torch.jit.load(learn.export_G(tmp_path/'g.pt'))
    for n in (1, 5): assert torch.allclose(program(z := learn.fixed_z(n)), learn.sample(z=z), atol=1e-5)

def test_torchscript_of_a_grown_network(tmp_path):
    learn = make_learner('dcgan')
    learn.tricks.on('self_attention', net='G')
    go(learn, 1)
    program, z = torch.jit.load(learn.export_G(tmp_path/'g.pt')), learn.fixed_z(3)
    assert torch.allclose(program(z), learn.sample(z=z), atol=1e-5)

class Counts(nn.Module):
    "It reads the number of latents as a number of Python's"
    def forward(self, z): return z.reshape(len(z), -1)*torch.rand(1) if self.draws else z.reshape(len(z), -1)

@pytest.mark.parametrize('draws', [False, True])
def test_a_trace_of_one_size_is_refused(draws, tmp_path):
    net, state = Counts(), torch.get_rng_state()
    net.draws = draws
    with pytest.raises(ValueError, match='batch of another size') as e: write_torchscript(net, dict(z=torch.randn(4, 2, generator=torch.Generator())), tmp_path/'g.pt')
    one_sentence(e.value)
    assert not list(tmp_path.iterdir()) and (draws or torch.equal(state, torch.get_rng_state()))

def has(*names): return all(importlib.util.find_spec(n) for n in names)

@pytest.mark.skipif(not has('onnx', 'onnxscript'), reason="pip install 'ganlab[onnx]'")
@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'resnet'])
def test_onnx(kind, tmp_path):
    "Any number of latents goes in, and the same samples come out"
    from onnx.reference import ReferenceEvaluator
    learn = make_learner(kind)
    graph, z = ReferenceEvaluator(str(learn.export_G(tmp_path/'g.onnx'))), learn.fixed_z(3)
    made, = graph.run(None, dict(z=z.numpy()))
    assert np.allclose(made, learn.sample(z=z).numpy(), atol=1e-4) and [p.name for p in tmp_path.iterdir()] == ['g.onnx']

def test_packages_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name, *a: None)
    learn = make_learner('dcgan')
    for write, extra in ((lambda: learn.export_G(tmp_path/'g.onnx'), 'onnx'), (lambda: learn.interpolate(path=tmp_path/'a.mp4'), 'video')):
        with pytest.raises(ValueError, match=rf"pip install 'ganlab\[{extra}\]'") as e: write()
        one_sentence(e.value)
    assert not list(tmp_path.iterdir())

# With what comes with each sample

class OpenG(LabelG):
    "It reads how many samples there are where a trace can see it"
    def forward(self, z, y): return self.body(self.start(torch.cat([z, self.embed(y)], 1)).unflatten(1, (-1, 4, 4)))

class LabelsFirst(OpenG):
    def forward(self, label, z): return super().forward(z, label)

def conditional(kind, **kw):
    "A learner whose G takes labels: by its own code, by a trick, by both; and the latents and labels of four samples"
    if kind == 'switch': learn = play('by_switch', tricks=['ema', 'class_norm', 'projection'], **kw)
    else:
        D, G = networks('labels')[1], (LabelsFirst if kind == 'labels first' else OpenG)()
        tricks = ['ema', 'class_norm'] if kind == 'both' else ['ema']
        takes = dict(g='yz', d='xy') if kind == 'labels first' else None
        learn = GANLearner(play('labels').dls, G, D, seed=0, z_dim=4, takes=takes, tricks=tricks, **kw)
    go(learn, 3)
    alive(learn)
    return learn, learn.fixed_z(4), torch.tensor([3, 0, 4, 3])

LABELLED = 'own', 'labels first', 'switch', 'both'

@pytest.mark.parametrize('kind', LABELLED)
def test_labels_go_along(kind, tmp_path):
    "The module and its program make the learner's samples of these labels; the weights do, too, or it is said why not"
    learn, z, y = conditional(kind)
    before, want, G = learn.state_hash(), learn.sample(z=z, y=y), learn.plain_G()
    given = (y, z) if kind == 'labels first' else (z, y)
    with torch.no_grad(): assert torch.equal(G(*given), want) and not torch.equal(G(*given[:-1], given[-1].flip(0)), want) and lent() is None
    program = torch.jit.load(learn.export_G(tmp_path/'g.pt'))
    for n in (1, 3, 4): assert torch.allclose(program(*(t[:n] for t in given)), want[:n], atol=1e-6)
    if kind in ('own', 'labels first'):
        fresh = type(learn.G)().eval()
        fresh.load_state_dict(load_file(learn.export_G(tmp_path/'g.safetensors')))
        with torch.no_grad(): assert torch.equal(fresh(*given), want)
    else:
        with pytest.raises(ValueError, match=r"learn.tricks.off: 'class_norm'\), take learn.plain_G") as e: learn.export_G(tmp_path/'g.safetensors')
        assert "'.pt' or '.onnx'" in one_sentence(e.value) and [p.name for p in tmp_path.iterdir()] == ['g.pt']
    assert learn.state_hash() == before

@pytest.mark.skipif(not has('onnx', 'onnxscript'), reason="pip install 'ganlab[onnx]'")
@pytest.mark.parametrize('kind', ['labels first', 'switch'])
def test_labels_in_onnx(kind, tmp_path):
    "They go in by name, for any number of samples"
    from onnx.reference import ReferenceEvaluator
    learn, z, y = conditional(kind)
    made, = ReferenceEvaluator(str(learn.export_G(tmp_path/'g.onnx'))).run(None, dict(z=z[:3].numpy(), y=y[:3].numpy()))
    assert np.allclose(made, learn.sample(z=z, y=y)[:3].numpy(), atol=1e-4)

@pytest.mark.skipif(not has('onnx', 'onnxscript'), reason="pip install 'ganlab[onnx]'")
def test_a_graph_of_one_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match='as ONNX G does not take a batch of another size') as e: play('labels').export_G(tmp_path/'g.onnx')
    one_sentence(e.value)
    assert not list(tmp_path.iterdir())

def test_a_program_that_makes_images_of_images(tmp_path):
    "With no latents: the small image goes in"
    learn = play('upscaling')
    y = learn.held_y(5)
    program = torch.jit.load(learn.export_G(tmp_path/'g.pt'))
    assert torch.allclose(program(y), learn.sample(5, y=y), atol=1e-6) and torch.equal(learn.plain_G()(y), learn.sample(5, y=y))

# A walk

def test_great_circles():
    "Against a rotation in the plane of both; between latents of other lengths, the length goes along; opposite ones are joined by a line"
    g = torch.Generator().manual_seed(0)
    a, b, t = (torch.randn(5, 7, generator=g).double() for _ in 'ab'), None, torch.linspace(0, 1, 5).double()
    a, b = a
    a, b = a/a.norm(dim=1, keepdim=True), b/b.norm(dim=1, keepdim=True)
    angle = (a*b).sum(1, keepdim=True).acos()
    side = b - (a*b).sum(1, keepdim=True)*a
    side = side/side.norm(dim=1, keepdim=True)
    turned = a*(t[:, None]*angle).cos() + side*(t[:, None]*angle).sin()
    assert torch.allclose(slerp(a, b, t), turned, atol=1e-12)
    assert torch.equal(slerp(a, -a, t), torch.lerp(a, -a, t[:, None])) and torch.equal(slerp(a, 2*a, t), torch.lerp(a, 2*a, t[:, None]))

@pytest.mark.parametrize('spherical', [True, False])
def test_a_walk_is_closed_and_even(spherical):
    "It comes through its stops, whatever the shape of a latent; the last step is as long as any between the same two"
    stops = torch.randn(3, 6, 1, 1, generator=torch.Generator().manual_seed(1))
    way = walk(stops, 12, spherical)
    assert way.shape == (12, 6, 1, 1) and torch.equal(way[::4], stops)
    last = torch.cat([way[8:], stops[:1]]).flatten(1)
    if not spherical: assert torch.allclose(last.diff(dim=0), (last[-1] - last[0])[None]/4, atol=1e-5)
    else: assert (walk(stops/stops.flatten(1).norm(dim=1).view(3, 1, 1, 1), 12).flatten(1).norm(dim=1) - 1).abs().max() < 1e-6

def test_strip_and_gif(tmp_path):
    "A row from each stop to the next; the pictures of the walk, again and again"
    learn = make_learner('dcgan')
    before = learn.state_hash()
    strip = learn.interpolate(n=3, frames=12)
    assert (strip.width + 3)*3 == (strip.height + 3)*4 >= 12*51 and strip.mode == 'L'
    film = Image.open(learn.interpolate(3, 12, tmp_path/'a.gif'))
    assert (film.n_frames, film.size, film.info['loop'], film.info['duration']) == (12, (128, 128), 0, 50)
    z = walk(learn.fixed_z(3), 12)
    film.seek(5)
    want = np.asarray(learn.sample(z=z)[5, 0].add(1).mul(127.5).round().clamp(0, 255)).repeat(8, 0).repeat(8, 1)
    assert np.abs(np.asarray(film.convert('L'), dtype=float) - want).max() <= 1
    assert Image.open(learn.interpolate(3, 12, tmp_path/'a.png')).size == strip.size
    a, b, c = (np.asarray(learn.interpolate(2, 4, seed=s)) for s in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c) and learn.state_hash() == before

def in_colour():
    return GANLearner(avatars_dls(bs=8, n=40), *dcgan(16, channels=3, z_dim=8, width=4, seed=0), seed=0)

def test_gif_in_colour(tmp_path):
    "As large as in grey, and in the colours of the samples, of which a face has few"
    film = Image.open(in_colour().interpolate(2, 6, tmp_path/'a.gif'))
    assert (film.n_frames, film.size) == (6, (128, 128))
    faces = avatars_dls(bs=4, n=40).valid.x[:4]
    forms['.gif'](as_float(faces), 2, tmp_path/'b.gif')
    film = Image.open(tmp_path/'b.gif')
    for i in range(4):
        film.seek(i)
        seen = np.asarray(film.convert('RGB').resize((16, 16), Image.Resampling.NEAREST), dtype=float)
        assert np.abs(seen - faces[i].permute(1, 2, 0).numpy()).max() <= 1

@pytest.mark.skipif(not has('imageio', 'imageio_ffmpeg'), reason="pip install 'ganlab[video]'")
@pytest.mark.parametrize('make', [lambda: make_learner('dcgan'), in_colour], ids=['grey', 'colour'])
def test_mp4(tmp_path, make):
    from imageio import v3
    assert v3.imread(make().interpolate(2, 6, tmp_path/'a.mp4'), plugin='FFMPEG').shape == (6, 128, 128, 3)

def test_through_w():
    "With style on: a mapped latent makes what its z makes, and the way between two is straight"
    learn = make_learner('dcgan', tricks=['ema'])
    with pytest.raises(ValueError, match="on\\('style'\\)") as e: learn.interpolate(space='w')
    one_sentence(e.value)
    learn.tricks.on('style')
    go(learn, 1)
    alive(learn)
    before, z, other = learn.state_hash(), learn.fixed_z(4), learn.fixed_z(8)[4:]
    w = learn.between_steps(learn.averaged, True, lambda: learn.tricks['style'].mapped(learn, z))
    assert torch.allclose(learn.sample(z=other, w=w), learn.sample(z=z), atol=1e-5) and not torch.allclose(w, z)
    assert learn.interpolate(2, 4, space='w').size == learn.interpolate(2, 4).size and learn.state_hash() == before

@pytest.mark.parametrize('how,word', [(dict(path='a.jpg'), '.gif'), (dict(n=1), 'n='), (dict(frames=0), 'frames='), (dict(space='x'), "need 'z'"), (dict(path='there.gif'), 'force=True')])
def test_walks_that_are_refused(how, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path/'there.gif').write_text('mine')
    with pytest.raises((ValueError, FileExistsError), match=word) as e: make_learner('dcgan').interpolate(**how)
    one_sentence(e.value)
    assert [p.name for p in tmp_path.iterdir()] == ['there.gif']

def test_points_are_not_drawn():
    with pytest.raises(ValueError, match='draws images') as e: make_learner('mlp').interpolate()
    one_sentence(e.value)

@pytest.mark.parametrize('kind', ['own', 'switch'])
def test_a_walk_within_a_class(kind):
    "All of one class, or from each stop to the next; a G that needs a class and has none says so, and so does one that takes none"
    learn, z, _ = conditional(kind)
    before, way = learn.state_hash(), walk(learn.fixed_z(2), 4)
    def drawn(y): return np.asarray(strip(learn.shown(learn.sample(z=way, y=torch.tensor(y))), 2))
    for y, each in ((3, [3]*4), ([3, 1], [3, 3, 1, 1])): assert np.array_equal(np.asarray(learn.interpolate(2, 4, y=y)), drawn(each))
    assert not np.array_equal(drawn([3]*4), drawn([1]*4)) and learn.state_hash() == before
    for y, word in ((None, 'a label from 0 to 4, or one for each of the 2'), ([1, 2, 3], '3 entries for 2 samples')):
        with pytest.raises(ValueError, match=word) as e: learn.interpolate(2, 4, y=y)
        one_sentence(e.value)
    with pytest.raises(ValueError, match='turn class_norm on first') as e: make_learner('dcgan').interpolate(2, 4, y=3)
    one_sentence(e.value)
