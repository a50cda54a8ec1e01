"A loss of the user's own: in the panel's menu, gone back to by name, and it says what D's scores are; a D with its Sigmoid, where its loss goes with it."
import warnings
import pytest, torch
import torch.nn.functional as F
from torch import nn
from ganlab.lab import Lab
from ganlab.learner import GANLearner
from ganlab.losses import LSGAN, by_key, find_loss, loss_key, losses, scores_of
from ganlab.nets import mlp
from ganlab.panels.state import make_state
from ganlab.player import scene_of
from ganlab.record.run import Run
import ganlab.travel.fork, ganlab.presets, ganlab.travel.resume
from ganlab.engine.change import Refused
from ganlab.trick import find_tricks
from ganlab.data import tensor_dls
from strangers import conv_d, data, go, make_learner, nets, one_sentence

class Softer:
    "On logits, and says so"
    name, title, g_uses_real, scores = 'softer', 'Softer', False, 'logits'
    def d_loss(self, r, f): return (F.softplus(-r) + F.softplus(f)).mean()/2
    def g_loss(self, f, r=None): return F.softplus(-f).mean()/2

class Gap:
    "Says nothing of its scores; one number tells two of them apart"
    def __init__(self, a=1.): self.a = a
    def d_loss(self, r, f): return self.a*(f - r).mean() + .01*(r**2 + f**2).mean()
    def g_loss(self, f, r=None): return -self.a*f.mean()

class BCE:
    "A tutorial's: D ends in a Sigmoid"
    g_uses_real, scores = False, 'probabilities'
    def d_loss(self, r, f): return F.binary_cross_entropy(r, torch.ones_like(r)) + F.binary_cross_entropy(f, torch.zeros_like(f))
    def g_loss(self, f, r=None): return F.binary_cross_entropy(f, torch.ones_like(f))

class Squares(BCE):
    "Least squares on probabilities"
    name, title = 'squares', 'Squares on probabilities'
    def d_loss(self, r, f): return ((r - 1)**2).mean() + (f**2).mean()
    def g_loss(self, f, r=None): return ((f - 1)**2).mean()

class Undeclared(BCE):
    scores = 'raw'

def sigmoid_learner(kind='mlp', loss=None, **kw):
    G, D = nets(kind)
    return make_learner(kind, G=G, D=nn.Sequential(D, nn.Sigmoid()), loss=BCE() if loss is None else loss, **kw)

# In the panel, and by name

def menu(lab): return dict(lab.tricks.losses)

@pytest.mark.parametrize('own', [Softer(), Gap(2.)])
def test_in_the_menu(own):
    learn = make_learner(loss=own); lab = Lab(learn)
    try:
        name, title = learn.loss_name, getattr(own, 'title', 'Gap')
        assert menu(lab)[name] == title and lab.tricks.loss == name and {*losses} < {*menu(lab)}
        lab.tricks.request(dict(do='loss', name='hinge')); assert learn.loss_name == 'hinge' == lab.tricks.loss and name in menu(lab)
        lab.tricks.request(dict(do='loss', name=name)); assert learn.base_loss is own and lab.tricks.loss == name and not lab.tricks.bad.get(name)
    finally: lab.close()

def test_one_that_comes_later():
    learn = make_learner(); lab = Lab(learn)
    try:
        assert {*menu(lab)} == {*losses}
        learn.set_loss(Softer()); lab.tricks.refresh(make_state(learn)); assert menu(lab)['softer'] == 'Softer'
    finally: lab.close()

def test_back_by_name():
    "Of two of one name the last one given"
    a, b = Gap(1.), Gap(3.)
    learn = make_learner(loss=a); go(learn, 1)
    learn.set_loss('hinge'); learn.set_loss('Gap'); assert learn.base_loss is a
    learn.set_loss(b); learn.set_loss('lsgan'); learn.set_loss('Gap'); assert learn.base_loss is b
    learn.set_loss(a); learn.set_loss('lsgan'); learn.set_loss('Gap'); assert learn.base_loss is a
    with pytest.raises(ValueError, match="did you mean 'Gap'") as e: learn.set_loss('gap')
    assert 'Gap' in one_sentence(e.value)
    with pytest.raises(ValueError): make_learner().set_loss('Gap')       # another learner has never seen it

def test_its_scores_in_the_panel():
    "D's axis is one of probabilities only where the loss in force has logits"
    learn = make_learner(loss=Softer()); lab = Lab(learn)
    try:
        for do, prob in ((lambda: None, True), (lambda: learn.set_loss(Gap()), False), (lambda: learn.set_loss('minimax'), True), (lambda: learn.tricks.on('wgan_gp'), False),
                         (lambda: learn.tricks.off('wgan_gp'), True), (lambda: learn.tricks.on('feature_matching', mode='replace'), True), (lambda: learn.set_loss('lsgan'), False)):
            do(); lab.curves.refresh(make_state(learn)); lab.samples.refresh(make_state(learn))
            assert (lab.curves.prob, lab.samples.raw) == (prob, not prob)
    finally: lab.close()

def test_its_scores_in_a_record(tmp_path):
    "Looked into without the class, in a player, and in a panel that looks back"
    learn = make_learner(loss=Softer(), run=tmp_path/'a'); go(learn, 4)
    learn.set_loss(Gap()); go(learn, 4); learn.set_loss('softer'); go(learn, 4)
    lab = Lab(learn)
    try:
        for at, prob in ((2, True), (6, False), (11, True)):
            lab.timeline.at = at
            lab.screen.redraw(); assert lab.curves.prob == prob, at
    finally: lab.close()
    learn.run.close()
    scene = scene_of(Run.open(tmp_path/'a'))
    assert [scene.branches[0].raw(s) for s in (2, 6, 11)] == [False, True, False] and scene.prob
    again = GANLearner.resume(tmp_path/'a', learn.dls, *nets('mlp'), loss=[Softer(), Gap()])
    assert again.state_hash() == learn.state_hash() and again.loss_name == 'softer'
    again.set_loss('Gap'); assert isinstance(again.base_loss, Gap)

@pytest.mark.parametrize('scores', ['percent', None, True])
def test_a_wrong_word(scores):
    odd = type('Odd', (Gap,), dict(scores=scores))()
    with pytest.raises(ValueError, match="need 'raw', 'logits'.*'probabilities'") as e: make_learner(loss=odd)
    one_sentence(e.value)

# A D that ends in a Sigmoid

class Tail(nn.Module):
    "The sigmoid is a function, and comes in another shape"
    def __init__(self, D): super().__init__(); self.body = D
    def forward(self, x): return torch.sigmoid(self.body(x)).view(-1, 1)

@pytest.mark.parametrize('loss', [BCE(), Squares()])
@pytest.mark.parametrize('wrap', [lambda D: nn.Sequential(D, nn.Sigmoid()), Tail])
def test_insisted_upon(loss, wrap):
    "It trains as the same loss on logits does, whose numbers are the same but for rounding"
    G, D = nets('mlp'); learn = make_learner(G=G, D=wrap(D), loss=loss); go(learn, 20)
    h = learn.history
    assert h.d_real.between(0, 1).all() and h.d_fake.between(0, 1).all() and h.d_loss.notna().all()
    if isinstance(loss, Squares): return
    G, D = nets('mlp'); plain = make_learner(G=G, D=D); go(plain, 20)
    torch.testing.assert_close(torch.tensor(plain.history.g_loss), torch.tensor(h.g_loss), rtol=1e-3, atol=1e-4)

def test_refused_in_true_words():
    G, D = nets('mlp')
    with pytest.raises(ValueError, match="Undeclared does not say that it takes probabilities.*scores = 'probabilities'.*remove D\\[1\\], the Sigmoid") as e: sigmoid_learner(loss=Undeclared())
    one_sentence(e.value)
    with pytest.raises(ValueError, match="ganlab's losses take raw scores") as e: sigmoid_learner(loss='lsgan')
    one_sentence(e.value)
    with pytest.raises(ValueError, match='BCE takes probabilities.*raw scores: end D in nn.Sigmoid') as e: make_learner(loss=BCE())
    one_sentence(e.value)

def test_switches_that_do_not_go_with_it():
    "Another loss, or a trick that brings one, is refused and leaves nothing; another loss on probabilities is not"
    learn = sigmoid_learner(); go(learn, 2); was = learn.state_hash()
    for ask in (lambda: learn.set_loss('hinge'), lambda: learn.set_loss(Gap()), lambda: learn.tricks.on('wgan_gp'), lambda: learn.tricks.on('relativistic_gp'), lambda: learn.tricks.on('dual_discriminator', mode='d2gan')):
        with pytest.raises(Refused, match='D ends in a Sigmoid.*takes raw scores') as e: ask()
        one_sentence(e.value)
        assert learn.state_hash() == was
    with pytest.raises(Refused, match='needs targets'): learn.tricks.on('label_smoothing')
    learn.set_loss(Squares()); go(learn, 2); learn.set_loss('BCE'); go(learn, 2)
    plain = make_learner(); go(plain, 1); was = plain.state_hash()
    with pytest.raises(Refused, match='BCE loss takes probabilities, and D gives raw scores'): plain.set_loss(BCE())
    assert plain.state_hash() == was

@pytest.mark.parametrize('kind', ['mlp', 'dcgan'])
def test_every_trick(kind):
    "Each goes on, trains and goes off, or is refused in words; none breaks a step"
    learn, took = sigmoid_learner(kind), []
    for cls in find_tricks():
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            try: learn.tricks.on(cls.name)
            except Refused as e: one_sentence(e); continue
            go(learn, 1); learn.tricks.off(cls.name, now=True)
        took.append(cls.name)
    go(learn, 1)
    assert len(took) > 20 and {'spectral_norm', 'gradient_penalty', 'instance_noise', 'ttur'} <= {*took}

def test_adaptive_augmentation_knows_the_middle():
    "Of probabilities it is ½, so that a D that calls fewer than half of the reals real takes p down"
    from ganlab.tricks.ada import undecided
    assert undecided(BCE(), 8) == pytest.approx(.5) == undecided(Squares(), 8)

def test_recorded_forked_and_resumed(tmp_path):
    learn = sigmoid_learner(run=tmp_path/'a'); go(learn, 5)
    other = learn.fork(); go(other, 3); go(learn, 3); assert other.state_hash() == learn.state_hash()
    learn.rewind(4); go(learn, 4); assert other.state_hash() == learn.state_hash()
    learn.run.close()
    G, D = nets('mlp')
    again = GANLearner.resume(tmp_path/'a', learn.dls, G, nn.Sequential(D, nn.Sigmoid()), loss=BCE())
    assert again.state_hash() == other.state_hash() and again.probabilities

@pytest.mark.parametrize('loss,name', [(Softer(), 'softer'), (Gap(), 'Gap')])
def test_a_script_asks_for_a_loss_of_ones_own(loss, name, tmp_path):
    "From the folder as from the learner: to fill in, and never a name that no learner knows"
    learn = GANLearner(tensor_dls(torch.randn(64, 2), bs=16), *mlp(width=8, depth=1, seed=0), seed=0, run=tmp_path/'a')
    learn.set_loss(loss)
    learn.fit_steps(2, progress=False)
    learn.set_loss('hinge')
    learn.fit_steps(2, progress=False)
    learn.run.close()
    with Run.open(tmp_path/'a') as run: text = run.to_python(tmp_path/'a.py').read_text()
    assert "learn.set_loss('hinge')\n" in text
    assert 'learn.set_loss(...)      # a loss of your own, ' in text and name in text and f"set_loss('{name}')" not in text
    compile(text, 'a.py', 'exec')

# Two that print alike

near, far = torch.arange(2000.), torch.arange(2000.)
far[1000] = -1
ALIKE = dict(rounded=(torch.tensor(1.00001), torch.tensor(1.00002)), half=(torch.ones(()).bfloat16(), torch.ones(())), shortened=(near.numpy(), far.numpy()),
             inside=([near.mean(), {'far': near}], [near.mean(), {'far': far}]))

class Held(Gap):
    name = 'held'
    def __init__(self, held): super().__init__(); self.held = held

@pytest.mark.parametrize('one, other', ALIKE.values(), ids=[*ALIKE])
def test_two_that_print_alike(one, other):
    "They are two, in the hash and on the way back"
    learn = make_learner(loss=Held(one)); go(learn, 2)
    was = learn.state_hash()
    learn.set_loss(Held(other))
    assert learn.state_hash() != was and learn.base_loss.held is other
    learn.set_loss(Held(one)); assert learn.state_hash() == was
    learn.set_loss(Held(other)); go(learn, 1)
    learn.rewind(1); assert learn.base_loss.held is one

def test_keys_of_older_records():
    "Without tensors they are what they were; with tensors both are known"
    assert loss_key(Gap(2.)) == "Gap/Gap/[('a', '2.0')]" and loss_key(losses['hinge']) == 'Hinge/hinge/[]'
    assert loss_key(LSGAN(.5)) == "LSGAN/lsgan/[('fake', '0.0'), ('gen', '1.0'), ('real', '0.5')]"
    own, nested = Held(torch.tensor(1.)), Gap([1, (2., {'b': None})])
    assert loss_key(nested) == """Gap/Gap/[('a', "[1, (2.0, {'b': None})]")]"""
    known = by_key([own])
    assert known["Held/held/[('a', '1.0'), ('held', 'tensor(1.)')]"] is own is known[loss_key(own)]

def test_an_older_record_with_a_tensor_in_its_loss(tmp_path, monkeypatch):
    "It was recorded when a tensor stood in the key as it prints: resumed, and gone back in"
    with monkeypatch.context() as m:
        m.setattr('ganlab.loss._bits', lambda v: v)
        learn = make_learner(loss=Held(torch.tensor(1.5)), run=tmp_path/'a'); go(learn, 2)
        learn.set_loss('hinge'); go(learn, 2)
        learn.set_loss(Held(torch.tensor(2.5))); go(learn, 2)
        learn.run.close()
    own = [Held(torch.tensor(1.5)), Held(torch.tensor(2.5))]
    again = GANLearner.resume(tmp_path/'a', learn.dls, *nets('mlp'), loss=own)
    assert again.base_loss is own[1] and again.history.g_loss.tolist() == learn.history.g_loss.tolist()
    go(again, 1)
    again.rewind(1); assert again.base_loss is own[0]
    again.run.close()

# Networks and sparse tensors in a loss

def features(seed):
    "A network that compares features, as a perceptual loss has one"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(1, 3), nn.Tanh())

def sparse(at): return torch.sparse_coo_tensor([[0, at]], [1., 1.], (3000,))

class Perceptual(nn.Module):
    "A loss that is a module itself"
    name = 'perceptual'
    def __init__(self, seed):
        super().__init__()
        self.net = features(seed)
    def d_loss(self, r, f): return (self.net(f[:, None]) - self.net(r[:, None])).mean() + .01*(r**2 + f**2).mean()
    def g_loss(self, f, r=None): return -self.net(f[:, None]).mean()

UNLIKE = dict(network=lambda i: Held(features(i)), inside=lambda i: Held([{'net': features(i)}]), module=Perceptual, sparse=lambda i: Held(sparse(i + 1)), rows=lambda i: Held(sparse(i + 1).to_dense()[None].to_sparse_csr()))

@pytest.mark.filterwarnings('ignore:Sparse CSR')
@pytest.mark.parametrize('make', UNLIKE.values(), ids=UNLIKE)
def test_two_that_differ_in_what_they_hold(make, tmp_path):
    "Equal where the values are, two where they are not: in the key, the hash, a rewind and a resume"
    a, b = make(0), make(1)
    assert loss_key(a) == loss_key(make(0)) != loss_key(b)
    learn = make_learner(loss=a, run=tmp_path/'a')
    go(learn, 2)
    was = learn.state_hash()
    learn.set_loss(b)
    assert learn.state_hash() != was
    go(learn, 2)
    learn.rewind(1)
    assert learn.base_loss is a
    learn.set_loss(b)
    go(learn, 1)
    end = learn.state_hash()
    learn.run.close()
    own = [make(0), make(1)]
    again = GANLearner.resume(tmp_path/'a', learn.dls, *nets('mlp'), loss=own)
    assert again.base_loss is own[1] and again.state_hash() == end
    again.run.close()

def test_sparse_values_are_what_counts():
    "However they are stored"
    twice = torch.sparse_coo_tensor([[0, 1, 1]], [1., .5, .5], (3000,))
    assert loss_key(Held(twice)) == loss_key(Held(sparse(1))) != loss_key(Held(sparse(2)))

def test_modules_without_weights_keep_their_key():
    assert loss_key(Held(nn.BCEWithLogitsLoss())) == "Held/held/[('a', '1.0'), ('held', 'BCEWithLogitsLoss()')]"

@pytest.mark.parametrize('make', [UNLIKE['network'], UNLIKE['sparse']], ids=['network', 'sparse'])
def test_an_older_record_of_what_a_loss_holds(make, tmp_path, monkeypatch):
    "It was recorded when modules and sparse tensors stood in the key as they print: resumed, without a word"
    import ganlab.losses
    with monkeypatch.context() as m:
        m.setattr('ganlab.loss._bits', ganlab.loss._older)
        learn = make_learner(loss=make(0), run=tmp_path/'a')
        go(learn, 3)
        learn.run.close()
    own = make(0)
    with warnings.catch_warnings():
        warnings.filterwarnings('error', 'the network that|.*came out otherwise')
        again = GANLearner.resume(tmp_path/'a', learn.dls, *nets('mlp'), loss=own)
    assert again.base_loss is own and again.step == 3
    again.run.close()

def test_weights_that_have_changed_since(tmp_path):
    "The loss is found, and one sentence says that its network is another; a loss of another kind is not taken for it"
    learn = make_learner(loss=Held(features(0)), run=tmp_path/'a')
    go(learn, 3)
    learn.run.close()
    own = Held(features(1))
    with pytest.warns(UserWarning, match='the loss held holds has other weights now') as ws: again = GANLearner.resume(tmp_path/'a', learn.dls, *nets('mlp'), loss=own)
    said = {str(w.message) for w in ws if 'other weights' in str(w.message)}
    assert len(said) == 1 and one_sentence(said.pop()) and again.base_loss is own
    again.run.close()
    with pytest.raises(ValueError, match='no code is stored'): GANLearner.resume(tmp_path/'a', learn.dls, *nets('mlp'), loss=Gap())
    assert find_loss(by_key([Gap(), Held(nn.Linear(1, 1))]), loss_key(Held(features(0)))) is None
