"""The context store: facts, and context values by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs


@attrs.frozen(kw_only=True)
class StoreLimits:
    """What a store can take.

    Attributes:
        max_value_bytes: Longest body of a fact or context value; longer ones are stored in chunks by the engine.
        max_keys_read: Keys per request of ``get`` and ``values``; the engine prices by it, the adapter splits by it.
        staleness: For how long a read may miss what another client has written, seconds; 0 if it never does.
    """

    max_value_bytes: int
    max_keys_read: int
    staleness: float = 0.0


@attrs.frozen
class Fact:
    """A write-once record.

    Attributes:
        body: What it says, at most ``StoreLimits.max_value_bytes`` long.
        writer: Who wrote it, unique for each attempt to write: a writer whose answer was lost knows itself by it.
        job: Id of the job under which it was written; empty if it was none.
    """

    body: bytes
    writer: str
    job: str = ""


@attrs.frozen
class PositionedValue:
    """A context value and where its setter stands.

    Attributes:
        position: Text whose order is the order of the setters, at most 4,000 bytes of UTF-8, compared by code point.
        body: The value, at most ``StoreLimits.max_value_bytes`` long; None says that it was deleted.
    """

    position: str
    body: bytes | None


class ContextStore(Protocol):
    """Holds each run's facts, and its context values by position. It is never asked to list keys.

    Bodies are given as the bytes that are stored, whatever they are: who asks decodes them. A fact or a value that is
    stored in another form altogether is given as some bytes that say so, or fails the call with ``BackendError`` that
    names the run and the key: only those who ask for that run are told. Nothing in it expires.
    """

    limits: StoreLimits

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        """Store a fact if there is none under the key; atomic against every other ``put`` of the key.

        Args:
            run_id: The run; any text of 1 to 300 characters.
            key: Any text of 1 to 2,000 characters.
            fact: What to store.

        Returns:
            None if it is stored now; else the fact that stands, which is never changed.

        Raises:
            ValueError: The body is longer than ``limits.max_value_bytes``; the message names the limit.
            TransientError: It may or may not be stored; ask again with the same writer.
        """

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        """The facts under those keys; keys without one, or whose fact is not visible yet, are left out.

        Any number of keys may be given, and all of those that can be found are returned: the adapter splits requests,
        and asks again for what a request left over.

        Raises:
            TransientError: Worth another try.
        """

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        """Set context values, each only if no value of a greater or equal position stands; atomic name by name.

        Raises:
            ValueError: A body is longer than ``limits.max_value_bytes``.
            TransientError: Worth another try; those that were applied are not changed by it.
        """

    async def values(self, run_id: str, names: Sequence[str]) -> Mapping[str, PositionedValue]:
        """The standing values of those names, deleted ones included; names never set are left out.

        Raises:
            TransientError: Worth another try.
        """

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        """Remove facts and values, any number of both; what does not exist is no error.

        A name is a name, and no pattern. Others may see what was removed within ``limits.staleness``.

        Raises:
            TransientError: Worth another try.
        """
