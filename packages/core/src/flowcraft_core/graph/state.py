"""What happens next: the one place that decides it, from a compiled blueprint and facts.

A ``RunState`` is fed facts (outcomes, claims) in any order and says which instances are ready, which joins want a
claim, and whether the run has ended. ``decide`` says what became of a vertex: it looks at what is known of its edges,
each time anew, and counts nothing. So a fact that comes twice changes nothing, and since each rule only ever looks for
a fact's presence, a state that knows some of a run's facts decides nothing that one which knows all would not.

The rules, edge by edge:

* A completed instance *takes* or *skips* each of its edges, as its outcome says; those on failure it skips.
* A failed one takes those of its edges on failure, and those that are always to be taken, that its outcome says. If it
  took any, the failure is *handled*: the others are skipped, and it fails nothing. If it took none, it *blocks* them.
* A vertex with one way in: taken, it is ready; skipped, it is dead and skips its own edges; blocked, it blocks them,
  but for those on failure: it skips them, since the failure is another's.
* An ``all`` join goes by all its edges: once each is resolved, it is blocked if one is blocked, dead if none is taken,
  ready otherwise.
* A join of *some* goes on with so many of its edges as it needs, of different sources: ``any`` is a join of one. It has
  as many *slots*. A taken edge claims the first that is free, unless its source holds one: it counts once. The join has
  *fired* once all slots stand, and goes by the edges that hold them. With every edge resolved and fewer taken, it is
  dead if all are skipped; else it fails, with the errors behind those that are blocked, or with one of its own where
  none is. What was claimed of a join that has not fired counts for nothing.
* A vertex *catches* if it has edges on failure or always. A join of some that fails and catches is ready: its outcome
  is that failure, with the edges that it takes. So is the exit of a construct that fails, once nothing inside can run.
* A fired join makes its other ways *unneeded*, and not sooner: a vertex is unneeded once it has ways on and each leads
  into a fired join of some or to an unneeded vertex; all inside an unneeded construct is unneeded. What is unneeded is
  not started. A vertex whose ways on are all edges on failure has the end of its scope as a way on, too: it is never
  unneeded for want of others.
* A failure that is not handled is *contained* inside its scope if each of the vertex's ways on, but for those on
  failure, leads into a join of some there; else by the constructs around it, if one catches, tolerates failures or
  leads into joins of some itself; else it fails the run at once.
* A scope ends when each of its vertices that have its end as a way on is done, dead or blocked: then every other vertex
  is done, dead, blocked or unneeded too, since a way on from it would lead to one that is not. A construct in which a
  failure was neither handled nor contained fails when its scope ends.
* A called flow that fails, whose failure is contained and which names an undo, has not ended before it is *undone*: see
  ``undoing``. So its failure counts only then, and so does the next item of a lane begin. Of a run that is stopped it
  counts at once, since nothing is gone on with: what would have begun once the call is undone is voided with the rest.
* Of a run that is *stopped* nothing is gone on with. What is ready and has no outcome, unneeded or not, is *voided*: a
  void outcome stands where its own would. It resolves no edge, now or ever: nothing is taken, skipped, blocked, claimed
  or ended because of it. So a construct whose entry is void has no inside, and one whose starts are void no end. Once
  all that is ready has an outcome, no other instance can get one.
* A loop is dead if the end of its last pass is: so it is if that is blocked by a failure which is contained inside.
* A wait that is ready has its result from outside: an answer goes where its suspension would go, and of the two one
  stands. With a suspension it waits, and whoever resumes it writes its outcome; with an answer it is ready still, and
  whoever comes to it goes on with that, at once. An answer makes nothing ready, and without its wait it does nothing.
* A pass in which a failure was neither handled nor contained is its loop's last, whatever its verdict says, and that
  loop fails with it, as by an exception. It may be known after the verdict, since not all in a pass leads there.
* A start vertex is ready once its scope is there: a call by the outcome of its construct's entry, a pass by that of the
  entry or, as the next one, once the pass before has ended, which has not failed, and whose verdict is to go on.
* A batch has *lanes*: of n lanes, which the entry's outcome counts, each has the items with one remainder by n. Its
  first item is there by that outcome, and each other one once the item before it in its lane has ended, whatever came
  of that: done, dead, blocked or failed, as long as the failure is contained. So at most n items are under way, without
  anybody counting them. The batch's gather waits for every item, and so for the end of every lane. An unneeded batch
  starts no next item, as nothing unneeded is started; one that has failed contained runs its lanes to their ends.

Who knows every fact (one process, a reconciler, a simulator) has a *whole* state: ``add`` follows each fact's edges.
Who knows a few (a worker) *learns* what it looks up, asks ``decide`` about what it is concerned with (see ``partial``),
and follows only what it has done itself: what follows from the rest is for those who did it.

Completing an instance costs its edges and what they resolve, never the size of the graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any

from .facts import NodeError, Outcome
from .failures import blamed, causes, is_contained
from .instances import END, Arrival, Claim, FailedItem, Instance, Mark, Phase, ScopeState
from .items import Items
from .lanes import item_before, lanes_of, next_of, total_of
from .positions import INITIAL
from .scopes import Construct, Graph, Kind, Link, Scope, Vertex
from .undoable import names_undo

_UNDO = -2  # for what undoes a call


class RunState:
    """The meaning of a graph: facts in, decisions out.

    Attributes:
        root: The run's own scope instance.
        ready: Instances to run, in the order in which they became ready; the caller takes them out.
        wanted: Edges for which joins of some are to be claimed; the caller takes them out and, as long as one has a
            ``slot`` to try, answers with ``claim``.
        context: The run's initial context.
        phase: Whether the run has ended.
        arrivals: In a state that is not whole: edges towards joins that it cannot decide; the caller takes them out.
        failing: In a state that is not whole: failed items of batches that may have failed by that; likewise.
        to_undo: Called flows that have failed, which are to be undone before that counts; the caller takes them out and
            answers with ``undone``.
        entered: In one that tells: scopes that came to be known.
        opened: Likewise: batches that were entered, each with its scope.
        left: Likewise: items of batches that have ended.
    """

    def __init__(
        self,
        graph: Graph,
        graphs: Callable[[str], Graph],
        context: Mapping[str, Any],
        *,
        whole: bool = True,
        stopped: bool = False,
        tells: bool = False,
        packs: bool = False,
    ) -> None:
        """Make a state that knows no facts. If it is whole, the root's start vertices are ready.

        Args:
            graph: The run's blueprint.
            graphs: Finds the blueprints of subflows by id.
            context: The run's initial context.
            whole: The state will be fed every fact of the run. One that sees only some reports what it cannot decide
                as ``arrivals``.
            stopped: The run is: what is unneeded may be under way all the same, and is among what is ready.
            tells: It tells what it comes to, for who reads facts as they are wanted: see ``entered``, ``opened`` and
                ``left``, which the caller takes out. The items of a batch begin when he says so, by ``open``.
            packs: Items of batches that have ended are packed: for who keeps them all, see ``items``.
        """
        self._whole = whole
        self._stopped = stopped
        self._tells = tells
        self._packs = packs
        self._graphs = graphs
        self.arrivals: deque[Arrival] = deque()
        self.failing: deque[FailedItem] = deque()
        self.to_undo: deque[ScopeState] = deque()
        self.opened: deque[tuple[ScopeState, Construct]] = deque()
        self.left: deque[ScopeState] = deque()
        self.context = context
        self.ready: deque[Instance] = deque()
        self.wanted: deque[Claim] = deque()
        self.phase = Phase.RUNNING
        self._undoing: dict[int, bool] = {}
        self._queue: deque[tuple[ScopeState, Vertex]] = deque()
        self._ending: deque[tuple[ScopeState, Vertex]] = deque()
        self.root = ScopeState(graph.root, None, None, None)
        self.entered: deque[ScopeState] = deque([self.root] if tells else ())
        if context:
            self.root.set(INITIAL, context)
        if whole:
            self._start(self.root)

    # --- facts in -------------------------------------------------------------------------------------------------

    def add(self, scope: ScopeState, vertex: Vertex, outcome: Outcome) -> None:
        """Take in an instance's outcome, and say what follows from it.

        Args:
            scope: Where the instance stands.
            vertex: Which it is.
            outcome: What it ended with.
        """
        if self.learn(scope, vertex, outcome):
            self.follow(scope, vertex)

    def learn(self, scope: ScopeState, vertex: Vertex, outcome: Outcome) -> bool:
        """Take in an instance's outcome without a word of what follows from it; whether it is news."""
        if vertex.index in scope.outcomes:
            return False
        scope.outcomes[vertex.index] = outcome
        if outcome.sets:
            scope.namespace.set(scope.position(vertex), outcome.sets)
            scope.namespace.setters.append(Instance(scope, vertex))
        error = outcome.error
        if error is not None and not outcome.taken:
            # The outcome says which is the first, whatever is known of the others behind it.
            behind = () if error.key == scope.key(vertex) else causes(scope, vertex)
            self._fail(scope, vertex, tuple(dict.fromkeys((error, *behind))))
        elif scope.unfired:
            for join in list(scope.unfired):
                self._fire_if_taken(scope, scope.scope.vertices[join])
        return True

    def claim(self, scope: ScopeState, vertex: Vertex, slot: int, place: int) -> None:
        """Take in who holds a slot of a join of some, and say what follows from it.

        Args:
            scope: Where the join stands.
            vertex: The join.
            slot: Which of its slots, from 0.
            place: The place of the edge that holds it among the join's incoming ones.
        """
        if self.learn_claim(scope, vertex, slot, place) and vertex.index in scope.fired:
            self._arrive(scope, vertex, vertex.incoming[place])
            self._propagate()

    def learn_claim(self, scope: ScopeState, vertex: Vertex, slot: int, place: int) -> bool:
        """Take in who holds a slot of a join of some without a word of what follows; whether it is news."""
        slots = scope.claims.setdefault(vertex.index, {})
        if slot in slots:
            return False
        slots[slot] = place
        if scope.winners(vertex):
            scope.begin_races()
            scope.unfired.add(vertex.index)
            self._fire_if_taken(scope, vertex)
        return True

    def undone(self, call: ScopeState) -> None:
        """Take in that a called flow is undone which has failed, and say what follows from its failure."""
        self.learn_undone(call)
        self._end(call, None)
        self._propagate()

    def learn_undone(self, call: ScopeState) -> None:
        """Take in that a called flow is undone which has failed, without a word of what follows."""
        call.undone = True

    # --- decisions out --------------------------------------------------------------------------------------------

    def follow(self, scope: ScopeState, vertex: Vertex) -> None:
        """Say what follows from an outcome that was taken in: ``ready``, ``wanted``, and what this cannot decide."""
        self._queue.append((scope, vertex))
        self._propagate()

    def tell(self, scope: ScopeState, vertex: Vertex | None, link: Link | None = None) -> None:
        """Say what became of a vertex, or (without one) of a scope, if that can be said, and what follows from it.

        Args:
            scope: Where the vertex stands.
            vertex: The vertex.
            link: The edge on whose account it is asked; None if all that leads to the vertex was looked up.
        """
        if vertex is None:
            self._end(scope, None)
        else:
            self._arrive(scope, vertex, link)
        self._propagate()

    def has_told(self, arrival: Arrival) -> bool:
        """Whether it was said by now what became of the join at which an edge arrives."""
        return (END if arrival.vertex is None else arrival.vertex.index) in arrival.scope.told

    def child(self, scope: ScopeState, construct: Construct, index: int | None) -> ScopeState:
        """A pass, item or call of a construct whose entry's outcome is known.

        Args:
            scope: Where the construct stands.
            construct: The construct.
            index: The pass or item; None for a subflow's call.
        """
        insides = scope.inside.get(construct.entry)
        if insides is None:
            insides = scope.inside[construct.entry] = self._none_of(scope, construct)
        inside = insides.get(index or 0)
        if inside is None:
            inside = insides[index or 0] = self._begun(scope, construct, index)
            if self._tells:
                self.entered.append(inside)
        return inside

    def _none_of(self, scope: ScopeState, construct: Construct) -> MutableMapping[int, ScopeState]:
        if not self._packs or construct.kind != "batch":
            return {}
        total = total_of(scope.outcomes[construct.entry])
        return Items(self._inside_of(construct), total, partial(self._begun, scope, construct))

    def _begun(self, scope: ScopeState, construct: Construct, index: int | None) -> ScopeState:
        inside = self.imagined(scope, construct, index)
        if context := scope.outcomes[construct.entry].context:
            inside.set(INITIAL, context)
        return inside

    def imagined(self, scope: ScopeState, construct: Construct, index: int | None) -> ScopeState:
        """A pass, item or call that may not be there: for its keys. See ``child``."""
        return ScopeState(self._inside_of(construct), scope, construct, index)

    def start(self, scope: ScopeState, construct: Construct, index: int | None) -> None:
        """Say that the starts of a pass, item or call are ready."""
        self._start(self.child(scope, construct, index))

    def open(self, scope: ScopeState, batch: Construct) -> None:
        """Say that the first items of a batch's lanes are ready, but for those that have ended.

        Args:
            scope: Where the batch stands.
            batch: The batch, whose entry's outcome is known.
        """
        for index in range(lanes_of(scope.outcomes[batch.entry])):
            if not scope.has_passed(batch, index):
                self.start(scope, batch, index)

    def look_into(self, scope: ScopeState, batch: Construct, index: int) -> ScopeState:
        """An item of a batch, which begins whatever came of those before it; nothing follows from its end."""
        item = self.child(scope, batch, index)
        item.told.add(END)
        self._start(item)
        return item

    def pass_items(self, scope: ScopeState, batch: Construct, begun: Sequence[int]) -> None:
        """Take in how many items of each lane have begun: all but the last of them have ended, and need no look.

        For who wants to know what is due and no more: how many of those have failed is left open.

        Args:
            scope: Where the batch stands.
            batch: The batch, whose entry's outcome is known.
            begun: How many, by lane.
        """
        lanes, total = len(begun), total_of(scope.outcomes[batch.entry])
        for lane, items in enumerate(begun):
            if items > 1:
                last = lane + (items - 1) * lanes
                scope.pass_items(batch, total, slice(lane, last, lanes))
                self.start(scope, batch, last)

    def may_let_go(self, item: ScopeState) -> bool:
        """Whether an item of a batch has ended, and nobody will ask why it failed."""
        scope, batch = item.parent, item.construct
        assert scope is not None  # an item lies in a batch
        assert batch is not None
        total = total_of(scope.outcomes[batch.entry])
        return self.has_ended(item) and (not item.failures or batch.tolerates(total, total))

    def let_go(self, item: ScopeState) -> bool:
        """Keep no more of an item of a batch than that it has ended, if it may be let go of; whether it is.

        Args:
            item: The item.
        """
        if not self.may_let_go(item):
            return False
        scope, batch, index = item.parent, item.construct, item.index or 0
        assert scope is not None  # as above
        assert batch is not None
        total = total_of(scope.outcomes[batch.entry])
        scope.pass_items(batch, total, slice(index, index + 1))
        scope.inside[batch.entry].pop(index, None)
        if item.namespace is not item and any(inside.has_set for inside in item.walk()):
            gone = {id(inside) for inside in item.walk()}
            setters = item.namespace.setters
            setters[:] = [setter for setter in setters if id(setter.scope) not in gone]
        return True

    def decide(self, scope: ScopeState, vertex: Vertex) -> Mark | None:
        """What became of a vertex by what is known of its edges.

        Returns:
            TAKEN if its instance is to run, SKIPPED if it is dead, BLOCKED if it is blocked or has failed; None if
            that cannot be said yet.
        """
        mark = scope.marks.get(vertex.index)
        if mark is not None:
            return mark
        incoming = vertex.incoming
        if len(incoming) == 1:
            mark = scope.mark_of(incoming[0])
            if mark is Mark.TAKEN:
                return mark
        elif vertex.kind is Kind.EXIT:
            return self._decide_exit(scope, vertex)
        elif not incoming:
            return Mark.TAKEN if self._is_there(scope) else None
        elif vertex.index in scope.fired:
            return Mark.TAKEN
        else:
            mark = self._joined(scope, vertex)
            if vertex.quorum and mark is Mark.TAKEN:
                return None  # taken, but not all of its slots are held as far as is known
            if vertex.quorum and mark is Mark.BLOCKED:
                return self._fails(scope, vertex, causes(scope, vertex))
        if mark is Mark.SKIPPED or mark is Mark.BLOCKED:
            self._pass_by(scope, vertex, mark, blamed(scope, vertex) if mark is Mark.BLOCKED else ())
        return mark

    def has_ended(self, scope: ScopeState) -> bool:
        """Whether each vertex of a scope with its end as a way on is known to be done, dead or blocked.

        Of a call that is undone before its failure counts, whether that is known to be done, too.
        """
        if scope.ended:
            return True
        ends = scope.scope.ends
        place = scope.resolved.get(END, 0)
        while place < len(ends) and scope.is_resolved(ends[place]):
            place += 1
        scope.resolved[END] = place
        if place < len(ends) or self._is_to_undo(scope):
            return False
        scope.ended = True
        if scope.parent is not None and scope.construct is not None and scope.failures:
            scope.parent.failed_items.setdefault(scope.construct.entry, set()).add(scope.index or 0)
        return True

    def goes_on(self, scope: ScopeState, loop: Construct) -> bool:
        """Whether a pass is known to be followed by another: its verdict says so, and it has ended and not failed."""
        verdict = scope.outcomes.get(loop.verdict)
        if verdict is None or verdict.error is not None or not verdict.taken:
            return False
        return self.has_ended(scope) and not scope.failures

    # --- what follows ---------------------------------------------------------------------------------------------

    def _propagate(self) -> None:
        queue, ending = self._queue, self._ending
        while queue or ending:
            if not queue:
                # Last of all, since what else was resolved may be all that the end wanted.
                self._end(*ending.popleft())
                continue
            scope, vertex = queue.popleft()
            if (outcome := scope.outcomes.get(vertex.index)) is not None and outcome.void:
                continue
            if vertex.kind is Kind.ENTRY and vertex.construct is not None:
                self._enter(scope, vertex, vertex.construct)
                continue
            if vertex.out:
                vertices, told = scope.scope.vertices, scope.told
                for link in vertex.out:
                    target = vertices[link.target]
                    if target.index not in told:
                        self._arrive(scope, target, link)
            if vertex.is_end:
                ending.append((scope, vertex))

    def _arrive(self, scope: ScopeState, target: Vertex, link: Link | None) -> None:
        """Say what became of a vertex to which an edge was resolved; without one, of a vertex that was asked about."""
        index = target.index
        if index in scope.told:
            return
        if index in scope.outcomes:
            # Fed before what led to it. A worker goes on from it if it was its own job that ended it.
            if not self._whole:
                self._make_ready(scope, target)
            return
        mark = self.decide(scope, target)
        if mark is None:
            if target.quorum or not self._whole:
                self._leave_open(scope, target, link)
        elif mark is not Mark.TAKEN:
            scope.told.add(index)
            self._queue.append((scope, target))
        elif (
            self._whole
            or index not in scope.fired  # no race that anybody has won
            or (link is not None and target.incoming[scope.claims[index][target.quorum - 1]] is link)
        ):
            # In a state that is not whole a join is for whoever brought the edge that holds the last of its slots.
            self._make_ready(scope, target)

    def _leave_open(self, scope: ScopeState, target: Vertex, link: Link | None) -> None:
        """It cannot be said what becomes of a vertex: ask for its claim, or leave it to the last to arrive."""
        if target.quorum:
            # Whoever was asked about the join has seen all its edges, and claims it where nobody else came to do so.
            ways = target.incoming if link is None else (link,)
            taken = [Claim(scope, target, way) for way in ways if scope.mark_of(way) is Mark.TAKEN]
            if taken and (scope.winners(target) or (scope.is_unneeded(target) and not self._stopped)):
                return
            if claims := [claim for claim in taken if claim.slot is not None]:
                self.wanted.extend(claims)
                return
        if link is not None and self._reports_arrivals():
            member = target.incoming.index(link)
            self.arrivals.append(Arrival(scope, target, scope.key(target), member, len(target.incoming)))

    def _reports_arrivals(self) -> bool:
        return not self._whole and self.phase is Phase.RUNNING

    def _make_ready(self, scope: ScopeState, target: Vertex) -> None:
        scope.told.add(target.index)
        if self._stopped or (scope.parent is None and not scope.unneeded) or not scope.is_unneeded(target):
            self.ready.append(Instance(scope, target))

    def _joined(self, scope: ScopeState, join: Vertex) -> Mark | None:
        """What the edges of a join come to once each is resolved; BLOCKED also if fewer are taken than it needs."""
        incoming, place = join.incoming, scope.resolved.get(join.index, 0)
        while place < len(incoming) and scope.mark_of(incoming[place]) is not None:
            place += 1
        scope.resolved[join.index] = place
        if place < len(incoming):
            return None
        marks = [scope.mark_of(link) for link in incoming]
        if join.quorum and Mark.TAKEN in marks:
            taken = {link.source for link in incoming if scope.mark_of(link) is Mark.TAKEN}
            return Mark.TAKEN if len(taken) >= join.quorum else Mark.BLOCKED
        if Mark.BLOCKED in marks:
            return Mark.BLOCKED
        return Mark.TAKEN if Mark.TAKEN in marks else Mark.SKIPPED

    def _pass_by(self, scope: ScopeState, target: Vertex, mark: Mark, blame: tuple[NodeError, ...]) -> None:
        """The vertex will never run: it is dead, or blocked by the failures ``blame``."""
        while True:
            scope.marks[target.index] = mark
            if blame:
                scope.blame[target.index] = blame
            if target.kind is not Kind.ENTRY or target.construct is None:
                return
            target = scope.scope.vertices[target.construct.exit]

    # --- constructs and scopes ------------------------------------------------------------------------------------

    def _start(self, scope: ScopeState) -> None:
        for start in scope.scope.starts:
            if start not in scope.told:
                self._make_ready(scope, scope.scope.vertices[start])

    def _enter(self, scope: ScopeState, entry: Vertex, construct: Construct) -> None:
        outcome = scope.outcomes.get(entry.index)
        if outcome is None or outcome.error is not None or not goes_in(construct, outcome):
            self._arrive(scope, scope.scope.vertices[construct.exit], None)
        elif construct.kind != "batch":
            self.start(scope, construct, 0 if construct.kind == "loop" else None)
        elif self._tells:
            self.opened.append((scope, construct))
        else:
            self.open(scope, construct)

    def _inside_of(self, construct: Construct) -> Scope:
        return construct.body or self._graphs(construct.calls or "").root

    def _end(self, scope: ScopeState, vertex: Vertex | None) -> None:
        """Say that a scope has ended, once it has; one of its ends was resolved, or somebody asked."""
        if END in scope.told:
            return
        if not self.has_ended(scope):
            if vertex is not None and self._reports_arrivals() and not self.is_being_undone(scope):
                ends = scope.scope.ends
                self.arrivals.append(Arrival(scope, None, f"{scope.prefix}:end", ends.index(vertex.index), len(ends)))
            return
        scope.told.add(END)
        parent, construct = scope.parent, scope.construct
        if parent is None or construct is None:
            if self.phase is Phase.RUNNING:
                self.phase = Phase.COMPLETED
        elif construct.kind == "loop" and self.goes_on(scope, construct):
            self.start(parent, construct, (scope.index or 0) + 1)
        else:
            exit_ = parent.scope.vertices[construct.exit]
            self._arrive(parent, exit_, None)
            if construct.kind == "batch":
                self._go_on_in_lane(parent, construct, exit_, scope)
                if self._tells:
                    self.left.append(scope)
                if isinstance(items := parent.inside.get(construct.entry), Items):
                    items.pack(scope)

    def _go_on_in_lane(self, scope: ScopeState, batch: Construct, exit_: Vertex, item: ScopeState) -> None:
        """An item has ended: the next of its lane begins, or the lane has come to the gather."""
        entry, following, index = scope.outcomes[batch.entry], next_of(item), item.index or 0
        if following is not None:
            self.start(scope, batch, following)
        if not self._whole and entry.page_size is not None:
            self.let_go(item)  # of a large batch whoever goes along a lane keeps none that has ended
        if exit_.index in scope.told or not self._reports_arrivals():
            return
        if item.failures and batch.tolerant and not self._runs_to_its_end(scope, exit_):
            self.failing.append(FailedItem(scope, exit_, index, batch.may_fail(total_of(entry))))
        if following is None:
            lanes = lanes_of(entry)
            self.arrivals.append(Arrival(scope, exit_, scope.key(exit_), index % lanes, lanes))

    def _decide_exit(self, scope: ScopeState, exit_: Vertex) -> Mark | None:
        construct = exit_.construct
        assert construct is not None  # an exit always has one
        outcome = scope.outcomes.get(construct.entry)
        if outcome is None:
            # An entry that is dead or blocked says so of its exit, too; one that fails does unless that catches.
            entry = self.decide(scope, scope.scope.vertices[construct.entry])
            failed = entry is Mark.BLOCKED and exit_.catches and exit_.index not in scope.marks
            return Mark.TAKEN if failed else scope.marks.get(exit_.index)
        if outcome.error is not None and exit_.catches:
            return Mark.TAKEN
        if outcome.void or outcome.error is not None or exit_.index in scope.blame:
            return None  # a failure that nothing contains
        if not goes_in(construct, outcome):
            return Mark.TAKEN
        inside = scope.inside.get(construct.entry, {})
        if construct.kind == "batch":
            return self._decide_gather(scope, construct, exit_, inside, total_of(outcome))
        last = inside.get(max(inside)) if inside else None
        if last is None or not self.has_ended(last):
            return None
        if last.failures:
            return self._fails(scope, exit_, last.errors)
        if construct.kind == "subflow":
            return Mark.TAKEN
        if construct.verdict in last.outcomes:
            return None if self.goes_on(last, construct) else Mark.TAKEN
        self._pass_by(scope, exit_, Mark.SKIPPED, ())
        return Mark.SKIPPED

    def _decide_gather(
        self, scope: ScopeState, batch: Construct, exit_: Vertex, items: Mapping[int, ScopeState], total: int
    ) -> Mark | None:
        place = scope.resolved.get(exit_.index, 0)
        while (
            scope.has_passed(batch, place)
            or (isinstance(items, Items) and items.is_packed(place))
            or (place in items and self.has_ended(items[place]))
        ):
            place += 1
        scope.resolved[exit_.index] = place
        failed = scope.failed_items.get(batch.entry, ())
        if batch.tolerates(len(failed), total):
            return Mark.TAKEN if place == total else None
        if place == total or not self._runs_to_its_end(scope, exit_):
            return self._fails(scope, exit_, tuple(error for index in sorted(failed) for error in items[index].errors))
        return scope.marks.get(exit_.index)

    def goes_on_past_failures(self, scope: ScopeState, exit_: Vertex) -> bool:
        """Whether the lanes of a batch may come to its gather though an item has failed."""
        batch = exit_.construct
        return batch is not None and (batch.tolerant or self._runs_to_its_end(scope, exit_))

    @staticmethod
    def _runs_to_its_end(scope: ScopeState, exit_: Vertex) -> bool:
        """Whether a batch in which too many items have failed goes on all the same: something holds its failure."""
        return exit_.catches or exit_.sheltered or is_contained(scope)

    def _is_there(self, scope: ScopeState) -> bool:
        """Whether a scope is known to be there, and so what its starts begin with."""
        parent, construct = scope.parent, scope.construct
        if parent is None or construct is None:
            return True
        entry = parent.outcomes.get(construct.entry)
        if entry is None or entry.error is not None or not goes_in(construct, entry):
            return False
        if construct.kind == "loop" and scope.index:
            passed = parent.inside[construct.entry].get(scope.index - 1)
            return passed is not None and self.goes_on(passed, construct)
        if (index := item_before(scope)) is not None:
            ended = parent.inside[construct.entry].get(index)
            return parent.has_passed(construct, index) or (ended is not None and self.has_ended(ended))
        return True

    # --- failures -------------------------------------------------------------------------------------------------

    def _fails(self, scope: ScopeState, vertex: Vertex, errors: tuple[NodeError, ...]) -> Mark | None:
        """A construct or a join fails without being run; if it catches, its outcome is to say which edges it takes."""
        if vertex.catches:
            return Mark.TAKEN
        self._fail(scope, vertex, errors)
        return scope.marks.get(vertex.index)

    def _fail(self, scope: ScopeState, vertex: Vertex, errors: tuple[NodeError, ...]) -> None:
        """The vertex has failed: it is blocked, or, if nothing contains that, the run has failed."""
        if vertex.index in scope.blame:
            return
        scope.blame[vertex.index] = errors
        construct = vertex.construct if vertex.kind is Kind.ENTRY else None
        if construct is not None and scope.scope.vertices[construct.exit].catches:
            scope.marks[vertex.index] = Mark.BLOCKED  # no more than that: its exit is to say what becomes of it
            return
        if not vertex.sheltered:
            scope.failures.append(vertex)
            if not is_contained(scope):
                if self.phase is Phase.RUNNING:
                    self.phase = Phase.FAILED
                return
        self._pass_by(scope, vertex, Mark.BLOCKED, errors)

    def is_being_undone(self, call: ScopeState) -> bool:
        """Whether a scope is a call that has failed, and waits for its undo by what is known."""
        return _UNDO in call.told and not (call.undone or self._stopped)

    def _is_to_undo(self, call: ScopeState) -> bool:
        """Whether a scope of which all is resolved is a call that undoes itself, and is not known to have done so."""
        if call.undone or not (call.failures and self._undoes_itself(call)):
            return False
        if _UNDO not in call.told:
            call.told.add(_UNDO)
            self.to_undo.append(call)
        return not self._stopped

    def _undoes_itself(self, call: ScopeState) -> bool:
        if call.parent is None or not call.scope.namespace or not is_contained(call):
            return False
        known = self._undoing.get(id(call.scope))
        if known is None:
            known = self._undoing[id(call.scope)] = names_undo(call.scope, self._graphs)
        return known

    # --- joins of some --------------------------------------------------------------------------------------------

    def _fire_if_taken(self, scope: ScopeState, join: Vertex) -> None:
        """It fires once the edges that hold its slots are taken: what leads to them is no loser, and comes first."""
        if all(scope.mark_of(link) is Mark.TAKEN for link in scope.winners(join)):
            self._fire(scope, join.index)

    def _fire(self, scope: ScopeState, join: int) -> None:
        scope.begin_races()
        vertices, fired, unneeded = scope.scope.vertices, scope.fired, scope.unneeded
        scope.unfired.discard(join)
        fired.add(join)
        waiting = [link.source for link in vertices[join].incoming]
        while waiting:
            vertex = vertices[waiting.pop()]
            if vertex.index in unneeded or vertex.is_end:
                continue
            place = scope.spent.get(vertex.index, 0)
            while place < len(vertex.out) and (
                vertex.out[place].target in fired or vertex.out[place].target in unneeded
            ):
                place += 1
            scope.spent[vertex.index] = place
            if place < len(vertex.out):
                continue
            unneeded.add(vertex.index)
            if vertex.kind is Kind.EXIT and vertex.construct is not None:
                vertex = vertices[vertex.construct.entry]
                unneeded.add(vertex.index)
            if vertex.index not in fired:  # else those before it lead into a fired join already
                waiting.extend(link.source for link in vertex.incoming)


def goes_in(construct: Construct, outcome: Outcome) -> bool:
    """Whether a construct has an inside, by its entry's outcome."""
    if outcome.void:
        return False
    if construct.kind == "batch":
        return bool(outcome.items)
    return construct.kind != "loop" or outcome.action != "break"
