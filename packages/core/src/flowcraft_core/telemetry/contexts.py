"""Between the engine's trace contexts and OpenTelemetry's, and between seconds and its nanoseconds."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.trace.span import TraceState

from ..traces import STATE, Trace, trace_of


def trace_from(context: SpanContext) -> Trace | None:
    """What stands for a span in jobs and records; None if it is in no trace."""
    if not context.is_valid:
        return None
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    return trace_of({"trace": parent, STATE: context.trace_state.to_header()})


def context_from(trace: Trace | None) -> Context:
    """A context in which new spans are below that one; without one, they are roots."""
    return Context() if trace is None else set_span_in_context(NonRecordingSpan(span_context(trace)), Context())


def span_context(trace: Trace) -> SpanContext:
    """OpenTelemetry's form of it."""
    return SpanContext(
        trace.trace_id,
        trace.span_id,
        is_remote=True,
        trace_flags=TraceFlags(trace.flags),
        trace_state=TraceState.from_header([trace.state] if trace.state else []),
    )


def links_to(*traces: Trace | None) -> list[Link]:
    """Links to spans, as far as there are any."""
    return [Link(span_context(trace)) for trace in traces if trace is not None]


def nanoseconds(seconds: float) -> int:
    """A time of the engine's as one of OpenTelemetry's."""
    return int(seconds * 1e9)
