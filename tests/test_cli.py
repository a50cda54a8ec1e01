"The command `ganlab`: what a person types, and what comes of it."
import sqlite3
import numpy as np, pytest
from PIL import Image
from ganlab.cli import main
from ganlab.records import pack
from ganlab.run import Run

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
