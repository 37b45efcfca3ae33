"""What a decorated flow is given and cannot use is refused by name, where it is given; odd functions are steps too."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, Optional

import pytest
from flowcraft_core import ConfigurationError, Flow, FlowRuntime, NodeContext, Serializer, SyncNodeContext, create_flow

from .helpers import run

RUNTIME: Any = FlowRuntime


def one(number: int = 1) -> int:
    return number


def flow_with(use: Callable[[Flow[int, int], Any], object]) -> Flow[int, int]:
    flow = Flow[int, int]("f")
    first = flow.step(name="first")(one)
    flow.returns(first.output)
    use(flow, first)
    return flow


def default_of(default: Any) -> Callable[..., Any]:
    def taking(x: int) -> int:
        return x

    taking.__defaults__ = (default,)
    return taking


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda flow, _: flow.step(name="b", after="first")(one), "flow 'f': after= takes steps.* not 'first'"),
        (lambda flow, first: flow.step(name="b", after=[first, 5])(one), "flow 'f': after= takes steps.* not 5"),
        (lambda flow, first: flow.step(name="b", after=first.output)(one), "flow 'f': after= takes steps"),
        (lambda flow, first: flow.call("g", first.output), "flow 'f': call takes a flow, not 'g'"),
        (lambda flow, first: flow.call_each(None, first.output), "flow 'f': call_each takes a flow, not None"),
        (lambda _, first: first.failed_with((ValueError, KeyError)), "first.failed_with takes one class of errors"),
        (lambda _, first: first.failed_with(5), "first.failed_with takes one class of errors"),
        (lambda flow, _: flow.step(name=5)(one), "flow 'f': name= must be a string, not 5"),
        (lambda flow, _: flow.wait(5, bool), "flow 'f': name= must be a string, not 5"),
        (lambda flow, _: flow.step(name="b", retrys=2)(one), "flow 'f': a step has no option 'retrys'"),
        (
            lambda flow, _: flow.step(name="b")(default_of(flow)),
            "parameter 'x' is flow 'f' itself: write x=<flow>.input",
        ),
        (
            lambda flow, _: flow.step(name="b")(default_of(flow.value("v", int, default=3))),
            "parameter 'x' is context value 'v' itself: write x=<value>.value",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(use: Callable[[Any, Any], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        flow_with(use)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda flow: RUNTIME([None]), "a flow must be one that create_flow or Flow has made, not None"),
        (lambda flow: RUNTIME([flow], serializer=Serializer), "serializer must be a Serializer, not <class"),
        (lambda flow: RUNTIME([flow], events=5), "events must be a function of an event, not 5"),
        (lambda flow: RUNTIME([flow]).run_sync("b", [1]), "flow 'b': what it is started with.*not \\[1\\]"),
        (lambda flow: RUNTIME([flow]).run_sync(flow, [1]), "flow 'b': what it is started with.*not \\[1\\]"),
    ],
)
def test_what_a_runtime_cannot_use_is_refused_by_name(make: Callable[[Any], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(create_flow("b").node("a", lambda ctx: 1))


class Doubling:
    async def __call__(self, number: int) -> int:
        return 2 * number


class Adding:
    async def __call__(self, so_far: int | None, numbers: list[int]) -> int:
        return (so_far or 0) + sum(numbers)


def test_an_object_that_is_called_with_await_is_an_async_step() -> None:
    flow = Flow[list[int], int]("f")
    doubled = flow.batch(flow.input, name="doubled")(Doubling())
    total = doubled.reduce(Adding())
    flow.returns(total.output)
    assert run(flow, [1, 2]).output == 6


def test_an_object_without_a_source_for_a_parameter_is_named() -> None:
    with pytest.raises(ConfigurationError, match="step 'b' of flow 'f': nothing says where parameter 'number'"):
        Flow[int, int]("f").step(name="b")(Doubling())


def test_a_step_has_one_node_context() -> None:
    def two(one: SyncNodeContext, other: SyncNodeContext) -> int:
        return 1

    with pytest.raises(ConfigurationError, match="parameters 'one' and 'other' both take the node context"):
        Flow[int, int]("f").step(two)


def test_a_node_context_may_say_that_it_may_be_none() -> None:
    flow = Flow[int, list[bool]]("f")

    @flow.step
    def first(ctx: SyncNodeContext | None = None) -> bool:
        return ctx is not None

    @flow.step
    async def second(before: bool = first.output, ctx: Optional[NodeContext[int]] = None) -> list[bool]:  # noqa: UP045
        return [before, ctx is not None]

    flow.returns(second.output)
    assert first() is False  # by hand
    assert run(flow, 1).output == [True, True]


def test_a_copy_of_what_is_not_there_yet_is_itself() -> None:
    flow = flow_with(lambda *_: None)
    reference = flow.input
    assert copy.copy(reference) is copy.deepcopy({"a": reference})["a"] is reference
    with pytest.raises(ConfigurationError, match="pickling cannot be done"):
        pickle.dumps(reference)
