"""A panel on a run that two processes train together: switched, paused, rewound; one of them is killed; and both go on.

`python tests/browser/test_team_drive.py --minutes 10 --pictures DIR` does it by hand, with a pause of ten minutes and a picture of each station."""
import argparse, json, os, re, signal, subprocess, sys, time
from pathlib import Path
sys.path.append(str(Path(__file__).resolve().parent.parent))      # by hand; pytest has it there
import pytest
from ganlab.record.run import Run
from ganlab.steer.pulse import heard
from labdriver import Bench, chromium, number, until
from project import ROOT

TRAIN = '-m -- ganlab train --data digits --size 16 --width 8 --bs 32 --run a'.split()

class Team:
    "`torchrun` with two processes that train the run `a` in a folder"
    def __init__(self, folder):
        self.folder, self.said = folder, folder/'said'
        env = {k: v for k, v in os.environ.items() if k not in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')} | dict(OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT), PYTHONUNBUFFERED='1')
        with self.said.open('w') as out: self.torchrun = subprocess.Popen([sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2', '--master-port', '0', '--rdzv-backend', 'c10d', '--rdzv-endpoint', 'localhost:0', *TRAIN], cwd=folder, env=env, stdout=out, stderr=out)
        until(lambda: (self.where or {}).get('state') == 'training', timeout=120, what=f'the training: {self.text}')

    @property
    def text(self): return self.said.read_text()
    @property
    def where(self): return heard(self.folder/'a'/'steer')

    def ranks(self):
        "The numbers of the processes, by rank"
        out = {}
        for p in Path(f'/proc/{self.torchrun.pid}/task/{self.torchrun.pid}/children').read_text().split():
            env = dict(o.split('=', 1) for o in Path(f'/proc/{p}/environ').read_text().split('\0') if '=' in o)
            if 'RANK' in env: out[int(env['RANK'])] = int(p)
        return out

    def end(self):
        if self.torchrun.poll() is None: self.torchrun.terminate()
        try: self.torchrun.wait(40)
        except subprocess.TimeoutExpired: self.torchrun.kill()

def running(nb):
    "Wait until it runs, and steps are seen to pass"
    nb.wait_text('.gl-state', 'Running')
    step = nb.step() or 0
    nb.until(nb.step, lambda s: s and s > step, what='a step')

def drive(browser, minutes, pictures=None):
    "All of it; what was seen"
    with Bench(browser) as bench, bench.open(['from ganlab.all import *']) as nb:
        def show(name):
            if pictures: nb.screenshot(Path(pictures)/f'team_{name}.png')
        team = Team(bench.root)
        try:
            nb.run_all()
            assert not nb.run_code("away = Lab('a')\naway")['errors']
            running(nb)
            seen = dict(began=nb.until(nb.step, lambda s: s > 30, what='some steps'))
            show('1_running')
            nb.flip('label_smoothing')
            nb.until(lambda: nb.data(nb.row('label_smoothing'), 'state'), lambda s: s == 'on', what='the switch')
            seen['switched'] = nb.flags()[0]['step']
            show('2_switched')
            nb.click('.gl-run')
            nb.wait_text('.gl-state', 'Paused')
            seen['held'] = nb.step()
            show('3_paused')
            nb.page.wait_for_timeout(60_000*minutes)
            assert nb.status() == 'Paused' and nb.step() == seen['held'] and team.torchrun.poll() is None and sorted(team.ranks()) == [0, 1]
            show('4_still_paused')
            nb.click('.gl-run')
            running(nb)
            seen['went_on'] = nb.step()
            show('5_went_on')
            rewind(nb, seen)
            show('6_rewound')
            nb.click('.gl-run')
            running(nb)
            show('7_on_from_there')
            seen |= killed(nb, team, show)
            team = Team(bench.root)
            running(nb)
            nb.until(nb.step, lambda s: s > seen['recorded'], what='steps after those of before')
            assert f"going on from step {seen['recorded']:,}" in team.text
            assert nb.data(nb.row('label_smoothing'), 'state') == seen['smoothing']
            show('9_again')
            nb.run_code('away.close()')
        finally: team.end()
        assert not nb.errors() and not nb.complaints()
        with Run.open(bench.root/'a') as run: seen |= dict(step=run.step, branches=run.branches(), ranks=run.facts['ranks'])
    return seen

def rewind(nb, seen):
    "Held, and by the timeline to a step before the switch"
    nb.click('.gl-run')
    nb.wait_text('.gl-state', 'Paused')
    nb.page.locator('.gl-film').focus()
    nb.page.keyboard.press('Home')
    for _ in range(5): nb.page.keyboard.press('ArrowRight')
    to = number(nb.wait_text('.gl-rewind', r'Rewind to \d'))
    assert 0 < to < seen['switched']
    nb.click('.gl-rewind')
    nb.until(nb.step, lambda s: s == to, what='the step that was asked for')
    nb.until(lambda: nb.data(nb.row('label_smoothing'), 'state'), lambda s: s == 'off', what='the switch as it was')
    nb.until(lambda: nb.data('.gl-timeline', 'ghosts'), lambda n: n == '1', what='what the rewind left')
    nb.until(lambda: nb.data('.gl-timeline', 'at') == '-1' and not nb.one('.gl-samples .view').is_visible(), what='the present')
    assert nb.status() == 'Paused'
    seen['rewound'] = to

def killed(nb, team, show)->dict:
    "Rank 1 is killed: rank 0 names it, and the panel says that nobody trains"
    at, t0 = nb.step(), time.monotonic()
    os.kill(team.ranks()[1], signal.SIGKILL)
    said = until(lambda: re.search(r'In step ([\d,]+): rank 1 is gone. The ([\d,]+) steps before it are recorded', team.text), timeout=10, what='the word of rank 0')
    took = time.monotonic() - t0
    nb.wait_text('.gl-state', 'Not running')
    recorded = int(said[2].replace(',', ''))
    nb.until(nb.step, lambda s: s == recorded, what='the last step that is recorded')
    show('8_killed')
    assert int(said[1].replace(',', '')) == recorded + 1 and recorded >= at
    assert 'rank 1 is gone' in nb.text('.gl-transport') and 'torchrun --nproc-per-node 2 -m -- ganlab train --run a' in nb.text('.gl-transport')
    team.torchrun.wait(60)
    return dict(recorded=recorded, named_after=round(took, 1), smoothing=nb.data(nb.row('label_smoothing'), 'state'))

@pytest.mark.slow
def test_team_in_the_panel(browser):
    "With a pause of a minute"
    seen = drive(browser, 1)
    assert seen['ranks'] == 2 and len(seen['branches']) == 1

def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--minutes', type=float, default=1, help='of the pause (1)')
    p.add_argument('--pictures', help='a folder for pictures of the panel')
    o = p.parse_args()
    with chromium() as browser: print(json.dumps(drive(browser, o.minutes, o.pictures), indent=1))

if __name__ == '__main__': main()
