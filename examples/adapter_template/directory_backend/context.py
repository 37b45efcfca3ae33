"""Facts and context values: a file for each, a directory for each run. A file has a line of JSON, then the body."""

# ruff: noqa: D102 - what a method does is said by the port

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from flowcraft_core.ports import Fact, PositionedValue, StoreLimits

from .files import Directory, check, hashed, read, remove


class DirectoryContextStore:
    """A ``flowcraft_core.ports.ContextStore``."""

    limits = StoreLimits(max_value_bytes=1_000_000, max_keys_read=100)

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        data = self._encoded(fact.body, key=key, writer=fact.writer, job=fact.job)
        path = self._path("facts", run_id, key)

        def write() -> Fact | None:
            while not self._directory.write_new(path, data):
                if (standing := _fact(read(path))) is not None:  # else it was deleted meanwhile
                    return standing
            return None

        return await self._directory.call(write)

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        found = await self._read("facts", run_id, keys)
        return {key: fact for key, data in found.items() if (fact := _fact(data)) is not None}

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        encoded = {
            name: self._encoded(value.body or b"", name=name, position=value.position, deleted=value.body is None)
            for name, value in values.items()
        }

        def greater(name: str, data: bytes | None) -> bytes | None:
            standing = _value(data)
            return data if standing and standing.position >= values[name].position else encoded[name]

        def write() -> None:
            for name in values:
                self._directory.change(self._path("values", run_id, name), partial(greater, name))

        await self._directory.call(write)

    async def values(self, run_id: str, names: Sequence[str]) -> Mapping[str, PositionedValue]:
        found = await self._read("values", run_id, names)
        return {name: value for name, data in found.items() if (value := _value(data)) is not None}

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        paths = [self._path("facts", run_id, key) for key in keys]
        paths += [self._path("values", run_id, name) for name in names]
        await self._directory.call(lambda: remove(paths))

    async def _read(self, kind: str, run_id: str, keys: Sequence[str]) -> dict[str, bytes | None]:
        return await self._directory.call(lambda: {key: read(self._path(kind, run_id, key)) for key in keys})

    def _path(self, kind: str, run_id: str, key: str) -> Path:
        return self._directory.root / kind / hashed(run_id) / hashed(key)

    def _encoded(self, body: bytes, **header: Any) -> bytes:
        size, longest = len(body), self.limits.max_value_bytes
        check(size <= longest, f"a body has {size} bytes; max_value_bytes is {longest}")
        return json.dumps(header, ensure_ascii=False).encode() + b"\n" + body


def _fact(data: bytes | None) -> Fact | None:
    header, _, body = (data or b"null").partition(b"\n")
    fields = json.loads(header)
    return fields and Fact(body, fields["writer"], fields["job"])


def _value(data: bytes | None) -> PositionedValue | None:
    header, _, body = (data or b"null").partition(b"\n")
    fields = json.loads(header)
    return fields and PositionedValue(fields["position"], None if fields["deleted"] else body)
