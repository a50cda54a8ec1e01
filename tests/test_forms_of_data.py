"Data of forms that the references do not have: rectangles, alpha channels, deep images, batches that are dicts or begin with something else."
import struct, warnings, zlib
import numpy as np, pytest, torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from fastai.data.load import DataLoader as FastaiLoader
from ganlab.compare import ab
from ganlab.data import FileRows, image_dls, load_image, tensor_dls
from ganlab.learner import GANLearner
from ganlab.lab import Lab
from ganlab.player import export_html, what_if
from ganlab.record.run import Run
from ganlab.engine.change import Refused
from ganlab.trick import find_tricks
from strangers import go, one_sentence
import ganlab.travel.fork, ganlab.travel.script

# Rectangles, and one to four channels

def conv(c, h, w, z=4):
    "A pair for images of any size that is a multiple of four"
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(z, 8*(h//4)*(w//4)), nn.Unflatten(1, (8, h//4, w//4)), nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, c, 4, 2, 1), nn.Tanh())
    D = nn.Sequential(nn.Conv2d(c, 8, 4, 2, 1), nn.LeakyReLU(.2), nn.Conv2d(8, 8, 4, 2, 1), nn.LeakyReLU(.2), nn.Flatten(), nn.Linear(8*(h//4)*(w//4), 1))
    return G, D

def images(c, h, w, n=40): return tensor_dls(torch.randint(0, 256, (n, c, h, w), generator=torch.Generator().manual_seed(0), dtype=torch.uint8), 8)

@pytest.fixture
def folder(tmp_path):
    g = np.random.default_rng(0)
    (tmp_path/'pictures').mkdir()
    for i, (h, w) in enumerate([(30, 40), (40, 30), (60, 20), (20, 90)]*5): Image.fromarray(g.integers(0, 256, (h, w, 3), dtype=np.uint8)).save(tmp_path/'pictures'/f'{i:02}.png')
    return tmp_path/'pictures'

@pytest.mark.parametrize('size,shape', [((12, 20), (12, 20)), ([20, 12], (20, 12)), ((16, 16), 16), (16, 16)], ids=str)
@pytest.mark.parametrize('channels', [1, 2, 3, 4])
@pytest.mark.part(2)
def test_folders_of_any_form(folder, size, shape, channels):
    a, b = (image_dls(folder, size=size, bs=4, channels=channels, memory_gb=gb) for gb in (1, 0))
    assert a.one_batch().shape == (4, channels, *(shape if isinstance(shape, tuple) else (shape, shape)))
    assert torch.equal(a.train.batch(3, a.train.streams), b.train.batch(3, b.train.streams)) and isinstance(b.train.x, FileRows)
    if channels in (2, 4): assert (a.train.x[:, -1] == 255).all()      # files without alpha are opaque
    assert a.made_by[1]['size'] == shape and a.made_by[1]['channels'] == channels
    learn = GANLearner(a, *conv(channels, *a.train.shape[1:]), seed=0)
    go(learn, 2); assert learn.run.frames()

def test_what_is_cut_out(tmp_path):
    "The centre, by the proportions asked for"
    a = np.zeros((20, 60), np.uint8); a[:, 10:50] = 255
    Image.fromarray(a).save(tmp_path/'a.png')
    x = load_image(tmp_path/'a.png', (10, 20), 1)[0]
    assert x.shape == (10, 20) and (x[:, 1:-1] == 255).all() and (load_image(tmp_path/'a.png', (10, 30), 1)[0, :, :4] == 0).all()

def test_alpha(tmp_path):
    "Kept where it is asked for, whatever the mode; laid on white where not"
    clear = Image.new('RGBA', (12, 8), (200, 40, 40, 0)); clear.paste((10, 20, 30, 255), (0, 0, 6, 8))
    palette = clear.convert('RGB').quantize(4)
    for name, im, kw in (('rgba.png', clear, {}), ('la.png', clear.convert('LA'), {}), ('p.png', palette, dict(transparency=palette.getpixel((9, 4))))):
        im.save(tmp_path/name, **kw)
        for channels in (2, 4):
            x = load_image(tmp_path/name, (8, 12), channels)
            assert x.shape == (channels, 8, 12) and (x[-1, :, :4] == 255).all() and (x[-1, :, 8:] == 0).all(), name
        for channels in (1, 3): assert (load_image(tmp_path/name, (8, 12), channels)[:, :, 8:] == 255).all()
    assert load_image(tmp_path/'rgba.png', (8, 12), 4)[:3, 4, 2].tolist() == [10, 20, 30]

@pytest.mark.parametrize('kw', [dict(size=3), dict(size=(48,)), dict(size=(48, 64, 3)), dict(size=(2, 64)), dict(size='48x64'), dict(size=16., ), dict(size=(16, True)), dict(size=None), dict(size=4096)], ids=str)
def test_sizes_that_are_none(folder, kw):
    with pytest.raises(ValueError, match=r'size=.*\(height, width\)') as e: image_dls(folder, bs=4, **kw)
    one_sentence(e.value)

@pytest.mark.parametrize('channels', [0, 5, True, '3', 3.5])
def test_channels_that_are_none(folder, channels):
    with pytest.raises(ValueError, match=r'channels=.*4 \(colour and alpha\)') as e: image_dls(folder, size=16, bs=4, channels=channels)
    one_sentence(e.value)

@pytest.fixture(scope='module')
def wide(): return images(3, 8, 16)

@pytest.mark.parametrize('trick', [t.name for t in find_tricks()])
@pytest.mark.part(6)
def test_every_trick_with_a_rectangle(trick, wide):
    "Each trains networks of one's own on images of 8 x 16, is left, and comes back; or says in a sentence why not"
    learn = GANLearner(wide, *conv(3, 8, 16), seed=0); go(learn, 1)
    try: learn.tricks.on(trick)
    except Refused as e: assert one_sentence(e) and learn.tricks[trick].why_not(learn); return
    go(learn, 2)
    assert learn.sample(3).shape == (3, 3, 8, 16) and learn.sample(3).isfinite().all()
    learn.tricks.off(trick, now=True); go(learn, 1)
    assert learn.history.d_loss.notna().all()

@pytest.mark.parametrize('channels', [2, 4])
def test_alpha_in_panel_page_and_comparison(channels, tmp_path):
    learn = GANLearner(images(channels, 12, 8), *conv(channels, 12, 8), seed=0, run=tmp_path/'a'); go(learn, 3)
    with Lab(learn) as lab: lab.step(); lab.wait(60); assert lab.state != 'error', lab.error
    learn.show_samples(9)
    export_html(learn, tmp_path/'a.html'); ab(learn, on='ema', steps=2, seeds=2, progress=False)
    what_if(learn, ['ema'], steps=2, frames=2, progress=False).export_html(tmp_path/'w.html')
    assert learn.fork().step == learn.step; learn.run.close()

# Deep images

def save_deep(folder, arrays, ext='png'):
    folder.mkdir(exist_ok=True)
    for i, a in enumerate(arrays): Image.fromarray(a).save(folder/f'{i:02}.{ext}')
    return folder

@pytest.mark.parametrize('top,white', [(4000, 4095), (1000, 1023), (250, 255), (9000, 16383)])
@pytest.mark.parametrize('gb', [1, 0])
def test_few_bits_in_sixteen(tmp_path, top, white, gb):
    "All by one range, that of the brightest, with one warning; nothing is cut off"
    values = np.linspace(0, top, 20).astype(np.uint16)
    save_deep(tmp_path/'d', [np.full((9, 12), v, np.uint16) for v in values])
    with pytest.warns(UserWarning, match=f'20 of 20 images .* from 0 to {top:,}: 0 becomes black and {white:,} white') as w: dls = image_dls(tmp_path/'d', size=8, bs=4, channels=1, memory_gb=gb)
    assert len(w) == 1
    got = sorted(int(x) for part in (dls.train, dls.valid) for x in part.x.index_select(0, torch.arange(part.n))[:, 0, 0, 0])
    assert got == [round(int(v)*255/white) for v in values]

@pytest.mark.parametrize('array,ext,black,white', [(np.array([[-1000., 0], [500, 3000]]), 'tif', -1000, 3000), (np.array([[0., 100], [900, 1000.5]]), 'tif', 0, 1023), (np.array([[0, 5], [70_000, 100_000]], np.int32), 'tif', 0, 100_000)], ids=['negative', 'floats', 'thirty-two'])
def test_other_deep_values(tmp_path, array, ext, black, white):
    big = np.kron(array.astype(np.float32 if array.dtype.kind == 'f' else np.int32), np.ones((8, 8), array.dtype)).astype(np.float32 if array.dtype.kind == 'f' else np.int32)
    save_deep(tmp_path/'d', [big]*12, ext)
    with pytest.warns(UserWarning, match='becomes black') as w: dls = image_dls(tmp_path/'d', size=16, bs=4, channels=1)
    assert len(w) == 1
    x = dls.train.x[0, 0]
    assert [int(x[r, c]) for r in (4, 12) for c in (4, 12)] == [round((v - black)*255/(white - black)) for v in array.ravel()]

def test_usual_deep_images_say_nothing(tmp_path):
    save_deep(tmp_path/'d', [np.full((9, 9), v*257, np.uint16) for v in (0, 100, 255)]*5)
    save_deep(tmp_path/'f', [np.full((9, 9), v, np.float32) for v in (0, .5, .9)]*5, 'tif')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for name, want in (('d', {0, 100, 255}), ('f', {0, 128, 229, 230})): assert set(image_dls(tmp_path/name, size=8, bs=4, channels=1).train.x.unique().tolist()) <= want

def test_a_brighter_one_among_many(tmp_path):
    "One that was not among those looked at is scaled by its own range, and not cut to white"
    a = np.full((9, 9), 3000, np.uint16); a[:, 4:] = 4000
    Image.fromarray(a).save(tmp_path/'a.png')
    with pytest.warns(UserWarning, match='scaled by its own'): x = load_image(tmp_path/'a.png', 9, 1, (0., 1023.))
    assert x.unique().tolist() == [187, 249] == load_image(tmp_path/'a.png', 9, 1).unique().tolist() == load_image(tmp_path/'a.png', 9, 1, (0., 4095.)).unique().tolist()

# Deep colours

def png16(path, a, *more):
    "A PNG with 16 bits per channel; `more` are chunks before the pixels"
    def part(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    head = struct.pack('>IIBBBBB', a.shape[1], a.shape[0], 16, {2: 4, 3: 2, 4: 6}[a.shape[2]], 0, 0, 0)
    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in a)
    middle = b''.join(part(kind, data) for kind, data in more)
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + part(b'IHDR', head) + middle + part(b'IDAT', zlib.compress(rows)) + part(b'IEND', b''))

def tiff16(path, a, order='<', packed=False, turned=1):
    "A TIFF with 16 bits per channel in either order of bytes, deflated or not; `turned` is its orientation"
    h, w, c = a.shape
    data = a.astype(order + 'u2').tobytes()
    if packed: data = zlib.compress(data)
    fields = [(256, 4, w), (257, 4, h), (258, 3, None), (259, 3, 8 if packed else 1), (262, 3, 2), (273, 4, None), (274, 3, turned), (277, 3, c), (278, 4, h), (279, 4, len(data))]
    if c == 4: fields.append((338, 3, 2))
    end = 8 + 2 + 12*len(fields) + 4
    out = (b'II*\0' if order == '<' else b'MM\0*') + struct.pack(order + 'IH', 8, len(fields))
    for tag, kind, v in fields:
        if tag == 258: out += struct.pack(order + 'HHII', tag, kind, c, end)
        elif tag == 273: out += struct.pack(order + 'HHII', tag, kind, 1, end + 2*c)
        else: out += struct.pack(order + 'HHI', tag, kind, 1) + (struct.pack(order + 'HH', v, 0) if kind == 3 else struct.pack(order + 'I', v))
    path.write_bytes(out + bytes(4) + struct.pack(f'{order}{c}H', *[16]*c) + data)

def tiff(**kw): return 'tif', lambda path, a: tiff16(path, a, **kw)
WRITERS = dict(png=('png', png16), tiff=tiff(), other_order=tiff(order='>'), deflated=tiff(packed=True), deflated_other=tiff(packed=True, order='>'))

@pytest.mark.parametrize('ext,write', WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize('gb', [1, 0])
def test_few_bits_in_forty_eight(tmp_path, ext, write, gb):
    "A camera's twelve bits in each of three channels: by one range, with one warning, no value rounded before it is scaled"
    colours = [np.array([v, v//2, 4000 - v], np.uint16) for v in np.linspace(0, 4000, 20).astype(int)]
    (tmp_path/'d').mkdir()
    for i, v in enumerate(colours): write(tmp_path/'d'/f'{i:02}.{ext}', np.full((9, 12, 3), v))
    with pytest.warns(UserWarning, match='20 of 20 images .* from 0 to 4,000: 0 becomes black and 4,095 white') as w: dls = image_dls(tmp_path/'d', size=8, bs=4, memory_gb=gb)
    assert len(w) == 1
    got = sorted(x[:, 0, 0].tolist() for part in (dls.train, dls.valid) for x in part.x.index_select(0, torch.arange(part.n)))
    assert got == sorted([round(int(o)*255/4095) for o in v] for v in colours)

def test_all_sixteen_bits_of_colour(tmp_path):
    "Those that use them say nothing; grey and colour, deep and not, lie in one folder"
    (tmp_path/'d').mkdir()
    for i in range(6): png16(tmp_path/'d'/f'a{i}.png', np.full((9, 9, 3), (65535, 25700 + 128, 257*i)))     # what is between two bytes stays what Pillow makes of it
    tiff16(tmp_path/'d'/'b.tif', np.full((9, 9, 3), (65535, 25700, 0)))
    save_deep(tmp_path/'d', [np.full((9, 9), 25700, np.uint16)]*3)
    Image.new('RGB', (9, 9), (255, 100, 0)).save(tmp_path/'d'/'c.png')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        dls = image_dls(tmp_path/'d', size=8, bs=4)
    seen = {tuple(x[:, 0, 0].tolist()) for part in (dls.train, dls.valid) for x in part.x}
    assert seen == {(255, 100, i) for i in range(6)} | {(100, 100, 100)}

@pytest.mark.parametrize('write,ext', [(png16, 'png'), (tiff16, 'tif')])
def test_alpha_is_no_light(tmp_path, write, ext):
    "Twelve bits of colour, and sixteen of what is seen through"
    a = np.full((8, 8, 4), (4000, 1000, 250, 65535))
    a[:, 4:, 3] = 0
    write(tmp_path/f'a.{ext}', a)
    x, white = load_image(tmp_path/f'a.{ext}', 8, 4), load_image(tmp_path/f'a.{ext}', 8, 3)
    assert x[:, 0, 0].tolist() == [249, 62, 16, 255] and x[3, 0, 7] == 0
    assert white[:, 0, 0].tolist() == [249, 62, 16] and white[:, 0, 7].tolist() == [255]*3

def test_grey_with_alpha_and_one_clear_colour(tmp_path):
    a = np.full((8, 8, 2), (4000, 65535))
    a[0, 0, 0] = 1000
    png16(tmp_path/'la.png', a)
    assert load_image(tmp_path/'la.png', 8, 2)[:, 0, :2].tolist() == [[62, 249], [255, 255]]
    b = np.full((8, 8, 3), (4000, 1000, 250))
    b[:, 4:] = 4000, 1000, 251                                            # another colour, by the lowest bit
    png16(tmp_path/'key.png', b, (b'tRNS', struct.pack('>HHH', 4000, 1000, 250)))
    x = load_image(tmp_path/'key.png', 8, 4)
    assert x[3, 0, 0] == 0 and x[3, 0, 7] == 255 and x[:3, 0, 7].tolist() == [249, 62, 16]

def test_deep_colours_stand_upright(tmp_path):
    a = np.zeros((8, 8, 3), int)
    a[4:] = 4000
    tiff16(tmp_path/'a.tif', a, turned=3)                                 # upside down
    png16(tmp_path/'a.png', a, (b'eXIf', b'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0'))
    for name in ('a.tif', 'a.png'):
        x = load_image(tmp_path/name, 8)
        assert (x[:, 0] == 249).all() and (x[:, 7] == 0).all(), name

def test_five_bits_are_not_sixteen(tmp_path):
    "A bitmap with 16 bits per pixel has 5 or 6 per colour"
    rows = np.full((8, 8), 0b11111_100000_00000, '<u2').tobytes()
    head = struct.pack('<IiiHHIIiiII', 40, 8, 8, 1, 16, 3, len(rows), 0, 0, 0, 0) + struct.pack('<III', 0xF800, 0x7E0, 0x1F)
    (tmp_path/'a.bmp').write_bytes(b'BM' + struct.pack('<IHHI', 14 + len(head) + len(rows), 0, 0, 14 + len(head)) + head + rows)
    assert load_image(tmp_path/'a.bmp', 8)[:, 0, 0].tolist() == [255, 129, 0]

# Batches

x, y, z = torch.rand(64, 1, 8, 8)*2 - 1, torch.arange(64) % 10, torch.randn(64, 4)

def loader(*parts, **kw): return DataLoader(TensorDataset(*parts), 8, **kw)
class Rows(torch.utils.data.Dataset):
    def __init__(self, **parts): self.parts = parts
    def __len__(self): return 64
    def __getitem__(self, i): return {k: v[i] for k, v in self.parts.items()}
def dicts(**kw): return DataLoader(Rows(image=x, label=y, noise=z), 8, **kw)
def pair(): return conv(1, 8, 8)
def learner(dls, **kw): return GANLearner(dls, *pair(), seed=0, **kw)

PICKS = [(lambda: loader(x, y), 0), (lambda: loader(y, x), 1), (lambda: loader(z, y, x), -1), (lambda: loader(z, x), 1), (dicts, 'image'), (dicts, lambda b: b['image']), (lambda: loader(y, x), lambda b: b[1]), (lambda: loader(x), 0), (lambda: (dicts(), dicts()), 'image')]

@pytest.fixture(scope='module')
def calm():
    "What a loader of nothing else trains to"
    learn = learner(loader(x)); go(learn, 6)
    return learn.state_hash()

@pytest.mark.parametrize('make,pick', PICKS)
def test_where_the_samples_are(make, pick, calm):
    "The same bits as from a loader of nothing else"
    learn = learner(make(), x=pick); go(learn, 6)
    assert learn.state_hash() == calm and learn.made['x'] is pick

@pytest.mark.parametrize('make,pick', [PICKS[2], PICKS[4], PICKS[5]])
@pytest.mark.part(2)
def test_where_the_samples_are_is_recorded(make, pick, tmp_path):
    "Forked, compared, resumed, replayed, in a page and as a script; a function is asked for again"
    learn = learner(make(), x=pick, run=tmp_path/'a'); go(learn, 4)
    other = learn.fork(); go(other, 2); other.run.close(); go(learn, 2)
    assert learn.state_hash() == other.state_hash()
    ab(learn, on='ema', steps=2, seeds=2, progress=False); what_if(learn, ['ema'], steps=2, frames=2, progress=False)
    at = learn.state_hash(); learn.run.close()
    own = dict(x=pick) if callable(pick) else {}
    run = Run.open(tmp_path/'a')
    if own:
        for f in (lambda: run.replay(make(), *pair(), progress=False), lambda: GANLearner.resume(tmp_path/'a', make(), *pair(), progress=False)):
            with pytest.raises(ValueError, match='by a function of your own.*x=') as e: f()
            one_sentence(e.value)
    assert run.replay(make(), *pair(), progress=False, **own).state_hash() == at
    again = GANLearner.resume(tmp_path/'a', make(), *pair(), progress=False, **own); assert again.state_hash() == at; again.run.close()
    export_html(tmp_path/'a', tmp_path/'a.html', dls=None if own else make())
    assert ('x=...' in run.to_python(tmp_path/'a.py').read_text()) == bool(own) and (f', x={pick!r})' in (tmp_path/'a.py').read_text()) == (not own)

@pytest.mark.parametrize('make,kw,word', [
    (dicts, {}, "the keys image, label, noise, and x=0 is none of them; there are samples of shape (1, 8, 8) at x='image', (4,) at x='noise': GANLearner(..., x='image')"),
    (dicts, dict(x='images'), "x='images' is none of them; there are samples of shape (1, 8, 8) at x='image'"),
    (dicts, dict(x='label'), "(1, 8, 8) at x='image'"),
    (lambda: loader(y, x), {}, "a batch has shape (8,); need images (N, C, H, W), vectors (N, d), series (N, C, L) or volumes (N, C, D, H, W); for samples of one number each give x[:, None]; there are samples of shape (1, 8, 8) at x=1: GANLearner(..., x=1)"),
    (lambda: loader(y[:, None], x), {}, 'at x=1: GANLearner(..., x=1)'),
    (lambda: loader(z, x), {}, "the DataLoader's batches have such samples at x=1: GANLearner(..., x=1)"),
    (lambda: loader(x, y), dict(x=2), 'batches of 2, and x=2 is none of them; there are samples of shape (1, 8, 8) at x=0'),
    (lambda: loader(x, y), dict(x=1), 'at x=0: GANLearner(..., x=0)'),
    (lambda: DataLoader(Rows(a=y, b=['no']*64), 8), {}, 'GANLearner(..., x=lambda batch: ...)'),
    (lambda: DataLoader(x, 8), dict(x=1), "x=1, and the DataLoader's batches are one Tensor each; leave x out"),
    (lambda: tensor_dls(x, 8), dict(x='image'), "x='image': the batches of data are samples and nothing else"),
    (dicts, dict(x=lambda b: b['label']), 'what x(batch) gives has shape (8,)'),
    (dicts, dict(x=1.5), 'x=1.5; need where a batch has its samples'), (dicts, dict(x=True), 'x=True; need'), (dicts, dict(x=None), 'x=None; need')])
def test_batches_that_need_a_word(make, kw, word):
    with pytest.raises(ValueError) as e: learner(make(), **kw)
    assert word in one_sentence(e.value)

def test_networks_with_a_condition():
    "Whether it is a label or a style, the sentence says what is missing; a default is enough"
    class G(nn.Module):
        def __init__(self): super().__init__(); self.f = nn.Linear(4, 64)
        def forward(self, z, y): return self.f(z).tanh().view(-1, 1, 8, 8)
    class D(nn.Module):
        def __init__(self): super().__init__(); self.f = nn.Linear(64, 1)
        def forward(self, x, y, *, scale): return self.f(x.flatten(1))
    class Kind(G):
        def forward(self, z, y=None): return super().forward(z, y)
    for nets, word in (((G(), pair()[1]), 'G takes y, which comes with each sample'), ((pair()[0], D()), 'D takes y, which comes with each sample')):
        with pytest.raises(ValueError) as e: GANLearner(loader(x), *nets, z_dim=4)
        assert word in one_sentence(e.value) and 'z_dim' not in str(e.value)
    go(GANLearner(loader(x, y), Kind(), pair()[1], z_dim=4, seed=0), 2)

# Samples that are never used

class Backwards(torch.utils.data.Sampler):
    def __init__(self, n): self.n = n
    def __iter__(self): return iter(range(self.n)[::-1])
    def __len__(self): return self.n

@pytest.mark.parametrize('make,left', [
    (lambda: DataLoader(x[:60], 8), 4), (lambda: DataLoader(x[:60], 8, drop_last=True), 4), (lambda: FastaiLoader(TensorDataset(x[:60]), bs=8), 4), (lambda: (DataLoader(x[:63], 8), DataLoader(x[:20], 8)), 7),
    (lambda: DataLoader(x[:60], 8, shuffle=True), 0), (lambda: DataLoader(x, 8), 0), (lambda: FastaiLoader(TensorDataset(x[:60]), bs=8, shuffle=True), 0), (lambda: DataLoader(x[:60], 8, sampler=Backwards(60)), 0), (lambda: tensor_dls(x[:60], 8), 0)])
@pytest.mark.part(2)
def test_samples_that_never_come(make, left):
    "One warning where the same samples are left out of every epoch, and none where they change"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        learn = learner(make()); go(learn, 20)
    told = [one_sentence(w.message) for w in said if 'never used' in str(w.message)]
    assert len(told) == bool(left) and (not left or told[0].startswith(f'{left} of '))
