"""Random flows: valid by construction, with everything inside everything."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias, TypeVar

import attrs
from flowcraft_testkit.oracle import draw as draw_from_seed
from flowcraft_testkit.oracle.flows import (
    AnyNode,
    Batch,
    Call,
    Edge,
    Flow,
    Inputs,
    JoinName,
    Loop,
    On,
    Step,
    Turn,
    Wait,
    exit_id,
    may_do_nothing,
)
from flowcraft_testkit.oracle.words import BOTH, LISTS, LOOP_CONDITIONS, ON_FAILURE
from hypothesis import settings
from hypothesis import strategies as st

T = TypeVar("T")
Role: TypeAlias = Literal["run", "body", "called"]

_CONDITIONS = (*[None] * 8, "result.output.n > 0", "input.n == 1", "result.action == 'a'", "true", "false")
_TRANSFORMS = (None, None, None, "input.n", '{"w": input.n, "v": input.v}', "[input.n]")
_NAMES = ("p", "q", "r")


@attrs.define
class _Maker:
    draw: st.DrawFn
    any_joins: bool
    failures: bool
    waits: bool
    called_outputs: bool
    size: int
    catches: bool = True
    sheltered: bool = False
    numbers: Iterator[int] = attrs.field(factory=itertools.count)

    def one_of(self, *values: T) -> T:
        return self.draw(st.sampled_from(values))

    def seldom(self) -> bool:
        return self.one_of(False, False, False, False, True)

    def name(self) -> str:
        # Not in alphabetical order: of two nodes of one depth the order of their ids decides.
        return f"{self.one_of('m', 'z', 'a')}{next(self.numbers)}"

    def graph(self, role: Role, nesting: int, *, lists: bool) -> Flow:
        """A graph; a body has one first and one last node, and ``lists`` says whether its context has lists."""
        count = self.draw(st.integers(1, self.size if role == "run" else min(self.size, 5)))
        pairs: list[tuple[int, int]] = []
        for target in range(1, count):
            least = 1 if role == "body" else 0
            pairs += [
                (source, target)
                for source in self.draw(st.lists(st.integers(0, target - 1), min_size=least, max_size=3))
            ]
        if role == "body":
            leads_on = {source for source, _ in pairs}
            pairs += [
                (node, self.draw(st.integers(node + 1, count - 1))) for node in range(count - 1) if node not in leads_on
            ]
        elif self.sheltered:
            # All ways lead into the last node: if it joins any of them, whatever fails before it is contained.
            leads_on = {source for source, _ in pairs}
            pairs += [(node, count - 1) for node in range(count - 1) if node not in leads_on]
        nodes: list[AnyNode] = []
        edges: list[Edge] = []
        fallbacks: dict[str, tuple[Turn, ...]] = {}
        for place in range(count):
            before = [nodes[source] for source, target in pairs if target == place]
            node = self.node(role, nesting, before, fallbacks, lists=lists)
            nodes.append(node)
            edges += [self.edge(source, node) for source in before]
        edges = self.draw(st.permutations(edges)) if len(edges) > 1 and self.seldom() else edges
        return Flow(f"flow {next(self.numbers)}", tuple(nodes), tuple(edges), fallbacks)

    def edge(self, source: AnyNode, target: AnyNode) -> Edge:
        if self.failures and self.catches and self.one_of(False, False, False, True):
            on: On = self.one_of("failure", "failure", "always")
            transform = self.one_of(*LISTS) if isinstance(target, Batch) else self.one_of(None, None, BOTH, "input.n")
            return Edge(source.id, target.id, None, self.one_of(*[None] * 6, "true", *ON_FAILURE), transform, on)
        if self.sheltered and not isinstance(target, Batch) and not self.seldom():
            return Edge(source.id, target.id)
        action = self.one_of(None, None, None, None, "a" if isinstance(source, Step) else "break", "b")
        transform = self.one_of(*_TRANSFORMS)
        if isinstance(target, Batch) and target.inputs is None:
            transform = self.one_of(*LISTS, None) if self.failures else self.one_of(*LISTS)
        return Edge(source.id, target.id, action, self.one_of(*_CONDITIONS), transform)

    def node(
        self,
        role: Role,
        nesting: int,
        before: Sequence[AnyNode],
        fallbacks: dict[str, tuple[Turn, ...]],
        *,
        lists: bool,
    ) -> AnyNode:
        joins: tuple[JoinName, ...] = ("any", "any", "any", "all") if self.sheltered else ("all", "any")
        joins = (*joins, *range(1, len({node.id for node in before}) + 1))
        join = self.one_of(*joins) if self.any_joins and len(before) > 1 else "all"
        kind = self.one_of("step", "step", "step", "loop", "batch", "call") if nesting else "step"
        if kind == "loop":
            return self.loop(role, nesting, before, join, lists=lists)
        if kind == "batch" and (lists or len(before) == 1):
            return self.batch(nesting, before, join, lists=lists)
        if kind == "call":
            return self.call(nesting, join, lists=lists)
        return self.step(before, join, fallbacks)

    def turn(self) -> Turn:
        return Turn(
            action=self.one_of(None, None, "a", "b"),
            n=self.one_of(0, 1, 2),
            fails=self.failures and self.seldom() and (self.sheltered or self.one_of(False, True)),
            sets=tuple(name for name in _NAMES if self.seldom()),
            deletes=("s",) if self.seldom() else (),
        )

    def turns(self) -> tuple[Turn, ...]:
        return tuple(self.turn() for _ in range(self.one_of(1, 1, 2)))

    def step(self, before: Sequence[AnyNode], join: JoinName, fallbacks: dict[str, tuple[Turn, ...]]) -> Step | Wait:
        if self.waits and self.seldom():
            turns = tuple(attrs.evolve(turn, fails=False, sets=(), deletes=()) for turn in self.turns())
            return Wait(self.name(), turns, join)
        fallback = None
        if self.failures and self.seldom():
            fallback = self.one_of(self.name(), *fallbacks)
            fallbacks.setdefault(fallback, self.turns())
        inputs: Inputs = None
        if self.seldom():
            # Only what an edge makes sure of may be named, and an `any` join makes sure of none of its edges.
            sources = [exit_id(source) for source in before] if join == "all" else []
            named = self.one_of("seed", *sources, *(f"{source}.n" for source in sources))
            inputs = named if self.seldom() else {"x": named, "y": "seed"}
        return Step(self.name(), self.turns(), join, inputs, fallback)

    def loop(self, role: Role, nesting: int, before: Sequence[AnyNode], join: JoinName, *, lists: bool) -> Loop:
        body = self.graph("body", nesting - 1, lists=lists)
        return Loop(
            self.name(),
            body,
            body.nodes[-1].id,
            "false" if may_do_nothing(body) else self.one_of(*LOOP_CONDITIONS),
            join,
            # To ask before the first pass there must be an edge that says so: one into it, or the way back around it.
            checks_first=bool(before or role == "body") and self.one_of(False, True),
            feedback_condition=self.one_of(None, None, None, "input.n == 1"),
            feedback_transform=self.one_of(None, None, '{"w": input.n, "v": input.v}'),
        )

    def batch(self, nesting: int, before: Sequence[AnyNode], join: JoinName, *, lists: bool) -> Batch:
        worker: Flow | tuple[Turn, ...]
        worker, context = self.turns(), None
        if self.one_of(True, False):
            worker, context = self.called(nesting, lists=lists)
        inputs = self.one_of("two", "none") if lists and (len(before) != 1 or self.one_of(True, False)) else None
        return Batch(
            self.name(),
            worker,
            join,
            inputs,
            context,
            tolerated=self.one_of(0, 1, 2) if self.failures else 0,
            output=self.one_of(None, "p", "r"),
            paired=self.one_of(False, True),
            concurrency=self.one_of(None, 1, 2),
        )

    def call(self, nesting: int, join: JoinName, *, lists: bool) -> Call:
        flow, context = self.called(nesting, lists=lists)
        outputs: dict[str, str] | None = None
        if self.called_outputs and self.seldom():
            outputs = {"p": exit_id(self.one_of(*flow.nodes)), "q": self.one_of("p", "seed")}
        return Call(self.name(), flow, join, context, outputs)

    def called(self, nesting: int, *, lists: bool) -> tuple[Flow, dict[str, str] | None]:
        context = {"two": "two", "none": "none"} if lists and self.one_of(True, False) else None
        return self.graph("called", nesting - 1, lists=context is not None), context


@st.composite
def flows(
    draw: st.DrawFn,
    *,
    any_joins: bool = True,
    failures: bool = True,
    waits: bool = False,
    called_outputs: bool = True,
    catches: bool = True,
    size: int = 8,
    nesting: int = 2,
) -> Flow:
    """Flows that compile.

    Args:
        draw: Given by Hypothesis.
        any_joins: With joins that go on with the first edge.
        failures: With steps and entries that fail.
        waits: With waits among the steps.
        called_outputs: With calls that name the outputs they give; those may be of nodes that may have lost a race.
        catches: With edges on failure and always. Of several failures they carry the first, which depends on the ids.
        size: How many nodes the run's own graph has at most.
        nesting: How many constructs lie inside one another at most.
    """
    maker = _Maker(draw, any_joins, failures, waits, called_outputs, size, catches)
    maker.sheltered = any_joins and failures and maker.one_of(False, True)
    return maker.graph("run", nesting, lists=True)


@st.composite
def flows_with_failing_passes(draw: st.DrawFn) -> Flow:
    """Flows with a loop that goes on by its verdicts, beside a failure in one of its passes that something contains."""
    maker = _Maker(draw, any_joins=True, failures=False, waits=False, called_outputs=False, size=4, catches=False)
    first, last = Step(maker.name(), (Turn(n=1),)), Step(maker.name(), (Turn(n=1),), maker.one_of("all", "any"))
    fails = Step(maker.name(), tuple(draw(st.permutations([Turn(fails=True), Turn()]))))
    nodes: list[AnyNode] = [first, fails]
    edges = [Edge(first.id, fails.id), Edge(first.id, last.id)]
    if last.join == "any":
        # A race goes another way, and what has edges on failure alone is no loser in it.
        edges.append(Edge(fails.id, last.id, None, maker.one_of("false", *ON_FAILURE), None, "failure"))
    else:
        # What it blocks skips its edge on failure.
        nodes.append(Step(maker.name()))
        edges += [Edge(fails.id, nodes[-1].id), Edge(nodes[-1].id, last.id, on="failure")]
    if maker.one_of(False, True):
        inner = maker.node("body", 1, [first], {}, lists=False)
        nodes.append(inner)
        edges += [Edge(first.id, inner.id, transform="[input.n]"), Edge(inner.id, last.id)]
    loop = Loop(maker.name(), Flow("body", (*nodes, last), tuple(edges)), last.id, LOOP_CONDITIONS[0])
    begin, behind, other = (Step(maker.name(), maker.turns()) for _ in range(3))
    within = Flow("called", (begin, loop, behind), (Edge(begin.id, loop.id), Edge(loop.id, behind.id)))
    match maker.one_of("always", "failure", "any", "tolerated"):
        case "any":
            joins = Step(maker.name(), join="any")
            ways = (Edge(begin.id, other.id), Edge(other.id, joins.id), Edge(loop.id, joins.id))
            return Flow("flow", (begin, loop, other, joins), (Edge(begin.id, loop.id), *ways))
        case "tolerated":
            batch = Batch(maker.name(), within, inputs="two", tolerated=maker.one_of(1, 2), concurrency=1)
            return Flow("flow", (batch, other), (Edge(batch.id, other.id),))
        case "always":
            caught = Edge(loop.id, other.id, on="always")
        case _:
            caught = Edge(loop.id, other.id, on="failure")
    return attrs.evolve(within, nodes=(*within.nodes, other), edges=(*within.edges, caught))


def seeds() -> st.SearchStrategy[int]:
    """Schedules: whatever is left to chance follows from a seed."""
    return st.integers(0, 2**16)


@st.composite
def drawn(draw: st.DrawFn, *, plain: bool = False) -> Flow:
    """Flows of the oracle's own making, with sleeps, retries and names from afar. They are as small as they are.

    Args:
        draw: Given by Hypothesis.
        plain: Only those without a race of their own.
    """
    possible = (draw_from_seed(seed) for seed in itertools.count(draw(seeds())))
    return next(each.flow for each in possible if each.plain or not plain)


#: Of three flows two that get smaller where something is wrong, and one of the oracle's.
any_flows = st.one_of(flows(), flows(), drawn())
plain_flows = st.one_of(*[flows(any_joins=False, failures=False)] * 2, drawn(plain=True))

#: As many of those that get smaller as there are elsewhere of all.
more = settings(max_examples=settings().max_examples * 3 // 2)
