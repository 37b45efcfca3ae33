"""One level of a run as a drawing: what each node and edge looks like, and where it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from flowcraft_core.pictures.layout import HEIGHT, WIDTH, Point, cut, lay_out, through
from flowcraft_core.pictures.marks import MARKS

from .source import home_of

if TYPE_CHECKING:
    from flowcraft_core.durable import InstanceDescription, RunDescription, Way

#: Around the drawing.
MARGIN = 24.0
_LABEL, _DETAIL = 21, 27

_OVER = ("dead", "unneeded", "void")
_LIVE = ("ready", "running", "waiting", "sleeping", "retrying")
_CONSTRUCTS = ("loop", "batch", "subflow")


@attrs.frozen(kw_only=True)
class NodeShape:
    """A node in the drawing.

    Attributes:
        key: The instance.
        look: Its state, for the style sheet.
        mark: The sign of its state.
        kind: What it is, for the style sheet.
        label: Its id, cut.
        detail: A line below it.
        told: All of it, for those who hear it, and who point at it.
        opens: The key of what is inside, if it can be opened.
        x: Of its upper left corner.
        y: Likewise.
        width: Its width.
        height: Its height.
    """

    key: str
    look: str
    mark: str
    kind: str
    label: str
    detail: str
    told: str
    opens: str | None
    x: float
    y: float
    width: float = WIDTH
    height: float = HEIGHT


@attrs.frozen(kw_only=True)
class EdgeShape:
    """An edge in the drawing.

    Attributes:
        path: As SVG has it.
        look: ``taken``, ``flowing`` (taken, and its target is not done), ``skipped`` or ``open``.
        label: Its action or condition, cut.
        told: All of it.
        at: Where the label stands.
    """

    path: str
    look: str
    label: str
    told: str
    at: Point


@attrs.frozen(kw_only=True)
class Drawing:
    """A level of a run.

    Attributes:
        nodes: Its nodes.
        edges: Its edges.
        width: Of all of it, with a margin.
        height: Likewise.
    """

    nodes: Sequence[NodeShape]
    edges: Sequence[EdgeShape]
    width: float
    height: float


def is_graph(level: RunDescription) -> bool:
    """Whether a level is one graph, and not the items of a batch or the passes of a loop one after the other."""
    homes = {home_of(instance.key) for instance in level.instances}
    return homes <= {level.inside}


def draw(level: RunDescription) -> Drawing:
    """Draw a level that is a graph."""
    by_id = {instance.node_id: instance for instance in level.instances}
    ways = [way for way in dict.fromkeys(level.ways) if way.source in by_id and way.target in by_id]
    layout = lay_out(list(by_id), [(way.source, way.target) for way in ways])
    edges = [_edge(way, points, by_id) for way, points in zip(ways, layout.edges, strict=True) if points]
    nodes = [_node(instance, layout.nodes[node_id]) for node_id, instance in by_id.items()]
    # In the order in which they are read, so that the keyboard goes through them from the top.
    nodes.sort(key=lambda node: (node.y, node.x))
    return Drawing(nodes=nodes, edges=edges, width=layout.width + 2 * MARGIN, height=layout.height + 2 * MARGIN)


def counted(counts: Mapping[Any, int]) -> str:
    """Counts by state, in words."""
    return ", ".join(f"{count:,} {state}" for state, count in Counter(counts).most_common()) or "nothing"


def look_of(instance: InstanceDescription) -> str:
    """The state as the style sheet knows it."""
    return look_named(instance.standing).replace(" ", "-")


def look_named(standing: str) -> str:
    """A state in words without what it waits for, as marks and colours know it."""
    return "ready" if standing == "next" else "limited" if standing.startswith("waits for limit ") else standing


def detail_of(instance: InstanceDescription) -> str:
    """What people want to know of a node at a glance."""
    inside = instance.inside
    if inside is not None:
        what = {"loop": "passes", "batch": "items", "subflow": "calls"}.get(instance.kind, "parts")
        if inside.scopes == 1:
            what = what.removesuffix("es") if instance.kind == "loop" else what.removesuffix("s")
        return f"{inside.ended:,} of {inside.scopes:,} {what} ended"
    if instance.via:
        return f"by fallback {instance.via}"
    if instance.attempts > 1 or instance.failed_attempts:
        return f"{instance.kind} · {max(instance.attempts, len(instance.failed_attempts))} attempts"
    if instance.joins:
        return f"{instance.kind} · first {instance.joins}"
    return instance.kind if not instance.action else f"{instance.kind} · {instance.action}"


def _node(instance: InstanceDescription, middle: Point) -> NodeShape:
    state = "ready" if instance.standing == "next" else instance.standing
    detail = detail_of(instance)
    inside = f"; inside: {counted(instance.inside.counts)}" if instance.inside is not None else ""
    failed = f"; {instance.errors[0].type}" if instance.errors else ""
    label, detail = cut(instance.node_id, _LABEL), cut(detail, _DETAIL)
    whole = "" if label == instance.node_id else f"; {instance.node_id}"
    return NodeShape(
        key=instance.key,
        look=look_of(instance),
        mark=MARKS.get(look_named(state), "·"),
        kind=instance.kind,
        label=label,
        detail=detail,
        # It begins with what is to be read, so that who speaks to a browser can say that.
        told=f"{label} {detail}; {state}{inside}{failed}{whole}",
        opens=instance.key if instance.kind in _CONSTRUCTS and instance.inside is not None else None,
        x=round(middle.x - WIDTH / 2 + MARGIN, 1),
        y=round(middle.y - HEIGHT / 2 + MARGIN, 1),
    )


def _edge(way: Way, points: Sequence[Point], by_id: Mapping[str, InstanceDescription]) -> EdgeShape:
    source, target = by_id[way.source], by_id[way.target]
    taken = any((edge.target, edge.action, edge.on) == (way.into, way.action, way.on) for edge in source.taken)
    if taken:
        look = "flowing" if target.state in _LIVE else "taken"
    else:
        look = "skipped" if source.state in ("done", "failed", "handled", "blocked", *_OVER) else "open"
    if target.state in _OVER and look == "taken":
        look = "skipped" if target.state == "dead" else "taken"
    after = None if way.on == "success" else f"on {way.on}"
    told = ", ".join(filter(None, (way.action or after, f"if {way.condition}" if way.condition else None)))
    if source.kind == "loop" and told == "break":  # what the builder calls every way out of a loop
        told = ""
    path = [Point(point.x + MARGIN, point.y + MARGIN) for point in points]
    last = path[-1]
    path[-1] = Point(last.x, last.y - (5 if last.y >= path[0].y else -5))  # the arrow's tip is ahead
    middle = path[len(path) // 2 - 1], path[len(path) // 2]
    at = Point(round((middle[0].x + middle[1].x) / 2, 1), round((middle[0].y + middle[1].y) / 2, 1))
    words = f"from {way.source} to {way.target}{f', {told}' if told else ''}: {look}"
    return EdgeShape(path=through(path), look=look, label=cut(told, _LABEL), told=words, at=at)
