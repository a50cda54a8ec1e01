"""How far a step and a change run through the package: `python benchmarks/hops.py`; `--all` lists what is counted.

A **hop of a step** is where a reader who follows it has to open another module: a call from one module of ganlab into
another, on the way from `one_step` to the last optimiser's step, each pair of modules once (a loop over updates makes
the way no longer, and neither does a second function of a module that is open already). Properties and accessors
count, returning does not, nor does what PyTorch calls. Beside it stand the functions that are jumped to, each once for
every module that calls it (a class that is entered and left by `with` counts once), and all such calls, how often they
may be made. What is read off the step afterwards (its row, the record) is no part of this way; the last line has the
whole of it, with what happens between two steps and with fastai's loop.

A **call of a change** is a call of a function of the package while a change is applied, from the moment at which it is
its turn until whoever waits for it has been told, with the image of everything that a refusal would put back, and the
commit to the record; but for what the trick does by itself. Comprehensions are no functions, and a generator is called once. While nothing trains, the
record also compares all weights with what it left, before and after: the last line has that, too."""
import sys
from collections import Counter
from inspect import CO_GENERATOR
import torch
from ganlab.all import GANLearner, mlp, ring_dls

def module(frame):
    "The module of ganlab that a frame belongs to, or None"
    name = frame.f_globals.get('__name__', '')
    return name.removeprefix('ganlab.') if name.startswith('ganlab.') else None

def caller(frame):
    "The module of ganlab that a call comes from, through whatever lies between; or None"
    back = frame.f_back
    while back is not None and module(back) is None: back = back.f_back
    return None if back is None else module(back)

def name_of(frame):
    "What is called; a class, where it is entered and left"
    whole = frame.f_code.co_qualname
    return whole.rpartition('.')[0] if whole.endswith('__') else whole.rpartition('.')[2]

def profiled(f, see):
    "Run `f()`; `see` is called with the frame of every call and return"
    def look(frame, event, arg):
        if event in ('call', 'return'): see(frame, event == 'call')
    sys.setprofile(look)
    try: f()
    finally: sys.setprofile(None)

def way(f, begins=None, ends=None):
    "[(from, to, function)] of the calls between modules while `f()` runs; from a call of `begins` to the last one of torch's optimisers' `ends`"
    hops, marks, on = [], [0], [begins is None]
    def see(frame, call):
        if not call: return
        name, there = frame.f_code.co_name, module(frame)
        if not on[0]:
            on[0] = bool(there) and name == begins
            return
        if name == ends and frame.f_globals.get('__name__', '').startswith('torch.optim'): marks.append(len(hops))
        if there and (here := caller(frame)) and here != there: hops.append((here, there, name_of(frame)))
    profiled(f, see)
    return hops[:marks[-1]] if ends else hops

def calls(f):
    "Calls of functions of the package while `f()` runs, but for what a trick does by itself: {function: how often}"
    found, depth, begun = Counter(), [0], set()
    def see(frame, call):
        there, name = module(frame), frame.f_code.co_name
        if there is None: return
        goes_on = frame in begun      # a generator
        if frame.f_code.co_flags & CO_GENERATOR: begun.add(frame)
        if there.startswith('tricks.') or depth[0]: depth[0] += 1 if call else -1
        elif call and not goes_on and (name == '<lambda>' or not name.startswith('<')): found[f'{there}.{name}'] += 1
    profiled(f, see)
    return found

def ways(hops): return {(a, b) for a, b, _ in hops}

def make():
    torch.manual_seed(0)
    learn = GANLearner(ring_dls(n=500, bs=16), *mlp(dim=2, width=8, depth=1, seed=0), seed=0)
    learn.fit_steps(20, progress=False)
    return learn

def of_a_step():
    learn = make()
    return way(lambda: learn.fit_steps(1, progress=False), 'one_step', 'step')

def of_a_change(name='instance_noise'):
    learn = make()
    c = learn.tricks.change('on', name)
    return calls(lambda: learn.tricks.apply(c))

if __name__ == '__main__':
    torch.set_num_threads(1)
    make()      # what is imported or looked up once
    hops, learn = of_a_step(), make()
    whole = way(lambda: learn.fit_steps(1, progress=False), '_all_steps')
    print(f'a step: {len(ways(hops))} hops; {len(set(hops))} functions, {len(hops)} calls')
    print(f'   with what is read off it, the boundary and fastai\'s loop: {len(ways(whole))} hops, {len(whole)} calls')
    if '--all' in sys.argv:
        for (a, b, name), n in Counter(hops).items(): print(f'  {n:3} x {a} -> {b}.{name}')
    found, deep, learn = of_a_change(), of_a_change('spectral_norm'), make()
    idle = calls(lambda: learn.tricks.on('instance_noise'))
    print(f'a change: {sum(found.values())} calls; where it changes the networks, which are looked at anew: {sum(deep.values())}')
    print(f'   with the boundary around it while nothing trains: {sum(idle.values())} calls')
    if '--all' in sys.argv:
        for name, n in found.most_common(): print(f'  {n:3} x {name}')
