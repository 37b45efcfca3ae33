"""Every error that Flowcraft raises on purpose, under one root.

The class says what the caller can do next; the message names the flow, node, run, limit or setting and the remedy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

import attrs

if TYPE_CHECKING:
    from .rules import Problem, Rule


class FlowcraftError(Exception):
    """The root of every error that Flowcraft raises on purpose.

    Attributes:
        problems: What is wrong with a flow, by the rules that it breaks; none where the error is about something else.
    """

    problems: tuple[Problem, ...] = ()


class BlueprintError(FlowcraftError):
    """A blueprint cannot mean anything as it stands; mend the blueprint.

    Attributes:
        problems: Every problem found, each naming its node or edge and a remedy.
    """

    def __init__(self, blueprint_id: str, problems: Sequence[Problem]) -> None:
        self.blueprint_id = blueprint_id
        self.problems = tuple(attrs.evolve(problem, flow=blueprint_id) for problem in problems)
        listing = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"blueprint {blueprint_id!r} cannot be run:\n{listing}")

    def __reduce__(self) -> tuple[type[BlueprintError], tuple[str, tuple[Problem, ...]]]:
        # A pool of processes whose worker raises what its parent cannot read breaks as a whole, without a word of it.
        return type(self), (self.blueprint_id, self.problems)


class ExpressionError(FlowcraftError):
    """An expression is refused (unsafe, malformed or over a bound) or failed on the data it was given."""


class SerializationError(FlowcraftError):
    """A value cannot be stored, or stored text cannot be read back; register its type or return plain data."""


class ConfigurationError(FlowcraftError):
    """The program is set up wrongly: a missing implementation, an unknown flow, an impossible option."""

    @classmethod
    def of(cls, *problems: Problem) -> Self:
        """An error that says what is wrong with a flow, with the rules that it breaks."""
        error = cls("; ".join(map(str, problems)))
        error.problems = problems
        return error


@contextlib.contextmanager
def held_to(rule: Rule, node: str | None = None) -> Iterator[None]:
    """Let what is refused inside name a rule.

    Args:
        rule: The one that it breaks.
        node: Id of the node where it does; None for the flow as a whole.

    Raises:
        ConfigurationError: Something was refused.
    """
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError.of(rule.at(node, str(error))) from error


class ImplementationMissingError(ConfigurationError):
    """No implementation is registered under a name that a blueprint uses.

    Attributes:
        key: The instance that needs it; empty if it is not needed yet.
    """

    def __init__(self, message: str, key: str = "") -> None:
        self.key = key
        super().__init__(message)


class UnknownQueueError(ConfigurationError):
    """A backend has no queue of a name that a flow, a run or a worker gives."""


class UnknownLimitError(ConfigurationError):
    """A node names a limit that this program does not declare; another one may."""


class UnknownNodeError(ConfigurationError):
    """A run has no instance of the key that is given, or it is not there yet."""


class StepError(FlowcraftError):
    """A step did not give a result."""


class StepTimeoutError(StepError):
    """A step ran longer than its node's timeout."""


class StepEndedError(StepError):
    """A step was ended by what is no ordinary exception: an exit, an interrupt, a cancellation of its own making.

    What was raised is its ``__cause__``, and what is told of the failure. In a failed attempt like any other, it stands
    for that wherever an ``Exception`` is expected.
    """

    @classmethod
    def of(cls, error: BaseException) -> Exception:
        """An error that a coroutine or a future can carry: the same one, or one of this class in its place."""
        if isinstance(error, Exception) and not isinstance(error, (StopIteration, StopAsyncIteration)):
            return error
        ended = cls(f"the step was ended by {type(error).__name__}")
        ended.__cause__ = error
        return ended


class LostActionError(StepError):
    """A step, or who ended a wait, gave an action that no edge takes; raised where runs are strict."""


class NonRetryableError(StepError):
    """Raise this from a step to fail its node at once, whatever its retry policy."""


class RunCancelledError(FlowcraftError):
    """The run was cancelled; raised inside a step that asks to go on."""


class ResumeError(FlowcraftError):
    """A wait cannot be resumed: it was not reached, is resolved already, or does not exist."""


class UnknownWaitError(ResumeError):
    """A run has no wait of the key that is given; what is there is said instead."""


class BackendError(FlowcraftError):
    """A backend refused a call, or is used wrongly; trying the same again does not help."""


class BackendGoneError(BackendError):
    """What was opened is not what is there now: what is done with it reaches nobody. Open the backend anew."""


class TransientError(BackendError):
    """A call to a backend may succeed when it is tried again; it may have been applied all the same."""


def raise_together(errors: Sequence[BaseException]) -> None:
    """Raise what several checks found as one error, so that nobody mends one thing after the other.

    What a user can mend comes first: if there is anything of it, transient errors are left out.

    Args:
        errors: What was raised. With none, nothing happens.

    Raises:
        BaseException: The first of those that Flowcraft did not raise on purpose, if there is one.
        BackendError: Several are to be mended, at least one of them at the backend; a line each.
        ConfigurationError: Those to be mended are all in the program.
        TransientError: There are no others.
    """
    for error in errors:
        if not isinstance(error, (BackendError, ConfigurationError)):
            raise error
    lasting = [error for error in errors if not isinstance(error, TransientError)] or list(errors)
    by_message = {str(error): error for error in lasting}  # two checks may meet the same thing
    if len(by_message) > 1:
        kinds = {type(error) for error in by_message.values()}
        kind = kinds.pop() if len(kinds) == 1 else BackendError
        raise kind("\n".join(by_message)) from lasting[0]
    for error in by_message.values():
        raise error
