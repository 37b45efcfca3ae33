"""Why an instance failed, as it can be stored and told, whatever was raised."""

from __future__ import annotations

import asyncio
import traceback

from .errors import StepEndedError
from .graph.facts import NodeError
from .graph.instances import Instance
from .texts import safe_text

# What is kept of an error, characters. A record holds a few of them, and a status the messages of some.
_LONGEST_NAME = 200
_LONGEST_MESSAGE = 4_000
_LONGEST_TRACEBACK = 16_000


def node_error(error: BaseException, instance: Instance, number: int) -> NodeError:
    """What is kept of the failure of an instance. Never raises.

    Args:
        error: What was raised; what merely carries an exit or an interrupt out of a step is looked through.
        instance: What failed.
        number: The attempt that failed: 1, 2, ...
    """
    if isinstance(error, StepEndedError) and error.__cause__ is not None:
        error = error.__cause__  # which it only carries
    return NodeError(
        key=instance.key,
        node_id=instance.vertex.id,
        type=name_of(error),
        message=text_of(error),
        attempts=number,
        traceback=_traceback_of(error),
    )


def name_of(error: BaseException) -> str:
    """The name of an error's class, in text that can be stored."""
    return safe_text(type.__dict__["__name__"].__get__(type(error)), _LONGEST_NAME)


def text_of(error: BaseException) -> str:
    """The text of an error, in text that can be stored; also of one that cannot tell its own."""
    try:
        text = safe_text(str(error), _LONGEST_MESSAGE)
    except BaseException as second:  # whatever its class raises: it is the first error that counts
        return f"(it has no text: its class raised {name_of(second)})"
    if not text and isinstance(error, asyncio.CancelledError):
        return "the step cancelled itself, or what it awaited was cancelled"
    return text


def reason_of(error: BaseException) -> str:
    """What an error says; its class where it says nothing."""
    return text_of(error) or name_of(error)


def _traceback_of(error: BaseException) -> str:
    try:
        return safe_text("".join(traceback.format_exception(error)), _LONGEST_TRACEBACK)
    except BaseException as second:  # as above
        return f"(it has no traceback: formatting it raised {name_of(second)})"
