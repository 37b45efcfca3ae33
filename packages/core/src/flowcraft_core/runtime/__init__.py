"""The in-process runtime: a whole run in one event loop, over the graph's pure code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .emitter import Emitter
    from .replay import Recorded, Replay
    from .results import NoOutputError, RunFailedError, RunResult, Status, TraceEntry
    from .runtime import FlowRuntime, RunHandle

__all__ = [
    "Emitter",
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

# Checkers read the imports above instead, and know nothing of what follows.
if not TYPE_CHECKING:
    from ..on_demand import on_demand

    _MODULES = {
        "emitter": "Emitter",
        "replay": "Recorded Replay",
        "results": "NoOutputError RunFailedError RunResult Status TraceEntry",
        "runtime": "FlowRuntime RunHandle",
    }
    __getattr__, __dir__, _MODULE_OF = on_demand(__name__, _MODULES)
