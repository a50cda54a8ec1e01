"""Writes nbs/sidebar.yml, the sidebar of the site: `python tools/sidebar.py`, which `make docs` does.

Each page once, in learning order: tutorials, tricks by what they are for, then the library. A trick says itself what it is for;
a page that no list below names stands at the end of its section, so that a new notebook needs no edit here."""
import json, re, sys
from pathlib import Path
import yaml

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/'nbs'
TUTORIALS = 'quickstart toggle_story fork_and_compare collapse your_own_networks dirac write_a_trick'
LIBRARY = {
    'The training step': 'learner data decoding nets losses engine/meters engine/rng draws probe fitting unsuited progress presets',
    'Tricks and switches': 'trick engine/switch rollback engine/surgery layers',
    'Runs': 'record/run resume travel/fork interrupt browse snapshots records keeping remains files script cli',
    'Judging': 'metrics compare verdict',
    'The panel': 'lab panels/transport panels/tricks panels/samples panels/curves panels/timeline panels/versus panels/steer panels/state closeup pictures',
    'Pictures and players': 'plots player scene page',
    'Everything': 'all'}

def first_lines(path):
    "(title, module or '') of a notebook"
    cells = [''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells']]
    title = next(re.match(r'# (.+)', c)[1] for c in cells if c.startswith('# '))
    return title, next((m[1] for c in cells if (m := re.match(r'#\| *default_exp +(\S+)', c))), '')

def entry(name):
    "A page of the sidebar: its title, and its module beneath it"
    title, module = first_lines(NBS/f'{name}.ipynb')
    return dict(href=f'{name}.ipynb', text=f'{title} `{module}`' if module else title)

def section(title, names): return dict(section=title, contents=[entry(n) for n in names])

def tricks():
    "(group, pages) in catalogue order"
    sys.path.insert(0, str(ROOT))
    from ganlab.trick import find_tricks, purposes
    for g in purposes: yield g, [t.__module__.removeprefix('ganlab.').replace('.', '/') for t in find_tricks() if t.purpose == g]

def sidebar():
    "The contents of the sidebar"
    every = sorted(p.relative_to(NBS).with_suffix('').as_posix() for p in NBS.rglob('*.ipynb') if not any(o[0] in '._' for o in p.relative_to(NBS).parts))
    library = {title: names.split() for title, names in LIBRARY.items()}
    known = {n for ns in library.values() for n in ns} | {'index', 'catalogue'}
    rest = [n for n in every if n not in known and '/' not in n]
    library['The panel'] += [n for n in every if n.startswith('panels/') and n not in known]
    library['Everything'] = rest + library['Everything']
    tutorials = [f'tutorials/{n}' for n in TUTORIALS.split()]
    tutorials += [n for n in every if n.startswith('tutorials/') and n not in tutorials]
    return [entry('index'), section('Tutorials', tutorials),
            dict(section='Tricks', contents=[entry('catalogue'), *(section(g, names) for g, names in tricks())]),
            dict(section='The library', contents=[section(t, names) for t, names in library.items()])]

if __name__ == '__main__':
    text = yaml.safe_dump(dict(website=dict(sidebar=dict(contents=sidebar()))), sort_keys=False, allow_unicode=True)
    (NBS/'sidebar.yml').write_text(text, encoding='utf-8')
