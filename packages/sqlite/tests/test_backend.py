import asyncio
import threading
from collections.abc import Awaitable, Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from flowcraft_core import ConfigurationError
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import Backend, RunStatus
from flowcraft_sqlite import SqliteBackend

from .helpers import FACT, ask, files_beside, rows

STATUS = RunStatus(run_id="run", state="running", blueprint_id="flow", created=1.0, updated=1.0)
CALLS: dict[str, Callable[[Backend], Awaitable[Any]]] = {
    "queue": lambda backend: backend.queue.receive(max_messages=1, wait=0, visibility=1),
    "context": lambda backend: backend.context.get("run", ["key"]),
    "status": lambda backend: backend.status.create(STATUS),
    "coordination": lambda backend: backend.coordination.get("key"),
}
every_port = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flowcraft.db"


async def test_opening_makes_the_file_and_closing_leaves_nothing_else(path: Path) -> None:
    backend = SqliteBackend(str(path))
    assert files_beside(path) == []
    await backend.open()
    assert await backend.context.put("run", "key", FACT) is None
    await backend.close()
    assert files_beside(path) == ["flowcraft.db"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("flowcraft-sqlite")]


async def test_a_log_without_its_file_is_not_thrown_away(path: Path) -> None:
    """Somebody has moved the file, or mistyped a path: what was written last stands in the log and nowhere else."""
    async with SqliteBackend(path) as backend:
        assert backend.missing() is None
        await backend.context.put("run", "key", FACT)
        written = log_of(path)
    moved = move_away(path, written)
    backend = SqliteBackend(path)
    assert "there is no SQLite file" in str(backend.missing())
    with pytest.raises(BackendError, match=r"its log .* put the file back beside it"):
        await backend.open()
    assert files_beside(path) == ["flowcraft.db-wal", "moved.db"]
    moved.rename(path)
    async with backend:
        assert await backend.context.get("run", ["key"]) == {"key": FACT}


def log_of(path: Path) -> bytes:
    return path.with_name(f"{path.name}-wal").read_bytes()


def move_away(path: Path, log: bytes) -> Path:
    """Move a file, and leave a log where it was."""
    path.with_name(f"{path.name}-wal").write_bytes(log)
    return path.rename(path.with_name("moved.db"))


async def test_it_can_be_opened_once(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        with pytest.raises(BackendError, match="open already"):
            await backend.open()
        assert await backend.context.get("run", ["key"]) == {}


async def test_two_tasks_that_open_it_at_once_open_it_once(path: Path) -> None:
    backend = SqliteBackend(path)
    first, second = await asyncio.gather(backend.open(), backend.open(), return_exceptions=True)
    assert first is None
    assert isinstance(second, BackendError)
    await backend.close()


def test_a_closed_one_can_be_opened_again_in_another_loop(path: Path) -> None:
    backend = SqliteBackend(path)

    async def put(key: str) -> None:
        async with backend:
            assert await backend.context.put("run", key, FACT) is None
            assert await backend.queue.receive(max_messages=1, wait=0.01, visibility=1) == []

    for key in "ab":
        asyncio.run(put(key))
    assert rows(path, "SELECT key FROM facts ORDER BY key") == [("a",), ("b",)]


@every_port
async def test_calls_before_open_and_after_close_are_refused(
    path: Path, call: Callable[[Backend], Awaitable[Any]]
) -> None:
    backend = SqliteBackend(path)
    with pytest.raises(BackendError, match="not open"):
        await call(backend)
    await backend.open()
    await call(backend)
    await backend.close()
    with pytest.raises(BackendError, match="not open"):
        await call(backend)


@every_port
async def test_calls_in_another_loop_are_refused(path: Path, call: Callable[[Backend], Awaitable[Any]]) -> None:
    async with SqliteBackend(path) as backend:

        def elsewhere(use: Callable[[Backend], Awaitable[Any]]) -> None:
            async def main() -> None:
                await use(backend)

            asyncio.run(main())

        for use in (call, SqliteBackend.close):
            with pytest.raises(BackendError, match="another event loop"):
                await asyncio.to_thread(elsewhere, use)  # type: ignore[arg-type] # the second takes less than a Backend
        await call(backend)


async def test_closing_twice_or_unopened_does_no_harm(path: Path) -> None:
    backend = SqliteBackend(path)
    await backend.close()
    await backend.open()
    await backend.close()
    await backend.close()


async def test_closing_finishes_what_was_asked_for(path: Path) -> None:
    backend = SqliteBackend(path)
    await backend.open()
    puts = [asyncio.ensure_future(backend.context.put("run", f"key {place}", FACT)) for place in range(100)]
    await asyncio.sleep(0)  # each has begun, and none is answered
    await backend.close()
    assert [put.done() for put in puts] == [True] * 100
    assert await asyncio.gather(*puts) == [None] * 100
    assert rows(path, "SELECT count(*) FROM facts") == [(100,)]


async def test_opening_that_is_cancelled_leaves_nothing_behind(path: Path) -> None:
    backend = SqliteBackend(path)
    opening = asyncio.ensure_future(backend.open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("flowcraft-sqlite")]
    async with backend:
        assert await backend.context.put("run", "key", FACT) is None


@pytest.mark.parametrize("location", ["", ":memory:", "file:flowcraft.db?mode=memory&cache=shared"])
def test_a_database_in_memory_is_refused_with_a_remedy(location: str) -> None:
    with pytest.raises(ConfigurationError, match="InMemoryBackend or a temporary file"):
        SqliteBackend(location)


def test_settings_out_of_range_are_refused(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'full', 'normal' and 'off'"):
        SqliteBackend(path, synchronous="extra")  # type: ignore[arg-type]
    for busy_timeout in (-1.0, float("nan"), 1e9):
        with pytest.raises(ConfigurationError, match="busy_timeout"):
            SqliteBackend(path, busy_timeout=busy_timeout)


async def test_the_path_is_the_one_at_the_start(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(path.parent)
    backend = SqliteBackend(path.name)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    async with backend:
        assert "flowcraft.db" in files_beside(path)


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1), ("off", 0)])
async def test_the_log_is_synced_as_asked(path: Path, synchronous: Any, level: int) -> None:
    async with SqliteBackend(path, synchronous=synchronous) as backend:
        for number in range(3):  # other text each time, as this pragma acts when it is compiled
            query = f"PRAGMA synchronous /* {number} */"
            written = backend._database.write(lambda it, query=query: it.execute(query).fetchone(), synced=True)  # type: ignore[misc]
            assert await written == (level,)
            # Hints need not be on the disk when they are answered.
            assert await ask(backend, f"{query} -- hint") == [(min(level, 1),)]


def test_programs_find_it_by_its_entry_point() -> None:
    (entry_point,) = metadata.entry_points(group="flowcraft.backends", name="sqlite")
    assert entry_point.load() is SqliteBackend
