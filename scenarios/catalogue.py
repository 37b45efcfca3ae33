"""Every scenario, in order, and every backend."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import deciding
import delivery
import joining
import nesting
import starting
import trying
import values
import waiting
from backend import Backend
from in_memory import InMemory
from in_process import InProcess
from on_sqlite import OnSqlite
from scenario import Scenario


def _defined_in(module: ModuleType) -> list[Scenario]:
    return [value for value in vars(module).values() if isinstance(value, Scenario)]


_MODULES = (starting, joining, nesting, waiting, trying, delivery, values, deciding)

SCENARIOS: tuple[Scenario, ...] = tuple(
    sorted((scenario for module in _MODULES for scenario in _defined_in(module)), key=lambda scenario: scenario.id)
)

BACKENDS: Mapping[str, type[Backend]] = {backend.name: backend for backend in (InProcess, InMemory, OnSqlite)}
