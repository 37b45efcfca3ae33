"""Backends that begin runs by more than one request, or more than once."""

# ruff: noqa: D102 - a class says what is wrong with it, and the port what its methods are to do
from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core.ports import Fact, Message, RunStatus

from ...contracts import BackendContract
from .port import BrokenPort, caught_by


class BrokenStarts(BrokenPort):
    """The power to begin runs by one request."""

    name = "starts"

    async def separately(self, run_id: str, key: str, fact: Fact, status: RunStatus, message: Message) -> Fact | None:
        """Stores one after the other."""
        connection, shared = self._port._connection, self._port._shared
        standing: Fact | None = await connection.request(
            shared.facts.write_if, run_id, key, fact, lambda standing: standing is None, connection
        )
        if standing is None:
            await connection.request(shared.statuses.create, status)
            await connection.request(shared.messages.add, [message], 0.0)
        return standing


@caught_by(BackendContract.test_of_a_start_that_is_cut_off_all_is_there_or_nothing)
class ThreeRequests(BrokenStarts):
    """Stores what a run begins with one after the other."""

    async def begin(
        self, run_id: str, key: str, fact: Fact, status: RunStatus, message: Message, **options: Any
    ) -> Fact | None:
        if options:
            told: Fact | None = await self._port.begin(run_id, key, fact, status, message, **options)
            return told
        return await self.separately(run_id, key, fact, status, message)


@caught_by(BackendContract.test_a_run_begins_once)
class EachSendsItsMessage(BrokenStarts):
    """Sends a message also where the run has begun already."""

    async def begin(
        self, run_id: str, key: str, fact: Fact, status: RunStatus, message: Message, **options: Any
    ) -> Fact | None:
        standing: Fact | None = await self._port.begin(run_id, key, fact, status, message, **options)
        if standing is not None:
            await self._port._connection.request(self._port._shared.messages.add, [message], 0.0)
        return standing


@caught_by(BackendContract.test_a_run_begins_once)
class EachIsTheFirst(BrokenStarts):
    """Tells everybody that the run has begun by its call."""

    async def begin(self, *what: Any, **options: Any) -> Fact | None:
        await self._port.begin(*what, **options)
        return None


@caught_by(BackendContract.test_what_a_run_begins_with_is_there_after_one_request)
class StatusLeftOut(BrokenStarts):
    """Leaves the status to whoever finds that there is none."""

    async def begin(
        self, run_id: str, key: str, fact: Fact, status: RunStatus, message: Message, **options: Any
    ) -> Fact | None:
        elsewhere = attrs.evolve(status, run_id=f"{run_id} elsewhere")
        told: Fact | None = await self._port.begin(run_id, key, fact, elsewhere, message, **options)
        return told


@caught_by(BackendContract.test_what_a_run_begins_with_is_there_after_one_request)
class DelayForgotten(BrokenStarts):
    """Sends the first message at once."""

    async def begin(self, *what: Any, delay: float = 0.0, **options: Any) -> Fact | None:
        told: Fact | None = await self._port.begin(*what, **options)
        return told


@caught_by(BackendContract.test_the_message_that_a_run_begins_with_goes_to_the_queue_that_is_named)
class QueueForgotten(BrokenStarts):
    """Sends the first message to the default queue."""

    async def begin(self, *what: Any, queue: str = "", **options: Any) -> Fact | None:
        told: Fact | None = await self._port.begin(*what, **options)
        return told


@caught_by(BackendContract.test_a_client_starts_runs_by_one_request)
class MessageLost(BrokenStarts):
    """Sends nothing for the run of a client."""

    async def begin(
        self, run_id: str, key: str, fact: Fact, status: RunStatus, message: Message, **options: Any
    ) -> Fact | None:
        told: Fact | None = await self._port.begin(
            run_id, key, fact, attrs.evolve(status, next_check=None), message, **{**options, "queue": "nowhere"}
        )
        return told
