"""Compares the types at both ends of what a flow's decorated steps hand on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from typing_extensions import is_typeddict

from ..annotations import UNKNOWN, fields_of, fits, item_of, member_of, read_fields_of, type_name
from ..rules import Problem, data, decorated
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
        problems += [problem for term in terms_of(plan) for problem in _unknown_members(node.id, term)]
        conditions = [each for each in (plan.when, plan.options.get("condition")) if each is not None]
        problems += [problem for term in conditions for problem in _unknown_members(node.id, term, is_condition=True)]
        problems += [each for term in (*terms_of(plan), *conditions) for each in _of_others(flow_id, node.id, term)]
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


def _of_others(flow_id: str, node: str | None, term: Term) -> list[Problem]:
    """What a term names of another flow than its own, but for steps."""
    match term:
        case Member(owner):
            return _of_others(flow_id, node, owner)
        case Operation(_, operands) | FirstOf(operands):
            return [problem for operand in operands for problem in _of_others(flow_id, node, operand)]
        case InputOf(other) if other != flow_id:
            return [_OTHERS.at(node, f"{_taker(flow_id, node)} {shown(term)}: hand it on by a call of this flow")]
        case ValueOf(value) if value.flow_id != flow_id:
            what = f"{shown(term)} of flow {value.flow_id!r}"
            return [_OTHERS.at(node, f"{_taker(flow_id, node)} {what}: a flow has context values of its own")]
    return []


_OTHERS = decorated.STEP_OF_ANOTHER_FLOW


def _taker(flow_id: str, node: str | None) -> str:
    return f"flow {flow_id!r} returns" if node is None else f"node {node!r} needs"


def _unknown_members(node: str, term: Term, *, is_condition: bool = False) -> list[Problem]:
    match term:
        case Member(owner, key, is_field):
            given = type_of(owner)
            known = fields_of(given) if isinstance(key, str) else None
            if known is not None and key not in known and is_field is not is_typeddict(given):
                what = f"{shown(owner)} is {type_name(given)}, which has no {key!r}"
                return [data.UNKNOWN_MEMBER.at(node, f"node {node!r} needs {shown(term)}, and {what}")]
            read = read_fields_of(given) if is_condition and is_field else None
            if read is not None and key not in read:
                what = f"{key!r} of {type_name(given)} is no field: a condition runs no code. Let a step give it"
                return [data.UNKNOWN_MEMBER.at(node, f"node {node!r} looks at {shown(term)}, and {what}")]
            return _unknown_members(node, owner, is_condition=is_condition)
        case Operation(_, operands) | FirstOf(operands):
            each = (_unknown_members(node, operand, is_condition=is_condition) for operand in operands)
            return [problem for found in each for problem in found]
    return []
