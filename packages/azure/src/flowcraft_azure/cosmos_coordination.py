"""Counters, leases and sets in Cosmos DB, for those who have no Redis: a document per key."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from flowcraft_core.clock import Clock, SystemClock
from flowcraft_core.errors import TransientError
from flowcraft_core.reading import readable

from ._clients import require_unopened
from ._cosmos import MAX_PATCH_OPERATIONS, Container, Document
from ._names import document_id, partition_key
from .metrics import Metrics

_ID = document_id("key")

# A lost race means that somebody else got on.
_TRIES = 50
_PAUSE = 0.02


class CosmosCoordinationStore:
    """A ``flowcraft_core.ports.CoordinationStore`` in a container that is partitioned by ``/runId``.

    What has expired is as good as gone at once, by this machine's clock; Cosmos DB removes it in the background if the
    container has a time to live switched on (``default_ttl=-1``), as ``provision`` does.
    """

    def __init__(self, container: Container, *, clock: Clock | None = None) -> None:
        """Use a container that may not be open yet.

        Args:
            container: Where the documents are; it may be the one of the facts.
            clock: What times to live go by; by default the machine's clock.
        """
        self.container = container
        self._clock = clock or SystemClock()

    def again(self, metrics: Metrics) -> CosmosCoordinationStore:
        """The same with other metrics: for any event loop if its database was given a function, else for its."""
        database = self.container.database.again(metrics)
        return CosmosCoordinationStore(database.container(self.container.name), clock=self._clock)

    def require_unopened(self) -> None:
        """Raise ``ConfigurationError`` if the client has connections that another event loop could not use."""
        require_unopened(coordination_store=self.container.database.given)

    async def open(self) -> None:
        """Open the container."""
        await self.container.open()

    async def close(self) -> None:
        """Let go of the container."""
        await self.container.close()

    async def increment(self, key: str, *, ttl: float) -> int:
        """Add one to a counter that begins at 0, and return the sum; the time to live is that of the first call."""
        counted = await self._patch_or_begin(key, [("incr", "/sum", 1)], {"sum": 1, **self._until(ttl)})
        return int(counted["sum"])

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        """Set a value if the key has none; True if it is set now."""
        return await self._begin(key, {"value": value, **self._until(ttl)})

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        """Add to a set, renew its time, and return how many members it has."""
        named = {_member_name(member): member for member in members}
        until = self._until(ttl)
        operations = [("set", f"/{name}", value) for name, value in until.items()]
        operations += [("set", f"/members/{name}", member) for name, member in named.items()]
        begun = {"members": named, **until}
        if len(operations) <= MAX_PATCH_OPERATIONS:
            return len((await self._patch_or_begin(key, operations, begun))["members"])
        # Too many for one patch: read and replace, unless somebody else was faster.
        for _ in range(_TRIES):
            standing = await self._read(key)
            if standing is None:
                if await self._begin(key, begun):
                    return len(named)
                continue
            changed = {**standing, **until, "members": {**standing["members"], **named}}
            if await self.container.replace(changed):
                return len(changed["members"])
        raise self._contended(key)

    async def members(self, key: str) -> frozenset[str]:
        """The members of a set."""
        found = await self._read(key)
        return frozenset(() if found is None else found["members"].values())

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        """Renew a key that has this value; False if it has another, or none."""
        for _ in range(_TRIES):
            found = await self._read(key)
            if found is None or found["value"] != value:
                return False
            if await self.container.replace({**found, **self._until(ttl)}):
                return True
        raise self._contended(key)

    async def delete(self, key: str, *, value: str | None = None) -> None:
        """Remove a key; given a value, only if that is what it has."""
        if value is None:
            await self.container.delete(_ID, _partition(key))
            return
        for _ in range(_TRIES):
            found = await self._read(key)
            # Expired at once, and so never taken from somebody who has taken it since.
            if found is None or found["value"] != value or await self.container.replace({**found, **self._until(0)}):
                return
        raise self._contended(key)

    async def get(self, key: str) -> str | None:
        """The value of a key, or a counter's sum as text; None if there is none."""
        found = await self._read(key)
        if found is None:
            return None
        return str(found["sum"]) if "sum" in found else str(found["value"])

    async def _read(self, key: str) -> Document | None:
        """What lives under a key."""
        found = await self.container.read(_ID, _partition(key))
        with readable(f"coordination key {key!r:.80}"):
            return None if found is None or found["expires"] <= self._clock.now() else found

    async def _begin(self, key: str, content: Document) -> bool:
        """Put something under a key that has nothing, or only what has expired."""
        document = {"id": _ID, "runId": _partition(key), **content}
        for _ in range(_TRIES):
            if await self.container.create(document):
                return True
            found = await self.container.read(_ID, document["runId"])
            if found is None:
                await asyncio.sleep(_PAUSE)  # removed since, or not visible yet
            elif found["expires"] > self._clock.now():
                return False
            elif await self.container.replace({**document, "_etag": found["_etag"]}):
                return True
        raise self._contended(key)

    async def _patch_or_begin(self, key: str, operations: Sequence[tuple[str, str, Any]], begun: Document) -> Document:
        """Change what lives under a key, in one request; or begin it."""
        for _ in range(_TRIES):
            condition = f"c.expires > {self._clock.now()!r}"
            found = await self.container.patch(_ID, _partition(key), operations, condition)
            if found is not None:
                return found
            if await self._begin(key, begun):
                return begun
        raise self._contended(key)

    def _until(self, ttl: float) -> Document:
        # Cosmos DB counts its own time to live from the last write, in whole seconds.
        return {"expires": self._clock.now() + ttl, "ttl": max(1, math.ceil(ttl) + 60)}

    def _contended(self, key: str) -> TransientError:
        return TransientError(f"coordination key {key!r:.80} is changed by many at once; try again")


def _partition(key: str) -> str:
    return partition_key(f"key:{key}")


def _member_name(member: str) -> str:
    return f"m{member.encode().hex()}"
