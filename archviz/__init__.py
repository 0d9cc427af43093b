"""archviz: a PyTorch model → the figure its paper would print.

``archviz.draw(model, inputs).save("model.svg")``.  What is named here is loaded on first use, so that importing archviz
and ``archviz --help`` stay light.
"""
__version__ = "0.1.0"
__all__ = ["ArchvizError", "Attribution", "Attributions", "DoesNotFit", "Difference", "Figure", "Recording", "diff",
           "draw", "explain", "record", "register_rule"]

_HOMES = {"draw": "pipeline", "Figure": "pipeline", "ArchvizError": "errors", "DoesNotFit": "errors",
          "explain": "explainer", "Attribution": "attribution", "Attributions": "attribution",
          "diff": "differ", "Difference": "difference",
          "Recording": "recording", "record": "recorder.record", "register_rule": "methods.lrp",
          "load_ipython_extension": "notebook", "_get_sg_image_scraper": "scraper"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from archviz.garbage import sparing

    with sparing():
        return getattr(import_module(f"archviz.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
