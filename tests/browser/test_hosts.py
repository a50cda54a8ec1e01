"""The panel where it is not JupyterLab that shows it: Notebook 7, Voila, marimo (in a shadow root, without ipywidgets), and a notebook whose anywidget cannot mount.

In each all parts draw, a switch is applied and flagged, the keyboard works, the colours follow the page, and a reload keeps what the host keeps."""
import json, re, socket, subprocess, sys
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen
import pytest
from labdriver import Bench, KERNEL, number, until

MAKE = '''from ganlab.all import GANLearner, Lab, mlp, ring_dls
import time, torch
torch.set_num_threads(1)
class Slow(GANLearner):
    def one_step(self, *args, **kwargs):
        time.sleep(.04)
        return super().one_step(*args, **kwargs)
learn = Slow(ring_dls(n=2000, bs=64), *mlp(width=16, depth=2, seed=0), seed=0)
def steps_done(learn): return dict(steps=learn.step)'''
SHOW = 'lab = Lab(learn, panels=steps_done)\nlab'
PARTS = 'transport health samples curves tricks timeline own status'.split()

def as_notebook(folder):
    cells = [dict(cell_type='code', id=f'cell{i}', source=s, metadata={}, outputs=[], execution_count=None) for i, s in enumerate((MAKE, SHOW))]
    (folder/'panel.ipynb').write_text(json.dumps(dict(cells=cells, metadata=dict(kernelspec=KERNEL), nbformat=4, nbformat_minor=5)))

def as_app(folder):
    body = lambda code: '\n'.join(f'    {l}' for l in code.splitlines())
    text = f'import marimo\napp = marimo.App(width="full")\n\n@app.cell\ndef _():\n{body(MAKE)}\n    return Lab, learn, steps_done\n\n@app.cell\ndef _(Lab, learn, steps_done):\n{body(SHOW)}\n    return\n'
    (folder/'app.py').write_text(text)
    (folder/'pyproject.toml').write_text('[tool.marimo.display]\ntheme = "dark"\n[tool.marimo.runtime]\nauto_instantiate = true\n')

JUPYTER = '--no-browser --port={port} --allow-root --IdentityProvider.token= --ServerApp.ip=127.0.0.1 --expose-app-in-browser --LabApp.news_url=None'.split()
HOSTS = {                   # how it is started, what is opened, and does a reload find the run again?
    'notebook': (as_notebook, ['-m', 'notebook', *JUPYTER], '/notebooks/panel.ipynb', True),
    'voila': (as_notebook, '-m voila panel.ipynb --no-browser --port={port} --theme=dark'.split(), '/', False),     # a page is a kernel of its own
    'marimo': (as_app, '-m marimo edit app.py --headless --no-token --skip-update-check --host 127.0.0.1 --port {port}'.split(), '/', True)}

@contextmanager
def served(folder, command, path):
    "The host, answering; -> its address"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    with open(folder/'log', 'w') as log: proc = subprocess.Popen([sys.executable, *(c.format(port=port) for c in command)], cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    def answers():
        assert proc.poll() is None, (folder/'log').read_text()[-2000:]
        try: return urlopen(f'http://127.0.0.1:{port}/', timeout=5).status
        except (URLError, ConnectionError): return None
    try:
        until(answers, timeout=90, what='the host')
        yield f'http://127.0.0.1:{port}{path}'
    finally:
        proc.terminate()
        try: proc.wait(20)
        except subprocess.TimeoutExpired: proc.kill()

def shown(page):
    "All parts are drawn: none says that it cannot be, and each has something in it"
    page.wait_for_selector('.gl-status', timeout=90_000)
    for part in PARTS: page.wait_for_function('part => [...document.querySelectorAll("*")].flatMap(e => e.shadowRoot ? [e, e.shadowRoot] : [e]).some(r => r.querySelector?.(`.gl-lab .gl-${part} .gl-root`)?.clientHeight > 20)', arg=part)
    assert page.locator('.gl-cannot').count() == 0 and page.locator('.gl-lab').count() == 1
    page.locator('.gl-own').scroll_into_view_if_needed()
    page.locator('.gl-own dd').wait_for()                    # a part is drawn when it comes into sight
    assert page.locator('.gl-tricks .row').count() > 40

def seen(page, get, ok=bool, what='it'): return until(get, ok, 60, what, lambda: page.wait_for_timeout(50))

def flip(page, name, title):
    row = page.locator(f'[data-trick="{name}"]')
    switch = row.locator('.sw')
    switch.focus()
    page.keyboard.press('Space')
    said = seen(page, lambda: page.text_content('.gl-say'), lambda t: re.match(rf'{title} on at step', t), f'{title} on')
    step = number(said.partition(' at step ')[2])
    seen(page, lambda: row.get_attribute('data-state'), lambda s: s == 'on', 'the row')
    seen(page, lambda: json.loads(page.get_attribute('.gl-curves', 'data-flags') or '[]'), lambda fs: [f['step'] for f in fs] == [step], 'the flag')
    return step

COLOURS = '''e => {
    const s = getComputedStyle(e), x = document.createElement('canvas').getContext('2d');
    x.fillStyle = s.backgroundColor; x.fillRect(0, 0, 1, 1);
    return [[...x.getImageData(0, 0, 1, 1).data], s.getPropertyValue('--g').trim()];
}'''

def tried(page):
    "What a person does first"
    shown(page)
    page.click('.gl-run')
    seen(page, lambda: page.text_content('.gl-state'), lambda s: 'Running' in s, 'Running')
    step = flip(page, 'label_smoothing', 'Label smoothing')
    page.keyboard.press('ArrowDown')                         # to the next switch, by its own root's focus
    page.locator('[data-trick="spectral_norm"] .sw:focus').wait_for()
    size = page.locator('.gl-seg, .gl-curves .seg').first.locator('[role=radio][aria-checked=true]')
    size.focus()
    page.keyboard.press('ArrowRight')
    page.locator('.gl-curves [role=radio]:focus').wait_for()
    assert page.locator('.gl-curves [role=radio]:focus').text_content() == '100'
    return step

@pytest.mark.parametrize('host', [pytest.param(h, marks=[pytest.mark.slow] if h != 'marimo' else []) for h in HOSTS])     # those with ipywidgets are much like JupyterLab
def test_host(browser, tmp_path, host):
    make, command, path, keeps = HOSTS[host]
    make(tmp_path)
    with served(tmp_path, command, path) as url:
        context = browser.new_context(viewport=dict(width=1300, height=1200), color_scheme='dark')
        try:
            page, said = context.new_page(), []
            page.on('pageerror', lambda e: said.append(str(e)))
            page.goto(url, wait_until='domcontentloaded')
            if host == 'notebook':
                page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'", timeout=90_000)
                page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'}).then(() => { window.jupyterapp.commands.execute('notebook:run-all-cells') })")
            hosts_own = set(said)                            # what it complains of without a panel
            step = tried(page)
            (*paper, opaque), g = page.locator('.gl-lab').evaluate(COLOURS)
            assert g == '#ffb05c' and max(paper) < 70 and opaque == 255
            if keeps:
                if host == 'notebook': page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save').then(() => null)")
                page.reload(wait_until='domcontentloaded')
                shown(page)
                seen(page, lambda: page.text_content('.gl-state'), lambda s: 'Running' in s, 'Running')
                seen(page, lambda: page.get_attribute('[data-trick="label_smoothing"]', 'data-state'), lambda s: s == 'on', 'the switch')
                assert number(page.text_content('.gl-step')) > step
            page.click('.gl-stop')
            seen(page, lambda: page.text_content('.gl-state'), lambda s: 'Idle' in s, 'Idle')
            assert not set(said) - hosts_own
        finally: context.close()

def test_without_mounting(browser):
    "Where a child widget cannot be mounted by anywidget, ipywidgets' own views take the places"
    other = "from ganlab.panels.panel import Panel\nPanel._esm = Panel._esm.replace('context.host.getWidget(ref)', 'Promise.reject(new Error(\"no host\"))')"
    with Bench(browser) as bench, bench.open([other, MAKE, SHOW]) as nb:
        nb.run_all()
        assert not nb.errors()
        tried(nb.page)
        assert nb.page.locator('.gl-lab .lm-Widget').count() >= len(PARTS)
        nb.reload()
        shown(nb.page)
        nb.click('.gl-stop')
        nb.wait_text('.gl-state', 'Idle')
        assert not nb.complaints()
