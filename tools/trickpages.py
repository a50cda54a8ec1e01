"""The page of a trick, in a reader's order: what it does, how it is switched, what it shows, when it helps and when not, and its code last.

A trick's notebook is written in the order in which it runs, with its code before its examples. `arranged` puts the cells of any of them into the order
of the page. What the trick needs, costs and does not go with is read off its card in the catalogue; what was measured of it, off the table of the study."""
import html, json, re
from functools import cache
from types import SimpleNamespace
from nbdev.config import get_config

BESIDE = '../catalogue.ipynb#what-each-costs'
STUDY = 'tutorials/folklore.ipynb', 'each-of-the-sixteen-tricks-against-the-plain-run'
WHEN = '**When.**'

def texts(name):
    "All text of a notebook: its markdown, and its outputs that are HTML"
    for c in json.loads((get_config().nbs_path/name).read_text(encoding='utf-8'))['cells']:
        if c['cell_type'] == 'markdown': yield ''.join(c['source'])
        for o in c.get('outputs', []): yield ''.join(o.get('data', {}).get('text/html', ''))

# What is said of a trick beside its parameters

@cache
def on_cards():
    "name -> what stands on its card: title, effect and so on, as texts"
    found = {}
    for m in re.finditer(r'<article ([^>]*)>\s*<h4><a href="([^"]*)">(.*?)</a>.*?<ul>(.*?)</ul>', '\n'.join(texts('catalogue.ipynb')), re.S):
        data = {k: html.unescape(v) for k, v in re.findall(r'data-(\w+)="([^"]*)"', m[1])}
        data.update(page=m[2].rpartition('/')[2], title=html.unescape(m[3]), facts=[html.unescape(o) for o in re.findall(r'<li>(.*?)</li>', m[4])])
        found[data['name']] = SimpleNamespace(**{k: v for k, v in data.items() if k != 'not'}, clashes=data['not'].split())
    return found

def in_words(effect):
    "An effect, linked to what it means"
    return f"[{effect}](../glossary.ipynb#{re.sub('[^a-z]+', '-', effect)})"

def in_cost(cost):
    "What a step takes, in words"
    if not cost: return 'not measured'
    return f"next to nothing (× {cost})" if .95 <= float(cost) <= 1.05 else f'× {cost}, the plain step being 1'

def rows(table):
    "The rows of a table in markdown, each as {column: cell}"
    cells = [[c.strip() for c in l.strip().strip('|').split(' | ')] for l in table.splitlines() if l.startswith('| ')]
    return [dict(zip(cells[0], row)) for row in cells[2:]]

@cache
def measured():
    "title -> rows of the study in which each trick was held against the plain run"
    found = {}
    for text in texts(STUDY[0]):
        if not text.startswith('## Each of the sixteen tricks'): continue
        for row in rows(text): found.setdefault(row['B'], []).append(row)
    return found

def facts(trick):
    "Markdown: what its switch does, what it needs, what a step takes, what it does not go with, what was measured"
    card = on_cards().get(trick.name)
    if not card: return f'- **Acts on:** {trick.acts}.'      # it is newer than the catalogue as it was last run
    need = next((o.removeprefix('needs ') for o in card.facts if o.startswith('needs ')), 'nothing special')
    lines = [f'**At the switch:** {in_words(card.facts[0])}', f'**Acts on:** {trick.acts}', f'**Needs:** {need}', f'**A step takes:** {in_cost(card.cost)} ([all]({BESIDE}))',
             '**Does not go with:** ' + (', '.join(f'[{on_cards()[n].title}]({on_cards()[n].page})' for n in card.clashes) or 'nothing: no other trick is refused beside it')]
    if captured := next((o for o in card.facts if o.startswith('can be captured')), None):
        lines.append(f'**[On a GPU](../howto/gpu.ipynb#full-speed):** a step with it {captured}')
    if seen := measured().get(trick.title):
        said = '; '.join(f"{r['A'].removesuffix(': plain')} {r['B beside A']}, {r['the belief is'].strip('*')}" for r in seen)
        seeds, study = seen[0]['seeds'].split(',')[0], f'../{STUDY[0]}#{STUDY[1]}'
        lines.append('**Measured here**, on from the first step of a small healthy run '
                     f'({seeds} seeds, distance to the data beside the plain run, below 1 is better): {said} ([study]({study}))')
    return '\n'.join(f'- {l}.' for l in lines)

# The order of the cells

def lower(cell):
    "Headings of a markdown cell one level further down: beneath that of the code, where what documents it stands, too"
    if cell.cell_type == 'markdown': cell.source = re.sub(r'^(#{2,5}) ', r'\1# ', cell.source, flags=re.M)
    return cell

def is_text(c): return c.cell_type in ('markdown', 'raw')

def split(cells, at):
    "Two lists: the cells before the first of which `at` is true, and the others"
    i = next((i for i, c in enumerate(cells) if at(c)), len(cells))
    return cells[:i], cells[i:]

def setup_last(examples, fold):
    "Examples that begin with their heading: what prepares them stands folded beneath it"
    setup, rest = split(examples, is_text)
    for c in setup: fold(c, 'Set-up of the examples')
    return [*rest[:1], *setup, *rest[1:]]

def arranged(cells, heading, fold):
    "The cells of a trick's page in a reader's order; `heading(text)` makes a cell, `fold(cell, summary)` folds one away"
    head, body = split(cells, lambda c: not is_text(c))
    intro, said = split(head, lambda c: c.source.startswith(WHEN))
    last = max(i for i, c in enumerate(body) if getattr(c, 'is_source', False))
    code, rest = body[:last + 1], body[last + 1:]
    examples, checks = split(rest, lambda c: c.cell_type == 'markdown' and c.source.startswith('## Checks'))
    switch = [c for c in code if getattr(c, 'is_switch', False)]
    code = [c for c in code if c not in switch]
    titles = '## When, and when not', '## In detail'
    notes = [o for title, c in zip(titles, said) for o in (heading(title), c)]
    return [*intro, *switch, *setup_last(examples, fold), *notes, heading('## Code'), *map(lower, [*said[2:], *code, *checks])]
