"""A program's own rows, which are stored in one transaction with runs and outcomes, where a backend has that power."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class ProgramRows(Protocol):
    """What the author of a backend with transactions gives: a table of a program's, each row of which is a text.

    Give it as the fixture ``rows``, and declare ``transactions``. Like ``SideDoor`` it does not go through the adapter.
    """

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """A connection as a program has one, in a transaction that the block is; rolled back if that raises."""

    async def write(self, connection: Any, row: str) -> None:
        """Store a row by such a connection, or by one of ``Transactional.begin``; two may be the same."""

    async def read(self) -> Collection[str]:
        """All rows that were committed."""
