"""The oracle against a mutant: whether it sees what is wrong with a broken backend or program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol
from unittest import mock

from flowcraft_core.ports import Backend

from .trying import Tried, try_seed


class Broken(Protocol):
    """What a ``flowcraft_testkit.mutants.Mutant`` says of its defect; importing that package takes pytest."""

    @property
    def spoil(self) -> Callable[[Backend], None] | None:
        """Makes a port of a backend wrong; None for a defect of a program."""

    @property
    def patches(self) -> tuple[tuple[Any, str, Any], ...]:
        """The functions that are replaced: owner, name and the replacement."""


def find_with_oracle(mutant: Broken, seeds: Iterable[int]) -> Tried | None:
    """The first of some seeds with which the oracle sees that something is wrong; None if there is none.

    Only what is run on the durable engine is broken: the in-process run, and the model, are as they were.

    Args:
        mutant: What is broken, and how.
        seeds: Seeds with which nothing is wrong on the sound engine.
    """
    tried = (try_seed(seed, spoil=mutant.spoil, around=lambda: _in_place(mutant)) for seed in seeds)
    return next((each for each in tried if each.problems), None)


@contextmanager
def _in_place(mutant: Broken) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, attribute, replacement in mutant.patches:
            stack.enter_context(mock.patch.object(owner, attribute, replacement))
        yield
