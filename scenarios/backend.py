"""What a scenario asks of a place to run: a backend. A new backend implements the two classes; scenarios stay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from flowcraft_core import Clock, FlowBuilder, Limit, RunResult


class Run(ABC):
    """A run that was started on a backend."""

    @abstractmethod
    async def result(self) -> RunResult:
        """Wait until the run has ended or only a resume can go on."""

    @abstractmethod
    async def resume(self, node: str, *, output: Any = None, action: str | None = None, early: bool = False) -> None:
        """End the wait of that id or key, ``early`` before it is reached; raises ``ResumeError`` if it cannot be."""

    @abstractmethod
    async def cancel(self) -> bool:
        """Cancel the run; False if it had ended already."""

    @abstractmethod
    async def restart(self) -> None:
        """Forget all that is known of the run but what was kept for good, as if every process had ended.

        The run has ended or waits, and goes on, if there is anything to do, on the flows that are deployed by then.
        """


class Backend(ABC):
    """A place to run, made anew for each check.

    Attributes:
        name: As it stands in results and on the command line.
        clock: The time of the place. Checks measure by it, and steps that take their time sleep on it.
        limits: What deployed flows keep to; said before they are deployed.
        late: By how much what is due may come later than that, in seconds of the clock.
        beat: A time that is long against all that the place needs by itself, in seconds of the clock.
        hour: A time that is long against a beat; beyond the reach of the queue's delays, if they have a limit.
        day: A time that is long against an hour.
        patience: Real seconds after which a check is given up, so that a run that hangs is a failure and not a wait.
    """

    name: ClassVar[str]
    clock: Clock
    limits: Sequence[Limit] = ()
    late: ClassVar[float] = 0.0
    beat: ClassVar[float] = 1.0
    hour: ClassVar[float] = 3_600.0
    day: ClassVar[float] = 86_400.0
    patience: ClassVar[float] = 300.0

    @abstractmethod
    def register(self, *types: type) -> None:
        """Let instances of these classes be stored; before the first flow is deployed."""

    @abstractmethod
    def deploy(self, *flows: FlowBuilder) -> None:
        """Make flows and their steps known, in place of those that had their ids."""

    @abstractmethod
    async def start(
        self,
        flow_id: str,
        context: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        concurrency: int | None = None,
    ) -> Run:
        """Start a run of a deployed flow, on so many workers if ``concurrency`` is given."""

    async def pass_time(self, seconds: float) -> None:
        """Let time pass while the run that was started sleeps or waits."""
        await self.clock.sleep(seconds)

    async def until(self, what: str, holds: Callable[[], object], *, within: float | None = None) -> None:
        """Return once something holds; fail if it does not within so many seconds of the clock, an hour by default."""
        end = self.clock.now() + max(self.hour, 100 * self.beat if within is None else within)
        while not holds():
            if self.clock.now() >= end:
                raise AssertionError(f"{what}: not in time")
            await self.clock.sleep(self.beat / 20)

    async def close(self) -> None:  # noqa: B027 - a place may have nothing to let go of
        """Let go of all that the place holds."""

    async def launch(
        self,
        flow: FlowBuilder,
        *called: FlowBuilder,
        context: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        concurrency: int | None = None,
    ) -> Run:
        """Deploy a flow with those that it calls, and start it."""
        self.deploy(flow, *called)
        return await self.start(flow.id, context, run_id=run_id, concurrency=concurrency)

    async def run(
        self,
        flow: FlowBuilder,
        *called: FlowBuilder,
        context: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        concurrency: int | None = None,
    ) -> RunResult:
        """Deploy a flow with those that it calls, start it, and wait for its result."""
        run = await self.launch(flow, *called, context=context, run_id=run_id, concurrency=concurrency)
        return await run.result()
