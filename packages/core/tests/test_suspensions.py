"""The keys of suspensions: whether there can be any is said without making them, and as they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flowcraft_core import FlowBuilder, NodeContext, create_flow
from flowcraft_core.durable.suspensions import may_be_suspended, suspension_windows
from flowcraft_core.graph.scopes import Graph
from flowcraft_core.graph.state import RunState


async def _step(ctx: NodeContext[Any, Any]) -> list[int]:
    return []


_NEVER: dict[str, Callable[[FlowBuilder], FlowBuilder]] = {
    "once": lambda flow: flow.node("a", _step),
    "a fallback, once": lambda flow: flow.node("a", _step, fallback="b").node("b", _step),
    "a batch": lambda flow: flow.node("a", _step).batch("each", _step).edge("a", "each"),
}
_PERHAPS: dict[str, Callable[[FlowBuilder], FlowBuilder]] = {
    "again": lambda flow: flow.node("a", _step, retries=1),
    "a fallback, again": lambda flow: flow.node("a", _step, fallback="b").node("b", _step, retries=1),
    "both, again": lambda flow: flow.node("a", _step, retries=2, fallback="b").node("b", _step, retries=1),
    "a wait": lambda flow: flow.wait("a"),
    "a wait that reminds": lambda flow: flow.wait("a", remind=_step, remind_after=[5]),
    "a sleep": lambda flow: flow.sleep("a", 5),
}


@pytest.mark.parametrize("what", [*_NEVER, *_PERHAPS])
def test_whether_an_instance_may_be_suspended_is_whether_there_are_keys_for_it(what: str) -> None:
    flow = (_NEVER | _PERHAPS)[what](create_flow("flow"))
    root = RunState(flow.compile(), dict[str, Graph]().__getitem__, {}).root
    said = {vertex.id: may_be_suspended(root.at(vertex.index)) for vertex in root.scope.vertices}
    windows = {vertex.id: suspension_windows(root.at(vertex.index)) for vertex in root.scope.vertices}
    assert said == {node: any(window.keys for window in each) for node, each in windows.items()}
    assert any(said.values()) is (what in _PERHAPS)
