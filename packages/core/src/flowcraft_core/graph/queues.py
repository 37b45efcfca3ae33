"""Which queue the job of an instance goes to. It says who runs a step, and nothing of what its run comes to.

The first of these that names one: the instance's node; the loops, batches and subflows that it is inside of, from the
inside out; the run; the flow that the node is part of, and those that call it, from the inside out. Else it is the
queue that every backend has. All of it is in the blueprint and the run's record, so whoever sends a job sends it to
the same queue.

Only steps, and waits that remind by one, are *bound* to their queue. What the engine does itself (entries, exits,
verdicts, other waits, sleeps) takes no time, and is done by whoever comes by; its job, where it needs one, goes to the
queue of its node.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..blueprint import SLEEP, WAIT, Node
from ..queues import DEFAULT_QUEUE
from .instances import Instance, ScopeState
from .scopes import Graph, Kind, Vertex


def queue_of(instance: Instance, of_run: str | None) -> str:
    """The name of the queue that an instance's job goes to.

    Args:
        instance: The instance.
        of_run: The queue that the run was started with.
    """
    if (named := _named(instance.vertex.node)) is not None:
        return named
    flow: str | None = None
    around: ScopeState | None = instance.scope
    while around is not None:
        flow = flow or around.scope.queue
        if around.construct is not None and (named := _named(around.construct.node)) is not None:
            return named
        around = around.parent
    return of_run or flow or DEFAULT_QUEUE


def queue_of_start(graph: Graph, of_run: str | None) -> str:
    """The queue of a run's first job: of its only first node, or, where there are several, of the run.

    Args:
        graph: The run's flow.
        of_run: The queue that the run was started with.
    """
    starts = [graph.root.vertices[index].node for index in graph.root.starts]
    named = _named(starts[0]) if len(starts) == 1 else None
    return named or of_run or graph.root.queue or DEFAULT_QUEUE


def is_bound(vertex: Vertex) -> bool:
    """Whether a vertex runs on its queue, and nowhere else."""
    is_called = vertex.node.uses not in (WAIT, SLEEP) or vertex.reminders is not None
    return vertex.kind is Kind.STEP and is_called


def queues_of(graphs: Mapping[str, Graph], of_run: str | None) -> dict[str, str]:
    """The queues that the jobs of a run may go to, each with what names it, for people.

    Args:
        graphs: The run's flow and all that it can call, by id.
        of_run: The queue that the run was started with.
    """
    found = {} if of_run is None else {of_run: "the run"}
    for flow_id, graph in graphs.items():
        if graph.root.queue is not None:
            found.setdefault(graph.root.queue, f"flow {flow_id!r}")
        for scope in graph.scopes():
            for vertex in scope.vertices:
                if (named := _named(vertex.node)) is not None:
                    found.setdefault(named, f"node {vertex.id!r} of flow {flow_id!r}")
    return found


def _named(node: Node) -> str | None:
    return None if node.config is None else node.config.queue
