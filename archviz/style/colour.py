"""Colours as LaTeX's xcolor writes them: a name of the palette, ``blue!35`` (35 % blue in white), ``blue!60!black``.

In: what stands in a YAML file, and the palette.  Out: ``#rrggbb``, or None for none.

What is mixed with nothing named is mixed with the palette's ``white``, the colour of the page: a theme that exchanges
black and white, as ink and page, turns every mixture with them.
"""
from __future__ import annotations

import re
from collections.abc import Mapping

from archviz.core.errors import did_you_mean
from archviz.style import located_yaml
from archviz.style.located_yaml import Written


def rgb(at: Written, name: str) -> tuple[int, int, int]:
    """The three bytes of ``"#rrggbb"`` or ``"#rgb"``.  Raises `ArchvizError`, with file and line, for anything else."""
    if not re.fullmatch(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", name):
        raise located_yaml.mistake(at, f"{name!r} is not a colour", 'write it as "#rrggbb", in quotes')
    digits = "".join(d * (2 if len(name) == 4 else 1) for d in name[1:])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def colour(at: Written, palette: Mapping[str, Written]) -> str | None:
    """The colour written at `at`; None for ``none``.  Raises `ArchvizError`, with file and line."""
    if at.value is None:
        raise located_yaml.mistake(at, "a colour is missing", 'write "#rrggbb" in quotes (# begins a comment), or none')
    whole = located_yaml.word(at)
    if whole == "none":
        return None

    def base(name: str) -> tuple[int, int, int]:
        if name.startswith("#"):
            return rgb(at, name)
        if name not in palette:
            raise located_yaml.mistake(at, f"unknown colour {name!r}", did_you_mean(name, palette))
        return rgb(palette[name], located_yaml.word(palette[name]))

    name, *mixes = whole.split("!")
    mixed: tuple[float, ...] = base(name)
    for i in range(0, len(mixes), 2):
        if not re.fullmatch(r"\d{1,2}|100", mixes[i]):
            raise located_yaml.mistake(at, f"{whole!r} is not a colour", "write a mixture as blue!35 or blue!60!black")
        part = int(mixes[i]) / 100
        if i + 1 < len(mixes):
            other = base(mixes[i + 1])
        else:
            other = base("white") if "white" in palette else (255, 255, 255)
        mixed = tuple(part * a + (1 - part) * b for a, b in zip(mixed, other, strict=True))
    return "#" + "".join(f"{round(value):02x}" for value in mixed)
