"""Runs on one file, on a fast clock, while others write whatever they can into it: what comes of all of it.

Everything is to come to an end within some minutes of that clock: each message is done or becomes a dead letter, each
run ends, and fails with a reason if its records cannot be read; the runs that nobody has touched complete as they do
in process. No worker ends by it, nor anything that goes on inside one, and the memory that all of it takes is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import fuzz_messages  # noqa: F401 - they add their kinds
import fuzz_records  # noqa: F401
from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit.contracts.fast_clock import FastClock
from fuzz_flows import HEALTHY, REGISTRY, exploding, repeating, victim
from fuzz_kinds import KINDS, Kind, Place
from fuzz_rows import Stored

#: What the process may take at most, MiB.
MOST_MIB = 400

# Seconds of the clock per second: the ten minutes for which a job is passed on take three.
_RATE = 200.0
_INTERVAL = 30.0

# How long everything may take to end once nothing is written any more, seconds of the clock. It only bounds a failure:
# on a busy machine an instant of work is minutes of this clock.
_PATIENCE = 12 * 3600.0

_FINAL = ("completed", "failed", "cancelled")

# So many things that were written may be on their way to their ends.
_UNDER_WAY = 150


@attrs.define
class Counts:
    """What was written of a kind, and what came of it."""

    written: int = 0
    dead: int = 0
    failed: int = 0


@attrs.define
class Fuzzed:
    """What was done, and what came of it.

    Attributes:
        seed: What everything that was written follows from.
        by_kind: Of each kind, how many were written and what became of them.
        ended_workers: How often a worker, or something that goes on inside one, ended by itself.
        unended: What has not come to an end.
        healthy: How many runs there were beside.
        wrong: What went wrong otherwise, in words.
        peak_mib: The most memory that this process has had.
    """

    seed: int
    by_kind: dict[str, Counts] = attrs.field(factory=dict)
    ended_workers: int = 0
    unended: list[str] = attrs.field(factory=list)
    healthy: int = 0
    wrong: list[str] = attrs.field(factory=list)
    peak_mib: int = 0

    def told(self) -> dict[str, Any]:
        """All of it as JSON, with what is to be looked at first."""
        missing = [
            kind.name
            for kind in KINDS
            if (counts := self.by_kind.get(kind.name)) is not None
            and kind.gives != "ends"
            and not (counts.dead if kind.gives == "dead" else counts.failed)
        ]
        ok = not (missing or self.ended_workers or self.unended or self.wrong or self.peak_mib >= MOST_MIB)
        return {
            "ok": ok and bool(self.by_kind) and self.healthy > 0,
            "seed": self.seed,
            "kinds": len(self.by_kind),
            "written": sum(counts.written for counts in self.by_kind.values()),
            "by_kind": {name: attrs.asdict(counts) for name, counts in sorted(self.by_kind.items())},
            "without_an_end_of_their_kind": missing,
            "ended_workers": self.ended_workers,
            "unended": len(self.unended),
            "which": self.unended[:20],
            "healthy": self.healthy,
            "wrong": self.wrong[:20],
            "peak_mib": self.peak_mib,
        }


async def fuzz(path: Path, *, seconds: float, seed: int, only: Sequence[str] = (), workers: int = 2) -> Fuzzed:
    """Write into a new file for a while, with runs beside.

    Args:
        path: The file.
        seconds: How long things are written; each kind is written at least once, however long that takes.
        seed: What is written follows from it.
        only: What the names of the kinds begin with; all kinds by default.
        workers: How many there are.
    """
    done, clock = Fuzzed(seed), FastClock(_RATE)
    kinds = [kind for kind in KINDS if not only or kind.name.startswith(tuple(only))]
    runtime = FlowRuntime(
        [*(build() for build in HEALTHY.values()), victim()],
        blueprints=[exploding(), repeating()],
        registry=REGISTRY,
        clock=clock,
    )
    expected = {}
    for name, build in HEALTHY.items():
        expected[name] = (await FlowRuntime([flow := build()]).run(flow)).outputs
    log = _Ended(done)
    logging.getLogger("flowcraft").addHandler(log)
    try:
        async with SqliteBackend(path, clock=clock, synchronous="off", busy_timeout=60) as backend:
            client = Client(backend, flows=[*(build() for build in HEALTHY.values()), victim()], clock=clock)
            async with contextlib.AsyncExitStack() as stack:
                rows = stack.enter_context(contextlib.closing(Stored(path)))
                for _ in range(workers):
                    await stack.enter_async_context(_working(path, runtime, clock, done))
                place = Place(rows, client, random.Random(seed), lambda name: _suspended(client, rows, name))
                names = await _write_all(place, kinds, done, seconds, expected)
                await _wait_for_all(place, names, clock, done)
                await _look_at_all(place, names, done, expected)
    finally:
        logging.getLogger("flowcraft").removeHandler(log)
    done.peak_mib = _peak_mib()
    return done


class _Ended(logging.Handler):
    """Counts what is said to have ended by itself."""

    def __init__(self, done: Fuzzed) -> None:
        super().__init__(logging.ERROR)
        self._done = done

    def emit(self, record: logging.LogRecord) -> None:
        if "has ended by itself" in record.getMessage():
            self._done.ended_workers += 1


@contextlib.asynccontextmanager
async def _working(path: Path, runtime: FlowRuntime, clock: FastClock, done: Fuzzed) -> AsyncIterator[None]:
    """A worker with a connection of its own, in whose place another one comes should it end."""
    stopped = asyncio.Event()
    current: list[Worker] = []

    async def work() -> None:
        while not stopped.is_set():
            async with SqliteBackend(path, clock=clock, synchronous="off", busy_timeout=60) as backend:
                current[:] = [
                    Worker(backend, runtime, concurrency=8, poll=20.0, visibility=60.0, reconcile_interval=_INTERVAL)
                ]
                try:
                    await current[0].run()
                except Exception as error:
                    done.wrong.append(f"a worker ended: {error!r:.300}")
                if not stopped.is_set():
                    done.ended_workers += 1
                    await asyncio.sleep(0.2)

    working = asyncio.ensure_future(work())
    try:
        yield
    finally:
        stopped.set()
        for worker in current:
            worker.stop()
        await working


async def _suspended(client: Client, rows: Stored, name: str) -> None:
    """Start a run of ``victim``, and return once it waits."""
    await client.start("victim", run_id=name)
    deadline = time.monotonic() + 60
    while not (rows.has(name, "w:suspension") and rows.has(name, "v:suspension") and rows.has(name, "a")):
        if time.monotonic() > deadline:
            raise AssertionError(f"run {name!r} does not come to its waits")
        await asyncio.sleep(0.005)


async def _write_all(
    place: Place, kinds: Sequence[Kind], done: Fuzzed, seconds: float, expected: dict[str, Any]
) -> dict[str, Kind]:
    """Write things of all kinds, in any order, each kind as often as the others; their names, and of which kind.

    What is drawn for a thing follows from the seed, its kind and how many there were of it, so that however many a
    machine gets to write, the first ones are those of any other.
    """
    names: dict[str, Kind] = {}
    ends, number = time.monotonic() + seconds, 0
    while number == 0 or time.monotonic() < ends:
        for kind in place.chance.sample(kinds, len(kinds)):
            if number and time.monotonic() >= ends and kind.name in done.by_kind:
                continue
            counts = done.by_kind.setdefault(kind.name, Counts())
            if kind.heavy and counts.written and counts.written * 10 > seconds:
                continue
            if kind.heavy:  # one at a time: several at once show how many jobs there are, not what one of them takes
                await _until(lambda: not any(_heavy(name, names) for name in _under_way(place, names)))
            number += 1
            name = f"{kind.name}#{number}"
            names[name] = kind
            counts.written += 1
            drawn = random.Random(f"{done.seed} {kind.name} {counts.written}")
            try:
                await kind.write(attrs.evolve(place, chance=drawn), name)
            except Exception as error:
                done.wrong.append(f"{name} could not be written: {error!r:.200}")
            if number % 3 == 0:
                await place.client.start(place.chance.choice(list(expected)), run_id=f"healthy {done.healthy}")
                done.healthy += 1
            await asyncio.sleep(place.chance.uniform(0, 0.02))
            await _until(lambda: len(_under_way(place, names)) <= _UNDER_WAY)
    return names


async def _until(holds: Callable[[], bool]) -> None:
    """Wait for something for a minute at most; what never comes is found at the end."""
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.1)


def _heavy(name: str, names: dict[str, Kind]) -> bool:
    return name in names and names[name].heavy


def _under_way(place: Place, names: dict[str, Kind]) -> list[str]:
    """What has not ended yet: runs that live, and messages."""
    live = [row[0] for row in place.rows.ask("SELECT run_id FROM statuses WHERE state IN ('running', 'awaiting')")]
    messages = [str(row[0])[:80] for row in place.rows.ask("SELECT body FROM jobs")]
    return [name for name in live if _is_to_end(name, names)] + messages


def _is_to_end(name: object, names: dict[str, Kind]) -> bool:
    """Whether a run is to end by itself: one whose id cannot be read is nobody's."""
    return isinstance(name, str) and (name.startswith("healthy ") or name in names)


async def _wait_for_all(place: Place, names: dict[str, Kind], clock: FastClock, done: Fuzzed) -> None:
    """Wait until all have ended; what waits for somebody, and was not changed beyond that, is gone on with."""
    deadline, settled = clock.now() + _PATIENCE, False
    while (left := _under_way(place, names)) and clock.now() < deadline:
        if not settled and clock.now() > deadline - _PATIENCE + 1500:
            settled = True
            await _go_on(place, left, names)
        await asyncio.sleep(0.1)
        await _listed(place, done)
    done.unended = list(left)


async def _go_on(place: Place, left: Sequence[str], names: dict[str, Kind]) -> None:
    """Resume the waits of runs that have survived what was done to them."""
    for name in left:
        if name in names:
            for key in ("w", "v"):
                with contextlib.suppress(Exception):
                    await place.client.resume(name, key, output=1)


async def _listed(place: Place, done: Fuzzed) -> None:
    """Lists are given, whatever the rows are."""
    try:
        async for _ in place.client.runs("running"):
            break
    except Exception as error:
        done.wrong.append(f"the running runs cannot be listed: {error!r:.200}")


async def _look_at_all(place: Place, names: dict[str, Kind], done: Fuzzed, expected: dict[str, Any]) -> None:
    letters = [(letter.body or "", letter.reason) for letter in await place.client.dead_letters()]
    for body, reason in letters:
        if not reason:
            done.wrong.append(f"a dead letter has no reason: {body[:80]!r}")
    if "message.empty" in done.by_kind:
        done.by_kind["message.empty"].dead = sum(not body.strip() for body, _ in letters)
    for name, kind in names.items():
        counts = done.by_kind[kind.name]
        counts.dead += sum(f'{name}"' in body or f"{name} " in body or body.endswith(name) for body, _ in letters)
        status = place.rows.ask("SELECT state, reason FROM statuses WHERE run_id = ?", name)
        for state, reason in status:
            if state == "failed":
                counts.failed += 1
                if not reason:
                    done.wrong.append(f"run {name!r} failed without a reason")
    for number in range(done.healthy):
        result = await place.client.result(f"healthy {number}")
        if result.status != "completed":
            done.wrong.append(f"healthy run {number} is {result.status}: {result.reason}")
        else:
            flow = (await place.client.status(result.run_id)).blueprint_id
            if result.outputs != expected[flow]:
                done.wrong.append(
                    f"healthy run {number} gives {result.outputs!r:.100}, and in process {expected[flow]!r:.100}"
                )


def _peak_mib() -> int:
    with contextlib.suppress(OSError):
        # On Linux what ``getrusage`` gives may be the peak of whoever began this process.
        said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(said["VmHWM"].split()[0]) // 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**20 if sys.platform == "darwin" else 2**10)
