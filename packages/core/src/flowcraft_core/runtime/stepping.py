"""Runs a flow one node at a time, in process: what is ready, what a node got and gave, the context after it.

A ``SteppedRun`` is a run like any other, with one difference: it stands still until it is asked for its next instance.
So what happens, and in which order, is decided where it always is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Generic, Literal, Self, TypeAlias

import attrs

from ..blueprint import SLEEP, WAIT
from ..errors import ResumeError
from ..graph import decisions
from ..graph.facts import DELETED, Attempt, NodeError, Outcome, Suspension
from ..graph.instances import Instance
from ..graph.scopes import Kind, Vertex
from .results import OutT, RunResult, Status
from .run import Run

#: What an instance is: a call of a step, a wait or a sleep; or what the engine does around others: enter a loop, a
#: batch or a call, decide at the end of a loop's pass, leave again.
NodeKind: TypeAlias = Literal["step", "wait", "sleep", "enter", "pass", "leave"]

#: How much of a value a line about it shows, characters.
_SHOWN = 60


@attrs.frozen
class Ready:
    """An instance whose turn may come next.

    Attributes:
        key: Its key.
        node_id: The node's id.
        kind: What it is.
        attempt: Which attempt comes next.
        input: What it gets; None where that is the engine's business alone.
        due: When its turn comes, seconds since the epoch, if it waits for a time: a sleep, a retry, the timeout of a
            wait, or a wait's next reminder. None if it can be run at once.
    """

    key: str
    node_id: str
    kind: NodeKind
    attempt: int
    input: Any
    due: float | None = None


@attrs.frozen(kw_only=True)
class Stepped:
    """What an instance did when its turn was there.

    Attributes:
        key: Its key, which says in which pass, item or call it stands.
        node_id: The node's id.
        kind: What it is.
        attempt: Which attempt it was.
        input: What it got; None where that is the engine's business alone.
        state: ``completed``; ``failed`` for good; ``handled``, if an edge on failure or always was taken then; or
            ``suspended``: it waits for somebody, for a time, or for its next attempt.
        output: What it gave.
        action: Its action.
        error: Why it has failed; of one that is suspended, why this attempt has.
        due: Of one that is suspended: when it goes on, seconds since the epoch; None if only a resume ends it.
        led_to: The ids of the nodes to which edges were taken.
        sets: The context values that it has set or deleted, by name; those that it deleted are None.
        context: The context values that stand after it, by name, as its scope sees them.
    """

    key: str
    node_id: str
    kind: NodeKind
    attempt: int
    input: Any
    state: Literal["completed", "failed", "handled", "suspended"]
    output: Any = None
    action: str | None = None
    error: NodeError | None = None
    due: float | None = None
    led_to: tuple[str, ...] = ()
    sets: dict[str, Any] = attrs.field(factory=dict)
    context: dict[str, Any] = attrs.field(factory=dict)

    def __str__(self) -> str:
        """On a line, for people."""
        what = "" if self.kind == "step" else f" ({self.kind})"
        line = f"{self.key}{what} {self.state}: {_shown(self.input)} -> {_shown(self.output)}"
        return line if self.error is None else f"{self.key}{what} {self.state}: {_shown(self.input)} -> {self.error}"


class SteppedRun(Run):
    """A run that stands still until it is asked for its next instance.

    Attributes:
        is_free: It goes on by itself.
    """

    is_free = False
    _is_asked = False
    _done: asyncio.Future[Stepped] | None = None

    # --- what holds it up -----------------------------------------------------------------------------------------

    def _start_worker(self) -> None:
        if self._is_asked or self.is_free:
            super()._start_worker()

    def _is_idle(self) -> bool:
        return (self._is_asked or self.is_free) and super()._is_idle()

    def _next_due(self) -> float | None:
        if self.is_free or (self._is_asked and next(self._open(), None) is None):
            return super()._next_due()
        return None  # what waits for a time has its turn once nothing else is ready

    def _next(self) -> tuple[Instance | None, Suspension | None]:
        if not (self._is_asked or self.is_free):
            return None, None
        found = super()._next()
        self._is_asked = self._is_asked and found[0] is None
        return found

    async def _has_places(self, instance: Instance, suspension: Suspension | None, attempt: Attempt) -> bool:
        has_places = await super()._has_places(instance, suspension, attempt)
        if not has_places and instance.vertex.index not in instance.scope.outcomes:
            self._is_asked = True  # it comes again
        return has_places

    def _record(self, instance: Instance, ended: Outcome | Suspension) -> None:
        super()._record(instance, ended)
        if isinstance(ended, Outcome):
            self._claim()  # so that joins are seen to be ready
            self._tell(instance, ended)

    def _suspend(self, instance: Instance, suspension: Suspension) -> None:
        super()._suspend(instance, suspension)
        if instance.key in self._suspended:
            self._tell(instance, suspension)

    def _tell(self, instance: Instance, ended: Outcome | Suspension) -> None:
        self._is_asked = False
        self._over()  # so that the status says it at once
        if self._done is not None and not self._done.done():
            self._done.set_result(self.stepped(instance, ended))

    # --- what is asked of it --------------------------------------------------------------------------------------

    def ask(self, name: str | None = None) -> asyncio.Future[Stepped]:
        """Let an instance have its turn.

        Args:
            name: Its key, or its node's id; also of one that waits for a time, as if that was there.

        Raises:
            ResumeError: It is not ready, or several are that are called so.
        """
        key = None if name is None else self._key_of(name)
        self._done = asyncio.get_running_loop().create_future()
        self._is_asked = True
        self._changed.set()
        if key is not None:
            self._put_first(key)
        return self._done

    def go_free(self) -> None:
        """Let all that is left have its turn."""
        self.is_free = True
        self._changed.set()

    def _open(self) -> Iterator[tuple[Instance, Suspension | None]]:
        """What can be run at once, in order."""
        for instance, suspension in [*self._again, *((each, None) for each in self._queue)]:
            if not instance.scope.is_unneeded(instance.vertex) and instance.vertex.index not in instance.scope.outcomes:
                yield instance, suspension

    def _in_time(self) -> Iterator[tuple[Instance, Suspension]]:
        for instance, suspension in self._suspended.values():
            is_again = any(each is instance for each, _ in self._again)
            if suspension.due is not None and not is_again and not instance.scope.is_unneeded(instance.vertex):
                yield instance, suspension

    def ready(self) -> list[Ready]:
        """What may have its turn next, in order; at last what waits for a time."""
        if self._over():
            return []
        found = [self._ready(instance, suspension) for instance, suspension in self._open()]
        later = sorted(self._in_time(), key=lambda each: each[1].due or 0.0)
        return found + [self._ready(instance, suspension, suspension.due) for instance, suspension in later]

    def _ready(self, instance: Instance, suspension: Suspension | None, due: float | None = None) -> Ready:
        attempt = 1 if suspension is None or suspension.kind != "retry" else suspension.next_attempt.number
        vertex = instance.vertex
        return Ready(instance.key, vertex.id, _kind_of(vertex), attempt, self._input(instance), due)

    def _key_of(self, name: str) -> str:
        ready = self.ready()
        keys = [each.key for each in ready if each.key == name] or [each.key for each in ready if each.node_id == name]
        if len(keys) != 1:
            why = f"several are: name one of them by its key: {', '.join(keys)}" if keys else _not_ready(ready)
            raise ResumeError(f"run {self.run_id!r}: node {name!r} cannot be the next one; {why}")
        return keys[0]

    def _put_first(self, key: str) -> None:
        first = next((each for each in self._open() if each[0].key == key), None)
        if first is None:
            waiting = len(self._again)
            self._time_is_up(*self._suspended[key])
            self._again.rotate(len(self._again) - waiting)
            return
        if first in self._again:
            self._again.remove(first)
        else:
            self._queue.remove(first[0])
        self._again.appendleft(first)

    # --- what is seen of it ---------------------------------------------------------------------------------------

    def stepped(self, instance: Instance, ended: Outcome | Suspension) -> Stepped:
        """What an instance did."""
        vertex = instance.vertex
        about: dict[str, Any] = {
            "key": instance.key,
            "node_id": vertex.id,
            "kind": _kind_of(vertex),
            "input": self._input(instance),
            "error": ended.error,
            "context": self.context_at(instance),
        }
        if isinstance(ended, Suspension):
            return Stepped(attempt=max(1, ended.attempt), state="suspended", due=ended.due, **about)
        return Stepped(
            attempt=ended.attempts,
            state=ended.state,
            output=self._copy(ended.output),
            action=ended.action,
            led_to=tuple(link.target_id for link in vertex.out if link.place in ended.taken),
            sets={name: self._copy(value) for name, value in (ended.sets or {}).items()},
            **about,
        )

    def context_at(self, instance: Instance) -> dict[str, Any]:
        """The context values that stand now, as an instance would see them."""
        values = instance.scope.namespace.values
        return {name: self._copy(value) for name, (_, value) in values.items() if value is not DELETED}

    def _input(self, instance: Instance) -> Any:
        if instance.vertex.kind is Kind.EXIT:
            return None
        try:
            return self._copy(decisions.input_of(*instance))
        except decisions.InputError:
            return None  # it fails for that when its turn comes

    def _copy(self, value: Any) -> Any:
        return None if value is DELETED else self.executor.serializer.copy(value)


class Stepping(Generic[OutT]):
    """A run that is gone through one node at a time, in the running event loop; made by ``FlowRuntime.stepping``.

    Use it as ``async with``, and go through it with ``async for``, or call ``step``. What is left at the end of the
    block is left: no step of it runs any more, nothing is undone. What runs side by side in other runs is one after the
    other here; so a step that waits for one beside it waits for ever.
    """

    def __init__(self, run: SteppedRun) -> None:
        self._run = run
        self._driver: asyncio.Future[RunResult] | None = None

    async def __aenter__(self) -> Self:
        """Begin the run; nothing of it runs yet."""
        self._driver = self._go_on()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the run as it is."""
        if self._driver is not None and not self._driver.done():
            self._driver.cancel()
            await asyncio.wait([self._driver])

    def __aiter__(self) -> Self:
        """The nodes whose turn is still to come; one may begin, and go on, as often as one likes."""
        return self

    async def __anext__(self) -> Stepped:
        """What the next one did."""
        stepped = await self.step()
        if stepped is None:
            raise StopAsyncIteration
        return stepped

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run.run_id

    @property
    def status(self) -> Status:
        """Where the run stands."""
        return self._run.status

    @property
    def ready(self) -> list[Ready]:
        """What may have its turn next, with the input that it gets: the first will have it, if none is chosen.

        At the end stands what waits for a time. It has its turn when its time is there and nothing else is ready, or at
        once if it is chosen.
        """
        return self._run.ready()

    @property
    def waiting(self) -> list[str]:
        """The keys of the waits that can be resumed now."""
        return self._run.waiting()

    @property
    def standing(self) -> RunResult[OutT]:
        """What the run has come to so far: outputs, context, errors, the trace, and ``state``, to go on from."""
        return self._run.result()

    async def step(self, node: str | None = None) -> Stepped | None:
        """Let one node have its turn.

        Args:
            node: Which: its key, or its id if only one instance of it is ready. What waits for a time goes on as if
                that were there: a sleep ends, a retry is made, a wait times out. Without it, the first that is ready.

        Returns:
            What it did; None if the run has ended, or only a resume can go on.

        Raises:
            ResumeError: The node is not ready.
        """
        driver = self._go_on()
        if driver.done():
            await driver
            return None
        done = self._run.ask(node)
        either: list[asyncio.Future[Any]] = [done, driver]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            await driver  # raises what the engine has failed with
            return None
        return done.result()

    def resume(self, node: str, *, output: Any = None, action: str | None = None) -> None:
        """End a wait with a result; the run can be gone on with.

        Args:
            node: The wait's key, or its node id if only one instance of it is open.
            output: The wait's output.
            action: The wait's action, which chooses its edges.

        Raises:
            ResumeError: There is no such open wait; the message says why.
            SerializationError: The output or the action cannot be stored.
        """
        self._run.resume(node, output, action)
        if self._driver is not None and self._driver.done():
            self._driver = None

    async def result(self) -> RunResult[OutT]:
        """Go on without stopping, until the run has ended or only a resume can go on."""
        driver = self._go_on()
        self._run.go_free()
        try:
            return await asyncio.shield(driver)
        finally:
            self._run.is_free = False

    def _go_on(self) -> asyncio.Future[RunResult]:
        if self._driver is None:
            self._driver = asyncio.ensure_future(self._run.drive())
        return self._driver


def _kind_of(vertex: Vertex) -> NodeKind:
    if vertex.kind is Kind.STEP:
        return "wait" if vertex.node.uses == WAIT else "sleep" if vertex.node.uses == SLEEP else "step"
    return "enter" if vertex.kind is Kind.ENTRY else "pass" if vertex.kind is Kind.VERDICT else "leave"


def _not_ready(ready: list[Ready]) -> str:
    return f"ready are: {', '.join(each.key for each in ready) or 'none'}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
