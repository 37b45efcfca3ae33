"""Programs that mistake a page of a batch for another, lose track of what they have begun, or read more than a page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import attrs
from flowcraft_core.durable import pages as pages_module
from flowcraft_core.durable import view as view_module
from flowcraft_core.durable.chunks import Begun
from flowcraft_core.durable.pages import ListPages, ResultPages, Written, page_keys
from flowcraft_core.durable.storage import Records
from flowcraft_core.graph.facts import Outcome
from flowcraft_core.graph.gathered import Gathered, Held
from flowcraft_core.graph.instances import Instance, ScopeState
from flowcraft_core.graph.pages import Pages
from flowcraft_core.graph.scopes import Vertex
from flowcraft_core.graph.state import RunState
from flowcraft_core.ids import new_id

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (pages_module, "part_key"),
    caught_by=BackendContract.test_a_batch_in_pages_gives_what_any_other_gives,
    name="worker.EachItemIsOnTheFirstPage",
)
def on_the_first(original: Any, key: str, token: str, number: int) -> str:
    """Looks for each item on the first page."""
    first: str = original(key, token, 0)
    return first


@replaces(
    (ListPages, "give"),
    caught_by=BackendContract.test_an_item_costs_no_more_than_a_part_of_a_page,
    name="worker.ReadsTheBatchForEachItem",
)
async def all_of_it(original: Any, self: Any, run_id: str, scope: ScopeState) -> None:
    """Reads all pages for each item."""
    await original(self, run_id, scope)
    if scope.parent is not None and scope.construct is not None:
        entry = scope.parent.outcomes[scope.construct.entry]
        if isinstance(entry.items, Pages):
            key = scope.parent.key(scope.parent.scope.vertices[scope.construct.entry])
            await self._records.stored_pages(run_id, page_keys(key, entry.items))


@replaces(
    (ListPages, "_put"),
    caught_by=BackendContract.test_a_purge_takes_all_pages_whoever_began_them,
    name="worker.SaysNothingOfThePagesItBegins",
)
async def says_nothing(
    original: Any, self: Any, run_id: str, key: str, pages: Pages, cut: AsyncIterator[Any]
) -> tuple[Pages, Begun, int]:
    """Writes pages of which nobody knows before the outcome names them."""
    pages = attrs.evolve(pages, token=new_id())
    begun = Begun(b"", pages.token, page_keys(key, pages), ())
    for name in begun.keys:
        await self._records.put(run_id, name, await anext(cut))
    return pages, begun, 0


@replaces(
    (Records, "_delete_parts"),
    caught_by=BackendContract.test_a_purge_takes_all_pages_whoever_began_them,
    name="purge.LeavesThePartsOfPages",
)
async def leaves_parts(original: Any, self: Any, run_id: str, places: Sequence[tuple[str, str]]) -> None:
    """Removes pages as if none of them was long."""
    for group in await self.chunks.find(run_id, places):
        await self.chunks.remove(run_id, group)


@replaces(
    (ListPages, "write"),
    caught_by=BackendContract.test_a_fork_has_pages_of_its_own,
    name="fork.NamesThePagesOfTheOldRun",
)
async def names_the_old(
    original: Any, self: Any, run_id: str, key: str, outcome: Outcome, of: str | None = None
) -> Written:
    """Keeps a batch's outcome without what stands beside it."""
    written: Written = await original(self, run_id, key, outcome)
    return written


@replaces(
    (ListPages, "fill"),
    caught_by=BackendContract.test_what_is_told_and_taken_out_has_the_items,
    name="export.WithoutItems",
)
async def without(original: Any, self: Any, run_id: str, state: RunState, *, items: bool = False) -> RunState:
    """Takes out of the store where the items are, and not the items."""
    filled: RunState = await original(self, run_id, state)
    return filled


@replaces(
    (Gathered, "_pages_of"),
    caught_by=BackendContract.test_results_in_pages_are_read_as_a_step_comes_to_them,
    name="step.ReadsAllResultsForSome",
)
def reads_all(original: Any, self: Any, start: int, stop: int) -> Any:
    """Goes through all pages, whichever results are asked for."""
    wanted = dict(original(self, start, stop))
    return [(number, wanted.get(number, slice(0))) for number in self._pages]


@replaces(
    (Gathered, "_page_now"),
    caught_by=BackendContract.test_results_in_pages_are_the_same_to_every_step,
    name="step.MayWaitInTheEventLoopWhereNothingIsRead",
)
def may_wait(original: Any, self: Any, number: int) -> Any:
    """Lets an async step go through results at once where they are at hand, and only there."""
    return self._read_now(number) if isinstance(self, Held) else original(self, number)


@replaces(
    (view_module, "looks_into"),
    caught_by=BackendContract.test_results_in_pages_are_the_same_to_every_step,
    name="worker.NobodyLooksIntoResults",
)
def nobody_looks(original: Any, instance: Instance, node_id: str) -> bool:
    """Leaves results where they are, also for a sleep, a batch or an expression."""
    return False


@replaces(
    (RunState, "let_go"),
    caught_by=BackendContract.test_who_gathers_holds_few_items_at_a_time,
    name="gather.HoldsEveryItem",
)
def holds_every(original: Any, self: Any, item: ScopeState) -> bool:
    """Keeps all that it has read of the items of a batch until it has gathered."""
    return bool(self.has_ended(item))


@replaces(
    (ResultPages, "add"),
    caught_by=BackendContract.test_a_batch_in_pages_gives_what_any_other_gives,
    name="gather.LastReadFirst",
)
async def last_first(original: Any, self: Any, results: Sequence[Any]) -> None:
    """Stores results in another order than that of the items."""
    await original(self, results[::-1])


@replaces(
    (view_module, "output_key"),
    caught_by=BackendContract.test_what_a_batch_looks_into_is_a_list,
    name="gather.AContextValueInPages",
)
def in_pages(original: Any, gather: Vertex) -> str | None:
    """Makes a context value of where the results are."""
    return None
