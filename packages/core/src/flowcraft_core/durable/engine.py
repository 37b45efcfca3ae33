"""The job cycle for one delivery: load, execute, commit, apply, advance, and go on or hand on.

What runs next is the pure code's to say; this module looks facts up, writes them, and tells others by jobs.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import attrs

from ..clock import Clock
from ..errors import (
    ConfigurationError,
    ImplementationMissingError,
    SerializationError,
    TransientError,
    UnknownLimitError,
    UnknownQueueError,
)
from ..execution import FIRST, Executor
from ..failures import name_of, text_of
from ..graph.facts import Answer, Attempt, Outcome, Suspension
from ..graph.instances import Instance, Phase
from ..graph.limits import is_limited
from ..graph.partial import behind, is_large
from ..graph.queues import is_bound, queue_of
from ..graph.scopes import Kind
from ..jobs import Job
from ..logging.catalogue import HOST_TOO_SHORT, JOB_FAILED, RUN_AWAITING
from ..ports import Backend, ContextStore
from ..queues import DEFAULT_QUEUE
from ..settings import number, whole
from ..texts import safe_text
from ..traces import Trace
from .admission import Admission
from .advancing import Advance
from .ends import call_undone
from .invocations import ENDLESS, Invocation, InvocationTimeError, cut_off, may_take, none_has_time, too_long
from .poison import PoisonCount, Trying
from .runs import RunRecord
from .sets import JoinSets
from .signals import conclude, fail_if_late, finish_run, held_key, say_suspended, send_jobs, send_suspended
from .storage import KEPT, NewerRecordError, Records, StaleReadError, Stored
from .suspensions import may_be_suspended
from .transactions import StepTransaction
from .view import RunView, UnknownInstanceError

if TYPE_CHECKING:
    from ..runtime import Emitter

# How soon a job that goes on and on notices that what it does is of no use any more, seconds.
_UNNEEDED_NOTICED = 2.0

# How long it is taken for granted that an instance that had no outcome has none yet, while its job waits to be begun.
_LOOKS_FRESH = 5.0


class Done(enum.Enum):
    """What is to become of the delivery."""

    ACKNOWLEDGE = "acknowledge"
    #: Somebody else was faster: look again when it is delivered again, in case they die before they go on.
    LOOK_AGAIN = "look again"
    #: Nothing could be done: leave it to the queue to deliver it again.
    DELIVER_AGAIN = "deliver again"


@attrs.frozen(kw_only=True)
class Settings:
    """Bounds of the job cycle.

    Attributes:
        max_hold: Seconds for which one delivery is gone on with before its next job is sent.
        max_steps: Instances that are run under one delivery before its next job is sent.
        delivery_limit: Deliveries of one job after which its instance is failed instead of run.
    """

    max_hold: float = 300.0
    max_steps: int = 500
    delivery_limit: int = 5

    def __attrs_post_init__(self) -> None:
        number("Settings: max_hold", self.max_hold, least=0)
        whole("Settings: max_steps", self.max_steps, least=1)
        whole("Settings: delivery_limit", self.delivery_limit, least=1)


#: What whoever handles the message has an answer to. All else that the engine raises is a failure of its own.
_CALLED_FOR = (
    TransientError,
    SerializationError,
    ImplementationMissingError,
    UnknownLimitError,
    UnknownQueueError,
    StaleReadError,
    NewerRecordError,
    UnknownInstanceError,
)


class PoisonError(Exception):
    """Becomes the error of an instance whose job was delivered too often."""


class EngineError(Exception):
    """Becomes the error of an instance at which the engine itself has failed too often."""


@attrs.define(eq=False)
class Engine:
    """Works on one run's instances under one job.

    Attributes:
        backend: Where facts and jobs go.
        records: The backend's records.
        sets: The backend's join sets.
        clock: Tells the time.
        executor: Runs the instances.
        view: What is known of the run.
        job: The job.
        settings: Bounds.
        stopped: Asked before each instance: whether nothing new is to be started.
        got_on: Told of each outcome that was written; what it gives is awaited.
        begun: Told when the run begins with this job.
        admission: What an attempt has to have before it begins.
        invocation: Where it runs.
        queue: The name of the queue that the job came from.
        events: Tells what happens.
        slots: Held while a step runs; no limit on them by default.
        trying: What the worker tries again just now, under all of its jobs; see ``PoisonCount``.
        current: The key of the instance under way, until it has an outcome and is gone on from.
        handed_over: Another job goes on from the instance under way, once it has an outcome.
        is_past_steps: No step will run here any more: whoever sees that the run has ended has nothing to call off.
    """

    backend: Backend
    records: Records
    sets: JoinSets
    clock: Clock
    executor: Executor
    view: RunView
    job: Job
    settings: Settings
    stopped: Callable[[], bool]
    got_on: Callable[[RunRecord], Awaitable[None] | None]
    begun: Callable[[RunRecord, Emitter | None], None]
    admission: Admission
    invocation: Invocation = ENDLESS
    queue: str = DEFAULT_QUEUE
    events: Emitter | None = None
    slots: asyncio.Semaphore | None = None
    trying: Trying = attrs.field(factory=Trying)
    current: str = ""
    handed_over: bool = False
    is_past_steps: bool = False
    _handing_over: asyncio.Lock | None = None  # once somebody does
    _hands_on: float = 0.0
    _steps: int = 0
    _poison: PoisonCount = attrs.field(init=False)
    _is_again: bool = False
    _looked_for_unneeded: float = 0.0
    _began: float = 0.0  # when it began to look
    _at: str = ""  # the key of the instance that is dealt with, to name where the engine failed
    _transaction: StepTransaction = attrs.field(init=False)
    _advance: Advance = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._poison = PoisonCount(self.backend.coordination, self.settings.delivery_limit, self.trying)
        executor, view, record = self.executor, self.view, self.view.record
        self._transaction = transaction = StepTransaction(self.backend)
        self._advance = Advance(
            self.backend, self.records, self.sets, self.clock, self.view, self.job, self.executor.journal
        )
        # Nothing of it holds the engine: what is in no circle is gone with the job, without a collection of garbage.
        executor.values, executor.before_deciding = view.values, view.before_deciding
        executor.gather, executor.results = view.gather, view.results
        executor.connection = transaction.connection
        executor.trouble = lambda: view.trouble or transaction.trouble
        if transaction.may_begin:
            executor.roll_back = transaction.roll_back
        executor.kept_keys, executor.nonce = record.kept_keys, record.nonce

    async def handle(self, count: int) -> Done:
        """Do what the job asks for.

        Args:
            count: How often the job has been delivered.
        """
        try:
            try:
                done = await self._handle(count)
            finally:
                self._poison.leave()
                self.is_past_steps = True  # and what becomes of the message is not to be cut off
                await self.admission.give_lease_back()
                await self._transaction.roll_back()  # of a step that did not come to its outcome
        except InvocationTimeError:
            raise  # whoever is cut off did not come back
        except asyncio.CancelledError:
            if self.stopped():
                await self._poison.come_back()
            raise
        except _CALLED_FOR:
            await self._poison.come_back()
            raise
        except Exception as error:
            return await self._in_trouble(error)
        await self._poison.come_back()
        return done

    async def _in_trouble(self, error: Exception) -> Done:
        """What becomes of a delivery at which the engine itself has failed, whatever it was that it could not do.

        It is tried again, and counted. Past the limit the instance that it was at fails instead of being executed, by
        the same way as one that ends its process; where that cannot be written either, or where there is nothing left
        to execute, the run fails. Both name the error.
        """
        at, what = self._at, safe_text(f"{name_of(error)}: {text_of(error)}", 1_000)
        record = self.view.record
        times = await self._poison.note_trouble(record.incarnation, self.job.id, at, what)
        self.executor.journal.tell(JOB_FAILED, error, at=at)
        if times <= self.settings.delivery_limit:
            return Done.DELIVER_AGAIN
        reason = f"the engine failed {times} times at {at or 'the start'!r}, at last with {what}"
        await conclude(self.backend, self.records, record, "failed", self.clock, self.executor.journal, reason)
        return Done.ACKNOWLEDGE

    async def _handle(self, count: int) -> Done:
        self._is_again = self._advance.is_again = self.admission.is_again = count > 1
        self._at, self._began = self.job.key, self.clock.now()
        # Well before the queue's longest visibility: the step that is under way then has as long again.
        hold = min(self.settings.max_hold, self.backend.queue.limits.max_visibility / 4)
        self._hands_on = self._began + hold
        if (call := call_undone(self.job.key)) is not None:
            frontier = await self._advance.behind(call)
        elif self.job.key:
            instance = await self.view.find(self.job.key)
            if instance is None:
                raise UnknownInstanceError(f"run {self.job.run_id!r} has no instance {self.job.key!r}")
            frontier = [instance]
        else:
            root = self.view.state.root
            frontier = [Instance(root, root.scope.vertices[index]) for index in root.scope.starts]
            if self.view.record.redrive_of is not None:
                await self.view.settle()  # what is not visible yet of what was kept would be done again
        frontier = await self._walk(frontier, own=call is None)
        self._say_begun(frontier)
        first, lost = True, False
        while frontier and self.view.state.phase is Phase.RUNNING:
            if self.view.record.deadline is not None and await self._is_late():
                break
            instance = frontier[0]
            # Another job would go through all items of a large batch once more, to know that they have ended.
            if len(frontier) > 1 or (self._must_hand_on() and not is_large(instance)):
                await self.send(frontier)
                break
            if self._is_elsewhere(instance):
                await self._send_there(instance)
                break
            self._at, looked = instance.key, self.clock.now()
            if (
                first
                and count > 1
                and await self._poison.are_too_many(self.view.record.incarnation, instance.key, count)
            ):
                if await self.backend.coordination.get(held_key(self.view.record, instance.key)) is not None:
                    # Somebody is at it, or was until a moment ago, perhaps this very worker: if they die, too, nobody
                    # says so any more when the job is delivered again.
                    self._poison.keep()
                    return Done.LOOK_AGAIN
                outcome = await self._poisoned(instance, count)
            else:
                if not await self.view.prepare(instance):
                    raise StaleReadError(f"run {self.job.run_id!r}: what leads to {instance.key!r} is not visible yet")
                ended = await self._run(instance, looked, fresh=not first)
                if ended is None:
                    break
                outcome = ended
            committed = await self._commit(instance, outcome)
            await self.admission.give_lease_back()
            if first:
                self._poison.leave()
                first = False
            if committed is None:
                lost = True
                break
            if self._handing_over is not None:  # who hands over does so before this goes on, or not at all
                async with self._handing_over:
                    pass
            if self.handed_over:
                break
            self.current = ""
            frontier = await self._not_done(await self._advance.over(instance, committed, goes_on=True))
        if rest := await self._advance.rest():
            await self.send(rest)
        await self.finish()
        await self.admission.wait_no_more()
        return Done.LOOK_AGAIN if lost else Done.ACKNOWLEDGE

    async def _is_late(self) -> bool:
        """Whether the run has taken longer than its timeout; then it has failed."""
        ending = self.backend, self.records, self.view.record, self.clock, self.executor.journal
        return await fail_if_late(*ending, again=self._is_again)

    def _say_begun(self, frontier: list[Instance]) -> None:
        """Say that the run begins, if it does: by the first delivery of its first job to a worker that can begin it."""
        if self.job.key or self._is_again or not frontier:
            return
        starts, record = self.view.state.root.scope.starts, self.view.record
        if record.redrive_of is None and [found.vertex.index for found in frontier] != list(starts):
            return
        if len(frontier) == 1 and not self._is_elsewhere(frontier[0]):
            self._check_steps(frontier[0])
        self.begun(record, self.events)

    async def hand_over(self, send: Callable[[str], Awaitable[None]]) -> bool:
        """Have another job go on from the instance under way; whether it does, and this one does not.

        Args:
            send: Sends a job for the key of the instance.
        """
        self._handing_over = self._handing_over or asyncio.Lock()
        async with self._handing_over:
            if not self.current or self.handed_over:
                return False
            # The other job begins at what is under way: it finds no more than that.
            await self.send(await self._advance.rest())
            await send(self.current)
            self.handed_over = True
            return True

    # --- replay ---------------------------------------------------------------------------------------------------

    async def _walk(self, frontier: list[Instance], *, own: bool = True) -> list[Instance]:
        """Through the outcomes that are there already, to what has none.

        From the job's own instances whoever wrote their outcomes, and beyond them through outcomes of this very job;
        what another job wrote is followed by that one. What a fork has kept is followed by whoever comes to it.

        Args:
            frontier: Where to begin.
            own: They are the job's own.
        """
        found: list[Instance] = []
        while frontier:
            outcomes = await self.view.look(frontier)
            following: list[Instance] = []
            for instance in frontier:
                stored = outcomes.get(instance.key)
                if stored is None:
                    found.append(instance)
                elif not stored.value.void and (own or stored.job in (self.job.id, KEPT)):
                    following += await self._advance.over(instance, stored)
            frontier, own = following, False
        return found

    async def _not_done(self, frontier: list[Instance]) -> list[Instance]:
        """Those without an outcome; one that was looked up already is gone on from if it is of this very job."""
        for instance in frontier:
            if instance.vertex.index in instance.scope.outcomes or self._may_be_kept(instance):
                return await self._walk(frontier, own=False)
        return frontier

    def _may_be_kept(self, instance: Instance) -> bool:
        """Whether it may have an outcome though what leads to it has just ended: in a fork the next item of a lane."""
        return self.view.record.redrive_of is not None and behind(instance) is not None

    # --- execute --------------------------------------------------------------------------------------------------

    def _must_hand_on(self) -> bool:
        return self._steps >= self.settings.max_steps or self.clock.now() >= self._hands_on

    def _is_elsewhere(self, instance: Instance) -> bool:
        """Whether an instance runs on another queue than the one that the job came from."""
        return is_bound(instance.vertex) and queue_of(instance, self.view.record.queue) != self.queue

    async def _send_there(self, instance: Instance) -> None:
        """Send a job for an instance to its queue; one that is there by mistake with all that it says."""
        if instance.key == self.job.key:
            said = {name: getattr(self.job, name) for name in ("attempt", "deferred", "standing_in", "hops")}
            await self.send([instance], **said)
        else:
            await self.send([instance])

    async def _poisoned(self, instance: Instance, count: int) -> Outcome:
        limit = f"the limit is {self.settings.delivery_limit}"
        trouble = await self._poison.trouble(self.view.record.incarnation, instance.key)
        if trouble is not None:
            message = f"the engine failed at it again and again, with {trouble}; {count} deliveries, and {limit}"
            return await self._failure(EngineError(message), instance, count - 1)
        message = (
            f"its job was delivered {count} times and never came to an outcome: the step seems to end its process, to "
            f"cancel the worker's task from outside, or to take longer than its invocation lives; {limit}"
        )
        return await self._failure(PoisonError(message), instance, count - 1)

    async def _failure(self, error: Exception, instance: Instance, number: int) -> Outcome:
        """The outcome of an instance that fails without being executed, or after it was."""
        if instance.vertex.catches:
            await self.view.refresh(instance)
        return self.executor.failure(error, instance, number)

    async def _run(self, instance: Instance, looked: float, *, fresh: bool) -> Outcome | None:
        """The instance's outcome; None if it waits, and goes on under another job.

        Args:
            instance: The instance.
            looked: When it was last known that it has no outcome.
            fresh: It has become ready just now, under this job.
        """
        if self.admission.places is not None and instance.key != self.job.key:
            await self.admission.give_places_back()  # what was waited for is done already
        if self.stopped():
            await self.send([instance])
            return None
        now = self.clock.now()
        if instance.vertex.kind is Kind.STEP and now - self._looked_for_unneeded >= _UNNEEDED_NOTICED:
            self._looked_for_unneeded = now
            if await self.view.is_unneeded(instance):
                return None
        self._steps += 1
        if instance.vertex.inputs is not None:
            await self.view.refresh(instance)
        attempt, reminding = FIRST, None
        if self.job.attempt and self.job.key == instance.key:
            attempt = Attempt(self.job.attempt, self.job.deferred, self.job.standing_in)
            if attempt.standing_in:
                last = await self._last_suspension(instance)
                if last is None or not last.standing_in:
                    raise StaleReadError(
                        f"the attempt before attempt {attempt.number} at {instance.key!r} is not visible yet"
                    )
                attempt = attrs.evolve(attempt, primary_error=last.primary_error)
        elif not fresh and instance.vertex.kind is Kind.STEP and (self._is_again or may_be_suspended(instance)):
            suspension = await self._last_suspension(instance)
            if suspension is not None:
                is_due = suspension.due is not None and suspension.due <= self.clock.now()
                if suspension.kind == "wait" and self._is_news() and not (is_due and self.job.timer):
                    raise StaleReadError(f"wait {instance.key!r} is open; what resumed it may not be visible yet")
                if not is_due:
                    # A job will come when it is due; unless whoever suspended it died before it was sent.
                    if self._is_again and suspension.due is not None:
                        await self.schedule(instance, suspension)
                    return None
                if suspension.kind == "retry":
                    attempt = suspension.next_attempt
                elif self.executor.reminds(instance, suspension):
                    reminding = suspension
                else:
                    await self.view.refresh(instance)  # what its edges name
                    return self.executor.due(instance, suspension)
        self._check_steps(instance)
        if not await self.admission.take_lease(instance, attempt):
            return None
        if not self.invocation.has_time_for(instance):
            hops = self.job.hops if self.job.key == instance.key else 0
            if none_has_time(hops):
                return await self._failure(too_long(instance), instance, attempt.number)
            await self.send([instance], hops=hops + 1)
            journal = self.executor.journal
            journal.tell(HOST_TOO_SHORT, at=instance, seconds=self.invocation.left(), timeout=may_take(instance))
            return None
        # What the engine does itself takes no time, and waits for no step.
        slots = self.slots if instance.vertex.kind is Kind.STEP else None
        if slots is not None:
            await slots.acquire()
        try:
            ended = await self._execute(instance, attempt, reminding, looked)
        finally:
            if slots is not None:
                slots.release()
        if ended is None:
            return None
        if type(ended) is not Outcome or ended.error is not None:
            await self._transaction.roll_back()
        if (trouble := self.view.trouble or self._transaction.trouble) is not None:
            raise trouble  # the context could not be read, or the database is away: that is no failure of the step
        if isinstance(ended, Outcome):
            return ended
        reach = self.backend.queue.limits.max_delay
        ended = attrs.evolve(ended, queued=ended.due is not None and ended.due - self.clock.now() <= reach)
        stored = await self.records.put_suspension(self.job.run_id, instance.key, ended, self.job.id)
        if isinstance(stored.value, Answer):
            await self.view.refresh(instance)  # what its edges name
            return self.executor.answered(instance, stored.value)
        if not stored.won and reminding is None and ended.kind == "wait" and self._is_news():
            raise StaleReadError(f"wait {instance.key!r} was reached before; what resumed it may not be visible yet")
        if self.events is not None and stored.won:
            self.events.suspended(instance, ended)
        if stored.won and reminding is None and ended.kind == "wait":
            self.executor.journal.tell(RUN_AWAITING, flow=self.view.record.blueprint_id, waiting=instance.key)
        # Of several who have reminded at once, one sends the next job, so that they do not become more and more.
        if stored.won or self._is_again or reminding is None:
            await self.schedule(instance, stored.value)
        return None

    def _is_news(self) -> bool:
        """Whether what the job was sent for may not have been visible yet when this began to look."""
        return self._began - self.job.first_seen < self.records.store.limits.staleness

    async def _execute(
        self, instance: Instance, attempt: Attempt, reminding: Suspension | None, looked: float
    ) -> Outcome | Suspension | None:
        """What an attempt comes to once there is a slot for it; None if it is not begun here, or not now.

        Args:
            instance: The instance.
            attempt: Which attempt.
            reminding: The suspension of a wait that reminds, in the place of an attempt.
            looked: When it was last known that the instance has no outcome.
        """
        if self.stopped() or (self.clock.now() - looked > _LOOKS_FRESH and await self.view.look([instance])):
            await self.send([instance])
            return None
        if reminding is None and is_limited(instance):
            try:
                names = await self.executor.limits_of(instance)
            except UnknownLimitError:
                raise
            except ConfigurationError as error:
                return await self._failure(error, instance, attempt.number)
            if not await self.admission.take_places(instance, attempt, names):
                return None
        if not attempt.is_first and not await self.admission.is_ours(instance, attempt):
            await self.admission.give_places_back()
            return None
        self.current = instance.key
        if reminding is None and self.events is not None:
            self.events.started(instance, attempt.number)
        try:
            if self.invocation.remaining is None:
                return await self._once(instance, attempt, reminding)
            return await self._attempt(instance, attempt, reminding)
        finally:
            if self.admission.places is not None:
                await self.admission.give_places_back()

    async def _attempt(
        self, instance: Instance, attempt: Attempt, reminding: Suspension | None
    ) -> Outcome | Suspension:
        """One attempt, or one reminder of a wait that is suspended, for as long as the invocation lives.

        Raises:
            InvocationTimeError: The invocation is about to end. The attempt was cancelled, and has no outcome.
        """
        timer = self.invocation.timer()
        try:
            async with timer:
                return await self._once(instance, attempt, reminding)
        except TimeoutError as error:
            if not timer.expired():
                raise
            self.executor.cancel()
            raise cut_off(instance) from error

    def _once(
        self, instance: Instance, attempt: Attempt, reminding: Suspension | None
    ) -> Awaitable[Outcome | Suspension]:
        if reminding is not None:
            return self.executor.remind(instance, reminding)
        return self.executor.attempt(instance, attempt)

    def _check_steps(self, instance: Instance) -> None:
        """A step that is missing here is not the node's failure: another worker may have it.

        Raises:
            ImplementationMissingError: The instance's step, or the one that would stand in for it, is missing.
        """
        vertex = instance.vertex
        for name in vertex.uses:
            try:
                found = self.executor.implementations(instance.scope.scope.blueprint, name)
            except ImplementationMissingError as error:
                raise ImplementationMissingError(f"node {instance.key!r}: {error}", instance.key) from error
            if (misfit := getattr(found.step, "misfit", None)) is not None and (why := misfit(vertex)) is not None:
                raise ImplementationMissingError(f"node {instance.key!r}: {why}", instance.key)

    async def _last_suspension(self, instance: Instance) -> Suspension | None:
        return (await self.records.suspensions(self.job.run_id, [instance])).get(instance.key)

    async def schedule(self, instance: Instance, suspension: Suspension) -> None:
        """See to it that a suspended instance is looked at when it is due."""
        now = self.clock.now()
        if suspension.queued and suspension.due is not None:
            await send_suspended(self.backend, self.view.record, instance, suspension, self.clock, trace=self._trace)
            if suspension.kind != "wait":
                return
        elif suspension.due is not None:
            await say_suspended(self.backend, self.view.record)
        # Someone else can go on, or the time is beyond the queue's reach: the reconciler is to look soon, to report the
        # run as waiting and to send the job when the time is near.
        await self.backend.status.touch(self.job.run_id, at=now, next_check=now)

    # --- commit, apply, advance -----------------------------------------------------------------------------------

    async def _commit(self, instance: Instance, outcome: Outcome) -> Stored[Outcome] | None:
        try:
            stored = await self._put(instance, outcome)
        except SerializationError as error:
            outcome, stored = await self._commit_failure(instance, error, outcome)
        if not stored.won:
            return None
        if self.events is not None:
            self.events.outcome(instance, outcome)
        if (saying := self.got_on(self.view.record)) is not None:
            await saying
        return stored

    async def _commit_failure(
        self, instance: Instance, error: Exception, refused: Outcome
    ) -> tuple[Outcome, Stored[Outcome]]:
        """Commit in the place of an outcome that cannot be stored that it cannot."""
        if refused.error is None:
            outcome = await self._failure(error, instance, refused.attempts)
            try:
                return outcome, await self._put(instance, outcome)
            except SerializationError as second:
                error, refused = second, outcome
        # What the edges of a failure carry is too large: the failure itself is not.
        why = dict.fromkeys(refused.taken, safe_text(str(error), 1_000))
        outcome = attrs.evolve(refused, taken={}, untaken={**(refused.untaken or {}), **why})
        return outcome, await self._put(instance, outcome)

    def _put(self, instance: Instance, outcome: Outcome) -> Awaitable[Stored[Outcome]]:
        """Store an outcome, together with what its step has stored, if it has and did not fail."""
        if (context := self._transaction.context) is not None:
            return self._put_together(context, instance, outcome)
        return self.records.put_outcome(self.job.run_id, instance.key, outcome, self.job.id)

    async def _put_together(self, context: ContextStore, instance: Instance, outcome: Outcome) -> Stored[Outcome]:
        # Nothing is remembered of it before it has committed.
        within, transaction = attrs.evolve(self.records, store=context, cache=None), self._transaction
        try:
            stored = await within.put_outcome(self.job.run_id, instance.key, outcome, self.job.id)
        except SerializationError:
            await transaction.roll_back()
            raise
        await (transaction.commit() if stored.won else transaction.roll_back())
        return stored

    async def finish(self) -> None:
        """End the run if the facts say that it has ended."""
        view, journal = self.view, self.executor.journal
        if view.state.phase is Phase.RUNNING:
            return
        self.is_past_steps = True
        ended = await finish_run(
            self.backend, self.records, view.record, view.state, self.clock, journal, again=self._is_again
        )
        if ended is not None and self.events is not None:
            self.events.ended(ended)

    async def send(self, instances: Iterable[Instance], **fields: Any) -> None:
        """Send a job for each instance, to its queue; ``fields`` are others of ``Job``."""
        await send_jobs(self.backend, self.view.record, instances, self.clock, trace=self._trace, **fields)

    @property
    def _trace(self) -> Trace | None:
        return None if self.events is None else self.events.trace
