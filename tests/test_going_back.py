"Going back in the data: what is read again, what is not, and what cannot be repeated is told."
import random, warnings
import numpy as np, pytest, torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, WeightedRandomSampler
from ganlab.data import LoaderSource, as_source, ring_dls
from ganlab.learner import GANLearner
from ganlab.engine.rng import Streams
from ganlab.nets import mlp
from ganlab.record.run import Run
import ganlab.travel.fork, ganlab.travel.resume

class Pictures(Dataset):
    "Augmented with all three generators; counts what is read"
    def __init__(self, n=50): self.n, self.reads = n, 0
    def __len__(self): return self.n
    def __getitem__(self, i):
        self.reads += 1
        return torch.tensor([i/50, torch.rand(()), np.random.rand(), random.random()])

class Own(DataLoader):
    "A loader that leaves samples out when it puts a batch together, as some do"

def some_of(items): return torch.stack([o for o in items if o[0] != .1])      # the batch that holds number 5 is short

LOADERS = dict(
    shuffled=lambda d: DataLoader(d, 4, shuffle=True), in_order=lambda d: DataLoader(d, 4), dropped=lambda d: DataLoader(d, 4, shuffle=True, drop_last=True), generator=lambda d: DataLoader(d, 4, shuffle=True, generator=torch.Generator()),
    weighted=lambda d: DataLoader(d, 4, sampler=WeightedRandomSampler([1.]*d.n, d.n)), collated=lambda d: DataLoader(d, 4, shuffle=True, collate_fn=torch.stack), subclass=lambda d: Own(d, 4, shuffle=True), filtered=lambda d: DataLoader(d, 4, shuffle=True, collate_fn=some_of))

@pytest.fixture
def forgetful(monkeypatch): monkeypatch.setattr(LoaderSource, 'room', 0)      # the last batch alone is kept

@pytest.mark.parametrize('kind', LOADERS)
def test_a_batch_is_the_same_however_one_comes_to_it(kind, forgetful):
    d = Pictures()
    src = as_source(LOADERS[kind](d), Streams(0))
    want = [src.batch(i) for i in range(30)]
    for i in (20, 3, 4, 13, 11, 25, 2, 29):
        d.reads = 0
        assert torch.equal(src.batch(i), want[i])
        if kind != 'filtered': assert d.reads == 4, 'one batch is read, and no other'
    for i in (17, 5):      # another process has read nothing yet
        d.reads = 0
        fresh = as_source(LOADERS[kind](d), Streams(0))
        assert torch.equal(fresh.batch(i), want[i])
        if kind not in ('filtered', 'collated'): assert d.reads == 8, 'the first batch, and the one that is asked for'

class Stream(IterableDataset):
    def __init__(self): self.reads = 0
    def __iter__(self):
        g = torch.Generator().manual_seed(0)
        while True:
            self.reads += 1
            yield torch.randn(4, generator=g)

def nets(): return nn.Linear(4, 4), nn.Linear(4, 1)
def learner(dl, G=None, D=None, **kw):
    torch.manual_seed(0)
    g, d = nets()
    return GANLearner(dl, G or g, D or d, seed=0, **kw)

@pytest.mark.parametrize('make', [lambda: DataLoader(Stream(), 4), lambda: DataLoader(Pictures(400), 4, shuffle=True)], ids=['stream', 'map'])
def test_going_back_a_little_reads_nothing(make):
    "The batches of the last steps are kept"
    dl = make()
    learn = learner(dl)
    learn.fit_steps(60, progress=False)
    h, dl.dataset.reads = learn.state_hash(), 0
    learn.rewind(50)
    learn.fit_steps(10, progress=False)
    assert (learn.state_hash(), dl.dataset.reads) == (h, 0)

def test_going_back_where_nothing_is_kept(forgetful):
    "As many batches are read as steps are computed"
    d = Pictures(400)
    learn = learner(DataLoader(d, 4, shuffle=True))
    learn.run.snap_every = 10
    learn.fit_steps(90, progress=False)
    h, d.reads = learn.state_hash(), 0
    learn.rewind(80)
    learn.fit_steps(10, progress=False)
    assert learn.state_hash() == h and d.reads <= 4*20      # at most ten from the snapshot to 80, and ten from there

def test_a_stream_is_walked_from_its_start_beyond_what_is_kept(forgetful):
    src = as_source(DataLoader(Stream(), 4), Streams(0))
    want = [src.batch(i) for i in range(9)]
    assert torch.equal(src.batch(2), want[2]) and torch.equal(src.batch(8), want[8])

def test_a_batch_that_was_written_into_is_read_again():
    src = as_source(DataLoader(Pictures(), 4, shuffle=True), Streams(0))
    x = src.batch(3)
    want = x.clone()
    x.zero_()
    assert torch.equal(src.batch(3), want)

def test_what_is_kept_has_bounds(monkeypatch):
    monkeypatch.setattr(LoaderSource, 'room', 4*4*4*5)
    src = as_source(DataLoader(Pictures(), 4, shuffle=True), Streams(0))
    for i in range(20): src.batch(i)
    assert list(src.kept) == [15, 16, 17, 18, 19] and src.kept.size == 4*4*4*5

@pytest.mark.parametrize('persistent', [True, False])
def test_workers_that_draw(persistent):
    "Each epoch begins with random states of its own, whatever the workers did before"
    def make(): return as_source(DataLoader(Pictures(16), 4, shuffle=True, num_workers=2, persistent_workers=persistent), Streams(0))
    src = make()
    src.room = 0
    want = [src.batch(i) for i in range(10)]
    assert all(torch.equal(src.batch(i), want[i]) for i in (5, 1, 9, 2))
    assert torch.equal(make().batch(6), want[6]), 'in another process, too'
    assert len({tuple(x[:, 1].tolist()) for x in want}) == 10

def test_batches_in_the_order_of_the_workers():
    with pytest.warns(UserWarning, match='in_order=True'): as_source(DataLoader(Pictures(16), 4, num_workers=1, in_order=False), Streams(0))

# What cannot be repeated is told

class Counts(nn.Module):
    "Remembers by itself how often it was asked"
    def __init__(self): super().__init__(); self.l, self.n = nn.Linear(4, 1), 0
    def forward(self, x):
        self.n += 1
        return self.l(x)*(1 + .01*self.n)

class Hidden(nn.Module):
    "A generator of its own"
    def __init__(self): super().__init__(); self.l, self.g = nn.Linear(4, 1), torch.Generator().manual_seed(0)
    def forward(self, x): return self.l(x + .1*torch.randn(x.shape, generator=self.g))

class Remembers(Pictures):
    "A dataset with a generator of its own"
    def __init__(self): super().__init__(); self.rng = np.random.default_rng(0)
    def __getitem__(self, i): return super().__getitem__(i) + float(self.rng.random())

class Plain(nn.Module):
    def __init__(self): super().__init__(); self.l = nn.Linear(4, 1)
    def forward(self, x): return self.l(x)

def fails_at(learn, n):
    "D raises in its n-th call while it trains"
    calls = [0]
    def hook(m, args):
        calls[0] += m.training
        if calls[0] == n: calls[0] += 1; raise KeyboardInterrupt
    return learn.D.register_forward_pre_hook(hook)

def failed(learn, folder, dl):
    hook = fails_at(learn, 3*25)
    with pytest.raises(KeyboardInterrupt): learn.fit_steps(40, progress=False)
    hook.remove()
def rewound(learn, folder, dl): learn.fit_steps(15, progress=False); learn.rewind(13)
def resumed(learn, folder, dl):
    learn.fit_steps(15, progress=False)
    learn.run.stop()      # as a kill would
    again = GANLearner.resume(folder, dl, nn.Linear(4, 4), type(learn.D)(), progress=False)
    again.run.close()
def replayed(learn, folder, dl):
    learn.fit_steps(15, progress=False)
    learn.run.close()
    Run.open(folder).replay(dl, nn.Linear(4, 4), type(learn.D)(), progress=False)
def forked(learn, folder, dl): learn.fit_steps(15, progress=False); learn.fork(step=13)

acts = dict(failed=failed, rewound=rewound, resumed=resumed, replayed=replayed, forked=forked)
told = [('counts', a) for a in acts if a != 'replayed'] + [('hidden', a) for a in ('failed', 'rewound')] + [('data', 'rewound'), ('data', 'failed')]

def what_is_told(kind, act, folder, monkeypatch):
    monkeypatch.setattr(LoaderSource, 'room', 0)
    dl = DataLoader(Remembers() if kind == 'data' else Pictures(), 4, shuffle=True)
    learn = learner(dl, D=dict(counts=Counts, hidden=Hidden).get(kind, Plain)(), run=folder)
    learn.snap_every, learn.run.snap_every, learn.run.frame_every = 100, 10, 0
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter('always')
        acts[act](learn, folder, dl)
        if act == 'rewound': learn.fit_steps(3, progress=False); learn.rewind(12)      # once more: it is told once
    return [str(w.message) for w in seen if 'came out otherwise' in str(w.message)]

@pytest.mark.parametrize('kind, act', told)
@pytest.mark.part(2)
def test_what_does_not_come_out_again_is_told(kind, act, tmp_path, monkeypatch):
    said = what_is_told(kind, act, tmp_path/'a', monkeypatch)
    assert len(said) == 1 and 'was computed again' in said[0] and 'same bits are not promised' in said[0]

@pytest.mark.parametrize('act', acts)
def test_what_comes_out_again_is_not_told(act, tmp_path, monkeypatch):
    assert what_is_told('plain', act, tmp_path/'a', monkeypatch) == []

# What shows in no row: only the state says it

class Shaken(nn.Module):
    "Its rows are those of a plain one: what NumPy draws is in a buffer that no score depends on"
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(4, 1)
        self.register_buffer('seen', torch.zeros(()))
    def forward(self, x):
        if self.training: self.seen.add_(float(np.random.default_rng().random()))
        return self.l(x)

class Astray(nn.Module):
    "A weight that no score depends on, and whose gradient is drawn by the system: its rows are those of a plain one"
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(4, 1)
        self.idle = nn.Parameter(torch.zeros(()))
    def forward(self, x): return self.l(x) + Idle.apply(self.idle)

class Idle(torch.autograd.Function):
    "Nought; its gradient is a number that is drawn by itself, too small to show in a norm"
    @staticmethod
    def forward(ctx, w): return w*0
    @staticmethod
    def backward(ctx, g): return g.new_tensor(random.SystemRandom().uniform(1e-12, 2e-12))

KINDS = dict(buffer=Shaken, weight=Astray)

def state_told(seen): return [str(w.message) for w in seen if 'came out otherwise' in str(w.message)]

def hidden_run(kind, folder, steps=15):
    dl = DataLoader(Pictures(), 4, shuffle=True)
    learn = learner(dl, D=KINDS[kind](), run=folder)
    learn.run.snap_every, learn.run.frame_every = 10, 0
    learn.fit_steps(steps, progress=False)
    return dl, learn

def replays(dl, learn, folder):
    learn.run.close()
    Run.open(folder).replay(dl, nn.Linear(4, 4), type(learn.D)(), progress=False)
def rewinds_to_where_it_stands(dl, learn, folder): learn.rewind(15)
def resumes_over_damage(dl, learn, folder):
    "The last snapshots are lost: they are computed again from the first"
    learn.run.close()
    for p in folder.rglob('*.safetensors'):
        if int(p.stem.split('-')[1]) > 0: p.write_bytes(p.read_bytes()[:-8] + bytes(8))
    GANLearner.resume(folder, dl, nn.Linear(4, 4), type(learn.D)(), progress=False).run.close()
def fails_after_a_snapshot(dl, learn, folder):
    "The step after one of which the record has a snapshot fails: what is computed again ends just there"
    learn.snap_every = 100
    at = learn.run.marks.snap_due
    def fail(m, args):
        if learn.step == at: raise ZeroDivisionError
    hook = learn.G.register_forward_pre_hook(fail)
    with pytest.raises(Exception, match='ZeroDivisionError'): learn.fit_steps(at, progress=False)
    hook.remove()
    assert learn.step == at > 15 and learn.run.hash_at(at)

hidden_acts = [replays, rewinds_to_where_it_stands, resumes_over_damage, fails_after_a_snapshot]

@pytest.mark.parametrize('act', hidden_acts, ids=lambda f: f.__name__)
@pytest.mark.parametrize('kind', KINDS)
def test_what_is_in_no_row_is_told(kind, act, tmp_path):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter('always')
        act(*hidden_run(kind, tmp_path/'a'), tmp_path/'a')
    said = state_told(seen)
    assert len(said) == 1 and 'The state after step' in said[0] and 'same bits are not promised' in said[0], said

@pytest.mark.parametrize('act', hidden_acts, ids=lambda f: f.__name__)
def test_the_same_state_is_not_told(act, tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, 'plain', Plain)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter('always')
        act(*hidden_run('plain', tmp_path/'a'), tmp_path/'a')
    assert state_told(seen) == []

def test_schedules_and_changes_are_not_told(tmp_path):
    "Rates that a schedule left, switches before and after a snapshot, weights set by hand: every recorded state comes out again, and each is compared"
    from ganlab.travel.compared import Compared
    dl = DataLoader(Pictures(), 4, shuffle=True)
    learn = learner(dl, run=tmp_path/'a')
    learn.run.snap_every, learn.run.frame_every, learn.run.spread = 5, 0, 100
    learn.fit_one_cycle(2, 1e-3)
    learn.tricks.on('ema')
    learn.pin()
    learn.tricks.on('instance_noise')
    learn.fit_steps(7, progress=False)
    learn.tricks.set('instance_noise', sigma=.2)
    with torch.no_grad(): learn.D.weight.mul_(1.5)
    learn.fit_steps(6, progress=False)
    learn.pin()
    learn.tricks.off('ema')
    learn.fit_steps(2, progress=False)
    end = learn.state_hash()
    learn.run.close()
    looked = []
    run, look = Run.open(tmp_path/'a'), Compared.look
    def watched(self, left, **kw):
        n = len(self.rows)
        look(self, left, **kw)
        looked.append(n - len(self.rows))
    with pytest.MonkeyPatch.context() as m, warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        warnings.filterwarnings('ignore', 'You are shadowing')
        m.setattr(Compared, 'look', watched)
        again = run.replay(dl, *nets(), progress=False)
    assert again.state_hash() == end and sum(looked) == sum(s['step'] > 0 for s in run.snapshots) - 1 > 5      # all but the one between two changes of one step

def test_a_trick_that_goes_while_steps_are_computed_again(tmp_path):
    "Its weights are gone from the optimiser and from the record of norms with that step, as they were the first time"
    nets = lambda: mlp(dim=2, z_dim=2, width=8, depth=1, seed=0)
    learn = GANLearner(ring_dls(n=500, bs=16), *nets(), seed=0, run=tmp_path/'a')
    learn.run.snap_every = 1000
    learn.tricks.on('minibatch_stddev')
    learn.fit_steps(3, progress=False)
    learn.tricks.off('minibatch_stddev')
    learn.fit_steps(2, progress=False)
    done, n = learn.tricks['minibatch_stddev'].leaving
    learn.fit_steps(n - done + 4, progress=False)
    assert not learn.tricks['minibatch_stddev'].enabled
    learn.tricks.on('optimizer')                                   # it measures the gradients of all that is trained
    learn.fit_steps(2, progress=False)
    learn.run.close()
    for again in (Run.open(tmp_path/'a').replay(ring_dls(n=500, bs=16), *nets(), progress=False),
                  GANLearner.resume(tmp_path/'a', ring_dls(n=500, bs=16), *nets(), step=learn.step - 1, progress=False)):
        if again.step < learn.step: again.fit_steps(learn.step - again.step, progress=False)
        assert again.state_hash() == learn.state_hash() and again.layers['d'].columns == learn.layers['d'].columns
        for c in learn.layers['d'].columns: np.testing.assert_array_equal(again.layers['d'].array(c), learn.layers['d'].array(c))

def test_a_fork_with_the_changes_of_its_step():
    "At step 0 these are the constructor's: it goes on as the run itself began"
    learn = GANLearner(ring_dls(n=200, bs=8), *mlp(width=8, depth=1, seed=0), seed=0, tricks=['instance_noise', ('ttur', dict(lr_d=1e-3))])
    learn.fit_steps(3, progress=False)
    at = learn.state_hash()
    learn.set_loss('hinge'); learn.fit_steps(2, progress=False)
    plain, whole, later = learn.fork(0), learn.fork(0, changed=True), learn.fork(3, changed=True)
    assert not list(plain.tricks.enabled) and [t.name for t in whole.tricks.enabled] == [t.name for t in learn.tricks.enabled]
    whole.fit_steps(3, progress=False)
    assert whole.state_hash() == at and whole.loss_name == 'non_saturating' and later.loss_name == 'hinge'
    later.fit_steps(2, progress=False)
    assert later.state_hash() == learn.state_hash()
    for o in (plain, whole, later, learn): o.run.close()
