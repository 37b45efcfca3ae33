"""What is to be undone of a run that has ended badly, and in which order.

The rules:

* Once nothing of the run is gone on with, every completed instance of a step that names an undo is undone: by whichever
  attempt or fallback it completed, unneeded or not. One that failed, or never ran, has nothing to undo; one that was
  cut off may have acted, and is undone if its node says so (``undo_unsure``), as is one that was voided.
* An instance is undone after all that came after it: what its ways on lead to, taken or not, the constructs around it
  and what follows from those, and the later passes of a loop. What nothing orders is undone side by side, as the items
  of a batch are. So what an undo takes back is still as it was when the instance ended.
* A called flow that fails, where that fails no run, is undone before its failure counts, and not again with what it was
  called from. One that completed is undone with that: what is inside of it in its place in the order. If the run, or a
  call around it, is to be undone while that is under way, an undo may begin as soon as either order says so.
* An undo that has failed for good is told of, and holds up no other.

``Undoing`` asks the graph and not what was taken in it: who knows the same outcomes gives the same order. It walks once
through all that there is of the run; an undo that has ended costs what waits for it, never the size of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeAlias

import attrs

from .instances import Instance, ScopeState
from .keys import STEP_IN
from .scopes import Construct, Graph, Kind
from .undoable import names_undo

#: A vertex of a scope, by the scope's identity and the vertex's index; or what comes after all in a scope.
_Unit: TypeAlias = tuple[int, int]
_AFTER = -1


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
    _ready: dict[str, Instance] = attrs.field(factory=dict, init=False)
    _scopes: dict[int, ScopeState] = attrs.field(factory=dict, init=False)
    _waits: dict[_Unit, int] = attrs.field(factory=dict, init=False)  # for how many others each is not done with
    _before: dict[_Unit, list[_Unit]] = attrs.field(factory=dict, init=False)  # those that wait for it

    def __attrs_post_init__(self) -> None:
        for scope in self._walk():
            self._scopes[id(scope)] = scope
            self._note(scope)
        self._go_on([unit for unit, number in self._waits.items() if not number])

    def ready(self) -> list[Instance]:
        """The instances whose undo may begin, or is under way: nothing that came after them is left to undo."""
        return list(self._ready.values())

    def end(self, key: str) -> list[Instance]:
        """Take in that the undo of an instance has ended; gives those whose undo may begin by that."""
        self.ended.add(key)
        instance = self._ready.pop(key, None)
        if instance is None:
            return []  # it is not its turn, as far as is known here; then nobody waits for it any more
        return self._go_on(self._done_with((id(instance.scope), instance.vertex.index)))

    def _walk(self) -> Iterator[ScopeState]:
        waiting = [self.root]
        while waiting:
            yield (scope := waiting.pop())
            waiting += [each for insides in scope.inside.values() for each in insides.values() if not each.undone]

    def _note(self, scope: ScopeState) -> None:
        """Note what each vertex of a scope comes before, and what is inside of its constructs."""
        me, after = id(scope), (id(scope), _AFTER)
        self._waits.setdefault(after, 0)
        for vertex in scope.scope.vertices:
            unit = (me, vertex.index)
            self._waits.setdefault(unit, 0)
            if vertex.kind is Kind.ENTRY and vertex.construct is not None:
                self._note_inside(scope, unit, vertex.construct)
            elif vertex.out:
                self._wait(unit, ((me, link.target) for link in vertex.out))
            else:
                self._wait(unit, [after])

    def _note_inside(self, scope: ScopeState, entry: _Unit, construct: Construct) -> None:
        behind: list[_Unit] = [(id(scope), construct.exit)]
        insides = {index: each for index, each in scope.inside.get(construct.entry, {}).items() if not each.undone}
        for index in sorted(insides, reverse=True):
            self._wait((id(insides[index]), _AFTER), behind)
            first = [
                (id(insides[index]), vertex.index) for vertex in insides[index].scope.vertices if not vertex.incoming
            ]
            if construct.kind == "loop":  # passes backwards
                behind = first
            else:  # side by side
                self._wait(entry, first)
        self._wait(entry, behind)

    def _wait(self, unit: _Unit, others: Iterable[_Unit]) -> None:
        for other in others:
            self._waits[unit] = self._waits.get(unit, 0) + 1
            self._before.setdefault(other, []).append(unit)

    def _done_with(self, unit: _Unit) -> list[_Unit]:
        """Those that wait for nothing any more once one is done with."""
        free = []
        for waiting in self._before.get(unit, ()):
            self._waits[waiting] -= 1
            if not self._waits[waiting]:
                free.append(waiting)
        return free

    def _go_on(self, free: list[_Unit]) -> list[Instance]:
        """From what waits for nothing to what is to be undone first."""
        found = []
        while free:
            unit = free.pop()
            scope, index = self._scopes[unit[0]], unit[1]
            if index != _AFTER and scope.scope.vertices[index].undo is not None:
                instance = scope.at(index)
                if self._is_due(instance):
                    self._ready[instance.key] = instance
                    found.append(instance)
                    continue
            free += self._done_with(unit)
        return found

    def _is_due(self, instance: Instance) -> bool:
        scope, vertex = instance
        if (key := instance.key) in self.ended:
            return False
        outcome = scope.outcomes.get(vertex.index)
        if outcome is not None and not outcome.void:
            return outcome.error is None
        config = vertex.node.config
        return (outcome is not None or key in self.unsure) and config is not None and config.undo_unsure is True


def calls_around(key: str, graph: Graph, graphs: Callable[[str], Graph]) -> list[str]:
    """The calls around an instance, or around what a key names, that undo themselves if they fail; from the outside in.

    Args:
        key: The instance's, or the prefix of a call, which is among them then.
        graph: The run's blueprint.
        graphs: Finds the blueprints of subflows by id.

    Returns:
        What the keys inside of each begin with.
    """
    found: list[str] = []
    scope, rest, is_held = graph.root, key, False
    while (match := STEP_IN.match(rest)) is not None and (construct := scope.by_construct.get(match[1])) is not None:
        exit_ = scope.vertices[construct.exit]
        is_held = is_held or construct.tolerant or exit_.sheltered or exit_.catches
        scope, rest = construct.body or graphs(construct.calls or "").root, rest[match.end() :]
        if match[3] == "/" and is_held and names_undo(scope, graphs):
            found.append(key[: len(key) - len(rest)])
    return found
