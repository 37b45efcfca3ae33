"""Backends whose transactions are none, or more than that."""

# ruff: noqa: D102 - a class says what is wrong with it, and the port what its methods are to do
from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from flowcraft_core.durable.engine import Engine
from flowcraft_core.durable.transactions import StepTransaction
from flowcraft_core.errors import TransientError

from ...contracts import BackendContract
from ...memory.context import InMemoryContextStore
from ...memory.queue import InMemoryJobQueue
from ...memory.status import InMemoryStatusStore
from ...memory.transactions import InMemoryTransaction
from ..mutant import replaces
from .port import BrokenPort, caught_by


class BrokenTransactions(BrokenPort):
    """A power to store things in transactions."""

    name = "transactional"

    @property
    def shared(self) -> Any:
        """What is stored, for what no transaction may reach."""
        return self._port._shared


@caught_by(BackendContract.test_a_run_and_its_callers_rows_are_there_together_or_not_at_all)
class MessagesAtOnce(BrokenTransactions):
    """Sends messages apart from the transaction."""

    def joined(self, connection: Any) -> Any:
        joined = self._port.joined(connection)
        joined.send = InMemoryJobQueue(self._port._connection, self.shared.messages).send
        return joined


@caught_by(BackendContract.test_a_run_and_its_callers_rows_are_there_together_or_not_at_all)
class StatusesAtOnce(BrokenTransactions):
    """Creates statuses apart from the transaction."""

    def joined(self, connection: Any) -> Any:
        joined = self._port.joined(connection)
        joined.status = InMemoryStatusStore(self._port._connection, self.shared.statuses)
        return joined


@caught_by(BackendContract.test_a_steps_rows_and_outcome_count_once_wherever_its_worker_dies)
class FactsAtOnce(BrokenTransactions):
    """Puts facts apart from the transaction, so that an outcome may be there whose rows are not."""

    def joined(self, connection: Any) -> Any:
        joined, shared = self._port.joined(connection), self.shared
        joined.context = InMemoryContextStore(self._port._connection, shared.facts, shared.values, shared.limits)
        return joined


@caught_by(BackendContract.test_a_start_in_a_transaction_starts_once)
class SeesNoFactsOfOthers(BrokenTransactions):
    """Takes a fact that others have committed for none, and a second start for the first."""

    def joined(self, connection: Any) -> Any:
        joined = self._port.joined(connection)
        real = joined.context.put

        async def put(run_id: str, key: str, fact: Any) -> Any:
            await real(run_id, key, fact)

        async def create(status: Any) -> bool:
            return True

        joined.context, joined.status = copy.copy(joined.context), copy.copy(joined.status)
        joined.context.put, joined.status.create = put, create
        return joined


@caught_by(BackendContract.test_an_attempt_that_fails_leaves_no_rows)
class CommitsWhatever(BrokenTransactions):
    """Commits also what is to be rolled back."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[InMemoryTransaction]:
        problem: Exception | None = None
        async with self._port.begin() as connection:
            try:
                yield connection
            except Exception as error:
                problem = error
        if problem is not None:
            raise problem


@caught_by(BackendContract.test_what_is_written_in_a_transaction_is_there_from_its_end)
class RowsBeforeTheEnd(BrokenTransactions):
    """Shows others what was written before the transaction has ended."""

    def joined(self, connection: Any) -> Any:
        joined = self._port.joined(connection)
        send = joined.send

        async def send_and_show(messages: Any, **options: Any) -> None:
            await send(messages, **options)
            self.shared.facts._records.update({key: connection._facts[key] for key in connection._facts.changed})

        joined.send = send_and_show
        return joined


@caught_by(BackendContract.test_a_transaction_that_is_open_holds_up_nobody)
class OneAtATime(BrokenTransactions):
    """Holds up whoever stores facts for as long as a transaction is open."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[InMemoryTransaction]:
        facts = self.shared.facts

        def busy(*args: Any) -> Any:
            raise TransientError("a transaction is open")

        facts.write_if = busy
        try:
            async with self._port.begin() as connection:
                connection.facts.__dict__.pop("write_if", None)
                yield connection
        finally:
            facts.__dict__.pop("write_if", None)


@caught_by(BackendContract.test_a_transaction_whose_connection_is_cut_is_lost_and_says_so)
class CutIsTheStepsFailure(BrokenTransactions):
    """Lets what a step makes of a lost connection stand for it."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[InMemoryTransaction]:
        problem: Exception | None = None
        try:
            async with self._port.begin() as connection:
                try:
                    yield connection
                except Exception as error:
                    problem = error
                    raise
        except TransientError:
            if problem is not None:
                raise problem from None
            raise


@caught_by(BackendContract.test_what_is_no_transaction_is_refused)
class EndedWillDo(BrokenTransactions):
    """Takes a connection whose transaction has ended."""

    def joined(self, connection: Any) -> Any:
        if isinstance(connection, InMemoryTransaction) and connection.has_ended:
            connection = InMemoryTransaction(self.shared)
        return self._port.joined(connection)


@replaces(
    (StepTransaction, "roll_back"),
    caught_by=BackendContract.test_of_two_executions_at_once_one_leaves_its_rows,
    name="engine.LosersRowsStay",
)
async def keep(original: Any, self: Any) -> None:
    """Stores the rows of an execution whose outcome does not count."""
    if isinstance(self._connection, InMemoryTransaction):
        self._connection._shared.rows += self._connection.rows
    await original(self)


@replaces(
    (Engine, "_put"),
    caught_by=BackendContract.test_a_steps_rows_and_outcome_count_once_wherever_its_worker_dies,
    name="engine.RowsAfterTheOutcome",
)
async def put_apart(original: Any, self: Any, instance: Any, outcome: Any) -> Any:
    """Stores an outcome first, and the rows of its step after it."""
    if self._transaction.context is None:
        return await original(self, instance, outcome)
    await asyncio.sleep(0)
    stored = await self.records.put_outcome(self.job.run_id, instance.key, outcome, self.job.id)
    await (self._transaction.commit() if stored.won else self._transaction.roll_back())
    return stored
