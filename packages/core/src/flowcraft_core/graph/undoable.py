"""Whether anything can be undone, by blueprints alone: most name no undo, and need nothing of ``undoing``."""

from __future__ import annotations

from collections.abc import Callable

from .scopes import Graph, Scope


def names_undo(scope: Scope, graphs: Callable[[str], Graph]) -> bool:
    """Whether a node of a scope names an undo, or one inside of its constructs.

    Args:
        scope: The scope.
        graphs: Finds the blueprints of subflows by id.
    """
    waiting, seen = [scope], {id(scope)}
    while waiting:
        scope = waiting.pop()
        if any(vertex.undo is not None for vertex in scope.vertices):
            return True
        for construct in scope.constructs:
            inside = construct.body or graphs(construct.calls or "").root
            if id(inside) not in seen:
                seen.add(id(inside))
                waiting.append(inside)
    return False
