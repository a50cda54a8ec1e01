"The project as the tests see it: where it is, what it is made of, how to copy it."
import inspect, json, os, re, shutil, subprocess, sys
from collections import Counter, defaultdict
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/'nbs'
GENERATED = shutil.ignore_patterns('.*', '_*.yml', '_proc', '_docs', '__pycache__', 'build', 'dist', '*.egg-info', 'nbdev.yml', 'sidebar.yml', 'runs')

def notebooks():
    "Every notebook, as a path relative to nbs/"
    return sorted(p.relative_to(NBS) for p in NBS.rglob('*.ipynb') if not any(o[0] in '._' for o in p.relative_to(NBS).parts))

def folders():
    "Folder of nbs/ -> its notebooks"
    out = defaultdict(list)
    for nb in notebooks(): out[nb.parent.as_posix()].append(nb)
    return dict(out)

def in_each_folder(check):
    "Of `check(nb, ...)`, which asserts something of a notebook, a test for each folder: as one for each notebook, hundreds of tests that take no time would take half a minute"
    import pytest
    there = folders()
    def test(folder, **fixtures):
        wrong = []
        for nb in there[folder]:
            try: check(nb, **fixtures)
            except Exception as e: wrong.append(f'{nb}: {type(e).__name__}: {e}')
        assert not wrong, '\n'.join(wrong)
    wanted = [p for p in inspect.signature(check).parameters.values() if p.name != 'nb']
    test.__signature__ = inspect.Signature([inspect.Parameter('folder', inspect.Parameter.POSITIONAL_OR_KEYWORD), *wanted])
    test.__name__, test.__doc__, test.__module__ = check.__name__, check.__doc__, check.__module__
    return pytest.mark.parametrize('folder', list(there))(test)

def read(nb): return json.loads((NBS/nb).read_text(encoding='utf-8'))
def source(cell): return ''.join(cell['source'])
def markdown(nb): return [source(c) for c in nb['cells'] if c['cell_type'] == 'markdown']
def code(nb): return [source(c) for c in nb['cells'] if c['cell_type'] == 'code']

def exports_to(nb):
    "The module that a notebook makes, or None"
    lines = [l.split() for src in code(nb) for l in src.splitlines() if l.startswith('#|')]
    return next((l[2] for l in lines if l[1:2] == ['default_exp']), None)

def settings():
    cfg = ConfigParser(delimiters=['='], interpolation=None)
    cfg.optionxform = str
    cfg.read_string((ROOT/'settings.ini').read_text(encoding='utf-8'))
    return cfg

def lines(text): return [o.strip() for o in text.splitlines() if o.strip()]

def copy_project(to, *names):
    "Copies files and folders of the project, without what is generated, to a folder"
    to.mkdir(parents=True, exist_ok=True)
    for name in names:
        src = ROOT/name
        if src.is_dir(): shutil.copytree(src, to/name, ignore=GENERATED)
        else: shutil.copy2(src, to/name)
    return to

def words(text):
    "How often each word stands in a text, targets of links left out"
    return Counter(re.findall(r'\w+', re.sub(r'\]\([^)]*\)', ']', text)))

# What the command `nbdev-proc-nbs` does, without its first act: it downloads Quarto where there is none.
PROCESS = '''
import nbdev.doclinks, nbdev.quarto, nbdev.serve
nbdev.quarto.refresh_quarto_yml()
nbdev.doclinks._build_modidx()
nbdev.serve.proc_nbs(n_workers=0)
'''

def prepare(work):
    "Makes the folder `work` a copy of the project, with what nbdev prepares for Quarto in `_proc`"
    shutil.rmtree(work, ignore_errors=True)
    copy_project(work, 'nbs', 'ganlab', 'benchmarks', 'tools', 'pyproject.toml', '_quarto.yml')
    (work/'nbs'/'_quarto.yml').write_bytes((ROOT/'_quarto.yml').read_bytes())
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(work), str(work/'tools')])}
    done = subprocess.run([sys.executable, '-c', PROCESS], cwd=work, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    (work/'prepared').touch()
