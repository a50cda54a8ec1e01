"One sample, closer: what the card says of it is true, and the training does not notice that somebody looks."
import io, math, threading
import numpy as np, pytest, torch
from PIL import Image
from torch.nn.functional import avg_pool2d
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from ganlab.all import *
from ganlab.judge.one_sample import Closeup, Search, spread
from strangers import one_sentence

def digits(size=16, **kw): return GANLearner(digits_dls(bs=32, size=size), *dcgan(size, 1, z_dim=16, width=8, seed=0), seed=0, **kw)
def ring(**kw): return GANLearner(ring_dls(n=3000, bs=64), *mlp(width=16, depth=2, seed=0), seed=0, **kw)
def take(close, pick, z='fixed', ema=True, **kw): return close.closer(close.take(z, ema), pick, z, ema, **kw)
def card(learn, pick=12, **kw): return take(Closeup(learn), pick, **kw)['card']

def by_hand(x, reals):
    "The nearest of `reals`, one after the other, in double precision: which, and how far"
    d = [float((r.double() - x.double()).square().sum().sqrt()) for r in reals]
    return int(np.argmin(d)), min(d)

@pytest.mark.parametrize('size', [16, 64])
def test_the_nearest_real(size):
    "It is the nearest one of all, and the distance is that of the pixels, averaged down to 32 where there are more"
    learn = digits(size)
    learn.fit_steps(3, progress=False)
    reals = learn.source.train.x.float()/127.5 - 1
    down = (lambda x: x) if size <= 32 else (lambda x: avg_pool2d(x, size//32))
    index, distance = by_hand(down(learn.sample(64)[[12]])[0], down(reals))
    found = card(learn)['found']
    assert (found['which'], found['among'], found['index']) == ('training', len(reals), index) and found['distance'] == pytest.approx(distance, rel=1e-4)

def test_a_copy_is_seen():
    "A G that gives training images back is at distance 0, and the usual distance is that from a real to the nearest other"
    x = torch.rand(100, 1, 16, 16, generator=torch.Generator().manual_seed(0))*2 - 1
    s = Search(x[[70]], x).go()
    assert (s.index, s.distance) == (70, 0)
    d = torch.cdist(x.flatten(1).double(), x.flatten(1).double()) + 1e9*torch.eye(100, dtype=torch.double)
    probes = torch.linspace(0, 99, 64).long()
    assert s.apart == pytest.approx(float(d.min(1).values[probes].mean()), rel=1e-4)

def test_nearer_than_what_was_found():
    "By the distance itself, in whatever parts and order the reals come"
    for size in (1, 2, 3, 9):
        s = Search(torch.zeros(1, 2), torch.tensor([[.5, 0.], [0., .6], [.3, 0.], [.2, .3], [-.4, 0.]]), probes=0)
        s.size = size
        s.go()
        assert s.index == 2 and s.distance == pytest.approx(.3)

def test_a_search_in_parts():
    "Left and gone on with, it finds the same; reals in bytes and floats of any number; one real alone has no other; NaN is near to none"
    x = torch.randint(0, 256, (5000, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    q = x[[4321]].float()/127.5 - .97
    whole, parts, n = Search(q, x).go(), Search(q, x), 0
    while not parts.done: parts.go(0); n += 1
    assert n > 1 and (parts.index, parts.distance, parts.apart) == (whole.index, whole.distance, whole.apart) and whole.index == 4321
    assert math.isnan(Search(q, x[:1]).go().apart)
    assert Search(q*math.nan, x).go().index is None

class Stream(IterableDataset):
    def __iter__(self):
        g = torch.Generator().manual_seed(0)
        while True: yield torch.rand(1, 16, 16, generator=g)*2 - 1

@pytest.mark.parametrize('kind', ['held', 'last', 'folder'])
def test_data_that_cannot_be_searched_whole(kind, tmp_path):
    "Then it is what is held out, or what was trained on last, and the card says so"
    x = torch.rand(400, 1, 16, 16, generator=torch.Generator().manual_seed(0))*2 - 1
    if kind == 'folder':
        for i in range(60): Image.fromarray(((x[i, 0] + 1)*127.5).round().byte().numpy()).save(tmp_path/f'{i}.png')
        dls = image_dls(tmp_path, 16, bs=16, channels=1, memory_gb=0)
    elif kind == 'held': dls = DataLoader(TensorDataset(x[:200], torch.zeros(200)), 16, shuffle=True), DataLoader(x[200:], 50)
    else: dls = DataLoader(Stream(), 16)
    learn = GANLearner(dls, *dcgan(16, 1, z_dim=16, width=8, seed=0), seed=0)
    close, seen = Closeup(learn), []
    assert (take(close, 3)['card']['found'] is None) == (kind == 'last')      # before the first step, nothing was trained on
    for _ in range(3):
        learn.fit_steps(1, progress=False)
        seen.append(learn.row['d'][0].x)
        found = take(close, 3)['card']['found']
    among = dict(held=x[200:], last=torch.cat(seen), folder=learn.source.valid(256))[kind]
    index, distance = by_hand(learn.sample(4)[3], among)
    assert (found['which'], found['among'], found['index']) == ('last' if kind == 'last' else 'held', len(among), index) and found['distance'] == pytest.approx(distance, rel=1e-4)

@pytest.mark.parametrize('tricks', [(), ('minibatch_stddev', 'spectral_norm'), ('packing', 'ema')], ids='+'.join)
def test_scores(tricks):
    "The score of a sample is D's, of the grid that it is shown in"
    learn = digits(tricks=tricks)
    learn.fit_steps(5, progress=False)
    l = learn.score(learn.sample(64))
    assert card(learn)['score'] == pytest.approx(float(l[12]), abs=1e-4) and card(learn)['each'] == pytest.approx(l.tolist(), abs=1e-4)

def test_the_strip():
    "Each square is the sample at its step, out of the frame that was recorded there; what was read once is not read again"
    learn, then = digits(), {}
    for n in (0, 1, 1, 3, 5, 10, 30):
        if n: learn.fit_steps(n, progress=False)
        then[learn.step] = learn.sample(64)[12]
    close = Closeup(learn)
    seen = take(close, 12)
    steps = seen['card']['steps']
    assert steps == [0, 5, 10, 20, 50]
    im = np.asarray(Image.open(io.BytesIO(seen['strip']))).astype(float)/127.5 - 1
    for i, s in enumerate(steps): assert np.abs(im[1:17, 18*i + 1:18*i + 17] - then[s][0].numpy()).mean() < .06, s      # a pixel of paper around each
    read, frame_at = [], learn.run.frame_at
    learn.run.frame_at = lambda step: read.append((step, learn.run.line)) or frame_at(step)
    take(close, 12); assert not read
    learn.fit_steps(50, progress=False); assert take(close, 12)['card']['steps'] == [0, 10, 20, 50, 100] and read == [(100, 0)]
    learn.rewind(20); learn.tricks.on('instance_noise'); learn.fit_steps(30, progress=False)
    line = learn.run.line
    assert line and take(close, 12)['card']['steps'][-1] == 50 and (50, line) in read      # the frame of this line, not of the one that was left

def test_the_path():
    "Points: where the sample was, at the recorded steps"
    learn, then = ring(), {}
    for n in (0, 1, 1, 3, 5, 10):
        if n: learn.fit_steps(n, progress=False)
        then[learn.step] = learn.sample(256)[200]
    seen = card(learn, 200)
    assert len(seen['path']) == len(seen['steps']) > 3
    for s, p in zip(seen['steps'], seen['path']): assert p == pytest.approx(then[s].tolist(), abs=2e-3)
    index, distance = by_hand(learn.sample(256)[200], learn.source.train.x)
    assert (seen['found']['index'], seen['found']['distance']) == (index, pytest.approx(distance, abs=1e-4))

@pytest.mark.parametrize('n, want', [(0, []), (1, [0]), (3, [0, 1, 2]), (101, [0, 11, 22, 33, 44, 56, 67, 78, 89, 100])])
def test_spread(n, want): assert spread(list(range(n))) == want

def test_nothing_to_show():
    "Fresh latents, a sample that is not there, single numbers, a closed run, a D that fails: the grid is shown all the same, and one sentence says why there is no more"
    learn = digits()
    learn.fit_steps(2, progress=False)
    close = Closeup(learn)
    fresh = take(close, 3, 'fresh')
    assert fresh['card']['note'].startswith('Fresh latents') and not fresh['strip'] and fresh['card']['found']
    assert take(close, 64)['card'] == take(close, -1)['card'] == {}
    learn.D.forward = lambda x: 1/0
    broken = take(close, 3)
    assert 'ZeroDivisionError' in broken['card']['trouble'] and broken['fake']
    del learn.D.forward
    learn.run.close()
    one_sentence(take(close, 3)['card']['note'])
    numbers = GANLearner(tensor_dls(torch.randn(100, 1), 16), *mlp(dim=1, width=8, depth=2), seed=0)
    assert take(Closeup(numbers), 3)['card'] == {}

def test_averages():
    "Frames are of the averaged G: beside samples of the weights that train, the card says so"
    learn = digits(tricks=['ema'])
    learn.fit_steps(5, progress=False)
    assert card(learn)['note'] == '' and 'averaged' in card(learn, ema=False)['note']

def test_growing():
    "Networks that grow are followed: frames of several sizes in one strip, reals at the size that D sees, a search under way begun again"
    learn = GANLearner(digits_dls(bs=16, size=32), *dcgan(16, 1, z_dim=16, width=8, seed=0), seed=0)
    close = Closeup(learn)
    learn.fit_steps(5, progress=False)
    close.at_once = close.a_while = 0
    while not (found := take(close, 5, hurry=True)['card']['found']): pass
    reals = avg_pool2d(learn.source.source.train.x.float()/127.5 - 1, learn.source.source.shape[-1]//learn.source.shape[-1])
    assert found['index'] == by_hand(learn.sample(64)[5], reals)[0]
    learn.fit_steps(1, progress=False); close.every = 0
    take(close, 5, hurry=True)                                   # a search begins
    learn.tricks.on('progressive_growing', fade=2, width=8)
    learn.fit_steps(25, progress=False)
    seen = take(close, 5)
    assert learn.sample(1).shape[-1] == 32 and 'trouble' not in seen['card'] and seen['card']['found']['among'] == learn.source.n and seen['strip']

@pytest.mark.parametrize('make', [digits, ring])
def test_looking_changes_no_bit(make):
    "With a card open at every step, samples and searches included, the training goes where it goes without"
    n, alone = 12, make()
    alone.fit_steps(n, progress=False)
    watched = make()
    close = Closeup(watched)
    for i in range(n):
        watched.fit_steps(1, progress=False)
        assert 'trouble' not in take(close, i, 'fresh' if i % 3 == 2 else 'fixed', hurry=bool(i % 2))['card']
    assert watched.state_hash() == alone.state_hash()
    lab = Lab(make(), refresh=.001, share=1)
    lab.samples.pick = 7
    lab.start(steps=n)
    assert lab.wait(60) and lab.error is None and lab.samples.card['index'] == 7 and lab.samples.card['step'] == n
    assert lab.learn.state_hash() == alone.state_hash()
    assert not any({'card', 'near', 'strip'} & f.keys() for f in lab.learn.run.frames())      # a card is nothing of the record
    lab.close()

def test_between_steps():
    "In a lab that trains, D is asked by the training thread alone, and the card follows the pick"
    learn = ring()
    askers, score = set(), learn.score
    learn.score = lambda x: askers.add(threading.current_thread().name) or score(x)
    with Lab(learn, refresh=.001, share=1) as lab:
        askers.clear()
        lab.start(steps=40)
        lab.samples.pick = 9
        lab.requests(dict(do='look'))
        assert lab.wait(60) and lab.error is None
        assert lab.samples.card['index'] == 9 and askers == {'ganlab'}
        lab.samples.pick = -1
        lab.requests(dict(do='look'))
        assert lab.samples.card == {}

def test_a_card_follows_the_training():
    "Where the last picture is of another step, the card brings one of its own"
    learn = GANLearner(digits_dls(bs=16, size=16), *dcgan(16, 1, z_dim=8, width=8, seed=0), seed=0)
    with Lab(learn) as lab:
        lab.samples.pick = 3
        lab.screen.show(**lab.screen.closeup())
        assert lab.samples.card['step'] == 0
        learn.fit_steps(2, progress=False)
        lab.screen.show(**lab.screen.closeup())
        assert lab.samples.card['step'] == lab.samples.step == 2 and lab.samples.card['index'] == 3
