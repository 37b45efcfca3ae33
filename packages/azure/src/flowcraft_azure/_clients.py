"""SDK clients that were given, or that a factory makes, each used in one event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Generic, TypeVar

import attrs
from flowcraft_core.errors import BackendError, ConfigurationError

ClientT = TypeVar("ClientT")


@attrs.frozen
class ClientKind:
    """What a client must be like: the SDKs have classes of one name, one import apart, for code that is not async.

    Attributes:
        module: Where such clients come from.
        methods: What they have and others have not. What has them may be of any class: a wrapper is welcome.
    """

    module: str
    methods: tuple[str, ...]

    def require(self, name: str, client: object) -> None:
        """Refuse a client of another kind.

        Args:
            name: What it was given as.
            client: What was given.

        Raises:
            ConfigurationError: It is of another kind.
        """
        if not all(hasattr(client, method) for method in self.methods):
            raise ConfigurationError(
                f"{name} is {_called(type(client))}: give a client of {self.module}, or a function that makes one"
            )


def _called(kind: type) -> str:
    """A class as users import it."""
    public = [part for part in kind.__module__.split(".") if not part.startswith("_")]
    return ".".join([*public, kind.__qualname__])


class Connection(Generic[ClientT]):
    """A client, for the event loop in which it is opened, shared by all that open it there.

    A factory's client is opened and closed with the connection. So is a client that was given unopened, once: an SDK's
    client cannot be opened again. One that was given open is used as it is, and left open.
    """

    def __init__(
        self,
        name: str,
        given: ClientT | Callable[[], ClientT],
        *,
        open_client: Callable[[ClientT], Awaitable[Any]],
        close_client: Callable[[ClientT], Awaitable[Any]],
        kind: ClientKind | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            name: What the client was given as, for messages.
            given: The client, or a function without arguments that makes one.
            open_client: Opens a client.
            close_client: Closes it.
            kind: What it must be like; anything, by default.

        Raises:
            ConfigurationError: What was given is a client of another kind.
        """
        self._kind = kind
        if kind is not None and not callable(given):
            kind.require(name, given)
        self._name = name
        self._given = given
        self._open_client = open_client
        self._close_client = close_client
        self._client: ClientT | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Lock = asyncio.Lock()
        self._users = 0
        self._is_own = False
        self._is_used_up = False

    @property
    def client(self) -> ClientT:
        """The open client.

        Raises:
            BackendError: It is not open, or not open in this event loop.
        """
        if self._client is None:
            raise BackendError(f"{self._name} is not open: await backend.open() first")
        self._require_home()
        return self._client

    async def open(self) -> None:
        """Make the client if need be, and open it; each call needs a ``close``.

        Raises:
            BackendError: It is open in another event loop.
            ConfigurationError: It was given as a client, and has been closed.
        """
        if self._loop is None:
            self._loop, self._opening = asyncio.get_running_loop(), asyncio.Lock()
        self._require_home()
        async with self._opening:  # whoever comes meanwhile waits until it is open
            if self._client is None:
                self._client = await self._opened()
            self._users += 1

    async def _opened(self) -> ClientT:
        self._loop = asyncio.get_running_loop()
        try:
            if self._is_used_up:
                raise ConfigurationError(
                    f"{self._name} has been closed, and cannot be opened again: give {self._name} as a function that "
                    "makes a client"
                )
            # SDK clients cannot be called; a class or function that makes one can.
            client = self._made() if callable(self._given) else self._given
            self._is_own = not is_open(client)
            if self._is_own:
                try:
                    await self._open_client(client)
                except BaseException:
                    await self._close_own(client)
                    raise
        except BaseException:
            self._loop = None
            raise
        return client

    def _made(self) -> ClientT:
        assert callable(self._given)
        try:
            client: ClientT = self._given()
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(
                f"the function that was given as {self._name} makes no client: {type(error).__name__}: {error}"
            ) from error
        if self._kind is not None:
            self._kind.require(self._name, client)
        return client

    async def close(self) -> None:
        """Let go of the client; the last of those who opened it closes it."""
        if self._users:
            self._require_home()
            self._users -= 1
        if self._users or self._client is None:
            return
        client, self._client, self._loop = self._client, None, None
        if self._is_own:
            await self._close_own(client)

    async def leave(self) -> None:
        """Let go of the client as ``close`` does, but leave one open that could not be opened again."""
        if self._users == 1 and self._is_own and not callable(self._given):
            self._require_home()
            self._users = 0
        else:
            await self.close()

    async def _close_own(self, client: ClientT) -> None:
        self._is_used_up = not callable(self._given)
        await self._close_client(client)

    def _require_home(self) -> None:
        if self._loop is not asyncio.get_running_loop():
            raise BackendError(
                f"{self._name} is open in another event loop: give {self._name} as a function that "
                "makes a client, and open a backend in each loop"
            )


def is_open(client: object) -> bool:
    """Whether an SDK client has connections already, which belong to the event loop that made them."""
    return any(
        _attribute(client, path)
        for path in (
            "_pipeline._transport.session",  # Queue Storage
            "client_connection.pipeline_client._pipeline._transport.session",  # Cosmos DB
        )
    ) or any(connection.is_connected for connection in _redis_connections(client))


def _redis_connections(client: object) -> Iterator[Any]:
    """Those of a client of Redis, connected or not: they stay when it is closed."""
    pool = _attribute(client, "connection_pool")
    yield from _attribute(pool, "_available_connections") or ()
    yield from _attribute(pool, "_in_use_connections") or ()
    for node in (_attribute(client, "nodes_manager.nodes_cache") or {}).values():  # of a cluster
        yield from node._connections


def _attribute(found: Any, path: str) -> Any:
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def require_unopened(**given: object) -> None:
    """Refuse clients that a thread of its own could not use, by the names of the arguments.

    Raises:
        ConfigurationError: One of them has connections in another event loop.
    """
    for name, value in given.items():
        if not callable(value) and is_open(value):
            raise ConfigurationError(
                f"{name} is open in another event loop, and start() works in one of its own: give {name} unopened, "
                f"or give a function that makes one; with open clients, await adapter.serve()"
            )
