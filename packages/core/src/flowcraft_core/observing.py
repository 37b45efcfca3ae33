"""What the engine tells whoever measures it: the one seam for telemetry. Without anybody it costs a look at a None.

What happens now and then (a failed attempt, a redelivery, a dead letter) is told by the journal, which logs it; the
life of each instance by the events of its run; a run's start and end by whoever brings them about.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import attrs

from .clock import Clock
from .graph.facts import Outcome
from .graph.instances import Instance

if TYPE_CHECKING:
    from .traces import Trace


@attrs.frozen(kw_only=True)
class Delivered:
    """How a job has come to whoever works on it.

    Attributes:
        job: Its id.
        sent: When it was sent, or due, seconds since the epoch.
        deliveries: How often it has been delivered, this time included.
        trace: The span in which it was sent.
    """

    job: str
    sent: float
    deliveries: int
    trace: Trace | None = None


class Starting(Protocol):
    """A run that is being started."""

    @property
    def trace(self) -> Trace:
        """Where the run's spans go."""

    def done(self, at: float) -> None:
        """The run has been started, by this very call, at this time."""


class Observer(Protocol):
    """Watches the instances of one run in process, or of one job on a worker."""

    @property
    def trace(self) -> Trace | None:
        """What a job carries that is sent now."""

    def started(self, instance: Instance, attempt: int) -> None:
        """An instance is taken up."""

    def attempt(self, instance: Instance, number: int, fallback: str | None) -> AbstractContextManager[None]:
        """Around one call of a step; of a fallback's, with its id."""

    def outcome(self, instance: Instance, outcome: Outcome) -> None:
        """An instance has an outcome, which is stored."""

    def suspended(self, instance: Instance) -> None:
        """An instance waits."""

    def close(self) -> None:
        """What is still under way is left."""


class Telemetry(Protocol):
    """Measures the programs of one process. It must not raise, nor block; it may be called from any thread."""

    def uses(self, backend: object) -> None:
        """A program of this process works on a backend: whose requests are counted, if it counts them."""

    def happened(self, event: str, fields: Mapping[str, object]) -> None:
        """What is logged under this name has happened, whether it is logged or not."""

    def start(
        self, run_id: str, flow: str, at: float, *, parent: Trace | None = None, link: Trace | None = None
    ) -> Starting | None:
        """A run is about to be started; None if nobody traces.

        Args:
            run_id: The run.
            flow: Its flow.
            at: When, seconds since the epoch.
            parent: Below which span; the caller's own, by default.
            link: The run that it goes on from.
        """

    def run_ended(
        self, run_id: str, flow: str, state: str, *, started: float, ended: float, trace: Trace | None
    ) -> None:
        """A run has ended; told once, by whoever ended it."""

    def resumed(self, run_id: str, instance: Instance, outcome: Outcome, trace: Trace | None) -> Trace | None:
        """A wait of a run with this trace was ended from outside; gives what the job carries that goes on from it."""

    def observe(self, run_id: str, trace: Trace | None, clock: Clock, delivered: Delivered | None = None) -> Observer:
        """Somebody to watch a run's instances.

        Args:
            run_id: The run.
            trace: Where its spans go.
            clock: Tells the time.
            delivered: The job, on a worker.
        """

    def loop_lagged(self, seconds: float) -> None:
        """An event loop took so long to answer."""

    async def look(self, backend: object) -> None:
        """Ask a backend what costs a request to know: called by each worker, now and then.

        Raises:
            Exception: Whatever the backend raised.
        """
