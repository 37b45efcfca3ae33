"""Who is taken for dead, and who is not."""

from __future__ import annotations

import os
import sys
import time
from asyncio.subprocess import Process
from pathlib import Path

import pytest
from flowcraft_core.ports import JobQueue, Message
from flowcraft_sqlite import SqliteBackend
from flowcraft_sqlite._lives import Lives

from .helpers import PATIENCE, line_of, started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks that end with their process are not used there")

# Long enough for two looks.
_A_WHILE = 2.5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flowcraft.db"


def _found(lives: Lives) -> list[int]:
    with lives.ended() as dead:
        return dead


def _begun(path: Path) -> Lives:
    lives = Lives(str(path))
    lives.begin()
    return lives


def _die(lives: Lives) -> int:
    """What the system does when a process ends."""
    assert lives._lock is not None
    os.close(lives._lock)
    lives._lock = None
    return lives.holder


def test_the_living_are_found_by_nobody(path: Path) -> None:
    one, other = _begun(path), _begun(path)
    assert 0 < one.holder != other.holder > 0
    assert _found(one) == _found(other) == _found(Lives(str(path))) == []
    one.end()
    assert _found(other) == []
    other.end()
    assert os.listdir(f"{path}-workers") == []


def test_the_dead_are_found_once(path: Path) -> None:
    holder, other = _die(_begun(path)), _begun(path)
    assert _found(other) == [holder]
    assert _found(other) == []


def test_the_dead_are_found_again_by_others_if_nothing_could_be_done_for_them(path: Path) -> None:
    holder, other = _die(_begun(path)), _begun(path)

    def fail() -> None:
        with other.ended() as dead:
            assert dead == [holder]
            assert _found(_begun(path)) == []  # one at a time
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert _found(other) == [holder]


def test_what_is_beside_them_in_their_folder_is_left_alone(path: Path) -> None:
    lives = _begun(path)
    for name in ("README", "12.abc", "١٢", "-3"):
        Path(f"{path}-workers", name).touch()
    assert _found(lives) == []
    assert len(os.listdir(f"{path}-workers")) == 5


def test_of_two_who_draw_one_number_the_second_is_nobody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works on; what it holds comes back when its time is up."""
    monkeypatch.setattr("secrets.randbelow", lambda _: 6)
    one, other = _begun(path), _begun(path)
    assert (one.holder, other.holder) == (7, 0)
    other.end()
    assert _found(Lives(str(path))) == []
    assert os.listdir(f"{path}-workers") == ["7"]


async def test_where_no_lock_can_be_had_messages_are_delivered_all_the_same(path: Path) -> None:
    Path(f"{path}-workers").touch()  # noqa: ASYNC240 - where the folder would be
    async with SqliteBackend(path) as backend:
        await backend.queue.send([Message("job")])
        (delivery,) = await backend.queue.receive(max_messages=1, wait=0, visibility=60)
        assert await backend.queue.extend([delivery], 60) == [delivery]
        await backend.queue.acknowledge([delivery])


async def _is_delivered(queue: JobQueue, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if await queue.receive(max_messages=1, wait=0.2, visibility=60):
            return True
    return False


async def test_a_process_is_dead_once_all_that_it_has_forked_have_ended(path: Path) -> None:
    """A child has the parent's lock, and might be what works: late is right, early is not."""
    async with SqliteBackend(path) as backend:
        await backend.queue.send([Message("job")])
        async with started("hold", path, ("fork",)) as (process,):
            assert await line_of(process) == "job"
            process.kill()
            assert not await _is_delivered(backend.queue, _A_WHILE)
            _end_input(process)
        assert await _is_delivered(backend.queue, PATIENCE)


async def test_a_program_that_a_process_has_started_has_not_its_life(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        await backend.queue.send([Message("job")])
        async with started("hold", path, ("program",)) as (process,):
            assert await line_of(process) == "job"
            process.kill()
            assert await _is_delivered(backend.queue, PATIENCE)  # while the program runs on
            _end_input(process)


def _end_input(process: Process) -> None:
    """By which what was started beside it ends."""
    assert process.stdin is not None
    process.stdin.close()


async def test_what_other_queues_hold_of_the_dead_is_freed_as_well(path: Path) -> None:
    async with SqliteBackend(path) as one, SqliteBackend(path) as other:
        await one.queues.named("slow").send([Message("job")])
        assert await one.queues.named("slow").receive(max_messages=1, wait=0, visibility=600)
        _die(one._lives)
        assert not await other.queue.receive(max_messages=1, wait=0, visibility=600)
        assert await other.queues.named("slow").receive(max_messages=1, wait=0, visibility=600)
