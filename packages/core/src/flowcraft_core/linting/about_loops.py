"""Loops whose condition reads what no pass can change."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ..expressions import Expression
from ..rules import Problem
from ..rules.data import UNKNOWN_NAME
from ..steps import BaseNode
from .actions import tree_of
from .subject import Subject

# What every pass gives anew.
_GIVEN = frozenset({"result", "input", "_outputs"})


def unchanging_loops(subject: Subject) -> Iterator[Problem]:
    """Loops whose condition reads names only that no step sets, as far as all steps of the flow can be read."""
    if not subject.is_drawn:
        return
    for scope in subject.graph.scopes():
        for construct in scope.constructs:
            condition = construct.condition
            if condition is not None and (names := _unset(subject, condition)) and _can_be_read(subject):
                read = " and ".join(map(repr, sorted(names)))
                text = (
                    f"loop {construct.node.id!r}: condition reads {read} only, which no step sets, so that it is the "
                    "same after each pass: correct the name, or set it in a pass"
                )
                yield UNKNOWN_NAME.at(construct.node.id, text)


def _unset(subject: Subject, condition: Expression) -> frozenset[str]:
    """The names that a condition reads, if none of them is of anything that is known."""
    names = condition.context_names
    if not names or condition.names & _GIVEN:
        return frozenset()
    known = subject.names()
    return frozenset() if any(name in known or subject.meant(name, known) for name in names) else names


def _can_be_read(subject: Subject) -> bool:
    steps = [subject.find(uses) for uses in subject.graph.uses]
    return all(step is not None and _sets_by_name(step.step) for step in steps)


def _sets_by_name(step: Any) -> bool:
    """Whether a step's code shows every context value that it sets: it hands its node context to nobody."""
    tree = None if isinstance(step, type) and issubclass(step, BaseNode) else tree_of(step)
    if tree is None or not tree.args.args:
        return False
    context = tree.args.args[0].arg
    uses = sum(isinstance(node, ast.Name) and node.id == context for node in ast.walk(tree))
    return uses == sum(_is_plain_use(node, context) for node in ast.walk(tree))


def _is_plain_use(node: ast.AST, context: str) -> bool:
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Attribute(value=ast.Name(id=name), attr="context"), attr=called),
            args=[ast.Constant(), *_],
        ):
            return name == context and called in ("get", "set", "delete", "has")
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return name == context and attribute != "context"
    return False
