"""The places of a run, and what was recorded there: the ground that the model of a graph's meaning stands on.

A *place* is a scope in a run: the run itself, one pass of a loop, one item of a batch, one call of a subflow. Words in
quotes are the rules as the design states them. The model imports nothing of the engine: the judge is not the judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeAlias

import attrs

from .flows import AnyNode, Batch, Edge, Flow, Loop, Sleep, Step, Wait, entry_id, exit_id


@attrs.frozen
class Fact:
    """An outcome.

    Attributes:
        taken: The edges that were taken, by their place among the node's edges, with what they carry.
        sets: The context values set.
        deletes: The names of those deleted.
        items: Of a batch's entry: its items.
        lanes: Likewise: how many of them are under way at most.
        context: Of an entry that calls a flow: the context values that each call begins with.
        failed: It failed for good; then of the rest only the edges that were taken are set.
        error: Then: why, as steps and expressions see it, but for the text.
        void: It stands where an outcome would, which "never happened": the run was stopped.
    """

    output: Any = None
    action: str | None = None
    taken: Mapping[int, Any] = attrs.field(factory=dict)
    sets: Mapping[str, Any] = attrs.field(factory=dict)
    deletes: tuple[str, ...] = ()
    items: tuple[Any, ...] | None = None
    lanes: int | None = None
    context: Mapping[str, Any] | None = None
    failed: bool = False
    error: Mapping[str, Any] | None = None
    void: bool = False

    @property
    def handled(self) -> bool:
        """Whether it failed and took an edge: "the failure is then handled"."""
        return self.failed and bool(self.taken)


def failure(key: str, kind: str, attempts: int = 1) -> Fact:
    """The fact that an instance failed for good, before any edge is taken."""
    return Fact(failed=True, error={"node": key, "type": kind, "attempts": attempts})


@attrs.define
class Facts:
    """All that is known of a run: outcomes by key, and for each join by key the places of the edges in its slots."""

    outcomes: dict[str, Fact] = attrs.field(factory=dict)
    claims: dict[str, dict[int, int]] = attrs.field(factory=dict)


@attrs.frozen
class Verdict:
    """A loop's question at the end of a pass, as one more node behind the pass's end."""

    id: str = "(verdict)"


VERDICT = Verdict()

PlacedNode: TypeAlias = AnyNode | Verdict


@attrs.frozen
class Place:
    """A scope in a run.

    Attributes:
        prefix: What the keys inside begin with; no two places have one.
        parent: The place around it, and ``node`` the construct there that it is inside of; None for the run.
        index: Which pass or item it is.
        given: What its first nodes get as input.
        namespace: The place whose context values it sees.
    """

    flow: Flow = attrs.field(eq=False)
    prefix: str
    parent: Place | None = attrs.field(default=None, eq=False)
    node: AnyNode | None = attrs.field(default=None, eq=False)
    index: int = attrs.field(default=0, eq=False)
    given: Any = attrs.field(default=None, eq=False)
    namespace: Place | None = attrs.field(default=None, eq=False)

    def nodes(self) -> list[PlacedNode]:
        """Its nodes; in a loop's pass with the verdict."""
        return [*self.flow.nodes, VERDICT] if isinstance(self.node, Loop) else list(self.flow.nodes)

    @cached_property
    def edges(self) -> list[Edge]:
        """Its edges; in a loop's pass with that to the verdict."""
        behind_the_end = [Edge(self.node.end, VERDICT.id)] if isinstance(self.node, Loop) else []
        return [*self.flow.edges, *behind_the_end]

    def find(self, node_id: str) -> PlacedNode:
        """The node with an id."""
        return VERDICT if node_id == VERDICT.id else self.flow.node(node_id)

    def into(self, node: PlacedNode) -> list[Edge]:
        """The edges that lead to a node."""
        return [edge for edge in self.edges if edge.target == node.id]

    def out_of(self, node: PlacedNode) -> list[Edge]:
        """The edges that lead from a node."""
        return [edge for edge in self.edges if edge.source == node.id]

    def place_of(self, edge: Edge) -> int:
        """The edge's place among those of its source. Two edges may be equal: they are told apart by what they are."""
        return next(n for n, other in enumerate(self.out_of(self.find(edge.source))) if other is edge)

    def begins_at(self, node: PlacedNode) -> str:
        """The key of the instance that the node's incoming edges lead to."""
        if isinstance(node, Verdict):
            return self.prefix[:-1]
        if isinstance(node, (Step, Wait, Sleep)) or entry_id(node) != exit_id(node):
            return self.prefix + entry_id(node)
        return f"{self.prefix}{node.id}:entry"

    def ends_at(self, node: PlacedNode) -> str:
        """The key of the instance that the node's outgoing edges come from."""
        return self.prefix[:-1] if isinstance(node, Verdict) else self.prefix + exit_id(node)

    def needed(self, node: PlacedNode) -> int:
        """With how many of several edges a node goes on; 0 if it waits for all. "`any` is k = 1"."""
        if isinstance(node, Verdict) or node.join == "all" or len(self.into(node)) < 2:
            return 0
        return 1 if node.join == "any" else node.join

    def depth(self, node: PlacedNode) -> int:
        """How many nodes the longest way to a node has."""
        return max((1 + self.depth(self.find(edge.source)) for edge in self.into(node)), default=0)

    def ends_here(self, node: PlacedNode) -> bool:
        """Whether the end of this place is a way on of a node: it has none, or "its ways on are all failure edges"."""
        return all(edge.on == "failure" for edge in self.out_of(node))

    def catches(self, node: PlacedNode) -> bool:
        """Whether a node has "failure or always edges"."""
        return any(edge.on != "success" for edge in self.out_of(node))

    def shelters(self, node: PlacedNode) -> bool:
        """Whether inside this place "each of its ways on leads into an `any` join", or one of k.

        "For unneeded, a failure edge is a way on like any other; for containment it is none."
        """
        targets = [self.find(edge.target) for edge in self.out_of(node) if edge.on != "failure"]
        return bool(targets) and all(self.needed(target) or self.shelters(target) for target in targets)

    def contains(self, node: PlacedNode) -> bool:
        """Whether the node's failure is contained.

        It is "under a batch's tolerance, or where each of its ways on leads into an `any` join"; a last node's way on
        is that of the construct around it. "A failure inside such a construct", one with failure or always edges, "is
        contained until" it commits a failed outcome of its own.
        """
        if self.shelters(node):
            return True
        if self.parent is None or self.node is None:
            return False
        if self.parent.catches(self.node) or (isinstance(self.node, Batch) and self.node.tolerated > 0):
            return True
        return self.parent.contains(self.node)
