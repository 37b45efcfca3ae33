"""Programs that hold all items of a large batch, or forget what those leave that they do not hold."""

from __future__ import annotations

from collections import Counter
from typing import Any

from flowcraft_core.durable import client as client_module
from flowcraft_core.durable import purging as purging_module
from flowcraft_core.durable.describing.folding import Folded
from flowcraft_core.durable.whole import Everything
from flowcraft_core.graph.instances import ScopeState
from flowcraft_core.graph.passing import Tally
from flowcraft_core.graph.scopes import Construct
from flowcraft_core.graph.state import RunState

from ...contracts import BackendContract
from ..mutant import replaces, sets


@replaces(
    (Everything, "lets_go"),
    caught_by=BackendContract.test_nobody_holds_more_than_some_items_of_a_batch,
    name="reconciler.HoldsEveryItem",
)
def holds(original: Any, self: Any, item: ScopeState) -> bool:
    """Keeps all items of a batch whose gather is due."""
    return False


@replaces(
    (Tally, "lets_go"),
    caught_by=BackendContract.test_nobody_holds_more_than_some_items_of_a_batch,
    name="result.HoldsEveryItem",
)
def folds_at_the_end(original: Any, self: Any, item: ScopeState) -> bool:
    """Keeps all items until the result is put together."""
    return False


@replaces(
    (Folded, "counts"),
    caught_by=BackendContract.test_nobody_holds_more_than_some_items_of_a_batch,
    name="describe.CountsWhatItHolds",
)
def counts_some(original: Any, self: Any, scope: ScopeState, batch: Construct) -> Counter[Any]:
    """Counts the instances of those items only that it shows."""
    return Counter()


sets(
    purging_module,
    "total_of",
    lambda entry: min(500, len(entry.items or ())),
    caught_by=BackendContract.test_nobody_holds_more_than_some_items_of_a_batch,
    name="purge.FirstItemsOnly",
    defect="Removes the first items of a batch, and no more.",
)


@replaces(
    (client_module, "context_of"),
    caught_by=BackendContract.test_what_items_of_a_large_batch_leave_is_in_the_result,
    name="result.WithoutWhatItemsHaveSet",
)
def without(original: Any, state: RunState, passed: Tally | None = None) -> dict[str, Any]:
    """Leaves out the context values that items have set of which nothing more is kept."""
    values: dict[str, Any] = original(state)
    return values
