"""What files can do that a store needs: to be written whole or not at all, once, or one after the other."""

import asyncio
import errno
import fcntl
import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.receiving import Receives

T = TypeVar("T")

_PASSES_BY = {errno.EAGAIN, errno.EINTR, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.ESTALE}


class Directory:
    """The files of a backend. Its client's event loop never waits for a disk: calls are made in threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.receives = Receives()
        self._threads: ThreadPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Create what is missing, and bind to the running event loop."""
        if self._threads is not None:
            raise BackendError("this DirectoryBackend is open already: make another one for another client")
        for name in ("temporary", "locks", "queue", "queues", "facts", "values", "statuses", "hints"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self._threads, self._loop = ThreadPoolExecutor(8), asyncio.get_running_loop()

    def close(self) -> None:
        """Let the threads end what they are at."""
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = self._loop = None

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function in a thread. The one place where errors of the disk become errors of the port."""
        if self._threads is None or self._loop is not asyncio.get_running_loop():
            raise BackendError("this DirectoryBackend is not open in this event loop: open one in each loop")
        try:
            return await self._loop.run_in_executor(self._threads, function)
        except OSError as error:
            kind = TransientError if error.errno in _PASSES_BY else BackendError
            raise kind(f"directory {str(self.root)!r}: {error}") from error

    def write_new(self, path: Path, data: bytes, *, sync: bool = True) -> bool:
        """Write a file if there is none: it is there as a whole or not at all, and of many writers one succeeds."""
        whole = self._written(data, sync)
        try:
            path.parent.mkdir(exist_ok=True)
            os.link(whole, path)  # unlike a rename it fails if the name is taken
        except FileExistsError:
            return False
        finally:
            whole.unlink()
        return True

    def change(self, path: Path, change: Callable[[bytes | None], bytes | None], *, sync: bool = True) -> None:
        """Put a file in the place of what is there (None: nothing), with all others kept out meanwhile."""
        with (self.root / "locks" / hashed(str(path))[:2]).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file is closed, also by the death of the process
            before = read(path)
            after = change(before)
            if after == before:
                pass  # also where nothing was: somebody may have written a new one meanwhile, who takes no lock
            elif after is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(exist_ok=True)
                self._written(after, sync).replace(path)

    def _written(self, data: bytes, sync: bool) -> Path:
        path = self.root / "temporary" / uuid.uuid4().hex
        with path.open("xb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        return path


def hashed(text: str) -> str:
    """A file's name for any text: names of files are short, and some characters cannot be in them."""
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: Path) -> bytes | None:
    """What is in a file; None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def remove(paths: Sequence[Path]) -> None:
    """Remove files; what is not there is no error."""
    for path in paths:
        path.unlink(missing_ok=True)


def check(holds: bool, problem: str) -> None:
    """Refuse what is beyond a limit, before anything is done."""
    if not holds:
        raise ValueError(problem)
