"""Undoes what a run has done that has failed or was cancelled, in one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from typing import TYPE_CHECKING

import attrs

from ..clock import Clock
from ..execution import FIRST, Executor
from ..graph.facts import Undone
from ..graph.instances import Instance, ScopeState
from ..logging.catalogue import UNDONE

if TYPE_CHECKING:
    from .emitter import Emitter


@attrs.define(eq=False)
class Undos:
    """What has been undone of a run, and how the rest is.

    Attributes:
        executor: Calls the undos.
        clock: Tells the time.
        limit: How many are called at once; None for as many as may begin.
        events: Whoever watches the run is told.
        ended: The undos that have ended, by the instances' keys.
        unsure: The keys of the instances that were cut off when the run ended.
    """

    executor: Executor
    clock: Clock
    limit: int | None
    events: Emitter | None
    ended: dict[str, Undone] = attrs.field(factory=dict)
    unsure: Collection[str] = ()
    _all: asyncio.Task[None] | None = None

    async def all_of(self, root: ScopeState) -> None:
        """Undo a run that has ended, as ``of`` does, until that is abandoned."""
        self._all = asyncio.ensure_future(self.of(root))
        try:
            await asyncio.wait([self._all])
        finally:
            self._all.cancel()
            await asyncio.wait([self._all])
        if not self._all.cancelled():
            self._all.result()

    def abandon(self) -> bool:
        """Undo no more; what is under way is cancelled. False if nothing was being undone."""
        return self._all is not None and self._all.cancel()

    async def of(self, scope: ScopeState) -> None:
        """Undo all that is left in a run or a called flow, each once what came after it is undone."""
        from ..graph.undoing import Undoing  # noqa: PLC0415 # few runs have anything to undo

        left = Undoing(scope, set(self.ended), self.unsure)
        waiting = deque(left.ready())
        under_way: dict[asyncio.Task[Undone], Instance] = {}
        finished: asyncio.Queue[asyncio.Task[Undone]] = asyncio.Queue()
        try:
            while True:
                while waiting and (self.limit is None or len(under_way) < self.limit):
                    task = asyncio.ensure_future(self._one(waiting[0]))
                    under_way[task] = waiting.popleft()
                    task.add_done_callback(finished.put_nowait)
                if not under_way:
                    return
                task = await finished.get()
                instance, undone = under_way.pop(task), task.result()
                self.ended[undone.key] = undone
                waiting += left.end(undone.key)
                if undone.error is None:
                    self.executor.journal.tell(UNDONE, at=instance, attempt=undone.attempts)
                if self.events is not None:
                    self.events.undone(instance, undone)
        finally:
            for task in under_way:
                task.cancel()
            if under_way:
                await asyncio.wait(under_way)

    async def _one(self, instance: Instance) -> Undone:
        attempt = FIRST
        while True:
            ended = await self.executor.undo(instance, attempt)
            if isinstance(ended, Undone):
                return ended
            await self.clock.sleep(max(0.0, (ended.due or 0.0) - self.clock.now()))
            attempt = ended.next_attempt
