"""The README and its second command, `tools/test`: what they say can be followed.

In: the files of the repository; for `tools/test`, a PATH of a few programs, some of them stand-ins that write down how
they were called.  The commands that draw the README's figures are those of `test_figures`.
"""
from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from archviz import cli
from tests.conftest import ROOT

PROGRAMS = "bash cat chmod cmp dirname env grep mkdir mktemp rm sed tail tr".split()


def blocks(text: str) -> list[str]:
    """The commands of a Markdown file, one a line."""
    code = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    return [line.strip() for line in re.sub(r"\\\n\s*", "", code).splitlines() if line.strip()]


README = (ROOT / "README.md").read_text("utf-8")


def test_the_first_screen_has_two_commands() -> None:
    first, second = (line for line in blocks(README.split("\n## ")[0]))
    assert first.startswith("pip install . && archviz ") and second == "tools/test"
    assert os.access(ROOT / second, os.X_OK)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    links = [*re.findall(r"\]\(([^)#]+)\)", text), *re.findall(r'src="([^"]+)"', text)]
    assert links and [link for link in links if ":" not in link and not (ROOT / link).exists()] == []


def test_contributing_names_files_and_packages_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = {Path(path) for path in re.findall(r"\b(?:archviz|docs|gallery|styles|tests|tools)/[\w/.-]*\w", text)}
    there = {path if path.name.islower() else path.parent for path in paths if "_build" not in path.parts}
    assert len(there) > 10 and [path for path in there if not (ROOT / path).exists()] == []
    folders = {path.parent.name for path in (ROOT / "archviz").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/`", text, re.MULTILINE)) == folders


def test_the_commands_for_a_model_of_ones_own_draw_it(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(ROOT / "docs" / "examples" / "tutorial" / "model.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line, comments=True) for line in blocks(README) if line.startswith("archviz model.py")]
    assert len(commands) > 5
    for _, *words in commands:
        assert cli.main([*words, "--quiet"]) == 0, words
    assert {path.name for path in tmp_path.iterdir()} >= {"model.svg", "net.svg", "model.tex"}
    assert r"\caption{Net. " in capsys.readouterr().out


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH without browser, TeX or apt, whose Python writes down how it was called, and what `chromium` was then."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in PROGRAMS:
        (folder / program).symlink_to(str(shutil.which(program)))
    stand_in(folder / "python3", f"""case "$*" in
        *sys.prefix\\)) echo {tmp_path} ;;
        -c*) ;;
        *) echo "$* $(command -v chromium)" >>{tmp_path}/python ;;
    esac""")
    stand_in(folder / "id", "echo 1000")
    return folder


def stand_in(path: Path, script: str) -> None:
    path.write_text(f"#!{shutil.which('bash')}\n{script}\n")
    path.chmod(0o755)


def called(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "tools" / "test", *arguments], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env={"PATH": str(folder), "HOME": str(folder), **env})


def log(tools: Path, program: str = "python") -> list[str]:
    path = tools.parent / program
    return path.read_text().splitlines() if path.exists() else []


def test_where_nothing_may_be_installed_ci_fails_with_what_is_missing(tools: Path) -> None:
    done = called(tools, CI="true")
    assert done.returncode == 1 and log(tools) == []
    assert all(name in done.stderr for name in ("chromium", "pdflatex", "dot (Graphviz)", "Liberation Sans", "npm"))
    assert "apt-get" not in done.stderr

    stand_in(tools / "apt-get", "exit 1")
    done = called(tools, CI="true")
    assert done.returncode == 1 and log(tools) == []
    assert re.search(r"sudo apt-get install --no-install-recommends .*\bgraphviz .*\btexlive-latex-base ", done.stderr)


def test_elsewhere_the_tests_run_with_what_is_there(tools: Path) -> None:
    done = called(tools, "tests/apps/test_cli.py", "-k", "a or b")
    assert done.returncode == 0 and "pdflatex" in done.stderr
    assert [line.strip() for line in log(tools)] == [
        "-m pip install -q -e .[test] -c constraints.txt", "-m playwright install chromium",
        "-m pytest tests/apps/test_cli.py -k a or b"]
    called(tools)       # installs nothing again
    assert [line.strip() for line in log(tools)[3:]] == ["-m playwright install chromium", "-m pytest"]


def test_apt_installs_where_sudo_asks_nothing_and_what_it_lacks_stops_nothing_else(tools: Path) -> None:
    stand_in(tools / "apt-get", f'echo "$*" >>{tools.parent}/apt; case "$*" in *chromium*) exit 100 ;; esac')
    stand_in(tools / "sudo", '[ "$1" = -n ] || exit 1; shift; [ "$1" = true ] || exec "$@"')
    done = called(tools, CI="1")
    update, together, *single = log(tools, "apt")
    assert " update" in update and " chromium " in together and " latexmk " in together
    assert {"chromium", "latexmk", "npm"} <= {line.split()[-1] for line in single}
    assert done.returncode == 1


def test_a_browser_is_one_that_runs(tools: Path) -> None:
    """A stub that only says where a snap can be had is passed over."""
    stand_in(tools / "chromium", "echo 'install the snap'")
    stand_in(tools / "google-chrome", 'for last; do :; done; cat "${last#file://}"')
    done = called(tools)
    assert "chromium" not in done.stderr and "playwright" not in " ".join(log(tools))
    assert log(tools)[-1].startswith("-m pytest") and not log(tools)[-1].endswith(str(tools / "chromium"))
