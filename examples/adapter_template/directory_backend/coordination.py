"""Counters, leases and sets: a file for each, changed one after the other. They are hints: no disk is waited for."""

# ruff: noqa: D102 - what a method does is said by the port

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from flowcraft_core.clock import Clock

from .files import Directory, hashed, read

#: What stands under a key, and until when; None if nothing does, or its time has run out.
Entry: TypeAlias = list[Any] | None


class DirectoryCoordinationStore:
    """A ``flowcraft_core.ports.CoordinationStore``."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory, self._clock = directory, clock

    async def increment(self, key: str, *, ttl: float) -> int:
        first = self._entry(1, ttl)
        counted = await self._change(key, lambda entry: [entry[0] + 1, entry[1]] if entry else first)
        return int((counted or first)[0])

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        mine = self._entry(value, ttl)
        return await self._change(key, lambda entry: entry or mine) is mine

    async def add_members(self, key: str, *members: str, ttl: float) -> int:

        def add(entry: Entry) -> Entry:
            return self._entry(sorted({*(entry[0] if entry else ()), *members}), ttl)

        return len((await self._change(key, add) or [()])[0])

    async def members(self, key: str) -> frozenset[str]:
        entry = await self._read(key)
        return frozenset(entry[0] if entry else ())

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        renewed = self._entry(value, ttl)
        return await self._change(key, lambda e: renewed if e and e[0] == value else e) is renewed

    async def delete(self, key: str, *, value: str | None = None) -> None:
        await self._change(key, lambda entry: entry if entry and value not in (None, entry[0]) else None)

    async def get(self, key: str) -> str | None:
        entry = await self._read(key)
        return str(entry[0]) if entry else None

    async def _read(self, key: str) -> Entry:
        return await self._directory.call(lambda: self._live(read(self._path(key))))

    async def _change(self, key: str, change: Callable[[Entry], Entry]) -> Entry:
        changed: list[Entry] = []

        def write(data: bytes | None) -> bytes | None:
            changed.append(change(self._live(data)))
            return None if changed[-1] is None else json.dumps(changed[-1], ensure_ascii=False).encode()

        await self._directory.call(lambda: self._directory.change(self._path(key), write, sync=False))
        return changed[-1]

    def _live(self, data: bytes | None) -> Entry:
        entry: Entry = json.loads(data or b"null")
        return entry if entry and entry[1] > self._clock.now() else None

    def _entry(self, content: Any, ttl: float) -> list[Any]:
        return [content, self._clock.now() + ttl]

    def _path(self, key: str) -> Path:
        return self._directory.root / "hints" / hashed(key)
