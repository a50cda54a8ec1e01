"What is generated agrees with what it is generated from, and the notebooks are clean."
import ast, json, os, re, subprocess, sys
from copy import deepcopy
import pytest
from project import ROOT, NBS, code, copy_project, exports_to, in_each_folder, markdown, notebooks, read, settings, lines, source

sys.path.insert(0, str(ROOT/'tools'))
import copies, readme

MACHINE_PATH = re.compile(r'(?<![\w.:/~-])/(?:home|root|Users|tmp|var|opt|mnt|work)/\w|[A-Z]:\\\\?Users')

def modules(folder): return {p.relative_to(folder).as_posix(): p.read_text(encoding='utf-8') for p in sorted(folder.rglob('*.py'))}

def test_export(tmp_path):
    "Exporting the notebooks again gives the package as it stands"
    work = copy_project(tmp_path/'copy', 'nbs', 'pyproject.toml', 'settings.ini', 'README.md')
    (work/'ganlab').mkdir()
    for own in ('__init__.py', '__main__.py'): (work/'ganlab'/own).write_text((ROOT/'ganlab'/own).read_text(encoding='utf-8'), encoding='utf-8')      # in no notebook
    env = {k: v for k, v in os.environ.items() if k != 'IN_TEST'}
    subprocess.run([sys.executable, '-c', 'from nbdev.doclinks import nbdev_export; nbdev_export()'], cwd=work, env=env, check=True)
    made, here = modules(work/'ganlab'), modules(ROOT/'ganlab')
    differ = sorted(k for k in made.keys() | here.keys() if made.get(k) != here.get(k))
    assert not differ, 'not what the notebooks export (run `make export`): ' + ', '.join(differ)
    assert (work/'pyproject.toml').read_text() == (ROOT/'pyproject.toml').read_text()

@in_each_folder
def test_clean(nb):
    "As `nbdev-clean` leaves it: no counts, no foreign metadata, kernelspec python3"
    from nbdev.clean import clean_nb
    d = read(nb); was = deepcopy(d)
    clean_nb(d)
    assert d == was, f'run `.venv/bin/nbdev-clean --fname nbs/{nb}`'
    assert d['metadata'].get('kernelspec', {}).get('name') == 'python3'
    assert set(d['metadata']) <= {'kernelspec'}, 'no widget state, no front matter'
    assert (d['nbformat'], d['nbformat_minor']) == (4, 5)
    ids = [c['id'] for c in d['cells']]
    assert len(ids) == len(set(ids))
    assert not any(c.get('execution_count') for c in d['cells'])

@in_each_folder
def test_outputs(nb):
    "Small, with no live widgets and nothing of the machine that made them"
    d, size = read(nb), (NBS/nb).stat().st_size
    assert size <= (150_000 if exports_to(d) else 1_000_000), f'{size} bytes'
    for c in d['cells']:
        assert not MACHINE_PATH.search(source(c)), source(c)
        for o in c.get('outputs', []):
            assert o['output_type'] != 'error', source(c)
            assert 'application/vnd.jupyter.widget-view+json' not in o.get('data', {}), source(c)
            for kind, v in {**o.get('data', {}), 'text': o.get('text', '')}.items():
                v = ''.join(v) if isinstance(v, list) else str(v)
                assert len(v) <= 60_000, f'{kind} of {len(v)} bytes after: {source(c)}'
                if not kind.startswith('image/'): assert not MACHINE_PATH.search(v), v[:500]

@in_each_folder
def test_form(nb):
    "A title, a line on what the reader gains, and a module of the notebook's name"
    d = read(nb)
    assert re.fullmatch(r'# .+\n+> .+(\n+- [a-z-]+: .+)?', markdown(d)[0].strip()), 'a cell of its own: the first heading, then one line that starts with `> `; nbdev makes the head of the page of it'
    if mod := exports_to(d):
        assert mod == re.sub(r'^\d\d_', '', nb.with_suffix('').as_posix()).replace('/', '.')
        assert 'nbdev_export()' in code(d)[-1] and '#| hide' in code(d)[-1]

def test_readme():
    "README.md is index.ipynb without what only a site can show, and says why each package is needed"
    text = (ROOT/'README.md').read_text(encoding='utf-8')
    assert text == readme.render(read('index.ipynb')), 'run `make export`'
    assert '```sh\nmake lab' in text and '\nmake test' in text and '<iframe' not in text and ':::' not in text
    for r in lines(settings()['requirements']['core']):
        name = re.match(r'[\w-]+', r)[0]
        assert f'\n| {name} | ' in text, name

@pytest.mark.parametrize('path', [pytest.param(p, id=p.name) for p in copies.copies()])
def test_copies(path):
    "The quickstart that the package brings is the one of the documentation, and its players are on the page as it is"
    assert path.read_text(encoding='utf-8') == copies.copies()[path], 'run `make export`'

def test_the_quickstart():
    "Its page shows what came out; the copy that is worked in has no outputs: JupyterLab trusts none of another machine, and would not show the panel after a reload"
    page, copy = (json.loads(p.read_text(encoding='utf-8')) for p in (copies.START, copies.COPY))
    kinds = [kind for c in page['cells'] for o in c.get('outputs', []) for kind in o.get('data', {})]
    assert kinds.count('image/png') >= 3 and 'text/html' in kinds
    assert not any(c.get('outputs') for c in copy['cells'])

def unused(path):
    tree = ast.parse(path.read_text(encoding='utf-8'))
    imports = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) and getattr(n, 'module', '') != '__future__']
    names = {a.asname or a.name for n in imports for a in n.names if '.' not in a.name}        # `import a.b` is there for what it does
    public = {e.value for n in tree.body if isinstance(n, ast.Assign) and getattr(n.targets[0], 'id', '') == '__all__' for e in n.value.elts}      # some come from below
    return sorted(names - public - {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)})

def test_imports_are_used():
    "A module imports what it uses; what its notebook shows beside that imports for itself"
    paths = [p for p in (ROOT/'ganlab').rglob('*.py') if p.name not in ('__init__.py', 'all.py', '_modidx.py')]
    assert len(paths) > 60 and {p.name: u for p in paths if (u := unused(p))} == {}
