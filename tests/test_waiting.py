"A change for a later step: it says that step, it can be taken back, it is in the record, and no kill, rewind or end of a fit loses it."
import asyncio, os, signal, threading, warnings
import pytest
from ganlab.all import Lab, Run, trick_control
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.losses import losses
from ganlab.panels.state import make_state, waits, words
from ganlab.panels.control import tell_controls
from ganlab.panels.tricks import TrickPanel
from ganlab.record.store import RunError
from ganlab.engine.change import Refused
from apart import in_a_child
from strangers import Drift, data, go, groups_hold, make_learner, nets, one_sentence
from test_soak import everything, same

def dls(): return tensor_dls(data(), 8)
def recorded(where, **kw): return GANLearner(dls(), *nets('mlp'), seed=0, run=where, **kw)
def again(where, **kw): return GANLearner.resume(where, dls(), *nets('mlp'), progress=False, **kw)
def row(learn, name): return make_state(learn).rows[list(learn.tricks).index(name)]
def go_still(learn, n):
    "Some steps, at whose end something waits"
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        go(learn, n)

class Ramp:
    "A loss of the user's own"
    name = 'ramp'
    def d_loss(self, l_real, l_fake): return losses['lsgan'].d_loss(l_real, l_fake)
    def g_loss(self, l_fake, l_real=None): return losses['lsgan'].g_loss(l_fake, l_real)

# What is said of it

@pytest.mark.parametrize('ask, what', [(lambda l, at: l.tricks.on('instance_noise', sigma=.3, at=at), 'Instance noise on'), (lambda l, at: l.tricks.off('ttur', at=at), 'TTUR off'),
    (lambda l, at: l.tricks.set('ttur', lr_d=1e-4, at=at), 'TTUR changed'), (lambda l, at: l.set_loss('hinge', at=at), 'Loss is now Hinge'), (lambda l, at: l.half_step('d', at=at), 'Half step of D')])
def test_it_says_the_step(ask, what):
    "In its sentence, in the announcement, on the flag"
    learn = make_learner(tricks=['ttur']); go(learn, 2)
    c = ask(learn, 40)
    assert c.sentence == f'{what}: asked at 2, applied at step 40.'
    who, rest = words(c, learn)
    assert 'asked at 2, ' in rest and 'at step 40' in rest and 'next step' not in rest
    assert waits(learn.tricks.pending, learn) == f'{who} waits for step 40.'
    flags = [f for f in make_state(learn).flags if f[1] == 'ask']
    assert [f[0] for f in flags] == ([40] if c.kind != 'phase' else [])

def test_the_row():
    "Off until then: asked for that step, not counted as on, its values those of now, and a sentence; on already: on, and the same sentence"
    learn = make_learner(tricks=['ttur']); go(learn, 2)
    learn.tricks.on('instance_noise', sigma=.3, at=40); learn.tricks.on('ttur', lr_d=1e-4, at=50); learn.tricks.off('ttur', at=60)
    r = row(learn, 'instance_noise')
    assert (r['state'], r['text'], r['on'], r['waits']) == ('asked', 'asked for 40', False, 'Asked at 2: on at step 40: σ 0.3.') and r['values']['sigma'] == learn.tricks['instance_noise'].sigma
    r = row(learn, 'ttur')
    assert (r['state'], r['text'], r['on'], r['to']) == ('asked', 'asked for 60', True, 0.) and r['waits'] == 'Asked at 2: on at step 50: D rate 1e-4. Asked at 2: off at step 60.'.replace('D rate', learn.tricks['ttur'].declared['lr_d'].label)
    learn.tricks.pending[-1].cancel()
    r = row(learn, 'ttur')
    assert (r['state'], r['text'], r['on']) == ('on', 'since 0', True) and r['waits']
    assert trick_control(learn, 'instance_noise').value is False and not [1 for k, n, _ in learn.tricks.presets['ttur'].plan(learn) if n == 'instance_noise']

def test_the_panel():
    "Paused and finished, it says what waits; the button in the row takes it back"
    learn = make_learner(); go(learn, 2)
    with Lab(learn) as lab:
        learn.tricks.on('instance_noise', at=40)
        lab.step(); assert lab.wait(30)
        assert lab.announcement.say[1] == 'at step 3. Instance noise waits for step 40.'
        lab.start(steps=2)
        for t in threading.enumerate():
            if t.name == 'ganlab': t.join(30)
        assert lab.announcement.say == ('Finished', 'at step 5. Instance noise waits for step 40.')
        lab.tricks.heard(dict(do='cancel', name='instance_noise'))
        assert not learn.tricks.pending and lab.announcement.say == ('', 'Instance noise on: asked at 2 for step 40, cancelled at step 5.')
        assert row(learn, 'instance_noise')['state'] == 'off' and not learn.tricks.refused

def test_the_end_of_a_fit():
    "Says once what waits beyond it"
    learn = make_learner(); learn.tricks.on('ttur', at=9); learn.set_loss('hinge', at=12)
    with pytest.warns(UserWarning, match='training ended at step 3') as said: go(learn, 3)
    told = [w.message for w in said if 'training ended' in str(w.message)]
    text = one_sentence(told[0])
    assert len(told) == 1 and 'TTUR on: asked at 0, applied at step 9.' in text and 'Loss is now Hinge' in text and 'cancel()' in text
    with warnings.catch_warnings():
        warnings.filterwarnings('error', message='the training ended')
        go(learn, 3)
        learn.tricks.pending[-1].cancel()
        go(learn, 4)
    assert [(c.name, c.step) for c in learn.tricks.log] == [('ttur', 9)]

# Taken back

def test_cancel():
    "It does not happen, whoever waits is told, and a second time is as good as once"
    learn, calm, out = make_learner(), make_learner(), []
    c = learn.tricks.on('minibatch_stddev', at=3); other = learn.tricks.on('ttur', at=3)
    calm.tricks.on('ttur', at=3)
    go_still(learn, 1); go_still(calm, 1)
    c.then(out.append)
    before = everything(learn)
    assert c.cancel() is c and c.cancelled and c.cancel() is c and out == [c] and learn.tricks.pending == (other,)
    same(before, everything(learn), 'cancel')
    assert c.error and c.step is None and c.sentence == str(c.error) == 'Minibatch standard deviation on: asked at 0 for step 3, cancelled at step 1.' and not learn.tricks.refused
    with pytest.raises(Refused, match='cancelled at step 1'): c.wait()
    go(learn, 4); go(calm, 4)
    assert learn.state_hash() == calm.state_hash() and not other.cancelled

def test_cancel_too_late():
    learn = make_learner()
    applied = learn.tricks.on('ttur')
    with pytest.raises(ValueError, match='applied at step 0') as e: applied.cancel()
    assert 'undo' in one_sentence(e.value)
    with pytest.raises(Refused): learn.tricks.on('batch_size', bs=8)
    with pytest.raises(ValueError, match='nothing to cancel'): learn.tricks.refused['batch_size'].cancel()
    with pytest.raises(ValueError, match='has not been asked for yet'): learn.tricks.change('on', 'ema').cancel()
    assert learn.tricks['ttur'].enabled

def test_cancel_of_a_preset_cancels_all_of_it():
    learn, cs = make_learner(), []
    def gate(learn):
        if cs: return
        cs.extend(learn.tricks.preset('ttur'))
        cs[1].cancel()
    learn.fit_steps(2, gate=gate, progress=False)
    assert len(cs) > 2 and all(c.cancelled and c.error for c in cs) and not learn.tricks.log and not learn.tricks.pending

def test_cancel_from_many_threads():
    "While it trains: each change is either applied or cancelled, and says which"
    learn, cs = make_learner(), []
    def work():
        for k in range(30):
            c = learn.tricks.on('instance_noise', sigma=.01*k, at=learn.step + 2)
            cs.append(c)
            try: c.cancel() if k % 2 else c.wait(30)
            except ValueError as e: one_sentence(e)
    threads = [threading.Thread(target=work) for _ in range(3)]
    def gate(learn):
        if learn.step == 1:
            for t in threads:
                if not t.ident: t.start()
        return any(t.is_alive() for t in threads) or learn.step > 1 and stop()
    def stop():
        from fastai.callback.core import CancelFitException
        if learn.tricks.pending: return
        raise CancelFitException
    learn.fit_steps(gate=gate, progress=False)
    for t in threads: t.join()
    assert len(cs) == 90 and all((c.step is None) == bool(c.error) and c.cancelled == bool(c.error) for c in cs)
    assert [c.id for c in learn.run.changes] == [c.id for c in learn.tricks.log] and learn.run.waiting == []

# In the record

def test_a_resumed_run_has_it_waiting(tmp_path):
    "A switch, a value, a loss and a half step, each with what was asked; the end is that of a run which was never closed"
    def ask(learn):
        learn.tricks.on('instance_noise', sigma=.3, at=9); learn.tricks.set('instance_noise', sigma=.2, at=11); learn.set_loss('lsgan', at=10); learn.half_step('d', at=8); learn.tricks.off('instance_noise', at=13, now=True)
    calm = recorded(tmp_path/'calm'); go(calm, 3); ask(calm); go(calm, 12); calm.run.close()
    learn = recorded(tmp_path/'a'); go(learn, 3); ask(learn); go_still(learn, 3)
    sentences = [c.sentence for c in learn.tricks.pending]
    learn.run.close()
    assert [c.sentence for c in Run.open(tmp_path/'a').waiting] == sentences and len(sentences) == 5 and not Run.open(tmp_path/'a').changes
    learn = again(tmp_path/'a')
    assert [c.sentence for c in learn.tricks.pending] == sentences and learn.step == 6 and learn.tricks.pending[-1].now
    go_still(learn, 4); learn.run.close()
    learn = again(tmp_path/'a'); assert len(learn.tricks.pending) == 2, 'three of them are in force'
    go(learn, 5)
    assert learn.state_hash() == calm.state_hash() and [(c.kind, c.step) for c in learn.run.changes] == [(c.kind, c.step) for c in calm.run.changes] and learn.run.waiting == []
    learn.run.close()

def test_cancelled_stays_cancelled(tmp_path):
    learn = recorded(tmp_path/'a'); c = learn.tricks.on('ttur', at=9); learn.tricks.on('ema', at=9)
    c.cancel(); learn.run.close()
    learn = again(tmp_path/'a')
    assert [c.name for c in learn.tricks.pending] == ['ema']
    learn.tricks.pending[0].cancel()
    assert learn.run.waiting == []
    learn.run.close()

def test_one_that_is_refused_at_its_step(tmp_path):
    "It waits no longer, here nor in the record"
    learn = recorded(tmp_path/'a'); c = learn.tricks.on('batch_size', bs=8, at=2); go(learn, 3)
    assert 'already' in one_sentence(c.error) and learn.run.waiting == [] and not learn.tricks.pending
    learn.run.close()

def killed_right_after(where):
    learn = recorded(where); learn.run.snap_every = 2
    learn.tricks.on('ttur', at=5); learn.tricks.on('ema', at=9); learn.tricks.on('dropout', at=9).cancel()
    def gate(l):
        if l.step == 7:
            l.run.sync(); l.set_loss('hinge', at=8)
            os.kill(os.getpid(), signal.SIGKILL)
    learn.fit_steps(20, gate=gate, progress=False)

@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs os.fork')
def test_kill(tmp_path):
    "kill -9 right after the answer: what was acknowledged as waiting waits, what was cancelled does not, and what is due comes at its step"
    assert in_a_child(killed_right_after, tmp_path/'a') == (-signal.SIGKILL, '')
    learn = again(tmp_path/'a')
    assert [(c.name, c.at) for c in learn.tricks.pending] == [('ema', 9), ('hinge', 8)] and [(c.name, c.step) for c in learn.tricks.log] == [('ttur', 5)]
    go(learn, 12 - learn.step)
    calm = make_learner(); calm.tricks.on('ttur', at=5); calm.set_loss('hinge', at=8); calm.tricks.on('ema', at=9); go(calm, 12)
    assert learn.state_hash() == calm.state_hash()
    learn.run.close()

def test_a_record_that_cannot_be_written(tmp_path, monkeypatch):
    "It is not acknowledged, and does not wait; nor is a cancel"
    learn = recorded(tmp_path/'a'); c = learn.tricks.on('ema', at=9)
    def full(self, db): raise OSError(28, 'No space left on device')
    with monkeypatch.context() as m:
        m.setattr(Run, '_put_waiting', full)
        with pytest.raises(RunError, match='no room left'): learn.tricks.on('ttur', at=9)
        with pytest.raises(RunError, match='no room left'): c.cancel()
    assert learn.tricks.pending == (c,) and not c.cancelled and [w.name for w in learn.run.waiting] == ['ema']
    learn.run.close()
    with pytest.raises(RunError, match='is closed'): learn.tricks.on('ttur', at=9)
    assert learn.tricks.pending == (c,)

def test_what_is_the_users_own(tmp_path):
    "A loss or a trick that the resumed learner does not know is asked for, before anything is trained"
    learn = recorded(tmp_path/'a'); learn.tricks.add(Drift); go(learn, 2)
    learn.tricks.on('drift', at=6); learn.set_loss(Ramp(), at=7); learn.run.close()
    with pytest.raises(ValueError, match='waits for step 6') as e: again(tmp_path/'a', loss=[Ramp()])
    assert 'tricks=' in one_sentence(e.value)
    with pytest.raises(ValueError, match='waits for step 7') as e: again(tmp_path/'a', tricks=[Drift])
    assert 'loss=[ramp(...)' in one_sentence(e.value).replace('Ramp', 'ramp')
    learn = again(tmp_path/'a', tricks=[Drift], loss=[Ramp()]); go(learn, 6)
    assert learn.tricks['drift'].enabled and learn.loss_name == 'ramp'
    learn.run.close()

def test_a_preset_at_a_step():
    "Whole at that step, or not at all; cancelled as one; what waits until then is taken into account"
    learn, calm = make_learner(tricks=['label_smoothing']), make_learner(tricks=['label_smoothing'])
    learn.tricks.on('instance_noise', at=3); go_still(learn, 1)
    cs = learn.tricks.preset('ttur', at=4)
    assert len(cs) > 3 and {c.at for c in cs} == {4} and ('off', 'instance_noise') in [(c.kind, c.name) for c in cs]
    assert waits(cs, learn) == 'TTUR waits for step 4.' and words(cs[0], learn)[1].startswith('asked at 1, on at step 4: ')
    go(learn, 5)
    assert {c.step for c in cs} == {4} and {t.name for t in learn.tricks.enabled} == set(learn.tricks.presets['ttur'].tricks) and not learn.tricks.presets['ttur'].plan(learn)
    calm.tricks.on('instance_noise', at=3); go_still(calm, 4); calm.tricks.preset('ttur'); go(calm, 2)
    assert learn.state_hash() == calm.state_hash()
    cs = learn.tricks.preset('wgan', at=9); cs[-1].cancel()
    assert all(c.cancelled for c in cs) and not learn.tricks.pending
    for at in (2, 2.5, 'soon'):
        with pytest.raises(ValueError, match='at='): learn.tricks.preset('ttur', at=at)
    assert not learn.tricks.pending

def test_a_preset_that_is_refused_at_its_step():
    "Nothing of it is switched there, and each of its changes says so"
    learn = make_learner(tricks=['label_smoothing']); cs = learn.tricks.preset('sagan', at=3)
    go(learn, 5)
    assert len(cs) > 3 and all(c.error and c.step is None for c in cs) and 'no feature map' in one_sentence(cs[0].error)
    assert [t.name for t in learn.tricks.enabled] == ['label_smoothing'] and not learn.tricks.pending and learn.run.waiting == []

@pytest.mark.parametrize('resumed', [False, True])
def test_a_preset_that_waits_in_the_record(resumed, tmp_path):
    "Resumed or forked, it is one still: cancelled whole, applied whole, undone whole, called by its name"
    learn = recorded(tmp_path/'a'); learn.tricks.preset('ttur', at=6); learn.tricks.on('ema', at=6); go_still(learn, 2)
    n, sentences = len(learn.tricks.pending), [c.sentence for c in learn.tricks.pending]
    if resumed: learn.run.close()
    other = again(tmp_path/'a') if resumed else learn.fork(name='b')
    assert [c.sentence for c in other.tricks.pending] == sentences and waits(other.tricks.pending, other) == '2 changes wait for later steps, the first for step 6: TTUR.'
    assert [len(c.together) for c in other.tricks.pending] == [n - 1]*(n - 1) + [1] and other.tricks.pending[0].recipe == 'TTUR'
    go(other, 5); on = {t.name for t in other.tricks.enabled}
    assert 'ema' in on and {c.step for c in other.tricks.log} == {6}
    other.undo(); other.undo()
    assert not other.tricks.enabled and other.step == 6
    other.tricks.preset('wgan', at=9); other.run.close()
    last = GANLearner.resume(other.run.folder, dls(), *nets('mlp'), progress=False)
    last.tricks.pending[1].cancel()
    assert not last.tricks.pending and last.run.waiting == []
    last.run.close(); learn.run.close()

def test_rewind_and_fork_keep_what_waits(tmp_path):
    "A plan is no part of the past: back at a step, and in a second learner, it waits as it did; each takes its own back"
    learn = recorded(tmp_path/'a'); go(learn, 3)
    learn.tricks.on('ttur', at=9); learn.set_loss(Ramp(), at=8); go_still(learn, 2)
    sentences = [c.sentence for c in learn.tricks.pending]
    forks = [learn.fork(), learn.fork(step=2)]
    for l in (learn.rewind(1), *forks):
        assert [c.sentence for c in l.tricks.pending] == sentences and [c.sentence for c in l.run.waiting] == [c.sentence for c in Run.open(l.run.folder).waiting] == sentences
    kept = forks[0].tricks.pending; forks[1].tricks.pending[0].cancel()
    assert forks[0].tricks.pending == kept and len(learn.tricks.pending) == 2 and len(forks[1].tricks.pending) == 1
    for l in (learn, forks[0]): go(l, 11 - l.step)
    assert learn.state_hash() == forks[0].state_hash() and [(c.name, c.step) for c in forks[0].tricks.log] == [('ramp', 8), ('ttur', 9)]
    go(forks[1], 11 - forks[1].step); assert forks[1].loss_name == 'ramp' and not forks[1].tricks['ttur'].enabled
    for l in (learn, *forks): l.run.close()

def test_rewind_fork_and_search():
    "A rewind leaves it waiting, and does not bring back one that was made after that step; a fork has it waiting, too; a search for a rate leaves it waiting"
    learn = make_learner(); learn.tricks.on('ttur', at=4); c = learn.tricks.on('ema', at=30)
    go_still(learn, 8); learn.rewind(2)
    assert learn.tricks.pending == (c,) and [w.name for w in learn.run.waiting] == ['ema'] and not learn.tricks['ttur'].enabled
    go_still(learn, 4); assert not learn.tricks['ttur'].enabled
    fork = learn.fork(); assert [c.name for c in fork.tricks.pending] == [w.name for w in fork.run.waiting] == ['ema'] and fork.tricks.pending != learn.tricks.pending
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        learn.lr_find(num_it=20, show_plot=False)
    assert learn.tricks.pending == (c,) and [w.name for w in learn.run.waiting] == ['ema']

def test_a_run_of_before(tmp_path):
    "A record without such a fact has nothing that waits"
    learn = recorded(tmp_path/'a'); go(learn, 3)
    with learn.run.store.writing() as db: db.execute("delete from meta where key='waiting'")
    learn.run.close()
    learn = again(tmp_path/'a'); assert not learn.tricks.pending
    learn.run.close()

# Controls tell a refusal where the user looks

def test_a_control_tells_a_refusal_while_idle():
    learn = make_learner(loss='hinge'); c = trick_control(learn, 'label_smoothing'); c.description = '<i>Smooth</i>'
    plain = c.description, c.tooltip, c.layout.width
    c.value = True
    said = str(learn.tricks.refused['label_smoothing'].error)
    assert c.value is False and c.refusal == said and (c.description, c.tooltip, c.layout.width) == plain
    c.value = True; assert c.value is False and c.refusal == said
    learn.set_loss('minimax'); c.value = True
    assert c.value is True and c.refusal == '' and (c.description, c.tooltip, c.layout.width) == plain

def test_a_control_hears_a_hand():
    "What a page sets is asked, once; what is refused goes back there; what another hand does is followed, and asks nothing"
    learn = make_learner(loss='hinge'); c, other = trick_control(learn, 'ttur'), trick_control(learn, 'ttur')
    c.set_state(dict(value=True)); c.set_state(dict(value=True))
    assert learn.tricks['ttur'].enabled and len(learn.tricks.log) == 1 and not other.value
    tell_controls(learn)
    assert other.value and len(learn.tricks.log) == 1
    other.set_state(dict(value=False)); assert not learn.tricks['ttur'].enabled
    smooth = trick_control(learn, 'label_smoothing')
    smooth.set_state(dict(value=True))
    assert smooth.value is False and 'needs targets' in smooth.refusal

def test_a_control_while_a_cell_is_busy():
    "A hand is answered at once, on the thread that heard it; what others do is followed as soon as the thread is free on which it was made"
    learn = make_learner(loss='hinge')
    def elsewhere(f, *args): t = threading.Thread(target=f, args=args); t.start(); t.join()
    async def cell():
        smooth, ttur, seen = trick_control(learn, 'label_smoothing'), trick_control(learn, 'ttur'), []
        ttur.observe(lambda c: seen.append(threading.get_ident()), 'value')
        elsewhere(smooth.set_state, dict(value=True))
        assert smooth.value is False and 'needs targets' in smooth.refusal
        learn.tricks.on('ttur'); elsewhere(tell_controls, learn)
        assert not ttur.value
        await asyncio.sleep(0)
        assert ttur.value and seen == [threading.get_ident()]
    asyncio.run(cell())

def test_a_control_tells_a_refusal_while_it_trains():
    "With a panel and without one"
    for lab in (True, False):
        learn = make_learner(loss='hinge'); c = trick_control(learn, 'label_smoothing')
        if lab:
            with Lab(learn) as panel:
                panel.start(); c.value = True
                while learn.tricks.pending: pass
                panel.stop()
        else:
            def gate(l):
                if l.step == 1 and not l.tricks.refused: threading.Thread(target=lambda: setattr(c, 'value', True)).start()
                while l.step == 1 and not l.tricks.pending and not l.tricks.refused: pass
            learn.fit_steps(3, gate=gate, progress=False)
        assert c.value is False and 'needs targets' in c.refusal and c.description == 'Label smoothing'

def test_the_menus_tell_a_refusal():
    "The loss and the presets have a line of their own, until something of theirs succeeds"
    learn = make_learner(tricks=['label_smoothing']); p = TrickPanel(learn)
    p.heard(dict(do='loss', name='wasserstein'))
    assert p.told == str(learn.tricks.refused['wasserstein'].error) and p.loss == 'non_saturating'
    p.heard(dict(do='loss', name='minimax')); assert p.told == '' and p.loss == 'minimax'
    p.heard(dict(do='preset', name='sagan')); assert 'no feature map' in p.told and learn.loss_name == 'minimax'
    p.heard(dict(do='preset', name='ttur')); assert p.told == ''

def test_steer_says_what_was_refused(monkeypatch):
    "What an exception says is text, and the picture stays; a wrong value from a page is said there, and the former one holds"
    from ganlab.panels.steer import Steer
    learn = make_learner('dcgan', tricks=['style']); s = Steer(learn, n=4)
    was, usual = s.picture, dict(truncation=1., latents=0, other=0, places=(0, 0))
    for wrong in (dict(truncation=2), dict(truncation='x'), dict(latents=-1), dict(other=1000), dict(places=[1, 0]), dict(places=[0, 99])):
        s.set_state(wrong)
        name, = wrong
        assert name in s.refusal and getattr(s, name) == usual[name] and s.picture == was and '\n' not in s.refusal, wrong
    s.set_state(dict(mixing=True, places=[0, 1])); assert s.refusal == '' and s.places == (0, 1)
    def bad(*a, **k): raise ValueError('<img src=x onerror=alert(1)> & more')
    monkeypatch.setattr(learn, 'sample', bad)
    was, s.truncation = s.picture, .5
    assert s.refusal == '<img src=x onerror=alert(1)> & more' and s.picture == was
    s.close(); s.close(); s.truncation = .1

def test_steer_after_the_style_changed():
    "Switched off it says so; with other places it has their names"
    from ganlab.panels.steer import Steer
    learn = make_learner('dcgan', tricks=['style']); s = Steer(learn, n=4)
    names = s.names
    s.mixing, s.places = True, (1, len(names) - 1)
    learn.tricks.off('style', now=True); s.latents = 1
    assert 'style' in s.refusal and s.names == names
    learn.tricks.on('style', modulation=False, mixing=0); s.latents = 2
    assert (s.names, s.places) == (['input'], (0, 0)) and s.refusal.startswith('mix needs modulation')
    s.mixing = False
    assert s.refusal == ''
