"""Which rule where: composites by name, or as a user says them.

In: a name (``"epsilon-plus-flat"``) or a mapping from nodes and kinds to rules.  Out: `composite`, a function that says
the rule of a layer.

Sources: Lapuschkin et al. 2017 and Kohlbrenner et al. 2020 (epsilon-plus, epsilon-alpha2beta1, with flat at the first
layer), Montavon et al. 2019 (epsilon-gamma-box), Anders et al. 2021 (the names).
"""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.graph import NodeId
from archviz.insight.methods._lrp.rules_linear import AlphaBeta, Epsilon, Flat, Gamma, Rule, WSquare, ZBox, z_plus

KINDS = ("first", "conv", "upconv", "linear")
"""What a composite may be said by, besides nodes; ``first`` are the layers that read an input."""

COMPOSITES: dict[str, dict[str, str]] = {
    "epsilon": {},
    "z+": {"conv": "z+", "upconv": "z+", "linear": "z+"},
    "alpha2beta1": {"conv": "alpha2beta1", "upconv": "alpha2beta1", "linear": "alpha2beta1"},
    "gamma": {"conv": "gamma", "upconv": "gamma", "linear": "gamma"},
    "epsilon-plus": {"conv": "z+", "upconv": "z+"},
    "epsilon-plus-flat": {"first": "flat", "conv": "z+", "upconv": "z+"},
    "epsilon-alpha2beta1": {"conv": "alpha2beta1", "upconv": "alpha2beta1"},
    "epsilon-alpha2beta1-flat": {"first": "flat", "conv": "alpha2beta1", "upconv": "alpha2beta1"},
    "epsilon-gamma": {"conv": "gamma", "upconv": "gamma"},
    "epsilon-gamma-box": {"first": "box", "conv": "gamma", "upconv": "gamma"},
}
"""Kind → rule; every other layer has ε."""

RULES = ("epsilon", "gamma", "z+", "alpha2beta1", "w2", "flat", "box")
"""Rules by name; any α and β may be said, and ``gamma=0.1``, ``epsilon=0.01``."""

Composite = str | Mapping[str, Any]


def composite(wanted: Composite, *, epsilon: float, gamma: float, low: Any, high: Any,
              ) -> tuple[str, Callable[[NodeId, tuple[NodeId, ...], str, bool], Rule]]:
    """What a composite is called, and the rule it has for a layer.

    A mapping goes from a kind (`KINDS`), a node's id or a glob of ids (of calls, or of module calls around them) to a
    rule: a name, or an object with a method ``share``.  The last glob that fits goes before ``first``, and that before
    the other kinds; a layer that nothing fits has ε.

    Raises `ArchvizError` for a name that is none.
    """
    if isinstance(wanted, str):
        if wanted not in COMPOSITES:
            raise ArchvizError(f"there is no composite {wanted!r}", did_you_mean(wanted, COMPOSITES))
        name, assigned = wanted, dict[str, Any](COMPOSITES[wanted])
    else:
        name, assigned = "own rules", dict(wanted)
    defaults = {"epsilon": epsilon, "gamma": gamma, "low": low, "high": high}
    rules = {key: _rule(one, **defaults) for key, one in assigned.items()}
    globs = [key for key in rules if key not in KINDS]
    last: Rule = Epsilon(epsilon)

    def rule(node: NodeId, scope: tuple[NodeId, ...], kind: str, first: bool) -> Rule:
        fits = [key for key in globs if any(one == key or fnmatchcase(one, key) for one in (node, *scope))]
        if fits:
            return rules[fits[-1]]
        if first and "first" in rules:
            return rules["first"]
        return rules.get(kind, last)

    return name, rule


def _rule(wanted: Any, *, epsilon: float, gamma: float, low: Any, high: Any) -> Rule:
    if not isinstance(wanted, str):
        if callable(getattr(wanted, "share", None)):
            return wanted  # type: ignore[no-any-return]
        raise ArchvizError(f"{wanted!r} is no rule of relevance", f"known: {', '.join(RULES)}")
    word, _, value = wanted.partition("=")
    number = re.fullmatch(r"\d*\.?\d+(?:e-?\d+)?", value)
    both = re.fullmatch(r"alpha(\d*\.?\d+)beta(\d*\.?\d+)", word)
    if both and not value and float(both[1]) - float(both[2]) == 1:
        return AlphaBeta(float(both[1]), float(both[2]), epsilon)
    plain: dict[str, Rule] = {
        "epsilon": Epsilon(float(value) if number else epsilon),
        "gamma": Gamma(float(value) if number else gamma, epsilon), "z+": z_plus(epsilon),
        "w2": WSquare(epsilon), "flat": Flat(epsilon), "box": ZBox(low, high, epsilon)}
    if word not in plain or value and not (number and word in ("epsilon", "gamma")):
        raise ArchvizError(f"there is no rule {wanted!r}", did_you_mean(word, RULES) or f"known: {', '.join(RULES)}")
    return plain[word]
