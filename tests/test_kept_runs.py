"Runs that an earlier version recorded: they are opened, resumed and replayed, and come out as they did."
import json, sys, zipfile
import pytest, torch
from ganlab.engine.named_state import named_state
from ganlab.learner import GANLearner
from ganlab.record.run import Run
from project import ROOT

KEPT = ROOT/'tests'/'kept_runs'
sys.path.insert(0, str(KEPT))
from make import RUNS, machine

@pytest.fixture(scope='module')
def kept(tmp_path_factory):
    "The folder with the runs, and what was said of them when they were made"
    folder = tmp_path_factory.mktemp('kept')
    with zipfile.ZipFile(KEPT/'runs.zip') as z: z.extractall(folder)
    return folder, json.loads((folder/'runs.json').read_text())

@pytest.mark.parametrize('name', RUNS)
def test_a_run_of_an_earlier_version(name, kept):
    folder, said = kept
    was, make = said['runs'][name], RUNS[name][1]
    run = Run.open(folder/was['folder'])
    assert (run.step, [c.sentence for c in run.changes], len(run.scalars())) == (was['step'], was['changes'], was['step'])
    assert run.frames() and run.hash_at(was['step']) == was['hash']
    learn = GANLearner.resume(folder/was['folder'], *make(), progress=False)
    assert (learn.step, learn.state_hash()) == (was['step'], was['hash']), 'what is read from a disk is no sum: the same on every machine'
    learn.run.close()
    again = Run.open(folder/was['folder']).replay(*make(), progress=False)
    if machine() == said['machine']: assert again.state_hash() == was['hash']
    else:                                     # another processor adds in another order
        mine, its = named_state(again), named_state(learn)
        assert mine.keys() == its.keys() and all(torch.allclose(mine[k].float(), its[k].float(), atol=1e-3) for k in mine)
