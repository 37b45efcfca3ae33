"""Runs that begin by one request, in memory."""

from __future__ import annotations

from flowcraft_core.ports import Fact, Message, RunStatus
from flowcraft_core.queues import DEFAULT_QUEUE

from .connection import Connection
from .context import check_fact
from .queue import check_messages
from .status import check_status
from .transactions import Shared


class InMemoryStarts:
    """A ``Starts`` on what is in memory. What the port's contract does not allow is a ``ValueError``."""

    def __init__(self, connection: Connection, shared: Shared) -> None:
        self._connection, self._shared = connection, shared

    async def begin(
        self,
        run_id: str,
        key: str,
        fact: Fact,
        status: RunStatus,
        message: Message,
        *,
        delay: float = 0.0,
        queue: str = DEFAULT_QUEUE,
    ) -> Fact | None:
        """See ``Starts.begin``."""
        shared = self._shared
        messages = shared.messages if queue == DEFAULT_QUEUE else shared.queues.of(queue)
        check_fact(run_id, key, fact, shared.limits)
        check_status(status)
        check_messages([message], delay, messages.limits)

        def begin() -> Fact | None:
            standing = shared.facts.write_if(run_id, key, fact, lambda standing: standing is None, self._connection)
            if standing is None:
                shared.statuses.create(status)
                messages.add([message], delay)
            return standing

        return await self._connection.request(begin)
