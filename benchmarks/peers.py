"""``peers``: chains on emulators of AWS and Azure, on one worker and on four, beside Celery on the same SQS and Redis.

A chain's time goes from asking for its start until its last step runs, in another process, which tells so by a
datagram; so nobody polls, and all are measured alike. Celery is installed into an environment of its own. Its tasks are
chained by its own ``chain``, are acknowledged when they are done, as here, and have their results in Redis, which is
what comes nearest to a record of each step; but a chain of it has no record, so that what is lost is found by nobody.

Emulators are programs of one process each, mostly in Python and JavaScript, and take most of the machine themselves:
the figures say how engines compare on the same emulators, and not how fast either is in the cloud. How much of the
processors' time the emulators took is told with each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import cpu
from flowcraft_core.durable import Client, open_url
from peers_steps import CELERY, LENGTH, WHERE, Ends, ends_at

# The emulators belong to the integration tests.
_INTEGRATION = Path(__file__).parents[1] / "integration"
sys.path[:0] = [str(_INTEGRATION), str(_INTEGRATION / "aws"), str(_INTEGRATION / "azure")]

import aws_emulators  # noqa: E402
import azure_emulators  # noqa: E402
import places  # noqa: E402
from servers import python_environment  # noqa: E402

HELP = "chains on the emulators of AWS and Azure, on one worker and on four, beside Celery on SQS and Redis"
SHORT = (("--short",),)

_WORKERS = (1, 4)
_PATIENCE = 600.0

#: Of every Celery worker, as its documentation advises for short tasks; acknowledged late, as workers here do.
_CELERY: dict[str, Any] = {
    "task_acks_late": True,
    "worker_prefetch_multiplier": 4,
    "worker_enable_remote_control": False,
    "worker_send_task_events": False,
    "broker_connection_retry_on_startup": True,
}
_QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=ERROR"]
#: The pools that are tried; what counts is the better one.
_POOLS: dict[str, Sequence[str]] = {
    "threads": ["--pool=threads", "--concurrency=16"],
    "prefork": ["--pool=prefork", "--concurrency=2"],
}


@attrs.frozen
class System:
    """Something to run chains with.

    Attributes:
        name: What it is.
        worker: The command of a worker.
        environment: What its processes have in their environment.
        start: Gives what starts chains, within a ``with`` block.
    """

    name: str
    worker: Sequence[str]
    environment: Mapping[str, str]
    start: Callable[[System], contextlib.AbstractContextManager[Callable[[int], None]]]


@attrs.frozen
class Effort:
    """How much is measured.

    Attributes:
        rounds: How often; what counts is the middle.
        in_a_row: Chains of a round one after the other.
        at_once: Chains of a round at once.
        pools: Of Celery.
    """

    rounds: int
    in_a_row: int
    at_once: int
    pools: Sequence[str]


_LONG = Effort(5, 5, 20, tuple(_POOLS))
_BRIEF = Effort(2, 2, 5, ("threads",))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--short", action="store_true", help="two rounds of few chains, and one pool of Celery's")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    effort = _BRIEF if options.short else _LONG
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, ends_at(Path(folder)) as ends, _systems(effort) as systems:
        for workers in _WORKERS:
            for system in systems:
                rows.append(_row(system, workers, effort, ends))
                print(_text(rows[-1]), flush=True)
    print(f"Celery: {_CELERY}, {_QUIET}, pools {[list(_POOLS[pool]) for pool in effort.pools]}")
    print("emulators take most of the machine: these figures compare engines on them, and say nothing of the cloud")
    return {
        "ok": all(row["chains"] == row["ended"] for row in rows),
        "rounds": effort.rounds,
        "rows": rows,
        "short": options.short,
        "chain": LENGTH,
        "celery": {**_CELERY, "arguments": _QUIET, "pools": {pool: _POOLS[pool] for pool in effort.pools}},
    }


def _text(row: Mapping[str, Any]) -> str:
    share = row["emulators_share_of_cpu"]
    return (
        f"{row['system']:<24} {row['workers']} workers: a chain of {LENGTH} {row['chain_ms']:>7,.0f} ms"
        f" ({row['chain_ms_spread'][0]:,.0f} to {row['chain_ms_spread'][1]:,.0f}), {row['steps_per_s']:>6,.0f} steps/s"
        f" ({row['steps_per_s_spread'][0]:,.0f} to {row['steps_per_s_spread'][1]:,.0f}); emulators took {share:.0%} of"
        f" {row['cpu_seconds']:.1f} s of processors"
    )


def _row(system: System, workers: int, effort: Effort, ends: Ends) -> dict[str, Any]:
    environment = {**os.environ, **system.environment, WHERE: ends.path, "PYTHONPATH": str(Path(__file__).parent)}
    chain: list[float] = []
    steps: list[float] = []
    system = attrs.evolve(system, environment=environment)
    ended = 0
    with _working(system, workers), system.start(system) as start:

        def seconds(chains: int) -> float:
            nonlocal ended
            began = time.perf_counter()
            start(chains)
            ended += len(ends.wait(chains, seconds=_PATIENCE))
            return time.perf_counter() - began

        for _ in range(2):  # to warm up: the first also waits until the workers are there
            seconds(workers)
        ended, before = 0, cpu.seconds()
        for _ in range(effort.rounds):
            chain.append(statistics.median(seconds(1) for _ in range(effort.in_a_row)) * 1_000)
            steps.append(effort.at_once * LENGTH / seconds(effort.at_once))
        after = cpu.seconds()
    spent = {name: after[name] - before[name] for name in after}
    return {
        "system": system.name,
        "workers": workers,
        "chain_ms": statistics.median(chain),
        "chain_ms_spread": [min(chain), max(chain)],
        "steps_per_s": statistics.median(steps),
        "steps_per_s_spread": [min(steps), max(steps)],
        "chains": effort.rounds * (effort.in_a_row + effort.at_once),
        "ended": ended,
        "cpu": spent,
        "cpu_seconds": sum(spent.values()),
        "emulators_share_of_cpu": spent["emulators"] / max(sum(spent.values()), 1e-9),
    }


@contextlib.contextmanager
def _working(system: System, workers: int) -> Iterator[None]:
    processes = [
        subprocess.Popen(list(system.worker), env=dict(system.environment), stdout=subprocess.DEVNULL)
        for _ in range(workers)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


# --- where ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _systems(effort: Effort) -> Iterator[list[System]]:
    """All of them, on emulators that run within a ``with`` block."""
    with contextlib.ExitStack() as running:
        sqs = running.enter_context(aws_emulators.localstack())
        dynamodb = running.enter_context(aws_emulators.moto())
        aws = aws_emulators.Place.create(sqs=sqs.url, dynamodb=dynamodb.url)
        azure = places.Place(running.enter_context(azure_emulators.emulators()))
        asyncio.run(azure.create())
        python = python_environment(Path(__file__).with_name("celery-requirements.txt")) / "python"
        systems = [
            _ours("Flowcraft, AWS", aws.url, aws_emulators.environment_of(sqs=sqs.url, dynamodb=dynamodb.url)),
            _ours("Flowcraft, Azure", azure.url, azure.environment()),
        ]
        results = azure.emulators.redis_url.removesuffix("/0")
        for pool in effort.pools:
            queue = aws_emulators.client("sqs", sqs.url).create_queue(QueueName=f"celery-{pool}")["QueueUrl"]
            on_sqs = {
                "broker_url": f"sqs://test:test@{sqs.host}:{sqs.port}//",
                "broker_transport_options": {
                    "region": "us-east-1",
                    "is_secure": False,
                    "visibility_timeout": 60,
                    "wait_time_seconds": 10,
                    "polling_interval": 0.01,
                    "predefined_queues": {
                        "celery": {
                            "url": f"{sqs.url}/{'/'.join(queue.rsplit('/', 2)[1:])}",
                            "access_key_id": "test",
                            "secret_access_key": "test",
                            "region": "us-east-1",
                        }
                    },
                },
                "result_backend": f"{results}/1",
            }
            systems.append(_celery("Celery, SQS", python, pool, on_sqs))
            systems.append(
                _celery("Celery, Redis", python, pool, {"broker_url": f"{results}/2", "result_backend": f"{results}/3"})
            )
        yield systems


# --- here -------------------------------------------------------------------------------------------------------------


def _ours(name: str, url: str, environment: Mapping[str, str]) -> System:
    worker = [sys.executable, str(Path(__file__).with_name("peers_worker.py")), url]
    return System(name, worker, environment, lambda _: _starting(url, environment))


@contextlib.contextmanager
def _starting(url: str, environment: Mapping[str, str]) -> Iterator[Callable[[int], None]]:
    import peers_worker  # noqa: PLC0415 - its step is for processes that have somewhere to tell of ends

    flow, standing = peers_worker.flow(), contextlib.AsyncExitStack()
    added = {name: value for name, value in environment.items() if os.environ.get(name) != value}
    kept = {name: os.environ.get(name) for name in added}
    os.environ.update(added)  # the SDKs read where the emulators are
    with asyncio.Runner() as runner:
        try:
            client = Client(runner.run(standing.enter_async_context(open_url(url))), flows=[flow])

            async def start(chains: int) -> None:
                await asyncio.gather(*(client.start(flow) for _ in range(chains)))

            yield lambda chains: runner.run(start(chains))
        finally:
            runner.run(standing.aclose())
            for name, value in kept.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


# --- Celery -----------------------------------------------------------------------------------------------------------


def _celery(name: str, python: Path, pool: str, settings: Mapping[str, Any]) -> System:
    environment = {CELERY: json.dumps({**_CELERY, **settings})}
    worker = [str(python), "-m", "celery", "-A", "celery_program", "worker", *_QUIET, *_POOLS[pool]]
    return System(f"{name}, {pool}", worker, environment, lambda system: _asking(system, python))


@contextlib.contextmanager
def _asking(system: System, python: Path) -> Iterator[Callable[[int], None]]:
    program = [str(python), str(Path(__file__).with_name("celery_program.py"))]
    with subprocess.Popen(
        program, env=dict(system.environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline().strip() != "open":
            raise RuntimeError("the client of Celery has not begun; above is what it said")
        asked = process.stdin

        def start(chains: int) -> None:
            for _ in range(chains):
                asked.write(json.dumps(uuid.uuid4().hex) + "\n")
            asked.flush()

        yield start
        asked.close()
