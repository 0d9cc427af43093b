"""Who may import whom: the order of the house, read from the source, late imports included."""
from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "archviz"
FILES = sorted(ROOT.rglob("*.py"))

PACKAGES = ("core", "style", "trace", "passes", "drawing", "backends", "figure", "compare", "insight",
            "training", "apps")
"""The house from the ground up: each imports only those before it."""
FACES = {"__init__", "__main__", "cli", "sphinxext"}
NOT = {("trace", "style"), ("backends", "trace"), ("backends", "passes"), ("drawing", "trace"), ("drawing", "passes"),
       ("passes", "trace")}
"""What stands below, and is none of their business all the same: what draws needs no trace and no passes."""
RUNNING = ("archviz.trace.", "archviz.insight.engine.", "archviz.insight.methods.", "archviz.insight.recorder.")
"""Where models run, and torch may be imported at the top of a file; elsewhere only inside a function."""
TORCH = ("torch", "transformers", "torchvision")


def package(module: str) -> str:
    """The package of ours that a module, by its dotted name, is in; of a face its own name."""
    return module.split(".")[1]


def module_of(path: Path) -> str:
    return ".".join(("archviz", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def imports(path: Path, top_only: bool = False) -> list[str]:
    """The full names of the modules that a file imports; with `top_only` those that run on import."""
    tree = ast.parse(path.read_text("utf-8"))
    later = [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
             or isinstance(f, ast.If) and ast.unparse(f.test) == "TYPE_CHECKING"]
    late = {id(n) for f in later for n in ast.walk(f)} if top_only else set()
    modules = []
    for node in ast.walk(tree):
        if top_only and id(node) in late:
            continue
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            modules += [full if full in MODULES else str(node.module) for full in inside]
    return modules


GRAPH = {module: sorted({other for other in imports(path) if other in MODULES and other != "archviz"})
         for module, path in MODULES.items()}
"""Every import of ours, late ones too; ``from archviz import …`` asks for the version or what is published."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_house_has_the_packages_of_the_design() -> None:
    there = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in ("fonts", "__pycache__")}
    assert there <= set(PACKAGES)
    assert {path.stem for path in ROOT.glob("*.py")} == FACES


def test_no_import_points_upward() -> None:
    for module in sorted(set(GRAPH) - {"archviz"}):
        here = package(module)
        for other in () if here in FACES else GRAPH[module]:
            assert package(other) in PACKAGES, f"{module} imports the face {other}"
            assert PACKAGES.index(package(other)) <= PACKAGES.index(here), f"{module} imports {other}"
            assert (here, package(other)) not in NOT, f"{module} imports {other}"


def test_no_import_closes_a_circle() -> None:
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail, module))
        if module not in done:
            for other in GRAPH[module]:
                visit(other, (*trail, module))
            done.add(module)

    for module in GRAPH:
        visit(module, ())


def test_torch_is_imported_only_where_models_are() -> None:
    for path in FILES:
        early = [module for module in imports(path, top_only=True) if module.split(".")[0] in TORCH]
        assert module_of(path).startswith(RUNNING) or not early, f"{name(path)} imports {early}"


def test_a_file_opens_with_what_it_is_and_stays_short() -> None:
    for path in FILES:
        text = path.read_text("utf-8")
        assert ast.get_docstring(ast.parse(text)), f"{name(path)} has no docstring"
        assert text.count("\n") <= 450, f"{name(path)} is too long"


def test_code_in_strings_names_modules_that_are_there() -> None:
    """What another process is told to run is an import, too."""
    for path in FILES:
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for module in re.findall(r"\b(?:from|import) (archviz\.[a-z_.]+)", node.value):
                    assert module in MODULES, f"{name(path)}:{node.lineno} names {module}"


def test_what_needs_no_torch_imports_none() -> None:
    """Not even through a package's own file: all that is imported early on the way to the figure of a saved graph."""
    seen: set[str] = set()
    wanted = ["archviz.apps.cli.draw", "archviz.apps.cli.diff", "archviz.apps.cli.style", "archviz.apps.sphinx"]
    while wanted:
        module = wanted.pop()
        packages = [".".join(module.split(".")[:n]) for n in range(1, module.count(".") + 2)]
        for one in (one for one in packages if one in MODULES and one not in seen):
            seen.add(one)
            early = imports(MODULES[one], top_only=True)
            assert not {other.split(".")[0] for other in early} & {*TORCH}, f"{one} imports torch"
            wanted += [other for other in early if other in MODULES]
