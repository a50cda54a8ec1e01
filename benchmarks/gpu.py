#!/usr/bin/env python
"""One GPU at full speed: a loop written by hand, ganlab as usual, and ganlab in its fast mode, beside each other.

    python benchmarks/gpu.py [--seconds 12] [--only ring|dcgan|resnet] [--json FILE] [--cpu]

Three GANs: points on a ring, DCGAN of 32 pixels, ResNet of 128 pixels in bfloat16. Of each: samples a second by the clock, the device waited for;
the share of the machine's best matrix product that they reach (operations are counted by PyTorch in a usual step; the product is measured first, of
the same number format); how long it takes until steps are captured again after a switch; and whether the usual and the fast mode reach the same
weights. They need not be equal to the bit on a GPU, where Adam takes its rate in float32 from a tensor: how far the weights of the two are apart after
some steps, as a share of how far the usual ones have moved, must stay below a bound. A number that was baked into a graph by mistake lies far above.

PyTorch's convolutions compute float32 in TF32 on a GPU that has it, its matrix products do not; each is compared with a product of its own format.
It should take some five minutes. --cpu runs the same with tiny sizes on a CPU, a tape in place of the graphs: that shows that the script works, and nothing
about speed. There the two must be equal to the bit."""
import argparse, copy, json, os, platform, sys, time
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT/'tests')]
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from handwritten import NonSaturating, adam, hand_loop
from ganlab.data import ring_dls, tensor_dls
from ganlab.engine.graphs import Tape
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp, resnet

TITLE = dict(ring='ring-2D: MLP 4x128, batch 256', dcgan='DCGAN-32: 3 channels, width 64, batch 64', resnet='ResNet-128: 3 channels, width 64, batch 64, bfloat16')
SIDES = dict(hand='by hand', usual='ganlab', fast='ganlab, fast')
BOUND = dict(float32=.01, tf32=.01, bf16=.1)      # of `apart`, on a GPU
FORMAT = dict(ring='float32', dcgan='tf32', resnet='bf16')      # of the numbers that are multiplied
CHECKED = 20                         # steps after which the weights are compared

# What is trained

def images(size, channels, bs, n):
    return tensor_dls(torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)), bs)

def problem(name, tiny):
    "-> data, networks, and amp"
    w = 4 if tiny else 64
    if name == 'ring': return ring_dls(bs=16 if tiny else 256), mlp(width=8 if tiny else 128, depth=4, seed=0), None
    if name == 'dcgan': return images(16 if tiny else 32, 3, 4 if tiny else 64, 64 if tiny else 16_384), dcgan(size=16 if tiny else 32, channels=3, z_dim=w, width=w, seed=0), None
    return images(16 if tiny else 128, 3, 4 if tiny else 64, 64 if tiny else 4096), resnet(size=16 if tiny else 128, channels=3, z_dim=w, width=w, seed=0), 'bf16'

class Cast(nn.Module):
    "A network that computes in bfloat16"
    def __init__(self, net): super().__init__(); self.net = net
    def forward(self, x):
        with torch.autocast(x.device.type, dtype=torch.bfloat16): return self.net(x).float()

def made(p, device, **how):
    dls, nets, amp = p
    return GANLearner(dls, *copy.deepcopy(nets), seed=0, device=device, amp=amp, **how)

# The sides: each a function that trains n steps

def by_hand(p, device):
    dls, nets, amp = p
    G, D = (net.to(device) for net in copy.deepcopy(nets))
    x, bs, opts = dls.train.x.to(device), dls.train.bs, (adam(G), adam(D))
    if amp: G, D = Cast(G), Cast(D)
    def batches():
        while True:
            some = x[torch.randint(len(x), (bs,), device=device)]
            yield some.float()/127.5 - 1 if some.dtype == torch.uint8 else some
    def zs():
        while True: yield torch.randn(bs, *as_tuple(nets[0].z_dim), device=device)
    a = G, D, batches(), zs(), NonSaturating(), *opts
    return lambda n: hand_loop(*a, steps=n)

def as_tuple(z_dim): return z_dim if isinstance(z_dim, tuple) else (z_dim,)

def by_ganlab(p, device, graph=None, fast=False):
    learn = made(p, device)
    if fast: learn.fast(graph=graph)
    def run(n): learn.fit_steps(n, progress=False)
    run.learn = learn
    return run

# Measuring

def waited(device):
    if device.type == 'cuda': torch.cuda.synchronize()

def timed(run, n, device):
    "Seconds of n steps"
    waited(device)
    t = time.perf_counter()
    run(n)
    waited(device)
    return time.perf_counter() - t

def speed(run, bs, seconds, device):
    "Samples a second: after a warm-up, over so many seconds in one fit"
    timed(run, 10, device)
    n = max(5, int(seconds/3*10/timed(run, 10, device)))
    n = max(5, min(int(seconds*n/timed(run, n, device)), 10**6))
    return bs*n/timed(run, n, device)

def best_product(form, device, tiny):
    "Operations a second of the best square matrix product of some sizes, in 1e12"
    best, dtype = 0., torch.bfloat16 if form == 'bf16' else torch.float32
    torch.backends.cuda.matmul.allow_tf32 = form == 'tf32'
    for n in (64, 128) if tiny else (2048, 4096, 8192):
        a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
        for _ in range(3): a @ b
        waited(device)
        k, t = 20, time.perf_counter()
        for _ in range(k): a @ b
        waited(device)
        best = max(best, 2*n**3*k/(time.perf_counter() - t)/1e12)
    torch.backends.cuda.matmul.allow_tf32 = False
    return best

def operations(p, device):
    "Of a usual step, as PyTorch counts them"
    learn = made(p, device)
    learn.fit_steps(2, progress=False)
    with FlopCounterMode(display=False) as counter: learn.fit_steps(1, progress=False)
    return counter.get_total_flops()

def recapture(run, device):
    "Milliseconds more than usual that the steps after a switch take, until steps are captured again"
    learn = run.learn
    each = min(timed(run, 10, device)/10 for _ in range(3))
    learn.tricks.on('label_smoothing')
    took = timed(run, 10, device)
    if not learn.fast_mode.steps.graph: return None
    learn.tricks.off('label_smoothing')
    return 1e3*(took - 10*each)

# The same weights

def moved(p, device, graph, fast):
    "-> the weights at the beginning, and after some steps"
    learn = made(p, device)
    if fast: learn.fast(graph=graph)
    def weights(): return torch.cat([q.detach().flatten().float() for net in (learn.G, learn.D) for q in net.parameters()])
    first = weights().clone()
    learn.fit_steps(CHECKED, progress=False)
    return first, weights(), learn

def apart(p, device, graph):
    "How far the fast weights are from the usual ones, as a share of how far these have moved; and what kept steps from being captured"
    torch.backends.cudnn.deterministic = True
    first, usual, _ = moved(p, device, graph, False)
    _, fast, learn = moved(p, device, graph, True)
    torch.backends.cudnn.deterministic = False
    return ((fast - usual).norm()/(usual - first).norm()).item(), learn.fast_mode.why_not, learn.fast_mode.steps.captures

def measure(name, device, graph, seconds, tiny, peaks):
    p = problem(name, tiny)
    form = FORMAT[name]
    bound = BOUND[form] if device.type == 'cuda' else 0.
    far, why, captures = apart(p, device, graph)
    out = dict(apart=far, bound=bound, same=far <= bound, captured=not why and captures > 0, why_not=why, operations=operations(p, device), sides={})
    sides = dict(hand=by_hand(p, device), usual=by_ganlab(p, device), fast=by_ganlab(p, device, graph, fast=True))
    for side, run in sides.items():
        rate = speed(run, p[0].train.bs, seconds, device)
        out['sides'][side] = dict(samples=rate, share=out['operations']*rate/p[0].train.bs/1e12/peaks[form])
    out['recapture_ms'] = recapture(sides['fast'], device)
    return out

# The table

def show(name, out):
    print(f'\n{TITLE[name]}\n  {"":14} {"samples/s":>12} {"of by hand":>11} {"of the product":>15}')
    hand = out['sides']['hand']['samples']
    for side, s in out['sides'].items(): print(f'  {SIDES[side]:14} {s["samples"]:12,.0f} {s["samples"]/hand:11.2f} {s["share"]:15.2%}')
    ms = out['recapture_ms']
    print(f'  steps are {"captured" if out["captured"] else "not captured: " + " ".join(out["why_not"])}'
          f'{"" if ms is None else f"; after a switch again, for {ms:.0f} ms"}')
    print(f'  fast and usual weights after {CHECKED} steps: {out["apart"]:.2g} of the way apart, {"within" if out["same"] else "OVER"} the bound of {out["bound"]:g}')

def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--seconds', type=float, default=12, help='of each of the nine measurements')
    a.add_argument('--only', choices=TITLE, action='append', help='may be given more than once')
    a.add_argument('--cpu', action='store_true', help='tiny sizes on a CPU, a tape in place of the graphs: does the script work?')
    a.add_argument('--json', metavar='FILE')
    o = a.parse_args()
    if not (o.cpu or torch.cuda.is_available()): sys.exit('PyTorch finds no CUDA device here: run this on a machine with a GPU, or give --cpu to try the script with tiny sizes.')
    device, graph = torch.device('cpu' if o.cpu else 'cuda'), Tape if o.cpu else None
    if o.cpu: torch.set_num_threads(1)
    seconds = .05 if o.cpu else o.seconds
    peaks = {form: best_product(form, device, o.cpu) for form in BOUND}
    where = platform.processor() or platform.machine() if o.cpu else torch.cuda.get_device_name()
    print(f'{where}, torch {torch.__version__}; best matrix product, in 1e12 operations a second: {", ".join(f"{v:.3g} in {k}" for k, v in peaks.items())}')
    result = dict(device=where, torch=torch.__version__, peaks=peaks, tiny=o.cpu, table={})
    for name in o.only or TITLE:
        result['table'][name] = measure(name, device, graph, seconds, o.cpu, peaks)
        show(name, result['table'][name])
    if o.json: Path(o.json).write_text(json.dumps(result, indent=1))
    bad = [name for name, out in result['table'].items() if not out['same']]
    if bad: sys.exit(f'{", ".join(bad)}: the fast mode has reached other weights than the usual one.')

if __name__ == '__main__': main()
