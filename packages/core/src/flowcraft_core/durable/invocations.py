"""Invocations, as of functions: of their programs' time there is so much left, and then they are ended."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import attrs

from ..errors import FlowcraftError
from ..graph.instances import Instance

# What is kept of an invocation's time for writing down what was done, seconds.
_RESERVE = 3.0

# How many invocations may have had too little time for a step's timeout before none is taken to have it.
_TRIED = 3


class InvocationTimeError(FlowcraftError):
    """The invocation that runs the step ends its programs before the step has ended."""


@attrs.frozen
class Invocation:
    """Where steps run.

    Attributes:
        remaining: The seconds that it leaves; no limit if there is none.
    """

    remaining: Callable[[], float] | None = None

    def has_time_for(self, instance: Instance) -> bool:
        """Whether enough time is left for a step: for its whole timeout, if it has one."""
        return self.remaining is None or self.remaining() >= may_take(instance) + _RESERVE

    def left(self) -> float:
        """The seconds that it leaves."""
        return math.inf if self.remaining is None else max(0.0, self.remaining())

    def timer(self) -> asyncio.Timeout:
        """Ends what is under way shortly before the invocation does."""
        return asyncio.timeout(None if self.remaining is None else max(0.0, self.remaining() - _RESERVE))


#: Where nothing ends steps.
ENDLESS = Invocation()


def may_take(instance: Instance) -> float:
    """The seconds that are to be there for an instance: no wait's timeout is, nor that of a batch's items."""
    vertex = instance.vertex
    return (vertex.timeout if vertex.is_called else None) or _RESERVE


def none_has_time(hops: int) -> bool:
    """Whether a step has been passed on so often that no invocation is taken to have the time for it."""
    return hops >= _TRIED


def too_long(instance: Instance) -> InvocationTimeError:
    """Says of a step that no invocation has the time for it."""
    return InvocationTimeError(
        f"node {instance.key!r} may take {may_take(instance):g} s, and none of {_TRIED + 1} invocations had that much "
        "time left: give the node a shorter timeout, or run it on a worker that does not end"
    )


def cut_off(instance: Instance) -> InvocationTimeError:
    """Says of a step that its invocation ended."""
    return InvocationTimeError(
        f"node {instance.key!r} was cut off: its invocation has no time left. Give the node a timeout that fits, "
        "or the invocation more time"
    )
