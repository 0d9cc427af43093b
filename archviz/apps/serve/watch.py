"""Which files have changed, by looking at them a few times a second.

In: paths, which need not be there yet.  Out: those that are not as they were, once they have settled.

An editor may write a file in pieces, or put another in its place, so that for a moment there is none: a change counts
when nothing has moved for a while.  A file that is written with what it held before has not changed.
"""
from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

TICK = 0.1              # seconds between two looks
QUIET = 0.15            # seconds that nothing moves before a change counts
GONE = 1.0              # seconds before a file that was there counts as removed

Stamp = tuple[int, int, int] | None
"""When a file was written, its size, and which one it is; None where there is none."""


@dataclass(frozen=True)
class Seen:
    """A file as it was when a figure was drawn of it."""

    stamp: Stamp
    digest: bytes


@dataclass
class Watch:
    """Files, and how they were when `take` was last called."""

    seen: dict[Path, Seen] = field(default_factory=dict)
    last: dict[Path, Stamp] = field(default_factory=dict)       # as of the last look
    moved: float = 0.0                                          # when something was last seen to move

    def take(self) -> float:
        """Take the files as they are now for those that are drawn; returns the time, for `follow`."""
        now = time.time()
        self.seen = {path: _seen(path) for path in self.seen}
        return now

    def follow(self, files: Iterable[Path], since: float, all_of_them: bool) -> None:
        """Watch `files`, and where they are not `all_of_them`, those that were watched before, too.

        Of a file that is new here and was written after `since`, when the figure was begun, nobody knows which version
        the figure shows: it counts as changed.
        """
        before = self.seen
        self.seen = {} if all_of_them else dict(before)
        for path in files:
            state = before.get(path) or _seen(path)
            unsure = path not in before and state.stamp is not None and since < state.stamp[0] / 1e9 <= time.time()
            self.seen[path] = Seen((0, 0, 0), b"") if unsure else state

    def changed(self, now: float) -> tuple[Path, ...]:
        """The files that are not as they were and have settled, at the time `now` of a clock that never jumps."""
        current = {path: _stamp(path) for path in self.seen}
        if current != self.last:
            self.last, self.moved = current, now
        other = [path for path, stamp in current.items() if stamp != self.seen[path].stamp]
        gone = any(current[path] is None for path in other)
        if not other or now - self.moved < (GONE if gone else QUIET):
            return ()
        states = {path: _seen(path) for path in other}
        changed = tuple(path for path in other if states[path].digest != self.seen[path].digest)
        self.seen.update({path: one for path, one in states.items() if path not in changed})
        return changed


def _stamp(path: Path) -> Stamp:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


def _seen(path: Path) -> Seen:
    stamp = _stamp(path)
    try:
        return Seen(stamp, blake2b(path.read_bytes()).digest())
    except OSError:
        return Seen(stamp, b"")
