"""A run under test in one process, on a ``FlowRuntime``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowcraft_core import RunResult
from flowcraft_core.runtime import RunHandle

from ..simulation.fakes import Recorder
from ..simulation.loop import LoopClock
from ..simulation.runtime import SimulatedRuntime
from ..simulation.scenario import RUN, Scenario


class InProcess:
    """Runs a scenario on a runtime in virtual time."""

    def __init__(self, scenario: Scenario, recorder: Recorder) -> None:
        self._scenario = scenario
        self.runtime = SimulatedRuntime(
            scenario, clock=LoopClock(), watch=lambda run_id, instance, attempt: None, recorder=recorder
        )
        self._handle: RunHandle[Any] | None = None

    async def begin(self) -> None:
        """Start the run."""
        self._handle = self.runtime.start(self.runtime.flow.id, self._scenario.context, run_id=RUN)

    @property
    def _run(self) -> RunHandle[Any]:
        assert self._handle is not None
        return self._handle

    async def status(self) -> str:
        """Where it stands."""
        return self._run.status

    async def waiting(self) -> Sequence[str]:
        """The keys of its open waits."""
        return self._run.waiting

    async def goes_on(self) -> bool:
        """Whether time alone brings it on."""
        return self._run.status == "running"

    async def answer(self, key: str, output: Any, action: str | None, *, early: bool) -> None:
        """Answer a wait."""
        self._run.resume(key, output=output, action=action, early=early)

    async def cancel(self) -> bool:
        """Cancel the run."""
        return self._run.cancel()

    async def result(self) -> RunResult:
        """How it ended, or where it stands."""
        return await self._run.result()

    async def end(self) -> None:
        """Let go of it: it ends with its loop."""
