"""Drawn flows are valid, have what they are said to have, and are the same for the same seed."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest
from flowcraft_core.catalogue import Catalogue
from flowcraft_testkit.oracle import CONSTRUCTS, constructs_of, draw
from flowcraft_testkit.oracle.described import Described, in_process
from flowcraft_testkit.oracle.flows import Batch, Call, Edge, Flow, Loop, Step, Turn, joins_some
from flowcraft_testkit.oracle.growing import is_sound
from flowcraft_testkit.oracle.hunting import LEAST_SHARE
from flowcraft_testkit.oracle.smaller import smallest
from flowcraft_testkit.oracle.writing import blueprints

SEEDS = range(300)


def test_the_same_seed_gives_the_same_flow() -> None:
    assert [draw(seed) for seed in range(20)] == [draw(seed) for seed in range(20)]


def test_every_flow_compiles_and_uses_only_names_that_are_settled() -> None:
    for seed in SEEDS:
        flow = draw(seed).flow
        found = blueprints(flow)
        Catalogue([], list(found.values())).find(found[flow.id])
        assert is_sound(flow)


@pytest.mark.parametrize("seed", range(0, 300, 20))
def test_a_plain_flow_has_no_race_of_its_own(seed: int) -> None:
    drawn = next(drawn for drawn in map(draw, range(seed, 1000)) if drawn.plain)
    for graph in drawn.flow.walk():
        for node in graph.nodes:
            assert not joins_some(graph, node)
            assert getattr(node, "timeout", None) is None
    # What fails in it is handled.
    assert in_process(Described.of(drawn.flow)).status == "completed"


def test_each_construct_is_in_at_least_half_of_the_flows() -> None:
    counts = Counter(name for seed in SEEDS for name in constructs_of(draw(seed).flow))
    shares = {name: counts[name] / len(SEEDS) for name in CONSTRUCTS}
    assert {name: share for name, share in shares.items() if share < LEAST_SHARE} == {}


def test_many_flows_have_calls_that_undo_themselves_as_something_holds_their_failure() -> None:
    def does(flow: Flow) -> bool:
        caught = {edge.source for edge in flow.edges if edge.on != "success"}
        called = [node.flow for node in flow.nodes if isinstance(node, Call) and node.id in caught]
        batches = [node for node in flow.nodes if isinstance(node, Batch) and (node.tolerated or node.id in caught)]
        called += [batch.worker for batch in batches if isinstance(batch.worker, Flow)]
        return any(getattr(node, "undo", None) is not None for inside in called for node in inside.nodes)

    assert sum(any(map(does, draw(seed).flow.walk())) for seed in SEEDS) >= len(SEEDS) / 5


class TestLookingForConstructs:
    def test_finds_none_in_a_flow_of_one_step(self) -> None:
        assert constructs_of(Flow("f", (Step("a"),))) == set()

    def test_tells_where_a_name_is_from(self) -> None:
        body = Flow("b", (Step("x"), Step("y", inputs="a")), (Edge("x", "y"),))
        flow = Flow(
            "f",
            (Step("a"), Loop("l", body, "y"), Step("z", inputs={"v": "x.n"})),
            (Edge("a", "l"), Edge("l", "z", condition="a.n > 0")),
        )
        found = constructs_of(flow)
        assert {"inputs name a node around", "inputs name a node in a loop", "expression names a node beside"} <= found
        assert "inputs name a node in a nested loop" not in found


class TestWhatIsSound:
    def test_names_before_every_edge_of_an_any_join(self) -> None:
        edges = (Edge("s", "a"), Edge("s", "b"), Edge("a", "j"), Edge("b", "j"))
        nodes = (Step("s"), Step("a"), Step("b"))
        assert is_sound(Flow("f", (*nodes, Step("j", join="any", inputs="s")), edges))
        assert not is_sound(Flow("f", (*nodes, Step("j", join="any", inputs="a")), edges))
        assert is_sound(Flow("f", (*nodes, Step("j", inputs="a")), edges))

    def test_values_that_were_set_before(self) -> None:
        setter, reader = Step("a", (Turn(sets=("c_a",)),)), Step("b", (Turn(reads=("c_a",)),))
        assert is_sound(Flow("f", (setter, reader), (Edge("a", "b"),)))
        assert not is_sound(Flow("f", (setter, reader)))


def test_a_flow_is_made_as_small_as_what_is_looked_for() -> None:
    flow = next(d.flow for d in map(draw, range(100)) if "nested loop" in constructs_of(d.flow))
    small = smallest(flow, lambda flow: "nested loop" in constructs_of(flow), 60.0)
    (outer,) = small.nodes
    assert isinstance(outer, Loop)
    assert sum(len(graph.nodes) for graph in small.walk()) <= 5
    assert attrs.evolve(small, id="another") != small
