"""A worker as a process with telemetry: ``python worker_program.py <file> <folder>``.

What it leaves in the folder: ``ready-<pid>``; a line of JSON per span, as it is exported; what it measured, at its end.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, RetryPolicy, create_flow
from flowcraft_core.durable import Worker
from flowcraft_core.durable.engine import Settings
from flowcraft_core.telemetry import OpenTelemetry
from flowcraft_sqlite import SqliteBackend
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

SECRET = "the secret of a payload"
ITEMS = 6
Ctx = NodeContext[Any, Path]


def line_of(span: ReadableSpan) -> dict[str, Any]:
    """What the test looks at."""
    context = span.context
    assert context is not None
    return {
        "pid": os.getpid(),
        "name": span.name,
        "kind": span.kind.name,
        "trace": f"{context.trace_id:032x}",
        "id": f"{context.span_id:016x}",
        "parent": None if span.parent is None else f"{span.parent.span_id:016x}",
        "links": [f"{link.context.span_id:016x}" for link in span.links],
        "attributes": dict(span.attributes or {}),
        "status": span.status.status_code.name,
        "events": [[event.name, dict(event.attributes or {})] for event in span.events],
        "start": span.start_time,
        "end": span.end_time,
    }


class ToFile(SpanExporter):
    """Writes a line per span, as a whole, at once."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / f"spans-{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            os.write(self._file, json.dumps(line_of(span)).encode() + b"\n")
        return SpanExportResult.SUCCESS


async def secretive(ctx: Ctx) -> str:
    return SECRET


async def flaky(ctx: Ctx) -> list[int]:
    if ctx.attempt == 1:
        raise ValueError(SECRET)
    return list(range(ITEMS))


async def buggy(ctx: Ctx) -> None:
    raise KeyError(SECRET)


async def kills(ctx: Ctx) -> Any:
    """Leave a span of its own, and kill the worker, the first time."""
    with trace.get_tracer("mine", tracer_provider=_provider).start_as_current_span("mine"):
        mark = ctx.dependencies / "killed"
        if not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
    return ctx.input


async def takes(ctx: Ctx) -> Any:
    await asyncio.sleep(0.2)
    return ctx.input


async def counts(ctx: Ctx) -> int:
    number: int = await ctx.context.get("number", 0) + 1
    await ctx.context.set("number", number)
    return number


def flows() -> list[FlowBuilder]:
    """A flow in which everything happens, and the one that it calls."""
    called = create_flow("called").node("inside", takes)
    flow = create_flow("all")
    flow.node("begin", secretive)
    flow.node("bad", buggy, fallback="good").node("good", secretive)
    flow.node("flaky", flaky, retries=RetryPolicy(max_attempts=2, delay=0.2))
    flow.node("kills", kills)
    flow.batch("pages", takes)
    flow.node("body", counts).loop("again", start="body", end="body", condition="result.output < 3")
    flow.subflow("call", called)
    flow.wait("approval").node("last", takes)
    for one, other in itertools.pairwise(ORDER):
        flow.edge(one, "body" if other == "again" else other)
    return [flow, called]


ORDER = ("begin", "bad", "flaky", "kills", "pages", "again", "call", "approval", "last")
_provider = TracerProvider()


async def main(path: str, folder: str) -> None:
    _provider.add_span_processor(SimpleSpanProcessor(ToFile(Path(folder))))
    reader = InMemoryMetricReader()
    telemetry = OpenTelemetry(tracer_provider=_provider, meter_provider=MeterProvider([reader]))
    async with SqliteBackend(path, busy_timeout=30) as backend:
        runtime = FlowRuntime(flows(), dependencies=Path(folder), telemetry=telemetry)
        # Each step under a job of its own, and one at a time: so that all have something to do.
        worker = Worker(
            backend,
            runtime,
            concurrency=1,
            prefetch=0,
            visibility=4.0,
            poll=0.2,
            reconcile_interval=2.0,
            settings=Settings(max_steps=1, delivery_limit=20),
        )
        (Path(folder) / f"ready-{os.getpid()}").touch()
        await worker.run(handle_signals=True)
    measured = reader.get_metrics_data()
    if measured is not None:
        (Path(folder) / f"metrics-{os.getpid()}").write_text(measured.to_json())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
