"A part of the panel from outside the package: shown, refreshed within its budget, asked for things, failing alone, closed with the lab; no bit of a training moves."
import random, threading
import ipywidgets as W
import numpy as np, pytest, torch
from ganlab.all import *
from project import NBS, code, read
from strangers import go, make_learner
from test_pace import Now, Tick, ages

def theirs():
    "What the tutorial's reader writes, in a module of their own"
    src = next(s for s in code(read(NBS/'tutorials'/'your_own_bench.ipynb')) if 'class Pull(' in s)
    assert len([l for l in src.splitlines() if l.strip()]) <= 25 and '._' not in src
    mine = {}
    exec(f'from ganlab.all import *\nimport ipywidgets as W\n{src}', mine)
    return mine['Pull']

def trained(lab, steps):
    lab.start(steps)
    assert lab.wait(60) and not lab.error, lab.error

def view(lab, i=0): return lab.own[i].view

def test_a_function():
    "The simplest: under its name, with the numbers of the last step"
    def largest_score(learn): return dict(largest=learn.history.d_real.max() if learn.step else 0, steps=learn.step)
    with Lab(make_learner(), panels=largest_score) as lab:
        assert (view(lab).title, view(lab).rows[1]) == ('Largest score', ['steps', '0'])
        trained(lab, 7)
        assert (view(lab).step, view(lab).rows[1]) == (7, ['steps', '7']) and view(lab).problem == ''

def test_from_outside():
    "The tutorial's part, in a training that runs: its buttons ask, the learner answers between two steps, and the log knows of it"
    learn, part = make_learner(), theirs()()
    with Lab(learn, panels=[part, lambda learn: f'at {learn.step}']) as lab:
        assert len(lab.own) == 2 and part.slider in [w for card in lab.own for c in card.view.children for w in (c, *getattr(c, 'children', ()))]
        lab.start()
        part.slider.value = 3e-4
        change = wait_for(lambda: [c for c in learn.tricks.log if c.name == 'ttur'])[-1]
        lab.stop()
        assert change.params['lr_d'] == pytest.approx(3e-4) and change.step == change.asked
        assert view(lab).title == part.title and view(lab, 1).text == f'at {learn.step}'

def wait_for(f, seconds=30):
    out, pause = f(), threading.Event()
    for _ in range(int(seconds/.02)):
        if out: return out
        pause.wait(.02)
        out = f()
    raise AssertionError('it did not come')

class Asked:
    "Notes who answers, and where"
    def __init__(self): self.answers = []
    def look(self, learn): return len(self.answers)
    def answer(self, learn, request): self.answers.append((request, learn.step, learn.training_now, threading.current_thread().name))

def test_asked_whenever():
    "Idle at once; in a pause and while it trains on the training thread; after the end, nobody"
    learn, part = make_learner(), Asked()
    with Lab(learn, panels=[part]) as lab:
        part.ask('idle')
        assert part.answers == [('idle', 0, False, threading.current_thread().name)] and view(lab).text == '1'
        lab.step(2); lab.wait(30)
        part.ask('paused'); wait_for(lambda: len(part.answers) == 2)
        lab.start(); part.ask('running'); wait_for(lambda: len(part.answers) == 3); lab.stop()
        assert [a[0] for a in part.answers] == ['idle', 'paused', 'running'] and part.answers[1][1:] == (2, True, 'ganlab') and part.answers[2][3] == 'ganlab'
        wait_for(lambda: view(lab).text == '3')
    part.answers.clear()
    assert not hasattr(part, 'ask') and part.answers == []

class Rude(PanelPart):
    "Draws, trains, calls and seeds as it likes"
    def look(self, learn):
        torch.manual_seed(0); random.seed(0); np.random.seed(0)
        learn.G.train(); learn.D.train()
        x = learn.G(torch.randn(8, *learn.z_shape)).requires_grad_(True)
        learn.D(x).sum().backward()
        learn.G.eval(); learn.D.eval()
        torch.rand(3); random.random(); np.random.rand()
        return str(learn.sample(2).sum().item())

@pytest.mark.parametrize('kind', ['mlp', 'dcgan'])
def test_moves_no_bit(kind):
    "Whatever it does while it looks, at every step, the training ends in the bits of one that nobody looked at"
    plain, seen, modes = make_learner(kind, tricks=['spectral_norm']), make_learner(kind, tricks=['spectral_norm']), []
    go(plain, 12)
    with Lab(seen, refresh=1e-6, share=1., panels=[Rude()]) as lab:
        trained(lab, 12)
        assert not view(lab).problem and view(lab).frame > 2, view(lab).trace
    assert seen.state_hash() == plain.state_hash()

def test_fails_alone():
    "One sentence with the user's line in its own card; what was shown stays, the other parts and the training go on, and it may recover"
    learn = make_learner()
    def moody(learn):
        if 3 <= learn.step < 8: raise KeyError('mode')
        return f'fine at {learn.step}'
    with Lab(learn, panels=[moody, lambda learn: learn.step]) as lab:
        trained(lab, 5)
        assert lab.state == 'idle' and learn.step == 5
        assert view(lab).problem.startswith("look failed at step 5: KeyError: 'mode' (line ") and view(lab).problem.endswith(' of moody).')
        assert view(lab).text.startswith('fine at ') and 'Traceback' in view(lab).trace and view(lab, 1).text == '5'
        trained(lab, 5)
        assert (view(lab).problem, view(lab).text) == ('', 'fine at 10')
    learn.state_hash()

def test_an_answer_that_fails():
    class Wrong:
        def look(self, learn): return 'here'
        def answer(self, learn, request): learn.tricks.on('ttur', lr_d=request)
    learn, part = make_learner(), Wrong()
    with Lab(learn, panels=[part]) as lab:
        part.ask(-1)
        assert view(lab).problem.startswith('answer failed at step 0: ValueError: ttur: lr_d=-1') and view(lab).text == 'here'
        part.ask(1e-4)
        assert view(lab).problem == '' and learn.tricks['ttur'].enabled

def test_wrong_at_once():
    "Refused before anything is made, so that the learner is free for another lab"
    learn = make_learner()
    with pytest.raises(TypeError, match='need a function of the learner, an object with look'): Lab(learn, panels=[3])
    with Lab(learn) as lab: assert lab.own == []
    with Lab(learn, panels=lambda learn: [1, 2]) as lab: assert 'look gave a list; need a text' in view(lab).problem

def test_keeps_to_a_budget():
    "A look of a third of a second comes every few seconds, and holds up no other part"
    learn, now, at = make_learner(), Now(), []
    learn.add_cb(Tick(now, .05))
    def slow(learn):
        now.takes(.3); at.append((now.at, learn.step))
        return learn.step
    lab = Lab(learn, clock=now, panels=[slow])
    lab.own[0].view.observe(lambda c: c.owner.heard(dict(seen=c.new)), 'frame')
    for step in (90, 91, 170): learn.tricks.on('instance_noise', sigma=step/1000, at=step)       # a flip does not call it out of turn
    lab.start(250); assert lab.wait(100)
    lab.close()
    gaps = ages(at[2:-1])
    assert min(gaps) > 2.9 and max(gaps) < 4 and len(at) > 3

def test_another_run_comes_into_the_panel():
    "After a fork it looks at the fork's learner; while the past is looked at, it stays as it was"
    with Lab(make_learner(), panels=lambda learn: learn.step) as lab:
        trained(lab, 6)
        lab.fork(3)
        assert view(lab).text == '3' and lab.learn.step == 3
        lab.timeline.at = 1
        lab.screen.redraw(full=True)
        assert view(lab).step == 3

def test_closed_with_the_lab():
    "With its widgets; a part that fails at that only says so"
    class Mine(PanelPart):
        def __init__(self): self.box, self.closed = W.VBox([W.FloatSlider()]), 0
        def look(self, learn): return self.box
        def close(self): self.closed += 1; raise OSError('gone')
    part = Mine()
    lab = Lab(make_learner(), panels=[part])
    slider = part.box.children[0]
    assert slider.comm is not None
    with pytest.warns(UserWarning, match=r'Mine: its close\(\) failed \(OSError: gone\)'): lab.close()
    lab.close()
    assert part.closed == 1 and slider.comm is None and part.box.comm is None

def test_what_colab_is_given(monkeypatch):
    "Where Colab's module is there, what a notebook shows of a lab, and of each part, names the place that its widgets are drawn from"
    from types import SimpleNamespace
    import sys, anywidget._util as util
    asked, url = [], 'https://widgets.example/manager'
    monkeypatch.setitem(sys.modules, 'google.colab.output', SimpleNamespace(enable_custom_widget_manager=lambda: asked.append(1), _widgets=SimpleNamespace(_installed_url=url)))
    util.enable_custom_widget_manager_once.cache_clear()
    with Lab(make_learner()) as lab:
        for part in (lab, lab.curves, lab.tricks):
            data, more = part._repr_mimebundle_()
            view = 'application/vnd.jupyter.widget-view+json'
            assert data[view]['model_id'] == part.model_id and more[view]['colab']['custom_widget_manager']['url'] == url
    assert asked == [1]
    util.enable_custom_widget_manager_once.cache_clear()
