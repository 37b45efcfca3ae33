"""A run whose steps the test ends itself, one by one, by their keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flowcraft_core.blueprint import Blueprint
from flowcraft_core.builder import FlowBuilder
from flowcraft_core.errors import FlowcraftError
from flowcraft_core.graph import decisions
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.graph.facts import NodeError, Outcome
from flowcraft_core.graph.failures import causes, errors_of
from flowcraft_core.graph.fold import context_of, outputs_of
from flowcraft_core.graph.instances import Claim, Instance, Mark
from flowcraft_core.graph.scopes import Kind
from flowcraft_core.graph.state import RunState

from .driver import instances


class ByHand:
    """A run. What constructs do by themselves is done at once; joins are claimed at once too, unless the test does it.

    Attributes:
        state: The state under test.
        started: The keys of the steps that became ready, in that order.
    """

    def __init__(
        self,
        flow: FlowBuilder | Blueprint,
        *called: FlowBuilder | Blueprint,
        context: Mapping[str, Any] | None = None,
        claims: bool = True,
    ) -> None:
        blueprints = [f.to_blueprint() if isinstance(f, FlowBuilder) else f for f in (flow, *called)]
        self._graphs = {blueprint.id: compile_blueprint(blueprint) for blueprint in blueprints}
        self._claims = claims
        self._asking: list[Claim] = []
        self._open: dict[str, Instance] = {}
        self.started: list[str] = []
        self.state = RunState(self._graphs[blueprints[0].id], self._graphs.__getitem__, context or {})
        self._go_on()

    # --- what the test does ---------------------------------------------------------------------------------------

    def end(
        self, key: str, output: Any = None, *, action: str | None = None, sets: Mapping[str, Any] | None = None
    ) -> ByHand:
        """End a step."""
        instance = self._open.pop(key)
        taken = decisions.take_edges(*instance, output, action)
        self._add(instance, Outcome(output, action, None, taken, dict(sets) if sets else None))
        return self

    def end_all(self, *keys: str) -> ByHand:
        """End steps one after the other, each with its key as the output."""
        for key in keys:
            self.end(key, key)
        return self

    def fail(self, *keys: str) -> ByHand:
        """Let steps fail for good."""
        for key in keys:
            instance = self._open.pop(key)
            self._add(instance, decisions.fail(*instance, NodeError(key, instance.vertex.id, "ValueError", "no")))
        return self

    def claim(self, join: str, source: str) -> ByHand:
        """Let the edge from a node hold the next slot of a join."""
        claim = next(c for c in self._asking if c.scope.key(c.vertex) == join and c.link.source_id == source)
        assert claim.slot is not None
        self.state.claim(claim.scope, claim.vertex, claim.slot, claim.place)
        self._go_on()
        return self

    # --- what it sees ---------------------------------------------------------------------------------------------

    @property
    def ready(self) -> set[str]:
        """The steps that may be started, and those that were and have not ended."""
        return {key for key, instance in self._open.items() if not instance.scope.is_unneeded(instance.vertex)}

    @property
    def wanted(self) -> set[tuple[str, str]]:
        """The joins that have slots left, each with a node whose edge asks."""
        return {
            (c.scope.key(c.vertex), c.link.source_id)
            for c in self._asking
            if c.slot is not None and not c.scope.is_unneeded(c.vertex)
        }

    @property
    def dead(self) -> set[str]:
        return self._marked(Mark.SKIPPED)

    @property
    def blocked(self) -> set[str]:
        return self._marked(Mark.BLOCKED)

    @property
    def unneeded(self) -> set[str]:
        return {i.key for i in instances(self.state) if i.scope.is_unneeded(i.vertex)}

    @property
    def status(self) -> str:
        return self.state.phase.value

    @property
    def errors(self) -> list[str]:
        return [error.key for error in errors_of(self.state.root)]

    @property
    def outputs(self) -> dict[str, Any]:
        return outputs_of(self.state)

    @property
    def context(self) -> dict[str, Any]:
        return context_of(self.state)

    def input_of(self, key: str) -> Any:
        return decisions.input_of(*self._open[key])

    def idempotency_key_of(self, key: str) -> str:
        return self._open[key].identity

    # --- what goes by itself --------------------------------------------------------------------------------------

    def _marked(self, mark: Mark) -> set[str]:
        there = (i for i in instances(self.state) if i.vertex.kind is not Kind.ENTRY)
        return {i.key for i in there if i.scope.marks.get(i.vertex.index) is mark}

    def _add(self, instance: Instance, outcome: Outcome) -> None:
        self.state.add(instance.scope, instance.vertex, outcome)
        self._go_on()

    def _go_on(self) -> None:
        while self.state.ready or self.state.wanted:
            while self.state.wanted:
                claim = self.state.wanted.popleft()
                self._asking.append(claim)
                if self._claims and claim.slot is not None:
                    self.state.claim(claim.scope, claim.vertex, claim.slot, claim.place)
            while self.state.ready:
                instance = self.state.ready.popleft()
                if instance.vertex.catches and (errors := causes(*instance)):
                    self.state.add(*instance, decisions.fail(*instance, errors[0]))
                elif instance.vertex.kind is Kind.STEP:
                    self._open[instance.key] = instance
                    self.started.append(instance.key)
                elif not instance.scope.is_unneeded(instance.vertex):
                    self.state.add(instance.scope, instance.vertex, self._structure(instance))

    def _structure(self, instance: Instance) -> Outcome:
        scope, vertex = instance
        try:
            if vertex.kind is Kind.EXIT:
                outcome = decisions.leave(scope, vertex)
                outcome.taken = decisions.take_edges(scope, vertex, outcome.output, outcome.action)
                return outcome
            value = decisions.input_of(scope, vertex)
            if vertex.kind is Kind.VERDICT:
                return decisions.verdict(scope, vertex, value)
            called = vertex.construct.calls if vertex.construct else None
            return decisions.enter(scope, vertex, value, self._graphs[called] if called else None)
        except FlowcraftError as error:
            return decisions.fail(scope, vertex, NodeError(instance.key, vertex.id, type(error).__name__, str(error)))


def keys(numbers: Iterable[int], form: str) -> set[str]:
    """Keys of passes or items: ``keys(range(2), "b[{}].w")``."""
    return {form.format(number) for number in numbers}
