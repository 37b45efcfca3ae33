"""Every chance of a schedule, drawn from a seed by name, so that it can be repeated with some of them taken out.

A draw is named by who asks and how often they have asked before, as in ``worker-1.17``. Each name has a stream of its
own: what is drawn for one does not shift what is drawn for another. A draw that is taken out gives the harmless answer:
no fault, and the first in line. That is what makes a failing schedule shorter: of all the draws that made a difference,
take out those without which it fails as well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

_HARMLESS = 0.999_999_9


class Dice:
    """The chances of one schedule.

    Attributes:
        seed: What they follow from.
        used: The names of the draws that made a difference, in order.
    """

    def __init__(self, seed: int | str, only: Collection[str] | None = None) -> None:
        """Draw nothing yet.

        Args:
            seed: What all draws follow from.
            only: The draws that count; all others are harmless. None: all count.
        """
        self.seed = seed
        self.used: list[str] = []
        self._only = None if only is None else frozenset(only)
        self._streams: dict[str, Random] = {}
        self._drawn: dict[str, int] = {}
        self._last = ""

    def chance(self, who: str, chance: float) -> bool:
        """True with that chance; harmless is False."""
        return self._used(chance > 0 and self._draw(who) < chance)

    def index(self, who: str, number: int) -> int:
        """A place among so many; harmless is the first."""
        if number <= 1:
            return 0
        place = number - 1 - int(self._draw(who) * number)
        self._used(place > 0)
        return place

    def one_of(self, who: str, values: Sequence[T]) -> T:
        """One of some values; harmless is the first."""
        return values[self.index(who, len(values))]

    def weighed(self, who: str, weights: dict[T, float]) -> T | None:
        """One of the keys, each with its chance, or None with what is left; harmless is None."""
        if not weights:
            return None
        left = self._draw(who)
        for value, weight in weights.items():
            if left < weight:
                self._used(True)
                return value
            left -= weight
        return None

    def _draw(self, who: str) -> float:
        stream = self._streams.get(who)
        if stream is None:
            stream = self._streams[who] = Random(f"{self.seed} {who}")  # noqa: S311 - to be repeated
        count = self._drawn[who] = self._drawn.get(who, 0) + 1
        self._last = f"{who}.{count}"
        drawn = stream.random()
        return drawn if self._only is None or self._last in self._only else _HARMLESS

    def _used(self, used: bool) -> bool:
        if used:
            self.used.append(self._last)
        return used


class StoreDice(Random):
    """The chances that the backend in memory takes by itself, drawn from a schedule's dice.

    Attributes:
        hits: How often a chance of at most one half came true.
    """

    def __new__(cls, dice: Dice, who: str) -> StoreDice:
        """As ``Random`` wants it: without a seed."""
        return super().__new__(cls)

    def __init__(self, dice: Dice, who: str) -> None:
        super().__init__()
        self._dice = dice
        self._who = who
        self.hits = 0

    def random(self) -> float:
        """As ``Random.random``; the store asks for chances of at most one half."""
        drawn = self._dice._draw(self._who)
        self.hits += self._dice._used(drawn < 0.5)
        return drawn

    def randint(self, a: int, b: int) -> int:
        """As ``Random.randint``; harmless is the most."""
        return b - self._dice.index(self._who, b - a + 1)

    def sample(self, population: Any, k: int, *, counts: Any = None) -> list[Any]:
        """As ``Random.sample``; harmless is the first ones in order."""
        left = list(population)
        return [left.pop(self._dice.index(self._who, len(left))) for _ in range(k)]
