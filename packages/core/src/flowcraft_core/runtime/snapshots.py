"""A run's facts as JSON data: ``RunResult.state`` and ``Client.export`` give it; ``resume`` and ``Replay`` read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from ..blueprint import Blueprint
from ..errors import ResumeError
from ..graph.compile import compile_blueprint
from ..graph.facts import Answer, NodeError, Suspension, Undone
from ..graph.fold import claims
from ..graph.instances import Claim, Instance
from ..graph.records import (
    answer_to_record,
    outcome_from_record,
    outcome_to_record,
    suspension_from_record,
    suspension_to_record,
)
from ..graph.scopes import Graph
from ..graph.state import RunState
from ..graph.undoing import Undoing
from ..serialization import Serializer
from ..traces import Trace, trace_of

SNAPSHOT_FORMAT = 1


def snapshot_of(
    *,
    run_id: str,
    graph: Graph,
    graphs: Iterable[Graph],
    state: RunState,
    status: str,
    errors: Iterable[NodeError],
    ended: Iterable[Instance],
    suspensions: Mapping[str, Suspension],
    answers: Mapping[str, Answer],
    serializer: Serializer,
    trace: Trace | None = None,
    undone: Mapping[str, Undone] | None = None,
    unsure: Iterable[str] = (),
) -> dict[str, Any]:
    """The facts of a run.

    Args:
        run_id: The run.
        graph: Its blueprint.
        graphs: Its blueprint and all that it can call.
        state: What the facts say.
        status: Where it stands.
        errors: Why it has failed.
        ended: The instances that have an outcome.
        suspensions: What is suspended, by instance.
        answers: What waits are to go on with that were not reached, by instance.
        serializer: For the values.
        trace: Where its spans belong.
        undone: What was undone, by instance.
        unsure: The keys of the instances that were cut off when it ended.
    """
    encode = serializer.to_data
    return {
        "format": SNAPSHOT_FORMAT,
        "run": run_id,
        "blueprint": graph.blueprint.id,
        "blueprints": [each.blueprint.to_dict() for each in graphs],
        "context": {name: encode(value) for name, value in state.context.items()},
        "status": status,
        "errors": [attrs.asdict(error) for error in errors],
        "claims": dict(claims(state)),
        "outcomes": {instance.key: outcome_to_record(instance.outcome, encode) for instance in ended},
        "suspensions": {key: suspension_to_record(suspension) for key, suspension in suspensions.items()},
        **({"answers": {key: answer_to_record(each, encode) for key, each in answers.items()}} if answers else {}),
        **({"undone": {key: attrs.asdict(each) for key, each in undone.items()}} if undone else {}),
        **({"unsure": sorted(unsure)} if unsure else {}),
        **({} if trace is None else trace.fields()),
    }


@attrs.frozen
class Begun:
    """What a snapshot's run began with.

    Attributes:
        run_id: The run.
        graph: Its blueprint, compiled.
        graphs: That and all that it can call, by id.
        context: Its initial context values.
        trace: Where its spans belong, if it was traced.
    """

    run_id: str
    graph: Graph
    graphs: Mapping[str, Graph]
    context: Mapping[str, Any]
    trace: Trace | None = None

    @classmethod
    def of(cls, snapshot: Mapping[str, Any], serializer: Serializer) -> Begun:
        """Read it.

        Raises:
            ResumeError: The snapshot has another format.
            KeyError, TypeError, ValueError, AttributeError: It is none.
        """
        if snapshot["format"] != SNAPSHOT_FORMAT:
            raise ResumeError(f"the state has format {snapshot['format']!r}; this version reads {SNAPSHOT_FORMAT}")
        graphs = {data["id"]: compile_blueprint(Blueprint.from_json(data)) for data in snapshot["blueprints"]}
        values = {name: serializer.from_data(value) for name, value in snapshot["context"].items()}
        return cls(snapshot["run"], graphs[snapshot["blueprint"]], graphs, values, trace_of(snapshot))


@attrs.frozen
class Restored:
    """Where a state stands that has taken in a snapshot's facts.

    Attributes:
        ended: The instances that have an outcome, each after those before it.
        suspended: Those that are suspended, with their suspensions.
        frontier: Those that are to run.
        unclaimed: Joins of some that are to be claimed.
    """

    ended: list[Instance] = attrs.field(factory=list)
    suspended: list[tuple[Instance, Suspension]] = attrs.field(factory=list)
    frontier: list[Instance] = attrs.field(factory=list)
    unclaimed: list[Claim] = attrs.field(factory=list)


def restore(state: RunState, snapshot: Mapping[str, Any], decode: Callable[[Any], Any]) -> Restored:
    """Take the facts of a snapshot into a state that knows of none, and stands where its run began.

    Args:
        state: The state; what is ready in it is taken from it.
        snapshot: The snapshot.
        decode: Reads values.
    """
    outcomes: Mapping[str, Any] = snapshot["outcomes"]
    standing: dict[str, list[int]] = dict(snapshot["claims"])
    suspensions: Mapping[str, Any] = snapshot["suspensions"]
    undone, unsure = set(snapshot.get("undone", ())), set(snapshot.get("unsure", ()))
    restored = Restored()
    while True:
        while state.wanted:
            claim = state.wanted.popleft()
            places = standing.pop(claim.scope.key(claim.vertex), None)
            if places is None:
                restored.unclaimed.append(claim)
            else:
                for slot, place in enumerate(places):
                    state.claim(claim.scope, claim.vertex, slot, place)
        instance = state.ready.popleft() if state.ready else _lost(state, outcomes)
        if instance is None and (_claim_lost(state, standing) or _take_undone(state, undone, unsure)):
            continue
        if instance is None:
            return restored
        key = instance.key
        if key in outcomes:
            restored.ended.append(instance)
            state.add(instance.scope, instance.vertex, outcome_from_record(outcomes[key], decode))
        elif key in suspensions:
            restored.suspended.append((instance, suspension_from_record(suspensions[key])))
        else:
            restored.frontier.append(instance)


def _lost(state: RunState, outcomes: Mapping[str, Any]) -> Instance | None:
    """An instance that has an outcome and is not told to be ready: it lost a race, and ended all the same."""
    there = (instance for scope in state.root.walk() for instance in scope.instances())
    return next((each for each in there if each.vertex.index not in each.scope.outcomes and each.key in outcomes), None)


def _claim_lost(state: RunState, claims: dict[str, list[int]]) -> bool:
    """Take in claims that nothing wants: their join lost a race. Whether there were some among those left over."""
    there = (instance for scope in state.root.walk() for instance in scope.instances())
    late = next((each for each in there if each.key in claims), None) if claims else None
    if late is not None:
        for slot, place in enumerate(claims.pop(late.key)):
            state.claim(late.scope, late.vertex, slot, place)
    return late is not None


def _take_undone(state: RunState, undone: set[str], unsure: set[str]) -> bool:
    """Take in which calls are undone, once all that is inside of them is known; whether there were some."""
    calls = [call for call in state.to_undo if not Undoing(call, set(undone), unsure).ready()]
    for call in calls:
        state.to_undo.remove(call)
        state.undone(call)
    return bool(calls)
