"""Inputs from what is written on the command line: ``1x3x224x224``, ``input_ids=1x128:int64``.

In: words.  Out: arguments for a call.
"""
from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.trace.ladder import Inputs
from archviz.trace.source.guess import accepted_by, dtype_of, family_of_name
from archviz.trace.source.values import DTYPES, fill, on_cpu

_SIZE = r"\d+(\s*[x×*,]\s*\d+)*"
_WHOLE = frozenset(name for name in DTYPES if "int" in name) | {"long"}


def from_specs(module: nn.Module, specs: Sequence[str], variables: Mapping[str, Any] | None = None) -> Inputs:
    """``1x3x224x224``, ``input_ids=1x128:int64``, ``batch.image=1x3x32x32``, ``use_cache=False`` → one call.

    Where there are `variables`, a spec may name one: ``x``, ``input_ids=x``.  Raises `ArchvizError` for a spec that
    cannot be read and for a name that `module.forward` does not take.
    """
    accepted = accepted_by(module)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    named = [spec.partition("=")[0].rpartition(".")[2] for spec in specs if "=" in spec]
    tokens = any(spec.rpartition(":")[2] in _WHOLE for spec in specs) or "tokens" in map(family_of_name, named)
    for spec in specs:
        name, equals, text = spec.partition("=")
        if not equals:
            names = [n for n, p in accepted.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
            name = names[len(args)] if len(args) < len(names) else ""
            args.append(_value(module, name, spec, spec, variables, tokens))
            continue
        name, *keys = name.split(".")           # batch.image=…: an entry of a dict
        if name not in accepted and not takes_any:
            hint = did_you_mean(name, accepted)
            raise ArchvizError(f"--input {spec}: {type(module).__name__} takes no input {name!r}",
                               hint or f"it takes {', '.join(accepted)}")
        holder = kwargs
        for outer, inner in zip((name, *keys), keys, strict=False):
            name, holder = inner, holder.setdefault(outer, {})
        holder[name] = _value(module, name, text, spec, variables, tokens)
    masks = [spec for spec in specs if "mask" in spec.partition("=")[0] and ":" not in spec
             and re.fullmatch(_SIZE, spec.rpartition("=")[2].strip())]
    return Inputs(tuple(args), kwargs, f"guessed int64 for {masks[0]}" if masks else "")


def _value(module: nn.Module, name: str, text: str, spec: str, variables: Mapping[str, Any] | None, tokens: bool,
           ) -> Any:
    """What a spec says; `tokens` tells that another one is known to hold them."""
    shape, colon, dtype = text.strip().partition(":")
    if re.fullmatch(_SIZE, shape):
        sizes = tuple(int(n) for n in re.findall(r"\d+", shape))
        if min(sizes) < 1:
            raise ArchvizError(f"--input {spec}: a size must be 1 or more")
        if colon and dtype not in DTYPES:
            raise ArchvizError(f"--input {spec}: there is no dtype {dtype!r}", did_you_mean(dtype, DTYPES))
        return fill(sizes, DTYPES[dtype] if colon else dtype_of(module, name, tokens), name)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if variables is not None and text.isidentifier():
            if text in variables:
                return on_cpu(variables[text])
            raise ArchvizError(f"--input {spec}: there is no variable {text}", did_you_mean(text, variables)) from None
        raise ArchvizError(f"cannot read --input {spec!r}",
                           "write sizes with x between: --input 1x3x224x224, --input input_ids=1x128:int64") from None
