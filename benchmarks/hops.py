"""How far a step and a change run through the package: `python benchmarks/hops.py`.

A hop is a call from one module of ganlab into another. For a step of a plain learner they are counted as different pairs (who calls what), for a change all
calls of functions of the package are, but for those that the trick itself makes."""
import sys
from collections import Counter
import torch
from ganlab.all import GANLearner, mlp, ring_dls

def module(frame):
    "The module of ganlab that a frame belongs to, or None"
    name = frame.f_globals.get('__name__', '')
    return name.removeprefix('ganlab.') if name.startswith('ganlab.') else None

def watched(f):
    "(hops between modules, calls of functions of the package by function) while `f()` runs; what a trick does by itself is left out of the latter"
    hops, calls, depth = Counter(), Counter(), [0]
    def see(frame, event, arg):
        if event not in ('call', 'return'): return
        there = module(frame)
        if there is None: return
        if there.startswith('tricks.') or depth[0]:
            depth[0] += 1 if event == 'call' else -1
        if event != 'call': return
        back = frame.f_back
        while back is not None and module(back) is None: back = back.f_back
        here = module(back) if back is not None else None
        if here and here != there: hops[here, there, frame.f_code.co_name] += 1
        if not depth[0]: calls[f'{there}.{frame.f_code.co_name}'] += 1
    sys.setprofile(see)
    try: f()
    finally: sys.setprofile(None)
    return hops, calls

if __name__ == '__main__':
    torch.set_num_threads(1)
    learn = GANLearner(ring_dls(n=500, bs=16), *mlp(dim=2, width=8, depth=1, seed=0), seed=0)
    learn.fit_steps(20, progress=False)
    hops, calls = watched(lambda: learn.fit_steps(1, progress=False) if '--fit' in sys.argv else (learn.boundary(), learn.one_step()))
    print(f'a step: {len({(a, b) for a, b, _ in hops})} ways between modules, {sum(hops.values())} calls from one into another, {sum(calls.values())} calls in all')
    for (a, b, name), n in hops.most_common(): print(f'  {n:3} x {a} -> {b}.{name}')
    hops, calls = watched(lambda: learn.tricks.on('instance_noise'))
    print(f'a change: {sum(calls.values())} calls')
    for name, n in calls.most_common(40): print(f'  {n:3} x {name}')
