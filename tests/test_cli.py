"The command `ganlab`: what a person types, and what comes of it."
import importlib.util, os, sqlite3, sys
import numpy as np, pytest
from PIL import Image
from ganlab.cli import main
from ganlab.data import as_bytes, tensor_dls
from ganlab.nets import dcgan
from ganlab.page.document import read_page
from ganlab.record.store import pack
from ganlab.record.run import Run
from games import labelled, labels

def said(capsys, *args):
    "Exit status, and what was printed to either side"
    status = main(list(map(str, args)))
    out = capsys.readouterr()
    return status, out.out, out.err

@pytest.fixture
def folder(tmp_path):
    "Small pictures in a folder"
    g = np.random.default_rng(0)
    (tmp_path/'images').mkdir()
    for i in range(30): Image.fromarray(g.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(tmp_path/'images'/f'{i}.png')
    return tmp_path/'images'

def test_images(tmp_path, capsys, folder):
    "Train on a folder, with a trick; go on; look; sample; repeat"
    run = tmp_path/'a'
    train = 'train', '--run', run, '--data', folder, '--size', 16, '--bs', 8, '--width', 4
    status, out, _ = said(capsys, *train, '--steps', 6, '--trick', 'ema', '--trick', 'ttur:lr_d=1e-4')
    assert status == 0 and '6 steps' in out
    status, out, _ = said(capsys, *train, '--steps', 9)
    assert status == 0 and 'going on from step 6' in out and Run.open(run).step == 9
    status, out, _ = said(capsys, 'show', run, '--png', tmp_path/'last.png')
    assert status == 0 and 'TTUR on at step 0: lr_d 0.0001' in out.replace('1e-4', '0.0001') and Image.open(tmp_path/'last.png').size[0] > 16
    status, _, err = said(capsys, 'sample', run, '-n', 12, '-o', tmp_path/'out')
    assert status == 2 and f'--data {folder}' in err      # a run's folder does not open others
    status, out, _ = said(capsys, 'sample', run, '-n', 12, '-o', tmp_path/'out', '--data', folder)
    assert status == 0 and len(list((tmp_path/'out').glob('*.png'))) == 12
    status, out, _ = said(capsys, 'replay', run, '--data', folder)
    assert status == 0 and 'bit for bit' in out

def test_networks_of_ones_own(tmp_path, capsys, monkeypatch):
    (tmp_path/'mine.py').write_text('from torch import nn\ndef make(): return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)), nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))\n')
    monkeypatch.chdir(tmp_path)
    assert said(capsys, 'train', '--run', 'a', '--data', 'ring', '--nets', 'mine:make', '--steps', 5)[0] == 0
    status, _, err = said(capsys, 'replay', 'a')
    assert status == 2 and '--nets' in err
    assert said(capsys, 'replay', 'a', '--nets', 'mine:make')[0] == 0
    status, _, err = said(capsys, 'replay', 'a', '--nets', 'nowhere:make')
    assert status == 2 and 'nowhere' in err

def test_a_run_that_was_changed_is_found_out(tmp_path, capsys):
    assert said(capsys, 'train', '--run', tmp_path/'a', '--data', 'ring', '--bs', 16, '--steps', 8, '--trick', 'instance_noise')[0] == 0
    with sqlite3.connect(tmp_path/'a'/'run.sqlite') as db: db.execute("update changes set params=? where name='instance_noise'", (pack(dict(sigma=.5)),))
    db.close()
    status, out, _ = said(capsys, 'replay', tmp_path/'a')
    assert status == 1 and 'NOT the same' in out

@pytest.mark.parametrize('made_by', [('os.system', dict(command='true')), ('__import__', dict(name='os')), ('nn', {}), ('given_nets', dict(text='os:getcwd'))])
def test_a_folder_calls_nothing_but_ganlabs_own(tmp_path, capsys, made_by):
    assert said(capsys, 'train', '--run', tmp_path/'a', '--data', 'ring', '--bs', 16, '--steps', 2)[0] == 0
    with sqlite3.connect(tmp_path/'a'/'run.sqlite') as db: db.execute("update meta set value=? where key='nets'", (pack(dict(G=dict(made_by=made_by, kind='x', weights=1), D=dict(made_by=made_by, kind='x', weights=1))),))
    db.close()
    status, _, err = said(capsys, 'sample', tmp_path/'a')
    assert status == 2 and 'may not call' in err

@pytest.mark.parametrize('args,word', [(('train', '--run', 'x', '--steps', '3', '--data', 'nowhere'), 'folder of images'), (('train', '--run', 'x', '--steps', '3', '--preset', 'no'), 'dcgan'),
                                       (('train', '--run', 'x', '--steps', '3', '--trick', 'no_such'), 'no_such'), (('show', 'x'), 'holds no run'), (('replay', 'x'), 'holds no run')])
def test_mistakes(tmp_path, capsys, monkeypatch, args, word):
    monkeypatch.chdir(tmp_path)
    status, _, err = said(capsys, *args)
    assert status == 2 and word in err and err.startswith('ganlab: ') and err.count('\n') == 1

def test_export(tmp_path, capsys, folder):
    "A page of a run; with reals where the data is ganlab's own, or named"
    assert said(capsys, 'train', '--run', tmp_path/'a', '--data', 'ring', '--bs', 16, '--steps', 6, '--trick', 'instance_noise')[0] == 0
    status, out, _ = said(capsys, 'export', tmp_path/'a', tmp_path/'new'/'a.html', '--title', 'A <b>title</b>')
    story, _ = read_page((tmp_path/'new'/'a.html').read_text())
    assert status == 0 and 'a.html: 0.' in out and story['title'] == 'A <b>title</b>' and story['real'] and [c['who'] for c in story['log']] == ['Instance noise']
    assert said(capsys, 'train', '--run', tmp_path/'b', '--data', folder, '--size', 16, '--bs', 8, '--width', 4, '--steps', 2)[0] == 0
    assert said(capsys, 'export', tmp_path/'b', tmp_path/'b.html')[0] == 0 and 'real' not in read_page((tmp_path/'b.html').read_text())[0]
    assert said(capsys, 'export', tmp_path/'b', tmp_path/'b.html', '--data', folder, '--force')[0] == 0 and 'real' in read_page((tmp_path/'b.html').read_text())[0]
    for args, word in (((tmp_path/'no', 'x.html'), 'holds no run'), ((tmp_path/'a', 'x.html', '--max-mb', .01), 'too little'), ((tmp_path/'a', tmp_path), 'is a folder')):
        status, _, err = said(capsys, 'export', *args)
        assert status == 2 and word in err and err.count('\n') == 1

@pytest.fixture
def execd(monkeypatch):
    "What would have been started"
    calls = []
    monkeypatch.setattr(os, 'execv', lambda *args: calls.append(args))
    return calls

def test_lab(tmp_path, capsys, monkeypatch, execd):
    "JupyterLab on a copy of the quickstart; root and a missing display are seen to"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'platform', 'linux')
    monkeypatch.setattr(os, 'geteuid', lambda: 0)
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'): monkeypatch.delenv(name, raising=False)
    status, out, _ = said(capsys, 'lab', '--', '--port', '9999')
    assert status == 0 and 'quickstart.ipynb' in out
    assert execd == [(sys.executable, [sys.executable, '-m', 'jupyterlab', '--LabApp.default_url=/lab/tree/quickstart.ipynb', '--allow-root', '--no-browser', '--port', '9999'])]
    monkeypatch.setenv('DISPLAY', ':0')
    monkeypatch.setattr(os, 'geteuid', lambda: 1000)
    said(capsys, 'lab')
    assert execd[-1][1][3:] == ['--LabApp.default_url=/lab/tree/quickstart.ipynb']

def test_lab_overwrites_nothing(tmp_path, capsys, monkeypatch, execd):
    monkeypatch.chdir(tmp_path)
    assert said(capsys, 'lab')[0] == 0
    mine = tmp_path/'quickstart.ipynb'
    import nbformat      # here, since it takes two seconds
    assert nbformat.reads(mine.read_text(), 4).cells[0].source.startswith('# Quickstart')
    mine.write_text('mine')
    assert said(capsys, 'lab')[0] == 0 and mine.read_text() == 'mine' and len(list(tmp_path.iterdir())) == 1
    assert said(capsys, 'lab', '--fresh')[0] == 0 and said(capsys, 'lab', '--fresh')[0] == 0
    assert mine.read_text() == 'mine' and sorted(p.name for p in tmp_path.iterdir()) == ['quickstart-2.ipynb', 'quickstart-3.ipynb', 'quickstart.ipynb']
    assert execd[-1][1][3] == '--LabApp.default_url=/lab/tree/quickstart-3.ipynb'

def test_lab_without_jupyterlab(tmp_path, capsys, monkeypatch, execd):
    monkeypatch.chdir(tmp_path)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name, *a: None if name == 'jupyterlab' else find(name, *a))
    status, _, err = said(capsys, 'lab')
    assert status == 2 and "pip install 'ganlab[lab]'" in err and err.count('\n') == 1 and not execd and not list(tmp_path.iterdir())

# Going on with a run as it was made

TOY = 'train', '--data', 'ring', '--bs', 16, '--width', 8

@pytest.mark.parametrize('more,words', [(('--seed', 7), ('--seed 3, not 7',)), (('--lr-d', '1e-3', '--bs', 32), ('--lr-d 0.0002, not 0.001', '--bs 16, not 32')), (('--preset', 'wgan'), ('--preset none, not wgan',)),
                                        (('--loss', 'hinge'), ('--loss non_saturating, not hinge',)), (('--width', 16), ('--width 8, not 16',)), (('--data', 'digits'), ('--data ring, not digits',)),
                                        (('--size', 16), ('--size none, not 16',)), (('--lr-g', 1), ('--lr-g 0.0002, not 1.0',))])
@pytest.mark.part(2)
def test_a_run_goes_on_as_it_was_made(tmp_path, capsys, more, words):
    run = tmp_path/'a'
    assert said(capsys, *TOY, '--run', run, '--seed', 3, '--steps', 2)[0] == 0
    status, _, err = said(capsys, 'train', '--run', run, '--steps', 4, *more)
    assert status == 2 and all(w in err for w in words) and err.count('\n') == 1 and Run.open(run).step == 2
    assert said(capsys, *TOY, '--run', run, '--seed', 3, '--lr-d', '2e-4', '--steps', 4)[0] == 0 and Run.open(run).step == 4

def test_a_recipe_goes_on_as_it_was_made(tmp_path, capsys, folder):
    "Its name is kept; a folder of images is not another set, and one of ganlab's is"
    made = 'train', '--run', tmp_path/'a', '--data', folder, '--preset', 'dcgan', '--size', 16, '--bs', 4, '--width', 4
    assert said(capsys, *made, '--steps', 2)[0] == 0 and Run.open(tmp_path/'a').facts['nets']['G']['made_by'][1]['width'] == 4
    status, out, _ = said(capsys, *made, '--steps', 3)
    assert status == 0 and Run.open(tmp_path/'a').step == 3 and ' on at ' not in out
    for more, word in ((('--preset', 'sngan'), '--preset dcgan, not sngan'), (('--data', 'photos'), ', not photos')):
        status, _, err = said(capsys, *made, '--steps', 4, *more)
        assert status == 2 and word in err and err.count('\n') == 1

@pytest.mark.parametrize('more,word', [(('--preset', 'wgan_gp_toy', '--lr-g', '1e-3'), 'leave --lr-g out'), (('--nets', 'mine:make'), 'leave --width out'), (('--size', 16), 'leave --size out'), (('--trick', 'emma'), "Did you mean 'ema'?"),
                                       (('--trick', 'ttur:lr_d'), 'need ttur:lr_d=VALUE'), (('--trick', 'ttur:lr_d=x'), 'need a number'), (('--trick', 'ttur:lr=1'), 'it has: lr_d, lr_g'), (('--preset', 'wgann'), 'need one of'),
                                       (('--loss', 'wasserstein', '--trick', 'label_smoothing'), 'Not turned on'), (('--loss', 'none'), 'loss'), (('--steps', -1), 'need a whole number'), (('--bs', 0), 'bs')])
def test_a_mistake_leaves_no_folder(tmp_path, capsys, more, word):
    status, _, err = said(capsys, *TOY, '--run', tmp_path/'a', '--steps', 3, *more)
    assert status == 2 and word in err and err.count('\n') == 1 and not (tmp_path/'a').exists()

def test_the_same_command_again_switches_nothing(tmp_path, capsys):
    run, sentences = tmp_path/'a', lambda: [c.sentence for c in Run.open(tmp_path/'a').changes]
    made = *TOY, '--run', run, '--trick', 'instance_noise:sigma=.2', '--trick', 'ema'
    assert said(capsys, *made, '--steps', 3)[0] == 0
    first = sentences()
    assert len(first) == 2
    for steps in (5, 5, 2): assert said(capsys, *made, '--steps', steps)[0] == 0 and sentences() == first and Run.open(run).step == (3, 5)[steps > 1]
    assert said(capsys, *made, '--trick', 'ttur', '--steps', 5)[0] == 0 and sentences() == first      # no step is left
    status, out, _ = said(capsys, 'train', '--run', run, '--steps', 7, '--trick', 'instance_noise:sigma=.1', '--trick', 'ttur')
    assert status == 0 and len(sentences()) == 4 and all(s in out for s in sentences()[2:]) and 'at step 5' in sentences()[-1]

# What ends it

def test_a_step_that_fails(tmp_path, capsys):
    run = tmp_path/'a'
    status, out, err = said(capsys, *TOY, '--run', run, '--lr-g', '1e30', '--steps', 30)
    at = Run.open(run).step
    assert status == 2 and at < 30 and err.count('\n') == 1 and f'in step {at + 1}' in err and f'stands at step {at}' in err and 'Nothing that was recorded is lost' in err and 'grad_clip' in err
    assert out == '' or out.endswith('\n')
    assert said(capsys, 'show', run, '--png', '')[0] == 0

def test_ctrl_c(tmp_path, capsys, monkeypatch):
    from ganlab.learner import GANLearner
    fit = GANLearner.fit_steps
    def interrupted(self, n, **kw):
        fit(self, 2, progress=False)
        raise KeyboardInterrupt
    with monkeypatch.context() as m:
        m.setattr(GANLearner, 'fit_steps', interrupted)
        status, out, err = said(capsys, *TOY, '--run', tmp_path/'a', '--steps', 9)
        assert status == 130 and '\nstopped at step 2;' in out and not err
        m.setattr('ganlab.commands.train.make_data', lambda *args, **kw: (_ for _ in ()).throw(KeyboardInterrupt))
        status, _, err = said(capsys, *TOY, '--run', tmp_path/'b', '--steps', 9)
        assert status == 130 and err == '\nganlab: stopped\n'
    assert said(capsys, *TOY, '--run', tmp_path/'a', '--steps', 3)[0] == 0 and Run.open(tmp_path/'a').step == 3

# What is written where

def test_pictures_of_show(tmp_path, capsys, monkeypatch):
    "Named after the run; nothing is written over unasked"
    assert said(capsys, *TOY, '--run', tmp_path/'runs'/'a', '--steps', 3)[0] == 0
    monkeypatch.chdir(tmp_path)
    status, out, _ = said(capsys, 'show', 'runs/a')
    mine = tmp_path/'a-step-3.png'
    assert status == 0 and mine.name in out and Image.open(mine).size[0] > 16
    mine.write_text('mine')
    status, out, _ = said(capsys, 'show', 'runs/a')
    assert status == 0 and 'is there already' in out and mine.read_text() == 'mine'
    assert said(capsys, 'show', 'runs/a', '--png', mine, '--force')[0] == 0 and Image.open(mine).size[0] > 16
    assert said(capsys, 'show', 'runs/a', '--png', 'nodir/x.png')[0] == 0 and (tmp_path/'nodir'/'x.png').is_file()
    assert said(capsys, 'show', 'runs/a', '--png', '')[0] == 0 and {p.name for p in tmp_path.iterdir()} == {'runs', 'nodir', mine.name}
    for option in ('--data', '--nets'):
        with pytest.raises(SystemExit): main(['show', 'runs/a', option, 'nonsense'])

def test_mistakes_of_where(tmp_path, capsys, monkeypatch):
    assert said(capsys, *TOY, '--run', tmp_path/'a', '--steps', 3)[0] == 0
    monkeypatch.chdir(tmp_path)
    (tmp_path/'h.py').write_text('mine')
    for args, word in ((('sample', 'a', '-n', -4), 'need a whole number >= 1'), (('sample', 'a', '-n', 0), 'need a whole number >= 1'), (('sample', 'a', '-o', 'h.py'), 'is a file'), (('sample', 'a', '-o', 'h.py/x'), 'h.py'),
                       (('show', 'a', '--png', 'a'), 'is a folder'), (('show', 'a', '--png', 'h.py/x.png'), 'h.py'), (('show', 'a', '--png', 'x.nopng'), 'nopng'), (('export', 'a', 'h.py/x.html'), 'h.py')):
        status, _, err = said(capsys, *args)
        assert status == 2 and word in err and err.startswith('ganlab: ') and err.count('\n') == 1
    assert {p.name for p in tmp_path.iterdir()} == {'a', 'h.py'} and (tmp_path/'h.py').read_text() == 'mine'

# What is one's own

OWN = '''
import torch
from ganlab.trick import Trick
class Drift(Trick):
    "Keeps D's scores near zero"
    name, title, number = 'drift', 'Drift', 2001
    def d_term(self, ctx): return .1*ctx.l_real.square().mean()
def make_opt(ps, lr): return torch.optim.Adam(ps, lr=lr, betas=(.5, .9))
class Loss:
    name = 'mine'
    def d_loss(self, real, fake): return (fake - real).mean()
    def g_loss(self, fake, real): return -fake.mean()
'''

def test_a_run_with_things_of_ones_own(tmp_path, capsys, monkeypatch):
    "The line to type is told, with all that is missing; with it, the run is sampled, replayed and gone on with"
    monkeypatch.chdir(tmp_path); monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path]); monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    (tmp_path/'own_things.py').write_text(OWN)
    import own_things as own
    from ganlab.data import ring_dls
    from ganlab.learner import GANLearner
    from ganlab.nets import mlp
    learn = GANLearner(ring_dls(n=500, bs=16), *mlp(width=8, depth=1, seed=0), seed=0, run='a', loss=own.Loss(), opt=own.make_opt, tricks=[own.Drift])
    learn.fit_steps(3, progress=False)
    learn.run.close()
    given = '--own', 'loss', 'own_things:Loss', '--own', 'opt', 'own_things:make_opt', '--own', 'trick', 'own_things:Drift'
    for args in (('sample', 'a', '-n', '3'), ('replay', 'a'), ('train', '--run', 'a', '--steps', '5')):
        status, _, err = said(capsys, *args)
        asked = ' '.join(('ganlab', *args, *'--own loss MODULE:NAME --own opt MODULE:NAME --own trick MODULE:NAME'.split()))
        assert status == 2 and asked in err and 'a trick (drift)' in err and err.count('\n') == 1
        status, out, err = said(capsys, *args, *given)
        assert status == 0 and not err
    assert Run.open('a').step == 5 and len((tmp_path/'samples'/'samples.csv').read_text().split()) == 3
    for wrong, word in ((('opt', 'own_things:nope'), 'has no nope'), (('loss', 'own_things:make_opt'), 'need a loss'), (('trick', 'own_things:Loss'), 'need a trick'), (('lr', 'own_things:Loss'), 'need one of')):
        status, _, err = said(capsys, 'replay', 'a', '--own', *wrong)
        assert status == 2 and word in err and err.count('\n') == 1
    status, _, err = said(capsys, 'train', '--run', 'b', '--data', 'ring', '--steps', 2, *given)
    assert status == 2 and 'begin it in Python' in err and not (tmp_path/'b').exists()
    sys.modules.pop('own_things')

def test_the_line_to_type(tmp_path, capsys, monkeypatch, folder):
    "Of data and networks that a run's folder cannot make again"
    monkeypatch.chdir(tmp_path)
    assert said(capsys, 'train', '--run', 'a', '--data', folder, '--size', 16, '--bs', 8, '--width', 4, '--steps', 2)[0] == 0
    assert f'ganlab replay a --data {folder}\n' in said(capsys, 'replay', 'a')[2]
    (tmp_path/'my_nets.py').write_text('from ganlab.nets import dcgan\ndef make():\n    G, D = dcgan(16, 3, width=4)\n    del G.made_by, D.made_by\n    return G, D\n')
    assert said(capsys, 'train', '--run', 'b', '--data', folder, '--size', 16, '--bs', 8, '--nets', 'my_nets:make', '--steps', 2)[0] == 0
    assert f'ganlab sample b --data {folder} --nets MODULE:FUNCTION\n' in said(capsys, 'sample', 'b', '--data', folder)[2]

# A walk, and a script

def test_interpolate(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said(capsys, 'train', '--run', 'a', '--data', 'digits', '--size', 16, '--bs', 8, '--width', 4, '--steps', 2)[0] == 0
    status, out, _ = said(capsys, 'interpolate', 'a', '-n', 3, '--frames', 6)
    assert status == 0 and 'walk.gif: 6 pictures' in out and Image.open('walk.gif').n_frames == 6
    for args, word in ((('interpolate', 'a'), '--force'), (('interpolate', 'a', '-o', 'a.jpg'), '.gif'), (('interpolate', 'a', '-o', 'b.gif', '-n', 1), 'n='), (('interpolate', 'a', '-o', 'b.gif', '--space', 'w'), 'style')):
        status, _, err = said(capsys, *args)
        assert status == 2 and word in err and err.count('\n') == 1
    assert said(capsys, 'interpolate', 'a', '-o', 'walk.gif', '--force', '--frames', 8, '--seed', 1)[0] == 0 and {p.name for p in tmp_path.iterdir()} == {'a', 'walk.gif'}

LABELLED = """
from ganlab.data import tensor_dls
from games import labelled, labels
def data(bs=6): return tensor_dls(labelled(), bs, y=labels(60), classes=list('abcde'))
"""

def test_samples_and_a_walk_of_a_class(tmp_path, capsys, monkeypatch):
    "What `learn.sample(y=...)` makes; a class that is not there, or a G that takes none, is refused, and no file is left"
    monkeypatch.chdir(tmp_path)
    (tmp_path/'by_class.py').write_text(LABELLED)
    train = 'train', '--data', 'by_class:data', '--width', 4, '--steps', 2
    assert said(capsys, *train, '--run', 'a', '--trick', 'class_norm')[0] == 0 and said(capsys, *train, '--run', 'b')[0] == 0
    data = '--data', 'by_class:data'
    def sampled(*label):
        assert said(capsys, 'sample', 'a', *data, '-n', 3, '--force', *label)[0] == 0
        return [np.asarray(Image.open(f'samples/{i}.png')) for i in range(3)]
    with Run.open('a') as run: learn = run.learner_at(data_again(), *dcgan(16, 1, width=4))
    want = as_bytes(learn.sample(z=learn.latents(3, 'sample', 0), y=2))[:, 0].numpy()
    assert np.array_equal(np.stack(sampled('--label', 2)), want) and np.array_equal(np.stack(sampled('--label', 'c')), want) and not np.array_equal(np.stack(sampled()), want)
    assert said(capsys, 'interpolate', 'a', *data, '-n', 2, '--frames', 4, '--label', 2)[0] == 0
    for args, word in ((('interpolate', 'a'), 'give --label, from 0 to 4'), (('interpolate', 'a', '--label', 5), 'need a class from 0 to 4'), (('sample', 'a', '--label', -1), 'need a class from 0 to 4'), (('sample', 'a', '--label', 'x'), 'it has: a, b, c, d, e'),
                       (('sample', 'b', '--label', 1), 'takes none: leave it out'), (('interpolate', 'b', '--label', 1), 'takes none: leave it out')):
        status, _, err = said(capsys, *args, *data, '-o', 'no.gif')
        assert status == 2 and word in err and err.count('\n') == 1 and not (tmp_path/'no.gif').exists()

def data_again(): return tensor_dls(labelled(), 6, y=labels(60))

def test_script(tmp_path, capsys, monkeypatch):
    "Printed, or written with its weights; what is written reaches the same hash"
    monkeypatch.chdir(tmp_path)
    assert said(capsys, *TOY, '--run', 'a', '--steps', 3, '--trick', 'ema')[0] == 0
    status, text, _ = said(capsys, 'script', 'a')
    assert status == 0 and "learn.tricks.on('ema'" in text and {p.name for p in tmp_path.iterdir()} == {'a'}
    status, out, _ = said(capsys, 'script', 'a', '-o', 'a.py')
    assert status == 0 and 'a.py: run it' in out and (tmp_path/'a.py').read_text() == text
    exec(compile(text, 'a.py', 'exec'), dict(__file__=str(tmp_path/'a.py')))      # it asserts the hash
    (tmp_path/'a.py').unlink()
    (tmp_path/'a.safetensors').write_text('mine')
    status, _, err = said(capsys, 'script', 'a', '-o', 'a.py')
    assert status == 2 and '--force' in err and (tmp_path/'a.safetensors').read_text() == 'mine' and not (tmp_path/'a.py').exists()
    assert said(capsys, 'script', 'a', '-o', 'a.py', '--force')[0] == 0
