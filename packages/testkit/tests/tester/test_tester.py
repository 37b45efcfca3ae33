"""What a test of a flow can do: each of it in one process and on a worker, with the same result."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import AsyncMock, Mock

import attrs
import pytest
from flowcraft_core import (
    BaseNode,
    Flow,
    FlowBuilder,
    Limit,
    NodeContext,
    NodeResult,
    NonRetryableError,
    ResumeError,
    RetryPolicy,
    RunFailedError,
    Serializer,
    SyncNodeContext,
    create_flow,
)
from flowcraft_testkit import Faults, FlowTester, simulate
from flowcraft_testkit.simulation import Scenario
from flowcraft_testkit.simulation.loop import StuckError

Ctx = NodeContext[Any, Any]
DAY = 86_400


@pytest.fixture(params=[False, True], ids=["in_process", "on_a_worker"])
def tester(request: pytest.FixtureRequest) -> Iterator[FlowTester]:
    made = FlowTester(durable=request.param)
    yield made
    made.close()


# --- the flows --------------------------------------------------------------------------------------------------------


async def charge(ctx: Ctx) -> str:
    raise AssertionError("a test never charges")


async def refund(ctx: Ctx) -> None:
    raise AssertionError("and refunds nothing")


async def pack(ctx: Ctx) -> str:
    return f"{ctx.input} for {await ctx.context.get('customer')}"


async def ship(ctx: Ctx) -> str:
    return "shipped"


def built() -> FlowBuilder:
    flow = create_flow("order").wait("approval", timeout="3d")
    flow.node("charge", charge, retries=RetryPolicy(max_attempts=3, delay=60.0, jitter=0, backoff=1), undo=refund)
    flow.node("pack", pack).sleep("later", "40d").node("ship", ship).node("expired", ship)
    flow.edge("approval", "charge", action="yes").edge("approval", "expired", action="timeout")
    return flow.edge("charge", "pack").edge("pack", "later").edge("later", "ship")


YES = {"approval": NodeResult(None, action="yes")}
ADA = {"customer": "Ada"}


@attrs.frozen
class Order:
    customer: str
    euros: int


decorated = Flow[Order, str]("decorated")


@decorated.step
def price(order: Order = decorated.input) -> int:
    return order.euros


approval = decorated.wait("approval", str, after=price, timeout="1d")
reminded: list[int] = []


@approval.remind(after="10h")
async def remind(ctx: Ctx, total: int = price.output) -> None:
    raise AssertionError("a test writes no mail")


async def give_back(receipt: str, total: int) -> None:
    raise AssertionError("a test gives nothing back")


@decorated.step(retries=RetryPolicy(max_attempts=3, delay=60.0, jitter=0, backoff=1), undo=give_back)
async def pay(ctx: Ctx, total: int = price.output, by: str = approval.output) -> str:
    raise AssertionError("a test never pays")


@decorated.step(when=approval.timed_out)
def drop(total: int = price.output) -> str:
    return f"dropped {total}"


@decorated.step
def send(receipt: str = pay.output) -> str:
    return f"sent with {receipt}"


decorated.returns(send.output)


# --- what stands in ---------------------------------------------------------------------------------------------------


def test_a_step_is_replaced_by_what_it_was_given_or_by_its_id(tester: FlowTester) -> None:
    for step in (charge, "charge"):
        tester.replace(step, returns="paid")
        result = tester.run(built(), ADA, answers=YES)
        assert result.status == "completed"
        assert result.outputs["pack"] == "paid for Ada"
        assert result.path == ["approval", "charge", "pack", "later", "ship"]
        assert result.seconds == 40 * DAY
        assert result.context == ADA


def test_a_decorated_step_is_replaced_by_reference_and_its_fake_gets_what_it_gets(tester: FlowTester) -> None:
    async def fake(ctx: Ctx, total: int, by: str) -> str:
        return f"{total} by {by} at {ctx.key}"

    tester.replace(pay, fake)
    result = tester.run(decorated, Order("Ada", 5), answers={approval: "Bob"})
    assert result.output == "sent with 5 by Bob at pay"
    assert result.output_of(pay) == "5 by Bob at pay"
    assert result.path == ["price", "approval", "pay", "send"]


def test_what_pytest_users_have_at_hand_will_do(tester: FlowTester) -> None:
    tester.replace(price, Mock(return_value=7))
    tester.replace(pay, paid := AsyncMock(return_value="a receipt"))
    assert tester.run(decorated, Order("Ada", 5), answers={approval: "Bob"}).output == "sent with a receipt"
    assert {name: value for name, value in paid.call_args.kwargs.items() if name != "ctx"} == {"total": 7, "by": "Bob"}


def test_an_async_step_may_be_replaced_by_a_plain_function_and_not_the_other_way_round(tester: FlowTester) -> None:
    tester.replace(pay, lambda ctx, total, by: "at once")
    assert tester.run(decorated, Order("Ada", 5), answers={approval: "Bob"}).output == "sent with at once"

    async def slowly(order: Order) -> int:
        return 1

    tester.replace(price, slowly)
    with pytest.raises(RunFailedError, match="step 'price' is a plain def, and so is what replaces it"):
        _ = tester.run(decorated, Order("Ada", 5)).output


def test_the_last_replacement_holds(tester: FlowTester) -> None:
    tester.replace(charge, returns=1)
    tester.replace("charge", returns=2)
    assert tester.run(built(), ADA, answers=YES).output_of("charge") == 2


def test_a_fake_may_give_an_action(tester: FlowTester) -> None:
    flow = create_flow("f").node("a", charge).node("b", ship).edge("a", "b", action="go")
    tester.replace(charge, returns=NodeResult(1, action="go"))
    assert tester.run(flow).path == ["a", "b"]
    tester.replace(charge, lambda ctx: NodeResult(1, action="stay"))
    assert tester.run(flow).path == ["a"]


class Phases(BaseNode[Any, Any]):
    async def exec(self, prepared: Any, ctx: Any) -> Any:
        raise AssertionError("a test does not come here")


def listed(ctx: SyncNodeContext[Any, Any]) -> list[int]:
    raise AssertionError("nor here")


def summed(ctx: SyncNodeContext[Any, Any]) -> int:
    return sum(ctx.input["results"])


def test_workers_reducers_fallbacks_called_flows_and_classes_are_replaced_too(tester: FlowTester) -> None:
    inner = create_flow("inner").node("deep", Phases)
    flow = create_flow("outer").node("src", listed).batch("pages", charge, reduce=summed).subflow("call", inner)
    flow.node("x", charge, fallback="y").node("y", charge)
    flow.edge("src", "pages").edge("pages", "call").edge("call", "x")
    tester.replace(listed, returns=[1, 2])
    tester.replace("pages", lambda ctx: ctx.input * 10)
    tester.replace(summed, lambda ctx: len(ctx.input["results"]))
    tester.replace(Phases, returns="from below")
    tester.fail("x", ValueError("no"))
    tester.replace("y", returns="stood in")
    result = tester.run(flow)
    assert result.path == ["src", "pages[0].pages", "pages[1].pages", "call/deep", "x"]
    assert [result.outputs[node] for node in ("pages", "call", "x")] == [2, "from below", "stood in"]
    assert [call.role for call in result.calls("y")] == ["fallback"]


@pytest.mark.parametrize("step", ["chrage", price, summed])
def test_a_step_that_is_not_there_is_refused(tester: FlowTester, step: Any) -> None:
    tester.replace(step, returns=1)
    with pytest.raises(ValueError, match=r"there is no step .*; there are: charge, pack, ship, expired"):
        tester.run(built())


def test_a_wait_is_no_step(tester: FlowTester) -> None:
    tester.replace("approval", returns=1)
    with pytest.raises(ValueError, match="'approval' is a wait, and no step that could be replaced: give it an answer"):
        tester.run(built())


def test_a_value_in_the_place_of_a_function_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a function: for a value say returns='paid'"):
        FlowTester().replace("charge", "paid")  # type: ignore[call-overload]


# --- failures ---------------------------------------------------------------------------------------------------------


def test_the_first_attempts_fail_and_then_the_step_goes_on(tester: FlowTester) -> None:
    tester.replace(pay, returns="paid")
    tester.fail(pay, TimeoutError("no answer"), times=2)
    result = tester.run(decorated, Order("Ada", 5), answers={approval: "Bob"})
    assert result.output_of(pay) == "paid"
    assert [(call.attempt, repr(call.raised), call.returned) for call in result.calls(pay)] == [
        (1, "TimeoutError('no answer')", None),
        (2, "TimeoutError('no answer')", None),
        (3, "None", "paid"),
    ]
    assert result.seconds == 120


def test_a_step_that_always_fails_fails_the_run(tester: FlowTester) -> None:
    tester.fail(charge)
    tester.replace(refund, returns=None)
    result = tester.run(built(), ADA, answers=YES)
    assert result.status == "failed"
    assert [call.attempt for call in result.calls(charge)] == [1, 2, 3]
    assert "the test has step 'charge' fail" in str(result.errors[0])
    with pytest.raises(RunFailedError, match="the test has step 'charge' fail"):
        result.raise_for_status()


def test_what_was_done_is_undone_and_the_undo_is_called_with_what_was_given(tester: FlowTester) -> None:
    tester.replace(pay, returns="receipt 1")
    tester.replace(give_back, returns=None)
    tester.fail(send, NonRetryableError("the shop is closed"))
    result = tester.run(decorated, Order("Ada", 5), answers={approval: "Bob"})
    assert (result.status, result.undone) == ("failed", ["pay"])
    (undo,) = result.calls(give_back)
    assert (undo.role, undo.arguments) == ("undo", {"receipt": "receipt 1", "total": 5})


# --- calls ------------------------------------------------------------------------------------------------------------


def test_calls_say_what_steps_were_given_and_gave(tester: FlowTester) -> None:
    tester.replace(pay, returns="paid")
    result = tester.run(decorated, Order("Ada", 5), answers={approval: "Bob"})
    (paid,), (priced,) = result.calls(pay), result.calls(price)
    assert (paid.key, paid.arguments, paid.returned) == ("pay", {"total": 5, "by": "Bob"}, "paid")
    assert (priced.arguments, priced.returned) == ({"order": Order("Ada", 5)}, 5)
    assert [call.key for call in result.calls()] == ["price", "pay", "send"]
    assert result.calls(drop) == []


def test_a_call_keeps_what_the_step_was_given_whatever_that_does_to_it(tester: FlowTester) -> None:
    def change(ctx: SyncNodeContext[Any, Any]) -> Any:
        ctx.input.append(2)
        return ctx.input

    flow = create_flow("f").node("src", listed).node("b", change).edge("src", "b")
    tester.replace("src", returns=[1])
    (call,) = tester.run(flow).calls(change)
    assert (call.input, call.returned) == ([1], [1, 2])


# --- waits and time ---------------------------------------------------------------------------------------------------


def test_a_wait_with_a_timeout_is_answered_as_soon_as_it_is_reached(tester: FlowTester) -> None:
    tester.replace(pay, returns="paid")
    result = tester.run(decorated, Order("Ada", 5), answers={approval: "Bob"})
    assert (result.seconds, result.output) == (0, "sent with paid")


def test_a_wait_that_nobody_answers_has_its_timeout_and_its_reminders(tester: FlowTester) -> None:
    tester.replace(remind, returns=None)
    result = tester.run(decorated, Order("Ada", 5))
    assert result.path == ["price", "approval", "drop"]
    assert result.seconds == DAY
    assert [(call.role, call.attempt, call.arguments) for call in result.calls(remind)] == [
        ("reminder", 1, {"total": 5}),
        ("reminder", 2, {"total": 5}),
    ]


def test_time_passes_as_the_test_says_and_reminders_come_when_they_are_due(tester: FlowTester) -> None:
    tester.replace(remind, returns=None)
    tester.replace(pay, returns="paid")
    run = tester.start(decorated, Order("Ada", 5))
    assert (run.status, run.waiting, run.path) == ("awaiting", ["approval"], ["price"])
    run.advance("10h")
    assert len(run.calls(remind)) == 1
    run.advance("13h")
    assert (len(run.calls(remind)), run.status, run.seconds) == (2, "awaiting", 23 * 3600)
    run.answer(approval, "Bob")
    assert (run.status, run.path) == ("completed", ["price", "approval", "pay", "send"])
    assert run.result().output == "sent with paid"
    assert run.waiting == []


def test_a_moment_before_its_time_is_up_a_wait_is_open_and_then_it_is_not(tester: FlowTester) -> None:
    tester.replace(remind, returns=None)
    run = tester.start(decorated, Order("Ada", 5))
    run.advance(DAY - 1)
    assert run.waiting == ["approval"]
    run.advance(1)
    assert (run.status, run.path) == ("completed", ["price", "approval", "drop"])
    with pytest.raises(ResumeError):
        run.answer(approval, "too late")


def test_an_answer_may_come_before_the_question(tester: FlowTester) -> None:
    flow = create_flow("f").sleep("nap", "2h").wait("w", timeout="1h").node("a", ship)
    flow.edge("nap", "w").edge("w", "a", condition="result.output == 'early'")
    run = tester.start(flow)
    with pytest.raises(ResumeError):
        run.answer("w", "early")
    run.answer("w", "early", early=True)
    result = run.result()
    assert (result.path, result.seconds, result.status) == (["nap", "w", "a"], 7200, "completed")


def test_an_answer_told_in_advance_is_given_when_its_time_has_come(tester: FlowTester) -> None:
    flow = create_flow("f").sleep("nap", "2h").wait("w", timeout="1h").node("a", pack).edge("nap", "w").edge("w", "a")
    run = tester.start(flow, ADA, answers={"w": "here"})
    run.advance("5h")
    assert (run.status, run.path, run.seconds) == ("completed", ["nap", "w", "a"], 5 * 3600)
    assert run.result().outputs["a"] == "here for Ada"


def test_the_waits_of_called_flows_and_items_are_answered_by_id_or_by_key(tester: FlowTester) -> None:
    inner = create_flow("inner").wait("w")
    flow = create_flow("f").node("src", listed).batch("each", inner).subflow("call", inner)
    flow.edge("src", "each").edge("each", "call")
    tester.replace("src", returns=[1, 2])
    result = tester.run(flow, answers={"w": "all", "each[1]/w": "one"})
    assert result.outputs["each"] == ["all", "all"]
    result = tester.run(flow, answers={"each[1]/w": "one", "w": "all"})
    assert (result.outputs["each"], result.outputs["call"]) == (["all", "one"], "all")


def test_who_waits_for_an_answer_is_told(tester: FlowTester) -> None:
    result = tester.run(create_flow("f").wait("w").node("a", ship).edge("w", "a"))
    assert (result.status, result.waiting, result.path) == ("awaiting", ["w"], [])
    assert repr(result) == "<run awaiting for w; path: nothing has ended>"


def test_a_step_under_way_is_seen_and_cancelled(tester: FlowTester) -> None:
    async def sleepy(ctx: Ctx) -> str:
        await asyncio.sleep(3600)
        return "done"

    run = tester.start(create_flow("f").node("a", sleepy))
    assert run.status == "running"
    run.advance("59m")
    assert run.status == "running"
    assert run.cancel()
    assert run.status == "cancelled"
    assert not run.cancel()


def test_a_step_that_waits_for_the_world_is_named(tester: FlowTester) -> None:
    async def listens(ctx: Ctx) -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError, match="'a' waits for something that no time brings"):
        tester.run(create_flow("f").node("a", listens))


def test_a_step_that_waits_for_the_world_may_be_ended_by_what_is_beside_it(tester: FlowTester) -> None:
    async def listens(ctx: Ctx) -> None:
        await asyncio.Event().wait()

    def fails(ctx: SyncNodeContext[Any, Any]) -> None:
        raise ValueError("in vain")

    flow = create_flow("f").node("a", listens).sleep("nap", "40d").node("b", fails).edge("nap", "b")
    result = tester.run(flow)
    assert (result.status, [error.message for error in result.errors]) == ("failed", ["in vain"])


def test_a_step_may_wait_for_threads_of_its_own(tester: FlowTester) -> None:
    async def asks(ctx: Ctx) -> list[Any]:
        loop = asyncio.get_running_loop()

        async def later() -> float:
            await asyncio.sleep(60)
            return loop.time()

        def in_a_thread() -> float:
            return asyncio.run_coroutine_threadsafe(later(), loop).result()

        before = loop.time()
        with pytest.raises(ValueError, match="from a thread"):
            await asyncio.to_thread(_raises)
        return [await asyncio.to_thread(str, 5), await loop.run_in_executor(None, in_a_thread) - before]

    assert tester.run(create_flow("f").node("a", asks)).outputs == {"a": ["5", 60.0]}


def _raises() -> None:
    raise ValueError("from a thread")


@pytest.mark.parametrize("wait", ["aproval", "charge", "approval[0].x"])
def test_an_answer_to_no_wait_is_refused(tester: FlowTester, wait: str) -> None:
    with pytest.raises(ValueError, match=f"there is no wait {re.escape(repr(wait))} .*; there are: approval"):
        tester.run(built(), answers={wait: "yes"})


def test_a_timeout_of_a_step_is_virtual_too(tester: FlowTester) -> None:
    async def stuck(ctx: Ctx) -> None:
        await asyncio.Event().wait()

    result = tester.run(create_flow("stuck").node("a", stuck, timeout=3600))
    assert (result.status, result.seconds) == ("failed", 3600)


async def test_a_test_may_be_a_coroutine_itself(tester: FlowTester) -> None:
    run = tester.start(create_flow("f").sleep("nap", "2h").node("a", ship).edge("nap", "a"))
    run.advance("2h")
    assert run.result().path == ["nap", "a"]


# --- what flows are given ---------------------------------------------------------------------------------------------


def test_dependencies_are_handed_to_steps(tester: FlowTester) -> None:
    def plain(ctx: SyncNodeContext[Any, Any]) -> Any:
        return ctx.dependencies["rate"] * ctx.context.get("x")

    tester.dependencies = {"rate": 2}
    assert tester.run(create_flow("plain").node("a", plain), {"x": 3}).outputs == {"a": 6}


def test_limits_hold(tester: FlowTester) -> None:
    async def ask(ctx: Ctx) -> None:
        await asyncio.sleep(10)

    flow = create_flow("f").node("src", listed).batch("each", ask, limit="api").edge("src", "each")
    tester.replace("src", returns=[1, 2, 3, 4])
    tester.limits = [Limit("api", concurrency=2)]
    assert tester.run(flow).seconds >= 20
    tester.limits = [Limit("api", concurrency=4)]
    assert tester.run(flow).seconds == 10


def test_nodes_of_other_queues_are_run_as_well(tester: FlowTester) -> None:
    flow = create_flow("f", queue="slow").node("a", ship).node("b", ship, queue="gpu").edge("a", "b")
    assert tester.run(flow).path == ["a", "b"]


@attrs.frozen
class Own:
    id: str


SERIALIZER = Serializer([Own])


async def raised(ctx: Any) -> Any:
    return Own((await ctx.context.get("order")).id + "!")


async def told(ctx: Any) -> str:
    assert isinstance(ctx.input, Own)
    return ctx.input.id


def of_own_types() -> FlowBuilder:
    return create_flow("own").node("raise", raised).node("show", told).edge("raise", "show")


def test_values_may_be_of_types_that_the_serializer_knows(tester: FlowTester) -> None:
    tester.serializer = SERIALIZER
    result = tester.run(of_own_types(), {"order": Own("1")})
    assert (result.outputs["show"], result.calls(told)[0].input) == ("1!", Own("1!"))


def test_so_they_may_under_simulate_and_in_a_scenario() -> None:
    tester = FlowTester(serializer=SERIALIZER)
    assert tester.simulate(of_own_types(), {"order": Own("1")}, seeds=10).schedules == 10
    scenario = Scenario(name="own", build=of_own_types, context={"order": Own("1")}, serializer=SERIALIZER)
    assert not simulate(scenario, seeds=3).violations


def test_what_is_replaced_is_so_in_simulations_too() -> None:
    tester = FlowTester()
    tester.replace(pay, returns="paid")
    tester.fail(pay, TimeoutError("no answer"), times=1)
    report = tester.simulate(decorated, Order("Ada", 5), answers={"approval": "Bob"}, seeds=10, faults=Faults.none())
    assert report.schedules == 10
    tester.limits = [Limit("api", concurrency=1)]
    flow = create_flow("f").node("a", ship, limit="api").node("b", ship, limit="api")
    assert tester.__class__(limits=tester.limits).simulate(flow, seeds=5).schedules == 5


# --- what is said when a test fails -----------------------------------------------------------------------------------


def test_a_result_tells_itself(tester: FlowTester) -> None:
    tester.fail(ship, NonRetryableError("the shop is closed"))
    result = tester.run(create_flow("f").node("a", ship))
    assert repr(result).startswith("<run failed: a: NonRetryableError: ")
    assert "the shop is closed; path: a>" in repr(result)
    with pytest.raises(KeyError, match=r"node 'b' has no output; there are: none. <run failed") as missing:
        result.output_of("b")
    assert str(missing.value).startswith("node 'b' has no output")


def test_a_run_that_is_closed_is_over(tester: FlowTester) -> None:
    with tester.start(create_flow("f").wait("w")) as run:
        assert repr(run) == "<run awaiting for w; path: nothing has ended>"
    assert repr(run) == "<run closed; path: nothing has ended>"
    run.close()
