"""Puts wired nodes into a builder, and compares the types at both ends of what is handed on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Union

import attrs
from typing_extensions import is_typeddict

from ..annotations import UNKNOWN, fields_of, fits, item_of, member_of, type_name
from ..builder import FlowBuilder, create_flow
from ..errors import BlueprintError
from .needs import Carry, Gate, Signature, call_of
from .nodes import Loop, Node, Plan
from .references import (
    Constant,
    FirstOf,
    InputOf,
    Member,
    Operation,
    OutputOf,
    Provided,
    Term,
    ValueOf,
    render,
    root_of,
    shown,
)
from .wiring import Way, Wired, Wiring, named_by, terms_of

#: The node whose output is the flow's, where none of its steps is the only one at the end.
RESULT = "result"


def build(
    flow_id: str,
    nodes: Sequence[Node[Any]],
    values: Collection[str],
    returned: Term | None,
    gives: Any,
    metadata: Mapping[str, Any],
) -> FlowBuilder:
    """A builder of a flow's nodes.

    Args:
        flow_id: The flow's id.
        nodes: Its nodes, in the order of their definition.
        values: The names of its context values.
        returned: What it returns.
        gives: What it says that it returns.
        metadata: The blueprint's metadata.

    Raises:
        BlueprintError: The nodes cannot be wired, or what one gives does not fit what another takes.
    """
    problems = [
        f"node {node.id!r} is called as a context value is: rename one of them" for node in nodes if node.id in values
    ]
    if returned is None and gives not in (UNKNOWN, None, type(None)):
        problems.append(f"it gives {type_name(gives)} and never says which: call flow.returns(...)")
    problems += _mismatches(flow_id, nodes, returned, gives)
    all_nodes = [*nodes]
    if returned is not None and not _is_only_end(nodes, returned):
        all_nodes.append(Node(flow_id, RESULT, Plan(kind="result", value=returned)))
        metadata = {**metadata, "result": RESULT}
    wiring = Wiring(flow_id, all_nodes)
    problems += wiring.problems
    if problems:
        raise BlueprintError(flow_id, problems)
    builder = create_flow(flow_id)
    if metadata:
        builder.metadata(**metadata)
    for wired in wiring.wired:
        _Adding(builder, wiring, wired).add()
    return builder


def _is_only_end(nodes: Sequence[Node[Any]], returned: Term) -> bool:
    if not isinstance(returned, OutputOf) or returned.optional:
        return False
    led_from = {source for node in nodes for source in _sources(node)}
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
        conditions = [render(one, way.source) for one in way.conditions]
        if way.source.plan.kind == "gate":
            conditions = ["result.output", *(render(one) for one in way.conditions)]
        condition = " && ".join(conditions) if conditions else None
        transform = None if way.carries is None else render(way.carries, way.source)
        self._builder.edge(way.source.id, self._node.id, condition=condition, transform=transform)

    @property
    def _join(self) -> Any:
        return "any" if self._wired.is_any else None

    def _add_step(self) -> None:
        signature = self._plan.signature
        assert signature is not None
        signature = attrs.evolve(signature, needs=self._plan.needs)
        inputs = self._inputs()
        keys = inputs if isinstance(inputs, dict) else None
        settings = self._plan.settings.given()
        if self._plan.fallback is not None:
            settings["fallback"] = call_of(self._fallback(self._plan.fallback), keys)
        self._builder.node(self._node.id, call_of(signature, keys), inputs=inputs, join=self._join, **settings)

    def _fallback(self, fallback: Signature) -> Signature:
        return attrs.evolve(fallback, needs={name: self._plan.needs[name] for name in fallback.needs})

    def _add_given(self) -> None:
        async def fetch(**named: Any) -> Any:
            return named["value"]

        signature = Signature(f"node {self._node.id!r}", fetch, True, None, None, self._plan.needs, (), {}, UNKNOWN)
        inputs = self._inputs()
        keys = inputs if isinstance(inputs, dict) else None
        self._builder.node(self._node.id, call_of(signature, keys), inputs=inputs)

    def _inputs(self) -> str | dict[str, str] | None:
        """Where the step's input comes from, if it is not what its one edge carries."""
        roots = (root_of(term) for term in terms_of(self._plan))
        needed = list(dict.fromkeys(root.node.id for root in roots if isinstance(root, OutputOf)))
        merged = self._node in self._wiring.merged.values()
        if not needed or merged or self._wired.is_any:
            return None
        if len(needed) > 1:
            return {node_id: node_id for node_id in needed}
        sources = [way.source.id for way in self._wired.ways]
        return None if sources == needed else needed[0]

    def _add_batch(self) -> None:
        signature, settings = self._plan.signature, self._plan.settings.given()
        assert signature is not None
        settings = {"items": self._wired.items, "join": self._join, **self._plan.options, **settings}
        self._builder.batch(self._node.id, call_of(signature, None), **settings)

    def _add_each(self) -> None:
        self._builder.batch(self._node.id, self._plan.calls, items=self._wired.items, join=self._join)

    def _add_call(self) -> None:
        self._builder.subflow(self._node.id, self._plan.calls, join=self._join)

    def _add_wait(self) -> None:
        self._builder.wait(self._node.id, timeout=self._plan.settings.timeout)

    def _add_sleep(self) -> None:
        self._builder.sleep(self._node.id, self._plan.options["duration"], join=self._join)

    def _add_start(self) -> None:
        self._builder.node(self._node.id, Carry(), join=self._join)

    _add_result = _add_first = _add_start

    def _add_gate(self) -> None:
        self._builder.node(self._node.id, Gate(self._wired.required, of_many=len(self._wired.ways) > 1))

    def _add_loop(self) -> None:
        loop, plan = self._node, self._plan
        assert isinstance(loop, Loop)
        assert isinstance(plan.value, OutputOf)
        start, end = self._wiring.merged.get(loop.start, loop.start), plan.value.node
        condition = render(plan.options["condition"], end)
        self._builder.loop(loop.id, start=start.id, end=end.id, condition=condition)


# --- types ------------------------------------------------------------------------------------------------------------


def type_of(term: Term) -> Any:
    """What is known of a term's type."""
    match term:
        case OutputOf(node, optional):
            given = _gives(node)
            return Union[given, None] if optional and given is not UNKNOWN else given  # noqa: UP007 - of a value
        case InputOf(_, given):
            return given
        case Provided(given):
            return given
        case ValueOf(value):
            return value.type
        case FirstOf(terms):
            return Union[tuple(type_of(one) for one in terms)]  # noqa: UP007 - of a tuple
        case Member(owner, key, is_field):
            return member_of(type_of(owner), key, is_field=is_field)
        case Constant(value):
            return type(value)
    return UNKNOWN


def _gives(node: Node[Any]) -> Any:
    plan = node.plan
    if plan.kind in ("sleep", "start", "first") and plan.value is not None:
        return type_of(plan.value)
    if isinstance(node, Loop):
        return _gives(node.start)
    return UNKNOWN if plan.kind == "batch" and plan.options else plan.type


def _mismatches(flow_id: str, nodes: Sequence[Node[Any]], returned: Term | None, gives: Any) -> list[str]:
    problems: list[str] = []
    for node in nodes:
        plan = node.plan
        terms = [*terms_of(plan), *((plan.when,) if plan.when is not None else ())]
        problems += [problem for term in terms for problem in _unknown_members(f"node {node.id!r}", term)]
        if plan.signature is not None:
            for name, term in plan.needs.items():
                wanted = plan.signature.types.get(name, UNKNOWN)
                problems += _compared(f"step {node.id!r} takes", wanted, f" as {name!r}", shown(term), type_of(term))
        if plan.fallback is not None:
            given = plan.fallback.gives
            problems += _compared(f"step {node.id!r} gives", plan.type, "", "its fallback", given)
        if plan.value is not None:
            problems += _value_mismatches(node, plan, plan.value)
    if returned is not None:
        problems += _compared(f"flow {flow_id!r} gives", gives, "", shown(returned), type_of(returned))
    return problems


def _value_mismatches(node: Node[Any], plan: Plan, value: Term) -> list[str]:
    given, where = type_of(value), shown(value)
    if isinstance(node, Loop):
        return _compared(f"loop {node.id!r} begins a pass with", _gives(node.start), "", where, given)
    if plan.kind in ("batch", "each") and not fits(given, _ITERABLE):
        return [f"batch {node.id!r} goes through a list, and {where} is {type_name(given)}"]
    if plan.kind == "batch" and plan.signature is not None and plan.signature.item is not None:
        wanted = plan.signature.types.get(plan.signature.item, UNKNOWN)
        what = f" as {plan.signature.item!r}"
        return _compared(f"batch {node.id!r} takes", wanted, what, f"an item of {where}", item_of(given))
    if plan.kind in ("each", "call"):
        wanted = plan.calls.takes
        item = plan.kind == "each"
        what = f"an item of {where}" if item else where
        return _compared(f"flow {plan.calls.id!r} takes", wanted, "", what, item_of(given) if item else given)
    return []


_ITERABLE = list[Any] | tuple[Any, ...]


def _compared(taker: str, wanted: Any, what: str, giver: str, given: Any) -> list[str]:
    if fits(given, wanted):
        return []
    return [f"{taker} {type_name(wanted)}{what}, and {giver} is {type_name(given)}"]


def _unknown_members(where: str, term: Term) -> list[str]:
    match term:
        case Member(owner, key, is_field):
            given = type_of(owner)
            known = fields_of(given) if isinstance(key, str) else None
            if known is not None and key not in known and is_field is not is_typeddict(given):
                return [f"{where} needs {shown(term)}, and {shown(owner)} is {type_name(given)}, which has no {key!r}"]
            return _unknown_members(where, owner)
        case Operation(_, operands) | FirstOf(operands):
            return [problem for operand in operands for problem in _unknown_members(where, operand)]
    return []
