"""OpenTelemetry's SDK in memory, and what it has collected."""

from __future__ import annotations

from typing import Any

from flowcraft_core.telemetry import OpenTelemetry
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Collected:
    """Telemetry whose spans and measurements stay here."""

    def __init__(self) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.telemetry = OpenTelemetry(tracer_provider=self.provider, meter_provider=MeterProvider([self._reader]))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """In the order in which they were exported."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def points(self, metric: str) -> list[tuple[dict[str, Any], float]]:
        """What was measured: a sum or a gauge, or how often a histogram was recorded with."""
        found = []
        measured = self._reader.get_metrics_data()
        for resource in [] if measured is None else measured.resource_metrics:
            for each in (each for scope in resource.scope_metrics for each in scope.metrics):
                for point in each.data.data_points if each.name == metric else ():
                    value = point.count if hasattr(point, "count") else point.value
                    found.append((dict(point.attributes or {}), value))
        return found


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def trace_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.trace_id)


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def assert_connected(spans: tuple[ReadableSpan, ...]) -> None:
    """One trace, one root, and each span was exported after the one that it is below."""
    assert len({trace_id(span) for span in spans}) == 1
    known: set[int] = set()
    for span in spans:
        assert (span.parent is None) == (not known), span.name
        assert span.parent is None or span.parent.span_id in known, span.name
        known.add(span_id(span))
