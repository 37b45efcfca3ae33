"""``Reconciler``: finds runs that nobody works on, and has the facts say what is due in them. Needs no steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import attrs

from ..clock import Clock, SystemClock
from ..durations import Duration, parse_seconds
from ..errors import BackendGoneError, FlowcraftError, TransientError, UnknownQueueError
from ..failures import reason_of
from ..graph.facts import Suspension
from ..graph.instances import Instance, Phase
from ..graph.lanes import item_before
from ..graph.limits import is_limited
from ..graph.positions import INITIAL
from ..graph.state import RunState
from ..ids import new_id
from ..logging.catalogue import NOT_STARTED, REVIVED, ROUND_FAILED, UNAVAILABLE
from ..logging.journal import Journal, Rarely
from ..payloads import CompressingCodec, PayloadCodec
from ..ports import REASON_LENGTH, Backend, HandWrittenRuns, RunStatus, State
from ..serialization import Serializer
from ..settings import number, whole
from ..texts import safe_text
from .caches import Memory
from .ends import UNDO, End, end_of, undoes
from .hints import read_hints
from .looks import LookLog
from .revivals import Revival, Revivals
from .runs import RunRecord, Runs
from .scheduling.firing import Firing
from .scheduling.revisions import require_schedule_id, schedule_at
from .scheduling.standing import Schedules
from .signals import (
    CHECK_AFTER,
    busy_key,
    conclude,
    end_recorded,
    end_run,
    fail_if_late,
    finish_run,
    held_key,
    say_suspended,
    send_jobs,
    send_suspended,
    stop_call,
    suspended_key,
)
from .storage import Records
from .stored_runs import StoredRuns
from .tracing import stored_trace
from .transient import RetryingBackend
from .undone import suspended
from .waiting import limited_key
from .whole import Everything, whole_state

if TYPE_CHECKING:
    from ..observing import Telemetry
    from .retention import Retention

# Of a run that workers get on with, what has long been ready is sent again at every so many looks only.
_LOOKS_WHILE_BUSY = 10

# How long looks are counted, seconds.
_COUNTED = 7 * 86400.0

# A run is failed by name that could not be looked at so many times in a day, and by nobody in between: its record is
# damaged, or its blueprint is none that this version can run. Once is nothing, since what was just written may not be
# visible yet.
_LOOKS_IN_VAIN = 10
_IN_VAIN_COUNTED = 86400.0

# Runs that are looked at side by side: a look is a dozen requests, one after the other.
_RUNS_AT_ONCE = 10


# Why a run has no record.
_CUT_SHORT = "it has no record: its start was cut short and never tried again"
_NO_MESSAGE = (
    'it was begun by hand and no message for it has come: send {"runId", "blueprintId", "nodeId"} for each start node,'
    " as it cannot be started without its flow's id"
)


class NothingToDoError(FlowcraftError):
    """A run's facts contradict one another: somebody has changed them."""


@attrs.define
class Reconciled:
    """What one round has done.

    Attributes:
        scanned: Runs that were due for a look.
        revived: Runs in which jobs were sent.
        finished: Runs whose facts said that they have ended, and whose status did not.
        waiting: Runs in which only waits or timers are left.
        failed: Runs that were failed: past their deadline, revived too often without progress, or beyond reading.
        busy: Runs that workers get on with, or are to, since jobs were sent, and that were left to them.
        unstarted: Runs that were begun by hand and for which no message has come: what their flow is, only that says.
        unstarted_runs: Their ids.
        errors: Runs that could not be looked at; they are due again.
        purged: Runs that were purged, as they had ended longer ago than they are kept.
        fired: Runs that were started as a schedule was due.
    """

    scanned: int = 0
    revived: int = 0
    finished: int = 0
    waiting: int = 0
    failed: int = 0
    busy: int = 0
    unstarted: int = 0
    unstarted_runs: tuple[str, ...] = ()
    errors: int = 0
    purged: int = 0
    fired: int = 0


class Reconciler:
    """Brings runs on whose jobs were lost, and ends those whose end nobody wrote. Any number may run at once."""

    def __init__(
        self,
        backend: Backend,
        *,
        serializer: Serializer | None = None,
        codec: PayloadCodec | None = None,
        clock: Clock | None = None,
        interval: float = 60.0,
        revivals: int = 20,
        retention: Duration | None = None,
        journal: Journal | None = None,
        telemetry: Telemetry | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Put a reconciler together.

        Args:
            backend: Where runs live.
            serializer: For values; the same as the workers'.
            codec: For stored bytes; the same as the workers'.
            clock: Where time comes from.
            interval: Seconds after which a run is looked at again.
            revivals: How often a run is revived at the same place, and that is taken by somebody and comes to nothing,
                before it is failed.
            retention: How long runs are kept once they have ended: each round purges some that are older, so that it
                stays short. For ever by default.
            journal: Is told what happens; a worker's, if the reconciler is one inside a worker.
            telemetry: Measures what is done here, as for ``FlowRuntime``; a worker's journal brings its own.
            memory: Where compiled blueprints are kept; a worker's, if the reconciler is one inside a worker.

        Raises:
            ConfigurationError: A setting cannot mean anything.
        """
        number("Reconciler: interval", interval, above=0)
        whole("Reconciler: revivals", revivals, least=0)
        self._journal, self._rarely = journal or Journal(telemetry=telemetry), Rarely()
        self._clock: Clock = clock or SystemClock()
        self._log = LookLog(self._clock.now, self._journal)
        self._backend: Backend = RetryingBackend(backend, self._clock, self._journal)
        self._records = Records(self._backend.context, serializer or Serializer(), codec or CompressingCodec())
        tracing = self._journal.telemetry is not None
        self._runs = Runs(self._records, is_tracing=tracing, memory=memory or Memory())
        self._side_by_side = asyncio.Semaphore(_RUNS_AT_ONCE)
        self._interval = interval
        self._revivals = revivals
        self._sent = Revivals(self._backend.coordination, interval)
        stored = StoredRuns(self._backend, self._records, self._runs, self._clock)
        self._schedules = Schedules.on(stored)
        self._firing = Firing(self._schedules, self._journal)
        self._has_schedules = False
        self._retention: Retention | None = None
        if retention is not None:
            from .retention import Retention  # noqa: PLC0415 # where runs are kept for ever, nothing is purged

            self._retention = Retention(stored, parse_seconds("Reconciler: retention", retention), self._log)

    async def run_once(self) -> Reconciled:
        """Look at every run and every schedule that is due; and purge some runs, if they are not kept for ever."""
        done = Reconciled()
        await self._find("running", done, self._look_for_sure)
        await self._find("awaiting", done, self._look_for_sure)
        await self.fire_schedules(done)
        if self._retention is not None:
            done.purged = await self._retention.look()
        return done

    async def fire_schedules(self, done: Reconciled | None = None) -> Reconciled:
        """Look at every schedule that is due, and start what it is due for; a part of ``run_once``.

        Args:
            done: What this round has done so far; nothing by default.
        """
        done = done or Reconciled()
        # Where nobody has ever made a schedule, that takes one read, and no look through the statuses.
        self._has_schedules = self._has_schedules or await self._schedules.there_are()
        if self._has_schedules:
            await self._find("schedule", done, self._fire_for_sure)
        return done

    async def _find(
        self, state: State, done: Reconciled, look: Callable[[RunStatus, Reconciled], Awaitable[None]]
    ) -> None:
        """Look at all statuses in a state that are due, some of them side by side."""
        now, cursor = self._clock.now(), None
        while True:
            page = await self._backend.status.find(state=state, due_before=now, cursor=cursor)
            await asyncio.gather(*(look(status, done) for status in page.items))
            cursor = page.cursor
            if cursor is None:
                break

    async def _fire_for_sure(self, status: RunStatus, done: Reconciled) -> None:
        """Look at one of many schedules: one that cannot be read does not hold up the others."""
        async with self._side_by_side:
            try:
                done.fired += await self._firing.look(schedule_at(status.run_id))
            except Exception as error:
                done.errors += 1
                self._log.schedule_failed(schedule_at(status.run_id), error)
                if not isinstance(error, TransientError):
                    now = self._clock.now()
                    await self._backend.status.touch(status.run_id, at=now, next_check=now + self._interval)

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again until ``stop`` is set."""
        me = new_id()
        while not stop.is_set():
            try:
                # One of all who could is enough. A lease that is lost costs a second look, which does no harm.
                if await self._backend.coordination.set_if_absent("reconciler", me, ttl=self._interval / 4):
                    await self.run_once()
            except TransientError as error:
                if times := self._rarely.times("round", self._clock.now()):
                    self._journal.tell(UNAVAILABLE, error, operation="a round of the reconciler", times=times)
            except BackendGoneError:
                raise  # no round that is done here reaches anybody any more
            except Exception as error:  # whatever it is, the next round may go well, and nobody else would begin one
                self._journal.tell(ROUND_FAILED, error, retry_in=self._interval / 4)
            pause = asyncio.ensure_future(self._clock.sleep(self._interval / 4))
            stopped = asyncio.ensure_future(stop.wait())
            try:
                await asyncio.wait([pause, stopped], return_when=asyncio.FIRST_COMPLETED)
            finally:
                pause.cancel()
                stopped.cancel()

    async def reconcile(self, run_id: str, *, insist: bool = True) -> Reconciled:
        """Look at one run, due or not.

        Args:
            run_id: The run.
            insist: Send jobs for all that is ready, also if workers get on with the run and jobs may be on their way.
        """
        done = Reconciled()
        status = await self._backend.status.get(run_id)
        if status is not None and status.state in ("running", "awaiting"):
            done.scanned = 1
            await self._look(status, done, insist=insist)
        return done

    async def reconcile_schedule(self, schedule_id: str) -> Reconciled:
        """Look at one schedule, due or not, and start what it is due for.

        Args:
            schedule_id: The schedule.
        """
        return Reconciled(fired=await self._firing.look(require_schedule_id(schedule_id)))

    async def _look_for_sure(self, status: RunStatus, done: Reconciled) -> None:
        """Look at one of many runs: one that cannot be read does not hold up the others."""
        async with self._side_by_side:
            done.scanned += 1
            try:
                await self._look(status, done)
            except (TransientError, UnknownQueueError) as error:  # of a queue that is not known here, others may know
                self._log.failed(status.run_id, error)
                done.errors += 1
            except Exception as error:
                done.errors += 1
                try:
                    await self._look_in_vain(status, error, done)
                except Exception as failed:
                    self._log.failed(status.run_id, failed)

    async def _look_in_vain(self, status: RunStatus, error: Exception, done: Reconciled) -> None:
        """Say when to look again at a run that cannot be looked at; in the end it fails, by what is wrong with it."""
        run_id = status.run_id
        in_vain = await self._backend.coordination.increment(_in_vain_key(status), ttl=_IN_VAIN_COUNTED)
        if in_vain > _LOOKS_IN_VAIN:
            reason = safe_text(f"it could not be looked at, {in_vain} times: {reason_of(error)}", REASON_LENGTH)
            done.failed += await self._fail(status.run_id, status.blueprint_id, status.created, reason)
            return
        self._log.failed(status.run_id, error)
        next_check = self._clock.now() + self._interval
        await self._backend.status.touch(run_id, at=status.updated, next_check=next_check)

    async def _fail(self, run_id: str, flow: str, since: float, reason: str) -> bool:
        return await end_run(
            self._backend,
            run_id,
            "failed",
            clock=self._clock,
            journal=self._journal,
            flow=flow,
            since=since,
            trace=await stored_trace(self._records, run_id, self._journal.telemetry),
            reason=reason,
        )

    async def _look(self, status: RunStatus, done: Reconciled, *, insist: bool = False) -> None:
        run_id, now = status.run_id, self._clock.now()
        record = await self._runs.get(run_id)
        if record is None:
            is_by_hand = await self._is_begun_by_hand(status, done)
            # Half started; or begun by hand, and its message has lain there for as long as there was no worker. So it
            # is given time from the first look on.
            looks = await self._backend.coordination.increment(f"unrecorded:{run_id}", ttl=_COUNTED)
            # One that says to have been begun in the future says so by mistake, or on purpose.
            is_young = 0 <= now - status.created <= self._interval * self._revivals
            if looks > self._revivals and not is_young:
                reason = _NO_MESSAGE if is_by_hand else _CUT_SHORT
                done.failed += await self._fail(status.run_id, status.blueprint_id, status.created, reason)
            else:
                await self._backend.status.touch(run_id, at=now, next_check=now + self._interval)
            return
        if undoes(record) and (end := await end_of(self._records, run_id)) is not None:
            await self._bring_to_its_end(record, end, done, insist=insist)
            return
        looks = 0 if insist else await self._looks_while_busy(record)
        if looks % _LOOKS_WHILE_BUSY and await self._needs_no_reconciler(record, now):
            done.busy += 1
            await self._look_again(record, now, now + self._interval)
            return
        state = await whole_state(record, self._records, claimant="reconciler", due_only=True, passing=Everything())
        if state.phase is not Phase.RUNNING:
            await finish_run(self._backend, self._records, record, state, self._clock, self._journal)
            done.finished += 1
        elif await fail_if_late(self._backend, self._records, record, self._clock, self._journal):
            done.failed += 1
        else:
            await self._bring_on(record, state, looks, done, insist=insist)

    async def _bring_to_its_end(self, record: RunRecord, end: End, done: Reconciled, *, insist: bool) -> None:
        """Bring a run on whose end stands: it is completed, or it is stopped, and undone before it ends."""
        if not end.is_stop:
            await end_recorded(self._backend, record, end.state, self._clock, self._journal, end.reason)
            done.finished += 1
            return
        again = await self._undo(record, "", done, insist=insist)
        if again is not None:
            await self._backend.status.touch(record.run_id, at=self._clock.now(), next_check=again)

    async def _undo(self, record: RunRecord, root: str, done: Reconciled, *, insist: bool) -> float | None:
        """Bring a stopped run on, or a call of it; when to look at it again, or None if nothing is left of it."""
        from .undoing import StoppedRun  # noqa: PLC0415 # few runs are stopped

        now = self._clock.now()
        run = StoppedRun(
            backend=self._backend,
            records=self._records,
            record=record,
            root=root,
            clock=self._clock,
            journal=self._journal,
            writer="reconciler",
        )
        left = await run.look()
        if not left.ready:
            await run.finish(left, again=True)
            if not root:
                done.finished += 1
            return None
        again = now + self._interval
        suspensions = {
            instance.key: await suspended(self._records, record.run_id, instance.key) for instance in left.ready
        }
        due = [
            i
            for i in left.ready
            if (suspension := suspensions[i.key]) is None or (suspension.due or 0.0) + CHECK_AFTER <= now
        ]
        places = {_place(instance.key + UNDO, suspensions[instance.key]): instance for instance in due}
        last = await self._sent.last(record, places)
        dues, is_due = _apart(last, places, now, insist=insist)
        free = set(await self._not_held(record, [places[place].key + UNDO for place in is_due]))
        stalled = [place for place in is_due if places[place].key + UNDO in free]
        if not stalled:
            done.waiting += 1
            return min(dues) if dues and len(dues) == len(left.ready) else again
        following = await self._sent.following(record, {place: last.get(place) for place in stalled}, now)
        for place, revival in following.items():
            instance = places[place]
            if revival.taken >= self._revivals:
                await run.give_up(instance.key, f"revived {self._revivals} times without progress", 0)
            else:
                await run.send(instance, suspensions[instance.key], revival=revival.name)
        await self._sent.note(record, following)
        done.revived += 1
        return min([*dues, *(revival.due for revival in following.values())])

    async def _is_begun_by_hand(self, status: RunStatus, done: Reconciled) -> bool:
        """Whether a run without a record was begun by hand; then it waits for a message, and is named."""
        by_hand: HandWrittenRuns | None = getattr(self._backend, "by_hand", None)
        if by_hand is None or await by_hand.initial_context(status.run_id) is None:
            return False
        done.unstarted += 1
        done.unstarted_runs += (status.run_id,)
        if self._rarely.times(status.run_id, self._clock.now()):
            self._journal.bind(run_id=status.run_id).tell(NOT_STARTED, flow=status.blueprint_id, reason=_NO_MESSAGE)
        return True

    async def _bring_on(
        self, record: RunRecord, state: RunState, looks: int, done: Reconciled, *, insist: bool
    ) -> None:
        """Send what is due in a run, and say when to look again."""
        now = self._clock.now()
        suspended = await self._records.suspensions(record.run_id, state.ready)
        ready = [instance for instance in state.ready if instance.key not in suspended]
        dues, stuck = await self._wake(record, state, suspended, now, insist=insist)
        for call in state.to_undo:
            if looks:
                break  # workers get on with the run: the job is on its way
            await stop_call(self._backend, self._records, record, call, self._clock, self._journal)
            dues.append(await self._undo(record, call.prefix, done, insist=insist) or now + self._interval)
        stalled = ready
        if looks:  # most jobs are on their way, and one that was lost holds up no more than a branch
            long_ago = now - CHECK_AFTER if looks % _LOOKS_WHILE_BUSY == 0 else 0.0
            stalled = [instance for instance in ready if _ready_since(instance) < long_ago]
        stalled = await self._not_limited(record, stalled)
        last = await self._sent.last(record, [instance.key for instance in stalled])
        sent_of, is_due = _apart(last, [instance.key for instance in stalled], now, insist=insist)
        left = set(await self._not_held(record, is_due))
        to_send = {instance.key: instance for instance in stalled if instance.key in left}
        following = await self._sent.following(record, {key: last.get(key) for key in to_send}, now)
        stuck += [to_send[key] for key, revival in following.items() if revival.taken >= self._revivals]
        if stuck:
            keys = ", ".join(instance.key for instance in stuck[:5])
            reason = f"revived {self._revivals} times without progress at {keys}"
            ending = self._backend, self._records, record
            done.failed += await conclude(*ending, "failed", self._clock, self._journal, reason)
            return
        # A run that only waits is looked at when something is due, and now and then in case a job was lost.
        again = now + 10 * self._interval
        if to_send:
            await self._apply(record.run_id, state)
            names = {key: revival.name for key, revival in following.items()}
            await send_jobs(self._backend, record, to_send.values(), self._clock, revivals=names)
            await self._sent.note(record, following)
            done.revived += 1
            times = max(revival.times for revival in following.values())
            self._journal.bind(run_id=record.run_id).tell(
                REVIVED, at=next(iter(to_send)), jobs=len(to_send), revivals=times
            )
            # Its jobs may only wait for a free worker: each time that nothing has changed it is given longer.
            again = min([*sent_of, *(revival.due for revival in following.values())])
        elif sent_of and len(sent_of) == len(ready):
            again = min(sent_of)
            done.busy += 1
        elif ready or (state.to_undo and not suspended):
            again = now + self._interval
            done.busy += 1
        elif suspended:
            done.waiting += 1
        else:
            raise NothingToDoError(f"the facts of run {record.run_id!r} leave nothing to do, but do not end it")
        await self._look_again(record, now, min([*dues, again]), "running" if ready or state.to_undo else "awaiting")

    async def _look_again(
        self, record: RunRecord, now: float, when: float, state: Literal["running", "awaiting"] | None = None
    ) -> None:
        """Say when to look at a run again: by its deadline at the latest."""
        if record.deadline is not None:
            when = min(when, record.deadline)
        await self._backend.status.touch(record.run_id, at=now, next_check=when, state=state)

    async def _wake(
        self, record: RunRecord, state: RunState, suspended: Mapping[str, Suspension], now: float, *, insist: bool
    ) -> tuple[list[float], list[Instance]]:
        """Send the jobs of what is suspended and near its time.

        Returns:
            When to look at each that has one again; and those that were revived too often without progress.
        """
        dues: list[float] = []
        due: dict[str, Instance] = {}
        for instance in state.ready:
            suspension = suspended.get(instance.key)
            if suspension is None or suspension.due is None:
                continue
            if not suspension.queued:
                await say_suspended(self._backend, record)
            send_at = self._send_at(suspension, suspension.due)
            if send_at > now:
                dues.append(send_at)
            else:
                due[_place(instance.key, suspension)] = instance
        last = await self._sent.last(record, due)
        sent_of, is_due = _apart(last, due, now, insist=insist)
        dues += sent_of
        free = [place for place in is_due if await self._is_free(record, due[place])]
        dues += [now + self._interval] * (len(is_due) > len(free))
        following = await self._sent.following(record, {place: last.get(place) for place in free}, now)
        for place, revival in following.items():
            suspension = suspended[due[place].key]
            # One that is not due yet counts as lost so much later; of the first that is sent nobody notes anything.
            late = max(0.0, (suspension.due or now) - now)
            is_first = place not in last and not suspension.queued
            name = "" if is_first else revival.name
            following[place] = attrs.evolve(revival, name=name, due=revival.due + late)
            await send_suspended(self._backend, record, due[place], suspension, self._clock, revival=name)
        await self._sent.note(record, following)
        dues += [revival.due for revival in following.values()]
        return dues, [due[place] for place, each in following.items() if each.taken >= max(1, self._revivals)]

    def _send_at(self, suspension: Suspension, due: float) -> float:
        """When the job of what is suspended is sent: one that nobody has sent when its time is near.

        A job that is on its way may be late.
        """
        if suspension.queued:
            return due + max(self._interval, CHECK_AFTER)
        return due - min(self._interval, self._backend.queue.limits.max_delay / 2)

    async def _is_free(self, record: RunRecord, instance: Instance) -> bool:
        """Whether nobody says to be at a suspended instance's next attempt, nor a job that it is limited."""
        return bool(await self._not_held(record, [instance.key]) and await self._not_limited(record, [instance]))

    async def _not_held(self, record: RunRecord, keys: list[str]) -> list[str]:
        """Those of the instances that no worker says to be at."""
        held = await read_hints(self._backend.coordination, [held_key(record, key) for key in keys])
        return [key for key in keys if held_key(record, key) not in held]

    async def _not_limited(self, record: RunRecord, instances: Sequence[Instance]) -> list[Instance]:
        """Those of some instances that no job says to wait for under their limits: such a job looks again by itself."""
        keys = {instance: limited_key(record, instance.key) for instance in instances if is_limited(instance)}
        said = await read_hints(self._backend.coordination, keys.values())
        return [instance for instance in instances if keys.get(instance) not in said]

    async def _looks_while_busy(self, record: RunRecord) -> int:
        """The how-manieth look this is at a run that workers get on with; 0 if they do not."""
        if await self._backend.coordination.get(busy_key(record)) is None:
            return 0
        return await self._backend.coordination.increment(f"looked:{record.incarnation}", ttl=_COUNTED)

    async def _needs_no_reconciler(self, record: RunRecord, now: float) -> bool:
        """Whether nothing in a busy run is to be woken or ended: then its facts, which may be many, are not read."""
        if record.deadline is not None and now >= record.deadline:
            return False
        return await self._backend.coordination.get(suspended_key(record)) is None

    async def _apply(self, run_id: str, state: RunState) -> None:
        """Apply the context values of all outcomes: whoever wrote one may have died before it did."""
        for scope in state.root.walk():
            if scope.namespace is scope:
                for name, (position, value) in scope.values.items():
                    if position != INITIAL:
                        await self._records.apply(run_id, scope.prefix, position, {name: value})


def _place(key: str, suspension: Suspension | None) -> str:
    """What tells an attempt at an instance from the one before: once that was made, it was brought on."""
    return f"{key}:{suspension}"


def _apart(
    last: Mapping[str, Revival], places: Iterable[str], now: float, *, insist: bool
) -> tuple[list[float], list[str]]:
    """When those may be sent again whose job was sent a while ago; and the places that may be now."""
    places = list(places)
    may_be = [place for place in places if insist or place not in last or last[place].due <= now]
    left = set(places) - set(may_be)
    return [last[place].due for place in left], may_be


def _in_vain_key(status: RunStatus) -> str:
    """Where looks in vain at a run are counted, since anybody could look, who has changed its status then."""
    return f"in vain:{status.run_id}:{status.updated}"


def _ready_since(instance: Instance) -> float:
    """When the last of what leads to an instance ended; 0 if nothing does."""
    scope, vertex = instance
    ended = [scope.outcomes[link.source].ended for link in vertex.incoming if link.source in scope.outcomes]
    around, construct = scope.parent, scope.construct
    if not ended and around is not None and construct is not None:  # a start of its scope
        ended.append(around.outcomes[construct.entry].ended)
        passed = around.inside[construct.entry].get((scope.index or 0) - 1)
        if construct.kind == "loop" and passed is not None:
            ended.append(passed.outcomes[construct.verdict].ended)
        if (item := item_before(scope)) is not None:
            # Where that was not looked at, this one has begun, and says it by what has ended in it.
            before = around.inside[construct.entry].get(item, scope)
            ended += [outcome.ended for outcome in before.outcomes.values()]
    return max(ended, default=0.0)
