"""A run of which only the id is known, on a backend that stores runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import stored_result
from backend import Run
from flowcraft_core import RunResult

if TYPE_CHECKING:
    from durable_backend import Durable


class StoredRun(Run):
    """A run of which only the id is known here; all else is read from where it is stored."""

    def __init__(self, backend: Durable, run_id: str) -> None:
        self._backend = backend
        self.run_id = run_id

    async def result(self) -> RunResult:
        """See ``Run``."""
        clock = self._backend.clock
        limit = clock.now() + self._backend.longest * self._backend.hour
        client, pause = await self._backend.client(), self._backend.beat / 100
        while True:
            state = (await client.status(self.run_id)).state
            if state != "running":
                result = await self._settled(state)
                if result is not None:
                    return result
            if clock.now() > limit:
                facts = await self._read()
                raise AssertionError(f"the run is {state} and does not end; so far {[e.key for e in facts.trace]}")
            await clock.sleep(pause)
            pause = min(pause * 1.5, self._backend.hour / 3)

    async def _settled(self, state: str) -> RunResult | None:
        """The result, if the run has ended, and had before what is read may be stale, or if only a resume can go on."""
        await self._backend.clock.sleep((await self._backend.ports()).context.limits.staleness)
        result = await self._read()
        if result.status in ("completed", "failed", "cancelled"):
            return result if result.status == state else None
        return result if result.waiting else None

    async def _read(self) -> RunResult:
        return await stored_result.read(
            await self._backend.ports(), self._backend.serializer, self._backend.codec, self.run_id
        )

    async def resume(self, node: str, *, output: Any = None, action: str | None = None, early: bool = False) -> None:
        """See ``Run``."""
        await (await self._backend.client()).resume(self.run_id, node, output=output, action=action, early=early)

    async def cancel(self) -> bool:
        """See ``Run``."""
        return await (await self._backend.client()).cancel(self.run_id)

    async def restart(self) -> None:
        """See ``Run``; every worker is killed."""
        await self.result()
        await self._backend.kill()
        await self._backend.staff()
