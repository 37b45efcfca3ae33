"""``Worker``: takes jobs from the queue, works on them side by side, and keeps hold of them while it does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

import attrs

from ..clock import Clock, SystemClock
from ..durations import Duration
from ..errors import BackendGoneError, TransientError
from ..ids import new_id
from ..jobs import encode_job
from ..logging.catalogue import JOB_FAILED, LOOP_BLOCKED, TASK_ENDED, UNAVAILABLE
from ..logging.journal import Journal, Rarely
from ..payloads import CompressingCodec, PayloadCodec
from ..ports import Backend, Message
from ..queues import DEFAULT_QUEUE
from ..settings import VISIBILITY
from ..sizes import Size, parse_bytes
from ..tasks import end
from .caches import DEFAULT_MEMORY, Memory
from .describing.at_work import AtWork
from .describing.heartbeats import Heartbeat
from .engine import Done, Engine, Settings
from .handler import JobHandler
from .holding import Held, Holding
from .intake import Intake, Received, Served
from .loop_watch import LoopWatch
from .options import WorkerOptions, require_options
from .queues import queue_named
from .signals import held_key
from .stopping import stopped_by_signals
from .transient import RetryingBackend
from .worker_log import WorkerLog

if TYPE_CHECKING:
    from ..runtime import FlowRuntime
    from .reconciler import Reconciler

R = TypeVar("R", bound=Received)

# Before what failed is begun again, seconds: what keeps failing is not to fill the log.
_PAUSE = 1.0
_LONGEST_PAUSE = 30.0

# What costs a request to measure is measured so often, seconds.
_MEASURED = 60.0

# Before a delivery is looked at again after somebody else was faster, seconds.
_LOOK_AGAIN = 5.0

# Before a worker first says that it lives, seconds.
_FIRST_BEAT = 5.0


@attrs.define(eq=False)
class _Held(Received, Held):
    task: asyncio.Task[None] | None = None
    engine: Engine | None = None
    since: float = 0.0
    given_up: bool = False  # by the worker, which cancels its task
    waits: bool = False  # for places under limits
    let_be: bool = False  # when others were extended the last time

    @property
    def deliveries(self) -> int:
        return self.delivery.count

    @property
    def run_id(self) -> str | None:
        return None if self.engine is None else self.engine.job.run_id


class Worker:
    """Works on jobs until it is stopped."""

    def __init__(
        self,
        backend: Backend,
        runtime: FlowRuntime,
        *,
        concurrency: int = 16,
        prefetch: int | None = None,
        visibility: float = VISIBILITY,
        poll: float = 10.0,
        grace: float = 30.0,
        control_interval: float = 2.0,
        settings: Settings | None = None,
        codec: PayloadCodec | None = None,
        reconcile: bool = True,
        reconcile_interval: float = 60.0,
        blocked_after: float | None = 1.0,
        retention: Duration | None = None,
        told_after: float | None = 5.0,
        heartbeat: float | None = 60.0,
        queues: Sequence[str] = (DEFAULT_QUEUE,),
        memory: Size = DEFAULT_MEMORY,
    ) -> None:
        """Put a worker together.

        Args:
            backend: Where runs live; open.
            runtime: Brings the steps, the dependencies, the serializer and the clock.
            concurrency: How many steps run at once.
            prefetch: How many more jobs are held, so that no step waits for the network; what is held here is kept
                from other workers. A quarter of the concurrency by default.
            visibility: Seconds for which a job is hidden from other workers at a time; a heartbeat renews it.
            poll: Seconds for which one receive waits for a message.
            grace: Seconds that running steps get to finish when the worker is stopped.
            control_interval: Seconds between two looks whether a run was cancelled or has failed elsewhere.
            settings: Bounds of the job cycle.
            codec: For stored bytes; the same as the clients'.
            reconcile: Run a reconciler inside.
            reconcile_interval: Seconds after which it looks at a run again.
            blocked_after: Seconds for which the event loop may stand still before that is logged; None to watch
                nothing. Only on the machine's clock: on any other it is no sign of anything.
            retention: How long runs are kept once they have ended, before the reconciler purges them: seconds, a
                ``timedelta``, or text such as ``"30d"``. For ever by default.
            told_after: Seconds after which a step that is at work is told of, for ``Client.describe``; None to tell of
                none.
            heartbeat: Seconds between two words of the worker's that it lives, for ``Client.workers``, each of two
                requests; None to give none.
            queues: The names of the queues that it serves, in the order of their priority: from one that comes later
                it takes jobs as long as those before it have none. Nodes of other queues are never run here.
            memory: What it keeps of what it has read, so as not to read it again: bytes, or text such as ``"256MiB"``;
                0 to keep nothing. Beside it there is what the steps that run hold, and Python with your program.

        Raises:
            ConfigurationError: A setting cannot mean anything, or the backend has no queue of such a name.
        """
        require_options(
            WorkerOptions(
                concurrency=concurrency,
                prefetch=prefetch,
                visibility=visibility,
                poll=poll,
                grace=grace,
                control_interval=control_interval,
                reconcile_interval=reconcile_interval,
                blocked_after=blocked_after,
                retention=retention,
                told_after=told_after,
                heartbeat=heartbeat,
                queues=queues,
                memory=memory,
            )
        )
        kept = Memory(parse_bytes("Worker: memory", memory))
        self.runtime = runtime
        self._clock: Clock = runtime.clock
        self._name = new_id()[:12]  # short, as it is read by people, and stands in each fact
        self._telemetry = runtime.telemetry
        if self._telemetry is not None:
            self._telemetry.uses(backend)
        self._journal, self._rarely = Journal({"worker": self._name}, self._telemetry), Rarely()
        self._log = WorkerLog(self._journal)
        watches = isinstance(self._clock, SystemClock)
        lagged = None if self._telemetry is None else self._telemetry.loop_lagged
        self._watch = (
            LoopWatch(blocked_after, self._say_blocked, lagged) if blocked_after is not None and watches else None
        )
        self._place = backend
        self._backend: Backend = RetryingBackend(backend, self._clock, self._journal)
        self._concurrency = concurrency
        self._prefetch = concurrency // 4 if prefetch is None else prefetch
        self._visibility, self._poll, self._grace = visibility, poll, grace
        self._control_interval = control_interval
        self._served = [Served(name, queue_named(self._backend, name)) for name in queues]
        self._held: dict[_Held, None] = {}  # a set that keeps its order
        self._waiting = 0  # so many of those wait for places under limits
        self._done: list[Received] = []
        self._something_done, self._something_held = asyncio.Event(), asyncio.Event()
        self._stop = asyncio.Event()
        self._changed = asyncio.Event()
        self._intake = Intake(
            self._served,
            wait=poll,
            visibility=visibility,
            taken=self._begin_all,
            failed=partial(self._say_unavailable, "queue.receive"),
            brought=self._changed.set,
            sleep=self._clock.sleep,
        )
        self._handler = JobHandler(
            self._backend,
            runtime,
            codec=codec or CompressingCodec(),
            settings=settings or Settings(),
            control_interval=control_interval,
            visibility=visibility,
            stopped=self._stop.is_set,
            slots=asyncio.Semaphore(concurrency),
            keeps=concurrency,
            journal=self._journal,
            worker=self._name,
            memory=kept,
        )
        self._holding = Holding[_Held](
            self._backend,
            self._handler,
            self._clock,
            self._name,
            visibility=visibility,
            held=self._held,
            failed=self._say_unavailable,
            called_off=self._settle,
        )
        self._told_after, self._interval = told_after, heartbeat
        self._heartbeat: Heartbeat | None = None  # once this works
        self._reconciler: Reconciler | None = None
        if reconcile:
            from .reconciler import Reconciler  # noqa: PLC0415 # others may have been given the work

            self._reconciler = Reconciler(
                backend,
                serializer=runtime.serializer,
                codec=codec,
                clock=self._clock,
                interval=reconcile_interval,
                retention=retention,
                journal=self._journal,
                memory=kept,
            )

    @property
    def name(self) -> str:
        """What it is called in logs, in descriptions, and among ``Client.workers``."""
        return self._name

    # --- life -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Take no more jobs; ``run`` returns once those under way have ended, or the grace time is over."""
        self._stop.set()
        self._changed.set()
        self._handler.let_go()

    async def run(self, *, handle_signals: bool = False) -> None:
        """Work until ``stop`` is called.

        Args:
            handle_signals: Stop at SIGTERM and SIGINT; only in the main thread.

        Raises:
            ConfigurationError: Signals are to be handled in another thread.
        """
        with stopped_by_signals(self.stop) if handle_signals else contextlib.nullcontext():
            await self._run()

    async def _run(self) -> None:
        tasks: dict[str, Callable[[], Awaitable[None]]] = {
            "what keeps messages hidden": partial(self._repeat_for_held, self._visibility / 3, self._extend),
            # In a loop of its own: hints that hang must not hold up what keeps messages hidden.
            "what tells of steps under way": partial(self._repeat_for_held, self._holding.often, self._tell),
            "what looks for ended runs": partial(self._repeat_for_held, self._control_interval, self._control),
            "what acknowledges": self._acknowledge,
        }
        if self._telemetry is not None:
            tasks["what measures the backend"] = partial(self._repeat, _MEASURED, self._measure)
        if self._told_after is not None:
            at_work = AtWork(self._place.coordination, self._name, self._clock, self._told_after)
            tell = partial(self._tell_at_work, at_work)
            tasks["what tells of long steps"] = partial(self._repeat, self._told_after, tell)
        if self._interval is not None:
            tasks["the heartbeat"] = partial(self._keep_beating, self._interval)
        if self._reconciler is not None:
            tasks["the reconciler"] = partial(self._reconciler.run, self._stop)
        helpers = [asyncio.ensure_future(self._keep_up(what, begin)) for what, begin in tasks.items()]
        if self._watch is not None:
            self._watch.start()
        places = [Served(each.name, queue_named(self._place, each.name)) for each in self._served]
        self._log.started(self._place, places, self.runtime.catalogue, self._concurrency, self._clock.now())
        ended_by: BaseException | None = None
        try:
            await self._receive()
            await self._drain()
        except BaseException as error:
            ended_by = error
            raise
        finally:
            if self._watch is not None:
                self._watch.stop()
            # None is left unless this is cancelled itself: then they are not to go on behind its back, and what is cut
            # off has not ended its program.
            self._stop.set()
            held = list(self._held)
            under_way = [each.task for each in held if each.task is not None]
            for each in held:
                each.give_up()
            await end(*helpers, *under_way, *self._intake.under_way)
            left = [each for each in held if each not in self._done]
            await self._say_stopped()
            try:
                await self._release([*left, *await self._intake.end()])
                await self._flush()
            except Exception as error:  # what is not acknowledged comes again, and is found to be done
                self._say_unavailable("queue.acknowledge", error)
            self._log.ended(self._clock.now(), ended_by)

    async def _keep_up(self, what: str, begin: Callable[[], Awaitable[None]]) -> None:
        """Have something go on for as long as this works: should it end, that is said, and it is begun again."""
        while True:
            task = asyncio.ensure_future(begin())
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                await end(task)
                raise
            error = None if task.cancelled() else task.exception()
            if error is None and not task.cancelled() and self._stop.is_set():
                return
            self._journal.tell(TASK_ENDED, error or RuntimeError("it came to its end"), operation=what)
            await self._clock.sleep(_PAUSE)

    async def _receive(self) -> None:
        pause, has_received = _PAUSE, False
        while not self._stop.is_set():
            room = self._concurrency + self._prefetch - (len(self._held) - self._waiting)
            if room <= 0 and not self._intake.has_news:
                self._changed.clear()
                await self._changed.wait()
                continue
            receiving = asyncio.ensure_future(self._intake.receive(room))
            stopped = asyncio.ensure_future(self._stop.wait())
            try:
                await asyncio.wait([receiving, stopped], return_when=asyncio.FIRST_COMPLETED)
                is_cut_off = not receiving.done()
            finally:
                stopped.cancel()
                await _ended(receiving)  # what it has taken by then is held here, or its queue shows it again
            if is_cut_off:
                break
            try:
                receiving.result()
            except TransientError as error:
                self._say_unavailable("queue.receive", error)
                continue
            except BackendGoneError:
                raise  # nothing that is done here reaches anybody any more
            except Exception as error:
                if not has_received:
                    raise  # it is set up wrongly, which is told at once
                self._say_unavailable("queue.receive", error)
                await self._rest(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause, has_received = _PAUSE, True
        try:
            await self._release(await self._intake.end())
        except Exception as error:
            self._say_unavailable("queue.release", error)

    async def _release(self, given_back: Sequence[Received]) -> None:
        """Give messages back to their queues; one that fails keeps those of no other one."""
        failed: Exception | None = None
        for served, some in _by_queue(given_back):
            try:
                await served.queue.release([each.delivery for each in some])
            except Exception as error:
                failed = error
        if failed is not None:
            raise failed

    def _begin_all(self, taken: Sequence[Received]) -> None:
        for each in taken:
            self._begin(each)

    def _begin(self, received: Received) -> None:
        """Work on a delivery beside all others. What is known of it is let go of with it: an idle worker keeps none."""
        held = _Held(received.served, received.delivery, since=self._clock.now())
        self._held[held] = None
        self._something_held.set()
        held.task = asyncio.get_running_loop().create_task(self._hold(held))

    async def _hold(self, held: _Held) -> None:
        """Work on a delivery, and let it go whatever comes of that."""
        try:
            await self._work(held)
        except asyncio.CancelledError:
            if not held.given_up:  # say, by a task that its step has started, and that holds it for its own
                self._say_failed(held, asyncio.CancelledError("somebody has cancelled the task of a job"))
        except Exception as error:
            self._say_failed(held, error)
        finally:
            self._held.pop(held, None)
            self._waiting -= held.waits
            held.engine = held.task = None  # until it is acknowledged nobody needs what is known of its run
            self._changed.set()

    async def _rest(self, seconds: float) -> None:
        """Wait, but no longer than until this is stopped."""
        pause, stopped = asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([pause, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            stopped.cancel()

    def _say_failed(self, held: _Held, error: BaseException) -> None:
        key = "" if held.engine is None else held.engine.job.key
        self._journal.bind(run_id=held.run_id or "?").tell(JOB_FAILED, error, at=key)

    def _say_blocked(self, seconds: float, place: str, task: asyncio.Task[object] | None) -> None:
        """Called in another thread, while this one stands still."""
        working = [(held.task, held.engine) for held in tuple(self._held)]  # as it is now: what has ended has none
        at_work = [(by, engine) for by, engine in working if engine is not None and engine.current]
        exact = [(by, engine) for by, engine in at_work if by == task]  # which may be what stands in for it
        nodes = [f"{engine.job.run_id}:{engine.current}" for _, engine in exact or at_work]
        self._journal.tell(LOOP_BLOCKED, seconds=seconds, place=place, nodes=", ".join(nodes) or "nothing")

    def _say_unavailable(self, operation: str, error: Exception) -> None:
        if times := self._rarely.times(operation, self._clock.now()):
            self._journal.tell(UNAVAILABLE, error, operation=operation, times=times)

    async def _drain(self) -> None:
        tasks = [held.task for held in self._held if held.task is not None]
        if not tasks:
            return
        grace = asyncio.ensure_future(self._clock.sleep(self._grace))
        late = set(tasks)
        while late and not grace.done():
            ended, _ = await asyncio.wait({*late, grace}, return_when=asyncio.FIRST_COMPLETED)
            late -= ended
        grace.cancel()
        if late:
            given_back = list(self._held)
            for held in self._held:
                held.give_up()
            await asyncio.wait(late, timeout=1.0)
            self._log.given_back += len(late)
            with contextlib.suppress(TransientError):
                await self._release(given_back)

    async def _repeat(self, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._clock.sleep(seconds)
            try:
                await action()
            except Exception as error:  # whatever it is, jobs that are held must go on being held
                self._say_unavailable(getattr(action, "__name__", "tell").strip("_"), error)

    async def _repeat_for_held(self, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
        """``_repeat``, but for as long as nothing is held: an idle worker does nothing, in no time."""

        async def held() -> None:
            await action()
            if not self._held:
                self._something_held.clear()
                await self._something_held.wait()

        await self._something_held.wait()
        await self._repeat(seconds, held)

    # --- holding --------------------------------------------------------------------------------------------------

    async def _extend(self) -> None:
        for each in self._held:
            each.let_be = each.waits and not each.let_be  # what waits may do so for long: every second time is enough
        held = [each for each in self._held if not each.let_be and (each.engine is None or not each.engine.handed_over)]
        for served, some in _by_queue(held):
            extended = await served.queue.extend([each.delivery for each in some], self._visibility)
            for each, delivery in zip(some, extended, strict=True):
                if delivery is not None:
                    each.delivery = delivery
        for each in held:
            await self._hand_over(each)

    async def _tell(self) -> None:
        """Tell reconcilers, and jobs that were handed over, what is worked on."""
        await self._holding.tell()

    # --- hints for people -----------------------------------------------------------------------------------------

    async def _tell_at_work(self, at_work: AtWork) -> None:
        await at_work.tell([held.engine for held in self._held if held.engine is not None])

    async def _keep_beating(self, interval: float) -> None:
        self._heartbeat = Heartbeat.of(
            self._name,
            self._place,
            [served.name for served in self._served],
            self.runtime.catalogue,
            concurrency=self._concurrency,
            interval=interval,
            now=self._clock.now(),
        )
        # A worker that lives for a moment only leaves no trace.
        await self._clock.sleep(min(_FIRST_BEAT, interval))
        await self._beat()
        await self._repeat(interval, self._beat)

    async def _beat(self, state: Literal["working", "stopping", "stopped"] | None = None) -> None:
        if self._heartbeat is not None:
            state = state or ("stopping" if self._stop.is_set() else "working")
            busy = sum(1 for held in self._held if held.engine is not None and held.engine.current)
            await self._heartbeat.beat(self._clock.now(), busy=busy, held=len(self._held), state=state)

    async def _say_stopped(self) -> None:
        if self._heartbeat is not None and self._heartbeat.has_beaten:
            try:
                await self._beat("stopped")
            except Exception as error:  # it is seen by its silence
                self._say_unavailable("heartbeat", error)

    # --- handing over, control --------------------------------------------------------------------------------------

    async def _hand_over(self, held: _Held) -> None:
        """Before the queue's longest visibility is over, hand a long step to a new job, which waits for its outcome."""
        engine, limit = held.engine, held.served.queue.limits.max_visibility
        if engine is None or self._clock.now() - held.since < limit - 2 * self._visibility:
            return

        async def send(key: str) -> None:
            record = engine.view.record
            await self._backend.coordination.set_if_absent(held_key(record, key), self._name, ttl=self._visibility)
            trace = None if engine.events is None else engine.events.trace
            job = record.job(key, self._clock.now(), hops=1, trace=trace or record.trace)
            delay = min(self._visibility / 3, held.served.queue.limits.max_delay)
            await held.served.queue.send([Message(encode_job(job), job.run_id)], delay=delay)

        if await engine.hand_over(send):
            self._settle(held)

    async def _measure(self) -> None:
        if self._telemetry is not None:
            await self._telemetry.look(self._place)

    async def _control(self) -> None:
        """Tell steps whose run was cancelled, or has failed elsewhere, that their results are of no use any more."""
        await self._holding.look()

    async def _acknowledge(self) -> None:
        while True:
            await self._something_done.wait()
            self._something_done.clear()
            # What ends in the same moment is acknowledged in one request.
            await self._clock.sleep(0.02)
            try:
                await self._flush()
            except Exception as error:  # whatever it is, what is done later is to be acknowledged
                self._say_unavailable("queue.acknowledge", error)
                await self._clock.sleep(0.5)
                self._something_done.set()

    async def _flush(self) -> None:
        done, self._done = self._done, []
        for served, some in _by_queue(done):
            try:
                await served.queue.acknowledge([each.delivery for each in some])
            except BaseException:  # also where it is cut off: whoever stops a worker acknowledges the rest
                self._done += done  # those that are gone already keep none of the others from being removed
                raise

    # --- one job --------------------------------------------------------------------------------------------------

    async def _work(self, held: _Held) -> None:
        if self._stop.is_set():
            with contextlib.suppress(TransientError):
                await held.served.queue.release([held.delivery])
            return
        body, count, queue = held.delivery.body, held.delivery.count, held.served.name
        done = await self._handler.handle(body, count, watch=partial(self._watch_over, held), queue=queue)
        engine = held.engine
        if engine is not None and engine.handed_over:
            with contextlib.suppress(TransientError):  # who waits for it need not wait for its time to run out
                key = held_key(engine.view.record, engine.current)
                await self._backend.coordination.delete(key, value=self._name)
            return
        if done is Done.ACKNOWLEDGE:
            self._settle(held)
        elif done is Done.LOOK_AGAIN:
            await held.served.queue.extend([held.delivery], _LOOK_AGAIN)

    def _watch_over(self, held: _Held, engine: Engine | None) -> None:
        waits = engine is None
        self._waiting += waits - held.waits
        held.engine, held.waits = engine, waits
        if waits:
            self._changed.set()  # what waits for a place holds up nothing else

    def _settle(self, held: _Held) -> None:
        self._done.append(held)
        self._something_done.set()


async def _ended(receiving: asyncio.Future[int]) -> None:
    """Have a receive ended, if it has not by itself; what it has raised is known then."""
    if not receiving.done():
        await end(receiving)
    if not receiving.cancelled():
        receiving.exception()


def _by_queue(received: Sequence[R]) -> list[tuple[Served, list[R]]]:
    """Deliveries with the queue that they came from, queue by queue."""
    found: dict[Served, list[R]] = {}
    for each in received:
        found.setdefault(each.served, []).append(each)
    return list(found.items())
