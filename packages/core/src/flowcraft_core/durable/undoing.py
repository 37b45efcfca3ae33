"""Brings a stopped run to its end: closes it, has what it has done undone, and only then writes its status.

Whoever comes by does all that is due, from the facts alone: a worker with the job that the stop has sent, or with that
for one undo, and the reconciler where such jobs were lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import attrs

from ..clock import Clock
from ..execution import FIRST, Executor
from ..failures import node_error
from ..graph.facts import Outcome, Park, Undone
from ..graph.failures import errors_of
from ..graph.instances import Instance
from ..graph.queues import queue_of
from ..graph.records import park_from_record, park_to_record, undone_from_record
from ..graph.state import RunState
from ..graph.undoing import Undoing
from ..jobs import encode_job
from ..logging.journal import Journal
from ..ports import REASON_LENGTH, Backend, FinalState, Message
from ..runtime import Emitter
from ..texts import safe_text
from .ends import UNDO, End, end_of, send_stop
from .queues import queue_named
from .runs import RunRecord
from .signals import end_recorded, held_key, reason_of_failures
from .storage import Records, StaleReadError, reading
from .view import whole_state

# For how long it is believed that somebody has sent the job of an undo, or is at it unless they say so again; seconds.
_SENT, _HELD = 7 * 86400.0, 60.0

# A job that comes by so little too early has come in time: clocks are not that exact. Seconds.
_SOON = 0.01

# Seconds between two looks at what may not be visible yet.
_PAUSE = 0.05

# So many void outcomes are put side by side, and so many park records of one undo looked for at once.
_VOIDED_AT_ONCE, _PARKS = 50, 8


class UndoGivenUpError(Exception):
    """Becomes the error of an undo that never came to an end."""


@attrs.frozen
class Left:
    """What is left of a run that was stopped.

    Attributes:
        state: What its facts say, now that no instance can get an outcome any more.
        undone: What was undone, or could not be, by the instances' keys.
        ready: The instances whose undo may begin; with none, all is undone.
    """

    state: RunState
    undone: Mapping[str, Undone]
    ready: tuple[Instance, ...]


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
        events: Tells what happens.
    """

    backend: Backend
    records: Records
    record: RunRecord
    clock: Clock
    journal: Journal
    writer: str
    events: Emitter | None = None

    async def look(self) -> Left:
        """Close the run, and see what is left to undo."""
        state = await self._closed()
        undone = await undone_of(self.records, self.record.run_id, state)
        return Left(state, undone, tuple(Undoing(state.root, set(undone)).ready()))

    async def go_on(self, *, again: bool = False) -> None:
        """Send the undos that may begin, and end the run if none is left.

        Args:
            again: Also those that somebody says to have sent: they may have died before they did.
        """
        left = await self.look()
        if not left.ready:
            await self.finish(left)
            return
        store, life = self.backend.coordination, self.record.life
        for instance in left.ready:
            name = f"undo:{life}:{instance.key}"
            # Of a call whose answer was lost, and which was made again, the first has set it.
            is_first = await store.set_if_absent(name, self.writer, ttl=_SENT) or await store.get(name) == self.writer
            if is_first or again:
                await self.send(instance)
        if staleness := self.records.store.limits.staleness:
            # Who has undone something at the same moment may not be seen yet, nor see this: one of both looks again.
            await send_stop(self.backend, self.record, self.clock, delay=staleness)

    async def undo(self, executor: Executor, key: str, *, again: bool) -> None:
        """Make an attempt at the undo of an instance, if it is due, and go on from there.

        Args:
            executor: Calls it.
            key: The instance's.
            again: The job is delivered again.

        Raises:
            ImplementationMissingError: This program has no implementation of the undo.
        """
        left = await self.look()
        instance = next((ready for ready in left.ready if ready.key == key), None)
        if instance is None:  # it is undone, and whoever did that may have died before they went on
            await self.go_on(again=again)
            return
        park = await self.parked(key)
        now = self.clock.now()
        if park is not None and (park.due or 0.0) > now + _SOON:
            await self.send(instance, due=park.due)
            return
        async with self._held(key) as is_free:
            if not is_free:
                return  # somebody is at it under another job, which comes again if they die
            ended = await executor.undo(instance, FIRST if park is None else park.next_attempt)
            if isinstance(ended, Park):
                stored = await self.records.put(self.record.run_id, _park_key(key, ended), park_to_record(ended))
                await self.send(instance, due=_park(self.record.run_id, key, stored.value).due)
                return
            await self._put(instance, ended)
        await self.go_on(again=again)

    async def give_up(self, key: str, why: str, number: int) -> None:
        """An undo never comes to an end: it has failed for good, and the others go on.

        Args:
            key: The instance's.
            why: For people.
            number: How often it was tried.
        """
        left = await self.look()
        for instance in left.ready:
            if instance.key == key:
                now = self.clock.now()
                error = node_error(UndoGivenUpError(why), instance, number)
                await self._put(instance, Undone(key, instance.vertex.id, error, number, now, now))
        await self.go_on(again=True)

    async def finish(self, left: Left) -> FinalState | None:
        """Write the status of a run of which all is undone; its state, if it was this call that did."""
        run_id = self.record.run_id
        end = await self.end()
        failed = [undone for undone in left.undone.values() if undone.error is not None]
        told = [end.reason or reason_of_failures(errors_of(left.state.root))]
        told += [f"the undo of {undone.key!r} has failed: {undone.error}" for undone in failed]
        reason = safe_text("; ".join(filter(None, told)), REASON_LENGTH) or None
        has_ended = await end_recorded(self.backend, self.record, end.state, self.clock, self.journal, reason)
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

    async def parked(self, key: str) -> Park | None:
        """The last park record of an instance's undo."""
        last, number = None, 1
        while True:
            keys = [f"{key}{UNDO}:attempt:{each}" for each in range(number, number + _PARKS)]
            found = await self.records.get_all(self.record.run_id, keys)
            for each in keys:
                if each not in found:
                    return last
                last = _park(self.record.run_id, each, found[each])
            number += _PARKS

    async def send(self, instance: Instance, *, due: float | None = None) -> None:
        """Send the job of an undo, for when it is due: as late as the queue can, and then again."""
        now = self.clock.now()
        delay = min(max(0.0, (due or now) - now), self.backend.queue.limits.max_delay)
        job = self.record.job(instance.key + UNDO, now + delay)
        queue = queue_named(self.backend, queue_of(instance, self.record.queue))
        await queue.send([Message(encode_job(job), self.record.run_id)], delay=delay)

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

    async def _put(self, instance: Instance, undone: Undone) -> None:
        stored = await self.records.put(self.record.run_id, instance.key + UNDO, attrs.asdict(undone))
        if stored.won and self.events is not None:
            self.events.undone(instance, undone)

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


async def undone_of(records: Records, run_id: str, state: RunState) -> dict[str, Undone]:
    """What was undone of a run, by the instances' keys, in the order in which that ended."""
    by_position = sorted(_with_undo(state), key=lambda instance: instance.scope.position(instance.vertex), reverse=True)
    keys = [instance.key for instance in by_position]
    found = await records.get_all(run_id, [key + UNDO for key in keys])
    undone = []
    for key in keys:
        if key + UNDO in found:
            with reading(run_id, key + UNDO):
                undone.append(undone_from_record(found[key + UNDO]))
    return {each.key: each for each in sorted(undone, key=lambda each: each.ended)}


async def settled_undone(
    records: Records, run_id: str, state: RunState, clock: Clock, *, has_ended: bool
) -> dict[str, Undone]:
    """``undone_of``, once it can be seen: of a run that has ended badly nothing is left to undo."""
    until = clock.now() + records.store.limits.staleness
    while True:
        undone = await undone_of(records, run_id, state)
        if not has_ended or clock.now() >= until or not Undoing(state.root, set(undone)).ready():
            return undone
        await clock.sleep(_PAUSE)


def void_instances(state: RunState) -> list[Instance]:
    """The instances that were voided as the run was stopped: they may have been under way."""
    return [scope.at(index) for scope in state.root.walk() for index, outcome in scope.outcomes.items() if outcome.void]


async def undo_keys(records: Records, run_id: str, instances: Iterable[Instance]) -> list[str]:
    """The keys of all facts that there may be of the undos of instances."""
    keys: list[str] = []
    for instance in instances:
        if instance.vertex.undo is not None:
            keys += [instance.key + UNDO, *(await _park_keys(records, run_id, instance.key))]
    return keys


async def _park_keys(records: Records, run_id: str, key: str) -> list[str]:
    keys: list[str] = []
    while True:
        some = [f"{key}{UNDO}:attempt:{each}" for each in range(len(keys) + 1, len(keys) + 1 + _PARKS)]
        found = await records.get_all(run_id, some)
        keys += some
        if some[-1] not in found:
            return keys


def _with_undo(state: RunState) -> Iterable[Instance]:
    for scope in state.root.walk():
        for index in scope.outcomes:
            if scope.scope.vertices[index].undo is not None:
                yield scope.at(index)


def _park_key(key: str, park: Park) -> str:
    return f"{key}{UNDO}:attempt:{park.attempt + park.deferred}"


def _park(run_id: str, key: str, record: Mapping[str, Any]) -> Park:
    with reading(run_id, key):
        return park_from_record(record)
