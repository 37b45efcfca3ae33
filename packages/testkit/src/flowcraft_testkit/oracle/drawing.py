"""Draws a flow from a seed: valid by construction, with everything inside everything.

A draw begins with wishes, so that each construct is in most flows; each is put into the run's own graph or into a graph
inside, and the rest of the flow grows around them by chance.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import attrs

from .flows import (
    AnyNode,
    Batch,
    Call,
    Edge,
    Flow,
    Inputs,
    JoinName,
    Loop,
    Sleep,
    Step,
    Turn,
    Wait,
    exit_id,
)
from .growing import Growing, Origin, Role, own_value
from .words import CONDITIONS, LISTS, LOOP_CONDITIONS, condition_on, list_with, transform_with

T = TypeVar("T")
Names = Mapping[str, tuple[str, ...]]

#: What a run of a drawn flow begins with.
CONTEXT: Mapping[str, Any] = {"seed": 5, "two": ["x", "y"], "none": []}

# So many flows have no race of their own: what they come to does not depend on the schedule.
_PLAIN = 0.2

_WISHED = 0.74
_INSIDE = 0.3

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

_SHARED_VALUES = ("p", "q", "r")
_CONDITIONS = (*CONDITIONS, "result.output.n > 0", "result.action == 'a'")
_TRANSFORMS = ("input.n", '{"w": input.n, "v": input.v}', "[input.n]")


@attrs.frozen
class Drawn:
    """A flow that follows from a seed.

    Attributes:
        seed: The seed.
        flow: The flow.
        plain: It has no race of its own: no ``any`` join, no timeout, no failure.
    """

    seed: int
    flow: Flow
    plain: bool


def draw(seed: int) -> Drawn:
    """Draw a flow."""
    maker = _Maker(random.Random(f"flow {seed}"))  # noqa: S311 - to be repeated
    return Drawn(seed, maker.draw("oracle"), maker.plain)


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._number = 0
        self.plain = self._is(_PLAIN)
        self._inside: list[str] = []
        self._in_bodies: list[str] = []

    # --- chance ---------------------------------------------------------------------------------------------------

    def _is(self, chance: float) -> bool:
        return self._chance.random() < chance

    def _one_of(self, *values: T) -> T:
        return self._chance.choice(values)

    def _id(self) -> str:
        # Not in alphabetical order: of two nodes of one depth the order of their ids decides.
        self._number += 1
        return f"{self._one_of('m', 'z', 'a')}{self._number}"

    # --- graphs ---------------------------------------------------------------------------------------------------

    def draw(self, flow_id: str) -> Flow:
        """The run's own graph."""
        possible = _WISHES if self.plain else (*_WISHES, *_RACES)
        wishes = [wish for wish in possible if self._is(_WISHED)]
        self._in_bodies = [wish for wish in _IN_A_BODY if self._is(0.85)]
        self._inside = [wish for wish in wishes if self._is(_INSIDE) and wish != "nested loop"]
        own = [wish for wish in wishes if wish not in self._inside] + ["step"] * self._chance.randint(1, 3)
        self._chance.shuffle(own)
        graph = Growing(flow_id, "run", (), {})
        self._place(graph, "step", 2)
        for wish in own:
            self._place(graph, wish, 2)
        left, self._inside = self._inside, []
        for wish in (*left, *[look for look in _BEHIND_LOOPS if self._is(_WISHED)]):
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
        more = self._one_of("all", "all", "any") if not self.plain and len(sources) > 1 else "all"
        self._step(graph, sources, more, turns=self._turns(at_least=1 if self._is(0.8) else 0), bare=self._is(0.6))

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
            turns = tuple(attrs.evolve(turn, flaky=flaky) for turn in self._turns())
            self._step(graph, sources, join, turns=turns, attempts=flaky + 1, delay=self._one_of(0.0, 1.0, 30.0))
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
        ways = [self._wait(graph, sources, "all")]
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

    # --- looks at other nodes -------------------------------------------------------------------------------------

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
            inputs: Inputs = self._one_of(name, f"{name}.n", {"x": name, "y": "seed"})
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

    def _batch_behind_loop(self, graph: Growing, nesting: int) -> None:
        """A batch whose items name a node inside a loop before it."""
        found = self._place_to_look(graph, self._one_of("in a loop", "in a loop", "in a nested loop"))
        if found is not None:
            source, name = found
            node = self._batch_node(graph, [source], "all", nesting, of_flow=self._is(0.4), tolerant=False)
            graph.add(node, [Edge(source.id, node.id, transform=list_with(name))])

    # --- nodes ----------------------------------------------------------------------------------------------------

    def _turn(self, at_least: int = 0) -> Turn:
        return Turn(
            action=self._one_of(None, None, "a", "b"),
            n=max(at_least, self._one_of(0, 1, 1, 2)),
            takes=self._one_of(0.0, 0.0, 0.0, 0.5, 3.0),
            sets=tuple(name for name in _SHARED_VALUES if self._is(0.15)),
            deletes=(self._one_of("p", "s"),) if self._is(0.12) else (),
        )

    def _turns(self, at_least: int = 0) -> tuple[Turn, ...]:
        turns = [self._turn(at_least) for _ in range(self._one_of(1, 1, 2))]
        return tuple(attrs.evolve(turn, deletes=()) if set(turn.deletes) & set(turn.sets) else turn for turn in turns)

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
        node = Wait(self._id(), turns, join, timeout, after=self._one_of(0.0, 1.0, 20.0, 90.0, 400.0))
        graph.add(node, self._edges(graph, sources, node))
        return node

    def _loop(self, graph: Growing, sources: Sequence[AnyNode], join: JoinName, nesting: int, *, nested: bool) -> None:
        loop_id = self._id()
        around = {**graph.around, **graph.before([source.id for source in sources], join)}
        inner = ["loop"] if nested else []
        body = self._graph(
            "body", nesting - (not nested), (*graph.path, loop_id), around, *inner, has_lists=graph.has_lists
        )
        node = Loop(
            loop_id,
            body,
            body.nodes[-1].id,
            self._one_of(*LOOP_CONDITIONS),
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
            worker = self._graph("called", nesting - 1, (), {}, *["failure" for _ in range(tolerant)], has_lists=given)
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
