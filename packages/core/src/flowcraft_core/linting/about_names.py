"""Names that mean nothing: in expressions, in inputs, and as fields of a blueprint."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial

import attrs

from ..annotations import type_name
from ..blueprint import BATCH, FIELD_NAMES, LOOP_CONTROLLER, SLEEP, SUBFLOW, WAIT, Blueprint, Edge, Node, NodeConfig
from ..expressions import Expression
from ..graph.scopes import Graph, Link, Reference
from ..limits import as_limits, holes_in
from ..reminders import AFTER, REMIND
from ..rules import Problem
from ..rules.data import MISSPELT_INPUT, UNKNOWN_NAME
from ..rules.flows import MISSPELT_FIELD
from .parts import has_part, part_named, wrong_parts
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
    for read in _expressions(subject.graph):
        expression = read.expression
        reserved = {"result", "input", "context", "_outputs", *(("error",) if read.has_error else ())}
        for name in sorted((expression.names | (expression.context_names or frozenset())) - reserved):
            if name == "error" and name not in known:
                yield read.problem("reads 'error', which there is only on an edge on failure, or one always taken")
            elif name.removeprefix("_outputs.") in node_ids:
                continue
            elif why := subject.meant(name, known | reserved - {"_outputs"}):
                yield read.problem(f"reads {name!r}, {why}")
        for owner, key in sorted(path[:2] for path in expression.paths if len(path) == 2 and isinstance(path[1], str)):
            there = node_ids if owner == "_outputs" else _MEMBERS.get(str(owner), ())
            if owner in reserved and there and key not in there:
                yield read.problem(f"reads {owner}.{key}; {owner} has {', '.join(sorted(there))}")
        yield from map(read.problem, wrong_parts(subject, expression, read.of))
    yield from _names_of_limits(subject, known)


def _names_of_limits(subject: Subject, known: Collection[str]) -> Iterator[Problem]:
    for node in subject.graph.blueprint.nodes:
        for named in as_limits(None if node.config is None else node.config.limit):
            for root, path in holes_in(named):
                if root == "context" and (why := subject.meant(path[0], known)):
                    yield UNKNOWN_NAME.at(node.id, f"node {node.id!r}: limit {named!r} reads {path[0]!r}, {why}")


@attrs.frozen
class _Read:
    """An expression of a flow.

    Attributes:
        expression: The expression.
        has_error: Whether it may name an error.
        of: The node whose output is its ``input`` and ``result.output``; None if that may be something else.
        problem: Makes a problem of what is wrong with it.
    """

    expression: Expression
    has_error: bool
    of: str | None
    problem: Callable[[str], Problem]


def _expressions(graph: Graph) -> Iterator[_Read]:
    """The expressions of a flow."""
    for scope in graph.scopes():
        links = [link for vertex in scope.vertices for link in vertex.out]
        for construct in scope.constructs:
            if construct.condition is not None:
                of = None if construct.checks_first else construct.node.id
                yield _Read(construct.condition, False, of, partial(_at_loop, construct.node.id))
            links += [] if construct.feedback is None else [construct.feedback]
        for link in links:
            for which, expression in (("condition", link.condition), ("transform", link.transform)):
                if expression is not None:
                    of = link.source_id if link.on == "success" else None
                    yield _Read(expression, link.on != "success", of, partial(_along, link, which))


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
        if not has_part(given, key):
            there = ".".join([reference.node, *reference.path[:place]])
            return f"{there!r} is {type_name(given)}, which has no part {key!r}"
        given = part_named(given, key)
    return None


def misspelt_outputs(subject: Subject) -> Iterator[Problem]:
    """Context values that a call sets from what the called flow has not."""
    for scope in subject.graph.scopes():
        for construct in scope.constructs:
            called = subject.called(construct.calls or "")
            params = construct.node.params or {}
            if called is None or not isinstance(params.get("outputs"), Mapping):
                continue
            known = called.names() | set(params.get("inputs") or ())
            for there in params["outputs"].values():
                if why := called.meant(str(there).partition(".")[0], known):
                    of = f"params.outputs name {there!r} of flow {construct.calls!r}"
                    yield MISSPELT_INPUT.at(construct.node.id, f"node {construct.node.id!r}: {of}, and {why}")


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
