"A population: what its members draw and explore, who forks whom, what a killed worker costs, and what the best one's script makes."
import importlib.util, json, math, os, runpy, signal
from pathlib import Path
import pytest, torch
from ganlab.data import ring_dls
from ganlab.engine.rng import Streams
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from ganlab.pbt.drawing import Draw, Move
from ganlab.pbt.explore import explore
from ganlab.pbt.kin import everyone, living
from ganlab.pbt.member import Breeding, Place, noted
from ganlab.pbt.rounds import parent_of
from ganlab.population import Population, population
from ganlab.record.run import Run
from ganlab.record.store import Store
from ganlab.search.space import as_space
from strangers import one_sentence

def make(run=None, seed=0): return GANLearner(ring_dls(n=300, bs=16), *mlp(width=8, depth=1, seed=seed), lr_g=1e-3, lr_d=1e-3, seed=seed, run=run)

SPACE = {'gradient_penalty': {'gamma': (.1, 10.)}, 'ema': True, 'rates': {'lr': (.5, 2.)}, 'beta1': (0., .5, .9)}
SMALL = dict(steps=24, every=8, progress=False)

def task_in(folder, space=SPACE, metric='sliced_wasserstein', steps=24, every=8, seed=0, make=make):
    return Breeding(make, as_space(space, make, steps), metric, None, steps, every, Path(folder), seed)

def by_hand(task, n, until=None):
    "The same population without Ray: one member after the other, and what a round's end does in a few lines"
    places = [Place(i) for i in range(n)]
    for to in range(task.every, (until or task.steps) + 1, task.every):
        score = {p: -task.train(p, to) for p in places}
        if to == task.steps: break
        order = sorted(places, key=score.get)
        k = min(math.ceil(n/4), n//2)
        able = [p for p in order[n - k:] if math.isfinite(score[p])]
        for p in order[:k]: places[p.member] = Place(p.member, to, parent_of(task, p.member, to, able).name)
    return Population(task, n)

def hashes(task):
    "name -> the state at the end of each stretch"
    out = {}
    for m in everyone(task):
        with m.run as run: out[m.name] = run.step, run.hash_at(run.step)
    return out

# What is drawn and explored

def test_draws_are_addressed():
    "A value depends on seed, member, name, step and attempt, and on nothing that was drawn before it"
    def lr(*args, first=(), **how):
        draw = Draw(*args, **how)
        for name in first: draw.suggest_float(name, 0., 1.)
        return draw.suggest_float('lr', .1, 10., log=True)
    base = lr(Streams(0), 1)
    assert base == lr(Streams(0), 1, first=['a', 'b']) and .1 <= base <= 10
    assert len({base, lr(Streams(1), 1), lr(Streams(0), 2), lr(Streams(0), 1, 8), lr(Streams(0), 1, go=1)}) == 5

def test_a_move_stays_in_its_range():
    "However often: a float, a whole number, a list"
    known, seen = {}, []
    for step in range(300):
        move = Move(Streams(0), 0, step, known)
        a, b, c = move.suggest_float('a', .1, 10., log=True), move.suggest_int('b', 1, 6), move.suggest_categorical('c', ['x', 'y', 'z'])
        assert .1 <= a <= 10 and 1 <= b <= 6 and isinstance(b, int) and (known == {} or a != known['a'])
        known = dict(move.params)
        seen.append((b, c))
    assert {b for b, _ in seen} == set(range(1, 7)) and {c for _, c in seen} == {'x', 'y', 'z'}

def test_a_function_of_ones_own_is_called_again():
    "On the learner that trains, with values near to those it had"
    def own(trial, learn): learn.tricks.on('instance_noise', sigma=trial.suggest_float('sigma', .01, 1., log=True))
    space, learn = as_space(own, make, 24), make()
    learn.fit_steps(4, progress=False)
    first = Draw(Streams(0), 1)
    space(first, learn)
    move = Move(Streams(0), 1, 8, first.params)
    explore(space, move, learn)
    assert learn.tricks['instance_noise'].params['sigma'] == move.params['sigma'] != first.params['sigma']

def test_the_catalogue_explores():
    "Of the catalogue's own space: what moves are numbers of what is on; nothing comes or goes"
    space = as_space(None, make, 24)
    moved = 0
    for member in range(6):
        learn, draw = make(), Draw(Streams(5), member)
        space(draw, learn)
        learn.fit_steps(2, progress=False)
        on, n = [t.name for t in learn.tricks.enabled], len(learn.run.changes)
        explore(space, Move(Streams(5), member, 2, draw.params), learn)
        fresh = learn.run.changes[n:]
        assert {t.name for t in learn.tricks.enabled} - {'ttur'} == set(on) - {'ttur'} and {c.kind for c in fresh} <= {'set', 'on'}
        moved += len(fresh)
        learn.run.close()
    assert moved > 3

# Members

def test_a_member_is_an_ordinary_training(tmp_path):
    "The first begins as the learner was made, and comes to what that comes to"
    task, learn = task_in(tmp_path), make()
    for to in (8, 16, 24): task.train(Place(0), to)
    learn.fit_steps(24, progress=False)
    with Run.open(tmp_path/'member-0') as run: assert run.hash_at(24) == learn.state_hash()
    assert noted(tmp_path/'member-0')['values']['lr'] == 1. and noted(tmp_path/'member-0')['on'] == []

def test_half_made(tmp_path):
    "What a kill left half made is made again, to the same bits: begun and not noted, forked and not explored, trained and not noted"
    task, place = task_in(tmp_path), Place(1)
    read = task.train(place, 8)
    before = hashes(task)
    for left in ('{}', json.dumps(dict(name='member-7', member=7, values={}, on=[], lineage=[], reads=[], why=''))):
        store = Store.open(tmp_path/'member-1', write=True)
        store.note(member=json.loads(left))
        store.close()
        assert task.known(place) is None
        assert task.train(place, 8) == read and hashes(task) == before
    heir = Place(2, 8, 'member-1')
    a = task.train(heir, 16)
    again = task_in(tmp_path/'again')
    again.train(place, 8)
    assert again.train(heir, 16) == a and task.train(place, 16) == again.train(place, 16)

@pytest.mark.parametrize('steps', [5, 8])
def test_rows_without_a_note(tmp_path, steps):
    "A worker was killed in a stretch, or at its end, before it noted what it read"
    task, whole = task_in(tmp_path/'a'), task_in(tmp_path/'b')
    for t in (task, whole): t.train(Place(1), 8)
    learn = GANLearner.resume(tmp_path/'a'/'member-1', *task.parts, progress=False)
    learn.fit_steps(steps, progress=False)
    learn.run.stop()
    assert task.train(Place(1), 16) == whole.train(Place(1), 16) and hashes(task) == hashes(whole)

def test_a_broken_member_is_replaced(tmp_path):
    "What is not finite is the worst, is forked by nobody, and says why"
    def metric(learn): return math.nan if learn.step == 8 and learn.run.folder and learn.run.folder.name == 'member-0' else 1/(learn.step + 1)
    found = by_hand(task_in(tmp_path, metric=metric), 4)
    assert noted(tmp_path/'member-0')['reads'] == [[8, math.inf]] and 'became nan' in noted(tmp_path/'member-0')['why']
    heir, = (m for m in everyone(found.task) if m.name == 'member-0-8')
    assert heir.why == '' and heir.lineage[0][0] != 0 and all(math.isfinite(m.value) for m in found.members)

def test_refused_settings_are_drawn_again(tmp_path):
    def own(trial, learn):
        if trial.suggest_float('a', 0., 1.) < .7: learn.tricks.on('projection')      # which needs labels
    task = task_in(tmp_path, own)
    for i in range(4): task.stand(Place(i))
    assert all(noted(tmp_path/f'member-{i}')['values']['a'] >= .7 for i in range(4))

def test_parents_are_drawn(tmp_path):
    task = task_in(tmp_path)
    able = ['a', 'b', 'c']
    assert {parent_of(task, m, s, able) for m in range(4) for s in range(8, 80, 8)} == set(able)
    assert parent_of(task, 3, 8, able) == parent_of(task, 3, 8, able)

# What comes back

@pytest.fixture(scope='module')
def found(tmp_path_factory): return by_hand(task_in(tmp_path_factory.mktemp('by_hand')), 6)

def test_what_comes_back(found):
    table = found.table
    assert found.is_done and list(table.columns) == ['value', 'steps', 'lineage', 'on', 'why'] and len(table) == 6
    assert table.value.is_monotonic_increasing and found.best.value == table.value.iloc[0] and 'Population(6 members' in repr(found)
    assert (table.lineage.str.contains('→')).sum() >= 2      # of two forked at each of two ends of a round
    assert found.best_learner.step == 24

def test_a_lineage_is_one_run(found):
    "A fork's record has its parent's changes, and what it explored as a `set` at the step of the fork; its settings are those it trains with"
    heirs = [m for m in found.members if len(m.lineage) > 1]
    for m in heirs:
        with m.run as run: changes = run.changes
        assert run.folder.name == m.name and m.lineage[-1] == [m.number, m.begins]
        learn = m.learner
        for t in learn.tricks.enabled:
            for k, v in t.params.items():
                if f'{t.name}.{k}' in m.values: assert v == m.values[f'{t.name}.{k}']
        assert {c.step for c in changes} <= {0, *(step for _, step in m.lineage)}
    assert any(c.kind == 'set' and c.step for m in heirs for c in m.learner.run.changes)

def test_replay(found, tmp_path, capsys):
    "Each member's script reaches its state with no population about; of heirs, too"
    heir = next(m for m in found.members if len(m.lineage) > 1)
    for m in (found.best, heir):
        script = m.to_python(tmp_path/f'{m.number}.py')
        runpy.run_path(str(script))
        with m.run as run: assert capsys.readouterr().out.strip().splitlines()[-1] == run.hash_at(24)

def test_picture(found):
    fig = found.plot_lineages()
    ax, = fig.axes
    assert ax.get_xlabel() == 'step' and len(ax.lines) >= len(everyone(found.task)) and fig.png()[:4] == b'\x89PNG'

# What is refused

@pytest.mark.parametrize('how, kind, said', [
    (dict(space={'ema': {'half_life': 5.}}), ValueError, 'space has nothing to explore'), (dict(space=dict(loss='hinge')), ValueError, 'space has nothing to explore'),
    (dict(every=24), ValueError, 'every=24; need a whole number from 1 to 23'), (dict(n=1), ValueError, 'n=1; need a whole number >= 2'),
    (dict(workers=0), ValueError, 'workers=0'), (dict(seed=-1), ValueError, 'seed=-1'), (dict(metric='fdd'), ValueError, "metric='fdd'; need one of"),
    (dict(make_learner=3), TypeError, 'make_learner is a int'), (dict(space=['spectral_nrom']), ValueError, 'spectral_norm')])
def test_a_population_that_is_none(how, kind, said, tmp_path, monkeypatch):
    "One sentence, before anything is trained"
    monkeypatch.setattr('ganlab.population.ray_classes', lambda: ())
    with pytest.raises(kind, match=said) as e: population(**{**dict(make_learner=make, space=SPACE, folder=tmp_path/'a', **SMALL), **how})
    one_sentence(e.value)
    assert not (tmp_path/'a').exists()

def test_without_ray(tmp_path, monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda n: None)
    from ganlab.pbt.rounds import ray_classes
    ray_classes.cache_clear()
    with pytest.raises(ValueError, match=r"a population needs ray and pyarrow and tensorboardX: pip install 'ganlab\[ray\]'"): population(make, SPACE, folder=tmp_path/'a', **SMALL)

# On Ray

def metric(learn):
    "A worker is killed as it looks at its first member that has come to step 16: no signal that it could heed"
    mark = Path(os.environ['MARK'])
    if learn.step == 16 and learn.run.folder and not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return float(learn.sample(256).norm(dim=1).sub(1).abs().mean())

def test_a_worker_is_killed(tmp_path, monkeypatch, capsys):
    """Eight members, two workers, one of them killed: it ends; all are what they are by hand, one after the other and with no kill.

    So neither the number of workers, nor who is first, nor a kill changes a bit. The best one's script makes its state again."""
    monkeypatch.setenv('MARK', str(tmp_path/'mark'))
    found = population(make, SPACE, metric, 8, folder=tmp_path/'a', **{**SMALL, 'progress': True})
    said = capsys.readouterr().out
    pid = int((tmp_path/'mark').read_text())
    assert pid != os.getpid() and not Path(f'/proc/{pid}').exists()
    assert found.is_done and 'step 8: best' in said and 'step 16: best' in said and said.count(' forks ') == 4 and 'stopped' not in said
    hand = by_hand(task_in(tmp_path/'b', metric=metric), 8)
    assert hashes(found.task) == hashes(hand.task) and found.table.equals(hand.table)
    assert not (tmp_path/'a'/'ray').exists()
    runpy.run_path(str(found.best.to_python(tmp_path/'best.py')))
    with found.best.run as run: assert capsys.readouterr().out.strip().splitlines()[-1] == run.hash_at(24)

@pytest.fixture(scope='module')
def ray_there():
    "One Ray for several populations, as where a user has one"
    from ganlab.pbt.rounds import a_ray
    with a_ray(2, 2, {'cpu': 1}): yield

@pytest.mark.slow
def test_goes_on(tmp_path, ray_there):
    "What a stop left is gone on with: members that are at the end of a round, one that is beyond it, one that has not begun"
    half = task_in(tmp_path/'a')
    by_hand(half, 4, until=8)
    half.train(Place(living(half)[0].number), 16)
    found = population(make, SPACE, n=4, folder=tmp_path/'a', **SMALL)
    hand = by_hand(task_in(tmp_path/'b'), 4)
    assert found.is_done and hashes(found.task) == hashes(hand.task)
    with pytest.raises(ValueError, match='holds a population with n 4, not 5') as e: population(make, SPACE, n=5, folder=tmp_path/'a', **SMALL)
    one_sentence(e.value)

@pytest.mark.slow
def test_an_error_of_ones_own_ends_it(tmp_path, ray_there):
    "And is told with its member and its traceback; where it is cured, the same call goes on"
    def broken(learn):
        if learn.step == 16 and not Path(os.environ.get('CURED', tmp_path/'cured')).exists(): raise KeyError('no such thing')
        return 1.
    with pytest.raises(RuntimeError, match=r"member \d at step 16: KeyError: 'no such thing'") as e: population(make, SPACE, broken, 3, folder=tmp_path/'a', **SMALL)
    assert 'in broken' in e.value.__notes__[0]
    (tmp_path/'cured').touch()
    assert population(make, SPACE, broken, 3, folder=tmp_path/'a', **SMALL).is_done

@pytest.mark.slow
def test_a_member_that_kills_all_its_workers(tmp_path, ray_there):
    "It is given up, and the others do not wait for it for ever"
    def deadly(learn):
        if learn.run.folder and learn.run.folder.name == 'member-1': os.kill(os.getpid(), signal.SIGKILL)
        return 1.
    with pytest.raises(RuntimeError, match='member 1 was given up: its worker died 6 times'): population(make, SPACE, deadly, 2, folder=tmp_path/'a', **SMALL)

@pytest.mark.slow
def test_more_members_than_ray_looks_at_by_itself(tmp_path, ray_there):
    "A round has all of them: Ray would begin with sixteen"
    found = population(make, {'rates': {'lr': (.5, 2.)}}, n=20, folder=tmp_path/'a', steps=2, every=1, progress=False)
    assert found.is_done and sum(len(m.lineage) > 1 for m in found.members) == 5

class Deadly:
    "A metric that kills the process that unpickles it, as often as it says: a worker that dies as it starts"
    def __init__(self, folder, times): self.folder, self.times = folder, times
    def __call__(self, learn): return 1/(1 + learn.step)
    def __setstate__(self, state):
        vars(self).update(state)
        n = len(list(self.folder.glob('died-*')))
        if n >= self.times: return
        (self.folder/f'died-{n}').touch()
        os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.slow
def test_a_worker_dies_as_it_starts(tmp_path, ray_there):
    "It costs a start, and nothing else"
    found = population(make, SPACE, Deadly(tmp_path, 1), 2, folder=tmp_path/'a', **SMALL)
    assert found.is_done and len(list(tmp_path.glob('died-*'))) == 1

@pytest.mark.slow
def test_workers_are_killed_between_two_stretches(tmp_path, ray_there, monkeypatch):
    "At the end of each round both die: the one that waits for its next member, and the one that came last"
    here, ended = os.getpid(), []
    def metric(learn):
        (tmp_path/f'pid-{os.getpid()}').touch()
        return float(learn.sample(64).norm(dim=1).sub(1).abs().mean())
    def kill(step, *_):
        ended.append(step)
        for mark in tmp_path.glob('pid-*'):
            if int(mark.name[4:]) == here: continue
            os.kill(int(mark.name[4:]), signal.SIGKILL)
            mark.unlink()
        return 'killed'
    monkeypatch.setattr('ganlab.population._line_of', kill)
    found = population(make, SPACE, metric, 4, folder=tmp_path/'a', **{**SMALL, 'progress': True})
    hand = by_hand(task_in(tmp_path/'b', metric=metric), 4)
    assert found.is_done and {8, 16} <= set(ended) and hashes(found.task) == hashes(hand.task)
