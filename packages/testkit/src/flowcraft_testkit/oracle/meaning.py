"""The meaning of a graph, said again: slowly, without state, and from the words rather than from the code.

``Meaning`` is made from a flow and *all* facts about a run, and every question is answered by looking at all of them
again. There are no counters and no queues: what is not decided yet is asked once more, until nothing changes. Words in
quotes are the rules as the design states them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from .flows import AnyNode, Batch, Edge, Flow, Loop, Sleep, Step, Wait
from .ground import At, Ground
from .places import VERDICT, Facts, Place, PlacedNode, Verdict


class Status(enum.Enum):
    """What a node has come to."""

    READY = "all that leads to it is resolved, and it has no outcome"
    INSIDE = "a construct that was entered and has not ended"
    LEAVING = "a construct in which all has ended, and which has no outcome yet"
    DONE = "it has an outcome that is no failure"
    FAILING = "it fails, and its outcome is to say which edges it takes"
    HANDLED = "it failed for good, and an edge was taken"
    FAILED = "it failed for good"
    DEAD = "none of its edges can be taken any more"
    BLOCKED = "a failure lies before it"
    VOID = "it was voided: nothing is taken, blocked or claimed because of it"


class Way(enum.Enum):
    """How an edge was resolved."""

    TAKEN = "taken"
    SKIPPED = "skipped"
    BLOCKED = "blocked"


OVER = (Status.DONE, Status.HANDLED, Status.FAILED, Status.DEAD, Status.BLOCKED)


class Meaning(Ground):
    """What some facts mean.

    Attributes:
        status: Of each node at each place, once something is decided about it.
    """

    def __init__(self, flow: Flow, facts: Facts) -> None:
        """Ask about every node until nothing changes any more."""
        super().__init__(flow, facts)
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

    # --- edges and nodes ------------------------------------------------------------------------------------------

    def way(self, place: Place, edge: Edge) -> Way | None:
        """How an edge was resolved, if it was."""
        match self.status.get((place, edge.source)):
            case Status.DONE | Status.HANDLED:
                # Of a failure that is handled, "its other edges are skipped, not blocked".
                return Way.SKIPPED if self.carried(place, edge) is None else Way.TAKEN
            case Status.DEAD:
                return Way.SKIPPED
            case Status.FAILED:
                # "Fails the run at once, unless the failure is contained": then nothing is decided behind it any more.
                return Way.BLOCKED if place.contains(place.find(edge.source)) else None
            case Status.BLOCKED:
                # "When a is dead or blocked, they are skipped." An always edge "is blocked when its node is".
                return Way.SKIPPED if edge.on == "failure" else Way.BLOCKED
        return None

    def _way_in(self, place: Place, node: PlacedNode) -> Status | None:
        ways = [self.way(place, edge) for edge in place.into(node)]
        if not ways:
            return Status.READY if self._follows(place) else None
        if place.needed(node):
            # "The join has fired once all k stand."
            if self.has_fired(place, node):
                return Status.READY
            if None in ways or len(self._taken_from(place, node)) >= place.needed(node):
                return None
            # "With every edge resolved and fewer than k taken it fails if one was taken or blocked, else it is dead."
            return Status.FAILED if Way.BLOCKED in ways or Way.TAKEN in ways else Status.DEAD
        # "Fire once every incoming edge is resolved and at least one was taken." "With a blocked edge it is blocked."
        if None in ways:
            return None
        if Way.BLOCKED in ways:
            return Status.BLOCKED
        return Status.READY if Way.TAKEN in ways else Status.DEAD

    def _taken_from(self, place: Place, node: PlacedNode) -> set[str]:
        """The sources of the edges to a node that are taken: "the k edges have different sources"."""
        return {edge.source for edge in place.into(node) if self.way(place, edge) is Way.TAKEN}

    def _status(self, place: Place, node: PlacedNode) -> Status | None:
        way_in = self._way_in(place, node)
        if way_in is Status.FAILED:
            return self._status_failed(place, node)
        if way_in is not Status.READY:
            return way_in
        begun = self.facts.outcomes.get(place.begins_at(node))
        if begun is None:
            return Status.READY
        if begun.void:
            return Status.VOID
        if begun.failed:
            return self._status_failed(place, node)
        if isinstance(node, (Step, Wait, Sleep, Verdict)):
            return Status.DONE
        within = self._status_inside(place, node)
        if within is Status.FAILED:
            return self._status_failed(place, node)
        if within is not Status.LEAVING:
            return within
        ended = self.facts.outcomes.get(place.ends_at(node))
        if ended is None:
            return Status.LEAVING
        if ended.void:
            return Status.VOID
        return self._status_failed(place, node) if ended.failed else Status.DONE

    def _status_failed(self, place: Place, node: PlacedNode) -> Status:
        """What a node has come to that fails.

        "A construct, or an `any` join that fails, with failure or always edges commits a failed outcome of its own,
        edges included. If no edge is taken, that outcome fails by the ordinary rules."
        """
        ended = self.facts.outcomes.get(place.ends_at(node))
        if ended is None:
            return Status.FAILING if place.catches(node) else Status.FAILED
        if ended.void:
            return Status.VOID
        return Status.HANDLED if ended.handled else Status.FAILED

    def _status_inside(self, place: Place, node: AnyNode) -> Status:
        inside = self.inside(place, node)
        if isinstance(node, Batch):
            # "A batch's gather fires when every item has ended, also when there are none."
            failed = [item for item in inside if self.has_ended(item) and self.has_failed(item)]
            all_ended = all(self.has_ended(item) for item in inside)
            # One with failure or always edges "waits until nothing inside can run".
            waits = place.contains(node) or place.catches(node)
            if len(failed) > node.tolerated and (all_ended or not waits):
                return Status.FAILED
            return Status.LEAVING if all_ended else Status.INSIDE
        if not inside:
            return Status.LEAVING  # a loop that was left before its first pass
        last = [each for each in inside if self._follows(each)][-1]
        if not self.has_ended(last):
            return Status.INSIDE
        # "A construct fails once nothing in it can run any more and a node in it has failed whose failure no `any` join
        # inside contains."
        if self.has_failed(last):
            return Status.FAILED
        # "An end node dead in a pass ends the loop." So does one that a contained failure blocks.
        if isinstance(node, Loop) and self.status[last, VERDICT.id] in (Status.DEAD, Status.BLOCKED):
            return Status.DEAD
        return Status.LEAVING

    def has_ended(self, place: Place) -> bool:
        """Whether "every node in it is done, dead, blocked or unneeded, even if nothing was taken"."""
        return all(
            (place, node.id) in self.lost or self.status.get((place, node.id)) in OVER  # a failed node is done with
            for node in place.nodes()
        )

    def is_there(self, place: Place) -> bool:
        """Whether a place has begun: an item only once the one before it in its lane has ended, a pass like it."""
        return self._follows(place) and (place.parent is None or self.is_there(place.parent))

    def _follows(self, place: Place) -> bool:
        """Whether the item or pass before a place lets it begin.

        "A construct in which a failure was neither handled nor contained fails when its scope ends": so a pass in which
        one was is a loop's last, whatever its verdict says. An item that failed is followed by the next of its lane,
        unless it "fails the run at once": then nothing is decided behind it any more.
        """
        before = self.before(place)
        if before is None:
            return True
        if not self.has_ended(before):
            return False
        if isinstance(place.node, Loop):
            return not self.has_failed(before)
        return not any(
            self.status.get((before, node.id)) is Status.FAILED and not before.contains(node) for node in before.nodes()
        )

    def begun(self, place: Place, node: PlacedNode) -> list[Place]:
        """The passes and the items that have begun, or the call, in order."""
        return [each for each in self.inside(place, node) if self.is_there(each)]

    def has_failed(self, place: Place) -> bool:
        """Whether a node there has failed "whose failure no `any` join inside contains"."""
        return any(
            self.status.get((place, node.id)) is Status.FAILED and not place.shelters(node) for node in place.nodes()
        )

    # --- what happens next ----------------------------------------------------------------------------------------

    def ready(self) -> dict[str, tuple[Place, PlacedNode]]:
        """What may be started, by key; "what is unneeded is not started any more"."""
        found: dict[str, tuple[Place, PlacedNode]] = {}
        for place in self.places:
            for node in place.nodes():
                status = self.status.get((place, node.id))
                if not self.is_unneeded(place, node):
                    if status is Status.READY:
                        found[place.begins_at(node)] = place, node
                    elif status in (Status.LEAVING, Status.FAILING):
                        found[place.ends_at(node)] = place, node
        return found

    def wanted(self) -> set[tuple[str, int]]:
        """The joins of k that have slots left, with each taken edge that may claim one."""
        return {
            (place.begins_at(node), number)
            for place in self.places
            for node in place.nodes()
            if self._way_in(place, node) is None and not self.is_unneeded(place, node)
            for number, edge in enumerate(place.into(node))
            if self.way(place, edge) is Way.TAKEN and self.may_claim(place, node, edge)
        }

    def open(self) -> list[str]:
        """What may still come to an outcome in a run that is stopped, "unneeded or not", and joins to claim."""
        return [
            place.begins_at(node)
            for place in self.places
            for node in place.nodes()
            if self.status.get((place, node.id)) in (Status.READY, Status.LEAVING, Status.FAILING)
            or (
                self._way_in(place, node) is None
                and any(
                    self.way(place, edge) is Way.TAKEN and self.may_claim(place, node, edge)
                    for edge in place.into(node)
                )
            )
        ]

    def phase(self) -> str:
        """How the run stands: "a node that fails for good fails the run at once, unless the failure is contained"."""
        if self.uncontained():
            return "failed"
        return "completed" if self.has_ended(self.root) else "running"

    def uncontained(self) -> list[tuple[Place, PlacedNode]]:
        """The failed nodes whose failures fail the run."""
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
        """The failures behind a node that failed or is blocked: "it fails with all their errors"."""
        if self.status.get((place, node.id)) not in (Status.FAILED, Status.FAILING, Status.BLOCKED):
            return []
        if self.status[place, node.id] is Status.BLOCKED:
            blocked = [edge for edge in place.into(node) if self.way(place, edge) is Way.BLOCKED]
            return _each_once(key for edge in blocked for key in self.errors_of(place, place.find(edge.source)))
        return self.causes(place, node) or [place.ends_at(node)]  # its own, where no other is behind it

    def causes(self, place: Place, node: PlacedNode) -> list[str]:
        """The failures for which a construct or a join of k fails, before its own outcome says so; none otherwise.

        A join that fails though nothing before it did, since too few edges were taken, has a failure of its own.
        """
        if self.lacks_edges(place, node):
            return [place.begins_at(node)]
        if self._way_in(place, node) is Status.FAILED:
            blocked = [edge for edge in place.into(node) if self.way(place, edge) is Way.BLOCKED]
            return _each_once(key for edge in blocked for key in self.errors_of(place, place.find(edge.source)))
        begins = self.facts.outcomes.get(place.begins_at(node))
        if begins is None or isinstance(node, (Step, Wait, Sleep, Verdict)):
            return []
        if begins.failed:
            return [place.begins_at(node)]
        if self._status_inside(place, node) is not Status.FAILED:
            return []
        return [key for inside in self.inside(place, node) for key in self.errors_in(inside)]

    def lacks_edges(self, place: Place, node: PlacedNode) -> bool:
        """Whether it is a join that fails though nothing before it did: too few of its edges were taken."""
        is_blocked = any(self.way(place, edge) is Way.BLOCKED for edge in place.into(node))
        return self._way_in(place, node) is Status.FAILED and not is_blocked

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


def _each_once(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(keys))
