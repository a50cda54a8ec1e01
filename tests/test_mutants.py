"The faults of benchmarks/mutants.py can still be built in, and the tests that should see them are there. (They are built in by hand: see benchmarks/README.md.)"
import re, sys
from collections import Counter
from project import NBS, ROOT

sys.path.insert(0, str(ROOT/'benchmarks'))
import mutants
from mutants import MUTANTS, applies, mutated, node_id

LAYERS = {'base', 'data', 'sources', 'engine', 'learner', 'losses', 'metrics', 'nets', 'record', 'travel', 'judge', 'compare', 'panels', 'page', 'tricks', 'trick',
          'recipe', 'commands', 'cli', 'player', 'lab', 'views'}

def test_they_apply():
    "Each one's old text stands exactly once in the notebook's export cells and once in the module, and the new one is another"
    wrong = {m.name: why for m in MUTANTS if (why := applies(m))}
    assert not wrong, 'benchmarks/mutants.py: a row needs a text that is there, once'
    assert not [m.name for m in MUTANTS if m.old == m.new or not m.old.strip()]

def test_their_tests_are_there():
    gone = []
    for m in MUTANTS:
        for short in m.tests.split():
            path, _, test = node_id(short).partition('::')
            if short.startswith('nb:'): there = (NBS/f'{short[3:]}.ipynb').exists()
            else: there = (ROOT/path).exists() and (not test or re.search(rf'^def {test}\(', (ROOT/path).read_text(encoding='utf-8'), re.M))
            if not there: gone.append((m.name, short))
    assert not gone and all(m.tests.split() for m in MUTANTS)

def test_a_fault_is_in_both():
    m = MUTANTS[0]
    for path in m.files(ROOT):
        was, now = path.read_text(encoding='utf-8'), mutated(m, path)
        assert now.count(m.new) == was.count(m.new) + 1 and len(now) == len(was) + len(m.new) - len(m.old)

def test_all_layers_have_some():
    layers = Counter(m.layer for m in MUTANTS)
    assert set(layers) >= LAYERS and len(MUTANTS) >= 60 and max(layers.values()) <= len(MUTANTS)/3
    assert max(Counter(m.name for m in MUTANTS).values()) == 1

def test_a_text_that_is_gone_or_there_twice(tmp_path):
    "Is told, and nothing is changed"
    for name in ('ganlab', 'nbs'): (tmp_path/name).mkdir()
    m = mutants.Mutant('one', 'losses', 'old', 'new', 'test_losses')
    (tmp_path/'ganlab'/'losses.py').write_text('old')
    (tmp_path/'nbs'/'losses.ipynb').write_text('{"cells": [{"cell_type": "code", "source": ["#| export\\n", "old = 1\\n", "new = old"]}, {"cell_type": "code", "source": ["old"]}]}')
    assert applies(m, tmp_path) == "'old' is 2 times in nbs/losses.ipynb"
    assert applies(m._replace(old='old = 1'), tmp_path) == "'old = 1' is 0 times in ganlab/losses.py"
    assert applies(m._replace(where='gone'), tmp_path) == 'ganlab/gone.py is not there'
