"""The coordination store: counters, leases and sets."""

from __future__ import annotations

from typing import Protocol


class CoordinationStore(Protocol):
    """Counters, leases and sets that may vanish at any moment. Every key has a time to live, in seconds.

    A key is any text of 1 to 4,000 characters; an adapter whose store takes less hashes what is longer. A key whose
    time has run out is as good as gone, whether or not the store has removed it yet; fractions of a second count. Only
    what says that it renews a time renews it: reading does not. While it lives, a key is used as
    one kind, be it a counter, a value or a set; what happens to it when it is used as another is not defined.
    """

    async def increment(self, key: str, *, ttl: float) -> int:
        """Add one to a counter that begins at 0, and return the sum; the time to live is that of the first call.

        Raises:
            TransientError: It may or may not be applied: a counter counts at least what happened.
        """

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        """Set a value if the key has none, as a lease is taken; True if it is set now.

        Raises:
            TransientError: It may or may not be set; ``get`` tells.
        """

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        """Add to a set, and return how many members it has; adding twice counts once. Each call renews the time.

        All of them are added in one request, atomically.

        A set has at most 200 members, of at most 40 characters each.

        Raises:
            TransientError: It may or may not be applied; calling again does no harm.
        """

    async def members(self, key: str) -> frozenset[str]:
        """The members of a set; none if there is no such set.

        Raises:
            TransientError: Worth another try.
        """

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        """Renew a key that has this value, as its holder renews a lease; False if it has another, or none.

        Raises:
            TransientError: It may or may not be renewed.
        """

    async def delete(self, key: str, *, value: str | None = None) -> None:
        """Remove a key; given a value, only if that is what it has, as a holder gives a lease back.

        Raises:
            TransientError: Worth another try.
        """

    async def get(self, key: str) -> str | None:
        """The value of a key that was set by ``set_if_absent``, or a counter's sum as text; None if there is none.

        Raises:
            TransientError: Worth another try.
        """
