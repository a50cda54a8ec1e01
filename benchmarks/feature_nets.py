"""Trains the two small networks whose features the package brings along: `python benchmarks/feature_nets.py`.

Each learns the data's own labels on the images that are trained on; how often it is right is told on those held out.
`--name digit` or `--name avatar` trains one; the weights go to ganlab/quality/."""
import argparse
from pathlib import Path
import torch
from torch.nn.functional import cross_entropy, pad
from safetensors.torch import save_file
from ganlab.engine.rng import Streams, borrowed_rng
from ganlab.quality.small_nets import FeatureNet, small_nets
from ganlab.sources.arrays import split
from ganlab.sources.avatar_parts import avatar_values, avatars
from ganlab.sources.avatars import avatar_factors
from ganlab.sources.avatar_reading import visible_factors
from ganlab.sources.bundled import digits_dls
from ganlab.sources.ranges import as_float

ROOT = Path(__file__).resolve().parent.parent

def digits():
    "Images, and the class of each, in the split of `digits_dls(seed=0)`."
    from sklearn.datasets import load_digits
    train, held = split(1797, 0)
    y = torch.from_numpy(load_digits().target)[:, None].long()
    dls = digits_dls(size=16)
    return (as_float(dls.train.x), y[train]), (as_float(dls.valid.x), y[held]), [10]

def faces(n=20_000):
    "Faces, and of each factor the class: 0 where it cannot be seen, or is not there."
    f = avatar_factors(n, seed=10)
    x, seen = as_float(avatars(f)), visible_factors(f)
    y = torch.stack([seen[k] + 1 for k in avatar_values], 1)
    sizes = [len(v) + 1 for v in avatar_values.values()]
    return (x[1000:], y[1000:]), (x[:1000], y[:1000]), sizes

def shifted(x, g):
    "Each image moved by up to a pixel, with a little noise."
    dy, dx = torch.randint(3, (2,), generator=g).tolist()
    h, w = x.shape[-2:]
    moved = pad(x, (1, 1, 1, 1), mode='replicate')[..., dy:dy + h, dx:dx + w]
    return moved + .05*torch.randn(x.shape, generator=g)

def losses(net, x, y, sizes):
    "The cross entropy of each label."
    return [cross_entropy(l, t) for l, t in zip(net(x).split(sizes, 1), y.unbind(1))]

def right(net, x, y, sizes):
    "How often the network is right, of each label."
    with torch.no_grad(): parts = net(x).split(sizes, 1)
    return [float((l.argmax(1) == t).float().mean()) for l, t in zip(parts, y.unbind(1))]

def even(net, x):
    "The same network, with features whose variances are 1 on average: what stands before the head is homogeneous."
    with torch.no_grad():
        scale = net.features(x).var(0).mean().sqrt()
        for p in net.body[-2].parameters(): p /= scale
        net.head.weight *= scale

def train(name, epochs):
    (x, y), held, sizes = digits() if name == 'digit' else faces()
    streams = Streams(0)
    with borrowed_rng(streams, 'weights'): net = FeatureNet(**{**small_nets[name], 'classes': sum(sizes)})
    g, n = streams.generator('batches'), 64
    opt = torch.optim.Adam(net.parameters(), 2e-3)
    steps = epochs*(len(x)//n)
    rates = torch.optim.lr_scheduler.OneCycleLR(opt, 4e-3, steps)
    for _ in range(epochs):
        for i in torch.randperm(len(x), generator=g).split(n)[:len(x)//n]:
            loss = sum(losses(net, shifted(x[i], g), y[i], sizes))
            loss.backward()
            opt.step(), rates.step(), opt.zero_grad()
    even(net, x[:2000])
    accuracy = right(net, *held, sizes)
    print(f'{name}: {steps} steps; right on held-out images: {sum(accuracy)/len(accuracy):.3f}',
          [round(a, 3) for a in accuracy], flush=True)
    tensors = {k: v.half().contiguous() for k, v in net.state_dict().items()}
    path = ROOT/'ganlab'/'quality'/f'{name}.safetensors'
    save_file(tensors, path)
    print(f'{path.name}: {path.stat().st_size:,} bytes')

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--name', choices=list(small_nets), help='one of them; otherwise both')
    p.add_argument('--epochs', type=int, help='default: 40 of digits, 24 of avatars')
    a = p.parse_args()
    torch.set_num_threads(1)
    for name in [a.name] if a.name else small_nets: train(name, a.epochs or dict(digit=40, avatar=24)[name])
