"""The backend of the scenarios on PostgreSQL, in real time that runs faster."""

from __future__ import annotations

import contextlib
import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import psycopg
from durable_backend import Durable
from flowcraft_core import ports
from flowcraft_testkit.contracts import FastClock
from postgres_places import Place, TcpProxy
from postgres_server import postgres

RATE = 10.0
_LEAP = 10.0


class OnPostgres(Durable):
    """Workers in this process, each with a backend of its own, on a schema of this check's own.

    The server starts with the first check and ends with the process.
    """

    name = "postgres"
    late = 40.0
    beat = 8.0
    hour = 30.0
    day = 100.0
    options: ClassVar[Mapping[str, Any]] = {"poll": 20.0, "reconcile_interval": 8.0}
    moments: ClassVar[Iterable[int]] = (2, 4, 7, 12)
    #: Real seconds that a check may take, and hours that a run may: the longest carries out two thousand runs.
    patience: ClassVar[float] = 1_200.0
    longest: ClassVar[float] = 150.0
    passes: ClassVar[int] = 500

    def __init__(self) -> None:
        super().__init__()
        self.clock: FastClock = FastClock(RATE)
        self.place = Place.create(server_url())
        self._way = self.place
        self._standing, self._trouble = contextlib.ExitStack(), contextlib.ExitStack()
        self._proxy: TcpProxy | None = None

    def connect(self) -> ports.Backend:
        """See ``Durable``."""
        return self._way.backend(clock=self.clock, connections=4, poll=0.05)

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

    def stand_between(self) -> None:
        """See ``Durable``; from now on all connections are to a proxy."""
        self._proxy = self._standing.enter_context(TcpProxy.to(self.place.url))
        self._way = self.place.behind(self._proxy)

    async def spoil_answers(self, every: int) -> None:
        """See ``Durable``; it is done to the server's answers, on their way. What cannot be read is cut there."""
        self._trouble.close()
        if every and self._proxy is not None:
            self._trouble.enter_context(self._proxy.trouble(("cut_after", "cut_body"), rate=1 / every))

    async def close(self) -> None:
        """See ``Backend``."""
        self._trouble.close()
        await super().close()
        self._standing.close()
        await self.place.ask("DROP SCHEMA IF EXISTS {schema} CASCADE")

    async def begin_by_hand(self, run_id: str, context: Mapping[str, Any]) -> None:
        """See ``Durable``."""
        insert = "INSERT INTO flowcraft.initial_contexts (run_id, context) VALUES (%s, %s)"
        await self.place.ask(insert, run_id, json.dumps(context))
        await self.place.ask("INSERT INTO flowcraft.statuses (run_id, state) VALUES (%s, 'running')", run_id)

    async def spoil_rows(self) -> tuple[int, Sequence[str]]:
        """See ``Durable``; what has the wrong type is refused by the server itself."""
        for body in ("\x10", "\\xff", "5"):
            await self.place.ask("INSERT INTO flowcraft.jobs (body) VALUES (%s)", body)
        due = (
            "INSERT INTO flowcraft.statuses (run_id, state, next_check, tags, created)"
            " VALUES (%s, 'running', 1, %s, %s)"
        )
        for number, tags in enumerate(("5", "[]", '{"a": 1}', "[" * 1_000 + "]" * 1_000)):
            await self.place.ask(due, f"tags {number}", tags, 1.0)
        for tags, created in (("", 1.0), ("no json", 1.0), ("{}", math.nan), ("{}", math.inf)):
            with contextlib.suppress(psycopg.Error):
                await self.place.ask(due, "refused", tags, created)
        contexts = {"a list": "[1]", "deep": "[" * 1_000 + "]" * 1_000, "a text": '"text"'}
        for run_id, context in contexts.items():
            await self.place.ask(
                "INSERT INTO flowcraft.initial_contexts (run_id, context) VALUES (%s, %s)", run_id, context
            )
        return 3, tuple(contexts)

    async def lose_messages(self) -> None:
        """See ``Durable``."""
        await self.place.ask("DELETE FROM flowcraft.jobs")

    async def lose_coordination(self) -> None:
        """See ``Durable``; as by a crash of the server."""
        await self.place.ask("TRUNCATE flowcraft.coordination")


@functools.cache
def server_url() -> str:
    """The address of a server; started when it is first asked for."""
    return _running.enter_context(postgres()).url()


_running = contextlib.ExitStack()


def end_server() -> None:
    """End what ``server_url`` started."""
    _running.close()
    server_url.cache_clear()
