"Avatars, glyphs and Fashion-MNIST: what is drawn is what was asked for, and what is read off an image is what is there."
import gzip, json
import numpy as np, pytest, torch
from pathlib import Path
from PIL import Image
from project import ROOT
from ganlab.cli import main
from ganlab.data import (as_bytes, avatar_classes, avatar_coverage, avatar_factors, avatar_factors_of, avatar_labels, avatar_layout, avatar_pairs, avatar_pairs_dls, avatar_values, avatars,
                         avatars_dls, fashion_dls, glyph, glyph_faces, glyph_labels, glyphs, glyphs_dls, layout_image, visible_factors)
from ganlab.commands.parts import data_word, known_maker
from ganlab.engine.rng import Streams
from ganlab.record.run import Run
from ganlab.sources.fashion import read_idx
from ganlab.sources.glyphs import letters_and_digits
from ganlab.sources.labelled import labels_of

ATLAS = json.loads((ROOT/'ganlab'/'sources'/'atlas.json').read_text())
TILES = np.asarray(Image.open(ROOT/'ganlab'/'sources'/'atlas.png').convert('RGB')).astype(float)/255

def drawn_by_hand(f):
    "One face, pixel by pixel, from the two files alone"
    def color(name, i): return np.array([int(ATLAS['colors'][name][i][k:k+2], 16) for k in (1, 3, 5)])/255
    x, tile = np.tile(color('background', f['background_color']), (16, 16, 1)), 0
    for part in ATLAS['order']:
        names, first = ATLAS['variants'][part], tile
        tile += len(names)
        if f.get(part, 0) < 0: continue
        t = first + (names.index(avatar_values[part][f[part]]) if part != 'skin' else 0)
        source = dict(beard='hair', clothes='clothing').get(part, part)
        c = color(source, f[('clothes' if source == 'clothing' else source) + '_color'])
        alpha, share, white = np.moveaxis(TILES[t//12*16:t//12*16+16, t%12*16:t%12*16+16], 2, 0)[..., None]
        x = x*(1 - alpha) + share*c + white
    return (x*255).round().transpose(2, 0, 1)

# ---- drawing

def test_a_face_is_its_parts():
    f = avatar_factors(60, 4, dict(glasses=True, beard=True))
    x = avatars(f).numpy().astype(float)
    for i in range(60):
        assert abs(x[i] - drawn_by_hand({k: int(v[i]) for k, v in f.items()})).max() <= 1      # a half may be rounded either way
    assert abs(x - np.stack([drawn_by_hand({k: int(v[i]) for k, v in f.items()}) for i in range(60)])).mean() < .01

def test_every_drawing_is_another():
    "So that each of the 202 values can be told from the others of its factor"
    for factor, names in avatar_values.items():
        part = factor.removesuffix('_color')
        there = {part: 0} if part in ('glasses', 'hat', 'accessories') else {}
        x = avatars(dict(hair=0 if part == 'hair' else -1) | there | {factor: range(len(names))})
        assert len(x.flatten(1).unique(dim=0)) == len(names), factor

def test_lots():
    "The seed says all; each factor has a stream of its own; values and shares are those that were promised"
    f = avatar_factors(4000, 1)
    assert all(torch.equal(f[k], avatar_factors(4000, 1)[k]) for k in f) and not torch.equal(f['hair'], avatar_factors(4000, 2)['hair'])
    for k, v in f.items(): assert set(v.tolist()) - {-1} == set(range(len(avatar_values[k]))), k
    assert f['hair'].bincount().float().std() < 3*(4000/45)**.5/2
    assert torch.equal(f['glasses'] < 0, f['glasses_color'] < 0)
    narrow = avatar_factors(4000, 1, dict(hair_color=[2, 9], hat=False, beard=3))
    assert set(narrow['hair_color'].tolist()) == {2, 9} and narrow['hat'].max() < 0 and set(narrow['beard'].tolist()) == {3}
    assert [k for k in f if not torch.equal(f[k], narrow[k])] == ['beard', 'hat', 'hair_color', 'hat_color']

@pytest.mark.parametrize('call,words', [
    (lambda: avatars(dict(hair=1.5)), 'hair=1.5; need whole numbers from 0 to 44'), (lambda: avatars(dict(hair=True)), 'hair=True'), (lambda: avatars(dict(eyes=[0, 12])), 'from 0 to 11'),
    (lambda: avatars({}, 'dusk'), "palette='dusk'; need one of day, night"), (lambda: avatar_factors(5, only=dict(hair=-1)), 'from 0 to 44'), (lambda: avatar_factors(5, only=dict(hair=True)), 'hair'),
    (lambda: avatar_factors(5, only=dict(hat=[])), 'True or False'), (lambda: avatar_labels({}, 'nose'), "labels='nose'; need one or several of accessories"), (lambda: avatars_dls(n=3), 'n=3'),
    (lambda: avatar_factors_of(torch.zeros(2, 3, 32, 32)), 'need avatars'), (lambda: avatar_pairs('x'), 'glasses, night, layout'), (lambda: glyph_labels({}, 'size'), 'char, face'),
    (lambda: glyphs(chars='あ'), 'have none of them'), (lambda: glyphs_dls(size=4), 'size=4')])
def test_refused(call, words):
    with pytest.raises(ValueError) as e: call()
    assert words in str(e.value)

# ---- labels

def test_labels():
    f = avatar_factors(500, 3)
    assert torch.equal(avatar_labels(f, 'hair'), f['hair']) and torch.equal(avatar_labels(f, 'hat'), f['hat'] + 1)
    y = avatar_labels(f, ['hair_color', 'glasses'])
    assert y.shape == (500, 26) and torch.equal(y[:, :11].argmax(1), f['hair_color']) and torch.equal(y[:, 11:].argmax(1), f['glasses'] + 1) and (y.sum(1) == 2).all()
    assert avatar_labels(f, None) is None and {k: len(v) for k, v in avatar_classes(['hair_color', 'glasses']).items()} == dict(hair_color=11, glasses=15)
    unknown = labels_of(dict(a=torch.tensor([-1, 1])), dict(a='pq'), ['a'])
    assert unknown.tolist() == [[0, 0], [0, 1]]

def test_every_label_is_its_samples():
    "Through shuffling and splitting, and in a script"
    dls = avatars_dls(n=150, bs=20, labels=['hair_color', 'hat'], only=dict(hat=True))
    for i in (0, 5, 9):
        x, y = dls.train.batch(i, Streams(3)), dls.train.given(i, Streams(3))
        seen, _ = avatar_factors_of(x)
        told = seen['hair_color'] >= 0
        assert torch.equal(y[:, :11].argmax(1)[told], seen['hair_color'][told]) and torch.equal(y[:, 11:].argmax(1) - 1, seen['hat'])
    assert dls.made_by[1]['labels'] == ['hair_color', 'hat'] and torch.equal(known_maker(dls.made_by, 'data', '--data')().train.y, dls.train.y)
    dls = glyphs_dls(n=100, bs=10, size=16, chars='XO', labels='char')
    x, y = dls.train.batch(2, Streams(3)), dls.train.given(2, Streams(3))
    ims, known = glyphs(100, 16, chars='XO')
    which = [(ims == o).flatten(1).all(1).nonzero().item() for o in as_bytes(x)]
    assert torch.equal(known['char'][which], y)

def test_pairs_come_together():
    dls = avatar_pairs_dls('glasses', n=100, bs=10, range=(0, 1))
    x, y = (avatar_factors_of(o, range=(0, 1))[0] for o in (dls.train.batch(2, Streams(1)), dls.train.given(2, Streams(1))))
    assert (x['glasses'] >= 0).all() and (y['glasses'] < 0).all() and torch.equal(x['clothes'], y['clothes']) and torch.equal(x['mouth'], y['mouth'])
    assert torch.equal(known_maker(dls.made_by, 'data', '--data')().train.y, dls.train.y)

# ---- reading

@pytest.mark.parametrize('palette,only', [('day', None), ('day', dict(glasses=True, beard=True)), ('day', dict(hat=True, accessories=True)), ('night', None)])
def test_what_is_read_draws_the_same_image(palette, only):
    f = avatar_factors(150, 11, only)
    x = avatars(f, palette)
    found, residual = avatar_factors_of(x, palette)
    assert torch.equal(avatars(found, palette), x) and residual.max() < .5
    seen = visible_factors(f)
    assert torch.equal(avatars(seen, palette), x)
    assert sum((found[k] == seen[k]).float().mean() for k in f)/17 > .98       # under a hat two haircuts may look the same

def test_what_cannot_be_seen_is_not_told():
    "A hat hides short hair: neither it nor its colour is there, unless a beard shows the colour"
    found, _ = avatar_factors_of(avatars(dict(hat=range(10), hair=30, hair_color=3, beard=[-1]*10)))
    hidden = visible_factors({k: v.clone() for k, v in found.items()})
    assert all(torch.equal(hidden[k], found[k]) for k in found) and (found['hat'] == torch.arange(10)).all() and (found['glasses'] < 0).all()
    bald = found['hair'] < 0
    assert bald.any() and (found['hair_color'][bald] < 0).all()
    bearded = visible_factors(avatar_factors(300, 2, dict(hat=True, beard=True)))
    assert (bearded['hair_color'][bearded['hair'] < 0] >= 0).all()

def test_reading_with_noise_and_in_another_range():
    f = visible_factors(avatar_factors(40, 8))
    x = avatars(f)/127.5 - 1 + torch.randn(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))*16/127.5
    found, residual = avatar_factors_of(x)
    assert sum((found[k] == f[k]).float().mean() for k in f)/17 > .93 and 10 < residual.mean() < 17
    again, same = avatar_factors_of((x + 1)/2, range=(0, 1))
    assert torch.allclose(residual, same, atol=1e-2) and sum((again[k] == found[k]).float().mean() for k in f)/17 > .999

def test_coverage_is_a_count():
    f = avatar_factors(120, 9)
    x = torch.cat([avatars(f)/127.5 - 1, torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(1))*2 - 1])
    c, seen = avatar_coverage(x), visible_factors(f)
    assert c.faces == .75 and c.counts['hair_color'].tolist() == seen['hair_color'][seen['hair_color'] >= 0].bincount(minlength=11).tolist()
    assert c.found == sum(int((v > 0).sum()) for v in c.counts.values()) and f'{c.found} of 202' in repr(c)
    assert avatar_coverage(x[:0]).found == 0 and avatar_coverage(avatars(dict(hair=[3]*5))).found == 10      # clothes, eyes, mouth and hair, their colours, skin and background

# ---- pairs

def test_pairs_differ_in_one_thing():
    bare, worn = avatar_pairs('glasses', 60, 1)
    before, after = avatar_factors_of(bare)[0], avatar_factors_of(worn)[0]
    assert (before['glasses'] < 0).all() and (after['glasses'] >= 0).all() and torch.equal(before['clothes'], after['clothes']) and torch.equal(before['mouth'], after['mouth'])
    day, night = avatar_pairs('night', 60, 1)
    assert night.float().mean() < .5*day.float().mean() and torch.equal(avatar_factors_of(day)[0]['clothes'], avatar_factors_of(night, 'night')[0]['clothes'])
    plan, face = avatar_pairs('layout', 60, 1)
    f = avatar_factors(60, 1)
    assert torch.equal(face, avatars(f)) and torch.equal(plan, layout_image(avatar_layout(f)))
    assert avatar_layout({})[0, 15, 7] == 3 and torch.equal(avatar_layout(f) == 0, avatar_layout(f | dict(background_color=torch.zeros(60).long())) == 0)

# ---- as DataLoaders, and by name

@pytest.mark.parametrize('make,shape', [(lambda **kw: avatars_dls(n=200, bs=16, **kw), (3, 16, 16)), (lambda **kw: glyphs_dls(n=200, bs=16, size=16, **kw), (1, 16, 16))], ids=['avatars', 'glyphs'])
def test_loaders(make, shape):
    dls = make()
    x = dls.one_batch()
    assert x.shape == (16, *shape) and x.dtype == torch.float32 and x.min() >= -1 and x.max() <= 1 and (dls.train.n, dls.valid.n) == (180, 20)
    assert torch.equal(make().train.x, dls.train.x) and not torch.equal(make(seed=1).train.x, dls.train.x)
    assert torch.allclose(make(range=(0, 1)).one_batch()*2 - 1, x, atol=1e-6) and make(range=(0, 1)).made_by[1]['range'] == (0, 1)
    assert dls.show_batch(4)._repr_png_()

def test_a_script_makes_them_again():
    dls = avatars_dls(n=100, bs=8, only=dict(hair=range(3), hat=False), palette='night')
    name, args = dls.made_by
    assert name == 'avatars_dls' and args['only'] == dict(hair=[0, 1, 2], hat=False) and json.loads(json.dumps(args)) == args
    assert torch.equal(known_maker(dls.made_by, 'data', '--data')().train.x, dls.train.x)
    dls = glyphs_dls(n=60, bs=8, size=16, chars='xyz', faces=('cmr10', 'DejaVuSans'))
    assert torch.equal(known_maker(json.loads(json.dumps(dls.made_by)), 'data', '--data')().train.x, dls.train.x)

@pytest.mark.parametrize('data,more', [('avatars', ''), ('glyphs', '--size 16')])
@pytest.mark.part(2)
def test_command_line(data, more, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(f'train --data {data} {more} --bs 8 --width 4 --steps 2 --run a'.split()) == 0
    assert main('replay a'.split()) == 0 and 'bit for bit' in capsys.readouterr().out
    assert main(f'train --data {data} --size 16 --steps 3 --run a'.split()) == 0 and main('sample a -n 2'.split()) == 0
    assert f'dls = {data}_dls(bs=8' in Run.open('a').to_python('a.py').read_text()

def test_avatars_come_in_one_size(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main('train --data avatars --size 32 --steps 2 --run a'.split()) == 2
    assert '--data avatars has images of 16 by 16 pixels: leave --size out' in capsys.readouterr().err and not Path('a').exists()

def test_the_parts_are_in_the_package_with_their_licence():
    "And nothing of them is a megabyte"
    there = {p.name: p.stat().st_size for p in (ROOT/'ganlab'/'sources').glob('atlas.*')}
    assert set(there) == {'atlas.png', 'atlas.json', 'atlas.LICENSE.txt'} and there['atlas.png'] + there['atlas.json'] < 6000
    assert 'CC0 1.0' in (ROOT/'ganlab'/'sources'/'atlas.LICENSE.txt').read_text()

# ---- glyphs

def test_glyphs_are_what_their_labels_say():
    x, known = glyphs(80, 24, seed=2)
    heights = range(14, 23)
    for im, c, f in zip(x[:, 0].numpy(), known['char'].tolist(), known['face'].tolist()):
        may = [glyph(letters_and_digits[c], glyph_faces[f], h, 24) for h in heights]
        assert any(o is not None and (o == im).all() for o in may)
    assert len(x.flatten(1).unique(dim=0)) == 80 and x.amax((1, 2, 3)).min() > 120

def test_glyphs_stand_in_the_middle():
    "A dot and a comma, too; none is cut off"
    for char in 'Wgj.,Ö':
        for face in ('DejaVuSans-Bold', 'STIXGeneralItalic'):
            rows, cols = np.nonzero(glyph(char, face, 20) > 60)
            assert abs(rows.min() + rows.max() - 31) <= 3 and abs(cols.min() + cols.max() - 31) <= 3, (char, face)
    assert glyph('W', 'DejaVuSans-Bold', 30, 24) is None

def test_every_face_has_letters_and_digits():
    for face in glyph_faces: assert all(glyph(c, face, 14) is not None for c in letters_and_digits), face
    x, known = glyphs(100_000, 12, chars='ab')
    assert len(x) <= 2*21*5 and known['char'].max() == 1 and set(known['face'].tolist()) == set(range(21))

# ---- Fashion-MNIST

def written(folder, name, x):
    head = bytes([0, 0, 8, x.ndim]) + b''.join(n.to_bytes(4, 'big') for n in x.shape)
    Path(folder, f'{name}-ubyte.gz').write_bytes(gzip.compress(head + x.tobytes()))

@pytest.fixture
def folder(tmp_path):
    r = np.random.default_rng(0)
    for name, n in (('train', 30), ('t10k', 12)):
        written(tmp_path, f'{name}-images-idx3', r.integers(0, 256, (n, 28, 28), np.uint8))
        written(tmp_path, f'{name}-labels-idx1', r.integers(0, 10, n, np.uint8))
    return tmp_path

def test_fashion(folder, monkeypatch):
    raw = np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8)
    dls = fashion_dls(bs=4, path=folder)
    assert (dls.train.n, dls.valid.n, dls.train.x.shape[1:]) == (30, 12, (1, 32, 32)) and (dls.train.x[:, 0, 2:30, 2:30].numpy() == raw).all() and dls.train.x[:, :, :2].max() == 0
    assert (fashion_dls(bs=4, size=28, path=folder).train.x[:, 0].numpy() == raw).all() and fashion_dls(bs=4, size=16, path=folder).train.x.shape[1:] == (1, 16, 16)
    monkeypatch.setattr('ganlab.sources.fashion.fashion_folder', str(folder))
    assert fashion_dls(bs=4).made_by == ('fashion_dls', dict(bs=4, size=32, seed=0)) and torch.equal(fashion_dls(bs=4).train.x, dls.train.x)

def test_fashion_has_classes(folder):
    dls = fashion_dls(bs=4, path=folder)
    assert dls.train.y.dtype == torch.int64 and (len(dls.train.y), len(dls.valid.y)) == (30, 12) and torch.equal(dls.train.y, read_idx(folder/'train-labels-idx1-ubyte.gz').long())

def test_a_runs_folder_reads_no_other_folder(folder):
    "Where the files lie is said by whoever starts it"
    made_by = fashion_dls(bs=4, path=folder).made_by
    assert made_by[1]['path'] == str(folder) and data_word(made_by) is None
    with pytest.raises(ValueError, match="may not call"): known_maker(made_by, 'data', '--data')

@pytest.mark.parametrize('raw,words', [(b'\0\0\x0d\x01\0\0\0\x02ab', 'no IDX file of bytes'), (b'\0\0\x08\x01\0\0\0\x05ab', 'another length'), (b'', 'no IDX file')])
def test_no_fashion(raw, words, folder):
    (folder/'train-images-idx3-ubyte.gz').write_bytes(gzip.compress(raw))
    with pytest.raises(ValueError, match=words): fashion_dls(path=folder)
    with pytest.raises(ValueError, match='apt install dataset-fashion-mnist'): fashion_dls(path=folder/'no')
