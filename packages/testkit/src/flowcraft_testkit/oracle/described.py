"""A described flow with all that is made from it, and its run in process."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from flowcraft_core import FlowRuntime, RunResult
from flowcraft_core.blueprint import Blueprint
from flowcraft_core.ids import seeded

from ..simulation.loop import LoopClock, run_virtual
from ..simulation.scenario import RUN
from .flows import Flow
from .growing import CONTEXT
from .limiting import LIMITS, with_limits
from .overheard import overheard
from .queueing import with_queues
from .script import Answer, Script, uses_of
from .writing import blueprints


@attrs.frozen
class Described:
    """A flow, and what is made from its description.

    Attributes:
        flow: The description.
        script: What its steps do.
        blueprints: Its blueprints.
        runtime: A runtime in virtual time that has its steps. All programs share it: it knows nothing of any run.
    """

    flow: Flow
    script: Script
    blueprints: Mapping[str, Blueprint]
    runtime: FlowRuntime

    @classmethod
    def of(cls, flow: Flow) -> Described:
        """Make what is made from a description."""
        script, written = Script(flow), with_limits(with_queues(blueprints(flow)))
        runtime = FlowRuntime(blueprints=written, registry=script.registry(), clock=LoopClock(), limits=LIMITS)
        return cls(flow, script, written, runtime)

    def resumption(self, node_id: str, key: str) -> Answer:
        """What a wait is resumed with."""
        return self.script(uses_of(node_id), key, None, {}, 1)


def in_process(described: Described) -> RunResult:
    """Run a flow on a ``FlowRuntime``, in virtual time, and resume what it waits for."""

    async def main() -> RunResult:
        handle = described.runtime.start(described.flow.id, CONTEXT, run_id=RUN)
        result = await handle.result()
        while result.status == "awaiting":
            for key in result.waiting:
                answer = described.resumption(_node_of(key), key)
                handle.resume(key, output=answer.output, action=answer.action)
            result = await handle.result()
        return result

    with seeded("in process"), overheard(lambda text: None):
        return run_virtual(main)


def _node_of(key: str) -> str:
    return key.replace("/", ".").rsplit(".", 1)[-1]
