"""Flows whose nodes name limits, and the one who sees whether more is under way than those say."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flowcraft_core import FlowBuilder, Limit, NodeContext, RetryPolicy, create_flow

Ctx = NodeContext[Any, Any]

# So much later an attempt may begin than its place under a rate was taken, from when that counts, seconds: a call
# between the two that fails is made again.
_LATE = 0.5

#: After these faults more may be under way for a moment: places are lost, or lapse under steps that are under way.
EXCUSES = frozenset({"wiped", "expired early", "paused", "slow", "throttled"})


class LimitWatch:
    """Watches who is at work under which limits."""

    def __init__(self, limits: Iterable[Limit], blame: Callable[[str], None], is_excused: Callable[[], bool]) -> None:
        """Watch.

        Args:
            limits: What holds.
            blame: Called with what may not be.
            is_excused: Whether places may have been lost.
        """
        self._limits = {limit.name: limit for limit in limits}
        self._blame, self._is_excused = blame, is_excused
        self._now: Counter[str] = Counter()
        self._starts: dict[str, deque[float]] = {}

    def begins(self, names: Sequence[str]) -> None:
        """An attempt begins that keeps to these limits."""
        now = asyncio.get_running_loop().time()
        for name in names:
            limit = self._limits[name.partition(":")[0]]
            self._now[name] += 1
            starts = self._starts.setdefault(name, deque())
            starts.append(now)
            while starts[0] <= now - limit.per + _LATE:
                starts.popleft()
            if self._is_excused():
                continue
            if limit.concurrency is not None and self._now[name] > limit.concurrency:
                self._blame(f"{self._now[name]} attempts are under way under {name!r}, of {limit.concurrency}")
            if limit.rate is not None and len(starts) > limit.rate:
                self._blame(f"{len(starts)} attempts have begun in {limit.per:g} s under {name!r}, of {limit.rate}")

    def ends(self, names: Sequence[str]) -> None:
        """An attempt has ended, in whatever way."""
        self._now.subtract(names)


async def _four(ctx: Ctx) -> list[dict[str, Any]]:
    return [{"number": number, "tenant": "ab"[number % 2]} for number in range(4)]


async def _ask(ctx: Ctx) -> Any:
    await asyncio.sleep(3)
    return ctx.input


async def _slowly(ctx: Ctx) -> Any:
    await asyncio.sleep(40)  # longer than a job is hidden for
    return ctx.input


async def _second_time(ctx: Ctx) -> Any:
    await asyncio.sleep(1)
    if ctx.attempt == 1:
        raise ValueError("not the first time")
    return ctx.input


def limited() -> FlowBuilder:
    """Four items under one limit, and a node under the same, which is tried again."""
    flow = create_flow("limited").node("a", _four).batch("each", _ask, limit="api")
    flow.node("end", _second_time, limit="api", retries=RetryPolicy(max_attempts=2, delay=2.0))
    return flow.edge("a", "each").edge("each", "end")


def limited_by_key() -> FlowBuilder:
    """A called flow for each item that keeps to one limit by key, and inside to another one and to a rate."""
    inner = create_flow("page").node("x", _ask).node("y", _second_time, limit="rate", retries=_AT_ONCE)
    inner.edge("x", "y")
    flow = create_flow("limited_by_key").node("a", _four).batch("each", inner, limit="tenant:{input.tenant}")
    return flow.edge("a", "each").node("end", _ask, limit=["api", "rate"]).edge("each", "end")


def limited_for_long() -> FlowBuilder:
    """Steps that take longer than a job is hidden for, and others that wait for their places."""
    flow = create_flow("limited_for_long").node("a", _four).batch("each", _slowly, limit="api")
    return flow.edge("a", "each")


_AT_ONCE = RetryPolicy(max_attempts=2, delay=0.5)
