"""The contracts of the four ports and of the backend, on the emulators; coordination in Redis and in Cosmos DB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import attrs
import pytest
from azure_side_door import AzureSideDoor
from flowcraft_core import Clock
from flowcraft_core.ports import Backend, QueueLimits, StoreLimits
from flowcraft_testkit.contracts import (
    BackendContract,
    BackendMaker,
    ContextStoreContract,
    CoordinationStoreContract,
    Declared,
    FastClock,
    JobQueueContract,
    Opener,
    SideDoor,
    StatusStoreContract,
    Trouble,
)
from hastened import Hastened
from known_gaps import EXCUSED
from on_azure import MAX_DELAY
from on_emulators import RATE
from places import Place
from troubles import ProxyTrouble

WEEK = 7 * 86_400.0

DECLARED = Declared(
    queue_limits=QueueLimits(max_send=1, max_receive=32, max_body_bytes=48_000, max_delay=WEEK, max_visibility=WEEK),
    store_limits=StoreLimits(max_value_bytes=750_000, max_keys_read=100, staleness=0.0),
    index_lag=1.0,
    skips_time=False,
    side_door=True,
    hand_written=True,
    cuts=True,
    outages=True,
    refusals=True,
    processes=True,
    other_store=True,
    by_url=True,
    depth="all",
    newest_first=False,
    diagnosis=True,
    transactions=False,
    named_queues=True,
    notices_death=False,
    starts=False,
)


class OnAzure:
    """An opener of backends on a place of the test's own, with Redis."""

    declared: ClassVar[Declared] = DECLARED

    redis: ClassVar[bool] = True
    _behind_proxies: Place | None = None

    @pytest.fixture
    def open_backend(self, place: Place) -> Opener:
        """See ``Contract``."""
        return lambda: (self._behind_proxies or place).backend(redis=self.redis, staleness=0.0)

    @pytest.fixture
    def side_door(self, place: Place) -> SideDoor:
        """See ``Contract``."""
        return AzureSideDoor(place)

    @pytest.fixture
    def trouble(self, place: Place) -> Iterator[Trouble]:
        """See ``Contract``; whatever is opened from now on goes through proxies."""
        with place.proxied() as (there, proxies):
            self._behind_proxies = there
            yield ProxyTrouble(proxies)

    @pytest.fixture
    def make_in_process(self, place: Place) -> BackendMaker:
        """See ``Contract``."""
        return partial(place.backend, redis=self.redis, staleness=0.0)

    @pytest.fixture
    def url(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> str:
        """See ``Contract``; what has a key in it comes from the environment."""
        for name, value in place.environment().items():
            monkeypatch.setenv(name, value)
        return place.url

    @pytest.fixture
    async def open_other(self, place: Place) -> AsyncIterator[Opener]:
        """See ``Contract``."""
        other = Place(place.emulators)
        await other.create()
        yield lambda: other.backend(redis=self.redis, staleness=0.0)
        await other.remove()


class TestAzureJobQueue(OnAzure, JobQueueContract):
    """The queue."""

    declared: ClassVar[Declared] = attrs.evolve(DECLARED, side_door=False)


class TestCosmosContextStore(OnAzure, ContextStoreContract):
    """The facts and context values."""


class TestCosmosStatusStore(OnAzure, StatusStoreContract):
    """The statuses."""


class TestRedisCoordinationStore(OnAzure, CoordinationStoreContract):
    """The counters, leases and sets, in Redis."""


class OnAzureWithoutRedis(OnAzure):
    """An opener of backends that have no Redis."""

    redis: ClassVar[bool] = False


class TestCosmosCoordinationStore(OnAzureWithoutRedis, CoordinationStoreContract):
    """The counters, leases and sets, in Cosmos DB."""


class TestAzureBackend(OnAzure, BackendContract):
    """All of it, on a clock that runs ten times as fast, and can be put forward."""

    declared: ClassVar[Declared] = attrs.evolve(DECLARED, side_door=False, skips_time=True)
    beat: ClassVar[float] = 10.0
    patience: ClassVar[float] = 100.0
    pause: ClassVar[float] = 0.5

    @pytest.fixture
    def clock(self) -> Clock:
        """See ``Contract``."""
        return FastClock(RATE)

    @pytest.fixture
    def open_backend(self, place: Place, clock: FastClock) -> Opener:
        """See ``Contract``."""
        self._place = place
        return lambda: Hastened(
            (self._behind_proxies or place).backend(staleness=0.0, longest_pause=0.2),
            clock,
            max_delay=MAX_DELAY,
            own_time=True,
        )

    async def write_by_hand(self, backend: Backend, run_id: str, blueprint_id: str, values: Mapping[str, Any]) -> None:
        """See ``BackendContract``; as people do who have only the SDKs."""
        await self._place.write_by_hand(run_id, values, self.now())


def test_no_clause_is_excused() -> None:
    """Excuses belong into ``known_gaps``, and each is taken back as soon as an emulator has mended it."""
    assert not EXCUSED
