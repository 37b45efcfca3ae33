"""What a fallback knows of the step that it stands in for, and what is kept of it."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import BaseNode, FlowRuntime, NodeError, RetryPolicy, StepEndedError, create_flow
from flowcraft_core.graph.facts import Outcome, Suspension
from flowcraft_core.graph.records import (
    outcome_from_record,
    outcome_to_record,
    suspension_from_record,
    suspension_to_record,
)

ERROR = NodeError("a", "a", "ValueError", "no such address", 2, "where it was")


def fail(ctx: Any) -> None:
    assert ctx.error is None
    raise ValueError("no such address")


def test_a_fallback_sees_why_it_is_needed_in_each_of_its_attempts() -> None:
    seen: list[NodeError] = []

    def stand_in(ctx: Any) -> str:
        seen.append(ctx.error)
        if ctx.attempt < 3:
            raise LookupError("not yet")
        return "undone"

    flow = create_flow("f").node("a", fail, retries=1, fallback="b").node("b", stand_in, retries=2)
    result = FlowRuntime([flow]).run_sync(flow)
    assert result.outputs == {"a": "undone"}
    assert [(error.key, error.type, error.message, error.attempts) for error in seen] == [
        ("a", "ValueError", "no such address", 2)
    ] * 3
    (entry,) = result.trace
    assert (entry.status, entry.via, entry.error, entry.attempts) == ("completed", "b", None, 3)
    assert entry.primary_error == seen[0]


def test_of_two_that_failed_both_errors_are_kept() -> None:
    def stand_in(ctx: Any) -> None:
        raise LookupError("no paper")

    flow = create_flow("f").node("a", fail, fallback=stand_in)
    result = FlowRuntime([flow]).run_sync(flow)
    assert [error.type for error in result.errors] == ["LookupError"]
    (entry,) = result.trace
    assert entry.primary_error is not None
    assert (entry.primary_error.type, entry.error) == ("ValueError", result.errors[0])


def test_the_saved_state_of_a_run_keeps_the_error_too() -> None:
    def stand_in(ctx: Any) -> str:
        if ctx.attempt == 1:
            raise LookupError
        return ctx.error.message  # type: ignore[no-any-return]

    flow = create_flow("f").node("a", fail, fallback="b").wait("w")
    flow.node("b", stand_in, retries=RetryPolicy(max_attempts=2, delay=0)).node("c", fail, fallback=lambda ctx: 1)
    runtime = FlowRuntime([flow])
    waiting = runtime.run_sync(flow)
    assert waiting.status == "awaiting"
    result = runtime.resume_sync(waiting.state, "w")
    assert result.outputs["a"] == "no such address"
    assert {entry.key for entry in result.trace if entry.primary_error is not None} == {"a", "c"}


def test_keys_are_stable_and_those_of_a_fallback_its_own() -> None:
    keys: dict[str, list[str]] = {"step": [], "node": [], "method": []}

    def charge(ctx: Any) -> None:
        keys["step"].append(ctx.idempotency_key)
        raise ValueError

    def invoice(ctx: Any) -> None:
        keys["node"].append(ctx.idempotency_key)
        raise ValueError

    class Both(BaseNode[Any, Any]):
        def exec(self, prepared: Any, ctx: Any) -> Any:
            charge(ctx)

        def fallback(self, error: Exception, ctx: Any) -> Any:
            keys["method"].append(ctx.idempotency_key)
            assert ctx.error.type == type(error).__name__ == "ValueError"
            raise error

    flow = create_flow("f").node("a.b", Both, retries=1, fallback="i").node("i", invoice, retries=1)
    FlowRuntime([flow]).run_sync(flow, run_id="r")
    assert keys == {
        "step": ["r:a%2Eb"] * 2,
        "method": ["r:a%2Eb:fallback"],
        "node": ["r:a%2Eb:fallback:i"] * 2,
    }


def test_a_class_has_its_own_fallback_for_exits_too() -> None:
    told: list[BaseException | None] = []

    class Leaves(BaseNode[Any, Any]):
        def exec(self, prepared: Any, ctx: Any) -> Any:
            raise SystemExit(3)

        def recover(self, error: Exception, ctx: Any) -> None:
            told.append(error.__cause__)
            raise KeyboardInterrupt

        def fallback(self, error: Exception, ctx: Any) -> Any:
            assert isinstance(error, StepEndedError)
            told.append(error.__cause__)
            return ctx.error.type

    class LeavesAsync(Leaves):
        async def exec(self, prepared: Any, ctx: Any) -> Any:
            raise SystemExit(3)

        async def recover(self, error: Exception, ctx: Any) -> None:  # type: ignore[override]
            told.append(error.__cause__)
            raise KeyboardInterrupt

        async def fallback(self, error: Exception, ctx: Any) -> Any:
            return Leaves.fallback(self, error, ctx)

    for step in (Leaves, LeavesAsync):
        told.clear()
        flow = create_flow("f").node("a", step)
        assert FlowRuntime([flow]).run_sync(flow).outputs == {"a": "SystemExit"}
        assert [type(each) for each in told] == [SystemExit, SystemExit]


def test_only_exec_is_tried_again_whatever_the_other_phases_raise() -> None:
    attempts: list[int] = []

    class Unprepared(BaseNode[Any, Any]):
        def prep(self, ctx: Any) -> Any:
            attempts.append(ctx.attempt)
            raise SystemExit("nothing to eat")

        def exec(self, prepared: Any, ctx: Any) -> Any: ...

    flow = create_flow("f").node("a", Unprepared, retries=3)
    (error,) = FlowRuntime([flow]).run_sync(flow).errors
    assert (error.type, error.message, attempts) == ("SystemExit", "nothing to eat", [1])


# --- records ----------------------------------------------------------------------------------------------------------


def test_records_keep_the_error_behind_a_fallback() -> None:
    outcome = Outcome(output=1, via="b", primary_error=ERROR)
    suspension = Suspension("retry", 7.0, 1, standing_in=True, primary_error=ERROR)
    for fact in (outcome, Outcome(error=ERROR, primary_error=ERROR)):
        assert outcome_from_record(outcome_to_record(fact, lambda value: value), lambda value: value) == fact
    assert suspension_from_record(suspension_to_record(suspension)) == suspension
    assert suspension_to_record(suspension)["primary_error"]["traceback"] == "where it was"


def test_records_without_one_are_as_they_always_were() -> None:
    assert "primary_error" not in outcome_to_record(Outcome(output=1, via="b"), lambda value: value)
    assert "primary_error" not in suspension_to_record(Suspension("retry", 7.0, 1, standing_in=True))
    assert outcome_from_record({"output": 1, "via": "b"}, lambda value: value).primary_error is None
    assert (
        suspension_from_record({"kind": "retry", "due": 7.0, "attempt": 1, "standing_in": True}).primary_error is None
    )


# --- the logger -------------------------------------------------------------------------------------------------------


def test_a_steps_logger_keeps_what_the_step_adds(caplog: pytest.LogCaptureFixture) -> None:
    def log(ctx: Any) -> None:
        ctx.logger.warning("plain")
        ctx.logger.warning("more", extra={"order": 5, "run_id": "another"})

    flow = create_flow("f").node("a", log)
    FlowRuntime([flow]).run_sync(flow, run_id="r")
    plain, more = (vars(record) for record in caplog.records)
    ours = {"run_id": "r", "node_id": "a", "instance": "a", "attempt": 1}
    assert ours.items() <= plain.items()
    assert {**ours, "order": 5}.items() <= more.items()
