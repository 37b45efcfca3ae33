"""``simulate``: many schedules of one scenario, and of one that goes wrong the shortest that still does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import attrs
from flowcraft_core import FlowDefinition, Limit, Serializer

from .dice import Dice
from .fakes import Fake
from .faults import Faults
from .loop import BEGINNING
from .perform import Expected, Performance, perform
from .scenario import Scenario
from .schedule import DrawnSchedule

# Schedules that are tried to make a failing one shorter.
_TRIES = 250

# Lines of a trace that a person may read.
_LONGEST_TRACE = 300

# Of so many seeds one has no reconciler: what messages alone must bring to its end.
_WITHOUT_RECONCILER = 4


@attrs.frozen
class Violation:
    """A schedule in which something happened that may not.

    Attributes:
        scenario: Its scenario's name.
        seed: What to give to ``simulate`` as a seed to see exactly this schedule again.
        problems: What may not happen.
        trace: Who did what in what order, what they were told and what was true.
        faults: How often each kind of fault happened.
    """

    scenario: str
    seed: str
    problems: list[str]
    trace: str
    faults: Counter[str]

    @property
    def replay(self) -> str:
        """The command that shows it again, if the scenario is one of the testkit's own."""
        return f"python -m flowcraft_testkit.simulation --replay '{self.scenario}:{self.seed}'"

    def __str__(self) -> str:
        problems = "\n".join(f"  - {problem}" for problem in self.problems)
        return f"{self.scenario}, seed {self.seed!r}:\n{problems}\n{self.trace}\nagain: {self.replay}"


@attrs.define
class Report:
    """What many schedules came to.

    Attributes:
        schedules: How many there were.
        requests: How many requests the programs made in them.
        faults: How often each kind of fault happened.
        violations: Those in which something happened that may not.
        digests: A short name for each schedule's exact order of events.
    """

    schedules: int = 0
    requests: int = 0
    faults: Counter[str] = attrs.field(factory=Counter)
    violations: list[Violation] = attrs.field(factory=list)
    digests: list[str] = attrs.field(factory=list)

    def check(self) -> Report:
        """This report, if there are no violations.

        Raises:
            AssertionError: There are; the message shows the first, with its trace.
        """
        if self.violations:
            wrong = f"{len(self.violations)} of {self.schedules} schedules went wrong"
            raise AssertionError(f"{wrong}\n{self.violations[0]}")
        return self

    def add(self, other: Report) -> None:
        """Take in another report."""
        self.schedules += other.schedules
        self.requests += other.requests
        self.faults += other.faults
        self.violations += other.violations
        self.digests += other.digests


def simulate(
    what: Scenario | FlowDefinition | Callable[[], FlowDefinition],
    *,
    seeds: int | Iterable[int | str] = 100,
    faults: Faults | None = None,
    shrink: bool = True,
    context: Any = None,
    answers: Mapping[str, Any] | None = None,
    early_answers: Mapping[str, Any] | None = None,
    dependencies: Any = None,
    serializer: Serializer | None = None,
    fakes: Iterable[Fake] = (),
    limits: Iterable[Limit] = (),
    racing: bool = False,
    ends: tuple[Any, ...] = ("completed",),
) -> Report:
    """Run a flow under many schedules: real client, workers and reconcilers, on a simulated store and in virtual time.

    After each schedule every promise is checked, and that the result is that of the in-process run.

    Args:
        what: A scenario; or a flow, or what makes one, with the options below.
        seeds: How many schedules, or their seeds. A violation's ``seed`` may be among them.
        faults: What may go wrong; everything by default.
        shrink: Look for the shortest schedule that still goes wrong.
        context: The flow's input, if it is a ``Flow``; else the initial context values.
        answers: What waits are answered with once they are reached, by key.
        early_answers: What waits are answered with before they are reached, by key.
        dependencies: Handed to every step.
        serializer: Knows the types of your own that values have.
        fakes: What stands in for steps.
        limits: What nodes name.
        racing: The result depends on the schedule; then it is only held to the replay of its own facts.
        ends: The states in which the run may end.
    """
    scenario = what
    if not isinstance(scenario, Scenario):
        flow = what if isinstance(what, FlowDefinition) else None
        build = (lambda: flow) if flow is not None else what
        scenario = Scenario(
            name=build().id,  # type: ignore[operator]
            build=build,  # type: ignore[arg-type]
            context=build().begin(context),  # type: ignore[operator]
            answers=answers or {},
            early_answers=early_answers or {},
            dependencies=dependencies,
            serializer=serializer,
            fakes=tuple(fakes),
            limits=tuple(limits),
            racing=racing,
            ends=ends,
        )
    expected = Expected.of(scenario)
    report = Report()
    for seed in range(seeds) if isinstance(seeds, int) else seeds:
        drawn = _Drawn.of(scenario, faults or Faults(), expected, seed)
        performance = drawn.perform()
        report.schedules += 1
        report.requests += performance.requests
        report.faults += performance.faults
        report.digests.append(performance.digest)
        if performance.violations:
            if shrink:
                drawn, performance = drawn.shortest()
            report.violations.append(violation_of(scenario, drawn.name, performance))
    return report


@attrs.frozen
class _Drawn:
    """One schedule that follows from a seed."""

    scenario: Scenario
    faults: Faults
    expected: Expected | None
    seed: int
    only: tuple[str, ...] | None
    used: list[str] = attrs.field(factory=list)

    @classmethod
    def of(cls, scenario: Scenario, faults: Faults, expected: Expected | None, seed: int | str) -> _Drawn:
        number, _, kept = str(seed).partition(":")
        only = tuple(name for name in kept.split(",") if name) if ":" in str(seed) else None
        return cls(scenario, faults, expected, int(number), only)

    @property
    def name(self) -> str:
        return str(self.seed) if self.only is None else f"{self.seed}:{','.join(self.only)}"

    def perform(self) -> Performance:
        dice = Dice(self.seed, self.only)
        scenario = self.scenario
        losing = scenario.rests_on_reconciler or self.seed % _WITHOUT_RECONCILER != 0
        performance = perform(
            scenario,
            lambda: DrawnSchedule(dice, self.faults, BEGINNING, losing=losing),
            self.expected,
            seed=self.seed,
        )
        self.used[:] = dice.used
        return performance

    def shortest(self) -> tuple[_Drawn, Performance]:
        """A schedule that goes wrong with as few as possible of the draws that made a difference."""
        best = attrs.evolve(self, only=tuple(self.used), used=[])
        found = best.perform()
        assert found.violations
        tries = 0

        def shorter_without(left_out: Collection[str]) -> bool:
            nonlocal best, found, tries
            tries += 1
            trial = attrs.evolve(best, only=tuple(name for name in best.used if name not in left_out), used=[])
            performance = trial.perform()
            if not performance.violations or len(trial.used) >= len(best.used):
                return False
            best, found = attrs.evolve(trial, only=tuple(trial.used)), performance
            return True

        # First all draws of one name at once, such as the whole order or all that befell one worker; then parts.
        for who in dict.fromkeys(name.rpartition(".")[0] for name in best.used):
            shorter_without([name for name in best.used if name.rpartition(".")[0] == who])
        size = len(best.used)
        while size >= 1 and tries < _TRIES:
            place, gained = 0, False
            while place < len(best.used) and tries < _TRIES:
                if shorter_without(best.used[place : place + size]):
                    gained = True
                else:
                    place += size
            size = size if gained and size == 1 else size // 2
        return best, found


def violation_of(scenario: Scenario, seed: str, performance: Performance) -> Violation:
    """A schedule that went wrong, for people."""
    return Violation(scenario.name, seed, performance.violations, _shortened(performance.lines), performance.faults)


def _shortened(lines: list[str]) -> str:
    """A trace without the rounds of reconcilers that found nothing; of a long one the beginning and the end."""
    told = [line for line in lines if " 'reconciler' " not in line and not line.endswith("-> none")]
    if len(told) > _LONGEST_TRACE:
        half = _LONGEST_TRACE // 2
        told[half:-half] = [f"... {len(told) - 2 * half} lines ..."]
    return "\n".join(told)
