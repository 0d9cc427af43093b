"""Words for figures: how wide they print, how they are shortened, and how a caption template is filled in.

In: strings, numbers, tensor shapes, a node's attributes.  Out: strings, and widths in printed points.

Widths come from a table made of Liberation Sans, the font that PDF and PNG are drawn with (Arial and Helvetica share
its metrics).  They are upper bounds: kerning that pulls letters together is left out, kerning that pushes them apart is
in.
"""
from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from functools import cache, lru_cache
from itertools import pairwise
from os.path import commonprefix
from typing import Any, Protocol

from archviz.core.errors import ArchvizError
from archviz.core.files import PACKAGE
from archviz.core.graph import TensorSpec

FONTS = PACKAGE / "fonts"


class Measure(Protocol):
    """Anything that measures a line of text as `width` does; tests may hand in a fixed-width one."""

    def __call__(self, string: str, size: float = 7.0, weight: str = "normal", italic: bool = False) -> float: ...


@cache
def _face(name: str) -> tuple[dict[int, float], dict[str, float]]:
    """Advances and widening kern pairs of one face, as parts of the font size."""
    face = json.loads((FONTS / "advances.json").read_text("ascii"))[name]
    em = face["em"]
    advances = {code: advance / em
                for first, run in face["advances"].items() for code, advance in enumerate(run, int(first))}
    return advances, {pair: value / em for pair, value in face["kern"].items()}


@lru_cache(maxsize=8192)
def _ems(string: str, face: str) -> float:
    advances, kern = _face(face)
    total = 0.0
    for character in string:
        advance = advances.get(ord(character))
        total += _foreign(character) if advance is None else advance
    if not string.isascii():    # the only widening pairs hold a typographic quote, Greek or Cyrillic
        total += sum(kern.get(pair, 0.0) for pair in map("".join, pairwise(string)))
    return total


def _foreign(character: str) -> float:
    """A generous advance for a character another font will draw: none if it combines, else one em (a CJK square)."""
    return 0.0 if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc") else 1.0


def foreign(string: str) -> str:
    """The characters of `string` that the package's own fonts lack, each once."""
    return "".join(c for c in dict.fromkeys(string) if ord(c) not in _face("regular")[0] and not c.isspace())


def width(string: str, size: float = 7.0, weight: str = "normal", italic: bool = False) -> float:
    """How wide `string` prints, in printed points, at font size `size`; never less than what a renderer draws."""
    return _ems(string, "bold" if weight == "bold" else "italic" if italic else "regular") * size


def fit(string: str, size: float, limit: float, weight: str = "normal", italic: bool = False, *,
        middle: bool = False, measure: Measure = width) -> str:
    """`string`, shortened with an ellipsis at its end (or in its middle) so that it prints at most `limit` points wide.

    Empty when not even the ellipsis fits.
    """
    if measure(string, size, weight, italic) <= limit:
        return string

    def wide(keep: int) -> float:
        return measure(_shortened(string, keep, middle), size, weight, italic)

    room = bisect(range(len(string)), limit, key=wide)      # the more characters stay, the wider
    return _shortened(string, room - 1, middle) if room else ""


def _shortened(string: str, keep: int, middle: bool) -> str:
    head = (keep + 1) // 2 if middle else keep
    tail = keep - head
    # A space or a comma before the ellipsis says nothing.
    return string[:head].rstrip(" ,·") + "…" + (string[len(string) - tail:].lstrip(" ,·") if tail else "")


def clean(string: str) -> str:
    """`string` as one line of plain characters.

    White space becomes single spaces; whatever would break a line, a file or the reading direction (control, format,
    surrogate and non-characters) goes.
    """
    if string.isascii() and string.isprintable() and "  " not in string:
        return string.strip()
    spaced = "".join(" " if c.isspace() or c in "\v\f\x1c\x1d\x1e\x1f\x85" else c for c in string)
    kept = "".join(c for c in spaced if unicodedata.category(c) not in ("Cc", "Cf", "Cs") and ord(c) & 0xFFFE != 0xFFFE)
    return re.sub(" +", " ", kept).strip()


def units(number: float) -> str:
    """Three significant digits with K, M, G, T or P: ``25_557_032`` → ``"25.6M"``, ``1000`` → ``"1K"``."""
    if number < 0:
        return "−" + units(-number)
    if number < 1000:
        return f"{number:.3g}" if number != int(number) else str(int(number))
    for suffix in "KMGT":
        number /= 1000
        if float(f"{number:.3g}") < 1000:
            return f"{number:.3g}{suffix}"
    return f"{number / 1000:.3g}P" if number < 1e6 else f"{number / 1000:.0f}P"


def shape(spec: TensorSpec) -> str:
    """A tensor's size as papers write it: height × width × channels, tokens × channels, no batch: ``"112×112×64"``.

    Where the axes are not known, all are printed in their order, but for a first one of size 1.
    """
    axes, sizes = spec.axes, spec.shape
    if len(axes) == len(sizes):
        inner = [size for axis, size in zip(axes, sizes, strict=True) if axis not in "NC"]
        inner += [size for axis, size in zip(axes, sizes, strict=True) if axis == "C"]
    else:
        inner = list(sizes[1:] if len(sizes) > 1 and sizes[0] == 1 else sizes)
    return "×".join(map(str, inner)) if inner else "1"


def pretty(op: str) -> str:
    """A function's or class's name as words where it is spelt in lower case: ``"log_softmax"`` → ``"log softmax"``."""
    return clean(op.strip("_").replace("_", " ")) if op == op.lower() else clean(op)


_FIELD = re.compile(r"(?P<name>\w+)(?::(?P<format>\w+))?(?P<tests>(?:[!=][^!=?{}]*)*)(?P<silent>\?)?")
_TEST = re.compile(r"([!=])([^!=]*)")


class _Missing(Exception):
    """A field of an optional section has nothing to say."""


def fill(template: str, values: Mapping[str, Any]) -> str:
    r"""The caption that a template gives.

    Parameters
    ----------
    template : str
        Plain text with fields and sections, see below.
    values : Mapping
        What fields name: numbers, strings, lists, truth values.

    Returns
    -------
    str
        One line of plain characters.

    Raises
    ------
    ArchvizError
        For a template that cannot be read, and for a field outside of a section that `values` has not.

    Notes
    -----
    ``{name}``
        The value; of a list, its elements joined with ×, or one of them when all are equal.
    ``{name:x}``
        Always joined with ×, ``3×3``; a single number is printed twice.
    ``{name:si}``
        With K, M, G: ``1.2M``.
    ``[ … ]``
        A section: dropped when a field inside is missing, None or False.  Sections may be nested.
    ``{stride!1}``
        In a section: dropped also when the value prints as ``1``; several may follow, ``{g!1!2}``.
    ``{size=1}``
        In a section: kept only when the value prints as ``1``, and prints nothing itself.
    ``{name?}``
        In a section: prints nothing, but must be there; ``{groups!1?}`` joins both.

    The word after ``!`` or ``=`` may be the name of another value.  A backslash makes the next character plain.
    """
    try:
        return clean(_fill(_parsed(template), values))
    except _Missing as missing:
        names = ", ".join(sorted(values)) or "nothing"
        raise ArchvizError(f"the caption {template!r} asks for {str(missing)!r}, which is not known here",
                           f"write it in [ ] to make it optional; known: {names}") from None


def caption(captions: Mapping[str, str], op: str, values: Mapping[str, Any]) -> str:
    """The caption of an operation: its own template's, the ``default`` template's, or else its name made readable.

    Templates may use ``{op}``, the readable name, beside `values`.
    """
    return fill(captions.get(op) or captions.get("default") or "{op}", {**values, "op": pretty(op)})


def both(old: str, new: str) -> str:
    """Two captions as one: ``linear, 768`` and ``linear, 512`` as ``linear, 768 → 512``; what only one has, the
    other has as ``none``."""
    parts: list[str] = []
    one, other = old.split(", "), new.split(", ")
    for what, a, b, x, y in SequenceMatcher(None, one, other, False).get_opcodes():
        if what == "equal":
            parts += one[a:b]
        elif b - a == y - x:
            parts += [_words(*pair) for pair in zip(one[a:b], other[x:y], strict=True)]
        else:
            parts.append(f"{', '.join(one[a:b]) or 'none'} → {', '.join(other[x:y]) or 'none'}")
    return ", ".join(parts)


def _words(old: str, new: str) -> str:
    """One part of two captions as one: what differs of its words, between those that are the same."""
    one, other = old.split(" "), new.split(" ")
    start = len(commonprefix([one, other]))
    end = len(commonprefix([one[start:][::-1], other[start:][::-1]]))
    lost, more = " ".join(one[start:len(one) - end]), " ".join(other[start:len(other) - end])
    return " ".join([*one[:start], f"{lost or 'none'} → {more or 'none'}", *one[len(one) - end:]])


def check(template: str) -> None:
    """Raise `ArchvizError` when `template` cannot be read."""
    _parsed(template)


Part = str | tuple[str, str, tuple[tuple[str, str], ...], bool] | list["Part"]  # plain text · a field · a section


@lru_cache(maxsize=1024)
def _parsed(template: str) -> Sequence[Part]:
    def fail(what: str) -> ArchvizError:
        return ArchvizError(f"the caption {template!r} {what}")

    stack: list[list[Part]] = [[]]
    at = 0
    while at < len(template):
        character = template[at]
        if character == "\\" and at + 1 < len(template):
            stack[-1].append(template[at + 1])
            at += 1
        elif character == "[":
            stack.append([])
        elif character == "]":
            if len(stack) == 1:
                raise fail(f"closes a section with ] that it never opened, at character {at + 1}")
            section = stack.pop()
            stack[-1].append(section)
        elif character == "{":
            end = template.find("}", at)
            field = _FIELD.fullmatch(template[at + 1:end]) if end > 0 else None
            if not field or field["format"] not in (None, "x", "si"):
                raise fail(f"has a field that cannot be read, at character {at + 1}: {template[at:end + 1 or None]!r}")
            stack[-1].append((field["name"], field["format"] or "",
                              tuple((m[1], m[2]) for m in _TEST.finditer(field["tests"])), bool(field["silent"])))
            at = end
        elif character == "}":
            raise fail(f"has a }} without its {{, at character {at + 1}")
        else:
            stack[-1].append(character)
        at += 1
    if len(stack) > 1:
        raise fail("opens a section with [ and does not close it")
    return stack[0]


def _fill(parts: Sequence[Part], values: Mapping[str, Any]) -> str:
    done: list[str] = []
    for part in parts:
        if isinstance(part, str):
            done.append(part)
        elif isinstance(part, list):
            try:
                done.append(_fill(part, values))
            except _Missing:
                pass
        else:
            name, form, tests, silent = part
            value = values.get(name)
            if value is None or value is False or value == [] or value == "":
                raise _Missing(name)
            printed = _printed(value, form)
            for sign, other in tests:
                against = _printed(values[other], form) if values.get(other) is not None else other
                if (printed == against or _printed(value, "") == against) is (sign == "!"):
                    raise _Missing(name)
            if not silent and not any(sign == "=" for sign, _ in tests):
                done.append(printed)
    return "".join(done)


def _printed(value: Any, form: str) -> str:
    if isinstance(value, (list, tuple)):
        each = [_printed(v, "" if form == "x" else form) for v in value]
        return each[0] if form != "x" and len(set(each)) == 1 else "×".join(each)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return clean(str(value))
    if form == "si":
        return units(value)
    printed = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{printed}×{printed}" if form == "x" else printed
