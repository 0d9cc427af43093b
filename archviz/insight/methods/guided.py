"""Guided backpropagation: the gradient, with what is negative on its way left out at every ReLU.

Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for simplicity: the all convolutional net, ICLR workshop 2015,
section 3.4.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archviz.insight.engine.subject import Subject
from archviz.insight.methods import _gradients as shared
from archviz.insight.results.attribution import Attribution

TITLE = "Guided backpropagation"
OPTIONS: Mapping[str, Any] = {}
GRAD = True


def attribute(subject: Subject, **options: Any) -> list[Attribution]:
    """The guided gradient, summed over channels, one map for each target."""
    return ruled(subject, "guided", TITLE, "guided ∂f/∂x")


def ruled(subject: Subject, rule: str, title: str, unit: str) -> list[Attribution]:
    """The maps of a rule at rectifiers.  Raises `ArchvizError` for a model that has none."""
    subject.step(title.lower())
    checks, notes = shared.ruled(subject, rule)
    by_target = shared.at_sources(subject, rule)[1]
    result = []
    for number, one in enumerate(by_target):
        maps = shared.sums(subject, one)
        result.append(shared.attribution(
            subject, number, rule, title, maps, unit=unit, checks=(*checks, shared.finite(maps)),
            notes=(*notes, *shared.joined_notes(subject, maps, "sum"))))
    return result
