"""archviz: a PyTorch model → the figure its paper would print.

``archviz.draw(model, inputs).save("model.svg")``.  What is named here is loaded on first use, so that importing archviz
and ``archviz --help`` stay light.
"""
__version__ = "0.1.0"
__all__ = ["ArchvizError", "Attribution", "Attributions", "DoesNotFit", "Difference", "Figure", "Recording", "diff",
           "draw", "explain", "record", "register_rule"]

_HOMES = {"draw": "figure.draw", "Figure": "figure.figure", "ArchvizError": "core.errors", "DoesNotFit": "core.errors",
          "explain": "insight.explain", "Attribution": "insight.results.attribution",
          "Attributions": "insight.results.attribution", "diff": "compare.diff", "Difference": "compare.difference",
          "Recording": "insight.results.recording", "record": "insight.recorder.run",
          "register_rule": "insight.methods.lrp", "load_ipython_extension": "apps.notebook",
          "_get_sg_image_scraper": "apps.sphinx.scraper"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from archviz.core.garbage import sparing

    with sparing():
        return getattr(import_module(f"archviz.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
