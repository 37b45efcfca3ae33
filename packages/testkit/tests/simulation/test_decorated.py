"""A flow of decorated functions gives the same on workers as in one process, whatever goes wrong between."""

from __future__ import annotations

from typing import Any

from flowcraft_core import Flow, NodeContext, first_of
from flowcraft_testkit import FlowTester


def orders() -> Flow[dict[str, Any], str]:
    line = Flow[dict[str, int], int]("line")

    @line.step
    async def look_up(given: dict[str, int] = line.input) -> int:
        return given["price"]

    @line.step(when=look_up.output > 0)
    async def times(price: int = look_up.output, pieces: int = line.input["pieces"]) -> int:
        return price * pieces

    @line.step
    async def note(price: int = look_up.output) -> None: ...

    line.returns(times.output)

    flow = Flow[dict[str, Any], str]("orders")
    discount = flow.value("discount", int, default=0)
    prices = flow.call_each(line, flow.input["lines"], name="prices")

    @flow.step
    async def total(ctx: NodeContext, of: list[int] = prices.output) -> int:
        discount.set(ctx, 5)
        return sum(of)

    lower = flow.loop("lower", total.output)

    @flow.step
    async def reduce(number: int = lower.value, by: int = discount.value, least: int = flow.input["least"]) -> int:
        return max(number - by, least)

    lower.again(reduce.output, when=reduce.output > flow.input["least"])

    @flow.step(when=total.output > 30)
    async def rich() -> str:
        return "rich"

    @flow.step
    async def show(number: int = lower.output, how: str | None = rich.maybe) -> str:
        return f"{how} {number}"

    flow.returns(show.output)
    return flow


def raced() -> Flow[int, str]:
    flow = Flow[int, str]("raced")

    @flow.step
    async def decide(number: int = flow.input) -> int:
        return number

    @flow.step(when=decide.output > 3)
    async def large(number: int = decide.output) -> str:
        return f"large {number}"

    @flow.step(unless=decide.output > 3)
    async def small(number: int = decide.output) -> str:
        return f"small {number}"

    flow.returns(first_of(large.output, small.output))
    return flow


GIVEN: dict[str, Any] = {"lines": [{"price": 5, "pieces": 2}, {"price": 3, "pieces": 4}], "least": 9}


def test_it_runs_in_virtual_time() -> None:
    assert FlowTester().run(orders(), GIVEN).output == "None 9"
    many = {**GIVEN, "lines": GIVEN["lines"] * 2}
    assert FlowTester().run(orders(), many).output == "rich 9"


def test_it_gives_the_same_on_simulated_workers() -> None:
    FlowTester().simulate(orders(), GIVEN, seeds=20)


def test_branches_that_exclude_each_other_do_so_on_workers() -> None:
    FlowTester().simulate(raced(), 5, seeds=10, racing=True)
