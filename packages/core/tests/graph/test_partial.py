"""A state that knows only what it looked up comes to the same as one that knows everything."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from flowcraft_core.graph.instances import Instance, Phase
from flowcraft_core.graph.partial import Unknown, find, is_decided, needs, settle
from flowcraft_core.graph.state import RunState
from hypothesis import given

from .driver import CONTEXT, Driver, execute, fact_of, instances
from .flows import Flow
from .strategies import flows, seeds


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
            place = self.driver.facts.claims.get(key)
            if place is not None and instance.vertex.index not in instance.scope.claims:
                new += self.state.learn_claim(*instance, place)
            if key in self.driver.outcomes and key != self.without:
                new += self.state.learn(*instance, self.driver.outcomes[key])
        return new

    def find(self, key: str) -> Instance | None:
        while isinstance(found := find(self.state, key), Unknown):
            if not self.learn([found.instance]):
                return None
        return found

    def is_to_run(self, instance: Instance) -> bool:
        if instance.vertex.joins_any:
            self.learn([instance])
        while self.learn(needs(self.state, instance)):
            pass
        while not is_decided(self.state, instance):
            if not self.learn(settle(self.state, *instance)):
                return is_decided(self.state, instance)
        return True


@given(flows(), seeds())
def test_each_instance_is_found_by_its_key(flow: Flow, seed: int) -> None:
    driver = Driver(flow, seed).run()
    for instance in instances(driver.state):
        found = Lookup(driver, "").find(instance.key)
        assert found is not None
        assert (found.key, found.vertex, found.scope.prefix) == (instance.key, instance.vertex, instance.scope.prefix)


@given(flows(), seeds())
def test_what_ran_is_to_run_by_what_is_looked_up_and_gives_the_same_again(flow: Flow, seed: int) -> None:
    driver = Driver(flow, seed).run()
    for key, outcome in driver.outcomes.items():
        lookup = Lookup(driver, key)
        instance = lookup.find(key)
        assert instance is not None
        assert lookup.is_to_run(instance), key
        assert fact_of(execute(driver.script, driver.graphs, instance)) == fact_of(outcome), key


@given(flows(), seeds())
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
