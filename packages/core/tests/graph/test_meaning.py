"""Whatever the schedule, a state says what the reference model says of the same facts."""

from __future__ import annotations

import random
from typing import Any

from flowcraft_core.graph.facts import Outcome
from flowcraft_core.graph.failures import errors_of
from flowcraft_core.graph.instances import Phase
from flowcraft_core.graph.state import RunState
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.folding import Fold
from flowcraft_testkit.oracle.giving import Giving
from flowcraft_testkit.oracle.growing import CONTEXT
from flowcraft_testkit.oracle.meaning import Meaning, Status
from hypothesis import given
from hypothesis import strategies as st

from .driver import Driver, feed, instances, replay, results, view_of
from .strategies import any_flows, drawn, flows, more, plain_flows, seeds


def meaning_of(driver: Driver) -> Meaning:
    return Meaning(driver.flow, driver.facts)


def assert_agree(driver: Driver, meaning: Meaning) -> None:
    view, fold = driver.view(), Fold(meaning, CONTEXT)
    assert view.phase.value == meaning.phase()
    if view.phase is Phase.FAILED:
        places = [(place, node) for place in meaning.places for node in place.nodes()]
        at = {place.begins_at(node): fold.position(place, node, entering=True) for place, node in places}
        at |= {place.ends_at(node): fold.position(place, node) for place, node in places}
        told = [error.key for error in errors_of(driver.state.root)]
        assert told == sorted(meaning.errors(), key=lambda key: (at[key], key))
        return
    keys = {(place.ends_at(place.find(name)), status) for (place, name), status in meaning.status.items()}
    assert view.dead == {key for key, status in keys if status is Status.DEAD}
    assert view.blocked == {key for key, status in keys if status in (Status.FAILED, Status.BLOCKED)} - view.done
    assert view.ready == meaning.ready().keys()
    assert view.wanted == meaning.wanted()
    begun = [place for place in meaning.places if meaning.is_there(place)]
    there = {place.ends_at(node): meaning.is_unneeded(place, node) for place in begun for node in place.nodes()}
    assert view.unneeded & there.keys() == {key for key, is_unneeded in there.items() if is_unneeded}
    assert results(driver.state) == (fold.result_outputs(), fold.result_context())


class TestTheState:
    @more
    @given(any_flows, seeds())
    def test_says_after_each_fact_what_all_facts_mean(self, flow: Flow, seed: int) -> None:
        driver = Driver(flow, seed)
        meaning = meaning_of(driver)
        assert_agree(driver, meaning)
        for ended in driver.steps():
            # What was unneeded and under way ends all the same; the model gives results to what it would start itself.
            if ended is not None and ended.key in meaning.ready():
                giving = Giving(meaning, Fold(meaning, CONTEXT), driver.script)
                assert driver.facts.outcomes[ended.key] in giving.ready(ended.key)
            meaning = meaning_of(driver)
            assert_agree(driver, meaning)

    @more
    @given(any_flows, seeds())
    def test_always_ends_when_there_is_nothing_left_to_do(self, flow: Flow, seed: int) -> None:
        driver = Driver(flow, seed).run()
        assert driver.state.phase is not Phase.RUNNING

    @more
    @given(any_flows, seeds())
    def test_takes_in_what_was_under_way_when_the_run_ended(self, flow: Flow, seed: int) -> None:
        driver = Driver(flow, seed).run()
        ended = driver.state.phase
        errors = set(errors_of(driver.state.root))
        driver.end_what_is_under_way()
        assert driver.state.phase is ended
        assert set(errors_of(driver.state.root)) >= errors

    @more
    @given(plain_flows, seeds(), seeds())
    def test_is_the_same_after_every_schedule_without_races_and_failures(self, flow: Flow, one: int, two: int) -> None:
        first, second = Driver(flow, one).run(), Driver(flow, two).run()
        assert first.facts == second.facts
        assert first.view() == second.view()
        assert results(first.state) == results(second.state)

    @more
    @given(flows(called_outputs=False) | flows(called_outputs=False) | drawn(), seeds(), seeds())
    def test_ends_the_same_after_every_schedule_with_the_same_claims(self, flow: Flow, one: int, two: int) -> None:
        first = Driver(flow, one).run()
        if first.state.phase is Phase.COMPLETED:
            second = Driver(flow, two, first.facts.claims).run()
            assert second.state.phase is Phase.COMPLETED
            assert results(second.state) == results(first.state)


class TestLanes:
    @more
    @given(any_flows, seeds())
    def test_no_more_items_than_lanes_are_under_way_after_any_fact(self, flow: Flow, seed: int) -> None:
        driver = Driver(flow, seed)
        for _ in driver.steps():
            for scope in driver.state.root.walk():
                for batch in scope.scope.constructs:
                    items = scope.inside.get(batch.entry, {}).values() if batch.kind == "batch" else ()
                    under_way = [item for item in items if not driver.state.has_ended(item)]
                    assert len(under_way) <= (scope.outcomes[batch.entry].lanes or 0 if under_way else 0)


class TestFacts:
    """Fed again, in another order or in part, facts mean what they meant."""

    @more
    @given(any_flows, seeds(), st.data())
    def test_in_any_order_and_twice_give_the_same_frontier(self, flow: Flow, seed: int, data: st.DataObject) -> None:
        driver = Driver(flow, seed)
        stop = data.draw(st.integers(0, 30), label="facts")
        for number, _ in enumerate(driver.steps()):
            if number == stop:
                break
        if driver.state.phase is Phase.FAILED:
            return
        order = random.Random(seed)
        fed = driver.fresh()
        feed(fed, driver.outcomes, driver.facts.claims, order)
        assert view_of(fed) == driver.view()
        assert results(fed) == results(driver.state)
        feed(fed, driver.outcomes, driver.facts.claims, order)
        assert view_of(fed) == driver.view()
        assert results(fed) == results(driver.state)
        assert values_of(fed) == values_of(driver.state)

    @more
    @given(any_flows, seeds(), st.data())
    def test_replayed_as_they_become_due_give_the_same_frontier(
        self, flow: Flow, seed: int, data: st.DataObject
    ) -> None:
        driver = Driver(flow, seed)
        stop = data.draw(st.integers(0, 30), label="facts")
        for number, _ in enumerate(driver.steps()):
            if number == stop:
                break
        replayed = driver.fresh()
        replay(replayed, driver.outcomes, driver.facts.claims)
        live, again = driver.view(), view_of(replayed)
        assert again.phase is live.phase
        if live.phase is not Phase.FAILED:
            assert (again.ready, again.wanted) == (live.ready, live.wanted)
            # What lost a race decides nothing, and may be passed over.
            assert live.done - live.unneeded <= again.done <= live.done
            assert again.unneeded <= live.unneeded
            assert results(replayed) == results(driver.state)

    @more
    @given(any_flows, seeds(), seeds())
    def test_in_part_decide_nothing_that_all_of_them_would_not(self, flow: Flow, seed: int, choice: int) -> None:
        driver = Driver(flow, seed).run()
        order = random.Random(choice)
        outcomes: dict[str, Outcome] = {k: v for k, v in driver.outcomes.items() if order.random() < 0.7}
        claims = {
            key: {slot: place for slot, place in slots.items() if order.random() < 0.7}
            for key, slots in driver.facts.claims.items()
        }
        part = driver.fresh()
        feed(part, outcomes, claims, order)
        some, every = view_of(part), driver.view()
        if every.phase is not Phase.FAILED:
            assert some.ready <= every.ready | every.done | every.unneeded
            # What is claimed for an edge is claimed, or its join needs no claim any more.
            decided = {i.key for i in instances(driver.state) if i.vertex.index in i.scope.told}
            over = decided | every.unneeded | driver.facts.claims.keys()
            assert all(key in over for key, _ in some.wanted - every.wanted)
            assert some.dead <= every.dead
            assert some.blocked <= every.blocked
            assert some.unneeded <= every.unneeded
        assert some.phase in (Phase.RUNNING, every.phase)


def values_of(state: RunState) -> dict[str, Any]:
    return {scope.prefix: scope.values for scope in state.root.walk()}
