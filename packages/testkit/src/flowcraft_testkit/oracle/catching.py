"""Draws edges on failure and always into flows that are drawn already, inside and around everything.

They follow from a chance of their own: a seed's flow is what it was, but for them. What is caught is made to fail more
often than not, and where a flow has no race of its own, all that fails is caught.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

import attrs

from .flows import AnyNode, Batch, Call, Edge, Flow, JoinName, Loop, On, Step, Turn, joins_some
from .growing import is_sound
from .words import BOTH, ON_FAILURE

T = TypeVar("T")

# In so many graphs something is caught, and so often it is tried until what is drawn is sound.
_GRAPHS = 0.6
_TRIES = 8

# One of so many flows has none.
_WITHOUT = 8

_CONDITIONS = (*[None] * 6, "true", "false", *ON_FAILURE)
_TRANSFORMS = (None, None, None, BOTH, "input.n", '{"w": input.n, "v": input.v}')


def with_failure_edges(flow: Flow, seed: int, *, plain: bool) -> Flow:
    """The flow with edges on failure and always.

    Args:
        flow: A drawn flow.
        seed: Its seed.
        plain: It has no race of its own, and must not get one.
    """
    if seed % _WITHOUT == _WITHOUT - 1:
        return flow
    for number in range(_TRIES):
        maker = _Catcher(random.Random(f"failure edges {seed}.{number}"), plain)  # noqa: S311 - to be repeated
        drawn = maker.graph(flow, in_body=False)
        if is_sound(drawn):
            return drawn
    return flow


class _Catcher:
    def __init__(self, chance: random.Random, plain: bool) -> None:
        self._chance = chance
        self._plain = plain
        self._number = 0

    def _is(self, chance: float) -> bool:
        return self._chance.random() < chance

    def _one_of(self, *values: T) -> T:
        return self._chance.choice(values)

    def graph(self, flow: Flow, *, in_body: bool) -> Flow:
        """A graph with such edges, and those inside of it."""
        nodes = [self._with_inside(node) for node in flow.nodes]
        flow = attrs.evolve(flow, nodes=tuple(nodes))
        if not self._is(_GRAPHS):
            return flow
        # What follows a body's last node is the next pass.
        possible = nodes[:-1] if in_body else nodes
        rather = [n for n in possible if not isinstance(n, Step) or joins_some(flow, n)] if self._is(0.6) else []
        for _ in range(self._one_of(1, 1, 2)):
            if possible:
                flow = self._caught(flow, self._chance.choice(rather or possible).id, in_body=in_body)
        return flow

    def _with_inside(self, node: AnyNode) -> AnyNode:
        match node:
            case Loop():
                return attrs.evolve(node, body=self.graph(node.body, in_body=True))
            case Batch(worker=Flow() as worker):
                return attrs.evolve(node, worker=self.graph(worker, in_body=False))
            case Call():
                return attrs.evolve(node, flow=self.graph(node.flow, in_body=False))
        return node

    def _caught(self, flow: Flow, source: str, *, in_body: bool) -> Flow:
        """A graph in which a node has such edges, to a node of their own or to one that comes later."""
        node = flow.node(source)
        if self._is(0.75):
            flow = _replaced(flow, self._failing(node))
        sources = [source]
        place = flow.nodes.index(flow.node(source))
        beside = [other.id for other in flow.nodes[: place + 1] if other.id != source]
        if beside and self._is(0.3):
            sources.append(self._chance.choice(beside))
        on: On = "failure" if self._is(0.65) else "always"
        edges = [self._edge(each, on) for each in sources]
        later = [
            other
            for other in flow.nodes[place + 1 :]
            if isinstance(other, Step) and other.join == "all" and flow.into(other.id)
        ]
        if later and self._is(0.25):
            target = self._chance.choice(later).id
            return attrs.evolve(flow, edges=(*flow.edges, *[attrs.evolve(edge, target=target) for edge in edges]))
        return self._handled(flow, edges, in_body=in_body)

    def _failing(self, node: AnyNode) -> AnyNode:
        """A node that fails, or something inside of it does."""
        match node:
            case Step(fallback=None):
                return attrs.evolve(node, turns=self._some_fail(node.turns))
            case Batch(worker=tuple() as turns, tolerated=0):
                return attrs.evolve(node, worker=self._some_fail(turns))
            case Loop(body=body):
                return attrs.evolve(node, body=self._one_fails(body))
            case Batch(worker=Flow() as worker):
                return attrs.evolve(node, worker=self._one_fails(worker))
            case Call(flow=called):
                return attrs.evolve(node, flow=self._one_fails(called))
        return node

    def _one_fails(self, flow: Flow) -> Flow:
        steps = [node for node in flow.nodes if isinstance(node, Step) and node.fallback is None]
        return _replaced(flow, self._failing(self._chance.choice(steps))) if steps else flow

    def _some_fail(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        failing = tuple(attrs.evolve(turn, fails=self._is(0.6)) for turn in turns)
        return (attrs.evolve(failing[0], fails=True), *failing[1:])

    def _edge(self, source: str, on: On) -> Edge:
        condition = None if self._plain else self._one_of(*_CONDITIONS)  # else what fails would not be caught
        return Edge(source, "", None, condition, self._one_of(*_TRANSFORMS), on)

    def _handled(self, flow: Flow, edges: Sequence[Edge], *, in_body: bool) -> Flow:
        """A graph with a step behind those edges; in a body it leads on to the last node."""
        self._number += 1
        name = f"{self._one_of('m', 'z', 'a')}{flow.id.rpartition(' ')[2]}h{self._number}"
        join: JoinName = "any" if not self._plain and self._is(0.4) else "all"
        turn = Turn(n=self._one_of(0, 1, 2), takes=self._one_of(0.0, 0.0, 1.0), sets=("p",) if self._is(0.3) else ())
        handler = Step(name, (turn,), join)
        drawn = [attrs.evolve(edge, target=name) for edge in edges]
        nodes = (*flow.nodes[:-1], handler, flow.nodes[-1]) if in_body else (*flow.nodes, handler)
        onward = [Edge(name, flow.nodes[-1].id)] if in_body else []
        return attrs.evolve(flow, nodes=nodes, edges=(*flow.edges, *drawn, *onward))


def _replaced(flow: Flow, new: AnyNode) -> Flow:
    return attrs.evolve(flow, nodes=tuple(new if node.id == new.id else node for node in flow.nodes))
