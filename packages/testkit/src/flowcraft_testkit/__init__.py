"""What helps to test flows and backends: a tester, a clock whose time passes in no time, and backends in memory.

The contracts are in ``flowcraft_testkit.contracts``, and need pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clock import VirtualClock
    from .counting import CountingBackend
    from .memory import CLOUD_QUEUE, CLOUD_STORE, InMemoryBackend, Weaknesses
    from .simulation import Faults, simulate
    from .tester import FlowResult, FlowRun, FlowTester

__all__ = [
    "CLOUD_QUEUE",
    "CLOUD_STORE",
    "CountingBackend",
    "Faults",
    "FlowResult",
    "FlowRun",
    "FlowTester",
    "InMemoryBackend",
    "VirtualClock",
    "Weaknesses",
    "simulate",
]

# Checkers read the imports above instead, and know nothing of what follows.
if not TYPE_CHECKING:
    from flowcraft_core.on_demand import on_demand

    _MODULES = {
        "clock": "VirtualClock",
        "counting": "CountingBackend",
        "memory": "CLOUD_QUEUE CLOUD_STORE InMemoryBackend Weaknesses",
        "simulation": "Faults simulate",
        "tester": "FlowResult FlowRun FlowTester",
    }
    __getattr__, __dir__, _MODULE_OF = on_demand(__name__, _MODULES)
