"""What a scenario is, and how it is carried out on a backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

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

    def checks_on(self, make: type[Backend]) -> Sequence[Check]:
        """All that must hold on a kind of backend: nothing where the scenario has no meaning."""
        if make.name in self.absent:
            return ()
        own: Sequence[Any] = ()
        if issubclass(make, Durable):
            own = self.durable_checks
        elif issubclass(make, InProcess):
            own = self.in_process_checks
        return [*self.checks, *own]


@attrs.frozen
class Checked:
    """What came out of one check on a backend.

    Attributes:
        name: The check's name.
        failure: What did not hold; None if all of it did.
        seconds: How long it took.
    """

    name: str
    failure: str | None
    seconds: float


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
        seconds: How long each of its checks took, by name; those that were made again, both times together.
    """

    id: int
    title: str
    backend: str
    status: Literal["pass", "fail", "n/a"]
    why: str | None = None
    tries: int = 1
    seconds: Mapping[str, float] = attrs.field(factory=dict)


def concluded(scenario: Scenario, make: type[Backend], checked: Sequence[Checked]) -> Result:
    """What the checks of a scenario come to; of none, that it has no meaning there or is checked by nothing."""
    if (absent := scenario.absent.get(make.name)) is not None:
        return Result(scenario.id, scenario.title, make.name, "n/a", absent)
    failures = [f"{each.name}: {each.failure}" for each in checked if each.failure is not None]
    if not checked:
        failures = ["nothing checks it yet"]
    return Result(
        scenario.id,
        scenario.title,
        make.name,
        "fail" if failures else "pass",
        "; ".join(failures) or None,
        seconds={each.name: round(each.seconds, 1) for each in checked},
    )


def check_name(check: Check) -> str:
    """What a check is called in results."""
    return getattr(check, "__name__", repr(check))


async def carry_out(check: Check, backend: Backend) -> Checked:
    """Make a check on a backend of its own, which is closed then."""
    began = time.monotonic()
    return Checked(check_name(check), await _failure(check, backend), time.monotonic() - began)


async def _failure(check: Check, backend: Backend) -> str | None:
    try:
        async with asyncio.timeout(backend.patience):
            try:
                await check(backend)
            finally:
                await backend.close()
    except AssertionError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
