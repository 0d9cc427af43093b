"""Write ``docs/inventories/*.inv``: the names outside of ours that our documentation links to, and where they are.

In: nothing, besides torch for its list of layers.  Out: inventories as Sphinx writes them, so that the documentation is
built without a network.  The addresses follow the rules by which these projects name their pages; a build with
ARCHVIZ_DOCS_ONLINE=1 takes the projects' own inventories instead, and complains of a name they do not have.
"""
from __future__ import annotations

import zlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "inventories"

PYTHON = {      # page → type and name of what is there
    "library/functions.html": ("py:class int", "py:class float", "py:class bool", "py:class tuple"),
    "library/stdtypes.html": ("py:class str", "py:class bytes", "py:class dict", "py:class list", "py:class set"),
    "library/constants.html": ("py:data None", "py:data True", "py:data False"),
    "library/exceptions.html": ("py:exception ValueError", "py:exception LookupError", "py:exception Exception"),
    "library/pathlib.html": ("py:class pathlib.Path",),
    "library/typing.html": ("py:data typing.Any",),
    "library/collections.abc.html": ("py:class collections.abc.Mapping", "py:class collections.abc.Sequence"),
}
TERMS = {       # what else there is, and where
    "std:term sequence": "glossary.html#term-sequence",
    "std:term iterable": "glossary.html#term-iterable",
    "py:function callable": "library/functions.html#callable",
    "std:label bltin-boolean-values": "library/stdtypes.html#boolean-type-bool",
}
SPHINX = {      # type and name → place
    "std:confval intersphinx_mapping": "usage/extensions/intersphinx.html#confval-intersphinx_mapping",
    "rst:directive autoclass": "usage/extensions/autodoc.html#directive-autoclass",
    "rst:role numref": "usage/referencing.html#role-numref",
}


def write(name: str, version: str, entries: dict[str, str]) -> None:
    """One inventory, version 2 of the format: a text header, and compressed lines ``name type 1 place name``."""
    lines = []
    for key, place in sorted(entries.items()):
        kind, _, called = key.partition(" ")
        lines.append(f"{called} {kind} 1 {place} -\n")
    head = f"# Sphinx inventory version 2\n# Project: {name}\n# Version: {version}\n" \
        "# The remainder of this file is compressed using zlib.\n"
    (FOLDER / f"{name}.inv").write_bytes(head.encode() + zlib.compress("".join(lines).encode(), 9))


def main() -> None:
    import torch

    layers = {name for name in dir(torch.nn) if isinstance(getattr(torch.nn, name), type)
              and issubclass(getattr(torch.nn, name), torch.nn.Module) and not name.startswith("_")}
    pages = {f"py:class torch.nn.{name}": f"generated/torch.nn.{name}.html#torch.nn.{name}" for name in layers}
    pages |= {"py:class torch.Tensor": "tensors.html#torch.Tensor",
              "py:module torch.fx": "fx.html#module-torch.fx",
              "py:class torch.overrides.TorchFunctionMode": "torch.overrides.html#torch.overrides.TorchFunctionMode"}
    FOLDER.mkdir(exist_ok=True)
    write("torch", "2", pages)
    write("python", "3", {what: f"{page}#{what.partition(' ')[2]}" for page, found in PYTHON.items()
                          for what in found} | TERMS)
    write("sphinx", "", SPHINX)


if __name__ == "__main__":
    main()
