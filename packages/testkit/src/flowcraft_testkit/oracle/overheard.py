"""Listens to what the programs log: an exception of the engine's own is a fault, whatever became of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Callable, Iterator

from flowcraft_core.durable.engine import PoisonError
from flowcraft_core.errors import FlowcraftError

from .script import ScriptedError

# What happens to those who use a store, or is in the script: theirs to say, and no fault. Any other error is one, also
# where it is told as a step's.
_EXPECTED = (FlowcraftError, ScriptedError, PoisonError, asyncio.CancelledError)


class _Listener(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, _EXPECTED):
            trace = traceback.extract_tb(error.__traceback__)
            where = trace[-1].name if trace else "what was never raised"
            self._tell(f"{type(error).__name__}: {error} in {where}: {record.getMessage()}")


@contextlib.contextmanager
def overheard(tell: Callable[[str], None]) -> Iterator[None]:
    """Keep what is logged to itself, and tell of each error in it that is no expected one."""
    logger = logging.getLogger("flowcraft")
    before = logger.handlers[:], logger.propagate, logger.level
    logger.handlers[:], logger.propagate = [_Listener(tell)], False
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.handlers[:], logger.propagate = before[0], before[1]
        logger.setLevel(before[2])
