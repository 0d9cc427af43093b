"""One page with every figure of the gallery by style: as approved, as it is drawn now, and both in turn.

usage: python -m tests.sheet OUT [figure...]

Writes OUT/index.html, and into OUT/approved and OUT/new the figures.  Those that changed come first; below each stand
its commands and what the linter counted.  ``pytest tests/test_figures.py --accept`` takes the new ones.
"""
from __future__ import annotations

import argparse
import html
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.figures import FIGURES, commands, draw
from tests.lint import LINTER, lint

HEAD = """<!doctype html><html lang='en'><meta charset='utf-8'><title>The gallery of archviz</title><style>
body { font: 13px sans-serif; margin: 16px; background: #ddd }
section > div { display: flex; flex-wrap: wrap; gap: 12px; align-items: start }
figure { margin: 0; padding: 8px; background: #fff }
figcaption { margin-bottom: 6px; max-width: 174mm }
.blink { display: grid } .blink img { grid-area: 1 / 1 }
.blink img:last-child { animation: blink 1.2s steps(1) infinite }
@keyframes blink { 50% { opacity: 0 } }
.changed h3 { color: #b00 } code { background: #eee; display: block; margin: 4px 0 }
</style>"""


def main(arguments: Sequence[str] | None = None) -> int:
    files = {path.stem: path for path in sorted(FIGURES.glob("*.sh"))}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", metavar="figure", help=f"any of {', '.join(files)} (default: all)")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(files)):
        parser.error(f"no figure called {', '.join(unknown)}")
    approved, new = options.out / "approved", options.out / "new"
    for folder in (approved, new):
        folder.mkdir(parents=True, exist_ok=True)
    chosen = {name: files[name] for name in options.names or files}
    for name, path in chosen.items():
        print(name, file=sys.stderr, flush=True)
        draw(path, new)
        known = path.with_suffix(".svg")
        shutil.copy(known if known.exists() else new / known.name, approved)
    measured = lint([new / f"{name}.svg" for name in chosen]) if LINTER.exists() else {}
    (options.out / "index.html").write_text(sheet(options.out, chosen, measured), encoding="utf-8")
    print(options.out / "index.html")
    return 0


def sheet(out: Path, chosen: Mapping[str, Path], measured: Mapping[str, Any]) -> str:
    """The page: a section for each style, in it a row for each figure."""
    styles: dict[str, list[tuple[bool, str]]] = {}
    for name, path in chosen.items():
        words = [word for line in commands(path) for word in line]
        style = next((after for word, after in zip(words, words[1:], strict=False) if word == "--style"), "block")
        same = (out / "approved" / f"{name}.svg").read_bytes() == (out / "new" / f"{name}.svg").read_bytes()
        styles.setdefault(style, []).append((same, row(name, path, same, measured.get(f"{name}.svg", {}))))
    return HEAD + "".join(f"<section><h2>{html.escape(style)}</h2>{''.join(text for _, text in sorted(rows))}</section>"
                          for style, rows in sorted(styles.items()))


def row(name: str, path: Path, same: bool, told: Mapping[str, Any]) -> str:
    """A figure: approved, new, and one on the other in turn where they differ."""
    old, now = (f"<img src='{folder}/{name}.svg' alt='{folder}: {html.escape(name)}'>"
                for folder in ("approved", "new"))
    counts = ", ".join(f"{key} {told[key]}" for key in ("texts", "shapes", "strokes", "crossings", "min_pt")
                       if key in told)
    faults = ", ".join(f"{key} {value}" for key, value in told.get("bad", {}).items()) or "no fault"
    said = "".join(f"<code>{html.escape(shlex.join(words))}</code>" for words in commands(path))
    views = [("approved", old), ("new", now), ("blink", f"<div class='blink'>{old}{now}</div>")]
    cells = "".join(f"<figure><figcaption>{what}</figcaption>{view}</figure>"
                    for what, view in (views if not same else [("as approved", now)]))
    return (f"<div class='{'same' if same else 'changed'}'><figure><h3>{html.escape(name)}</h3>"
            f"<figcaption>{html.escape(counts)}; {html.escape(faults)}{said}</figcaption></figure>{cells}</div>")


if __name__ == "__main__":
    sys.exit(main())
