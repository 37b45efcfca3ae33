"""Reconcilers that overlook runs, or bring on what they must leave alone."""

from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core.durable import reconciler as reconciler_module
from flowcraft_core.durable.reconciler import Reconciled, Reconciler
from flowcraft_core.durable.revivals import Revivals
from flowcraft_core.graph.instances import Instance
from flowcraft_core.ports import Page

from ...contracts import BackendContract
from ..mutant import replaces


class _Finding:
    """A status store whose ``find`` is another one; all else is passed on."""

    def __init__(self, store: Any, find: Any) -> None:
        self._store = store
        self.find = find

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def _round(original: Any, reconciler: Any, find: Any) -> Reconciled:
    store = reconciler._backend.status
    reconciler._backend.status = _Finding(store, find)
    try:
        done: Reconciled = await original(reconciler)
    finally:
        reconciler._backend.status = store
    return done


@replaces(
    (Reconciler, "run_once"),
    caught_by=BackendContract.test_every_stalled_run_is_found_over_many_pages,
    name="reconciler.PageTwoIgnored",
)
async def first_page(original: Any, self: Any) -> Reconciled:
    """Looks at the first page of what is due."""
    find = self._backend.status.find

    async def only_one(**query: Any) -> Page:
        page: Page = await find(**query)
        return attrs.evolve(page, cursor=None)

    return await _round(original, self, only_one)


@replaces(
    (Reconciler, "run_once"),
    caught_by=BackendContract.test_every_stalled_run_is_found_over_many_pages,
    name="reconciler.EmptyPageIsTheLast",
)
async def until_empty(original: Any, self: Any) -> Reconciled:
    """Takes a short page for the last one."""
    find = self._backend.status.find

    async def until_short(**query: Any) -> Page:
        page: Page = await find(**query)
        return page if len(page.items) >= 100 else attrs.evolve(page, cursor=None)

    return await _round(original, self, until_short)


@replaces(
    (Reconciler, "run_once"),
    caught_by=BackendContract.test_every_stalled_run_is_found_over_many_pages,
    name="reconciler.LooksBeforeItIsTime",
)
async def all_of_them(original: Any, self: Any) -> Reconciled:
    """Looks at every live run, due or not."""
    find = self._backend.status.find

    async def whenever(**query: Any) -> Page:
        page: Page = await find(**{**query, "due_before": None})
        return page

    return await _round(original, self, whenever)


@replaces(
    (Reconciler, "run_once"),
    caught_by=BackendContract.test_a_run_that_cannot_be_read_does_not_hold_up_the_others,
    name="reconciler.StopsAtTheFirstError",
)
async def stops(original: Any, self: Any) -> Reconciled:
    """Ends its round at a run that it cannot read."""
    done, now = Reconciled(), self._clock.now()
    page = await self._backend.status.find(state="running", due_before=now)
    for status in page.items:
        try:
            await self._look(status, done)
        except Exception:
            done.errors += 1
            return done
    return done


@replaces(
    (reconciler_module, "finish_run"),
    caught_by=BackendContract.test_an_end_that_nobody_wrote_is_written_by_a_reconciler,
    name="reconciler.EndLeftToTheWorkers",
)
async def never_ends(original: Any, *args: Any, **options: Any) -> None:
    """Leaves the end of a run to its workers, who may be dead."""


@replaces(
    (reconciler_module, "send_jobs"),
    caught_by=BackendContract.test_a_reconciler_revives_what_is_due_and_nothing_else,
    name="reconciler.SendsNothing",
)
async def sends_nothing(original: Any, *args: Any, **options: Any) -> None:
    """Finds what is due, and sends no job for it."""


@replaces(
    (reconciler_module, "send_jobs"),
    caught_by=BackendContract.test_a_reconciler_revives_what_is_due_and_nothing_else,
    name="reconciler.BeginsAnew",
)
async def from_the_start(original: Any, backend: Any, record: Any, instances: Any, clock: Any, **options: Any) -> None:
    """Starts a stalled run anew, under an id of its own making, instead of going on with it."""
    await original(backend, record, [_Again(*instance) for instance in instances], clock, **options)


class _Again(Instance):
    @property
    def key(self) -> str:
        return f"{super().key}:again"


@replaces(
    (reconciler_module, "send_suspended"),
    caught_by=BackendContract.test_a_sleep_ends_at_its_time_also_when_every_message_is_lost,
    name="reconciler.LostSleeperSleepsOn",
)
async def sleeps_on(original: Any, *args: Any, **options: Any) -> None:
    """Sends no job for a sleep that is due and whose job was lost."""


@replaces(
    (Revivals, "_taken"),
    caught_by=BackendContract.test_a_run_that_is_revived_without_progress_fails_in_the_end,
    name="reconciler.RevivesForEver",
)
async def uncounted(original: Any, self: Any, record: Any, last: Any) -> set[str]:
    """Does not count revivals without progress."""
    return set()


@replaces(
    (Revivals, "_taken"),
    caught_by=BackendContract.test_what_nobody_has_taken_yet_is_no_revival,
    name="reconciler.CountsWhatNobodyTook",
)
async def counts_all(original: Any, self: Any, record: Any, last: Any) -> set[str]:
    """Takes for a revival without progress what still lies in the queue."""
    return {place for place, revival in last.items() if revival is not None}


@replaces(
    (reconciler_module, "_in_vain_key"),
    caught_by=BackendContract.test_a_reconciler_that_cannot_read_what_others_can_does_not_end_it,
    name="reconciler.EndsWhatOthersCanRead",
)
def whoever_looked(original: Any, status: Any) -> str:
    """Fails a run in the end that another program reads without ado."""
    return f"in vain:{status.run_id}"


@replaces(
    (Reconciler, "_apply"),
    caught_by=BackendContract.test_values_reach_the_successor_that_a_reconciler_starts,
    name="reconciler.DeadWorkersValuesForgotten",
)
async def forgets_values(original: Any, self: Any, run_id: str, state: Any) -> None:
    """Starts a successor without the values that a dead worker could not apply."""


@replaces(
    (Reconciler, "_looks_while_busy"),
    caught_by=BackendContract.test_what_workers_get_on_with_is_not_sent_again,
    name="reconciler.SendsAgainWhatIsOnItsWay",
)
async def never_busy(original: Any, self: Any, record: Any) -> int:
    """Sends a job for all that is ready, also in a run that workers get on with."""
    return 0
