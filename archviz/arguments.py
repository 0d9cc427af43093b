"""The options of the command line, which a notebook's ``%archviz`` and Sphinx's ``.. archviz::`` share.

In: arguments.  Out: what they say; `archviz.job` makes a figure of it.  Imports errors.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from archviz import __version__
from archviz.errors import ArchvizError

EXAMPLES = """\
examples:
  archviz model.py                              the model in model.py, as model.svg
  archviz model.py:Net --arg classes=10         one of several models; an argument of its constructor
  archviz package.module:Net --input 1x3x224x224
  archviz bert.py --input input_ids=1x128:int64 -o fig.pdf -o fig.png --dpi 300
  archviz model.py -o fig.tex                   TikZ, for \\input in a paper; --standalone makes it a document
  archviz model.py -o fig.pdf --engine latex    set by the TeX of this machine, in its fonts
  archviz model.py --width column --max-height 9cm
  archviz model.py --depth 2 --expand 'encoder.layers.0'
  archviz model.py --inset 'encoder.layers.0'   one block opened up beside (or below) the figure
  archviz model.py --style my.yaml --set roles.conv.fill=#56B4E9
  archviz model.py --theme mono                 greys and hatches; --list themes names the others
  archviz style show block > my.yaml            the whole of a style, to change and draw with
  archviz model.py -o graph.json                the traced graph, which archviz draws again without torch:
  archviz graph.json --style block
an archviz.yaml beside or above the model (or [tool.archviz] in pyproject.toml) keeps options, and names single layers:
  width: column
  models:
    ResNet*:
      layers: {stem: {label: Stem, frozen: true}, layer1.*: {color: "#ffcc66", legend: new}, aux: {hide: true}}
      groups: {backbone: [stem, layer1, layer2]}
"""


class Parser(argparse.ArgumentParser):
    """Says a mistake as all of archviz does: one line, and what to do."""

    def error(self, message: str) -> NoReturn:
        raise ArchvizError(message, f"{self.prog} --help lists the options")


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="archviz", description="Compile a PyTorch model into the figure its paper would print.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    p.add_argument("model", nargs="?", metavar="MODEL",
                   help="model.py, model.py:Name, package.module:Name (a class, an instance, a factory), or graph.json")
    p.add_argument("-o", "--output", action="append", type=Path, metavar="FILE",
                   help="write .svg, .pdf, .tex (TikZ), .png or .json (the traced graph); may be repeated "
                        "(default on the command line: <model>.svg)")
    p.add_argument("--force", action="store_true", help="let the default file replace one that archviz did not write")

    what = p.add_argument_group("the model")
    what.add_argument("--input", action="append", default=[], metavar="SPEC",
                      help="1x3x224x224, or name=1x128:int64; may be repeated (default: example_inputs, or a guess)")
    what.add_argument("--arg", action="append", default=[], metavar="KEY=VALUE",
                      help="an argument of the constructor; may be repeated")

    look = p.add_argument_group("the figure")
    look.add_argument("--style", metavar="NAME|FILE",
                      help="a style's name or a YAML file (default: block)")
    look.add_argument("--theme", metavar="NAME|FILE",
                      help="how it looks, on top of any style: paper, mono, dark, print, pastel, or a YAML file")
    look.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                      help="one setting of the style, as in --set sizes.margin=6; may be repeated")
    look.add_argument("--width", metavar="LENGTH",
                      help="column (84mm), page (174mm), or 90mm, 3.4in, 240pt (default: page)")
    look.add_argument("--max-height", metavar="LENGTH", help="the figure is at most so high (default: 230mm)")
    look.add_argument("--min-font", metavar="LENGTH", help="no label prints smaller (default: 6pt)")
    look.add_argument("--depth", type=_depth, metavar="N|auto",
                      help="how many levels of modules to open (default: auto, what fits)")
    look.add_argument("--collapse", action="append", default=[], metavar="GLOB",
                      help="draw these modules closed, by path or class; may be repeated")
    look.add_argument("--expand", action="append", default=[], metavar="GLOB",
                      help="draw these modules open, or recurrent layers from inside; may be repeated")
    look.add_argument("--inset", action="append", default=[], metavar="GLOB[=STYLE]",
                      help="draw this module opened up beside the figure, also in another style; may be repeated")
    look.add_argument("--direction", choices=("auto", "down", "right"), help="which way the data flows")
    look.add_argument("--edges", metavar="all|none|topN%",
                      help="which weights a node-link figure draws: all, or the strongest as in top50%% (default: all)")
    look.add_argument("--title", help="what stands above the figure (default: the model's name; '' for nothing)")
    look.add_argument("--unroll", metavar="N",
                      help="over how many steps of time a node-link figure draws recurrent layers (default: 0, folded)")
    look.add_argument("--no-project", action="store_true",
                      help="look for no archviz.yaml or [tool.archviz] of pyproject.toml beside or above the model")
    look.add_argument("--dpi", type=_dpi, metavar="N", help="pixels per inch of a .png (default: 300)")
    look.add_argument("--standalone", action="store_true",
                      help="make a .tex a document of its own (default: a picture to \\input)")
    look.add_argument("--engine", choices=("typst", "latex", "pdflatex", "lualatex", "xelatex"),
                      help="what sets a .pdf: typst, or the TeX of this machine (default: typst, which needs none)")

    tell = p.add_argument_group("instead of a file, or beside it")
    tell.add_argument("--caption", action="store_true", help="print the caption that goes below the figure")
    tell.add_argument("--emit", choices=("graph", "layout", "scene"), help="print what is drawn as JSON")
    tell.add_argument("--list", nargs="?", const="", metavar="KIND",
                      help="print the styles, themes and everything that can be plugged in, or only styles, …")
    tell.add_argument("--verbose", action="store_true", help="say how the model was traced")
    tell.add_argument("--quiet", action="store_true", help="say nothing but errors")
    tell.add_argument("--debug", action="store_true", help="with an error, print where in the code it came from")
    tell.add_argument("--version", action="version", version=f"archviz {__version__}")
    return p


def shown() -> argparse.ArgumentParser:
    p = Parser(
        prog="archviz style show", allow_abbrev=False,
        description="Print a style with all it extends, as one YAML file to change and draw with: --style FILE.")
    p.add_argument("style", nargs="?", default="block", metavar="STYLE", help="a name or a YAML file (default: block)")
    p.add_argument("--theme", metavar="NAME|FILE", help="a theme to lay on top")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting; may be repeated")
    p.add_argument("--debug", action="store_true", help="with an error, print where in the code it came from")
    return p


def _depth(word: str) -> int | None:
    if word == "auto":
        return None
    if not word.isdigit():
        raise argparse.ArgumentTypeError(f"{word!r} is neither a number nor auto")
    return int(word)


def _dpi(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 10000:
        raise argparse.ArgumentTypeError(f"{word!r} is not a resolution in dots per inch")
    return value


def settings(given: Sequence[str]) -> dict[str, str]:
    settings = {}
    for setting in given:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise ArchvizError(f"cannot read --set {setting!r}",
                               "write --set key=value, as in --set roles.conv.fill=#56B4E9")
        settings[key] = value
    return settings
