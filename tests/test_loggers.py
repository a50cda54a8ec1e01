"What a logger is told: scalars, samples and every change; the training is what it was, and a logger that fails is left out"
import gc, importlib.util, json
import numpy as np
import pytest, torch
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.loggers.following import LogTo, image_of
from ganlab.loggers.sinks import MLflow, TensorBoard, Trackio, Wandb, as_sink
from ganlab.nets import mlp

class Heard:
    def __init__(self, fails=None): self.told, self.fails = [], fails
    def _hear(self, what, *args):
        if what == self.fails: raise OSError('the network is down')
        self.told.append((what, *args))
    def begin(self, *args): self._hear('begin', *args)
    def scalars(self, *args): self._hear('scalars', *args)
    def event(self, *args): self._hear('event', *args)
    def picture(self, *args): self._hear('picture', *args)
    def end(self, *args): self._hear('end', *args)
    def of(self, what): return [o[1:] for o in self.told if o[0] == what]

def new(**kw): return GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0, **kw)
def story(learn):
    "Scalars, changes of all kinds, a refusal, a rewind"
    learn.fit_steps(20, progress=False)
    learn.tricks.on('gradient_penalty', gamma=2), learn.set_loss('hinge'), learn.tricks.preset('wgan_gp_toy')
    learn.fit_steps(10, progress=False)
    learn.rewind(25)
    learn.fit_steps(15, progress=False)
    return learn
CHANGES = ['Gradient penalty on at step 20: gamma 2.', 'Loss is now Hinge at step 20.']

def test_what_is_told(tmp_path):
    sink = Heard()
    learn, alone = story(new(loggers=[LogTo(sink, share=1e9)], run=tmp_path/'a')), story(new())
    assert learn.state_hash() == alone.state_hash()
    (name, facts), = sink.of('begin')
    assert name == 'a' and facts['lr_g'] == 2e-4 and facts['bs'] == 16 and json.dumps(facts)
    events = [(s, t) for s, t, _ in sink.of('event')]
    assert [t for _, t in events[:2]] == CHANGES and events[-1] == (25, 'Went back to step 25.') and all(s == 20 for s, _ in events[:-1])
    assert len(events) == 1 + len([c for c in learn.run.changes]) and json.dumps([c for *_, c in sink.of('event')])
    assert [s for s, _ in sink.of('scalars')] == [10, 20, 30, 30, 40] and {'d_loss', 'g_loss', 'd_grad_norm', 'ms'} <= set(sink.of('scalars')[0][1])
    for step, values in sink.of('scalars')[-2:]: assert values['d_loss'] == float(learn.record.array('d_loss')[step - 1])
    assert len(sink.of('picture')) > 2 and all(i.dtype == np.uint8 and i.shape == (240, 240, 3) for _, i in sink.of('picture'))
    learn.run.close()
    del learn
    gc.collect()
    assert sink.told[-1] == ('end',)

def test_a_change_right_after_going_back_is_told():
    sink = Heard()
    learn = new(loggers=[sink])
    learn.fit_steps(4, progress=False)
    learn.tricks.on('ema')
    learn.fit_steps(4, progress=False)
    learn.rewind(2)
    learn.tricks.on('ttur'), learn.tricks.on('grad_clip')
    learn.fit_steps(2, progress=False)
    assert [(s, c['name']) for s, _, c in sink.of('event')] == [(4, 'ema'), (2, ''), (2, 'ttur'), (2, 'grad_clip')]

@pytest.mark.parametrize('what', ['begin', 'scalars', 'event', 'picture', 'end'])
@pytest.mark.part(2)
def test_one_that_fails_is_left_out(what):
    good, bad = Heard(), Heard(fails=what)
    learn = new(loggers=[bad, good])
    with pytest.warns(UserWarning, match='the logger Heard failed at step .* .OSError: the network is down.') if what != 'end' else nothing(): story(learn)
    assert learn.state_hash() == story(new()).state_hash() and len(good.of('event')) > 2
    if what != 'end': assert not [o for o in bad.told if o[0] == what]

class nothing:
    def __enter__(self): pass
    def __exit__(self, *exc): pass

@pytest.mark.parametrize('shape', [(1, 8, 12), (3, 8, 8)])
def test_pictures_of_images(shape):
    x = torch.rand(64, *shape)*2 - 1
    from ganlab.data import tensor_dls
    from torch import nn
    n = x[0].numel()
    learn = GANLearner(tensor_dls(x, 8), nn.Sequential(nn.Linear(4, n), nn.Tanh(), nn.Unflatten(1, shape)), nn.Sequential(nn.Flatten(), nn.Linear(n, 1)), seed=0)
    assert image_of(learn).ndim == 3 and image_of(learn).shape[2] == 3 and image_of(learn).dtype == np.uint8

def test_words_that_are_no_logger():
    for word, why in (('paper', 'no logger called'), (3, 'it has no begin'), (print, 'it has no begin')):
        with pytest.raises(ValueError, match=why): new(loggers=[word])

def test_tensorboard(tmp_path):
    "Read back: scalars, samples, every change"
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    learn = story(new(loggers=[LogTo(TensorBoard(tmp_path/'tb'), share=1e9)], run=tmp_path/'a'))
    n, d_loss = len(learn.run.changes), learn.record.array('d_loss').copy()
    learn.run.close()
    del learn
    gc.collect()
    found = EventAccumulator(str(tmp_path/'tb'/'a'), size_guidance=dict(tensors=0, images=0, scalars=0))
    found.Reload()
    texts = [e.tensor_proto.string_val[0].decode() for e in found.Tensors('changes/text_summary')]
    assert texts[:2] == CHANGES and texts[-1] == 'Went back to step 25.' and len(texts) == n + 1
    last = found.Scalars('d_loss')[-1]
    assert (last.step, last.value) == (40, pytest.approx(float(d_loss[39]))) and len(found.Images('samples')) > 2

def _there(package): return importlib.util.find_spec(package) is not None

def records_of(path):
    "The records of a W&B file: LevelDB's log format, blocks of 32 kB with heads of CRC, length and type, behind a head of 7 bytes"
    data, at, parts = path.read_bytes(), 7, b''
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7: at += left; continue
        length, kind = int.from_bytes(data[at + 4:at + 6], 'little'), data[at + 6]
        parts += data[at + 7:at + 7 + length]
        at += 7 + length
        if kind in (1, 4):       # whole, or the last part of one
            yield parts
            parts = b''

@pytest.mark.slow
@pytest.mark.skipif(not _there('wandb'), reason='needs wandb: pip install ganlab[loggers]')
def test_wandb(tmp_path, monkeypatch):
    monkeypatch.setenv('WANDB_MODE', 'offline'), monkeypatch.setenv('WANDB_SILENT', 'true')
    told = Heard()
    learn = story(new(loggers=[LogTo(Wandb(dir=str(tmp_path)), share=1e9), LogTo(told, share=1e9)]))
    del learn
    gc.collect()
    from wandb.proto.wandb_internal_pb2 import Record
    found = [Record.FromString(data) for data in records_of(next(tmp_path.rglob('*.wandb')))]
    rows = [{i.key or '/'.join(i.nested_key): json.loads(i.value_json) for i in r.history.item} for r in found if r.WhichOneof('record_type') == 'history']
    assert [(r['step'], r['change']) for r in rows if 'change' in r] == [(step, text) for step, text, _ in told.of('event')]
    assert [r['step'] for r in rows if 'd_loss' in r] == [10, 20, 30, 30, 40] and sum(any(k.startswith('samples') for k in r) for r in rows) > 2

@pytest.mark.slow
@pytest.mark.skipif(not _there('mlflow'), reason='needs mlflow: pip install ganlab[loggers]')
def test_mlflow(tmp_path):
    import mlflow
    sink = MLflow(uri=f'sqlite:///{tmp_path}/ml.db' if _there('sqlalchemy') else f'file:{tmp_path}/ml')
    learn = story(new(loggers=[LogTo(sink, share=1e9)]))
    n = len(learn.run.changes)
    del learn
    gc.collect()
    run = sink.client.get_run(sink.id)
    assert run.info.status == 'FINISHED' and len([t for t in run.data.tags if t.startswith('change ')]) == n + 1
    assert len(sink.client.get_metric_history(sink.id, 'd_loss')) == 5 and len(sink.client.list_artifacts(sink.id, 'samples')) > 2

@pytest.mark.slow
@pytest.mark.skipif(not _there('trackio'), reason='needs trackio: pip install ganlab[loggers]')
def test_trackio(tmp_path, monkeypatch):
    monkeypatch.setenv('TRACKIO_DIR', str(tmp_path))
    learn = story(new(loggers=[LogTo(Trackio(), share=1e9)]))
    del learn
    gc.collect()
    from trackio.sqlite_storage import SQLiteStorage
    run, = SQLiteStorage.get_runs('ganlab')
    rows = SQLiteStorage.get_logs('ganlab', run)
    assert [r['change'] for r in rows if 'change' in r][:2] == CHANGES and sum('d_loss' in r for r in rows) == 5

# --- a refusal, and a run that goes on

def test_a_refusal_is_told():
    sink = Heard()
    learn = new(loggers=[sink], tricks=['wgan_gp'])
    learn.fit_steps(3, progress=False)
    with pytest.raises(ValueError): learn.set_loss('hinge')                     # while idle
    c = learn.tricks.on('relativistic_gp', at=5)                                # and at a boundary
    learn.fit_steps(4, progress=False)
    assert c.error
    told = sink.of('event')[1:]
    assert [(s, w['kind'], w['asked'], w['name']) for s, _, w in told] == [(3, 'refused', 'loss', 'hinge'), (5, 'refused', 'on', 'relativistic_gp')]
    assert told[0][1].startswith('Loss not changed: ') and told[1][1] == str(c.error) and json.dumps([w for *_, w in told])

def test_a_change_that_was_taken_back_is_told_with_the_reason():
    sink = Heard()
    learn = new(loggers=[sink])
    learn.fit_steps(5, progress=False)
    c = learn.tricks.on('ttur', trial=5)
    c.trial.before = [0.]*21
    learn.fit_steps(10, progress=False)
    assert [(w['kind'], t == c.trial.said) for _, t, w in sink.of('event')] == [('on', False), ('refused', True), ('rewind', False)]

def test_a_trial_that_ends_well_is_told():
    sink = Heard()
    learn = new(loggers=[sink])
    learn.fit_steps(2, progress=False)
    c = learn.tricks.on('lecam', trial=5)
    c.trial.before = [9e9]*21
    learn.fit_steps(6, progress=False)
    learn.tricks.on('ttur', trial=5), learn.fit_steps(2, progress=False), learn.tricks.on('ema'), learn.fit_steps(2, progress=False)
    told = [(s, w['kind'], w['name'], t) for s, t, w in sink.of('event') if w['kind'] == 'stays']
    assert [o[:3] for o in told] == [(7, 'stays', 'lecam'), (10, 'stays', 'ttur')] and told[0][3] == c.trial.said and 'undecided' in told[1][3]

def resumed(folder, sink, **kw): return GANLearner.resume(folder, ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), loggers=[LogTo(sink, every=2)], progress=False, **kw)

def test_a_resumed_run_goes_on_where_its_logger_was(tmp_path):
    "Scalars and changes of both processes together are those of one that was never left"
    def half(learn, name):
        learn.fit_steps(5, progress=False)
        learn.tricks.on(name)
        learn.fit_steps(5, progress=False)
        return learn
    whole, first, second = Heard(), Heard(), Heard()
    alone = half(half(new(loggers=[LogTo(whole, every=2)]), 'ema'), 'lecam')
    half(new(loggers=[LogTo(first, every=2)], run=tmp_path/'a'), 'ema').run.close()
    learn = half(resumed(tmp_path/'a', second), 'lecam')
    assert learn.state_hash() == alone.state_hash()
    for what in ('scalars', 'event'):
        steps, both = [s for s, *_ in whole.of(what)], [s for s, *_ in first.of(what) + second.of(what)]
        assert both == steps == sorted(set(steps)) and len(first.of(what)) == len(second.of(what))
    (name, facts), = second.of('begin')
    assert name == first.of('begin')[0][0] == 'a' and facts['from_step'] == 10 and 'from_step' not in first.of('begin')[0][1]

def test_a_run_resumed_at_an_earlier_step(tmp_path):
    first = new(run=tmp_path/'a')
    first.fit_steps(10, progress=False)
    first.run.close()
    learn = resumed(tmp_path/'a', sink := Heard(), step=4)
    learn.fit_steps(4, progress=False)
    assert [(s, w['kind']) for s, _, w in sink.of('event')] == [(4, 'rewind')] and [s for s, _ in sink.of('scalars')] == [6, 8]

def test_tensorboard_shows_no_step_twice(tmp_path):
    "What a process told that was killed before its record had it"
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    for first, steps in ((0, (10, 20, 30)), (20, (30, 40))):
        sink = TensorBoard(tmp_path)
        sink.begin('a', dict(from_step=first) if first else {})
        for s in steps: sink.scalars(s, dict(d_loss=s + first))
        sink.end()
    found = EventAccumulator(str(tmp_path/'a'), size_guidance=dict(scalars=0))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars('d_loss')] == [(10, 10), (20, 20), (30, 50), (40, 60)]
