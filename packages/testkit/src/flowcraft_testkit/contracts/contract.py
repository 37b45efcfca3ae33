"""What the contracts have in common: how they open a backend, and how they deal with time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import count
from typing import ClassVar, Generic, TypeAlias, TypeVar

import pytest
from flowcraft_core.clock import Clock, SystemClock
from flowcraft_core.ports import Backend

T = TypeVar("T")
BackendT = TypeVar("BackendT", bound=Backend)
PortT = TypeVar("PortT")

#: Gives a fresh client each time it is called, opened on entry and closed on exit. Within one test all are clients of
#: the same store, as several processes are; each test has a store of its own.
Opener: TypeAlias = Callable[[], AbstractAsyncContextManager[Backend]]


@asynccontextmanager
async def opened(backend: BackendT) -> AsyncIterator[BackendT]:
    """Open a backend for an ``async with`` block, and close it after.

    So an opener may be as short as ``lambda: opened(MyBackend(path))``.
    """
    await backend.open()
    try:
        yield backend
    finally:
        await backend.close()


@pytest.mark.asyncio
class Contract(Generic[PortT]):
    """What a port promises, as clauses. Subclass one of its subclasses and give it the fixture ``open_backend``.

    A clause is a test; its name is a sentence, and its docstring says what the promise is for. No clause waits for
    luck: what must come to pass is asked for until it does, and ``patience`` only bounds a failure.

    Attributes:
        short: A time in which a few calls surely fit, seconds: clauses let visibility, delays and times to live of this
            length run out. At least 1, the shortest visibility there is.
        patience: How long to ask for something that must come to pass, seconds.
        pause: Between two times of asking, seconds.
    """

    short: ClassVar[float] = 1.0
    patience: ClassVar[float] = 10.0
    pause: ClassVar[float] = 0.05

    @pytest.fixture
    def open_backend(self) -> Opener:
        """The one fixture that you give: an opener of your backend."""
        raise NotImplementedError(f"{type(self).__name__} needs a fixture open_backend that returns an Opener")

    @pytest.fixture
    def clock(self) -> Clock:
        """The clock that the backend goes by. Give a ``VirtualClock`` if it takes one, and no clause takes time."""
        return SystemClock()

    @pytest.fixture(autouse=True)
    def _begin(self, open_backend: Opener, clock: Clock) -> None:
        self.begin(open_backend, clock)

    def begin(self, open_backend: Opener, clock: Clock) -> None:
        """Take what the clauses need; a runner other than pytest calls this, and then a clause."""
        self._open_backend = open_backend
        self._clock = clock
        self._numbers = count(1)
        self._start = clock.now()

    def port(self, backend: Backend) -> PortT:
        """The port that the contract is about."""
        raise NotImplementedError

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[PortT]:
        """A fresh client's port."""
        async with self._open_backend() as backend:
            yield self.port(backend)

    @asynccontextmanager
    async def connect_many(self, number: int) -> AsyncIterator[list[PortT]]:
        """The ports of so many clients."""
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(self.connect()) for _ in range(number)]

    def fresh(self, name: str) -> str:
        """A name that no other clause uses, nor another run of the contract on the same servers."""
        return f"{name}-{int(self._start * 1_000_000):x}-{next(self._numbers)}"

    def now(self) -> float:
        """Seconds since the epoch, on the backend's clock."""
        return self._clock.now()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass on the backend's clock."""
        await self._clock.sleep(seconds)

    async def race(self, calls: Iterable[Awaitable[T]]) -> list[T]:
        """Make calls at once and return their answers in order.

        Some begin a little later than others, so that first steps of some calls meet second steps of others.
        """

        async def begin_later(turns: int, call: Awaitable[T]) -> T:
            for _ in range(turns):
                await asyncio.sleep(0)
            return await call

        return await asyncio.gather(*(begin_later(place % 5, call) for place, call in enumerate(calls)))

    async def until(self, condition: Callable[[], Awaitable[T]], deadline: float | None = None) -> T:
        """Ask until the answer is true, and return it.

        Args:
            condition: What to ask.
            deadline: For how long, seconds; by default ``patience``.

        Raises:
            AssertionError: It never was; the message has the last answer.
        """
        seconds = self.patience if deadline is None else deadline
        end = self.now() + seconds
        while not (answer := await condition()):
            assert self.now() < end, f"after {seconds} seconds still {answer!r}"
            await self.pass_time(self.pause)
        return answer
