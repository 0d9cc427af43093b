"""Deconvnet: what came back from above is rectified as the values were on their way up, whatever was positive then.

Zeiler, Fergus: Visualizing and understanding convolutional networks, ECCV 2014, section 2.1.  Unpooling by switches,
and filters transposed, are what the gradient does anyway.
"""
from __future__ import annotations

from archviz.insight.engine.subject import Subject
from archviz.insight.methods.guided import ruled
from archviz.insight.results.attribution import Attribution

TITLE = "Deconvnet"
GRAD = True


def attribute(subject: Subject) -> list[Attribution]:
    """The deconvnet's reconstruction, summed over channels, one map for each target."""
    return ruled(subject, "deconvnet", TITLE, "reconstruction")
