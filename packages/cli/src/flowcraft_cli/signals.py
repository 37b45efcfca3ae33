"""Signals of a worker: the first lets it finish what is under way, the second ends it at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

from .logs import SAID

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def stopping(stop: Callable[[], None], grace: float, *, says: bool = True) -> Iterator[None]:
    """Within the block, the first SIGTERM or SIGINT calls a function in the running event loop; the second ends all.

    Args:
        stop: What lets go.
        grace: How long that may take, seconds; for the words.
        says: Whether that is said: whoever looks after several processes says it once, for all.
    """
    loop, asked = asyncio.get_running_loop(), False

    def take(number: int) -> None:
        nonlocal asked
        if asked:
            SAID.warning("ended at once; others do again what was under way", extra={"event": "workers_ended"})
            os._exit(128 + number)
        asked = True
        if says:
            said = "stopping: steps under way have %g s; once more ends at once"
            SAID.info(said, grace, extra={"event": "workers_stopping"})
        stop()

    with contextlib.ExitStack() as undone:
        for number in _SIGNALS:
            try:
                loop.add_signal_handler(number, take, number)
                undone.callback(loop.remove_signal_handler, number)
            except NotImplementedError:  # on Windows the interpreter tells of them
                before = signal.signal(number, lambda n, _: _later(loop, take, n))
                undone.callback(signal.signal, number, before or signal.SIG_DFL)
        yield


def _later(loop: asyncio.AbstractEventLoop, take: Callable[[int], None], number: int) -> None:
    loop.call_soon_threadsafe(take, number)


def stop_when_alone(stop: Callable[[], None]) -> None:
    """Stop when standard input ends: whoever has started this process, and looks after it, holds its other end."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(stop)

    threading.Thread(target=read, name="flowcraft-alone", daemon=True).start()
