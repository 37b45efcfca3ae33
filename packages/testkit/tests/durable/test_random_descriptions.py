"""Random flows, run by workers and looked at all the while: what is shown lies between the facts before and after."""

from __future__ import annotations

import asyncio
from collections import Counter

from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Client, InstanceDescription
from flowcraft_core.graph.fold import instances
from flowcraft_core.graph.scopes import Kind
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.growing import CONTEXT
from flowcraft_testkit.oracle.script import Script
from flowcraft_testkit.oracle.writing import blueprints
from hypothesis import HealthCheck, Phase, given, settings

from packages.core.tests.graph.strategies import flows

from .helpers import STRONG, working, world

FEW = settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)

_FINAL = ("completed", "failed", "cancelled")
_ENDED = ("done", "failed", "handled")


class Looked:
    """Somebody who looks at a run again and again."""

    def __init__(self, flow: Flow) -> None:
        self.blueprints = blueprints(flow)
        self.clock = VirtualClock()
        self.backend = world(self.clock, STRONG)
        registry = Script(flow).registry()
        self.runtime = FlowRuntime(blueprints=self.blueprints, registry=registry, clock=self.clock)
        self.client = Client(self.backend, blueprints=self.blueprints, clock=self.clock)
        self.times = 0

    async def until_it_ends(self) -> None:
        while (await self.client.status("run")).state not in _FINAL:
            await self.look()
            await self.clock.sleep(0.01 if self.times < 50 else 30.0)
        await self.clock.sleep(60.0)
        await self.look(settled=True)

    async def look(self, *, settled: bool = False) -> None:
        """Look once; of a run in which nothing moves any more, pages and counts are of the same moment."""
        self.times += 1
        before = await self._ended()
        told = await self.client.describe("run", limit=3)
        shown = await self._opened("", settled=settled)
        after = await self._ended()
        ended = {key for key, each in shown.items() if each.state in _ENDED and each.ended is not None}
        assert before <= ended | {key for key, each in shown.items() if each.state == "unneeded"}
        assert ended <= after
        if told.run.state == "completed":
            open_ = {key: each.state for key, each in shown.items() if each.state in ("ready", "running", "retrying")}
            assert not open_, f"the run has completed, and in it are {open_}"

    async def _ended(self) -> set[str]:
        stored = self.client._stored
        state = await stored.state(await stored.record("run"), await stored.status("run"))
        ended = {i.key for i in instances(state) if i.vertex.kind is not Kind.ENTRY}
        # A construct that cannot be entered ends with that.
        failed = (i for i in instances(state) if i.vertex.kind is Kind.ENTRY and i.outcome.error is not None)
        return ended | {i.scope.at(i.vertex.construct.exit).key for i in failed if i.vertex.construct is not None}

    async def _opened(self, inside: str, *, settled: bool) -> dict[str, InstanceDescription]:
        """All that is shown in there, at any depth."""
        found: dict[str, InstanceDescription] = {}
        after = None
        while True:
            page = await self.client.describe("run", inside=inside, limit=3, after=after)
            assert page.total == sum(page.counts.values())
            keys = [each.key for each in page.instances]
            assert not found.keys() & set(keys), "something is shown twice"
            found |= {each.key: each for each in page.instances}
            after = page.cursor
            if after is None:
                break
        if settled:
            assert Counter(each.state for each in found.values()) == Counter(dict(page.counts))
        for each in list(found.values()):
            if each.inside is not None and each.inside.scopes:
                found |= await self._opened(each.key, settled=settled)
        return found


async def looked_at(flow: Flow) -> None:
    here = Looked(flow)
    async with here.backend:
        await here.client.start(flow.id, CONTEXT, run_id="run")
        async with working(here.backend, here.runtime, number=2):
            await here.until_it_ends()


@FEW
@given(flows(size=6))
def test_what_is_shown_lies_between_the_facts_before_and_after(flow: Flow) -> None:
    asyncio.run(looked_at(flow))
