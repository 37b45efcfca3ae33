"""Telemetry that only remembers: which runs and jobs it was told of, in which trace."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import attrs
from flowcraft_core import Clock
from flowcraft_core.observing import Delivered
from flowcraft_core.traces import Trace


@attrs.define
class Remembering:
    """Stands for all telemetry of a clause.

    Attributes:
        started: The trace of each start that was brought about.
        seen: The run, its trace and the job of everybody who was to watch a run.
        sent: What jobs were to carry.
        ended: The run and its trace, for each end that was told.
    """

    started: list[Trace] = attrs.field(factory=list)
    seen: list[tuple[str, Trace | None, Delivered | None]] = attrs.field(factory=list)
    sent: list[Trace] = attrs.field(factory=list)
    ended: list[tuple[str, Trace | None]] = attrs.field(factory=list)
    _numbers: Any = attrs.field(factory=lambda: itertools.count(1))

    def next(self) -> Trace:
        """Another one: a trace of its own, by which it is known."""
        return Trace(f"00-{'a' * 32}-{next(self._numbers):016x}-01", "clause=1")

    def uses(self, backend: object) -> None:
        """See ``Telemetry``."""

    def happened(self, event: str, fields: Mapping[str, object]) -> None:
        """See ``Telemetry``."""

    def start(self, run_id: str, flow: str, at: float, **around: Trace | None) -> Starting:
        """See ``Telemetry``."""
        return Starting(self.next(), self.started)

    def run_ended(self, run_id: str, flow: str, state: str, *, trace: Trace | None, **times: float) -> None:
        """See ``Telemetry``."""
        self.ended.append((run_id, trace))

    def resumed(self, run_id: str, instance: object, outcome: object, trace: Trace | None) -> Trace:
        """See ``Telemetry``."""
        self.sent.append(self.next())
        return self.sent[-1]

    def observe(self, run_id: str, trace: Trace | None, clock: Clock, delivered: Delivered | None = None) -> Watching:
        """See ``Telemetry``."""
        self.seen.append((run_id, trace, delivered))
        self.sent.append(self.next())
        return Watching(self.sent[-1])

    def loop_lagged(self, seconds: float) -> None:
        """See ``Telemetry``."""

    async def look(self, backend: object) -> None:
        """See ``Telemetry``."""


@attrs.frozen
class Starting:
    """See ``observing.Starting``."""

    trace: Trace
    _started: list[Trace]

    def done(self, at: float) -> None:
        """See ``observing.Starting``."""
        self._started.append(self.trace)


@attrs.frozen
class Watching:
    """See ``observing.Observer``."""

    trace: Trace

    def started(self, instance: object, attempt: int) -> None:
        """See ``observing.Observer``."""

    def attempt(self, instance: object, number: int, fallback: str | None) -> AbstractContextManager[None]:
        """See ``observing.Observer``."""
        return contextlib.nullcontext()

    def outcome(self, instance: object, outcome: object) -> None:
        """See ``observing.Observer``."""

    def suspended(self, instance: object) -> None:
        """See ``observing.Observer``."""

    def close(self) -> None:
        """See ``observing.Observer``."""
