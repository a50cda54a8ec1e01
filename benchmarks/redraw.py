#!/usr/bin/env python
"""By which scheme does the doctor draw weights anew that began wrong? Cases of the clinic's calibration half, healed by one scheme or another.

    python benchmarks/redraw.py [--seeds 3] [--json FILE]

With the settings that `begin_anew` brings along, and with those of the case, which are sound. A row is written as soon as it is done, and one that
stands in the file is not done again. nbs/symptoms/sound.ipynb tells what came out. A scheme is chosen here and nowhere else: the scored half is not
looked at."""
import argparse, os, sys
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch
from ganlab.cases.case import trained
from ganlab.cases.roster import chosen
from ganlab.checkup.facts import facts
from ganlab.symptoms.finding import do
from ganlab.symptoms.sound import as_stylegan2, usual_gamma
from rows import Rows

HERE = Path(__file__).resolve().parent
KEYS = 'case', 'seed', 'scheme', 'settings'
CASES = 'weights that are too large', 'D has dead units'      # points; redrawn, a G with dead units is the first of these again

def remedy(scheme, settings, f):
    "Weights by a scheme, at the settings of StyleGAN2 or at the case's own"
    def change(learn):
        if settings == 'stylegan2': as_stylegan2(learn, usual_gamma(f))
        learn.tricks.on('reinit', which='both', scheme=scheme, keep=0., slope=.2)
    return do(scheme, change, clean=settings == 'stylegan2')

def tried(case, seed, scheme, settings):
    "What a case has reached as many steps after the remedy as it was trained"
    learn = trained(case.learner(seed), case.budget)
    trained(remedy(scheme, settings, facts(learn)).apply(learn), case.budget)
    found = case.measure(learn, seed)
    return dict(healed=case.healed(learn, seed), distance=round(found['distance'], 2), modes=found['modes'])

def main(argv=None):
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--seeds', type=int, default=3)
    a.add_argument('--json', metavar='FILE', default=str(HERE/'redraw.json'), help="where rows are kept; '': nowhere")
    o = a.parse_args(argv)
    rows = Rows(o.json, KEYS)
    torch.set_num_threads(1)
    for case in chosen('calibration', CASES):
        for seed in range(case.seed, case.seed + o.seeds):
            for settings in ('stylegan2', 'own'):
                for scheme in ('he_normal', 'xavier_normal'):
                    key = dict(case=case.name, seed=seed, scheme=scheme, settings=settings)
                    if rows.has(**key): continue
                    rows.add(**key, **tried(case, seed, scheme, settings))
                    print(*rows[-1].values(), sep=', ', flush=True)

if __name__ == '__main__': main()
