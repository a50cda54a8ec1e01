"Folders of runs that lost a part, or were made to harm: nothing that can be read is deleted, and nothing waits for ever."
import os, shutil, sqlite3, time
import pytest
from ganlab.cli import main
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.record.store import RunError
from ganlab.travel.remade import read_snapshot
from ganlab.record.run import Run
from strangers import go, one_sentence

def data(): return ring_dls(n=500, bs=16)
def nets(): return mlp(width=8, depth=2, seed=0)
def new(**kw): return GANLearner(data(), *nets(), seed=0, **kw)
def resumed(folder, **kw): return GANLearner.resume(folder, data(), *nets(), progress=False, **kw)
def files(folder): return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}

@pytest.fixture(scope='module')
def open_run(tmp_path_factory):
    "A run as it lies on the disk while it trains, with two switches behind it; and a learner that was never disturbed, 20 steps on"
    folder = tmp_path_factory.mktemp('runs')/'a'
    def train(learn):
        learn.run.snap_every = 10
        go(learn, 15); learn.tricks.on('spectral_norm'); learn.tricks.on('ttur'); go(learn, 45)
        return learn
    learn = train(new(run=folder)); learn.run.sync()
    shutil.copytree(folder, folder.parent/'copy')
    learn.run.close()
    calm = train(new()); go(calm, 20)
    return folder.parent/'copy', calm.state_hash(), calm.history

@pytest.fixture
def folder(open_run, tmp_path): return shutil.copytree(open_run[0], tmp_path/'a')

def _no_wal(f): (f/'run.sqlite-wal').unlink(); (f/'run.sqlite-shm').unlink()
def _missing(f): [p.unlink() for p in f.glob('run.sqlite*')]
def _empty(f): _missing(f); (f/'run.sqlite').touch()
def _no_tables(f): _missing(f); db = sqlite3.connect(f/'run.sqlite'); db.execute('pragma journal_mode=wal'); db.execute('create table a(b)'); db.execute('drop table a'); db.close()
def _only_snapshots(f): _missing(f); (f/'writer.lock').unlink()
def _not_begun(f): db = sqlite3.connect(f/'run.sqlite'); db.execute("delete from meta where key='begun'"); db.commit(); db.close()
def _damaged(f): _missing(f); (f/'run.sqlite').write_bytes(b'SQLite format 3\0' + b'x'*5000)

@pytest.mark.parametrize('lose', [_no_wal, _missing, _empty, _no_tables, _only_snapshots, _not_begun, _damaged])
@pytest.mark.part(4)
def test_a_lost_record(folder, open_run, lose, tmp_path, capsys):
    "What is there is said by all who come, nothing of it goes, and a learner goes on from the last snapshot, bit for bit"
    lose(folder); was = files(folder)
    for f in (lambda: new(run=folder), lambda: Run.open(folder), lambda: resumed(folder), lambda: new(run=folder, tricks=['nonsense'])):
        with pytest.raises((ValueError, RunError)) as e: f()
        assert '\n' not in str(e.value) and files(folder) == was and (lose is _damaged or f'{len(list((folder/"snapshots").glob("*.json")))} whole snapshots are there (0, ' in str(e.value))
    for args in (['show'], ['replay'], ['train', '--steps', '3', '--run']):
        assert main([*args, str(folder)]) == 2 and 'whole snapshots' in capsys.readouterr().err
    assert files(folder) == was
    with pytest.raises(RunError) as e: Run.open(folder)
    stem = str(e.value).split("read_snapshot('")[1].split("'")[0]
    learn = new(run=tmp_path/'b')
    learn.restore(read_snapshot(stem, learn))
    go(learn, 80 - learn.step)
    assert learn.state_hash() == open_run[1]
    learn.run.close()
    for rows in (Run.open(tmp_path/'b').scalars(), resumed(tmp_path/'b').history):      # each row at its step
        assert rows.step.tolist() == list(range(1, 81)) and rows.d_loss[70:].tolist() == open_run[2].d_loss[70:].tolist()

def test_a_record_that_lost_its_last_part(folder):
    "The steps that it does not know are told, with the snapshots that have them"
    shutil.copytree(folder, early := folder.parent/'early')
    learn = resumed(folder); learn.run.snap_every = 10; go(learn, 40); learn.run.close()
    for p in early.glob('run.sqlite*'): shutil.copy(p, folder)      # as it was at step 60
    with pytest.warns(UserWarning, match='a part of its record.*step 60; but 4 whole snapshots') as said: learn = resumed(folder)
    assert learn.step == 60 and 'goes on from step 100' in one_sentence(said[0].message)

def test_killed_at_the_beginning(tmp_path):
    "No step was recorded: the folder is begun anew, as before"
    learn = new(run=tmp_path/'a'); learn.run.sync()
    with learn.run.store.writing() as db: db.execute("delete from meta where key='begun'")
    shutil.copytree(tmp_path/'a', tmp_path/'b'); learn.run.close()
    learn = new(run=tmp_path/'b'); go(learn, 3); learn.run.close()
    assert Run.open(tmp_path/'b').step == 3

# Folders that were made to harm

def _pipe(name):
    def f(folder): (folder/name).unlink(missing_ok=True); os.mkfifo(folder/name)
    f.__name__ = name.replace('/', '_')
    return f
def _snapshot_pipe(folder): p = max((folder/'snapshots').glob('*.safetensors')); p.unlink(); os.mkfifo(p)
def _sparse(which):
    def f(folder): os.truncate(max((folder/'snapshots').glob(f'*.{which}'), key=lambda p: int(p.stem.split('-')[1])), 60*10**9)
    f.__name__ = f'sparse_{which}'
    return f
def _sparse_record(folder): _missing(folder); (folder/'run.sqlite').touch(); os.truncate(folder/'run.sqlite', 60*10**9)
def _sparse_lock(folder): os.truncate(folder/'writer.lock', 60*10**9)
def _sql(*statements):
    def f(folder):
        db = sqlite3.connect(folder/'run.sqlite')
        for s in statements: db.execute(s)
        db.commit(); db.close()
    f.__name__ = statements[-1].replace(' ', '_')[:60]
    return f

FAR = 10**12
HARM = [_pipe('run.sqlite'), _pipe('run.sqlite-wal'), _pipe('run.sqlite-journal'), _pipe('writer.lock'), _snapshot_pipe, _sparse('safetensors'), _sparse('json'), _sparse_record,
        _sql(f'update changes set step={FAR}'), _sql(f'update snapshots set step={FAR} where id=(select max(id) from snapshots)'), _sql(f'update chunks set start={FAR} where start=(select max(start) from chunks)'),
        _sql(f'update chunks set rows={FAR}'), _sql(f'insert into lines values(9, 0, {FAR}, 0)'), _sql(f'update frames set step={FAR} where step=10'), _sql(f'insert into mults values(0, {FAR}, 1)'),
        _sql('update changes set step=200000000')]

@pytest.mark.parametrize('harm', HARM, ids=lambda f: f.__name__)
def test_a_folder_that_was_made_to_harm(folder, harm, capsys):
    "Whoever comes has an answer at once: one sentence; or what is whole is read"
    harm(folder)
    def ask(f):
        start = time.process_time()
        try: f()
        except (RunError, ValueError) as e: one_sentence(e); told.append(str(e))
        took.append(time.process_time() - start)
    told, took = [], []
    for f in (lambda: Run.open(folder).scalars(), lambda: main(['show', str(folder), '--png', '']) and told.append(''), lambda: resumed(folder).run.close(), lambda: new(run=folder)): ask(f)
    assert len(told) == 4 or harm.__name__.startswith('sparse')
    assert max(took) < 20, took      # the 60 GB alone would take longer to read
