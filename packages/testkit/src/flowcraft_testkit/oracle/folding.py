"""The model's context values and outputs: where each setter stands, and what the outcomes that count come to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from .flows import Loop, Sleep, Step, Wait, entry_id, exit_id
from .meaning import Meaning
from .places import Fact, Place, PlacedNode, Verdict

Position: TypeAlias = tuple[tuple[int, str, float], ...]

# Greater than every entry of a position.
LAST = (2**31, "", 0.0)


class Fold:
    """What the facts of a run come to, beside what is to run.

    Attributes:
        meaning: What the facts mean.
        context: The run's initial context.
    """

    def __init__(self, meaning: Meaning, context: Mapping[str, Any]) -> None:
        self.meaning = meaning
        self.context = context
        self._depths: dict[tuple[str, str], int] = {}
        self._setters = sorted(
            (
                (self.position(place, node), place, node, fact)
                for place in meaning.places
                for node in place.nodes()
                if (fact := meaning.facts.outcomes.get(place.ends_at(node))) is not None
                if fact.sets or fact.deletes
            ),
            key=lambda setter: setter[0],
        )

    def counts(self, place: Place, node: PlacedNode) -> bool:
        """Whether an outcome is "not unneeded or lies on a claimed way": a way to an `any` join that counts itself."""
        if (place, node.id) in self.meaning.lost and not self._is_on_claimed_way(place, node):
            return False
        return place.parent is None or place.node is None or self.counts(place.parent, place.node)

    def _is_on_claimed_way(self, place: Place, node: PlacedNode) -> bool:
        meaning = self.meaning
        for edge in place.out_of(node):
            target = place.find(edge.target)
            if meaning.carried(place, edge) is None:
                continue
            if meaning.has_fired(place, target):
                if any(each is edge for each in meaning.claimed_edges(place, target)) and self.counts(place, target):
                    return True
            elif not place.needed(target) and self._is_on_claimed_way(place, target):
                return True
        return False

    def position(self, place: Place, node: PlacedNode, *, entering: bool = False) -> Position:
        """Where a setter stands.

        It is "a list with one entry per nesting level from the outside in: (depth of the node or construct in its
        scope, id, index as a number); a construct's own outcome comes after its inside".

        Args:
            place: Where.
            node: Which node.
            entering: Of a construct: where its entry stands, before its inside.
        """
        entries: list[tuple[int, str, float]] = []
        if not isinstance(node, Verdict):
            plain = isinstance(node, (Step, Wait, Sleep))
            entries = [(self._depth(place, node), entry_id(node), 0 if plain else -1 if entering else math.inf)]
        while place.parent is not None and place.node is not None:
            entries.insert(0, (self._depth(place.parent, place.node), entry_id(place.node), place.index))
            place = place.parent
        return tuple(entries)

    def _depth(self, place: Place, node: PlacedNode) -> int:
        key = place.flow.id, node.id
        if key not in self._depths:
            self._depths[key] = place.depth(node)
        return self._depths[key]

    def values(self, namespace: Place, *, before: Position = (LAST,), folded: bool = False) -> dict[str, Any]:
        """The context values of a namespace; "of two setters of a name the greater position wins".

        Args:
            namespace: Which.
            before: Only what was set before this position.
            folded: Only what counts.
        """
        meaning = self.meaning
        values = dict(self.context) if namespace == meaning.root else dict(self._initial(namespace))
        for position, place, node, fact in self._setters:
            if place not in (namespace, *([place] if place.namespace == namespace else [])):
                continue
            if position < before and (not folded or self.counts(place, node)):
                values.update(fact.sets)
                for name in fact.deletes:
                    values.pop(name, None)
        return values

    def _initial(self, namespace: Place) -> Mapping[str, Any]:
        assert namespace.parent is not None
        assert namespace.node is not None
        entry = self.meaning.facts.outcomes[namespace.parent.begins_at(namespace.node)]
        return entry.context or {}

    def result_context(self) -> dict[str, Any]:
        """The values "folded from outcomes that are not unneeded or lie on a claimed way"."""
        return self.values(self.meaning.root, folded=True)

    def result_outputs(self) -> dict[str, Any]:
        """Each node's output by id; of a node in a loop, the last pass's."""
        outputs: dict[str, Any] = {}
        waiting = [self.meaning.root]
        while waiting:
            place = waiting.pop()
            for node in place.flow.nodes:
                if not self.counts(place, node):
                    continue
                if isinstance(node, Loop):
                    waiting.extend(self.meaning.begun(place, node)[-1:])
                for key, node_id in (
                    (place.ends_at(node), exit_id(node)),
                    (place.begins_at(node), entry_id(node)) if exit_id(node) != entry_id(node) else ("", ""),
                ):
                    fact: Fact | None = self.meaning.facts.outcomes.get(key)
                    if fact is not None and not fact.failed:
                        outputs[node_id] = fact.output
        return outputs
