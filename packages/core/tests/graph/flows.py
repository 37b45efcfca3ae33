"""Flows as the tests describe them: nested as they are meant, not flat as a blueprint is.

A loop has a body and a batch has a worker, so the reference model needs no compiler to see what lies inside what. The
blueprint is made from the description by ``blueprints``, and only the code under test reads it. What steps do is part
of the description too: a step's turns say what it gives, and an instance's key says which turn it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import attrs
from flowcraft_core.blueprint import Blueprint, Node, NodeConfig
from flowcraft_core.blueprint import Edge as BlueprintEdge

JoinName: TypeAlias = Literal["all", "any"]

# --- what a flow is made of -------------------------------------------------------------------------------------------


class _Brief:
    """Shows itself as it would be written, without what is left at its default: failing examples are to be read."""

    def __repr__(self) -> str:
        fields = attrs.fields(type(self))  # type: ignore[arg-type]  # each brief class is an attrs class
        said = [(field.name, getattr(self, field.name)) for field in fields]
        shown = [
            f"{name}={value!r}"
            for (name, value), field in zip(said, fields, strict=True)
            if not _is_default(field, value)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(repr(self))  # what Hypothesis asks for


def _is_default(field: attrs.Attribute[Any], value: Any) -> bool:
    return bool(value == field.default) or (isinstance(field.default, attrs.Factory) and not value)  # type: ignore[arg-type]


@attrs.frozen(repr=False)
class Turn(_Brief):
    """What a step does once.

    Attributes:
        action: Its result's action.
        n: A number in its output that conditions ask for.
        fails: It fails for good.
        sets: Names of context values that it sets.
        deletes: Names of context values that it deletes.
    """

    action: str | None = None
    n: int = 0
    fails: bool = False
    sets: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()


@attrs.frozen(repr=False)
class Step(_Brief):
    """A plain step, or a wait, which never fails and sets nothing."""

    id: str
    turns: tuple[Turn, ...] = (Turn(),)
    join: JoinName = "all"
    inputs: str | dict[str, str] | None = None
    fallback: str | None = None
    waits: bool = False


@attrs.frozen(repr=False)
class Loop(_Brief):
    """A loop; ``end`` names the body's last node, its first is the only one that nothing leads to."""

    id: str
    body: Flow
    end: str
    condition: str = "false"
    join: JoinName = "all"
    checks_first: bool = False
    feedback_condition: str | None = None
    feedback_transform: str | None = None


@attrs.frozen(repr=False)
class Batch(_Brief):
    """A batch, over a step (``worker`` is its turns) or a flow; ``paired`` writes it as a scatter and a gather node.

    If the worker is a flow, ``context`` is what its calls' contexts begin with: their names to names here.
    """

    id: str
    worker: Flow | tuple[Turn, ...]
    join: JoinName = "all"
    inputs: str | None = None
    context: dict[str, str] | None = None
    tolerated: int = 0
    output: str | None = None
    paired: bool = False


@attrs.frozen(repr=False)
class Call(_Brief):
    """A subflow; ``context`` as for a batch, ``outputs`` the context values that it sets: names to names inside."""

    id: str
    flow: Flow
    join: JoinName = "all"
    context: dict[str, str] | None = None
    outputs: dict[str, str] | None = None


AnyNode: TypeAlias = Step | Loop | Batch | Call


@attrs.frozen(repr=False)
class Edge(_Brief):
    source: str
    target: str
    action: str | None = None
    condition: str | None = None
    transform: str | None = None


@attrs.frozen(repr=False)
class Flow(_Brief):
    """A graph. Of a fallback node only its turns are kept; it is named by the steps that it stands in for."""

    id: str
    nodes: tuple[AnyNode, ...]
    edges: tuple[Edge, ...] = ()
    fallbacks: Mapping[str, tuple[Turn, ...]] = attrs.field(factory=dict)

    def node(self, node_id: str) -> AnyNode:
        return next(node for node in self.nodes if node.id == node_id)

    def start(self) -> AnyNode:
        targets = {edge.target for edge in self.edges}
        return next(node for node in self.nodes if node.id not in targets)


def entry_id(node: AnyNode) -> str:
    """The id that a batch's scatter node has; else the node's own."""
    return f"{node.id}_scatter" if isinstance(node, Batch) and node.paired else node.id


def exit_id(node: AnyNode) -> str:
    """The id under which joins show the node, and that of its outcome."""
    return f"{node.id}_gather" if isinstance(node, Batch) and node.paired else node.id


# --- expressions: their texts, and what they mean ---------------------------------------------------------------------


def member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _n(output: Any) -> int:
    """A number for comparing: whatever has none is below all others."""
    number = member(output, "n")
    return number if isinstance(number, int) else -1


#: For edges and loops. Each is given the output and the action.
CONDITIONS: dict[str, Callable[[Any, str | None], bool]] = {
    "true": lambda output, action: True,
    "false": lambda output, action: False,
    "result.output.n > 0": lambda output, action: _n(output) > 0,
    "input.n == 1": lambda output, action: _n(output) == 1,
    "result.action == 'a'": lambda output, action: action == "a",
}
TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "input.n": lambda output: member(output, "n"),
    '{"w": input.n, "v": input.v}': lambda output: {"w": member(output, "n"), "v": member(output, "v")},
    "[]": lambda output: [],
    "[input.n]": lambda output: [member(output, "n")],
    "[input.n, input.v, 7]": lambda output: [member(output, "n"), member(output, "v"), 7],
}
#: For loops: in the third pass every ``n`` is 0 (see ``Script``), so each of them ends the loop.
LOOP_CONDITIONS = ("result.output.n > 0", "input.n == 1", "false")

# --- what steps do ----------------------------------------------------------------------------------------------------


class ScriptedError(Exception):
    """A step fails because its turn says so."""


@attrs.frozen(repr=False)
class Answer:
    output: Any
    action: str | None
    sets: dict[str, Any]
    deletes: tuple[str, ...]


class Script:
    """Gives the results of steps from what they are and what they are given, never from when they run."""

    def __init__(self, flow: Flow) -> None:
        self.turns: dict[str, tuple[Turn, ...]] = dict(_turns(flow))

    def __call__(self, uses: str, key: str, value: Any) -> Answer:
        indexes = [int(number) for number in re.findall(r"\[(\d+)\]", key)]
        turns = self.turns[uses]
        turn = turns[sum(indexes) % len(turns)]
        if turn.fails:
            raise ScriptedError(f"{uses} fails")
        seen = hashlib.sha256(json.dumps([uses, key, plain(value)], sort_keys=True).encode()).hexdigest()[:8]
        n = 0 if any(index >= 2 for index in indexes) else turn.n
        return Answer({"v": seen, "n": n}, turn.action, {name: [key, name] for name in turn.sets}, turn.deletes)


def plain(value: Any) -> Any:
    """A value in which an error, in the place of a batch's result, is just the key of the instance that failed."""
    if isinstance(value, dict):
        if value.keys() == {"error"}:
            return {"error": {"node": value["error"]["node"]}}
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def uses_of(node_id: str) -> str:
    return f"do {node_id}"


def worker_of(batch_id: str) -> str:
    return f"{batch_id} work"


def _turns(flow: Flow) -> Iterator[tuple[str, tuple[Turn, ...]]]:
    for node_id, turns in flow.fallbacks.items():
        yield uses_of(node_id), turns
    for node in flow.nodes:
        match node:
            case Step():
                yield uses_of(node.id), node.turns
            case Batch(worker=tuple() as turns):
                yield worker_of(node.id), turns
            case Batch(worker=Flow() as inner) | Loop(body=inner) | Call(flow=inner):
                yield from _turns(inner)


# --- blueprints -------------------------------------------------------------------------------------------------------


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
    for node in flow.nodes:
        # How a loop's entry edges are joined is said by its start node, which nothing else leads to.
        join = loop.join if loop is not None and node is flow.start() else node.join
        config = NodeConfig(join_strategy=join)
        match node:
            case Step():
                config = attrs.evolve(config, fallback=node.fallback)
                nodes.append(Node(node.id, "wait" if node.waits else uses_of(node.id), None, node.inputs, config))
            case Loop():
                # The mark is that of the TypeScript builder; it means nothing.
                config = NodeConfig(join_strategy="any")
                nodes.append(Node(node.id, "loop-controller", {"condition": node.condition}, None, config))
                _flatten(node.body, attrs.evolve(node, join=join), nodes, edges, found)
            case Batch():
                nodes.extend(_batch(node, config))
                if node.paired:
                    edges.append(BlueprintEdge(entry_id(node), exit_id(node)))
                if isinstance(node.worker, Flow):
                    _write(node.worker, found)
            case Call():
                params: dict[str, Any] = {"blueprintId": node.flow.id}
                params |= {} if node.context is None else {"inputs": node.context}
                params |= {} if node.outputs is None else {"outputs": node.outputs}
                nodes.append(Node(node.id, "subflow", params, None, config))
                _write(node.flow, found)
    for edge in flow.edges:
        source, target = exit_id(flow.node(edge.source)), _entered_at(flow.node(edge.target))
        edges.append(BlueprintEdge(source, target, edge.action, edge.condition, edge.transform))
    if loop is not None:
        edges.append(BlueprintEdge(exit_id(flow.node(loop.end)), loop.id))
        condition, transform = loop.feedback_condition, loop.feedback_transform
        edges.append(BlueprintEdge(loop.id, _entered_at(flow.start()), "continue", condition, transform))


def _entered_at(node: AnyNode) -> str:
    """Where an edge to a node leads in the blueprint: into a loop at its start, unless it asks its condition first."""
    if isinstance(node, Loop) and not node.checks_first:
        return _entered_at(node.body.start())
    return entry_id(node)


def _batch(batch: Batch, config: NodeConfig) -> list[Node]:
    params: dict[str, Any] = {}
    if isinstance(batch.worker, Flow):
        params["workerBlueprintId"] = batch.worker.id
        params |= {} if batch.context is None else {"inputs": batch.context}
    else:
        params["workerUsesKey"] = worker_of(batch.id)
    if batch.output is not None:
        params["outputKey"] = batch.output
    if batch.tolerated:
        params["toleratedFailureCount"] = batch.tolerated
    if not batch.paired:
        return [Node(batch.id, "batch", params, batch.inputs, config)]
    gather = {"outputKey": params["outputKey"]} if "outputKey" in params else {}
    return [
        Node(entry_id(batch), "batch-scatter", params | {"gatherNodeId": exit_id(batch)}, batch.inputs, config),
        Node(exit_id(batch), "batch-gather", gather, None, NodeConfig(join_strategy="all")),
    ]
