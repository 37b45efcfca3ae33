"""Mistakes in flows of decorated functions are found wherever they lie, with the node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from flowcraft_core import Flow
from flowcraft_core.decorated import Node
from flowcraft_core.linting import lint

AnyFlow = Flow[Any, Any]
Plant = Callable[[AnyFlow, Node[Any]], Node[Any]]


class Page(TypedDict):
    score: int


# --- what is planted: in a flow, behind a node; what it gives is what leads on ----------------------------------------


def nothing(flow: AnyFlow, before: Node[Any]) -> Node[Any]:
    @flow.step
    def planted(value: Any = before.output) -> Any:
        return value

    return planted


def a_part_that_is_not_there(flow: AnyFlow, before: Node[Any]) -> Node[Any]:
    @flow.step
    def page(value: Any = before.output) -> Page:
        return {"score": 3}

    @flow.step
    def planted(value: int = page.output["scroe"]) -> Any:  # type: ignore[misc]
        return value

    return planted


def a_type_that_does_not_fit(flow: AnyFlow, before: Node[Any]) -> Node[Any]:
    @flow.step
    def page(value: Any = before.output) -> Page:
        return {"score": 3}

    @flow.step
    def planted(value: int = page.output) -> Any:  # type: ignore[assignment]
        return value

    return planted


def a_parameter_without_a_source(flow: AnyFlow, before: Node[Any]) -> Node[Any]:
    @flow.step
    def planted(value: Any) -> Any:
        return value

    return planted


def one_id_twice(flow: AnyFlow, before: Node[Any]) -> Node[Any]:
    nothing(flow, before)
    return nothing(flow, before)


def a_queue_of_no_name(flow: AnyFlow, before: Node[Any]) -> Node[Any]:
    @flow.step(queue="big machines")
    def planted(value: Any = before.output) -> Any:
        return value

    return planted


def a_limit_without_its_key(flow: AnyFlow, before: Node[Any]) -> Node[Any]:
    @flow.step(limit="openai:")
    def planted(value: Any = before.output) -> Any:
        return value

    return planted


def retries_below_none(flow: AnyFlow, before: Node[Any]) -> Node[Any]:
    @flow.step(retries=-1)
    def planted(value: Any = before.output) -> Any:
        return value

    return planted


def a_loop_that_never_says_when(flow: AnyFlow, before: Node[Any]) -> Node[Any]:
    loop = flow.loop("planted", before.output)

    @flow.step
    def inside(value: Any = loop.value) -> Any:
        return value

    return inside


def a_step_of_another_flow(flow: AnyFlow, before: Node[Any]) -> Node[Any]:
    other = Flow[None, Any]("other")

    @other.step
    def theirs() -> int:
        return 3

    @flow.step
    def planted(value: Any = before.output, of: int = theirs.output) -> Any:
        return of

    return planted


def an_endless_wait_in_each(flow: AnyFlow, before: Node[Any]) -> Node[Any]:
    asked = Flow[Any, Any]("asked")
    asked.returns(asked.wait("answer", str).output)
    return flow.call_each(asked, before.output, name="planted")


MISTAKES: dict[Plant, str] = {
    a_part_that_is_not_there: "FC425",
    a_type_that_does_not_fit: "FC421",
    a_parameter_without_a_source: "FC608",
    one_id_twice: "FC101",
    a_queue_of_no_name: "FC107",
    a_limit_without_its_key: "FC109",
    retries_below_none: "FC108",
    a_loop_that_never_says_when: "FC604",
    a_step_of_another_flow: "FC603",
    an_endless_wait_in_each: "FC234",
}


# --- around it --------------------------------------------------------------------------------------------------------


def at_the_top(plant: Plant) -> AnyFlow:
    flow = Flow[Any, Any]("host")

    @flow.step
    def first(given: Any = flow.input) -> Any:
        return given

    flow.returns(plant(flow, first).output)
    return flow


def in_a_loop(plant: Plant) -> AnyFlow:
    flow = Flow[Any, Any]("host")
    loop = flow.loop("again", flow.input)

    @flow.step
    def first(value: Any = loop.value) -> Any:
        return value

    inner = plant(flow, first)

    @flow.step
    def last(value: Any = inner.output) -> Any:
        return value

    loop.again(last.output, when=last.output < 3)
    flow.returns(loop.output)
    return flow


def behind_a_failure(plant: Plant) -> AnyFlow:
    flow = Flow[Any, Any]("host")

    @flow.step
    def fails(given: Any = flow.input) -> Any:
        return given

    @flow.step
    def first(error: Any = fails.failed.output) -> Any:
        return error

    flow.returns(plant(flow, first).output)
    return flow


def in_a_branch(plant: Plant) -> AnyFlow:
    flow = Flow[Any, Any]("host")

    @flow.step
    def choice(given: Any = flow.input) -> Any:
        return given

    @flow.step(when=choice.output > 3)
    def first(value: Any = choice.output) -> Any:
        return value

    flow.returns(plant(flow, first).output)
    return flow


def called(plant: Plant) -> AnyFlow:
    flow = Flow[Any, Any]("outer")
    flow.returns(flow.call(at_the_top(plant), flow.input).output)
    return flow


def called_for_each(plant: Plant) -> AnyFlow:
    flow = Flow[Any, Any]("outer")
    flow.returns(flow.call_each(in_a_loop(plant), flow.input).output)
    return flow


HOSTS = [at_the_top, in_a_loop, behind_a_failure, in_a_branch, called, called_for_each]


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_is_found_where_nothing_is_planted(host: Callable[[Plant], AnyFlow]) -> None:
    assert lint(lambda: host(nothing)) == []


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("plant", MISTAKES)
def test_it_is_found(plant: Plant, host: Callable[[Plant], AnyFlow]) -> None:
    told = lint(lambda: host(plant))
    assert {problem.code for problem in told} == {MISTAKES[plant]}, [str(problem) for problem in told]
    assert {problem.node for problem in told} == {"planted"}, [str(problem) for problem in told]
