"""What telemetry itself raises is logged, now and then, and changes nothing in a run."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from ..logging.catalogue import TELEMETRY_FAILED
from ..logging.journal import Journal, Rarely

S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")

_rarely = Rarely()


def guarded(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T | None]:
    """A method that gives None where it would raise: samplers, processors and exporters are the user's."""

    @functools.wraps(method)
    def safely(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            failed(method.__name__, error)
            return None

    return safely


def failed(operation: str, error: Exception) -> None:
    """Say that telemetry has failed, now and then."""
    if times := _rarely.times(operation, time.time()):
        Journal().tell(TELEMETRY_FAILED, error, operation=operation, times=times)
