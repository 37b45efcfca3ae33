"""The items of a batch that are known: those that have ended without anything remarkable are packed.

An item costs 2 KB as objects, through all of which Python's garbage collector goes again and again, so that each item
of a large batch would take longer than one of a small batch. What is left of an item that has ended is little: what its
steps gave, and when. So whoever keeps every item has that put into columns, of which there are four for all items of
the batch. How the items went, so far as that is the same for many of them, is told once.

Only an item is packed of which nobody asks anything but that: each of its vertices is done or dead, it has set no
context values, has no constructs or races inside, and took neither a fallback nor an edge with a value of its own. All
others stay as they are. Who asks for a packed item gets it as it was, and it stays unpacked from then on.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, TypeAlias

from .facts import OUTPUT, Outcome
from .instances import END, Mark, ScopeState
from .scopes import Scope

# How an item went: of each outcome the vertex, the action, the attempts and the places of the edges that were taken
# (None if they are what the vertex always takes); and the vertices that are dead.
_Course: TypeAlias = tuple[tuple[tuple[int, str | None, int, tuple[int, ...] | None], ...], tuple[int, ...]]


class Items(MutableMapping[int, ScopeState]):
    """The items of a batch that are known, by number, in their order.

    Attributes:
        scope: What each is an instance of.
        loose: Those that are not packed.
    """

    def __init__(self, scope: Scope, total: int, begin: Callable[[int], ScopeState]) -> None:
        """None are known.

        Args:
            scope: What each is an instance of.
            total: How many items the batch has.
            begin: Makes an item as it is before anything in it has ended.
        """
        self.scope = scope
        self.loose: dict[int, ScopeState] = {}
        self._begin = begin
        self._courses: list[_Course] = []
        self._numbers: dict[_Course, int] = {}
        self._outputs: list[Any] = []
        self._times = array("d")  # for each output when its attempt began, and when it ended
        self._course_of = array("L", bytes(total * array("L").itemsize))  # from 1, by item; 0 if that is not packed
        self._first_of = array("L", bytes(total * array("L").itemsize))  # by item: the first of its outputs

    def __getitem__(self, index: int) -> ScopeState:
        item = self.loose.get(index)
        if item is None:
            if not self.is_packed(index):
                raise KeyError(index)
            item = self.loose[index] = self._unpacked(index)
            self._course_of[index] = 0
        return item

    def get(self, index: int, default: Any = None) -> Any:  # noqa: D102 - as every mapping's, without an exception
        return self[index] if index in self else default  # noqa: SIM401 - that is this

    def __contains__(self, index: object) -> bool:
        return index in self.loose or (isinstance(index, int) and self.is_packed(index))

    def __setitem__(self, index: int, item: ScopeState) -> None:
        self.loose[index] = item

    def __delitem__(self, index: int) -> None:
        del self.loose[index]

    def __iter__(self) -> Iterator[int]:
        return (index for index in range(len(self._course_of)) if index in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def is_packed(self, index: int) -> bool:
        """Whether an item has ended, and is packed."""
        return index < len(self._course_of) and self._course_of[index] > 0

    def look_at(self, index: int) -> ScopeState:
        """A known item; one that is packed stays so, and what is given is a copy of it, which is another each time."""
        return self.loose.get(index) or self._unpacked(index)

    def outputs(self, index: int) -> Mapping[int, Any] | None:
        """What the steps of an item gave, by the indexes of their vertices; None if it is not packed."""
        if not self.is_packed(index):
            return None
        (outcomes, _), first = self._courses[self._course_of[index] - 1], self._first_of[index]
        return {outcome[0]: self._outputs[first + place] for place, outcome in enumerate(outcomes)}

    def pack(self, item: ScopeState) -> None:
        """Pack an item that has ended, if there is nothing remarkable in it."""
        index, course = item.index or 0, _course_of(item)
        if course is None or self.loose.pop(index, None) is None:
            return
        number = self._numbers.get(course)
        if number is None:
            self._courses.append(course)
            number = self._numbers[course] = len(self._courses)
        self._course_of[index], self._first_of[index] = number, len(self._outputs)
        for outcome in item.outcomes.values():
            self._outputs.append(outcome.output)
            self._times.append(outcome.started)
            self._times.append(outcome.ended)

    def _unpacked(self, index: int) -> ScopeState:
        item = self._begin(index)
        vertices = item.scope.vertices
        outcomes, dead = self._courses[self._course_of[index] - 1]
        for place, (vertex, action, attempts, edges) in enumerate(outcomes, self._first_of[index]):
            always = vertices[vertex].all_taken
            item.outcomes[vertex] = Outcome(
                output=self._outputs[place],
                action=action,
                taken=always if edges is None and always is not None else dict.fromkeys(edges or (), OUTPUT),
                attempts=attempts,
                started=self._times[2 * place],
                ended=self._times[2 * place + 1],
            )
        item.marks = dict.fromkeys(dead, Mark.SKIPPED)
        item.told = {END, *range(len(vertices))}
        item.ended = True
        return item


def unpacked(root: ScopeState) -> Iterator[ScopeState]:
    """A scope and all that are known inside it, but for items that are packed: in those is no failure, and no race."""
    waiting = [root]
    while waiting:
        scope = waiting.pop()
        yield scope
        for inside in scope.inside.values():
            waiting.extend((inside.loose if isinstance(inside, Items) else inside).values())


def _course_of(item: ScopeState) -> _Course | None:
    """How an item went that has ended; None if there is more to be told of it than that."""
    vertices = item.scope.vertices
    if (
        len(item.outcomes) + len(item.marks) != len(vertices)
        or item.inside
        or item.claims
        or item.blame
        or item.given is not None
        or any(mark is not Mark.SKIPPED for mark in item.marks.values())
    ):
        return None
    told: list[tuple[int, str | None, int, tuple[int, ...] | None]] = []
    for index, outcome in item.outcomes.items():
        if not _is_plain(outcome):
            return None
        taken = outcome.taken
        edges = None
        if taken is not vertices[index].all_taken:
            if any(value is not OUTPUT for value in taken.values()):
                return None
            edges = tuple(taken)
        told.append((index, outcome.action, outcome.attempts, edges))
    return tuple(told), tuple(item.marks)


def _is_plain(outcome: Outcome) -> bool:
    """Whether an outcome is one of a step that has succeeded by itself, and has done no more than to give an output."""
    return (
        outcome.error is None
        and outcome.sets is None
        and outcome.via is None
        and outcome.primary_error is None
        and outcome.worker is None
        and outcome.items is None
        and outcome.passes is None
        and outcome.blueprint is None
        and not outcome.void
    )
