"""The backend in memory, as weak as the weakest cloud, on a clock that waits for nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import attrs
from durable_backend import Durable
from flowcraft_core import ports
from flowcraft_testkit import CLOUD_QUEUE, InMemoryBackend, VirtualClock


class InMemory(Durable):
    """Workers in this process, each with a connection of its own to what is in memory."""

    name = "memory"
    late = 8.0
    beat = 10.0
    hour = 1_800.0
    day = 7_200.0
    options: ClassVar[Mapping[str, Any]] = {"poll": 20.0}
    moments: ClassVar[Iterable[int]] = range(1, 80)

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self._world: InMemoryBackend | None = None

    def connect(self) -> ports.Backend:
        """See ``Durable``."""
        if self._world is None:
            longest = self.longest_visibility or CLOUD_QUEUE.max_visibility
            limits = attrs.evolve(CLOUD_QUEUE, max_visibility=longest)
            self._world = InMemoryBackend(clock=self.clock, queue_limits=limits)
        return self._world.connect()

    async def begin_by_hand(self, run_id: str, context: Mapping[str, Any]) -> None:
        """See ``Durable``."""
        assert self._world is not None
        self._world.begin_by_hand(run_id, context)
        now = self.clock.now()
        status = ports.RunStatus(run_id=run_id, state="running", blueprint_id="", created=now, updated=now)
        await (await self.ports()).status.create(status)

    async def spoil_rows(self) -> tuple[int, Sequence[str]]:
        """See ``Durable``; in memory there are no rows but what people write by hand."""
        assert self._world is not None
        self._world.begin_by_hand("an object", {"value": object()})
        self._world.begin_by_hand("no text", {"\ud83d": 1})
        return 0, ("an object", "no text")

    async def lose_messages(self) -> None:
        """See ``Durable``."""
        assert self._world is not None
        self._world.lose_messages()

    async def lose_coordination(self) -> None:
        """See ``Durable``."""
        assert self._world is not None
        self._world.lose_coordination()
