"A run as a file: its size, what it holds, and that what it holds stays text."
import re, threading
from html.parser import HTMLParser
import numpy as np, pytest, torch
from torch import nn
from ganlab.data import digits_dls, ring_dls, tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.page.document import JS_PAGE, CSS_PAGE, make_page, read_page
from ganlab.player import export_html, what_if
from ganlab.record.store import RunError
from ganlab.record.run import Run
from ganlab.page.scene import flags_of
from ganlab.page.small import coarser, smaller
from ganlab.page.strands import choose
from ganlab.trick import Trick
from recorded import EVIL, digits, fit, hostile, ring

@pytest.fixture(scope='module')
def told(tmp_path_factory):
    "A run on disk with some changes and a rewound tail, closed"
    learn = fit(ring(tmp_path_factory.mktemp('runs')/'told'), 40)
    learn.tricks.on('instance_noise', sigma=.2)
    fit(learn, 40).rewind(60)
    fit(learn, 33)
    learn.set_loss('hinge')
    fit(learn, 10)
    learn.run.close()
    return learn.run.folder

@pytest.fixture(scope='module')
def images():
    learn = fit(digits(), 10)
    learn.tricks.on('ema')
    return fit(learn, 10)

def story(path): return read_page(path.read_text(encoding='utf-8'))

def test_the_newest_flags():
    changes = [ring().tricks.change('set', 'ttur', dict(lr_d=1e-4)) for _ in range(3)]
    for i, c in enumerate(changes): c.step = i
    assert [f[0] for f in flags_of(changes, 2)] == [1, 2] and [f[0] for f in flags_of(changes, 9)] == [0, 1, 2]

# Frames

@pytest.mark.parametrize('n,most,at', [(1, 2, []), (2, 2, []), (10, 2, [5]), (100, 7, []), (100, 20, [13, 14, 500]), (500, 40, range(0, 1000, 3)), (30, 1, [3])])
def test_choose(n, most, at):
    steps = np.unique(np.r_[0, 1, 2, 5, np.arange(10, 10*n, 10)])[:n]
    out = choose(steps, most, at)
    assert out == sorted(set(out)) and len(out) == min(n, max(2, most)) and {0, n - 1} <= set(out)
    if 4*len(list(at)) <= most:
        for c in at: assert {max(0, np.searchsorted(steps, c, 'right') - 1), min(n - 1, np.searchsorted(steps, c, 'right'))} <= set(out)

def test_choose_is_even():
    gaps = np.diff(np.arange(1000)[choose(range(1000), 65)])
    assert gaps.max() <= 2*gaps.min() + 1

def test_coarser():
    y = np.add.outer(np.arange(48.), 2*np.arange(48.)).ravel()          # a plane stays the plane
    out = coarser(y, .5).reshape(24, 24)
    at = np.linspace(0, 47, 24)
    assert np.allclose(out, np.add.outer(at, 2*at), atol=1e-3) and coarser(y, 1) is y

# A run

def test_what_is_in_it(told, tmp_path):
    s, blob = story(export_html(told, tmp_path/'a.html'))
    b, = s['branches']
    frames = Run.open(told).frames()
    assert s['title'] == 'told' and s['about'].startswith('103 steps on ring') and s['kind'] == 'points' and not s['prob'] and 'real' not in s
    assert [f['step'] for f in b['frames']] == [f['step'] for f in frames] and len(s['centers']) == 8
    assert [(c['step'], c['who'], c['what'], c['values']) for c in s['log']] == [(40, 'Instance noise', 'on', 'σ 0.2'), (93, 'Hinge loss', 'on', '')]
    assert b['flags'] == [[40, 'on', 'Instance noise'], [93, 'set', 'Hinge loss']] and s['ghosts'] == [[60, 80]] and 0 in s['snapshots']
    assert [f['raw'] for f in b['frames']] == [f['step'] >= 93 for f in b['frames']]
    at, n, unit = b['frames'][-1]['fake']
    was = np.frombuffer(frames[-1]['fake'], np.float32)
    assert np.abs(np.frombuffer(blob[at:at + n], '<i2')*unit - was).max() < frames[-1]['extent']/4000
    at, n, lo, hi = b['frames'][-1]['heat']
    heat = np.frombuffer(frames[-1]['heat'], np.float32)
    assert np.abs(lo + np.frombuffer(blob[at:at + n], np.uint8)/255*(hi - lo) - heat).max() <= (hi - lo)/500
    at, n = b['curves']
    k, _, _ = np.frombuffer(blob[at:at + 12], np.float32)
    assert k == 103

def test_images_stay_as_they_are(images, tmp_path):
    s, blob = story(export_html(images, tmp_path/'a.html'))
    frames = images.run.frames()
    assert (s['kind'], s['grids'], s['real'][2:]) == ('images', [dict(cols=8, count=64, rows=[], names=[])], [2, 8])
    for f, was in zip(s['branches'][0]['frames'], frames): assert blob[f['fake'][0]:sum(f['fake'])] == was['fake']

def test_a_learner_as_it_stands(tmp_path):
    learn = fit(ring(), 13)
    was, frames = learn.state_hash(), len(learn.run.frames())
    s, _ = story(export_html(learn, tmp_path/'a.html'))
    assert s['branches'][0]['frames'][-1]['step'] == 13 and 'real' in s and s['title'] == 'A run in memory'
    assert learn.state_hash() == was and len(learn.run.frames()) == frames
    assert 'real' in story(export_html(fit(ring(tmp_path/'r'), 3).run, tmp_path/'b.html'))[0]

def test_while_it_trains(tmp_path):
    learn = ring()
    t = threading.Thread(target=learn.fit_steps, args=(400,), kwargs=dict(progress=False)); t.start()
    try: files = [export_html(learn, tmp_path/f'{i}.html') for i in range(3)]
    finally: t.join()
    other = fit(ring(), 400)
    assert learn.state_hash() == other.state_hash() and all(story(f)[0]['branches'][0]['frames'] for f in files)

def test_a_closed_run(told, tmp_path):
    "From its folder, from the run that was closed, and with the data's reals"
    learn = fit(ring(tmp_path/'r'), 12)
    learn.run.close()
    assert story(export_html(learn, tmp_path/'a.html'))[0]['branches'][0]['frames'][-1]['step'] == 12
    run = Run.open(told)
    run.close()
    assert story(export_html(run, tmp_path/'b.html', dls=ring_dls(n=500, bs=16)))[0]['real'][1] == 2*2*50

@pytest.mark.parametrize('make', [lambda: GANLearner(tensor_dls(torch.randn(64, 1), 8), *mlp(dim=1, z_dim=2, width=8, depth=1), seed=0), lambda: ring()])
def test_little_to_show(make, tmp_path):
    "No step yet, no picture of such a sample, no frames wanted"
    learn = make()
    assert story(export_html(learn, tmp_path/'a.html'))[0]['branches'][0]['steps'] == 0
    learn.run.frame_every = 0
    s, _ = story(export_html(fit(learn, 3), tmp_path/'b.html'))
    assert s['branches'][0]['steps'] == 3 and s['branches'][0]['frames']

# Sizes

@pytest.mark.parametrize('mb', [8, .4, .2, .15])
def test_sizes(told, images, tmp_path, mb):
    for run in (told, images):
        path = export_html(run, tmp_path/'a.html', max_mb=mb, force=True)
        assert path.stat().st_size <= mb*1e6
        s, _ = story(path)
        steps = [f['step'] for f in s['branches'][0]['frames']]
        assert len(steps) >= 2 and steps[0] == 0 and steps[-1] == s['branches'][0]['steps']

def test_frames_at_changes_stay(told, tmp_path):
    steps = lambda **kw: [f['step'] for f in story(export_html(told, tmp_path/'a.html', force=True, **kw))[0]['branches'][0]['frames']]
    known, few = np.array(steps()), steps(frames=8)
    assert len(few) == 8 < len(known)
    for c in (40, 93): assert {known[known <= c].max(), known[known > c].min()} <= set(few)

def test_a_long_run(tmp_path):
    "Its size does not grow with its steps, and what is drawn of it is what happened"
    learn = ring()
    g = np.random.default_rng(0)
    n = 120_000
    learn.record.fill(learn.record.columns, g.random((len(learn.record.columns), n), dtype=np.float32), n)
    learn.record.array('step')[:] = np.arange(1, n + 1)
    learn.record.array('g_grad_norm')[77_777] = 5000
    learn.step = n
    s, blob = story(export_html(learn, tmp_path/'a.html'))
    at, size = s['branches'][0]['curves']
    f = np.frombuffer(blob[at:at + size], np.float32)
    assert size < 100_000 and np.isclose(f, 5000).sum() == 1

@pytest.mark.parametrize('kw,word', [(dict(max_mb=.02), 'max_mb=0.02 is too little'), (dict(max_mb=0), 'above 0'), (dict(max_mb='x'), 'above 0'), (dict(max_mb=float('nan')), 'above 0'), (dict(frames=1), 'frames')])
def test_sizes_refused(told, tmp_path, kw, word):
    with pytest.raises(ValueError, match=re.escape(word)) as e: export_html(told, tmp_path/'a.html', **kw)
    assert '\n' not in str(e.value) and not list(tmp_path.iterdir())

@pytest.mark.parametrize('run,path,word', [('nowhere', 'a.html', 'holds no run'), (7, 'a.html', 'is not a folder')])
def test_mistakes(run, path, word):
    with pytest.raises(ValueError, match=word): export_html(run, path)

def test_same_run_same_bytes(told, images, tmp_path):
    for i, run in enumerate((told, images)):
        a, b = (export_html(run, tmp_path/f'{i}{n}.html', max_mb=.3).read_bytes() for n in 'ab')
        assert a == b
    one, two = (export_html(fit(ring(), 15), tmp_path/f'{n}.html').read_bytes() for n in 'ab')
    assert one == two

def test_smaller():
    import io
    from PIL import Image
    out = io.BytesIO(); Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(out, 'JPEG', quality=85)
    was = out.getvalue()
    sizes = [len(smaller(was, *o)) for o in ((None,), (75,), (45,), (45, .5))]
    assert smaller(was) is was and sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0]/4

# What is text stays text

class Tags(HTMLParser):
    "The elements of a page, as a browser sees them"
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.data, self.at = [], {}, None
        self.feed(text)
    def handle_starttag(self, tag, attrs): self.tags.append((tag, dict(attrs))); self.at = tag
    def handle_data(self, data): self.data[self.at] = self.data.get(self.at, '') + data

def plain(text):
    "Is it the player's page, and nothing else?"
    tags = Tags(text)
    assert [t for t, _ in tags.tags] == 'html head meta meta meta meta link title style body div noscript script script script'.split()
    assert not any(k.startswith('on') or k == 'style' for _, attrs in tags.tags for k in attrs)
    assert [a.get('src', a.get('href')) for t, a in tags.tags if 'src' in a or 'href' in a] == ['data:,']
    return tags

def test_escaped(tmp_path):
    learn = hostile(tmp_path/'a<img src=x onerror=window.hit=1>')
    text = export_html(learn, tmp_path/'a.html').read_text(encoding='utf-8')
    assert plain(text).data['title'].strip() == 'a<img src=x onerror=window.hit=1>'
    s, _ = read_page(text)
    assert EVIL in s['log'][0]['who'] and EVIL[:40] in s['log'][1]['values']
    text = export_html(learn, tmp_path/'b.html', title=EVIL).read_text(encoding='utf-8')
    assert read_page(text)[0]['title'] == EVIL
    plain(text)
    learn.run.close()

def test_policy():
    "One script and one style sheet, by their hash; no address"
    import base64, hashlib
    text = make_page(dict(title='x'))
    csp = next(a['content'] for t, a in plain(text).tags if a.get('http-equiv'))
    sha = lambda s: f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'"
    assert f"default-src 'none'; script-src {sha(JS_PAGE)}; style-src {sha(CSS_PAGE)}; img-src data: blob:" in csp and 'unsafe' not in csp
    assert not re.search(r'innerHTML(?! = `<svg)|insertAdjacentHTML|document\.write|\beval\(|new Function', JS_PAGE)

def test_damaged_frames(told, tmp_path):
    import shutil, sqlite3
    shutil.copytree(told, tmp_path/'r')
    for data, head in ((b'abc', None), (None, '{"kind": "points", "step": 3}'), (None, '{"kind": "images", "step": 3, "cols": 0, "count": 5, "fake": {"at": 0, "n": 3}}'), (None, '{"kind": {"x": 1}, "step": 3}')):
        with sqlite3.connect(tmp_path/'r'/'run.sqlite') as db:
            db.execute('update frames set data=coalesce(?, data), head=coalesce(?, head) where step=(select max(step) from frames)', (data, head))
        db.close()
        try: plain(export_html(tmp_path/'r', tmp_path/'a.html', force=True).read_text())
        except RunError as e: assert 'nothing was written' in str(e)

# What if

def test_every_combination(tmp_path):
    learn = fit(ring(tmp_path/'r'), 20)
    was, beside = learn.state_hash(), sorted(tmp_path.iterdir())
    w = what_if(learn, {'gradient_penalty': {'gamma': 1}, 'instance_noise': {}}, steps=20, frames=5, progress=False)
    assert learn.state_hash() == was and sorted(tmp_path.iterdir()) == beside and set(w.branches) == {(a, b) for a in (False, True) for b in (False, True)}
    fit(learn, 20)
    assert w[()].state_hash() == learn.state_hash()
    assert len({w[on].state_hash() for on in ((), 'gradient_penalty', 'instance_noise', ('instance_noise', 'gradient_penalty'))}) == 4
    s, _ = story(w.export_html(tmp_path/'w.html'))
    assert [b['on'] for b in s['branches']] == [[False, False], [True, False], [False, True], [True, True]] and s['start'] == 20
    assert all([f['step'] for f in b['frames']] == [20, 25, 30, 35, 40] for b in s['branches']) and max(f['step'] for f in s['past']) < 20
    assert [t['name'] for t in s['switches']] == ['gradient_penalty', 'instance_noise'] and s['switches'][0]['values'] == 'γ 1'
    assert export_html(w, tmp_path/'v.html').read_bytes() == (tmp_path/'w.html').read_bytes()
    assert list(w.outcome.columns) == ['gradient_penalty', 'instance_noise', 'modes', 'd_grad_norm', 'g_grad_norm'] and len(w.outcome) == 4
    learn.run.close()

def test_common_random_numbers():
    "The first fakes of two branches are the same: same weights, same latents"
    w = what_if(fit(ring(), 10), ['instance_noise'], steps=4, frames=2, progress=False)
    a, b = (o.frames for o in w.branches.values())
    assert a[0]['fake'] == b[0]['fake'] and a[1]['fake'] != b[1]['fake']

def test_tricks_that_are_on():
    learn = fit(ring(tricks=['instance_noise']), 5)
    w = what_if(learn, {'instance_noise': {'sigma': .3}}, steps=3, frames=2, progress=False)
    assert not w[()].tricks['instance_noise'].enabled and w['instance_noise'].tricks['instance_noise'].sigma == .3 and learn.tricks['instance_noise'].sigma == .1

def test_what_cannot_be(tmp_path):
    "Two that exclude each other, and one that breaks the training: told, and the rest goes on"
    class Bomb(Trick):
        name, title, number = 'bomb', 'Bomb', 998
        def d_term(self, ctx): return ctx.l_real.sum()*(float('nan') if ctx.step > 12 else 0.)
    learn = fit(ring(tricks=()), 10)
    learn.tricks.add(Bomb)
    w = what_if(learn, ['wgan_gp', 'label_smoothing', 'bomb'], steps=6, frames=7, progress=False)
    s, _ = story(w.export_html(tmp_path/'w.html'))
    by = {tuple(b['on']): b for b in s['branches']}
    assert by[True, True, False]['why'] and not by[True, False, False]['why'] and not by[False, True, False]['why']
    assert by[False, False, True]['error'] and by[False, False, True]['frames'][-1]['step'] < 16 == by[False, False, False]['frames'][-1]['step']

@pytest.mark.parametrize('call,word', [(lambda l: what_if(l, []), '1 to 4'), (lambda l: what_if(l, ['no_such']), 'no trick'), (lambda l: what_if(l, {'ema': dict(no=1)}), 'no parameter'), (lambda l: what_if(l, ['ema'], steps=0), 'steps'), (lambda l: what_if(7, ['ema']), 'GANLearner')])
def test_what_if_mistakes(call, word):
    with pytest.raises(ValueError, match=word): call(ring())

def test_networks_that_cannot_be_copied():
    class Once(nn.Linear):
        def __deepcopy__(self, memo): raise TypeError('no')
    make = lambda: (nn.Sequential(nn.Linear(2, 8), nn.ReLU(), Once(8, 2)), nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)))
    torch.manual_seed(0)
    learn = GANLearner(ring_dls(n=200, bs=16), *make(), z_dim=2, seed=0)
    with pytest.raises(ValueError): what_if(learn, ['instance_noise'], steps=2, frames=2, progress=False)
    assert len(what_if(learn, ['instance_noise'], steps=2, frames=2, nets=make, progress=False).branches) == 2

def test_other_data(tmp_path):
    "Data of another shape than the run's is refused, and nothing is written"
    learn = GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=2, seed=0), seed=0, run=tmp_path/'r')
    learn.fit_steps(3, progress=False); learn.run.close()
    with pytest.raises(ValueError, match=r'shape \(1, 16, 16\), and the run was trained on \(2,\)'): export_html(tmp_path/'r', tmp_path/'r.html', dls=digits_dls(bs=16, size=16))
    assert not (tmp_path/'r.html').exists() and export_html(tmp_path/'r', tmp_path/'r.html', dls=ring_dls(n=500, bs=16)).exists()

def test_what_if_keeps_one_snapshot(tmp_path):
    "However many branches: one snapshot of where they part, and the learner as it was"
    learn = GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=2, seed=0), seed=0, run=tmp_path/'r')
    learn.fit_steps(6, progress=False)
    here = learn.state_hash()
    what_if(learn, ['ttur', 'instance_noise'], steps=4, frames=2, progress=False)
    assert [s['step'] for s in learn.run.snapshots].count(6) == 1 and learn.state_hash() == here

def test_a_tail_that_is_longer(tmp_path):
    "What a rewind left is drawn whole, where it went further than the line that stayed"
    learn = GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=2, seed=0), seed=0)
    learn.fit_steps(30, progress=False); learn.rewind(10); learn.fit_steps(5, progress=False)
    story, _ = read_page(export_html(learn, tmp_path/'r.html').read_text(encoding='utf-8'))
    assert story['ghosts'] == [[10, 30]] and story['branches'][0]['steps'] == 15

def test_no_frames(tmp_path, monkeypatch):
    "`frame_every = 0`: not one picture is recorded, and the page goes through all steps without them"
    monkeypatch.setattr(Run, 'frame_every', 0)
    learn = GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=2, seed=0), seed=0, run=tmp_path/'r')
    learn.fit_steps(50, progress=False); learn.tricks.on('ttur'); learn.fit_steps(10, progress=False)
    learn.run.close()
    assert Run.open(tmp_path/'r').frames() == []
    story, _ = read_page(export_html(tmp_path/'r', tmp_path/'r.html').read_text(encoding='utf-8'))
    assert story['kind'] == 'none' and [f['step'] for f in story['branches'][0]['frames']][-1] == 60 and len(story['branches'][0]['frames']) > 40
