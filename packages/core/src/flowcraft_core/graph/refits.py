"""Whether what a run has done fits another version of its flow, for a fork that goes on in that one.

Facts name edges by their places, so what is kept fits where its node has the same ways in and out as before, and where
the facts that are kept lead to it again. What its step is, or how often that is tried, may differ: it is not run again.
So may a loop's condition: passes that are over are over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .fold import instances
from .forks import kept_claims
from .instances import Instance
from .lanes import item_before
from .partial import find
from .scopes import Graph, Link, Vertex
from .state import RunState


@attrs.frozen
class Misfit:
    """What is kept of a run, and does not fit another version of its flow.

    Attributes:
        key: The instance's key.
        reason: What is the matter with its node there.
    """

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key!r}: {self.reason}"


def refit(old: RunState, without: set[tuple[int, int]], new: RunState, graphs: Mapping[str, Graph]) -> list[Misfit]:
    """Put what is kept of a run into the state of another version of its flow.

    Args:
        old: The run's state.
        without: What is not kept, see ``forks.dropped``.
        new: A whole state of the other version, which knows no facts yet. It has those that fit afterwards.
        graphs: The other version, and the flows that it can call, by id.

    Returns:
        What does not fit; where that is so, what comes after it is not looked at.
    """
    kept = {i.key: i for i in instances(old) if (id(i.scope), i.vertex.index) not in without}
    claims = {join.key: (join, places) for join, places in kept_claims(old, without)}
    undone = {scope.prefix for scope in old.root.walk() if scope.undone}
    misfits: list[Misfit] = []
    while new.ready or new.wanted or new.to_undo or _look_behind(kept, new):
        while new.to_undo:
            if (call := new.to_undo.popleft()).prefix in undone:
                new.undone(call)
        while new.wanted:
            scope, vertex, _ = new.wanted.popleft()
            if claimed := claims.pop(scope.key(vertex), None):
                join, places = claimed
                if _ways_in(join) == _ways_in(Instance(scope, vertex)):
                    for slot, place in enumerate(places):
                        new.claim(scope, vertex, slot, place)
                elif (id(join.scope), join.vertex.index) not in without:  # or its edges come to it anew
                    misfits.append(Misfit(join.key, "it has other ways in, and which of them came first is kept"))
        if not new.ready:
            continue
        instance = new.ready.popleft()
        if before := kept.pop(instance.key, None):
            if reason := _differs(before, instance):
                misfits.append(Misfit(before.key, reason))
            else:
                outcome = before.outcome
                if outcome.blueprint is not None and instance.vertex.construct is not None:
                    outcome = attrs.evolve(outcome, blueprint=graphs[instance.vertex.construct.calls or ""].hash)
                new.add(*instance, outcome)
    # What lost a race counts for nothing: it may be left behind.
    return misfits or [_unreached(i, graphs) for i in kept.values() if not i.scope.is_unneeded(i.vertex)]


def _look_behind(kept: Mapping[str, Instance], new: RunState) -> bool:
    """Go on with what is kept of a lane behind an item that is begun again; whether there is any."""
    starts = (find(new, key) for key, instance in kept.items() if item_before(instance.scope) is not None)
    new.ready.extend(i for i in starts if isinstance(i, Instance) and not i.vertex.incoming)
    return bool(new.ready)


def _differs(before: Instance, after: Instance) -> str | None:
    for what, of in (
        ("is another kind of node", _kind),
        ("has other ways in", _ways_in),
        ("has other ways on", _ways_on),
    ):
        if of(before) != of(after):
            return f"it {what}"
    return None


def _kind(instance: Instance) -> tuple[Any, ...]:
    vertex, construct = instance.vertex, instance.vertex.construct
    if construct is None:
        return vertex.kind, vertex.id
    return vertex.kind, vertex.id, construct.kind, construct.calls, construct.checks_first


def _ways_in(instance: Instance) -> tuple[Any, ...]:
    vertices = instance.scope.scope.vertices
    return instance.vertex.quorum, tuple(
        (link.source_id, vertices[link.source].kind, link.place) for link in instance.vertex.incoming
    )


def _ways_on(instance: Instance) -> tuple[Any, ...]:
    return tuple(_way(link, instance.scope.scope.vertices) for link in instance.vertex.out)


def _way(link: Link, vertices: list[Vertex]) -> tuple[Any, ...]:
    texts = (expression and expression.source for expression in (link.condition, link.transform))
    return link.place, link.target_id, vertices[link.target].kind, link.action, link.on, *texts


def _unreached(instance: Instance, graphs: Mapping[str, Graph]) -> Misfit:
    graph = graphs.get(instance.scope.scope.blueprint)
    there = graph is not None and any(node.id == instance.vertex.node.id for node in graph.blueprint.nodes)
    return Misfit(instance.key, "nothing that is kept leads to it there" if there else "there is no such node")
