"""What is undone, and after what: on any flow what the rules say, and each rule with the sentence as its name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import attrs
import pytest
from flowcraft_core import Blueprint, BlueprintError, FlowBuilder, FlowRuntime, NodeContext, RetryPolicy, create_flow
from flowcraft_core.blueprint import BUILT_IN_USES
from flowcraft_testkit.oracle.flows import Flow, Loop, Step
from flowcraft_testkit.oracle.meaning import Meaning
from flowcraft_testkit.oracle.places import Place, PlacedNode
from flowcraft_testkit.oracle.script import Script
from flowcraft_testkit.oracle.writing import blueprints
from hypothesis import given

from .strategies import flows
from .test_save_and_resume import facts_of

Ctx = NodeContext[Any, Any]


# --- whatever the flow ------------------------------------------------------------------------------------------------


def undoing(flow: Flow) -> list[Blueprint]:
    """The flow's blueprints with an undo at each step."""
    return [
        attrs.evolve(
            blueprint,
            nodes=tuple(
                attrs.evolve(node, config=attrs.evolve(node.config, undo="back"))
                if node.config is not None
                and (node.uses not in BUILT_IN_USES or "workerUsesKey" in (node.params or {}))
                else node  # a fallback has no config
                for node in blueprint.nodes
            ),
        )
        for blueprint in blueprints(flow).values()
    ]


class Model:
    """What is undone, from the words of the design, on what a run has recorded."""

    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning
        self.steps = {
            place.ends_at(node): (place, node)
            for place in meaning.places
            for node in place.nodes()
            if isinstance(node, Step)
        }

    def undone(self, *, badly: bool) -> set[str]:
        """ "The undos run: of every completed instance, unneeded or not"; of one that ended well, of failed calls."""
        return {
            key
            for key, (place, _) in self.steps.items()
            if (fact := self.meaning.facts.outcomes.get(key)) is not None and not fact.failed
            if badly or self.undoes_itself(place) is not None
        }

    def undoes_itself(self, place: Place) -> Place | None:
        """ "A called flow undoes itself before its failed outcome is committed": the innermost one around a place."""
        around: Place | None = place
        while around is not None and around.parent is not None:
            if around.namespace is None and self.meaning.has_ended(around) and self.meaning.has_failed(around):
                return around
            around = around.parent
        return None

    def comes_after(self, key: str, other: str) -> bool:
        """Whether an instance comes after another: "passes backwards, items side by side"."""
        mine, others = dict(self._around(key)), dict(self._around(other))
        place = next(place for place in mine if place in others)
        (node, index), (other_node, other_index) = mine[place], others[place]
        if node.id == other_node.id:
            return isinstance(node, Loop) and index > other_index
        return self._leads_to(place, other_node, node)

    def _around(self, key: str) -> Iterator[tuple[Place, tuple[PlacedNode, int]]]:
        place, node = cast(tuple[Place, PlacedNode], self.steps[key])
        index = -1
        while True:
            yield place, (node, index)
            if place.parent is None or place.node is None:
                return
            index, node, place = place.index, place.node, place.parent

    def _leads_to(self, place: Place, source: PlacedNode, target: PlacedNode) -> bool:
        found, waiting = {source.id}, [source.id]
        while waiting:
            following = {edge.target for edge in place.edges if edge.source == waiting[-1]} - found
            waiting.pop()
            waiting += following
            found |= following
        return target.id in found


@given(flows())
def test_each_completed_step_is_undone_once_and_after_all_that_came_after_it(flow: Flow) -> None:
    undone: list[str] = []

    async def back(ctx: Ctx) -> None:
        undone.append(ctx.key)
        await asyncio.sleep(0)

    registry = {**Script(flow).registry(), "back": back}
    runtime = FlowRuntime(blueprints=undoing(flow), registry=registry)
    result = runtime.run_sync(flow.id, {"seed": 5, "two": ["x", "y"], "none": []})
    model = Model(Meaning(flow, facts_of(result)))
    assert sorted(undone) == sorted(model.undone(badly=result.status == "failed"))
    assert sorted(each.key for each in result.undone) == sorted(undone)
    calls = {key: model.undoes_itself(model.steps[key][0]) for key in undone}
    for number, key in enumerate(undone):
        for later in undone[number + 1 :]:
            assert calls[key] != calls[later] or not model.comes_after(later, key), f"{key} before {later}"


# --- rule by rule -----------------------------------------------------------------------------------------------------


class Shop:
    """Steps that can be undone, and what was."""

    def __init__(self) -> None:
        self.undone: list[str] = []
        self.seen: list[tuple[Any, Any]] = []
        self.tried = 0

    async def does(self, ctx: Ctx) -> str:
        return ctx.key

    async def fails(self, ctx: Ctx) -> None:
        raise ValueError(f"no {ctx.key}")

    async def back(self, ctx: Ctx) -> None:
        self.undone.append(ctx.key)
        self.seen.append((ctx.input, ctx.output))

    async def back_at_the_third_time(self, ctx: Ctx) -> None:
        self.tried += 1
        if ctx.attempt < 3:
            raise ConnectionError("not yet")
        await self.back(ctx)

    async def never_back(self, ctx: Ctx) -> None:
        self.tried += 1
        raise ConnectionError("gone")

    def chain(self, *nodes: str, failing: str, **undos: Any) -> FlowBuilder:
        flow = create_flow("f")
        for place, node in enumerate(nodes):
            flow.node(node, self.fails if node == failing else self.does, undo=undos.get(node, self.back))
            if place:
                flow.edge(nodes[place - 1], node)
        return flow


def test_the_steps_before_a_failure_are_undone_backwards_with_input_and_output() -> None:
    shop = Shop()
    result = FlowRuntime([flow := shop.chain(*"abcde", failing="d")]).run_sync(flow)
    assert (result.status, [error.key for error in result.errors]) == ("failed", ["d"])
    assert shop.undone == ["c", "b", "a"]
    assert shop.seen == [("b", "c"), ("a", "b"), (None, "a")]


def test_a_run_that_completes_undoes_nothing() -> None:
    shop = Shop()
    result = FlowRuntime([flow := shop.chain(*"abc", failing="")]).run_sync(flow)
    assert (result.status, shop.undone, result.undone) == ("completed", [], ())


def test_an_undo_has_retries_and_a_key_of_its_own() -> None:
    shop, keys = Shop(), set[str]()

    async def back(ctx: Ctx) -> None:
        keys.add(ctx.idempotency_key)
        await shop.back_at_the_third_time(ctx)

    flow = shop.chain(*"ab", failing="b", a="give back").node(
        "give back", back, retries=RetryPolicy(max_attempts=3, delay=0.01)
    )
    result = FlowRuntime([flow]).run_sync(flow, run_id="r")
    assert (shop.undone, shop.tried, keys) == (["a"], 3, {"r:a:undo"})
    assert [(each.key, each.attempts, each.error) for each in result.undone] == [("a", 3, None)]


def test_an_undo_that_fails_for_good_is_told_and_stops_no_other() -> None:
    shop = Shop()
    result = FlowRuntime([flow := shop.chain(*"abcd", failing="d", b=shop.never_back)]).run_sync(flow)
    assert [error.key for error in result.errors] == ["d"]
    assert shop.undone == ["c", "a"]
    assert [(each.key, str(each.error) if each.error else None) for each in result.undone] == [
        ("c", None),
        ("b", "b: ConnectionError: gone"),
        ("a", None),
    ]


def test_passes_are_undone_backwards_and_items_side_by_side() -> None:
    shop = Shop()

    async def list_of(ctx: Ctx) -> list[int]:
        return [1, 2]

    async def count(ctx: Ctx) -> int:
        return int(ctx.attempt if ctx.input is None else ctx.input + 1)

    flow = create_flow("f").node("a", count, undo=shop.back).loop("l", start="a", end="a", condition="a < 3")
    flow.node("items", list_of).edge("l", "items").batch("b", shop.does, undo=shop.back).edge("items", "b")
    flow.node("x", shop.fails).edge("b", "x")
    result = FlowRuntime([flow]).run_sync(flow)
    assert result.status == "failed"
    assert shop.undone == ["b[0].b", "b[1].b", "l[2].a", "l[1].a", "l[0].a"]


def test_a_called_flow_that_fails_is_undone_before_its_failure_counts_and_not_again() -> None:
    shop = Shop()
    called = create_flow("called").node("p", shop.does, undo=shop.back).node("q", shop.fails).edge("p", "q")
    whole = create_flow("whole").node("r", shop.does, undo=shop.back)
    flow = create_flow("f").node("a", shop.does, undo=shop.back).subflow("ok", whole).subflow("call", called)

    async def note(ctx: Ctx) -> list[str]:
        return list(shop.undone)

    flow.node("else", note).edge("a", "ok").edge("ok", "call").edge("call", "else", on="failure")
    good = FlowRuntime([flow]).run_sync(flow)
    assert (good.status, good.outputs["else"], shop.undone) == ("completed", ["call/p"], ["call/p"])
    shop.undone.clear()
    flow.node("end", shop.fails).edge("else", "end")
    bad = FlowRuntime([flow]).run_sync(flow)
    assert (bad.status, shop.undone) == ("failed", ["call/p", "ok/r", "a"])


async def test_a_run_that_is_cancelled_is_undone_and_what_was_cut_off_only_if_it_says_so() -> None:
    shop, begun = Shop(), asyncio.Event()

    async def hangs(ctx: Ctx) -> None:
        begun.set()
        await asyncio.Event().wait()

    flow = create_flow("f").node("a", shop.does, undo=shop.back)
    flow.node("b", hangs, undo=shop.back, undo_unsure=True).node("c", hangs, undo=shop.back)
    flow.edge("a", "b").edge("a", "c")
    handle = FlowRuntime([flow]).start(flow)
    await begun.wait()
    await asyncio.sleep(0)
    assert handle.cancel()
    assert not handle.cancel()
    result = await handle.result()
    assert (result.status, shop.undone) == ("cancelled", ["b", "a"])
    assert shop.seen[0] == ("a", None)


async def test_undos_are_not_cut_off_by_a_deadline_or_a_cancel_but_can_be_abandoned() -> None:
    shop, begun, goes_on = Shop(), asyncio.Event(), asyncio.Event()

    async def slowly(ctx: Ctx) -> None:
        begun.set()
        await goes_on.wait()
        await shop.back(ctx)

    flow = shop.chain("a", "b", "c", failing="c", b=slowly)
    for abandoned in (False, True):
        begun.clear()
        goes_on.clear()
        shop.undone.clear()
        handle = FlowRuntime([flow]).start(flow)
        await begun.wait()
        assert (handle.cancel(), handle.status) == (False, "failed")
        if abandoned:
            assert handle.abandon()
        else:
            goes_on.set()
        result = await handle.result(timeout=60)
        assert (result.status, shop.undone) == ("failed", [] if abandoned else ["b", "a"])
        assert [each.key for each in result.undone] == shop.undone
        assert not handle.abandon()


async def test_a_run_that_was_put_away_in_the_middle_of_it_is_undone_to_its_end() -> None:
    shop, begun = Shop(), asyncio.Event()

    async def once(ctx: Ctx) -> None:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        await shop.back(ctx)

    flow = shop.chain("a", "b", "c", failing="c", a=once)
    handle = FlowRuntime([flow]).start(flow)
    await begun.wait()
    handle.abandon()
    result = await handle.result()
    assert shop.undone == ["b"]
    again = await FlowRuntime([flow]).resume(result.state)
    assert (again.status, shop.undone) == ("failed", ["b", "a"])
    assert [each.key for each in again.undone] == ["b", "a"]


async def test_a_run_that_was_put_away_behind_calls_that_were_undone_goes_on_there() -> None:
    shop = Shop()

    async def list_of(ctx: Ctx) -> list[int]:
        return [0, 1]

    called = create_flow("called").node("p", shop.does, undo=shop.back).node("q", shop.fails).edge("p", "q")
    flow = create_flow("f").node("items", list_of).wait("w").node("end", shop.does).edge("items", "b")
    flow.batch("b", called, concurrency=1, tolerated_failure_count=2).edge("b", "w").edge("w", "end")
    runtime = FlowRuntime([flow])
    waiting = await runtime.run(flow)
    assert (waiting.status, shop.undone) == ("awaiting", ["b[0]/p", "b[1]/p"])
    result = await runtime.resume(waiting.state, "w")
    assert (result.status, shop.undone) == ("completed", ["b[0]/p", "b[1]/p"])
    assert [each.key for each in result.undone] == shop.undone


async def test_what_is_under_way_in_a_call_that_undoes_itself_never_happened() -> None:
    shop, begun, goes_on = Shop(), asyncio.Event(), asyncio.Event()

    async def slowly(ctx: Ctx) -> str:
        begun.set()
        await goes_on.wait()
        return "too late"

    async def meanwhile(ctx: Ctx) -> str:
        await begun.wait()
        return "in time"

    async def free(ctx: Ctx) -> None:
        goes_on.set()
        await asyncio.sleep(0.01)

    back: Any = {"undo": shop.back, "undo_unsure": True}
    called = create_flow("called").node("x", meanwhile, **back).node("s", slowly, **back)
    called.node("j", shop.does, join="any").node("z", shop.fails).edge("x", "j").edge("s", "j").edge("j", "z")
    flow = create_flow("f").subflow("call", called).node("b", free).edge("call", "b", on="failure")
    result = await FlowRuntime([flow]).run(flow)
    assert (result.status, sorted(shop.undone)) == ("completed", ["call/s", "call/x"])
    assert "call/s" not in [entry.key for entry in result.trace]
    assert (None, None) in shop.seen


class TestBuilding:
    def test_an_undo_is_part_of_the_json(self) -> None:
        flow = create_flow("f").node("a", "x", undo="back", undo_unsure=True)
        assert flow.to_blueprint().to_dict()["nodes"][0]["config"] == {"undo": "back", "undoUnsure": True}
        assert Blueprint.from_json(flow.to_blueprint().to_json()) == flow.to_blueprint()

    @pytest.mark.parametrize(
        ("flow", "problem"),
        [
            (create_flow("f").node("a", "x", undo="u").node("u", "y").edge("a", "u"), "'u' is the undo of 'a'"),
            (create_flow("f").node("a", "x", undo="w").wait("w"), "its undo 'w' must be a plain step"),
            (create_flow("f").node("a", "x", undo="u").node("u", "y", undo="v"), "'u' is an undo, and has neither"),
            (
                create_flow("f").node("a", "x", fallback="b").node("b", "y", undo="v"),
                "'b' is a fallback: name the undo",
            ),
            (
                create_flow("f").node("l", "x").batch("b", create_flow("g").node("h", "x"), undo="u").edge("l", "b"),
                "its worker is a flow, so give undo to that flow's nodes",
            ),
        ],
        ids=["an edge", "a wait", "an undo of an undo", "of a fallback", "of a batch of flows"],
    )
    def test_what_cannot_be_is_refused(self, flow: FlowBuilder, problem: str) -> None:
        with pytest.raises(BlueprintError, match=problem):
            flow.to_blueprint()
