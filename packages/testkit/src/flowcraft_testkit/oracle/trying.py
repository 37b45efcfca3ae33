"""One seed: its flow drawn, run in process and on the durable engine, and judged."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import attrs
from flowcraft_core import RunResult
from flowcraft_core.ports import Backend

from ..simulation.dice import Dice
from .constructs import constructs_of
from .described import Described, in_process
from .drawing import Drawn, draw
from .flows import Flow
from .judging import Problem, judge
from .smaller import smallest
from .stage import Performed, perform

# To make a flow smaller: so long it is tried, each candidate under so many schedules more than the one that failed.
_SECONDS = 60.0
_SCHEDULES = 4


@attrs.frozen(kw_only=True)
class Tried:
    """What one seed came to; plain data, so that it can be handed from process to process.

    Attributes:
        seed: The seed.
        problems: What was wrong.
        constructs: The constructs that its flow has.
        max_steps: After how many steps its workers handed over; None if it did not come to that.
        faults: How often each kind of fault happened.
        report: What failed, for people; empty if nothing did.
    """

    seed: int
    problems: list[Problem]
    constructs: set[str]
    max_steps: int | None = None
    faults: Counter[str] = attrs.field(factory=Counter)
    report: str = ""


def try_seed(
    seed: int,
    *,
    spoil: Callable[[Backend], None] | None = None,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Tried:
    """Draw a flow and a schedule from a seed, run it, and judge it.

    Args:
        seed: The seed.
        spoil: Breaks a client of the store, to see whether it is noticed.
        around: Is entered while the durable engine runs, to break that.
    """
    drawn = draw(seed)
    described, dice = Described.of(drawn.flow), dice_of(seed)
    constructs = constructs_of(drawn.flow)
    try:
        expected = in_process(described)
        with around():
            performed = perform(described, dice, spoil=spoil)
        problems = judge(described, expected if drawn.plain else None, performed)
    except Exception as error:
        # A hunt goes on: what breaks the judge, such as facts that no flow can have, is a difference like any other.
        text = f"seed {seed}: {traceback.format_exc()}\nagain: {replay_of(seed)}"
        problem = Problem(f"stopped by {type(error).__name__}", str(error))
        return Tried(seed=seed, problems=[problem], constructs=constructs, report=text)
    return Tried(
        seed=seed,
        problems=problems,
        constructs=constructs,
        max_steps=performed.weather.max_steps,
        faults=performed.faults,
        report=report_of(drawn, expected, performed, problems) if problems else "",
    )


def dice_of(seed: int) -> Dice:
    """What a seed's schedule follows from."""
    return Dice(f"schedule {seed}")


def report_of(
    drawn: Drawn, expected: RunResult, performed: Performed, problems: list[Problem], *, trace: bool = False
) -> str:
    """A run that went wrong, for people: what was wrong, the blueprints, the facts, and how to see it again."""
    status = performed.status
    lines = [f"seed {drawn.seed}:", *(f"  - {problem}" for problem in problems)]
    here = "nothing" if status is None else f"{status.state} {status.reason or ''}"
    lines += [f"in process: {expected.status}; here: {here}"]
    lines += [f"weather: {performed.weather}; faults: {dict(performed.faults)}"]
    lines += [f"description: {drawn.flow!r}"]
    lines += [f"blueprint: {each.to_json()}" for each in Described.of(drawn.flow).blueprints.values()]
    lines += [f"fact: {key} {outcome}" for key, outcome in performed.facts.outcomes.items()]
    lines += told(performed) if trace else []
    return "\n".join([*lines, f"again: {replay_of(drawn.seed)}"])


def told(performed: Performed) -> list[str]:
    """Who did what in what order, without looks at an empty queue."""
    return [line for line in performed.lines if " 'reconciler' " not in line and not line.endswith("-> none")]


def replay_of(seed: int) -> str:
    """The command that shows a seed again."""
    return f"python -m flowcraft_testkit.oracle --seed {seed}"


def show(seed: int, *, shrink: bool = False) -> tuple[str, bool]:
    """One seed with its trace, for people; and whether nothing was wrong.

    Args:
        seed: The seed.
        shrink: Show the smallest flow instead that goes wrong in the same way.
    """
    drawn, schedule = draw(seed), f"schedule {seed}"
    problems = _problems(drawn.flow, schedule, plain=drawn.plain)
    if problems and shrink:
        kind = problems[0].kind
        schedules = [schedule, *(f"{schedule}.{number}" for number in range(_SCHEDULES))]

        def failing(flow: Flow) -> str | None:
            found = (each for each in schedules if kind in _kinds(_problems(flow, each, plain=drawn.plain)))
            return next(found, None)

        smaller = smallest(drawn.flow, lambda flow: failing(flow) is not None, _SECONDS)
        drawn, schedule = attrs.evolve(drawn, flow=smaller), failing(smaller) or schedule
    described = Described.of(drawn.flow)
    expected, performed = in_process(described), perform(described, Dice(schedule))
    problems = judge(described, expected if drawn.plain else None, performed)
    return report_of(drawn, expected, performed, problems, trace=True), not problems


def _problems(flow: Flow, schedule: str, *, plain: bool) -> list[Problem]:
    described = Described.of(flow)
    expected = in_process(described) if plain else None
    return judge(described, expected, perform(described, Dice(schedule)))


def _kinds(problems: list[Problem]) -> set[str]:
    return {problem.kind for problem in problems}
