"""One level of a run: what was opened, what is in it, and a page of that. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import attrs

from ...errors import ConfigurationError
from ...graph.instances import Instance, ScopeState
from ...graph.scopes import Construct, Kind, Vertex
from ...graph.standing import InstanceState, Standing, insides, shown
from .shapes import Inside, Way

_INDEX = re.compile(r"\[(\d{1,12})\]")
_CURSOR = re.compile(r"(\d{1,12})\.(\d{1,12})")


@attrs.frozen(eq=False)
class Level:
    """The instances that are shown together: those of one scope, or of all the scopes of a construct.

    Attributes:
        scopes: The scopes, in the order of their passes or items.
    """

    scopes: Sequence[ScopeState]

    def instances(self) -> Iterator[Instance]:
        """All of them, in order."""
        for scope in self.scopes:
            yield from shown(scope)

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
        for scope in self.scopes:
            own = scope.index or 0
            if own < index:
                continue
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
        for scope in self.scopes[:1]:
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


def open_at(root: ScopeState, key: str) -> Level | None:
    """What is behind a key: the run (an empty one), a construct, or one of its items, passes or calls; None if nothing.

    Args:
        root: The run's own scope.
        key: As in ``InstanceDescription.key``; ``pages``, ``pages[17]`` and ``retry_loop[2].pages``, say.
    """
    scope, rest = root, key
    while rest:
        index = scope.scope.by_key.get(rest)
        named = None if index is None else scope.scope.vertices[index]
        if named is not None and named.kind in (Kind.ENTRY, Kind.EXIT) and named.construct is not None:
            return Level(insides(scope, named.construct))
        found = _construct(scope, rest)
        if found is None:
            return None
        construct, rest = found
        match = _INDEX.match(rest)
        if not rest:
            return Level(insides(scope, construct))
        if (match is None) is not (construct.kind == "subflow"):
            return None
        wanted = 0 if match is None else int(match[1])
        inside = scope.inside.get(construct.entry, {}).get(wanted)
        rest = rest if match is None else rest[match.end() :]
        if inside is None or (rest and rest[0] != inside.prefix[-1]):
            return None
        scope, rest = inside, rest[1:]
    return Level([scope])


def counts(standing: Standing, scopes: Sequence[ScopeState]) -> Counter[InstanceState]:
    """How many instances are in each state, in all of some scopes."""
    return Counter(standing.of_instance(instance) for instance in Level(scopes).instances())


def folded(standing: Standing, scope: ScopeState, construct: Construct, under_way: int) -> Inside | None:
    """What is inside a construct; None if it was not entered."""
    if construct.entry not in scope.outcomes:
        return None
    scopes = insides(scope, construct)
    ended = sum(1 for inside in scopes if standing.state.has_ended(inside))
    return Inside(scopes=len(scopes), ended=ended, counts=dict(counts(standing, scopes)), under_way=under_way)


def _construct(scope: ScopeState, key: str) -> tuple[Construct, str] | None:
    """The construct that a key begins with, and what is left of the key."""
    name = re.split(r"[\[./]", key, maxsplit=1)[0]
    construct = scope.scope.by_construct.get(name)
    return None if construct is None else (construct, key[len(name) :])


def _place(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return 0, 0
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise ConfigurationError(
            f"Client.describe: after={cursor!r:.80} is no cursor: give a description's own `cursor`, or None to begin"
        )
    return int(match[1]), int(match[2])
