"""Signals that stop a program, on any event loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from ..errors import ConfigurationError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Within the block, SIGTERM and SIGINT call a function in the running event loop.

    Where the loop cannot tell of signals, as on Windows, the interpreter does.

    Raises:
        ConfigurationError: This is not the main thread, which alone gets signals.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError("handle_signals works in the main thread only: elsewhere, call the worker's stop()")
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as undone:
        for number in _SIGNALS:
            try:
                loop.add_signal_handler(number, stop)
            except NotImplementedError:
                before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
                # None: it was not set from Python, and could not be set again.
                undone.callback(signal.signal, number, signal.SIG_DFL if before is None else before)
            else:
                undone.callback(loop.remove_signal_handler, number)
        yield
