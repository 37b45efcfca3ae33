"""Where the nodes and edges of a graph are drawn: layer by layer, from top to bottom. Pure, and the same every time.

Three steps, as Sugiyama, Tagawa and Toda have it:

1. Each node goes into the layer below all that lead to it (the longest way from a start). Of a cycle some edges lead
   upwards.
2. An edge over several layers gets a bend in each. Layers are put in order by the mean place of each node's
   neighbours, downwards and upwards in turn; of all the orders seen the one with the fewest crossings is kept.
3. Each node is moved towards the middle of its neighbours, as far as the order and the distances allow: that is a
   monotone regression, which has one best answer.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import attrs

#: How large a node is of which nothing else is said.
WIDTH, HEIGHT = 190.0, 54.0
_BESIDE, _BELOW, _BEND = 34.0, 56.0, 18.0
_SWEEPS = 6


class Point(NamedTuple):
    """A place in the drawing, in units of the drawing."""

    x: float
    y: float


class Size(NamedTuple):
    """How large something is, in units of the drawing."""

    width: float
    height: float


@attrs.frozen
class Layout:
    """Where everything is.

    Attributes:
        nodes: The middle of each node.
        edges: The points that each edge leads through, in the order in which the edges were given: from the border of
            its source to that of its target, upright at both.
        width: Of the whole.
        height: Of the whole.
    """

    nodes: Mapping[str, Point]
    edges: Sequence[Sequence[Point]]
    width: float
    height: float


def lay_out(nodes: Sequence[str], edges: Sequence[tuple[str, str]], sizes: Mapping[str, Size] | None = None) -> Layout:
    """Lay a graph out.

    Args:
        nodes: The nodes, by name; those that come first are rather drawn on the left.
        edges: From which node to which. One that names no node of these is drawn nowhere.
        sizes: Of the nodes that are not as large as others.
    """
    known = set(nodes)
    real = {place: edge for place, edge in enumerate(edges) if known.issuperset(edge) and edge[0] != edge[1]}
    layer_of = _layers(nodes, list(real.values()))
    chains = [_chain(place, edge, layer_of) for place, edge in real.items()]
    layers: list[list[str]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for name in nodes:
        layers[layer_of[name]].append(name)
    for chain in chains:
        for name, layer in zip(chain.names[1:-1], chain.layers[1:-1], strict=True):
            layers[layer].append(name)
        for upper, lower in pairwise(chain.names):
            below.setdefault(upper, []).append(lower)
            above.setdefault(lower, []).append(upper)
    layers = _ordered(layers, above, below)
    size = {name: Size(WIDTH, HEIGHT) for name in nodes} | dict(sizes or {})
    widths = {name: size[name].width if name in known else _BEND for layer in layers for name in layer}
    middle = _placed(layers, above, below, widths)
    bands = _bands(layers, size)
    left = min((middle[name] - size[name].width / 2 for name in nodes), default=0.0)
    right = max((middle[name] + size[name].width / 2 for name in nodes), default=0.0)

    def at(name: str, y: float) -> Point:
        return Point(round(middle[name] - left, 1), round(y, 1))

    places = {name: at(name, sum(bands[layer_of[name]]) / 2) for name in nodes}
    paths: list[Sequence[Point]] = [()] * len(edges)
    for chain in chains:
        path = []
        for name, layer in zip(chain.names, chain.layers, strict=True):
            top, bottom = bands[layer]
            half = size[name].height / 2 if name in known else 0.0
            centre = (top + bottom) / 2
            if name != chain.names[0]:
                path += [at(name, top), at(name, centre - half)]
            if name != chain.names[-1]:
                path += [at(name, centre + half), at(name, bottom)]
        path = list(dict.fromkeys(path))
        paths[chain.place] = path if not chain.is_upwards else path[::-1]
    return Layout(places, paths, right - left if nodes else WIDTH, bands[-1][1] if bands else HEIGHT)


def _bands(layers: Sequence[Sequence[str]], size: Mapping[str, Size]) -> list[tuple[float, float]]:
    """Where each layer begins and ends, from top to bottom: it is as high as its highest node."""
    bands: list[tuple[float, float]] = []
    top = 0.0
    for layer in layers:
        bottom = top + max((size[name].height for name in layer if name in size), default=HEIGHT)
        bands.append((top, bottom))
        top = bottom + _BELOW
    return bands


@attrs.frozen
class _Chain:
    place: int
    names: Sequence[str]
    layers: Sequence[int]
    is_upwards: bool


def _chain(place: int, edge: tuple[str, str], layer_of: Mapping[str, int]) -> _Chain:
    upper, lower = edge
    is_upwards = layer_of[upper] > layer_of[lower]
    if is_upwards:
        upper, lower = lower, upper
    layers = range(layer_of[upper], layer_of[lower] + 1)
    bends = [f"\0{place}.{layer}" for layer in layers[1:-1]]
    return _Chain(place, [upper, *bends, lower], layers, is_upwards)


def _layers(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The longest way to each node, along the edges as they are turned by the order of the nodes."""
    turn = {name: place for place, name in enumerate(_in_turn(nodes, edges))}
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for edge in edges:
        upper, lower = sorted(edge, key=turn.__getitem__)
        before[lower].append(upper)
    layer: dict[str, int] = {}
    for name in turn:
        layer[name] = max((layer[each] + 1 for each in before[name]), default=0)
    return layer


def _in_turn(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[str]:
    """The nodes, each after all that lead to it; of a cycle, the one that was given first is its beginning."""
    after: dict[str, list[str]] = {name: [] for name in nodes}
    missing = dict.fromkeys(nodes, 0)
    for source, target in edges:
        after[source].append(target)
        missing[target] += 1
    ready = deque(name for name in nodes if not missing[name])
    left, found = dict.fromkeys(nodes), []
    while left:
        name = ready.popleft() if ready else next(iter(left))
        if name not in left:
            continue
        del left[name]
        found.append(name)
        for target in after[name]:
            missing[target] -= 1
            if target in left and not missing[target]:
                ready.append(target)
    return found


def _ordered(
    layers: list[list[str]], above: Mapping[str, Sequence[str]], below: Mapping[str, Sequence[str]]
) -> list[list[str]]:
    best, fewest = layers, _crossings(layers, below)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        layers = [list(layer) for layer in layers]
        downwards = sweep % 2 == 0
        neighbours = above if downwards else below
        turn = range(1, len(layers)) if downwards else range(len(layers) - 2, -1, -1)
        for index in turn:
            beside = layers[index - 1 if downwards else index + 1]
            layers[index].sort(key=_mean_place({name: place for place, name in enumerate(beside)}, neighbours))
        crossings = _crossings(layers, below)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _mean_place(places: Mapping[str, int], neighbours: Mapping[str, Sequence[str]]) -> Callable[[str], float]:
    def key(name: str) -> float:
        found = [places[each] for each in neighbours.get(name, ())]
        return sum(found) / len(found) if found else 0.0

    return key


def _crossings(layers: Sequence[Sequence[str]], below: Mapping[str, Sequence[str]]) -> int:
    """How many pairs of edges cross: for each edge, those seen before that end farther to the right."""
    total = 0
    for upper, lower in pairwise(layers):
        places = {name: place for place, name in enumerate(lower)}
        seen: list[int] = []
        for name in upper:
            ends = [places[each] for each in below.get(name, ())]
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _placed(
    layers: Sequence[Sequence[str]],
    above: Mapping[str, Sequence[str]],
    below: Mapping[str, Sequence[str]],
    sizes: Mapping[str, float],
) -> dict[str, float]:
    middle: dict[str, float] = {}
    for layer in layers:
        apart = _apart(layer, sizes)
        whole = apart[-1] if apart else 0.0
        middle.update(zip(layer, (place - whole / 2 for place in apart), strict=True))
    for sweep in range(2 * _SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = []
            for name in layer:
                beside = neighbours.get(name) or (name,)
                wanted.append(sum(middle[each] for each in beside) / len(beside))
            middle.update(zip(layer, _spread(wanted, _apart(layer, sizes)), strict=True))
    return middle


def _apart(layer: Sequence[str], sizes: Mapping[str, float]) -> list[float]:
    """The least places of a layer's nodes, the first at 0."""
    places: list[float] = []
    for name in layer:
        before = places[-1] + (sizes[layer[len(places) - 1]] + sizes[name]) / 2 + _BESIDE if places else 0.0
        places.append(before)
    return places


def _spread(wanted: Sequence[float], apart: Sequence[float]) -> list[float]:
    """The places nearest to those that are wanted, by squares, that keep the order and the distances."""
    blocks: list[tuple[float, int]] = []
    for want, least in zip(wanted, apart, strict=True):
        mean, size = want - least, 1
        while blocks and blocks[-1][0] > mean:
            other, many = blocks.pop()
            mean = (mean * size + other * many) / (size + many)
            size += many
        blocks.append((mean, size))
    flat = [mean for mean, size in blocks for _ in range(size)]
    return [place + least for place, least in zip(flat, apart, strict=True)]


def through(points: Sequence[Point]) -> str:
    """A line through all points, upright at each of them, as SVG has it."""
    parts = [f"M{points[0].x:g} {points[0].y:g}"]
    for before, point in pairwise(points):
        if before.x == point.x:
            parts.append(f"V{point.y:g}")
            continue
        half = (before.y + point.y) / 2
        parts.append(f"C{before.x:g} {half:g} {point.x:g} {half:g} {point.x:g} {point.y:g}")
    return "".join(parts)


def on_the_way(points: Sequence[Point], *, near_end: bool) -> Point:
    """A place on such a line: near the end of its last stretch that turns, or near the beginning of its first."""
    turning = [(one, other) for one, other in pairwise(points) if one.x != other.x] or list(pairwise(points))
    (one, other), share = (turning[-1], 0.76) if near_end else (turning[0], 0.24)
    half = (one.y + other.y) / 2
    rest = 1 - share
    x = one.x + (other.x - one.x) * share**2 * (3 - 2 * share)
    y = one.y * rest**3 + 3 * half * rest * share + other.y * share**3
    return Point(round(x, 1), round(y, 1))


def cut(text: str, length: int) -> str:
    """Text, cut to so many characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
