"What is opened is closed: a clean end leaves a run's own files, and nothing of SQLite's beside them."
import subprocess, sys
import pytest
from project import code, read
from ganlab.cli import main
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.player import export_html
from ganlab.record.run import Run
from strangers import one_sentence
import ganlab.travel.fork, ganlab.travel.resume

def new(**kw): return GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0, **kw)
def beside(folder): return sorted(p.name for p in folder.iterdir() if p.name.endswith(('-wal', '-shm')))

def test_the_commands_leave_nothing_beside_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train = 'train --data ring --width 8 --bs 16 --run a --steps'
    for line in (f'{train} 3', f'{train} 5', 'show a --png a.png', 'export a a.html', 'sample a -n 4 -o out', 'replay a', f'{train} 5'):
        assert main(line.split()) == 0, line
        assert not beside(tmp_path/'a'), line

def test_a_run_open_for_reading_is_closed(tmp_path):
    "Twice is once; and a closed one can be asked, as one that was recorded can"
    learn = new(run=tmp_path/'a')
    learn.fit_steps(3, progress=False)
    with Run.open(tmp_path/'a') as early: assert early.store.is_open      # while another writes
    assert not early.store.is_open
    reader = Run.open(tmp_path/'a')
    learn.run.close()
    reader.close(); reader.close()
    assert not reader.store.is_open and not beside(tmp_path/'a')
    assert reader.step == 3 and len(reader.scalars()) == 3 and not beside(tmp_path/'a')
    export_html(tmp_path/'a', tmp_path/'a.html')
    mine = Run.open(tmp_path/'a')
    export_html(mine, tmp_path/'b.html')
    assert mine.store.is_open
    mine.close()
    assert not beside(tmp_path/'a')
    GANLearner.resume(tmp_path/'a', ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), progress=False).run.close()

def test_no_run_within_a_run(tmp_path):
    new(run=tmp_path/'a').run.close()
    for inner in ('b', 'snapshots/b', 'b/c/d'):
        with pytest.raises(ValueError, match="a run's folder, in which nothing else is written") as e: new(run=tmp_path/'a'/inner)
        one_sentence(e.value)
        assert not (tmp_path/'a'/'b').exists()
    (tmp_path/'link').symlink_to(tmp_path/'a'/'b')
    with pytest.raises(ValueError, match="a run's folder"): new(run=tmp_path/'link')
    (tmp_path/'note').write_text('mine')
    with pytest.raises(ValueError, match='note is a file; give a folder'): new(run=tmp_path/'note')

@pytest.mark.parametrize('module', ['ganlab', pytest.param('ganlab.cli', marks=pytest.mark.slow)])
def test_the_command_as_a_module(module, tmp_path):
    done = subprocess.run([sys.executable, '-m', module, 'show', 'nowhere'], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith('ganlab: nowhere holds no run'), done.stderr

def test_the_how_to_in_its_order(tmp_path):
    "The rewind and what follows, with a hundredth of the steps"
    block = next(b for b in code(read('howto/runs.ipynb')) if 'learn.undo()' in b)
    lines = block[block.index('learn.fit_steps'):block.index('ab(learn')].replace('00)', ')')
    learn = new(run=tmp_path/'a')
    exec(lines, made := dict(learn=learn))
    assert made['other'].step == learn.step == 5 and not learn.tricks['spectral_norm'].enabled
    learn.run.close()
