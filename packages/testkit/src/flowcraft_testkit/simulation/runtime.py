"""A ``FlowRuntime`` for simulations: in virtual time, with steps that follow a script, watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
from flowcraft_core import FlowRuntime, Limit
from flowcraft_core.blueprint import Node
from flowcraft_core.clock import Clock
from flowcraft_core.execution import FIRST, Executor
from flowcraft_core.graph.facts import Attempt, Outcome, Suspension, Undone
from flowcraft_core.graph.instances import Instance
from flowcraft_core.graph.scopes import Graph
from flowcraft_core.runtime.events import EventSink
from flowcraft_core.steps import Implementation

from .limiting import LimitWatch
from .scenario import Scenario
from .script import scripted
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
    ) -> None:
        """Put it together.

        Args:
            scenario: Brings the flow, its dependencies, and the scripts.
            clock: On the loop's time.
            watch: Told of each attempt.
            watch_undo: Told of each attempt at an undo.
            events: Told of what happens.
            limits: What is declared; the scenario's by default.
            at_work: Told of attempts that keep to limits.

        Raises:
            ValueError: A script is for a node that no flow has, or has no answer.
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
        scripts = scenario.scripts
        nodes = {node.id for graph in self.catalogue.graphs.values() for node in graph.blueprint.nodes}
        for node_id, script in scripts.items():
            if node_id not in nodes:
                raise ValueError(f"there is no node {node_id!r} to script; there are: {', '.join(sorted(nodes))}")
            if not script:
                raise ValueError(f"the script of node {node_id!r} has no answer")
        self._scripts = {node_id: scripted(node_id, script) for node_id, script in scripts.items()}
        self._watch, self._watch_undo, self._at_work = watch, watch_undo or _watch_nothing, at_work

    def executor(self, run_id: str, graphs: Mapping[str, Graph]) -> Executor:
        """See ``FlowRuntime.executor``."""
        plain = super().executor(run_id, graphs)
        return _Executor(
            **attrs.asdict(plain, recurse=False),
            scripts=self._scripts,
            watch=self._watch,
            watch_undo=self._watch_undo,
            at_work=self._at_work,
        )


def _watch_nothing(run_id: str, instance: Instance, attempt: str) -> None:
    return None


@attrs.define(eq=False)
class _Executor(Executor):
    scripts: Mapping[str, Implementation] = attrs.field(factory=dict)
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
            return await super().attempt(instance, attempt)
        self.at_work.begins(names)
        try:
            return await super().attempt(instance, attempt)
        finally:
            self.at_work.ends(names)

    async def undo(self, instance: Instance, attempt: Attempt = FIRST) -> Undone | Suspension:
        """See ``Executor.undo``."""
        self.watch_undo(self.run_id, instance, f", attempt {attempt.number}" if attempt.number > 1 else "")
        return await super().undo(instance, attempt)

    async def _call(self, implementation: Implementation, instance: Instance, node: Node, *rest: Any) -> Any:
        construct = instance.scope.construct
        is_worker = construct is not None and construct.kind == "batch" and construct.body is not None
        name = construct.node.id if construct is not None and is_worker else node.id
        return await super()._call(self.scripts.get(name, implementation), instance, node, *rest)
