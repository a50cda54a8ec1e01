"Looking back and going back in the lab, without a browser: what is shown, what is trained, and no two threads that wait for each other."
import random, threading, time
from concurrent.futures import Future
import pytest, torch
from ganlab.data import digits_dls, ring_dls
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.panels.timeline import Film, on_the_line
from ganlab.record.thinning import superfluous

def ring(**kw): return GANLearner(ring_dls(n=2000, bs=16), *mlp(width=8, depth=2, seed=0), seed=0, **kw)

def done(lab):
    "Wait until nothing is done in the meantime"
    for t in threading.enumerate():
        if t.name == 'ganlab-meanwhile': t.join(60); assert not t.is_alive(), 'two threads wait for each other'

@pytest.mark.parametrize('disk', [False, True])
def test_back_and_forth(disk, tmp_path):
    "A rewind in a pause, an undo, a fork, each while it trains or not, end on the bits of a run that was never looked at"
    plain = ring(); plain.fit_steps(30, progress=False); plain.tricks.on('instance_noise'); plain.fit_steps(30, progress=False)
    with Lab(ring(run=tmp_path/'a' if disk else None), refresh=.01, share=1.) as lab:
        a = lab.learn
        lab.start(30); assert lab.wait(60)
        a.tricks.on('label_smoothing'); lab.start(25); lab.wait(60)
        lab.start(); lab.rewind(10); assert (lab.state, a.step, lab.timeline.step) == ('paused', 10, 10)
        lab.start(20); lab.wait(60); a.tricks.on('ttur'); lab.start(5); lab.wait(60)
        lab.undo(); assert (a.step, a.tricks['ttur'].enabled) == (30, False)
        a.tricks.on('instance_noise'); lab.start(30); lab.wait(60); assert a.state_hash() == plain.state_hash()
        lab.fork(45); b = lab.learn; assert b is not a and b.step == 45 and lab.curves.ghost
        lab.start(15); lab.wait(60); assert b.state_hash() == plain.state_hash() == a.state_hash()
        assert lab.timeline.runs == (['a', '└ a-fork1'] if disk else ['Run', '└ Fork 1 at 45'])
        lab.show_run(0); assert lab.learn is a and [f[0] for f in lab.timeline.forks] == [45]

def test_a_fork_of_a_fork():
    "Runs are listed as a tree: every fork below its parent, whenever it was made"
    with Lab(ring()) as lab:
        lab.learn.fit_steps(4, progress=False)
        for at, of in ((2, 0), (3, 0), (1, 1), (1, 2)):           # the last one: of the fork of a fork
            lab.show_run(of); lab.fork(at)
        assert [(m.name, m.depth) for m in lab.family] == [('Run', 0), ('Fork 1 at 2', 1), ('Fork 3 at 1', 2), ('Fork 4 at 1', 3), ('Fork 2 at 3', 1)]
        assert lab.timeline.runs == ['Run', '└ Fork 1 at 2', '\u2003└ Fork 3 at 1', '\u2003\u2003└ Fork 4 at 1', '└ Fork 2 at 3'] and lab.timeline.here == 3
        lab.show_run(1); assert lab.learn is lab.family[1].learn and [f[1] for f in lab.timeline.forks] == ['Fork 3 at 1']

def test_what_cannot_be_done_stops_nothing():
    "A wrong step, run or name, a missing change: one sentence, and the training goes on; so from a button"
    with Lab(ring()) as lab:
        lab.start(); lab.learn.between_steps(lambda: None)
        for wrong, says in ((lambda: lab.rewind(10**9), 'a step that was done'), (lambda: lab.undo(), 'no change to undo'), (lambda: lab.fork('x'), "step='x'"), (lambda: lab.show_run(99), 'has 1 runs'), (lambda: lab.show_run('a'), 'index')):
            with pytest.raises(ValueError, match=says): wrong()
            step = lab.learn.step
            while lab.learn.step == step: assert lab.trainer.thread.is_alive() and lab.orders.going
        lab.requests(dict(do='rewind', step=10**9)); done(lab)
        assert lab.orders.going and lab.announcement.say[0] == 'Not done:'
        lab.stop(); lab.timeline.at = 10**6
        assert lab.timeline.at == lab.learn.step
        lab.timeline.at = -1; lab.pin()
        assert [lab.learn.step, 'pinned'] in [list(s) for s in lab.timeline.snaps]
        lab.fork(name='zz'); assert lab.family[-1].name == 'zz' and lab.announcement.say[0] == 'Forked'

def test_set_by_hand_is_undone():
    "A weight or a rate set by hand is the last change"
    learn = ring(); learn.fit_steps(10, progress=False); learn.tricks.on('ttur'); learn.fit_steps(5, progress=False)
    here = learn.state_hash()
    with torch.no_grad(): next(learn.G.parameters()).add_(1.)
    learn.undo(); assert (learn.step, learn.tricks['ttur'].enabled, learn.state_hash()) == (15, True, here)
    learn.opt_d.param_groups[0]['lr'] = 1e-3
    learn.undo(); assert (learn.step, learn.state_hash()) == (15, here)
    learn.undo(); assert (learn.step, learn.tricks['ttur'].enabled) == (10, False)

def test_nobody_waits_for_another_run():
    "A click that meets the panel as it goes over to another run ends, whoever holds that run; so does one that only shows what is known"
    with Lab(ring()) as lab:
        first = lab.learn
        lab.fork()
        fork, go, held = lab.learn, threading.Event(), threading.Event()
        lab.learn = lab.tricks.learn = first
        holder = threading.Thread(target=first.when_idle, args=(lambda: held.set() or go.wait(60),))
        holder.start(); assert held.wait(60)
        lab.screen.before = None
        clicks = [threading.Thread(target=f, daemon=True) for f in (lambda: fork.when_idle(lambda: lab.screen.draw(fork, full=True)), lab.screen.show)]
        for t in clicks: t.start()
        for t in clicks: t.join(30)
        waits = [t.is_alive() for t in clicks]
        go.set(); holder.join()
        assert waits == [False, False]

def test_requests_at_random():
    "Any button in any state, one after another as fast as they come: each is answered, and at the end it trains, and closes"
    draw = random.Random(0)
    with Lab(ring(), refresh=.001, share=1.) as lab:
        asks = ['start', 'pause', 'stop', 'step', 'look', 'live', 'pin', 'undo', 'rewind', 'fork', 'open', 'switch', 'seek']
        for _ in range(150):
            do = draw.choice(asks)
            def click():
                if do == 'switch':
                    tr, name = lab.learn.tricks, draw.choice(['label_smoothing', 'instance_noise', 'ttur', 'ema'])
                    lab.requests.asked(tr.off(name) if tr[name].enabled else tr.on(name))
                elif do == 'seek': lab.timeline.at = draw.randrange(lab.learn.step + 1)
                elif do == 'fork' and len(lab.family) > 4: lab.requests(dict(do='look'))
                else: lab.requests(dict(do=do, step=draw.randrange(lab.learn.step + 1) if do == 'rewind' else None, index=draw.randrange(len(lab.family)), n=2, phase='both'))
            answer = Future()
            threading.Thread(target=lambda: answer.set_result(click()), daemon=True).start()
            answer.result(60)
            time.sleep(draw.random()*.02)
        done(lab)
        lab.stop()
        at = lab.learn.step
        lab.start(5); assert lab.wait(60) and lab.learn.step == at + 5

def test_orders_while_it_is_busy():
    "Run pressed at the moment at which a rewind or a fork ends, and clicks while one is under way"
    with Lab(ring(), refresh=.001, share=1.) as lab:
        lab.start(); lab.learn.between_steps(lambda: None)
        for i in range(12):
            lab.requests(dict(do=('undo', 'pin', 'rewind', 'fork')[i % 4], step=i))
            lab.requests(dict(do='rewind', step=0))           # one thing at a time: refused with a sentence, or done
            lab.timeline.at = i; lab.requests(dict(do='start')); lab.timeline.at = -1
            done(lab); lab.start()
        lab.stop(); assert lab.state == 'idle' and lab.trainer.thread is None and not lab.machine.busy

def test_looking_back_disturbs_nothing():
    "The scrubber moved while it trains: bits as without; what is shown is of that step"
    plain = ring(); plain.fit_steps(200, progress=False)
    with Lab(ring(), refresh=.001, share=1.) as lab:
        lab.start(200)
        while not lab.wait(0):
            for f in lab.timeline.frames: lab.timeline.at = f; assert lab.samples.step <= max(lab.timeline.frames)
            lab.timeline.at = -1
        lab.timeline.at = 20
        assert (lab.samples.step, lab.samples.at, lab.curves.mark, lab.tricks.at) == (20, 20, 20, 20)
        lab.timeline.at = -1; assert lab.samples.step == 200 and lab.learn.state_hash() == plain.state_hash()

def test_frames_of_a_panel_are_thinned():
    "However often pictures are offered, a line has at most some 400, the first and the last among them, and they lie even"
    learn = ring(); run = learn.run
    learn.fit_steps(1, progress=False); picture = learn.pictures.take()
    for s in range(2, 30_000, 7):
        run.marks.framed = 0; learn.step = s; run.offer(learn, {**picture, 'step': s})
    steps = run.frame_steps(); gaps = [b - a for a, b in zip(steps, steps[1:]) if a > 100]
    assert 200 <= len(steps) <= 520 and steps[0] == 0 and steps[-1] == 29_997 and max(gaps) <= 4*min(gaps[:-250])

def test_scores_are_in_the_frames():
    learn = GANLearner(digits_dls(bs=8, size=16), *dcgan(16, 1, 8, 4, seed=0), seed=0); learn.fit_steps(2, progress=False)
    shown, then = learn.pictures.take(), learn.run.frame_at(2)
    assert then['split'] == 8 and torch.allclose(torch.frombuffer(bytearray(then['scores']), dtype=torch.float32), torch.frombuffer(bytearray(shown['scores']), dtype=torch.float32), atol=1e-2)
    assert then['fake'] == shown['fake']

def test_which_snapshots_go():
    "Again and again the one whose neighbours are closest to each other, and never the newest; then by what they take"
    def gone(steps, spread, room=1e9): return superfluous([(s, s, 'ring', 10) for s in steps], spread, room)
    assert gone([50, 60, 100, 105], 3) == [100] and gone([50, 60, 100, 105], 2) == [100, 60] and gone([50, 60, 100, 105], 1) == [100, 60, 50]
    assert gone([10, 20, 30], 3) == [] and gone([10, 20, 30], 3, room=25) == [10] and gone([10, 20, 30], 3, room=5) == [10, 20, 30]

def test_the_best_snapshot_stays():
    "By the run's metric, through thinning, on the timeline; a metric that fails is said once and left out"
    learn = ring(); run = learn.run
    run.snap_every, run.spread, run.metric = 10, 2, lambda learn: abs(learn.step - 41)
    learn.fit_steps(150, progress=False)
    best = max((s for s in run.snapshots if s['score'] is not None), key=lambda s: s['score'])
    near = min((s for s in range(1, 150) if s % 10 in (0, 1)), key=lambda s: abs(s - 41))
    assert abs(best['step'] - near) <= 10 and len(run.snapshots) < 10
    with Lab(learn) as lab: assert lab.timeline.best == best['step']
    def broken(learn): raise ZeroDivisionError('no')
    run.metric = broken
    with pytest.warns(UserWarning, match='metric of the run failed'): learn.fit_steps(30, progress=False)
    assert run.metric is None and learn.step == 180

def test_the_usual_metric_changes_no_bit():
    a, b = ring(), ring()
    a.run.snap_every = 5; b.run.metric = None
    a.fit_steps(40, progress=False); b.fit_steps(40, progress=False)
    assert a.state_hash() == b.state_hash() and a.run.snapshots[-1]['score'] < 0

def test_a_disk_that_is_nearly_full_is_told(tmp_path, monkeypatch):
    "Once, before it is full; the training goes on"
    import shutil, types
    monkeypatch.setattr(shutil, 'disk_usage', lambda p: types.SimpleNamespace(free=10**7))
    with pytest.warns(UserWarning, match='only 10 MB are free') as told:
        learn = ring(run=tmp_path/'a'); learn.run.snap_every = 5
        learn.fit_steps(30, progress=False); learn.run.close()
    assert learn.step == 30 and sum('are free' in str(w.message) for w in told) == 1

def test_what_one_leaves_with(tmp_path):
    "The two buttons of the footer, while it trains and after: files in the working folder, none over another"
    with Lab(ring(), refresh=.01, share=1.) as lab:
        lab.start(30); lab.wait(60)
        for do in ('to-python', 'to-html', 'to-html'): lab.requests(dict(do=do)); done(lab); assert lab.announcement.say[0] == 'Saved', lab.announcement.say
    assert {p.name for p in tmp_path.iterdir()} >= {'run-step-30.py', 'run-step-30.safetensors', 'run-step-30.html', 'run-step-30-2.html'}
    compile((tmp_path/'run-step-30.py').read_text(), 'run.py', 'exec')

# Numbers on their way along a schedule

def test_a_schedule_is_a_curve_on_the_timeline():
    "Each value by the schedule itself, from the step of the switch up to now or to the step at which it was left; of a resumed run and in a player, too"
    from ganlab.engine.schedules import cosine, linear
    from ganlab.panels.moves import moves_of
    from ganlab.page.scene import scene_of
    from ganlab.page.story import Pack
    learn = GANLearner(ring_dls(n=200, bs=8), *mlp(width=4, depth=1, seed=0), seed=0)
    learn.fit_steps(2, progress=False)
    learn.tricks.on('gradient_penalty', gamma=cosine(10, 1, steps=6))
    learn.tricks.on('ttur', lr_d=linear(1e-3, 1e-4, steps=100))
    learn.fit_steps(5, progress=False)
    gamma, rate = on_the_line(learn, Film(learn.run))['moves']
    assert gamma['at'] == [2, 3, 4, 5, 6, 7] and gamma['y'] == pytest.approx([cosine(10, 1, steps=6).at(i) for i in range(6)])
    assert gamma['label'] == 'Gradient penalty γ' and 'cosine' in gamma['said'] and rate['y'][-1] == pytest.approx(learn.tricks['ttur'].params['lr_d'], rel=.02)
    learn.tricks.set('gradient_penalty', gamma=2.)
    learn.fit_steps(2, progress=False)
    learn.tricks.off('ttur')
    learn.fit_steps(1, progress=False)
    moves = on_the_line(learn, Film(learn.run))['moves']
    assert {m['label']: (m['at'][0], m['at'][-1]) for m in moves} == {'Gradient penalty γ': (2, 7), 'TTUR lr D': (2, 9)}
    assert [m['label'] for m in Pack(scene_of(learn.run), 20, 64).story()['branches'][0]['moves']] == [m['label'] for m in moves]
    learn.rewind(4)
    assert {m['at'][-1] for m in on_the_line(learn, Film(learn.run))['moves']} == {4}
    assert moves_of(learn.run.changes, {}, 4) == []

def test_a_schedule_of_ones_own_has_its_curve_where_it_is_known():
    from dataclasses import replace
    def half(n): return 1/(1 + n)
    from ganlab.panels.moves import moves_of
    learn = GANLearner(ring_dls(n=200, bs=8), *mlp(width=4, depth=1, seed=0), seed=0)
    learn.tricks.on('gradient_penalty', gamma=half)
    learn.fit_steps(200, progress=False)
    curve, = on_the_line(learn, Film(learn.run))['moves']
    assert len(curve['at']) == 65 and curve['y'] == pytest.approx([half(s) for s in curve['at']])
    assert moves_of(learn.run.changes, learn.tricks, 200, knows=lambda s: replace(s, f=None)) == []
