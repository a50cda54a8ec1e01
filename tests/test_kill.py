"Killed at any moment, with changes arriving: every run resumes, nothing acknowledged is lost, and the end is that of a run that was never disturbed."
import os, random, signal, sys, time
from pathlib import Path
import pytest, torch
import ganlab.travel.resume
from ganlab.learner import GANLearner
from ganlab.record.run import Run
from ganlab.engine.change import Refused
from strangers import data, go, nets, not_for_ever
from ganlab.data import tensor_dls

STEPS = 240
ASKED = ['instance_noise', 'ttur', 'spectral_norm', 'ema', 'gradient_penalty', 'minibatch_stddev', 'label_flip', 'grad_clip', 'optimizer', 'replay_buffer', 'residual', 'weight_clipping']

def dls(): return tensor_dls(data(), 8)

def life(where:Path, acks:Path, seed:int):
    "One life of the run: begin it or take it up, train, ask for changes, and note each one that was acknowledged"
    torch.set_num_threads(1)
    rng = random.Random(seed)
    try: learn = GANLearner(dls(), *nets('mlp'), seed=0, run=where)
    except ValueError as e:
        assert 'holds a run already' in str(e)
        learn = GANLearner.resume(where, dls(), *nets('mlp'), progress=False)
    learn.run.snap_every = rng.choice([3, 10, 40])
    acks = os.open(acks, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while learn.step < STEPS:
        name, kind = rng.choice(ASKED), rng.choice(['on', 'off', 'on', 'off', 'loss', 'd'])
        try: c = learn.set_loss(rng.choice(['hinge', 'lsgan', 'non_saturating'])) if kind == 'loss' else learn.half_step('d') if kind == 'd' else getattr(learn.tricks, kind)(name)
        except Refused: continue
        if not c.moot: os.write(acks, f'{c.step} {c.kind} {c.name}\n'.encode())
        go(learn, min(rng.randrange(1, 12), STEPS - learn.step))
    learn.run.close()

def child(f, *args)->int: # its process
    "`f(*args)` in a process of its own, which has all of ganlab already"
    sys.stdout.flush(); sys.stderr.flush()
    pid = os.fork()
    if pid: return pid
    try:
        not_for_ever()
        f(*args)
        os._exit(0)
    except BaseException:
        import traceback; traceback.print_exc()
        os._exit(1)

def undisturbed(where:Path, answer:Path):
    "The same changes at the same steps, in a learner that was never killed"
    torch.set_num_threads(1)
    run = Run.open(where)
    learn = run.replay(dls(), *nets('mlp'), progress=False)
    answer.write_text(f'{learn.state_hash()} {run.hash_at(STEPS)} {learn.step}\n' + '\n'.join(f'{c.step} {c.kind} {c.name}' for c in run.changes))

def ended(pid, seconds)->int|None: # exit code
    "Wait for a process; None: it is still alive"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        p, status = os.waitpid(pid, os.WNOHANG)
        if p: return os.waitstatus_to_exitcode(status)
        time.sleep(.002)

def kills(folder:Path, n:int, seed:int):
    "A run killed again and again until it has been killed `n` times; whenever one comes to its end, another is begun"
    rng, killed, runs = random.Random(seed), 0, 0
    while killed < n:
        runs += 1
        where, acks, lives = folder/str(runs), folder/f'{runs}.acks', 0
        while True:
            lives += 1
            pid = child(life, where, acks, seed*10_000 + runs*100 + lives)
            code = ended(pid, rng.uniform(.02, 2.5)) if killed < n else ended(pid, 600)
            if code is None:
                os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
                killed += 1
                continue
            assert code == 0, f'life {lives} of run {runs} failed'
            break
        pid = child(undisturbed, where, folder/f'{runs}.answer')
        assert ended(pid, 600) == 0
        hashes, *made = (folder/f'{runs}.answer').read_text().split('\n')
        a, b, step = hashes.split()
        assert a == b and int(step) == STEPS, f'run {runs} ended otherwise than undisturbed'
        acknowledged = acks.read_text().split('\n')[:-1] if acks.exists() else []
        rest = iter(made)
        assert all(any(m == c for m in rest) for c in acknowledged), f'run {runs} lost a change: {acknowledged} of {made}'
        print(f'run {runs}: {lives - 1} kills, {len(acknowledged)} acknowledged changes, all there; the end is the same')

@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs os.fork, to begin lives quickly')
def test_kill(tmp_path): kills(tmp_path, 12, 1)

@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs os.fork, to begin lives quickly')
def test_kill_200(tmp_path): kills(tmp_path, 200, 2)
