"Small runs to make players of, one of them hostile."
from ganlab.data import digits_dls, ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan, mlp
from ganlab.trick import Num, Text, Trick

EVIL = '</script><script>window.hit=1</script><!--<img src=x onerror=window.hit=1>"\'&\u2028'

class Rogue(Trick):
    "A trick with a name to be wary of"
    name, title, short, number = 'rogue', f'Rogue {EVIL}', EVIL, 999
    note = Text('none', EVIL, label=EVIL)
    size = Num(1., 0, 2)

def ring(run=None, seed=0, **kw):
    learn = GANLearner(ring_dls(n=500, bs=16), *mlp(dim=2, z_dim=2, width=8, depth=1, seed=seed), seed=seed, run=run, **kw)
    learn.run.frame_every = 5
    return learn

def fit(learn, n): learn.fit_steps(n, progress=False); return learn

def digits(run=None):
    learn = GANLearner(digits_dls(bs=16, size=16), *dcgan(size=16, channels=1, z_dim=8, width=4, seed=0), seed=0, run=run)
    learn.run.frame_every = 2
    return learn

def hostile(folder):
    learn = ring(folder, tricks=[Rogue])
    learn.tricks.set('rogue', note=EVIL)
    return fit(learn, 5)
