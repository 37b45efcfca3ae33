"""One attempt at one instance: from its input to an outcome, or to a suspension if it has to wait.

Shared by everything that executes: the in-process runtime and, with stores around it, a worker. It decides nothing
about what runs next; it asks the graph's pure code for the input and the edges.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from .blueprint import SLEEP, WAIT, Node, copy_of
from .calling import call_step
from .clock import Clock
from .contexts import UNDO, BaseContext, NodeContext, SyncNodeContext, Values
from .copying import copied, handed, is_shared
from .durations import parse_duration
from .errors import (
    BackendError,
    ConfigurationError,
    ExpressionError,
    LostActionError,
    NonRetryableError,
    RunCancelledError,
    SerializationError,
    StepEndedError,
)
from .failures import name_of, node_error, text_of
from .graph import decisions
from .graph.facts import DELETED, Answer, Attempt, NodeError, Outcome, Suspension, Undone
from .graph.failures import causes
from .graph.gathered import in_pages
from .graph.instances import Instance, ScopeState
from .graph.keys import escape
from .graph.limits import limits_of
from .graph.pages import page_size_of
from .graph.scopes import Construct, Graph, Kind, Vertex
from .limits import Limit, filled, holes_in, limit_named
from .logging.catalogue import (
    ATTEMPT_DEFERRED,
    ATTEMPT_FAILED,
    CONSTRUCT_HANDLED,
    EDGE_UNTAKEN,
    FAILURE_HANDLED,
    FALLBACK_TAKEN,
    NODE_FAILED,
    NODE_LEFT,
    REMINDER_FAILED,
    UNDO_FAILED,
)
from .logging.journal import Journal, is_contained
from .parts import NO_PART, field_of
from .retries import RetryAfter, RetryPolicy
from .serialization import Serializer
from .steps import FinalError, Implementation, NodeResult
from .texts import require_name
from .threads import StepThreads

if TYPE_CHECKING:
    from .middleware import Middleware
    from .observing import Observer
    from .webhooks import WebhookSigner

#: The action of a wait that nobody resumed in time.
TIMEOUT_ACTION = "timeout"

#: The first attempt at an instance.
FIRST = Attempt()

#: What a step gave: its output, its action, and the context values that it set.
_Given: TypeAlias = tuple[Any, str | None, dict[str, Any] | None]

# What follows an instance's key in the idempotency keys of a wait's reminders, before their numbers.
_REMINDER = ":reminder:"

# The value, the expression or the set-up is wrong: another attempt would fail in the same way.
_NEVER_RETRIED = (
    SerializationError,
    ExpressionError,
    decisions.InputError,
    LostActionError,
    NonRetryableError,
    ConfigurationError,
    RunCancelledError,
)


def _as_it_is(blueprint_id: str, node_id: str, output: Any) -> Any:
    return output


def _nothing_to_get(instance: Instance) -> None:
    """Who knows all of a run has what expressions may name."""


def _no_trouble() -> None:
    """Where nothing is read from anywhere, a failure is the step's."""


@attrs.define(eq=False)
class Executor:
    """Executes the instances of one run.

    Attributes:
        run_id: The run.
        implementations: Finds an implementation by the blueprint's id and the name that a node of it uses.
        graphs: Finds a called blueprint by id.
        dependencies: Handed to every step.
        serializer: Copies values at the border of each step.
        clock: Tells the time.
        threads: Where plain steps run.
        values: Makes the view on the context that one attempt has.
        before_deciding: Asked before expressions of an instance are evaluated: what it gives is awaited, and gets what
            they may name.
        under_way: The contexts of the attempts under way.
        journal: Is told of each attempt that fails.
        observer: Watches each attempt.
        kept_keys: The instances that act under the idempotency keys of another run: that run's id, by key.
        connection: Gives a step a connection in a transaction that commits with its outcome.
        trouble: Why a failed attempt is no failure of the step's, if it is none: what it needed could not be read.
        roll_back: Awaited before a step is called: what was begun for an earlier call is to leave nothing.
        worker: Who executes, for people: it stands in what comes of an attempt.
        progressed: Is told, in the event loop, when a step says how far it is.
        webhooks: Signs links to waits.
        nonce: The run's, for such links.
        strict: An action that no edge takes is an error.
        limits: Those that are declared, by name.
        gather: Gives the results of a batch where its items are not all known at once, for its exit; else None.
        results: Likewise, some at a time, for a reducer.
        answers: Builds the answer to a wait, as the flow says; by the blueprint's id and the wait's.
        is_patient: Timeouts of nodes do not count: somebody looks at what they do, in a debugger.
        middleware: Stands around each call of a step, from the outside in.
    """

    run_id: str
    implementations: Callable[[str, str], Implementation]
    graphs: Callable[[str], Graph]
    dependencies: Any
    serializer: Serializer
    clock: Clock
    threads: StepThreads
    values: Callable[[ScopeState, Serializer], Values] = Values
    before_deciding: Callable[[Instance], Awaitable[None] | None] = _nothing_to_get
    under_way: set[BaseContext[Any, Any]] = attrs.field(factory=set)
    journal: Journal = attrs.field(factory=Journal)
    observer: Observer | None = None
    kept_keys: Mapping[str, str] = attrs.field(factory=dict)
    connection: Callable[[str], Awaitable[Any]] | None = None
    trouble: Callable[[], BackendError | None] = _no_trouble
    roll_back: Callable[[], Awaitable[None]] | None = None
    worker: str | None = None
    progressed: Callable[[BaseContext[Any, Any]], None] | None = None
    webhooks: WebhookSigner | None = None
    nonce: str = ""
    strict: bool = False
    limits: Mapping[str, Limit] = attrs.field(factory=dict)
    gather: Callable[[Instance], Awaitable[Sequence[Any] | None]] | None = None
    results: Callable[[Instance], AsyncIterator[Sequence[Any]] | None] | None = None
    answers: Callable[[str, str, Any], Any] = _as_it_is
    is_patient: bool = False
    middleware: tuple[Middleware, ...] = ()

    async def attempt(self, instance: Instance, attempt: Attempt = FIRST) -> Outcome | Suspension:
        """Make one attempt at a ready instance.

        Whatever a step raises is a failed attempt. What this raises itself is no failure of the step's: the program
        lacks the step, what its expressions name cannot be read, or the engine ends the attempt by a cancellation.

        Args:
            instance: What to run.
            attempt: Which attempt this is.

        Returns:
            The outcome, failed or not; or a suspension, if the instance has to wait, also for its next attempt.

        Raises:
            ImplementationMissingError: This program has no implementation of the step.
        """
        scope, vertex = instance
        started = self.clock.now()
        if vertex.catches and (errors := causes(scope, vertex)):
            outcome = await self._fails_unrun(instance, errors)
        elif vertex.kind is Kind.STEP:
            if vertex.node.uses in (SLEEP, WAIT):
                return self._suspend(instance, started)
            node = vertex.fallback if attempt.standing_in and vertex.fallback is not None else vertex.node
            implementation = self.implementations(scope.scope.blueprint, node.uses)
            role = "" if node is vertex.node else f":fallback:{escape(node.id)}"
            try:
                given = await self._call(implementation, instance, node, attempt, role)
            except Exception as error:
                return await self._failed(error, instance, node, attempt, started)
            if (getting := self.before_deciding(instance)) is not None:
                await getting
            try:
                outcome = self._outcome(instance, given, attempt.number)
            except Exception as error:
                return await self._failed(error, instance, node, attempt, started)
            if attempt.standing_in:
                outcome.via, outcome.primary_error = node.id, attempt.primary_error
        else:
            if (getting := self.before_deciding(instance)) is not None:
                await getting
            try:
                outcome = await self._structure(instance)
            except Exception as error:
                outcome = self.failure(_raised(error)[0], instance, attempt.number)
        outcome.started, outcome.ended, outcome.worker = started, self.clock.now(), self.worker
        return outcome

    async def limits_of(self, instance: Instance) -> tuple[str, ...]:
        """The limits that an attempt at an instance keeps to, in the order in which places are taken, with their keys.

        Raises:
            UnknownLimitError: This program does not declare one.
            ConfigurationError: What a key is made of is no text or number, or is not there.
        """
        found: set[str] = set()
        for scope, named in limits_of(instance):
            limit_named(self.limits, named, f"node {instance.key!r}")
            values: list[object] = []
            for root, path in holes_in(named):
                if root == "input":
                    values.append(_within(decisions.input_of(instance.scope, instance.vertex), path))
                else:
                    value = await self.values(scope, self.serializer).fetch(path[0])
                    values.append(None if value is DELETED else _within(value, path[1:]))
            try:
                found.add(filled(named, values))
            except ConfigurationError as error:
                raise ConfigurationError(f"node {instance.key!r}: {error}") from None
        return tuple(sorted(found))

    async def undo(self, instance: Instance, attempt: Attempt = FIRST) -> Undone | Suspension:
        """Make one attempt at the undo of an instance; a suspension says when the next one is due.

        Raises:
            ImplementationMissingError: This program has no implementation of the undo.
        """
        scope, vertex = instance
        node, started = vertex.undo, self.clock.now()
        assert node is not None  # else it would not be asked for
        implementation = self.implementations(scope.scope.blueprint, node.uses)
        failed: NodeError | None = None
        try:
            _, _, sets = await self._call(implementation, instance, node, attempt, UNDO)
            if sets:
                raise ConfigurationError(f"the undo of node {instance.key!r} has set context values: its run is over")
        except Exception as raised:
            error, final = _raised(raised)
            again = None if final else self._again(error, instance, node, attempt)
            if again is not None:
                return attrs.evolve(again, started=started, ended=self.clock.now(), worker=self.worker)
            failed = node_error(error, instance, attempt.number)
            self.journal.tell(UNDO_FAILED, error, at=instance, attempt=attempt.number)
        return Undone(instance.key, vertex.id, failed, attempt.number, started, self.clock.now())

    def _outcome(self, instance: Instance, given: _Given, number: int) -> Outcome:
        output, action, sets = given
        taken = self._taken(instance, output, action, sets)
        return Outcome(output, action, None, taken, sets, attempts=number)

    def _taken(
        self, instance: Instance, output: Any, action: str | None, sets: dict[str, Any] | None = None
    ) -> dict[int, Any]:
        """The edges that a result of a step, or of a wait, takes."""
        if self.strict and decisions.is_lost(instance.vertex, action):
            raise LostActionError(decisions.lost(instance.key, instance.vertex, action))
        return decisions.take_edges(instance.scope, instance.vertex, output, action, sets)

    def resume(self, instance: Instance, suspension: Suspension, output: Any, action: str | None) -> Outcome:
        """The outcome of a wait that goes on with a given result.

        Raises:
            SerializationError: The output or the action cannot be stored.
            ExpressionError: A condition or transform failed on it.
            LostActionError: No edge takes the action, where that is an error.
        """
        if action is not None:
            require_name(action, f"the action of wait {instance.key!r}")
        if output is not None or action != TIMEOUT_ACTION:  # an answer without an output is None
            output = self.answers(instance.scope.scope.blueprint, instance.vertex.id, output)
        output = self.serializer.copy(output)
        taken = self._taken(instance, output, action)
        now = self.clock.now()
        started = suspension.ended or now
        return Outcome(output=output, action=action, taken=taken, started=started, ended=now, worker=self.worker)

    def answered(self, instance: Instance, answer: Answer) -> Outcome:
        """The outcome of a wait that finds an answer where it would be suspended.

        Whoever gave it is not there any more: what is wrong with it is the wait's failure.
        """
        try:
            return self.resume(instance, Suspension("wait", ended=self.clock.now()), answer.output, answer.action)
        except Exception as error:
            return self.failure(error, instance, 1)

    def reminds(self, instance: Instance, suspension: Suspension) -> bool:
        """Whether a wait that is due is to remind, rather than to end since its time is up."""
        vertex = instance.vertex
        return vertex.reminders is not None and (
            vertex.timeout is None or self.clock.now() < suspension.ended + vertex.timeout
        )

    async def remind(self, instance: Instance, suspension: Suspension) -> Suspension:
        """Call what a wait reminds with, once, whatever comes of it; and wait on.

        Args:
            instance: The wait.
            suspension: Its last suspension.

        Returns:
            The next one: until the next reminder, or until the wait's time is up.

        Raises:
            ImplementationMissingError: This program has no implementation of the step.
        """
        scope, vertex = instance
        assert vertex.reminders is not None
        number, error = suspension.attempt + 1, None
        implementation = self.implementations(scope.scope.blueprint, vertex.reminders.uses)
        node = Node("reminder", vertex.reminders.uses)
        try:
            _, sets = await self._executed(implementation, instance, node, Attempt(number), f"{_REMINDER}{number}")
            if sets:
                raise ConfigurationError(
                    f"the reminder of wait {instance.key!r} has set {', '.join(map(repr, sets))}: what it does is no "
                    "result of the run's, so it cannot set context values"
                )
        except Exception as failure:
            why = _raised(failure)[0]
            self.journal.tell(REMINDER_FAILED, why, at=instance, reminder=number)
            error = node_error(why, instance, 1)
        due = _wakes(vertex, suspension.ended, self.clock.now())
        return attrs.evolve(suspension, due=due, attempt=number, error=error, worker=self.worker)

    def due(self, instance: Instance, suspension: Suspension) -> Outcome:
        """The outcome of a wait or sleep whose time has come: a sleep hands on its input, a wait times out."""
        try:
            if instance.vertex.node.uses == WAIT:
                return self.resume(instance, suspension, None, TIMEOUT_ACTION)
            return self.resume(instance, suspension, decisions.input_of(instance.scope, instance.vertex), None)
        except Exception as error:
            return self.failure(error, instance, 1)

    def failure(self, error: BaseException, instance: Instance, number: int) -> Outcome:
        """The outcome of an instance that failed for good, with the edges that its failure takes.

        What the expressions on those may name must have been read. A step that has stopped since its result is of no
        use takes none.
        """
        left = isinstance(error, RunCancelledError)
        outcome = decisions.fail(*instance, node_error(error, instance, number), alone=left)
        if outcome.handled:
            self.journal.tell(
                FAILURE_HANDLED, error, at=instance, attempt=number, handlers=_handlers(instance, outcome)
            )
        else:
            event = NODE_LEFT if left else NODE_FAILED
            self.journal.tell(event, error, at=instance, attempt=number, lower=is_contained(instance))
        self._tell_untaken(instance, outcome)
        outcome.started = outcome.ended = self.clock.now()
        outcome.worker = self.worker
        return outcome

    async def _fails_unrun(self, instance: Instance, errors: tuple[NodeError, ...]) -> Outcome:
        """The failed outcome of a construct, or of a join of any edge, for the failures inside of it or before it."""
        if (getting := self.before_deciding(instance)) is not None:
            await getting
        outcome = decisions.fail(*instance, errors[0])
        if outcome.handled:
            self.journal.tell(
                CONSTRUCT_HANDLED, at=instance, handlers=_handlers(instance, outcome), reason=str(errors[0])
            )
        self._tell_untaken(instance, outcome)
        return outcome

    def _tell_untaken(self, instance: Instance, outcome: Outcome) -> None:
        for why in (outcome.untaken or {}).values():
            self.journal.tell(EDGE_UNTAKEN, at=instance, reason=why)

    def cancel(self) -> None:
        """Tell every step under way that its result is of no use any more."""
        for context in self.under_way:
            context._cancelled = True

    def _suspend(self, instance: Instance, now: float) -> Suspension:
        vertex = instance.vertex
        if vertex.node.uses == SLEEP:
            due = now + parse_duration(vertex.params["duration"])
            return Suspension("sleep", due, started=now, ended=now, worker=self.worker)
        return Suspension("wait", _wakes(vertex, now, now), started=now, ended=now, worker=self.worker)

    async def _structure(self, instance: Instance) -> Outcome:
        scope, vertex = instance
        if vertex.kind is Kind.EXIT and vertex.construct is not None and vertex.construct.reduce is not None:
            outcome = decisions.leave_reduced(scope, vertex, await self._reduced(instance, vertex.construct))
        elif vertex.kind is Kind.EXIT:
            outcome = decisions.leave(scope, vertex, None if self.gather is None else await self.gather(instance))
        if vertex.kind is Kind.EXIT:
            outcome.taken = decisions.take_edges(scope, vertex, outcome.output, outcome.action, outcome.sets)
            return outcome
        value = await copied(self.serializer, decisions.input_of(scope, vertex))
        if vertex.kind is Kind.VERDICT:
            return decisions.verdict(scope, vertex, value)
        called = vertex.construct.calls if vertex.construct else None
        return decisions.enter(scope, vertex, value, self.graphs(called) if called else None)

    async def _reduced(self, instance: Instance, batch: Construct) -> Any:
        """What a batch's reducer makes of its results: page by page, in the order of the items."""
        value, number, node = None, 0, batch.reduce
        assert node is not None  # else nobody would ask
        implementation = self.implementations(instance.scope.scope.blueprint, node.uses)
        async for results in in_pages(self._results(instance, batch), page_size_of(batch)):
            given = {"value": value, "results": results}
            value, _, sets = await self._call(
                implementation, instance, node, FIRST, f":reduce:{number}", given={"input": given}
            )
            if sets:
                raise ConfigurationError(
                    f"the reducer of batch {instance.key!r} has set {', '.join(map(repr, sets))}: it leaves one value, "
                    "and cannot set context values; name one for it as the batch's output="
                )
            number += 1
        return value

    async def _results(self, instance: Instance, batch: Construct) -> AsyncIterator[Sequence[Any]]:
        """The results of a batch, some at a time."""
        some = None if self.results is None else self.results(instance)
        if some is None:
            items = instance.scope.inside.get(batch.entry, {})
            yield list(decisions.item_results(items))
            return
        async for results in some:
            yield results

    async def _call(
        self,
        implementation: Implementation,
        instance: Instance,
        node: Node,
        attempt: Attempt,
        role: str,
        failed_with: Exception | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> _Given:
        """What a step gives: a copy of its output, its action, and the context values that it has set."""
        result, sets = await self._executed(implementation, instance, node, attempt, role, failed_with, given)
        action = None
        if type(result) is NodeResult:
            result, action = result.output, result.action
            if action is not None:
                require_name(action, f"the action of node {instance.key!r}")
        if is_shared(result):
            return result, action, sets or None
        try:
            return await copied(self.serializer, result), action, sets or None
        except SerializationError as error:
            raise SerializationError(f"the output of node {instance.key!r} cannot be stored: {error}") from error

    async def _executed(
        self,
        implementation: Implementation,
        instance: Instance,
        node: Node,
        attempt: Attempt,
        role: str,
        failed_with: Exception | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """What a step returns, as it is, and the context values that it has set; ``given`` may have its ``input``."""
        scope, vertex = instance
        values = self.values(scope, self.serializer)
        kind = NodeContext if implementation.is_async else SyncNodeContext
        value = decisions.input_of_step(scope, vertex) if given is None else given["input"]
        if not is_shared(value):
            value = await handed(self.serializer, value, implementation)
        if implementation.shape is not None:
            where = f"flow {scope.scope.blueprint!r}: node {instance.key!r}: input"
            value = implementation.shape(value, where)
        context = kind(
            self.run_id,
            instance,
            attempt.number,
            value,
            copy_of(node.params) if node.params else {},
            self.dependencies,
            values,
            role,
            attempt.primary_error,
            attempt.deferred,
        )
        if role == UNDO:
            done = scope.outcomes.get(vertex.index)
            context.output = None if done is None else self.serializer.copy(done.output)
        if self.kept_keys:
            context._keyed_by = self.kept_keys.get(instance.key, self.run_id)
        context._connection = _none_for_reminders if role.startswith(_REMINDER) else self.connection
        if self.roll_back is not None:
            await self.roll_back()
        context._since = self.clock.now()
        if self.webhooks is not None:
            from .webhooks import Links  # noqa: PLC0415 # whoever signs links has imported it

            context._links = Links(self.webhooks, self.nonce, self.clock.now)
        if self.progressed is not None:
            context._tells = self._telling(implementation.is_async)
        self.under_way.add(context)
        try:
            timeout = vertex.timeout if node is vertex.node else _timeout(node)
            if self.is_patient:
                timeout = None
            # It begins when it is awaited, and with the context variables of then.
            if self.middleware:
                begin = partial(
                    call_step, implementation, context, self.threads, timeout=timeout, failed_with=failed_with
                )
                from .middleware import Call, around, role_of  # noqa: PLC0415 # for those who have some

                call = Call(scope.scope.blueprint, node, role_of(role), context, implementation)
                step = around(self.middleware, call, begin)
            else:
                step = call_step(implementation, context, self.threads, timeout=timeout, failed_with=failed_with)
            if self.observer is None or role == UNDO:
                result = await step
            else:
                stand_in = None if not role else node.id if node is not vertex.node else "fallback"
                with self.observer.attempt(instance, attempt.number, stand_in):
                    result = await step
        finally:
            self.under_way.discard(context)
        if inspect.iscoroutine(result):
            result.close()
            raise ConfigurationError(
                f"step {implementation.name!r} of node {instance.key!r} is a plain function that returned a coroutine: "
                "make it async def, so that the engine awaits it"
            )
        return result, values.sets

    def _telling(self, is_async: bool) -> Callable[[BaseContext[Any, Any]], object] | None:
        """How a step's progress is told in the event loop, from there or from a thread."""
        progressed = self.progressed
        if is_async or progressed is None:
            return progressed
        loop = asyncio.get_running_loop()
        return lambda context: loop.call_soon_threadsafe(progressed, context)

    async def _failed(
        self, raised: Exception, instance: Instance, node: Node, attempt: Attempt, started: float
    ) -> Outcome | Suspension:
        """What follows a failed attempt: another one, the class's own fallback, the fallback node, or the failure.

        Raises:
            BackendError: It is no failure of the step's, as what it needed could not be read.
        """
        if (trouble := self.trouble()) is not None:
            raise trouble from raised
        vertex, number, primary_error = instance.vertex, attempt.number, attempt.primary_error
        error, final = _raised(raised)
        if not final:
            again = self._again(error, instance, node, attempt)
            if again is not None:
                return attrs.evolve(again, started=started, ended=self.clock.now(), worker=self.worker)
        if not attempt.standing_in:
            own = self.implementations(instance.scope.scope.blueprint, node.uses)
            if own.fallback is not None:
                self.journal.tell(FALLBACK_TAKEN, error, at=instance, attempt=number, fallback="fallback")
                primary_error = node_error(error, instance, number)
                failed = attrs.evolve(attempt, primary_error=primary_error)
                saved = await self._saved(own, instance, failed, StepEndedError.of(error))
                if isinstance(saved, Outcome):
                    saved.started, saved.ended, saved.worker = started, self.clock.now(), self.worker
                    return saved
                error = _raised(saved)[0]
            if vertex.fallback is not None:
                self.journal.tell(FALLBACK_TAKEN, error, at=instance, attempt=number, fallback=vertex.fallback.id)
                why = node_error(error, instance, number)
                return await self.attempt(instance, Attempt(standing_in=True, primary_error=why))
        if vertex.catches and (getting := self.before_deciding(instance)) is not None:
            await getting
        outcome = self.failure(error, instance, number)
        outcome.started, outcome.primary_error = started, primary_error
        return outcome

    def _again(self, error: BaseException, instance: Instance, node: Node, attempt: Attempt) -> Suspension | None:
        """When a step that has failed is tried again, if it is."""
        vertex, number = instance.vertex, attempt.number
        policy = vertex.retry if node is vertex.node else RetryPolicy.from_config(node.config)
        deferred, event = attempt.deferred, ATTEMPT_FAILED
        if isinstance(error, RetryAfter) and not error.counts and deferred < policy.max_deferrals:
            deferred, event = deferred + 1, ATTEMPT_DEFERRED
        elif number >= policy.max_attempts or not self._is_worth_another(error, policy, instance):
            return None
        now = self.clock.now()
        if isinstance(error, RetryAfter):
            delay = error.delay(now)
        else:
            delay = policy.delay_after(number, f"{self.run_id}:{instance.key}:{node.id}")
        self.journal.tell(event, error, at=instance, attempt=number, retry_in=delay)
        return Suspension(
            "retry",
            now + delay,
            number - (deferred - attempt.deferred),
            attempt.standing_in,
            error=node_error(error, instance, number),
            primary_error=attempt.primary_error,
            deferred=deferred,
        )

    def _is_worth_another(self, error: BaseException, policy: RetryPolicy, instance: Instance) -> bool:
        """Whether a policy says so of an error; what ``retry_if`` itself raises is noted at the error, and is a no."""
        if isinstance(error, RetryAfter):
            return True
        if not policy.retries(error):
            return False
        asked = policy.retry_if
        if isinstance(asked, str):
            asked = self.implementations(instance.scope.scope.blueprint, asked).call
        try:
            return asked is None or bool(asked(error))
        except Exception as second:
            error.add_note(f"retry_if of node {instance.key!r} has failed on it: {name_of(second)}: {text_of(second)}")
            return False

    async def _saved(
        self, own: Implementation, instance: Instance, attempt: Attempt, failed_with: Exception
    ) -> Outcome | Exception:
        """What a step's class gives in the place of its failed attempts; or why that failed, too."""
        node = instance.vertex.node
        try:
            given = await self._call(own, instance, node, attempt, ":fallback", failed_with)
        except Exception as error:
            return error
        if (getting := self.before_deciding(instance)) is not None:
            await getting
        try:
            outcome = self._outcome(instance, given, attempt.number)
        except Exception as error:
            return error
        outcome.primary_error = attempt.primary_error
        return outcome


def _raised(carried: Exception) -> tuple[BaseException, bool]:
    """What a step raised, without what carried it; and whether that alone rules out another attempt."""
    error: BaseException = carried
    final = isinstance(error, FinalError)
    while isinstance(error, (FinalError, StepEndedError)) and error.__cause__ is not None:
        error = error.__cause__
    return error, final or isinstance(error, _NEVER_RETRIED) or _is_quit(error)


def _is_quit(error: BaseException) -> bool:
    """Whether somebody has ended a debugger, by ``q``."""
    bdb = sys.modules.get("bdb")
    return bdb is not None and isinstance(error, bdb.BdbQuit)


def _within(value: Any, path: Sequence[str]) -> object:
    """What stands at a path inside of a value; None if nothing does."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else field_of(value, name)
    return None if value is NO_PART else value


def _handlers(instance: Instance, outcome: Outcome) -> list[str]:
    return [link.target_id for link in instance.vertex.out if link.place in outcome.taken]


async def _none_for_reminders(key: str) -> Any:
    raise ConfigurationError(
        f"wait {key!r}: ctx.connection: a reminder has no outcome that its rows could be committed with; make it safe "
        "to repeat by ctx.idempotency_key"
    )


def _wakes(vertex: Vertex, since: float, now: float) -> float | None:
    """When something is next to be done about a wait: it reminds, or its time is up; None for never."""
    limit = None if vertex.timeout is None else since + vertex.timeout
    reminder = None if vertex.reminders is None else vertex.reminders.next(since, now)
    return min((time for time in (limit, reminder) if time is not None), default=None)


def _timeout(node: Node) -> float | None:
    return None if node.config is None or not node.config.timeout else node.config.timeout / 1000
