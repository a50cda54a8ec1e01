"""Makes again what is a copy of something else: `python tools/copies.py`.

ganlab/panels/words.json: the glossary, for the panel's "?".
ganlab/quickstart.ipynb: the quickstart as `ganlab lab` hands it out, without outputs, hidden cells, directives, pictures and links into this project.
nbs/api.ipynb, nbs/howto/sentences.ipynb: every public name, and every sentence that ganlab can say.
nbs/*/players/*.html: the recorded data that is in them, on the player's page as it is now."""
import json, re, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START, COPY = ROOT/'nbs'/'tutorials'/'quickstart.ipynb', ROOT/'ganlab'/'quickstart.ipynb'
NBS = ROOT/'nbs'

def standalone(md):
    "Markdown without pictures and links that lead into this project"
    md = re.sub(r'<picture>.*?</picture>\n*', '', md, flags=re.S)
    return re.sub(r'\[([^\]]+)\]\((?![a-z]+:|#)[^)]*\)', r'\1', md)

def quickstart(nb):
    "The notebook for somebody who has only the package, as text"
    nb['cells'] = [c for c in nb['cells'] if c['source'][:1] != ['#| hide\n']]
    for c in nb['cells']:
        text = ''.join(l for l in c['source'] if not l.startswith('#|'))
        c['source'] = (standalone(text) if c['cell_type'] == 'markdown' else text).splitlines(keepends=True)
        if c['cell_type'] == 'code': c['outputs'] = []
    return json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + '\n'

def plain(md):
    "Markdown as one line of text, without the sentences that only lead on"
    md = re.sub(r'(?<!^)\s*See (?:also )?\[[^\]]+\]\([^)]*\)[^.]*\.', '', md)
    md = re.sub(r'\[([^\]]+)\]\([^)]*\)', r'\1', md)
    return re.sub(r'\s+', ' ', re.sub(r'\*+([^*]+)\*+', r'\1', md.replace('`', ''))).strip()

def words(nb):
    "The glossary as the panel shows it, as text: a row for each word, with the part it stands in and what it means"
    found = []
    for c in nb['cells']:
        part, *terms = re.split(r'^### (.+)$', ''.join(c['source']), flags=re.M)
        name = re.search(r'^## (?:The )?(.+)$', part, flags=re.M)
        if name: found += [[plain(t), name[1].lower(), plain(text)] for t, text in zip(terms[::2], terms[1::2])]
    return '[\n' + ',\n'.join(json.dumps(o, ensure_ascii=False) for o in sorted(found, key=lambda o: o[0].lower())) + '\n]\n'

def as_now(story):
    "The story of a player; of older ones all frames had one grid, and no curves of schedules were kept"
    for b in story['branches']: b.setdefault('moves', [])
    if story['kind'] == 'images' and 'grids' not in story: story['grids'] = [{k: story.pop(k, []) for k in ('cols', 'count', 'rows', 'names')}]
    return story

def player(text):
    "A player's file on the page as it is now, as text"
    from ganlab.page.document import make_page, read_page
    story, blob = read_page(text)
    return make_page(as_now(story), blob)

def players():
    "The recorded players on the site"
    return sorted(p for folder in ('players', '*/players') for p in NBS.glob(f'{folder}/*.html') if p.parts[-3][:1] not in '._')

def copies():
    "Path -> what it should hold"
    import lists
    listed = {NBS/'api.ipynb': lists.notebook(lists.api()), NBS/'howto'/'sentences.ipynb': lists.notebook(lists.sentences())}
    def read(path): return json.loads(path.read_text(encoding='utf-8'))
    made = {COPY: quickstart(read(START)), ROOT/'ganlab'/'panels'/'words.json': words(read(NBS/'glossary.ipynb'))}
    return made | listed | {p: player(p.read_text(encoding='utf-8')) for p in players()}

if __name__ == '__main__':
    sys.path[:0] = [str(ROOT), str(ROOT/'tools')]
    for path, text in copies().items():
        if not path.exists() or path.read_text(encoding='utf-8') != text:
            path.write_text(text, encoding='utf-8', newline='\n')
            print(path.relative_to(ROOT))
