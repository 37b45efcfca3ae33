"""``Client``: starts runs, looks at them, and changes their course. Needs no step implementations."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..blueprint import Blueprint
from ..catalogue import Catalogue, FlowLike, UntypedFlow
from ..clock import Clock, Stopwatch, SystemClock
from ..definition import FlowDefinition
from ..durations import Duration, parse_seconds
from ..errors import ConfigurationError, FlowcraftError, TransientError, UnknownQueueError
from ..failures import reason_of
from ..graph.decisions import scope_output
from ..graph.failures import errors_of, handled, paths_of
from ..graph.fold import context_of, instances, outputs_of
from ..graph.passing import Tally
from ..graph.scopes import Kind
from ..ids import new_id, require_run_id
from ..logging.journal import Journal
from ..payloads import CompressingCodec, PayloadCodec
from ..ports import REASON_LENGTH, Backend, Message, QueueDepth, RunStatus, State
from ..queues import require_queue
from ..runtime.results import OutT
from ..serialization import Serializer
from ..settings import by_name, number, text, whole
from ..texts import require_name, safe_text
from .describing import SEEN_WITHIN
from .ends import abandon, end_of, send_stop, undoes
from .queues import queue_named, queue_names, require_queues
from .results import Purged, Started, StartOptions, StoredResult, StoredRun
from .runs import RunRecord, Runs, UnknownRunError
from .signals import conclude, end_run
from .starting import start_run
from .storage import Records
from .stored_runs import FINAL, StoredRuns
from .tracing import stored_trace
from .transactions import transactional_of
from .transient import RetryingBackend
from .undone import settled_undone

# What belongs to one call is imported with the first such call: a program that starts runs, and looks at what became of
# them, needs none of it.
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..decorated import Flow
    from ..observing import Telemetry
    from .describing.said import WorkerDescription
    from .describing.shapes import QueueDescription, RunDescription, RunsPage
    from .exporting import Footprint
    from .finding import RunFilters, RunFinder
    from .forking import Changes
    from .scheduling.client import ScheduleClient

InT = TypeVar("InT")

# So little is no time: clocks that count from 1970 cannot tell less apart. Seconds.
_MOMENT = 1e-6


class Client:
    """Starts and steers runs on a backend.

    What can be no run's id is refused by each method, with a ``ConfigurationError``.

    Use it in one event loop, with the backend open.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        flows: Iterable[FlowDefinition] = (),
        blueprints: Iterable[Blueprint] | Mapping[str, Blueprint] = (),
        serializer: Serializer | None = None,
        codec: PayloadCodec | None = None,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
        strict: bool = False,
    ) -> None:
        """Put a client together.

        Args:
            backend: Where runs live.
            flows: Flows that can be started by id; a flow or blueprint can also be handed to ``start`` itself.
            blueprints: Likewise.
            serializer: For values; the same as the workers'. What annotations of the flows name is known without.
            codec: For stored bytes; the same as the workers'.
            clock: Where time comes from.
            telemetry: Measures what is done here, and has each run go on in its caller's trace; as for ``FlowRuntime``.
            strict: Refuse to resume a wait, also early, with an action that none of its edges takes.
        """
        self._clock: Clock = clock or SystemClock()
        self._place = backend
        self._telemetry, self._journal, self._strict = telemetry, Journal(telemetry=telemetry), strict
        if telemetry is not None:
            telemetry.uses(backend)
        self._backend: Backend = RetryingBackend(backend, self._clock, self._journal)
        serializer = (serializer or Serializer()).extended()
        self._catalogue = Catalogue(flows, blueprints, serializer)
        records = Records(self._backend.context, serializer, codec or CompressingCodec())
        self._runs = Runs(records, is_tracing=telemetry is not None)
        self._runs.know(self._catalogue.graphs.values())
        self._stored = StoredRuns(self._backend, records, self._runs, self._clock, telemetry)

    @cached_property
    def schedules(self) -> ScheduleClient:
        """Makes schedules, which start runs by themselves, and steers them."""
        from .scheduling.client import ScheduleClient  # noqa: PLC0415 # for those who call it

        return ScheduleClient(self._stored, self._catalogue)

    # --- starting -------------------------------------------------------------------------------------------------

    @overload
    async def start(self, flow: Flow[None, OutT], /, **options: Unpack[StartOptions]) -> Started[OutT]: ...
    @overload
    async def start(self, flow: Flow[InT, OutT], given: InT, /, **options: Unpack[StartOptions]) -> Started[OutT]: ...
    @overload
    async def start(
        self, flow: UntypedFlow, context: Mapping[str, Any] | None = None, **options: Unpack[StartOptions]
    ) -> Started: ...
    async def start(
        self,
        flow: FlowLike,
        context: Any = None,
        *,
        run_id: str | None = None,
        delay: Duration = 0.0,
        tags: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
        queue: str | None = None,
        connection: Any = None,
    ) -> Started:
        """Start a run; with the id of a run that is there already, nothing but finish a start that was cut short.

        A start that was cut short before its status was written is finished by the next one with its id. One that was
        cut short after that is finished by a reconciler, within a minute or so: whether its first job was sent cannot
        be told, and a second one could execute the first step twice. Whether the run that is there is the one that was
        meant is told by ``same``.

        Args:
            flow: The flow, its blueprint, or its id.
            context: The flow's input, if it is a ``Flow``; else the initial context values, by name.
            run_id: The run's id; a new one by default.
            delay: How long before its first step: seconds, a ``timedelta``, or text such as ``"20m"``.
            tags: For filters in ``runs``.
            timeout: How long until it fails if it has not ended, likewise.
            queue: The queue whose workers run it, but for nodes that name another; by default the flow's.
            connection: Of the caller's to the backend's database, and in a transaction: the run begins if that commits,
                together with what else it stores, and never was if it does not. Nothing is tried again for it.

        Raises:
            ConfigurationError: The flow is unknown or incomplete, or the run's id or a setting cannot be used; or a
                queue is named that the backend has not; or the backend has no such transactions, or the connection is
                in none.
            SerializationError: An initial context value, its name or a tag cannot be stored.
        """
        return await self._begin(
            flow, context, run_id=run_id, delay=delay, tags=tags, timeout=timeout, queue=queue, connection=connection
        )

    async def _begin(self, flow: FlowLike, given: Any, **options: Unpack[StartOptions]) -> Started:
        """``start``, for a flow of which a type checker knows nothing."""
        graph = self._catalogue.find(flow)
        context = self._catalogue.begin(flow, given)
        run_id, tags, timeout = options.get("run_id"), options.get("tags"), options.get("timeout")
        run_id = new_id() if run_id is None else require_run_id(run_id)
        tags = {} if tags is None else by_name("Client.start: tags", tags)
        for name in (*context, *(part for tag in tags.items() for part in tag)):
            require_name(name, f"run {run_id!r}: the name of a context value, or a tag,")
        delay = parse_seconds("Client.start: delay", options.get("delay", 0.0), zero=True)
        limit = None if timeout is None else parse_seconds("Client.start: timeout", timeout)
        graphs, queue = self._catalogue.reachable(graph), options.get("queue")
        require_queues(self._backend, graphs, None if queue is None else require_queue("Client.start: queue", queue))
        now = self._clock.now()
        starting = None if self._telemetry is None else self._telemetry.start(run_id, graph.blueprint.id, now)
        record = RunRecord(
            run_id=run_id,
            blueprint_id=graph.blueprint.id,
            graphs=graphs,
            context=dict(context),
            started=now,
            deadline=None if limit is None else now + limit,
            queue=queue,
            trace=None if starting is None else starting.trace,
        )
        joined = None
        if (connection := options.get("connection")) is not None:
            joined = transactional_of(self._backend, "Client.start: connection").joined(connection)
        await self._runs.store(record.graphs)  # which are everybody's: a transaction that is rolled back keeps them
        recorded = await start_run(self._stored, record, tags, delay=delay, joined=joined)
        if recorded.created and starting is not None:
            starting.done(self._clock.now())
        return Started(run_id, recorded.created, recorded.same)

    # --- looking --------------------------------------------------------------------------------------------------

    async def status(self, run_id: str) -> StoredRun:
        """A run's status, with the runs that it is linked to; or a dead letter.

        Raises:
            UnknownRunError: There is none.
        """
        status = await self._stored.status(require_run_id(run_id, may_be_letter=True))
        return StoredRun.of(status) if status.state == "dead" else await self._stored.linked(status)

    async def result(self, run_id: str | Started[OutT], *, lazy: bool = False) -> StoredResult[OutT]:
        """How a run ended, or where it stands, folded from its facts.

        Args:
            run_id: The run, or what ``start`` gave: then the output has the type that the flow says.
            lazy: Leave the results of batches of more than a page where they are: among the outputs stands a
                ``Gathered`` for each, which is read page by page (here with ``async for``). By default they are lists,
                all in memory.

        Raises:
            UnknownRunError: There is none.
        """
        run_id = run_id.run_id if isinstance(run_id, Started) else run_id
        status = await self.status(require_run_id(run_id))
        passed = Tally()
        state = await self._stored.state(await self._stored.record(run_id), status, passed)
        if not lazy:
            state = await self._stored.filled(run_id, state)
        is_bad = status.state in ("failed", "cancelled")
        undone, _ = await settled_undone(self._stored.records, run_id, state, self._clock, has_ended=is_bad)
        return StoredResult(
            run_id=run_id,
            status=status.state,
            outputs=outputs_of(state),
            context=context_of(state, passed),
            errors=errors_of(state.root),
            paths=paths_of(state.root),
            handled=handled(instances(state), passed.handled),
            reason=status.reason,
            steps=passed.steps + sum(1 for instance in instances(state) if instance.vertex.kind is Kind.STEP),
            redrive_of=status.redrive_of,
            redriven_as=status.redriven_as,
            forked_as=status.forked_as,
            output=scope_output(state.root),
            undone=tuple(undone.values()),
        )

    async def wait(
        self,
        run_id: str | Started[OutT],
        *,
        timeout: Duration | None = None,
        poll: float = 0.05,
        lazy: bool = False,
    ) -> StoredResult[OutT]:
        """Wait until a run has ended, and give its result.

        Args:
            run_id: The run, or what ``start`` gave.
            timeout: How long to wait at most, as for ``start``.
            poll: Seconds before the second look; the pauses grow to forty times that.
            lazy: As for ``result``.

        Raises:
            UnknownRunError: There is no such run.
            ConfigurationError: A setting cannot mean anything.
            TimeoutError: It has not ended in time; it goes on.
        """
        run_id = run_id.run_id if isinstance(run_id, Started) else run_id
        seconds = None if timeout is None else parse_seconds("Client.wait: timeout", timeout, zero=True)
        number("Client.wait: poll", poll, above=0)
        watch, pause = Stopwatch(self._clock), poll
        while (status := await self._stored.status(require_run_id(run_id))).state not in FINAL:
            left = pause if seconds is None else seconds - watch.now()
            if seconds is not None and left <= _MOMENT:
                raise TimeoutError(f"run {run_id!r} is still {status.state} after {seconds:g} s")
            await watch.sleep(min(pause, left))
            pause = min(pause * 1.5, poll * 40)
        return await self.result(run_id, lazy=lazy)

    async def describe(
        self, run_id: str, *, inside: str = "", after: str | None = None, limit: int = 100, values: bool = True
    ) -> RunDescription:
        """What is going on in a run: its instances one by one, those of loops, batches and subflows folded.

        All of a run's facts are read for it, in batches, and what workers have said of it lately.

        Args:
            run_id: The run.
            inside: The key of a loop, batch or subflow, or of one of its passes or items (``pages[17]``), to be opened;
                by default the run itself.
            after: A description's ``cursor``, for the page after it.
            limit: How many instances are shown at most, from 1 to 1,000.
            values: Show inputs, outputs and the values of edges and of the context, too.

        Raises:
            UnknownRunError: There is no such run.
            ConfigurationError: There is nothing to open by that key, or a setting cannot mean anything.
        """
        run_id, inside = require_run_id(run_id), text("Client.describe: inside", inside)
        if after is not None:
            text("Client.describe: after", after)
        from .describing.reading import describe  # noqa: PLC0415 # for those who call it

        return await describe(self._stored, run_id, inside=inside, after=after, limit=limit, values=values)

    async def runs(
        self,
        *states: State,
        newest_first: bool | None = None,
        limit: int | None = None,
        links: bool = False,
        **filters: Unpack[RunFilters],
    ) -> AsyncIterator[StoredRun]:
        """Every run in some states, of which all that is asked for is true.

        Args:
            states: The states; by default all that a run can be in.
            newest_first: In the order of their starts, the newest first. By default if the store can (SQLite and the
                backend in memory can, DynamoDB and Cosmos DB cannot), and in no order else.
            limit: At most so many; all by default.
            links: Look up the runs that each is linked to, at a request more for each; else they are left out.
            filters: See ``RunFilters``: ``flow``, ``tags``, ``created_since``, ``created_until``, ``updated_since``,
                ``updated_until``. States are looked up by the store, with the newest first flow and start, too; the
                rest is looked at here.

        Raises:
            ConfigurationError: There is no such state or filter, or the store cannot give the newest first.
        """
        finder = self._finder(states, newest_first, filters)
        left = None if limit is None else whole("Client.runs: limit", limit, least=1)
        async for status in finder.all():
            yield await self._stored.linked(status) if links and status.state != "dead" else StoredRun.of(status)
            left = None if left is None else left - 1
            if left == 0:
                return

    async def runs_page(
        self,
        *states: State,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool | None = None,
        links: bool = False,
        **filters: Unpack[RunFilters],
    ) -> RunsPage:
        """``runs``, page by page: for programs that show a list.

        Args:
            states: As for ``runs``.
            after: The ``cursor`` of the page before, which is good for the same states; None for the first.
            limit: At most so many, from 1 to 1,000. There may be fewer on a page, and still be another one.
            newest_first: As for ``runs``.
            links: As for ``runs``.
            filters: As for ``runs``.

        Raises:
            ConfigurationError: As for ``runs``; or the cursor is none of this question.
        """
        from .describing.shapes import RunsPage  # noqa: PLC0415 # for those who call it
        from .finding import MOST_FOUND  # noqa: PLC0415 # for those who call it

        finder = self._finder(states, newest_first, filters)
        limit = whole("Client.runs_page: limit", limit, least=1, most=MOST_FOUND)
        found, cursor = await finder.page(after, limit)
        shown = [
            await self._stored.linked(status) if links and status.state != "dead" else StoredRun.of(status)
            for status in found
        ]
        return RunsPage(runs=tuple(shown), cursor=cursor, newest_first=finder.newest_first)

    def _finder(self, states: Sequence[str], newest_first: bool | None, filters: RunFilters) -> RunFinder:
        from .finding import RunFinder, Wanted  # noqa: PLC0415 # for those who call it

        return RunFinder.of(self._backend.status, Wanted.of(states, filters), newest_first)

    async def workers(self, *, within: Duration = SEEN_WITHIN) -> list[WorkerDescription]:
        """The workers that have said lately that they live: a hint, which each leaves once a minute.

        A worker that was killed is listed until its last word is older than ``within``; one that has just begun is not
        there for some seconds; and where the coordination store was wiped, each comes back within a minute.

        Args:
            within: How long ago they may have said it: seconds, a ``timedelta``, or text such as ``"5m"``.
        """
        from .describing.heartbeats import living  # noqa: PLC0415 # for those who call it

        seconds = parse_seconds("Client.workers: within", within)
        return await living(self._backend.coordination, self._clock.now(), seconds)

    async def queues(self) -> list[QueueDescription]:
        """The backend's queues, who serves each, and how many messages it has, about, where it can tell.

        Where any name will do for a queue, those are shown that have messages or workers.
        """
        served = Counter(name for worker in await self.workers() for name in worker.queues)
        names = await queue_names(self._backend, served)
        return list(await asyncio.gather(*(self._queue(name, served[name]) for name in names)))

    async def _queue(self, name: str, workers: int) -> QueueDescription:
        from .describing.shapes import QueueDescription  # noqa: PLC0415 # for those who call it
        from .worker_log import name_of  # noqa: PLC0415 # as above

        try:
            queue: Any = queue_named(self._backend, name)
        except UnknownQueueError:  # a worker serves what this program's backend was not told of
            return QueueDescription(name=name, workers=workers)
        measure = getattr(queue, "depth", None)
        depth = QueueDepth() if measure is None else await measure()
        place = name_of(queue_named(self._place, name), name)
        return QueueDescription(
            name=name,
            place=None if place == name else place,
            workers=workers,
            visible=depth.visible,
            in_flight=depth.in_flight,
            delayed=depth.delayed,
        )

    async def export(self, run_id: str) -> str:
        """All facts of a run as JSON text, with its blueprints: what happened, for another machine.

        ``flowcraft_core.runtime.Replay`` goes through it there, and ``FlowRuntime.resume`` goes on from it in process,
        both without this backend. Inputs, outputs and context values are in it, as they were.

        Raises:
            UnknownRunError: There is no such run.
        """
        from .exporting import export  # noqa: PLC0415 # for those who call it

        return await export(self._stored, require_run_id(run_id))

    async def footprint(self, run_id: str) -> Footprint:
        """What a run has cost, by its facts, all of which are read.

        Raises:
            UnknownRunError: There is no such run.
        """
        from .exporting import footprint  # noqa: PLC0415 # for those who call it

        return await footprint(self._stored, require_run_id(run_id))

    # --- steering -------------------------------------------------------------------------------------------------

    async def resume(
        self,
        run_id: str,
        key: str,
        *,
        output: Any = None,
        action: str | None = None,
        early: bool = False,
        nonce: str | None = None,
    ) -> None:
        """End a wait with a result; the run goes on.

        Args:
            run_id: The run.
            key: The wait's instance key, or its node id if only one instance of it is open. With ``early`` the node id
                will do for a wait of the run's own flow; one inside a loop, a batch or a subflow is named by its key
                (``pages[17].approve``), and whether there will be such an instance is not asked.
            output: The wait's output.
            action: The wait's action, which chooses its edges.
            early: Also if the run has not come to the wait yet: it goes on at once when it does. An answer that does
                not fit the wait's edges is the wait's failure then. One that no wait asks for does nothing.
            nonce: That of the run that is meant, as a ticket names it; a later run of the same id is refused.

        Raises:
            UnknownRunError: There is no such run.
            UnknownWaitError: The run has no such wait; it is a ``ResumeError``.
            ResumeError: The run has ended, or the wait was not reached, or is resolved or answered already.
            SerializationError: The output or the action cannot be stored.
            LostActionError: No edge of the wait takes the action, and the client is strict.
        """
        require_run_id(run_id)
        text("Client.resume: key", key)
        if action is not None:
            require_name(action, f"run {run_id!r}: the action of wait {key!r}")
        from .resuming import resume  # noqa: PLC0415 # for those who call it

        await resume(
            self._stored,
            run_id,
            key,
            output,
            action,
            early=early,
            nonce=nonce,
            strict=self._strict,
            answers=self._catalogue.answered,
            journal=self._journal,
        )

    async def cancel(self, run_id: str, *, reason: str | None = None) -> bool:
        """Cancel a run: nothing new starts, and steps under way are told; False if it had ended already.

        Raises:
            UnknownRunError: There is no such run.
        """
        why = _reason("Client.cancel", reason)
        status = await self._stored.status(require_run_id(run_id))
        record = await self._stored.runs.get(run_id) if status.state not in FINAL else None
        if record is not None and undoes(record):
            records, journal = self._stored.records, self._journal
            return await conclude(self._backend, records, record, "cancelled", self._clock, journal, why)
        return await end_run(
            self._backend,
            run_id,
            "cancelled",
            clock=self._clock,
            journal=self._journal,
            flow=status.blueprint_id,
            since=status.created,
            trace=await stored_trace(self._stored.records, run_id, self._telemetry),
            reason=why,
        )

    async def abandon(self, run_id: str, *, reason: str | None = None) -> bool:
        """Undo no more of what a run has done that is undone since it has failed, is too late, or was cancelled.

        No undo begins any more, and the run ends; the undos under way come to their ends, and count.

        Returns:
            Whether it did; False if the run is not being undone, or that was said already.

        Raises:
            UnknownRunError: There is no such run.
        """
        why = _reason("Client.abandon", reason)
        status = await self._stored.status(require_run_id(run_id))
        record = None if status.state in FINAL else await self._stored.runs.get(run_id)
        if record is None or not undoes(record):
            return False
        end = await self._stored.settled(lambda: end_of(self._stored.records, run_id))
        if end is None or not end.is_stop:
            return False
        is_ours = await abandon(self._stored.records, run_id, why, self._clock.now())
        await send_stop(self._backend, record, self._clock)
        return is_ours

    async def fork(
        self,
        run_id: str,
        *keys: str,
        new_run_id: str | None = None,
        flow: FlowLike | None = None,
        context: Mapping[str, Any] | None = None,
        new_idempotency_keys: bool = False,
    ) -> Started:
        """Start a new run that keeps what a run has done, but for some instances and all that follows from them.

        The old run stays as it is. The new one has its tags, and the whole time-out again. What failed the run is begun
        again, too, named or not. A fork that was cut short is finished by making it again, with the same new id and
        from the same instances; one that stands is given back.

        Args:
            run_id: The run.
            keys: The instances to begin again from, by key; at least one.
            new_run_id: The new run's id; a new one by default.
            flow: Another version of the run's flow, in which the new run goes on; by default the one that it was
                started in. What is kept must fit: its nodes have the same ways in and on there. Their steps may differ.
            context: Initial context values in the place of the run's own, or beside them, by name. What is kept stays
                as it was made with the old ones.
            new_idempotency_keys: Give instances that did not complete new keys, too. By default they keep theirs, since
                they may have acted: what another service knows under the key is not done twice.

        Raises:
            UnknownRunError: There is no such run.
            ConfigurationError: The run has no such instance; there is a run with the new id; or what is kept does not
                fit the other version, by instance and reason.
            SerializationError: A context value or its name cannot be stored.
        """
        new, run_id = None if new_run_id is None else require_run_id(new_run_id), require_run_id(run_id)
        for key in keys:
            text("Client.fork: each key", key)
        if not keys:
            raise ConfigurationError("Client.fork: name at least one instance to begin again from, by its key")
        changes = self._changes(flow, context, new_keys=new_idempotency_keys)
        from .forking import fork  # noqa: PLC0415 # for those who call it

        return await fork(self._stored, run_id, keys, new, changes)

    async def redrive(
        self,
        run_id: str,
        *,
        new_run_id: str | None = None,
        flow: FlowLike | None = None,
        context: Mapping[str, Any] | None = None,
        new_idempotency_keys: bool = False,
    ) -> Started:
        """Start a new run that keeps what a failed run has done, and tries again everything that failed it.

        A run is redriven once: whoever asks again gets the run that was started then, with ``created`` False. (To try
        once more than that, redrive the new run if it failed, or ``fork``.) The two are linked: see ``StoredRun``.

        Args:
            run_id: The run.
            new_run_id: The new run's id, if this is the first redrive; a new one by default.
            flow: As for ``fork``.
            context: Likewise.
            new_idempotency_keys: Likewise.

        Raises:
            UnknownRunError: There is no such run.
            ConfigurationError: It has not failed; there is another run with the new id; or what is kept does not fit
                the other version, or the redrive that stands is in another one.
            SerializationError: A context value or its name cannot be stored.
        """
        new, run_id = None if new_run_id is None else require_run_id(new_run_id), require_run_id(run_id)
        changes = self._changes(flow, context, new_keys=new_idempotency_keys)
        from .forking import redrive  # noqa: PLC0415 # for those who call it

        return await redrive(self._stored, run_id, new, changes)

    def _changes(self, flow: FlowLike | None, context: Mapping[str, Any] | None, *, new_keys: bool) -> Changes:
        from .forking import Changes  # noqa: PLC0415 # for those who call it

        values = {} if context is None else dict(by_name("the context values of a fork", context))
        for name in values:
            require_name(name, "the name of a context value")
            self._stored.records.serializer.to_data(values[name])  # or it would be refused once the two are linked
        if flow is None:
            return Changes(context=values, new_keys=new_keys)
        # A flow brings what it calls, and may stand beside the version that this client has started runs in.
        catalogue = Catalogue([flow], ()) if isinstance(flow, FlowDefinition) else self._catalogue
        graph = catalogue.find(flow)
        return Changes(graph.blueprint.id, catalogue.reachable(graph), values, new_keys)

    async def purge(self, run_id: str, *, damaged: bool = False) -> None:
        """Remove all that is stored of a run that has ended; if that is cut off, purge it again.

        Of a run that has ended within ten minutes everything is waited for that may not be visible yet, for as long as
        reads may be stale.

        Use the id again only once no read may be stale any more (``ContextStore.limits.staleness``): a worker could
        take what it reads of the run that was for facts of the new one.

        Whoever was at a step of the run when it ended, and has stood still since, stores what came of it also after a
        purge: no store asks whether the run is still there. So purge what ended some minutes ago, as retention does.

        Args:
            run_id: The run.
            damaged: Also if something of it cannot be read; then also if it has not ended, since it may be that nobody
                can cancel it. What only that would have led to stays in the store, of no use to anybody: what is
                inside of loops, batches and calls behind it, or all but the run's own record.

        Raises:
            ConfigurationError: It has not ended, and nothing of it is ``damaged``; cancel it first.
            SerializationError: Something of it cannot be read, and this was not said to be ``damaged``.
        """
        from .purging import purge  # noqa: PLC0415 # for those who call it

        await purge(self._stored, require_run_id(run_id), damaged=damaged)

    async def purge_older(self, age: Duration) -> Purged:
        """Purge the runs that ended at least so long ago; one that cannot be purged keeps no other from it.

        Args:
            age: Seconds, a ``timedelta``, or text such as ``"30d"``.

        Returns:
            How many were purged, and which are left since they cannot be read, with why.

        Raises:
            ConfigurationError: It is no duration.
        """
        before = self._clock.now() - parse_seconds("Client.purge_older: age", age, zero=True)
        old = [s.run_id for state in FINAL async for s in self.runs(state) if s.updated <= before]
        left: dict[str, str] = {}
        for run_id in old:
            try:
                await self.purge(run_id)
            except TransientError:
                raise
            except FlowcraftError as error:
                left[run_id] = reason_of(error)
        return Purged(len(old) - len(left), left)

    # --- dead letters ---------------------------------------------------------------------------------------------

    async def dead_letters(self) -> list[RunStatus]:
        """The messages that could not be understood or acted on: ``reason`` says why, ``body`` is the message."""
        return [status async for status in self.runs("dead")]

    async def send_back(self, dead_letter_id: str) -> None:
        """Send a dead letter's message to the queue again, and forget the letter.

        Args:
            dead_letter_id: Its ``run_id`` in ``dead_letters``.

        Raises:
            UnknownRunError: There is no such dead letter.
        """
        letter = await self._letter(dead_letter_id)
        if letter.body is None:
            raise UnknownRunError(f"there is no dead letter {dead_letter_id!r}")
        await self._backend.queue.send([Message(letter.body)])
        await self._backend.status.delete(dead_letter_id)

    async def drop_dead_letter(self, dead_letter_id: str) -> None:
        """Forget a dead letter, with its message. A run that it was for goes on by the reconciler.

        Args:
            dead_letter_id: Its ``run_id`` in ``dead_letters``.

        Raises:
            UnknownRunError: There is no such dead letter.
        """
        await self._letter(dead_letter_id)
        await self._backend.status.delete(dead_letter_id)

    async def _letter(self, dead_letter_id: str) -> RunStatus:
        letter = await self._backend.status.get(require_run_id(dead_letter_id, may_be_letter=True))
        if letter is None or letter.state != "dead":
            raise UnknownRunError(f"there is no dead letter {dead_letter_id!r}")
        return letter


def _reason(who: str, reason: object) -> str | None:
    return None if reason is None else safe_text(text(f"{who}: reason", reason), REASON_LENGTH)
