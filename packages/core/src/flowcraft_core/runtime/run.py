"""One run in one event loop.

Workers take ready instances from the state, execute them and feed the outcomes back. A worker awaits its steps itself,
so a step that does not suspend costs no task; as soon as one does, another worker takes the next instance. The driver
starts workers, waits for timers, and ends the run.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..blueprint import WAIT
from ..clock import Clock, Stopwatch
from ..durations import Duration, parse_seconds
from ..errors import ConfigurationError, ResumeError, UnknownWaitError
from ..execution import FIRST, Executor
from ..failures import name_of, text_of
from ..graph.decisions import scope_output
from ..graph.facts import Answer, Attempt, NodeError, Outcome, Suspension
from ..graph.failures import errors_of, paths_of
from ..graph.fold import context_of, outputs_of
from ..graph.instances import Instance, Phase, ScopeState
from ..graph.limits import is_limited
from ..graph.scopes import Graph
from ..graph.state import RunState
from ..logging.catalogue import CALL_STOPPED, ENGINE_FAILED, STEPS_LEFT
from ..logging.runs import RunLog
from ..settings import whole
from ..texts import require_name
from .ended import Ended
from .limits import LocalLimits
from .listening import emitter_of
from .results import RunResult, Status
from .undoing import Undos

if TYPE_CHECKING:
    from ..events import EventSink
    from ..pictures import Picture
    from ..serialization import Serializer
    from ..traces import Trace

# How many instances a worker runs before it lets the event loop look at everything else.
_TURN = 100


# How long a cancelled step may take to notice before the run is left without it, seconds.
_GRACE = 5.0


class NothingLeftError(RuntimeError):
    """Nothing is left to do in a run that has not ended: a defect, or a saved state that was changed by hand."""


class Run:
    """Executes one run. Used from the event loop that drives it, and from no other thread."""

    def __init__(
        self,
        *,
        run_id: str,
        graph: Graph,
        executor: Executor,
        clock: Clock,
        context: Mapping[str, Any],
        concurrency: int | None,
        events: EventSink | None,
        limits: LocalLimits,
        trace: Trace | None = None,
    ) -> None:
        if concurrency is not None:
            whole("concurrency", concurrency, least=1)
        self.run_id = run_id
        self.graph = graph
        self.executor = executor
        self.clock = clock
        self.state = RunState(graph, executor.graphs, context, packs=True)
        self._failures: list[NodeError] = []  # that are no node's
        self.status: Status = "running"
        self._limit = concurrency
        self._trace, telemetry = trace, executor.journal.telemetry
        executor.observer = None if telemetry is None else telemetry.observe(run_id, trace, clock)
        self._events = emitter_of(events, executor.observer, run_id, clock)
        executor.progressed = None if self._events is None else self._events.progressed
        self._log = RunLog(executor.journal, graph.blueprint.id, clock.now(), trace)
        self._queue: deque[Instance] = deque()
        self._ended = Ended()
        self._suspended: dict[str, tuple[Instance, Suspension]] = {}
        self._answers: dict[str, Answer] = {}  # to waits that were not reached
        self._timers: list[tuple[float, int, Instance, Suspension]] = []
        self._order = itertools.count()
        self._workers: set[asyncio.Task[None]] = set()
        self._again: deque[tuple[Instance, Suspension | None]] = deque()
        self._limits = limits
        self._places: dict[str, tuple[str, ...]] = {}  # by key, what an attempt has that is about to begin
        self._limited: set[asyncio.Task[None]] = set()  # those that wait for places
        self._undos = Undos(executor, clock, concurrency, self._events)
        self._watch = Stopwatch(clock)  # timers and the deadline are kept in its seconds, not by the time of day
        self._timeout: float | None = None
        self._deadline: float | None = None
        self._starting = False
        self._stopping = False
        self._changed = asyncio.Event()
        self._take_ready()

    # --- driving --------------------------------------------------------------------------------------------------

    def set_timeout(self, timeout: Duration | None) -> None:
        """Let the run fail if it has not ended so many seconds from now; None takes the limit away.

        Raises:
            ConfigurationError: It is no duration.
        """
        self._timeout = None if timeout is None else parse_seconds("timeout", timeout)
        self._deadline = None if self._timeout is None else self._watch.now() + self._timeout
        self._changed.set()

    async def drive(self) -> RunResult:
        """Go on until the run has ended or only a resume can go on."""
        self._stopping = False
        if self.status == "awaiting":
            self.status = "running"
        if self.status != "cancelled":
            again = bool(self._log.told)
            if self._log.begins() and self._events is not None:
                self._events.begun(self.graph.blueprint.id, again=again)
        try:
            while not self._over():
                self._start_worker()
                if self._is_idle():
                    if not self.waiting():
                        raise NothingLeftError(f"run {self.run_id!r} has nothing left to do, but has not ended")
                    self.status = "awaiting"
                    break
                await self._wait()
                if self._deadline is not None and self._watch.now() >= self._deadline and not self._over():
                    message = f"run {self.run_id!r} took longer than its timeout of {self._timeout:g} s"
                    self._failures.append(NodeError("", "", "RunTimeoutError", message))
                    self.status = "failed"
        except asyncio.CancelledError:
            self._log.is_left()
            raise
        finally:
            unsure = {context.key for context in self.executor.under_way}
            await self._stop_workers()
            if self._events is not None:
                self._events.close()
        if self._over() and self.status != "completed" and self._undoes():
            self._undos.unsure = {*self._undos.unsure, *unsure}
            self._log.is_undone(self.status, self.errors)
            await self._undos.all_of(self.state.root)
        self._log.stops(self.status, self.clock.now(), self.errors, self.waiting)
        if self._events is not None:
            self._events.ended(self.status)
        return self.result()

    def _is_idle(self) -> bool:
        """Whether nothing is under way that could go on by itself."""
        return not self._workers and not self._limited and self._next_due() is None

    def cancel(self) -> bool:
        """End the run as cancelled; True if that ended it."""
        if self._over():
            return False
        self.status = "cancelled"
        self._changed.set()
        return True

    def abandon(self) -> bool:
        """Undo no more of a run that has failed or was cancelled; whether something was being undone."""
        return self._undos.abandon()

    def _undoes(self) -> bool:
        return any(graph.undoes for graph in (self.graph, *self._called().values()))

    def _over(self) -> bool:
        if self.status == "running" and self.state.phase is not Phase.RUNNING:
            self.status = "completed" if self.state.phase is Phase.COMPLETED else "failed"
        return self.status in ("completed", "failed", "cancelled")

    async def _wait(self) -> None:
        """Until something has changed, a timer is due, or the deadline is there."""
        times = [time for time in (self._next_due(), self._deadline) if time is not None]
        changed = asyncio.ensure_future(self._changed.wait())
        waiting = [changed]
        if times:
            delay = max(0.0, min(times) - self._watch.now())
            waiting.append(asyncio.ensure_future(self._watch.sleep(delay)))  # type: ignore[arg-type]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                future.cancel()
        self._changed.clear()
        now = self._watch.now()
        while (due := self._next_due()) is not None and due <= now:
            _, _, instance, suspension = heapq.heappop(self._timers)
            self._time_is_up(instance, suspension)

    async def _stop_workers(self) -> None:
        for task in self._limited:
            task.cancel()
        if self._limited:
            await asyncio.wait(self._limited)
        while self._places:
            self._limits.give_back(self._places.popitem()[1])
        workers = set(self._workers)
        if not workers:
            return
        self._stopping = True
        self.executor.cancel()
        for worker in workers:
            worker.cancel()
        _, stuck = await asyncio.wait(workers, timeout=_GRACE)
        if stuck:
            self.executor.journal.tell(STEPS_LEFT, steps=len(stuck))

    # --- working --------------------------------------------------------------------------------------------------

    def _start_worker(self) -> None:
        while self.state.to_undo:
            self._add_worker(self._undo_call(self.state.to_undo.popleft()))
        if self._starting or not (self._queue or self.state.wanted or self._again):
            return
        if self._limit is None or len(self._workers) < self._limit:
            self._starting = True
            self._add_worker(self._work())

    def _add_worker(self, work: Coroutine[Any, Any, None]) -> None:
        worker = asyncio.ensure_future(work)
        self._workers.add(worker)
        worker.add_done_callback(self._worker_ended)

    async def _undo_call(self, call: ScopeState) -> None:
        """Undo a called flow that has failed, so that its failure counts.

        What is under way in it has lost a race, and is as if it never was from now on.
        """
        cut_off = {context.key for context in self.executor.under_way}
        for instance in [each for scope in call.walk() for each in scope.instances() if each.key in cut_off]:
            self.state.add(*instance, Outcome(void=True))
            self._undos.unsure = {*self._undos.unsure, instance.key}
        reason = "; ".join(str(error) for error in call.errors)
        self.executor.journal.tell(CALL_STOPPED, at=call.prefix[:-1], reason=reason)
        await self._undos.of(call)
        self.state.undone(call)
        self._take_ready()

    def _worker_ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._changed.set()
        # Steps cannot raise out of a worker, nor end it: this is a defect of the engine's, or somebody has cancelled a
        # task that is not theirs. It must not look like a wait.
        error: BaseException | None = None
        if not worker.cancelled():
            error = worker.exception()
        elif not self._stopping:
            error = asyncio.CancelledError("somebody has cancelled the task in which a step ran")
        if error is not None and not self._over():
            self.executor.journal.tell(ENGINE_FAILED, error)
            self._failures.append(NodeError("", "", name_of(error), f"the engine failed: {text_of(error)}"))
            self.status = "failed"

    async def _work(self) -> None:
        self._starting = False
        attempt = self.executor.attempt
        for turn in itertools.count(1):
            instance, suspension = self._next()
            if instance is None:
                return
            self._start_worker()
            if suspension is not None and suspension.kind == "wait":
                await self._remind(instance, suspension)
                continue
            again = FIRST if suspension is None else suspension.next_attempt
            if (
                self._limits.are_any
                and is_limited(instance)
                and not await self._has_places(instance, suspension, again)
            ):
                continue
            if self._events is not None:
                self._events.started(instance, again.number)
            try:
                ended = await attempt(instance, again)
            finally:
                if (names := self._places.pop(instance.key, None)) is not None:
                    self._limits.give_back(names)
            self._record(instance, ended)
            if turn % _TURN == 0:
                await asyncio.sleep(0)

    async def _has_places(self, instance: Instance, suspension: Suspension | None, attempt: Attempt) -> bool:
        """Whether an instance has its places; one that has not comes again once it does, and holds up no other."""
        if instance.key in self._places:
            return True
        try:
            names = await self.executor.limits_of(instance)
        except ConfigurationError as error:
            self._record(instance, self.executor.failure(error, instance, attempt.number))
            return False
        if self._limits.take_now(names):
            self._places[instance.key] = names
            return True

        async def wait() -> None:
            await self._limits.take(names)
            self._places[instance.key] = names
            self._again.append((instance, suspension))
            self._changed.set()

        task = asyncio.ensure_future(wait())
        self._limited.add(task)
        task.add_done_callback(self._limited.discard)
        return False

    def _next(self) -> tuple[Instance | None, Suspension | None]:
        """The next instance to run, with the suspension of its last attempt if there was one."""
        state = self.state
        while self._again:
            instance, suspension = self._again.popleft()
            if not instance.scope.is_unneeded(instance.vertex):
                return instance, suspension
            if (names := self._places.pop(instance.key, None)) is not None:
                self._limits.give_back(names)
        while True:
            if state.wanted:
                self._claim()
            if not self._queue or self._over():
                return None, None
            instance = self._queue.popleft()
            if not instance.scope.is_unneeded(instance.vertex):
                return instance, None

    def _claim(self) -> None:
        """Hand the slots of joins out: alone in its process, whoever asks first holds the next one."""
        state = self.state
        while state.wanted:
            claim = state.wanted.popleft()
            if claim.slot is not None:
                state.claim(claim.scope, claim.vertex, claim.slot, claim.place)
                self._take_ready()

    def _take_ready(self) -> None:
        # What became ready last goes first: a batch finishes its first items before it begins its last ones, and the
        # values in between need not all be alive at once. Siblings keep their order.
        fresh = self.state.ready
        if len(fresh) == 1:
            self._queue.appendleft(fresh.popleft())
        elif fresh:
            self._queue.extendleft(reversed(fresh))
            fresh.clear()

    def _record(self, instance: Instance, ended: Outcome | Suspension) -> None:
        if isinstance(ended, Suspension):
            self._suspend(instance, ended)
            return
        if instance.vertex.index in instance.scope.outcomes:
            return  # it was cut off as the call that it is in was undone
        self._ended.append(instance)
        self.state.add(instance.scope, instance.vertex, ended)
        self._take_ready()
        if self._events is not None:
            self._events.outcome(instance, ended)
        if self.state.phase is not Phase.RUNNING:
            self._changed.set()

    # --- waiting --------------------------------------------------------------------------------------------------

    def _suspend(self, instance: Instance, suspension: Suspension) -> None:
        answer = self._answers.pop(instance.key, None)
        if answer is not None:
            self._record(instance, self.executor.answered(instance, answer))
            return
        self._suspended[instance.key] = (instance, suspension)
        if suspension.due is not None:
            due = self._watch.now() + max(0.0, suspension.due - self.clock.now())
            heapq.heappush(self._timers, (due, next(self._order), instance, suspension))
        if self._events is not None:
            self._events.suspended(instance, suspension)

    def _next_due(self) -> float | None:
        """When the next timer is due, on the run's stopwatch; drops those of what is suspended no longer."""
        while self._timers:
            due, _, instance, suspension = self._timers[0]
            standing = self._suspended.get(instance.key)
            if standing is not None and standing[1] is suspension and not instance.scope.is_unneeded(instance.vertex):
                return due
            heapq.heappop(self._timers)
        return None

    def _time_is_up(self, instance: Instance, suspension: Suspension) -> None:
        if suspension.kind == "wait" and self.executor.reminds(instance, suspension):
            self._again.append((instance, suspension))  # and meanwhile it is open
            return
        del self._suspended[instance.key]
        if suspension.kind == "retry":
            self._again.append((instance, suspension))
        else:
            self._record(instance, self.executor.due(instance, suspension))

    async def _remind(self, instance: Instance, suspension: Suspension) -> None:
        """Call what a wait reminds with, and wait on if nobody has answered it meanwhile."""

        def is_open() -> bool:
            standing = self._suspended.get(instance.key)
            return standing is not None and standing[1] is suspension

        if is_open():
            again = await self.executor.remind(instance, suspension)
            if is_open() and not self._over():
                self._suspend(instance, again)

    def waiting(self) -> list[str]:
        """The keys of the waits that can be resumed."""
        return [
            key
            for key, (instance, suspension) in self._suspended.items()
            if suspension.kind == "wait" and not instance.scope.is_unneeded(instance.vertex)
        ]

    def resume(self, name: str, output: Any, action: str | None, *, early: bool = False) -> bool:
        """End a wait with a result.

        Args:
            name: The wait's instance key, or its node id if only one instance of it waits.
            output: The wait's output.
            action: The wait's action.
            early: Also if it was not reached yet.

        Returns:
            Whether it was reached, so that there is something to do now.

        Raises:
            ResumeError: There is no such wait, it was not reached yet, or it is resolved or answered already.
        """
        if self._over():
            raise ResumeError(f"run {self.run_id!r} has ended ({self.status}); nothing in it can be resumed")
        if early and (name := self._wait_at(name)) not in self._suspended:
            self._answer(name, output, action)
            return False
        waiting = self.waiting()
        keys = [key for key in waiting if key == name] or [
            key for key in waiting if self._suspended[key][0].vertex.id == name
        ]
        if len(keys) != 1:
            raise ResumeError(f"run {self.run_id!r}: {self._why_not(name, keys)}")
        instance, suspension = self._suspended[keys[0]]
        outcome = self.executor.resume(instance, suspension, output, action)
        del self._suspended[keys[0]]
        self._record(instance, outcome)
        self._changed.set()
        return True

    def _wait_at(self, name: str) -> str:
        from ..graph.addresses import wait_at  # noqa: PLC0415 # for who answers

        try:
            return wait_at(self.graph, self.executor.graphs, name).key
        except UnknownWaitError as error:
            raise UnknownWaitError(f"run {self.run_id!r}: {error}") from error

    def _answer(self, key: str, output: Any, action: str | None) -> None:
        """Keep an answer until its wait is reached."""
        if any(instance.key == key for instance in self._ended):
            raise ResumeError(f"run {self.run_id!r}: wait {key!r} was resolved already; the first result stands")
        if key in self._answers:
            raise ResumeError(f"run {self.run_id!r}: wait {key!r} was answered already; the first answer stands")
        if action is not None:
            require_name(action, f"the action of wait {key!r}")
        self._answers[key] = Answer(self.executor.serializer.copy(output), action, self.clock.now())

    def _why_not(self, name: str, keys: list[str]) -> str:
        if len(keys) > 1:
            return f"{len(keys)} waits of node {name!r} are open; name one of them by its key: {', '.join(keys)}"
        resolved = [i for i in self._ended if name in (i.key, i.vertex.id) and i.vertex.node.uses == WAIT]
        if name in self._answers:
            return f"wait {name!r} was answered already; the first answer stands"
        if resolved:
            return f"wait {name!r} was resolved already; the first result stands"
        blueprints = {self.graph.blueprint.id: self.graph, **self._called()}
        nodes = [node for graph in blueprints.values() for node in graph.blueprint.nodes if node.id == name]
        if any(node.uses == WAIT for node in nodes):
            return f"wait {name!r} is not open: it was not reached yet, or lies on a way that was not taken"
        if nodes:
            return f"node {name!r} is no wait (it uses {nodes[0].uses!r}); only waits can be resumed"
        return f"there is no node or open wait {name!r}; open are: {', '.join(self.waiting()) or 'none'}"

    # --- results --------------------------------------------------------------------------------------------------

    @property
    def errors(self) -> tuple[NodeError, ...]:
        """Why the run failed: every failure that the facts tell, by position, and what was no node's."""
        told = errors_of(self.state.root) if self.status == "failed" else ()
        return tuple(dict.fromkeys((*told, *self._failures)))

    def result(self) -> RunResult:
        """How the run ended, or where it stands."""
        snapshot, picture = self.snapshot, self.picture
        if not self._over():
            standing = self.snapshot()  # now: the run may go on by a resume before anyone asks for the state
            snapshot = lambda: standing  # noqa: E731
            picture = partial(_picture_of, standing, self.executor.serializer)
        return RunResult(
            run_id=self.run_id,
            status=self.status,
            outputs=outputs_of(self.state),
            context=context_of(self.state),
            errors=self.errors,
            waiting=[] if self._over() else self.waiting(),
            ended=self._ended.until_now(),
            snapshot=snapshot,
            picture=picture,
            output=scope_output(self.state.root),
            undone=self._undos.ended.values(),
            paths=paths_of(self.state.root) if self.status == "failed" else None,
        )

    @property
    def steps(self) -> int:
        """How many steps have an outcome."""
        return self._ended.steps

    def picture(self) -> Picture:
        """The run, drawn as it stands now."""
        at_work = {context.key: context._instance for context in self.executor.under_way}
        suspended = [instance for instance, _ in self._suspended.values()]
        again = [instance for instance, _ in self._again]
        from .pictures import draw  # noqa: PLC0415 # for those who want a picture

        return draw(
            graph=self.graph,
            graphs={self.graph.blueprint.id: self.graph, **self._called()},
            run_id=self.run_id,
            status=self.status,
            state=self.state,
            suspensions={key: suspension for key, (_, suspension) in self._suspended.items()},
            to_run=[*self._queue, *suspended, *again, *at_work.values()],
            under_way=at_work.keys(),
            undone=self._undos.ended,
        )

    def _called(self) -> dict[str, Graph]:
        """The blueprints that the run's own can reach by calls, by id."""
        found: dict[str, Graph] = {}
        open_ids = list(self.graph.calls)
        while open_ids:
            blueprint_id = open_ids.pop()
            if blueprint_id not in found:
                found[blueprint_id] = self.executor.graphs(blueprint_id)
                open_ids.extend(found[blueprint_id].calls)
        return found

    def snapshot(self) -> dict[str, Any]:
        """The run's facts as JSON data."""
        from .snapshots import snapshot_of  # noqa: PLC0415 # for those who keep it

        return snapshot_of(
            run_id=self.run_id,
            graph=self.graph,
            graphs={self.graph.blueprint.id: self.graph, **self._called()}.values(),
            state=self.state,
            status=self.status,
            errors=self.errors,
            ended=self._ended,
            suspensions={key: suspension for key, (_, suspension) in self._suspended.items()},
            answers=self._answers,
            undone=self._undos.ended,
            unsure=self._undos.unsure,
            serializer=self.executor.serializer,
            trace=self._trace,
        )

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take in the facts of a snapshot: the state then stands where the snapshot's run stood."""
        from ..graph.records import answer_from_record, undone_from_record  # noqa: PLC0415 # as above
        from .snapshots import restore  # noqa: PLC0415 # as above

        decode = self.executor.serializer.from_data
        self._answers = {key: answer_from_record(answer, decode) for key, answer in snapshot.get("answers", {}).items()}
        self.state.ready.extend(self._queue)
        restored = restore(self.state, snapshot, decode)
        for instance in restored.ended:
            self._ended.append(instance)
        self._queue = deque(restored.frontier)
        self.state.wanted.extend(restored.unclaimed)
        for instance, suspension in restored.suspended:
            self._suspend(instance, suspension)
        self._undos.ended = {key: undone_from_record(each) for key, each in snapshot.get("undone", {}).items()}
        self._undos.unsure = set(snapshot.get("unsure", ()))
        self.status = self._log.told = snapshot["status"]
        self._failures = [NodeError(**error) for error in snapshot["errors"]]


def _picture_of(snapshot: Mapping[str, Any], serializer: Serializer) -> Picture:
    from .pictures import picture_of_snapshot  # noqa: PLC0415 # for those who want a picture

    return picture_of_snapshot(snapshot, serializer)
