"""The scenarios' backend on the emulators, in real time that runs faster."""

from __future__ import annotations

import atexit
import functools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar
from urllib.parse import urlsplit

import attrs
from azure_emulators import Emulators, emulators
from dialects import COSMOS, QUEUE_STORAGE
from durable_backend import Durable
from flowcraft_core import ports
from flowcraft_testkit.contracts import FastClock
from hastened import Hastened
from places import Place
from proxy import CUTS, MALFORMED, HttpProxy, Proxy, RedisProxy

RATE = 10.0
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


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


class OnAzure(Durable):
    """Workers in this process, each with clients of its own.

    Queue Storage counts in whole seconds of its own; a beat is one of them.

    Attributes:
        patience: Seconds that a check may take: a hundred beats, or two thousand runs, are long on the servers' clocks.
    """

    name = "azure"
    late = 60.0
    beat = 10.0
    hour = 50.0
    day = 150.0
    options: ClassVar[Mapping[str, Any]] = {"poll": 20.0, "reconcile_interval": 20.0}
    moments: ClassVar[Iterable[int]] = (2, 5, 9)
    patience: ClassVar[float] = 1_500.0
    longest: ClassVar[float] = 250.0
    #: A pass is two writes, each of them some ten milliseconds on emulators; the jobs are as many as of 2,000.
    passes: ClassVar[int] = 200

    def __init__(self) -> None:
        super().__init__()
        self.clock: FastClock = FastClock(RATE)
        self.place = Place(_emulators())
        self._is_there = False
        self._standing, self._trouble = ExitStack(), ExitStack()
        self._proxies: list[Proxy] = []

    def connect(self) -> ports.Backend:
        """See ``Durable``."""
        backend = self.place.backend(staleness=2.0, longest_pause=0.2)
        hastened = Hastened(
            backend, self.clock, RATE, max_delay=MAX_DELAY, max_visibility=self.longest_visibility, own_time=True
        )
        return _Creating(self, hastened)

    def stand_between(self) -> None:
        """See ``Durable``; from now on all connections are to proxies."""
        behind = self.place.emulators
        queue = HttpProxy(*_address(behind.queue_url), QUEUE_STORAGE, seed=3)
        cosmos = HttpProxy(*_address(behind.cosmos_url), COSMOS, seed=5)
        redis = RedisProxy(*_address(behind.redis_url), seed=7)
        self._proxies = [self._standing.enter_context(proxy) for proxy in (queue, cosmos, redis)]
        proxied = attrs.evolve(
            behind,
            queue_url=f"{queue.url}{urlsplit(behind.queue_url).path}",
            cosmos_url=cosmos.url,
            redis_url=f"redis://{redis.host}:{redis.port}/0?protocol=2",
        )
        self.place = attrs.evolve(self.place, emulators=proxied)

    async def spoil_answers(self, every: int) -> None:
        """See ``Durable``; it is done to the services' answers, on their way."""
        self._trouble.close()
        for proxy in self._proxies if every else ():
            spoiling = [kind for kind in (*CUTS, *MALFORMED) if kind in proxy.kinds]
            self._trouble.enter_context(proxy.trouble(spoiling, rate=1 / every))

    async def pass_time(self, seconds: float) -> None:
        """See ``Backend``; it passes at once, and nobody works meanwhile."""
        await self.leave()
        self.clock.put_forward(seconds)
        await self.staff()

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

    async def close(self) -> None:
        """See ``Backend``."""
        self._trouble.close()
        await super().close()
        if self._is_there:
            await self.place.remove()
        self._standing.close()

    async def create(self) -> None:
        """Create what is stored in, once."""
        if not self._is_there:
            self._is_there = True
            await self.place.create()


class _Creating:
    """A backend that creates its place when it is opened first."""

    def __init__(self, scenario: OnAzure, backend: Hastened) -> None:
        self._scenario, self._backend = scenario, backend
        self.queue: ports.JobQueue = backend.queue
        self.context, self.status = backend.context, backend.status
        self.coordination, self.by_hand = backend.coordination, backend.by_hand

    async def open(self) -> None:
        await self._scenario.create()
        await self._backend.open()

    async def close(self) -> None:
        await self._backend.close()
