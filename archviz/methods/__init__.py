"""Methods: a model at work on one input → what that has to do with a target.

Contract: a file ``archviz/methods/<name>.py`` holds

    TITLE: str                      how a figure names it: ``"Grad-CAM"``
    OPTIONS: Mapping[str, Any]      its options and their defaults
    def wants(subject, **options) -> Iterable[NodeId]
                                    optional: nodes whose values and gradients it will ask for, so that methods that are
                                    asked for together need one pass between them
    def attribute(subject, **options) -> list[Attribution]
                                    one for each of ``subject.targets``, over all samples

`subject` (`archviz.methods._subject.Subject`) is the model, its batch and its targets; it runs the model, watches it,
and keeps what methods share.  A method leaves no trace on the model: whoever entered the subject restores it.
May import torch, ir, attribution, trace, record, errors.
"""
