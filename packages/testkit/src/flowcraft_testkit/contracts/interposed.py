"""A backend between a program and the real one: each call can be watched, doubled, put off, or go wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

from flowcraft_core.durable import diagnose
from flowcraft_core.ports import Backend, Finding, Joined, Message, NamedQueues, Transactional

#: A call that is about to be made, with its arguments.
Call: TypeAlias = "partial[Awaitable[Any]]"
#: Makes a call, or does not: gets its name, such as ``context.put``, and the call.
Around: TypeAlias = Callable[[str, Call], Awaitable[Any]]


async def simply(operation: str, call: Call) -> Any:
    """Make the call."""
    return await call()


def noting(sent: list[str]) -> Around:
    """Make each call; the bodies of the messages that are sent are added to a list."""

    async def around(operation: str, call: Call) -> Any:
        if operation == "queue.send":
            sent.extend(message.body for message in call.args[0])
        return await call()

    return around


class Interposed:
    """A ``Backend`` each call of which goes through ``around``; opened and closed with the real one.

    Attributes:
        inner: The real one.
    """

    def __init__(self, backend: Backend, around: Around, *, starts: bool = True) -> None:
        """Stand before a backend.

        Args:
            backend: The real one.
            around: What each call goes through.
            starts: It has the power to start a run by one request, if the real one has; else by three calls.
        """
        self.inner: Any = backend
        self.queue: Any = _Port(backend.queue, "queue", around)
        self.context: Any = _Port(backend.context, "context", around)
        self.status: Any = _Port(backend.status, "status", around)
        self.coordination: Any = _Port(backend.coordination, "coordination", around)
        named = getattr(backend, "queues", None)
        self.queues: Any = None if named is None else _NamedQueues(named, around)
        by_one = getattr(backend, "starts", None) if starts else None
        self.starts: Any = None if by_one is None else _Port(by_one, "starts", around)
        by_hand = getattr(backend, "by_hand", None)
        self.by_hand: Any = None if by_hand is None else _Port(by_hand, "by_hand", around)
        power = getattr(backend, "transactional", None)
        self.transactional: Any = None if power is None else _Transactional(power, around)

    async def open(self) -> None:
        """Open the real one."""
        await self.inner.open()

    async def close(self) -> None:
        """Close the real one."""
        await self.inner.close()

    async def diagnose(self) -> Sequence[Finding]:
        """Ask the real one."""
        return await diagnose(self.inner)


class _Port:
    def __init__(self, port: Any, name: str, around: Around) -> None:
        self._port, self._name, self._around = port, name, around
        self.limits = getattr(port, "limits", None)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._port, name)
        operation = f"{self._name}.{name}"

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._around(operation, partial(method, *args, **kwargs))

        return call


class _NamedQueues:
    """A ``NamedQueues`` each call on whose queues goes through ``around``, under the names of the default one's."""

    def __init__(self, queues: NamedQueues, around: Around) -> None:
        self._queues, self._around = queues, around
        self.names: Any = _Port(queues, "queues", around).names
        self._made: dict[str, Any] = {}

    def named(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _Port(self._queues.named(name), "queue", self._around)
        return self._made[name]


class _Transactional:
    """A ``Transactional`` each statement of which goes through ``around``, its transactions' ends too."""

    def __init__(self, power: Transactional, around: Around) -> None:
        self._power, self._around = power, around

    def joined(self, connection: Any) -> _Joined:
        return _Joined(self._power.joined(connection), self._around)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        # Who dies on the way lets go of the connection: the real block ends, by the error.
        async with AsyncExitStack() as block:
            enter: Any = block.enter_async_context
            leave: Any = block.aclose
            connection = await self._around("transactional.begin", partial(enter, self._power.begin()))
            yield connection
            await self._around("transactional.end", partial(leave))


class _Joined:
    def __init__(self, joined: Joined, around: Around) -> None:
        self.context: Any = _Port(joined.context, "joined.context", around)
        self.status: Any = _Port(joined.status, "joined.status", around)
        self._send: Any = joined.send
        self._around = around

    async def send(self, messages: Sequence[Message], **options: Any) -> None:
        await self._around("joined.send", partial(self._send, messages, **options))
