"""Tries calls to a backend again when they may succeed the next time."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ..clock import Clock
from ..errors import TransientError
from ..ports import Backend

T = TypeVar("T")

_ATTEMPTS = 6
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0


class RetryingBackend:
    """A backend whose calls are tried again after transient errors, with growing pauses and jitter.

    Every port's contract allows it: a call that was applied though its answer was lost may be made again.
    """

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self.backend = backend
        self.queue: Any = _Retrying(backend.queue, clock)
        self.context: Any = _Retrying(backend.context, clock)
        self.status: Any = _Retrying(backend.status, clock)
        self.coordination: Any = _Retrying(backend.coordination, clock)
        by_hand = getattr(backend, "by_hand", None)
        self.by_hand: Any = None if by_hand is None else _Retrying(by_hand, clock)

    async def open(self) -> None:
        """Open the backend."""
        await self.backend.open()

    async def close(self) -> None:
        """Close the backend."""
        await self.backend.close()


class _Retrying:
    def __init__(self, port: Any, clock: Clock) -> None:
        self._port = port
        self._clock = clock
        self.limits = getattr(port, "limits", None)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        call = getattr(self._port, name)

        async def retrying(*args: Any, **kwargs: Any) -> Any:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return await call(*args, **kwargs)
                except TransientError:
                    if attempt == _ATTEMPTS:
                        raise
                    await self._clock.sleep(_pause(name, attempt, self._clock.now()))
            raise AssertionError("unreachable")

        # Found once, then an ordinary attribute.
        setattr(self, name, retrying)
        return retrying


def _pause(name: str, attempt: int, now: float) -> float:
    full = min(_LONGEST_PAUSE, _FIRST_PAUSE * float(2**attempt))
    draw = int.from_bytes(hashlib.sha256(f"{name}{attempt}{now}".encode()).digest()[:8], "big") / 2**64
    return full * (0.5 + draw / 2)
