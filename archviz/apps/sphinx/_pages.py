"""What the environment keeps of each page: which figures are on it, and whether one failed, so that it is read again.

In: Sphinx's events.  Out: the store, warnings, the pages that are out of date.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from archviz.apps.request.job import Job
from archviz.apps.sphinx.store import Store, engine
from archviz.core.errors import ArchvizError

logger = logging.getLogger(__name__)


def warn(directive: SphinxDirective, message: str) -> None:
    """One warning, at the directive's own line; the page is read again by the next build, until it is mended."""
    failed(directive.env).add(directive.env.docname)
    logger.warning("%s", message, location=directive.get_location(), type="archviz")


def store_of(env: BuildEnvironment) -> Store:
    """The store that the configuration names."""
    base, config = Path(env.srcdir), env.config
    return Store(
        base / config.archviz_cache if config.archviz_cache else Path(env.doctreedir) / "archviz", base,
        base / config.archviz_graphs if config.archviz_graphs else None, config.archviz_latex == "tikz",
        lambda what, target: logger.info("archviz: %s %s", what, target))


def failed(env: BuildEnvironment) -> set[str]:
    """The pages with a figure that could not be drawn, or only in part."""
    pages: set[str] = env.__dict__.setdefault("archviz_failed", set())
    return pages


@dataclass(frozen=True)
class Kept:
    """A figure on a page: its `key` in the store, whether it has a `dark` variant, which `project` file held for it."""

    key: str
    dark: bool
    target: str
    alone: bool
    project: Path | None

    def stale(self, env: BuildEnvironment) -> bool:
        """Whether it is gone from the store, or another project file holds by now."""
        try:
            project = Job(self.target, alone=self.alone, folder=Path(env.srcdir)).project_file
        except ArchvizError:
            return True
        return project != self.project or not store_of(env).holds(self.key, self.dark)


def figures_of(env: BuildEnvironment) -> dict[str, set[Kept]]:
    """What figures are on each page."""
    figures: dict[str, set[Kept]] = env.__dict__.setdefault("archviz_figures", {})
    return figures


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    failed(env).discard(docname)
    figures_of(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    """What a process that read some of the pages found out."""
    failed(env).update(failed(other) & set(docnames))
    figures_of(env).update({name: keys for name, keys in figures_of(other).items() if name in docnames})


def outdated(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> set[str]:
    """Pages to read again though nothing was edited.

    Those that failed, those whose figures are gone or fall under another project file, and all with figures after
    archviz itself has changed.
    """
    before = env.__dict__.get("archviz_engine")
    env.__dict__["archviz_engine"] = engine()
    if before != engine():
        return failed(env) | set(figures_of(env))
    return failed(env) | {name for name, figures in figures_of(env).items() if any(one.stale(env) for one in figures)}


def unwritten(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Pages that another builder's run read anew, since a file of a figure changed, after this builder wrote them.

    Sphinx itself looks at the pages' own files only.
    """
    builder = app.builder
    place = getattr(builder, "get_output_path", None) or getattr(builder, "get_outfilename", None)     # before Sphinx 8
    suffix = getattr(builder, "out_suffix", "")
    if not place and not suffix:
        return []               # what is one file is written anew each time

    def older(name: str) -> bool:
        written = Path(place(name) if place else Path(builder.outdir) / f"{name}{suffix}")
        read = Path(env.doctreedir) / f"{name}.doctree"
        return written.is_file() and read.is_file() and written.stat().st_mtime_ns < read.stat().st_mtime_ns

    return [name for name in sorted(figures_of(env)) if older(name)]
