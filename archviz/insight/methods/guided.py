"""Guided backpropagation: the gradient, with what is negative on its way left out at every ReLU.

Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for simplicity: the all convolutional net, ICLR workshop 2015,
section 3.4.
"""
from __future__ import annotations

from archviz.core.errors import ArchvizError
from archviz.insight.engine.landmarks import kind
from archviz.insight.engine.subject import Subject
from archviz.insight.methods import _gradients as shared
from archviz.insight.methods._rectifiers import census
from archviz.insight.results.attribution import Attribution, Check

TITLE = "Guided backpropagation"
GRAD = True


def attribute(subject: Subject) -> list[Attribution]:
    """The guided gradient, summed over channels, one map for each target."""
    return ruled(subject, "guided", TITLE, "guided ∂f/∂x")


def ruled(subject: Subject, rule: str, title: str, unit: str) -> list[Attribution]:
    """The maps of a rule at rectifiers.  Raises `ArchvizError` for a model that has none."""
    subject.step(title.lower())
    activations = census(subject.scores(shared.visible(subject)).sum())
    without = ", ".join(f"{n} {name}" for name, n in activations.others.items())
    if not activations.rectifiers:
        acts = [call.node for call in subject.tape.calls if kind(call) == "act"]
        raise ArchvizError(f"{rule}: no ReLU lies on the way to the target"
                           + (f"; {acts[0]} is another activation, for which there is no rule" if acts else ""),
                           "use saliency, ig or smoothgrad, which any activation allows")
    n, others = len(activations.rectifiers), sum(activations.others.values())
    check = Check("rule", others / (n + others),
                  f"the rule is applied at {n} ReLUs" + (f", not at {without}" if without else ", all there are"), 0.0)
    notes = (f"gradients pass {without} as they are",) if without else ()
    by_target = shared.at_sources(subject, rule)[1]
    result = []
    for number, one in enumerate(by_target):
        maps = shared.sums(subject, one)
        result.append(shared.attribution(
            subject, number, rule, title, maps, unit=unit, checks=(check, shared.finite(maps)),
            notes=(*notes, *shared.joined_notes(subject, maps, "sum"))))
    return result
