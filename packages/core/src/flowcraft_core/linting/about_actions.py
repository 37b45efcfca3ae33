"""Actions that no step gives, and actions that no edge takes."""

from __future__ import annotations

from collections.abc import Iterator

from ..blueprint import SLEEP, WAIT
from ..execution import TIMEOUT_ACTION
from ..graph.compile import BREAK, CONTINUE
from ..graph.decisions import is_lost
from ..graph.scopes import Kind, Vertex
from ..rules import Problem
from ..rules.graphs import ACTION_WITHOUT_EDGE, UNKNOWN_ACTION
from .actions import Actions, actions_of
from .subject import Subject


def unknown_actions(subject: Subject) -> Iterator[Problem]:
    """Edges with an action that their source never gives."""
    for scope in subject.graph.scopes():
        for vertex in scope.vertices:
            asked = [link for link in vertex.out if link.action is not None]
            given = _given(subject, vertex) if asked else None
            if given is None:
                continue
            for link in asked:
                if link.action not in given:
                    there = ", ".join(map(repr, sorted(given))) or "none"
                    text = f": {link.source_id!r} never gives the action {link.action!r}; it gives {there}"
                    yield UNKNOWN_ACTION.along(link.source_id, link.target_id, text)


def lost_actions(subject: Subject) -> Iterator[Problem]:
    """Steps that give an action which no edge takes, and waits whose time may be up without an edge for that."""
    for scope in subject.graph.scopes():
        for vertex in scope.vertices:
            if vertex.kind is not Kind.STEP:
                continue
            for action in sorted(_named(subject, vertex)):
                if is_lost(vertex, action):
                    text = (
                        f"node {vertex.id!r} may give the action {action!r}, and no edge takes it, so that the path "
                        "ends there: draw an edge for it, or one without an action for all others"
                    )
                    yield ACTION_WITHOUT_EDGE.at(vertex.id, text)


def _given(subject: Subject, vertex: Vertex) -> frozenset[str] | None:
    """All actions that a node can give; None if they are not known."""
    if vertex.kind is Kind.EXIT:
        is_loop = vertex.construct is not None and vertex.construct.kind == "loop"
        return frozenset({BREAK, CONTINUE} if is_loop else ())
    if vertex.node.uses == SLEEP:
        return frozenset()
    if vertex.node.uses == WAIT:  # whoever resumes it gives what they like; the time that is up is the engine's
        asked = {link.action for link in vertex.out if link.action is not None}
        return None if vertex.timeout is not None else frozenset(asked - {TIMEOUT_ACTION})
    actions = _actions(subject, vertex)
    return actions.given if actions.complete else None


def _named(subject: Subject, vertex: Vertex) -> frozenset[str]:
    """Actions that a node may give, as far as they are known."""
    if vertex.node.uses == WAIT:
        return frozenset() if vertex.timeout is None else frozenset({TIMEOUT_ACTION})
    return _actions(subject, vertex).given if vertex.is_called else frozenset()


def _actions(subject: Subject, vertex: Vertex) -> Actions:
    found = Actions()
    for step in subject.steps_at(vertex):
        found |= Actions(complete=False) if step is None else actions_of(step.step)
    return found
