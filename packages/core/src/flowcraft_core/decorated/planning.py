"""Puts wired nodes into a builder, and compares the types at both ends of what is handed on."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs

from ..annotations import UNKNOWN, type_name
from ..builder import FlowBuilder, create_flow
from ..errors import BlueprintError
from ..rules import decorated
from .calls import Carry, Gate, call_of, fetch
from .comparing import mismatches
from .needs import Signature
from .nodes import Loop, Node
from .plans import Plan, named_by, terms_of, with_endings
from .terms import OutputOf, Term, render, root_of
from .wiring import Way, Wired, Wiring

#: The node whose output is the flow's, where none of its steps is the only one at the end and none is called so.
RESULT = "result"


def build(
    flow_id: str,
    nodes: Sequence[Node[Any]],
    values: Collection[str],
    returned: Term | None,
    gives: Any,
    metadata: Mapping[str, Any],
    queue: str | None = None,
) -> FlowBuilder:
    """A builder of a flow's nodes.

    Args:
        flow_id: The flow's id.
        nodes: Its nodes, in the order of their definition.
        values: The names of its context values.
        returned: What it returns.
        gives: What it says that it returns.
        metadata: The blueprint's metadata.
        queue: The flow's queue.

    Raises:
        BlueprintError: The nodes cannot be wired, or what one gives does not fit what another takes.
    """
    problems = [
        decorated.NODE_LIKE_VALUE.at(node.id, f"node {node.id!r} is called as a context value is: rename one of them")
        for node in nodes
        if node.id in values
    ]
    if returned is None and gives not in (UNKNOWN, None, type(None)):
        text = f"it gives {type_name(gives)} and never says which: call flow.returns(...)"
        problems.append(decorated.RETURNS_NOTHING.at(None, text))
    problems += mismatches(flow_id, nodes, returned, gives)
    result: Node[Any] = Node(flow_id, _free(RESULT, nodes), Plan(kind="result", value=returned))
    all_nodes = with_endings([*nodes, result])
    all_nodes.remove(result)
    if returned is not None and not _is_only_end(all_nodes, returned):
        all_nodes.append(result)
        metadata = {**metadata, "result": result.id}
    wiring = Wiring(flow_id, all_nodes)
    problems += wiring.problems
    if problems:
        raise BlueprintError(flow_id, problems)
    builder = create_flow(flow_id, queue=queue)
    if metadata:
        builder.metadata(**metadata)
    for wired in wiring.wired:
        _Adding(builder, wiring, wired).add()
    return builder


def _free(name: str, nodes: Sequence[Node[Any]]) -> str:
    taken = {node.id for node in nodes}
    while name in taken:
        name += "_"
    return name


def _is_only_end(nodes: Sequence[Node[Any]], returned: Term) -> bool:
    if not isinstance(returned, OutputOf) or returned.optional:
        return False
    # A node whose ways on are for failures only is an end, too.
    led_from = {source for node in nodes if node.plan.kind != "failed" for source in _sources(node)}
    return {node for node in nodes if node not in led_from} == {returned.node}


def _sources(node: Node[Any]) -> set[Node[Any]]:
    return {*named_by(node.plan), *((node.start,) if isinstance(node, Loop) else ())}


# --- into the builder -------------------------------------------------------------------------------------------------


class _Adding:
    """Adds one node and the edges to it."""

    def __init__(self, builder: FlowBuilder, wiring: Wiring, wired: Wired) -> None:
        self._builder, self._wiring, self._wired = builder, wiring, wired
        self._node, self._plan = wired.node, wiring.plan_of(wired.node)

    def add(self) -> None:
        """Add them."""
        getattr(self, f"_add_{self._plan.kind}")()
        if not isinstance(self._node, Loop):  # a loop's own edges are drawn with it
            for way in self._wired.ways:
                self._lead(way)

    def _lead(self, way: Way) -> None:
        if way.ending is not None:
            self._lead_from_ending(way.source, way.ending)
            return
        conditions = [render(one, way.source) for one in way.conditions]
        if way.source.plan.kind == "gate":
            conditions = ["result.output", *(render(one) for one in way.conditions)]
        condition = " && ".join(conditions) if conditions else None
        transform = None if way.carries is None else render(way.carries, way.source)
        self._builder.edge(way.source.id, self._node.id, condition=condition, transform=transform)

    def _lead_from_ending(self, source: Node[Any], ending: Plan) -> None:
        if ending.kind == "ended":
            self._builder.edge(source.id, self._node.id, on="always", transform="null")
            return
        error = ending.options.get("error")
        condition = None if error is None else f"error.type == {json.dumps(error)}"
        self._builder.edge(source.id, self._node.id, on="failure", condition=condition)

    @property
    def _join(self) -> Any:
        return "any" if self._wired.some == 1 else self._wired.some

    def _add_step(self) -> None:
        signature = self._plan.signature
        assert signature is not None
        signature = attrs.evolve(signature, needs=self._plan.needs)
        inputs = self._inputs()
        keys = inputs if isinstance(inputs, dict) else None
        settings = self._plan.settings.given()
        if self._plan.fallback is not None:
            settings["fallback"] = call_of(self._as_wired(self._plan.fallback), keys, whole=self._whole)
        settings.update(self._undo(keys))
        call = call_of(signature, keys, whole=self._whole)
        self._builder.node(self._node.id, call, inputs=inputs, join=self._join, **settings)

    def _as_wired(self, beside: Signature) -> Signature:
        """A function that stands beside the step, which gets what the step gets."""
        return attrs.evolve(
            beside, needs={name: self._plan.needs.get(name, each) for name, each in beside.needs.items()}
        )

    def _undo(self, keys: Mapping[str, str] | None) -> dict[str, Any]:
        """What the builder is told of it: a step, or the node that it is if it is tried in a way of its own."""
        if (undo := self._plan.undo) is None:
            return {}
        call = call_of(self._as_wired(undo.signature), keys, undoes=True, whole=self._whole)
        settings = undo.settings.given()
        if not settings:
            return {"undo": call}
        node_id = f"{self._node.id}-undo"  # no function, and so hardly any step, has such a name
        self._builder.node(node_id, call, **settings)
        return {"undo": node_id}

    def _add_given(self) -> None:
        signature = Signature(f"node {self._node.id!r}", fetch, True, None, None, self._plan.needs, (), {}, UNKNOWN)
        inputs = self._inputs()
        keys = inputs if isinstance(inputs, dict) else None
        self._builder.node(self._node.id, call_of(signature, keys, whole=self._whole), inputs=inputs)

    @property
    def _needed(self) -> list[str]:
        """The nodes whose outputs are found in the step's input, where they are not what else an edge carries."""
        roots = (root_of(term) for term in terms_of(self._plan))
        needed = list(dict.fromkeys(root.node.id for root in roots if isinstance(root, OutputOf)))
        if self._node in self._wiring.merged.values() or self._wired.some is not None:
            return []
        if any(way.ending is not None and way.ending.kind == "failed" for way in self._wired.ways):
            return []  # the one edge carries the error, which is all that it needs
        return needed

    @property
    def _whole(self) -> str | None:
        """The node whose output is the step's input as it is."""
        return self._needed[0] if len(self._needed) == 1 else None

    def _inputs(self) -> str | dict[str, str] | None:
        """Where the step's input comes from, if it is not what its one edge carries."""
        needed = self._needed
        if not needed:
            return None
        if len(needed) > 1:
            return {node_id: node_id for node_id in needed}
        sources = [way.source.id for way in self._wired.ways]
        return None if sources == needed else needed[0]

    def _add_batch(self) -> None:
        signature, settings = self._plan.signature, self._plan.settings.given()
        assert signature is not None
        settings = {"items": self._wired.items, "join": self._join, **self._plan.options, **settings}
        settings.update(self._undo(None))
        self._builder.batch(self._node.id, call_of(signature, None), **settings)

    def _add_each(self) -> None:
        self._builder.batch(
            self._node.id,
            self._plan.calls,
            items=self._wired.items,
            join=self._join,
            **self._plan.settings.given(),
            **self._plan.options,
        )

    def _add_call(self) -> None:
        self._builder.subflow(self._node.id, self._plan.calls, join=self._join, **self._plan.settings.given())

    def _add_wait(self) -> None:
        plan = self._plan
        if plan.signature is None:
            self._builder.wait(self._node.id, timeout=plan.settings.timeout)
            return
        inputs = self._inputs()
        remind = call_of(plan.signature, inputs if isinstance(inputs, dict) else None)
        self._builder.wait(self._node.id, timeout=plan.settings.timeout, remind=remind, inputs=inputs, **plan.options)

    def _add_sleep(self) -> None:
        self._builder.sleep(self._node.id, self._plan.options["duration"], join=self._join)

    def _add_start(self) -> None:
        self._builder.node(self._node.id, Carry(), join=self._join)

    _add_result = _add_first = _add_failed = _add_ended = _add_start

    def _add_gate(self) -> None:
        self._builder.node(self._node.id, Gate(self._wired.required, of_many=len(self._wired.ways) > 1))

    def _add_loop(self) -> None:
        loop, plan = self._node, self._plan
        assert isinstance(loop, Loop)
        assert isinstance(plan.value, OutputOf)
        start, end = self._wiring.merged.get(loop.start, loop.start), plan.value.node
        condition = render(plan.options["condition"], end)
        self._builder.loop(loop.id, start=start.id, end=end.id, condition=condition, **plan.settings.given())
