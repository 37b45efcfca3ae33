"""Every scenario, in order, and every backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType

import answering
import asked_early
import calling
import catching
import claiming
import clocks_apart
import deciding
import deferring
import delivering
import deploying
import enough
import hostile_input
import joining
import keeping_apart
import laning
import limiting
import nesting
import raising
import reading
import recovering
import redriving
import refusing
import routing
import scheduling
import starting
import taking_back
import trying
import unwritable
import values
import waiting
from backend import Backend
from in_memory import InMemory
from in_process import InProcess
from on_sqlite import OnSqlite
from scenario import Scenario

#: The numbers of all that must be there. One that nothing implements is a fault of this program, not a smaller list.
NUMBERS = range(1, 76)


def _defined_in(module: ModuleType) -> list[Scenario]:
    return [value for value in vars(module).values() if isinstance(value, Scenario)]


def in_order(scenarios: Iterable[Scenario]) -> tuple[Scenario, ...]:
    """All of them by number, each of the list once.

    Raises:
        LookupError: One of the list is missing, or there is one too many.
    """
    ordered = tuple(sorted(scenarios, key=lambda scenario: scenario.id))
    found = [scenario.id for scenario in ordered]
    if found != list(NUMBERS):
        missing, doubled = sorted(set(NUMBERS) - set(found)), sorted({one for one in found if found.count(one) > 1})
        unlisted = sorted(set(found) - set(NUMBERS))
        raise LookupError(f"scenarios: missing {missing}, more than once {doubled}, not on the list {unlisted}")
    return ordered


_MODULES = (
    starting,
    joining,
    nesting,
    laning,
    waiting,
    asked_early,
    trying,
    deferring,
    delivering,
    recovering,
    values,
    deciding,
    claiming,
    reading,
    redriving,
    unwritable,
    raising,
    deploying,
    hostile_input,
    clocks_apart,
    keeping_apart,
    answering,
    calling,
    catching,
    taking_back,
    enough,
    refusing,
    scheduling,
    routing,
    limiting,
)

SCENARIOS = in_order(scenario for module in _MODULES for scenario in _defined_in(module))

BACKENDS: Mapping[str, type[Backend]] = {backend.name: backend for backend in (InProcess, InMemory, OnSqlite)}
