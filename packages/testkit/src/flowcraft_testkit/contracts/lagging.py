"""Reads that lag behind for as long as a store says that they may: what such a store does rarely, done each time."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flowcraft_core import Clock

from .interposed import Call

# Reads and writes are told apart by times of which one was computed: so close they are the same, seconds.
_SAME = 1e-3


class Lag:
    """Between programs that write facts and context values, of distinct names, and others that miss each for a while.

    Attributes:
        seconds: For how long; what the readers are to be told of their store's staleness.
    """

    def __init__(self, clock: Clock, seconds: float, *, at_once: Collection[str] = ()) -> None:
        """Know of nothing written yet.

        Args:
            clock: Tells the time.
            seconds: For how long the readers miss what was written.
            at_once: The keys of facts that they see at once all the same.
        """
        self.seconds = seconds
        self._clock = clock
        self._at_once = at_once
        self._written: dict[str, float] = {}

    async def writing(self, operation: str, call: Call) -> Any:
        """Go around the calls of who writes."""
        answer = await call()
        if operation in ("context.put", "starts.begin"):
            self._written.setdefault(call.args[1], self._clock.now())
        elif operation == "context.apply":
            self._written |= {name: self._clock.now() for name in call.args[1] if name not in self._written}
        return answer

    async def reading(self, operation: str, call: Call) -> Any:
        """Go around the calls of who reads."""
        answer = await call()
        if operation in ("context.get", "context.values"):
            visible = self._clock.now() - self.seconds + _SAME
            answer = {
                name: found
                for name, found in answer.items()
                if name in self._at_once or self._written.get(name, 0.0) <= visible
            }
        return answer
