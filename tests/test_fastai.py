"fastai's habits: its callbacks, schedules, finder and files work, and none of them does harm."
import threading, warnings
import numpy as np, pandas as pd, pytest, torch
from fastai.callback.core import Callback, CancelFitException
from fastai.callback.progress import CSVLogger, ShowGraphCallback
from fastai.callback.schedule import ParamScheduler, SchedLin
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback
from ganlab.data import tensor_dls
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from strangers import Faulty, copies, data, go, make_learner, nets, one_sentence, unequal

class SeenRates(Callback):
    "Notes the rates after each step"
    def __init__(self): self.seen = []
    def after_batch(self): self.seen.append((self.learn.opt_g.param_groups[0]['lr'], self.learn.opt_d.param_groups[0]['lr']))

def quiet(learn, fn):
    with learn.quiet(), warnings.catch_warnings(): warnings.simplefilter('ignore'); return fn()

# Epochs

@pytest.mark.parametrize('n_d', [1, 3, 20])
def test_an_epoch(n_d):
    "len(dl) // n_d steps, each a fastai batch"
    learn, rates = make_learner(n_d=n_d), SeenRates()
    assert len(learn.dls.train) == 13
    quiet(learn, lambda: learn.fit(2, cbs=rates))
    assert learn.step == len(rates.seen) == 2*max(1, 13//n_d) == learn.record.n

def test_fit_is_fit_steps():
    "Bit for bit, validation and progress bar or not"
    a, b, c = make_learner('dropout'), make_learner('dropout'), make_learner('dropout')
    quiet(a, lambda: a.fit(2)); go(b, 26)
    c.logger = lambda *_: None
    c.fit(2)
    assert a.state_hash() == b.state_hash() == c.state_hash()

class GoesBack(Callback):
    "Rewinds once"
    def __init__(self, at, to): self.at, self.to = at, to
    def before_batch(self):
        if self.learn.step == self.at:
            self.at = None
            self.learn.rewind(self.to)

@pytest.mark.parametrize('at,to,rows', [(15, 14, (13, 25)), (15, 4, (4, 15)), (14, 12, (12, 24))], ids=['within the epoch', 'into the one before', 'at its beginning'])
def test_the_table_of_an_epoch_in_which_somebody_went_back(at, to, rows):
    "The mean of the rows of the epoch that stand, and of what was measured since"
    learn = make_learner()
    with learn.no_logging(): learn.fit(2, cbs=[GoesBack(at, to), ShowGraphCallback()])
    assert learn.step == rows[1] == learn.record.n
    for k, c in enumerate(('d_loss', 'g_loss')): assert learn.recorder.values[1][k] == pytest.approx(float(np.mean(learn.record.array(c)[slice(*rows)])))

def test_no_validation_set():
    train = tensor_dls(data(), 8).train
    learn = GANLearner(train, *nets('mlp'))
    assert not learn.has_valid and learn.validate() is None
    quiet(learn, lambda: learn.fit(1, cbs=CSVLogger()))
    assert learn.step == len(train) and 'valid_loss' not in pd.read_csv(learn.path/'history.csv').columns

def test_events_in_fastais_order():
    seen = []
    class Log(Callback):
        pass
    for name in ('before_fit', 'before_epoch', 'before_train', 'before_batch', 'after_batch', 'after_train', 'before_validate', 'after_validate', 'after_epoch', 'after_fit'):
        setattr(Log, name, lambda self, name=name: seen.append(name))
    learn = make_learner(n_d=13)
    quiet(learn, lambda: learn.fit(2, cbs=Log()))
    epoch = ['before_epoch', 'before_train', 'before_batch', 'after_batch', 'after_train', 'before_validate', 'after_validate', 'after_epoch']
    assert seen == ['before_fit', *epoch, *epoch, 'after_fit']

def test_events_inside_a_step_are_not_called():
    class Inside(Callback):
        def after_backward(self): raise AssertionError
    learn = make_learner()
    with pytest.warns(UserWarning, match='after_backward'): learn.add_cb(Inside())
    go(learn, 2)

def test_cancel():
    class End(Callback):
        def after_batch(self):
            if self.learn.step == 5: raise CancelFitException
    learn, calm = make_learner(), make_learner()
    quiet(learn, lambda: learn.fit(3, cbs=End())); go(calm, 5)
    assert learn.step == 5 and learn.state_hash() == calm.state_hash()

def test_one_batch_never_trains():
    learn = make_learner(); was = learn.state_hash()
    learn.dls.one_batch(); learn.dls.train.one_batch()
    b = learn.dls.train.one_batch()
    try: learn.one_batch(0, b)
    except Exception as e: one_sentence(e)
    assert learn.state_hash() == was and learn.step == 0

# Callbacks

def test_csv_logger(tmp_path):
    learn = make_learner(path=tmp_path)
    learn.logger = lambda *_: None
    learn.fit(3, cbs=CSVLogger())
    df = pd.read_csv(tmp_path/'history.csv')
    assert list(df.columns) == ['epoch', 'd_loss', 'g_loss', 'valid_loss', 'time'] and len(df) == 3 and df[['d_loss', 'g_loss', 'valid_loss']].notna().all().all()
    np.testing.assert_allclose(df.d_loss[0], learn.history.d_loss[:13].mean(), rtol=1e-4)

def test_save_model(tmp_path):
    "The best epoch's weights are on disk, and in the learner afterwards"
    learn = make_learner(path=tmp_path, lr_g=1e-2, lr_d=1e-2)
    values, kept = [], []
    class KeepAll(Callback):
        order = 100
        def after_epoch(self): values.append(float(self.learn.valid_loss)); kept.append(copies(self.learn))
    quiet(learn, lambda: learn.fit(4, cbs=[SaveModelCallback(monitor='valid_loss', with_opt=True), KeepAll()]))
    assert (tmp_path/'models'/'model.safetensors').exists()
    best = kept[int(np.argmin(values))]
    assert not unequal(best, copies(learn))
    quiet(learn, lambda: learn.fit(1, cbs=SaveModelCallback(monitor='d_loss', fname='each', every_epoch=True)))
    assert (tmp_path/'models'/'each_0.safetensors').exists()

def test_trackers_in_fit_steps(tmp_path):
    "fit_steps has no validation; a callback that stays on the learner and wants valid_loss does not break it"
    learn = make_learner(path=tmp_path, cbs=[EarlyStoppingCallback(monitor='d_loss', patience=5), CSVLogger()])
    go(learn, 3); quiet(learn, lambda: learn.fit(1))
    learn = make_learner(path=tmp_path, cbs=[SaveModelCallback(monitor='valid_loss')])
    go(learn, 3)
    assert learn.step == 3

def test_tensorboard(tmp_path):
    from fastai.callback.tensorboard import TensorBoardCallback
    learn = make_learner(path=tmp_path)
    quiet(learn, lambda: learn.fit(2, cbs=TensorBoardCallback(log_dir=tmp_path/'tb', log_preds=False, trace_model=False)))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    ea = EventAccumulator(str(tmp_path/'tb')).Reload()
    assert len(ea.Scalars('train_loss')) == 26 and len(ea.Scalars('valid_loss')) == 2

def test_param_scheduler():
    "A rate from fastai multiplies both; afterwards the rates are what they were"
    learn, rates = make_learner(lr_g=1e-4, lr_d=4e-4), SeenRates()
    quiet(learn, lambda: learn.fit(1, cbs=[ParamScheduler(dict(lr=SchedLin(4e-4, 4e-5))), rates]))
    g, d = np.array(rates.seen).T
    np.testing.assert_allclose(d/g, 4, rtol=1e-9); np.testing.assert_allclose(d[0], 4e-4, rtol=1e-6)
    assert (np.diff(d) < 0).all() and d[-1] < 1e-4
    assert (learn.opt_g.param_groups[0]['lr'], learn.opt_d.param_groups[0]['lr']) == (1e-4, 4e-4)

@pytest.mark.parametrize('name', ['Rates', 'Record', 'Tricks', 'Step', 'Sample', 'FitSteps'])
def test_a_callback_named_like_something_of_the_learner(name):
    "fastai hangs callbacks on the learner under their names: one that would hide what is there is refused, or hides nothing"
    learn = make_learner()
    cb = type(name, (Callback,), {})()
    was = getattr(learn, cb.name)
    try: learn.add_cb(cb)
    except ValueError as e: assert name in one_sentence(e) and cb not in learn.cbs
    else: assert getattr(learn, cb.name) == was; learn.remove_cb(cb)
    assert getattr(learn, cb.name) == was
    go(learn, 2)

# Rates

def test_fit_never_overwrites_the_rates():
    learn, rates = make_learner(lr_g=1e-4, lr_d=3e-4), SeenRates()
    quiet(learn, lambda: learn.fit(1, cbs=rates))
    assert set(rates.seen) == {(1e-4, 3e-4)}
    learn.opt_g.param_groups[0]['lr'] = 7e-5; rates.seen.clear()
    quiet(learn, lambda: learn.fit(1, cbs=rates))
    assert set(rates.seen) == {(7e-5, 3e-4)}
    rates.seen.clear(); quiet(learn, lambda: learn.fit(1, 6e-4, cbs=rates))
    np.testing.assert_allclose(rates.seen, [(14e-5, 6e-4)]*13, rtol=1e-9)
    assert (learn.opt_g.param_groups[0]['lr'], learn.opt_d.param_groups[0]['lr']) == (7e-5, 3e-4)
    assert [(c.kind, c.name) for c in learn.tricks.log] == [('rates', 'lr_g')]

def test_fit_one_cycle():
    "Both rates move, in their ratio, up to the largest given"
    learn, rates = make_learner(lr_g=1e-4, lr_d=4e-4), SeenRates()
    quiet(learn, lambda: learn.fit_one_cycle(2, 8e-4, cbs=rates))
    g, d = np.array(rates.seen).T
    np.testing.assert_allclose(d/g, 4, rtol=1e-9)
    assert abs(d.max() - 8e-4) < 1e-4 and d[0] < 1e-4 and d[-1] < 1e-5 and 2 < d.argmax() < 12
    assert (learn.opt_g.param_groups[0]['lr'], learn.opt_d.param_groups[0]['lr']) == (1e-4, 4e-4)

def test_fit_one_cycle_keeps_to_the_learners_rates():
    "Given none, the largest is the learner's own, not fastai's 1e-3"
    learn, rates = make_learner(lr_g=1e-4, lr_d=4e-4), SeenRates()
    quiet(learn, lambda: learn.fit_one_cycle(1, cbs=rates))
    assert max(d for _, d in rates.seen) <= 4e-4*(1 + 1e-6)

def test_momentum_is_ignored_with_one_warning():
    learn = make_learner()
    with warnings.catch_warnings(record=True) as ws, learn.quiet():
        warnings.simplefilter('always')
        learn.fit_one_cycle(1, 1e-3); learn.fit_one_cycle(1, 1e-3)
    said = [str(w.message) for w in ws if 'mom' in str(w.message)]
    assert len(said) == 1 and 'betas' in said[0]
    assert learn.opt_g.param_groups[0]['betas'] == (.5, .999) == learn.opt_d.param_groups[0]['betas']

def test_one_cycle_with_ttur():
    "The trick's rates, on the schedule's multiplier; off gives back the learner's"
    learn, rates = make_learner(tricks=[('ttur', dict(lr_d=4e-4, lr_g=1e-4))]), SeenRates()
    quiet(learn, lambda: learn.fit_one_cycle(1, 2e-4, cbs=rates))
    g, d = np.array(rates.seen).T
    np.testing.assert_allclose(d/g, 4, rtol=1e-6)
    assert d.max() > 3e-4
    learn.tricks.off('ttur')
    assert learn.opt_g.param_groups[0]['lr'] == learn.opt_d.param_groups[0]['lr'] == 2e-4

# lr_find

@pytest.mark.parametrize('kw', [dict(num_it=30), dict(num_it=25, end_lr=1e30, stop_div=False)])
@pytest.mark.parametrize('loss', ['non_saturating', 'wasserstein'])
def test_lr_find(kw, loss):
    "Suggests, and leaves the learner as it was, even where the search ends in NaN"
    learn, calm = make_learner('mlp', loss=loss), make_learner('mlp', loss=loss)
    go(learn, 4); go(calm, 4)
    was = learn.state_hash()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try: learn.lr_find(show_plot=False, **kw)
        finally: assert learn.state_hash() == was and learn.step == 4 and not learn.training_now
    assert len(learn.history) == 4 and (learn.opt_g.param_groups[0]['lr'], learn.opt_d.param_groups[0]['lr']) == (2e-4, 2e-4)
    go(learn, 3); go(calm, 3)
    assert learn.state_hash() == calm.state_hash()

def test_lr_find_suggests():
    learn = make_learner(n=400)
    with warnings.catch_warnings(): warnings.simplefilter('ignore'); found = learn.lr_find(show_plot=False)
    assert 1e-7 < found.valley < 1

def test_lr_find_with_a_change_waiting():
    "A change that waits for a later step still waits for it afterwards"
    learn = make_learner(); go(learn, 2)
    c = learn.tricks.on('instance_noise', at=10); was = learn.state_hash()
    with warnings.catch_warnings(): warnings.simplefilter('ignore'); learn.lr_find(num_it=20, show_plot=False)
    assert learn.state_hash() == was and learn.step == 2 and not learn.tricks['instance_noise'].enabled
    go(learn, 10)
    assert c.step == 10 and learn.tricks['instance_noise'].enabled

# After a failure

def test_after_a_failure_fit_works():
    "Callbacks given for one call, the progress bar and the rates do not stay behind"
    learn = make_learner(); n = len(learn.cbs)
    fault = learn.tricks.add(Faulty); learn.tricks.on('faulty'); fault.slot, fault.when = 'd_term', 3
    with pytest.raises(StepError): quiet(learn, lambda: learn.fit_one_cycle(1, 1e-2, cbs=SeenRates()))
    assert len(learn.cbs) == n and learn.step == 3 and not learn.training_now
    learn.tricks.off('faulty')
    assert learn.opt_g.param_groups[0]['lr'] == 2e-4
    quiet(learn, lambda: learn.fit(1))
    assert learn.step == 16

# Files and what is refused

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'tied'])
@pytest.mark.parametrize('tricks', [(), ('spectral_norm', 'ttur')])
def test_save_and_load(kind, tricks, tmp_path):
    from safetensors import safe_open
    learn = make_learner(kind, path=tmp_path, tricks=tricks); go(learn, 3)
    was, file = copies(learn), learn.save('a')
    with safe_open(file, 'pt') as f: assert set(f.keys()) == {n for n in was if not n.startswith('trick/')} and f.metadata()['step'] == '3'
    fresh = make_learner(kind, path=tmp_path, tricks=tricks); assert fresh.load('a') is fresh
    assert not unequal(was, copies(fresh))
    go(learn, 2); learn.load('a')
    assert not unequal(was, copies(learn))
    bare = make_learner(kind, path=tmp_path, tricks=tricks); bare.load('a', with_opt=False)
    assert not bare.opt_g.state and not unequal({n: t for n, t in was.items() if n[:2] in ('d/', 'g/')}, copies(bare))

def test_channels_last_is_saved_too(tmp_path):
    learn = make_learner('dcgan', path=tmp_path); learn.G.to(memory_format=torch.channels_last)
    go(learn, 2); was = copies(learn); learn.save('a'); go(learn, 1); learn.load('a')
    assert not unequal(was, copies(learn))

def test_what_is_refused():
    learn = make_learner()
    with pytest.raises(RuntimeError, match=r'save') as e: learn.export()
    assert 'safetensors' in one_sentence(e.value)
    with pytest.raises(RuntimeError, match=r"amp='bf16'") as e: learn.to_fp16()
    one_sentence(e.value)

def test_second_trainer_in_fit():
    learn = make_learner(n_d=4)
    class Nested(Callback):
        def after_batch(self):
            with pytest.raises(RuntimeError, match='training already'): self.learn.fit(1)
            with pytest.raises(RuntimeError, match='training already'): self.learn.lr_find(show_plot=False)
    quiet(learn, lambda: learn.fit(1, cbs=Nested()))
    assert learn.step == 3

def test_show_results():
    learn = make_learner('dcgan'); go(learn, 1)
    assert learn.show_results(max_n=4) is not None

@pytest.mark.parametrize('call', ['predict', 'get_preds', 'tta', 'freeze', 'unfreeze', 'fine_tune', 'create_opt', 'summary'])
def test_names_of_one_network(call):
    "What fastai does with one network is refused with what to do instead"
    learn = make_learner(); was = learn.state_hash()
    with pytest.raises(RuntimeError, match='one network') as e: getattr(learn, call)(1)
    one_sentence(e.value)
    assert learn.state_hash() == was

def test_no_bar_twice():
    "fastai's `no_bar` puts back a progress callback; ours"
    learn = make_learner()
    for _ in range(2):
        with learn.no_bar(), learn.no_logging(): learn.fit(1)
    quiet(learn, lambda: learn.fit(1))
    assert [type(cb).__name__ for cb in learn.cbs] == ['GANRecorder', 'GANProgress']

@pytest.mark.parametrize('lr', [-1, float('nan'), 'fast', []])
def test_wrong_rate(lr):
    learn = make_learner(); was = learn.state_hash()
    with pytest.raises(ValueError, match='number >= 0') as e: learn.fit(1, lr=lr)
    one_sentence(e.value)
    assert learn.state_hash() == was

def test_rates_of_zero():
    learn = make_learner(lr_g=0., lr_d=0.)
    with pytest.raises(ValueError, match='both are 0'): learn.fit(1, lr=1e-3)
    with pytest.raises(ValueError): learn.lr_find(show_plot=False)

def test_training_mode():
    "A network left in eval mode trains in training mode, as in fastai"
    learn = make_learner('dropout'); learn.G.eval(); go(learn, 2)
    assert learn.G.training and learn.G[1].num_batches_tracked == 2

def test_refused_before_anything_is_touched():
    "While another thread trains, `fit(reset_opt=True)` and `lr_find` change nothing"
    learn, calm = make_learner(), make_learner()
    def gate(learn):
        if learn.step == 3:
            for call in (lambda: learn.fit(1, reset_opt=True), lambda: learn.lr_find(show_plot=False)):
                t = threading.Thread(target=lambda: told.append(pytest.raises(RuntimeError, call))); t.start(); t.join()
    told = []
    learn.fit_steps(6, gate=gate, progress=False); go(calm, 6)
    assert len(told) == 2 and all('training already' in str(e.value) for e in told) and learn.state_hash() == calm.state_hash()

def test_load_into_another_optimiser(tmp_path):
    learn = make_learner(path=tmp_path); go(learn, 2); learn.save('a')
    other = make_learner(path=tmp_path, opt='rmsprop'); was = other.state_hash()
    with pytest.raises(ValueError, match='with_opt=False') as e: other.load('a')
    one_sentence(e.value); assert other.state_hash() == was
    other.load('a', with_opt=False); go(other, 1)

def test_load_without_optimisers_keeps_the_moments(tmp_path):
    learn = make_learner(path=tmp_path); go(learn, 2); learn.save('a', with_opt=False)
    was = {n: t for n, t in copies(learn).items() if n.startswith('opt_')}
    learn.load('a'); assert was and not unequal(was, {n: t for n, t in copies(learn).items() if n.startswith('opt_')})

def test_load_goes_on_with_a_trick(tmp_path):
    "What a trick has counted comes back with the weights"
    learn = make_learner(path=tmp_path, tricks=[('spectral_norm', dict(soft_start=5))]); go(learn, 8); learn.save('a')
    fresh = make_learner(path=tmp_path, tricks=[('spectral_norm', dict(soft_start=5))]); fresh.load('a')
    assert fresh.tricks['spectral_norm'].state_dict() == learn.tricks['spectral_norm'].state_dict()
    plain = make_learner(path=tmp_path).load('a')      # turned on by itself: the weights need it
    assert plain.tricks['spectral_norm'].enabled and plain.tricks['spectral_norm'].state_dict() == learn.tricks['spectral_norm'].state_dict()
