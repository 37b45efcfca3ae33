"""What names an instance, and where its context values stand among others."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import attrs
from flowcraft_core import create_flow
from flowcraft_core.graph.instances import Instance
from flowcraft_core.graph.keys import escape
from flowcraft_core.graph.positions import INITIAL, Position, from_sortable, to_sortable
from flowcraft_core.graph.scopes import Kind
from flowcraft_core.graph.state import RunState
from flowcraft_testkit.oracle.flows import AnyNode, Batch, Call, Flow, Loop, Step
from hypothesis import given
from hypothesis import strategies as st

from .by_hand import ByHand
from .driver import Driver, instances
from .strategies import flows, seeds

#: What ids may hold: whatever structures keys, looks like a key, sorts oddly or is long.
HOSTILE = (
    *("a", "a.b", "a/b", "a[0]", "a[0].b", "a:entry", "a%2Eb", "a%", "%61", "a<b", "b<a", "a<b:0", ".", "/", "[", "]"),
    *("a b", " ", "\t", "\x00", "\x01", "\x00\x01", "\x7f", "ä", "a\u0308", "\U0001f600", "\U0001f469\u200d\U0001f680"),
    *("A", "x" * 300, "x" * 299 + "y", "_outputs.a", "a_scatter", "a_gather", "0", "00", "1e3", "null", "'", '"', "\\"),
)
ids = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
depths, indexes = st.integers(0, 1_000) | st.sampled_from((9, 10)), st.sampled_from((-1, 0, 1, 9, 10, 2**53 - 1))
positions = st.lists(st.tuples(depths, ids, indexes), max_size=3).map(tuple)


def before(state: RunState) -> Iterator[tuple[Instance, Instance]]:
    """Pairs of instances of which one comes before the other, whatever the schedule."""
    for scope in state.root.walk():
        for vertex in scope.scope.vertices:
            for link in vertex.out:
                yield Instance(scope, vertex), Instance(scope, scope.scope.vertices[link.target])
        for construct in scope.scope.constructs:
            inside = list(scope.inside.get(construct.entry, {}).values())
            entry, exit_ = (Instance(scope, scope.scope.vertices[i]) for i in (construct.entry, construct.exit))
            yield entry, exit_
            for place in inside:
                for vertex in place.scope.vertices:
                    yield entry, Instance(place, vertex)
                    yield Instance(place, vertex), exit_
            # Passes come one after the other. Items do not, and yet of two of them the later one wins.
            for one, two in itertools.pairwise(inside):
                for earlier, later in itertools.product(one.scope.vertices, two.scope.vertices):
                    yield Instance(one, earlier), Instance(two, later)


def position(instance: Instance) -> Position:
    return instance.scope.position(instance.vertex)


def can_set(instance: Instance) -> bool:
    """A verdict sets nothing, so nobody asks where it stands."""
    return instance.vertex.kind is not Kind.VERDICT


class TestPositions:
    @given(flows(), seeds())
    def test_grow_from_each_node_to_those_after_it(self, flow: Flow, seed: int) -> None:
        state = Driver(flow, seed).run().state
        for earlier, later in before(state):
            if can_set(earlier) and can_set(later):
                assert INITIAL < position(earlier) < position(later), (earlier.key, later.key)

    @given(flows(), seeds())
    def test_are_different_for_different_instances(self, flow: Flow, seed: int) -> None:
        there = [instance for instance in instances(Driver(flow, seed).run().state) if can_set(instance)]
        assert len({position(instance) for instance in there}) == len(there)

    def test_of_pass_ten_come_after_those_of_pass_nine(self) -> None:
        run = ByHand(create_flow("f").node("s", "x").loop("l", start="s", end="s", condition="input < 11"))
        for number in range(12):
            run.end(f"l[{number}].s", number, sets={"last": number})
        assert (run.status, run.context) == ("completed", {"last": 11})
        there = {instance.key: position(instance) for instance in instances(run.state)}
        in_order = ["l:entry", *(f"l[{number}].s" for number in range(12)), "l"]
        assert sorted(in_order, key=there.__getitem__) == in_order
        assert sorted(in_order, key=lambda key: to_sortable(there[key])) == in_order

    @given(positions, positions)
    def test_as_text_have_the_same_order_and_can_be_read_back(self, one: Position, two: Position) -> None:
        assert from_sortable(to_sortable(one)) == one
        assert (to_sortable(one) < to_sortable(two)) is (one < two)
        assert (to_sortable(one) == to_sortable(two)) is (one == two)

    def test_as_text_keep_ids_of_the_lowest_characters_apart_and_in_order(self) -> None:
        low = ["\x00", "\x01", "\x02", "a"]
        pairs = [one + other for one in low for other in low]
        texts = ["", *low, *pairs, "\x00\x01\x00", "\x01\x00\x01", "a\x00\x01\x02"]
        there: list[Position] = [((1, text, 0), (2, "b", 3)) for text in sorted(texts)]
        assert [from_sortable(to_sortable(position)) for position in there] == there
        assert sorted(there, key=to_sortable) == there


class TestKeys:
    @given(flows(), seeds())
    def test_are_different_for_different_instances(self, flow: Flow, seed: int) -> None:
        there = list(instances(Driver(flow, seed).run().state))
        assert len({instance.key for instance in there}) == len(there)

    @given(ids, ids)
    def test_escape_ids_so_that_none_looks_like_another_or_like_a_part_of_a_key(self, one: str, two: str) -> None:
        assert (escape(one) == escape(two)) is (one == two)
        assert not set(escape(one)) & set("./[]:<")

    # Without outputs that calls name: renamed, they would give something else, and the flow would go another way.
    @given(flows(size=4, catches=False, called_outputs=False), seeds())
    def test_are_different_whatever_characters_ids_contain(self, flow: Flow, seed: int) -> None:
        plain = Driver(flow, seed).run()
        some = random.Random(seed).sample(HOSTILE, len(HOSTILE))
        hostile = Driver(renamed(flow, itertools.chain(some, map("a.{}".format, itertools.count()))), seed).run()
        there = list(instances(hostile.state))
        assert len({instance.key for instance in there}) == len(there) == len(list(instances(plain.state)))
        assert len({instance.identity for instance in there}) == len(there)

    def test_that_name_the_edge_that_won_a_join_are_different_whatever_the_ids(self) -> None:
        def identity(join: str, source: str) -> str:
            flow = create_flow("f").node("other", "x").node(source, "x").node(join, "x", join="any")
            run = ByHand(flow.edge("other", join).edge(source, join)).end_all(escape(source))
            return run.idempotency_key_of(escape(join))

        assert identity("x<y", "s") != identity("x", "y<s")

    def test_are_readable(self) -> None:
        item = create_flow("page").node("ocr", "x")
        called = create_flow("charging").node("validate", "x")
        flow = (
            create_flow("f")
            .node("check", "x")
            .loop("retry_loop", start="check", end="check", condition="input")
            .batch("pages", item, items="list")
            .batch("rows", "store", items="list")
            .subflow("charge", called)
        )
        run = ByHand(flow, item, called, context={"list": [1]}).end("retry_loop[0].check", True)
        assert run.ready == {"retry_loop[1].check", "pages[0]/ocr", "rows[0].store", "charge/validate"}
        assert {i.key for i in instances(run.state)} - run.ready == {
            *("retry_loop:entry", "retry_loop[0].check", "retry_loop[0]", "retry_loop[1]", "retry_loop"),
            *("pages:entry", "pages", "rows:entry", "rows", "charge:entry", "charge"),
        }


def renamed(flow: Flow, names: Iterator[str]) -> Flow:
    """The same flow with other ids, and without inputs that name nodes."""
    ids = {node.id: next(names) for node in flow.nodes} | {fallback: next(names) for fallback in flow.fallbacks}
    nodes: list[AnyNode] = []
    for node in flow.nodes:
        new = ids[node.id]
        match node:
            case Step():
                fallback = None if node.fallback is None else ids[node.fallback]
                nodes.append(attrs.evolve(node, id=new, inputs=None, fallback=fallback))
            case Loop():
                body = renamed(node.body, names)
                end = body.nodes[[inner.id for inner in node.body.nodes].index(node.end)].id
                nodes.append(attrs.evolve(node, id=new, body=body, end=end))
            case Batch(worker=Flow() as worker):
                nodes.append(attrs.evolve(node, id=new, worker=renamed(worker, names), paired=False))
            case Batch():
                nodes.append(attrs.evolve(node, id=new, paired=False))
            case Call():
                nodes.append(attrs.evolve(node, id=new, flow=renamed(node.flow, names), outputs=None))
    edges = tuple(attrs.evolve(edge, source=ids[edge.source], target=ids[edge.target]) for edge in flow.edges)
    fallbacks = {ids[fallback]: turns for fallback, turns in flow.fallbacks.items()}
    return Flow(flow.id, tuple(nodes), edges, fallbacks)
