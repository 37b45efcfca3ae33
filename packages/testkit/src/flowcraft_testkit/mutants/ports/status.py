"""Status stores that end runs twice, or bring them back."""

# ruff: noqa: D102 - a class says what is wrong with it, and the port what its methods are to do
# mypy: disable-error-code="no-any-return"
# What is broken is passed on untyped.
from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core.ports import Page, RunStatus

from ...contracts import StatusStoreContract
from .port import BrokenStatus, caught_by, private_backend

LIVE = ("running", "awaiting")


@caught_by(StatusStoreContract.test_a_run_has_one_status)
class CreateOverwrites(BrokenStatus):
    """Starts a run over."""

    async def create(self, status: RunStatus) -> bool:
        is_new = await self._port.get(status.run_id) is None
        await self.overwrite(status)
        return is_new


@caught_by(StatusStoreContract.test_of_racing_creators_one_wins)
class LookedThenCreated(BrokenStatus):
    """Creates in a second step what it did not find in a first one."""

    async def create(self, status: RunStatus) -> bool:
        if await self._port.get(status.run_id):
            return False
        await self.overwrite(status)
        return True


@caught_by(StatusStoreContract.test_a_status_reads_as_it_was_created)
class WholeSeconds(BrokenStatus):
    """Stores times without their fraction."""

    async def create(self, status: RunStatus) -> bool:
        return await self._port.create(attrs.evolve(status, created=float(int(status.created))))


@caught_by(StatusStoreContract.test_statuses_outlive_their_client)
class StatusesOfTheClient(BrokenStatus):
    """Keeps statuses in the memory of the client that created them."""

    def __init__(self, port: Any) -> None:
        super().__init__(private_backend().status)


@caught_by(StatusStoreContract.test_a_deleted_run_can_be_started_again)
class DeletedIsTaken(BrokenStatus):
    """Leaves a mark under a deleted run id that stands against a new run."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._deleted: set[str] = set()

    async def create(self, status: RunStatus) -> bool:
        return status.run_id not in self._deleted and await self._port.create(status)

    async def delete(self, run_id: str) -> None:
        self._deleted.add(run_id)
        await self._port.delete(run_id)


@caught_by(StatusStoreContract.test_a_stored_status_does_not_change_with_what_the_caller_has)
class TagsShared(BrokenStatus):
    """Keeps the caller's own dict."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._mine: dict[str, RunStatus] = {}

    async def create(self, status: RunStatus) -> bool:
        self._mine[status.run_id] = status
        return await self._port.create(status)

    async def get(self, run_id: str) -> RunStatus | None:
        return self._mine.get(run_id) or await self._port.get(run_id)


@caught_by(StatusStoreContract.test_every_run_id_is_a_name_of_its_own)
class RunIdsTrimmed(BrokenStatus):
    """Trims run ids."""

    async def create(self, status: RunStatus) -> bool:
        return await self._port.create(attrs.evolve(status, run_id=status.run_id.strip()))

    async def get(self, run_id: str) -> RunStatus | None:
        found = await self._port.get(run_id.strip())
        return found and attrs.evolve(found, run_id=run_id)


@caught_by(StatusStoreContract.test_a_final_run_is_never_touched)
class TouchRevives(BrokenStatus):
    """Touches whatever the state."""

    async def touch(self, run_id: str, *, at: float, next_check: float | None, state: Any = None) -> bool:
        status = await self._port.get(run_id)
        if status is None:
            return False
        await self.overwrite(status, updated=at, next_check=next_check, state=state or status.state)
        return True


@caught_by(StatusStoreContract.test_changing_what_is_not_there_creates_nothing)
class TouchCreates(BrokenStatus):
    """Updates or inserts."""

    async def touch(self, run_id: str, *, at: float, next_check: float | None, state: Any = None) -> bool:
        await self._port.create(RunStatus(run_id=run_id, state="running", blueprint_id="", created=at, updated=at))
        return await self._port.touch(run_id, at=at, next_check=next_check, state=state)


@caught_by(StatusStoreContract.test_touching_sets_what_it_names_and_keeps_the_rest)
class NoTimeKeepsTheOld(BrokenStatus):
    """Takes a next check of None for "as it was"."""

    async def touch(self, run_id: str, *, at: float, next_check: float | None, state: Any = None) -> bool:
        status = await self._port.get(run_id)
        kept = status.next_check if status and next_check is None else next_check
        return await self._port.touch(run_id, at=at, next_check=kept, state=state)


@caught_by(StatusStoreContract.test_an_end_stands_against_racing_touches)
class LookedThenTouched(BrokenStatus):
    """Writes back in a second step what it read in a first one."""

    async def touch(self, run_id: str, *, at: float, next_check: float | None, state: Any = None) -> bool:
        status = await self._port.get(run_id)
        if status is None or status.state not in LIVE:
            return False
        await self.overwrite(status, updated=at, next_check=next_check, state=state or status.state)
        return True


@caught_by(StatusStoreContract.test_a_dead_letter_is_no_live_run)
class DeadLetterEnded(BrokenStatus):
    """Takes all for live that is not final."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        status = await self._port.get(run_id)
        if status and status.state == "dead":
            await self.overwrite(status, state=state, updated=at, reason=reason)
            return True
        return await self._port.finish(run_id, state, at=at, reason=reason)


@caught_by(StatusStoreContract.test_a_schedule_is_touched_and_is_no_run)
class ScheduleNeverTouched(BrokenStatus):
    """Touches runs only, so that a schedule is looked at for ever, or never again."""

    async def touch(self, run_id: str, *, at: float, next_check: float | None, state: Any = None) -> bool:
        status = await self._port.get(run_id)
        if status is not None and status.state == "schedule":
            return False
        return await self._port.touch(run_id, at=at, next_check=next_check, state=state)


@caught_by(StatusStoreContract.test_a_schedule_is_touched_and_is_no_run)
class ScheduleBecomesARun(BrokenStatus):
    """Reports a schedule as a run, if it is asked to."""

    async def touch(self, run_id: str, *, at: float, next_check: float | None, state: Any = None) -> bool:
        status = await self._port.get(run_id)
        if status is not None and status.state == "schedule" and state is not None:
            await self.overwrite(status, updated=at, next_check=next_check, state=state)
            return True
        return await self._port.touch(run_id, at=at, next_check=next_check, state=state)


@caught_by(StatusStoreContract.test_a_schedule_is_touched_and_is_no_run)
class ScheduleEnded(BrokenStatus):
    """Ends a schedule as if it were a run."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        status = await self._port.get(run_id)
        if status and status.state == "schedule":
            await self.overwrite(status, state=state, updated=at, next_check=None, reason=reason)
            return True
        return await self._port.finish(run_id, state, at=at, reason=reason)


@caught_by(StatusStoreContract.test_a_run_ends_once)
class FinishedTwice(BrokenStatus):
    """Tells everyone that it was they who ended the run."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        await self._port.finish(run_id, state, at=at, reason=reason)
        return await self._port.get(run_id) is not None


@caught_by(StatusStoreContract.test_a_run_ends_once)
class LastEndStands(BrokenStatus):
    """Tells who was first, and lets the last one stand."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        first: bool = await self._port.finish(run_id, state, at=at, reason=reason)
        if status := await self._port.get(run_id):
            await self.overwrite(status, state=state, updated=at, reason=reason)
        return first


@caught_by(StatusStoreContract.test_a_run_ends_once)
class FinalStaysDue(BrokenStatus):
    """Lets reconcilers look at ended runs for ever."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        before = await self._port.get(run_id)
        ended: bool = await self._port.finish(run_id, state, at=at, reason=reason)
        if ended and (status := await self._port.get(run_id)):
            await self.overwrite(status, next_check=before.next_check)
        return ended


@caught_by(StatusStoreContract.test_of_racing_ends_one_stands)
class LookedThenFinished(BrokenStatus):
    """Ends in a second step what it found live in a first one."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        status = await self._port.get(run_id)
        if status is None or status.state not in LIVE:
            return False
        await self.overwrite(status, state=state, updated=at, next_check=None, reason=reason)
        return True


@caught_by(StatusStoreContract.test_the_store_holds_the_status_as_it_is)
class ReasonsRemembered(BrokenStatus):
    """Remembers why a run has ended, and stores nothing of it."""

    async def finish(self, run_id: str, state: Any, *, at: float, reason: str | None = None) -> bool:
        ended: bool = await self._port.finish(run_id, state, at=at)
        if ended:
            self.effects.__dict__.setdefault("reasons", {})[run_id] = reason
        return ended

    async def get(self, run_id: str) -> RunStatus | None:
        status = await self._port.get(run_id)
        reasons = self.effects.__dict__.get("reasons", {})
        return attrs.evolve(status, reason=reasons[run_id]) if status and run_id in reasons else status

    async def find(self, **query: Any) -> Page:
        page = await self._port.find(**query)
        return attrs.evolve(page, items=[await self.get(status.run_id) or status for status in page.items])
