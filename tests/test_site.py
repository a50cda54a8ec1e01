"What the documentation site is made from: the sidebar, the links, the pages that nbdev prepares for Quarto."
import os, re, subprocess, sys
from fnmatch import fnmatch
from urllib.parse import unquote
import pytest, yaml
from project import ROOT, NBS, copy_project, markdown, notebooks, read

CONFIG = yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8'))

def targets(contents):
    "The files and globs that a sidebar names"
    for o in [contents] if isinstance(contents, str) else contents:
        if isinstance(o, str): yield o
        elif 'contents' in o: yield from targets(o['contents'])
        else: yield from targets(o.get('auto') or o['href'])

def test_config():
    assert (NBS/'_quarto.yml').resolve() == ROOT/'_quarto.yml'
    assert CONFIG['format']['html']['theme'] == 'default', 'the other themes load a font from the web'
    assert (NBS/CONFIG['format']['html']['css']).exists()

def test_sidebar():
    "Every page is in the sidebar, once, and every file that the sidebar names exists"
    globs = list(targets(CONFIG['website']['sidebar']['contents']))
    for g in globs: assert '*' in g or (NBS/g).exists(), g
    def matches(page, g): return fnmatch(page, g) and page.count('/') == g.count('/')
    for page in map(str, notebooks()): assert [matches(page, g) for g in globs].count(True) == 1, page

def anchors(nb):
    "The ids that Quarto gives to headings"
    for line in re.findall(r'^#{1,6} +(.+)$', '\n'.join(markdown(read(nb))), re.M):
        if m := re.search(r'\{#([\w-]+)[^}]*\}', line): yield m[1]
        yield re.sub(r'^[^a-z]+', '', re.sub(r'\s', '-', re.sub(r'[^\w\s.-]', '', line.strip().lower())))

def links(md):
    "Targets of links and images in a markdown cell, code left out"
    md = re.sub(r'```.*?```|~~~.*?~~~|`[^`\n]*`', '', md, flags=re.S)
    return re.findall(r'\]\(\s*<?([^)\s>]+)', md) + re.findall(r'<(?:a|img|iframe|video|source)\b[^>]*?\b(?:href|src)="([^"]+)"', md)

def find_page(folder, name):
    "The file that a link names; a page may be named by its notebook or by its .html, which has no number in front"
    path = (folder/name).resolve()
    if path.is_file() or path.suffix != '.html': return path
    return next((p for p in path.parent.glob('*.ipynb') if re.sub(r'^\d+_', '', p.stem) == path.stem), path)

@pytest.mark.parametrize('nb', [pytest.param(nb, id=nb.as_posix()) for nb in notebooks()])
def test_links(nb):
    "Every link and image of a notebook that stays in the project leads somewhere, to the heading if it names one"
    wrong = []
    for md in markdown(read(nb)):
        for link in links(md):
            if re.match(r'[a-z]+:', link): continue
            name, _, anchor = unquote(link).partition('#')
            page = find_page((NBS/nb).parent, name) if name else NBS/nb
            if not page.is_file() or not page.is_relative_to(ROOT): wrong.append(link)
            elif anchor and page.suffix == '.ipynb' and anchor not in anchors(page): wrong.append(link)
    assert not wrong, wrong

def test_readme_links():
    text = (ROOT/'README.md').read_text(encoding='utf-8')
    for link in links(text): assert re.match(r'[a-z]+:|#', link) or (ROOT/link.partition('#')[0]).exists(), link

# What the command `nbdev-proc-nbs` does, without its first act: it downloads Quarto where there is none.
PROCESS = '''
import nbdev.doclinks, nbdev.quarto, nbdev.serve
nbdev.quarto.refresh_quarto_yml()
nbdev.doclinks._build_modidx()
nbdev.serve.proc_nbs(n_workers=0)
'''

def test_proc_nbs(tmp_path):
    "nbdev prepares every page for Quarto"
    work = copy_project(tmp_path/'copy', 'nbs', 'ganlab', 'pyproject.toml', '_quarto.yml')
    (work/'nbs'/'_quarto.yml').write_bytes((ROOT/'_quarto.yml').read_bytes())
    env = {**os.environ, 'PYTHONPATH': str(work)}
    done = subprocess.run([sys.executable, '-c', PROCESS], cwd=work, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    for nb in notebooks(): assert (work/'_proc'/nb).exists(), nb
    players = [p.relative_to(ROOT/'nbs') for p in (ROOT/'nbs').glob('tutorials/players/*.html')]
    for p in players: assert (work/'_proc'/p).read_bytes() == (ROOT/'nbs'/p).read_bytes(), p

def test_players():
    "Quarto copies them, and each is embedded in a page"
    players = sorted((NBS/'tutorials'/'players').glob('*.html'))
    assert players and all(any(fnmatch(p.relative_to(NBS).as_posix(), g) for g in CONFIG['project']['resources']) for p in players)
    for p in players: assert any(re.search(rf'<iframe src="[^"]*{re.escape(p.name)}"[^>]* title="', md) for nb in notebooks() for md in markdown(read(nb))), p
