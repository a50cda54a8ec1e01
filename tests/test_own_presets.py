"A recipe from outside the package: known by its name at once, in the menu of a panel that is open, in the record, and in the script."
import pytest
from ganlab.all import *
from ganlab.presets import add_preset, presets
from ganlab.record.run import Run
from strangers import go, make_learner

@pytest.fixture
def mine():
    "All that a user writes"
    recipe = Preset('calm', 'Calm', 'Hinge loss, spectral norm in D, a slow G.', 'our lab book', dict(spectral_norm={}, ttur=dict(lr_g=5e-5)), 'hinge', points=mlp)
    yield add_preset(recipe)
    presets.pop('calm')

def test_in_an_open_panel(request):
    "The menu has it without a click, and a choice of it switches it"
    learn = make_learner()
    with Lab(learn) as lab:
        assert 'calm' not in dict(lab.tricks.recipes)
        request.getfixturevalue('mine')
        lab.screen.redraw()
        assert dict(lab.tricks.recipes)['calm'] == 'Calm'
        lab.tricks.heard(dict(do='plan', name='calm'))
        assert lab.tricks.plan['title'] == 'Calm' and len(lab.tricks.plan['lines']) == 3
        lab.tricks.heard(dict(do='preset', name='calm'))
        assert lab.announcement.say == ('Calm', 'on at step 0: Hinge loss, Spectral norm, TTUR.') and learn.loss_name == 'hinge'

def test_kept_by_its_name(mine, tmp_path):
    "In the record and above its lines in the script, while it waits, too; no code of it is needed to read either"
    learn = mine.learner(ring_dls(n=400, bs=8), sizes=dict(width=16, depth=2), run=tmp_path/'a')
    learn.tricks.off('ttur', at=4); go(learn, 2)
    learn.tricks.preset('calm', at=3); go(learn, 3)
    learn.run.close()
    run = Run.open(tmp_path/'a')
    assert [(c.step, c.name, c.preset) for c in run.changes if not c.own][:2] == [(0, 'spectral_norm', 'calm'), (0, 'ttur', 'calm')]
    presets.pop('calm')
    try: text = run.to_python(tmp_path/'a.py').read_text()
    finally: presets['calm'] = mine
    assert text.count('# the preset calm\n') == 1 and text.index('# the preset calm') < text.index("learn.tricks.on('spectral_norm'") < text.index("learn.tricks.on('ttur'")

def test_waits_by_its_name(mine, tmp_path):
    learn = make_learner(run=tmp_path/'a'); go(learn, 2)
    learn.tricks.preset('calm', at=9); learn.run.close()
    kind = make_learner()
    back = GANLearner.resume(tmp_path/'a', kind.dls, kind.G, kind.D)
    assert {c.preset for c in back.tricks.pending} == {'calm'}

@pytest.mark.parametrize('wrong, words', [
    (dict(loss='hing'), "Did you mean 'hinge'?"), (dict(tricks=dict(ttur=dict(lr_g=-1))), 'ttur: lr_g=-1'),
    (dict(name='sngan'), "ganlab's own"), (dict(tricks=dict(ttur=dict(rate=1))), "no parameter 'rate'")])
def test_wrong(wrong, words):
    "Refused when it is added, and nothing is known of it then"
    parts = dict(name='odd', title='Odd', short='.', source='.', tricks={}) | wrong
    there = dict(presets)
    with pytest.raises(ValueError, match='.') as e: add_preset(Preset(**parts))
    assert words in str(e.value) and presets == there

def test_a_trick_that_is_not_there(mine):
    "Said when it is switched: a learner may get tricks of its own until then"
    learn = make_learner()
    add_preset(Preset('calm', 'Calm', '.', '.', dict(spectralnorm={})))
    with pytest.raises(ValueError, match="which this learner has not. Did you mean 'spectral_norm'?"): learn.tricks.preset('calm')
    assert not learn.tricks.enabled
