"""``durable --backend postgres``: runs on PostgreSQL beside DBOS on the same server, and beside its bare commits.

Each round measures all of them one after the other, so that what disturbs the machine disturbs them alike. What counts
is the middle of the rounds. DBOS is installed into an environment of its own; it runs each chain in its fastest way, of
those that its documentation shows: steps that are awaited, or plain ones in threads.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
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
_REPEAT = 15
_COMMITS = 500
#: What is asked: a chain in at most this part of the other's time, and so many times its steps at once.
_LATENCY, _THROUGHPUT = 1 / 3, 5.0
#: Of both, on the server: the same durability, as it is without being asked for.
_SERVER = {"fsync": "on", "synchronous_commit": "on"}
#: More connections than by default made it faster, in tries with 5, 20 and 50; what it logs and exports is off.
_DBOS = {"sys_db_pool_size": 20, "log_level": "ERROR", "enable_otlp": False, "run_admin_server": False}
_OURS: dict[str, Any] = {}


def run(rounds: int) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    python = python_environment(Path(__file__).with_name("dbos-requirements.txt")) / "python"
    told: list[dict[str, float]] = []
    print(f"server: {_SERVER}; DBOS: {_DBOS}; PostgresBackend: {_OURS or 'as by default'}")
    with postgres(**_SERVER) as server:
        for number in range(rounds):
            told.append(_round(server, python, number))
            print(f"round {number + 1}: " + ", ".join(f"{name} {value:,.1f}" for name, value in told[-1].items()))
    answer: dict[str, Any] = {name: statistics.median(each[name] for each in told) for name in told[0]}
    answer["chain_to_dbos"] = answer["chain_ms"] / answer["dbos_chain_ms"]
    answer["chains_to_dbos"] = answer["chains_steps_per_s"] / answer["dbos_chains_steps_per_s"]
    answer["chain_floor_ms"] = _CHAIN / answer["commits_per_s"] * 1_000
    answer["chain_to_floor"] = answer["chain_ms"] / answer["chain_floor_ms"]
    answer["ok"] = answer["chain_to_dbos"] <= _LATENCY and answer["chains_to_dbos"] >= _THROUGHPUT
    print(f"bare commits: {answer['commits_per_s']:,.0f} a second, one row each")
    print(
        f"a chain of {_CHAIN}: {answer['chain_ms']:.1f} ms, {answer['chain_to_floor']:.1f} times its bare commits, and"
        f" {answer['chain_to_dbos']:.2f} of DBOS's {answer['dbos_chain_ms']:.1f} ms"
    )
    print(
        f"{_CHAINS} chains of {_CHAIN} at once: {answer['chains_steps_per_s']:,.0f} steps/s,"
        f" {answer['chains_to_dbos']:.1f} times DBOS's {answer['dbos_chains_steps_per_s']:,.0f}"
    )
    return {**answer, "rounds": told, "server": _SERVER, "dbos": _DBOS}


def _round(server: PostgresServer, python: Path, number: int) -> dict[str, float]:
    ours, theirs = server.create_database(f"ours{number}"), server.create_database(f"theirs{number}")
    commits = _commits_per_s(server.create_database(f"bare{number}"))
    chain, chains = asyncio.run(_measure(ours))
    dbos = _dbos(python, theirs)
    return {
        "commits_per_s": commits,
        "chain_ms": statistics.median(chain) * 1_000,
        "chains_steps_per_s": _CHAIN * _CHAINS / min(chains),
        "dbos_chain_ms": min(statistics.median(each["chain"]) for each in dbos.values()) * 1_000,
        "dbos_chains_steps_per_s": _CHAIN * _CHAINS / min(min(each["chains"]) for each in dbos.values()),
    }


def _commits_per_s(url: str) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE facts (key int PRIMARY KEY, body bytea)")
        body = b"x" * 180
        began = time.perf_counter()
        for key in range(_COMMITS):
            connection.execute("INSERT INTO facts VALUES (%s, %s)", (key, body))
        return _COMMITS / (time.perf_counter() - began)


async def _measure(url: str) -> tuple[list[float], list[float]]:
    """Seconds of each chain by itself, and of each time that many went at once."""
    flow = flow_of("chain", _CHAIN, awaited_step)
    async with PostgresBackend(url, **_OURS) as backend:
        ends = RunEnds()
        worker = Worker(backend, FlowRuntime([flow], events=ends), concurrency=64, prefetch=64, reconcile=False)
        working, client = asyncio.ensure_future(worker.run()), Client(backend)

        async def run_all(flow: FlowBuilder, count: int) -> float:
            ends.expect(count)
            began = time.perf_counter()
            await asyncio.gather(*(client.start(flow) for _ in range(count)))
            await ends.all_ended.wait()
            ends.require("completed")
            return time.perf_counter() - began

        for _ in range(3):
            await run_all(flow, 1)
        one = [await run_all(flow, 1) for _ in range(_REPEAT)]
        many = [await run_all(flow, _CHAINS) for _ in range(2)]
        worker.stop()
        await working
    return one, many


def _dbos(python: Path, url: str) -> dict[str, dict[str, list[float]]]:
    config = {"system_database_url": url, **_DBOS}
    settings = {"config": config, "chain": _CHAIN, "chains": _CHAINS, "repeat": _REPEAT}
    command = [str(python), str(Path(__file__).with_name("dbos_program.py")), json.dumps(settings)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"DBOS ended with {ended.returncode}: {ended.stderr[-2_000:]}")
    measured: dict[str, dict[str, list[float]]] = json.loads(ended.stdout.splitlines()[-1])
    return measured
