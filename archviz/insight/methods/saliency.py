"""Saliency: the size of the gradient of a target with respect to each place of the input.

Simonyan, Vedaldi, Zisserman: Deep inside convolutional networks, ICLR workshop 2014, section 3: the largest absolute
value over the channels of an image.  Over the features of an embedding, the L2 norm (Li et al., NAACL 2016).
"""
from __future__ import annotations

from archviz.core.graph import NodeId
from archviz.insight.engine.subject import INPUTS, Subject
from archviz.insight.methods import _gradients as shared
from archviz.insight.results.attribution import Attribution

TITLE = "Saliency"
GRAD = True


def wants(subject: Subject) -> tuple[NodeId, ...]:
    return (INPUTS,)


def attribute(subject: Subject) -> list[Attribution]:
    """|∂f/∂x|, one for each target."""
    subject.step("saliency")
    by_target = shared.at_sources(subject)[1]
    maps = [shared.sizes(subject, one) for one in by_target]
    return [shared.attribution(subject, number, "saliency", TITLE, one, signed=False, unit="|∂f/∂x|",
                               checks=(shared.finite(one),), notes=shared.joined_notes(subject, one, "L2 norm"))
            for number, one in enumerate(maps)]
