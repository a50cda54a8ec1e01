"Data with companions as people have it: each label stays its image's, and training, resume and replay end in one hash."
import gc, shutil, warnings
import numpy as np, pytest, torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset, random_split
from fastai.data.block import CategoryBlock, DataBlock, MultiCategoryBlock, RegressionBlock
from fastai.data.load import DataLoader as FastaiLoader
from fastai.data.transforms import IndexSplitter, get_image_files
from fastai.vision.core import PILImage
from fastai.vision.data import ImageBlock, ImageDataLoaders
from ganlab.cli import main
from ganlab.data import as_source, image_dls, tensor_dls, unpaired_dls
from ganlab.engine.change import Refused
from ganlab.engine.recovery import StepError
from ganlab.engine.rng import Streams
from ganlab.engine.schedules import linear
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.record.run import Run
from ganlab.sources.walks import Walk
from games import play
from strangers import go, one_sentence

KINDS = ['bird', 'cat', 'dog']
N = 24

@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    "A folder per class; the red of an image says its class, the green its number"
    path = tmp_path_factory.mktemp('kinds')
    for c, kind in enumerate(KINDS):
        (path/kind).mkdir()
        for i in range(8): Image.new('RGB', (8, 8), (60 + 60*c, 20*i, 0)).save(path/kind/f'{kind}_{i}.png')
    return path

def red(x): return ((x[:, 0].flatten(1).mean(1)*255 - 60)/60).round().long()      # of images in [0, 1]: the class of each
def kind_of(file): return str(getattr(file, 'name', file)).split('_')[0]      # fastai gives a path, or its name
def small(file): return PILImage.create(file).resize((4, 4))

# Networks: each as plain as can be

class G(nn.Module):
    "(z, y) -> an image, or (y) where there are no latents; y is a label, a vector, or a small image"
    def __init__(self, y, size=8):
        super().__init__()
        self.size = size
        self.embed = nn.Embedding(3, 4) if y is int else nn.Linear(y, 4)
        self.f = nn.Linear(8, 3*size*size)
    def forward(self, z, y): return torch.sigmoid(self.f(torch.cat([z, self.embed(y)], 1))).view(-1, 3, self.size, self.size)

class D(nn.Module):
    def __init__(self, y, size=8):
        super().__init__()
        self.embed = nn.Embedding(3, 4) if y is int else nn.Linear(y, 4)
        self.f = nn.Linear(3*size*size, 4)
    def forward(self, x, y): return (self.f(x.flatten(1))*self.embed(y)).sum(1, keepdim=True)

class Up(nn.Module):
    def __init__(self): super().__init__(); self.f = nn.Conv2d(3, 3, 3, 1, 1)
    def forward(self, y): return torch.sigmoid(self.f(F.interpolate(y, scale_factor=2)))

class Pair(nn.Module):
    def __init__(self): super().__init__(); self.f = nn.Conv2d(6, 1, 4, 4)
    def forward(self, x, y): return self.f(torch.cat([x, F.interpolate(y, size=x.shape[2:])], 1))

def nets(kind):
    torch.manual_seed(3)
    return (Up(), Pair()) if kind == 'image' else (G(kind), D(kind))

# Data

def fastai(**kw): return dict(valid_pct=.25, seed=1, bs=6, num_workers=0, **kw)
def by_lists(f):
    files = get_image_files(f)
    return ImageDataLoaders.from_lists(f, files, [o.parent.name for o in files], **fastai())
def several(f):
    files = get_image_files(f)
    return ImageDataLoaders.from_lists(f, files, [[kind_of(o), 'green' if int(o.stem[-1]) % 2 else 'red'] for o in files], y_block=MultiCategoryBlock, **fastai())
def blocks(*of, **kw): return lambda f: DataBlock(of, get_items=get_image_files, splitter=IndexSplitter([0, 9, 17]), **kw).dataloaders(f, bs=6, num_workers=0)

def images(): return torch.stack([torch.tensor([60. + 60*(i % 3), 10*i, 0])/255 for i in range(N)])[:, :, None, None].expand(N, 3, 8, 8).contiguous()
X, Y = images(), torch.arange(N) % 3
def tuples(y, **kw): return DataLoader(TensorDataset(X, y), 6, shuffle=True, **kw)

class Rows(Dataset):
    "What `datasets` gives with its torch format: a dict a sample, and columns that know their classes"
    def __init__(self, **more): self.features = more
    def __len__(self): return N
    def __getitem__(self, i): return dict(image=X[i], label=Y[i])
class ClassLabel:
    def __init__(self, names): self.names, self.num_classes = names, len(names)

class Stream(IterableDataset):
    def __iter__(self): return iter((X[i], int(Y[i])) for i in range(N))

def subset(_):
    data = TensorDataset(X, Y)
    return DataLoader(random_split(data, [18, 6], torch.Generator().manual_seed(0))[0], 6, shuffle=True)

LABELS = dict(     # name -> the data, and what the learner is told
    from_folder=(lambda f: ImageDataLoaders.from_folder(f, **fastai()), {}),
    from_name_func=(lambda f: ImageDataLoaders.from_name_func(f, get_image_files(f), kind_of, **fastai()), {}),
    from_lists=(by_lists, {}),
    category_block=(blocks(ImageBlock, CategoryBlock, get_y=kind_of), {}),
    fastai_loader=(lambda _: FastaiLoader(TensorDataset(X, Y), bs=6, shuffle=True), {}),
    int64=(lambda _: tuples(Y), {}), int32=(lambda _: tuples(Y.int()), {}), uint8=(lambda _: tuples(Y.byte()), {}), column=(lambda _: tuples(Y[:, None]), {}),
    python=(lambda _: DataLoader([*zip(X, Y.tolist())], 6, shuffle=True), {}),
    swapped=(lambda _: DataLoader(TensorDataset(Y, X), 6, shuffle=True), dict(x=1)),
    dicts=(lambda _: DataLoader(Rows(), 6, shuffle=True), dict(x='image')),
    features=(lambda _: DataLoader(Rows(label=ClassLabel(KINDS)), 6, shuffle=True), dict(x='image', y='label')),
    function=(lambda _: DataLoader(Rows(), 6, shuffle=True), dict(x='image', y=lambda b: b['label'])),
    stream=(lambda _: DataLoader(Stream(), 6), {}),
    subset=(subset, {}),
    several=(lambda _: DataLoader(ConcatDataset([Subset(TensorDataset(X, Y), range(12)), TensorDataset(X, Y)]), 6, shuffle=True), {}),
    names=(lambda _: tensor_dls(X, 6, y=[KINDS[i] for i in Y], range=(0, 1)), {}))

def there_and_back(folder, path, make, kind, **kw):
    "Trained and recorded; resumed; replayed: the states at the end are one; the learner"
    torch.manual_seed(0)
    dls = make(folder)
    learn = GANLearner(dls, *nets(kind), z_dim=kw.pop('z_dim', 4), range=(0, 1), seed=0, run=path, **kw)
    go(learn, 2)
    learn.pin()
    go(learn, 3)
    learn.run.close()
    own = {k: v for k, v in kw.items() if callable(v)}
    torch.rand(5)
    again = GANLearner.resume(path, make(folder), *nets(kind), step=2, progress=False, **own)
    go(again, 3)
    again.run.close()
    replayed = Run.open(path).replay(make(folder), *nets(kind), progress=False, **own)
    assert learn.state_hash() == again.state_hash() == replayed.state_hash()
    return learn

@pytest.mark.parametrize('name', LABELS)
def test_labels(name, folder):
    "Found, counted, and those of their images"
    make, kw = LABELS[name]
    learn = GANLearner(make(folder), *nets(int), z_dim=4, range=(0, 1), **kw)
    assert learn.takes == dict(g='zy', d='xy') and learn.n_classes == 3
    for i in range(6):
        x, y = learn.source.pair(i)
        assert type(x) is type(y) is torch.Tensor and y.dtype == torch.int64 and y.shape == (6,) and torch.equal(red(x), y)
    x, y = learn.source.valid(4), learn.source.valid_y(4)
    assert x is None or torch.equal(red(x), y)
    go(learn, 2)

@pytest.mark.filterwarnings('ignore:the data is a stream')
@pytest.mark.parametrize('name', 'from_folder fastai_loader python swapped features function stream subset names'.split())
@pytest.mark.part(2)
def test_labels_there_and_back(name, folder, tmp_path):
    make, kw = LABELS[name]
    there_and_back(folder, tmp_path/'a', make, int, **kw)

@pytest.mark.parametrize('name,want', [('from_folder', KINDS), ('from_name_func', KINDS), ('from_lists', KINDS), ('category_block', KINDS), ('features', KINDS), ('names', KINDS), ('dicts', []), ('int64', [])])
def test_names_of_classes(name, want, folder):
    make, kw = LABELS[name]
    assert list(GANLearner(make(folder), *nets(int), z_dim=4, range=(0, 1), **kw).classes) == want

# Vectors

def one_hot(v): return DataLoader(TensorDataset(X, v), 6, shuffle=True)
VECTORS = dict(     # name -> the data, how many numbers, what says the class
    multi_category=(several, 5, None),
    one_hot=(lambda _: one_hot(F.one_hot(Y, 3)), 3, lambda y: y.argmax(1)), one_hot_bool=(lambda _: one_hot(F.one_hot(Y, 3).bool()), 3, lambda y: y.argmax(1)),
    floats=(lambda _: one_hot(torch.stack([Y/2., -Y/2.], 1).double()), 2, lambda y: (2*y[:, 0]).round().long()),
    regression=(blocks(ImageBlock, RegressionBlock(n_out=2), get_y=lambda o: [KINDS.index(kind_of(o))/2, 1.]), 2, lambda y: (2*y[:, 0]).round().long()))

@pytest.mark.parametrize('name', VECTORS)
def test_vectors(name, folder, tmp_path):
    make, n, class_of = VECTORS[name]
    learn = there_and_back(folder, tmp_path/'a', make, n)
    for i in range(4):
        x, y = learn.source.pair(i)
        assert y.dtype == torch.float32 and y.shape == (6, n) and learn.n_classes == 0
        said = y[:, [list(learn.classes).index(k) for k in KINDS]].argmax(1) if class_of is None else class_of(y)
        assert torch.equal(said, red(x))
    assert learn.fixed_y(10).shape == (10, n)

def test_names_of_attributes(folder):
    assert GANLearner(several(folder), *nets(5), z_dim=4, range=(0, 1)).classes == ('bird', 'cat', 'dog', 'green', 'red')

# Images of images: fastai has the input first, ganlab the target

def enlarged(f): return blocks(ImageBlock, ImageBlock, get_x=small, get_y=lambda o: o)(f)

def test_an_image_from_an_image(folder, tmp_path):
    learn = there_and_back(folder, tmp_path/'a', enlarged, 'image', x=1, y=0, z_dim=0)
    assert learn.takes == dict(g='y', d='xy')
    for i in range(4):
        x, y = learn.source.pair(i)
        assert x.shape == (6, 3, 8, 8) and y.shape == (6, 3, 4, 4) and torch.equal(red(x), red(y)) and torch.allclose(F.avg_pool2d(x, 2), y, atol=1e-6)

# Workers

def test_labels_with_workers(tmp_path):
    "That persist: they are made anew for each epoch"
    learn = there_and_back(None, tmp_path/'a', lambda _: tuples(Y, num_workers=2, persistent_workers=True), int)
    for i in (0, 5): assert torch.equal(red(learn.source.pair(i).x), learn.source.pair(i).y)

def test_workers_go_home():
    "Told to, and not stopped after some seconds, also where nobody but the garbage collector lets go of them"
    walk = Walk(tuples(Y, num_workers=2, persistent_workers=True), Streams(0), 6)
    walk.pull()
    workers, walk.itself = walk._it._workers, walk
    del walk
    gc.collect()
    assert [w.exitcode for w in workers] == [0, 0]

# Folders

def plain():
    "Networks that take no labels"
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 192), nn.Sigmoid(), nn.Unflatten(1, (3, 8, 8))), nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 1))

@pytest.mark.parametrize('gb', [1, 0])
def test_a_folder_per_class(gb, folder, tmp_path):
    "In memory or streamed: found, named, made again by the script; the same weights as without, where nobody takes labels"
    def make(_): return image_dls(folder, 8, 6, range=(0, 1), memory_gb=gb, labels='folder')
    learn = there_and_back(folder, tmp_path/'a', make, int)
    assert learn.classes == tuple(KINDS) and learn.n_classes == 3 and learn.row_names(24) == KINDS
    for i in range(6): assert torch.equal(red(learn.source.pair(i).x), learn.source.pair(i).y)
    assert torch.equal(red(learn.source.valid(2)), learn.source.valid_y(2))
    assert "labels='folder'" in Run.open(tmp_path/'a').to_python(tmp_path/'a.py').read_text()
    def without(**kw):
        learn = GANLearner(image_dls(folder, 8, 6, range=(0, 1), memory_gb=gb, **kw), *plain(), seed=0, range=(0, 1))
        go(learn, 2)
        return learn.state_hash()
    assert without() == without(labels='folder')

def test_folders_of_parts(folder, tmp_path):
    "train/ and valid/ are no classes, and what lies deeper belongs to the first folder; a function of the path says it otherwise"
    for part in ('train', 'valid'): shutil.copytree(folder, tmp_path/part)
    (tmp_path/'train'/'dog'/'young').mkdir()
    Image.new('RGB', (8, 8), (180, 0, 0)).save(tmp_path/'train'/'dog'/'young'/'p.png')
    dls = image_dls(tmp_path, 8, 6, range=(0, 1), labels='folder')
    assert dls.train.classes == tuple(KINDS) and (dls.train.n, dls.valid.n) == (25, 24) and dls.train.y.bincount().tolist() == [8, 8, 9]
    dls = image_dls(folder, 8, 6, labels=lambda f: int(f.stem[-1]) % 2)
    assert torch.equal((dls.train.x[:, 1, 0, 0].long()//20) % 2, dls.train.y) and dls.train.classes == () and getattr(dls, 'made_by', None) is None

@pytest.mark.filterwarnings('ignore:.* cannot be')
def test_a_broken_file_of_a_class(folder, tmp_path):
    "Left out with its label; one that breaks later is stood in for by another of its class"
    path = shutil.copytree(folder, tmp_path/'a')
    (path/'bird'/'bird_0.png').write_bytes(b'no')
    dls = image_dls(path, 8, 6, range=(0, 1), labels='folder')
    assert dls.train.n + dls.valid.n == 23 and torch.equal(red((dls.train.x/255.)), dls.train.y)
    dls = image_dls(path, 8, 6, range=(0, 1), labels='folder', memory_gb=0)
    for i in range(8): (path/'cat'/f'cat_{i}.png').write_bytes(b'no') if i != 3 else None
    for i in range(6): assert torch.equal(red(dls.train.batch(i, Streams(0))), dls.train.given(i, Streams(0)))

@pytest.mark.parametrize('labels,words', [('name', "labels='name'; need 'folder'"), (True, 'labels=True; need'), (lambda f: None, 'labels gives None for bird_'), (lambda f: 'a' if 'bird' in f.stem else 1, 'one of the two for all images')])
def test_labels_of_files_that_are_none(labels, words, folder):
    with pytest.raises(ValueError) as e: image_dls(folder, 8, 6, labels=labels)
    assert words in one_sentence(e.value)

def test_no_folder_per_class(folder, tmp_path):
    with pytest.raises(ValueError, match=r'bird_\d.png lies in no folder below') as e: image_dls(folder/'bird', 8, 4, labels='folder')
    one_sentence(e.value)
    shutil.copytree(folder, tmp_path/'all'/'images')
    with pytest.raises(ValueError, match="all images lie in 'images'") as e: image_dls(tmp_path/'all', 8, 4, labels='folder')
    one_sentence(e.value)

# The game, in words

def said(learn): return repr(learn.game).splitlines()

def test_labels_that_nobody_uses(folder):
    "One sentence in the game and in the panel's first announcement; no warning"
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        learn = GANLearner(image_dls(folder, 8, 6, range=(0, 1), labels='folder'), *plain(), seed=0, range=(0, 1))
        lab = Lab(learn)
    why = "The data's labels (3 classes) are not used: neither G nor D takes them; class_norm and projection would."
    assert said(learn) == ['G takes latents (4,); it makes samples (3, 8, 8)', 'D takes samples; it gives one score', 'y, which comes with each sample: labels of 3 classes: bird, cat, dog', why]
    assert lab.screen.said[1].endswith(f'flip a trick while it trains. {why}')
    lab.close()
    learn.tricks.on('class_norm')
    assert said(learn)[0] == 'G takes latents (4,) and y, in a part within it; it makes samples (3, 8, 8)' and learn.game.unused == 'G takes the labels and D does not, so that nobody looks at them; projection or auxiliary_classifier would.'
    learn.tricks.on('projection')
    assert learn.game.lent == 'gd' and learn.game.unused == '' == Lab(learn).screen.said[0] and 'used' not in Lab(learn).screen.said[1]
    learn.tricks.off('class_norm', now=True)
    assert learn.game.unused == 'D takes the labels and G does not, so that it cannot make a class; class_norm would.'

@pytest.mark.parametrize('game,lines', dict(
    labels=['G takes latents (4,) and y; it makes samples (1, 16, 16)', 'D takes samples and y; it gives one score', 'y, which comes with each sample: labels of 5 classes'],
    patches=['G takes latents (4,); it makes samples (1, 16, 16)', 'D takes samples; it gives a map of 64 scores'],
    scales=['G takes latents (4,); it makes samples (1, 16, 16)', 'D takes samples; it gives 2 maps of 64 and 16 scores'],
    upscaling=['G takes y; it makes samples (1, 16, 16)', 'D takes samples and y; it gives a map of 64 scores', 'y, which comes with each sample: samples (1, 8, 8)'],
    unpaired=['G takes y; it makes samples (1, 16, 16)', 'D takes samples; it gives a map of 64 scores', 'y, which comes with each sample: samples (1, 16, 16), of a set of their own'],
    volumes=['G takes latents (4,); it makes samples (1, 8, 8, 8)', 'D takes samples; it gives one score']).items())
def test_games_in_words(game, lines): assert said(play(game)) == lines

def test_companions_in_words(folder):
    learn = GANLearner(several(folder), *plain(), range=(0, 1))
    assert said(learn)[2:] == ['y, which comes with each sample: attributes (5,): bird, cat, dog, green, red', 'What comes with each sample (attributes (5,): bird, cat, dog, green, red) is not used: neither G nor D takes it; a G(z, y) or a D(x, y) would.']
    assert GANLearner(tuples(Y/2), *plain(), range=(0, 1)).game.y == 'a number'
    assert GANLearner(tuples(5*Y), *plain(), range=(0, 1)).game.y == 'labels of 11 classes (8 without a sample)'
    assert GANLearner(tuples((Y > 5).long()), *plain(), range=(0, 1)).game.unused.startswith('What comes with each sample (labels of 1 class')
    assert GANLearner(tuples(Y[:, None, None].expand(N, 8, 8)), *plain(), range=(0, 1)).game.y == 'maps (8, 8) of whole numbers'

# What is no companion, and what to do about it

class Any(Dataset):
    def __init__(self, ys): self.ys = ys
    def __len__(self): return N
    def __getitem__(self, i): return X[i], self.ys[i]
def lists(ys): return DataLoader(Any(ys), 6, collate_fn=lambda b: (torch.stack([x for x, _ in b]), [y for _, y in b]))
def in_memory(y, **kw): return tensor_dls(X, 6, y=y, range=(0, 1), **kw)
NAMES = [KINDS[i] for i in Y]
def gone(at, what): return [what if i == at else int(y) for i, y in enumerate(Y)]

@pytest.mark.parametrize('y,words', [
    ([1, 2, 3], 'y is 3 of them for 24 samples; need one entry per sample'), (['a', 1]*12, 'y is a list of int and str; need'), ([None]*N, 'y is a list of None; need'),
    (np.array([None]*N, object), 'y is a list of None'), ([[1], [1, 2]]*12, 'y is a list of list'), ([float('nan')]*N, 'y holds 24 NaN'), (torch.ones(N, dtype=torch.complex64), 'torch.complex64'),
    ([f'{i}.png' for i in range(N)], 'another name for each of 24 samples')])
def test_no_companions_in_memory(y, words):
    with pytest.raises(ValueError) as e: in_memory(y)
    assert words in one_sentence(e.value)

def test_companions_of_many_types():
    import pandas as pd
    for y in (NAMES, np.array(NAMES), np.array(NAMES, object), pd.Series(NAMES), pd.Series(NAMES).astype('category')):
        dls = in_memory(y)
        assert dls.train.classes == tuple(KINDS) and torch.equal(red(dls.train.x), dls.train.y)
    for y in (Y.tolist(), Y.numpy(), np.array(Y.tolist(), object), pd.Series(Y.numpy()), Y.numpy().astype(np.uint8)): assert torch.equal(red(in_memory(y).train.x), in_memory(y).train.y)
    dls = in_memory(NAMES, classes=['dog', 'cat', 'bird'], valid=X[:6], valid_y=NAMES[:6])
    assert torch.equal(2 - red(dls.train.x), dls.train.y) and torch.equal(2 - red(dls.valid.x), dls.valid.y)
    with pytest.raises(ValueError, match="classes has no 'wolf'"): in_memory(NAMES, valid=X[:6], valid_y=['wolf']*6)

@pytest.mark.parametrize('make,kw,words', [
    (lambda: DataLoader(Any(NAMES), 6), {}, 'at 1 a batch has names: number them, such as classes.index(name)'),
    (lambda: DataLoader([dict(image=x, label=n) for x, n in zip(X, NAMES)], 6), dict(x='image'), "at 'label' a batch has names"),
    (lambda: DataLoader([dict(image=x, label=n) for x, n in zip(X, NAMES)], 6), dict(x='image', y='label'), "y='label' finds names: number them"),
    (lambda: lists([None]*N), {}, 'at 1 a batch has a list of None; need one entry per sample'),
    (lambda: lists([object()]*N), dict(y=1), 'at 1 a batch has a list of object'),
    (lambda: DataLoader(Any(Y), 6, collate_fn=lambda b: (torch.stack([x for x, _ in b]), torch.arange(2))), {}, 'at 1 a batch has 2 of them for 6 samples'),
    (lambda: tuples(Y.float()), {}, 'What comes with each sample are floats: give y.long()'),
    (lambda: tuples(Y + 1), {}, 'The labels go from 1 to 3: number them from 0, and have a row for each'),
    (lambda: DataLoader(Rows(), 6), dict(x='image', y='kind'), "y='kind' is no place in a batch; it has: 'image', 'label'"),
    (lambda: tuples(Y), dict(y=2), 'y=2 is no place in a batch; it has: 0, 1'), (lambda: tuples(Y), dict(y=True), 'y=True; need where'),
    (lambda: DataLoader(TensorDataset(Y, X), 6), {}, 'at x=1: GANLearner(..., x=1)'),
    (lambda: in_memory(Y), dict(y=None), 'samples alone'), (lambda: in_memory(Y), dict(y='label'), "y='label': data knows itself")])
def test_networks_that_need_what_is_none(make, kw, words):
    with pytest.raises(ValueError) as e: GANLearner(make(), *nets(int), z_dim=4, range=(0, 1), **kw)
    assert words in str(e.value) and '\n' not in str(e.value) and 'z_dim' not in str(e.value)

@pytest.mark.parametrize('make,words', [
    (lambda: tuples(Y.float()), 'is no label, but float32 of shape (); if these are labels, give y.long()'), (lambda: tuples(F.one_hot(Y, 3)), 'if they are one hot, give y.argmax(1)'),
    (lambda: tuples(50*Y), 'the labels go up to 100, and most numbers below'), (lambda: tuples(10**9*Y), 'the labels go up to 2,000,000,000'),
    (lambda: DataLoader([*zip(X, (50*Y).tolist())], 6), 'the labels go up to 100'), (lambda: DataLoader(Any(NAMES), 6), 'at 1 a batch has names'),
    (lambda: (tuples(Y), DataLoader(X[:12], 6)), 'the samples that are held out come alone')])
@pytest.mark.parametrize('name', ['class_norm', 'projection'])
def test_tricks_that_need_what_is_none(make, words, name):
    learn = GANLearner(make(), *plain(), range=(0, 1))
    was = learn.state_hash()
    with pytest.raises(Refused) as e: learn.tricks.on(name)
    assert words in one_sentence(e.value) and learn.state_hash() == was

def test_labels_from_one():
    "A row that no sample uses does no harm"
    learn = GANLearner(tuples(Y + 1), *plain(), range=(0, 1), tricks=['class_norm', 'projection'])
    go(learn, 2)
    assert (learn.n_classes, learn.empty) == (4, 1)

@pytest.mark.parametrize('what', [None, 'x', 1.5])
def test_one_label_that_is_none(what):
    "Whoever needs none trains on; whoever does stands at a whole step, is told which batch it was, and goes on when it is mended"
    learn = GANLearner(lists(gone(15, what)), *plain(), range=(0, 1), seed=0)
    go(learn, 6)
    end, ys = learn.state_hash(), gone(15, what)
    learn = GANLearner(lists(ys), *plain(), range=(0, 1), seed=0, tricks=['class_norm'])
    with pytest.raises(StepError, match='G takes y.*with the samples of batch 3 of an epoch came') as e: go(learn, 6)
    one_sentence(e.value)
    assert learn.step == e.value.at == 2
    ys[15] = 0
    learn.source.kept = type(learn.source.kept)()
    go(learn, 4)
    assert learn.step == 6

def test_held_out_samples_that_come_alone():
    "Are not held out"
    with pytest.warns(UserWarning, match='the held-out samples come alone'): learn = GANLearner((tuples(Y), DataLoader(X[:12], 6)), *nets(int), z_dim=4, range=(0, 1))
    assert learn.source.valid(4) is None and not learn.has_valid
    learn.fit(1)
    assert learn.step == 4

def test_batches_of_one():
    learn = GANLearner(DataLoader(TensorDataset(X, Y), 1, shuffle=True), *nets(int), z_dim=4, range=(0, 1))
    go(learn, 3)
    for i in range(5): assert torch.equal(red(learn.source.pair(i).x), learn.source.pair(i).y)

def test_fastai_has_the_input_first(folder):
    "One warning where both are alike, and none where somebody has said which is which"
    both = blocks(ImageBlock, ImageBlock, get_y=lambda o: o)
    class Same(nn.Module):
        def __init__(self): super().__init__(); self.f = nn.Conv2d(3, 3, 3, 1, 1)
        def forward(self, y): return torch.sigmoid(self.f(y))
    with pytest.warns(UserWarning, match='give GANLearner.*x=1, y=0') as w: GANLearner(both(folder), Same(), Pair(), z_dim=0, range=(0, 1))
    assert len(w) == 1
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        GANLearner(both(folder), Same(), Pair(), z_dim=0, range=(0, 1), x=1, y=0)
    with pytest.raises(ValueError, match='changed places: GANLearner.*x=1, y=0') as e: GANLearner(enlarged(folder), *nets('image'), z_dim=0, range=(0, 1))
    one_sentence(e.value)

def test_two_sets_of_unequal_sizes():
    "The shorter one begins anew; each comes in an order of its own, all of it in its epoch"
    x, y = X[:22], torch.stack([torch.full((3, 4, 4), i/40.) for i in range(8)])
    source = as_source(unpaired_dls(x, y, 3, seed=1), Streams(0))
    given = [source.pair(i) for i in range(12)]
    assert {len(p.x) for p in given} == {len(p.y) for p in given} == {3} and len(torch.cat([p.y for p in given]).unique(dim=0)) == len(source.train.y)
    with pytest.raises(ValueError, match='x has 24 samples, y 3; need at least bs=6 of each'): unpaired_dls(X, X[:3], 6)

# Each label stays its image's, whatever is done to batches, and wherever a run is taken up

class Paints(nn.Module):
    "A G whose images have the colour of their label, so that a fake can be told by the same rule as a real"
    def __init__(self, size=8): super().__init__(); self.size, self.w = size, nn.Parameter(torch.zeros(1))
    def forward(self, z, y):
        x = torch.stack([(60 + 60*y)/255, z[:, 0].sigmoid(), z[:, 1].sigmoid()], 1) + 0*self.w
        return x[:, :, None, None].expand(-1, -1, self.size, self.size)

class Notes(nn.Module):
    "A D that notes which label came with which class of image"
    def __init__(self, size=8): super().__init__(); self.f, self.seen = nn.Linear(3*size*size, 1), []
    def forward(self, x, y):
        if self.training: self.seen.append((red(x.detach()), y.clone(), x[0, 1, 0, 0].item()))
        return self.f(x.flatten(1))

def noting(dls, run=None, size=8, **kw): return GANLearner(dls, Paints(size), Notes(size), z_dim=4, range=(0, 1), seed=0, run=run, **kw)
def agrees(learn, at_least):
    seen = learn.D.seen
    assert len(seen) >= at_least
    for x, y, _ in seen: assert torch.equal(x, y)
    assert len({tuple(y.tolist()) for _, y, _ in seen}) > 2

CHANGES = dict(smaller=[('batch_size', dict(bs=5))], larger=[('batch_size', dict(bs=7))], scheduled=[('batch_size', dict(bs=linear(6, 3, 4)))], accumulated=[('grad_accumulation', dict(n=3))], several_d=[('n_critic', dict(n_d=3))],
               replay=[('replay_buffer', {})], r1=[('gradient_penalty', dict(gamma=linear(1, 2, 4)))], unrolled=[('unrolled', dict(steps=2))], extragradient=[('extragradient', {})], packing=[('packing', {})], top_k=[('top_k', {})],
               all=[('batch_size', dict(bs=5)), ('grad_accumulation', dict(n=2)), ('replay_buffer', {}), ('n_critic', dict(n_d=2)), ('ema', {})])

@pytest.mark.filterwarnings('ignore:the data has values from')
@pytest.mark.parametrize('name', CHANGES)
def test_labels_through_tricks(name):
    "Of loaders and of data in memory"
    for dls in (tuples(Y), in_memory(Y)):
        learn = noting(dls)
        for trick, params in CHANGES[name]: learn.tricks.on(trick, **params)
        learn.D.seen.clear()
        go(learn, 6)
        agrees(learn, 12)

@pytest.mark.filterwarnings('ignore:the data has values from')
@pytest.mark.parametrize('name', ['scheduled', 'all'])
@pytest.mark.parametrize('make', [lambda: tuples(Y), lambda: in_memory(Y), lambda: DataLoader(Rows(), 6, shuffle=True)], ids=['tuples', 'memory', 'dicts'])
@pytest.mark.part(2)
def test_labels_wherever_a_run_is_taken_up(name, make, tmp_path):
    "Resumed, rewound, forked and replayed: labels agree, and the states are one"
    kw = dict(x='image') if isinstance(make().dataset, Rows) else {}
    learn = noting(make(), tmp_path/'a', **kw)
    for trick, params in CHANGES[name]: learn.tricks.on(trick, **params)
    go(learn, 3)
    learn.pin()
    go(learn, 3)
    end = learn.state_hash()
    fork = learn.fork(3)
    go(fork, 3)
    learn.rewind(3)
    go(learn, 3)
    for o in (learn, fork): o.run.close()
    more = GANLearner.resume(tmp_path/'a', make(), Paints(), Notes(), step=3, progress=False)
    more.D.seen.clear()
    go(more, 3)
    more.run.close()
    again = Run.open(tmp_path/'a').replay(make(), Paints(), Notes(), progress=False)
    for o in (learn, fork, more, again):
        agrees(o, 6)
        assert o.state_hash() == end

@pytest.mark.filterwarnings('ignore:the data has values from')
def test_halved_samples_keep_what_comes_with_them():
    "Labels, and images that are halved for nobody; also in batches that do not divide"
    with pytest.warns(UserWarning, match='averaged down'): learn = noting(in_memory(Y), size=4)
    learn.tricks.on('batch_size', bs=5), learn.tricks.on('grad_accumulation', n=2)
    learn.D.seen.clear()
    go(learn, 6)
    agrees(learn, 12)
    assert learn.source.shape == (3, 4, 4) and torch.equal(red(learn.source.valid(2)), learn.source.valid_y(2))
    small = F.avg_pool2d(X, 4)
    with pytest.warns(UserWarning, match='averaged down'): learn = GANLearner(in_memory(small), *nets('image'), z_dim=0, range=(0, 1))
    learn.tricks.on('batch_size', bs=5)
    for i in range(6):
        x, y = learn.source.pair(i)
        assert x.shape == (5, 3, 4, 4) and y.shape == (5, 3, 2, 2) and torch.equal(red(x), red(y)) and torch.allclose(F.avg_pool2d(x, 2), y, atol=1e-6)
    go(learn, 2)

# On the command line

MINE = '''import torch
from torch import nn
from torch.utils.data import DataLoader
def rows(bs=6): return DataLoader([dict(picture=torch.full((1, 16, 16), (i % 3)/2), kind=i % 3) for i in range(24)], bs)
class G(nn.Module):
    def __init__(self, c=1): super().__init__(); self.z_dim, self.c, self.e, self.f = 4, c, nn.Embedding(3, 4), nn.Linear(4, 256*c)
    def forward(self, z, y): return self.f(z + self.e(y)).sigmoid().view(-1, self.c, 16, 16)
class D(nn.Module):
    def __init__(self, c=1): super().__init__(); self.e, self.f = nn.Embedding(3, 4), nn.Linear(256*c, 4)
    def forward(self, x, y): return (self.f(x.flatten(1))*self.e(y)).sum(1, keepdim=True)
def nets(): return G(), D()
def colour(): return G(3), D(3)
'''

@pytest.mark.filterwarnings('ignore:the data has values from')
def test_command_line(folder, tmp_path, monkeypatch, capsys):
    "Places in a batch, and classes by folders: trained, gone on with, replayed; in the script"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path/'feeds_of_mine.py').write_text(MINE)
    def done(line): return main(line.split()), *capsys.readouterr()
    assert done('train --data feeds_of_mine:rows --nets feeds_of_mine:nets --x picture --y kind --bs 6 --steps 3 --run a')[0] == 0
    assert done('train --nets feeds_of_mine:nets --data feeds_of_mine:rows --steps 5 --run a')[0] == 0
    assert done('replay a --nets feeds_of_mine:nets --data feeds_of_mine:rows')[0] == 0
    assert "x='picture', y='kind'" in Run.open('a').to_python('a.py').read_text()
    assert done(f'train --data {folder} --labels folder --nets feeds_of_mine:colour --size 16 --bs 6 --steps 3 --run b')[0] == 0
    code, out, err = done(f'replay b --data {folder} --nets feeds_of_mine:colour')
    assert code == 0 and 'bit for bit' in out, err
    assert "labels='folder'" in Run.open('b').to_python('b.py').read_text()
    code, _, err = done('train --data digits --labels folder --steps 1 --run c')
    assert code == 2 and '--data digits takes no --labels: leave that out' in err
    code, _, err = done('train --data digits --x image --steps 1 --run c')
    assert code == 2 and 'leave --x out' in err
