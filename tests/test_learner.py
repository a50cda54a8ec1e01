"A step: equal to one written by hand, one loss per network, the idle network at rest, and undone whole when it fails."
import math, random, threading
import numpy as np, pytest, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from fastai.callback.core import Callback, CancelFitException
import handwritten
from ganlab.data import tensor_dls
from ganlab.engine.recovery import StepError
from ganlab.learner import GANLearner
from ganlab.losses import losses
from ganlab.engine.rng import Streams
from ganlab.trick import Trick, slots
from strangers import MAKERS, Drift, Faulty, copies, data, go, make_learner, moved, net_state, nets, one_sentence, unequal

class Counted(nn.Module):
    "A network that does something at its n-th training forward"
    def __init__(self, net, at, act): super().__init__(); self.net, self.at, self.act, self.n = net, at, act, 0
    def forward(self, x):
        out = self.net(x)
        if not self.training: return out
        self.n += 1
        return self.act(out) if self.n == self.at else out

# Off costs nothing

def by_hand(kind, steps, loss, n_d=1, seed=0, bs=8, simultaneous=False):
    "The hand-written loop on the learner's own batches and latents"
    G, D = nets(kind)
    train, streams = tensor_dls(data(MAKERS[kind][1]), bs).train, Streams(seed)
    batches = (train.batch(i, streams) for i in range(10**6))
    zs = (torch.randn(bs, G.z_dim, generator=streams.generator('z', step, k)) for step in range(10**6) for k in range(n_d))
    opt_g, opt_d = handwritten.adam(G), handwritten.adam(D)
    if simultaneous: return G, D, handwritten.hand_loop_simultaneous(G, D, batches, zs, loss, opt_g, opt_d, steps)
    return G, D, handwritten.hand_loop(G, D, batches, zs, loss, opt_g, opt_d, steps, n_d)

def equal_nets(learn, G, D):
    assert not unequal(net_state(learn.G), net_state(G)) and not unequal(net_state(learn.D), net_state(D))

@pytest.mark.parametrize('n_d', [1, 3])
@pytest.mark.parametrize('loss', losses)
@pytest.mark.parametrize('kind', ['mlp', 'dcgan'])
@pytest.mark.part(2)
def test_equals_the_loop_by_hand(kind, loss, n_d):
    "With every trick off, weights, buffers and losses are those of the loop by hand, in every bit"
    learn = make_learner(kind, loss=loss, n_d=n_d)
    assert len(learn.tricks) >= 5 and not learn.tricks.enabled
    go(learn, 5)
    G, D, (d_losses, g_losses) = by_hand(kind, 5, losses[loss], n_d)
    equal_nets(learn, G, D)
    assert torch.equal(torch.tensor(learn.record.array('d_loss')), torch.stack(d_losses))
    assert torch.equal(torch.tensor(learn.record.array('g_loss')), torch.stack(g_losses))

def test_equals_the_loop_by_hand_simultaneous():
    learn = make_learner('dcgan', update='simultaneous')
    go(learn, 5)
    G, D, _ = by_hand('dcgan', 5, losses['non_saturating'], simultaneous=True)
    equal_nets(learn, G, D)

def test_loss_of_two_methods():
    "An object with d_loss and g_loss will do, without a name; equal objects give equal hashes"
    class Mine:
        g_uses_real = False
        def d_loss(self, l_real, l_fake): return handwritten.NonSaturating().d_loss(l_real, l_fake)
        def g_loss(self, l_fake, l_real=None): return handwritten.NonSaturating().g_loss(l_fake)
    a, b = make_learner(loss=Mine()), make_learner(loss=Mine())
    go(a, 4); go(b, 4)
    G, D, _ = by_hand('mlp', 4, handwritten.NonSaturating())
    equal_nets(a, G, D)
    assert isinstance(a.loss_name, str) and a.loss_name and a.loss_name in repr(a)
    assert a.state_hash() == b.state_hash()
    assert 'label smoothing' in a.tricks['label_smoothing'].why_not(a).lower()
    c = make_learner(); c.set_loss(Mine()); go(c, 4)
    equal_nets(c, G, D)

# One loss per network and update

@pytest.mark.parametrize('n_d', [1, 3])
def test_each_optimiser_steps_once_an_update(n_d):
    learn = make_learner(n_d=n_d)
    learn.tricks.add(Drift); learn.tricks.on('drift')
    calls = []
    for key, opt in (('d', learn.opt_d), ('g', learn.opt_g)): opt.register_step_post_hook(lambda *_, key=key: calls.append(key))
    go(learn, 4)
    assert calls == (['d']*n_d + ['g'])*4
    learn.half_step('d'); go(learn, 1)
    learn.half_step('g'); go(learn, 1)
    assert calls[4*(n_d+1):] == ['d', 'g'] and learn.step == 6

def test_terms_are_summed_and_logged():
    "The loop by hand with the terms in its loss gives the same bits"
    class Sum:
        g_uses_real, base = False, losses['hinge']
        def d_loss(self, l_real, l_fake): return self.base.d_loss(l_real, l_fake) + .3*l_real.square().mean()
        def g_loss(self, l_fake, l_real=None): return self.base.g_loss(l_fake) + .3*l_fake.square().mean()
    learn = make_learner(loss='hinge')
    learn.tricks.add(Drift); learn.tricks.on('drift', weight=.3)
    go(learn, 6)
    G, D, (d_losses, g_losses) = by_hand('mlp', 6, Sum())
    equal_nets(learn, G, D)
    h = learn.history
    assert list(h.step) == list(range(1, 7)) and {'d_loss/drift', 'g_loss/drift'} <= set(h.columns)
    assert torch.equal(torch.tensor(h.d_loss.to_numpy()), torch.stack(d_losses))
    assert (h['d_loss/drift'] > 0).all() and (h['g_loss/drift'] > 0).all()
    learn.tricks.off('drift'); go(learn, 1)
    assert learn.history[['d_loss/drift', 'g_loss/drift']].iloc[-1].isna().all()

def test_gradient_norms_are_those_of_the_step():
    "The norm of the whole loss's gradient just before the optimiser steps"
    learn, seen = make_learner(), {}
    def note(key): return lambda opt, *_: seen.setdefault(key, []).append(torch.cat([p.grad.flatten() for g in opt.param_groups for p in g['params']]).norm().item())
    learn.opt_d.register_step_pre_hook(note('d')); learn.opt_g.register_step_pre_hook(note('g'))
    go(learn, 4)
    for key in 'dg': np.testing.assert_allclose(learn.history[f'{key}_grad_norm'], seen[key], rtol=1e-5)

# The idle network does not move

class Watch(Trick):
    "Compares the networks before and after each half"
    name, title, number = 'watch', 'Watch', 2002
    def attach(self, learn, undo): self.found, self.seen = [], 0
    def hold(self, ctx): self.was = {k: net_state(net) for k, net in (('d', ctx.learn.D), ('g', ctx.learn.G))}
    def around_d(self, update, ctx): self.hold(ctx); update()
    def around_g(self, update, ctx):
        self.found += [('between', n) for n in moved(ctx.learn.G, self.was['g'])]
        self.hold(ctx); update()
    def after_d(self, ctx):
        self.seen += 1
        assert moved(ctx.learn.D, self.was['d'])
        self.found += [('d', n) for n in moved(ctx.learn.G, self.was['g'])]
        assert all(p.grad is None for p in ctx.learn.G.parameters())
    def after_g(self, ctx):
        self.seen += 1
        assert moved(ctx.learn.G, self.was['g'])
        self.found += [('g', n) for n in moved(ctx.learn.D, self.was['d'])]
        assert all(p.requires_grad for p in ctx.learn.D.parameters()) and all(p.grad is None for p in ctx.learn.D.parameters())

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'dropout', 'tied'])
def test_idle_network_at_rest(kind):
    "Within a step, with both optimisers warm"
    learn = make_learner(kind, n_d=2, betas_g=(.9, .99), betas_d=(.9, .99))
    go(learn, 3)
    watch = learn.tricks.add(Watch)
    learn.tricks.on('watch'); go(learn, 3)
    assert watch.found == [] and watch.seen == 9

@pytest.mark.parametrize('update', ['alternating', 'simultaneous'])
@pytest.mark.parametrize('opt', ['adam', lambda ps, lr: torch.optim.SGD(ps, lr=lr, momentum=.9)])
def test_half_steps(update, opt):
    "A half step moves one network; the other keeps weights and optimiser state"
    learn = make_learner('mlp', update=update, opt=opt, lr_g=1e-2, lr_d=1e-2)
    go(learn, 3)
    for phase, still in (('d', 'g'), ('g', 'd')):
        was, step = copies(learn), learn.step
        learn.half_step(phase); go(learn, 1)
        now = unequal(was, copies(learn))
        assert learn.step == step + 1 and any(n.startswith(f'{phase}/') for n in now)
        assert not [n for n in now if n.startswith((f'{still}/', f'opt_{still}/'))]
    was = copies(learn); go(learn, 1)
    assert {n[:2] for n in unequal(was, copies(learn))} >= {'d/', 'g/'}

# Same seed, same bits

def switched(learn, a=4, b=5):
    "A run with changes in it"
    go(learn, a)
    learn.tricks.on('instance_noise', share=1.); learn.tricks.on('spectral_norm', soft_start=3); learn.tricks.on('ttur')
    go(learn, b)
    learn.set_loss('hinge'); learn.tricks.off('spectral_norm')
    go(learn, 3)
    return learn.state_hash()

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'dropout'])
def test_two_runs(kind):
    assert switched(make_learner(kind)) == switched(make_learner(kind)) != switched(make_learner(kind, seed=1))

@pytest.mark.parametrize('kind', ['mlp', 'dropout'])
def test_fits_add_up(kind):
    "fit_steps(a); fit_steps(b) is fit_steps(a + b), over the ends of epochs too"
    a, b = make_learner(kind, n_d=2), make_learner(kind, n_d=2)
    for n in (1, 6, 8): go(a, n)
    go(b, 15)
    assert a.state_hash() == b.state_hash()
    c = make_learner(kind, n_d=2); c.tricks.on('instance_noise', at=7); go(c, 15)
    a.tricks.off('instance_noise')
    assert c.state_hash() != a.state_hash()

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'dropout'])
def test_snapshot_and_restore(kind):
    "Going on from a snapshot repeats the run, and the record ends where the snapshot stood"
    learn = make_learner(kind, tricks=[('instance_noise', dict(schedule='linear', over=10)), ('spectral_norm', dict(soft_start=8)), 'label_smoothing'])
    go(learn, 4)
    snap, at = learn.snapshot(), learn.state_hash()
    go(learn, 4)
    end, rows = learn.state_hash(), learn.history.drop(columns='ms')
    learn.restore(snap)
    assert learn.step == 4 and learn.state_hash() == at and len(learn.history) == 4
    go(learn, 4)
    assert learn.state_hash() == end
    assert learn.history.drop(columns='ms').equals(rows)

def test_restore_goes_back_in_settings():
    "Loss, values of tricks, rates and a half step that was asked for come back too"
    learn = make_learner(tricks=['instance_noise', 'ttur'])
    go(learn, 2)
    snap, was = learn.snapshot(), learn.state_hash()
    learn.set_loss('lsgan'); learn.tricks.set('instance_noise', sigma=.7); learn.tricks.set('ttur', lr_d=1e-3); learn.half_step('d')
    learn.opt_g.param_groups[0]['lr'] = .5
    assert learn.state_hash() != was
    go(learn, 2)
    learn.restore(snap)
    assert learn.state_hash() == was

@pytest.mark.parametrize('phase', 'dg')
def test_a_half_step_that_waits_is_in_the_snapshot(phase, tmp_path):
    "Taken after it was asked and before it is done: it is in the hash, in a snapshot in memory and in one on disk, and is done from there"
    learn = make_learner(run=tmp_path/'a'); go(learn, 3)
    before, was = learn.snapshot(), learn.state_hash()
    learn.half_step(phase)
    waits, asked = learn.snapshot(), learn.state_hash()
    assert learn.half == phase and asked != was
    go(learn, 1); done = learn.state_hash(); assert learn.half is None
    learn.restore(waits); assert (learn.half, learn.state_hash()) == (phase, asked)
    go(learn, 1); assert learn.state_hash() == done
    learn.restore(before); assert (learn.half, learn.state_hash()) == (None, was)
    learn.restore(waits); learn.run.close()
    more = GANLearner.resume(tmp_path/'a', tensor_dls(data(), 8), *nets('mlp'), progress=False)
    assert (more.step, more.half, more.state_hash()) == (3, phase, asked)
    go(more, 1); assert more.state_hash() == done

def test_draws_elsewhere_do_not_matter():
    "What others draw from the global generators before, between and during the training changes no bit"
    def run(kind, noise):
        learn = make_learner(kind)
        if noise: torch.rand(7), np.random.rand(3)
        go(learn, 3)
        state = torch.get_rng_state()
        if noise: torch.rand(5)
        def gate(learn):
            if noise: torch.rand(2), np.random.rand(), learn.sample(3)
        learn.fit_steps(4, gate=gate, progress=False)
        return learn.state_hash()
    for kind in ('mlp', 'dcgan', 'dropout'): assert run(kind, False) == run(kind, True)

def stand():
    "Where the generators that belong to the user stand"
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()

@pytest.mark.parametrize('kind', ['mlp', 'dropout'])
def test_the_generators_stay_the_users(kind):
    "At a place that no stream of ganlab's comes to: each act leaves them there, and not merely where the act before it did"
    torch.manual_seed(987654321), np.random.seed(98765), random.seed(98765)
    torch.rand(3), np.random.rand(3), random.random()
    was = stand()
    learn = make_learner(kind); assert stand() == was, 'made'
    snap = learn.snapshot()
    acts = dict(trained=lambda: go(learn, 2), sampled=lambda: learn.sample(2), scored=lambda: learn.score(learn.some_x[:3]),
                switched=lambda: learn.tricks.on('instance_noise'), trained_with_it=lambda: go(learn, 2), grown=lambda: learn.tricks.on('minibatch_stddev'),
                asked=lambda: [t.why_not(learn) for t in learn.tricks.values()], restored=lambda: learn.restore(snap), forked=lambda: go(learn.fork(), 1))
    for name, act in acts.items():
        act(); assert stand() == was, name

def test_draws_in_another_thread_do_not_matter():
    "For networks that draw nothing themselves, even while the training runs"
    a, b, done = make_learner('dcgan'), make_learner('dcgan'), threading.Event()
    def draw():
        while not done.is_set(): torch.rand(10); torch.manual_seed(3)
    t = threading.Thread(target=draw); t.start()
    try: go(a, 6)
    finally: done.set(); t.join()
    go(b, 6)
    assert a.state_hash() == b.state_hash()

@pytest.mark.parametrize('kind', ['mlp', 'dropout'])
def test_thread_of_the_training_does_not_matter(kind):
    a, b = make_learner(kind), make_learner(kind)
    go(a, 8)
    for n in (3, 5):
        t = threading.Thread(target=go, args=(b, n)); t.start(); t.join()
    assert a.state_hash() == b.state_hash()

def test_foreign_loader_repeats():
    "A shuffled PyTorch DataLoader gives the same batches again, through a snapshot and a failure too"
    def loader(): return DataLoader(TensorDataset(data(), torch.zeros(120)), batch_size=16, shuffle=True)
    def build(): return GANLearner(loader(), *nets('mlp'))
    a, b = build(), build()
    go(a, 12); torch.rand(3); go(b, 5)
    snap = b.snapshot(); go(b, 4); b.restore(snap); go(b, 7)
    assert a.state_hash() == b.state_hash()
    fault = b.tricks.add(Faulty); fault.slot, fault.when = 'd_term', 15
    b.tricks.on('faulty')
    with pytest.raises(StepError): go(b, 9)
    b.tricks.off('faulty'); go(a, 9); go(b, 9 - (b.step - 12))
    assert a.state_hash() == b.state_hash()

# A wrong value costs nothing


@pytest.mark.parametrize('slot', slots)
@pytest.mark.part(3)
def test_a_trick_that_raises(slot):
    "A named error, a whole step, nothing lost, and training that goes on without the culprit"
    learn, calm = make_learner(), make_learner()
    fault, _ = learn.tricks.add(Faulty), calm.tricks.add(Faulty)
    for o in (learn, calm): o.tricks.on('faulty')
    fault.slot, fault.when = slot, 7
    with pytest.raises(StepError) as e: go(learn, 20)
    assert 'Faulty' in one_sentence(e.value) and 'it was zero' in str(e.value) and '8' in str(e.value)
    assert (e.value.step, e.value.at, e.value.culprit) == (8, 7, 'faulty') and 'ZeroDivisionError' in e.value.traceback_text
    go(calm, 7)
    assert learn.step == 7 and not learn.training_now and learn.state_hash() == calm.state_hash()
    assert list(learn.history.step) == list(range(1, 8))
    learn.tricks.off('faulty'); calm.tricks.off('faulty')
    go(learn, 3); go(calm, 3)
    assert learn.state_hash() == calm.state_hash()

def blow(out): raise FloatingPointError('too hot')
def interrupt(out): raise KeyboardInterrupt

@pytest.mark.parametrize('which,at', [('D', 1), ('D', 3*6 + 1), ('D', 3*6 + 3), ('G', 5)])
def test_a_network_that_raises(which, at):
    "D is called three times a step, G once"
    G, D = nets('mlp')
    calm = make_learner(G=Counted(G, 0, blow), D=Counted(D, 0, blow), z_dim=3)
    G, D = nets('mlp')
    learn = make_learner(G=Counted(G, at if which == 'G' else 0, blow), D=Counted(D, at if which == 'D' else 0, blow), z_dim=3)
    done = (at-1)//(3 if which == 'D' else 1)
    with pytest.raises(StepError) as e: go(learn, 20)
    assert 'too hot' in one_sentence(e.value) and (e.value.step, e.value.at, e.value.culprit) == (done + 1, done, None)
    if done: go(calm, done)
    assert learn.step == done and learn.state_hash() == calm.state_hash()
    go(learn, 3); go(calm, 3)
    assert learn.state_hash() == calm.state_hash()

def test_an_interrupt_in_a_step():
    "Ctrl-C in the middle of a step: the step is undone, and the interrupt goes through"
    G, D = nets('mlp')
    learn = make_learner(D=Counted(D, 3*4 + 3, interrupt), z_dim=3)
    calm = make_learner(D=Counted(nets('mlp')[1], 0, interrupt), z_dim=3)
    with pytest.raises(KeyboardInterrupt): go(learn, 9)
    go(calm, 4)
    assert learn.step == 4 and not learn.training_now and all(p.requires_grad for p in learn.D.parameters())
    assert learn.state_hash() == calm.state_hash()
    go(learn, 2); go(calm, 2)
    assert learn.state_hash() == calm.state_hash()

@pytest.mark.parametrize('bad', [math.nan, math.inf])
def test_a_loss_that_is_not_finite(bad):
    "The first quantity that was not finite is named; the weights before it come back"
    G, D = nets('mlp')
    def spoil(out): return out*bad
    learn = make_learner(D=Counted(D, 3*5 + 1, spoil), z_dim=3)
    calm = make_learner(D=Counted(nets('mlp')[1], 0, spoil), z_dim=3)
    with pytest.raises(StepError) as e: go(learn, 9)
    word = 'NaN' if bad != bad else 'infinite'
    go(calm, 5)
    assert word in one_sentence(e.value) or 'NaN' in str(e.value)
    assert (e.value.step, e.value.at, e.value.culprit) == (6, 5, None)
    assert learn.state_hash() == calm.state_hash() and np.isfinite(learn.history[['d_loss', 'g_loss']].to_numpy()).all()
    go(learn, 2); go(calm, 2)
    assert learn.state_hash() == calm.state_hash()

def test_what_is_named_in_a_nan():
    "D's loss, not the gradient that follows from it"
    learn = make_learner(D=Counted(nets('mlp')[1], 7, lambda out: out*math.nan), z_dim=3)
    with pytest.raises(StepError) as e: go(learn, 9)
    assert "D's loss became NaN in step 3" in str(e.value) and e.value.term in ('d_loss', 'd_real')

def test_a_term_that_is_not_finite():
    "The term's trick is the culprit"
    class Hot(Drift):
        name, title = 'hot', 'Hot'
        def g_term(self, ctx): return ctx.l_fake.mean()*(math.nan if ctx.step == 3 else 0)
    learn, calm = make_learner(), make_learner()
    for o in (learn, calm): o.tricks.add(Hot); o.tricks.on('hot')
    with pytest.raises(StepError) as e: go(learn, 9)
    assert (e.value.step, e.value.at, e.value.culprit, e.value.term) == (4, 3, 'hot', 'g_loss/hot') and 'g_loss/hot' in e.value.detail
    go(calm, 3)
    assert learn.state_hash() == calm.state_hash()
    learn.tricks.off('hot'); go(learn, 3)
    assert learn.step == 6

@pytest.mark.parametrize('term', [lambda c: c.l_real, lambda c: 'text', lambda c: None])
def test_a_term_of_the_wrong_kind(term):
    "A term that is no scalar is the trick's mistake, and undone like any other"
    class Odd(Drift):
        name, title = 'odd', 'Odd'
        def d_term(self, ctx): return term(ctx) if ctx.step == 2 else super().d_term(ctx)
    learn, calm = make_learner(), make_learner()
    for o in (learn, calm): o.tricks.add(Odd); o.tricks.on('odd')
    with pytest.raises(StepError) as e: go(learn, 9)
    one_sentence(e.value)
    assert (e.value.at, e.value.culprit) == (2, 'odd')
    go(calm, 2)
    assert learn.state_hash() == calm.state_hash()

def test_a_term_in_a_tensor_of_one():
    "One number is one number, whatever its shape"
    class Boxed(Drift):
        name, title = 'boxed', 'Boxed'
        def d_term(self, ctx): return super().d_term(ctx)[None]
    a, b = make_learner(), make_learner()
    a.tricks.add(Boxed), b.tricks.add(Drift), a.tricks.on('boxed'), b.tricks.on('drift')
    go(a, 3); go(b, 3)
    assert not unequal(copies(a), copies(b))

def test_failure_after_the_rates_were_edited():
    "What the user wrote into the param_groups since the last snapshot is there when the steps are made again"
    def gate(learn):
        if learn.step == 3: learn.opt_d.param_groups[0]['lr'] = 5e-3
    learn, calm = make_learner(), make_learner()
    for o in (learn, calm): o.tricks.add(Faulty); o.tricks.on('faulty')
    learn.tricks['faulty'].slot, learn.tricks['faulty'].when = 'g_term', 6
    with pytest.raises(StepError): learn.fit_steps(9, gate=gate, progress=False)
    calm.fit_steps(6, gate=gate, progress=False)
    assert learn.state_hash() == calm.state_hash() and learn.opt_d.param_groups[0]['lr'] == 5e-3

def test_failure_on_a_schedule():
    "The same under fit_one_cycle, whose rate is another at every step"
    def run(fail):
        learn = make_learner(n=200)
        fault = learn.tricks.add(Faulty); learn.tricks.on('faulty')
        fault.slot, fault.when = 'g_term', 9
        if not fail: fault.slot = 'none'
        class End(Callback):
            def after_batch(self):
                if self.learn.step == 9: raise CancelFitException
        with learn.quiet():
            try: learn.fit_one_cycle(1, 2e-4, cbs=[] if fail else [End()])
            except StepError as e: assert fail and e.at == 9
        return copies(learn)
    assert not unequal(run(True), run(False))

def test_failure_in_the_data():
    "A loader that breaks: no trick is blamed, not even one that failed before"
    class Breaks(TensorDataset):
        n, broken = 0, False
        def __getitem__(self, i):
            if self.broken: raise OSError('the disk is gone')
            return super().__getitem__(i)
    ds = Breaks(data())
    learn = GANLearner(DataLoader(ds, batch_size=16), *nets('mlp'))
    fault = learn.tricks.add(Faulty); learn.tricks.on('faulty')
    fault.slot, fault.when = 'd_term', 2
    with pytest.raises(StepError) as e: go(learn, 5)
    assert e.value.culprit == 'faulty'
    learn.tricks.off('faulty')
    ds.broken = True
    with pytest.raises(StepError) as e: go(learn, 5)
    assert e.value.culprit is None and 'the disk is gone' in str(e.value) and learn.step == 3, 'the batch of the step that failed before was read, and is kept'
    ds.broken = False
    go(learn, 5)
    calm = GANLearner(DataLoader(TensorDataset(data()), batch_size=16), *nets('mlp')); go(calm, 8)
    assert not unequal(copies(learn), copies(calm))

def test_a_network_is_not_blamed_on_a_wrapper():
    "An error of D within an update that a trick wraps is D's; one of the trick after the update is the trick's"
    class Wrap(Trick):
        name, title, number, bad = 'wrap', 'Wrap', 2003, False
        def around_d(self, update, ctx):
            update()
            if self.bad: raise ValueError('mine')
    learn = make_learner(D=Counted(nets('mlp')[1], 4, blow), z_dim=3)
    wrap = learn.tricks.add(Wrap); learn.tricks.add(Drift)
    learn.tricks.on('wrap'); learn.tricks.on('drift')
    with pytest.raises(StepError) as e: go(learn, 5)
    assert e.value.culprit is None and e.value.at == 1
    wrap.bad = True
    with pytest.raises(StepError) as e: go(learn, 5)
    assert e.value.culprit == 'wrap'

def test_a_trick_keeps_its_own_stream():
    "What a trick draws around an update does not depend on which other tricks were asked meanwhile"
    class Draws(Trick):
        name, title, number = 'draws', 'Draws', 2004
        def attach(self, learn, undo): self.got = []
        def around_d(self, update, ctx):
            update()
            self.got.append(torch.rand(1, generator=ctx.rng()).item())
    class Other(Draws): name = 'other'
    alone, beside = make_learner(), make_learner()
    a, b, c = alone.tricks.add(Draws), beside.tricks.add(Draws), beside.tricks.add(Other)
    beside.tricks.add(Drift); beside.tricks.on('drift'); beside.tricks.on('other')
    alone.tricks.on('draws'); beside.tricks.on('draws')
    go(alone, 3); go(beside, 3)
    assert a.got == b.got and not set(b.got) & set(c.got)

# The bench changes no bit

@pytest.mark.parametrize('kind', ['mlp', 'dcgan', 'dropout', 'inplace'])
@pytest.mark.part(2)
def test_the_bench_changes_no_bit(kind):
    "Samples, scores, meters at every step, snapshots at every step or never"
    def run(every, look):
        class Learner(GANLearner): slope_every = snap_every = every
        learn = make_learner(kind, cls=Learner, tricks=[('spectral_norm', dict(soft_start=4)), 'instance_noise'])
        x = data(MAKERS[kind][1])[:9]
        def gate(learn):
            if look: learn.sample(5), learn.score(x), learn.history, learn.layer_norms(), learn.state_hash(), learn.snapshot(), learn.validate()
        learn.fit_steps(7, gate=gate, progress=False)
        learn.plot_losses(); learn.plot_grad_norms(); learn.show_samples(4)
        return learn
    bare, busy = run(10**9, False), run(1, True)
    assert bare.state_hash() == busy.state_hash()
    assert np.isfinite(busy.record.array('d_input_grad_norm')).all() and np.isnan(bare.record.array('d_input_grad_norm')).all()
    assert np.array_equal(bare.record.array('d_loss'), busy.record.array('d_loss'))

def test_looking_from_another_thread_changes_no_bit():
    learn, calm, out = make_learner('dropout'), make_learner('dropout'), []
    def look():
        for _ in range(6): out.append(learn.sample(4)); learn.score(data(16)[:3]); learn.snapshot()
    t = threading.Thread(target=look)
    def gate(learn):
        if learn.step == 0 and not t.ident: t.start()
        if learn.step == 30: t.join(0.01 if t.is_alive() else None)
    learn.fit_steps(30, gate=gate, progress=False); t.join(); go(calm, 30)
    assert len(out) == 6 and learn.state_hash() == calm.state_hash()

def test_sampling_keeps_each_module_in_its_mode():
    learn = make_learner('dropout')
    learn.model.train(); learn.D[3].eval()
    modes = [m.training for m in learn.model.modules()]
    a, b = learn.sample(4), learn.sample(4)
    assert torch.equal(a, b) and torch.equal(learn.score(data(16)[:4]), learn.score(data(16)[:4]))
    assert [m.training for m in learn.model.modules()] == modes and modes.count(False) == 1
    assert a.shape == (4, 1, 16, 16) and a.dtype == torch.float32 and not a.requires_grad

@pytest.mark.parametrize('kind', ['inplace'])
def test_a_d_that_works_in_place(kind):
    "On its input: neither the data nor the fakes change under it, and the meters do not break it"
    class Learner(GANLearner): slope_every = 2
    learn = make_learner(kind, cls=Learner)
    assert isinstance(learn.D[0], nn.LeakyReLU) and learn.D[0].inplace
    x = data(16)[:4]; was = x.clone()
    go(learn, 4)
    learn.score(x)
    assert torch.equal(x, was)
    G, D = nets('inplace')
    D[0].inplace = False
    plain = make_learner(kind, G=G, D=D); go(plain, 4)
    assert not unequal(copies(learn), copies(plain))

def test_bf16_runs():
    learn = make_learner('dcgan', amp='bf16')
    go(learn, 3)
    assert np.isfinite(learn.history.d_loss).all() and all(p.dtype == torch.float32 for p in learn.model.parameters())

def test_lock_after_a_failure_between_steps():
    "Whatever goes wrong at the last boundary, the learner stays free for other threads"
    learn = make_learner(); learn.opt_d.param_groups[0]['lr'] = 'much'
    with pytest.raises(Exception): go(learn, 1)
    learn.opt_d.param_groups[0]['lr'] = 1e-4
    done = []
    t = threading.Thread(target=lambda: (go(learn, 1), done.append(learn.step)), daemon=True); t.start(); t.join(30)
    assert done

@pytest.mark.parametrize('kind', ['mlp', 'dcgan'])
def test_amp_with_spectral_norm(kind):
    learn = make_learner(kind, amp='bf16', tricks=['spectral_norm']); go(learn, 2)
    assert torch.isfinite(learn.score(learn.sample(4))).all()

def test_restored_parameters_act():
    "A value set after the snapshot does not outlive it: equal hashes go on equally"
    learn = make_learner(tricks=['spectral_norm']); go(learn, 3)
    snap = learn.snapshot(); go(learn, 3); end = learn.state_hash()
    learn.restore(snap); learn.tricks.set('spectral_norm', iterations=5); go(learn, 2)
    learn.restore(snap); go(learn, 3)
    assert learn.state_hash() == end

def test_log_ends_with_the_restored_step():
    learn = make_learner(); go(learn, 2); snap = learn.snapshot(); go(learn, 1)
    learn.tricks.on('ttur'); learn.tricks.off('ttur')
    learn.restore(snap)
    assert learn.tricks.log == []

@pytest.mark.parametrize('snap', [None, 'x'])
def test_restore_of_what_is_no_snapshot(snap):
    learn = make_learner(); was = learn.state_hash()
    with pytest.raises(TypeError, match='not a snapshot') as e: learn.restore(snap)
    one_sentence(e.value); assert learn.state_hash() == was

def test_restore_of_another_learners_snapshot():
    learn, other = make_learner(), make_learner('skip'); was = learn.state_hash()
    with pytest.raises(ValueError, match='other networks') as e: learn.restore(other.snapshot())
    one_sentence(e.value); assert learn.state_hash() == was

def test_two_learners_at_once():
    "Networks with dropout draw from the one default generator: two learners in two threads take turns, and neither disturbs the other"
    alone, *two = (make_learner('dropout') for _ in range(3))
    go(alone, 6)
    ts = [threading.Thread(target=go, args=(l, 6)) for l in two]
    for t in ts: t.start()
    for t in ts: t.join()
    assert [l.state_hash() for l in two] == [alone.state_hash()]*2

def test_failed_meter_costs_nothing():
    "A D whose slope cannot be measured trains on; what is missing is said once"
    class NoGrad(nn.Module):
        def __init__(self): super().__init__(); self.l = nn.Linear(2, 1)
        def forward(self, x):
            if not self.training and torch.is_grad_enabled(): raise RuntimeError('not in this mode')
            return self.l(x)
    learn = make_learner(D=NoGrad()); learn.slope_every = 2
    with pytest.warns(UserWarning, match='slope cannot be measured'): go(learn, 5)
    assert learn.step == learn.record.n == 5

def test_failing_data_is_named():
    class Bad(torch.utils.data.Dataset):
        def __len__(self): return 64
        def __getitem__(self, i):
            if self.broken: raise OSError('disk gone')
            return torch.zeros(2)
        broken = False
    ds = Bad(); learn = GANLearner(DataLoader(ds, 8), *nets('mlp')); go(learn, 2); ds.broken = True
    with pytest.raises(StepError, match='in the data.*disk gone') as e: go(learn, 20)
    one_sentence(e.value)

def test_frozen_in_mid_run():
    "A layer that a callback freezes while it trains stays frozen"
    learn = make_learner()
    class KeepStill(Callback):
        def after_batch(self):
            if self.learn.step == 2: self.learn.D.get_parameter(first).requires_grad_(False); was.append(self.learn.D.get_parameter(first).clone())
    first, was = next(n for n, _ in learn.D.named_parameters()), []
    learn.fit_steps(5, cbs=KeepStill(), progress=False)
    assert not learn.D.get_parameter(first).requires_grad and torch.equal(learn.D.get_parameter(first), was[0])

@pytest.mark.parametrize('head', ['dropout', 'only_training'])
def test_in_place_only_in_training(head):
    "A D that changes its input in place in training mode alone trains as one that does not"
    class Adds(nn.Module):
        def __init__(self, inplace): super().__init__(); self.inplace = inplace
        def forward(self, x): return x if not self.training else x.add_(1.) if self.inplace else x + 1.
    def end(inplace):
        torch.manual_seed(0)
        first = nn.Dropout(.5, inplace=inplace) if head == 'dropout' else Adds(inplace)
        learn = make_learner(D=nn.Sequential(first, nn.Linear(2, 8), nn.LeakyReLU(.2), nn.Linear(8, 1))); go(learn, 3)
        return learn.state_hash()
    assert end(True) == end(False)
