"""The context store in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from flowcraft_core.ports import Fact, PositionedValue, StoreLimits

from .connection import Connection, batches, check, check_text
from .records import Record

T = TypeVar("T")


class RecordTable(Generic[T]):
    """Records by run and key, shared by all clients."""

    def __init__(self, new_record: Callable[[], Record[T]]) -> None:
        self._new_record = new_record
        self._records: dict[tuple[str, str], Record[T]] = {}

    def write_if(self, run_id: str, key: str, value: T, may: Callable[[T | None], bool], writer: object) -> T | None:
        """Write if what stands allows it; returns what stood."""
        record = self._records.setdefault((run_id, key), self._new_record())
        standing = record.newest
        if may(standing):
            record.write(value, writer)
        return standing

    def read(self, run_id: str, keys: Sequence[str], reader: object) -> dict[str, T]:
        """What this reader sees under those keys."""
        seen = ((key, record.read(reader)) for key in keys if (record := self._records.get((run_id, key))))
        return {key: value for key, value in seen if value is not None}

    def remove(self, run_id: str, key: str, writer: object) -> None:
        """Leave nothing under the key; others may see what stood there for a while."""
        if record := self._records.get((run_id, key)):
            record.write(None, writer)


class InMemoryContextStore:
    """A ``ContextStore`` on two tables. What the port's contract does not allow is a ``ValueError``."""

    def __init__(
        self,
        connection: Connection,
        facts: RecordTable[Fact],
        values: RecordTable[PositionedValue],
        limits: StoreLimits,
    ) -> None:
        self.limits = limits
        self._connection = connection
        self._facts = facts
        self._values = values

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        """See ``ContextStore.put``."""
        check_fact(run_id, key, fact, self.limits)
        return await self._connection.request(self._facts.write_if, run_id, key, fact, _is_none, self._connection)

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        """See ``ContextStore.get``."""
        return await self._read(self._facts, run_id, keys)

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        """See ``ContextStore.apply``; one request per name, so a crash may come between them."""
        _check_names(run_id, [*values])
        for name, value in values.items():
            _check_body(name, value.body or b"", self.limits)
            check_text(value.position)
            size = len(value.position.encode())
            check(size <= 4_000, f"the position of {name!r} is {size} bytes long; the longest is 4000")
        for name, value in values.items():
            await self._connection.request(self._apply, run_id, name, value)

    async def values(self, run_id: str, names: Sequence[str]) -> Mapping[str, PositionedValue]:
        """See ``ContextStore.values``."""
        return await self._read(self._values, run_id, names)

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        """See ``ContextStore.delete``; one request per key and name."""
        _check_names(run_id, [*keys, *names])
        for key in keys:
            await self._connection.request(self._facts.remove, run_id, key, self._connection)
        for name in names:
            await self._connection.request(self._values.remove, run_id, name, self._connection)

    async def _read(self, table: RecordTable[T], run_id: str, keys: Sequence[str]) -> Mapping[str, T]:
        _check_names(run_id, keys)
        found: dict[str, T] = {}
        for batch in batches(keys, self.limits.max_keys_read):
            found |= await self._connection.request(table.read, run_id, batch, self._connection)
        return found

    def _apply(self, run_id: str, name: str, value: PositionedValue) -> None:
        def may(standing: PositionedValue | None) -> bool:
            return standing is None or standing.position < value.position

        self._values.write_if(run_id, name, value, may, self._connection)


def _is_none(standing: object) -> bool:
    return standing is None


def check_fact(run_id: str, key: str, fact: Fact, limits: StoreLimits) -> None:
    """Refuse a fact that the port's contract does not allow.

    Raises:
        ValueError: It does not.
    """
    _check_names(run_id, [key])
    _check_body(key, fact.body, limits)
    check_text(fact.writer, fact.job)


def _check_body(key: str, body: bytes, limits: StoreLimits) -> None:
    longest = limits.max_value_bytes
    if len(body) > longest:
        raise ValueError(f"the body of {key!r} is {len(body)} bytes long; max_value_bytes is {longest}")


def _check_names(run_id: str, keys: Sequence[str]) -> None:
    if not 1 <= len(run_id) <= 300:
        raise ValueError(f"a run id has 1 to 300 characters, not {len(run_id)}")
    check_text(run_id, *keys)
    for key in keys:
        if not 1 <= len(key) <= 2_000:
            raise ValueError(f"a key has 1 to 2000 characters, not {len(key)}")
