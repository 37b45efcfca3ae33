"""What is known of a run, told of all instances of a node together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import attrs

from ..graph.facts import Suspension
from ..graph.instances import Instance, ScopeState
from ..graph.scopes import Construct, Kind, Link, Vertex
from ..graph.standing import InstanceState, Standing, insides
from ..graph.state import RunState
from .shapes import Look

# Of several instances in several states people want to know of this one first.
_FIRST: tuple[InstanceState, ...] = (
    *("failed", "running", "ready", "retrying", "waiting", "sleeping", "blocked", "handled"),
    *("done", "pending", "void", "unneeded", "dead"),
)
#: How often an edge was taken where there is no run, and how it is drawn.
NOT_RUN: tuple[int, Look] = (0, "open")
_LIVE: tuple[InstanceState, ...] = ("running", "ready", "retrying", "waiting", "sleeping")
_OVER = ("done", "failed", "handled", "blocked", "void", "unneeded", "dead")


@attrs.frozen(kw_only=True)
class RunFacts:
    """What is known of a run.

    Attributes:
        run_id: The run.
        status: Where it stands.
        state: What its facts say.
        suspensions: What is suspended, by key.
        to_run: The instances that are to run, or to go on.
        under_way: The keys of those at which somebody is.
        undone: The keys of those that were undone.
    """

    run_id: str
    status: str
    state: RunState
    suspensions: Mapping[str, Suspension]
    to_run: Collection[Instance]
    under_way: Collection[str] = ()
    undone: Collection[str] = ()

    @property
    def title(self) -> str:
        """The run, for what stands above."""
        return f"{self.run_id} · {self.status}"

    def standing(self) -> Standing:
        """Where each instance stands."""
        to_run = frozenset((id(scope), vertex.index) for scope, vertex in self.to_run)
        return Standing(self.suspensions, to_run)


def short(fallback: str) -> str:
    """A fallback, or an undo, as it is shown: one that is no node has its name from its node, which says nothing."""
    return fallback.rpartition("/")[2]


def often(times: int) -> str:
    """How often, where that is not once."""
    return f"\u00d7{times:,}" if times > 1 else ""


class Tally:
    """What is known of the instances of one scope, all together."""

    def __init__(self, run: RunFacts, scopes: Sequence[ScopeState], standing: Standing | None = None) -> None:
        """Begin.

        Args:
            run: What is known of the run.
            scopes: The instances of the scope: its passes, items or calls.
            standing: Where instances stand, if somebody has made that already.
        """
        self._run = run
        self._scopes = scopes
        self._standing = standing or run.standing()
        self._counts: dict[int, Counter[InstanceState]] = {}

    def inside(self, construct: Construct) -> Tally:
        """That of what is inside a construct of this scope."""
        found = [inside for scope in self._scopes for inside in insides(scope, construct)]
        return Tally(self._run, found, self._standing)

    def scopes(self, construct: Construct) -> list[str]:
        """How many passes, items or calls there are, and have ended, in words; nothing if none was begun."""
        total = len(self._scopes)
        if not total or (construct.kind == "subflow" and total == 1):
            return []
        one, several = {"loop": ("pass", "passes"), "batch": ("item", "items")}.get(construct.kind, ("call", "calls"))
        what = one if total == 1 else several
        ended = sum(1 for scope in self._scopes if self._run.state.has_ended(scope))
        return [f"{total:,} {what}" if ended == total else f"{ended:,} of {total:,} {what}"]

    def state(self, vertex: Vertex) -> InstanceState:
        """Where the node's instances stand: of several states the one that people want to know of first."""
        counts = self._count(vertex)
        return next((state for state in _FIRST if counts[state]), "pending")

    def told(self, vertex: Vertex) -> list[str]:
        """What there is to know of the node's instances: how many are in which state, or what became of the one."""
        counts = self._count(vertex)
        if counts.total() > 1:
            parts = [f"{count:,} {state}" for state, count in counts.most_common()]
            return [", ".join(parts)] if vertex.kind is not Kind.ENTRY or len(counts) > 1 else []
        if counts.total() == 0:
            return []
        instance = self._scopes[0].at(vertex.index)
        outcome = instance.scope.outcomes.get(vertex.index)
        parts = [self.state(vertex)]
        if outcome is not None and vertex.kind is not Kind.ENTRY:
            parts += [outcome.action] if outcome.action is not None and vertex.kind is Kind.STEP else []
            parts += [f"{outcome.attempts} attempts"] if outcome.attempts > 1 else []
            parts += [f"by {short(outcome.via)}"] if outcome.via is not None else []
        parts += ["undone"] if instance.key in self._run.undone else []
        return parts

    def way(self, vertex: Vertex, link: Link) -> tuple[int, Look]:
        """How often an edge was taken, and how it is drawn."""
        places = [scope.outcomes.get(vertex.index) for scope in self._scopes]
        times = sum(1 for outcome in places if outcome is not None and link.place in outcome.taken)
        if times:
            leads_to: Mapping[InstanceState, int] = {}
            if link.target != vertex.index:
                leads_to = self._counts_at(link.target)
            return times, "flowing" if any(leads_to.get(state) for state in _LIVE) else "taken"
        counts = self._count(vertex)
        is_over = bool(counts) and all(state in _OVER for state in counts)
        return 0, "skipped" if is_over else "open"

    def stood_in(self, vertex: Vertex, node_id: str) -> int:
        """How often a fallback gave the result in the node's place."""
        places = [scope.outcomes.get(vertex.index) for scope in self._scopes]
        return sum(1 for outcome in places if outcome is not None and outcome.via == node_id)

    def _count(self, vertex: Vertex) -> Counter[InstanceState]:
        return self._counts_at(vertex.index)

    def _counts_at(self, index: int) -> Counter[InstanceState]:
        known = self._counts.get(index)
        if known is None:
            known = Counter(self._of(scope.at(index)) for scope in self._scopes)
            self._counts[index] = known
        return known

    def _of(self, instance: Instance) -> InstanceState:
        state = self._standing.of_instance(instance)
        return "running" if state == "ready" and instance.key in self._run.under_way else state
