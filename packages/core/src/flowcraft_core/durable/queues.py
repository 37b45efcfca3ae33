"""A backend's queues by name, whichever it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import UnknownQueueError
from ..graph.queues import queues_of
from ..graph.scopes import Graph
from ..ports import Backend, JobQueue, NamedQueues
from ..queues import DEFAULT_QUEUE


def queue_named(backend: Backend, name: str) -> JobQueue:
    """A backend's queue of a name.

    Raises:
        UnknownQueueError: It has none of that name.
    """
    if name == DEFAULT_QUEUE:
        return backend.queue
    queues: NamedQueues | None = getattr(backend, "queues", None)
    if queues is None:
        raise UnknownQueueError(
            f"there is no queue {name!r}: this backend has one queue only, {DEFAULT_QUEUE!r}, and no others by name"
        )
    return queues.named(name)


async def queue_names(backend: Backend, others: Iterable[str] = ()) -> list[str]:
    """The names of a backend's queues, as far as it knows them; the one that it has in any case first.

    Args:
        backend: The backend.
        others: Names of others that somebody knows of.
    """
    queues: NamedQueues | None = getattr(backend, "queues", None)
    told = [] if queues is None else await queues.names()
    return [DEFAULT_QUEUE, *sorted({*told, *others} - {DEFAULT_QUEUE})]


def require_queues(backend: Backend, graphs: Mapping[str, Graph], of_run: str | None) -> None:
    """See to it, before a run begins, that a backend has every queue that its jobs may go to.

    Args:
        backend: Where it is to run.
        graphs: The run's flow and all that it can call, by id.
        of_run: The queue that it is started with.

    Raises:
        UnknownQueueError: It has not; the message says who names the queue.
    """
    for name, who in queues_of(graphs, of_run).items():
        try:
            queue_named(backend, name)
        except UnknownQueueError as error:
            raise UnknownQueueError(f"{who} names the queue {name!r}: {error}") from error
