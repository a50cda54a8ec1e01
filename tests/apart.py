"Processes of a test's own. They are forked from a server that has ganlab loaded and does nothing: a fork of the test's own process may inherit a lock of SQLite's that a thread of it just holds, and wait for ever."
import faulthandler, multiprocessing, os, signal, sys, traceback
from pathlib import Path
from project import ROOT

PRELOADED = ['torch', 'fastai.basics', 'matplotlib.pyplot', 'nbdev.test', 'torch._dynamo', 'sklearn.datasets', 'ganlab.all', 'project', 'test_notebooks']

def server():
    "The context whose processes begin in milliseconds"
    if str(ROOT) not in sys.path: sys.path.insert(0, str(ROOT))
    fresh = multiprocessing.get_context('forkserver')
    fresh.set_forkserver_preload(PRELOADED)
    return fresh

def listen(log):
    "What this process says goes to a file"
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for fd in (1, 2): os.dup2(out, fd)
    sys.stdout, sys.stderr = (open(fd, 'w', closefd=False, buffering=1) for fd in (1, 2))

def _live(f, args, where, log):
    import torch
    status = 1
    try:
        os.chdir(where)
        listen(log)
        torch.set_num_threads(1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        faulthandler.dump_traceback_later(800, exit=True, file=2)      # one that hangs says where, and ends
        status = f(*args) or 0
    except BaseException: traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)

class Process:
    "`f(*args)`, a function of a module, in a process of its own, in the folder where we are; what it says stands in `log`"
    def __init__(self, f, *args, log='said'):
        self.log = Path(log).absolute()
        self.log.write_text('')
        self.process = server().Process(target=_live, args=(f, args, os.getcwd(), self.log), daemon=False)
        self.process.start()
        self.pid = self.process.pid

    def said(self): return self.log.read_text(errors='replace')

    def ended(self, seconds=850)->int|None: # exit status, negative for a signal; None: it is still alive
        self.process.join(seconds)
        return self.process.exitcode

    def kill(self):
        self.process.kill()
        self.process.join()

def in_a_child(f, *args)->tuple: # exit status, and what it said
    "What becomes of `f(*args)` in a process of its own"
    child = Process(f, *args)
    status = child.ended()
    if status is None: child.kill()
    return status, child.said()
