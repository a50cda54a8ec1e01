"""A notebook in a real JupyterLab in a real Chromium: run its cells, click its widgets, read what they show.

    with chromium() as browser, Bench(browser) as bench, bench.open('quickstart.ipynb') as nb:
        nb.run_all()
        nb.flip('spectral_norm')
        nb.said('Spectral norm on')
        assert not nb.complaints()

Everything that JupyterLab and Chromium write goes to folders that are deleted at the end. What the page complains of on its console, and any request
that would leave this machine, is recorded (and the request is not let through).
"""
from __future__ import annotations
import json, os, re, secrets, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.request
from contextlib import contextmanager
from pathlib import Path
from playwright.sync_api import sync_playwright

SETTINGS = {'@jupyterlab/apputils-extension:notification': dict(checkForUpdates=False, fetchNews='false', doNotDisturbMode=True),
            '@jupyterlab/notebook-extension:tracker': dict(windowingMode='none')}   # cells out of view stay in the page, where selectors find them
# Console messages that say nothing about a notebook. JupyterLab puts a picture of a text into the page before it has found the file, and the browser may ask for it at the page's address first.
BENIGN = r'favicon|/lsp/status|Download the React DevTools|404 \(Not Found\) \[\S+/doc/images/'

# In the page: `arm` notes when the next click happens and when each target first shows its pattern, both by the page's clock.
PAGE_JS = r'''
(() => {
  const now = () => performance.timeOrigin + performance.now();
  const shown = e => e === null ? '' : e.textContent + ' ' + (e.dataset.flags || '');
  const T = window.__timing = {click: null, seen: {}};
  document.addEventListener('click', () => { if (T.click === null) T.click = now(); }, true);
  T.arm = targets => {
    T.observer?.disconnect();
    T.click = null; T.seen = {};
    const left = new Map(Object.entries(targets).map(([k, [css, re, times = 1]]) => [k, [css, new RegExp(re, 'g'), times]]));
    T.observer = new MutationObserver(() => {
      for (const [k, [css, re, times]] of left)
        if (T.click !== null && (shown(document.querySelector(css)).match(re) ?? []).length >= times) { T.seen[k] = now(); left.delete(k); }
      if (!left.size) T.observer.disconnect();
    });
    T.observer.observe(document.querySelector('.jp-Notebook'), {subtree: true, childList: true, characterData: true, attributes: true});
  };
})();
'''
KERNEL = dict(name='python3', display_name='python3', language='python')
NOTEBOOK = '(() => { const w = window.jupyterapp?.shell.currentWidget; return w?.sessionContext ? w : null; })()'


@contextmanager
def chromium():
    "A headless Chromium or Chrome of the system; the environment variable CHROMIUM overrides the search"
    names = [os.environ['CHROMIUM']] if os.environ.get('CHROMIUM') else ['chromium', 'chromium-browser', 'google-chrome']
    path = next((p for p in map(shutil.which, names) if p), None)
    if not path: raise FileNotFoundError(f"no Chromium: tried {', '.join(names)}; install it (`apt-get install chromium`), or name it in the environment variable CHROMIUM")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=['--no-sandbox', '--disable-dev-shm-usage'])
        yield browser
        browser.close()

def until(get, ok=bool, timeout=60, what='it', pause=lambda: time.sleep(.05)):
    "What `get()` returns, as soon as `ok` of it holds"
    end = time.monotonic() + timeout
    while not ok(v := get()):
        if time.monotonic() > end: raise TimeoutError(f'{what}: not in {timeout} s; last seen: {v!r}')
        pause()
    return v


def number(text):
    "The first whole number in a text, with or without thin spaces; None where there is none"
    m = re.search(r'\d[\d\u202f]*', text)
    return m and int(m[0].replace('\u202f', ''))


class Server:
    "A `jupyter lab` of our own: free port, random token, throw-away configuration"
    def __init__(self, root, env=None, startup=''): # startup: code that each kernel runs first
        self.root, self.token, self.tmp = root, secrets.token_hex(16), Path(tempfile.mkdtemp(prefix='jupyter-'))
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.url = f'http://127.0.0.1:{s.getsockname()[1]}'
        for plugin, value in SETTINGS.items():
            f = self.tmp/'settings'/plugin.replace(':', '/')
            f.parent.mkdir(parents=True, exist_ok=True)
            f.with_name(f.name + '.jupyterlab-settings').write_text(json.dumps(value))
        begin = self.tmp/'ipython'/'profile_default'/'startup'
        begin.mkdir(parents=True)
        (begin/'first.py').write_text(startup)
        dirs = dict(JUPYTER_CONFIG_DIR='config', JUPYTER_RUNTIME_DIR='runtime', JUPYTER_DATA_DIR='data', JUPYTERLAB_SETTINGS_DIR='settings',
                    JUPYTERLAB_WORKSPACES_DIR='workspaces', IPYTHONDIR='ipython', MPLCONFIGDIR='mpl')
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get('PATH', '')])
        self.env = {**os.environ, **{k: str(self.tmp/v) for k, v in dirs.items()}, 'PATH': path, **(env or {})}

    def start(self):
        cmd = [sys.executable, '-m', 'jupyterlab', '--no-browser', '--ip=127.0.0.1', '--port=' + self.url.rpartition(':')[2], '--ServerApp.port_retries=0',
               f'--IdentityProvider.token={self.token}', f'--ServerApp.root_dir={self.root}', '--expose-app-in-browser',
               '--ServerApp.terminals_enabled=False', '--LabApp.news_url=None']
        if hasattr(os, 'geteuid') and os.geteuid() == 0: cmd.append('--allow-root')
        with open(self.tmp/'log', 'wb') as log:
            self.proc = subprocess.Popen(cmd, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.env, cwd=self.root, start_new_session=True)
        until(self.answers, what='jupyter lab')

    def answers(self):
        if self.proc.poll() is not None: raise RuntimeError('jupyter lab ended:\n' + (self.tmp/'log').read_text()[-3000:])
        try: return self.api('/api/status')
        except OSError: return None

    def api(self, path, method='GET', timeout=10):
        req = urllib.request.Request(self.url + path, method=method, data=b'' if method == 'POST' else None, headers={'Authorization': f'token {self.token}'})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(req, timeout=timeout) as r: raw = r.read()
        return json.loads(raw) if raw else None

    def end_kernels(self, notebook=None):
        for s in self.api('/api/sessions'):
            if notebook in (None, s['path']): self.api(f"/api/sessions/{s['id']}", 'DELETE', timeout=20)

    def stop(self):
        try:
            self.end_kernels()
            self.api('/api/shutdown', 'POST')
            self.proc.wait(20)
        except Exception:                                  # whatever it was, the process group must go
            for sig in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self.proc.pid, sig)
                    self.proc.wait(5)
                    break
                except (ProcessLookupError, subprocess.TimeoutExpired): pass
        shutil.rmtree(self.tmp, ignore_errors=True)


class Bench:
    "One JupyterLab, for as many notebooks as are opened in it"
    def __init__(self, browser, env=None, size=(1400, 1100), startup=''):
        self.browser, self.env, self.size, self.startup = browser, env, size, startup

    def __enter__(self):
        self.root = Path(tempfile.mkdtemp(prefix='notebooks-'))
        self.server = Server(self.root, self.env, self.startup)
        try: self.server.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.server.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def open(self, notebook):
        "A copy of `notebook` (a path, or a list of code cells), open in a window of its own, with a kernel of its own"
        f = self.root/(f'cells{len(list(self.root.iterdir()))}.ipynb' if isinstance(notebook, list) else Path(notebook).name)
        if isinstance(notebook, list):
            cells = [dict(cell_type='code', id=f'cell{i}', source=s, metadata={}, outputs=[], execution_count=None) for i, s in enumerate(notebook)]
            f.write_text(json.dumps(dict(cells=cells, metadata=dict(kernelspec=KERNEL), nbformat=4, nbformat_minor=5)))
        else: self._copy(Path(notebook), f)
        return Notebook(self, f.name)

    def _copy(self, notebook, to):
        "With the pictures that it shows, where it looks for them: a link may not lead out of the server's folder"
        shutil.copy(notebook, to)
        images = notebook.parent.parent/'images'
        if images.is_dir(): shutil.copytree(images, self.root/'images', dirs_exist_ok=True)


class Notebook:
    "One open notebook. Cells are counted from 0, code cells only."
    def __init__(self, bench, name):
        self.bench, self.name, self.console, self.outside = bench, name, [], []
        self.context = bench.browser.new_context(viewport=dict(zip(('width', 'height'), bench.size)))
        self.context.add_init_script(PAGE_JS)
        self.context.route('**/*', self._route)
        self.page = self.context.new_page()
        self.page.on('console', lambda m: self.console.append(f"{m.text[:400]} [{(m.location or {}).get('url', '').split('?')[0]}]") if m.type == 'error' else None)
        self.page.on('pageerror', lambda e: self.console.append(f'uncaught: {e}'[:400]))
        self.page.goto(f'{bench.server.url}/doc/tree/{name}?token={bench.server.token}&reset', wait_until='domcontentloaded')
        self._ready()

    def __enter__(self): return self
    def __exit__(self, *exc):
        self.context.close()
        self.bench.server.end_kernels(self.name)

    def _route(self, route):
        url = route.request.url
        if re.match(r'(data|blob|about):|\w+://(127\.0\.0\.1|localhost)[:/]', url): return route.continue_()
        self.outside.append(url)
        route.abort()

    def _ready(self):
        self.page.wait_for_selector('.jp-Notebook .jp-Cell', timeout=60_000)
        self.until(lambda: self.kernel() == 'idle', what='the kernel')

    def until(self, get, ok=bool, timeout=60, what='it'):
        try: return until(get, ok, timeout, what, lambda: self.page.wait_for_timeout(50))
        except TimeoutError as e: raise TimeoutError(f'{e}; the panel says {self.text(".gl-say")!r}, the kernel is {self.kernel()}, the console {self.complaints()}') from None

    def complaints(self):
        "Console errors and requests beyond this machine: none, if all is well"
        return [m for m in self.console if not re.search(BENIGN, m)] + [f'request to {u}' for u in self.outside]

    def reload(self):
        "Save (what is not saved, a reload forgets), and load the page again; the kernel goes on"
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save').then(() => null)")
        self.page.reload(wait_until='domcontentloaded')
        self._ready()

    # ------------------------------------------------------------ cells
    def kernel(self): return self.page.evaluate(f'{NOTEBOOK}?.sessionContext?.session?.kernel?.status ?? null')

    def cells(self):
        "-> a dict a code cell: source, prompt, text (of its streams), errors"
        return self.page.evaluate(f'''{NOTEBOOK}.content.widgets.filter(c => c.model.type === 'code').map(c => {{
            const out = c.model.outputs.toJSON();
            return {{source: c.model.sharedModel.getSource(), prompt: c.inputArea.promptNode?.textContent ?? '',
                text: out.map(o => o.output_type === 'stream' ? [].concat(o.text).join('') : '').join(''),
                errors: out.filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue)}}; }})''')

    def errors(self): return [e for c in self.cells() for e in c['errors']]

    def command(self, name): self.page.evaluate('n => { window.jupyterapp.commands.execute(n); }', name)

    def finished(self, timeout=120):
        "Wait until no cell runs"
        self.page.wait_for_timeout(150)
        self.until(lambda: self.kernel() == 'idle' and not [c['source'] for c in self.cells() if '*' in c['prompt']], timeout=timeout, what='the cells')

    def run_all(self, timeout=300):
        self.command('notebook:run-all-cells')
        self.finished(timeout)

    def select_cell(self, i):
        self.page.evaluate(f'''i => {{ const c = {NOTEBOOK}.content; c.deselectAll();
            c.activeCellIndex = c.widgets.map((w, k) => [w, k]).filter(([w]) => w.model.type === 'code').at(i)[1]; }}''', i)

    def run_cell(self, i, wait=True, timeout=120):
        self.select_cell(i)
        self.command('notebook:run-cell')
        if wait: self.finished(timeout)
        return self.cells()[i] if wait else None

    def add_cell(self, code):
        self.page.evaluate(f'''code => {{ const m = {NOTEBOOK}.content.model;
            m.sharedModel.insertCell(m.cells.length, {{cell_type: 'code', source: code}}); }}''', code)
        self.page.wait_for_timeout(150)

    def run_code(self, code, wait=True, timeout=120):
        "Run `code` in a new last cell"
        self.add_cell(code)
        return self.run_cell(-1, wait, timeout)

    def delete_cell(self, i):
        self.select_cell(i)
        self.command('notebook:delete-cell')

    # ------------------------------------------------------------ widgets, by CSS selector
    def one(self, css): return self.page.locator(css).first
    def click(self, css): self.one(css).click()
    def text(self, css): return self.one(css).text_content() if self.one(css).count() else ''
    def data(self, css, key): return self.one(css).get_attribute(f'data-{key}')
    def wait_text(self, css, pattern, timeout=60):
        return self.until(lambda: self.text(css), lambda t: re.search(pattern, t), timeout, f'{css} =~ {pattern}')

    def time_click(self, css, timeout=30, **targets):
        "Click, and return the time of the click (seconds since the epoch) and the ms until each target, name=(css, pattern, times=1), first showed its pattern"
        self.one(css).scroll_into_view_if_needed()
        self.page.evaluate('t => window.__timing.arm(t)', targets)
        self.click(css)
        t = self.until(lambda: self.page.evaluate('({click: window.__timing.click, seen: window.__timing.seen})'),
                       lambda t: len(t['seen']) == len(targets), timeout, f'{css} -> {targets}')
        return t['click']/1e3, {k: v - t['click'] for k, v in t['seen'].items()}

    # ------------------------------------------------------------ the lab's panel
    def status(self): return self.text('.gl-state').strip()
    def step(self): return number(self.text('.gl-step'))
    def flags(self): return json.loads(self.data('.gl-curves', 'flags') or '[]')
    def row(self, trick): return f'[data-trick="{trick}"]'
    def flip(self, trick): self.click(f'{self.row(trick)} .sw')
    def said(self, words, timeout=60):
        "Wait for an announcement that begins with `words` and names a step; -> that step"
        return number(self.wait_text('.gl-say', rf'{re.escape(words)}.* at step \d', timeout).partition(' at step ')[2])

    def screenshot(self, path): self.page.screenshot(path=str(path))
