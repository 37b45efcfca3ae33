"""Compares the types at both ends of what a flow's decorated steps hand on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from typing_extensions import is_typeddict

from ..annotations import UNKNOWN, fields_of, fits, item_of, member_of, type_name
from ..rules import Problem, data
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


def mismatches(flow_id: str, nodes: Sequence[Node[Any]], returned: Term | None, gives: Any) -> list[Problem]:
    """What does not fit in a flow, each with both ends and their types."""
    problems: list[Problem] = []
    for node in nodes:
        plan = node.plan
        terms = [*terms_of(plan), *((plan.when,) if plan.when is not None else ())]
        problems += [problem for term in terms for problem in _unknown_members(node.id, term)]
        if plan.signature is not None:
            for name, term in plan.needs.items():
                wanted = plan.signature.types.get(name, UNKNOWN)
                taker = f"step {node.id!r} takes"
                problems += _compared(node.id, taker, wanted, f" as {name!r}", shown(term), type_of(term))
        if plan.fallback is not None:
            given = plan.fallback.gives
            problems += _compared(node.id, f"step {node.id!r} gives", plan.type, "", "its fallback", given)
        if plan.value is not None:
            problems += _value_mismatches(node, plan, plan.value)
    if returned is not None:
        problems += _compared(None, f"flow {flow_id!r} gives", gives, "", shown(returned), type_of(returned))
    return problems


def _value_mismatches(node: Node[Any], plan: Plan, value: Term) -> list[Problem]:
    given, where = type_of(value), shown(value)
    if isinstance(node, Loop):
        return _compared(node.id, f"loop {node.id!r} begins a pass with", _gives(node.start), "", where, given)
    if plan.kind in ("batch", "each") and not fits(given, _ITERABLE):
        text = f"batch {node.id!r} goes through a list, and {where} is {type_name(given)}"
        return [data.NOT_A_LIST.at(node.id, text)]
    if plan.kind == "batch" and plan.signature is not None and plan.signature.item is not None:
        wanted = plan.signature.types.get(plan.signature.item, UNKNOWN)
        what = f" as {plan.signature.item!r}"
        return _compared(node.id, f"batch {node.id!r} takes", wanted, what, f"an item of {where}", item_of(given))
    if plan.kind in ("each", "call"):
        wanted = plan.calls.takes
        item = plan.kind == "each"
        what = f"an item of {where}" if item else where
        taker = f"flow {plan.calls.id!r} takes"
        return _compared(node.id, taker, wanted, "", what, item_of(given) if item else given)
    return []


_ITERABLE = list[Any] | tuple[Any, ...]


def _compared(node: str | None, taker: str, wanted: Any, what: str, giver: str, given: Any) -> list[Problem]:
    if fits(given, wanted):
        return []
    return [data.WRONG_TYPE.at(node, f"{taker} {type_name(wanted)}{what}, and {giver} is {type_name(given)}")]


def _unknown_members(node: str, term: Term) -> list[Problem]:
    match term:
        case Member(owner, key, is_field):
            given = type_of(owner)
            known = fields_of(given) if isinstance(key, str) else None
            if known is not None and key not in known and is_field is not is_typeddict(given):
                what = f"{shown(owner)} is {type_name(given)}, which has no {key!r}"
                return [data.UNKNOWN_MEMBER.at(node, f"node {node!r} needs {shown(term)}, and {what}")]
            return _unknown_members(node, owner)
        case Operation(_, operands) | FirstOf(operands):
            return [problem for operand in operands for problem in _unknown_members(node, operand)]
    return []
