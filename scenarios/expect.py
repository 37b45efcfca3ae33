"""What checks expect. A failure says in one line what was looked at, what it is, and what it should be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from backend import Backend
from flowcraft_core import RunResult, Status


def equal(what: str, actual: object, expected: object) -> None:
    """Two values are equal."""
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r:.300}, not {expected!r:.300}")


def lasts(what: str, actual: float, seconds: float, backend: Backend) -> None:
    """Something took so long: no less, and no more than the place may be late."""
    if not seconds - 1e-6 <= actual <= seconds + backend.late + 1e-6:
        allowed = f"{seconds} s" if not backend.late else f"{seconds} s to {seconds + backend.late} s"
        raise AssertionError(f"{what}: {actual} s, not {allowed}")


def took(result: RunResult, began: float, seconds: float, backend: Backend) -> None:
    """A run that began then took so long until its last step ended."""
    lasts("what it took", max(entry.ended for entry in result.trace) - began, seconds, backend)


def at_most(what: str, actual: float, most: float) -> None:
    """A number is no greater than that."""
    if actual > most:
        raise AssertionError(f"{what}: {actual:g}, more than {most:g}")


def identical(what: str, actual: Any, expected: Any) -> None:
    """Two values are equal and of the same types throughout: 1 is not 1.0, nor True."""
    equal(f"{what}: its type", type(actual), type(expected))
    equal(what, actual, expected)
    if isinstance(expected, dict):
        for key in expected:
            identical(f"{what}[{key!r}]", actual[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        for place, member in enumerate(expected):
            identical(f"{what}[{place}]", actual[place], member)


def mentions(what: str, text: str, *parts: str) -> None:
    """A text names all of these."""
    missing = [part for part in parts if part not in text]
    if missing:
        raise AssertionError(f"{what}: {text!r:.300} does not mention {', '.join(map(repr, missing))}")


@contextmanager
def refused(error: type[Exception], *parts: str) -> Iterator[None]:
    """What is done inside raises this error, whose message names all of these."""
    try:
        yield
    except error as raised:
        mentions(f"the message of {type(raised).__name__}", str(raised), *parts)
    else:
        raise AssertionError(f"{error.__name__} was expected, naming {', '.join(map(repr, parts))}, but nothing raised")


def status(result: RunResult, expected: Status) -> None:
    """A run stands so; a failure tells the run's errors."""
    if result.status != expected:
        errors = "".join(f"; {error}" for error in result.errors)
        raise AssertionError(f"the run is {result.status}, not {expected}{errors}")


def completed(result: RunResult, *, ran: list[str] | None = None) -> None:
    """A run is completed, and these instances have run, each once; in whatever order."""
    status(result, "completed")
    if ran is not None:
        equal("the instances that ran", sorted(keys(result)), sorted(ran))


def failed(result: RunResult, *nodes: str) -> None:
    """A run has failed, with one error for each of these nodes."""
    status(result, "failed")
    equal("the nodes that the errors name", sorted(error.node_id for error in result.errors), sorted(nodes))


def keys(result: RunResult) -> list[str]:
    """The instances that ended, in order."""
    return [entry.key for entry in result.trace]


def passes(result: RunResult, node: str) -> int:
    """How many instances of a node ended."""
    return sum(entry.node_id == node for entry in result.trace)
