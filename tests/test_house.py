"How the code is written: limits that only ever become stricter (`python tools/house.py --worst` names what stands out)."
import shutil, subprocess, sys
from project import ROOT

sys.path.insert(0, str(ROOT/'tools'))
import house

LIMITS = {                 # what a reader can bear, and, where it is not reached yet, what is reached
    'lines over 120 characters, %': .5,
    'lines over 160 characters, %': .1,
    'statements joined on a line, per 1,000 lines': .2,
    'conditional expressions, per 1,000 lines': 33.,
    'lambdas, per 1,000 lines': 6.,
    'complexity of a function, mean': 3.,
    'functions with a complexity over 10, %': .04,
    'lines of an export cell, median': 9,
    'lines of an export cell, 95 of 100': 22,
    'export cells over 30 lines': 0,
    'notebooks over 200 exported lines': 0,
    'foreign private names, per 1,000 lines': 2.3,
    'foreign private names in tricks/': 0,
    'scripts: lines over 160 characters, %': 2.3,        # a ratchet: nobody has tidied the tests yet
    'scripts: statements joined, per 1,000 lines': 122.,
}

def test_form():
    "All limits at once: to count takes seconds, and each worker would count anew"
    table = house.table()
    over = {name: (table[name], limit) for name, limit in LIMITS.items() if not table[name] <= limit}
    assert not over, f'{over}: python tools/house.py --worst'

def test_ruff():
    "The rules in pyproject.toml hold"
    ruff = shutil.which('ruff', path=str(ROOT/'.venv'/'bin')) or shutil.which('ruff') or [sys.executable, '-m', 'ruff']
    done = subprocess.run([*([ruff] if isinstance(ruff, str) else ruff), 'check', '--output-format', 'concise', '--no-cache'], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
