"""``FlowTester``: what a test of a flow needs, in one object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from flowcraft_core import FlowDefinition, NodeError, RunResult, Serializer, ids
from flowcraft_core.graph.instances import Instance

from .explore import Report, simulate
from .faults import Faults
from .loop import BEGINNING, LoopClock, run_virtual
from .perform import run_in_process
from .scenario import Scenario
from .script import Script


@attrs.frozen
class Tested:
    """What a run of a flow under test came to.

    Attributes:
        result: The result, as a runtime gives it.
        seconds: How long it took, in virtual time.
        executed: The key of each attempt, in order; ``charge, attempt 2`` for a second one.
    """

    result: RunResult
    seconds: float
    executed: tuple[str, ...]

    @property
    def status(self) -> str:
        """How it ended, or ``awaiting``."""
        return self.result.status

    @property
    def outputs(self) -> dict[str, Any]:
        """Each node's output, by node id."""
        return self.result.outputs

    @property
    def context(self) -> dict[str, Any]:
        """The context values at the end, by name."""
        return self.result.context

    @property
    def errors(self) -> tuple[NodeError, ...]:
        """Why it failed."""
        return self.result.errors

    @property
    def waiting(self) -> tuple[str, ...]:
        """The keys of the waits that nobody has resumed."""
        return self.result.waiting


class FlowTester:
    """Runs flows in virtual time, with scripted steps, and simulates them.

    Attributes:
        serializer: For values of your own types; may be set, say by a fixture of yours.

    All that waits takes no time: sleeps, retries, timeouts, ``asyncio.sleep`` in a step. There is no machine under it,
    so a step that talks to the network needs a script, or a double among the dependencies.
    """

    def __init__(self, *, serializer: Serializer | None = None) -> None:
        """Nothing is scripted yet.

        Args:
            serializer: Knows the types of your own that your flows' values have; the one that your programs use.
        """
        self.serializer = serializer
        self._scripts: dict[str, Script] = {}

    def script(self, node_id: str, *answers: Any) -> None:
        """Have a node do something else than its step does.

        Args:
            node_id: The node's id, in the flow or in one that it calls. A batch's id stands for its worker.
            answers: One per attempt; the last is also that of all further attempts. An exception is raised, a function
                is called with the node's context, and everything else is the output.
        """
        self._scripts[node_id] = answers

    def run(
        self,
        flow: FlowDefinition,
        context: Any = None,
        *,
        resumes: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
        dependencies: Any = None,
    ) -> Tested:
        """Run a flow in process until it has ended, or waits for what is not resumed.

        Args:
            flow: The flow.
            context: The flow's input, if it is a ``Flow``; else the initial context values.
            resumes: What waits are resumed with as soon as they are reached, by key: an output, or a ``NodeResult``.
            answers: What waits are answered with before they are reached, likewise.
            dependencies: Handed to every step.
        """
        executed: list[str] = []
        scenario = Scenario(
            name=flow.id,
            build=lambda: flow,
            context=flow.begin(context),
            resumes=resumes or {},
            answers=answers or {},
            dependencies=dependencies,
            serializer=self.serializer,
            scripts=self._scripts,
        )

        def watch(run_id: str, instance: Instance, attempt: str) -> None:
            executed.append(instance.key + attempt)

        async def main() -> tuple[RunResult, float]:
            result = await run_in_process(scenario, watch)
            return result, LoopClock().now() - BEGINNING

        with ids.seeded(flow.id):
            result, seconds = run_virtual(main)
        return Tested(result, seconds, tuple(executed))

    def simulate(
        self,
        flow: FlowDefinition,
        context: Any = None,
        *,
        seeds: int | Iterable[int | str] = 50,
        faults: Faults | None = None,
        resumes: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
        dependencies: Any = None,
        racing: bool = False,
        ends: tuple[Any, ...] = ("completed",),
    ) -> Report:
        """Run a flow on simulated workers under many schedules, with faults; see ``simulate`` for the rest.

        Raises:
            AssertionError: Something happened that may not; the message shows the shortest schedule found.
        """
        return simulate(
            flow,
            seeds=seeds,
            faults=faults,
            context=context,
            resumes=resumes,
            answers=answers,
            dependencies=dependencies,
            serializer=self.serializer,
            scripts=self._scripts,
            racing=racing,
            ends=ends,
        ).check()
