"""``Client``: starts runs, looks at them, and changes their course. Needs no step implementations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import attrs

from ..blueprint import WAIT, Blueprint
from ..builder import FlowBuilder
from ..catalogue import Catalogue, FlowLike
from ..clock import Clock, SystemClock
from ..errors import ConfigurationError, ResumeError
from ..graph.decisions import take_edges
from ..graph.facts import NodeError, Outcome
from ..graph.fold import context_of, instances, outputs_of
from ..graph.forks import dropped, failed, kept_claims
from ..graph.instances import Instance, Phase
from ..graph.keys import escape
from ..graph.positions import INITIAL, Position
from ..graph.scopes import Kind
from ..graph.state import RunState
from ..ids import new_id
from ..jobs import encode_job
from ..payloads import CompressingCodec, PayloadCodec
from ..ports import Backend, HandWrittenRuns, Message, Page, RunStatus, State
from ..serialization import Serializer
from .runs import RECORD_KEY, RunRecord, Runs, UnknownRunError
from .shared_context import outside_names
from .signals import CHECK_AFTER, send_jobs
from .storage import CLAIM_SUFFIX, OUTSIDE, PARK_SUFFIX, Records, StaleReadError, outside_of, retry_key
from .transient import RetryingBackend
from .view import RunView, whole_state

T = TypeVar("T")

_FINAL = ("completed", "failed", "cancelled")


@attrs.frozen
class Started:
    """What ``Client.start`` gives.

    Attributes:
        run_id: The run.
        created: Whether this call started it; False if a run of that id was there already.
    """

    run_id: str
    created: bool


@attrs.frozen
class StoredResult:
    """How a stored run ended, or where it stands.

    Attributes:
        run_id: The run.
        status: Its state.
        outputs: Each node's output so far, by node id, as in ``RunResult``.
        context: The context values so far, by name.
        errors: Why it failed: the failures that nothing contained.
        reason: The status's reason, for people.
        steps: How many steps have an outcome; those that lost a race and ended all the same are left out.
    """

    run_id: str
    status: State
    outputs: dict[str, Any]
    context: dict[str, Any]
    errors: tuple[NodeError, ...]
    reason: str | None
    steps: int


class Client:
    """Starts and steers runs on a backend.

    Use it in one event loop, with the backend open.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        flows: Iterable[FlowBuilder] = (),
        blueprints: Iterable[Blueprint] | Mapping[str, Blueprint] = (),
        serializer: Serializer | None = None,
        codec: PayloadCodec | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Put a client together.

        Args:
            backend: Where runs live.
            flows: Flows that can be started by id; a flow or blueprint can also be handed to ``start`` itself.
            blueprints: Likewise.
            serializer: For values; the same as the workers'.
            codec: For stored bytes; the same as the workers'.
            clock: Where time comes from.
        """
        self._clock: Clock = clock or SystemClock()
        self._backend: Backend = RetryingBackend(backend, self._clock)
        self._catalogue = Catalogue(flows, blueprints)
        self._serializer = serializer or Serializer()
        self._records = Records(self._backend.context, self._serializer, codec or CompressingCodec())
        self._runs = Runs(self._records)
        self._runs.know(self._catalogue.graphs.values())

    # --- starting -------------------------------------------------------------------------------------------------

    async def start(
        self,
        flow: FlowLike,
        context: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        delay: float = 0.0,
        tags: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Started:
        """Start a run; with the id of a run that is there already, nothing but finish a start that was cut short.

        A start that was cut short before its status was written is finished by the next one with its id. One that was
        cut short after that is finished by a reconciler, within a minute or so: whether its first job was sent cannot
        be told, and a second one could execute the first step twice.

        Args:
            flow: The flow, its blueprint, or its id.
            context: The initial context values, by name.
            run_id: The run's id; a new one by default.
            delay: Seconds before its first step.
            tags: For filters in ``runs``.
            timeout: Seconds after which it fails if it has not ended.

        Raises:
            ConfigurationError: The flow is unknown or incomplete, or the run's id cannot be used.
            SerializationError: An initial context value cannot be stored.
        """
        graph = self._catalogue.find(flow)
        run_id = run_id or new_id()
        if run_id.startswith(":") or len(run_id) > 300:
            raise ConfigurationError(f"run id {run_id!r:.80}: use 1 to 300 characters, the first of them no colon")
        now = self._clock.now()
        record = RunRecord(
            run_id=run_id,
            blueprint_id=graph.blueprint.id,
            graphs=self._catalogue.reachable(graph),
            context=dict(context or {}),
            started=now,
            deadline=None if timeout is None else now + timeout,
        )
        created = await self._runs.create(record)
        # A delay beyond the queue's reach is the reconciler's to end.
        next_check = now + delay + (CHECK_AFTER if delay <= self._backend.queue.limits.max_delay else 0.0)
        status = RunStatus(
            run_id=run_id,
            state="running",
            blueprint_id=graph.blueprint.id,
            created=now,
            updated=now,
            next_check=next_check if record.deadline is None else min(next_check, record.deadline),
            tags=dict(tags or {}),
        )
        unfinished = await self._backend.status.create(status)
        if (created or unfinished) and delay <= self._backend.queue.limits.max_delay:
            # With a hop, a worker looks before it begins: the run may have got on, or been cancelled, meanwhile.
            hops = 0 if created and not delay else 1
            standing = record if created else await self._record(run_id)
            job = standing.job("", now + delay, hops=hops)
            await self._backend.queue.send([Message(encode_job(job), run_id)], delay=delay)
        return Started(run_id, created)

    # --- looking --------------------------------------------------------------------------------------------------

    async def status(self, run_id: str) -> RunStatus:
        """A run's status.

        Raises:
            UnknownRunError: There is none.
        """
        status = await self._backend.status.get(run_id)
        if status is None:
            raise UnknownRunError(f"there is no run {run_id!r}")
        return status

    async def result(self, run_id: str) -> StoredResult:
        """How a run ended, or where it stands, folded from its facts.

        Raises:
            UnknownRunError: There is none.
        """
        status = await self.status(run_id)
        record = await self._record(run_id)
        state = await self._state(record, status)
        return StoredResult(
            run_id=run_id,
            status=status.state,
            outputs=outputs_of(state),
            context=context_of(state),
            errors=tuple(state.errors),
            reason=status.reason,
            steps=sum(1 for instance in instances(state) if instance.vertex.kind is Kind.STEP),
        )

    async def wait(self, run_id: str, *, timeout: float | None = None, poll: float = 0.05) -> StoredResult:
        """Wait until a run has ended, and give its result.

        Args:
            run_id: The run.
            timeout: Seconds to wait at most.
            poll: Seconds before the second look; the pauses grow to forty times that.

        Raises:
            UnknownRunError: There is no such run.
            TimeoutError: It has not ended in time; it goes on.
        """
        deadline = None if timeout is None else self._clock.now() + timeout
        pause = poll
        while (status := await self.status(run_id)).state not in _FINAL:
            now = self._clock.now()
            if deadline is not None and now >= deadline:
                raise TimeoutError(f"run {run_id!r} is still {status.state} after {timeout:g} s")
            await self._clock.sleep(pause if deadline is None else min(pause, deadline - now))
            pause = min(pause * 1.5, poll * 40)
        return await self.result(run_id)

    async def runs(
        self, state: State, *, tags: Mapping[str, str] | None = None, blueprint_id: str | None = None
    ) -> AsyncIterator[RunStatus]:
        """Every run in a state, with all of these tags and of this flow, if they are given."""
        wanted = dict(tags or {})
        cursor: str | None = None
        while True:
            page: Page = await self._backend.status.find(state=state, cursor=cursor)
            for status in page.items:
                if wanted.items() <= dict(status.tags).items() and blueprint_id in (None, status.blueprint_id):
                    yield status
            cursor = page.cursor
            if cursor is None:
                return

    # --- steering -------------------------------------------------------------------------------------------------

    async def resume(self, run_id: str, key: str, *, output: Any = None, action: str | None = None) -> None:
        """End a wait with a result; the run goes on.

        Args:
            run_id: The run.
            key: The wait's instance key, or its node id if only one instance of it is open.
            output: The wait's output.
            action: The wait's action, which chooses its edges.

        Raises:
            UnknownRunError: There is no such run.
            ResumeError: The run has ended, or the wait was not reached, is resolved already, or does not exist.
        """
        status = await self.status(run_id)
        if status.state in _FINAL:
            raise ResumeError(f"run {run_id!r} has ended ({status.state}); nothing in it can be resumed")
        record = await self._record(run_id)
        view = RunView(record, self._records, self._clock)
        try:
            (instance,) = await self._settled(lambda: _find(view, key))
        except StaleReadError as error:
            raise ResumeError(f"run {run_id!r}: wait {key!r} was not reached yet") from error
        if instance is None or instance.vertex.node.uses != WAIT:
            key = await self._open_wait(record, status, key)
            instance = await view.find(key)
        if instance is None:
            raise ResumeError(f"run {run_id!r} has no wait {key!r}")
        key = instance.key
        if not await self._settled(lambda: self._parked(run_id, key)):
            raise ResumeError(f"run {run_id!r}: wait {key!r} was not reached yet")
        await view.prepare(instance)
        await view.refresh(instance)
        output = self._serializer.copy(output)
        now = self._clock.now()
        taken = take_edges(*instance, output, action)
        outcome = Outcome(output=output, action=action, taken=taken, started=now, ended=now)
        stored = await self._records.put_outcome(run_id, key, outcome, "")
        if not stored.won:
            raise ResumeError(f"run {run_id!r}: wait {key!r} was resolved already; the first result stands")
        await self._backend.status.touch(run_id, at=now, next_check=now + CHECK_AFTER, state="running")
        await send_jobs(self._backend, record, [key], self._clock)

    async def _parked(self, run_id: str, key: str) -> bool | None:
        return bool(await self._records.parks(run_id, [key + PARK_SUFFIX])) or None

    async def _open_wait(self, record: RunRecord, status: RunStatus, node_id: str) -> str:
        """The key of the only open wait of a node; for waits inside constructs."""
        state = await self._state(record, status)
        waits = [instance for instance in state.ready if instance.vertex.node.uses == WAIT]
        keys = [instance.key for instance in waits if instance.vertex.id == node_id]
        if len(keys) == 1:
            return keys[0]
        listed = ", ".join(sorted(instance.key for instance in waits)) or "none"
        nodes = [node for graph in record.graphs.values() for node in graph.blueprint.nodes if node.id == node_id]
        problem = f"there is no node or open wait {node_id!r}"
        if keys:
            problem = f"{len(keys)} waits of node {node_id!r} are open"
        elif nodes and all(node.uses != WAIT for node in nodes):
            problem = f"node {node_id!r} is no wait (it uses {nodes[0].uses!r})"
        elif nodes:
            problem = f"wait {node_id!r} is not open: it was not reached yet, or is resolved"
        raise ResumeError(f"run {record.run_id!r}: {problem}; open are, by key: {listed}")

    async def cancel(self, run_id: str, *, reason: str | None = None) -> bool:
        """Cancel a run: nothing new starts, and steps under way are told; False if it had ended already.

        Raises:
            UnknownRunError: There is no such run.
        """
        await self.status(run_id)
        return await self._backend.status.finish(run_id, "cancelled", at=self._clock.now(), reason=reason)

    async def fork(self, run_id: str, *keys: str, new_run_id: str | None = None) -> Started:
        """Start a new run that keeps what a run has done, but for some instances and all that follows from them.

        The old run stays as it is. On the same blueprints, with the same initial context. A fork that was cut short is
        finished by making it again, with the same new id and from the same instances.

        Args:
            run_id: The run.
            keys: The instances to begin again from, by key.
            new_run_id: The new run's id; a new one by default.

        Raises:
            UnknownRunError: There is no such run.
            ConfigurationError: The run has no such instance, or there is a run with the new id.
        """
        status = await self.status(run_id)
        record = await self._record(run_id)
        state = await self._state(record, status)
        by_key = {instance.key: instance for scope in state.root.walk() for instance in scope.instances()}
        unknown = [key for key in keys if key not in by_key]
        if unknown or not keys:
            raise ConfigurationError(f"run {run_id!r} has no instance {', '.join(unknown) or 'to fork from was named'}")
        return await self._fork(record, state, [by_key[key] for key in keys], new_run_id)

    async def redrive(self, run_id: str, *, new_run_id: str | None = None) -> Started:
        """Start a new run that keeps what a failed run has done, and tries again what failed it.

        Raises:
            UnknownRunError: There is no such run.
            ConfigurationError: It has not failed, or there is a run with the new id.
        """
        status = await self.status(run_id)
        record = await self._record(run_id)
        state = await self._state(record, status)
        again = failed(state) or list(state.ready)
        if status.state != "failed" or not again:
            raise ConfigurationError(f"run {run_id!r} is {status.state}; only a failed run can be redriven")
        return await self._fork(record, state, again, new_run_id)

    async def _fork(self, record: RunRecord, state: RunState, again: list[Instance], new_run_id: str | None) -> Started:
        run_id, now = new_run_id or new_id(), self._clock.now()
        limit = None if record.deadline is None else now + record.deadline - record.started
        fork = attrs.evolve(
            record,
            run_id=run_id,
            started=now,
            deadline=limit,
            redrive_of=record.run_id,
            again=tuple(sorted(instance.key for instance in again)),
            nonce=new_id(),
        )
        if not await self._runs.create(fork):
            standing = await self._record(run_id)
            cut_short = await self._backend.status.get(run_id) is None
            if not cut_short or (standing.redrive_of, standing.again) != (fork.redrive_of, fork.again):
                raise ConfigurationError(f"there is a run {run_id!r} already: fork under another id")
            fork = standing  # the same fork, which was cut short: all that it copied is copied again
        without = dropped(again)
        job = fork.job("", now)
        for instance in instances(state):
            if (id(instance.scope), instance.vertex.index) in without:
                continue
            await self._records.put_outcome(run_id, instance.key, instance.outcome, job.id)
            if instance.outcome.sets:
                position = instance.scope.position(instance.vertex)
                await self._records.apply(run_id, instance.scope.namespace.prefix, position, instance.outcome.sets)
        for key, place in kept_claims(state, without):
            await self._records.put_claim(run_id, key, place, job.id)
        status = RunStatus(
            run_id=run_id,
            state="running",
            blueprint_id=record.blueprint_id,
            created=now,
            updated=now,
            next_check=now + CHECK_AFTER if limit is None else min(now + CHECK_AFTER, limit),
        )
        await self._backend.status.create(status)
        await self._backend.queue.send([Message(encode_job(job), run_id)])
        return Started(run_id, created=True)

    async def purge(self, run_id: str) -> None:
        """Remove all that is stored of a run that has ended.

        Raises:
            ConfigurationError: It has not ended; cancel it first.
        """
        status = await self._backend.status.get(run_id)
        if status is not None and status.state not in _FINAL:
            raise ConfigurationError(f"run {run_id!r} is {status.state}: cancel it before it is purged")
        record = await self._runs.get(run_id)
        outside = await outside_names(self._records, run_id)
        keys = [RECORD_KEY, *(f"{OUTSIDE}{number}" for number in range(len(outside)))]
        sets: list[tuple[str, Position]] = [(name, INITIAL) for name in outside]
        if record is not None:
            state = await self._state(record, status)
            for instance in (found for scope in state.root.walk() for found in scope.instances()):
                key, retry = instance.key, instance.vertex.retry
                keys += [key, key + CLAIM_SUFFIX, key + PARK_SUFFIX]
                keys += [retry_key(key, attempt, standing_in=False) for attempt in range(1, retry.max_attempts)]
                outcome = instance.scope.outcomes.get(instance.vertex.index)
                if outcome is not None and outcome.sets:
                    prefix, position = instance.scope.namespace.prefix, instance.scope.position(instance.vertex)
                    sets += [(prefix + name, position) for name in outcome.sets]
        sets += [(name, outside_of(position)) for name, position in sets if name in outside]
        await self._records.delete(run_id, keys, sets)
        by_hand: HandWrittenRuns | None = getattr(self._backend, "by_hand", None)
        if by_hand is not None:
            await by_hand.delete(run_id)
        await self._backend.status.delete(run_id)

    async def purge_older(self, age: float) -> int:
        """Purge the runs that ended at least ``age`` seconds ago; how many there were."""
        before = self._clock.now() - age
        states: tuple[State, ...] = ("completed", "failed", "cancelled")
        old = [s.run_id for state in states async for s in self.runs(state) if s.updated <= before]
        for run_id in old:
            await self.purge(run_id)
        return len(old)

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
        letter = await self._backend.status.get(dead_letter_id)
        if letter is None or letter.state != "dead" or letter.body is None:
            raise UnknownRunError(f"there is no dead letter {dead_letter_id!r}")
        await self._backend.queue.send([Message(letter.body)])
        await self._backend.status.delete(dead_letter_id)

    async def _state(self, record: RunRecord, status: RunStatus | None) -> RunState:
        """What the facts say; the status may be ahead of what is to be seen of them, for as long as reads may lag."""
        until = self._clock.now() + self._backend.context.limits.staleness
        while True:
            state = await self._settled(lambda: whole_state(record, self._records))
            ended = status is not None and status.state in ("completed", "failed")
            if not ended or state.phase is not Phase.RUNNING or self._clock.now() >= until:
                return state
            await self._clock.sleep(0.05)

    async def _record(self, run_id: str) -> RunRecord:
        record = await self._settled(lambda: self._runs.get(run_id))
        if record is None:
            raise UnknownRunError(f"run {run_id!r} has a status but no record")
        return record

    async def _settled(self, read: Callable[[], Awaitable[T]]) -> T:
        """What is read, once all parts of it can be seen; for as long as the store says that reads may lag."""
        until = self._clock.now() + self._backend.context.limits.staleness
        while True:
            try:
                found = await read()
                if found is not None or self._clock.now() >= until:
                    return found
            except StaleReadError:
                if self._clock.now() >= until:
                    raise
            await self._clock.sleep(0.05)


async def _find(view: RunView, key: str) -> tuple[Instance | None]:
    """The instance with a key, or of a node id that is no key as it stands, since its characters are escaped in one."""
    return (await view.find(key) or await view.find(escape(key)),)
