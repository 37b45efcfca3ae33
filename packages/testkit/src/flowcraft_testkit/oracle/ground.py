"""What there is in a run by its facts: its places, the joins that have fired, and what is unneeded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from .flows import Batch, Call, Edge, Flow, Loop, Step
from .places import Facts, Place, PlacedNode
from .script import worker_of

At: TypeAlias = tuple[Place, str]


class Ground:
    """What some facts say of themselves, before anything is concluded.

    Attributes:
        facts: The facts.
        root: The run's own place.
        places: All places that there are.
        lost: Nodes whose own ways on make them unneeded.
    """

    def __init__(self, flow: Flow, facts: Facts) -> None:
        """Look at all facts."""
        self.facts = facts
        self.root = Place(flow, "")
        self.places = list(self._places(self.root))
        self._one_of_many = {
            (place.parent, place.node.id, place.index): place
            for place in self.places
            if place.parent is not None and isinstance(place.node, (Batch, Loop))
        }
        self.lost = self._find_lost()

    # --- what there is --------------------------------------------------------------------------------------------

    def _places(self, place: Place) -> Iterator[Place]:
        yield place
        for node in place.flow.nodes:
            for inside in self.inside(place, node):
                yield from self._places(inside)

    def inside(self, place: Place, node: PlacedNode) -> list[Place]:
        """The passes and the items, begun or not, or the call, in order."""
        entry = self.facts.outcomes.get(place.begins_at(node))
        if entry is None or entry.failed or entry.void:
            return []
        namespace = place.namespace or place
        match node:
            case Call():
                return [Place(node.flow, f"{place.prefix}{node.id}/", place, node, 0, entry.output)]
            case Batch(worker=Flow() as worker):
                return [
                    Place(worker, f"{place.prefix}{node.id}[{index}]/", place, node, index, item)
                    for index, item in enumerate(entry.items or ())
                ]
            case Batch(worker=turns):
                worker = Flow("", (Step(worker_of(node.id), turns),))  # type: ignore[arg-type]  # not a Flow, by the case above
                return [
                    Place(worker, f"{place.prefix}{node.id}[{index}].", place, node, index, item, namespace)
                    for index, item in enumerate(entry.items or ())
                ]
            case Loop():
                passes: list[Place] = []
                given, goes_on = entry.output, entry.action == "continue"
                while goes_on:
                    prefix = f"{place.prefix}{node.id}[{len(passes)}]."
                    passes.append(Place(node.body, prefix, place, node, len(passes), given, namespace))
                    verdict = self.facts.outcomes.get(prefix[:-1])
                    # "A skipped feedback edge ends the loop: no instance of the next pass exists."
                    goes_on = verdict is not None and 0 in verdict.taken
                    given = verdict.taken[0] if verdict is not None and goes_on else None
                return passes
        return []

    def before(self, place: Place) -> Place | None:
        """The item or pass after whose end one begins; None if there is none.

        "Item i + n starts when item i has ended." So does a pass: a scope ends "when every node in it is done, dead,
        blocked or unneeded", which may be after its verdict, where a node is that has edges on failure only.
        """
        if place.parent is None or place.node is None or not isinstance(place.node, (Batch, Loop)):
            return None
        is_batch = isinstance(place.node, Batch)
        lanes = (self.facts.outcomes[place.parent.begins_at(place.node)].lanes or 0) if is_batch else 1
        return None if place.index < lanes else self._one_of_many[place.parent, place.node.id, place.index - lanes]

    # --- unneeded -----------------------------------------------------------------------------------------------------

    def _find_lost(self) -> set[At]:
        """Nodes whose "ways on lead each into a fired `any` join or to an unneeded node".

        "A node whose ways on are all failure edges has the end of its scope as a way on, too: it is never unneeded for
        want of others."
        """
        lost: set[At] = set()
        while True:
            more = {
                (place, node.id)
                for place in self.places
                for node in place.nodes()
                if (place, node.id) not in lost and not place.ends_here(node)
                if all(
                    self.has_fired(place, place.find(edge.target)) or (place, edge.target) in lost
                    for edge in place.out_of(node)
                )
            }
            if not more:
                return lost
            lost |= more

    def is_unneeded(self, place: Place, node: PlacedNode) -> bool:
        """Whether a node, or a construct around it, is unneeded, a last node's way on being the construct's."""
        if (place, node.id) in self.lost:
            return True
        return place.parent is not None and place.node is not None and self.is_unneeded(place.parent, place.node)

    def has_fired(self, place: Place, node: PlacedNode) -> bool:
        """Whether a join of k "has fired": "once all k stand", by edges that are known to be taken."""
        claimed = self.claimed_edges(place, node)
        return bool(claimed) and all(self.carried(place, edge) is not None for edge in claimed)

    def claimed_edges(self, place: Place, node: PlacedNode) -> list[Edge]:
        """The edges that hold the slots of a join of k, "in the blueprint's order"; none before "all k stand"."""
        slots = self.facts.claims.get(place.begins_at(node), {}) if place.needed(node) else {}
        edges = place.into(node)
        return [edges[number] for number in sorted(slots.values())] if len(slots) == place.needed(node) else []

    def may_claim(self, place: Place, node: PlacedNode, edge: Edge) -> bool:
        """Whether an edge that is taken has a slot to try.

        "An arriving taken edge tries the slots 0 to k-1 in order by put-if-absent, stops at its own, and counts once."
        "The k edges have different sources": at a slot that its source holds it stops, too.
        """
        edges, slots = place.into(node), self.facts.claims.get(place.begins_at(node), {})
        for slot in range(place.needed(node)):
            if slot not in slots:
                return True
            if edges[slots[slot]].source == edge.source:
                return False
        return False

    def carried(self, place: Place, edge: Edge) -> tuple[Any] | None:
        """What a taken edge carries, in a tuple to tell it from nothing."""
        fact = self.facts.outcomes.get(place.ends_at(place.find(edge.source)))
        number = place.place_of(edge)
        return None if fact is None or number not in fact.taken else (fact.taken[number],)
