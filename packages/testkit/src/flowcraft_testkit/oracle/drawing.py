"""Draws a flow from a seed: valid by construction, with everything inside everything.

A draw begins with wishes, so that each construct is in most flows; each is put into the run's own graph or into a graph
inside, and the rest of the flow grows around them by chance.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs

from .catching import with_failure_edges
from .choosing import with_joins_of_several
from .failing import with_failing_passes
from .flows import (
    AnyNode,
    Batch,
    Call,
    Edge,
    Flow,
    JoinName,
    Loop,
    Sleep,
    Turn,
    exit_id,
    may_do_nothing,
)
from .growing import CONTEXT, Growing, Role
from .laning import with_lanes
from .looking import LookMaker
from .noding import Names
from .racing import RaceMaker
from .undoing import with_undos
from .words import LOOP_CONDITIONS, list_with

# So many flows have no race of their own: what they come to does not depend on the schedule.
_PLAIN = 0.2

_WISHED = 0.78
_OFTEN = 0.93
_RARE = ("nested loop", "failure")
_INSIDE = 0.3

# How often a step asks to be tried again without that being an attempt, by the delay of its retries. Not drawn: what is
# drawn after it would be something else.
_DEFERS = {0.0: 0, 1.0: 3, 30.0: 1}

# What a flow may have, and what it may have only if its result may depend on the schedule.
_WISHES = ("loop", "nested loop", "batch", "batch of a flow", "subflow", "wait", "sleep", "retry", "fallback")
_LOOKS = (
    "inputs beside",
    "inputs around",
    "inputs in a loop",
    "inputs in a nested loop",
    "edge beside",
    "edge around",
    "edge in a loop",
    "edge in a nested loop",
    "batch behind a loop",
)
_RACES = ("any join", "shared joins", "join behind a wait", "contained failure", "tolerance", "failure")
# These need a loop around or before them.
_IN_A_BODY = ("inputs around", "edge around")
_BEHIND_LOOPS = tuple(look for look in _LOOKS if look not in _IN_A_BODY)


@attrs.frozen
class Drawn:
    """A flow that follows from a seed.

    Attributes:
        seed: The seed.
        flow: The flow.
        plain: It has no race of its own: no ``any`` join, no timeout, no failure that is not handled.
    """

    seed: int
    flow: Flow
    plain: bool


def draw(seed: int) -> Drawn:
    """Draw a flow."""
    maker = _Maker(random.Random(f"flow {seed}"))  # noqa: S311 - to be repeated
    flow = maker.draw("oracle")
    flow = with_lanes(with_failure_edges(flow, seed, plain=maker.plain), seed)
    flow = with_failing_passes(with_joins_of_several(flow, seed), seed)
    return Drawn(seed, with_undos(flow, seed), maker.plain)


class _Maker(LookMaker, RaceMaker):
    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self.plain = self._is(_PLAIN)
        self._inside: list[str] = []
        self._in_bodies: list[str] = []

    # --- graphs ---------------------------------------------------------------------------------------------------

    def draw(self, flow_id: str) -> Flow:
        """The run's own graph."""
        possible = _WISHES if self.plain else (*_WISHES, *_RACES)
        wishes = [wish for wish in possible if self._is(_OFTEN if wish in _RARE else _WISHED)]
        self._in_bodies = [wish for wish in _IN_A_BODY if self._is(_OFTEN)]
        self._inside = [wish for wish in wishes if self._is(_INSIDE) and wish != "nested loop"]
        own = [wish for wish in wishes if wish not in self._inside] + ["step"] * self._chance.randint(1, 3)
        self._chance.shuffle(own)
        graph = Growing(flow_id, "run", (), {})
        self._place(graph, "step", 2)
        for wish in own:
            self._place(graph, wish, 2)
        left, self._inside = self._inside, []
        for wish in (*left, *[look for look in _BEHIND_LOOPS if self._is(_OFTEN)]):
            self._place(graph, wish, 1)
        return graph.flow()

    def _graph(
        self,
        role: Role,
        nesting: int,
        path: tuple[str, ...] = (),
        around: Names | None = None,
        *wishes: str,
        has_lists: bool = False,
    ) -> Flow:
        """A graph inside another."""
        self._number += 1
        graph = Growing(f"flow {self._number}", role, path, around or {}, has_lists)
        wished = [*wishes, *["step"] * self._one_of(0, 1, 1, 2)]
        while self._inside and self._is(0.6) and len(wished) < 4:
            wished.append(self._inside.pop())
        self._chance.shuffle(wished)
        self._place(graph, "step", nesting)
        for wish in wished:
            self._place(graph, wish, nesting)
        if role == "body":
            if self._in_bodies and self._is(0.7):
                self._place(graph, self._in_bodies.pop(), nesting)
            self._end_body(graph)
        return graph.flow()

    def _end_body(self, graph: Growing) -> None:
        """A body has one last node, which is seldom anything else than a step."""
        last = [node for node in graph.dangling() if node.id not in graph.closed]
        if len(graph.nodes) == 1 and self._is(0.4):
            return
        sources = last or [graph.nodes[0]]
        join: JoinName = "any" if not self.plain and len(sources) > 1 and self._is(0.33) else "all"
        self._step(graph, sources, join, turns=self._turns(at_least=1 if self._is(0.8) else 0), bare=self._is(0.6))

    # --- wishes ---------------------------------------------------------------------------------------------------

    def _place(self, graph: Growing, wish: str, nesting: int) -> None:
        kind, _, origin = wish.partition(" ")
        if kind in ("inputs", "edge"):
            self._look(graph, kind, origin)  # type: ignore[arg-type]  # the rest of these wishes is an origin
        elif wish == "batch behind a loop":
            self._batch_behind_loop(graph, nesting)
        elif wish == "shared joins":
            self._shared_joins(graph)
        elif wish == "join behind a wait":
            self._join_behind_wait(graph)
        elif wish == "contained failure":
            self._contained_failure(graph)
        else:
            sources = self._sources(graph, least=2 if wish == "any join" else 0)
            may = not self.plain and len(sources) > 1
            join: JoinName = "any" if may and (wish == "any join" or self._is(0.3)) else "all"
            self._one(graph, wish, sources, join, nesting)

    def _one(self, graph: Growing, wish: str, sources: Sequence[AnyNode], join: JoinName, nesting: int) -> None:
        if wish in ("loop", "nested loop") and nesting:
            self._loop(graph, sources, join, nesting, nested=wish == "nested loop")
        elif wish in ("batch", "batch of a flow", "tolerance") and nesting:
            of_flow = wish == "batch of a flow" or (wish == "tolerance" and self._is(0.4))
            self._batch(graph, sources, join, nesting, of_flow=of_flow, tolerant=wish == "tolerance")
        elif wish == "subflow" and nesting:
            self._call(graph, sources, join, nesting)
        elif wish == "wait":
            self._wait(graph, sources, join)
        elif wish == "sleep":
            seconds = self._one_of(1.0, 5.0, 90.0, 1200.0) if graph.role == "run" else self._one_of(1.0, 5.0, 40.0)
            node = Sleep(self._id(), seconds, join)
            graph.add(node, self._edges(graph, sources, node))
        elif wish == "retry":
            flaky = self._one_of(1, 2)
            turns = self._turns()
            delay = self._one_of(0.0, 1.0, 30.0)
            turns = tuple(attrs.evolve(turn, flaky=flaky, defers=_DEFERS[delay]) for turn in turns)
            self._step(graph, sources, join, turns=turns, attempts=flaky + 1, delay=delay)
        elif wish == "fallback":
            name = self._one_of(self._id(), *graph.fallbacks)
            graph.fallbacks.setdefault(name, self._turns())
            turns = tuple(attrs.evolve(turn, fails=self._is(0.8)) for turn in self._turns())
            self._step(graph, sources, join, turns=turns, fallback=name)
        elif wish == "failure":
            turns = tuple(attrs.evolve(turn, fails=True) for turn in self._turns())
            self._step(graph, sources, join, turns=turns, guarded=True)
        else:
            self._step(graph, sources, join)

    # --- looks at other nodes -------------------------------------------------------------------------------------

    def _batch_behind_loop(self, graph: Growing, nesting: int) -> None:
        """A batch whose items name a node inside a loop before it."""
        found = self._place_to_look(graph, self._one_of("in a loop", "in a loop", "in a nested loop"))
        if found is not None:
            source, name = found
            node = self._batch_node(graph, [source], "all", nesting, of_flow=self._is(0.4), tolerant=False)
            graph.add(node, [Edge(source.id, node.id, transform=list_with(name))])

    # --- constructs ----------------------------------------------------------------------------------------------

    def _loop(self, graph: Growing, sources: Sequence[AnyNode], join: JoinName, nesting: int, *, nested: bool) -> None:
        loop_id = self._id()
        around = {**graph.around, **graph.before([source.id for source in sources], join)}
        inner = ["loop"] if nested else []
        body = self._graph(
            "body", nesting - (not nested), (*graph.path, loop_id), around, *inner, has_lists=graph.has_lists
        )
        condition = self._one_of(*LOOP_CONDITIONS)
        node = Loop(
            loop_id,
            body,
            body.nodes[-1].id,
            "false" if may_do_nothing(body) else condition,
            join,
            # To ask before the first pass there must be an edge that says so: one into it, or the way back around it.
            checks_first=bool(sources or graph.role == "body") and self._is(0.3),
            feedback_condition=self._one_of(None, None, None, "input.n == 1"),
            feedback_transform=self._one_of(None, None, '{"w": input.n, "v": input.v}'),
        )
        graph.add(node, self._edges(graph, sources, node))

    def _batch(
        self,
        graph: Growing,
        sources: Sequence[AnyNode],
        join: JoinName,
        nesting: int,
        *,
        of_flow: bool,
        tolerant: bool,
    ) -> None:
        node = self._batch_node(graph, sources, join, nesting, of_flow=of_flow, tolerant=tolerant)
        if graph.has_lists and (len(sources) != 1 or self._is(0.3)):
            node = attrs.evolve(node, inputs=self._one_of("two", "two", "none"))
        elif len(sources) != 1:
            sources = list(sources[:1]) or [graph.nodes[0]]
            node = attrs.evolve(node, join="all")
        graph.add(node, self._edges(graph, sources, node))

    def _batch_node(
        self,
        graph: Growing,
        sources: Sequence[AnyNode],
        join: JoinName,
        nesting: int,
        *,
        of_flow: bool,
        tolerant: bool,
    ) -> Batch:
        worker: Flow | tuple[Turn, ...]
        retried, given = self._is(0.2), graph.has_lists and self._is(0.5)
        if of_flow:
            fails = ["failure"] if tolerant else []
            worker = self._graph("called", nesting - 1, (), {}, *fails, has_lists=given)
        else:
            worker = tuple(attrs.evolve(turn, reads=(), flaky=int(retried)) for turn in self._turns())
            if tolerant:
                worker = (attrs.evolve(worker[0], fails=True), *worker[1:], self._turn())
        return Batch(
            self._id(),
            worker,
            join,
            context={name: name for name in CONTEXT} if of_flow and given else None,
            tolerated=self._one_of(1, 2, 3) if tolerant else 0,
            output=self._one_of(None, "p", "r"),
            paired=self._is(0.5),
            attempts=2 if retried and not of_flow else 1,
            delay=5.0 if retried else 0.0,
        )

    def _call(self, graph: Growing, sources: Sequence[AnyNode], join: JoinName, nesting: int) -> None:
        given = graph.has_lists and self._is(0.5)
        flow = self._graph("called", nesting - 1, has_lists=given)
        outputs = None
        if self.plain and self._is(0.3):
            outputs = {"p": exit_id(self._one_of(*flow.nodes))}
        node = Call(self._id(), flow, join, {name: name for name in CONTEXT} if given else None, outputs)
        graph.add(node, self._edges(graph, sources, node))
