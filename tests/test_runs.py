"The record on disk: a run resumes, rewinds, forks and is repeated to the same bits, and a damaged, hostile or full folder costs a sentence."
import ast, hashlib, os, pickle, re, shutil, signal, sqlite3, tempfile
from pathlib import Path
import pytest, torch
from torch.utils.data import DataLoader, TensorDataset
from ganlab.data import ring_dls, tensor_dls
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.record.store import RunError, Store, pack
from ganlab.record.run import Run
from ganlab.engine.change import Refused
from ganlab.trick import Num, Trick, find_tricks
import ganlab.travel.fork, ganlab.travel.script
from apart import in_a_child
from strangers import MAKERS, OF_IMAGES, STRANGERS, Z_DIMS, data, go, groups_hold, make_learner, nets, one_sentence

TRICKS = [pytest.param(c.name, id=c.name) for c in find_tricks()]

def dls(kind='mlp', **kw): return tensor_dls(data(MAKERS[kind][1]), 8, **kw)
def again(kind, run, **kw): return GANLearner.resume(run, dls(kind), *nets(kind), progress=False, **kw)
def killed(learn): learn.run.sync(); learn.run.stop()      # as a kill leaves it: without a last snapshot
def recorded(kind, where, loss='non_saturating', snap_every=5, **kw):
    learn = GANLearner(dls(kind), *nets(kind), seed=0, loss=loss, run=where, z_dim=Z_DIMS.get(kind), **kw)
    learn.run.snap_every = snap_every
    return learn

def able(name, kind, where):
    "A learner that the trick goes with, three steps old"
    for i, loss in enumerate(('non_saturating', 'wasserstein', 'hinge')):
        learn = recorded(kind, where/str(i), loss)
        go(learn, 3)
        if learn.tricks[name].why_not(learn) is None: return learn
        learn.run.close()
    pytest.skip(f'{name} does not apply to {kind}')

def story(learn, name):
    "On, set, off again, some steps between; the state after each"
    hashes = {}
    def walk(n):
        for _ in range(n):
            go(learn, 1)
            hashes[learn.step] = learn.state_hash()
    hashes[learn.step] = learn.state_hash()
    learn.tricks.on(name); walk(4)
    learn.tricks.set(name); learn.tricks.off(name); walk(4)
    if learn.tricks[name].enabled: learn.tricks.off(name, now=True)
    walk(3)
    return hashes

def tells_the_same(name, kind, where):
    learn = able(name, kind, where)
    hashes = story(learn, name)
    folder, log = learn.run.folder, [c.sentence for c in learn.tricks.log]
    for step in (6, 3, 9):                                        # back, and forth again by the ghosts of its own past
        forked = learn.fork(min(step, learn.step))
        assert forked.state_hash() == hashes[forked.step]
        forked.run.close()
    killed(learn)
    more = again(kind, folder)
    assert (more.step, more.state_hash()) == (14, hashes[14]) and [c.sentence for c in more.tricks.log] == log
    groups_hold(more)
    more.rewind(6); assert more.state_hash() == hashes[6]
    more.rewind(3); assert more.state_hash() == hashes[3]
    more.run.close()
    back = Run.open(folder)
    other = back.replay(dls(kind), *nets(kind), step=3)
    assert other.state_hash() == hashes[3]
    return hashes

def suits(name): return 'dcgan' if name in OF_IMAGES else 'mlp'

@pytest.mark.parametrize('name', TRICKS)
@pytest.mark.part(9)
def test_every_trick(name, tmp_path):
    "The whole story again, from the seed and the changes alone: in this process, and by its script"
    kind = suits(name)
    learn = able(name, kind, tmp_path/'b')
    end = story(learn, name)[14]
    learn.run.close()
    run = Run.open(learn.run.folder)
    other = run.replay(dls(kind), *nets(kind))
    assert other.state_hash() == end == run.hash_at(14) and [c.sentence for c in other.tricks.log] == [c.sentence for c in learn.tricks.log]
    assert scripted(run, tmp_path, dls(kind)).state_hash() == end

def test_replay_of_a_replay(tmp_path):
    "A replay's record is a record"
    learn = able('spectral_norm', 'mlp', tmp_path)
    end = story(learn, 'spectral_norm')[14]
    learn.run.close()
    other = Run.open(learn.run.folder).replay(dls(), *nets('mlp'))
    assert other.run.replay(dls(), *nets('mlp')).state_hash() == end

def scripted(run, folder, data, *fill):
    "What the run's script makes, its open lines filled in"
    script = run.to_python(folder/'again.py')
    src = re.sub('dls = [.]{3}.*', 'dls = data', script.read_text())
    for old, new in fill:
        assert old in src
        src = src.replace(old, new)
    assert len(src.split('\n')) < 60
    names = dict(__file__=str(script), data=data, **{c.__name__: c for c in (Own, Pull)})
    exec(compile(src, str(script), 'exec'), names)
    return names['learn']

THERE_AND_BACK = [pytest.param(c.name, kind, marks=() if kind == suits(c.name) and i % 6 == 1 else pytest.mark.slow)
                  for i, c in enumerate(find_tricks()) for kind in ('mlp', 'dcgan', 'resnet', *STRANGERS)]

@pytest.mark.parametrize('name,kind', THERE_AND_BACK)
def test_every_trick_there_and_back(name, kind, tmp_path):
    "By snapshots: every sixth trick, on a network that suits it; in `make test-all` each on every network"
    tells_the_same(name, kind, tmp_path)

# What a run is made of beside tricks

class Own:
    "A loss of the user's own"
    name = 'own'
    def __init__(self, k=1.): self.k = k
    def d_loss(self, l_real, l_fake): return self.k*((l_real - 1)**2).mean() + (l_fake**2).mean()
    def g_loss(self, l_fake, l_real=None): return ((l_fake - 1)**2).mean()

class Pull(Trick):
    "A trick of the user's own"
    name, title, number, short, source, acts = 'pull', 'Pull', 999, 'Pulls.', 'own', 'G'
    k = Num(.1, 0, 1, 'how much')
    def g_term(self, ctx): return self.k*ctx.xf.square().mean()

def test_all_kinds_of_changes(tmp_path):
    learn = recorded('mlp', tmp_path/'a', tricks=[Pull, 'ttur'])
    go(learn, 4); learn.set_loss('hinge'); go(learn, 2); learn.set_loss(Own(2.)); learn.half_step('d'); go(learn, 3)
    learn.tricks.set('pull', k=.5); learn.opt_g.param_groups[0]['lr'] = 1e-4; go(learn, 2)
    learn.opt_d.param_groups[0]['betas'] = (.4, .9); learn.tricks.off('ttur'); go(learn, 2)
    learn.tricks.on('instance_noise', at=15); go(learn, 4)
    with torch.no_grad(): next(learn.D.parameters()).add_(.1)
    go(learn, 3); learn.reset_opt(); go(learn, 2); learn.n_d = 2; go(learn, 2)
    kinds = [c.kind for c in learn.tricks.log]
    assert kinds.count('edited') == 3 and {'on', 'off', 'set', 'loss', 'phase', 'rates'} <= set(kinds)
    end, log = learn.state_hash(), [c.sentence for c in learn.tricks.log]
    killed(learn)
    given = dict(loss=[Own(2.)], tricks=[Pull])
    with pytest.raises(ValueError, match='own') as e: again('mlp', tmp_path/'a', tricks=[Pull])
    one_sentence(e.value)
    more = again('mlp', tmp_path/'a', **given)
    assert more.state_hash() == end and [c.sentence for c in more.tricks.log] == log
    more.run.close()
    run = Run.open(tmp_path/'a')
    other = run.replay(dls(), *nets('mlp'), **given)
    assert other.state_hash() == end
    assert scripted(run, tmp_path, dls(), ('learn.set_loss(...)', 'learn.set_loss(Own(2.))'), ('learn.tricks.add(pull)', 'learn.tricks.add(Pull)')).state_hash() == end
    go(more := again('mlp', tmp_path/'a', **given), 3); go(other, 3)
    assert more.state_hash() == other.state_hash()

def test_a_schedule_is_replayed_without_it(tmp_path):
    learn = recorded('mlp', tmp_path/'a')
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(1, 1e-3)
    learn.tricks.on('ttur'); go(learn, 3)
    end = learn.state_hash(); learn.run.close()
    assert Run.open(tmp_path/'a').replay(dls(), *nets('mlp')).state_hash() == end == scripted(Run.open(tmp_path/'a'), tmp_path, dls()).state_hash()
    assert again('mlp', tmp_path/'a', step=7).rewind(5).step == 5

def test_going_on_is_going_on(tmp_path):
    "Steps after a resume are those of a run that was never interrupted, in numbers too"
    calm = make_learner('dcgan', bs=8); go(calm, 30)
    for cut in (7, 8, 20):
        where = tmp_path/str(cut)
        learn = recorded('dcgan', where, snap_every=4); go(learn, cut); killed(learn)
        more = again('dcgan', where); go(more, 30 - cut)
        assert more.state_hash() == calm.state_hash() and more.history.d_loss.tolist() == calm.history.d_loss.tolist()
        more.run.close()
        assert Run.open(where).scalars().d_loss.tolist() == calm.history.d_loss.tolist()

@pytest.mark.parametrize('workers', [0, 1])
def test_a_pytorch_loader(tmp_path, workers):
    loader = lambda: DataLoader(TensorDataset(data()), 8, shuffle=True, num_workers=0, generator=torch.Generator() if workers else None)
    learn = GANLearner(loader(), *nets('mlp'), seed=0, run=tmp_path/'a'); learn.run.snap_every = 6
    go(learn, 20); end = learn.state_hash(); killed(learn)
    assert GANLearner.resume(tmp_path/'a', loader(), *nets('mlp'), progress=False).state_hash() == end

def test_a_stream_says_that_it_cannot_be_taken_up(tmp_path):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self): return iter(torch.randn(1000, 2))
    loader = lambda: DataLoader(Stream(), 8)
    learn = GANLearner(loader(), *nets('mlp'), seed=0, run=tmp_path/'a'); go(learn, 3); killed(learn)
    with pytest.warns(UserWarning, match='stream'): GANLearner.resume(tmp_path/'a', loader(), *nets('mlp'), progress=False)

def test_other_data_is_said(tmp_path):
    learn = recorded('mlp', tmp_path/'a'); go(learn, 3); killed(learn)
    with pytest.warns(UserWarning, match='not that of the run'): GANLearner.resume(tmp_path/'a', tensor_dls(data()*2, 8), *nets('mlp'), progress=False)

def test_memory_has_the_same_record():
    learn = make_learner('mlp', bs=8); go(learn, 5); at = learn.state_hash()
    learn.tricks.on('minibatch_stddev'); go(learn, 5); end = learn.state_hash()
    learn.rewind(5); assert learn.state_hash() == at
    assert len(learn.run.frames()) >= 3 and learn.run.scalars().step.tolist() == [1, 2, 3, 4, 5]
    go(learn, 1); learn.rewind(2); go(learn, 3)
    assert learn.state_hash() == at
    with pytest.raises(ValueError, match='no change to undo') as e: learn.undo()
    one_sentence(e.value)

def test_ghosts_stay(tmp_path):
    "What was rewound can still be read, and is no part of a replay"
    learn = recorded('mlp', tmp_path/'a'); go(learn, 10); learn.tricks.on('ttur'); go(learn, 10); ghost = learn.history.d_loss.tolist()
    learn.rewind(10); learn.tricks.on('label_smoothing'); go(learn, 4); end = learn.state_hash(); learn.run.close()
    run = Run.open(tmp_path/'a')
    assert [c.name for c in run.changes] == ['label_smoothing'] and run.step == 14 and run.replay(dls(), *nets('mlp')).state_hash() == end
    assert run.scalars(line=0).d_loss.tolist() == ghost and [c.name for c in run.changes_on(0)] == ['ttur']

def test_a_refused_change_leaves_no_trace(tmp_path):
    learn = recorded('mlp', tmp_path/'a', loss='wasserstein'); go(learn, 2)
    with pytest.raises(Refused): learn.tricks.on('label_smoothing')
    learn.tricks.off('ttur')
    assert not learn.run.changes

def test_lr_find_is_no_part_of_the_run(tmp_path):
    learn = recorded('mlp', tmp_path/'a'); go(learn, 5); at = learn.state_hash()
    learn.lr_find(num_it=25, show_plot=False, suggest_funcs=None)
    assert learn.state_hash() == at; go(learn, 5); end = learn.state_hash(); learn.run.close()
    run = Run.open(tmp_path/'a')
    assert not run.changes and run.scalars().step.tolist() == list(range(1, 11)) and run.replay(dls(), *nets('mlp')).state_hash() == end

# Damage

def snapshots_of(folder): return sorted((folder/'snapshots').glob('*.safetensors'), key=lambda p: int(p.name.split('-')[1]))

@pytest.mark.parametrize('how', ['truncated', 'flipped', 'gone', 'json', 'empty'])
def test_a_damaged_snapshot(tmp_path, how):
    learn = recorded('mlp', tmp_path/'a'); go(learn, 14); learn.tricks.on('ttur'); go(learn, 3); end = learn.state_hash(); killed(learn)
    file = snapshots_of(tmp_path/'a')[-1]
    raw = file.read_bytes()
    if how == 'truncated': file.write_bytes(raw[:-7])
    if how == 'flipped': file.write_bytes(raw[:-100] + bytes([raw[-100] ^ 4]) + raw[-99:])
    if how == 'gone': file.unlink()
    if how == 'empty': file.write_bytes(b'')
    if how == 'json': file.with_suffix('.json').write_text('{')
    with pytest.warns(UserWarning, match='nothing is lost'): more = again('mlp', tmp_path/'a')
    assert more.state_hash() == end

def test_no_whole_snapshot(tmp_path):
    learn = recorded('mlp', tmp_path/'a'); go(learn, 14); killed(learn)
    for f in snapshots_of(tmp_path/'a'): f.write_bytes(b'x')
    with pytest.raises(RunError, match='no whole snapshot'): again('mlp', tmp_path/'a')
    assert Run.open(tmp_path/'a').scalars().step.tolist() == list(range(1, 15))

def test_a_damaged_table(tmp_path):
    learn = recorded('mlp', tmp_path/'a'); go(learn, 3); killed(learn)
    for f in tmp_path.glob('a/run.sqlite*'): f.write_bytes(b'no database at all'*100)
    with pytest.raises(RunError) as e: Run.open(tmp_path/'a')
    assert 'run.sqlite' in one_sentence(e.value)

def test_a_run_is_there_already(tmp_path):
    learn = recorded('mlp', tmp_path/'a')
    with pytest.raises(ValueError, match='resume') as e: recorded('mlp', tmp_path/'a')
    one_sentence(e.value)
    (tmp_path/'b').mkdir(); (tmp_path/'b'/'thesis.txt').write_text('mine')
    with pytest.raises(ValueError, match='other files') as e: recorded('mlp', tmp_path/'b')
    assert (tmp_path/'b'/'thesis.txt').exists(); one_sentence(e.value)
    with pytest.raises(ValueError, match='holds no run') as e: Run.open(tmp_path/'c')
    one_sentence(e.value)

def test_a_learner_that_cannot_be_made_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError): recorded('mlp', tmp_path/'a', tricks=['no_such'])
    assert not (tmp_path/'a').exists()
    recorded('mlp', tmp_path/'a')

def write_to(where):
    try: Store.open(where, write=True)
    except RuntimeError as e: print(e)

def test_two_writers(tmp_path):
    learn = recorded('mlp', tmp_path/'a'); go(learn, 3)
    with pytest.raises(RunError, match='another learner or process') as e: again('mlp', tmp_path/'a')
    one_sentence(e.value)
    status, said = in_a_child(write_to, tmp_path/'a')
    assert status == 0 and 'another learner or process' in said, said
    go(learn, 3); learn.run.close()
    assert again('mlp', tmp_path/'a').step == 6

def test_reading_while_it_is_written(tmp_path):
    learn = recorded('mlp', tmp_path/'a'); go(learn, 30); learn.tricks.on('ttur')
    learn.run.sync(); run = Run.open(tmp_path/'a')
    assert [c.name for c in run.changes] == ['ttur'] and run.scalars().step.tolist() == list(range(1, 31))
    with pytest.raises(RunError, match='opened for reading'): run.store.note(a=1)

def limited(where):
    "A training for which the disk is full for a while"
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    learn = recorded('mlp', where, snap_every=20)
    go(learn, 30)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    try: learn.fit_steps(100, progress=False); print('went on')
    except StepError as e: print('paused:', e)
    step, at = learn.step, learn.state_hash()
    try: learn.tricks.on('ttur'); print('switched')
    except Refused as e: print('refused:', e)
    assert learn.state_hash() == at and not learn.tricks['ttur'].enabled
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    learn.tricks.on('ttur'); go(learn, 10)
    print('end', learn.step, learn.state_hash())
    learn.run.close()

def test_a_full_disk(tmp_path):
    "The training pauses at a whole step, a change is refused; with room again all goes on, and nothing is missing"
    status, said = in_a_child(limited, tmp_path/'a')
    assert status == 0, said
    assert 'paused:' in said and 'no room left' in said and 'refused: Not turned on' in said, said
    step, end = said.split('end ')[1].split()
    more = again('mlp', tmp_path/'a')
    assert (more.step, more.state_hash()) == (int(step), end) and more.history.step.tolist() == list(range(1, int(step) + 1))

def test_a_writer_that_fails_while_a_snapshot_waits_for_it(tmp_path):
    "Whenever in a step it fails, what the training ends with is a sentence about a whole step, and nothing is lost"
    learn = recorded('mlp', tmp_path/'a')
    go(learn, 10)
    room = []
    def write():
        if not room: raise RunError('there is no room left')
    def fail(m, args):
        if learn.step != 15: return
        learn.run.writer.failed.append((RunError('there is no room left'), write, ()))
        learn.run._busy, learn.run.marks.due, learn.run.marks.snap_due = True, 16, 16
        hook.remove()
    hook = learn.D.register_forward_pre_hook(fail)
    with pytest.raises(StepError, match='no room left'): learn.fit_steps(20, progress=False)
    assert learn.step == 16
    room.append(True)
    learn.run._busy = False
    go(learn, 4)
    was = learn.state_hash()
    learn.run.close()
    more = again('mlp', tmp_path/'a')
    assert (more.step, more.state_hash()) == (20, was) and more.history.step.tolist() == list(range(1, 21))

def as_nobody(where):
    import pandas, encodings.idna      # nobody may not read where these are
    os.setuid(65534)
    run = Run.open(where)
    print('read', run.step, len(run.changes))
    try: Store.open(where, write=True); print('OPENED')
    except (RunError, ValueError) as e: print('refused:', e)
    try: Store.new(where/'inner'); print('MADE')
    except (RunError, ValueError) as e: print('refused:', e)

def test_a_read_only_folder():
    if os.name != 'posix' or os.getuid() != 0: pytest.skip('needs to be root, to become nobody')
    with tempfile.TemporaryDirectory() as tmp:
        tmp_path = Path(tmp); tmp_path.chmod(0o755)
        read_only(tmp_path)

def read_only(tmp_path):
    learn = recorded('mlp', tmp_path/'a'); go(learn, 10); learn.tricks.on('ttur'); killed(learn)
    for p in [tmp_path/'a', *(tmp_path/'a').rglob('*')]: p.chmod(0o555 if p.is_dir() else 0o444)
    status, said = in_a_child(as_nobody, tmp_path/'a')
    assert status == 0, said
    assert 'read 10 1' in said and said.count('refused:') == 2 and 'OPENED' not in said and 'MADE' not in said, said

# Folders that mean harm

@pytest.fixture
def folder(tmp_path):
    learn = recorded('mlp', tmp_path/'a'); go(learn, 12); killed(learn)
    return tmp_path/'a'

class Harm:
    def __reduce__(self): return (os.mkdir, (str(Path(os.environ['HARM'])),))

def test_a_pickle_named_as_a_snapshot(folder, tmp_path, monkeypatch):
    monkeypatch.setenv('HARM', str(tmp_path/'harm'))
    file = snapshots_of(folder)[-1]
    for raw in (pickle.dumps(Harm()), pickle.dumps(Harm(), 0)):
        file.write_bytes(raw)
        with sqlite3.connect(folder/'run.sqlite') as db:            # with the right hash, as its author would
            stem, sha = db.execute('select file, sha from snapshots where file=?', (file.stem,)).fetchone()
            db.execute('update snapshots set sha=? where file=?', (hashlib.sha256(raw).hexdigest() + ' ' + sha.split()[1], stem))
        db.close()
        with pytest.warns(UserWarning, match='cannot be read'): again('mlp', folder).run.stop()
    assert not (tmp_path/'harm').exists()

@pytest.mark.parametrize('name', ['../../secret', '/etc/passwd', '0-5-1/../../../secret', '..', '', 'x'*300, '0-5-1\0'])
def test_a_path_that_climbs_out(folder, tmp_path, name):
    (tmp_path/'secret.safetensors').write_bytes(snapshots_of(folder)[-1].read_bytes())
    with sqlite3.connect(folder/'run.sqlite') as db: db.execute('update snapshots set file=? where step>0', (name,))
    db.close()
    with pytest.warns(UserWarning, match='not a name that ganlab gives'): assert again('mlp', folder).step == 12

def test_a_link_that_leads_out(folder, tmp_path):
    file = snapshots_of(folder)[-1]
    shutil.move(file, tmp_path/'outside.safetensors'); file.symlink_to(tmp_path/'outside.safetensors')
    with pytest.warns(UserWarning, match='is a link'): assert again('mlp', folder).step == 12

def test_triggers_and_views(folder):
    with sqlite3.connect(folder/'run.sqlite') as db: db.execute("create trigger t after insert on changes begin delete from snapshots; end")
    db.close()
    for f in (Run.open, lambda p: again('mlp', p)):
        with pytest.raises(RunError, match='trigger') as e: f(folder)
        one_sentence(e.value)

def test_sql_in_names(tmp_path):
    class Bobby(Pull): name, title = "x'; drop table changes; --", "Robert'); drop table meta; --"
    learn = recorded('mlp', tmp_path/'a', tricks=[Bobby]); go(learn, 3); end = learn.state_hash(); killed(learn)
    more = again('mlp', tmp_path/'a', tricks=[Bobby])
    assert more.state_hash() == end and [c.name for c in more.run.changes] == [Bobby.name]

def test_a_newer_format(folder):
    with sqlite3.connect(folder/'run.sqlite') as db: db.execute("update meta set value='99' where key='version'")
    db.close()
    with pytest.raises(RunError, match='format 99') as e: Run.open(folder)
    one_sentence(e.value)

# The script of a run

NAMES = {'Path', '__file__', 'torch', 'load_initial', 'here', 'G', 'D', 'dls', 'learn', 'GANLearner', 'ring_dls', 'mlp', 'print', 'read_snapshot', 'float'}
REACHED = {'parent', 'set_num_threads', 'fit_steps', 'tricks', 'on', 'off', 'set', 'add', 'set_loss', 'half_step', 'opt_g', 'opt_d', 'param_groups', 'restore', 'state_hash'}

def toy_run(where, *changes, n=2):
    "A closed run of some steps"
    learn = GANLearner(ring_dls(n=200, bs=16), *mlp(width=4, depth=1), seed=0, run=where)
    for change in (*changes, lambda learn: None):
        change(learn)
        go(learn, n)
    learn.run.close()
    return Run.open(where)

def code_of(script):
    "What a script calls and names; its lines to fill in left out"
    tree = ast.parse(script.read_text(encoding='utf-8').replace('from ... import ...', ''))
    kinds = (ast.Lambda, ast.FunctionDef, ast.ClassDef, ast.comprehension, ast.BoolOp, ast.For, ast.While, ast.If, ast.With, ast.Try, ast.Delete)
    assert not [n for n in ast.walk(tree) if isinstance(n, kinds)]
    assert [ast.unparse(n) for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))] == ['from pathlib import Path', 'import torch', 'from ganlab.all import *']
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}, {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}

def rewritten(folder, table, sql, *values):
    "The folder, one value in its record another one"
    with sqlite3.connect(folder/'run.sqlite') as db: assert db.execute(f'update {table} {sql}', values).rowcount
    db.close()
    return Run.open(folder)

def refact(folder, key, f):
    v = Run.open(folder).facts[key]
    return rewritten(folder, 'meta', 'set value=? where key=?', pack(f(v)), key)

EVIL = "__import__('os').system('echo PWNED')"

@pytest.mark.parametrize('key,f', [
    ('nets', lambda v: {k: dict(n, made_by=(EVIL + ' or mlp', {})) for k, n in v.items()}),
    ('nets', lambda v: {k: dict(n, made_by=('mlp', {f'width={EVIL}, depth': 1})) for k, n in v.items()}),
    ('nets', lambda v: {k: dict(n, made_by=('mlp', {EVIL: 1})) for k, n in v.items()}),
    ('nets', lambda v: {k: dict(n, made_by=('eval', dict(x=EVIL))) for k, n in v.items()}),
    ('nets', lambda v: {k: dict(n, made_by=None, kind=f'x\n{EVIL}\r{EVIL}') for k, n in v.items()}),
    ('nets', lambda v: {k: dict(n, made_by=[EVIL]) for k, n in v.items()}),
    ('nets', lambda v: {k: dict(n, weights=f'\n{EVIL}') for k, n in v.items()}),
    ('data', lambda v: dict(v, made_by=(EVIL, {}))),
    ('data', lambda v: dict(v, made_by=('ring_dls', {'n': 200, f'bs={EVIL}, seed': 1}))),
    ('data', lambda v: dict(v, made_by=None, name=f'x)\n{EVIL}\x0c{EVIL}')),
    ('data', lambda v: dict(v, made_by=None, shape=f'x)\r{EVIL}', n=f'\u2028{EVIL}')),
    ('data', lambda v: EVIL),
    ('threads', lambda v: f'1)\n{EVIL}\n('),
    ('versions', lambda v: dict(v, torch=f'2"\n{EVIL}\n"')),
    ('made', lambda v: {**v, f'x={EVIL}, seed': 1}),
    ('made', lambda v: {**v, 'seed': EVIL, 'opt': f"adam')\n{EVIL}"}),
    ('made', lambda v: {k: x for k, x in v.items() if k != 'loss'})])
def test_a_folder_puts_no_code_into_a_script(tmp_path, key, f):
    toy_run(tmp_path/'a', lambda learn: learn.tricks.on('instance_noise'))
    same_but_hostile(refact(tmp_path/'a', key, f), tmp_path)

@pytest.mark.parametrize('sql,value', [('name', f"ttur')\n{EVIL}\n('"), ('name', f'x)\n{EVIL}\n('), ('name', 'lambda'), ('kind', f'on\n{EVIL}'), ('kind', 'rates'), ('kind', 'edited'), ('kind', 'phase'), ('kind', 'loss'),
                                       ('params', pack({f'sigma={EVIL}, x': 1})), ('params', pack(dict(sigma=EVIL))), ('params', pack([EVIL])), ('params', pack(dict(sigma=float('inf')))),
                                       ('step', EVIL), ('more', pack({}))])
def test_a_change_puts_no_code_into_a_script(tmp_path, sql, value):
    toy_run(tmp_path/'a', lambda learn: learn.tricks.on('instance_noise'))
    same_but_hostile(rewritten(tmp_path/'a', 'changes', f'set {sql}=?', value), tmp_path)

@pytest.mark.parametrize('params', [dict(net=f'g.x, {EVIL} or d'), dict(group=EVIL), dict(key=f"lr'] = {EVIL}"), dict(value=EVIL)])
def test_an_edited_rate_puts_no_code_into_a_script(tmp_path, params):
    def edit(learn): learn.opt_g.param_groups[0]['lr'] = 1e-4
    run = toy_run(tmp_path/'a', edit)
    assert code_of(run.to_python(tmp_path/'b.py'))[0] <= NAMES
    same_but_hostile(rewritten(tmp_path/'a', 'changes', 'set params=?', pack({**run.changes[0].params, **params})), tmp_path)

def same_but_hostile(run, tmp_path):
    "There is a script in which only ganlab's own is called, or one sentence and no file"
    script = tmp_path/'new'/'a.py'
    try: run.to_python(script)
    except RunError as e:
        one_sentence(e)
        assert not script.parent.exists()
        return
    names, reached = code_of(script)
    assert names <= NAMES and reached <= REACHED

def test_scripts_share_a_folder(tmp_path):
    "What was set by hand, and the first weights, bear the script's name"
    def by_hand(k):
        def f(learn):
            with torch.no_grad(): next(learn.G.parameters()).add_(k)
        return f
    runs = {n: toy_run(tmp_path/'runs'/n, by_hand(k)) for n, k in (('a', .1), ('a-2', .2))}
    scripts = {n: run.to_python(tmp_path/'scripts'/f'{n}.py') for n, run in runs.items()}
    assert len(list((tmp_path/'scripts').iterdir())) == 2*4
    for n, script in scripts.items():
        names = dict(__file__=str(script))
        exec(compile(script.read_text(encoding='utf-8'), str(script), 'exec'), names)
        assert names['learn'].state_hash() == runs[n].hash_at(4)

def test_a_script_with_nothing_to_begin_from(tmp_path):
    toy_run(tmp_path/'a')
    run = rewritten(tmp_path/'a', 'snapshots', "set kept='ring' where kept='start'")
    with pytest.raises(RunError, match='began with') as e: run.to_python(tmp_path/'b.py')
    assert one_sentence(e.value) and not (tmp_path/'b.py').exists()

def test_where_a_script_cannot_go(tmp_path):
    run = toy_run(tmp_path/'a')
    (tmp_path/'b.py').mkdir()
    for path, word in ((tmp_path/'b.py', 'is a folder'), (tmp_path/'b.txt', 'name of a script')):
        with pytest.raises(ValueError, match=word) as e: run.to_python(path)
        one_sentence(e.value)
    assert run.to_python(tmp_path/'nodir'/'deep'/'a.py').is_file()
