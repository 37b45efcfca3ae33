import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from flowcraft_core import SystemClock
from flowcraft_core.ports import Delivery, Message
from flowcraft_sqlite import SqliteBackend
from flowcraft_sqlite._others import Others
from flowcraft_testkit import VirtualClock

from .helpers import PATIENCE, ask, rows, until

MONTH = 30 * 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flowcraft.db"


async def test_the_oldest_message_comes_first(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        for body in "abc":
            await backend.queue.send([Message(body)])
        taken = [
            delivery.body
            for _ in range(3)
            for delivery in await backend.queue.receive(max_messages=1, wait=0, visibility=60)
        ]
        assert taken == ["a", "b", "c"]


async def test_a_late_holder_may_go_on_as_long_as_nobody_else_has_received(path: Path) -> None:
    clock = VirtualClock()
    async with SqliteBackend(path, clock=clock) as backend:
        queue = backend.queue
        await queue.send([Message("job")])
        late = await queue.receive(max_messages=1, wait=0, visibility=1)
        await clock.sleep(2)
        assert await queue.extend(late, 1) == late
        await clock.sleep(2)
        await queue.acknowledge(late)
        assert rows(path, "SELECT count(*) FROM jobs") == [(0,)]


async def test_an_old_delivery_can_do_nothing_to_a_newer_one(path: Path) -> None:
    clock = VirtualClock()
    async with SqliteBackend(path, clock=clock) as backend:
        queue = backend.queue
        await queue.send([Message("job")])
        old = await queue.receive(max_messages=1, wait=0, visibility=1)
        await clock.sleep(1)
        new = await queue.receive(max_messages=1, wait=0, visibility=60)
        assert (old[0].count, new[0].count) == (1, 2)
        await queue.acknowledge(old)
        await queue.release(old)
        assert await queue.extend(old, 60) == [None]
        assert await queue.receive(max_messages=1, wait=0, visibility=60) == []
        await queue.release(new)
        await queue.acknowledge(new)  # given back, it is nobody's
        (again,) = await queue.receive(max_messages=1, wait=0, visibility=60)
        assert again.count == 3


async def test_a_month_of_delay_passes_on_the_clock(path: Path) -> None:
    clock = VirtualClock()
    async with SqliteBackend(path, clock=clock) as backend:
        begun = clock.now()
        await backend.queue.send([Message("job")], delay=MONTH)
        (delivery,) = await backend.queue.receive(max_messages=1, wait=2 * MONTH, visibility=60)
        assert delivery.body == "job"
        assert clock.now() - begun == pytest.approx(MONTH, abs=1e-3)


async def test_a_receiver_wakes_when_a_message_becomes_due(path: Path) -> None:
    async with SqliteBackend(path) as backend, SqliteBackend(path) as other:
        begun = time.time()
        await other.queue.send([Message("job")], delay=0.2)
        (delivery,) = await backend.queue.receive(max_messages=1, wait=60, visibility=60)
        assert delivery.body == "job"
        assert 0.2 <= time.time() - begun < 30


async def test_what_is_sent_in_this_process_wakes_a_receiver_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowcraft_sqlite.queue._FIRST_PAUSE", 2 * PATIENCE)  # it does not look by itself
    async with SqliteBackend(path) as backend, asyncio.timeout(PATIENCE):
        receiving = asyncio.ensure_future(backend.queue.receive(max_messages=1, wait=600, visibility=60))
        for _ in range(2):
            await asyncio.sleep(0.05)
            assert not receiving.done()
            await backend.queue.send([Message("later")], delay=60)  # after this it looks again, in vain
        await backend.queue.send([Message("job")])
        assert [delivery.body for delivery in await receiving] == ["job"]

        released = asyncio.ensure_future(backend.queue.receive(max_messages=1, wait=600, visibility=60))
        await asyncio.sleep(0.05)
        await backend.queue.release(await receiving)
        assert [delivery.body for delivery in await released] == ["job"]


async def test_many_receivers_share_what_comes(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        waiting = [
            asyncio.ensure_future(backend.queue.receive(max_messages=1, wait=60, visibility=60)) for _ in range(10)
        ]
        await backend.queue.send([Message(str(place)) for place in range(10)])
        received = await asyncio.gather(*waiting)
        assert sorted(delivery.body for (delivery,) in received) == [str(place) for place in range(10)]


async def test_what_a_cancelled_receive_took_is_given_back_uncounted(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        await backend.queue.send([Message("job")])
        for _ in range(3):
            receiving = asyncio.ensure_future(backend.queue.receive(max_messages=1, wait=60, visibility=60))
            await asyncio.sleep(0)  # it has asked, and is not answered
            receiving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiving
        received: list[Delivery] = []

        async def is_back() -> bool:
            received.extend(await backend.queue.receive(max_messages=1, wait=1, visibility=60))
            return bool(received)

        await until(is_back)
        assert [delivery.count for delivery in received] == [1]


async def test_waiting_that_is_cancelled_leaves_no_task_behind(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        before = asyncio.all_tasks()
        receiving = asyncio.ensure_future(backend.queue.receive(max_messages=1, wait=60, visibility=60))
        await asyncio.sleep(0.02)
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving

        async def none_is_left() -> bool:
            return asyncio.all_tasks() == before

        await until(none_is_left)


async def test_what_is_out_of_range_is_refused(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        queue, most = backend.queue, backend.queue.limits.max_visibility
        with pytest.raises(ValueError, match="max_messages=0"):
            await queue.receive(max_messages=0, wait=0, visibility=1)
        for visibility in (0.9, most * 2, float("nan")):
            with pytest.raises(ValueError, match="visibility"):
                await queue.receive(max_messages=1, wait=0, visibility=visibility)
            with pytest.raises(ValueError, match="visibility"):
                await queue.extend([], visibility)
        with pytest.raises(ValueError, match="delay"):
            await queue.send([Message("job")], delay=float("nan"))


async def test_looking_for_a_message_reads_no_other(path: Path) -> None:
    """Neither one that is not due nor one of another queue."""
    async with SqliteBackend(path) as backend:
        database, asked = backend._database, list[str]()
        await database.read(lambda connection: connection.set_trace_callback(asked.append))
        await database.write(lambda connection: connection.set_trace_callback(asked.append), synced=False)
        assert await backend.queues.named("gpu").receive(max_messages=1, wait=0.3, visibility=60) == []
        await database.write(lambda connection: connection.set_trace_callback(None), synced=False)
        queries = {query for query in asked if query.startswith("SELECT") and "jobs" in query}
        # What is due, what has no time, and when the next one is.
        assert {query.partition(" FROM ")[0] for query in queries} == {
            "SELECT id, deliveries + 1, body",
            "SELECT visible_at",
        }
        for query in queries:
            plan = [row[-1] for row in await ask(backend, f"EXPLAIN QUERY PLAN {query}")]
            (step,) = plan  # no sorting
            assert "INDEX jobs_by_queue (queue=?" in step
            for asked_for, searched in (("visible_at <=", "visible_at<?"), ("visible_at >", "visible_at>?")):
                assert (searched in step) == (asked_for in query)


async def test_an_idle_receiver_takes_no_lock(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        receiving = asyncio.ensure_future(backend.queue.receive(max_messages=1, wait=60, visibility=60))
        assert await ask(backend, "SELECT count(*) FROM jobs") == [(0,)]  # it has looked once, and waits
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(0.1)
        other.execute("INSERT INTO jobs (visible_at, body) VALUES (0, 'job')")
        other.execute("COMMIT")
        other.close()
        (delivery,) = await receiving
        assert delivery.body == "job"


class SetBack(SystemClock):
    """The machine's clock, which somebody sets back by an hour."""

    behind = 0.0

    def now(self) -> float:
        return super().now() - self.behind


async def test_a_clock_that_is_set_back_does_not_lengthen_a_receive(path: Path) -> None:
    clock = SetBack()
    async with SqliteBackend(path, clock=clock) as backend:
        receiving = asyncio.ensure_future(backend.queue.receive(max_messages=1, wait=0.2, visibility=60))
        await asyncio.sleep(0.05)
        clock.behind = 3_600.0
        assert await asyncio.wait_for(receiving, PATIENCE) == []


async def test_where_nothing_is_left_a_receive_looks_and_takes_no_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SqliteBackend(path) as backend:
        queue, database = backend.queue, backend._database
        await queue.send([Message("job")])
        assert len(await queue.receive(max_messages=2, wait=0, visibility=60)) == 1
        written: list[object] = []
        write = database.write

        def counted(operation: Any, *, synced: bool, size: int | None) -> Any:
            written.append(operation)
            return write(operation, synced=synced, size=size)

        monkeypatch.setattr(database, "write", counted)
        waiting = asyncio.ensure_future(queue.receive(max_messages=2, wait=PATIENCE, visibility=60))
        await asyncio.sleep(0)  # it has asked
        await database.read(lambda connection: None)  # and is answered
        assert written == []
        await queue.send([Message("next")])
        assert [delivery.body for delivery in await waiting] == ["next"]


async def test_who_writes_all_the_time_receives_what_another_process_sends(path: Path) -> None:
    async with SqliteBackend(path) as backend, SqliteBackend(path) as other:
        waiting = asyncio.ensure_future(backend.queue.receive(max_messages=1, wait=PATIENCE, visibility=60))
        sent = False
        while not waiting.done():
            await backend.coordination.set_if_absent(f"hint-{time.monotonic_ns()}", "x", ttl=60)
            if not sent:
                await other.queue.send([Message("job")])
                sent = True
        assert [delivery.body for delivery in waiting.result()] == ["job"]


def test_whether_others_have_written_is_told_by_their_commits_alone(path: Path) -> None:
    others = Others()
    assert not others.are_silent(None, 60)
    with contextlib.closing(sqlite3.connect(path)) as own, contextlib.closing(sqlite3.connect(path)) as other:
        own.execute("CREATE TABLE t (x)")
        others.look(own)
        before = others.number
        own.execute("INSERT INTO t VALUES (1)")
        own.commit()
        others.look(own)
        assert others.are_silent(before, 60)
        assert not others.are_silent(before, 0), "what was seen too long ago counts for nothing"
        other.execute("INSERT INTO t VALUES (2)")
        other.commit()
        assert others.are_silent(before, 60), "it has not looked yet"
        others.look(own)
        assert not others.are_silent(before, 60)
        assert others.are_silent(others.number, 60)
