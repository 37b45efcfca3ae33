"""What a worker says of its own life: who it is, where it works and on what, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import attrs

from ..catalogue import Catalogue
from ..ids import whereabouts
from ..logging.catalogue import WORKER_FAILED, WORKER_STARTED, WORKER_STOPPED
from ..logging.journal import Journal
from ..ports import Backend
from .intake import Served

# Of more flows than these only the number is told.
_FLOWS_SHOWN = 20


@attrs.define
class WorkerLog:
    """Tells the life of one worker.

    Attributes:
        journal: Bound to the worker.
        given_back: How many jobs it has given back to the queue unfinished.
    """

    journal: Journal
    given_back: int = 0
    _since: float = 0.0

    def started(
        self, backend: Backend, queues: Sequence[Served], catalogue: Catalogue, concurrency: int, now: float
    ) -> None:
        """It begins to take jobs."""
        self._since = now
        host, pid = whereabouts()
        self.journal.tell(
            WORKER_STARTED,
            backend=name_of(backend, type(backend).__name__),
            queues=", ".join(map(_shown, queues)),
            flows=", ".join(flows_of(catalogue)) or "none",
            version=own_version(),
            concurrency=concurrency,
            host=host,
            pid=pid,
        )

    def ended(self, now: float, error: BaseException | None) -> None:
        """It has ended.

        Args:
            now: Seconds since the epoch.
            error: What ended it, if it did not stop as it should.
        """
        if error is None or isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
            self.journal.tell(WORKER_STOPPED, seconds=now - self._since, given_back=self.given_back)
        else:
            self.journal.tell(WORKER_FAILED, error, seconds=now - self._since)


def _shown(served: Served) -> str:
    """A queue's name, with what the backend calls it, if that is something else."""
    place = name_of(served.queue, served.name)
    return served.name if place == served.name else f"{served.name} ({place})"


def own_version() -> str:
    """The version of this distribution."""
    from importlib.metadata import version  # noqa: PLC0415 # reads mails and archives, and takes as long as a worker's

    return version("flowcraft-core")


def name_of(place: object, otherwise: str) -> str:
    """What a backend or queue calls itself, see ``ports.Named``."""
    name = getattr(place, "name", None)
    return name if isinstance(name, str) else otherwise


def flows_of(catalogue: Catalogue) -> list[str]:
    """The flows that a worker brings, each with its version; of many the first, and how many more there are."""
    shown = []
    for blueprint_id, graph in sorted(catalogue.graphs.items()):
        of_author = (graph.blueprint.metadata or {}).get("version")
        shown.append(f"{blueprint_id} {of_author if isinstance(of_author, str) else graph.hash[:8]}")
    more = len(shown) - _FLOWS_SHOWN
    return [*shown[:_FLOWS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
