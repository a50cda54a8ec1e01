"A run is steered from outside: what is asked for is done once, or refused with a sentence, whoever is killed when"
import json, os, signal, subprocess, sys, threading, time
from pathlib import Path
import pytest, torch
from ganlab.commands.steer import main
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.record.mail import Mail
from ganlab.record.run import Run
from ganlab.steer import remote as far
from ganlab.steer.box import Box, Desk, tidy, why_unsafe
from ganlab.steer.news import news
from ganlab.steer.pulse import beat, heard
from ganlab.steer.remote import NotDone, Remote, shared_by
from ganlab.steer.words import kinds, most, new_name, written

def parts(): return ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0)
def new(folder, **kw): return GANLearner(*parts(), seed=0, run=folder, **kw)
def again(folder): return GANLearner.resume(folder, *parts(), progress=False)
def said(box, name): return box.receipt(name)['said']

SCRIPT = '''
import sys, torch
torch.set_num_threads(1)
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
learn = GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0, run=sys.argv[1])
learn.fit_steps(10**7, progress=False)
print('at', learn.step)
learn.run.close()
'''

class Other:
    "A training in another process, until the block ends"
    def __init__(self, folder, *command): self.folder, self.command = Path(folder), command or (sys.executable, '-c', SCRIPT, str(folder))
    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, 'OMP_NUM_THREADS': '1'})
        until(lambda: (heard(self.folder/'steer') or {}).get('state') == 'training' or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.stdout.read()
        return self.process, Remote(self.folder)
    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

def until(f, seconds=60):
    end = time.monotonic() + seconds
    while not f():
        assert time.monotonic() < end, 'it did not come'
        time.sleep(.01)

# --- what lies in the mailbox

def _link(p): (p.parent.parent/'far').write_text('{"kind": "pause"}'); p.symlink_to(p.parent.parent/'far')
def _second_name(p): (p.parent.parent/'far').write_text('{"kind": "pause"}'); os.link(p.parent.parent/'far', p)
def _pipe(p): os.mkfifo(p)
def _folder(p): p.mkdir()
def _large(p): p.write_bytes(b' '*(most + 1))
def _nested(p): p.write_text('['*50_000)
def _binary(p): p.write_bytes(bytes(range(256)))
def _pickle(p): p.write_bytes(b'\x80\x04\x8c\x05posix\x8c\x06system\x93.')

@pytest.mark.parametrize('harm', [_link, _second_name, _pipe, _folder, _large, _nested, _binary, _pickle], ids=lambda f: f.__name__[1:])
def test_what_is_no_request_is_refused(harm, tmp_path):
    learn, box, bad = new(tmp_path/'a'), Box(tmp_path/'a'), new_name()
    box.make()
    harm(box.inbox/f'{bad}.json')
    good = box.post(kind='on', name='ema')
    learn.fit_steps(3, progress=False)
    assert box.receipt(bad)['state'] == 'refused' and box.receipt(good)['state'] == 'done' and learn.tricks['ema'].enabled
    assert len(said(box, bad)) < 200 and '\n' not in said(box, bad)
    learn.run.close()

def test_names_that_are_none_are_left_alone(tmp_path):
    learn, box = new(tmp_path/'a'), Box(tmp_path/'a')
    box.make()
    for name in ('note.txt', '../x.json', '1.json', f'{new_name()}.json.swp'): (box.inbox/Path(name).name).write_text('{"kind": "stop"}')
    learn.fit_steps(3, progress=False)
    assert learn.step == 3 and len(list(box.inbox.iterdir())) == 4 and not list(box.outbox.iterdir())
    learn.run.close()

@pytest.mark.skipif(not hasattr(os, 'geteuid'), reason='no owners')
def test_a_mailbox_that_others_may_write_to_is_not_read(tmp_path):
    learn, box = new(tmp_path/'a'), Box(tmp_path/'a')
    box.make()
    assert box.folder.stat().st_mode & 0o777 == 0o700 and not why_unsafe(box.folder)
    box.post(kind='stop')
    box.folder.chmod(0o777)
    with pytest.warns(UserWarning, match='others may write to'): learn.fit_steps(3, progress=False)
    with pytest.raises(ValueError, match='chmod 700'): box.post(kind='pause')
    assert learn.step == 3 and not list(box.outbox.iterdir())
    learn.run.close()

def test_a_mailbox_elsewhere_is_none(tmp_path):
    learn = new(tmp_path/'a')
    (tmp_path/'far').mkdir()
    (tmp_path/'a'/'steer').symlink_to(tmp_path/'far', True)
    with pytest.warns(UserWarning, match='nobody can steer this run'): learn.fit_steps(3, progress=False)
    assert learn.step == 3 and not list((tmp_path/'far').rglob('*.json'))
    learn.run.close()

@pytest.mark.parametrize('kind', kinds)
def test_every_kind_has_an_answer_and_refuses_what_it_does_not_take(kind, tmp_path):
    from ganlab.steer.answering import answers
    assert kind in answers
    with pytest.raises(ValueError, match='takes no'): Box(tmp_path).post(kind=kind, **dict.fromkeys(kinds[kind][0].split(), 'x'), colour='red')
    assert not list(tmp_path.iterdir())

def test_requests_are_done_in_the_order_of_their_names(tmp_path):
    learn, box = new(tmp_path/'a'), Box(tmp_path/'a')
    names = [box.post(kind=k, name='ema') for k in ('on', 'off', 'on', 'off', 'on')]
    learn.fit_steps(2, progress=False)
    assert [c.request for c in learn.tricks.log if c.request] == names and learn.tricks['ema'].enabled
    learn.run.close()

def test_one_that_comes_within_a_tick_of_the_clock(tmp_path):
    "The folder's time may be what it was: the names are listed again until it is old enough"
    desk = Desk(tmp_path)
    desk.make()
    a = desk.post(kind='pause')
    assert [n for n, _ in desk.new()] == [a]
    s = desk.inbox.stat()
    b = desk.post(kind='resume')
    os.utime(desk.inbox, ns=(s.st_atime_ns, s.st_mtime_ns))      # a clock that did not move
    assert desk.stirs() and [n for n, _ in desk.new()] == [b]
    time.sleep(.06)
    assert [*desk.new()] == [] and not desk.stirs()

def test_old_receipts_and_parts_go(tmp_path):
    desk = Desk(tmp_path)
    desk.make()
    for i in range(12): desk.reply(new_name(), 'done', i, 'x')
    part = desk.folder/f'in-{new_name()}.part'
    part.write_text('half')
    tidy(desk, receipts=10)
    assert len(list(desk.outbox.iterdir())) == 10 and part.exists()
    os.utime(part, (0, 0))
    tidy(desk)
    assert not part.exists()

# --- what is asked for

def test_a_fit_is_held_by_a_request(tmp_path):
    "Held at a whole step, one step, half a step, on again, ended: from outside, while the fit is a plain one"
    learn, errors = new(tmp_path/'a'), []
    def outside():
        try:
            until(lambda: learn.step > 5)
            run = Remote(tmp_path/'a')
            at = run.pause().wait()['step']
            until(lambda: learn.turnstile.orders.resting)
            assert learn.step == at and learn.sample(4) is not None and run.set('ttur', lr_d=1e-3).wait()['step'] == at
            run.step(2).wait()
            until(lambda: learn.step == at + 2 and learn.turnstile.orders.resting)
            assert run.step(phase='d').wait()['said'].startswith('Half step of D at step')
            until(lambda: learn.step == at + 3 and learn.turnstile.orders.resting)
            with pytest.raises(NotDone, match='one at a time'): run.step(2, 'g').wait()
            run.resume().wait()
            until(lambda: learn.step > at + 20)
            run.stop().wait()
        except BaseException as e: errors.append(e); learn.turnstile.orders.give('stop')
    other = threading.Thread(target=outside)
    other.start()
    learn.fit_steps(10**6, progress=False)
    other.join()
    assert not errors, errors
    learn.fit_steps(2, progress=False)           # an order ends with its fit
    h = learn.state_hash()
    learn.run.close()
    assert Run.open(tmp_path/'a').replay(*parts(), progress=False).state_hash() == h

def test_ctrl_c_while_it_is_held(tmp_path):
    learn = new(tmp_path/'a')
    def press():
        until(lambda: learn.step > 3)
        Remote(tmp_path/'a').pause().wait()
        until(lambda: learn.turnstile.orders.resting)
        os.kill(os.getpid(), signal.SIGINT)
    other = threading.Thread(target=press)
    other.start()
    with pytest.raises(KeyboardInterrupt): learn.fit_steps(10**6, progress=False)
    other.join()
    at = learn.step
    learn.fit_steps(2, progress=False)
    assert learn.step == at + 2
    learn.run.close()

def test_everything_that_can_be_asked(tmp_path):
    learn, box = new(tmp_path/'a'), Box(tmp_path/'a')
    learn.fit_steps(4, progress=False)
    asked = [('on', dict(name='gradient_penalty', params=dict(gamma='linear(2, 0, 50)'))), ('set', dict(name='gradient_penalty', params=dict(gamma=3))),
             ('loss', dict(name='hinge')), ('preset', dict(name='wgan_gp_toy')), ('undo', {}), ('snapshot', {}), ('on', dict(name='ema', at=99)),
             ('off', dict(name='gradient_penalty', now=True)), ('rewind', dict(step=2)), ('lock', dict(why='lunch')), ('on', dict(name='ema')), ('unlock', {})]
    names = [box.post(kind=k, **f) for k, f in asked]
    cancel = box.post(kind='cancel', request=names[6])
    learn.fit_steps(3, progress=False)
    got = [box.receipt(n)['state'] for n in names]
    assert got == ['done']*6 + ['refused'] + ['done']*3 + ['refused', 'done'], [box.receipt(n) for n in names]
    assert 'cancelled' in said(box, names[6]) and box.receipt(cancel)['state'] == 'done' and 'lunch' in said(box, names[10])
    assert learn.step == 5 and learn.loss_name == 'non_saturating' and not list(box.inbox.iterdir())
    learn.run.close()

@pytest.mark.parametrize('asked, why', [
    (dict(kind='on', name='nonsense'), 'no trick called'), (dict(kind='set', name='ema', params=dict(half_life=-1)), 'need'),
    (dict(kind='on', name='ema', params=dict(colour=1)), 'colour'), (dict(kind='loss', name='mse'), 'mse'), (dict(kind='preset', name='gan'), 'no preset called'),
    (dict(kind='rewind', step=999), 'a step that was done'), (dict(kind='undo'), 'no change to undo'), (dict(kind='on', name='ema', at=0), 'the learner stands there'),
    (dict(kind='cancel', request=f'{0:020d}-00000000'), 'nothing waits'), (dict(kind='on', name='projection'), 'Not turned on')], ids=str)
@pytest.mark.part(3)
def test_refused_and_not_clamped(asked, why, tmp_path):
    learn, box = new(tmp_path/'a'), Box(tmp_path/'a')
    learn.fit_steps(2, progress=False)
    h, name = learn.state_hash(), box.post(**asked)
    until(lambda: box.receipt(name))
    assert box.receipt(name)['state'] == 'refused' and why in said(box, name), said(box, name)
    assert learn.state_hash() == h
    learn.run.close()

def test_while_nothing_trains(tmp_path):
    "A notebook that rests between two cells: a switch is applied at once, an order has nobody to go to"
    learn = new(tmp_path/'a')
    learn.fit_steps(2, progress=False)
    run = Remote(tmp_path/'a')
    assert run.on('ema').wait()['step'] == 2 and learn.tricks['ema'].enabled
    with pytest.raises(NotDone, match='nothing trains: the run rests at step 2'): run.pause().wait()
    late = run.stop()
    learn.fit_steps(2, progress=False)           # not meant for this one
    until(lambda: late.receipt)
    assert learn.step == 4 and late.receipt['state'] == 'refused'
    learn.run.close()

def test_one_that_waits_for_its_step_waits_on_after_a_resume(tmp_path):
    learn, box = new(tmp_path/'a'), Box(tmp_path/'a')
    name = box.post(kind='on', name='ema', at=6)
    with pytest.warns(UserWarning, match='this waits'): learn.fit_steps(3, progress=False)
    assert box.receipt(name)['state'] == 'waiting' and not list(box.inbox.iterdir())
    learn.run.close()
    assert news(tmp_path/'a')['waiting'] == [dict(kind='on', name='ema', at=6, request=name)]
    learn = again(tmp_path/'a')
    learn.fit_steps(6, progress=False)
    assert box.receipt(name) == dict(name=name, state='done', step=6, said=learn.tricks.log[-1].sentence)
    learn.run.close()

def test_locked_is_locked_for_whoever_resumes(tmp_path):
    learn = new(tmp_path/'a')
    learn.fit_steps(2, progress=False)
    Remote(tmp_path/'a').lock('a measurement runs').wait()
    learn.run.close()
    learn = again(tmp_path/'a')
    with pytest.raises(ValueError, match='a measurement runs'): learn.tricks.on('ema')
    assert news(tmp_path/'a')['locked'] == 'a measurement runs' and learn.fork().run.locked is None
    learn.fit_steps(1, progress=False)
    Remote(tmp_path/'a').unlock().wait()
    learn.tricks.on('ema')
    learn.run.close()

def test_whatever_lies_there_ends_no_training(tmp_path):
    "A folder that is a file, one that may not be read, a request that makes the answer fail: the fit goes on, and says so at most"
    learn, box = new(tmp_path/'a'), Box(tmp_path/'a')
    learn.fit_steps(2, progress=False)
    bad = box.inbox/f'{new_name()}.json'
    bad.write_text('{"kind": ["on"]}')
    learn.fit_steps(2, progress=False)
    assert box.receipt(bad.stem)['state'] == 'refused'
    bad = box.inbox/f'{new_name()}.json'
    bad.write_text(json.dumps(dict(kind='on', name='instance_noise', params=dict(sigma='cosine(\udcff\x1b[31m)'))))
    learn.fit_steps(2, progress=False)
    assert box.receipt(bad.stem)['state'] == 'refused' and said(box, bad.stem).isprintable()
    box.inbox.rename(tmp_path/'away')
    box.inbox.write_text('no folder')
    learn.fit_steps(2, progress=False)
    assert learn.step == 8
    learn.run.close()

def test_a_switch_in_a_pause_is_no_edit(tmp_path):
    "It is undone as one, and what was set by hand in the same pause is noted"
    learn, errors = new(tmp_path/'a'), []
    def outside():
        try:
            run = Remote(tmp_path/'a')
            run.pause().wait()
            until(lambda: learn.turnstile.orders.resting)
            learn.opt_d.param_groups[0]['lr'] = 1e-3
            run.on('spectral_norm').wait()
            at = run.resume().wait()['step']
            until(lambda: learn.step > at + 2)
            run.undo().wait()
            run.stop().wait()
        except BaseException as e: errors.append(e); learn.turnstile.orders.give('stop')
    other = threading.Thread(target=lambda: (until(lambda: learn.step > 2), outside()))
    other.start()
    learn.fit_steps(10**6, progress=False)
    other.join()
    assert not errors, errors
    assert not learn.tricks['spectral_norm'].enabled and [c.kind for c in learn.tricks.log] == ['rates'], learn.tricks.log
    learn.run.close()

def test_done_or_refused_is_final(tmp_path):
    "A request that is there still, beside its receipt: nothing is done again"
    learn, box = new(tmp_path/'a'), Box(tmp_path/'a')
    learn.fit_steps(2, progress=False)
    learn.run.lock('')
    name, text = box.post(kind='on', name='ema'), written(dict(kind='on', name='ema'))
    learn.fit_steps(1, progress=False)
    assert 'no reason was given' in said(box, name)
    learn.run.unlock()
    learn.run.close()
    box.make()
    (box.inbox/f'{name}.json').write_bytes(text)
    learn = again(tmp_path/'a')
    learn.fit_steps(1, progress=False)
    assert box.receipt(name)['state'] == 'refused' and not learn.tricks['ema'].enabled and not list(box.inbox.iterdir())
    learn.run.close()

def test_a_lock_ends_no_training(tmp_path):
    "Of a script that switches by itself: the change is refused, and the training goes on; half a step is not done as a whole one"
    from fastai.callback.core import Callback
    class Switches(Callback):
        def after_batch(self):
            if self.learn.step == 3: self.asked = self.learn.tricks.on('ema')
    learn = new(tmp_path/'a')
    learn.tricks.on('ttur', at=5)
    learn.run.lock('lunch')
    switches = Switches()
    learn.fit_steps(8, cbs=switches, progress=False)
    assert learn.step == 8 and 'lunch' in str(switches.asked.error) and [t.name for t in learn.tricks.enabled] == [] and 'lunch' in str(learn.tricks.refused['ttur'].error)
    learn.turnstile.orders.give('pause', ['d'])
    threading.Thread(target=lambda: (until(lambda: learn.turnstile.orders.resting), learn.turnstile.orders.give('stop'))).start()
    with pytest.warns(UserWarning, match='lunch'): learn.fit_steps(None, gate=lambda learn: None, progress=False)
    learn.turnstile.orders.give(None)
    assert learn.step == 8
    with pytest.raises(ValueError, match='lunch'): learn.rewind(3)
    learn.run.close()
    with pytest.raises(ValueError, match='lunch'): GANLearner.resume(tmp_path/'a', *parts(), step=3, progress=False)

# --- the panel has the same hold

def test_the_panel_and_the_mailbox_share_one_hold(tmp_path):
    from ganlab.lab import Lab
    learn = new(tmp_path/'a')
    with Lab(learn) as lab:
        lab.start()
        run = Remote(tmp_path/'a')
        until(lambda: run.news['state'] == 'training')
        run.pause().wait()
        until(lambda: lab.state == 'paused')
        assert lab.wait(1) and news(tmp_path/'a')['step'] >= 0
        until(lambda: news(tmp_path/'a')['state'] == 'held')
        assert run.on('ema').wait()['state'] == 'done'
        run.resume().wait()
        until(lambda: lab.state == 'running' and learn.tricks['ema'].enabled)
        assert not lab.wait(.05)
        lab.pause()
        until(lambda: news(tmp_path/'a')['state'] == 'held')
        run.stop().wait()
        until(lambda: lab.state == 'idle' and lab.trainer.thread is None)
    learn.run.close()

# --- exactly once

def dies(folder, where, asked, monkeypatch):
    "A fit in a process of its own that is killed at a certain place"
    child = os.fork()
    if child: return os.waitpid(child, 0)
    try:
        torch.set_num_threads(1)
        learn = again(folder)
        def kill(*args, **kwargs): os.kill(os.getpid(), signal.SIGKILL)
        if where == 'before': learn.answer = kill
        if where == 'after it was committed': learn.run.mail.reply = kill
        if where == 'after the receipt':
            was = Mail.reply
            learn.run.mail.reply = lambda *args, **kw: (was(learn.run.mail, *args[:4], done=False), kill())
        learn.fit_steps(3, progress=False)
    finally: os._exit(1)

@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs os.fork')
@pytest.mark.parametrize('where', ['before', 'after it was committed', 'after the receipt'])
@pytest.mark.parametrize('asked', [dict(kind='on', name='ema'), dict(kind='preset', name='wgan_gp_toy'), dict(kind='rewind', step=2), dict(kind='undo'),
                                   dict(kind='snapshot'), dict(kind='on', name='ema', at=50), dict(kind='lock', why='x')], ids=lambda o: o['kind'] + str(o.get('at', '')))
@pytest.mark.part(3)
def test_done_once_whoever_dies(asked, where, tmp_path, monkeypatch):
    learn = new(tmp_path/'a')
    learn.fit_steps(3, progress=False)
    learn.tricks.on('ttur')
    learn.fit_steps(2, progress=False)
    learn.run.close()
    box = Box(tmp_path/'a')
    name = box.post(**asked)
    _, status = dies(tmp_path/'a', where, asked, monkeypatch)
    assert os.WTERMSIG(status) == signal.SIGKILL
    learn = again(tmp_path/'a')
    lines = learn.run.store.rows('select count(*) from lines')[0][0]
    with pytest.warns(UserWarning) if asked.get('at') else _nothing(): learn.fit_steps(2, progress=False)
    got, store = box.receipt(name), learn.run.store
    assert got['state'] == ('waiting' if asked.get('at') else 'done') and not list(box.inbox.iterdir()), got
    count = dict(on=lambda: len([c for c in [*learn.run.changes, *learn.tricks.pending] if c.request == name]),
                 preset=lambda: len({c.step for c in learn.run.changes if c.request == name}),
                 snapshot=lambda: len([s for s in learn.run.snapshots if s['kept'] == 'pinned']),
                 lock=lambda: int(learn.run.locked == 'x')).get(asked['kind'], lambda: store.rows('select count(*) from lines')[0][0] - 1)
    assert count() == 1, (count(), lines)
    learn.run.close()

class _nothing:
    def __enter__(self): pass
    def __exit__(self, *exc): pass

@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs os.fork')
@pytest.mark.parametrize('n, trainers, clients', [(25, 3, 5), pytest.param(300, 20, 40, marks=pytest.mark.slow)])
def test_soak(n, trainers, clients, tmp_path):
    "Requests of every kind from clients that are killed, to trainers that are killed: none is lost, none is done twice, and the end is that of a replay"
    import steered
    steered.soak(tmp_path/'a', n, trainers, clients, seed=n)

# --- other processes

@pytest.mark.slow
def test_a_script_is_steered(tmp_path):
    with Other(tmp_path/'a') as (process, run):
        on = run.on('spectral_norm', soft_start=20).wait()
        assert on['state'] == 'done' and on['said'].startswith(f"Spectral norm on at step {on['step']}")
        assert [t['name'] for t in run.news['on']] == ['spectral_norm']
        run.stop().wait()
        assert f'at {run.news["step"]}' in process.communicate(timeout=60)[0] and run.news['state'] == 'resting'
    h = again(tmp_path/'a').state_hash()
    assert Run.open(tmp_path/'a').replay(*parts(), progress=False).state_hash() == h

def test_the_command_is_steered(tmp_path):
    "`ganlab train`: ended by a request it says so, and goes on; rewound, it goes on to the step that it was to reach"
    words = f'-m ganlab train --run {tmp_path}/a --data ring --bs 16 --width 8 --steps 100000'.split()
    with Other(tmp_path/'a', sys.executable, *words) as (process, run):
        run.on('ema').wait()
        assert run.rewind(1).wait()['said'] == 'Went back to step 1.'
        run.stop().wait()
        text = process.communicate(timeout=60)[0]
        assert process.returncode == 130 and 'stopped at step' in text and 'Traceback' not in text

@pytest.mark.slow
def test_under_torchrun(tmp_path):
    (tmp_path/'train.py').write_text(SCRIPT)
    words = f'-m torch.distributed.run --nproc-per-node 1 --standalone {tmp_path}/train.py {tmp_path}/a'.split()
    with Other(tmp_path/'a', sys.executable, *words) as (process, run):
        assert run.on('ema').wait()['state'] == 'done'
        run.stop().wait()
        assert process.wait(60) == 0

def test_one_that_was_killed_is_told(tmp_path, capsys):
    with Other(tmp_path/'a') as (process, run):
        run.on('ema').wait()
        process.kill()
        process.wait()
        assert run.news['state'] == 'dead' and news(tmp_path/'a')['pid'] == process.pid
        with pytest.raises(TimeoutError, match=f'process {process.pid}, which trained .*, has ended without a word; the request waits'): run.on('ttur').wait(.05)
        with pytest.raises(ValueError, match='so there is nobody to pause'): run.pause()
    assert main(['ls', str(tmp_path)]) == 0 and capsys.readouterr().out.startswith('dead')

def test_old_signs_of_life_do_not_count(tmp_path):
    (tmp_path/'steer').mkdir()
    beat(tmp_path/'steer', state='training', step=3)
    first, long_ago = json.loads((tmp_path/'steer'/'alive.json').read_text()), time.time() - 6
    for changed, state in (({}, 'training'), (dict(time=long_ago), 'silent'), (dict(pid=2**22 + 1), 'dead'), (dict(born='1'), 'dead'), (dict(host='elsewhere', pid=2**22 + 1), 'training'),
                           (dict(host='elsewhere', time=long_ago), 'dead'), (dict(record=1), None), (dict(step='x'), None), (dict(state=3), None)):
        (tmp_path/'steer'/'alive.json').write_text(json.dumps(first | changed))
        assert (heard(tmp_path/'steer') or dict(state=None))['state'] == state, changed
    (tmp_path/'steer'/'alive.json').unlink()
    os.mkfifo(tmp_path/'steer'/'alive.json')
    assert heard(tmp_path/'steer') is None

# --- the command

def test_command(tmp_path, capsys, monkeypatch):
    learn = new(tmp_path/'a')
    learn.fit_steps(2, progress=False)
    monkeypatch.chdir(tmp_path)
    def run(words): status = main(words.split()); return status, *capsys.readouterr()
    assert run('steer a on gradient_penalty gamma=2') == (0, 'Gradient penalty on at step 2: gamma 2.\n', '')
    status, out, _ = run('steer a set gradient_penalty gamma=cosine(10,1,5000) --json')
    assert status == 0 and json.loads(out)['step'] == 2
    assert run('steer a on ema half_life=-1')[0] == 1 and run('steer a pause')[0] == 1 and run('steer b pause')[0] == 2
    status, out, _ = run('steer a status --json')
    assert status == 0 and json.loads(out)['on'][0]['params']['gamma']['schedule'] == 'cosine'
    assert 'Gradient penalty since 2, gamma cosine(start=10' in run('steer a status')[1] and run('ls')[1].startswith('idle')
    with pytest.raises(SystemExit): run('steer a on')
    capsys.readouterr()
    learn.run.close()
    status, out, _ = run('steer a on ema --wait 0')
    assert status == 3 and out.startswith('nobody trains a; the request waits for whoever goes on with the run (')
    assert run('steer a stop') == (2, '', 'ganlab: nobody trains a, so there is nobody to stop\n') and json.loads(run('steer a stop --json')[1])['state'] == 'invalid'
    assert run('steer a rewind 0 --wait 0')[0] == 3 and run('steer a watch')[0] == 0 and json.loads(run('ls . --json')[1])[0]['state'] == 'resting'

def test_the_command_needs_no_torch(tmp_path):
    code = "import sys; sys.argv = ['ganlab', 'ls', '.']\nfrom ganlab.__main__ import main\nmain(); print(sorted(m for m in sys.modules if m in ('torch', 'numpy', 'fastai', 'fastcore', 'pandas')))"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == '[]', done

# --- folders that are shared

def test_folders_that_machines_share(tmp_path, monkeypatch):
    mounts = tmp_path/'mounts'
    mounts.write_text(f'/dev/sda1 / ext4 rw 0 0\nserver:/x {tmp_path}/far nfs4 rw 0 0\n//box/y {tmp_path}/far/with\\040blank cifs rw 0 0\n/dev/sdb {tmp_path}/far/disk ext4 rw 0 0\n')
    for path, kind in (('a', ''), ('far', 'nfs4'), ('far/runs/a', 'nfs4'), ('far/with blank/a', 'cifs'), ('far/disk/a', ''), ('farther', '')):
        assert shared_by(tmp_path/path, mounts) == kind, path
    assert shared_by(tmp_path, tmp_path/'none') == ''
    learn = new(tmp_path/'a')
    learn.fit_steps(2, progress=False)
    monkeypatch.setattr(far, 'shared_by', lambda folder: 'nfs4')
    Remote(tmp_path/'a')
    beat(tmp_path/'a'/'steer', state='training', step=2, host='trainer-7')
    with pytest.raises(ValueError, match='trainer-7 trains it: steer it from there'): Remote(tmp_path/'a')
    learn.run.close()

def test_no_mailbox_stays_where_nobody_asked(tmp_path):
    learn = new(tmp_path/'a')
    learn.fit_steps(2, progress=False)
    assert (tmp_path/'a'/'steer'/'alive.json').exists()
    learn.run.close()
    assert sorted(p.name for p in (tmp_path/'a').iterdir()) == ['run.sqlite', 'snapshots', 'writer.lock']
