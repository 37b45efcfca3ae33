"""The floor: the same work as loops written by hand, with nothing of an engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

SETTINGS = "awaits each step where it stands"
WAYS = ("awaited",)


async def _step(value: int) -> int:
    return value + 1


def prepare(shape: str, nodes: int, way: str) -> Callable[[], Awaitable[int]]:
    """What runs a graph of that shape and size once, and gives its result."""

    async def chain() -> int:
        value = 0
        for _ in range(nodes):
            value = await _step(value)
        return value

    async def fan() -> int:
        first = await _step(0)
        return sum([await _step(first) for _ in range(nodes - 2)])

    async def batch() -> int:
        items = [0] * (nodes - 2)
        return sum([await _step(item) for item in items])

    async def loop() -> int:
        value = await _step(0)
        while value < nodes - 2:
            value = await _step(await _step(value))
        return await _step(value)

    return {"chain": chain, "fan": fan, "batch": batch, "loop": loop}[shape]
