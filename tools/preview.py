"""The site without Quarto, for a look and for the tests: `make preview`, or `python tools/preview.py FOLDER`.

Quarto's program cannot be had from a package registry. Pages are made by pandoc, as Quarto makes them, from what nbdev prepares for it, with the parts of
its pages under the same names: navbar, sidebar, table of contents, links to the next page, footer. Its search and its theme are not here."""
import base64, html, json, os, re, shutil, subprocess, sys, tempfile
from functools import cache
from pathlib import Path
import yaml

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE, STYLE = ROOT/'tools'/'preview.html', ROOT/'tools'/'preview.css'
EXT = {'image/png': 'png', 'image/jpeg': 'jpg'}

def page_of(link):
    "The page of a notebook"
    path, _, heading = link.partition('#')
    folder, _, name = path.rpartition('/')
    stem, dot, kind = name.rpartition('.')
    page = (folder + '/' if folder else '') + stem + '.html' if kind in ('ipynb', 'qmd') else path
    return page + ('#' + heading if heading else '')

def options(src):
    "({name: value} of the lines `#| name: value`, the code)"
    lines = src.splitlines()
    opts = dict(re.match(r'#\|\s*([\w-]+):?\s*(.*)', l).groups() for l in lines if l.startswith('#|'))
    return opts, '\n'.join(l for l in lines if not l.startswith('#|')).strip('\n')

def picture(data, kind, alt, folder, n):
    "An image of an output, written beside the page"
    folder.mkdir(parents=True, exist_ok=True)
    name = f'{folder.name}/{n}.{EXT[kind]}'
    (folder.parent/name).write_bytes(base64.b64decode(''.join(data[kind])))
    return f'![{alt}]({name})\n'

def output(o, opts, folder, n):
    "One output of a cell as pandoc's markdown"
    data = o.get('data', {})
    if kind := next((k for k in EXT if k in data), None): return picture(data, kind, opts.get('fig-alt', '').strip('"'), folder, n)
    if 'text/html' in data: return '```{=html}\n' + ''.join(data['text/html']) + '\n```'
    if 'text/markdown' in data: return ''.join(data['text/markdown'])
    text = ''.join(o.get('text') or data.get('text/plain', '')).rstrip()
    return f'~~~~ {{.output}}\n{text}\n~~~~' if text else ''

def code(cell, folder):
    "A cell of code and what it gave"
    opts, src = options(''.join(cell['source']))
    shown = f'~~~~ {{.python}}\n{src}\n~~~~' if src and opts.get('echo') != 'false' else ''
    if shown and 'code-fold' in opts: shown = f"<details{' open' if opts['code-fold'] == 'show' else ''}><summary>Source</summary>\n\n{shown}\n\n</details>"
    outs = [output(o, opts, folder, f"{cell['id']}-{i}") for i, o in enumerate(cell.get('outputs', []))]
    return '\n\n'.join(o for o in [shown, *outs] if o)

def as_markdown(nb, folder):
    "A prepared notebook as one text for pandoc; its pictures go to `folder`"
    parts = [code(c, folder) if c['cell_type'] == 'code' else ''.join(c['source']) for c in nb['cells']]
    return relinked('\n\n'.join(parts))

def relinked(md):
    "Markdown whose links lead to pages, and not to notebooks"
    return re.sub(r'(\]\()([^)\s]+)', lambda m: m[1] + (m[2] if ':' in m[2] else page_of(m[2])), md)

# ---------------------------------------------------------------- what stands around a page

@cache
def config():
    "(_quarto.yml, the sidebars)"
    sys.path.insert(0, str(ROOT/'tools'))
    import sidebar
    return yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8')), sidebar.sidebar()

def entries(contents):
    "All pages of a sidebar, in order"
    for o in contents:
        if 'contents' in o: yield from entries(o['contents'])
        else: yield o

def label(text): return re.sub(r'`([^`]*)`', r'<code>\1</code>', html.escape(text, quote=False))

def link(o, root, page, kind=''):
    "A link to a page or a file, as seen from a page"
    here = ' aria-current="page"' if page_of(o['href']) == page else ''
    to = o['href'] if ':' in o['href'] else root + page_of(o['href'])
    return f'<a href="{to}"{here}{kind}>{label(o["text"])}</a>'

def menu(contents, root, page):
    "A sidebar as nested lists; a section is open where the page is in it"
    items = []
    for o in contents:
        if 'contents' not in o: items.append(f'<li>{link(o, root, page)}</li>')
        else:
            is_open = ' open' if any(page_of(e['href']) == page for e in entries(o['contents'])) else ''
            items.append(f"<li><details{is_open}><summary>{label(o['section'])}</summary>{menu(o['contents'], root, page)}</details></li>")
    return f"<ul>{''.join(items)}</ul>"

def around(page, root):
    "Variables of the template: navbar, sidebar, next page, footer"
    quarto, sidebars = config()
    site = quarto['website']
    mine = next((b for b in sidebars if any(page_of(e['href']) == page for e in entries(b['contents']))), None)
    found = dict(root=root, navbar=''.join(link(o, root, page) for o in site['navbar']['left']),
                 footer=''.join(f'<span>{label_links(t, root)}</span>' for t in site['page-footer'].values() if isinstance(t, str)))
    if mine:
        found |= dict(sidebar=menu(mine['contents'], root, page), section=mine['title'])
        row = list(entries(mine['contents']))
        at = next(i for i, e in enumerate(row) if page_of(e['href']) == page)
        if at: found['previous'] = link(row[at - 1], root, page, ' rel="prev"')
        if at + 1 < len(row): found['next'] = link(row[at + 1], root, page, ' rel="next"')
    return found

def label_links(text, root):
    "One line of markdown that is text and links"
    return re.sub(r'\[([^\]]+)\]\(([^)]+)\)', lambda m: f'<a href="{m[2] if ":" in m[2] else root + page_of(m[2])}">{m[1]}</a>', text)

# ---------------------------------------------------------------- pages

def render(path, site, to):
    "Makes the HTML of one prepared notebook, whose path is relative to the folder `site`, below the folder `to`"
    import pypandoc
    name = page_of(path.as_posix())
    page, root = to/name, '../'*(len(path.parts) - 1)
    page.parent.mkdir(parents=True, exist_ok=True)
    text = (site/path).read_text(encoding='utf-8')
    md = as_markdown(json.loads(text), page.with_suffix('')) if path.suffix == '.ipynb' else relinked(text)
    shutil.copy(STYLE, to)
    variables = [o for k, v in around(name, root).items() for o in ('-V', f'{k}={v}')]
    toc = [] if '\ntoc: false' in md else ['--toc', '--toc-depth=3']
    done = subprocess.run([pypandoc.get_pandoc_path(), '-f', 'markdown', '-t', 'html5', '--mathml', '--wrap=none', '--template', TEMPLATE, *toc, *variables, '-o', page],
                          input=md, text=True, encoding='utf-8', capture_output=True)
    assert done.returncode == 0 and not done.stderr, f'{path}: {done.stderr}'
    return page

def text_of(page):
    "The words of a page, tags left out"
    text = re.search(r'<main.*</main>', page.read_text(encoding='utf-8'), re.S)[0]
    text = re.sub(r'<(style|script|annotation)\b.*?</\1>|<nav\b.*?</nav>', '', text, flags=re.S)
    return html.unescape(re.sub(r'<[^>]*>', ' ', text))

def preview(to, only=()):
    "Makes the whole site, or the pages below some folders"
    sys.path.insert(0, str(ROOT/'tests'))
    from project import notebooks, prepare
    with tempfile.TemporaryDirectory() as work:
        prepare(Path(work)/'site')
        site = Path(work)/'site'/'_proc'
        for path in (p for p in site.rglob('*') if p.suffix in ('.html', '.png', '.svg', '.css', '.js')):
            (to/path.relative_to(site)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to/path.relative_to(site))
        for page in [*notebooks(), Path('404.qmd')]:
            if not only or page.as_posix().startswith(tuple(only)): render(page, site, to)

if __name__ == '__main__': preview(Path(sys.argv[1]), sys.argv[2:])
