"""Brings a stopped run to its end: closes it, has what it has done undone, and only then writes its status.

Whoever comes by does all that is due, from the facts alone: a worker with the job that the stop has sent, or with that
for one undo, and the reconciler where such jobs were lost.

So it is with a call that has failed and undoes itself before that counts: it is closed and undone like a run, and where
the status would be written it is said that it is undone; then a job goes on from there. Of several that are stopped one
inside the other, each has undone what its own order says: an undo may begin once one of them says so, and whoever has
ended one goes on in all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from ..clock import Clock
from ..errors import BackendError
from ..execution import FIRST, Executor
from ..failures import node_error
from ..graph.facts import Outcome, Suspension, Undone
from ..graph.failures import errors_of
from ..graph.instances import Instance, ScopeState
from ..graph.partial import find_call, looks_into
from ..graph.queues import queue_of
from ..graph.records import suspension_to_record, undone_from_record
from ..graph.state import RunState
from ..graph.undoing import Undoing, calls_around
from ..jobs import encode_job
from ..logging.catalogue import UNAVAILABLE, UNDO_FAILED, UNDONE
from ..logging.journal import Journal
from ..ports import REASON_LENGTH, Backend, FinalState, Message
from ..texts import safe_text
from .caches import Memory, weight_of_outcome
from .ends import UNDO, UNDONE_KEY, End, end_of, say_undone, send_stop, stopped_among
from .gathered import StoredResults
from .leases import say_again
from .queues import queue_named
from .runs import RunRecord
from .signals import end_recorded, held_key, reason_of_failures
from .storage import Records, StaleReadError, read_once_visible
from .undone import suspended, suspension_key, suspension_of, undone_among, undone_of
from .whole import whole_state

if TYPE_CHECKING:
    from ..runtime import Emitter

# For how long it is believed that somebody has sent the job of an undo, or is at it unless they say so again; seconds.
_SENT, _HELD = 7 * 86400.0, 60.0

# A job that comes by so little too early has come in time: clocks are not that exact. Seconds.
_SOON = 0.01

# What a scope takes of memory with what is known of its undos, beside its outcomes, bytes.
_SCOPE = 2_000

# So many void outcomes are put side by side; and of so many undos at once it is looked up whether they have ended.
_VOIDED_AT_ONCE, _LOOKED_UP = 50, 50


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

    def weight(self) -> int:
        """The memory that it takes, bytes, about."""
        return sum(
            _SCOPE + sum(weight_of_outcome(outcome) for outcome in scope.outcomes.values())
            for scope in self.state.root.walk()
        )

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
    """What a worker keeps of the stopped runs that it undoes, and of stopped calls.

    Attributes:
        memory: Where it is kept.
    """

    memory: Memory = attrs.field(factory=Memory)
    _latest: tuple[str, Left] | None = None  # however large it is: else each of its jobs would read it all
    _reading: dict[str, asyncio.Lock] = attrs.field(factory=dict)

    async def of(self, run: StoppedRun) -> Left:
        """What is left of a run; read once, however many of its jobs come at once."""
        name = _left_key(run)
        try:
            async with self._reading.setdefault(name, asyncio.Lock()):
                left = self._kept(run)
                if left is None:
                    left = await run.read()
                    self.memory.put(run.record.run_id, name, left, left.weight())
                self._latest = name, left
        finally:
            self._reading.pop(name, None)
        return left

    def knows(self, run: StoppedRun) -> bool:
        """Whether it is known that a run is stopped."""
        return self._kept(run) is not None

    def forget(self, run: StoppedRun) -> None:
        """Drop what is kept of a run, or of a call, and of all that is inside."""
        prefix = _left_key(run)
        for key in self.memory.keys(run.record.run_id):
            if key.startswith(prefix):
                self.memory.pop(run.record.run_id, key)
        if self._latest is not None and self._latest[0].startswith(prefix):
            self._latest = None

    def _kept(self, run: StoppedRun) -> Left | None:
        name = _left_key(run)
        if self._latest is not None and self._latest[0] == name:
            return self._latest[1]
        kept: Left | None = self.memory.get(run.record.run_id, name)
        return kept


def _left_key(run: StoppedRun) -> str:
    """What is left of a run, or of a call, among what is kept of the run: no fact has such a key."""
    return f":left:{run.record.incarnation}:{run.root}"


@attrs.frozen(kw_only=True)
class StoppedRun:
    """A run that was stopped, or a call of it, for whoever brings it on.

    Attributes:
        backend: Where it is.
        records: The backend's records.
        record: The run's record.
        root: Of a call what the keys inside of it begin with.
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
    root: str = ""
    clock: Clock
    journal: Journal
    writer: str
    kept: StoppedRuns = attrs.field(factory=StoppedRuns)
    events: Emitter | None = None
    slots: asyncio.Semaphore | None = None

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
        for run in await self._stopped_around(self.root):
            await run._go_on(await run.look(), again=again)

    async def _go_on(self, left: Left, *, again: bool = False) -> bool:
        """``go_on``; whether there was something to do."""
        await self._learn(left)
        opened = False
        for instance in left.ready:
            if again or instance.key not in left.asked:
                left.asked.add(instance.key)
                if await self._is_ours(f"undo:{self.record.incarnation}:{instance.key}"):
                    await self.send(instance)
                    opened = True
        if not left.ready:
            await self.finish(left, again=again)
            return True
        return opened

    async def is_stopped_around(self, call: str) -> bool:
        """Whether it is visible that the run is stopped, or a call around one that is undone: that is no more gone on.

        Args:
            call: The root of the one that is undone.
        """
        roots = ["", *calls_around(call, self.record.graph, self.record.graphs.__getitem__)]
        return bool(await stopped_among(self.records, self.record.run_id, [root for root in roots if root != call]))

    async def _stopped_around(self, key: str) -> list[StoppedRun]:
        """The run, and the calls around an instance that undo themselves, as far as they are stopped; outermost first.

        Args:
            key: The instance's, or the root of a call, which is one of them.

        Raises:
            StaleReadError: None is, as far as is visible.
        """
        roots = ["", *calls_around(key, self.record.graph, self.record.graphs.__getitem__)]
        around = [attrs.evolve(self, root=root) for root in roots]
        if len(around) == 1:
            return around  # whoever looks finds out
        unknown = [run.root for run in around if not self.kept.knows(run)]
        stopped = await stopped_among(self.records, self.record.run_id, unknown)
        found = [run for run in around if run.root in stopped or run.root not in unknown]
        if not found:
            raise StaleReadError(f"run {self.record.run_id!r}: that {key or 'it'!r} was stopped is not visible yet")
        return found

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
        around = [(run, await run.look()) for run in await self._stopped_around(key)]
        if not any(key in left.undone or left.abandoned is not None for _, left in around):
            found = await self._due(around, key)
            if found is not None and not await self._attempt(*found, executor, number):
                return
        # If it was undone already, whoever did that may have died before they went on.
        if any([await run._go_on(left, again=again) for run, left in around]):
            return
        now, staleness, left = self.clock.now(), self.records.store.limits.staleness, around[-1][1]
        if staleness and left.looked_at < now + staleness:
            # Who has undone something at the same moment may not be seen yet, nor see this: somebody looks again.
            left.looked_at = now + 2 * staleness
            root = around[-1][0].root
            await send_stop(self.backend, self.record, self.clock, root=root, delay=2 * staleness)

    @staticmethod
    async def _due(around: Sequence[tuple[StoppedRun, Left]], key: str) -> tuple[Left, Instance] | None:
        """The instance, whose turn it must be; None if it is undone by now, or no more is to be."""
        for _ in range(2):
            for _, left in around:
                instance = next((ready for ready in left.ready if ready.key == key), None)
                if instance is not None:
                    return left, instance
            for run, left in around:
                await run._learn(left, complete=True)
            if any(key in left.undone or left.abandoned is not None for _, left in around):
                return None
        run_id = around[0][0].record.run_id
        raise StaleReadError(f"run {run_id!r}: what is undone before {key!r} is not visible yet")

    async def _attempt(self, left: Left, instance: Instance, executor: Executor, number: int) -> bool:
        """Make an attempt, if it is due and nobody else is at it; whether the undo has ended."""
        run_id, key, now = self.record.run_id, instance.key, self.clock.now()
        suspension = await suspended(self.records, run_id, key)
        attempt = FIRST if suspension is None else suspension.next_attempt
        if attempt.number < number:
            raise StaleReadError(
                f"run {run_id!r}: the attempt before attempt {number} to undo {key!r} is not visible yet"
            )
        if suspension is not None and (suspension.due or 0.0) > now + _SOON:
            await self.send(instance, suspension)
            return False
        async with self.slots or contextlib.nullcontext(), self._held(key) as is_free:
            if not is_free:
                return False  # somebody is at it under another job, which comes again if they die
            if await self._look_up(left, [key]) or left.abandoned is not None:
                return True
            await self._bring(instance)
            troubles = len(left.troubles)
            ended = await executor.undo(instance, attempt)
            if len(left.troubles) > troubles:
                raise left.troubles[-1]  # results could not be read, by this undo or one beside it
            if isinstance(ended, Suspension):
                stored = await self.records.put(run_id, suspension_key(key, ended), suspension_to_record(ended))
                await self.send(instance, suspension_of(run_id, key, stored.value))
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
        around = [(run, await run.look()) for run in await self._stopped_around(key)]
        for run, left in around:
            await run._learn(left, complete=True)
        instances = {instance.key: (run, left, instance) for run, left in around for instance in left.ready}
        if key in instances:
            run, left, instance = instances[key]
            now = self.clock.now()
            error = UndoGivenUpError(why)
            failed = node_error(error, instance, number)
            await run._put(left, instance, Undone(key, instance.vertex.id, failed, number, now, now))
            self._journal.tell(UNDO_FAILED, error, at=instance, attempt=number)
        for run, left in around:
            await run._go_on(left, again=True)

    async def finish(self, left: Left, *, again: bool = False) -> FinalState | None:
        """Write the status of a run of which all is undone; its state, if it was this call that did.

        Of a call it is said that it is undone, and a job goes on from there.

        Args:
            left: What is known of it: nothing is left.
            again: Whoever has said so may have died before they sent that job.
        """
        if self.root:
            await self._finish_call(left, again=again)
            return None
        run_id, end = self.record.run_id, left.end
        failed = [undone for undone in left.undone.values() if undone.error is not None]
        told = [end.reason or reason_of_failures(errors_of(left.state.root))]
        told += [f"its undos were abandoned: {left.abandoned}"] if left.abandoned is not None else []
        told += [f"the undo of {undone.key!r} has failed: {undone.error}" for undone in failed]
        reason = safe_text("; ".join(filter(None, told)), REASON_LENGTH) or None
        has_ended = await end_recorded(self.backend, self.record, end.state, self.clock, self.journal, reason)
        self.kept.forget(self)
        self.kept.memory.end(run_id)
        if not has_ended:
            return None
        if self.events is not None:
            self.events.ended(end.state)
        return end.state

    async def _finish_call(self, left: Left, *, again: bool) -> None:
        if left.abandoned is not None:
            return  # so the run is stopped, and ends as it is
        self.kept.forget(self)
        is_ours = await say_undone(self.records, self.record.run_id, self.root, self.clock.now())
        if is_ours or again:
            await send_stop(self.backend, self.record, self.clock, root=self.root, key=UNDONE_KEY)

    @property
    def _journal(self) -> Journal:
        return self.journal.bind(run_id=self.record.run_id)

    async def end(self) -> End:
        """How the run ends.

        Raises:
            StaleReadError: That is not visible yet.
        """
        end = await end_of(self.records, self.record.run_id, self.root)
        if end is None:
            raise StaleReadError(f"run {self.record.run_id!r}: that it was stopped is not visible yet")
        return end

    async def send(self, instance: Instance, suspension: Suspension | None = None, *, revival: str = "") -> None:
        """Send the job of an undo, for when its next attempt is due: as late as the queue can, and then again."""
        now, due = self.clock.now(), None if suspension is None else suspension.due
        delay = min(max(0.0, (due or now) - now), self.backend.queue.limits.max_delay)
        attempt = 0 if suspension is None else suspension.next_attempt.number
        job = self.record.job(instance.key + UNDO, now + delay, attempt=attempt, timer=delay > 0, revival=revival)
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
        top = find_call(state, self.root) if self.root else state.root
        assert isinstance(top, ScopeState)  # what leads to it has been read
        left = Left(end, state, Undoing(top, set(undone)), undone, abandoned)
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
            state = await whole_state(self.record, self.records, claimant=self.writer, stopped=True, root=self.root)
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
            if scope.parent is None or scope.scope.namespace:
                return  # what is around a call cannot be named in it
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
        if not stored.won:
            return
        if undone.error is None:
            self._journal.tell(UNDONE, at=instance, attempt=undone.attempts)
        if self.events is not None:
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
                try:
                    await say_again(store, name, self.writer, ttl=_HELD)
                except Exception as error:  # whatever it is, it is to be said again
                    self._journal.tell(UNAVAILABLE, error, operation="tell", times=1)

        renewing = asyncio.ensure_future(renew()) if is_free else None
        try:
            yield is_free
        finally:
            if renewing is not None:
                renewing.cancel()
                await asyncio.wait([renewing])
        if is_free:
            await store.delete(name, value=self.writer)
