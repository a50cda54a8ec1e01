"Killed at any moment, with changes arriving: every run resumes, nothing acknowledged is lost, and the end is that of a run that was never disturbed."
import os, random, signal, sys, time
from pathlib import Path
import pytest, torch
import ganlab.travel.resume
from ganlab.learner import GANLearner
from ganlab.record.run import Run
from ganlab.engine.change import Refused
from apart import Process, in_a_child
from strangers import data, go, nets
from ganlab.data import tensor_dls

STEPS = 240
needs_fork = pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs os.fork, to begin lives quickly')
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

def undisturbed(where:Path, answer:Path):
    "The same changes at the same steps, in a learner that was never killed"
    torch.set_num_threads(1)
    run = Run.open(where)
    learn = run.replay(dls(), *nets('mlp'), progress=False)
    answer.write_text(f'{learn.state_hash()} {run.hash_at(STEPS)} {learn.step}\n' + '\n'.join(f'{c.step} {c.kind} {c.name}' for c in run.changes))

def kills(folder:Path, n:int, seed:int):
    "A run killed again and again until it has been killed `n` times; whenever one comes to its end, another is begun"
    rng, killed, runs = random.Random(seed), 0, 0
    while killed < n:
        runs += 1
        where, acks, lives = folder/str(runs), folder/f'{runs}.acks', 0
        while True:
            lives += 1
            alive = Process(life, where, acks, seed*10_000 + runs*100 + lives, log=folder/'said')
            may_be_killed = killed < n
            code = alive.ended(rng.uniform(.02, 2.5) if may_be_killed else 850)
            if code is None:
                alive.kill()
                assert may_be_killed, f'life {lives} of run {runs} does not end: {alive.said()}'
                killed += 1
                continue
            assert code == 0, f'life {lives} of run {runs} failed: {alive.said()}'
            break
        assert in_a_child(undisturbed, where, folder/f'{runs}.answer') == (0, '')
        hashes, *made = (folder/f'{runs}.answer').read_text().split('\n')
        a, b, step = hashes.split()
        assert a == b and int(step) == STEPS, f'run {runs} ended otherwise than undisturbed'
        acknowledged = acks.read_text().split('\n')[:-1] if acks.exists() else []
        rest = iter(made)
        assert all(any(m == c for m in rest) for c in acknowledged), f'run {runs} lost a change: {acknowledged} of {made}'
        print(f'run {runs}: {lives - 1} kills, {len(acknowledged)} acknowledged changes, all there; the end is the same')

@needs_fork
def test_kill(tmp_path): kills(tmp_path, 2, 1)

@pytest.mark.slow
@needs_fork
def test_kill_200(tmp_path): kills(tmp_path, 200, 2)
