"The command `ganlab`, also as `python -m ganlab`: Ctrl-C ends it without a traceback, while PyTorch is loaded, too."
import os, signal, sys

def _leave(*_):
    "Nothing has begun, or all is written."
    os._exit(130)

def _told(kind, e, trace):
    "As Python does it, but for Ctrl-C."
    if issubclass(kind, KeyboardInterrupt): _leave()
    sys.__excepthook__(kind, e, trace)

def main()->int: # exit status
    "Load the command and run it."
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler: return _command()()      # Ctrl-C is ignored: a job in the background
    signal.signal(signal.SIGINT, _leave)
    sys.excepthook = _told
    command = _command()
    signal.signal(signal.SIGINT, before)
    try: return command()
    finally: signal.signal(signal.SIGINT, _leave)

def _command():
    if sys.argv[1:2] in (['steer'], ['ls']):      # they need no PyTorch
        from ganlab.commands.steer import main
        return lambda: main(sys.argv[1:])
    from ganlab.cli import main
    return main

if __name__ == '__main__': sys.exit(main())
