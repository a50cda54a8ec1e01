"What is seen of a training, in the panel and in figures: the words, the buttons, the pictures."
import pytest, torch
from ganlab.catalogue import catalogue
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan
from ganlab.panels.state import trick_row
from ganlab.panels.timeline import rows_at
from ganlab.panels.tricks import TrickPanel
from ganlab.trick import effect_words, effects, find_tricks

def small(**kw): return GANLearner(tensor_dls(torch.rand(40, 1, 16, 16)*2 - 1, 8), *dcgan(16, 1, z_dim=4, width=2, seed=0), seed=0, **kw)

def test_one_vocabulary():
    "What a switch does is said in one table, and by the panel, its past and the table of tricks in its words"
    assert set(effects) == set(effect_words) == {'now', 'reweights', 'grows'}
    assert all('outputs' in short and long.endswith('.') and short != effect for effect, (short, long) in effect_words.items())
    learn = small()
    panel = TrickPanel(learn)
    assert panel.effects == [[effect, *said] for effect, said in effect_words.items()]
    for rows in (panel.rows, rows_at(learn, 0)): assert {r['effect'] for r in rows} <= set(effects)
    assert not any(short in code for code in (panel._esm, panel._css) for short, _ in effect_words.values())
    column = {line.split(' | ')[3] for line in catalogue().splitlines()[2:]}
    assert column == {effect_words[t().effect()][0] for t in find_tricks()}

def test_a_row_that_is_off_says_nothing_of_now():
    "Off: the row has no words of its own, and its effect follows the values it would be switched on with"
    learn = small()
    soft = learn.tricks['spectral_norm']
    assert (trick_row(soft)['state'], trick_row(soft)['text'], trick_row(soft)['effect']) == ('off', '', 'now')
    learn.tricks.set('spectral_norm', soft_start=0)
    assert trick_row(soft)['effect'] == 'reweights'
    learn.tricks.on('spectral_norm')
    assert trick_row(soft)['text'] == 'since 0'
