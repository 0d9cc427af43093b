"""Methods: a model at work on one input → what that has to do with a target.

Contract: a file ``archviz/insight/methods/<name>.py`` holds

    TITLE: str                      how a figure names it: ``"Grad-CAM"``
    OPTIONS: Mapping[str, Any]      its options and their defaults
    GRAD: bool                      optional: whether it wants the first run with gradients
    def wants(subject, **options) -> Iterable[NodeId]
                                    optional, called before the first run: what it will ask of that (ids, globs,
                                    landmarks), so that methods that are asked for together need one pass between them;
                                    it may set ``subject.ahead``, a first run of its own
    def attribute(subject, **options) -> list[Attribution]
                                    one for each of ``subject.targets``, over all samples

`subject` (`archviz.insight.engine.subject.Subject`) is the model, its batch and its targets; it runs the model, watches
it, and keeps what methods share.  A method leaves no trace on the model: whoever entered the subject restores it.
"""
