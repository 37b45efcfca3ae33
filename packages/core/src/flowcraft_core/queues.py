"""Names of queues: what may be one, and whose name they are."""

from __future__ import annotations

import re

from .errors import ConfigurationError

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
