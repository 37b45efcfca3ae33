import asyncio
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from flowcraft_core.ports import Fact
from flowcraft_sqlite import SqliteBackend

PATIENCE = 60.0
FACT = Fact(b"body", "writer", "job")


@asynccontextmanager
async def started(program: str, path: Path, *arguments: Sequence[str]) -> AsyncIterator[list[Process]]:
    """Processes that run a program of ``programs.py`` on a file, one for each tuple of arguments."""
    command = [sys.executable, str(Path(__file__).with_name("programs.py")), program, str(path)]
    processes: list[Process] = []
    try:
        for each in arguments:
            processes.append(await asyncio.create_subprocess_exec(*command, *each, stdin=PIPE, stdout=PIPE))
        yield processes
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.communicate()


def go(process: Process) -> None:
    """Let a process go on that said that it is ready."""
    assert process.stdin is not None
    process.stdin.write(b"go\n")


async def line_of(process: Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode().strip()


async def output_of(process: Process) -> list[str]:
    """All that a process says until it ends well."""
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0
    return output.decode().splitlines()


def size_of(path: Path) -> int:
    return path.stat().st_size


def files_beside(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - it depends on other threads and processes
            await asyncio.sleep(0.01)


def rows(path: Path, query: str, *parameters: Any) -> list[Any]:
    """What a file holds, seen from outside."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query, parameters).fetchall()
    finally:
        connection.close()


async def ask(backend: SqliteBackend, query: str) -> list[Any]:
    """What a backend's own write connection answers."""
    return await backend._database.write(lambda connection: connection.execute(query).fetchall(), synced=False)
