"""One client's connection to what is in memory: the place where every request happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import ParamSpec, TypeVar

from flowcraft_core.errors import BackendError

P = ParamSpec("P")
T = TypeVar("T")


class Connection:
    """What the four ports of one client share. Its identity is the client's."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Bind to the running event loop.

        Raises:
            BackendError: It is open already.
        """
        if self._loop is not None:
            raise BackendError("this InMemoryBackend is open already: use its connect() for another client")
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
            BackendError: The client is not open, or was opened in another event loop.
        """
        self.check_open()
        await asyncio.sleep(0)
        result = effect(*args, **kwargs)
        await asyncio.sleep(0)
        return result


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in order, in as few requests as hold ``size`` of them each."""
    return (items[start : start + size] for start in range(0, len(items), size))


def check(holds: bool, problem: str) -> None:
    """Refuse a call that the port's contract does not allow.

    Raises:
        ValueError: It does not hold; the message is the problem.
    """
    if not holds:
        raise ValueError(problem)
