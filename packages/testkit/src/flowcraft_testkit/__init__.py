"""What helps to test flows and backends: a tester, a clock whose time passes in no time, and backends in memory.

The contracts are in ``flowcraft_testkit.contracts``, and need pytest.
"""

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
