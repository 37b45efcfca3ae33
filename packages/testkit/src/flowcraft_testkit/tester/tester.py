"""``FlowTester``: what a test of a flow needs, in one object."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import CodeType
from typing import Any, Protocol, TypeAlias, TypeVar, overload

from flowcraft_core import BaseNode, FlowBuilder, FlowDefinition, Limit, Serializer, ids
from flowcraft_core.decorated import Batch, Flow, Step, Wait
from flowcraft_core.ports import FinalState
from flowcraft_core.runtime.results import OutT

from ..simulation.explore import Report, simulate
from ..simulation.fakes import Fake, Recorder
from ..simulation.faults import Faults
from ..simulation.references import StepRef, named
from ..simulation.scenario import Scenario
from .in_process import InProcess
from .on_workers import OnWorkers
from .results import FlowResult
from .runs import FlowRun

T = TypeVar("T")
InT = TypeVar("InT")

#: Answers to waits: by what ``flow.wait`` gave, by id, or by key.
Answers: TypeAlias = "Mapping[str, Any] | Mapping[Wait[Any], Any]"


class _Function(Protocol):
    """A function, to a type checker; what ``@flow.step`` gives is none."""

    @property
    def __code__(self) -> CodeType: ...


class FlowTester:
    """Runs flows in virtual time, with steps replaced, and simulates them.

    All that waits takes no time: sleeps, retries, timeouts, ``asyncio.sleep`` in a step. There is no machine under it,
    so a step that talks to the network is replaced, or gets a double among the dependencies. The methods that run
    something are no coroutines, and may be called from a test that is one.

    Attributes:
        serializer: For values of your own types; may be set, say by a fixture of yours.
        dependencies: Handed to every step, likewise.
        limits: The limits that nodes name, likewise.
        durable: Run on a client, a worker and a backend in memory, where all is stored and restored, instead of in one
            process, likewise.
    """

    def __init__(
        self,
        *,
        serializer: Serializer | None = None,
        dependencies: Any = None,
        limits: Iterable[Limit] = (),
        durable: bool = False,
    ) -> None:
        """Nothing is replaced yet.

        Args:
            serializer: Knows the types of your own that your flows' values have; the one that your programs use.
            dependencies: Handed to every step as ``ctx.dependencies``.
            limits: What nodes name as ``limit="openai"``.
            durable: Run on a client, a worker and a backend in memory instead of in one process.
        """
        self.serializer = serializer
        self.dependencies = dependencies
        self.limits: Iterable[Limit] = limits
        self.durable = durable
        self._fakes: list[Fake] = []
        self._runs: dict[FlowRun[Any], None] = {}

    # --- fakes ----------------------------------------------------------------------------------------------------

    @overload
    def replace(
        self, step: Step[..., Any, T] | Batch[..., Any, T], fake: Callable[..., T | Awaitable[T]], /
    ) -> None: ...
    @overload
    def replace(self, step: _Function | type[BaseNode[Any, Any]] | str, fake: Callable[..., Any], /) -> None: ...
    @overload
    def replace(self, step: Step[..., Any, T] | Batch[..., Any, T], /, *, returns: T) -> None: ...
    @overload
    def replace(self, step: _Function | type[BaseNode[Any, Any]] | str, /, *, returns: Any) -> None: ...
    def replace(self, step: Any, fake: Callable[..., Any] | None = None, /, *, returns: Any = None) -> None:
        """Have something else done in the place of a step, in all runs from now on; of several calls the last holds.

        Args:
            step: What ``@flow.step`` or ``@flow.batch`` gave; the function, or class, that a node was given as its
                step, fallback, undo, reminder or reducer; or a node's id, in the flow or in one that it calls. A
                batch's id stands for its worker.
            fake: Called as the step is: that of a decorated step with what its parameters need, by name; any other
                with the node context. A ``unittest.mock.Mock`` will do. What an ``async def`` step is replaced by may
                be plain, but not the other way round.
            returns: What it gives, instead of a fake; a ``NodeResult`` for an action too.

        Raises:
            TypeError: The fake is nothing that can be called.
        """
        if fake is not None and not callable(fake):
            raise TypeError(f"replace({named(step)}, ...) takes a function: for a value say returns={fake!r:.80}")
        self._fakes.append(Fake(step, fake if fake is not None else lambda *_, **__: returns))

    def fail(
        self,
        step: StepRef,
        error: BaseException | type[BaseException] | None = None,
        /,
        *,
        times: int | None = None,
    ) -> None:
        """Have the first attempts of a step fail; what comes after them is its own, or that of what replaces it.

        Args:
            step: As for ``replace``.
            error: What is raised; a ``RuntimeError`` by default.
            times: How many attempts fail, of each instance anew; by default all of them.
        """
        self._fakes.append(
            Fake(step, error=error or RuntimeError(f"the test has step {named(step)} fail"), times=times)
        )

    # --- runs -----------------------------------------------------------------------------------------------------

    @overload
    def run(self, flow: Flow[None, OutT], /, *, answers: Answers | None = None) -> FlowResult[OutT]: ...
    @overload
    def run(self, flow: Flow[InT, OutT], given: InT, /, *, answers: Answers | None = None) -> FlowResult[OutT]: ...
    @overload
    def run(
        self, flow: FlowBuilder, context: Mapping[str, Any] | None = None, /, *, answers: Answers | None = None
    ) -> FlowResult: ...
    def run(self, flow: FlowDefinition, given: Any = None, /, *, answers: Answers | None = None) -> FlowResult[Any]:
        """Run a flow until it has ended, or waits for what is not answered; time passes as it needs it.

        Args:
            flow: The flow.
            given: The flow's input, if it is a ``Flow``; else the initial context values.
            answers: What waits are answered with as soon as they are reached, by what ``flow.wait`` gave, by id, or by
                key: an output, or a ``NodeResult`` for an action too. To see a timeout, leave the wait out.

        Raises:
            ValueError: A step is to be replaced that the flow has not.
            StuckError: A step waits for something that no time brings, such as the network.
        """
        with self._begin(flow, given, answers) as run:
            return run.result()

    @overload
    def start(self, flow: Flow[None, OutT], /, *, answers: Answers | None = None) -> FlowRun[OutT]: ...
    @overload
    def start(self, flow: Flow[InT, OutT], given: InT, /, *, answers: Answers | None = None) -> FlowRun[OutT]: ...
    @overload
    def start(
        self, flow: FlowBuilder, context: Mapping[str, Any] | None = None, /, *, answers: Answers | None = None
    ) -> FlowRun: ...
    def start(self, flow: FlowDefinition, given: Any = None, /, *, answers: Answers | None = None) -> FlowRun[Any]:
        """Start a flow, and go as far as it goes without time passing; the test lets time pass, and answers.

        Args:
            flow: As for ``run``.
            given: Likewise.
            answers: Likewise.

        Raises:
            ValueError: A step is to be replaced that the flow has not.
        """
        return self._begin(flow, given, answers)

    def _begin(self, flow: FlowDefinition, given: Any, answers: Answers | None) -> FlowRun[Any]:
        recorder = Recorder()
        scenario = Scenario(
            name=flow.id,
            build=lambda: flow,
            context=flow.begin(given),
            dependencies=self.dependencies,
            serializer=self.serializer,
            fakes=tuple(self._fakes),
            limits=tuple(self.limits),
        )
        kind = OnWorkers if self.durable else InProcess
        with ids.seeded(flow.id):
            run: FlowRun[Any] = FlowRun(
                lambda: kind(scenario, recorder), recorder, answers or {}, lambda closed: self._runs.pop(closed, None)
            )
        self._runs[run] = None
        return run

    def close(self) -> None:
        """End all runs that are under way; the fixture does it after the test."""
        for run in list(self._runs):
            run.close()

    def __enter__(self) -> FlowTester:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- simulation -----------------------------------------------------------------------------------------------

    def simulate(
        self,
        flow: FlowDefinition,
        given: Any = None,
        /,
        *,
        seeds: int | Iterable[int | str] = 50,
        faults: Faults | None = None,
        answers: Mapping[str, Any] | None = None,
        early_answers: Mapping[str, Any] | None = None,
        racing: bool = False,
        ends: tuple[FinalState, ...] = ("completed",),
    ) -> Report:
        """Run a flow on simulated workers under many schedules, with faults; see ``simulate`` for the rest.

        Args:
            flow: As for ``run``.
            given: Likewise.
            seeds: How many schedules, or their seeds.
            faults: What may go wrong; everything by default.
            answers: What waits are answered with once they are reached, by key.
            early_answers: What waits are answered with before they are reached, by key.
            racing: The result depends on the schedule; then it is only held to the replay of its own facts.
            ends: The states in which the run may end.

        Raises:
            AssertionError: Something happened that may not; the message shows the shortest schedule found.
        """
        return simulate(
            flow,
            seeds=seeds,
            faults=faults,
            context=given,
            answers=answers,
            early_answers=early_answers,
            dependencies=self.dependencies,
            serializer=self.serializer,
            fakes=self._fakes,
            limits=self.limits,
            racing=racing,
            ends=ends,
        ).check()
