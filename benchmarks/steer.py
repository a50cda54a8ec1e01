"""What steering from outside costs, and how soon it is answered: `python benchmarks/steer.py`.

Idle poll: two learners of one seed that record to disk train in turns of 200 steps, one of them with a mailbox and one without; the CPU time of
the process is compared, and a look into an empty mailbox is timed alone. Request to receipt: a training in another process is asked `--requests` times."""
import argparse, json, subprocess, sys, tempfile, time
from pathlib import Path
import numpy as np, torch
from ganlab.data import digits_dls, ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.steer.box import Desk
from ganlab.steer.pulse import heard
from ganlab.steer.remote import Remote

GAMES = dict(ring=lambda: (ring_dls(), *mlp(seed=0)), digits=lambda: (digits_dls(), *dcgan(32, 1, width=16, seed=0)))

def poll(folder, n=200_000):
    "Microseconds of a look into an empty mailbox"
    desk = Desk(folder)
    desk.make()
    time.sleep(.1)
    desk.new()
    t = time.process_time()
    for _ in range(n): desk.stirs()
    return 1e6*(time.process_time() - t)/n

def idle(game, folder, steps, turn=200):
    "CPU seconds with a mailbox, and without"
    learners = [GANLearner(*GAMES[game](), seed=0, run=folder/name) for name in ('with', 'without')]
    learners[1].run.mail = None
    spent = [0., 0.]
    for l in learners: l.fit_steps(20, progress=False)
    for i in range(steps//turn):
        for k in (0, 1) if i % 2 else (1, 0):
            t = time.process_time()
            learners[k].fit_steps(turn, progress=False)
            spent[k] += time.process_time() - t
    same = learners[0].state_hash() == learners[1].state_hash()
    for l in learners: l.run.close()
    return dict(game=game, steps=steps, ratio=round(spent[0]/spent[1], 4), with_s=round(spent[0], 2), without_s=round(spent[1], 2), same_bits=same)

SCRIPT = '''
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, {here!r})
from steer import GAMES, GANLearner
learn = GANLearner(*GAMES[sys.argv[1]](), seed=0, run=sys.argv[2])
learn.fit_steps(10**7, progress=False)
'''

def answers(game, folder, requests):
    "Milliseconds from a request to its receipt, beyond those of a step"
    code = SCRIPT.format(here=str(Path(__file__).parent))
    other = subprocess.Popen([sys.executable, '-c', code, game, str(folder)])
    try:
        while (heard(folder/'steer') or {}).get('state') != 'training': time.sleep(.05)
        run, took = Remote(folder), []
        time.sleep(2)
        for i in range(requests):
            t = time.perf_counter()
            run.set('ttur', lr_d=2e-4 + 1e-6*i).wait()
            took.append(1e3*(time.perf_counter() - t))
            time.sleep(.02 + .001*(i % 7))
        ms = run.news['ms']
        run.stop().wait()
    finally: other.kill(), other.wait()
    p50, p95 = np.percentile(took, [50, 95])
    return dict(game=game, requests=requests, step_ms=round(ms, 1), receipt_ms_p50=round(p50, 1), receipt_ms_p95=round(p95, 1), beyond_a_step_p95=round(p95 - ms, 1))

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--steps', type=int, default=4000); p.add_argument('--requests', type=int, default=200); p.add_argument('--games', nargs='+', default=list(GAMES), choices=list(GAMES))
    args = p.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as d:
        print(json.dumps(dict(idle_poll_us=round(poll(Path(d)), 2))), flush=True)
        for game in args.games:
            print(json.dumps(idle(game, Path(d)/game, args.steps if game == 'ring' else args.steps//10)), flush=True)
            print(json.dumps(answers(game, Path(d)/f'{game}-asked', args.requests)), flush=True)
