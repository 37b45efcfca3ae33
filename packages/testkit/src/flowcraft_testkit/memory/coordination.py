"""The coordination store in memory."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

import attrs
from flowcraft_core.clock import Clock
from flowcraft_core.errors import BackendError

from .connection import Connection, check, check_text

T = TypeVar("T", int, str, set[str])


@attrs.define
class _Entry:
    content: int | str | set[str]
    expires: float


class HintTable:
    """The hints that all clients share. Each method is one effect of a request.

    What has expired stays in the table, as it does in DynamoDB for days; it is only never looked at again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    def increment(self, key: str, ttl: float) -> int:
        """Count from 0; the time to live is the first call's."""
        entry = self._get_or_add(key, 0, ttl)
        entry.content = self._as(int, key, entry) + 1
        return entry.content

    def set_if_absent(self, key: str, value: str, ttl: float) -> bool:
        """Set what nothing stands under."""
        if self._get(key):
            return False
        self._entries[key] = _Entry(value, self._clock.now() + ttl)
        return True

    def add_members(self, key: str, members: Collection[str], ttl: float) -> int:
        """Add to a set and renew its time."""
        entry = self._get_or_add(key, set(), ttl)
        standing = self._as(set, key, entry)
        check(len(standing.union(members)) <= 200, f"the set {key!r} has 200 members, and has room for no more")
        standing.update(members)
        entry.expires = self._clock.now() + ttl
        return len(standing)

    def members(self, key: str) -> frozenset[str]:
        """What is in a set."""
        entry = self._get(key)
        return frozenset(self._as(set, key, entry)) if entry else frozenset()

    def extend_ttl(self, key: str, value: str, ttl: float) -> bool:
        """Renew what has this value."""
        entry = self._get(key)
        if entry is None or entry.content != value:
            return False
        entry.expires = self._clock.now() + ttl
        return True

    def delete(self, key: str, value: str | None) -> None:
        """Remove a key, or only one with this value."""
        entry = self._get(key)
        if entry and (value is None or entry.content == value):
            del self._entries[key]

    def get(self, key: str) -> str | None:
        """A value, or a counter's sum."""
        entry = self._get(key)
        if entry is None:
            return None
        return entry.content if isinstance(entry.content, str) else str(self._as(int, key, entry))

    def clear(self) -> None:
        """Remove every key."""
        self._entries.clear()

    def _get(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        return entry if entry and entry.expires > self._clock.now() else None

    def _get_or_add(self, key: str, content: int | set[str], ttl: float) -> _Entry:
        entry = self._get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(content, self._clock.now() + ttl)
        return entry

    @staticmethod
    def _as(kind: type[T], key: str, entry: _Entry) -> T:
        if not isinstance(entry.content, kind):
            raise BackendError(f"the key {key!r} holds a {type(entry.content).__name__}, not a {kind.__name__}")
        return entry.content


class InMemoryCoordinationStore:
    """A ``CoordinationStore`` on a ``HintTable``. It refuses what the contract does not allow with ``ValueError``."""

    def __init__(self, connection: Connection, table: HintTable) -> None:
        self._connection = connection
        self._table = table

    async def increment(self, key: str, *, ttl: float) -> int:
        """See ``CoordinationStore.increment``."""
        check_text(key)
        _check_ttl(ttl)
        return await self._connection.request(self._table.increment, key, ttl)

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        """See ``CoordinationStore.set_if_absent``."""
        check_text(key, value)
        _check_ttl(ttl)
        return await self._connection.request(self._table.set_if_absent, key, value, ttl)

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        """See ``CoordinationStore.add_members``."""
        check_text(key, *members)
        _check_ttl(ttl)
        longest = max(map(len, members), default=0)
        check(longest <= 40, f"a member has at most 40 characters, not {longest}")
        return await self._connection.request(self._table.add_members, key, members, ttl)

    async def members(self, key: str) -> frozenset[str]:
        """See ``CoordinationStore.members``."""
        check_text(key)
        return await self._connection.request(self._table.members, key)

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        """See ``CoordinationStore.extend_ttl``."""
        check_text(key, value)
        _check_ttl(ttl)
        return await self._connection.request(self._table.extend_ttl, key, value, ttl)

    async def delete(self, key: str, *, value: str | None = None) -> None:
        """See ``CoordinationStore.delete``."""
        check_text(key, value)
        await self._connection.request(self._table.delete, key, value)

    async def get(self, key: str) -> str | None:
        """See ``CoordinationStore.get``."""
        check_text(key)
        return await self._connection.request(self._table.get, key)


def _check_ttl(ttl: float) -> None:
    check(ttl > 0, f"a time to live is more than 0 s, not {ttl}")
