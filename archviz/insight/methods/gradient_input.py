"""Gradient × input: the first-order part that each place of the input has in the target.

Shrikumar et al., arXiv:1605.01713, 2016.  For a network of rectifiers without biases the parts sum to the target
exactly, as it is homogeneous; what others miss is said.  Summed over channels and over features.
"""
from __future__ import annotations

from archviz.core.graph import NodeId
from archviz.insight.engine.subject import INPUTS, Subject
from archviz.insight.methods import _gradients as shared
from archviz.insight.results.attribution import Attribution

TITLE = "Gradient × input"
GRAD = True


def wants(subject: Subject) -> tuple[NodeId, ...]:
    return (INPUTS,)


def attribute(subject: Subject) -> list[Attribution]:
    """x · ∂f/∂x, one for each target."""
    subject.step("gradient × input")
    by_target = shared.at_sources(subject)[1]
    values = shared.points(subject)
    scores = subject.scores(subject.base).detach()
    result = []
    for number, one in enumerate(by_target):
        maps = shared.sums(subject, {name: gradient * values[name].float() for name, gradient in one.items()})
        whole = shared.over_all(maps)
        share = float((whole / scores[number].to(whole.device)).mean())
        result.append(shared.attribution(
            subject, number, "gradient_input", TITLE, maps, unit="x · ∂f/∂x", checks=(shared.finite(maps),),
            notes=(f"sums to {share:.3g} of f(x); 1 is due only where the model has no biases and is piecewise linear",
                   *shared.joined_notes(subject, maps, "sum"))))
    return result
