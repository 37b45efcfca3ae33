"""A pass in which a failure was neither handled nor contained is its loop's last, whatever its verdict says."""

from __future__ import annotations

import random

from flowcraft_core.graph.instances import Phase
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.meaning import Meaning
from hypothesis import given

from .driver import Driver, feed, results, view_of
from .strategies import flows_with_failing_passes, seeds
from .test_meaning import assert_agree
from .test_partial import assert_found_again


@given(flows_with_failing_passes(), seeds())
def test_the_state_says_after_each_fact_what_the_model_does(flow: Flow, seed: int) -> None:
    driver = Driver(flow, seed)
    assert_agree(driver, Meaning(flow, driver.facts))
    for _ in driver.steps():
        assert_agree(driver, Meaning(flow, driver.facts))
    assert driver.state.phase is not Phase.RUNNING


@given(flows_with_failing_passes(), seeds())
def test_no_instance_of_a_next_pass_is_ever_ready(flow: Flow, seed: int) -> None:
    driver = Driver(flow, seed).run()
    for scope in driver.state.root.walk():
        for loop in scope.scope.constructs:
            passes = scope.inside.get(loop.entry, {}) if loop.kind == "loop" else {}
            assert not any(each.failures for index, each in passes.items() if index < max(passes))


@given(flows_with_failing_passes(), seeds())
def test_the_facts_mean_the_same_in_any_order(flow: Flow, seed: int) -> None:
    driver = Driver(flow, seed).run()
    if driver.state.phase is Phase.COMPLETED:
        fed = driver.fresh()
        feed(fed, driver.outcomes, driver.facts.claims, random.Random(seed))
        assert view_of(fed) == driver.view()
        assert results(fed) == results(driver.state)


@given(flows_with_failing_passes(), seeds())
def test_who_knows_a_key_finds_out_whether_its_instance_is_to_run(flow: Flow, seed: int) -> None:
    assert_found_again(Driver(flow, seed).run())
