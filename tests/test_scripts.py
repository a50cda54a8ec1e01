"The .js and .css files: in the form that prettier gives, without what eslint finds, right in what they compute, and whole when they are put together."
import re, shutil, subprocess
from collections import Counter
import pytest
from conftest import CI
from ganlab.base.views import needed, script, source
from ganlab.page.document import JS_PAGE
from project import ROOT

SCRIPTS = sorted(p.relative_to(ROOT/'ganlab').as_posix() for p in (ROOT/'ganlab').rglob('*.js'))
VIEWS = [p for p in SCRIPTS if 'export default' in source(p)]
absent = pytest.fail if CI else pytest.skip

def node(*args):
    "Runs a command in the project; the absence of Node is a failure in CI only"
    if not shutil.which(args[0]): absent(f'no {args[0]}')
    done = subprocess.run(args, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

def test_form():
    "prettier and eslint have nothing to say"
    if shutil.which('npm') and not (ROOT/'node_modules').exists(): absent('prettier and eslint are not installed: npm ci')
    node('npm', 'run', '--silent', 'check')

def test_what_is_computed():
    "Node runs tests/js"
    node('node', '--test', *map(str, sorted((ROOT/'tests'/'js').glob('*.test.js'))))

@pytest.mark.parametrize('path', [*VIEWS, 'page/player.js'])
def test_names_are_told_apart(path):
    "No two files that are put together define the same name, and each is there once"
    files = needed(path)
    names = Counter(re.findall(r'^(?:export )?(?:async )?(?:function|const|let|class) (\w+)', ''.join(map(source, files)), re.M))
    assert len(set(files)) == len(files) and names and max(names.values()) == 1, [n for n, k in names.items() if k > 1]

def test_together(tmp_path):
    "What browsers get is JavaScript, without imports"
    for path in VIEWS:
        text = script(path)
        assert len(re.findall(r'^export default', text, re.M)) == 1 and not re.search(r'^(import|export (?!default))', text, re.M)
        (tmp_path/'view.mjs').write_text(text, encoding='utf-8')
        node('node', '--check', str(tmp_path/'view.mjs'))
    (tmp_path/'page.cjs').write_text(JS_PAGE, encoding='utf-8')
    node('node', '--check', str(tmp_path/'page.cjs'))

def test_every_file_is_used():
    "Each script is part of a view or of the page"
    assert {f for p in [*VIEWS, 'page/player.js'] for f in needed(p)} == set(SCRIPTS)
