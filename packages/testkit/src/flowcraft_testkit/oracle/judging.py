"""Compares what a run on the durable engine came to with what it should come to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import attrs
from flowcraft_core import RunResult
from flowcraft_core.durable.ends import undone_by
from flowcraft_core.graph.decisions import carried, error_data
from flowcraft_core.graph.facts import DELETED, Outcome
from flowcraft_core.graph.failures import JOIN_ERROR
from flowcraft_core.graph.instances import Phase

from .described import Described
from .folding import Fold
from .giving import Giving
from .growing import CONTEXT
from .meaning import Meaning
from .places import Fact, Facts
from .script import ScriptedError, plain
from .stage import Performed
from .taking_back import due, due_of_calls, wrong_order

_FINAL = ("completed", "failed", "cancelled")

# What flows that are drawn may fail with.
_MEANT = (ScriptedError.__name__, JOIN_ERROR)


@attrs.frozen
class Problem:
    """Something that a run came to and should not.

    Attributes:
        kind: What kind of thing, the same for all runs in which it goes wrong in the same way.
        text: What exactly.
    """

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def judge(described: Described, expected: RunResult | None, performed: Performed) -> list[Problem]:
    """What is wrong with a run.

    Args:
        described: The flow.
        expected: What the in-process run came to, if the run is to be the same whatever the schedule.
        performed: The run.
    """
    # What is nearest to the cause comes first.
    recorded = performed.facts
    facts = Facts({key: fact_of(outcome) for key, outcome in recorded.outcomes.items()}, dict(recorded.claims))
    meaning = Meaning(described.flow, facts)
    found = [*_problems(expected, performed, meaning), *_by_the_model(described, performed, meaning)]
    return [*found, *_undone_by_the_model(performed, meaning)]


def _problems(expected: RunResult | None, performed: Performed, meaning: Meaning) -> Iterable[Problem]:
    for text in dict.fromkeys(performed.errors):
        yield Problem(f"engine error {_kind(text.split(': ')[0])} in {_where(text)}", text)
    facts, status, result = performed.facts, performed.status, performed.result
    for key, outcome in facts.outcomes.items():
        if outcome.error is not None and outcome.error.type not in _MEANT:
            yield Problem(f"step failed with {outcome.error.type}", f"{key!r}: {outcome.error}")
    if status is None or status.state not in _FINAL:
        state = "there is no status" if status is None else f"the status is {status.state}"
        ready, wanted = sorted(meaning.ready()), sorted(meaning.wanted())
        left = "something ready that is not run" if ready else "a join that is not claimed" if wanted else "nothing"
        text = f"{state}; by the facts it is {meaning.phase()}, ready are {ready}, to be claimed {wanted}"
        yield Problem(f"no end, and there is {left}", text)
    for text in performed.problems:
        yield Problem(_kind(text), text)
    if status is None or status.state not in _FINAL:
        return
    by_facts = {Phase.COMPLETED: "completed", Phase.FAILED: "failed", Phase.RUNNING: "running"}[facts.phase]
    if status.state != by_facts:
        text = f"it is {status.state} ({status.reason}), but by the facts {by_facts}; ready are {facts.left()}"
        yield Problem(f"status is {status.state}, by the facts {by_facts}", text)
    if facts.orphans:
        yield Problem("orphans", f"there are outcomes of instances that the run cannot have: {facts.orphans}")
    if status.state == "failed" and not any(meant in str(status.reason) for meant in _MEANT):
        yield Problem("failed without a scripted failure", str(status.reason))
    if result is None:
        return
    outputs, context, errors = facts.results()
    told = [str(error) for error in result.errors]
    if status.state == "completed":
        yield from _differs("outputs", result.outputs, outputs, "the facts, replayed")
        yield from _differs("context", result.context, context, "the facts, replayed")
    failures = [str(outcome.error) for outcome in facts.outcomes.values() if outcome.error is not None]
    failures += [error for error in errors if f": {JOIN_ERROR}: " in error]  # of joins that were never run
    if status.state == "failed" and not (errors and set(told) <= set(failures)):
        yield Problem("errors differ from the facts, replayed", f"{told}; should be {errors}")
    if expected is not None:
        yield from _differs("status", status.state, expected.status, "in process")
        yield from _differs("outputs", result.outputs, expected.outputs, "in process")
        yield from _differs("context", result.context, expected.context, "in process")
        yield from _differs("steps", result.steps, expected.steps, "in process")
        keys = sorted(entry.key for entry in expected.trace)
        yield from _differs("instances", sorted(facts.keys), keys, "in process")


def _by_the_model(described: Described, performed: Performed, meaning: Meaning) -> Iterable[Problem]:
    """What the model says of the recorded facts."""
    recorded = performed.facts
    fold = Fold(meaning, CONTEXT)
    known = set()
    for key, fact, possible in Giving(meaning, fold, described.script).recorded():
        known.add(key)
        error = recorded.outcomes[key].error
        scripted = error is None or error.type in _MEANT
        if fact not in possible and scripted:
            what = _what(fact, possible[0])
            yield Problem(f"an outcome's {what} differs from the model", _difference(key, fact, possible))
    if strange := recorded.keys - known:
        yield Problem("outcomes of instances that the model does not know", str(sorted(strange)))
    status, result = performed.status, performed.result
    if status is None or status.state not in _FINAL or result is None:
        return
    if status.state != meaning.phase():
        yield Problem(f"status is {status.state}, by the model {meaning.phase()}", str(status.reason))
    elif status.state == "completed":
        yield from _differs("outputs", plain(result.outputs), fold.result_outputs(), "the model")
        yield from _differs("context", plain(result.context), fold.result_context(), "the model")
    elif not {error.key for error in result.errors} <= set(meaning.errors()):
        yield Problem("errors differ from the model", f"{result.errors}; should be of {meaning.errors()}")


def _undone_by_the_model(performed: Performed, meaning: Meaning) -> Iterable[Problem]:
    """What the model says of what was undone, in the order in which that was recorded."""
    facts, status = performed.facts, performed.status
    undone = [undone_by(key) for key in facts.facts if undone_by(key) is not None]
    if status is None or status.state not in _FINAL or not (undone or facts.ends):
        return
    if status.state == "failed":
        yield from _differs("undone", sorted(map(str, undone)), sorted(due(meaning)), "the model")
    else:
        least, most = due_of_calls(meaning, for_sure=True), due_of_calls(meaning, for_sure=False)
        if not least <= set(map(str, undone)) <= most:
            text = f"{undone!r}; should be at least {sorted(least)!r}, and at most {sorted(most)!r}"
            yield Problem("undone differ from the model", text)
    for earlier, later in wrong_order(meaning, [str(key) for key in undone]):
        yield Problem("undone in another order than the model's", f"{earlier!r} before {later!r}")
    if status.state == "failed" and (left := meaning.open()):
        yield Problem("a stopped run is open", f"{left} may still come to an outcome, or be claimed")


def fact_of(outcome: Outcome) -> Fact:
    """An outcome as the model reads it."""
    if outcome.void:
        return Fact(void=True)
    if outcome.error is not None:
        return Fact(
            failed=True,
            error=plain(error_data(outcome.error)),
            taken={place: plain(carried(outcome, place)) for place in outcome.taken},
        )
    sets = outcome.sets or {}
    return Fact(
        output=plain(outcome.output),
        action=outcome.action,
        taken={place: plain(carried(outcome, place)) for place in outcome.taken},
        sets={name: plain(value) for name, value in sets.items() if value is not DELETED},
        deletes=tuple(name for name, value in sets.items() if value is DELETED),
        items=tuple(plain(item) for item in outcome.items) if isinstance(outcome.items, tuple) else None,
        lanes=outcome.lanes,
        context=outcome.context,
    )


def _what(fact: Fact, should: Fact) -> str:
    names = ("failed", "error", "output", "action", "taken", "sets", "deletes", "items", "lanes", "context")
    return " and ".join(name for name in names if getattr(fact, name) != getattr(should, name))


def _difference(key: str, fact: Fact, possible: list[Fact]) -> str:
    return f"{key!r}: {fact}; should be {' or '.join(str(each) for each in possible)}"


def _differs(what: str, found: Any, should: Any, who: str) -> Iterable[Problem]:
    if found != should:
        yield Problem(f"{what} differ from {who}", f"{found!r}; should be {should!r}")


def _kind(text: str) -> str:
    """A problem's text without what differs from run to run."""
    return re.sub(r"\d+", "N", re.sub(r"'[^']*'|\"[^\"]*\"|\[.*\]|\{.*\}", "…", text))[:90]


def _where(text: str) -> str:
    found = re.search(r" in (\w+): ", text)
    return found[1] if found else "?"
