"Where nothing is held out, what compares with training samples says so where it is shown; metrics have one register, and a name belongs to one of them."
import ast, pathlib
import numpy as np, pytest, torch
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader
from ganlab.checkup.figures import above
from ganlab.checkup.signals import signals
from ganlab.data import tensor_dls
from ganlab.engine.register import register
from ganlab.judge.arm import compared, measures_for
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.quality.named import all_named, named

SAID = ' (beside training samples, for want of held-out ones)'

def learner(held):
    x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
    dls = tensor_dls(x[held:], bs=16, valid=x[:held]) if held else DataLoader(x, 16)
    return GANLearner(dls, *mlp(width=8, depth=1, seed=0), seed=0)

@pytest.mark.parametrize('held, said', [(0, SAID), (150, '')])
def test_said_where_shown(held, said):
    "In the title of a metric (curve, column, comparison), of the usual distance, and of a chip; not of what looks at fakes alone"
    learn = learner(held)
    assert learn.add_metric('sliced_wasserstein').heading == 'Sliced Wasserstein distance' + said
    assert learn.add_metric('coverage').heading == 'Coverage' + said
    assert measures_for(learn)['coverage'].title == 'Coverage' + said and measures_for(learner(held))['sliced_wasserstein'].title == 'Sliced Wasserstein distance' + said
    for name, s in signals(learn).items(): assert s.title.endswith(SAID) == bool(said and name in ('distance', 'variety', 'likeness')), name
    assert compared['sliced_wasserstein'].title == 'Sliced Wasserstein distance'                # others' titles stay

def test_one_register():
    "Quality and judge add to one register; its names are taken from the beginning"
    assert named is register.metrics and compared is register.compared and {'fd', 'modes', 'copies'} <= {*all_named()}
    assert {'ms', 'd_input_grad_norm', 'metric', 'sliced_wasserstein', 'hq'} <= register.taken
    for name in ('ms', 'metric', 'hq'):
        with pytest.raises(ValueError, match=f"there is a number called '{name}' already"): learner(0).add_metric(lambda learn: 0., name=name)

def test_nothing_looks_up():
    "What metrics are made of imports nothing within a function that stands above it"
    here = pathlib.Path(__file__).parent.parent/'ganlab'
    for f in ('engine/register', 'engine/pacing', 'engine/measuring', 'engine/rows', 'quality/named', 'judge/arm', 'record/taking'):
        tree = ast.parse((here/f'{f}.py').read_text(encoding='utf-8'))
        assert not [n for d in ast.walk(tree) if isinstance(d, ast.FunctionDef) for n in ast.walk(d) if isinstance(n, (ast.Import, ast.ImportFrom))], f

def test_the_larger_of_two():
    "Pairs counted one by one, with ties, and scikit-learn's number; NaN where there is none"
    g = torch.Generator().manual_seed(0)
    a, b = torch.randint(0, 9, (40,), generator=g).float(), torch.randint(2, 9, (30,), generator=g).float()
    by_hand = np.mean([(p > q) + .5*(p == q) for p in a.tolist() for q in b.tolist()])
    assert above(a, b) == pytest.approx(by_hand) == roc_auc_score([1]*40 + [0]*30, torch.cat([a, b]).numpy())
    assert np.isnan([above(a, b[:0]), above(a[:0], b), above(a*float('inf'), b)]).all()
