"""Which limits an instance keeps to: those that its node names, and those of all that it is inside of.

Only steps keep to limits. A loop, batch or subflow that names one names it for each step inside of it: it is one
attempt of one step that has a place, and never what is around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from ..blueprint import SLEEP, WAIT, Node
from ..errors import UnknownLimitError
from ..limits import Limit, as_limits, not_declared
from ..rules import Problem
from ..rules.steps import UNKNOWN_LIMIT
from .instances import Instance, ScopeState
from .scopes import Graph, Kind


def limits_of(instance: Instance) -> list[tuple[ScopeState, str]]:
    """The limits of an instance as their nodes name them, each with the scope that says what its key is."""
    scope, vertex = instance
    if vertex.kind is not Kind.STEP or vertex.node.uses in (WAIT, SLEEP):
        return []
    found = [(scope, named) for named in _named(vertex.node)]
    around: ScopeState | None = scope
    while around is not None and around.parent is not None:
        if around.construct is not None:
            found += [(around.parent, named) for named in _named(around.construct.node)]
        around = around.parent
    return found


def is_limited(instance: Instance) -> bool:
    """Whether an instance keeps to any limit."""
    around, node = instance.scope, instance.vertex.node
    if not instance.vertex.is_called:
        return False
    while not _named(node):
        if around.parent is None or around.construct is None:
            return False
        node, around = around.construct.node, around.parent
    return True


def require_known(graphs: Iterable[Graph], limits: Mapping[str, Limit]) -> None:
    """Refuse flows that name a limit that is not declared.

    Raises:
        UnknownLimitError: One does; the message names the flow and the node.
    """
    if problems := unknown_limits(graphs, limits):
        raise UnknownLimitError.of(*problems)


def unknown_limits(graphs: Iterable[Graph], limits: Mapping[str, Limit]) -> list[Problem]:
    """Problems with the limits that flows name and that are not declared."""
    problems: list[Problem] = []
    for graph in graphs:
        flow_id = graph.blueprint.id
        for node in graph.blueprint.nodes:
            for named in _named(node):
                text = not_declared(limits, named, f"node {node.id!r} of flow {flow_id!r}")
                if text is not None:
                    problems.append(attrs.evolve(UNKNOWN_LIMIT.at(node.id, text), flow=flow_id))
    return problems


def _named(node: Node) -> tuple[str, ...]:
    return () if node.config is None or node.config.limit is None else as_limits(node.config.limit)
