"""Draws nodes and the edges into them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import attrs

from .flows import AnyNode, Batch, Edge, Inputs, JoinName, Loop, Step, Turn, Wait
from .growing import Growing, Origin, own_value
from .words import CONDITIONS, LISTS, condition_on, transform_with

T = TypeVar("T")
Names = Mapping[str, tuple[str, ...]]

_SHARED_VALUES = ("p", "q", "r")
_CONDITIONS = (*CONDITIONS, "result.output.n > 0", "result.action == 'a'")
# When waits remind: where people take their time, and some of those in vain. Nothing of a run may depend on it.
_REMIND = {1.0: (500.0,), 90.0: (30.0, 30.0), 400.0: (20.0, 150.0, 20.0)}
_TRANSFORMS = ("input.n", '{"w": input.n, "v": input.v}', "[input.n]")


class NodeMaker:
    """Draws nodes; what lies inside constructs is for others.

    Attributes:
        plain: What is drawn has no race of its own.
    """

    plain = False

    def __init__(self, chance: random.Random) -> None:
        """Draw nothing yet."""
        self._chance = chance
        self._number = 0

    # --- chance ---------------------------------------------------------------------------------------------------

    def _is(self, chance: float) -> bool:
        return self._chance.random() < chance

    def _one_of(self, *values: T) -> T:
        return self._chance.choice(values)

    def _id(self) -> str:
        # Not in alphabetical order: of two nodes of one depth the order of their ids decides.
        self._number += 1
        return f"{self._one_of('m', 'z', 'a')}{self._number}"

    # --- nodes ----------------------------------------------------------------------------------------------------

    def _turn(self, at_least: int = 0) -> Turn:
        sets = tuple(name for name in _SHARED_VALUES if self._is(0.15))
        deletes = self._one_of("p", "s") if self._is(0.12) else None
        return Turn(
            action=self._one_of(None, None, "a", "b"),
            n=max(at_least, self._one_of(0, 1, 1, 2)),
            takes=self._one_of(0.0, 0.0, 0.0, 0.5, 3.0),
            sets=sets,
            deletes=() if deletes is None or deletes in sets else (deletes,),
        )

    def _turns(self, at_least: int = 0) -> tuple[Turn, ...]:
        return tuple(self._turn(at_least) for _ in range(self._one_of(1, 1, 2)))

    def _step(
        self,
        graph: Growing,
        sources: Sequence[AnyNode],
        join: JoinName,
        *,
        turns: tuple[Turn, ...] | None = None,
        inputs: Inputs = None,
        bare: bool = False,
        guarded: bool = False,
        never: AnyNode | None = None,
        **options: Any,
    ) -> Step:
        node_id = self._id()
        settled = {**graph.around, **graph.before([source.id for source in sources], join)}
        values = [name for name in settled if name.startswith("c_")]
        turns = turns or self._turns()
        if self._is(0.35):
            turns = tuple(attrs.evolve(turn, sets=(*turn.sets, own_value(node_id))) for turn in turns)
        if values and self._is(0.7):
            turns = tuple(attrs.evolve(turn, reads=(self._chance.choice(values),)) for turn in turns)
        if inputs is None and self._is(0.12) and sources:
            inputs = self._name(graph, settled)
        node = Step(node_id, turns, join, inputs, **options)
        edges = self._edges(graph, sources, node, bare=bare)
        if guarded:
            edges = [attrs.evolve(edge, condition=edge.condition or "input.n == 1") for edge in edges]
        if never is not None:
            edges = [attrs.evolve(e, condition="false") if e.source == never.id else e for e in edges]
        graph.add(node, edges)
        return node

    def _name(self, graph: Growing, settled: Names) -> str | None:
        """Something that is settled, as often from afar as from beside."""
        by_origin: dict[Origin, list[str]] = {}
        for name, path in sorted(settled.items()):
            by_origin.setdefault(graph.origin(path), []).append(name)
        if not by_origin:
            return None
        return self._chance.choice(by_origin[self._chance.choice(sorted(by_origin))])

    def _edges(self, graph: Growing, sources: Sequence[AnyNode], node: AnyNode, *, bare: bool = False) -> list[Edge]:
        return [Edge(source.id, node.id) if bare else self._edge(graph, source, node) for source in sources]

    def _edge(self, graph: Growing, source: AnyNode, target: AnyNode) -> Edge:
        action = condition = transform = None
        if self._is(0.2):
            action = self._one_of("a", "b") if not isinstance(source, Loop) else "break"
        name = self._name(graph, graph.behind(source.id))
        if self._is(0.25):
            named = name is not None and self._is(0.45)
            condition = condition_on(str(name), "> 0") if named else self._one_of(*_CONDITIONS)
        if self._is(0.25):
            transform = transform_with(str(name)) if name is not None and self._is(0.5) else self._one_of(*_TRANSFORMS)
        if isinstance(target, Batch) and target.inputs is None:
            transform = self._one_of(*LISTS)
        return Edge(source.id, target.id, action, condition, transform)

    def _wait(self, graph: Growing, sources: Sequence[AnyNode], join: JoinName) -> Wait:
        turns = tuple(Turn(action=turn.action, n=turn.n) for turn in self._turns())
        timeout = self._one_of(None, None, 20.0, 200.0) if not self.plain else None
        after = self._one_of(0.0, 1.0, 20.0, 90.0, 400.0)
        node = Wait(self._id(), turns, join, timeout, after, remind=_REMIND.get(after, ()))
        graph.add(node, self._edges(graph, sources, node))
        return node

    def _sources(self, graph: Growing, least: int = 0, most: int = 2) -> list[AnyNode]:
        possible = graph.open()
        if not possible:
            return []
        if graph.role == "body":
            least = max(least, 1)
        number = min(len(possible), self._chance.randint(least, max(least, most)))
        if number == 0 and self._is(0.6):
            number = 1
        # Rather what came lately: else all hangs on the first node.
        recent = possible[-4:] if self._is(0.6) and number <= len(possible[-4:]) else possible
        return self._chance.sample(recent, number)
