"The package installs with all that it needs and nothing else, and its modules keep to their layers."
import ast, os, re, subprocess, sys, tomllib, zipfile
from importlib.metadata import PathDistribution
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT, copy_project, exports_to, lines, notebooks, read, settings

CORE = [Requirement(o) for o in lines(settings()['requirements']['core'])]
EXTRAS = {k: [Requirement(o) for o in lines(v)] for k, v in settings()['extras'].items()}
SOURCES = {p.relative_to(ROOT).with_suffix('').as_posix().replace('/', '.'): ast.parse(p.read_text(encoding='utf-8'))
           for p in sorted((ROOT/'ganlab').rglob('*.py')) if p.name != '__init__.py'}

def names(reqs): return {canonicalize_name(r.name) for r in reqs}

# The wheel

@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    "The project built, and unpacked into a folder of its own"
    tmp = tmp_path_factory.mktemp('wheel')
    work = copy_project(tmp/'copy', *'ganlab pyproject.toml settings.ini setup.py MANIFEST.in LICENSE README.md constraints.txt'.split())
    done = subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w', tmp, work], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    whl, = tmp.glob('ganlab-*.whl')
    zipfile.ZipFile(whl).extractall(tmp/'site')
    return tmp/'site'

def test_contents(wheel):
    "Every module is in it, those of the sub-packages too, and nothing beside them"
    def files(top): return {p.relative_to(top).as_posix() for p in (top/'ganlab').rglob('*') if p.is_file() and '__pycache__' not in p.parts}
    assert files(wheel) == files(ROOT)
    assert sorted(p.name.partition('-')[0] for p in wheel.iterdir()) == ['ganlab', 'ganlab']

def test_quickstart(wheel):
    "`ganlab lab` finds its notebook where there is no repository"
    code = f"import sys; sys.path.insert(0, {str(wheel)!r}); import ganlab.commands.jupyter; assert ganlab.__file__.startswith({str(wheel)!r}); print(ganlab.commands.jupyter.quickstart('.').read_text()[:300])"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'})
    assert done.returncode == 0 and '"cells"' in done.stdout, done.stderr

def test_metadata(wheel):
    "What settings.ini says has arrived"
    d = PathDistribution(next(wheel.glob('*.dist-info')))
    assert d.metadata['License-Expression'] == 'Apache-2.0' and d.metadata['Author'] == settings()['metadata']['author']
    assert {Requirement(o) for o in d.requires if 'extra ==' not in o} == set(CORE)
    assert set(d.metadata.get_all('Provides-Extra')) == set(EXTRAS)
    scripts = {e.name: e.value for e in d.entry_points if e.group == 'console_scripts'}
    assert scripts == {k: v.strip() for k, v in settings()['console_scripts'].items()}

def test_scripts_are_dynamic():
    "setuptools drops the console scripts without a word unless both are named"
    project = tomllib.loads((ROOT/'pyproject.toml').read_text(encoding='utf-8'))['project']
    assert {'scripts', 'entry-points', 'dependencies', 'optional-dependencies'} <= set(project['dynamic'])

IMPORT_ALL = '''
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {absent!r}: raise ModuleNotFoundError('not installed: ' + name, name=name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, {site!r})
import ganlab
assert ganlab.__file__.startswith({site!r}), ganlab.__file__
assert 'torch' not in sys.modules
import importlib, pkgutil
for m in pkgutil.walk_packages(ganlab.__path__, 'ganlab.'): importlib.import_module(m.name)
assert 'fastai.vision.augment' not in sys.modules
'''

def test_imports_without_extras(wheel):
    "Every module imports with no JupyterLab, no developer's tool and no torchvision about; the package alone does not load torch"
    only = {o.replace('-', '_') for o in names(sum(EXTRAS.values(), [])) - names(CORE) - {'ganlab'}}
    code = IMPORT_ALL.format(absent=only | {'torchvision'}, site=str(wheel))
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]

# Requirements

DISTRIBUTION = {'PIL': 'pillow', 'sklearn': 'scikit-learn', 'IPython': 'ipython', 'yaml': 'pyyaml'}

def imports(tree):
    "Pairs (module, whether it is imported when the importing module is)"
    inner = {id(n) for f in ast.walk(tree) if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) for n in ast.walk(f)}
    for n in ast.walk(tree):
        if isinstance(n, ast.Import): yield from ((a.name, id(n) not in inner) for a in n.names)
        elif isinstance(n, ast.ImportFrom) and not n.level: yield n.module, id(n) not in inner

def test_imports_are_declared():
    "What a module imports is a requirement; what a function imports may be one of an extra"
    extras = names(sum(EXTRAS.values(), []))
    for mod, name, at_once in ((mod, *o) for mod, tree in SOURCES.items() for o in imports(tree)):
        top = name.partition('.')[0]
        assert not name.startswith(('torchvision', 'fastai.vision.all', 'fastai.vision.augment')), name
        if top in sys.stdlib_module_names or top == 'ganlab': continue
        assert canonicalize_name(DISTRIBUTION.get(top, top)) in names(CORE) | (set() if at_once else extras), f'{mod} imports {name}'

def test_constraints():
    "One pin for each requirement, within its range, the same for every machine"
    pins = dict(l.split('==') for l in lines((ROOT/'constraints.txt').read_text(encoding='utf-8')) if not l.startswith('#'))
    assert all(re.fullmatch(r'[\w.]+', v) for v in pins.values()), 'no local versions, no paths'
    pins = {canonicalize_name(k): v for k, v in pins.items()}
    for r in CORE + sum(EXTRAS.values(), []):
        if r.name != 'ganlab': assert r.specifier.contains(pins[canonicalize_name(r.name)]), r
    assert {'torch', 'torchvision'} <= set(pins)

# Modules

LAYERS = [o.split() for o in (        # what may import what: a module imports from the lines above its own, or from its own
    'base.files steer.words steer.box steer.window steer.pulse steer.news steer.remote base.checks base.late base.progress base.interrupt base.decoding base.neighbours base.views base.spelled engine.lending engine.team engine.agreeing engine.ranks engine.dealing',
    'engine.draws engine.game engine.inside engine.tensors engine.layers engine.still engine.reach engine.habits engine.meters engine.scalars engine.parameters engine.pacing engine.register engine.measuring engine.state engine.optimizers engine.adam_step engine.graphs engine.rng loss losses judge.verdict',
    'sources',
    'engine.schedules engine.values trick engine.probe data nets',
    'engine.sites engine.odd_layers engine.surgery engine.conditional engine.translating engine.branches engine.enrolment engine.folding engine.norms engine.carried engine.level engine.stages engine.styling engine.twice engine.named_state engine.handover engine.snapshots engine.rollback engine.unsuited metrics quality plots',
    'engine.orders engine.turnstile engine.given engine.change engine.standing engine.queue engine.rates engine.callbacks engine.fastai_events engine.kinds engine.applying engine.switch engine.asking engine.scores engine.wrapping engine.rows engine.summary engine.meeting engine.recovery engine.abreast engine.together engine.whole engine.in_force engine.boundary engine.grid engine.looking engine.saving engine.fastai_loop engine.late_rows engine.held_inputs engine.captured engine.fast tricks',
    'record.remains record.packing record.schema record.folder record.database record.chunks record.store record.changes record.reading record.beside record.grids record.pictures record.thinning record.writing record.taking record.facts record.requests record.mail record.locking record.lines record.run',
    'loggers',
    'learner',
    'travel.compared travel.sent travel.again travel.remade travel.resume travel.lookback travel.scores travel.carried travel.fork travel.trial travel.script travel.formats travel.leaving travel.walk judge.rejection judge.one_sample judge.nearest judge.sibling judge.wishes judge.arm judge.shown judge.evidence judge.telling judge.figure compare recipe presets catalogue run stopping steer.answering',
    'checkup',
    'symptoms',
    'doctor alerts',
    'cases clinic',
    'search',
    'pbt',
    'sweep population study',
    'panels',
    'page.document page.small page.changes page.strands page.story page.scene',
    'player attached lab',
    'commands process',
    'cli',
    'all __main__')]

def level(mod):
    "The line that names a module, or else its package"
    name = mod.removeprefix('ganlab.')
    found = [i for i, layer in enumerate(LAYERS) if name in layer or name.partition('.')[0] in layer]
    assert len(found) == 1, f'{mod} stands in {len(found)} layers: it must be in one'
    return found[0]

def inner_imports(mod):
    "The modules of the package that one imports when it is imported"
    package = mod.rpartition('.')[0]
    for n in SOURCES[mod].body:
        if isinstance(n, ast.Import): yield from (a.name for a in n.names if a.name.startswith('ganlab.'))
        if not isinstance(n, ast.ImportFrom) or not n.level: continue
        base = '.'.join(package.split('.')[:len(package.split('.')) - n.level + 1] + [n.module] * bool(n.module))
        yield from [base] if base in SOURCES else (f'{base}.{a.name}' for a in n.names)

def test_layers():
    "A module imports from its own layer or from those below; inside a function it may look up"
    for mod in SOURCES.keys() - {'ganlab'}:
        for there in inner_imports(mod): assert level(there) <= level(mod), f'{mod} imports {there}'

def test_no_circles():
    "Whatever a module imports does not lead back to it"
    done = set()
    def visit(mod, path):
        assert mod not in path, ' -> '.join([*path, mod])
        if mod in done: return
        for there in inner_imports(mod): visit(there, [*path, mod])
        done.add(mod)
    for mod in SOURCES: visit(mod, [])
    assert len(done) == len(SOURCES)

def test_all_is_complete():
    "`from ganlab.all import *` gives what these modules make public, by name or (where its names are too plain for that) as a module"
    import importlib
    everything = importlib.import_module('ganlab.all')
    for mod in 'data nets losses trick learner metrics lab engine.rng engine.switch engine.meters record.run travel.fork'.split():
        missing = set(importlib.import_module(f'ganlab.{mod}').__all__) - set(everything.__all__)
        assert not missing, f'{mod}: {sorted(missing)}'
