"""``%load_ext archviz`` in a notebook: the magic ``%archviz MODEL [options]``, with the options of the command line.

In: the line after the magic's name, and the variables of the notebook.  Out: the `Figure`, which the notebook shows.
IPython is whoever calls.
"""
from __future__ import annotations

import argparse
import ast
import inspect
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import TYPE_CHECKING, Any

from archviz.apps.request.arguments import parser
from archviz.core.errors import ArchvizError, did_you_mean, fault

if TYPE_CHECKING:
    from archviz.apps.request.job import Job

DESCRIPTION = "Show the figure of a PyTorch model as its paper would print it.  A file is written only with -o."
EXAMPLES = """\
examples:
  %archviz net                                  a model, a class or a function that makes one; a traced graph
  %archviz Net(classes=10) --input x            any expression; a variable that holds what the model takes
  %archviz Net --arg classes=10 --input 1x3x224x224
  %archviz model.py:Net --style cube            a file's, a module's, as on the command line
  fig = %archviz net --width column -o fig.pdf
"""
PIECES = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|\s+|.""", re.DOTALL)
"""What a line consists of: quoted words, escaped characters, blanks, and single characters."""

LINE = "<%archviz>"     # the file that an expression is compiled as
IPYTHONS = re.compile(r"In|Out|exit|quit|open|get_ipython|_+|_i+|_i?\d+|_[iod]h|_exit_code|__\w+__")


def load_ipython_extension(shell: Any) -> None:
    """Called by ``%load_ext archviz``."""

    def archviz(line: str) -> Any:
        """%archviz MODEL [options]: show the figure of a model; ``%archviz --help`` lists the options.

        MODEL is an expression (``net``, ``Net``, ``Net(10)``) or a target (``model.py:Net``, ``package.module:Net``,
        ``graph.json``).  The value is the Figure, as in ``fig = %archviz net --style cube -o fig.pdf``.
        """
        return magic(shell, line)

    shell.register_magic_function(archviz)
    shell.set_hook("complete_command", completed, str_key="%archviz")


def completed(shell: Any, event: Any) -> list[str]:
    """What may stand at the cursor: an option, the name of a style or theme, a variable.  The rest is for IPython."""
    from IPython.core.error import TryNext

    typed: str = event.symbol
    before = event.line[:len(event.line) - len(typed)].split()[-1:]
    if typed.startswith("-"):
        candidates = [flag for action in parser()._actions for flag in action.option_strings if flag.startswith("--")]
    elif before in (["--style"], ["--theme"]):
        from archviz.apps.request.catalogue import catalogue

        candidates = [*catalogue()[f"{before[0][2:]}s"]]
    elif typed.isidentifier():
        candidates = sorted(_own(shell.user_ns))
    else:
        raise TryNext
    return [word for word in candidates if word.startswith(typed)]


def magic(shell: Any, line: str) -> Any:
    """The figure that `line` asks for, or None where it asks for words, which are printed.

    Mistakes are IPython's ``UsageError``, which a notebook shows without a traceback.
    """
    from IPython.core.error import UsageError

    silent = line.rstrip().endswith(";")
    line_words: list[str] = []
    try:
        line_words = words(line.rstrip().removesuffix(";"))
        figure = run(line_words, shell.user_ns)
    except SystemExit:              # --help and --version have said what there is to say
        return None
    except Exception as error:
        if "--debug" in line_words:
            raise
        message = _in_cells(shell, error) if isinstance(error, ArchvizError) else fault(error)
        raise UsageError(message) from None
    return None if silent else figure


def run(line_words: list[str], variables: Mapping[str, Any]) -> Any:
    """Do what the words of a line ask for.  Raises `ArchvizError`."""
    from archviz.apps.cli import draw, style
    from archviz.apps.cli.run import Files, carry_out

    if line_words[:2] == ["style", "show"] and "style" not in variables:
        o = parser("style").parse_args(line_words[1:])
        work = style.prepare(o)
    else:
        p = parser()
        p.prog, p.usage, p.description, p.epilog = "%archviz", None, DESCRIPTION, EXAMPLES
        o = p.parse_args(line_words)
        if o.list is None and o.model is None:
            raise ArchvizError("no model was named", "write %archviz net, or %archviz --help")
        work = draw.prepare(o, None if o.list is not None else _job(o, variables), Files(default=False))
    # Not on stderr, which a notebook shows as something gone wrong.
    return carry_out(work, o, lambda remark: print(f"archviz: {remark}")).value


def _job(o: argparse.Namespace, variables: Mapping[str, Any]) -> Job:
    """What is to be drawn, with the models that stand in variables."""
    from archviz.apps.request.job import asked

    o.model, model = meant(o.model, variables, built=bool(o.arg))
    others = [meant(word, variables, built=bool(o.arg)) for word in o.more]
    o.more = [word for word, _ in others]
    job = asked(o, model, _own(variables))
    beside = (replace(one, held=other) for one, (_, other) in zip(job.beside, others, strict=True))
    return replace(job, beside=tuple(beside))


def words(line: str) -> list[str]:
    """The words of a line as a shell sees them, but brackets keep what they hold: ``Net("a", [1, 2])`` is one word."""
    words, depth = [""], 0
    for piece in PIECES.findall(line):
        depth += (piece in "([{") - (piece in ")]}")
        if piece.isspace() and not depth:
            words.append("")
        else:
            words[-1] += piece
    if depth:
        words = [line]
    # Quotes are the shell's, unless they stand in brackets of Python's.
    python = re.compile(r"""[^\s'"]*[(\[{]""")
    try:
        return [part for word in words for part in ([word] if python.match(word) and not depth else shlex.split(word))]
    except ValueError as error:
        raise ArchvizError(f"cannot read the line: {error}", "close what is open, or put it in quotes") from None


def meant(word: str, variables: Mapping[str, Any], built: bool = True) -> tuple[str, Any]:
    """What the MODEL of a line is: its name with its value, or a target as on the command line with None.

    It is an expression where it is a call, an item of something, or a dotted name that begins with a variable's.  Of
    ``Net(10)``, unless it shall be `built`, the value is a function that builds it: a model is drawn without its
    weights, for which there may be no room.
    ``graph.json`` is a file also where there is a variable graph.
    """
    try:
        tree = ast.parse(word, mode="eval").body
    except SyntaxError:
        return word, None
    dotted = isinstance(tree, ast.Name | ast.Attribute)
    if re.search(r"\.(py|json)$", word) or not (dotted or isinstance(tree, ast.Call | ast.Subscript)):
        return word, None
    if dotted and word.partition(".")[0] not in variables:
        if isinstance(tree, ast.Name) and find_spec(word) is None:
            raise ArchvizError(f"there is no variable {word}, and no module", did_you_mean(word, _own(variables)))
        return word, None
    from archviz.figure.figure import Figure

    try:
        value = _value(tree, variables, built)
    except Exception as error:
        from archviz.trace.source.load import blamed

        raise ArchvizError(blamed(error, word).message.replace(f"{LINE}:1", word)) from error
    if isinstance(value, ModuleType | str | Path):
        return value.__name__ if isinstance(value, ModuleType) else str(value), None
    if isinstance(value, Figure):
        value = value.graph
    if value is None:
        raise ArchvizError(f"{word} is None, not a model", "name a model, or its class")
    return _name(tree), value


def _value(tree: ast.expr, variables: Mapping[str, Any], built: bool) -> Any:
    """What an expression stands for; a model around others that are there already is always built."""
    def run(tree: ast.expr, **more: Any) -> Any:
        return eval(compile(ast.fix_missing_locations(ast.Expression(tree)), LINE, "eval"), {**variables, **more})

    if built or not isinstance(tree, ast.Call) or not _is_model(cls := run(tree.func)):
        return run(tree)
    build = run(ast.Call(ast.Name(LINE, ast.Load()), tree.args, tree.keywords), **{LINE: partial(partial, cls)})
    try:
        inspect.signature(cls).bind(*build.args, **build.keywords)
    except (TypeError, ValueError):
        return build()                      # which says what it does not take
    values = [*build.args, *build.keywords.values()]
    for several in [value for value in values if isinstance(value, list | tuple | dict)]:
        values += several.values() if isinstance(several, dict) else several
    return build() if any(_is_model(type(value)) for value in values) else build


def _is_model(value: Any) -> bool:
    """Whether it is a class of models, of which there is none where torch is not loaded."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, type) and issubclass(value, torch.nn.Module)


def _own(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables without those that IPython keeps among them."""
    return {name: value for name, value in variables.items() if not IPYTHONS.fullmatch(name)}


def _name(tree: ast.expr) -> str:
    """What the user calls it: ``net``, ``Net`` for ``models.Net(10)``, ``nets[0]``."""
    match tree:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function):
            return _name(function)
    return ast.unparse(tree)


def _in_cells(shell: Any, error: ArchvizError) -> str:
    """The message, with cells called as the notebook numbers them instead of by the files they are compiled as."""
    message = str(error)
    named = getattr(shell.compile, "format_code_name", lambda file: None)       # IPython 7 has none, and readable files
    for frame, _ in walk_tb(error.__cause__.__traceback__ if error.__cause__ else None):
        file = frame.f_code.co_filename
        if label := named(file):
            message = message.replace(f"{Path(file).name}:", f"{' '.join(label)}, line ")
    return message
