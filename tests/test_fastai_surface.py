"Every callback, method and schedule that fastai has: it works, and here is how that shows, or it is refused with what to use instead."
import ast, sys, types, warnings
from pathlib import Path
import fastai, numpy as np, pandas as pd, pytest, torch
from torch import nn
from fastai.callback.channelslast import ChannelsLast
from fastai.callback.core import Callback, CancelEpochException, CancelFitException, CancelValidException
from fastai.callback.data import CollectDataCallback
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.hook import ActivationStats, HookCallback
from fastai.callback.progress import CSVLogger, ProgressCallback, ShowGraphCallback
from fastai.callback.rnn import ModelResetter
from fastai.callback.schedule import ParamScheduler, SchedCos, SchedExp, SchedLin, SchedNo, SchedPoly, SuggestionMethod, combine_scheds, combined_cos
from fastai.callback.tensorboard import TensorBoardCallback
from fastai.callback.tracker import EarlyStoppingCallback, ReduceLROnPlateau, SaveModelCallback, TerminateOnNaNCallback, TrackerCallback
from fastai.callback.training import BnFreeze, GradientClip, ShortEpochCallback
from fastai.learner import AvgMetric, CastToTensor, Learner, Metric, SkipToEpoch, ValueMetric
from ganlab.data import tensor_dls
from ganlab.engine.callbacks import GANGraph, GANProgress, GANRecorder
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from ganlab.metrics import sliced_wasserstein
from ganlab.trick import find_tricks
from ganlab.engine.unsuited import instead, methods
from strangers import Faulty, bn_g, conv_d, copies, data, go, make_learner, nets, one_sentence, unequal

FASTAI = Path(fastai.__file__).parent

class Seen(Callback):
    "Notes, after each step, the rates of G and D"
    order = 100
    def before_fit(self): self.rates, self.epochs = [], []
    def after_batch(self): self.rates.append((self.learn.opt_g.param_groups[0]['lr'], self.learn.opt_d.param_groups[0]['lr']))
    def after_epoch(self): self.epochs.append(self.learn.epoch)

def fit(learn, n=2, cbs=(), fn=None, **kw):
    "A fit without a bar; the rows of its table"
    lines = []
    learn.logger = lines.append
    with learn.removed_cbs([cb for cb in learn.cbs if isinstance(cb, GANProgress)]), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        (fn or learn.fit)(n, cbs=[*cbs], **kw)
    return lines

# What there is

def in_source():
    "Callback classes by name, with the module that defines them, read from fastai's source: some of its modules need packages that are not here"
    bases, home = {}, {}
    for p in [*sorted((FASTAI/'callback').glob('*.py')), FASTAI/'learner.py', FASTAI/'distributed.py', FASTAI/'vision'/'gan.py']:
        for node in ast.parse(p.read_text(encoding='utf-8')).body:
            if not isinstance(node, ast.ClassDef): continue
            bases[node.name] = [b.id for b in node.bases if isinstance(b, ast.Name)]
            home[node.name] = '.'.join(('fastai', *p.relative_to(FASTAI).with_suffix('').parts))
    def is_callback(n): return n == 'Callback' or any(is_callback(b) for b in bases.get(n, ()))
    return {n: home[n] for n in bases if is_callback(n) and n != 'Callback'}

CALLBACKS = in_source()
OF_TRICKS = {n: t.name for t in find_tricks() for n in t.instead_of}
WORKS = {}

def works(*names):
    def note(f):
        for n in names: WORKS[n] = f
        return f
    return note

def stand_in(name):
    "A callback of that name, as if from fastai, where the real one cannot be imported"
    return type(name, (Callback,), dict(__module__=CALLBACKS[name]))()

@pytest.mark.parametrize('name', sorted(CALLBACKS))
@pytest.mark.part(4)
def test_a_callback(name, tmp_path):
    if name in WORKS: return WORKS[name](tmp_path)
    learn = make_learner(); was, n = learn.state_hash(), len(learn.cbs)
    said = f"learn.tricks.on({OF_TRICKS[name]!r})" if name in OF_TRICKS else instead[name]
    for give in (learn.add_cb, lambda cb: learn.add_cbs([CSVLogger(), cb]), lambda cb: learn.fit(1, cbs=[CSVLogger(), cb]), lambda cb: learn.fit_steps(1, cbs=cb), lambda cb: make_learner(cbs=cb)):
        with pytest.raises(ValueError, match='made for one network') as e: give(stand_in(name))
        assert said in one_sentence(e.value) and name in str(e.value)
    assert learn.state_hash() == was and len(learn.cbs) == n and not learn.training_now      # nor does its neighbour in the list stay behind

def test_what_is_said_of_them_is_so():
    "No name in the tables that fastai does not have; no callback in two tables; the tricks are there"
    assert {*instead, *OF_TRICKS, *WORKS} == {*CALLBACKS} and not {*instead} & {*OF_TRICKS} and not {*WORKS} & {*instead, *OF_TRICKS}
    assert {*OF_TRICKS.values()} <= {*make_learner().tricks}

def test_a_subclass_of_one_that_is_refused():
    class Gentle(GradientClip): pass
    with pytest.raises(ValueError, match="GradientClip .*'grad_clip'"): make_learner(cbs=Gentle(.5))
    class Quick(EarlyStoppingCallback): pass
    make_learner(cbs=Quick(monitor='d_loss'))

# Trackers

@works('ReduceLROnPlateau')
def _(tmp):
    "Both rates fall by the factor, their ratio kept, for the rest of the fit; the record replays it"
    learn, s = make_learner(lr_g=1e-4, lr_d=4e-4, run=tmp/'a'), Seen()
    fit(learn, 4, [ReduceLROnPlateau(monitor='g_loss', patience=1, factor=10., min_delta=100), s])
    per = learn.steps_per_epoch
    assert [s.rates[per*e] for e in range(4)] == [pytest.approx((1e-4/f, 4e-4/f)) for f in (1, 1, 10, 100)]
    assert learn.opt_g.param_groups[0]['lr'] == 1e-4 and learn.opt_d.param_groups[0]['lr'] == 4e-4
    was = learn.state_hash(); learn.run.close()
    from ganlab.record.run import Run
    import ganlab.travel.resume
    assert Run.open(tmp/'a').replay(learn.dls, *nets('mlp')).state_hash() == was
    fit(learn := make_learner(lr_g=1e-4, lr_d=4e-4), 3, [ReduceLROnPlateau(monitor='d_loss', patience=1, min_delta=100, min_lr=2e-4), s])
    assert s.rates[-1] == pytest.approx((5e-5, 2e-4))       # min_lr is of the larger

@works('EarlyStoppingCallback')
def _(tmp):
    learn, s = make_learner(), Seen()
    fit(learn, 9, [EarlyStoppingCallback(monitor='valid_loss', min_delta=100, patience=2), s])
    assert learn.step == 3*learn.steps_per_epoch and s.epochs == [0, 1]       # the third is the one that ends it

@works('SaveModelCallback')
def _(tmp):
    learn, kept = make_learner(path=tmp, lr_g=1e-2), {}
    class KeepAll(Callback):
        order = 100
        def after_epoch(self): kept[float(self.recorder.values[-1][2])] = copies(self.learn)
    fit(learn, 3, [SaveModelCallback(fname='best', with_opt=True), KeepAll()])
    assert (tmp/'models'/'best.safetensors').exists() and not unequal(copies(learn), kept[min(kept)])
    fit(learn, 2, [SaveModelCallback(monitor='g_loss', fname='each', every_epoch=True)])
    assert sorted(p.name for p in (tmp/'models').glob('each*')) == ['each_0.safetensors', 'each_1.safetensors']

@works('TrackerCallback')
def _(tmp):
    learn, t = make_learner(), TrackerCallback(monitor='d_loss')
    fit(learn, 3, [t])
    assert t.best == min(row[0] for row in learn.recorder.values)

@works('TerminateOnNaNCallback')
def _(tmp):
    "The fit ends at the last whole step, without an error; without the callback it is one"
    def broken():
        learn = make_learner()
        f = learn.tricks.add(type('Breaks', (Faulty,), dict(name='breaks', d_term=lambda self, ctx: ctx.l_real.mean()*(float('nan') if ctx.step == 16 else 0.)))())
        learn.tricks.on('breaks')
        return learn
    learn, s = broken(), Seen(); fit(learn, 3, [TerminateOnNaNCallback(), s])
    assert learn.step == 16 and s.epochs == [0] and not learn.training_now
    calm = broken(); go(calm, 16); assert learn.state_hash() == calm.state_hash()
    with pytest.raises(StepError, match='NaN'): fit(broken(), 3)

@pytest.mark.parametrize('cb', [EarlyStoppingCallback, SaveModelCallback, ReduceLROnPlateau, TrackerCallback])
def test_a_wrong_monitor(cb):
    learn = make_learner(metrics=[sliced_wasserstein]); was, n = learn.state_hash(), len(learn.cbs)
    with pytest.raises(ValueError, match="monitor='val_loss'.*d_loss, g_loss, valid_loss, sliced_wasserstein") as e: fit(learn, 1, [cb(monitor='val_loss')])
    assert "Did you mean 'valid_loss'?" in one_sentence(e.value)
    for name in ('time', 'epoch', 'accuracy'):
        with pytest.raises(ValueError, match='need one of'): fit(learn, 1, [cb(monitor=name)])
    assert learn.state_hash() == was and len(learn.cbs) == n
    bare = GANLearner(tensor_dls(data(), 8).train, *nets('mlp'))
    with pytest.raises(ValueError, match='Nothing is held out') as e: fit(bare, 1, [cb()])
    one_sentence(e.value); fit(bare, 1)

# Progress and logs

@works('ProgressCallback')
def _(tmp):
    learn = make_learner(); learn.remove_cb(learn.progress); learn.add_cb(ProgressCallback())
    assert type(learn.progress) is GANProgress
    with learn.no_mbar(): learn.fit(1)
    with learn.no_bar(): learn.fit(1)
    assert learn.step == 26 and [type(cb) for cb in learn.cbs] == [GANRecorder, GANProgress]

@works('ShowGraphCallback')
def _(tmp):
    "Both losses at every step, D's on what is held out at every epoch; in fit_steps and without a bar it does nothing"
    drawn = []
    class Bar:
        hide_graph, names = False, ('train', 'valid')
        def write(self, *a, **k): pass
        def update_graph(self, graphs, x_bounds, y_bounds): drawn.append((graphs, x_bounds, y_bounds, list(self.names)))
    learn = make_learner(); learn.add_cb(ShowGraphCallback)
    assert type(learn.show_graph) is GANGraph
    class Swap(Callback):
        order = 70
        def after_train(self): self.real, self.learn.progress.mbar = self.learn.progress.mbar, Bar()
        def after_epoch(self): self.learn.progress.mbar = self.real
    with warnings.catch_warnings(): warnings.simplefilter('ignore'); learn.fit(3, cbs=Swap())
    (d, g, valid), x, y, names = drawn[-1]
    assert len(drawn) == 3 and names == ['d_loss', 'g_loss', 'valid_loss'] and len(d[0]) == len(d[1]) == len(g[1]) == 39
    assert valid == ([13, 26, 39], [row[2] for row in learn.recorder.values]) and x == (0, 39) and y[1] >= max(valid[1])
    go(learn, 2)
    with learn.quiet(): learn.fit(1)

@works('CSVLogger')
def _(tmp):
    learn = make_learner(path=tmp, metrics=[sliced_wasserstein])
    fit(learn, 2, [log := CSVLogger()]); fit(learn, 1, [CSVLogger(append=True)])
    df = pd.read_csv(tmp/'history.csv', header=None)
    assert len(df) == 5 and list(df.iloc[0]) == ['epoch', 'd_loss', 'g_loss', 'valid_loss', 'sliced_wasserstein', 'time']

@works('TensorBoardCallback', 'TensorBoardBaseCallback')
def _(tmp):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    learn = make_learner(path=tmp, metrics=[sliced_wasserstein])
    for kw in ({}, dict(trace_model=False), dict(log_preds=False), dict(trace_model=False, log_preds=False, projector=True)):
        with pytest.raises(ValueError, match='trace_model=False, log_preds=False') as e: fit(learn, 1, [TensorBoardCallback(**kw)])
        one_sentence(e.value)
    fit(learn, 2, [TensorBoardCallback(tmp/'tb', trace_model=False, log_preds=False)])
    ea = EventAccumulator(str(tmp/'tb')).Reload()
    assert len(ea.Scalars('train_loss')) == 26 and len(ea.Scalars('sliced_wasserstein')) == 2 and ea.Scalars('lr_0')[0].value == pytest.approx(2e-4)

@works('AzureMLCallback')
def _(tmp):
    "With a stand-in for its service"
    class Service:
        parent, rows = None, []
        def log(self, name, value): self.rows.append((name, value))
    fakes = {n: types.ModuleType(n) for n in ('azureml', 'azureml.core', 'azureml.core.run', 'azureml.exceptions')}
    fakes['azureml.core.run'].Run, fakes['azureml.exceptions'].RunEnvironmentException = Service, ValueError
    sys.modules.update(fakes)
    try:
        from fastai.callback.azureml import AzureMLCallback
        fit(make_learner(), 1, [AzureMLCallback(Service())])
    finally:
        for n in (*fakes, 'fastai.callback.azureml'): sys.modules.pop(n, None)
    names = [n for n, _ in Service.rows]
    assert names.count('batch__loss') == 13 and {'epoch__d_loss', 'epoch__valid_loss', 'batch__opt.hypers.lr'} <= {*names}

# Within an epoch

@works('ShortEpochCallback')
def _(tmp):
    learn = make_learner()
    lines = fit(learn, 2, [ShortEpochCallback(pct=.5)])
    assert learn.step == 2*8 and len(lines) == 2 and np.isfinite(learn.recorder.values[-1]).all()

@works('SkipToEpoch')
def _(tmp):
    "As from a checkpoint: the schedule goes on where it was, and no tracker counts the epochs that were skipped"
    learn, s = make_learner(), Seen()
    fit(learn, 4, [SkipToEpoch(2), s, EarlyStoppingCallback(monitor='d_loss', patience=9)])
    assert s.epochs == [2, 3] and learn.step == 26
    whole, part = Seen(), Seen()
    l = make_learner(); fit(l, 4, [whole], fn=l.fit_one_cycle)
    l = make_learner(); fit(l, 4, [part], fn=l.fit_one_cycle, start_epoch=2)
    np.testing.assert_allclose(part.rates, whole.rates[26:]); assert part.epochs == [2, 3]

def test_an_epoch_that_is_cancelled():
    "It has its row, without what was not measured; a tracker goes on"
    class Cut(Callback):
        def after_batch(self):
            if self.epoch == 1 and self.iter == 4: raise CancelEpochException
        def before_validate(self):
            if self.epoch == 2: raise CancelValidException
    learn = make_learner(metrics=[sliced_wasserstein])
    lines = fit(learn, 4, [Cut(), EarlyStoppingCallback(patience=9)])
    assert learn.step == 13 + 5 + 26 and [len(l) for l in lines] == [6]*4
    v = np.array([list(r) for r in learn.recorder.values])
    assert np.isnan(v[1:3, 2:]).all() and np.isfinite(v[[0, 3]]).all() and np.isfinite(v[:, :2]).all()

@works('BnFreeze')
def _(tmp):
    "BatchNorms that do not train keep their statistics, too"
    for cbs, moves in (([], True), ([BnFreeze()], False)):
        G = bn_g()
        for p in (*G[1].parameters(), *G[0].parameters()): p.requires_grad_(False)
        learn = make_learner('dropout', G=G); learn.fit_steps(1, progress=False)
        was = [G[i].running_mean.clone() for i in (1, 5)]
        fit(learn, 1, cbs)
        assert torch.equal(was[0], G[1].running_mean) == (not moves) and not torch.equal(was[1], G[5].running_mean)

@works('ModelResetter')
def _(tmp):
    learn, calls = make_learner(), []
    learn.D.reset = lambda: calls.append(1)
    fit(learn, 2, [ModelResetter()])
    assert len(calls) == 5       # before training and validation of two epochs, and after all

@works('CastToTensor')
def _(tmp):
    a, b = make_learner(), make_learner()
    fit(a, 1, [CastToTensor()]); fit(b, 1)
    assert a.state_hash() == b.state_hash()

@works('CollectDataCallback')
def _(tmp):
    "Latents, reals, fakes and the loss of each step"
    learn, c = make_learner('dcgan'), CollectDataCallback()
    fit(learn, 1, [c])
    assert len(c.data) == 13
    (z,), (x,), pred, loss = c.data[-1]
    assert z.shape == (8, 6) and x.shape == pred.shape == (8, 1, 16, 16) and x.max() <= 1 and pred.abs().max() <= 1
    row = learn.history.iloc[-1]; assert loss.item() == pytest.approx(row.d_loss + row.g_loss, rel=1e-5)

def test_what_a_callback_reads():
    "The names of fastai's batch: after each step they are the step's, outside a fit nobody's"
    seen = {}
    class Reads(Callback):
        def after_batch(self): seen.update(x=self.x, y=self.y, pred=self.pred, loss=self.loss, smooth=self.smooth_loss.item(), lr=self.opt.hypers[-1]['lr'])
    learn = make_learner(); was = learn.dls.train
    fit(learn, 1, [Reads()])
    assert seen['x'].shape == (8, 3) and seen['y'].shape == seen['pred'].shape == (8, 2) and not seen['pred'].requires_grad and torch.isfinite(seen['loss']) and seen['lr'] == 2e-4
    assert (learn.pred, learn.x, learn.y, learn.loss) == (None,)*4

@works('ActivationStats', 'HookCallback')
def _(tmp):
    "One row per step, of every layer; the training stays as it is, and the hooks go"
    learn, calm, stats = make_learner(), make_learner(), ActivationStats(with_hist=True)
    fit(learn, 1, [stats]); fit(calm, 1)
    assert learn.state_hash() == calm.state_hash()
    assert len(stats.stats) == 13 and len(stats.stats[0]) == len([m for m in learn.model.modules() if not [*m.children()] and [*m.parameters()]])
    mean, std, near = stats.layer_stats(0); assert len(mean) == 13 and all(s > 0 for s in std)
    assert not any(m._forward_hooks for m in learn.model.modules())
    few = HookCallback(modules=[learn.G], every=4, hook=lambda m, i, o: o.shape); fit(learn, 1, [few])
    assert few.hooks.stored[0][1:] == (2,) and not learn.G._forward_hooks

@works('ChannelsLast')
def _(tmp):
    learn = make_learner('dcgan'); fit(learn, 1, [ChannelsLast()])
    assert any(p.is_contiguous(memory_format=torch.channels_last) and not p.is_contiguous() for p in learn.D.parameters() if p.ndim == 4)
    with pytest.raises(RuntimeError, match="amp='bf16'"): learn.to_channelslast(use_amp=True)
    learn.to_channelslast(); assert hasattr(learn, 'channels_last'); go(learn, 1)
    learn.to_contiguous(); assert all(p.is_contiguous() for p in learn.model.parameters()) and not hasattr(learn, 'channels_last'); go(learn, 1)

# Schedules

@works('ParamScheduler')
def _(tmp):
    for sched in (SchedLin(4e-4, 4e-5), SchedCos(4e-4, 0), SchedNo(1e-4, 1e-4), SchedExp(4e-4, 4e-6), SchedPoly(4e-4, 1e-5, 2.), combine_scheds([.3, .7], [SchedLin(1e-5, 4e-4), SchedCos(4e-4, 1e-5)]), combined_cos(.25, 1e-5, 4e-4, 1e-6)):
        learn, s = make_learner(lr_g=1e-4, lr_d=4e-4), Seen()
        fit(learn, 2, [ParamScheduler(dict(lr=sched)), s])
        want = [sched(i/26) for i in range(26)]
        assert [d for _, d in s.rates] == pytest.approx(want, abs=1e-12) and [g for g, _ in s.rates] == pytest.approx([v/4 for v in want], abs=1e-12)
        assert learn.recorder.hps['lr'] == pytest.approx(want, abs=1e-12) == learn.recorder.lrs
    with pytest.raises(ValueError, match="schedule of 'wd'.*'lr'") as e: fit(make_learner(), 1, [ParamScheduler(dict(wd=SchedLin(.1, 0)))])
    one_sentence(e.value)

@pytest.mark.parametrize('how', ['fit_one_cycle', 'fit_flat_cos', 'fit_sgdr'])
def test_a_schedule(how):
    "The larger rate follows it, the other keeps its ratio, and both are what they were afterwards; while another thread trains nothing of it is touched"
    learn, s = make_learner(lr_g=1e-4, lr_d=4e-4), Seen()
    args = (2, 1) if how == 'fit_sgdr' else (3,)
    with learn.quiet(), warnings.catch_warnings(): warnings.simplefilter('ignore'); getattr(learn, how)(*args, 8e-4, cbs=s)
    g, d = np.array(s.rates).T
    want = {'fit_one_cycle': combined_cos(.25, 8e-4/25, 8e-4, 8e-4/1e5), 'fit_flat_cos': combined_cos(.75, 8e-4, 8e-4, 8e-4/1e5),
            'fit_sgdr': combine_scheds([1/3, 2/3], [SchedCos(8e-4, 0)]*2)}[how]
    np.testing.assert_allclose(d, [want(i/39) for i in range(39)], rtol=1e-6, atol=1e-15); np.testing.assert_allclose(g, d/4, rtol=1e-9, atol=1e-18)
    assert (learn.opt_g.param_groups[0]['lr'], learn.opt_d.param_groups[0]['lr']) == (1e-4, 4e-4)
    s.rates.clear()
    with learn.quiet(), warnings.catch_warnings(): warnings.simplefilter('ignore'); getattr(learn, how)(*args, cbs=s)
    assert max(d for _, d in s.rates) <= 4e-4*(1 + 1e-9)
    class Nested(Callback):
        def after_batch(self):
            with pytest.raises(RuntimeError, match='training already'): getattr(self.learn, how)(*args, 1e-1)
            assert self.learn.rates.mult == 1
    fit(learn, 1, [Nested()])

def test_the_finder_and_its_plots():
    learn = make_learner(n=400)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        found = learn.lr_find(show_plot=False, suggest_funcs=(SuggestionMethod.Minimum, SuggestionMethod.Steep, SuggestionMethod.Valley, SuggestionMethod.Slide))
        assert found._fields == ('minimum', 'steep', 'valley', 'slide')
        learn.recorder.plot_lr_find()
        fit(learn, 2, fn=learn.fit_one_cycle)
        learn.recorder.plot_sched(); ax = learn.recorder.plot_loss(show_epochs=True)
    assert len(ax.lines) >= 2 and len(learn.recorder.losses) == 2*learn.steps_per_epoch

@pytest.mark.parametrize('lr', [slice(1e-5, 8e-4), [1e-5, 8e-4], np.array([8e-4])])
def test_rates_in_fastais_forms(lr):
    "Of several the last is the main one's, as the head's is in fastai"
    learn, s = make_learner(lr_g=1e-4, lr_d=4e-4), Seen()
    fit(learn, 1, [s], lr=lr)
    assert s.rates[-1] == pytest.approx((2e-4, 8e-4))

# Metrics

def test_metrics():
    "Columns of the table, of fakes and held-out reals; any fastai Metric; watched by trackers; no bit of the training moves"
    seen = []
    def spread(fakes, reals):
        seen.append((fakes, reals))
        return fakes.std()/reals.std()
    class Count(Metric):
        name = 'n'
        def reset(self): self.n = 0
        def accumulate(self, learn): self.n += len(learn.y)
        value = property(lambda self: self.n)
    learn, calm = make_learner(metrics=[spread, Count(), ValueMetric(lambda: 7, 'seven'), AvgMetric(sliced_wasserstein)]), make_learner()
    t = TrackerCallback(monitor='spread', comp=np.less)
    lines = fit(learn, 2, [t]); fit(calm, 2)
    assert list(learn.recorder.metric_names) == ['epoch', 'd_loss', 'g_loss', 'valid_loss', 'spread', 'n', 'seven', 'sliced_wasserstein', 'time'] and [len(l) for l in lines] == [9, 9]
    held = learn.source.valid(512)
    fakes, reals = seen[-1]
    assert torch.equal(reals, held) and fakes.shape == held.shape and fakes.device.type == 'cpu'
    last = list(learn.recorder.values[-1])
    assert last[3:] == [pytest.approx(float(fakes.std()/reals.std())), len(held), 7, pytest.approx(sliced_wasserstein(fakes, reals))]
    assert t.best == min(r[3] for r in learn.recorder.values) and learn.state_hash() == calm.state_hash()
    assert list(learn.validate()) == pytest.approx(last[2:]) and calm.validate() == pytest.approx(last[2])
    go(learn, 3); learn.metrics = []; assert [len(l) for l in fit(learn, 1)] == [5]

def test_metrics_see_what_sample_makes():
    "With averaged weights where a trick averages them, while valid_loss goes on looking at those that train"
    got = []
    def keep(fakes, reals): got.append(fakes); return 0.
    learn = make_learner(metrics=keep, lr_g=1e-2, tricks=['ema']); go(learn, 5)
    loss = learn.validate()[0]; z = learn.latents(len(got[-1]), 'valid')
    assert torch.equal(got[-1], learn.sample(z=z)) and not torch.equal(got[-1], learn.sample(z=z, ema=False))
    learn.tricks.off('ema'); assert learn.validate()[0] == loss

def test_metrics_without_a_validation_set():
    learn = GANLearner(tensor_dls(data(), 8).train, *nets('mlp'), metrics=sliced_wasserstein)
    assert len(fit(learn, 1)[0]) == 4 and list(learn.recorder.metric_names) == ['epoch', 'd_loss', 'g_loss', 'time'] and learn.validate() is None

@pytest.mark.parametrize('wrong', [3, ['accuracy'], [object()]])
def test_no_metric(wrong):
    with pytest.raises(ValueError, match='fakes, reals') as e: make_learner(metrics=wrong)
    one_sentence(e.value)

def test_a_metric_that_fails():
    "It is named, and the training stands at a whole step"
    def accuracy(preds, targs): return (preds.argmax(-1) == targs).float().mean() + undefined
    learn = make_learner(metrics=accuracy)
    with pytest.raises(RuntimeError, match='metric accuracy failed.*fakes and reals') as e: fit(learn, 1)
    one_sentence(e.value)
    assert learn.step == 13 and not learn.training_now
    learn.metrics = None; fit(learn, 1)

# Methods

HERE = dict(add_cb='callbacks', add_cbs='', added_cbs='', remove_cb='', remove_cbs='', removed_cbs='', ordered_cbs='', no_bar='progress', no_mbar='', no_logging='', fit='', fit_one_cycle='', fit_flat_cos='',
            fit_sgdr='', lr_find='', metrics='', validate='', x='what a callback reads', y='', to_detach='', to_channelslast='', to_contiguous='', show_results='tests/test_fastai.py', show_training_loop='',
            save='tests/test_fastai.py', load='', export='refused in tests/test_fastai.py', to_fp16='', to_fp32='', to_non_native_fp32='', detach_parallel='', distrib_ctx='tests/test_team.py')

def public(cls): return {n for n in dir(cls) if not n.startswith('_')}

def patched():
    "Methods that fastai's modules add to `Learner`, read from their source"
    found = set()
    for p in [*(FASTAI/'callback').glob('*.py'), FASTAI/'learner.py', FASTAI/'distributed.py']:
        for node in ast.walk(ast.parse(p.read_text(encoding='utf-8'))):
            if not isinstance(node, ast.FunctionDef) or not node.args.args or not any(isinstance(d, ast.Name) and d.id == 'patch' for d in node.decorator_list): continue
            if isinstance(a := node.args.args[0].annotation, ast.Name) and a.id == 'Learner': found.add(node.name)
    return found

OF_OTHERS = {'gather_args', 'detach_distributed'}       # of callbacks that are refused

def test_every_method_is_decided():
    "One that a new fastai adds fails here until somebody has decided"
    assert {*HERE} | {*methods} | OF_OTHERS >= public(Learner) | patched() and not {*HERE} & {*methods}

@pytest.mark.parametrize('name', sorted(methods))
def test_a_method_that_is_refused(name):
    learn = make_learner(); was, n = learn.state_hash(), len(learn.cbs)
    with pytest.raises(RuntimeError, match='one network') as e: getattr(learn, name)(1)
    assert methods[name] in one_sentence(e.value)
    assert learn.state_hash() == was and len(learn.cbs) == n

def test_small_methods(capsys):
    learn = make_learner()
    learn.show_training_loop(); out = capsys.readouterr().out
    assert 'before_batch' in out and 'GANRecorder' in out and 'after_pred' not in out
    assert learn.ordered_cbs('after_batch')[0] is learn.recorder
    assert learn.to_fp32() is learn and learn.to_non_native_fp32() is learn
    assert learn.to_detach(torch.ones(2, requires_grad=True)).requires_grad is False
    for kw in (dict(ds_idx=0), dict(dl=[1]), dict(cbs=CSVLogger())):
        with pytest.raises(ValueError, match='holds out') as e: learn.validate(**kw)
        one_sentence(e.value)
    assert isinstance(learn.validate(), float)

def test_callbacks_come_and_go():
    learn, log = make_learner(), CSVLogger()
    with learn.added_cbs([log]): assert learn.csv_logger is log
    assert log not in learn.cbs and not hasattr(learn, 'csv_logger')
    with learn.added_cbs(ProgressCallback()): pass
    assert [type(cb) for cb in learn.cbs] == [GANRecorder, GANProgress]
    learn.add_cbs([CSVLogger, TerminateOnNaNCallback]); learn.remove_cbs([CSVLogger, TerminateOnNaNCallback]); assert len(learn.cbs) == 2
    with learn.removed_cbs(learn.progress): assert not hasattr(learn, 'progress')
    assert learn.progress in learn.cbs

def test_after_create():
    calls = []
    class Born(Callback):
        def after_create(self): calls.append(self.learn.step)
    make_learner(cbs=Born())
    assert calls == [0]
