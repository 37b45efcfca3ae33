"""Facts and context values in Cosmos DB: a document each, in the partition of their run."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Fact, PositionedValue, StoreLimits
from flowcraft_core.reading import readable

from ._calls import at_once
from ._cosmos import FORMAT, Container, Document, require_format
from ._names import document_id, is_hashed, partition_key

T = TypeVar("T")

# Between two looks for a document that must be there, and is not visible yet, seconds.
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)

# Each time that a value cannot be replaced, another setter has got on.
_SET_TRIES = 50


class CosmosContextStore:
    """A ``flowcraft_core.ports.ContextStore`` in a container that is partitioned by ``/runId``.

    A fact is created if its id is absent; a value is replaced if its ETag is the one that was read. Bodies are base64,
    so that the longest takes 1 MB of the 2 MB that a document can have.
    """

    def __init__(self, container: Container, *, staleness: float = 2.0) -> None:
        """Use a container that may not be open yet.

        Args:
            container: Where the documents are.
            staleness: For how long a read may miss what another client has written, seconds. Under session consistency,
                which is the default of an account, this is replication within the region, of milliseconds.
        """
        self.limits = StoreLimits(max_value_bytes=750_000, max_keys_read=100, staleness=staleness)
        self.container = container

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        """Store a fact if there is none under the key; else give the one that stands."""
        self._require_room(fact.body, f"fact {key!r:.80} of run {run_id!r:.80}")
        partition, id_ = partition_key(run_id), document_id("fact", key)
        document = {
            **_named(run_id, "fact", key),
            "writer": fact.writer,
            "job": fact.job,
            "body": _text(fact.body),
        }
        if await self.container.create(document):
            return None
        # It stands, so a replica that does not show it yet is behind.
        for pause in _PAUSES:
            if (standing := await self.container.read(id_, partition)) is not None:
                return _fact(standing)
            await asyncio.sleep(pause)
        raise TransientError(f"run {run_id!r}: fact {key!r:.80} stands, but no replica shows it yet")

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        """The facts under those keys; keys without one, or whose fact is not visible yet, are left out."""
        return await self._read(run_id, "fact", keys, _fact)

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        """Set context values, each only if no value of a greater or equal position stands."""
        for name, value in values.items():
            self._require_room(value.body or b"", f"context value {name!r:.80} of run {run_id!r:.80}")
        await at_once(lambda item: self._set(run_id, *item), values.items())

    async def values(self, run_id: str, names: Sequence[str]) -> Mapping[str, PositionedValue]:
        """The standing values of those names, deleted ones included; names never set are left out."""
        return await self._read(run_id, "value", names, _value)

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        """Remove facts and values; what does not exist is no error."""
        partition = partition_key(run_id)
        ids = [document_id("fact", key) for key in keys] + [document_id("value", name) for name in names]
        await at_once(lambda id_: self.container.delete(id_, partition), dict.fromkeys(ids))

    async def _set(self, run_id: str, name: str, value: PositionedValue) -> None:
        partition, id_ = partition_key(run_id), document_id("value", name)
        body = None if value.body is None else _text(value.body)
        document = {**_named(run_id, "value", name), "position": value.position, "body": body}
        # Most names are set once; so creating comes first.
        if await self.container.create(document):
            return
        for _ in range(_SET_TRIES):
            standing = await self.container.read(id_, partition)
            if standing is None:  # not visible yet, or deleted since
                await asyncio.sleep(_PAUSES[0])
                if await self.container.create(document):
                    return
                continue
            # Compared here and not by a condition of Cosmos DB: positions are ordered by code point.
            if _value(standing).position >= value.position:
                return
            if await self.container.replace({**standing, **document}):
                return
        raise TransientError(f"run {run_id!r}: context value {name!r:.80} is set by many at once; try again")

    async def _read(self, run_id: str, kind: str, keys: Iterable[str], decode: Callable[[Document], T]) -> dict[str, T]:
        partition = partition_key(run_id)
        by_id = {document_id(kind, key): key for key in keys}
        ids, size = list(by_id), self.limits.max_keys_read
        parts = [ids[start : start + size] for start in range(0, len(ids), size)]
        found = await at_once(lambda part: self._read_part(partition, part), parts)
        return {by_id[document["id"]]: decode(document) for documents in found for document in documents}

    async def _read_part(self, partition: str, ids: Sequence[str]) -> Sequence[Document]:
        if len(ids) == 1:  # a point read costs a third of a query
            document = await self.container.read(ids[0], partition)
            return [] if document is None else [document]
        names = {f"id{place}": id_ for place, id_ in enumerate(ids)}
        listed = ", ".join(f"@{name}" for name in names)
        return await self.container.query(f"c.runId = @run AND c.id IN ({listed})", partition, run=partition, **names)

    def _require_room(self, body: bytes, what: str) -> None:
        most = self.limits.max_value_bytes
        if len(body) > most:
            raise ValueError(f"{what} has {len(body)} bytes: CosmosContextStore takes {most} (max_value_bytes)")


def _named(run_id: str, kind: str, key: str) -> Document:
    """The beginning of a document, which says what it is of even where ids and partition keys are hashes."""
    id_, partition = document_id(kind, key), partition_key(run_id)
    named: Document = {"id": id_, "runId": partition, "v": FORMAT}
    if partition != run_id:
        named["run"] = run_id
    if is_hashed(id_):
        named["key"] = key
    return named


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _fact(document: Document) -> Fact:
    _require_format(document)
    with readable(_called(document)):
        return Fact(_bytes(document["body"]), _text_of(document, "writer"), _text_of(document, "job"))


def _value(document: Document) -> PositionedValue:
    _require_format(document)
    with readable(_called(document)):
        body = document["body"]
        return PositionedValue(_text_of(document, "position"), None if body is None else _bytes(body))


def _text_of(document: Document, name: str) -> str:
    text = document[name]
    if not isinstance(text, str):
        raise TypeError(f"its {name!r} is {text!r:.80}")
    return text


def _require_format(document: Document) -> None:
    require_format(document, _called(document))


def _called(document: Document) -> str:
    return f"document {document['id']!r:.300} of run {document.get('runId')!r}"
