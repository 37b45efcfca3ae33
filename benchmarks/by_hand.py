"""What a program written by hand in asyncio takes for the same graphs: the floor under every engine.

It hands each node the outputs of those before it, once all of them have run. It has no ids, conditions, context,
copies, retries, timeouts, events, trace or results: nothing that an engine is for.
"""

from __future__ import annotations

import asyncio
from collections import deque

from shapes import Edges


async def _step(inputs: list[object]) -> int:
    return 1


class ByHand:
    """A graph that can be run once."""

    def __init__(self, nodes: int, edges: Edges) -> None:
        self._after: list[list[int]] = [[] for _ in range(nodes)]
        self._before: list[list[int]] = [[] for _ in range(nodes)]
        for source, target in edges:
            self._after[source].append(target)
            self._before[target].append(source)
        self._missing = [len(sources) for sources in self._before]
        self.outputs: list[object] = [None] * nodes

    async def run_inline(self) -> None:
        """Await each step where it stands: only one at a time can run."""
        outputs, missing = self.outputs, self._missing
        ready = deque([0])
        while ready:
            node = ready.popleft()
            outputs[node] = await _step([outputs[source] for source in self._before[node]])
            for target in self._after[node]:
                missing[target] -= 1
                if not missing[target]:
                    ready.append(target)

    async def run_in_tasks(self) -> None:
        """Give each step a task of its own, so that steps that wait can do so side by side."""
        outputs, missing = self.outputs, self._missing
        async with asyncio.TaskGroup() as group:

            async def execute(node: int) -> None:
                outputs[node] = await _step([outputs[source] for source in self._before[node]])
                for target in self._after[node]:
                    missing[target] -= 1
                    if not missing[target]:
                        group.create_task(execute(target))

            group.create_task(execute(0))
