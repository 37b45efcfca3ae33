"""What receives take from a queue, and nobody waits for any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from .errors import BackendError
from .ports import Delivery


class Receives:
    """For adapters: lets a receive end at once when it is cancelled, and gives back what it takes all the same.

    A request that is under way cannot be called back: what it brings is hidden from every receiver, and whoever asked
    for it has gone. Without this those messages would wait until their visibility ends.
    """

    def __init__(self) -> None:
        """Nothing is under way yet."""
        self._given_up: set[asyncio.Task[None]] = set()

    async def take(
        self,
        taking: Awaitable[Sequence[Delivery]],
        give_back: Callable[[Sequence[Delivery]], Awaitable[object]],
    ) -> Sequence[Delivery]:
        """Wait for what is taken.

        Args:
            taking: The request; it goes on if the caller is cancelled.
            give_back: Makes messages visible again at once, as ``JobQueue.release`` does. It is called with what has
                been taken, in the background, if the caller was cancelled. If it fails, or the request does, the
                visibility of the messages ends by itself; what is no ``BackendError`` is logged.
        """
        asked = asyncio.ensure_future(taking)
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            undoing = asyncio.ensure_future(_undo(asked, give_back))
            self._given_up.add(undoing)
            undoing.add_done_callback(self._given_up.discard)
            raise

    async def end(self, within: float | None = None) -> None:
        """Wait until what was given up has been given back; a backend that closes does.

        Args:
            within: How long to wait at most, seconds; None for as long as it takes.
        """
        if self._given_up:
            await asyncio.wait(self._given_up, timeout=within)


async def _undo(
    asked: asyncio.Future[Sequence[Delivery]], give_back: Callable[[Sequence[Delivery]], Awaitable[object]]
) -> None:
    try:
        if taken := await asked:
            await give_back(taken)
    except BackendError:
        pass
    except Exception as error:  # nobody waits for it any more, to whom it could be raised
        from .logging.catalogue import UNAVAILABLE  # noqa: PLC0415 # what logs knows of graphs, and adapters do not
        from .logging.journal import Journal  # noqa: PLC0415

        Journal().tell(UNAVAILABLE, error, operation="queue.release", times=1)
