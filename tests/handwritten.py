"GAN training as one writes it by hand in PyTorch: what the learner must equal bit for bit, and what its cost is measured against."
import torch
import torch.nn.functional as F


class NonSaturating:
    "The loss of the 2014 paper, with G's half as it is used; any object with these two methods will do"
    g_uses_real = False
    def d_loss(self, l_real, l_fake): return F.softplus(-l_real).mean() + F.softplus(l_fake).mean()
    def g_loss(self, l_fake, l_real=None): return F.softplus(-l_fake).mean()


def adam(net, lr=2e-4, betas=(0.5, 0.999)):
    "One group a net, one fused kernel a step"
    return torch.optim.Adam(net.parameters(), lr=lr, betas=betas, fused=True)


def d_phase(G, D, x, z, loss, opt_d, graph=True):
    "One update of D; returns the fakes it saw, with G's graph where the G phase is to reuse them"
    with torch.set_grad_enabled(graph): xf = G(z)
    L = loss.d_loss(D(x).flatten(), D(xf.detach()).flatten())
    opt_d.zero_grad(set_to_none=True)
    L.backward()
    opt_d.step()
    return xf, L.detach()


def g_phase(D, xf, x, loss, opt_g, d_params):
    "One update of G through the fakes that D has just seen, while D is only looked through"
    for p in d_params: p.requires_grad_(False)
    l_real = D(x).flatten() if loss.g_uses_real else None
    L = loss.g_loss(D(xf).flatten(), l_real)
    opt_g.zero_grad(set_to_none=True)
    L.backward()
    opt_g.step()
    for p in d_params: p.requires_grad_(True)
    return L.detach()


def hand_loop(G, D, batches, zs, loss, opt_g, opt_d, steps, n_d=1):
    "`steps` times `n_d` updates of D and one of G; every update of D takes the next of `batches` and the next of `zs`"
    batches, zs, d_params = iter(batches), iter(zs), list(D.parameters())
    d_losses, g_losses = [], []
    for _ in range(steps):
        for k in range(n_d):
            x = next(batches)
            xf, d_loss = d_phase(G, D, x, next(zs), loss, opt_d, graph=k == n_d-1)
        d_losses.append(d_loss)
        g_losses.append(g_phase(D, xf, x, loss, opt_g, d_params))
    return d_losses, g_losses


def hand_loop_simultaneous(G, D, batches, zs, loss, opt_g, opt_d, steps):
    "Both gradients at the same point, then both steps"
    batches, zs, d_params = iter(batches), iter(zs), list(D.parameters())
    for _ in range(steps):
        x, xf = next(batches), G(next(zs))
        opt_d.zero_grad(set_to_none=True)
        loss.d_loss(D(x).flatten(), D(xf.detach()).flatten()).backward()
        for p in d_params: p.requires_grad_(False)
        l_real = D(x).flatten() if loss.g_uses_real else None
        opt_g.zero_grad(set_to_none=True)
        loss.g_loss(D(xf).flatten(), l_real).backward()
        for p in d_params: p.requires_grad_(True)
        opt_d.step()
        opt_g.step()


def shuffled(data, bs, seed=0):
    "Batches without end, indexed from one tensor; a fresh order each epoch, the short last batch dropped"
    g = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(data), generator=g)
        for i in range(0, len(data)-bs+1, bs): yield data[order[i:i+bs]]


def latents(bs, z_dim):
    "Fresh z without end"
    while True: yield torch.randn(bs, z_dim)
