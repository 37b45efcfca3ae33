"""Waits are found by their keys in the blueprints alone, whether or not anybody has come to them."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from flowcraft_core import FlowRuntime, ResumeError, create_flow
from flowcraft_core.blueprint import Blueprint, Node
from flowcraft_core.graph.addresses import wait_at
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.graph.scopes import Graph
from flowcraft_testkit.oracle.answering import early_answers
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.folding import Fold
from flowcraft_testkit.oracle.growing import CONTEXT
from flowcraft_testkit.oracle.meaning import Meaning
from flowcraft_testkit.oracle.script import Script, plain, uses_of
from flowcraft_testkit.simulation.dice import Dice
from hypothesis import given

from .strategies import flows, seeds
from .test_save_and_resume import Resumer, facts_of, runtime_for


def _graphs() -> dict[str, Graph]:
    inner = create_flow("page").wait("w").node("y", lambda ctx: 1).edge("w", "y")
    flow = create_flow("f").node("a", lambda ctx: [1]).batch("pages", inner).subflow("call", inner).wait("own.wait")
    flow.wait("head").wait("tail").edge("head", "tail").loop("again", start="head", end="tail", condition="false")
    flow.edge("a", "pages").edge("pages", "call").edge("call", "own.wait").edge("own.wait", "head")
    return {each.id: compile_blueprint(each.to_blueprint()) for each in (inner, flow)}


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("own.wait", "own%2Ewait"),
        ("own%2Ewait", "own%2Ewait"),
        ("pages[3]/w", "pages[3]/w"),
        ("pages[03].w", "pages[3]/w"),
        ("call/w", "call/w"),
        ("again[12].tail", "again[12].tail"),
    ],
)
def test_a_wait_is_found_under_its_own_key_however_that_is_written(written: str, key: str) -> None:
    graphs = _graphs()
    found = wait_at(graphs["f"], graphs.__getitem__, written)
    assert (found.key, found.vertex.node.uses) == (key, "wait")
    assert found.is_inside == ("[" in key or "/" in key)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a", r"node 'a' is no wait \(it uses"),
        ("pages[0]/y", "is no wait"),
        ("w", r"name its instance by its key, as in pages\[0\]/w, call/w"),
        ("head", r"as in again\[0\].head"),
        ("pages/w", "there is no wait 'pages/w'; those of flow 'f' are"),
        ("call[0]/w", "there is no wait"),
        ("again[0]", "there is no wait"),
        ("again.head", "there is no wait"),
        ("nowhere", r"are, by key: own%2Ewait, .*again\[0\].head"),
        ("", "there is no wait ''"),
    ],
)
def test_what_is_no_wait_is_refused_with_what_there_is(written: str, said: str) -> None:
    graphs = _graphs()
    with pytest.raises(ResumeError, match=said):
        wait_at(graphs["f"], graphs.__getitem__, written)


def test_a_flow_that_calls_itself_is_gone_into_as_far_as_the_key_says() -> None:
    nodes = (Node("w", "wait"), Node("again", "subflow", {"blueprintId": "f"}))
    graph = compile_blueprint(Blueprint("f", nodes))
    deep = "again/" * 200 + "w"
    assert wait_at(graph, lambda _: graph, deep).key == deep
    with pytest.raises(ResumeError, match=r"are, by key: w$"):
        wait_at(graph, lambda _: graph, "nowhere")


@given(flows(waits=True), seeds())
def test_a_run_that_was_answered_early_gives_what_its_facts_mean(flow: Flow, seed: int) -> None:
    """Some waits before it begins, some when they are reached, and in between the run is put away now and then."""
    script, chance = Script(flow), random.Random(seed)
    early = {key: wait for key, wait, _ in early_answers(flow, Dice(seed))}

    async def run() -> None:
        handle = runtime_for(flow).start(flow.id, CONTEXT, run_id="r")
        for key, wait in early.items():
            answer = script(uses_of(wait.id), key, None, {}, 1)
            handle.resume(key, output=answer.output, action=answer.action, early=True)
            with pytest.raises(ResumeError, match="already"):
                handle.resume(key, early=True)
        result, resumer = await handle.result(), Resumer(flow, seed)
        while result.status == "awaiting":
            assert not early.keys() & set(result.waiting)
            if chance.random() < 0.5:
                result = await runtime_for(flow).resume(result.state)
            result = await runtime_for(flow).resume(result.state, **resumer(result))
        meaning = Meaning(flow, facts_of(result))
        assert result.status == meaning.phase()
        assert {error.key for error in result.errors} == set(meaning.errors())
        if result.status == "completed":
            fold = Fold(meaning, CONTEXT)
            assert plain(result.outputs) == fold.result_outputs()
            assert plain(result.context) == fold.result_context()

    asyncio.run(run())


# --- in one process ---------------------------------------------------------------------------------------------------


def test_an_answer_is_kept_in_the_state_until_it_is_asked_for() -> None:
    flow = create_flow("f").wait("first").wait("next").node("b", lambda ctx: ctx.input + 1)
    flow.edge("first", "next").edge("next", "b", action="yes")
    runtime = FlowRuntime([flow])
    state = runtime.run_sync(flow).state
    result = runtime.resume_sync(state, "next", output=1, action="yes", early=True)
    assert (result.status, result.waiting) == ("awaiting", ("first",))
    assert json.loads(result.state)["answers"]["next"]["action"] == "yes"
    with pytest.raises(ResumeError, match="answered already"):
        runtime.resume_sync(result.state, "next", early=True)
    with pytest.raises(ResumeError, match="answered already"):
        runtime.resume_sync(result.state, "next")
    ended = runtime.resume_sync(result.state, "first", early=True)
    assert (ended.status, ended.outputs["b"]) == ("completed", 2)
    assert "answers" not in json.loads(ended.state)


def test_an_answer_that_does_not_fit_is_the_failure_of_its_wait() -> None:
    flow = create_flow("f").wait("first").wait("next").node("b", lambda ctx: 1).edge("first", "next")
    flow.edge("next", "b", condition="input.amount > 3")
    runtime = FlowRuntime([flow])
    waiting = runtime.resume_sync(runtime.run_sync(flow).state, "next", output={"amount": "many"}, early=True)
    result = runtime.resume_sync(waiting.state, "first")
    assert (result.status, [(error.key, error.type) for error in result.errors]) == (
        "failed",
        [("next", "ExpressionError")],
    )
