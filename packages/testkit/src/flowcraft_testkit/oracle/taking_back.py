"""What is undone, by the model: which instances, and in which order. Words in quotes are the rules as designed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from .flows import Batch, Flow, Loop, Step
from .meaning import Meaning
from .places import Place, PlacedNode

_Way: TypeAlias = list[tuple[Place, PlacedNode, int]]


def due(meaning: Meaning) -> dict[str, tuple[Place, PlacedNode]]:
    """What is to be undone once all is resolved.

    "Every completed instance, unneeded or not"; "a cut-off step may have acted: `undo_unsure=True` asks for its undo,
    too".
    """
    found: dict[str, tuple[Place, PlacedNode]] = {}
    for place in meaning.places:
        for node in place.nodes():
            undone = place.node if _is_worker(place) else node
            if not isinstance(undone, (Step, Batch)) or undone.undo is None or not isinstance(node, Step):
                continue
            fact = meaning.facts.outcomes.get(place.ends_at(node))
            if fact is not None and not fact.failed and (not fact.void or undone.unsure):
                found[place.ends_at(node)] = place, node
    return found


def due_of_calls(meaning: Meaning, *, for_sure: bool) -> set[str]:
    """What calls undo whose failure fails no run: "a called flow undoes itself before its failed outcome is committed".

    Args:
        meaning: What the facts mean.
        for_sure: Leave out the calls that are unneeded: "what is unneeded is not waited for".
    """
    return {
        key
        for key, (place, _) in due(meaning).items()
        if any(not (for_sure and _is_unneeded(meaning, call)) for call in _undone_calls(meaning, place))
    }


def wrong_order(meaning: Meaning, undone: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Of what was undone, in this order, each that came before something that "came after it", with that.

    A call that undoes itself does so before anything of what it is called from is.
    """
    there = due(meaning)
    for number, key in enumerate(undone):
        for later in undone[number + 1 :]:
            if key in there and later in there and _came_after(there[later], there[key]):
                places = list(_around(there[later][0]))
                if all(call in places for call in _undone_calls(meaning, there[key][0])):
                    yield key, later


def _undone_calls(meaning: Meaning, place: Place) -> list[Place]:
    """The calls around an instance that have ended, and failed where that fails no run."""
    return [
        call
        for call in _around(place)
        if call.parent is not None
        and call.node is not None
        and call.namespace is None
        and (call.parent.catches(call.node) or call.parent.contains(call.node) or _is_tolerated(call))
        and meaning.has_ended(call)
        and meaning.has_failed(call)
    ]


def _is_tolerated(call: Place) -> bool:
    return isinstance(call.node, Batch) and call.node.tolerated > 0


def _is_unneeded(meaning: Meaning, place: Place) -> bool:
    return any(
        around.parent is not None and around.node is not None and meaning.is_unneeded(around.parent, around.node)
        for around in _around(place)
    )


def _around(place: Place) -> Iterator[Place]:
    around: Place | None = place
    while around is not None:
        yield around
        around = around.parent


def _came_after(one: tuple[Place, PlacedNode], other: tuple[Place, PlacedNode]) -> bool:
    """Whether one instance comes after another: by the graph, and "passes backwards, items side by side"."""
    for (place, node, index), (_, other_node, other_index) in zip(_way_to(*one), _way_to(*other), strict=False):
        if node.id != other_node.id:
            return node.id in _behind(place, other_node.id)
        if index != other_index:
            return isinstance(node, Loop) and index > other_index
    return False


def _way_to(place: Place, node: PlacedNode) -> _Way:
    """The nodes around an instance and itself, from the outside in, each with its place and the index inside it."""
    way: _Way = [(place, node, 0)]
    while place.parent is not None and place.node is not None:
        way.append((place.parent, place.node, place.index))
        place = place.parent
    return way[::-1]


def _behind(place: Place, node_id: str) -> set[str]:
    found: set[str] = set()
    waiting = [node_id]
    while waiting:
        source = waiting.pop()
        more = {edge.target for edge in place.edges if edge.source == source} - found
        found |= more
        waiting += more
    return found


def _is_worker(place: Place) -> bool:
    return isinstance(place.node, Batch) and not isinstance(place.node.worker, Flow)
