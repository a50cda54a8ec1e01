"Shared by all tests: one torch thread, a working folder that is thrown away, Chromium where there is one."
import os
os.environ['OMP_NUM_THREADS'] = '1'
os.environ.setdefault('MPLBACKEND', 'agg')

import shutil, signal
from collections import Counter
from pathlib import Path
import pytest, torch
from filelock import FileLock
from project import prepare

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)      # tests press Ctrl-C; a shell's background ignores it
CI = os.environ.get('CI', '').lower() in ('1', 'true', 'yes')
NO_CHROMIUM = 'no Chromium: install it with the system (`apt-get install chromium`), or with `.venv/bin/playwright install chromium`'

def find_chromium():
    "The path of a Chromium or Chrome, or None"
    found = [shutil.which(o) for o in ('chromium', 'chromium-browser', 'google-chrome')]
    found += ['/Applications/Chromium.app/Contents/MacOS/Chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']
    return next((o for o in found if o and Path(o).exists()), None)

@pytest.fixture(scope='module')
def browser():
    "A headless Chromium, driven by playwright"
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        path = find_chromium() or p.chromium.executable_path
        if not Path(path).exists(): (pytest.fail if CI else pytest.skip)(NO_CHROMIUM)
        chromium = p.chromium.launch(executable_path=path, args=['--no-sandbox', '--disable-dev-shm-usage'])
        yield chromium
        chromium.close()

@pytest.fixture(scope='session')
def site(tmp_path_factory):
    "The folder of prepared pages; all processes of the test run share one"
    base = tmp_path_factory.getbasetemp()
    work = (base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base)/'site'
    with FileLock(f'{work}.lock'):
        if not (work/'prepared').exists(): prepare(work)
    return work/'_proc'

@pytest.fixture
def page(browser):
    "A page of its own, with no cookies and no history"
    context = browser.new_context(viewport=dict(width=1400, height=1000))
    yield context.new_page()
    context.close()

@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    "Each test runs in an empty folder, with torch's own generator at its beginning: what it writes there is nobody's, and what it draws is what it drew before"
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)

@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    "One more than there are cores: the one with the browser waits for it half of the time"
    return (os.cpu_count() or 1) + 1

@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    "One worker, with one JupyterLab, for all tests in a file of tests/browser; any other test where there is room"
    from xdist.scheduler import LoadScopeScheduling
    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid): return nodeid.split('::')[0] if nodeid.startswith('tests/browser/') else nodeid
    return Scheduler(config, log)

LONG = ('test_soak test_refusals test_kill test_all_together test_hundreds_of_switches test_run_again test_form '
        'test_ctrl_c_at_any_place test_closed test_ctrl_c_twice_at_the_command test_words test_every_trick').split()

def thin(items):
    """Of each n cases of a function with the marker `part(n)`, all but one are slow.

    It is another one in each n, or a parameter of n values would always have the same; and functions begin with different cases, so that no trick
    and no network is left out by all."""
    cases = Counter()
    for item in items:
        if item.get_closest_marker('slow') or not (part := item.get_closest_marker('part')): continue
        name = item.nodeid.split('[')[0]
        n = part.args[0]
        if (cases[name] + cases[name]//n + sum(map(ord, name))) % n: item.add_marker('slow')
        cases[name] += 1

def pytest_collection_modifyitems(config, items):
    if not any('::' in arg for arg in config.args): thin(items)      # what is asked for by its name is run
    # What takes long goes first: at the end, the other workers would wait for it
    items.sort(key=lambda item: (not item.nodeid.startswith('tests/browser/'), getattr(item, 'originalname', '') not in LONG))
    for item in items:
        if {'browser', 'page'} & set(getattr(item, 'fixturenames', ())): item.add_marker('browser')
        if item.get_closest_marker('cuda') and not torch.cuda.is_available(): item.add_marker(pytest.mark.skip(reason='no GPU'))

def pytest_terminal_summary(terminalreporter, budget=8):
    "Says which notebooks take more than their budget; nothing fails for it"
    done = [(dict(r.user_properties)['cpu'], r.nodeid) for rs in terminalreporter.stats.values() for r in rs
            if 'cpu' in dict(getattr(r, 'user_properties', ())) and getattr(r, 'when', '') == 'call']
    if not done: return
    terminalreporter.section('notebooks')
    terminalreporter.line(f'{len(done)} notebooks, {sum(s for s, _ in done):.0f} CPU seconds; over {budget} s:')
    for s, name in sorted(done, reverse=True):
        if s > budget: terminalreporter.line(f'{s:6.1f} s  {name}')
