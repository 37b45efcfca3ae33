"""``FlowRuntime``: flows, steps and settings, put together so that runs can be started."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, overload

from typing_extensions import Unpack

from ..blueprint import BUILT_IN_USES, Blueprint
from ..catalogue import Catalogue, FlowLike, UntypedFlow, missing_steps, not_brought
from ..clock import Clock, SystemClock
from ..definition import FlowDefinition
from ..durations import Duration
from ..errors import ConfigurationError, ImplementationMissingError, ResumeError
from ..execution import Executor
from ..graph.limits import require_known
from ..graph.scopes import Graph
from ..ids import new_id, require_run_id
from ..limits import Limit, limits_by_name
from ..logging.journal import Journal
from ..rules import steps as rules
from ..serialization import Serializer
from ..shaping import annotated_by, implementation_of, register_annotated
from ..steps import Implementation, Step
from ..texts import require_name
from ..threads import StepThreads
from .limits import LocalLimits
from .listening import both
from .notebooks import interruptible
from .results import OutT, RunResult, Status
from .run import NothingLeftError, Run
from .synchronously import has_loop, run_beside, run_here

if TYPE_CHECKING:
    from ..decorated import Flow
    from ..events import EventSink
    from ..middleware import Middleware
    from ..observing import Telemetry
    from ..traces import Trace
    from ..webhooks import WebhookSigner
    from .stepping import Stepping

T = TypeVar("T")
InT = TypeVar("InT")
RunT = TypeVar("RunT", bound=Run)


class StepOptions(TypedDict, total=False):
    """What a run that is looked at may be started with, beside its input."""

    run_id: str | None


class HandleOptions(StepOptions, total=False):
    """What a run may be started with, beside its input."""

    concurrency: int | None
    events: EventSink | None


class RunOptions(HandleOptions, total=False):
    """And how long it may take."""

    timeout: Duration | None
    progress: bool


class FlowRuntime:
    """Flows and their steps, ready to run in this process."""

    def __init__(
        self,
        flows: Iterable[FlowDefinition] = (),
        *,
        blueprints: Iterable[Blueprint] | Mapping[str, Blueprint] = (),
        registry: Mapping[str, Step] | None = None,
        dependencies: Any = None,
        serializer: Serializer | None = None,
        clock: Clock | None = None,
        max_threads: int = 32,
        threads: StepThreads | None = None,
        events: EventSink | None = None,
        telemetry: Telemetry | None = None,
        webhooks: WebhookSigner | None = None,
        strict: bool = False,
        limits: Iterable[Limit] = (),
        middleware: Iterable[Middleware] = (),
        debug: bool = False,
    ) -> None:
        """Put a runtime together; what is wrong with it is said here, not in the middle of a run.

        Args:
            flows: Flows built in Python, with the steps that they bring and the flows that they call.
            blueprints: Further blueprints, such as those of the TypeScript builder; their steps come from ``registry``.
            registry: Steps by the names that blueprints use.
            dependencies: What steps need: clients, settings. One object, which every step has as ``ctx.dependencies``;
                or several, in a list or in a dict by type, which steps ask for by type: ``Provided[Database]`` on a
                parameter of a decorated function, ``ctx.dependencies[Database]`` in any. See ``dependencies``.
            serializer: Copies values between steps, and writes a run's state; register own types with it. Records,
                enums and models that annotations of steps name are known without that; the serializer itself stays
                as it is.
            clock: Where time comes from.
            max_threads: How many plain ``def`` steps run at once.
            threads: Runs plain ``def`` steps instead of threads of this runtime's own; for simulations.
            events: Receives what happens in runs; on workers, what each of them does. See ``flowcraft_core.events``.
            telemetry: Measures runs, and the workers that this is given to: ``flowcraft_core.telemetry.OpenTelemetry``.
            webhooks: Signs what ``ctx.webhook_url`` gives; for runs of workers, which can be resumed from outside.
            strict: A node fails that gives an action which none of its edges takes, instead of ending the path without
                a word; of workers, too. A node without edges may give any action.
            limits: What nodes name as ``limit="openai"``. They hold for all runs of this runtime in this process
                together; on workers, for those of all workers of the backend.
            middleware: Stands around each call of a step, from the outside in; of workers, too. See ``Middleware``.
            debug: For ``breakpoint()`` in steps: plain ``def`` steps run in the event loop's own thread, one at a time,
                and timeouts of nodes do not count. Workers go on as they do.

        Raises:
            BlueprintError: A blueprint cannot mean anything.
            ConfigurationError: Two blueprints have one id, a called blueprint is missing, a step is no step, two
                classes that annotations name would be stored under one tag, or a step asks for a dependency that is
                not there.
            ImplementationMissingError: A blueprint uses a name that has no step.
        """
        if serializer is not None and not isinstance(serializer, Serializer):
            raise ConfigurationError(f"FlowRuntime: serializer must be a Serializer, not {serializer!r:.80}")
        if events is not None and not callable(events):
            raise ConfigurationError(f"FlowRuntime: events must be a function of an event, not {events!r:.80}")
        self.serializer = (serializer or Serializer()).extended()
        self.clock: Clock = clock or SystemClock()
        self.dependencies: Any = None
        self.middleware: tuple[Middleware, ...] = tuple(middleware)
        if dependencies is not None or self.middleware:
            from ..dependencies import around, dependencies_of  # noqa: PLC0415 # for those who have some

            self.dependencies = dependencies_of(dependencies)
            self.middleware = around(self.middleware, self.dependencies)
        self._provided_for: set[str] = set()  # the flows whose steps have what they ask for
        self.debug = debug
        self._threads = threads or StepThreads(max_threads)
        self.events = events
        self.telemetry = telemetry
        self.webhooks = webhooks
        self.strict = strict
        self.limits = limits_by_name(limits)
        self._local_limits = LocalLimits(self.limits, self.clock)
        self._registry = {name: implementation_of(name, step) for name, step in (registry or {}).items()}
        reserved = BUILT_IN_USES & self._registry.keys()
        if reserved:
            raise ConfigurationError(f"the registry cannot redefine what the engine implements: {', '.join(reserved)}")
        flows = tuple(flows)
        self.catalogue = Catalogue(flows, blueprints, self.serializer)
        for name, implementation in self._registry.items():
            register_annotated(self.serializer, annotated_by(f"step {name!r}", implementation.step))
        self._check_names(flows)
        self._check(self.catalogue.graphs.values())
        self._check_dependencies()

    # --- running --------------------------------------------------------------------------------------------------

    @overload
    async def run(self, flow: Flow[None, OutT], /, **options: Unpack[RunOptions]) -> RunResult[OutT]: ...
    @overload
    async def run(self, flow: Flow[InT, OutT], given: InT, /, **options: Unpack[RunOptions]) -> RunResult[OutT]: ...
    @overload
    async def run(
        self, flow: UntypedFlow, context: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]
    ) -> RunResult: ...
    async def run(
        self,
        flow: FlowLike,
        context: Any = None,
        *,
        run_id: str | None = None,
        concurrency: int | None = None,
        timeout: Duration | None = None,
        progress: bool = False,
        events: EventSink | None = None,
    ) -> RunResult:
        """Run a flow until it has ended or waits for someone.

        Args:
            flow: The flow, its blueprint, or its id.
            context: The flow's input, if it is a ``Flow``; else the initial context values, by name.
            run_id: The run's id; a new one by default.
            concurrency: How many steps may be under way at once; no limit by default.
            timeout: Seconds after which the run fails, a ``timedelta``, or text such as ``"20m"``.
            events: Receives what happens in this run, beside what receives it for all of the runtime.
            progress: Show how it goes on: in a notebook its picture, in a terminal a tree of its nodes (with the extra
                ``progress``), else a line on standard error for each step that has ended.

        Returns:
            The result. A failed step is no exception here: see ``status`` and ``errors``.

        Raises:
            ConfigurationError: The flow is unknown or incomplete, or a setting cannot mean anything.
            SerializationError: An initial context value, or its name, cannot be stored.
        """
        return await self._run(flow, context, run_id, concurrency, timeout, progress, events)

    async def _run(
        self,
        flow: FlowLike,
        context: Any,
        run_id: str | None,
        concurrency: int | None,
        timeout: Duration | None,
        progress: bool,
        events: EventSink | None,
    ) -> RunResult[Any]:
        if not progress:
            return await self._start(flow, context, run_id, concurrency, events).result(timeout)
        from .progress import display, shown  # noqa: PLC0415 # for those who look on

        seen = display()
        handle = self._start(flow, context, run_id, concurrency, both(events, seen))
        async with shown(handle._run, seen):
            return await handle.result(timeout)

    @overload
    def start(self, flow: Flow[None, OutT], /, **options: Unpack[HandleOptions]) -> RunHandle[OutT]: ...
    @overload
    def start(self, flow: Flow[InT, OutT], given: InT, /, **options: Unpack[HandleOptions]) -> RunHandle[OutT]: ...
    @overload
    def start(
        self, flow: UntypedFlow, context: Mapping[str, Any] | None = None, **options: Unpack[HandleOptions]
    ) -> RunHandle: ...
    def start(
        self,
        flow: FlowLike,
        context: Any = None,
        *,
        run_id: str | None = None,
        concurrency: int | None = None,
        events: EventSink | None = None,
    ) -> RunHandle:
        """Begin a run in the running event loop, and keep a hand on it: resume its waits, cancel it.

        Args:
            flow: The flow, its blueprint, or its id.
            context: The flow's input, if it is a ``Flow``; else the initial context values, by name.
            run_id: The run's id; a new one by default.
            concurrency: How many steps may be under way at once; no limit by default.
            events: Receives what happens in this run, beside what receives it for all of the runtime.

        Raises:
            ConfigurationError: The flow is unknown or incomplete, or a setting cannot mean anything.
            SerializationError: An initial context value, or its name, cannot be stored.
        """
        return self._start(flow, context, run_id, concurrency, events)

    @overload
    def stepping(self, flow: Flow[None, OutT], /, **options: Unpack[StepOptions]) -> Stepping[OutT]: ...
    @overload
    def stepping(self, flow: Flow[InT, OutT], given: InT, /, **options: Unpack[StepOptions]) -> Stepping[OutT]: ...
    @overload
    def stepping(
        self, flow: UntypedFlow, context: Mapping[str, Any] | None = None, **options: Unpack[StepOptions]
    ) -> Stepping: ...
    def stepping(self, flow: FlowLike, context: Any = None, *, run_id: str | None = None) -> Stepping:
        """Run a flow one node at a time, to look at it: see ``Stepping``.

        Whether or not the runtime was made to ``debug``, plain ``def`` steps run in the event loop's own thread, and
        timeouts of nodes do not count.

        Args:
            flow: The flow, its blueprint, or its id.
            context: The flow's input, if it is a ``Flow``; else the initial context values, by name.
            run_id: The run's id; a new one by default.

        Raises:
            ConfigurationError: The flow is unknown or incomplete.
            SerializationError: An initial context value, or its name, cannot be stored.
        """
        from .stepping import SteppedRun, Stepping  # noqa: PLC0415 # for those who look into a run

        run = self._begin(flow, context, run_id, 1, None, SteppedRun)
        _debug(run.executor)
        return Stepping(run)

    def _start(
        self,
        flow: FlowLike,
        context: Any,
        run_id: str | None,
        concurrency: int | None,
        events: EventSink | None = None,
    ) -> RunHandle[Any]:
        return RunHandle(self._begin(flow, context, run_id, concurrency, events, Run))

    def _begin(
        self,
        flow: FlowLike,
        context: Any,
        run_id: str | None,
        concurrency: int | None,
        events: EventSink | None,
        kind: type[RunT],
    ) -> RunT:
        graph = self.catalogue.find(flow)
        if isinstance(flow, FlowDefinition):
            self._check_names([flow])
            self._check_dependencies()
        self._check([graph])
        require_known(self.catalogue.reachable(graph).values(), self.limits)
        run_id, graphs = require_run_id(run_id or new_id()), self.catalogue.graphs
        starting = None
        if self.telemetry is not None:
            starting = self.telemetry.start(run_id, graph.blueprint.id, self.clock.now())
        trace = None if starting is None else starting.trace
        context = self.catalogue.begin(flow, context)
        run = self._make(run_id, graph, graphs, context, concurrency, trace, events, kind)
        if starting is not None:
            starting.done(self.clock.now())
        return run

    async def resume(
        self,
        state: str,
        node: str | None = None,
        *,
        output: Any = None,
        action: str | None = None,
        early: bool = False,
        concurrency: int | None = None,
        timeout: Duration | None = None,
    ) -> RunResult:
        """Go on with a run from the state of an earlier result, on the blueprints that it started with.

        Args:
            state: ``RunResult.state``.
            node: The wait to resume: its key, or its node id if only one instance of it is open. Without it, the run
                goes on with what else there is to do.
            output: The wait's output.
            action: The wait's action, which chooses its edges.
            early: Also if the run has not come to the wait yet, as for ``RunHandle.resume``.
            concurrency: As for ``run``.
            timeout: As for ``run``.

        Raises:
            ResumeError: The state is of another format, or there is no such open wait.
            ConfigurationError: A step that the run's blueprints use is missing here.
        """
        from .snapshots import Begun  # noqa: PLC0415 # for those who kept it

        try:
            snapshot = json.loads(state)
            begun = Begun.of(snapshot, self.serializer)
            trace = begun.trace
            if trace is None and self.telemetry is not None:  # it was begun without
                now = self.clock.now()
                if starting := self.telemetry.start(begun.run_id, begun.graph.blueprint.id, now):
                    starting.done(now)
                    trace = starting.trace
            run = self._make(begun.run_id, begun.graph, begun.graphs, begun.context, concurrency, trace, None, Run)
            run.restore(snapshot)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ResumeError(f"the state is not one that RunResult.state gave: {error!r}") from error
        for called in begun.graphs.values():
            self._check_steps(called)
        require_known(begun.graphs.values(), self.limits)
        if node is not None:
            run.resume(node, output, action, early=early)
        run.set_timeout(timeout)
        try:
            return await run.drive()
        except NothingLeftError as error:
            raise ResumeError(f"the state is not one that RunResult.state gave: {error}") from error

    @overload
    def run_sync(self, flow: Flow[None, OutT], /, **options: Unpack[RunOptions]) -> RunResult[OutT]: ...
    @overload
    def run_sync(self, flow: Flow[InT, OutT], given: InT, /, **options: Unpack[RunOptions]) -> RunResult[OutT]: ...
    @overload
    def run_sync(
        self, flow: UntypedFlow, context: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]
    ) -> RunResult: ...
    def run_sync(
        self,
        flow: FlowLike,
        context: Any = None,
        *,
        run_id: str | None = None,
        concurrency: int | None = None,
        timeout: Duration | None = None,
        progress: bool = False,
        events: EventSink | None = None,
    ) -> RunResult:
        """``run`` for code that is not async; works inside a running event loop too, as in a notebook.

        In a plain step the thread counts as free meanwhile, so that steps of the run inside always find one. In an
        async step it blocks the event loop: await ``run`` there.
        """
        return self._wait_for(
            lambda runtime: runtime._run(flow, context, run_id, concurrency, timeout, progress, events)
        )

    def resume_sync(
        self,
        state: str,
        node: str | None = None,
        *,
        output: Any = None,
        action: str | None = None,
        early: bool = False,
        concurrency: int | None = None,
        timeout: Duration | None = None,
    ) -> RunResult:
        """``resume`` for code that is not async; works inside a running event loop too."""
        return self._wait_for(
            lambda runtime: runtime.resume(
                state, node, output=output, action=action, early=early, concurrency=concurrency, timeout=timeout
            )
        )

    def _wait_for(self, begin: Callable[[FlowRuntime], Coroutine[Any, Any, T]]) -> T:
        if not has_loop():
            return run_here(begin(self))
        # Steps in this runtime's threads may be waiting for the loop that is blocked here: it takes other threads.
        beside = copy.copy(self)
        beside._threads = self._threads.others()
        return run_beside(begin(beside))

    # --- flows and steps ------------------------------------------------------------------------------------------

    def _check_names(self, flows: Iterable[FlowDefinition]) -> None:
        for flow in flows:
            self.catalogue.check_steps(flow)
        for flow_id, steps in self.catalogue.steps.items():
            if twice := sorted(steps.keys() & self._registry.keys()):
                text = (
                    f"both flow {flow_id!r} and the registry bring a step {', '.join(map(repr, twice))}: take it out "
                    "of the registry, or name it there as the flow's node does: node(..., 'name')"
                )
                raise ConfigurationError.of(rules.STEP_BROUGHT_TWICE.at(None, text))

    def _check_dependencies(self) -> None:
        if fresh := self.catalogue.steps.keys() - self._provided_for:
            calls = (each.call for flow_id in sorted(fresh) for each in self.catalogue.steps[flow_id].values())
            asked = [one for call in calls for one in getattr(call, "asks", {}).values()]
            if problems := dict.fromkeys(text for one in asked if (text := one.check(self.dependencies)) is not None):
                raise ConfigurationError("; ".join(problems))
            self._provided_for |= fresh

    def _check(self, graphs: Iterable[Graph]) -> None:
        for graph in list(graphs):
            for called in self.catalogue.reachable(graph).values():
                self._check_steps(called)

    def _check_steps(self, graph: Graph) -> None:
        flow_id = graph.blueprint.id
        if missing := missing_steps(graph, lambda uses: self.find_step(flow_id, uses) is not None):
            raise ImplementationMissingError.of(*missing)

    def find_step(self, flow_id: str, uses: str) -> Implementation | None:
        """The step that a flow's node runs.

        Args:
            flow_id: The flow.
            uses: The name under which its blueprint uses the step.

        Returns:
            The one that the flow brings, else the registry's; None if there is none.
        """
        return self.catalogue.steps.get(flow_id, {}).get(uses) or self._registry.get(uses)

    def _implementation(self, blueprint_id: str, uses: str) -> Implementation:
        implementation = self.find_step(blueprint_id, uses)
        if implementation is None:
            raise ImplementationMissingError(not_brought(uses))
        return implementation

    def executor(self, run_id: str, graphs: Mapping[str, Graph], journal: Journal | None = None) -> Executor:
        """What executes the instances of a run with this runtime's steps and settings.

        Args:
            run_id: The run.
            graphs: The run's blueprints, by id.
            journal: Is told of what happens in it; by default one of its own.
        """
        return Executor(
            run_id=run_id,
            implementations=self._implementation,
            graphs=graphs.__getitem__,
            dependencies=self.dependencies,
            serializer=self.serializer,
            clock=self.clock,
            threads=self._threads,
            journal=journal or Journal({"run_id": run_id}, self.telemetry),
            webhooks=self.webhooks,
            strict=self.strict,
            limits=self.limits,
            answers=self.catalogue.answered,
            middleware=self.middleware,
        )

    def _make(
        self,
        run_id: str,
        graph: Graph,
        graphs: Mapping[str, Graph],
        context: Mapping[str, Any],
        concurrency: int | None,
        trace: Trace | None,
        events: EventSink | None,
        kind: type[RunT],
    ) -> RunT:
        executor = self.executor(run_id, graphs)
        if self.debug:
            _debug(executor)
        return kind(
            run_id=run_id,
            graph=graph,
            executor=executor,
            clock=self.clock,
            context={
                require_name(name, "the name of a context value"): self.serializer.copy(value)
                for name, value in context.items()
            },
            concurrency=concurrency,
            events=both(self.events, events),
            limits=self._local_limits,
            trace=trace,
        )


def _debug(executor: Executor) -> None:
    from ..inline import InlineThreads  # noqa: PLC0415 # as above

    executor.threads, executor.is_patient = InlineThreads(), True


class RunHandle(Generic[OutT]):
    """A run that was started in the running event loop."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._driver = asyncio.ensure_future(run.drive())

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run.run_id

    @property
    def status(self) -> Status:
        """Where the run stands."""
        return self._run.status

    @property
    def waiting(self) -> list[str]:
        """The keys of the waits that can be resumed now."""
        return self._run.waiting()

    def resume(self, node: str, *, output: Any = None, action: str | None = None, early: bool = False) -> None:
        """End a wait with a result; the run goes on.

        Args:
            node: The wait's key, or its node id if only one instance of it is open. With ``early`` the node id will do
                for a wait of the run's own flow; one inside a loop, a batch or a subflow is named by its key.
            output: The wait's output.
            action: The wait's action, which chooses its edges.
            early: Also if the run has not come to the wait yet: it goes on at once when it does.

        Raises:
            ResumeError: There is no such open wait, or none at all; the message says why.
            SerializationError: The output or the action cannot be stored.
        """
        goes_on = self._run.resume(node, output, action, early=early)
        if goes_on and self._driver.done():
            self._driver = asyncio.ensure_future(self._run.drive())

    def cancel(self) -> bool:
        """Cancel the run: nothing new starts, steps under way are told; False if it had ended already."""
        ended = self._run.cancel()
        if ended and self._driver.done():
            self._driver = asyncio.ensure_future(self._run.drive())
        return ended

    def abandon(self) -> bool:
        """Undo no more of what the run has done, which has failed or was cancelled: what is under way is cancelled.

        Returns:
            Whether something was being undone. ``cancel`` does not do this: a second one changes nothing.
        """
        return self._run.abandon()

    async def result(self, timeout: Duration | None = None) -> RunResult[OutT]:
        """Wait until the run has ended or only a resume can go on.

        Args:
            timeout: How long from now until the run fails, as for ``FlowRuntime.run``.
        """
        self._run.set_timeout(timeout)
        try:
            async with interruptible():
                return await asyncio.shield(self._driver)
        except asyncio.CancelledError:
            # Whoever waits for the result owns the run: cancelled, it does not leave steps running behind its back.
            self._driver.cancel()
            await asyncio.wait([self._driver])
            raise
