"Hands the metadata of settings.ini to setuptools; what is static stands in pyproject.toml."
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup

cfg = ConfigParser(delimiters=['='], interpolation=None)
cfg.optionxform = str
cfg.read_string((Path(__file__).parent/'settings.ini').read_text(encoding='utf-8'))

def lines(text): return [o.strip() for o in text.splitlines() if o.strip()]

scripts = [f'{k} = {v}' for k,v in cfg['console_scripts'].items()]
groups = {k: lines(v) for k,v in cfg['entry_points'].items()}

setup(
    author=cfg['metadata']['author'],
    keywords=cfg['metadata']['keywords'],
    classifiers=lines(cfg['metadata']['classifiers']),
    install_requires=lines(cfg['requirements']['core']),
    extras_require={k: lines(v) for k,v in cfg['extras'].items()},
    entry_points={**groups, **({'console_scripts': scripts} if scripts else {})},
)
