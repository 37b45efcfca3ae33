from itertools import pairwise

from flowcraft_core.pictures.layout import HEIGHT, WIDTH, Size, lay_out
from hypothesis import given
from hypothesis import strategies as st

_EDGES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20)


def graph_of(pairs: list[tuple[int, int]], *, acyclic: bool) -> tuple[list[str], list[tuple[str, str]]]:
    found = [(min(pair), max(pair)) if acyclic else pair for pair in pairs]
    return [f"n{number}" for number in range(10)], [(f"n{one}", f"n{two}") for one, two in found]


@given(_EDGES)
def test_no_two_nodes_overlap(pairs: list[tuple[int, int]]) -> None:
    nodes, edges = graph_of(pairs, acyclic=False)
    places = sorted(lay_out(nodes, edges).nodes.values(), key=lambda point: (point.y, point.x))
    for one, two in pairwise(places):
        assert two.y - one.y >= HEIGHT or two.x - one.x >= WIDTH


@given(_EDGES)
def test_every_edge_leads_downwards_where_there_is_no_cycle(pairs: list[tuple[int, int]]) -> None:
    nodes, edges = graph_of(pairs, acyclic=True)
    for path in lay_out(nodes, edges).edges:
        assert all(below.y > above.y for above, below in pairwise(path))


@given(_EDGES)
def test_every_edge_leads_from_its_source_to_its_target(pairs: list[tuple[int, int]]) -> None:
    nodes, edges = graph_of(pairs, acyclic=False)
    layout = lay_out(nodes, edges)
    for (source, target), path in zip(edges, layout.edges, strict=True):
        assert (source == target) == (not path)
        if path:
            (x, y), (to_x, to_y) = layout.nodes[source], layout.nodes[target]
            down = 1 if to_y > y else -1
            assert (path[0], path[-1]) == ((x, y + down * HEIGHT / 2), (to_x, to_y - down * HEIGHT / 2))


@given(_EDGES)
def test_all_of_it_lies_within_its_size(pairs: list[tuple[int, int]]) -> None:
    layout = lay_out(*graph_of(pairs, acyclic=False))
    for x, y in layout.nodes.values():
        assert WIDTH / 2 - 0.1 <= x <= layout.width - WIDTH / 2 + 0.1
        assert HEIGHT / 2 <= y <= layout.height - HEIGHT / 2


@given(_EDGES, st.lists(st.tuples(st.integers(20, 400), st.integers(20, 400)), min_size=10, max_size=10))
def test_no_edge_crosses_a_node_whatever_its_size(pairs: list[tuple[int, int]], drawn: list[tuple[int, int]]) -> None:
    nodes, edges = graph_of(pairs, acyclic=True)
    sizes = {name: Size(*size) for name, size in zip(nodes, drawn, strict=True)}
    layout = lay_out(nodes, edges, sizes)
    for (source, target), path in zip(edges, layout.edges, strict=True):
        for above, below in pairwise(path):
            for name in set(nodes) - {source, target}:
                (x, y), (width, height) = layout.nodes[name], sizes[name]
                if above.y < y + height / 2 and below.y > y - height / 2:  # beside it: there the line is upright
                    assert above.x == below.x
                    assert abs(above.x - x) >= width / 2


def test_the_same_graph_is_laid_out_in_the_same_way() -> None:
    nodes, edges = graph_of([(0, 5), (5, 3), (3, 9), (0, 9), (9, 0)], acyclic=False)
    assert lay_out(nodes, edges) == lay_out(nodes, edges)


def test_two_ways_that_need_not_cross_do_not() -> None:
    # As they are given, the left one would lead to the right one.
    places = lay_out(["a", "b", "x", "y"], [("a", "y"), ("b", "x")]).nodes
    assert (places["a"].x < places["b"].x) == (places["y"].x < places["x"].x)


def test_a_node_stands_below_the_middle_of_those_that_lead_to_it() -> None:
    places = lay_out(["a", "b", "c", "end"], [("a", "end"), ("b", "end"), ("c", "end")]).nodes
    assert places["end"].x == places["b"].x


def test_an_edge_to_nowhere_is_left_out() -> None:
    assert lay_out(["a"], [("a", "gone"), ("a", "a")]).edges == [(), ()]


def test_nothing_is_laid_out_as_nothing() -> None:
    layout = lay_out([], [])
    assert (layout.nodes, layout.edges) == ({}, [])
