"""``model.py[:Name]`` or ``package.module[:Name]`` → something that builds the model, and the inputs to run it with.

In: a target as the user types it, or what it stands for in memory; ``--arg key=value`` strings, ``--input`` specs.
Out: `Loaded`.  The only file that runs user code before the trace does.
"""
from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from torch import nn

from archviz.core.errors import ArchvizError, culprit, did_you_mean
from archviz.core.graph import reached
from archviz.trace.ladder import Inputs
from archviz.trace.source import guess, values
from archviz.trace.source.construct import Build, builder, parse_arguments
from archviz.trace.source.specs import from_specs

PACKAGES = {"sklearn": "scikit-learn", "skimage": "scikit-image", "cv2": "opencv-python", "PIL": "pillow",
            "yaml": "pyyaml", "pytorch_lightning": "lightning"}
"""What is installed under another name than it is imported by."""

TOLD = ("preprocess", "tokenizer", "encode", "decode", "class_names")
"""What a model's file may say of real inputs and outputs, as it says `example_inputs`."""


@dataclass(frozen=True)
class Loaded:
    """A model that can be built, any number of times where it is a class or a factory.

    name      what the figure's file is called by default
    build     makes the model; call it under ``torch.device("meta")`` to spend no memory
    instance  the model, where the user's file has already built it
    source    the target, as errors name it
    examples  ``example_inputs`` of the model or of its file: a tensor, tuple, dict, or a function that gives one
    told      what else its file says under the names of `TOLD`
    """

    name: str
    build: Build
    instance: nn.Module | None
    source: str
    examples: Any = None
    told: Mapping[str, Any] = field(default_factory=dict)

    def inputs(self, module: nn.Module, specs: Sequence[str] = (), variables: Mapping[str, Any] | None = None
               ) -> Inputs | list[Inputs]:
        """The inputs that are known (`specs` of ``--input``, else the file's own), or else several to try, best first.

        `module` is the built model; its parameters may be on meta.  `variables` are what a spec may name.  Raises
        `ArchvizError` for a spec it cannot read.
        """
        if len(specs) == 1 and specs[0] in (variables or {}):       # which may hold all arguments there are
            return replace(values.from_value((variables or {})[specs[0]], f"--input {specs[0]}"), note="")
        if specs:
            return from_specs(module, specs, variables)
        if self.examples is not None:
            examples = self.examples
            if callable(examples) and not isinstance(examples, nn.Module):
                try:
                    with _user_code(self.source):
                        examples = examples()
                except Exception as error:
                    raise blamed(error, f"example_inputs of {self.source}") from error
            # The folder is not said: a note is part of the figure, whose bytes do not depend on where it was drawn.
            return values.from_value(examples, f"example_inputs of {Path(self.source).name}")
        return guess.from_model(module)


def load(target: str, args: Sequence[str] = ()) -> Loaded:
    """Find the model that `target` names.

    `args` are ``key=value`` strings for its constructor: Python literals, else plain strings.  Raises `ArchvizError`
    for whatever the user can mend: no such file or name, several models, an error in the file, wrong arguments.
    """
    target = target.removesuffix(":")
    file, name = _parse(target)
    if file is None and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    module = _run_file(file) if file is not None else _import(target.partition(":")[0])
    where = target.removesuffix(f":{name}") if name else target
    name, value = (name, _lookup(module, name, where)) if name else _only_model(module, where)
    source = f"{where}:{name}"
    homes = [vars(home) for home in (module, _home(value)) if home is not None]
    declarations = {key: home[key] for home in reversed(homes) for key in ("example_inputs", *TOLD) if key in home}
    examples = _examples(value)
    if examples is None:
        examples = declarations.get("example_inputs")
    build, instance = builder(value, name, source, parse_arguments(args))
    name = type(instance).__name__ if instance is not None else name
    return Loaded(name, build, instance, source, examples, declarations)


def held(value: Any, name: str, args: Sequence[str] = ()) -> Loaded:
    """The same for a model, a class or a factory that is in memory, under the `name` the user has for it."""
    build, instance = builder(value, name, name, parse_arguments(args))
    return Loaded(name, build, instance, name, _examples(value))


def _parse(target: str) -> tuple[Path | None, str]:
    """The file (None for a module's dotted name) and the name in it ("" where none is given)."""
    match = re.fullmatch(r"(.*\.py)(?::(.*))?", target, re.DOTALL)
    if match:
        return Path(match[1]), match[2] or ""
    if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:.*)?", target) and not Path(target).suffix == ".py":
        path = Path(target.partition(":")[0])
        if path.suffix.lower() not in (".pt", ".pth", ".onnx", ".ckpt", ".bin", ".safetensors", ".ipynb"):
            return None, target.partition(":")[2]
    if Path(target).is_dir():
        raise ArchvizError(f"{target} is a folder", "name a file in it: " + next(
            (str(path) for path in sorted(Path(target).glob("*.py")) if path.name != "__init__.py"), "model.py"))
    if Path(target).suffix.lower() in (".pt", ".pth", ".ckpt", ".bin", ".safetensors"):
        raise ArchvizError(f"{target} holds weights, and a figure is drawn from code",
                           "name the file with the class: archviz model.py:Net")
    file, colon, name = target.partition(":")
    if Path(f"{file}.py").is_file():
        raise ArchvizError(f"{target!r} is neither a Python file nor a module", f"did you mean {file}.py{colon}{name}?")
    raise ArchvizError(f"{target!r} is neither a Python file nor a module",
                       "write model.py, model.py:Net, package.module:Net or graph.json")


def _run_file(path: Path) -> ModuleType:
    """Run the user's file as the module it is: inside its package if it has one, else on its own."""
    if not path.is_file():
        folder = path.parent
        there = sorted(p.name for p in folder.glob("*.py")) if folder.is_dir() else []
        raise ArchvizError(f"there is no file {path}", did_you_mean(path.name, there) if there else "")
    path = path.resolve()
    root, parts = path.parent, [path.stem]
    while (root / "__init__.py").is_file():     # a relative import needs the package
        parts.insert(0, root.name)
        root = root.parent
    for folder in dict.fromkeys((root, path.parent)):
        _first_on_path(folder)
    if len(parts) > 1:
        module = _import(".".join(parts).removesuffix(".__init__"))
        loaded = getattr(module, "__file__", None)
        if loaded and Path(loaded).resolve() != path:
            raise ArchvizError(f"{module.__name__} is {loaded}, which is in use already, and not {path}",
                               f"name {module.__name__} instead of the file, if it is the same")
        return module
    known = sys.modules.get(path.stem)
    ours = known is None or getattr(known, "__file__", None) == str(path)
    spec = importlib.util.spec_from_file_location(path.stem if ours else f"_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module             # dataclasses and pickle look their module up here
    try:
        with _user_code(str(path)):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise blamed(error, path.name) from error
    return module


def _import(name: str) -> ModuleType:
    try:
        with _user_code(name):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise blamed(error, name) from error
        raise ArchvizError(f"there is no module {error.name}", "a module is looked for in this folder and in the "
                           "environment archviz runs in") from error
    except (Exception, SystemExit) as error:
        raise blamed(error, name) from error


def _first_on_path(root: Path) -> None:
    """Let a file find first what lies beside it, as it would in a process of its own.

    Two projects may each have their ``layers.py``: of modules that were found beside another file, those that have the
    name of something here are forgotten.
    """
    here = {entry.name.partition(".")[0] for entry in root.iterdir()}
    other = {folder for folder in _roots if folder != root}
    hidden = {name for name in here if name in sys.modules and not other.isdisjoint(_folders(sys.modules[name]))}
    for name in [name for name in sys.modules if name.partition(".")[0] in hidden]:
        del sys.modules[name]
    sys.path[:] = [str(root), *(entry for entry in sys.path if entry != str(root))]
    _roots.add(root)


_roots: set[Path] = set()      # the folders that files were run from in this process


def _folders(module: ModuleType) -> set[Path]:
    """Where the name of a topmost module was found; a package without a file may be in several places."""
    inside, file = getattr(module, "__path__", None), getattr(module, "__file__", None)
    return {Path(place).resolve().parent for place in (inside or ([file] if file else []))}


@contextlib.contextmanager
def _user_code(name: str) -> Iterator[None]:
    """What the user's file prints goes to stderr, and our own command line is hidden from it."""
    argv = sys.argv
    sys.argv = [name]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.argv = argv


def blamed(error: BaseException, where: str) -> ArchvizError:
    """The user's error in one line: file, line and message of the innermost frame that is theirs."""
    what = type(error).__name__
    message = " ".join(str(error).split())
    if isinstance(error, SyntaxError):
        place, message = f"{Path(error.filename or where).name}:{error.lineno}", error.msg
    elif isinstance(error, SystemExit):
        place, message = where, "the file ends the program while it is imported"
    else:
        at = culprit(error)
        place = f"{at[0].name}:{at[1]}" if at else where
    hint = ""
    if isinstance(error, ModuleNotFoundError) and (name := (error.name or "").partition(".")[0]):
        hint = "" if sys.modules.get(name) else f"install {PACKAGES.get(name, name)} in the environment archviz runs in"
    elif isinstance(error, SystemExit):
        hint = 'move that code under if __name__ == "__main__":'
    elif (cause := _root(error)) is not error:      # what a library says of it may hide what is wrong
        hint = f"because of {type(cause).__name__}: {' '.join(str(cause).split())}"
    return ArchvizError(f"{place}: {what}: {message}".rstrip(": "), hint)


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _lookup(module: ModuleType, name: str, where: str) -> Any:
    value: Any = module
    for part in name.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            known = [n for n, v in vars(module).items() if not n.startswith("_")
                     and (isinstance(v, nn.Module) or _is_model_class(v) or _is_factory(v))]
            known += dir(module) if type(module) is not ModuleType else []      # a lazy one knows more than it holds
            raise ArchvizError(f"there is no {name} in {where}", did_you_mean(name, known)) from None
        except Exception as error:              # a lazy module may fail to import what it names
            raise blamed(error, where) from error
    return value


def _is_model_class(value: Any) -> bool:
    """A class that can run: one without a forward of its own is a base for others."""
    return isinstance(value, type) and issubclass(value, nn.Module) and value.forward is not nn.Module.forward \
        and not inspect.isabstract(value)


def _is_factory(value: Any) -> bool:
    if not inspect.isfunction(value):
        return False
    try:
        returned = get_type_hints(value).get("return")
    except Exception:                           # an annotation that names something unknown here
        return False
    return isinstance(returned, type) and issubclass(returned, nn.Module)


def _only_model(module: ModuleType, where: str) -> tuple[str, Any]:
    """The one model of a module: what is defined in it and is not a part of something else in it."""
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    instances = {name: value for name, value in public.items() if isinstance(value, nn.Module)}
    defined = {name: value for name, value in public.items() if getattr(value, "__module__", None) == module.__name__
               and (_is_model_class(value) or _is_factory(value))}
    built = {type(part) for value in instances.values() for part in value.modules()}
    inner = _used_inside(module, defined)
    models = instances | {name: value for name, value in defined.items() if name not in inner and value not in built}
    if len(models) == 1:
        return next(iter(models.items()))
    if not models:
        functions = [name for name, value in public.items() if inspect.isfunction(value)
                     and value.__module__ == module.__name__]
        named = f"; if {functions[0]} gives one, name it: archviz {where}:{functions[0]}" if functions else ""
        raise ArchvizError(f"there is no model in {where}", "a model is an nn.Module class, an instance of one, or a "
                           f"function annotated -> nn.Module{named}")
    names = sorted(models)
    listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    raise ArchvizError(f"{where} has {len(names)} models: {listed}", f"name one: archviz {where}:{names[0]}")


def _used_inside(module: ModuleType, defined: Mapping[str, Any]) -> set[str]:
    """Those of `defined` that another of them builds or extends, directly or through helper functions."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return set()
    uses = {node.name: {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            | {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
            for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    reach = {name: reached([name], lambda key: uses.get(key, set()) & uses.keys()) for name in defined}
    return {name for name in defined
            if any(name in reach[other] and other not in reach[name] for other in defined if other != name)}


def _home(value: Any) -> ModuleType | None:
    """The module in which a class or factory, or the class of an instance, is defined."""
    kind = type(value) if isinstance(value, nn.Module) else value
    return sys.modules.get(getattr(kind, "__module__", None) or "")


def _examples(value: Any) -> Any:
    """``example_inputs`` of a model class, instance or factory; not a method that still needs its model."""
    inputs = getattr(value, "example_inputs", None)
    bound_later = isinstance(value, type) and inspect.isfunction(inputs) and inspect.signature(inputs).parameters
    return None if isinstance(inputs, property) or bound_later else inputs
