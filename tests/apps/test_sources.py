"""Which files a figure depends on: all that its model is made from, and nothing of its neighbours in a package."""
from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archviz.apps.dependencies import changed, note_loaded, sources
from archviz.apps.request.job import Job
from archviz.apps.sphinx.store import Drawn, Store
from archviz.core.graph import Graph, Module, Node
from archviz.figure.options import Options

Tree = Callable[..., Path]


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[None]:
    """What a test imports from its own folder is forgotten after it; torch would not bear to be loaded twice."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    files = {name: object.__getattribute__(module, "__dict__").get("__file__") for name, module in sys.modules.items()}
    tops = {name.partition(".")[0] for name, file in files.items() if file and Path(file).is_relative_to(tmp_path)}
    for name in files:
        if name.partition(".")[0] in tops:
            del sys.modules[name]


@pytest.fixture
def tree(tmp_path: Path, loaded: None) -> Tree:
    """``tree({"pkg/a.py": "…"}, "pkg.a")``: write files, and import modules as a trace would."""

    def make(files: Mapping[str, str], *modules: str, root: str = "") -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), "utf-8")
        sys.path.insert(0, str(tmp_path / root))
        importlib.invalidate_caches()
        for module in modules:
            importlib.import_module(module)
        return tmp_path

    return make


def found(root: Path, target: str, *classes: str) -> set[str]:
    graph = Graph("net", tuple(Node(f"n{i}", attrs={"class": cls}) for i, cls in enumerate(classes)))
    paths = sources(target, graph)
    assert list(paths) == sorted(set(paths)) and all(path.is_absolute() for path in paths)
    return {path.relative_to(root).as_posix() for path in paths}


PACKAGE = {
    "pkg/__init__.py": """
        from .a import A
        from .b import B
        from . import lazy
        from .config import WIDTH as SIZE
        VERSION = "1"
        """,
    "pkg/a.py": """
        import json
        from .config import WIDTH
        from .layers import Conv, Norm as N
        from .base import Base
        class A(Base):
            def forward(self, x):
                from .inside import late
                return late(Conv(WIDTH)) + N
        """,
    "pkg/b.py": "from .only_b import thing\nclass B: part = thing",
    "pkg/only_b.py": "thing = 1",
    "pkg/base.py": "class Base: pass",
    "pkg/config.py": "import os\nWIDTH = 64",
    "pkg/layers.py": """
        from pkg.deep.helper import pad
        class Conv:
            def __init__(self, n): pad(n)
        class Norm: pass
        """,
    "pkg/deep/__init__.py": "from . import other",
    "pkg/deep/helper.py": "def pad(n): return n",
    "pkg/deep/other.py": "",
    "pkg/inside.py": "def late(x): return x",
    "pkg/lazy.py": "",
}
OF_A = {"pkg/__init__.py", "pkg/a.py", "pkg/config.py", "pkg/layers.py", "pkg/deep/__init__.py", "pkg/deep/helper.py",
        "pkg/base.py"}


def test_all_that_a_model_needs_and_nothing_of_its_neighbours(tree):
    root = tree(PACKAGE, "pkg", "pkg.inside")
    assert found(root, "pkg.a:A", "pkg.a.A", "torch.nn.modules.conv.Conv2d") == OF_A | {"pkg/inside.py"}
    assert found(root, "pkg.b:B") == {"pkg/__init__.py", "pkg/b.py", "pkg/only_b.py"}


def test_a_file_of_a_package_is_the_same_target(tree):
    root = tree(PACKAGE, "pkg")
    assert found(root, str(root / "pkg/a.py")) == OF_A
    assert found(root, f"{root}/pkg/../pkg/a.py:A") == OF_A
    os.symlink(root, root / "link")
    assert found(root, f"{root}/link/pkg/a.py:A") == OF_A


def test_a_function_that_never_ran_does_not_add_what_it_would_import(tree):
    assert "pkg/inside.py" not in found(tree(PACKAGE, "pkg"), "pkg.a:A")


def test_of_a_package_that_hands_a_model_on_all_counts_that_it_imports(tree):
    root = tree(PACKAGE, "pkg")
    everything = {name for name in PACKAGE if name != "pkg/inside.py"}
    assert found(root, "pkg:A", "pkg.a.A") == found(root, "pkg") == everything


def test_the_classes_of_the_figure_count_though_no_name_leads_to_them(tree):
    tree({
        "zoo/__init__.py": "from . import registry, one, two",
        "zoo/registry.py": "KNOWN = {}\ndef register(cls):\n    KNOWN[cls.__name__] = cls\n    return cls",
        "zoo/one.py": "from .registry import register\nfrom .base import Base\n@register\nclass One(Base): pass",
        "zoo/base.py": "class Base: pass",
        "zoo/two.py": "from .registry import register\n@register\nclass Two: pass",
        "zoo/build.py": "from .registry import KNOWN\ndef net(name='One'): return KNOWN[name]()",
    }, "zoo.build")
    graph = Graph("net", modules={"m": Module("m", attrs={"class": "zoo.one.One"})})
    assert {path.name for path in sources("zoo.build:net", graph)} == {
        "__init__.py", "build.py", "registry.py", "one.py", "base.py"}
    outer = Graph("net", attrs={"class": "zoo.two.Two"})
    assert {path.name for path in sources("zoo.build:net", outer)} == {
        "__init__.py", "build.py", "registry.py", "two.py"}


def test_the_bases_of_the_classes_count_though_no_import_leads_to_them(tree):
    root = tree({
        "zoo/__init__.py": "from . import bases, nets, other",
        "zoo/registry.py": "KNOWN = {}",
        "zoo/bases.py": "from .registry import KNOWN\nclass Base: pass\nKNOWN['base'] = Base",
        "zoo/nets.py": "from .registry import KNOWN\nclass Net(KNOWN['base']): pass",
        "zoo/other.py": "",
    }, "zoo")
    files = found(root, "zoo.nets:Net", "zoo.nets.Net")
    assert files == {f"zoo/{name}.py" for name in ("__init__", "registry", "bases", "nets")}


@pytest.mark.parametrize("line, use, expected", [
    ("import pkg.c", "pkg.c.value", {"c"}),
    ("import pkg.c as c", "c.value", {"c"}),
    ("import pkg", "pkg.c.value", {"c"}),
    ("import pkg", "pkg.handed", {"__init__", "d"}),
    ("from pkg import c", "c.value", {"c"}),
    ("from . import c", "c.other", {"c", "d"}),
    ("from .c import *", "value", {"c"}),
    ("from pkg import handed", "handed", {"__init__", "d"}),
    ("from pkg import *", "handed", {"__init__", "d"}),
    ("from pkg.sub.inner import x", "x", {"sub/inner"}),
    ("from .sub import inner", "inner.x", {"sub/inner"}),
    ("from .sub.inner import up", "up", {"sub/inner", "c"}),
    ("import pkg.patch", "1", {"patch"}),
    ("from pkg import patch", "1", {"patch"}),
    ("try:\n    from .missing import value\nexcept ImportError:\n    from .c import value", "value", {"c"}),
    ("from .flags import FAST\nif FAST:\n    from .c import value", "value", {"flags", "c"}),
    ("from importlib import import_module", "import_module('.c', __package__)", {"c", "d"}),
    ("from lazily import later", "later", {"d"}),
    ("from .made import late", "late", {"made", "c"}),
    ("from .set import width", "width", {"set", "c"}),
])
def test_each_way_to_import(tree, line, use, expected):
    root = tree({
        "pkg/__init__.py": "from . import c, e\nfrom .d import deep as handed\n__all__ = ['handed']",
        "pkg/c.py": "from .d import deep\nvalue = 1\nother = deep\ndef made(): return 3",
        "pkg/d.py": "deep = 2\ndef later(): pass", "pkg/e.py": "", "pkg/patch.py": "", "pkg/flags.py": "FAST = True",
        "pkg/made.py": "def __getattr__(name):\n    from . import c\n    return c.made",
        "lazily.py": "from importlib import import_module\n"
                     "def __getattr__(name):\n    return getattr(import_module('pkg.' + 'd'), name)",
        "pkg/set.py": "from .c import value\nglobals().update(width=value)",
        "pkg/sub/inner.py": "from ..c import value as up\nx = 2\nuses = up",
        "pkg/m.py": f"{line}\nclass Net:\n    size = {use}\n",
    }, "pkg.e", "pkg.patch", "pkg.m")
    assert found(root, "pkg.m:Net") >= {"pkg/__init__.py", "pkg/m.py"} | {f"pkg/{name}.py" for name in expected}


def test_packages_without_init_and_cycles(tree):
    root = tree({
        "space/one/a.py": "import space.two.b\nclass A:\n    def f(self): return space.two.b.B",
        "space/two/b.py": "from space.one import a\nclass B:\n    def f(self): return a.A, g()\ndef g(): return h()\n"
                          "def h(): return g()",
        "space/two/c.py": "",
    }, "space.one.a", "space.two.c")
    assert found(root, "space.one.a:A") == {"space/one/a.py", "space/two/b.py"}


def test_a_layout_with_src(tree):
    root = tree({"src/pkg/__init__.py": "", "src/pkg/m.py": "from pkg.n import N\nclass M(N): pass",
                 "src/pkg/n.py": "class N: pass"}, "pkg.m", root="src")
    assert found(root, "pkg.m:M") == {f"src/pkg/{name}.py" for name in ("__init__", "m", "n")}


def test_installed_packages_count_only_where_the_target_is_in_them(tree):
    home = "env/lib/site-packages"
    files = {f"{home}/lib/__init__.py": "from .net import Net", f"{home}/lib/net.py": "class Net: pass",
             f"{home}/dep.py": "class Dep: pass",
             f"{home}/lib/own.py": "from lib.net import Net\nfrom dep import Dep\nclass Own(Net, Dep): pass"}
    root = tree(files, "lib.own", root=home)
    (root / "mine.py").write_text("from lib.own import Own\nimport json\nclass Mine(Own):\n    x = json\n")
    sys.path.insert(0, str(root))
    importlib.import_module("mine")
    assert found(root, "mine:Mine", "lib.own.Own") == {"mine.py"}
    assert found(root, "lib.own:Own", "lib.own.Own") == {
        f"{home}/lib/{name}.py" for name in ("__init__", "own", "net")}


def test_archviz_itself_is_no_source(tree):
    root = tree({
        "uses.py": "from archviz.core.graph import Graph\nimport archviz\nclass A: g = Graph, archviz.draw"}, "uses")
    assert found(root, "uses:A") == {"uses.py"}


def test_files_that_changed_meanwhile(tree):
    root = tree(PACKAGE, "pkg")
    (root / "pkg/layers.py").write_text("class Conv(:")
    (root / "pkg/config.py").unlink()
    del sys.modules["pkg.base"]
    # what is gone counts: the figure was made from it
    gone = {"pkg/__init__.py", "pkg/a.py", "pkg/config.py", "pkg/layers.py"}
    assert gone <= found(root, "pkg.a:A", "pkg.a.A", "pkg.gone.Gone")
    (root / "pkg/a.py").write_bytes(b"\xff\0")
    # and of what cannot be read any more, what its classes and functions came from
    assert {"pkg/__init__.py", "pkg/a.py", "pkg/layers.py"} <= found(root, "pkg.a:A", "pkg.a.A")


def test_looking_runs_nothing(tree):
    root = tree({
        "pkg/__init__.py": "ran = []\ndef __getattr__(name):\n    ran.append(name)\n    raise AttributeError(name)",
        "pkg/m.py": """
            import pkg
            class Meta(type):
                def __getattribute__(cls, name):
                    pkg.ran.append(name)
                    return super().__getattribute__(name)
            class Odd:
                def __getattribute__(self, name):
                    pkg.ran.append(name)
                    raise RuntimeError
            class Net(metaclass=Meta):
                class Inner: pass
                def f(self): return pkg.unknown, pkg.ran
            sys = Odd()
            """,
    }, "pkg.m")
    ran = sys.modules["pkg"].ran
    sys.modules["odd"] = sys.modules["pkg.m"].sys
    ran.clear()
    try:
        assert found(root, "pkg.m:Net", "pkg.m.Net.Inner", "odd.Thing") == {"pkg/m.py", "pkg/__init__.py"}
        assert found(root, "pkg.m:sys") == {"pkg/m.py", "pkg/__init__.py"}
    finally:
        del sys.modules["odd"]
    assert ran == []


def test_files_of_equal_name_side_by_side(tmp_path, loaded):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text(
            f"from torch import nn\nfrom size_{folder} import SIZE\nmodel = nn.Linear(SIZE, SIZE)\n")
        (tmp_path / folder / f"size_{folder}.py").write_text("SIZE = 3")
    for folder in ("one", "two"):
        target = str(tmp_path / folder / "net.py")
        graph = Job(target).trace()
        assert found(tmp_path, target) == {f"{folder}/net.py", f"{folder}/size_{folder}.py"}
        assert sources(target, graph) == sources(target, Graph("net"))


def test_the_inputs_of_a_file_count(tree):
    root = tree({"net.py": "from shapes import SHAPE\nclass Net: pass\nexample_inputs = SHAPE",
                 "shapes.py": "SHAPE = 1"}, "net")
    assert found(root, f"{root}/net.py:Net") == {"net.py", "shapes.py"}
    assert found(root, "net:Net") == {"net.py", "shapes.py"}


def test_a_saved_graph_is_its_own_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sources("g.json", Graph("net", attrs={"class": "archviz.core.graph.Graph"})) == (tmp_path / "g.json",)


def test_a_model_that_is_not_loaded_has_its_own_file_at_most(tree):
    root = tree({"never.py": "import loud"})
    assert found(root, f"{root}/never.py:Net") == {"never.py"}
    assert found(root, "never:Net") == set()


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.sampled_from(["from", "import", "inside", "star"])),
                max_size=20), st.data())
def test_files_are_those_that_imports_lead_to(tmp_path_factory, links, data):
    """Modules that use one another in every way: the files are what the graph of uses reaches."""
    root = tmp_path_factory.mktemp("web")
    name = f"web{root.name.removeprefix('web')}"
    (root / name).mkdir()
    lines: dict[int, list[str]] = {i: [] for i in range(8)}
    for a, b, how in links:
        if how in ("from", "star") and a >= b:      # names taken at the top need an order
            how = "inside"
        lines[a] += {
            "from": [f"from .m{b} import C{b}"], "import": [f"import {name}.m{b}"],
            "star": [f"from {name}.m{b} import *"],
            "inside": [f"def g{b}():", f"    from . import m{b}", f"    return m{b}.C{b}"],
        }[how]
        lines[a] += [f"def u{b}{how}(): return " +
                     {"import": f"{name}.m{b}.C{b}", "inside": f"g{b}()"}.get(how, f"C{b}")]
    for i, text in lines.items():
        uses = [line.split("(")[0].removeprefix("def ") for line in text if line.startswith("def u")]
        body = [f"class C{i}:", f"    def f(self): return {', '.join(['0', *uses])}"]
        (root / name / f"m{i}.py").write_text("\n".join([*text, *body]))
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        for i in range(8):
            importlib.import_module(f"{name}.m{i}")
        start = data.draw(st.integers(0, 7))
        reached, todo = {start}, [start]
        while todo:
            here = todo.pop()
            fresh = {b for a, b, _ in links if a == here} - reached
            reached |= fresh
            todo += fresh
        assert found(root, f"{name}.m{start}:C{start}") == {f"{name}/m{i}.py" for i in reached}
    finally:
        sys.path.remove(str(root))
        for key in [key for key in sys.modules if key.partition(".")[0] == name]:
            del sys.modules[key]


def test_what_is_edited_after_it_was_loaded_is_told(tree, tmp_path):
    root = tree({"pkg/__init__.py": "", "pkg/a.py": "A = 1", "pkg/b.py": "B = 1"})
    a, b = root / "pkg/a.py", root / "pkg/b.py"
    time.sleep(0.02)                    # a file system's clock is no finer
    note_loaded()
    importlib.import_module("pkg.a")
    note_loaded()
    assert changed([a, b]) == ()
    time.sleep(0.02)
    a.write_text("A = 2")
    assert changed([a, b]) == (a,)
    note_loaded()
    assert changed([a]) == (a,), "it is the old one that is loaded"
    os.utime(a, (time.time() + 3600,) * 2)
    assert changed([a]) == (), "another machine's clock"
    a.unlink()
    assert changed([a]) == (a,)


def test_a_figure_of_code_that_was_edited_meanwhile_is_not_kept_for_the_new_code(tree, tmp_path):
    net = "from torch import nn\nclass Net(nn.Sequential):\n    def __init__(self):\n        super().__init__({})\n"
    file = tree({"docs/index.rst": "", "edited/__init__.py": "", "edited/net.py": net.format("nn.Linear(3, 4)")}
                ) / "edited/net.py"
    time.sleep(0.02)
    note_loaded()
    importlib.import_module("edited.net")       # as autodoc does, and a figure on an earlier page
    time.sleep(0.02)
    # of another length: Python takes byte code for current whose source has the same size and second
    file.write_text(net.format("nn.Linear(5, 60)"))

    def draw() -> Drawn:
        return Store(tmp_path / "store", tmp_path / "docs").draw(Job("edited.net:Net"), Options(), "none", "none")

    drawn = draw()
    assert "length 3" in drawn.facts.caption and file in drawn.files
    assert drawn.warnings == ("../edited/net.py was edited after it had been loaded; "
                              "the figure shows what it was before, until the next build",)
    for name in ("edited.net", "edited"):
        del sys.modules[name]
    importlib.invalidate_caches()
    again = draw()
    assert "length 5" in again.facts.caption and not again.warnings
