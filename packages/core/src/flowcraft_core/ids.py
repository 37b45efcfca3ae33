"""Ids for runs, jobs and writers: 128 random bits, from one place that a simulation can seed."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator

from .errors import ConfigurationError
from .texts import is_text

# Seeded from the system's entropy when this is imported, and again in a forked child. Drawing from it costs a tenth of
# asking the system, and nothing here is a secret: an id only has to be the only one of its kind.
_random = random.Random()  # noqa: S311
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def new_id() -> str:
    """A new id: 32 hexadecimal digits, unique for all practical purposes."""
    return f"{_random.getrandbits(128):032x}"


def require_run_id(run_id: str) -> str:
    """A run id that can be used.

    Raises:
        ConfigurationError: It cannot.
    """
    if not isinstance(run_id, str) or not 1 <= len(run_id) <= 300 or run_id.startswith(":") or not is_text(run_id):
        raise ConfigurationError(
            f"run id {run_id!r:.80}: use 1 to 300 characters, the first of them no colon, that UTF-8 can hold"
        )
    return run_id


@contextlib.contextmanager
def seeded(seed: int | str) -> Iterator[None]:
    """Give the same ids for the same seed within the block; for simulations and tests, in one thread."""
    before = _random.getstate()
    _random.seed(seed)
    try:
        yield
    finally:
        _random.setstate(before)
