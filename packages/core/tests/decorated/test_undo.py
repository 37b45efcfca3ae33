"""What decorated steps have done is taken back by functions that take what they gave."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from flowcraft_core import (
    BlueprintError,
    ConfigurationError,
    Flow,
    FlowRuntime,
    NodeContext,
    RetryPolicy,
    RunResult,
    SyncNodeContext,
)


def run(flow: Flow[Any, Any], given: Any) -> RunResult[Any]:
    return FlowRuntime([flow]).run_sync(flow, given)


def test_an_undo_takes_what_the_step_gave_and_by_name_what_it_got() -> None:
    undone: list[Any] = []
    flow = Flow[str, str]("trip")

    async def cancel(booking: dict[str, str], ctx: NodeContext[Any, Any], guest: str) -> None:
        undone.append((ctx.key, booking, guest, ctx.idempotency_key))

    def give_back(paid: int, booking: dict[str, str], ctx: SyncNodeContext[Any, Any]) -> None:
        undone.append((ctx.key, paid, booking["of"]))

    @flow.step(undo=cancel)
    async def book(guest: str = flow.input) -> dict[str, str]:
        return {"of": guest}

    @flow.step(undo=give_back)
    def pay(booking: dict[str, str] = book.output) -> int:
        return 70

    @flow.step
    async def travel(paid: int = pay.output, booking: dict[str, str] = book.output) -> str:
        raise ValueError("sold out")

    flow.returns(travel.output)
    result = run(flow, "Ada")
    assert undone == [("pay", 70, "Ada"), ("book", {"of": "Ada"}, "Ada", f"{result.run_id}:book:undo")]
    assert [each.key for each in result.undone] == ["pay", "book"]


def test_the_first_parameter_of_an_undo_takes_what_the_step_gave_whatever_it_is_called() -> None:
    undone: list[Any] = []
    flow = Flow[int, Any]("trip")

    def cancel(ctx: SyncNodeContext[Any, Any], booking: int, reason: int = 0) -> None:
        undone.append((ctx.key, booking, reason))

    def leave(guest: str, ctx: SyncNodeContext[Any, Any]) -> None:
        undone.append((ctx.key, guest))

    undo: Any = cancel  # a checker wants what the step gave in the first place

    @flow.step(undo=undo)
    def rebook(booking: int = flow.input) -> int:
        return booking + 776

    @flow.step
    def guests(number: int = rebook.output) -> list[str]:
        return ["Ada"]

    @flow.batch(guests.output, undo=leave)
    def enter(guest: str) -> str:
        return guest + "'s room"

    @flow.step(after=enter)
    def fails() -> int:
        raise ConnectionError("no trains")

    flow.returns(fails.output)
    assert run(flow, 1).status == "failed"
    assert undone == [("enter[0].enter", "Ada's room"), ("rebook", 777, 0)]


def test_an_undo_that_takes_something_else_than_its_step_gives_is_refused() -> None:
    flow = Flow[int, int]("f")

    def takes_text(given: str) -> None: ...

    undo: Any = takes_text  # which a checker compares, too

    @flow.step(undo=undo)
    def asks(number: int = flow.input) -> int:
        return number

    flow.returns(asks.output)
    with pytest.raises(
        BlueprintError, match=r"the undo of step 'asks'.* takes str as 'given', and what .* gives is int"
    ):
        flow.compile()


def test_an_undo_names_no_outputs() -> None:
    flow = Flow[int, int]("f")

    @flow.step
    def first(number: int = flow.input) -> int:
        return number

    def undo(given: int, number: int = first.output) -> None: ...

    with pytest.raises(ConfigurationError, match=r"it gets what the step gets, by name: leave out .*'number'"):

        @flow.step(undo=undo)
        def asks(number: int = first.output) -> int:
            return number


def test_each_item_of_a_batch_is_undone_and_the_undo_may_take_the_item() -> None:
    undone: list[tuple[int, str]] = []
    flow = Flow[list[str], Any]("rooms")

    def leave(number: int, guest: str) -> None:
        undone.append((number, guest))

    @flow.batch(flow.input, undo=leave)
    async def enter(guest: str) -> int:
        return len(guest)

    @flow.step(after=enter)
    async def fails() -> None:
        raise ValueError("fire")

    assert run(flow, ["Ada", "Bob Ross"]).status == "failed"
    assert sorted(undone) == [(3, "Ada"), (8, "Bob Ross")]


def test_an_undo_is_tried_as_it_says() -> None:
    flow, tries = Flow[list[str], Any]("rooms"), Counter[str]()

    async def leave(number: int, ctx: NodeContext[Any, Any]) -> None:
        tries[ctx.key] += 1
        if tries[ctx.key] < 3:
            raise ConnectionError("nobody opens")

    async def hang_on(key: str) -> None:
        tries["key"] += 1
        await asyncio.Event().wait()

    @flow.step(undo=hang_on, undo_timeout="1ms")
    def take_key() -> str:
        return "k"

    @flow.batch(flow.input, after=take_key, undo=leave, undo_retries=RetryPolicy(max_attempts=3))
    async def enter(guest: str) -> int:
        return len(guest)

    @flow.step(after=enter)
    async def fails() -> None:
        raise ValueError("fire")

    result = run(flow, ["Ada", "Bob Ross"])
    assert tries == {"enter[0].enter": 3, "enter[1].enter": 3, "key": 1}
    errors = {each.key: each.error and each.error.type for each in result.undone}
    assert errors == {"enter[0].enter": None, "enter[1].enter": None, "take_key": "StepTimeoutError"}


def test_how_no_undo_is_tried_is_refused() -> None:
    flow = Flow[int, int]("f")
    with pytest.raises(ConfigurationError, match=r"step 'asks'.* says with undo_retries= or undo_timeout=.*give undo="):

        @flow.step(undo_retries=2)  # type: ignore[call-overload, untyped-decorator]
        def asks(number: int = flow.input) -> int:
            return number


def test_an_undo_is_of_the_step_and_not_of_its_fallback_and_both_get_what_it_got() -> None:
    undone: list[Any] = []
    flow = Flow[int, int]("f")

    def takes_back(given: int | None, number: int) -> None:
        undone.append((given, number))

    @flow.step(undo=takes_back, undo_unsure=True)
    def asks(number: int = flow.input) -> int:
        raise ValueError("away")

    @asks.fallback
    def stands_in(number: int) -> int:
        return number + 1

    @flow.step
    def fails(number: int = asks.output) -> int:
        raise ValueError("at last")

    flow.returns(fails.output)
    assert run(flow, 1).status == "failed"
    assert undone == [(2, 1)]
    config = flow.to_blueprint().nodes[0].config
    assert config is not None
    assert (config.undo, config.undo_unsure) == ("f/asks/undo", True)


@pytest.mark.parametrize(
    ("undo", "problem"),
    [
        (lambda given, other: None, "it gets what the step gets, by name, and the step has no parameter 'other'"),
        (lambda ctx: None, "its first parameter takes what the step gave, so it needs one"),
        (lambda *, number: None, "its first parameter takes what the step gave, so it needs one"),
        (
            lambda number, other: None,
            "the step has no parameter 'other'; its first, 'number', takes what the step gave",
        ),
        (lambda given, /: None, "parameter 'given' is for its position only.*leave out the /"),
        (int, "must be a function"),
    ],
)
def test_an_undo_that_cannot_be_called_is_refused(undo: Any, problem: str) -> None:
    flow = Flow[int, int]("f")
    with pytest.raises(ConfigurationError, match=problem):

        @flow.step(undo=undo)
        def asks(number: int = flow.input) -> int:
            return number
