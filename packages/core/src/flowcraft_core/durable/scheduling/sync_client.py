"""``SyncClient.schedules``: schedules for code that is not async."""

from __future__ import annotations

import builtins
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from typing_extensions import Unpack

from ...catalogue import FlowLike
from ..results import Started
from .client import ScheduleClient, ScheduleSettings
from .shapes import StoredSchedule

T = TypeVar("T")


class Calling(Protocol):
    """Waits for what a coroutine gives."""

    def __call__(self, coroutine: Coroutine[Any, Any, T], /) -> T:
        """Run it in the background loop."""


class SyncScheduleClient:
    """A ``ScheduleClient`` in a background loop."""

    def __init__(self, schedules: ScheduleClient, call: Calling) -> None:
        """Use a client's."""
        self._schedules = schedules
        self._call = call

    def make(
        self,
        schedule_id: str,
        flow: FlowLike,
        context: Any = None,
        *,
        replace: bool = False,
        **settings: Unpack[ScheduleSettings],
    ) -> StoredSchedule:
        """See ``ScheduleClient.make``."""
        return self._call(self._schedules.make(schedule_id, flow, context, replace=replace, **settings))

    def edit(
        self,
        schedule_id: str,
        *,
        flow: FlowLike | None = None,
        context: Any = None,
        **settings: Unpack[ScheduleSettings],
    ) -> StoredSchedule:
        """See ``ScheduleClient.edit``."""
        return self._call(self._schedules.edit(schedule_id, flow=flow, context=context, **settings))

    def pause(self, schedule_id: str) -> StoredSchedule:
        """See ``ScheduleClient.pause``."""
        return self._call(self._schedules.pause(schedule_id))

    def resume(self, schedule_id: str) -> StoredSchedule:
        """See ``ScheduleClient.resume``."""
        return self._call(self._schedules.resume(schedule_id))

    def trigger(self, schedule_id: str, *, run_id: str | None = None) -> Started:
        """See ``ScheduleClient.trigger``."""
        return self._call(self._schedules.trigger(schedule_id, run_id=run_id))

    def remove(self, schedule_id: str) -> None:
        """See ``ScheduleClient.remove``."""
        self._call(self._schedules.remove(schedule_id))

    def show(self, schedule_id: str) -> StoredSchedule:
        """See ``ScheduleClient.show``."""
        return self._call(self._schedules.show(schedule_id))

    def list(self) -> builtins.list[StoredSchedule]:
        """See ``ScheduleClient.list``."""

        async def collect() -> builtins.list[StoredSchedule]:
            return [schedule async for schedule in self._schedules.list()]

        return self._call(collect())
