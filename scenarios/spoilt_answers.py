"""Answers that do not come through, where there is no service between which and its adapter one could stand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from flowcraft_core.errors import BackendError, TransientError
from flowcraft_testkit.contracts.interposed import Call

#: What adapters make of an answer that they do not understand, as they should.
NAMED: Sequence[Callable[[], Exception]] = (
    lambda: TransientError("the answer was cut short"),
    lambda: BackendError("the answer is malformed"),
)

#: What comes out of an SDK that stumbles over it, past an adapter that did not think of it.
ALIEN: Sequence[Callable[[], Exception]] = (
    *NAMED,
    lambda: json.JSONDecodeError("Expecting value", "<html>", 0),
    lambda: TypeError("'NoneType' object is not subscriptable"),
    lambda: EOFError("incomplete read"),
    lambda: KeyError("Messages"),
)


class Spoiling:
    """Spoils each so-manieth answer; what was asked for is done, as whoever answers does not know.

    Attributes:
        every: Which answers; none at 0.
    """

    def __init__(self, errors: Sequence[Callable[[], Exception]]) -> None:
        """Spoil nothing yet.

        Args:
            errors: What comes in the place of answers, in turn.
        """
        self.every = 0
        self._errors = errors
        self._asked = self._spoilt = 0

    async def around(self, operation: str, call: Call) -> Any:
        """Make a call."""
        result = await call()
        if not self.every:
            return result
        self._asked += 1
        if self._asked % self.every:
            return result
        self._spoilt += 1
        raise self._errors[self._spoilt % len(self._errors)]()
