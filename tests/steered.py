"""Requests of every kind, at random, to a run whose trainers are killed at random, from clients that are killed at random.

`python tests/steered.py 300 20 40` does it by hand: requests, kills of the trainer, kills of clients."""
import os, random, signal, sys, tempfile, time
from collections import Counter
from pathlib import Path
import torch
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.record.run import Run
from ganlab.steer.box import Box

TRICKS = 'ema gradient_penalty instance_noise ttur spectral_norm grad_clip label_smoothing'.split()

def parts(): return ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0)

def some_request(rng)->dict:
    "Legal and illegal ones"
    name = rng.choice(TRICKS)
    return rng.choice([
        lambda: dict(kind='on', name=name), lambda: dict(kind='on', name=name), lambda: dict(kind='off', name=name, now=rng.random() < .5),
        lambda: dict(kind='set', name='ttur', params=dict(lr_d=rng.choice([1e-4, 3e-4, -1]))), lambda: dict(kind='loss', name=rng.choice(['hinge', 'lsgan', 'non_saturating', 'none'])),
        lambda: dict(kind='preset', name=rng.choice(['wgan_gp_toy', 'nothing'])), lambda: dict(kind='undo'), lambda: dict(kind='snapshot'),
        lambda: dict(kind='rewind', step=rng.randrange(60)), lambda: dict(kind='step', n=rng.randrange(1, 4)), lambda: dict(kind='step', phase=rng.choice('dg')),
        lambda: dict(kind='pause'), lambda: dict(kind='resume'), lambda: dict(kind='resume'), lambda: dict(kind='lock', why='so it is'), lambda: dict(kind='unlock'), lambda: dict(kind='unlock')])()

def in_child(f)->int: # its number
    child = os.fork()
    if child: return child
    try:
        torch.set_num_threads(1)
        f()
        code = 0
    except BaseException as e: # what a test sees of it
        print(f'{type(e).__name__}: {e}', file=sys.stderr, flush=True)
        code = 1
    finally: os._exit(code)

def train(folder):
    "Go on until nothing is asked for any more and the file `enough` is there"
    learn = GANLearner.resume(folder, *parts(), progress=False)
    enough, box = folder.parent/'enough', Box(folder)
    def gate(learn):
        if enough.exists() and not any(box.inbox.glob('*.json')): learn.turnstile.orders.give('stop')
        elif learn.turnstile.orders.resting and enough.exists(): learn.turnstile.orders.give('run')
    def rest(learn): # as `wait`, but that it ends
        learn.run.left(learn)
        while learn.turnstile.orders.resting and not enough.exists():
            learn.turnstile.run_jobs()
            learn.deliver(held=True)
            time.sleep(.002)
        if learn.turnstile.orders.resting: learn.turnstile.orders.give('run')
        learn.run.met(learn)
    learn.turnstile.orders.rest = rest
    learn.fit_steps(None, gate=gate, progress=False)
    learn.run.close()

def post(folder, seed, posted):
    "Leave a request, and note its name once it is there"
    box = Box(folder)
    name = box.post(**some_request(random.Random(seed)))
    fd = os.open(posted, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f'{name}\n'.encode())

def killed(child)->bool: # did the signal come before its end?
    try: os.kill(child, signal.SIGKILL)
    except ProcessLookupError: pass
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

def check(folder, posted)->Counter:
    "All receipts are there and agree with the record, nothing was done twice; how many became what"
    box, run = Box(folder), Run.open(folder)
    assert not list(box.inbox.glob('*.json'))
    names = posted.read_text().split()
    receipts = {n: box.receipt(n) for n in names}
    assert all(receipts.values()), [n for n, r in receipts.items() if r is None]
    known = run.store.rows("select name, what, number from requests") if run.store.rows("select 1 from sqlite_master where name='requests'") else []
    assert len({k[0] for k in known}) == len(known) and all((box.receipt(k[0]) or dict(state=''))['state'] == 'done' for k in known)
    numbers = [(what, number) for _, what, number in known if number is not None]
    assert len(set(numbers)) == len(numbers), Counter(numbers).most_common(3)
    by = Counter((m.get('request'), k, n) for k, n, m in _changes(run) if m.get('request'))
    assert not [b for b, count in by.items() if count > 1], by.most_common(3)
    return Counter(r['state'] for r in receipts.values())

def _changes(run):
    import json
    return [(k, n, json.loads(m)) for k, n, m in run.store.rows('select kind, name, more from changes')]

def soak(folder, n, trainers, clients, seed):
    "The whole of it; returns what became of the requests"
    rng, posted = random.Random(seed), folder.parent/'posted'
    first = GANLearner(*parts(), seed=0, run=folder)
    first.fit_steps(60, progress=False)
    first.run.close()
    posted.touch()
    deaths, left, done, trainer = Counter(), clients, 0, in_child(lambda: train(folder))
    kill_at = sorted(rng.sample(range(n), trainers))
    while done < n:
        client = in_child(lambda: post(folder, seed*10_000 + done, posted))
        if left and rng.random() < 1.5*left/(n - done):
            time.sleep(rng.uniform(0, .01))
            deaths['clients'] += killed(client)
            left -= 1
        else: assert os.waitpid(client, 0)[1] == 0
        if kill_at and done == kill_at[0]:
            time.sleep(rng.uniform(0, .05))
            deaths['trainers'] += killed(trainer)
            trainer, _ = in_child(lambda: train(folder)), kill_at.pop(0)
        done += 1
    (folder.parent/'enough').touch()
    assert os.waitpid(trainer, 0)[1] == 0
    found = check(folder, posted)
    learn = GANLearner.resume(folder, *parts(), progress=False)
    h = learn.state_hash()
    learn.run.close()
    assert Run.open(folder).replay(*parts(), progress=False).state_hash() == h
    return found, deaths

if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as d: print(*soak(Path(d)/'a', *map(int, sys.argv[1:4]), seed=1))
