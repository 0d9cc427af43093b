"""What modules are called in a figure: names from class and contents, not ``Sequential`` and ``ModuleList``.

In: a graph.  Out: a title per module call.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from archviz.core.graph import Graph, Module, NodeId

CONTAINERS = {"Sequential", "ModuleList", "ModuleDict", "Module"}
_WORD = re.compile(r"(?:Re|Si|Ge|Se)LU|[A-Z]+?(?=(?:Re|Si|Ge|Se)LU)|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")

_BEGINS = re.compile(r"[A-Za-z]|[A-Z]?[A-Z][a-z]")     # no word of its own: Q, Lo, QLo


def words(cls: str) -> list[str]:
    """The words of a CamelCase or snake_case name; a number, ``Net`` and a single capital (``ViT``) stay with the
    word before, as do the capitals behind one or two letters (``LoRA``, ``BiLSTM``)."""
    parts: list[str] = []
    for piece in cls.split("_"):
        begun = len(parts)
        for word in _WORD.findall(piece):
            if parts and (word.isdigit() or word == "Net" or len(word) == 1 and word.isupper()):
                parts[-1] += word
            elif parts[begun:] and _BEGINS.fullmatch(parts[-1]) and (sum(map(str.isupper, word)) > 1 or len(word) == 2):
                parts[-1] += word
            else:
                parts.append(word)
    return parts


def titles(graph: Graph, table: Mapping[str, str] | None = None) -> dict[NodeId, str]:
    """A title for each module of `graph`: from `table` by class name, or the class in words without the model's own
    name in front (``GPT2Block`` → ``Block``), or for a container the attribute that holds it; before all of these the
    ``label`` that the project file gives it."""
    table = table or {}
    prefix = _family(graph)
    attributes: dict[tuple[tuple[NodeId, ...], str], set[str]] = {}
    for module in graph.modules.values():
        attributes.setdefault((module.scope, module.cls), set()).add(module.path)
    titled = {}
    for key, module in graph.modules.items():
        paths = attributes[module.scope, module.cls]
        if module.attrs.get("label"):
            titled[key] = str(module.attrs["label"])
        elif len(paths) > 1 and _tell_apart(paths):
            titled[key] = _spelt(module.path)  # those of one class side by side: what tells them apart is the attribute
        else:
            titled[key] = " ".join([table.get(module.cls) or _title(module, prefix), *_designation(module, paths)])
    names = _numbered(graph, titled)
    for key, module in graph.modules.items():
        was = module.attrs.get("was", {}) if not module.attrs.get("label") else {}      # of two models, in the old one
        if "class" in was:
            names[key] = f"{table.get(was['class']) or _readable(was['class'], prefix)} → {names[key]}"
        elif "name" in was and was["name"] not in ("", module.path):
            names[key] += f" (was {was['name']})"
    return names


def _tell_apart(paths: set[str]) -> bool:
    """Do the attributes that hold modules of one class say more than a number would: words, or lists of several
    names?"""
    last = {path.rsplit(".", 1)[-1] for path in paths}
    if not any(any(c.isdigit() for c in name) for name in last):
        return True
    steps = [path.split(".") for path in paths]
    names = {parts[-2] if parts[-1].isdigit() and len(parts) > 1 else parts[-1] for parts in steps}
    return len(names) > 1 and not any(any(c.isdigit() for c in name) for name in names)


def _designation(module: Module, paths: set[str]) -> list[str]:
    """``3a`` of ``inception3a``, where all of its class side by side are told apart so, and a plain number would not
    do."""
    matches = {path: re.fullmatch(r"([A-Za-z_]*?)_?(\d+[a-z])", path.rsplit(".", 1)[-1]) for path in paths}
    fitting = [match for match in matches.values() if match and match[1].replace("_", "").lower() == module.cls.lower()]
    match = matches.get(module.path)
    return [match[2]] if match and len(fitting) == len(paths) > 1 else []


def known_as(name: str, module: Module) -> str:
    """`name`, and what its structure is known as: ``Feed forward (SwiGLU)``."""
    gated = str(module.attrs.get("gated", ""))
    if not gated or module.attrs.get("label"):
        return name
    return gated if name.replace(" ", "").lower() in (gated.lower(), "") else f"{name} ({gated})"


def _numbered(graph: Graph, names: dict[NodeId, str]) -> dict[NodeId, str]:
    """Frames of one name side by side get numbers, unless one of them already stands for many; what is one module that
    runs more than once says so instead."""
    alike: dict[tuple[tuple[NodeId, ...], str], list[NodeId]] = {}
    for key, module in graph.modules.items():
        if not module.attrs.get("label"):
            alike.setdefault((module.scope, names[key]), []).append(key)
    for keys in alike.values():
        if len(keys) > 1 and all(_stands_for(graph.modules[key]) == 1 for key in keys):
            calls = Counter(graph.modules[key].path for key in keys)
            number = {path: f" {i}" if len(calls) > 1 else "" for i, path in enumerate(calls, 1)}
            for module in (graph.modules[key] for key in keys):
                nth = f" {module.attrs['nth']}" if "nth" in module.attrs else number[module.path]
                names[module.id] += nth + (", shared weights" if calls[module.path] > 1 else "")
    return names


def _stands_for(module: Module) -> int:
    """How many it stands for; of two models that are compared, in either."""
    times: list[int] = module.attrs.get("times", [])
    return max(module.repeat, *times) if times else module.repeat


def title(cls: str, graph: Graph, table: Mapping[str, str] | None = None) -> str:
    """The title of one class in this graph."""
    return (table or {}).get(cls) or _readable(cls, _family(graph))


def _title(module: Module, prefix: tuple[str, ...]) -> str:
    if module.cls in CONTAINERS or not module.cls:
        return _spelt(module.path)
    return _readable(module.cls, prefix)


def _spelt(path: str) -> str:
    """The attribute that holds a module, in words: ``encoder.layers.0`` → ``Layers 1``."""
    parts = path.split(".")
    name = parts[-1]
    if name.isdigit() and len(parts) > 1:
        many = parts[-2]
        one = many[:-1] if len(many) > 3 and many.endswith("s") and not many.endswith("ss") else many
        name = f"{one} {int(name) + 1}"
    spelt = name.replace("_", " ").strip()
    return spelt[:1].upper() + spelt[1:]


def _readable(cls: str, prefix: tuple[str, ...]) -> str:
    family = "".join(prefix)
    if family and cls.startswith(family) and cls[len(family) : len(family) + 1].isupper():
        cls, prefix = cls[len(family) :], ()
    spelt = words(cls)
    if tuple(spelt[: len(prefix)]) == prefix and len(spelt) > len(prefix):
        spelt = spelt[len(prefix) :]
    if not spelt:
        return cls
    first = spelt[0] if spelt[0].isupper() else spelt[0][:1].upper() + spelt[0][1:]
    return " ".join([first, *(w if w[1:] != w[1:].lower() else w.lower() for w in spelt[1:])])


def _family(graph: Graph) -> tuple[str, ...]:
    """The words that the model's class and most of its modules' classes begin with: ``("GPT2",)``."""
    model = words(graph.name)
    classes = sorted({m.cls for m in graph.modules.values()} - CONTAINERS)
    best: tuple[str, ...] = ()
    for n in range(1, len(model) + 1):
        prefix = tuple(model[:n])
        count = sum(cls.startswith("".join(prefix)) and cls != "".join(prefix) for cls in classes)
        if count >= 2 and count * 2 >= len(classes):
            best = prefix
    return best


def named(asked: str, cls: str) -> str:
    """What to call the model: its class, or the factory's name where that is the class with a size behind it.

    ``resnet50`` that makes a ``ResNet`` is ``ResNet-50``; a bare container is called what the user calls it.
    """
    if asked.endswith(".py") and cls not in CONTAINERS:        # a file, which may be called anything
        return cls
    if cls in CONTAINERS:
        return asked.removesuffix(".py").rpartition("/")[2] or cls
    plain = re.sub("[^a-z0-9]", "", cls.lower())
    rest = asked[len(cls):].strip("_- ") if asked.lower().startswith(cls.lower()) else ""
    return f"{cls}-{rest}" if plain and rest and rest[0].isdigit() else cls
