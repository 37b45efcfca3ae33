"""What is to be undone of a run that has ended badly, and in which order.

The rules:

* Once nothing of the run is gone on with, every completed instance of a step that names an undo is undone: by whichever
  attempt or fallback it completed, moot or not. One that failed, or never ran, has nothing to undo; one that was cut
  off may have acted, and is undone if its node says so (``undo_unsure``), as is one that was voided.
* An instance is undone after all that came after it: what its ways on lead to, taken or not, the constructs around it
  and what follows from those, and the later passes of a loop. What nothing orders is undone side by side, as the items
  of a batch are. So what an undo takes back is still as it was when the instance ended.
* A called flow that fails, where that fails no run, is undone before its failure counts, and not again with what it was
  called from. One that completed is undone with that: what is inside of it in its place in the order.
* An undo that has failed for good is told of, and holds up no other.

``Undoing`` asks the graph and not what was taken in it: who knows the same outcomes gives the same order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs

from .instances import Instance, ScopeState
from .scopes import Construct, Graph, Kind


@attrs.define
class Undoing:
    """What is left to undo.

    Attributes:
        root: What is undone with all inside of it: the run's own scope or a call's, in a state that knows all facts.
        ended: The keys of the instances whose undo has ended, one way or the other.
        unsure: The keys of those that were cut off.
    """

    root: ScopeState
    ended: set[str] = attrs.field(factory=set)
    unsure: Collection[str] = ()
    _ready: list[Instance] = attrs.field(factory=list, init=False)

    def ready(self) -> list[Instance]:
        """The instances whose undo may begin, or is under way: nothing that came after them is left to undo.

        Costs a walk through all that there is of the run.
        """
        self._ready = []
        self._is_open(self.root, behind=False)
        return self._ready

    def _is_open(self, scope: ScopeState, *, behind: bool) -> bool:
        """Whether something in a scope, or ``behind`` it, is left to undo; what may begin is noted on the way."""
        vertices = scope.scope.vertices
        left: dict[int, bool] = {}
        for index in reversed(scope.scope.order):
            vertex = vertices[index]
            is_left = behind or any(left[link.target] for link in vertex.out)
            if vertex.kind is Kind.ENTRY and vertex.construct is not None:
                is_left = self._is_open_inside(scope, vertex.construct, behind=left[vertex.construct.exit])
            elif vertex.undo is not None and self._is_due(Instance(scope, vertex)):
                if not is_left:
                    self._ready.append(Instance(scope, vertex))
                is_left = True
            left[index] = is_left
        return behind or any(left.values())

    def _is_open_inside(self, scope: ScopeState, construct: Construct, *, behind: bool) -> bool:
        insides = {index: each for index, each in scope.inside.get(construct.entry, {}).items() if not each.undone}
        if construct.kind == "loop":  # passes backwards
            for index in sorted(insides, reverse=True):
                behind = self._is_open(insides[index], behind=behind)
            return behind
        left = [self._is_open(insides[index], behind=behind) for index in sorted(insides)]  # side by side
        return behind or any(left)

    def _is_due(self, instance: Instance) -> bool:
        scope, vertex = instance
        if (key := instance.key) in self.ended:
            return False
        outcome = scope.outcomes.get(vertex.index)
        if outcome is not None and not outcome.void:
            return outcome.error is None
        config = vertex.node.config
        return (outcome is not None or key in self.unsure) and config is not None and config.undo_unsure is True


def contained_undo(graph: Graph, graphs: Mapping[str, Graph]) -> str | None:
    """The id of a blueprint with an undo that is called where its failure may be contained; None if none is.

    Args:
        graph: The run's blueprint.
        graphs: That and all that it can call, by id.
    """
    seen: set[tuple[int, bool]] = set()
    waiting = [(graph.root, False)]
    while waiting:
        scope, is_contained = waiting.pop()
        if (id(scope), is_contained) in seen:
            continue
        seen.add((id(scope), is_contained))
        for construct in scope.constructs:
            exit_ = scope.vertices[construct.exit]
            is_held = is_contained or construct.tolerant or exit_.sheltered or exit_.catches
            if construct.body is not None:
                waiting.append((construct.body, is_held))
            elif construct.calls is not None:
                called = graphs[construct.calls]
                if is_held and called.undoes:
                    return construct.calls
                waiting.append((called.root, is_held))
    return None
