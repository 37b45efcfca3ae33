"""Flows of decorated functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft_core import Flow, FlowRuntime

SETTINGS = "FlowRuntime as by default, steps that are awaited; the last step of a fan comes after, and gets no values"
WAYS = ("awaited",)


def prepare(shape: str, nodes: int, way: str) -> Callable[[], Awaitable[int]]:
    """What runs a graph of that shape and size once, and gives its result."""
    flow = {"chain": _chain, "fan": _fan, "batch": _batch, "loop": _loop}[shape](nodes)
    runtime = FlowRuntime([flow])

    async def once() -> int:
        result = (await runtime.run(flow)).raise_for_status()
        if result.steps != nodes:
            raise RuntimeError(f"{shape} of {nodes}: {result.steps} steps")
        return result.output

    return once


def _chain(nodes: int) -> Flow[None, int]:
    flow = Flow[None, int]("chain")

    @flow.step
    async def begin() -> int:
        return 1

    before: Any = begin
    for node in range(1, nodes):

        async def step(value: int = before.output) -> int:
            return value + 1

        step.__name__ = f"step{node}"
        before = flow.step(step)
    flow.returns(before.output)
    return flow


def _fan(nodes: int) -> Flow[None, int]:
    flow = Flow[None, int]("fan")

    @flow.step
    async def first() -> int:
        return 1

    middle: list[Any] = []
    for node in range(nodes - 2):

        async def step(value: int = first.output) -> int:
            return value + 1

        step.__name__ = f"step{node}"
        middle.append(flow.step(step))

    @flow.step(after=middle)
    async def last() -> int:
        return 2 * (nodes - 2)

    flow.returns(last.output)
    return flow


def _batch(nodes: int) -> Flow[None, int]:
    flow = Flow[None, int]("batch")

    @flow.step
    async def items() -> list[int]:
        return [0] * (nodes - 2)

    @flow.batch(over=items.output)
    async def each(item: int) -> int:
        return item + 1

    @flow.step
    async def last(values: list[int] = each.output) -> int:
        return sum(values)

    flow.returns(last.output)
    return flow


def _loop(nodes: int) -> Flow[None, int]:
    flow = Flow[None, int]("loop")

    @flow.step
    async def begin() -> int:
        return 1

    again = flow.loop("again", begin.output)

    @flow.step
    async def one(value: int = again.value) -> int:
        return value + 1

    @flow.step
    async def two(value: int = one.output) -> int:
        return value + 1

    again.again(two.output, when=two.output < nodes - 1)

    @flow.step
    async def last(value: int = again.output) -> int:
        return value + 1

    flow.returns(last.output)
    return flow
