"Data: what is given out, that it is the same for the same seed, and what is refused with which words."
import math, random, re, sys, warnings
import numpy as np, pytest, torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader as FastaiDataLoader
from ganlab.data import (FileRows, Source, TensorDL, as_bytes, as_float, as_source, digits_dls, find_images, grid_dls, image_dls, tile_images, lent_rngs,
                         load_image, photos_dls, ring_dls, draw_samples, swissroll_dls, tensor_dls)
from ganlab.engine.rng import Streams

S = Streams(0)
def rand(*shape, seed=0): return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))*2 - 1

# ---- batches by number

def test_each_sample_once_an_epoch():
    dl = TensorDL(torch.arange(23.)[:, None], bs=5)
    for e in range(3):
        seen = torch.cat([dl.batch(e*4 + j, S) for j in range(4)]).flatten().tolist()
        assert len(set(seen)) == 20
    orders = [tuple(dl.batch(4*e, S).flatten().tolist()) for e in range(3)]
    assert len(set(orders)) == 3

def test_a_batch_is_a_function_of_seed_and_number():
    x = rand(40, 2)
    a, b = TensorDL(x, 8), TensorDL(x, 8)
    want = [a.batch(i, S) for i in range(60)]
    for i in (59, 3, 31, 0, 44): assert torch.equal(b.batch(i, Streams(0)), want[i])
    assert not torch.equal(b.batch(0, Streams(1)), want[0])
    for i in range(60):                                       # two runs at different places share the data
        assert torch.equal(b.batch(i, S), want[i]); assert torch.equal(b.batch(59-i, S), want[59-i])
    assert len(b._orders) <= b._keep

def test_the_order_is_the_stream():
    x = torch.arange(12.)[:, None]
    perm = torch.randperm(12, generator=S.generator('data', 2))
    assert torch.equal(TensorDL(x, 4).batch(2*3 + 1, S), x[perm[4:8]])

def test_a_pair_of_loaders():
    "What is held out is never trained on; the batches are those of the run's seed"
    train, held = torch.arange(40.)[:, None], -1 - torch.arange(20.)[:, None]
    for pair in ((TensorDL(train, 5), TensorDL(held, 5)), (DataLoader(TensorDataset(train), 5, shuffle=True), DataLoader(TensorDataset(held), 5))):
        def batches(seed):
            source = as_source(pair, Streams(seed))
            assert (source.valid(20) < 0).all()
            return torch.stack([source.batch(i) for i in range(8)])
        one, other = batches(0), batches(1)
        assert (one >= 0).all() and torch.equal(one, batches(0)) and not torch.equal(one, other)

def test_batches_leave_the_default_generators_alone():
    dls = photos_dls(n=100, bs=4, size=8)
    torch.manual_seed(0); before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    src = as_source(dls, S)
    src.batch(0); src.valid(3); dls.one_batch(); list(dls.train)
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1] and (np.random.get_state()[1] == before[2]).all()

def test_bytes_and_floats():
    b = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(as_bytes(as_float(b)), b)
    assert as_bytes(torch.tensor([-3., 5.])).tolist() == [0, 255]
    dl = TensorDL(torch.full((4, 1, 2, 2), 255, dtype=torch.uint8), 2)
    assert dl.one_batch().dtype == torch.float32 and (dl.one_batch() == 1).all() and (dl.head(3) == 1).all()

def test_loop_and_one_batch():
    dl = TensorDL(rand(20, 2), 4)
    assert torch.equal(dl.one_batch(), dl.one_batch())
    a, b = torch.cat(list(dl)), torch.cat(list(dl))
    assert a.shape == b.shape and not torch.equal(a, b)
    assert torch.equal(a.sort(0).values, b.sort(0).values)
    assert len(dl.new(bs=10)) == 2 and torch.equal(dl.new(bs=10).x, dl.x)

def test_is_a_fastai_dataloaders():
    dls = tensor_dls(rand(50, 2), bs=8)
    assert isinstance(dls, DataLoaders) and isinstance(dls.train, TensorDL) and isinstance(dls.valid, TensorDL)
    assert dls.device == torch.device('cpu') and dls.to('cpu') is dls
    assert dls.n == 45 and dls.bs == 8 and dls.one_batch().shape == (8, 2) and dls.centers is None

# ---- data of one's own

def test_a_tenth_is_held_out():
    x = torch.arange(100.)[:, None]
    a, b = tensor_dls(x, bs=8), tensor_dls(x, bs=8)
    assert (a.train.n, a.valid.n) == (90, 10)
    assert sorted(torch.cat([a.train.x, a.valid.x]).flatten().tolist()) == x.flatten().tolist()
    assert torch.equal(a.valid.x, b.valid.x) and not torch.equal(a.valid.x, tensor_dls(x, bs=8, seed=1).valid.x)
    own = tensor_dls(x, bs=8, valid=x[:7])
    assert (own.train.n, own.valid.n) == (100, 7)
    few = tensor_dls(x[:9], bs=2)
    assert len(few.loaders) == 1 and as_source(few).valid(5) is None           # none is no error

@pytest.mark.parametrize('x', [rand(40, 3).double(), rand(40, 3).half(), rand(40, 3).numpy(), rand(40, 3).numpy()[::-1], rand(40, 3).requires_grad_()])
def test_floats_of_any_kind(x):
    b = tensor_dls(x, bs=4).one_batch()
    assert b.dtype == torch.float32 and type(b) is torch.Tensor and not b.requires_grad

def nan_at(*at):
    x = rand(30, 3, 4, 4)
    for i in at: x[i, 0, 1, 1] = float('nan')
    return x

@pytest.mark.parametrize('x, said', [
    (nan_at(4), r'x holds 1 NaN, in 1 of 30 samples \(first: 4\).*leave those samples out'),
    (nan_at(9, 2, 5, 7), r'4 NaN, in 4 of 30 samples \(first: 2, 5, 7\)'),
    (torch.full((5, 2), float('inf')), '10 infinite values, in 5 of 5'),
    (rand(30, 4, 4), r'shape \(30, 4, 4\).*x\[:, None\]'), (rand(30), r'x\[:, None\]'), (rand(2, 2, 2, 2, 2, 2), 'need images'),
    (rand(30, 8, 8, 3), r'permute\(0, 3, 1, 2\)'), (torch.zeros(0, 2), 'it is empty'),
    (torch.zeros(30, 1, 4, 4, dtype=torch.int64), r'dtype int64; need floats, or uint8'), (torch.zeros(30, 4, dtype=torch.uint8), 'dtype uint8'),
    (rand(30, 3, 4, 4)*100 + 100, r'need images in \[-1, 1\]: give x/127.5 - 1'),
    ([1, 2], 'x is a list'), (np.array(['a', 'b']), 'x is a ndarray of <U1'), (np.array([None, {}]), 'of object'), ('path', 'x is a str')])
def test_bad_tensors(x, said):
    with pytest.raises(ValueError, match=said) as e: tensor_dls(x, bs=4)
    assert '\n' not in str(e.value)

def test_ranges_that_are_legal_but_seldom_meant():
    for x, kw, said in ((rand(40, 1, 4, 4)*2.5, {}, 'mean 0.5'), (rand(40, 1, 4, 4)*2.5, dict(range=(0, 1)), 'range=.*was declared')):
        with pytest.warns(UserWarning, match=said) as w: tensor_dls(x, bs=4, **kw)
        assert len(w) == 1
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        tensor_dls((rand(40, 1, 4, 4)+1)/2, bs=4)       # right for a G that ends in a Sigmoid: the learner, which has G, warns (test_range)
        tensor_dls(rand(40, 1, 4, 4), bs=4); tensor_dls(rand(40, 2)*50, bs=4); tensor_dls(torch.zeros(40, 1, 4, 4), bs=4)

def test_bad_sizes():
    x = rand(40, 2)
    for bs, said in ((41, r'bs=41, but data has 36 samples.*need bs <= 36'), (0, 'bs=0; need a whole number >= 1'), (2.5, 'bs=2.5'), (True, 'bs=True'), ('8', "bs='8'")):
        with pytest.raises(ValueError, match=said): tensor_dls(x, bs=bs)
    with pytest.raises(ValueError, match=r'valid has samples of shape \(3,\), x of \(2,\)'): tensor_dls(x, bs=4, valid=rand(5, 3))
    with pytest.raises(ValueError, match='seed='): tensor_dls(x, bs=4, seed='a')

# ---- bundled data

def test_ring_and_grid():
    for dls, k, sigma in ((ring_dls(n=20_000), 8, .01), (grid_dls(n=20_000), 25, .05)):
        x = dls.train.x
        assert dls.centers.shape == (k, 2) and dls.sigma == sigma and x.shape == (18_000, 2) and dls.valid.n == 2000
        d = torch.cdist(x, dls.centers)
        near, which = d.min(1)
        assert float((near < 3*sigma).float().mean()) == pytest.approx(1 - math.exp(-4.5), abs=.005)
        assert (which.bincount(minlength=k) > 18_000/k*.8).all()
        assert float((near**2).mean()) == pytest.approx(2*sigma**2, rel=.05)
    assert torch.allclose(ring_dls(n=99, bs=8).centers.norm(dim=1), torch.ones(8))
    assert set(grid_dls(n=99, bs=8).centers.flatten().tolist()) == {-4., -2., 0., 2., 4.}

def test_a_smaller_picture_is_the_same_picture():
    "Of a grid that is scaled, the centres and what lies around each of them"
    big, small = (grid_dls(n=2000, bs=10, scale=s).train for s in (1., .25))
    torch.testing.assert_close(small.x, big.x*.25)
    assert small.sigma == big.sigma*.25 and torch.equal(small.centers, big.centers*.25)

def test_toys_obey_their_arguments():
    assert ring_dls(n=99, bs=8, modes=3, radius=2., sigma=.5).centers.norm(dim=1).tolist() == pytest.approx([2, 2, 2])
    g = grid_dls(n=99, bs=8, side=3, spacing=4, sigma=.2, scale=.25)
    assert sorted(set(g.centers[:, 0].tolist())) == [-1., 0., 1.] and g.sigma == pytest.approx(.05)
    a, b = swissroll_dls(n=99, bs=8), swissroll_dls(n=99, bs=8, scale=1.)
    assert torch.allclose(a.train.x*7.5, b.train.x, atol=1e-5)
    r = swissroll_dls(n=99, bs=8, noise=0., scale=1.).train.x.norm(dim=1)
    assert r.min() >= 1.5*math.pi - 1e-3 and r.max() <= 4.5*math.pi + 1e-3            # one and a half turns
    for f in (ring_dls, grid_dls, swissroll_dls):
        assert torch.equal(f(n=99, bs=8).train.x, f(n=99, bs=8).train.x) and not torch.equal(f(n=99, bs=8).train.x, f(n=99, bs=8, seed=1).train.x)

@pytest.mark.parametrize('make, said', [(lambda: ring_dls(modes=0), 'modes=0'), (lambda: ring_dls(sigma=-1.), 'sigma=-1.0'), (lambda: ring_dls(radius=float('nan')), 'radius=nan'),
    (lambda: grid_dls(side=2.5), 'side=2.5'), (lambda: grid_dls(scale='x'), "scale='x'"), (lambda: swissroll_dls(n=3), 'n=3; need a whole number >= 10'),
    (lambda: ring_dls(n=100), 'bs=256, but ring has 90 samples'), (lambda: digits_dls(size=4), 'size=4; need a whole number from 8 to 256'),
    (lambda: digits_dls(bs=5000), 'bs=5000, but digits has 1618'), (lambda: photos_dls(size=500), 'size=500'), (lambda: photos_dls(n=5), 'n=5')])
def test_bad_arguments(make, said):
    with pytest.raises(ValueError, match=re.escape(said)): make()

def test_digits():
    from sklearn.datasets import load_digits
    raw = digits_dls(size=8)
    assert (raw.train.n, raw.valid.n, raw.train.shape) == (1618, 179, (1, 8, 8))
    every = torch.cat([raw.train.x, raw.valid.x]).flatten(1).long().sum().item()
    assert every == pytest.approx(load_digits().images.sum()*255/16, rel=.01)
    big = digits_dls()
    assert big.one_batch().shape == (64, 1, 32, 32) and big.one_batch().abs().max() <= 1
    small = torch.nn.functional.avg_pool2d(big.train.x.float(), 4)                    # enlarging and averaging back is nearly nothing
    assert float((small - raw.train.x).abs().mean()) < 20

@pytest.mark.parametrize('size', [16, 32, 64, 128])
def test_photos(size):
    dls = photos_dls(bs=4, size=size, n=100)
    assert (dls.train.n, dls.valid.n, dls.one_batch().shape) == (90, 10, (4, 3, size, size))
    assert torch.equal(dls.train.x, photos_dls(bs=4, size=size, n=100).train.x)

def test_photos_hold_out_pixels_not_patches(monkeypatch):
    "With photographs whose every pixel is another colour, no colour is in both parts"
    import sklearn.datasets
    code = np.arange(100*120)
    im = np.stack([code % 256, code//256, code*0], -1).reshape(100, 120, 3).astype(np.uint8)
    monkeypatch.setattr(sklearn.datasets, 'load_sample_images', lambda: type('B', (), dict(images=[im])))
    dls = photos_dls(bs=4, size=8, n=400)
    def colours(x): x = x.long(); return set((x[:, 0] + 256*x[:, 1]).flatten().tolist())
    assert not colours(dls.train.x) & colours(dls.valid.x) and len(colours(dls.valid.x)) > 100

# ---- folders

@pytest.fixture
def folder(tmp_path):
    root = tmp_path/'pictures'; (root/'deep'/'er').mkdir(parents=True)
    g = np.random.default_rng(0)
    for i in range(24): Image.fromarray(g.integers(0, 256, (20, 30 + i, 3), dtype=np.uint8)).save(root/('deep/er' if i % 2 else '.')/f'{i:02}.png')
    return root

def test_folder(folder):
    (folder/'.hidden.png').write_bytes(b'x'); (folder/'notes.txt').write_text('x'); (folder/'loop').symlink_to(folder)
    dls = image_dls(folder, size=16, bs=4)
    assert (dls.train.n, dls.valid.n, dls.one_batch().shape) == (22, 2, (4, 3, 16, 16))
    assert torch.equal(dls.train.x, image_dls(str(folder), size=16, bs=4).train.x)
    assert dls.train.name == 'pictures' and image_dls(folder, size=8, bs=4, channels=1).one_batch().shape == (4, 1, 8, 8)

def test_streamed_is_the_same(folder):
    a, b = image_dls(folder, size=16, bs=4), image_dls(folder, size=16, bs=4, memory_gb=0)
    assert isinstance(b.train.x, FileRows) and not isinstance(a.train.x, FileRows)
    for i in (0, 1, 2, 7, 3): assert torch.equal(a.train.batch(i, S), b.train.batch(i, S))
    assert torch.equal(as_source(a).valid(2), as_source(b).valid(2))
    assert b.train.x[:3].shape == (3, 3, 16, 16)

def test_train_and_valid_folders(tmp_path):
    for part, n in (('train', 6), ('valid', 3)):
        (tmp_path/'d'/part/'cats').mkdir(parents=True)
        for i in range(n): Image.new('L', (9, 9), 100 if part == 'train' else 200).save(tmp_path/'d'/part/'cats'/f'{i}.png')
    for gb in (1, 0):
        dls = image_dls(tmp_path/'d', size=8, bs=2, memory_gb=gb)
        assert (dls.train.n, dls.valid.n) == (6, 3)
        assert (as_bytes(dls.train.one_batch()) == 100).all() and (as_bytes(dls.valid.head(3)) == 200).all()

def test_modes(tmp_path):
    "Each mode of image shows the colour that it should"
    def save(name, im, **kw): im.save(tmp_path/name, **kw); return load_image(tmp_path/name, 8).float().mean((1, 2)).tolist()
    red = Image.new('RGB', (12, 10), (200, 40, 40))
    assert save('rgb.png', red) == [200, 40, 40]
    assert save('p.png', red.quantize(4)) == pytest.approx([200, 40, 40], abs=2)
    assert save('p.gif', red.quantize(4)) == pytest.approx([200, 40, 40], abs=2)
    assert save('cmyk.jpg', red.convert('CMYK')) == pytest.approx([200, 40, 40], abs=6)
    assert save('l.png', Image.new('L', (9, 9), 77)) == [77]*3
    assert save('1.png', Image.new('1', (9, 9), 1)) == [255]*3
    assert save('la.png', Image.new('LA', (9, 9), (0, 0))) == [255]*3                  # see-through: the white behind it
    assert save('rgba.png', Image.new('RGBA', (9, 9), (200, 40, 40, 255))) == [200, 40, 40]
    assert save('clear.png', Image.new('RGBA', (9, 9), (200, 40, 40, 0))) == [255]*3
    p = red.quantize(4); assert save('pt.png', p, transparency=p.getpixel((0, 0))) == [255]*3
    assert save('16.png', Image.fromarray(np.full((9, 9), 100*257, np.uint16))) == [100]*3
    assert save('16.tif', Image.fromarray(np.full((9, 9), 100*257, np.uint16))) == [100]*3
    assert save('i.tif', Image.fromarray(np.full((9, 9), 100*257, np.int32))) == [100]*3
    assert save('f.tif', Image.fromarray(np.full((9, 9), .4, np.float32))) == pytest.approx([102]*3)
    assert save('w.webp', red, lossless=True) == [200, 40, 40]

def test_resize_and_crop(tmp_path):
    a = np.zeros((10, 30), np.uint8); a[:, 10:20] = 255                                 # white in the middle third
    Image.fromarray(a).save(tmp_path/'a.png')
    assert (load_image(tmp_path/'a.png', 10, 1) == 255).all()
    up = Image.fromarray(np.repeat(np.array([[0], [255]], np.uint8), 8, 0).repeat(16, 1))
    ex = Image.Exif(); ex[0x0112] = 3                                                    # taken upside down
    up.save(tmp_path/'b.jpg', exif=ex, quality=95)
    x = load_image(tmp_path/'b.jpg', 16, 1)[0].float()
    assert x[:6].mean() > 240 and x[-6:].mean() < 15

def test_broken_files(folder):
    good = image_dls(folder, size=8, bs=4).train.n
    for i in range(3): (folder/f'bad{i}.jpg').write_bytes(b'not an image')
    whole = (folder/'00.png').read_bytes(); (folder/'cut.png').write_bytes(whole[:len(whole)//2])
    with pytest.warns(UserWarning, match=r'4 of 28 images cannot be decoded: bad0.jpg \(cannot identify image file\), bad1.jpg .*\.\.\.; going on with the other 24') as w: dls = image_dls(folder, size=8, bs=4)
    assert len(w) == 1 and dls.train.n + dls.valid.n == 24
    with pytest.warns(UserWarning, match='3 of 28 images cannot be opened') as w: dls = image_dls(folder, size=8, bs=4, memory_gb=0)
    assert len(w) == 1 and dls.train.n + dls.valid.n == 25
    with warnings.catch_warnings(record=True) as w:                                      # the half file opens, and fails when its turn comes
        warnings.simplefilter('always')
        assert torch.isfinite(torch.cat(list(dls.train))).all() and torch.isfinite(dls.valid.head(9)).all()
    assert len(w) == 1 and 'cut.png cannot be decoded' in str(w[0].message)

def test_bad_folders(tmp_path):
    (tmp_path/'empty').mkdir(); (tmp_path/'other').mkdir(); (tmp_path/'other'/'a.txt').write_text('x')
    (tmp_path/'bad').mkdir(); [(tmp_path/'bad'/f'{i}.png').write_bytes(b'x') for i in range(5)]
    for name, said in (('empty', 'no images in .*it is empty'), ('other', 'only other files, such as a.txt'), ('none', 'is not there; need a folder'),
                       ('other/a.txt', 'is a file; need a folder'), ('bad', r'5 of 5 images cannot be decoded: 0.png \(cannot identify image file\).*repair or remove')):
        with pytest.raises(ValueError, match=said) as e: image_dls(tmp_path/name)
        assert '\n' not in str(e.value)

def test_bad_image_arguments(folder):
    for kw, said in ((dict(size=0), 'size=0'), (dict(channels=5), 'channels=5; need 1'), (dict(channels='3'), "channels='3'"), (dict(memory_gb=-1), 'memory_gb=-1'),
                     (dict(bs=64), 'bs=64, but pictures has 22 samples'), (dict(bs='a'), "bs='a'")):
        with pytest.raises(ValueError, match=re.escape(said)): image_dls(folder, **{'size': 8, 'bs': 4, **kw})

# ---- loaders of one's own

class Noisy(Dataset):
    "Augments with all three generators, as people do"
    def __init__(self, n=30): self.n = n
    def __len__(self): return self.n
    def __getitem__(self, i): return torch.tensor([float(i), torch.rand(()), np.random.rand(), random.random()]), i

def same(a, b): return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b))

LOADERS = dict(
    plain=lambda: DataLoader(Noisy(), batch_size=4, shuffle=True),
    generator=lambda: DataLoader(Noisy(), batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(random.randrange(1000))),
    weighted=lambda: DataLoader(Noisy(), batch_size=4, sampler=WeightedRandomSampler([1.]*30, 30)),
    workers=lambda: DataLoader(Noisy(), batch_size=4, shuffle=True, num_workers=1),
    fastai=lambda: FastaiDataLoader(Noisy(), bs=4, shuffle=True),
    dataloaders=lambda: DataLoaders(FastaiDataLoader(Noisy(), bs=4, shuffle=True), FastaiDataLoader(Noisy(9), bs=4)),
    pair=lambda: (DataLoader(Noisy(), batch_size=4, shuffle=True), DataLoader(Noisy(9), batch_size=4)))

@pytest.mark.parametrize('make', LOADERS.values(), ids=list(LOADERS))
def test_loaders_repeat(make):
    src = as_source(make(), S)
    assert (src.n_batches, src.bs, src.shape, src.n, src.seekable) == (7, 4, (4,), 30, True)
    a = [src.batch(i) for i in range(17)]
    torch.rand(3); random.random(); np.random.rand()
    again = as_source(make(), Streams(0))
    b = []
    for i in range(17): b.append(again.batch(i)); torch.rand(1); np.random.rand(); random.random()    # draws in between do not matter
    assert same(a, b)
    assert torch.equal(again.batch(9), a[9]) and torch.equal(again.batch(16), a[16]) and torch.equal(again.batch(0), a[0])
    assert not same(a, [as_source(make(), Streams(1)).batch(i) for i in range(1)]) and not torch.equal(a[0], a[7])
    if len({tuple(x[:, 0].tolist()) for x in a}) < 17: pytest.fail('a batch came twice')

def test_loaders_leave_the_generators_alone():
    def states(): return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()
    dl = LOADERS['pair']()
    before = states()
    src = as_source(dl, S); [src.batch(i) for i in range(9)]; src.valid(5)
    assert states() == before

def test_lent_rngs_come_back_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(KeyError), lent_rngs(3): torch.rand(1); raise KeyError
    assert torch.equal(torch.get_rng_state(), before)

def test_validation_of_loaders():
    src = as_source(LOADERS['pair'](), S)
    v = src.valid(6)
    assert v[:, 0].tolist() == [0, 1, 2, 3, 4, 5] and torch.equal(src.valid(6), v) and torch.equal(src.valid(3), v[:3])
    assert src.valid(100).shape == (9, 4) and torch.equal(src.valid(100)[:6, 0], v[:, 0])
    assert as_source(LOADERS['plain'](), S).valid(5) is None
    mixed = as_source((tensor_dls(rand(30, 2), bs=4).train, DataLoader(rand(9, 2), batch_size=4)), S)
    assert mixed.valid(5).shape == (5, 2)

def test_images_are_found_in_batches():
    x = rand(20, 1, 4, 4)
    for ds in (TensorDataset(x, torch.arange(20)), TensorDataset(x), x, [(o, {'a': 1}) for o in x], [[(o, 1), 2] for o in x]):
        assert as_source(DataLoader(ds, batch_size=4), S).batch(0).shape == (4, 1, 4, 4)
    b = as_source(DataLoader(as_bytes(x), batch_size=4), S).batch(1)
    assert b.dtype == torch.float32 and (b - x[4:8]).abs().max() < .01
    assert as_source(DataLoader(x.double(), batch_size=4), S).batch(1).dtype == torch.float32

def test_fastai_types_do_not_leak():
    from fastai.torch_core import TensorImage
    x = [TensorImage(o) for o in rand(12, 3, 4, 4)]
    b = as_source(FastaiDataLoader(x, bs=4), S).batch(0)
    assert type(b) is torch.Tensor

def test_short_batches_are_left_out():
    src = as_source(DataLoader(torch.arange(10.)[:, None], batch_size=4), S)
    assert src.n_batches == 2 and [len(src.batch(i)) for i in range(7)] == [4]*7
    class Lumpy:                                              # no sampler, no batch size, and shorter than it says
        def __len__(self): return 5
        def __iter__(self): yield from (torch.ones(4, 2), torch.ones(2, 2), torch.ones(4, 2)*2)
    src = as_source(Lumpy(), S)
    assert (src.n, src.n_batches, src.bs) == (None, 5, 4)
    assert [int(src.batch(i)[0, 0]) for i in range(7)] == [1, 2, 1, 2, 1, 1, 2]        # begun again within the epoch
    assert int(src.batch(3)[0, 0]) == 2

def test_streams_without_a_length():
    class Forever(IterableDataset):
        def __iter__(self):
            i = 0
            while True: yield torch.tensor([float(i), random.random()]); i += 1
    src = as_source(DataLoader(Forever(), batch_size=3), S)
    assert (src.n, src.seekable, src.n_batches) == (None, False, 1000)
    assert [int(src.batch(i)[0, 0]) for i in (0, 1, 5, 2)] == [0, 3, 15, 6]
    a = src.batch(7); assert torch.equal(as_source(DataLoader(Forever(), batch_size=3), S).batch(7), a)

def test_a_failing_dataset_can_be_tried_again():
    class Fails(Noisy):
        broken = True
        def __getitem__(self, i):
            if i == 9 and self.broken: raise OSError('disk')
            return super().__getitem__(i)
    ds = Fails()
    src = as_source(DataLoader(ds, batch_size=4), S)
    src.batch(1)
    with pytest.raises(OSError, match='disk'): src.batch(2)
    with pytest.raises(OSError, match='disk'): src.batch(2)
    ds.broken = False
    assert src.batch(2)[:, 0].tolist() == [8, 9, 10, 11]
    assert torch.equal(src.batch(2), as_source(DataLoader(ds, batch_size=4), S).batch(2))

class Sizes(Dataset):
    def __len__(self): return 12
    def __getitem__(self, i): return rand(1, 4 if i < 8 else 5, 4)

@pytest.mark.parametrize('dls, said', [
    (rand(9, 2), 'tensor_dls'), (np.zeros((9, 2)), 'tensor_dls'), ('folder', 'image_dls'), (Noisy(), 'DataLoader\\(dataset'), (None, 'dls is a NoneType'),
    (3, 'dls is a int'), (iter([rand(4, 2)]), 'as an iterator cannot'), ([], 'holds 0 loaders'), ((DataLoader(rand(9, 2)),)*3, 'holds 3 loaders'),
    (DataLoader(rand(9, 2), batch_size=10), '9 samples and a batch size of 10, so no full batch'), (FastaiDataLoader(Noisy(3), bs=4), '3 samples and a batch size of 4'),
    (DataLoader([dict(image=rand(2), label=1)]*4, batch_size=2), 'dicts with the keys image, label'), (DataLoader(['a', 'b'], batch_size=1), 'gives str'),
    (DataLoader(torch.arange(8), batch_size=4), r'a batch has shape \(4,\)'), (DataLoader(torch.ones(8, 3, dtype=torch.int64), batch_size=4), 'a batch has dtype int64'),
    (DataLoader(nan_at(1), batch_size=4), 'a batch holds 1 NaN'), (DataLoader(rand(8, 3, 4, 4)*100, batch_size=4), r'need images in \[-1, 1\]')])
def test_bad_loaders(dls, said):
    with pytest.raises(ValueError, match=said) as e: as_source(dls, S)
    assert '\n' not in str(e.value)

def test_bad_batches_later_on():
    src = as_source(DataLoader(nan_at(9), batch_size=4), S)
    src.batch(1)
    with pytest.raises(ValueError, match='1 NaN'): src.batch(2)
    src = as_source(DataLoader(Sizes(), batch_size=4), S)
    src.batch(1)
    with pytest.raises(ValueError, match=r'shape \(1, 5, 4\) after \(1, 4, 4\)'): src.batch(2)

def test_range_of_a_loader_is_named_once():
    with pytest.warns(UserWarning, match='the DataLoader has values from') as w:
        src = as_source(DataLoader(rand(12, 1, 4, 4)*2.5, batch_size=4), S); [src.batch(i) for i in range(6)]
    assert len(w) == 1

def test_source_of_ours():
    dls = ring_dls(n=1000, bs=32)
    src = as_source(dls, S)
    assert isinstance(src, Source) and as_source(src) is src
    assert torch.equal(src.centers, dls.centers) and src.sigma == .01 and src.name == 'ring' and src.seekable and src.n == 900
    assert torch.equal(src.batch(40), dls.train.batch(40, S)) and torch.equal(src.valid(7), dls.valid.x[:7])
    assert src.valid(10**6).shape == (100, 2)
    assert as_source(dls.train, S).valid(3) is None

@pytest.mark.cuda
def test_cuda():
    dls = photos_dls(bs=8, size=16, n=100)
    want = [dls.train.batch(i, S) for i in range(20)]
    src = as_source(dls, S, device='cuda')
    assert all(torch.equal(src.batch(i).cpu(), want[i]) for i in range(20)) and src.batch(0).is_cuda and src.valid(3).is_cuda
    src = as_source(LOADERS['pair'](), S, device='cuda')
    assert src.batch(3).is_cuda and src.valid(3).is_cuda

# ---- pictures

def test_grid_and_figures():
    x = rand(7, 3, 5, 6)
    g = tile_images(x, cols=3, pad=2)
    assert g.shape == (3*7-2, 3*8-2, 3) and g.dtype == np.uint8
    assert (g[:5, 8:14] == as_bytes(x[1]).permute(1, 2, 0).numpy()).all() and (g[-1, -1] == 255).all()
    assert tile_images(as_bytes(x[:, :1])).ndim == 2 and tile_images(rand(1, 2, 4, 4)).shape == (4, 4) and tile_images(rand(2, 4, 4, 4), cols=9).shape == (4, 9, 3)
    for s in (x, rand(9, 2), rand(9, 1), rand(9, 5)): assert draw_samples(s, side=1)._repr_png_()[:4] == b'\x89PNG'
    assert ring_dls(n=99, bs=8).show_batch(title='ring')._repr_png_() and digits_dls().show_batch(4)

# ---- what it does not do

def test_makes_no_pyplot_figure():
    import matplotlib.pyplot as plt
    n = len(plt.get_fignums())
    ring_dls(n=99, bs=8).show_batch()._repr_png_()
    assert len(plt.get_fignums()) == n
