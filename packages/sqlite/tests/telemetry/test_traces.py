"""One connected trace per run, made by three worker processes on one file, one of which is killed."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from flowcraft_core.durable import Client
from flowcraft_core.telemetry import METRICS, OpenTelemetry
from flowcraft_sqlite import SqliteBackend
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from .worker_program import ITEMS, ORDER, SECRET, flows, line_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
PATIENCE = 120.0

Span = dict[str, Any]


async def _start(path: Path, folder: Path) -> Process:
    program = str(Path(__file__).with_name("worker_program.py"))
    return await asyncio.create_subprocess_exec(
        sys.executable, program, str(path), str(folder), stdout=DEVNULL, stderr=DEVNULL
    )


async def _until(folder: Path, pattern: str, number: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while _files(folder, pattern) < number:  # noqa: ASYNC110 - it depends on other processes
            await asyncio.sleep(0.05)


def _files(folder: Path, pattern: str) -> int:
    return len(list(folder.glob(pattern)))


def _lines(folder: Path) -> list[Span]:
    return [json.loads(line) for path in folder.glob("spans-*") for line in path.read_text().splitlines()]


def _measured(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The points of each metric, of all workers."""
    points: dict[str, list[dict[str, Any]]] = {}
    for path in folder.glob("metrics-*"):
        for resource in json.loads(path.read_text())["resource_metrics"]:
            for scope in resource["scope_metrics"]:
                for metric in scope["metrics"]:
                    points.setdefault(metric["name"], []).extend(metric["data"]["data_points"])
    return points


async def test_a_run_is_one_connected_trace_whoever_works_on_it(tmp_path: Path) -> None:
    folder, path = tmp_path, tmp_path / "runs.db"
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    async with SqliteBackend(path, busy_timeout=30) as backend:
        client = Client(backend, flows=flows(), telemetry=OpenTelemetry(tracer_provider=provider))
        workers = [await _start(path, folder) for _ in range(3)]
        try:
            await _until(folder, "ready-*", 3)
            with provider.get_tracer("caller").start_as_current_span("request"):
                await client.start("all", run_id="run")
            async with asyncio.timeout(PATIENCE):
                while (await client.status("run")).state == "running":  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.05)
            with provider.get_tracer("caller").start_as_current_span("answer"):
                await client.resume("run", "approval", output=SECRET)
            result = await client.wait("run", timeout=PATIENCE)
        finally:
            for worker in workers:
                if worker.returncode is None:
                    worker.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                codes = sorted([await worker.wait() for worker in workers])
    assert (result.status, codes) == ("completed", [-signal.SIGKILL, 0, 0])

    spans = [line_of(span) for span in memory.get_finished_spans()] + _lines(folder)
    (request,) = (span for span in spans if span["name"] == "request")
    (answer,) = (span for span in spans if span["name"] == "answer")
    trace = [span for span in spans if span["trace"] == request["trace"]]
    ids = {span["id"]: span for span in trace}
    assert len(ids) == len(trace)
    assert [span["name"] for span in trace if span["parent"] is None] == ["request"]
    assert [span["name"] for span in trace if span["parent"] is not None and span["parent"] not in ids] == []
    assert [span for span in spans if span not in trace] == [answer]  # a trace of its own, that is linked to

    names = Counter(span["name"] for span in trace)
    assert (names["start all"], names["run all"], names["wait approval"]) == (1, 1, 1)
    assert {f"node {node}" for node in ("begin", "bad", "flaky", "kills", "body", "inside", "last")} <= names.keys()
    assert {"enter pages", "batch pages", "enter again", "verdict again", "loop again", "subflow call"} <= names.keys()
    by = {span["name"]: span for span in trace}
    assert by["run all"]["attributes"]["flowcraft.state"] == "completed"
    assert by["wait approval"]["links"] == [answer["id"]]
    assert by["wait approval"]["end"] > by["wait approval"]["start"]
    assert len({span["pid"] for span in trace if span["name"].startswith("node ")}) >= 2

    done = [span for span in trace if span["attributes"].get("flowcraft.state") == "completed"]
    completed = {span["attributes"].get("flowcraft.instance.key") for span in done}
    assert {*(f"pages[{place}]" for place in range(ITEMS))} <= {str(key).partition(".")[0] for key in completed}
    assert {"begin", "bad", "flaky", "kills", "approval", "last"} <= completed
    assert set(ORDER) <= {span["attributes"].get("flowcraft.node.id") for span in done}

    # A retry: two visits, the second linked to the first; and the errors are told without what they said.
    visits = [span["attributes"] | span for span in trace if span["name"] == "node flaky"]
    suspended = {span["id"] for span in visits if span["flowcraft.state"] == "suspended"}
    assert suspended & {link for span in visits if span["flowcraft.attempt"] == 2 for link in span["links"]}
    failures = [span for span in trace if span["status"] == "ERROR"]
    assert {span["attributes"]["error.type"] for span in failures} == {"ValueError", "KeyError"}
    assert {name for span in failures for name, _ in span["events"]} == {"exception"}
    assert any(span["attributes"].get("flowcraft.fallback") == "good" for span in trace)
    assert SECRET not in json.dumps(spans)

    # The one that was killed had a job, which came to another one; and the step's own span is below its attempt.
    # On a busy machine it may come to more than one.
    again = [s for s in trace if s["name"] == "queue kills" and s["attributes"]["flowcraft.job.deliveries"] > 1]
    assert again
    assert int((folder / "killed").read_text()) not in {span["pid"] for span in again}
    assert {ids[span["parent"]]["name"] for span in trace if span["name"] == "mine"} == {"attempt kills"}

    measured = _measured(folder)
    assert measured.keys() <= {metric.name for metric in METRICS.values()}
    assert sum(point["value"] for point in measured["flowcraft.job.redeliveries"]) >= 1
    nodes = Counter[str]()
    for point in measured["flowcraft.node.duration"]:
        nodes[point["attributes"]["flowcraft.state"]] += point["count"]
    assert nodes["completed"] >= ITEMS
    for name in ("run", "attempt", "commit"):
        assert sum(point["count"] for point in measured[f"flowcraft.{name}.duration"]) >= 1
    for name in ("queue.lag", "worker.loop_lag"):
        assert sum(point["count"] for point in measured[f"flowcraft.{name}"]) >= 1
