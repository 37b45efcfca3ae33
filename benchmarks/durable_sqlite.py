"""``durable``: runs on SQLite at full durability, beside what its bare commits take in the same minute.

Each round has a file of its own, and takes all that is measured in short turns, so that what disturbs the machine for a
moment disturbs all of it alike. A round's figure is the middle of its turns, and what counts is the middle of the
rounds. Where many workers are at one file, they are processes, and the runs are started once all of them are there.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import durable_worker
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_sqlite import SqliteBackend
from run_ends import RunEnds
from shapes import awaited_step, flow_of

_CHAIN, _CHAINS, _FAN, _ITEMS = durable_worker.STEPS, 100, 202, 10_000
_WARM_UP, _TURNS = 30, 12
#: So many worker processes on one file, and so many chains at once for all of them together.
_PROCESSES, _SHARED_CHAINS = (1, 2, 4, 8), 200
_PATIENCE = 120.0

#: A chain, in bare commits; an item of a batch, in steps of chains; the most processes, in the best of fewer.
_CHAIN_TO_FLOOR, _ITEM_TO_STEP, _MANY_TO_BEST = 1.6, 3.0, 0.5


def run(rounds: int, folder: str | None) -> dict[str, Any]:
    """Measure, print line by line, and give the figures.

    Args:
        rounds: How often all of it is measured.
        folder: Where the files lie; a temporary folder by default.
    """
    told = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            told.append(figures := asyncio.run(_round(Path(place))))
        print(
            f"round {number + 1}: " + ", ".join(f"{name} {value:,.2f}" for name, value in figures.items()), flush=True
        )
    answer: dict[str, Any] = {name: statistics.median(each[name] for each in told) for name in told[0]}
    answer["ok"] = (
        answer["chain_to_floor"] <= _CHAIN_TO_FLOOR
        and answer["item_to_step"] <= _ITEM_TO_STEP
        and answer["many_to_best"] >= _MANY_TO_BEST
    )
    answer["spread"] = {name: [min(each[name] for each in told), max(each[name] for each in told)] for name in told[0]}
    _print(answer)
    bounds = {"chain_to_floor": _CHAIN_TO_FLOOR, "item_to_step": _ITEM_TO_STEP, "many_to_best": _MANY_TO_BEST}
    return {**answer, "bounds": bounds, "rounds": told}


def _print(answer: Mapping[str, Any]) -> None:
    spread = {name: "from {:,.2f} to {:,.2f}".format(*ends) for name, ends in answer["spread"].items()}
    print(f"sqlite3 by itself: {answer['sqlite_commits_per_s']:,.0f} commits/s, one row each, fully synced")
    print(
        f"a chain of {_CHAIN}: {answer['chain_ms']:.1f} ms, {answer['chain_to_floor']:.2f} times its bare commits"
        f" ({spread['chain_to_floor']}, at most {_CHAIN_TO_FLOOR})"
    )
    print(f"{_CHAINS} chains of {_CHAIN} at once: {answer['chains_steps_per_s']:,.0f} steps/s")
    print(f"one, then {_FAN - 2} side by side, then one: {answer['fan_ms']:.1f} ms")
    print(
        f"a batch of {_ITEMS:,}: {answer['batch_items_per_s']:,.0f} items/s, an item {answer['item_to_step']:.2f} times"
        f" a step of those chains ({spread['item_to_step']}, at most {_ITEM_TO_STEP})"
    )
    for processes in _PROCESSES:
        print(f"{processes} worker processes on one file: {answer[f'steps_per_s_of_{processes}']:,.0f} steps/s")
    print(f"{_PROCESSES[-1]} of them: {answer['many_to_best']:.2f} of the best of fewer (at least {_MANY_TO_BEST})")


async def _round(folder: Path) -> dict[str, float]:
    async with _Place.opened(folder / "runs.db") as place:
        for _ in range(_WARM_UP):  # while a log grows for the first time, a sync takes twice as long as later
            await place.seconds(place.chain, 1)
        with contextlib.closing(_floor(folder / "floor.db")) as floor:
            took = await _medians(
                {
                    "bare": lambda: _bare(floor),
                    "chain": lambda: place.seconds(place.chain, 1),
                    "fan": lambda: place.seconds(place.fan, 1),
                },
                _TURNS,
            )
        took |= await _medians(
            {
                "chains": lambda: place.seconds(place.chain, _CHAINS),
                "batch": lambda: place.seconds(place.batch, 1),
            },
            3,
        )
    shared = {number: await _shared(folder / f"shared-{number}.db", number) for number in _PROCESSES}
    step, item = took["chains"] / (_CHAIN * _CHAINS), took["batch"] / _ITEMS
    return {
        "sqlite_commits_per_s": _CHAIN / took["bare"],
        "chain_ms": took["chain"] * 1_000,
        "chain_floor_ms": took["bare"] * 1_000,
        "chain_to_floor": took["chain"] / took["bare"],
        "chains_steps_per_s": 1 / step,
        "fan_ms": took["fan"] * 1_000,
        "batch_items_per_s": 1 / item,
        "item_to_step": item / step,
        **{f"steps_per_s_of_{number}": steps for number, steps in shared.items()},
        "many_to_best": shared[_PROCESSES[-1]] / max(shared[number] for number in _PROCESSES[:-1]),
    }


async def _medians(takers: Mapping[str, Callable[[], Awaitable[float]]], turns: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in takers}
    for _ in range(turns):
        for name, taker in takers.items():
            taken[name].append(await taker())
    return {name: statistics.median(each) for name, each in taken.items()}


def _floor(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE facts (key INTEGER PRIMARY KEY, body BLOB)")
    for _ in range(_WARM_UP * _CHAIN):
        connection.execute("INSERT INTO facts (body) VALUES (?)", (b"x" * 180,))
    return connection


async def _bare(floor: sqlite3.Connection) -> float:
    """How many seconds as many commits take as a chain has steps, with rows of the size of an outcome."""
    began = time.perf_counter()
    for _ in range(_CHAIN):
        floor.execute("INSERT INTO facts (body) VALUES (?)", (b"x" * 180,))
    return time.perf_counter() - began


async def _numbers(ctx: NodeContext[Any, Any]) -> list[int]:
    return list(range(_ITEMS))


class _Place:
    """A file with one worker, in this process."""

    chain = flow_of("chain", _CHAIN, awaited_step)
    fan = flow_of("fan", _FAN, awaited_step)
    batch = create_flow("batch").node("items", _numbers).batch("each", awaited_step).edge("items", "each")

    def __init__(self, client: Client, ends: RunEnds) -> None:
        self._client, self._ends = client, ends

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, path: Path) -> AsyncIterator[_Place]:
        async with SqliteBackend(path) as backend:
            ends = RunEnds()
            runtime = FlowRuntime([cls.chain, cls.fan, cls.batch], events=ends)
            worker = Worker(backend, runtime, concurrency=64, prefetch=64, reconcile=False)
            working = asyncio.ensure_future(worker.run())
            yield cls(Client(backend), ends)
            worker.stop()
            await working

    async def seconds(self, flow: FlowBuilder, count: int) -> float:
        """How many seconds so many runs at once take, from their start on."""
        self._ends.expect(count)
        began = time.perf_counter()
        await asyncio.gather(*(self._client.start(flow) for _ in range(count)))
        await self._ends.all_ended.wait()
        took = time.perf_counter() - began
        self._ends.require("completed")
        return took


async def _shared(path: Path, processes: int) -> float:
    """Steps per second of so many worker processes on one file, from the first start on."""
    async with SqliteBackend(path) as backend, asyncio.timeout(_PATIENCE):
        program = str(Path(__file__).with_name("durable_worker.py"))
        workers = [
            await asyncio.create_subprocess_exec(
                sys.executable, program, f"sqlite:///{path}", stdout=asyncio.subprocess.PIPE
            )
            for _ in range(processes)
        ]
        try:
            for worker in workers:
                await _line(worker)
            client, flow, ended = Client(backend), durable_worker.flow(), asyncio.Queue[str]()
            listening = [asyncio.ensure_future(_listen(worker, ended)) for worker in workers]
            began = time.perf_counter()
            await asyncio.gather(*(client.start(flow) for _ in range(_SHARED_CHAINS)))
            states = [await ended.get() for _ in range(_SHARED_CHAINS)]
            took = time.perf_counter() - began
        finally:
            for worker in workers:
                with contextlib.suppress(ProcessLookupError):
                    worker.terminate()
        await asyncio.gather(*(worker.wait() for worker in workers), *listening)
    if set(states) != {"completed"}:
        raise RuntimeError(f"not all completed: {states}")
    return _SHARED_CHAINS * _CHAIN / took


async def _listen(worker: asyncio.subprocess.Process, ended: asyncio.Queue[str]) -> None:
    while line := await _line(worker):
        ended.put_nowait(line)


async def _line(worker: asyncio.subprocess.Process) -> str:
    assert worker.stdout is not None
    return (await worker.stdout.readline()).decode().strip()
