"Nothing of the user's is written over unasked, and nothing of a run's ever."
import errno, os, re, sqlite3
import numpy as np, pytest, torch
from safetensors.torch import load_file, save_file
from ganlab.base import files
from ganlab.cli import main
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.player import export_html, what_if
from ganlab.record.run import Run

def new(**kw): return GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0, **kw)
def go(learn, n=6): learn.fit_steps(n, progress=False); return learn
def everything(folder): return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}

def by_hand(run):
    "A run with all that a script may bring: weights set by hand, and rates of a schedule"
    learn = go(new(run=run))
    learn.fit(1, lr=1e-3)
    with torch.no_grad(): next(learn.G.parameters()).add_(.1)
    go(learn).run.close()
    return Run.open(run)

WRITERS = dict(
    script=lambda run, path, **kw: run.to_python(path.with_suffix('.py'), **kw),
    page=lambda run, path, **kw: export_html(run, path.with_suffix('.html'), **kw),
    what_if=lambda run, path, **kw: what_if(go(new()), ['ema'], steps=2, frames=2, progress=False).export_html(path.with_suffix('.html'), **kw),
    what_if_by_function=lambda run, path, **kw: export_html(what_if(go(new()), ['ema'], steps=2, frames=2, progress=False), path.with_suffix('.html'), **kw))

@pytest.fixture(scope='module')
def told(tmp_path_factory): return by_hand(tmp_path_factory.mktemp('runs')/'told')

@pytest.mark.parametrize('writer', WRITERS)
def test_what_is_there_stays(told, writer, tmp_path):
    "One sentence that names the file, and nothing beside it; with force it is replaced, in a run's folder not even then"
    write = WRITERS[writer]
    write(told, tmp_path/'new'/'a')
    made = everything(tmp_path/'new')
    assert len(made) == (1 if 'script' not in writer else 5)
    for name in made:
        folder = tmp_path/f'mine-{name}'
        folder.mkdir(); (folder/name).write_text('mine')
        with pytest.raises(FileExistsError, match=re.escape(name)) as e: write(told, folder/'a')
        assert 'force=True' in str(e.value) and '\n' not in str(e.value) and everything(folder) == {name: b'mine'}
        write(told, folder/'a', force=True)
        assert everything(folder).keys() == made.keys() and everything(folder)[name] != b'mine'
    was = everything(told.folder)
    for path in (told.folder/'a', told.folder/'new'/'a', told.folder/'run'):
        with pytest.raises(FileExistsError, match="a run's folder"): write(told, path, force=True)
    assert everything(told.folder) == was

def test_a_path_that_is_a_database_or_no_file(told, tmp_path):
    with sqlite3.connect(tmp_path/'songs.html') as db: db.execute('create table songs(a)')
    db.close()
    (tmp_path/'copy.html').write_bytes((told.folder/'run.sqlite').read_bytes())
    os.mkfifo(tmp_path/'pipe.html')
    (tmp_path/'link.html').symlink_to(tmp_path/'nowhere')
    (tmp_path/'away').symlink_to(told.folder)
    was = everything(tmp_path)
    for name, word in (('songs.html', 'a database'), ('copy.html', 'a database'), ('pipe.html', 'not a regular file'), ('away/a.html', "a run's folder")):
        with pytest.raises(FileExistsError, match=word): export_html(told, tmp_path/name, force=True)
    with pytest.raises(FileExistsError, match='there already'): export_html(told, tmp_path/'link.html')
    assert everything(tmp_path) == was and not (tmp_path/'nowhere').exists()

def test_a_failure_halfway_leaves_the_old_file(told, tmp_path, monkeypatch):
    for n in ('a.py', 'a.safetensors', 'a.html'): (tmp_path/n).write_text('old')
    was = everything(tmp_path)
    def full(*args, **kw): raise OSError(errno.ENOSPC, 'no room left')
    monkeypatch.setattr('pathlib.Path.write_text', full)
    for write in (lambda: told.to_python(tmp_path/'a.py', force=True), lambda: export_html(told, tmp_path/'a.html', force=True)):
        with pytest.raises(OSError, match='no room'): write()
    assert everything(tmp_path) == was

def test_save_replaces_only_its_own(tmp_path, monkeypatch):
    "fastai's habit, which its callbacks count on: a name is used again; files of others stay"
    learn = go(new(path=tmp_path))
    file = learn.save('best'); was = file.read_bytes()
    go(learn); learn.save('best')
    assert file.read_bytes() != was
    save_file(dict(w=torch.ones(2)), tmp_path/'models'/'theirs.safetensors')
    (tmp_path/'models'/'broken.safetensors').write_text('not whole')
    (tmp_path/'models'/'away.safetensors').symlink_to(tmp_path/'nowhere')
    was = everything(tmp_path)
    for name in ('theirs', 'broken', 'away'):
        with pytest.raises(FileExistsError, match=f'{name}.safetensors is there already.*force=True'): learn.save(name)
    assert everything(tmp_path) == was
    learn.save('theirs', force=True); learn.load('theirs')
    was = everything(tmp_path)
    def full(*args, **kw): raise OSError(errno.ENOSPC, 'no room left')
    monkeypatch.setattr('safetensors.torch.save_file', full)
    with pytest.raises(OSError, match='no room'): learn.save('best')
    assert everything(tmp_path) == was

def test_save_into_a_run(tmp_path):
    "A learner's path may be its run's folder, but no snapshot is replaced by weights"
    learn = go(new(path=tmp_path/'a', run=tmp_path/'a'))
    assert load_file(learn.save('w')) and load_file(learn.save('w'))
    learn.run.close(); was = everything(tmp_path)
    snapshot = next((tmp_path/'a'/'snapshots').glob('*.safetensors')).stem
    for force in (False, True):
        with pytest.raises(FileExistsError, match="a run's folder"): learn.save(f'../snapshots/{snapshot}', force=force)
    assert everything(tmp_path) == was

def said(capsys, *args):
    status = main(list(map(str, args)))
    return status, capsys.readouterr()

def test_the_command(told, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for args, name in ((('export', told.folder, 'a.html'), 'a.html'), (('show', told.folder, '--png', 'a.png'), 'a.png'), (('sample', told.folder, '-n', 8, '-o', 'out'), 'out/samples.csv')):
        (tmp_path/name).parent.mkdir(exist_ok=True); (tmp_path/name).write_text('mine')
        status, out = said(capsys, *args)
        assert status == 2 and f'{name} is there already' in out.err and '--force' in out.err and 'force=' not in out.err and out.err.count('\n') == 1
        assert (tmp_path/name).read_text() == 'mine'
        assert said(capsys, *args, '--force')[0] == 0 and (tmp_path/name).read_bytes() != b'mine'
        assert said(capsys, args[0], told.folder, *[told.folder/'x' if a in ('a.html', 'a.png', 'out') else a for a in args[2:]], '--force')[0] == 2
    assert len(np.loadtxt('out/samples.csv', delimiter=',')) == 8

def test_images_of_sample(tmp_path, capsys, monkeypatch):
    "None of a folder's pictures is replaced, not even the others; without a clash new ones go beside old ones"
    monkeypatch.chdir(tmp_path)
    assert main('train --data digits --size 16 --bs 8 --width 4 --steps 2 --run a'.split()) == 0
    (tmp_path/'out').mkdir(); (tmp_path/'out'/'5.png').write_text('mine'); (tmp_path/'out'/'note.png').write_text('mine')
    status, out = said(capsys, 'sample', 'a', '-n', 9, '-o', 'out')
    assert status == 2 and '5.png is there already' in out.err and len(everything(tmp_path/'out')) == 2
    assert said(capsys, 'sample', 'a', '-n', 9, '-o', 'out', '--force')[0] == 0
    assert len(everything(tmp_path/'out')) == 10 and (tmp_path/'out'/'note.png').read_text() == 'mine'
    assert said(capsys, 'sample', 'a', '-n', 12, '-o', 'out')[0] == 0 and len(everything(tmp_path/'out')) == 22

def test_a_run_is_known_by_its_snapshots(told, tmp_path):
    "Its database may be lost"
    (tmp_path/'r'/'snapshots').mkdir(parents=True)
    for p in (told.folder/'snapshots').glob('*.safetensors'): (tmp_path/'r'/'snapshots'/p.name).write_bytes(p.read_bytes())
    assert files.run_around(tmp_path/'r'/'snapshots'/'x.safetensors') == files.run_around(tmp_path/'r'/'x') == (tmp_path/'r').resolve()
    assert files.run_around(tmp_path/'x') is None

def test_a_link_and_permissions_stay(told, tmp_path):
    "What a link leads to is replaced, with the permissions that it had; a new file has those of any other"
    (tmp_path/'real').mkdir()
    page = tmp_path/'real'/'page.html'
    page.write_text('mine'); page.chmod(0o640)
    (tmp_path/'link.html').symlink_to(page)
    export_html(told, tmp_path/'link.html', force=True)
    assert (tmp_path/'link.html').is_symlink() and page.read_bytes() != b'mine' and page.stat().st_mode & 0o777 == 0o640
    (tmp_path/'inside.html').symlink_to(told.folder/'page.html')
    with pytest.raises(FileExistsError, match="a run's folder"): export_html(told, tmp_path/'inside.html', force=True)
    usual = tmp_path/'usual'
    usual.touch()
    told.to_python(tmp_path/'s'/'a.py')
    assert {p.stat().st_mode for p in (tmp_path/'s').iterdir()} == {usual.stat().st_mode}
    (tmp_path/'s'/'a.safetensors').chmod(0o664)
    told.to_python(tmp_path/'s'/'a.py', force=True)
    assert (tmp_path/'s'/'a.safetensors').stat().st_mode & 0o777 == 0o664
