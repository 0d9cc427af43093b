"""What has been traced and drawn before: graphs by what they were made from, figures by what is in them.

In: a `Job`, the themes for light and dark pages.  Out: `Drawn`: a folder with the figure in every format a builder may
want.

A trace is kept as a saved graph that names the files it was made from and their digests; it holds as long as they do.
A figure is kept in a folder named by the digest of the graph, the style and archviz itself.  Folders are written under
another name and then renamed, so that builds side by side share them; one that lacks a file is no hit.
"""
from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from hashlib import blake2b
from pathlib import Path

from archviz.apps.dependencies import changed, note_loaded, sources
from archviz.apps.request import catalogue
from archviz.apps.request.job import Job
from archviz.core.errors import ArchvizError, NoTorch
from archviz.core.files import write
from archviz.core.graph import Graph
from archviz.core.graph_json import from_json, to_json
from archviz.figure import compile
from archviz.figure.options import Options
from archviz.style.files import own_files

LIGHT, DARK, PDF, TEX, FACTS = "light.svg", "dark.svg", "figure.pdf", "figure.tex", "figure.json"


@dataclass(frozen=True)
class Facts:
    """What a page says of a figure besides showing it.

    title, caption    the model's name, and what archviz writes below the figure
    width, height     printed points
    classes           the class behind each drawn id that is a module
    failed            where the model raised while it was traced, and what
    """

    title: str
    caption: str
    width: float
    height: float
    classes: Mapping[str, str]
    failed: tuple[str, str] | None = None


@dataclass(frozen=True)
class Drawn:
    """A figure in the store: its `key`, what is known of it, the `files` it depends on, and what to warn of.

    dark    whether it has a variant for dark pages
    """

    key: str
    facts: Facts
    files: tuple[Path, ...]
    dark: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Store:
    """Where figures are kept.

    folder   the store itself
    base     the folder that paths are told from: the documentation's
    graphs   where traced graphs are kept that a build without torch may use; None: in the store, for this machine only
    say      told what takes long, as it begins: ``("trace", "models.py:Net")``
    """

    folder: Path
    base: Path
    graphs: Path | None = None
    tikz: bool = False
    say: Callable[[str, str], None] = lambda what, target: None

    def draw(self, job: Job, page: Options, dark: str | None, usual: str) -> Drawn:
        """The figure of `job`.

        `page` is what to take where neither the job nor its project says anything.  `dark` is the theme for dark pages,
        ``"none"`` for no such variant; None: the `usual` one, unless the figure has a theme of its own.  Raises
        `ArchvizError`.
        """
        job.check()
        graph, files, warning = self.traced(job)
        options = job.configured(graph)
        left = {key: value for key, value in page._asdict().items() if value and getattr(options, key) is None}
        options = options._replace(**left)
        if dark is None:
            dark = "none" if options.theme else usual
        looks = {LIGHT: options, **({DARK: options._replace(theme=dark)} if dark != "none" else {})}
        styles = tuple(dict.fromkeys(file for look in looks.values() for file in job.style_files(look)))
        key = digest(to_json(_bare(graph, "lines"), indent=None), *(catalogue.show(look) for look in looks.values()),
                     repr(options._replace(style=None, theme=None)), *map(_content, styles), engine(), str(self.tikz))
        if not self.holds(key, DARK in looks):
            self.say("draw", self.told(job.target))
            self._write(key, graph, looks)
        facts = self.facts(key)
        raised = ""
        if facts.failed:
            where = facts.failed[0].removesuffix("/failed") or facts.title
            raised = f"{where} raised {' '.join(facts.failed[1].split())}; the figure shows what ran until then"
        return Drawn(key, facts, (*files, *styles), DARK in looks, tuple(filter(None, (warning, raised))))

    def traced(self, job: Job) -> tuple[Graph, tuple[Path, ...], str]:
        """The graph of `job`, the files it was made from, and a warning, where a saved graph had to do."""
        project = (job.project.path,) if job.project else ()
        if job.saved:
            return job.trace(), (Path(job.target), *project), ""
        path = self._graph(job)
        kept = _kept(path)
        other = [name for name, was in kept.attrs["sources"].items()
                 if _content(self.base / name) != was] if kept else []
        if kept and not other and kept.attrs["engine"] == engine():
            return _bare(kept), (*self._named(kept), *project), ""
        try:
            self.say("trace", self.told(job.target))
            _take_one_thread()
            note_loaded()
            graph = job.trace()
            note_loaded()
        except NoTorch as error:
            if kept is None:
                raise
            warning = (f"{path.name} was traced from an older {', '.join(other)}, and {error.message}"
                       if other else "")
            return _bare(kept), (*self._named(kept), path, *project), warning
        files = sources(job.target, graph)
        digests = {self.seen(file): _content(file) for file in files}
        if edited := changed(files):
            warning = (f"{', '.join(map(self.seen, edited))} was edited after it had been loaded; "
                       "the figure shows what it was before, until the next build")
            return graph, (*files, *project), warning
        if "failed" not in (graph.attrs.get("report") or {}):
            content = to_json(replace(graph, attrs={**graph.attrs, "sources": digests, "engine": engine()}))
            with _into(path.parent):
                write(path, content.encode("utf-8", "surrogatepass"))
        return graph, (*files, *project), ""

    def _graph(self, job: Job) -> Path:
        """The file of a traced graph: named for a reader, and for all that changes what is traced."""
        target = self.told(job.target)
        name = re.sub(r"[^\w.-]+", "-", target.replace(":", ".")).strip("-.")
        asked = digest(target, *job.args, "--", *job.inputs, str(job.values))
        return (self.graphs or self.folder / "graphs") / f"{name}-{asked[:8]}.json"

    def _named(self, graph: Graph) -> tuple[Path, ...]:
        return tuple((self.base / name).resolve() for name in graph.attrs["sources"])

    def told(self, target: str) -> str:
        """The target as messages name it: a file from the documentation's folder."""
        path, colon, name = target.rpartition(":") if re.search(r"\.py:", target) else (target, "", "")
        return (self.seen(Path(path)) if os.path.isabs(path) else path) + colon + name

    def seen(self, file: Path) -> str:
        """A file as seen from the documentation's folder; as it is where it lies on another drive."""
        try:
            return Path(os.path.relpath(file, self.base)).as_posix()
        except ValueError:
            return file.as_posix()

    def path(self, key: str, name: str) -> Path:
        """Where a file of a figure lies: under a name of its own, as builders gather the files of all figures."""
        return self.folder / "figures" / key / f"{key[:12]}-{name}"

    def holds(self, key: str, dark: bool) -> bool:
        """Whether the figure is there in all its formats."""
        wanted = (LIGHT, PDF, FACTS, *([DARK] if dark else []), *([TEX] if self.tikz else []))
        return all(self.path(key, name).is_file() for name in wanted)

    def facts(self, key: str) -> Facts:
        return Facts(**json.loads(self.path(key, FACTS).read_text("utf-8")))

    def _write(self, key: str, graph: Graph, looks: Mapping[str, Options]) -> None:
        home = self.folder / "figures" / key
        with _into(home.parent):
            within = Path(tempfile.mkdtemp(prefix=f".{key[:8]}-", dir=home.parent))
            fresh = within / key        # with the usual rights, which a temporary folder has not
            try:
                fresh.mkdir()
                for name, options in looks.items():
                    figure = compile.compile(graph, options)
                    (fresh / self.path(key, name).name).write_bytes(figure.render("svg"))
                    if name != LIGHT:
                        continue
                    (fresh / self.path(key, PDF).name).write_bytes(figure.render("pdf"))
                    if self.tikz:
                        (fresh / self.path(key, TEX).name).write_bytes(figure.render("tex"))
                    facts = Facts(figure.scene.title or graph.name, figure.caption, figure.scene.width,
                                  figure.scene.height, figure.classes, figure.failed)
                    content = json.dumps(asdict(facts), ensure_ascii=False)
                    (fresh / self.path(key, FACTS).name).write_text(content, "utf-8")
                try:
                    fresh.rename(home)
                except OSError:     # it is there, from another process, or lacks a file; what is in it is the same
                    for file in fresh.iterdir():
                        os.replace(file, home / file.name)
            finally:
                shutil.rmtree(within, ignore_errors=True)


@contextlib.contextmanager
def _into(folder: Path) -> Iterator[None]:
    """For what is written into `folder`, which is made.  Raises `ArchvizError` where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ArchvizError(f"cannot keep figures in {folder}: {error.strerror or error}") from None


def _take_one_thread() -> None:
    """In a process that was forked, compute without others: torch would wait for ever for those of the first process.

    As under ``sphinx-build -j2``, where sphinx-gallery has run a model before pages are read.
    """
    torch = sys.modules.get("torch")
    if torch is not None and os.getpid() != _first:
        torch.set_num_threads(1)


_first = os.getpid()


def digest(*words: str) -> str:
    hashed = blake2b(digest_size=16)
    for word in words:
        hashed.update(f"{len(word)}:{word}".encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()


@cache
def engine() -> str:
    """The digest of archviz's own code and styles: another one may draw otherwise."""
    return digest(*(_content(file) for file in own_files()))


def _content(file: Path) -> str:
    """The digest of what is in a file, empty for one that is not there."""
    try:
        return blake2b(file.read_bytes(), digest_size=8).hexdigest()
    except OSError:
        return ""


def _kept(path: Path) -> Graph | None:
    """A graph that was kept, or None for none that can be read."""
    try:
        graph = from_json(path.read_bytes().decode("utf-8", "surrogatepass"))
    except (OSError, ValueError):
        return None
    return graph if {"sources", "engine"} <= set(graph.attrs) and isinstance(graph.attrs["sources"], dict) else None


def _bare(graph: Graph, *more: str) -> Graph:
    """Without what is only said of the file, and without what else is `more` that no figure shows."""
    dropped = ("sources", "engine", *more)
    return replace(graph, attrs={key: value for key, value in graph.attrs.items() if key not in dropped})
