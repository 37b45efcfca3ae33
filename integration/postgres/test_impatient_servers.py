"""A server that ends what it finds in its way: deadlocks, and connections and transactions that are idle too long."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from flowcraft_core import FlowRuntime, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Fact, PositionedValue
from postgres_places import Place, PostgresRows
from psycopg.conninfo import conninfo_to_dict, make_conninfo

FACT = Fact(b"body", "writer", "job")


async def test_who_is_chosen_to_end_a_deadlock_is_told_to_try_again(place: Place) -> None:
    """A program of its own locks two rows of the tables in the other order, as an administrator's script may."""
    behind = Place(make_conninfo(place.url, options="-c deadlock_timeout=50ms"), place.schema)
    first, later = ({name: PositionedValue(position, b"1") for name in "ab"} for position in ("1", "2"))
    async with behind.backend() as backend, await psycopg.AsyncConnection.connect(place.url) as other:
        await backend.context.apply("run", first)
        await other.execute("SET deadlock_timeout = '1h'")
        lock = f"SELECT FROM {_quoted(place)}.context_values WHERE name = %s FOR UPDATE".encode()
        await other.execute(lock, ["b"])
        applying = asyncio.ensure_future(backend.context.apply("run", later))
        while not await place.ask("SELECT FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - until it waits for b
            await asyncio.sleep(0.01)
        locking = asyncio.ensure_future(other.execute(lock, ["a"]))
        with pytest.raises(TransientError, match="deadlock"):
            await applying
        await locking
        await other.rollback()
        await backend.context.apply("run", later)
        assert await backend.context.values("run", ["a", "b"]) == later


async def test_a_connection_that_the_server_ends_for_being_idle_is_missed_by_nobody(place: Place) -> None:
    behind = Place(make_conninfo(place.url, options="-c idle_session_timeout=1s"), place.schema)
    async with behind.backend() as backend:
        for number in range(3):
            assert await backend.context.put("run", f"{number}", FACT) is None
            await _until_ended(place)
        assert len(await backend.context.get("run", ["0", "1", "2"])) == 3


async def test_a_step_whose_transaction_the_server_ends_for_being_idle_is_executed_again(place: Place) -> None:
    behind = Place(make_conninfo(place.url, options="-c idle_in_transaction_session_timeout=500ms"), place.schema)
    rows, slept = PostgresRows(place), list[int]()

    async def sleeps_once(ctx: Any) -> int:
        connection = await ctx.connection()
        await rows.write(connection, "a row")
        if not slept:
            slept.append(1)
            await _until_ended(place, "idle in transaction")
        return 1

    flow = create_flow("flow").node("only", sleeps_once)
    async with behind.backend() as backend:
        worker = Worker(backend, FlowRuntime([flow]), visibility=5.0, poll=0.5, reconcile_interval=2.0)
        working, client = asyncio.ensure_future(worker.run()), Client(backend, flows=[flow])
        await client.start(flow, run_id="run")
        assert (await client.wait("run", timeout=60)).status == "completed"
        assert list(await rows.read()) == ["a row"]
        worker.stop()
        await working


async def _until_ended(place: Place, state: str = "idle") -> None:
    """Return once the server has no connection of a backend's any more that is in a state."""
    told = "SELECT FROM pg_stat_activity WHERE application_name = 'flowcraft' AND state = %s AND datname = %s"
    while await place.ask(told, state, conninfo_to_dict(place.url)["dbname"]):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def _quoted(place: Place) -> str:
    return '"' + place.schema.replace('"', '""').replace("%", "%%") + '"'
