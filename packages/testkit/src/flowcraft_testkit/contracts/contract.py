"""What the contracts have in common: how they open a backend, and how they deal with time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import pytest
from flowcraft_core.clock import Clock, SystemClock
from flowcraft_core.ports import Backend

from .clauses import Capability, Clause, ClauseFunction, Declared, described, needs_of, refuse_changes, written_in
from .loop_watch import LoopWatch
from .program_rows import ProgramRows
from .side_door import SideDoor
from .trouble import BackendMaker, Trouble

T = TypeVar("T")
BackendT = TypeVar("BackendT", bound=Backend)
PortT = TypeVar("PortT")

#: The fixtures that clauses with a need are given.
_GIVEN: Mapping[Capability, str] = {
    "side_door": "side_door",
    "cuts": "trouble",
    "outages": "trouble",
    "refusals": "trouble",
    "processes": "make_in_process",
    "other_store": "open_other",
    "by_url": "url",
    "transactions": "rows",
}

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

    Every clause counts: a subclass that overrides or removes one is refused when it is defined, but for ``excused``.

    Attributes:
        contract: What the contract is called in the ids of its clauses.
        declared: What you say of your backend. Clauses that need what is not declared are skipped, and reported so.
        short: A time in which a few calls surely fit, seconds: clauses let visibility, delays and times to live of this
            length run out. At least 1, the shortest visibility there is.
        patience: How long to ask for something that must come to pass, seconds.
        pause: Between two times of asking, seconds.
    """

    contract: ClassVar[str] = ""
    declared: ClassVar[Declared] = Declared()
    short: ClassVar[float] = 1.0
    patience: ClassVar[float] = 10.0
    pause: ClassVar[float] = 0.05

    _clauses: ClassVar[dict[str, ClauseFunction]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__.startswith(__package__ + "."):
            cls._clauses = {k: v for each in reversed(cls.__mro__) for k, v in written_in(dict(vars(each))).items()}
        else:
            refuse_changes(cls, cls.contract, cls._clauses)

    @classmethod
    def clauses(cls) -> list[Clause]:
        """The contract's clauses, whatever a subclass adds of its own."""
        return [described(cls.contract, method, function) for method, function in sorted(cls._clauses.items())]

    @pytest.fixture
    def open_backend(self) -> Opener:
        """The one fixture that you give: an opener of your backend."""
        raise NotImplementedError(f"{type(self).__name__} needs a fixture open_backend that returns an Opener")

    @pytest.fixture
    def clock(self) -> Clock:
        """The clock that the backend goes by. Give a ``VirtualClock`` if it takes one, and no clause takes time."""
        return SystemClock()

    @pytest.fixture
    def side_door(self) -> SideDoor:
        """A way to look at what is stored; yours, if ``declared`` says that there is one."""
        raise NotImplementedError(f"{type(self).__name__} declares a side door, but has no fixture side_door")

    @pytest.fixture
    def trouble(self) -> Trouble:
        """What can go wrong between clients and store; yours, if ``declared`` says that there is some of it."""
        raise NotImplementedError(f"{type(self).__name__} declares cuts, outages or refusals: give a fixture trouble")

    @pytest.fixture
    def make_in_process(self) -> BackendMaker:
        """What makes a client in another process; yours, if ``declared`` says ``processes``."""
        raise NotImplementedError(f"{type(self).__name__} declares processes, but has no fixture make_in_process")

    @pytest.fixture
    def open_other(self) -> Opener:
        """An opener of a second store; yours, if ``declared`` says ``other_store``."""
        raise NotImplementedError(f"{type(self).__name__} declares another store, but has no fixture open_other")

    @pytest.fixture
    def url(self) -> str:
        """The URL of the store that ``open_backend`` opens; yours, if ``declared`` says ``by_url``."""
        raise NotImplementedError(f"{type(self).__name__} declares by_url, but has no fixture url")

    @pytest.fixture
    def rows(self) -> ProgramRows:
        """A program's rows in the same store; yours, if ``declared`` says ``transactions``."""
        raise NotImplementedError(f"{type(self).__name__} declares transactions, but has no fixture rows")

    @pytest.fixture(autouse=True)
    def _begin(self, request: pytest.FixtureRequest, open_backend: Opener, clock: Clock) -> None:
        needed = needs_of(self._clauses.get(request.node.originalname, request.function))
        for capability in needed:
            if why := self.declared.lacks(capability):
                pytest.skip(f"{why}: {capability}")
        given = {
            _GIVEN[capability]: request.getfixturevalue(_GIVEN[capability]) for capability in _GIVEN.keys() & needed
        }
        self.begin(open_backend, clock, **given)

    def begin(
        self,
        open_backend: Opener,
        clock: Clock,
        side_door: SideDoor | None = None,
        *,
        trouble: Trouble | None = None,
        make_in_process: BackendMaker | None = None,
        open_other: Opener | None = None,
        url: str = "",
        rows: ProgramRows | None = None,
    ) -> None:
        """Take what the clauses need; a runner other than pytest calls this, and then a clause."""
        self._open_backend = open_backend
        self._clock = clock
        self._side_door = side_door
        self._trouble = trouble
        self._make_in_process = make_in_process
        self._open_other = open_other
        self._url = url
        self._rows = rows
        self._numbers = count(1)
        self._loop = LoopWatch()
        self._start = clock.now()

    def port(self, backend: Backend) -> PortT:
        """The port that the contract is about."""
        raise NotImplementedError

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[PortT]:
        """A fresh client's port."""
        async with self._loop.watched(), self._open_backend() as backend:
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

    async def skip_time(self, seconds: float) -> None:
        """Let a long time pass, if ``declared`` says that it takes none: on a clock that can be put forward, or sleeps.

        Unlike ``pass_time`` it need not let others act meanwhile.
        """
        put_forward = getattr(self._clock, "put_forward", None)
        if put_forward is None:
            await self._clock.sleep(seconds)
        else:
            put_forward(seconds)

    @property
    def stored(self) -> SideDoor:
        """What the store really holds; for clauses that need ``side_door``."""
        assert self._side_door is not None, "this clause needs a side door"
        return self._side_door

    @property
    def trouble_maker(self) -> Trouble:
        """What can go wrong; for clauses that need ``cuts``, ``outages`` or ``refusals``."""
        assert self._trouble is not None, "this clause needs trouble"
        return self._trouble

    @property
    def program_rows(self) -> ProgramRows:
        """A program's rows; for clauses that need ``transactions``."""
        assert self._rows is not None, "this clause needs rows"
        return self._rows

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
            assert self.now() < end, f"after {seconds:g} s of the backend's clock still {answer!a}{self._loop.told()}"
            await self.pass_time(self.pause)
        return answer

    async def until_nothing(self, problem: Callable[[], Awaitable[str]]) -> None:
        """Ask until nothing is wrong any more, for ``patience``.

        Raises:
            AssertionError: Something is; the message is what.
        """
        end = self.now() + self.patience
        while what := await problem():
            assert self.now() < end, f"after {self.patience:g} s of the backend's clock: {what}{self._loop.told()}"
            await self.pass_time(self.pause)
