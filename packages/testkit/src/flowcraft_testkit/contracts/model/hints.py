"""A key of the coordination store: a counter, a value or a set, and until when it lives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from .knowledge import Part


@attrs.frozen
class Hint:
    """What lives for a while.

    Attributes:
        content: A count, a value, or a frozenset of members.
        earliest: Until then it surely lives, seconds.
        latest: From then on it surely does not.
    """

    content: Any
    earliest: float
    latest: float


class HintModel:
    """A key that is used as one kind. Parts are the port's methods; times to live are in what is given."""

    pends = True

    def __init__(self, early: float, late: float) -> None:
        """Know how much sooner or later than it should be a key may expire, seconds."""
        self._early, self._late = early, late

    def nothing(self) -> Hint | None:
        """No key."""
        return None

    def after(self, standing: Hint | None, part: Part) -> Iterable[Hint | None]:
        """See ``Model``."""
        for now in self._now(standing, part):
            answer, after = self._step(now, part)
            if part.may_answer(answer):
                yield after

    def _now(self, standing: Hint | None, part: Part) -> Iterator[Hint | None]:
        """What has become of it by the time of the call."""
        if standing is None or part.begun < standing.latest:
            yield standing
        if standing is not None and part.ended >= standing.earliest:
            yield None
            yield None

    def _step(self, now: Hint | None, part: Part) -> tuple[Any, Hint | None]:
        name, given = part.name, part.given
        if name == "increment":
            count = 1 + (now.content if now else 0)
            return count, attrs.evolve(now, content=count) if now else self._new(count, given, part)
        if name == "set_if_absent":
            value, ttl = given
            return now is None, now or self._new(value, ttl, part)
        if name == "add_members":
            members, ttl = given
            union = frozenset(members) | (now.content if now else frozenset())
            return len(union), self._new(union, ttl, part)
        if name == "members":
            return (now.content if now else frozenset()), now
        if name == "extend_ttl":
            value, ttl = given
            holds = now is not None and now.content == value
            return holds, self._new(value, ttl, part) if holds else now
        if name == "delete":
            return None, None if now is None or given in (None, now.content) else now
        return (None if now is None else str(now.content)), now  # get

    def _new(self, content: Any, ttl: float, part: Part) -> Hint:
        return Hint(content, part.begun + ttl - self._early, part.ended + ttl + self._late)
