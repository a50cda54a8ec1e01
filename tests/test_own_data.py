"Data from outside the package: a dataset of the user's own by its name, in the record, in the script, on the command line; going back reads what it needs."
import importlib, subprocess, sys
import pytest, torch
from ganlab.all import *
from ganlab.cli import main
from ganlab.record.run import Run
from ganlab.sources.named import own_data
from project import NBS, ROOT, code, read

NET = '--width 4 --size 16'.split()

@pytest.fixture
def theirs(tmp_path, monkeypatch):
    "What the tutorial's reader writes, as a module in the working folder"
    src = next(s for s in code(read(NBS/'tutorials'/'your_own_bench.ipynb')) if 'class Blobs' in s).partition('\n')[2]
    assert len([l for l in src.splitlines() if l.strip()]) <= 25 and '._' not in src
    (tmp_path/'my_data.py').write_text(src)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module('my_data')
    sys.modules.pop('my_data', None)
    own_data.pop('blobs', None)

def said(capsys, line):
    status = main(line.split())
    return (status, *capsys.readouterr())

def learner(dls, **kwargs): return GANLearner(dls, *dcgan(16, 1, 8, 4, seed=0), seed=0, **kwargs)

def test_seeks(theirs, monkeypatch):
    "A rewind, and a resume elsewhere, read the batches that are trained on again and no other, and end in the same bits"
    read, get = [], theirs.Blobs.__getitem__
    monkeypatch.setattr(theirs.Blobs, '__getitem__', lambda self, i: read.append(i) or get(self, i))
    learn = learner(theirs.blobs(bs=8), run='a')
    learn.fit_steps(30, progress=False)
    end = learn.state_hash()
    learn.rewind(25)
    learn.source.kept = type(learn.source.kept)()       # as where the batches were too many to be kept
    read.clear(); learn.fit_steps(5, progress=False)
    assert learn.state_hash() == end and len(read) == 5*8
    learn.run.close()
    read.clear()
    again = GANLearner.resume('a', theirs.blobs(bs=8), *dcgan(16, 1, 8, 4, seed=1), step=25)
    made = len(read); again.fit_steps(5, progress=False)
    assert again.state_hash() == end and len(read) - made == 5*8

def test_script(theirs, tmp_path):
    "It imports the data by its name, and reaches the same weights"
    learn = learner(theirs.blobs(bs=8))
    learn.fit_steps(4, progress=False)
    assert learn.run.facts['data']['made_by'] == ('my_data:blobs', dict(bs=8, size=16, seed=0))
    text = learn.run.to_python('a.py').read_text()
    assert 'from my_data import blobs\ndls = blobs(bs=8, size=16, seed=0)\n' in text
    done = subprocess.run([sys.executable, 'a.py'], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.split()[-1] == learn.state_hash(), done.stderr

def test_script_where_it_is_not_known(theirs):
    "A record alone imports nothing: the line is to be filled in, and says by what"
    learn = learner(theirs.blobs(bs=8), run='a'); learn.fit_steps(2, progress=False); learn.run.close()
    del own_data['blobs']
    text = Run.open('a').to_python('a.py').read_text()
    assert 'import blobs' not in text and "dls = ...      # your data: fill in (my_data:blobs{'bs': 8, 'size': 16, 'seed': 0}: " in text

def test_command_line(theirs, capsys):
    "By its module; the run goes on, is repeated and sampled, with the name given again"
    status, out, err = said(capsys, 'train --data my_data:blobs --bs 8 --size 16 --width 4 --steps 6 --run a')
    assert status == 0, err
    assert said(capsys, 'train --data my_data:blobs --steps 9 --run a')[0] == 0 and Run.open('a').step == 9
    status, out, _ = said(capsys, 'replay a --data my_data:blobs')
    assert status == 0 and 'the same, bit for bit' in out
    assert said(capsys, 'sample a -n 4 --data blobs')[0] == 0
    status, _, err = said(capsys, 'train --data digits --bs 8 --width 4 --size 16 --steps 2 --run b')
    status, _, err = said(capsys, 'train --data my_data:blobs --steps 3 --run b')
    assert status == 2 and '--data digits, not my_data:blobs' in err

@pytest.mark.slow
def test_in_another_process(theirs, tmp_path, capsys):
    "Nothing is known there but the module's name, and that only from the command line"
    assert said(capsys, 'train --data my_data:blobs --bs 8 --width 4 --steps 3 --run a')[0] == 0
    del own_data['blobs']
    status, _, err = said(capsys, 'replay a')
    assert status == 2 and 'my_data:blobs' in err and "which a run's folder may not call" in err and err.count('\n') == 1
    done = subprocess.run([sys.executable, '-m', 'ganlab', *'replay a --data my_data:blobs'.split()], capture_output=True, text=True, cwd=tmp_path, env=dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', PATH=''))
    assert done.returncode == 0 and 'bit for bit' in done.stdout, done.stderr

def test_without_a_word_to_ganlab(tmp_path, monkeypatch, capsys):
    "A plain function in a module, not made known: the command line takes it, with what it takes"
    (tmp_path/'plain.py').write_text('import torch\nfrom torch.utils.data import DataLoader\ndef points(bs=16): return DataLoader(torch.randn(200, 2, generator=torch.Generator().manual_seed(0)), bs, shuffle=True)\n'
                                     'def broken(bs): return 1/0\ndef number(): return 3\n')
    monkeypatch.chdir(tmp_path)
    assert said(capsys, 'train --data plain:points --width 8 --steps 3 --run a')[0] == 0
    assert said(capsys, 'train --data plain:points --steps 5 --run a')[0] == 0 and not own_data
    for line, word in (('plain:points --size 8', 'takes no --size'), ('plain:broken --bs 4', 'broken() failed: ZeroDivisionError: division by zero (plain.py, line 4)'),
                       ('plain:number', 'dls is a int; need DataLoaders'), ('plain:pints', "Did you mean 'points'?"), ('nowhere:at', 'there is no module nowhere')):
        status, _, err = said(capsys, f'train --data {line} --steps 2 --run b')
        assert status == 2 and word in err and err.count('\n') == 1, err

def test_a_folder_does_not_choose_arguments(tmp_path, monkeypatch, capsys):
    "What a run's folder says is handed to nothing but a function that was made known, even where its name is typed"
    (tmp_path/'simple.py').write_text('seen = []\ndef points(bs=16, command=None):\n    seen.append(command)\n    import torch; from torch.utils.data import DataLoader\n    return DataLoader(torch.randn(200, 2), bs)\n')
    monkeypatch.chdir(tmp_path); monkeypatch.syspath_prepend(str(tmp_path))
    assert said(capsys, 'train --data simple:points --width 8 --steps 2 --run a')[0] == 0
    with Run.open('a') as run: facts = run.facts
    import sqlite3
    from ganlab.record.store import pack
    with sqlite3.connect(tmp_path/'a'/'run.sqlite') as db: db.execute("update meta set value=? where key='data'", (pack(dict(facts['data'], made_by=('simple:points', dict(command='rm')))),))
    db.close()
    said(capsys, 'sample a -n 2 --data simple:points')
    assert sys.modules['simple'].seen == [None, None]

def test_made_known(theirs):
    with pytest.raises(ValueError, match='is made by my_data:blobs already; give another name'): add_data(lambda: 3, 'blobs')
    with pytest.raises(TypeError, match='need a function that gives DataLoaders'): add_data(3)
    importlib.reload(theirs)                  # a cell that is run again
    assert own_data['blobs'] is theirs.blobs
