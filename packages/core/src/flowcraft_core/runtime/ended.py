"""The instances of a run that have ended, in that order: in columns that say where each is, and not the instances."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from ..graph.instances import Instance, ScopeState
from ..graph.items import Items
from ..graph.scopes import Kind


class Ended(Sequence[Instance]):
    """What has ended of a run. It grows with the run; who wants it as it is now takes ``until_now``.

    An instance in an item of a batch that is packed is made anew each time it is asked for.

    Attributes:
        steps: How many of them are steps; the bookkeeping of constructs does not count.
    """

    def __init__(self, instances: Iterable[Instance] = ()) -> None:
        """Begin with some.

        Args:
            instances: They have ended, in this order.
        """
        self.steps = 0
        self._length = 0
        self._places: list[ScopeState | Items] = []  # the scope that an instance stands in; for an item, all of them
        self._items = array("L")
        self._vertices = array("L")
        for instance in instances:
            self.append(instance)

    def append(self, instance: Instance) -> None:
        """Take in that an instance has ended."""
        scope, vertex = instance
        place: ScopeState | Items = scope
        if scope.parent is not None and scope.construct is not None and scope.construct.kind == "batch":
            items = scope.parent.inside[scope.construct.entry]
            place = items if isinstance(items, Items) else scope
        self._places.append(place)
        self._items.append(scope.index or 0)
        self._vertices.append(vertex.index)
        self._length += 1
        self.steps += vertex.kind is Kind.STEP

    def until_now(self) -> Ended:
        """What has ended so far, of the same columns: what ends later is not in it."""
        standing = Ended()
        standing.steps, standing._length = self.steps, self._length
        standing._places, standing._items, standing._vertices = self._places, self._items, self._vertices
        return standing

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Instance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Instance]: ...
    def __getitem__(self, index: int | slice) -> Instance | list[Instance]:
        if isinstance(index, slice):
            return [self._at(place) for place in range(self._length)[index]]
        return self._at(range(self._length)[index])

    def __iter__(self) -> Iterator[Instance]:
        return map(self._at, range(self._length))

    def _at(self, index: int) -> Instance:
        place = self._places[index]
        scope = place.look_at(self._items[index]) if isinstance(place, Items) else place
        return scope.at(self._vertices[index])
