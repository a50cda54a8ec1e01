"""Writes README.md from nbs/index.ipynb, whose cells it runs first: `python tools/readme.py`.

Its markdown, its code and what the code gave, as text; cells with `#| hide` are left out, those with `#| echo: false` leave only what they gave. What only a
site can show is left out, too: cells with a player, the fences of blocks, settings of the page."""
import json, re, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INDEX, README = ROOT/'nbs'/'index.ipynb', ROOT/'README.md'

def relink(md):
    "Links and images as seen from the repository's root, not from nbs/."
    def f(m): return m[1] + (m[2][3:] if m[2].startswith('../') else m[2] if re.match(r'[a-z]+:|#|/', m[2]) else f'nbs/{m[2]}')
    return re.sub(r'(\]\(|\b(?:src|srcset)=")([^)\s"]+)', f, md)

def for_readers(md):
    "Markdown without what speaks to Quarto"
    return re.sub(r'\n*^- toc: \w+$|^:::.*\n+|\n+^:::.*', '', md, flags=re.M)

def directives(src): return [l[2:].strip() for l in src.splitlines() if l.startswith('#|')]

def output(o):
    "One output of a cell as markdown"
    data = o.get('data', {})
    if 'text/markdown' in data: return relink(''.join(data['text/markdown']))
    text = ''.join(o.get('text') or data.get('text/plain', ''))
    return f'```\n{text.rstrip()}\n```' if text.strip() else ''

def cell(c):
    "One cell of a notebook as markdown"
    src = ''.join(c['source']).strip()
    if c['cell_type'] != 'code': return '' if '<iframe' in src else relink(for_readers(src))
    ds = directives(src)
    if 'hide' in ds or any(d.startswith('default_exp') for d in ds): return ''
    code = '\n'.join(l for l in src.splitlines() if not l.startswith('#|')).strip()
    parts = [] if 'echo: false' in ds or not code else [f'```python\n{code}\n```']
    return '\n\n'.join(parts + [o for o in map(output, c['outputs']) if o])

def render(nb):
    "The README for the notebook `nb`, as a string"
    return '\n\n'.join(o for o in map(cell, nb['cells']) if o) + '\n'

if __name__ == '__main__':
    from nbdev.clean import nbdev_clean
    from nbdev.test import test_nb
    ok, _ = test_nb(INDEX, skip_flags=['slow', 'cuda'], basepath=ROOT, save=True, profile=False)
    if not ok: sys.exit('index.ipynb fails: README.md is as it was')
    nbdev_clean(str(INDEX))
    README.write_text(render(json.loads(INDEX.read_text(encoding='utf-8'))), encoding='utf-8')
