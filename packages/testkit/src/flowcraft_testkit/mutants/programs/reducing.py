"""Programs that reduce the results of a batch in another way than the flow says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from flowcraft_core import execution as execution_module
from flowcraft_core.durable import view as view_module
from flowcraft_core.durable.view import RunView
from flowcraft_core.graph import decisions
from flowcraft_core.graph.facts import Outcome
from flowcraft_core.graph.instances import Instance, ScopeState
from flowcraft_core.graph.scopes import Vertex

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (execution_module, "in_pages"),
    caught_by=BackendContract.test_a_reducer_gives_what_it_gives_in_one_process,
    name="reducer.AsResultsAreRead",
)
def as_read(original: Any, some: AsyncIterator[Sequence[Any]], size: int) -> Any:
    """Hands on so many results at a time as were read."""
    return some


@replaces(
    (RunView, "_results"),
    caught_by=BackendContract.test_a_reducer_gives_what_it_gives_in_one_process,
    name="reducer.LastItemsFirst",
)
async def last_first(original: Any, self: Any, gather: Instance, first: int) -> list[Any]:
    """Reads the results of some items in another order than that of the items."""
    results: list[Any] = await original(self, gather, first)
    return results[::-1]


@replaces(
    (decisions, "leave_reduced"),
    caught_by=BackendContract.test_a_reducer_gives_what_it_gives_in_one_process,
    name="reducer.LeavesNoContextValue",
)
def no_value(original: Any, scope: ScopeState, vertex: Vertex, value: Any) -> Outcome:
    """Forgets that the batch names a context value."""
    return Outcome(output=value)


@replaces(
    (decisions, "item_result"),
    (view_module, "item_result"),
    caught_by=BackendContract.test_a_reducer_sees_failed_items_in_their_places_and_may_fail_itself,
    name="reducer.WithoutFailedItems",
)
def without_failed(original: Any, item: ScopeState) -> Any:
    """Has nothing in the place of an item that failed and is tolerated."""
    return None if item.errors else original(item)
