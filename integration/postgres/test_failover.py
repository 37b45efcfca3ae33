"""A primary that is lost for good: its standby is promoted, and what was answered is there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flowcraft_core import FlowRuntime, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Fact
from flowcraft_postgres import PostgresBackend
from postgres_server import LocalServer, StandbyServer

_RUNS, _STEPS = 6, 8


@pytest.fixture
def primary() -> Iterator[LocalServer]:
    server = LocalServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def standby(primary: LocalServer) -> Iterator[StandbyServer]:
    """A standby that has whatever the primary has answered."""
    server = StandbyServer(primary)
    try:
        server.start()
        with psycopg.connect(primary.url(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        server.close()


def both(primary: LocalServer, standby: StandbyServer) -> str:
    """An address of whichever of them takes writes."""
    hosts = f"{primary.host}:{primary.port},{standby.host}:{standby.port}"
    return f"postgresql://flowcraft@{hosts}/postgres?target_session_attrs=read-write&connect_timeout=2"


async def add(ctx: Any) -> int:
    """One more than comes in, after a moment."""
    await asyncio.sleep(0.05)
    return (ctx.input or 0) + 1


async def test_runs_go_on_where_the_standby_has_become_the_primary(
    primary: LocalServer, standby: StandbyServer
) -> None:
    flow = create_flow("chain").node("n0", add)
    for place in range(1, _STEPS):
        flow.node(f"n{place}", add).edge(f"n{place - 1}", f"n{place}")
    answered: list[str] = []
    async with PostgresBackend(both(primary, standby), timeout=5.0) as backend:
        worker = Worker(backend, FlowRuntime([flow]), visibility=5.0, poll=0.5, reconcile_interval=2.0)
        working, client = asyncio.ensure_future(worker.run()), Client(backend, flows=[flow])
        for number in range(_RUNS):
            await client.start(flow, run_id=f"run-{number}")

        async def put_on_and_on() -> None:
            for number in range(100_000):
                with contextlib.suppress(TransientError):
                    await backend.context.put("mine", f"{number}", Fact(b"body", "writer"))
                    answered.append(f"{number}")
                await asyncio.sleep(0.005)

        putting = asyncio.ensure_future(put_on_and_on())
        while len(answered) < 20:  # noqa: ASYNC110 - it depends on a server
            await asyncio.sleep(0.01)
        await asyncio.to_thread(primary.kill)
        before = len(answered)
        with pytest.raises(TransientError):  # nobody takes writes
            await backend.context.put("nobody", "key", Fact(b"body", "writer"))
        with psycopg.connect(standby.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
        results = [await client.wait(f"run-{number}", timeout=90) for number in range(_RUNS)]
        assert [result.outputs[f"n{_STEPS - 1}"] for result in results] == [_STEPS] * _RUNS
        while len(answered) < before + 20:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        putting.cancel()
        for start in range(0, len(answered), 400):
            asked = answered[start : start + 400]
            assert set(await backend.context.get("mine", asked)) == set(asked), "what was answered is lost"
        worker.stop()
        await working


async def test_a_standby_is_refused_by_name_and_the_doctor_says_so(
    primary: LocalServer, standby: StandbyServer
) -> None:
    async with PostgresBackend(primary.url()):
        pass  # the tables are there
    on_standby = PostgresBackend(standby.url(), timeout=5.0)
    while "POSTGRES-READ-ONLY" not in [found.code for found in await on_standby.diagnose()]:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    async with on_standby:
        assert await on_standby.status.get("run") is None
        with pytest.raises(TransientError, match="primary"):
            await on_standby.context.put("run", "key", Fact(b"body", "writer"))
