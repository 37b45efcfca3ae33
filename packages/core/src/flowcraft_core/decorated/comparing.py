"""Compares the types at both ends of what a flow's decorated steps hand on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from typing_extensions import is_typeddict

from ..annotations import UNKNOWN, fields_of, fits, item_of, member_of, type_name
from .nodes import Loop, Node
from .plans import Plan, terms_of
from .terms import Constant, FirstOf, InputOf, Member, Operation, OutputOf, Provided, Term, ValueOf, shown


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
        case FirstOf(terms, number):
            given = Union[tuple(type_of(one) for one in terms)]  # noqa: UP007 - of a tuple
            return given if number is None else dict.__class_getitem__((str, given))
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
    return UNKNOWN if plan.kind == "batch" and plan.tolerates else plan.type


def mismatches(flow_id: str, nodes: Sequence[Node[Any]], returned: Term | None, gives: Any) -> list[str]:
    """What does not fit in a flow, each with both ends and their types."""
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
