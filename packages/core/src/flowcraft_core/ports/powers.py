"""How runs begin by hand, at once or in a transaction: powers that some backends have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from ..queues import DEFAULT_QUEUE
from .context import ContextStore, Fact
from .queue import Message
from .status import RunStatus, StatusStore


class HandWrittenRuns(Protocol):
    """Runs that somebody began by writing to the store, and not by a client: a power of some backends.

    Such a run has initial context values and perhaps a status in the store, in the store's own plain form, and a
    message ``{"runId", "blueprintId", "nodeId"}`` per start node in the queue. It has no run record: the first worker
    that receives one of its messages makes it. A backend with this power has it as its attribute ``by_hand``.
    """

    async def initial_context(self, run_id: str) -> Mapping[str, Any] | None:
        """The initial context values that were written for a run, JSON data by name; None if nothing was.

        Raises:
            BackendError: What was written cannot be read as that; the message says why.
            TransientError: Worth another try.
        """

    async def name_flow(self, run_id: str, blueprint_id: str) -> None:
        """Fill in the flow of a run in its status, if the status was written by hand and names none.

        Args:
            run_id: The run; with no status nothing happens.
            blueprint_id: The flow, as the first message that came for the run says.

        Raises:
            TransientError: Worth another try.
        """

    async def delete(self, run_id: str) -> None:
        """Remove what was written for a run; none is no error.

        Raises:
            TransientError: Worth another try.
        """


class Joined(Protocol):
    """The ports that store, as part of a transaction; see ``Transactional``."""

    context: ContextStore
    status: StatusStore

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0, queue: str = DEFAULT_QUEUE) -> None:
        """As ``JobQueue.send``; what is sent is received after the transaction has committed, if it does.

        Args:
            messages: What to send.
            delay: Seconds.
            queue: The queue's name, where the backend has several.
        """


class Transactional(Protocol):
    """Transactions in which a program's own rows are stored with runs and outcomes: a power of some backends.

    A backend with this power has it as its attribute ``transactional``.
    """

    def joined(self, connection: Any) -> Joined:
        """The ports that store, with each call made on a connection of the caller's.

        What they write is there once the transaction that the connection is in commits, and never if it does not. A
        call that fails is not to be made again: the transaction is lost.

        Raises:
            ConfigurationError: The connection is none that can be used so, or in no transaction.
        """

    def begin(self) -> AbstractAsyncContextManager[Any]:
        """A connection of the backend's own, in a transaction that an ``async with`` block is.

        The transaction commits at the end of the block, and what it wrote is durable then; if the block raises, it is
        rolled back.

        Raises:
            TransientError: None can be begun; or the connection was lost, also where the block raises something else.
                If that was at the end of the block, the transaction may or may not have committed.
        """


class Starts(Protocol):
    """Stores all that a run begins with by one request: a power of some backends, and else it takes three calls.

    A backend with this power has it as its attribute ``starts``.
    """

    async def begin(
        self,
        run_id: str,
        key: str,
        fact: Fact,
        status: RunStatus,
        message: Message,
        *,
        delay: float = 0.0,
        queue: str = DEFAULT_QUEUE,
    ) -> Fact | None:
        """Store a fact, a status and a message if there is no fact under the key; else return the one that stands.

        All three are stored together or none is, whatever comes between, and when this returns they are durable. They
        are seen as after ``ContextStore.put``, ``StatusStore.create`` and ``JobQueue.send``. A status that the run has
        already stays as it is. A call that was applied though its answer was lost finds its own fact when it is made
        again, and stores nothing.

        Args:
            run_id: The run.
            key: As for ``ContextStore.put``.
            fact: Likewise.
            status: The run's status.
            message: What to send.
            delay: Seconds, as for ``JobQueue.send``.
            queue: The queue's name, where the backend has several.

        Raises:
            ValueError: One of them is more than its port takes; then nothing was stored.
            TransientError: Worth another try.
        """
