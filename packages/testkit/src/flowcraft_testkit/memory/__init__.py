"""The four ports in memory: by default as weak as the weakest cloud, on an injected clock and seeded dice."""

from .backend import InMemoryBackend
from .context import InMemoryContextStore
from .coordination import InMemoryCoordinationStore
from .queue import InMemoryJobQueue
from .status import InMemoryStatusStore
from .weaknesses import CLOUD_QUEUE, CLOUD_STORE, Weaknesses

__all__ = [
    "CLOUD_QUEUE",
    "CLOUD_STORE",
    "InMemoryBackend",
    "InMemoryContextStore",
    "InMemoryCoordinationStore",
    "InMemoryJobQueue",
    "InMemoryStatusStore",
    "Weaknesses",
]
