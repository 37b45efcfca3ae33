"""What is shown of a run says, at every moment, what the reference model says of the same facts; each thing once."""

from __future__ import annotations

from collections import Counter

import pytest
from flowcraft_core.blueprint import Blueprint, Node
from flowcraft_core.durable.describing.hints import Hints
from flowcraft_core.durable.describing.levels import Level, counts, open_at
from flowcraft_core.durable.describing.shapes import InstanceDescription
from flowcraft_core.durable.describing.telling import Teller
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.graph.instances import Instance, Phase
from flowcraft_core.graph.scopes import Graph, Kind
from flowcraft_core.graph.standing import Standing, shown
from flowcraft_core.graph.state import RunState
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.meaning import Meaning, Status
from hypothesis import HealthCheck, given, settings

from .driver import Driver, replay
from .strategies import any_flows, seeds

few = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])

#: In the model's words.
_PASSED_BY = {Status.DEAD: "dead", Status.BLOCKED: "blocked", Status.FAILED: "failed", Status.HANDLED: "handled"}


class Shown:
    """All that is shown of a run, level by level."""

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.standing = Standing.of(state, {})
        self.teller = Teller(state, self.standing, {}, Hints(), started=1.0)
        self.by_key: dict[str, InstanceDescription] = {}
        self._open("")

    def _open(self, inside: str) -> None:
        level = open_at(self.state, inside)
        assert level is not None, f"{inside!r} is shown, and cannot be opened"
        paged = self._pages(level)
        of_level = counts(self.standing, level)
        assert paged == [instance.key for instance in _all(level)], "pages skip, repeat or change the order"
        told = [self.teller.tell(instance) for instance in _all(level)]
        assert Counter(each.state for each in told) == of_level
        for each in told:
            assert each.key not in self.by_key, f"{each.key} is shown twice"
            self.by_key[each.key] = each
            if each.inside is None:
                continue
            before = set(self.by_key)
            self._open(each.key)
            opened = open_at(self.state, each.key)
            assert opened is not None
            assert len(list(opened.beginning_at(0))) == each.inside.scopes
            below = self.by_key.keys() - before
            direct = [self.by_key[instance.key].state for instance in _all(opened)]
            assert Counter(direct) == each.inside.counts, f"what is folded in {each.key} is not what is opened"
            assert {instance.key for instance in _all(opened)} <= below

    def _pages(self, level: Level) -> list[str]:
        found: list[str] = []
        after: str | None = None
        for limit in (1, 2, 3, *[2] * 10_000):
            page, after = level.page(after, limit)
            assert len(page) <= limit
            found += [instance.key for instance in page]
            if after is None:
                return found
        raise AssertionError("the pages do not end")


def _all(level: Level) -> list[Instance]:
    return [instance for scope in level.beginning_at(0) for instance in shown(scope)]


def shown_of(driver: Driver) -> Shown:
    state = driver.fresh()
    replay(state, driver.outcomes, driver.facts.claims)
    left = [instance for instance in state.ready if not instance.scope.is_unneeded(instance.vertex)]
    state.ready.clear()
    state.ready.extend(left)
    return Shown(state)


def speaks_of(instance: Instance) -> bool:
    return instance.vertex.kind is not Kind.ENTRY


def assert_agree(driver: Driver) -> None:
    shown, meaning = shown_of(driver), Meaning(driver.flow, driver.facts)
    there = [instance for scope in shown.state.root.walk() for instance in scope.instances()]
    assert shown.by_key.keys() == {instance.key for instance in there if speaks_of(instance)}
    for instance in there:
        if speaks_of(instance):
            told, outcome = shown.by_key[instance.key], instance.scope.outcomes.get(instance.vertex.index)
            assert (told.state == "done") is (outcome is not None and outcome.error is None), instance.key
            assert (told.state == "handled") is (outcome is not None and outcome.handled), instance.key
            assert outcome is None or told.state in ("done", "failed", "handled"), instance.key
            assert outcome is None or told.output == outcome.output
            if told.inside is None:
                assert not told.fork_from or told.state not in ("pending", "dead", "blocked"), instance.key
    if driver.state.phase is Phase.FAILED:
        return
    ends = {place.ends_at(place.find(name)): status for (place, name), status in meaning.status.items()}
    unneeded = {
        place.ends_at(node) for place in meaning.places for node in place.nodes() if meaning.is_unneeded(place, node)
    }
    for key, status in ends.items():
        if key in unneeded and (key not in shown.by_key or shown.by_key[key].state == "unneeded"):
            continue  # whatever else it is, or has inside: nothing more is said of what need not run
        if status in _PASSED_BY:
            assert shown.by_key[key].state == _PASSED_BY[status], (key, shown.by_key[key].state, status)
        elif shown.by_key[key].state in _PASSED_BY.values():
            raise AssertionError(f"{key} is shown as {shown.by_key[key].state}, and is {status}")
    # What is to be entered, or wants a claim, is shown by the key of its end.
    joins = {place.begins_at(node): place.ends_at(node) for place in meaning.places for node in place.nodes()}
    ready = {place.ends_at(node) for place, node in meaning.ready().values()}
    wanted = {joins[key] for key, _ in meaning.wanted()}
    assert {key for key, told in shown.by_key.items() if told.state == "ready"} == ready | wanted


class TestADescription:
    @few
    @given(any_flows, seeds())
    def test_says_at_every_moment_what_the_facts_mean(self, flow: Flow, seed: int) -> None:
        driver = Driver(flow, seed)
        assert_agree(driver)
        for _ in driver.steps():
            assert_agree(driver)
        driver.end_what_is_under_way()
        assert_agree(driver)

    def test_refuses_a_cursor_that_is_none(self) -> None:
        state = RunState(compile_blueprint(Blueprint("f", (Node("a", "step"),))), dict[str, Graph]().__getitem__, {})
        for cursor in ("", "1", "a.b", "1.2.3", "-1.0"):
            with pytest.raises(ConfigurationError, match="cursor"):
                Level(state, []).page(cursor, 1)
