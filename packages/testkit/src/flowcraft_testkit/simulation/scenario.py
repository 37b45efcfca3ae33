"""What is simulated: a flow, and what people do with its run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs
from flowcraft_core import Blueprint, FlowDefinition, Limit, NodeResult, Serializer, Step
from flowcraft_core.durable import Client
from flowcraft_core.ports import FinalState

from .fakes import Fake

#: The run of a scenario.
RUN = "run"


@attrs.frozen
class Flows:
    """A flow, as clients and runtimes take it.

    Attributes:
        flow: What is started.
        builders: The flows that bring their steps.
        blueprints: Those that do not.
        registry: The steps of the latter, by name.
    """

    flow: FlowDefinition | Blueprint
    builders: Sequence[FlowDefinition]
    blueprints: Sequence[Blueprint]
    registry: Mapping[str, Step]


@attrs.frozen(kw_only=True)
class Scenario:
    """A flow and how it is run.

    Attributes:
        name: For reports, and for replays.
        build: Makes the flow. It is called once for each schedule, so that steps may keep something in between.
        blueprints: Blueprints that it calls, if it is a blueprint itself.
        registry: The steps that blueprints use, by name.
        context: The initial context values.
        dependencies: Handed to every step.
        serializer: Knows the types of the user's own that values have; by default there are none.
        fakes: What stands in for steps.
        answers: What waits are answered with once they are reached, by key: an output, or a ``NodeResult`` for an
            action too.
        early_answers: What waits are answered with before the run comes to them, likewise.
        act: What else the client does once it has started the run. It may be interrupted at any request and be called
            again from its beginning.
        ends: The states in which the run may end.
        racing: It depends on the schedule what the run comes to: it has an ``any`` join, a timeout, a failure beside
            something else, or is cancelled. Then it is held to the replay of its own facts only.
        timeout: How long the run may take before it fails, seconds; None for no limit.
        lasts: How long it may take if nothing goes wrong, seconds.
        max_value_bytes: The store's limit, to see values cut into chunks.
        worker: Options of its workers, see ``Worker``.
        needs_reconciler: Its end rests on a reconciler also if no message is lost.
        also: The ids of further runs that ``act`` starts, of the same flow.
        limits: What is declared.
        lowered: What the second worker declares instead, as one of a newer deployment.
        clocks_apart: By how much the second worker's clock is ahead, seconds.
    """

    name: str
    build: Callable[[], FlowDefinition | Blueprint]
    blueprints: Sequence[Blueprint] = ()
    registry: Mapping[str, Step] = attrs.field(factory=dict)
    context: Mapping[str, Any] = attrs.field(factory=dict)
    dependencies: Any = None
    serializer: Serializer | None = None
    fakes: tuple[Fake, ...] = ()
    answers: Mapping[str, Any | NodeResult[Any]] = attrs.field(factory=dict)
    early_answers: Mapping[str, Any | NodeResult[Any]] = attrs.field(factory=dict)
    act: Callable[[Client], Awaitable[None]] | None = None
    ends: tuple[FinalState, ...] = ("completed",)
    racing: bool = False
    timeout: float | None = None
    lasts: float = 0.0
    max_value_bytes: int | None = None
    worker: Mapping[str, Any] = attrs.field(factory=dict)
    needs_reconciler: bool = False
    also: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    lowered: tuple[Limit, ...] = ()
    clocks_apart: float = 0.0

    def flows(self) -> Flows:
        """The flow, made anew, with what it needs."""
        flow = self.build()
        if isinstance(flow, FlowDefinition):
            return Flows(flow, [flow], self.blueprints, self.registry)
        return Flows(flow, [], [flow, *self.blueprints], self.registry)

    @property
    def rests_on_reconciler(self) -> bool:
        """Whether messages alone may not bring it to its end, as where people die between two of their calls."""
        return self.needs_reconciler or bool(self.answers) or bool(self.early_answers) or self.act is not None
