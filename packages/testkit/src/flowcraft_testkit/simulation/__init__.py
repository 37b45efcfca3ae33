"""Simulation: the real client, workers and reconcilers, on a store in memory, in virtual time, under seeded schedules.

``simulate`` runs a flow under many schedules in which messages are lost, doubled and late, calls fail, processes die
and stand still, and checks every promise after each. The same seed gives the same schedule, to the last event.
"""

from .canonical import SCENARIOS
from .exhaustive import Exhausted, crashes, interleavings
from .explore import Report, Violation, simulate
from .fakes import Fake
from .faults import Faults
from .scenario import RUN, Scenario

__all__ = [
    "RUN",
    "SCENARIOS",
    "Exhausted",
    "Fake",
    "Faults",
    "Report",
    "Scenario",
    "Violation",
    "crashes",
    "interleavings",
    "simulate",
]
