"What the power takes away: bytes are on disk before a file gets its name, the name before the record speaks of it, and a change before it is answered."
import os
import pytest
from ganlab.record.folder import write_aside
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
