"What the documentation site is made from: the sidebar, the links, the pages that nbdev prepares for Quarto."
import json, re, shutil, sys
from fnmatch import fnmatch
from urllib.parse import unquote
import pytest, yaml
from project import ROOT, NBS, copy_project, in_each_folder, markdown, notebooks, read, source, words

sys.path.insert(0, str(ROOT/'tools'))
import copies, sidebar

CONFIG = yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8'))

def test_config():
    assert (NBS/'_quarto.yml').resolve() == ROOT/'_quarto.yml'
    page = CONFIG['format']['html']
    assert page['theme'] == dict(light='default', dark='dark.scss') and page['respect-user-color-scheme'], 'other themes load a font from the web'
    assert 'url(' not in (NBS/'dark.scss').read_text() + (NBS/page['css']).read_text()
    assert page['html-math-method'] == 'mathml', 'the others load a script from the web'

def entries(contents, path=()):
    "(sections above it, entry) of all pages in a sidebar"
    for o in contents:
        if 'contents' in o: yield from entries(o['contents'], (*path, o['section']))
        else: yield path, o

def where():
    "page -> (sections above it, what it is called)"
    return {o['href']: (p, o['text']) for b in sidebar.sidebar() for p, o in entries(b['contents'], (b['title'],))}

def test_sidebar():
    "Every page but the home page once; a trick under what it is for; in the reference a title in plain words with the module beneath it"
    from ganlab.trick import find_tricks, purposes
    bars = sidebar.sidebar()
    found = [o['href'] for b in bars for _, o in entries(b['contents'])]
    assert sorted(found + ['index.ipynb']) == sorted(nb.as_posix() for nb in notebooks())
    assert [b['title'] for b in bars] == ['Learn', 'Symptoms', 'Tricks', 'How to', 'Gallery', 'Reference', 'About']
    assert where()['tutorials/quickstart.ipynb'] == (('Learn',), 'Quickstart') and where()['learner.ipynb'][1] == 'The learner `learner`'
    for t in find_tricks():
        if t.__module__.startswith('ganlab.tricks.'):
            assert where()[f'tricks/{t.__module__.rpartition(".")[2]}.ipynb'] [0] == ('Tricks', t.purpose) and t.purpose in purposes, t.name
    assert CONFIG['metadata-files'] == ['nbdev.yml', 'sidebar.yml']

def test_the_bar_on_top_leads_into_each_sidebar():
    bar = {o['text']: o['href'] for o in CONFIG['website']['navbar']['left']}
    assert {t: where()[to][0][0] for t, to in bar.items()} == {t: t for t in bar}
    assert list(bar) == [b['title'] for b in sidebar.sidebar()]

def test_a_new_page_is_in_the_sidebar(monkeypatch, tmp_path):
    "A notebook that nobody has listed stands at the end of its section"
    copy_project(tmp_path/'copy', 'nbs')
    monkeypatch.setattr(sidebar, 'NBS', tmp_path/'copy'/'nbs')
    for name in ('new', 'tutorials/new', 'panels/new'): shutil.copy(NBS/'index.ipynb', sidebar.NBS/f'{name}.ipynb')
    places = {page: place for page, (place, _) in where().items()}
    assert places['new.ipynb'] == ('Reference', 'What you call')
    assert places['tutorials/new.ipynb'] == ('How to',) and places['panels/new.ipynb'] == ('Reference', 'Panels')

def anchors(nb):
    "The ids that Quarto gives to headings"
    for line in re.findall(r'^#{1,6} +(.+)$', '\n'.join(markdown(read(nb))), re.M): yield from heading_ids(line)

def heading_ids(line):
    "The id of a heading: the one that it gives, or that which pandoc makes of its words"
    if m := re.search(r'\{#([\w.-]+)[^}]*\}', line): yield m[1]
    else: yield re.sub(r'^[^a-z]+', '', re.sub(r'\s', '-', re.sub(r'[^\w\s.-]', '', line.strip().lower())))

def links(md):
    "Targets of links and images in a markdown cell, code left out"
    md = re.sub(r'```.*?```|~~~.*?~~~|`[^`\n]*`', '', md, flags=re.S)
    return re.findall(r'\]\(\s*<?([^)\s>]+)', md) + re.findall(r'<(?:a|img|iframe|video|source)\b[^>]*?\b(?:href|srcset|src)="([^"]+)"', md)

def find_page(folder, name):
    "The file that a link names; a page may be named by its notebook or by its .html"
    path = (folder/name).resolve()
    nb = path.with_suffix('.ipynb')
    return nb if path.suffix == '.html' and nb.is_file() and not path.is_file() else path

@in_each_folder
def test_links(nb):
    "Every link and image of a notebook that stays in the project leads somewhere, to the heading if it names one"
    wrong = []
    for md in markdown(read(nb)):
        for link in links(md):
            if re.match(r'[a-z]+:', link): continue
            name, _, anchor = unquote(link).partition('#')
            page = find_page((NBS/nb).parent, name) if name else NBS/nb
            if not page.is_file() or not page.is_relative_to(ROOT): wrong.append(link)
            elif anchor and page.suffix == '.ipynb' and not anchor.startswith('ganlab.') and anchor not in anchors(page): wrong.append(link)      # a page has headings of its names, too
    assert not wrong, wrong

def test_readme_links():
    text = (ROOT/'README.md').read_text(encoding='utf-8')
    for link in links(text): assert re.match(r'[a-z]+:|#', link) or (ROOT/link.partition('#')[0]).exists(), link

def prepared(site, nb):
    "(front matter, the text of all markdown and of all outputs) of a page"
    d = json.loads((site/nb).read_text(encoding='utf-8'))
    front = next(source(c) for c in d['cells'] if c['cell_type'] == 'raw')
    texts = [source(c) for c in d['cells'] if c['cell_type'] == 'markdown']
    texts += [''.join(o['data']['text/markdown']) for c in d['cells'] for o in c.get('outputs', []) if 'text/markdown' in o.get('data', {})]
    return yaml.safe_load(front.strip().strip('-')), texts

@in_each_folder
def test_words(nb, site):
    "No word of a notebook's text is lost on the way to its page: title and quote are its head, the rest its body"
    front, texts = prepared(site, nb)
    page = words('\n'.join([yaml.safe_dump(front, allow_unicode=True, width=10**6), *texts]))
    lost = words('\n'.join(markdown(read(nb)))) - page
    assert not lost, lost

@in_each_folder
def test_page_links(nb, site):
    "Every link of a page that stays on the site leads to a page, to a heading that is there"
    wrong = []
    for link in (l for text in prepared(site, nb)[1] for l in links(text)):
        if re.match(r'[a-z]+:', link): continue
        name, _, anchor = unquote(link).partition('#')
        page = find_page((site/nb).parent, name) if name else site/nb
        if not page.is_file() or not page.is_relative_to(site): wrong.append(link)
        elif anchor and page.suffix == '.ipynb' and anchor not in headings(site, page.relative_to(site)): wrong.append(link)
    assert not wrong, wrong

def headings(site, page):
    "Ids of the headings of a prepared page"
    for line in re.findall(r'^#{1,6} +(.+)$', '\n'.join(prepared(site, page)[1]), re.M): yield from heading_ids(line)

def test_plain_words(site):
    "A plain word is linked only where it can mean nothing else; a name with a capital or an underscore everywhere"
    linked = {}
    for nb in (o for o in notebooks() if o.stem != 'api'):      # that one links every name
        for name, to in re.findall(r'\[`([\w.]+)`\]\(([^)]*)\)', '\n'.join(prepared(site, nb)[1])): linked.setdefault(name, set()).add((nb.stem, to))
    for word in ('lab', 'train', 'undecided', 'export', 'spread', 'run', 'at'):
        assert all(to.startswith('#') for _, to in linked.get(word, ())), linked[word]      # at home it may be
    assert ('index', 'learner.html#ganlab.learner.GANLearner') in linked['GANLearner']
    assert ('learner', '#ganlab.learner.GANLearner') in linked['GANLearner'], 'at home, and everywhere'
    assert ('fork_and_compare', '../compare.html#ganlab.compare.ab') in linked['ab']

def test_nothing_from_the_web(site):
    "Quarto puts scripts from the web on a page for each output that is HTML, JavaScript or a widget: there is none; source links would lead nowhere"
    for nb in notebooks():
        d = json.loads((site/nb).read_text(encoding='utf-8'))
        for o in (o for c in d['cells'] for o in c.get('outputs', [])):
            assert o.get('data', {}).keys() <= {'text/plain', 'text/markdown', 'image/png', 'image/jpeg'}, (nb, o['data'].keys())
        assert '[source]' not in '\n'.join(prepared(site, nb)[1]), nb

def test_parameters(site):
    "A trick's page shows each of its parameters: default, range, unit, what it does"
    from ganlab.trick import find_tricks
    for t in find_tricks():
        text = '\n'.join(prepared(site, f'{t.__module__.removeprefix("ganlab.").replace(".", "/")}.ipynb')[1])
        assert f'learn.tricks.on({t.name!r}' in text and '**params' not in text, t.name
        rows = [[c.strip() for c in l.strip('|').split(' | ')] for l in text.splitlines() if l.startswith('| `')]
        for k, p in t.declared.items():
            row = next(r for r in rows if r[0] == f'`{k}`')
            assert row[1] == f'`{p.default!r}`' and row[-1] == p.help, (t.name, k)
            assert not p.unit or row[3] == p.unit, (t.name, k)

def test_players_on_the_site(site):
    for p in copies.players(): assert (site/p.relative_to(NBS)).read_bytes() == p.read_bytes(), p

def test_players():
    "Quarto copies them, and each is embedded in a page"
    players = copies.players()
    assert players and all(any(fnmatch(p.relative_to(NBS).as_posix(), g) for g in CONFIG['project']['resources']) for p in players)
    for p in players: assert any(re.search(rf'<iframe src="[^"]*{re.escape(p.name)}"[^>]* title="', md) for nb in notebooks() for md in markdown(read(nb))), p

PANEL = [f'images/{name}' for name in ('panel.png', 'panel-dark.png')]

def pictures(md, root):
    "The images of a page's `<picture>`, light first, as paths from nbs/; each with its words"
    found = re.search(r'<picture>\n<source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">\n<img src="([^"]+)" alt="[^"]{40,}">\n</picture>', md)
    return [(root/o).resolve().relative_to(NBS).as_posix() for o in (found[2], found[1])]

@pytest.mark.parametrize('page', ['index.ipynb', 'tutorials/quickstart.ipynb'])
def test_the_panel_is_pictured(page, site):
    "In light and dark, each small, in the notebook and on the site, which takes them along"
    assert pictures('\n'.join(markdown(read(page))), (NBS/page).parent) == PANEL == pictures('\n'.join(prepared(site, page)[1]), (NBS/page).parent)
    for name in PANEL:
        assert (site/name).read_bytes() == (NBS/name).read_bytes() and (NBS/name).stat().st_size <= 120_000
        assert any(fnmatch(name, g) for g in CONFIG['project']['resources'])

def test_the_panel_is_pictured_in_the_readme():
    assert pictures((ROOT/'README.md').read_text(encoding='utf-8'), ROOT) == PANEL
    assert not re.search('<picture|<img', (ROOT/'ganlab'/'quickstart.ipynb').read_text(encoding='utf-8')), 'the package brings no picture'
