#!/usr/bin/env python
"""Conditional by a switch: does G make the digit that is asked for? About two minutes of CPU time for three seeds.

    python benchmarks/conditional.py [--seeds 3] [--width 16] [--tricks class_norm projection] [--picture FILE]

An unconditional DCGAN trains on digits of 16 pixels. At step 500 the tricks are switched on; its twin, a fork of the same state, goes on without them. At step 2,000 both are
asked for fifty of each digit, and a classifier that was fitted to half of the real digits (its accuracy on the other half stands beside it) says what they made. Luck is 0.1.
"""
import argparse, os, sys, time, warnings
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from ganlab.data import draw_samples, tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan

torch.set_num_threads(1)

def digits():
    d = load_digits()
    x = torch.nn.functional.interpolate(torch.tensor(d.images, dtype=torch.float32)[:, None]/8 - 1, size=16, mode='bilinear', antialias=True).clamp(-1, 1)
    return x, torch.tensor(d.target)

def fitted(x, y):
    "A classifier, and its accuracy on what it has not seen"
    c = LogisticRegression(max_iter=300).fit(x[::2].flatten(1), y[::2])
    return c, c.score(x[1::2].flatten(1), y[1::2])

def accuracy(learn, classifier, n=500):
    asked = torch.arange(n) % 10
    made = learn.sample(n, y=asked) if learn.takes_y('g') else learn.sample(n)
    return (torch.from_numpy(classifier.predict(made.flatten(1))) == asked).float().mean().item()

def run(seed, width, tricks, switch, steps, data, classifier):
    learn = GANLearner(tensor_dls(data[0], 64, y=data[1]), *dcgan(16, 1, 64, width, seed=seed), lr_g=1e-3, lr_d=1e-3, seed=seed, tricks=['ema'])
    learn.tricks.set('ema', half_life=2)
    learn.fit_steps(switch, progress=False)
    twin, probe = learn.fork(), learn.fixed_z(64)
    was = learn.generate(probe).detach(), learn.judge(data[0][:64]).detach()
    for name in tricks: learn.tricks.on(name)
    same = torch.equal(learn.generate(probe, data[1][:64]), was[0]) and torch.equal(learn.judge(data[0][:64], data[1][:64]), was[1])
    before = accuracy(learn, classifier)
    for l in (learn, twin): l.fit_steps(steps - switch, progress=False)
    return learn, dict(same=same, before=before, on=accuracy(learn, classifier), twin=accuracy(twin, classifier))

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--seeds', type=int, default=3)
    p.add_argument('--first', type=int, default=0, help='the first seed')
    p.add_argument('--width', type=int, default=16)
    p.add_argument('--tricks', nargs='+', default=['class_norm', 'projection'])
    p.add_argument('--switch', type=int, default=500)
    p.add_argument('--steps', type=int, default=2000)
    p.add_argument('--picture', help='a file for samples of the last seed, a class per row')
    a = p.parse_args()
    warnings.simplefilter('ignore')
    data = digits()
    classifier, real = fitted(*data)
    print(f'classifier: {real:.2f} on real digits that it has not seen; {" and ".join(a.tricks)} from step {a.switch}, measured at {a.steps}')
    for seed in range(a.first, a.first + a.seeds):
        start = time.process_time()
        learn, r = run(seed, a.width, a.tricks, a.switch, a.steps, data, classifier)
        print(f'seed {seed}: {r["before"]:.2f} at the switch, {r["on"]:.2f} after it, {r["twin"]:.2f} in its twin; outputs the same bits at the switch: {r["same"]}; '
              f'{time.process_time() - start:.0f} s of CPU time', flush=True)
    if a.picture: draw_samples(learn.sample(80), title=f'step {learn.step}').savefig(a.picture)
