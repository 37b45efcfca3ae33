"""From a compiled flow, and what is known of a run of it, to a picture. Pure.

Each scope is drawn once, in its construct's box: a loop's body whatever the number of passes, a called flow whatever
the number of calls. Where a run is drawn, all instances of a node are told together: how many are in which state, and
of an edge how often it was taken. A plain step that a batch runs per item has no box of its own: its batch's counts
are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from ..blueprint import SLEEP, WAIT
from ..graph.compile import BREAK, CONTINUE
from ..graph.scopes import Construct, Graph, Kind, Link, Scope, Vertex
from .runs import NOT_RUN, RunFacts, Tally, often, short
from .shapes import Box, BoxKind, Line, Look, Picture

_BUILT_IN: Mapping[str, BoxKind] = {WAIT: "wait", SLEEP: "sleep"}


def picture_of(graph: Graph, calls: Callable[[str], Graph | None], run: RunFacts | None = None) -> Picture:
    """Draw a flow, or a run of it.

    Args:
        graph: The flow, compiled.
        calls: The flow that is called by an id, compiled; None where it is not known: it is then drawn closed.
        run: What is known of a run; None for the flow by itself.
    """
    title = graph.blueprint.id if run is None else f"{graph.blueprint.id} · {run.title}"
    tally = None if run is None else Tally(run, (run.state.root,))
    return _Drawer(calls, (graph.blueprint.id,)).scope(graph.root, title, tally)


@attrs.frozen
class _Drawer:
    """Draws the scopes of one blueprint.

    Attributes:
        calls: See ``picture_of``.
        within: The blueprint, and those that have called it: a flow that calls itself is not opened again.
    """

    calls: Callable[[str], Graph | None]
    within: tuple[str, ...]

    def scope(self, scope: Scope, title: str, tally: Tally | None, loop: Construct | None = None) -> Picture:
        """A scope, with all that is in it."""
        vertices = scope.vertices
        boxes = [self._box(vertex, tally) for index in scope.order if _is_shown(vertex := vertices[index])]
        lines = [_line(vertex, link, _name(vertices[link.target]), tally) for vertex in vertices for link in vertex.out]
        if loop is not None and loop.feedback is not None:
            begins = scope.inner.get(loop.feedback.target_id)
            start = loop.feedback.target_id if begins is None else begins.node.id
            lines.append(_line(vertices[loop.verdict], loop.feedback, start, tally, goes_back=True))
        beside, aside = _asides(vertices, tally)
        return Picture(title=title, boxes=(*boxes, *beside), lines=(*lines, *aside))

    def _box(self, vertex: Vertex, tally: Tally | None) -> Box:
        construct = vertex.construct if vertex.kind is Kind.ENTRY else None
        told: Sequence[str] = ()
        if construct is None:
            kind: BoxKind = "verdict" if vertex.kind is Kind.VERDICT else _BUILT_IN.get(vertex.node.uses, "step")
            told = told if tally is None else tally.told(vertex)
            detail = _joined(_about(vertex), *told)
            inside = None
        else:
            kind = construct.kind
            inner = None if tally is None else tally.inside(construct)
            if inner is not None and tally is not None:
                told = (*inner.scopes(construct), *tally.told(vertex))
            inside = self._inside(construct, inner)
            detail = _joined(_about_construct(construct, vertex, is_closed=inside is None), *told)
        state = None if tally is None else tally.state(vertex)
        label = "again?" if kind == "verdict" else _name(vertex)
        return Box(name=_name(vertex), label=label, kind=kind, detail=detail, state=state, inside=inside)

    def _inside(self, construct: Construct, tally: Tally | None) -> Picture | None:
        if construct.kind == "loop" and construct.body is not None:
            return self.scope(construct.body, "", tally, construct)
        called = construct.calls
        graph = None if called is None or called in self.within else self.calls(called)
        if called is None or graph is None:
            return None
        return _Drawer(self.calls, (*self.within, called)).scope(graph.root, "", tally)


def _is_shown(vertex: Vertex) -> bool:
    return vertex.kind is not Kind.EXIT


def _name(vertex: Vertex) -> str:
    return vertex.node.id if vertex.construct is None else vertex.construct.node.id


def _about(vertex: Vertex) -> str:
    if vertex.kind is Kind.VERDICT and vertex.construct is not None and vertex.construct.condition is not None:
        return vertex.construct.condition.source
    what = vertex.node.uses if vertex.node.uses in _BUILT_IN else ""
    return _joined(what, _join(vertex))


def _about_construct(construct: Construct, vertex: Vertex, *, is_closed: bool) -> str:
    called = f"calls {construct.calls}" if construct.calls is not None else ""
    what = "" if construct.kind == "subflow" and called else construct.kind
    return _joined(what, called if is_closed or called != f"calls {_name(vertex)}" else "", _join(vertex))


def _join(vertex: Vertex) -> str:
    """How several edges are joined, where that is not as usual."""
    return f"first {vertex.quorum}" if vertex.quorum else ""


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _line(vertex: Vertex, link: Link, target: str, tally: Tally | None, *, goes_back: bool = False) -> Line:
    times, look = NOT_RUN if tally is None else tally.way(vertex, link)
    label = _joined(_way(vertex, link), often(times))
    return Line(source=_name(vertex), target=target, label=label, look=look, goes_back=goes_back)


def _way(vertex: Vertex, link: Link) -> str:
    """When an edge is taken, in words."""
    leaves = vertex.construct is not None and vertex.construct.kind == "loop"
    action = "" if link.action is None or (leaves and link.action in (BREAK, CONTINUE)) else link.action
    after = "" if link.on == "success" else f"on {link.on}"
    return ", ".join(filter(None, (action, after, f"if {link.condition.source}" if link.condition else "")))


def _asides(vertices: Sequence[Vertex], tally: Tally | None) -> tuple[list[Box], list[Line]]:
    """Fallbacks and undos, which are no part of the graph: a box for each, and a line from whom it is for."""
    boxes: dict[str, Box] = {}
    lines: list[Line] = []
    for vertex in vertices:
        for kind, node_id in _stand_ins(vertex):
            name = f"{kind} {node_id}"
            times = 0 if tally is None else tally.stood_in(vertex, node_id) if kind == "fallback" else 0
            state = None if tally is None else "done" if times else "dead"
            standing = boxes.get(name)
            if standing is None or (times and standing.state == "dead"):
                label = short(node_id)
                boxes[name] = Box(name=name, label=label, kind=kind, detail="" if label == kind else kind, state=state)
            look: Look = "taken" if times else "aside"
            label = _joined(kind, often(times))
            lines.append(Line(source=_name(vertex), target=name, label=label, look=look))
    return list(boxes.values()), lines


def _stand_ins(vertex: Vertex) -> Iterator[tuple[BoxKind, str]]:
    if vertex.fallback is not None:
        yield "fallback", vertex.fallback.id
    # An undo that is no node of the blueprint is the node's own affair: what it is called says nothing.
    if vertex.undo is not None and vertex.undo.uses != vertex.undo.id:
        yield "undo", vertex.undo.id
