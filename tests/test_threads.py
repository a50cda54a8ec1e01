"What the panel's thread and the training thread may do to each other: nothing."
import threading, torch
from torch import nn
from ganlab.all import *

class Alone(nn.Module):
    "A network that notes when two threads are in it at once."
    def __init__(self, net): super().__init__(); self.net, self.busy, self.crowded = net, threading.Lock(), 0
    def forward(self, x):
        if not self.busy.acquire(blocking=False):
            self.crowded += 1
            return self.net(x)
        try: return self.net(x)
        finally: self.busy.release()

def alone(**kw):
    G, D = mlp(width=32, depth=2, seed=0)
    return GANLearner(ring_dls(bs=64), Alone(G), Alone(D), z_dim=2, seed=0, **kw)

def test_reasons_are_asked_between_steps():
    "why_not may run the networks: whoever asks, whenever, no step is under way"
    learn = alone()
    with Lab(learn) as lab:
        lab.tricks.heard(dict(do='sight', names=list(learn.tricks)))
        for i in range(12):
            lab.start(steps=8)
            for _ in range(4):
                learn.found.clear()
                lab.tricks.reasons.forget()
                lab.tricks.heard(dict(do='unplan'))     # a click, also while the thread is starting
                assert learn.tricks.why_not('virtual_batch_norm') and learn.tricks.why_not('gradient_penalty') is None
            assert lab.wait(60) and not lab.error
    assert learn.step == 96 and learn.G.crowded == learn.D.crowded == 0

def test_torchs_threads_are_those_of_the_beginning():
    "Sums of another number of threads have other bits: whatever was set since, a training has what the learner was made with, and gives back what it found"
    learn, own, seen = alone(), torch.get_num_threads(), []
    torch.set_num_threads(own + 1)
    try:
        learn.fit_steps(2, gate=lambda l: seen.append(torch.get_num_threads()), progress=False)
        assert seen and set(seen) == {own} and torch.get_num_threads() == own + 1
    finally: torch.set_num_threads(own)

class Odd(Trick):
    name, title, number = 'odd', 'Odd', 900
    slots = ('after_g',)
    def why_not(self, learn): raise KeyError('')
    def after_g(self, ctx): pass

def test_a_reason_that_fails():
    "A trick that cannot say whether it applies stops nothing: its row says so"
    learn = alone()
    learn.tricks.add(Odd)
    with Lab(learn) as lab:
        lab.start(steps=20)
        assert lab.wait(60) and not lab.error and learn.step == 20
        row = next(r for n, r in zip(learn.tricks, lab.tricks.rows) if n == 'odd')
        assert row['state'] == 'na' and 'KeyError' in row['why']

def test_a_drawing_that_fails(monkeypatch):
    "The training pauses at a whole step, nobody waits for ever, and it can go on"
    learn = alone()
    with Lab(learn, refresh=0.01) as lab:
        monkeypatch.setattr(lab.curves, 'refresh', lambda state: 1/0)
        monkeypatch.setattr(threading, 'excepthook', lambda args: None)
        lab.start(steps=400)
        assert lab.wait(60) and isinstance(lab.error, ZeroDivisionError) and not learn.training_now
        monkeypatch.undo()
        lab.start(steps=20)
        assert lab.wait(60) and not lab.error
        assert learn.state_hash() == trained(learn.step)

def trained(n):
    learn = alone()
    learn.fit_steps(n, progress=False)
    return learn.state_hash()
