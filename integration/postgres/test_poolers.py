"""Behind PgBouncer in transaction mode: each statement may be on another connection, and no notification arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flowcraft_core import FlowRuntime, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_postgres import PostgresBackend
from postgres_places import Place, PostgresRows
from postgres_pooler import pooler
from postgres_server import PostgresServer
from servers import EmulatorError

_RUNS, _STEPS = 10, 6


@pytest.fixture(scope="module")
def pooled(server: PostgresServer) -> Iterator[str]:
    try:
        with pooler(server) as url:
            yield url
    except EmulatorError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("prepares", [True, False])
async def test_runs_and_transactions_are_as_they_are_without_it(pooled: str, place: Place, prepares: bool) -> None:
    rows = PostgresRows(place)

    async def add(ctx: Any) -> int:
        return (ctx.input or 0) + 1

    async def book(ctx: Any) -> int:
        await rows.write(await ctx.connection(), f"step {ctx.run_id}")
        return int(ctx.input) + 1

    flow = create_flow("chain").node("n0", add)
    for number in range(1, _STEPS):
        flow.node(f"n{number}", book if number == 3 else add).edge(f"n{number - 1}", f"n{number}")
    behind = Place(pooled, place.schema)
    async with place.backend():
        pass  # the tables are there
    made = {"prepares": prepares, "poll": 0.1}
    async with behind.backend(**made) as backend, behind.backend(**made) as other:
        workers = [
            Worker(each, FlowRuntime([flow]), visibility=10.0, reconcile_interval=3.0) for each in (backend, other)
        ]
        working = [asyncio.ensure_future(worker.run()) for worker in workers]
        client = Client(backend, flows=[flow])
        for number in range(_RUNS):
            connecting = psycopg.AsyncConnection.connect(pooled, prepare_threshold=None)
            async with await connecting as connection, connection.transaction():
                await rows.write(connection, f"start run-{number}")
                await client.start(flow, run_id=f"run-{number}", connection=connection)
        results = [await client.wait(f"run-{number}", timeout=60) for number in range(_RUNS)]
        assert [result.outputs[f"n{_STEPS - 1}"] for result in results] == [_STEPS] * _RUNS
        expected = sorted(f"{what} run-{number}" for what in ("start", "step") for number in range(_RUNS))
        assert sorted(await rows.read()) == expected
        assert not _hears(backend), "nothing is heard behind it, and that is found out"
        for worker in workers:
            worker.stop()
        await asyncio.gather(*working)


def _hears(backend: PostgresBackend) -> bool:
    return backend._listener.hears
