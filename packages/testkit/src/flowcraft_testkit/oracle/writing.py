"""From a described flow to its blueprints."""

from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core.blueprint import Blueprint, Node, NodeConfig
from flowcraft_core.blueprint import Edge as BlueprintEdge

from .flows import AnyNode, Batch, Call, Edge, Flow, Loop, On, Sleep, Step, Wait, entry_id, exit_id
from .script import REDUCER, REMINDER, uses_of, worker_of

# What undoes a step may fail once; and is tried no more often.
_UNDO_RETRIES: dict[str, Any] = {"max_retries": 2, "retry_delay": 3000.0}


def blueprints(flow: Flow) -> dict[str, Blueprint]:
    """The blueprints of a flow and of all that it calls, by id."""
    found: dict[str, Blueprint] = {}
    _write(flow, found)
    return found


def _write(flow: Flow, found: dict[str, Blueprint]) -> None:
    nodes: list[Node] = []
    edges: list[BlueprintEdge] = []
    _flatten(flow, None, nodes, edges, found)
    found[flow.id] = Blueprint(flow.id, tuple(nodes), tuple(edges))


def _flatten(
    flow: Flow, loop: Loop | None, nodes: list[Node], edges: list[BlueprintEdge], found: dict[str, Blueprint]
) -> None:
    """Add a flow's nodes and edges, with those of its loops' bodies; ``loop`` is the one whose body the flow is."""
    nodes.extend(Node(node_id, uses_of(node_id)) for node_id in flow.fallbacks)
    # Each is there once in a blueprint, and only if it is named: else it would be a node like any other.
    named = {node.undo for node in flow.nodes if isinstance(node, (Step, Batch)) and node.undo} - {n.id for n in nodes}
    nodes.extend(Node(name, name, config=NodeConfig(**_UNDO_RETRIES)) for name in sorted(named))
    for node in flow.nodes:
        # How a loop's entry edges are joined is said by its start node, which nothing else leads to.
        join = loop.join if loop is not None and node is flow.start() else node.join
        config = NodeConfig(join_strategy=join)
        match node:
            case Step():
                config = attrs.evolve(config, fallback=node.fallback, **_retries(node), **_undo(node))
                nodes.append(Node(node.id, uses_of(node.id), None, _plain(node.inputs), config))
            case Wait():
                config = attrs.evolve(config, timeout=None if node.timeout is None else node.timeout * 1000)
                times = [1000 * seconds for seconds in node.remind]
                reminders = {"remindUsesKey": REMINDER, "remindAfter": times} if times else None
                nodes.append(Node(node.id, "wait", reminders, None, config))
            case Sleep():
                nodes.append(Node(node.id, "sleep", {"duration": node.seconds * 1000}, _plain(node.inputs), config))
            case Loop():
                # The mark is that of the TypeScript builder; it means nothing.
                config = NodeConfig(join_strategy="any")
                nodes.append(Node(node.id, "loop-controller", {"condition": node.condition}, None, config))
                _flatten(node.body, attrs.evolve(node, join=join), nodes, edges, found)
            case Batch():
                nodes.extend(_batch(node, attrs.evolve(config, **_retries(node), **_undo(node))))
                if node.paired:
                    edges.append(BlueprintEdge(entry_id(node), exit_id(node)))
                if isinstance(node.worker, Flow):
                    _write(node.worker, found)
            case Call():
                params: dict[str, Any] = {"blueprintId": node.flow.id}
                params |= {} if node.context is None else {"inputs": dict(node.context)}
                params |= {} if node.outputs is None else {"outputs": dict(node.outputs)}
                nodes.append(Node(node.id, "subflow", params, None, config))
                _write(node.flow, found)
    for edge in flow.edges:
        source, target = exit_id(flow.node(edge.source)), _entered_at(flow.node(edge.target))
        edges.append(BlueprintEdge(source, target, edge.action, edge.condition, edge.transform, _on(edge)))
    if loop is not None:
        edges.append(BlueprintEdge(exit_id(flow.node(loop.end)), loop.id))
        condition, transform = loop.feedback_condition, loop.feedback_transform
        edges.append(BlueprintEdge(loop.id, _entered_at(flow.start()), "continue", condition, transform))


def _on(edge: Edge) -> On | None:
    return None if edge.on == "success" else edge.on


def _retries(node: Step | Batch) -> dict[str, Any]:
    if node.attempts == 1:
        return {}
    return {"max_retries": node.attempts, "retry_delay": node.delay * 1000}


def _undo(node: Step | Batch) -> dict[str, Any]:
    return {"undo": node.undo, "undo_unsure": node.unsure or None}


def _plain(inputs: Any) -> Any:
    return inputs if inputs is None or isinstance(inputs, str) else dict(inputs)


def _entered_at(node: AnyNode) -> str:
    """Where an edge to a node leads in the blueprint: into a loop at its start, unless it asks its condition first."""
    if isinstance(node, Loop) and not node.checks_first:
        return _entered_at(node.body.start())
    return entry_id(node)


def _batch(batch: Batch, config: NodeConfig) -> list[Node]:
    params: dict[str, Any] = {}
    if isinstance(batch.worker, Flow):
        params["workerBlueprintId"] = batch.worker.id
        params |= {} if batch.context is None else {"inputs": dict(batch.context)}
    else:
        params["workerUsesKey"] = worker_of(batch.id)
    if batch.output is not None:
        params["outputKey"] = batch.output
    if batch.concurrency is not None:
        params["concurrency"] = batch.concurrency
    if batch.page_size is not None:
        params["pageSize"] = batch.page_size
    if batch.reduce:
        params["reduceUsesKey"] = REDUCER
    if batch.tolerated:
        params["toleratedFailureCount"] = batch.tolerated
    if not batch.paired:
        return [Node(batch.id, "batch", params, batch.inputs, config)]
    gather = {"outputKey": params["outputKey"]} if "outputKey" in params else {}
    return [
        Node(entry_id(batch), "batch-scatter", params | {"gatherNodeId": exit_id(batch)}, batch.inputs, config),
        Node(exit_id(batch), "batch-gather", gather, None, NodeConfig(join_strategy="all")),
    ]
