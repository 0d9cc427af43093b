"""Methods: a model at work on one input → what that has to do with a target.

Contract: a file ``archviz/insight/methods/<name>.py`` holds

    TITLE: str                      how a figure names it: ``"Grad-CAM"``
    GRAD: bool                      optional: whether it wants the first run with gradients
    def wants(subject, **options) -> Iterable[NodeId]
                                    optional, called before the first run: what it will ask of that (ids, globs,
                                    landmarks), so that methods that are asked for together need one pass between them;
                                    it may set ``subject.ahead``, a first run of its own
    def attribute(subject, *, …) -> list[Attribution]
                                    one for each of ``subject.targets``, over all samples; its other parameters are the
                                    method's options, with their defaults

`subject` (`archviz.insight.engine.subject.Subject`) is the model, its batch and its targets; it runs the model, watches
it, and keeps what methods share.  A method leaves no trace on the model: whoever entered the subject restores it.
"""
from inspect import signature
from types import ModuleType
from typing import Any


def options_of(method: ModuleType) -> dict[str, Any]:
    """The options of a method, and their defaults."""
    return {name: parameter.default for name, parameter in signature(method.attribute).parameters.items()
            if parameter.default is not parameter.empty}
