"What is shown while it trains is fresh, above all after a flip, and costs little: by a clock that only steps, questions and pictures move."
import math
import pytest
from fastai.callback.core import Callback
from ganlab.data import digits_dls, ring_dls
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.panels.pace import Budget, Pace
from ganlab.panels.reasons import Reasons

class Now:
    "Time that passes when something takes it, on the wall and of the CPU."
    def __init__(self): self.at = 0.
    def wall(self): return self.at
    def cpu(self): return self.at
    def takes(self, seconds): self.at += seconds
    def slowed(self, f, seconds): return lambda *a, **kw: self.takes(seconds) or f(*a, **kw)

class Tick(Callback):
    def __init__(self, now, seconds): self.now, self.seconds = now, seconds
    def after_batch(self): self.now.takes(self.seconds)

def ring(): return GANLearner(ring_dls(n=2000, bs=16), *mlp(width=8, depth=2, seed=0), seed=0)
def digits(): return GANLearner(digits_dls(bs=8, size=16), *dcgan(16, 1, 8, 4, seed=0), seed=0)

PARTS = dict(numbers='transport', curves='curves', strip='timeline', picture='samples')

def watched(learn, step=.1, question=.001, sight=None, **costs):
    "-> lab, and (time, step) of each drawing by its name; a view looks at every part, and at all rows of the list (or at `sight`)"
    now, drawn = Now(), {name: [] for name in PARTS}
    learn.add_cb(Tick(now, step))
    lab = Lab(learn, clock=now)
    lab.tricks.heard(dict(do='sight', names=list(learn.tricks) if sight is None else sight))
    lab.tricks.reasons._ask = now.slowed(lab.tricks.reasons._ask, question)
    for name, part in lab.screen.drawn.items(): lab.screen.drawn[name] = part._replace(take=now.slowed(part.take, costs.get(name, .001)))
    for name, part in PARTS.items():
        part = getattr(lab, part)
        part.observe(lambda c, log=drawn[name]: log.append((now.at, learn.step)), 'step' if name == 'numbers' else 'frame')
        part.observe(lambda c: c.owner.heard(dict(seen=c.new)), 'frame')
    return lab, drawn

def flips(learn, n, every):
    "Ask for `n` tricks in turn, each off again before the next; -> the steps"
    names = [t.name for t in learn.tricks.values() if t.plain and t.why_not(learn) is None][:n]
    assert len(names) == n
    for i, name in enumerate(names, 1):
        learn.tricks.on(name, at=i*every)
        learn.tricks.off(name, at=(i + 1)*every - 1, now=True)
    return [i*every for i in range(1, n + 1)]

def trained(lab, steps):
    lab.start(steps)
    assert lab.wait(300) and not lab.error, lab.error

def ages(log): return [b - a for (a, _), (b, _) in zip(log, log[1:])]

@pytest.mark.parametrize('make,costs', [(ring, dict(picture=.15, question=.03)), (digits, dict(question=.4)),
    pytest.param(ring, {}, marks=pytest.mark.slow), pytest.param(digits, dict(strip=.3, curves=.02), marks=pytest.mark.slow)])
def test_after_a_flip(make, costs):
    "Curves and samples with their scores are drawn within a step and 250 ms of a change, and again within a second, whatever a reason or a picture costs"
    learn = make()
    lab, drawn = watched(learn, **costs)
    with lab:
        at = flips(learn, 8, 25)
        trained(lab, 250)
        once = .1 + sum(costs.values())                        # a step, and what is drawn at it
        for name in ('curves', 'picture'):
            for step in at:
                applied = min(t for t, n in drawn['numbers'] if n >= step)
                first, second, *_ = [t for t, n in drawn[name] if n >= step]
                assert first <= applied + .25 + once and first < second <= applied + 1. + once, (name, step, applied, first, second)

@pytest.mark.parametrize('dear', ['curves', 'picture', *(pytest.param(p, marks=pytest.mark.slow) for p in ('strip', 'closeup'))])
def test_a_dear_part_holds_up_no_other(dear):
    "It takes a tenth of the time at most; the others are as fresh as ever, and nothing is older than two seconds that takes less than a fifth of one"
    for cost in (.15, .9):
        learn = ring()
        lab, drawn = watched(learn, **{dear: cost})
        with lab:
            lab.samples.pick = 3
            trained(lab, 200)
            for name in PARTS:
                most = max(2., 10*cost) if name == dear else 1.
                assert max(ages(drawn[name])) <= most + .2 + cost, (name, cost, max(ages(drawn[name])))
            assert lab.screen.drawn[dear].pace.spent <= .1*lab.screen.clock.at + 3*cost      # and when it begins and ends

def test_share():
    "What all parts take together, where each takes what it may"
    lab, drawn = watched(ring(), curves=.004, strip=.004, picture=.02, closeup=.002)
    with lab:
        trained(lab, 400)
        assert sum(p.pace.spent for p in lab.screen.drawn.values())/lab.screen.clock.at <= .05 and max(map(max, map(ages, drawn.values()))) <= 2.1
        assert lab.announcement.cost <= .05

class Half(Now):
    "A thread that has the processor half of the time"
    def cpu(self): return self.at/2

@pytest.mark.parametrize('share', [.01, .05, .2])
def test_a_budget_is_kept(share):
    "By itself, of the CPU's time and not of that on the wall: a drawing rests until its share is kept, and does not rest much longer"
    now, n = Half(), 0
    pace = Pace(Budget(every=.1, share=share, oldest=1e9), now)
    pace.most = 1e-9                                            # it may get as old as it likes
    while now.cpu() < 200:
        now.takes(.05)                                          # a step
        if pace.due():
            with pace.spend(): now.takes(.08); n += 1           # of which .04 s on the CPU
    assert .8*share <= n*.04/200 <= share + .04/200

@pytest.mark.parametrize('dear', ['curves', 'picture', 'closeup'])
def test_what_a_part_takes_from_outside(dear):
    "Counted where it is drawn, not where it is noted: .05 s every two seconds at most, and of a picture every .7, less the step to come"
    learn, cost = ring(), .05
    lab, drawn = watched(learn)
    now, part, n = lab.screen.clock, lab.screen.drawn[dear], []
    lab.screen.drawn[dear] = part._replace(take=now.slowed(lambda: n.append(now.at) or part.take(), cost))
    with lab:
        if dear == 'closeup': lab.samples.pick = 3
        trained(lab, 200)
        least = .65 if dear == 'picture' else 2.
        assert 3 < len(n) <= now.at/least + 3 and cost*len(n)/now.at <= .04 + .04*(dear == 'picture')

def test_questions_after_a_flip(monkeypatch):
    "Only rows in sight are asked why they do not apply, each once, and a slow answer is alone for a while; nobody waits for them"
    learn, asked = ring(), []
    sight = ['label_smoothing', 'instance_noise', 'unrolled', 'gradient_penalty']
    lab, drawn = watched(learn, question=.03, sight=sight)
    own = lab.tricks.reasons._ask
    lab.tricks.reasons._ask = lambda name: asked.append((learn.step, name)) or own(name)
    calls = []
    for t in learn.tricks.values(): monkeypatch.setattr(t, 'why_not', lambda learn, t=t, own=t.why_not: calls.append((learn.step, t.name)) or own(learn))
    with lab:
        learn.tricks.on('ttur', at=50)
        trained(lab, 49)                                       # and where it ends, all are asked
        asked.clear(), calls.clear()
        lab.start(200)
        assert lab.wait(300)
        asked, calls = ([o for o in some if o[0] < learn.step] for some in (asked, calls))
        assert [n for _, n in asked] == sight and asked[0][0] == 50
        assert min(b - a for (a, _), (b, _) in zip(asked, asked[1:])) >= 20     # 30 ms at a hundredth of the time: 3 s, of 100 ms a step
        assert len(calls) == len(sight) + 2                    # and the switch itself asks twice: before it, and whether it stands
        lab.tricks.heard(dict(do='off', name='ttur'))          # nothing trains: all rows at once
        assert lab.tricks.reasons._asked == set(lab.tricks.reasons.known) == set(learn.tricks)

def test_questions_are_asked_anew_of_other_networks():
    "Once each, and once more when a layer has come or gone"
    learn, asked = ring(), []
    reasons = Reasons(learn)
    own, reasons._ask = reasons._ask, lambda name: asked.append(name) or own(name)
    for act in (lambda: None, lambda: learn.tricks.on('minibatch_stddev'), lambda: learn.tricks.off('minibatch_stddev', now=True)):
        act()
        asked.clear(); reasons.go(math.inf); assert asked == list(learn.tricks)
        asked.clear(); reasons.go(math.inf); assert asked == []

def test_a_row_looks_as_before_until_its_reason_is_known():
    learn = ring()
    lab, drawn = watched(learn, sight=[])
    row = lambda name: lab.tricks.rows[list(learn.tricks).index(name)]
    with lab:
        assert row('label_smoothing')['state'] == 'off'
        learn.set_loss('wasserstein', at=10)
        trained(lab, 30)
        assert row('label_smoothing')['state'] == 'na'         # it has ended: all is known
        learn.set_loss('non_saturating', at=40)
        seen = []
        lab.tricks.observe(lambda c: seen.append((learn.step, row('label_smoothing')['state'])), 'rows')
        lab.tricks.heard(dict(do='sight', names=['label_smoothing']))
        trained(lab, 70)
        assert [s for n, s in seen if n < 40] == ['na']*sum(n < 40 for n, _ in seen) and seen[-1][1] == 'off'
        assert min(n for n, s in seen if s == 'off') < 60

def test_nothing_of_it_changes_a_bit():
    plain = ring(); plain.fit_steps(120, progress=False)
    lab, _ = watched(ring())
    with lab:
        trained(lab, 120)
        assert lab.learn.state_hash() == plain.state_hash()
