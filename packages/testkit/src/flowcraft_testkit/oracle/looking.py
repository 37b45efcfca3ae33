"""Draws what looks at other nodes by their names, from near and from afar."""

from __future__ import annotations

from .flows import AnyNode, Edge, Inputs, Sleep, Step
from .growing import Growing, Origin
from .noding import NodeMaker
from .words import condition_on, transform_with


class LookMaker(NodeMaker):
    """Draws nodes, or edges into them, that name something."""

    def _look(self, graph: Growing, kind: str, origin: Origin) -> None:
        """A step, or an edge into one, that names a node of a certain origin."""
        found = self._place_to_look(graph, origin)
        if found is None:
            return
        source, name = found
        if self._is(0.3):  # so that what looks is begun with by another job
            nap = Sleep(self._id(), 1.0)
            graph.add(nap, self._edges(graph, [source], nap, bare=True))
            source = nap
        if kind == "inputs":
            possible: tuple[Inputs, ...] = (name, f"{name}.n", {"x": name, "y": "seed"})
            inputs = self._chance.choice(possible)
            self._step(graph, [source], "all", inputs=inputs, bare=self._is(0.6))
            return
        node = Step(self._id(), self._turns())
        condition, transform = condition_on(name, self._one_of("> 0", "== 1", "!= 2")), transform_with(name)
        which = self._one_of("condition", "transform", "both")
        edge = Edge(
            source.id,
            node.id,
            condition=condition if which != "transform" else None,
            transform=transform if which != "condition" else None,
        )
        graph.add(node, [edge])

    def _place_to_look(self, graph: Growing, origin: Origin) -> tuple[AnyNode, str] | None:
        """A node behind which something of an origin is settled, and that thing's name."""
        possible = [
            (node, name)
            for node in graph.open()
            for name, path in sorted(graph.behind(node.id).items())
            if graph.origin(path) == origin
        ]
        return self._chance.choice(possible) if possible else None
