"""Draws what a run races with: ``any`` joins in the places where they are hard to get right."""

from __future__ import annotations

import attrs

from .flows import AnyNode, Sleep
from .growing import Growing
from .noding import NodeMaker


class RaceMaker(NodeMaker):
    """Draws several nodes at a time."""

    def _shared_joins(self, graph: Growing) -> None:
        """Several ``any`` joins with predecessors in common, of which some may never fire."""
        (first,) = self._sources(graph, 1, 1)
        between = [self._step(graph, [first], "all", bare=self._is(0.5)) for _ in range(self._one_of(1, 1, 2))]
        possible = [first, *between]
        for place in range(self._one_of(2, 2, 3)):
            sources = [between[0], self._one_of(*(node for node in possible if node is not between[0]))]
            self._chance.shuffle(sources)
            if place and self._is(0.3):
                sources += self._sources(graph, 1, 1)
            sources = list({node.id: node for node in sources}.values())
            self._step(graph, sources, "any", bare=self._is(0.4), never=sources[0] if self._is(0.35) else None)

    def _join_behind_wait(self, graph: Growing) -> None:
        """An ``any`` join that a wait leads into, beside another wait, a sleep or a step."""
        sources = self._sources(graph, 0, 1)
        ways: list[AnyNode] = [self._wait(graph, sources, "all")]
        for _ in range(self._one_of(1, 1, 2)):
            sources = self._sources(graph, 0, 1)
            kind = self._one_of("wait", "wait", "sleep", "step")
            if kind == "wait":
                ways.append(self._wait(graph, sources, "all"))
            elif kind == "sleep":
                node = Sleep(self._id(), self._one_of(5.0, 90.0))
                graph.add(node, self._edges(graph, sources, node))
                ways.append(node)
            else:
                ways.append(self._step(graph, sources, "all"))
        self._step(graph, ways, "any", bare=self._is(0.7))

    def _contained_failure(self, graph: Growing) -> None:
        """A step that fails and leads into an ``any`` join only."""
        sources = self._sources(graph, 0, 1)
        turns = tuple(attrs.evolve(turn, fails=True) for turn in self._turns())
        fails = self._step(graph, sources, "all", turns=turns, bare=True)
        graph.closed.add(fails.id)
        other = self._sources(graph, 1, 1) if graph.open() else []
        self._step(graph, [fails, *(other or [self._step(graph, sources, "all")])], "any", bare=self._is(0.7))
