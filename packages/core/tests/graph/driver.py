"""Runs a flow on a ``RunState``, with every choice that a schedule has left to chance.

Steps are started in any order, several are under way at once and end in any order, joins are claimed at any time and by
any edge that asks. What each instance gives comes from the script alone. The facts are kept twice: as the state got
them, and as the oracle's model reads them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
from flowcraft_core.errors import FlowcraftError
from flowcraft_core.graph import decisions
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.graph.facts import DELETED, NodeError, Outcome
from flowcraft_core.graph.failures import causes
from flowcraft_core.graph.fold import context_of, outputs_of
from flowcraft_core.graph.instances import Claim, Instance, Mark, Phase, ScopeState
from flowcraft_core.graph.pages import page_size_of
from flowcraft_core.graph.scopes import Graph, Kind, Vertex
from flowcraft_core.graph.state import RunState
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.giving import TIMED_OUT
from flowcraft_testkit.oracle.growing import CONTEXT
from flowcraft_testkit.oracle.judging import fact_of
from flowcraft_testkit.oracle.places import Facts
from flowcraft_testkit.oracle.script import Answer, Script, ScriptedError, plain, uses_of
from flowcraft_testkit.oracle.writing import blueprints

Claims: TypeAlias = Mapping[str, Mapping[int, int]]

# Of a step that is tried again and again, whatever its number.
_LAST_ATTEMPT = 100


def compiled(flow: Flow) -> dict[str, Graph]:
    return {blueprint_id: compile_blueprint(blueprint) for blueprint_id, blueprint in blueprints(flow).items()}


def execute(script: Script, graphs: Mapping[str, Graph], instance: Instance) -> Outcome:
    """The outcome of a ready instance, as a runtime would make it."""
    scope, vertex = instance
    if vertex.catches and (errors := causes(scope, vertex)):
        return decisions.fail(scope, vertex, errors[0])
    try:
        if vertex.kind is Kind.STEP:
            return _step(script, instance)
        if vertex.kind is Kind.EXIT:
            outcome = _leave(scope, vertex)
            outcome.taken = decisions.take_edges(scope, vertex, outcome.output, outcome.action, outcome.sets)
            return outcome
        value = decisions.input_of(scope, vertex)
        if vertex.kind is Kind.VERDICT:
            return decisions.verdict(scope, vertex, value)
        called = vertex.construct.calls if vertex.construct else None
        return decisions.enter(scope, vertex, value, graphs[called] if called else None)
    except (ScriptedError, FlowcraftError) as error:
        tried = isinstance(error, ScriptedError) and vertex.fallback is None
        attempts = vertex.retry.max_attempts if tried else 1
        return decisions.fail(
            scope, vertex, NodeError(instance.key, vertex.id, type(error).__name__, str(error), attempts)
        )


def _leave(scope: ScopeState, vertex: Vertex) -> Outcome:
    outcome, batch = decisions.leave(scope, vertex), vertex.construct
    if batch is None or batch.reduce is None:
        return outcome
    size, results = page_size_of(batch), outcome.output
    pages = [list(results[first : first + size]) for first in range(0, len(results) or 1, size)]  # as the script does
    return decisions.leave_reduced(scope, vertex, pages)


def _step(script: Script, instance: Instance) -> Outcome:
    scope, vertex = instance
    answer, via = _answer(script, instance, vertex.node.uses)
    sets = {**answer.sets, **dict.fromkeys(answer.deletes, DELETED)}
    taken = decisions.take_edges(scope, vertex, answer.output, answer.action, sets)
    return Outcome(answer.output, answer.action, None, taken, sets or None, via=via)


def _answer(script: Script, instance: Instance, uses: str) -> tuple[Answer, str | None]:
    """What a step, a wait or a sleep gives, and the fallback that it is from."""
    scope, vertex = instance
    value = decisions.input_of(scope, vertex)
    if uses == "sleep":
        return Answer(value, None, {}, ()), None
    if uses == "wait":
        # Whether somebody comes in time follows from the key: what is asked again says the same again.
        if vertex.node.config is not None and vertex.node.config.timeout and len(instance.key) % 2:
            return TIMED_OUT, None
        return script(uses_of(vertex.id), instance.key, None, {}, 1), None  # whoever ends it does not see its input
    read = {name: _context_value(scope, name) for name in script.turn(uses, instance.key).reads}
    try:
        return script(uses, instance.key, value, read, _LAST_ATTEMPT), None
    except ScriptedError:
        if vertex.fallback is None:
            raise
        return script(vertex.fallback.uses, instance.key, value, {}, _LAST_ATTEMPT), vertex.fallback.id


def _context_value(scope: ScopeState, name: str) -> Any:
    return decisions.ContextView(scope, {}).get(name)


# --- looking at a state -----------------------------------------------------------------------------------------------


def instances(state: RunState) -> Iterator[Instance]:
    """Every instance that can be spoken of, whether it will run or not."""
    for scope in state.root.walk():
        yield from scope.instances()


@attrs.frozen
class View:
    """What a state says, as sets of keys; of dead and blocked constructs the keys of their exits."""

    ready: frozenset[str]
    wanted: frozenset[tuple[str, int]]
    done: frozenset[str]
    dead: frozenset[str]
    blocked: frozenset[str]
    unneeded: frozenset[str]
    phase: Phase

    @classmethod
    def of(cls, state: RunState, ready: Iterable[Instance], wanted: Iterable[Claim]) -> View:
        there = list(instances(state))

        def marked(mark: Mark) -> frozenset[str]:
            return frozenset(
                instance.key
                for instance in there
                if instance.vertex.kind is not Kind.ENTRY
                and instance.scope.marks.get(instance.vertex.index) is mark
                and instance.vertex.index not in instance.scope.outcomes
            )

        return cls(
            ready=frozenset(
                instance.key
                for instance in ready
                if instance.vertex.index not in instance.scope.outcomes
                if not instance.scope.is_unneeded(instance.vertex)
            ),
            wanted=frozenset(
                (claim.scope.key(claim.vertex), claim.place)
                for claim in wanted
                if claim.slot is not None and not claim.scope.is_unneeded(claim.vertex)
            ),
            done=frozenset(i.key for i in there if i.vertex.index in i.scope.outcomes),
            dead=marked(Mark.SKIPPED),
            blocked=marked(Mark.BLOCKED),
            unneeded=frozenset(i.key for i in there if i.scope.is_unneeded(i.vertex)),
            phase=state.phase,
        )


def view_of(state: RunState) -> View:
    """What a state says on which nothing is under way."""
    return View.of(state, state.ready, state.wanted)


# --- running ----------------------------------------------------------------------------------------------------------


class Driver:
    """One run under one schedule.

    Attributes:
        state: The state under test.
        facts: What the model needs to know.
        outcomes: What a state needs to know, by key, in the order in which it came.
        seen: The keys of all instances that ever became ready.
        executed: Of those that were executed.
    """

    def __init__(
        self,
        flow: Flow,
        seed: int,
        claims: Mapping[str, Mapping[int, int]] | None = None,
        *,
        script: Script | None = None,
        kept: Mapping[str, Outcome] | None = None,
        kept_claims: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        """Begin.

        Args:
            flow: The flow.
            seed: What the schedule follows from; by an odd one, items of batches that have ended are packed.
            claims: Makes these claims and no others, whichever slots they get.
            script: What steps give, if not what the flow says.
            kept: Outcomes that are there already, as in a fork.
            kept_claims: Claims that are.
        """
        self.graphs = compiled(flow)
        self.flow = flow
        self.script = script or Script(flow)
        self._packs = seed % 2 == 1
        self.state = self.fresh()
        self._kept, self._kept_claims = kept or {}, kept_claims or {}
        self.outcomes: dict[str, Outcome] = dict(kept or {})
        held = {key: dict(enumerate(places)) for key, places in self._kept_claims.items()}
        self.facts = Facts({key: fact_of(fact) for key, fact in self.outcomes.items()}, held)
        self.seen: set[str] = set()
        self.executed: set[str] = set()
        self._claims = claims
        self._chance = random.Random(seed)
        self._waiting: list[Instance] = []
        self._under_way: list[Instance] = []
        self._asking: list[Claim] = []
        self._look()

    def fresh(self) -> RunState:
        """A state of the same run that knows no facts."""
        return RunState(self.graphs[self.flow.id], self.graphs.__getitem__, CONTEXT, packs=self._packs)

    def view(self) -> View:
        return View.of(self.state, self._waiting + self._under_way, self._asking)

    def steps(self) -> Iterator[Instance | None]:
        """Go on by one fact at a time until nothing is left; gives the instance that ended, or None at a claim."""
        while self.state.phase is Phase.RUNNING:
            self._waiting = [instance for instance in self._waiting if not instance.scope.is_unneeded(instance.vertex)]
            self._asking = [claim for claim in self._asking if claim.slot is not None]
            choices = len(self._waiting) + len(self._under_way) + len(self._asking)
            if not choices:
                return
            choice = self._chance.randrange(choices)
            if choice < len(self._waiting):
                self._under_way.append(self._waiting.pop(choice))
                continue
            choice -= len(self._waiting)
            if choice < len(self._under_way):
                instance = self._under_way.pop(choice)
                self.end(instance)
                yield instance
            else:
                claim = self._asking.pop(choice - len(self._under_way))
                slot, place = claim.slot, claim.place
                assert slot is not None
                self.facts.claims.setdefault(claim.scope.key(claim.vertex), {})[slot] = place
                self.state.claim(claim.scope, claim.vertex, slot, place)
                self._look()
                yield None

    def run(self) -> Driver:
        for _ in self.steps():
            pass
        return self

    def end(self, instance: Instance) -> None:
        """Take in the outcome of an instance."""
        outcome = execute(self.script, self.graphs, instance)
        self.executed.add(instance.key)
        self.outcomes[instance.key] = outcome
        self.facts.outcomes[instance.key] = fact_of(outcome)
        self.state.add(instance.scope, instance.vertex, outcome)
        self._look()

    def end_what_is_under_way(self) -> None:
        """What is in flight when a run fails may finish."""
        self._chance.shuffle(self._under_way)
        while self._under_way:
            self.end(self._under_way.pop())

    def _look(self) -> None:
        undo_calls(self.state)
        while self.state.ready or self.state.wanted:
            self._look_at_claims()
            if not self.state.ready:
                break
            instance = self.state.ready.popleft()
            if instance.key in self._kept:
                self.state.add(*instance, self._kept[instance.key])
                undo_calls(self.state)
                continue
            if self._kept and instance.scope.is_unneeded(instance.vertex):
                continue  # by a claim that was kept, and that was looked at since
            assert not instance.scope.is_unneeded(instance.vertex), f"{instance.key} became ready when it was unneeded"
            assert instance.vertex.index not in instance.scope.marks, f"{instance.key} became ready when it was dead"
            assert instance.key not in self.seen, f"{instance.key} became ready twice"
            self.seen.add(instance.key)
            self._waiting.append(instance)

    def _look_at_claims(self) -> None:
        while self.state.wanted:
            claim = self.state.wanted.popleft()
            scope, vertex, _ = claim
            key = scope.key(vertex)
            if claim.slot is None:
                continue  # it was decided meanwhile that too few edges are taken
            for slot, place in enumerate(self._kept_claims.get(key, ())):
                self.state.claim(scope, vertex, slot, place)
            if self._claims is None or claim.place in self._claims.get(key, {}).values():
                self._asking.append(claim)


def undo_calls(state: RunState) -> None:
    """Say of calls that undo themselves that they have: in which order, and when, is not what is looked at here."""
    while state.to_undo:
        state.undone(state.to_undo.popleft())


# --- feeding facts ----------------------------------------------------------------------------------------------------


def facts_of(outcomes: Mapping[str, Outcome], claims: Claims) -> list[tuple[str, Outcome | tuple[int, int]]]:
    """Facts one by one: outcomes, and who holds a slot of a join, each with the instance's key."""
    return [*outcomes.items(), *((key, held) for key, slots in claims.items() for held in slots.items())]


def feed(state: RunState, outcomes: Mapping[str, Outcome], claims: Claims, order: random.Random) -> None:
    """Give facts to a state in any order, each as soon as the scope that it speaks of exists."""
    waiting = facts_of(outcomes, claims)
    order.shuffle(waiting)
    while True:
        there = {instance.key: instance for instance in instances(state)}
        later = []
        for key, fact in waiting:
            if key not in there:
                later.append((key, fact))
                continue
            before = len(state.ready)
            if isinstance(fact, Outcome):
                state.add(*there[key], fact)
            else:
                state.claim(*there[key], *fact)
            undo_calls(state)
            for instance in list(state.ready)[before:]:
                assert instance.vertex.index not in instance.scope.outcomes, f"{instance.key} had an outcome already"
        if len(later) == len(waiting):
            return
        waiting = later


def replay(state: RunState, outcomes: Mapping[str, Outcome], claims: Claims) -> None:
    """Give facts to a state as they become due, as a runtime does that goes on with a run."""
    frontier: list[Instance] = []
    unclaimed = []
    while state.ready or state.wanted or state.to_undo:
        undo_calls(state)
        while state.wanted:
            claim = state.wanted.popleft()
            for slot, place in claims.get(claim.scope.key(claim.vertex), {}).items():
                state.claim(claim.scope, claim.vertex, slot, place)
            unclaimed.append(claim)
        if state.ready:
            instance = state.ready.popleft()
            if instance.key in outcomes:
                state.add(instance.scope, instance.vertex, outcomes[instance.key])
            else:
                frontier.append(instance)
    state.ready.extend(frontier)
    state.wanted.extend(claim for claim in unclaimed if claim.slot is not None)


def results(state: RunState) -> tuple[Any, ...]:
    """The run's folded outputs and context."""
    return plain(outputs_of(state)), plain(context_of(state))
