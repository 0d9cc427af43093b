"""Write archviz/fonts/advances.json from the three fonts beside it: ``python tools/make_advances.py``.

In: archviz/fonts/LiberationSans-{Regular,Bold,Italic}.ttf.  Out: per face the advance of every character, as runs of
neighbouring code points, and the pairs that a renderer's kerning pushes apart.  Kerning that pulls letters together is
left out, so that a predicted width is never too small.  Needs fontTools, which archviz itself does not.
"""
from __future__ import annotations

import json
from pathlib import Path

from fontTools.ttLib import TTFont

FONTS = Path(__file__).resolve().parent.parent / "archviz" / "fonts"
FACES = {"regular": "Regular", "bold": "Bold", "italic": "Italic"}


def runs(advances: dict[int, int]) -> dict[str, list[int]]:
    """Code point → advance, as first code point → the advances from there on without a gap."""
    found: dict[str, list[int]] = {}
    run: list[int] = []
    previous = -2
    for code, advance in sorted(advances.items()):
        if code != previous + 1:
            run = found[str(code)] = []
        run.append(advance)
        previous = code
    return found


def face(path: Path) -> dict[str, object]:
    """The advances and the widening kern pairs of one font file, in font units."""
    font = TTFont(path)
    characters, metrics = font.getBestCmap(), font["hmtx"].metrics
    named: dict[str, list[int]] = {}
    for code, glyph in characters.items():
        named.setdefault(glyph, []).append(code)
    kern = {chr(a) + chr(b): value
            for table in font["kern"].kernTables for (left, right), value in table.kernTable.items() if value > 0
            for a in named.get(left, ()) for b in named.get(right, ())}
    return {"advances": runs({code: metrics[glyph][0] for code, glyph in characters.items()}),
            "kern": dict(sorted(kern.items())), "em": font["head"].unitsPerEm}


if __name__ == "__main__":
    table = {name: face(FONTS / f"LiberationSans-{file}.ttf") for name, file in FACES.items()}
    (FONTS / "advances.json").write_text(json.dumps(table, separators=(",", ":"), sort_keys=True) + "\n", "ascii")
