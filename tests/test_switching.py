"Changes fall between steps: whole, in the order asked, each acknowledged, whatever the threads do."
import random, threading, time
import pytest, torch
from fastai.callback.core import CancelFitException
from torch import nn
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from ganlab.losses import losses
from ganlab.engine.change import Refused
from ganlab.engine.turnstile import Turnstile
from ganlab.trick import Flag, Num, Trick
from strangers import Drift, Faulty, copies, go, groups_hold, make_learner, net_state, one_sentence, unequal

class Recorder(Trick):
    "Notes what it sees of itself in every slot; its two values are only ever changed together"
    name, title, number = 'recorder', 'Recorder', 2010
    a, b = Num(0, 0, 1e6, 'one'), Num(0, 0, 1e6, 'the other')
    live = False
    def attach(self, learn, undo): self.live = True; self.steps = getattr(self, 'steps', [])
    def detach(self, learn): self.live = False
    def note(self, what, step):
        assert self.live and self.enabled, 'asked while off'
        if not self.steps or self.steps[-1][0] != step: self.steps.append((step, []))
        self.steps[-1][1].append((what, self.a, self.b))
    def inputs(self, x, ctx): self.note(f'{ctx.phase} {ctx.side}', ctx.step); return x
    def fakes(self, xf, ctx): self.note('fakes', ctx.step); return xf
    def scores(self, l, ctx): self.note('scores', ctx.step); return l
    def d_term(self, ctx): self.note('d_term', ctx.step); return 0*ctx.l_real.mean()
    def g_term(self, ctx): self.note('g_term', ctx.step); return 0*ctx.l_fake.mean()
    def around_d(self, update, ctx): self.note('around_d', ctx.step); update(); self.note('around_d', ctx.step)
    def around_g(self, update, ctx): self.note('around_g', ctx.step); update(); self.note('around_g', ctx.step)
    def after_d(self, ctx): self.note('after_d', ctx.step)
    def after_g(self, ctx): self.note('after_g', ctx.step)

D_HALF = ['around_d', 'fakes', 'd real', 'd fake', 'd_term', 'around_d', 'after_d']
G_HALF = ['around_g', 'g fake', 'scores', 'g_term', 'around_g', 'after_g']

class Fussy(Trick):
    "Adds a layer and a parameter, and then fails, where it is told to"
    name, title, number = 'fussy', 'Fussy', 2011
    fail = Flag(False, 'fail half-way')
    def attach(self, learn, undo):
        learn.D.extra = nn.Linear(1, 1)
        undo.callback(lambda: delattr(learn.D, 'extra'))
        learn.opt_d.add_param_group(dict(learn.opt_d.param_groups[0], params=list(learn.D.extra.parameters())))
        undo.callback(lambda: learn.opt_d.param_groups.pop())
        w = net_state(learn.D)['0.weight'] if '0.weight' in net_state(learn.D) else None
        if w is not None: learn.D[0].weight.data.add_(1); undo.callback(learn.D[0].weight.data.copy_, w)
        if self.fail: raise RuntimeError('half-way')
        undo.close()
        raise ValueError('it never works')

class Slow(Trick):
    "Leaves in three steps, each with a smaller term"
    name, title, number = 'slow', 'Slow', 2012
    gate = Num(1, 0, 1, 'weight')
    gone = False
    def leave(self, learn): return 3
    def detach(self, learn): self.gone = True
    def d_term(self, ctx):
        done, total = self.leaving or (0, 3)
        return self.gate*(1 - done/total)*ctx.l_real.square().mean()

class Owner(Trick):
    "Owns the loss: least squares, whatever the learner's"
    name, title, number = 'owner', 'Owner', 0
    def loss(self, base): return losses['lsgan']

# Thousands of switches from three threads

NAMES = ['label_smoothing', 'one_sided_label_smoothing', 'spectral_norm', 'instance_noise', 'ttur', 'recorder']

def a_request(rng, learn):
    "One random request: a function that makes it; some are against the rules"
    r, name = rng.random(), rng.choice(NAMES)
    v = float(rng.randrange(1000))
    values = dict(label_smoothing=dict(real=rng.uniform(.6, 1)), one_sided_label_smoothing={}, spectral_norm=dict(soft_start=rng.randrange(0, 30)),
        instance_noise=dict(sigma=rng.random(), share=rng.random()), ttur=dict(lr_d=10**rng.uniform(-4, -3)), recorder=dict(a=v, b=v))[name]
    if r < .3: return lambda: learn.tricks.on(name, **values)
    if r < .55: return lambda: learn.tricks.off(name, now=rng.random() < .5)
    if r < .7: return lambda: learn.tricks.set(name, **values)
    if r < .8: loss = rng.choice(list(losses)); return lambda: learn.set_loss(loss)
    if r < .84: phase = rng.choice('dg'); return lambda: learn.half_step(phase)
    if r < .89: return lambda: learn.tricks.on('fussy', fail=True)
    if r < .92: return lambda: learn.tricks.on(name, nonsense=1)
    if r < .95: return lambda: learn.tricks.set('instance_noise', sigma=rng.choice([-1, 2, float('nan'), 'x', None]))
    if r < .97: return lambda: learn.tricks.on('spectral_nrom')
    if r < .98: return lambda: learn.tricks.off(name, at=-1)
    if r < .99: return lambda: learn.set_loss('wassertsein')
    return lambda: learn.tricks.set('spectral_norm', net='G')    # refused at the boundary while it is on

def ask_many(learn, seed, n, asked, refused):
    "`n` requests from one thread; now and then it waits for the last one, so that they fall on many steps"
    rng = random.Random(seed)
    for _ in range(n):
        request, wait = a_request(rng, learn), rng.random() < .3
        try:
            c = request()
            asked.append(c)
            if wait: c.wait(60)
        except Refused as e: assert e is asked[-1].error
        except ValueError as e: refused.append(one_sentence(e))

@pytest.mark.slow
def test_hundreds_of_switches():
    learn, per_thread = make_learner(), 150
    recorder, _ = learn.tricks.add(Recorder), learn.tricks.add(Fussy)
    asked, refused = [[], [], []], [[], [], []]
    threads = [threading.Thread(target=ask_many, args=(learn, s, per_thread, asked[s], refused[s])) for s in range(3)]
    def gate(learn):
        if learn.step == 2:
            for t in threads:
                if not t.ident: t.start()
        if learn.step > 2 and not any(t.is_alive() for t in threads): raise CancelFitException
    try: learn.fit_steps(gate=gate)
    finally:
        for t in threads: t.join()
    log = [c for c in learn.tricks.log if c.kind != 'rates']
    assert learn.tricks.log == log, 'nobody edited the rates'

    for a, r in zip(asked, refused):     # each acknowledged, once, in the order asked
        assert len(a) + len(r) == per_thread and r
        assert all(c.done.is_set() and (c.step is None) != (c.error is None) for c in a)
        mine = {id(c) for c in a}
        assert [c for c in log if id(c) in mine] == [c for c in a if c.error is None and not c.moot] and all(c.kind == 'off' for c in a if c.moot)
        assert all(c.asked <= c.step <= learn.step for c in a if c.error is None)
        for c in a:
            if c.error: one_sentence(c.error)
    assert len(log) == sum(c.error is None and not c.moot for a in asked for c in a) > 170 and not learn.tricks.pending
    assert [c.step for c in log] == sorted(c.step for c in log) and len({c.step for c in log}) > 20
    assert any(c.error for a in asked for c in a)

    assert len(recorder.steps) > 10      # no half-applied trick
    for step, seen in recorder.steps:
        assert len({(a, b) for _, a, b in seen}) == 1 and seen[0][1] == seen[0][2], step
        assert [w for w, _, _ in seen if w != 'g real'] in (D_HALF + G_HALF, D_HALF, G_HALF), step    # a loss may ask for reals in G's half
    groups_hold(learn)
    assert not hasattr(learn.D, 'extra')

    again = make_learner()               # the same changes at the same steps
    again.tricks.add(Recorder), again.tricks.add(Fussy)
    for c in log: ask_again(again, c)
    go(again, learn.step)
    assert again.state_hash() == learn.state_hash()
    assert [(c.kind, c.name, c.step, c.params) for c in again.tricks.log] == [(c.kind, c.name, c.step, c.params) for c in log]

def ask_again(learn, c):
    if c.kind == 'loss': return learn.set_loss(c.name, at=c.step)
    if c.kind == 'phase': return learn.half_step(c.name, at=c.step)
    if c.kind == 'off': return learn.tricks.off(c.name, at=c.step, now=c.now)
    return getattr(learn.tricks, c.kind)(c.name, at=c.step, **c.params)

# When and where

def test_a_change_waits_for_its_step():
    learn, calm = make_learner(), make_learner()
    c = learn.tricks.on('instance_noise', at=4)
    assert learn.tricks.pending == (c,) and c.step is None and not learn.tricks['instance_noise'].enabled
    go(learn, 4); go(calm, 4)
    assert c.step == 4 and learn.tricks['instance_noise'].enabled and c.wait(0) is c and learn.tricks.log == [c]
    calm.tricks.on('instance_noise')
    go(learn, 3); go(calm, 3)
    assert learn.state_hash() == calm.state_hash()

def test_a_change_is_at_once_while_idle():
    learn = make_learner()
    go(learn, 3)
    c = learn.tricks.on('ttur', lr_d=1e-3)
    assert (c.asked, c.step, c.error) == (3, 3, None) and learn.opt_d.param_groups[0]['lr'] == 1e-3
    c = learn.tricks.off('ttur', at=3)
    assert c.step == 3 and learn.opt_d.param_groups[0]['lr'] == 2e-4

@pytest.mark.parametrize('at', [2, -1, 1.5, '7', True])
def test_a_step_that_cannot_be_waited_for(at):
    learn = make_learner(); go(learn, 3)
    with pytest.raises(ValueError, match='at='): learn.tricks.on('ttur', at=at)
    assert not learn.tricks.pending and not learn.tricks.log

def test_order_at_one_boundary():
    "In the order asked, the last word counts; refusals do not stop the rest"
    learn = make_learner()
    def gate(learn):
        if learn.step != 3 or learn.tricks.pending or learn.tricks.log: return
        on, off, loss = learn.tricks.on, learn.tricks.off, learn.set_loss
        gate.cs = [on('label_smoothing'), loss('wasserstein'), off('label_smoothing'), loss('wasserstein'), on('label_smoothing'), on('instance_noise'), loss('lsgan'), on('label_smoothing', real=.8)]
        with pytest.raises(RuntimeError, match='training thread'): gate.cs[0].wait()
    learn.fit_steps(6, gate=gate, progress=False)
    assert [c.error is None for c in gate.cs] == [True, False, True, True, False, True, True, True]
    assert [c.step for c in learn.tricks.log] == [3]*6 and learn.loss_name == 'lsgan' and learn.tricks['label_smoothing'].real == .8
    with pytest.raises(Refused, match='targets'): gate.cs[4].wait()

def test_acknowledged_from_another_thread():
    learn, out = make_learner(), []
    def ask():
        c = learn.tricks.on('instance_noise'); c.wait(60); out.append((c.step, learn.tricks['instance_noise'].enabled))
        try: learn.tricks.on('fussy', fail=True).wait(60)
        except Refused as e: out.append(str(e))
    learn.tricks.add(Fussy)
    t = threading.Thread(target=ask)
    def gate(learn):
        if learn.step == 2 and not t.ident: t.start()
        if learn.step > 2 and not t.is_alive(): raise CancelFitException
    learn.fit_steps(gate=gate); t.join()
    (step, enabled), error = out
    assert step >= 2 and enabled and 'half-way' in error

def test_an_idle_job_does_not_stop_a_fit():
    "A sample taken by another thread just before a fit delays it; it is no second trainer"
    learn, inside, leave = make_learner(), threading.Event(), threading.Event()
    def job(): inside.set(); leave.wait(30)
    t = threading.Thread(target=learn.between_steps, args=(job,)); t.start()
    assert inside.wait(30)
    threading.Timer(.05, leave.set).start()
    try: go(learn, 2)
    finally: leave.set(); t.join()
    assert learn.step == 2

def test_asked_as_the_training_starts():
    "A change asked while idle, overtaken by a fit of another thread, is applied by it, and who asked does not wait for the fit's end"
    started, stop = threading.Event(), threading.Event()
    class Overtaken(Turnstile):
        late = False
        @property
        def training(self):             # the fit begins just after the asking thread has looked
            now = super().training
            if self.late and threading.current_thread() is asker:
                self.late = False
                trainer.start()
                assert started.wait(30)
            return now
    learn = make_learner()
    learn.turnstile.__class__ = Overtaken
    def gate(learn):
        started.set(); time.sleep(.001)
        if stop.is_set(): raise CancelFitException
    trainer = threading.Thread(target=lambda: learn.fit_steps(gate=gate))
    asker = threading.Thread(target=lambda: learn.tricks.on('ttur').wait(30))
    learn.turnstile.late = True
    asker.start(); asker.join(10); waits = asker.is_alive()
    stop.set(); trainer.join(); asker.join()
    assert not waits and learn.tricks['ttur'].enabled and learn.tricks.log[0].name == 'ttur'

def test_second_trainer():
    learn, out = make_learner(), []
    def other():
        try: learn.fit_steps(1, progress=False)
        except RuntimeError as e: out.append(one_sentence(e))
    def gate(learn):
        if learn.step == 1: t = threading.Thread(target=other); t.start(); t.join()
        if learn.step == 2:
            with pytest.raises(RuntimeError, match='training already'): learn.fit(1)
    learn.fit_steps(3, gate=gate, progress=False)
    assert len(out) == 1 and 'training already' in out[0] and learn.step == 3
    go(learn, 1)

# Refusals leave no trace

def test_an_attach_that_fails_half_way():
    learn, calm = make_learner(), make_learner()
    for o in (learn, calm): o.tricks.add(Fussy)
    go(learn, 3); go(calm, 3)
    was = learn.state_hash()
    for n in range(2):
        with pytest.raises(Refused) as e: learn.tricks.on('fussy', fail=True)
        assert 'half-way' in one_sentence(e.value) and learn.state_hash() == was
        assert not learn.tricks['fussy'].enabled and learn.tricks['fussy'].params == dict(fail=False) and learn.tricks['fussy'].since is None
        assert learn.tricks.refused['fussy'].error is e.value and not learn.tricks.log
    groups_hold(learn)
    go(learn, 3); go(calm, 3)
    assert learn.state_hash() == calm.state_hash() and not unequal(copies(learn), copies(calm))

def test_spectral_norm_that_fails_half_way():
    "One layer in, the next one refuses: the first is as it was, the very Parameter"
    learn = make_learner(); go(learn, 2)
    with torch.no_grad(): learn.D[2].weight.fill_(float('nan'))
    was, ps = copies(learn), [id(p) for p in learn.D.parameters()]
    try: learn.tricks.on('spectral_norm')
    except Refused: pass
    else: learn.tricks.off('spectral_norm')
    assert sorted(ps) == sorted(id(p) for p in learn.D.parameters()) and not hasattr(learn.D[0], 'parametrizations')
    assert not unequal(was, copies(learn))

REFUSED = [
    lambda l: l.tricks.on('spectral_nrom'), lambda l: l.tricks.on('ttur', lr_d=-1), lambda l: l.tricks.on('ttur', lr=1), lambda l: l.tricks.on('ttur', lr_d=1e-2, lr_g=1e-6),
    lambda l: l.tricks.set('spectral_norm', net='G'), lambda l: l.tricks.set('instance_noise', sigma=float('inf')), lambda l: l.tricks.set('instance_noise', over=2.5),
    lambda l: l.set_loss('wasserstein'), lambda l: l.set_loss('vanilla'), lambda l: l.set_loss(3), lambda l: l.half_step('both'), lambda l: l.tricks.off('nothing')]

@pytest.mark.parametrize('ask', REFUSED)
def test_refused_leaves_the_state(ask):
    learn, calm = (make_learner(tricks=['label_smoothing', 'spectral_norm', 'instance_noise']) for _ in range(2))
    go(learn, 2); go(calm, 2)
    was, n = learn.state_hash(), len(learn.tricks.log)
    with pytest.raises(ValueError) as e: ask(learn)
    one_sentence(e.value)
    assert learn.state_hash() == was and len(learn.tricks.log) == n and not learn.tricks.pending
    go(learn, 2); go(calm, 2)
    assert learn.state_hash() == calm.state_hash()

def test_off_that_another_trick_stands_on():
    "Label smoothing goes with a trick's loss, not with the learner's own: turning that trick off is refused whole"
    learn = make_learner(loss='wasserstein')
    learn.tricks.add(Owner); learn.tricks.on('owner'); learn.tricks.on('label_smoothing')
    go(learn, 2)
    was = learn.state_hash()
    with pytest.raises(Refused, match='[Tt]urn label smoothing off first'): learn.tricks.off('owner')
    assert learn.tricks['owner'].enabled and learn.state_hash() == was
    go(learn, 2)
    learn.tricks.off('label_smoothing'); learn.tricks.off('owner')
    go(learn, 1)
    assert learn.step == 5

def test_a_detach_that_fails():
    "Refused with its words; the trick is still on and the training goes on"
    class Stuck(Drift):
        name, title = 'stuck', 'Stuck'
        def detach(self, learn): raise RuntimeError('it will not come off')
    learn = make_learner()
    learn.tricks.add(Stuck); learn.tricks.on('stuck'); go(learn, 2)
    was = learn.state_hash()
    with pytest.raises(Refused, match='will not come off'): learn.tricks.off('stuck')
    assert learn.tricks['stuck'].enabled and learn.state_hash() == was
    go(learn, 2)

# Leaving gently

def test_leaving():
    "On for so many more steps, in the record and the snapshot; `now` skips it"
    learn = make_learner()
    slow = learn.tricks.add(Slow); learn.tricks.on('slow'); go(learn, 3)
    learn.tricks.off('slow')
    assert slow.enabled and slow.leaving == (0, 3)
    go(learn, 1); snap, at = learn.snapshot(), learn.state_hash()
    assert slow.leaving == (1, 3)
    learn.tricks.on('slow'); assert slow.leaving is None and slow.enabled and learn.state_hash() != at
    learn.restore(snap); assert slow.leaving == (1, 3) and learn.state_hash() == at
    go(learn, 1); assert not slow.gone
    go(learn, 1); assert slow.gone and not slow.enabled and slow.leaving is None
    go(learn, 1)
    assert learn.history['d_loss/slow'].notna().tolist() == [True]*6 + [False]
    learn.tricks.on('slow'); learn.tricks.off('slow', now=True)
    assert not slow.enabled
    calm = make_learner(); calm.tricks.add(Slow); calm.tricks.on('slow'); calm.tricks.off('slow', at=3); calm.tricks.on('slow', at=7); calm.tricks.off('slow', at=7, now=True)
    go(calm, 7)
    assert calm.state_hash() == learn.state_hash()

def test_failure_after_a_trick_has_left():
    "The steps since the last snapshot, in which a trick left, are made again"
    learn, calm = make_learner(), make_learner()
    for o in (learn, calm): o.tricks.add(Slow), o.tricks.add(Faulty), o.tricks.on('slow'), o.tricks.on('faulty'), o.tricks.off('slow', at=2)
    learn.tricks['faulty'].slot, learn.tricks['faulty'].when = 'g_term', 8
    with pytest.raises(StepError) as e: go(learn, 12)
    go(calm, 8)
    assert e.value.at == learn.step == 8 and not learn.tricks['slow'].enabled and learn.state_hash() == calm.state_hash()

def test_failure_while_a_trick_leaves():
    learn, calm = make_learner(), make_learner()
    for o in (learn, calm): o.tricks.add(Slow), o.tricks.add(Faulty), o.tricks.on('slow'), o.tricks.on('faulty'), o.tricks.off('slow', at=3)
    learn.tricks['faulty'].slot, learn.tricks['faulty'].when = 'g_term', 5
    with pytest.raises(StepError): go(learn, 12)
    go(calm, 5)
    assert learn.step == 5 and learn.tricks['slow'].leaving == (2, 3) and learn.state_hash() == calm.state_hash()

def test_a_structural_trick_that_leaves():
    "What it had added is out of the optimiser, the meters and the record when it is gone"
    class Branch(Trick):
        name, title, number = 'branch', 'Branch', 2014
        def attach(self, learn, undo):
            learn.D.branch = nn.Linear(2, 1)
            with torch.random.fork_rng(devices=[]), torch.no_grad(): torch.manual_seed(0); nn.init.normal_(learn.D.branch.weight); learn.D.branch.bias.zero_()
            learn.opt_d.add_param_group(dict(learn.opt_d.param_groups[0], params=list(learn.D.branch.parameters())))
            self.learn = learn
        def d_term(self, ctx): return .01*ctx.learn.D.branch(ctx.x).square().mean()
        def leave(self, learn): return 2
        def detach(self, learn):
            for p in learn.opt_d.param_groups.pop()['params']: learn.opt_d.state.pop(p, None)
            del learn.D.branch
        def forward(self, *a): pass
    learn = make_learner()
    # the branch must not be part of D's Sequential forward
    learn.D.__class__ = type('Net', (nn.Sequential,), dict(forward=lambda self, x: self.flat(x), flat=lambda self, x: nn.Sequential(*[m for n, m in self.named_children() if n != 'branch'])(x)))
    learn.tricks.add(Branch); go(learn, 2)
    learn.tricks.on('branch'); go(learn, 3); groups_hold(learn)
    learn.tricks.off('branch'); go(learn, 4); groups_hold(learn)
    names, rows = learn.layer_norms()['d']
    assert rows.shape == (9, len(names)) and [i for i, n in enumerate(names) if n.startswith('branch')]
    k = names.index('branch.weight')
    assert [bool(v == v) for v in rows[:, k]] == [False]*2 + [True]*5 + [False]*2
    snap = learn.snapshot(); go(learn, 1); learn.restore(snap); go(learn, 1)
    groups_hold(learn)

def test_half_steps_asked_twice():
    "Two half steps cannot be one: the second is refused, and says so"
    learn = make_learner(); learn.half_step('d')
    with pytest.raises(Refused, match='half step of D already') as e: learn.half_step('g')
    one_sentence(e.value); go(learn, 1)
    assert [c.name for c in learn.tricks.log if c.kind == 'phase'] == ['d']

def test_wait_for_a_step_that_nothing_brings():
    learn = make_learner(); c = learn.tricks.on('ttur', at=5)
    with pytest.raises(RuntimeError, match='nothing trains') as e: c.wait()
    one_sentence(e.value); go(learn, 6)
    assert c.wait().step == 5

@pytest.mark.parametrize('msg', [dict(do='sight', names=['ema']), dict(do='on', name='ema'), dict(do='off', name='ema'), dict(do='set', name='ema', params=dict(decay=.9)), dict(do='plan', name='dcgan'),
                                 dict(do='preset', name='dcgan'), dict(do='loss', name='wgan'), dict(do='dismiss', name='ema'), dict(do='cancel', name='ema'), dict(do='ab', name='ema')], ids=lambda m: m['do'])
@pytest.mark.parametrize('within', ['lab', 'alone'])
def test_a_late_message_to_a_closed_panel(msg, within):
    "What the page sent before it heard of the closing changes nothing, and nothing fails"
    from ganlab.lab import Lab
    from ganlab.panels.tricks import TrickPanel
    learn = make_learner(); panel = Lab(learn) if within == 'lab' else TrickPanel(learn)
    tricks, was = getattr(panel, 'tricks', panel), learn.state_hash()
    panel.close(); tricks.heard(msg)
    assert learn.state_hash() == was and not learn.tricks.log and not learn.tricks.pending

@pytest.mark.parametrize('do', ['start', 'look', 'live', 'remedy', 'ab-apply', 'ab-close'])
def test_a_late_click_on_a_closed_lab(do):
    "It says in one sentence that the lab is closed"
    from ganlab.lab import Lab
    lab = Lab(make_learner()); lab.close()
    lab.transport.heard(dict(do=do, action=dict(kind='without', name='ema')))
    assert lab.screen.said == ('', 'this lab is closed; make another: Lab(learn)')
