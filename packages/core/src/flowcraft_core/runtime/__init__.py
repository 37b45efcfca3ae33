"""The in-process runtime: a whole run in one event loop, over the graph's pure code."""

from ..events import Event, EventSink
from .emitter import Emitter
from .replay import Recorded, Replay
from .results import NoOutputError, RunFailedError, RunResult, Status, TraceEntry
from .runtime import FlowRuntime, RunHandle

__all__ = [
    "Emitter",
    "Event",
    "EventSink",
    "FlowRuntime",
    "NoOutputError",
    "Recorded",
    "Replay",
    "RunFailedError",
    "RunHandle",
    "RunResult",
    "Status",
    "TraceEntry",
]
