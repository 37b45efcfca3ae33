"""How a command ends: its exit code, and what that means."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import attrs
from flowcraft_core import durable
from flowcraft_core.errors import (
    BackendError,
    FlowcraftError,
    LostActionError,
    ResumeError,
    UnknownNodeError,
    UnknownWaitError,
)


class Exit(enum.IntEnum):
    """The exit codes, for scripts. ``docs/cli.md`` lists them from here."""

    OK = 0, "what was asked for is done"
    FAILED = (
        1,
        "it was looked at, and is not well: a run has failed or was cancelled, a flow cannot be built, two differ",
    )
    USAGE = 2, "the command line, the settings, a flow or an input cannot be used"
    UNKNOWN = 3, "there is no such run, dead letter, schedule, node or wait"
    REFUSED = (
        4,
        "what is there does not allow it: the run has ended or is of another flow, the wait takes no such action",
    )
    BACKEND = 5, "the backend cannot be reached, or refuses"
    WAITING = 6, "it has not ended: the time to wait is over, or only a resume goes on"
    DEFECT = 70, "a defect of flowcraft itself; --debug shows where"
    INTERRUPTED = 130, "Ctrl-C"

    meaning: str

    def __new__(cls, code: int, meaning: str = "") -> Exit:
        """A code that knows what it means."""
        made = int.__new__(cls, code)
        made._value_ = code
        made.meaning = meaning
        return made


class CommandError(FlowcraftError):
    """A command cannot do what it was asked to: a message for the user, and the code to exit with."""

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        self.code = code
        super().__init__(message)


@attrs.frozen
class Answer:
    """What a command gives.

    Attributes:
        fields: What it says with ``--json``, beside ``ok``.
        code: How it ends.
    """

    fields: Mapping[str, Any] = attrs.field(factory=dict)
    code: Exit = Exit.OK


def code_of(error: BaseException) -> Exit:
    """The code to exit with after an error."""
    match error:
        case CommandError():
            return error.code
        case durable.UnknownRunError() | durable.UnknownScheduleError() | UnknownNodeError() | UnknownWaitError():
            return Exit.UNKNOWN
        case LostActionError():
            return Exit.REFUSED
        case ResumeError() if "recorded run" not in str(error):
            return Exit.REFUSED
        case BackendError():
            return Exit.BACKEND
        case TimeoutError():
            return Exit.WAITING
        case FlowcraftError():
            return Exit.USAGE
        case KeyboardInterrupt():
            return Exit.INTERRUPTED
        case _:
            return Exit.DEFECT
