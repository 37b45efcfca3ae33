"""Finds runs by state, flow, tags and time: by what the store can look up, and of what it gives by looking at it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypedDict, get_args

import attrs

from ..errors import ConfigurationError
from ..ports import NewestFirst, Page, RunStatus, State, StatusStore
from ..settings import LONGEST, by_name, text

#: A point in time: seconds since the epoch, or a ``datetime``; one without a time zone is meant in UTC.
When: TypeAlias = float | datetime

#: So many runs on a page at most.
MOST_FOUND = 1_000

# How often the store is asked for one page, if little of what it gives is wanted.
_ASKED = 20

# The states that can be asked for: those of runs, and of dead letters, which are none, but no schedules.
_ASKED_FOR: tuple[State, ...] = tuple(state for state in get_args(State) if state != "schedule")
_OF_RUNS: tuple[State, ...] = tuple(state for state in _ASKED_FOR if state != "dead")


class RunFilters(TypedDict, total=False):
    """Which runs are meant; those of which all that is given is true.

    Attributes:
        flow: The id of their flow.
        tags: Tags that they have, perhaps among others.
        created_since: Started at this time or later.
        created_until: Started before this time.
        updated_since: Their status was last written at this time or later: by a start, a reconciler or an end.
        updated_until: It was last written before this time.
    """

    flow: str | None
    tags: Mapping[str, str] | None
    created_since: When | None
    created_until: When | None
    updated_since: When | None
    updated_until: When | None


@attrs.frozen(kw_only=True)
class Wanted:
    """Which runs are wanted, as it was understood.

    Attributes:
        states: In any of these states.
        flow: Of this flow.
        tags: With these tags.
        created: Started in this stretch of time, of which each end may be open; the later one is not part of it.
        updated: Their status was last written in this one.
    """

    states: tuple[State, ...]
    flow: str | None
    tags: Mapping[str, str]
    created: tuple[float | None, float | None]
    updated: tuple[float | None, float | None]

    @classmethod
    def of(cls, states: Sequence[str], filters: RunFilters) -> Wanted:
        """What a caller has asked for.

        Raises:
            ConfigurationError: There is no such state or filter, or it is no time.
        """
        unknown = [name for name in filters if name not in RunFilters.__annotations__]
        if unknown:
            raise ConfigurationError(
                f"Client.runs: there is no filter {unknown[0]!r}; there are {', '.join(RunFilters.__annotations__)}"
            )
        return cls(
            states=_states(states),
            flow=None if (flow := filters.get("flow")) is None else text("Client.runs: flow", flow),
            tags={} if (tags := filters.get("tags")) is None else dict(by_name("Client.runs: tags", tags)),
            created=(_seconds("created_since", filters), _seconds("created_until", filters)),
            updated=(_seconds("updated_since", filters), _seconds("updated_until", filters)),
        )

    def __contains__(self, status: RunStatus) -> bool:
        """Whether a status is one of those that are wanted."""
        return (
            status.state in self.states
            and self.flow in (None, status.blueprint_id)
            and self.tags.items() <= dict(status.tags).items()
            and _is_within(status.created, self.created)
            and _is_within(status.updated, self.updated)
        )


@attrs.frozen
class RunFinder:
    """Finds runs in a store.

    Attributes:
        store: The store.
        wanted: Which runs.
        newest_first: In the order of their starts.
    """

    store: StatusStore
    wanted: Wanted
    newest_first: bool

    @classmethod
    def of(cls, store: StatusStore, wanted: Wanted, newest_first: bool | None) -> RunFinder:
        """One that gives the newest first if that is asked for, or nothing is and the store can.

        Raises:
            ConfigurationError: It is asked for, and the store cannot.
        """
        can = getattr(store, "find_newest", None) is not None
        if newest_first and not can:
            raise ConfigurationError(
                "Client.runs: this backend's store cannot give runs in the order of their starts; leave newest_first "
                "out, and sort what is found, perhaps narrowed by created_since"
            )
        return cls(store, wanted, can if newest_first is None else newest_first)

    async def page(self, cursor: str | None, limit: int) -> tuple[list[RunStatus], str | None]:
        """A page, and where the next one begins.

        Raises:
            ConfigurationError: The cursor is none that was given for this question.
        """
        place, of_store = self._read(cursor)
        found: list[RunStatus] = []
        for _ in range(_ASKED):
            # Never more than is still wanted: what is left over would be on no page.
            page = await self._ask(place, of_store, limit - len(found), cursor)
            found += [status for status in page.items if status in self.wanted]
            of_store = page.cursor
            if of_store is None:
                place += 1
            if place == self._places:
                return found, None
            if len(found) == limit:
                break
        return found, self._write(place, of_store)

    async def all(self) -> AsyncIterator[RunStatus]:
        """All of them, in pages of the store's own size."""
        for place in range(self._places):
            cursor: str | None = None
            while True:
                page = await self._ask(place, cursor, 100, cursor)
                for status in page.items:
                    if status in self.wanted:
                        yield status
                cursor = page.cursor
                if cursor is None:
                    break

    @property
    def _places(self) -> int:
        """How many questions are asked of the store, one after the other."""
        return 1 if self.newest_first else len(self.wanted.states)

    async def _ask(self, place: int, of_store: str | None, limit: int, cursor: str | None) -> Page:
        try:
            if not self.newest_first:
                return await self.store.find(state=self.wanted.states[place], cursor=of_store, limit=limit)
            store: NewestFirst = self.store  # type: ignore[assignment]  # ``of`` has looked
            since, until = self.wanted.created
            return await store.find_newest(
                states=self.wanted.states,
                blueprint_id=self.wanted.flow,
                created_since=since,
                created_until=until,
                cursor=of_store,
                limit=limit,
            )
        except ValueError as error:
            raise _no_cursor(cursor) from error

    def _write(self, place: int, of_store: str | None) -> str:
        asked = ["newest" if self.newest_first else "any", *self.wanted.states]
        return base64.urlsafe_b64encode(json.dumps([asked, place, of_store]).encode()).decode()

    def _read(self, cursor: str | None) -> tuple[int, str | None]:
        if cursor is None:
            return 0, None
        try:
            asked, place, of_store = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
            if asked != ["newest" if self.newest_first else "any", *self.wanted.states]:
                raise ValueError(asked)
            if type(place) is not int or not 0 <= place < self._places or not isinstance(of_store, str | None):
                raise ValueError(place)
        except (ValueError, TypeError, RecursionError) as error:
            raise _no_cursor(cursor) from error
        return place, of_store


def _no_cursor(cursor: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"Client.runs_page: after={cursor!r:.80} is no cursor of this question: give the `cursor` of the page before, "
        "with the same states, or None to begin"
    )


def _states(states: Sequence[str]) -> tuple[State, ...]:
    for state in states:
        if state not in _ASKED_FOR:
            there_are = f"the states are {', '.join(_ASKED_FOR)}; schedules are listed by Client.schedules.list"
            raise ConfigurationError(f"Client.runs: there is no state {state!r:.80} of runs; {there_are}")
    return tuple(state for state in _ASKED_FOR if state in states) or _OF_RUNS


def _seconds(name: str, filters: Mapping[str, Any]) -> float | None:
    given = filters.get(name)
    if isinstance(given, datetime):
        return (given if given.tzinfo is not None else given.replace(tzinfo=UTC)).timestamp()
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not abs(given) <= LONGEST:
        raise ConfigurationError(f"Client.runs: {name} is a datetime, or seconds since the epoch, not {given!r:.80}")
    return float(given)


def _is_within(time: float, stretch: tuple[float | None, float | None]) -> bool:
    since, until = stretch
    return (since is None or time >= since) and (until is None or time < until)
