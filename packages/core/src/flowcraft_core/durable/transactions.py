"""Transactions in which what a program stores is stored with what the engine stores, or neither is."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from ..errors import ConfigurationError, TransientError
from ..ports import Backend, ContextStore, Transactional

_NOT_HERE = (
    "this backend has no transactions that a program's rows can be part of: use one that has, such as PostgresBackend, "
    "with the tables in its database"
)


def transactional_of(backend: Backend, what: str) -> Transactional:
    """A backend's power to store things in transactions.

    Raises:
        ConfigurationError: It has not got it; the message says what needed it.
    """
    found: Transactional | None = getattr(backend, "transactional", None)
    if found is None:
        raise ConfigurationError(f"{what}: {_NOT_HERE}")
    return found


class StepTransaction:
    """What one attempt at a step stores with its outcome: begun when the step asks for a connection.

    Attributes:
        context: Where the outcome is to be put, as part of it; None if the step has not asked.
        trouble: Why there was none, or none any more: that is no failure of the step's, which is to be executed again.
    """

    def __init__(self, backend: Backend) -> None:
        """Begin nothing yet."""
        self.context: ContextStore | None = None
        self.trouble: TransientError | None = None
        self._backend = backend
        self._connection: Any = None
        self._open: contextlib.AsyncExitStack | None = None
        self._turn = asyncio.Lock()  # whoever asks while one is begun waits for that one, and so does who ends it

    @property
    def may_begin(self) -> bool:
        """Whether the backend has transactions that a step can ask for."""
        return getattr(self._backend, "transactional", None) is not None

    async def connection(self, key: str) -> Any:
        """The connection, in the transaction; the same one each time.

        Args:
            key: The instance that asks, for messages.

        Raises:
            ConfigurationError: The backend has no such transactions.
            TransientError: None can be begun just now.
        """
        async with self._turn:
            if self.context is None:
                power = transactional_of(self._backend, f"node {key!r}: ctx.connection")
                begun = contextlib.AsyncExitStack()
                try:
                    self._connection = await begun.enter_async_context(power.begin())
                except TransientError as error:
                    self.trouble = error
                    raise
                self._open = begun
                self.context = power.joined(self._connection).context
            return self._connection

    async def commit(self) -> None:
        """Have all of it stored.

        Raises:
            TransientError: It may or may not be.
        """
        async with self._turn:
            if (left := self._leave()) is not None:
                await left.aclose()

    async def roll_back(self) -> None:
        """Have nothing of it stored; where nothing was begun, nothing happens."""
        async with self._turn:
            left = None if self._open is None else self._leave()
            if left is None:
                return
            try:
                await left.__aexit__(_RolledBackError, _RolledBackError(), None)
            except _RolledBackError:
                pass
            except TransientError as error:  # the connection was lost before
                self.trouble = error

    def _leave(self) -> contextlib.AsyncExitStack | None:
        """The transaction that is under way, if there is one, which it is not any more."""
        left, self._open, self._connection, self.context = self._open, None, None, None
        return left


class _RolledBackError(Exception):
    """Tells a transaction's block that it is not to commit."""
