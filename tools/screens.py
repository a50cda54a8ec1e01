"""Takes the pictures of the panel in nbs/images: `python tools/screens.py`.

A real JupyterLab in Chromium trains the faces of the quickstart; two switches are flipped on the way. Once the training has come far enough, the panel
is photographed while it trains, in JupyterLab's light theme and in its dark one."""
import io, sys
from pathlib import Path
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT/'nbs'/'images'
THEMES = {'panel.png': 'JupyterLab Light', 'panel-dark.png': 'JupyterLab Dark'}
STEPS, WHEN = 3000, 1500                    # how far it trains, and when the first picture is taken
FLIPS = dict(label_smoothing=350, gradient_penalty=900)
WINDOW = 1284, 1800                         # pixels: the panel has its three columns, and all of it is in sight
MOST = 120_000                              # bytes of a file

TRAINING = '''from ganlab.all import *
G, D = dcgan(size=16, channels=3, width=32, seed=0)
learn = GANLearner(avatars_dls(bs=64), G, D, lr_g=1e-3, lr_d=1e-3, seed=0)
lab = Lab(learn)
learn.tricks.on('ema', at=100)'''

def palette(im, n):
    "`n` colours of a picture: those of most pixels, which are the panel's own, and for the rest, the samples, a median cut"
    pixels = np.asarray(im).reshape(-1, 3)
    colors, numbers, counts = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    own = np.argsort(-counts)[:n//3]
    rest = Image.fromarray(pixels[~np.isin(numbers.flatten(), own)][None])
    cut = rest.quantize(n - len(own), method=Image.Quantize.MEDIANCUT).getpalette()[:3*(n - len(own))]
    p = Image.new('P', (1, 1))
    p.putpalette([*colors[own].flatten().tolist(), *cut])
    return p

def small(png):
    "The bytes of a PNG of few colours: as many as fit into `MOST` bytes"
    im = Image.open(io.BytesIO(png)).convert('RGB')
    for n in (256, 192, 128, 96, 80, 64, 48):
        f = io.BytesIO()
        im.quantize(palette=palette(im, n), dither=Image.Dither.NONE).save(f, 'PNG', optimize=True)
        if f.tell() <= MOST: return f.getvalue()
    raise SystemExit(f'with {n} colours it has {f.tell()} bytes; make WINDOW smaller')

def photograph(nb, theme):
    "The panel in a theme of JupyterLab, as a PNG"
    nb.page.evaluate("t => window.jupyterapp.commands.execute('apputils:change-theme', { theme: t }).then(() => null)", theme)
    nb.page.wait_for_timeout(2500)                       # until it is painted in the colours of the theme
    nb.page.mouse.move(2, 2)
    return nb.one('.gl-lab').screenshot()

def reach(nb, step): nb.until(nb.step, lambda s: s and s >= step, timeout=900, what=f'step {step}')

def flip(nb, trick):
    "As somebody does who does not see the trick"
    nb.one('.fnd').fill(trick.replace('_', ' '))
    nb.flip(trick)
    nb.one('.fnd').fill('')
    nb.one('.fnd').blur()

def screens():
    "Name of a file -> its bytes"
    from labdriver import Bench, chromium
    with chromium() as browser, Bench(browser, size=WINDOW) as bench, bench.open([TRAINING, 'lab']) as nb:
        nb.run_all()
        nb.run_code(f'lab.start(steps={STEPS});')
        for trick, step in FLIPS.items():
            reach(nb, step)
            flip(nb, trick)
        reach(nb, WHEN)
        return {name: small(photograph(nb, theme)) for name, theme in THEMES.items()}

if __name__ == '__main__':
    sys.path.insert(0, str(ROOT/'tests'/'browser'))
    IMAGES.mkdir(exist_ok=True)
    for name, png in screens().items():
        (IMAGES/name).write_bytes(png)
        print(f'{name}: {len(png)/1e3:.0f} kB')
