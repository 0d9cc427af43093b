"""Many inputs through the model, as many at once as memory and speed allow.

In: a number of rows, what to do with some of them.  Out: all their results.
"""
from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.insight.engine.subject import Subject
from archviz.insight.inputs.memory import ran_out

_MOST = 4096        # rows from which no device gains anything more
_CACHE = 24 << 20   # bytes of the largest tensor from which processors lose more to memory than they gain


def in_batches(total: int, most: int, work: Callable[[Tensor], Tensor], device: torch.device) -> Tensor:
    """``work(numbers)`` for all numbers below `total`, joined along the last axis: `most` at once, or fewer."""
    done: list[Tensor] = []
    at = 0
    while at < total:
        numbers = torch.arange(at, min(at + most, total), device=device)
        try:
            done.append(work(numbers))
            at += len(numbers)
            continue
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
        if len(numbers) == 1:
            raise ArchvizError("one row does not fit into memory",
                               "use a smaller input, half precision, or a device with more memory")
        most = (len(numbers) + 1) // 2
    return torch.cat(done, -1)


def rows_at_once(subject: Subject) -> int:
    """How many rows may run together through the whole model, without gradients."""
    sizes = sorted((sum(math.prod(one.shape) for one in call.out.values()) * 4 for call in subject.tape.calls
                    if call.how not in ("parameter", "constant")), reverse=True)
    rows = max(1, subject.n)
    largest, alive = sizes[0] / rows, sum(sizes[:6]) / rows     # what is alive together, workspaces included
    cached = _CACHE / largest if subject.device.type == "cpu" else _MOST
    return int(max(1, min(_MOST, subject.budget / alive, max(4, cached))))
