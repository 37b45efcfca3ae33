"""The clauses of a whole backend on values: their types, sizes, names and positions, and what they cost."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
from collections import Counter
from typing import Any

from flowcraft_core import FlowBuilder, RetryPolicy, create_flow

from .hostile import TEXTS
from .interposed import Call
from .programs import Context, ProgramClauses, Steps, is_so
from .starting import incompressible

_VALUES: dict[str, Any] = {
    "none": None,
    "bytes": bytes(range(256)),
    "set": {1, 2, 3},
    "date": dt.datetime(2026, 2, 28, 12, 30, 0, 123_456, tzinfo=dt.UTC),
    "decimal": decimal.Decimal("1.10"),
    "float": 1.0,
    "int": 2**70,
    "text": "日本語 😀 \x00 \u2028",
    "nested": [{"a": [1.0, 1, True, None]}, (1, 2)],
}


class DataClauses(ProgramClauses):
    """What a ``Backend`` promises of what runs carry."""

    async def test_values_come_back_as_they_were(self) -> None:
        """Types and all, in outputs, context values and the initial context, in other processes too."""
        steps = Steps()

        async def check(ctx: Context) -> list[str]:
            seen = {"input": ctx.input, "set": await ctx.context.get("set"), "begun": await ctx.context.get("begun")}
            return [name for name, value in seen.items() if repr(value) != repr(_VALUES)]

        async def put(ctx: Context) -> Any:
            await ctx.context.set("set", _VALUES)
            return _VALUES

        flow = create_flow("values").node("a", put).node("b", check).node("c", steps.one)
        flow.edge("a", "b").edge("a", "c")
        async with self.programs(flow) as here:
            await here.hire(2)
            result = await here.run(flow, {"begun": _VALUES})
            assert (result.status, result.outputs["b"]) == ("completed", [])
            assert repr(result.outputs["a"]) == repr(_VALUES)

    async def test_what_a_step_does_to_its_params_stays_with_its_attempt(self) -> None:
        """The node's next attempt, and runs of the flow to come, are given what the blueprint says."""
        given: list[list[str]] = []

        async def spoil(ctx: Context) -> int:
            given.append(list(ctx.params["places"]))
            ctx.params["places"].append("spoilt")
            if ctx.attempt == 1:
                raise ValueError("once more")
            return len(ctx.params["places"])

        flow = create_flow("params")
        flow.node("a", spoil, params={"places": ["one"]}, retries=RetryPolicy(max_attempts=2, delay=self.beat / 10))
        async with self.programs(flow) as here:
            await here.hire()
            assert [(await here.run(flow)).outputs for _ in range(2)] == [{"a": 2}] * 2
        assert given == [["one"]] * 4

    async def test_what_cannot_be_stored_fails_its_own_node(self) -> None:
        """By name, and no other."""
        steps = Steps()
        flow = create_flow("unstorable").node("a", steps.one).node("odd", steps.gives(object())).edge("a", "odd")
        async with self.programs(flow) as here:
            await here.hire()
            result = await here.run(flow)
            assert (result.status, [error.node_id for error in result.errors]) == ("failed", ["odd"])
            assert "odd" in str(result.reason)

    async def test_a_value_longer_than_the_stores_limit_comes_back_whole(self) -> None:
        """It is stored in parts under names of their own: an output, a context value, an item."""

        async def big(ctx: Context) -> str:
            text = incompressible(length)
            await ctx.context.set("big", text)
            return text

        async def measure(ctx: Context) -> list[Any]:
            text = await ctx.context.get("big")
            return [len(ctx.input), len(text), ctx.input == text == incompressible(length)]

        flow = create_flow("big").node("a", big).node("b", measure).node("c", measure).edge("a", "b").edge("a", "c")
        async with self.programs(flow) as here:
            length = 2 * here.backend.context.limits.max_value_bytes + 1_000
            await here.hire(2)
            result = await here.run(flow)
            assert (result.status, result.outputs["b"]) == ("completed", [length, length, True])
            assert result.outputs["c"] == result.outputs["b"]

    async def test_purging_leaves_no_part_of_a_long_value_behind(self) -> None:
        """Not of an output or a context value, nor what a writer left that was killed before its record told of it."""

        async def big(ctx: Context) -> str:
            text = incompressible(length)
            await ctx.context.set("big", text)
            return text

        flow = create_flow("purged").node("a", big)
        async with self.programs(flow, reconcile=False) as here:
            length = 2 * here.backend.context.limits.max_value_bytes + 1_000
            keys: set[str] = set()
            died = asyncio.Event()

            async def noting(operation: str, call: Call) -> Any:
                if operation == "context.put":
                    keys.add(call.args[1])
                return await call()

            async def dying(operation: str, call: Call) -> Any:
                if operation == "context.put" and len(keys) == 3:
                    died.set()
                    await asyncio.Event().wait()
                return await noting(operation, call)

            first = await here.hire(around=dying)
            run_id = (await here.client.start(flow)).run_id
            await self.until(lambda: is_so(died.is_set()), here.patience)
            await here.kill(first)
            left = set(keys)
            await here.hire(around=noting)
            assert (await here.ended(run_id)).status == "completed"
            assert len(keys) > 2 * len(left) > 0
            await self.pass_time(here.backend.context.limits.staleness)
            await here.client.purge(run_id)
            await self.pass_time(here.backend.context.limits.staleness)
            assert await here.backend.context.get(run_id, sorted(keys)) == {}

    async def test_of_two_setters_of_a_name_the_later_in_the_flow_stands(self) -> None:
        """Whatever the timing; nothing is lost on different names."""

        async def put(ctx: Context) -> None:
            if ctx.node_id == "b":
                await self._clock.sleep(2 * self.beat)
            await ctx.context.set("last", ctx.node_id)
            await ctx.context.set(f"by {ctx.node_id}", 1)

        flow = create_flow("setters")
        for node in "abcd":
            flow.node(node, put)
        flow.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d").node("e", put).edge("a", "e")
        async with self.programs(flow) as here:
            await here.hire(3)
            result = await here.run(flow)
            assert result.context == {"last": "d", **{f"by {node}": 1 for node in "abcde"}}

    async def test_passes_beyond_ten_set_values_in_their_order(self) -> None:
        """Positions are compared number by number: read as text, pass 9 would stand against pass 10."""

        async def first(ctx: Context) -> int:
            number: int = await ctx.context.get("count", 0) + 1
            await ctx.context.set("count", number)
            await ctx.context.set("last", f"first {number}")
            return number

        async def second(ctx: Context) -> int:
            await ctx.context.set("last", f"second {ctx.input}")
            return int(ctx.input)

        async def read(ctx: Context) -> Any:
            return [await ctx.context.get("count"), await ctx.context.get("last")]

        flow = create_flow("passes").node("init", _one).node("first", first).node("second", second)
        flow.edge("init", "first").edge("first", "second")
        flow.loop("L", start="first", end="second", condition="count < 12")
        flow.node("read", read).node("other", _one).edge("L", "read").edge("L", "other")
        async with self.programs(flow) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert (result.status, result.context) == ("completed", {"count": 12, "last": "second 12"})
            assert result.outputs["read"] == [12, "second 12"]

    async def test_names_may_be_of_any_characters(self) -> None:
        """Ids with what separates and escapes elsewhere: they work, and none is taken for another."""
        steps = Steps()
        names = [*TEXTS[:14], "a", "a ", "é", "e\u0301", "日本語", "👩‍👩‍👧", "n" * 300]
        flow = create_flow("names").node("start", steps.one).node("end", steps.gives("end"))
        for place, name in enumerate(names):
            flow.node(name, steps.gives(place)).edge("start", name).edge(name, "end")
        async with self.programs(flow) as here:
            await here.hire(3)
            for run_id in (f"{self.id('run')}/😀 a.b#c", (self.id("run") + "/").ljust(300, "é")):
                result = await here.run(flow, run_id=run_id)
                assert result.status == "completed"
                assert {name: result.outputs[name] for name in names} == {name: i for i, name in enumerate(names)}

    async def test_a_step_costs_the_same_however_long_the_chain(self) -> None:
        """No operation's number grows with what was run before: one write for each node, and a constant for the run."""
        steps = Steps()

        def row(length: int) -> FlowBuilder:
            flow = create_flow(f"row{length}").node("n0", steps.gives("x" * 4_000))
            for place in range(1, length):
                flow.node(f"n{place}", steps.echo).edge(f"n{place - 1}", f"n{place}")
            return flow

        costs: list[Counter[str]] = []
        for length in (10, 60):
            flow = row(length)
            keys: Counter[str] = Counter()

            async def pricing(operation: str, call: Call, keys: Counter[str] = keys) -> Any:
                named = call.args[1] if operation == "context.get" else ()
                keys["context keys read"] += len(named)
                keys[operation] += operation.startswith("context.")
                return await call()

            async with self.programs(flow, reconcile=False) as here:
                await here.hire(around=pricing)
                assert (await here.run(flow)).steps == length
            costs.append(keys)
        short, long = costs
        assert long["context.put"] - short["context.put"] == 50
        assert long["context.get"] - short["context.get"] <= 10
        assert long["context keys read"] - short["context keys read"] <= 60

    # --- beginning again ------------------------------------------------------------------------------------------

    async def test_a_redriven_run_keeps_what_was_done(self) -> None:
        """A new run with the kept outcomes and values, which tries what failed; the old one stays as it was."""
        steps, healthy = Steps(), False

        async def put(ctx: Context) -> int:
            steps.executed.append(ctx.key)
            await ctx.context.set("kept", 5)
            return steps.count("a")  # a read that is stale may have it run again; what stands is what was kept

        async def moody(ctx: Context) -> Any:
            steps.executed.append(ctx.key)
            if not healthy:
                raise ValueError("not today")
            return await ctx.context.get("kept")

        flow = create_flow("redriven").node("a", put).node("b", moody).node("c", steps.total).node("d", steps.one)
        flow.edge("a", "b").edge("a", "d").edge("b", "c").edge("d", "c")
        async with self.programs(flow) as here:
            await here.hire(2)
            old = await here.run(flow, {"x": 1})
            assert old.status == "failed"
            healthy = True
            await self.pass_time(2 * self.beat)
            started = await here.client.redrive(old.run_id, new_run_id=self.id("new"))
            result = await here.ended(started.run_id)
            assert (result.status, result.outputs) == ("completed", {"a": 1, "b": 5, "c": 6, "d": 1})
            assert result.context == {"x": 1, "kept": 5}
            assert (await here.client.result(old.run_id)).status == "failed"


async def _one(ctx: Context) -> int:
    return 1
