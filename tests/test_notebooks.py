"Every notebook runs from top to bottom, each in a process of its own."
import os, sys, time
import pytest
from apart import server
from project import ROOT, copy_project, notebooks

def run(nb, log):
    "Runs one notebook in this process, what it says going to a file; ends the process with 0 if all went well"
    out = os.open(log, os.O_WRONLY | os.O_CREAT)
    for fd in (1, 2): os.dup2(out, fd)
    import torch
    from nbdev.test import test_nb
    torch.set_num_threads(1)
    sys.path.insert(0, str(ROOT))
    os.environ['IPYTHONDIR'] = str(nb.parent/'.ipython')
    start = time.process_time()
    ok, _ = test_nb(nb, skip_flags=['slow', 'cuda'], profile=False)
    print(f'\ncpu {time.process_time() - start}', flush=True)
    sys.exit(not ok)

@pytest.fixture(scope='session')
def running(tmp_path_factory):
    "running(notebook) -> exit code, what it said; on a copy: what it writes is thrown away"
    work = copy_project(tmp_path_factory.mktemp('notebooks'), 'nbs', 'benchmarks', 'pyproject.toml')
    (work/'ganlab').symlink_to(ROOT/'ganlab')
    # Importing torch and fastai takes longer than most notebooks (and the first optimiser imports torch._dynamo): a server does it once, and each notebook's process is a fork of it
    fresh = server()
    def job(nb):
        log = work/f'{nb.as_posix().replace("/", "-")}.log'
        p = fresh.Process(target=run, args=(work/'nbs'/nb, log), daemon=False)
        p.start()
        p.join(850)
        if hung := p.is_alive(): p.kill(); p.join()
        return p.exitcode, log.read_text(errors='replace') + ('\nkilled: it hung' if hung else '')
    return job

# Trainings take long: of the notebooks that consist of them the gate runs some, and `make test-all` each
DEAR = dict(tricks=8, tutorials=4, search=2, help=3)
DEAREST = 'sweep.ipynb', 'population.ipynb', 'travel/script.ipynb', 'judge/verdict.ipynb'      # what they show has tests of its own
def marks(nb):
    if nb.as_posix() in DEAREST: return pytest.mark.slow
    return pytest.mark.part(DEAR[nb.parts[0]]) if nb.parts[0] in DEAR else ()

@pytest.mark.parametrize('nb', [pytest.param(nb, id=nb.as_posix(), marks=marks(nb)) for nb in notebooks()])
def test_notebook(nb, running, record_property):
    code, said = running(nb)
    for line in said.splitlines():
        if line.startswith('cpu '): record_property('cpu', float(line.split()[1]))
    if code: pytest.fail(f'{nb} (exit code {code})\n{said[-8000:]}', pytrace=False)
