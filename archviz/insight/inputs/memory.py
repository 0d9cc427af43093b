"""Memory: amounts as people write them, and whether it ran out.

In: a number of bytes or ``"2GB"``; an exception.  Out: bytes; yes or no.
"""
from __future__ import annotations

import re

from archviz.core.errors import ArchvizError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def size_of(budget: int | str | None) -> int | None:
    """Bytes: ``"2GB"``, ``"512MiB"``, ``"0.5G"``, or a number.  Raises `ArchvizError` for what cannot be read."""
    if budget is None:
        return None
    amount = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", str(budget).strip().lower())
    if not amount or amount[2] not in _UNITS or float(amount[1]) <= 0:
        raise ArchvizError(f"budget {budget!r} is no amount of memory", "write 2GB, 512MiB or a number of bytes")
    return max(1, round(float(amount[1]) * _UNITS[amount[2]]))


def ran_out(error: BaseException) -> bool:
    """Whether `error` says that memory ran out; on a processor that is a RuntimeError like many others."""
    import torch

    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or "can't allocate memory" in str(error)
