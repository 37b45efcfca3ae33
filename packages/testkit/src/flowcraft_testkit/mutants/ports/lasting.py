"""Stores that forget too early, too late, a half, or what is too much at a time."""

# ruff: noqa: D102 - a class says what is wrong with it, and the port what its methods are to do
# mypy: disable-error-code="no-any-return"
# What is broken is passed on untyped.
from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import Fact, Page, PositionedValue, RunStatus

from ...contracts import ContextStoreContract, CoordinationStoreContract, StatusStoreContract
from .port import BrokenContext, BrokenCoordination, BrokenStatus, caught_by

_YEAR = 365 * 86_400.0
_LIVE = ("running", "awaiting")


# --- the context store ------------------------------------------------------------------------------------------------


@caught_by(ContextStoreContract.test_a_deletion_has_a_position_like_any_value)
class DeletedIsOverwritten(BrokenContext):
    """Takes a deleted value for one that was never set."""

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        for name, standing in (await self._port.values(run_id, list(values))).items():
            if standing.body is None and values[name].body is not None:
                await self._port.delete(run_id, keys=[], names=[name])
        await self._port.apply(run_id, values)


@caught_by(ContextStoreContract.test_any_sequence_of_calls_does_what_the_port_says)
class FactsRemembered(BrokenContext):
    """Remembers what it has read, also when another client has deleted it."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._seen: dict[tuple[str, str], Fact] = {}

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        for key, fact in (await self._port.get(run_id, keys)).items():
            self._seen[run_id, key] = fact
        return {key: self._seen[run_id, key] for key in keys if (run_id, key) in self._seen}

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        for key in keys:
            self._seen.pop((run_id, key), None)
        await self._port.delete(run_id, keys=keys, names=names)


@caught_by(ContextStoreContract.test_any_sequence_of_calls_does_what_the_port_says)
class EmptyIsNothing(BrokenContext):
    """Takes an empty fact for none."""

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        standing = await self._port.put(run_id, key, fact)
        if standing is None or standing.body:
            return standing
        await self.overwrite(run_id, key, fact)
        return None


@caught_by(ContextStoreContract.test_any_number_of_keys_and_names_is_deleted_by_one_call)
class KeysOrNamesDeleted(BrokenContext):
    """Deletes values only if no keys are named."""

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        await self._port.delete(run_id, keys=keys, names=[] if keys else names)


@caught_by(ContextStoreContract.test_any_number_of_keys_and_names_is_deleted_by_one_call)
class FirstNamesDeleted(BrokenContext):
    """Deletes as many values as go into one request."""

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        await self._port.delete(run_id, keys=keys, names=names[: self._port.limits.max_keys_read])


@caught_by(ContextStoreContract.test_many_long_values_are_set_by_one_call)
class LongValuesLeftOut(BrokenContext):
    """Sets as many values as the service takes bytes in one request."""

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        size, some = 0, {}
        for name, value in values.items():
            size += len(value.body or b"")
            if size <= 16_000_000:
                some[name] = value
        await self._port.apply(run_id, some)


@caught_by(ContextStoreContract.test_nothing_expires)
class FactsExpire(BrokenContext):
    """Keeps facts for a year, as a table with a time to live does."""

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        records = self._port._facts._records
        versions = {key: records[run_id, key]._versions[-1] for key in keys if (run_id, key) in records}
        clock = self._port._facts._new_record()._clock
        young = [key for key in keys if key not in versions or clock.now() - versions[key].written < _YEAR]
        return await self._port.get(run_id, young)


@caught_by(ContextStoreContract.test_calls_at_once_are_as_if_made_one_after_the_other)
class HalfOfAFactIsSeen(BrokenContext):
    """Puts a fact without its body first."""

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        standing = await self._port.put(run_id, key, attrs.evolve(fact, body=b""))
        if standing is None:
            self._port._facts.write_if(run_id, key, fact, lambda stands: True, writer=None)
        return standing


@caught_by(ContextStoreContract.test_a_cancelled_call_is_made_whole_or_not_at_all)
class PositionsFirst(BrokenContext):
    """Sets positions first, and what stands there in a second step."""

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        before = await self._port.values(run_id, list(values))
        await self._port.apply(run_id, {name: attrs.evolve(value, body=None) for name, value in values.items()})
        for name, value in values.items():
            if name not in before or before[name].position < value.position:
                await self.set(run_id, name, value)


# --- the status store -------------------------------------------------------------------------------------------------


@caught_by(StatusStoreContract.test_a_clock_that_is_behind_changes_nothing)
class ClockBehindIgnored(BrokenStatus):
    """Takes a change that is earlier than the last one for an old one."""

    async def touch(self, run_id: str, *, at: float, **change: Any) -> bool:
        standing = await self._port.get(run_id)
        if standing is not None and standing.state in _LIVE and at < standing.updated:
            return True
        return await self._port.touch(run_id, at=at, **change)


@caught_by(StatusStoreContract.test_a_clock_that_is_behind_changes_nothing)
class ClockBehindDoesNotEnd(BrokenStatus):
    """Refuses an end that is earlier than the last change."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        standing = await self._port.get(run_id)
        if standing is not None and at < standing.updated:
            return False
        return await self._port.finish(run_id, state, at=at, reason=reason)


@caught_by(StatusStoreContract.test_the_same_end_from_two_callers_is_one_callers)
class SameEndTwice(BrokenStatus):
    """Takes an equal end for its own whose answer was lost."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        ended = await self._port.finish(run_id, state, at=at, reason=reason)
        standing: RunStatus | None = await self._port.get(run_id)
        mine = standing and (standing.state, standing.updated, standing.reason) == (state, at, reason)
        return bool(ended or mine)


@caught_by(StatusStoreContract.test_pages_are_turned_over_any_run_id)
class CursorReadAsWords(BrokenStatus):
    """Reads a cursor up to the first white space in it."""

    async def find(self, *, cursor: str | None = None, **query: Any) -> Page:
        return await self._port.find(cursor=cursor and (cursor.split() or [cursor])[0], **query)


@caught_by(StatusStoreContract.test_a_dead_letter_keeps_the_longest_message_that_the_queue_takes)
class LongBodyCut(BrokenStatus):
    """Keeps what goes into a column of text."""

    async def create(self, status: RunStatus) -> bool:
        return await self._port.create(attrs.evolve(status, body=status.body and status.body[:32_000]))


@caught_by(StatusStoreContract.test_a_long_reason_keeps_no_run_from_ending)
class LongReasonRefused(BrokenStatus):
    """Passes on that the service refuses a long item."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        if len(reason or "") > 400_000:
            raise BackendError("Item size has exceeded the maximum allowed size")
        return await self._port.finish(run_id, state, at=at, reason=reason)


@caught_by(StatusStoreContract.test_a_long_reason_keeps_no_run_from_ending)
class ReasonInOneLine(BrokenStatus):
    """Keeps as much of a reason as is shown in a list."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        return await self._port.finish(run_id, state, at=at, reason=reason and reason[:255])


@caught_by(StatusStoreContract.test_nothing_expires)
class StatusesExpire(BrokenStatus):
    """Keeps statuses for a year, as a table with a time to live does."""

    async def get(self, run_id: str) -> RunStatus | None:
        record = self.effects._records.get(run_id)
        if record is not None and record._clock.now() - record._versions[-1].written > _YEAR:
            return None
        return await self._port.get(run_id)


@caught_by(StatusStoreContract.test_calls_at_once_are_as_if_made_one_after_the_other)
class EndedInTwoSteps(BrokenStatus):
    """Ends a run first, and says why in a second step."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        ended = await self._port.finish(run_id, state, at=at)
        if ended:
            for _ in range(3):
                await asyncio.sleep(0)
            record = self.effects._records[run_id]
            if record.newest is not None and record.newest.state == state:
                record.write(attrs.evolve(record.newest, reason=reason), None)
        return ended


@caught_by(StatusStoreContract.test_a_cancelled_call_is_made_whole_or_not_at_all)
class CreatedInTwoSteps(BrokenStatus):
    """Creates a status first, and gives it its tags in a second step."""

    async def create(self, status: RunStatus) -> bool:
        created = await self._port.create(attrs.evolve(status, tags={}))
        record = self.effects._records[status.run_id]
        if created and record.newest == attrs.evolve(status, tags={}):
            record.write(status, None)
        return created


@caught_by(StatusStoreContract.test_any_sequence_of_calls_does_what_the_port_says)
class EndsRemembered(BrokenStatus):
    """Remembers that a run has ended, also when it was deleted and began again."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._ended: set[str] = set()

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        if run_id in self._ended:
            return False
        ended = await self._port.finish(run_id, state, at=at, reason=reason)
        if ended:
            self._ended.add(run_id)
        return ended


# --- the coordination store -------------------------------------------------------------------------------------------


@caught_by(CoordinationStoreContract.test_reading_renews_nothing)
class ReadingRenews(BrokenCoordination):
    """Gives a lease a new time whenever somebody looks at it."""

    async def get(self, key: str) -> str | None:
        if entry := self.effects._get(key):
            entry.expires = max(entry.expires, self.effects._clock.now() + 60.0)
        return await self._port.get(key)


@caught_by(CoordinationStoreContract.test_times_between_whole_seconds_are_not_cut)
class TimeToLiveInWholeSeconds(BrokenCoordination):
    """Cuts the fraction of a second off a lease's time."""

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        return await self._port.set_if_absent(key, value, ttl=int(ttl))


@caught_by(CoordinationStoreContract.test_times_between_whole_seconds_are_not_cut)
class RenewalInWholeSeconds(BrokenCoordination):
    """Cuts the fraction of a second off a renewal."""

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        return await self._port.extend_ttl(key, value, ttl=int(ttl))


@caught_by(CoordinationStoreContract.test_any_sequence_of_calls_does_what_the_port_says)
class RenewedOnce(BrokenCoordination):
    """Renews the same lease once, and says that it does so again."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._renewed: set[tuple[str, str]] = set()

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        if (key, value) in self._renewed:
            return await self._port.get(key) == value
        self._renewed.add((key, value))
        return await self._port.extend_ttl(key, value, ttl=ttl)


@caught_by(CoordinationStoreContract.test_a_long_time_to_live_is_kept_to_its_end)
class AWeekAtMost(BrokenCoordination):
    """Keeps a set for a week at most."""

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        return await self._port.add_members(key, *members, ttl=min(ttl, 7 * 86_400.0))


@caught_by(CoordinationStoreContract.test_calls_at_once_are_as_if_made_one_after_the_other)
class MembersOneByOne(BrokenCoordination):
    """Adds each of several members by a request of its own."""

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        return [await self._port.add_members(key, member, ttl=ttl) for member in members][-1]


@caught_by(CoordinationStoreContract.test_a_cancelled_call_is_made_whole_or_not_at_all)
class TakenThenTimed(BrokenCoordination):
    """Takes a lease for good, and says for how long in a second step."""

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        taken = await self._port.set_if_absent(key, value, ttl=1e9)
        if taken:
            await self._port.extend_ttl(key, value, ttl=ttl)
        return taken
