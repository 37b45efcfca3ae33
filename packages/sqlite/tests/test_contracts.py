import asyncio
import time
from pathlib import Path

import pytest
from flowcraft_core import Clock
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit.contracts import (
    ContextStoreContract,
    CoordinationStoreContract,
    JobQueueContract,
    Opener,
    StatusStoreContract,
)


class SkippingClock:
    """The machine's clock, but for the time that a clause lets pass: that is skipped, and took place for everybody."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def now(self) -> float:
        return time.time() + self._skipped

    async def sleep(self, seconds: float) -> None:
        self._skipped += seconds
        await asyncio.sleep(0)


class WatchingClock:
    """The same time, for a backend, which waits until it has come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        end = self.now() + seconds
        while (left := end - self.now()) > 0:  # noqa: ASYNC110 - no event tells that time was skipped
            await asyncio.sleep(min(left, 0.01))


class OnSqlite:
    @pytest.fixture
    def clock(self) -> Clock:
        return SkippingClock()

    @pytest.fixture
    def open_backend(self, tmp_path: Path, clock: Clock) -> Opener:
        return lambda: SqliteBackend(tmp_path / "flowcraft.db", clock=WatchingClock(clock))


class TestSqliteJobQueue(OnSqlite, JobQueueContract):
    pass


class TestSqliteContextStore(OnSqlite, ContextStoreContract):
    pass


class TestSqliteStatusStore(OnSqlite, StatusStoreContract):
    pass


class TestSqliteCoordinationStore(OnSqlite, CoordinationStoreContract):
    pass
