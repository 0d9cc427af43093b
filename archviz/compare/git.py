"""A model as it was: files at a git revision, with what they import at that revision.

In: ``HEAD~1:model.py``.  Out: a target in a temporary folder that holds the whole tree of that revision, valid as long
as the context lasts.

The repository is only read: no checkout, no index, no worktree, no lock.  Contents come from ``git cat-file``, so no
filter, hook or attribute runs.  While the context lasts, whatever Python would import from the working tree (by its
path, or by an editable installation) is imported from the temporary folder, and the working folder is that one's.
"""
from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.files import PACKAGE

LARGEST = 64 << 20      # bytes of a file that is taken along: weights say nothing of an architecture
LIBRARIES = frozenset(("site-packages", "dist-packages"))


def parse(target: str) -> tuple[str, str]:
    """The revision of a target, empty where it has none, and the rest: ``HEAD~1``, ``model.py:Net``.

    ``HEAD~1:`` is a revision of a file that is named elsewhere; ``package.module:Net`` has none.
    """
    first, colon, rest = target.partition(":")
    drive = len(first) == 1 and rest[:1] in ("\\", "/")
    if not colon or not first or drive or first.endswith((".py", ".json")):
        return "", target
    if not rest or ":" in rest or re.search(r"\.(py|json)$", rest):
        return first, rest
    return "", target


@contextlib.contextmanager
def at_revision(revision: str, target: str) -> Iterator[str]:
    """The target in a folder with the tree of `revision`.  Raises `ArchvizError` where there is no such thing."""
    file = re.fullmatch(r"(.*\.(?:py|json))(:.*)?", target, re.DOTALL)
    path = Path(file[1]).absolute() if file else None
    start = next(folder for folder in (path or Path.cwd() / "x").parents if folder.is_dir())
    root = _root(start, revision)
    commit = _commit(root, revision)
    files = _files(root, commit)
    inside = _inside(path, Path(file[1]), root, files, revision) if file and path else None
    with tempfile.TemporaryDirectory(prefix="archviz-") as place:
        tree = Path(place).resolve() / root.name
        _write(root, files, tree)
        tracked = frozenset(os.fsdecode(_git(root, "ls-files", "-z", "--full-name").stdout).split("\0"))
        with _instead(root, tree, tracked):
            yield f"{tree / inside}{(file and file[2]) or ''}" if inside else target


def _inside(path: Path, written: Path, root: Path, files: Sequence[tuple[str, str, str]], revision: str) -> str:
    """Where the file lies in the tree: as seen from the current folder, or as git writes it, from the topmost one."""
    paths = {name for _, _, name in files}
    resolved = Path(os.path.normpath(path.parent.resolve() / path.name))
    names = [resolved.relative_to(root).as_posix()] if resolved.is_relative_to(root) else []
    names += [written.as_posix()] if not written.is_absolute() else []
    inside = next((name for name in names if name in paths), None)
    if inside is None:
        near = did_you_mean(names[0] if names else written.name, [name for name in paths if name.endswith(path.suffix)])
        raise ArchvizError(f"there is no file {names[0] if names else written} in {revision}",
                           near or f"git log --follow -- {written} says since when there is one, and under which name")
    return inside


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"})
    except FileNotFoundError:
        raise ArchvizError("git is not installed, and a revision was named",
                           "install git, or compare two files: archviz diff old.py new.py") from None


def _root(folder: Path, revision: str) -> Path:
    answer = _git(folder, "rev-parse", "--show-toplevel")
    if answer.returncode:
        reason = os.fsdecode(answer.stderr).strip().partition("\n")[0].removeprefix("fatal: ")
        raise ArchvizError(f"{folder} is not in a git repository, and {revision!r} was taken for a revision",
                           "" if reason.startswith("not a git repository") else reason)
    return Path(os.fsdecode(answer.stdout).removesuffix("\n")).resolve()


def _commit(root: Path, revision: str) -> str:
    answer = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if answer.returncode:
        names = os.fsdecode(_git(root, "for-each-ref", "--format=%(refname:short)").stdout).split()
        raise ArchvizError(f"there is no revision {revision!r} in {root}", did_you_mean(revision, names)
                           or "a revision is a commit, a branch or a tag, as in HEAD~1: or v1.0:")
    return os.fsdecode(answer.stdout).strip()


def _files(root: Path, commit: str) -> list[tuple[str, str, str]]:
    """Mode, id and path of every file of a commit that is not too large to be code."""
    files = []
    for line in os.fsdecode(_git(root, "ls-tree", "-r", "-l", "-z", "--full-tree", commit).stdout).split("\0"):
        facts, tab, path = line.partition("\t")
        if tab:
            mode, kind, key, size = facts.split()
            if kind == "blob" and int(size) <= LARGEST:
                files.append((mode, key, path))
    return files


def _write(root: Path, files: Sequence[tuple[str, str, str]], tree: Path) -> None:
    """Write the files of a commit into a folder."""
    tree.mkdir()
    with subprocess.Popen(["git", "-C", str(root), "cat-file", "--batch"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as git:
        assert git.stdin is not None and git.stdout is not None
        for mode, key, name in files:
            git.stdin.write(f"{key}\n".encode())
            git.stdin.flush()
            head = git.stdout.readline().split()
            if len(head) != 3:
                raise ArchvizError(f"git has not the content of {name}", "in a partial clone: git fetch")
            content = git.stdout.read(int(head[2]))
            git.stdout.read(1)
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if mode == "120000":
                target = os.path.normpath(path.parent / os.fsdecode(content))
                if Path(target).is_relative_to(tree):       # a link out of the tree leads nowhere here
                    os.symlink(os.fsdecode(content), path)
            else:
                path.write_bytes(content)


@contextlib.contextmanager
def _instead(root: Path, tree: Path, tracked: frozenset[str]) -> Iterator[None]:
    """Let Python find in `tree` what it would find in `root`."""
    before, path, here = dict(sys.modules), list(sys.path), Path.cwd()
    for name in [name for name, module in before.items() if _own(module, root)]:
        del sys.modules[name]
    finder = _Finder(root, tree, tracked)
    moved = [str(tree / place.relative_to(root)) for entry in path if (place := Path(entry).resolve()).is_relative_to(
        root) and _ours(place, root)]
    kept = [entry for entry in path if not _ours(Path(entry).resolve(), root)]
    sys.path[:] = [*moved, *kept]
    sys.meta_path.insert(0, finder)
    sys.path_importer_cache.clear()
    if here.is_relative_to(root) and (tree / here.relative_to(root)).is_dir():
        os.chdir(tree / here.relative_to(root))
    try:
        yield
    finally:
        os.chdir(here)
        sys.meta_path.remove(finder)
        sys.path[:] = path
        for name in [name for name, module in sys.modules.items() if _own(module, tree)]:
            del sys.modules[name]
        sys.modules.update({name: module for name, module in before.items() if name not in sys.modules})


def _ours(place: Path, root: Path) -> bool:
    """Whether a place is the user's: in the repository, and not among what is installed in an environment there."""
    return place.is_relative_to(root) and LIBRARIES.isdisjoint(place.relative_to(root).parts)


def _own(module: ModuleType, root: Path) -> bool:
    try:
        values = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return False
    file, inside = values.get("__file__"), values.get("__path__")
    try:
        places = [file] if isinstance(file, str) else list(inside or ())
    except Exception:       # a namespace whose parent is gone
        return False
    return any(_ours(place, root) and not place.is_relative_to(PACKAGE) for place in
               (Path(one).resolve() for one in places if isinstance(one, str)))


class _Finder:
    """Finds what others find in one folder in another one."""

    def __init__(self, root: Path, tree: Path, tracked: frozenset[str]) -> None:
        self.root, self.tree, self.tracked = root, tree, tracked

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
                  ) -> ModuleSpec | None:
        finders = [finder.find_spec for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next((spec for find in finders if (spec := find(name, path, target)) is not None), None)
        if spec is None or not spec.has_location or not spec.origin:
            return spec
        place = Path(spec.origin).resolve()
        if not _ours(place, self.root) or place.is_relative_to(self.tree) or place.is_relative_to(PACKAGE):
            return spec
        inside = place.relative_to(self.root)
        if (self.tree / inside).exists():
            folders = None if spec.submodule_search_locations is None else [str((self.tree / inside).parent)]
            return importlib.util.spec_from_file_location(name, self.tree / inside, submodule_search_locations=folders)
        if inside.as_posix() in self.tracked:
            raise ModuleNotFoundError(f"No module named {name!r} at that revision", name=name)
        return spec     # made here, as compiled extensions are, and no part of any revision
