"""The clauses of a whole backend on large batches, whose items are stored in pages and read page by page."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft_core import ConfigurationError, FlowBuilder, FlowRuntime, create_flow
from flowcraft_core.runtime import Replay

from .hugeness import held_of, only_what_is_new
from .interposed import Call
from .programs import Context, ProgramClauses, Steps, is_so
from .starting import incompressible


def _batch(flow_id: str, steps: Steps, items: Any, worker: Any, **options: Any) -> FlowBuilder:
    flow = create_flow(flow_id).node("src", steps.gives(items)).batch("b", worker, **options).node("end", steps.echo)
    return flow.edge("src", "b").edge("b", "end")


def _is_page(key: str) -> bool:
    return key.startswith("b:entry:chunk:") and not key.startswith("b:entry:chunk:.")


class PagingClauses(ProgramClauses):
    """What a ``Backend`` promises of batches in pages."""

    async def test_a_batch_in_pages_gives_what_any_other_gives(self) -> None:
        """Whether its items fill their pages, leave one half empty, or need none; also where a flow is called."""
        steps = Steps()
        inner = create_flow("inner").node("a", steps.echo).node("z", steps.echo, inputs="input").edge("a", "z")
        sizes = [(items, size) for size in (1, 2, 3) for items in (0, 1, 2, 3, 4, 7)]
        flows = {
            (items, size): _batch(
                f"of_{items}_by_{size}",
                steps,
                [{"n": item} for item in range(items)],
                inner if size == 3 else steps.echo,
                page_size=size,
                concurrency=2,
            )
            for items, size in sizes
        }
        async with self.programs(*flows.values(), inner, reconcile=False) as here:
            await here.hire(2)
            for (items, size), flow in flows.items():
                result = await here.run(flow)
                given = [{"n": item} for item in range(items)]
                assert (result.status, result.outputs["end"]) == ("completed", given), f"{items} in pages of {size}"

    async def test_an_item_costs_no_more_than_a_part_of_a_page(self) -> None:
        """A page is written once and read once by a worker, however many come to it; and few items need none."""
        steps, read, written = Steps(), list[str](), list[str]()

        async def listen(operation: str, call: Call) -> Any:
            answer = await call()
            if operation == "context.get":
                read.extend(key for key in answer if _is_page(key))
            if operation == "context.put" and ":chunk:" in call.args[1]:
                written.append(call.args[1])
            return answer

        few = _batch("few", steps, list(range(20)), steps.add, page_size=20, concurrency=4)
        many = _batch("many", steps, list(range(60)), steps.add, page_size=20, concurrency=4)
        async with self.programs(few, many, reconcile=False) as here:
            hands = [await here.hire(around=listen) for _ in range(2)]
            assert (await here.run(few)).outputs["end"] == list(range(1, 21))
            assert not written, f"a batch of one page has written {written}"
            assert (await here.run(many)).outputs["end"] == list(range(1, 61))
            for pages in (":entry:chunk:", "b:chunk:"):  # of items, and of results
                some = [key for key in written if pages in key]
                assert len(some) == 1 + 3, f"three pages and what they will be called were written as {some}"
            assert len(read) <= 3 * len(hands), f"{len(hands)} workers have read three pages {len(read)} times"

    async def test_the_pages_of_who_wins_are_those_that_are_read(self) -> None:
        """Whoever opens a batch is killed at each of its writes; who comes after him writes pages of his own."""
        steps = Steps()
        flow = _batch("opened", steps, list(range(5)), steps.add, page_size=2, concurrency=1)
        for number in range(2, 8):  # the source; the slot, three pages, the entry; the first item
            for when in ("before", "after"):
                async with self.programs(flow) as here:
                    run_id = (await here.client.start(flow)).run_id
                    await here.hire_until("context.put", when=when, number=number)
                    await here.hire(2)
                    result = await here.ended(run_id)
                    at = f"killed {when} write {number}"
                    assert (result.status, result.outputs["end"]) == ("completed", [1, 2, 3, 4, 5]), at

    async def test_a_purge_takes_all_pages_whoever_began_them(self) -> None:
        """Also those of one who was killed before anything named them, and the chunks of those that are long."""
        steps, keys = Steps(), set[str]()

        async def items(ctx: Context) -> list[str]:
            return ["a", "b", "c", incompressible(2 * here.backend.context.limits.max_value_bytes), "d"]

        async def noting(operation: str, call: Call) -> Any:
            if operation == "context.put":
                keys.add(call.args[1])
            return await call()

        async def dying(operation: str, call: Call) -> Any:
            if operation == "context.put" and sum(key.startswith("b:entry:chunk:") for key in keys) == number:
                died.set()
                await asyncio.Event().wait()
            return await noting(operation, call)

        flow = create_flow("purged").node("src", items).batch("b", steps.one, page_size=2, concurrency=2)
        flow.edge("src", "b")
        for number in (1, 2, 5):  # what will be called how, a page, a chunk of a page
            died = asyncio.Event()
            keys.clear()
            async with self.programs(flow, reconcile=False) as here:
                run_id = (await here.client.start(flow)).run_id
                first = await here.hire(around=dying)
                await self.until(lambda: is_so(died.is_set()), here.patience)  # noqa: B023 - of this round
                await here.kill(first)
                await here.hire(around=noting)
                assert (await here.ended(run_id)).status == "completed"
                await self.pass_time(here.backend.context.limits.staleness)
                await here.client.purge(run_id)
                await self.pass_time(here.backend.context.limits.staleness)
                left = await here.backend.context.get(run_id, sorted(keys))
                assert not left, f"a writer was killed at write {number}, and the purge has left {sorted(left)}"

    async def test_a_fork_has_pages_of_its_own(self) -> None:
        """The run that it was made of is purged, and it goes on."""
        steps = Steps()
        flow = _batch("forked", steps, list(range(5)), steps.add, page_size=2, concurrency=1)
        async with self.programs(flow) as here:
            await here.hire(2)
            old = (await here.run(flow)).run_id
            await here.leave()
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            new = (await here.client.fork(old, "b[1].b", "b[4].b")).run_id
            await here.client.purge(old)
            await here.hire(2)
            result = await here.ended(new)
            assert (result.status, result.outputs["end"]) == ("completed", [1, 2, 3, 4, 5])
            assert [steps.count(f"b[{item}].b") for item in range(5)] == [1, 2, 1, 1, 2]

    async def test_what_is_told_and_taken_out_has_the_items(self) -> None:
        """A description shows what an item was given, and an export is complete without the store."""
        steps = Steps()
        flow = _batch("told", steps, list(range(5)), steps.add, page_size=2, concurrency=2)
        async with self.programs(flow) as here:
            await here.hire()
            run_id = (await here.run(flow)).run_id
            await self.pass_time(here.backend.context.limits.staleness)
            told = await here.client.describe(run_id, inside="b")
            assert {each.key: each.input for each in told.instances} == {f"b[{item}].b": item for item in range(5)}
            replay = Replay(await here.client.export(run_id))
            assert {each.key: each.input for each in replay if each.key.startswith("b[")} == {
                f"b[{item}].b": item for item in range(5)
            }

    async def test_results_in_pages_are_read_as_a_step_comes_to_them(self) -> None:
        """A slice costs the pages that it lies on; what is no more than a page is a list, as it is in one process."""
        steps, read = Steps(), list[str]()

        async def listen(operation: str, call: Call) -> Any:
            answer = await call()
            if operation == "context.get":
                read.extend(key for key in answer if key.startswith("b:chunk:"))
            return answer

        async def some(ctx: Context) -> list[Any]:
            results = ctx.input
            if isinstance(results, list):
                return ["list", *results]
            part = await results.part(3, 5)
            return ["pages", len(results), *part, await results.get(-1)]

        def of(name: str, items: int) -> FlowBuilder:
            flow = create_flow(name).node("src", steps.gives(list(range(items)))).node("some", some)
            return flow.batch("b", steps.add, page_size=2).edge("src", "b").edge("b", "some")

        few, many = of("few", 2), of("many", 9)
        async with self.programs(few, many) as here:
            await here.hire(around=listen)
            assert (await here.run(few)).outputs["some"] == ["list", 1, 2]
            assert not read
            result = await here.run(many)
            assert result.outputs["some"][1:] == [9, 4, 5, 9]
            assert len(set(read)) == 3, f"results 3, 4 and 8 stand on pages 1, 2 and 4; read were {read}"
            assert result.outputs["b"] == list(range(1, 10))
        for flow in (few, many):
            alone = await FlowRuntime([flow], clock=self._clock).run(flow)
            assert alone.outputs["some"][1:] == ([1, 2] if flow is few else [9, 4, 5, 9])

    async def test_results_in_pages_are_the_same_to_every_step(self) -> None:
        """Plain or async, by an edge, a join or a name; and whatever comes between, or names a part, has them all."""
        steps = Steps()

        async def goes(ctx: Context) -> list[Any]:
            return [result async for result in ctx.input]

        def plain(ctx: Any) -> list[Any]:
            results = ctx.input if not isinstance(ctx.input, dict) else ctx.input["b"]
            return [*results, results[-1], *results[1:3], *results[::2], 4 in results]

        async def refused(ctx: Context) -> str:
            try:
                return str(list(ctx.input))
            except ConfigurationError as error:
                return str(error)[:40]

        flow = create_flow("seen").node("src", steps.gives(list(range(5)))).batch("b", steps.add, page_size=2)
        flow.node("goes", goes).node("plain", plain).node("refused", refused).node("same", steps.echo)
        flow.node("named", plain, inputs={"b": "b"}).node("joined", plain).sleep("nap", 1).node("slept", steps.echo)
        flow.node("third", steps.echo, inputs="b.2").batch("again", steps.add, page_size=3).node("long", steps.one)
        for target in ("goes", "plain", "refused", "same", "joined", "nap", "again"):
            flow.edge("b", target)
        flow.edge("src", "b").edge("src", "joined").edge("nap", "slept").edge("same", "named").edge("same", "third")
        flow.edge("same", "long", condition="context.b.length == 5 and context.b[4] == 5")
        seen = [1, 2, 3, 4, 5, 5, 2, 3, 1, 3, 5, True]
        should = {
            **{name: list(range(1, 6)) for name in ("b", "goes", "same", "slept", "nap")},
            **{name: list(seen) for name in ("plain", "named", "joined")},
            "refused": "these are the results of a large batch, ",
            "third": 3,
            "again": [2, 3, 4, 5, 6],
            "long": 1,
            "src": [0, 1, 2, 3, 4],
        }
        async with self.programs(flow) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert result.status == "completed", result.errors
            assert result.outputs == should
        alone = await FlowRuntime([flow], clock=self._clock).run(flow)
        assert alone.outputs == should

    async def test_who_gathers_holds_few_items_at_a_time(self) -> None:
        """Of a large batch, items and results are read and written on, page by page, and not kept."""
        steps, total, held = Steps(), 600, list[int]()

        async def counting(operation: str, call: Call) -> Any:
            if operation == "context.put" and (call.args[1] == "b" or call.args[1].startswith("b:chunk:")):
                held.append(held_of("b"))
            return await call()

        flow = _batch("few", steps, list(range(total)), steps.add, page_size=100, concurrency=40)
        flow.node("last", steps.echo, inputs="b.599").edge("b", "last")
        async with only_what_is_new(), self.programs(flow, reconcile=False) as here:
            await here.hire(around=counting)
            result = await here.run(flow)
            assert (result.status, result.outputs["last"]) == ("completed", total), result.errors
            assert result.outputs["b"] == list(range(1, total + 1))
            # What the pages will be called, the pages, the outcome; more if somebody else gathers, too.
            assert len(held) >= 1 + total // 100 + 1
            assert max(held) < 2 * total // 3, f"of {total} items {max(held)} were held at once"

    async def test_what_a_batch_looks_into_is_a_list(self) -> None:
        """Its edges, and a context value of its results, are made of all of them, in pages or not."""
        steps = Steps()
        kept = create_flow("kept").node("src", steps.gives(list(range(5))))
        kept.batch("b", steps.add, page_size=2, concurrency=2, output="all").edge("src", "b")
        flow = create_flow("into").node("src", steps.gives(list(range(5))))
        flow.batch("b", steps.add, page_size=2, concurrency=2).edge("src", "b")
        flow.node("five", steps.echo).node("third", steps.echo).node("none", steps.echo)
        flow.edge("b", "five", condition="result.output.length == 5")
        flow.edge("b", "none", condition="result.output[1] == 9")
        flow.edge("b", "third", transform="input[2]")
        should = {"five": [1, 2, 3, 4, 5], "third": 3}
        async with self.programs(flow, kept) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert result.status == "completed", result.errors
            assert {name: result.outputs.get(name) for name in ("five", "third")} == should
            assert "none" not in result.outputs
            result = await here.run(kept)
            assert (result.status, result.context) == ("completed", {"all": [1, 2, 3, 4, 5]}), result.errors

    async def test_a_long_list_is_no_long_record(self) -> None:
        """A step's output that would not fit into a record is stored in pages, and handed on as it is."""
        steps = Steps()
        rows = [{"id": row, "name": f"row {row}"} for row in range(6_000)]
        longest = 0

        async def measuring(operation: str, call: Call) -> Any:
            nonlocal longest
            if operation == "context.put" and call.args[1] == "src":
                longest = max(longest, len(call.args[2].body))
            return await call()

        flow = create_flow("rows").node("src", steps.gives(rows)).node("count", _count).edge("src", "count")
        async with self.programs(flow) as here:
            await here.hire(around=measuring)
            result = await here.run(flow)
            assert (result.status, result.outputs["count"]) == ("completed", ["list", 6_000, 5_999])
            assert (result.outputs["src"], longest < 1_000) == (rows, True), f"its record has {longest} bytes"


async def _count(ctx: Context) -> list[Any]:
    """What kind of thing came in, how long it is, and the last of it."""
    return [type(ctx.input).__name__, len(ctx.input), ctx.input[-1]["id"]]
