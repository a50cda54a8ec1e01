"Games beside the textbook's: what the networks take is more than a latent and a sample, or D answers with more than one score."
import torch
import torch.nn.functional as F
from torch import nn
from ganlab.data import tensor_dls, unpaired_dls
from ganlab.learner import GANLearner
from ganlab.nets import dcgan

class LabelG(nn.Module):
    "(z, y) -> a grey image of class y"
    def __init__(self, w=4, classes=5):
        super().__init__()
        self.embed, self.start = nn.Embedding(classes, 4), nn.Linear(8, w*16)
        self.body = nn.Sequential(nn.BatchNorm2d(w), nn.ReLU(), nn.ConvTranspose2d(w, w, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(w, 1, 4, 2, 1), nn.Tanh())
    def forward(self, z, y): return self.body(self.start(torch.cat([z, self.embed(y)], 1)).view(len(z), -1, 4, 4))

class LabelD(nn.Module):
    "(x, y) -> a score: that of a projection (Miyato & Koyama 2018)"
    def __init__(self, w=4, classes=5):
        super().__init__()
        self.body, self.head, self.embed = nn.Sequential(nn.Conv2d(1, w, 4, 2, 1), nn.LeakyReLU(.2), nn.Conv2d(w, w, 4, 2, 1), nn.LeakyReLU(.2)), nn.Linear(w*16, 1), nn.Embedding(classes, w*16)
    def forward(self, x, y):
        h = self.body(x).flatten(1)
        return self.head(h) + (h*self.embed(y)).sum(1, keepdim=True)

def patch_d(c=1, w=4): return nn.Sequential(nn.Conv2d(c, w, 4, 2, 1), nn.LeakyReLU(.2), nn.Conv2d(w, w, 3, 1, 1), nn.LeakyReLU(.2), nn.Conv2d(w, 1, 3, 1, 1))

class TwoScales(nn.Module):
    "A list of maps, each with D's features before it, as in pix2pixHD"
    def __init__(self): super().__init__(); self.large, self.small = patch_d(), patch_d()
    def forward(self, x):
        out = []
        for net, seen in ((self.large, x), (self.small, F.avg_pool2d(x, 2))):
            feats = [seen]
            for layer in net: feats.append(layer(feats[-1]))
            out.append(feats[1:])
        return out

class Upscale(nn.Module):
    "y -> an image of twice its size"
    def __init__(self, w=4): super().__init__(); self.body = nn.Sequential(nn.Conv2d(1, w, 3, 1, 1), nn.ReLU(), nn.Conv2d(w, 4, 3, 1, 1), nn.PixelShuffle(2))
    def forward(self, y): return F.interpolate(y, scale_factor=2) + .1*self.body(y)

class PairD(nn.Module):
    "(x, y) -> a map of scores of the image beside the small one that it was made of"
    def __init__(self): super().__init__(); self.body = patch_d(2)
    def forward(self, x, y): return self.body(torch.cat([x, F.interpolate(y, scale_factor=2)], 1))

def series_g(w=4): return nn.Sequential(nn.Linear(4, w*8), nn.Unflatten(1, (w, 8)), nn.ReLU(), nn.ConvTranspose1d(w, w, 4, 2, 1), nn.ReLU(), nn.ConvTranspose1d(w, 2, 4, 2, 1))
def series_d(w=4): return nn.Sequential(nn.Conv1d(2, w, 4, 2, 1), nn.LeakyReLU(.2), nn.Conv1d(w, w, 4, 2, 1), nn.LeakyReLU(.2), nn.Flatten(), nn.Linear(w*8, 1))
def volume_g(w=4): return nn.Sequential(nn.Linear(4, w*8), nn.Unflatten(1, (w, 2, 2, 2)), nn.ReLU(), nn.ConvTranspose3d(w, w, 4, 2, 1), nn.ReLU(), nn.ConvTranspose3d(w, 1, 4, 2, 1), nn.Tanh())
def volume_d(w=4): return nn.Sequential(nn.Conv3d(1, w, 4, 2, 1), nn.LeakyReLU(.2), nn.Conv3d(w, w, 4, 2, 1), nn.LeakyReLU(.2), nn.Flatten(), nn.Linear(w*8, 1))

def rand(*shape, seed=2): return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))*2 - 1
def plain_g(): return nn.Sequential(nn.Linear(4, 64), nn.Unflatten(1, (4, 4, 4)), nn.ReLU(), nn.ConvTranspose2d(4, 4, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 1, 4, 2, 1), nn.Tanh())
def normed_g(): return nn.Sequential(*plain_g()[:2], nn.BatchNorm2d(4), *plain_g()[2:])
def one_score_d(): return nn.Sequential(*patch_d()[:4], nn.Flatten(), nn.Linear(256, 1))
def labels(n): return torch.arange(n) % 5
def labelled(n=60): return (rand(n, 1, 16, 16).abs() - 1)*.5 + labels(n).float().view(-1, 1, 1, 1)*.2      # darker or lighter, by class

GAMES = dict(     # name -> (data, networks, what the learner is told)
    labels=(lambda: tensor_dls(labelled(), 6, y=labels(60)), lambda: (LabelG(), LabelD()), dict(z_dim=4)),
    by_switch=(lambda: tensor_dls(labelled(), 6, y=labels(60)), lambda: (normed_g(), one_score_d()), {}),      # these take no label: tricks make them
    patches=(lambda: tensor_dls(rand(60, 1, 16, 16), 6), lambda: (plain_g(), patch_d()), {}),
    scales=(lambda: tensor_dls(rand(60, 1, 16, 16), 6), lambda: (plain_g(), TwoScales()), {}),
    ensemble=(lambda: tensor_dls(rand(60, 1, 16, 16), 6), lambda: (plain_g(), nn.ModuleList([patch_d(), dcgan(16, 1, 4, 4)[1]])), {}),
    upscaling=(lambda: tensor_dls(rand(60, 1, 16, 16), 6, y=F.avg_pool2d(rand(60, 1, 16, 16), 2)), lambda: (Upscale(), PairD()), dict(z_dim=0)),
    series=(lambda: tensor_dls(rand(60, 2, 32), 6), lambda: (series_g(), series_d()), {}),
    volumes=(lambda: tensor_dls(rand(60, 1, 8, 8, 8), 6), lambda: (volume_g(), volume_d()), {}),
    unpaired=(lambda: unpaired_dls(rand(60, 1, 16, 16), rand(50, 1, 16, 16, seed=3), 6), lambda: (nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 1, 3, 1, 1), nn.Tanh()), patch_d()), dict(z_dim=0)))

def networks(game):
    "A fresh pair, always the same weights"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        G, D = GAMES[game][1]()
    return G, list(D) if type(D) is nn.ModuleList else D

def play(game, **kw):
    "A learner of this game"
    return GANLearner(GAMES[game][0](), *networks(game), seed=0, **GAMES[game][2], **kw)
