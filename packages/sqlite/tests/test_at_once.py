"""What the event loop does by itself, and what it leaves to a thread."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Fact, Message
from flowcraft_sqlite import SqliteBackend, _pace, _sessions
from flowcraft_sqlite._batches import Call
from flowcraft_sqlite._pace import Pace

from .helpers import FACT, ask, rows

LONG = b"x" * (_sessions.LITTLE + 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flowcraft.db"


@pytest.fixture
async def backend(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteBackend]:
    """On a disk of which the first commit has shown that it is quick."""
    monkeypatch.setattr(_pace, "_LONG", float("inf"))
    async with SqliteBackend(path, busy_timeout=0.3) as backend:
        await where(backend, size=0)
        await where_read(backend, size=0)
        yield backend


def here() -> str:
    return "in the loop" if threading.current_thread() is threading.main_thread() else "in a thread"


def carried_out(connection: sqlite3.Connection) -> str:
    return here()


async def where(backend: SqliteBackend, size: int | None) -> str:
    """Where a write takes place."""
    return await backend._database.write(carried_out, synced=True, size=size)


async def where_read(backend: SqliteBackend, size: int | None) -> str:
    return await backend._database.read(carried_out, size=size)


def session_of(backend: SqliteBackend) -> Any:
    assert backend._database._writer is not None
    return backend._database._writer._session()


async def test_who_is_alone_is_served_in_the_loop(backend: SqliteBackend) -> None:
    for _ in range(3):
        assert await where(backend, size=0) == "in the loop"
        assert await where_read(backend, size=0) == "in the loop"


async def test_before_the_first_commit_nobody_knows_how_quick_the_disk_is(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        assert await where(backend, size=0) == "in a thread"
        assert await where_read(backend, size=0) == "in a thread"


async def test_two_who_come_at_the_same_time_go_to_the_thread(backend: SqliteBackend) -> None:
    for ask_where in (where, where_read):
        assert set(await asyncio.gather(ask_where(backend, 0), ask_where(backend, 0))) == {"in a thread"}
    assert await where(backend, size=0) == "in the loop"
    assert await where_read(backend, size=0) == "in the loop"


async def test_who_comes_while_the_thread_is_busy_is_served_after_it(backend: SqliteBackend) -> None:
    order, goes_on = list[str](), threading.Event()

    def wait(connection: sqlite3.Connection) -> None:
        goes_on.wait(60)
        order.append("first")

    first = backend._database.write(wait, synced=True)
    await asyncio.sleep(0)  # it is handed over
    second = backend._database.write(lambda connection: order.append(here()), synced=True, size=0)
    await asyncio.sleep(0)
    assert order == []  # and the loop goes on
    goes_on.set()
    await asyncio.gather(first, second)
    assert order == ["first", "in a thread"]


@pytest.mark.parametrize("size", [None, len(LONG)])
async def test_what_is_long_or_may_be_goes_to_the_thread(backend: SqliteBackend, size: int | None) -> None:
    assert await where(backend, size) == "in a thread"
    assert await where_read(backend, size) == "in a thread"


async def test_long_bodies_are_told_as_such(backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    told, write = list[int | None](), backend._database.write

    def noting(operation: Any, *, synced: bool, size: int | None = None) -> Any:
        told.append(size)
        return write(operation, synced=synced, size=size)

    monkeypatch.setattr(backend._database, "write", noting)
    await backend.context.put("run", "key", Fact(LONG, "writer"))
    await backend.queue.send([Message("x" * len(LONG))])
    await backend.queue.receive(max_messages=1, wait=0, visibility=60)
    await backend.queue.receive(max_messages=1, wait=0, visibility=60)  # may be as long as the last
    await backend.context.delete("run", keys=["key"], names=[])
    assert [size is None or size >= len(LONG) for size in told] == [True, True, False, True, True]


@pytest.mark.parametrize("size", [0, 4_096, 4_097, 100_000])
@pytest.mark.parametrize("count", [1, 8, 9])
async def test_bodies_of_any_length_are_read(backend: SqliteBackend, size: int, count: int) -> None:
    facts = {f"{place}": Fact(b"x" * (size if place == 0 else 1), "writer", "job") for place in range(count)}
    for key, fact in facts.items():
        await backend.context.put("run", key, fact)
    assert await backend.context.get("run", list(facts)) == facts


async def test_a_lock_that_others_hold_is_waited_for_in_the_thread(
    backend: SqliteBackend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited, sleep = set[str](), time.sleep

    def sleeping(seconds: float) -> None:
        waited.add(here())
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", sleeping)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        put = asyncio.ensure_future(where(backend, size=0))
        for _ in range(10):
            await asyncio.sleep(0)
            assert await where_read(backend, size=0) == "in the loop"
        assert not put.done()
        other.execute("ROLLBACK")
        assert await put == "in a thread"
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="busy_timeout"):  # it has waited for as long as it was told to
            await backend.context.put("run", "key", FACT)
    assert waited == {"in a thread"}
    assert await where(backend, size=0) == "in the loop"


async def test_readers_that_have_to_wait_do_so_in_the_thread(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, kept_waiting = _sessions.ReadSession._begin, list[str]()

    def kept_by_another(session: Any) -> None:
        if len(kept_waiting) < 3:
            kept_waiting.append(here())
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
            raise error
        begin(session)

    monkeypatch.setattr(_sessions.ReadSession, "_begin", kept_by_another)
    assert await where_read(backend, size=0) == "in a thread"
    assert kept_waiting == ["in the loop", "in a thread", "in a thread"]
    assert await where_read(backend, size=0) == "in the loop"


async def test_the_thread_copies_the_log_back(
    path: Path, backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sessions, "_CHECKPOINT_CHANGES", 20)
    rested, rest = list[str](), _sessions.WriteSession.rest

    def resting(session: Any) -> None:
        rested.append(here())
        rest(session)

    monkeypatch.setattr(_sessions.WriteSession, "rest", resting)
    for place in range(50):
        await backend.context.put("run", f"{place}", FACT)
    await where(backend, size=None)  # by then the thread has come to rest
    assert rested == ["in a thread"] * 2
    assert rows(path, "SELECT count(*) FROM facts") == [(50,)]


async def test_on_a_slow_disk_the_thread_commits(backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pace, "_LONG", 0.0)
    for _ in range(3):
        assert await where(backend, size=0) == "in a thread"
    monkeypatch.setattr(_pace, "_LONG", float("inf"))
    assert await where(backend, size=0) == "in the loop"


def paced(*seconds: float, waited: bool = True, before: Pace | None = None) -> Pace:
    pace = Pace() if before is None else before
    for each in seconds:
        pace.note(each, waited=waited)
    return pace


def test_the_pace_is_that_of_the_last_commits() -> None:
    assert not paced().is_short  # nobody knows
    assert paced(0.000_2).is_short
    assert not paced(0.000_2, 0.1).is_short
    assert not paced(0.000_2, 0.1, *[0.000_2] * 10).is_short
    assert paced(0.000_2, 0.1, *[0.000_2] * 40).is_short
    slow = paced(*[0.01] * 10)
    assert not paced(*[0.000_01] * 100, waited=False, before=slow).is_short  # hints tell nothing of the disk
    assert not paced(0.1, waited=False, before=paced(0.000_2)).is_short  # but if they take long


async def test_what_fails_at_once_fails_as_elsewhere(backend: SqliteBackend) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        await backend.context.put("run", "\ud800", FACT)

    def give_up(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("as SQLite does when the disk fails")

    with pytest.raises(Exception, match="as SQLite does"):
        await backend._database.write(give_up, synced=True, size=0)
    assert await where(backend, size=0) == "in the loop"
    assert await backend.context.put("run", "key", FACT) is None


async def test_an_interrupt_in_the_middle_leaves_nothing_half_done(backend: SqliteBackend, path: Path) -> None:
    insert, count = "INSERT INTO initial_contexts VALUES ('run', '{}')", "SELECT count(*) FROM initial_contexts"

    def interrupted(connection: sqlite3.Connection) -> None:
        connection.execute(insert)
        raise KeyboardInterrupt

    call: Call[None] = Call(interrupted, True, 0, asyncio.get_running_loop().create_future())
    with pytest.raises(KeyboardInterrupt):
        session_of(backend).run_at_once(call)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")  # nobody holds the lock
    # One that comes between the begin and what is to undo it: the next write does that.
    for synced in (True, False, True):
        connection = session_of(backend)._connection
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(insert)
        assert await backend._database.write(lambda _: here(), synced=synced, size=0) == "in the loop"
        assert await ask(backend, count) == [(0,)]


async def _cancelled(backend: SqliteBackend, put: asyncio.Future[Any]) -> None:
    put.cancel()
    with pytest.raises(asyncio.CancelledError):
        await put


async def _closed(backend: SqliteBackend, put: asyncio.Future[Any]) -> None:
    await backend.close()
    assert await put is None


@pytest.mark.parametrize("end", [_cancelled, _closed])
async def test_what_was_asked_for_alone_is_done_whatever_comes_next(
    backend: SqliteBackend, path: Path, end: Callable[..., Any]
) -> None:
    put = asyncio.ensure_future(backend.context.put("run", "key", FACT))
    await asyncio.sleep(0)  # it has asked, and is not answered
    assert not put.done()
    await end(backend, put)
    await asyncio.sleep(0)
    assert rows(path, "SELECT key FROM facts") == [("key",)]


async def test_chains_beside_one_another_lose_nothing(backend: SqliteBackend, path: Path) -> None:
    """Now one is alone, now several are there."""

    async def chain(name: str, pauses: int) -> None:
        for place in range(60):
            assert await backend.context.put(name, f"{place}", FACT) is None
            assert await backend.context.get(name, [f"{place}"]) == {f"{place}": FACT}
            for _ in range(place % pauses):
                await asyncio.sleep(0)

    await asyncio.gather(chain("a", 3), chain("b", 4), chain("c", 5))
    assert rows(path, "SELECT run_id, count(*) FROM facts GROUP BY run_id") == [("a", 60), ("b", 60), ("c", 60)]
