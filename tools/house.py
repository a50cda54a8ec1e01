"""How the code is written, in numbers: `python tools/house.py` prints a table; `python tools/house.py --worst` names what stands out, too.

Counted are lines that are not empty, of the generated modules (the same code as in the notebooks) and of the notebooks' export cells. Strings of several lines, such as a view's
JavaScript, are not counted as code. Scripts (tools, benchmarks, tests) are measured apart, for what is worst to read. `tests/test_house.py` holds the limits."""
import ast, json, statistics, sys
from pathlib import Path
from radon.complexity import cc_visit

ROOT = Path(__file__).resolve().parent.parent

def modules(root=ROOT/'ganlab'): return sorted(p for p in root.rglob('*.py') if p.name != '_modidx.py' and p.stat().st_size)

def scripts(): return sorted(p for folder in ('tools', 'benchmarks', 'tests') for p in (ROOT/folder).rglob('*.py'))

def in_strings(tree):
    "Numbers of the lines that lie within a string of several lines which is no docstring"
    docs = {id(n.body[0].value) for n in ast.walk(tree) if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef)) and n.body and isinstance(n.body[0], ast.Expr)}
    inside = set()
    for n in ast.walk(tree):
        if isinstance(n, (ast.Constant, ast.JoinedStr)) and n.end_lineno > n.lineno and id(n) not in docs: inside.update(range(n.lineno + 1, n.end_lineno + 1))
    return inside

def functions(src):
    "(complexity, name) of every function and method, nested ones too"
    def go(b):
        if hasattr(b, 'methods'):
            for m in b.methods: yield from go(m)
        else: yield b.complexity, b.name
        for c in getattr(b, 'closures', []): yield from go(c)
    top = [b for b in cc_visit(src) if not getattr(b, 'is_method', False)]
    return [o for b in top for o in go(b)]

def joined(tree):
    "Statements that begin on the line on which the one before them ends"
    n = 0
    for block in ast.walk(tree):
        for body in ('body', 'orelse', 'finalbody'):
            stmts = getattr(block, body, None)
            if isinstance(stmts, list): n += sum(a.end_lineno == b.lineno for a, b in zip(stmts, stmts[1:]))
    return n

DOCUMENTED = {'_exit', '_getframe'}      # of Python, and public for all that

def foreign(tree):
    "Private names that are reached for in another object"
    for n in ast.walk(tree):
        if isinstance(n, ast.Attribute) and n.attr.startswith('_') and not n.attr.startswith('__') and n.attr not in DOCUMENTED:
            own = isinstance(n.value, ast.Name) and n.value.id in ('self', 'cls')
            if not own and not (isinstance(n.value, ast.Call) and getattr(n.value.func, 'id', '') == 'super'): yield n.attr, n.lineno

def measure_lines(path):
    "What is counted in any module: its lines, those that are long, and statements that share one"
    src = path.read_text(encoding='utf-8')
    tree = ast.parse(src)
    skip = in_strings(tree)
    code = [(i, l) for i, l in enumerate(src.splitlines(), 1) if i not in skip and l.strip() and not l.startswith('# ')]
    return dict(path=path.relative_to(ROOT).as_posix(), src=src, tree=tree, lines=len(code), joined=joined(tree),
                over120=[i for i, l in code if len(l) > 120], over160=[i for i, l in code if len(l) > 160])

def measure(path):
    "What is counted in a module of the package"
    m = measure_lines(path)
    kinds = [type(n) for n in ast.walk(m['tree'])]
    return dict(m, ternaries=kinds.count(ast.IfExp), lambdas=kinds.count(ast.Lambda),
                functions=functions(m['src']), foreign=list(foreign(m['tree'])))

def export_cells():
    "(notebook, lines) of every cell that is exported; imports and the module's name are not counted"
    for nb in sorted((ROOT/'nbs').rglob('*.ipynb')):
        if any(o[0] in '._' for o in nb.relative_to(ROOT/'nbs').parts): continue
        for c in json.loads(nb.read_text(encoding='utf-8'))['cells']:
            src = ''.join(c['source'])
            if c['cell_type'] != 'code' or not src.startswith(('#| export', '#|export', '#| exporti')): continue
            body = ast.parse(src).body
            if body and all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in body): continue
            tree = ast.parse(src)
            skip = in_strings(tree)
            yield nb.relative_to(ROOT/'nbs').as_posix(), sum(1 for i, l in enumerate(src.splitlines(), 1) if i not in skip and not l.startswith('#|'))

def table():
    "What is measured: name -> number"
    ms = [measure(p) for p in modules()]
    n = sum(m['lines'] for m in ms)
    cc = [c for m in ms for c, _ in m['functions']]
    cells = list(export_cells())
    sizes = [k for _, k in cells]
    books = {}
    for nb, k in cells: books[nb] = books.get(nb, 0) + k
    count = lambda key: sum(len(m[key]) for m in ms)
    beside = [measure_lines(p) for p in scripts()]
    there = sum(m['lines'] for m in beside)
    return {
        'lines of code': n,
        'lines over 120 characters, %': 100*count('over120')/n,
        'lines over 160 characters, %': 100*count('over160')/n,
        'statements joined on a line, per 1,000 lines': 1000*sum(m['joined'] for m in ms)/n,
        'conditional expressions, per 1,000 lines': 1000*sum(m['ternaries'] for m in ms)/n,
        'lambdas, per 1,000 lines': 1000*sum(m['lambdas'] for m in ms)/n,
        'complexity of a function, mean': statistics.mean(cc),
        'functions with a complexity over 10, %': 100*sum(c > 10 for c in cc)/len(cc),
        'lines of an export cell, median': statistics.median(sizes),
        'lines of an export cell, 95 of 100': sorted(sizes)[int(.95*len(sizes))],
        'lines of an export cell, most': max(sizes),
        'export cells over 30 lines': sum(s > 30 for s in sizes),
        'notebooks over 200 exported lines': sum(k > 200 for k in books.values()),
        'foreign private names, per 1,000 lines': 1000*count('foreign')/n,
        'foreign private names in tricks/': sum(len(m['foreign']) for m in ms if '/tricks/' in m['path']),
        'scripts: lines over 160 characters, %': 100*sum(len(m['over160']) for m in beside)/there,
        'scripts: statements joined, per 1,000 lines': 1000*sum(m['joined'] for m in beside)/there,
    }

def worst():
    "What stands out, a line each"
    ms = [measure(p) for p in modules()]
    for m in ms:
        if m['over120']: yield f"{m['path']}: {len(m['over120'])} lines over 120"
        yield from (f"{m['path']}: {name} has a complexity of {c}" for c, name in m['functions'] if c > 10)
        yield from (f"{m['path']}:{line}: {name}" for name, line in m['foreign'])
    cells, books = list(export_cells()), {}
    for nb, k in cells:
        books[nb] = books.get(nb, 0) + k
        if k > 30: yield f'{nb}: a cell of {k} lines'
    yield from (f'{nb}: {k} exported lines' for nb, k in books.items() if k > 200)

if __name__ == '__main__':
    for name, v in table().items(): print(f'{name:<50}{v:>10.1f}' if isinstance(v, float) else f'{name:<50}{v:>10,}')
    if '--worst' in sys.argv: print(*worst(), sep='\n')
