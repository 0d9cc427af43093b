"""The options of the command line, which a notebook's ``%archviz`` and Sphinx's ``.. archviz::`` share.

In: arguments.  Out: what they say; `archviz.apps.request.job` makes a figure of it.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from archviz import __version__
from archviz.core.errors import ArchvizError
from archviz.figure.options import DECLARED, Options, flag

DESCRIPTION = "Compile a PyTorch model into the figure its paper would print."

USAGE = "archviz MODEL [options]\n       archviz COMMAND …"

EXAMPLES = """\
examples:
  archviz model.py                              the model in model.py, as model.svg
  archviz model.py:Net --arg classes=10         one of several models; an argument of its constructor
  archviz package.module:Net --input 1x3x224x224
  archviz reader.py --input input_ids=1x128:int64 -o fig.pdf -o fig.png --dpi 300
  archviz model.py -o fig.tex                   TikZ, for \\input in a paper; --standalone makes it a document
  archviz model.py -o fig.pdf --engine latex    set by the TeX of this machine, in its fonts
  archviz model.py --width column --max-height 9cm
  archviz model.py --depth 2 --expand 'encoder.layers.0'
  archviz model.py --inset 'encoder.layers.0'   one block opened up beside (or below) the figure
  archviz a.py b.py c.py --align                several models side by side, what is equally large at equal height
  archviz model.py --cut layer4 --append SVM    as far as layer4, then a block named by hand
  archviz model.py --style my.yaml --set roles.conv.fill=#56B4E9
  archviz model.py --layout dot                 boxes placed by the Graphviz on this machine
  archviz model.py --theme mono                 greys and hatches; --list themes names the others
  archviz style show block > my.yaml            the whole of a style, to change and draw with
  archviz model.py -o graph.json                the traced graph, which archviz draws again without torch:
  archviz graph.json --style block
  archviz explain model.py --weights w.pt --image cat.png     what it looks at; see archviz explain --help
  archviz diff HEAD~1: model.py                 what has changed since the last commit; see archviz diff --help
  archviz serve model.py                        in the browser, drawn again whenever it is saved
an archviz.yaml beside or above the model (or [tool.archviz] in pyproject.toml) keeps options, and names single layers:
  width: column
  models:
    ResNet*:
      layers: {stem: {label: Stem, frozen: true}, layer1.*: {color: "#ffcc66", legend: new}, aux: {hide: true}}
      groups: {backbone: [stem, layer1, layer2]}
"""

EXPLAINING = """\
examples:
  archviz explain model.py --weights w.pt --image cat.png --method gradcam,occlusion -o cat.svg
  archviz explain model.py --weights w.pt --image cat.png --method lrp --overlay flow.pdf     on the architecture
  archviz explain model.py --weights w.pt --image a.png --image b.png --target 281 --class-names names.txt
  archviz explain model.py --image cat.png --method ig,smoothgrad --option ig.steps=200 -o cat.tex -o cat.npz
  archviz explain reader.py --text 'a film to forget' --method gradient_input -o words.svg
  archviz explain model.py --input signal=recording.npy --target 'encoder.2[7]' --method saliency
images are prepared as the model's file says (preprocess = ..., example_inputs = ...), or as --size and --normalize say
"""

RECORDING = """\
examples:
  archviz record model.py --weights w.pt --image photos/ -o model.svg           means as colours, dead units marked
  archviz record model.py --weights w.pt --image cat.png --stat values --style cube -o maps.pdf      maps on the cubes
  archviz record model.py --weights w.pt --image cat.png --picture layers -o layers.pdf      maps, layer by layer
  archviz record model.py --weights w.pt --image photos/ --nodes 'layer3*' --stat norm,histogram --gradients -o run.npz
"""

DIFFERING = """\
examples:
  archviz diff old.py new.py                         two files: a table, and new-diff.svg
  archviz diff HEAD~1: model.py                      one file, before the last commit and as it is now
  archviz diff v1.0: v2.0: model.py:Net              at two git revisions; nothing is checked out
  archviz diff HEAD~3:nets/old.py nets/new.py        one that was renamed since
  archviz diff old.json new.json -o diff.pdf         two saved graphs, without torch
  archviz diff model.py --new-arg width=512          one model with other arguments
  archviz diff main: model.py --markdown >> $GITHUB_STEP_SUMMARY
  archviz diff old.py new.py -o diff.svg -o diff.tex -o diff.md -o diff.json --theme mono
exit code: 0 the models are the same, 1 they differ, 2 or more there was trouble
"""

STYLING = """\
examples:
  archviz style show block > my.yaml            the whole of a style
  archviz style show cube --theme mono --set sizes.margin=6
"""

SERVING = """\
examples:
  archviz serve model.py                        prints an address, opens it, and draws again whenever a file is saved
  archviz serve model.py:Net --arg classes=10 --width column
  archviz serve model.py --style my.yaml        the style is watched, too, and so is an archviz.yaml
  archviz serve graph.json                      redrawn when it is replaced
  archviz serve model.py --no-browser --port 8420
                                                on another machine, with ssh -L 8420:127.0.0.1:8420 to it from here
only this machine can ask, and only with the token in the address; Ctrl-C ends it
"""


COMMANDS = {
    "explain": "what a model did with one input: where it looked, which layers had a say",
    "record": "watch a model run: statistics of every node, feature maps, dead units",
    "diff": "what differs between two models, or between a model and its last commit",
    "serve": "the figure in a browser, drawn again whenever a file is saved",
    "style": "print a style as one YAML file, to change and draw with",
}
"""What ``archviz`` does besides drawing, each with a line on it; the parser of each is a function below."""

REPEATED: Mapping[str, Any] = {"action": "append", "default": []}
SWITCH: Mapping[str, Any] = {"action": "store_true"}


class Parser(argparse.ArgumentParser):
    """Says a mistake as all of archviz does: one line, and what to do."""

    hint = ""       # in place of the one that names --help

    def error(self, message: str) -> NoReturn:
        raise ArchvizError(message, self.hint or f"{self.prog} --help lists the options")


def parser(command: str = "draw") -> argparse.ArgumentParser:
    """The parser of ``archviz <command>``."""
    return {"draw": draw, "explain": explain, "record": record, "diff": diff, "serve": serve, "style": style}[command]()


def _path(written: str) -> Any:
    from pathlib import Path

    return Path(written)


def _formatter(prog: str) -> argparse.HelpFormatter:
    """argparse's own asks shutil how wide the terminal is, which takes as long as all that is written here."""
    try:
        columns = int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (AttributeError, OSError, ValueError):       # nowhere, a file, or a word
        columns = 80
    return argparse.RawDescriptionHelpFormatter(prog, width=columns - 2)


def _parser(prog: str, description: str, examples: str, **more: Any) -> Parser:
    return Parser(prog=prog, description=description, epilog=examples, allow_abbrev=False,
                  formatter_class=_formatter, **more)


def draw() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<9} {line}" for name, line in COMMANDS.items())
    p = _parser("archviz", f"{DESCRIPTION}\n\ncommands (archviz COMMAND --help tells more):\n{listed}", EXAMPLES,
                usage=USAGE)
    _models(p, "?")
    _output(p, "write .svg, .pdf, .tex (TikZ), .png, .html, .dot (Graphviz), .mmd (Mermaid) or .json (the "
               "traced graph); may be repeated (default on the command line: <model>.svg)")
    _made(p)
    _written(_look(p))

    tell = p.add_argument_group("instead of a file, or beside it")
    tell.add_argument("--caption", nargs="?", const="text", choices=("text", "latex", "md", "alt"),
                      help="print the caption that goes below the figure; as latex: \\caption and \\label, as md: "
                           "Markdown; alt: the alternative text for screen readers (default: text)")
    tell.add_argument("--emit", choices=("graph", "layout", "scene"), help="print what is drawn as JSON")
    tell.add_argument("--list", nargs="?", const="", metavar="KIND",
                      help="print the styles, themes and everything that can be plugged in, or only styles, …")
    _saying(tell)
    return p


def serve() -> argparse.ArgumentParser:
    p = _parser("archviz serve", "Show the figure in a browser, and draw it again whenever a file is saved.", SERVING)
    _models(p)
    how = p.add_argument_group("the server")
    how.add_argument("--port", type=_port, metavar="N",
                     help="where it listens on 127.0.0.1; 0 is any that is free (default: 8420, or the next that is)")
    how.add_argument("--no-browser", **SWITCH, help="print the address, and open no browser")
    how.add_argument("--time-limit", type=_number(1e-9, 86400, "is no number of seconds"), default=120.0,
                     metavar="SECONDS", help="stop a model that takes longer to draw (default: 120)")
    _made(p)
    _look(p)
    _saying(p.add_argument_group("what is said"))
    return p


def explain() -> argparse.ArgumentParser:
    p = _parser(
        "archviz explain", "Show what a model did with one input: where it looked, and which of its layers had a say.",
        EXPLAINING)
    _output(p, "write the picture as .svg, .pdf, .tex (TikZ), .png or .html, or the numbers as .npz; may be "
               "repeated (default: <model>-explained.svg)")
    p.add_argument("--overlay", **REPEATED, type=_path, metavar="FILE",
                   help="write the figure of the architecture with the result painted on it; may be repeated")
    how = _running(p, "what is explained", "top1, top5, a class as in 281, or a unit as in layer4.1[7] (default: top1)",
                   "the nodes that get a map, for methods that make one at nodes; may be repeated")
    p.set_defaults(target="top1")
    how.add_argument("--method", default="gradcam", metavar="NAME,...",
                     help="one method or several, see archviz --list methods (default: gradcam)")
    how.add_argument("--option", **REPEATED, metavar="[METHOD.]KEY=VALUE",
                     help="an option of the methods, as in ig.steps=200; may be repeated")
    how.add_argument("--position", type=int, default=-1, metavar="N",
                     help="the token whose logits are meant, where each has its own (default: -1, the last)")
    how.add_argument("--picture", metavar="KIND",
                     help="what is drawn, see archviz --list pictures (default: what the data is)")
    return p


def record() -> argparse.ArgumentParser:
    p = _parser(
        "archviz record", "Watch a model run: statistics of every node, painted on its figure, with dead units marked.",
        RECORDING)
    _output(p, "write the figure of the architecture with a statistic painted on it, or all numbers as .npz; "
               "may be repeated (default: <model>-recorded.svg)")
    how = _running(p, "what is recorded", "whose gradients, as for archviz explain (default: top1)",
                   "the nodes that are watched; may be repeated (default: all)")
    how.add_argument("--stat", metavar="NAME,...",
                     help="mean, std, min, max, norm, per_channel, sparsity, saturation, histogram, topk, values; the "
                          "first number among them is painted, values are maps (default: "
                          "mean,std,sparsity,saturation; values for a picture)")
    how.add_argument("--picture", choices=("layers", "maps"),
                     help="draw the activations by themselves: layers, the first maps of each layer of the figure as "
                          "tiles, from the input to the scores; maps, those of one layer")
    how.add_argument("--channels", type=int, metavar="N",
                     help="so many maps of a layer in a picture (default: what has room)")
    how.add_argument("--gradients", **SWITCH, help="the same of the gradients of the target")
    return p


def diff() -> argparse.ArgumentParser:
    p = _parser("archviz diff", "What differs between two models: a table of layers, parameters and MACs, and one "
                "figure of both.", DIFFERING)
    p.add_argument("model", nargs="+", metavar="MODEL",
                   help="the old and the new one: model.py, model.py:Name, package.module:Name or graph.json; with a "
                        "git revision before it: HEAD~1:model.py, or HEAD~1: for the same file as the other")
    _output(p, "write the figure as .svg, .pdf, .tex (TikZ), .png or .html, or the difference as .md or "
               ".json; may be repeated (default: <new>-diff.svg)")
    p.add_argument("--markdown", **SWITCH, help="print the difference as Markdown, and not as a table")
    p.add_argument("--json", **SWITCH, help="print it as JSON")

    what = p.add_argument_group("the models")
    for name, metavar, use in (("input", "SPEC", "what {} {} called with, as in 1x3x224x224"),
                               ("arg", "KEY=VALUE", "an argument of the constructor of {}; may be repeated")):
        for side, whose, verb in (("", "both models", "are"), ("old-", "the old model", "is"),
                                  ("new-", "the new model", "is")):
            what.add_argument(f"--{side}{name}", **REPEATED, metavar=metavar, help=use.format(whose, verb))
    _written(_look(p))
    _saying(p.add_argument_group("beside a file"))
    return p


def style() -> argparse.ArgumentParser:
    p = _parser("archviz style", "Print a style with all it extends, as one YAML file to change and draw with.",
                STYLING, usage="archviz style show [STYLE] [options]")
    p.hint = "write archviz style show block; archviz style --help tells more"
    p.add_argument("show", choices=("show",), help=argparse.SUPPRESS)
    p.add_argument("style", nargs="?", default="block", metavar="STYLE", help="a name or a YAML file (default: block)")
    p.add_argument("--theme", metavar="NAME|FILE", help="a theme to lay on top")
    p.add_argument("--set", **REPEATED, metavar="KEY=VALUE", help="one setting; may be repeated")
    p.add_argument("--debug", **SWITCH, help="with an error, print where in the code it came from")
    p.set_defaults(quiet=True)
    return p


def _output(p: argparse.ArgumentParser, help: str) -> None:
    """The files to write."""
    p.add_argument("-o", "--output", **REPEATED, type=_path, metavar="FILE", help=help)
    p.add_argument("--force", **SWITCH, help="let the default file replace one that archviz did not write")


def _running(p: argparse.ArgumentParser, title: str, target: str, nodes: str) -> argparse._ArgumentGroup:
    """The model that runs, what it takes and how it is drawn; the group, under `title`, of what is asked about it."""
    p.add_argument("model", metavar="MODEL", help="model.py, model.py:Name, or package.module:Name")
    what = p.add_argument_group("the model")
    what.add_argument("--weights", type=_path, metavar="FILE",
                      help="fill it with the weights in a .pt, .pth or .safetensors")
    what.add_argument("--arg", **REPEATED, metavar="KEY=VALUE", help="an argument of the constructor; may be repeated")
    what.add_argument("--device", metavar="NAME", help="where it runs: cpu, cuda, cuda:1 or mps (default: cpu)")
    what.add_argument("--dtype", metavar="NAME",
                      help="in what it computes: float32, bfloat16 or float16 (default: its own)")
    what.add_argument("--budget", metavar="SIZE",
                      help="memory it may take besides the weights, as in 2GB (default: half of what is free)")
    what.add_argument("--class-names", type=_path, metavar="FILE",
                      help="names for its scores, in captions and pictures: one a line, or JSON")

    taken = p.add_argument_group("the input")
    taken.add_argument("--image", **REPEATED, metavar="FILE",
                       help="an image, or a folder of them, brought to the size that is said to be the model's; may be "
                            "repeated")
    taken.add_argument("--text", **REPEATED, metavar="TEXT",
                       help="a text, for the tokenizer of the model's file; may be repeated")
    taken.add_argument("--input", **REPEATED, metavar="SPEC",
                       help="name=file.npy, ids=[[1, 2, 3]] or 1x3x224x224; may be repeated (default: example_inputs)")
    taken.add_argument("--size", type=_size, metavar="N|HxW", help="the size of images that the model was trained on")
    taken.add_argument("--normalize", metavar="NAME|MEAN:STD",
                       help="imagenet, half, none, means and deviations of pixels from 0 to 1 as in 0.13:0.31, or an "
                            "image processor's .json (default: preprocess of the model's file)")
    taken.add_argument("--tokenizer", metavar="FILE", help="a tokenizer.json, in the place of the model file's own")
    how = p.add_argument_group(title)
    how.add_argument("--target", metavar="WHAT", help=target)
    how.add_argument("--nodes", **REPEATED, metavar="GLOB", help=nodes)
    _written(_look(p))
    tell = p.add_argument_group("beside a file")
    tell.add_argument("--caption", **SWITCH, help="print the caption that goes below what is drawn")
    _saying(tell)
    return how


def _models(p: argparse.ArgumentParser, nargs: str | None = None) -> None:
    p.add_argument("model", nargs=nargs, metavar="MODEL",
                   help="model.py, model.py:Name, package.module:Name (a class, an instance, a factory), or graph.json")
    p.add_argument("more", nargs="*", metavar="MODEL", help="further models, to be drawn beside it with --align")
    p.add_argument("--align", **SWITCH,
                   help="draw several models in one figure on one scale; --title 'A | B' names them")


def _made(p: argparse.ArgumentParser) -> None:
    """How the model is made and called."""
    what = p.add_argument_group("the model")
    what.add_argument("--input", **REPEATED, metavar="SPEC",
                      help="1x3x224x224, or name=1x128:int64; may be repeated (default: example_inputs, or a guess)")
    what.add_argument("--arg", **REPEATED, metavar="KEY=VALUE", help="an argument of the constructor; may be repeated")


def _look(p: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """What the figure of an architecture shall be like: every option of a figure."""
    look = p.add_argument_group("the figure")
    for name, declared in DECLARED.items():
        spec: dict[str, Any] = {"help": declared.help.replace("%", "%%")}
        if declared.kind == "switch":
            spec |= SWITCH
        elif declared.kind in ("words", "settings"):
            spec |= {**REPEATED, "metavar": declared.metavar}
        elif declared.choices:
            spec["choices"] = declared.choices
        else:
            spec["metavar"] = declared.metavar or None
        if declared.kind == "levels":
            spec["type"] = _levels
        look.add_argument(f"--{flag(name)}", **spec)
    look.add_argument("--no-project", **SWITCH,
                      help="look for no archviz.yaml or [tool.archviz] of pyproject.toml beside or above the model")
    return look


def options(o: argparse.Namespace) -> Options:
    """What the answers say of the figure."""
    values = {name: getattr(o, flag(name).replace("-", "_")) for name in DECLARED}
    return Options.of(**{**values, "settings": settings(values["settings"])})


def command(o: argparse.Namespace) -> list[str]:
    """The command line that `o` answers, for a page that shows it; without what is open, and the files."""
    words = ["archviz", str(o.model)]
    for name in ("arg", "input", *(flag(name) for name, declared in DECLARED.items() if declared.echoed)):
        value = getattr(o, name.replace("-", "_"))
        for word in value if isinstance(value, list) else [] if value is None else [value]:
            words += [f"--{name}={word}"] if str(word).startswith("-") else [f"--{name}", str(word)]
    return [*words, *(["--no-project"] if o.no_project else [])]


def _written(look: argparse._ArgumentGroup) -> None:
    """How the files are written."""
    look.add_argument("--dpi", type=_number(1, 10000, "is not a resolution in dots per inch"), metavar="N",
                      help="pixels per inch of a .png (default: 300)")
    look.add_argument("--standalone", **SWITCH,
                      help="make a .tex a document of its own (default: a picture to \\input)")
    look.add_argument("--engine", choices=("typst", "latex", "pdflatex", "lualatex", "xelatex"),
                      help="what sets a .pdf: typst, or the TeX of this machine (default: typst, which needs none)")


def _saying(p: argparse._ArgumentGroup) -> None:
    """How much is said on stderr."""
    p.add_argument("--verbose", **SWITCH, help="say how the model was traced")
    p.add_argument("--quiet", **SWITCH, help="say nothing but errors")
    p.add_argument("--debug", **SWITCH, help="with an error, print where in the code it came from")
    p.add_argument("--version", action="version", version=f"archviz {__version__}")


def _levels(word: str) -> int | None:
    if word == "auto":
        return None
    if not word.isdigit():
        raise argparse.ArgumentTypeError(f"{word!r} is neither a number nor auto")
    return int(word)


def _port(word: str) -> int:
    if not word.isdigit() or int(word) > 65535:
        raise argparse.ArgumentTypeError(f"{word!r} is no port: write a number from 1024 to 65535, or 0 for any")
    return int(word)


def _number(least: float, most: float, wrong: str) -> Callable[[str], float]:
    """How a number from `least` to `most` is read, or what is `wrong` with a word that is none."""
    def read(word: str) -> float:
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{word!r} {wrong}")
        return value

    return read


def _size(word: str) -> tuple[int, int]:
    sides = word.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(side.isdigit() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f"{word!r} is no size of an image: write 224, or 224x320 for height and width")
    return int(sides[0]), int(sides[-1])


def settings(written: Sequence[str]) -> dict[str, str]:
    settings = {}
    for setting in written:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise ArchvizError(f"cannot read --set {setting!r}",
                               "write --set key=value, as in --set roles.conv.fill=#56B4E9")
        settings[key] = value
    return settings
