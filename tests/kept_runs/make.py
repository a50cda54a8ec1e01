"""Small runs, as a version of ganlab recorded them: `python tests/kept_runs/make.py runs.zip`, with that version installed.

Later versions have to open, resume and replay them (`tests/test_kept_runs.py`), so a file that stands here is never made again."""
import json, platform, sys, tempfile, zipfile
from pathlib import Path
import torch
from ganlab.all import *

def points(): return ring_dls(n=500, bs=16), *mlp(dim=2, z_dim=2, width=8, depth=1, seed=0)
def images(): return digits_dls(bs=8, size=16), *dcgan(16, 1, z_dim=4, width=2, seed=0)

def begun(folder, make=points, **kw):
    learn = GANLearner(*make(), seed=0, run=folder, device='cpu', **kw)
    learn.run.snap_every, learn.run.frame_every = 20, 20
    return learn

def fit(learn, n): learn.fit_steps(n, progress=False)

def a_plain_one(folder):
    learn = begun(folder)
    fit(learn, 45)
    return learn

def of_images(folder):
    learn = begun(folder, images, loss='hinge')
    fit(learn, 20)
    learn.tricks.on('diffaugment')
    fit(learn, 15)
    return learn

def with_many_tricks(folder):
    learn = begun(folder, tricks=['instance_noise', 'spectral_norm'])
    fit(learn, 15)
    for name in ('minibatch_stddev', 'ttur', 'gradient_penalty', 'replay_buffer', 'one_sided_label_smoothing', 'grad_clip'): learn.tricks.on(name)
    fit(learn, 15)
    learn.set_loss('lsgan')
    learn.tricks.off('minibatch_stddev', now=True)
    fit(learn, 15)
    return learn

def gone_back(folder):
    learn = begun(folder)
    fit(learn, 25)
    learn.tricks.on('dropout')
    fit(learn, 15)
    learn.rewind(30)
    learn.tricks.on('label_flip')
    fit(learn, 10)
    return learn

def branched(folder):
    learn = begun(folder)
    fit(learn, 30)
    fork = learn.fork(step=22, name=f'{folder.name}-fork')
    fork.tricks.on('lecam')
    fit(fork, 15)
    learn.run.close()
    return fork

def averaged(folder):
    learn = begun(folder, tricks=['ema'])
    fit(learn, 20)
    learn.opt_g.param_groups[0]['lr'] = 1e-4
    fit(learn, 20)
    return learn

def of_another_optimiser(folder):
    learn = begun(folder, tricks=['spectral_norm'])
    fit(learn, 12)
    learn.tricks.on('optimizer')
    fit(learn, 12)
    learn.tricks.set('optimizer', opt_g='sgd')
    fit(learn, 12)
    return learn

RUNS = dict(plain=(a_plain_one, points), images=(of_images, images), many_tricks=(with_many_tricks, points), gone_back=(gone_back, points), branched=(branched, points), averaged=(averaged, points),
            another_optimiser=(of_another_optimiser, points))

def machine():
    "What the bits of a sum may depend on"
    cpu = Path('/proc/cpuinfo')
    model = next((l.partition(':')[2].strip() for l in cpu.read_text().splitlines() if l.startswith('model name')), '') if cpu.exists() else platform.processor()
    return dict(cpu=model, capability=torch.backends.cpu.get_cpu_capability(), torch=torch.__version__.partition('+')[0])

if __name__ == '__main__':
    torch.set_num_threads(1)
    said = dict(machine=machine(), runs={})
    with tempfile.TemporaryDirectory() as d, zipfile.ZipFile(sys.argv[1], 'x', zipfile.ZIP_DEFLATED) as z:
        for name, (make, _) in RUNS.items():
            learn = make(Path(d)/name)
            learn.run.close()
            said['runs'][name] = dict(folder=learn.run.folder.name, step=learn.step, hash=learn.state_hash(), changes=[c.sentence for c in learn.tricks.log])
        for p in sorted(Path(d).rglob('*')): z.write(p, p.relative_to(d))
        z.writestr('runs.json', json.dumps(said, indent=1))
