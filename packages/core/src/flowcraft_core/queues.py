"""Names of queues: what may be one, and which a backend has that was told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from .errors import ConfigurationError, UnknownQueueError

Q = TypeVar("Q")

#: The queue that every backend has: of all that names no other.
DEFAULT_QUEUE = "default"

# What SQS and Azure take of a name, a folder, a table and a command line, too.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


def is_queue_name(name: object) -> bool:
    """Whether something can be the name of a queue."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def not_a_queue(what: str, name: object) -> str:
    """Says that something is no queue's name, and what one is.

    Args:
        what: Where it was given, such as ``node 'a': queue``.
        name: What was given.
    """
    return (
        f"{what} must be a queue's name, not {name!r:.100}: 1 to 80 ASCII letters, digits, '-', '_' and '.', beginning "
        "with a letter or a digit"
    )


def require_queue(what: str, name: object) -> str:
    """A queue's name.

    Args:
        what: Where it was given.
        name: What was given.

    Raises:
        ConfigurationError: It can be none.
    """
    if not isinstance(name, str) or not is_queue_name(name):
        raise ConfigurationError(not_a_queue(what, name))
    return name


class DeclaredQueues(Generic[Q]):
    """A ``ports.NamedQueues`` of a backend that was told its queues: these, and no others."""

    def __init__(self, owner: str, queues: Mapping[str, Q]) -> None:
        """Take them.

        Args:
            owner: What was told, for messages, and how: ``AwsBackend: queues={"gpu": url}``.
            queues: By name.

        Raises:
            ConfigurationError: A name can be none, or is that of the queue that each backend has.
        """
        for name in queues:
            if require_queue(f"{owner}: a key", name) == DEFAULT_QUEUE:
                raise ConfigurationError(f"{owner}: {DEFAULT_QUEUE!r} is the name of the queue that there is anyway")
        self._owner, self._queues = owner, dict(queues)

    def named(self, name: str) -> Q:
        """See ``ports.NamedQueues``."""
        if name not in self._queues:
            there = ", ".join([DEFAULT_QUEUE, *sorted(self._queues)])
            raise UnknownQueueError(f"there is no queue {name!r}; there are: {there}. Further ones: {self._owner}")
        return self._queues[name]

    async def names(self) -> Sequence[str]:
        """See ``ports.NamedQueues``."""
        return sorted(self._queues)
