"""One client's connection to what is in memory: the place where every request happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import ParamSpec, TypeVar

from flowcraft_core.errors import BackendError, TransientError

P = ParamSpec("P")
T = TypeVar("T")


class Line:
    """The way to what is in memory, for all clients.

    Attributes:
        is_up: Whether the store can be reached.
        refuses: Whether it refuses every request for good.
    """

    def __init__(self) -> None:
        self.is_up = True
        self.refuses = False
        self._cuts = 0

    def cut(self) -> None:
        """Break off every request that is under way."""
        self._cuts += 1

    def begin(self) -> int:
        """What ``check`` needs to know of the time at which a request began."""
        return self._cuts

    def check(self, begun: int) -> None:
        """Whether a request that has begun then gets on.

        Raises:
            TransientError: It does not; the next one may.
            BackendError: None does.
        """
        if self.refuses:
            raise BackendError("this InMemoryBackend was told to refuse everything")
        if not self.is_up:
            raise TransientError("this InMemoryBackend was taken down: bring_up() has it answer again")
        if begun != self._cuts:
            raise TransientError("the connection was cut under the request")


class Connection:
    """What the four ports of one client share. Its identity is the client's.

    Attributes:
        line: The way to the store; the backend puts the one in its place that all clients share.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self.line = Line()

    def open(self) -> None:
        """Bind to the running event loop.

        Raises:
            BackendError: It is open already, or the store refuses everything.
            TransientError: The store cannot be reached.
        """
        if self._loop is not None:
            raise BackendError("this InMemoryBackend is open already: use its connect() for another client")
        self.line.check(self.line.begin())
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Let go of the loop; closing twice does no harm."""
        self._loop = None

    def check_open(self) -> None:
        """Refuse to work for a client that is not open.

        Raises:
            BackendError: The client is not open, or was opened in another event loop.
        """
        if self._loop is None:
            raise BackendError("this InMemoryBackend is not open: call its open() in the event loop that uses it")
        if self._loop is not asyncio.get_running_loop():
            raise BackendError("this InMemoryBackend was opened in another event loop: give each loop its own client")

    async def request(self, effect: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Have one effect on the store, with a way there and a way back on which others have theirs.

        A caller that is cancelled on the way there did nothing; on the way back, it did it and does not know.

        Args:
            effect: What the request does; it runs at once and as a whole, as a request to one key of a server does.
            args: What it takes.
            kwargs: What it takes by name.

        Raises:
            BackendError: The client is not open, or was opened in another event loop; or the store refuses everything.
            TransientError: The store cannot be reached, or the connection was cut: before the effect, or after it.
        """
        self.check_open()
        begun = self.line.begin()
        await asyncio.sleep(0)
        self.line.check(begun)
        result = effect(*args, **kwargs)
        await asyncio.sleep(0)
        self.line.check(begun)
        return result

    async def take(
        self, effect: Callable[P, T], give_back: Callable[[T], object], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Have an effect by which something becomes the caller's; one who is cancelled on the way back gives it back.

        Args:
            effect: As for ``request``.
            give_back: Takes back what the effect has given.
            args: What the effect takes.
            kwargs: What it takes by name.

        Raises:
            BackendError: As by ``request``.
            TransientError: Likewise.
        """
        given: list[T] = []

        def noted(*args: P.args, **kwargs: P.kwargs) -> T:
            given.append(result := effect(*args, **kwargs))
            return result

        try:
            return await self.request(noted, *args, **kwargs)
        except asyncio.CancelledError:
            for each in given:
                give_back(each)
            raise


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in order, in as few requests as hold ``size`` of them each."""
    return (items[start : start + size] for start in range(0, len(items), size))


def check_text(*texts: str | None) -> None:
    """Refuse what is no text: half of a surrogate pair.

    Raises:
        ValueError: The message shows it.
    """
    for text in texts:
        if text is None or text.isascii():
            continue
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{text!a:.100} is no text: {error.reason} at {error.start}") from None


def check(holds: bool, problem: str) -> None:
    """Refuse a call that the port's contract does not allow.

    Raises:
        ValueError: It does not hold; the message is the problem.
    """
    if not holds:
        raise ValueError(problem)
