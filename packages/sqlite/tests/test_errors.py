import asyncio
import re
import sqlite3
import time
from pathlib import Path

import pytest
from flowcraft_core.errors import BackendError, BackendGoneError, TransientError
from flowcraft_core.ports import Message
from flowcraft_sqlite import SqliteBackend
from flowcraft_sqlite._errors import translate
from flowcraft_sqlite._schema import APPLICATION_ID, SCHEMA_VERSION

from .helpers import FACT, rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flowcraft.db"


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * (path.stat().st_size - 4_096))


async def open_and_close(path: Path) -> None:
    async with SqliteBackend(path):
        pass


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_BUSY, TransientError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, TransientError),
        (sqlite3.SQLITE_LOCKED, TransientError),
        (sqlite3.SQLITE_FULL, TransientError),
        (sqlite3.SQLITE_IOERR_FSYNC, TransientError),
        (sqlite3.SQLITE_CORRUPT, BackendGoneError),
        (sqlite3.SQLITE_READONLY, BackendError),
        (sqlite3.SQLITE_TOOBIG, BackendError),
        (sqlite3.SQLITE_ERROR, BackendError),
    ],
)
def test_every_error_is_translated_and_kept_as_the_cause(code: int, kind: type[BackendError]) -> None:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode, error.sqlite_errorname = code, "ITS_NAME"
    translated = translate(error, "/a/file")
    assert type(translated) is kind
    assert translated.__cause__ is error
    assert str(translated).startswith("SQLite file '/a/file': what SQLite says (ITS_NAME)")


def test_what_is_not_of_sqlite_stays_as_it_is() -> None:
    error = ValueError("too long")
    assert translate(error, "/a/file") is error


async def test_a_lock_that_others_hold_too_long_is_worth_another_try(path: Path) -> None:
    async with SqliteBackend(path, busy_timeout=0.05) as backend:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        with pytest.raises(TransientError, match="busy_timeout") as raised:
            await backend.context.put("run", "key", FACT)
        assert time.monotonic() - begun >= 0.05
        assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
        assert await backend.context.get("run", ["key"]) == {}  # readers are not held up
        other.close()
        assert await backend.context.put("run", "key", FACT) is None


async def test_a_write_waits_for_a_lock_that_others_hold_for_a_while(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        put = asyncio.ensure_future(backend.context.put("run", "key", FACT))
        assert await backend.context.get("run", ["key"]) == {}
        assert not put.done()
        other.close()
        assert await put is None


async def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    await open_and_close(path)
    change(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(BackendError, match=f"schema version {SCHEMA_VERSION + 1}.* upgrade flowcraft-sqlite"):
        await open_and_close(path)
    assert rows(path, "PRAGMA user_version") == [(SCHEMA_VERSION + 1,)]


async def test_a_file_says_whose_it_is_and_of_what_version(path: Path) -> None:
    await open_and_close(path)
    assert rows(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert rows(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE theirs (a)", "PRAGMA user_version = 1", "PRAGMA application_id = 1"]
)
async def test_another_programs_database_is_left_alone(path: Path, statement: str) -> None:
    change(path, statement)
    before = bytes_of(path)
    with pytest.raises(BackendError, match="belongs to another program"):
        await open_and_close(path)
    assert bytes_of(path) == before


def unusable_paths(folder: Path) -> dict[Path, str]:
    text, itself, nowhere = folder / "text", folder, folder / "nowhere" / "flowcraft.db"
    text.write_text("no database at all\n" * 100)
    return {text: "not an SQLite database", itself: "the folder must", nowhere: "the folder must"}


async def test_a_path_that_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    for path, message in unusable_paths(tmp_path).items():
        with pytest.raises(BackendError, match=f"{re.escape(str(path))}.*{message}"):
            await open_and_close(path)


async def test_a_damaged_file_is_refused_by_name(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        await backend.queue.send([Message("x" * 3_000)] * 100)
    damage(path)
    async with SqliteBackend(path) as backend:
        with pytest.raises(BackendError, match="restore a backup") as raised:
            await backend.queue.receive(max_messages=1, wait=0, visibility=1)
        assert not isinstance(raised.value, TransientError)
