"Networks and data in [0, 1]: declared or found, drawn, augmented, recorded and warned about as those in [-1, 1] are."
import io, re, warnings
from pathlib import Path
from types import SimpleNamespace
import numpy as np, pytest, torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from ganlab.judge.one_sample import Closeup
from ganlab.data import back_to, digits_dls, image_dls, photos_dls, standard, tensor_dls, tile_images
from ganlab.learner import GANLearner
from ganlab.record.pictures import Pictures
from ganlab.player import reals_of
from ganlab.record.run import Run
from strangers import go, one_sentence

def squares(n=64, side=16):
    "Black, with a white square"
    x = torch.zeros(n, 1, side, side)
    x[:, :, 4:12, 4:12] = 1.
    return x

def pair(*end, side=16):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return nn.Sequential(nn.Linear(8, side*side), *end, nn.Unflatten(1, (1, side, side))), nn.Sequential(nn.Flatten(), nn.Linear(side*side, 1))

def loader(x): return DataLoader(TensorDataset(x), 16)

def made(dls, *end, **kw):
    "A learner, and what was said when it was made"
    with warnings.catch_warnings(record=True) as ws:
        warnings.simplefilter('always')
        learn = GANLearner(dls, *pair(*end), seed=0, **kw)
    return learn, [str(w.message) for w in ws if 'range' in str(w.message)]

# Found, or declared

@pytest.mark.parametrize('give', [loader, lambda x: tensor_dls(x, 16)])
def test_found(give):
    "Without a word where G and the data agree; with one where they do not"
    for x, end, range, said in ((squares(), nn.Sigmoid(), (0, 1), None), (squares()*2 - 1, nn.Tanh(), (-1, 1), None), (squares(), nn.Identity(), (0, 1), None),
                                (squares()*.3, nn.Sigmoid(), (0, 1), None), (squares(), nn.Tanh(), (-1, 1), 'x\\*2 - 1, or end G in a Sigmoid'), (squares()*2 - 1, nn.Sigmoid(), (-1, 1), 'end G in Tanh')):
        learn, ws = made(give(x), end)
        assert learn.range == range and len(ws) == (said is not None), (end, ws)
        if said: assert re.search(said, ws[0]) and 'by the range alone' in ws[0] and len(ws[0]) < 300

def test_declared():
    "To the learner or to the data; what does not fit it is said, and two that differ are refused"
    for dls, kw in ((loader(squares()), dict(range=(0, 1))), (tensor_dls(squares(), 16, range=(0, 1)), {}), (tensor_dls((squares()*255).to(torch.uint8), 16, range=(0, 1)), {})):
        learn, ws = made(dls, nn.Sigmoid(), **kw)
        assert learn.range == (0, 1) and not ws and learn.some_x.min() == 0 and learn.some_x.max() == 1
    wide, ws = made(tensor_dls(squares()*10 - 5, 16, range=(-5, 5)), nn.Identity()); assert wide.range == (-5, 5) and not ws
    for kw, end in ((dict(range=(0, 1)), nn.Tanh()), (dict(range=(-5, 5)), nn.Sigmoid())):
        learn, ws = made(loader(squares()), end, **kw); assert len(ws) == 1 and 'was declared' in ws[0]
    with pytest.raises(ValueError, match='range=.*give one') as e: made(tensor_dls(squares(), 16, range=(0, 1)), nn.Sigmoid(), range=(-1, 1))
    one_sentence(e.value)

@pytest.mark.parametrize('range', [(1, 0), 3, (0,), 'unit', (0, float('inf'))])
def test_no_range(range):
    for f in (lambda: made(loader(squares()), nn.Sigmoid(), range=range), lambda: tensor_dls(squares(), 16, range=range)):
        with pytest.raises(ValueError, match='what is black and what is white') as e: f()
        one_sentence(e.value)

def test_there_and_back():
    x = torch.rand(4, 1, 5, 5)
    for range in ((0., 1.), (-3., 2.)): torch.testing.assert_close(back_to(standard(x, range), range), x)
    assert standard(x) is x and back_to(x) is x

# Drawn

def drawn(jpeg): return np.asarray(Image.open(io.BytesIO(jpeg)))

def knowing(learn):
    "G makes the square exactly"
    with torch.no_grad():
        for q in learn.G.parameters(): q.zero_()
        learn.G[0].bias[:] = torch.where(squares(1).flatten() > 0, 9., -9.)

def test_black_is_black():
    "In grids, figures, the panel's pictures, the close-up and the player"
    x = squares()
    for images, kw in ((x, {}), (x, dict(range=(0, 1))), (x*2 - 1, {}), (x*10 - 5, dict(range=(-5, 5)))):
        t = tile_images(images[:4], **kw); assert t[0, 0] == 0 and t.max() == 255
    learn, _ = made(loader(x), nn.Sigmoid())
    knowing(learn)
    g = drawn(Pictures(learn).take()['fake']); assert g.min() < 4 and g.max() > 251
    fig = learn.show_samples(4); assert fig is not None
    pane = fig.axes[0].images[0].get_array(); assert pane.min() == 0 and pane.max() == 255
    learn, _ = made(tensor_dls((x*255).to(torch.uint8), 16, range=(0, 1)), nn.Sigmoid()); knowing(learn)
    close = Closeup(learn); pic = close.closer(close.take(), 0); near = drawn(pic['near']); assert near.min() < 10 and near.max() > 245
    assert pic['card']['found']['distance'] < .1
    r = reals_of(GANLearner(tensor_dls(x, 16, range=(0, 1)), *pair(nn.Sigmoid())).source, (0, 1)); assert r.min() == -1 and r.max() == 1

def test_frames_of_old_runs_stay_as_they_are(tmp_path):
    "A frame is a picture that was drawn then"
    learn, _ = made(loader(squares()), nn.Sigmoid(), run=tmp_path/'a'); go(learn, 12); learn.run.close()
    run = Run.open(tmp_path/'a')
    assert drawn(run.frames()[0]['fake']).dtype == np.uint8 and tuple(run.facts['data']['range']) == (0, 1)

# Augmented: the same as in [-1, 1], but for the units

@pytest.mark.parametrize('trick', ['diffaugment', 'ada', 'consistency'])
def test_augmented_alike(trick):
    "What D sees of [0, 1] is what it sees of the same images in [-1, 1], mapped back"
    params = dict(ada=dict(start=.8, adapt=False, cutout=True)).get(trick, {})
    seen = {}
    for name, x, end in (('unit', squares(), nn.Sigmoid()), ('usual', squares()*2 - 1, nn.Tanh())):
        learn, _ = made(loader(x), end); learn.tricks.on(trick, **params)
        t, c = learn.tricks[trick], learn.open_update(0, 'd'); c.who, c.side = trick, 'real'
        learn.under_way = c
        seen[name] = t.changed_sample(c.x, c, 'r') if trick == 'consistency' else t.inputs(c.x, c)
        go(learn, 2)
    torch.testing.assert_close(seen['unit']*2 - 1, seen['usual'], atol=1e-5, rtol=1e-5)
    assert not torch.equal(seen['unit'], squares(16))

def test_noise_is_measured_by_the_data():
    "The same sigma is half the noise in half the range; a recipe that has some needs no other"
    seen = {}
    for name, x, end in (('unit', squares(), nn.Sigmoid()), ('usual', squares()*2 - 1, nn.Tanh())):
        learn, _ = made(loader(x), end)
        learn.tricks.on('instance_noise', share=1.)
        t, c = learn.tricks['instance_noise'], learn.open_update(0, 'd')
        c.who, c.side = 'instance_noise', 'real'
        learn.under_way = c
        seen[name] = t.inputs(c.x, c)
        assert t.sigma_at(0) == pytest.approx(.1*float(x.std()), rel=.1)
    torch.testing.assert_close(seen['unit']*2 - 1, seen['usual'], atol=1e-5, rtol=1e-5)

# Recorded

def test_resumed_and_as_a_script(tmp_path):
    import ganlab.travel.fork, ganlab.travel.resume, ganlab.travel.script
    dls = tensor_dls(squares(), 16)
    learn = GANLearner(dls, *pair(nn.Sigmoid()), seed=0, range=(0, 1), run=tmp_path/'a'); learn.tricks.on('diffaugment'); go(learn, 4); was = learn.state_hash()
    other = learn.fork(); assert other.range == (0, 1)
    learn.run.to_python(tmp_path/'a.py'); learn.run.close()
    assert 'range=(0.0, 1.0)' in (tmp_path/'a.py').read_text()
    again = GANLearner.resume(tmp_path/'a', dls, *pair(nn.Sigmoid())); assert again.range == (0, 1) and again.state_hash() == was

# The data that ganlab makes itself

def folder_of_squares(folder):
    "Twenty files, black with a white square"
    folder.mkdir()
    for i, x in enumerate(squares(20)): Image.fromarray((x[0]*255).byte().numpy()).save(folder/f'{i:02}.png')
    return folder

@pytest.mark.parametrize('make', [lambda tmp, **kw: digits_dls(bs=16, size=16, **kw), lambda tmp, **kw: photos_dls(bs=16, size=16, n=100, **kw),
                                  lambda tmp, **kw: image_dls(folder_of_squares(tmp/'in'), 16, 4, **kw), lambda tmp, **kw: image_dls(folder_of_squares(tmp/'in'), 16, 4, memory_gb=0, **kw)],
                         ids=['digits', 'photos', 'folder', 'streamed'])
def test_asked_of_ours(make, tmp_path):
    "The same images for networks of [0, 1], held-out ones too, and no word about it"
    (tmp_path/'a').mkdir()
    (tmp_path/'b').mkdir()
    usual, unit = make(tmp_path/'a'), make(tmp_path/'b', range=(0, 1))
    for a, b in ((usual.train, unit.train), (usual.valid, unit.valid)): torch.testing.assert_close(b.one_batch()*2 - 1, a.one_batch(), atol=1e-6, rtol=0)
    assert unit.train.range == (0, 1) and unit.made_by[1]['range'] == (0, 1) and 'range' not in usual.made_by[1]
    c, h, w = unit.train.shape
    with warnings.catch_warnings(record=True) as ws:
        warnings.simplefilter('always')
        G = nn.Sequential(nn.Linear(8, c*h*w), nn.Sigmoid(), nn.Unflatten(1, (c, h, w)))
        learn = GANLearner(unit, G, nn.Sequential(nn.Flatten(), nn.Linear(c*h*w, 1)), seed=0)
        learn.tricks.on('diffaugment')
        go(learn, 2)
    assert not [str(w.message) for w in ws if 'range' in str(w.message) or 'values from' in str(w.message)]
    assert learn.range == (0, 1)
    shown = learn.shown(learn.some_x)
    assert shown.min() < -.9 and shown.max() > .5 and learn.some_x.min() >= 0
    assert Pictures(learn).take()['fake']

@pytest.mark.parametrize('make', [digits_dls, photos_dls, lambda **kw: image_dls(folder_of_squares(Path('in')), 16, 4, **kw)], ids=['digits', 'photos', 'folder'])
def test_no_range_of_ours(make):
    with pytest.raises(ValueError, match='what is black and what is white') as e: make(range=(1, 0))
    one_sentence(e.value)

def test_ours_resumed_by_the_command(tmp_path):
    "`ganlab train --resume` and a script make the data of the run again, range and all"
    from ganlab.commands.parts import data_of
    import ganlab.travel.script
    where = folder_of_squares(tmp_path/'in')
    for name, dls, word in (('digits', digits_dls(bs=16, size=16, range=(0, 1)), None), ('folder', image_dls(where, 16, 4, channels=1, range=(0, 1)), str(where))):
        learn = GANLearner(dls, *pair(nn.Sigmoid()), seed=0, run=tmp_path/name)
        go(learn, 2)
        learn.run.to_python(tmp_path/f'{name}.py')
        learn.run.close()
        run = Run.open(tmp_path/name)
        again = data_of(run, SimpleNamespace(data=word))
        assert again.train.range == (0, 1) and torch.equal(again.one_batch(), dls.one_batch())
        assert 'range=' in (tmp_path/f'{name}.py').read_text()
