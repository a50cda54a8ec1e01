"The health row: chips, thresholds, one finding at a time, remedies that are tried and never imposed; at a cost that is kept, with no bit moved."
import math, threading, time
from types import SimpleNamespace
import pytest, torch
from ganlab.checkup import facts
from ganlab.data import ring_dls
from ganlab.engine.turnstile import Hurried
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.panels import checks
from ganlab.panels.health import Health
from ganlab.panels.worst import chosen
from test_pace import Now, Tick, ages

def make(**kw): return GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0, **kw)

def signal(value, low=None, high=None, **evidence):
    state = 'low' if low is not None and value < low else 'ok'
    return SimpleNamespace(value=value, low=low, high=high, state=state, title='Distance between two samples', evidence=evidence)

def remedy(title='R1', change='gradient_penalty', rewind=False, apply=None): return SimpleNamespace(title=title, change=change, rewind=rewind, apply=apply, onset=0, blamed=())

def finding(cause, *remedies, onset=None):
    return SimpleNamespace(cause=cause, symptom=cause.upper(), onset=onset, evidence=dict(said='0.1 of 0.5.', diversity=.1), remedies=list(remedies),
                           certainty='likely', tier='behaviour', source='a paper')

@pytest.fixture
def sick(monkeypatch):
    "What a checkup finds, to be changed; and the steps at which it was asked for"
    found = SimpleNamespace(signals=lambda learn: dict(likeness=signal(.1, .5, layer='conv1', norm=.2)), findings=[], steps=[], asked=[])
    def signals_of(learn):
        found.steps.append(learn.step)
        return found.signals(learn)
    monkeypatch.setattr(checks, 'signals_of', signals_of)
    monkeypatch.setattr(checks, 'worst_of', lambda learn: {})
    monkeypatch.setattr(GANLearner, 'diagnose', lambda self, n, **how: found.asked.append(self.step) or found.findings, raising=False)
    return found

def until(f):
    end = time.monotonic() + 60
    while not f() and time.monotonic() < end: time.sleep(.01)
    assert f()

def checked(lab):
    "Check now, and wait until that is done"
    lab.requests(dict(do='check'))
    until(lambda: not lab.health.waiting)
    return lab.health

def done(lab):
    lab.errands.thread.join(60)
    assert not lab.errands.thread.is_alive() and not lab.machine.busy

def test_check_now(sick):
    "Idle, in a pause and while it trains; a lab that is not asked makes none at once"
    with Lab(make()) as lab:
        assert (lab.health.step, lab.health.chips, sick.steps) == (-1, [], [])
        row = checked(lab)
        chip, = row.chips
        assert (row.step, chip['state'], chip['text'], chip['short'], chip['rows'], chip['way']) == (0, 'low', '0.1', 'Diversity', [['layer', 'conv1', 0.], ['norm', '0.2', 1.]], 'alike')
        lab.step(3); lab.wait(60)
        assert checked(lab).step == 3 and row.now == 3
        lab.start()
        assert checked(lab).step >= 3
        lab.stop()
    assert sick.asked[:2] == [0, 3] and set(sick.asked) <= set(sick.steps), 'who asks for a checkup asks the doctor'

def test_a_rewind_shortens_the_curve(sick):
    with Lab(make()) as lab:
        for n in (4, 4):
            lab.step(n); lab.wait(60); checked(lab)
        lab.stop()
        lab.rewind(5)
        lab.stop()
        checked(lab)
        assert sick.steps == [4, 8, 5] and list(lab.health.report.curves['likeness']) == [4, 5]

def test_thresholds(sick):
    "Seen, changed, put back; what is no band is refused with a sentence, and nothing changes"
    with Lab(make()) as lab:
        with pytest.raises(ValueError, match='no signal'): lab.health.set_band('likeness', 0)
        row = checked(lab)
        row.heard(dict(do='band', name='likeness', low=.05, high=None))
        assert (row.chips[0]['state'], row.chips[0]['usual'], row.chips[0]['own']) == ('ok', [.5, None], True)
        assert checked(lab).chips[0]['state'] == 'ok', 'it holds for the next checkup, too'
        row.heard(dict(do='band', name='likeness', low=2., high=1.))
        assert row.problem == 'low=2 lies above high=1' and row.chips[0]['low'] == .05
        row.heard(dict(do='usual-band', name='likeness'))
        assert (row.chips[0]['state'], row.problem) == ('low', '')

def test_one_finding_at_a_time(sick):
    "The worst first; what is dismissed stays dismissed, whatever the next checkup finds, for a view that comes later as for one that was there"
    sick.findings = [finding('mode_collapse', remedy(), onset=2), finding('g_detached', remedy('Remove .detach()', None))]
    with Lab(make()) as lab:
        row = checked(lab)
        card = row.finding
        assert (card['title'], card['when'], card['said'], card['at'], card['of']) == ('MODE_COLLAPSE', 'likely, since step 2', '0.1 of 0.5.', 1, 2)
        row.heard(dict(do='advice-next'))
        assert row.finding['remedies'] == [dict(title='Remove .detach()', ways=[])], 'code is changed by people'
        row.heard(dict(do='advice-dismiss', cause='mode_collapse'))
        lab.step(2); lab.wait(60)
        seen = checked(lab).get_state()          # what a page that is loaded again is given
        assert seen['finding']['cause'] == 'g_detached' and seen['dismissed'] == ['MODE_COLLAPSE']
        row.heard(dict(do='advice-dismiss', cause='g_detached'))
        assert checked(lab).finding == {}
        row.heard(dict(do='advice-restore'))
        assert row.finding['cause'] in ('mode_collapse', 'g_detached') and row.finding['of'] == 2

def test_nothing_on_its_own(sick):
    "Advice that is not clicked changes nothing: no trick, no step back, no bit"
    sick.findings = [finding('mode_collapse', remedy(rewind=True, apply=lambda learn: 1/0))]
    plain, seen = make(), make()
    plain.fit_steps(12, progress=False)
    with Lab(seen) as lab:
        for _ in range(3):
            lab.step(4); lab.wait(60); checked(lab)
        lab.stop()
    assert seen.state_hash() == plain.state_hash() and not seen.tricks.log and not seen.run.changes

def test_try_as_ab(sick):
    "The card of the comparison opens with the remedy as B; taken over, it is switched here"
    def slower(learn): learn.opt_g.param_groups[0]['lr'] /= 2
    sick.findings = [finding('lr_too_high_g', remedy('R1, γ 2', ('gradient_penalty', dict(gamma=2.))), remedy('half the rate of G', slower))]
    with Lab(make()) as lab:
        lab.step(2); lab.wait(60); lab.stop()
        checked(lab)
        def try_(i):
            lab.requests(dict(do='advice-try', cause='lr_too_high_g', remedy=i, way='ab'))
            assert lab.versus.phase == 'asking' and lab.learn.step == 2
            lab.versus.put(steps=2, seeds=1)
            lab.requests(dict(do='ab-start')); done(lab)
            assert lab.versus.phase == 'done', lab.versus.verdict
        try_(0)
        assert lab.versus.what == 'R1, γ 2' and not lab.learn.tricks.log
        lab.requests(dict(do='ab-apply'))
        assert lab.learn.tricks['gradient_penalty'].params['gamma'] == 2. and lab.versus.phase == 'closed'
        try_(1)
        rate = lab.learn.opt_g.param_groups[0]['lr']
        lab.requests(dict(do='ab-apply'))
        assert lab.learn.opt_g.param_groups[0]['lr'] == rate/2

def test_rewind_and_try(sick):
    "Back, changed, and on, where it was going on; what was left stays as a dashed branch"
    def back(learn):
        learn.rewind(4)
        learn.tricks.on('gradient_penalty')
        return learn
    sick.findings = [finding('mode_collapse', remedy('R1 from step 4', rewind=True, apply=back), onset=4)]
    with Lab(make()) as lab:
        lab.step(9); lab.wait(60)
        checked(lab)
        lab.requests(dict(do='advice-try', cause='mode_collapse', remedy=0, way='rewind')); done(lab)
        assert lab.learn.step == 4 and lab.state == 'paused', 'it was paused, and stays so'
        assert lab.announcement.say[1] == 'to step 4, for this: R1 from step 4. What came after it stays as a dashed branch.'
        lab.step(5); lab.wait(60)
        assert lab.learn.tricks['gradient_penalty'].since == 4 and lab.timeline.ghosts == [[4, 9, 'rewound at 9']]
        assert lab.health.step == -1, 'of what was left'
        lab.start()
        checked(lab)
        lab.requests(dict(do='advice-try', cause='mode_collapse', remedy=0, way='rewind')); done(lab)
        until(lambda: lab.state == 'running')
        lab.stop()

def test_an_ab_of_what_needs_a_rewind(sick):
    "In a fork at the step at which it began; the run itself stands where it stood"
    sick.findings = [finding('mode_collapse', remedy('R1', rewind=True), onset=3)]
    with Lab(make()) as lab:
        lab.step(6); lab.wait(60); lab.stop()
        checked(lab)
        learn = lab.learn
        lab.requests(dict(do='advice-try', cause='mode_collapse', remedy=0, way='ab')); done(lab)
        assert (lab.versus.phase, lab.learn is learn, lab.learn.step, learn.step, lab.health.step) == ('asking', False, 3, 6, -1)

def test_advice_that_is_gone(sick):
    with Lab(make()) as lab:
        lab.requests(dict(do='advice-try', cause='mode_collapse', remedy=0, way='rewind'))
        assert lab.announcement.say == ('', 'that advice does not stand any more; look at the card again')

def test_a_checkup_that_fails(sick):
    "Says so in its place, and the training goes on"
    sick.signals = lambda learn: 1/0
    with Lab(make()) as lab:
        lab.step(2); lab.wait(60)
        assert checked(lab).problem == 'The checkup failed: ZeroDivisionError: division by zero' and lab.state == 'paused'
        sick.signals = lambda learn: {}
        assert checked(lab).problem == ''

@pytest.mark.parametrize('cost', [.01, .2])
def test_its_share_of_the_time(sick, cost):
    "2 % at most with the doctor, who takes ten times as long, however often something is switched; none in the first two seconds"
    now, learn, at = Now(), make(), []
    learn.add_cb(Tick(now, .4))
    def signals(learn):
        now.takes(cost); at.append(now.at)
        return dict(likeness=signal(.1, .5))
    sick.signals = signals
    learn.diagnose = lambda n, waits: now.takes(10*cost) or sick.asked.append(now.at) or []
    with Lab(learn, clock=now) as lab:
        lab.health.observe(lambda c: c.owner.heard(dict(seen=c.new)), 'frame')
        for step in range(20, 180, 20): learn.tricks.on('instance_noise', sigma=step/1000, at=step)
        lab.start(180)
        assert lab.wait(100) and not lab.error
        spent = sum(lab.screen.drawn[k].pace.spent for k in ('health', 'doctor'))
    assert at[0] >= 2 and len(at) > 2 and sick.asked and min(b - a for a, b in zip(at, at[1:])) >= max(2., 100*cost)
    assert spent <= .02*now.at + 11*cost

def test_the_doctor_is_asked_where_there_is_a_reason(sick):
    "A signal outside of its band, or something found before; else at every fourth turn"
    learn = make()
    sick.signals = lambda learn: dict(likeness=signal(.1 if 5 <= learn.step < 8 else .9, .5))
    row = checks.Checks(learn)
    for learn.step in range(12):
        sick.findings = [finding('mode_collapse')] if learn.step == 7 else []
        row.take(); row.consult(always=False)
    assert sick.asked == [0, 4, 5, 6, 7, 8]

def test_alone():
    "A part of the kit: without a lab it shows what it is given"
    from ganlab.panels.checks import Report
    from ganlab.panels.state import PanelState
    row = Health()
    row.refresh(PanelState(20, health=Report(20, dict(likeness=signal(.7, .5)), {'likeness': {10: .6, 20: .7}}, {}, [finding('z_too_small')], 20)))
    assert (row.step, row.chips[0]['state'], row.finding['cause']) == (20, 'ok', 'z_too_small')
    assert row.finding['when'] == 'likely'
    row.refresh(PanelState(30, health=Report(30, dict(likeness=signal(.7, .5)), {'likeness': {10: .6, 20: .7, 30: .7}}, {}, [finding('z_too_small', onset=4)], 20)))
    assert row.finding['when'] == 'likely, since step 4; as of step 20', 'the signals were read since, the doctor was not asked'
    row.close()

def test_moves_no_bit():
    "Signals, worst samples and the doctor's word as they are, every two steps"
    plain, seen = make(tricks=['spectral_norm']), make(tricks=['spectral_norm'])
    plain.fit_steps(6, progress=False)
    with Lab(seen) as lab:
        for _ in range(3):
            lab.step(2); lab.wait(60)
            row = checked(lab)
            assert row.problem == '' and len(row.chips) > 10 and set(row.worst) == {'alike', 'unlike', 'missed', 'obvious'}
        lab.stop()
    assert seen.state_hash() == plain.state_hash()

def test_a_switch_does_not_wait_for_the_doctor(monkeypatch):
    "Who flips a trick while the doctor looks has it after the probe under way; the doctor comes again. Who asked for a checkup has it whole"
    learn, asked, own = make(), [], facts._asked
    def probed(probe, *args):
        asked.append(learn.step)
        if len(asked) == 1:
            other = threading.Thread(target=learn.tricks.on, args=('label_smoothing',))
            other.start(), other.join()
        return own(probe, *args)
    monkeypatch.setattr(facts, '_asked', probed)
    doctor = checks.Checks(learn)
    def gate(learn):
        if learn.step == 5:
            with pytest.raises(Hurried): doctor.consult(always=False)
        if learn.step == 6:
            learn.tricks.on('ttur')
            doctor.consult(always=False)      # he leaves off once, and then stays
        if learn.step == 8:
            learn.tricks.off('ttur')
            doctor.consult()
    learn.fit_steps(10, gate=gate, progress=False)
    n = len(facts.probes)
    assert asked == [5] + [6]*n + [8]*n and [c.step for c in learn.tricks.log] == [5, 6, 8] and doctor.report.asked == 8 and not doctor.report.problem
    still = make()
    still.tricks.on('label_smoothing', at=5), still.tricks.on('ttur', at=6), still.tricks.off('ttur', at=8)
    still.fit_steps(10, progress=False)
    assert learn.state_hash() == still.state_hash()

def test_a_look_that_was_left_is_not_paid_for():
    "The doctor comes again at his cadence, and not when the share of a look would allow it"
    now, learn, looks = Now(), make(), []
    learn.add_cb(Tick(now, .1))
    def diagnose(n, waits):
        looks.append(now.at)
        now.takes(1.)
        if waits: raise Hurried
        return []
    learn.diagnose = diagnose
    with Lab(learn, clock=now) as lab:
        lab.health.observe(lambda c: c.owner.heard(dict(seen=c.new)), 'frame')
        lab.start(400)
        assert lab.wait(100) and not lab.error
    assert [round(b - a) for a, b in zip(looks, looks[1:])][:1] == [11] and len(looks) == 2      # of the second the rest is long

def test_worst_by_no_known_way():
    few = torch.rand(8, 2)
    with pytest.raises(KeyError): chosen('unlik', few, few, few[:, 0])
