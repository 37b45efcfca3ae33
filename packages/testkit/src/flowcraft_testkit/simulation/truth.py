"""What is really stored, and whether each thing that happens to it may happen.

The facts are fed to a state of the pure core in the order in which they are stored. So at any moment it is known which
instances have ever become ready, whatever the programs believe; and at the end, what the facts alone come to.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from flowcraft_core.durable.ends import ABANDONED_KEY, END_KEY, call_undone, undone_by
from flowcraft_core.durable.storage import BLUEPRINTS, claimed_by
from flowcraft_core.graph.facts import Outcome
from flowcraft_core.graph.failures import errors_of
from flowcraft_core.graph.fold import context_of, outputs_of
from flowcraft_core.graph.instances import Instance, Phase, ScopeState
from flowcraft_core.graph.pages import Pages
from flowcraft_core.graph.positions import to_sortable
from flowcraft_core.graph.records import outcome_from_record
from flowcraft_core.graph.scopes import Graph, Link, Vertex
from flowcraft_core.graph.state import RunState
from flowcraft_core.graph.undoing import Undoing
from flowcraft_core.payloads import CompressingCodec, place_of
from flowcraft_core.ports import Fact, RunStatus
from flowcraft_core.serialization import Serializer

from ..memory import InMemoryBackend

_LIVE = ("running", "awaiting")

# How the key of a construct's entry ends. Every other key with a colon is of something else than an outcome.
_ENTRY = ":entry"


class Truth:
    """Watches what is stored.

    Attributes:
        backend: What is watched.
        runs: The runs that there are.
    """

    def __init__(
        self,
        backend: InMemoryBackend,
        graph: Graph,
        graphs: Mapping[str, Graph],
        context: Mapping[str, Any],
        blame: Callable[[str], None],
        serializer: Serializer | None = None,
    ) -> None:
        """Watch.

        Args:
            backend: What is watched.
            graph: The blueprint of the runs.
            graphs: All blueprints, by id.
            context: What each run is started with.
            blame: Called with what was done that may not be.
            serializer: What the programs use.
        """
        self.backend = backend
        self.runs: dict[str, RunFacts] = {}
        self._new_state: Callable[[], RunState] = lambda: RunState(graph, graphs.__getitem__, context)
        self._undoes = any(each.undoes for each in graphs.values())
        self._blame = blame
        self._codec = CompressingCodec()
        self._decode = (serializer or Serializer()).from_data

    def run(self, run_id: str) -> RunFacts:
        """A run's facts."""
        if run_id not in self.runs:
            self.runs[run_id] = RunFacts(self._new_state())
        return self.runs[run_id]

    # --- what happens ---------------------------------------------------------------------------------------------

    def before(self, operation: str, args: Any) -> Any:
        """What a call of a port is about to change, as it is now; for ``after``."""
        if operation in ("status.touch", "status.finish", "status.create"):
            return self.status(args[0] if isinstance(args[0], str) else args[0].run_id)
        if operation == "context.apply":
            return self.position(args[0], args[1])
        return None

    def after(self, operation: str, args: Any, answer: Any, seen: Any) -> None:
        """Take in what a call of a port has changed.

        Args:
            operation: The port and its method.
            args: What it was called with.
            answer: What it gave.
            seen: What ``before`` has said.
        """
        if operation == "context.put":
            self.put(args[0], args[1])
        elif operation == "context.delete":
            self.deleted(args[0], args[1])
        elif operation == "context.apply":
            self.applied(args[0], args[1], seen)
        elif operation in ("status.touch", "status.finish"):
            told = operation == "status.finish" and answer is True
            status = self.status(args[0])
            self.changed(seen, status, told=told)
            if told and status is not None:
                self.ended(args[0], status.state)

    def put(self, run_id: str, key: str) -> None:
        """A fact may have been stored."""
        if run_id == BLUEPRINTS:
            return
        run, fact = self.run(run_id), self._newest(run_id, key)
        if fact is None:
            self._blame(f"{key!r} was put, and nothing is stored")
            return
        standing = run.facts.setdefault(key, fact)
        if standing != fact:
            self._blame(f"the fact {key!r} was changed after it was stored by job {standing.job!r:.10}")
        elif ":" not in key or key.endswith(_ENTRY):
            outcome = self._outcome(run_id, key, fact)
            if outcome.void and not run.stopped_around(key):
                self._blame(f"{key!r} was voided, and the run is not stopped, nor a call around that")
            run.take_in(key, outcome)
        elif key.endswith(END_KEY):
            self._look_at_end(run, key.removesuffix(END_KEY), self._record(run_id, key, fact)["state"])
        elif (call := call_undone(key)) is not None:
            self._look_at_undone(run, call)
        elif key == ABANDONED_KEY:
            run.abandoned = True
        elif (undone := undone_by(key)) is not None:
            self._look_at_undo(run, undone, "was undone")
            run.undone.add(undone)
        elif (claimed := claimed_by(key)) is not None:
            join, slot = claimed
            run.take_in(join, (slot, self._record(run_id, key, fact)["place"]))

    def undoing(self, run_id: str, instance: Instance, attempt: str) -> None:
        """An instance is about to be undone: the run must be stopped, and what came after it undone."""
        run = self.run(run_id)
        name = f"undo of {instance.key}{attempt}"
        run.executed[name] = run.executed.get(name, 0) + 1
        if instance.key not in run.undone:  # else somebody has lost a race, and nothing comes of it
            self._look_at_undo(run, instance.key, "is about to be undone")

    def _look_at_undo(self, run: RunFacts, key: str, what: str) -> None:
        stopped = run.stopped_around(key)
        if not stopped:
            self._blame(f"{key!r} {what}, and the run is not stopped, nor a call around that")
            return
        closed = [root for root in stopped if not run.left(root)]
        if not closed:
            self._blame(f"{key!r} {what}, and {run.left(stopped[-1])} are ready and may still have an outcome")
        elif key not in run.undone and key not in (due := [one for root in closed for one in run.to_undo(root)]):
            self._blame(f"{key!r} {what}, and by the facts that are stored it is not due: {due} are")

    def _look_at_end(self, run: RunFacts, root: str, state: str) -> None:
        """It was said how a run ends, or a call: that has failed by the facts that are stored."""
        if root and root not in run.ends and run.call_to_undo(root) is None:
            self._blame(f"{root!r} was stopped, and by the facts that are stored it has not failed")
        run.ends.setdefault(root, state)

    def _look_at_undone(self, run: RunFacts, root: str) -> None:
        """It was said that a call is undone: nothing is left to undo of it."""
        if root not in run.ends:
            self._blame(f"{root!r} was said to be undone, and was not stopped")
        elif (left := run.left(root)) or (left := run.to_undo(root)):
            self._blame(f"{root!r} was said to be undone, and {left} are left")
        run.take_in_undone(root)

    def deleted(self, run_id: str, key: str) -> None:
        """A fact was deleted: only chunks that a writer who came second has left may be, in a run that lives."""
        status = self.status(run_id)
        if ":chunk:" not in key and status is not None and status.state in _LIVE:
            self._blame(f"the fact {key!r} was deleted while the run was {status.state}")

    def applied(self, run_id: str, name: str, before: str | None) -> None:
        """A context value may have been applied, where one of the position ``before`` stood."""
        standing = self.position(run_id, name)
        if before is not None and (standing is None or standing < before):
            self._blame(f"the context value {name!r} went back to an earlier position")

    def changed(self, before: RunStatus | None, after: RunStatus | None, *, told: bool) -> None:
        """A status may have been changed; the caller was told whether it was."""
        if before is None or before.state == "dead":
            return
        if before.state not in _LIVE and before != after:
            self._blame(f"the status was {before.state}, and was changed")
        if told and before.state not in _LIVE:
            self._blame(f"the status was {before.state} already, and a second caller was told that it was the first")

    def ended(self, run_id: str, state: str) -> None:
        """A run has ended: as its end says, if its flows name an undo, and with nothing left to undo."""
        run = self.run(run_id)
        if self._undoes and run.ends.get("") != state:
            self._blame(f"the run ended {state}, and was to end {run.ends.get('')}")
        if state != "completed" and not run.abandoned and (due := run.to_undo()):
            self._blame(f"the run ended {state}, and {due} are not undone")

    def executing(self, run_id: str, instance: Instance, attempt: str) -> None:
        """An instance is about to be executed: what comes before it must be stored, and its values applied."""
        run, key = self.run(run_id), instance.key
        run.executed[key + attempt] = run.executed.get(key + attempt, 0) + 1
        found = run.ready.get(key) or run.unneeded(key)
        if found is None:
            self._blame(f"{key!r} was executed, but by the facts that are stored it is not ready")
            return
        scope, vertex = found
        for link in _leading(scope, vertex):
            outcome = scope.outcomes.get(link.source)
            if outcome is None or not outcome.sets:
                continue
            source = scope.scope.vertices[link.source]
            least = to_sortable(scope.position(source))
            for name in outcome.sets:
                standing = self.position(run_id, scope.namespace.prefix + name)
                if standing is None or standing < least:
                    self._blame(f"{key!r} was executed before {name!r} was applied, which {source.id!r} has set")

    # --- looks ----------------------------------------------------------------------------------------------------

    def status(self, run_id: str) -> RunStatus | None:
        """A run's status."""
        return self.backend._world.statuses.get(run_id)

    def position(self, run_id: str, name: str) -> str | None:
        """The position of the standing context value."""
        record = self.backend._world.values._records.get((run_id, name))
        return record.newest.position if record and record.newest else None

    def _newest(self, run_id: str, key: str) -> Fact | None:
        record = self.backend._world.facts._records.get((run_id, key))
        return record.newest if record else None

    def _outcome(self, run_id: str, key: str, fact: Fact) -> Outcome:
        """What an outcome says, with all that stands in pages beside it."""
        outcome = outcome_from_record(self._record(run_id, key, fact), self._decode)
        if isinstance(outcome.items, Pages):
            outcome.items = tuple(self._members(run_id, key, outcome.items))
        if isinstance(outcome.output, Pages):
            outcome.output = self._members(run_id, key, outcome.output)
        return outcome

    def _members(self, run_id: str, key: str, pages: Pages) -> list[Any]:
        members: list[Any] = []
        for number in range(pages.count):
            name = f"{key}:chunk:{pages.token}:{number}"
            fact = self._newest(run_id, name)
            if fact is None:
                self._blame(f"{key!r} was stored before its page {number} was")
            else:
                members += [self._decode(item) for item in self._record(run_id, name, fact)["items"]]
        return members

    def _record(self, run_id: str, key: str, fact: Fact) -> dict[str, Any]:
        """What a body says, read as a stranger would."""
        body = fact.body[1:]
        if fact.body[:1] == b"c":
            token, count = json.loads(body)
            chunks = [self._newest(run_id, f"{key}:chunk:{token}:{index}") for index in range(count)]
            if None in chunks:
                self._blame(f"{key!r} was stored before its chunks were")
            body = b"".join(chunk.body[1:] for chunk in chunks if chunk)
        record: dict[str, Any] = json.loads(self._codec.decode(body, place=place_of(run_id, key, "fact")))
        return record


@attrs.define(eq=False)
class RunFacts:
    """The facts of one run, and what they come to.

    Attributes:
        state: What they come to.
        facts: Each fact, as it was stored first.
        ready: The instances that have ever become ready, by key.
        executed: How often each attempt at each was executed.
        outcomes: The outcomes, by key.
        claims: Of each claimed join the places of the edges that hold its slots, by key and slot.
        ends: The state in which it is to end, and each call of it that was stopped, by root, once that stands.
        abandoned: Whether it is to be undone no further.
        undone: The keys of the instances whose undo has ended.
    """

    state: RunState
    facts: dict[str, Fact] = attrs.field(factory=dict)
    ready: dict[str, Instance] = attrs.field(factory=dict)
    executed: dict[str, int] = attrs.field(factory=dict)
    outcomes: dict[str, Outcome] = attrs.field(factory=dict)
    claims: dict[str, dict[int, int]] = attrs.field(factory=dict)
    ends: dict[str, str] = attrs.field(factory=dict)
    abandoned: bool = False
    undone: set[str] = attrs.field(factory=set)
    _early: deque[tuple[str, Outcome | tuple[int, int]]] = attrs.field(factory=deque)
    _fed: set[str] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self._look()

    def take_in(self, key: str, fact: Outcome | tuple[int, int]) -> None:
        """Take in an outcome, or who holds a slot of a join; what comes before its scope exists waits for it."""
        name = f"{key} {'' if isinstance(fact, Outcome) else fact[0]}"
        if name in self._fed:
            return
        self._fed.add(name)
        if isinstance(fact, Outcome):
            self.outcomes[key] = fact
        else:
            self.claims.setdefault(key, {})[fact[0]] = fact[1]
        self._early.append((key, fact))
        self._take_in_early()

    def _take_in_early(self) -> None:
        self._look()
        progress = True
        while progress and self._early:
            progress = False
            there = {instance.key: instance for instance in self._instances()}
            for _ in range(len(self._early)):
                early = self._early.popleft()
                instance = there.get(early[0])
                if instance is None:
                    self._early.append(early)
                elif isinstance(early[1], Outcome):
                    self.state.add(*instance, early[1])
                    progress = True
                else:
                    self.state.claim(*instance, *early[1])
                    progress = True
            self._look()

    @property
    def orphans(self) -> list[str]:
        """The keys of facts about instances that the run cannot have."""
        return [key for key, _ in self._early]

    @property
    def keys(self) -> set[str]:
        """The keys of the outcomes; void ones are none."""
        return {key for key, outcome in self.outcomes.items() if not outcome.void}

    @property
    def phase(self) -> Phase:
        """How the run stands by its facts."""
        return self.state.phase

    def results(self) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
        """Outputs, context and errors, by the facts."""
        return outputs_of(self.state), context_of(self.state), [str(error) for error in errors_of(self.state.root)]

    def unneeded(self, key: str) -> Instance | None:
        """An instance that only a join that fired elsewhere keeps from being ready.

        A worker that does not know of that join yet may start it; nothing comes of it.
        """
        for found in self._instances():
            if found.key == key:
                scope, vertex = found
                outcomes = ((scope.outcomes.get(link.source), link.place) for link in _leading(scope, vertex))
                led_to = not vertex.incoming or any(outcome and place in outcome.taken for outcome, place in outcomes)
                return found if led_to and scope.is_unneeded(vertex) else None
        return None

    def left(self, root: str = "") -> list[str]:
        """The keys of what is ready in the run, or in a call, and has no outcome."""
        return [
            key
            for key, (scope, vertex) in self.ready.items()
            if key.startswith(root) and vertex.index not in scope.outcomes and not scope.is_unneeded(vertex)
        ]

    def to_undo(self, root: str = "") -> list[str]:
        """The keys of the instances whose undo may begin, of the run's or a call's."""
        top = self.state.root if not root else self._call(root)
        return [] if top is None else [instance.key for instance in Undoing(top, set(self.undone)).ready()]

    def stopped_around(self, key: str) -> list[str]:
        """The roots of the run and of the calls around an instance, as far as they are stopped."""
        return [root for root, state in self.ends.items() if key.startswith(root) and state != "completed"]

    def call_to_undo(self, root: str) -> ScopeState | None:
        """The call with a root, if it has failed by the facts, and is to be undone before that counts."""
        return next((call for call in self.state.to_undo if call.prefix == root), None)

    def take_in_undone(self, root: str) -> None:
        """Take in that a call is undone."""
        call = self._call(root)
        if call is not None and not call.undone:
            self.state.undone(call)
            self._take_in_early()

    def _call(self, root: str) -> ScopeState | None:
        return next((scope for scope in self.state.root.walk() if scope.prefix == root), None)

    def _instances(self) -> Iterator[Instance]:
        for scope in self.state.root.walk():
            yield from scope.instances()

    def _look(self) -> None:
        self.state.wanted.clear()
        while self.state.ready:
            instance = self.state.ready.popleft()
            self.ready[instance.key] = instance


def _leading(scope: ScopeState, vertex: Vertex) -> Sequence[Link]:
    """The edges that an instance goes by: of a join of some those that hold its slots, once all stand."""
    return scope.winners(vertex) if vertex.quorum else vertex.incoming
