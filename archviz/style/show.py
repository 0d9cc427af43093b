"""A style with everything it extends, its theme and single settings, written out as one YAML file that needs no other.

In: `style.Settings`.  Out: YAML; a figure drawn with it is, byte for byte, the one drawn with what it was made of.
Colours stay in terms of the palette, and the comments of the files it came from stay with their settings.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from archviz.style import located_yaml
from archviz.style.located_yaml import Written, quoted
from archviz.style.style import LISTS, RECORDS, TABLES, WORDS, Settings

ORDER = (*WORDS, "page", "colors", "heat", "roles", "kinds", "sizes", "options", "narrow", *LISTS, "titles", "captions")


def resolved(settings: Settings) -> str:
    """The YAML.  Raises `ArchvizError` for settings that make no style."""
    style = settings.style("style")     # a mistake in them is told before any of them is shown
    choices = settings.choices(settings.plain["form"])
    helps = {name: option.help for name, option in choices.items()}
    tables: dict[str, Mapping[str, Written]] = {**settings.tables, "options": {
        name: settings.tables["options"].get(name, Written(option.default, "")) for name, option in choices.items()}}
    out: list[str] = []
    for key in ORDER:
        if key in WORDS and key in settings.plain:
            out.append(f"{key}: {_value(settings.plain[key])}")
        elif key in LISTS and getattr(style, key):
            out += ["", f"{key}:", *(f"  - {_value(item)}" for item in located_yaml.listed(settings.plain[key]))]
        elif key in TABLES and tables[key]:
            out += ["", f"{key}:"]
            for name, value in tables[key].items():
                out += _entry(name, _value(value), [value], helps.get(name, "") if key == "options" else "")
        elif key in RECORDS and settings.records[key]:
            out += ["", f"{key}:"]
            for name, record in settings.records[key].items():
                pairs = ", ".join(f"{setting}: {_value(value)}" for setting, value in record.items())
                out += _entry(name, f"{{{pairs}}}", record.values())
    return "\n".join(out) + "\n"


def _entry(name: str, value: str, at: Iterable[Written], help: str = "") -> Iterator[str]:
    """One line, under the comment lines that stand above it in its file and with the comment that stands behind it."""
    before, behind = _comments(next(iter(at), Written(None, "")).where)
    yield from (f"  {line}" for line in before)
    comment = help or behind
    yield f"  {quoted(name)}: {value}{f'   # {comment}' if comment else ''}"


def _value(at: Written) -> str:
    if isinstance(at.value, tuple):
        return f"[{', '.join(map(_value, at.value))}]"
    return quoted(located_yaml.string(at))


def _comments(where: str) -> tuple[list[str], str]:
    """The comment lines above a place like ``style.yaml:12``, and what is behind the # on its own line."""
    name, _, number = where.rpartition(":")
    lines = _lines(name)
    if not lines or not number.isdigit():
        return [], ""
    i = int(number) - 1
    first = i
    while first and lines[first - 1].startswith("  #"):
        first -= 1
    return [line.strip() for line in lines[first:i]], lines[i].partition(" # ")[2].strip()


@cache
def _lines(name: str) -> list[str]:
    path = Path(name)
    return path.read_text("utf-8", "replace").splitlines() if name and path.is_file() else []
