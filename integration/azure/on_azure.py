"""The scenarios' backend on the emulators, in real time that runs faster."""

from __future__ import annotations

import atexit
import functools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

from azure_emulators import Emulators, emulators
from flowcraft_core import ports
from hastened import Hastened
from on_emulators import OnEmulators
from places import Place

MAX_DELAY = 30.0

_stack = ExitStack()


@functools.cache
def _emulators() -> Emulators:
    """Those of all checks; they start with the first, and end with the process at the latest."""
    return _stack.enter_context(emulators())


def end_emulators() -> None:
    """End the emulators, if they were started."""
    _stack.close()


atexit.register(end_emulators)


class OnAzure(OnEmulators):
    """On a queue, a database and a prefix of this check's own, in Azurite, a Cosmos DB server and Redis.

    Queue Storage counts in whole seconds of its own; a beat is one of them.
    """

    name = "azure"
    late = 60.0
    hour = 50.0
    day = 150.0
    options: ClassVar[Mapping[str, Any]] = {"poll": 20.0, "reconcile_interval": 20.0}
    moments: ClassVar[Iterable[int]] = (2, 5, 9)

    def __init__(self) -> None:
        super().__init__()
        self.place = Place(_emulators())
        self._is_there = False

    def connect(self) -> ports.Backend:
        """See ``Durable``."""
        backend = self.place.backend(staleness=2.0, longest_pause=0.2)
        hastened = Hastened(
            backend, self.clock, max_delay=MAX_DELAY, max_visibility=self.longest_visibility, own_time=True
        )
        return _Creating(self, hastened)

    def stand_between(self) -> None:
        """See ``Durable``."""
        self.place, self.proxies = self.standing.enter_context(self.place.proxied())

    async def lose_messages(self) -> None:
        """See ``Durable``."""
        async with self.place.emulators.queue_client(self.place.name) as queue:
            await queue.clear_messages()

    async def lose_coordination(self) -> None:
        """See ``Durable``."""
        redis = self.place.emulators.redis_client()
        await redis.flushall()
        await redis.aclose()

    async def begin_by_hand(self, run_id: str, context: Mapping[str, Any]) -> None:
        """See ``Durable``."""
        await self.create()
        await self.place.write_by_hand(run_id, context, self.clock.now())

    async def spoil_rows(self) -> tuple[int, Sequence[str]]:
        """See ``Durable``; what people write by hand for a context may be anything, and so may a message's bytes."""
        await self.create()
        status = {"id": "status", "v": 1, "status": "running", "blueprintId": "", "created": 1, "updated": 1}
        status |= {"lastUpdated": "1970", "nextCheck": 1, "tags": {}, "reason": None, "body": None}
        odd: tuple[dict[str, Any], ...] = (
            *({"tags": "no map"}, {"tags": [1]}, {"tags": {"a": 1}}, {"created": "yesterday"}, {"updated": None}),
            *({"v": "1"}, {"run": 5}, {"reason": {"a": 1}}, {"blueprintId": None}, {"lastUpdated": 5}),
        )
        await self.place.write_documents(
            "statuses", [{"runId": f"odd {n}", "run": f"odd {n}", **status, **change} for n, change in enumerate(odd)]
        )
        return 0, ()

    async def create(self) -> None:
        """Create what is stored in, once."""
        if not self._is_there:
            self._is_there = True
            await self.place.create()
            self.standing.push_async_callback(self.place.remove)


class _Creating:
    """A backend that creates its place when it is opened first."""

    def __init__(self, scenario: OnAzure, backend: Hastened) -> None:
        self._scenario, self._backend = scenario, backend
        self.queue: ports.JobQueue = backend.queue
        self.context, self.status = backend.context, backend.status
        self.coordination, self.by_hand = backend.coordination, backend.by_hand
        self.queues = backend.queues

    async def open(self) -> None:
        await self._scenario.create()
        await self._backend.open()

    async def close(self) -> None:
        await self._backend.close()
