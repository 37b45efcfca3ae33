"""Which of a flow's steps somebody means: by a decorated step, by the function that a node was given, or by an id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import attrs
from flowcraft_core.blueprint import BATCH, WAIT
from flowcraft_core.decorated import Node
from flowcraft_core.decorated.calls import FunctionCall, ReducingCall, is_wiring
from flowcraft_core.errors import ResumeError
from flowcraft_core.graph.addresses import wait_at
from flowcraft_core.graph.scopes import Graph
from flowcraft_core.runtime import FlowRuntime

#: A step: what ``@flow.step`` gave; the function, or the ``BaseNode`` class, that a node was given as its step, its
#: fallback, its undo or its reminder; or a node's id, in the flow or in one that it calls.
StepRef: TypeAlias = "Node[Any] | Callable[..., Any] | str"


@attrs.frozen
class Place:
    """A step where it stands.

    Attributes:
        flow_id: The flow.
        node_id: The node whose step it is, of a batch's worker the batch; None of what only a function can name, such
            as a reducer or a reminder.
        step: What the node was given.
    """

    flow_id: str
    node_id: str | None
    step: object

    @property
    def function(self) -> object:
        """The function, of a decorated step too."""
        if isinstance(self.step, FunctionCall):
            return self.step.signature.function
        return self.step.function if isinstance(self.step, ReducingCall) else self.step

    def is_meant(self, ref: StepRef) -> bool:
        """Whether somebody means it."""
        if isinstance(ref, str):
            return ref == self.node_id
        if isinstance(ref, Node):
            return (ref.flow_id, ref.id) == (self.flow_id, self.node_id)
        return self.function is ref


def named(ref: StepRef) -> str:
    """What somebody means, for people."""
    if isinstance(ref, Node):
        return repr(ref.id)
    return repr(ref if isinstance(ref, str) else getattr(ref, "__name__", ref))


def require_step(runtime: FlowRuntime, ref: StepRef) -> None:
    """See that a step is meant that the runtime's flows have.

    Raises:
        ValueError: There is none; the message says what there is.
    """
    places = list(_places(runtime))
    if any(place.is_meant(ref) for place in places):
        return
    if any(node.uses == WAIT and _is_node(ref, flow_id, node.id) for flow_id, node in _nodes(runtime)):
        raise ValueError(f"{named(ref)} is a wait, and no step that could be replaced: give it an answer")
    there = ", ".join(dict.fromkeys(place.node_id for place in places if place.node_id is not None))
    raise ValueError(f"there is no step {named(ref)}; there are: {there or 'none'}")


def require_wait(runtime: FlowRuntime, flow: Graph, ref: StepRef) -> None:
    """See that a wait is meant that the runtime's flows have, by what ``flow.wait`` gave, by its id or by a key.

    Raises:
        ValueError: There is none; the message says what there is.
    """
    if any(node.uses == WAIT and _is_node(ref, flow_id, node.id) for flow_id, node in _nodes(runtime)):
        return
    try:
        if isinstance(ref, str):
            wait_at(flow, lambda called: runtime.catalogue.graphs[called], ref)
            return
    except ResumeError:
        pass
    there = ", ".join(dict.fromkeys(node.id for _, node in _nodes(runtime) if node.uses == WAIT))
    raise ValueError(f"there is no wait {named(ref)} that an answer could be for; there are: {there or 'none'}")


def _is_node(ref: StepRef, flow_id: str, node_id: str) -> bool:
    return Place(flow_id, node_id, None).is_meant(ref)


def _nodes(runtime: FlowRuntime) -> Iterable[tuple[str, Any]]:
    for flow_id, graph in runtime.catalogue.graphs.items():
        yield from ((flow_id, node) for node in graph.blueprint.nodes)


def _places(runtime: FlowRuntime) -> Iterator[Place]:
    for flow_id, node in _nodes(runtime):
        uses = (node.params or {}).get("workerUsesKey") if node.uses == BATCH else node.uses
        found = runtime.find_step(flow_id, uses) if uses else None
        if found is not None and not is_wiring(found.step):
            yield Place(flow_id, node.id, found.step)
    for flow_id, steps in runtime.catalogue.steps.items():
        for implementation in steps.values():
            yield Place(flow_id, None, implementation.step)
