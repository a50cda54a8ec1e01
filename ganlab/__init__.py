__version__ = "0.1.0"


def __getattr__(name):
    "`ganlab.team`, where PyTorch is not imported before somebody asks."
    if name != 'team': raise AttributeError(f"module 'ganlab' has no attribute {name!r}")
    from .engine.ranks import team
    return team
