"""What a step was given out of pages, its undo is given, too: an item, a part of the results, or all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, Gathered, NodeContext, SyncNodeContext, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Backend, Fact
from flowcraft_testkit import VirtualClock

from .helpers import STRONG, Watched, working, world

_ITEMS = [{"n": number} for number in range(5)]


@attrs.define
class Seen:
    """What steps and their undos have found as their inputs and outputs, by the instances' keys."""

    done: dict[str, Any] = attrs.field(factory=dict)
    undone: dict[str, Any] = attrs.field(factory=dict)
    attempts: dict[str, int] = attrs.field(factory=dict)

    def undo(self, ctx: SyncNodeContext[Any, Any]) -> None:
        self._undone(ctx, _plain(ctx.input))

    async def undo_async(self, ctx: NodeContext[Any, Any]) -> None:
        self.attempts[ctx.key] = ctx.attempt
        self._undone(ctx, await _read(ctx.input))

    def _undone(self, ctx: Any, given: Any) -> None:
        self.undone[ctx.key] = (type(ctx.input).__mro__[-3:], given, ctx.output)

    def step(self, ctx: SyncNodeContext[Any, Any]) -> Any:
        return self._done(ctx, _plain(ctx.input))

    async def step_async(self, ctx: NodeContext[Any, Any]) -> Any:
        return self._done(ctx, await _read(ctx.input))

    def long(self, ctx: SyncNodeContext[Any, Any]) -> list[str]:
        """Gives a list that is too long for a record."""
        output = [f"{number:0300}" for number in range(1_500)]
        self.done[ctx.key] = (type(ctx.input).__mro__[-3:], _plain(ctx.input), output)
        return output

    def _done(self, ctx: Any, given: Any) -> Any:
        output = {"of": ctx.key, "given": given}
        self.done[ctx.key] = (type(ctx.input).__mro__[-3:], given, output)
        return output


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return list(value) if isinstance(value, Gathered) else value


async def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: await _read(part) for name, part in value.items()}
    return [each async for each in value] if isinstance(value, Gathered) else value


def _flow(seen: Seen) -> FlowBuilder:
    """A batch of a flow, in pages, what looks at its results in every way, and a step that fails."""

    async def fails(ctx: NodeContext[Any, Any]) -> None:
        raise ValueError("it fails")

    plain: Any = {"undo": seen.undo}
    async_: Any = {"undo": seen.undo_async}
    item = (
        create_flow("item").node("first", seen.step, **plain).node("again", seen.step_async, inputs="input", **async_)
    )
    flow = create_flow("f").node("items", lambda ctx: _ITEMS)
    flow = flow.batch("each", item.edge("first", "again"), page_size=2, concurrency=2)
    flow = flow.batch("simple", seen.step, page_size=2, undo=seen.undo)
    flow = flow.node("long", seen.long, **plain).node("after", seen.step, **plain)
    flow = flow.node("whole", seen.step, **plain).node("async", seen.step_async, **async_)
    flow = flow.node("part", seen.step, inputs="each.3", **plain)
    flow = flow.node("named", seen.step_async, inputs={"all": "each", "one": "each.0.of"}, **async_)
    flow = flow.node("fails", fails, queue="last")
    flow = flow.edge("items", "each").edge("items", "simple").edge("simple", "long").edge("long", "after")
    for name in ("whole", "async", "part", "named"):
        flow = flow.edge("each", name).edge(name, "fails")
    return flow.edge("after", "fails")


_KEYS = {f"each[{n}]/{name}" for n in range(5) for name in ("first", "again")}
_KEYS |= {f"simple[{n}].simple" for n in range(5)} | {"whole", "async", "part", "named", "long", "after"}


class Pageless(Watched):
    """A backend whose store cannot read some pages for a minute."""

    def __init__(self, inner: Backend, lost: str, clock: VirtualClock) -> None:
        super().__init__(inner)
        self.missed: list[str] = []
        self._store, self._lost, self._clock, self._until = inner.context, lost, clock, 0.0
        self.context = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        """As the store does, but for the pages."""
        pages = [key for key in keys if key.startswith(self._lost)]
        if pages:
            self._until = self._until or self._clock.now() + 60
            if self._clock.now() < self._until:
                self.missed += pages
                raise TransientError("the store is away")
        return await self._store.get(run_id, keys)


async def test_an_undo_is_given_what_its_step_was_given() -> None:
    seen, clock = Seen(), VirtualClock()
    flow = _flow(seen)
    async with world(clock, STRONG) as backend:
        runtime = FlowRuntime([flow], clock=clock)
        async with working(backend, runtime, number=2, queues=["last", "default"]):
            client = Client(backend, flows=[flow], clock=clock)
            run = await client.start(flow)
            result = await client.wait(run.run_id, timeout=600)
    assert result.status == "failed"
    assert not [each for each in result.undone if each.error is not None]
    assert seen.done.keys() == _KEYS
    assert seen.undone == seen.done


@pytest.mark.parametrize("lost", ["each:chunk:", "each:entry:chunk:"], ids=["results", "items"])
async def test_a_page_that_cannot_be_read_is_no_failure_of_the_undo(lost: str) -> None:
    """The store is away for a while for who undoes, and has read no page before."""
    seen, clock = Seen(), VirtualClock()
    flow = _flow(seen)
    runtime = FlowRuntime([flow], clock=clock)
    async with world(clock, STRONG) as backend:
        client = Client(backend, flows=[flow], clock=clock)
        run = await client.start(flow)
        async with working(backend, runtime, queues=["default"]):
            until = clock.now() + 60
            while len(seen.done) < len(_KEYS) and clock.now() < until:
                await clock.sleep(1)
        assert seen.done.keys() == _KEYS
        other = Pageless(backend.connect(), lost, clock)
        await other.open()
        async with working(other, runtime, queues=["last", "default"]):
            result = await client.wait(run.run_id, timeout=3600)
    assert other.missed
    assert result.status == "failed"
    assert not [each for each in result.undone if each.error is not None]
    assert seen.undone == seen.done
    assert set(seen.attempts.values()) == {1}
