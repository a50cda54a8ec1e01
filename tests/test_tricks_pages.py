"The page of each trick: its parts, in a reader's order; and the cards of the catalogue, from which it has what it does not go with."
import json, re, sys
from project import NBS, ROOT, markdown, read, source

sys.path.insert(0, str(ROOT/'tools'))
from ganlab.trick import effect_words, find_tricks

TRICKS = [t for t in find_tricks() if t.__module__.startswith('ganlab.tricks.')]
COSTS = {n: r['ratio'] for n, r in json.loads((ROOT/'benchmarks'/'tricks.json').read_text(encoding='utf-8'))['table'].items() if 'ms' in r}
AUTHORED = re.compile(r'\*\*When\.\*\* (.+?)\n\n\*\*When not\.\*\* (.+?)\n\n\*\*Common misconceptions\.\*\* (.+)', re.S)

def notebook(t): return f'{t.__module__.removeprefix("ganlab.").replace(".", "/")}.ipynb'

def text(o):
    "What an output shows, a picture by one word"
    data = o.get('data', {})
    return 'PICTURE' if data.keys() & {'image/png', 'image/jpeg'} else ''.join(data.get('text/markdown', ''))

def page(site, t):
    "A trick's page as one text, in its order"
    cells = json.loads((site/notebook(t)).read_text(encoding='utf-8'))['cells']
    return '\n\n'.join('\n\n'.join([source(c), *map(text, c.get('outputs', []))]) for c in cells)

def test_parts_in_order(site):
    "What it does, its formula, how it is switched and with what, a picture, when and when not, what is often thought of it, its code last"
    assert len({t.__module__ for t in TRICKS}) == len(TRICKS), 'one page a trick'
    for t in TRICKS:
        said = page(site, t)
        parts = ['$$', f'## Switch and parameters {{#{t.__module__}.{t.__name__}}}', f'learn.tricks.on({t.name!r}', *(['| parameter '] if t.declared else []),
                 '**At the switch:**', '**Does not go with:**', 'PICTURE', '**When.**', '**When not.**', '**Common misconceptions.**', '## Code', f'class {t.__name__}(', '### Checks']
        places = [said.find(p) for p in parts]
        assert -1 not in places and places == sorted(places), (t.name, dict(zip(parts, places)))
        assert said.count('## Switch and parameters') == said.count('**When.**') == said.count('\n## Code\n') == 1, t.name
        assert 'code-summary: "Source"' not in said[:said.index('\n## Code\n')], f'{t.name}: code of the package before its place'
        assert not re.search(r'^## ', said[said.index('\n## Code\n') + 8:], re.M), f'{t.name}: a part after its code'

def test_what_was_measured(site):
    "The sixteen that were held against the plain run say how it went, each with a factor and the verdict"
    said = [m for t in TRICKS for m in re.findall(r'\*\*Measured here\*\*.*: (.+) \(\[study\]', page(site, t))]
    assert len(said) == 16 and all(re.fullmatch(r'(\w+ × [\d.]+ \([\d.]+ to [\d.]+\), (supported|refuted|undecided)(; )?){1,2}', o) for o in said), said

def test_when_and_when_not():
    "Each of the three says something, in sentences that can be read in one breath"
    for t in TRICKS:
        cell, = [md for md in markdown(read(notebook(t))) if md.startswith('**When.**')]
        for part in AUTHORED.fullmatch(cell).groups():
            sentences = re.split(r'(?<=[.!?])\s+', re.sub(r'\$[^$]+\$|\]\([^)]*\)', 'x', part))
            assert part.rstrip().endswith(('.', ')')) and len(part.split()) >= 4, (t.name, part)
            assert max(len(s.split()) for s in sentences) <= 45, (t.name, sentences)
        for md in markdown(read(notebook(t))): assert not re.search(r'\*\*(When|When not|Common misconceptions|Often said wrongly|Often misstated):\*\*', md), t.name

def cards():
    "The cards of the catalogue's page: name -> (what its article says of itself, its text)"
    html = next(''.join(o['data']['text/html']) for c in read('catalogue.ipynb')['cells'] for o in c.get('outputs', []) if '<article' in str(o.get('data', {}).get('text/html', '')))
    found = {}
    for head, body in re.findall(r'<article ([^>]*)>(.*?)</article>', html, re.S):
        data = dict(re.findall(r'data-(\w+)="([^"]*)"', head))
        found[data['name']] = data, body
    return html, found

def test_cards():
    "Those that are kept are of the tricks as they are: `nbs/catalogue.ipynb`, run again, writes them"
    from html import escape
    html, found = cards()
    assert list(found) == [t.name for _, ts in by_purpose() for t in ts]
    for t in find_tricks():
        data, body = found[t.name]
        assert escape(t.title) in body and escape(t.short) in body and escape(f'on {t.acts}') in body and escape(effect_words[t().effect()][0]) in body, t.name
        assert data['effect'] == t().effect() and data['acts'] and data['cost'] == (f'{COSTS[t.name]:.2f}' if t.name in COSTS else ''), t.name
        clash = {u.name for u in find_tricks() if u is not t and set(u().owns) & set(t().owns)} & found.keys()
        assert not clash or clash <= set(data['not'].split()), (t.name, clash, data['not'])
        for other in data['not'].split(): assert t.name in found[other][0]['not'].split(), (t.name, other)
    for name in ('cards.css', 'cards.js'): assert (NBS/name).read_text(encoding='utf-8').strip() in html, name

def by_purpose():
    from ganlab.catalogue import by_purpose
    return by_purpose().items()

def test_needs():
    from ganlab.catalogue import needs
    assert {n: data['needs'] for n, (data, _) in cards()[1].items()} == needs()
