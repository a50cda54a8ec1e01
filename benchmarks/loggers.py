"""What `loggers=` costs: `python benchmarks/loggers.py --steps 2000 --games ring`.

Learners of one seed, one without a logger, one whose logger is an object that does nothing, and one that writes for TensorBoard, train in turns of 20 steps, so that whatever else the machine does meets all alike.
What is told is the CPU time of the process, threads that write included, over that of the one without, over all turns and as the median over turns. All end in the same bits."""
import argparse, json, tempfile, warnings
import numpy as np, torch
from ganlab.learner import GANLearner
from ganlab.loggers.sinks import TensorBoard
from watch import GAMES, turn_times

class Nothing:
    "What ganlab itself takes: rows and pictures are made, and go nowhere"
    def begin(self, name, facts): pass
    def scalars(self, step, values): pass
    def event(self, step, text, change): pass
    def picture(self, step, image): pass
    def end(self): pass

def measured(game, steps, folder):
    "One row"
    sinks = dict(alone=[], nothing=[Nothing()], tensorboard=[TensorBoard(folder)])
    learners = [GANLearner(*GAMES[game](), seed=0, loggers=s) for s in sinks.values()]
    for l in learners: l.fit_steps(50, progress=False)       # what comes once: an import, the first picture
    spent = turn_times(learners, steps, 20)
    ratios = {k: float(np.median(t/spent[0])) for k, t in zip(sinks, spent)}
    whole = {k: float(t.sum()/spent[0].sum()) for k, t in zip(sinks, spent)}
    del ratios['alone'], whole['alone']
    return dict(game=game, steps=steps, ms_alone=round(1e3*spent[0].sum()/steps, 2), **{f'ratio_{k}': round(v, 4) for k, v in whole.items()},
                **{f'median_{k}': round(v, 4) for k, v in ratios.items()}, same_bits=len({l.state_hash() for l in learners}) == 1)

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--steps', type=int, default=2000); p.add_argument('--games', nargs='+', default=list(GAMES), choices=list(GAMES))
    args = p.parse_args()
    torch.set_num_threads(1); warnings.simplefilter('ignore')
    for game in args.games:
        with tempfile.TemporaryDirectory() as tmp: print(json.dumps(measured(game, args.steps, tmp)), flush=True)
