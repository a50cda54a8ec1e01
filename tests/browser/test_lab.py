"The lab in a real JupyterLab in a real Chromium: what a person does with it, and what is shown."
import json, os, re, signal, subprocess, sys
import pytest
from ganlab.presets import presets
from labdriver import Bench
from project import ROOT, code, read

QUICKSTART = ROOT/'ganlab'/'quickstart.ipynb'       # the copy that is worked in
TRICKS = dict(label_smoothing='Label smoothing', one_sided_label_smoothing='One-sided label smoothing', instance_noise='Instance noise',
              spectral_norm='Spectral norm', ttur='TTUR')
RING = 'learn = GANLearner(ring_dls(bs=64), *mlp(width=32, depth=2, seed=0), seed=0)'
# In each kernel a step takes as long as that of a larger network, and the browser has the machine to itself meanwhile
LEISURE = '''from ganlab.learner import GANLearner
def one_step(learn, *args, step=GANLearner.one_step, **kwargs):
    __import__('time').sleep(.04)
    return step(learn, *args, **kwargs)
GANLearner.one_step = one_step
del GANLearner, one_step
'''
TRAINERS = '''import sys
def stack(f):
    while f: yield f.f_code.co_name; f = f.f_back
print(sum('fit_steps' in stack(f) for f in sys._current_frames().values()))'''

@pytest.fixture(scope='module')
def bench(browser):
    "A JupyterLab for all tests of this file; without Chromium they are skipped (in CI: fail)"
    with Bench(browser, startup=LEISURE) as b: yield b

@pytest.fixture(scope='module')
def notebook(bench):
    "A notebook for those tests that need no other"
    with bench.open(['from ganlab.all import *']) as nb:
        nb.run_all()
        yield nb

@pytest.fixture
def train(notebook):
    "train(code): run the cell that makes a learner and one that makes its lab, press Run; cells 1 and 2 of the notebook, which it returns"
    nb = notebook
    def train(code):
        for cell in (code, 'lab = Lab(learn)\nlab'): assert not nb.run_code(cell)['errors']
        nb.click('.gl-run')
        running(nb)
        return nb
    yield train
    nb.run_code('lab.close()')
    assert not nb.errors() and not nb.complaints()
    while len(nb.cells()) > 1: nb.delete_cell(-1)

@pytest.fixture
def ring(train): return train(RING)

def ask(nb, code): return nb.run_code(code)['text'].strip()

def running(nb):
    "Wait until it runs, and steps are seen to pass"
    nb.wait_text('.gl-state', 'Running')
    step = nb.step() or 0
    nb.until(nb.step, lambda s: s and s > step, what='a step')

def flagged(nb, trick, kind, step):
    nb.until(nb.flags, lambda fs: any((f['name'], f['kind'], f['step']) == (trick, kind, step) for f in fs), what=f'the flag of {trick}')

def flip(nb, trick, to):
    "Click the switch; see it announced with its step, flagged on the curves, and marked in its row"
    nb.flip(trick)
    step = nb.said(f'{TRICKS[trick]} {to}')
    flagged(nb, trick, to, step)
    nb.until(lambda: nb.data(nb.row(trick), 'state'), lambda s: s in dict(on=['on'], off=['off', 'leaving'])[to], what=f'the row of {trick}')
    return step

def test_quickstart(bench):
    "The first notebook, as a new user goes through it"
    cells = code(read(QUICKSTART))
    lab, start, wait = (next(i for i, c in enumerate(cells) if s in c) for s in ('lab = Lab', 'lab.start', 'lab.wait'))
    with bench.open(QUICKSTART) as nb:
        for i in range(lab + 1): nb.run_cell(i)
        assert not nb.errors()
        nb.wait_text('.gl-state', 'Idle')
        nb.run_cell(start)
        running(nb)
        nb.click('[data-group="now"]')                       # unfold: one of the five is not pinned
        steps = [flip(nb, name, 'on') for name in TRICKS]
        assert steps == sorted(steps)
        nb.click('.gl-run')                                  # the same button pauses
        nb.wait_text('.gl-state', 'Paused')
        nb.reload()                                          # the lab goes on, and shows all it showed
        nb.wait_text('.gl-state', 'Paused')
        for name, step in zip(TRICKS, steps):
            nb.until(lambda: nb.data(nb.row(name), 'state'), lambda s: s == 'on')
            flagged(nb, name, 'on', step)
        nb.click('.gl-run')
        running(nb)
        flip(nb, 'instance_noise', 'off')
        for i in range(start + 1, wait): nb.run_cell(i)
        nb.run_cell(wait, wait=False)
        flip(nb, 'instance_noise', 'on')                     # the panel answers while a cell waits
        nb.click('.gl-stop')
        nb.finished()                                        # Stop ends what the cell waits for
        for i in range(wait + 1, len(cells)): nb.run_cell(i)
        assert not nb.errors() and not nb.complaints()

def test_half_steps(ring):
    "D alone, G alone, both: each moves the count by one, and leaves a row of what it did"
    ring.click('.gl-run')
    ring.wait_text('.gl-state', 'Paused')
    n = int(ask(ring, 'print(learn.step)'))
    for i, phase in enumerate(('d', 'g', 'both')):
        ring.click(f'.gl-step-{phase}')
        ring.wait_text('.gl-say', f'Paused at step {n + i + 1:,}\\.'.replace(',', '\u202f'))
        assert (ring.step(), ring.status()) == (n + i + 1, 'Paused')
    assert ask(ring, "print(learn.history.tail(3)[['d_loss', 'g_loss']].notna().to_numpy().tolist())") == '[[True, False], [False, True], [True, True]]'
    ring.click('.gl-run')
    running(ring)

FOUND = """from ganlab.doctor import Finding, Remedy
learn.diagnose = lambda n, **how: [Finding('mode_collapse', 'Samples alike', 2, dict(said='0.1 of 1.'), [Remedy('R1', 'gradient_penalty')])]"""

def test_health(ring):
    "Check now: a chip is unfolded, its threshold is changed; advice opens an A/B, is dismissed, and is dismissed in another view too"
    nb = ring
    nb.click('.gl-run')
    nb.wait_text('.gl-state', 'Paused')
    assert not nb.run_code(FOUND)['errors']
    nb.page.locator('.gl-health button', has_text='Check now').click()
    nb.until(lambda: nb.data('.gl-health', 'cause'), lambda c: c == 'mode_collapse', what='the finding')
    assert nb.text('.gl-health .tip p').startswith('Samples alike (likely, since step 2). 0.1 of 1.')
    chip = '.gl-health [data-signal="distance"]'
    nb.click(chip)
    nb.one('.gl-health .detail input[data-side=high]').fill('1e-9')
    nb.page.keyboard.press('Tab')
    nb.until(lambda: nb.data(chip, 'state'), lambda s: s == 'high', what='the threshold')
    assert nb.one('.gl-health .curve canvas').is_visible() and nb.one('.gl-health .worst').is_visible()
    nb.click('.gl-health [data-way=ab]')
    nb.until(lambda: nb.data('.gl-versus', 'phase'), lambda p: p == 'asking', what='the card')
    nb.page.locator('.gl-health .tip button', has_text='Dismiss').click()
    nb.until(lambda: nb.data('.gl-health', 'cause'), lambda c: not c, what='the advice to go')
    nb.run_code('lab')                                       # another view
    nb.until(lambda: nb.page.locator('.gl-health').count(), lambda n: n == 2, what='the other view')
    other = nb.page.locator('.gl-health').nth(1)
    other.locator('button', has_text='1 dismissed').wait_for()
    assert not other.locator('.tip').is_visible() and ask(nb, 'print(len(learn.run.changes))') == '0'
    nb.delete_cell(-2)

def test_one_trainer(ring):
    "The cell that made the lab, run again, stops the former lab; deleting it stops nothing"
    assert ask(ring, TRAINERS) == '1'
    ring.run_cell(2)
    ring.until(lambda: ask(ring, TRAINERS), lambda n: n == '0', what='the former trainer to end')
    ring.click('.gl-run')
    running(ring)
    assert ask(ring, TRAINERS) == '1'
    ring.delete_cell(2)
    before = int(ask(ring, 'print(learn.step)'))
    ring.until(lambda: int(ask(ring, 'print(learn.step)')), lambda s: s > before, what='a step without a panel')
    ring.run_code('lab')                                     # displayed again: the same lab, its whole state
    running(ring)
    assert ask(ring, TRAINERS) == '1' and not ring.errors()

def test_timeline(ring):
    "Look back by keyboard, go back, fork: what is shown is what was; everything else goes on"
    nb, at = ring, lambda: int(nb.data('.gl-timeline', 'at'))
    nb.until(nb.step, lambda s: s > 30, what='some steps')
    nb.flip('label_smoothing')
    switched = nb.said('Label smoothing on')
    nb.until(nb.step, lambda s: s > switched + 20, what='more steps')
    nb.page.locator('.gl-film').focus()
    nb.page.keyboard.press('Home')
    nb.until(at, lambda a: a == 0, what='the beginning')
    nb.page.keyboard.press('ArrowRight')                     # the next frame
    nb.until(lambda: (at(), int(nb.data('.gl-samples', 'step'))), lambda v: v == (1, 1), what='the samples of step 1')
    nb.until(lambda: nb.data(nb.row('label_smoothing'), 'state'), lambda s: s == 'off', what='the switch as it was')
    assert nb.one('.gl-film').get_attribute('aria-valuetext') == 'step 1'
    for _ in range(2): nb.page.keyboard.press('Shift+ArrowRight')
    nb.wait_text('.gl-rewind', 'Rewind to 3')
    step = nb.step()
    nb.until(nb.step, lambda s: s > step, what='a step meanwhile')
    nb.click('.gl-samples .view button')                     # Back to live
    nb.until(lambda: nb.data(nb.row('label_smoothing'), 'state'), lambda s: s == 'on', what='the present')
    nb.click('.gl-undo')
    nb.wait_text('.gl-say', 'Rewound')
    nb.until(nb.step, lambda s: s == switched, what='the step before the switch')
    nb.wait_text('.gl-state', 'Paused')
    nb.until(lambda: nb.data('.gl-timeline', 'ghosts'), lambda n: n == '1', what='what the rewind left')
    nb.until(nb.flags, lambda f: not f, what='the flag to go')
    nb.click('.gl-run')
    running(nb)
    nb.click('.gl-fork')
    nb.until(lambda: nb.page.locator('.gl-runs option').count(), lambda n: n == 2, what='the fork')
    nb.until(lambda: nb.data('.gl-timeline', 'busy'), lambda b: not b, what='the fork')
    assert ask(nb, 'print(lab.learn is learn, lab.learn.step == learn.step)') == 'False True'
    nb.page.select_option('.gl-runs', index=0)
    nb.until(lambda: ask(nb, 'print(lab.learn is learn)'), lambda a: a == 'True', what='the first run')
    nb.click('.gl-run')                                      # as soon as it can be clicked
    running(nb)

def test_compare(ring):
    "A/B beside a trick: asked, trained with a bar, a verdict; the run itself stands where it stood and goes on; B taken over"
    nb = ring
    nb.click(f"{nb.row('instance_noise')} .ab")
    nb.until(lambda: nb.data('.gl-versus', 'phase'), lambda p: p == 'asking', what='the card')
    nb.page.fill('.gl-versus input[data-name=steps]', '10')
    nb.page.keyboard.press('Tab')
    nb.click('.gl-versus .pri')
    nb.wait_text('.gl-state', 'Comparing')
    assert nb.one('.gl-run').get_attribute('title').startswith('Comparing: wait')
    nb.until(lambda: nb.data('.gl-versus', 'phase'), lambda p: p == 'done', what='the verdict')
    assert nb.data('.gl-versus', 'verdict') and nb.page.locator('.gl-versus tbody tr').count() >= 4
    running(nb)                                              # goes on by itself
    assert ask(nb, 'print(len(learn.run.changes))') == '0'   # nothing of it is in the run
    nb.page.locator('.gl-versus .acts button', has_text='Turn Instance noise on here').click()
    nb.said('Instance noise on')
    nb.until(lambda: nb.data('.gl-versus', 'phase'), lambda p: p == 'closed', what='the card to close')

def test_preset(ring):
    "A recipe shows what it will switch; nothing happens until one says so, and then all of it does"
    ring.flip('label_smoothing')
    ring.said('Label smoothing on')
    ring.page.select_option('.gl-tricks .pre', 'ttur')
    shown = ring.wait_text('.gl-tricks .plan', 'WGAN-GP')
    assert 'Label smoothing' in shown and 'lr D 3e-4' in shown and 'Heusel' in shown
    ring.click('.gl-tricks .plan .q')                        # Cancel
    ring.until(lambda: ring.one('.gl-tricks .plan').is_visible(), lambda v: not v, what='the plan to go')
    assert ask(ring, 'print([t.name for t in learn.tricks.enabled])') == "['label_smoothing']"
    ring.page.select_option('.gl-tricks .pre', 'ttur')
    ring.click('.gl-tricks .plan .pri')
    for name in ('wgan_gp', 'ttur', 'betas'): ring.until(lambda: ring.data(ring.row(name), 'state'), lambda s: s == 'on', what=name)
    ring.until(lambda: ring.data(ring.row('label_smoothing'), 'state'), lambda s: s in ('off', 'na'), what='label smoothing off')
    steps = ask(ring, "print(*{c.step for c in learn.tricks.log[-4:]})")
    assert len(steps.split()) == 1

def test_reasons(ring):
    "Why a trick does not apply is asked for the rows that can be seen: pinned ones at once, others when their group is unfolded; all while it trains"
    asked = lambda: json.loads(ask(ring, 'import json; print(json.dumps([sorted(lab.tricks.reasons.sight), sorted(lab.tricks.reasons._asked)]))'))
    state = lambda name: ring.data(ring.row(name), 'state')
    ring.one(ring.row('label_smoothing')).scroll_into_view_if_needed()
    ring.run_code("learn.set_loss('wasserstein')")
    ring.one(ring.row('label_smoothing')).scroll_into_view_if_needed()
    ring.until(lambda: state('label_smoothing'), lambda s: s == 'na', what='the reason of a row in sight')
    sight, known = asked()
    assert 'label_smoothing' in sight and 'one_sided_label_smoothing' not in sight + known and state('one_sided_label_smoothing') == 'off'
    ring.click('[data-group="now"]')
    ring.one(ring.row('one_sided_label_smoothing')).scroll_into_view_if_needed()
    ring.until(lambda: state('one_sided_label_smoothing'), lambda s: s == 'na', what='the reason of a row that was unfolded')
    running(ring)

def to(nb, css):
    "Tab until the focus lies on the first element of `css` that is shown"
    for _ in range(400):
        if nb.page.evaluate("q => document.activeElement?.matches(q) ?? false", css): return
        nb.page.keyboard.press('Tab')
    raise AssertionError(f'{css} is not reached by Tab')

def width(nb, want):
    "Give the panel that width"
    nb.until(lambda: nb.page.set_viewport_size(dict(width=int(nb.page.viewport_size['width'] + want - nb.one('.gl-lab').bounding_box()['width']), height=1100))
             or nb.one('.gl-lab').bounding_box()['width'], lambda w: abs(w - want) < 2, what=f'a panel of {want} pixels')

@pytest.mark.parametrize('wide', [1400, 700, 400])
@pytest.mark.part(3)
def test_by_keyboard(train, wide):
    "Find, unfold, switch, set, pin, and a recipe taken, all without a mouse, while it trains; the focus is always seen and stays where the hand was"
    nb = train(RING)
    size, key = nb.page.viewport_size, nb.page.keyboard
    width(nb, wide)
    on = lambda name: nb.until(lambda: nb.data(nb.row(name), 'state'), lambda s: s == 'on', what=name)
    focus = lambda: nb.page.evaluate("() => { const e = document.activeElement, r = e.getBoundingClientRect(), s = getComputedStyle(e); return [e.matches(':focus-visible') && s.outlineStyle !== 'none', r.width, r.height] }")
    nb.one('.gl-run').focus()
    key.press('Space')                                       # Pause, with the button that keeps the focus
    nb.wait_text('.gl-state', 'Paused')
    key.press('Space')
    running(nb)
    to(nb, '.gl-tricks .sw')                                 # the first pinned one
    seen, w, h = focus()
    assert seen and min(w, h) >= 24
    key.press('Space')
    on('label_smoothing')
    key.press('ArrowDown')                                   # the next switch
    assert nb.page.evaluate("() => document.activeElement.closest('.row').dataset.trick") == 'spectral_norm'
    to(nb, '[data-trick="instance_noise"] [data-param="sigma"] input')
    key.press('ControlOrMeta+a'); key.type('0.3'); key.press('Enter')
    nb.said('Instance noise changed')
    key.press('ArrowUp')                                     # a step of the field
    nb.until(lambda: float(ask(nb, "print(learn.tricks['instance_noise'].sigma)")), lambda v: v > .3, what='a larger value')
    for group in ('now', 'reweights', 'grows'):
        to(nb, f'[data-group="{group}"]')
        assert focus()[0]
        key.press('Enter')
        nb.until(lambda: nb.one(f'[data-group="{group}"]').get_attribute('aria-expanded'), lambda v: v == 'true', what=f'group {group} unfolded')
    nb.page.keyboard.press('Shift+Tab')
    nb.one('.gl-run').focus()
    to(nb, '.gl-tricks .fnd')
    key.type('moving average')
    key.press('ControlOrMeta+a'); key.type('ema')
    to(nb, '[data-trick="ema"] .sw')
    key.press('Space')
    on('ema')
    to(nb, '[data-trick="ema"] .pin')
    assert focus()[0]
    key.press('Enter')
    nb.until(lambda: ask(nb, 'print(lab.tricks.pins)'), lambda p: 'ema' in p, what='the pin')
    nb.one('.gl-run').focus()
    to(nb, '.gl-tricks .fnd')
    key.press('Escape')
    assert nb.one('.gl-tricks .fnd').input_value() == ''
    to(nb, '.gl-tricks .pre')
    for _ in range(20):                                      # choose the recipe by its arrows
        key.press('ArrowDown')
        if nb.one('.gl-tricks .pre').input_value() == 'ttur': break
    nb.wait_text('.gl-tricks .plan h4', f'^{re.escape(presets["ttur"].title)}$')      # not that of a recipe passed on the way
    to(nb, '.gl-tricks .plan .pri')
    key.press('Enter')
    for name in ('wgan_gp', 'ttur'): on(name)
    assert nb.page.evaluate("() => document.activeElement.matches('.gl-tricks .pre')"), 'the focus was lost'
    nb.page.set_viewport_size(size)

def test_averages(ring):
    "Samples of the averaged G, and of the one that trains"
    ring.click('[data-group="now"]')
    ring.flip('ema')
    ring.said('EMA of G on')
    ring.until(lambda: ring.data('.gl-samples', 'ema'), lambda s: s == 'true', what='averaged samples')
    ring.click('.gl-samples .ema')
    ring.until(lambda: ring.data('.gl-samples', 'ema'), lambda s: s == 'false', what='samples of the weights that train')
    assert ask(ring, 'print(lab.samples.ema)') == 'False'

SMALL = 'learn = GANLearner(digits_dls(bs=16, size=16), *dcgan(16, 1, z_dim=8, width=8, seed=0), seed=0)'

def test_closer(train):
    "A sample is clicked, or chosen by the arrows and Enter: a card below shows its past, its score and the nearest real, follows the training, and goes at Escape"
    nb = train(SMALL)
    card, key = '.gl-samples .card', nb.page.keyboard
    shown = lambda i: nb.until(lambda: (nb.data(card, 'index'), nb.data(card, 'among')), lambda v: v == (str(i), '1618'), what=f'the card of sample {i}')
    nb.click('.gl-samples .cells button:nth-child(13)')
    shown(12)
    assert 'Sample 13 of 64' in nb.text(card)
    before = int(nb.data(card, 'step'))
    nb.until(lambda: int(nb.data(card, 'step')), lambda s: s > before, what='the card of a later step')
    nb.click('.gl-run')
    nb.wait_text('.gl-state', 'Paused')
    step = int(ask(nb, 'print(learn.step)'))
    nb.until(lambda: int(nb.data(card, 'step')), lambda s: s == step, what='the card of this step')
    assert float(nb.data(card, 'score')) == float(ask(nb, 'print(round(float(learn.score(learn.sample(64))[12]), 4))'))
    assert json.loads(nb.data(card, 'steps'))[0] == 0 and float(nb.data(card, 'ratio')) > 0 and 'Nearest of 1\u202f618 reals' in nb.text(card)
    assert re.fullmatch(r"Sample 13 of 64, D's score −?[\d.e−]+", nb.one('.gl-samples .cells button:nth-child(13)').get_attribute('aria-label'))
    nb.run_code('lab.timeline.at = 1')                       # looking back: what is not known of then is not shown
    nb.wait_text(card, 'step 1.*present step only')
    assert nb.data(card, 'score') == ''
    nb.run_code('lab.timeline.at = -1')
    nb.until(lambda: nb.data(card, 'score'), what='the score again')
    focus = lambda: nb.page.evaluate("() => { const e = document.activeElement, r = e.getBoundingClientRect(); return [e.getAttribute('aria-label')?.split(',')[0], getComputedStyle(e).outlineStyle !== 'none', Math.min(r.width, r.height) >= 24] }")
    nb.one('.gl-samples .cells button:nth-child(13)').focus()
    key.press('ArrowRight'); key.press('ArrowDown')
    assert focus() == ['Sample 22 of 64', True, True] and nb.data(card, 'index') == '12'
    key.press('Enter')
    shown(21)
    nb.one(f'{card} .shut').focus()
    key.press('Escape')
    nb.until(lambda: nb.one(card).is_visible(), lambda v: not v, what='the card to go')
    assert focus()[0] == 'Sample 22 of 64' and ask(nb, 'print(lab.samples.pick)') == '-1'

def test_closer_on_the_map(ring):
    "A point is chosen too: where it was is drawn, and arrows go from one to the next"
    card, key = '.gl-samples .card', ring.page.keyboard
    ring.click('.gl-run')
    ring.wait_text('.gl-state', 'Paused')
    picked = lambda: ring.until(lambda: (ring.data(card, 'index'), int(ring.data('.gl-samples', 'pick'))), lambda v: v[0] not in (None, '') and int(v[0]) == v[1] >= 0, what='a card')[1]
    ring.one('.gl-samples .pick').focus()
    key.press('Enter')
    first = picked()
    assert int(ring.data(card, 'path')) == len(json.loads(ring.data(card, 'steps'))) > 0 and ring.data(card, 'among') == '90000'
    moves = ('ArrowRight', 'ArrowLeft', 'ArrowUp', 'ArrowDown')
    for k in moves:
        key.press(k)
        if ring.data('.gl-samples', 'pick') != str(first): break
    assert picked() != first
    key.press('Escape')
    ring.until(lambda: ring.one(card).is_visible(), lambda v: not v, what='the card to go')

def test_bad_parameter(ring):
    "A wrong value costs a sentence in the row"
    field = f'{ring.row("instance_noise")} [data-param="sigma"] input'
    ring.one(field).fill('7')
    ring.one(field).press('Enter')
    ring.wait_text(f'{ring.row("instance_noise")} .why', '7.*not used')
    assert ask(ring, "print(learn.tricks['instance_noise'].sigma < 7, learn.tricks.log)") == 'True []'
    running(ring)
    ring.one(field).fill('0.2')
    ring.one(field).press('Enter')
    ring.said('Instance noise changed')
    assert ask(ring, "print(learn.tricks['instance_noise'].sigma)") == '0.2'

LONG = """import threading
go = threading.Event()
learn.one_step = lambda own=learn.one_step: (go.wait(60), own())"""

def test_long_step(ring):
    "A step that takes long is no sign of a dead kernel: it is asked, and answers"
    ring.run_code(LONG)
    step = ring.step()
    for _ in range(70):
        ring.page.wait_for_timeout(100)
        assert ring.status() == 'Running'
    assert ring.step() <= step + 1
    ring.run_code('go.set()')
    running(ring)

@pytest.mark.parametrize('state', ['Running', 'Paused'])
@pytest.mark.part(2)
def test_dead_kernel(bench, state):
    "Killed while it trains, or while it waits: the panel says that nothing runs, and Run says why it does nothing; the cell run again, it trains"
    with bench.open(['from ganlab.all import *', f'{RING}\nlab = Lab(learn)\nlab']) as nb:
        nb.run_all()
        nb.click('.gl-run')
        running(nb)
        if state == 'Paused': nb.click('.gl-run')
        nb.wait_text('.gl-state', state)
        os.kill(int(ask(nb, 'import os; print(os.getpid())')), signal.SIGKILL)
        nb.wait_text('.gl-state', 'Not running')
        assert nb.one('.gl-run').is_disabled() and nb.one('.gl-run').get_attribute('title') == 'No word from the kernel' and nb.one('.gl-stop').is_disabled()
        assert 'no word from the kernel since' in nb.text('.gl-error') and nb.one('.gl-error').is_visible()
        nb.until(nb.kernel, lambda k: k == 'idle', what='another kernel, which the server starts')
        for button in nb.page.locator('.jp-Dialog button').all(): button.click()
        nb.run_all()
        nb.wait_text('.gl-state', 'Idle')
        assert not nb.one('.gl-error').is_visible()
        nb.click('.gl-run')
        running(nb)

# JupyterLab asks the kernel for a thread that hears widgets when the first of them is opened; until it has it, they are heard between two cells
HEARERS = 'print(len(get_ipython().kernel.shell_channel_thread.manager.list_subshell()))'

def test_busy_cell(bench, ring):
    "Clicks are heard while another cell keeps the kernel busy"
    ring.until(lambda: ask(ring, HEARERS), lambda n: n > '0', what='a thread that hears widgets')
    ring.run_code("import time\nfor _ in range(600):\n    if Path('enough').exists(): break\n    time.sleep(.1)", wait=False)
    ring.until(ring.kernel, lambda s: s == 'busy')
    for to in ('on', 'off', 'on'): flip(ring, 'label_smoothing', to)
    assert '*' in ring.cells()[-1]['prompt']                 # the cell runs still
    (bench.root/'enough').touch()
    ring.finished()
    assert not ring.errors()

MINE = '''class Mine(nn.Module):
    broken = False
    def __init__(self):
        super().__init__()
        self.net = mlp(width=32, depth=2)[1]
    def forward(self, x):
        if self.broken: raise RuntimeError('a mistake of mine')
        return self.net(x)
learn = GANLearner(ring_dls(bs=64), mlp(width=32, depth=2)[0], Mine(), seed=0)'''

def test_users_mistake(train):
    "An exception in the user's own D: the lab stops at a whole step and says so, the kernel lives, and it can go on"
    nb = train(MINE)
    nb.run_code('Mine.broken = True')
    nb.wait_text('.gl-state', 'Error')
    nb.wait_text('.gl-error', 'a mistake of mine')
    assert nb.text('.gl-error .btns .pri') == 'Try again'
    assert ask(nb, 'print(lab.state, len(learn.history) == learn.step)') == 'error True'
    nb.run_code('Mine.broken = False')
    nb.click('.gl-error .btns .pri')
    running(nb)

FACES = """x = learn.sample(500)
seen, residual = avatar_factors_of(x)
def shown(factor): return (torch.bincount(seen[factor][seen[factor] >= 0]) >= 5).sum().item()
print(residual.mean().item(), shown('clothes_color'), shown('skin_color'))"""

@pytest.mark.slow
def test_quickstart_makes_faces(bench):
    "Run All, to the end: fakes lie nearer to a face than a real with noise of 0.4 does (44 of 255), and show nearly all of the twelve colours of shirts and eight of skin"
    with bench.open(QUICKSTART) as nb:
        nb.run_all(timeout=1800)
        assert not nb.errors() and not nb.complaints()
        residual, shirts, skins = map(float, ask(nb, FACES).split())
        assert residual < 39 and shirts >= 9 and skins >= 6

AWAY = '''import time, torch
torch.set_num_threads(1)
from ganlab.data import ring_dls
from ganlab.learner import GANLearner
from ganlab.nets import mlp
learn = GANLearner(ring_dls(bs=64), *mlp(width=32, depth=2, seed=0), seed=0, run='away')
learn.fit_steps(10**6, gate=lambda learn: time.sleep(.04), progress=False)'''

def test_attached(notebook):
    "The panel of a run that a script trains: seen, switched, held; the kernel is restarted, and the training has not noticed; when it is killed, that is said"
    nb = notebook
    script = subprocess.Popen([sys.executable, '-c', AWAY], cwd=nb.bench.root)
    try:
        nb.until(lambda: (nb.bench.root/'away'/'steer'/'alive.json').exists(), what='the training')
        assert not nb.run_code("away = Lab('away')\naway")['errors']
        running(nb)
        flip(nb, 'label_smoothing', 'on')
        nb.run_code('away.close()')
        nb.run_code("away = Lab('away')\naway")              # another panel finds it as it is
        nb.until(lambda: nb.data(nb.row('label_smoothing'), 'state'), lambda s: s == 'on', what='the switch')
        nb.click('.gl-run')
        nb.wait_text('.gl-state', 'Paused')
        nb.click('.gl-fork')
        nb.wait_text('.gl-say', r'Forked at step \d+, as away-fork1')
        nb.click(f"{nb.row('instance_noise')} .ab")
        nb.wait_text('.gl-versus', 'the run goes on meanwhile')
        nb.page.fill('.gl-versus input[data-name=steps]', '10')
        nb.page.keyboard.press('Tab')
        nb.click('.gl-versus .pri')
        nb.until(lambda: nb.data('.gl-versus', 'phase'), lambda p: p == 'done', what='the verdict')
        assert nb.text('.gl-state').strip() == 'Paused' and nb.page.locator('.gl-versus .acts button', has_text='Turn Instance noise on in the run').count() == 1
        nb.page.locator('.gl-versus .acts button', has_text='Close').click()
        script.kill()
        nb.wait_text('.gl-transport', 'has ended without a word, at step', timeout=5)
        assert nb.text('.gl-state').strip() == 'Not running' and nb.one('.gl-run').is_disabled()
        nb.run_code('away.close()')
    finally:
        script.kill()
        script.wait()
    assert not nb.errors() and not nb.complaints()
    while len(nb.cells()) > 1: nb.delete_cell(-1)
