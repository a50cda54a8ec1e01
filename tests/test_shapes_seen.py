"Series, volumes and vectors are seen wherever samples are drawn; images are drawn as they were."
import io
import numpy as np, pytest, torch
from PIL import Image
from ganlab.compare import ab
from ganlab.data import as_pictures, has_picture, scale_of, tensor_dls, tile_images
from ganlab.judge.one_sample import Closeup
from ganlab.learner import GANLearner
from ganlab.nets import conv1d, conv3d, dcgan, mlp
from ganlab.page.scene import scene_of
from ganlab.page.story import Pack
from ganlab.panels.timeline import Film
from ganlab.panels.versus import card
from ganlab.record.pictures import Pictures
from ganlab.travel.script import own_maker
from games import play, rand
from strangers import go, one_sentence

def table(n=60, d=5): return rand(n, d)*torch.tensor([1., 10, .1, 1, 100])[:d]
def learner(kind):
    if kind == 'vectors': return GANLearner(tensor_dls(table(), 6), *mlp(dim=5, width=4, depth=1, seed=0), seed=0)
    return play(kind)

KINDS = pytest.mark.parametrize('kind', ['series', 'volumes', 'vectors'])

def test_images_stay():
    x = rand(3, 3, 8, 8)
    assert torch.equal(as_pictures(x), x) and scale_of(x) is None and has_picture((3, 8, 8)) and not has_picture((2,)) and not has_picture((1,))

def rows(picture): return (picture.mean(0) < .6).float().argmax(0)      # of the ink, from above, in each column of pixels

def test_lines_stand_where_the_numbers_are():
    "A level is a straight line at its height, a ramp falls from the upper left, and no column of a jump is empty"
    n = 64
    x = torch.stack([torch.full((n,), 1.), torch.full((n,), 0.), torch.full((n,), -1.), torch.linspace(1, -1, n), torch.arange(n).remainder(2)*2. - 1])[:, None]
    top, middle, bottom, ramp, jumps = as_pictures(x, scale_of(x))
    for p, row in ((top, 1), (middle, 31), (bottom, 61)): assert (rows(p) - row).abs().max() <= 1
    assert (rows(ramp) - torch.linspace(2, 61, n)).abs().max() <= 1.5
    inked = jumps.mean(0) < .6
    assert ((inked[:, 1:] | inked[:, :-1]).sum(0) >= 58).all()              # each column goes half way to its neighbour

def test_one_scale():
    "Half as large in the same picture's scale is half as high; what lies outside is drawn at the edge; numbers that are none leave a gap"
    wave = torch.linspace(0, 12.6, 64).sin()
    scale = scale_of(wave[None, None])
    half, more = as_pictures(torch.stack([.5*wave, 3*wave])[:, None], scale)
    assert (rows(half).min() - 16).abs() <= 2 and rows(more).min() <= 2
    x = wave.clone()
    x[20:40] = torch.nan
    seen = rows(as_pictures(x[None, None], scale)[0])
    assert (seen[22:38] == 0).all() and (seen[:18] > 0).all()

def test_channels_have_colours_of_their_own():
    x = torch.stack([torch.full((32,), v) for v in (-.5, .5)])[None]
    p = as_pictures(x, scale_of(torch.tensor([-1., 1.])))[0]
    blue, orange = p[:, 45:49, 10].mean(1), p[:, 15:19, 10].mean(1)
    assert blue[2] > blue[0] and orange[0] > orange[2]
    assert as_pictures(rand(2, 20, 32)).shape == (2, 1, 40, 64)              # a map of channels against time

def test_long_series_show_their_envelope():
    x = torch.zeros(1, 1, 6400)
    x[..., 3205] = 1
    p = as_pictures(x, (torch.tensor(-1.), torch.tensor(1.)))[0]
    assert rows(p)[32] <= 2 and (rows(p)[:30] > 28).all()

def test_slices_are_the_middle():
    x = rand(2, 3, 4, 6, 8)
    p = as_pictures(x, (torch.tensor(-1.), torch.tensor(1.)))
    assert p.shape == (2, 3, 6, 8 + 8 + 6 + 2)
    assert torch.allclose(p[..., :6, :8], x[:, :, 2]) and torch.allclose(p[..., :4, 9:17], x[:, :, :, 3]) and torch.allclose(p[..., :4, 18:], x[..., 4])

def test_maps_are_by_columns():
    x = torch.tensor([[0., 10, 7, 1, 3], [1, 30, 7, 2, 9], [.5, 20, 7, 1.5, 6]])
    p = as_pictures(x)
    assert p.shape == (3, 1, 42, 63)
    assert p[:, 0, ::21, ::21].flatten(1).tolist() == [[-1, -1, -1, -1, -1, 1], [1, 1, -1, 1, 1, 1], [0, 0, -1, 0, 0, 1]]

@KINDS
def test_a_picture(kind):
    "Of fakes and reals, recorded as frames, cut out one by one; one sample has a nearest real, found among the raw ones, and a past; nothing of the training moves"
    learn, alone = learner(kind), learner(kind)
    go(learn, 3); go(alone, 3)
    closeup = Closeup(learn)
    picture = closeup.closer(closeup.take(), 5)
    n, cols = (16, 2) if kind == 'volumes' else (64, 8)      # three slices of a volume stand beside each other
    assert (picture['kind'], picture['count'], picture['cols']) == ('images', n, cols) and picture['real']
    whole, one = (Image.open(io.BytesIO(picture[k])) for k in ('fake', 'near'))
    assert one.size == (whole.width//picture['cols'], whole.height*picture['cols']//n)
    found, x = picture['card']['found'], learn.sample(n)[5]
    d = (learn.source.train.x - x).flatten(1).norm(dim=1)
    assert found['index'] == int(d.argmin()) and found['distance'] == pytest.approx(float(d.min()), rel=1e-3)
    assert picture['strip'] and picture['card']['steps'][0] == 0
    assert {f['kind'] for f in learn.run.frames()} == {'images'} and Film(learn.run).take()['kind'] == 'images'
    assert learn.state_hash() == alone.state_hash()

@KINDS
def test_figures(kind):
    learn = learner(kind)
    go(learn, 1)
    x, reals = learn.sample(16), learn.source.valid(6)
    drawn = tile_images(x, scale=scale_of(reals))
    assert drawn.std() > 1 and np.array_equal(drawn, tile_images(as_pictures(x, scale_of(reals)), range=(-1, 1)))
    assert learn.show_samples(8).png()[:4] == learn.dls.show_batch().png()[:4] == b'\x89PNG'
    assert len(learn.show_samples(8).axes) == 2

def test_a_comparison():
    "Two grids beside the trick that asks, and in the figure"
    c = ab(learner('series'), on='ema', steps=2, seeds=1, progress=False)
    shown = card(c)
    assert shown['kind'] == 'images' and shown['count'] == 25 and Image.open(io.BytesIO(shown['a'])).size == (5*52, 5*52)
    assert c.plot().axes[0].images

@KINDS
def test_the_player(kind):
    learn = learner(kind)
    go(learn, 3)
    story = Pack(scene_of(learn.run, learn), 20, 64).story()
    assert story['kind'] == 'images' and story['real'] and all('fake' in f for f in story['branches'][0]['frames'])
    assert [g['cols'] for g in story['grids']] == [2 if kind == 'volumes' else 8] and {f['grid'] for f in story['branches'][0]['frames']} == {0}

def test_single_numbers():
    "The one shape that has no picture: a sentence"
    learn = GANLearner(tensor_dls(rand(60, 1), 6), *mlp(dim=1, width=4, depth=1, seed=0), seed=0)
    go(learn, 1)
    picture = Pictures(learn).take()
    assert picture['kind'] == 'none' and len(picture['scores']) == 12*4
    one_sentence(picture['note'].split(': ')[1].split('. ')[0] + '.')

@pytest.mark.parametrize('make,args,shape', [(conv1d, dict(length=48, channels=2), (2, 48)), (conv1d, dict(length=8), (1, 8)), (conv3d, dict(size=12), (1, 12, 12, 12))])
def test_networks(make, args, shape):
    "They make what they say, are made again by what is noted on them, and train"
    G, D = make(z_dim=4, width=2, seed=0, **args)
    x = G(torch.randn(3, 4))
    assert x.shape == (3, *shape) and D(x).shape == (3,)
    maker, noted = own_maker(G.made_by, 'networks')
    assert maker is make and all(torch.equal(a, b) for a, b in zip(make(**noted, seed=0)[0].parameters(), G.parameters()))
    learn = GANLearner(tensor_dls(rand(30, *shape), 6), G, D, seed=0)
    was = [p.clone() for p in G.parameters()]
    go(learn, 2)
    assert all(not torch.equal(a, b) for a, b in zip(was, learn.G.parameters()))

@pytest.mark.parametrize('make,name,wrong,near', [(conv1d, 'length', 100, 96), (conv1d, 'length', 15, 16), (conv3d, 'size', 18, 16)])
def test_lengths_between(make, name, wrong, near):
    with pytest.raises(ValueError, match=f'{name}={wrong}.*the nearest is {near}') as e: make(wrong)
    one_sentence(e.value)
    make(near, width=1)

# Classes in rows

class Labelled(torch.nn.Module):
    "(z, y) -> an image as dark or light as its class, whatever z is"
    def __init__(self): super().__init__(); self.w = torch.nn.Parameter(torch.zeros(1))
    def forward(self, z, y): return (y.float()/4*2 - 1).view(-1, 1, 1, 1).expand(-1, 1, 16, 16) + self.w

def conditional(**kw):
    learn = play('labels', **kw)
    learn.model.G = Labelled()
    learn.rewire()
    return learn

def levels(picture):
    "The mean brightness of each cell, from 0 to 1, as rows of the grid"
    im = np.asarray(Image.open(io.BytesIO(picture['fake']))).astype(float)/255
    k = picture['cols']
    return im.reshape(k, im.shape[0]//k, k, -1).mean((1, 3))

def test_a_row_per_class():
    "The number said beside a row is the class of what stands in it; one class alone fills the grid, and is not recorded"
    learn = conditional()
    p = Pictures(learn).take()
    assert (p['classes'], p['rows']) == (5, list('01234012'))
    assert np.abs(levels(p) - np.array(p['rows'], float)[:, None]/4).max() < .02
    one = Pictures(learn).take(only=3)
    assert (one['classes'], one['rows']) == (5, []) and np.abs(levels(one) - .75).max() < .02
    assert Pictures(play('patches')).take(only=3)['classes'] == 0

def test_a_choice_of_class():
    "In the panel: what is shown changes, its score is of that class, it has no past, and no frame is recorded of it"
    from types import SimpleNamespace
    from ganlab.panels.taken import Taken
    learn = play('labels')
    go(learn, 1)
    was, taken = learn.state_hash(), Taken(learn)
    view = SimpleNamespace(z='fixed', ema=True, only=2, pick=9)
    recorded = len(learn.run.frames())
    assert taken.picture(view)['rows'] == []
    seen = taken.closeup(view, hurry=False)['card']
    assert seen['score'] == pytest.approx(float(learn.score(learn.sample(64, y=2), 2)[9]), abs=1e-4)
    one_sentence(seen['note'].split('. ')[0] + '.')
    assert not seen['steps'] and 'All' in seen['note'] and len(learn.run.frames()) == recorded and learn.state_hash() == was
    view.only = -1
    assert taken.picture(view)['rows'][:2] == ['0', '1'] and taken.closeup(view, hurry=False)['card']['steps']

def test_classes_in_figures_and_players():
    learn = play('labels')
    go(learn, 1)
    said = [t.get_text() for t in learn.show_samples(24).axes[0].texts]
    assert said == ['0', '1', '2'] and not learn.show_samples(24).axes[1].texts
    assert [g['rows'] for g in Pack(scene_of(learn.run, learn), 20, 64).story()['grids']] == [list('01234012')]

# What G starts from

def thirds(picture):
    "Of each cell its three parts, as bytes (n, H, W)"
    im, k = np.asarray(Image.open(io.BytesIO(picture['fake'])).convert('L')).astype(float), picture['cols']
    rows = picture['count']//k
    h, w = im.shape[0]//rows, im.shape[1]//k
    cells = im.reshape(rows, h, k, w).transpose(0, 2, 1, 3).reshape(rows*k, h, w)
    return [cells[:, :, i*(h + 1):i*(h + 1) + h] for i in range(3)]

def test_source_fake_target():
    "Side by side, of held-out pairs: each part is what it says, up to the loss of the JPEG"
    learn = play('upscaling')
    go(learn, 2)
    p = Pictures(learn).take()
    assert p['names'] == ['source', 'fake', 'target'] and (p['count'], p['cols']) == (16, 2) and p['real'] == b''
    n = 16
    y, x = learn.source.valid_y(n), learn.source.valid(n)
    over = torch.arange(n) % len(x)
    want = torch.nn.functional.interpolate(y, scale_factor=2)[over], learn.sample(n), x[over]
    for seen, wanted in zip(thirds(p), want):
        wanted = ((wanted[:, 0].clamp(-1, 1) + 1)*127.5).numpy().repeat(3, 1).repeat(3, 2)
        assert np.abs(seen - wanted).mean() < 14 < np.abs(seen - np.roll(wanted, 1, 0)).mean()
    closeup = Closeup(learn)
    seen = closeup.closer(closeup.take(), 5)
    assert 'trouble' not in seen['card'] and Image.open(io.BytesIO(seen['near'])).size == (16, 16)
    assert [a.get_title().split(':')[0] for a in learn.show_samples(8).axes] == ['source', 'fake', 'target']

def test_unpaired():
    "Of two sets nobody knows a target: source and fake, and reals beside them"
    p = Pictures(play('unpaired')).take()
    assert p['names'] == ['source', 'fake'] and p['real'] and Image.open(io.BytesIO(p['fake'])).size == (4*97, 8*48)

# Maps of scores

@pytest.mark.parametrize('game,shape', [('patches', (8, 8)), ('scales', (8, 8)), ('upscaling', (8, 8)), ('labels', None), ('volumes', None)])
def test_a_map_over_the_sample(game, shape):
    "The finest map of D's answer to this sample, by hand; the card's score is its mean where there is one"
    learn = play(game)
    go(learn, 1)
    was, closeup = learn.state_hash(), Closeup(learn)
    seen = closeup.closer(closeup.take(), 3)['card']
    assert 'trouble' not in seen and learn.state_hash() == was
    if shape is None:
        assert not seen['map']
        return
    n = len(closeup.x)
    x, y = closeup.x[3:4], learn.fixed_y(n)
    learn.D.eval()
    with torch.no_grad(): out = learn.D(x) if y is None else learn.D(x, y[3:4])
    finest = out[0][-1] if isinstance(out, list) else out
    assert finest.shape[2:] == shape and seen['map']['rows'] == shape[0]
    assert seen['map']['values'] == pytest.approx(finest.flatten().tolist(), abs=1e-4)
    if not isinstance(out, list): assert seen['score'] == pytest.approx(float(finest.mean()), abs=1e-3)

def test_rows_come_with_the_switch():
    "A network that knows no labels has rows of classes from the step at which a trick brings them"
    learn = GANLearner(tensor_dls(rand(60, 1, 16, 16), 6, y=torch.arange(60) % 3), *dcgan(16, 1, 4, 4, seed=0), seed=0)
    closeup = Closeup(learn)
    assert closeup.take()['classes'] == 0
    learn.tricks.on('class_norm')
    seen = closeup.closer(closeup.take(), 9)
    assert seen['classes'] == 3 and seen['rows'] == list('01201201') and 'trouble' not in seen['card']
    learn.tricks.on('projection')
    assert 'trouble' not in closeup.closer(closeup.take(only=2), 9)['card']

def test_each_frame_of_a_player_has_the_grid_that_it_was_taken_with():
    "Before G knew classes there are no rows; ten classes are ten rows of eight, and no class is without one"
    learn = GANLearner(tensor_dls(rand(60, 1, 16, 16), 6, y=torch.arange(60) % 10), *dcgan(16, 1, 4, 4, seed=0), seed=0)
    go(learn, 1)
    learn.tricks.on('class_norm')
    go(learn, 1)
    story = Pack(scene_of(learn.run, learn), 20, 64).story()
    frames = story['branches'][0]['frames']
    assert [(g['count'], g['rows']) for g in story['grids']] == [(64, []), (80, list('0123456789'))]
    assert [f['step'] for f in frames if f['grid'] == 0] == [0, 1] and frames[-1] == dict(step=2, grid=1, fake=frames[-1]['fake'])

def test_a_class_on_the_timeline():
    "The filmstrip shows four samples of the class that is looked at, cut out of its row; of others it has the first sixteen"
    from ganlab.panels.timeline import Film
    learn = conditional()
    go(learn, 1)
    film = Film(learn.run)
    assert film.take()['grids'][-1] == [4, 4]
    shown = film.take(3)
    small = np.asarray(Image.open(io.BytesIO(shown['film'][-1]))).astype(float)/255
    assert shown['grids'][-1] == [2, 2] and small.shape == (32, 32) and abs(small - .75).max() < .03
    assert film.take(-1)['grids'][-1] == [4, 4]

# What classes are called

def named(classes=('dark', 'dim', 'grey', 'pale', 'light')):
    return GANLearner(tensor_dls(rand(60, 1, 16, 16), 6, y=torch.arange(60) % len(classes), classes=classes), *dcgan(16, 1, 4, 4, seed=0), seed=0)

def test_classes_are_called_by_their_names():
    "In the panel, figures, the record and the player; samples can be asked for by name"
    learn = named()
    learn.tricks.on('class_norm')
    go(learn, 1)
    p = Pictures(learn).take()
    assert p['class_names'] == ['dark', 'dim', 'grey', 'pale', 'light'] and p['rows'][4:6] == ['light', 'dark']
    assert [t.get_text() for t in learn.show_samples(24).axes[0].texts] == ['dark', 'dim', 'grey'] == learn.row_names(24)
    assert torch.equal(learn.sample(4, y='grey'), learn.sample(4, y=2)) and torch.equal(learn.sample(3, y=['dim', 'pale', 'dim']), learn.sample(3, y=torch.tensor([1, 3, 1])))
    frame = learn.run.frames()[-1]
    assert frame['rows'][:2] == ['dark', 'dim'] and not {'class_names', 'reals', 'latents'} & set(frame)
    assert Pack(scene_of(learn.run, learn), 20, 64).story()['grids'][-1]['rows'][:2] == ['dark', 'dim']
    with pytest.raises(ValueError, match="no class of the data; it has: dark, dim, grey, pale, light. Did you mean 'grey'?"): learn.sample(4, y='gray')
    with pytest.raises(ValueError, match='nobody says'): conditional().sample(4, y='grey')

def test_ganlabs_own_data_says_what_its_classes_are_called():
    from ganlab.data import avatars_dls, glyphs_dls
    assert glyphs_dls(8, 16, 60, labels='char', chars='abc').train.classes == ('a', 'b', 'c')
    dls = avatars_dls(8, 200, labels='glasses')
    assert dls.train.classes[:2] == ('none', 'dark01') and len(dls.train.classes) > int(dls.train.y.max())
    both = avatars_dls(8, 200, labels=['hat', 'glasses']).train
    assert both.classes[0] == 'hat none' and len(both.classes) == both.y.shape[1]

def test_no_latents_no_choice_of_them():
    assert not Pictures(play('upscaling')).take()['latents'] and Pictures(play('labels')).take()['latents']

def test_reals_are_as_many_as_there_are():
    "Of few that are held out no more rows are drawn than they fill"
    assert Pictures(play('patches')).take()['reals'] == [6, 2] and Pictures(play('labels')).take()['reals'] == [16, 2]      # there over and over
    assert Pictures(play('volumes')).take()['reals'] == [6, 1] and Pictures(play('upscaling')).take()['reals'] == []

def test_reals_stand_beside_fakes_of_their_class():
    "Two of each row's class, in the panel and in the player; of one class all, where that is looked at"
    x = torch.arange(60).float().view(-1, 1, 1, 1).expand(60, 1, 16, 16) % 5/2 - 1      # brightness is the class
    learn = GANLearner(tensor_dls(x + .01*rand(60, 1, 16, 16), 6, valid=x[:20], y=torch.arange(60) % 5, valid_y=torch.arange(20) % 5), *dcgan(16, 1, 4, 4, seed=0), seed=0)
    learn.tricks.on('class_norm')
    go(learn, 1)
    def brightness(jpeg, n, cols):
        im = np.asarray(Image.open(io.BytesIO(jpeg))).astype(float)/255
        return im.reshape(n//cols, im.shape[0]*cols//n, cols, -1).mean((1, 3)).round(1)
    pictures = Pictures(learn)
    p = pictures.take()
    want = np.array([[c/4]*2 for c in (0, 1, 2, 3, 4, 0, 1, 2)])
    assert p['reals'] == [16, 2] and np.abs(brightness(p['real'], 16, 2) - want).max() < .06
    assert np.abs(brightness(pictures.take(only=3)['real'], 16, 2) - .75).max() < .06
    pack = Pack(scene_of(learn.run, learn), 20, 64)
    at, n, across, rows = pack.story()['real']
    assert (across, rows) == (2, 8) and np.abs(brightness(pack.blob.tobytes()[at:at + n], 16, 2) - want).max() < .06
