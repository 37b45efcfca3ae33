"""The context of a run, read and changed by programs that are none of its steps."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from flowcraft_core import NodeContext, Serializer, create_flow
from flowcraft_core.durable import SharedContext
from flowcraft_core.durable.storage import Records
from flowcraft_core.payloads import CompressingCodec
from flowcraft_testkit import InMemoryBackend

from .helpers import SMALL_STORE, Place, left_of, place

Ctx = NodeContext[Any, Any]


def _context(backend: InMemoryBackend, run_id: str = "run") -> SharedContext:
    context = SharedContext(run_id, Records(backend.context, Serializer(), CompressingCodec()), backend.by_hand)
    context._is_open = True  # as inside of ``async with``
    return context


def _flow() -> Any:
    async def double(ctx: Ctx) -> int:
        number: int = 2 * await ctx.context.get("number")
        await ctx.context.set("doubled", number)
        return number

    async def read(ctx: Ctx) -> list[Any]:
        values = [await ctx.context.get(name) for name in ("number", "doubled", "note")]
        await ctx.context.set("last", "the step")
        return values

    flow = create_flow("shared").node("a", double).wait("w").node("b", read).node("c", read)
    return flow.edge("a", "w").edge("w", "b").edge("w", "c")


async def _waits(here: Place) -> None:
    while not await here.backend.context.get("run", ["w:suspension"]):
        await here.clock.sleep(0.5)


async def test_what_is_set_from_outside_is_what_steps_see_next() -> None:
    async with place(_flow()) as here, here.working():
        context = _context(here.backend)
        await here.client.start("shared", {"number": 7, "other": None}, run_id="run")
        await _waits(here)
        assert await context.to_dict() == {"doubled": 14, "number": 7, "other": None}
        await context.patch({"number": 1, "doubled": "outside", "note": [None]}, delete=["other", "nothing"])
        await context.set("number", 2)
        assert [await context.get(name) for name in ("number", "doubled", "note")] == [2, "outside", [None]]
        assert (await context.has("other"), await context.has("note")) == (False, True)
        assert await context.to_dict() == {"doubled": "outside", "note": [None], "number": 2}
        await here.client.resume("run", "w")
        result = await here.client.wait("run", timeout=60)
        assert result.outputs["b"] == [2, "outside", [None]]
        # What the run gives follows from what its steps did.
        assert result.context == {"number": 7, "other": None, "doubled": 14, "last": "the step"}


async def test_a_later_step_stands_against_what_was_set_before_it() -> None:
    async with place(_flow()) as here:
        context = _context(here.backend)
        await here.client.start("shared", {"number": 7}, run_id="run")
        for value in (1, 2, 3):
            await context.set("last", value)
        assert await context.get("last") == 3
        async with here.working():
            await _waits(here)
            await here.client.resume("run", "w")
            await here.client.wait("run", timeout=60)
        assert await context.get("last") == "the step"
        await context.set("last", 4)
        assert await context.get("last") == 4


async def test_of_many_who_set_at_once_each_is_told_the_truth() -> None:
    async with place(_flow()) as here:
        await here.client.start("shared", {"number": 7}, run_id="run")
        contexts = [_context(here.backend) for _ in range(5)]
        await asyncio.gather(*(each.patch({"x": n, f"own {n}": n}) for n, each in enumerate(contexts)))
        known = await contexts[0].to_dict()
        assert known["x"] in range(5)
        assert [known[f"own {n}"] for n in range(5)] == list(range(5))


async def test_a_run_that_nobody_has_taken_up_has_what_was_written_by_hand() -> None:
    async with place(_flow()) as here:
        here.backend.begin_by_hand("run", {"number": 3})
        context = _context(here.backend)
        assert await context.to_dict() == {"number": 3}
        await context.set("number", 4)
        assert await context.get("number") == 4


@pytest.mark.parametrize("length", [1, 3_000])
async def test_a_purge_leaves_nothing_of_it(length: int) -> None:
    chance = random.Random(length)
    async with place(_flow(), store_limits=SMALL_STORE) as here, here.working():
        await here.client.start("shared", {"number": 7}, run_id="run")
        context = _context(here.backend)
        for moment in range(2):
            for name in ("doubled", "mine", "number"):
                await context.set(name, "".join(chr(chance.randint(33, 0x2FFF)) for _ in range(length + moment)))
            if not moment:
                await context.set("number", 7)
                await _waits(here)
        await here.client.cancel("run")
        await here.client.purge("run")
        assert left_of(here.backend, "run") == set()


@pytest.mark.parametrize("is_mixed", [False, True])
async def test_a_long_value_that_is_set_again_and_again_costs_no_more_each_time(is_mixed: bool) -> None:
    chance = random.Random(1)
    async with place(_flow(), store_limits=SMALL_STORE) as here:
        await here.client.start("shared", {"number": 7}, run_id="run")
        context, puts, stored = _context(here.backend), list[int](), list[int]()
        before = here.backend.context.put

        async def counting(*given: Any) -> Any:
            puts[-1] += 1
            return await before(*given)

        here.backend.context.put = counting  # type: ignore[assignment, method-assign]
        for number in range(60):
            puts.append(0)
            value = "".join(chr(chance.randint(33, 0x2FFF)) for _ in range(3_000))
            await context.set("mine", value if not is_mixed or number % 3 else number)
            assert await context.get("mine") == (value if not is_mixed or number % 3 else number)
            stored.append(len(left_of(here.backend, "run")))
        assert max(puts) <= puts[1] + 2  # they are not all equally long
        assert stored[59] - stored[9] <= 50 + 16  # a slot each, which is short, and parts of a few
        await here.client.cancel("run")
        await here.client.purge("run")
        assert left_of(here.backend, "run") == set()


async def test_a_long_value_can_be_read_while_others_set_it() -> None:
    chance = random.Random(1)
    async with place(_flow(), store_limits=SMALL_STORE) as here:
        await here.client.start("shared", {"number": 7}, run_id="run")
        context, get, is_over = _context(here.backend), here.backend.context.get, False
        text = "".join(chr(chance.randint(33, 0x2FFF)) for _ in range(3_000))

        async def slow(run_id: str, keys: Any) -> Any:
            if len(keys) > 4 and asyncio.current_task() in reading:  # parts of a value: others are faster
                await here.clock.sleep(1.0)
            return await get(run_id, keys)

        async def read() -> int:
            read = set[str]()
            while not is_over:
                value = await context.get("mine")
                assert value[:2] == value[-2:]
                read.add(value[:2])
            return len(read)

        await context.set("mine", f"99{text}99")
        here.backend.context.get = slow  # type: ignore[method-assign]
        reading = [asyncio.ensure_future(read()) for _ in range(3)]
        for number in range(10, 50):
            await context.set("mine", f"{number}{text}{number}")
            await here.clock.sleep(0.3 if number % 8 else 3.0)
        is_over = True
        assert min(await asyncio.gather(*reading)) > 3
