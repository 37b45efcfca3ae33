"""The clauses of a whole backend on runs that begin again where others stopped."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import ConfigurationError, FlowBuilder, create_flow
from flowcraft_core.durable import Client, Started

from .interposed import Call, noting
from .programs import Context, ProgramClauses, Steps


class ForkingClauses(ProgramClauses):
    """What a ``Backend`` promises of redrives and forks, beside keeping what was done."""

    async def test_a_redrive_begins_again_at_every_failure(self) -> None:
        """Two items fail side by side: both are told, and both are tried again, and what had completed is kept."""
        steps, broken = Steps(), {1, 3}
        begun: set[int] = set()

        async def fetch(ctx: Context) -> int:
            steps.executed.append(ctx.key)
            begun.add(ctx.input)
            if ctx.input in broken:
                while not broken <= begun:  # so that both are under way when the first one fails
                    await self._clock.sleep(self.beat / 100)
                raise ConnectionError(f"item {ctx.input}")
            return int(ctx.input) * 10

        flow = create_flow("fetched").node("src", steps.gives([0, 1, 2, 3])).batch("calls", fetch)
        flow.node("end", steps.total).edge("src", "calls").edge("calls", "end")
        async with self.programs(flow) as here:
            await here.hire()
            old = await here.run(flow)
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            told = [error.key for error in (await here.client.result(old.run_id)).errors]
            assert told == ["calls[1].calls", "calls[3].calls"], f"the failures that the facts tell are {told}"
            broken, source = set(), steps.count("src")
            started = await here.client.redrive(old.run_id, new_run_id=self.id("new"))
            result = await here.ended(started.run_id)
            assert (result.status, result.errors) == ("completed", ())
            assert (result.outputs["calls"], result.outputs["end"]) == ([0, 10, 20, 30], 60)
            assert steps.count("src") == source

    async def test_a_run_is_redriven_once_and_linked_to_the_run_that_tries_again(self) -> None:
        """Whoever asks again gets the same run; tags go with it, and each names the other."""
        steps = Steps()
        flow = create_flow("twice").node("x", steps.broken)
        async with self.programs(flow) as here:
            await here.hire()
            old = (await here.run(flow, run_id=self.id("old"), tags={"customer": "ada"})).run_id
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            started = await self.race(here.client.redrive(old) for _ in range(3))
            new = started[0].run_id
            assert {each.run_id for each in started} == {new}
            assert [each.created for each in started].count(True) == 1
            await here.ended(new)
            await self.pass_time(here.backend.context.limits.staleness)
            again = await here.client.redrive(old, new_run_id=self.id("another"))
            assert (again.run_id, again.created) == (new, False)
            status = await here.client.status(new)
            assert (status.tags, status.redrive_of, status.redriven_as) == ({"customer": "ada"}, old, None)
            assert (await here.client.status(old)).redriven_as == new
            assert (await here.client.result(old)).redriven_as == new
            assert (await here.client.result(new)).redrive_of == old

    async def test_of_two_redrives_at_once_one_sends_a_first_job(self) -> None:
        """One has begun, and another does all of it meanwhile: two first jobs would try the failure again twice."""
        steps, sent = Steps(), list[str]()
        flow, listen = create_flow("overtaken").node("x", steps.broken), noting(sent)

        async def be_overtaken(operation: str, call: Call) -> Any:
            if operation == "status.create":
                assert (await other.redrive(old)).created
            return await listen(operation, call)

        async with self.programs(flow, reconcile=False) as here:
            await here.hire()
            old = (await here.run(flow, run_id=self.id("old"))).run_id
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            first, other = [
                Client(await here.connect(around), flows=[flow], clock=here.clock) for around in (be_overtaken, listen)
            ]
            started = await first.redrive(old)
            assert (started.created, len(sent)) == (False, 1), f"sent were {sent}"
            assert (await here.ended(started.run_id)).status == "failed"
            assert steps.count("x") == 2

    async def test_a_redrive_that_is_refused_changes_nothing(self) -> None:
        """Another fork of the run has the id: it is redriven under another one afterwards, as if nobody had asked."""
        steps = Steps()
        flow = create_flow("refused").node("a", steps.one).node("x", steps.broken).edge("a", "x")
        async with self.programs(flow) as here:
            await here.hire()
            old = (await here.run(flow, run_id=self.id("old"))).run_id
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            other = (await here.client.fork(old, "a", new_run_id=self.id("other"))).run_id
            await here.ended(other)
            await self.pass_time(here.backend.context.limits.staleness)
            with pytest.raises(ConfigurationError, match="already"):
                await here.client.redrive(old, new_run_id=other)
            assert (await here.client.status(old)).redriven_as is None
            again = await here.client.redrive(old, new_run_id=self.id("new"))
            assert again.created
            assert (await here.client.status(old)).redriven_as == again.run_id

    async def test_a_fork_goes_on_in_another_version_of_its_flow_with_other_values(self) -> None:
        """What is kept is not done again; where it does not fit, that is refused by node, and nothing is begun."""
        steps, is_broken = Steps(), True

        async def convert(ctx: Context) -> str:
            if is_broken:
                raise ValueError("no rate is known")
            return f"{ctx.input} {await ctx.context.get('currency')}"

        def version(*ways: tuple[str, str]) -> FlowBuilder:
            flow = create_flow("priced").node("price", steps.one).node("convert", convert).node("show", steps.echo)
            for way in ways:
                flow = flow.edge(*way)
            return flow

        first = create_flow("priced").node("price", steps.one).node("convert", convert).edge("price", "convert")
        second = version(("price", "convert"), ("convert", "show"))
        third = version(("price", "convert"), ("price", "show"))
        async with self.programs(second) as here:
            await here.hire()
            earlier = Client(here.backend, flows=[first], clock=here.clock)
            old = (await earlier.start(first, {"currency": "EUR"}, run_id=self.id("old"))).run_id
            assert (await here.ended(old)).status == "failed"
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            is_broken, priced = False, steps.count("price")
            with pytest.raises(ConfigurationError, match="'price': it has other ways on"):
                await here.client.redrive(old, flow=third)
            started = await here.client.redrive(old, flow=second, context={"currency": "USD"})
            result = await here.ended(started.run_id)
            assert result.outputs == {"price": 1, "convert": "1 USD", "show": "1 USD"}
            assert steps.count("price") == priced
            await self.pass_time(here.backend.context.limits.staleness)
            assert await here.client.redrive(old) == Started(started.run_id, created=False)
            with pytest.raises(ConfigurationError, match="already"):
                await here.client.redrive(old, context={"currency": "CHF"})

    async def test_what_did_not_complete_keeps_its_idempotency_key(self) -> None:
        """The answer of a charge may have been lost: tried again in another run, it is the same charge."""
        keys: list[str] = []
        lost = True

        async def charge(ctx: Context) -> str:
            keys.append(ctx.idempotency_key)
            if lost:
                raise TimeoutError("the answer was lost")
            return "charged"

        async def order(ctx: Context) -> str:
            return ctx.idempotency_key

        flow = create_flow("paid").node("order", order).node("charge", charge).edge("order", "charge")
        async with self.programs(flow) as here:
            await here.hire()
            old = (await here.run(flow)).run_id
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            lost = False
            new = (await here.client.redrive(old)).run_id
            assert (await here.ended(new)).status == "completed"
            assert set(keys) == {keys[0]}, f"the keys of one charge are {sorted(set(keys))}"
            # Begun again though it completed, it is meant to be done once more.
            await self.pass_time(here.backend.context.limits.staleness)
            forked = (await here.client.fork(old, "order")).run_id
            result: Any = await here.ended(forked)
            assert result.outputs["order"] != (await here.client.result(old)).outputs["order"]
