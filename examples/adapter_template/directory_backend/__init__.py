"""A backend for Flowcraft on a directory of files: one to read in one sitting, and to begin one's own from."""

from pathlib import Path
from typing import Self

from flowcraft_core.clock import Clock, SystemClock
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.ports import ContextStore, CoordinationStore, JobQueue, NamedQueues, StatusStore
from flowcraft_core.urls import BackendUrl

from .context import DirectoryContextStore
from .coordination import DirectoryCoordinationStore
from .files import Directory
from .queue import DirectoryJobQueue, DirectoryNamedQueues
from .status import DirectoryStatusStore

__all__ = ["DirectoryBackend"]


class DirectoryBackend:
    """A ``flowcraft_core.ports.Backend`` on a directory of a local disk, for any number of processes."""

    queue: JobQueue
    queues: NamedQueues
    context: ContextStore
    status: StatusStore
    coordination: CoordinationStore

    def __init__(self, path: str | Path, *, clock: Clock | None = None) -> None:
        """Touch nothing yet; ``clock`` is what delays, visibility and times to live go by."""
        clock = clock or SystemClock()
        self._directory = directory = Directory(Path(path))
        self.queue = DirectoryJobQueue(directory, clock)
        self.queues = DirectoryNamedQueues(directory, clock)
        self.context = DirectoryContextStore(directory)
        self.status = DirectoryStatusStore(directory)
        self.coordination = DirectoryCoordinationStore(directory, clock)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """A backend on the directory of ``directory:///path``, or ``directory:////absolute/path``."""
        parts = BackendUrl.parse(url, options=())
        if parts.host or len(parts.path) < 2:
            raise ConfigurationError(f"{parts}: write directory:///path, or directory:////absolute/path")
        return cls(parts.path[1:])

    async def open(self) -> None:
        """Create what is missing, and bind to the running event loop."""
        self._directory.open()

    async def close(self) -> None:
        """Give back what nobody waits for any more, and let go of the threads; what was sent and stored stays."""
        await self._directory.receives.end()
        self._directory.close()
