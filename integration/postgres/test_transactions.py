"""Runs that begin and steps that end in transactions with a program's own rows, and are cut off at each statement."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flowcraft_core import FlowRuntime, RetryPolicy, create_flow
from flowcraft_core.durable import Client, SyncClient, Worker
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError
from flowcraft_core.ports import Fact, Message, RunStatus
from postgres_places import Place, TcpProxy
from proxy import Plan

_STARTS = 1_000
_CHAINS, _LENGTH = 50, 20

#: What a piece on the wire is, by what is in it.
_MARKS = {
    b"COMMIT": "commit",
    b"BEGIN": "begin",
    b"ROLLBACK": "rollback",
    b"INTO orders": "the row",
    b"INTO effects": "the row",
    b".facts": "the fact",
    b".statuses": "the status",
    b".jobs": "the message",
    b"pg_notify": "the notification",
}


class StatementProxy(TcpProxy):
    """Cuts a connection at statements: at one that it is told, or at any."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cut_at: tuple[int, str] | None = None
        self.hit: Counter[tuple[str, str]] = Counter()
        self._seen = 0

    def begin(self, number: int, kind: str) -> None:
        """Cut the connection that is made next at its so-manieth piece."""
        self.cut_at, self._seen = (number, kind), 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read = reader.read

        async def noting(n: int = -1) -> bytes:
            self._piece = await read(n)
            return self._piece

        reader.read = noting  # type: ignore[method-assign]
        await super()._serve(reader, writer)

    def _throw(self, operation: str) -> str | None:
        what = next((name for mark, name in _MARKS.items() if mark in self._piece), "another")
        if self.cut_at is not None:
            self._seen += 1
            fault = self.cut_at[1] if self._seen == self.cut_at[0] else None
        else:
            fault = super()._throw(operation)
        if fault is not None:
            self.hit[what, fault] += 1
        return fault


@pytest.fixture
def proxy(place: Place) -> Iterator[StatementProxy]:
    with StatementProxy.to(place.url) as between:
        assert isinstance(between, StatementProxy)
        yield between


@pytest.fixture(autouse=True)
async def tables(place: Place) -> None:
    """The program's own, in the same schema so that each test has its own."""
    async with place.backend():
        pass
    await place.ask("CREATE TABLE flowcraft.orders (id text)")
    await place.ask("CREATE TABLE flowcraft.effects (key text)")


async def _one(ctx: Any) -> int:
    return 1


FLOW = create_flow("orders").node("check", _one)


async def stored(place: Place) -> dict[str, set[str]]:
    """The ids of runs, of which there is what."""
    return {
        "order": {i for (i,) in await place.ask("SELECT id FROM flowcraft.orders")},
        "record": {i for (i,) in await place.ask("SELECT run_id FROM flowcraft.facts WHERE key = ':run'")},
        "status": {i for (i,) in await place.ask("SELECT run_id FROM flowcraft.statuses")},
        "message": {i for (i,) in await place.ask("SELECT body::json ->> 'run' FROM flowcraft.jobs")},
    }


async def test_a_run_begins_with_the_callers_rows_or_neither_is_there(place: Place) -> None:
    async with place.backend() as backend, await psycopg.AsyncConnection.connect(place.url, autocommit=True) as own:
        client = Client(backend, flows=[FLOW])
        async with own.transaction():
            await own.execute(insert_of(place, "orders").encode(), ["one"])
            assert (await client.start("orders", {"n": 1}, run_id="one", connection=own)).created
            assert await backend.status.get("one") is None, "nobody sees it before"
        with contextlib.suppress(ZeroDivisionError):
            async with own.transaction():
                await own.execute(insert_of(place, "orders").encode(), ["two"])
                await client.start("orders", run_id="two", connection=own)
                raise ZeroDivisionError
        assert all(ids == {"one"} for ids in (await stored(place)).values())
        worker = Worker(backend, FlowRuntime([FLOW]), poll=0.2)
        working = asyncio.ensure_future(worker.run())
        assert (await client.wait("one", timeout=30)).status == "completed"
        worker.stop()
        await working


async def test_a_worker_that_waits_hears_of_it_when_it_commits(place: Place) -> None:
    async with place.backend(poll=60) as backend, await psycopg.AsyncConnection.connect(place.url) as own:
        waiting = asyncio.ensure_future(backend.queue.receive(max_messages=1, wait=60, visibility=60))
        while not backend._listener.hears:  # noqa: ASYNC110 - it depends on a server
            await asyncio.sleep(0.01)
        await Client(backend, flows=[FLOW]).start("orders", connection=own)
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await own.commit()
        async with asyncio.timeout(5):
            assert len(await waiting) == 1


def test_a_program_that_is_not_async_does_the_same(place: Place) -> None:
    with SyncClient(place.backend, flows=[FLOW]) as client, psycopg.connect(place.url) as own:
        own.execute(insert_of(place, "orders").encode(), ["one"])
        client.start("orders", run_id="one", connection=own)
        own.commit()
        own.execute(insert_of(place, "orders").encode(), ["two"])
        client.start("orders", run_id="two", connection=own)
        own.rollback()
    assert all(ids == {"one"} for ids in asyncio.run(stored(place)).values())


async def test_a_connection_that_cannot_be_used_is_refused_by_name(place: Place) -> None:
    async with place.backend() as backend, await psycopg.AsyncConnection.connect(place.url, autocommit=True) as own:
        client = Client(backend, flows=[FLOW])
        with pytest.raises(ConfigurationError, match="in no transaction"):
            await client.start("orders", connection=own)
        with pytest.raises(ConfigurationError, match="psycopg 3"):
            await client.start("orders", connection="postgresql://")
    assert all(not ids for ids in (await stored(place)).values())


async def test_an_error_of_the_transaction_is_told_and_not_tried_again(place: Place) -> None:
    async with place.backend() as backend, await psycopg.AsyncConnection.connect(place.url) as own:
        with pytest.raises(psycopg.Error):
            await own.execute("SELECT 1 / 0")
        with pytest.raises(BackendError, match="current transaction is aborted"):
            await Client(backend, flows=[FLOW]).start("orders", connection=own)


async def test_two_that_start_the_same_run_at_once_start_it_once(place: Place) -> None:
    async with (
        place.backend() as backend,
        await psycopg.AsyncConnection.connect(place.url) as one,
        await psycopg.AsyncConnection.connect(place.url) as other,
    ):
        client = Client(backend, flows=[FLOW])
        assert (await client.start("orders", run_id="run", connection=one)).created
        second = asyncio.ensure_future(client.start("orders", run_id="run", connection=other))
        await asyncio.sleep(0.1)
        assert not second.done(), "whether there is one is not known yet"
        await one.commit()
        assert not (await second).created
        await other.commit()
    assert await place.ask("SELECT count(*) FROM flowcraft.jobs") == [(1,)]


async def test_a_thousand_starts_that_are_cut_off_anywhere_leave_all_or_nothing(
    place: Place, proxy: StatementProxy
) -> None:
    way = place.behind(proxy)
    told: set[str] = set()
    async with place.backend() as backend:
        client = Client(backend, flows=[FLOW])
        cuts = itertools.cycle((number, kind) for number in range(1, 13) for kind in ("cut_before", "cut_after"))
        for number in range(_STARTS):
            proxy.begin(*next(cuts))
            run_id = f"{number}"
            with contextlib.suppress(psycopg.Error, TransientError):
                async with await psycopg.AsyncConnection.connect(way.url, prepare_threshold=None) as own:
                    await own.execute(insert_of(place, "orders").encode(), [run_id])
                    await client.start("orders", run_id=run_id, connection=own)
                    await own.commit()
                    told.add(run_id)
        await asyncio.sleep(0.3)  # until the server has seen the last end
        found = await stored(place)
    assert len(set(map(frozenset, found.values()))) == 1, {name: len(ids) for name, ids in found.items()}
    assert told <= found["order"], "what was told to be stored is"
    assert 0 < len(found["order"]) < _STARTS
    hit = {what for what, _ in proxy.hit}
    assert {"begin", "the row", "the fact", "the status", "the message", "the notification", "commit"} <= hit, hit


# --- steps ------------------------------------------------------------------------------------------------------------


async def _effect(ctx: Any) -> int:
    connection = await ctx.connection()
    assert await ctx.connection() is connection
    await connection.execute(ctx.dependencies, [f"{ctx.run_id} {ctx.key}"])
    return int(ctx.attempt)


def chain(length: int, step: Any = _effect) -> Any:
    flow = create_flow("chain").node("n0", step)
    for number in range(1, length):
        flow.node(f"n{number}", step).edge(f"n{number - 1}", f"n{number}")
    return flow


def insert_of(place: Place, table: str = "effects") -> str:
    """Into one of the program's tables; with what tells the statement on the wire."""
    quoted = '"' + place.schema.replace('"', '""').replace("%", "%%") + '"'
    return f"INSERT INTO {quoted}.{table} /* INTO {table} */ VALUES (%s)"


async def effects(place: Place) -> list[str]:
    return sorted(key for (key,) in await place.ask("SELECT key FROM flowcraft.effects"))


async def outcomes(place: Place) -> list[str]:
    found = await place.ask(
        "SELECT run_id || ' ' || key FROM flowcraft.facts WHERE run_id <> ':blueprints' AND strpos(key, ':') = 0"
    )
    return sorted(key for (key,) in found)


async def run_to_its_end(place: Place, way: Place, flow: Any, runs: int, proxy: TcpProxy | None = None) -> list[Any]:
    async with place.backend() as direct, way.backend(prepares=False, connections=4, timeout=20) as backend:
        client = Client(direct, flows=[flow])
        runtime = FlowRuntime([flow], dependencies=insert_of(place))
        workers = [
            Worker(backend, runtime, poll=0.5, visibility=3.0, reconcile_interval=1.0, concurrency=8) for _ in range(2)
        ]
        working = [asyncio.ensure_future(worker.run()) for worker in workers]
        if proxy is not None:
            proxy.set_plan(Plan(("cut_before", "cut_after"), rate=0.06))
        for number in range(runs):
            await client.start(flow, run_id=f"{number}")
        results = [await client.wait(f"{number}", timeout=240) for number in range(runs)]
        if proxy is not None:
            proxy.set_plan(Plan())
        for worker in workers:
            worker.stop()
        await asyncio.gather(*working)
        return results


async def test_a_steps_rows_are_there_with_its_outcome(place: Place) -> None:
    (result,) = await run_to_its_end(place, place, chain(3), 1)
    assert result.status == "completed"
    assert await effects(place) == await outcomes(place) == ["0 n0", "0 n1", "0 n2"]


async def test_a_thousand_steps_that_are_cut_off_anywhere_leave_their_rows_with_their_outcomes(
    place: Place, proxy: StatementProxy
) -> None:
    results = await run_to_its_end(place, place.behind(proxy), chain(_LENGTH), _CHAINS, proxy)
    assert {result.status for result in results} == {"completed"}
    done = await outcomes(place)
    assert len(done) == _CHAINS * _LENGTH
    assert await effects(place) == done, "each of them once, and no other"
    for what in ("begin", "the row", "the fact", "commit"):
        for kind in ("cut_before", "cut_after"):
            assert proxy.hit[what, kind] > 0, f"nothing was cut at {what}, {kind}: {proxy.hit}"


async def test_a_failed_attempt_leaves_no_rows(place: Place) -> None:
    async def third_time(ctx: Any) -> int:
        await _effect(ctx)
        if ctx.attempt < 3:
            raise ValueError("not yet")
        return int(ctx.attempt)

    flow = create_flow("chain").node("n0", third_time, retries=RetryPolicy(max_attempts=3))
    (result,) = await run_to_its_end(place, place, flow, 1)
    assert result.outputs["n0"] == 3
    assert await effects(place) == ["0 n0"]


async def test_a_step_that_fails_and_its_fallback_leave_the_fallbacks_rows(place: Place) -> None:
    async def fails(ctx: Any) -> int:
        await _effect(ctx)
        raise ValueError("never")

    async def stands_in(ctx: Any) -> int:
        connection = await ctx.connection()
        await connection.execute(ctx.dependencies, ["fallback"])
        return 7

    flow = create_flow("chain").node("n0", fails, fallback="other").node("other", stands_in)
    (result,) = await run_to_its_end(place, place, flow, 1)
    assert result.outputs["n0"] == 7
    assert await effects(place) == ["fallback"]


async def test_an_output_that_cannot_be_stored_leaves_no_rows(place: Place) -> None:
    async def opaque(ctx: Any) -> object:
        await _effect(ctx)
        return object()

    (result,) = await run_to_its_end(place, place, chain(1, opaque), 1)
    assert result.status == "failed"
    assert await effects(place) == []


async def test_who_loses_to_another_execution_leaves_no_rows(place: Place) -> None:
    flow = chain(1)
    async with place.backend() as backend:
        client = Client(backend, flows=[flow])

        entered, go_on = asyncio.Event(), asyncio.Event()

        async def slow(ctx: Any) -> int:
            await _effect(ctx)
            entered.set()
            await go_on.wait()
            return 2

        slow_flow = chain(1, slow)
        # One at a time, so that the copy of its message is for the other.
        slow_runtime = FlowRuntime([slow_flow], dependencies=insert_of(place))
        worker = Worker(backend, slow_runtime, poll=0.2, concurrency=1, reconcile=False)
        working = asyncio.ensure_future(worker.run())
        await client.start(flow, run_id="0")
        await entered.wait()
        (body,) = await place.ask("SELECT body FROM flowcraft.jobs")
        await backend.queue.send([Message(body[0])])
        other = Worker(backend, FlowRuntime([flow], dependencies=insert_of(place)), poll=0.2, reconcile=False)
        others = asyncio.ensure_future(other.run())
        assert (await client.wait("0", timeout=30)).outputs["n0"] == 1
        go_on.set()
        for each in (worker, other):
            each.stop()
        await asyncio.gather(working, others)
        assert (await client.result("0")).outputs["n0"] == 1
    assert await effects(place) == ["0 n0"]


async def test_a_step_may_not_commit_by_itself(place: Place) -> None:
    async def commits(ctx: Any) -> int:
        connection = await ctx.connection()
        await connection.execute(ctx.dependencies, ["too early"])
        await connection.commit()
        return 1

    (result,) = await run_to_its_end(place, place, chain(1, commits), 1)
    assert result.status == "failed"
    assert await effects(place) == []


async def test_a_server_that_ends_a_steps_connection_fails_no_step(place: Place) -> None:
    ended: list[int] = []

    async def is_cut_once(ctx: Any) -> int:
        connection = await ctx.connection()
        await _effect(ctx)
        if not ended:
            ended.append(1)
            await place.ask("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
            await asyncio.sleep(0.2)
            await connection.execute("SELECT 1")
        return 1

    (result,) = await run_to_its_end(place, place, chain(2, is_cut_once), 1)
    assert result.status == "completed"
    assert await effects(place) == ["0 n0", "0 n1"]


# --- the power itself -------------------------------------------------------------------------------------------------


async def test_what_is_joined_to_a_transaction_is_seen_when_it_commits(place: Place) -> None:
    fact, status = Fact(b"x", "w"), RunStatus(run_id="r", state="running", blueprint_id="f", created=1.0, updated=1.0)
    async with place.backend() as backend:
        for commits in (False, True):
            with contextlib.suppress(ZeroDivisionError):
                async with backend.transactional.begin() as connection:
                    joined = backend.transactional.joined(connection)
                    assert await joined.context.put("r", "k", fact) is None
                    assert await joined.context.get("r", ["k"]) == {"k": fact}, "its own"
                    assert await joined.status.create(status)
                    await joined.send([Message("m")])
                    assert await backend.context.get("r", ["k"]) == {}
                    assert await backend.status.get("r") is None
                    assert await backend.queue.receive(max_messages=1, wait=0, visibility=60) == []
                    if not commits:
                        raise ZeroDivisionError
        assert await backend.context.get("r", ["k"]) == {"k": fact}
        assert await backend.status.get("r") == status
        assert len(await backend.queue.receive(max_messages=9, wait=0, visibility=60)) == 1


async def test_a_fact_that_stands_is_told_inside_of_a_transaction_too(place: Place) -> None:
    async with place.backend() as backend:
        await backend.context.put("r", "k", Fact(b"first", "w"))
        async with backend.transactional.begin() as connection:
            standing = await backend.transactional.joined(connection).context.put("r", "k", Fact(b"second", "v"))
            assert standing == Fact(b"first", "w")
