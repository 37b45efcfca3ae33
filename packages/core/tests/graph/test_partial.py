"""A state that knows only what it looked up comes to the same as one that knows everything."""

from __future__ import annotations

import random
from collections.abc import Iterable

import attrs
from flowcraft_core.graph.facts import Outcome
from flowcraft_core.graph.instances import Instance, Mark, Phase
from flowcraft_core.graph.partial import Unknown, context_names, find, is_decided, named, needs, settle
from flowcraft_core.graph.scopes import Kind
from flowcraft_core.graph.state import RunState
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.growing import CONTEXT
from flowcraft_testkit.oracle.judging import fact_of
from hypothesis import given

from .driver import Driver, execute, facts_of, instances
from .strategies import any_flows, flows, more, seeds

# Greater than every entry of a position: a verdict sees all that was set in its pass.
_BEHIND = (2**31, "", 0)


@attrs.define
class Lookup:
    """Finds facts one by one, as a worker does that was given nothing but a key.

    Attributes:
        state: What the facts that were looked up say.
        without: The key of an instance whose outcome nobody knows yet.
    """

    driver: Driver
    without: str
    state: RunState = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        graphs = self.driver.graphs
        self.state = RunState(graphs[self.driver.flow.id], graphs.__getitem__, CONTEXT, whole=False)

    def learn(self, wanted: Iterable[Instance]) -> int:
        new = 0
        for instance in list(wanted):
            key = instance.key
            for slot, place in self.driver.facts.claims.get(key, {}).items():
                new += self.state.learn_claim(*instance, slot, place)
            if key in self.driver.outcomes and key != self.without:
                new += self.state.learn(*instance, self.driver.outcomes[key])
        return new

    def find(self, key: str) -> Instance | None:
        while isinstance(found := find(self.state, key), Unknown):
            if not self.learn([found.instance]):
                return None
        return found

    def see_names(self, instance: Instance) -> None:
        """Learn the outputs that an instance names, and what became of those that were passed by."""
        missing: list[Instance] = []
        while (still := named(self.state, instance)) != missing:
            missing = still
            while self.learn(named(self.state, instance)):
                pass
            for missed in named(self.state, instance):
                while self.learn(settle(self.state, *missed)):
                    pass

    def see_context(self, instance: Instance) -> None:
        """Take in the context values that were set before an instance, as a store of them gives them."""
        scope, vertex = instance
        before = scope.position(vertex)
        if vertex.kind is Kind.VERDICT:
            before = (*before, _BEHIND)
        for seen in {id(each): each for each in (scope, *(each for each, _ in context_names(instance)))}.values():
            around = next(s for s in self.driver.state.root.walk() if s.prefix == seen.namespace.prefix)
            for setter in around.setters:
                position = setter.scope.position(setter.vertex)
                if position < before or seen is not scope:  # inside of a call all has ended
                    seen.namespace.set(position, setter.outcome.sets or {})

    def is_to_run(self, instance: Instance) -> bool:
        if instance.vertex.quorum:
            self.learn([instance])
        while self.learn(needs(self.state, instance)):
            pass
        while not is_decided(self.state, instance):
            if not self.learn(settle(self.state, *instance)):
                return is_decided(self.state, instance)
        return True


@more
@given(any_flows, seeds())
def test_each_instance_is_found_by_its_key(flow: Flow, seed: int) -> None:
    driver = Driver(flow, seed).run()
    for instance in instances(driver.state):
        found = Lookup(driver, "").find(instance.key)
        assert found is not None
        assert (found.key, found.vertex, found.scope.prefix) == (instance.key, instance.vertex, instance.scope.prefix)


@given(flows(), seeds())
def test_what_ran_is_to_run_by_what_is_looked_up_and_gives_the_same_again(flow: Flow, seed: int) -> None:
    assert_found_again(Driver(flow, seed).run())


def assert_found_again(driver: Driver) -> None:
    """Who knows nothing but its key finds that an instance was to run, and executes it to the same outcome."""
    for key, outcome in driver.outcomes.items():
        lookup = Lookup(driver, key)
        instance = lookup.find(key)
        assert instance is not None
        assert lookup.is_to_run(instance), key
        lookup.see_names(instance)
        lookup.see_context(instance)
        assert fact_of(execute(driver.script, driver.graphs, instance)) == fact_of(outcome), key


@more
@given(any_flows, seeds())
def test_what_was_passed_by_is_not_to_run(flow: Flow, seed: int) -> None:
    driver = Driver(flow, seed).run()
    if driver.state.phase is Phase.FAILED:
        return
    view = driver.view()
    for key in view.dead | view.blocked:
        lookup = Lookup(driver, "")
        instance = lookup.find(key)
        assert instance is not None
        assert not lookup.is_to_run(instance), key


@more
@given(any_flows, seeds(), seeds())
def test_what_some_facts_say_all_facts_say_too(flow: Flow, seed: int, order: int) -> None:
    driver = Driver(flow, seed).run()
    if driver.state.phase is Phase.FAILED:
        return  # at its first failure nothing more is decided
    chance = random.Random(order)
    facts = facts_of(driver.outcomes, driver.facts.claims)
    chance.shuffle(facts)
    state = RunState(driver.graphs[flow.id], driver.graphs.__getitem__, CONTEXT, whole=False)
    for key, fact in facts[: chance.randrange(len(facts) + 1)] * 2:  # what comes twice says no more
        there = {instance.key: instance for instance in _opened(state)}
        if (instance := there.get(key)) is None:
            continue
        _ = state.learn(*instance, fact) if isinstance(fact, Outcome) else state.learn_claim(*instance, *fact)
        for asked in chance.sample(list(there.values()), min(3, len(there))):
            settle(state, *asked)
    all_there = {instance.key: instance for instance in instances(driver.state)}
    for instance in _opened(state):
        scope, vertex = all_there[instance.key]
        mark = state.decide(*instance)
        if mark is Mark.TAKEN:
            assert instance.key in driver.seen or scope.is_unneeded(vertex), instance.key
        elif mark is not None:
            assert scope.marks.get(vertex.index) is mark, instance.key
        assert not instance.scope.is_unneeded(instance.vertex) or scope.is_unneeded(vertex), instance.key
        assert not state.has_ended(instance.scope) or scope.ended, instance.key
    assert state.phase in (Phase.RUNNING, driver.state.phase)


def _opened(state: RunState) -> list[Instance]:
    """The instances that can be spoken of, once all scopes are opened that are there by what is known."""
    while True:
        there = list(instances(state))
        for scope, vertex in there:
            if vertex.kind is Kind.EXIT and vertex.construct is not None:
                settle(state, scope, vertex)
        if len(there) == len(list(instances(state))):
            return there
