"What a class can do does not depend on which modules somebody has imported."
import ast, subprocess, sys
from project import ROOT

TREES = {p: ast.parse(p.read_text(encoding='utf-8')) for p in sorted((ROOT/'ganlab').rglob('*.py'))}
HOME = {n.name: p for p, t in TREES.items() for n in t.body if isinstance(n, ast.ClassDef)}

def added():
    "(class, method) -> module, for what one module adds to a class of another"
    out = {}
    for p, t in TREES.items():
        for n in t.body:
            if isinstance(n, ast.FunctionDef) and n.args.args and any('patch' in ast.unparse(d) for d in n.decorator_list): pairs = [(n.args.args[0].annotation, n.name)]
            elif isinstance(n, ast.Assign): pairs = [(t.value, t.attr) for t in n.targets if isinstance(t, ast.Attribute)]
            else: continue
            for cls, name in pairs:
                if isinstance(cls, ast.Name) and HOME.get(cls.id, p) != p: out[cls.id, name] = '.'.join(p.relative_to(ROOT).with_suffix('').parts)
    return out

SCRIPT = '''
import inspect, sys
from ganlab.record.run import Run
from ganlab.learner import GANLearner
from ganlab.engine.switch import Tricks
added, gone = {added!r}, {gone!r}
early = [m for m in gone if m in sys.modules]
assert not early, early                                                     # nothing of it is imported by the class's own module
for (cls, name) in added: inspect.getattr_static(globals()[cls], name)     # and yet the class has it
for (cls, name), module in added.items():
    getattr(globals()[cls], name)
    assert module in sys.modules, (cls, name)
    assert type(inspect.getattr_static(globals()[cls], name)).__name__ != 'Late', (cls, name)
import torch; torch.set_num_threads(1)
from ganlab.data import ring_dls
from ganlab.nets import mlp
nets = lambda: mlp(width=8, depth=1, seed=0)
dls = ring_dls(n=500, bs=16)
learn = GANLearner(dls, *nets(), seed=0, run='a'); learn.fit_steps(5, progress=False); was = learn.state_hash(); learn.run.close()
try: GANLearner(dls, *nets(), seed=0, run='a')
except ValueError as e: assert 'GANLearner.resume(' in str(e)
learn = GANLearner.resume('a', dls, *nets())
assert learn.state_hash() == was and Run.open('a').replay(dls, *nets()).state_hash() == was
learn.rewind(2); learn.undo; learn.pin(); learn.fork(); learn.tricks.preset('dcgan'); learn.run.branches(); assert learn.tricks.presets
learn.run.to_python('a.py')
'''

def test_every_method_is_there(tmp_path):
    "In a fresh interpreter, with the modules of three classes imported: what other modules add is there, is what they add, and comes when it is asked for"
    methods = added()
    assert {c for c, _ in methods} == {'GANLearner', 'Run', 'Tricks'} and len(methods) > 15
    code = SCRIPT.format(added=methods, gone=sorted({*methods.values()}))
    done = subprocess.run([sys.executable, '-W', 'error::DeprecationWarning:ganlab', '-c', code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]

def test_the_lists_hold_nothing_else():
    "No method is promised that no module adds"
    from ganlab.all import GANLearner, Run, Tricks
    for cls in (GANLearner, Run, Tricks):
        for name in [n for n, v in vars(cls).items() if type(v).__name__ == 'Late']: getattr(cls, name)
