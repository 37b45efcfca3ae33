"""SQLite files, folders and disks that are broken on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from unittest import mock

from breakage import Breakages
from flowcraft_core.ports import Backend, Fact
from flowcraft_sqlite import SqliteBackend, diagnosis
from flowcraft_sqlite.symptoms import SYMPTOMS

BREAKAGES = Breakages({symptom.code for symptom in SYMPTOMS})

_NOBODY = 65_534
_ROWS = 200


@contextlib.asynccontextmanager
async def healthy(folder: Path) -> AsyncIterator[SqliteBackend]:
    """A backend that was used, and is closed, on a file of its own in a folder."""
    backend = SqliteBackend(folder / "runs.db", synchronous="off", busy_timeout=1.0)
    async with backend:
        for number in range(_ROWS):
            await backend.context.put("run", f"key {number}", Fact(b"x" * 500, "writer"))
    yield backend


@BREAKAGES.found_as("SQLITE-LOG-ORPHANED", "runs.db-wal")
async def the_file_is_moved_away_from_its_log(folder: Path) -> AsyncIterator[Backend]:
    async with SqliteBackend(folder / "runs.db") as backend:
        await backend.context.put("run", "key", Fact(b"x", "writer"))
        log = (folder / "runs.db-wal").read_bytes()
    (folder / "runs.db").rename(folder / "elsewhere.db")
    (folder / "runs.db-wal").write_bytes(log)
    yield SqliteBackend(folder / "runs.db")


@BREAKAGES.found_as("SQLITE-FOLDER-MISSING", "nowhere")
async def the_folder_is_not_there(folder: Path) -> AsyncIterator[Backend]:
    yield SqliteBackend(folder / "nowhere" / "runs.db")


@BREAKAGES.found_as("SQLITE-FILE-MISSING", "runz.db")
async def the_path_is_misspelt(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder):
        yield SqliteBackend(folder / "runz.db")


@BREAKAGES.found_as("SQLITE-FOLDER-READ-ONLY")
async def the_folder_is_somebody_elses(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        os.chmod(folder / "runs.db", 0o666 if os.geteuid() == 0 else 0o600)
        os.chmod(folder, 0o555)
        try:
            with _without_rights():
                (folder / "runs.db").touch()  # the file may be written to, and that is not enough
                yield backend
        finally:
            os.chmod(folder, 0o755)


@BREAKAGES.found_as("SQLITE-FILE-READ-ONLY", "runs.db")
async def the_file_is_somebody_elses(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        os.chmod(folder / "runs.db", 0o444)
        os.chmod(folder, 0o777)
        with _without_rights():
            yield backend


@BREAKAGES.found_as("SQLITE-FILE-READ-ONLY", "runs.db-wal")
async def the_log_is_somebody_elses(folder: Path) -> AsyncIterator[Backend]:
    """As after a program that ran as root."""
    async with healthy(folder) as backend:
        os.chmod(folder, 0o777)
        if os.geteuid() == 0:
            os.chown(folder / "runs.db", _NOBODY, -1)
        async with SqliteBackend(folder / "runs.db") as other:
            await other.status.delete("nobody")
            os.chmod(folder / "runs.db-wal", 0o444)
            if os.geteuid() == 0:
                os.chown(folder / "runs.db-shm", _NOBODY, -1)
                os.chown(folder / "runs.db-wal", 0, -1)
            with _without_rights():
                yield backend


@BREAKAGES.found_as("SQLITE-FILE-OPEN-TO-ALL", "runs.db", "666")
async def anybody_may_write_to_the_file(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        os.chmod(folder / "runs.db", 0o666)
        yield backend


@BREAKAGES.found_as("SQLITE-HARD-LINKS", "runs.db")
async def the_file_has_a_second_name(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        os.link(folder / "runs.db", folder / "backup.db")
        yield backend


@BREAKAGES.found_as("SQLITE-NOT-A-DATABASE", "runs.db")
async def the_file_is_a_text(folder: Path) -> AsyncIterator[Backend]:
    (folder / "runs.db").write_text("these are my runs\n" * 100, encoding="utf-8")
    yield SqliteBackend(folder / "runs.db")


@BREAKAGES.found_as("SQLITE-NOT-A-DATABASE", "runs.db")
async def the_path_is_that_of_a_folder(folder: Path) -> AsyncIterator[Backend]:
    (folder / "runs.db").mkdir()
    yield SqliteBackend(folder / "runs.db")


@BREAKAGES.found_as("SQLITE-FOREIGN", "runs.db")
async def the_file_is_another_programs(folder: Path) -> AsyncIterator[Backend]:
    _execute(folder / "runs.db", "CREATE TABLE bookmarks (url TEXT)")
    yield SqliteBackend(folder / "runs.db")


@BREAKAGES.found_as("SQLITE-SCHEMA-NEWER", "99")
async def a_newer_version_has_used_the_file(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        _execute(folder / "runs.db", "PRAGMA user_version = 99")
        yield backend


@BREAKAGES.found_as("SQLITE-SCHEMA-WRONG", "table coordination")
async def a_table_is_dropped(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        _execute(folder / "runs.db", "DROP TABLE coordination")
        yield backend


@BREAKAGES.found_as("SQLITE-SCHEMA-WRONG", "column statuses.reason")
async def a_column_is_renamed(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        _execute(folder / "runs.db", "ALTER TABLE statuses RENAME COLUMN reason TO why")
        yield backend


@BREAKAGES.found_as("SQLITE-SCHEMA-WRONG", "index jobs_by_queue")
async def an_index_is_dropped(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        _execute(folder / "runs.db", "DROP INDEX jobs_by_queue")
        yield backend


@BREAKAGES.found_as("SQLITE-JOURNAL-MODE", "delete")
async def a_tool_has_changed_the_journal(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        _execute(folder / "runs.db", "PRAGMA journal_mode = DELETE")
        yield backend


@BREAKAGES.found_as("SQLITE-DAMAGED", "runs.db")
async def pages_are_overwritten(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        path = folder / "runs.db"
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2 // 4096 * 4096)
            file.write(b"\xff" * 4096)
        yield backend


@BREAKAGES.found_as("SQLITE-BUSY", "runs.db")
async def a_shell_has_left_a_transaction_open(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        program = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
            " print('held', flush=True); sys.stdin.read()"
        )
        shell = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, str(folder / "runs.db")), stdin=-1, stdout=-1
        )
        assert shell.stdout is not None
        assert await shell.stdout.readline() == b"held\n"
        try:
            yield backend
        finally:
            await shell.communicate(b"")  # its standard input ends, and so does it


@BREAKAGES.found_as("SQLITE-FILE-REPLACED", "runs.db", "was replaced")
async def a_backup_is_put_in_the_place_of_an_open_file(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder):
        shutil.copy(folder / "runs.db", folder / "backup.db")
        backend = SqliteBackend(folder / "runs.db")
        async with backend:
            (folder / "backup.db").replace(folder / "runs.db")
            yield backend


# What a test cannot have for real: the machine says so.


@BREAKAGES.found_as("SQLITE-NETWORK-DISK", "runs.db", "nfs4")
async def the_folder_is_on_a_network_disk(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        root = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        mounts = f"{root}40 27 0:40 / {folder} rw,relatime shared:1 - nfs4 server:/export rw\n"
        with mock.patch.object(diagnosis, "read_if_there", {"/proc/self/mountinfo": mounts}.get):
            yield backend


@BREAKAGES.found_as("SQLITE-DISK-FULL", "runs.db", "12 KiB")
async def the_disk_is_full(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        left = shutil.disk_usage(folder)._replace(free=12 * 2**10)
        with mock.patch.object(diagnosis.shutil, "disk_usage", return_value=left):  # type: ignore[attr-defined]
            yield backend


@BREAKAGES.found_as("SQLITE-DISK-LOW", "runs.db", "11 MiB")
async def the_disk_is_nearly_full(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        left = shutil.disk_usage(folder)._replace(free=11 * 2**20)
        with mock.patch.object(diagnosis.shutil, "disk_usage", return_value=left):  # type: ignore[attr-defined]
            yield backend


@BREAKAGES.found_as("SQLITE-LIBRARY-OLD", "3.24")
async def the_library_is_old(folder: Path) -> AsyncIterator[Backend]:
    async with healthy(folder) as backend:
        with mock.patch.object(diagnosis.sqlite3, "sqlite_version_info", (3, 22, 0)):  # type: ignore[attr-defined]
            yield backend


def _execute(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


@contextlib.contextmanager
def _without_rights() -> Iterator[None]:
    """As a user who may do what the mode of a file says and no more, which root may not be stopped by."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
