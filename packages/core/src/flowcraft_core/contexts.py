"""What a step is given: its input, the run's context values, and what it can ask about its own attempt."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar

from .blueprint import WAIT
from .durations import Duration, parse_seconds
from .errors import ConfigurationError, RunCancelledError
from .graph.facts import DELETED, NodeError
from .graph.instances import Instance, ScopeState
from .serialization import Serializer
from .texts import require_name, safe_text

if TYPE_CHECKING:
    from .webhooks import Links

InputT = TypeVar("InputT", default=Any)
DependenciesT = TypeVar("DependenciesT", default=Any)

_logger = logging.getLogger("flowcraft.step")

# How much of what a step says of its progress is kept, characters.
_LONGEST_MESSAGE = 200


class Values:
    """The context values as one attempt sees them: what was applied before, and what the attempt set itself.

    Each value is copied on its way in and out, so that nothing is shared between steps.
    """

    __slots__ = ("_scope", "_serializer", "sets")

    def __init__(self, scope: ScopeState, serializer: Serializer) -> None:
        self._scope = scope
        self._serializer = serializer
        self.sets: dict[str, Any] = {}

    def find(self, name: str) -> Any:
        """The value, or ``DELETED`` if there is none."""
        if name in self.sets:
            return self._serializer.copy(self.sets[name]) if self.sets[name] is not DELETED else DELETED
        entry = self._scope.namespace.values.get(name)
        if entry is None or entry[1] is DELETED:
            return DELETED
        return self._serializer.copy(entry[1])

    def copy(self, value: Any) -> Any:
        """A copy of a value that the attempt may change."""
        return self._serializer.copy(value)

    async def fetch(self, name: str) -> Any:
        """``find`` for values that may have to be read from somewhere first."""
        return self.find(name)

    def put(self, name: str, value: Any) -> None:
        """Keep a value back until the attempt's outcome is committed."""
        self.sets[_checked(name)] = self._serializer.copy(value)

    def remove(self, name: str) -> None:
        """Keep the removal of a value back, likewise."""
        self.sets[_checked(name)] = DELETED


def _checked(name: str) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"a context value's name is a string that is not empty, not {name!r:.80}")
    return require_name(name, "the name of a context value")


class ContextValues:
    """The run's shared context, for ``async def`` steps.

    What a step sets is seen by itself at once, and by others once the step's outcome stands.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Values) -> None:
        self._values = values

    async def get(self, name: str, default: Any = None) -> Any:
        """A copy of the value of that name, or ``default``."""
        value = await self._values.fetch(name)
        return default if value is DELETED else value

    async def set(self, name: str, value: Any) -> None:
        """Set a value.

        Raises:
            SerializationError: The value, or its name, cannot be stored.
        """
        self._values.put(name, value)

    async def has(self, name: str) -> bool:
        """Whether there is a value of that name."""
        return await self._values.fetch(name) is not DELETED

    async def delete(self, name: str) -> None:
        """Remove a value; nothing happens if there is none."""
        self._values.remove(name)


class SyncContextValues:
    """The run's shared context, for plain ``def`` steps; see ``ContextValues``."""

    __slots__ = ("_values",)

    def __init__(self, values: Values) -> None:
        self._values = values

    def get(self, name: str, default: Any = None) -> Any:
        """A copy of the value of that name, or ``default``."""
        value = self._values.find(name)
        return default if value is DELETED else value

    def set(self, name: str, value: Any) -> None:
        """Set a value.

        Raises:
            SerializationError: The value, or its name, cannot be stored.
        """
        self._values.put(name, value)

    def has(self, name: str) -> bool:
        """Whether there is a value of that name."""
        return self._values.find(name) is not DELETED

    def delete(self, name: str) -> None:
        """Remove a value; nothing happens if there is none."""
        self._values.remove(name)


#: Ends the idempotency key of an undo.
UNDO = ":undo"


class BaseContext(Generic[InputT, DependenciesT]):
    """What both kinds of steps are given.

    Attributes:
        run_id: The run.
        attempt: Which attempt this is: 1, 2, ...
        deferrals: How often the step has raised a ``RetryAfter`` here that did not count.
        input: What the taken edge, the join or ``inputs`` gives; a copy that the step may change.
        params: The node's static parameters, from the blueprint.
        dependencies: What the runtime was given for all steps.
        error: In a fallback: why the node that it stands in for has failed. Else None.
        output: In an undo: what the step gave that it takes back; None where that was cut off. Else None.
    """

    __slots__ = (
        "_cancelled", "_connection", "_instance", "_is_telling", "_keyed_by", "_links", "_role", "_said", "_since",
        "_tells", "_told_at", "_values", "attempt", "deferrals", "dependencies", "error", "input", "output", "params",
        "run_id",
    )  # fmt: skip

    def __init__(
        self,
        run_id: str,
        instance: Instance,
        attempt: int,
        input: InputT,  # noqa: A002 - the name that steps read
        params: Mapping[str, Any],
        dependencies: DependenciesT,
        values: Values,
        role: str = "",
        error: NodeError | None = None,
        deferrals: int = 0,
    ) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self.input = input
        self.params = params
        self.dependencies = dependencies
        self.error = error
        self.deferrals = deferrals
        self.output: Any = None
        self._role = role
        self._instance = instance
        self._values = values
        self._cancelled = False
        self._keyed_by = run_id
        self._connection: Callable[[str], Awaitable[Any]] | None = None
        self._since = 0.0
        self._links: Links | None = None
        self._said: tuple[float | None, str | None] | None = None
        self._tells: Callable[[BaseContext[Any, Any]], object] | None = None
        self._is_telling, self._told_at = False, 0.0

    @property
    def node_id(self) -> str:
        """The node's id in its blueprint."""
        return self._instance.vertex.id

    @property
    def key(self) -> str:
        """The instance's key: the node's id with the passes, items and calls around it, as in ``pages[17].ocr``."""
        return self._instance.key

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt and redelivery of this instance, and for no other: hand it to other services.

        A fallback and an undo do something else than the step: they have keys of their own. In a fork, an instance that
        did not complete in the run before has the key that it had there.
        """
        return f"{self._keyed_by}:{self._instance.identity}{self._role}"

    @property
    def cancelled(self) -> bool:
        """Whether the result is of no use any more: the run was cancelled or failed, time is up, or a race is lost."""
        is_lost = self._role != UNDO and self._instance.scope.is_unneeded(self._instance.vertex)
        return self._cancelled or is_lost

    def raise_if_cancelled(self) -> None:
        """Leave the step if its result is of no use any more.

        Raises:
            RunCancelledError: It is not.
        """
        if self.cancelled:
            raise RunCancelledError(f"run {self.run_id!r}: node {self.key!r} need not go on")

    def progress(self, fraction: float | None = None, message: str | None = None) -> None:
        """Say how far a long step is, for people: ``Client.describe`` shows it, and it is an event of the runtime.

        It costs no request of its own and may be called as often as one likes: what was said last is told now and
        then, and of a short step nothing at all.

        Args:
            fraction: From 0 to 1; what is beyond is cut.
            message: In a few words; of more than 200 characters the first are kept.

        Raises:
            TypeError: One of them is none of that.
        """
        if fraction is not None:
            if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or math.isnan(fraction):
                raise TypeError(f"ctx.progress: fraction is a number from 0 to 1, not {fraction!r:.80}")
            fraction = min(1.0, max(0.0, float(fraction)))
        if message is not None:
            if not isinstance(message, str):
                raise TypeError(f"ctx.progress: message is text, not {message!r:.80}")
            message = safe_text(message, _LONGEST_MESSAGE)
        self._said = fraction, message
        if self._tells is not None and not self._is_telling:
            self._is_telling = True
            self._tells(self)

    def webhook_url(self, *, wait: str, action: str | None = None, expires: Duration = "7d") -> str:
        """A link that ends a wait of this run, for somebody who is to answer: see ``flowcraft_core.webhooks``.

        Whoever holds it can do that and nothing else, until it expires or the wait has ended. Hand it on as you would a
        password.

        Args:
            wait: The id of the wait, a node of the flow that this step stands in or, in a pass, an item or a call, of
                one around it.
            action: What the wait is to end with: give a link for each choice.
            expires: For how long it is good: seconds, a ``timedelta``, or text such as ``"2d"``.

        Raises:
            ConfigurationError: The runtime has no ``webhooks``, or there is no such wait.
        """
        if self._links is None:
            raise ConfigurationError(
                f"node {self.key!r} asks for a webhook_url: make the FlowRuntime with webhooks=WebhookSigner(...)"
            )
        seconds = parse_seconds("ctx.webhook_url: expires", expires)
        if action is not None:
            require_name(action, "ctx.webhook_url: the action")
        key = _wait_around(self._instance.scope, wait)
        if key is None:
            raise ConfigurationError(
                f"node {self.key!r}: there is no wait {wait!r:.80} beside it or around it that a link could end"
            )
        from .webhooks import Ticket  # noqa: PLC0415 - only who makes links needs what they are signed with

        links = self._links
        return links.signer.link(
            Ticket(run_id=self.run_id, nonce=links.nonce, key=key, action=action, expires=links.now() + seconds)
        )

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """Writes to ``flowcraft.step`` with the run, the instance and the attempt in each record's ``extra``."""
        extra = {"run_id": self.run_id, "node_id": self.node_id, "instance": self.key, "attempt": self.attempt}
        return _StepLogger(_logger, extra)


def _wait_around(scope: ScopeState | None, node_id: str) -> str | None:
    """The key of a wait in a scope, or in the nearest one around it that has a wait of that id."""
    while scope is not None:
        for vertex in scope.scope.vertices:
            if vertex.id == node_id and vertex.node.uses == WAIT:
                return scope.key(vertex)
        scope = scope.parent
    return None


class _StepLogger(logging.LoggerAdapter[logging.Logger]):
    """Adds the step's own ``extra`` to what the engine says of it, where the standard adapter would drop it."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


class NodeContext(BaseContext[InputT, DependenciesT]):
    """What an ``async def`` step is given."""

    __slots__ = ()

    @property
    def context(self) -> ContextValues:
        """The run's shared context."""
        return ContextValues(self._values)

    async def connection(self) -> Any:
        """A connection to the backend's database, in a transaction that commits together with the step's outcome.

        What the step writes by it is there exactly once, with its outcome, or neither is: also where the step is
        executed twice. A failed attempt, and one that loses to another, leave nothing. It is the same connection each
        time, for this attempt only; the step neither commits nor closes it.

        Raises:
            ConfigurationError: The runs are on a backend without such transactions, or in one process.
            TransientError: None can be begun just now. Whatever the step makes of it, it is executed again.
        """
        if self._connection is None:
            raise ConfigurationError(
                f"node {self.key!r}: ctx.connection: a run in one process has no database; only durable runs have, on "
                "backends with transactions"
            )
        return await self._connection(self.key)

    async def heartbeat(self) -> None:
        """Say that a long step is alive; raises where going on is of no use.

        Raises:
            RunCancelledError: The run was cancelled or failed, or time is up.
        """
        self.raise_if_cancelled()


class SyncNodeContext(BaseContext[InputT, DependenciesT]):
    """What a plain ``def`` step is given."""

    __slots__ = ()

    @property
    def context(self) -> SyncContextValues:
        """The run's shared context."""
        return SyncContextValues(self._values)

    def heartbeat(self) -> None:
        """Say that a long step is alive; raises where going on is of no use.

        Raises:
            RunCancelledError: The run was cancelled or failed, or time is up.
        """
        self.raise_if_cancelled()
