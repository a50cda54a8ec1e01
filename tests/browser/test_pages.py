"Pages of the site, made by pandoc from what nbdev prepares, as a browser shows them with the network off."
import re, shutil, sys
import pytest
from project import NBS, ROOT, markdown, notebooks, read, words
from rendered import render, text_of

sys.path.insert(0, str(ROOT/'tools'))
import copies

PAGES = ['index', 'catalogue', 'learner', 'record/run', 'metrics', 'tutorials/quickstart', 'tutorials/one_face', 'tutorials/toggle_story',
         'tutorials/dirac', 'tutorials/fork_and_compare', 'tricks/spectral_norm', 'tricks/gradient_penalty', 'tricks/ada', 'panels/tricks',
         'help/index', 'help/d_loss_zero']
IN_ALL = ['learner', 'tutorials/dirac', 'tutorials/one_face', 'metrics', 'record/run', 'tutorials/toggle_story', 'tutorials/fork_and_compare', 'tricks/gradient_penalty', 'tricks/ada']  # with `make test-all`
each_page = pytest.mark.parametrize('name', [pytest.param(p, marks=pytest.mark.slow) if p in IN_ALL else p for p in PAGES])
pytestmark = pytest.mark.browser

@pytest.fixture(scope='module')
def html(site, tmp_path_factory):
    "html(name) -> the page of a notebook, as a file"
    to, made = tmp_path_factory.mktemp('html'), {}
    shutil.copy(NBS/'styles.css', to)
    for folder in (*{p.parent.relative_to(NBS) for p in copies.players()}, 'images'): shutil.copytree(site/folder, to/folder)
    def page(name):
        if name not in made: made[name] = render(next(p for p in notebooks() if p.as_posix() == f'{name}.ipynb'), site, to)
        return made[name]
    return page

def opened(browser, path, width=400, scheme='light'):
    "(the page, what it asked the network for, what failed) in a browser without a network"
    context = browser.new_context(viewport=dict(width=width, height=900), color_scheme=scheme, offline=True)
    page, asked, failed = context.new_page(), [], []
    page.on('request', lambda r: asked.append(r.url))
    page.on('requestfailed', lambda r: failed.append(r.url))
    page.on('pageerror', lambda e: failed.append(str(e)))
    page.goto(path.as_uri())
    return page, [u for u in asked if not u.startswith(('file:', 'data:', 'blob:'))], failed

@each_page
def test_page(name, html, browser):
    "It asks nothing of the network, shows its formulas, says what is on its images, and does not scroll sideways on a telephone"
    page, asked, failed = opened(browser, html(name))
    try:
        assert not asked and not failed, (asked, failed)
        assert page.evaluate('document.documentElement.scrollWidth') <= 400, page.evaluate(WIDE)
        assert page.evaluate("[...document.images].filter(i => !i.alt.trim() || !i.naturalWidth).map(i => i.src)") == []
        assert page.evaluate("[...document.querySelectorAll('iframe')].filter(f => !f.title).length") == 0
        text = page.inner_text('main')
        assert not re.search(r'\\(frac|hat|mathrm|lVert|theta|sigma|begin)\b', re.sub(r'`[^`]*`', '', page.evaluate(PROSE))), 'a formula that is not one'
        assert '$$' not in page.evaluate(PROSE)
    finally: page.context.close()

WIDE = """[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 401 && !e.closest('.dataframe, math')).map(e => e.tagName + ': ' + e.textContent.slice(0, 60)).slice(0, 5)"""
PROSE = """[...document.querySelectorAll('main p, main li, main td')].filter(e => !e.closest('.dataframe')).map(e => [...e.childNodes].filter(n => n.nodeType == 3).map(n => n.data).join(' ')).join(' ')"""

@pytest.mark.parametrize('name', ['index', 'tricks/spectral_norm'])
def test_light_and_dark(name, html, browser):
    "The page follows the reader: dark text on light, light text on dark"
    for scheme, darker in (('light', 'color'), ('dark', 'backgroundColor')):
        page = opened(browser, html(name), scheme=scheme)[0]
        light = {k: page.evaluate(SHADE, k) for k in ('color', 'backgroundColor')}
        page.context.close()
        assert light.pop(darker) < 80 and 175 < light.popitem()[1], scheme

# How light a colour of the page is, 0 to 255: drawn, since a page that follows the reader may leave its ground to the browser
SHADE = r"""name => {
  const s = document.createElement('div'); s.style.color = name == 'color' ? getComputedStyle(document.querySelector('main p')).color : 'Canvas';
  document.body.append(s); const rgb = getComputedStyle(s).color.match(/[\d.]+/g).map(Number); s.remove();
  return (rgb[0] + rgb[1] + rgb[2])/3 }"""

def test_table_of_tricks(html, browser):
    "It is read on a small tablet without scrolling, no column narrower than a word"
    page = opened(browser, html('catalogue'), width=700)[0]
    try:
        assert page.evaluate('document.documentElement.scrollWidth') <= 700, page.evaluate(WIDE)
        widths = page.evaluate("[...document.querySelector('main table').rows[1].cells].map(c => c.clientWidth)")
        assert min(widths) > 80, widths
    finally: page.context.close()

@each_page
def test_words_on_the_page(name, html):
    "What the notebook says stands on the page as it is read"
    plain = re.sub(r'\$\$.*?\$\$|\$[^$\n]+\$|<[^>]*>|&\w+;|^#+ .*\{.*\}$|:::.*$|^```\w*', ' ', '\n'.join(markdown(read(f'{name}.ipynb'))), flags=re.S | re.M)
    lost = words(plain) - words(text_of(html(name)))
    assert not lost, lost

def shown(page): return page.locator('.tricks article:visible').count()

@pytest.mark.parametrize('width, scheme', [(1400, 'light'), (400, 'dark')])
def test_cards(html, browser, width, scheme):
    "The filter: each wish leaves those cards that have it, by keyboard too; groups that are empty are gone; all come back"
    page, _, failed = opened(browser, html('catalogue'), width, scheme)
    try:
        n = shown(page)
        assert n == page.locator('.tricks article').count() > 60
        page.get_by_label('Acts on').focus()
        page.keyboard.press('End')                                      # the last choice
        assert page.get_by_label('Acts on').input_value() == 'batches'
        assert {c for c in page.eval_on_selector_all('.tricks article', "cs => cs.filter(c => !c.hidden).map(c => c.dataset.acts)")} and 0 < shown(page) < 10
        assert page.locator('.tricks section:visible').count() < page.locator('.tricks section').count()
        page.get_by_role('button', name='Show all').press('Enter')
        page.wait_for_function(f"document.querySelector('.tricks output').value == '{n} of {n} tricks'")
        page.get_by_label('Goes with').select_option('wgan_gp')
        assert not page.locator('article[data-name=label_smoothing]').is_visible() and page.locator('article[data-name=ema]').is_visible()
        page.get_by_label('Needs').select_option('labels')
        assert page.eval_on_selector_all('.tricks article', "cs => cs.filter(c => !c.hidden).every(c => c.dataset.needs == 'labels')") and shown(page) == 4
        page.get_by_label('Has the words').fill('no such trick')
        assert shown(page) == 0 and 'No trick' in page.locator('.tricks output').inner_text()
        assert not failed and page.evaluate('document.documentElement.scrollWidth') <= width
    finally: page.context.close()

def test_cards_without_a_script(html, browser):
    "All of them, and no filter that would do nothing"
    context = browser.new_context(java_script_enabled=False, viewport=dict(width=400, height=900))
    page = context.new_page()
    try:
        page.goto(html('catalogue').as_uri())
        assert shown(page) == page.locator('.tricks article').count() > 60 and not page.locator('.tricks-filter').is_visible()
    finally: context.close()
