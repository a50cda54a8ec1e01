"What the doctor says of trainings with one known fault, and that it leaves them alone."
import logging, math
import pytest, torch
from torch import nn
from torch.utils.data import DataLoader
from ganlab.checkup.facts import Facts, facts
from ganlab.checkup.signals import limits, signals
from ganlab.cli import main
from ganlab.data import ring_dls, tensor_dls
from ganlab.doctor import Remedy, began, causes
from ganlab.engine.reach import dividing, extremes
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.symptoms.answer import Findings
from ganlab.symptoms.finding import without
from ganlab.symptoms.rule import evidence, find_rules, finding, weigh
from ganlab.symptoms.set import lighter
from ganlab.symptoms.sound import begin_again, usual_rates
from games import rand

class Cut(nn.Module):
    def forward(self, x): return x.detach()

def ring(**kw): return ring_dls(n=2000, bs=32, **kw)
def nets(width=16): return mlp(width=width, depth=2, seed=0)
def images(x, **kw): return GANLearner(tensor_dls(x, bs=32, **kw), *dcgan(16, 1, 8, width=2, seed=0), seed=0)
def cut_g():
    G, D = nets()
    H = nn.Sequential(*list(G)[:-1], Cut(), G[-1])
    H.z_dim = 2
    return H, D
def frozen_d():
    G, D = nets()
    for p in list(D.parameters())[:-1]: p.requires_grad_(False)
    return G, D
def squashed():
    G, D = nets()
    return G, nn.Sequential(D, nn.Tanh())
def repeated(b): return torch.stack(b)[:2].repeat(16, 1)
def smooth(n): return rand(n, 1, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)      # images whose neighbours are alike

class Turned:
    "A loss with G's sign turned round."
    def d_loss(self, l_real, l_fake): return nn.functional.softplus(-l_real).mean() + nn.functional.softplus(l_fake).mean()
    def g_loss(self, l_fake, l_real=None): return nn.functional.softplus(l_fake).mean()

FAULTS = dict(
    z_constant=lambda: GANLearner(ring(), *nets(), seed=0, latent=lambda n, rng: torch.zeros(n, 2)),
    z_too_small=lambda: GANLearner(ring(), *nets(), seed=0, latent=lambda n, rng: .01*torch.randn(n, 2, generator=rng)),
    g_detached=lambda: GANLearner(ring(), *cut_g(), seed=0),
    d_frozen=lambda: GANLearner(ring(), *frozen_d(), seed=0),
    scores_squashed=lambda: GANLearner(ring(), *squashed(), seed=0),
    wrong_sign=lambda: GANLearner(ring(), *nets(), Turned(), seed=0),
    batch_too_small=lambda: GANLearner(ring_dls(n=2000, bs=2), *nets(), seed=0),
    batch_duplicated=lambda: GANLearner(DataLoader(rand(2000, 2), batch_size=32, shuffle=True, collate_fn=repeated), *nets(), seed=0),
    memorisation=lambda: GANLearner(tensor_dls(rand(60, 2), bs=16), *nets(), seed=0),
    reals_unnormalised=lambda: GANLearner(tensor_dls(50*rand(600, 2), bs=32), *nets(), seed=0),
    data_shuffled_pixels=lambda: images(rand(300, 1, 16, 16)),
    augmentation_leak=lambda: images(smooth(400), valid=smooth(200).clamp(min=0)))

@pytest.mark.parametrize('cause', FAULTS)
@pytest.mark.part(4)
def test_known_faults(cause):
    "Each fault is named first, within a few steps, with figures and something to do; no bit of the training moves"
    learn = FAULTS[cause]()
    learn.fit_steps(12, progress=False)
    was = learn.state_hash()
    found = learn.diagnose(400)
    assert [f.cause for f in found][:1] == [cause]
    assert found[0].tier == 'data' and found[0].onset == 0 and found[0].remedies and '{' not in found[0].said
    assert learn.state_hash() == was and facts(learn, 400).failed == {}

def test_a_sound_start_is_left_in_peace():
    "Nothing is said of a training that has only begun, and looking at it changes nothing that follows"
    one, two = (GANLearner(ring(), *nets(), seed=0) for _ in range(2))
    for l in (one, two):
        l.fit_steps(10, progress=False)
        if l is one: assert l.diagnose(300) == [] and set(signals(l)) == set(limits)
        l.fit_steps(10, progress=False)
    assert one.state_hash() == two.state_hash()

def test_tiers():
    "A lower tier is silent where a higher one spoke, an excluded cause is not named, and numbers that are not known name nothing"
    assert weigh(Facts()) == [] and {r.cause for r in find_rules()} == set(causes)
    sick = dict(step=300., sw=2., sw_none=.1, better=1., spread=.1, apart=.1, fake_repeats=0., g_moved=.5, d_moved=.5)
    assert [r.cause for _, r in weigh(Facts(sick))][:1] == ['mode_collapse']
    both = Facts(sick | dict(penalty=100.))
    assert [r.cause for _, r in weigh(both)] == ['penalty_too_large']
    assert [r.cause for _, r in weigh(both, ['penalty_too_large'])][:1] == ['mode_collapse']
    with pytest.raises(ValueError, match="there is no cause 'luck'"): GANLearner(ring(), *nets(4), seed=0).diagnose(excluded=['luck'])

def test_remedies_act():
    "A remedy rewinds and switches; one of code says so"
    learn = GANLearner(ring(), *nets(8), seed=0, tricks=[('gradient_penalty', dict(gamma=100))])
    learn.fit_steps(5, progress=False)
    sick = Facts(step=300., sw=2., sw_none=.1, better=1., spread=.8, penalty=100., vector=1.)
    found = finding(weigh(sick)[0][1], sick, 'certain', 0)
    assert found.remedies[0].apply(learn) is learn and learn.step == 0 and learn.tricks['gradient_penalty'].gamma == 1
    with pytest.raises(ValueError, match='a change of your code or data'): Remedy('Mend it.').apply(learn)

def test_a_rewind_to_the_start_keeps_what_was_set_there():
    "Tricks, loss and rates of step 0 stand again; what a remedy turns off is off at the next step, also from within a job"
    learn = GANLearner(ring(), *nets(8), seed=0, tricks=['label_flip', ('ema', dict(beta=.9))])
    learn.set_loss('lsgan')
    for g in learn.opt_g.param_groups: g['lr'] = 1e-3
    learn.fit_steps(3, progress=False)
    learn.between_steps(without('label_flip').apply, learn)
    assert (learn.step, learn.loss_name, learn.opt_g.param_groups[0]['lr'], learn.tricks['ema'].beta) == (0, 'lsgan', 1e-3, .9)
    learn.fit_steps(1, progress=False)
    assert [t.name for t in learn.tricks.enabled] == ['ema']

def test_a_rewind_goes_before_the_last_change_where_all_was_well(monkeypatch):
    "To just before it, and what was switched there stays off; to the beginning where it was sick by then, and what is not to blame is on again"
    for was_sick, step, on in ((False, 4, {'gradient_penalty', 'ema'}), (True, 0, {'gradient_penalty', 'ema', 'packing'})):
        monkeypatch.setattr('ganlab.symptoms.finding.sick', lambda f: was_sick)
        learn = GANLearner(ring(), *nets(8), seed=0, tricks=['ema'])
        learn.fit_steps(4, progress=False)
        learn.tricks.on('packing')
        learn.fit_steps(3, progress=False)
        Remedy('R1', 'gradient_penalty', True, onset=4).apply(learn)
        assert learn.step == step and {t.name for t in learn.tricks.enabled} == on

SETTINGS = dict(
    wgan=dict(loss='wasserstein', lr_d=1e-2), sgd=dict(opt='sgd', lr_g=.3, lr_d=.3, update='simultaneous'), uneven=dict(n_d=10),
    clipped=dict(loss='wasserstein', tricks=[('weight_clipping', dict(soft_start=0))]), critic=dict(tricks=[('wgan_gp', dict(lam=100.))]),
    held=dict(tricks=[('historical_averaging', dict(lam=10.)), 'dropout', 'label_flip', 'instance_noise', 'grad_clip', 'betas', 'ttur']),
    fewer=dict(tricks=[('n_critic', dict(n_d=1, n_g=20)), ('optimizer', dict(opt_d='sgd', opt_g='rmsprop'))]))

@pytest.mark.parametrize('how', SETTINGS)
@pytest.mark.part(2)
def test_to_begin_again_is_the_same_from_everywhere(how):
    "StyleGAN2's settings are in force, whatever was set; and a training follows that is the one of a learner made so"
    learn = GANLearner(ring(), *nets(8), seed=0, **SETTINGS[how])
    learn.fit_steps(3, progress=False)
    begin_again(Facts(vector=1.)).apply(learn)
    new = GANLearner(ring(), *nets(8), seed=0, lr_g=.002, lr_d=.002, betas_g=(0., .99), betas_d=(0., .99),
                     tricks=[('gradient_penalty', dict(gamma=1.))])
    for l in (learn, new): l.fit_steps(3, progress=False)
    made = [torch.cat([p.detach().flatten() for p in l.model.parameters()]) for l in (learn, new)]
    if how != 'sgd': torch.testing.assert_close(*made)      # there, both networks move at once
    assert not {t.name for t in learn.tricks.enabled} - {'ttur', 'betas', 'n_critic', 'optimizer', 'gradient_penalty'}

def test_remedies_of_settings():
    "Only the number that is wrong changes; the title says to what"
    sick = dict(step=300., sw=2., sw_none=.1, better=1., spread=.8, apart=.8, fake_repeats=0., vector=1., plain_g=0., plain_d=0.)
    def first(**kw):
        f = Facts(sick | kw)
        c, rule = weigh(f)[0]
        return finding(rule, f, c, 0).remedies[0].title
    rates = dict(lr_g=.1, lr_d=.003, lr_ratio=33., bound=1., endless=0.)
    assert first(**rates) == 'A rate of 0.003 for G and 0.003 for D'
    assert first(**rates | dict(bound=0.)) == 'A rate of 0.003 for G and 0.003 for D, and R1 with γ of 1'
    assert first(**rates | dict(lr_d=.05)).startswith('The settings of StyleGAN2: Adam at 0.002 with β of 0 and 0.99')
    assert first(beta1_g=.99, beta1_d=.5) == 'β of 0.0 and 0.99 in both networks'
    assert first(label_flip_p=.5, on_label_flip=1.) == 'Plain labels: the tricks that smooth or flip them off'
    assert first(noise=1., noise_stays=1., on_diffusion_noise=1.) == 'No noise on what D sees'
    assert first(penalty=100.) == 'Weights as usual: R1 with γ of 1, WGAN-GP with λ of 10, others by default'

def test_a_training_that_burst():
    "NaN within a few steps: the doctor names it at the last whole step, and the remedy trains; figures say something"
    learn = GANLearner(ring(), *nets(8), 'lsgan', opt='sgd', lr_g=50., lr_d=50., seed=0)
    with pytest.raises(StepError): learn.fit_steps(50, progress=False)
    assert learn.step < 20
    found = learn.diagnose(300)[0]
    assert (found.cause, found.certainty) == ('exploding_gradient', 'certain') and 'nan' not in found.said
    found.remedies[0].apply(learn).fit_steps(20, progress=False)
    assert learn.diagnose(300) == []
    fast = GANLearner(ring(), *nets(8), seed=0, lr_d=1e9)
    with pytest.raises(StepError): fast.fit_steps(50, progress=False)
    assert fast.diagnose(300)[0].cause == 'lr_too_high_d'

def loud(G, D):
    for m in D.modules():
        if isinstance(m, nn.Linear): m.weight.data.mul_(30.)
    return G, D

def asleep(G, D): # a ReLU that no input wakes
    G = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
    G[0].bias.data.fill_(-100.)
    G.z_dim = 2
    return G, D

@pytest.mark.parametrize('spoil,cause', [(loud, 'exploding_gradient'), (asleep, 'dead_units')])
def test_weights_that_began_wrong_are_drawn_anew(spoil, cause):
    "The first remedy heals, and the doctor no longer speaks of what the weights were at first"
    learn = GANLearner(ring(), *spoil(*nets()), seed=0)
    learn.fit_steps(12, progress=False)
    found = learn.diagnose(400)
    assert found[0].cause == cause
    found[0].remedies[0].apply(learn).fit_steps(12, progress=False)
    assert learn.tricks['reinit'].enabled and learn.diagnose(400) == []

def test_every_penalty_comes_down():
    "Historical averaging and WGAN-GP too; a weight below the usual one stays"
    tricks = [('historical_averaging', dict(lam=10.)), ('wgan_gp', dict(lam=100.)), ('gradient_penalty', dict(gamma=.01))]
    learn = GANLearner(ring(), *nets(8), seed=0, tricks=tricks)
    lighter(Facts(vector=1.)).apply(learn)
    assert [learn.tricks[n].params[k] for n, k in (('historical_averaging', 'lam'), ('wgan_gp', 'lam'), ('gradient_penalty', 'gamma'))] == [.01, 10, .01]

def test_every_switch_of_a_remedy_exists():
    "What remedies turn on, with the values that they give; each has a title of its own"
    learn, f = GANLearner(ring(), *nets(8), seed=0), Facts(vector=1., together=1.)
    for rule in find_rules():
        todo = finding(rule, f, 'likely', 0).remedies
        assert todo and len({r.title for r in todo}) == len(todo)
        for r in todo:
            if isinstance(r.change, tuple): learn.tricks.change('on', r.change[0], dict(r.change[1]))

def test_watch_tells_once(caplog):
    "A cause is told once, through the logger; the training goes as it would have gone"
    one, two = (FAULTS['z_constant']() for _ in range(2))
    with caplog.at_level(logging.WARNING, 'ganlab.doctor'):
        one.watch(every=5, excluded='z_constant')
        assert not caplog.records and one.watch(every=5, share=math.inf) is one.watcher
        for l in (one, two): l.fit_steps(15, progress=False)
    assert [(r.message.count('z_constant'), r.args[0]) for r in caplog.records] == [(1, 0)] and one.state_hash() == two.state_hash()

def test_how_networks_began_is_asked_once(monkeypatch):
    "Not again at the next look, after another fit, or once one was put away; but after a switch, which changes what goes into them"
    from ganlab.checkup import wiring
    learn, asked = GANLearner(ring(), *nets(8), seed=0), []
    was = wiring._at_start
    monkeypatch.setattr(wiring, '_at_start', lambda learn, *args: asked.append(learn.step) or was(learn, *args))
    for _ in range(2):
        learn.watch(share=math.inf, every=2)
        learn.fit_steps(4, progress=False)
    assert asked == [0]
    learn.tricks.on('packing', m=2)
    learn.fit_steps(2, progress=False)
    assert asked == [0, 10]

def test_a_watch_keeps_to_its_share(monkeypatch):
    "Steps of 10 ms, looks of 0.2 s: one in 2,000 steps, five in 10,000; dearer ones come more rarely, and time between two fits is no time"
    from types import SimpleNamespace
    from ganlab import doctor
    for cost, steps, least, most in ((.2, 2000, 1, 1), (.2, 10_000, 4, 5), (2., 10_000, 1, 1), (.002, 10_000, 100, 161)):
        clock, looks = [0.], []
        monkeypatch.setattr(doctor, 'time', SimpleNamespace(perf_counter=lambda: clock[0]))
        monkeypatch.setattr(doctor, 'step_time', lambda learn: .01)
        def diagnose(n, excluded): clock[0] += cost; looks.append(learn.step); return []
        w, learn = doctor.Watcher(every=50), SimpleNamespace(step=0, diagnose=diagnose)
        w.learn = learn
        for learn.step in range(1, steps + 1):
            clock[0] += .01 + 1000*(learn.step == 30)
            w.after_batch()
        assert least <= len(looks) <= most and (cost > 1 or sum([cost]*len(looks)) <= .01*.01*steps + 1e-9), looks

def test_alerts_reach_the_loggers(tmp_path, monkeypatch):
    "A TensorBoard writer that a callback holds, and the run of a WandbCallback; nobody else, and nothing is imported for it"
    import sys
    from types import SimpleNamespace
    from fastai.callback.core import Callback
    from torch.utils.tensorboard import SummaryWriter
    class Board(Callback):
        def __init__(self): self.writer = SummaryWriter(tmp_path)
    class WandbCallback(Callback): pass
    told = []
    monkeypatch.setitem(sys.modules, 'wandb', SimpleNamespace(run=SimpleNamespace(alert=lambda title, text: told.append((title, text)))))
    learn = FAULTS['z_constant']()
    board = Board()
    learn.watch(every=5, share=math.inf)
    learn.fit_steps(5, progress=False)
    assert not told                                                                  # it carries no callback of theirs
    learn.add_cbs([board, WandbCallback()])
    learn.watch(every=5, share=math.inf)
    learn.fit_steps(5, progress=False)
    board.writer.close()
    assert [(title, text.startswith('step 5: '), 'z_constant' in text) for title, text in told] == [('ganlab.doctor', True, True)]
    written = b''.join(f.read_bytes() for f in tmp_path.glob('events*'))
    assert b'ganlab.doctor' in written and written.count(b'z_constant') == 1

def test_command(tmp_path, capsys):
    "`ganlab doctor RUN` looks at the last step of a run, and leaves the folder as it is"
    run = str(tmp_path/'a')
    assert main(f'train --run {run} --steps 6 --data ring --bs 2 --width 8'.split()) == 0
    assert main(['doctor', run]) == 0
    assert 'batch_too_small, certain' in capsys.readouterr().out

def spectral(form, seed, *end):
    "Networks of a user's own, D with spectral norm by PyTorch's two forms"
    torch.manual_seed(seed)
    norm = dict(new=nn.utils.parametrizations.spectral_norm, old=nn.utils.spectral_norm)[form]
    layers = [nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 1)]
    for m in layers: nn.init.zeros_(m.bias)
    a, b, c = map(norm, layers)
    return mlp(width=16, depth=2, seed=seed)[0], nn.Sequential(a, nn.LeakyReLU(.2), b, nn.LeakyReLU(.2), c, *end)

@pytest.mark.parametrize('seeds', [(0, 1), pytest.param((2, 3, 4), marks=pytest.mark.slow)])
@pytest.mark.parametrize('form', ['new', 'old'])
def test_own_spectral_norm(form, seeds):
    "What a norm divides out is no end of D, and a norm that has not settled is no explosion; a Tanh behind it is found all the same"
    for seed in seeds:
        learn = GANLearner(ring(), *spectral(form, seed), 'hinge', seed=seed)
        learn.fit_steps(2, progress=False)
        assert learn.diagnose(150) == [] and facts(learn, 150).bound == 1
    learn = GANLearner(ring(), *spectral(form, 0, nn.Tanh()), 'hinge', seed=0)
    assert [f.cause for f in learn.diagnose(150)] == ['scores_squashed']

class Standardised(nn.Linear):
    def forward(self, x):
        w = self.weight - self.weight.mean(1, keepdim=True)
        return nn.functional.linear(x, w/(w.std(1, keepdim=True) + 1e-5), self.bias)

def test_weights_that_are_divided_by_their_size():
    "Standardised weights, weight norm with a length of its own, and a plain layer: only the first are spared"
    for make, n in ((Standardised, 1), (lambda a, b: nn.utils.parametrizations.weight_norm(nn.Linear(a, b)), 0), (nn.Linear, 0)):
        torch.manual_seed(0)
        net, x = make(4, 3).eval(), rand(6, 4)
        with torch.no_grad(): assert len(dividing(net, x)) == n and extremes(net, x).abs().max() > 50

@pytest.mark.parametrize('kind', ['labels', 'images'])
def test_batches_with_companions(kind):
    "Plain networks on labelled and on paired samples: looked at as any others"
    x = rand(200, 2) if kind == 'labels' else smooth(200)
    y = torch.arange(200) % 3 if kind == 'labels' else x.flip(3)
    learn = GANLearner(tensor_dls(x, bs=16, y=y), *(nets() if kind == 'labels' else dcgan(16, 1, 8, width=2, seed=0)), seed=0)
    learn.fit_steps(3, progress=False)
    assert facts(learn, 100).failed == {} and learn.diagnose(100) == [] and set(signals(learn, 64)) == set(limits)

def test_what_an_empty_answer_means():
    "All is well, too early, poor without a cause, too few reals, a probe that failed"
    well = Facts(step=300., sw=.1, sw_none=.1, better=.1, spread=1., apart=1., fake_repeats=0., reals=500.)
    def said(**kw): return repr(Findings([], Facts(well | kw)))
    assert said() == 'Step 300: nothing is found wrong.' and 'nobody can say before step 100' in said(step=20.)
    assert 'the samples are poor (0.8 deviations from the data; 40% of the data has no sample near it)' in said(sw=.8, missed=.4)
    assert 'there are 20 reals at hand, too few' in said(reals=20.)
    learn = GANLearner(ring(), *nets(8), seed=0)
    learn.D.register_forward_hook(lambda m, a, y: 1/0 if m.training else y)
    assert 'These probes failed, and what rests on them is not known: wiring (ZeroDivisionError' in repr(learn.diagnose(100))
    fast = GANLearner(ring(), *nets(8), 'lsgan', opt='sgd', lr_g=50., lr_d=50., seed=0)
    with pytest.raises(StepError) as e: fast.fit_steps(50, progress=False)
    assert f'The step after step {fast.step} failed: {e.value.term} was NaN or infinite.' in repr(fast.diagnose(100))

def test_figures_that_are_not_known():
    "What stands in brackets is left out; elsewhere the word is unknown"
    f = Facts(a=.5)
    assert evidence('A is {a:.0%}[, and b {b:.2f}].', f)['said'] == 'A is 50%.' and evidence('{b:.2f}', f)['said'] == 'unknown'
    assert evidence('A is {a:.0%}[, and b {b:.2f}].', Facts(a=.5, b=2.))['said'] == 'A is 50%, and b 2.00.'

def test_before_step_100_only_data_and_wiring_speak():
    early = dict(step=90., sw=2., sw_none=.1, better=1., spread=.1, apart=.1, noise=1., noise_stays=1., endless=1., knows=1., copying=.1, label_flip_p=.5, beta1_g=.99)
    assert weigh(Facts(early)) == [] and weigh(Facts(early | dict(step=100.)))
    well = dict(step=300., sw=.1, sw_none=.1, better=.1, spread=1., apart=1., fake_repeats=0.)
    assert weigh(Facts(well | dict(noise=1., noise_stays=1., endless=1., bound=0., label_flip_p=.5, bn_g=1., bn_pace=.001, mode_gap=.3))) == []
    learn = GANLearner(ring(), *nets(8), seed=0, tricks=['dual_discriminator'])
    assert facts(learn, 100).endless == 0

def test_the_narrowest_layer():
    "Ends are not hidden, however many: a slice beside the last layer, a second D, a layer behind the score"
    assert facts(GANLearner(ring(), *nets(), seed=0, tricks=['minibatch_stddev', 'dual_discriminator']), 100).width_d == 16
    G, D = nets()
    assert facts(GANLearner(ring(), G, [D, nets(24)[1]], seed=0), 100).width_d == 16
    assert facts(GANLearner(ring(), G, nn.Sequential(D, nn.Unflatten(0, (-1, 1)), nn.Linear(1, 1)), seed=0), 100).width_d == 16
    one = nn.Sequential(nn.Linear(2, 1), nn.LeakyReLU(.2), nn.Linear(1, 1), nn.LeakyReLU(.2), nn.Linear(1, 1))
    assert facts(GANLearner(ring(), G, one, seed=0), 100).width_d == 1
    assert facts(GANLearner(ring(), G, nn.Linear(2, 1), seed=0), 100).width_d == 0

def test_layers_that_a_trick_holds():
    "FreezeD holds them on purpose; one's own frozen layers are found beside it"
    learn = GANLearner(ring(), *nets(), seed=0, tricks=['freeze_d'])
    learn.fit_steps(6, progress=False)
    assert learn.diagnose(100) == [] and facts(learn, 100).d_still == 0

def test_arguments_that_are_no_use():
    learn = GANLearner(ring(), *nets(8), seed=0)
    for n in (1, 0, -1, 1.5, 'a', None):
        with pytest.raises(ValueError, match='n=.*; need a whole number >= 100'): learn.diagnose(n)
    assert learn.diagnose(100, excluded='mode_collapse') == learn.diagnose(100, excluded=None) == []
    with pytest.raises(ValueError, match="there is no cause 'typo'"): learn.watch(excluded=['typo'])
    with pytest.raises(ValueError, match='tell=None; need a function'): learn.watch(tell=None)
    with pytest.raises(ValueError, match='need a whole number >= 16'): signals(learn, 0)
    with pytest.raises(ValueError, match="own\\['wins'\\] is 5; need"): signals(learn, own={'wins': 5})

def test_a_watch_stops_nothing():
    "A function that fails is warned about once; after a rewind a cause is told again"
    def down(learn, found): raise OSError('the mail server is down')
    learn, seen = FAULTS['z_constant'](), []
    with pytest.warns(UserWarning, match='the watch failed .OSError: the mail server is down., and the training goes on'): learn.watch(every=5, tell=down, share=math.inf)
    learn.fit_steps(10, progress=False)
    assert learn.step == 10
    learn.watch(every=5, tell=lambda l, f: seen.append(l.step), share=math.inf)
    learn.fit_steps(10, progress=False)
    learn.rewind(8)
    learn.fit_steps(8, progress=False)
    assert seen == [10, 10]

def test_since_when():
    "From the change of just that setting; from the start, where it never changed; unknown of behaviour, once something was switched"
    learn = GANLearner(ring(), *nets(8), seed=0, lr_g=.3)
    by = {r.cause: r for r in find_rules() if r.tier != 'data'}
    assert {began(learn, r) for r in by.values()} == {0}
    learn.fit_steps(3, progress=False)
    learn.tricks.on('ema')
    assert (began(learn, by['lr_too_high_g']), began(learn, by['ema_stale']), began(learn, by['mode_collapse'])) == (0, 3, None)

def test_a_rewind_keeps_what_is_not_to_blame():
    "Rates from the start are wrong: what was switched later is on again, also from within a job; a clean beginning keeps what holds nobody back"
    sick = Facts(step=300., sw=2., sw_none=.1, better=1., spread=.8, lr_g=.3, lr_d=.003, lr_ratio=100., bound=1., plain_g=0., plain_d=0.)
    for clean, on in ((False, {'ema', 'instance_noise', 'ttur'}), (True, {'ema', 'ttur', 'betas', 'gradient_penalty'})):
        learn = GANLearner(ring(), *nets(8), seed=0, lr_g=.3)
        learn.fit_steps(3, progress=False)
        for name in ('ema', 'instance_noise'): learn.tricks.on(name)
        learn.fit_steps(2, progress=False)
        rule = next(r for r in find_rules() if r.cause == 'lr_too_high_g')
        one = finding(rule, sick, 'certain', began(learn, rule)).remedies[clean]
        learn.between_steps(one.apply, learn)
        learn.fit_steps(1, progress=False)
        assert learn.step == 1 and {t.name for t in learn.tricks.enabled} == on
    gone = finding(rule, sick, 'certain', None, 130, ['Packing']).remedies[0]
    assert repr(gone) == 'Rewind to before step 130, without Packing, then: A rate of 0.003 for G and 0.003 for D'

def test_a_rate_for_plain_descent():
    "Adam's usual rate is none for SGD: begin again, with Adam"
    assert all('rate of' not in r.title for r in usual_rates(Facts(vector=1., plain_g=1., plain_d=1.)))
    assert usual_rates(Facts(vector=1.))[0].title.startswith('A rate of 0.002')

def test_missing_modes():
    "Half of the modes, each well made: the share of the data with no sample near it is theirs, and it is a collapse"
    class Some(nn.Module):
        z_dim = 2
        def __init__(self, centers):
            super().__init__()
            self.at, self.shift = nn.Parameter(centers.clone()), nn.Linear(2, 2)
        def forward(self, z): return self.at[(z[:, 0].abs()*1e4).long() % len(self.at)] + .05*z + .001*self.shift(z)
    dls = ring()
    for n, share in ((8, 0.), (4, .5)):
        learn = GANLearner(dls, Some(dls.train.centers[:n]), nets(8)[1], seed=0, lr_g=1e-5)
        f = facts(learn, 500)
        assert abs(f.missed - share) < .06
        f = Facts(f | dict(step=300., g_moved=.5, d_moved=.5, d_still=0., lr_g=1e-3, lr_d=1e-3, better=.2, width_g=16., sizes_g=500.))
        assert [r.cause for _, r in weigh(f)][:1] == ['mode_collapse']*(n < 8)

def test_the_command_knows_how_fast_it_went(tmp_path, monkeypatch):
    "Of a recorded run, too, the doctor is told how far networks and samples moved of late"
    seen = []
    monkeypatch.setattr(GANLearner, 'diagnose', lambda self: seen.append(facts(self, 100)) or Findings([], seen[0]))
    run = str(tmp_path/'a')
    assert main(f'train --run {run} --steps 60 --data ring --bs 4 --width 8'.split()) == main(['doctor', run]) == 0
    assert seen[0].known('g_speed', 'd_speed', 'centre_hop', 'g_moved') and seen[0].failed == {} and 0 < seen[0].g_speed < .1
