"""What `learn.watch(every=50)` costs: `python benchmarks/watch.py --steps 1000 --games ring`.

Two learners of one seed, one of them watched, train in turns of 50 steps, so that whatever else the machine does meets both alike.
What is told is the CPU time of the process that the watched one took over what the other took, without the first look, which comes with the call and is told beside it; and both end in the same bits."""
import argparse, json, math, time, warnings
import numpy as np, torch
from ganlab.data import avatars_dls, digits_dls, ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp

GAMES = dict(     # at the sizes that come by themselves
    ring=lambda: (ring_dls(), *mlp(seed=0)),
    digits=lambda: (digits_dls(), *dcgan(32, 1, seed=0)),
    avatars=lambda: (avatars_dls(), *dcgan(16, 3, seed=0)))

def turn_times(learners, steps, turn=50):
    "CPU seconds that each took in each turn: an array, (learners, turns)"
    spent = np.zeros((len(learners), math.ceil(steps/turn)))
    for i in range(spent.shape[1]):
        order = range(len(learners)) if i % 2 else reversed(range(len(learners)))      # who comes first changes
        for k in order:
            t = time.process_time()
            learners[k].fit_steps(min(turn, steps - i*turn), progress=False)
            spent[k, i] = time.process_time() - t
    return spent

def measured(game, steps, every=50):
    "One row"
    watched, alone = (GANLearner(*GAMES[game](), seed=0) for _ in range(2))
    for l in (watched, alone): l.fit_steps(2, progress=False)       # what comes once
    t = time.process_time()
    watched.watch(every, tell=lambda learn, found: None)
    first = time.process_time() - t
    a, b = turn_times([watched, alone], steps).sum(1)
    w = watched.watcher
    return dict(game=game, steps=steps, ratio=round(a/b, 4), watched_s=round(a, 2), alone_s=round(b, 2), share_by_its_own_clock=round(w.spent/max(w.training_s, 1e-9), 4),
                first_look_in_steps=round(first/(b/steps), 1), last_look_in_steps=w.cost and round(w.cost/(w.training_s/steps), 1), same_bits=watched.state_hash() == alone.state_hash())

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--steps', type=int, default=1000); p.add_argument('--games', nargs='+', default=list(GAMES), choices=list(GAMES))
    args = p.parse_args()
    torch.set_num_threads(1); warnings.simplefilter('ignore')
    for game in args.games: print(json.dumps(measured(game, args.steps)), flush=True)
