"""What there is to ask for: the names of everything that can be chosen or plugged in, and a style as one file.

In: nothing, or options.  Out: names by kind; YAML.
"""
from __future__ import annotations

from archviz.core.errors import ArchvizError
from archviz.core.plugins import names
from archviz.figure.options import Options
from archviz.figure.output import suffixes
from archviz.style.style import style_names, theme_names

PLUGINS = ("forms", "layouts", "passes", "backends", "methods", "pictures")


def catalogue() -> dict[str, tuple[str, ...]]:
    """The names of everything that can be asked for or plugged in."""
    return {"styles": style_names(), "themes": theme_names(), "outputs": suffixes(),
            **{kind: names(kind) for kind in PLUGINS}}


def listing(kind: str) -> str:
    """All names that can be asked for, by kind, or those of one kind, one a line.  Raises `ArchvizError`."""
    names = catalogue()
    if kind and kind not in names:
        raise ArchvizError(f"cannot list {kind!r}", f"known: {', '.join(names)}")
    return "\n".join(names[kind] if kind else (f"{each + ':':<10} {' '.join(ones)}" for each, ones in names.items()))


def show(options: Options) -> str:
    """The style with everything it extends and the options on top, as one YAML file that draws the same figures."""
    from archviz.style.show import resolved

    return resolved(options.layers())
