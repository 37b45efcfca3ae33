"""Backends that say the wrong thing of how they are set up, or change something by looking."""

from __future__ import annotations

from typing import Any

from flowcraft_core.diagnosis import UNREACHABLE
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import RunStatus

from ...contracts import BackendContract
from ...memory import InMemoryBackend
from ..mutant import replaces


@replaces(
    (InMemoryBackend, "diagnose"),
    caught_by=BackendContract.test_a_backend_that_is_set_up_as_it_should_be_has_no_findings,
    name="backend.CriesWolf",
)
async def cry_wolf(original: Any, self: Any) -> Any:
    """Finds something wrong with what is right."""
    return [*await original(self), UNREACHABLE.found(why="it might not be there")]


@replaces(
    (InMemoryBackend, "diagnose"),
    caught_by=BackendContract.test_diagnosing_changes_nothing_and_leaves_nothing_behind,
    name="backend.ReceivesToLook",
)
async def receive(original: Any, self: Any) -> Any:
    """Finds out whether messages can be received by receiving some, and lets them come again."""
    if self._connection._loop is not None:
        await self.queue.receive(max_messages=10, wait=0, visibility=1)
    return await original(self)


@replaces(
    (InMemoryBackend, "diagnose"),
    caught_by=BackendContract.test_diagnosing_changes_nothing_and_leaves_nothing_behind,
    name="backend.WritesToLook",
)
async def write(original: Any, self: Any) -> Any:
    """Finds out whether records can be written by writing one."""
    if self._connection._loop is not None:
        status = RunStatus(run_id="flowcraft-doctor", state="running", blueprint_id="", created=0, updated=0)
        await self.status.create(status)
    return await original(self)


@replaces(
    (InMemoryBackend, "diagnose"),
    caught_by=BackendContract.test_what_cannot_be_reached_is_a_finding_and_no_error,
    name="backend.FailsToSayThatItIsDown",
)
async def fail(original: Any, self: Any) -> Any:
    """Fails where it is to say that something cannot be reached."""
    self._connection.line.check(self._connection.line.begin())
    return await original(self)


@replaces(
    (InMemoryBackend, "diagnose"),
    caught_by=BackendContract.test_what_refuses_everything_is_a_finding_and_no_error,
    name="backend.TakesRefusalsForHealth",
)
async def overlook(original: Any, self: Any) -> Any:
    """Finds nothing wrong with what refuses to be looked at."""
    try:
        self._connection.line.check(self._connection.line.begin())
    except BackendError as error:
        return [] if type(error) is BackendError else await original(self)
    return await original(self)
