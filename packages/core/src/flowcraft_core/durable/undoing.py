"""Brings a stopped run to its end: closes it, has what it has done undone, and only then writes its status.

Whoever comes by does all that is due, from the facts alone: a worker with the job that the stop has sent, or with that
for one undo, and the reconciler where such jobs were lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import attrs

from ..clock import Clock
from ..errors import BackendError
from ..execution import FIRST, Executor
from ..failures import node_error
from ..graph.facts import Outcome, Park, Undone
from ..graph.failures import errors_of
from ..graph.instances import Instance
from ..graph.partial import looks_into
from ..graph.queues import queue_of
from ..graph.records import park_to_record, undone_from_record
from ..graph.state import RunState
from ..graph.undoing import Undoing
from ..jobs import encode_job
from ..logging.journal import Journal
from ..ports import REASON_LENGTH, Backend, FinalState, Message
from ..runtime import Emitter
from ..texts import safe_text
from .ends import UNDO, End, end_of, send_stop
from .gathered import StoredResults
from .queues import queue_named
from .runs import RunRecord
from .signals import end_recorded, held_key, reason_of_failures
from .storage import Records, StaleReadError, read_once_visible
from .undone import park_key, park_of, parked, undone_among, undone_of
from .whole import whole_state

# For how long it is believed that somebody has sent the job of an undo, or is at it unless they say so again; seconds.
_SENT, _HELD = 7 * 86400.0, 60.0

# A job that comes by so little too early has come in time: clocks are not that exact. Seconds.
_SOON = 0.01

# So many void outcomes are put side by side; and of so many undos at once it is looked up whether they have ended.
_VOIDED_AT_ONCE, _LOOKED_UP = 50, 50

# Of how many stopped runs a worker keeps what is left of them, from job to job.
_KEPT = 4


class UndoGivenUpError(Exception):
    """Becomes the error of an undo that never came to an end."""


@attrs.define(eq=False)
class Left:
    """What is left of a run that was stopped. It is kept from job to job: none of it is ever taken back.

    Attributes:
        end: How the run ends.
        state: What its facts say, now that no instance can get an outcome any more.
        undoing: What may be undone next, as far as is known which undos have ended.
        undone: Those that are known to have, by the instances' keys.
        asked: The keys of those of which it was asked here who sends their jobs.
        abandoned: Why no more of them is to begin, once somebody has said so.
        looked_at: By then somebody looks again, who can see what was not visible yet.
        troubles: Why undos could not read results of a batch.
    """

    end: End
    state: RunState
    undoing: Undoing
    undone: dict[str, Undone]
    abandoned: str | None = None
    asked: set[str] = attrs.field(factory=set)
    looked_at: float = 0.0
    troubles: list[BackendError] = attrs.field(factory=list)

    @property
    def ready(self) -> list[Instance]:
        """The instances whose undo may begin, or is under way; with none, all is undone that is to be."""
        return self.undoing.ready() if self.abandoned is None else []

    def take_in(self, undone: Undone) -> None:
        """Take in that an undo has ended."""
        if undone.key not in self.undone:
            self.undone[undone.key] = undone
            self.undoing.end(undone.key)


@attrs.define(eq=False)
class StoppedRuns:
    """What a worker keeps of the stopped runs that it undoes."""

    _left: dict[str, Left] = attrs.field(factory=dict)
    _reading: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    async def of(self, run: StoppedRun) -> Left:
        """What is left of a run; read once, however many of its jobs come at once."""
        life = run.record.life
        async with self._reading:
            left = self._left.pop(life, None) or await run.read()
            self._left[life] = left
            while len(self._left) > _KEPT:
                self._left.pop(next(iter(self._left)))
            return left

    def forget(self, record: RunRecord) -> None:
        """Drop what is kept of a run."""
        self._left.pop(record.life, None)


@attrs.frozen(kw_only=True)
class StoppedRun:
    """A run that was stopped, for whoever brings it on.

    Attributes:
        backend: Where it is.
        records: The backend's records.
        record: Its record.
        clock: Tells the time.
        journal: Is told of its end.
        writer: Under which job that is done.
        kept: What is kept of it from job to job.
        events: Tells what happens.
        slots: Held while an undo runs; no limit on them by default.
    """

    backend: Backend
    records: Records
    record: RunRecord
    clock: Clock
    journal: Journal
    writer: str
    kept: StoppedRuns = attrs.field(factory=StoppedRuns)
    events: Emitter | None = None
    slots: contextlib.AbstractAsyncContextManager[object] = attrs.field(factory=contextlib.nullcontext)

    async def look(self) -> Left:
        """Close the run, and see what is left to undo.

        Raises:
            StaleReadError: That it was stopped is not visible yet; or it was not.
        """
        return await self.kept.of(self)

    async def go_on(self, *, again: bool = False) -> None:
        """Send the undos that may begin, and end the run if none is left.

        Args:
            again: The job is delivered again: what was asked for its sake may have come to nothing.
        """
        await self._go_on(await self.look(), again=again)

    async def _go_on(self, left: Left, *, again: bool = False) -> bool:
        """``go_on``; whether there was something to do."""
        await self._learn(left)
        opened = False
        for instance in left.ready:
            if again or instance.key not in left.asked:
                left.asked.add(instance.key)
                if await self._is_ours(f"undo:{self.record.life}:{instance.key}"):
                    await self.send(instance)
                    opened = True
        if not left.ready:
            await self.finish(left)
            return True
        return opened

    async def undo(self, executor: Executor, key: str, number: int, *, again: bool) -> None:
        """Make an attempt at the undo of an instance, if it is due, and go on from there.

        Args:
            executor: Calls it.
            key: The instance's.
            number: Which attempt the job asks for, at least; 0 for whichever is due.
            again: The job is delivered again.

        Raises:
            ImplementationMissingError: This program has no implementation of the undo.
            StaleReadError: What comes after the instance is undone, or the attempts before this one are made, else this
                would not be asked for; but that is not visible yet.
        """
        left = await self.look()
        if key not in left.undone and left.abandoned is None:
            instance = await self._due(left, key)
            if instance is not None and not await self._attempt(left, executor, instance, number):
                return
        # If it was undone already, whoever did that may have died before they went on.
        if await self._go_on(left, again=again):
            return
        now, staleness = self.clock.now(), self.records.store.limits.staleness
        if staleness and left.looked_at < now + staleness:
            # Who has undone something at the same moment may not be seen yet, nor see this: somebody looks again.
            left.looked_at = now + 2 * staleness
            await send_stop(self.backend, self.record, self.clock, delay=2 * staleness)

    async def _due(self, left: Left, key: str) -> Instance | None:
        """The instance, whose turn it must be; None if it is undone by now, or no more is to be."""
        for _ in range(2):
            instance = next((ready for ready in left.ready if ready.key == key), None)
            if instance is not None:
                return instance
            await self._learn(left, complete=True)
            if key in left.undone or left.abandoned is not None:
                return None
        raise StaleReadError(f"run {self.record.run_id!r}: what is undone before {key!r} is not visible yet")

    async def _attempt(self, left: Left, executor: Executor, instance: Instance, number: int) -> bool:
        """Make an attempt, if it is due and nobody else is at it; whether the undo has ended."""
        run_id, key, now = self.record.run_id, instance.key, self.clock.now()
        park = await parked(self.records, run_id, key)
        attempt = FIRST if park is None else park.next_attempt
        if attempt.number < number:
            raise StaleReadError(
                f"run {run_id!r}: the attempt before attempt {number} to undo {key!r} is not visible yet"
            )
        if park is not None and (park.due or 0.0) > now + _SOON:
            await self.send(instance, park)
            return False
        async with self.slots, self._held(key) as is_free:
            if not is_free:
                return False  # somebody is at it under another job, which comes again if they die
            if await self._look_up(left, [key]) or left.abandoned is not None:
                return True
            await self._bring(instance)
            troubles = len(left.troubles)
            ended = await executor.undo(instance, attempt)
            if len(left.troubles) > troubles:
                raise left.troubles[-1]  # results could not be read, by this undo or one beside it
            if isinstance(ended, Park):
                stored = await self.records.put(run_id, park_key(key, ended), park_to_record(ended))
                await self.send(instance, park_of(run_id, key, stored.value))
                return False
            await self._put(left, instance, ended)
        return True

    async def give_up(self, key: str, why: str, number: int) -> None:
        """An undo never comes to an end: it has failed for good, and the others go on.

        Args:
            key: The instance's.
            why: For people.
            number: How often it was tried.
        """
        left = await self.look()
        await self._learn(left, complete=True)
        for instance in left.ready:
            if instance.key == key:
                now = self.clock.now()
                error = node_error(UndoGivenUpError(why), instance, number)
                await self._put(left, instance, Undone(key, instance.vertex.id, error, number, now, now))
        await self._go_on(left, again=True)

    async def finish(self, left: Left) -> FinalState | None:
        """Write the status of a run of which all is undone; its state, if it was this call that did."""
        run_id, end = self.record.run_id, left.end
        failed = [undone for undone in left.undone.values() if undone.error is not None]
        told = [end.reason or reason_of_failures(errors_of(left.state.root))]
        told += [f"its undos were abandoned: {left.abandoned}"] if left.abandoned is not None else []
        told += [f"the undo of {undone.key!r} has failed: {undone.error}" for undone in failed]
        reason = safe_text("; ".join(filter(None, told)), REASON_LENGTH) or None
        has_ended = await end_recorded(self.backend, self.record, end.state, self.clock, self.journal, reason)
        self.kept.forget(self.record)
        if self.records.cache is not None:
            self.records.cache.forget(run_id)
        if not has_ended:
            return None
        if self.events is not None:
            self.events.ended(end.state)
        return end.state

    async def end(self) -> End:
        """How the run ends.

        Raises:
            StaleReadError: That is not visible yet.
        """
        end = await end_of(self.records, self.record.run_id)
        if end is None:
            raise StaleReadError(f"run {self.record.run_id!r}: that it was stopped is not visible yet")
        return end

    async def send(self, instance: Instance, park: Park | None = None) -> None:
        """Send the job of an undo, for when its next attempt is due: as late as the queue can, and then again."""
        now, due = self.clock.now(), None if park is None else park.due
        delay = min(max(0.0, (due or now) - now), self.backend.queue.limits.max_delay)
        job = self.record.job(instance.key + UNDO, now + delay, attempt=0 if park is None else park.next_attempt.number)
        queue = queue_named(self.backend, queue_of(instance, self.record.queue))
        await queue.send([Message(encode_job(job), self.record.run_id)], delay=delay)

    # --- what the facts say -----------------------------------------------------------------------------------------

    async def read(self) -> Left:
        """``look``, for who keeps nothing of the run."""
        end = await self.end()
        if not end.is_stop:
            raise StaleReadError(f"run {self.record.run_id!r} was not stopped: it has {end.state}")
        state = await self._closed()
        undone, abandoned = await undone_of(self.records, self.record.run_id, state)
        left = Left(end, state, Undoing(state.root, set(undone)), undone, abandoned)
        self._watch_reads(left)
        return left

    def _watch_reads(self, left: Left) -> None:
        """Have it noted if an undo cannot read results of a batch page by page: that is no failure of the undo's."""

        async def read(page: Callable[[], Awaitable[Sequence[Any]]]) -> Sequence[Any]:
            try:
                return await read_once_visible(page, self.records.store, self.clock)
            except BackendError as error:
                left.troubles.append(error)
                raise

        for scope in left.state.root.walk():
            for batch in scope.scope.constructs:
                outcome = scope.outcomes.get(batch.exit)
                if outcome is not None and isinstance(outcome.output, StoredResults):
                    scope.outcomes[batch.exit] = attrs.evolve(outcome, output=outcome.output.through(read))

    async def _closed(self) -> RunState:
        """What the facts say once each instance that is ready has an outcome, a void one if need be."""
        run_id = self.record.run_id
        while True:
            state = await whole_state(self.record, self.records, claimant=self.writer, stopped=True)
            left = [instance for instance in state.ready if instance.vertex.index not in instance.scope.outcomes]
            if not left:
                return state
            now = self.clock.now()
            for start in range(0, len(left), _VOIDED_AT_ONCE):
                some = left[start : start + _VOIDED_AT_ONCE]
                void = Outcome(void=True, started=now, ended=now)
                await asyncio.gather(*(self.records.put_outcome(run_id, i.key, void, self.writer) for i in some))

    async def _bring(self, instance: Instance) -> None:
        """Read what of an instance's input stands in pages, as was done before the step itself."""
        pages, scope = self.records.pages, instance.scope
        await pages.give(self.record.run_id, scope)
        while True:
            for batch in scope.scope.constructs:
                if looks_into(instance, scope.scope.vertices[batch.exit].id):
                    await pages.load(scope.at(batch.exit))
            if scope.parent is None:
                return
            scope = scope.parent

    async def _learn(self, left: Left, *, complete: bool = False) -> None:
        """Take in which undos have ended meanwhile: of many side by side not all, as long as one of them has not.

        Whoever ends the last one finds out of all the others; so each costs a request, and not one for each other.

        Args:
            left: What is known.
            complete: Look up all that are under way.
        """
        news = True
        while news:
            news, ready = False, left.ready
            for start in range(0, len(ready), _LOOKED_UP):
                some = [instance.key for instance in ready[start : start + _LOOKED_UP]]
                found = await self._look_up(left, some)
                news = news or found > 0
                if found < len(some) and not complete:
                    break

    async def _look_up(self, left: Left, keys: Sequence[str]) -> int:
        """Take in of some undos whether they have ended; how many have."""
        found, abandoned = await undone_among(self.records, self.record.run_id, keys)
        left.abandoned = left.abandoned or abandoned
        for undone in found:
            left.take_in(undone)
        return len(found)

    async def _put(self, left: Left, instance: Instance, undone: Undone) -> None:
        stored = await self.records.put(self.record.run_id, instance.key + UNDO, attrs.asdict(undone))
        left.take_in(undone if stored.won else undone_from_record(stored.value))
        if stored.won and self.events is not None:
            self.events.undone(instance, undone)

    # --- hints --------------------------------------------------------------------------------------------------------

    async def _is_ours(self, name: str) -> bool:
        """Whether a thing is for this job to do: of a call that was made again, the first may have said so."""
        store = self.backend.coordination
        return await store.set_if_absent(name, self.writer, ttl=_SENT) or await store.get(name) == self.writer

    @contextlib.asynccontextmanager
    async def _held(self, key: str) -> AsyncIterator[bool]:
        """Say, for as long as the block lasts, that somebody is at an undo; whether nobody else said so. A hint."""
        store, name = self.backend.coordination, held_key(self.record, key + UNDO)
        is_free = await store.set_if_absent(name, self.writer, ttl=_HELD) or await store.get(name) == self.writer

        async def renew() -> None:
            while True:
                await self.clock.sleep(_HELD / 3)
                await store.extend_ttl(name, self.writer, ttl=_HELD)

        renewing = asyncio.ensure_future(renew()) if is_free else None
        try:
            yield is_free
        finally:
            if renewing is not None:
                renewing.cancel()
                await asyncio.wait([renewing])
        if is_free:
            await store.delete(name)
