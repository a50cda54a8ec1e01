"What the comparison shows of A and B: pairs beside what they are made of, classes in rows."
import io
import numpy as np, torch
from PIL import Image
from games import play, rand
from ganlab.compare import ab
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan
from ganlab.panels.versus import card

def cells(c, side, k):
    "The pictures of one arm, (n, H, W), as bytes"
    im = np.asarray(Image.open(io.BytesIO(c[side])).convert('L')).astype(float)
    rows = -(-c['count']//c['cols'])
    h, w = im.shape[0]//rows, im.shape[1]//c['cols']
    return im.reshape(rows, h, c['cols'], w).transpose(0, 2, 1, 3).reshape(-1, h, w)[k]

def test_pairs_are_seen_beside_their_source_and_target():
    learn = play('upscaling')
    comparison = ab(learn, on='label_smoothing', steps=2, seeds=1, progress=False)
    c = card(comparison)
    assert (c['names'], c['count'], c['cols'], c['kind']) == (['source', 'fake', 'target'], 12, 2, 'images')
    y, x = learn.source.valid_y(12), learn.source.valid(12)
    k = 3 % len(x)
    want = torch.nn.functional.interpolate(y, scale_factor=2)[k], comparison.pairs[0][0].samples[3], x[k]
    seen = cells(c, 'a', 3)
    parts = [seen[:, i*(seen.shape[0] + 1):i*(seen.shape[0] + 1) + seen.shape[0]] for i in range(3)]
    for part, wanted in zip(parts, want):
        wanted = ((wanted[0].clamp(-1, 1) + 1)*127.5).numpy().repeat(3, 0).repeat(3, 1)
        assert np.abs(part - wanted).mean() < 14 < np.abs(part - wanted[::-1]).mean()
    axes = comparison.plot().subfigs[0].axes
    assert axes[0].images and axes[1].images

def test_unpaired_have_no_target():
    c = card(ab(play('unpaired'), on='label_smoothing', steps=2, seeds=1, progress=False))
    assert (c['names'], c['count'], c['cols']) == (['source', 'fake'], 18, 3)

def test_rows_of_classes_where_an_arm_knows_them():
    "A switch that brings classes: B has a row for each, with its name, and A the same latents without names"
    data = tensor_dls(rand(60, 1, 16, 16), 6, y=torch.arange(60) % 3, classes=['dark', 'grey', 'light'])
    learn = GANLearner(data, *dcgan(16, 1, 4, 4, seed=0), seed=0)
    comparison = ab(learn, on='class_norm', steps=2, seeds=1, progress=False)
    c = card(comparison)
    assert (c['a_rows'], c['b_rows'], c['cols'], c['count']) == ([], ['dark', 'grey', 'light', 'dark', 'grey'], 5, 25)
    for side, arm in zip('ab', comparison.pairs[0]):
        want = ((arm.samples[8*3 + 2, 0] + 1)*127.5).clamp(0, 255).numpy()
        assert np.abs(cells(c, side, 5*3 + 2) - want).mean() < 12
    assert [t.get_text() for t in comparison.plot().subfigs[0].axes[1].texts] == c['b_rows']
