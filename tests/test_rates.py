"Rates, betas, optimisers and counts of updates: any order of switching comes to the same, and nothing learnt is lost."
import itertools, math
import pytest, torch
from ganlab.engine.recovery import StepError
from ganlab.engine.change import Refused
from ganlab.engine.handover import kind, means
from strangers import copies, go, groups_hold, make_learner, net_state, one_sentence, unequal

some_nets = pytest.mark.parametrize('kind_', ['mlp', 'dcgan'])
sgd = lambda ps, lr: torch.optim.SGD(ps, lr=lr)

# Rates: TTUR, decay, lazy regularisation and betas

SETTINGS = dict(ttur=dict(lr_d=6e-4, lr_g=1e-4), lr_decay=dict(shape='linear', end=0, steps=20), lazy_reg=dict(correct=True, k_d=8, k_g=3),
                betas=dict(beta1_d=.3, beta2_d=.95, beta1_g=0, beta2_g=.98, rescale=False))

def in_force(learn): return [(g['lr'], *g['betas']) for o in (learn.opt_d, learn.opt_g) for g in o.param_groups]

def expected(on, done):
    "Rate and betas of D and G with these tricks on, decay for `done` steps"
    out = []
    for key, base, k in (('d', 2e-4, 8), ('g', 3e-4, 3)):
        lr = SETTINGS['ttur'][f'lr_{key}'] if 'ttur' in on else base
        b = [SETTINGS['betas'][f'beta{i}_{key}'] for i in (1, 2)] if 'betas' in on else [.5, .999]
        c = k/(k + 1) if 'lazy_reg' in on else 1
        out.append((lr*c*(1 - done/20 if 'lr_decay' in on else 1), *(v**c for v in b)))
    return out

def assert_rates(learn, on, done):
    for got, want in zip(in_force(learn), expected(on, done)): assert got == pytest.approx(want, rel=1e-12), on

def ready(kind_='mlp'):
    learn = make_learner(kind_, lr_d=2e-4, lr_g=3e-4)
    learn.tricks.on('gradient_penalty'); learn.tricks.on('path_length', every=1)
    go(learn, 2)
    return learn

def test_any_order():
    "The same rates at every step, on in any order and off in any order, the same weights, and the base to the bit in the end"
    first = None
    for order in itertools.permutations(SETTINGS):
        learn = ready()
        for i, name in enumerate(order):
            learn.tricks.on(name, **SETTINGS[name])
            assert_rates(learn, order[:i + 1], 0)
        seen, since = [], learn.step
        learn.fit_steps(4, gate=lambda l: seen.append(in_force(l)) if l.step > since else None, progress=False)    # the gate comes before the boundary: rates of the step before
        for n, rates in enumerate(seen[:-1]):
            for got, want in zip(rates, expected(order, n)): assert got == pytest.approx(want, rel=1e-12)
        assert_rates(learn, order, 4)
        run = seen, net_state(learn.G), net_state(learn.D)
        first = first or run
        assert run[0] == first[0] and not unequal(run[1], first[1]) and not unequal(run[2], first[2]), order
        on = list(order)
        for name in (order[2], order[0], order[3], order[1]):
            learn.tricks.off(name); on.remove(name)
            assert_rates(learn, on, 4)
        assert in_force(learn) == [(2e-4, .5, .999), (3e-4, .5, .999)], order

def test_on_and_off_while_it_trains():
    "At steps of their own, in several orders: the rates are those of what is on, and decay counts from its own switch"
    for order in (tuple(SETTINGS), tuple(SETTINGS)[::-1]):
        learn, on, began = ready(), [], None
        for name in (*order, *order[1:], order[0]):
            if name in on: learn.tricks.off(name); on.remove(name)
            else: learn.tricks.on(name, **SETTINGS[name]); on.append(name)
            if name == 'lr_decay': began = learn.step
            assert_rates(learn, on, learn.step - began if began is not None else 0)
            go(learn, 1)
        assert in_force(learn) == [(2e-4, .5, .999), (3e-4, .5, .999)]

def test_an_edit_by_hand_under_factors():
    "It becomes the base; what multiplies the base goes on doing so, and off leaves the edit"
    learn = ready()
    learn.tricks.on('lr_decay', shape='linear', end=0, steps=10); go(learn, 5)
    learn.opt_g.param_groups[0]['lr'] = 1e-3
    go(learn, 1); assert learn.opt_g.param_groups[0]['lr'] == pytest.approx(1e-3*.4)
    learn.tricks.off('lr_decay'); assert in_force(learn)[1][0] == 1e-3

def test_groups_with_a_rate_of_their_own():
    "Style's mapping learns ten times slower, whatever else there is"
    learn = ready(); learn.tricks.on('style')
    for name, params in SETTINGS.items(): learn.tricks.on(name, **params)
    go(learn, 3)
    a, b = learn.opt_g.param_groups
    assert b['lr'] == pytest.approx(.1*a['lr'], rel=1e-12) and a['betas'] == b['betas'] == pytest.approx((0., .98**.75))
    for name in SETTINGS: learn.tricks.off(name)
    assert [g['lr'] for g in learn.opt_g.param_groups] == pytest.approx([3e-4, 3e-5], rel=1e-12)

def test_decay_from_a_file(tmp_path):
    "Its place on the curve goes with the file, though the reader stands at another step"
    learn = make_learner(path=tmp_path, lr_g=1e-3); go(learn, 3)
    learn.tricks.on('lr_decay', shape='linear', end=0, steps=10); go(learn, 4)
    learn.save('a')
    fresh = make_learner(path=tmp_path, lr_g=1e-3); fresh.tricks.on('lr_decay', shape='linear', end=0, steps=10)
    fresh.load('a'); go(fresh, 1); go(learn, 1)
    assert fresh.step == 1 and in_force(fresh) == in_force(learn) == [(2e-4*.5, .5, .999), (1e-3*.5, .5, .999)]

def test_betas_of_one_network():
    "Where the other has none; refused for that one, with what to do"
    learn = make_learner(); go(learn, 2)
    learn.tricks.on('optimizer', opt_d='sgd', opt_g='keep')
    with pytest.raises(Refused, match="set nets='G'"): learn.tricks.on('betas')
    learn.tricks.on('betas', nets='G'); go(learn, 2)
    assert learn.opt_g.param_groups[0]['betas'] == (0., .99)
    at = learn.state_hash()
    with pytest.raises(Refused): learn.tricks.set('betas', nets='D')
    assert learn.state_hash() == at
    with pytest.raises(Refused, match='has no betas'): learn.tricks.set('optimizer', opt_g='rmsprop')
    assert learn.state_hash() == at and kind(learn.opt_g) == 'adam'
    go(learn, 1); groups_hold(learn)

def test_optimizer_does_not_leave_betas_behind():
    "Off would give back an optimiser that another trick objects to: refused whole"
    learn = make_learner(opt='rmsprop'); go(learn, 2)
    learn.tricks.on('optimizer', opt_d='adam', opt_g='adam'); learn.tricks.on('betas'); go(learn, 2)
    at = learn.state_hash()
    with pytest.raises(Refused, match='has no betas') as e: learn.tricks.off('optimizer')
    one_sentence(e.value)
    assert learn.state_hash() == at and learn.tricks['optimizer'].enabled and kind(learn.opt_d) == 'adam'
    go(learn, 1); learn.tricks.off('betas'); learn.tricks.off('optimizer')
    assert kind(learn.opt_d) == kind(learn.opt_g) == 'rmsprop'; go(learn, 1)

# Optimisers

def remembered(learn, key):
    "m and v of each parameter, corrected, by its name; None where they are not kept"
    opt, names = getattr(learn, f'opt_{key}'), {p: n for n, p in getattr(learn, key.upper()).named_parameters()}
    return {names[p]: means(g, opt.state[p], opt)[1:] for g in opt.param_groups for p in g['params'] if p in opt.state}

def moments(opt): return {p: {k: v.clone() for k, v in s.items() if torch.is_tensor(v)} for p, s in opt.state.items()}

def step_length(learn, net, n=6):
    "How far a network moves in a step, on average"
    out = []
    for _ in range(n):
        before = [p.detach().clone() for p in net.parameters()]
        go(learn, 1)
        out.append(torch.cat([(p.detach() - q).flatten() for p, q in zip(net.parameters(), before)]).norm().item())
    return sum(out)/n

@some_nets
def test_memory_goes_over(kind_):
    "Adam to RMSprop to Adam, and to SGD: what both keep is kept, parameter by parameter, and the rest of the run is finite"
    learn = make_learner(kind_); go(learn, 4)
    old, was = (learn.opt_d, learn.opt_g), [moments(learn.opt_d), moments(learn.opt_g)]
    before = remembered(learn, 'd')
    learn.tricks.on('optimizer', opt_d='rmsprop', opt_g='sgd', momentum=.9)
    for n, (_, v) in remembered(learn, 'd').items(): assert torch.allclose(v, before[n][1], rtol=1e-5, atol=0), n
    assert not any('exp_avg' in s for s in learn.opt_d.state.values())
    for p, s in learn.opt_g.state.items():
        assert torch.allclose(s['momentum_buffer']*.1, was[1][p]['exp_avg']/(1 - .5**4), rtol=1e-4, atol=1e-12)
    groups_hold(learn); go(learn, 3); groups_hold(learn)
    before = remembered(learn, 'd')
    learn.tricks.set('optimizer', opt_d='sgd', opt_g='rmsprop')       # and on from there
    assert kind(learn.opt_d) == 'sgd' and remembered(learn, 'g').keys() == dict(learn.G.named_parameters()).keys()
    go(learn, 2); groups_hold(learn)
    learn.tricks.set('optimizer', opt_g='adam'); assert learn.opt_g is old[1]       # the kind that was there: it itself
    go(learn, 2)
    stale = moments(learn.opt_g)
    learn.tricks.off('optimizer')
    assert (learn.opt_d, learn.opt_g) == old and all(torch.equal(old[0].state[p][k], v) for p, s in was[0].items() for k, v in s.items())
    assert all(torch.equal(learn.opt_g.state[p][k], v) for p, s in stale.items() for k, v in s.items())
    assert in_force(learn) == [(2e-4, .5, .999)]*2
    go(learn, 2); groups_hold(learn)
    assert all(torch.isfinite(t).all() for t in copies(learn).values())

@some_nets
@pytest.mark.parametrize('base,new', [('adam', 'rmsprop'), ('adam', 'sgd'), ('rmsprop', 'sgd'), ('rmsprop', 'adam'), ('sgd', 'adam'), ('sgd', 'rmsprop')])
@pytest.mark.part(4)
def test_steps_keep_their_length(kind_, base, new):
    "Within a factor of three, for D and G; and the old length again when it is off"
    lr = .05 if base == 'sgd' else 1e-3
    learn = make_learner(kind_, opt=base, lr_d=lr, lr_g=lr, loss='hinge'); go(learn, 20)
    for net, key in ((learn.D, 'd'), (learn.G, 'g')):
        was = step_length(learn, net)
        learn.tricks.on('optimizer', **{'opt_d': 'keep', 'opt_g': 'keep', f'opt_{key}': new, 'momentum': 0., 'smoothing': .99})
        assert kind(getattr(learn, f'opt_{key}')) == new and kind(getattr(learn, f'opt_{"dg".replace(key, "")}')) == base
        assert was/3 < step_length(learn, net) < 3*was, (net, was)
        learn.tricks.off('optimizer')
        assert getattr(learn, f'opt_{key}').param_groups[0]['lr'] == lr

def test_factors_under_another_optimizer():
    "TTUR and decay multiply SGD's matched rate as they multiply Adam's, whichever came first"
    rates = []
    for order in itertools.permutations(('optimizer', 'ttur', 'lr_decay')):
        learn = make_learner(); go(learn, 5)
        params = dict(optimizer=dict(opt_d='sgd', opt_g='keep'), ttur=dict(lr_d=8e-4, lr_g=1e-4), lr_decay=dict(shape='linear', end=0, steps=4))
        for name in order: learn.tricks.on(name, **params[name])
        size = learn.tricks['optimizer'].sizes['d']
        go(learn, 1)
        rates.append([o.param_groups[0]['lr'] for o in (learn.opt_d, learn.opt_g)])
        assert rates[-1] == pytest.approx([8e-4/size*.75, 1e-4*.75], rel=1e-9) and rates[-1] == rates[0]
        for name in order[::-1] if len(rates) % 2 else order: learn.tricks.off(name)
        assert in_force(learn) == [(2e-4, .5, .999)]*2

@pytest.mark.parametrize('graft', ['style', 'self_attention', 'dual_discriminator'])
def test_layers_come_and_go_meanwhile(graft):
    "Under the new optimiser and under the old one; each parameter in one group, the mapping at its own rate"
    learn = make_learner('dcgan'); go(learn, 2)
    learn.tricks.on('optimizer', opt_d='sgd', opt_g='rmsprop', momentum=.5); go(learn, 1)
    learn.tricks.on(graft); go(learn, 2); groups_hold(learn)
    learn.tricks.off('optimizer'); go(learn, 2); groups_hold(learn)          # they came after the old one was laid by
    ratio = [g['lr']/learn.opt_g.param_groups[0]['lr'] for g in learn.opt_g.param_groups]
    assert ratio == pytest.approx([1, .1] if graft == 'style' else [1])
    learn.tricks.on('optimizer', opt_d='rmsprop', opt_g='sgd'); go(learn, 1); groups_hold(learn)
    assert [g['lr']/learn.opt_g.param_groups[0]['lr'] for g in learn.opt_g.param_groups] == pytest.approx(ratio)
    learn.tricks.off(graft, now=True); go(learn, 1); groups_hold(learn)
    learn.tricks.off('optimizer'); go(learn, 2); groups_hold(learn)          # and they are gone
    assert len(learn.opt_d.param_groups) == len(learn.opt_g.param_groups) == 1

@some_nets
def test_snapshots_across_optimizers(kind_):
    "A snapshot brings back the optimisers it was taken under, and those laid by"
    learn = make_learner(kind_); go(learn, 3)
    learn.tricks.on('optimizer', opt_d='rmsprop', opt_g='sgd', momentum=.5); go(learn, 2)
    snap, at = learn.snapshot(), learn.state_hash()
    go(learn, 3); end = learn.state_hash()
    learn.tricks.set('optimizer', opt_d='sgd', opt_g='keep'); go(learn, 2)
    learn.restore(snap)
    assert learn.state_hash() == at and (kind(learn.opt_d), kind(learn.opt_g)) == ('rmsprop', 'sgd')
    go(learn, 3); assert learn.state_hash() == end
    learn.tricks.off('optimizer'); off = moments(learn.opt_g); assert off
    learn.tricks.on('optimizer', opt_d='rmsprop', opt_g='sgd', momentum=.5)
    learn.tricks.off('optimizer'); go(learn, 4); learn.tricks.on('optimizer', opt_d='rmsprop', opt_g='sgd', momentum=.5)    # other moments are laid by now
    learn.restore(snap); assert learn.state_hash() == at
    learn.tricks.off('optimizer')
    assert all(torch.equal(learn.opt_g.state[p][k], v) for p, s in off.items() for k, v in s.items())

def test_file_with_what_was_laid_by(tmp_path):
    learn = make_learner(path=tmp_path); go(learn, 3); old = moments(learn.opt_d)
    learn.tricks.on('optimizer', opt_d='sgd'); go(learn, 2); learn.save('a')
    fresh = make_learner(path=tmp_path); fresh.tricks.on('optimizer', opt_d='sgd'); fresh.load('a')
    assert fresh.tricks['optimizer'].sizes == learn.tricks['optimizer'].sizes
    fresh.tricks.off('optimizer')
    for p, s in zip(learn.D.parameters(), fresh.D.parameters()): assert all(torch.equal(old[p][k], v) for k, v in fresh.opt_d.state[s].items())
    go(fresh, 2); groups_hold(fresh)

def test_a_failed_step_under_another_optimizer():
    "The last whole step is recomputed with the optimiser that was in force"
    from strangers import Faulty
    learn, calm = make_learner(), make_learner()
    for l in (learn, calm): go(l, 3); l.tricks.on('optimizer', opt_g='sgd', at=5)
    learn.tricks.add(Faulty); learn.tricks.on('faulty'); calm.tricks.add(Faulty); calm.tricks.on('faulty')
    learn.tricks['faulty'].slot, learn.tricks['faulty'].when = 'after_g', 7
    with pytest.raises(StepError): go(learn, 9)
    go(calm, 4)
    assert learn.step == 7 and learn.state_hash() == calm.state_hash()

def test_odd_optimizers():
    "A stranger's own: what cannot go over is said; AdamW's decay too; groups keep their options"
    learn = make_learner(opt=lambda ps, lr: torch.optim.Adagrad(ps, lr=lr)); go(learn, 2)
    assert 'begins anew' in learn.tricks.on('optimizer').caution
    go(learn, 2); learn.tricks.off('optimizer'); assert kind(learn.opt_d) == 'adagrad'; go(learn, 2)
    learn = make_learner(opt=lambda ps, lr: torch.optim.AdamW(ps, lr=lr, weight_decay=.1)); go(learn, 2)
    assert 'decays weights beside' in learn.tricks.on('optimizer').caution and learn.opt_d.param_groups[0]['weight_decay'] == .1
    learn = make_learner(opt=lambda ps, lr: torch.optim.Adam([dict(params=ps[:2], lr=lr), dict(params=ps[2:], lr=lr/2, weight_decay=.01)])); go(learn, 2)
    learn.tricks.on('optimizer'); go(learn, 1)
    assert [(g['lr'], g['weight_decay']) for g in learn.opt_d.param_groups] == [(2e-4, 0), (1e-4, .01)]
    learn.tricks.off('optimizer'); assert [(g['lr'], g['weight_decay']) for g in learn.opt_d.param_groups] == [(2e-4, 0), (1e-4, .01)]
    assert make_learner().tricks.on('optimizer', opt_d='sgd').caution.count('no gradient yet') == 1
    with pytest.raises(Refused, match='both keep'): make_learner().tricks.on('optimizer', opt_d='keep', opt_g='keep')

# Counts

@some_nets
def test_counts_of_updates(kind_):
    "Updates and batches are exact, across switches, a half step and a snapshot"
    learn = make_learner(kind_)
    count = lambda: (int(next(iter(learn.opt_d.state.values()))['step']), int(next(iter(learn.opt_g.state.values()))['step']), learn.n_batches)
    go(learn, 2); assert count() == (2, 2, 2)
    learn.tricks.on('n_critic', n_d=3, n_g=2); snap = learn.snapshot()
    go(learn, 2); assert count() == (8, 6, 10)
    learn.half_step('d'); go(learn, 1); assert count() == (9, 6, 11)
    learn.restore(snap); assert count() == (2, 2, 2)
    learn.tricks.off('n_critic'); go(learn, 1); assert count() == (3, 3, 3)

def test_later_updates_see_fresh_batches():
    "Each of D's updates has its own reals and fakes; G's first goes on with D's last fakes, the others draw their own"
    from ganlab.trick import Trick
    class Watch(Trick):
        name, title = 'watch', 'Watch'
        def attach(self, learn, undo): self.seen = []
        def after_d(self, ctx): self.seen.append(('d', ctx.z.sum().item(), ctx.x.sum().item()))
        def after_g(self, ctx): self.seen.append(('g', ctx.z.sum().item(), ctx.x.sum().item()))
    learn = make_learner(tricks=[Watch]); learn.tricks.on('n_critic', n_d=3, n_g=2); go(learn, 1)
    (_, *a), (_, *b), (_, *c), (k, *d), (_, *e) = learn.tricks['watch'].seen
    assert k == 'g' and c == d and len({tuple(v) for v in (a, b, c, e)}) == 4

# Lazy regularisation

def test_lazy_terms_and_others():
    "One step in k, for D and G with a k of their own; a term that is no regulariser is always there, and so is one with its own interval"
    from strangers import Drift
    learn = make_learner(tricks=[Drift]); learn.tricks.on('gradient_penalty'); learn.tricks.on('path_length', every=1)
    learn.tricks.on('lazy_reg', k_d=4, k_g=3); go(learn, 12)
    h = learn.history
    assert [i for i, v in enumerate(h['d_loss/gradient_penalty']) if v] == [0, 4, 8] and [i for i, v in enumerate(h['g_loss/path_length']) if v] == [0, 3, 6, 9]
    assert (h['d_loss/drift'] != 0).all()
    learn.tricks.set('path_length', every=2); go(learn, 6)
    assert [i for i, v in enumerate(learn.history['g_loss/path_length']) if v and i >= 12] == [12, 14, 16]
    learn.tricks.off('lazy_reg'); go(learn, 2); assert (learn.history['d_loss/gradient_penalty'][-2:] != 0).all()

def test_lazy_weight():
    "At its step the penalty counts k times, on the very weights and batch that it would have counted once"
    a, b = make_learner(tricks=['gradient_penalty']), make_learner(tricks=['gradient_penalty', ('lazy_reg', dict(k_d=16))])
    go(a, 1); go(b, 1)
    assert b.history['d_loss/gradient_penalty'][0] == pytest.approx(16*a.history['d_loss/gradient_penalty'][0], rel=1e-5)

# Clipping

@some_nets
@pytest.mark.parametrize('by', ['norm', 'value'])
def test_clipping(kind_, by):
    "What steps is min(norm, c) long, or clamped; what is recorded is what came; D and G have thresholds of their own"
    learn, calm = make_learner(kind_, opt=sgd, lr_d=1., lr_g=1.), make_learner(kind_, opt=sgd, lr_d=1., lr_g=1.)
    learn.tricks.on('grad_clip', by=by, c_d=.02, c_g=.01)
    for key, c in (('d', .02), ('g', .01)):
        for l in (learn, calm): l.half_step(key)
        net, free = getattr(learn, key.upper()), getattr(calm, key.upper())
        was = [[p.detach().clone() for p in n.parameters()] for n in (net, free)]
        for l in (learn, calm): go(l, 1)
        step, full = (torch.cat([(q - p.detach()).flatten() for p, q in zip(n.parameters(), w)]) for n, w in zip((net, free), was))
        recorded = learn.history[f'{key}_grad_norm'].dropna().iloc[-1]
        assert recorded == pytest.approx(full.norm().item(), rel=1e-3)
        if by == 'norm': assert step.norm().item() == pytest.approx(min(recorded, c), rel=1e-3) and torch.cosine_similarity(step, full, dim=0) > .999
        else: assert torch.allclose(step, full.clamp(-c, c), atol=1e-6)
        for p, q in zip(net.parameters(), free.parameters()): p.data.copy_(q)

def test_clipping_does_not_hide_what_is_broken():
    "A gradient that is not finite is still named, and undone"
    from strangers import Drift
    class Broken(Drift):
        name = 'broken'
        def g_term(self, ctx): return ctx.l_fake.mean()*(math.nan if ctx.step == 3 else 1)
    learn = make_learner(tricks=[Broken, 'grad_clip'])
    with pytest.raises(StepError) as e: go(learn, 6)
    assert learn.step == 3 and e.value.culprit == 'broken' and all(torch.isfinite(p).all() for p in learn.model.parameters())

def test_a_rate_that_is_no_number_is_told_once():
    learn = ready()
    learn.opt_d.param_groups[0]['weight_decay'] = math.nan
    for _ in range(3): learn.boundary()
    learn.opt_d.param_groups[0]['lr'] = 1e-4
    learn.boundary()
    assert [c.name for c in learn.tricks.log if c.kind == 'rates'] == ['weight_decay_d', 'lr_d']
