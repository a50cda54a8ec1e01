"Values that move with the steps: they do what setting them by hand does, and are one thing in the record, in a fork, in a replay and in a script."
import json, math, re, shutil
from types import SimpleNamespace
import numpy as np, pytest
from safetensors import safe_open
from safetensors.torch import save_file
from ganlab.all import *
from ganlab.cli import main
from ganlab.engine.change import Refused
from ganlab.engine.schedules import as_schedule, read_schedule
from ganlab.commands.parts import own_of
from ganlab.panels.state import make_state
from ganlab.panels.timeline import rows_at
from ganlab.presets import presets
from ganlab.trick import find_tricks
from strangers import OF_IMAGES, copies, data, go, make_learner, nets, one_sentence, unequal

def formula(kind, a, b, n, N, k=1):
    "Written down a second time: the value after n of N steps"
    t = min(n/N, 1.)
    return dict(constant=b, linear=(1 - t)*a + t*b, cosine=(a + b)/2 + (a - b)/2*math.cos(math.pi*t), stepwise=a + (b - a)*math.floor(k*t + 1e-9)/k)[kind]

@pytest.mark.parametrize('s', [constant(3), linear(10, 1, steps=7), linear(.1, .9, steps=3), cosine(10, 1, steps=9), cosine(0, .3, steps=78_125), stepwise(1, 0, steps=10, stairs=5), stepwise(2, 8, steps=7, stairs=3)], ids=repr)
def test_values(s):
    "At its beginning, on the way, at its end and after it"
    for n in {0, 1, 2, 3, 5, s.steps//3, s.steps - 1, s.steps, s.steps + 1, 10**7}: assert s.at(n) == pytest.approx(formula(s.kind, s.start, s.stop, n, s.steps, s.stairs), rel=1e-12, abs=1e-12)
    assert (s.at(0), s.at(s.steps), s.at(10**9)) == (s.start, s.stop, s.stop)
    assert eval(repr(s)) == s == as_schedule(json.loads(json.dumps(s.plain())))

def test_what_is_no_schedule():
    for make, said in [(lambda: linear(0, 1, steps=0), 'steps=0'), (lambda: linear(0, math.inf, steps=3), 'stop=inf'), (lambda: cosine('a', 1, steps=3), "start='a'"), (lambda: stepwise(0, 1, steps=3, stairs=.5), 'stairs=0.5'),
                       (lambda: as_schedule(lambda n: n), 'has no name')]:
        with pytest.raises(ValueError, match=said.replace('(', r'\(')) as e: make()
        one_sentence(e.value)

# Any parameter of any trick

def other(p):
    "A value near the default"
    v = p.default*.5 if p.default*.5 >= p.lo and p.default else min(p.hi, max(p.lo, .1 if p.kind == 'float' else 2))
    return round(v) if p.kind == 'int' else v

def movable(t):
    "name -> (from, to) of what can follow a schedule; of the rest the trick says why not"
    out = {}
    for k, p in t.declared.items():
        ends = (p.default, other(p)) if p.kind in ('float', 'int') else (0, 1)
        try: t.accepted({k: linear(*ends, steps=3)})
        except ValueError as e: assert 'cannot follow a schedule, since' in one_sentence(e) and k in str(e)
        else: out[k] = ends
    return out

def test_most_can_and_few_cannot():
    cannot = {t.name: {k for k, p in t.declared.items() if p.kind in ('float', 'int')} - movable(t()).keys() for t in find_tricks()}
    assert {k: v for k, v in cannot.items() if v} == dict(
        spectral_norm={'soft_start', 'scale'}, minibatch_stddev={'channels'}, virtual_batch_norm={'n'}, dual_discriminator={'n_scales'}, progressive_growing={'stages', 'fade', 'hold', 'width'},
        self_attention={'divisor'}, style={'depth', 'width', 'lr_mult'}, optimizer={'momentum', 'smoothing', 'decay'}, ema={'shown'}, reinit={'keep', 'std', 'slope'}, batch_norm={'batches'},
        leaky_relu={'slope', 'over'}, weight_clipping={'c', 'soft_start'}, residual={'width'}, packing={'m'}, patch_contrast={'width'})

@pytest.mark.parametrize('cls', find_tricks(), ids=lambda c: c.name)
@pytest.mark.part(6)
def test_as_if_set_by_hand(cls):
    "On a schedule of all that can move, and set by hand before each step: the same weights, moments, buffers and state, bit for bit"
    ends = movable(cls())
    if not ends: pytest.skip(f'{cls.name} has nothing that moves')
    kind = 'dcgan' if cls.name in OF_IMAGES else 'mlp'
    loss = 'non_saturating' if 'label' in cls.name else 'hinge'
    a, b = make_learner(kind, loss=loss), make_learner(kind, loss=loss)
    if why := a.tricks[cls.name].why_not(a): pytest.skip(why)
    go(a, 1), go(b, 1)
    a.tricks.on(cls.name, **{k: linear(*v, steps=3) for k, v in ends.items()})
    b.tricks.on(cls.name, **{k: v for k, (v, _) in ends.items()})
    for n in range(1, 5):
        go(a, 1), go(b, 1)
        at = {k: formula('linear', *v, n, 3) for k, v in ends.items()}
        b.tricks.set(cls.name, **{k: round(v) if cls.declared[k].kind == 'int' else v for k, v in at.items()})
        assert a.tricks[cls.name].params == pytest.approx(b.tricks[cls.name].params)
        b.tricks.set(cls.name, **a.tricks[cls.name].params)      # to the last bit
    assert not unequal(copies(a), copies(b)) and [g['lr'] for g in a.opt.param_groups] == [g['lr'] for g in b.opt.param_groups]
    a.tricks.off(cls.name, now=True), b.tricks.off(cls.name, now=True); go(a, 1), go(b, 1)
    assert not unequal(copies(a), copies(b))

# One run, by every way

SOME = dict(gradient_penalty=dict(gamma=cosine(10, 1, steps=6)), ttur=dict(lr_g=linear(4e-4, 1e-4, steps=8)), betas=dict(beta2_d=cosine(.9, .99, steps=5), beta2_g=linear(.9, .99, steps=7)),
            n_critic=dict(n_d=stepwise(3, 1, steps=4, stairs=2)), batch_size=dict(bs=stepwise(8, 14, steps=9, stairs=3)), instance_noise=dict(sigma=linear(.2, 0, steps=5)), ema=dict(beta=linear(.9, .99, steps=5)))

def story(learn):
    "Schedules from step 0, in mid-training and for later; one that ends, one that is replaced, off and on again"
    for n in ('gradient_penalty', 'ttur', 'ema', 'batch_size'): learn.tricks.on(n, **SOME[n])
    learn.tricks.set('gradient_penalty', gamma=stepwise(4, 8, steps=3), at=6)
    go(learn, 3)
    learn.tricks.on('betas', **SOME['betas']); learn.tricks.on('n_critic', **SOME['n_critic'])
    learn.tricks.set('ttur', lr_d=linear(1e-4, 2e-4, steps=3))
    go(learn, 4)
    learn.tricks.set('betas', beta2_g=.95); learn.tricks.off('n_critic'); learn.tricks.set('n_critic', n_g=2)
    go(learn, 2)
    learn.tricks.on('n_critic'); learn.tricks.off('ttur'); learn.tricks.on('instance_noise', **SOME['instance_noise'])
    go(learn, 3)

def again(): return tensor_dls(data(), 8), *nets('mlp')
said_nothing = pytest.mark.filterwarnings('error:.*came out otherwise')

@pytest.fixture(scope='module')
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp('schedules')
    learn = make_learner(run=folder/'a'); story(learn)
    learn.run.sync()      # what is written behind the steps is there
    return folder, learn, learn.state_hash()

def test_what_a_run_says(told):
    "The sentences and the record have the schedule; a trick that was off begins it anew"
    folder, learn, _ = told
    first = learn.run.changes[0]
    assert first.sentence == 'Gradient penalty on at step 0: gamma 10 to 1 on a cosine over 6 steps.' and first.params == SOME['gradient_penalty'] == Run.open(folder/'a').changes[0].params
    assert learn.tricks['gradient_penalty'].schedules == dict(gamma=stepwise(4, 8, steps=3)) and learn.tricks['gradient_penalty'].gamma == 8
    assert learn.tricks['n_critic'].schedules['n_d'].since == 9 and learn.n_d_now == 2 and learn.bs == 14
    assert not learn.tricks['ttur'].enabled and learn.tricks['ttur'].schedules['lr_d'].since is None and learn.opt_g.param_groups[0]['lr'] == 2e-4

@said_nothing
def test_fork(told):
    _, learn, was = told
    assert learn.fork().state_hash() == was
    f = learn.fork(step=5); go(f, 1)
    assert f.tricks['gradient_penalty'].gamma == 1 and f.tricks['betas'].schedules['beta2_g'].since == 3 and f.opt_g.param_groups[0]['lr'] == pytest.approx(formula('linear', 4e-4, 1e-4, 6, 8))

@said_nothing
def test_replay_resume_and_script(told, tmp_path):
    "From the seed and the changes; from a snapshot, and forward from there; and by the script"
    folder, learn, was = told
    run = Run.open(folder/'a')
    assert run.replay(*again(), progress=False).state_hash() == was
    learn.run.keep(learn, 'ring', wait=True); shutil.copytree(folder/'a', tmp_path/'a')
    for step in (None, 10, 7, 4):
        back = GANLearner.resume(tmp_path/'a', *again(), step=step, progress=False)
        assert back.state_hash() == (was if step is None else run.replay(*again(), step=step, progress=False).state_hash())
        back.run.close()
    script = learn.run.to_python(tmp_path/'b.py')
    src = re.sub('dls = [.]{3}.*', 'dls = data', script.read_text())
    assert "learn.tricks.on('gradient_penalty', gamma=cosine(10.0, 1.0, steps=6))" in src
    exec(compile(src, str(script), 'exec'), names := dict(__file__=str(script), data=again()[0]))
    assert names['learn'].state_hash() == was

MOVERS = dict(schedule=[('ttur', dict(lr_g=linear(2e-4, 1e-4, steps=30)))], decay=[('lr_decay', dict(steps=20))], value=[('gradient_penalty', dict(gamma=cosine(10, 1, steps=12)))],
              both=['spectral_norm', ('lr_decay', dict(steps=9)), ('ttur', dict(lr_d=linear(1e-4, 4e-4, steps=9)))])

@said_nothing
@pytest.mark.parametrize('kind', MOVERS)
@pytest.mark.part(2)
def test_snapshots_in_the_midst_of_a_training(kind, tmp_path):
    "What is left of a run that is killed: each has the hash of a replay that ends there, though rates and values move from step to step; and taking them changes no bit"
    learn, calm = make_learner(run=tmp_path/'a', tricks=MOVERS[kind]), make_learner(tricks=MOVERS[kind])
    learn.run.snap_every = 3
    go(learn, 11), go(calm, 11); assert learn.state_hash() == calm.state_hash()
    learn.run.sync()
    with Run.open(tmp_path/'a') as run:
        taken = [s for s in run.snapshots if s['step']]
        assert len(taken) >= 3
        for s in taken[:3]: assert run.replay(*again(), step=s['step'], progress=False).state_hash() == s['hash']
    learn.run.close()

@said_nothing
def test_rewind_undo_and_a_failed_step():
    "Back and forward again; the change undone; and a step that fails is taken back, with the values that it had"
    learn = make_learner(); story(learn); was = learn.state_hash()
    learn.rewind(11); before = learn.state_hash(); go(learn, 1); assert learn.state_hash() == was
    learn.rewind(11); assert learn.state_hash() == before
    learn = make_learner(); learn.tricks.on('betas', **SOME['betas']); go(learn, 4); was = learn.state_hash()
    learn.tricks.set('betas', beta2_d=cosine(.5, .6, steps=3)); learn.undo(); assert learn.state_hash() == was and learn.tricks['betas'].schedules == SOME['betas']
    def bad(*a): raise ZeroDivisionError('it was zero')
    one, learn.loss_now.__class__.g_loss = learn.loss_now.__class__.g_loss, bad
    try:
        with pytest.raises(StepError): go(learn, 1)
    finally: learn.loss_now.__class__.g_loss = one
    assert learn.state_hash() == was
    other = make_learner(); other.tricks.on('betas', **SOME['betas']); go(other, 6); go(learn, 2); assert learn.state_hash() == other.state_hash()

def test_presets_and_the_constructor():
    add_preset(Preset('falling', 'Falling', 'γ falls.', 'here', dict(gradient_penalty=dict(gamma=cosine(10, 1, steps=4)))))
    try:
        learn = make_learner(); learn.tricks.preset('falling'); go(learn, 2)
        assert not presets['falling'].plan(learn) and learn.tricks['gradient_penalty'].gamma == pytest.approx(5.5)
        learn.tricks.set('gradient_penalty', gamma=5.5); assert [o[1] for o in presets['falling'].plan(learn)] == ['gradient_penalty']
    finally: del presets['falling']
    cls = type(learn.tricks['gradient_penalty'])
    a, b = (make_learner(tricks=[t]) for t in (cls(gamma=linear(4, 2, steps=2)), ('gradient_penalty', dict(gamma=linear(4, 2, steps=2)))))
    go(a, 3), go(b, 3); assert a.state_hash() == b.state_hash() and a.tricks['gradient_penalty'].gamma == 2
    assert 'gamma=linear(4.0, 2.0, steps=2)' in repr(a.tricks['gradient_penalty'])

def test_a_training_without():
    "Has no trace of them: neither in what is recorded of a trick nor in a hash"
    learn = make_learner(tricks=['gradient_penalty'])
    t = learn.tricks['gradient_penalty']
    assert 'schedules' not in t.recorded() and learn.run.changes[0].params == {}
    learn.tricks.set('gradient_penalty', gamma=10); was = learn.state_hash(); learn.tricks.set('gradient_penalty', gamma=linear(10, 1, steps=3)); assert learn.state_hash() != was
    learn.tricks.set('gradient_penalty', gamma=10); assert learn.state_hash() == was and not t.schedules

# What is refused

@pytest.mark.parametrize('name, params, said', [
    ('gradient_penalty', dict(gamma=cosine(10, 1000, steps=9)), 'gamma=1000.0; need a number from 0 to 100'),
    ('gradient_penalty', dict(gamma=linear(-1, 1, steps=9)), 'gamma=-1.0; need a number from 0 to 100'),
    ('gradient_penalty', dict(points=linear(0, 1, steps=9)), 'points cannot follow a schedule, since it is one of'),
    ('gradient_penalty', dict(gama=linear(0, 1, steps=9)), "Did you mean 'gamma'?"),
    ('spectral_norm', dict(scale=linear(1, 2, steps=9)), 'scale cannot follow a schedule, since it goes to a new value by itself'),
    ('minibatch_stddev', dict(channels=linear(1, 2, steps=9)), 'channels cannot follow a schedule, since it is looked at only when'),
    ('ttur', dict(lr_d=linear(4e-4, 1e-2, steps=9)), 'need a ratio from 1/50 to 50'),
    ('gradient_penalty', dict(gamma=lambda n: 1.), 'has no name that a record could keep'),
    ('gradient_penalty', 'own', "text(0) gave 'much'; need a number")])
def test_refused(name, params, said):
    learn = make_learner(); was, before = learn.state_hash(), learn.tricks[name].settings
    if params == 'own': params = dict(gamma=text)
    with pytest.raises(ValueError, match=re.escape(said)) as e: learn.tricks.on(name, **params)
    one_sentence(e.value)
    assert learn.state_hash() == was and learn.tricks[name].settings == before and not learn.tricks.log and not learn.tricks.functions.get('text')

def text(n): return 'much'

def test_refused_at_the_boundary():
    "A trick that does not go with the networks: its schedule is not there either"
    learn = make_learner(); before = learn.tricks['self_attention'].settings
    with pytest.raises(Refused): learn.tricks.on('self_attention', leave_over=linear(10, 20, steps=5))
    assert learn.tricks['self_attention'].settings == before

@pytest.mark.parametrize('k', ['lr_g', 'lr_d', 'betas_g', 'n_d'])
def test_numbers_of_the_learner(k):
    "They are moved by the tricks that set them, and the error says which"
    trick = dict(lr_g='ttur', lr_d='ttur', betas_g='betas', n_d='n_critic')[k]
    v = (0., cosine(.9, .99, steps=5)) if k == 'betas_g' else cosine(2e-4, 1e-4, steps=5)
    with pytest.raises(ValueError, match=f"tricks=.*'{trick}'") as e: make_learner(**{k: v})
    one_sentence(e.value)

# One's own function

def breathing(n): return 5 + (n % 3)
def late(n): return 1. if n < 2 else 1e6

@said_nothing
def test_own_function(tmp_path):
    "Recorded by its name; a resume, a replay and a script say that it has to be given again, and with it all is as it was"
    learn = make_learner(run=tmp_path/'a', tricks=[('gradient_penalty', dict(gamma=breathing))]); go(learn, 4)
    was = learn.state_hash()
    assert learn.tricks['gradient_penalty'].gamma == 6 and learn.run.changes[0].sentence.endswith('gamma as breathing says.')
    assert learn.fork().state_hash() == was
    learn.rewind(2); go(learn, 2); assert learn.state_hash() == was
    learn.tricks.set('gradient_penalty', gamma=breathing, at=6); learn.run.close()
    for ask in (lambda **kw: Run.open(tmp_path/'a').replay(*again(), progress=False, **kw), lambda **kw: GANLearner.resume(tmp_path/'a', *again(), progress=False, **kw)):
        with pytest.raises(ValueError, match=r'follows a schedule of your own, breathing, and no code is stored; give it: schedules=\[breathing\]') as e: ask()
        one_sentence(e.value)
        back = ask(schedules=[breathing]); assert back.state_hash() == was
    assert len(back.tricks.pending) == 1 and [c.name for c in Run.open(tmp_path/'a').changes] == ['gradient_penalty']
    script = back.run.to_python(tmp_path/'b.py'); back.run.close()
    src = re.sub('dls = [.]{3}.*', 'dls = data', script.read_text())
    assert 'breathing = ...      # a schedule of your own' in src
    with pytest.raises(ValueError, match='gamma=Ellipsis'): exec(src, dict(__file__=str(script), data=again()[0]))
    exec(src.replace('breathing = ...', 'def breathing(n): return 5 + (n % 3)'), names := dict(__file__=str(script), data=again()[0]))
    assert names['learn'].state_hash() == was

def test_own_function_from_the_command_line(tmp_path):
    make_learner(run=tmp_path/'a', tricks=[('gradient_penalty', dict(gamma=breathing))]).run.close()
    (tmp_path/'gammas.py').write_text('def breathing(n): return 5 + (n % 3)')
    with Run.open(tmp_path/'a') as run:
        with pytest.raises(ValueError, match=r'a function that a value follows \(breathing\) of your own.*--own schedule MODULE:NAME') as e: own_of(run, SimpleNamespace(own=None, run=str(tmp_path/'a'), command='replay'))
        one_sentence(e.value)
        assert [f(2) for f in own_of(run, SimpleNamespace(own=[('schedule', 'gammas:breathing')]))['schedules']] == [7]

def test_own_function_that_leaves_the_range():
    "The training stops at a whole step and names the trick; another value, and it goes on"
    learn = make_learner(tricks=[('gradient_penalty', dict(gamma=late))])
    with pytest.raises(StepError, match='in Gradient penalty, before step 3: gradient_penalty: gamma=1000000.0; need a number from 0 to 100') as e: go(learn, 5)
    one_sentence(e.value)
    assert learn.step == 2 and learn.tricks['gradient_penalty'].gamma == 1
    learn.tricks.set('gradient_penalty', gamma=3); go(learn, 2); assert learn.step == 4

def test_two_functions_of_one_name():
    learn = make_learner(); learn.tricks.on('gradient_penalty', gamma=late)
    def other(n): return 2.
    other.__name__ = 'late'
    with pytest.raises(ValueError, match='two schedules of your own are called late') as e: learn.tricks.set('gradient_penalty', gamma=other)
    one_sentence(e.value)

# R3GAN's recipe

def authors(nimg, base_value, final_value, total_nimg):
    "As the authors' training_loop.py has it: `cosine_decay_with_warmup`, without a warm-up"
    decay = .5*(1 + np.cos(np.pi*nimg/float(total_nimg)))
    return np.where(nimg > total_nimg, final_value, base_value + (1 - decay)*(final_value - base_value))

FFHQ_64 = dict(ema=(0, 500_000), aug=(0, .3), lr=(2e-4, 5e-5), gamma=(2, .2), beta2=(.9, .99))      # of train.py

def test_r3gan_over_a_whole_run():
    "All five schedules of the preset at every step, before and after their end, and what the training takes of them"
    images, p = 256*np.arange(80_000), presets['r3gan'].tricks
    own = dict(ema=p['ema']['half_life'], aug=p['ada']['start'], lr=p['ttur']['lr_g'], gamma=p['relativistic_gp']['gamma'], beta2=p['betas']['beta2_d'])
    assert p['ttur']['lr_d'] == own['lr'] and p['betas']['beta2_g'] == own['beta2'] and p['betas']['beta1_d'] == p['betas']['beta1_g'] == 0
    for k, s in own.items():
        want = authors(images, *FFHQ_64[k], 2e7)/(1000 if k == 'ema' else 1)
        assert np.allclose([s.at(n) for n in range(len(images))], want, rtol=1e-6, atol=1e-6*want.max()), k

def test_r3gan_while_it_trains():
    "Over 12 steps in place of 78,125: rates, betas, γ, augmentation and the memory of the average are the authors' at each of them"
    learn = make_learner('dcgan', bs=4); learn.tricks.preset('r3gan')
    for t in learn.tricks.enabled:
        if t.schedules: learn.tricks.set(t.name, **{k: cosine(s.start, s.stop, steps=12) for k, s in t.schedules.items()})
    def look(learn):
        t, at = learn.tricks, {k: float(authors(4*learn.step, *v, 4*12)) for k, v in FFHQ_64.items()}
        for opt in (learn.opt_d, learn.opt_g):
            g = opt.param_groups[0]
            assert g['lr'] == pytest.approx(at['lr'], rel=1e-6) and g['betas'] == pytest.approx((0, at['beta2']), rel=1e-6)
        assert t['relativistic_gp'].gamma == pytest.approx(at['gamma'], rel=1e-6) and t['ada'].p == pytest.approx(at['aug'], rel=1e-6)
        assert t['ema'].keeps(4) == pytest.approx(.5**(4/max(at['ema'], 1e-8)), rel=1e-6)
        seen.append(learn.step)
    seen = []
    for _ in range(14): go(learn, 1); look(learn)
    assert seen == list(range(1, 15))

def test_presets_of_another_length(tmp_path):
    "R3GAN's five schedules over the steps of one's own, from the switch on or in a learner of its own; what has no length says so"
    p = presets['r3gan'].over(12).tricks
    own = dict(ema=p['ema']['half_life'], aug=p['ada']['start'], lr=p['ttur']['lr_g'], gamma=p['relativistic_gp']['gamma'], beta2=p['betas']['beta2_d'])
    for k, s in own.items(): assert np.allclose([s.at(n) for n in range(14)], authors(np.arange(14), *FFHQ_64[k], 12)/(1000 if k == 'ema' else 1), rtol=1e-6), k
    a = make_learner('dcgan', bs=4); go(a, 1); a.tricks.preset('r3gan', steps=8); go(a, 4)
    assert a.tricks['relativistic_gp'].gamma == pytest.approx(1.1) and a.opt_d.param_groups[0]['lr'] == pytest.approx(1.25e-4)
    b = presets['r3gan'].learner(ring_dls(n=200, bs=8), sizes=dict(width=8, depth=1), steps=4); go(b, 2)
    assert b.tricks['relativistic_gp'].gamma == pytest.approx(1.1)
    assert presets['progressive'].over(7).tricks['progressive_growing'] == dict(fade=3, hold=4) and presets['progressive'].over(4000) == presets['progressive']
    for n in presets:
        if n in ('r3gan', 'progressive'): continue
        with pytest.raises(ValueError, match='has no length') as e: a.tricks.preset(n, steps=9)
        one_sentence(e.value)
    for bad in (0, -3, 2.5):
        with pytest.raises(ValueError, match='steps='): a.tricks.preset('r3gan', steps=bad)

# On the command line, and in a file of weights

@pytest.mark.parametrize('s', [constant(3), linear(10, 1, steps=7), cosine(0, .3, steps=78_125), stepwise(2, -8e-5, steps=7, stairs=3)], ids=repr)
def test_read_back(s):
    "What a schedule is spelled as is read as that schedule, with its steps by name or by place"
    assert read_schedule(repr(s)) == s == read_schedule(f' {re.sub("[a-z]+=", "", repr(s))} ')

@pytest.mark.parametrize('text', ['cosine(1)', 'cosine(1, 2, 3, 4)', 'linear(1, 2, step=3)', 'linear(a, 1, 3)', 'constant()', 'stepwise(1, 2, 3, 4, 5)', 'constant(open("x"))'])
def test_not_read(text):
    with pytest.raises(ValueError, match=re.escape(text) + '.*such as') as e: read_schedule(text)
    one_sentence(e.value)

def test_no_schedule_is_left_alone():
    for text in ('0.5', 'cosine', 'cosine(1, 2, 3', 'sine(1, 2, 3)', 'eval(1)'): assert read_schedule(text) is text

def test_on_the_command_line(tmp_path, capsys):
    "As if given in Python; the same command again switches nothing; a recipe over so many steps is gone on with as such"
    def said(*args): return main(list(map(str, args))), *capsys.readouterr()
    train = 'train', '--data', 'ring', '--bs', 16, '--width', 8, '--run', tmp_path/'a', '--trick', 'gradient_penalty:gamma=cosine(10,1,8),every=2'
    assert said(*train, '--steps', 4)[0] == 0 and said(*train, '--steps', 6)[0] == 0
    with Run.open(tmp_path/'a') as run: assert [c.params for c in run.changes] == [dict(gamma=cosine(10, 1, steps=8), every=2)] and run.changes[0].params['gamma'].steps == 8
    status, _, err = said(*train[:-1], 'gradient_penalty:gamma=cosine(10,1)', '--steps', 8)
    assert status == 2 and 'need numbers, cosine(start, stop, steps)' in err
    train = 'train', '--data', 'ring', '--bs', 16, '--width', 8, '--run', tmp_path/'b', '--preset'
    for word, why in (('dcgan:steps=9', 'has no length'), ('r3gan:steps=x', 'a whole number'), ('r3gan:steps=0', 'steps=0')):
        status, _, err = said(*train, word, '--steps', 2)
        assert status == 2 and why in err and not (tmp_path/'b').exists()
    assert said(*train, 'r3gan:steps=8', '--steps', 2)[0] == 0 and said(*train, 'r3gan:steps=8', '--steps', 3)[0] == 0
    status, _, err = said(*train, 'r3gan', '--steps', 4)
    assert status == 2 and '--preset r3gan:steps=8, not r3gan' in err
    with Run.open(tmp_path/'b') as run: assert next(c for c in run.changes if c.name == 'relativistic_gp').params['gamma'] == cosine(2, .2, steps=8)

def test_a_file_of_weights_keeps_a_schedule(tmp_path):
    "Loaded at another step, it goes on where it stood, by resume and fork too; a file from before has the number alone"
    name, k = 'residual', 'leave_over'
    learn = make_learner(path=tmp_path, tricks=[(name, {k: linear(100, 20, steps=8)})]); go(learn, 3); learn.save('a')
    assert learn.tricks[name].params[k] == 70
    other = make_learner(path=tmp_path); go(other, 1); other.load('a')
    assert other.step == 1 and other.tricks[name].schedules == learn.tricks[name].schedules and other.tricks[name].params[k] == 70
    go(other, 2); assert other.tricks[name].params[k] == 50
    fork = other.fork(); assert fork.state_hash() == other.state_hash()
    go(other, 4), go(fork, 4); assert other.tricks[name].params[k] == 20 and fork.state_hash() == other.state_hash()

def test_a_file_from_before_schedules_were_kept(tmp_path):
    learn = make_learner(path=tmp_path, tricks=[('residual', dict(leave_over=linear(100, 20, steps=8)))]); go(learn, 3); file = learn.save('a')
    with safe_open(file, 'pt') as f: tensors, about = {n: f.get_tensor(n) for n in f.keys()}, f.metadata()
    params = json.loads(about['params']); del params['residual']['schedules']
    save_file(tensors, file, metadata=about | dict(params=json.dumps(params)))
    t = make_learner(path=tmp_path).load('a').tricks['residual']
    assert t.leave_over == 70 and not t.schedules

def test_a_file_with_a_function_of_ones_own(tmp_path):
    "It has the name alone: where that is known it moves on, else the number stays, and it is said"
    def falling(n): return 100 - 10*n
    learn = make_learner(path=tmp_path, tricks=[('residual', dict(leave_over=falling))]); go(learn, 3); learn.save('a')
    other = make_learner(path=tmp_path)
    with pytest.warns(UserWarning, match=r"stays at 70; learn.tricks.set\('residual', leave_over=falling\)"): other.load('a')
    assert other.tricks['residual'].leave_over == 70 and not other.tricks['residual'].schedules
    known = make_learner(path=tmp_path); known.tricks.set('residual', leave_over=falling); known.load('a'); go(known, 1)
    assert known.tricks['residual'].leave_over == 60

# In the panel

def test_in_the_panel():
    "The control has the number of the moment, and says where it goes; moved by hand, it ends the schedule"
    learn = make_learner()
    with Lab(learn) as lab:
        learn.tricks.on('gradient_penalty', gamma=linear(10, 2, steps=4))
        def row(): return next(r for s, r in zip(lab.tricks.spec, lab.tricks.rows) if s['name'] == 'gradient_penalty')
        lab.start(steps=2); assert lab.wait(30)
        assert row()['values']['gamma'] == 6 and row()['follows'] == dict(gamma='On a schedule, since step 0: 10 to 2 on a line over 4 steps. Another number ends it.')
        assert [f[2] for f in make_state(learn).flags] == ['Gradient penalty']
        json.dumps(lab.tricks.rows)
        lab.tricks.request(dict(do='set', name='gradient_penalty', params=dict(gamma=3)))
        assert row()['values']['gamma'] == 3 and not row()['follows'] and not learn.tricks['gradient_penalty'].schedules
        learn.tricks.set('gradient_penalty', gamma=cosine(8, 2, steps=4)); assert make_state(learn).flags[-1][2] == 'Gradient penalty γ 8 to 2 on a cosine over 4 steps'
        assert rows_at(learn, 1)[list(learn.tricks).index('gradient_penalty')]['values']['gamma'] == 8      # of the record, 10 to 2
        learn.tricks.set('gradient_penalty', gamma=linear(1, 3, steps=4), at=5)
        assert 'γ 1 to 3 on a line over 4 steps' in make_state(learn).rows[list(learn.tricks).index('gradient_penalty')]['waits']

def test_rates_between_steps_are_those_of_the_last_one(tmp_path):
    "Whether a snapshot was taken then or not"
    learn, seen = make_learner(run=tmp_path/'a', tricks=[('lr_decay', dict(shape='linear', end=0, steps=20))]), []
    learn.run.snap_every = 3
    learn.fit_steps(11, gate=lambda l: seen.append(l.opt_g.param_groups[0]['lr']), progress=False)
    rate = learn.rates.lr('g')
    assert seen[1:] == pytest.approx([rate*(1 - k/20) for k in range(11)])
    learn.run.close()
