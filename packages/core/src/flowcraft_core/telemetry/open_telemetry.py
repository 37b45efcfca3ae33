"""``OpenTelemetry``: what the engine tells, as spans and measurements of its API."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

import attrs

from ..clock import Clock
from ..errors import ConfigurationError
from ..graph.facts import Outcome
from ..graph.instances import Instance
from ..observing import Delivered, Observer, Starting
from ..traces import Trace
from .catalogue import FLOW, MESSAGES, QUEUE, RUN, SPANS, STATE
from .guarding import guarded

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

_DEPTHS = ("visible", "in_flight", "delayed")


class OpenTelemetry:
    """Measures the programs that it is given to: ``FlowRuntime``, and with it its workers and adapters, and ``Client``.

    One for all programs of a process is enough. What SDK, sampler, processor or exporter raises is logged, and changes
    nothing.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        """Make the instruments.

        Args:
            tracer_provider: Where spans go; OpenTelemetry's global one by default.
            meter_provider: Where measurements go; likewise.

        Raises:
            ConfigurationError: OpenTelemetry is not installed.
        """
        try:
            from opentelemetry import trace  # noqa: PLC0415 # only who makes one needs it

            from . import contexts, meters, visits  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                "OpenTelemetry is not installed: pip install 'flowcraft-core[otel]', and an SDK with an exporter, such "
                "as opentelemetry-sdk and opentelemetry-exporter-otlp"
            ) from error
        of = version("flowcraft-core")
        self._api, self._contexts, self._visits = trace, contexts, visits
        self._tracer = (tracer_provider or trace.get_tracer_provider()).get_tracer("flowcraft", of)
        self._meters = meters.Meters(meter_provider, of)

    @guarded
    def uses(self, backend: object) -> None:
        """See ``observing.Telemetry``."""
        self._meters.count_requests_of(backend)

    @guarded
    def happened(self, event: str, fields: Mapping[str, object]) -> None:
        """See ``observing.Telemetry``."""
        self._meters.count(event, fields)

    @guarded
    def start(
        self, run_id: str, flow: str, at: float, *, parent: Trace | None = None, link: Trace | None = None
    ) -> Starting | None:
        """See ``observing.Telemetry``."""
        span = self._tracer.start_span(
            SPANS["start"].name.format(flow=flow),
            context=None if parent is None else self._contexts.context_from(parent),
            kind=self._api.SpanKind.PRODUCER,
            attributes={RUN: run_id, FLOW: flow},
            links=self._contexts.links_to(link),
            start_time=self._contexts.nanoseconds(at),
        )
        trace = self._contexts.trace_from(span.get_span_context())
        return None if trace is None else _Starting(span, trace, at)

    @guarded
    def run_ended(
        self, run_id: str, flow: str, state: str, *, started: float, ended: float, trace: Trace | None
    ) -> None:
        """See ``observing.Telemetry``."""
        self._meters.took("run_duration", ended - started, {FLOW: flow, STATE: state})
        span = self._tracer.start_span(
            SPANS["run"].name.format(flow=flow),
            context=self._contexts.context_from(trace),
            attributes={RUN: run_id, FLOW: flow, STATE: state},
            start_time=self._contexts.nanoseconds(started),
        )
        if state == "failed":
            self._visits.record_error(span, "RunFailedError")
        span.end(self._contexts.nanoseconds(max(started, ended)))

    @guarded
    def resumed(self, run_id: str, instance: Instance, outcome: Outcome, trace: Trace | None) -> Trace | None:
        """See ``observing.Telemetry``."""
        caller = self._contexts.trace_from(self._api.get_current_span().get_span_context())
        context, links = self._contexts.context_from(trace), self._contexts.links_to(caller)
        return self._visits.waited(self._tracer, self._meters, run_id, instance, outcome, context, links)

    def observe(self, run_id: str, trace: Trace | None, clock: Clock, delivered: Delivered | None = None) -> Observer:
        """See ``observing.Telemetry``."""
        return self._visits.Visits(self._tracer, self._meters, clock, run_id, trace, delivered)

    @guarded
    def loop_lagged(self, seconds: float) -> None:
        """See ``observing.Telemetry``."""
        self._meters.took("loop_lag", seconds)

    async def look(self, backend: object) -> None:
        """See ``observing.Telemetry``; asks queues that tell how many messages they have."""
        queue = getattr(backend, "queue", None)
        ask = getattr(queue, "depth", None)
        if not callable(ask):
            return
        told = ask()
        depth = await told if inspect.isawaitable(told) else told
        name = getattr(queue, "name", None)
        for messages in _DEPTHS:
            number = getattr(depth, messages, None)
            if isinstance(number, int):
                about = {QUEUE: name if isinstance(name, str) else "default", MESSAGES: messages}
                self._meters.depth.set(number, about)


@attrs.frozen
class _Starting:
    span: Span
    trace: Trace
    at: float

    @guarded
    def done(self, at: float) -> None:
        self.span.end(int(max(self.at, at) * 1e9))
