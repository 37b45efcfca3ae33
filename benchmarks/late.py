"""A backend in memory whose answers take as long as a network's, and which knows what it was asked."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import attrs
from flowcraft_core.clock import Clock
from flowcraft_testkit.memory import InMemoryBackend, Weaknesses
from flowcraft_testkit.memory.connection import Connection

P = ParamSpec("P")
T = TypeVar("T")

_PORTS = ("queue", "context", "status", "coordination", "starts")


@attrs.frozen
class Call:
    """One call of a port that was answered.

    Attributes:
        name: The port and the method, with a dot between.
        began: When it was made; of a wait that brought something, when it did. Seconds.
        ended: When it was answered.
    """

    name: str
    began: float
    ended: float


class LateBackend:
    """What is in memory, without a weakness: every effect at once, and every answer so much later.

    Attributes:
        counts: How many calls were made, by name.
        ended: Called with the id of each run that has ended, once whoever ended it knows.
        calls: If it is a list, each call is noted there.
        there: Gives what is awaited for a call.
    """

    name = "late"
    queue: Any
    context: Any
    status: Any
    coordination: Any
    starts: Any

    def __init__(
        self,
        world: InMemoryBackend,
        delay: float,
        clock: Clock | None = None,
        there: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]] = lambda call: call,
    ) -> None:
        """Count from zero.

        Args:
            world: What is stored.
            delay: Seconds that each answer takes.
            clock: Tells the time that it takes; the event loop's by default.
            there: Gives what is awaited for a call, of which all happens on another machine.
        """
        self.counts: Counter[str] = Counter()
        self.ended: Callable[[str], None] = lambda run_id: None
        self.calls: list[Call] | None = None
        self.there = there
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._world, self._delay, self._clock = world.connect(_AtOnce()), delay, clock
        for name in _PORTS:
            setattr(self, name, _LatePort(self, name, getattr(self._world, name)))

    async def open(self) -> None:
        """Open the client."""
        await self._world.open()

    async def close(self) -> None:
        """Close the client."""
        await self._world.close()

    def wait(self, name: str) -> Awaitable[None]:
        """What is done once the answer to a call of that name is there."""
        if self._clock is not None:
            return self._sleep(name, self._clock)
        # All take equally long: one timer does for many of them.
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()
        self._waiting.append((loop.time() + self._delay, answered))
        if len(self._waiting) == 1:
            loop.call_later(self._delay, self._answer, loop)
        return answered

    async def _sleep(self, name: str, clock: Clock) -> None:
        began = clock.now()
        await clock.sleep(self._delay)
        if self.calls is not None:
            self.calls.append(Call(name, began, clock.now()))

    def _answer(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            _, answered = self._waiting.popleft()
            if not answered.done():
                answered.set_result(None)
        if self._waiting:
            loop.call_at(self._waiting[0][0], self._answer, loop)


class _LatePort:
    def __init__(self, backend: LateBackend, name: str, port: Any) -> None:
        self._backend, self._name, self._port = backend, name, port
        self.limits = getattr(port, "limits", None)

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        backend, call, name = self._backend, getattr(self._port, method), f"{self._name}.{method}"

        async def late(*args: Any, **options: Any) -> Any:
            backend.counts[name] += 1
            result = await call(*args, **options)
            await backend.wait(name)
            if name == "status.finish":
                backend.ended(args[0])
            return result

        def called(*args: Any, **options: Any) -> Awaitable[Any]:
            return backend.there(late(*args, **options))

        setattr(self, method, called)
        return called


class _AtOnce(Connection):
    """The time that a call takes is the backend's above; here it has none."""

    async def request(self, effect: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return effect(*args, **kwargs)


def strong_world(clock: Clock | None = None) -> InMemoryBackend:
    """What is in memory, with no weakness."""
    return InMemoryBackend(clock=clock, weaknesses=Weaknesses.none())


def critical_path(calls: list[Call], to: str) -> list[str]:
    """The calls that one of them had to wait for, one after the other, by name: each began when another had ended.

    Args:
        calls: What was asked while nothing but calls took time, in the order of the answers.
        to: The name of the last one.
    """
    last = next(call for call in reversed(calls) if call.name == to)
    path = [last.name]
    while before := [call for call in calls if call.ended == last.began]:
        last = before[-1]
        path.append(last.name)
    return path[::-1]
