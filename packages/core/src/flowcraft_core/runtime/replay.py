"""Goes through a recorded run, one instance after the other, and executes any of them again where it stood then."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from ..errors import ResumeError, SerializationError
from ..graph import decisions
from ..graph.compile import missing_calls
from ..graph.facts import Attempt, Outcome, Suspension
from ..graph.instances import Instance
from ..graph.records import outcome_from_record
from ..graph.scopes import Kind
from ..graph.state import RunState
from ..serialization import Serializer
from ..steps import Implementation
from .runtime import FlowRuntime
from .snapshots import Begun

# What reading a recording can raise of which a part is missing, or is something else.
_UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, SerializationError)


@attrs.frozen
class Recorded:
    """An instance of a recorded run, as it was found when it ended.

    Attributes:
        key: Its key.
        node_id: Its node.
        uses: The name of its step.
        is_step: Whether it is a step, rather than the bookkeeping of a loop, batch or subflow, a wait or a sleep.
        input: What it was given.
        outcome: What it ended with.
    """

    key: str
    node_id: str
    uses: str
    is_step: bool
    input: Any
    outcome: Outcome
    _instance: Instance = attrs.field(repr=False, eq=False)


class Replay:
    """A recorded run. Iterate over it once: each instance comes when all that it could know of then is known again.

    Nothing is executed, and nothing that was stored is changed. While an instance is at hand, ``execute`` runs its
    step again on this machine, with the input and the context values of then.

    Attributes:
        run_id: The run.
        blueprint_id: Its flow.
        status: Where it stood when it was recorded.
        total: How many instances have an outcome.
    """

    def __init__(self, recorded: str, runtime: FlowRuntime | None = None) -> None:
        """Read a recorded run.

        Args:
            recorded: What ``Client.export`` or ``RunResult.state`` gave.
            runtime: Brings the steps, if some are to be executed, and the serializer.

        Raises:
            ResumeError: It is no recorded run.
        """
        self._runtime = runtime
        serializer = Serializer() if runtime is None else runtime.serializer
        try:
            snapshot: Mapping[str, Any] = json.loads(recorded)
            self._begun = Begun.of(snapshot, serializer)
            decode = serializer.from_data
            self._outcomes = {key: outcome_from_record(each, decode) for key, each in snapshot["outcomes"].items()}
            self._claims = {str(key): [int(place) for place in each] for key, each in snapshot["claims"].items()}
            self.status = str(snapshot["status"])
            missing = missing_calls(self._begun.graphs, [self._begun.graph.blueprint.id])
        except _UNREADABLE as error:
            raise _no_recording(error) from error
        if missing:
            raise ResumeError(f"this is no recorded run: {missing[0]}")
        self.run_id = self._begun.run_id
        self.blueprint_id = self._begun.graph.blueprint.id
        self.total = len(self._outcomes)

    def __iter__(self) -> Iterator[Recorded]:
        """The instances, in the order in which they ended.

        Raises:
            ResumeError: It is no recorded run: a part of it is missing.
        """
        going = self._through()
        while True:
            try:
                recorded = next(going)
            except StopIteration:
                return
            except _UNREADABLE as error:
                raise _no_recording(error) from error
            yield recorded

    def _through(self) -> Iterator[Recorded]:
        state = RunState(self._begun.graph, self._begun.graphs.__getitem__, self._begun.context)
        waiting: list[Instance] = []
        while True:
            while state.wanted:
                claim = state.wanted.popleft()
                for slot, place in enumerate(self._claims.get(claim.scope.key(claim.vertex), ())):
                    state.claim(claim.scope, claim.vertex, slot, place)
            waiting += [instance for instance in state.ready if instance.key in self._outcomes]
            state.ready.clear()
            # What has lost a race is ready no more when its turn comes, and ended all the same.
            waiting = waiting or self._lost(state)
            if not waiting:
                return
            instance = min(waiting, key=lambda each: self._outcomes[each.key].ended)
            waiting.remove(instance)
            outcome = self._outcomes[instance.key]
            yield self._recorded(instance, outcome)
            state.add(instance.scope, instance.vertex, outcome)
            while state.to_undo:  # what came after that is recorded: so it was done
                state.undone(state.to_undo.popleft())

    def _recorded(self, instance: Instance, outcome: Outcome) -> Recorded:
        scope, vertex = instance
        value: Any = None
        if vertex.kind is not Kind.EXIT:
            value = decisions.input_of(scope, vertex)
        return Recorded(instance.key, vertex.id, vertex.node.uses, vertex.is_called, value, outcome, instance)

    def _lost(self, state: RunState) -> list[Instance]:
        return [
            instance
            for scope in state.root.walk()
            for instance in scope.instances()
            if instance.vertex.index not in scope.outcomes and instance.key in self._outcomes
        ][:1]

    async def execute(
        self, recorded: Recorded, around: Callable[[Implementation], Implementation] | None = None
    ) -> Outcome | Suspension:
        """Make one attempt at the instance that is at hand. Its outcome is given, and not taken in.

        Args:
            recorded: What the iteration gave last.
            around: Makes another implementation of the one that is to be called: one that stops in a debugger, say.

        Raises:
            ImplementationMissingError: The runtime has no such step.
            ResumeError: There is no runtime.
        """
        if self._runtime is None:
            raise ResumeError("a Replay needs a FlowRuntime with the flow's steps to execute one")
        executor = self._runtime.executor(self.run_id, self._begun.graphs)
        if around is not None:
            find, wrap = executor.implementations, around
            executor.implementations = lambda blueprint, uses: wrap(find(blueprint, uses))
        outcome = recorded.outcome
        last = Attempt(outcome.attempts, standing_in=outcome.via is not None, primary_error=outcome.primary_error)
        return await executor.attempt(recorded._instance, last)


def _no_recording(error: Exception) -> ResumeError:
    told = str(error) if isinstance(error, SerializationError) else repr(error)
    return ResumeError(f"this is no recorded run: {told}")
