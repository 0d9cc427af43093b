"""One table of options: whoever offers them offers all of them, and means the same."""
from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archviz
from archviz.apps.request.arguments import COMMANDS, command, options, parser
from archviz.apps.sphinx._directive import SHARED
from archviz.core.errors import ArchvizError
from archviz.figure.options import DECLARED, Options, flag
from archviz.style.project import configured, project_of

WORDS = {"word": "w", "words": ("a", "b"), "settings": {"sizes.margin": "3"}, "length": "90mm", "levels": 2,
         "switch": True}
"""A value of each kind of option."""


def value(name: str) -> Any:
    return DECLARED[name].choices[-1] if DECLARED[name].choices else WORDS[DECLARED[name].kind]


def words(name: str, given: Any) -> list[str]:
    """An option as it is typed."""
    several = [f"{key}={one}" for key, one in given.items()] if isinstance(given, dict) else given
    several = [several] if isinstance(several, (str, int)) else several
    return [f"--{flag(name)}"] if given is True else [f"--{flag(name)}={one}" for one in several]


@pytest.mark.parametrize("name", DECLARED)
def test_an_option_means_the_same_wherever_it_is_said(name: str, tmp_path: Path) -> None:
    expected = Options.of(**{name: value(name)})
    for line in ("draw", "explain", "record", "diff", "serve"):
        more = ["model.py", "other.py"] if line == "diff" else ["model.py"]
        assert options(parser(line).parse_args([*more, *words(name, value(name))])) == expected
    assert name in inspect.signature(archviz.draw).parameters and f"\n    {name} : " in str(archviz.draw.__doc__)
    assert flag(name) in SHARED
    assert f"--{flag(name)}" in parser().format_help()


def test_the_table_has_every_field_but_what_only_python_can_say() -> None:
    assert {*Options._fields} - {*DECLARED} == {"overrides"}


def test_a_figure_of_two_models_has_the_options_that_suit_it() -> None:
    taken = inspect.signature(archviz.diff).parameters
    for name, declared in DECLARED.items():
        assert (name in taken) == declared.of_pairs
    with pytest.raises(ArchvizError, match="leave out --cut and --append"):
        archviz.diff("a.json", "b.json", cut="fc", append="SVM")


@given(st.sets(st.sampled_from(sorted(name for name, one in DECLARED.items() if one.echoed))))
def test_the_command_line_of_a_page_says_what_was_asked_for(names: set[str]) -> None:
    asked = parser().parse_args(["model.py", *(word for name in sorted(names) for word in words(name, value(name)))])
    assert options(parser().parse_args(command(asked)[1:])) == options(asked)


def test_python_takes_one_for_several_and_tells_of_a_slip() -> None:
    assert Options.of(collapse="layer1.*", inset=["a", "b"]).collapse == ("layer1.*",)
    with pytest.raises(TypeError, match="widht.*did you mean width"):
        archviz.draw("model.py", widht="column")


def test_a_project_file_reads_each_kind_of_option(tmp_path: Path) -> None:
    (tmp_path / "archviz.yaml").write_text(
        "in-place: false\ndepth: 2\ncollapse: [a, b]\nedges: top50%\nstyle: node-link\nset: {sizes.margin: 9}\n")
    project = project_of(str(tmp_path / "m.py"), Options())
    filled = configured(Options(), project)
    assert filled == Options(in_place=False, depth=2, collapse=("a", "b"), edges="top50%", style="node-link",
                             settings={"sizes.margin": "9"})
    assert configured(Options(depth=0), project).depth == 0
    said = Options(settings={"options.edges": "all"})        # on the command line, which is above the file
    assert configured(said, project).resolved().options["edges"] == said._replace(
        style="node-link").resolved().options["edges"]


@pytest.mark.parametrize("text, told", [
    ("edges: some\nstyle: node-link\n", "archviz.yaml:1"), ("in-place: perhaps\n", "archviz.yaml:1"),
    ("title: a\nstreams: sideways\n", "archviz.yaml:2"), ("width: 3 miles\n", "archviz.yaml:1")])
def test_a_mistake_in_a_project_file_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "archviz.yaml").write_text(text)
    with pytest.raises(ArchvizError, match=told):
        project_of(str(tmp_path / "m.py"), Options())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_parser_and_a_file(name: str) -> None:
    from importlib import import_module

    file = import_module(f"archviz.apps.cli.{name}")
    assert hasattr(file, "prepare") or hasattr(file, "run")
    assert parser(name).prog == f"archviz {name}"
