"""The command line as a user meets it: every test runs ``archviz`` in a process of its own."""
from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from archviz.apps.cli import main
from archviz.core import graph_json, progress
from archviz.core.graph import Edge, Graph, Module, Node, TensorSpec
from tests.conftest import ROOT, Run

GALLERY = ROOT / "gallery"

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, channels=3):
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3)
        self.act = nn.ReLU()
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        return self.head(self.act(self.conv(x)))
"""


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A small traced graph in a file: two blocks of a convolution, a norm and a pooling."""
    spec = TensorSpec((1, 8, 16, 16), axes="NCHW")
    nodes = [Node("/in:x", (), "input", "input", out=(TensorSpec((1, 3, 16, 16), axes="NCHW"),))]
    modules = {}
    for block in ("blocks.0", "blocks.1"):
        modules[block] = Module(block, "Block", block)
        nodes.append(Node(f"{block}.conv", (block,), "Conv2d", "conv", {"out_channels": 8, "kernel_size": [3, 3]},
                          (spec,), 100, 5000))
        nodes.append(Node(f"{block}.norm", (block,), "BatchNorm2d", "norm", {}, (spec,), 16))
        nodes.append(Node(f"{block}.pool", (block,), "MaxPool2d", "pool", {"kernel_size": 3, "stride": 1}, (spec,)))
    nodes.append(Node("/out:0", (), "output", "output"))
    chain = [node.id for node in nodes]
    edges = tuple(Edge(a, b, spec) for a, b in zip(chain, chain[1:], strict=False))
    numbered = tuple(Node(n.id, n.scope, n.op, n.kind, n.attrs, n.out, n.params, n.flops, index=i)
                     for i, n in enumerate(nodes))
    path = tmp_path / "graph.json"
    path.write_text(graph_json.to_json(Graph("Small", numbered, edges, modules)), "utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*")
            if p.is_file() and "__pycache__" not in p.parts}


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """The run ended with one clear line (and hints below it, indented), exit code 2, nothing on stdout."""
    said = [line for line in result.stderr.splitlines() if not line.endswith(" …")]
    assert result.returncode == 2, result.stderr
    assert said, "nothing was said"
    assert said[0].startswith("archviz: error: "), result.stderr
    assert all(line.startswith("  ") for line in said[1:]), result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr


# ------------------------------------------------------------------------------------------------ what goes wrong

MISTAKES = {
    "no model": ([], ["no model"]),
    "unknown option": (["graph.json", "--widht", "84mm"], ["--widht"]),
    "missing graph": (["nothing.json"], ["nothing.json", "No such file"]),
    "not JSON": (["broken.json"], ["broken.json", "not JSON"]),
    "cut short": (["short.json"], ["short.json"]),
    "JSON of something else": (["other.json"], ["other.json", "format"]),
    "an edge to nowhere": (["dangling.json"], ["dangling.json", "nowhere"]),
    "not text": (["binary.json"], ["binary.json"]),
    "unknown style": (["graph.json", "--style", "blok"], ["blok", "did you mean block"]),
    "style with an unknown key": (["graph.json", "--style", "mine.yaml"],
                                  ["mine.yaml:3", "colours", "did you mean colors"]),
    "missing style file": (["graph.json", "--style", "nothing.yaml"], ["nothing.yaml"]),
    "style that is not YAML": (["graph.json", "--style", "torn.yaml"], ["torn.yaml:"]),
    "unknown setting": (["graph.json", "--set", "sizes.margni=3"], ["margni", "did you mean margin"]),
    "setting without value": (["graph.json", "--set", "sizes.margin"], ["--set"]),
    "page too narrow": (["graph.json", "--width", "10mm"], ["10 mm"]),
    "page too low": (["graph.json", "--max-height", "5mm"], ["5 mm"]),
    "explicit depth too large": (["graph.json", "--depth", "3", "--width", "25mm"], ["--"]),
    "width that is no length": (["graph.json", "--width", "wide"], ["wide", "174mm"]),
    "negative width": (["graph.json", "--width=-3mm"], ["-3mm"]),
    "font that is no length": (["graph.json", "--min-font", "big"], ["big"]),
    "bad depth": (["graph.json", "--depth", "deep"], ["deep"]),
    "bad dpi": (["graph.json", "--dpi", "0"], ["0"]),
    "bad direction": (["graph.json", "--direction", "sideways"], ["sideways"]),
    "unknown suffix": (["graph.json", "-o", "figure.svgg"], ["svgg", "did you mean svg"]),
    "no suffix": (["graph.json", "-o", "figure"], ["figure", "svg"]),
    "folder that is not there": (["graph.json", "-o", "no/figure.svg"], ["no/figure.svg"]),
    "output that is a folder": (["graph.json", "-o", "folder.svg"], ["folder.svg"]),
    "folder that is a file": (["graph.json", "-o", "mine.yaml/figure.svg"], ["mine.yaml"]),
    "input for a graph": (["graph.json", "--input", "1x3"], ["--input"]),
    "second output is wrong": (["graph.json", "-o", "good.svg", "-o", "bad.xyz"], ["xyz"]),
    "collapse that matches nothing": (["graph.json", "--collapse", "blcoks.*"], ["blcoks"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line_and_touches_no_file(mistake: str, run: Run, saved: Path, tmp_path: Path) -> None:
    text = saved.read_text("utf-8")
    (tmp_path / "broken.json").write_text("{nodes: ")
    (tmp_path / "short.json").write_text(text[:len(text) // 2])
    (tmp_path / "other.json").write_text('{"nodes": []}')
    (tmp_path / "dangling.json").write_text(text.replace('"dst": "/out:0"', '"dst": "nowhere"'))
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00\x80")
    (tmp_path / "mine.yaml").write_text("extends: block\n\ncolours: {}\n")
    (tmp_path / "torn.yaml").write_text("extends: block\nroles: [\n")
    (tmp_path / "folder.svg").mkdir()
    before = contents(tmp_path)
    arguments, words = MISTAKES[mistake]
    refused(run(*arguments), *words)
    assert contents(tmp_path) == before


MODEL_MISTAKES = {
    "missing file": ("nothing.py", [], ["nothing.py"]),
    "missing module": ("nothing_of_this_name:Net", [], ["nothing_of_this_name"]),
    "no such name": ("net.py:Nte", [], ["Nte", "did you mean Net"]),
    "no model inside": ("empty.py", [], ["no model in empty.py"]),
    "several models": ("two.py", [], ["First", "Second", "two.py:First"]),
    "does not parse": ("syntax.py", [], ["syntax.py:2", "SyntaxError"]),
    "raises on import": ("raising.py", [], ["raising.py:1", "on import"]),
    "raises when built": ("building.py", [], ["building.py:4", "cannot be built"]),
    "ends the process": ("leaving.py", [], ["leaving.py", "ends the process", "SystemExit: 4"]),
    "wrong shape": ("net.py", ["--input", "1x1x8x8"], ["channels"]),
    "shape that cannot be read": ("net.py", ["--input", "3xx8"], ["3xx8", "1x3x224x224"]),
    "unknown dtype": ("net.py", ["--input", "1x3x8x8:flaot32"], ["flaot32", "did you mean float32"]),
    "unknown input": ("net.py", ["--input", "image=1x3x8x8"], ["image"]),
    "unknown argument": ("net.py", ["--arg", "chanels=3"], ["chanels", "did you mean channels"]),
    "argument without value": ("net.py", ["--arg", "channels"], ["channels", "key=value"]),
    "a graph of the wrong kind": ("weights.pt", [], ["weights"]),
}


@pytest.mark.parametrize("mistake", MODEL_MISTAKES)
def test_a_mistake_in_a_model_is_one_clear_line_and_touches_no_file(mistake: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "two.py").write_text(
        "from torch import nn\nclass First(nn.Sequential): pass\nclass Second(nn.Sequential): pass\n")
    (tmp_path / "syntax.py").write_text("import torch\ndef f(:\n")
    (tmp_path / "raising.py").write_text("raise ValueError('on import')\n")
    (tmp_path / "building.py").write_text(
        "from torch import nn\nclass Net(nn.Linear):\n"
        "    def __init__(self):\n        raise ValueError('cannot be built')\n")
    (tmp_path / "leaving.py").write_text(
        "from torch import nn\nclass Net(nn.Linear):\n    def __init__(self):\n        super().__init__(2, 2)\n"
        "    def forward(self, x):\n        raise SystemExit(4)\n")
    before = contents(tmp_path)
    target, arguments, words = MODEL_MISTAKES[mistake]
    refused(run(target, *arguments), *words)
    assert contents(tmp_path) == before


def test_debug_shows_where_a_mistake_was_found(run: Run, tmp_path: Path) -> None:
    result = run("nothing.json", "--debug")
    assert "Traceback" in result.stderr
    assert result.returncode == 1       # as Python ends a program with a traceback


def test_a_failing_write_leaves_the_old_file(run: Run, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "old.svg").write_text("old")
    refused(run("graph.json", "-o", "old.svg", "-o", "old.png", "--dpi", "9999", "--set", "sizes.margin=90"), "dpi")
    assert (tmp_path / "old.svg").read_text() == "old"
    assert sorted(contents(tmp_path)) == ["graph.json", "old.svg"]


def test_the_default_name_replaces_only_what_archviz_wrote(run: Run, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "graph.svg").write_text("<svg>drawn by hand</svg>")
    refused(run("graph.json"), "graph.svg", "-o graph.svg")
    assert (tmp_path / "graph.svg").read_text() == "<svg>drawn by hand</svg>"
    assert run("graph.json", "--force").returncode == 0
    first = (tmp_path / "graph.svg").read_bytes()
    assert run("graph.json", "--width", "column").returncode == 0
    assert (tmp_path / "graph.svg").read_bytes() != first


def test_a_model_that_raises_in_the_middle_gives_its_part_and_exit_code_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    result = run("net.py", "--input", "1x3x9x9", "-o", "part.svg")
    assert result.returncode == 1
    assert "head raised RuntimeError" in result.stderr
    assert "Traceback" not in result.stderr
    tree = ElementTree.parse(tmp_path / "part.svg")
    drawn = {element.get("data-node") for element in tree.iter()}
    assert {"conv", "head"} <= drawn
    failed = [e for e in tree.iter() if "failed" in e.get("class", "").split()]
    assert failed, "the failing call is not marked"
    marked = next(e for e in tree.iter() if e.get("data-node") == "head")
    assert any("failed" in e.get("class", "").split() for e in marked.iter())


def test_ctrl_c_ends_with_130_and_no_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    before = contents(tmp_path)
    result = run("net.py")
    assert result.returncode == 130
    assert result.stderr.splitlines()[-1] == "archviz: interrupted"
    assert contents(tmp_path) == before


def test_a_reader_that_goes_away_is_no_error(saved: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "archviz", str(saved), "--emit", "scene", "--quiet"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0


# ------------------------------------------------------------------------------------------------ what goes right

def test_the_default_output_is_the_models_name_in_this_folder(run: Run, tmp_path: Path) -> None:
    result = run(GALLERY / "lenet.py")
    assert result.returncode == 0, result.stderr
    assert list(contents(tmp_path)) == ["lenet.svg"]
    assert "wrote lenet.svg" in result.stderr
    assert result.stdout == ""
    assert run(f"{GALLERY / 'resnet.py'}:resnet18", "--quiet").stderr == ""
    assert sorted(contents(tmp_path)) == ["lenet.svg", "resnet18.svg"]


def test_several_outputs_in_one_run(run: Run, saved: Path, tmp_path: Path) -> None:
    assert run("graph.json", *(f"-oout.{s}" for s in ("svg", "pdf", "png", "json"))).returncode == 0
    assert (tmp_path / "out.svg").read_bytes().startswith(b"<svg")
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out.json").read_bytes() == saved.read_bytes()


def test_a_saved_graph_draws_the_same_figure(run: Run, tmp_path: Path) -> None:
    assert run(f"{GALLERY / 'resnet.py'}:resnet18", "-o", "a.svg", "-o", "graph.json").returncode == 0
    assert run("graph.json", "-o", "b.svg").returncode == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_page_is_kept_and_declared(run: Run, saved: Path, tmp_path: Path) -> None:
    assert run("graph.json", "-o", "a.svg", "--width", "84mm", "--max-height", "6cm").returncode == 0
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert 0 < float(root.attrib["width"].removesuffix("mm")) <= 84
    assert 0 < float(root.attrib["height"].removesuffix("mm")) <= 60


def test_settings_title_and_detail_reach_the_figure(run: Run, saved: Path, tmp_path: Path) -> None:
    def drawn(*options: str) -> str:
        assert run("graph.json", "-o", "a.svg", "--quiet", *options).returncode == 0
        return (tmp_path / "a.svg").read_text("utf-8")

    assert "#123456" in drawn("--set", "roles.conv.fill=#123456")
    assert ">A Title<" in drawn("--title", "A Title")
    assert 'data-node="blocks.0.conv"' in drawn("--depth", "auto")
    assert 'data-node="blocks.0.conv"' not in drawn("--depth", "0")
    assert 'data-node="blocks.0.conv"' not in drawn("--collapse", "Block")
    assert 'data-node="blocks.0.conv"' in drawn("--depth", "0", "--expand", "Block")


def test_caption_and_emit_go_to_stdout_and_write_no_file(run: Run, saved: Path, tmp_path: Path) -> None:
    before = contents(tmp_path)
    assert run("graph.json", "--caption").stdout.startswith("Small. ")
    graph = run("graph.json", "--emit", "graph").stdout
    assert graph_json.from_json(graph).name == "Small"
    layout = json.loads(run("graph.json", "--emit", "layout").stdout)
    assert layout["type"] == "Layout"
    assert {"x", "y", "width", "height"} <= set(layout["nodes"]["/in:x"])
    scene = json.loads(run("graph.json", "--emit", "scene").stdout)
    assert scene["type"] == "Scene"
    assert scene["description"].startswith("Small. ")
    assert contents(tmp_path) == before


def test_what_the_model_prints_stays_off_stdout(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET.replace("return ", "print('what a model prints')\n        return "))
    result = run("net.py", "--input", "1x3x8x8", "--emit", "graph")
    assert graph_json.from_json(result.stdout).name == "Net"
    assert "what a model prints" in result.stderr


def test_a_guessed_input_is_told_with_the_way_to_change_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET.replace("Linear(6, 4)", "Linear(222, 4)"))
    result = run("net.py")
    assert result.returncode == 0, result.stderr
    assert "input: guessed 1×3×224×224 from the first convolution" in result.stderr
    assert "--input" in result.stderr
    assert "guessed" not in run("net.py", "--quiet").stderr


def test_verbose_says_how_the_model_was_traced(run: Run) -> None:
    result = run(GALLERY / "lenet.py", "--verbose")
    assert "traced: " in result.stderr
    assert "operations" in result.stderr


@pytest.mark.parametrize("words, told", [
    (["explian", "m.py"], "did you mean explain?"), (["style"], "write archviz style show block"),
    (["style", "shwo"], "write archviz style show block"), (["recrod"], "did you mean record?")])
def test_a_mistyped_command_is_told(run: Run, words: list[str], told: str) -> None:
    done = run(*words)
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


def test_help_lists_the_commands_and_each_has_its_own(run: Run) -> None:
    first = run("--help").stdout.splitlines()[:12]
    for name in ("explain", "record", "diff", "serve", "style"):
        assert any(line.split()[:1] == [name] for line in first)
        assert run("help", name).stdout == run(name, "--help").stdout
        assert f"archviz {name}" in run(name, "--help").stdout
    assert run("help").stdout == run("--help").stdout


def test_help_list_and_version(run: Run) -> None:
    told = run("--help").stdout
    for option in ("style theme output input arg depth collapse expand direction width max-height min-font dpi set "
                   "title emit caption list verbose quiet debug version").split():
        assert f"--{option} " in told
    assert "examples:" in told
    listed = dict(line.split(":", 1) for line in run("--list").stdout.splitlines())
    assert "block" in listed["styles"].split()
    assert {"svg", "pdf", "png", "json"} <= set(listed["outputs"].split())
    assert "fold" in listed["passes"].split()
    assert run("--version").stdout.startswith("archviz 0.")


@pytest.mark.parametrize("arguments", [
    ["--help"], ["--list"], ["--version"], ["graph.json", "-o", "a.svg"], ["graph.json", "-o", "a.pdf", "-o", "a.png"],
    ["graph.json", "--emit", "scene"], ["graph.json", "--caption"]], ids=" ".join)
def test_torch_is_not_imported_without_a_model(arguments: list[str], run: Run, saved: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap" / "torch"
    trap.mkdir(parents=True)
    (trap / "__init__.py").write_text("import os\nos.write(2, b'torch was imported')\nos._exit(77)\n")
    env = {"PYTHONPATH": f"{trap.parent}{os.pathsep}{ROOT}"}
    assert run(*arguments, env=env).returncode == 0
    assert run(GALLERY / "lenet.py", env=env).returncode == 77, "the trap does not work"


def test_help_imports_no_drawing_code(run: Run) -> None:
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "archviz", "--help"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True).stderr
    names = {line.rpartition("|")[2].strip() for line in imported.splitlines()}
    assert "archviz.apps.cli.main" in names
    assert not names & {"archviz.figure.compile", "yaml", "svgwrite", "numpy", "torch", "tqdm"}


def test_the_same_bytes_whatever_the_hash_seed_and_the_folder(run: Run, tmp_path: Path) -> None:
    for seed, folder in (("1", GALLERY), ("2", Path(os.path.relpath(GALLERY, tmp_path)))):
        outputs = [f"-o{seed}.{suffix}" for suffix in ("svg", "pdf", "png", "json")]
        assert run(f"{folder / 'resnet.py'}:resnet18", *outputs, env={"PYTHONHASHSEED": seed}).returncode == 0
    for suffix in ("svg", "pdf", "png", "json"):
        assert (tmp_path / f"1.{suffix}").read_bytes() == (tmp_path / f"2.{suffix}").read_bytes(), suffix


HOSTILE = ["<b>&amp;", "quote'\"", "]]>", "two\nlines", "\u202eright to left \u05d0\u05d1", "tab\t", "\x07bell",
           "--><!--", "ключ", "日本", "%s{}", "a/b", "\ud800"]


def test_hostile_names_give_valid_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "hostile.py").write_text(f"""
import torch
from torch import nn

NAMES = {ascii(HOSTILE)}

class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(4, 4)
        self.m = nn.Linear(4, 4)

    def forward(self, x):
        return self.m(self.l(x)) + x

Hostile = type({ascii(''.join(HOSTILE[:5]))}, (Inner,), {{}})

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        for name in NAMES:
            self.add_module(name, Hostile())

    def forward(self, x):
        out = {{}}
        for name in NAMES:
            x = self._modules[name](x)
            out[name] = x
        return out

example_inputs = torch.zeros(1, 4)
""")
    for detail in ([], ["--depth", "0"]):
        result = run("hostile.py:Net", "-o", "h.svg", "-o", "h.pdf", "-o", "h.png", "-o", "h.json", *detail)
        assert result.returncode == 0, result.stderr
        assert ElementTree.parse(tmp_path / "h.svg").getroot().tag.endswith("svg")
        assert len((tmp_path / "h.pdf").read_bytes()) > 1000
        assert "\ud800" in {node.id.split(".")[0] for node in graph_json.from_json(
            (tmp_path / "h.json").read_bytes().decode("utf-8", "surrogatepass")).nodes}
        assert run("h.json", "-o", "again.svg", *detail).returncode == 0
        assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "h.svg").read_bytes()


# ------------------------------------------------------------------------------------------------ progress

def test_progress_keeps_quiet_while_nothing_takes_long(capfd: pytest.CaptureFixture[str]) -> None:
    with progress.progress(True) as step:
        step("trace")
    assert capfd.readouterr().err == ""


def test_progress_names_each_slow_step_once(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.02)
    monkeypatch.setattr(progress, "TICK", 0.005)
    with progress.progress(True) as step:
        for name in ("trace", "arrange"):
            step(name)
            time.sleep(0.3)
    assert capsys.readouterr().err == "archviz: trace …\narchviz: arrange …\n"
    with progress.progress(False) as step:
        step("trace")
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_progress_is_a_running_clock_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import time\ntime.sleep(3)\nfrom torch import nn\nmodel = nn.Linear(4, 4)\n")
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "archviz", "net.py"], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=terminal, env={**os.environ, "PYTHONPATH": str(ROOT)})
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(controller, 4096):
            shown += chunk
    except OSError:     # Linux says so when the other end is closed
        pass
    os.close(controller)
    assert process.wait(60) == 0
    assert "load torch and the model … 00:02" in shown.decode()


def test_a_fault_of_ours_is_told_apart_from_a_mistake(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object) -> int:
        raise KeyError("oops")

    monkeypatch.setattr(main, "run", broken)
    assert main.main(["model.py"]) == 3
    said = capsys.readouterr().err
    assert "fault of archviz" in said
    assert "--debug" in said
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


NUMPY = '''
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x, attention_mask=None):
        hidden = self.a(x)
        if attention_mask is not None:
            return self.b(hidden.masked_fill(attention_mask[:, None] == 0, 0.0))
        return self.b(torch.from_numpy(hidden.detach().numpy()))
'''


def test_what_cannot_be_seen_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NUMPY)
    said = run("net.py", "--input", "x=1x8", "-o", "a.svg")
    assert said.returncode == 0 and "output 0 depends on no input that can be seen" in said.stderr
    masked = ("net.py", "--input", "x=1x8", "--input", "attention_mask=1:int64", "-o", "b.svg")
    assert "not drawn: attention_mask is read as a mask" in run(*masked, "--verbose").stderr
    assert "depends on no input" not in run(*masked, "--verbose").stderr


def test_letters_that_a_picture_cannot_show_are_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\nmodel = nn.Sequential(nn.Linear(8, 4))\n", "utf-8")
    (tmp_path / "archviz.yaml").write_text("models: {'*': {layers: {'0': {label: 'エンコーダ x'}}}}\n", "utf-8")
    assert "show boxes for エンコーダ, which" in run("net.py:model", "-o", "a.png").stderr
    assert "show boxes" not in run("net.py:model", "-o", "a.svg").stderr
