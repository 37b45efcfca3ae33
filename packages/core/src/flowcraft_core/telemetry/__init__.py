"""Traces and metrics by OpenTelemetry: ``pip install flowcraft-core[otel]``, then ``telemetry=OpenTelemetry()``.

Importing this package imports nothing of OpenTelemetry; making an ``OpenTelemetry`` does.
"""

from .catalogue import ATTRIBUTES, METRICS, SPANS, Metric, SpanKind
from .open_telemetry import OpenTelemetry

__all__ = ["ATTRIBUTES", "METRICS", "SPANS", "Metric", "OpenTelemetry", "SpanKind"]
