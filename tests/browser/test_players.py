"A player in Chromium, from the disk, with the network off: driven by keyboard and pointer, in light and dark, at 1400 and 400 pixels."
import pytest
from ganlab.page.document import read_page
from ganlab.player import export_html, what_if
from project import NBS
from recorded import EVIL, digits, fit, hostile, ring

PLAYERS = [pytest.param(p, id=p.stem) for p in sorted(NBS.rglob('*.html')) if not any(o[0] in '._' for o in p.relative_to(NBS).parts)]

@pytest.fixture(scope='module')
def files(tmp_path_factory):
    "One file of each kind"
    out = tmp_path_factory.mktemp('players')
    points = fit(ring(), 40)
    points.tricks.on('instance_noise', sigma=.2)
    fit(points, 40).rewind(60)
    fit(points, 40)
    points.tricks.off('instance_noise')
    fit(points, 10)
    images = fit(digits(), 10)
    images.tricks.on('ema')
    fit(images, 30)
    return dict(points=export_html(points, out/'points.html'), images=export_html(images, out/'images.html'),
                what_if=what_if(points, {'gradient_penalty': {'gamma': 1}, 'wgan_gp': {}, 'label_smoothing': {}}, steps=20, frames=5, progress=False).export_html(out/'w.html'))

@pytest.fixture
def opened(browser):
    "opened(path, width, dark) -> a page, ready; at the end: no request but for the file, nothing said on the console"
    contexts, said = [], []
    def go(path, width=1400, height=900, dark=False, still=False, script=None):
        context = browser.new_context(viewport=dict(width=width, height=height), color_scheme='dark' if dark else 'light', reduced_motion='reduce' if still else 'no-preference')
        contexts.append(context)
        context.set_offline(True)
        url = path.resolve().as_uri()
        def asked(route):
            if route.request.url.partition('#')[0] == url: return route.continue_()
            said.append(f'asked for {route.request.url}')
            route.abort()
        context.route('**/*', asked)
        page = context.new_page()
        page.on('request', lambda r: None if r.url.startswith(('file:', 'data:', 'blob:')) and (r.url[:5] != 'file:' or r.url == url) else said.append(r.url))
        page.on('console', lambda m: said.append(f'{m.type}: {m.text}'))
        page.on('pageerror', lambda e: said.append(str(e)))
        if script: page.add_init_script(script)
        page.goto(url)
        page.wait_for_selector('body[data-ready]')
        return page
    go.said = said
    yield go
    for c in contexts: c.close()
    assert not said, said

def at(page): return int(page.locator('body').get_attribute('data-at'))
def step(page): return int(page.locator('body').get_attribute('data-step'))
def count(page): return int(page.locator('body').get_attribute('data-frames'))
def fits(page): assert page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'wider than the window'

def until(page, true, *arg):
    "Wait until it is true; the page's policy leaves playwright no way to wait by itself"
    for _ in range(1000):
        if page.evaluate(true, *arg): return
        page.wait_for_timeout(20)
    raise AssertionError(f'never: {true}')

def inked(page, selector):
    "Of how many colours is a canvas?"
    return page.eval_on_selector(selector, '''c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Set(); for (let i = 0; i < d.length; i += 4) if (d[i + 3]) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return seen.size }''')

def by_keyboard(page):
    "All that the keys do, from the slider and from the page"
    slider, n = page.get_by_role('slider', name='Step'), count(page)
    for focus in (slider.focus, lambda: page.evaluate('document.activeElement.blur()')):
        focus()
        page.keyboard.press('Home'); assert at(page) == 0
        page.keyboard.press('ArrowRight'); assert at(page) == min(1, n - 1)
        page.keyboard.press('Shift+ArrowRight'); assert at(page) == min(11, n - 1)
        page.keyboard.press('Shift+ArrowLeft'); page.keyboard.press('ArrowLeft'); assert at(page) == 0 or n < 12
        page.keyboard.press('End'); assert at(page) == n - 1
        assert slider.get_attribute('aria-valuetext') == f'step {step(page)}' and slider.get_attribute('aria-valuenow') == str(step(page))
    slider.focus()
    page.keyboard.press('Home'); page.keyboard.press('PageUp'); assert at(page) == min(10, n - 1)
    page.keyboard.press('PageDown'); assert at(page) == max(0, min(10, n - 1) - 10)
    page.keyboard.press('Home'); page.keyboard.press(' ')
    until(page, f"document.body.dataset.at > 0 || {n} < 2")
    page.keyboard.press('End'); assert page.locator('body').get_attribute('data-playing') == 'false' and at(page) == n - 1

@pytest.mark.parametrize('width, dark', [pytest.param(*o, id=f'{o[0]}-{"dark" if o[1] else "light"}') for o in ((1400, False), (760, False), (400, True))])
@pytest.mark.parametrize('kind', ['points', 'images', 'what_if'])
@pytest.mark.part(4)
def test_everywhere(files, opened, kind, width, dark):
    page = opened(files[kind], width, dark=dark)
    fits(page)
    assert page.evaluate('getComputedStyle(document.body).backgroundColor') == ('rgb(22, 22, 22)' if dark else 'rgb(246, 246, 246)')
    for canvas in ('.plane' if kind != 'images' else '.fake', '.track canvas', '.top canvas'): assert inked(page, canvas) > 5, canvas
    by_keyboard(page)
    page.get_by_role('button', name='Light or dark').click()
    until(page, f"getComputedStyle(document.body).backgroundColor === '{'rgb(246, 246, 246)' if dark else 'rgb(22, 22, 22)'}'")
    small = page.evaluate('''() => [...document.querySelectorAll('button, input, [role=slider]')].filter(e => e.offsetParent).map(e => [e.textContent, e.getBoundingClientRect()]).filter(([, r]) => r.width < 24 || r.height < 24).map(([t]) => t)''')
    assert not small, small

@pytest.mark.parametrize('player', PLAYERS)
@pytest.mark.parametrize('width,dark', [(1400, False), (400, True)])
@pytest.mark.part(8)
def test_players_of_the_documentation(player, opened, width, dark):
    "Each opens, is driven, and stays small"
    assert player.stat().st_size <= 1e6
    page = opened(player, width, dark=dark)
    fits(page)
    by_keyboard(page)
    for sw in page.get_by_role('switch').all():
        was = step(page)
        sw.click()
        assert sw.get_attribute('aria-checked') == 'true' and step(page) == was

def test_there_are_players(): assert len(PLAYERS) >= 2

def test_what_the_page_says_is_true(files, opened):
    "Step by step: the step, the modes, the branch"
    story, _ = read_page(files['what_if'].read_text())
    page = opened(files['what_if'])
    switch = page.get_by_role('switch')
    for i, name in enumerate(('gradient_penalty', None, None)):
        by = {tuple(b['on']): story['past'] + b['frames'] for b in story['branches']}
        on = tuple(s.get_attribute('aria-checked') == 'true' for s in switch.all())
        page.keyboard.press('Home')
        for f in by[on]:
            assert step(page) == f['step'] and page.locator('body').get_attribute('data-found') == str(f['found'])
            assert page.locator('.score b').inner_text() == str(f['found'])
            page.keyboard.press('ArrowRight')
        if name: switch.nth(0).click()

def test_flip(files, opened):
    "The step stays, the pictures change; what cannot be is said, and nothing moves"
    page = opened(files['what_if'])
    page.keyboard.press('ArrowLeft')
    was, picture = step(page), page.eval_on_selector('.plane', 'c => c.toDataURL()')
    sw = page.get_by_role('switch')
    sw.nth(0).focus()
    page.keyboard.press(' ')
    until(page, "document.body.dataset.branch === '100'")
    until(page, 'p => document.querySelector(".plane").toDataURL() !== p', picture)
    assert step(page) == was and sw.nth(0).get_attribute('aria-checked') == 'true' and page.get_by_role('status').inner_text().startswith('Gradient penalty on: ')
    page.keyboard.press(' ')
    until(page, 'p => document.querySelector(".plane").toDataURL() === p', picture)      # there and back
    sw.nth(1).click()
    assert page.locator('body').get_attribute('data-branch') == '010'
    sw.nth(2).click()
    assert 'WGAN-GP and Label smoothing' in page.get_by_role('status').inner_text() and page.locator('body').get_attribute('data-branch') == '010'
    until(page, "[...document.querySelectorAll('.sw')].map(s => s.checked).join() === 'false,true,false'")
    assert step(page) == was

def test_the_log_leads_there(files, opened):
    page = opened(files['points'])
    entries = page.locator('.entry')
    assert entries.count() == 2 and entries.nth(1).get_attribute('aria-current') == 'step'
    entries.nth(0).click()
    assert 40 <= step(page) <= 50 and entries.nth(0).get_attribute('aria-current') == 'step' and 'later' in entries.nth(1).get_attribute('class')
    page.keyboard.press('ArrowDown'); page.keyboard.press('Enter')
    assert step(page) == 100

def test_by_pointer(files, opened):
    "Dragged along the timeline and along the curves"
    page = opened(files['points'])
    for box in (page.get_by_role('slider'), page.locator('.top .cv')):
        b = box.bounding_box()
        page.mouse.move(b['x'] + b['width']*.5, b['y'] + b['height']*.6)
        page.mouse.down(); middle = step(page)
        page.mouse.move(b['x'] + b['width']*.25, b['y'] + b['height']*.6, steps=5); left = step(page)
        page.mouse.up()
        page.mouse.move(b['x'] + b['width']*.8, b['y'] + 10)
        assert 40 <= middle <= 70 and 10 <= left < middle and step(page) == left

def test_plays_to_the_end(files, opened):
    page = opened(files['images'])
    page.get_by_role('radio', name='10×').click()
    page.get_by_role('button', name='Play').click()
    until(page, "document.body.dataset.playing === 'false' && +document.body.dataset.at === +document.body.dataset.frames - 1")
    assert page.locator('.play').inner_text() == 'Play'

def test_opens_at_once(tmp_path, opened):
    "However many pictures there are, only those that are seen are decoded"
    learn = digits()
    learn.run.frame_every = 1
    path = export_html(fit(learn, 250), tmp_path/'a.html')
    page = opened(path, script='window.made = 0; const was = createImageBitmap; window.createImageBitmap = (...a) => { window.made++; return was(...a) }')
    assert count(page) > 100 and page.evaluate('window.made') < 30

def test_still(files, opened):
    "Where less motion is wanted, nothing moves by itself"
    page = opened(files['what_if'], still=True)
    assert page.locator('body').get_attribute('data-playing') == 'false'
    assert page.evaluate("getComputedStyle(document.querySelector('.sw'), '::after').transitionProperty") == 'none'

@pytest.mark.parametrize('width', [1400, 400])
@pytest.mark.part(2)
def test_nothing_executes(tmp_path, opened, width):
    "Names and values that are HTML and JavaScript are shown as they are"
    learn = hostile(tmp_path/'a<img src=x onerror=window.hit=1>')
    files = [export_html(learn, tmp_path/'a.html'), export_html(learn, tmp_path/'b.html', title=EVIL), what_if(learn, {'rogue': {'note': EVIL}}, steps=2, frames=2, progress=False).export_html(tmp_path/'c.html')]
    learn.run.close()
    for path in files:
        page = opened(path, width)
        for sw in page.get_by_role('switch').all(): sw.click()
        fits(page)
        assert page.evaluate('window.hit') is None and page.locator('img, iframe, object, embed').count() == 0 and page.locator('script').count() == 3
        assert '<img src=x onerror=window.hit=1>' in page.locator('#player').inner_text()

def test_policy(files, opened):
    "Even a script that got in would not run, and would reach no network"
    page = opened(files['points'])
    broken = page.evaluate('''() => new Promise(done => { const seen = []; document.addEventListener('securitypolicyviolation', e => { seen.push(e.effectiveDirective); if (seen.length === 4) done(seen.sort()) });
        const s = document.createElement('script'); s.textContent = 'window.hit = 1'; document.body.append(s);
        const i = new Image(); i.src = 'https://example.org/a.png'; fetch('https://example.org/').catch(() => 0); const f = document.createElement('iframe'); f.src = 'https://example.org/'; document.body.append(f) })''')
    assert broken == ['connect-src', 'frame-src', 'img-src', 'script-src-elem'] and page.evaluate('window.hit') is None
    assert all('Content Security Policy' in s or 'asked' not in s for s in opened.said)
    opened.said.clear()

def test_a_class_is_looked_at(tmp_path, opened):
    "All classes in rows with their names, or one of them, larger; before the switch that brought classes there are no rows, and it says so"
    from test_views import named_classes
    learn = named_classes()
    learn.fit_steps(1, progress=False)
    learn.tricks.on('class_norm')
    learn.fit_steps(2, progress=False)
    page = opened(export_html(learn, tmp_path/'classes.html'))
    rows, none, tall = page.locator('.row-names > span'), page.locator('.none'), lambda: page.locator('canvas.fake').bounding_box()['height']
    assert rows.first.text_content() == 'ankle boot' and rows.count() == 8 and not none.is_visible()
    whole = tall()
    page.locator('select.only').select_option('bag')
    until(page, '() => !document.querySelector(".row-names").offsetParent')
    assert page.locator('canvas.fake').get_attribute('aria-label') == '24 samples of G of the class bag at step 3' and tall() > .6*whole and not none.is_visible()
    page.keyboard.press('Home')
    until(page, '() => document.body.dataset.step === "0"')
    assert none.is_visible() and page.locator('canvas.fake').get_attribute('aria-label') == '64 samples of G at step 0'
