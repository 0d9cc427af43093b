"""Draw the zoo at both widths, measure every figure, and put all of them on one page to look at.

usage: python tests/contact_sheet.py OUT [--width MM]... [name...]

Writes OUT/<name>-<width>.svg and .png, OUT/index.html and OUT/overview-<width>-<n>.png, and prints one row per
figure: seconds to trace and to draw, nodes traced and drawn, size on paper, and what the linter counted.
"""
from __future__ import annotations

import argparse
import html
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from archviz.core.errors import ArchvizError  # noqa: E402
from archviz.figure import compile, output
from archviz.figure.options import Options  # noqa: E402
from archviz.trace.ladder import Inputs, trace  # noqa: E402
from tests.lint import FAULTS, LINTER, lint  # noqa: E402
from tests.zoo import CASES  # noqa: E402

WIDTHS = (174, 84)
PER_PAGE = 6      # figures in one overview picture, so that it can be looked at without being shrunk
PIXELS_PER_MM = 4.0
HEAD = """<!doctype html><meta charset='utf-8'><title>archviz zoo</title><style>
body { font: 11px sans-serif; margin: 8px; background: #ddd }
section { display: flex; flex-wrap: wrap; gap: 8px; align-items: start; width: 1800px; margin-bottom: 24px }
figure { margin: 0; padding: 8px; background: #fff }
figcaption { max-width: 600px; margin-bottom: 6px }
</style>"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(CASES)} (default: all)")
    parser.add_argument("--width", type=int, action="append", help="millimetres (default: 174 and 84)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(CASES):
        parser.error(f"no model called {', '.join(sorted(unknown))}")
    options.out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, str] = {}
    for name in options.names or CASES:
        for width, row in draw(name, options.width or WIDTHS, options.out):
            rows[f"{name}-{width}"] = row
            print(f"{name:14} {width:4} {row}", flush=True)
    figures = [options.out / f"{key}.svg" for key in rows if (options.out / f"{key}.svg").exists()]
    measured = lint(figures) if LINTER.exists() else {}
    bad = 0
    print(f"\n{'figure':20} {'texts':>5} {'boxes':>5} {'edges':>5} {'cross':>5} {'min_pt':>6} {'mm':>13}  faults")
    for key in rows:
        if row := measured.get(f"{key}.svg"):
            bad += bool(row["bad"])
            counts = (f"{k} {len(v) if isinstance(v, list) else v}" for k, v in row["bad"].items())
            rows[key] += " · " + (", ".join(counts) or "clean")
            told = ", ".join(f"{k} {v[:3]}" if k in FAULTS else f"{k} {v}" for k, v in row["bad"].items())
            size = "×".join(map(str, row["printed_mm"]))
            print(f"{key:20} {row['texts']:5} {row['shapes']:5} {row['strokes']:5} {row['crossings']!s:>5} "
                  f"{row['min_pt']!s:>6} {size:>13}  {told}")
    sheet(options.out, rows)
    print(f"\n{len(rows)} figures, {bad} with faults; see {options.out / 'index.html'}")
    return 0


def draw(name: str, widths: list[int] | tuple[int, ...], out: Path) -> list[tuple[int, str]]:
    case = CASES[name]
    args, kwargs = case.inputs()
    start = time.perf_counter()
    try:
        graph = trace(case.build, Inputs(args, kwargs)).graph
    except Exception as error:
        return [(width, f"FAILED to trace: {type(error).__name__}: {str(error)[:200]}") for width in widths]
    traced = time.perf_counter() - start
    rows = []
    for width in widths:
        target = out / f"{name}-{width}.svg"
        target.unlink(missing_ok=True)
        start = time.perf_counter()
        try:
            figure = compile.compile(graph, Options(width=f"{width}mm"))
            figure.save(target)
            seconds = time.perf_counter() - start
            output.save(figure, [target.with_suffix(".png")], dpi=PIXELS_PER_MM * 25.4)
            nodes = f"{len(graph.nodes)} → {len(figure.drawn.nodes)} nodes"
            rows.append((width, f"{traced:.2f} s + {seconds:.2f} s, {nodes}"))
        except Exception as error:
            kind = "" if isinstance(error, ArchvizError) else f"{type(error).__name__}: "
            rows.append((width, f"FAILED: {kind}{str(error)[:300]}"))
    return rows


def sheet(out: Path, rows: dict[str, str]) -> None:
    """The overview: figures of one width side by side at their printed size, as HTML and as pictures."""
    pages = {}
    for width in sorted({key.rpartition("-")[2] for key in rows}, key=int, reverse=True):
        keys = [key for key in rows if key.endswith(f"-{width}")]
        for page in range(0, len(keys), PER_PAGE):
            pages[f"{width}-{page // PER_PAGE + 1}"] = "".join(
                f"<figure><figcaption><b>{key}</b> {html.escape(rows[key])}</figcaption><img src='{key}.svg'></figure>"
                for key in keys[page:page + PER_PAGE])
    index = out / "index.html"
    index.write_text(HEAD + "".join(f"<section id='w{name}'>{cells}</section>" for name, cells in pages.items()))
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1830, "height": 1000})
        page.goto(index.resolve().as_uri())
        for name in pages:
            page.locator(f"#w{name}").screenshot(path=str(out / f"overview-{name}.png"))
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
