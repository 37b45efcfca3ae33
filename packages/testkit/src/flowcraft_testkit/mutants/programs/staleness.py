"""Programs that take what they read for all that there is, where what was written last may not be visible yet."""

from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core.durable import client as client_module
from flowcraft_core.durable import purging as purging_module
from flowcraft_core.durable import resuming as resuming_module
from flowcraft_core.durable import undoing as undoing_module
from flowcraft_core.durable.handler import JobHandler
from flowcraft_core.durable.scheduling.standing import Done, note_done
from flowcraft_core.durable.storage import StaleReadError
from flowcraft_core.durable.stored_runs import StoredRuns
from flowcraft_core.durable.undone import undone_of
from flowcraft_core.durable.view import RunView

from ...contracts import BackendContract
from ..mutant import replaces, sets


@replaces(
    (StoredRuns, "settled"),
    caught_by=BackendContract.test_what_items_of_a_large_batch_leave_is_in_the_result,
    name="staleness.ClientReadsOnce",
    stale=True,
)
async def reads_once(original: Any, self: Any, read: Any, is_all: Any = None) -> Any:
    """Reads for a client once, and takes what is not to be seen for what is not there."""
    return await read()


@replaces(
    (StoredRuns, "settled"),
    caught_by=BackendContract.test_a_client_that_is_answered_late_asks_again,
    name="staleness.LateAnswerTakenForTheLast",
)
async def late(original: Any, self: StoredRuns, read: Any, *is_all: Any) -> Any:
    """Takes what comes after the time in which reads may lag for what stands then."""
    until = self.clock.now() + self.backend.context.limits.staleness
    found = await read()
    return found if self.clock.now() >= until else await original(self, read, *is_all)


@replaces(
    (RunView, "settle"),
    caught_by=BackendContract.test_who_learns_of_news_on_the_way_sees_what_came_before_it,
    name="staleness.WorkerReadsAtOnce",
    stale=True,
)
async def at_once(original: Any, self: Any) -> None:
    """Looks at once for what another worker has just told of."""


@replaces(
    (JobHandler, "_record"),
    caught_by=BackendContract.test_a_predecessor_that_is_not_visible_yet_is_waited_for,
    name="staleness.UnseenRunIsNone",
    stale=True,
)
async def unseen_is_none(original: Any, self: Any, job: Any) -> Any:
    """Drops a job whose run is not visible yet."""
    try:
        return await original(self, job)
    except StaleReadError:
        return None


@replaces(
    (client_module, "settled_undone"),
    caught_by=BackendContract.test_what_a_failed_run_has_done_is_undone_backwards_before_it_ends,
    name="staleness.UndoneAsFarAsSeen",
    stale=True,
)
async def undone_as_seen(original: Any, records: Any, run_id: str, state: Any, clock: Any, *, has_ended: bool) -> Any:
    """Tells what was undone as far as it sees that in the moment."""
    return await undone_of(records, run_id, state)


@replaces(
    (undoing_module, "send_stop"),
    caught_by=BackendContract.test_branches_that_are_undone_in_one_moment_are_gone_behind,
    name="staleness.NobodyLooksAgain",
    stale=True,
)
async def nobody_looks_again(original: Any, backend: Any, record: Any, clock: Any, **options: Any) -> None:
    """Has nobody look again where two have undone something at the same moment, and neither saw the other."""
    if not options.get("delay"):
        await original(backend, record, clock, **options)


@replaces(
    (resuming_module, "_open_wait"),
    caught_by=BackendContract.test_a_wait_inside_a_construct_is_found_by_its_node_as_soon_as_it_is_reached,
    name="staleness.WaitLookedForOnce",
    stale=True,
)
async def looked_for_once(original: Any, stored: Any, record: Any, status: Any, node_id: str) -> Any:
    """Looks once for a wait that may have been reached just now."""
    return await original(attrs.evolve(stored, clock=_Restless(stored.clock)), record, status, node_id)


@replaces(
    (purging_module, "note_purged"),
    caught_by=BackendContract.test_a_purged_run_is_not_started_again,
    name="staleness.PurgeGoesOnAtOnce",
    stale=True,
)
async def goes_on_at_once(original: Any, stored: Any, schedule_id: str, due: int, run_id: str) -> None:
    """Purges a run before the note that it was started is sure to be seen."""
    await note_done(stored.records, schedule_id, Done(due, run_id))


sets(
    purging_module,
    "_CLOCKS_DIFFER",
    0.0,
    caught_by=BackendContract.test_a_run_that_is_purged_as_soon_as_it_has_ended_leaves_nothing,
    name="staleness.PurgesWhatItSees",
    defect="Purges what can be seen in the moment in which the run ends.",
    stale=True,
)


@attrs.frozen
class _Restless:
    """A clock on which no wait takes any time."""

    clock: Any

    def now(self) -> float:
        return float(self.clock.now())

    async def sleep(self, seconds: float) -> None:
        pass
