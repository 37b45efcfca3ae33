"""What ``Client.describe`` gives: a run, one level of what is inside it, and what is told of its instances.

A *state* is said by facts, so it is never wrong, though it may lag for as long as the store's reads do. *Under way* and
*passed on* are hints that workers leave: they may be missing, late, or gone on from. Nothing of either is stored for
the sake of being shown, but for a few bytes of a fact that is written anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import attrs

from ...blueprint import On
from ...graph.facts import NodeError, Undone
from ...graph.standing import InstanceState
from ...ports import FinalState
from ..results import StoredRun
from .said import PassedOn, UnderWay

#: What an instance is: a step, one of the engine's own (``wait``, ``sleep``), a construct that can be opened, or the
#: verdict of a loop's pass.
InstanceKind: TypeAlias = Literal["step", "wait", "sleep", "loop", "batch", "subflow", "verdict"]


@attrs.frozen(kw_only=True)
class FailedAttempt:
    """An attempt after which there was another one.

    Attributes:
        number: How many attempts had failed with it: 1, 2, ...
        deferred: How often the step had asked, with it, to be tried again without that being an attempt.
        error: Why it failed.
        retry_at: When the next one was due.
        standing_in: Whether it was the fallback's.
        started: When it began; None if it was stored by a version that did not say.
        ended: When it ended, likewise.
        worker: Who made it, likewise.
    """

    number: int
    error: NodeError | None
    retry_at: float | None
    deferred: int = 0
    standing_in: bool = False
    started: float | None = None
    ended: float | None = None
    worker: str | None = None


@attrs.frozen(kw_only=True)
class TakenEdge:
    """A way on that an instance has taken.

    Attributes:
        target: Id of the node that it leads to.
        action: The edge's action, if it has one.
        on: After what it may be taken.
        value: What it carries; None where values were not asked for.
    """

    target: str
    action: str | None
    on: On
    value: Any


@attrs.frozen(kw_only=True)
class Way:
    """An edge of a level, as the blueprint draws it; constructs are nodes there.

    Attributes:
        source: Id of the node that it leads from.
        target: Id of the node that it leads to.
        into: The node that is entered by it, as ``TakenEdge.target`` has it: of a loop the one that a pass begins with.
        action: Its action, if it has one.
        on: After what it may be taken.
        condition: The text of its condition, likewise.
    """

    source: str
    target: str
    into: str
    action: str | None
    on: On
    condition: str | None


@attrs.frozen(kw_only=True)
class Inside:
    """What is inside a loop, batch or subflow, folded; ``describe(run_id, inside=instance.key)`` opens it.

    Attributes:
        scopes: How many items the batch has, passes the loop has had so far, or calls there are.
        ended: How many of them have ended.
        counts: How many instances are in each state, those of all items or passes together; a construct in there is one
            instance. States that none is in are left out.
        under_way: How many of them are under way for longer than a moment, at any depth. A hint.
    """

    scopes: int
    ended: int
    counts: Mapping[InstanceState, int]
    under_way: int = 0


@attrs.frozen(kw_only=True)
class InstanceDescription:
    """One instance; a loop, batch or subflow is one, with what is inside folded.

    Times are seconds since the epoch. Values (``input``, ``output``, the edges' and those of ``sets``) are None where
    they were not asked for.

    Attributes:
        key: Its key, as in logs, errors and ``Client.fork``.
        node_id: The node's id.
        kind: What it is.
        uses: The name of the implementation.
        state: Where it stands by the facts.
        input: What it was given, or will be once it runs; None if that is not decided yet.
        output: What it gave.
        action: Its result's action.
        errors: Why it has failed, or what blocks it; for a step its own error, with a traceback if one was kept.
        primary_error: Why the node's own step failed, where a fallback stood in.
        via: The fallback that gave the result in the node's place.
        attempts: How many attempts it took, or has had; 0 if none has ended.
        failed_attempts: Those after which there was another one.
        ready_at: When it became ready, as far as the facts tell.
        started: When its last attempt began; of a construct: when it was entered.
        ended: When it ended.
        due: When it goes on by itself: a sleep, a wait with a timeout, a next attempt.
        worker: Who has ended it; None if nobody said so.
        taken: The ways on that it has taken.
        untaken: Those that it would have taken after its failure, had an expression not failed: why, by their targets.
        sets: The context values that it has set, by name; what it deleted is in ``deletes``.
        deletes: The names that it has deleted.
        under_way: That a worker is at it; a hint.
        passed_on: That workers pass its node's jobs on; a hint.
        queue: The queue whose workers run it; None for what the engine does itself.
        unserved: It is to run, and no worker says to serve its queue, which is none of the default; a hint.
        limited: The limits, with their keys, for a place under which it waits; a hint.
        inside: What is inside, if it is a construct that was entered.
        fork_from: The keys from which ``Client.fork`` can begin again here: of a construct that of its entry, which
            does all of it again, and its own, which only ends it again.
        joins: With how many of its ways in it goes on, whichever come first; 0 if it waits for all.
        undone: That it was undone, or that its undo has failed for good; None if it was not, or not yet.
    """

    key: str
    node_id: str
    kind: InstanceKind
    uses: str
    state: InstanceState
    input: Any = None
    output: Any = None
    action: str | None = None
    errors: tuple[NodeError, ...] = ()
    primary_error: NodeError | None = None
    via: str | None = None
    attempts: int = 0
    failed_attempts: tuple[FailedAttempt, ...] = ()
    ready_at: float | None = None
    started: float | None = None
    ended: float | None = None
    due: float | None = None
    worker: str | None = None
    taken: tuple[TakenEdge, ...] = ()
    untaken: Mapping[str, str] = attrs.field(factory=dict)
    sets: Mapping[str, Any] = attrs.field(factory=dict)
    deletes: tuple[str, ...] = ()
    under_way: UnderWay | None = None
    passed_on: PassedOn | None = None
    queue: str | None = None
    unserved: bool = False
    limited: tuple[str, ...] = ()
    inside: Inside | None = None
    fork_from: tuple[str, ...] = ()
    joins: int = 0
    undone: Undone | None = None

    @property
    def standing(self) -> str:
        """The state in a word for people, with what the hints say.

        Of what is ``ready`` that is ``under way``, ``passed on``, ``waits for limit`` so-and-so, ``no worker`` for its
        queue, or ``next``.
        """
        if self.state not in ("ready", "retrying"):
            return self.state
        if self.under_way is not None:
            return "under way"
        if self.passed_on is not None:
            return "passed on"
        if self.limited:
            return f"waits for limit {', '.join(self.limited)}"
        if self.unserved:
            return "no worker"
        return "next" if self.state == "ready" else self.state


@attrs.frozen(kw_only=True)
class Stopped:
    """That a run was stopped: what it has done is undone before it ends.

    Attributes:
        state: The state that it ends in.
        reason: Why; None for the failures that ``RunDescription.errors`` tells.
        at: When.
        abandoned: Why no more is to be undone, if somebody has said so.
        undone: How many instances are undone.
        failed: Those whose undo has failed for good; at most ``MOST_TOLD``.
        next: The keys of the instances whose undo is under way or may begin; at most ``MOST_TOLD``.
    """

    state: FinalState
    reason: str | None
    at: float
    abandoned: str | None = None
    undone: int = 0
    failed: tuple[Undone, ...] = ()
    next: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class OpenWait:
    """Something that goes on when somebody resumes it, or when its time has come.

    Attributes:
        key: The instance: what ``Client.resume`` takes.
        node_id: The node.
        kind: ``wait`` for a resume, ``sleep`` for a time, ``retry`` for the next attempt.
        due: When it goes on by itself, or reminds; None if only a resume ends it.
        reason: For a retry: the error of the last attempt. For a wait: that of its last reminder, if it has failed.
        reminded: For a wait: how often it has reminded.
    """

    key: str
    node_id: str
    kind: Literal["wait", "sleep", "retry"]
    due: float | None
    reason: str | None = None
    reminded: int = 0


@attrs.frozen(kw_only=True)
class RunDescription:
    """A run, and one level of what is inside it.

    Attributes:
        run: Its status: id, state, flow, times, tags, reason, and the runs that it is linked to.
        at: When this was read.
        deadline: When the run fails if it has not ended; None without a timeout.
        inside: The construct, item, pass or call that was opened; empty for the run itself.
        instances: A page of the instances in there, in the order of the flow; of a batch item by item.
        counts: How many instances there are in each state, on all pages.
        total: How many there are on all pages.
        cursor: Where the next page begins: ``after=``; None after the last one.
        ways: The edges between the nodes in there; of a batch or a loop those inside one item or pass.
        waits: What the run waits for at any depth, by key; at most ``MOST_TOLD``.
        under_way: What is under way for longer than a moment at any depth, the longest first; at most ``MOST_TOLD``.
        passed_on: The nodes whose jobs are passed on, at any depth.
        unserved: The queues for whose workers something waits, at any depth, and that none says to serve. A hint.
        errors: Why the run has failed, as in ``StoredResult``.
        steps: How many steps have ended, at any depth.
        stopped: That it was stopped, and what is undone; None if it was not, or its flows name no undo.
    """

    run: StoredRun
    at: float
    deadline: float | None
    inside: str
    instances: tuple[InstanceDescription, ...]
    counts: Mapping[InstanceState, int]
    total: int
    cursor: str | None
    ways: tuple[Way, ...] = ()
    waits: tuple[OpenWait, ...] = ()
    under_way: tuple[UnderWay, ...] = ()
    passed_on: tuple[PassedOn, ...] = ()
    unserved: tuple[str, ...] = ()
    errors: tuple[NodeError, ...] = ()
    steps: int = 0
    stopped: Stopped | None = None


#: Of longer lists of waits and of what is under way only so many are told.
MOST_TOLD = 100


@attrs.frozen(kw_only=True)
class QueueDescription:
    """A queue, who serves it, and how many messages it has about, where it can tell.

    Attributes:
        name: Its name: ``default``, or what flows and workers call it by.
        place: What the backend calls it, where that is something else.
        workers: How many workers say that they serve it. A hint, as ``Client.workers`` is.
        visible: Messages that can be received now; None if the queue does not tell.
        in_flight: Messages that somebody holds; likewise.
        delayed: Messages whose time has not come; likewise.
    """

    name: str
    place: str | None = None
    workers: int = 0
    visible: int | None = None
    in_flight: int | None = None
    delayed: int | None = None


@attrs.frozen(kw_only=True)
class RunsPage:
    """Some of the runs that were asked for.

    Attributes:
        runs: The runs. A page may have fewer than were asked for, or none, and still not be the last.
        cursor: Where the next page begins; None after the last one.
        newest_first: Whether the pages are in the order of the runs' starts, the newest first; else in none.
    """

    runs: tuple[StoredRun, ...]
    cursor: str | None
    newest_first: bool
