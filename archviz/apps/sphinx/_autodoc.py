"""The option ``:archviz:`` of autodoc: a model is drawn below its signature, before what its docstring says.

In: ``.. autoclass:: package.Net`` and ``.. automodule:: package`` with the option, or ``autodoc_default_options``.
Out: an ``.. archviz::`` in the description of each class that is drawn.

The option may hold options of the directive, written as on a command line: ``:archviz: --style cube --depth 1``.

Asked for at one class, it draws that class or says why not.  Asked for at a module, or for all by
``autodoc_default_options = {"archviz": True}``, it draws each class that is a model and can be built without arguments,
and says nothing of the others.  ``:no-archviz:`` leaves a class or module out, and so does a docstring that holds an
``.. archviz::`` of its own.

autodoc has two implementations, and each changes how options and docstrings are handled.  So nothing of it is used but
that its directives run: the option is taken out before they do, the descriptions they give are completed afterwards.
"""
from __future__ import annotations

import inspect
import shlex
import sys
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.parsers.rst.languages import en
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

from archviz.apps.sphinx._directive import SEVERAL, SHARED, in_words
from archviz.apps.sphinx._nodes import drawing
from archviz.apps.sphinx._pages import warn
from archviz.core.errors import ArchvizError

OPTION = "archviz"
MISSING = "archviz-missing"     # the class of what stands where a figure could not be drawn
KINDS = ("autoclass", "automodule")
MODULE = ("torch.nn.modules.module.Module", "torch.nn.Module")      # where it is defined, and as autodoc mocks it


def setup(app: Sphinx) -> None:
    # after autodoc, which registers its directives at the same event
    app.connect("config-inited", _extend, priority=900)


def _extend(app: Sphinx, config: Config) -> None:
    """Put our option before what autodoc's directives do, where autodoc is loaded."""
    if "sphinx.ext.autodoc" not in app.extensions:
        return
    for name in KINDS:
        base, _ = directives.directive(name, en, None)     # type: ignore[arg-type]
        if base is not None:
            app.add_directive(name, type(f"Drawing{base.__name__}", (_Drawing, base), {}), override=True)


class _Drawing(SphinxDirective):
    """Stands before one of autodoc's directives."""

    def run(self) -> list[nodes.Node]:
        option = self.options.pop(OPTION, False)              # None for a flag without a value
        left_out = f"no-{OPTION}" in self.options
        self.options.pop(f"no-{OPTION}", None)
        usual = self.config.autodoc_default_options.get(OPTION, False)
        named = self.name == "autoclass" and option is not False
        if option is False:
            option = None if usual is True else usual
        made = list(super().run())
        if left_out or option is False:
            return made
        try:
            options = words(option or "")
        except ArchvizError as error:
            warn(self, in_words(error))
            return made
        classes = [desc for node in made for desc in node.findall(addnodes.desc)
                   if desc["objtype"] == "class" and desc.get("domain") == "py"]
        if named and made and not classes:
            warn(self, f"{self.arguments[0]} is another name for a class, which is not drawn; name the class itself")
        for described in classes[:1] if self.name == "autoclass" else classes:
            self.complete(described, options, named)
        return made

    def complete(self, described: addnodes.desc, options: dict[str, str], named: bool) -> None:
        """Draw the class that is described, if it is to be drawn."""
        signature = described.children[0]
        assert isinstance(signature, addnodes.desc_signature)
        module, name = signature.get("module") or "", signature["fullname"]
        cls = _value(module, name)
        content = described.children[-1]
        assert isinstance(content, addnodes.desc_content)
        contents = [child for child in content.children if not isinstance(child, addnodes.desc)]
        inside = [node for child in contents for node in child.findall(nodes.Element)]
        if any(isinstance(node, drawing) or MISSING in node.get("classes", ()) for node in inside):
            return
        if not is_model(cls):
            if named:
                warn(self, f"{module}.{name} is no nn.Module; take :{OPTION}: out of its {self.name}")
            return
        if not named and not plain(cls):
            return
        source, line = self.get_source_info()
        rows = [f"   :{key}: {value}" for key, value in options.items()]
        text = [f".. archviz:: {_target(cls, module, name)}", *rows, ""]
        parsed = nodes.Element()
        self.state.nested_parse(StringList(text, items=[(source, line - 1)] * len(text)), 0, parsed)
        content[:0] = parsed.children


def words(option: str) -> dict[str, str]:
    """``--style cube --expand a --expand=b`` as options of the directive: ``{"style": "cube", "expand": "a b"}``.

    Raises `ArchvizError` for what is not written like that.
    """
    try:
        parts = shlex.split(option)
    except ValueError as error:
        raise ArchvizError(f"cannot read :{OPTION}: {option}: {str(error).lower()}") from None
    values_of: dict[str, list[str]] = {}
    name = ""
    for word in parts:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            values_of.setdefault(name, []).extend([value] if equals else [])
            name = "" if equals else name
        elif name:
            values_of[name].append(word)
            name = ""
        else:
            raise ArchvizError(f"cannot read {word!r} in :{OPTION}: {option}",
                               "write options as on a command line: --style cube --depth 1")
    several = {name for name, kind in SHARED.items() if kind in SEVERAL}
    return {key: shlex.join(values) if key in several else "".join(values[-1:]) for key, values in values_of.items()}


def _value(module: str, name: str) -> Any:
    """What autodoc described, which it has loaded; None where it is not there."""
    value: Any = sys.modules.get(module)
    for part in name.split("."):
        value = inspect.getattr_static(value, part, None)
    return value


def _target(cls: type, module: str, name: str) -> str:
    """The class where it is defined, if it is found there: the page then depends on no package that hands it on."""
    home, qualname = cls.__module__, cls.__qualname__
    return f"{home}:{qualname}" if _value(home, qualname) is cls else f"{module}:{name}"


def _above(cls: Any) -> list[type] | None:
    """A class and its bases up to ``nn.Module``, by name, since torch may be missing; None where that is none."""
    mro = list(inspect.getmro(cls)) if isinstance(cls, type) else []
    for i, base in enumerate(mro):
        name = vars(base).get("__display_name__") or f"{base.__module__}.{base.__qualname__}"
        if name in MODULE:
            return mro[:i]
    return None


def is_model(cls: Any) -> bool:
    """Whether it is a class below ``nn.Module``."""
    return bool(_above(cls))


def plain(cls: type) -> bool:
    """Whether a model can run, and be built without arguments."""
    above = _above(cls) or []
    if inspect.isabstract(cls) or not any("forward" in vars(base) for base in above):
        return False
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return True
    open_ = [p.name for p in parameters
             if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return not open_ or (open_ == ["config"] and any("config_class" in vars(base) for base in above))
