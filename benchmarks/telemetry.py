"""``telemetry``: what traces and metrics cost, in spans per node, requests per node and time per node."""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_core.observing import Telemetry
from flowcraft_core.telemetry import OpenTelemetry
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.counting import CountingBackend
from flowcraft_testkit.memory import InMemoryBackend, Weaknesses
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from shapes import awaited_step, flow_of

HELP = "what telemetry costs: spans and requests per node, counted, and time per node"
SHORT = (("--repeat", "3"),)

# What is allowed: spans per node of a chain, in process and under one job, and no request more.
_MOST = {"in process": 2.0, "on a worker": 3.0}


class Counting(SpanExporter):
    """Counts spans, and drops them: what a real exporter takes is its own."""

    def __init__(self) -> None:
        """Count from zero."""
        self.names: Counter[str] = Counter()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take them."""
        self.names.update(span.name.partition(" ")[0] for span in spans)
        return SpanExportResult.SUCCESS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--nodes", type=int, default=1_000, metavar="N", help="how long the chain is")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="measure so often, take the middle")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Count and measure, print line by line, and give the figures."""
    nodes = options.nodes
    spans, requests, ok = {}, {}, True
    for where, most in _MOST.items():
        counted = Counting()
        telemetry = _telemetry(counted)
        if where == "in process":
            asyncio.run(_in_process(nodes, telemetry))
        else:
            requests = {"off": asyncio.run(_on_worker(nodes, None)), "on": asyncio.run(_on_worker(nodes, telemetry))}
        of_nodes = {name: count / nodes for name, count in sorted(counted.names.items()) if count >= nodes / 2}
        spans[where] = sum(of_nodes.values())
        ok = ok and spans[where] <= most
        others = {name: count for name, count in sorted(counted.names.items()) if name not in of_nodes}
        print(f"{where:<12} {spans[where]:.0f} spans per node ({', '.join(of_nodes)}); per run and job {others}")
    ok = ok and requests["on"] == requests["off"]
    print(f"on a worker  {requests['on'] / nodes:.3f} requests per node, and {requests['off'] / nodes:.3f} without")
    ways: dict[str, Telemetry | None] = {
        "off": None,
        "metrics, no span sampled": _telemetry(Counting(), sampled=False),
        "all": _telemetry(Counting()),
    }
    took = _took(ways, nodes, options.repeat)
    off = took["off"]["us"]
    for way, each in took.items():
        print(
            f"in process   {each['us']:>5.1f} us of a processor per node ({each['min']:.1f} to {each['max']:.1f}),"
            f" {each['us'] / off:>4.1f} x the time, {each['us'] - off:>3.0f} us more: {way}"
        )
    return {
        "ok": ok,
        "spans_per_node": spans,
        "requests": requests,
        "nodes": nodes,
        "us_per_node": took,
        "bounds": _MOST,
    }


def _telemetry(exporter: SpanExporter, *, sampled: bool = True) -> OpenTelemetry:
    provider = TracerProvider() if sampled else TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OpenTelemetry(tracer_provider=provider, meter_provider=MeterProvider())


async def _in_process(nodes: int, telemetry: Telemetry | None) -> float:
    flow = flow_of("chain", nodes, awaited_step)
    runtime = FlowRuntime([flow], telemetry=telemetry)
    began = time.process_time()
    await runtime.run(flow)
    return time.process_time() - began


async def _on_worker(nodes: int, telemetry: Telemetry | None) -> int:
    """One run on a worker; how many requests it made."""
    clock, flow = VirtualClock(), flow_of("chain", nodes, awaited_step)
    async with InMemoryBackend(clock=clock, weaknesses=Weaknesses.none()) as world:
        backend = CountingBackend(world)
        worker = Worker(backend, FlowRuntime([flow], clock=clock, telemetry=telemetry), reconcile=False, poll=5.0)
        working = asyncio.ensure_future(worker.run())
        client = Client(backend, flows=[flow], clock=clock, telemetry=telemetry)
        await client.start(flow, run_id="run")
        await client.wait("run", timeout=3600)
        worker.stop()
        await working
        return sum(count for name, count in backend.counts().items() if name not in ("queue.receive", "status.get"))


def _took(ways: Mapping[str, Telemetry | None], nodes: int, repeat: int) -> dict[str, dict[str, float]]:
    """What a node takes of a processor each way, microseconds: the middle, least and most of turns."""
    tries: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeat):
        for way, telemetry in ways.items():
            gc.collect()
            tries[way].append(asyncio.run(_in_process(nodes, telemetry)) * 1e6 / nodes)
    return {way: {"us": statistics.median(each), "min": min(each), "max": max(each)} for way, each in tries.items()}
