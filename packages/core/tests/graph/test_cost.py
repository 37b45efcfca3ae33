"""What an outcome costs is a matter of its edges, never of how much there is beside it: calls are counted, not time."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
from flowcraft_core import Blueprint, Edge, Node, NodeConfig
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.graph.facts import NodeError, Outcome
from flowcraft_core.graph.fold import context_of, outputs_of
from flowcraft_core.graph.instances import Instance, Phase
from flowcraft_core.graph.scopes import Graph, Kind
from flowcraft_core.graph.state import RunState


class Calls:
    """How many functions were called, Python's own included."""

    count = 0


@contextmanager
def counted() -> Iterator[Calls]:
    calls = Calls()

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            calls.count += 1

    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(None)


ANY = NodeConfig(join_strategy="any")


def flow(nodes: list[Node], edges: list[tuple[str, str]] | list[Edge]) -> Graph:
    drawn = [edge if isinstance(edge, Edge) else Edge(*edge) for edge in edges]
    return compile_blueprint(Blueprint("f", tuple(nodes), tuple(drawn)))


def numbered(count: int, prefix: str = "n") -> list[Node]:
    return [Node(f"{prefix}{number}", "x") for number in range(count)]


def chain(count: int) -> Graph:
    return flow(numbered(count), [(f"n{number}", f"n{number + 1}") for number in range(count - 1)])


def fan(count: int) -> Graph:
    edges = [("first", f"n{number}") for number in range(count)] + [(f"n{number}", "last") for number in range(count)]
    return flow([Node("first", "x"), *numbered(count), Node("last", "x")], edges)


def dead_chain(count: int) -> Graph:
    edges = [Edge("first", "n0", "never"), *(Edge(f"n{number}", f"n{number + 1}") for number in range(count - 1))]
    return flow([Node("first", "x"), *numbered(count)], edges)


def unneeded_fan(count: int) -> Graph:
    """Racers in two steps each; whoever wins makes all others unneeded."""
    edges = [(f"n{number}", f"m{number}") for number in range(count)] + [(f"m{number}", "j") for number in range(count)]
    return flow([*numbered(count), *numbered(count, "m"), Node("j", "x", config=ANY)], edges)


def ladder_of_races(count: int) -> Graph:
    """Each join is raced for by the one before and by a step of its own."""
    joins = [Node(f"j{number}", "x", config=ANY) for number in range(count)]
    edges = [(f"j{number}", f"j{number + 1}") for number in range(count - 1)]
    return flow([*joins, *numbered(count)], [*edges, *((f"n{number}", f"j{number}") for number in range(count))])


def batch(count: int) -> Graph:
    return flow([Node("list", "x"), Node("b", "batch", {"workerUsesKey": "w"}, "items")], [("list", "b")])


def tolerant_batch(count: int) -> Graph:
    params = {"workerUsesKey": "w", "toleratedFailurePercentage": 100}
    return flow([Node("list", "x"), Node("b", "batch", params, "items")], [("list", "b")])


def loop(count: int) -> Graph:
    nodes = [Node("s", "x"), Node("l", "loop-controller", {"condition": "true"})]
    return flow(nodes, [Edge("s", "l"), Edge("l", "s", "continue")])


def run(graph: Graph, count: int, *, failing: bool = False) -> RunState:
    """Feed outcomes that need no expressions, so that only the state's own work is counted."""
    state = RunState(graph, dict[str, Graph]().__getitem__, {})
    while state.phase is Phase.RUNNING:
        if state.wanted:
            claim = state.wanted.popleft()
            if claim.slot is not None:
                state.claim(claim.scope, claim.vertex, claim.slot, claim.place)
            continue
        instance = state.ready.popleft()
        if not instance.scope.is_unneeded(instance.vertex):
            state.add(instance.scope, instance.vertex, outcome(instance, count, failing))
    return state


def outcome(instance: Instance, count: int, failing: bool) -> Outcome:
    scope, vertex = instance
    taken = {link.place: None for link in vertex.out if link.action is None}
    if vertex.kind is Kind.ENTRY and vertex.construct is not None and vertex.construct.kind == "batch":
        return Outcome(items=(None,) * count)
    if vertex.kind is Kind.ENTRY:
        return Outcome(action="continue")
    if vertex.kind is Kind.VERDICT:
        return Outcome(taken={0: None} if (scope.index or 0) < count - 1 else {})
    if failing and scope.parent is not None:
        return Outcome(error=NodeError(instance.key, vertex.id, "ValueError", "no"))
    return Outcome(taken=taken, sets={vertex.id: 1})


SHAPES: list[Callable[[int], Graph]] = [
    chain,
    fan,
    dead_chain,
    unneeded_fan,
    ladder_of_races,
    batch,
    tolerant_batch,
    loop,
]
FEW, MANY = 300, 3_000


def calls_for(work: Callable[[], object]) -> int:
    with counted() as calls:
        work()
    return calls.count


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
class TestPerNode:
    """With ten times as many nodes, items or passes there are ten times as many calls, give or take a constant."""

    def test_feeding_outcomes_costs_the_same(self, shape: Callable[[int], Graph]) -> None:
        few, many = shape(FEW), shape(MANY)
        failing = shape is tolerant_batch
        one = calls_for(lambda: run(few, FEW, failing=failing))
        ten = calls_for(lambda: run(many, MANY, failing=failing))
        assert abs(ten - 10 * one) < 1_500, (one / FEW, ten / MANY)

    def test_compiling_costs_the_same(self, shape: Callable[[int], Graph]) -> None:
        shape(FEW)  # what is done only once is done
        one, ten = calls_for(lambda: shape(FEW)), calls_for(lambda: shape(MANY))
        assert ten < 11 * one, (one / FEW, ten / MANY)

    def test_folding_results_costs_the_same(self, shape: Callable[[int], Graph]) -> None:
        few, many = run(shape(FEW), FEW), run(shape(MANY), MANY)
        for fold in (outputs_of, context_of):
            one, ten = calls_for(functools.partial(fold, few)), calls_for(functools.partial(fold, many))
            assert ten < 11 * one + 100, (fold.__name__, one / FEW, ten / MANY)


@pytest.mark.parametrize("shape", [chain, fan, batch, loop], ids=lambda shape: shape.__name__)
def test_no_single_outcome_in_the_middle_costs_more_in_a_larger_graph(shape: Callable[[int], Graph]) -> None:
    assert highest(shape, FEW) == highest(shape, MANY)


def highest(shape: Callable[[int], Graph], count: int) -> int:
    """The most calls that one outcome takes, among all but those that open or gather everything."""
    state = RunState(shape(count), dict[str, Graph]().__getitem__, {})
    costs: list[int] = []
    while state.phase is Phase.RUNNING:
        instance = state.ready.popleft()
        ended = outcome(instance, count, failing=False)
        with counted() as calls:
            state.add(instance.scope, instance.vertex, ended)
        costs.append(calls.count)
    return sorted(costs)[-len(costs) // 10]
