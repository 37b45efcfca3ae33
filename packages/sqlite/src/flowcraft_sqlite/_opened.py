"""Whether a file that is open is what its name leads to still."""

from __future__ import annotations

import os
import time

from flowcraft_core.errors import BackendGoneError

# A folder's time tells of every change that comes later than its clock's next tick, of which there are 100 a second.
_TICK_NS = 50_000_000

# Where clocks tick more slowly, as on old file systems, the log is looked at so often all the same. Seconds.
_LOOK_EVERY = 1.0


class Opened:
    """The file that was opened, and the log beside it: whether they are what their names lead to still.

    A file that is deleted, or replaced as a restored backup replaces it, goes on to exist for whoever has it open. All
    that is written to it then reaches nobody, without any error.

    Who asks for a file's times has the next write to it store an exact one (since Linux 6.13), which makes the sync
    after that write half as long again. The log is written by every commit. So it is looked at only if a name in its
    folder may have changed since the last look, which the folder's own time tells.
    """

    def __init__(self, path: str) -> None:
        """Take what the names lead to now."""
        self._path, self._log, self._folder = path, f"{path}-wal", os.path.dirname(path)
        self._known = _identity(path), _identity(self._log)
        self._settled: int | None = None  # the folder's time at the last look at the log, if it tells of all since
        self._looked_at = 0.0

    def require(self) -> None:
        """See to it that they are the same files.

        Raises:
            BackendGoneError: One was deleted, replaced or emptied.
        """
        file, log = self._known
        found = _stat(self._path)
        self._require(self._path, file, found)
        if found is not None and found.st_size == 0:
            raise _gone(self._path, "was emptied")
        changed = _changed_at(self._folder)
        if changed is not None and changed == self._settled and time.monotonic() - self._looked_at < _LOOK_EVERY:
            return
        self._require(self._log, log, _stat(self._log))
        self._settled = changed if changed is not None and changed < time.time_ns() - _TICK_NS else None
        self._looked_at = time.monotonic()

    def _require(self, name: str, known: tuple[int, int] | None, found: os.stat_result | None) -> None:
        if known is None:  # it has no such name, as the log of a file that is a link
            return
        if found is None:
            raise _gone(name, "was deleted")
        if (found.st_dev, found.st_ino) != known:
            raise _gone(name, "was replaced by another")


def _gone(name: str, what: str) -> BackendGoneError:
    return BackendGoneError(
        f"SQLite file {name!r} {what} while it was open, and what is written to it reaches nobody: stop "
        "whatever uses it, put the right file there, and open it anew"
    )


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a file from every other; None if there is none of that name."""
    found = _stat(path)
    return None if found is None else (found.st_dev, found.st_ino)


def _changed_at(folder: str) -> int | None:
    found = _stat(folder)
    return None if found is None else found.st_mtime_ns


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
