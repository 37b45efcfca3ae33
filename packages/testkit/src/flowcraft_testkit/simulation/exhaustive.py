"""Every crash, and every order of two workers' requests with few changes of turn, of a scenario that is small enough.

A crash point is one request of one program, and what happens there: the program ends before it, or after it, or is told
that it failed though it was applied. Requests of programs that only look whether there is something to do are no crash
points.

An order is made by letting a program go on for as long as it can, and changing to another one at chosen points. One or
two changes are enough for most errors of concurrency; all of them are tried up to a stated number, and evenly spread
ones of them beyond it. Every message is delivered twice meanwhile, so that the workers meet.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import attrs

from .explore import Violation, violation_of
from .faults import RequestFault
from .perform import Expected, Performance, perform
from .scenario import Scenario
from .schedule import Schedule, Waiting

# Whose requests are crash points. A client that dies is the reconcilers'; a worker that dies is not.
_ANYBODY, _CLIENTS, _WORKERS = "", "client", "worker"

#: What happens at a crash point.
MODES: tuple[RequestFault, ...] = ("crash before", "crash after", "unanswered")


@attrs.define
class Exhausted:
    """What all schedules of some scenarios came to.

    Attributes:
        crash_points: How many crashes were tried.
        interleavings: How many orders were tried.
        of_interleavings: How many orders with at most two changes there are, as far as they were counted.
        violations: What went wrong.
    """

    crash_points: int = 0
    interleavings: int = 0
    of_interleavings: int = 0
    violations: list[Violation] = attrs.field(factory=list)

    def add(self, other: Exhausted) -> None:
        """Take in another one."""
        self.crash_points += other.crash_points
        self.interleavings += other.interleavings
        self.of_interleavings += other.of_interleavings
        self.violations += other.violations


class _Crashing(Schedule):
    """One thing goes wrong, at the so-manieth request that matters."""

    def __init__(self, at: int, mode: RequestFault, who: str) -> None:
        super().__init__()
        self.points = 0
        # Without a reconciler, what a worker leaves behind is for messages alone to bring to its end.
        self.reconciles = who != _WORKERS
        self._who = who
        self._at, self._mode = at, mode
        self._calm = False

    def calm(self) -> None:
        self._calm = True

    def fault(self, program: str, operation: str, now: float, *, idle: bool) -> RequestFault | None:
        if idle or self._calm or not program.startswith(self._who):
            return None
        self.points += 1
        if self.points != self._at:
            return None
        self.counts[self._mode] += 1
        return self._mode


class _Switching(Schedule):
    """One program goes on for as long as it can, but for some changes of turn."""

    def __init__(self, changes: Sequence[tuple[int, int]], *, reconciles: bool) -> None:
        super().__init__()
        self.reconciles = reconciles
        self.alternatives: list[int] = []
        self._changes = dict(changes)
        self._current = ""
        self._calm = False

    def calm(self) -> None:
        self._calm = True

    def fate(self, program: str, now: float) -> Sequence[float]:
        if self._calm:
            return (0.0,)
        self.counts["duplicated"] += 1
        return (0.0, 0.0)

    def choose(self, waiting: Sequence[Waiting]) -> int:
        own = next((place for place, each in enumerate(waiting) if each.program == self._current), None)
        chosen = 0 if own is None else own
        # The first request of each program that is not on: those are whom the turn could go to.
        others: dict[str, int] = {}
        for place, each in enumerate(waiting):
            if each.program != waiting[chosen].program:
                others.setdefault(each.program, place)
        if others and not self._calm:
            change = self._changes.get(len(self.alternatives))
            self.alternatives.append(len(others))
            if change is not None:
                chosen = list(others.values())[change % len(others)]
        self._current = waiting[chosen].program
        return chosen


def crashes(scenario: Scenario, *, stride: int = 1) -> Exhausted:
    """Crash a scenario at each of its requests, in each way.

    Args:
        scenario: What is run.
        stride: Take every so-manieth request only.
    """
    expected, done = Expected.of(scenario), Exhausted()
    for mode, who in itertools.product(MODES, [_ANYBODY] if scenario.rests_on_reconciler else [_CLIENTS, _WORKERS]):
        for at in itertools.count(1, stride):
            performance, points = _crash(scenario, expected, at, mode, who)
            if at > points:
                break
            done.crash_points += 1
            if performance.violations:
                done.violations.append(violation_of(scenario, f"@{who}.{at}:{mode}", performance))
    return done


def interleavings(scenario: Scenario, *, budget: int = 100) -> Exhausted:
    """Run a scenario in the orders with at most two changes of turn.

    Args:
        scenario: What is run.
        budget: How many orders are tried at most.
    """
    expected, done = Expected.of(scenario), Exhausted()
    clean, alternatives = _switch(scenario, expected, ())
    once = list(_changes(alternatives, 0))
    # A change may make the schedule longer or shorter; what it makes of it is seen when it is tried.
    twice = [(first, second) for first in once for second in _changes(alternatives, first[0] + 1)]
    orders: list[tuple[tuple[int, int], ...]] = [(), *((change,) for change in once), *twice]
    done.of_interleavings = len(orders)
    step = max(1, -(-len(orders) // budget))
    for changes in orders[::step]:
        performance, _ = _switch(scenario, expected, changes) if changes else (clean, [])
        done.interleavings += 1
        if performance.violations:
            name = ",".join(f"{point}.{other}" for point, other in changes)
            done.violations.append(violation_of(scenario, f"~{name}", performance))
    return done


def again(scenario: Scenario, name: str) -> Performance:
    """The schedule that a violation names."""
    expected = Expected.of(scenario)
    if name.startswith("@"):
        where, _, mode = name[1:].partition(":")
        who, _, at = where.partition(".")
        modes = {str(known): known for known in MODES}
        return _crash(scenario, expected, int(at), modes[mode], who)[0]
    pairs = (pair.split(".") for pair in name[1:].split(",") if pair)
    return _switch(scenario, expected, [(int(point), int(other)) for point, other in pairs])[0]


def _changes(alternatives: Sequence[int], since: int) -> Iterator[tuple[int, int]]:
    for point in range(since, len(alternatives)):
        for other in range(alternatives[point]):
            yield point, other


def _crash(
    scenario: Scenario, expected: Expected | None, at: int, mode: RequestFault, who: str
) -> tuple[Performance, int]:
    schedule = _Crashing(at, mode, who)
    return perform(scenario, lambda: schedule, expected), schedule.points


def _switch(
    scenario: Scenario, expected: Expected | None, changes: Sequence[tuple[int, int]]
) -> tuple[Performance, list[int]]:
    schedule = _Switching(changes, reconciles=scenario.rests_on_reconciler)
    return perform(scenario, lambda: schedule, expected), schedule.alternatives
