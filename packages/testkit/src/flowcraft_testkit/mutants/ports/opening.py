"""Backends that can be opened, and used, where they must not."""

from __future__ import annotations

from typing import Any

from ...contracts import BackendContract
from ...memory.connection import Connection
from ..mutant import replaces


@replaces(
    (Connection, "open"),
    caught_by=BackendContract.test_opening_twice_is_refused,
    name="backend.OpenedTwice",
)
def open_again(original: Any, self: Any) -> None:
    """Opens what is open."""
    self._loop = None
    original(self)


@replaces(
    (Connection, "check_open"),
    caught_by=BackendContract.test_use_in_another_event_loop_is_refused,
    name="backend.UsedInAnyLoop",
)
def any_loop(original: Any, self: Any) -> None:
    """Answers in whichever event loop it is asked."""
