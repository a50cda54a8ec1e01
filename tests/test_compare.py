"A comparison leaves its learner untouched, whatever happens in its arms; its arms differ in the change alone; and its verdict follows from given numbers."
import math, threading
from itertools import permutations
import numpy as np, pytest, torch
from scipy.stats import ttest_ind
from fastai.callback.core import CancelFitException
from ganlab.compare import Arm, Comparison, ab, as_change, sibling
from ganlab.data import ring_dls, tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.engine.change import Refused
from ganlab.trick import Num, Trick
from ganlab.judge.verdict import enough, error_rate, least, look, permuted, spent
from strangers import STRANGERS, Drift, Faulty, data, go, make_learner, nets

# Verdicts, on given numbers

def normal(seed, *shape): return np.random.default_rng(seed).normal(size=shape)

@pytest.mark.parametrize('n', [3, 5, 8, 20])
def test_t_test_as_scipy(n):
    a, b = normal(n, n), normal(n + 100, n) + .5
    l, want = look(a, b, level=.05), ttest_ind(b, a)
    assert l.p == pytest.approx(want.pvalue) and not l.exact
    assert (l.low, l.high) == pytest.approx(tuple(want.confidence_interval(.95)))

def test_finding_and_interval_agree():
    "The interval leaves out 0 exactly where the difference is a finding"
    for seed in range(60):
        a, b = normal(seed, 4), normal(seed + 1000, 4) + seed/20
        l = look(a, b)
        assert (l.low*l.high > 0) == (l.outcome in ('better', 'worse')), l

def test_levels_sum_up():
    for at in ((3, 5, 8), (3, 4, 5, 6, 7, 8, 50), (8,), (4, 30)):
        levels = [spent(n) - spent(m) for n, m in zip(at, (0, *at))]
        assert min(levels) > 0 and sum(levels) == pytest.approx(spent(at[-1])) and sum(levels) < .03
        g = np.random.default_rng(0)
        looks = [look(*g.normal(size=(2, n)), before=m) for n, m in zip(at, (0, *at))]
        assert [l.level for l in looks] == pytest.approx(levels), 'a look has what the looks before it have left'

ONES, GOOD = [1.02, .98, 1., 1.05, .95, 1.01, .99, 1.03], [.3, .31, .29, .32, .28, .33, .27, .35]

def test_a_failed_run_is_the_worst():
    "B is far better where it lives: dead once in eight it still is, dead more often it is not"
    dead = lambda k: GOOD[:8 - k] + [math.nan]*k
    assert [look(ONES, dead(k), exact=False).exact for k in (0, 1)] == [False, True]
    assert [look(ONES, dead(k)).outcome for k in (0, 1, 7, 8)] == ['better', 'better', 'worse', 'worse']
    assert all(look(ONES, dead(k)).outcome not in ('better', 'worse') for k in range(2, 7))
    l = look(ONES, dead(3))
    ranks = np.array([*range(6, 14), *range(1, 6), 15, 15, 15.])           # of 16; three are tied at the end
    order = np.argsort(np.argsort(ONES)) + 6.
    assert l.ranked and l.exact and l.p == pytest.approx(permuted(order, ranks[8:])) and l.mean == pytest.approx(np.mean(np.subtract(GOOD, ONES)[:5])) and math.isnan(l.low)
    assert [look([1/x for x in ONES], [1/x for x in dead(k)], better='more').p == pytest.approx(look(ONES, dead(k)).p) for k in range(1, 8)] == [True]*7
    assert look([math.nan]*5, [math.nan]*5).outcome == 'too few' and look(ONES[:5], [*ONES[4:0:-1], math.nan]).outcome == 'undecided'
    assert look(ONES*2, GOOD*2).outcome == 'better' and look(ONES*2, dead(4)*2).outcome == 'within noise' and look(ONES*2, dead(8)*2).outcome == 'worse', 'sixteen seeds: a t test of ranks'

@pytest.mark.parametrize('p', [.1, .5])
def test_failures_by_chance(p):
    "Runs that fail equally often are not told apart"
    assert error_rate(lambda g, n: np.where(g.random(n) < p, math.nan, g.normal(size=n)), 300)[-1] < .03

def test_nothing_can_be_found():
    "Then it is not noise"
    for a, b in (([8, 8, 7], [2, 2, 2]), ([8, 8, 7], [8, 7, 8])):
        l = look(a, b, better='more', matters=.8)
        assert l.outcome == 'undecided' and l.smallest == math.inf and l.exact and math.isnan(l.low) and math.isnan(l.high)
    assert [least(n) for n in (3, 5)] == pytest.approx([.1, 2/252]) and [enough(n) for n in (0, 2, 3, 4, 5)] == [5, 5, 5, 6, 6]
    for seed in range(40):
        g = np.random.default_rng(seed)
        for n, before in ((3, 0), (4, 3), (5, 3), (5, 4), (8, 5), (10, 8)):
            a, b = g.integers(0, 5, (2, n))
            l = look(a, b, before)
            if l.outcome == 'within noise': assert math.isfinite(l.smallest)
            assert (l.smallest == math.inf) == (least(n) >= l.level) or not l.exact

def test_smallest_difference_of_counts():
    "With this spread it would have been found, and next to nothing less would"
    for seed in range(20):
        g = np.random.default_rng(seed)
        a, b = g.integers(0, 5, (2, 8))*1.
        l, a, b = look(a, b), a - a.mean(), b - b.mean()
        if l.exact: assert all(permuted(a, b + s*1.001*l.smallest) < l.level for s in (1, -1)) and not all(permuted(a, b + s*.97*l.smallest) < l.level for s in (1, -1))

def test_better_is_said():
    a, b = [1., 1.1, .9, 1.05, .95], [.1, .2, .15, .12, .18]
    assert [look(a, b, better=o).outcome for o in ('less', 'more', '')] == ['better', 'worse', 'differs']
    assert [look(b, a, better=o).outcome for o in ('less', 'more', '')] == ['worse', 'better', 'differs']

def test_permutation_by_brute_force():
    a, b = np.array([1., 2., 2.]), np.array([4., 2., 5.])
    x, d = np.concatenate([a, b]), abs(b.mean() - a.mean())
    want = np.mean([abs(np.mean(p[3:]) - np.mean(p[:3])) >= d - 1e-12 for p in permutations(x)])
    assert permuted(a, b) == pytest.approx(want)
    assert look(a, b).exact and look(a, b).p == pytest.approx(want)

def test_counts_need_five_seeds():
    "No spread at all is no evidence: three seeds that agree in a count are not found, five are"
    assert look([3.]*3, [8.]*3, better='more').outcome == 'undecided'
    assert look([3.]*5, [8.]*5, better='more').outcome == 'better' and look([3.]*5, [8.]*5, better='more').p == pytest.approx(2/252)

def test_more_is_asked_for_up_to_eight():
    a, b = np.tile([0., 1.], 4), np.tile([0., 1.], 4) + .6 + 1e-3*normal(0, 8)
    assert [look(a[:n], b[:n]).outcome for n in (2, 3, 8)][::2] == ['too few', 'within noise']
    assert look([0., .1, .2], [.2, .25, .4]).outcome == 'undecided'
    far = [0., 9., 2.], [5., 8., 4.]                 # p = 0.6, and 2 apart
    assert [look(*far, matters=m).outcome for m in (math.inf, 2.1, 1.9)] == ['within noise', 'within noise', 'undecided']
    assert look(np.tile(far[0], 3), np.tile(far[1], 3) + .01, matters=1.9).outcome == 'within noise'

def test_smallest_difference_has_its_power():
    "A true difference of `smallest`, of known spread, is found in about four of five comparisons"
    small = np.mean([look(normal(s, 5), normal(s + 10**6, 5), level=.015).smallest for s in range(400)])
    found = error_rate(lambda g, n: g.normal(size=n), 400, shift=small, looks=(5,))[0]
    assert .7 < found < .9

def test_errors_stay_below_their_bound():
    "Fixed seeds, so that this is a fact and not a hope: nothing with nothing, at three looks"
    for draw in (lambda g, n: g.normal(size=n), lambda g, n: g.standard_t(2, size=n), lambda g, n: 10*(g.random(n) < .5) + g.normal(size=n)): assert error_rate(draw, 400)[-1] < .06

# Comparisons

def small(**kwargs): return make_learner('mlp', **kwargs)

def standing(learn): return learn.state_hash(), learn.step, learn.run.line, len(learn.tricks.log), len(learn.history), len(learn.run.snapshots), len(learn.run.frames()), learn.source.batch(learn.n_batches).sum().item()

def quick(learn, *args, **kwargs): return ab(learn, *args, **{'steps': 4, 'progress': False, **kwargs})

def untouched(learn, f, twin=None):
    "`f()` leaves `learn`, its record and torch's generator as they are, and the training goes on as its twin's"
    before, state = standing(learn), torch.get_rng_state()
    out = f()
    assert standing(learn) == before and torch.equal(torch.get_rng_state(), state)
    if twin is not None:
        go(learn, 3); go(twin, 3)
        assert learn.state_hash() == twin.state_hash()
    return out

def two(*args, steps=3, **kwargs):
    pair = [make_learner(*args, **kwargs) for _ in range(2)]
    for l in pair: go(l, steps)
    return pair

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', *STRANGERS])
def test_sibling_of_the_same_seed(kind):
    "Bit for bit what the learner itself would go on with"
    learn = make_learner(kind)
    go(learn, 3)
    with sibling(learn, learn.snapshot(), 0) as twin:
        assert twin.state_hash() == learn.state_hash() and twin.G is not learn.G
        go(twin, 3); go(learn, 3)
        assert twin.state_hash() == learn.state_hash()

def test_siblings_of_other_seeds():
    "The same weights, other batches and latents"
    learn = make_learner(); go(learn, 2); snap = learn.snapshot()
    with sibling(learn, snap, 1) as a, sibling(learn, snap, 2) as b:
        assert all(torch.equal(p, q) for p, q in zip(a.model.parameters(), b.model.parameters())) and (a.streams.seed, b.streams.seed) == (1, 2)
        go(a, 1); go(b, 1)
        (x, _), (y, _) = a.row['d'], b.row['d']
        assert not torch.equal(x.x, y.x) and not torch.equal(x.z, y.z)

def test_the_arms_take_turns():
    "B is trained first in every other pair, so that a machine that grows warm favours neither; A is without the change, and B with it"
    learn, at, made, changed = make_learner(), [0], [], []
    def change(fork): made.append(at[0]); changed.append(fork)
    def ticked(done, total): at[0] = done + 1
    learn.fit_steps(1, progress=False)
    c = quick(learn, change=change, seeds=3, callback=ticked, metric=lambda fork: float(fork in changed))
    assert made == [0, 12, 16] and [(a.values['metric'], b.values['metric']) for a, b in c.pairs] == [(0., 1.)]*3

@pytest.mark.parametrize('kind', STRANGERS)
@pytest.mark.part(2)
def test_strangers(kind):
    learn, twin = two(kind)
    c = untouched(learn, lambda: quick(learn, on='label_smoothing', seeds=1), twin)
    assert c.outcome == 'too few' and len(c.pairs) == 1 and 'too few' in c.verdict.lower()

@pytest.mark.parametrize('on', [['minibatch_stddev', 'spectral_norm'], ['self_attention'], ['ema', 'instance_noise'], ['replay_buffer'], ['batch_size'], ['optimizer'], ['wgan_gp']])
@pytest.mark.part(2)
def test_tricks_that_are_on(on):
    "Structural ones too, and such as keep a state"
    learn, twin = (make_learner('dcgan', n=64) for _ in range(2))
    for l in (learn, twin):
        for name in on: l.tricks.on(name)
        go(l, 3)
    with sibling(learn, learn.snapshot(), 0) as same:
        assert same.state_hash() == learn.state_hash()
        go(same, 2)
        known = same.state_hash()
    c = untouched(learn, lambda: quick(learn, off=on[0], seeds=1, steps=2), twin)
    assert len(c.whole_pairs) == 1
    with sibling(twin, twin.snapshot(), 0) as same: assert same.state_hash() == twin.state_hash() != known

def test_a_change_of_structure():
    learn, twin = two('dcgan', n=64, tricks=['gradient_penalty'])
    c = untouched(learn, lambda: quick(learn, on=['minibatch_stddev', 'self_attention'], set={'gradient_penalty': {'gamma': 2}}, loss='hinge', seeds=1, steps=2), twin)
    assert c.what == 'Minibatch standard deviation on, Self-attention on, Gradient penalty (gamma 2), Hinge loss' and len(c.whole_pairs) == 1

def test_nothing_gives_exactly_nothing():
    learn, twin = two()
    c = untouched(learn, lambda: quick(learn, change=lambda fork: None, seeds=2), twin)
    assert c.outcome == 'same' and 'to the bit' in c.verdict
    assert all(d == 0 for r in c.rows if r['name'] != 'ms' for d in r['diffs']) and {r['words'] for r in c.rows if r['name'] != 'ms'} == {'no difference seen'}

class Spy(Trick):
    "Notes what each update sees"
    name, title, number = 'spy', 'Spy', 2100
    seen = []
    def d_term(self, ctx):
        self.seen.append((ctx.learn.streams.seed, ctx.step, ctx.x.sum().item(), ctx.z.sum().item(), ctx.xf.sum().item()))
        return 0*ctx.l_real.mean()

def test_same_batches_and_latents():
    "Both arms of a seed see the same; the fakes are the same until the change has acted; other seeds see others"
    learn = small(tricks=[Spy])
    go(learn, 2)
    Spy.seen.clear()
    c = quick(learn, on='gradient_penalty', seeds=2)
    by = {}
    for seed, *rest in Spy.seen: by.setdefault(seed, []).append(rest)
    assert len(by) == 2 and 0 not in by
    draws = []
    for rows in by.values():
        one, other = rows[:4], rows[4:]
        assert [r[:3] for r in one] == [r[:3] for r in other] and one[0] == other[0]      # step, batch, latents; and the first fakes
        assert one[-1][3] != other[-1][3]
        draws.append([r[1:3] for r in one])
    assert draws[0] != draws[1]

def test_same_answer_again():
    "A comparison is a function of the state; more seeds are the seeds that a larger one would have had"
    learn = small()
    go(learn, 3)
    diffs = lambda c: [r['diffs'] for r in c.rows if r['name'] != 'ms']
    c, d = quick(learn, on='label_smoothing', seeds=3), quick(learn, on='label_smoothing', seeds=5)
    assert diffs(c) != diffs(d) and diffs(c.more(progress=False)) == diffs(d) and (c.judged, d.judged) == ([3, 5], [5])
    assert c.finding.level == pytest.approx(spent(5) - spent(3)) and d.finding.level == pytest.approx(spent(5))
    go(learn, 1)
    assert diffs(quick(learn, on='label_smoothing', seeds=5)) != diffs(d)

def test_cancelled():
    "What is done stays, and more goes on where it was left"
    learn, twin = two()
    seen = []
    def stop(done, total): seen.append((done, total)); return done < 20      # in the third of three pairs of 2 x 4 steps
    c = untouched(learn, lambda: quick(learn, on='label_smoothing', callback=stop), twin)
    assert c.cancelled and len(c.pairs) == 2 and seen == [(i, 24) for i in range(21)] and c.outcome == 'too few'
    whole = quick(two()[0], on='label_smoothing')
    assert [r['diffs'] for r in c.more(progress=False).rows[:-1]] == [r['diffs'] for r in whole.rows[:-1]] and not c.cancelled
    none = untouched(learn, lambda: quick(learn, on='label_smoothing', callback=lambda done, total: False))
    assert none.pairs == [] and 'cancelled' in none.verdict and none.rows == [] and none.plot()

def test_interrupted():
    learn = small()
    go(learn, 3)
    def press(done, total):
        if done == 11: raise KeyboardInterrupt
    assert len(untouched(learn, lambda: quick(learn, on='label_smoothing', callback=press)).pairs) == 1
    def at_once(done, total): raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): quick(learn, on='label_smoothing', callback=at_once)

@pytest.mark.parametrize('slot', ['d_term', 'around_g', 'factors', 'after_d'])
@pytest.mark.part(2)
def test_an_arm_that_fails(slot):
    "Is a result"
    learn, twin = two(tricks=[Drift])
    def break_it(fork):
        t = fork.tricks.add(Faulty)
        t.slot, t.when = slot, learn.step + 2
        fork.tricks.on('faulty')
    c = untouched(learn, lambda: quick(learn, change=break_it), twin)
    assert c.outcome == 'fails' and 'B fails in 3 of 3 seeds' in c.verdict and 'it was zero' in c.verdict and 'A does not' in c.verdict
    assert c.rows == [] or all(r['name'] != 'sliced_wasserstein' for r in c.rows)
    assert c.plot() and c.cost == ''

def test_a_change_that_saves():
    "A fails, and B does not"
    c = given([0, 0, 0], [0, 0, 0], failed=[('A', 0), ('A', 1), ('A', 2)])
    assert c.outcome == 'holds' and c.verdict == 'A fails in 3 of 3 seeds: it broke. B does not.'
    c = given([0, 0, 0], [0, 0, 0], failed=[('A', 0), ('A', 1), ('B', 2)])
    assert c.outcome == 'holds' and 'A fails in 2 of 3' in c.verdict and 'B fails in 1 of 3' in c.verdict

def dying(a=(), b=(), n=8, better=-1.):
    "B is far better where it lives"
    k = np.arange(n)
    return given(.01*k, better + .01*k[::-1] + .003*k, failed=[*(('A', i) for i in a), *(('B', i) for i in b)])

@pytest.mark.parametrize('n', [3, 4, 5, 8, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize('better', [-1., 0., 1.])
@pytest.mark.part(2)
def test_survivors_are_not_all(n, better):
    "What fails notably more often is never better and never within noise; and it is said first"
    for k in range(1, n + 1):
        c = dying(b=range(k), n=n, better=better)
        assert c.verdict.startswith(f'B fails in {k} of {n} seeds: it broke. A does not.')
        if k > n/3: assert c.outcome in ('fails', 'undecided', 'worse')
        if k > n/2: assert c.outcome == 'fails'
        for r in c.rows: assert 'better' not in r['words'] and 'faster' not in r['words'] or r['name'] == 'ms'
        turned = dying(a=range(k), n=n, better=better)
        assert (c.outcome == 'fails') == (turned.outcome == 'holds') and turned.verdict.startswith(f'A fails in {k} of {n}')

def test_failures_in_words():
    c = dying(b=range(5))
    assert c.outcome == 'fails' and c.verdict == 'B fails in 5 of 8 seeds: it broke. A does not. Runs that fail equally often would lie as far apart in 2.6 % of comparisons.'
    assert 'below, the 3 seeds in which neither fails' in c.survivors
    c = dying(b=[3])
    assert c.outcome == 'better' and 'A does not. That difference may be chance. With failed runs counted as the worst, B is better (p = 0.01, by the exact permutation test of ranks). Where neither fails, in 7 seeds,' in c.verdict
    c = dying(a=[1], b=[3])
    assert c.outcome != 'fails' and c.verdict.startswith('A fails in 1 of 8 seeds: it broke. B fails in 1 of 8 seeds: it broke. With failed runs counted as the worst, B is better')
    c = dying(b=[3], better=0)
    assert c.outcome == 'within noise' and 'the rest is within noise' in c.verdict and 'four of five' not in c.verdict
    c = dying(b=[3], n=4)
    assert c.outcome == 'undecided' and '6 seeds can: comparison.more(2)' in c.verdict
    c = dying(a=[0], b=[1], n=2)
    assert c.outcome == 'too few' and c.verdict.startswith('A fails in 1 of 2 seeds: it broke. B fails') and 'Too few to say: 2 seeds' in c.verdict

def test_both_always_fail():
    "More seeds would not help"
    c = dying(range(3), range(3), n=3)
    assert c.outcome == 'both fail' and c.verdict.startswith('A and B both fail in each of 3 seeds: it broke. From here there is nothing to compare: go back to a healthy snapshot') and 'more()' not in c.verdict and c.plot() and c.rows == []

def test_failing_alike_to_the_bit():
    learn, twin = two()
    with torch.no_grad(): next(learn.D.parameters()).fill_(math.nan)
    c = quick(learn, change=lambda fork: None)
    assert c.outcome == 'same' and c.verdict.startswith('No difference: in 3 seeds the change did nothing, to the bit. A and B fail alike, in 3 of 3: ') and 'NaN' in c.verdict and 'healthy snapshot' in c.verdict
    c = quick(learn, on='label_smoothing')
    assert 'fail' in c.verdict and 'healthy snapshot' in c.verdict and 'more()' not in c.verdict

def test_an_arm_that_cannot_be_measured():
    "Is left out no more than one that failed"
    c = given([0]*5, [math.nan]*3 + [-1., -1.1], metric=lambda learn: 1)
    assert c.failures == (0, 3) and c.outcome == 'fails' and 'B fails in 3 of 5 seeds: the metric cannot be measured' in c.verdict

def test_counts_in_words():
    c = given([8, 8, 7], [2, 2, 2], metric=lambda learn: 1, better='more')
    assert c.outcome == 'undecided' and c.verdict.startswith('Undecided: 3 seeds can never decide where values coincide') and '5 seeds can: comparison.more(2)' in c.verdict and 'interval' not in c.verdict and '-5.67 from A' in c.verdict
    assert c.rows[0]['words'] == 'too few seeds to tell'
    c = given([8, 8, 7, 8, 7], [8, 7, 8, 8, 7], metric=lambda learn: 1, better='more')
    assert c.outcome == 'within noise' and 'had the seeds spread alike' in c.verdict and 'four of five' not in c.verdict and '(98.5 % interval -1 to +1), by the exact permutation test' in c.verdict
    c = given([8]*3, [8]*3, metric=lambda learn: 1)
    assert c.outcome == 'same' and 'No difference seen' in c.verdict and 'to the bit' not in c.verdict
    assert given([8]*2, [8]*2, metric=lambda learn: 1).outcome == 'too few'

def test_an_arm_that_diverges():
    learn, twin = two()
    def wreck(fork):
        with torch.no_grad(): next(fork.D.parameters()).fill_(math.nan)
    c = untouched(learn, lambda: quick(learn, change=wreck), twin)
    assert c.outcome == 'fails' and 'NaN' in c.verdict

def test_samples_that_are_not_finite():
    "No step fails, and nothing can be measured"
    learn = small()
    go(learn, 3)
    c = untouched(learn, lambda: quick(learn, on='label_smoothing', metric=lambda fork: math.inf))
    assert c.whole_pairs == [] and 'cannot be measured' in c.verdict

def test_a_change_that_cannot_be_made():
    learn, twin = two()
    def wrong(fork): raise ZeroDivisionError('mine')
    with pytest.raises(ZeroDivisionError, match='mine'): untouched(learn, lambda: quick(learn, change=wrong))
    with pytest.raises(Refused): quick(learn, on=['wgan_gp', 'label_smoothing'])
    def broken(fork): raise KeyError('metric')
    with pytest.raises(KeyError): quick(learn, on='label_smoothing', metric=broken)
    untouched(learn, lambda: None, twin)

@pytest.mark.parametrize('wish, words', [({}, 'nothing to compare'), (dict(on='label_smothing'), 'label_smoothing'), (dict(on={'gradient_penalty': {'gamma': -1}}), 'gamma'), (dict(loss='hing'), 'hinge'), (dict(on='ema', seeds=0), 'seeds'),
                                         (dict(on='ema', steps=1), 'steps'), (dict(on='ema', metric='fid'), 'sliced_wasserstein'), (dict(on='ema', metric='modes'), 'centers='), (dict(on='ema', better='smaller'), 'less')])
def test_bad_wishes(wish, words):
    learn = small()
    with pytest.raises(ValueError, match=words): quick(learn, **wish)
    with pytest.raises(TypeError, match='function'): quick(learn, change=3)

@pytest.mark.parametrize('wish, words', [(dict(off='ttur'), 'off already'), (dict(set={'ttur': {'lr_g': 1e-3}}), 'is off, where'), (dict(set='ttur'), 'needs values'), (dict(set={'gradient_penalty': {}}), "needs values to change: set={'gradient_penalty': {'gamma': ..."),
                                         (dict(on='gradient_penalty'), 'on already'), (dict(on={'gradient_penalty': {'gamma': 3}}), 'on already'), (dict(set={'gradient_penalty': {'gamma': 3}}), 'on already'), (dict(off={'gradient_penalty': {'gamma': 1}}), 'without values'),
                                         (dict(loss='non_saturating'), 'the loss already'), (dict(on='label_smoothing', off='ttur'), 'off already'), (dict(on=None), 'nothing to compare'), (dict(on='label_smoothing', better='more'), 'leave better= out'),
                                         (dict(on='label_smoothing', metric='hq', better='less'), 'leave better= out')])
def test_wishes_that_do_nothing(wish, words):
    "Are refused before anything is trained"
    learn = GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), tricks=[('gradient_penalty', {'gamma': 3})])
    def never(done, total): raise AssertionError('trained')
    with pytest.raises(ValueError) as e: quick(learn, **wish, callback=never)
    assert words in str(e.value)

@pytest.mark.parametrize('wish', [dict(on=5), dict(off=5), dict(set=5), dict(on={'ttur': 5}), dict(set={'ttur': 'x'}), dict(on=['ttur', {}])])
def test_wishes_of_another_kind(wish):
    with pytest.raises(TypeError, match='need .*values'): as_change(small(), **wish)

def test_wishes_that_do_something():
    learn = small(tricks=[('gradient_penalty', {'gamma': 3})])
    for wish in (dict(on={'gradient_penalty': {'gamma': 4}}), dict(set={'gradient_penalty': {'gamma': 4}}), dict(off='gradient_penalty'), dict(on='ema', set={'ema': {'beta': .9}}) if 'beta' in learn.tricks['ema'].declared else dict(on='ema'), dict(loss='hinge', on=None)): as_change(learn, **wish)

@pytest.mark.parametrize('value', [None, 'x', '3', [1], torch.zeros(2)])
def test_a_metric_that_is_no_number(value):
    "Is told before anything is trained, and by a clear sentence"
    learn, twin = two()
    def mine(fork): return value
    def never(done, total): raise AssertionError('trained')
    def refused():
        with pytest.raises(TypeError, match='the metric mine gives .*need a number'): quick(learn, on='label_smoothing', metric=mine, callback=never)
    untouched(learn, refused, twin)

def test_a_metric_is_tried_on_a_copy():
    "Whatever it does to what it is given"
    learn, twin = two()
    def rude(fork):
        with torch.no_grad(): next(fork.G.parameters()).fill_(1.)
        fork.tricks.on('instance_noise')
        return torch.rand(1)
    untouched(learn, lambda: quick(learn, on='label_smoothing', metric=rude, seeds=1), twin)

def test_which_way_is_better():
    "Honoured where a measure has no direction of its own"
    of = lambda better: given([0, .1, -.1, .05, -.05], [-1, -1.1, -.9, -1.05, -.95], metric='g_grad_norm', better=better)
    for better, word in ((None, ''), ('less', 'less'), ('more', 'more')): assert of(better).names['g_grad_norm'][1] == word
    learn = small()
    assert Comparison(learn, '', None, 10, lambda l: 1, None, None).names['metric'][1] == 'less' and Comparison(learn, '', None, 10, 'sliced_wasserstein', 'less', None).step == 0

def test_run_on_disk(tmp_path):
    "The folder's files keep every byte"
    learn = small(run=tmp_path/'a')
    go(learn, 5)
    learn.run.sync()
    look_at = lambda: {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in sorted(tmp_path.rglob('*')) if p.is_file() and not p.name.endswith('-shm')}      # the readers' marks are in that one
    before = look_at()
    c = untouched(learn, lambda: quick(learn, on='minibatch_stddev', seeds=1))
    learn.run.sync()
    assert look_at() == before and len(c.whole_pairs) == 1
    learn.run.close()

class Counting:
    "A loss that keeps something from step to step"
    def __init__(self): self.n = 0
    def d_loss(self, l_real, l_fake): self.n += 1; return l_fake.mean() - l_real.mean() + 1e-3*self.n*l_real.square().mean()
    def g_loss(self, l_fake, l_real): return -l_fake.mean()

def test_the_users_own():
    "A loss with a state, an optimiser, a trick given as an instance: the arms have copies"
    make = lambda: small(loss=Counting(), opt=lambda ps, lr: torch.optim.SGD(ps, lr=lr, momentum=.9), tricks=[Drift()])
    learn, twin = make(), make()
    for l in (learn, twin): go(l, 3)
    n = learn.base_loss.n
    c = untouched(learn, lambda: quick(learn, set={'drift': {'weight': .5}}, seeds=1), twin)
    assert len(c.whole_pairs) == 1 and learn.base_loss.n == n + 3 and twin.base_loss.n == n + 3

class Uncopied(torch.nn.Linear):
    def __deepcopy__(self, memo): raise RuntimeError('not me')

def test_networks_that_cannot_be_copied():
    def build():
        torch.manual_seed(5)
        return Uncopied(2, 2), torch.nn.Linear(2, 1)
    learn = GANLearner(tensor_dls(data(), 8), *build(), z_dim=2)
    with pytest.raises(ValueError, match='nets='): quick(learn, on='label_smoothing')
    assert len(untouched(learn, lambda: quick(learn, on='label_smoothing', seeds=1, nets=build)).whole_pairs) == 1

@pytest.mark.parametrize('of', ['torch', 'fastai'])
def test_loaders(of):
    "A DataLoader is taken up where it stood, in the middle of an epoch, generator of its own included"
    def make():
        ds = torch.utils.data.TensorDataset(data())
        dl = torch.utils.data.DataLoader(ds, 8, shuffle=True, generator=torch.Generator().manual_seed(3)) if of == 'torch' else tensor_dls(data(), 8)
        if of == 'fastai':
            from fastai.data.load import DataLoader
            dl = DataLoader(list(data()), bs=8, shuffle=True)
        return GANLearner(dl, *nets('mlp'))
    learn, twin = make(), make()
    for l in (learn, twin): go(l, 5)
    before = learn.state_hash()
    c = quick(learn, on='label_smoothing', seeds=2)
    assert learn.state_hash() == before and len(c.whole_pairs) == 2
    go(learn, 12); go(twin, 12)                      # over the end of the epoch
    assert learn.state_hash() == twin.state_hash()

def trained_in_a_thread(learn, f):
    "f() while `learn` trains in another thread, and until it has ended"
    enough, begun = threading.Event(), threading.Event()
    def gate(l):
        begun.set()
        if enough.is_set(): raise CancelFitException
    t = threading.Thread(target=lambda: learn.fit_steps(None, gate=gate, progress=False))
    t.start()
    begun.wait()
    try: return f()
    finally: enough.set(); t.join()

def test_beside_a_training():
    "On data in memory it runs beside the training, which goes on as if alone"
    learn, twin = two()
    c = trained_in_a_thread(learn, lambda: quick(learn, on='label_smoothing', seeds=2))
    assert len(c.whole_pairs) == 2 and 3 <= c.step <= learn.step
    go(twin, learn.step - twin.step)
    assert learn.state_hash() == twin.state_hash()

def test_refused_beside_a_training():
    learn = GANLearner(torch.utils.data.DataLoader(torch.utils.data.TensorDataset(data()), 8), *nets('mlp'))
    with pytest.raises(RuntimeError, match='stop the training first'): trained_in_a_thread(learn, lambda: quick(learn, on='label_smoothing'))

def test_on_the_training_thread():
    "From a gate: between two steps"
    learn, twin = two()
    found = []
    def gate(l):
        if l.step == 5 and not found: found.append(quick(l, on='label_smoothing', seeds=1))
        if l.step == 8: raise CancelFitException
    learn.fit_steps(None, gate=gate, progress=False)
    go(twin, 5)
    assert len(found[0].whole_pairs) == 1 and learn.state_hash() == twin.state_hash()

# What a comparison says and shows

def given(a, b, learn=None, metric='sliced_wasserstein', better='less', failed=()):
    "A comparison with these outcomes of the measure that decides"
    learn = learn or small()
    c = Comparison(learn, 'Something on', None, 10, metric, better, None)
    arm = lambda v, name, k: Arm({c.by: np.full(10, math.exp(v))}, {**{m: .1*k for m in c.names}, c.by: v, 'ms': math.log(2 if name == 'A' else 3) + .01*k, 'g_grad_norm': .1*k}, torch.zeros(8, 2) + k, f'{name}{k}', 'it broke' if (name, k) in failed else '')
    c.pairs = [(arm(x, 'A', k), arm(y, 'B', k)) for k, (x, y) in enumerate(zip(a, b))]
    c.judged, c.real = [len(c.pairs)], torch.randn(50, 2)
    return c

def test_verdicts_in_words():
    c = given([0, .1, -.1, .05, -.05], [-1, -1.1, -.9, -1.05, -.95])
    assert c.outcome == 'better' and c.verdict.startswith("B is better: its sliced Wasserstein distance is 0.368 times A's (98.5 % interval 0.") and 'over 5 seeds of 10 steps' in c.verdict
    assert c.cost == 'B takes 50 % more time a step.'
    assert given([-1, -1.1, -.9], [0, .1, -.1]).verdict.startswith("B is worse: its sliced Wasserstein distance is 2.72 times A's (99.5 % interval")
    c = given([0, .2, -.2], [.01, -.21, .22])
    assert c.outcome == 'within noise' and c.verdict.startswith('Within noise: over 3 seeds') and 'would have been found in four of five' in c.verdict
    assert given([0, 3, -2], [2, .5, .6]).outcome == 'undecided', 'e times as far, and as likely as not by chance'
    c = given([0, .2, -.2], [.3, .5, .21])
    assert c.outcome == 'undecided' and 'Within noise so far: 3 seeds cannot decide' in c.verdict and 'comparison.more()' in c.verdict
    c = given([3, 3, 3, 3, 3], [8, 8, 8, 8, 8], metric=lambda learn: 1, better='more')
    assert c.verdict.startswith("B is better: its metric is +5 from A's") and 'exact permutation test' in c.verdict
    c = given([0, .1, -.1, .05], [-2, -2.1, -1.9, -2], failed=[('B', 3)])
    assert c.outcome == 'undecided' and c.verdict.startswith('B fails in 1 of 4 seeds: it broke. A does not.') and 'Where neither fails, in 3 seeds,' in c.verdict

def test_rows():
    c = given([0, .1, -.1], [-1, -1.1, -.9])
    first = c.rows[0]
    assert first['decides'] and first['name'] == 'sliced_wasserstein' and first['diffs'] == pytest.approx([-1, -1.2, -.8]) and first['a'] == pytest.approx(1) and first['b'] == pytest.approx(math.exp(-1))
    assert first['words'] == 'B better, 3 of 3 seeds' and first['low'] < first['mean'] < first['high'] < 0
    words = {r['name']: r['words'] for r in c.rows}
    assert words['g_grad_norm'] == 'no difference seen' and words['ms'] == 'B slower, 3 of 3 seeds' and sum(r['decides'] for r in c.rows) == 1
    import json
    json.dumps(c.rows)

def test_it_is_quick():
    "Of ten seeds of counts, what the notebook and the panel show takes few permutation tests, and each is quick: no 184,756 sums in a loop"
    import ganlab.judge.verdict as V
    n, was = [0], V.permuted
    def counted(a, b): n[0] += 1; return was(a, b)
    g = np.random.default_rng(0)
    V.permuted = counted
    try:
        c = given(g.integers(0, 8, 10)*1., g.integers(0, 8, 10)*1., metric=lambda l: 1, better='more')
        c.verdict, c.rows
    finally: V.permuted = was
    assert 0 < n[0] < 150 and V._hands(10).shape == (math.comb(20, 10)//2, 20) and len(np.unique(V._hands(5), axis=0)) == math.comb(10, 5)//2

def test_it_shows_itself(capsys):
    from IPython.core.interactiveshell import InteractiveShell
    for c in (given([0, .1, -.1], [-1, -1.1, -.9]), quick(make_learner('dcgan', n=64), on='label_smoothing', seeds=1, steps=2)):
        assert len(c.plot()._repr_png_()) < 40_000
        c._ipython_display_()
    assert 'Markdown' in capsys.readouterr().out and repr(c).startswith('Comparison(Label smoothing on')

def test_metric_of_ones_own():
    learn = GANLearner(ring_dls(n=1000, bs=64), *mlp(width=8, depth=1, seed=0))
    def spread(fork): return float(fork.sample(64).std())
    c = quick(learn, on='label_smoothing', metric=spread, better='more', seeds=1)
    assert c.rows[0]['title'] == 'spread' and {'modes', 'hq', 'sliced_wasserstein'} <= {r['name'] for r in c.rows}
    assert quick(learn, on='label_smoothing', metric='hq', seeds=1).rows[0]['name'] == 'hq'

def test_an_interval_of_counts():
    "The shifts that the numbers do not speak against: without 0 exactly where a difference is found, and with the true one as often as it says"
    held, shift = [], 2
    for seed in range(300):
        g = np.random.default_rng(seed)
        a, b = g.integers(0, 5, (2, (5, 7)[seed % 2]))
        l = look(a, b + shift, level=.05)
        if not l.exact or l.outcome == 'same': continue
        assert (l.low <= 1e-9 and l.high >= -1e-9) == (l.outcome not in ('better', 'worse')), l
        assert l.low < l.mean < l.high
        held.append(l.low <= shift <= l.high)
    assert len(held) > 250 and np.mean(held) > .94
