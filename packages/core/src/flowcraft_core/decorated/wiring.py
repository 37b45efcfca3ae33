"""From what nodes need to how they are reached: the edges, and what they are taken for.

The rules, for a node N:

* N comes after each node whose output it needs, that ``after=`` names, or that its condition looks at. It runs exactly
  if all those ran whose ``output`` (not ``maybe``) it needs or that ``after`` names, and its condition holds. What a
  condition looks at must have run, too, for it to hold. Needing a wait's output includes that somebody answered. A node
  that needs nothing runs at the start.
* A way that another way implies is not drawn: if P always comes before Q, and N needs both, then Q -> N is enough.
* Several ways join with ``all``, where an edge that is taken implies that the others are taken, too. Where one may be
  taken without the other, a *gate* stands before N: a step of the engine's own that is told which ways were taken.
* A node that only can do without what it needs (``maybe``) runs if at least one of it ran. ``first_of`` is a join of
  ``any``, ``some_of`` one of so many; beside other needs, or as a value that is handed on, it has a node of its own.
* How a node ended (``failed``, ``ended``) is a node of its own, behind an edge on failure or on any end. Where it is
  all that one step needs, it is left out, and that edge leads to the step. Of a node that may fail while the run goes
  on, it does not follow that it ran from there being enough for it.
* A condition is asked on the edge from the node that it looks at. Where it looks at several, it is the one that comes
  after the others; where there is none, or the edge is one out of a loop (which would leave the loop early), at a gate.
* What a loop's body needs from outside comes before the loop, since a loop is entered at its start alone.

Whether one way implies another is decided on *facts*: that a node ran, or that a condition held. ``before`` has for
each node the facts that hold whenever it runs and that were settled before; ``enough`` the sets of facts of which each
suffices for it to run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from ..rules import decorated as rules
from .bodies import Bodies
from .nodes import Loop, Node, Wait
from .plans import Plan, named_by, terms_of
from .terms import INPUT, FirstOf, InputOf, Member, Operation, OutputOf, Term, TimedOut, nodes_in, root_of, shown

#: That a node ran, or, as text, that a condition held or that a node failed.
Fact: TypeAlias = Node[Any] | str


@attrs.frozen(eq=False)
class Way:
    """How a node is reached from another.

    Attributes:
        source: The other one.
        conditions: The terms that all have to hold.
        required: Whether the node runs only if this way is taken.
        carries: What the edge carries, instead of the source's output.
        ending: How the source must have ended, if it need not have completed.
    """

    source: Node[Any]
    conditions: tuple[Term, ...] = ()
    required: bool = True
    carries: Term | None = None
    ending: Plan | None = None

    @property
    def facts(self) -> frozenset[Fact]:
        """What holds if it is taken, as far as it says itself."""
        return frozenset([self.source, *(shown(condition) for condition in self.conditions)])


@attrs.define(eq=False)
class Wired:
    """A node, and how it is reached.

    Attributes:
        node: The node; also one that the wiring has added.
        ways: The edges to it.
        some: How many of them are enough; None if all are waited for.
        required: Of a gate: the ids of the nodes that all must have led to it.
        items: Of a batch: where its items are, if no edge carries them.
    """

    node: Node[Any]
    ways: tuple[Way, ...] = ()
    some: int | None = None
    required: frozenset[str] = frozenset()
    items: str | None = None


class Wiring:
    """Wires a flow's nodes.

    Attributes:
        wired: Each node with its ways, a node after all that it comes after; gates and the like are among them.
        problems: What cannot be wired, each with a remedy.
        merged: The steps that begin a loop's pass themselves, by the start that they stand for.
    """

    def __init__(self, flow_id: str, nodes: Sequence[Node[Any]]) -> None:
        self.wired: list[Wired] = []
        self._bodies = Bodies(nodes)
        self.problems = self._bodies.problems
        self.merged = self._bodies.merged
        self._flow_id = flow_id
        self._before: dict[Node[Any], frozenset[Fact]] = {}
        self._settled: dict[Node[Any], frozenset[Node[Any]]] = {}
        self._enough: dict[Node[Any], tuple[frozenset[Fact], ...]] = {}
        self._under_way: set[Node[Any]] = set()
        self._left_out: set[Node[Any]] = set()
        self._plans: dict[Node[Any], Plan] = {}
        #: Nodes that may fail and the run goes on, with what was enough for each of them to begin.
        self._may_fail: dict[Node[Any], tuple[frozenset[Fact], ...]] = {
            node.plan.after[0]: () for node in nodes if node.plan.is_ending
        }
        if self.problems:
            return  # what is in no loop, or in two, has no ways that could be told
        for node in nodes:
            self._wire(node)
        self._leave_out_endings(nodes)

    def plan_of(self, node: Node[Any]) -> Plan:
        """What a node needs, where a race that it needs may have got a node of its own."""
        return self._plans.get(node, node.plan)

    # --- nodes ----------------------------------------------------------------------------------------------------

    def _wire(self, node: Node[Any]) -> None:
        if node in self._before or node in self._under_way:
            return
        self._under_way.add(node)
        plan = node.plan
        for source in [*named_by(plan), *self._bodies.entries_of(plan)]:
            self._wire(source)
            if source not in self._before and source in self._under_way and source not in self.merged:
                text = f"and {source.id!r} wait for each other: what a loop's steps need comes before it"
                self._bodies.complain(rules.WAIT_FOR_EACH_OTHER, node, text)
                self._note(source, Wired(source), listed=False)  # so that what else is wrong is told, too
        if isinstance(node, Loop):
            self._wire_loop(node)
        elif plan.is_ending:
            self._wire_ending(node)
        elif node in self.merged:
            self._note(node, Wired(node), listed=False)
        elif node in self.merged.values():
            start = next(start for start, first in self.merged.items() if first is node)
            self._wire_value(node, start, self._bodies.entries_of(start.plan))
        elif plan.kind == "step":
            self._wire_step(node)
        elif plan.kind == "wait":
            self._reach(node, *self._ways(node, {}))
        else:
            self._wire_value(node, node, self._bodies.entries_of(plan))

    def _wire_loop(self, loop: Loop[Any]) -> None:
        assert isinstance(loop.plan.value, OutputOf)  # else it has no end, which was told
        end = loop.plan.value.node
        if not self._bodies.has(loop, end):
            text = f"ends with {end.id!r}, which does not need {loop.id}.value: need it in a pass"
            self._bodies.complain(rules.LOOP_ENDS_OUTSIDE, loop, text)
        self._note(loop, Wired(loop, (Way(end),)))

    def _wire_ending(self, node: Node[Any]) -> None:
        source, failure = node.plan.after[0], f"{node.id} of {node.flow_id}"
        self._before[node] = self._before[source]
        self._settled[node] = self._settled[source] | {source}
        if node.plan.kind == "failed":
            self._before[node] |= {failure}
            self._enough[node] = (frozenset([failure]),)
        else:
            self._enough[node] = (*self._may_fail[source], frozenset([source]))
        self.wired.append(Wired(node, (Way(source, ending=node.plan),)))

    def _leave_out_endings(self, nodes: Sequence[Node[Any]]) -> None:
        """Of how nodes ended, what is all that one step needs: the edge may as well lead to that."""
        users = Counter(named for node in nodes for named in set(named_by(node.plan)))
        for place, wired in enumerate(self.wired):
            node = wired.node
            if wired.ways and wired.some is None and node.plan.kind == "step" and node.plan.when is None:
                ending, *others = {*named_by(node.plan)} | {way.source for way in wired.ways}
                if not others and ending.plan.is_ending and users[ending] == 1:
                    way = Way(ending.plan.after[0], ending=ending.plan)
                    self.wired[place] = attrs.evolve(wired, ways=(way,))
                    self._left_out.add(ending)
        self.wired = [wired for wired in self.wired if wired.node not in self._left_out]

    def _wire_step(self, node: Node[Any]) -> None:
        races = {name: term for name, term in node.plan.needs.items() if isinstance(term, FirstOf)}
        if len(races) == 1 and len(list(named_by(node.plan))) == len(list(nodes_in(*races.values()))):
            self._race(node, *races.values())
            return
        for name, term in races.items():
            race = OutputOf(self._raced(f"{node.id}.{name}", term))
            plan = self.plan_of(node)
            self._plans[node] = attrs.evolve(plan, needs={**plan.needs, name: race})
        self._reach(node, *self._ways(node, {}))

    def _raced(self, node_id: str, term: FirstOf) -> Node[Any]:
        race: Node[Any] = Node(self._flow_id, node_id, Plan(kind="first", value=term))
        self._race(race, term)
        return race

    def _race(self, node: Node[Any], race: FirstOf) -> None:
        ways = []
        for term in race.terms:
            root = root_of(term)
            assert isinstance(root, OutputOf)
            ways.append(Way(root.node, _answered(root), carries=term if isinstance(term, Member) else None))
        self._note(node, Wired(node, tuple(ways), some=race.number or 1))

    def _wire_value(self, node: Node[Any], asking: Node[Any], entries: Mapping[Node[Any], bool]) -> None:
        """A node whose edge carries a value: straight from where that is, or by way of a step that fetches it.

        Args:
            node: The node.
            asking: Whose value it is: its own, or that of a loop's start for which it stands.
            entries: What else must have come before.
        """
        plan = asking.plan
        value = plan.value
        assert value is not None
        if isinstance(value, FirstOf):
            if plan.when is None and not plan.after and plan.kind != "start":
                self._race(node, value)
                return
            value = OutputOf(self._raced(f"{node.id}.first", value))
            self._plans[asking] = attrs.evolve(plan, value=value)
        root = root_of(value)
        ways, gate = self._ways(asking, entries)
        if isinstance(root, OutputOf) and gate is None and len(ways) == 1 and ways[0].source is root.node:
            carries = value if isinstance(value, Member) else None
            self._note(node, Wired(node, (attrs.evolve(ways[0], carries=carries),)))
            return
        if node.plan.kind in ("batch", "each") and (items := _in_input(value)):
            self._reach(node, ways, gate, items=items)
            return
        fetching = Plan(kind="given", needs={"value": value}, after=plan.after, when=plan.when)
        given: Node[Any] = Node(self._flow_id, f"{node.id}.given", fetching)
        self._reach(given, ways, gate)
        self._note(node, Wired(node, (Way(given),)))

    def _reach(
        self, node: Node[Any], ways: list[Way], gate: tuple[Term, ...] | None, *, items: str | None = None
    ) -> None:
        if gate is None:
            self._note(node, Wired(node, tuple(ways), items=items))
            return
        passing: Node[Any] = Node(self._flow_id, f"{node.id}.gate", Plan(kind="gate"))
        required = frozenset(way.source.id for way in ways if way.required)
        self._note(passing, Wired(passing, tuple(ways), required=required))
        self._note(node, Wired(node, (Way(passing, gate),), items=items))

    # --- ways -----------------------------------------------------------------------------------------------------

    def _ways(self, node: Node[Any], entries: Mapping[Node[Any], bool]) -> tuple[list[Way], tuple[Term, ...] | None]:
        """The ways to a node; and if they need a gate, the conditions on the edge that leads on from it."""
        plan, found = self.plan_of(node), dict[Node[Any], Way]()

        def lead(source: Node[Any], required: bool, conditions: tuple[Term, ...] = ()) -> None:
            standing = found.get(source, Way(source, (), required=False))
            seen = {shown(one) for one in standing.conditions}
            added = tuple(one for one in conditions if shown(one) not in seen)
            found[source] = Way(source, standing.conditions + added, required or standing.required)

        for term in terms_of(plan):
            root = root_of(term)
            if isinstance(root, OutputOf) and not self._bodies.is_outer(node, root.node):
                lead(root.node, not root.optional, _answered(root))
        for source in plan.after:
            if not self._bodies.is_outer(node, source):
                lead(source, True)
        for source, required in entries.items():
            lead(source, required, _answered(OutputOf(source, optional=not required)))
        if (when := plan.when) is not None:
            for root in _outputs_in(when):
                if (answered := _answered(root)) and not _asks_timeout(when, root.node):
                    lead(root.node, True, answered)
        ways = self._reduced(list(found.values()))
        if plan.when is None:
            return ways, None if self._is_joint(ways) else ()
        looked_at = list(dict.fromkeys(one for one in nodes_in(plan.when) if not self._bodies.is_outer(node, one)))
        deciding = self._deciding(ways, looked_at, plan.when)
        if deciding is None:
            for source in looked_at:
                lead(source, True)
            return self._reduced(list(found.values())), (plan.when,)
        lead(deciding, True, (plan.when,))
        ways = self._reduced(list(found.values()))
        return ways, None if self._is_joint(ways) else ()

    def _deciding(self, ways: list[Way], looked_at: list[Node[Any]], when: Term) -> Node[Any] | None:
        """The node on whose edge a condition is asked; None if it takes a gate."""
        for node in looked_at:
            if isinstance(node, Wait) and _asks_timeout(when, node):
                return node
        if len(ways) == 1 and ways[0].required:
            source = ways[0].source
            if set(looked_at) <= self._before[source] | {source}:
                return None if isinstance(source, Loop) else source
        for node in looked_at:
            if set(looked_at) - {node} <= self._before[node] and not isinstance(node, Loop):
                return node
        return None

    def _reduced(self, ways: list[Way]) -> list[Way]:
        """The ways without those that others imply."""
        kept = list(ways)
        for way in ways:
            for other in kept:
                if other is way or not other.required:
                    continue
                implied = self._before[other.source] | other.facts
                if way.facts <= implied if way.required else way.source in self._settled[other.source]:
                    kept.remove(way)
                    break
        return kept

    def _is_joint(self, ways: list[Way]) -> bool:
        """Whether each of the ways is taken only if all that are required are."""
        if len(ways) < 2:
            return True
        required = frozenset[Fact]().union(*(way.facts for way in ways if way.required))
        return all(required <= self._closure(self._before[way.source] | way.facts) for way in ways)

    def _closure(self, facts: frozenset[Fact]) -> frozenset[Fact]:
        """What follows from facts: each node runs for which there is enough."""
        known = set(facts)
        for wired in self.wired:
            node = wired.node
            if node not in known and any(enough <= known for enough in self._enough[node]):
                known |= {node, *self._before[node]}
        return frozenset(known)

    def _note(self, node: Node[Any], wired: Wired, *, listed: bool = True) -> None:
        ways = [way for way in wired.ways if way.required]
        alternatives = [self._before[way.source] | way.facts for way in wired.ways]
        sources = [self._settled[way.source] | {way.source} for way in wired.ways]
        if wired.some is not None or (wired.ways and not ways):
            self._before[node] = frozenset.intersection(*alternatives)
            self._enough[node] = tuple(way.facts for way in wired.ways)
            if wired.some not in (None, 1):  # so many of them are; that all of them are is as much as is asked for
                self._enough[node] = (frozenset[Fact]().union(*self._enough[node]),)
        else:
            self._before[node] = frozenset[Fact]().union(
                *(self._before[way.source] | way.facts for way in wired.ways if way.required)
            )
            self._enough[node] = (frozenset[Fact]().union(*(way.facts for way in ways)),)
        join = frozenset.intersection if wired.some is not None else frozenset.union
        self._settled[node] = join(*sources) if sources else frozenset()
        if node in self._may_fail:
            self._may_fail[node], self._enough[node] = self._enough[node], ()
        if listed:
            self.wired.append(wired)


def _outputs_in(term: Term) -> Iterator[OutputOf]:
    """The outputs that a condition looks at."""
    match root_of(term):
        case OutputOf() as root:
            yield root
        case Operation(_, operands):
            for operand in operands:
                yield from _outputs_in(operand)


def _answered(root: OutputOf) -> tuple[Term, ...]:
    """Needing a wait's output is needing an answer."""
    if root.optional or not isinstance(root.node, Wait) or root.node.plan.settings.timeout is None:
        return ()
    return (Operation("!", (TimedOut(root.node),)),)


def _in_input(term: Term) -> str | None:
    """An item of the flow's input as a blueprint names it; None for what it has no name for."""
    keys: list[str] = []
    while isinstance(term, Member) and not term.is_field and "." not in str(term.key):
        keys.append(str(term.key))
        term = term.owner
    return ".".join([INPUT, *reversed(keys)]) if isinstance(term, InputOf) else None


def _asks_timeout(term: Term, wait: Node[Any]) -> bool:
    match term:
        case TimedOut(node):
            return node is wait
        case Operation(_, operands):
            return any(_asks_timeout(operand, wait) for operand in operands)
    return False
