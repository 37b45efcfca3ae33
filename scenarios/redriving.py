"""Scenario 66: a run in which several instances failed is tried again."""

from __future__ import annotations

import asyncio
from collections import Counter

import expect
from durable_backend import Durable
from flowcraft_core import FlowBuilder, create_flow
from scenario import Scenario
from small_steps import Context, gives

REDRIVEN = Scenario(
    id=66,
    title="Two or five items of one batch fail, and the run is redriven: all of them run again, once each",
    absent={"in-process": "a redrive starts a new run from a stored one, and nothing is stored"},
)

_ITEMS = list(range(1, 8))


class _Outage:
    """A step that fails for some items while something is down; all of them at once, so that each is a failure."""

    def __init__(self, *broken: int) -> None:
        self.is_over = False
        self.executed: list[int] = []
        self._broken = frozenset(broken)
        self._together = asyncio.Barrier(len(broken))

    async def step(self, ctx: Context) -> int:
        item: int = ctx.input
        self.executed.append(item)
        if item in self._broken and not self.is_over:
            await self._together.wait()
            raise ConnectionError(f"item {item}")
        return 10 * item

    def flow(self) -> FlowBuilder:
        flow = create_flow("outage").node("list", gives(_ITEMS)).batch("each", self.step).node("sum", _sum)
        return flow.edge("list", "each").edge("each", "sum")


async def _sum(ctx: Context) -> int:
    return sum(ctx.input)


@REDRIVEN.check_durable
async def after_two_failures_and_after_five(backend: Durable) -> None:
    """The run names each failure; the new one keeps what was done, and completes at the first try."""
    for broken in ((3, 4), (1, 2, 4, 6, 7)):
        outage = _Outage(*broken)
        run = await backend.launch(outage.flow(), run_id=f"{len(broken)} failures")
        expect.status(await run.result(), "failed")
        await backend.clock.sleep(2 * backend.beat)  # what was under way has ended
        failed = await run.result()
        failures = [entry for entry in failed.trace if entry.status == "failed"]
        expect.equal("how many have failed", len(failures), len(broken))
        named = sorted(error.key for error in failed.errors)
        expect.equal("those that the errors name", named, sorted(entry.key for entry in failures))
        kept = {entry.key for entry in failed.trace if entry.status == "completed"}
        outage.is_over = True
        outage.executed.clear()
        started = await (await backend.client()).redrive(f"{len(broken)} failures", new_run_id=f"{len(broken)} again")
        result = await backend.run_of(started.run_id).result()
        expect.completed(result)
        expect.equal("the sum", result.outputs["sum"], 10 * sum(_ITEMS))
        wanted = [item for number, item in enumerate(_ITEMS) if not _is_kept(kept, number)]
        expect.equal("what was executed again", Counter(outage.executed), Counter(wanted))


def _is_kept(kept: set[str], number: int) -> bool:
    return any(key.startswith(f"each[{number}]") for key in kept)
