"""Writes nbs/sidebar.yml, the sidebars of the site: `python tools/sidebar.py`, which `make docs` does.

Each page but the home page once, in the order in which it is read; a page shows the sidebar that it stands in. A trick says itself what it is for;
the reference has a section for each room of the library. A page that no list below names stands at the end of its section,
so that a new notebook needs no edit here."""
import json, re, sys
from pathlib import Path
import yaml

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/'nbs'
LEARN = 'game norms collapse balance penalties averages luck your_images'
STORIES = 'one_face toggle_story fork_and_compare collapse dirac published folklore'
HOWTO = 'your_own_networks conditional few_samples super_resolution translation series steering write_a_trick add_your_own your_own_bench'
GUIDES = 'install data games gpu team cost server runs ask own paper troubleshooting sentences'
ABOUT = 'comparison contributing changelog citing'
TOP = 'index catalogue glossary api cheatsheet'      # pages on top that have a place of their own
ROOMS = {         # folder of nbs/ -> the section's title, and its notebooks in learning order
    '': ('What you call', 'learner data nets losses loss metrics recipe presets compare doctor alerts sweep population study stopping clinic run plots lab attached process player cli trick all'),
    'sources': ('Sources: where batches come from', 'numbered arrays few companions classes unpaired ranges checks placed toys bundled avatars avatar_parts avatar_reading avatar_pairs glyphs fashion labelled filed folders picking loaders named walks randomness growing pictured drawing'),
    'engine': ('Engine: a step and its switches', 'given meeting game summary lending asking scores wrapping rows boundary in_force recovery switch change queue standing applying kinds rollback surgery conditional translating sites layers odd_layers branches enrolment folding norms carried level stages styling still inside tensors twice meters scalars register measuring pacing optimizers adam_step handover orders fastai_loop fastai_events unsuited probe reach habits rng draws named_state snapshots parameters values schedules team agreeing ranks dealing abreast together whole fast late_rows graphs held_inputs captured'),
    'steer': ('Steer: a hand on a running process', 'remote words box window pulse news answering'),
    'record': ('Record: what a run keeps', 'run mail requests locking lines taking writing reading facts changes pictures grids beside thinning store chunks database folder schema packing remains'),
    'loggers': ('Loggers: what a training tells others', 'following sinks alerting'),
    'travel': ('Travel: resume, rewind, fork', 'resume again sent remade compared fork lookback trial scores carried script leaving formats walk'),
    'judge': ('Judge: did it help', 'verdict sibling wishes arm evidence telling figure shown rejection nearest one_sample'),
    'checkup': ('Checkup: facts about a training', 'facts signals terms batches figures feed wiring movement means samples course'),
    'symptoms': ('Symptoms: what is wrong, and what helps', 'rule finding pages answer sick sound loader pixels wiring set rates balance collapse'),
    'cases': ('Cases: trainings that are broken on purpose', 'bench case recovery broken_nets broken_data broken_losses settings networks inputs sound_ones roster hiding scoring'),
    'quality': ('Quality: metrics by name', 'named samples points clouds attributes copies intervals features small_nets large_nets'),
    'search': ('Search: what a sweep does', 'dials space made score trial worker storage best shown'),
    'pbt': ('PBT: what a population does', 'member explore drawing rounds kin'),
    'commands': ('Commands: what `ganlab` can do', 'parts own train upto alerts look check again search steer jupyter'),
    'panels': ('Panels', 'machine trainer refresh wording moving moves requests errands comparing family travels announcing health chips advice checks worst own cards transport tricks control samples curves timeline versus steer state taken pace speed reasons panel past drawer resting afar life aside ordering lifetime'),
    'page': ("Page: the player's file", 'scene strands story small changes document'),
    'base': ('Base: small tools', 'checks files views neighbours interrupt late progress decoding spelled')}

def first_lines(path):
    "(title, module or '') of a notebook"
    cells = [''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells']]
    title = next(re.match(r'# (.+)', c)[1] for c in cells if c.startswith('# '))
    return title, next((m[1] for c in cells if (m := re.match(r'#\| *default_exp +(\S+)', c))), '')

def entry(name, with_module=False):
    "A page of the sidebar: its title, and its module beneath it"
    title, module = first_lines(NBS/f'{name}.ipynb')
    return dict(href=f'{name}.ipynb', text=f'{title} `{module}`' if module and with_module else title)

def section(title, names, with_module=False): return dict(section=title, contents=[entry(n, with_module) for n in names])

def tricks():
    "(group, pages) in catalogue order"
    sys.path.insert(0, str(ROOT))
    from ganlab.trick import find_tricks, purposes
    for g in purposes: yield g, [t.__module__.removeprefix('ganlab.').replace('.', '/') for t in find_tricks() if t.purpose == g]

def listed(folder, first='', without=''):
    "The notebooks of a folder: its index, the given ones in their order, the others"
    head = [f'{folder}/{n}' if folder else n for n in ['index', *first.split()]]
    left = {f'{folder}/{n}' if folder else n for n in without.split()}
    here = [p.relative_to(NBS).with_suffix('').as_posix() for p in sorted((NBS/folder).glob('*.ipynb'))]
    return [n for n in head if n in here and n not in left] + [n for n in here if n not in head and n not in left]

def parts():
    "(title, contents) of the sidebar's sections"
    stories = section('Stories and studies', [f'tutorials/{n}' for n in STORIES.split()])
    yield 'Learn', [*(entry(n) for n in ['tutorials/quickstart', *listed('learn', LEARN), 'glossary']), stories]
    yield 'Symptoms', [entry(n) for n in listed('help')]
    yield 'Tricks', [entry('catalogue'), *(section(g, names) for g, names in tricks())]
    yield 'How to', [entry(n) for n in [*listed('howto', GUIDES), *listed('tutorials', HOWTO, f'quickstart {STORIES}')]]
    yield 'Gallery', [entry(n) for n in listed('gallery')]
    yield 'Reference', [entry('cheatsheet'), entry('api'), *(section(title, listed(folder, first, TOP if not folder else ''), with_module=True) for folder, (title, first) in ROOMS.items())]
    yield 'About', [entry(n) for n in listed('about', ABOUT)]

def sidebar():
    "The sidebars of the site: each page shows the one that it is in"
    found = [(t, c) for t, c in parts() if c]
    return [{'id': t.lower().replace(' ', '-'), 'title': t, 'style': 'docked', 'collapse-level': 1, 'contents': c} for t, c in found]

if __name__ == '__main__':
    text = yaml.safe_dump(dict(website=dict(sidebar=sidebar())), sort_keys=False, allow_unicode=True)
    (NBS/'sidebar.yml').write_text(text, encoding='utf-8')
