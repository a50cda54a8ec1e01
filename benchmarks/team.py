#!/usr/bin/env python
"""What do several processes that train one GAN send each other in a step, how long does that take, and what does a learner pay that is alone?

    python benchmarks/team.py [--n 2] [--steps 30] [--pairs 80] [--drift] [--json FILE]

Sent are sums over all processes: how many in a step, and the bytes of their numbers. The time of a step is that of the clock, with gloo on one
machine, each process with one thread. A learner that is alone calls the methods of a team of one; beside it the same learner with these calls
written out, in turns, by CPU time. `--drift`: how far the weights of several processes are from those of one after so many steps, by precision and
optimiser, beside one process of which a single weight began by its last bit larger: what rounding grows to in this training, whoever rounds."""
import argparse, json, os, statistics, sys, tempfile, time
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT/'tests')]

CASES = {'mlp': dict(net='mlp'), 'dcgan': dict(net='dcgan'), 'mlp, gradient penalty': dict(net='mlp', tricks=['gradient_penalty']),
         'dcgan, gradient penalty': dict(net='dcgan', tricks=['gradient_penalty']), 'dcgan, minibatch stddev': dict(net='dcgan', tricks=['minibatch_stddev']),
         'dcgan, packing': dict(net='dcgan', tricks=['packing']), 'dcgan, replay buffer': dict(net='dcgan', tricks=['replay_buffer']),
         'dcgan, ADA': dict(net='dcgan', tricks=['ada']), 'dcgan, path length': dict(net='dcgan', tricks=['path_length']),
         'dcgan, style': dict(net='dcgan', tricks=['style']), 'dcgan, unrolled': dict(net='dcgan', tricks=['unrolled']),
         'dcgan, consensus': dict(net='dcgan', tricks=['consensus'])}

def sent(n, steps):
    "{case: sums, bytes and milliseconds a step}"
    import teams
    with tempfile.TemporaryDirectory() as tmp:
        cases = {k: dict(do='sent', steps=steps, double=False, **c) for k, c in CASES.items()}
        return teams.trained(n, cases, Path(tmp))[0]

def bare(learn):
    "The same learner, with what it calls of its team written out"
    import torch
    def read(values, n): return torch.stack(values).tolist()
    learn.team = type('Bare', (type(learn.team),), dict(read=staticmethod(read)))()
    learn.last_word = lambda: None
    def hear(gate=None):
        if gate: gate(learn)
        learn.turnstile.orders.hold(learn)
    learn.hear = hear
    return learn

def alone(pairs, steps=300):
    "How much longer a step takes where a learner calls a team of one: the median ratio, the smallest and the largest"
    import teams
    sides, ratios = (teams.learner(double=False), bare(teams.learner(double=False))), []
    def took(learn):
        start = time.process_time()
        learn.fit_steps(steps, progress=False)
        return time.process_time() - start
    for i in range(pairs + 1):
        times = [took(l) for l in (sides if i % 2 else sides[::-1])]
        if i: ratios.append(times[0]/times[1] if i % 2 else times[1]/times[0])
    return statistics.median(ratios), min(ratios), max(ratios)

MARKS = 1, 10, 50      # steps

def far(a, b):
    "The largest difference of two weights"
    return max(abs(x - y) for x, y in zip(a, b))

def drifts(n):
    "{network, precision, optimiser: distances after each of MARKS: of n processes, of one that was nudged}"
    import teams
    told = {f'{net}, float{64 if double else 32}, {opt}': dict(do='drift', marks=MARKS, net=net, double=double, opt=opt)
            for net in ('mlp', 'dcgan') for double, opt in ((True, 'sgd'), (True, 'adam'), (False, 'sgd'), (False, 'adam'))}
    with tempfile.TemporaryDirectory() as tmp: ranks = teams.trained(n, told, Path(tmp))
    out = {}
    for name, case in told.items():
        one, nudged = teams.done(case), teams.done(dict(case, nudge=True))
        out[name] = [[far(a, b) for a, b in zip(one, others)] for others in (ranks[0][name], nudged)]
    return out

def show_drifts(n, rows):
    print(f"{'':24} {f'{n} processes and one':^29}   {'one, and one nudged':^29}")
    print(f"{'largest difference after':24} " + '   '.join(' '.join(f'{f"{m} steps":>9}' for m in MARKS) for _ in range(2)))
    for name, both in rows.items(): print(f'{name:24} ' + '   '.join(' '.join(f'{v:9.1e}' for v in side) for side in both))

def show_sent(n, rows):
    print(f"{'':26} {'sums':>6} {'bytes':>9} {'ms':>7}   a step, {n} processes")
    for name, r in rows.items(): print(f"{name:26} {r['sums']:6.1f} {r['bytes']:9,.0f} {r['ms']:7.1f}")

def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in dict(n=2, steps=30, pairs=80).items(): args.add_argument(f'--{name}', type=int, default=usual)
    args.add_argument('--drift', action='store_true', help='only that')
    args.add_argument('--json', metavar='FILE', help='write the numbers there; others that stand there stay')
    o, told = args.parse_args(), {}
    if o.drift:
        told['drift'] = drifts(o.n)
        show_drifts(o.n, told['drift'])
    else:
        told |= dict(sent=sent(o.n, o.steps), alone=alone(o.pairs))
        show_sent(o.n, told['sent'])
        print('alone: {:.4f} of a step without a team (from {:.3f} to {:.3f})'.format(*told['alone']))
    if not o.json: return
    there = Path(o.json)
    there.write_text(json.dumps((json.loads(there.read_text()) if there.exists() else {}) | told, indent=1) + '\n')

if __name__ == '__main__': main()
