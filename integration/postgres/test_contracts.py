"""The contracts of the four ports and of the backend on a server, by a clock that can be put forward.

Also those of the ports by the server's own clock, which is what they go by in earnest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

import attrs
import pytest
from flowcraft_core import Clock, SystemClock
from flowcraft_core.ports import QueueLimits, StoreLimits
from flowcraft_postgres import PostgresBackend
from flowcraft_testkit.contracts import (
    BackendContract,
    BackendMaker,
    ContextStoreContract,
    CoordinationStoreContract,
    Declared,
    FastClock,
    JobQueueContract,
    Opener,
    ProgramRows,
    SideDoor,
    StatusStoreContract,
    Trouble,
)
from postgres_clocks import SkippingClock, WatchingClock
from postgres_places import Place, PostgresRows, PostgresSideDoor, PostgresTrouble, TcpProxy

YEARS = 10 * 365 * 86_400.0

DECLARED = Declared(
    queue_limits=QueueLimits(
        max_send=100, max_receive=100, max_body_bytes=262_144, max_delay=YEARS, max_visibility=YEARS
    ),
    store_limits=StoreLimits(max_value_bytes=8_388_608, max_keys_read=500, staleness=0.0),
    index_lag=0.0,
    skips_time=True,
    side_door=True,
    hand_written=True,
    cuts=True,
    outages=True,
    refusals=True,
    processes=True,
    other_store=True,
    by_url=True,
    depth="each",
    newest_first=True,
    diagnosis=True,
    transactions=True,
    named_queues=True,
    notices_death=True,
    starts=True,
)


class OnPostgres:
    """An opener of backends on a schema of the test's own."""

    declared: ClassVar[Declared] = DECLARED

    _behind: Place | None = None

    @pytest.fixture
    def clock(self) -> Clock:
        """See ``Contract``."""
        return SkippingClock()

    def _opened(self, place: Place, clock: Clock) -> PostgresBackend:
        """A backend that goes by the test's clock."""
        return place.backend(clock=WatchingClock(clock), poll=0.05)

    @pytest.fixture
    def open_backend(self, place: Place, clock: Clock) -> Opener:
        """See ``Contract``."""
        return lambda: self._opened(self._behind or place, clock)

    @pytest.fixture
    def side_door(self, place: Place) -> SideDoor:
        """See ``Contract``."""
        return PostgresSideDoor(place)

    @pytest.fixture
    def trouble(self, place: Place) -> Iterator[Trouble]:
        """See ``Contract``; whatever is opened from now on goes through a proxy."""
        with TcpProxy.to(place.url) as proxy:
            self._behind = place.behind(proxy)
            yield PostgresTrouble(proxy, place)

    @pytest.fixture
    def rows(self, place: Place) -> ProgramRows:
        """See ``Contract``."""
        return PostgresRows(place)

    @pytest.fixture
    def make_in_process(self, place: Place) -> BackendMaker:
        """See ``Contract``."""
        return place.backend

    @pytest.fixture
    def url(self, place: Place) -> str:
        """See ``Contract``."""
        return f"{place.url}?{urlencode({'schema': place.schema})}"

    @pytest.fixture
    def open_other(self, place: Place, clock: Clock) -> Opener:
        """See ``Contract``."""
        return lambda: self._opened(place.beside(), clock)


class TestPostgresJobQueue(OnPostgres, JobQueueContract):
    """The queue."""


class TestPostgresContextStore(OnPostgres, ContextStoreContract):
    """The facts and context values."""


class TestPostgresStatusStore(OnPostgres, StatusStoreContract):
    """The statuses."""


class TestPostgresCoordinationStore(OnPostgres, CoordinationStoreContract):
    """The counters, leases and sets."""


class TestPostgresBackend(OnPostgres, BackendContract):
    """All of it, on a clock that is faster than the machine's."""

    # A beat is a real second: a round of calls takes hundredths where nobody else is at work, tenths where many are.
    beat: ClassVar[float] = 10.0

    @pytest.fixture
    def clock(self) -> Clock:
        """See ``Contract``."""
        return FastClock(rate=10.0)

    def _opened(self, place: Place, clock: Clock) -> PostgresBackend:
        return place.backend(clock=clock, poll=0.05)

    @pytest.fixture(autouse=True)
    def _remember(self, place: Place) -> None:
        self._place = place

    async def write_by_hand(self, backend: Any, run_id: str, blueprint_id: str, values: Mapping[str, Any]) -> None:
        """See ``BackendContract``."""
        await self._place.ask("INSERT INTO flowcraft.initial_contexts VALUES (%s, %s)", run_id, json.dumps(values))
        await self._place.ask("INSERT INTO flowcraft.statuses (run_id, state) VALUES (%s, 'running')", run_id)


class OnServersClock(OnPostgres):
    """The same, by the clock of the server: time cannot be skipped."""

    declared: ClassVar[Declared] = attrs.evolve(DECLARED, skips_time=False)

    @pytest.fixture
    def clock(self) -> Clock:
        """See ``Contract``."""
        return SystemClock()

    def _opened(self, place: Place, clock: Clock) -> PostgresBackend:
        return place.backend()


class TestPostgresJobQueueOnServersClock(OnServersClock, JobQueueContract):
    """The queue, by the server's clock."""


class TestPostgresCoordinationStoreOnServersClock(OnServersClock, CoordinationStoreContract):
    """The counters, leases and sets, by the server's clock."""
