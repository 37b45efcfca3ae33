"""What is known of a run: the instances of its scopes and vertices, and what can be said of one of them."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

from .facts import NodeError, Outcome
from .keys import escape, scope_prefix
from .positions import ENTRY_INDEX, EXIT_INDEX, NO_INDEX, Position
from .scopes import Construct, Kind, Link, Scope, Vertex


class Mark(enum.Enum):
    """How an edge was resolved, or what became of a vertex by its edges: dead, to run, or blocked."""

    SKIPPED = "skipped"
    TAKEN = "taken"
    BLOCKED = "blocked"


class Phase(enum.Enum):
    """Where the run stands, as far as the facts say."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Instance(NamedTuple):
    """One vertex in one instance of its scope.

    Attributes:
        scope: The instance of the scope.
        vertex: The vertex.
    """

    scope: ScopeState
    vertex: Vertex

    @property
    def key(self) -> str:
        """The instance's key."""
        return self.scope.key(self.vertex)

    @property
    def outcome(self) -> Outcome:
        """The instance's outcome, which must be known."""
        return self.scope.outcomes[self.vertex.index]

    @property
    def identity(self) -> str:
        """The key, and for a join of some the edges that won it, since they decide what the instance does."""
        places = sorted(self.scope.claims.get(self.vertex.index, {}).values())
        if len(places) < self.vertex.quorum:
            return self.key
        winners = (f"<{escape(self.vertex.incoming[place].source_id)}:{place}" for place in places)
        return "".join((self.key, *winners))


class Claim(NamedTuple):
    """A taken edge has reached a join of some of which, as far as is known, not all slots are held.

    A join has as many slots as it needs edges. Whoever brings an edge tries them in order, until it holds one or finds
    one that its source holds: so an edge counts once, however often it comes, and of one source only one edge does.

    Attributes:
        scope: The instance of the scope.
        vertex: The join.
        link: The edge that asks for it.
    """

    scope: ScopeState
    vertex: Vertex
    link: Link

    @property
    def place(self) -> int:
        """The edge's place among the join's incoming ones, by which the claim names it."""
        return self.vertex.incoming.index(self.link)

    @property
    def slot(self) -> int | None:
        """The slot to try: the first of which it is not known who holds it; None behind one that its source holds.

        None, too, once it was said what becomes of the join.
        """
        slots = self.scope.claims.get(self.vertex.index, {})
        for slot in range(0 if self.vertex.index in self.scope.told else self.vertex.quorum):
            place = slots.get(slot)
            if place is None:
                return slot
            if self.vertex.incoming[place].source == self.link.source:
                break
        return None


class Arrival(NamedTuple):
    """An edge was resolved towards a join that this state cannot decide yet: others may have resolved the rest.

    Attributes:
        scope: The instance of the scope.
        vertex: The join; for the end of a scope its construct's exit, or None at the end of the run.
        key: Names the join among all of the run, also where it has no instance of its own, as the end of a scope.
        member: Which of its ways in was resolved, from 0.
        total: How many there are.
    """

    scope: ScopeState
    vertex: Vertex | None
    key: str
    member: int
    total: int


class FailedItem(NamedTuple):
    """An item of a batch has failed that tolerates only some such, and this state cannot say how many there are.

    Attributes:
        scope: Where the batch stands.
        vertex: The batch's exit.
        item: Which item.
        tolerated: How many may fail.
    """

    scope: ScopeState
    vertex: Vertex
    item: int
    tolerated: int


#: Stands for the end of a scope, where a vertex's index would stand.
END: Final = -1

# What most of the items of a batch have nothing in, of which there are many: one for all, which nobody can change.
_NO_RACES: Final = cast("set[int]", frozenset())
_NO_CONSTRUCTS: Final = cast("dict[int, Any]", MappingProxyType({}))


class ScopeState:
    """What is known about one instance of a scope. Made and changed by ``RunState`` alone.

    Attributes:
        scope: The compiled scope.
        parent: The scope instance around it; None for the run.
        construct: The construct of the parent that it belongs to.
        index: Which pass or item it is; None for the run and for a subflow's call.
        prefix: What the keys inside begin with.
        outcomes: By vertex index.
        claims: The standing claims of joins of some, by vertex index: for each slot that is known to be held the place
            of the edge among the join's incoming ones.
        marks: Vertices resolved without an outcome of their own: dead (SKIPPED) or blocked.
        unneeded: Indexes of the unneeded vertices.
        inside: By entry index: the scope instances of a construct that are known, by pass or item (0 for a call).
        values: The context values of a namespace, with the position of the setter.
        setters: The instances that set context values of a namespace, in the order in which they were added.
        ended: Whether it has ended.
        blame: The failures behind a failed or blocked vertex, by vertex index.
        failures: The failed vertices whose failure no join of some inside contains.
        fired: The joins of some all of whose slots are held by edges known to be taken, by index.
        unfired: Those all of whose slots are held by edges of which that is not known of each, by index.
        told: The vertices of which it was said what became of them, by index.
        resolved: How many of a join's edges, of a batch's items or of its own ends are known to be resolved without a
            gap from the first, by vertex index (-1 for the ends). Where to look on, not a count: it may be lost.
        spent: How many of a vertex's ways on are known to be of no use without a gap from the first. Likewise.
        failed_items: The items of a batch that are known to have failed, by the index of its entry.
        passed: Of a batch's items those that are known to have ended and of which no more is kept, by the index of its
            entry: a byte for each item, which is 1 for these.
        undone: Of a call that has failed: what it has done is undone.
        given: The item of a batch that it is for, where the items are stored in pages and somebody has read it.
    """

    __slots__ = (
        "_around",
        "blame",
        "claims",
        "construct",
        "ended",
        "failed_items",
        "failures",
        "fired",
        "given",
        "index",
        "inside",
        "marks",
        "outcomes",
        "parent",
        "passed",
        "prefix",
        "resolved",
        "scope",
        "setters",
        "spent",
        "told",
        "undone",
        "unfired",
        "unneeded",
        "values",
    )  # fmt: skip

    def __init__(self, scope: Scope, parent: ScopeState | None, construct: Construct | None, index: int | None) -> None:
        self.scope = scope
        self.parent = parent
        self.construct = construct
        self.index = index
        if parent is None or construct is None:
            self.prefix = ""
        else:
            self.prefix = scope_prefix(parent.prefix, construct.key, index, namespace=scope.namespace)
        # Not itself: what is in no circle is gone once nobody holds it, without a collection of garbage.
        self._around = None if scope.namespace or parent is None else parent.namespace
        self.outcomes: dict[int, Outcome] = {}
        self.claims: dict[int, dict[int, int]] = {}
        self.marks: dict[int, Mark] = {}
        self.unneeded = self.fired = self.unfired = _NO_RACES
        self.inside: dict[int, MutableMapping[int, ScopeState]] = {} if scope.constructs else _NO_CONSTRUCTS
        self.values: dict[str, tuple[Position, Any]] = {}
        self.setters: list[Instance] = []
        self.ended = False
        self.blame: dict[int, tuple[NodeError, ...]] = {}
        self.failures: list[Vertex] = []
        self.told: set[int] = set()
        self.resolved: dict[int, int] = {}
        self.spent: dict[int, int] = {}
        self.failed_items: dict[int, set[int]] = {} if scope.constructs else _NO_CONSTRUCTS
        self.passed: dict[int, bytearray] = {} if scope.constructs else _NO_CONSTRUCTS
        self.undone = False
        self.given: Any = None

    def begin_races(self) -> None:
        """Have sets of its own for what is known of joins of some: most scopes have no such join."""
        if self.fired is _NO_RACES:
            self.unneeded, self.fired, self.unfired = set(), set(), set()

    @property
    def namespace(self) -> ScopeState:
        """The scope instance whose context it shares, or itself."""
        return self._around or self

    @property
    def errors(self) -> tuple[NodeError, ...]:
        """The failures in it that no join of some inside contains, each once, by position: whichever came first."""
        if not self.failures:
            return ()
        failed = sorted(self.failures, key=lambda vertex: (vertex.depth, vertex.id))
        return tuple(dict.fromkeys(error for vertex in failed for error in self.blame[vertex.index]))

    def key(self, vertex: Vertex) -> str:
        """The key of a vertex's instance here."""
        if vertex.kind is Kind.VERDICT:
            return self.prefix[:-1]  # the pass itself: `retry_loop[2]`
        return self.prefix + vertex.key

    def at(self, index: int) -> Instance:
        """The instance of the vertex with an index."""
        return Instance(self, self.scope.vertices[index])

    def walk(self) -> Iterator[ScopeState]:
        """This instance of a scope and all that are known inside it."""
        waiting = [self]
        while waiting:
            scope = waiting.pop()
            yield scope
            for inside in scope.inside.values():
                waiting.extend(inside.values())

    def instances(self) -> Iterator[Instance]:
        """The instances of the scope's vertices, whether or not they have outcomes."""
        return (Instance(self, vertex) for vertex in self.scope.vertices)

    def has_passed(self, batch: Construct, item: int) -> bool:
        """Whether an item of a batch is known to have ended, and no more of it is kept."""
        passed = self.passed.get(batch.entry)
        return passed is not None and item < len(passed) and passed[item] == 1

    def pass_items(self, batch: Construct, total: int, items: slice) -> None:
        """Keep of some items of a batch of so many that they have ended, and no more."""
        if (passed := self.passed.get(batch.entry)) is None:
            passed = self.passed[batch.entry] = bytearray(total)
        passed[items] = b"\1" * len(range(*items.indices(total)))

    @property
    def has_set(self) -> bool:
        """Whether an instance in it has set context values."""
        return any(outcome.sets for outcome in self.outcomes.values())

    def is_unneeded(self, vertex: Vertex) -> bool:
        """Whether the vertex's instance need not run any more."""
        index, scope = vertex.index, self
        while True:
            if index in scope.unneeded:
                return True
            if scope.parent is None or scope.construct is None:
                return False
            index, scope = scope.construct.exit, scope.parent

    def mark_of(self, link: Link) -> Mark | None:
        """How an edge was resolved; None if that is not known. A failure that nothing contains resolves none."""
        outcome = self.outcomes.get(link.source)
        if outcome is not None and outcome.void:
            return None
        if outcome is None:
            mark = self.marks.get(link.source)
            # Of what is blocked the failure is another's: it takes no edge of its own.
            return Mark.SKIPPED if mark is Mark.BLOCKED and link.on == "failure" else mark
        if outcome.error is not None and not outcome.taken:
            return self.marks.get(link.source)
        return Mark.TAKEN if link.place in outcome.taken else Mark.SKIPPED

    def winners(self, join: Vertex) -> tuple[Link, ...]:
        """The edges that hold the slots of a join of some, in the blueprint's order; none as long as not all stand."""
        places = self.claims.get(join.index, {}).values()
        return tuple(join.incoming[place] for place in sorted(places)) if 0 < join.quorum == len(places) else ()

    def is_resolved(self, index: int) -> bool:
        """Whether it is known what became of a vertex: done, dead or blocked."""
        if index in self.marks:
            return True
        outcome = self.outcomes.get(index)
        return outcome is not None and not outcome.failed and not outcome.void

    def set(self, position: Position, values: Mapping[str, Any]) -> None:
        """Apply context values set at a position; a value set at a later position stays."""
        for name, value in values.items():
            standing = self.values.get(name)
            if standing is None or standing[0] <= position:
                self.values[name] = (position, value)

    def position(self, vertex: Vertex) -> Position:
        """Where the instance's context values stand among others of the same name."""
        entries: list[tuple[int, str, int]] = []
        if vertex.kind is Kind.STEP:
            entries.append((vertex.depth, vertex.id, NO_INDEX))
        elif vertex.construct is not None and vertex.kind is not Kind.VERDICT:
            # The construct's node id, whichever of the pair speaks: entry, insides and exit must compare by index.
            index = ENTRY_INDEX if vertex.kind is Kind.ENTRY else EXIT_INDEX
            entries.append((vertex.depth, vertex.construct.node.id, index))
        scope = self
        while scope.parent is not None and scope.construct is not None:
            entry = scope.parent.scope.vertices[scope.construct.entry]
            entries.append((entry.depth, scope.construct.node.id, scope.index or 0))
            scope = scope.parent
        return tuple(reversed(entries))
