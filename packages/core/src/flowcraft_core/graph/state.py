"""What happens next: the one place that decides it, from a compiled blueprint and facts.

A ``RunState`` is fed facts (outcomes, claims) in any order and says which instances are ready, which joins want a
claim, and whether the run has ended. Each rule only ever looks for a fact's presence, so a state that knows some of a
run's facts decides nothing that one which knows all of them would not; a fact that comes twice changes nothing.

The rules, edge by edge:

* A completed instance *takes* or *skips* each of its edges, as its outcome says. A failed one *blocks* them.
* A vertex with one way in: taken, it is ready; skipped, it is dead and skips its own edges; blocked, it blocks them.
* An ``all`` join goes by all its edges: once each is resolved, it is blocked if one is blocked, dead if none is taken,
  ready otherwise.
* An ``any`` join goes by its first taken edge that holds the claim. With every edge resolved and none taken, it is
  dead, or, if one of them is blocked, it fails with the errors behind them.
* A fired join makes its other ways *moot*: a vertex is moot once it has ways on and each leads into a fired ``any``
  join or to a moot vertex; all inside a moot construct is moot. What is moot is not started.
* A failure is *contained* inside its scope if each of the vertex's ways on leads into an ``any`` join there; else by
  the constructs around it, if one tolerates failures or leads into ``any`` joins itself; else it fails the run at once.
* A scope ends when each of its vertices without a way on is done, dead or blocked: then every other vertex is done,
  dead, blocked or moot too, since a way on from it would lead to one that is not. A construct in which a failure was
  not contained fails when its scope ends.

Completing an instance costs its edges and what they resolve, never the size of the graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .facts import NodeError, Outcome
from .instances import Arrival, Claim, Instance, Items, Mark, Phase, ScopeState
from .positions import INITIAL
from .scopes import Construct, Graph, Kind, Link, Scope, Vertex

_END = -1  # stands for the end of a scope, where a join's index would stand


class RunState:
    """The meaning of a graph: facts in, decisions out.

    Attributes:
        root: The run's own scope instance.
        ready: Instances to run, in the order in which they became ready; the caller takes them out.
        wanted: Joins to claim; the caller takes them out and answers with ``claim``.
        context: The run's initial context.
        phase: Whether the run has ended.
        errors: The failures that failed the run.
        arrivals: In a state that is not whole: edges towards joins that it cannot decide; the caller takes them out.
        items: In a state that is not whole: batches whose items are to be started; the caller takes them out.
    """

    def __init__(
        self, graph: Graph, graphs: Callable[[str], Graph], context: Mapping[str, Any], *, whole: bool = True
    ) -> None:
        """Make a state that knows no facts; the root's start vertices are ready.

        Args:
            graph: The run's blueprint.
            graphs: Finds the blueprints of subflows by id.
            context: The run's initial context.
            whole: The state will be fed every fact of the run. One that sees only some reports what it cannot decide
                as ``arrivals``, and leaves it to the caller which of a batch's items it is to know.
        """
        self._whole = whole
        self.arrivals: deque[Arrival] = deque()
        self.items: deque[Items] = deque()
        self._graphs = graphs
        self.context = context
        self.ready: deque[Instance] = deque()
        self.wanted: deque[Claim] = deque()
        self.phase = Phase.RUNNING
        self.errors: list[NodeError] = []
        self._queue: deque[tuple[ScopeState, Link, Mark, bool]] = deque()
        self._loud = whole
        self.root = self._open(graph.root, None, None, None, context)

    # --- facts in -------------------------------------------------------------------------------------------------

    def add(self, scope: ScopeState, vertex: Vertex, outcome: Outcome, *, loud: bool = True) -> None:
        """Take in an instance's outcome.

        Args:
            scope: Where the instance stands.
            vertex: Which it is.
            outcome: What it ended with.
            loud: Say what follows from it. A fact that was only looked up to decide about something else is not: what
                follows from it is for whoever wrote it. It still completes what loud facts have touched.
        """
        self._loud = loud
        index = vertex.index
        if index in scope.outcomes:
            return
        scope.outcomes[index] = outcome
        if outcome.sets:
            scope.namespace.set(scope.position(vertex), outcome.sets)
            scope.namespace.setters.append(Instance(scope, vertex))
        if outcome.error is not None:
            self._fail(scope, vertex, (outcome.error,))
        elif vertex.kind is Kind.ENTRY:
            self._enter(scope, vertex, outcome)
        elif vertex.out:
            if self._whole:
                taken = outcome.taken
                for link in vertex.out:
                    self._follow(scope, link, Mark.TAKEN if link.place in taken else Mark.SKIPPED)
            elif loud:
                self._pass_on(scope, vertex.out)
        else:
            self._close_one(scope, vertex)
        self._propagate()

    def attend(self, scope: ScopeState, vertex: Vertex) -> None:
        """In a state that is not whole: decide about a vertex by what was looked up.

        A fact that was only looked up is not followed along all of its edges: of a thousand, one may be of interest.
        """
        self._loud = False
        self._pass_on(scope, (link for link in vertex.incoming if link.source in scope.outcomes))
        self._propagate()

    def _pass_on(self, scope: ScopeState, links: Iterable[Link]) -> None:
        for link in links:
            outcome = scope.outcomes[link.source]
            if outcome.error is None and id(link) not in scope.passed:
                scope.passed.add(id(link))
                mark = Mark.TAKEN if link.place in outcome.taken else Mark.SKIPPED
                self._queue.append((scope, link, mark, self._loud))

    def claim(self, scope: ScopeState, vertex: Vertex, place: int, *, loud: bool = True) -> None:
        """Take in the standing claim of an ``any`` join: the place of the winning edge among its incoming ones."""
        self._loud = loud
        if vertex.index in scope.claims:
            return
        scope.claims[vertex.index] = place
        if scope.has_fired(vertex):
            self._fire(scope, vertex)

    # --- edges ----------------------------------------------------------------------------------------------------

    def _propagate(self) -> None:
        queue = self._queue
        while queue:
            scope, link, mark, self._loud = queue.popleft()
            self._follow(scope, link, mark)

    def _follow(self, scope: ScopeState, link: Link, mark: Mark) -> None:
        target = scope.scope.vertices[link.target]
        if len(target.incoming) > 1:
            self._arrive(scope, target, link, mark)
        elif mark is Mark.TAKEN:
            self._make_ready(scope, target)
        else:
            self._pass_by(scope, target, mark, scope.blame.get(link.source, ()))

    def _arrive(self, scope: ScopeState, target: Vertex, link: Link, mark: Mark) -> None:
        own = self._loud
        self._touch(scope, target.index)
        counts = scope.arrived.get(target.index)
        if counts is None:
            counts = scope.arrived[target.index] = [0, 0, 0]
        counts[mark] += 1
        full = sum(counts) == len(target.incoming)
        # A taken edge to an `any` join asks for the claim; its set is of those that cannot.
        if own and not (self._whole or full or (target.joins_any and mark is Mark.TAKEN)):
            member = target.incoming.index(link)
            self.arrivals.append(Arrival(scope, target, scope.key(target), member, len(target.incoming)))
        if target.joins_any:
            if mark is Mark.TAKEN:
                standing = scope.claims.get(target.index)
                if standing is None:
                    if self._loud and not scope.is_moot(target):
                        self.wanted.append(Claim(scope, target, link))
                elif target.incoming[standing] is link:
                    self._fire(scope, target)
            elif full and not counts[Mark.TAKEN]:
                if counts[Mark.BLOCKED]:
                    self._fail(scope, target, self._blamed(scope, target))
                else:
                    self._pass_by(scope, target, Mark.SKIPPED, ())
        elif full:
            if counts[Mark.BLOCKED]:
                self._pass_by(scope, target, Mark.BLOCKED, self._blamed(scope, target))
            elif counts[Mark.TAKEN]:
                self._make_ready(scope, target)
            else:
                self._pass_by(scope, target, Mark.SKIPPED, ())

    def _blamed(self, scope: ScopeState, target: Vertex) -> tuple[NodeError, ...]:
        errors = (error for link in target.incoming for error in scope.blame.get(link.source, ()))
        return tuple(dict.fromkeys(errors))

    def _touch(self, scope: ScopeState, index: int) -> None:
        """What a loud fact has touched once is said when it is decided, by whichever fact."""
        if self._whole:
            return
        if self._loud:
            scope.touched.add(index)
        elif index in scope.touched:
            self._loud = True

    def _make_ready(self, scope: ScopeState, target: Vertex) -> None:
        if target.index in scope.outcomes:
            return  # its outcome was fed before what led to it
        if not self._whole:
            scope.decided.add(target.index)
            if not self._loud:
                return
        if not (scope.moot or scope.parent) or not scope.is_moot(target):
            self.ready.append(Instance(scope, target))

    def _pass_by(self, scope: ScopeState, target: Vertex, mark: Mark, blame: tuple[NodeError, ...]) -> None:
        """The vertex will never run: it is dead, or blocked by the failures ``blame``."""
        if target.index in scope.marks:
            return
        scope.marks[target.index] = mark
        if blame:
            scope.blame[target.index] = blame
        if target.kind is Kind.ENTRY and target.construct is not None:
            self._pass_by(scope, scope.scope.vertices[target.construct.exit], mark, blame)
        elif target.out:
            self._queue.extend((scope, link, mark, self._loud) for link in target.out)
        else:
            self._close_one(scope, target)

    # --- constructs and scopes ------------------------------------------------------------------------------------

    def _open(
        self,
        template: Scope,
        parent: ScopeState | None,
        construct: Construct | None,
        index: int | None,
        context: Mapping[str, Any] | None = None,
    ) -> ScopeState:
        if parent is not None and construct is not None:
            known = parent.inside.setdefault(construct.entry, {}).get(index or 0)
            if known is not None:
                return known
        scope = ScopeState(template, parent, construct, index)
        if context:
            scope.set(INITIAL, context)
        if parent is not None and construct is not None:
            parent.inside[construct.entry][index or 0] = scope
        if self._loud:  # else nobody asks: a start without a way in is to run once its scope is there
            for start in template.starts:
                self._make_ready(scope, template.vertices[start])
        return scope

    def _enter(self, scope: ScopeState, entry: Vertex, outcome: Outcome) -> None:
        construct = entry.construct
        assert construct is not None  # an entry always has one
        exit_ = scope.scope.vertices[construct.exit]
        template = self._inside_of(construct)
        if construct.kind == "batch":
            if not outcome.items:
                self._make_ready(scope, exit_)
            elif self._whole:
                for index in range(len(outcome.items)):
                    self._open(template, scope, construct, index, outcome.context)
            elif self._loud:
                self.items.append(Items(scope, construct, len(outcome.items)))
        elif construct.kind == "loop" and outcome.action == "break":
            self._make_ready(scope, exit_)
        else:
            self._open(template, scope, construct, 0 if construct.kind == "loop" else None, outcome.context)

    def child(self, scope: ScopeState, construct: Construct, index: int | None, *, loud: bool = False) -> ScopeState:
        """A pass, item or call of a construct whose entry's outcome is known.

        Args:
            scope: Where the construct stands.
            construct: The construct.
            index: The pass or item; None for a subflow's call.
            loud: Say that its start is ready.
        """
        self._loud = loud
        entry = scope.outcomes[construct.entry]
        return self._open(self._inside_of(construct), scope, construct, index, entry.context)

    def _inside_of(self, construct: Construct) -> Scope:
        return construct.body or self._graphs(construct.calls or "").root

    def _close_one(self, scope: ScopeState, vertex: Vertex) -> None:
        own = self._loud
        scope.open_ends -= 1
        self._touch(scope, _END)
        if scope.open_ends:
            if own and not self._whole:
                key = f"{scope.prefix}:end"
                ends = scope.scope.ends
                self.arrivals.append(Arrival(scope, None, key, ends.index(vertex.index), len(ends)))
            return
        scope.ended = True
        parent, construct = scope.parent, scope.construct
        if parent is None or construct is None:
            if self.phase is Phase.RUNNING:
                self.phase = Phase.COMPLETED
            return
        exit_ = parent.scope.vertices[construct.exit]
        if construct.kind == "batch":
            self._end_item(parent, construct, exit_, scope)
        elif scope.errors:
            self._fail(parent, exit_, scope.errors)
        elif construct.kind == "subflow":
            self._make_ready(parent, exit_)
        else:
            self._end_pass(parent, construct, exit_, scope)

    def _end_pass(self, parent: ScopeState, loop: Construct, exit_: Vertex, scope: ScopeState) -> None:
        verdict = scope.outcomes.get(loop.verdict)
        if verdict is None:
            self._pass_by(parent, exit_, Mark.SKIPPED, ())
        elif verdict.taken:
            self._open(scope.scope, parent, loop, (scope.index or 0) + 1)
        else:
            self._make_ready(parent, exit_)

    def _end_item(self, parent: ScopeState, batch: Construct, exit_: Vertex, item: ScopeState) -> None:
        items = parent.inside[batch.entry]
        total = len(parent.outcomes[batch.entry].items or ())
        counts = parent.arrived.setdefault(exit_.index, [0, 0, 0])  # its items are what a gather joins
        counts[Mark.BLOCKED if item.errors else Mark.TAKEN] += 1
        own = self._loud
        self._touch(parent, exit_.index)
        if own and not self._whole and sum(counts) < total:
            self.arrivals.append(Arrival(parent, exit_, parent.key(exit_), item.index or 0, total))
        within = batch.tolerates(counts[Mark.BLOCKED], total)
        if within and sum(counts) == total:
            self._make_ready(parent, exit_)
        elif (
            not within
            and exit_.index not in parent.blame
            and (sum(counts) == total or not (exit_.sheltered or self._contained(parent)))
        ):
            self._fail(parent, exit_, tuple(error for _, other in sorted(items.items()) for error in other.errors))

    # --- failures -------------------------------------------------------------------------------------------------

    def _fail(self, scope: ScopeState, vertex: Vertex, errors: tuple[NodeError, ...]) -> None:
        scope.blame[vertex.index] = errors
        if not vertex.sheltered:
            scope.failures.append(vertex)
            if not self._contained(scope):
                if self.phase is Phase.RUNNING:
                    self.phase = Phase.FAILED
                    self.errors.extend(errors)
                return
        failed = vertex
        if vertex.kind is Kind.ENTRY and vertex.construct is not None:
            failed = scope.scope.vertices[vertex.construct.exit]
            scope.blame[failed.index] = errors
        scope.marks[failed.index] = Mark.BLOCKED
        if failed.out:
            self._queue.extend((scope, link, Mark.BLOCKED, self._loud) for link in failed.out)
        else:
            self._close_one(scope, failed)

    @staticmethod
    def _contained(scope: ScopeState) -> bool:
        """Whether a failure that leaves this scope is held by a construct around it."""
        while scope.parent is not None and scope.construct is not None:
            construct, scope = scope.construct, scope.parent
            if construct.tolerant or scope.scope.vertices[construct.exit].sheltered:
                return True
        return False

    # --- any joins ------------------------------------------------------------------------------------------------

    def _fire(self, scope: ScopeState, join: Vertex) -> None:
        """The edge that holds the claim is taken. Not sooner: what leads to it is no loser, and must be fed first."""
        self._make_ready(scope, join)
        # What is moot or has fired has counted its ways in already.
        waiting = [] if join.index in scope.moot else [link.source for link in join.incoming]
        while waiting:
            index = waiting.pop()
            vertex = scope.scope.vertices[index]
            live = scope.live.get(index, len(vertex.out)) - 1
            scope.live[index] = live
            if live:
                continue
            scope.moot.add(index)
            if vertex.kind is Kind.EXIT and vertex.construct is not None:
                index = vertex.construct.entry
                scope.moot.add(index)
                vertex = scope.scope.vertices[index]
            if not scope.has_fired(vertex):
                waiting.extend(link.source for link in vertex.incoming)
