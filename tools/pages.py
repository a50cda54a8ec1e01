"""Turns a notebook into a page of the site: nbdev calls `Page` last, as `doc_procs` in pyproject.toml says, in place of three steps of its own.

The code of the package is on the page, folded away beneath its documentation; signatures come from the package as it is imported, no cell is
executed; names link to their pages only where they mean what they name; nothing on a page asks for a script from the web. Pages of tricks have an
order of their own (`trickpages`)."""
import ast, importlib, os, re
from functools import cache
from inspect import isclass
from pathlib import Path
import yaml
from fastcore.docments import MarkdownRenderer, docments
from nbdev.config import get_config, nbpath2html
from nbdev.doclinks import patch_name
from nbdev.processors import Processor, _default_exp
from fastcore.nbio import mk_cell
import trickpages

DEFS = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef

# What a name of the package is, and where it is documented

def documented(sym):
    "Is there more to say of it than its signature?"
    return isclass(sym) or isinstance(sym, property) or bool(sym.__doc__) or any(docments(sym).values())

def lookup(module, name):
    "The object that a dotted name stands for in a module"
    sym = module
    for part in name.split('.'): sym = getattr(sym, part)
    return sym

def definitions(module):
    "(name, the heading under which it is found) of what a module defines for others to use"
    for tree in ast.parse(open(module.__file__, encoding='utf-8').read()).body:
        if not isinstance(tree, DEFS) or tree.name.startswith('_'): continue
        names = patch_name(tree)
        for name in [names] if isinstance(names, str) else names:
            if documented(lookup(module, name)): yield name, f'{module.__name__}.{name}'
        if isinstance(tree, ast.ClassDef):
            for o in tree.body:
                if isinstance(o, DEFS) and not o.name.startswith('_'): yield f'{tree.name}.{o.name}', f'{module.__name__}.{tree.name}'

@cache
def index():
    "module -> (page, {name: heading}), for every notebook that exports one"
    from fastcore.nbio import read_nb
    root, out = get_config().nbs_path, {}
    for path in sorted(root.rglob('*.ipynb')):
        if any(p[0] in '._' for p in path.relative_to(root).parts) or not (mod := _default_exp(read_nb(path))): continue
        module = importlib.import_module(f'ganlab.{mod}')
        out[module.__name__] = nbpath2html(path.relative_to(root)).as_posix(), dict(definitions(module))
    return out

@cache
def public():
    "The names that a notebook has after `from ganlab.all import *`"
    return set(importlib.import_module('ganlab.all').__all__)

def target(name, here):
    "(page, heading) of a name as the module `here` would mean it, or None. A plain word is a name only at home or where everybody has it."
    if name in index(): return index()[name][0], ''
    mod, _, last = name.rpartition('.')
    if mod in index() and last in index()[mod][1]: return index()[mod][0], index()[mod][1][last]
    if here in index() and name in index()[here][1]: return index()[here][0], index()[here][1][name]
    if name.islower() and '_' not in name and '.' not in name and name not in public(): return None
    found = [(page, names[name]) for page, names in index().values() if name in names]
    return found[0] if len(found) == 1 else None

# The parts of a page

def relative(page, heading, here):
    "A link as the page `here` would write it"
    path = '' if page == here else os.path.relpath(page, os.path.dirname(here) or '.').replace(os.sep, '/')
    return path + (f'#{heading}' if heading else '')

def link(md, module, page):
    "Markdown in which the names of the package, where they stand as `code`, lead to their pages; not in headings and names of table rows"
    def one(m):
        if not m[1] or not (found := target(m[1], module)): return m[0]
        return f'[{m[0]}]({relative(*found, page)})' if found != (page, '') else m[0]
    lines, fenced = md.split('\n'), False
    for i, line in enumerate(lines):
        if line.lstrip().startswith('```'): fenced = not fenced
        elif not fenced and not line.startswith(('#', '    ', '| `')): lines[i] = re.sub(r'\[[^\]]*\]\([^)]*\)|(?<!`)`([A-Za-z_][\w.]*)(?:\(\))?`(?!`)', one, line)
    return '\n'.join(lines)

def is_trick(sym):
    "Is it the class of a trick?"
    from ganlab.trick import Trick
    return isclass(sym) and issubclass(sym, Trick) and sym is not Trick

def signature(sym):
    "How it is called: a trick through `learn.tricks`, with a table of its parameters; whatever else by its signature"
    if not is_trick(sym): return MarkdownRenderer(sym)._repr_markdown_()
    from ganlab.catalogue import params_table
    values = ''.join(f', {k}={p.default!r}' for k, p in sym.declared.items())
    call = f'learn.tricks.on({sym.name!r}{values})' if sym.name else f'class {sym.__name__}({sym.__base__.__name__})'
    doc = f'*{sym.__doc__}*' if vars(sym).get('__doc__') else ''
    return '\n\n'.join(o for o in (f'```python\n{call}\n```', doc, params_table(sym)) if o)

def show(cell, module, shown):
    "Fills the cell `show_doc(name)` with the documentation of the name; or empties it if there is none, if the name is private, or if it is `shown` already, as a property that can be set"
    name = re.search(r'^show_doc\((.*)\)', cell.source, re.M)[1]
    sym = lookup(module, name)
    if not documented(sym) or name.startswith('_') or '._' in name or name in shown:
        cell.source = None
        return
    shown.add(name)
    cell.is_switch = is_trick(sym) and bool(sym.name) and module.__name__.startswith('ganlab.tricks.')
    title, more = ('## Switch and parameters', '\n\n' + trickpages.facts(sym)) if cell.is_switch else (f'### {name}', '')
    text = f'{title} {{#{module.__name__}.{name}}}\n\n{signature(sym)}{more}'
    cell.outputs = [dict(output_type='display_data', metadata={}, data={'text/markdown': text.splitlines(keepends=True)})]

def only_imports(cell):
    "Does a cell nothing but import, and set the number of threads?"
    try: body = ast.parse(cell.source).body
    except SyntaxError: return False      # a magic
    return bool(body) and all(isinstance(o, (ast.Import, ast.ImportFrom)) or ast.unparse(o).startswith('torch.set_num_threads') for o in body)

def fold(cell, summary):
    "The code of a cell, folded away beneath one word"
    code = '\n'.join(l for l in cell.source.splitlines() if not l.startswith('#|'))
    cell.source, cell.outputs = f'#| code-fold: true\n#| code-summary: "{summary}"\n{code}', []

def heading(text): return mk_cell(text, 'markdown')

def plain(output):
    "An output without a script: Quarto loads require.js and jQuery from the web for each output that is HTML, a table too"
    data = output.get('data', {})
    if 'text/html' not in data: return
    html = re.sub(r'<style scoped.*?</style>\s*', '', ''.join(data.pop('text/html')), flags=re.S)
    html = re.sub(r'(<a [^>]*href="[^":]+)\.ipynb', r'\1.html', html)
    data['text/markdown'] = ['```{=html}\n', *html.replace(' border="1"', '').splitlines(keepends=True), '\n```\n']

class Page(Processor):
    "The last step of nbdev's way from a notebook to a page"
    def begin(self):
        cells = self.nb.cells
        mod = next((c.directives_['default_exp'] for c in cells if 'default_exp' in c.directives_), None)
        module = importlib.import_module(f'ganlab.{mod}') if mod else None
        shown = set()
        for c in cells:
            if c.cell_type == 'code': self.code(c, module, shown)
        self.page = nbpath2html(Path(self.nb.path_).resolve().relative_to(get_config().nbs_path.resolve())).as_posix()
        self.name = module.__name__ if module else ''
        cells = list(in_order(c for c in cells if c.source))
        if any(getattr(c, 'is_switch', False) for c in cells): cells = trickpages.arranged(cells, heading, fold)
        self.nb.cells = cells

    def code(self, c, module, shown):
        "A cell of code: hidden, documentation, source, or an example with its outputs"
        said = c.directives_.keys()
        if said & {'hide', 'default_exp', 'exporti'}: c.source = None
        elif getattr(c, 'has_sd', False): show(c, module, shown)
        elif 'export' in said and only_imports(c): c.source = None
        elif 'export' in said: fold(c, 'Source')
        elif only_imports(c): fold(c, 'Imports of the examples')
        c.is_source = bool(said & {'export', 'exports'})
        for o in c.get('outputs', []): plain(o)

    def cell(self, c):
        if c.cell_type == 'raw': c.source = with_subtitle(c.source, self.name)
        if c.cell_type == 'markdown': c.source = link(c.source, self.name, self.page)
        for o in c.get('outputs', []):
            if 'text/markdown' in o.get('data', {}): o['data']['text/markdown'] = link(''.join(o['data']['text/markdown']), self.name, self.page)

def in_order(cells):
    "Documentation before the source that it documents, in its order; nbdev puts it after, the last name first"
    source, docs = None, []
    for c in [*cells, None]:
        if c is not None and getattr(c, 'has_sd', False):
            docs.insert(0, c)
            continue
        yield from docs
        if source: yield source
        source, docs = (c, []) if c is not None and getattr(c, 'is_source', False) else (None, [])
        if c is not None and not source: yield c

def with_subtitle(front, module):
    "The front matter of a page, with the name of its module"
    head = yaml.safe_load(front.strip().strip('-'))
    if module: head['subtitle'] = f'`{module}`'
    return f'---\n{yaml.dump(head, allow_unicode=True)}---\n'
