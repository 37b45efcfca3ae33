"""What stands between a program and a backend has each of its powers: one that is forgotten would never be tested."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import flowcraft_core.durable
import pytest
from flowcraft_core.durable.transient import RetryingBackend
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.contracts.interposed import Interposed, simply
from flowcraft_testkit.counting import CountingBackend

# What is asked of backends by who makes one from a URL, or tells people of one: no power that runs have.
_OF_ITSELF = {"missing", "name", "diagnose"}


def _powers() -> set[str]:
    """The attributes that the engine asks of a backend that may not have them: ``getattr(backend, "starts", None)``."""
    found: set[str] = set()
    for module in Path(flowcraft_core.durable.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name("getattr"), args=[of, ast.Constant(str(name)), _]):
                    if ast.unparse(of).endswith("backend"):
                        found.add(name)
    return found - _OF_ITSELF


@pytest.mark.parametrize(
    "between",
    [
        CountingBackend,
        lambda backend: Interposed(backend, simply),
        lambda backend: RetryingBackend(backend, VirtualClock()),
    ],
    ids=["counting", "interposed", "retrying"],
)
def test_each_power_of_a_backend_is_passed_on(between: Callable[[Any], Any]) -> None:
    powers = _powers()
    assert {"starts", "queues", "by_hand", "transactional"} <= powers
    with_all, with_none = mock.MagicMock(), mock.MagicMock(spec=["queue", "context", "status", "coordination"])
    assert [power for power in sorted(powers) if getattr(between(with_all), power, None) is None] == []
    assert [power for power in sorted(powers) if getattr(between(with_none), power, None) is not None] == []
