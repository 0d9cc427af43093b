"""Models from elsewhere: the same commands on classes of transformers, and on files as users have them."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

MAIN = "import sys\nimport tests.peers\nfrom archviz.cli import main\nsys.exit(main(sys.argv[1:]))"

SCRIPT = '''
import argparse

from torch import nn


class Net(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.head = nn.Linear(width * 15 * 15, 10)

    def forward(self, x):
        return self.head(self.features(x))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, required=True)
    args = parser.parse_args()
    raise RuntimeError(f"a figure trains nothing, and not for {args.epochs} epochs")


if __name__ == "__main__":
    main()
'''

LIGHTNING = '''
import torch
from torch import nn


class LightningModule(nn.Module):
    def log(self, name, value):
        raise RuntimeError("there is no trainer")


class Classifier(LightningModule):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.lr = lr
        self.encoder = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.encoder(x)

    def training_step(self, batch, index):
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)
'''

PACKAGE = {
    "pack/__init__.py": "",
    "pack/blocks/__init__.py": "from .residual import Residual\n",
    "pack/blocks/residual.py": '''
from torch import nn


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        return x + self.linear(x).relu()
''',
    "pack/models/__init__.py": "",
    "pack/models/net.py": '''
from torch import nn

from ..blocks import Residual


class Net(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.blocks = nn.Sequential(Residual(width), Residual(width))
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        return self.head(self.blocks(x))
''',
}


def archviz(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", MAIN, *words], cwd=folder, env=env, capture_output=True, text=True,
                          check=False)


@pytest.mark.parametrize(("files", "words", "said"), [
    ({"train.py": SCRIPT}, ["train.py", "--input", "1x3x32x32"],
     "Net. A 32×32×3 image passes through a 3×3 convolution with 32 filters, max pooling and a linear layer with 10"),
    ({"lit.py": LIGHTNING}, ["lit.py:Classifier", "--arg", "lr=0.1"],
     "Classifier. An input of length 16 passes through two linear layers with 32 and 8 outputs."),
    (PACKAGE, ["pack/models/net.py"], "Net. An input of length 24 passes through"),
    (PACKAGE, ["pack.models.net:Net", "--arg", "width=12"], "Net. An input of length 12 passes through"),
], ids=["script", "lightning", "file of a package", "package"])
def test_files_as_users_have_them(tmp_path: Path, files: dict[str, str], words: list[str], said: str) -> None:
    for name, source in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    done = archviz(tmp_path, *words, "-o", "a.svg", "--caption")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(said)
    assert (tmp_path / "a.svg").read_text().startswith("<svg")


TRANSFORMERS = {
    "BertModel": (["num_hidden_layers=2", "hidden_size=128", "num_attention_heads=4"], "4-head self-attention"),
    "GPT2LMHeadModel": (["n_layer=2", "n_embd=64", "n_head=4"], "two blocks of width 64"),
    "ViTForImageClassification": (["num_hidden_layers=2", "num_labels=7"], "a linear layer with 7 outputs"),
    "LlamaForCausalLM": (["num_hidden_layers=2", "vocab_size=1000"], "a linear layer with 1000 outputs"),
    "ResNetForImageClassification": (["num_labels=5"], "four stages of 3, 4, 6 and 3"),
}


def test_models_straight_from_transformers(tmp_path: Path) -> None:
    """All five in one process: what takes long is the library."""
    code = MAIN.replace("sys.exit(main(sys.argv[1:]))", "\n".join(
        f"assert main({['transformers:' + name, *(f'--arg={arg}' for arg in args), '-o', f'{name}.svg', '--caption']}) "
        "== 0" for name, (args, _) in TRANSFORMERS.items()))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    captions = done.stdout.splitlines()
    for caption, (name, (_, said)) in zip(captions, TRANSFORMERS.items(), strict=True):
        assert caption.startswith(f"{name}. ") and said in caption
        assert (tmp_path / f"{name}.svg").exists()


def test_a_wrong_field_of_a_configuration_is_told(tmp_path: Path) -> None:
    done = archviz(tmp_path, "transformers:BertModel", "--arg", "num_hidden_layer=2")
    assert done.returncode == 2
    assert "BertConfig has no argument 'num_hidden_layer'" in done.stderr and "num_hidden_layers" in done.stderr
