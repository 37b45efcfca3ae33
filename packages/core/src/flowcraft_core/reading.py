"""What adapters read back, of which somebody else may have written anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .errors import BackendError


@contextlib.contextmanager
def readable(what: str) -> Iterator[None]:
    """Say of which record it is that it does not hold what it must: somebody else has written it, or it was damaged.

    Args:
        what: The record, as the message is to name it.

    Raises:
        BackendError: It cannot be read.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise BackendError(f"{what} cannot be read: {type(error).__name__}: {error}") from error
