"""Ids for runs, jobs and writers: 128 random bits, from one place that a simulation can seed; and what an id may be.

What else tells one program from another, the machine and the process, is asked here too, for the same reason.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections.abc import Iterator

from .errors import ConfigurationError
from .texts import is_text

# Seeded from the system's entropy when this is imported, and again in a forked child. Drawing from it costs a tenth of
# asking the system, and nothing here is a secret: an id only has to be the only one of its kind.
_random = random.Random()  # noqa: S311
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


# So many characters may the id of a run have, which every store takes.
_LONGEST = 300


def new_id() -> str:
    """A new id: 32 hexadecimal digits, unique for all practical purposes."""
    return f"{_random.getrandbits(128):032x}"


# Where a simulation says that it is.
_elsewhere: list[tuple[str, int]] = []


def whereabouts() -> tuple[str, int]:
    """The name of the machine and the number of the process."""
    return _elsewhere[-1] if _elsewhere else (socket.gethostname(), os.getpid())


def require_run_id(run_id: str, *, may_be_letter: bool = False) -> str:
    """A run's id, if it can be one. Whoever is given an id from outside asks this first, whatever it is for.

    What begins with a colon is the engine's own: dead letters are named so.

    Args:
        run_id: What was given.
        may_be_letter: Whether it may be a dead letter's.

    Raises:
        ConfigurationError: It is no text, or has no or too many characters, a colon first, or half a character.
    """
    if not isinstance(run_id, str):
        raise ConfigurationError(f"run id {run_id!r:.80}: give text, not {type(run_id).__name__}")
    if not 1 <= len(run_id) <= _LONGEST or (run_id.startswith(":") and not may_be_letter):
        raise ConfigurationError(f"run id {run_id!r:.80}: use 1 to {_LONGEST} characters, the first of them no colon")
    if not is_text(run_id):
        raise ConfigurationError(f"run id {run_id!a:.80}: a lone surrogate is no character, UTF-8 cannot hold it")
    return run_id


@contextlib.contextmanager
def seeded(seed: int | str, *, somewhere: bool = True) -> Iterator[None]:
    """Give the same ids for the same seed within the block; in one thread.

    It is for simulations and tests.

    Args:
        seed: Of the ids.
        somewhere: Whether this is to be as if always in the same process of the same machine.
    """
    before = _random.getstate()
    _random.seed(seed)
    if somewhere:
        _elsewhere.append(("somewhere", 1))
    try:
        yield
    finally:
        _random.setstate(before)
        if somewhere:
            _elsewhere.pop()
