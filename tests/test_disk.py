"What the power takes away: bytes are on disk before a file gets its name, the name before the record speaks of it, and a change before it is answered."
import os
import pytest
from ganlab.record.folder import write_aside
from ganlab.record.packing import RunError
from ganlab.record.run import Run
from ganlab.learner import GANLearner
from recorded import fit, ring
from ganlab.data import ring_dls
from ganlab.nets import mlp

FULL = 2      # of `pragma synchronous`: SQLite waits for the disk at each commit

@pytest.fixture
def seen(monkeypatch):
    "What is asked of the disk, in order: (act, inode of the file or the folder)"
    seen, fsync, replace = [], os.fsync, os.replace
    def synced(fd):
        fsync(fd)
        seen.append(('sync', os.fstat(fd).st_ino))
    def named(part, path):
        seen.append(('name', os.stat(part).st_ino))
        replace(part, path)
    monkeypatch.setattr(os, 'fsync', synced)
    monkeypatch.setattr(os, 'replace', named)
    return seen

def ways(path): return [('sync', path.stat().st_ino), ('name', path.stat().st_ino), ('sync', path.parent.stat().st_ino)]

def test_a_file(tmp_path, seen):
    write_aside(tmp_path/'a', lambda p: p.write_text('all of it'))
    assert seen == ways(tmp_path/'a')

def test_a_file_that_fails_gets_no_name(tmp_path, seen):
    def write(p): p.write_text('half of it'); raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError): write_aside(tmp_path/'a', write)
    assert seen == [] and list(tmp_path.iterdir()) == []

def test_a_snapshot(tmp_path, seen):
    "Both of its files are there, with their names, before the record names them"
    learn = fit(ring(tmp_path/'a'), 3)
    seen.clear()
    learn.run.store.db.set_trace_callback(lambda sql: seen.append(sql.split(' values')[0]) if sql.startswith(('insert into snapshots', 'commit')) else None)
    learn.run.keep(learn, 'pinned', wait=True)
    learn.run.store.db.set_trace_callback(None)
    stem, = (tmp_path/'a'/'snapshots').glob('0-3-*.json')
    files = [*ways(stem.with_suffix('.safetensors')), *ways(stem)]
    at = seen.index(files[0])
    assert seen[at:] == [*files, 'insert into snapshots', 'commit']

def test_a_new_record(tmp_path, seen):
    "Its name is on disk, too"
    learn = ring(tmp_path/'a')
    assert ('sync', (tmp_path/'a').stat().st_ino) in seen
    assert learn.run.store.db.execute('pragma synchronous').fetchone() == (FULL,)

def test_a_record_that_is_gone_on_with(tmp_path):
    fit(ring(tmp_path/'a'), 3).run.close()
    learn = GANLearner.resume(tmp_path/'a', ring_dls(n=500, bs=16), *mlp(dim=2, z_dim=2, width=8, depth=1, seed=0), progress=False)
    assert learn.run.store.db.execute('pragma synchronous').fetchone() == (FULL,)

def test_a_change_is_on_disk_when_it_is_answered(tmp_path):
    "Another connection reads it at once"
    learn = ring(tmp_path/'a')
    learn.tricks.on('ttur')
    with Run.open(tmp_path/'a') as run: assert [c.name for c in run.changes] == ['ttur']

def test_a_folder_shared_by_a_network(tmp_path, monkeypatch):
    "It is recorded without a log beside the database, and that is said; killed and taken up again, it is all there, on a folder of one's own in the usual way"
    from ganlab.record import database
    def mode(run): return run.store.db.execute('pragma journal_mode').fetchone()[0]
    monkeypatch.setattr(database, 'shared_by', lambda folder: 'nfs4')
    parts = lambda: (ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0))
    with pytest.warns(UserWarning, match='shared by nfs4: the run is recorded more slowly'): learn = GANLearner(*parts(), seed=0, run=tmp_path/'a')
    learn.fit_steps(5, progress=False)
    was = learn.state_hash()
    assert mode(learn.run) == 'truncate' and not (tmp_path/'a'/'run.sqlite-wal').exists()
    learn.run.close()
    assert Run.open(tmp_path/'a').step == 5
    monkeypatch.undo()
    learn = GANLearner.resume(tmp_path/'a', *parts(), progress=False)
    assert (learn.state_hash(), mode(learn.run)) == (was, 'wal')
    learn.run.close()

@pytest.mark.parametrize('error', [OSError(37, 'No locks available'), NotImplementedError('no flock')])
def test_a_folder_that_cannot_be_locked(tmp_path, monkeypatch, error):
    "Refused with a sentence, and nothing is left there"
    from filelock import FileLock
    def refuse(self, *a, **k): raise error
    monkeypatch.setattr(FileLock, 'acquire', refuse)
    with pytest.raises(RunError, match='cannot be locked .* record to a folder of this machine'): GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0, run=tmp_path/'a')
