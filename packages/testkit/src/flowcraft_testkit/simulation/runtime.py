"""A ``FlowRuntime`` for simulations: in virtual time, with steps that may be replaced, watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import attrs
from flowcraft_core import FlowRuntime, Limit
from flowcraft_core.blueprint import Node
from flowcraft_core.clock import Clock
from flowcraft_core.contexts import UNDO
from flowcraft_core.decorated.calls import is_wiring
from flowcraft_core.events import EventSink
from flowcraft_core.execution import FIRST, Executor
from flowcraft_core.graph.facts import Attempt, Outcome, Suspension, Undone
from flowcraft_core.graph.instances import Instance
from flowcraft_core.graph.scopes import Graph, Kind
from flowcraft_core.logging.journal import Journal
from flowcraft_core.steps import Implementation

from .fakes import Fake, Recorder, Role, standing_in
from .limiting import LimitWatch
from .references import Place, require_step
from .scenario import Scenario
from .threads import HandedOverThreads

#: Called when an attempt begins: with the run, the instance, and which attempt it is, in words.
Watch: TypeAlias = Callable[[str, Instance, str], None]


class SimulatedRuntime(FlowRuntime):
    """A runtime for a ``VirtualLoop``.

    Attributes:
        flow: The scenario's flow.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        clock: Clock,
        watch: Watch,
        watch_undo: Watch | None = None,
        events: EventSink | None = None,
        limits: Sequence[Limit] | None = None,
        at_work: LimitWatch | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """Put it together.

        Args:
            scenario: Brings the flow, its dependencies, and what stands in for steps.
            clock: On the loop's time.
            watch: Told of each attempt.
            watch_undo: Told of each attempt at an undo.
            events: Told of what happens.
            limits: What is declared; the scenario's by default.
            at_work: Told of attempts that keep to limits.
            recorder: Writes down what is called, and what comes to an end.

        Raises:
            ValueError: A step is to be replaced that no flow has.
        """
        flows = scenario.flows()
        super().__init__(
            flows.builders,
            blueprints=flows.blueprints,
            registry=flows.registry,
            clock=clock,
            dependencies=scenario.dependencies,
            serializer=scenario.serializer,
            threads=HandedOverThreads(),
            events=events,
            limits=scenario.limits if limits is None else limits,
        )
        self.flow = flows.flow
        for fake in scenario.fakes:
            require_step(self, fake.step)
        self._fakes, self._recorder = scenario.fakes, recorder
        if recorder is not None:
            recorder.serializer = self.serializer
        self._watch, self._watch_undo, self._at_work = watch, watch_undo or _watch_nothing, at_work

    def _check_dependencies(self) -> None:
        """Those that are not faked find out when they are called: who fakes a step need not have what it needs."""

    def executor(self, run_id: str, graphs: Mapping[str, Graph], journal: Journal | None = None) -> Executor:
        """See ``FlowRuntime.executor``."""
        plain = super().executor(run_id, graphs, journal)
        return _Executor(
            **attrs.asdict(plain, recurse=False),
            fakes=self._fakes,
            recorder=self._recorder,
            watch=self._watch,
            watch_undo=self._watch_undo,
            at_work=self._at_work,
        )


def _watch_nothing(run_id: str, instance: Instance, attempt: str) -> None:
    return None


@attrs.define(eq=False)
class _Executor(Executor):
    fakes: Sequence[Fake] = ()
    recorder: Recorder | None = None
    watch: Watch = _watch_nothing
    watch_undo: Watch = _watch_nothing
    at_work: LimitWatch | None = None
    keeps_to: Sequence[str] = ()

    async def limits_of(self, instance: Instance) -> tuple[str, ...]:
        """See ``Executor.limits_of``."""
        found = await super().limits_of(instance)
        self.keeps_to = found
        return found

    async def attempt(self, instance: Instance, attempt: Attempt = FIRST) -> Outcome | Suspension:
        """See ``Executor.attempt``."""
        number = f", attempt {attempt.number}" if attempt.number > 1 else ""
        deferred = f", deferred {attempt.deferred} times" if attempt.deferred else ""
        self.watch(self.run_id, instance, f"{number}{deferred}{', fallback' if attempt.standing_in else ''}")
        names, self.keeps_to = self.keeps_to, ()
        if self.at_work is None:
            return self._seen(instance, await super().attempt(instance, attempt))
        self.at_work.begins(names)
        try:
            return await super().attempt(instance, attempt)
        finally:
            self.at_work.ends(names)

    async def undo(self, instance: Instance, attempt: Attempt = FIRST) -> Undone | Suspension:
        """See ``Executor.undo``."""
        self.watch_undo(self.run_id, instance, f", attempt {attempt.number}" if attempt.number > 1 else "")
        return await super().undo(instance, attempt)

    def resume(self, instance: Instance, suspension: Suspension, output: Any, action: str | None) -> Outcome:
        """See ``Executor.resume``."""
        return cast(Outcome, self._seen(instance, super().resume(instance, suspension, output, action)))

    def _seen(self, instance: Instance, ended: Outcome | Suspension) -> Outcome | Suspension:
        vertex = instance.vertex
        if self.recorder is not None and isinstance(ended, Suspension) and ended.kind == "wait":
            self.recorder.waits[instance.key] = Place(instance.scope.scope.blueprint, vertex.id, None)
        if self.recorder is not None and vertex.kind is Kind.STEP and isinstance(ended, Outcome):
            flow_id, uses = instance.scope.scope.blueprint, vertex.node.uses
            if not (vertex.is_called and is_wiring(self.implementations(flow_id, uses).step)):
                self.recorder.ended[instance.key] = None
        return ended

    async def _executed(
        self,
        implementation: Implementation,
        instance: Instance,
        node: Node,
        attempt: Attempt,
        role: str,
        failed_with: Exception | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        if failed_with is None and not is_wiring(implementation.step):
            called_as, node_id = _role(instance, node, role)
            place = Place(instance.scope.scope.blueprint, node_id, implementation.step)
            implementation = standing_in(implementation, place, called_as, attempt, self.fakes, self.recorder)
        return await super()._executed(implementation, instance, node, attempt, role, failed_with, given)


def _role(instance: Instance, node: Node, role: str) -> tuple[Role, str | None]:
    """As what a step is called, and the id of the node that it is called for."""
    construct = instance.scope.construct
    if role == UNDO:
        return "undo", node.id
    if role.startswith(":reduce:"):
        return "reducer", None
    if role.startswith(":reminder:"):
        return "reminder", None
    if role:
        return "fallback", node.id
    is_worker = construct is not None and construct.kind == "batch" and construct.body is not None
    return "step", construct.node.id if construct is not None and is_worker else node.id
