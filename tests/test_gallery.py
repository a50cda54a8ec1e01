"The gallery: pages that are light until a picture is clicked, and players that stay small."
import re
import pytest
from project import NBS, markdown, read

STILLS = NBS/'images'
def cards(): # (still, page) of the index
    return re.findall(r'\[!\[[^\]]{10,}\]\(\.\./images/(gallery-[\w-]+\.png)\)\]\(([^)]+)\)', '\n'.join(markdown(read('gallery/index.ipynb'))))

def test_the_index_is_light():
    "It loads stills and no player"
    text, found = '\n'.join(markdown(read('gallery/index.ipynb'))), cards()
    assert len(found) >= 12 and '<iframe' not in text
    assert {name for name, _ in found} == {p.name for p in STILLS.glob('gallery-*.png')}
    assert sum((STILLS/name).stat().st_size for name, _ in found) + (NBS/'gallery'/'index.ipynb').stat().st_size < 400_000

def test_each_picture_leads_to_a_player():
    for name, to in cards():
        page = (NBS/'gallery'/to).resolve().relative_to(NBS).as_posix()
        assert re.search(r'<iframe src="[^"]+" title="Player: [^"]+" loading="lazy"', '\n'.join(markdown(read(page)))), (name, to)

@pytest.mark.parametrize('folder,most', [('players', 1_000_000), ('gallery/players', 1_500_000)])
def test_players_are_small(folder, most):
    players = list((NBS/folder).glob('*.html'))
    assert players and all(p.stat().st_size <= most for p in players)
