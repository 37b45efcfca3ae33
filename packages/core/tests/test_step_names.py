"""The names under which stored blueprints find their steps: a node keeps its own, whatever is deployed beside it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from flowcraft_core import (
    BaseNode,
    BlueprintError,
    ConfigurationError,
    FlowBuilder,
    FlowRuntime,
    ImplementationMissingError,
    SyncNodeContext,
    create_flow,
)
from hypothesis import given
from hypothesis import strategies as st

Ctx = SyncNodeContext[Any, Any]


def from_a_factory(says: str) -> Any:
    def post(ctx: Ctx) -> str:
        return says

    return post


def undecorated(says: str) -> Any:
    def decorate(function: Callable[[Ctx], str]) -> Any:
        def wrapper(ctx: Ctx) -> str:  # without functools.wraps: every step is called `wrapper`
            return function(ctx)

        return wrapper

    return decorate(lambda ctx: says)


def partially(says: str) -> Any:
    def say(says: str, ctx: Ctx) -> str:
        return says

    return functools.partial(say, says)


class Saying:
    def __init__(self, says: str) -> None:
        self.says = says

    def __call__(self, ctx: Ctx) -> str:
        return self.says

    def method(self, ctx: Ctx) -> str:
        return self.says


def of_a_class(says: str) -> Any:
    class Post(BaseNode[Any, str]):
        def exec(self, prepared: Any, ctx: Any) -> str:
            return says

    return Post


def of_a_script(says: str) -> Any:
    step = from_a_factory(says)
    step.__module__ = "__main__"
    return step


def of_another_module(says: str) -> Any:
    step = from_a_factory(says)
    step.__module__, step.__qualname__ = f"{says}.steps", "post"
    return step


#: Ways to come by steps that have one name, or none. Each is a function of what the step is to say.
KINDS: dict[str, Callable[[str], Any]] = {
    "a factory's": from_a_factory,
    "decorated": undecorated,
    "partial": partially,
    "lambda": lambda says: lambda ctx: says,
    "object": Saying,
    "bound method": lambda says: Saying(says).method,
    "class": of_a_class,
    "a script's": of_a_script,
    "another module's": of_another_module,
}


def flow_of(order: tuple[str, ...], make: Callable[[str], Any], *, wait: bool = True) -> FlowBuilder:
    """A flow whose nodes say their own names; they are added in this order."""
    flow = create_flow("order")
    if wait:
        flow.wait("w")
    for name in order:
        flow.node(name, make(name), fallback=make(f"{name}-fallback"))
        flow.batch(f"{name}-items", make(f"{name}-item")).edge(name, f"{name}-items", transform="[input]")
        if wait:
            flow.edge("w", name)
    return flow


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_in_flight_executes_its_own_nodes_steps_whatever_was_deployed_meanwhile(kind: str) -> None:
    make = KINDS[kind]
    older = flow_of(("charge", "ship"), make)
    state = FlowRuntime([older]).run_sync(older).state
    newer = flow_of(("audit", "ship", "charge"), make)
    ended = FlowRuntime([newer]).resume_sync(state, "w")
    assert ended.outputs["charge"] == "charge"
    assert ended.outputs["ship"] == "ship"
    assert (ended.outputs["charge-items"], ended.outputs["ship-items"]) == (["charge-item"], ["ship-item"])


@given(st.permutations(["a", "b", "c"]), st.sets(st.sampled_from(["x", "y", "z"])), st.sampled_from(sorted(KINDS)))
def test_a_name_depends_on_neither_the_order_nor_what_else_there_is(
    order: list[str], more: set[str], kind: str
) -> None:
    make = KINDS[kind]
    names = {node.id: _names(node) for node in flow_of(("a", "b", "c"), make).to_blueprint().nodes}
    others = {node.id: _names(node) for node in flow_of((*sorted(more), *order), make).to_blueprint().nodes}
    assert names.items() <= others.items()
    brought = [name for name in _all_names(others) if name]
    assert len(brought) == len(set(brought))


def _names(node: Any) -> tuple[str, ...]:
    return (node.uses, node.config.fallback if node.config else "", (node.params or {}).get("workerUsesKey", ""))


def _all_names(nodes: dict[str, tuple[str, ...]]) -> list[str]:
    return [name for names in nodes.values() for name in names if name not in ("wait", "batch")]


def test_a_run_in_flight_whose_node_is_gone_is_refused_by_name() -> None:
    older = flow_of(("charge",), from_a_factory)
    state = FlowRuntime([older]).run_sync(older).state
    newer = flow_of(("ship",), from_a_factory)
    with pytest.raises(ImplementationMissingError, match=r"node 'charge' of flow 'order'.*'order/charge'"):
        FlowRuntime([newer]).resume_sync(state, "w")
    kept = {f"order/charge{role}": from_a_factory("kept") for role in ("", "/fallback")}
    kept["order/charge-items/worker"] = from_a_factory("kept")
    runtime = FlowRuntime([newer], registry=kept)
    assert runtime.resume_sync(state, "w").outputs["charge"] == "kept"


def test_a_node_that_has_become_a_batch_does_not_lend_its_items_step_to_runs_in_flight() -> None:
    older = create_flow("f").wait("w").node("pages", from_a_factory("all of them")).edge("w", "pages")
    state = FlowRuntime([older]).run_sync(older).state
    newer = create_flow("f").wait("w").batch("pages", from_a_factory("one of them")).edge("w", "pages")
    with pytest.raises(ImplementationMissingError, match="node 'pages' of flow 'f'"):
        FlowRuntime([newer]).resume_sync(state, "w")


def test_nodes_called_like_what_the_engine_implements_are_steps_all_the_same() -> None:
    flow = create_flow("f").node("wait", from_a_factory("a")).node("batch", from_a_factory("b"))
    assert FlowRuntime([flow]).run_sync(flow).outputs == {"wait": "a", "batch": "b"}


def test_names_are_apart_whatever_characters_ids_contain() -> None:
    flow = create_flow("f/a").node("a", from_a_factory("a"), fallback=from_a_factory("a's"))
    flow.node("a/fallback", from_a_factory("b")).node("a.b", from_a_factory("c")).node("%2F", from_a_factory("d"))
    assert len(flow.implementations) == 5
    assert FlowRuntime([flow]).run_sync(flow).outputs == {"a": "a", "a/fallback": "b", "a.b": "c", "%2F": "d"}


def test_a_fallback_step_whose_name_is_a_nodes_id_is_refused() -> None:
    flow = create_flow("f").node("a", from_a_factory("a"), fallback=from_a_factory("a's"))
    flow.node("f/a/fallback", from_a_factory("b"))
    with pytest.raises(BlueprintError, match=r"'f/a/fallback'.*rename"):
        flow.to_blueprint()


def test_a_step_that_both_a_flow_and_the_registry_bring_is_refused() -> None:
    flow = create_flow("f").node("a", from_a_factory("a"))
    with pytest.raises(ConfigurationError, match=r"both flow 'f' and the registry.*'f/a'"):
        FlowRuntime([flow], registry={"f/a": from_a_factory("b")})


def test_two_flows_of_one_id_that_differ_in_their_steps_only_are_refused() -> None:
    one, other = (create_flow("f").node("a", from_a_factory(says)) for says in "ab")
    with pytest.raises(ConfigurationError, match=r"two flows with the id 'f'.*'f/a'"):
        FlowRuntime([one, other])
    runtime = FlowRuntime([one])
    with pytest.raises(ConfigurationError, match=r"two flows with the id 'f'.*'f/a'"):
        runtime.run_sync(other)
    same = create_flow("f").node("a", one.implementations["f/a"].step)  # type: ignore[arg-type]
    assert runtime.run_sync(same).outputs == {"a": "a"}
