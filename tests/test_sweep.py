"A search: what it offers, what it keeps, how several workers share it, and what a killed one loses."
import math, os, pwd, runpy, shutil, signal, socket, subprocess, sys, time
from pathlib import Path
import pytest
from ganlab.catalogue import exclusions
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.record.run import Run
from ganlab.search.dials import Group, clash
from ganlab.search.space import as_space, default_space
from ganlab.sweep import sweep
from project import ROOT
from strangers import one_sentence

optuna = pytest.importorskip('optuna')
optuna.logging.set_verbosity(optuna.logging.WARNING)

def make(run=None, seed=0): return GANLearner(ring_dls(n=300, bs=16), *mlp(width=8, depth=1, seed=seed), lr_g=1e-3, lr_d=1e-3, seed=seed, run=run)

SMALL = dict(steps=8, checks=4, progress=False)
SPACE = {'gradient_penalty': {'gamma': (.1, 10.)}, 'ema': True, 'rates': {'lr': (.5, 2.)}}

# The space

@pytest.mark.parametrize('n', [3, pytest.param(200, marks=pytest.mark.slow)])
def test_nothing_is_on_together_that_excludes_each_other(n):
    "Random trials of the catalogue's own space: no switch is refused, and no two tricks are on that the catalogue keeps apart"
    space = as_space(None, make, 8)
    study, apart = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)), exclusions()
    seen = set()
    for _ in range(n):
        trial, learn = study.ask(), make()
        space(trial, learn)
        on = learn.tricks.enabled
        seen |= {t.name for t in on}
        for a in on: assert not {b.title for b in on} & set(apart.get(a.name, [])), (a.name, on)
        for d in space.dials:
            if not isinstance(d, Group) or not trial.params.get(d.title): continue
            named = [v for k, v in trial.params.items() if k.startswith(f'{d.title}: ')]
            assert len(named) == 1 and learn.tricks[named[0]].enabled      # what its parameters say is what was on
        learn.run.close()
    assert len(seen) > 3

def test_only_what_applies_is_offered():
    "Nothing for images on points, nothing without a class; recipes with networks for points alone"
    space = default_space(make, 8)
    dials, offered = {type(d).__name__: d for d in space}, {n for d in space if isinstance(d, Group) for n in d.tricks}
    assert {'diffaugment', 'ada', 'blur', 'projection', 'cycle', 'checkpointing', 'freeze_d', 'lazy_reg'}.isdisjoint(offered)
    assert {'gradient_penalty', 'instance_noise', 'ema', 'unrolled'} <= offered
    assert dials['Recipe'].names == ('wgan', 'wgan_gp_toy', 'wgan_gp_numpy_ml', 'ttur', 'r3gan')

def test_two_owners_clash():
    learn = make()
    learn.tricks.on('wgan_gp')
    assert 'n_d' in clash(learn, 'n_critic') and 'on already' in clash(learn, 'wgan_gp') and clash(learn, 'ema') is None

@pytest.mark.parametrize('space, said', [
    (dict(loss='hing'), "loss='hing'; need one or several of .*[?]"), (dict(loss=['hinge', 3]), 'need one or several of'), (dict(recipe='sgnan'), "recipe='sgnan'; need"),
    (dict(recipe=[]), 'need one or several of'), (dict(beta1=5), 'beta1=.5,.; need numbers from 0 to below 1'), (dict(beta1='a'), 'need numbers from 0'),
    (dict(rates=dict(lr=(5., .2))), 'rates: lr=.5.0, 0.2.; need .from, to., the smaller number first'), (dict(rates=dict(lr=(-1., 2.))), 'need factors above 0'),
    (dict(rates=dict(lrr=(.2, 5.))), 'need factors by name'), (dict(rates=3), 'need factors by name'),
    (dict(gradient_penalty=dict(gamma=(10., .1))), 'gradient_penalty: gamma=.10.0, 0.1.; need'), (dict(gradient_penalty=dict(gamma=(1., 2., 3.))), 'need .from, to.'),
    (3, 'space=3; need names of tricks'), ([], 'need names of tricks'), ('emma', "no trick called 'emma'")])
def test_a_space_that_is_none(space, said):
    "One sentence, before anything is trained"
    with pytest.raises(ValueError, match=said) as e: as_space(space, make, 8)
    one_sentence(e.value)

def test_one_loss_is_one_loss(): assert [d.names for d in as_space(dict(loss='hinge', recipe='sngan'), make, 8).dials] == [('sngan',), ('hinge',)]

@pytest.mark.parametrize('how, kind, said', [
    (dict(make_learner=None), TypeError, 'make_learner is a NoneType; need a function'), (dict(make_learner=3), TypeError, 'make_learner is a int'),
    (dict(seed=-1), ValueError, 'seed=-1; need a whole number >= 0'), (dict(seed='a'), ValueError, "seed='a'"), (dict(metric='fdd'), ValueError, "metric='fdd'; need one of")])
def test_a_search_that_is_none(how, kind, said, tmp_path):
    with pytest.raises(kind, match=said): sweep(**{**dict(make_learner=make, space=SPACE, folder=tmp_path/'a', **SMALL), **how})
    assert not (tmp_path/'a').exists()

def test_a_learner_is_no_maker():
    "fastai's learners can be called, too"
    with pytest.raises(TypeError, match='make_learner is a GANLearner'): as_space(None, make(), 8)

# A search in one process

@pytest.fixture(scope='module')
def found(tmp_path_factory):
    "A small search, gone on with once"
    folder = tmp_path_factory.mktemp('found')/'a'
    sweep(make, SPACE, n_trials=2, folder=folder, **SMALL)
    return sweep(make, SPACE, n_trials=4, folder=folder, **SMALL), folder

def test_it_is_an_optuna_study(found):
    study, folder = found
    assert isinstance(study, optuna.Study) and study.direction.name == 'MINIMIZE'
    assert [t.number for t in study.trials] == list(range(4)) and study.best_value == study.best.value == min(study.table.value.dropna())
    assert study.trials[0].params == {'gradient_penalty': False, 'ema': False, 'lr': 1., 'ratio': 1.}      # first the learner as it is
    assert list(study.trials[0].intermediate_values) == [2, 4, 6, 8]

def test_a_run_for_each_trial(found, tmp_path, capsys):
    "Each trial's run ends at the trial's state; the best is a learner and a script that reach the same bits"
    study, folder = found
    assert sorted(p.name for p in (folder/'trials').iterdir()) == [f'{i:04}' for i in range(4)]
    best, known = study.best, study.best.run
    learn = study.best_learner
    assert learn.step == 8 and learn.state_hash() == known.hash_at(8)
    known.close()
    script = best.to_python(tmp_path/'best.py')
    runpy.run_path(str(script))
    assert capsys.readouterr().out.strip().splitlines()[-1] == learn.state_hash()

def test_a_trial_is_an_ordinary_training(found):
    "Trial 0 comes to what the same learner comes to that nobody searches with"
    study, _ = found
    learn = make()
    learn.fit_steps(8, progress=False)
    with Run.open(study.task.folder_of(0)) as run: assert run.hash_at(8) == learn.state_hash()

def test_scored_anew(found):
    "The same seeds give the same scores; what is switched changes them"
    study, _ = found
    a = study.anew(seeds=2)
    assert a == study.anew(seeds=2) and a[0] != a[1] and all(map(math.isfinite, a))
    assert a != study.anew(lambda learn: learn.tricks.on('instance_noise', sigma=.5), seeds=2)

def test_another_search_is_refused(found):
    _, folder = found
    with pytest.raises(ValueError, match='steps 8, not 9'): sweep(make, SPACE, folder=folder, **{**SMALL, 'steps': 9})
    with pytest.raises(ValueError, match='no measure of samples'): sweep(make, SPACE, metric='ms', folder=folder, **SMALL)
    with pytest.raises(TypeError, match='makes a GANLearner'): sweep(lambda: 3, SPACE, folder=folder, **SMALL)

def test_shown(found):
    html = found[0]._repr_html_()
    assert '4 of 4 trials' in html and 'data:image/png' in html

def test_live(tmp_path, monkeypatch):
    "In a notebook one output is drawn anew at each budget, and has samples of the best once a trial is done"
    drawn = []
    class Handle:
        def update(self, html): drawn.append(html.data)
    def display(html, display_id):
        drawn.append(html.data)
        return Handle()
    monkeypatch.setattr('ganlab.search.shown.IN_NOTEBOOK', True)
    monkeypatch.setattr('IPython.display.display', display)
    sweep(make, SPACE, n_trials=2, folder=tmp_path/'a', **{**SMALL, 'progress': True})
    assert len(drawn) == 2*(4 + 1) and '0 of 2 trials' in drawn[0] and '2 of 2 trials' in drawn[-1]
    assert 'data:image/png' not in drawn[3] and 'data:image/png' in drawn[4] and '<script' not in drawn[-1]

def test_a_function_without_arguments(tmp_path):
    "The learner is made once more after its pattern, and recorded"
    def plain(): return GANLearner(ring_dls(n=300, bs=16), *mlp(width=8, depth=1, seed=0), seed=0, tricks=['ema'], loss='hinge')
    study = sweep(plain, ['spectral_norm'], n_trials=1, folder=tmp_path/'a', **SMALL)
    learn = plain()
    learn.fit_steps(8, progress=False)
    assert study.best_learner.state_hash() == learn.state_hash()

def test_a_metric_of_ones_own(tmp_path):
    "The greatest wins where more is better; trials that lie behind are given up, and the sampler learns where the best is"
    def rate(learn): return math.log(learn.rates.lr('g'))
    def space(trial, learn): learn.opt_g.param_groups[0]['lr'] = trial.suggest_float('lr', 1e-5, 1e-2, log=True)
    study = sweep(make, space, rate, n_trials=7, folder=tmp_path/'a', better='more', **SMALL)
    assert study.direction.name == 'MAXIMIZE' and study.best_value == max(t.value for t in study.trials if t.state.name == 'COMPLETE')
    assert 'given up' in set(study.table.state) and study.table.why.str.startswith('behind the others').any()

def test_what_breaks_is_a_result(tmp_path):
    "A loss that is not finite ends its trial, which says why; the search goes on, and the first trial is the best"
    def space(trial, learn):
        if trial.number == 1: learn.G[0].weight.data.fill_(math.nan)
    study = sweep(make, space, n_trials=3, folder=tmp_path/'a', **SMALL)
    assert list(study.table.loc[[0, 1, 2]].state) == ['done', 'given up', 'done'] and 'NaN' in study.table.loc[1].why

def test_by_a_named_metric(tmp_path):
    "A metric that is known by its name need not be in the learner"
    study = sweep(make, ['ema'], 'precision', n_trials=1, folder=tmp_path/'a', **{**SMALL, 'steps': 2, 'checks': 2})
    assert study.direction.name == 'MAXIMIZE' and 0 <= study.best_value <= 1

def test_none_is_done(tmp_path):
    "What there is to say of a search in which nothing came to its end, in place of Optuna's words"
    def space(trial, learn): learn.G[0].weight.data.fill_(math.nan)
    study = sweep(make, space, n_trials=1, folder=tmp_path/'a', **SMALL)
    for ask in (lambda: study.best, lambda: study.best_learner, lambda: study.anew(seeds=1)):
        with pytest.raises(ValueError, match='no trial of 1 came to its end .*NaN') as e: ask()
        one_sentence(e.value)

def test_an_error_of_ones_own_ends_it(tmp_path):
    def space(trial, learn): raise KeyError('mine')
    with pytest.raises(KeyError, match='mine'): sweep(make, space, n_trials=3, folder=tmp_path/'a', **SMALL)

def test_ctrl_c(tmp_path, capsys):
    "Ctrl-C in a training stops the search; the same call goes on with the settings of the trial that was under way"
    pressed = []
    def press(learn):
        if len(pressed) == 0 and learn.step == 4 and (tmp_path/'a'/'trials'/'0001').exists():
            pressed.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return 1.
    study = sweep(make, SPACE, press, n_trials=3, folder=tmp_path/'a', **SMALL)
    said = capsys.readouterr()
    assert study.stopped and 'the same call goes on' in said.out and 'Traceback' not in said.err
    assert [t.state.name for t in study.trials] == ['COMPLETE', 'FAIL', 'WAITING']
    study = sweep(make, SPACE, press, n_trials=3, folder=tmp_path/'a', **SMALL)
    assert [t.state.name for t in study.trials] == ['COMPLETE', 'FAIL', 'COMPLETE', 'COMPLETE'] and not study.stopped
    assert study.trials[1].params == study.trials[2].params

def test_without_optuna(tmp_path, monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda n: None)
    with pytest.raises(ValueError, match=r"pip install 'ganlab\[sweep\]'"): sweep(make, SPACE, folder=tmp_path/'a', **SMALL)

# Several workers

WORKER = '''
import sys, time, torch
torch.set_num_threads(1)
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.sweep import sweep
def make(run=None, seed=0): return GANLearner(ring_dls(n=300, bs=16), *mlp(width=8, depth=1, seed=seed), lr_g=1e-3, lr_d=1e-3, seed=seed, run=run)
def metric(learn):
    if learn.run.folder: time.sleep(600)      # in its first trial it hangs
    return 1.
sweep(make, {'ema': True, 'rates': {'lr': (.5, 2.)}}, metric, 3, sys.argv[2] or None, steps=4, checks=2, folder=sys.argv[1], heartbeat=1, progress=False)
'''

BARE = '''
import sys, time, optuna
storage = optuna.storages.RDBStorage(sys.argv[2], heartbeat_interval=1, grace_period=3)
def hang(trial):
    trial.set_user_attr('run', '')
    trial.suggest_float('lr', .5, 2., log=True)
    time.sleep(600)
optuna.load_study(study_name='sweep', storage=storage).optimize(hang)
'''

def begun(url):
    "The trials that another worker has begun; none where there is no database yet, or no study in it"
    try: return [t for t in optuna.load_study(study_name='sweep', storage=url).trials if t.state.name == 'RUNNING' and 'run' in t.user_attrs]
    except Exception: return []

def killed(code, folder, storage, url):
    "A worker in a process of its own is killed in its first trial"
    one = subprocess.Popen([sys.executable, '-c', code, str(folder), storage], stderr=subprocess.PIPE, text=True, env={**os.environ, 'PYTHONPATH': str(ROOT)})
    end = time.monotonic() + 300
    while not begun(url) and one.poll() is None and time.monotonic() < end: time.sleep(.3)
    one.kill()      # no signal that it could heed
    said = one.communicate()[1]
    assert one.returncode == -signal.SIGKILL, said[-2000:]

def gone_on(folder, storage, url):
    "Another worker takes the settings over that the killed one had: it waits until the heartbeat is missed, and all is done"
    study = sweep(make, {'ema': True, 'rates': {'lr': (.5, 2.)}}, lambda learn: 1., 3, storage or None, steps=4, checks=2, folder=folder, heartbeat=1, progress=False)
    assert sorted(t.state.name for t in study.trials) == ['COMPLETE']*3 + ['FAIL']      # three, and the one that was lost
    lost, = (t for t in study.trials if t.state.name == 'FAIL')
    again, = (t for t in study.trials if t.system_attrs.get('failed_trial') == lost.number)
    assert again.state.name == 'COMPLETE' and lost.params.items() <= again.params.items()
    assert study.best_learner.step == 4

def test_a_worker_is_killed(tmp_path):
    url = f'sqlite:///{tmp_path}/a/sweep.sqlite'
    killed(WORKER, tmp_path/'a', '', url)
    gone_on(tmp_path/'a', '', url)

# PostgreSQL

def server_programs():
    "The folder of initdb and pg_ctl, as Debian has them or on the path; None: there is no server"
    found = sorted(Path('/usr/lib/postgresql').glob('*/bin/pg_ctl')) + [Path(p) for p in [shutil.which('pg_ctl')] if p]
    return found[-1].parent if found else None

def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

@pytest.fixture
def postgres(tmp_path_factory):
    "The URL of a PostgreSQL server that is started for the test; root starts it as another user, since it refuses root"
    programs = server_programs()
    if programs is None: pytest.skip('no PostgreSQL server: install it with the system (`apt-get install postgresql`)')
    pytest.importorskip('psycopg')
    work = Path('/tmp')/f'ganlab-pg-{os.getpid()}'
    work.mkdir(mode=0o755)
    who = {}
    if os.getuid() == 0:
        nobody = pwd.getpwnam('nobody')
        os.chown(work, nobody.pw_uid, nobody.pw_gid)
        who = dict(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
    def do(program, *args): subprocess.run([programs/program, '-D', work/'db', *args], check=True, capture_output=True, cwd=work, **who)
    port = free_port()
    try:
        do('initdb', '-U', 'ganlab', '--auth=trust', '--no-sync')
        do('pg_ctl', '-w', '-l', str(work/'log'), '-o', f'-p {port} -k {work} -c listen_addresses=127.0.0.1 -c fsync=off', 'start')
        try: yield f'postgresql+psycopg://ganlab@127.0.0.1:{port}/postgres'
        finally: do('pg_ctl', '-w', '-m', 'immediate', 'stop')
    finally: shutil.rmtree(work, ignore_errors=True)

def test_on_a_server(postgres, tmp_path):
    "Several machines share one PostgreSQL: a worker that is killed there loses its trial, and another, with a folder of its own, goes on"
    def one(n): return sweep(make, {'ema': True, 'rates': {'lr': (.5, 2.)}}, lambda learn: 1., n, postgres, steps=4, checks=2, folder=tmp_path/'a', heartbeat=1, progress=False)
    assert len(one(1).trials) == 1
    killed(BARE, tmp_path/'b', postgres, postgres)
    gone_on(tmp_path/'a', postgres, postgres)

@pytest.mark.slow
def test_two_machines(postgres, tmp_path):
    "The same with a whole worker, and folders apart: whose run lies elsewhere says where"
    killed(WORKER, tmp_path/'a', postgres, postgres)
    gone_on(tmp_path/'b', postgres, postgres)
    shutil.rmtree(tmp_path/'b'/'trials')
    study = sweep(make, {'ema': True, 'rates': {'lr': (.5, 2.)}}, lambda learn: 1., 3, postgres, steps=4, checks=2, folder=tmp_path/'b', progress=False)
    with pytest.raises(ValueError, match='it was recorded on'): study.best.folder

# The command

def test_the_command(tmp_path, capsys, monkeypatch):
    from ganlab.cli import main
    (tmp_path/'searched_for.py').write_text('from ganlab.all import *\ndef make(run=None, seed=0): return GANLearner(ring_dls(n=300, bs=16), *mlp(width=8, depth=1, seed=seed), seed=seed, run=run)\nnothing = 3\ndef number(): return 3\ndef breaks(): raise KeyError("mine")\n')
    monkeypatch.chdir(tmp_path)
    words = ['sweep', 'a', '--make', 'searched_for:make', '--steps', '4', '--trick', 'ema']
    assert main([*words, '--trials', '2']) == 0
    assert main([*words, '--trials', '3', '--script', 'best.py']) == 0
    out = capsys.readouterr().out
    assert 'trial 0: ' in out and '3 of 3 trials' in out and 'its run: a/trials/' in out and Path('best.py').exists()
    assert main([*words[:2], '--make', 'searched_for:nothing']) == 2 and 'need a function' in capsys.readouterr().err
    assert main([*words[:2], '--make', 'searched_for:number']) == 2 and 'number() returned a int; need a GANLearner' in capsys.readouterr().err
    assert main([*words[:2], '--make', 'searched_for:breaks']) == 2 and 'breaks() failed: KeyError' in capsys.readouterr().err

def test_two_workers_make_the_tables_at_once(tmp_path, monkeypatch):
    "The one that comes second looks again; what cannot be opened at all is still said"
    from sqlalchemy.exc import IntegrityError
    from ganlab.search import storage
    real, asked = storage._database, []
    def second(url, heartbeat):
        asked.append(url)
        if len(asked) == 1:
            real(url, heartbeat)      # somebody else was first
            raise IntegrityError('insert', {}, Exception('UNIQUE constraint failed: alembic_version.version_num'))
        return real(url, heartbeat)
    monkeypatch.setattr(storage, '_database', second)
    assert storage.open_storage(None, tmp_path).get_all_studies() == [] and len(asked) == 2
    monkeypatch.setattr(storage, '_database', lambda *_: (_ for _ in ()).throw(OSError('no such place')))
    with pytest.raises(ValueError, match='cannot be opened .OSError: no such place'): storage.open_storage(None, tmp_path)
