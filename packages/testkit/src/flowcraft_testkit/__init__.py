"""What helps to test flows and backends: a clock whose time passes in no time, backends in memory, and contracts.

The contracts are in ``flowcraft_testkit.contracts``, and need pytest.
"""

from .clock import VirtualClock
from .counting import CountingBackend
from .memory import CLOUD_QUEUE, CLOUD_STORE, InMemoryBackend, Weaknesses

__all__ = ["CLOUD_QUEUE", "CLOUD_STORE", "CountingBackend", "InMemoryBackend", "VirtualClock", "Weaknesses"]
