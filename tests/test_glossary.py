"Every term that the panel prints stands in the glossary, under a heading whose id is the term in lower case, with hyphens."
import re
from collections import Counter
import pytest
from project import NBS, ROOT, markdown, read
from test_site import anchors

PANELS = ROOT/'ganlab'/'panels'
GREEK = dict(σ='sigma', γ='gamma', λ='lambda', β='beta')
PLAIN = {'G', 'D', 'Both', 'Run', 'Stop', 'Close', 'Cancel', 'Compare', 'Switch', 'Less', 'Check now', 'Back to live', 'Open B as a fork', 'Run more seeds',
         'Rewind and try', 'As it was', 'Dismiss', 'Try', 'Samples', 'Curves', 'Tricks', 'Training', 'What happened', 'A/B comparison'}    # words of every day, or what a whole section is about

def slug(term):
    "'D wins' -> 'd-wins'"
    term = re.sub(r'‖∇([GD])‖', r'\1 gradient', GREEK.get(term, term))
    return re.sub(r'[\s_]+', '-', re.sub(r'[^\w\s.-]', '', term.lower()))

def texts():
    "Heading id -> what stands under it"
    parts = re.split(r'^### (.+)$', '\n'.join(markdown(read('glossary.ipynb'))), flags=re.M)
    return {slug(h): re.split(r'^## ', t, flags=re.M)[0].strip() for h, t in zip(parts[1::2], parts[2::2])}

def signals():
    from ganlab.panels.chips import known
    from ganlab.checkup.signals import limits
    assert known.keys() == limits.keys()
    return [short for short, _ in known.values()]

def measures():
    from ganlab.quality.named import all_named
    return [n for n, m in all_named().items() if m.of.__module__.startswith('ganlab.')]

def losses():
    from ganlab.losses import losses
    return list(losses)

def columns():
    from ganlab.engine.rows import columns
    from ganlab.panels.curves import series
    return [*columns, *series, 'd_input_grad_norm']

def plots():
    "Titles of the plots, and what the buttons and headings of the curves, the samples, the timeline and the health row say"
    js = {n: (PANELS/f'{n}.js').read_text(encoding='utf-8') for n in ('series', 'curves', 'samples', 'timeline', 'health', 'card', 'transport', 'versus', 'advice', 'signal')}
    found = re.findall(r"title: '([^']+)'", js['series'])
    for src in js.values():
        found += re.findall(r"make\('h[34]', '', '([^']+)'\)|panel\(el, '\w+', '([^']+)'\)|\bbutton\(\s*'[^']*',\s*'([^']+)'", src)
    words = [w for o in found for w in ([o] if isinstance(o, str) else o) if w]
    words += re.findall(r"\['(?:undo|pin|rewind|fork)', '(\w+)'\]", js['timeline']) + re.findall(r"\['(?:fixed|fresh)', '(\w+)'\]", js['samples'])
    words += re.findall(r"key\('[^']*', '([^']+)'\)", js['samples']) + ['D(x)', 'Live', 'Latest', 'Ghost', 'Branch', 'Snapshot', 'Forked', 'Flag', 'Last 500', 'Score map', 'Nearest real']
    return [w for w in words if w not in PLAIN]

def effects():
    from ganlab.trick import effect_words
    return [*effect_words, *(short for short, _ in effect_words.values())]

def rows(): return ['on', 'off', 'asked', 'leaving', 'refused', 'not applicable', 'on trial', 'taken back', 'preset', 'pin', 'schedule', 'effect', 'trick', 'change']

def params():
    "Labels of values that three tricks or more share"
    from ganlab.trick import find_tricks
    n = Counter(p.label for t in find_tricks() if t.__module__.startswith('ganlab.') for p in t.declared.values())
    return ['soft start', *(label for label, k in n.items() if k > 2)]

def doctor():
    from ganlab.symptoms.finding import causes, certainties, tiers
    return [*causes, *certainties, *tiers, 'finding', 'cause', 'evidence', 'remedy', 'onset', 'dismissed', 'tier']

def outcomes():
    from ganlab.judge.evidence import Evidence
    return [*re.findall(r"'([a-z ]+)'", Evidence.outcome.__doc__), 'verdict', 'decides', 'interval', 'seed', 'A', 'B']

def states():
    names = re.search(r'NAMES = {(.+?)}', (PANELS/'transport.js').read_text(encoding='utf-8'))[1]
    return [*re.findall(r"'(\w+)'", names), 'not running', 'not seen', 'starting', 'half step', 'step', 'it/s']

COLLECTED = signals, measures, losses, columns, plots, effects, rows, params, doctor, outcomes, states

@pytest.mark.parametrize('collect', COLLECTED, ids=lambda f: f.__name__)
def test_terms(collect):
    terms, there = list(dict.fromkeys(collect())), set(anchors('glossary.ipynb'))
    assert len(terms) >= 6
    assert not [t for t in terms if slug(t) not in there]

def test_entries():
    "Each is short, says something, and stands once; the site gives it the id that links to it name"
    heads = re.findall(r'^### (.+)$', '\n'.join(markdown(read('glossary.ipynb'))), re.M)
    ids = [slug(h) for h in heads]
    assert len(set(ids)) == len(ids) and set(ids) <= set(anchors('glossary.ipynb'))
    for name, text in texts().items(): assert 3 <= len(text.split()) <= 60, name
    links = [l for text in texts().values() for l in re.findall(r'\]\(#([^)]+)\)', text)]
    assert set(links) <= set(anchors('glossary.ipynb'))

def test_symptoms():
    "The entry of a cause has the titles under which the panel shows it, and its name in code"
    from ganlab.symptoms.rule import find_rules
    told = texts()
    for r in find_rules(): assert f'**{r.symptom}**' in told[slug(r.cause)] and f'`{r.cause}`' in told[slug(r.cause)], r.cause

def test_names():
    "The entry of a measure, and of a curve, has its name in code"
    told = texts()
    for name in [*measures(), *columns()]:
        if name not in ('step', 'ms'): assert f'`{name}`' in told[slug(name)], name

def test_links_to_it():
    "Learn links to it at its terms"
    pages = [p.relative_to(NBS).as_posix() for p in (NBS/'learn').glob('*.ipynb')]
    assert len(pages) == 8
    for page in pages:
        named = re.findall(r'\.\./glossary\.ipynb#([\w.-]+)', '\n'.join(markdown(read(page))))
        assert len(set(named)) >= 6 and set(named) <= set(anchors('glossary.ipynb')), page

def test_each_page_of_learn():
    "Something to play, three questions with folded answers, and what comes next"
    for p in (NBS/'learn').glob('*.ipynb'):
        text = '\n'.join(markdown(read(p.relative_to(NBS))))
        assert re.search(r'<iframe src="players/[^"]+"', text) and (p.parent/'players'/f'{p.stem}.html').stat().st_size <= 400_000, p
        asked = text.split('## Three questions')[1]
        assert asked.count('<details><summary>') == asked.count('</details>') == 3 and '**Next:**' in asked, p
