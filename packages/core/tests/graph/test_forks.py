"""A fork's result is that of the run, wherever it begins again; a redrive's that of a run in which nothing failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import attrs
from flowcraft_core.graph.facts import Outcome
from flowcraft_core.graph.failures import errors_of, failed
from flowcraft_core.graph.fold import instances
from flowcraft_core.graph.forks import dropped, kept_claims
from flowcraft_core.graph.instances import Instance, Phase
from flowcraft_core.graph.scopes import Kind
from flowcraft_core.graph.state import RunState
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.folding import Fold
from flowcraft_testkit.oracle.growing import CONTEXT
from flowcraft_testkit.oracle.meaning import Meaning
from flowcraft_testkit.oracle.script import Answer, Script, ScriptedError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from .driver import Driver, replay, results
from .strategies import flows, seeds


class Mended(Script):
    """Gives what a script gives, but for some instances, which do not fail any more."""

    def __init__(self, flow: Flow, mended: AbstractSet[str]) -> None:
        super().__init__(flow)
        self._mended = mended

    def __call__(self, uses: str, key: str, value: Any, read: Mapping[str, Any], attempt: int) -> Answer:
        try:
            return super().__call__(uses, key, value, read, attempt)
        except ScriptedError:
            if key not in self._mended:
                raise
            return Answer(f"{key} was mended", None, {}, ())


class Changed(Script):
    """Gives what a script gives, but for one instance, which by now gives something else."""

    def __init__(self, flow: Flow, changed: str) -> None:
        super().__init__(flow)
        self._changed = changed

    def __call__(self, uses: str, key: str, value: Any, read: Mapping[str, Any], attempt: int) -> Answer:
        answer = super().__call__(uses, key, value, read, attempt)
        if key != self._changed:
            return answer
        return attrs.evolve(answer, output={"v": "changed", "n": 2 - answer.output["n"]}, sets={"q": "changed"})


def whole(driver: Driver) -> RunState:
    """The state that all facts of a run give, as a client reads it."""
    state = driver.fresh()
    replay(state, driver.outcomes, driver.facts.claims)
    return state


def fork(driver: Driver, again: Iterable[Instance], state: RunState, seed: int, **options: Any) -> Driver:
    """A run that begins again from some instances, with what is kept of another."""
    without = dropped(again)
    kept: dict[str, Outcome] = {
        instance.key: instance.outcome
        for instance in instances(state)
        if (id(instance.scope), instance.vertex.index) not in without
    }
    return Driver(
        driver.flow,
        seed,
        kept=kept,
        kept_claims={join.key: places for join, places in kept_claims(state, without)},
        **options,
    )


class TestFromAnywhere:
    @given(flows(any_joins=False, failures=False), seeds(), seeds(), st.data())
    def test_ends_as_the_run_did_and_executes_what_follows_and_nothing_else(
        self, flow: Flow, one: int, two: int, data: st.DataObject
    ) -> None:
        first = Driver(flow, one).run()
        state = whole(first)
        again = data.draw(st.lists(st.sampled_from(list(instances(state))), min_size=1, max_size=3))
        second = fork(first, again, state, two).run()
        assert second.state.phase is first.state.phase is Phase.COMPLETED
        assert results(second.state) == results(first.state)
        assert second.facts == first.facts
        without = dropped(again)
        follow = {i.key for i in instances(state) if (id(i.scope), i.vertex.index) in without}
        assert second.executed == follow >= {instance.key for instance in again}

    @given(flows(any_joins=False, failures=False), seeds(), st.data())
    def test_ends_as_a_run_would_in_which_the_instance_had_given_that_at_once(
        self, flow: Flow, seed: int, data: st.DataObject
    ) -> None:
        first = Driver(flow, seed).run()
        state = whole(first)
        steps = [instance for instance in instances(state) if instance.vertex.kind is Kind.STEP]
        assume(steps)
        chosen = data.draw(st.sampled_from(steps))
        script = Changed(flow, chosen.key)
        second = fork(first, [chosen], state, seed, script=script).run()
        at_once = Driver(flow, seed, script=script).run()
        assert results(second.state) == results(at_once.state)
        assert second.facts == at_once.facts

    @given(flows(called_outputs=False), seeds(), seeds(), st.data())
    def test_ends_as_the_run_did_where_races_go_as_they_went(
        self, flow: Flow, one: int, two: int, data: st.DataObject
    ) -> None:
        first = Driver(flow, one).run()
        assume(first.state.phase is Phase.COMPLETED)
        state = whole(first)
        again = data.draw(st.lists(st.sampled_from(list(instances(state))), min_size=1, max_size=2))
        second = fork(first, again, state, two, claims=first.facts.claims).run()
        assert second.state.phase is Phase.COMPLETED
        assert results(second.state) == results(first.state)

    @given(flows(), seeds(), seeds(), st.data())
    def test_always_ends_and_means_what_its_facts_mean(
        self, flow: Flow, one: int, two: int, data: st.DataObject
    ) -> None:
        first = Driver(flow, one).run()
        state = whole(first)
        there = list(instances(state))
        assume(there)
        again = data.draw(st.lists(st.sampled_from(there), min_size=1, max_size=2))
        second = fork(first, [*again, *failed(state.root)], state, two).run()
        assert second.state.phase is not Phase.RUNNING
        meaning = Meaning(flow, second.facts)
        assert second.state.phase.value == meaning.phase()
        if second.state.phase is Phase.COMPLETED:
            fold = Fold(meaning, CONTEXT)
            assert results(second.state) == (fold.result_outputs(), fold.result_context())

    @given(flows(), seeds(), st.data())
    def test_keeps_the_claims_whose_source_it_keeps(self, flow: Flow, seed: int, data: st.DataObject) -> None:
        first = Driver(flow, seed).run()
        state = whole(first)
        there = list(instances(state))
        assume(there)
        without = dropped([data.draw(st.sampled_from(there))])
        kept = {join.key: places for join, places in kept_claims(state, without)}
        for scope in state.root.walk():
            for index, slots in scope.claims.items():
                join = scope.scope.vertices[index]
                for place in slots.values():
                    source = (id(scope), join.incoming[place].source)
                    assert (place in kept.get(scope.key(join), ())) == (source not in without)


class TestARedrive:
    @settings(max_examples=settings().max_examples // 2)  # each is three runs
    @given(flows(any_joins=False), seeds(), seeds(), st.booleans())
    def test_ends_as_if_nothing_of_it_had_failed(self, flow: Flow, one: int, two: int, late: bool) -> None:
        first = Driver(flow, one).run()
        if first.state.phase is not Phase.FAILED:
            return
        if late:
            first.end_what_is_under_way()
        state = whole(first)
        again = failed(state.root)
        mended = {instance.key for instance in again}
        second = fork(first, again, state, two, script=Mended(flow, mended)).run()
        sound = Driver(flow, one, script=Mended(flow, mended)).run()
        assert mended & first.outcomes.keys() == mended
        assert not mended & {error.key for error in errors_of(second.state.root)} or not _scripted(first, mended)
        if second.state.phase is sound.state.phase is Phase.COMPLETED:
            assert results(second.state) == results(sound.state)
        if sound.state.phase is Phase.COMPLETED:
            assert second.state.phase is Phase.COMPLETED
            assert mended <= second.executed
        assert not (second.executed & first.executed) - _following(state, again)

    @given(flows(), seeds(), st.booleans())
    def test_begins_again_at_every_failure_that_the_facts_tell(self, flow: Flow, seed: int, late: bool) -> None:
        first = Driver(flow, seed).run()
        if late:
            first.end_what_is_under_way()
        meaning = Meaning(flow, first.facts)
        state = whole(first)
        told = [error.key for error in errors_of(state.root)]
        assert sorted(told) == sorted(set(told))
        assert set(told) == set(meaning.errors())
        assert [instance.key for instance in failed(state.root)] == [
            error.key
            for error in errors_of(state.root)
            if error.attempts  # else a join that lacks edges, never run
        ]
        assert bool(told) == (state.phase is Phase.FAILED)

    @given(flows(), seeds(), seeds())
    def test_finds_the_same_failures_in_the_same_order_whoever_looks(self, flow: Flow, seed: int, order: int) -> None:
        first = Driver(flow, seed).run()
        first.end_what_is_under_way()
        live = errors_of(first.state.root)
        assert live == errors_of(whole(first).root)
        run = [error.key for error in live if error.attempts]  # else a join that lacks edges, never run
        assert run == [instance.key for instance in failed(first.state.root)]


def _scripted(driver: Driver, keys: AbstractSet[str]) -> bool:
    errors = [driver.outcomes[key].error for key in keys]
    return all(error is not None and error.type == "ScriptedError" for error in errors)


def _following(state: RunState, again: Iterable[Instance]) -> set[str]:
    without = dropped(again)
    return {i.key for scope in state.root.walk() for i in scope.instances() if (id(i.scope), i.vertex.index) in without}
