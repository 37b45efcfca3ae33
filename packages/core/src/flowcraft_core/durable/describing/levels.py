"""One level of a run: what was opened, what is in it, and a page of that. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import get_args

import attrs

from ...errors import ConfigurationError
from ...graph.instances import Instance, ScopeState
from ...graph.lanes import total_of
from ...graph.scopes import Construct, Kind, Vertex
from ...graph.standing import InstanceState, Standing, insides, shown
from ...graph.state import RunState
from .shapes import Inside, Way

_INDEX = re.compile(r"\[(\d{1,12})\]")
_CURSOR = re.compile(r"(\d{1,12})\.(\d{1,12})")


@attrs.frozen(eq=False)
class Level:
    """The instances that are shown together: those of one scope, or of all the scopes of a construct.

    Attributes:
        state: A whole state.
        scopes: The scopes that are known, in the order of their passes or items.
        batch: The batch whose items they are, with where it stands; also those belong to it that have not begun.
    """

    state: RunState
    scopes: Sequence[ScopeState]
    batch: tuple[ScopeState, Construct] | None = None

    def beginning_at(self, index: int) -> Iterator[ScopeState]:
        """The scopes from a pass or item on, but for those of which nothing is kept."""
        if self.batch is None:
            yield from (scope for scope in self.scopes if (scope.index or 0) >= index)
            return
        around, batch = self.batch
        for item in range(index, total_of(around.outcomes[batch.entry])):
            if not around.has_passed(batch, item):
                yield self.state.child(around, batch, item)

    def page(self, after: str | None, limit: int) -> tuple[list[Instance], str | None]:
        """Some of them, and where the next page begins.

        A cursor names a place: the pass or item, and which of its instances. Passes are only ever added, so that
        nothing is skipped or shown twice, whatever happens between two pages.

        Args:
            after: A cursor; None to begin.
            limit: How many at most.

        Raises:
            ConfigurationError: It is no cursor.
        """
        index, place = _place(after)
        found: list[Instance] = []
        last = ""
        for scope in self.beginning_at(index):
            own = scope.index or 0
            for position, instance in enumerate(shown(scope)):
                if own == index and position < place:
                    continue
                if len(found) == limit:
                    return found, last
                found.append(instance)
                last = f"{own}.{position + 1}"
        return found, None

    def ways(self) -> Iterator[Way]:
        """The edges of one of the scopes, which are those of each of them."""
        for scope in islice(self.beginning_at(0), 1):
            vertices = scope.scope.vertices
            for vertex in vertices:
                for link in vertex.out:
                    source, target = shown_id(vertex), shown_id(vertices[link.target])
                    condition = None if link.condition is None else link.condition.source
                    yield Way(
                        source=source,
                        target=target,
                        into=link.target_id,
                        action=link.action,
                        on=link.on,
                        condition=condition,
                    )


def shown_id(vertex: Vertex) -> str:
    """The node's id under which people see a vertex; of a construct that of the node that stands for it."""
    return vertex.node.id if vertex.construct is None else vertex.construct.node.id


def open_at(state: RunState, key: str) -> Level | None:
    """What is behind a key: the run (an empty one), a construct, or one of its items, passes or calls; None if nothing.

    Args:
        state: A whole state.
        key: As in ``InstanceDescription.key``; ``pages``, ``pages[17]`` and ``retry_loop[2].pages``, say.
    """
    scope, rest = state.root, key
    while rest:
        index = scope.scope.by_key.get(rest)
        named = None if index is None else scope.scope.vertices[index]
        if named is not None and named.kind in (Kind.ENTRY, Kind.EXIT) and named.construct is not None:
            return _level(state, scope, named.construct)
        found = _construct(scope, rest)
        if found is None:
            return None
        construct, rest = found
        match = _INDEX.match(rest)
        if not rest:
            return _level(state, scope, construct)
        if (match is None) is not (construct.kind == "subflow"):
            return None
        wanted = 0 if match is None else int(match[1])
        inside = scope.inside.get(construct.entry, {}).get(wanted)
        if inside is None and _has_item(scope, construct, wanted):
            inside = state.child(scope, construct, wanted)  # which has not begun
        rest = rest if match is None else rest[match.end() :]
        if inside is None or (rest and rest[0] != inside.prefix[-1]):
            return None
        scope, rest = inside, rest[1:]
    return Level(state, [scope])


def _level(state: RunState, scope: ScopeState, construct: Construct) -> Level:
    is_batch = construct.kind == "batch" and construct.entry in scope.outcomes
    return Level(state, insides(scope, construct), (scope, construct) if is_batch else None)


def _has_item(scope: ScopeState, construct: Construct, index: int) -> bool:
    entry = scope.outcomes.get(construct.entry)
    return construct.kind == "batch" and entry is not None and index < total_of(entry)


def counts(standing: Standing, level: Level) -> Counter[InstanceState]:
    """How many instances are in each state, in all scopes of a level; in the order in which the states are told of."""
    found = _counted(standing, level)
    return Counter({state: found[state] for state in get_args(InstanceState) if found[state]})


def _counted(standing: Standing, level: Level) -> Counter[InstanceState]:
    found = Counter(standing.of_instance(instance) for scope in level.scopes for instance in shown(scope))
    if level.batch is None:
        return found
    around, batch = level.batch
    if standing.passed is not None:
        found += standing.passed.counts(around, batch)
    total = total_of(around.outcomes[batch.entry])
    if (left := total - len(level.scopes) - around.passed.get(batch.entry, b"").count(1)) > 0:
        # Items that have not begun are all alike.
        item = level.state.imagined(around, batch, total)
        for instance in shown(item):
            found[standing.of_instance(instance)] += left
    return found


def folded(
    state: RunState, standing: Standing, scope: ScopeState, construct: Construct, under_way: int
) -> Inside | None:
    """What is inside a construct; None if it was not entered."""
    entry = scope.outcomes.get(construct.entry)
    if entry is None:
        return None
    level = _level(state, scope, construct)
    ended = sum(1 for inside in level.scopes if state.has_ended(inside))
    scopes = len(level.scopes)
    if level.batch is not None:
        scopes, ended = total_of(entry), ended + scope.passed.get(construct.entry, b"").count(1)
    return Inside(scopes=scopes, ended=ended, counts=dict(counts(standing, level)), under_way=under_way)


def _construct(scope: ScopeState, key: str) -> tuple[Construct, str] | None:
    """The construct that a key begins with, and what is left of the key."""
    name = re.split(r"[\[./]", key, maxsplit=1)[0]
    construct = scope.scope.by_construct.get(name)
    return None if construct is None else (construct, key[len(name) :])


def first_of(cursor: str | None) -> int:
    """The pass or item with which the page after a cursor begins."""
    return _place(cursor)[0]


def _place(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return 0, 0
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise ConfigurationError(
            f"Client.describe: after={cursor!r:.80} is no cursor: give a description's own `cursor`, or None to begin"
        )
    return int(match[1]), int(match[2])
