"""Graphs of LangGraph: a state, and nodes that give what changes in it."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypedDict

# Not to be found where the types are checked.
_graph: Any = importlib.import_module("langgraph.graph")
_types: Any = importlib.import_module("langgraph.types")

SETTINGS = (
    "StateGraph without a checkpointer, invoke and ainvoke of a graph compiled once, items by Send, "
    "a recursion_limit as high as the graph is long"
)
WAYS = ("plain", "awaited")


class _State(TypedDict, total=False):
    value: int
    parts: Annotated[list[int], operator.add]


def _step(state: _State) -> _State:
    return {"value": state.get("value", 0) + 1}


def _part(state: _State) -> _State:
    return {"parts": [state.get("value", 0) + 1]}


def _sum_of(state: _State) -> _State:
    return {"value": sum(state["parts"])}


def _nothing(state: _State) -> _State:
    return {"value": 0}


def prepare(shape: str, nodes: int, way: str) -> Callable[[], Awaitable[int]]:
    """What runs a graph of that shape and size once, and gives its result."""
    make = (lambda step: step) if way == "plain" else _awaited
    graph = _graph.StateGraph(_State)
    {"chain": _chain, "fan": _fan, "batch": _batch, "loop": _loop}[shape](graph, nodes, make)
    compiled = graph.compile()
    config = {"recursion_limit": nodes + 10}

    async def once() -> int:
        if way == "plain":
            return int(compiled.invoke({}, config)["value"])
        return int((await compiled.ainvoke({}, config))["value"])

    return once


def _awaited(step: Callable[[_State], _State]) -> Callable[[_State], Awaitable[_State]]:
    async def awaited(state: _State) -> _State:
        return step(state)

    return awaited


def _chain(graph: Any, nodes: int, make: Any) -> None:
    for node in range(nodes):
        graph.add_node(f"n{node}", make(_step))
        graph.add_edge(f"n{node - 1}" if node else _graph.START, f"n{node}")
    graph.add_edge(f"n{nodes - 1}", _graph.END)


def _fan(graph: Any, nodes: int, make: Any) -> None:
    graph.add_node("first", make(_step))
    graph.add_node("last", make(_sum_of))
    graph.add_edge(_graph.START, "first")
    middle = [f"n{node}" for node in range(nodes - 2)]
    for name in middle:
        graph.add_node(name, make(_part))
        graph.add_edge("first", name)
    graph.add_edge(middle, "last")
    graph.add_edge("last", _graph.END)


def _batch(graph: Any, nodes: int, make: Any) -> None:
    def send(state: _State) -> list[Any]:
        return [_types.Send("each", {"value": 0}) for _ in range(nodes - 2)]

    graph.add_node("items", make(_nothing))
    graph.add_node("each", make(_part))
    graph.add_node("last", make(_sum_of))
    graph.add_edge(_graph.START, "items")
    graph.add_conditional_edges("items", send, ["each"])
    graph.add_edge("each", "last")
    graph.add_edge("last", _graph.END)


def _loop(graph: Any, nodes: int, make: Any) -> None:
    def more(state: _State) -> str:
        return "one" if state["value"] < nodes - 1 else "last"

    for name in ("begin", "one", "two", "last"):
        graph.add_node(name, make(_step))
    graph.add_edge(_graph.START, "begin")
    graph.add_edge("begin", "one")
    graph.add_edge("one", "two")
    graph.add_conditional_edges("two", more, ["one", "last"])
    graph.add_edge("last", _graph.END)
