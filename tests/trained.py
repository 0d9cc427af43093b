"""The gallery's trained models, for tests: real weights, with data they have not seen.

``digits_cnn()`` and its like give a model of the test's own each time.  Weights are trained once for each state of the
gallery's file, and kept as safetensors in the system's folder for temporary files.
"""
from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
KEPT = Path(tempfile.gettempdir()) / "archviz-trained"


@cache
def gallery(name: str) -> ModuleType:
    """The module ``gallery/<name>.py``."""
    spec = importlib.util.spec_from_file_location(f"gallery_{name}", ROOT / "gallery" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _weights(name: str) -> dict[str, Tensor]:
    source = (ROOT / "gallery" / f"{name}.py").read_bytes() + torch.__version__.encode()
    path = KEPT / f"{name}-{hashlib.sha256(source).hexdigest()[:16]}.safetensors"
    if not path.exists():
        threads = torch.get_num_threads()
        torch.set_num_threads(1)    # faster for so small models, and the same sums on every machine
        try:
            with torch.enable_grad():
                found = gallery(name).train().state_dict()
        finally:
            torch.set_num_threads(threads)
        path.parent.mkdir(exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}")      # another process may be at it too
        save_file(found, half)
        half.replace(path)
    return load_file(path)


def _trained(name: str, model: nn.Module) -> nn.Module:
    model.load_state_dict(_weights(name))
    return model.eval()


def digits_cnn() -> nn.Module:
    """A CNN on digits: (N, 1, 32, 32) → (N, 10) logits; convolutions, batch norm, mean over places, linear."""
    return _trained("digits", gallery("digits").DigitsCNN())


def residual_net() -> nn.Module:
    """A residual CNN on digits: (N, 1, 16, 16) → (N, 10) logits; two stages of two blocks."""
    return _trained("residual", gallery("residual").ResidualNet())


def digit_images(count: int = 16) -> tuple[Tensor, Tensor]:
    """Digits that it was not trained on, (count, 1, 32, 32) between 0 and 1, and which they are, (count,)."""
    images, labels = gallery("digits").digits()
    return images[::6][:count], labels[::6][:count]


def date_reader() -> nn.Module:
    """Additive attention: characters (N, 29), what was written before (N, 10) → (N, 10, characters) logits."""
    return _trained("dates", gallery("dates").DateReader())


def date_pairs(count: int = 8) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Its two inputs for dates that it was not trained on, and what it should write, (count, 10)."""
    dates = gallery("dates")
    read, written = dates.dates(count, seed=1)
    goal = dates.ids(written, dates.WRITTEN)
    return (dates.ids(read, dates.LONGEST), nn.functional.pad(goal[:, :-1], (1, 0))), goal


def char_lstm() -> nn.Module:
    """A language model: characters (N, L) → (N, L, 96) logits; ``gallery("lstm").ids`` makes characters of a text."""
    lstm = gallery("lstm")
    return _trained("lstm", lstm.CharLSTM(**lstm.TRAINED))


def quoting() -> list[str]:
    """Paragraphs of the manual that it was not trained on, each with two quotations or more."""
    return [text for text in gallery("lstm").paragraphs()[1] if text.count('"') >= 4 and len(text) < 400]


def chapter_reader() -> nn.Module:
    """A Transformer encoder: words (N, 25) → (N, 6) logits; its words are ``gallery("topics").vocabulary()``."""
    return _trained("topics", gallery("topics").ChapterReader())


def pieces(count: int = 8) -> tuple[Tensor, Tensor]:
    """Texts that it was not trained on, (count, 25), and the chapters they are from, (count,)."""
    topics = gallery("topics")
    found, chapters = (of[::6][:count] for of in topics.pieces())
    return torch.tensor([topics.ids(piece) for piece in found]), torch.tensor(chapters)
