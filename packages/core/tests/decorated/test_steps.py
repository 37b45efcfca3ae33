"""A step stays a function; its parameters say what it gets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from flowcraft_core import (
    BlueprintError,
    ConfigurationError,
    Flow,
    NodeContext,
    NodeResult,
    SyncNodeContext,
    first_of,
    some_of,
)

from .helpers import run


@dataclass
class Services:
    greeting: str


def test_a_step_is_called_like_the_function_that_it_is() -> None:
    flow = Flow[str, int]("f")

    @flow.step
    def words(text: str = flow.input) -> list[str]:
        """Split."""
        return text.split()

    @flow.step
    async def count(items: list[str] = words.output, least: int = 1) -> int:
        return max(len(items), least)

    assert words("a b") == ["a", "b"]
    assert (words.__name__, words.__doc__) == ("words", "Split.")
    assert asyncio.run(count(["a"], least=3)) == 3


def test_a_call_by_hand_must_say_what_comes_from_the_flow() -> None:
    flow = Flow[str, int]("f")

    @flow.step
    def words(text: str = flow.input) -> list[str]:
        return text.split()

    @flow.step
    def join(first: list[str] = words.output, text: str = flow.input) -> str:
        return text

    with pytest.raises(TypeError, match=r"join\(\) is called by hand, so say what it gets as 'text'"):
        join(["a"])
    with pytest.raises(TypeError, match="'first', 'text'"):
        join()
    assert join(["a"], text="b") == "b"


def test_parameters_get_outputs_members_input_values_dependencies_and_the_context() -> None:
    flow = Flow[dict[str, int], list[Any]]("f")
    seen = flow.value("seen", int, default=7)
    services = flow.dependencies(Services)

    @flow.step
    async def start(ctx: NodeContext, given: dict[str, int] = flow.input) -> dict[str, list[int]]:
        seen.set(ctx, 8)
        return {"list": [given["n"], 2]}

    @flow.step
    def plain(
        ctx: SyncNodeContext,
        second: int = start.output["list"][1],
        n: int = flow.input["n"],
        greeting: str = services.greeting,
        times: int = seen.value,
        usual: int = 5,
    ) -> list[Any]:
        return [ctx.node_id, second, n, greeting, times, usual]

    @flow.step
    async def same(
        ctx: NodeContext,
        second: int = start.output["list"][1],
        n: int = flow.input["n"],
        greeting: str = services.greeting,
        times: int = seen.value,
    ) -> list[Any]:
        return [ctx.node_id, second, n, greeting, times]

    @flow.step
    def both(one: list[Any] = plain.output, two: list[Any] = same.output) -> list[Any]:
        return [one, two]

    flow.returns(both.output)
    result = run(flow, {"n": 1}, dependencies=Services("hi"))
    assert result.output == [["plain", 2, 1, "hi", 8, 5], ["same", 2, 1, "hi", 8]]
    assert result.context["seen"] == 8


def test_a_context_value_that_nobody_has_set_is_its_default() -> None:
    flow = Flow[None, int]("f")
    seen = flow.value("seen", int, default=7)

    @flow.step
    async def look(now: int = seen.value) -> int:
        return now

    flow.returns(look.output)
    assert run(flow).output == 7


def test_what_a_step_is_given_is_its_own_copy() -> None:
    flow = Flow[list[int], list[int]]("f")

    @flow.step
    def spoil(numbers: list[int] = flow.input) -> int:
        numbers.append(9)
        return 0

    @flow.step(after=spoil)
    def look(numbers: list[int] = flow.input) -> list[int]:
        return numbers

    flow.returns(look.output)
    assert run(flow, [1]).output == [1]


def test_a_fallback_gets_what_its_step_gets() -> None:
    flow = Flow[str, str]("f")

    @flow.step
    def words(text: str = flow.input) -> list[str]:
        return text.split()

    @flow.step(retries=1)
    async def ask(items: list[str] = words.output, text: str = flow.input) -> str:
        raise ConnectionError(text)

    @ask.fallback
    async def cached(ctx: NodeContext, items: list[str]) -> str:
        return f"{items} after {ctx.error.attempts if ctx.error else 0}"

    flow.returns(ask.output)
    result = run(flow, "a b")
    assert result.output == "['a', 'b'] after 2"
    assert [entry.via for entry in result.trace if entry.key == "ask"] == ["f/ask/fallback"]


def test_a_result_with_an_action_gives_its_output() -> None:
    flow = Flow[None, int]("f")

    @flow.step
    async def one() -> NodeResult[int]:
        return NodeResult(1, action="any")

    @flow.step
    async def two(number: int = one.output) -> int:
        return number + 1

    flow.returns(two.output)
    assert run(flow).output == 2


def test_a_name_of_its_own_keeps_a_steps_place_in_runs_in_flight() -> None:
    flow = Flow[None, int]("f")

    @flow.step(name="old name")
    def renamed() -> int:
        return 1

    flow.returns(renamed.output)
    assert [(node.id, node.uses) for node in flow.to_blueprint().nodes] == [("old name", "f/old name")]


def _no_origin(flow: Flow[Any, Any]) -> None:
    @flow.step
    def step(somewhere: int) -> int:
        return somewhere


def _computed(flow: Flow[Any, Any]) -> None:
    @flow.step
    def one() -> int:
        return 1

    @flow.step
    def step(more: int = one.output + 1) -> int:
        return more


def _compared(flow: Flow[Any, Any]) -> None:
    @flow.step
    def one() -> int:
        return 1

    if one.output > 1:
        raise AssertionError


def _formatted(flow: Flow[Any, Any]) -> None:
    @flow.step
    def one() -> int:
        return 1

    f"{one.output}"


def _twice(flow: Flow[Any, Any]) -> None:
    for _ in range(2):

        @flow.step
        def one() -> int:
            return 1


def _class(flow: Flow[Any, Any]) -> None:
    flow.step(Services)


def _input_of_none(flow: Flow[Any, Any]) -> None:
    _ = Flow("none").input


def _fallback_with_more(flow: Flow[Any, Any]) -> None:
    @flow.step
    def one() -> int:
        return 1

    @one.fallback
    def other(extra: str) -> int:
        return 2


def _race_of_input(flow: Flow[Any, Any]) -> None:
    first_of(flow.input, 3)


def _more_than_there_are(flow: Flow[Any, Any]) -> None:
    @flow.step
    def one() -> list[int]:
        return [1]

    some_of(2, one.output[0], one.output[1])


def _item_with_output(flow: Flow[Any, Any]) -> None:
    @flow.step
    def one() -> list[int]:
        return [1]

    @flow.batch(over=one.output)
    def each(item: int, more: list[int] = one.output) -> int:
        return item


def _output_of_tolerant(flow: Flow[Any, Any]) -> None:
    @flow.batch(over=flow.input, tolerated_failure_count=1)
    def each(item: int) -> int:
        return item

    _ = each.output


def _value_twice(flow: Flow[Any, Any]) -> None:
    flow.value("v", int, default=1)
    flow.value("v", int, default=1)


def _node_as_condition(flow: Flow[Any, Any]) -> None:
    @flow.step
    def one() -> int:
        return 1

    @flow.step(when=one.failed)  # type: ignore[call-overload,untyped-decorator]
    def two() -> None: ...


def _asked_while_described(flow: Flow[Any, Any]) -> None:
    @flow.step
    def one() -> int | None:
        return 1

    @flow.step(when=one.output is None)
    def two() -> None: ...


def _asked_in_a_loop(flow: Flow[Any, Any]) -> None:
    loop = flow.loop("l", flow.input)

    @flow.step
    def one(value: Any = loop.value) -> int:
        return 1

    loop.again(one.output, when=isinstance(one.output, int))


def _as_text(flow: Flow[Any, Any]) -> None:
    @flow.step
    def one() -> int:
        return 1

    _ = str(one.output)


def _forgotten_output(flow: Flow[Any, Any]) -> None:
    @flow.step
    def one() -> int:
        return 1

    @flow.step
    def two(number: Any = one) -> None: ...


def _list_of_outputs(flow: Flow[Any, Any]) -> None:
    @flow.step
    def one() -> int:
        return 1

    @flow.step
    def two(numbers: Any = [one.output, one.output]) -> None: ...  # noqa: B006 - it is what is refused


def _timeless_wait(flow: Flow[Any, Any]) -> None:
    _ = flow.wait("w", str).timed_out


REFUSED = {
    _no_origin: "step 'step' of flow 'f': nothing says where parameter 'somewhere' comes from: give it a default",
    _computed: "parameter 'more' cannot be one.output \\+ 1: a step takes a value or a part of it as it is",
    _compared: "one.output > 1 stands for a value that is not there yet, so a decision .* cannot be done",
    _formatted: "one.output stands for a value that is not there yet, so formatting cannot be done",
    _twice: "flow 'f' cannot have a node 'one', since there is one already: give it name=",
    _class: "step 'Services' of flow 'f' must be a function",
    _input_of_none: "flow 'none' takes no input",
    _fallback_with_more: "the fallback of step 'one' of flow 'f': .* the step has no parameter 'extra'",
    _race_of_input: "first_of takes outputs of steps, .* not the input of flow 'f'",
    _more_than_there_are: "some_of: number must be a whole number from 1 to 1, not 2",
    _item_with_output: "step 'each' of flow 'f': parameter 'more' is one.output, but an item knows only itself",
    _output_of_tolerant: "batch 'each' tolerates failures, .*: need each.results",
    _value_twice: "flow 'f' declares context value 'v' twice",
    _node_as_condition: "when= takes a condition, and 'one.failed' is a node: say after= of it",
    _asked_while_described: "when= takes a condition .*, and False is the same in every run: .* Write == None",
    _asked_in_a_loop: "loop 'l': again\\(\\): when= takes a condition .*, and False is the same in every run",
    _as_text: "one.output stands for a value that is not there yet, so str\\(\\) cannot be done",
    _forgotten_output: "step 'two' of flow 'f': parameter 'number' is step 'one' itself: write number=one.output",
    _list_of_outputs: "step 'two' of flow 'f': parameter 'numbers' is a list of what is not there yet",
    _timeless_wait: "wait 'w' has no timeout=, so it never times out",
}


@pytest.mark.parametrize("define", REFUSED, ids=lambda define: define.__name__)
def test_what_means_nothing_is_refused_where_it_stands(define: Any) -> None:
    with pytest.raises(ConfigurationError, match=REFUSED[define]):
        define(Flow[list[int], Any]("f"))


def test_what_is_of_another_flow_is_refused_when_the_flow_is_built() -> None:
    other = Flow[str, Any]("other")
    theirs = other.value("count", int, default=0)

    def built(**needs: Any) -> str:
        flow = Flow[str, Any]("f")
        step = flow.step(name="one", **needs)(lambda given=flow.input: given)
        flow.returns(step.output)
        with pytest.raises(BlueprintError) as error:
            flow.to_blueprint()
        assert [problem.code for problem in error.value.problems] == ["FC603"]
        return str(error.value)

    assert "node 'one' needs the input of flow 'other'" in built(when=other.input == "a")
    assert "node 'one' needs context value 'count' of flow 'other'" in built(unless=theirs.value > 1)


def test_none_is_an_input_where_the_flow_takes_it() -> None:
    flow = Flow[str | None, str]("greet")

    @flow.step
    def hello(name: str | None = flow.input) -> str:
        return f"hello {name or 'world'}"

    flow.returns(hello.output)
    assert run(flow, None).output == run(flow).output == "hello world"
    assert run(flow, "Ada").output == "hello Ada"


def test_a_run_needs_the_input_that_its_flow_takes() -> None:
    flow = Flow[int, int]("f")

    @flow.step
    def one(number: int = flow.input) -> int:
        return number

    flow.returns(one.output)
    with pytest.raises(ConfigurationError, match="flow 'f' takes int: start it as"):
        run(flow)
    nothing = Flow("none")
    nothing.step(name="one")(lambda: 1)
    with pytest.raises(ConfigurationError, match="flow 'none' takes no input"):
        run(nothing, 3)
