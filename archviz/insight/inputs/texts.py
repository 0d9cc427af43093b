"""Texts → token ids, with the tokenizer that a model's file names, and the tokens as a reader knows them.

In: texts, a tokenizer or a function to ids.  Out: tensors by the name of the input, and words.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archviz.core.errors import ArchvizError

Words = tuple[tuple[str, ...], ...]


def tokenizer_of(asked: Any, module: Mapping[str, Any]) -> Any:
    """The tokenizer that was asked for, else the model file's ``tokenizer`` or ``encode``; `ArchvizError` for none."""
    tokenizer = asked if asked is not None else module.get("tokenizer", module.get("encode"))
    if tokenizer is None:
        raise ArchvizError("a text needs a tokenizer, and nobody named one",
                           "let the model's file hold `tokenizer`, or `encode` (a function from a text to token ids), "
                           "or say --tokenizer tokenizer.json; token ids go in as --input 'ids=[[1, 2, 3]]'")
    if not isinstance(tokenizer, (str, Path)):
        return tokenizer
    if not Path(tokenizer).is_file():
        raise ArchvizError(f"there is no tokenizer {tokenizer}")
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError:
        raise ArchvizError(f"{tokenizer} is read by the package tokenizers, which is not installed",
                           "pip install tokenizers") from None
    try:
        return Tokenizer.from_file(str(tokenizer))
    except Exception as error:      # the library raises nothing more special
        raise ArchvizError(f"{tokenizer} is not a tokenizer: {' '.join(str(error).split())}") from None


def read_text(texts: Sequence[str], tokenizer: Any, name: str, decode: Any = None) -> tuple[dict[str, Any], Words]:
    """The inputs of a model for `texts`, one for each sample: tensors by input, and the words of each sample.

    `tokenizer` is one of transformers (called), one of tokenizers (its ``encode`` has ``ids`` and ``tokens``), or a
    function from a text to a list of ids; `name` is the input that ids are for where it does not say; `decode`, an id →
    the token, is for a function that gives ids alone.  Raises `ArchvizError` for a tokenizer that fails, and for texts
    of several lengths where it cannot pad.
    """
    import torch

    if hasattr(tokenizer, "convert_ids_to_tokens"):
        padding = {"padding": True} if len(texts) > 1 else {}
        made = _made(tokenizer, list(texts), return_tensors="pt", **padding)
        rows = [[int(i) for i in row] for row in made["input_ids"]]
        words = tuple(tuple(map(str, tokenizer.convert_ids_to_tokens(row))) for row in rows)
        return dict(made), words
    encoded = [_made(getattr(tokenizer, "encode", tokenizer), text) for text in texts]
    rows = [[int(i) for i in getattr(one, "ids", one)] for one in encoded]
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        numbers = ", ".join(map(str, sorted(lengths)))
        raise ArchvizError(f"the texts have {numbers} tokens, and one batch has one length",
                           "explain them one by one, or with a tokenizer of transformers, which pads")
    if lengths == {0}:
        raise ArchvizError("the text has no tokens")
    tokens = [getattr(one, "tokens", None) for one in encoded]
    words = tuple(tuple(map(str, spelt or _spelled(tokenizer, text, row, decode)))
                  for spelt, text, row in zip(tokens, texts, rows, strict=True))
    return {name: torch.tensor(rows)}, words


def _made(tokenizer: Any, text: Any, **options: Any) -> Any:
    try:
        return tokenizer(text, **options)
    except Exception as error:
        raise ArchvizError(f"the tokenizer raised {type(error).__name__}: {' '.join(str(error).split())}") from error


def _spelled(tokenizer: Any, text: str, row: Sequence[int], decode: Any) -> Sequence[str]:
    """The words behind ids that come alone: the characters, if there is one id for each; else words; else numbers."""
    if decode is not None:
        return [str(decode(i)) for i in row]
    if hasattr(tokenizer, "decode"):
        return [str(tokenizer.decode([i])) for i in row]
    return next((parts for parts in (list(text), text.split()) if len(parts) == len(row)), [str(i) for i in row])
