"""The front ends: a module and its inputs → `Trace`.

`trace` walks the ladder of the design (record without compute, record on real tensors, torch.fx symbolic tracing) and
returns the first rung that ran.
"""
from __future__ import annotations

from archviz.trace.ladder import Inputs, NothingRan, Report, Trace, trace

__all__ = ["Inputs", "NothingRan", "Report", "Trace", "trace"]
