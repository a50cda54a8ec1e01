"""What steering from outside costs, and how soon it is answered: `python benchmarks/steer.py`.

Idle poll: two learners of one seed that record to disk train in turns of 200 steps, one of them with a mailbox and one without; the CPU time of
the process is compared, and a look into an empty mailbox is timed alone. Request to receipt: a training in another process is asked `--requests` times.
Watched: the same two learners, one of them watched by an onlooker of another process, after the first looks. Attached: a panel on a training of another process; how old
the step and the samples are that it shows, 20 times a second, and the time from a click to its receipt in the panel."""
import argparse, json, subprocess, sys, tempfile, time
from pathlib import Path
import numpy as np, torch
from ganlab.attached import Attached
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

ONLOOKER = '''
import sys, time
from ganlab.steer.window import Glass
glass = Glass(sys.argv[1])
while True:
    glass.look({})
    for _ in glass.news(): pass
    time.sleep(.1)
'''

def watched(game, folder, steps, turn=200):
    "CPU seconds of the process that trains, watched and not"
    learners = [GANLearner(*GAMES[game](), seed=0, run=folder/name) for name in ('watched', 'alone')]
    other, spent, first = subprocess.Popen([sys.executable, '-c', ONLOOKER, str(learners[0].run.folder)]), [0., 0.], [0., 0.]
    try:
        while not learners[0].run.mail.window.watched(): time.sleep(.05)
        i, end = 0, 10**9                                    # until the doctor was asked: the first looks, with all that is imported for them
        while i < end:
            for k in (0, 1) if i % 2 else (1, 0):
                t = time.process_time()
                learners[k].fit_steps(turn, progress=False)
                (first if end == 10**9 else spent)[k] += time.process_time() - t
            i += 1
            if end == 10**9 and learners[0].run.mail.drawer.screen.taken.checks.report.asked >= 0: end = i + steps//turn
    finally: other.kill(), other.wait()
    same = learners[0].state_hash() == learners[1].state_hash()
    for l in learners: l.run.close()
    return dict(game=game, steps=steps, watched=round(spent[0]/spent[1], 4), watched_s=round(spent[0], 2), alone_s=round(spent[1], 2), first_s=round(first[0] - first[1], 2), same_bits=same)

TIMED = SCRIPT.rpartition('learn.fit_steps')[0] + '''
import json, pathlib, time
times = []
learn.fit_steps(10**7, gate=lambda learn: times.append((learn.step, time.time())), progress=False)
pathlib.Path(sys.argv[2] + '.json').write_text(json.dumps(times))
'''

def attached(game, folder, seconds, clicks):
    "How old is what the panel shows, and how soon is a click answered? In seconds, and milliseconds beyond a step"
    code = TIMED.format(here=str(Path(__file__).parent))
    other = subprocess.Popen([sys.executable, '-c', code, game, str(folder)])
    try:
        while (heard(folder/'steer') or {}).get('state') != 'training': time.sleep(.05)
        with Attached(folder) as lab:
            while not (lab.state == 'running' and lab.samples.frame): time.sleep(.05)
            time.sleep(5)
            shown, took = [], []
            for _ in range(round(20*seconds)):
                shown.append((time.time(), lab.transport.step, lab.samples.step))
                time.sleep(.05)
            for i in range(clicks):
                t = time.perf_counter()
                lab.tricks.ask(dict(do='set', name='ttur', params=dict(lr_d=2e-4 + 1e-6*i)))
                while lab.left: time.sleep(.002)
                took.append(1e3*(time.perf_counter() - t))
                time.sleep(.02 + .001*(i % 7))
            ms, cost = lab.remote.news['ms'], lab.announcement.cost
            lab.remote.stop().wait()
            other.wait(30)
    finally: other.kill(), other.wait()
    done = dict(json.loads(Path(f'{folder}.json').read_text()))
    ages = [[t - done[s[k]] for t, *s in shown if s[k] in done] for k in (0, 1)]
    return dict(game=game, state_age_p95_s=round(np.percentile(ages[0], 95), 2), samples_age_p95_s=round(np.percentile(ages[1], 95), 2), step_ms=round(ms, 1),
                click_ms_p95=round(np.percentile(took, 95), 1), beyond_a_step_p95=round(np.percentile(took, 95) - ms, 1), told_cost=cost)

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
            print(json.dumps(watched(game, Path(d)/f'{game}-seen', args.steps if game == 'ring' else args.steps//10)), flush=True)
            print(json.dumps(attached(game, Path(d)/f'{game}-attached', 20, args.requests//2)), flush=True)
