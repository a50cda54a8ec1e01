#!/usr/bin/env python
"""Does each preset train? Some minutes of CPU time each, on digits of 32 pixels or on the ring of eight modes.

    python benchmarks/presets.py [--minutes 4] [--only NAME ...] [--pictures FOLDER] [--width 16]

Of digits: the distance from a fake to its nearest real digit, over that from a real digit to its nearest other one (1 is as near as reals to each
other), and how many of the ten kinds the fakes are nearest to. Of the ring: how many of the eight modes have a sample within three standard
deviations among 2,500, and the share of samples that are so near (Lin et al. 2018). A recipe with networks for both is tried on both.
"""
import argparse, os, sys, time, warnings
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch
from sklearn.datasets import load_digits
from fastai.callback.core import CancelFitException
from ganlab.data import digits_dls, draw_samples, ring_dls
from ganlab.nets import resnet
from ganlab.presets import presets

torch.set_num_threads(1)

def digits_quality(x):
    d = load_digits()
    small = lambda t: torch.nn.functional.interpolate(t, size=8, mode='area').flatten(1)
    real, kinds = torch.tensor(d.images, dtype=torch.float32).flatten(1)/8 - 1, torch.tensor(d.target)
    between = torch.cdist(real, real).fill_diagonal_(9e9).amin(1).mean()
    far = torch.cdist(small(x), real)
    return f'{(far.amin(1).mean()/between).item():5.2f} of the distance between digits, {len(kinds[far.argmin(1)].bincount(minlength=10).nonzero())} of 10 kinds'

def ring_quality(x, dl):
    near = torch.cdist(x, dl.centers) < 3*dl.sigma
    return f'{int(near.any(0).sum())} of {len(dl.centers)} modes, {near.any(1).float().mean().item():.0%} of the samples within 3σ'

def train(preset, kind, minutes, width, folder):
    make = getattr(preset, kind)
    sizes = dict(width=width//2 if make is resnet else width) if kind == 'images' else {}      # the residual networks are four times as much work
    dls = digits_dls(bs=64, size=32) if kind == 'images' else ring_dls(bs=128)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        if preset.name == 'progressive' and kind == 'images': learn = grown(preset, dls, width)
        else: learn = preset.learner(dls, sizes=sizes)
    if 'progressive_growing' in preset.tricks: learn.tricks.set('progressive_growing', fade=150, hold=150)
    if 'lr_decay' in preset.tricks: learn.tricks.set('lr_decay', steps=2000)
    end = time.process_time() + 60*minutes
    def gate(learn):
        if time.process_time() > end: raise CancelFitException
    learn.fit_steps(gate=gate)
    x = learn.sample(z=learn.latents(2500 if kind == 'points' else 256, 'benchmark'))
    if folder: draw_samples(x[:64] if kind == 'images' else x, title=f'{preset.title}, step {learn.step}').savefig(Path(folder)/f'{preset.name}-{kind}.png')
    return learn.step, digits_quality(x) if kind == 'images' else ring_quality(x, dls.train)

def grown(preset, dls, width):
    "Networks for 16 pixels, that grow to the data's 32"
    from ganlab.learner import GANLearner
    from ganlab.nets import dcgan
    learn = GANLearner(dls, *dcgan(16, 1, 64, width, seed=0), seed=0)
    for c in learn.tricks.preset(preset.name):
        if c.error: raise c.error
    return learn

def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--minutes', type=float, default=4, help='of CPU time each')
    a.add_argument('--only', nargs='*')
    a.add_argument('--width', type=int, default=16, help='of the image networks; residual ones have half of it')
    a.add_argument('--pictures', metavar='FOLDER')
    o = a.parse_args()
    if o.pictures: Path(o.pictures).mkdir(parents=True, exist_ok=True)
    for p in presets.values():
        for kind in ('images', 'points'):
            if getattr(p, kind) is None or o.only and p.name not in o.only: continue
            step, quality = train(p, kind, o.minutes, o.width, o.pictures)
            print(f'{p.title:22} {"digits" if kind == "images" else "ring":7} {step:6} steps in {o.minutes:g} min: {quality}', flush=True)

if __name__ == '__main__': main()
