"""Another version of a flow takes what is kept of a run where its nodes stand as they did, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from flowcraft_core.blueprint import Blueprint, Edge, Node
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.graph.facts import Outcome
from flowcraft_core.graph.fold import claims, instances
from flowcraft_core.graph.forks import dropped, kept_claims
from flowcraft_core.graph.instances import Instance
from flowcraft_core.graph.refits import Misfit, refit
from flowcraft_core.graph.scopes import Graph, Kind
from flowcraft_core.graph.state import RunState
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.growing import CONTEXT
from flowcraft_testkit.oracle.writing import blueprints
from hypothesis import assume, given
from hypothesis import strategies as st

from .driver import Driver, compiled, results
from .strategies import flows, seeds
from .test_forks import fork, whole


def refitted(
    flow: Flow, state: RunState, without: set[tuple[int, int]], graphs: Mapping[str, Graph]
) -> tuple[RunState, list[Misfit]]:
    new = RunState(graphs[flow.id], graphs.__getitem__, CONTEXT)
    return new, refit(state, without, new, graphs)


def kept(state: RunState, without: set[tuple[int, int]]) -> dict[str, Instance]:
    return {i.key: i for i in instances(state) if (id(i.scope), i.vertex.index) not in without}


def with_a_way_on(flow: Flow, node_id: str) -> dict[str, Graph]:
    """The flow in a version in which a node leads to one more."""
    versions: dict[str, Blueprint] = blueprints(flow)
    own = versions[flow.id]
    versions[flow.id] = Blueprint(own.id, (*own.nodes, Node("extra", "extra")), (*own.edges, Edge(node_id, "extra")))
    return {blueprint_id: compile_blueprint(blueprint) for blueprint_id, blueprint in versions.items()}


@given(flows(), seeds(), st.data())
def test_the_same_version_takes_all_that_is_kept_and_counts(flow: Flow, seed: int, data: st.DataObject) -> None:
    state = whole(Driver(flow, seed).run())
    there = list(instances(state))
    assume(there)
    without = dropped([*data.draw(st.lists(st.sampled_from(there), min_size=1, max_size=2))])
    new, misfits = refitted(flow, state, without, compiled(flow))
    assert misfits == []
    found, old = {i.key: i for i in instances(new)}, kept(state, without)
    lost = {key for key, instance in old.items() if instance.scope.is_unneeded(instance.vertex)}
    assert old.keys() - lost <= found.keys() <= old.keys()
    for key, instance in found.items():
        assert instance.outcome == old[key].outcome
        assert instance.scope.position(instance.vertex) == old[key].scope.position(old[key].vertex)
    # Which of the winners of a join that has fired holds which slot means nothing.
    assert set(claims(new)) <= {(join.key, tuple(sorted(places))) for join, places in kept_claims(state, without)}


@given(flows(any_joins=False, failures=False), seeds(), seeds(), st.data())
def test_a_run_that_goes_on_in_the_same_version_ends_as_it_did(
    flow: Flow, one: int, two: int, data: st.DataObject
) -> None:
    first = Driver(flow, one).run()
    state = whole(first)
    again = data.draw(st.lists(st.sampled_from(list(instances(state))), min_size=1, max_size=2))
    new, misfits = refitted(flow, state, dropped(again), compiled(flow))
    assert misfits == []
    second = Driver(flow, two, kept={i.key: i.outcome for i in instances(new)}, kept_claims=dict(claims(new))).run()
    assert results(second.state) == results(first.state)
    assert second.executed == fork(first, again, state, two).run().executed


@given(flows(any_joins=False, failures=False), seeds(), st.data())
def test_a_node_with_another_way_on_fits_where_it_is_begun_again_and_only_there(
    flow: Flow, seed: int, data: st.DataObject
) -> None:
    state = whole(Driver(flow, seed).run())
    there = list(instances(state))
    steps = [i for i in there if i.scope is state.root and i.vertex.kind is Kind.STEP]
    assume(steps)
    changed = data.draw(st.sampled_from(steps))
    graphs = with_a_way_on(flow, changed.vertex.id)
    without = dropped([data.draw(st.sampled_from(there))])
    _, misfits = refitted(flow, state, without, graphs)
    is_kept = changed.key in kept(state, without)
    assert misfits == ([Misfit(changed.key, "it has other ways on")] if is_kept else [])
    assert refitted(flow, state, dropped([changed]), graphs)[1] == []


def test_what_is_kept_of_a_node_that_is_gone_or_that_nothing_leads_to_is_named() -> None:
    plain = Blueprint("f", tuple(Node(each, each) for each in "abc"), (Edge("a", "b"),))
    graph = compile_blueprint(plain)
    state = RunState(graph, {"f": graph}.__getitem__, {})
    for instance in list(state.root.instances()):
        state.add(*instance, Outcome(instance.key, taken=dict(instance.vertex.all_taken or {})))
    (last,) = (i for i in state.root.instances() if i.vertex.id == "b")

    def misfits(version: Blueprint) -> list[str]:
        compiled_ = compile_blueprint(version)
        new = RunState(compiled_, {"f": compiled_}.__getitem__, {})
        return [str(each) for each in refit(state, dropped([last]), new, {"f": compiled_})]

    assert misfits(plain) == []
    assert misfits(attrs.evolve(plain, nodes=plain.nodes[:2])) == ["'c': there is no such node"]
    assert misfits(attrs.evolve(plain, edges=(Edge("a", "b"), Edge("b", "c")))) == [
        "'c': nothing that is kept leads to it there"
    ]
    other = attrs.evolve(plain, nodes=(Node("a", "other", config=None), *plain.nodes[1:]))
    assert misfits(other) == []
    conditional = attrs.evolve(plain, edges=(Edge("a", "b", condition="result > 1"),))
    assert misfits(conditional) == ["'a': it has other ways on"]
