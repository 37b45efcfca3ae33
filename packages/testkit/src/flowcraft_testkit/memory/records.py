"""A record of which a reader may see an older version for a while, as from a replica that lags behind."""

from __future__ import annotations

from random import Random
from typing import Generic, NamedTuple, TypeVar

from flowcraft_core.clock import Clock

T = TypeVar("T")


class _Version(NamedTuple, Generic[T]):
    value: T | None
    written: float
    writer: object


class Record(Generic[T]):
    """The versions of one record, the newest last; None stands for "there is none"."""

    def __init__(self, clock: Clock, random: Random, lag: float) -> None:
        """Hold nothing yet.

        Args:
            clock: Tells how old a version is.
            random: Says whether a read misses a version.
            lag: For how long a version may be missed, seconds.
        """
        self._clock = clock
        self._random = random
        self._lag = lag
        self._versions: list[_Version[T]] = []

    def copy(self) -> Record[T]:
        """Another record with the same versions."""
        other = Record[T](self._clock, self._random, self._lag)
        other._versions = list(self._versions)
        return other

    @property
    def newest(self) -> T | None:
        """What conditional writes and consistent reads see."""
        return self._versions[-1].value if self._versions else None

    def write(self, value: T | None, writer: object) -> None:
        """Add a version, and forget those that nobody can see any more."""
        self._versions.append(_Version(value, self._clock.now(), writer))
        if len(self._versions) == 1:
            return
        settled = [place for place, version in enumerate(self._versions) if not self._is_fresh(version)]
        del self._versions[: settled[-1] if settled else 0]

    def read(self, reader: object) -> T | None:
        """What this reader sees: its own writes always, another's fresh ones with a chance of one half each."""
        for version in reversed(self._versions):
            may_miss = version.writer is not reader and self._is_fresh(version)
            if not (may_miss and self._random.random() < 0.5):
                return version.value
        return None

    def _is_fresh(self, version: _Version[T]) -> bool:
        return self._lag > 0 and self._clock.now() - version.written < self._lag
