"""Reads what a description is made of: facts, suspensions and hints."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence

import attrs

from ...errors import BackendError, UnknownNodeError
from ...graph.facts import Suspension, Undone
from ...graph.failures import errors_of
from ...graph.fold import instances
from ...graph.instances import Instance, ScopeState
from ...graph.limits import is_limited
from ...graph.queues import is_bound, queue_of
from ...graph.scopes import Kind
from ...graph.standing import Standing
from ...graph.state import RunState
from ...graph.undoing import Undoing
from ...ports import CoordinationStore, State
from ...queues import DEFAULT_QUEUE
from ...settings import whole
from ..ends import end_of, undoes
from ..gathered import StoredResults
from ..hints import read_hints
from ..runs import RunRecord
from ..stored_runs import FINAL, StoredRuns
from ..undone import settled_undone
from ..waiting import limited_key, said_limited
from . import SEEN_WITHIN
from .at_work import SAID_EVERY, board_of
from .folding import Folded
from .heartbeats import living
from .hints import Hints, passed_on, pattern_of, under_way
from .levels import counts, first_of, open_at
from .shapes import MOST_TOLD, OpenWait, RunDescription, Stopped
from .telling import Teller

# How long it is believed what workers say, seconds: two of their notes may be late or lost.
_BELIEVED = 2.5 * SAID_EVERY

# Of a batch with more results only how many there are is shown.
_SHOWN_WHOLE = 10_000

#: So many instances of a page at most.
MOST_SHOWN = 1_000


async def describe(
    stored: StoredRuns, run_id: str, *, inside: str, after: str | None, limit: int, values: bool
) -> RunDescription:
    """See ``Client.describe``."""
    whole("Client.describe: limit", limit, least=1, most=MOST_SHOWN)
    status = await stored.linked(await stored.status(run_id))
    record = await stored.record(run_id)
    # A page has at least one instance of each item; the cursor names the one before it, and one behind it says that
    # there is another page.
    passed = Folded(inside, first_of(after), limit + 2)
    state = await stored.state(record, status, passed)
    level = open_at(state, inside)
    if level is None:
        raise UnknownNodeError(
            f"run {run_id!r}: there is nothing inside {inside!r:.200} (yet): name a loop, batch or subflow by its key, "
            "or one of its passes or items, as in 'pages[17]'"
        )
    page, cursor = level.page(after, limit)
    if values:
        await stored.settled(lambda: _give_results(stored, page))
        await asyncio.gather(*(stored.records.pages.give(run_id, instance.scope) for instance in page))
    now, is_live = stored.clock.now(), status.state not in FINAL
    suspensions, of_page, hints, limited = await asyncio.gather(
        stored.records.suspensions(run_id, state.ready),
        stored.records.all_suspensions(run_id, page),
        _hints(stored.backend.coordination, record, now) if is_live else _none(),
        _limited(stored.backend.coordination, record, page if is_live else ()),
    )
    hints = attrs.evolve(_still_true(hints, state, suspensions), limited=limited)
    standing = Standing.of(state, suspensions, passed)
    unneeded = [instance.key for instance in page if standing.of_instance(instance) == "unneeded"]
    lost = {key: found.value for key, found in (await stored.records.outcomes(run_id, unneeded)).items()}
    unserved = await _unserved(stored.backend.coordination, record, state, suspensions, now) if is_live else []
    undone, stopped = await _undoing(stored, record, state, status.state)
    teller = Teller(state, standing, of_page, hints, record.started, values, lost, record.queue, unserved, undone)
    of_level = counts(standing, level)
    return RunDescription(
        run=status,
        at=now,
        deadline=record.deadline,
        inside=inside,
        instances=tuple(teller.tell(instance) for instance in page),
        counts=dict(of_level),
        total=sum(of_level.values()),
        cursor=cursor,
        ways=tuple(level.ways()),
        waits=tuple(_open_waits(state, suspensions)) if is_live else (),
        under_way=tuple(sorted(hints.under_way.values(), key=lambda step: (step.since, step.key))[:MOST_TOLD]),
        passed_on=tuple(hints.passed_on.values()),
        unserved=tuple(unserved),
        errors=errors_of(state.root),
        steps=passed.steps + sum(1 for instance in instances(state) if instance.vertex.kind is Kind.STEP),
        stopped=stopped,
    )


async def _give_results(stored: StoredRuns, page: Sequence[Instance]) -> bool:
    """Read the results of batches that the instances of a page gave or were given, unless there are very many."""
    scopes: dict[ScopeState, None] = {}
    for scope, _ in page:
        around: ScopeState | None = scope
        while around is not None:
            scopes[around] = None
            around = around.parent
    for scope in scopes:
        for batch in scope.scope.constructs:
            left = scope.outcomes.get(batch.exit)
            if left is not None and isinstance(left.output, StoredResults) and len(left.output) <= _SHOWN_WHOLE:
                await stored.records.pages.load(scope.at(batch.exit))
    return True


async def _undoing(
    stored: StoredRuns, record: RunRecord, state: RunState, now: State
) -> tuple[Mapping[str, Undone], Stopped | None]:
    """What was undone, by instance key; and what is left to undo of a run that was stopped."""
    if not undoes(record):
        return {}, None
    records, run_id, has_ended = stored.records, record.run_id, now in FINAL
    is_bad = has_ended and now != "completed"
    end = await (stored.settled(lambda: end_of(records, run_id)) if has_ended else end_of(records, run_id))
    undone, abandoned = await settled_undone(records, run_id, state, stored.clock, has_ended=is_bad)
    if end is None or not end.is_stop:
        return undone, None  # of calls that have failed
    left = Undoing(state.root, set(undone)).ready() if abandoned is None else []
    failed = [each for each in undone.values() if each.error is not None]
    return undone, Stopped(
        state=end.state,
        reason=end.reason,
        at=end.at,
        abandoned=abandoned,
        undone=len(undone) - len(failed),
        failed=tuple(failed[:MOST_TOLD]),
        next=tuple(instance.key for instance in left[:MOST_TOLD]),
    )


async def _hints(store: CoordinationStore, record: RunRecord, now: float) -> Hints:
    """What workers say; nothing where it cannot be read, since it is only a hint."""
    board = board_of(store, record.incarnation)
    with contextlib.suppress(BackendError):
        notes = await board.read(now, within=_BELIEVED)
        since = now - _BELIEVED
        return Hints(under_way(notes, since=since), passed_on(notes, since=since))
    return Hints()


async def _unserved(
    store: CoordinationStore, record: RunRecord, state: RunState, suspensions: Mapping[str, Suspension], now: float
) -> list[str]:
    """The queues by name for which something is ready, and that no worker says to serve."""
    ready = (
        i
        for i in state.ready
        if is_bound(i.vertex) and (i.key not in suspensions or suspensions[i.key].kind == "retry")
    )
    names = {queue_of(instance, record.queue) for instance in ready} - {DEFAULT_QUEUE}
    if names:
        with contextlib.suppress(BackendError):
            workers = await living(store, now, SEEN_WITHIN)
            return sorted(names.difference(name for worker in workers for name in worker.queues))
    return []


async def _limited(store: CoordinationStore, record: RunRecord, page: Sequence[Instance]) -> dict[str, tuple[str, ...]]:
    """What jobs say to wait for, of the instances of a page that keep to limits."""
    open_ = (each.key for each in page if is_limited(each) and each.vertex.index not in each.scope.outcomes)
    keys = {limited_key(record, key): key for key in open_}
    with contextlib.suppress(BackendError):
        said = await read_hints(store, keys)
        return {keys[name]: limits for name, text in said.items() if (limits := said_limited(text))}
    return {}


async def _none() -> Hints:
    return Hints()


def _still_true(hints: Hints, state: RunState, suspensions: Mapping[str, Suspension]) -> Hints:
    """Without what the facts know better: of instances that have ended, or have been suspended since."""
    if not hints.under_way and not hints.passed_on:
        return hints
    to_run = {instance.key for instance in state.ready}
    steps = {
        key: step
        for key, step in hints.under_way.items()
        if key in to_run and (key not in suspensions or step.since >= suspensions[key].ended)
    }
    left = {pattern_of(key) for key in to_run if key not in steps}
    return Hints(steps, {pattern: told for pattern, told in hints.passed_on.items() if pattern in left})


def _open_waits(state: RunState, suspensions: Mapping[str, Suspension]) -> Sequence[OpenWait]:
    def waits() -> Iterable[OpenWait]:
        for instance in state.ready:
            suspension = suspensions.get(instance.key)
            if suspension is None:
                continue
            reason = None if suspension.error is None else str(suspension.error)
            key, node_id = instance.key, instance.vertex.id
            reminded = suspension.attempt if suspension.kind == "wait" else 0
            yield OpenWait(
                key=key, node_id=node_id, kind=suspension.kind, due=suspension.due, reason=reason, reminded=reminded
            )

    # What waits for people first, then what goes on soonest.
    in_order = sorted(waits(), key=lambda wait: (wait.kind != "wait", wait.due or 0.0, wait.key))
    return in_order[:MOST_TOLD]
