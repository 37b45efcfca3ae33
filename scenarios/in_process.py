"""The in-process runtime as a backend: a whole run in one event loop, on a clock that waits for nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend import Backend, Run
from flowcraft_core import Clock, FlowBuilder, FlowRuntime, RunHandle, RunResult, Serializer
from flowcraft_testkit import VirtualClock


class InProcess(Backend):
    """Runs in this process; what is kept for good is the state that a result carries."""

    name = "in-process"

    def __init__(self) -> None:
        self.clock: Clock = VirtualClock()
        self._serializer = Serializer()
        self._flows: dict[str, FlowBuilder] = {}
        self.runtime = FlowRuntime(clock=self.clock)

    def register(self, *types: type) -> None:
        """See ``Backend``."""
        self._serializer = Serializer(types)

    def deploy(self, *flows: FlowBuilder) -> None:
        """See ``Backend``; runs under way stay on the runtime that they began in."""
        deployed = self._flows | {flow.id: flow for flow in flows}
        self.runtime = FlowRuntime(deployed.values(), serializer=self._serializer, clock=self.clock, limits=self.limits)
        self._flows = deployed  # unless the runtime has refused them

    async def start(
        self,
        flow_id: str,
        context: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        concurrency: int | None = None,
    ) -> Run:
        """See ``Backend``."""
        return _Run(self, self.runtime.start(flow_id, context, run_id=run_id, concurrency=concurrency))


class _Run(Run):
    """A run with its handle; after a restart, with the state that it was left in."""

    def __init__(self, backend: InProcess, handle: RunHandle) -> None:
        self._backend = backend
        self._handle: RunHandle | None = handle
        self._state = ""
        self._result: RunResult | None = None

    async def result(self) -> RunResult:
        if self._handle is not None:
            return await self._handle.result()
        if self._result is None:
            self._result = await self._backend.runtime.resume(self._state)
        return self._result

    async def resume(self, node: str, *, output: Any = None, action: str | None = None, early: bool = False) -> None:
        if self._handle is not None:
            self._handle.resume(node, output=output, action=action, early=early)
            return
        self._result = await self._backend.runtime.resume(self._state, node, output=output, action=action, early=early)
        self._state = self._result.state

    async def cancel(self) -> bool:
        if self._handle is None:
            raise NotImplementedError("once restarted, a run in this process has no handle to cancel it by")
        return self._handle.cancel()

    async def restart(self) -> None:
        self._state = (await self.result()).state
        self._handle = self._result = None
