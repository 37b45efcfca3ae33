"""What becomes of one message, whoever received it: a worker, or a host such as Lambda that receives by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

import attrs

from ..clock import Clock
from ..errors import FlowcraftError, ImplementationMissingError, TransientError
from ..execution import Executor
from ..failures import reason_of
from ..graph.instances import Phase
from ..graph.keys import escape
from ..ids import new_id
from ..jobs import (
    Job,
    MalformedJobError,
    NewerJobError,
    decode_job,
    encode_job,
    passed_on_for,
    say_passed_on,
)
from ..logging.catalogue import (
    DEAD_LETTER,
    GIVEN_UP,
    HOST_ENDS,
    JOB_DROPPED,
    JOB_FAILED,
    LETTER_CUT,
    MESSAGE_FAILED,
    PASSED_ON,
    REDELIVERED,
    RUN_STARTED,
    UNAVAILABLE,
)
from ..logging.journal import Journal, Rarely, node_of
from ..payloads import PayloadCodec
from ..ports import REASON_LENGTH, Backend, HandWrittenRuns, Message, RunStatus
from ..queues import DEFAULT_QUEUE
from ..runtime.listening import emitter_of
from ..texts import safe_text
from .admission import Admission
from .caches import KnownRuns, Memory, OutcomeCache
from .ends import call_undone, end_of, stopped_by, undoes, undone_by
from .engine import Done, Engine, Settings
from .invocations import ENDLESS, Invocation, InvocationTimeError
from .limits import FleetLimits, Places
from .poison import PoisonCount, Trying
from .queues import queue_named
from .runs import RunRecord, Runs
from .sets import JoinSets
from .signals import (
    CHECK_AFTER,
    REVIVALS_KEPT,
    busy_key,
    conclude,
    end_run,
    fail_if_late,
    have_undone,
    held_key,
    taken_key,
)
from .storage import Records, StaleReadError
from .tracing import traced
from .view import RunView, UnknownInstanceError
from .waiting import GLANCES, KEPT_FOR, WaitingJobs

if TYPE_CHECKING:
    from ..runtime import Emitter, FlowRuntime
    from .describing.at_work import PassingOn
    from .undoing import StoppedRun, StoppedRuns

# How long a job is passed on before what keeps it from running counts as permanent, seconds.
PASS_ON_LIMIT = 600.0
_PASS_ON_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0)

# How long after it was sent a job may find its run's record or status as they were before, besides the staleness.
_SETTLES = 5.0

# How often a handler says that it gets on with a run, seconds; and how young a run is that no reconciler looks at yet.
_SAYS_BUSY = CHECK_AFTER / 3

# Of how many runs it is kept when they were last seen to live, and said to be busy: some hundred bytes each.
_LIVE_KEPT = 10_000

# How often a message is delivered that can be neither done nor passed on before it becomes a dead letter.
_DELIVERIES = 20

# How much of a dead letter is kept, characters.
_LONGEST_LETTER = 256 * 1024


class JobHandler:
    """Does what messages ask for, and knows what to do with those that cannot be acted on."""

    def __init__(
        self,
        backend: Backend,
        runtime: FlowRuntime,
        *,
        codec: PayloadCodec,
        settings: Settings,
        control_interval: float,
        visibility: float,
        stopped: Callable[[], bool],
        slots: asyncio.Semaphore | None = None,
        keeps: int = 0,
        journal: Journal | None = None,
        worker: str | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Put a handler together.

        Args:
            backend: Where runs live; one that tries calls again.
            runtime: Brings the steps, the dependencies, the serializer and the clock.
            codec: For stored bytes.
            settings: Bounds of the job cycle.
            control_interval: For how many seconds it is believed that a run has not ended.
            visibility: Seconds for which messages are held at a time.
            stopped: Asked before each instance: whether nothing new is to be started.
            slots: Held while a step runs; no limit on them by default.
            keeps: How many jobs are kept that wait for places under limits; for others a job is sent, and looks again.
            journal: Is told what happens.
            worker: Whose it is, for people; a host that receives by itself has none.
            memory: Where what is read is kept; one of its own by default.
        """
        self._worker = worker
        self._telemetry = runtime.telemetry
        self._journal, self._rarely = journal or Journal(telemetry=runtime.telemetry), Rarely()
        self._backend = backend
        self._runtime = runtime
        self._clock: Clock = runtime.clock
        self._memory = memory or Memory()
        self._records = Records(backend.context, runtime.serializer, codec, cache=OutcomeCache(self._memory))
        self._runs = Runs(self._records, is_tracing=self._telemetry is not None, memory=self._memory)
        self._runs.know(runtime.catalogue.graphs.values())
        self._sets = JoinSets(backend.coordination)
        self._settings = settings
        self._control_interval, self._visibility = control_interval, visibility
        self._stopped = stopped
        self._slots = slots
        self._limits = FleetLimits(backend.coordination, runtime.limits, visibility, self._clock)
        self._waiting = WaitingJobs(backend, self._limits, self._clock, keeps=keeps, stopped=stopped)
        self._trying = Trying()
        self._known = KnownRuns(self._memory, self._runs.at_hand)
        self._live: dict[str, float] = {}
        self._busy: dict[str, float] = {}
        self._begun: dict[str, None] = {}  # runs that were said to have begun

    async def handle(
        self,
        body: str,
        count: int,
        *,
        watch: Callable[[Engine | None], None] = lambda engine: None,
        remaining: Callable[[], float] | None = None,
        queue: str = DEFAULT_QUEUE,
    ) -> Done:
        """Do what a message asks for.

        Args:
            body: The message.
            count: How often it has been delivered, this time included.
            watch: Is given the engine that works on it, before it does; None as long as it waits for places.
            remaining: The seconds that the host leaves for it; no limit by default.
            queue: The name of the queue that it came from.

        Returns:
            What is to become of the delivery.
        """
        try:
            return await self._act_on(body, count, watch, remaining, queue)
        except TransientError as error:
            self._say_unavailable("pass a job on", error)
        except Exception as error:
            self._journal.tell(MESSAGE_FAILED, error, deliveries=count)
            if count >= _DELIVERIES:
                await self._bury(body, f"it could be neither done nor passed on in {count} deliveries")
                return Done.ACKNOWLEDGE
        return Done.DELIVER_AGAIN

    async def _act_on(
        self,
        body: str,
        count: int,
        watch: Callable[[Engine | None], None],
        remaining: Callable[[], float] | None,
        queue: str,
    ) -> Done:
        until = self._clock.now() + min(KEPT_FOR, self._backend.queue.limits.max_visibility / 4)
        try:
            job = self._in_time(decode_job(body))
        except NewerJobError as error:
            await self._pass_on_newer(body, error, queue)
            return Done.ACKNOWLEDGE
        except MalformedJobError as error:
            await self._bury(body, str(error))
            return Done.ACKNOWLEDGE
        try:
            handle = partial(self._handle, job, count, watch, remaining, queue)
            ended = await self._once_visible(job, count, remaining, handle)
            while isinstance(ended, tuple):
                job, record = ended
                watch(None)
                if (found := await self._waiting.wait(job, record, queue, until)) is None:
                    return Done.ACKNOWLEDGE
                job, places = found
                try:
                    handle = partial(self._handle, job, count, watch, remaining, queue, places)
                    ended = await self._once_visible(job, count, remaining, handle)
                finally:
                    await self._limits.give_back(places)  # what it has not begun with
            return ended
        except UnknownInstanceError as error:
            await self._fail(job, str(error))
            await self._bury(body, str(error))
        except InvocationTimeError as error:
            self._tell_of(job).tell(HOST_ENDS, at=job.key, reason=str(error))
            return Done.DELIVER_AGAIN
        except TransientError as error:
            self._say_unavailable("work on a job", error)
            return Done.DELIVER_AGAIN
        except Exception as error:
            # Whatever it is, another worker may be able to, or this one later; and if none is, the run fails by name.
            if not isinstance(error, FlowcraftError):
                self._tell_of(job).tell(JOB_FAILED, error, at=job.key)
            await self._pass_on(job, error, queue)
        return Done.ACKNOWLEDGE

    def _in_time(self, job: Job) -> Job:
        """The job as if no clock were ahead: what is said to have been sent later than now was so now.

        A time is what a message says. Nobody waits for one that lies in the future; and a job of which it lies further
        ahead than clocks are apart counts as passed on, so that nobody takes its run for one that lived just now.
        """
        now = self._clock.now()
        if job.first_seen <= now:
            return job
        hops = max(job.hops, int(job.first_seen > now + _SETTLES))
        return attrs.evolve(job, first_seen=now, hops=hops)

    def say_busy(self, record: RunRecord) -> Awaitable[None] | None:
        """Tell reconcilers that somebody gets on with a run, so that they do not send again what is on its way.

        Said now and then, and not of runs that are too young to be looked at: it costs a short run nothing.

        Returns:
            What is to be awaited; None where nothing is to be said.
        """
        now = self._clock.now()
        if 0 <= now - self._busy.get(record.incarnation, record.started) < _SAYS_BUSY:  # a clock may be set back
            return None
        if len(self._busy) >= _LIVE_KEPT:
            self._busy.clear()
        self._busy[record.incarnation] = now
        return self._say_busy(record)

    async def _say_busy(self, record: RunRecord) -> None:
        key, store = busy_key(record), self._backend.coordination
        with contextlib.suppress(TransientError):
            if not await store.extend_ttl(key, "yes", ttl=CHECK_AFTER):
                await store.set_if_absent(key, "yes", ttl=CHECK_AFTER)

    async def _once_visible(
        self,
        job: Job,
        count: int,
        remaining: Callable[[], float] | None,
        handle: Callable[[], Awaitable[Done | tuple[Job, RunRecord]]],
    ) -> Done | tuple[Job, RunRecord]:
        """Handle a job; what is not visible yet is read again here, for as long as reads may lag.

        To send the job again for so short a time would be three requests, and one more job each time that it came
        twice; and who has executed its step knows what came of that, which others may not see yet.
        """
        waited, staleness = 0.0, self._backend.context.limits.staleness
        for pause in _PASS_ON_PAUSES:
            try:
                return await handle()
            except StaleReadError:
                has_time = not self._stopped() and (remaining is None or remaining() > _SETTLES)
                # One that came before is counted each time that it is begun with; one that was passed on has waited.
                if count > 1 or job.hops or waited >= staleness or not has_time:
                    raise
            left = min(pause, staleness - waited)
            await self._clock.sleep(left)
            waited += left
        return await handle()

    async def _handle(
        self,
        job: Job,
        count: int,
        watch: Callable[[Engine | None], None],
        remaining: Callable[[], float] | None,
        queue: str,
        places: Places | None = None,
    ) -> Done | tuple[Job, RunRecord]:
        """What is to become of the delivery, or the job as which it waits for places under limits."""
        record = await self._record(job)
        if record is None:
            return Done.ACKNOWLEDGE
        if not await self._is_live(job, record):
            return Done.ACKNOWLEDGE
        if count > 1:
            self._tell_of(job).tell(REDELIVERED, at=job.key, deliveries=count)
        if job.node_id is not None:
            job = attrs.evolve(job, key=escape(job.node_id))
        if job.hops and await self._backend.coordination.get(held_key(record, job.key)) is not None:
            # A worker that lives is at it: look again, for as long as it takes.
            again = attrs.evolve(job, first_seen=self._clock.now(), passed_on=0.0)
            await self._send(
                queue,
                Message(encode_job(again), job.run_id),
                delay=min(self._visibility / 3, self._backend.queue.limits.max_delay),
            )
            return Done.ACKNOWLEDGE
        if job.revival and not await self._takes_revived(job, record, count):
            return Done.ACKNOWLEDGE
        if job.limits and places is None and job.waited % GLANCES and await self._limits.are_full(job.limits):
            return job, record
        view = RunView(record, self._records, self._clock, since=job.first_seen)
        executor = self._runtime.executor(job.run_id, record.graphs, self._tell_of(job))
        executor.worker = self._worker
        if self._telemetry is not None:
            from ..observing import Delivered  # noqa: PLC0415 # where somebody measures

            delivered = Delivered(job=job.id, sent=job.first_seen, deliveries=count, trace=job.trace)
            executor.observer = self._telemetry.observe(job.run_id, record.trace, self._clock, delivered)
        events = emitter_of(self._runtime.events, executor.observer, job.run_id, self._clock)
        if ":" in job.key:  # which few have
            if (undone := undone_by(job.key)) is not None or stopped_by(job.key) is not None:
                return await self._undo(job, self._stopped_run(record, job, events), executor, undone, count)
            if (call := call_undone(job.key)) is not None:
                run = self._stopped_run(record, job, events)
                if await run.is_stopped_around(call):
                    await attrs.evolve(run, root=call).go_on(again=count > 1)
                    return Done.ACKNOWLEDGE
        invocation = ENDLESS if remaining is None else Invocation(remaining)
        admission = Admission(
            backend=self._backend,
            clock=self._clock,
            view=view,
            job=job,
            limits=self._limits,
            invocation=invocation,
            stopped=self._stopped,
            events=events,
            places=places,
        )
        engine = Engine(
            backend=self._backend,
            records=self._records,
            sets=self._sets,
            clock=self._clock,
            executor=executor,
            view=view,
            job=job,
            settings=self._settings,
            stopped=self._stopped,
            got_on=self.say_busy,
            begun=self._say_begun,
            admission=admission,
            invocation=invocation,
            queue=queue,
            slots=self._slots,
            trying=self._trying,
            events=events,
        )
        executor.progressed = None if engine.events is None else engine.events.progressed
        watch(engine)
        try:
            done = await engine.handle(count)
            return done if admission.waits is None else (admission.waits, record)
        finally:
            if events is not None:
                events.close()
            if view.state.phase is not Phase.RUNNING:
                self._memory.end(job.run_id)
            view.close()

    def let_go(self) -> None:
        """Have no job wait here any more: this is stopped."""
        self._limits.wake_all()

    async def renew(self, places: Places) -> None:
        """Say that whoever has places under limits lives."""
        await self._limits.renew(places)

    # --- runs that were stopped -------------------------------------------------------------------------------------

    async def fail_if_late(self, record: RunRecord) -> None:
        """Fail a run that has taken longer than its timeout."""
        await fail_if_late(self._backend, self._records, record, self._clock, self._journal)

    async def is_stopped(self, record: RunRecord) -> bool:
        """Whether a run is undone, and nothing of it gone on with."""
        end = await end_of(self._records, record.run_id) if undoes(record) else None
        return end is not None and end.is_stop

    async def say_stopped(self, record: RunRecord) -> None:
        """Have a run undone that is stopped: whoever stopped it may have died before they said so to anybody."""
        await have_undone(self._backend, record, self._clock)

    @cached_property
    def _passing_on(self) -> PassingOn:
        from .describing.at_work import PassingOn  # noqa: PLC0415 # where all workers have all steps, none is passed on

        return PassingOn(self._backend.coordination, self._worker or "", self._clock)

    @cached_property
    def _stopped_runs(self) -> StoppedRuns:
        from .undoing import StoppedRuns  # noqa: PLC0415 # few runs are stopped, and most workers meet none

        return StoppedRuns(self._memory)

    def _stopped_run(self, record: RunRecord, job: Job, events: Emitter | None = None) -> StoppedRun:
        from .undoing import StoppedRun  # noqa: PLC0415 # likewise

        return StoppedRun(
            backend=self._backend,
            records=self._records,
            record=record,
            clock=self._clock,
            journal=self._journal,
            writer=job.id,
            kept=self._stopped_runs,
            events=events,
            slots=self._slots,
        )

    async def _undo(self, job: Job, run: StoppedRun, executor: Executor, key: str | None, count: int) -> Done:
        """Bring a stopped run on, or make an attempt at the undo of one of its instances."""
        record = run.record
        if key is None:
            await attrs.evolve(run, root=stopped_by(job.key) or "").go_on(again=count > 1)
            return Done.ACKNOWLEDGE
        tries = PoisonCount(self._backend.coordination, self._settings.delivery_limit, self._trying)
        try:
            if count > 1 and await tries.are_too_many(record.incarnation, job.key, count):
                await run.give_up(key, f"its job was delivered {count} times and never came to an end", count)
            else:
                executor.kept_keys, executor.nonce = record.kept_keys, record.nonce
                await run.undo(executor, key, job.attempt, again=count > 1)
        except (asyncio.CancelledError, InvocationTimeError) as error:
            if self._stopped() and not isinstance(error, InvocationTimeError):
                await tries.come_back()
            raise  # whoever else is cut off did not come back
        except Exception:
            await tries.come_back()
            raise
        finally:
            tries.leave()
        await tries.come_back()
        return Done.ACKNOWLEDGE

    async def _is_live(self, job: Job, record: RunRecord) -> bool:
        """Whether the run has not ended, as far as was known within the control interval."""
        now = self._clock.now()
        # Whoever has just sent the job knew of a live run; who has sent a timer did so long ago.
        seen = max(self._live.get(record.incarnation, 0.0), 0.0 if job.hops else job.first_seen)
        if 0 <= now - seen <= self._control_interval and not job.timer:
            return True
        status = await self._backend.status.get(job.run_id)
        if status is None and self._is_settled(job, now):
            self._memory.forget(job.run_id)
            return False  # purged: a run has a status before it has a job
        if status is not None and status.state not in ("running", "awaiting"):
            self._memory.end(job.run_id)
            return False
        if len(self._live) >= _LIVE_KEPT:
            self._live.clear()
        self._live[record.incarnation] = now
        return True

    async def _takes_revived(self, job: Job, record: RunRecord, count: int) -> bool:
        """Note that a job was taken which a reconciler has sent again; False if it is one too many."""
        store = self._backend.coordination
        if count == 1 and not job.hops and await store.get(held_key(record, job.key)) is not None:
            return False  # the one before was not lost: a worker is at it, whose own message comes again if it dies
        with contextlib.suppress(TransientError):
            await store.set_if_absent(taken_key(record, job.revival), "yes", ttl=REVIVALS_KEPT)
        return True

    def _is_settled(self, job: Job, looked: float) -> bool:
        """Whether who ``looked`` then must have seen all that was there when a job was sent."""
        return job.timer or looked - job.first_seen > self._backend.context.limits.staleness + _SETTLES

    # --- the run record ---------------------------------------------------------------------------------------------

    async def _record(self, job: Job) -> RunRecord | None:
        """The record of the job's run; None if that was purged, also if another one has its id now.

        Raises:
            StaleReadError: There is no record to be seen.
        """
        record = self._known.get(job.run_id)
        if record is not None and job.nonce == record.nonce:  # one that was written by hand has none
            return record
        looked = self._clock.now()
        record = await self._runs.get(job.run_id)
        if record is None and job.blueprint_id is not None and job.node_id is not None:
            record = await self._take_up(job.run_id, job.blueprint_id)
        if record is None:
            # A timer was sent for a run that had a record, and a status before that.
            if job.timer and await self._backend.status.get(job.run_id) is None:
                self._tell_of(job).tell(JOB_DROPPED)
                return None
            raise StaleReadError(f"there is no run {job.run_id!r}")
        if job.nonce not in ("", record.nonce):
            if self._is_settled(job, looked):
                self._tell_of(job).tell(JOB_DROPPED)
                return None
            raise StaleReadError(f"run {job.run_id!r} has another record than the job was sent for")
        known = self._known.get(job.run_id)
        if known is None or known.nonce != record.nonce:  # what else is kept may be of an earlier run of this id
            self._memory.forget(job.run_id)
        record = await traced(record, self._runs, self._telemetry, job.trace)
        self._known.put(record)
        return record

    async def _known_to(self, job: Job) -> RunRecord | None:
        """The record of a job's run, if it can be read."""
        try:
            record = self._known.get(job.run_id) or await self._runs.get(job.run_id)
        except TransientError:
            raise
        except Exception:  # whatever it is: it is what the job is given up for, or would be
            return None
        return None if record is None or job.nonce not in ("", record.nonce) else record

    async def _take_up(self, run_id: str, blueprint_id: str) -> RunRecord | None:
        """Make a record for a run that was begun by hand, in a backend that can be asked for such runs."""
        by_hand: HandWrittenRuns | None = getattr(self._backend, "by_hand", None)
        context = None if by_hand is None else await by_hand.initial_context(run_id)
        if by_hand is None or context is None:
            return None
        graph = self._runtime.catalogue.graphs.get(blueprint_id)
        if graph is None:
            raise ImplementationMissingError(
                f"run {run_id!r} was begun by hand with blueprint {blueprint_id!r}, "
                "which no worker brings: add it to the workers' runtime"
            )
        now = self._clock.now()
        record = RunRecord(
            run_id=run_id,
            blueprint_id=blueprint_id,
            graphs=self._runtime.catalogue.reachable(graph),
            context=dict(context),
            started=now,
            nonce=new_id(),
        )
        status = RunStatus(
            run_id=run_id,
            state="running",
            blueprint_id=blueprint_id,
            created=now,
            updated=now,
            next_check=now + CHECK_AFTER,
        )
        if not await self._backend.status.create(status):
            await by_hand.name_flow(run_id, blueprint_id)
            await self._backend.status.touch(run_id, at=now, next_check=status.next_check)
        if not (await self._runs.create(record)).created:
            return await self._runs.get(run_id)
        self._say_begun(record)
        return record

    # --- what cannot be done now, or ever ---------------------------------------------------------------------------

    async def _pass_on(self, job: Job, error: Exception, queue: str) -> None:
        """Send the job again for later, and for a worker that can do it; not by its visibility, which would count."""
        if job.passed_on > PASS_ON_LIMIT:
            why = reason_of(error)
            self._tell_of(job).tell(GIVEN_UP, error, at=job.key, reason=why, seconds=job.passed_on)
            reason = f"gave up at {job.key or job.node_id or 'its start'} after {job.passed_on:.0f} s: {why}"
            # Of a run that has ended meanwhile, say by this job's twin, there is nothing left to do.
            if not await self._fail(job, reason) and await self._known_to(job) is None:
                await self._bury(encode_job(job), reason)
            return
        pause = _PASS_ON_PAUSES[min(job.hops, len(_PASS_ON_PAUSES) - 1)]
        again = attrs.evolve(
            job,
            hops=job.hops + 1,
            first_seen=job.first_seen or self._clock.now(),
            passed_on=job.passed_on + pause,
        )
        await self._send(queue, Message(encode_job(again), job.run_id), delay=pause)
        await self._say_passed_on(job, error, job.passed_on)

    async def _say_passed_on(self, job: Job, error: Exception, waited: float) -> None:
        """At once, then ever more rarely; of the items of a batch, say, once for all."""
        key = error.key or job.key if isinstance(error, ImplementationMissingError) else job.key
        lags = isinstance(error, StaleReadError) and waited <= self._backend.context.limits.staleness + _SETTLES
        if times := self._rarely.times((job.run_id, node_of(key), type(error), lags), self._clock.now()):
            self._tell_of(job).tell(
                PASSED_ON, error, at=key, reason=reason_of(error), seconds=waited, times=times, lower=lags
            )
        record = self._known.get(job.run_id)
        if record is not None and not lags:
            since = self._clock.now() - waited
            await self._passing_on.tell(record.incarnation, key, node_of(key), reason_of(error), since)

    async def _fail(self, job: Job, reason: str) -> bool:
        """End a run as failed; whether it had not ended already."""
        record = await self._known_to(job)
        self._memory.end(job.run_id)
        if record is not None:
            if (key := undone_by(job.key)) is not None:
                await self._stopped_run(record, job).give_up(key, reason, job.attempt)
                return True
            why = safe_text(reason, REASON_LENGTH)
            return await conclude(self._backend, self._records, record, "failed", self._clock, self._journal, why)
        return await end_run(
            self._backend,
            job.run_id,
            "failed",
            clock=self._clock,
            journal=self._journal,
            flow=job.blueprint_id or "?",
            since=job.first_seen,
            trace=job.trace,
            reason=safe_text(reason, REASON_LENGTH),
        )

    def _say_begun(self, record: RunRecord, events: Emitter | None = None) -> None:
        """Once, also if the queue delivers two copies of the first job."""
        if record.incarnation not in self._begun:
            if len(self._begun) >= _LIVE_KEPT:
                self._begun.pop(next(iter(self._begun)))
            self._begun[record.incarnation] = None
            self._journal.bind(run_id=record.run_id).tell(RUN_STARTED, flow=record.blueprint_id)
            if events is not None:
                events.begun(record.blueprint_id)

    def _say_unavailable(self, operation: str, error: TransientError) -> None:
        if times := self._rarely.times(operation, self._clock.now()):
            self._journal.tell(UNAVAILABLE, error, operation=operation, times=times)

    def _tell_of(self, job: Job) -> Journal:
        return self._journal.bind(run_id=job.run_id)

    async def _pass_on_newer(self, body: str, error: NewerJobError, queue: str) -> None:
        """Send a job of a newer format again, for a newer worker; for as long as any other job is passed on."""
        pause = _PASS_ON_PAUSES[-1]
        try:
            waited = passed_on_for(body)
            again = say_passed_on(body, waited + pause)
        except MalformedJobError as malformed:
            await self._bury(body, f"{error}; {malformed}")
            return
        if waited > PASS_ON_LIMIT:
            await self._bury(body, f"gave up after {waited:.0f} s, in which no newer worker has come by: {error}")
            return
        await self._send(queue, Message(again), delay=pause)

    async def _send(self, queue: str, message: Message, *, delay: float) -> None:
        """Send a message to the queue that it came from."""
        await queue_named(self._backend, queue).send([message], delay=delay)

    async def _bury(self, body: str, reason: str) -> None:
        """Keep what cannot be acted on where people find it, as far as a store takes it."""
        now = self._clock.now()
        letter = RunStatus(
            run_id=f":dead:{new_id()}",
            state="dead",
            blueprint_id="",
            created=now,
            updated=now,
            reason=safe_text(reason, REASON_LENGTH),
            body=safe_text(body, _LONGEST_LETTER),
        )
        try:
            await self._backend.status.create(letter)
        except TransientError:
            raise
        except Exception as error:
            self._journal.tell(LETTER_CUT, error, letter=letter.run_id, reason=reason_of(error))
            await self._backend.status.create(attrs.evolve(letter, body=None))
        self._journal.tell(DEAD_LETTER, letter=letter.run_id, reason=letter.reason)
