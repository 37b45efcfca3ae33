"""What a server and the way to it can do: each call gives a right value or an error of the port; nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from faulty_operations import OPERATIONS, Operation, tried
from faulty_runs import runs_through
from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Adapter
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.ports import Fact, Message, RunStatus
from postgres_places import Place, TcpProxy
from postgres_server import PostgresServer
from psycopg.conninfo import make_conninfo

FACT = Fact(b"body", "writer", "job")


@pytest.fixture
def proxy(place: Place) -> Iterator[TcpProxy]:
    with TcpProxy.to(place.url) as between:
        yield between


async def terminate(place: Place) -> None:
    """End every other connection, as an administrator does, and return once they have ended."""
    others = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
    terminated = await place.ask(f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    pids = [pid for pid, _ in terminated]
    while await place.ask("SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)", pids):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def in_the_end(call: Any) -> Any:
    """What a call gives within a few tries."""
    for _ in range(10):
        with contextlib.suppress(TransientError):
            return await call()
    return await call()


async def test_terminated_connections_are_transient_errors_and_the_next_calls_work(place: Place) -> None:
    async with place.backend(connections=3) as backend:
        for number in range(3):
            await asyncio.gather(*(backend.status.get(f"{place}") for place in range(10)))
            wires = backend._database._wires
            assert wires is not None
            while wires._connecting:  # noqa: ASYNC110 - until all three are there
                await asyncio.sleep(0.01)
            await terminate(place)
            assert await backend.context.put("run", f"{number}", FACT) is None, "those that have ended are not used"
        waiting = asyncio.ensure_future(backend.queue.receive(max_messages=1, wait=60, visibility=60))
        while not backend._listener.hears:  # noqa: ASYNC110 - it depends on a server
            await asyncio.sleep(0.01)
        await terminate(place)
        await in_the_end(lambda: backend.queue.send([Message("job")]))
        with contextlib.suppress(TransientError):
            assert len(await waiting) == 1


@pytest.mark.parametrize(
    ("setting", "value"), [("statement_timeout", "50ms"), ("lock_timeout", "50ms"), ("deadlock_timeout", "20ms")]
)
async def test_who_waits_for_a_lock_too_long_is_told_to_try_again(place: Place, setting: str, value: str) -> None:
    behind = Place(make_conninfo(place.url, options=f"-c {setting}={value}"), place.schema)
    async with behind.backend() as backend:
        await backend.status.create(
            RunStatus(run_id="run", state="running", blueprint_id="flow", created=1.0, updated=1.0)
        )
        async with await psycopg.AsyncConnection.connect(place.url) as other:
            quoted = '"' + place.schema + '"'
            await other.execute(f"SELECT FROM {quoted}.statuses FOR UPDATE".encode())
            finishing = asyncio.ensure_future(backend.status.finish("run", "completed", at=2.0))
            if setting == "deadlock_timeout":
                await asyncio.sleep(0.2)
                assert not finishing.done(), "there is no deadlock, so it waits"
                await other.rollback()
                assert await finishing
                return
            with pytest.raises(TransientError, match=f"{setting.split('_', maxsplit=1)[0]}"):
                await finishing
            await other.rollback()
        assert await backend.status.finish("run", "completed", at=2.0)


async def test_serialization_failures_and_deadlocks_are_tried_again(place: Place) -> None:
    """A database whose transactions are serialisable by default, and the same facts by many at once."""
    behind = Place(make_conninfo(place.url, options="-c default_transaction_isolation=serializable"), place.schema)
    async with behind.backend() as one, behind.backend() as other:
        keys = [f"{number}" for number in range(40)]

        async def put(backend: Any, key: str) -> Any:
            return await in_the_end(lambda: backend.context.put("run", key, Fact(key.encode(), str(id(backend)))))

        calls = [put(backend, key) for key in keys for backend in (one, other)]
        answers = await asyncio.gather(*calls)
        for mine, others in zip(answers[::2], answers[1::2], strict=True):
            assert mine is None or others is None or mine == others
        assert len(await in_the_end(lambda: one.context.get("run", keys))) == 40


async def test_a_standby_or_a_read_only_server_takes_no_writes_and_says_so(place: Place) -> None:
    async with place.backend():
        pass  # the tables are there
    behind = Place(make_conninfo(place.url, options="-c default_transaction_read_only=on"), place.schema)
    async with behind.backend() as backend:
        with pytest.raises(TransientError, match="primary"):
            await backend.context.put("run", "key", FACT)
        assert await backend.context.get("run", ["key"]) == {}


async def test_more_calls_than_connections_wait_for_one_another_and_then_say_so(place: Place) -> None:
    async with place.backend(connections=2, timeout=60.0) as backend:
        assert await asyncio.gather(*(backend.status.get(f"{n}") for n in range(50))) == [None] * 50
    async with place.backend(connections=2, timeout=2.0) as backend:
        async with await psycopg.AsyncConnection.connect(place.url) as other:
            quoted = '"' + place.schema + '"'
            await other.execute(f"LOCK TABLE {quoted}.statuses IN ACCESS EXCLUSIVE MODE".encode())
            calls = [asyncio.ensure_future(backend.status.get(f"{n}")) for n in range(5)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(answer, TransientError) for answer in answers), answers
            assert any("connections have been busy" in str(answer) for answer in answers)
            await other.rollback()
        assert await in_the_end(lambda: backend.status.get("run")) is None


async def test_a_server_without_a_free_connection_is_a_transient_error(server: PostgresServer, place: Place) -> None:
    url = server.create_database("few", **{"CONNECTION LIMIT": "2"})
    await place.ask("DO $$ BEGIN CREATE ROLE ordinary LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    few = Place(url, place.schema)
    async with few.backend():
        pass
    await few.ask("GRANT USAGE ON SCHEMA {schema} TO ordinary")
    await few.ask("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO ordinary")
    ordinary = Place(make_conninfo(url, user="ordinary"), place.schema)
    async with ordinary.backend(connections=5) as backend:
        answers = await asyncio.gather(*(backend.status.get(f"{n}") for n in range(5)), return_exceptions=True)
        assert any(answer is None for answer in answers)
        assert all(answer is None or isinstance(answer, TransientError) for answer in answers), answers


async def test_a_wrong_database_is_refused_at_once_and_by_name(server: PostgresServer) -> None:
    missing = Place(server.url("nowhere"), "flowcraft")
    with pytest.raises(BackendError, match="nowhere") as raised:
        await missing.backend().open()
    assert not isinstance(raised.value, TransientError)


# --- on the way -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TcpProxy.kinds)
async def test_each_operation_gives_a_right_value_or_an_error_of_the_port(
    kind: str, place: Place, proxy: TcpProxy
) -> None:
    async with place.backend() as direct, place.behind(proxy).backend(listens=False) as faulty:
        for number, operation in enumerate(OPERATIONS):
            before = proxy.faults[kind]
            ended = await tried(operation, direct, faulty, f"{kind}-{number}", proxy.trouble([kind]))
            assert proxy.faults[kind] > before, f"{operation.name} has met no fault"
            assert ended == ("value" if kind == "delay" else "TransientError"), f"{operation.name}: {ended}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_each_operation_works_again_after_its_connections_were_cut(
    operation: Operation, place: Place, proxy: TcpProxy
) -> None:
    async with place.backend() as direct, place.behind(proxy).backend() as faulty:
        await asyncio.gather(*(faulty.status.get("warm") for _ in range(8)))
        proxy.cut()
        await asyncio.sleep(0.05)  # until the end of each is there
        assert await tried(operation, direct, faulty, f"cut-{operation.name}", proxy.trouble([])) == "value"


async def test_runs_come_to_the_same_results_through_hundreds_of_faults(place: Place, proxy: TcpProxy) -> None:
    way = place.behind(proxy)

    def make(runtime: FlowRuntime) -> Adapter:
        return Adapter(lambda: way.backend(connections=4), runtime, visibility=6.0, poll=1.0, reconcile_interval=4.0)

    met = await runs_through([proxy], make, rate=0.06, runs=4, least=200)
    assert set(met) == set(proxy.kinds), f"not every kind was met: {met}"
    print(met)
