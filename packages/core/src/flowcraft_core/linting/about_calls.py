"""What flows that are called do to those that call them."""

from __future__ import annotations

from collections.abc import Iterator

from ..blueprint import WAIT
from ..graph.scopes import Graph, Vertex
from ..rules import Problem
from ..rules.constructs import ENDLESS_WAIT_IN_BATCH, SEVERAL_ENDS
from .subject import Subject


def endless_waits(subject: Subject) -> Iterator[Problem]:
    """Batches whose items may wait for ever."""
    for scope in subject.graph.scopes():
        for construct in scope.constructs:
            called = subject.graphs.get(construct.calls or "")
            if construct.kind != "batch" or called is None:
                continue
            for flow_id, wait in _endless(subject, called, set()):
                text = (
                    f"batch {construct.node.id!r} calls flow {called.blueprint.id!r}, and wait {wait.id!r} of flow "
                    f"{flow_id!r} has no timeout: an item that nobody answers holds up the whole batch; give the wait "
                    "a timeout"
                )
                yield ENDLESS_WAIT_IN_BATCH.at(construct.node.id, text)


def _endless(subject: Subject, graph: Graph, seen: set[str]) -> Iterator[tuple[str, Vertex]]:
    """The waits without a timeout in a flow and those that it calls; what stands in another batch is told there."""
    seen.add(graph.blueprint.id)
    for scope in graph.scopes():
        for vertex in scope.vertices:
            if vertex.node.uses == WAIT and vertex.timeout is None:
                yield graph.blueprint.id, vertex
        for construct in scope.constructs:
            called = subject.graphs.get(construct.calls or "")
            if construct.kind == "subflow" and called is not None and called.blueprint.id not in seen:
                yield from _endless(subject, called, seen)


def several_ends(subject: Subject) -> Iterator[Problem]:
    """Calls whose output is used, of flows that have several last nodes."""
    for scope in subject.graph.scopes():
        for construct in scope.constructs:
            called = subject.graphs.get(construct.calls or "")
            if called is None or not scope.vertices[construct.exit].out:
                continue
            root = called.root
            if len(root.last) > 1 and root.result is None and not (construct.node.params or {}).get("outputs"):
                ends = ", ".join(repr(root.vertices[index].id) for index in root.last)
                text = (
                    f"node {construct.node.id!r} calls flow {called.blueprint.id!r}, which has several last nodes "
                    f"({ends}), so its output is a dict by their ids: lead them to one last node, or say outputs="
                )
                yield SEVERAL_ENDS.at(construct.node.id, text)
