"A change on trial stays or is taken back by the rule, bit for bit, whatever happens meanwhile; and nothing moves by being measured"
import json, math
import pytest, torch
from ganlab.commands.steer import main
from ganlab.data import ring_dls
from ganlab.engine.change import Trial
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.panels.state import make_state
from ganlab.panels.tricks import TrickPanel
from ganlab.record.run import Run
from ganlab.steer.box import Box
from ganlab.steer.news import news
from ganlab.trick import Trick
from ganlab.travel.trial import verdict

def parts(): return ring_dls(n=1000, bs=32), *mlp(width=16, depth=2, seed=0)
def new(run=None, **kw): return GANLearner(*parts(), seed=0, run=run, **kw)
def again(folder, **kw): return GANLearner.resume(folder, *parts(), progress=False, **kw)
def fit(learn, n): learn.fit_steps(n, progress=False); return learn
def plain(n, *changes): # a run that never had a trial; changes: (step, name)
    learn = new()
    for step, name in changes:
        fit(learn, step - learn.step)
        learn.tricks.on(name)
    return fit(learn, n - learn.step).state_hash()

def bad(learn, trial=20, **how): return learn.tricks.on('ttur', lr_g=.01, trial=trial, **how)
def harmless(learn, trial=20, **how): return learn.tricks.on('lecam', trial=trial, **how)

class Rots(Trick):
    name, title, number = 'rots', 'Rots', 999
    def d_term(self, c): return c.l_real.mean()*(math.nan if c.step >= self.since + 5 else 0)

class Throws(Trick):
    name, title, number = 'throws', 'Throws', 998
    def d_term(self, c):
        if c.step >= self.since + 5: raise RuntimeError('enough')
        return c.l_real.mean()*0

def test_the_rule():
    t = Trial(500, 'sliced_wasserstein', [.25]*21)
    assert not verdict(t, [.25]*21).worse and not verdict(t, [.1]*21).worse and verdict(t, [.3]*21).worse
    wide = [.26] + [.26, .265]*10
    assert not verdict(t, wide).worse and verdict(t, [v + .05 for v in wide]).worse
    assert verdict(t, [math.nan]*21).worse and verdict(t, [math.inf]*21).worse
    more = Trial(500, 'precision', [.5]*21)
    assert verdict(more, [.4]*21).worse and not verdict(more, [.6]*21).worse

def test_it_stays():
    learn = fit(new(), 30)
    c = learn.tricks.on('lecam', trial=20)
    assert learn.tricks.on_trial == [c] and 'On trial for 20 steps, by sliced_wasserstein.' in c.sentence
    c.trial.before = [9.]*21      # whatever comes is better
    fit(learn, 40)
    assert learn.tricks.on_trial == [] and c.trial.said.startswith('LeCam stays: sliced_wasserstein ') and 'after 20 steps, 9 before (less is better;' in c.trial.said
    assert learn.state_hash() == plain(70, (30, 'lecam')) and learn.run.branches() == []
    assert learn.run.changes[0].trial == c.trial and learn.run.trials[0]['said'] == c.trial.said

def test_it_is_taken_back():
    learn = fit(new(), 30)
    c = bad(learn)
    assert [s['step'] for s in learn.run.snapshots if s['kept'] == 'trial'] == [30]
    fit(learn, 20)
    assert learn.step == 30 and learn.state_hash() == plain(30) and learn.tricks.log == [] and not learn.tricks['ttur'].enabled
    assert c.trial.said.startswith('TTUR was taken back at step 50: sliced_wasserstein ') and c.trial.said.endswith('Going on from step 30, as if it had not been.')
    assert c.trial.said in c.sentence and str(learn.tricks.refused['ttur'].error) == c.trial.said
    assert learn.run.branches() == [{'line': 0, 'from': 30, 'to': 50}] and learn.run.changes_on(0)[0].trial.said == c.trial.said
    assert fit(learn, 40).state_hash() == plain(70)
    assert {s['kept'] for s in learn.run.snapshots} <= {'start', 'ring'}
    learn.tricks.on('ttur')
    assert 'ttur' not in learn.tricks.refused

def test_within_a_fit():
    "The fit does as many steps as it was asked for, some of them on the branch that was left"
    learn = new()
    c = bad(learn, at=10)
    fit(learn, 60)
    assert learn.step == 40 and 'taken back at step 30' in c.trial.said and learn.state_hash() == plain(40)

def test_of_step_0_and_of_a_run_on_disk(tmp_path):
    learn = new(tmp_path/'a')
    bad(learn)
    fit(learn, 50)
    assert learn.step == 30 and learn.state_hash() == plain(30)
    assert Run.open(tmp_path/'a').replay(*parts(), progress=False).state_hash() == plain(30)
    learn.run.close()
    assert fit(again(tmp_path/'a'), 10).state_hash() == plain(40)

@pytest.mark.parametrize('ask', [lambda l: l.tricks.off('ema', trial=20, now=True), lambda l: l.tricks.set('ema', beta=.9, trial=20), lambda l: l.set_loss('hinge', trial=20)], ids=['off', 'set', 'loss'])
def test_other_kinds(ask):
    "With a yardstick that nothing can meet, and one that everything meets"
    for before, stays in ((0., False), (9e9, True)):
        learn = fit(new(tricks=['ema']), 10)
        h, c = learn.state_hash(), ask(learn)
        c.trial.before = [before]*21
        fit(learn, 20)
        assert (learn.state_hash() == h) == (not stays) and learn.step == (30 if stays else 10)
        assert (' stays: ' if stays else ' was taken back at step 30: ') in c.trial.said

def test_another_metric():
    learn = fit(new(), 10)
    c = learn.tricks.on('lecam', trial=5, metric='precision')
    c.trial.before = [0.]*21
    fit(learn, 5)
    assert 'precision' in c.trial.said and 'more is better' in c.trial.said and ' stays: ' in c.trial.said

# --- a preset is one moment

def recipe(learn, before, **kw): # before: what it is measured against
    done = learn.tricks.preset('wgan_gp_toy', trial=20, **kw)
    assert [bool(c.trial) for c in done] == [True] + [False]*(len(done) - 1) and len(done) > 2
    if done[0].trial.before: done[0].trial.before = [before]*21
    return done

def test_a_preset_stays_or_is_taken_back_whole():
    for before, stays in ((0., False), (9e9, True)):
        learn = fit(new(tricks=['spectral_norm']), 10)
        h, done = learn.state_hash(), recipe(learn, before)
        assert learn.tricks.on_trial == done[:1] and len(_measured_once(learn)) == 1
        fit(learn, 20)
        said = done[0].trial.said
        assert said.startswith('The preset wgan_gp_toy stays: ' if stays else 'The preset wgan_gp_toy was taken back at step 30: ')
        if stays: assert learn.step == 30 and learn.tricks['wgan_gp'].enabled and not learn.tricks['spectral_norm'].enabled
        else: assert learn.step == 10 and learn.state_hash() == h and str(learn.tricks.refused[done[0].name].error) == said

def _measured_once(learn): return [t for t in learn.run.trials if t['metric'] == 'sliced_wasserstein']

def test_a_preset_on_trial_and_somebody_else():
    learn = fit(new(), 10)
    done = recipe(learn, 0.)
    learn.tricks.on('ema')
    fit(learn, 1)
    assert done[0].trial.said == 'The preset wgan_gp_toy stays, undecided: EMA of G on at step 10 came in between.'

def test_a_preset_on_trial_in_a_run_that_is_resumed(tmp_path):
    learn = fit(new(tmp_path/'a'), 10)
    h = learn.state_hash()
    recipe(learn, 0.)
    fit(learn, 7)
    n = len(learn.tricks.log)
    learn.run.close()
    learn = again(tmp_path/'a')
    c, = learn.tricks.on_trial
    assert len(learn.tricks.log) == n and c is learn.tricks.log[0]
    c.trial.before = [0.]*21
    fit(learn, 13)
    assert learn.step == 10 and learn.state_hash() == h and c.trial.said.startswith('The preset wgan_gp_toy was taken back at step 30: ')
    learn.run.close()

def test_a_preset_on_trial_that_waits_and_whose_first_change_is_moot():
    "Label smoothing goes off by itself before it: the trial stands beside the next change"
    learn = fit(new(tricks=['label_smoothing']), 10)
    done = recipe(learn, 0., at=15)
    assert (done[0].kind, done[0].name) == ('off', 'label_smoothing')
    learn.tricks.off('label_smoothing', now=True)
    fit(learn, 7)
    assert done[0].moot and done[0].trial is None and learn.tricks.on_trial == done[1:2] and done[1].trial.before
    h = plain_off(15)
    done[1].trial.before = [0.]*21
    fit(learn, 18)
    assert learn.step == 15 and learn.state_hash() == h

def plain_off(n):
    learn = fit(new(tricks=['label_smoothing']), 10)
    learn.tricks.off('label_smoothing', now=True)
    return fit(learn, n - 10).state_hash()

def test_a_trick_of_a_preset_on_trial_fails():
    from ganlab.presets import presets
    from ganlab.recipe import Preset
    learn = fit(new(), 10)
    learn.tricks.add(Throws)
    presets['mine'] = Preset('mine', 'Mine', 'Lecam, and one that fails.', 'here', dict(lecam={}, throws={}))
    try: c = learn.tricks.preset('mine', trial=20)[0]
    finally: del presets['mine']
    fit(learn, 10)
    assert c.name == 'lecam' and 'in Throws: enough' in c.trial.said and not learn.tricks['throws'].enabled and not learn.tricks['lecam'].enabled

def test_a_preset_that_is_in_force_or_whose_trial_is_none():
    learn = new()
    with pytest.raises(ValueError, match='trial=0'): learn.tricks.preset('wgan_gp_toy', trial=0)
    learn.tricks.preset('wgan_gp_toy')
    assert learn.tricks.preset('wgan_gp_toy', trial=5) == [] and learn.tricks.on_trial == []

# --- what happens meanwhile

@pytest.mark.parametrize('trick,why', [(Rots, "D's loss became NaN in step 16"), (Throws, 'RuntimeError in step 16, in Throws: enough')])
def test_a_step_that_fails(trick, why):
    learn = fit(new(), 10)
    learn.tricks.add(trick)
    c = learn.tricks.on(trick.name, trial=20)
    fit(learn, 16)
    assert why in c.trial.said and 'taken back at step 15' in c.trial.said
    assert learn.step == 20 and learn.state_hash() == plain(20)

def test_a_step_that_fails_without_a_trial_or_after_it():
    learn = fit(new(), 10)
    learn.tricks.add(Rots)
    c = learn.tricks.on('rots', trial=4)
    c.trial.before = [9e9]*21
    with pytest.raises(StepError): fit(learn, 20)
    assert ' stays: ' in c.trial.said and learn.step == 15

def test_a_failure_of_another():
    "What the trial is not to blame for ends the fit, as ever; the trial goes on"
    learn = fit(new(), 10)
    learn.tricks.add(Throws)
    learn.tricks.on('throws')
    fit(learn, 3)
    c = harmless(learn)
    with pytest.raises(StepError, match='enough'): fit(learn, 20)
    assert learn.step == 15 and learn.tricks.on_trial == [c]

@pytest.mark.parametrize('change', [lambda l: l.tricks.on('ema'), lambda l: l.set_loss('hinge'), lambda l: l.opt_g.param_groups[0].update(lr=1e-5), lambda l: l.G[0].weight.data.mul_(1.1), lambda l: harmless(l, 30)], ids=['trick', 'loss', 'rate', 'by hand', 'another trial'])
def test_another_change_meanwhile(change):
    learn = fit(new(), 10)
    c = bad(learn)
    fit(learn, 5)
    change(learn)
    fit(learn, 1)
    assert c.trial.said.startswith('TTUR stays, undecided: ') and c.trial.said.endswith('at step 15 came in between.')
    fit(learn, 20)
    assert learn.step == 36 and learn.tricks['ttur'].enabled and learn.run.branches() == []

def test_a_failure_after_another_change():
    "It is not known whose it is"
    learn = fit(new(), 10)
    learn.tricks.add(Rots)
    learn.tricks.on('rots', trial=20)
    fit(learn, 2)
    learn.tricks.on('ema')
    with pytest.raises(StepError): fit(learn, 10)
    assert learn.step == 15 and learn.tricks['rots'].enabled

def test_a_change_that_waits_for_the_step_of_the_verdict():
    "The verdict comes first; what waits, waits on"
    learn = fit(new(), 10)
    bad(learn)
    learn.tricks.on('ema', at=30)
    fit(learn, 20)
    assert learn.step == 10 and [c.name for c in learn.tricks.pending] == ['ema']
    assert fit(learn, 30).state_hash() == plain(40, (30, 'ema'))

def test_going_back_meanwhile():
    learn = fit(new(), 10)
    c = bad(learn)
    fit(learn, 8)
    learn.rewind(13)      # into the trial, which goes on
    fit(learn, 5)
    assert [o.id for o in learn.tricks.on_trial] == [c.id] and learn.step == 18
    learn.undo()
    assert learn.step == 10 and learn.tricks.on_trial == [] and learn.run.trials[0]['said'] == 'TTUR is not judged: somebody went back to step 10.'
    assert fit(learn, 30).state_hash() == plain(40)

def test_going_back_into_one_that_was_judged():
    learn = fit(new(), 10)
    c = bad(learn)
    c.trial.before = [9e9]*21
    fit(learn, 30)
    learn.rewind(15)
    fit(learn, 30)
    assert learn.step == 45 and learn.tricks.log[0].trial.said == c.trial.said

def test_a_locked_run():
    "What may not be touched is not taken back, and that is said"
    learn = fit(new(), 10)
    c = bad(learn)
    fit(learn, 5)
    learn.run.lock('a measurement runs')
    fit(learn, 30)
    assert learn.step == 45 and c.trial.said.startswith('TTUR stays, though: ') and 'It could not be taken back (' in c.trial.said and 'a measurement runs' in c.trial.said

def test_a_fork_has_the_trial_too():
    learn = fit(new(), 10)
    bad(learn)
    fit(learn, 5)
    fork = learn.fork()
    for l in (learn, fork): fit(l, 25)
    assert learn.state_hash() == fork.state_hash() == plain(20)

def test_what_searches_for_a_rate_judges_nothing():
    learn = fit(new(), 10)
    c = bad(learn, 5)
    h = learn.state_hash()
    learn.lr_find(num_it=20, show_plot=False, suggest_funcs=())
    assert learn.step == 10 and learn.state_hash() == h and learn.tricks.on_trial == [c]

# --- resumed, replayed, as a script

def test_resumed_in_mid_trial(tmp_path):
    "The trial goes on, with the yardstick of its beginning"
    learn = fit(new(tmp_path/'a'), 10)
    c = bad(learn)
    fit(learn, 7).run.close()
    learn = again(tmp_path/'a')
    assert learn.tricks.on_trial[0].trial == c.trial and learn.step == 17
    fit(learn, 33)
    assert learn.step == 30 and learn.state_hash() == plain(30) and 'taken back at step 30' in learn.run.trials[0]['said']
    learn.run.close()

def test_what_is_on_trial_is_what_the_log_says(tmp_path):
    "Which is not searched for it at each boundary"
    def same(learn):
        assert learn.tricks.on_trial == [c for c in learn.tricks.log if c.trial and not c.trial.said]
        return learn.tricks.on_trial
    learn = fit(new(tmp_path/'a'), 10)
    judged = harmless(learn, 5)
    judged.trial.before = [9e9]*21
    fit(learn, 6)
    assert same(learn) == []
    c = bad(learn)
    fit(learn, 4)
    assert same(learn) == [c]
    learn.rewind(18); assert [o.id for o in same(learn)] == [c.id]
    fork = fit(learn.fork(), 2); assert [o.id for o in same(fork)] == [c.id]
    fork.run.close()
    learn.rewind(12); assert same(learn) == []
    c = bad(learn)
    fit(learn, 4).run.close()
    learn = again(tmp_path/'a'); assert [o.id for o in same(learn)] == [c.id]
    snap = learn.snapshot()
    learn.rewind(learn.step - 1); assert [o.id for o in same(learn)] == [c.id]
    learn.restore(snap); assert [o.id for o in same(learn)] == [c.id]
    learn.undo(); assert same(learn) == []
    learn.restore(snap); assert same(learn) == []      # which was ended by going back
    learn.run.close()

def test_resumed_before_it_begins(tmp_path):
    learn = fit(new(tmp_path/'a'), 10)
    bad(learn, at=20)
    learn.run.close()
    learn = again(tmp_path/'a')
    assert learn.tricks.pending[0].trial == Trial(20, 'sliced_wasserstein')
    fit(learn, 50)
    assert learn.step == 40 and learn.state_hash() == plain(40)
    learn.run.close()

def test_replay_and_script(tmp_path):
    learn = fit(new(tmp_path/'a'), 10)
    bad(learn)
    fit(learn, 30)
    c = harmless(learn)
    c.trial.before = [9e9]*21
    fit(learn, 30)
    assert [t['said'].split(':')[0] for t in learn.run.trials] == ['TTUR was taken back at step 30', 'LeCam stays']
    h = learn.state_hash()
    replayed = learn.run.replay(*parts(), progress=False)
    assert replayed.state_hash() == h and [o.trial for o in replayed.tricks.log] == [None]
    text = learn.run.to_python(tmp_path/'a.py').read_text()
    assert 'ttur' not in text and "learn.tricks.on('lecam')" in text and 'trial' not in text
    learn.run.close()

def test_no_bit_moves():
    "While a trial is under way, and when it has been judged"
    learn = fit(new(), 10)
    c = harmless(learn, 10)
    c.trial.before = [9e9]*21
    for n in (15, 20, 30): assert fit(learn, n - learn.step).state_hash() == plain(n, (10, 'lecam'))

# --- refused

def test_bad_input():
    learn = new()
    for how, what in ((dict(trial=0), 'trial=0'), (dict(trial=2.5), 'trial=2.5'), (dict(trial=True), 'trial=True'), (dict(metric='fd'), 'say how long that is: trial=500'),
                      (dict(trial=5, metric='fid'), "no metric called 'fid'"), (dict(trial=5, metric='spread'), 'neither less nor more of it is better'), (dict(trial=5, metric=len), 'by its name')):
        with pytest.raises((ValueError, TypeError), match=what): learn.tricks.on('lecam', **how)
        with pytest.raises((ValueError, TypeError), match=what): learn.set_loss('hinge', **how)
    assert learn.tricks.log == [] and not learn.tricks.pending
    few = GANLearner(ring_dls(n=100, bs=16, valid=30) if 'valid' in ring_dls.__code__.co_varnames else ring_dls(n=30, bs=16), *mlp(width=8, depth=1, seed=0), seed=0)
    with pytest.raises(ValueError, match='40 fakes'): few.tricks.on('lecam', trial=5)
    assert not few.tricks['lecam'].enabled

def test_a_trick_that_is_off_already():
    learn = new()
    c = learn.tricks.off('lecam', trial=5)
    assert c.moot and c.state == 'done' and learn.tricks.on_trial == []

# --- from outside

def test_by_request(tmp_path):
    "The receipt waits for the verdict, and then is the verdict"
    learn, box = new(tmp_path/'a'), Box(tmp_path/'a')
    name = box.post(kind='on', name='ttur', params=dict(lr_g=.01), trial=20)
    fit(learn, 5)
    first = box.receipt(name)
    assert (first['state'], first['step']) == ('waiting', 0) and 'On trial for 20 steps' in first['said'] and not list(box.inbox.iterdir())
    fit(learn, 20)
    assert box.receipt(name)['state'] == 'done' and 'TTUR was taken back at step 20' in box.receipt(name)['said']
    name = box.post(kind='on', name='lecam', trial=20, metric='spread')
    fit(learn, 1)
    assert box.receipt(name)['state'] == 'refused' and 'neither less nor more' in box.receipt(name)['said']
    name = box.post(kind='loss', name='hinge', trial=20)
    fit(learn, 1)
    assert box.receipt(name)['state'] == 'waiting'
    learn.undo()
    assert 'is not judged: somebody went back' in box.receipt(name)['said'] and box.receipt(name)['state'] == 'done'
    learn.run.close()

def test_a_preset_by_request_and_from_the_panel(tmp_path):
    "Asked from outside, or clicked, it is on trial whole, and one receipt tells of all of it"
    learn, box = fit(new(tmp_path/'a'), 10), Box(tmp_path/'a')
    name = box.post(kind='preset', name='wgan_gp_toy', trial=20)
    fit(learn, 1)
    assert box.receipt(name)['state'] == 'waiting'
    first, = learn.tricks.on_trial
    first.trial.before = [0.]*21
    fit(learn, 20)
    said = box.receipt(name)
    assert said['state'] == 'done' and 'The preset wgan_gp_toy was taken back at step 30: ' in said['said'], said
    assert learn.step == 11 and learn.state_hash() == plain(11), 'as if it had not been'
    panel = TrickPanel(learn)
    panel.request(dict(do='preset', name='wgan_gp_toy', trial=5))
    panel.close()
    assert [(c.preset, c.trial.steps) for c in learn.tricks.on_trial] == [('wgan_gp_toy', 5)]
    learn.run.close()

def test_a_preset_by_request_that_waits_and_is_resumed(tmp_path):
    "Its receipt names the preset and the trial at every time"
    learn, box = fit(new(tmp_path/'a'), 4), Box(tmp_path/'a')
    name = box.post(kind='preset', name='wgan_gp_toy', at=8, trial=20)
    fit(learn, 1)
    assert box.receipt(name)['said'] == 'WGAN-GP for toys: asked at 4, to be applied at step 8. On trial for 20 steps, by sliced_wasserstein.'
    fit(learn, 5).run.close()
    assert box.receipt(name)['said'].startswith('WGAN-GP for toys at step 8: WGAN-GP on, ') and box.receipt(name)['state'] == 'waiting'
    fit(again(tmp_path/'a'), 20).run.close()
    assert box.receipt(name)['said'].startswith('The preset wgan_gp_toy ') and box.receipt(name)['state'] == 'done'

def test_a_request_of_a_run_that_was_resumed(tmp_path):
    learn, box = new(tmp_path/'a'), Box(tmp_path/'a')
    name = box.post(kind='on', name='ttur', params=dict(lr_g=.01), trial=20)
    fit(learn, 5).run.close()
    fit(again(tmp_path/'a'), 25)
    assert 'was taken back at step 20' in box.receipt(name)['said']

def test_the_command(tmp_path, capsys):
    learn = new(tmp_path/'a')
    run = str(tmp_path/'a')
    assert main(['steer', run, 'on', 'lecam', '--trial', '20', '--metric', 'fd', '--wait', '0', '--json']) == 3
    posted = json.loads(capsys.readouterr().out)
    fit(learn, 2)
    assert Box(run).receipt(posted['name'])['said'].endswith('On trial for 20 steps, by fd.')
    assert [t['name'] for t in news(run)['on']] == ['lecam']
    for words, what in ((['--trial', '0'], 'need a number of steps from 1'), (['--trial', '-3'], 'need a number of steps from 1')):
        assert main(['steer', run, 'on', 'lecam', *words, '--json']) == 2
        assert what in json.loads(capsys.readouterr().out)['said']
    learn.run.close()

# --- in the panel

def test_the_row_of_a_trick():
    learn = fit(new(), 10)
    def row(name): return make_state(learn).rows[list(learn.tricks).index(name)]
    bad(learn)
    assert row('ttur')['text'] == 'on trial until 30' and row('ema')['text'] == ''
    fit(learn, 20)
    assert row('ttur')['state'] == 'refused' and row('ttur')['text'] == 'taken back to 10' and 'was taken back at step 30' in row('ttur')['why']

def test_a_lab_tells_it():
    from ganlab.lab import Lab
    learn = fit(new(), 10)
    lab = Lab(learn)
    try:
        lab.tricks.request(dict(do='on', name='lecam', trial=20))
        assert learn.tricks.on_trial[0].trial.steps == 20
        learn.tricks.log[-1].trial.before = [9e9]*21
        fit(learn, 25)
        lab.screen.draw(learn)
        assert 'LeCam stays' in ' '.join(lab.screen.said)
        lab.tricks.request(dict(do='on', name='ttur', trial=20, params=dict(lr_g=.01)))
        fit(learn, 20)
        lab.screen.draw(learn)
        assert 'TTUR was taken back at step 55' in ' '.join(lab.screen.said)
    finally: lab.close()
