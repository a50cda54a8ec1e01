"Metrics by name: oracles of perfect, collapsed and broken samplers, published formulae, and what does not fit says so."
import math
import numpy as np, pytest, torch
from ganlab.compare import ab
from ganlab.data import digits_dls, grid_dls, photos_dls, ring_dls, tensor_dls
from ganlab.engine.measuring import measured
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.metrics import frechet_distance, kernel_distance, mode_coverage, prdc, quality, real_samples
from ganlab.nets import dcgan, mlp
from ganlab.quality import clouds, points
from ganlab.quality.features import features, seen
from ganlab.quality.named import all_named, as_metric, named
from ganlab.quality.samples import About, Samples, Side, samples_of
from ganlab.record.run import Run
from strangers import one_sentence

def normal(n, d, seed=0): return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))

def learner(n=2000, seed=0, **how): return GANLearner(ring_dls(n=n, bs=16), *mlp(width=8, depth=1, seed=0), seed=seed, **how)

def images(dls, **how):
    x = next(iter(dls.train))
    return GANLearner(dls, *dcgan(x.shape[-1], x.shape[1], 8, width=4, seed=0), seed=0, **how)

def sampler(x, dls):
    "Points beside the held-out ones of a mixture"
    t = dls.train
    return Samples(Side(x), Side(dls.valid.x), About(t.name, (2,), t.centers, t.sigma))

# Oracles of TRICKS.md, section B

@pytest.mark.parametrize('make, k', [(ring_dls, 8), (grid_dls, 25)])
def test_perfect_sampler(make, k):
    dls, n = make(n=200_000), 20_000
    s = sampler(dls.train.x[:n], dls)
    assert points.modes(s) == k and points.hq(s) == pytest.approx(1 - math.exp(-4.5), abs=3e-3)
    assert points.reverse_kl(s) == pytest.approx((k - 1)/(2*n), rel=1.5) and points.spread(s) == pytest.approx(.974, abs=.01)
    few = [points.reverse_kl(sampler(x, dls)) for x in dls.train.x[:100_000].split(1000)]
    assert np.mean(few) == pytest.approx((k - 1)/2000, rel=.15)                  # KL of a perfect sampler is (K - 1)/2n

@pytest.mark.parametrize('make, k', [(ring_dls, 8), (grid_dls, 25)])
def test_samplers_that_are_broken(make, k):
    dls = make(n=10_000)
    one, zero = (sampler(x.expand(2500, 2), dls) for x in (dls.train.centers[:1], torch.zeros(1, 2)))
    assert (points.modes(one), points.hq(one), points.spread(one)) == (1, 1, 0) and points.reverse_kl(one) == pytest.approx(math.log(k))
    if make is ring_dls: assert (points.modes(zero), points.hq(zero)) == (0, 0) and math.isnan(points.spread(zero))
    assert clouds.diversity(one) == clouds.diversity(zero) == 0

def test_both_reverse_kls_by_name():
    "Of all samples, as in PacGAN's text; of those within three sigma, as in its code"
    dls = ring_dls(n=4000)
    c = dls.train.centers
    x = torch.cat([c.repeat_interleave(10, 0), (c[:1] + .1).expand(40, 2)])      # evenly in eight modes, and 40 beside one
    s = sampler(x, dls)
    p = torch.tensor([50.] + [10.]*7)/120
    assert points.reverse_kl(s) == pytest.approx(float((p*(8*p).log()).sum())) and points.reverse_kl(s, shares='near') == pytest.approx(0, abs=1e-12)
    learn = learner()
    for name, shares in (('reverse_kl', 'all'), ('reverse_kl_near', 'near')): learn.add_metric('reverse_kl', name=name, shares=shares, every=2)
    learn.fit_steps(2, progress=False)
    assert math.isfinite(learn.history.reverse_kl.iloc[-1]) and 'reverse_kl_near' in learn.history

# The numbers of the libraries: their formulae, as in torch-fidelity 0.4.0 (metric_fid, metric_kid), torchmetrics 1.9 and prdc 0.2

def theirs_fd(a, b):
    (m1, s1), (m2, s2) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (a, b))
    return (m1 - m2) @ (m1 - m2) + np.trace(s1) + np.trace(s2) - 2*np.sum(np.sqrt(np.linalg.eigvals(s1.dot(s2)).astype('complex128')).real)

def theirs_kd(a, b):
    kxx, kxy, kyy = ((np.matmul(x, y.T)/x.shape[1] + 1.)**3 for x, y in ((a, a), (a, b), (b, b)))
    m = len(a)
    return ((kxx.sum(1) - np.diagonal(kxx)).sum() + (kyy.sum(1) - np.diagonal(kyy)).sum())/(m*(m - 1)) - 2*kxy.sum()/(m*m)

def theirs_prdc(real, fake, k):
    from sklearn.metrics import pairwise_distances
    def kth(d): return np.take_along_axis(d, np.argpartition(d, k + 1, axis=-1)[..., :k + 1], axis=-1).max(axis=-1)
    rr, rf, d = kth(pairwise_distances(real)), kth(pairwise_distances(fake)), pairwise_distances(real, fake)
    return ((d < rr[:, None]).any(0).mean(), (d < rf[None]).any(1).mean(), (d < rr[:, None]).sum(0).mean()/k, (d.min(1) < rr).mean())

@pytest.mark.parametrize('n, d', [(300, 4), (200, 64)])
def test_as_the_libraries(n, d):
    a, b = normal(n, d).double(), (normal(n, d, 1)*1.2 + .3).double()
    x, y = a.numpy(), b.numpy()
    assert frechet_distance(a, b) == pytest.approx(theirs_fd(x, y), rel=1e-4, abs=1e-4)
    assert kernel_distance(a, b) == pytest.approx(theirs_kd(x, y), rel=1e-4, abs=1e-4)
    for k in (3, 5): assert prdc(a, b, k) == pytest.approx(theirs_prdc(x, y, k), abs=1e-4)

# Features

def test_features_of_the_data():
    learn = images(digits_dls(bs=16, size=16))
    m = learn.add_metric('fd', every=2)
    assert m.heading == 'digit-feature FD' and m.name == 'fd'
    assert learn.add_metric('fd', name='fd_pixels', features='pixels', every=2).heading == 'pixel FD'
    def brightness(x): return x.mean((2, 3))
    assert learn.add_metric('kd', features=brightness, every=2).heading == 'brightness-feature KD'
    learn.fit_steps(2, progress=False)
    row, s = learn.history.iloc[-1], samples_of(learn)
    real, fake = (digit_features(x) for x in (s.real.x, s.fake.x))
    assert row.fd == pytest.approx(frechet_distance(real, fake), rel=1e-4)
    assert row.kd == pytest.approx(kernel_distance(brightness(s.real.x), brightness(s.fake.x)), rel=1e-4)

def digit_features(x):
    from ganlab.quality.small_nets import small_net
    return small_net('digit').features(x)

def test_digits_are_told_apart():
    "The network that comes along knows its classes on digits that it has not seen"
    from sklearn.datasets import load_digits
    from ganlab.quality.small_nets import small_net
    from ganlab.sources.arrays import split
    _, held = split(1797, 0)
    x, y = digits_dls().valid.x.float()/127.5 - 1, torch.from_numpy(load_digits().target)[held]
    assert float((small_net('digit')(x).argmax(1) == y).float().mean()) > .97

@pytest.mark.parametrize('name, how, sentence', [
    ('modes', {}, 'nobody says where those of photos are'), ('fd', {}, "need features to be compared by: features='pixels'"),
    ('fd', dict(features='digit'), 'it has learnt grey digits'), ('fd', dict(features='points'), 'it is for vectors'),
    ('fd', dict(features='incepton'), "Did you mean 'inception'"), ('fdd', {}, "Did you mean 'fd'"), ('precision', dict(features='pixels', n=3), 'n=3; need a whole number >= 8')])
def test_what_does_not_fit_says_so(name, how, sentence):
    learn = images(photos_dls(bs=8, size=16))
    with pytest.raises(ValueError, match=sentence.replace('(', r'\(')) as e: learn.add_metric(name, **how)
    assert not learn.measures and learn.step == 0

def test_wrong_options():
    with pytest.raises(TypeError, match="the metric modes takes no k=; it has: n, name"): learner().add_metric('modes', k=3)
    x = normal(40, 2)
    few = GANLearner(tensor_dls(x, 8, valid=x[:5]), *mlp(width=8, depth=1, seed=0), seed=0)
    with pytest.raises(ValueError, match='the metric precision needs 8 held-out samples, and there are 5'): few.add_metric('precision')

def test_samples_that_are_not_finite():
    "The metric says so and is left out; the step stands"
    learn = learner()
    learn.add_metric('fd', every=1)
    s = samples_of(learn)
    learn.fit_steps(1, progress=False)
    with torch.no_grad(): next(learn.G.parameters()).fill_(math.nan)
    with pytest.raises(ValueError, match='2048 of 2048 fakes are not finite'): samples_of(learn)
    assert len(s.fake) == 2048

def test_without_the_package(monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, 'torch_fidelity', None)
    with pytest.raises(ValueError, match=r"it needs torch-fidelity: pip install 'ganlab\[metrics\]'") as e: images(photos_dls(bs=8, size=16)).add_metric('fd', features='inception')
    one_sentence(e.value)

def test_weights_that_cannot_be_had():
    from ganlab.quality.large_nets import _had
    def offline(): raise OSError('no route to host')
    with pytest.raises(ValueError, match='the weights of Inception cannot be had .OSError: no route to host.; let this machine reach there once') as e: _had(offline, 'Inception', 'there')
    one_sentence(e.value)

def planted(tmp_path, content):
    "A stand-in for torch-fidelity, whose weights lie in a file of this content, named by its hash as the library's is"
    import hashlib, types
    path = tmp_path/'w.pth'
    torch.save(content, path)
    named_file = path.rename(tmp_path/f'w-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth')
    module = types.SimpleNamespace(URL_INCEPTION_V3=named_file.as_uri(), load_state_dict_from_url=None)
    class Net(torch.nn.Module):
        def __init__(self, name, features):
            super().__init__()
            self.w = module.load_state_dict_from_url(module.URL_INCEPTION_V3, progress=False)['w']
        def forward(self, x):
            assert x.dtype == torch.uint8 and x.shape[1] == 3
            return (x.float().flatten(1)[:, :4]*self.w,)
    module.FeatureExtractorInceptionV3 = Net
    return types.SimpleNamespace(feature_extractor_inceptionv3=module)

class Poison:
    def __reduce__(self): return print, ('code was run',)

def test_weights_are_tensors_and_nothing_else(tmp_path, monkeypatch, capsys):
    "The library's own network, our loading: a file that would run code is refused, in a sentence"
    from ganlab.quality import large_nets
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path/'hub'))
    monkeypatch.setattr(large_nets, 'fidelity', lambda: planted(tmp_path, dict(w=torch.full((4,), 2.))))
    assert large_nets.inception.__wrapped__()(torch.ones(3, 1, 2, 2)).tolist() == [[510.]*4]*3
    monkeypatch.setattr(large_nets, 'fidelity', lambda: planted(tmp_path, dict(w=Poison())))
    with pytest.raises(ValueError, match='the weights of Inception cannot be had .UnpicklingError'): large_nets.inception.__wrapped__()
    assert 'code was run' not in capsys.readouterr().out

# On a learner

def test_everywhere(tmp_path):
    "A name: a curve in the panel, a column of the run and of the fit's table, a measure of `ab`, what the best snapshot is best by; no bit of the training"
    learn, calm = learner(run=tmp_path/'a'), learner()
    learn.add_metric('modes', every=5, best=False); learn.add_metric('fd', every=5)
    learn.run.snap_every = 10
    with Lab(learn) as lab:
        lab.start(20)
        assert lab.wait(60)
        curves = {m['name']: np.split(np.frombuffer(m['data'], np.float32), 2) for m in lab.curves.measures}
    calm.fit_steps(20, progress=False)
    assert learn.state_hash() == calm.state_hash() and learn.run.metric is learn.measures['fd']
    assert [*curves] == ['modes', 'fd'] and curves['fd'][0].tolist() == [5, 10, 15, 20]
    assert curves['fd'][1][-1] == pytest.approx(measured(learn.measures['fd'], learn), rel=1e-5)
    names = [r['name'] for r in ab(learn, on='ema', steps=4, seeds=1, progress=False).rows]
    assert {'modes', 'fd'} <= {*names} and len(names) == len({*names})
    learn.run.keep(learn, wait=True)
    assert {s['step']: s['score'] for s in learn.run.snapshots}[20] == pytest.approx(-curves['fd'][1][-1], rel=1e-5)
    learn.fit(1)
    assert learn.recorder.metric_names[-3:] == ['modes', 'fd', 'time'] and learn.recorder.values[-1][-1] == pytest.approx(learn.history.fd.dropna().iloc[-1])
    learn.run.close()
    assert Run.open(tmp_path/'a').scalars()['fd'].notna().sum() > 4

def test_ab_by_a_name_that_is_not_measured():
    learn = learner()
    found = ab(learn, on='ema', metric='kd', steps=4, seeds=1, progress=False)
    assert found.rows[0]['decides'] and found.rows[0]['title'] == 'KD' and not learn.measures

def test_usual_numbers_agree():
    "What every comparison measures anyway is the same number under the same name"
    learn = learner()
    for m in ('modes', 'hq', 'sliced_wasserstein'): assert measured(learn.add_metric(m), learn) == quality(learn)[m]
    with pytest.raises(ValueError, match="a number called 'modes' already"): learn.add_metric('hq', name='modes')

def test_asked_once():
    "Metrics that are measured together share samples, features and neighbours; held-out samples are looked at once for all steps"
    learn, asked = learner(), []
    def mine(x):
        asked.append(len(x))
        return x*2
    for m in ('fd', 'kd', 'precision', 'recall'): learn.add_metric(m, features=mine, n=64, every=5)
    learn.fit_steps(10, progress=False)
    assert asked == [64]*3

def test_share_of_the_time():
    "Many metrics take two percent together, not each"
    learn = learner()
    for m in ('modes', 'hq', 'fd', 'kd'): learn.add_metric(m)
    learn.add_metric('spread', every=50)
    assert learn.measures.share == pytest.approx(.005)

def test_all_together_keep_to_their_share():
    "A training of 60,000 steps of 10 ms, simulated: three metrics share what costs half a second, a fourth is cheap; together they take two percent, but for the first look and one more"
    from ganlab.engine.measuring import Measures, Metric
    from ganlab.record.thinning import pace
    ms, step, spent, seen = Measures(), .01, 0., dict.fromkeys('abcd', 0)
    for k in seen: ms[k] = Metric(len, name=k)
    for t in range(1, 60_001):
        due, cost, had = ms.now(t), 0., False
        for m in due:
            took = .002 if m.name == 'd' else .005 if had else .505
            had |= m.name != 'd'
            if m.name in ms.due: cost += took
            seen[m.name] += 1
            gap = pace(took, step, ms.share)
            ms.due[m.name] = (t//gap + 1)*gap
        if due: ms.account(t, cost, step)
        spent += cost
    assert spent <= .02*60_000*step + .52 and spent > .005*60_000*step and min(seen.values()) >= 4, (spent, seen)
    assert [m.name for m in ms.now(100)] == [*'abcd']            # somebody went back: all are measured anew

def test_one_of_ones_own():
    @as_metric('Mean radius', better='', unit='units')
    def radius(s, most=10.): return s.fake.x.norm(dim=1).clamp(max=most).mean()
    try:
        learn = learner()
        assert learn.add_metric('radius', every=5, most=.5).heading == 'Mean radius, units'
        learn.fit_steps(5, progress=False)
        assert 0 < learn.history.radius.iloc[-1] <= .5
    finally: named.pop('radius')

def test_all_have_their_page():
    for name, m in all_named().items():
        assert m.of.__doc__ and m.title and m.better in ('less', 'more', ''), name
        assert name.isidentifier()
    assert {'fd', 'kd', 'precision', 'recall', 'density', 'coverage', 'diversity', 'modes', 'hq', 'reverse_kl', 'spread', 'sliced_wasserstein'} <= {*named}
    assert {*features} >= {'inception', 'dinov2', 'digit', 'avatar', 'pixels', 'points'}

@pytest.mark.parametrize('name, how, said', [
    ('precision', dict(k=0), 'k=0; need a whole number from 1 to 63'), ('recall', dict(k=10**6), 'k=1000000; need a whole number from 1 to 63, as there are 64 samples of each side'), ('coverage', dict(k='a'), "k='a'"),
    ('sliced_wasserstein', dict(projections=-3), 'projections=-3; need a whole number >= 1'), ('reverse_kl', dict(shares='some'), "shares='some'; need 'all'")])
def test_an_option_that_is_none(name, how, said):
    "Is refused where it is given, and not at the first measurement"
    learn = GANLearner(ring_dls(n=640, bs=16), *mlp(width=8, depth=1, seed=0), seed=0)
    with pytest.raises(ValueError, match=said) as e: learn.add_metric(name, n=64, **how)
    one_sentence(e.value)
    assert not learn.measures

def test_reals_where_nothing_is_held_out():
    "As many as are asked for, whatever the batch size: the number is that of the same samples in memory, and no bit of the training moves"
    x = torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
    def of(bs, **how):
        learn = GANLearner(torch.utils.data.DataLoader(x, bs), *mlp(width=8, depth=1, seed=0), seed=0, **how)
        learn.source.let_go_of_held()
        return learn
    values = []
    for bs in (8, 64):
        learn = of(bs)
        m = learn.add_metric('precision', n=128, every=1, best=False)
        assert len(real_samples(learn, 128)) == 128 and torch.equal(real_samples(learn, 128), x[:128])
        values.append(m(learn))
    assert values[0] == values[1]
    plain, seen = of(8), of(8)
    seen.add_metric('sliced_wasserstein', n=128, every=1)
    for l in (plain, seen): l.fit_steps(3, progress=False)
    assert plain.state_hash() == seen.state_hash()
    few = GANLearner(torch.utils.data.DataLoader(x[:8], 4), *mlp(width=8, depth=1, seed=0), seed=0)
    few.source.let_go_of_held()
    few.add_metric('precision', n=64)      # eight are enough for it; five are not
    five = GANLearner(torch.utils.data.DataLoader(x[:5], 5), *mlp(width=8, depth=1, seed=0), seed=0)
    five.source.let_go_of_held()
    with pytest.raises(ValueError, match='needs 8 samples, and there are 5'): five.add_metric('precision', n=64)

def test_numbers_that_are_none():
    with pytest.raises(ValueError, match='a is complex; need real numbers'): frechet_distance(torch.zeros(4, 2, dtype=torch.complex64), torch.zeros(4, 2))
    for sigma in ('a', torch.ones(2), None, math.nan):
        with pytest.raises(ValueError, match='need a number above 0, the standard deviation of a mode'): mode_coverage(torch.zeros(4, 2), torch.zeros(1, 2), sigma)
    for sigma in ('a', torch.ones(2), -1.):
        with pytest.raises(ValueError, match='sigma=.*; need a number >= 0'): tensor_dls(torch.zeros(64, 2), sigma=sigma)
