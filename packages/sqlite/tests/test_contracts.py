import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flowcraft_core import Clock
from flowcraft_core.ports import Fact, PositionedValue, QueueLimits, RunStatus, StoreLimits
from flowcraft_sqlite import SqliteBackend
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

from .helpers import rows

YEARS = 10 * 365 * 86_400.0


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


class TablesSideDoor:
    """What the tables hold, read by a connection that is none of the backend's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def messages(self) -> Sequence[str]:
        return [body for (body,) in rows(self._path, "SELECT body FROM jobs")]

    async def facts(self, run_id: str) -> Mapping[str, Fact]:
        found = rows(self._path, "SELECT key, body, writer, job FROM facts WHERE run_id = ?", run_id)
        return {key: Fact(*rest) for key, *rest in found}

    async def values(self, run_id: str) -> Mapping[str, PositionedValue]:
        found = rows(self._path, "SELECT name, position, body FROM context_values WHERE run_id = ?", run_id)
        return {name: PositionedValue(*rest) for name, *rest in found}

    async def status(self, run_id: str) -> RunStatus | None:
        names = ("run_id", "state", "blueprint_id", "created", "updated", "next_check", "tags", "reason", "body")
        for row in rows(self._path, f"SELECT {', '.join(names)} FROM statuses WHERE run_id = ?", run_id):
            fields = dict(zip(names, row, strict=True))
            return RunStatus(**{**fields, "tags": json.loads(fields["tags"])})
        return None


class FileTrouble:
    """What can happen to a file: somebody holds its lock for too long, or drops its tables. Nothing can be cut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = contextlib.ExitStack()

    async def cut(self) -> None:
        raise NotImplementedError

    async def take_down(self) -> None:
        connection = self._held.enter_context(contextlib.closing(sqlite3.connect(self._path, isolation_level=None)))
        connection.execute("BEGIN IMMEDIATE")

    async def bring_up(self) -> None:
        self._held.close()

    async def refuse(self) -> None:
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            for table in ("jobs", "facts", "context_values", "statuses", "coordination"):
                connection.execute(f"DROP TABLE {table}")


class OnSqlite:
    busy_timeout = 10.0
    declared: ClassVar[Declared] = Declared(
        queue_limits=QueueLimits(
            max_send=100, max_receive=100, max_body_bytes=262_144, max_delay=YEARS, max_visibility=YEARS
        ),
        store_limits=StoreLimits(max_value_bytes=8_388_608, max_keys_read=500, staleness=0.0),
        index_lag=0.0,
        skips_time=True,
        side_door=True,
        hand_written=True,
        cuts=False,
        outages=True,
        refusals=True,
        processes=True,
        other_store=True,
        by_url=True,
        depth="each",
        newest_first=True,
        diagnosis=True,
        transactions=False,
        named_queues=True,
        notices_death=True,
        starts=True,
    )

    @pytest.fixture
    def clock(self) -> Clock:
        return SkippingClock()

    @pytest.fixture
    def open_backend(self, tmp_path: Path, clock: Clock) -> Opener:
        return lambda: SqliteBackend(
            tmp_path / "flowcraft.db", clock=WatchingClock(clock), busy_timeout=self.busy_timeout
        )

    @pytest.fixture
    def side_door(self, tmp_path: Path) -> SideDoor:
        return TablesSideDoor(tmp_path / "flowcraft.db")

    @pytest.fixture
    def trouble(self, tmp_path: Path) -> Iterator[Trouble]:
        trouble = FileTrouble(tmp_path / "flowcraft.db")
        self.busy_timeout = 0.2  # of those that are opened from now on: each call of theirs waits for it
        yield trouble
        trouble._held.close()

    @pytest.fixture
    def make_in_process(self, tmp_path: Path) -> BackendMaker:
        return partial(SqliteBackend, tmp_path / "flowcraft.db")

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/flowcraft.db"

    @pytest.fixture
    def open_other(self, tmp_path: Path, clock: Clock) -> Opener:
        return lambda: SqliteBackend(tmp_path / "flowcraft.db2", clock=WatchingClock(clock))


class TestSqliteJobQueue(OnSqlite, JobQueueContract):
    pass


class TestSqliteContextStore(OnSqlite, ContextStoreContract):
    pass


class TestSqliteStatusStore(OnSqlite, StatusStoreContract):
    pass


class TestSqliteCoordinationStore(OnSqlite, CoordinationStoreContract):
    pass


class TestSqliteBackend(OnSqlite, BackendContract):
    # Programs beside one another need time that passes by itself. A beat is a quarter of a real second.
    beat = 6.0

    @pytest.fixture
    def clock(self) -> Clock:
        return FastClock(rate=25.0)

    @pytest.fixture
    def open_backend(self, tmp_path: Path, clock: Clock) -> Opener:
        self._path = tmp_path / "flowcraft.db"
        return lambda: SqliteBackend(self._path, clock=clock, busy_timeout=self.busy_timeout)

    async def write_by_hand(self, backend: Any, run_id: str, blueprint_id: str, values: Mapping[str, Any]) -> None:
        connection = sqlite3.connect(self._path)
        with connection:
            connection.execute("INSERT INTO initial_contexts VALUES (?, ?)", (run_id, json.dumps(values)))
            connection.execute("INSERT INTO statuses (run_id, state) VALUES (?, 'running')", (run_id,))
        connection.close()
