"""Applications of Burr: a state, and actions that change it, one after the other but where it maps over states."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Not to be found where the types are checked.
_core: Any = importlib.import_module("burr.core")
_graph: Any = importlib.import_module("burr.core.graph")
_parallelism: Any = importlib.import_module("burr.core.parallelism")

SETTINGS = (
    "a graph built once, an application for each run, no tracker, run with plain actions and arun with awaited ones, "
    "side by side by MapStates on two threads, since its graphs have no fans of their own"
)
WAYS = ("plain", "awaited")


@_core.action(reads=["value"], writes=["value"])  # type: ignore[untyped-decorator]
def _step(state: Any) -> Any:
    return state.update(value=state["value"] + 1)


@_core.action(reads=["value"], writes=["value"])  # type: ignore[untyped-decorator]
async def _awaited_step(state: Any) -> Any:
    return state.update(value=state["value"] + 1)


@_core.action(reads=["parts"], writes=["value"])  # type: ignore[untyped-decorator]
def _sum_of(state: Any) -> Any:
    return state.update(value=sum(state["parts"]))


class _Each(_parallelism.MapStates):  # type: ignore[misc]
    def __init__(self, items: int, shape: str) -> None:
        super().__init__()
        self._items, self._shape = items, shape

    def states(self, state: Any, context: Any, inputs: dict[str, Any]) -> Generator[Any, None, None]:
        for _ in range(self._items):
            yield state.update(value=state["value"] if self._shape == "fan" else 0)

    def action(self, state: Any, inputs: dict[str, Any]) -> Any:
        return _step

    def reduce(self, state: Any, states: Any) -> Any:
        return state.update(parts=[each["value"] for each in states])

    @property
    def reads(self) -> list[str]:
        return ["value"]

    @property
    def writes(self) -> list[str]:
        return ["parts"]


def prepare(shape: str, nodes: int, way: str) -> Callable[[], Awaitable[int]]:
    """What runs a graph of that shape and size once, and gives its result."""
    step = _step if way == "plain" else _awaited_step
    builder = _graph.GraphBuilder()
    if shape == "chain":
        names = [f"n{node}" for node in range(nodes)]
        builder = builder.with_actions(**dict.fromkeys(names, step))
        builder = builder.with_transitions(*itertools.pairwise(names))
    elif shape == "loop":
        names = ["begin", "one", "two", "last"]
        builder = builder.with_actions(**dict.fromkeys(names, step))
        more = _core.expr(f"value < {nodes - 1}")
        builder = builder.with_transitions(
            ("begin", "one"), ("one", "two"), ("two", "one", more), ("two", "last", _core.default)
        )
    else:
        names = ["first", "each", "last"]
        builder = builder.with_actions(first=step, each=_Each(nodes - 2, shape), last=_sum_of)
        builder = builder.with_transitions(("first", "each"), ("each", "last"))
    graph = builder.build()

    async def once() -> int:
        application = _core.ApplicationBuilder().with_graph(graph).with_state(value=0).with_entrypoint(names[0])
        application = application.with_parallel_executor(lambda: ThreadPoolExecutor(max_workers=2)).build()
        if way == "plain":
            _, _, state = application.run(halt_after=[names[-1]])
        else:
            _, _, state = await application.arun(halt_after=[names[-1]])
        return int(state["value"])

    return once
