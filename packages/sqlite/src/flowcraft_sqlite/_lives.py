"""Who has received from a file, and whether they live still: each holds a lock that the system drops with its process.

Beside the file lies a folder ``<file>-workers`` with a file for each who receives. Its maker has locked it before it
got its name, and holds the lock for as long as it lives. Whoever gets that lock knows that the other is dead, however
it died; one that is stopped, or slow, or waits for a debugger, has its lock. What a process forks inherits the lock, so
that death is noticed once the last of them has ended: late at worst, never wrongly. Where locks cannot be had (Windows,
some network file systems) nobody is taken for dead, and messages come back when their time is up.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Holders are numbered from 1 to below this.
MOST_HOLDERS = 2**24

# Seconds of the machine's time between two looks: a few system calls for each who receives.
_LOOK_EVERY = 1.0


@attrs.define(eq=False)
class Lives:
    """The life of one who receives, and a look at those of the others.

    Attributes:
        path: The database's file.
        holder: Its number, for its tokens; 0 for one who cannot be known to live.
    """

    path: str
    holder: int = 0
    _lock: int | None = None
    _next_look: float = -float("inf")

    @property
    def is_due(self) -> bool:
        """Whether to look at the others again."""
        return fcntl is not None and time.monotonic() >= self._next_look

    def begin(self) -> None:
        """Be known to live from now on; once more does nothing."""
        if fcntl is None or self._lock is not None:
            return
        with contextlib.suppress(OSError):
            os.makedirs(self._folder, exist_ok=True)
            holder = 1 + secrets.randbelow(MOST_HOLDERS - 1)
            unfinished = f"{self._file(holder)}.{secrets.token_hex(4)}"
            lock = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.link(unfinished, self._file(holder))  # unlike a renaming, it fails if somebody has that number
            except BaseException:
                os.close(lock)
                raise
            finally:
                os.unlink(unfinished)
            self._lock, self.holder = lock, holder

    def end(self) -> None:
        """Be nobody any more."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._file(self.holder))
            os.close(self._lock)
        self._lock, self.holder, self._next_look = None, 0, -float("inf")

    @contextlib.contextmanager
    def ended(self) -> Iterator[list[int]]:
        """Those who are dead, for a ``with`` block; after it nobody finds them again, unless it raised."""
        self._next_look = time.monotonic() + _LOOK_EVERY
        locks: dict[int, int] = {}
        try:
            for name in self._names():
                if (holder := int(name)) != self.holder and (lock := _locked(self._file(holder))) is not None:
                    locks[holder] = lock
            yield list(locks)
            for holder in locks:
                with contextlib.suppress(OSError):
                    os.unlink(self._file(holder))
        finally:
            for lock in locks.values():
                os.close(lock)

    def _names(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._folder) if name.isascii() and name.isdigit()]
        except OSError:
            return []

    @property
    def _folder(self) -> Path:
        return Path(f"{self.path}-workers")

    def _file(self, holder: int) -> Path:
        return self._folder / str(holder)


def _locked(path: Path) -> int | None:
    """The lock of a file whose maker is dead; None if it lives, or somebody else looks just now."""
    try:
        lock = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock
