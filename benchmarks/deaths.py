"""The death of a worker that is in one process with who goes on in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from flowcraft_testkit.memory.connection import Connection

P = ParamSpec("P")
T = TypeVar("T")


class Mortal(Connection):
    """A way to a store in memory, on which no request is made any more once its user is dead.

    Attributes:
        is_dead: The user is.
    """

    def __init__(self) -> None:
        """Of somebody who lives."""
        super().__init__()
        self.is_dead = False

    async def request(self, effect: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Connection.request``."""
        if self.is_dead:
            await asyncio.Event().wait()  # it is never answered
        return await super().request(effect, *args, **kwargs)

    async def kill(self, user: asyncio.Future[Any]) -> None:
        """End a user where it is.

        A worker that is cancelled gives back what it holds, which one that is killed cannot: what it asks for on its
        way out hangs, and is cut off.

        Args:
            user: Its task.
        """
        self.is_dead = True
        while not user.done():
            user.cancel()
            await asyncio.wait([user], timeout=0.05)
        await asyncio.gather(user, return_exceptions=True)
