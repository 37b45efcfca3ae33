"""The instruments of the catalogue, and what is recorded with them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter_provider

from ..metrics import RequestMetrics
from .catalogue import ERROR, FLOW, METRICS, NODE, OPERATION

# Steps take from a moment to an hour, and what the default ends with is ten seconds.
_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

# What attributes are called in log events.
_FIELDS = {FLOW: "flow", NODE: "node_id", ERROR: "error", OPERATION: "operation"}


class Meters:
    """Records measurements."""

    def __init__(self, provider: MeterProvider | None, version: str) -> None:
        self._meter = (provider or get_meter_provider()).get_meter("flowcraft", version)
        self._sources: weakref.WeakSet[RequestMetrics] = weakref.WeakSet()
        made = {name: self._make(name) for name in METRICS}
        self._histograms = {name: made[name] for name, metric in METRICS.items() if metric.kind == "histogram"}
        self._counters = {name: made[name] for name, metric in METRICS.items() if metric.kind == "counter"}
        self.active = made["nodes_active"]
        self.depth = made["queue_depth"]

    def _make(self, name: str) -> Any:
        metric, meter = METRICS[name], self._meter
        about = {"unit": metric.unit, "description": metric.meaning}
        match metric.kind:
            case "histogram":
                return meter.create_histogram(metric.name, explicit_bucket_boundaries_advisory=_SECONDS, **about)
            case "counter":
                return meter.create_counter(metric.name, **about)
            case "up-down counter":
                return meter.create_up_down_counter(metric.name, **about)
            case "gauge":
                return meter.create_gauge(metric.name, **about)
        read = _requests if name == "requests" else _retries
        return meter.create_observable_counter(metric.name, [self._observed(read)], **about)

    def _observed(
        self, read: Callable[[RequestMetrics], Mapping[str, int]]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        sources = self._sources  # not this object, which the meter's provider would keep

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            totals: dict[str, int] = {}
            for source in list(sources):
                for operation, count in read(source).items():
                    totals[operation] = totals.get(operation, 0) + count
            return [Observation(count, {OPERATION: operation}) for operation, count in totals.items()]

        return observe

    def count_requests_of(self, backend: object) -> None:
        """Report what a backend counts, if it does, for as long as there is the backend."""
        counted = getattr(backend, "metrics", None)
        if isinstance(counted, RequestMetrics):
            self._sources.add(counted)

    def took(self, name: str, seconds: float, attributes: Mapping[str, str] | None = None) -> None:
        """Record a duration; none is shorter than nothing, whatever clocks say."""
        self._histograms[name].record(max(0.0, seconds), attributes)

    def count(self, event: str, fields: Mapping[str, object]) -> None:
        """Count what is logged under a name, if it is counted at all."""
        counter = self._counters.get(event)
        if counter is not None:
            said = {name: fields.get(_FIELDS[name]) for name in METRICS[event].attributes}
            times = fields.get("times", 1)
            counter.add(times if isinstance(times, int) else 1, {name: str(value) for name, value in said.items()})


def _requests(source: RequestMetrics) -> Mapping[str, int]:
    return source.requests


def _retries(source: RequestMetrics) -> Mapping[str, int]:
    return source.retries
