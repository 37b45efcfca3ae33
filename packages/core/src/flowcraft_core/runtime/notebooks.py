"""What is otherwise where a run is awaited in the cell of a notebook."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

# How long an interrupt may go unnoticed, seconds.
_LOOKS_UP = 0.2


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    there = sys.modules.get("IPython")
    shell = None if there is None else there.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


@contextlib.asynccontextmanager
async def interruptible() -> AsyncIterator[None]:
    """Let an interrupt end what is awaited within the block.

    A kernel notes an interrupt in its event loop and does not wake it: so the loop is to look up now and then.
    """
    if not in_notebook():
        yield
        return
    looking_up = asyncio.ensure_future(_look_up())
    try:
        yield
    finally:
        looking_up.cancel()


async def _look_up() -> None:
    while True:  # noqa: ASYNC110 # there is nothing to wait for: the point is to be woken
        await asyncio.sleep(_LOOKS_UP)
