"""With ``strict=True`` an action that no edge takes is an error; without it the path ends, as ever."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, LostActionError, NodeResult, RetryPolicy, RunResult, create_flow


def gives(action: str | None) -> Any:
    def step(ctx: Any) -> Any:
        return NodeResult(ctx.input, action)

    return step


def step(ctx: Any) -> Any:
    return ctx.input


def routed(action: str | None, **settings: Any) -> FlowBuilder:
    flow = create_flow("f").node("route", gives(action), **settings).node("card", step).node("cash", step)
    return flow.edge("route", "card", action="card").edge("route", "cash", action="cash")


def run(flow: FlowBuilder, *, strict: bool = True) -> RunResult:
    return FlowRuntime([flow], strict=strict).run_sync(flow)


@pytest.mark.filterwarnings("ignore")
def test_a_lost_action_fails_its_node_and_names_it_the_action_and_those_that_there_are() -> None:
    result = run(routed("cahs"))
    (error,) = result.errors
    assert (result.status, error.node_id, error.type) == ("failed", "route", "LostActionError")
    assert error.message == (
        "node 'route' gave the action 'cahs', and no edge takes it, so the path would end here: give one of 'card', "
        "'cash', or draw an edge for 'cahs', or one without an action for all others"
    )


def test_by_default_the_path_ends_without_a_word() -> None:
    result = run(routed("cahs"), strict=False)
    assert (result.status, list(result.outputs)) == ("completed", ["route"])


@pytest.mark.parametrize("action", ["card", "cash", None])
def test_what_an_edge_takes_is_fine_and_so_is_no_action(action: str | None) -> None:
    assert run(routed(action)).status == "completed"


def test_an_edge_without_an_action_takes_all_others() -> None:
    assert list(run(routed("cahs").node("other", step).edge("route", "other")).outputs) == ["route", "other"]


def test_an_edge_that_is_always_taken_goes_on_whatever_the_action() -> None:
    assert list(run(routed("cahs").node("log", step).edge("route", "log", on="always")).outputs) == ["route", "log"]


def test_a_condition_that_does_not_hold_has_decided() -> None:
    flow = create_flow("f").node("a", gives("x")).node("b", step).edge("a", "b", action="x", condition="1 > 2")
    assert run(flow).status == "completed"


def test_at_the_end_any_action_may_be_given() -> None:
    assert run(create_flow("f").node("a", gives("x"))).status == "completed"
    handled = create_flow("f").node("a", gives("x")).node("b", step).edge("a", "b", on="failure")
    assert run(handled).status == "completed"


def test_it_is_not_tried_again_and_is_handled_like_any_failure() -> None:
    flow = routed("cahs", retries=RetryPolicy(max_attempts=3)).node("mend", step).edge("route", "mend", on="failure")
    result = run(flow)
    assert result.status == "completed"
    (error,) = result.handled
    assert (error.type, error.attempts) == ("LostActionError", 1)


def test_a_wait_refuses_such_an_answer_and_goes_on_waiting() -> None:
    flow = create_flow("f").wait("w").node("b", step).edge("w", "b", action="yes")
    runtime = FlowRuntime([flow], strict=True)
    waiting = runtime.run_sync(flow)
    with pytest.raises(LostActionError, match=r"'w' gave the action 'yse'.*give one of 'yes'"):
        runtime.resume_sync(waiting.state, "w", action="yse")
    assert runtime.resume_sync(waiting.state, "w", action="yes").status == "completed"


def test_a_wait_whose_time_is_up_fails_if_no_edge_is_for_that() -> None:
    flow = create_flow("f").wait("w", timeout=0.001).node("b", step).edge("w", "b", action="yes")
    result = run(flow)
    assert [(error.node_id, error.type) for error in result.errors] == [("w", "LostActionError")]
