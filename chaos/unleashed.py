"""Many runs on one file, and workers that are killed and stopped at random: what comes of it.

The runs are started all the time while a seeded generator picks a worker and kills it, or stops it for longer than it
can hold a job and lets it go on. Then the workers are left alone, and every run must end, with the result of the
in-process run and with exactly its outcomes. Facts are looked at past the backend all the while: none may ever change.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import signal
import sqlite3
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path

import attrs
from chaos_flows import FLOWS
from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Client, StoredResult
from flowcraft_sqlite import SqliteBackend

# How long the runs may take to end once the workers are left alone, seconds. A run whose job is with nobody is looked
# at after a minute.
_PATIENCE = 150.0

# How long a worker stands still, seconds: less and more than it can hold a job without a word.
_STOPS = (0.3, 1.0, 3.0, 4.0)


@attrs.frozen
class Expected:
    """What a flow comes to in process."""

    outputs: object
    context: object
    steps: int
    keys: frozenset[str]


@attrs.define
class Chaos:
    """What was done, and what came of it.

    Attributes:
        seed: What the kills and stops follow from.
        kills: How many workers were killed.
        stops: How many were stopped and went on.
        runs: How many runs there were.
        facts: How many facts were seen.
        wrong: What went wrong, in words.
    """

    seed: int
    kills: int = 0
    stops: int = 0
    runs: int = 0
    facts: int = 0
    wrong: list[str] = attrs.field(factory=list)


@attrs.define
class _Herd:
    """The worker processes."""

    path: Path
    number: int
    processes: list[Process] = attrs.field(factory=list)

    async def fill(self) -> None:
        program = str(Path(__file__).with_name("chaos_worker.py"))
        while len(self.processes) < self.number:
            self.processes.append(
                await asyncio.create_subprocess_exec(
                    sys.executable, program, str(self.path), stdout=DEVNULL, stderr=DEVNULL
                )
            )

    async def kill(self, victim: Process) -> None:
        self.processes.remove(victim)
        victim.kill()
        await victim.wait()

    async def stop(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes:
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
                await process.wait()


class Facts:
    """What is stored, seen past the backend: each fact as it was first, for good."""

    def __init__(self, path: Path, chaos: Chaos) -> None:
        self._path, self._chaos = path, chaos
        self.first: dict[tuple[str, str], bytes] = {}

    def look(self) -> None:
        """Look at all facts, and say what became of those that were there before."""
        connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)
        try:
            rows = connection.execute("SELECT run_id, key, writer, body FROM facts").fetchall()
        finally:
            connection.close()
        now = {(run_id, key): hashlib.sha256(writer.encode() + body).digest() for run_id, key, writer, body in rows}
        for name, body in self.first.items():
            if now.get(name) != body:
                self._chaos.wrong.append(f"the fact {name} was {'changed' if name in now else 'removed'}")
        self.first = now
        self._chaos.facts = len(now)

    def outcomes(self, run_id: str) -> frozenset[str]:
        """The keys of a run's outcomes, when it was looked last."""
        return frozenset(key for run, key in self.first if run == run_id and (":" not in key or key.endswith(":entry")))


async def unleash(path: Path, *, seconds: float, seed: int, workers: int = 3) -> Chaos:
    """Run flows on a new file while workers are killed and stopped.

    Args:
        path: The file.
        seconds: How long workers are killed and stopped.
        seed: What that follows from.
        workers: How many there are at a time.
    """
    chaos, chance = Chaos(seed), random.Random(seed)
    expected = {name: await _expected(name) for name in FLOWS}
    herd, facts = _Herd(path, workers), Facts(path, chaos)
    async with SqliteBackend(path, busy_timeout=30) as backend:
        client = Client(backend, flows=[build() for build in FLOWS.values()])
        ends = time.monotonic() + seconds
        try:
            await herd.fill()
            while time.monotonic() < ends:
                for _ in range(chance.randint(1, 4)):
                    await client.start(chance.choice(list(FLOWS)), run_id=f"{chaos.runs}")
                    chaos.runs += 1
                await asyncio.sleep(chance.uniform(0.1, 0.7))
                await _harm(herd, chance, chaos)
                await herd.fill()
                facts.look()
            await _wait_for_all(client, chaos)
            facts.look()
            for place in range(chaos.runs):
                status = await client.status(str(place))
                result = await client.result(str(place))
                _check(result, expected[status.blueprint_id], facts.outcomes(result.run_id), chaos)
        finally:
            await herd.stop()
    return chaos


async def _harm(herd: _Herd, chance: random.Random, chaos: Chaos) -> None:
    victim = chance.choice(herd.processes)
    if victim.returncode is not None:
        chaos.wrong.append(f"a worker ended by itself, with {victim.returncode}")
        herd.processes.remove(victim)
    elif chance.random() < 0.6:
        await herd.kill(victim)
        chaos.kills += 1
    else:
        victim.send_signal(signal.SIGSTOP)
        chaos.stops += 1
        asyncio.get_running_loop().call_later(chance.choice(_STOPS), _go_on, victim)


def _go_on(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)


async def _wait_for_all(client: Client, chaos: Chaos) -> None:
    deadline = time.monotonic() + _PATIENCE
    for place in range(chaos.runs):
        try:
            await client.wait(str(place), timeout=max(0.1, deadline - time.monotonic()), poll=0.1)
        except TimeoutError as error:
            chaos.wrong.append(str(error))


async def _expected(name: str) -> Expected:
    flow = FLOWS[name]()
    result = await FlowRuntime([flow]).run(flow)
    assert result.status == "completed"
    return Expected(result.outputs, result.context, result.steps, frozenset(entry.key for entry in result.trace))


def _check(result: StoredResult, expected: Expected, keys: frozenset[str], chaos: Chaos) -> None:
    run = f"run {result.run_id}"
    if result.status != "completed":
        chaos.wrong.append(f"{run} is {result.status}: {result.reason}")
        return
    for what, is_now, should in (
        ("outputs", result.outputs, expected.outputs),
        ("context", result.context, expected.context),
        ("steps", result.steps, expected.steps),
        ("outcomes", sorted(keys), sorted(expected.keys)),
    ):
        if is_now != should:
            chaos.wrong.append(f"{run}: {what} are {is_now!r}, and were in process {should!r}")
