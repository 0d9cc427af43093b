"""archviz diff of one file at two git revisions: what it imports there, and that nothing of the user's is touched."""
from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

import archviz
from archviz.apps.cli.main import main
from archviz.compare.git import parse
from archviz.core.errors import ArchvizError

LAYERS = """\
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(x + self.norm(self.conv(x)))
"""

MODEL = """\
import torch
from torch import nn
from .layers import Block

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 7, stride=2)
        self.norm = nn.BatchNorm2d(16)
        self.blocks = nn.Sequential(*[Block(16) for _ in range(3)])
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.blocks(torch.relu(self.norm(self.conv(x))))
        return self.head(x.mean((2, 3)))

example_inputs = torch.zeros(1, 3, 32, 32)
"""

# The refactoring: the first layers move to a module, the head is renamed, blocks get another normalisation.
STEM = """\
class Stem(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.Conv2d(3, width, 7, stride=2), nn.BatchNorm2d(width), nn.ReLU())


"""


def git(folder: Path, *arguments: str) -> str:
    made = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *made, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that was refactored between two commits, tagged v1 and v2, and is being edited."""
    root = tmp_path_factory.mktemp("project")
    git(root, "init", "-q", "-b", "main")
    package = root / "nets"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "layers.py").write_text(LAYERS)
    (package / "model.py").write_text(MODEL)
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    git(root, "tag", "v1")
    after = MODEL.replace("class Net", f"{STEM}class Net").replace("self.head", "self.classifier")
    after = after.replace("        self.conv = nn.Conv2d(3, 16, 7, stride=2)\n        self.norm = nn.BatchNorm2d(16)\n",
                          "        self.stem = Stem(16)\n")
    after = after.replace("torch.relu(self.norm(self.conv(x)))", "self.stem(x)")
    (package / "model.py").write_text(after)
    (package / "layers.py").write_text(LAYERS.replace("nn.BatchNorm2d(width)", "nn.GroupNorm(4, width)"))
    git(root, "commit", "-q", "-a", "-m", "stem, groups")
    git(root, "tag", "v2")
    (package / "layers.py").write_text(LAYERS.replace("nn.BatchNorm2d(width)", "nn.GroupNorm(8, width)"))
    (package / "new.py").write_text("from .model import *\n")
    return root


def state(root: Path) -> dict[str, str]:
    """Every file of the repository and of its .git."""
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*")) if path.is_file() and "__pycache__" not in path.parts}


def test_a_refactoring_reads_as_what_it_was_and_touches_nothing(repository, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(repository / "nets")
    before = state(repository)
    assert main(["diff", "v1:", "v2:", "model.py", "-o", str(tmp_path / "d.svg"), "-o", str(tmp_path / "d.json")]) == 1
    told = capsys.readouterr().out
    assert state(repository) == before
    found = archviz.diff("v1:model.py", "v2:model.py")
    assert (found.old, found.new) == ("Net (v1)", "Net (v2)")
    named = {(change.was, change.path) for change in found.changes if change.kind == "renamed"}
    assert named == {("conv", "stem.0"), ("norm", "stem.1"), ("head", "classifier")}
    changed = [change for change in found.changes if change.kind == "changed"]
    assert [change.path for change in changed] == [f"blocks.{i}.norm" for i in range(3)]
    assert [(d.name, d.old, d.new) for d in changed[0].details] == [("class", "BatchNorm2d", "GroupNorm")]
    assert len(changed) + len(named) == len(found.changes)      # torch.relu is nn.ReLU
    assert "blocks.{0..2}.norm ×3" in told and "was conv" in told
    drawn = (tmp_path / "d.svg").read_text()
    assert "Net (v1) → Net (v2)" in drawn and "conv → stem.0" in drawn and "head → classifier" in drawn


def test_what_is_imported_is_that_of_the_revision(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    assert main(["diff", "HEAD:", "nets/model.py", "--markdown"]) == 1      # the working tree differs in layers.py only
    told = capsys.readouterr().out
    assert "num\\_groups 4 → 8" in told and told.count("| `") == 1
    assert main(["diff", "v2:nets/model.py:Net", "HEAD:nets/model.py", "--json"]) == 0
    assert main(["diff", "v1:nets.model:Net", "nets.model:Net", "--markdown"]) == 1
    assert "GroupNorm" in capsys.readouterr().out


def test_of_a_model_that_fails_nothing_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.py").write_text("import torch\nclass Net(torch.nn.Linear):\n    pass\n"
                                      "example_inputs = torch.zeros(1, 4)\ndef make():\n    return Net(4, 4)\n")
    (tmp_path / "bad.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.fc = torch.nn.Linear(4, 4)\n    def forward(self, x):\n        self.fc(x)\n"
        "        raise ValueError('no luck')\nexample_inputs = torch.zeros(1, 4)\n")
    assert main(["diff", "good.py:make", "bad.py", "-o", "d.svg"]) == 2
    told = capsys.readouterr()
    assert "no luck" in told.err and not told.out and not (tmp_path / "d.svg").exists()


@pytest.mark.parametrize(("target", "told"), [
    ("v9:nets/model.py", "no revision 'v9'"), ("v1:nets/modle.py", "did you mean nets/model.py"),
    ("v1:nets/new.py", "no file nets/new.py in v1"), ("--force:nets/model.py", "no revision"),
])
def test_mistakes_are_told(repository, monkeypatch, target, told):
    monkeypatch.chdir(repository)
    with pytest.raises(ArchvizError, match=told):
        archviz.diff(target, "nets/model.py")


def test_no_repository_and_no_git_are_told(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text("")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ArchvizError, match="not in a git repository"):
        archviz.diff("HEAD:model.py", "model.py")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArchvizError, match="git is not installed"):
        archviz.diff("HEAD:model.py", "model.py")


@pytest.mark.parametrize(("target", "parts"), [
    ("model.py", ("", "model.py")), ("model.py:Net", ("", "model.py:Net")), ("nets.model:Net", ("", "nets.model:Net")),
    ("HEAD~1:", ("HEAD~1", "")), ("HEAD~1:model.py", ("HEAD~1", "model.py")), ("v1:a.b:Net", ("v1", "a.b:Net")),
    ("v1:a/model.py:Net", ("v1", "a/model.py:Net")), ("main:g.json", ("main", "g.json")),
    ("C:\\nets\\model.py", ("", "C:\\nets\\model.py")), ("g.json", ("", "g.json")),
])
def test_a_revision_is_told_from_a_file(target, parts):
    assert parse(target) == parts
