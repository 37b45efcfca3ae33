"""One seed: its flow drawn, run in process and on the durable engine, and judged."""

from __future__ import annotations

from collections import Counter

import attrs
from flowcraft_core import RunResult

from ..simulation.dice import Dice
from .constructs import constructs_of
from .drawing import Drawn, draw
from .flows import Flow
from .judging import Problem, judge
from .smaller import smallest
from .stage import Described, Performed, in_process, perform

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
        max_steps: After how many steps its workers handed over.
        faults: How often each kind of fault happened.
        report: What failed, for people; empty if nothing did.
    """

    seed: int
    problems: list[Problem]
    constructs: set[str]
    max_steps: int
    faults: Counter[str]
    report: str = ""


def try_seed(seed: int) -> Tried:
    """Draw a flow and a schedule from a seed, run it, and judge it."""
    drawn = draw(seed)
    described = Described.of(drawn.flow)
    expected = in_process(described)
    performed = perform(described, dice_of(seed))
    problems = judge(described, expected if drawn.plain else None, performed)
    return Tried(
        seed=seed,
        problems=problems,
        constructs=constructs_of(drawn.flow),
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
    lines += [f"in process: {expected.status}; here: {status and status.state} {(status and status.reason) or ''}"]
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
