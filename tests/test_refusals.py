"A switch is one transaction: refused, failed or interrupted, it leaves nothing behind, in the learner, in the optimisers and in the record."
import os, signal, sqlite3
import pytest, torch
from torch import nn
from ganlab.learner import GANLearner
from ganlab.record.store import RunError, pack
from ganlab.engine.rollback import Kept, all_or_nothing
from ganlab.record.run import Run
from ganlab.engine.change import Change, Refused
from ganlab.tricks.spectral_norm import SpectralNorm
from ganlab.trick import Flag, Num, Trick, find_tricks, inside
from ganlab.data import tensor_dls
import ganlab.travel.resume
from strangers import Drift, data, go, groups_hold, make_learner, nets, one_sentence
from test_soak import everything, same

def refused(learn, ask, *words):
    "`ask` is refused in these words, and everything is as it was"
    before = everything(learn)
    with pytest.raises(Refused) as e: ask()
    same(before, everything(learn), e.value)
    for w in words: assert w in one_sentence(e.value), str(e.value)
    return e.value

# The trick that was refused is no reason for anything

@pytest.mark.parametrize('on, then', [('unrolled', 'checkpointing'), ('spectral_norm', 'weight_clipping'), ('relativistic_gp', 'ada'), ('label_smoothing', 'wgan_gp')])
def test_a_refused_trick_is_no_reason(on, then):
    learn = make_learner('dcgan'); go(learn, 2)
    learn.tricks.on(on)
    others = {n: t.why_not(learn) for n, t in learn.tricks.items() if not t.enabled}
    with pytest.raises(Refused): learn.tricks.on(then)
    assert {n: t.why_not(learn) for n, t in learn.tricks.items() if not t.enabled} == others
    for n in ('ema', 'instance_noise', 'dropout'): learn.tricks.on(n)
    learn.tricks.off(on, now=True)
    go(learn, 1); groups_hold(learn)
    assert not learn.tricks[on].enabled and not learn.tricks[then].enabled

class Needs(Drift):
    "Stands on a layer that another trick put in, and remembers that it found it"
    name, title, number = 'needs', 'Needs', 2020
    def why_not(self, learn):
        if 'needs' not in learn.found: learn.found['needs'] = None if hasattr(learn.D[0], 'extra') else 'Needs wants the extra layer.'
        return learn.found['needs']

class Extra(Trick):
    "A layer, moved weights, another optimiser's setting, more data: all that a switch may touch"
    name, title, number = 'extra', 'Extra', 2021
    fail = Flag(False, 'fail when all is done')
    def attach(self, learn, undo):
        learn.D[0].extra = nn.Linear(2, 1)      # its forward does not call it
        learn.D.register_buffer('count', torch.zeros(3), persistent=False)
        nn.utils.parametrize.register_parametrization(learn.G[0], 'weight', nn.Identity())
        learn.D[2].register_forward_hook(lambda *_: None)
        with torch.no_grad():
            for p in learn.G.parameters(): p.mul_(2)
        learn.G[-1].bias.requires_grad_(False)
        learn.opt_g.state.clear()
        learn.opt_d.param_groups[0]['weight_decay'] = .5
        learn.n_d, learn.note, self.mine = 3, 'mine', [1]
        if self.fail: raise OSError('all was done')
    def detach(self, learn):
        del learn.D[0].extra, learn.note
        nn.utils.parametrize.remove_parametrizations(learn.G[0], 'weight')
    def factors(self, step, base): return {}

def test_half_made():
    "A switch that fails at its end: parameters, hooks, classes, settings, moments, attributes, all of it is undone, and the training goes on as if nothing had been asked"
    learn, calm = make_learner(), make_learner()
    for o in (learn, calm): o.tricks.add(Extra), o.tricks.on('ema'), go(o, 3)
    refused(learn, lambda: learn.tricks.on('extra', fail=True), 'Not turned on', 'OSError: all was done')
    assert not hasattr(learn, 'note') and learn.tricks['extra'].fail is False
    go(learn, 3); go(calm, 3)
    assert learn.state_hash() == calm.state_hash()      # the average of G too: weights that were put back were not set by hand

def test_half_unmade():
    "A trick that others stand on stays whole when its off is refused, its layer and its hooks in their places; and goes when they are gone"
    learn = make_learner(); learn.tricks.add(Extra), learn.tricks.add(Needs)
    learn.tricks.on('extra'), learn.tricks.on('needs'); learn.n_d = 1; go(learn, 1)
    for now in (False, True): refused(learn, lambda: learn.tricks.off('extra', now=now), 'Not turned off: Needs wants the extra layer. Turn needs off first.')
    learn.G(learn.some_z)
    go(learn, 2)
    learn.tricks.off('needs'); learn.tricks.off('extra')
    assert not hasattr(learn.D[0], 'extra')

def test_reasons_are_asked_anew_at_one_boundary():
    "What a trick found out before another change of the same boundary does not speak for after it"
    learn, cs = make_learner(tricks=[]), []
    learn.tricks.add(Extra), learn.tricks.add(Needs); learn.tricks.on('extra'); learn.n_d = 1; go(learn, 1)
    def gate(learn):
        if not cs: cs.extend([learn.tricks.on('needs'), learn.tricks.off('extra', now=True), learn.tricks.on('ema')])
    learn.fit_steps(1, gate=gate, progress=False)
    assert [c.error is None for c in cs] == [True, False, True]

def test_a_rule_that_fails():
    "A slot that is asked outside a step, and an optimiser that takes nothing new"
    class Bad(Trick):
        name, title = 'bad', 'Bad'
        def factors(self, step, base): return dict(no_such=2)
    learn = make_learner('dcgan'); learn.tricks.add(Bad); go(learn, 2)
    refused(learn, lambda: learn.tricks.on('bad'), 'Bad')
    def never(group): raise RuntimeError('nothing new here')
    learn.opt_g.add_param_group = never      # the mapping of styles learns at a rate of its own
    refused(learn, lambda: learn.tricks.on('style'), 'nothing new here')
    go(learn, 1)

def test_undo_of_a_trick_outside():
    "What lies outside the learner a trick undoes itself; an undo that fails keeps nothing else from being put back"
    files = []
    class Outside(Trick):
        name, title = 'outside', 'Outside'
        def attach(self, learn, undo):
            files.append('made'); undo.callback(files.pop)
            undo.callback(lambda: 1/0)
            learn.D[0].more = nn.Linear(1, 1)
            raise RuntimeError('no more room')
    learn = make_learner(); learn.tricks.add(Outside); go(learn, 1)
    refused(learn, lambda: learn.tricks.on('outside'), 'no more room')
    assert not files

# Leaving

class Slow(Drift):
    "Leaves over three steps, and comes off when it may"
    name, title, number = 'slow', 'Slow', 2022
    may = False
    def leave(self, learn): return 3
    def detach(self, learn):
        learn.D[0].gone = nn.Linear(1, 1)
        if not self.may: raise RuntimeError('it will not come off')
        del learn.D[0].gone

def test_a_trick_that_cannot_go_at_its_last_step():
    "It stays at the last step of leaving, and says so; the training goes on, and once another change has made room, it goes"
    learn = make_learner(); slow = learn.tricks.add(Slow); learn.tricks.on('slow'); go(learn, 3)
    learn.tricks.off('slow'); go(learn, 6)
    assert learn.step == 9 and slow.enabled and slow.leaving == (2, 3) and not hasattr(learn.D[0], 'gone')
    assert str(learn.tricks.refused['slow'].error) == 'Not turned off: RuntimeError: it will not come off'
    again = make_learner(); again.tricks.add(Slow); again.tricks.on('slow', at=2); again.tricks.off('slow', at=5)
    go(again, 8)
    assert again.tricks['slow'].leaving == (2, 3)
    slow.may = True
    go(learn, 1); assert slow.enabled, 'not asked again at every step'
    learn.tricks.on('ema'); go(learn, 1)
    assert not slow.enabled and slow.leaving is None and not slow.stuck
    go(learn, 1); groups_hold(learn)

class Clings(Trick):
    "From step 3 on it stands on `lasting`"
    name, title, number = 'clings', 'Clings', 2023
    def why_not(self, learn): return 'Clings wants it lasting.' if learn.step >= 3 and not learn.tricks['lasting'].enabled else None

class Lasting(Trick):
    "Leaves over two steps"
    name, title, number = 'lasting', 'Lasting', 2024
    def leave(self, learn): return 2
    def loss(self, loss): return loss

def clinging(**kw):
    "A trick that could not go at step 4, and was not asked again"
    learn = make_learner(**kw); learn.tricks.add(Clings); learn.tricks.add(Lasting)
    learn.tricks.on('lasting'); go(learn, 1); learn.tricks.on('clings'); go(learn, 1); learn.tricks.off('lasting'); go(learn, 6)
    assert learn.tricks['lasting'].leaving == (1, 2) and learn.tricks['lasting'].stuck
    return learn

@pytest.mark.parametrize('back', [1, 2, 3, 7])
def test_a_rewound_trick_leaves_when_asked_again(tmp_path, back):
    "What could not go in a future that was left says nothing about the one that came instead"
    learn = clinging(run=tmp_path/'r'); learn.rewind(back)
    if back <= 2: learn.tricks.off('lasting')
    learn.tricks.on('ttur'); go(learn, 5)
    assert learn.tricks['lasting'].enabled is (back > 1)
    if back > 1:
        learn.tricks.off('clings'); go(learn, 1)
        assert not learn.tricks['lasting'].enabled, 'there is room now'
    replayed(tmp_path/'r', learn)

@pytest.mark.parametrize('how', ['rewind', 'restore', 'resume'])
def test_a_stuck_trick_is_stuck_in_its_snapshot(tmp_path, how):
    learn = clinging(run=tmp_path/'r'); snap, was = learn.snapshot(), learn.state_hash()
    if how == 'resume':
        learn.run.close()
        learn = GANLearner.resume(tmp_path/'r', tensor_dls(data(), 8), *nets('mlp'), tricks=[Clings, Lasting], progress=False)
    else:
        go(learn, 2)
        learn.rewind(8) if how == 'rewind' else learn.restore(snap)
    assert learn.tricks['lasting'].stuck and learn.state_hash() == was
    learn.tricks.off('clings'); go(learn, 1)
    assert not learn.tricks['lasting'].enabled and not learn.tricks['lasting'].stuck
    replayed(tmp_path/'r', learn)

def replayed(where, learn):
    learn.run.close()
    again = Run.open(where).replay(tensor_dls(data(), 8), *nets('mlp'), tricks=[Clings, Lasting], progress=False)
    assert again.state_hash() == learn.state_hash()

def test_a_trick_that_others_came_to_need_while_it_left():
    learn = make_learner()
    class Fading(Extra):
        name, title = 'extra', 'Extra'
        def leave(self, learn): return 2
    learn.tricks.add(Fading), learn.tricks.add(Needs); learn.tricks.on('extra'); learn.n_d = 1; go(learn, 2)
    learn.tricks.off('extra'); learn.tricks.on('needs'); go(learn, 4)
    assert learn.tricks['extra'].leaving == (1, 2) and 'Turn needs off first' in str(learn.tricks.refused['extra'].error)
    learn.tricks.off('needs'); go(learn, 1)
    assert not learn.tricks['extra'].enabled and not hasattr(learn.D[0], 'extra')

# Interrupts, and a record that cannot be written

class Pressed(Trick):
    "Ctrl-C while it is switched"
    name, title = 'pressed', 'Pressed'
    def attach(self, learn, undo):
        learn.D[0].more = nn.Linear(1, 1)
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10**7): pass

@pytest.mark.skipif(os.name != 'posix', reason='needs SIGINT')
def test_an_interrupt():
    "While a change is made: it waits until the change stands whole, in the record too, and goes through then"
    learn = make_learner(); learn.tricks.add(Pressed); go(learn, 2)
    with pytest.raises(KeyboardInterrupt): learn.tricks.on('pressed')
    assert learn.tricks['pressed'].enabled and hasattr(learn.D[0], 'more')
    assert [c.name for c in learn.tricks.log] == [c.name for c in learn.run.changes] == ['pressed']
    go(learn, 1)

def test_an_interrupt_that_does_not_wait():
    "Raised by what is switched itself: nothing of it is left"
    class Raised(Pressed):
        name = 'raised'
        def attach(self, learn, undo):
            learn.D[0].more = nn.Linear(1, 1)
            raise KeyboardInterrupt
    learn = make_learner(); learn.tricks.add(Raised); go(learn, 2)
    before = everything(learn)
    with pytest.raises(KeyboardInterrupt): learn.tricks.on('raised')
    same(before, everything(learn), 'interrupt')
    go(learn, 1)

def test_an_interrupt_after_the_commit(monkeypatch):
    "What is in the record stands"
    learn, write = make_learner(), Run.write
    def pressed(self, *changes):
        write(self, *changes)
        raise KeyboardInterrupt
    monkeypatch.setattr(Run, 'write', pressed)
    with pytest.raises(KeyboardInterrupt): learn.tricks.on('minibatch_stddev')
    monkeypatch.undo()
    assert learn.tricks['minibatch_stddev'].enabled and [c.name for c in learn.tricks.log] == [c.name for c in learn.run.changes] == ['minibatch_stddev']
    go(learn, 2); groups_hold(learn)

def test_interrupts_while_all_is_put_back(monkeypatch):
    "Two more, in the middle of it: it is begun again, and done"
    learn, n = make_learner(), [0]
    learn.tricks.add(Extra); go(learn, 2)
    before = everything(learn)
    import ganlab.engine.rollback as r
    put = r._put_values
    def pressed(*args):
        n[0] += 1
        if n[0] in (3, 9): raise KeyboardInterrupt
        put(*args)
    monkeypatch.setattr(r, '_put_values', pressed)
    with pytest.raises(KeyboardInterrupt): learn.tricks.on('extra', fail=True)
    same(before, everything(learn), 'interrupts')

def test_a_record_that_cannot_be_written(monkeypatch, tmp_path):
    "A change that cannot be recorded is taken back: acknowledged means committed"
    learn = GANLearner(tensor_dls(data(), 8), *nets('mlp'), seed=0, run=tmp_path/'r'); go(learn, 2)
    def full(self, db, c): raise sqlite3.OperationalError('database or disk is full')
    monkeypatch.setattr(Run, '_put_change', full)
    for ask in (lambda: learn.tricks.on('minibatch_stddev'), lambda: learn.set_loss('lsgan'), lambda: learn.tricks.preset('ttur')): refused(learn, ask, 'no room left')
    monkeypatch.undo()
    learn.set_loss('lsgan')
    assert [c.name for c in learn.run.changes] == ['lsgan']
    learn.run.close()

def test_a_change_is_recorded_when_it_stands(tmp_path):
    "While a change is being made, nothing of it is in the record; what it was applied with is there at once"
    seen = []
    class Looks(Trick):
        name, title = 'looks', 'Looks'
        def caution(self, learn): return 'Take care.'
        def attach(self, learn, undo): seen.extend(Run.open(tmp_path/'r').changes)
    learn = GANLearner(tensor_dls(data(), 8), *nets('mlp'), seed=0, run=tmp_path/'r')
    learn.tricks.add(Looks); learn.tricks.on('looks')
    assert not seen and [(c.name, c.caution) for c in Run.open(tmp_path/'r').changes] == [('looks', 'Take care.')]
    learn.run.close()

# A run of before, killed between the record of a change and its refusal

def damaged(where, name, kind='on', step=12, then=0):
    "A run of 12 steps whose last change was recorded and never made"
    learn = GANLearner(tensor_dls(data(), 8), *nets('mlp'), seed=0, run=where)
    learn.tricks.on('instance_noise'); go(learn, 12)
    state = learn.state_hash()
    learn.run.close()
    db = sqlite3.connect(where/'run.sqlite')
    db.execute('insert into changes(line, step, kind, name, params, more) values(0, ?, ?, ?, ?, ?)', (step, kind, name, pack({}), pack(dict(now=False, own=False, title=name, caution=None))))
    db.commit(); db.close()
    return state

@pytest.mark.parametrize('kind, name, words, values', [
    ('on', 'self_attention', 'no feature map', {}),
    ('on', 'batch_size', 'already', dict(bs=8)),                # the data has batches of that size
    ('set', 'instance_noise', 'has no parameter', dict(gone_by_now=1.)),
    ('set', 'instance_noise', 'need a number', dict(sigma=-1.)),  # out of what the trick allows by now
])
def test_a_change_that_was_never_made(tmp_path, kind, name, words, values):
    "The run resumes where it was, the row struck, and one sentence says so"
    where = tmp_path/'r'
    state = damaged(where, name, kind)
    with sqlite3.connect(where/'run.sqlite') as db: db.execute('update changes set params=? where id=(select max(id) from changes)', (pack(values),))
    db.close()
    with pytest.warns(UserWarning, match='was never made') as said: learn = GANLearner.resume(where, tensor_dls(data(), 8), *nets('mlp'), progress=False)
    text = one_sentence(next(w.message for w in said if 'never made' in str(w.message)))
    assert name in text and words in text and 'step 12' in text
    assert (learn.step, learn.state_hash()) == (12, state) and [c.name for c in learn.run.changes] == ['instance_noise'] and not learn.tricks.refused
    go(learn, 3); learn.run.close()
    assert Run.open(where).replay(tensor_dls(data(), 8), *nets('mlp'), progress=False).state_hash() == learn.state_hash()

def test_an_off_that_was_nothing(tmp_path):
    "A row of a trick that was off anyhow is struck without a word"
    state = damaged(tmp_path/'r', 'ema', 'off')
    learn = GANLearner.resume(tmp_path/'r', tensor_dls(data(), 8), *nets('mlp'), progress=False)
    assert learn.state_hash() == state and [c.name for c in learn.run.changes] == ['instance_noise']
    learn.run.close()

def test_only_the_last_one(tmp_path):
    "A change that steps were trained after was made once: that it is refused now is an error"
    damaged(tmp_path/'r', 'self_attention', step=5)
    with pytest.raises(RunError, match='now it is refused') as e: GANLearner.resume(tmp_path/'r', tensor_dls(data(), 8), *nets('mlp'), progress=False)
    assert 'self_attention on at step 5' in one_sentence(e.value)

def test_replay_of_such_a_run(tmp_path):
    "It leaves the row out, and the folder as it is"
    state = damaged(tmp_path/'r', 'self_attention')
    run = Run.open(tmp_path/'r')
    with pytest.warns(UserWarning, match='was never made'): again = run.replay(tensor_dls(data(), 8), *nets('mlp'), progress=False)
    assert again.state_hash() == state and len(run.changes) == 2

# Words

def test_names_keep_their_capitals():
    titles = {inside(t.title) for t in find_tricks()}
    assert {'TTUR', "Adam's betas", 'EMA of G', 'DiffAugment', 'LeCam', 'WGAN-GP', 'LeakyReLU', 'n critic', 'BatchNorm in G, not in D', 'spectral norm', 'unrolled GAN', 'self-attention'} <= titles
    class Against(Drift):
        name, title, number = 'against', 'TTUR-2', 2023
        def why_not(self, learn): return 'It goes with batches of eight only.' if self.enabled and learn.loss_name == 'hinge' else None
    learn = make_learner(); learn.tricks.add(Against); learn.tricks.on('against')
    refused(learn, lambda: learn.set_loss('hinge'), 'Turn TTUR-2 off first.')
