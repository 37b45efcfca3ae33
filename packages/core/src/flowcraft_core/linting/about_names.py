"""Names that mean nothing: in expressions, in inputs, and as fields of a blueprint."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, get_args, get_origin

from ..annotations import UNKNOWN, fields_of, hints_of_class, item_of, member_of, type_name
from ..blueprint import BATCH, FIELD_NAMES, LOOP_CONTROLLER, SLEEP, SUBFLOW, WAIT, Blueprint, Edge, Node, NodeConfig
from ..expressions import Expression
from ..graph.scopes import Graph, Link, Reference
from ..reminders import AFTER, REMIND
from ..rules import Problem
from ..rules.data import MISSPELT_INPUT, UNKNOWN_NAME
from ..rules.flows import MISSPELT_FIELD
from .subject import Subject

# What the engine puts together itself: its members are these, and no others.
_MEMBERS: Mapping[str, Collection[str]] = {
    "result": ("output", "action"),
    "error": ("node", "type", "message", "attempts"),
}
# The parameters of what the engine implements.
_PARAMS: Mapping[str, Collection[str]] = {
    BATCH: (
        "workerUsesKey",
        "workerBlueprintId",
        "inputs",
        "outputKey",
        "concurrency",
        "pageSize",
        "reduceUsesKey",
        "toleratedFailureCount",
        "toleratedFailurePercentage",
    ),
    LOOP_CONTROLLER: ("condition",),
    SLEEP: ("duration",),
    SUBFLOW: ("blueprintId", "inputs", "outputs"),
    WAIT: (REMIND, AFTER),
}
_ALIKE = 0.8


# --- expressions ------------------------------------------------------------------------------------------------------


def unknown_names(subject: Subject) -> Iterator[Problem]:
    """Expressions that read what nothing gives a value."""
    if not subject.is_drawn:  # the expressions were made of what is there
        return
    known = subject.names()
    node_ids = {node.id for node in subject.graph.blueprint.nodes}
    for expression, has_error, problem in _expressions(subject.graph):
        reserved = {"result", "input", "context", "_outputs", *(("error",) if has_error else ())}
        for name in sorted((expression.names | (expression.context_names or frozenset())) - reserved):
            if name == "error" and name not in known:
                yield problem("reads 'error', which there is only on an edge on failure, or one always taken")
            elif name.removeprefix("_outputs.") in node_ids:
                continue
            elif why := subject.meant(name, known):
                yield problem(f"reads {name!r}, {why}")
        for owner, key in sorted(expression.members):
            there = node_ids if owner == "_outputs" else _MEMBERS.get(owner, ())
            if owner in reserved and there and key not in there:
                yield problem(f"reads {owner}.{key}; {owner} has {', '.join(sorted(there))}")


def _expressions(graph: Graph) -> Iterator[tuple[Expression, bool, Callable[[str], Problem]]]:
    """The expressions of a flow, whether each may name an error, and what makes a problem of it."""
    for scope in graph.scopes():
        links = [link for vertex in scope.vertices for link in vertex.out]
        for construct in scope.constructs:
            if construct.condition is not None:
                yield construct.condition, False, partial(_at_loop, construct.node.id)
            links += [] if construct.feedback is None else [construct.feedback]
        for link in links:
            for which, expression in (("condition", link.condition), ("transform", link.transform)):
                if expression is not None:
                    yield expression, link.on != "success", partial(_along, link, which)


def _at_loop(loop: str, text: str) -> Problem:
    return UNKNOWN_NAME.at(loop, f"loop {loop!r}: condition {text}")


def _along(link: Link, which: str, text: str) -> Problem:
    return UNKNOWN_NAME.along(link.source_id, link.target_id, f": {which} {text}")


# --- inputs -----------------------------------------------------------------------------------------------------------


def misspelt_inputs(subject: Subject) -> Iterator[Problem]:
    """Inputs that name nothing that is there, or a part that an output has not."""
    known = subject.names()
    for scope in subject.graph.scopes():
        for vertex in scope.vertices:
            inputs = vertex.inputs
            references = list(inputs.values()) if isinstance(inputs, dict) else [] if inputs is None else [inputs]
            for reference in references:
                if why := _wrong(subject, reference, known):
                    yield MISSPELT_INPUT.at(vertex.id, f"node {vertex.id!r}: inputs name {reference.text!r}, and {why}")
        for construct in scope.constructs:
            for reference in (construct.inputs or {}).values():
                if why := _wrong(subject, reference, known):
                    text = f"node {construct.node.id!r}: params.inputs name {reference.text!r}, and {why}"
                    yield MISSPELT_INPUT.at(construct.node.id, text)


def _wrong(subject: Subject, reference: Reference, known: Collection[str]) -> str | None:
    if reference.node is None:
        if reference.text in known:
            return None
        why = subject.meant(reference.name, known)
        return why and f"there is no node {reference.name!r}: {why}"
    given = subject.fitting.output_of(reference.node)
    for place, key in enumerate(reference.path):
        if not _has(given, key):
            there = ".".join([reference.node, *reference.path[:place]])
            return f"{there!r} is {type_name(given)}, which has no part {key!r}"
        given = _part(given, key)
    return None


def _has(given: Any, key: str) -> bool:
    """Whether a value of a type may have a part of that name: a key of a dict, or an index of a list."""
    cls = get_origin(given) or given
    if _is_typed_dict(cls):
        return key in hints_of_class(cls)
    if not isinstance(cls, type) or cls is object or issubclass(cls, Mapping):
        return True
    if issubclass(cls, (list, tuple)):
        return key.isascii() and key.isdigit()
    return fields_of(cls) is None  # what tells its fields is no dict and no list


def _is_typed_dict(given: Any) -> bool:
    return hasattr(given, "__required_keys__")


def _part(given: Any, key: str) -> Any:
    if key.isdigit() and item_of(given) is not UNKNOWN:
        return member_of(given, int(key), is_field=False)
    return member_of(given, key, is_field=False) if _is_typed_dict(given) or get_args(given) else UNKNOWN


# --- fields -----------------------------------------------------------------------------------------------------------


def misspelt_fields(subject: Subject) -> Iterator[Problem]:
    """Fields of a blueprint's JSON that mean nothing, and are almost called as others are."""
    blueprint = subject.graph.blueprint
    for name, meant in _almost(blueprint.extra, FIELD_NAMES[Blueprint]):
        yield MISSPELT_FIELD.at(None, f"the blueprint has a field {name!r}, which means nothing: is {meant!r} meant?")
    for node in blueprint.nodes:
        extra = {**node.extra, **(node.config.extra if node.config else {})}
        found = [*_almost(node.extra, FIELD_NAMES[Node])]
        found += _almost(node.config.extra if node.config else (), FIELD_NAMES[NodeConfig])
        found += _almost(set(node.params or ()) - set(extra), _PARAMS.get(node.uses, ()))
        for name, meant in found:
            text = f"node {node.id!r} has a field {name!r}, which means nothing: is {meant!r} meant?"
            yield MISSPELT_FIELD.at(node.id, text)
    for edge in blueprint.edges:
        for name, meant in _almost(edge.extra, FIELD_NAMES[Edge]):
            text = f" has a field {name!r}, which means nothing: is {meant!r} meant?"
            yield MISSPELT_FIELD.along(edge.source, edge.target, text)


def _almost(given: Collection[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(set(given) - set(known)):
        if alike := difflib.get_close_matches(name, known, 1, _ALIKE):
            yield name, alike[0]
