"The clinic: cases are what they are said to be, hiding hides and changes nothing, and a doctor gets the figures that he earned."
from types import SimpleNamespace
import pytest, torch
import ganlab.clinic as clinic
from ganlab.cases.bench import benches
from ganlab.cases.broken_data import Repeated, Stale, loaded
from ganlab.cases.case import Case, trained
from ganlab.cases.hiding import hidden
from ganlab.cases.recovery import copies, distance, measured
from ganlab.cases.roster import all_cases, chosen
from ganlab.cases.scoring import Result, confusions, early_causes, figures
from ganlab.data import ring_dls, tensor_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
from project import ROOT

CAUSES = set('''mode_collapse d_too_strong g_saturated d_too_weak lr_too_high_g lr_too_high_d lr_too_low lr_too_low_g critic_unconstrained penalty_too_large oscillation
    momentum_too_high memorisation dead_units vanishing_gradient exploding_gradient data_range_wrong reals_unnormalised data_shuffled_pixels channel_swapped augmentation_leak
    batch_duplicated data_stale batch_too_small g_detached d_frozen z_constant z_too_small bn_mismatch wrong_sign scores_squashed label_smoothing_wrong ema_stale
    noise_never_fades capacity_too_small_g capacity_too_small_d'''.split())
SICK = [c for c in all_cases() if c.cause]

def finding(cause, certainty='likely', change='ema', apply=lambda learn: learn):
    "As a doctor gives it"
    return SimpleNamespace(cause=cause, certainty=certainty, remedies=[SimpleNamespace(title='try it', change=change, apply=apply)])

def test_who_is_in_it():
    "57 sick over 30 causes and 17 healthy, names unlike, every cause known; and most causes in both halves"
    halves = {c: {o.half for o in SICK if o.cause == c} for c in {o.cause for o in SICK}}
    assert len(SICK) >= 57 and len(all_cases()) - len(SICK) >= 17 and len({c.name for c in all_cases()}) == len(all_cases())
    assert set(halves) <= CAUSES and len(halves) >= 30 and early_causes <= CAUSES
    assert sum(len(h) == 2 for h in halves.values()) >= 30 and {c.half for c in all_cases()} == {'calibration', 'scored'}
    assert not {c.seed for c in chosen('scored')} & {c.seed for c in chosen('calibration')}

@pytest.mark.parametrize('case', [c for c in all_cases() if c.on in ('ring', 'grid')], ids=lambda c: c.name.replace(' ', '-'))
@pytest.mark.part(4)
def test_it_begins(case):
    "Whatever is broken about it, a learner can be made of it, with its settings in sight and out of it (of images: slow, below)"
    for veiled in (False, True): assert case.learner(veiled=veiled).step == 0

@pytest.mark.parametrize('loss', ['non_saturating', 'hinge', 'wasserstein'])
def test_hidden_settings_do_the_same(loss):
    "The weights are those of the same settings in sight, and neither rates nor betas nor the loss can be read"
    how = dict(lr_g=.02, lr_d=.003, betas_g=(0., .9), betas_d=(.9, .95), loss=loss)
    def learner(how): return trained(GANLearner(ring_dls(n=300, bs=16), *mlp(width=8, depth=1, seed=0), seed=0, **how), 8)
    seen, veiled = learner(how), learner(hidden(how))
    for a, b in zip(seen.model.parameters(), veiled.model.parameters()): assert torch.allclose(a, b, atol=1e-5)
    for opt in (veiled.opt_g, veiled.opt_d):
        assert abs(opt.param_groups[0]['lr'] - .001) < 1e-6 and opt.param_groups[0]['betas'] == (.5, .999)
    assert veiled.loss_name not in (loss, 'Loss')

def test_a_hidden_rate_can_still_be_changed():
    "What a remedy multiplies the shown rate by, the true one is multiplied by"
    learn = GANLearner(ring_dls(n=300, bs=16), *mlp(width=8, depth=1, seed=0), seed=0, **hidden(dict(lr_g=.02, lr_d=.02)))
    for g in learn.opt_g.param_groups: g['lr'] = 0.
    before = [p.clone() for p in learn.G.parameters()]
    trained(learn, 3)
    assert all(torch.equal(a, b) for a, b in zip(before, learn.G.parameters()))

def test_distance_and_copies():
    g = torch.Generator().manual_seed(0)
    real, other = torch.randn(1000, 4, generator=g), torch.randn(1000, 4, generator=g)
    assert distance(real, other) < .1 and .7 < distance(torch.zeros(1000, 4), other) < 1.1 and distance(real*float('nan'), other) == float('inf')
    assert copies(real[:50], real, other) == 0 and .8 < copies(torch.randn(500, 4, generator=g), real, other) < 1.25

def test_broken_loaders():
    dls = ring_dls(n=300, bs=16)
    stale, repeated = loaded(dls, 0, Stale).train, loaded(dls, 0, Repeated, distinct=3).train
    assert torch.equal(stale.batch(0, stale.streams), stale.batch(7, stale.streams))
    assert len(repeated.batch(0, repeated.streams).unique(dim=0)) == 3 and not torch.equal(repeated.batch(0, repeated.streams), repeated.batch(1, repeated.streams))

SMALL = Case('slow', 'ring', 'lr_too_low', how=dict(lr_g=1e-7, lr_d=1e-7), steps=3)

def test_what_a_doctor_earns():
    "One who is right, one who is wrong and one who says nothing; a healthy training with a maybe is no alarm"
    well = Case('well', 'ring', steps=3)
    def score(f): return figures(clinic.clinic([SMALL, well], doctor=lambda learn: f(learn), hidden=False))
    right = score(lambda learn: [finding('lr_too_low')] if learn.made['lr_g'] < 1e-5 else [finding('oscillation', 'maybe')])
    assert right['recall'] == (1, 1) and right['precision'] == (1, 2) and right['alarms on healthy'] == (0, 1) and right['cures'] == (0, 1)
    wrong, silent = score(lambda learn: [finding('d_frozen')]), score(lambda learn: [])
    assert wrong['recall'] == (0, 1) and wrong['alarms on healthy'] == (1, 1)
    assert silent['recall'] == (0, 1) and silent['precision'] == (0, 0) and str(silent['precision']) == 'none tried'

def test_a_cure_is_measured(monkeypatch):
    "Healed is who is over the line after the remedy; a remedy that cannot be applied, or that changes code, heals nobody"
    def wreck(learn): raise ValueError('no')
    sound = SMALL.sound_twin()
    for remedy, healed in ((finding('x', apply=lambda learn: sound), True), (finding('x', apply=wreck), False), (finding('x', change=None), False)):
        monkeypatch.setattr(Case, 'healed', lambda self, learn, seed=None: learn is sound)
        assert clinic.treated(SMALL, SMALL.learner(), [remedy], 1) is healed
    assert clinic.treated(Case('w', 'ring'), None, [], 1) is None

def test_a_doctor_who_fails():
    "It is told, and a count of its own: no finding, no alarm, and no acquittal of a healthy one"
    with pytest.warns(UserWarning, match='the doctor failed: ZeroDivisionError'):
        r, well = (clinic.examine(c, 1, doctor=lambda learn: 1/0, hidden=False) for c in (SMALL, Case('well', 'ring', steps=3)))
    assert (r.said, r.healed) == ('crashed', False)
    found = figures([r, well])
    assert (found['crashes of the doctor'], found['recall'], found['precision'], found['alarms on healthy']) == ((2, 2), (0, 1), (0, 0), (0, 1))
    assert confusions([well]).endswith('| healthy | crashed | 1 |')

def test_the_early_look_is_at_another_training():
    "The doctor at the end has seen nothing before"
    seen = []
    clinic.examine(Case('z', 'ring', 'z_constant', steps=4), 1, doctor=lambda learn: seen.append((learn.step, id(learn))) or [], hidden=False)
    assert [s for s, _ in seen] == [4, 50] and seen[0][1] != seen[1][1]

def test_the_command(capsys, tmp_path, monkeypatch):
    assert clinic.main(['--list', '--half', 'both', '--only', 'mode_collapse']) == 0
    assert capsys.readouterr().out.count('mode_collapse') == sum(c.cause == 'mode_collapse' for c in SICK)
    with pytest.raises(ValueError, match='no case is called'): chosen(only=['nonsense'])
    monkeypatch.setattr(clinic, 'examine', lambda c, seed, doctor, **how: Result(c.name, c.half, seed, c.cause, c.cause))
    assert clinic.main(['--json', str(tmp_path/'r.json')]) == 0
    results = clinic.read(tmp_path/'r.json')
    assert '| recall | 1.00' in capsys.readouterr().out and len(results) == len(chosen('scored')) and results[0].seed == 101

def test_it_goes_on(tmp_path, monkeypatch):
    "Stopped half-way, it is taken up again; a file that is whole stays until another is; threads are as they were"
    cases, file, seen = chosen('scored')[:3], tmp_path/'r.json', []
    def examine(c, seed, doctor, **how):
        if len(seen) == 2: raise KeyboardInterrupt
        seen.append(c.name)
        return Result(c.name, c.half, seed, c.cause, f'{len(seen)}')
    monkeypatch.setattr(clinic, 'examine', examine)
    clinic.write([], file)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    with pytest.raises(KeyboardInterrupt): clinic.clinic(cases, keep=file)
    assert torch.get_num_threads() == threads + 1 and clinic.read(file) == []
    torch.set_num_threads(threads)
    seen.append(seen.pop(0)); seen.append('')
    results = clinic.clinic(cases, keep=str(file))
    assert [r.said for r in results] == ['1', '2', '4'] and clinic.read(file) == results and [p.name for p in tmp_path.iterdir()] == ['r.json']

def test_what_is_asked_wrongly(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(clinic, 'examine', lambda *a, **k: pytest.fail('examined'))
    (tmp_path/'other.json.part').write_text('[3]')
    for words, said in ((['--only', 'nonsense'], 'no case is called nonsense'), (['--seeds', '0'], '--seeds=0; need a whole number'),
                        (['--json', str(tmp_path)], 'is a folder'), (['--json', str(tmp_path/'other.json')], 'holds no results of a clinic')):
        assert clinic.main(words) == 2 and said in capsys.readouterr().err
    with pytest.raises(ValueError, match='seeds=-1'): clinic.clinic(seeds=-1)

def test_nobody_imports_it():
    "It costs nothing until it is asked for"
    for p in (ROOT/'ganlab').rglob('*.py'):
        if p.parent.name != 'cases' and p.name not in ('clinic.py', '_modidx.py'): assert 'cases.' not in p.read_text(encoding='utf-8').split('__all__')[0], p

@pytest.mark.slow
@pytest.mark.parametrize('case', all_cases(), ids=lambda c: c.name.replace(' ', '-'))
def test_it_is_what_it_is_said_to_be(case):
    "A broken case stays under its line, its twin gets over it; a healthy one gets over it"
    r = case.check()
    assert r['good'], r
