import asyncio
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Fact, Message
from flowcraft_sqlite import SqliteBackend
from flowcraft_sqlite._sessions import Settings

from .helpers import FACT, ask, rows, size_of

LONG_FACT = Fact(b"x" * 100_000, "writer")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flowcraft.db"


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that any connection carries out from now on."""
    seen: list[str] = []
    connect = Settings.connect

    def connect_traced(settings: Settings) -> sqlite3.Connection:
        connection = connect(settings)
        connection.set_trace_callback(seen.append)
        return connection

    monkeypatch.setattr(Settings, "connect", connect_traced)
    return seen


async def test_writes_that_wait_at_the_same_time_share_a_commit(path: Path, statements: list[str]) -> None:
    async with SqliteBackend(path) as backend:
        statements.clear()
        await asyncio.gather(*(backend.context.put("run", f"{place}", FACT) for place in range(100)))
        # In one pass of the loop all of them ask, in the next one they are handed over.
        expected = {"BEGIN": 1, "PRAGMA": 1, "INSERT": 100, "COMMIT": 1}
        assert Counter(statement.split()[0] for statement in statements) == expected


async def test_what_comes_while_a_commit_is_under_way_shares_the_next(path: Path, statements: list[str]) -> None:
    async with SqliteBackend(path) as backend:

        async def chain(name: str) -> None:
            for place in range(10):
                await asyncio.sleep(0)
                await backend.context.put(name, f"{place}", FACT)

        statements.clear()
        await asyncio.gather(*(chain(f"{number}") for number in range(50)))
        assert statements.count("COMMIT") <= 20  # 500 without sharing


async def test_a_commit_that_facts_and_hints_share_is_synced(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        await backend.coordination.increment("counter", ttl=60)
        (level,), *_ = await asyncio.gather(
            ask(backend, "PRAGMA synchronous"),
            backend.coordination.increment("counter", ttl=60),
            backend.context.put("run", "key", FACT),
        )
        assert level == (2,)


async def test_reads_that_wait_at_the_same_time_see_one_state(path: Path, statements: list[str]) -> None:
    async with SqliteBackend(path) as backend:
        statements.clear()
        await asyncio.gather(*(backend.context.get("run", ["key"]) for _ in range(10)))
        assert Counter(statement.split()[0] for statement in statements) == {
            "BEGIN": 1,
            "PRAGMA": 1,
            "COMMIT": 1,
            "SELECT": 10,
        }


async def test_a_call_that_fails_by_itself_takes_no_other_with_it(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        put = backend.context.put
        before, itself, after = await asyncio.gather(
            put("run", "before", FACT), put("run", "\ud800", FACT), put("run", "after", FACT), return_exceptions=True
        )
        assert isinstance(itself, ValueError)  # no text in UTF-8
        assert (before, after) == (None, None)
        assert (await backend.context.get("run", ["before", "after"])).keys() == {"before", "after"}


async def test_when_a_transaction_is_lost_all_of_its_calls_learn_it(path: Path) -> None:
    async with SqliteBackend(path) as backend:

        def give_up(connection: sqlite3.Connection) -> None:
            connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("as SQLite does when the disk fails")

        async def lose() -> None:
            await backend._database.write(give_up, synced=True)

        answers = await asyncio.gather(
            backend.context.put("run", "key", FACT),
            lose(),
            backend.queue.send([Message("job")]),
            return_exceptions=True,
        )
        assert all("as SQLite does" in str(answer) for answer in answers)
        assert len({id(answer) for answer in answers}) == 3  # each caller raises one of its own
        assert await backend.context.put("run", "key", FACT) is None


async def test_a_full_disk_is_worth_another_try(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        ((pages,),) = await ask(backend, "PRAGMA page_count")
        await ask(backend, f"PRAGMA max_page_count = {pages + 4}")
        with pytest.raises(TransientError, match="make room"):
            await backend.context.put("run", "key", LONG_FACT)
        await ask(backend, "PRAGMA max_page_count = 1000000")
        assert await backend.context.put("run", "key", LONG_FACT) is None


async def test_a_cancelled_call_is_carried_out_all_the_same(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        put = asyncio.ensure_future(backend.context.put("run", "key", FACT))
        await asyncio.sleep(0)
        put.cancel()
        assert await backend.context.put("run", "key", FACT) == FACT


async def test_the_log_is_copied_back_while_nobody_can_commit(path: Path, statements: list[str]) -> None:
    async with SqliteBackend(path) as backend:
        before = size_of(path)
        statements.clear()
        for number in range(4):
            await asyncio.gather(*(backend.context.put(f"{number}", f"{place}", FACT) for place in range(400)))
        await ask(backend, "SELECT 1")  # by then the thread has come to rest after the last put
        assert size_of(path) > before + 100_000
        copied = [place for place, statement in enumerate(statements) if "wal_checkpoint" in statement]
        assert len(copied) == 2
        assert {tuple(statements[place - 1 : place + 2]) for place in copied} == {
            ("BEGIN IMMEDIATE", "PRAGMA wal_checkpoint(PASSIVE)", "ROLLBACK")
        }


async def test_long_values_do_not_make_the_log_grow_without_end(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        fact = Fact(b"x" * backend.context.limits.max_value_bytes, "writer")
        for place in range(12):
            await backend.context.put("run", f"{place}", fact)
        assert size_of(path) > 5 * len(fact.body)
        assert size_of(path.with_name("flowcraft.db-wal")) < 5 * len(fact.body)
        assert rows(path, "PRAGMA integrity_check") == [("ok",)]
