import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from flowcraft_sqlite import SqliteBackend

from .helpers import PATIENCE, go, line_of, output_of, rows, started


async def test_many_processes_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    path, names, number = tmp_path / "flowcraft.db", "abcd", 60
    async with started("hammer", path, *((name, str(number)) for name in names)) as processes:
        outputs = await asyncio.gather(*(output_of(process) for process in processes))
    said = Counter(line for output in outputs for line in output)

    # One winner of each shared fact and of each lease; each message worked on once, for no visibility ran out.
    assert set(said.values()) == {1}
    assert Counter(line.split()[0] for line in said) == {"won": number, "claimed": number, "did": number * len(names)}
    assert rows(path, "SELECT count(*) FROM facts") == [(number * (len(names) + 1),)]
    assert rows(path, "SELECT count(*) FROM jobs") == [(0,)]
    async with SqliteBackend(path) as backend:
        assert await backend.coordination.get("counter") == str(number * len(names))
        assert await backend.coordination.members("set") == set(names)


@pytest.mark.parametrize("seed", range(3))
async def test_killed_at_any_point_a_process_leaves_all_that_it_was_answered(tmp_path: Path, seed: int) -> None:
    path, chance = tmp_path / "flowcraft.db", random.Random(seed)
    answered: dict[str, list[str]] = {}
    for generation in range(4):
        names = [f"{generation}.{place}" for place in range(2)]
        async with started("write_for_ever", path, *((name,) for name in names)) as processes:
            first_lines = [await line_of(process) for process in processes]
            for name, process, first_line in zip(names, processes, first_lines, strict=True):
                await asyncio.sleep(chance.uniform(0, 0.15))
                process.kill()
                output, _ = await process.communicate()
                answered[name] = [first_line, *output.decode().splitlines()]
        # Straight after the crash, with whatever log it left behind.
        assert rows(path, "PRAGMA integrity_check") == [("ok",)]

    async with SqliteBackend(path) as backend:
        for name, lines in answered.items():
            keys = [line.split()[1] for line in lines if line.startswith("put ")]
            facts = await backend.context.get(name, keys)
            assert facts.keys() == set(keys)
            assert all(facts[key].body.startswith(key.encode()) for key in keys)
        sent = {
            f"{name} {line.split()[1]}"
            for name, lines in answered.items()
            for line in lines
            if line.startswith("sent ")
        }
        received: set[str] = set()
        while deliveries := await backend.queue.receive(max_messages=100, wait=0, visibility=600):
            received.update(delivery.body for delivery in deliveries)
            await backend.queue.acknowledge(deliveries)
        assert received >= sent


async def test_a_message_from_another_process_wakes_a_receiver(tmp_path: Path) -> None:
    path = tmp_path / "flowcraft.db"
    async with SqliteBackend(path) as backend, started("send", path, ("from afar",)) as (process,):
        assert await line_of(process) == "ready"
        waiting = asyncio.create_task(backend.queue.receive(max_messages=1, wait=PATIENCE, visibility=60))
        go(process)
        (delivery,) = await waiting
        assert delivery.body == "from afar"


async def test_many_processes_may_create_a_file_at_once(tmp_path: Path) -> None:
    path, keys = tmp_path / "flowcraft.db", "abcdef"
    async with started("open_and_put", path, *((key,) for key in keys)) as processes:
        for process in processes:
            assert await line_of(process) == "ready"
        for process in processes:
            go(process)
        await asyncio.gather(*(output_of(process) for process in processes))
    assert rows(path, "SELECT key FROM facts ORDER BY key") == [(key,) for key in keys]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
async def test_a_child_must_open_its_own_and_does_its_parent_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "flowcraft.db"
    async with started("fork", path, ()) as (process,):
        said = await output_of(process)
    assert len(said) == 2
    assert all(line.startswith("BackendError") and "after a fork" in line for line in said)
    assert rows(path, "SELECT key FROM facts ORDER BY key") == [("after",), ("before",)]
