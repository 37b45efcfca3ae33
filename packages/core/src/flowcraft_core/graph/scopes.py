"""The compiled form of a blueprint: a tree of scopes, each an acyclic graph of vertices.

A scope is a run, a loop's pass, a batch's item or a subflow's call. A construct (loop, batch, subflow) stands in its
scope as two vertices: its *entry*, which takes the incoming edges and records what goes in, and its *exit*, which
records what comes out and has the outgoing edges. Between the two lie the construct's own scopes. A loop's body ends
in a *verdict*, so that a cycle in the blueprint is no cycle here. Compiled scopes are never changed and may be shared
by any number of runs and threads.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import attrs

from ..blueprint import SLEEP, WAIT, Blueprint, Node, On
from ..reminders import Reminders
from ..retries import RetryPolicy

if TYPE_CHECKING:
    from ..expressions import Expression


class Kind(enum.Enum):
    """What it means to run a vertex."""

    STEP = "step"
    ENTRY = "entry"
    VERDICT = "verdict"
    EXIT = "exit"


@attrs.frozen
class Reference:
    """Where a node's explicit input, or a part of it, comes from.

    Attributes:
        text: As it stands in the blueprint.
        node: Id of the node whose output is meant; None for a context value.
        name: Name of the context value, if ``node`` is None.
        path: Keys to follow from there.
    """

    text: str
    node: str | None
    name: str
    path: tuple[str, ...]


@attrs.frozen(eq=False)
class Link:
    """An edge between two vertices of one scope.

    Attributes:
        place: Its place among the source's outgoing edges; names it in the source's outcome.
        source: Index of the source vertex.
        target: Index of the target vertex.
        source_id: The node id that joins show for it.
        target_id: The node id that it leads to, for people.
        action: See ``blueprint.Edge``.
        condition: The compiled condition.
        transform: The compiled transform.
        on: After what it may be taken.
    """

    place: int
    source: int
    target: int
    source_id: str
    target_id: str
    action: str | None
    condition: Expression | None
    transform: Expression | None
    on: On = "success"


@attrs.define(eq=False)
class Construct:
    """A loop, batch or subflow inside a scope.

    Attributes:
        kind: Which of the three.
        node: The node that stands for it in the blueprint.
        key: Its escaped id, as it stands in the keys of its insides.
        entry: Index of its entry vertex in the enclosing scope.
        exit: Index of its exit vertex in the enclosing scope.
        body: The scope inside; None if another blueprint is called.
        calls: Id of the called blueprint, if ``body`` is None.
        checks_first: A loop that asks its condition before the first pass, since it is entered at its controller.
        inputs: The initial context of a call, or of each item's call, if it maps names.
        condition: A loop's condition for another pass.
        verdict: Index of a loop's verdict vertex in ``body``.
        feedback: A loop's edge from a pass to the next; its place is 0 in the verdict's outcome.
        leaving: A loop's edges out of it, but for those on failure or always.
        concurrency: How many items of a batch are under way at most; None for a number that does for any batch.
        page_size: How many items of a batch are stored together; None for a number that does for any batch.
        reduce: What makes one value of a batch's results; None if they are its output.
        tolerated_count: How many items of a batch may fail.
        tolerated_percentage: Which share of a batch's items may fail, 0 to 100.
    """

    kind: Literal["loop", "batch", "subflow"]
    node: Node
    key: str
    entry: int
    exit: int
    body: Scope | None = None
    calls: str | None = None
    inputs: dict[str, Reference] | None = None
    checks_first: bool = False
    condition: Expression | None = None
    verdict: int = -1
    feedback: Link | None = None
    leaving: tuple[Link, ...] = ()
    concurrency: int | None = None
    page_size: int | None = None
    reduce: Node | None = None
    tolerated_count: int = 0
    tolerated_percentage: float = 0.0

    @property
    def tolerant(self) -> bool:
        """Whether some failure of an item does not fail the batch."""
        return self.tolerated_count > 0 or self.tolerated_percentage > 0

    def tolerates(self, failures: int, items: int) -> bool:
        """Whether a batch of so many items succeeds with so many failures."""
        return failures <= self.tolerated_count or failures * 100 <= items * self.tolerated_percentage

    def may_fail(self, items: int) -> int:
        """How many of a batch's items may fail without failing it, about: ``tolerates`` decides."""
        return max(self.tolerated_count, int(items * self.tolerated_percentage / 100))


@attrs.define(eq=False)
class Vertex:
    """Something in a scope that runs once per instance of the scope and has an outcome.

    Attributes:
        index: Its place in ``Scope.vertices``.
        kind: What running it means.
        id: The node's id, as people know it.
        key: What follows the scope's prefix in its instance key.
        node: The node in the blueprint.
        retry: The node's retry policy.
        fallback: The node that stands in when all attempts have failed.
        uses: For a step: the names of all implementations that it may need, those of its fallback's included.
        undo: The node that takes back what a completed instance has done; only of a step.
        out: Its outgoing edges.
        incoming: Its incoming edges.
        quorum: It goes on once so many of its edges, of different sources, are taken; 0 if it waits for all of them,
            and for a vertex with a single incoming edge.
        inputs: Its explicit input: one reference, or one per name.
        depth: Longest way from the scope's start, counted in nodes; a construct counts as one.
        all_taken: If each edge is always taken and carries the output as it is: ``Outcome.taken`` of each instance.
        catches: It has edges on failure or always: it has an outcome of its own also where it fails without being run.
        is_end: The end of its scope is a way on: it has no other, or only edges on failure.
        sheltered: Each of its ways on but for edges on failure leads, inside its scope, into a join of some.
        construct: Set for entries and exits, and for a verdict the loop that it belongs to.
        timeout: Seconds that one attempt, or a wait, may take.
        reminders: For a wait: what it calls while nobody has answered it.
        names: What deciding about an instance may name in expressions, once somebody has asked; see ``partial``.
    """

    index: int
    kind: Kind
    id: str
    key: str
    node: Node
    retry: RetryPolicy
    fallback: Node | None = None
    uses: tuple[str, ...] = ()
    undo: Node | None = None
    out: tuple[Link, ...] = ()
    incoming: tuple[Link, ...] = ()
    quorum: int = 0
    inputs: Reference | dict[str, Reference] | None = None
    depth: int = 0
    all_taken: dict[int, Any] | None = attrs.field(factory=dict)
    catches: bool = False
    is_end: bool = False
    sheltered: bool = False
    construct: Construct | None = None
    timeout: float | None = None
    reminders: Reminders | None = None
    names: tuple[str, ...] | None = None

    @property
    def is_called(self) -> bool:
        """Whether to run it is to call a step: what a construct, a wait or a sleep does is the engine's."""
        return self.kind is Kind.STEP and self.node.uses not in (SLEEP, WAIT)

    @property
    def params(self) -> dict[str, Any]:
        """The node's static parameters."""
        return self.node.params or {}


@attrs.define(eq=False)
class Scope:
    """The graph inside a run, a pass, an item or a call.

    Attributes:
        blueprint: Id of the blueprint that it is compiled from.
        vertices: All vertices.
        by_id: Node id to the index of the vertex that has its output.
        by_key: The index of each vertex but the verdict, by what follows the scope's prefix in its instance key.
        by_construct: The constructs that stand in it, by their escaped ids.
        starts: Vertices without incoming edges.
        ends: Vertices whose way on is the end of the scope.
        last: Those of them that do not lie behind edges on failure alone.
        order: The vertices' indexes, each after all that lead to it.
        constructs: The constructs that stand in it.
        namespace: Whether its context is its own (a run or a subflow's call), or the enclosing scope's.
        inner: Node id to the construct of this scope in which it is nested, for nodes of loop bodies.
        result: Which of several ends has the output of the run or call; None if all of them have.
        queue: The queue of its blueprint's nodes, unless they, or the run, name another.
    """

    blueprint: str
    namespace: bool
    vertices: list[Vertex] = attrs.field(factory=list)
    by_id: dict[str, int] = attrs.field(factory=dict)
    by_key: dict[str, int] = attrs.field(factory=dict)
    by_construct: dict[str, Construct] = attrs.field(factory=dict)
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    last: tuple[int, ...] = ()
    order: list[int] = attrs.field(factory=list)
    constructs: list[Construct] = attrs.field(factory=list)
    inner: dict[str, Construct] = attrs.field(factory=dict)
    result: str | None = None
    queue: str | None = None


@attrs.frozen(eq=False)
class Graph:
    """A blueprint, compiled.

    Attributes:
        blueprint: What it was compiled from.
        root: The outermost scope.
        uses: Names of the implementations that it needs, with the node that needs each.
        calls: For each blueprint that it calls directly, the node that calls it.
        undoes: Whether a node of it names an undo.
    """

    blueprint: Blueprint
    root: Scope
    uses: Mapping[str, str]
    calls: Mapping[str, str]
    undoes: bool = False

    @cached_property
    def hash(self) -> str:
        """The blueprint's content hash."""
        return self.blueprint.content_hash()

    @cached_property
    def has_races(self) -> bool:
        """Whether it has a join of some, which may make what leads to it unneeded."""
        return any(vertex.quorum for scope in self.scopes() for vertex in scope.vertices)

    def scopes(self) -> Iterator[Scope]:
        """Its scopes, but for those of flows that it calls: each before those inside of it."""
        waiting = [self.root]
        while waiting:
            scope = waiting.pop()
            yield scope
            waiting += [construct.body for construct in reversed(scope.constructs) if construct.body is not None]
