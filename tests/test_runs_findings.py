"What a reader with fresh eyes broke in the record, in presets and in tricks together; each once, so that it stays mended."
import os, shutil, sqlite3, threading, time, warnings
import numpy as np, pytest, torch
from torch import nn
from ganlab.data import ring_dls, tensor_dls
from ganlab.engine.recovery import StepError
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.engine.scalars import Record
from ganlab.panels.curves import Thinned, series
from ganlab.record.store import RunError
from ganlab.record.run import Run
from ganlab.engine.change import Refused
from ganlab.trick import Trick
import ganlab.travel.fork, ganlab.presets
import strangers
from strangers import go, make_learner, one_sentence

def data(): return ring_dls(n=500, bs=16)
def nets(): return mlp(width=8, depth=2, seed=0)
def new(**kw): return GANLearner(data(), *nets(), seed=0, **kw)
def again(learn, **kw): return learn.run.replay(data(), *nets(), progress=False, **kw)
class My:
    def d_loss(self, r, f): return ((f - r)**2 + f**2).mean()
    def g_loss(self, f, r=None): return -f.mean()

def test_a_resume_that_fails_changes_nothing(tmp_path):
    learn = new(run=tmp_path/'a'); go(learn, 20); learn.set_loss(My()); go(learn, 40); learn.run.close()
    with pytest.raises(ValueError, match='My'): GANLearner.resume(tmp_path/'a', data(), *nets(), step=30, progress=False)
    assert GANLearner.resume(tmp_path/'a', data(), *nets(), loss=My(), progress=False).step == 60

def test_losses_of_ones_own_are_known_for_going_back(tmp_path):
    learn = new(loss=My()); go(learn, 20); at = learn.state_hash(); learn.set_loss('hinge'); go(learn, 20)
    learn.rewind(20); assert learn.state_hash() == at and learn.loss_name == 'My'
    learn = new(run=tmp_path/'x'); go(learn, 5); at = learn.state_hash(); learn.set_loss(My()); go(learn, 5)
    assert learn.fork(name='kid').state_hash() == learn.state_hash() and learn.fork(5).state_hash() == at

@pytest.mark.parametrize('error', [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupted_rewind_is_none(monkeypatch, error):
    learn = new(); learn.run.snap_every = 0; go(learn, 30); learn.tricks.on('ttur'); learn.tricks.on('minibatch_stddev'); go(learn, 30)
    at, line, rows = learn.state_hash(), learn.run.line, learn.history.d_loss.tolist()
    real, calls = GANLearner.one_step, []
    def one_step(self):
        calls.append(1)
        if len(calls) == 15: raise error
        real(self)
    monkeypatch.setattr(GANLearner, 'one_step', one_step)
    with pytest.raises(error): learn.rewind(50)
    monkeypatch.undo()
    assert (learn.step, learn.state_hash(), learn.run.line, learn.history.d_loss.tolist()) == (60, at, line, rows)
    assert [c.name for c in learn.run.changes] == [c.name for c in learn.tricks.log] == ['ttur', 'minibatch_stddev']
    go(learn, 5); assert again(learn).state_hash() == learn.state_hash()

def test_networks_that_cannot_be_copied():
    class Locked(nn.Sequential):
        def __init__(self): super().__init__(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)); self.lock = threading.Lock()
    torch.manual_seed(0)
    learn = GANLearner(data(), nets()[0], Locked(), seed=0)
    go(learn, 20); learn.tricks.on('minibatch_stddev'); go(learn, 20); learn.tricks.on('ttur'); go(learn, 20); at = learn.state_hash()
    with pytest.raises(ValueError) as e: learn.rewind(10)
    one_sentence(e.value)
    assert (learn.step, learn.state_hash()) == (60, at) and [c.name for c in learn.run.changes] == ['minibatch_stddev', 'ttur']
    with pytest.raises(ValueError, match='fork'): learn.fork()

def test_what_is_set_before_the_first_fit():
    learn = new()
    learn.G.apply(lambda m: nn.init.constant_(m.weight, .1) if isinstance(m, nn.Linear) else None)
    go(learn, 20); at = learn.state_hash()
    assert [(c.kind, c.step) for c in learn.run.changes] == [('edited', 0)] and again(learn).state_hash() == at
    learn.rewind(10); go(learn, 10); assert learn.state_hash() == at

def test_a_fork_in_memory_trains():
    learn = new(); go(learn, 20); fork = learn.fork(); go(fork, 5); go(learn, 5)
    assert fork.state_hash() == learn.state_hash() and fork.history.step.tolist() == list(range(1, 26)) and fork.history.d_loss.tolist() == learn.history.d_loss.tolist()
    kid = fork.fork(); go(kid, 3); go(learn, 3); assert kid.state_hash() == learn.state_hash()

def test_undo_of_what_was_set_by_hand():
    learn = new(); go(learn, 10); at = learn.state_hash(); learn.D[0].weight.data.zero_(); go(learn, 5)
    learn.undo(); assert (learn.step, learn.state_hash(), learn.run.changes) == (10, at, [])

def test_undo_takes_back_one_change():
    learn = new(tricks=['label_smoothing']); go(learn, 5); learn.tricks.on('ema'); learn.tricks.on('grad_clip'); go(learn, 5)
    learn.undo(); assert learn.step == 5 and [t.name for t in learn.tricks.enabled] == ['label_smoothing', 'ema']
    learn.undo(); assert [t.name for t in learn.tricks.enabled] == ['label_smoothing']
    go(learn, 5); assert again(learn).state_hash() == learn.state_hash()

def test_rates_of_a_fit_are_replayed_from_memory():
    learn = new()
    with learn.no_bar(), learn.no_logging(): learn.fit(1, lr=1e-3); learn.fit_one_cycle(1, 5e-4)
    assert again(learn).state_hash() == learn.state_hash()
    learn.rewind(learn.step); assert learn.rates.mult == 1
    learn.rewind(10); go(learn, 2)
    assert learn.opt_d.param_groups[0]['lr'] == 2e-4

def test_a_rewind_within_a_fit_keeps_its_rate():
    learn, seen = new(), []
    def gate(l):
        if l.step == 20 and not seen: seen.append(l.rates.mult); l.rewind(10); seen.append(l.rates.mult)
    learn._fit(1, 30, gate, lr=1e-3, progress=False)
    assert seen[0] == seen[1] == 5

def test_restore_of_a_step_ahead(tmp_path):
    for kw in ({}, dict(run=tmp_path/'a')):
        learn = new(**kw); go(learn, 50); snap, at, rows = learn.snapshot(), learn.state_hash(), learn.history.d_loss.tolist()
        learn.rewind(10); learn.tricks.on('ttur'); go(learn, 10); learn.restore(snap)
        assert (learn.step, learn.state_hash()) == (50, at) and learn.history.d_loss.tolist() == rows and learn.history.step.tolist() == list(range(1, 51))
        go(learn, 20); assert again(learn).state_hash() == learn.state_hash()
    end = learn.state_hash(); learn.run.close()
    more = GANLearner.resume(tmp_path/'a', data(), *nets(), progress=False)
    assert more.state_hash() == end and more.history.step.tolist() == list(range(1, 71))

def test_restore_of_anothers():
    learn, other = new(), new(); go(learn, 5); go(other, 20)
    learn.restore(other.snapshot()); assert (learn.step, len(learn.history)) == (20, 20)
    go(learn, 3); assert again(learn).state_hash() == learn.state_hash()

def test_a_snapshot_after_a_half_step():
    learn = new(); learn.run.snap_every = 7; learn.half_step('d', at=7); go(learn, 12); at = learn.state_hash()
    learn.rewind(12); assert learn.state_hash() == at
    learn.rewind(8); go(learn, 4); assert learn.state_hash() == at

def test_the_average_is_of_what_an_extragradient_step_leaves():
    learn = new(); learn.tricks.on('ema', beta=.9, rampup=0); learn.tricks.on('extragradient')
    ref = {n: p.detach().clone() for n, p in learn.G.named_parameters()}
    def gate(l):
        if l.step: [ref[n].lerp_(p.detach(), .1) for n, p in l.G.named_parameters()]
    learn.fit_steps(20, gate=gate, progress=False)
    assert max((learn.tricks['ema'].weights[n] - ref[n]).abs().max().item() for n in ref) < 1e-7

def test_what_is_set_while_paused_or_loaded(tmp_path):
    learn = new(path=tmp_path); (tmp_path/'models').mkdir(); go(learn, 10); learn.save('w')
    with Lab(learn) as lab:
        lab.start(5); lab.wait(60); learn.load('w')
        lab.start(); time.sleep(.3); lab.pause(); learn.D[0].weight.data.mul_(2); lab.start(); time.sleep(.3); lab.stop()
    assert [c.kind for c in learn.run.changes] == ['edited', 'edited'] and again(learn).state_hash() == learn.state_hash()
    learn.D[0].weight.data.mul_(2); fork = learn.fork()
    assert again(fork).state_hash() == fork.state_hash() == learn.state_hash()

def test_a_folder_of_a_relative_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path); os.mkdir('sub')
    learn = new(run='c'); learn.run.snap_every = 10; os.chdir('sub'); go(learn, 50)
    assert len(learn.run.snapshots) > 3 and (tmp_path/'c'/'snapshots').is_dir()

def test_the_same_trick_elsewhere():
    learn = new(); learn.tricks.on('leaky_relu', net='G', over=0, slope=.3); go(learn, 5); snap, at = learn.snapshot(), learn.state_hash(); go(learn, 5); end = learn.state_hash()
    learn.tricks.off('leaky_relu'); learn.tricks.on('leaky_relu', net='D', over=0, slope=.3); go(learn, 1)
    learn.restore(snap); assert learn.state_hash() == at; go(learn, 5); assert learn.state_hash() == end

def test_presets_beside_switches_from_another_thread():
    learn, n, stop = new(), [0, 0], threading.Event()
    def a():
        while not stop.is_set(): learn.tricks.preset('wgan_gp_toy' if n[0] % 2 else 'r3gan'); n[0] += 1
    def b():
        while not stop.is_set(): learn.tricks.on('grad_clip'); learn.tricks.off('grad_clip'); n[1] += 1
    threads = [threading.Thread(target=f, daemon=True) for f in (a, b)]
    for t in threads: t.start()
    end = time.monotonic() + 60
    while min(n) < 12 and time.monotonic() < end: time.sleep(.05)
    stop.set()
    for t in threads: t.join(60); assert not t.is_alive()
    assert min(n) >= 12

def test_an_interrupted_switch_is_none():
    class Bad(Trick):
        name, title, first = 'bad', 'Bad', True
        def attach(self, learn, undo):
            if Bad.first: Bad.first = False; raise KeyboardInterrupt
        def d_term(self, ctx): return ctx.l_real.square().mean()
    learn = new(); learn.tricks.add(Bad); go(learn, 5)
    with pytest.raises(KeyboardInterrupt): learn.tricks.on('bad')
    go(learn, 5); assert not learn.tricks.enabled and not learn.run.changes
    learn.tricks.on('bad'); assert learn.tricks['bad'].enabled

def test_two_presets_at_one_boundary():
    learn = new()
    def gate(l):
        if l.step == 3 and not l.tricks.pending: l.tricks.preset('wgan'); l.tricks.preset('r3gan')
    learn.fit_steps(8, gate=gate, progress=False)
    calm = new(); calm.tricks.preset('wgan'); calm.tricks.preset('r3gan')
    assert [t.name for t in learn.tricks.enabled] == [t.name for t in calm.tricks.enabled] and not learn.tricks.refused and learn.loss_name == calm.loss_name

def test_a_trick_given_as_an_instance_is_forked_with_what_it_was_given():
    class Mine(Trick):
        name, title = 'mine', 'Mine'
        def __init__(self, k=1., **p): super().__init__(**p); self.k = k
        def d_term(self, ctx): return self.k*ctx.l_real.square().mean()
    learn = new(tricks=[Mine(k=50.)]); go(learn, 20); fork = learn.fork(10); go(fork, 10)
    assert fork.tricks['mine'].k == 50 and fork.state_hash() == learn.state_hash()

def test_frames_after_many_rewinds():
    learn = new(); learn.run.frame_every = 5
    for _ in range(12): go(learn, 60); learn.rewind(0)
    go(learn, 200)
    assert learn.run.frames()[-1]['step'] == 200 and len(learn.run.frames()) > 20

def test_optimizer_on_adafactor():
    learn = new(opt=lambda ps, lr: torch.optim.Adafactor(ps, lr=lr)); go(learn, 5); learn.tricks.on('optimizer'); go(learn, 3)
    learn.tricks.off('optimizer'); go(learn, 2); assert learn.step == 10

def test_what_is_set_by_hand_again_and_again():
    learn = new(); learn.run.most_by_hand = 5
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        for _ in range(9):
            go(learn, 1)
            with torch.no_grad(): next(learn.D.parameters()).mul_(.999)
    assert len([w for w in said if 'by hand' in str(w.message)]) == 1 and len([s for s in learn.run.snapshots if s['kept'] == 'edited']) == 5

def test_curves_where_as_many_rows_came_again():
    "Rows that were taken back are not in the curves, also where others stand in their place by the next drawing"
    rec = Record(['step', *series])
    def rows(start, v): [rec.append([i + 1, *[v]*len(series)]) for i in range(start, 40)]
    rows(0, 1.); thin = Thinned(rec).take()
    rec.truncate(20); rows(20, 9.)
    assert thin.take().tobytes() == Thinned(rec).take().tobytes()

def test_curves_after_a_rewind():
    learn = new(); go(learn, 400); thin = Thinned(learn.record); thin.take()
    learn.rewind(100); learn.tricks.on('ttur', lr_d=1e-2, lr_g=1e-3); go(learn, 400)
    assert thin.take().tobytes() == Thinned(learn.record).take().tobytes()

def test_places_exchanged_by_hand():
    learn = new(); go(learn, 5); w = learn.D[2].weight.data; w.copy_(w.flip(0)); go(learn, 3)
    assert [c.kind for c in learn.run.changes] == ['edited']

def test_a_closed_run_says_so(tmp_path):
    learn = new(run=tmp_path/'a'); go(learn, 5); learn.run.close()
    assert 'closed' in repr(learn.run) and len(learn.history) == 5
    with pytest.raises(Exception, match='closed'): go(learn, 5)
    with pytest.raises(RuntimeError, match='closed'): learn.tricks.on('ttur')
    assert not learn.tricks.pending

def test_values_are_recorded_as_what_they_are(tmp_path):
    learn = GANLearner(data(), *nets(), seed=0, lr_g=np.float32(3e-4), run=tmp_path/'a')
    learn.tricks.on('ttur', lr_d=torch.tensor(3e-4), lr_g='2e-4'); go(learn, 5); at = learn.state_hash(); learn.run.close()
    run = Run.open(tmp_path/'a')
    assert {type(v) for v in run.changes[0].params.values()} == {float} and run.replay(data(), *nets(), progress=False).state_hash() == at

def test_a_fork_knows_nothing_of_what_came_after(tmp_path):
    "Its record ends where it was forked, for whoever opens its folder, too"
    learn = make_learner(run=tmp_path/'a'); go(learn, 12); learn.tricks.on('ttur'); go(learn, 3)
    for step in (7, 12):
        fork = learn.fork(step)
        with Run.open(fork.run.folder) as run: assert (run.step, len(run.scalars()), run.changes) == (step, step, [])
        assert len(fork.history) == fork.step == step and fork.run.branches() == []
        fork.run.close()

def test_a_loss_with_a_function_in_it(tmp_path):
    class Shaped(My):
        def __init__(self): self.shape = lambda x: x
    learn = new(loss=Shaped(), run=tmp_path/'a'); go(learn, 5); learn.run.close()
    assert GANLearner.resume(tmp_path/'a', data(), *nets(), loss=Shaped(), progress=False).step == 5

def test_no_folder():
    for wrong in (new().run, None, 3):
        with pytest.raises(ValueError, match='not a folder') as e: Run.open(wrong)
        one_sentence(e.value)

def _on(folder, **kw): return GANLearner.resume(folder, data(), *nets(), progress=False, **kw)

def _back(learn, how):
    if how == 'rewind': learn.rewind(40)
    elif how == 'undo': learn.undo()
    else: learn.run.close(); learn = _on(learn.run.folder, step=40)
    learn.run.close()
    return learn.run.folder

@pytest.mark.parametrize('how', ['rewind', 'undo', 'step'])
def test_a_line_that_is_left_before_its_first_step(how, tmp_path):
    calm = new(); go(calm, 60)
    learn = new(run=tmp_path/'a'); go(learn, 40); learn.tricks.on('ttur'); go(learn, 20); folder = _back(learn, how)
    for n in (20, 10):      # and twice in a row
        learn = _on(folder); assert learn.step == 40
        go(learn, n//2); learn.run.close()
        learn = _on(folder); assert learn.history.d_loss.tolist() == calm.history.d_loss.tolist()[:40 + n//2]
        go(learn, n//2); learn.run.close()
        run = Run.open(folder); rows = run.scalars()
        assert run.step == 40 + n and rows.step.tolist() == list(range(1, 41 + n)) and rows.d_loss.tolist() == calm.history.d_loss.tolist()[:40 + n]
        _back(_on(folder), 'rewind')

def test_a_folder_in_which_a_line_repeats_its_past_is_read(tmp_path):
    learn = new(run=tmp_path/'a'); go(learn, 60); learn.rewind(40); go(learn, 20); rows = learn.history.d_loss.tolist()
    learn.run.marks.start = learn.run.marks.flushed = 0; learn.run.flush(learn, wait=True); learn.run.close()      # as an older version did
    run = Run.open(tmp_path/'a'); assert run.store.rows('select count(*) from chunks where line=1 and start=0') == [(3,)]
    run.store.close()
    with sqlite3.connect(tmp_path/'a'/'run.sqlite') as db: db.execute('delete from chunks where line=1 and start=40')
    run = Run.open(tmp_path/'a')
    assert run.scalars().step.tolist() == list(range(1, 61)) and run.scalars().d_loss.tolist() == rows
    at, low = run.curves('d_loss'); assert at.tolist() == [1, 33, 41] and np.nanmax(low['d_loss']) == np.float32(max(rows))
    learn = _on(tmp_path/'a'); go(learn, 5); learn.run.close()
    assert Run.open(tmp_path/'a').scalars().step.tolist() == list(range(1, 66))

def _all(folder): return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob('*')}

def _with(folder, **files):
    for name, text in files.items():
        p = folder/name.replace('__', '/'); p.parent.mkdir(parents=True, exist_ok=True); p.write_bytes(text)

def _theirs(folder):
    folder.mkdir(); db = sqlite3.connect(folder/'run.sqlite'); db.executescript('pragma journal_mode=wal; create table songs(a); insert into songs values(1)'); db.close()

def _renamed(folder):
    learn = new(run=folder); go(learn, 3); learn.run.close()
    (folder/'run.sqlite').rename(folder/'run.sqlite.bak')

def _moved(folder): _renamed(folder); (folder/'run.sqlite.bak').unlink()
def _locked(folder): folder.mkdir(); (folder/'writer.lock').write_text('my notes')
def _model(folder): (folder/'snapshots').mkdir(parents=True); (folder/'snapshots'/'best_model.pt').write_bytes(b'weights')
def _linked(folder): (folder.parent/'far').mkdir(); folder.mkdir(); (folder/'snapshots').symlink_to(folder.parent/'far', True)

@pytest.mark.parametrize('kw', [{}, dict(tricks=['nonsense'])], ids=['good', 'bad'])
@pytest.mark.parametrize('what', [_theirs, _renamed, _moved, _locked, _model, _linked])
def test_files_of_others_stay_as_they_are(what, kw, tmp_path):
    what(tmp_path/'x'); before = _all(tmp_path)
    with pytest.raises(ValueError, match='holds other files|whole snapshots are there') as e: new(run=tmp_path/'x', **kw)
    one_sentence(e.value); assert _all(tmp_path) == before

def test_an_empty_folder_stays_where_a_learner_cannot_be_made(tmp_path):
    (tmp_path/'x'/'snapshots').mkdir(parents=True)
    with pytest.raises(ValueError, match='nonsense'): new(run=tmp_path/'x', tricks=['nonsense'])
    assert [p for p in (tmp_path/'x').rglob('*')] == [tmp_path/'x'/'snapshots']
    (tmp_path/'x'/'run.sqlite').touch(); learn = new(run=tmp_path/'x'); go(learn, 2); learn.run.close()      # one that was killed at its beginning
    assert _on(tmp_path/'x').step == 2

def test_a_replay_from_a_damaged_beginning_says_so(tmp_path):
    learn = new(run=tmp_path/'a'); learn.run.snap_every = 20; go(learn, 60); at = learn.state_hash(); learn.run.close()
    p = tmp_path/'a'/'snapshots'/'0-0-1.safetensors'; b = bytearray(p.read_bytes()); b[-1] ^= 1; p.write_bytes(b)
    with pytest.raises(RunError, match='step 0 is damaged') as e: Run.open(tmp_path/'a').replay(data(), *nets(), progress=False)
    one_sentence(e.value)
    assert _on(tmp_path/'a').state_hash() == at

@pytest.mark.parametrize('how', ['deleted', 'moved', 'replaced'])
def test_a_folder_that_goes_while_it_trains(how, tmp_path):
    learn = new(run=tmp_path/'a'); go(learn, 30)
    learn.run.sync(); (tmp_path/'a').rename(tmp_path/'b')
    if how == 'replaced': other = new(run=tmp_path/'a')
    if how == 'deleted': shutil.rmtree(tmp_path/'b')
    with pytest.raises(StepError, match=r'gone \(deleted or moved\)') as e:
        for _ in range(3): go(learn, 100)      # it is noticed by the next that is written
    one_sentence(e.value); at, step = learn.state_hash(), learn.step
    with pytest.raises(Refused, match='is gone'): learn.tricks.on('ttur')
    assert learn.state_hash() == at and not learn.tricks['ttur'].enabled
    learn.path = tmp_path; learn.save('w'); assert (tmp_path/'models').is_dir()
    if how == 'moved':      # and back: nothing is lost
        (tmp_path/'b').rename(tmp_path/'a'); go(learn, 10); learn.run.close()
        assert Run.open(tmp_path/'a').scalars().step.tolist() == list(range(1, step + 11))
    else:
        with pytest.warns(UserWarning, match='gone'): learn.run.close()
        assert how == 'deleted' and not (tmp_path/'a').exists() or other.step == Run.open(tmp_path/'a').step == 0

def test_a_run_of_another_is_none_to_record_to(tmp_path):
    learn = new(run=tmp_path/'a'); go(learn, 5); mem = new(); go(mem, 5)
    for wrong, match in ((Run.open(tmp_path/'a'), 'open for reading'), (learn.run, 'another'), (mem.run, 'another'), (learn, 'need a folder'), (learn.run.store, 'need a folder')):
        with pytest.raises(ValueError, match=match) as e: new(run=wrong)
        one_sentence(e.value)
    go(learn, 5); assert again(learn).state_hash() == learn.state_hash()
    learn.run.close()
    with pytest.raises(ValueError, match='closed') as e: new(run=learn.run)
    one_sentence(e.value)

@pytest.mark.parametrize('sql', ["update changes set more='{'", "update changes set more='{}'", "update changes set params='[1]'", "update changes set params='3'",
                                 'update chunks set data=substr(data, 1, 9)', 'update chunks set brief=substr(brief, 1, 9)', "update chunks set columns='3'", "update chunks set columns='['",
                                 "delete from meta where key='nets'", "update meta set value='3' where key='nets'", "delete from meta where key='made'", "delete from meta where key='versions'", "delete from meta where key='data'",
                                 "update frames set data=substr(data, 1, 3)", "update frames set head='{'", "update meta set value='{' where key='data'"])
@pytest.mark.part(3)
def test_rows_that_are_damaged(sql, tmp_path):
    learn = new(run=tmp_path/'a'); go(learn, 20); learn.tricks.on('ttur'); go(learn, 20); learn.run.close()
    with sqlite3.connect(tmp_path/'a'/'run.sqlite') as db: db.execute(sql)
    db.close()
    run, told = Run.open(tmp_path/'a'), 0
    for f in (lambda: run.changes, run.scalars, lambda: run.curves('d_loss'), run.frames, lambda: run.facts['nets']['G'], lambda: run.facts['data'], lambda: run.replay(data(), *nets(), progress=False), lambda: _on(tmp_path/'a').run.close()):
        try: f()
        except RunError as e: told += 'damaged' in one_sentence(e)
        except TypeError: assert "value='3'" in sql      # what a reader makes of a fact is its own
    assert told

def test_a_closed_run_can_be_read(tmp_path):
    learn = new(run=tmp_path/'a'); go(learn, 10); learn.tricks.on('ttur'); go(learn, 10); learn.run.close()
    run = learn.run
    assert [c.name for c in run.changes] == ['ttur'] and run.frames() and run.snapshots and len(run.scalars()) == len(run.table(0)[1][0]) == 20
    assert sorted(os.listdir(tmp_path/'a')) == ['run.sqlite', 'snapshots', 'writer.lock']
    run.to_python(tmp_path/'a.py'); assert run.replay(data(), *nets(), progress=False).state_hash() == learn.state_hash()
    assert _on(tmp_path/'a').step == 20      # nothing holds the folder
    for do in (lambda: go(learn, 1), learn.undo, lambda: learn.rewind(5), lambda: learn.tricks.on('ema'), learn.fork, run.store.writing().__enter__):
        with pytest.raises(Exception, match='closed; GANLearner.resume') as e: do()
        one_sentence(e.value)
    with Lab(learn) as lab:
        lab.start(5); lab.wait(60)
        assert lab.state == 'error' and 'closed; GANLearner.resume' in str(lab.error) and learn.step == 20
    shutil.rmtree(tmp_path/'a')
    with pytest.raises(RunError, match='is gone') as e: run.changes

def test_a_closed_run_in_memory():
    learn = new(); go(learn, 10); learn.tricks.on('ttur'); go(learn, 10); learn.run.close()
    assert [c.name for c in learn.run.changes] == ['ttur'] and len(learn.run.scalars()) == 20
    for do in (lambda: go(learn, 1), learn.undo, lambda: learn.rewind(5), lambda: learn.tricks.on('ema'), learn.fork):
        with pytest.raises(Exception, match='the run in memory is closed') as e: do()
        assert 'resume' not in one_sentence(e.value)

def test_curves_of_what_is_not_written_yet(tmp_path):
    for kw in ({}, dict(run=tmp_path/'a')):
        learn = new(**kw); go(learn, 30); at, low = learn.run.curves('d_loss', 'ms')
        assert at.tolist() == [1] and low['d_loss'].tolist() == [[learn.history.d_loss.min()], [learn.history.d_loss.max()]]
        assert learn.run.table()[1].shape[1] == 30
        learn.rewind(20); go(learn, 70); at, low = learn.run.curves('d_loss'); rows = learn.history.d_loss
        assert at[0] == 1 and np.nanmin(low['d_loss'][0]) == rows.min() and np.nanmax(low['d_loss'][1]) == rows.max()
        assert learn.run.curves('d_loss', points=1)[0].tolist() == [1]
        for wrong, match in ((lambda: learn.run.curves('d_loss', points=0), 'points=0'), (lambda: learn.run.curves('d_los'), "'d_los'.*d_loss, g_loss")):
            with pytest.raises(ValueError, match=match) as e: wrong()
            one_sentence(e.value)
    learn.run.close(); assert np.nanmax(Run.open(tmp_path/'a').curves('d_loss')[1]['d_loss']) == rows.max()

def test_names_of_folders(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path/'home')); (tmp_path/'home').mkdir()
    for wrong in ('a\0b', 'x'*300, '~nobody-of-this-name/a'):
        for f in (lambda: new(run=wrong), lambda: Run.open(wrong)):
            with pytest.raises(ValueError) as e: f()
            assert repr(wrong)[1:20] in one_sentence(e.value) and 'embedded' not in str(e.value)
    learn = new(run='~/x'); go(learn, 2); learn.run.close()
    assert (tmp_path/'home'/'x'/'run.sqlite').exists() and not os.path.exists('~') and Run.open('~/x').step == 2

def test_no_snapshot_is_taken_twice(tmp_path):
    learn = new(run=tmp_path/'a'); learn.run.close()
    for n in (20, 40, 60):
        learn = _on(tmp_path/'a'); go(learn, 20); learn.run.close()
        _on(tmp_path/'a').run.close()
    assert [s['step'] for s in Run.open(tmp_path/'a').snapshots] == [0, 20, 40, 60]
    learn = _on(tmp_path/'a'); learn.tricks.on('ttur'); at = learn.state_hash(); learn.run.close()      # another state of that step
    assert [s['step'] for s in Run.open(tmp_path/'a').snapshots] == [0, 20, 40, 60, 60] and _on(tmp_path/'a').state_hash() == at

@pytest.mark.parametrize('resumed', [False, True])
@pytest.mark.parametrize('preset', ['wgan_gp_toy', 'r3gan'])
def test_undo_takes_back_a_whole_preset(tmp_path, preset, resumed):
    "What was asked together is undone together, and what was switched before it at the same step stays"
    learn = make_learner(run=tmp_path/'r'); go(learn, 3); learn.tricks.on('label_smoothing' if preset != 'r3gan' else 'instance_noise'); was = learn.state_hash()
    on = [t.name for t in learn.tricks.enabled]
    assert len(learn.tricks.preset(preset)) > 2; go(learn, 2)
    if resumed:
        learn.run.close(); learn = GANLearner.resume(tmp_path/'r', tensor_dls(strangers.data(), 8), *strangers.nets('mlp'), progress=False)
    learn.undo()
    assert learn.step == 3 and learn.state_hash() == was and [t.name for t in learn.tricks.enabled] == on == [c.name for c in learn.run.changes]
    learn.undo(); assert learn.step == 3 and not learn.tricks.enabled and not learn.run.changes
