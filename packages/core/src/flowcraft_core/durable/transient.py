"""Tries calls to a backend again when they may succeed the next time."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from ..clock import Clock
from ..errors import TransientError
from ..logging.catalogue import THROTTLED
from ..logging.journal import Journal, Rarely
from ..ports import REASON_LENGTH, Backend, FinalState, NamedQueues, RunStatus, Transactional

T = TypeVar("T")

_ATTEMPTS = 6
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0

#: So exactly a store keeps a time, seconds.
AS_STORED = 0.001


class RetryingBackend:
    """A backend whose calls are tried again after transient errors, with growing pauses and jitter.

    Every port's contract allows it: a call that was applied though its answer was lost may be made again.
    """

    def __init__(self, backend: Backend, clock: Clock, journal: Journal | None = None) -> None:
        self.backend = backend
        self._clock, self._journal, self._rarely = clock, journal or Journal(), Rarely()
        self.queue: Any = _Retrying(backend.queue, "queue", clock, self._say)
        self.context: Any = _Retrying(backend.context, "context", clock, self._say)
        self.status: Any = _RetryingStatus(backend.status, "status", clock, self._say)
        self.coordination: Any = _Retrying(backend.coordination, "coordination", clock, self._say)
        named = getattr(backend, "queues", None)
        self.queues: Any = None if named is None else _RetryingQueues(named, clock, self._say)
        starts = getattr(backend, "starts", None)
        self.starts: Any = None if starts is None else _Retrying(starts, "starts", clock, self._say)
        by_hand = getattr(backend, "by_hand", None)
        # Not tried again: a transaction in which a call has failed is lost.
        self.transactional: Transactional | None = getattr(backend, "transactional", None)
        self.by_hand: Any = None if by_hand is None else _Retrying(by_hand, "by_hand", clock, self._say)

    def _say(self, operation: str, error: TransientError) -> None:
        if times := self._rarely.times(operation, self._clock.now()):
            self._journal.tell(THROTTLED, error, operation=operation, reason=str(error), times=times)

    async def open(self) -> None:
        """Open the backend."""
        await self.backend.open()

    async def close(self) -> None:
        """Close the backend."""
        await self.backend.close()


class _RetryingQueues:
    def __init__(self, queues: NamedQueues, clock: Clock, say: Callable[[str, TransientError], None]) -> None:
        self._queues, self._clock, self._say = queues, clock, say
        self._made: dict[str, Any] = {}
        self._asked: Any = _Retrying(queues, "queues", clock, say)

    def named(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _Retrying(self._queues.named(name), "queue", self._clock, self._say)
        return self._made[name]

    async def names(self) -> Sequence[str]:
        names: Sequence[str] = await self._asked.names()
        return names


class _Retrying:
    def __init__(self, port: Any, name: str, clock: Clock, say: Callable[[str, TransientError], None]) -> None:
        self._port, self._name = port, name
        self._clock, self._say = clock, say
        self.limits = getattr(port, "limits", None)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        call = getattr(self._port, name)

        async def retrying(*args: Any, **kwargs: Any) -> Any:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    answer = await call(*args, **kwargs)
                    return answer if attempt == 1 else await self._sure(name, answer, *args, **kwargs)
                except TransientError as error:
                    if attempt == _ATTEMPTS:
                        raise
                    self._say(f"{self._name}.{name}", error)
                    await self._clock.sleep(_pause(name, attempt, self._clock.now()))
            raise AssertionError("unreachable")

        # Found once, then an ordinary attribute.
        setattr(self, name, retrying)
        return retrying

    async def _sure(self, name: str, answer: Any, *args: Any, **kwargs: Any) -> Any:
        """What a call comes to that was made again."""
        return answer


class _RetryingStatus(_Retrying):
    async def _sure(self, name: str, answer: Any, *args: Any, **kwargs: Any) -> Any:
        """Who has ended a run, and did not hear of it, has ended it: nobody else tells of its end."""
        if name != "finish" or answer:
            return answer
        return await self._has_ended(*args, **kwargs)

    async def _has_ended(self, run_id: str, state: FinalState, *, at: float, reason: str | None = None) -> bool:
        status: RunStatus | None = await self._port.get(run_id)
        if status is None or status.state != state or abs(status.updated - at) > AS_STORED:
            return False
        kept = REASON_LENGTH // 2  # a store may cut what is long
        return (status.reason or "")[:kept] == (reason or "")[:kept]


def _pause(name: str, attempt: int, now: float) -> float:
    full = min(_LONGEST_PAUSE, _FIRST_PAUSE * float(2**attempt))
    draw = int.from_bytes(hashlib.sha256(f"{name}{attempt}{now}".encode()).digest()[:8], "big") / 2**64
    return full * (0.5 + draw / 2)
