"Pages of the site, made by pandoc from what nbdev prepares, as a browser shows them with the network off."
import re, shutil, sys
import pytest
from project import NBS, ROOT, markdown, notebooks, read, words

sys.path.insert(0, str(ROOT/'tools'))
import copies
from preview import render, text_of

READ = 'learn', 'help', 'howto', 'tutorials', 'gallery', 'about'        # folders whose pages are read, and not looked up
LISTED = 'api', 'howto/sentences'                                      # lists made from the package, with more signs than words
LIBRARY = ['index', 'catalogue', 'cheatsheet', 'api', 'glossary', 'learner', 'record/run', 'metrics', 'panels/tricks', 'tricks/spectral_norm', 'tricks/gradient_penalty', 'tricks/ada']
PAGES = [p for p in (nb.with_suffix('').as_posix() for nb in notebooks()) if p in LIBRARY or p.partition('/')[0] in READ]
each_page = pytest.mark.parametrize('pages', [pytest.param(PAGES[i::8], id=f'{i + 1} of 8') for i in range(8)])
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
def test_pages(pages, html, browser):
    "They ask nothing of the network, show their formulas, say what is on their images, and do not scroll sideways, on a telephone or a desk"
    wrong = {}
    for name in pages:
        try: check_page(name, html, browser)
        except Exception as e: wrong[name] = str(e)
    assert not wrong, wrong

def check_page(name, html, browser):
    page, asked, failed = opened(browser, html(name))
    try:
        assert not asked and not failed, (asked, failed)
        assert page.evaluate("[...document.images].filter(i => !i.hasAttribute('alt') || i.closest('main') && !i.alt.trim() || !i.naturalWidth).map(i => i.src)") == []
        assert page.evaluate("[...document.querySelectorAll('iframe')].filter(f => !f.title).length") == 0
        assert page.evaluate("[...document.querySelectorAll('main a')].filter(a => !a.textContent.trim() && !a.closest('pre') && !a.querySelector('img[alt]')).length") == 0
        assert not re.search(r'\\(frac|hat|mathrm|lVert|theta|sigma|begin)\b', re.sub(r'`[^`]*`', '', page.evaluate(PROSE))), 'a formula that is not one'
        assert '$$' not in page.evaluate(PROSE)
        for width in (400, 1400):
            page.set_viewport_size(dict(width=width, height=900))
            assert page.evaluate('document.documentElement.scrollWidth') <= width, (width, page.evaluate(WIDE, width))
    finally: page.context.close()

WIDE = """width => [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > width + 1 && !e.closest('.dataframe, math')).map(e => e.tagName + ': ' + e.textContent.slice(0, 60)).slice(0, 5)"""
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
        assert page.evaluate('document.documentElement.scrollWidth') <= 700, page.evaluate(WIDE, 700)
        widths = page.evaluate("[...document.querySelector('main table').rows[1].cells].map(c => c.clientWidth)")
        assert min(widths) > 80, widths
    finally: page.context.close()

@each_page
def test_words_on_the_pages(pages, html):
    "What a notebook says stands on its page as it is read"
    def lost(name):
        plain = re.sub(r'\$\$.*?\$\$|\$[^$\n]+\$|<[^>]*>|!\[[^\]]*\]\([^)]*\)|&\w+;|^#+ .*\{.*\}$|:::.*$|^```\w*|^- toc: false$|^\d+\. ', ' ', '\n'.join(markdown(read(f'{name}.ipynb'))), flags=re.S | re.M)
        return words(plain) - words(text_of(html(name)))
    assert not (found := {name: lost(name) for name in pages if name not in LISTED and lost(name)}), found

PLAYERS_APART = 400_000      # bytes of a page, of its pictures and of the styles; a player comes when it is scrolled to

def test_weight(html):
    "Half of the pages weigh no more than 400 kB, and none of them four times as much"
    sizes = {name: weight(html(name)) for name in PAGES}
    middle = sorted(sizes.values())[len(sizes)//2]
    assert middle <= PLAYERS_APART and max(sizes.values()) <= 4*PLAYERS_APART, sorted(sizes.items(), key=lambda o: -o[1])[:5]

def weight(page):
    text = page.read_text(encoding='utf-8')
    files = {page.parent/src for src in re.findall(r'<(?:img|script|link)[^>]* (?:src|href)="([^"#]+)"', text)}
    return len(text.encode()) + sum(f.resolve().stat().st_size for f in files)

def test_a_player_is_reached_soon(html, browser):
    "On the home page it takes ten tabs at most, and the first one skips the bar on top"
    page = opened(browser, html('index'), width=1400)[0]
    try:
        seen = []
        while len(seen) < 10 and 'IFRAME' not in seen:
            page.keyboard.press('Tab')
            seen.append(page.evaluate("document.activeElement.tagName"))
            if len(seen) == 1: assert page.evaluate("document.activeElement.className") == 'skip'
        assert 'IFRAME' in seen, seen
    finally: page.context.close()

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
