"""What is told of one instance, from a whole state, its suspensions and hints. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs

from ...blueprint import SLEEP, WAIT
from ...errors import FlowcraftError
from ...graph import decisions
from ...graph.facts import DELETED, NodeError, Outcome, Suspension, Undone
from ...graph.instances import Instance, ScopeState
from ...graph.lanes import item_before
from ...graph.queues import is_bound, queue_of
from ...graph.scopes import Construct, Kind, Link, Vertex
from ...graph.standing import InstanceState, Standing
from ...graph.state import RunState
from .hints import Hints, pattern_of
from .levels import folded
from .shapes import FailedAttempt, Inside, InstanceDescription, InstanceKind, TakenEdge

_BUILT_IN: Mapping[str, InstanceKind] = {WAIT: "wait", SLEEP: "sleep"}
_REACHED = ("done", "failed", "handled", "ready", "waiting", "sleeping", "retrying", "running")


@attrs.frozen(eq=False)
class Teller:
    """Tells of instances.

    Attributes:
        state: A whole state.
        standing: What the facts say.
        suspensions: All suspensions of the instances that are told of, by instance key, in the order in which they
        came.
        lost: Of what need not run, and has ended all the same: the outcomes, by key, which count nowhere.
        hints: What workers say.
        started: When the run was started, seconds since the epoch.
        values: Whether inputs, outputs and the like are told.
        of_run: The queue that the run was started with.
        unserved: The queues that no worker says to serve.
        undone: What was undone, by instance key.
    """

    state: RunState
    standing: Standing
    suspensions: Mapping[str, Sequence[Suspension]]
    hints: Hints
    started: float
    values: bool = True
    lost: Mapping[str, Outcome] = attrs.field(factory=dict)
    of_run: str | None = None
    unserved: Collection[str] = ()
    undone: Mapping[str, Undone] = attrs.field(factory=dict)

    def tell(self, instance: Instance) -> InstanceDescription:
        """Describe an instance; a construct is given by its exit."""
        scope, vertex = instance
        construct = vertex.construct if vertex.kind is Kind.EXIT else None
        key, state = instance.key, self.standing.of_instance(instance)
        outcome = scope.outcomes.get(vertex.index) or self.lost.get(key)
        # A construct begins with its entry, in which it may fail, too.
        entry = instance if construct is None else scope.at(construct.entry)
        opening = outcome if construct is None else scope.outcomes.get(entry.vertex.index)
        ending = outcome or (opening if opening is not None and opening.error is not None else None)
        suspensions = self.suspensions.get(key, ())
        last = suspensions[-1] if suspensions else None
        kind, node = _kind(vertex, construct), vertex.node if construct is None else construct.node
        live = state in ("ready", "retrying")
        queue = queue_of(instance, self.of_run) if is_bound(vertex) else None
        attempts = outcome.attempts if outcome is not None else 0 if last is None else last.attempt
        return InstanceDescription(
            key=key,
            node_id=node.id,
            kind=kind,
            uses=node.uses,
            state=state,
            input=self._input(entry, state) if self.values else None,
            output=outcome.output if outcome is not None and self.values else None,
            action=None if outcome is None else outcome.action,
            errors=_errors(scope, vertex, ending),
            primary_error=None if outcome is None else outcome.primary_error,
            via=None if outcome is None else outcome.via,
            attempts=attempts,
            failed_attempts=tuple(_failed(suspension) for suspension in suspensions if suspension.kind == "retry"),
            ready_at=self._ready_at(entry) if state in _REACHED else None,
            started=_started(kind, opening, suspensions),
            ended=_known(ending.ended) if ending is not None else None,
            due=last.due if last is not None and outcome is None else None,
            worker=None if ending is None else ending.worker,
            taken=() if outcome is None else tuple(self._taken(vertex, outcome)),
            untaken=_untaken(vertex, outcome),
            sets=self._sets(outcome),
            deletes=tuple(name for name, value in (_sets(outcome)).items() if value is DELETED),
            under_way=self.hints.under_way.get(key) if live else None,
            passed_on=self.hints.passed_on.get(pattern_of(entry.key)) if live else None,
            queue=queue,
            limited=self.hints.limited.get(key, ()) if live else (),
            unserved=live and queue in self.unserved,
            inside=None if construct is None else self._inside(scope, construct),
            fork_from=tuple(self._fork_from(instance, entry, state)),
            joins=entry.vertex.quorum,
            undone=self.undone.get(key),
        )

    def _input(self, entry: Instance, state: InstanceState) -> Any:
        """What an instance was given: it follows from the facts before it, once they decide that it is to run."""
        if state not in _REACHED:
            return None
        try:
            return decisions.input_of(*entry)
        except (LookupError, FlowcraftError):
            return None  # it failed, or will, for want of it: its error says so

    def _ready_at(self, entry: Instance) -> float | None:
        """When the last of what leads to an instance ended; for one without ways in, what its scope began with."""
        scope, vertex = entry
        before = [scope.outcomes.get(link.source) for link in scope.winners(vertex) or vertex.incoming]
        if not vertex.incoming:
            before = [self._begun_by(scope)]
        ended = [outcome.ended for outcome in before if outcome is not None]
        if scope.parent is None and not vertex.incoming:
            return self.started
        return _known(max(ended, default=0.0))

    @staticmethod
    def _begun_by(scope: ScopeState) -> Outcome | None:
        parent, construct = scope.parent, scope.construct
        if parent is None or construct is None:
            return None
        if construct.kind == "loop" and scope.index:
            before = parent.inside[construct.entry].get(scope.index - 1)
            return None if before is None else before.outcomes.get(construct.verdict)
        if (index := item_before(scope)) is not None:
            before = parent.inside[construct.entry].get(index)
            ended = () if before is None else before.outcomes.values()
            return max(ended, key=lambda outcome: outcome.ended, default=None)
        return parent.outcomes.get(construct.entry)

    def _taken(self, vertex: Vertex, outcome: Outcome) -> list[TakenEdge]:
        edges: Sequence[Link] = vertex.out
        if vertex.kind is Kind.VERDICT and vertex.construct is not None and vertex.construct.feedback is not None:
            edges = (vertex.construct.feedback,)
        return [
            TakenEdge(target=link.target_id, action=link.action, on=link.on, value=self._carried(outcome, link.place))
            for link in edges
            if link.place in outcome.taken
        ]

    def _carried(self, outcome: Outcome, place: int) -> Any:
        return decisions.carried(outcome, place) if self.values else None

    def _sets(self, outcome: Outcome | None) -> dict[str, Any]:
        set_ = {name: value for name, value in _sets(outcome).items() if value is not DELETED}
        return set_ if self.values else dict.fromkeys(set_)

    def _inside(self, scope: ScopeState, construct: Construct) -> Inside | None:
        return folded(self.state, self.standing, scope, construct, self._busy(scope, construct))

    def _busy(self, scope: ScopeState, construct: Construct) -> int:
        prefixes = tuple(f"{scope.prefix}{construct.key}{mark}" for mark in "[./")
        return sum(1 for key in self.hints.under_way if key.startswith(prefixes))

    @staticmethod
    def _fork_from(instance: Instance, entry: Instance, state: InstanceState) -> list[str]:
        """An outcome can be dropped; what is ready, or suspended, is begun again in any fork."""
        if instance is entry:
            return [instance.key] if state in _REACHED else []
        return [each.key for each in (entry, instance) if each.vertex.index in each.scope.outcomes]


def _kind(vertex: Vertex, construct: Construct | None) -> InstanceKind:
    if construct is not None:
        return construct.kind
    return "verdict" if vertex.kind is Kind.VERDICT else _BUILT_IN.get(vertex.node.uses, "step")


def _errors(scope: ScopeState, vertex: Vertex, ending: Outcome | None) -> tuple[NodeError, ...]:
    if ending is not None and ending.error is not None:
        return (ending.error,)
    return scope.blame.get(vertex.index, ())


def _untaken(vertex: Vertex, outcome: Outcome | None) -> dict[str, str]:
    why = {} if outcome is None else outcome.untaken or {}
    return {link.target_id: why[link.place] for link in vertex.out if link.place in why}


def _started(kind: InstanceKind, opening: Outcome | None, suspensions: Sequence[Suspension]) -> float | None:
    """When the last attempt began; a wait or a sleep, whose outcome another one writes, when it was suspended."""
    if kind in ("wait", "sleep") and suspensions and suspensions[0].started:
        return suspensions[0].started
    return None if opening is None else _known(opening.started)


def _failed(suspension: Suspension) -> FailedAttempt:
    return FailedAttempt(
        number=suspension.attempt,
        error=suspension.error,
        retry_at=suspension.due,
        standing_in=suspension.standing_in,
        deferred=suspension.deferred,
        started=_known(suspension.started),
        ended=_known(suspension.ended),
        worker=suspension.worker,
    )


def _sets(outcome: Outcome | None) -> Mapping[str, Any]:
    return {} if outcome is None or outcome.sets is None else outcome.sets


def _known(time: float) -> float | None:
    """A time that was stored; an older version may have stored none."""
    return time or None
