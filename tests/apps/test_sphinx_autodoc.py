"""``:archviz:`` of autodoc: real builds, and what stands in their pages."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from archviz.apps.sphinx._autodoc import words
from archviz.core.errors import ArchvizError
from tests.conftest import ROOT

PACKAGE = {
    "zoo/__init__.py": "from .models import Net",
    "zoo/models.py": '''
        """Models."""
        import abc
        from torch import nn
        class Net(nn.Module):
            """A small net."""
            def __init__(self, width=4):
                super().__init__()
                self.one, self.two = nn.Conv2d(3, width, 3), nn.Conv2d(width, 8, 3)
            def forward(self, x):
                """Runs it."""
                return self.two(self.one(x))
            class Tail(nn.Linear):
                """The end."""
                def __init__(self):
                    super().__init__(4, 4)
        class Wide(nn.Module):
            """A wide net."""
            def __init__(self, n):
                super().__init__()
                self.lin = nn.Sequential(nn.Linear(n, n), nn.Linear(n, 2))
            def forward(self, x):
                return self.lin(x)
        class Base(nn.Module):
            """Has no forward."""
        class Abstract(nn.Module, abc.ABC):
            """Is abstract."""
            @abc.abstractmethod
            def forward(self, x):
                """Runs it."""
        class Plain:
            """Is no model."""
        class Own(nn.Linear):
            """Has its figure.

            .. archviz:: zoo.models:Own
               :alt: its own
            """
            def __init__(self):
                super().__init__(4, 4)
        class Broken(nn.Module):
            """Raises."""
            def __init__(self, n=1):
                super().__init__()
                raise RuntimeError("no such weights")
            def forward(self, x):
                return x
        def build() -> Net:
            """A function."""
        ''',
    "zoo/alias.py": "from .models import Net as First\nSecond = First",
}
GOOD = {
    "one": """
        .. autoclass:: zoo.Net
           :no-index:
           :members:
           :archviz:
        """,
    "options": """
        .. autoclass:: zoo.models.Wide
           :no-index:
           :archviz: --arg n=6 --style cube --title "Wide & deep"
              --alt='What "it" is' --collapse lin --collapse='Seq*'
        """,
    "module": """
        .. automodule:: zoo.models
           :members:
           :exclude-members: Broken
           :archviz: --depth 1
        """,
    "none": """
        .. autoclass:: zoo.models.Wide
           :no-index:

        .. autofunction:: zoo.models.build
           :no-index:
        """,
}
WRONG = {
    "plain": """
        .. autoclass:: zoo.models.Plain
           :no-index:
           :archviz:
        """,
    "alias": """
        .. autoclass:: zoo.alias.Second
           :no-index:
           :archviz:
        """,
    "needs": """
        .. autoclass:: zoo.models.Wide
           :no-index:
           :archviz:
        """,
    "unread": """
        .. autoclass:: zoo.models.Net
           :no-index:
           :archviz: cube
        """,
    "unknown": """
        .. autoclass:: zoo.models.Net
           :no-index:
           :archviz: --stile cube
        """,
    "broken": """
        .. autoclass:: zoo.models.Broken
           :no-index:
           :archviz:
        """,
    "gone": """
        .. autoclass:: zoo.models.Gone
           :no-index:
           :archviz:
        """,
}
USUAL = {
    "usual": """
        .. autoclass:: zoo.models.Net
           :no-index:

        .. autoclass:: zoo.models.Plain
           :no-index:

        .. autoclass:: zoo.models.Wide
           :no-index:
        """,
    "not": """
        .. autoclass:: zoo.models.Net
           :no-index:
           :no-archviz:

        .. autofunction:: zoo.models.build
           :no-index:
        """,
    "but": """
        .. autoclass:: zoo.models.Wide
           :no-index:
           :archviz: --arg n=3
        """,
    "summary": """
        .. autosummary::

           zoo.models.Net
           zoo.models.Plain
        """,
}
MOCKED = {"kept": GOOD["one"], "drawn": """
        .. autoclass:: zoo.models.Wide
           :no-index:
           :archviz: --arg n=7
        """}
CONFIG = {
    "good": "archviz_graphs = '../graphs'",
    "wrong": "",
    "usual": "autodoc_default_options = {'archviz': True}\nautodoc_use_legacy_class_based = True\n"
             "extensions += ['sphinx.ext.autosummary']",
    "mocked": "archviz_graphs = '../graphs'\nautodoc_mock_imports = ['torch']",
    "without": "extensions.remove('sphinx.ext.autodoc')",
}


def build(root: Path, *names: str) -> dict[str, str]:
    """Build these documentations, one after the other in one process; what each said on stderr."""
    script = "import sys; from sphinx.cmd.build import main\nfor name in sys.argv[1:]:\n" \
             "    print('=== ' + name, file=sys.stderr, flush=True)\n" \
             "    main(['-q', '-b', 'html', '-d', f'trees/{name}', name, f'out/{name}'])"
    done = subprocess.run([sys.executable, "-c", script, *names], cwd=root, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "NO_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    parts = re.split(r"^=== (\w+)\n", done.stderr, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("autodoc")
    pages = {"good": GOOD, "wrong": WRONG, "usual": USUAL, "mocked": MOCKED, "without": {"page": "Nothing."}}
    files = dict(PACKAGE)
    for name, written in pages.items():
        files[f"{name}/conf.py"] = f"import sys\nsys.path.insert(0, {str(root)!r})\n" \
            f"extensions = ['archviz.sphinxext', 'sphinx.ext.autodoc']\n{CONFIG[name]}\n"
        files[f"{name}/index.rst"] = "Top\n===\n.. toctree::\n   :glob:\n\n   p_*\n"
        files |= {f"{name}/p_{page}.rst": f"{page}\n{'=' * 9}\n{dedent(text)}" for page, text in written.items()}
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(dedent(text), "utf-8")
    return root


@pytest.fixture(scope="module")
def said(root: Path) -> dict[str, str]:
    return build(root, "good", "wrong", "usual", "without") | build(root, "mocked")


def page(root: Path, name: str) -> str:
    folder, _, file = name.partition("/")
    return (root / "out" / folder / f"p_{file}.html").read_text("utf-8")


def parts(text: str) -> list[str]:
    """The described classes, the first lines of the docstrings above, and the figures, in their order."""
    lines = "|".join(re.findall('"""(.*?[.])', "".join(PACKAGE.values())))
    found = re.findall(f'descname"><span class="pre">([A-Z]\\w*)<|<p>({lines})</p>|<div class="(archviz)[ "]', text)
    return ["".join(one) for one in found]


def test_a_class_is_drawn_below_its_signature(root, said):
    assert said["good"] == ""
    assert parts(page(root, "good/one")) == ["Net", "archviz", "A small net.", "Tail", "The end.",
                                             "Runs it."]
    assert parts(page(root, "good/none")) == ["Wide", "A wide net.", "A function."]


def test_options_are_written_as_on_a_command_line(root, said):
    text = page(root, "good/options")
    assert parts(text) == ["Wide", "archviz", "A wide net."]
    assert 'aria-label="What &quot;it&quot; is"' in text
    assert ">Wide &amp; deep</text>" in text
    assert 'data-node="lin"' in text and 'data-node="lin.0"' not in text


def test_of_a_module_the_models_are_drawn(root, said):
    assert parts(page(root, "good/module")) == [
        "Models.", "Abstract", "Is abstract.", "Runs it.",
        "Base", "Has no forward.", "Net", "archviz", "A small net.",
        "Tail", "archviz", "The end.", "Runs it.",
        "Own", "Has its figure.", "archviz", "Plain", "Is no model.",
        "Wide", "A wide net.", "A function."]


def test_what_cannot_be_drawn_is_one_warning(root, said):
    warnings = {name: [line for line in said["wrong"].splitlines() if f"p_{name}.rst" in line] for name in WRONG}
    for name, words_ in {
        "plain": "zoo.models.Plain is no nn.Module", "alias": "zoo.alias.Second is another name for a class",
        "needs": "zoo.models:Wide needs an argument: n; give :arg: n=…",
        "unread": "cannot read 'cube' in :archviz: cube; write options as on a command line",
        "unknown": "archviz has no option 'stile'; did you mean title or style?",
        "broken": "RuntimeError: no such weights",
    }.items():
        (line,) = warnings[name]
        assert f"p_{name}.rst:4: WARNING: " in line and words_ in line
        assert parts(page(root, f"wrong/{name}"))[0].startswith(("Net", "Wide", "Plain", "Broken", "Second"))
    assert "[archviz]" not in said["wrong"] or all("[archviz]" in line for lines in warnings.values() for line in lines)
    assert not warnings["gone"] or "archviz" not in warnings["gone"][0]


def test_the_warnings_come_again(root, said):
    again = build(root, "wrong")["wrong"]
    assert {line for line in said["wrong"].splitlines() if "p_" in line} == \
        {line for line in again.splitlines() if "p_" in line}


def test_as_the_usual_option_it_draws_what_it_can(root, said):
    assert said["usual"] == ""
    assert parts(page(root, "usual/usual")) == ["Net", "archviz", "A small net.", "Plain",
                                                "Is no model.", "Wide", "A wide net."]
    assert parts(page(root, "usual/not"))[:2] == ["Net", "A small net."]
    assert parts(page(root, "usual/but")) == ["Wide", "archviz", "A wide net."]
    assert "archviz-light" not in page(root, "usual/summary") and "A small net." in page(root, "usual/summary")


def test_without_autodoc_nothing_is_asked_of_it(root, said):
    assert said["without"] == ""


def test_where_torch_is_mocked_kept_graphs_are_drawn(root, said):
    assert parts(page(root, "mocked/kept"))[:3] == ["Net", "archviz", "A small net."]
    (line,) = [line for line in said["mocked"].splitlines() if "archviz" in line]
    assert "p_drawn.rst:4: WARNING: zoo.models:Wide was imported by autodoc with a stand-in for PyTorch; " \
        "take torch out of autodoc_mock_imports" in line


@pytest.mark.parametrize("said, options", [
    ("", {}),
    ("--style cube --depth 1", {"style": "cube", "depth": "1"}),
    ("--expand a --expand=b.* --expand 'c d'", {"expand": "a 'b.*' 'c d'"}),
    ("--arg 'name=a b'", {"arg": "'name=a b'"}),
    ("--title 'a  \"b\"'", {"title": 'a  "b"'}),
    ("--title ''", {"title": ""}),
    ("--title=--x", {"title": "--x"}),
    ("--no-project --style=a=b", {"no-project": "", "style": "a=b"}),
    ("--style a\n--style b", {"style": "b"}),
])
def test_words(said, options):
    assert words(said) == options


@pytest.mark.parametrize("said", ["cube", "--style cube 1", "--style='cube"])
def test_unreadable_words(said):
    with pytest.raises(ArchvizError, match="cannot read"):
        words(said)
