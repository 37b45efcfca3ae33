"""What a scenario is, and how it is carried out on a backend."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, TypeAlias, TypeVar

import attrs
from backend import Backend
from durable_backend import Durable
from in_process import InProcess

#: One thing that must hold: raises if it does not.
Check: TypeAlias = Callable[[Backend], Awaitable[None]]
#: The same, of runs that are stored and worked on by others.
DurableCheck: TypeAlias = Callable[[Durable], Awaitable[None]]
#: The same, of runs in the program that started them.
InProcessCheck: TypeAlias = Callable[[InProcess], Awaitable[None]]

B = TypeVar("B", bound=Backend)


@attrs.define(kw_only=True)
class Scenario:
    """A situation that a run must get right.

    Attributes:
        id: Its number, by which it is known from release to release.
        title: What is done, and what must happen.
        absent: For each backend on which it has no meaning, why.
        checks: What must hold; all of it.
        durable_checks: What must hold besides where runs are durable.
        in_process_checks: What must hold besides where a run is all in the program that started it.
    """

    id: int
    title: str
    absent: Mapping[str, str] = attrs.field(factory=dict)
    checks: list[Check] = attrs.field(factory=list)
    durable_checks: list[DurableCheck] = attrs.field(factory=list)
    in_process_checks: list[InProcessCheck] = attrs.field(factory=list)

    def check(self, function: Check) -> Check:
        """Add a check; a decorator."""
        self.checks.append(function)
        return function

    def check_durable(self, function: DurableCheck) -> DurableCheck:
        """Add a check for backends on which runs are durable; a decorator."""
        self.durable_checks.append(function)
        return function

    def check_in_process(self, function: InProcessCheck) -> InProcessCheck:
        """Add a check for the backend on which a run is all in the program that started it; a decorator."""
        self.in_process_checks.append(function)
        return function


@attrs.frozen
class Result:
    """What came out of a scenario on a backend.

    Attributes:
        id: The scenario's number.
        title: The scenario's title.
        backend: The backend's name.
        status: Whether all of its checks held; ``n/a`` if it has no meaning there.
        why: What did not hold, or why it has no meaning; None if it passed at once.
        tries: How often it was carried out.
    """

    id: int
    title: str
    backend: str
    status: Literal["pass", "fail", "n/a"]
    why: str | None = None
    tries: int = 1


async def carry_out(scenario: Scenario, make: type[Backend]) -> Result:
    """Make every check of a scenario, each on a backend of its own."""
    why = scenario.absent.get(make.name)
    if why is not None:
        return Result(scenario.id, scenario.title, make.name, "n/a", why)
    failures = [failure for check in scenario.checks if (failure := await _failure(check, make()))]
    made = len(scenario.checks)
    if issubclass(make, Durable):
        failures += [failure for check in scenario.durable_checks if (failure := await _failure(check, make()))]
        made += len(scenario.durable_checks)
    if issubclass(make, InProcess):
        failures += [failure for check in scenario.in_process_checks if (failure := await _failure(check, make()))]
        made += len(scenario.in_process_checks)
    if not made:
        failures = ["nothing checks it yet"]
    if failures:
        return Result(scenario.id, scenario.title, make.name, "fail", "; ".join(failures))
    return Result(scenario.id, scenario.title, make.name, "pass")


async def _failure(check: Callable[[B], Awaitable[None]], backend: B) -> str | None:
    name = getattr(check, "__name__", repr(check))
    try:
        async with asyncio.timeout(backend.patience):
            try:
                await check(backend)
            finally:
                await backend.close()
    except AssertionError as error:
        return f"{name}: {error}"
    except Exception as error:
        return f"{name}: {type(error).__name__}: {error}"
    return None
