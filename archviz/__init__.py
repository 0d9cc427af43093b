"""archviz: a PyTorch model → the figure its paper would print.

``archviz.draw(model, inputs).save("model.svg")``.  What is named here is loaded on first use, so that importing archviz
and ``archviz --help`` stay light.
"""
import sys
from types import ModuleType

__version__ = "0.1.0"
__all__ = ["ArchvizError", "Attribution", "Attributions", "DoesNotFit", "Figure", "draw", "explain"]

_HOMES = {"draw": "pipeline", "Figure": "pipeline", "ArchvizError": "errors", "DoesNotFit": "errors",
          "explain": "explain", "Attribution": "attribution", "Attributions": "attribution",
          "load_ipython_extension": "notebook", "_get_sg_image_scraper": "scraper"}


class _Package(ModuleType):
    """This package: a file that has the name of a function in it (``archviz/explain.py``) does not hide that."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from archviz.garbage import sparing

    with sparing():
        return getattr(import_module(f"archviz.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
