"Several processes train one GAN as one would: equal weights, equal hashes, one failure, one record."
import json, shutil, signal, subprocess, sys
import pytest, torch
from teams import alike, done, ended, environment, free_port, learner, started, trained
from ganlab.record.run import Run
from ganlab.trick import find_tricks

# Equal to one process

ALONE = dict(mlp=dict(net='mlp'), dcgan=dict(net='dcgan'), dcgan_bn=dict(net='dcgan_bn'), adam=dict(net='mlp', opt='adam'),
             simultaneous=dict(net='mlp', update='simultaneous', n_d=2))
PARAMS = dict(lecam=dict(start=0), ada=dict(every=1, start=.5, images=100), batch_size=dict(bs=32), unrolled=dict(steps=2), diffusion_noise=dict(every=1, start=.5, images=100),
              path_length=dict(every=1), replay_buffer=dict(size=40), consensus=dict(gamma=.1), instance_noise=dict(sigma=.5), approximate_r1=dict(lam=10),
              gradient_penalty=dict(gamma=1), dropout=dict(ramp=0), style=dict(width=8))
FORMS = {'gradient_penalty/dragan': dict(points='dragan', gamma=.1), 'gradient_penalty/interp': dict(points='interp', gamma=.1), 'gradient_penalty/both': dict(points='both', gamma=.1),
         'relativistic_gp/ra': dict(form='ra'), 'unrolled/sgd': dict(steps=2, inner='sgd'), 'unrolled/first': dict(steps=2, first_order=True),
         'feature_matching/all': dict(layer='all', mode='add'), 'packing/4': dict(m=4), 'dropout/maps': dict(maps=True), 'minibatch_stddev/8': dict(group=8)}
GAMES = {     # other games than the textbook's: data and networks, the trick, its values, and what else is on
    'labels': ('labels', None), 'by_switch': ('by_switch', None), 'scales': ('scales', None), 'ensemble': ('ensemble', None), 'upscaling': ('upscaling', None), 'series': ('series', None),
    'volumes': ('volumes', None), 'unpaired': ('unpaired', None), 'projection': ('by_switch', 'projection', {}, 'class_norm'), 'class_norm': ('by_switch', 'class_norm', {}, 'projection'),
    'auxiliary_classifier': ('by_switch', 'auxiliary_classifier', {}, 'class_norm'), 'd2d': ('by_switch', 'auxiliary_classifier', dict(form='d2d', dim=8), 'class_norm'),
    'label_dropout': ('by_switch', 'label_dropout', dict(p=.4), 'class_norm', 'auxiliary_classifier'), 'replay': ('labels', 'replay_buffer', dict(size=20)), 'noise': ('labels', 'instance_noise'),
    'reconstruction': ('upscaling', 'reconstruction'), 'ssim': ('upscaling', 'reconstruction', dict(distance='ssim')), 'adaptive_weight': ('upscaling', 'adaptive_weight', {}, 'reconstruction'),
    'pairs': ('upscaling', 'feature_matching', dict(compare='pairs', layer='all', mode='add')), 'identity': ('unpaired', 'identity'), 'cycle': ('unpaired', 'cycle'),
    'cycle_ra': ('unpaired', 'cycle', {}, ['relativistic_gp', dict(form='ra')]), 'patch_contrast': ('unpaired', 'patch_contrast', dict(places=9)), 'unet_consistency': ('pixels', 'unet_consistency'),
    'top_k': ('patches', 'top_k'), 'label_flip': ('patches', 'label_flip', dict(p=.3)), 'ra': ('patches', 'relativistic_gp', dict(form='ra')), 'packing': ('series', 'packing'),
    'stddev': ('volumes', 'minibatch_stddev', dict(group=6)), 'style': ('series', 'style', dict(width=8))}
IMAGES = 'virtual_batch_norm self_attention diffaugment ada blur'.split()      # what a 2-D cloud has no use for
IN_BOTH = {'replay_buffer', 'instance_noise', 'feature_matching', 'top_k', 'label_flip', 'relativistic_gp', 'packing', 'minibatch_stddev', 'style'}      # of these, what the plain networks have, too
PROVEN = [t.name for t in find_tricks() if t().ranks is True]

def all_cases(net):
    "Each trick that a team takes, on and off in mid-training"
    when = dict(steps=50, at=10, off=30)
    for name in [*PROVEN, *FORMS]:
        trick = name.split('/')[0]
        if trick in {g[1] for g in GAMES.values()} - IN_BOTH or trick in IMAGES and net == 'mlp' or trick == 'batch_norm' and net == 'dcgan': continue
        yield f'{net}/{name}', dict(net=net, trick=trick, params=PARAMS.get(name, FORMS.get(name)), **when) | (dict(opt='adam') if trick == 'betas' else {})

def game_case(net, trick, params={}, *others):
    case = dict(net=net, steps=16, others=[o if isinstance(o, list) else [o, {}] for o in others])
    return case | dict(trick=trick, params=params, at=3, off=10) if trick else case

def far(a, b):
    assert len(a) == len(b)
    return max(abs(x - y) for x, y in zip(a, b))

def near(a, b):
    "Equal numbers of a record in float32, but for rounding"
    return len(a) == len(b) and all(abs(x - y) <= 1e-6*max(1, abs(x)) for x, y in zip(a, b))

def must_equal(ranks, one, name):
    "All ranks stand at one place, and it is that of one process"
    got = alike(ranks, name)
    assert 'error' not in got and not got.get('refused'), (name, got.get('error'), got.get('refused'))
    assert far(got['weights'], one[name]['weights']) <= 1e-9, name
    assert near(got['d_loss'], one[name]['d_loss']) and near(got['g_norm'], one[name]['g_norm']), name
    assert got.get('log') == one[name].get('log'), name

PICKED = ('instance_noise gradient_penalty/dragan minibatch_stddev path_length replay_buffer lecam consensus unrolled relativistic_gp/ra top_k batch_size dropout '
          'packing checkpointing').split()
IN_GAMES = 'label_dropout d2d adaptive_weight cycle_ra unet_consistency'.split()
EQUAL = {k: game_case(*GAMES[k]) for k in IN_GAMES} | ALONE | {k: c for k, c in all_cases('mlp') if k.split('/', 1)[1] in PICKED} | {k: c for k, c in all_cases('dcgan') if k.split('/', 1)[1] == 'checkpointing'}
SCENES = {k: dict(do=k) for k in 'live_switches raises nan callback_fails paused refused sent'.split()} | dict(begun=dict(do='begun', run='two', steps=10))
SCENES |= {k: dict(do=k, run=k) for k in 'rewound_by_mail rewound_by_thread tried tried_by_mail damaged by_hand called_back resumed_before'.split()}
SCENES['travels'] = dict(do='travels', run='travels', opt='adam')
SCENES['travels_grown'] = dict(do='travels', run='travels_grown', net='dcgan_bn', trick='spectral_norm')

@pytest.fixture(scope='module')
def pair(tmp_path_factory):
    "What two processes give for many cases and scenes, started once, and the folder that they worked in"
    where = tmp_path_factory.mktemp('pair')
    return trained(2, EQUAL | SCENES, where), where

@pytest.fixture
def scenes(pair): return pair[0]

def test_equal(scenes):
    "Plain steps, and a few tricks of each kind, of two processes against one"
    for name, case in EQUAL.items(): must_equal(scenes, {name: done(case)}, name)

@pytest.mark.slow
def test_every_game_equal(tmp_path):
    "Labels, pairs, unpaired sets, maps of scores, series and volumes, and the tricks that need them"
    cases = {k: game_case(*g) for k, g in GAMES.items()}
    ranks = trained(2, cases, tmp_path)
    for name, case in cases.items(): must_equal(ranks, {name: done(case)}, name)

@pytest.mark.slow
@pytest.mark.parametrize('n', [2, 4])
@pytest.mark.parametrize('net', ['mlp', 'dcgan'])
def test_every_trick_equal(n, net, tmp_path):
    "All tricks that a team takes, on and off in mid-training"
    cases = {k: c for k, c in ALONE.items() if net in k} | dict(all_cases(net))
    ranks = trained(n, cases, tmp_path)
    for name, case in cases.items(): must_equal(ranks, {name: done(case)}, name)

# Standing alike

def test_live_switches(scenes):
    "Forty switches that rank 0 is asked for: one hash on all ranks, and the same again in a fork, a resumed run and a rerun"
    got = alike(scenes, 'live_switches')
    assert len(got['log']) == 40 and got['step'] >= 39
    assert got['went_on'] == got['forked'] == got['resumed'] == got['rerun'] != got['hash']

@pytest.mark.parametrize('scene, said', [('raises', 'ValueError in step 8, in the networks or the loss: a bad row (rank 1 of 2)'), ('nan', "D's loss became NaN in step 8."),
                                         ('callback_fails', 'of a callback (rank 0 of 2)')])
def test_failure(scenes, scene, said):
    "A failure of one rank is that of all, at one step, and they go on as if nothing had been"
    got = alike(scenes, scene)
    assert said in got['said'] and (got['step'], got['at']) == (8, 7)
    assert (got['hash'], got['later']) == tuple(scenes[0]['raises'][k] for k in ('hash', 'later'))

def test_paused(scenes):
    "While rank 0 is paused the others wait; a switch and half a step that it was asked for meanwhile are done by all"
    got = alike(scenes, 'paused')
    (on, *_), (half, *phase) = got['log']
    assert half == on + 1 and phase == ['phase', 'd'] and got['step'] == on + 7

def test_refused(scenes):
    "What a team does not do, it refuses with a sentence"
    got = alike(scenes, 'refused')
    for name, said in dict(divide='choose 14 or 16', own='has not been shown', batch_size='cannot share 15 samples', draws='randn_like',
                           compares='D compares the samples of a batch', alone='rank 1 does not stand where rank 0 does').items(): assert said in got[name]
    assert {t.name for t in find_tricks()} == set(PROVEN)

def test_sent(scenes):
    "Three sums a step for plain networks: D's gradient, G's, and the numbers of the step"
    assert [r['sent']['sums'] for r in scenes] == [3, 3]

# Going back

def stands_as(got, want):
    "Two places: the weights of two processes and those of one"
    assert got['step'] == want['step'] and far(got['weights'], want['weights']) <= 1e-9
    assert near(got['d_loss'], want['d_loss']) and near(got['g_norm'], want['g_norm'])

@pytest.fixture
def alone(tmp_path, monkeypatch):
    "What one process gives for a scene"
    monkeypatch.chdir(tmp_path)
    return lambda name: done(dict(SCENES[name]))

@pytest.mark.parametrize('scene', ['travels', 'travels_grown'])
def test_travels(scenes, alone, scene):
    "Back to a step between two snapshots, and on; undone twice; a fork: on all ranks the same bits, and those that were recorded"
    got, one = alike(scenes, scene), alone(scene)
    for name in ('first', 'then', 'again', 'forked'):
        for a, b in zip(got[name], one[name], strict=True): stands_as(a, b)
    assert got['again'] == got['forked'] == got['then']
    without_ema, on, before, log = got['undone']
    assert not on and without_ema['step'] == 16 and before == got['first'][0] and log == []
    stands_as(without_ema, one['undone'][0])
    assert got['kept'] == got['recorded'] and 0 < got['kept'][0] < 13

def test_rewound_by_mail(scenes, alone):
    "Rank 0 is asked from outside while all train, and all go back"
    got = alike([{'mail': {k: v for k, v in r['rewound_by_mail'].items() if k != 'said'}} for r in scenes], 'mail')
    assert got['after'] == got['before'][1] and got['snapshots'] == [12]
    held, *said = scenes[0]['rewound_by_mail']['said']
    assert held.startswith('Held at step') and said == ['Went back to step 12.', 'Snapshot of step 12 kept.', 'Goes on from step 12.']
    stands_as(got['after'], alone('rewound_by_mail')['after'])

def test_rewound_by_thread(scenes):
    "Another thread of rank 0 goes back, and undoes a switch; a fork is for all of them to make"
    got = [r['rewound_by_thread'] for r in scenes]
    assert got[0]['hash'] == got[0]['plain'] == got[1]['hash'] == got[1]['plain']
    back, undone, fork = got[0]['said']
    assert back == undone == [] and 'a fork is trained by all processes of the team' in fork

def test_tried(scenes, alone):
    "A trial that is taken back, one that stays, and one that fails"
    got, one = alike(scenes, 'tried'), alone('tried')
    assert got['bad'].startswith('TTUR was taken back at step 20: ') and "Rots was taken back at step 30: D's loss became NaN in step 31." in got['rots']
    assert got['good'] == 'LeCam stays' and got['log'] == [] and got['on_trial'] == 0
    assert [s.split(' at ')[0] for s in got['trials']] == ['TTUR was taken back', 'LeCam stays', 'Rots was taken back'] and got['trials'] == one['trials']
    for name in ('before', 'back', 'stays', 'healed'): stands_as(got[name], one[name])

def test_tried_by_mail(scenes):
    "Rank 0 is asked for trials from outside, judges them, and all do as it says"
    got = alike([{'tried': {k: v for k, v in r['tried_by_mail'].items() if k != 'answers'}} for r in scenes], 'tried')
    bad, good = scenes[0]['tried_by_mail']['answers']
    assert 'TTUR was taken back at step' in bad and 'stays: sliced_wasserstein' in good and got['said'][0] in good and got['log'] == ['ema'] and got['on_trial'] == 0

def test_damaged(scenes):
    "A damaged snapshot costs time; where none is whole, or a rank fails on the way, all have the same error and stand as they stood"
    got = alike(scenes, 'damaged')
    assert len(got['told']) == 1 and 'is damaged' in got['told'][0] and got['back'] == got['was'] and got['later'] == got['would']
    assert 'a bad row (rank 1 of 2)' in got['failed'] and got['stands']['hash'] == got['would'] == got['still']['hash'] and got['stands'] == got['still']
    assert 'no whole snapshot up to step 34' in got['none'] and 'no change to undo' in got['nothing'] and 'locked: not now' in got['locked']

def test_by_hand(scenes):
    "What was set by hand is put back by all; where rank 0 alone cannot read it any more, no rank is left in a step, and no gradient of that step is left behind"
    got = alike(scenes, 'by_hand')
    assert got['now'] == got['was'] and 'is damaged' in got['failed'] and '(rank 0 of 2)' in got['failed']
    assert got['late'] == 'after the last step (rank 1 of 2)' and got['stands'] == got['still'] == got['was'][1] and got['before'] == got['first']

def test_called_back(scenes):
    "From a callback, and what is refused to whoever asks from outside leaves all where they are"
    got = alike([{'back': {k: v for k, v in r['called_back'].items() if k != 'said'}} for r in scenes], 'back')
    assert got['seen'] == [20, 12] and got['step'] == 22 and got['hash'] == got['plain'] == got['again']
    undo, lock, back, unlock = scenes[0]['called_back']['said']
    assert 'no change to undo' in undo and 'locked: not now' in back and lock is unlock is None

def test_resumed_before(scenes):
    "A run goes on from a step before its last one, bit for bit"
    got = alike(scenes, 'resumed_before')
    assert got['now'] == got['was']

# Ending

def test_death(tmp_path):
    "A rank that dies is named, and costs no step that was completed"
    first, second = ended(started(2, 'import sys, teams; teams.dying(sys.argv[1])', tmp_path/'a'), timeout=90)
    assert second[0] == -signal.SIGKILL and first[0] == 0, first[2]
    got = json.loads(first[1])
    assert 'rank 1 is gone' in got['said'] and got['step'] == 13
    with Run.open(tmp_path/'a') as run: assert run.step == 12

@pytest.mark.slow
def test_death_on_the_way_back(tmp_path):
    "A rank dies while steps are computed again: it is named, and the record and the other rank stand where they stood"
    first, second = ended(started(2, 'import sys, teams; teams.dying_on_the_way_back(sys.argv[1])', tmp_path/'a'), timeout=90)
    assert second[0] == -signal.SIGKILL and first[0] == 0, first[2]
    got = json.loads(first[1])
    assert 'rank 1 is gone. What is recorded is as it was' in got['said'] and got['same'] and got['took'] < 20
    with Run.open(tmp_path/'a') as run: assert run.step == 30 and run.branches() == []

@pytest.mark.slow
@pytest.mark.parametrize('number, how', [(signal.SIGINT, 'interrupted'), (signal.SIGTERM, 'ended 143')])
def test_told_to_end(tmp_path, number, how):
    "One process is told to end, and all end at the same step"
    ranks = started(2, 'import signal, sys, teams; signal.signal(signal.SIGINT, signal.default_int_handler); teams.interrupted(sys.argv[1])', tmp_path/'a')
    assert ranks[1].stdout.readline() == 'at 20\n'
    ranks[1].send_signal(number)
    (_, one, err), (_, other, _) = ended(ranks, timeout=90)
    one, other = (json.loads(o.splitlines()[-1]) for o in (one, other))
    assert other['how'] == how and one['how'] == 'interrupted', err
    assert (one['step'], one['hash']) == (other['step'], other['hash']) and one['step'] >= 20

def test_other_numbers(pair, tmp_path):
    "A run goes on with another number of processes, here with one: it says that the bits are others, and they are so by rounding alone"
    shutil.copytree(pair[1]/'two', tmp_path/'two')
    one, whole = done(dict(do='begun', run=str(tmp_path/'two'), steps=20)), done(dict(do='begun', run=str(tmp_path/'one'), steps=20))
    assert one['step'] == 20 and far(one['weights'], whole['weights']) < 1e-5
    assert any('trained by 2 processes, this is with one process' in said for said in one['said'])

@pytest.mark.slow
def test_more(pair, tmp_path):
    "And with four"
    shutil.copytree(pair[1]/'two', tmp_path/'two')
    four = trained(4, dict(more=dict(do='begun', run='two', steps=20)), tmp_path)
    got, whole = alike(four, 'more'), done(dict(do='begun', run=str(tmp_path/'one'), steps=20))
    assert got['step'] == 20 and far(got['weights'], whole['weights']) < 1e-5

# Starting

def test_distrib_ctx(monkeypatch):
    "fastai's word: nothing is put around the networks; a learner that was told to stay alone does not pass for a team"
    learn = learner(double=False, team=None)
    with learn.distrib_ctx(sync_bn=True) as same: assert same is learn and type(learn.G) is not torch.nn.parallel.DistributedDataParallel
    for k, v in dict(RANK='0', WORLD_SIZE='2', MASTER_ADDR='a', MASTER_PORT='1').items(): monkeypatch.setenv(k, v)
    with pytest.raises(ValueError, match='team=None'), learn.distrib_ctx(): pass

def torchrun(run, steps):
    "The command, with two processes"
    env = {k: v for k, v in environment(0, 1, 0).items() if k not in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')}
    start = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2', '--master-port', str(free_port()), '-m', '--']
    done = subprocess.run([*start, 'ganlab', 'train', '--data', 'ring', '--bs', '32', '--run', str(run), '--steps', str(steps)], env=env, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout

def test_torchrun(tmp_path):
    "`torchrun -m -- ganlab train` begins a run, of which rank 0 alone speaks"
    assert torchrun(tmp_path/'a', 5).count('5 steps, hash') == 1
    with Run.open(tmp_path/'a') as run: assert run.step == 5 and run.facts['ranks'] == 2

@pytest.mark.slow
def test_torchrun_again(tmp_path):
    "The same line goes on with it"
    torchrun(tmp_path/'a', 5)
    assert 'going on from step 5' in torchrun(tmp_path/'a', 8)
    with Run.open(tmp_path/'a') as run: assert run.step == 8
