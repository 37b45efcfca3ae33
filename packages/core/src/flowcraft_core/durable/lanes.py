"""Where the lanes of a batch stand, for whoever reads all facts: found by bisection on the starts of their items.

The next item of a lane begins when the one before it has ended, so those that have begun come first in each lane. Going
from one to the next would take a request per item; this takes one per halving, for all lanes together.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..graph.instances import ScopeState
from ..graph.lanes import lanes_of, total_of
from ..graph.scopes import Construct
from ..graph.state import RunState
from .storage import Records

# So many starts are looked for in one request.
_ASKED_AT_ONCE = 1_000


async def ends_of_lanes(
    records: Records, run_id: str, state: RunState, scope: ScopeState, batch: Construct
) -> list[int]:
    """How many items have begun, of each lane of a batch.

    Args:
        records: Where facts are read.
        run_id: The run.
        state: A state in which the batch was entered.
        scope: Where the batch stands.
        batch: The batch.
    """
    entry = scope.outcomes[batch.entry]
    total, lanes = total_of(entry), lanes_of(entry)
    low = [0] * lanes
    high = [len(range(lane, total, lanes)) for lane in range(lanes)]
    while asked := {lane: (low[lane] + high[lane]) // 2 for lane in range(lanes) if low[lane] < high[lane]}:
        items = [lane + lanes * place for lane, place in asked.items()]
        begun = await begun_items(records, run_id, state, scope, batch, items)
        for lane, place in asked.items():
            if lane + lanes * place in begun:
                low[lane] = place + 1
            else:
                high[lane] = place
    return low


async def begun_items(
    records: Records, run_id: str, state: RunState, scope: ScopeState, batch: Construct, items: Iterable[int]
) -> set[int]:
    """Those of some items of which a start has an outcome; the arguments are those of ``ends_of_lanes``."""
    begun: set[int] = set()
    left = list(items)
    for first in range(0, len(left), _ASKED_AT_ONCE):
        starts: dict[str, int] = {}
        for index in left[first : first + _ASKED_AT_ONCE]:
            item = state.imagined(scope, batch, index)
            starts.update((item.key(item.scope.vertices[start]), index) for start in item.scope.starts)
        begun.update(starts[key] for key in await records.outcomes(run_id, starts))
    return begun
