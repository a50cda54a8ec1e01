"An alert is told once when it begins, to everybody who wants to hear it; it changes no bit and ends nothing."
import json, logging, os, subprocess, sys, time, warnings
import pytest
from fastai.callback.tracker import TerminateOnNaNCallback
from ganlab.alerts import ShellCommand
from ganlab.cli import main
from ganlab.data import ring_dls
from ganlab.doctor import Watcher
from ganlab.engine.recovery import StepError
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.loggers.alerting import Alert
from ganlab.nets import mlp
from ganlab.record.run import Run
from ganlab.symptoms.finding import Finding, Remedy
from project import ROOT
import ganlab.travel.fork

def dls(): return ring_dls(n=500, bs=16)
def nets(): return mlp(width=8, depth=1, seed=0)
def new(**kw): return GANLearner(dls(), *nets(), seed=0, **kw)
def go(learn, n): learn.fit_steps(n, progress=False)

def number(values, name='seen'):
    "A metric that has these values, one a step; the last one stays"
    def f(learn): return float(values[min(learn.step, len(values)) - 1])
    f.__name__ = name
    return f

def measuring(*values, **kw):
    learn = new(**kw)
    learn.add_metric(number(values), every=1)
    return learn

def until(f, seconds=20):
    end = time.monotonic() + seconds
    while not f() and time.monotonic() < end: time.sleep(.02)
    assert f()

def steps(a): return [t.step for t in a.told]

# Numbers

@pytest.mark.parametrize('bounds, told', [
    (dict(above=4), [3, 8]), (dict(below=2), [5]), (dict(above=4, below=2), [3, 8]), (dict(above=9), []),
    (dict(above=4, for_steps=2), [4]), (dict(above=4, for_steps=3), []), (dict(above=4, again=100), [3])])
def test_a_number_is_told_once_and_again_after_it_ceased(bounds, told):
    learn = measuring(3, 3, 5, 6, 1, 1, 3, 9, 3)
    a = learn.alert('seen', **dict(again=1) | bounds)
    go(learn, 9)
    assert steps(a) == told

def test_what_crosses_its_bound_to_and_fro_is_told_once():
    learn = measuring(*[1, 5]*30, *[1]*30, 5)
    a = learn.alert('seen', above=4, again=25)
    go(learn, 100)
    assert steps(a) == [2, 91] and a.told[0].value == 5 and a.told[0].said == 'seen is 5, above 4.' and a.last.text == 'Step 91: seen is 5, above 4.'

def test_a_number_that_is_measured_now_and_then():
    learn = new()
    learn.add_metric(number([7]*99), every=10)
    a, late = learn.alert('seen', above=4), learn.alert('seen', above=4, for_steps=15)
    go(learn, 50)
    assert (steps(a), steps(late)) == ([10], [30])

def test_columns_of_the_record_and_terms_of_tricks():
    learn = new()
    found = [learn.alert(k, above=-1e9) for k in ('g_grad_norm', 'd_input_grad_norm', 'ms', 'd_loss/gradient_penalty')]
    go(learn, 3)
    learn.tricks.on('gradient_penalty')
    go(learn, 50)
    assert [steps(a) for a in found] == [[1], [50], [1], [4]]

def test_infinite():
    learn = measuring(1, float('inf'), float('nan'), -float('inf'))
    a = learn.alert('seen', above=4, below=0, again=1)
    go(learn, 4)
    assert steps(a) == [2]            # it has not been inside since

# Symptoms

def finding(cause, certainty): return Finding(cause, 'A symptom', 0, dict(said='It is so.'), [Remedy('Do this')], certainty)

def test_a_cause_is_told_by_whoever_finds_it(monkeypatch):
    learn, found = new(), []
    monkeypatch.setattr('ganlab.doctor.weigh', lambda f, excluded: found)
    monkeypatch.setattr('ganlab.doctor._found', lambda learn, f, cause, certainty: finding(cause, certainty))
    a = learn.alert('mode_collapse')
    for step, now in enumerate([[], [('mode_collapse', 'maybe')], [('mode_collapse', 'likely')], [('mode_collapse', 'certain')], [('lr_too_low', 'certain')], []]):
        found[:] = now
        learn.diagnose()
        go(learn, 30)
    assert steps(a) == [60] and a.last.value == 'likely' and a.last.said == "A symptom (mode_collapse, likely). It is so. Try: Do this"
    go(learn, 100)
    found[:] = [('mode_collapse', 'certain')]
    learn.diagnose(excluded=['z_constant'])
    assert steps(a) == [60, 280]
    learn.rewind(200)
    learn.diagnose()
    assert steps(a) == [60, 280, 200]

def test_a_watch_is_there_as_long_as_it_is_wanted():
    learn = new()
    def watches(): return [cb for cb in learn.cbs if isinstance(cb, Watcher)]
    a, b = learn.alert('mode_collapse'), learn.alert('lr_too_low')
    assert len(watches()) == 1
    a.off()
    assert len(watches()) == 1
    b.off(), b.off()
    assert not watches() and not learn.alerts.listed
    w = learn.watch()
    learn.alert('mode_collapse').off()
    assert watches() == [w]

def test_a_real_cause():
    import torch
    def same(n, rng): return torch.ones(n, 2)
    learn = GANLearner(dls(), *nets(), seed=0, latent=same)
    a = learn.alert('z_constant')
    assert steps(a) == [0] and a.last.value == 'certain' and 'Try:' in a.last.said
    b = learn.alert('z_constant')
    go(learn, 3)
    c = learn.alert('z_constant')           # it is no news by now, and the answer says so
    assert steps(b) == [0] and steps(c) == [] and 'holds since step 3' in repr(c)

# Steps that fail

def broken(learn): learn.opt_d.param_groups[0]['lr'] = 1e30

def test_nonfinite():
    learn = new()
    go(learn, 3)
    a, any_, number_ = learn.alert('nonfinite'), learn.alert('step_error'), learn.alert('d_loss', below=-1)
    broken(learn)
    for _ in range(2):
        with pytest.raises(StepError): go(learn, 9)
    at = learn.step
    assert steps(a) == steps(any_) == [at] and a.last.value and 'became' in a.last.said and not number_.told
    learn.rewind(2)
    broken(learn)
    with pytest.raises(StepError): go(learn, 9)
    assert len(a.told) == 2

def test_step_error_and_the_end_of_a_fit():
    learn = new(cbs=TerminateOnNaNCallback())
    a = learn.alert('nonfinite')
    go(learn, 3), broken(learn), go(learn, 9)
    assert len(a.told) == 1
    learn = new()
    a, b = learn.alert('nonfinite'), learn.alert('step_error')
    go(learn, 2)
    learn.tricks.on('instance_noise')
    learn.tricks['instance_noise'].fakes = learn.tricks['instance_noise'].reals = learn.tricks['instance_noise'].samples = lambda *args: 1/0
    try: go(learn, 2)
    except StepError as e: assert steps(b) == [2] and b.last.said == ' '.join(str(e).split())
    assert not a.told

def test_what_is_only_tried_is_told_to_nobody():
    learn = new()
    go(learn, 2)
    found = [learn.alert('nonfinite'), learn.alert('g_grad_norm', above=20), learn.alert('d_loss', above=30)]
    learn.lr_find(end_lr=1e6, num_it=40, show_plot=False, suggest_funcs=())
    go(learn, 2)
    assert not any(a.told for a in found)

# Going back and going on

def test_after_a_rewind():
    learn = measuring(1, 1, 5, 5, 5, 5, 1, 1, 5)
    a = learn.alert('seen', above=4, again=1)
    go(learn, 9)
    assert steps(a) == [3, 9]
    learn.rewind(5), go(learn, 1)
    assert steps(a) == [3, 9]                  # it held at step 5, and was told then
    learn.rewind(1), go(learn, 3)
    assert steps(a) == [3, 9, 3]

def test_nothing_is_told_twice_by_a_run_that_is_gone_on_with(tmp_path):
    def alert(learn): return learn.alert('d_grad_norm', above=0)
    learn = new(run=tmp_path/'a')
    a = alert(learn)
    go(learn, 5)
    assert steps(a) == [1]
    fork = learn.fork()
    b = alert(fork)
    go(fork, 3)
    assert steps(a) == [1] and not b.told
    learn.run.close()
    learn = GANLearner.resume(tmp_path/'a', dls(), *nets(), progress=False)
    b = alert(learn)
    go(learn, 5)
    assert not b.told and b.since == 1 and 'holds since step 1' in repr(b)
    learn.run.close()
    assert not hasattr(Run.open(tmp_path/'a').replay(dls(), *nets()), 'alerts')

def test_one_that_holds_half_as_long_as_it_has_to():
    learn = measuring(1, 1, *[5]*20)
    go(learn, 5)
    a = learn.alert('seen', above=4, for_steps=10)
    go(learn, 10)
    assert steps(a) == [12]

def test_the_second_of_a_kind_takes_the_place_of_the_first():
    learn = measuring(1, 5)
    a, b = learn.alert('seen', above=4), learn.alert('seen', above=4)
    c = learn.alert('seen', above=4.5)
    assert learn.alerts.listed == (b, c)
    go(learn, 2)
    assert (a.told, steps(b), steps(c)) == ([], [2], [2])
    c.off()
    assert learn.alerts.listed == (b,) and repr(learn.alerts) == "Alert(seen above 4, holds since step 2, told at [2])"

# Who is told

class Heard:
    def __init__(self): self.events, self.begun = [], 0
    def begin(self, name, facts): self.begun += 1
    def scalars(self, step, values): pass
    def event(self, *args): self.events.append(args)
    def picture(self, step, image): pass
    def end(self): pass

def test_loggers_and_the_log(caplog):
    sink = Heard()
    learn = measuring(1, 5, loggers=[sink])
    learn.alert('seen', above=4)
    go(learn, 3)
    assert sink.events == [(2, 'seen is 5, above 4.', dict(kind='alert', name='seen', params=dict(value=5.), own=False))] and json.dumps(sink.events)
    assert [(r.name, r.getMessage()) for r in caplog.records] == [('ganlab.alerts', 'step 2: seen is 5, above 4.')]

def test_a_logger_hears_of_it_before_the_first_step(monkeypatch):
    sink = Heard()
    learn = new(loggers=[sink])
    monkeypatch.setattr('ganlab.doctor.weigh', lambda f, excluded: [('mode_collapse', 'certain')])
    monkeypatch.setattr('ganlab.doctor._found', lambda *args: finding('mode_collapse', 'certain'))
    learn.alert('mode_collapse')
    go(learn, 2)
    assert sink.begun == 1 and [(step, what['params']) for step, _, what in sink.events] == [(0, dict(value='certain'))]

def test_the_panel():
    learn = measuring(1, 1, 5)
    learn.alert('seen', above=4)
    with Lab(learn) as lab:
        lab.step(2); lab.wait(60)
        assert lab.announcement.say[0] == 'Paused'
        said = []
        lab.announcement.observe(lambda c: said.append(tuple(c.new)), 'say')
        lab.start()
        until(lambda: ALERT in said)
        lab.stop()
    assert ALERT in said and said.count(ALERT) == 1

ALERT = 'Alert', 'at step 3: seen is 5, above 4.'

def test_a_function():
    learn, heard = measuring(5, 5, 1, 5), []
    a = learn.alert('seen', above=4, again=1, do=lambda a: heard.append((a.last.step, a.last.value, a.what)))
    b = learn.alert('seen', below=2, do=lambda b: (b.off(), learn.tricks.on('ema')))
    go(learn, 5)
    assert heard == [(1, 5., 'seen'), (4, 5., 'seen')] and learn.alerts.listed == (a,) and steps(b) == [3]
    assert [(c.name, c.step) for c in learn.tricks.log] == [('ema', 3)]

def test_a_function_that_raises_is_told_once():
    learn, plain = measuring(5, 1, 5, 1, 5), measuring(5, 1, 5, 1, 5)
    def bad(a): raise KeyError('no network')
    a = learn.alert('seen', above=4, again=1, do=bad)
    with pytest.warns(UserWarning) as told: go(learn, 5)
    assert [w for w in map(str, (w.message for w in told)) if 'alert' in w] == ["the alert of seen above 4 could not be told: its function failed (KeyError: 'no network'); the training goes on"]
    go(plain, 5)
    assert steps(a) == [1, 3, 5] and learn.state_hash() == plain.state_hash()

WRITE = f'{sys.executable} -c "import os, json; json.dump({{k: v for k, v in os.environ.items() if k.startswith(chr(71) + chr(65) + chr(78))}}, open(os.environ[chr(79)], chr(119)))"'

def test_a_command_and_its_environment(tmp_path, monkeypatch):
    out = tmp_path/'out.json'
    monkeypatch.setenv('O', str(out))
    learn = measuring(1, 5, run=tmp_path/'a')
    learn.alert('seen', above=4, do=ShellCommand(WRITE))
    go(learn, 3)
    until(lambda: out.exists() and out.read_text().endswith('}'))
    assert json.loads(out.read_text()) == dict(GANLAB_ALERT='Step 2: seen is 5, above 4.', GANLAB_STEP='2', GANLAB_VALUE='5.0', GANLAB_RUN=str(tmp_path/'a'))

@pytest.mark.skipif(os.name == 'nt', reason='a POSIX shell')
def test_a_sentence_is_no_part_of_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a = Alert(new(), 'x')
    a.learn.alert('ms', above=-1)
    monkeypatch.setattr(a.learn, 'said', set(), raising=False)
    a.tell('"; touch harm; "', '"; touch harm; $(touch harm) `touch harm`')
    ShellCommand('printf %s "$GANLAB_ALERT$GANLAB_VALUE" > out')(a)
    until(lambda: (tmp_path/'out').exists() and (tmp_path/'out').read_text())
    assert 'touch harm' in (tmp_path/'out').read_text() and not (tmp_path/'harm').exists()

def test_nobody_waits_for_a_command():
    learn = measuring(1, 5)
    a = learn.alert('seen', above=4, do=ShellCommand(f'{sys.executable} -c "import time; time.sleep(3)"'))
    t0 = time.monotonic()
    go(learn, 3)
    assert steps(a) == [2] and time.monotonic() - t0 < 2.5

def test_a_command_that_is_not_there_is_told_once():
    learn = measuring(5, 1, 5)
    learn.alert('seen', above=4, again=1, do=ShellCommand('surely_not_a_command_3'))
    with warnings.catch_warnings(record=True) as told:
        def said(): return [str(w.message) for w in told if 'command' in str(w.message)]
        warnings.simplefilter('always')
        go(learn, 4)
        until(said)
        time.sleep(.3)
    assert len(said()) == 1 and said()[0].startswith("the command 'surely_not_a_command_3' of an alert failed (exit status ")
    assert learn.step == 4

# Nothing of the training changes

def test_the_same_bits_with_and_without():
    learn, plain = new(), new()
    for k in ('g_grad_norm', 'd_loss'): learn.alert(k, above=0, again=1)
    learn.alert('mode_collapse'), learn.alert('nonfinite')
    for l in (learn, plain): go(l, 60)
    assert learn.state_hash() == plain.state_hash() and all(steps(a) for a in learn.alerts.listed[:2])
    for l in (learn, plain): l.rewind(30), l.tricks.on('ema'), go(l, 20)
    assert learn.state_hash() == plain.state_hash()

def test_a_step_with_ten_of_them_costs_little():
    learn = new()
    for k in range(10): learn.alert('g_grad_norm', above=-1 - k)
    go(learn, 20)
    n, t0 = 2000, time.perf_counter()
    for _ in range(n): learn.alerts.seen[0] -= 1; learn.alerts.after_batch()
    assert (time.perf_counter() - t0)/n < 2e-4      # a tenth of it is what it takes here

# Mistakes

@pytest.mark.parametrize('args, why', [
    (('g_grad_nrom', 1), ("Did you mean 'g_grad_norm'?", 'd_loss', 'mode_collapse', 'nonfinite', 'step_error')), (('modes', None, 6), ("learn.add_metric('modes') first",)),
    (('d_loss',), ('Need above=, below=, or both',)), (('mode_collapse', 1), ('no number',)), (('nonfinite', None, 1), ('no number',)), (('nonfinite', None, None, 2), ('no number',)),
    (('d_loss', 0, 1), ('every number is outside',)), (('d_loss', 'x'), ('need a number',)), (('d_loss', float('nan')), ('need a number',)), (('d_loss', True), ('need a number',)),
    (('d_loss', 1, None, 0), ('for_steps=0; need a whole number',)), (('d_loss', 1, None, 1, 0), ('again=0',)), (('d_loss', 1, None, 1, 9, 'notify-send'), ('ShellCommand',)), ((3, 1), ('there is no 3',))])
def test_mistakes(args, why):
    learn = new()
    with pytest.raises(ValueError) as e: learn.alert(*args)
    said = str(e.value)
    assert all(w in said for w in why) and '\n' not in said, said
    assert not hasattr(learn, 'alerts')

# The command line

@pytest.mark.parametrize('words, why', [(('--alert', 'd_los>1'), "Did you mean 'd_loss'?"), (('--alert', 'd_loss'), "such as 'd_loss>1' or 'd_loss<1', in quotes"), (('--alert', 'nonfinite>3'), 'stands alone'),
                                        (('--alert', 'd_loss>x'), "'x' is no number"), (('--alert', 'd_loss>1:step=3'), "need 'NAME>NUMBER'"), (('--on-alert', 'true'), 'such as --alert nonfinite')])
def test_words_of_the_command_line(words, why, tmp_path, capsys):
    assert main(['train', '--run', str(tmp_path/'a'), '--data', 'ring', '--bs', '16', '--width', '8', '--steps', '3', *words]) == 2
    err = capsys.readouterr().err
    assert why in err and err.count('\n') == 1 and not (tmp_path/'a').exists()

def test_the_command(tmp_path, capsys, caplog, monkeypatch):
    "From end to end, in a process of its own: told and started; gone on with without a word, and the same bits as without"
    out = tmp_path/'out.json'
    def words(name, n, *more): return ['train', '--run', str(tmp_path/name), '--data', 'ring', '--bs', '16', '--width', '8', '--steps', str(n), *more]
    wanted = '--alert', 'd_loss>0', '--alert', 'modes<9', '--alert', 'mode_collapse', '--on-alert', WRITE
    done = subprocess.run([sys.executable, '-m', 'ganlab', *words('a', 30, *wanted)], cwd=tmp_path, capture_output=True, text=True, env=os.environ | dict(PYTHONPATH=str(ROOT), O=str(out)))
    assert done.returncode == 0 and 'step 1: d_loss is' in done.stderr and 'step 1: modes is' in done.stderr, done.stderr
    until(lambda: out.exists() and out.read_text().endswith('}'))
    told = json.loads(out.read_text())
    assert told['GANLAB_RUN'] == str(tmp_path/'a') and told['GANLAB_STEP'] == '1'
    monkeypatch.setenv('O', str(tmp_path/'again.json'))
    ends = [(main(words(*o)), capsys.readouterr().out.split('hash ')[1]) for o in (('a', 40, *wanted), ('b', 40))]
    assert ends[0] == ends[1] and ends[0][0] == 0
    assert not [r for r in caplog.records if r.name == 'ganlab.alerts'] and not (tmp_path/'again.json').exists()

def test_a_training_that_breaks_tells_before_it_ends(tmp_path, capsys, caplog):
    words = ['train', '--run', str(tmp_path/'a'), '--data', 'ring', '--bs', '16', '--width', '8', '--steps', '30', '--lr-d', '1e30', '--alert', 'nonfinite']
    assert main(words) == 2 and 'Nothing that was recorded is lost' in capsys.readouterr().err
    assert ['became' in r.getMessage() for r in caplog.records if r.name == 'ganlab.alerts'] == [True]
