"What is seen of a training, in the panel and in figures: the words, the buttons, the pictures."
import io
from itertools import combinations
from types import SimpleNamespace
import numpy as np, pytest, torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from ganlab.catalogue import catalogue
from ganlab.commands.look import draw_frame
from ganlab.judge.one_sample import crop
from ganlab.compare import ab
from ganlab.data import plain_edge, tensor_dls, tile_images, with_margin
from ganlab.learner import GANLearner
from ganlab.engine.scalars import Record
from ganlab.nets import dcgan
from ganlab.panels.state import trick_row
from ganlab.panels.timeline import rows_at, thumbnail
from ganlab.panels.tricks import TrickPanel
from ganlab.panels.versus import advice, card, wish
from ganlab.record.grids import jpeg_grid, paper_of
from ganlab.record.pictures import Pictures
from ganlab.plots import plot_columns, plot_samples
from ganlab.trick import effect_words, effects, find_tricks

def small(**kw): return GANLearner(tensor_dls(torch.rand(40, 1, 16, 16)*2 - 1, 8), *dcgan(16, 1, z_dim=4, width=2, seed=0), seed=0, **kw)

def test_one_vocabulary():
    "What a switch does is said in one table, and by the panel, its past and the table of tricks in its words"
    assert set(effects) == set(effect_words) == {'now', 'reweights', 'grows'}
    assert all('outputs' in short and long.endswith('.') and short != effect for effect, (short, long) in effect_words.items())
    learn = small()
    panel = TrickPanel(learn)
    assert panel.effects == [[effect, *said] for effect, said in effect_words.items()]
    for rows in (panel.rows, rows_at(learn, 0)): assert {r['effect'] for r in rows} <= set(effects)
    assert not any(short in code for code in (panel._esm, panel._css) for short, _ in effect_words.values())
    column = {line.split(' | ')[2] for line in catalogue().splitlines() if line.startswith('| [')}
    assert column == {effect_words[t().effect()][0] for t in find_tricks()}

def test_a_row_that_is_off_says_nothing_of_now():
    "Off: the row has no words of its own, and its effect follows the values it would be switched on with"
    learn = small()
    soft = learn.tricks['spectral_norm']
    assert (trick_row(soft)['state'], trick_row(soft)['text'], trick_row(soft)['effect']) == ('off', '', 'now')
    learn.tricks.set('spectral_norm', soft_start=0)
    assert trick_row(soft)['effect'] == 'reweights'
    learn.tricks.on('spectral_norm')
    assert trick_row(soft)['text'] == 'since 0'

# ---- figures that stay

def record(**columns):
    r = Record(['step', *columns])
    for i, row in enumerate(zip(*columns.values())): r.append([i + 1, *row])
    return r

def changes(*steps): return [SimpleNamespace(step=s, kind=kind, title=title) for s, kind, title in steps]

CROWDS = dict(apart=[(100, 'on', 'TTUR'), (500, 'off', 'TTUR')], early=[(60*i, 'on', f'A trick with number {i}') for i in range(1, 5)], at_once=[(300, 'on', f'Trick {i}') for i in range(6)],
              late=[(1000 - i, 'off', 'Relativistic gradient penalty') for i in range(3)], many=[(7*i, 'on' if i % 2 else 'off', 'Spectral norm') for i in range(140)])

@pytest.mark.parametrize('crowd', CROWDS)
@pytest.mark.parametrize('dpi', [72, 150])
@pytest.mark.part(4)
def test_names_of_flags_do_not_touch(crowd, dpi):
    "Each change has its line and its pennant; a name has its place, or is left out; the newest is there"
    log = changes(*CROWDS[crowd])
    fig = plot_columns(record(d_loss=np.linspace(1, 2, 1000)), log, 'd_loss', title='Loss')
    fig.set_dpi(dpi)
    FigureCanvasAgg(fig).draw()
    ax = fig.axes[0]
    names = [t for t in ax.texts if t.get_text()]
    boxes = [t.get_window_extent() for t in [*names, ax.title]]
    assert not [(a, b) for a, b in combinations(boxes, 2) if a.overlaps(b)]
    assert all(b.y0 >= ax.get_window_extent().y1 and b.x0 >= 0 and b.x1 <= fig.bbox.x1 + 1 for b in boxes)
    last = log[-1]
    assert names[-1].get_text() == last.title + ' off'*(last.kind == 'off') and (crowd not in ('apart', 'early') or len(names) == len(log))
    assert sum(line.get_marker() in ('>', 'D') for line in ax.lines) == len(log)

def limits(y, log=False):
    ax = plot_columns(record(g_loss=y), [], 'g_loss', log=log).axes[0]
    return ax.get_ylim(), [line.get_marker() for line in ax.lines if line.get_marker() in '^v']

def test_one_early_spike_does_not_flatten_a_curve():
    "The usual range is shown, with a mark where the curve leaves it; what is large and lasts, or is latest, is no spike"
    wave = 1 + .2*np.sin(np.arange(150)/9)
    early, two, latest, grown = wave.copy(), wave.copy(), wave.copy(), wave.copy()
    early[3] = 80; two[[3, 60]] = -50, 70; latest[-1] = 80; grown[75:] = 80
    (low, high), marks = limits(early)
    assert low < .8 and 1.2 < high < 2 and marks == ['^']
    (low, high), marks = limits(two)
    assert -1 < low < .8 and 1.2 < high < 2 and marks == ['^', 'v']
    for y in (latest, grown):
        (low, high), marks = limits(y)
        assert high > 80 and not marks
    (low, high), marks = limits(wave)
    assert low < .8 and high > 1.2 and high - low < .5 and not marks
    assert limits(early, log=True)[0][1] > 80                    # a logarithmic axis has room for it
    assert limits(np.full(5, np.nan))[1] == [] and limits(np.ones(300))[1] == []

# ---- pictures

def test_images_can_be_told_apart():
    "Between images there is a gap; digits, dark or light, get a pixel of their own paper around them, photographs do not"
    x = torch.full((6, 1, 32, 32), -1.)
    x[:, :, :, 14:18] = 1                                        # a stroke from edge to edge
    for ink in (x, -x):
        g, paper = tile_images(ink, cols=3), 0 if ink is x else 255
        assert g.shape == (2*34 + 2, 3*34 + 2*2)
        assert (g[34:36] == 255).all() and (g[:, 34:36] == 255).all()
        assert (g[[0, 33, 36, -1]][:, [*range(34), *range(36, 70), *range(72, 106)]] == paper).all() and (g[1:33, 15:19] != paper).all()
    photo = torch.rand(4, 3, 28, 28)*2 - 1
    assert tile_images(photo, cols=2).shape == (2*28 + 2, 2*28 + 2, 3)
    u = (x*127.5 + 127.5).to(torch.uint8)
    assert plain_edge(u).tolist() == [0] and plain_edge((photo*127.5 + 127.5).to(torch.uint8)) is None and with_margin(u, None) is u
    assert len(plot_samples(x, photo[:, :1]).axes) == 2

def test_frames_of_old_and_new_records():
    "A recorded picture of either kind, with or without paper around its images, is cut into the right samples, in the panel and by `ganlab show`"
    x = torch.full((64, 1, 16, 16), -1.)
    for i in range(64): x[i, 0, 2 + i % 8:4 + i % 8, 2 + i//8:4 + i//8] = 1
    for paper in (None, paper_of(x)):
        frame = dict(kind='images', count=64, cols=8, fake=jpeg_grid(x, 8, paper))
        k = 0 if paper is None else 1
        for i in (0, 12, 37, 63): assert (crop(frame, i)[:, k:16 + k, k:16 + k] - x[i]).abs().mean() < .06
        small = np.asarray(Image.open(io.BytesIO(thumbnail(frame)[0])))
        assert small.shape == (4*(16 + 2*k),)*2
        draw_frame(frame, 'shown.png')
        seen = np.asarray(Image.open('shown.png').convert('L')) > 250
        side = 16 + 2*k + 2 + 1                                  # paper around it, a gap
        assert all(seen[:, side*i - 1].all() for i in range(1, 8)) and not seen[:, side - 2].all()

def test_pictures_show_the_scores_of_the_last_batch():
    "D's scores of reals and fakes are those of the last step; before the first one there are none"
    learn = GANLearner(tensor_dls(torch.rand(40, 1, 16, 16)*2 - 1, 8), *dcgan(16, 1, z_dim=4, width=2, seed=0), seed=0)
    assert Pictures(learn).take()['scores'] == b''
    learn.fit_steps(2, progress=False)
    picture = Pictures(learn).take()
    scores = np.frombuffer(picture['scores'], np.float32)
    assert (len(scores), picture['split']) == (16, 8)
    assert np.isclose(scores[:8].mean(), learn.history.d_real.iloc[-1]) and np.isclose(scores[8:].mean(), learn.history.d_fake.iloc[-1])

def test_the_panel_hands_over_pictures_with_paper():
    "Once the data is known, fakes, reals and comparisons are drawn on it; photographs are left as they are"
    x = torch.full((40, 1, 16, 16), -1.)
    x[..., 7:9] = 1
    for data, side in ((x, 18), (torch.rand(40, 1, 16, 16)*2 - 1, 16)):
        learn = GANLearner(tensor_dls(data, 8), *dcgan(16, 1, z_dim=4, width=2, seed=0), seed=0)
        before = learn.state_hash()
        picture = Pictures(learn).take()
        assert [Image.open(io.BytesIO(picture[k])).size[0] for k in ('fake', 'real')] == [8*side, 2*side]
        assert learn.state_hash() == before
        args, *_ = wish(learn, 'instance_noise')
        c = ab(learn, **args, steps=2, seeds=1, progress=False)
        shown = card(c)
        assert Image.open(io.BytesIO(shown['a'])).size == (5*side, 5*side) and shown['count'] == 25
        assert [ax.get_title() for ax in c.plot().subfigs[0].axes[:2]][1].replace('\n', ' ').startswith('B: Instance noise on')

@pytest.mark.parametrize('outcome,button', [('better', 'apply'), ('holds', 'apply'), ('undecided', 'more'), ('too few', 'more'), ('worse', 'close'), ('fails', 'close'), ('differs', 'close'),
                                            ('within noise', 'close'), ('same', 'close'), ('both fail', 'close')])
def test_the_verdict_speaks_for_a_button(outcome, button):
    "Where the verdict says harm or nothing found, it does not speak for B"
    assert advice(SimpleNamespace(pairs=[1], outcome=outcome)) == button
    assert advice(SimpleNamespace(pairs=[], outcome=outcome)) == 'close'
