"""The meaning of a graph, said again: slowly, without state, and from the words rather than from the code.

``Meaning`` is made from a flow and *all* facts about a run, and every question is answered by looking at all of them
again. There are no counters and no queues: what is not decided yet is asked once more, until nothing changes. It
imports nothing of the package. Words in quotes below are the rules as the design states them.

A *place* is a scope in a run: the run itself, one pass of a loop, one item of a batch, one call of a subflow.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeAlias

import attrs

from .flows import (
    CONDITIONS,
    TRANSFORMS,
    AnyNode,
    Batch,
    Call,
    Edge,
    Flow,
    Loop,
    Script,
    ScriptedError,
    Step,
    entry_id,
    exit_id,
    member,
    uses_of,
    worker_of,
)


@attrs.frozen
class Fact:
    """An outcome.

    Attributes:
        taken: The edges that were taken, by their place among the node's edges, with what they carry.
        sets: The context values set.
        deletes: The names of those deleted.
        items: Of a batch's entry: its items.
        context: Of an entry that calls a flow: the context values that each call begins with.
        failed: It failed for good; then nothing else is set.
    """

    output: Any = None
    action: str | None = None
    taken: Mapping[int, Any] = attrs.field(factory=dict)
    sets: Mapping[str, Any] = attrs.field(factory=dict)
    deletes: tuple[str, ...] = ()
    items: tuple[Any, ...] | None = None
    context: Mapping[str, Any] | None = None
    failed: bool = False


FAILURE = Fact(failed=True)


@attrs.define
class Facts:
    """All that is known of a run: outcomes by key, and for each claimed join the place of the edge that won."""

    outcomes: dict[str, Fact] = attrs.field(factory=dict)
    claims: dict[str, int] = attrs.field(factory=dict)

    def copy(self) -> Facts:
        return Facts(dict(self.outcomes), dict(self.claims))


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
        return [*self.flow.nodes, VERDICT] if isinstance(self.node, Loop) else list(self.flow.nodes)

    @cached_property
    def edges(self) -> list[Edge]:
        behind_the_end = [Edge(self.node.end, VERDICT.id)] if isinstance(self.node, Loop) else []
        return [*self.flow.edges, *behind_the_end]

    def find(self, node_id: str) -> PlacedNode:
        return VERDICT if node_id == VERDICT.id else self.flow.node(node_id)

    def into(self, node: PlacedNode) -> list[Edge]:
        return [edge for edge in self.edges if edge.target == node.id]

    def out_of(self, node: PlacedNode) -> list[Edge]:
        return [edge for edge in self.edges if edge.source == node.id]

    def place_of(self, edge: Edge) -> int:
        """The edge's place among those of its source. Two edges may be equal: they are told apart by what they are."""
        return next(n for n, other in enumerate(self.out_of(self.find(edge.source))) if other is edge)

    def begins_at(self, node: PlacedNode) -> str:
        """The key of the instance that the node's incoming edges lead to."""
        if isinstance(node, Verdict):
            return self.prefix[:-1]
        if isinstance(node, Step) or entry_id(node) != exit_id(node):
            return self.prefix + entry_id(node)
        return f"{self.prefix}{node.id}:entry"

    def ends_at(self, node: PlacedNode) -> str:
        """The key of the instance that the node's outgoing edges come from."""
        return self.prefix[:-1] if isinstance(node, Verdict) else self.prefix + exit_id(node)

    def is_any_join(self, node: PlacedNode) -> bool:
        return not isinstance(node, Verdict) and node.join == "any" and len(self.into(node)) > 1

    def depth(self, node: PlacedNode) -> int:
        """ "The depth of the node or construct in its scope": of the ways to it, how many nodes the longest has."""
        return max((1 + self.depth(self.find(edge.source)) for edge in self.into(node)), default=0)

    def shelters(self, node: PlacedNode) -> bool:
        """Whether inside this place "each of its ways on leads into an `any` join"."""
        targets = [self.find(edge.target) for edge in self.out_of(node)]
        return bool(targets) and all(self.is_any_join(target) or self.shelters(target) for target in targets)

    def contains(self, node: PlacedNode) -> bool:
        """Whether the node's failure is *contained*: "under a batch's tolerance, or where each of its ways on leads
        into an `any` join"; a last node's way on is that of the construct around it.
        """
        if self.shelters(node):
            return True
        if self.parent is None or self.node is None:
            return False
        return (isinstance(self.node, Batch) and self.node.tolerated > 0) or self.parent.contains(self.node)


class Status(enum.Enum):
    READY = "all that leads to it is resolved, and it has no outcome"
    INSIDE = "a construct that was entered and has not ended"
    LEAVING = "a construct in which all has ended, and which has no outcome yet"
    DONE = "it has an outcome that is no failure"
    FAILED = "it failed for good"
    DEAD = "none of its edges can be taken any more"
    BLOCKED = "a failure lies before it"


class Way(enum.Enum):
    TAKEN = "taken"
    SKIPPED = "skipped"
    BLOCKED = "blocked"


OVER = (Status.DONE, Status.FAILED, Status.DEAD, Status.BLOCKED)

At: TypeAlias = tuple[Place, str]


class Meaning:
    """What some facts mean.

    Attributes:
        root: The run's own place.
        places: All places that there are.
        status: Of each node at each place, once something is decided about it.
        lost: Nodes whose own ways on make them moot.
    """

    def __init__(self, flow: Flow, script: Script, facts: Facts, context: Mapping[str, Any]) -> None:
        self.script = script
        self.facts = facts
        self.context = context
        self.root = Place(flow, "")
        self.places = list(self._places(self.root))
        self.lost = self._find_lost()
        self.status: dict[At, Status] = {}
        changed = True
        while changed:
            changed = False
            for place in self.places:
                for node in place.nodes():
                    found = self._status(place, node)
                    if found is not self.status.get((place, node.id)):
                        assert found is not None, "nothing that is decided is taken back"
                        self.status[place, node.id] = found
                        changed = True

    # --- what there is --------------------------------------------------------------------------------------------

    def _places(self, place: Place) -> Iterator[Place]:
        yield place
        for node in place.flow.nodes:
            for inside in self.inside(place, node):
                yield from self._places(inside)

    def inside(self, place: Place, node: PlacedNode) -> list[Place]:
        """The passes, items or the call that have been begun, in order."""
        entry = self.facts.outcomes.get(place.begins_at(node))
        if entry is None or entry.failed:
            return []
        namespace = place.namespace or place
        match node:
            case Call():
                return [Place(node.flow, f"{place.prefix}{node.id}/", place, node, 0, entry.output)]
            case Batch(worker=Flow() as worker):
                return [
                    Place(worker, f"{place.prefix}{node.id}[{index}]/", place, node, index, item)
                    for index, item in enumerate(entry.items or ())
                ]
            case Batch(worker=turns):
                worker = Flow("", (Step(worker_of(node.id), turns),))  # type: ignore[arg-type]  # not a Flow, by the case above
                return [
                    Place(worker, f"{place.prefix}{node.id}[{index}].", place, node, index, item, namespace)
                    for index, item in enumerate(entry.items or ())
                ]
            case Loop():
                passes: list[Place] = []
                given, goes_on = entry.output, entry.action == "continue"
                while goes_on:
                    prefix = f"{place.prefix}{node.id}[{len(passes)}]."
                    passes.append(Place(node.body, prefix, place, node, len(passes), given, namespace))
                    verdict = self.facts.outcomes.get(prefix[:-1])
                    # "A skipped feedback edge ends the loop: no instance of the next pass exists."
                    goes_on = verdict is not None and 0 in verdict.taken
                    given = verdict.taken[0] if verdict is not None and goes_on else None
                return passes
        return []

    # --- moot -----------------------------------------------------------------------------------------------------

    def _find_lost(self) -> set[At]:
        """ "A node is moot once it has ways on and each leads into a fired `any` join or to a moot node." """
        lost: set[At] = set()
        while True:
            more = {
                (place, node.id)
                for place in self.places
                for node in place.nodes()
                if (place, node.id) not in lost and place.out_of(node)
                if all(
                    self.has_fired(place, place.find(edge.target)) or (place, edge.target) in lost
                    for edge in place.out_of(node)
                )
            }
            if not more:
                return lost
            lost |= more

    def is_moot(self, place: Place, node: PlacedNode) -> bool:
        """ "All inside a moot construct is moot", since a last node's way on is that of the construct around it."""
        if (place, node.id) in self.lost:
            return True
        return place.parent is not None and place.node is not None and self.is_moot(place.parent, place.node)

    def has_fired(self, place: Place, node: PlacedNode) -> bool:
        """Whether an `any` join is claimed, by an edge that is known to be taken."""
        claimed = self.claimed_edge(place, node)
        return claimed is not None and self._carried(place, claimed) is not None

    def claimed_edge(self, place: Place, node: PlacedNode) -> Edge | None:
        claim = self.facts.claims.get(place.begins_at(node)) if place.is_any_join(node) else None
        return None if claim is None else place.into(node)[claim]

    # --- edges and nodes ------------------------------------------------------------------------------------------

    def way(self, place: Place, edge: Edge) -> Way | None:
        """How an edge was resolved, if it was."""
        match self.status.get((place, edge.source)):
            case Status.DONE:
                return Way.SKIPPED if self._carried(place, edge) is None else Way.TAKEN
            case Status.DEAD:
                return Way.SKIPPED
            case Status.FAILED | Status.BLOCKED:
                return Way.BLOCKED
        return None

    def _carried(self, place: Place, edge: Edge) -> tuple[Any] | None:
        """What a taken edge carries, in a tuple to tell it from nothing."""
        fact = self.facts.outcomes.get(place.ends_at(place.find(edge.source)))
        number = place.place_of(edge)
        return None if fact is None or number not in fact.taken else (fact.taken[number],)

    def _way_in(self, place: Place, node: PlacedNode) -> Status | None:
        ways = [self.way(place, edge) for edge in place.into(node)]
        if not ways:
            return Status.READY
        if place.is_any_join(node):
            # "The first success wins. An arriving taken edge claims the join and goes on only if the standing claim is
            # its own."
            if place.begins_at(node) in self.facts.claims:
                return Status.READY if self.has_fired(place, node) else None
            if None in ways or Way.TAKEN in ways:
                return None
            # "An `any` join drops that edge, and with none left and one of them blocked it fails."
            return Status.FAILED if Way.BLOCKED in ways else Status.DEAD
        # "Fire once every incoming edge is resolved and at least one was taken." "With a blocked edge it is blocked."
        if None in ways:
            return None
        if Way.BLOCKED in ways:
            return Status.BLOCKED
        return Status.READY if Way.TAKEN in ways else Status.DEAD

    def _status(self, place: Place, node: PlacedNode) -> Status | None:
        way_in = self._way_in(place, node)
        if way_in is not Status.READY:
            return way_in
        begun = self.facts.outcomes.get(place.begins_at(node))
        if begun is None:
            return Status.READY
        if begun.failed:
            return Status.FAILED
        if isinstance(node, (Step, Verdict)):
            return Status.DONE
        within = self._status_inside(place, node)
        if within is not Status.LEAVING:
            return within
        ended = self.facts.outcomes.get(place.ends_at(node))
        if ended is None:
            return Status.LEAVING
        return Status.FAILED if ended.failed else Status.DONE

    def _status_inside(self, place: Place, node: AnyNode) -> Status:
        inside = self.inside(place, node)
        if isinstance(node, Batch):
            # "A batch's gather fires when every item has ended, also when there are none."
            failed = [item for item in inside if self.has_ended(item) and self.has_failed(item)]
            all_ended = all(self.has_ended(item) for item in inside)
            if len(failed) > node.tolerated and (all_ended or not place.contains(node)):
                return Status.FAILED
            return Status.LEAVING if all_ended else Status.INSIDE
        if not inside:
            return Status.LEAVING  # a loop that was left before its first pass
        if not self.has_ended(inside[-1]):
            return Status.INSIDE
        # "A construct fails once nothing in it can run any more and a node in it has failed whose failure no `any` join
        # inside contains."
        if self.has_failed(inside[-1]):
            return Status.FAILED
        # "An end node dead in a pass ends the loop."
        if isinstance(node, Loop) and self.status[inside[-1], VERDICT.id] is Status.DEAD:
            return Status.DEAD
        return Status.LEAVING

    def has_ended(self, place: Place) -> bool:
        """ "A scope ends when every node in it is done, dead, blocked or moot, even if nothing was taken." """
        return all(
            (place, node.id) in self.lost or self.status.get((place, node.id)) in OVER  # a failed node is done with
            for node in place.nodes()
        )

    def has_failed(self, place: Place) -> bool:
        return any(
            self.status.get((place, node.id)) is Status.FAILED and not place.shelters(node) for node in place.nodes()
        )

    # --- what happens next ----------------------------------------------------------------------------------------

    def ready(self) -> dict[str, tuple[Place, PlacedNode]]:
        """What may be started, by key. "What is moot is not started any more." """
        found: dict[str, tuple[Place, PlacedNode]] = {}
        for place in self.places:
            for node in place.nodes():
                status = self.status.get((place, node.id))
                if not self.is_moot(place, node):
                    if status is Status.READY:
                        found[place.begins_at(node)] = place, node
                    elif status is Status.LEAVING:
                        found[place.ends_at(node)] = place, node
        return found

    def wanted(self) -> set[tuple[str, int]]:
        """The joins that nobody has claimed, with each taken edge that may claim them."""
        return {
            (place.begins_at(node), number)
            for place in self.places
            for node in place.nodes()
            if place.is_any_join(node)
            and place.begins_at(node) not in self.facts.claims
            and not self.is_moot(place, node)
            for number, edge in enumerate(place.into(node))
            if self.way(place, edge) is Way.TAKEN
        }

    def phase(self) -> str:
        """ "A node that fails for good fails the run at once, unless the failure is contained." """
        if self.uncontained():
            return "failed"
        return "completed" if self.has_ended(self.root) else "running"

    def uncontained(self) -> list[tuple[Place, PlacedNode]]:
        return [
            (place, node)
            for place in self.places
            for node in place.nodes()
            if self.status.get((place, node.id)) is Status.FAILED and not place.contains(node)
        ]

    def errors(self) -> list[str]:
        """The keys of the instances that failed the run."""
        return _each_once(key for place, node in self.uncontained() for key in self.errors_of(place, node))

    def errors_of(self, place: Place, node: PlacedNode) -> list[str]:
        """The failures behind a node that failed or is blocked. "It fails with all their errors." """
        if self.status.get((place, node.id)) not in (Status.FAILED, Status.BLOCKED):
            return []
        for key in (place.begins_at(node), place.ends_at(node)):
            fact = self.facts.outcomes.get(key)
            if fact is not None and fact.failed:
                return [key]
        if self._way_in(place, node) is not Status.READY:
            before = [place.find(edge.source) for edge in place.into(node)]
            return _each_once(key for source in before for key in self.errors_of(place, source))
        return [key for inside in self.inside(place, node) for key in self.errors_in(inside)]

    def errors_in(self, place: Place) -> list[str]:
        """The failures at a place that no `any` join there contains, in the order of the nodes' positions."""
        failed = [
            (place.depth(node), node.id, node)
            for node in place.nodes()
            if self.status.get((place, node.id)) is Status.FAILED and not place.shelters(node)
        ]
        return _each_once(
            key for _, _, node in sorted(failed, key=lambda f: f[:2]) for key in self.errors_of(place, node)
        )

    # --- inputs ---------------------------------------------------------------------------------------------------

    def input_of(self, place: Place, node: PlacedNode) -> Any:
        """One incoming edge, or an `any` join: the taken edge's value. An `all` join of several edges: a dict by source
        node id, taken edges only. `inputs` on the node overrides both."
        """
        inputs = node.inputs if isinstance(node, (Step, Batch)) else None
        if isinstance(inputs, str):
            return self.named(place, inputs)
        if inputs is not None:
            return {name: self.named(place, text) for name, text in inputs.items()}
        edges = place.into(node)
        if not edges:
            return place.given
        claimed = edges[0] if len(edges) == 1 else self.claimed_edge(place, node)
        if claimed is not None:
            edges = [claimed]
        taken = {
            exit_id(place.flow.node(edge.source)): carried[0]
            for edge in edges
            if (carried := self._carried(place, edge)) is not None
        }
        return next(iter(taken.values())) if len(edges) == 1 else taken

    def named(self, place: Place, text: str) -> Any:
        """A node's output or a context value, and one key of it."""
        name, _, path = text.partition(".")
        around: Place | None = place
        while around is not None:
            if any(exit_id(node) == name for node in around.flow.nodes):
                fact = self.facts.outcomes.get(around.prefix + name)
                value = None if fact is None else fact.output
                return member(value, path) if path else value
            around = around.parent if around.namespace is not None else None
        value = self.values(place.namespace or place).get(name)
        return member(value, path) if path else value

    # --- results --------------------------------------------------------------------------------------------------

    def result_of(self, key: str) -> Fact:
        """The outcome of a ready instance."""
        place, node = self.ready()[key]
        if self.status[place, node.id] is Status.LEAVING:
            fact = self._leave(place, node)
        elif isinstance(node, Step):
            fact = self._step(place, node, key)
        else:
            return self._enter(place, node)
        return fact if fact.failed else attrs.evolve(fact, taken=self._taken(place, node, fact.output, fact.action))

    def _step(self, place: Place, step: Step, key: str) -> Fact:
        value = None if step.waits else self.input_of(place, step)
        is_worker = isinstance(place.node, Batch) and not isinstance(place.node.worker, Flow)
        try:
            answer = self.script(step.id if is_worker else uses_of(step.id), key, value)
        except ScriptedError:
            if step.fallback is None:
                return FAILURE
            # "The fallback node's result becomes the outcome of the node that it stands in for."
            try:
                answer = self.script(uses_of(step.fallback), key, value)
            except ScriptedError:
                return FAILURE
        return Fact(answer.output, answer.action, {}, answer.sets, answer.deletes)

    def _enter(self, place: Place, node: PlacedNode) -> Fact:
        value = self.input_of(place, node)
        match node:
            case Verdict():
                assert place.parent is not None
                assert isinstance(place.node, Loop)
                if not self._goes_on(place.parent, place.node, value):
                    return Fact(value, "break")
                condition, transform = place.node.feedback_condition, place.node.feedback_transform
                if condition is not None and not CONDITIONS[condition](value, None):
                    return Fact(value, "continue")
                return Fact(value, "continue", {0: value if transform is None else TRANSFORMS[transform](value)})
            case Loop():
                return Fact(
                    value, "continue" if not node.checks_first or self._goes_on(place, node, value) else "break"
                )
            case Batch():
                if not isinstance(value, list):
                    return FAILURE
                return Fact({"items": len(value)}, items=tuple(value), context=self._called_with(place, node.context))
            case Call():
                return Fact(value, context=self._called_with(place, node.context))
        raise AssertionError(node)

    def _called_with(self, place: Place, names: Mapping[str, str] | None) -> dict[str, Any] | None:
        return {name: self.named(place, text) for name, text in names.items()} if names else None

    @staticmethod
    def _goes_on(place: Place, loop: Loop, value: Any) -> bool:
        # A conditional edge out of the loop leaves it early.
        leaves = [edge.condition for edge in place.out_of(loop) if edge.condition is not None]
        return CONDITIONS[loop.condition](value, None) and not any(CONDITIONS[leave](value, None) for leave in leaves)

    def _leave(self, place: Place, node: PlacedNode) -> Fact:
        inside = self.inside(place, node)
        match node:
            case Loop():
                last = self.facts.outcomes[inside[-1].prefix[:-1] if inside else place.begins_at(node)]
                return Fact(last.output, last.action)
            case Batch():
                # "In input order: a failed item under tolerance gives its error in its place, one with nothing live
                # gives null."
                results = [
                    {"error": {"node": self.errors_in(item)[0]}} if self.has_failed(item) else self._last_of(item)
                    for item in inside
                ]
                return Fact(results, sets={} if node.output is None else {node.output: results})
            case Call(outputs=None):
                return Fact(self._last_of(inside[0]))
            case Call():
                values = {name: self.named(inside[0], text) for name, text in (node.outputs or {}).items()}
                return Fact(values, sets=values)
        raise AssertionError(node)

    def _last_of(self, place: Place) -> Any:
        """The last node's output; of several last nodes, a dict of those that have one; null if none has."""
        last = [node for node in place.flow.nodes if not place.out_of(node)]
        done = [node for node in last if self.status[place, node.id] is Status.DONE]
        outputs = {exit_id(node): self.facts.outcomes[place.ends_at(node)].output for node in done}
        return outputs if len(last) > 1 and outputs else next(iter(outputs.values()), None)

    @staticmethod
    def _taken(place: Place, node: PlacedNode, output: Any, action: str | None) -> dict[int, Any]:
        """With an `action` in the result: edges with that action whose condition holds; if none matches, edges with no
        action whose condition holds."
        """
        holding = [
            (number, edge)
            for number, edge in enumerate(place.out_of(node))
            if edge.condition is None or CONDITIONS[edge.condition](output, action)
        ]
        taken = [(number, edge) for number, edge in holding if action is not None and edge.action == action]
        taken = taken or [(number, edge) for number, edge in holding if edge.action is None]
        return {
            number: output if edge.transform is None else TRANSFORMS[edge.transform](output) for number, edge in taken
        }

    # --- the fold -------------------------------------------------------------------------------------------------

    def counts(self, place: Place, node: PlacedNode) -> bool:
        """Whether an outcome is "not moot or lies on a claimed way": a way to an `any` join that counts itself."""
        if (place, node.id) in self.lost and not self._is_on_claimed_way(place, node):
            return False
        return place.parent is None or place.node is None or self.counts(place.parent, place.node)

    def _is_on_claimed_way(self, place: Place, node: PlacedNode) -> bool:
        for edge in place.out_of(node):
            target = place.find(edge.target)
            if self._carried(place, edge) is None:
                continue
            if self.has_fired(place, target):
                if self.claimed_edge(place, target) is edge and self.counts(place, target):
                    return True
            elif not place.is_any_join(target) and self._is_on_claimed_way(place, target):
                return True
        return False

    def position(self, place: Place, node: PlacedNode) -> tuple[tuple[int, str, float], ...]:
        """ "A list with one entry per nesting level from the outside in: (depth of the node or construct in its scope,
        id, index as a number); a construct's own outcome comes after its inside."
        """
        entries: list[tuple[int, str, float]] = []
        if not isinstance(node, Verdict):
            entries = [(place.depth(node), entry_id(node), 0 if isinstance(node, Step) else math.inf)]
        while place.parent is not None and place.node is not None:
            entries.insert(0, (place.parent.depth(place.node), entry_id(place.node), place.index))
            place = place.parent
        return tuple(entries)

    def values(self, namespace: Place, *, folded: bool = False) -> dict[str, Any]:
        """The context values of a namespace. "Of two setters of a name the greater position wins." """
        setters = [
            (self.position(place, node), fact)
            for place in self.places
            if place == namespace or place.namespace == namespace
            for node in place.nodes()
            if (fact := self.facts.outcomes.get(place.ends_at(node))) is not None
            if not folded or self.counts(place, node)
        ]
        values = dict(self.context) if namespace == self.root else dict(self._initial(namespace))
        for _, fact in sorted(setters, key=lambda setter: setter[0]):
            values.update(fact.sets)
            for name in fact.deletes:
                values.pop(name, None)
        return values

    def _initial(self, namespace: Place) -> Mapping[str, Any]:
        assert namespace.parent is not None
        assert namespace.node is not None
        entry = self.facts.outcomes[namespace.parent.begins_at(namespace.node)]
        return entry.context or {}

    def result_context(self) -> dict[str, Any]:
        """ "Folded from outcomes that are not moot or lie on a claimed way." """
        return self.values(self.root, folded=True)

    def result_outputs(self) -> dict[str, Any]:
        """Each node's output by id; of a node in a loop, the last pass's."""
        outputs: dict[str, Any] = {}
        waiting = [self.root]
        while waiting:
            place = waiting.pop()
            for node in place.flow.nodes:
                if not self.counts(place, node):
                    continue
                if isinstance(node, Loop):
                    waiting.extend(self.inside(place, node)[-1:])
                for key, node_id in (
                    (place.ends_at(node), exit_id(node)),
                    (place.begins_at(node), entry_id(node)) if exit_id(node) != entry_id(node) else ("", ""),
                ):
                    fact = self.facts.outcomes.get(key)
                    if fact is not None and not fact.failed:
                        outputs[node_id] = fact.output
        return outputs


def _each_once(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(keys))
