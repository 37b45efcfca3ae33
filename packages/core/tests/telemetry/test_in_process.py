"""Spans and measurements of runs in one process."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, RetryPolicy, SyncNodeContext, create_flow
from flowcraft_core.telemetry import OpenTelemetry
from opentelemetry import trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from prometheus_client import REGISTRY, generate_latest

from .helpers import Collected, assert_connected, seconds, span_id, trace_id

Ctx = NodeContext[Any, Any]
SECRET = "the secret of a payload"


async def secretive(ctx: Ctx) -> str:
    return SECRET


async def fails(ctx: Ctx) -> None:
    raise KeyError(SECRET)


async def test_a_run_is_one_trace_below_the_callers_span() -> None:
    seen = Collected()
    flow = create_flow("f").node("a", secretive).node("b", secretive).edge("a", "b")
    with seen.provider.get_tracer("caller").start_as_current_span("request") as request:
        await FlowRuntime([flow], telemetry=seen.telemetry).run(flow, run_id="r")
    spans = seen.spans
    assert [span.name for span in spans] == [
        "start f",
        "node a",
        "attempt a",
        "node b",
        "attempt b",
        "run f",
        "request",
    ]
    assert {trace_id(span) for span in spans} == {request.get_span_context().trace_id}
    assert_connected((spans[-1], *spans[:-1]))
    by = {span.name: span for span in spans}
    for name in ("node a", "node b", "run f"):
        parent = by[name].parent
        assert parent is not None
        assert parent.span_id == span_id(by["start f"])
    assert dict(by["attempt b"].attributes or {}) == {
        "flowcraft.run.id": "r",
        "flowcraft.flow.id": "f",
        "flowcraft.node.id": "b",
        "flowcraft.instance.key": "b",
        "flowcraft.attempt": 1,
    }


async def test_a_steps_own_spans_are_below_its_attempt_in_the_event_loop_and_in_a_thread() -> None:
    seen = Collected()
    mine = seen.provider.get_tracer("mine")

    async def awaited(ctx: Ctx) -> None:
        with mine.start_as_current_span("in awaited"):
            pass

    def plain(ctx: SyncNodeContext[Any, Any]) -> None:
        with mine.start_as_current_span("in plain"):
            pass

    flow = create_flow("f").node("awaited", awaited).node("plain", plain).edge("awaited", "plain")
    before = trace.get_current_span()
    await FlowRuntime([flow], telemetry=seen.telemetry).run(flow)
    assert trace.get_current_span() is before
    for node in ("awaited", "plain"):
        (inner,), (attempt,) = seen.named(f"in {node}"), seen.named(f"attempt {node}")
        assert inner.parent is not None
        assert inner.parent.span_id == span_id(attempt)


async def test_errors_are_told_by_their_class_and_place_and_never_by_what_they_say(quiet: None) -> None:
    seen = Collected()
    retries = RetryPolicy(max_attempts=2, delay=0.01)
    flow = create_flow("f").node("bad", fails, retries=retries, fallback="good").node("good", fails)
    result = await FlowRuntime([flow], telemetry=seen.telemetry).run(flow, run_id="r")
    assert result.status == "failed"
    assert_connected(seen.spans)
    attempts = seen.named("attempt bad")
    assert [(span.attributes or {}).get("flowcraft.fallback") for span in attempts] == [None, None, "good"]
    for span in attempts:
        assert span.status.status_code is trace.StatusCode.ERROR
        (event,) = span.events
        assert event.name == "exception"
        told = dict(event.attributes or {})
        assert told["exception.type"] == "KeyError"
        assert "in fails" in str(told["exception.stacktrace"])
    states = [(span.attributes or {})["flowcraft.state"] for span in seen.named("node bad")]
    assert states == ["suspended", "failed"]
    assert SECRET not in "".join(span.to_json() for span in seen.spans)
    assert seen.points("flowcraft.attempt.retries") == [({"flowcraft.node.id": "bad", "error.type": "KeyError"}, 1)]
    assert seen.points("flowcraft.attempt.fallbacks") == [({"flowcraft.node.id": "bad", "error.type": "KeyError"}, 1)]
    assert seen.points("flowcraft.run.duration") == [({"flowcraft.flow.id": "f", "flowcraft.state": "failed"}, 1)]
    assert [value for _, value in seen.points("flowcraft.node.active")] == [0]


async def test_a_run_goes_on_from_its_state_in_the_same_trace_and_its_wait_is_a_span_when_it_has_ended() -> None:
    seen = Collected()
    flow = create_flow("f").node("a", secretive).wait("approval").node("b", secretive)
    flow.edge("a", "approval").edge("approval", "b")
    awaiting = await FlowRuntime([flow], telemetry=seen.telemetry).run(flow, run_id="r")
    assert seen.named("wait approval") == []
    done = await FlowRuntime([flow], telemetry=seen.telemetry).resume(awaiting.state, "approval")
    assert done.status == "completed"
    assert_connected(seen.spans)
    (waited,) = seen.named("wait approval")
    assert seconds(waited) > 0
    assert (len(seen.named("run f")), len(seen.named("start f"))) == (1, 1)
    assert seen.points("flowcraft.wait.duration")[0][1] == 1


async def test_a_construct_is_a_span_from_its_beginning_to_its_end() -> None:
    seen = Collected()

    async def numbers(ctx: Ctx) -> list[int]:
        return [1, 2, 3]

    called = create_flow("called").node("inside", secretive)
    flow = create_flow("f").node("src", numbers).batch("pages", secretive).subflow("call", called)
    flow.edge("src", "pages").edge("pages", "call")
    await FlowRuntime([flow, called], telemetry=seen.telemetry).run(flow)
    assert_connected(seen.spans)
    (batch,), (enter,) = seen.named("batch pages"), seen.named("enter pages")
    items = seen.named("node pages")
    assert len(items) == 3
    assert {(span.attributes or {})["flowcraft.instance.key"] for span in items} == {
        f"pages[{i}].pages" for i in range(3)
    }
    for item in items:
        assert (batch.start_time or 0) <= (item.start_time or 0)
        assert (item.end_time or 0) <= (batch.end_time or 0)
    assert (enter.end_time or 0) <= (batch.end_time or 0)
    (inside,) = seen.named("node inside")
    assert (inside.attributes or {})["flowcraft.flow.id"] == "called"


async def test_what_is_not_sampled_is_not_traced_and_its_metrics_are_there() -> None:
    seen = Collected()
    provider = TracerProvider(sampler=ALWAYS_OFF)
    flow = create_flow("f").node("a", secretive)
    telemetry = OpenTelemetry(tracer_provider=provider)
    assert (await FlowRuntime([flow], telemetry=telemetry).run(flow)).status == "completed"
    assert seen.spans == ()


class Broken(SpanProcessor):
    def on_start(self, span: Span, parent_context: Any = None) -> None:
        raise RuntimeError("a defect of the collector's")


async def test_what_a_collector_raises_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    provider = TracerProvider()
    provider.add_span_processor(Broken())
    flow = create_flow("f").node("a", secretive).wait("w", timeout=0.01).edge("a", "w")
    telemetry = OpenTelemetry(tracer_provider=provider)
    with caplog.at_level(logging.ERROR, "flowcraft"):
        result = await FlowRuntime([flow], telemetry=telemetry).run(flow)
    assert result.status == "completed"
    told = [record for record in caplog.records if record.__dict__.get("event") == "telemetry_failed"]
    assert {"start", "started", "attempt"} <= {record.__dict__["operation"] for record in told}


async def test_prometheus_reads_the_same_metrics() -> None:
    provider = MeterProvider([PrometheusMetricReader()])
    try:
        telemetry = OpenTelemetry(meter_provider=provider)
        flow = create_flow("scraped").node("a", secretive)
        await FlowRuntime([flow], telemetry=telemetry).run(flow)
        text = generate_latest(REGISTRY).decode()
    finally:
        provider.shutdown()
    assert 'flowcraft_run_duration_seconds_count{flowcraft_flow_id="scraped",flowcraft_state="completed"' in text
    assert 'flowcraft_run_started_total{flowcraft_flow_id="scraped"' in text
    assert "flowcraft_node_active" in text


PROGRAM = """
import sys

class Blocks:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocks())

import flowcraft_core.durable
from flowcraft_core import ConfigurationError, FlowRuntime, create_flow
from flowcraft_core.telemetry import METRICS, SPANS, OpenTelemetry

flow = create_flow("f").node("a", lambda ctx: 1)
print(FlowRuntime([flow]).run_sync(flow).status, len(METRICS) > 0, len(SPANS) > 0)
try:
    OpenTelemetry()
except ConfigurationError as error:
    print(error)
print([name for name in sys.modules if name.partition(".")[0] == "opentelemetry"])
"""


def test_without_the_extra_nothing_is_imported_and_who_asks_for_it_is_told_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(PROGRAM)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first == "completed True True"
    assert "pip install 'flowcraft-core[otel]'" in second
    assert third == "[]"
