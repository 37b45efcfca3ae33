"""Compares what a flow's steps give with what the steps that follow take, where both have annotations.

A step's output is what it is annotated to return, its input what its node context is annotated with, as in
``def total(ctx: SyncNodeContext[list[int]]) -> int``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

from typing_extensions import is_typeddict

from .annotations import UNKNOWN, fits, gives_of, hints_of_class, item_of, list_of, part_of, takes_of, type_name
from .blueprint import BATCH, LOOP_CONTROLLER, SLEEP, SUBFLOW, WAIT, Blueprint, Edge, Node
from .definition import FlowDefinition
from .graph.compile import CONTINUE
from .graph.references import parse_reference
from .reminders import REMIND
from .rules import Problem, Rule, data
from .steps import Implementation

#: Makes a problem at some place.
Where: TypeAlias = Callable[[Rule, str], Problem]


class Fitting:
    """The types at both ends of a flow's edges.

    Attributes:
        takes: What the flow's start nodes take as the input of a call.
        gives: What the flow's one last node gives.
    """

    def __init__(
        self, blueprint: Blueprint, steps: Mapping[str, Implementation], called: Mapping[str, FlowDefinition]
    ) -> None:
        self._steps, self._called = steps, called
        self._nodes = {node.id: node for node in blueprint.nodes}
        self._edges = blueprint.edges
        self._into: defaultdict[str, list[tuple[int, Edge]]] = defaultdict(list)  # with their places in the blueprint
        for place, edge in enumerate(self._edges):
            self._into[edge.target].append((place, edge))
        self._starts = {edge.source: edge.target for edge in self._edges if self._is_feedback(edge)}
        self._ends = {
            edge.target: edge.source
            for edge in self._edges
            if edge.target in self._starts and edge.source not in self._starts
        }
        self._loops_at: defaultdict[str, list[str]] = defaultdict(list)
        for loop, start in self._starts.items():
            self._loops_at[start].append(loop)
        self._known: dict[str, Any] = {}
        configs = [node.config for node in blueprint.nodes if node.config is not None]
        fallbacks = {name for config in configs for name in (config.fallback, config.undo)}
        own = [node for node in blueprint.nodes if node.id not in fallbacks and node.uses != LOOP_CONTROLLER]
        led_to = {edge.target for edge in self._edges} | {self._starts.get(edge.target) for edge in self._edges}
        begins = [self.input_of(node) for node in own if node.id not in led_to and node.inputs is None]
        # A node whose ways on are for failures only ends its scope, too.
        led_on = {edge.source for edge in self._edges if edge.on != "failure"}
        ends = [node for node in own if node.id not in led_on]
        self.takes = begins[0] if len(begins) == 1 else UNKNOWN
        self.gives = self.output_of(ends[0].id) if len(ends) == 1 else UNKNOWN
        self._own = own

    def problems(self) -> list[Problem]:
        """What does not fit, each with both ends and their types."""
        return [problem for node in self._own for problem in self._problems_of(node)]

    def _is_feedback(self, edge: Edge) -> bool:
        node = self._nodes.get(edge.source)
        return edge.action == CONTINUE and node is not None and node.uses == LOOP_CONTROLLER

    def _problems_of(self, node: Node) -> Iterator[Problem]:
        wanted = self.input_of(node)
        if wanted is UNKNOWN and node.uses != BATCH:
            return
        inputs = partial(_at, node, f"inputs of node {node.id!r}: ")
        if isinstance(node.inputs, str):
            yield from self._compared(node, wanted, node.inputs, inputs)
        elif node.inputs is not None:
            yield from self._compared_parts(node, wanted, node.inputs, inputs)
        else:
            yield from self._compared_edges(node, wanted)

    def _compared_edges(self, node: Node, wanted: Any) -> Iterator[Problem]:
        loops = self._loops_at[node.id]
        into = sorted(pair for target in {node.id, *loops} for pair in self._into[target])
        incoming = [edge for _, edge in into if not self._is_feedback(edge)]
        is_any = node.config is not None and node.config.join_strategy in ("any", 1)
        entering = [edge for edge in incoming if edge.source not in (self._ends.get(loop) for loop in loops)]
        if len(entering) > 1 and not is_any:
            if not loops and not fits(dict[str, Any], wanted):
                names = ", ".join(repr(edge.source) for edge in entering)
                text = (
                    f"node {node.id!r} takes {type_name(wanted)}, and as a join of {names} it gets a dict by source: "
                    "take that, say inputs=, or make it join='any'"
                )
                yield data.DICT_NOT_TAKEN.at(node.id, text)
            return
        for edge in incoming:
            along = partial(_along, edge.source, node.id)
            if edge.transform is not None:
                continue
            if edge.on in (None, "success"):
                yield from self._compared(node, wanted, edge.source, along)
            elif node.uses == BATCH or not fits(dict[str, Any], wanted):
                takes = f"node {node.id!r} takes {type_name(wanted)}"
                if node.uses == BATCH:
                    takes = f"batch {node.id!r} goes through a list"
                carried = "the error" if edge.on == "failure" else "output and error"
                text = f"{takes}, and an edge on {edge.on!r} hands on {carried} as a dict"
                yield along(data.FAILURE_NOT_TAKEN, text)

    def _compared_parts(self, node: Node, wanted: Any, inputs: Mapping[str, str], where: Where) -> Iterator[Problem]:
        if not fits(dict[str, Any], wanted):
            text = f"node {node.id!r} takes {type_name(wanted)}, and its inputs are a dict: name one, or take a dict"
            yield data.DICT_NOT_TAKEN.at(node.id, text)
            return
        keys = hints_of_class(wanted)
        for key, source in inputs.items():
            yield from self._compared(node, keys.get(key, UNKNOWN), source, where, f" as {key!r}")

    def _compared(self, node: Node, wanted: Any, source: str, where: Where, what: str = "") -> Iterator[Problem]:
        given = self._given_by(source)
        if given is UNKNOWN:
            return
        is_batch = node.uses == BATCH
        if is_batch and not fits(given, list[Any] | tuple[Any, ...]):
            text = f"batch {node.id!r} goes through a list, and {source!r} gives {type_name(given)}"
            yield where(data.NOT_A_LIST, text)
        elif not fits(item_of(given) if is_batch else given, wanted):
            taker = f"an item of batch {node.id!r} is" if is_batch else f"node {node.id!r} takes"
            text = f"{taker} {type_name(wanted)}{what}, and {source!r} gives {type_name(given)}"
            yield where(data.WRONG_TYPE, text)

    def _given_by(self, source: str) -> Any:
        """What the name of a node gives, or of a part of its output, as ``inputs`` say it."""
        reference = parse_reference(source, self._nodes)
        if reference.node is None:
            return UNKNOWN
        given = self.output_of(reference.node)
        for key in reference.path:
            given = part_of(given, int(key) if key.isdecimal() and not is_typeddict(given) else key)
        return given

    def input_of(self, node: Node) -> Any:
        """What a node takes; of a batch, what an item is."""
        params = node.params or {}
        flow = self._called.get(params.get("blueprintId") or params.get("workerBlueprintId") or "")
        if flow is not None:
            return flow.takes
        step = self._steps.get(params.get({BATCH: "workerUsesKey", WAIT: REMIND}.get(node.uses, ""), node.uses))
        return UNKNOWN if step is None else takes_of(step.step)

    def output_of(self, node_id: str) -> Any:
        """What a node gives."""
        if node_id not in self._known:
            self._known[node_id] = UNKNOWN  # of what comes round to itself nothing is known
            self._known[node_id] = self._found_output(self._nodes[node_id])
        return self._known[node_id]

    def _found_output(self, node: Node) -> Any:
        params = node.params or {}
        if node.uses == LOOP_CONTROLLER:
            return self.output_of(self._ends[node.id]) if node.id in self._ends else UNKNOWN
        if node.uses == SLEEP:
            incoming = [edge for _, edge in self._into[node.id]]
            is_plain = len(incoming) == 1 and not incoming[0].transform and incoming[0].on in (None, "success")
            return self.output_of(incoming[0].source) if is_plain else UNKNOWN
        flow = self._called.get(params.get("blueprintId") or params.get("workerBlueprintId") or "")
        if node.uses == SUBFLOW:
            return UNKNOWN if flow is None or params.get("outputs") else flow.gives
        if node.uses == BATCH and "reduceUsesKey" in params:
            step = self._steps.get(params["reduceUsesKey"])
            return UNKNOWN if step is None else gives_of(step.step)
        if node.uses == BATCH:
            step = self._steps.get(params.get("workerUsesKey", ""))
            item = flow.gives if flow is not None else UNKNOWN if step is None else gives_of(step.step)
            is_tolerant = params.get("toleratedFailureCount") or params.get("toleratedFailurePercentage")
            return list if item is UNKNOWN or is_tolerant else list_of(item)
        step = self._steps.get(node.uses)
        return UNKNOWN if step is None else gives_of(step.step)


def _at(node: Node, where: str, rule: Rule, text: str) -> Problem:
    return rule.at(node.id, where + text)


def _along(source: str, target: str, rule: Rule, text: str) -> Problem:
    return rule.along(source, target, f": {text}")
