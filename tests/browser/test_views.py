"The panel's views by themselves in Chromium, with the values that Python hands them and no JupyterLab: what stands on the canvases, the words, the tooltips."
import numpy as np, pytest, torch
from anywidget import AnyWidget
from ganlab.base.views import script
from ganlab.compare import ab
from ganlab.data import tensor_dls
from ganlab.learner import GANLearner
from ganlab.engine.scalars import Record
from ganlab.engine.schedules import linear
from ganlab.judge.one_sample import Closeup
from ganlab.nets import dcgan
from ganlab.panels.control import trick_control
from ganlab.panels.curves import Curves, Measured, Thinned, measure_curve, series
from ganlab.panels.samples import Samples
from ganlab.panels.state import PanelState, make_state
from ganlab.panels.steer import Steer
from ganlab.panels.timeline import Film, Timeline, on_the_line
from ganlab.panels.transport import Status
from ganlab.panels.tricks import TrickPanel
from ganlab.panels.versus import Versus, card, wish
from ganlab.record.pictures import Pictures
from ganlab.plots import usual_range

HOST = '''
class Model {
  constructor(t) { this.t = t; this.heard = {}; this.sent = [] }
  get(k) { return this.t[k] }
  set(k, v) { this.t[k] = v; (this.heard['change:' + k] || []).forEach(f => f()) }
  on(e, f) { (this.heard[e] ??= []).push(f) }
  off(e, f) { this.heard[e] = (this.heard[e] || []).filter(g => g !== f) }
  save_changes() {}
  send(m) { this.sent.push(m) }
}
window.said = [];                                                // names that are written on canvases, and where
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) { const w = this.measureText(text).width; said.push([text, this.textAlign === 'center' ? x - w / 2 : this.textAlign === 'right' ? x - w : x, y, w]); write.call(this, text, x, y) };
const plain = v => Array.isArray(v) ? v.map(plain) : v && typeof v === 'object' ? '$b' in v ? new DataView(Uint8Array.from(v.$b).buffer) : Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)])) : v;
window.show = async (esm, css, traits) => { const style = document.createElement('style'), el = document.getElementById('view'); style.textContent = css; document.head.append(style);
  const url = URL.createObjectURL(new Blob([esm], { type: 'text/javascript' })); window.model = new Model(plain(traits)); (await import(url)).default.render({ model, el }) };
'''

def traits(part):
    "As they are sent: bytes as lists of numbers"
    def sent(v):
        if isinstance(v, bytes): return {'$b': list(v)}
        if isinstance(v, dict): return {k: sent(x) for k, x in v.items()}
        return [sent(x) for x in v] if isinstance(v, (list, tuple)) else v
    return {k: sent(getattr(part, k)) for k in part.trait_names(sync=True) if k not in AnyWidget.class_trait_names()}

@pytest.fixture
def shown(browser):
    "shown(part, width) -> the page with its view, drawn; nothing is said on the console"
    contexts, said = [], []
    def go(part, width=700):
        context = browser.new_context(viewport=dict(width=width, height=1200))
        contexts.append(context)
        page = context.new_page()
        page.on('pageerror', lambda e: said.append(str(e)))
        page.set_content('<style>body{margin:0}</style><body data-jp-theme-light="true"><div class="gl gl-lab"><div id="view"></div></div></body>')
        page.add_script_tag(content=HOST)
        page.evaluate('a => show(...a)', [str(part._esm), str(part._css), traits(part)])
        page.wait_for_function('model.sent.length || !document.querySelector("canvas")')
        return page
    yield go
    for c in contexts: c.close()
    assert not said, said

def small():
    x = torch.full((40, 1, 16, 16), -1.)
    x[..., 6:10] = 1                                             # a white stroke on black, from edge to edge
    return GANLearner(tensor_dls(x, 8), *dcgan(16, 1, z_dim=4, width=2, seed=0), seed=0)

def test_the_same_range_in_panel_and_figures(browser):
    "The panel finds the usual range as the figures do"
    rng = np.random.default_rng(0)
    wave = 1 + .2*np.sin(np.arange(150)/9)
    early, latest, two = wave.copy(), wave.copy(), rng.normal(size=300)
    early[3] = latest[-1] = 80; two[[7, 8]] = 90, -90
    page = browser.new_page()
    page.add_script_tag(content=script('panels/axes.js'))
    for curves in ([wave], [early], [latest], [two], [early, -wave], [np.array([np.nan, 2., np.nan])], [np.array([])]):
        for keep in ([0, 1], [0]):
            got = page.evaluate('([c, keep]) => usual(c.map(y => ({ y: y.map(v => v ?? NaN) })), [], keep)', [[[None if np.isnan(v) else float(v) for v in c] for c in curves], keep])
            assert got == pytest.approx(usual_range(curves, tuple(keep))), (curves, keep)
    page.close()

def curves(smooth=20, flags=(), spike=False, n=400):
    r = Record(['step', *series])
    wave = 1 + .2*np.sin(np.arange(n)/9)
    loss = wave.copy()
    if spike: loss[10] = 4000
    for i in range(n): r.append([i + 1, wave[i], wave[i], 0., 0., loss[i], wave[i]])
    c = Curves(smooth=smooth)
    c.refresh(PanelState(n, curves=Thinned(r).take().tobytes(), flags=tuple(flags), loss='non_saturating', raw=False))
    return c, wave

def test_what_a_readout_is(shown):
    "The mean of the last steps is called that; with no smoothing it is the latest value, and a step has its number"
    for smooth, word in ((20, 'mean of 20'), (0, 'latest')):
        c, wave = curves(smooth)
        page = shown(c)
        assert page.text_content('.when') == word
        want = wave[-1] if not smooth else np.exp(np.log(wave[-smooth:]).mean())
        assert float(page.text_content('[data-value=g_grad_norm]')) == pytest.approx(want, rel=5e-3)
        page.focus('.top canvas')
        page.keyboard.press('Home')
        page.wait_for_function(f"document.querySelector('.when').textContent === 'step 1{', mean of %d' % smooth if smooth else ''}'")

@pytest.mark.parametrize('width', [240, 384, 500])
def test_a_readout_is_never_cut(shown, width):
    "Also where the panel is narrow; and nothing moves when it says more"
    page = shown(curves(100)[0], width)
    def box(): return page.evaluate("""() => {
        const [w, c, r] = ['.when', '.top canvas', '.gl-root'].map(q => document.querySelector(q));
        const room = document.createRange();
        room.selectNodeContents(w);
        const [t, b] = [room.getBoundingClientRect(), w.getBoundingClientRect()];
        return { text: w.textContent, whole: t.width <= b.width + 1 && t.height <= b.height + 1 && b.right <= r.getBoundingClientRect().right, top: c.getBoundingClientRect().top };
    }""")
    latest = box()
    page.focus('.top canvas')
    page.keyboard.press('End')
    page.wait_for_function("document.querySelector('.when').textContent.startsWith('step 400, ')")
    at = box()
    assert latest['text'] == 'mean of 100' and latest['whole'] and at['whole'] and at['top'] == latest['top']

def test_an_early_spike_in_the_panel(shown):
    "The scale of the loss stays that of the rest; the edge says how far the spike went"
    c, _ = curves(0, spike=True)
    said = [t for t, *_ in shown(c, 1400).evaluate('said')]
    assert '4000' in said and '1.5' in said and '2000' not in said and '5000' not in said

@pytest.mark.parametrize('width', [1400, 700])
def test_names_on_the_curves_do_not_touch(shown, width):
    "However many changes there are: what is written is apart, and under no line of another name"
    flags = [[s, k, f'A trick with number {i}', 'x'] for i, (s, k) in enumerate([(20, 'on'), (40, 'on'), (60, 'set'), (61, 'off'), (200, 'on'), (200, 'on'), (240, 'ask'), (395, 'off'), (398, 'on')])]
    page = shown(curves(flags=flags)[0], width)
    names = {tuple(q) for q in page.evaluate('said') if q[0].startswith('A trick')}
    assert len(names) >= 3 and 'A trick with number 8' in {n[0] for n in names}
    for a in names:
        for b in names: assert a == b or abs(a[2] - b[2]) >= 11 or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1], (a, b)

def title_at(page, css, x, y):
    "What is said of the place that the pointer is over"
    return page.evaluate("""([css, x, y]) => { const e = document.querySelector(css), r = e.getBoundingClientRect();
      e.dispatchEvent(new PointerEvent('pointermove', { clientX: r.x + x, clientY: r.y + y })); return e.title }""", [css, x, y])

def test_every_symbol_has_a_tooltip(shown):
    "Flags, rings, the star, branches, pictures, chips: what is under the pointer says what it is"
    learn = small()
    learn.fit_steps(40, progress=False)
    learn.tricks.on('instance_noise')
    learn.fit_steps(10, progress=False); learn.pin(); learn.fit_steps(50, progress=False)
    learn.rewind(80)
    strip, film = Timeline(), Film(learn.run)
    strip.refresh(make_state(learn, timeline={**on_the_line(learn, film), 'best': 70, 'runs': ['Run'], 'here': 0}))
    page = shown(strip)
    width = page.locator('.gl-film').bounding_box()['width']
    at = lambda step: 24 + (width - 48)*step/100                   # pictures are 48 pixels wide at this width
    y = 48 + 22
    for step, dy, words in ((40, -10, 'Step 40: Instance noise on'), (50, 0, 'Step 50: a snapshot, kept for good'), (70, 0, 'Step 70: the best samples of all snapshots'), (0, 0, 'Step 0: a snapshot'),
                            (80, 0, 'drag it to look back'), (100, 20, 'What a rewind to step 80 left: it went up to step 100'), (0, -60, 'Samples of step 0')):
        assert words in (title_at(page, '.gl-film', at(step), y + dy) or ''), words
    assert title_at(page, '.gl-film', at(25), y) == ''
    page.evaluate("model.set('at', 50)")
    assert page.get_attribute('.gl-film', 'aria-valuetext') == 'step 50, a snapshot, kept for good'
    page = shown(curves(flags=[[200, 'off', 'TTUR', 'ttur']])[0])
    wide = page.locator('.top canvas').bounding_box()['width']
    assert title_at(page, '.top canvas', 38 + (wide - 76)*.5, 60) == 'Step 200: TTUR off' and title_at(page, '.top canvas', 60, 60) == ''
    view = Samples()
    view.refresh(PanelState(1, picture=Pictures(learn).take()))
    for part in (view, curves()[0]):
        page = shown(part)
        assert not page.evaluate("[...document.querySelectorAll('[class^=chip]')].filter(e => e.offsetParent && !e.closest('[title]') && !e.closest('button, dl')).map(e => e.parentNode.textContent)")

def test_images_are_apart(shown):
    "A gap in a colour of its own between images, and a margin of their paper around each"
    learn = small()
    learn.fit_steps(1, progress=False)
    view = Samples()
    view.refresh(PanelState(1, picture=Pictures(learn).take()))
    page = shown(view)
    painted = "document.querySelector('.real').getContext('2d').getImageData(2, 2, 1, 1).data[3]"     # pictures are decoded first
    page.wait_for_function(painted)
    column = page.evaluate('''() => { const c = document.querySelector('.real'), r = c.getBoundingClientRect(), side = (r.width - 2) / 2, row = c.getContext('2d').getImageData(0, Math.round(side / 2), c.width, 1).data;
      return { side, gap: [...row.slice(4 * Math.round(side + 1), 4 * Math.round(side + 1) + 3)], edges: [1, side - 2, side + 4, r.width - 2].map(x => row[4 * Math.round(x)]), middle: row[4 * Math.round(side / 2)] } }''')
    assert all(150 < v < 240 for v in column['gap']) and max(column['edges']) < 60 and column['middle'] > 200, column
    cells = page.evaluate("[...document.querySelectorAll('.cells button')].map(b => { const r = b.getBoundingClientRect(), c = document.querySelector('.fake').getBoundingClientRect(); return [r.x - c.x, r.y - c.y, r.width, r.height] })")
    side = (page.locator('.fake').bounding_box()['width'] - 14)/8
    for i, cell in enumerate(cells): assert cell == pytest.approx([i % 8*(side + 2), i//8*(side + 2), side, side], abs=.6)    # the button lies on the image that it opens

def test_rows_say_what_a_switch_does(shown):
    "Off says the effect and never 'Now'; A/B and the pin are seen without a pointer; groups carry the words of the table"
    panel = TrickPanel(small(), compare=print)
    page = shown(panel, 400)
    row = page.locator('[data-trick=label_smoothing]')
    assert row.locator('.st').text_content() == 'keeps outputs' and 'G(z) and D(x) stay the same' in row.locator('.sw').get_attribute('title')
    assert [page.text_content(f'[data-group={g}] b') for g in ('now', 'reweights', 'grows')] == ['Keeps outputs', 'Changes outputs', 'Adds layers, keeps outputs']
    for cls in ('.ab', '.pin'): assert row.locator(cls).evaluate('e => getComputedStyle(e).opacity') == '1' and row.locator(cls).is_visible()
    assert not page.evaluate("[...document.querySelectorAll('.st')].some(e => e.textContent === 'Now')")
    page.click('[data-group=now]')
    assert page.text_content('[data-trick=gradient_penalty] .st') == ''      # the group says it
    rows = [{**r, 'effect': 'reweights'} if s['name'] == 'gradient_penalty' else r for s, r in zip(panel.spec, traits(panel)['rows'])]
    page.evaluate("rows => model.set('rows', rows)", rows)
    page.wait_for_function("document.querySelector('[data-trick=gradient_penalty] .st').textContent === 'changes outputs'")   # with these values it is another than the group's

def test_the_filled_button_follows_the_verdict(shown):
    "Better: take it over; undecided: more seeds; worse, or nothing found: leave it. B has a name"
    learn = small()
    learn.fit_steps(3, progress=False)
    args, what, here = wish(learn, 'instance_noise')
    seen = card(ab(learn, **args, steps=2, seeds=1, progress=False))
    assert (seen['changed'], seen['advice']) == ('Instance noise on', 'more') and 'comparison.' not in seen['verdict']
    view = Versus()
    view.draw(phase='done', what=what, here=here, **seen)
    page = shown(view)
    for advice, label in (('more', 'Run more seeds'), ('apply', 'Turn Instance noise on here'), ('close', 'Close')):
        page.evaluate("a => model.set('advice', a)", advice)
        assert page.eval_on_selector_all('.acts .pri', 'es => es.filter(e => e.offsetParent).map(e => e.textContent)') == [label]
    assert page.text_content('.smp:nth-child(2) .cap') == 'B Instance noise on' and page.get_attribute('.both canvas', 'aria-label')

def test_metrics_of_ones_own(shown):
    "Below the losses a plot each: title and unit, which way is better, the latest number, or that of the step that is read off; one that failed says so"
    learn = small()
    learn.add_metric(lambda l: 10 + l.step/10, name='ramp', title='Ramp', unit='kg', every=5)
    learn.add_metric(lambda l: 8., name='flat', title='Flat', better='more', every=10)
    learn.fit_steps(40, progress=False)
    c = Curves()
    measures = [measure_curve(learn, m, Measured(learn.record, m.name).take()) for m in learn.measures.values()]
    c.refresh(make_state(learn, curves=Thinned(learn.record).take().tobytes(), measures=measures))
    page = shown(c)
    assert page.locator('canvas').count() == 5 and page.locator('h4').all_inner_texts()[-2:] == ['Ramp, kg', 'Flat']
    assert page.evaluate('JSON.parse(document.getElementById("view").dataset.measures)') == dict(ramp=14, flat=8)
    assert page.locator('canvas').nth(3).get_attribute('aria-label') == 'Ramp, kg against step: 14.0'
    page.evaluate('model.set("mark", 21)'); page.wait_for_function('JSON.parse(document.getElementById("view").dataset.measures).ramp === 12')
    failed = [{**m, 'failed': 'the metric flat failed'} for m in c.measures]
    page.evaluate('m => { model.t.measures.forEach((o, i) => o.failed = m[i]); model.set("mark", -1) }', [m['failed'] for m in failed])
    page.wait_for_function('JSON.parse(document.getElementById("view").dataset.measures).ramp === 14')
    assert page.locator('.pl.sub .ph').nth(2).text_content().startswith('Ramp, kgthe metric flat failed')

def named_classes(names=('ankle boot', 'bag', 'coat')):
    "A game with labels that have names, and a D that gives a map of scores"
    return GANLearner(tensor_dls(torch.rand(60, 1, 16, 16)*2 - 1, 6, y=torch.arange(60) % len(names), classes=names), dcgan(16, 1, z_dim=4, width=2, seed=0)[0],
                       torch.nn.Sequential(torch.nn.Conv2d(1, 2, 4, 2, 1), torch.nn.LeakyReLU(.2), torch.nn.Conv2d(2, 1, 4, 2, 1)), seed=0)

def classes(only=None, names=('ankle boot', 'bag', 'coat')):
    "The panel's samples of a game with classes that have names, with a map of scores over one of them"
    learn = named_classes(names)
    learn.tricks.on('class_norm')
    learn.fit_steps(1, progress=False)
    closeup, part = Closeup(learn), Samples()
    part.only = -1 if only is None else only
    part.pick = 9
    picture = closeup.take(only=only)
    seen = closeup.closer(picture, 9)
    part.refresh(PanelState(1, picture=picture, closeup={k: seen[k] for k in ('card', 'near', 'strip')}, loss='hinge'))
    return part

def test_rows_bear_names_and_a_class_is_chosen_by_its_name(shown):
    "Each name stands beside its row, whatever the width; the choice has all of them, and sends what was chosen"
    for width in (1400, 400):
        page = shown(classes(), width)
        rows = page.locator('.row-names > span')
        assert [rows.nth(i).text_content() for i in range(4)] == ['ankle boot', 'bag', 'coat', 'ankle boot'] and rows.nth(1).get_attribute('title') == 'Class of this row: bag'
        top = page.locator('canvas.fake').bounding_box()
        for i in range(8):
            box = rows.nth(i).bounding_box()
            assert abs(box['y'] + box['height']/2 - top['y'] - (i + .5)*top['height']/8) < 3 and box['x'] + box['width'] <= top['x'] and box['x'] >= 0
        assert page.locator('select.only option').all_text_contents() == ['All classes', 'ankle boot', 'bag', 'coat']
        page.locator('select.only').select_option('bag')
        assert page.evaluate('[model.get("only"), model.sent.at(-1).do]') == [1, 'look']
    page = shown(classes(only=2), 700)
    assert not page.locator('.row-names').is_visible() and page.locator('select.only').input_value() == '2'

def test_where_g_has_no_latents_there_is_no_choice_of_them(shown):
    part = classes()
    assert shown(part).locator('[aria-label=Latents]').is_visible()
    part.latents = False
    assert not shown(part).locator('[aria-label=Latents]').is_visible()

@pytest.mark.parametrize('light', [True, False])
def test_a_map_of_scores_over_the_sample(shown, light):
    "Orange where D's score is least, blue where it is greatest, over the sample in grey, in both themes; a scale says what the colours mean, and each part its score"
    part = classes()
    page = shown(part)
    page.evaluate('light => { document.body.dataset.jpThemeLight = light }', str(light).lower())
    page.wait_for_timeout(300)
    m = part.card['map']
    values, cols = m['values'], len(m['values'])//m['rows']
    pixel = '''k => { const c = document.querySelector('canvas.big'), x = c.getContext('2d'), [cols, rows] = [%d, %d];
        return [...x.getImageData((k %% cols + .5)*c.width/cols, (Math.floor(k/cols) + .5)*c.height/rows, 1, 1).data].slice(0, 3) }''' % (cols, m['rows'])
    mean = sum(values)/len(values)
    for k in (values.index(min(values)), values.index(max(values))):
        red, _, blue = page.evaluate(pixel, k)
        if abs(values[k] - mean) > .5*max(abs(v - mean) for v in values): assert (red > blue + 20) == (values[k] < mean) and (blue > red + 20) == (values[k] > mean), (red, blue)
    scale = page.locator('.scale')
    assert scale.locator('.lo').text_content().startswith('fake') and scale.locator('.hi').text_content().endswith('real') and '4 × 4 parts' in scale.get_attribute('title')
    box = page.locator('canvas.big').bounding_box()
    page.mouse.move(box['x'] + box['width']/8, box['y'] + box['height']/8)
    assert float(page.locator('canvas.big').get_attribute('title').split(': ')[1].replace('−', '-')) == pytest.approx(values[0], abs=6e-3)
    before = page.evaluate(pixel, values.index(min(values)))
    scale.locator('button').click()
    page.wait_for_timeout(200)
    red, green, blue = page.evaluate(pixel, values.index(min(values)))
    assert red == green == blue and [red, green, blue] != before          # the sample itself, which is grey

def test_a_schedule_on_the_timeline(shown):
    "Its name and its value stand on it; the tooltip has the value at the step under the pointer"
    learn = GANLearner(tensor_dls(torch.rand(40, 1, 16, 16)*2 - 1, 8), *dcgan(16, 1, z_dim=4, width=2, seed=0), seed=0)
    learn.tricks.on('gradient_penalty', gamma=linear(10, 0, steps=10))
    learn.fit_steps(5, progress=False)
    part = Timeline()
    part.refresh(make_state(learn, timeline=on_the_line(learn, Film(learn.run))))
    page = shown(part)
    said = page.evaluate('said')
    name = next(s for s in said if s[0] == 'Gradient penalty γ 5.00')
    box = page.locator('canvas').bounding_box()
    far = (box['width'] - 2*24)/100          # pixels of a step: the line is a hundred steps long at least
    page.mouse.move(box['x'] + 24 + 2*far, box['y'] + name[2])
    assert page.locator('canvas').get_attribute('title').startswith('Gradient penalty γ at step 2: 8.00')
    assert 'Gradient penalty γ 5.00' in page.locator('canvas').get_attribute('aria-valuetext')

def saves(page):
    "What the view sets from now on, and hands to the kernel: a list of [name, value] in the page, `saved`"
    page.evaluate("""() => { window.saved = []; let set = []; const plain = model.set.bind(model);
      model.set = (k, v) => { set.push([k, v]); plain(k, v) }; model.save_changes = () => { saved.push(...set); set = [] } }""")
    return lambda: page.evaluate('saved.splice(0)')

def test_a_control(shown):
    "Click, label and Space ask, a refusal is read beside the switch and belongs to it; what is said is text"
    learn = small()
    c = trick_control(learn, 'label_smoothing')
    page = shown(c, 384)
    saved, sw = saves(page), page.get_by_role('switch', name='Label smoothing')
    assert not sw.is_checked()
    sw.click(); assert saved() == [['value', True]] and sw.is_checked()
    page.click('label'); assert saved() == [['value', False]]
    sw.focus(); page.keyboard.press('Space'); assert saved() == [['value', True]]
    assert sw.get_attribute('data-lm-suppress-shortcuts') == 'true'
    learn.set_loss('wasserstein'); c.value = True
    for k in ('refusal', 'value'): page.evaluate('a => model.set(...a)', [k, getattr(c, k)])
    why = page.locator('#' + sw.get_attribute('aria-describedby'))
    assert not sw.is_checked() and why.text_content() == c.refusal and 'needs targets' in c.refusal
    assert why.evaluate('e => getComputedStyle(e).color') == 'rgb(179, 38, 30)' and page.evaluate('document.documentElement.scrollWidth') <= 384
    saved()
    page.evaluate("model.set('refusal', ''); model.set('description', '<i>Smooth</i>'); model.set('tooltip', 'Softer targets'); model.set('disabled', true)")
    assert why.text_content() == '' and page.text_content('label') == '<i>Smooth</i>' and page.get_attribute('label', 'title') == 'Softer targets' and page.locator('.sw').is_disabled()

@pytest.mark.parametrize('width', [384, 1100])
def test_steer(shown, width):
    "Sliders say their value while they move and send it when the hand lets go; places stay in order; a refusal is text, and the picture stays"
    learn = small()
    learn.tricks.on('style')
    s = Steer(learn, n=5, size=300)
    page = shown(s, width)
    saved, psi = saves(page), page.get_by_role('slider', name='Truncation ψ')
    psi.evaluate("e => { e.value = .5; e.dispatchEvent(new Event('input')) }")
    assert psi.get_attribute('aria-valuetext') == '0.50' and saved() == []
    psi.focus(); page.keyboard.press('ArrowLeft')
    assert saved() == [['truncation', .45]] and page.text_content('.line .val') == '0.45'
    page.get_by_role('slider', name='Latents').focus(); page.keyboard.press('End')
    assert saved() == [['latents', 999]]
    first, last = page.get_by_label('First place'), page.get_by_label('Last place')
    assert first.is_disabled() and page.get_by_role('slider', name='Other sample').is_disabled()
    page.get_by_text('Mix in').click(); assert saved() == [['mixing', True]] and not first.is_disabled()
    assert first.locator('option').all_text_contents() == s.names and len(s.names) > 2
    first.select_option(s.names[2]); assert saved() == [['places', [2, 2]]] and last.input_value() == '2'
    last.select_option(s.names[1]); assert saved() == [['places', [1, 1]]] and first.input_value() == '1'
    page.evaluate("model.set('refusal', '<b>no</b>'); model.set('truncation', -1)")
    assert page.text_content('.no') == '<b>no</b>' and page.locator('.no').is_visible() and page.text_content('.line .val') == '−1.00'
    page.wait_for_function("document.querySelector('canvas').getContext('2d').getImageData(5, 5, 1, 1).data[3]")
    picture, slider = page.locator('canvas').bounding_box(), psi.bounding_box()
    assert picture['width'] == 300 and (slider['y'] > picture['y'] + picture['height'] if width < 640 else slider['x'] > picture['x'] + picture['width'])
    assert picture['height'] == pytest.approx(3*149 + 4, abs=1) and page.evaluate('document.documentElement.scrollWidth') <= width

def test_a_trial_is_asked_for(shown):
    "Try, beside a trick, opens a line that takes whole steps alone; of one that is on, it is tried without it"
    learn = small()
    learn.tricks.on('ema')
    panel = TrickPanel(learn, compare=len)
    panel.pins = ['ema', 'lecam']
    try: page = shown(panel, 340)
    finally: panel.close()
    asked = lambda: [m for m in page.evaluate('model.sent') if m['do'] != 'sight']
    for name, do, words in (('lecam', 'on', 'With it for'), ('ema', 'off', 'Without it for')):
        row = page.locator(f'.row[data-trick={name}]')
        steps, line = row.locator('.trial input'), row.locator('.trial')
        assert not line.is_visible()
        row.locator('.try').click()
        assert line.is_visible() and words in line.text_content() and steps.evaluate('e => e === e.getRootNode().activeElement')
        assert all(b['width'] >= 24 and b['height'] >= 24 for b in [e.bounding_box() for e in [row.locator('button.try'), steps, *line.locator('button').all()]])
        box, own = line.bounding_box(), row.bounding_box()
        assert box['x'] >= own['x'] and box['x'] + box['width'] <= own['x'] + own['width'] + 1, 'it stays within its row'
        n = len(asked())
        for wrong in ('0', '2.5', ''):
            steps.fill(wrong)
            steps.press('Enter')
        assert len(asked()) == n and line.is_visible()
        steps.fill('200')
        steps.press('Enter')
        assert asked()[n:] == [dict(do=do, name=name, trial=200)] and not line.is_visible()
        row.locator('.try').click()
        steps.press('Escape')
        assert not line.is_visible() and len(asked()) == n + 1

def test_a_preset_is_tried(shown):
    "Beside Switch stands Try, which opens the same line as beside a trick"
    panel = TrickPanel(small(), compare=len)
    panel.request(dict(do='plan', name='wgan_gp_toy'))
    try: page = shown(panel, 340)
    finally: panel.close()
    card = page.locator('.plan')
    steps = card.locator('.trial input')
    assert not steps.is_visible()
    card.get_by_role('button', name='Try: WGAN-GP').click()
    assert 'All of it for' in card.locator('.trial').text_content() and steps.evaluate('e => e === e.getRootNode().activeElement')
    box, own = card.locator('.trial').bounding_box(), card.bounding_box()
    assert box['x'] >= own['x'] and box['x'] + box['width'] <= own['x'] + own['width'] + 1
    steps.fill('200')
    steps.press('Enter')
    assert [m for m in page.evaluate('model.sent') if m['do'] == 'preset'] == [dict(do='preset', name='wgan_gp_toy', trial=200)]

def test_what_the_words_mean(shown):
    "The button ? asks once for the glossary, which comes with the package, and finds a word by its name, or by what is said of it; Escape closes it, and the focus is where it was"
    part = Status(saves=True)
    sent, part.send = [], lambda content: sent.append(content)
    part.heard(dict(words=True))
    page = shown(part)
    page.click('.gl-words')
    assert page.evaluate('model.sent') == [{'words': True}] and page.evaluate('document.activeElement.className') == 'inp gl-find'
    page.evaluate('m => model.heard["msg:custom"].forEach(f => f(m))', sent[0])
    def found(): return page.locator('.wl .ws > div:visible b').all_inner_texts()
    assert len(found()) == len(sent[0]['words']) > 150
    page.fill('.gl-find', 'D wins'); assert found() == ['D wins']
    assert 'scores a real above a fake' in page.locator('.wl .ws > div:visible').inner_text()
    page.fill('.gl-find', 'logarithmic axis'); assert found() == ['Gradient norm']
    page.fill('.gl-find', 'xyzzy'); assert found() == [] and page.locator('.wl p').inner_text() == 'No such word.'
    page.press('.gl-find', 'Escape')
    assert page.locator('.wl').is_hidden() and page.evaluate('document.activeElement.className').endswith('gl-words')
    page.click('.gl-words')
    assert len(page.evaluate('model.sent')) == 1
