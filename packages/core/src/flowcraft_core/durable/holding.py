"""What goes on beside the steps that are under way: others are told of them, and they of the end of their runs.

Of a step that takes long, reconcilers are told that somebody is at it, and that somebody gets on with its run; and what
it has for as long as it runs, its places under limits and its lease, is said to be somebody's. Of what is shorter than
the time after which that is said nothing is: it costs no request. All of it is hints.

A worker does so for all its jobs, beside keeping their messages hidden; a host that receives by itself, such as a
function, for those that it is given.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from ..clock import Clock
from ..ports import Backend
from ..tasks import end
from .leases import Lease, say_again
from .limits import Places
from .signals import CHECK_AFTER, held_key

if TYPE_CHECKING:
    from .engine import Engine
    from .handler import JobHandler
    from .runs import RunRecord

# So many requests are made side by side: of a worker with many long steps, one after the other come too late.
_AT_ONCE = 50

# How often it is looked what is under way, in the time after which it is told. A look costs no request.
_LOOKS = 4


class Held:
    """A job that is worked on under a message.

    Attributes:
        engine: What works on it; None before, after, and as long as it waits for places.
        task: In which that goes on.
        given_up: By whoever holds it: its task is cancelled.
    """

    engine: Engine | None
    task: asyncio.Task[Any] | None
    given_up: bool

    @property
    def deliveries(self) -> int:
        """How often the message has been delivered."""
        raise NotImplementedError

    @property
    def has_steps(self) -> bool:
        """Whether there is a step to be called off, now or later."""
        return self.engine is not None and not self.engine.is_past_steps

    def give_up(self) -> None:
        """Have its steps end, and what goes on around them."""
        self.given_up = True
        if self.engine is not None:
            self.engine.executor.cancel()
        if self.task is not None:
            self.task.cancel()


H = TypeVar("H", bound=Held)

# What an engine has under way: the key of the step that it is at, what that has, or the job as a whole.
_Thing = str | Places | Lease | None


@attrs.define
class _Seen:
    first: float
    told: float = 0.0

    def is_due(self, now: float, period: float) -> bool:
        """Whether it has been under way for so long, since it was seen first or told of last."""
        return now - max(self.first, self.told) >= period


class Holding(Generic[H]):
    """Tells of what is under way, and calls off what is of no use any more."""

    def __init__(
        self,
        backend: Backend,
        handler: JobHandler,
        clock: Clock,
        name: str,
        *,
        visibility: float,
        held: dict[H, None],
        failed: Callable[[str, Exception], None],
        called_off: Callable[[H], None] = lambda held: None,
    ) -> None:
        """Look after the jobs of one program.

        Args:
            backend: Where runs live; one that tries calls again.
            handler: What works on the jobs.
            clock: Tells the time.
            name: Who is said to be at steps.
            visibility: Seconds for which it is believed of what is said.
            held: The jobs, as they are at each moment; a set that keeps its order.
            failed: Is told what could not be done, with the error; it is done again.
            called_off: Is given a job whose run goes on no more, once its task is cancelled: its message is done with.
        """
        self._backend, self._handler, self._clock, self._name = backend, handler, clock, name
        self._visibility = visibility
        #: Seconds after which a step is told of, and after which it is told again.
        self.period = min(visibility, CHECK_AFTER) / 3
        #: How often ``tell`` is to be called, seconds.
        self.often = self.period / _LOOKS
        self._held, self._called_off, self._failed = held, called_off, failed
        self._seen: dict[tuple[Engine, _Thing], _Seen] = {}
        self._loops: list[asyncio.Future[None]] = []

    # --- telling ------------------------------------------------------------------------------------------------------

    async def tell(self) -> None:
        """Tell reconcilers, other jobs and other programs what has been under way for long."""
        now = self._clock.now()
        under_way = [(engine, thing) for engine in self._engines() for thing in _things_of(engine)]
        self._seen = {each: self._seen.get(each) or _Seen(now) for each in under_way}
        due = [each for each in under_way if self._seen[each].is_due(now, self.period)]
        await self._side_by_side("tell", [partial(self._tell_of, *each) for each in due])

    async def _tell_of(self, engine: Engine, thing: _Thing) -> None:
        seen, now = self._seen[engine, thing], self._clock.now()
        if thing is None:
            if (saying := self._handler.say_busy(engine.view.record)) is not None:
                await saying
        elif isinstance(thing, Places):
            await self._handler.renew(thing)
        elif isinstance(thing, Lease):
            await thing.renew()
        else:
            key = held_key(engine.view.record, thing)
            await say_again(self._backend.coordination, key, self._name, ttl=self._visibility)
        seen.told = now

    async def _let_go(self, engine: Engine) -> None:
        """A step that was cut off is nobody's any more: whoever gets its message is not to wait for what was said."""
        seen = self._seen.get((engine, engine.current)) if engine.current else None
        self._seen = {each: seen for each, seen in self._seen.items() if each[0] is not engine}
        if seen is not None and seen.told:
            with contextlib.suppress(Exception):  # whatever it is, what was said lapses
                key = held_key(engine.view.record, engine.current)
                await self._backend.coordination.delete(key, value=self._name)

    # --- being told ---------------------------------------------------------------------------------------------------

    async def look(self, *, after: float = 0.0) -> None:
        """Tell steps whose run was cancelled, or has failed elsewhere, that their results are of no use any more.

        Args:
            after: Only where a job is known to have been under way for so long, seconds.
        """
        now = self._clock.now()
        records = {
            engine.view.record.incarnation: engine.view.record
            for engine in self._engines()
            if not after or ((seen := self._seen.get((engine, None))) is not None and now - seen.first >= after)
        }
        await self._side_by_side("control", [partial(self._look_at, record) for record in records.values()])

    async def _look_at(self, record: RunRecord) -> None:
        await self._handler.fail_if_late(record)
        status = await self._backend.status.get(record.run_id)
        has_ended = status is None or status.state not in ("running", "awaiting")
        if has_ended or await self._handler.is_stopped(record):
            # Who stopped it may have died before they said so to anybody: then what was redelivered would have.
            if not has_ended and any(held.deliveries > 1 for held in self._useless(record)):
                await self._handler.say_stopped(record)
            for held in self._useless(record):
                held.give_up()
                self._called_off(held)

    def _useless(self, record: RunRecord) -> list[H]:
        """What is under way of a run of which nothing is gone on with."""
        # What is past its steps may be what has ended the run, and has yet to say so.
        return [
            held
            for held in self._held
            if held.has_steps and held.engine is not None and held.engine.view.record.incarnation == record.incarnation
        ]

    def _engines(self) -> Iterable[Engine]:
        return [held.engine for held in self._held if held.engine is not None]

    # --- beside a job -------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def beside(self, held: H, control_interval: float) -> AsyncIterator[None]:
        """Do all of this beside a job, for a host in which nothing else goes on; once for all jobs at the time.

        Args:
            held: The job.
            control_interval: Seconds between two looks whether its run goes on.
        """
        self._held[held] = None
        if not self._loops:
            look = partial(self.look, after=self.period)
            loops = [self._repeat(self.often, self.tell), self._repeat(control_interval, look)]
            self._loops = [asyncio.ensure_future(each) for each in loops]
        try:
            yield
        finally:
            del self._held[held]
            if not self._held:
                ended, self._loops = self._loops, []
                await end(*ended)
            if held.engine is not None:
                await self._let_go(held.engine)

    async def _repeat(self, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._clock.sleep(seconds)
            await action()

    async def _side_by_side(self, what: str, calls: Sequence[Callable[[], Awaitable[None]]]) -> None:
        """Make calls, several at once; what fails with one keeps none of the others from being made."""
        room = asyncio.Semaphore(_AT_ONCE)

        async def make(call: Callable[[], Awaitable[None]]) -> None:
            async with room:
                try:
                    await call()
                except Exception as error:  # whatever it is, what is held must go on being held
                    self._failed(what, error)

        await asyncio.gather(*(make(call) for call in calls))


def _things_of(engine: Engine) -> list[_Thing]:
    """What is under way with an engine."""
    things: list[_Thing] = [None, engine.current or None, engine.admission.places, engine.admission.lease]
    return things[:1] + [thing for thing in things[1:] if thing is not None]
