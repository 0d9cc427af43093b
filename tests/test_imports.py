"""Who may import whom: the rules of the design, read from the source."""
from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "archviz"
FILES = sorted(ROOT.rglob("*.py"))

ALL = {"errors", "find"}
FOLDERS = {     # a folder (or file) of ours → what of ours it may import besides errors, find and itself
    "ir": set(), "paint": set(), "errors": set(),
    "scene": {"paint"},         # what a scene's sheet holds
    "graphfile": {"ir"},
    "passes": {"ir", "style"},
    "several": {"ir"}, "conditions": {"ir"},
    "layouts": {"ir", "style", "several", "conditions"},    # several, for which of several models a node is of
    "forms": {"ir", "style", "layouts", "scene", "text", "naming", "labels", "several", "conditions"},
    "naming": {"ir"},
    "labels": {"ir", "style", "text", "naming"},
    # What follows on text, of those that write the network itself: its words, and which line is what.
    "backends": {"ir", "scene", "text", "labels", "naming", "conditions", "page", "style"},
    "ports": {"ir", "layouts", "scene"},
    "plates": {"ir", "labels", "layouts", "marks", "naming", "ports", "scene", "style", "text"},
    "view": {"ir", "layouts", "plates", "ports", "scene"},
    "trace": {"ir"},
    "attribution": {"ir", "overlay", "picture"},       # the last two late: how a value draws itself
    "recording": {"ir", "files", "overlay", "picture"},  # files, to write one whole or not at all
    "memory": set(),
    "methods": {"trace", "recorder", "ir", "attribution", "memory"},
    # methods, for what a target is; files, to write a state whole or not at all; progress, to know who looks on.
    "recorder": {"trace", "ir", "recording", "methods", "files", "progress", "memory"},
    "overlay": {"ir", "scene", "style", "text", "figure", "finished", "heat", "bar",
                "page", "marks"},       # it adds to the legend, and keeps labels legible
    # labels, to call a layer what its figure does; overlay, for which values belong to which box.
    "pictures": {"ir", "scene", "style", "text", "attribution", "recording", "heat", "bar", "labels", "overlay"},
    "heat": set(), "bar": {"scene", "style", "text", "heat"},
    "arguments": set(), "progress": set(), "statements": set(), "sources": {"ir", "statements"},
    "images": set(), "words": set(), "weights": set(),
    "samples": {"images", "words", "load", "guess", "trace"},       # loaded with torch, when a model is
    "ready": {"ir", "samples", "weights", "load", "guess"},
    "explainer": {"ir", "attribution", "methods", "recorder", "trace", "ready", "progress", "load", "memory"},
    "runs": {"ir", "overlay", "figure", "explainer", "ready", "samples", "images", "job", "files", "memory"},
    "insight": {"attribution", "picture", "explainer", "ready", "runs", "progress"},
    "recorded": {"recording", "recorder", "trace", "ready", "runs", "progress"},
    "cli": {"pipeline", "arguments", "job", "differ", "insight", "recorded", "runs", "progress", "serve"},
    "units": {"ir"}, "compare": {"ir", "units"}, "twins": {"ir", "text", "units", "compare"},
    "union": {"ir", "twins"}, "difference": {"ir", "text", "units", "twins", "captioned"}, "revisions": set(),
    "serve": {"arguments", "job", "sources", "project", "progress", "load", "trace"},   # the last two ahead of a figure
    "sphinxext": {"pipeline", "arguments", "job", "store", "backends"},
    "notebook": {"pipeline", "arguments", "job", "progress", "load"},       # load, to say whose mistake an error is
    "scraper": {"pipeline"},
}
TORCH = {"load", "guess", "trace", "recorder", "methods"}
"""Where torch may be imported at the top of a file; elsewhere only inside a function."""


def part(path: Path) -> str:
    """The folder directly under archviz a file belongs to, or its own name."""
    inside = path.relative_to(ROOT)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imports(tree: ast.Module, top_only: bool = False) -> list[str]:
    """The full names of the modules that a file imports; with `top_only` those that run on import."""
    found = []
    late = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for n in ast.walk(f)}
    for node in ast.walk(tree):
        if top_only and id(node) in late:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names]
            files = [one for one in names
                     if base == "archviz" or (ROOT.parent / f"{one.replace('.', '/')}.py").exists()]
            found += files or [base]
    return found


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in FILES if part(path) in FOLDERS], ids=name)
def test_a_file_imports_only_what_its_folder_may(path):
    own = part(path)
    named = imports(ast.parse(path.read_text("utf-8")))
    ours = {module.split(".")[1] for module in named if module.startswith("archviz.")}
    free = set() if own in ("ir", "paint", "scene", "errors") else ALL
    assert ours <= FOLDERS[own] | free | {own, "__version__"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_torch_is_imported_only_where_models_are(path):
    top = imports(ast.parse(path.read_text("utf-8")), top_only=True)
    if part(path) not in TORCH:
        assert not [module for module in top if module.split(".")[0] in ("torch", "transformers", "torchvision")]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_hides_behind_type_checking(path):
    if part(path) in FOLDERS:
        named = {getattr(one, "id", None) or getattr(one, "attr", None) or getattr(one, "name", None)
                 for one in ast.walk(ast.parse(path.read_text("utf-8")))}
        assert "TYPE_CHECKING" not in named


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_opens_with_what_it_is_and_stays_short(path):
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert text.count("\n") <= 450


def test_ours_has_no_cycles():
    graph = {}
    for path in FILES:
        inside = path.relative_to(ROOT).with_suffix("")
        key = ".".join(("archviz", *inside.parts)).removesuffix(".__init__")
        graph[key] = {m for m in imports(ast.parse(path.read_text("utf-8")), top_only=True) if m.startswith("archviz.")}
    done: set[str] = set()

    def visit(key: str, trail: tuple[str, ...]) -> None:
        assert key not in trail, " → ".join((*trail, key))
        if key not in done:
            for other in graph.get(key, ()):
                visit(other, (*trail, key))
            done.add(key)

    for key in graph:
        visit(key, ())
