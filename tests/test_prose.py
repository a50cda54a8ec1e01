"How the pages are written: short sentences where somebody learns, words spelled as they are."
import re, subprocess, sys
import pytest
from project import ROOT, NBS, markdown, notebooks, read

LONGEST = 45       # words of a sentence
TAUGHT = '', 'learn', 'help', 'howto', 'tutorials', 'gallery', 'about'      # folders of pages that are read, and not looked up
LISTED = 'api.ipynb', 'howto/sentences.ipynb'                               # made from the package

def pages(): return [nb for nb in notebooks() if nb.as_posix() not in LISTED]

def sentences(md):
    "The sentences of a page: code, formulas and targets of links left out, each cell of a table and each item of a list for itself"
    md = re.sub(r'```.*?```|\$\$.*?\$\$|<[^>]*>', ' ', md, flags=re.S)
    md = re.sub(r'`[^`\n]*`', 'code', re.sub(r'\]\([^)]*\)', ']', md))
    for block in re.split(r'\n\s*\n|\n(?=\s*[-*|#>]|\s*\d+\. )|\|', md):
        yield from re.split(r'(?<=[.!?:;])["\')*]*\s+', block)

def words(sentence): return re.findall(r"[\w$][\w'’$.-]*", sentence)

def test_sentences_are_short():
    "On pages that teach, none has more than 45 words"
    found = [(nb.as_posix(), len(words(s)), ' '.join(s.split())[:80]) for nb in pages() if nb.parent.as_posix().replace('.', '') in TAUGHT
             for md in markdown(read(nb)) for s in sentences(md) if len(words(s)) > LONGEST]
    assert not found, '\n'.join(map(str, found))

def test_spelling(tmp_path):
    "Of all prose, by codespell"
    for nb in pages(): (tmp_path/f'{nb.as_posix().replace("/", "-")}.md').write_text('\n\n'.join(markdown(read(nb))), encoding='utf-8')
    for name in ('README.md', 'benchmarks/README.md'): (tmp_path/name.replace('/', '-')).write_text((ROOT/name).read_text(encoding='utf-8'), encoding='utf-8')
    done = subprocess.run([sys.executable, '-m', 'codespell_lib', '--ignore-words-list', IGNORED, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr

IGNORED = 'fro,lod,re-uses'      # letters of formulas and parts of names
