"""The backend in an SQLite file, in real time that runs faster."""

from __future__ import annotations

import json
import math
import sqlite3
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from durable_backend import Durable
from flowcraft_core import ports
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit.contracts import FastClock

RATE = 20.0
_LEAP = 10.0


class OnSqlite(Durable):
    """Workers in this process, each with a connection of its own to one file."""

    name = "sqlite"
    late = 60.0  # three seconds of a machine that is busy
    beat = 4.0
    hour = 12.0
    day = 40.0
    #: The longest check is a batch of 20,000 items, each of them a commit to a file.
    patience: ClassVar[float] = 600.0
    longest: ClassVar[float] = 500.0  # five minutes of a machine that is busy
    options: ClassVar[Mapping[str, Any]] = {"poll": 20.0, "reconcile_interval": 8.0}
    moments: ClassVar[Iterable[int]] = (2, 4, 7, 12)

    def __init__(self) -> None:
        super().__init__()
        self.clock: FastClock = FastClock(RATE)
        self._folder = tempfile.TemporaryDirectory(prefix="flowcraft-scenario-")
        self.path = Path(self._folder.name) / "flowcraft.db"

    def connect(self) -> ports.Backend:
        """See ``Durable``."""
        return SqliteBackend(self.path, clock=self.clock)

    async def pass_time(self, seconds: float) -> None:
        """See ``Backend``; it passes at once, and nobody works meanwhile."""
        await self.leave()
        self.clock.put_forward(seconds)
        await self.staff()

    async def pass_at_work(self, seconds: float) -> None:
        """See ``Durable``; in leaps that are short against a job's delays."""
        for _ in range(math.ceil(seconds / _LEAP)):
            self.clock.put_forward(_LEAP)
            await self.clock.sleep(1.0)

    async def begin_by_hand(self, run_id: str, context: Mapping[str, Any]) -> None:
        """See ``Durable``."""
        self._execute("INSERT INTO initial_contexts (run_id, context) VALUES (?, ?)", run_id, json.dumps(context))
        self._execute("INSERT INTO statuses (run_id, state) VALUES (?, 'running')", run_id)

    async def spoil_rows(self) -> tuple[int, Sequence[str]]:
        """See ``Durable``."""
        for body in ("CAST(x'ff' AS TEXT)", "x'00ff'", "5"):
            self._execute(f"INSERT INTO jobs (body) VALUES ({body})")  # noqa: S608
        due = "INSERT INTO statuses (run_id, state, next_check, tags, created) VALUES (?, 'running', 1, ?, ?)"
        for number, tags in enumerate(("", "[]", '{"a": 1}', "[" * 50_000)):
            self._execute(due, f"tags {number}", tags, "1")
        self._execute(due, "created", "{}", "yesterday")
        for run_id, context in (("no json", "no json"), ("deep", "[" * 50_000), ("a list", "[1]")):
            self._execute("INSERT INTO initial_contexts (run_id, context) VALUES (?, ?)", run_id, context)
        return 3, ("no json", "deep", "a list")

    async def lose_messages(self) -> None:
        """See ``Durable``."""
        self._execute("DELETE FROM jobs")

    async def lose_coordination(self) -> None:
        """See ``Durable``."""
        self._execute("DELETE FROM coordination")

    async def close(self) -> None:
        """See ``Backend``."""
        await super().close()
        self._folder.cleanup()

    def _execute(self, statement: str, *parameters: str) -> None:
        connection = sqlite3.connect(self.path, timeout=10)
        with connection:
            connection.execute(statement, parameters)
        connection.close()
