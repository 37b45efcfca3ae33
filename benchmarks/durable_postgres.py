"""``durable --backend postgres``: runs on PostgreSQL beside DBOS on the same server, and beside its bare commits.

All of them are measured in turns of some milliseconds, so that what disturbs the machine for a moment disturbs them
alike. A round has databases of its own; its figures are the middle of its turns, and what counts is the middle of the
rounds. DBOS is installed into an environment of its own; it runs each chain in its fastest way, of those that its
documentation shows: steps that are awaited, or plain ones in threads.

No chain can be faster than a commit a step, and both make one: of each chain of 20 both wait for 22 commits, one to
begin with and one to end. Beside them DBOS sends nine statements a step, in two transactions (what is there already;
whether the run is its own still), with a ping before each; here a step is one statement. So the slower the disk, the
more alike both are. That is why there are two servers, told the same: one with its data on this machine's disk, one
with them in memory, where a commit takes what it takes on a disk that is fast. In memory a chain is to take a third of
DBOS's time; on the disk, too, or where bare commits alone leave no room for that, a third of what DBOS adds to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from flowcraft_core import FlowBuilder, FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_postgres import PostgresBackend
from run_ends import RunEnds
from shapes import awaited_step, flow_of

# The server belongs to the integration tests.
_INTEGRATION = Path(__file__).parents[1] / "integration"
sys.path[:0] = [str(_INTEGRATION), str(_INTEGRATION / "postgres")]

from postgres_server import PostgresServer, postgres  # noqa: E402
from servers import python_environment  # noqa: E402

_CHAIN, _CHAINS = 20, 100
#: Turns of a round, and how many chains each takes in a turn, one after the other; turns of many at once.
_TURNS, _IN_TURN, _WIDE_TURNS = 12, 3, 2
#: What is asked: a chain in at most this part of the other's time, and so many times its steps at once.
_LATENCY, _THROUGHPUT = 1 / 3, 5.0
#: Where bare commits take more of DBOS's time than this, the disk decides, whatever is added to them.
_ROOM = 0.2
#: Where the data are.
_PLACES = ("memory", "disk")
#: Of both, on the server: the same durability, as it is without being asked for.
_SERVER = {"fsync": "on", "synchronous_commit": "on"}
#: With 5 or 50 connections it was slower than with 20; what it logs and exports is off.
_DBOS = {"sys_db_pool_size": 20, "log_level": "ERROR", "enable_otlp": False, "run_admin_server": False}
_FLAVOURS = ("awaited", "plain")
_OURS: dict[str, Any] = {}


def run(rounds: int) -> dict[str, Any]:
    """Measure, print line by line, and give the figures of each place."""
    python = python_environment(Path(__file__).with_name("dbos-requirements.txt")) / "python"
    told: dict[str, list[dict[str, float]]] = {place: [] for place in _PLACES}
    print(f"server: {_SERVER}; DBOS: {_DBOS}; PostgresBackend: {_OURS or 'as by default'}")
    with contextlib.ExitStack() as stack:
        servers = {place: stack.enter_context(postgres(in_memory=place == "memory", **_SERVER)) for place in _PLACES}
        for number in range(rounds):
            for place, server in servers.items():
                told[place].append(figures := asyncio.run(_round(server, python, number)))
                said = ", ".join(f"{name} {value:,.2f}" for name, value in figures.items())
                print(f"round {number + 1}, {place}: {said}", flush=True)
    places = {place: _summed_up(place, rounds_of) for place, rounds_of in told.items()}
    return {
        "ok": all(each["ok"] for each in places.values()),
        **places,
        "server": _SERVER,
        "dbos": _DBOS,
        "ours": _OURS,
        "bounds": {"latency": _LATENCY, "throughput": _THROUGHPUT, "room": _ROOM},
    }


def _summed_up(place: str, rounds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The middle and the spread of the rounds in one place, and whether they are as they should be."""
    answer: dict[str, Any] = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    spread = {name: [min(each[name] for each in rounds), max(each[name] for each in rounds)] for name in rounds[0]}
    has_room = answer["floor_to_dbos"] <= _ROOM
    latency = "chain_to_dbos" if has_room else "added_to_dbos"
    answer["ok"] = answer[latency] <= _LATENCY and answer["chains_to_dbos"] >= _THROUGHPUT
    print(f"{place}: {answer['commits_per_s']:,.0f} bare commits a second; {_between(spread['commits_per_s'])}")
    print(
        f"{place}: a chain of {_CHAIN}: {answer['chain_ms']:.1f} ms, {answer['chain_to_floor']:.1f} times its bare"
        f" commits, and {answer['chain_to_dbos']:.2f} of DBOS's {answer['dbos_chain_ms']:.1f} ms;"
        f" {_between(spread['chain_to_dbos'])}; of what DBOS adds to the bare commits, {answer['added_to_dbos']:.2f}"
    )
    if not has_room:
        print(
            f"{place}: the bare commits alone take {answer['floor_to_dbos']:.2f} of DBOS's time; what is added counts"
        )
    print(
        f"{place}: {_CHAINS} chains of {_CHAIN} at once: {answer['chains_steps_per_s']:,.0f} steps/s,"
        f" {answer['chains_to_dbos']:.1f} times DBOS's {answer['dbos_chains_steps_per_s']:,.0f};"
        f" {_between(spread['chains_to_dbos'])}"
    )
    return {**answer, "latency_by": latency, "spread": spread, "rounds": list(rounds)}


def _between(spread: list[float]) -> str:
    return "from {:,.2f} to {:,.2f} in the rounds".format(*spread)


async def _round(server: PostgresServer, python: Path, number: int) -> dict[str, float]:
    urls = {name: server.create_database(f"{name}{number}") for name in ("ours", "theirs", "bare")}
    flow = flow_of("chain", _CHAIN, awaited_step)
    with BareCommits(urls["bare"]) as bare, Dbos(python, urls["theirs"]) as dbos:
        async with Flowcraft(urls["ours"], flow) as ours:
            takers: dict[str, Callable[[int], Awaitable[float]]] = {
                "ours": ours.seconds,
                **{flavour: partial(dbos.seconds, flavour) for flavour in _FLAVOURS},
            }
            floor = {"bare": bare.seconds}
            await _medians(takers, 1, turns=2, in_turn=_IN_TURN)  # to warm up
            chain = await _medians(takers | floor, 1, turns=_TURNS, in_turn=_IN_TURN)
            chains = await _medians(takers, _CHAINS, turns=_WIDE_TURNS, in_turn=1)
    dbos_chain, dbos_chains = (min(each[flavour] for flavour in _FLAVOURS) for each in (chain, chains))
    return {
        "commits_per_s": _CHAIN / chain["bare"],
        "chain_floor_ms": chain["bare"] * 1_000,
        "chain_ms": chain["ours"] * 1_000,
        "chain_to_floor": chain["ours"] / chain["bare"],
        "dbos_chain_ms": dbos_chain * 1_000,
        "chain_to_dbos": chain["ours"] / dbos_chain,
        "floor_to_dbos": chain["bare"] / dbos_chain,
        "added_to_dbos": (chain["ours"] - chain["bare"]) / (dbos_chain - chain["bare"]),
        "chains_steps_per_s": _CHAIN * _CHAINS / chains["ours"],
        "dbos_chains_steps_per_s": _CHAIN * _CHAINS / dbos_chains,
        "chains_to_dbos": dbos_chains / chains["ours"],
    }


async def _medians(
    takers: Mapping[str, Callable[[int], Awaitable[float]]], chains: int, *, turns: int, in_turn: int
) -> dict[str, float]:
    """The middle of the seconds that each takes for so many chains at once, of so many tries in each turn."""
    taken: dict[str, list[float]] = {name: [] for name in takers}
    for _ in range(turns):
        for name, taker in takers.items():
            taken[name] += [await taker(chains) for _ in range(in_turn)]
    return {name: statistics.median(each) for name, each in taken.items()}


class BareCommits(contextlib.AbstractContextManager["BareCommits"]):
    """Rows of the size of an outcome, each in a commit of its own."""

    def __init__(self, url: str) -> None:
        """Connect, and make a table."""
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("CREATE TABLE facts (key int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea)")

    async def seconds(self, chains: int) -> float:
        """How many seconds as many commits take as so many chains have steps, one after the other."""
        began = time.perf_counter()
        for _ in range(_CHAIN * chains):
            self._connection.execute("INSERT INTO facts (body) VALUES (%s)", [b"x" * 180])
        return time.perf_counter() - began

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class Flowcraft(contextlib.AbstractAsyncContextManager["Flowcraft"]):
    """A worker that waits for runs."""

    def __init__(self, url: str, flow: FlowBuilder) -> None:
        """Start nothing yet."""
        self._flow, self._ends = flow, RunEnds()
        self._backend = PostgresBackend(url, **_OURS)
        runtime = FlowRuntime([flow], events=self._ends)
        self._worker = Worker(self._backend, runtime, concurrency=64, prefetch=64, reconcile=False)
        self._client = Client(self._backend)

    async def __aenter__(self) -> Flowcraft:
        await self._backend.open()
        self._working = asyncio.ensure_future(self._worker.run())
        return self

    async def seconds(self, chains: int) -> float:
        """How many seconds so many chains at once take, from their start on."""
        self._ends.expect(chains)
        began = time.perf_counter()
        await asyncio.gather(*(self._client.start(self._flow) for _ in range(chains)))
        await self._ends.all_ended.wait()
        taken = time.perf_counter() - began
        self._ends.require("completed")
        return taken

    async def __aexit__(self, *_: object) -> None:
        self._worker.stop()
        await self._working
        await self._backend.close()


class Dbos(contextlib.AbstractContextManager["Dbos"]):
    """A process with DBOS that is told what to run; see ``dbos_program``."""

    def __init__(self, python: Path, url: str) -> None:
        """Start it."""
        settings = json.dumps({"system_database_url": url, **_DBOS})
        self._process = subprocess.Popen(
            [str(python), str(Path(__file__).with_name("dbos_program.py")), settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    async def seconds(self, flavour: str, chains: int) -> float:
        """How many seconds so many chains at once take, by its own clock."""
        return await asyncio.to_thread(self._ask, [flavour, _CHAIN, chains])

    def _ask(self, what: Sequence[str | int]) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(what), file=self._process.stdin, flush=True)
        said = self._process.stdout.readline()
        if not said:
            raise RuntimeError(f"DBOS ended with {self._process.wait()}; above is what it said")
        return float(json.loads(said))

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)
