"""Two pages that are lists, made from the package: `notebook(api())`, every public name; `notebook(sentences())`, every sentence that ganlab can say
when something is not to be had. tools/copies.py writes them."""
import ast, builtins, hashlib, importlib, json, re
from pathlib import Path
import pages, sidebar

ROOT = Path(__file__).resolve().parent.parent

def notebook(cells):
    "A notebook of markdown alone, as text"
    def made(text): return dict(cell_type='markdown', id=hashlib.sha256(text.splitlines()[0].encode()).hexdigest()[:8], metadata={}, source=text.splitlines(True))
    kernel = dict(kernelspec=dict(display_name='python3', language='python', name='python3'))
    return json.dumps(dict(cells=[made(t) for t in cells], metadata=kernel, nbformat=4, nbformat_minor=5), indent=1, ensure_ascii=False, sort_keys=True) + '\n'

def rooms():
    "(title, modules) of the reference, in its order, then the tricks"
    where = {page.removesuffix('.html'): module for module, (page, _) in pages.index().items()}
    for folder, (title, first) in sidebar.ROOMS.items():
        yield title, [where[n] for n in sidebar.listed(folder, first, '' if folder else 'index') if n in where]
    yield 'Tricks', [where[n] for n in sidebar.listed('tricks')]

def told(name, module):
    "The first line of what is said of a name, or ''"
    doc = pages.lookup(importlib.import_module(module), name).__doc__ or ''
    return re.sub(r'\s+', ' ', doc.strip().split('\n\n')[0]).replace('|', '\\|')

def linked(name, module, up=''):
    page, names = pages.index()[module]
    return f'[`{name}`]({up}{page.removesuffix(".html")}.ipynb#{names[name]})'

def public_names(module):
    "Those that a module documents and a notebook has by `from ganlab.all import *`, and what belongs to them"
    return [n for n in pages.index()[module][1] if (n.split('.')[0] in pages.public() or n.split('.')[0] in LEARNERS) and told(n, module)]

LEARNERS = 'GANLearner', 'Run', 'Tricks'        # whose methods many modules bring

def api():
    "Every name that is documented: those of `ganlab.all` with a line, the others by name"
    yield '# API index\n\n> Every public name, under the module that brings it.'
    yield ('A table holds what `from ganlab.all import *` gives, with its methods. The names in the line below it are for those who build on a module, by '
           '`from ganlab.quality.named import ...`. What a trick is called and takes stands in [the catalogue](catalogue.ipynb).')
    for title, modules in rooms():
        parts = [part for m in modules for part in of_module(m) if title != 'Tricks']
        if parts: yield '\n\n'.join([f'## {title}', *parts])

def of_module(module):
    "A table of a module's public names, and a line of the others"
    names, first = pages.index()[module][1], public_names(module)
    rest = [n for n in names if n not in first and '.' not in n]
    if not first and not rest: return
    yield f'### {module.removeprefix("ganlab.")} {{#{module.replace(".", "-")}}}'
    if first: yield '\n'.join(['| name | what it is |', '|---|---|', *(f'| {linked(n, module)} | {told(n, module)} |' for n in first)])
    if rest: yield 'Also: ' + ', '.join(linked(n, module) for n in rest) + '.'

# ---------------------------------------------------------------- sentences

def text(node):
    "What a node says, with names in braces for what is put in; None where it is made elsewhere"
    if isinstance(node, ast.Constant) and isinstance(node.value, str): return node.value
    if isinstance(node, ast.JoinedStr): return ''.join(v.value if isinstance(v, ast.Constant) else placeholder(v.value) for v in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        both = [text(node.left), text(node.right)]
        return None if None in both else ''.join(both)
    if isinstance(node, ast.IfExp): return text(node.body)

def placeholder(node):
    "A word for what is put in: the last name in it"
    names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id not in dir(builtins) and n.id != 'self']
    names += [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == 'self']
    return '‹' + (names[0] if len(names) == 1 else '…').replace('_', ' ').strip() + '›'

def said_by(tree):
    "(sentence, definition in which it stands) of each error and warning"
    for owner in ast.walk(tree):
        if not isinstance(owner, pages.DEFS[:2]): continue
        for n in ast.walk(owner):
            call = n.exc if isinstance(n, ast.Raise) else n if isinstance(n, ast.Call) and ast.unparse(n.func).endswith('warn') else None
            if isinstance(call, ast.Call) and call.args and (said := text(call.args[0])) and ' ' in said: yield said, owner
            if owner.name == 'why_not' and isinstance(n, ast.Return) and n.value is not None and (said := text(n.value)): yield said, owner

def sentences():
    "Every error, warning and refusal, by the room that says it"
    yield '# Every sentence that ganlab can say\n\n> Errors, warnings and refusals, each with what leads to it. Search this page for the words that you see.'
    yield ('This list is made from the package itself. What stands in ‹brackets› is put in when it is said. Behind each sentence stands the function that says it, and what that function does. '
           'What to do about the most frequent ones is told in [Troubleshooting](troubleshooting.ipynb).')
    for title, modules in rooms():
        rows = [row for m in modules for row in of_source(m)]
        if rows: yield '\n'.join([f'## {title}', '', '| sentence | what leads to it |', '|---|---|', *rows])

def of_source(module):
    "The rows of a module"
    page, names = pages.index()[module]
    tree, seen = ast.parse(Path(importlib.import_module(module).__file__).read_text(encoding='utf-8')), set()
    for said, owner in said_by(tree):
        if said in seen: continue
        seen.add(said)
        doc = re.sub(r'\s+', ' ', (ast.get_docstring(owner) or '').split('\n\n')[0])
        where = f'[{module.removeprefix("ganlab.")}](../{page.removesuffix(".html")}.ipynb)'
        yield f"| {plain(said)} | {where}: {doc.replace('|', chr(92) + '|') if doc else f'`{owner.name}`'} |"

def plain(said):
    "As the cell of a table, with nothing in it that markdown reads as more than words"
    said = re.sub(r'\s+', ' ', said).strip()
    return re.sub(r'([\\*_`<>\[\]$|#~^])', r'\\\1', said)
