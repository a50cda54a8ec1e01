"The scripts that hold ganlab to published results, and beliefs to a trial: they run, they go on where they stopped, and the pages tell what they found."
import json, math, sys
import pytest
from project import NBS, ROOT, markdown, read
from ganlab.symptoms.finding import causes
from ganlab.symptoms.pages import of_page, page_of

sys.path.insert(0, str(ROOT/'benchmarks'))
import folklore, published, tell
from rows import Rows, mean_interval

def test_published_results_are_made_once(tmp_path, capsys):
    "A row of the Dirac GAN and one of the ring, with the command that makes it again; a second call makes nothing"
    file = tmp_path/'rows.json'
    def run(*args): published.main([*args, '--steps', '4', '--seeds', '1', '--json', str(file)])
    for _ in range(2):
        run('--part', 'dirac', '--only', 'r1')
        run('--part', 'd2gan', '--only', 'd2gan')
    dirac, ring = json.loads(file.read_text())
    assert dirac['measured'] == pytest.approx([-.15, math.sqrt(.25 - .15**2)], abs=2e-3)
    assert (ring['part'], ring['problem'], ring['seed'], ring['steps']) == ('d2gan', 'ring', 0, 4) and 0 <= ring['modes'] <= 8
    assert ring['command'].endswith('--part d2gan --only d2gan --problem ring --first-seed 0 --seeds 1 --steps 4')
    assert capsys.readouterr().out.count('\n') == 2

def test_a_belief_is_tried_once(tmp_path, capsys):
    "By `ab` where B is a change, and by its parts where it has another length; one that cannot be tried does not end the others"
    file = tmp_path/'rows.json'
    for _ in range(2): folklore.main(['--only', 'rates_ring', 'critic_work_ring', '--steps', '6', '--seeds', '1', '--json', str(file)])
    one, other = json.loads(file.read_text())
    assert (one['belief'], one['steps'], one['steps_b'], other['steps_b']) == ('rates_ring', 6, 6, 2)
    assert math.isfinite(one['a'] + one['b']) and one['a_hash'] != one['b_hash']
    assert capsys.readouterr().out.count('undecided') == 4, 'one seed says nothing'

def rows(a, b, **more):
    return [dict(seed=i, steps=9, a=x, b=y, a_failed='', b_failed='', a_hash=f'a{i}', b_hash=f'b{i}') | more for i, (x, y) in enumerate(zip(a, b))]

A = [0., .02, -.02, .01, -.01]
@pytest.mark.parametrize('b,claim,word', [
    ([-1.1, -1., -.9, -1.05, -.95], 'better', 'supported'), ([-1.1, -1., -.9, -1.05, -.95], 'worse', 'refuted'),
    ([1.1, 1., .9, 1.05, .95], 'better', 'refuted'), ([1.1, 1., .9, 1.05, .95], 'worse', 'supported'),
    ([.013, -.021, .011, -.008, .004], 'better', 'refuted'),         # no gain of a tenth
    ([1.3, -1.2, .5, -.9, .2], 'better', 'undecided'), ([None]*5, 'better', 'refuted')])
def test_verdicts(b, claim, word):
    belief = folklore.Belief('x', 'rates', '', '', None, claim=claim)
    assert folklore.verdict(belief, rows(A, b)) == word
    assert folklore.verdict(belief, rows(A, b)[:4]) == 'undecided'

def test_equal_runs_refute():
    belief = folklore.Belief('x', 'rates', '', '', None)
    assert folklore.verdict(belief, rows(A, A, a_hash='same', b_hash='same')) == 'refuted'

def test_intervals():
    "Student's t: of 1, 2, 3, 4, 5 it is 3 ± 1.96"
    assert mean_interval([1, 2, 3, 4, 5]) == (3, pytest.approx(2.7764*math.sqrt(2.5/5), rel=1e-4))
    assert math.isnan(mean_interval([1, 2])[1])

def test_the_pages_tell_what_was_found():
    "Every figure of these pages is that of the rows: `python benchmarks/tell.py` writes them"
    for path, text in tell.pages().items():
        there = json.loads(path.read_text(encoding='utf-8'))
        assert there['cells'] == json.loads(text)['cells'], path.name
    for name in tell.FAMILIES: assert any(b.family == name for b in folklore.beliefs().values())
    assert {b.family for b in folklore.beliefs().values()} == set(tell.FAMILIES)

def test_published_rows():
    "What converges by theory arrives, what does not does not; and the recipe finds all modes of the ring, and 24 or more of the grid"
    found = Rows(ROOT/'benchmarks'/'published.json', published.KEYS)
    dirac = [r for r in found if r['part'] == 'dirac']
    assert {r['method'] for r in dirac} == set(published.METHODS)
    for r in dirac:
        m = published.METHODS[r['method']]
        if m.known is not None: assert complex(*r['measured']) == pytest.approx(m.known, abs=5e-3), m.title
        if m.published == 'not in it': continue
        for update in ('alternating', 'simultaneous'): assert (r[update]['said'] == 'arrives') is (m.published == 'yes'), m.title
    for problem, least in (('ring', 8), ('grid', 24)):
        mine = [r for r in found if r['part'] == 'recipe' and r['problem'] == problem and r['steps'] == published.RECIPE[problem]]
        assert {r['seed'] for r in mine} >= set(range(5)) and all(r['modes'] >= least for r in mine), problem

def cell(page, name):
    "The text of a cell of a symptom's page"
    nb = json.loads((NBS/'help'/f'{page}.ipynb').read_text(encoding='utf-8'))
    return ''.join(next(c['source'] for c in nb['cells'] if c['id'] == name))

def test_every_symptom_has_its_page():
    "Twenty, all of them in the index; no other ones"
    there = {p.stem for p in (NBS/'help').glob('*.ipynb')} - {'index'}
    assert there == set(tell.SYMPTOMS) == set(of_page) and len(there) == 20
    index = '\n'.join(markdown(read('help/index.ipynb')))
    for page in there: assert index.count(f']({page}.ipynb)') >= 2, page

@pytest.mark.parametrize('page', list(tell.SYMPTOMS))
def test_every_symptom_has_a_verdict(page):
    "Of five seeds, which it names, with the command that makes the rows again"
    found, said = Rows(ROOT/'benchmarks'/'folklore.json', folklore.KEYS), cell(page, 'measured')
    names = tell.SYMPTOMS[page].split()
    assert f"`python benchmarks/folklore.py --only {' '.join(names)}`" in said
    for name in names:
        belief = folklore.beliefs()[name]
        mine = tell.rows_of(belief, found)
        assert {r['seed'] for r in mine} >= set(range(folklore.ENOUGH)), name
        lines = [l for l in said.splitlines() if tell.whole(f'| {belief.on}: {belief.a} | {belief.b}: ') in l]
        assert len(lines) == 1 and f'**{tell.SAYS[folklore.verdict(belief, mine)]}** (seeds 0 to 4' in lines[0], name

@pytest.mark.parametrize('cause', causes)
def test_every_cause_has_a_heading(cause):
    "On the page that a finding names, once in all"
    page, _, anchor = page_of[cause].removeprefix('help/').partition('.html#')
    assert anchor == cause and f'{{#{cause}}}' in cell(page, 'causes')
    assert sum(cell(p, 'causes').count(f'{{#{cause}}}') for p in tell.SYMPTOMS) == 1
    assert f']({page}.ipynb#{cause})' in cell('index', 'causes')
