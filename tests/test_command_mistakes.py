"What goes wrong around the command, a cell and a log: networks of one's own, a reader that goes, a cell that is run again, a night's output."
import io, os, sys
from contextlib import redirect_stdout
import pytest
from ganlab.cli import main
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.base.progress import LogBar
from ganlab.record.store import RunError
from ganlab.record.run import Run
from apart import in_a_child
from strangers import go, one_sentence
import ganlab.compare, ganlab.travel.fork

def data(): return ring_dls(n=500, bs=16)
def nets(): return mlp(width=8, depth=1, seed=0)
def resumed(folder): return GANLearner.resume(folder, data(), *nets(), progress=False)

# Networks of one's own

HEAD = 'from torch import nn\ndef ok(d=2): return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, d)), nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))\n'
MISTAKES = dict(
    no_colon=('mine', '', 'need MODULE:FUNCTION, such as my_module:make'),
    no_function_named=('mine:', '', 'need MODULE:FUNCTION'),
    no_module_named=(':make', '', 'need MODULE:FUNCTION'),
    relative=('.mine:make', '', 'need MODULE:FUNCTION'),
    no_module=('nowhere:make', '', 'there is no module nowhere; start ganlab in the folder of nowhere.py'),
    no_submodule=('mine.deep:make', '', 'there is no module mine.deep'),
    a_file=('mine.py:make', '', 'leave .py out: mine'),
    needs_another=('mine:make', 'import surely_not_installed', "mine cannot be imported: ModuleNotFoundError: No module named 'surely_not_installed' (mine.py, line 3); install"),
    raises=('mine:make', 'x = 1/0', 'mine cannot be imported: ZeroDivisionError: division by zero (mine.py, line 3)'),
    exits=('mine:make', 'raise SystemExit(3)', 'mine cannot be imported: SystemExit: 3 (mine.py, line 3)'),
    syntax=('mine:make', 'def make(:', 'mine cannot be imported: SyntaxError'),
    no_function=('mine:makee', 'make = ok', "mine has no makee. Did you mean 'make'? Need a function"),
    not_callable=('mine:make', 'make = 3', 'make is a int; need a function'),
    a_module_of_torch=('mine:make', 'make = nn.Linear(2, 2)', 'make() failed'),
    fails=('mine:make', 'def make():\n    raise KeyError("width")', "make() failed: KeyError: 'width' (mine.py, line 4)"),
    fails_within_torch=('mine:make', 'def make(): return ok(d="x")', 'make() failed: TypeError'),
    needs_arguments=('mine:make', 'def make(width): return ok()', "make() failed: TypeError: make() missing 1 required positional argument: 'width'; it is called without arguments"),
    nothing=('mine:make', 'def make(): ok()', 'make() returned a NoneType; need two modules: return G, D'),
    one=('mine:make', 'def make(): return ok()[0]', 'make() returned a Sequential'),
    three=('mine:make', 'def make(): return (*ok(), 1)', 'make() returned 3 values: Sequential, Sequential, int'),
    classes=('mine:make', 'def make(): return nn.Linear, nn.Linear', 'make() returned 2 values: type, type'),
    shapes=('mine:make', 'def make(): return ok(d=5)', 'G makes samples of shape (5,)'),
    shapes_of_d=('mine:make', 'def make(): return ok()[0], nn.Linear(7, 1)', 'D does not run'))

@pytest.mark.parametrize('what', MISTAKES)
def test_networks_that_cannot_be_had(what, tmp_path, capsys, monkeypatch):
    text, code, word = MISTAKES[what]
    monkeypatch.chdir(tmp_path); monkeypatch.setattr(sys, 'path', sys.path[:]); monkeypatch.delitem(sys.modules, 'mine', raising=False)
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    (tmp_path/'mine.py').write_text(f'{HEAD}{code}\n')
    status = main(['train', '--data', 'ring', '--run', 'a', '--steps', '3', '--nets', text])
    err = capsys.readouterr().err
    assert status == 2 and word.replace("'", ' ') in err.replace("'", ' ') and err.startswith('ganlab: ') and err.count('\n') == 1 and not (tmp_path/'a').exists(), err
    sys.modules.pop('mine', None)

# A reader that goes, as `head` does

def to_nobody(args, errors)->int: # exit status
    "The command, its output going to a pipe that nobody reads, its errors to a file"
    r, w = os.pipe(); os.close(r)
    err = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(w, 1); os.dup2(err, 2)
    sys.__stdout__ = None
    try: status = main(args)
    except SystemExit as e: status = e.code
    except BaseException as e: print(repr(e), file=sys.stderr)
    try: sys.stdout.flush()      # as the interpreter does at its end
    except BaseException as e: print(repr(e), file=sys.stderr)
    sys.stderr.flush()
    os._exit(status)

@pytest.mark.parametrize('args', [['show', 'a', '--png', ''], ['train', '--data', 'ring', '--bs', '16', '--run', 'a', '--steps', '12'], ['--help'], ['sample', 'a', '-n', '4', '-o', 'out']])
@pytest.mark.part(2)
def test_a_closed_pipe_ends_quietly(args, tmp_path):
    learn = GANLearner(data(), *nets(), seed=0, run='a'); go(learn, 6); learn.run.close()
    assert in_a_child(to_nobody, args, tmp_path/'errors')[0] == 141 and not (tmp_path/'errors').read_text()
    assert Run.open('a').step >= 6 and resumed('a').step >= 6      # nothing holds the folder

# A cell that is run again

class Cell:
    "An IPython that is in a cell, for the nth time"
    def __init__(self): self.now = None, 0
    def get_parent(self): return dict(metadata=dict(cellId=self.now[0]), header=dict(msg_id=f'{self.now[1]}'))

@pytest.fixture
def cell(monkeypatch):
    ip = Cell()
    monkeypatch.setattr('IPython.get_ipython', lambda: ip)
    return ip

def test_a_cell_that_resumes_is_run_again(tmp_path, cell):
    "The learner that it made before lets go of the folder; one of another cell does not"
    learn = GANLearner(data(), *nets(), seed=0, run=tmp_path/'a'); go(learn, 6); learn.run.close()
    cell.now = 'resume', 1; first = resumed(tmp_path/'a'); go(first, 4)
    with pytest.raises(RunError, match='another learner') as e: resumed(tmp_path/'a')      # twice within one execution
    one_sentence(e.value)
    cell.now = 'other', 2
    with pytest.raises(RunError, match='another learner'): resumed(tmp_path/'a')
    cell.now = 'resume', 3; second = resumed(str(tmp_path/'a'/'..'/'a'))
    assert second.step == 10 and second.state_hash() == first.state_hash()      # what the first did is in it
    with pytest.raises(Exception, match='closed'): go(first, 1)
    go(second, 2); second.run.close()
    assert Run.open(tmp_path/'a').step == 12

def test_outside_a_notebook_nothing_is_closed(tmp_path, cell):
    cell.now = None, 1; first = GANLearner(data(), *nets(), seed=0, run=tmp_path/'a'); go(first, 2)
    cell.now = None, 2
    with pytest.raises(RunError, match='another learner'): resumed(tmp_path/'a')
    go(first, 2); first.run.close()

# Output that goes to a file

@pytest.mark.parametrize('gap', [0, 61])
def test_a_log_has_a_line_a_minute(gap, monkeypatch):
    "So many seconds pass between two looks: none, and all of it is told by the lines of the epochs; a minute, and each look is a line"
    at = iter(range(0, 10**6*gap, gap) if gap else [0]*10**6)
    monkeypatch.setattr(LogBar, 'clock', staticmethod(lambda: next(at)))
    learn = GANLearner(data(), *nets(), seed=0)
    with redirect_stdout(io.StringIO()) as said: learn.fit(2)
    text = said.getvalue(); lines = text.splitlines()
    assert '\r' not in text and '█' not in text and lines[0].startswith('epoch') and [l[0] for l in lines if not l.startswith('Epoch')] == ['e', '0', '1']
    assert any(l.startswith('Epoch 2/2 : 100.00% [28/28') and 'd_loss' in l for l in lines) == bool(gap) == (len(lines) > 3)

@pytest.mark.parametrize('train', [lambda l: l.fit_steps(50), lambda l: l.fit(2), lambda l: l.fit_one_cycle(1), lambda l: l.rewind(10, progress=True), lambda l: l.fork(progress=True),
                                   lambda l: ganlab.compare.ab(l, on='ema', steps=25, seeds=2), lambda l: l.lr_find(num_it=20, show_plot=False)])
@pytest.mark.part(2)
def test_no_bar_is_drawn_into_a_file(train):
    learn = GANLearner(data(), *nets(), seed=0); go(learn, 40)
    with redirect_stdout(io.StringIO()) as said: train(learn)
    assert '\r' not in said.getvalue() and '█' not in said.getvalue()

def test_on_a_screen_the_bar_is_drawn(monkeypatch):
    class Screen(io.StringIO):
        def isatty(self): return True
    learn = GANLearner(data(), *nets(), seed=0)
    with redirect_stdout(Screen()) as said: learn.fit_steps(50)
    assert '\r' in said.getvalue() and '100.00% [50/50' in said.getvalue()

# Words

def test_words_of_a_mistake(tmp_path, capsys, monkeypatch):
    "A command line is answered in its own words; a guess is made of a near name only"
    monkeypatch.chdir(tmp_path)
    def err(line):
        assert main(line.split()) == 2 and not (tmp_path/'a').exists()
        return capsys.readouterr().err
    said = err('train --data ring --preset dcgan --steps 2 --run a')
    assert '--preset dcgan has no networks for points' in said and 'wgan_gp_toy' in said and '--nets' in said and 'learn.' not in said
    said = err('train --preset wgan_gp_toy --steps 2 --run a')
    assert '--preset wgan_gp_toy has no networks for images, and --data digits' in said and 'learn.' not in said
    assert "Did you mean 'sngan'?" in err('train --data ring --preset sngn --steps 2 --run a')
    learn = GANLearner(data(), *nets(), seed=0)
    for wrong in ('nope', None, 'xyz'):
        with pytest.raises(ValueError) as e: learn.tricks.on(wrong)
        assert 'Did you mean' not in str(e.value)
    for typo, name in (('emma', 'ema'), ('spectralnorm', 'spectral_norm'), ('label-smooting', 'label_smoothing'), ('gradient_penality', 'gradient_penalty')):
        with pytest.raises(ValueError, match=f"Did you mean '{name}'"): learn.tricks.on(typo)

def test_an_error_of_pytorch_within_a_sentence():
    from torch import nn
    class Flat(nn.Module):
        def __init__(self): super().__init__(); self.line = nn.Linear(2, 1)
        def forward(self, x): return self.line(x.permute(1, 0).view(-1, 2))
    with pytest.raises(ValueError, match='D does not run') as e: GANLearner(data(), nets()[0], Flat(), seed=0)
    assert 'reshape' in str(e.value) and '..' not in str(e.value).replace('(...)', '')
