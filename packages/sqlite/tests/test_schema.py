"""Many processes open one new file at once: simulated, so that each order of their statements is tried."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from flowcraft_core.errors import UnknownQueueError
from flowcraft_core.ports import Message
from flowcraft_sqlite import SqliteBackend, _schema
from flowcraft_sqlite._errors import is_busy
from flowcraft_sqlite._schema import APPLICATION_ID, SCHEMA_VERSION, prepare

STATEMENTS = 28  # at least as many as a preparation takes


@pytest.mark.parametrize("place", range(STATEMENTS))
def test_another_process_may_prepare_the_file_before_any_statement(tmp_path: Path, place: int) -> None:
    path = str(tmp_path / "flowcraft.db")
    seen: list[str] = []
    others: list[bool] = []

    def interrupt(statement: str) -> None:
        if len(seen) == place:
            with contextlib.closing(_connect(path)) as other:
                others.append(_prepare(other, path))
        seen.append(statement)

    with contextlib.closing(_connect(path)) as connection:
        connection.set_trace_callback(interrupt)
        if not _prepare(connection, path):
            assert _prepare(connection, path), "nobody else holds the lock any more"
        connection.set_trace_callback(None)
        assert len(others) == (place < len(seen)), "neither call may fail but for a lock"
        assert len(seen) <= STATEMENTS, "the parameters reach the last statement"
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def _connect(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=0, isolation_level=None)


def _prepare(connection: sqlite3.Connection, path: str) -> bool:
    """Whether it went through; if another holds the lock, the caller is to try again."""
    try:
        prepare(connection, path)
    except sqlite3.Error as error:
        if not is_busy(error):
            raise
        return False
    return True


async def test_a_file_of_the_first_version_gets_queues_by_name_and_keeps_its_messages(tmp_path: Path) -> None:
    path = str(tmp_path / "flowcraft.db")
    with contextlib.closing(_connect(path)) as connection:
        for statement in _schema._MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO jobs (body) VALUES ('old')")
    async with SqliteBackend(path) as backend:
        await backend.queues.named("gpu").send([Message("new")])
        assert await backend.queues.names() == ["gpu"]
        for queue, body in ((backend.queue, "old"), (backend.queues.named("gpu"), "new")):
            assert [each.body for each in await queue.receive(max_messages=9, wait=0, visibility=60)] == [body]
        assert await backend.diagnose() == []
        with pytest.raises(UnknownQueueError, match="'no name'"):
            backend.queues.named("no name")
