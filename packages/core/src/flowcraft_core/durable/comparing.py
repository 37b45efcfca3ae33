"""In what two runs differ, from what ``Client.export`` gives of each. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

# What is told of an outcome: when it was, and who has done it, differs always.
_COMPARED = ("output", "action", "error", "via", "attempts", "taken", "sets")


@attrs.frozen
class Difference:
    """One thing in which two runs differ.

    Attributes:
        at: The instance's key; ``run`` for what the whole run has.
        what: ``outcome`` where only one has ended it, or which part of it differs.
        first: What the first run has there.
        second: What the second has.
    """

    at: str
    what: str
    first: Any
    second: Any


def differences(first: str, second: str) -> Iterator[Difference]:
    """Blueprint, start, and instance by instance.

    Args:
        first: A run's export.
        second: The other's.
    """
    one, two = json.loads(first), json.loads(second)
    for name in ("blueprint", "blueprints", "context", "status", "claims"):
        if one[name] != two[name]:
            yield Difference("run", name, one[name], two[name])
    yield from _of_instances(one["outcomes"], two["outcomes"])


def _of_instances(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    for key in dict.fromkeys((*first, *second)):
        one, two = first.get(key), second.get(key)
        if one is None or two is None:
            yield Difference(key, "outcome", _state(one), _state(two))
            continue
        for name in _COMPARED:
            if _of(one, name) != _of(two, name):
                yield Difference(key, name, _of(one, name), _of(two, name))


def _state(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return "none"
    if not outcome.get("error"):
        return "completed"
    return "handled" if outcome.get("taken") else "failed"


def _of(outcome: Mapping[str, Any], name: str) -> Any:
    value = outcome.get(name)
    if name == "error" and isinstance(value, dict):
        return {part: value.get(part) for part in ("type", "message")}
    return value
