"""Branches, joins, loops, batches, calls and waits of decorated flows."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import pytest
from flowcraft_core import (
    BlueprintError,
    ConfigurationError,
    ErrorData,
    Flow,
    FlowRuntime,
    NoOutputError,
    SyncNodeContext,
    create_flow,
    first_of,
    some_of,
)
from flowcraft_core.graph.keys import escape

from .helpers import run


class Given(TypedDict):
    n: int
    list: list[int]


class Answer(TypedDict):
    ok: bool


def keys(result: Any) -> list[str]:
    return [entry.key for entry in result.trace]


def test_the_parts_of_a_condition_must_have_run() -> None:
    flow = Flow[int, Any]("f")

    @flow.step
    async def one(given: int = flow.input) -> int:
        return given

    @flow.step(when=one.output > 5)
    async def rare(number: int = one.output) -> int:
        return number

    @flow.step(unless=rare.output > 7)
    async def unlikely(number: int = one.output) -> int:
        return number

    @flow.step(when=(one.output > 1) & (flow.input > 1))
    async def likely(seen: int | None = rare.maybe, number: int = one.output) -> list[int | None]:
        return [seen, number]

    def ran(given: int) -> list[str]:
        return sorted(node for node in run(flow, given).outputs if not node.endswith(".gate"))

    assert ran(2) == ["likely", "one"]
    assert run(flow, 2).outputs["likely"] == [None, 2]
    assert ran(6) == ["likely", "one", "rare", "unlikely"]
    assert ran(8) == ["likely", "one", "rare"]
    assert ran(1) == ["one"]


@pytest.mark.parametrize("set_to", [None, 5, 50])
def test_a_condition_sees_a_context_value_that_nobody_has_set_as_its_default(set_to: int | None) -> None:
    flow = Flow[int, Any]("f")
    limit = flow.value("limit", int, default=30)
    steps = flow.value("steps", dict[str, list[int]], default={"from": [1, 10]})

    @flow.step
    def one(ctx: SyncNodeContext, number: int = flow.input) -> int:
        if set_to is not None:
            limit.set(ctx, set_to)
        return number

    @flow.step(when=(one.output > limit.value) & (one.output > steps.value["from"][1]))
    def large(number: int = one.output) -> int:
        return number

    assert [number for number in (7, 20, 40) if "large" in run(flow, number).outputs] == {
        None: [40],
        5: [20, 40],
        50: [],
    }[set_to]


def test_where_one_way_may_be_taken_without_the_other_a_gate_stands_before() -> None:
    flow = Flow[int, Any]("f")

    @flow.step
    async def one(given: int = flow.input) -> int:
        return given

    @flow.step(when=one.output > 5)
    async def rare(number: int = one.output) -> int:
        return number

    @flow.step
    async def beside() -> int:
        return 1

    @flow.step
    async def both(left: int = rare.output, right: int = beside.output) -> int:
        return left + right

    flow.returns(both.output)
    assert [node.id for node in flow.to_blueprint().nodes] == ["one", "rare", "beside", "both.gate", "both"]
    assert run(flow, 6).output == 7
    assert run(flow, 5).output is None


def test_what_can_do_without_runs_without() -> None:
    flow = Flow[int, list[int | None]]("f")

    @flow.step
    async def one(given: int = flow.input) -> int:
        return given

    @flow.step(when=one.output > 5)
    async def rare(number: int = one.output) -> int:
        return number * 10

    @flow.step
    async def both(number: int = one.output, more: int | None = rare.maybe) -> list[int | None]:
        return [number, more]

    flow.returns(both.output)
    assert run(flow, 6).output == [6, 60]
    assert run(flow, 5).output == [5, None]


def test_the_first_of_a_race_wins_and_holds_nothing_up() -> None:
    flow = Flow[None, str]("f")

    @flow.step
    async def slow() -> str:
        await asyncio.sleep(60)
        return "slow"

    @flow.step
    async def fast() -> dict[str, str]:
        return {"is": "fast"}

    winner = first_of(slow.output, fast.output["is"])

    @flow.step
    async def alone(which: str = winner) -> str:
        return which

    @flow.step
    async def show(which: str = winner, other: str = alone.output) -> str:
        return f"{which} {other}"

    flow.returns(show.output)
    assert run(flow).output == "fast fast"


def test_so_many_of_a_race_are_enough() -> None:
    flow = Flow[None, dict[str, str]]("f")

    @flow.step
    async def slow() -> str:
        await asyncio.sleep(60)
        return "slow"

    @flow.step
    async def fast() -> str:
        return "fast"

    @flow.step
    async def broken() -> str:
        raise ValueError("no")

    @flow.step
    async def quick() -> dict[str, str]:
        return {"is": "quick"}

    two = some_of(2, slow.output, quick.output["is"], broken.output, fast.output)

    @flow.step
    async def alone(which: dict[str, str] = two) -> list[str]:
        return list(which)

    @flow.step
    async def show(which: dict[str, str] = two, names: list[str] = alone.output) -> dict[str, str]:
        return {name: which[name] for name in names}

    flow.returns(show.output)
    assert list((run(flow).output or {}).items()) == [("quick", "quick"), ("fast", "fast")]
    assert run(flow).status == "completed"


def _charged() -> Flow[str, str]:
    flow = Flow[str, str]("order")

    @flow.step
    def charge(card: str = flow.input) -> int:
        if card != "valid":
            raise {"expired": PermissionError, "odd": ValueError}[card](card)
        return 40

    @flow.step
    def ship(paid: int = charge.output) -> str:
        return f"shipped for {paid}"

    declined = charge.failed_with(PermissionError)

    @flow.step
    def remind(error: ErrorData = declined.output) -> str:
        return f"please pay: {error['type']} {error['message']}"

    flow.returns(first_of(ship.output, remind.output))
    return flow


def test_a_failure_is_handled_by_who_needs_it_and_of_its_class() -> None:
    flow = _charged()
    assert run(flow, "valid").output == "shipped for 40"
    result = run(flow, "expired")
    assert result.output == "please pay: PermissionError expired"
    assert [error.key for error in result.handled] == ["charge"]
    failed = FlowRuntime([flow]).run_sync(flow, "odd")
    assert (failed.status, [error.type for error in failed.errors]) == ("failed", ["ValueError"])


def test_a_failure_that_one_step_needs_is_drawn_as_a_person_would() -> None:
    built = (
        create_flow("order")
        .node("charge", "order/charge")
        .node("ship", "order/ship")
        .node("remind", "order/remind")
        .node("tidy", "order/tidy")
        .node("result", "order/result", join="any")
        .edge("charge", "ship")
        .edge("charge", "remind", on="failure", condition='error.type == "PermissionError"')
        .edge("charge", "tidy", on="always", transform="null")
        .edge("ship", "result")
        .edge("remind", "result")
        .metadata(result="result")
    )
    flow = _charged()

    @flow.step(after=flow._nodes["charge"].ended)
    def tidy() -> None: ...

    assert flow.to_blueprint().to_json() == built.to_blueprint().to_json()


def test_who_only_looks_at_a_failure_handles_nothing() -> None:
    flow = Flow("f")

    @flow.step
    def broken() -> int:
        raise ValueError("broken")

    assert broken.failed.id == "broken.failed"
    assert broken.ended.id == "broken.ended"
    assert FlowRuntime([flow]).run_sync(flow).status == "failed"


def test_what_ends_in_any_way_is_told_apart_by_who_comes_after() -> None:
    flow = Flow[bool, list[Any]]("f")

    @flow.step
    def work(well: bool = flow.input) -> int:
        if not well:
            raise ValueError("broken")
        return 1

    @flow.step
    def close(done: int | None = work.maybe, error: ErrorData | None = work.failed.maybe) -> list[Any]:
        return [done, error and error["message"]]

    flow.returns(close.output)
    assert run(flow, True).output == [1, None]
    assert run(flow, False).output == [None, "broken"]


def test_batches_calls_and_loops_fail_too() -> None:
    called, flow = Flow[int, int]("called"), Flow[int, list[str]]("f")

    @called.step
    def divide(number: int = called.input) -> int:
        return 1 // number

    called.returns(divide.output)
    call = flow.call(called, flow.input)
    each = flow.call_each(called, [0, 1], name="each")
    again = flow.loop("again", flow.input)

    @flow.step
    def reduce(number: int = again.value) -> int:
        return 1 // number

    again.again(reduce.output, when=reduce.output > 0)

    @flow.step
    def tell(
        one: ErrorData = call.failed.output, two: ErrorData = each.failed.output, three: ErrorData = again.failed.output
    ) -> list[str]:
        return [one["node"], two["node"], three["node"]]

    flow.returns(tell.output)
    assert run(flow, 0).output == ["called/divide", "each[0]/divide", "again[0].reduce"]


def test_a_flow_that_was_looked_at_can_be_gone_on_with() -> None:
    flow = Flow[int, int]("f")

    @flow.step(when=flow.input > 3)
    async def one() -> int:
        return 1

    @flow.step(unless=flow.input > 3)
    async def two() -> int:
        return 2

    winner = first_of(one.output, two.output)

    @flow.step
    async def show(which: int = winner, given: int = one.output) -> int:
        return which + given

    @flow.batch(over=flow.value("numbers", list[int], default=[1]).value)
    async def each(number: int) -> int:
        return number

    flow.returns(show.output)
    before = flow.to_blueprint()

    @show.fallback
    async def other(which: int) -> int:
        return which

    @flow.step
    async def more(which: int = winner) -> int:
        return which

    assert [node.id for node in flow.to_blueprint().nodes][: len(before.nodes) - 1] == [
        node.id for node in before.nodes if node.id != "result"
    ]
    assert run(flow, 4).output == 2


@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_step_does_to_the_default_of_a_context_value_nobody_else_sees(is_async: bool) -> None:
    flow = Flow[None, list[int]]("f")
    seen = flow.value("seen", list[int], default=[])

    def plain(so_far: list[int] = seen.value) -> list[int]:
        so_far.append(1)
        return so_far

    async def add(so_far: list[int] = seen.value) -> list[int]:
        return plain(so_far)

    @flow.step(after=flow.step(name="before")(plain))
    def then(so_far: list[int] = seen.value) -> list[int]:
        return so_far

    step: Any = flow.step(name="add", after=then)(add if is_async else plain)
    flow.returns(step.output)
    assert [run(flow).output for _ in range(2)] == [[1], [1]]
    assert (run(flow).outputs["then"], seen.default) == ([], [])


def test_a_context_value_and_a_node_cannot_have_one_name() -> None:
    flow = Flow("f")
    flow.value("one", int, default=1)

    @flow.step
    async def one() -> int:
        return 1

    with pytest.raises(BlueprintError, match="node 'one' is called as a context value is: rename one of them"):
        flow.to_blueprint()


def test_a_loop_whose_body_needs_more_than_its_value() -> None:
    flow = Flow[int, list[int]]("f")

    @flow.step
    async def begin(given: int = flow.input) -> list[int]:
        return [given]

    again = flow.loop("again", begin.output)

    @flow.step
    async def factor() -> int:
        return 3

    @flow.step
    async def left(numbers: list[int] = again.value, by: int = factor.output) -> int:
        return numbers[-1] * by

    @flow.step
    async def right(numbers: list[int] = again.value) -> list[int]:
        return numbers

    @flow.step
    async def both(number: int = left.output, numbers: list[int] = right.output) -> list[int]:
        return [*numbers, number]

    again.again(both.output, when=both.output[2] == None)  # noqa: E711 - a reference

    @flow.step(when=again.output[0] == 1)
    async def odd(numbers: list[int] = again.output) -> list[int]:
        return numbers

    flow.returns(odd.output)
    result = run(flow, 1)
    assert result.output == [1, 3, 9]
    assert run(flow, 2).output is None
    assert "again[1].both" in keys(result)
    assert "again[2].both" not in keys(result)


def test_a_loop_in_a_loop() -> None:
    flow = Flow[None, int]("f")

    @flow.step
    async def zero() -> int:
        return 0

    outer = flow.loop("outer", zero.output)

    @flow.step
    async def enter(number: int = outer.value) -> int:
        return number + 100

    inner = flow.loop("inner", enter.output)

    @flow.step
    async def count(number: int = inner.value) -> int:
        return number + 1

    inner.again(count.output, when=count.output % 100 < 3)

    @flow.step
    async def leave(number: int = inner.output, before: int = outer.value) -> int:
        assert number > before
        return number

    outer.again(leave.output, when=leave.output < 200)
    flow.returns(outer.output)
    assert run(flow).output == 204


def test_a_called_flow_knows_its_input_everywhere() -> None:
    inner = Flow[Given, list[int]]("inner")

    @inner.step
    async def first(given: Given = inner.input) -> int:
        return given["n"]

    @inner.step(when=inner.input["n"] > 0)
    async def later(number: int = first.output, n: int = inner.input["n"]) -> list[int]:
        return [number, n]

    @inner.step
    async def aside(number: int = first.output) -> int:
        return number

    @inner.batch(over=inner.input["list"])
    async def each(item: int, n: int = inner.input["n"]) -> int:
        return item * n

    @inner.step
    async def last(numbers: list[int] = later.output, items: list[int] = each.output) -> list[int]:
        return numbers + items

    inner.returns(last.output)

    outer = Flow[int, Any]("outer")

    @outer.step
    async def make(given: int = outer.input) -> list[Given]:
        return [{"n": given, "list": [1, 2]}, {"n": given + 1, "list": []}]

    all_of = outer.call_each(inner, make.output, name="all")
    one_of = outer.call(inner, make.output[1], name="one")

    @outer.step
    async def show(many: list[list[int]] = all_of.output, one: list[int] = one_of.output) -> Any:
        return many, one

    outer.returns(show.output)
    assert run(outer, 3).output == ([[3, 3, 3, 6], [4, 4]], [4, 4])
    assert run(inner, {"n": 1, "list": [5]}).output == [1, 1, 5]


def test_flows_of_both_kinds_call_each_other() -> None:
    def twice(ctx: SyncNodeContext[int]) -> int:
        return ctx.input * 2

    built = create_flow("built").node("twice", twice)
    inner = Flow[int, int]("inner")

    @inner.step
    async def more(number: int = inner.input) -> int:
        return number + 1

    inner.returns(more.output)
    outer = create_flow("outer").node("begin", lambda ctx: 5).subflow("inner", inner).subflow("built", built)
    outer.edge("begin", "inner").edge("inner", "built")
    assert FlowRuntime([outer]).run_sync(outer).output == 12


async def test_a_wait_is_answered_or_times_out() -> None:
    def make(timeout: Any) -> Flow[None, str]:
        flow = Flow[None, str]("f")

        @flow.step
        async def ask() -> str:
            return "may I"

        answer = flow.wait("answer", Answer, timeout=timeout, after=ask)

        @flow.step(when=answer.output["ok"])
        async def yes(question: str = ask.output) -> str:
            return f"{question}: yes"

        @flow.step(when=answer.timed_out)
        async def late(said: Answer | None = answer.maybe, question: str = ask.output) -> str:
            return f"{question}: {said}"

        flow.returns(first_of(yes.output, late.output))
        return flow

    timed = make(0.01)
    assert (await FlowRuntime([timed]).run(timed)).output == "may I: None"
    flow = make(1000)
    handle = FlowRuntime([flow]).start(flow)
    async with asyncio.timeout(20):
        while not handle.waiting:  # noqa: ASYNC110 - a handle has no event for it
            await asyncio.sleep(0.001)
        handle.resume("answer", output={"ok": True})
        assert (await handle.result()).output == "may I: yes"


def test_a_loop_that_never_ends_or_needs_itself_says_so_and_a_flow_may_call_itself() -> None:
    def looping(*, ends: bool) -> Flow[int, int]:
        flow = Flow[int, int]("f")
        loop = flow.loop("l", flow.input)

        @flow.step
        def body(value: int = loop.value) -> int:
            return value + 1

        @flow.step
        def peek(value: int = body.output, last: int = loop.output) -> int:
            return value

        if ends:
            loop.again(body.output, when=body.output < 5)
        flow.returns(peek.output)
        return flow

    for ends, code in ((False, "FC604"), (True, "FC605")):
        with pytest.raises(BlueprintError) as error:
            looping(ends=ends).to_blueprint()
        assert code in [problem.code for problem in error.value.problems]
    flow = Flow[int, int]("less")

    @flow.step(when=flow.input > 0)
    def less(value: int = flow.input) -> int:
        return value - 1

    @flow.step(unless=flow.input > 0)
    def result(value: int = flow.input) -> int:
        return value

    flow.returns(first_of(flow.call(flow, less.output, name="again").output, result.output))
    assert FlowRuntime([flow]).run_sync(flow, 3).output == 0


def test_a_flow_that_is_started_by_its_id_is_given_its_input_by_name() -> None:
    flow = Flow[dict[str, int], int]("carts")

    @flow.step
    def show(cart: dict[str, int] = flow.input) -> int:
        return cart["n"]

    flow.returns(show.output)
    runtime = FlowRuntime([flow])
    for context in (None, {"n": 3}):
        with pytest.raises(ConfigurationError, match=r"flow 'carts' takes dict.* by its id, it is given that under"):
            runtime.run_sync("carts", context)
    assert runtime.run_sync("carts", {"input": {"n": 3}}).output == 3


async def test_a_condition_on_an_answer_holds_for_no_wait_that_has_timed_out() -> None:
    flow = Flow[None, str]("f")

    @flow.step
    async def ask() -> str:
        return "may I"

    answer = flow.wait("answer", Answer, timeout=0.01, after=ask)

    @flow.step(unless=answer.output["ok"])
    async def no(question: str = ask.output) -> str:
        return "no"

    @flow.step(when=(answer.output["ok"] == False) & (ask.output == "may I"))  # noqa: E712
    async def not_at_all() -> str:
        return "not at all"

    @flow.step(when=answer.timed_out | (answer.output["ok"] == False))  # noqa: E712
    async def in_any_case() -> str:
        return "in any case"

    flow.returns(first_of(no.output, not_at_all.output, in_any_case.output))
    result = await FlowRuntime([flow]).run(flow)
    assert (result.output, result.outputs.keys() & {"no", "not_at_all"}) == ("in any case", set())


def test_a_run_that_waits_has_no_output_yet() -> None:
    flow = Flow[None, Answer]("f")
    answer = flow.wait("answer", Answer)
    flow.returns(answer.output)
    result = FlowRuntime([flow]).run_sync(flow)
    with pytest.raises(NoOutputError, match="is awaiting and has no output yet for 'answer': resume it"):
        _ = result.output
    assert FlowRuntime([flow]).resume_sync(result.state, output={"ok": True}, node="answer").output == {"ok": True}


def _foreign(flow: Flow[Any, Any]) -> str:
    other = Flow[Any, Any]("other")

    @other.step
    def one() -> int:
        return 1

    @flow.step
    def two(number: int = one.output) -> int:
        return number

    return "node 'two' needs 'one' of flow 'other': call that flow instead"


def _open_loop(flow: Flow[Any, Any]) -> str:
    loop = flow.loop("again", 1)

    @flow.step
    def two(number: int = loop.value) -> int:
        return number

    return "loop 'again' never says when it goes on: call its again(...)"


def _inside(flow: Flow[Any, Any]) -> str:
    loop = flow.loop("again", 1)

    @flow.step
    def two(number: int = loop.value) -> int:
        return number

    loop.again(two.output, when=two.output < 3)

    @flow.step
    def three(number: int = two.output) -> int:
        return number

    return (
        "node 'three' needs 'two', which is inside of loop 'again': need again.output, or let the step that "
        "again.again() names need 'three'"
    )


def _around(flow: Flow[Any, Any]) -> str:
    loop = flow.loop("again", 1)

    @flow.step
    def one() -> int:
        return 1

    loop.again(one.output, when=one.output < 3)
    return "loop 'again' ends with 'one', which does not need again.value: need it in a pass"


def _unreturned(flow: Flow[Any, Any]) -> str:
    flow.__orig_class__ = Flow[None, int]  # type: ignore[attr-defined]

    @flow.step
    def one() -> int:
        return 1

    return "it gives int and never says which: call flow.returns(...)"


@pytest.mark.parametrize("define", [_foreign, _open_loop, _inside, _around, _unreturned], ids=lambda one: one.__name__)
def test_what_cannot_be_wired_is_refused_with_a_remedy(define: Any) -> None:
    flow = Flow[Any, Any]("f")
    problem = define(flow)
    with pytest.raises(BlueprintError) as refused:
        flow.to_blueprint()
    assert problem in [found.text for found in refused.value.problems]


def test_generated_nodes_have_ids_that_no_function_has() -> None:
    assert not any(f"step.{what}".isidentifier() for what in ("gate", "given", "first", "value"))
    assert escape("step.gate") != "step.gate"


def test_so_many_items_and_calls_are_under_way_at_most() -> None:
    under_way = most = 0
    inner, flow = Flow[int, int]("inner"), Flow[list[int], Any]("f")

    async def measured(item: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return item

    @inner.step
    async def one(item: int = inner.input) -> int:
        return await measured(item)

    inner.returns(one.output)

    @flow.batch(over=flow.input, concurrency=2)
    async def each(item: int) -> int:
        return await measured(item)

    calls = flow.call_each(inner, each.output, concurrency=3)
    flow.returns(calls.output)
    assert run(flow, [*range(9)]).output == [*range(9)]
    assert most == 3
    nodes = {node.id: node for node in flow.to_blueprint().nodes}
    assert [(nodes[name].params or {})["concurrency"] for name in ("each", "inner")] == [2, 3]


def test_a_batch_is_reduced_by_a_function_whose_value_others_need() -> None:
    flow = Flow[list[int], int]("f")

    @flow.batch(flow.input, page_size=2)
    async def square(number: int) -> int:
        return number**2

    calls: list[list[int]] = []

    @square.reduce
    async def total(so_far: int | None, results: list[int]) -> int:
        calls.append(results)
        return (so_far or 0) + sum(results)

    @flow.step
    def doubled(value: int = total.output) -> int:
        return 2 * value

    flow.returns(doubled.output)
    result = run(flow, [1, 2, 3])
    assert (result.outputs["square"], result.outputs["doubled"]) == (14, 28)
    assert calls == [[1, 4], [9]]
    assert run(flow, []).outputs["doubled"] == 0


def test_a_batch_is_reduced_once_and_what_it_gives_is_compared() -> None:
    flow = Flow[list[int], Any]("f")

    @flow.batch(flow.input)
    def square(number: int) -> int:
        return number**2

    @square.reduce
    def named(so_far: str | None, results: list[int]) -> str:
        return f"{so_far or ''}{results}"

    def again(so_far: str | None, results: list[int]) -> str:
        return "again"

    with pytest.raises(ConfigurationError, match=r"batch 'square' of flow 'f' is reduced twice"):
        square.reduce(again)

    @flow.step
    def half(value: int = named.output) -> int:  # type: ignore[assignment]
        return value // 2

    with pytest.raises(BlueprintError, match="int"):
        run(flow, [1])
